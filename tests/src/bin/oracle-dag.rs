//! Compares workflows with the real condor_dagman, live.
//!
//! `oracle-dag --seed N --cases M --reference DIR --updraft FILE` makes M small DAGs, runs each by
//! both, and prints where they differ. `DIR` is where a real HTCondor was set up in a chroot and
//! started. Each case runs in a folder of its own in both; with `--keep` they stay. With `--record
//! FOLDER`, the cases in which both agree are written there, with what the real one did; `--replay
//! FOLDER` runs those by ours alone, and needs no real one. `--written FOLDER` runs, in place of
//! cases that are made, those whose files stand in the folders there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use updraft_tests::dag_oracle::compare::{Finding, MEANT, compare};
use updraft_tests::dag_oracle::generate::{Case, case};
use updraft_tests::dag_oracle::observe::{Observation, observe};
use updraft_tests::dag_oracle::own_ways::{self, NO_END, OWN_WAYS};
use updraft_tests::dag_oracle::written;

/// The user of the reference's chroot.
const USER: u32 = 1000;

/// How long a round may take.
const ROUND_AT_MOST: Duration = Duration::from_secs(180);

/// What condor_dagman says when it dies of a mistake of its own: its job is queued again for ever.
const DEAD: &str = "ERROR \"Assertion ERROR";

/// How often it is looked how far a DAG is.
const LOOK: Duration = Duration::from_millis(250);

struct Options {
    seed: u64,
    cases: u64,
    /// Only this case.
    only: Option<u64>,
    at_once: u64,
    reference: PathBuf,
    updraft: PathBuf,
    keep: bool,
    record: Option<PathBuf>,
    replay: Option<PathBuf>,
    written: Option<PathBuf>,
}

/// A case, and what the real one did: a file of it is a test that needs no real one.
#[derive(serde::Serialize, serde::Deserialize)]
struct Recording {
    case: Case,
    real: Observation,
}

impl Recording {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))
    }

    fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("write a recording")?;
        fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let options = options()?;
    let home = tempfile::tempdir().context("make a folder for our pool")?;
    let ours = Side::Ours {
        updraft: std::path::absolute(&options.updraft).context("find our program")?,
        home: home.path().join("pool"),
        work: home.path().join("work"),
    };
    let real = if options.replay.is_some() { None } else { Some(real(&options)?) };
    if let Some(folder) = &options.record {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    ours.pool("start")?;
    let counts = both(&options, real.as_ref(), &ours);
    ours.pool("stop")?;
    if options.keep {
        let real = real.as_ref().map(|real| real.work().display().to_string());
        println!("kept: {} and {}", real.unwrap_or_default(), home.keep().display());
    } else if let Some(real) = &real {
        fs::remove_dir_all(real.work()).context("remove the reference's folder")?;
    }
    let Counts { cases, differing, in_own_ways } = counts?;
    println!(
        "seed {}: {cases} cases, {differing} differ; {in_own_ways} more because the real one went ways of its own",
        options.seed
    );
    Ok(if options.replay.is_some() && differing > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The real one, which must be there.
fn real(options: &Options) -> anyhow::Result<Side> {
    let root = options.reference.join("root");
    if !root.join("usr/bin/condor_submit_dag").exists() {
        bail!(
            "there is no HTCondor in {}: this needs a real one, set up in a chroot there and started (as root; CI has none)",
            root.display()
        );
    }
    let run = format!("oracle-{}-{}", options.seed, std::process::id());
    Ok(Side::Real { root: root.clone(), work: root.join("home/alice").join(&run), run })
}

/// What came of all cases.
#[derive(Clone, Copy, Default)]
struct Counts {
    cases: usize,
    differing: u64,
    in_own_ways: u64,
}

/// The cases that are run, each with its name.
fn wanted(options: &Options) -> anyhow::Result<Vec<(String, Plan)>> {
    let made = |index: u64| (format!("case{index}"), Plan::Made(index));
    let Some(folder) = options.replay.as_ref().or(options.written.as_ref()) else {
        return Ok(match options.only {
            Some(index) => vec![made(index)],
            None => (0..options.cases).map(made).collect(),
        });
    };
    let mut plans = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if options.written.is_some() && path.is_dir() {
            plans.push((name, Plan::Written(path)));
        } else if options.replay.is_some() && path.extension().is_some_and(|end| end == "json") {
            plans.push((name, Plan::Recorded(path)));
        }
    }
    if plans.is_empty() {
        bail!("there is no case in {}: cases are recorded with --record", folder.display());
    }
    plans.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(plans)
}

/// Where a case comes from, and what the real one does with it.
enum Plan {
    Made(u64),
    Recorded(PathBuf),
    Written(PathBuf),
}

/// Runs all cases, many at once: most of the time of each is waiting.
fn both(options: &Options, real: Option<&Side>, ours: &Side) -> anyhow::Result<Counts> {
    let plans = wanted(options)?;
    let next = AtomicUsize::new(0);
    let counts = Mutex::new(Counts { cases: plans.len(), ..Counts::default() });
    let failed: Mutex<Option<anyhow::Error>> = Mutex::new(None);
    let many = usize::try_from(options.at_once).unwrap_or(1).min(plans.len());
    thread::scope(|threads| {
        for _ in 0..many {
            threads.spawn(|| {
                while let Some((name, plan)) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = one(options, name, plan, real, ours);
                    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                    match verdict {
                        Ok(Verdict::OwnWay(why)) => {
                            counts.in_own_ways += 1;
                            println!("-- {name}: {why}");
                        }
                        Ok(Verdict::Compared(findings)) if findings.is_empty() => {}
                        Ok(Verdict::Compared(findings)) => {
                            counts.differing += 1;
                            show(options, name, plan, &findings);
                        }
                        Err(error) => {
                            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                            return;
                        }
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(counts.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

fn show(options: &Options, name: &str, plan: &Plan, findings: &[Finding]) {
    let mut text = match plan {
        Plan::Made(index) => {
            format!("== {name}, again: --seed {} --case {index} --keep\n", options.seed)
        }
        Plan::Recorded(path) | Plan::Written(path) => format!("== {}\n", path.display()),
    };
    for finding in findings {
        text += &format!("{}:\n", finding.aspect);
        text.extend(finding.text.lines().map(|line| format!("    {line}\n")));
    }
    print!("{text}");
}

/// What came of a case.
enum Verdict {
    Compared(Vec<Finding>),
    /// They differ, because the real one went this way of its own.
    OwnWay(&'static str),
}

fn one(
    options: &Options,
    name: &str,
    plan: &Plan,
    real: Option<&Side>,
    ours: &Side,
) -> anyhow::Result<Verdict> {
    let (case, recorded) = match plan {
        Plan::Made(index) => (case(options.seed, *index), None),
        Plan::Recorded(path) => {
            let Recording { case, real } = Recording::read(path)?;
            (case, Some(real))
        }
        Plan::Written(path) => {
            let case = written::read(path).with_context(|| format!("read {}", path.display()))?;
            (case, None)
        }
    };
    let (theirs, ours) = thread::scope(|threads| {
        let real = real.map(|real| {
            let case = &case;
            threads.spawn(move || real.play(case, name))
        });
        let ours = ours.play(&case, name);
        (real.map(thread::ScopedJoinHandle::join), ours)
    });
    let theirs = match (theirs, recorded) {
        (Some(joined), _) => {
            joined.map_err(|_| anyhow::anyhow!("the thread of the real one ended"))??
        }
        (None, Some(recorded)) => recorded,
        (None, None) => bail!("there is nobody to compare with"),
    };
    let ours = ours?;
    let findings = compare(&case, &theirs, &ours);
    // What was recorded was decided: both agreed.
    if real.is_some()
        && !findings.is_empty()
        && let Some(way) = own_ways::gone(&case, &theirs, &ours)
    {
        return Ok(Verdict::OwnWay(way.why));
    }
    if let (Some(folder), true) = (&options.record, findings.is_empty()) {
        let path = folder.join(format!("{name}.json"));
        Recording { case, real: theirs }.write(&path)?;
    }
    Ok(Verdict::Compared(findings))
}

/// One of the two.
enum Side {
    Real { root: PathBuf, work: PathBuf, run: String },
    Ours { updraft: PathBuf, home: PathBuf, work: PathBuf },
}

impl Side {
    fn work(&self) -> &Path {
        match self {
            Self::Real { work, .. } | Self::Ours { work, .. } => work,
        }
    }

    /// Starts or stops our pool.
    fn pool(&self, verb: &str) -> anyhow::Result<()> {
        let mut words = vec!["pool", verb];
        if verb == "start" {
            words.extend(["--cpus", "8", "--memory", "16384"]);
        }
        if verb == "stop" {
            words.push("--now");
        }
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        fs::create_dir_all(self.work())?;
        let out = self.call(".", &words)?;
        if !out.status.success() {
            bail!("pool {verb}: {}", String::from_utf8_lossy(&out.stderr));
        }
        Ok(())
    }

    /// Runs a command in the folder of a case.
    fn call(&self, folder: &str, words: &[String]) -> anyhow::Result<Output> {
        let mut command = match self {
            Self::Real { root, run, .. } => {
                let mut command = Command::new("chroot");
                command.args(["--userspec=1000:1000".as_ref(), root.as_os_str()]);
                command.args([
                    "/usr/bin/env",
                    "-i",
                    "HOME=/home/alice",
                    "USER=alice",
                    "LOGNAME=alice",
                ]);
                command.args(["PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC", "sh", "-c"]);
                command.arg(format!("cd ~/{run}/{folder} && exec \"$@\"")).arg("sh").args(words);
                command
            }
            Self::Ours { updraft, home, work } => {
                let mut command = Command::new(updraft);
                command.args(words).current_dir(work.join(folder));
                command.env("UPDRAFT_HOME", home).env("UPDRAFT_MAIL", "none").env("TZ", "UTC");
                command
            }
        };
        command.stdin(Stdio::null()).output().with_context(|| format!("run {}", words.join(" ")))
    }

    /// Runs a case to its end.
    fn play(&self, case: &Case, folder: &str) -> anyhow::Result<Observation> {
        let path = self.work().join(folder);
        self.write(case, &path)?;
        let mut exits = Vec::new();
        for (at, flags) in case.rounds.iter().enumerate() {
            let is_first = at == 0;
            if !is_first && !has_rescue(&path)? {
                break;
            }
            self.put(&path.join("round"), &format!("{}\n", at + 1))?;
            let mut words = vec!["condor_submit_dag".to_owned()];
            words.extend(flags.iter().cloned());
            words.extend(case.dags.iter().cloned());
            let out = self.call(folder, &words)?;
            let submitted = out.status.code().unwrap_or(-1);
            exits.push(format!("round {} submitted with {submitted}", at + 1));
            if submitted != 0 {
                break;
            }
            let cluster = cluster(&String::from_utf8_lossy(&out.stdout));
            let remove_at = case.remove_at.as_deref().filter(|_| is_first);
            let end = self.end(case, folder, exits.len(), remove_at, cluster.as_deref())?;
            exits.push(format!("round {} {end}", at + 1));
            if end == NO_END {
                self.call(folder, &["condor_rm".to_owned(), cluster.unwrap_or_default()])?;
                break;
            }
        }
        observe(&path, case, exits).with_context(|| format!("read {}", path.display()))
    }

    fn write(&self, case: &Case, path: &Path) -> anyhow::Result<()> {
        let inner = case.files.keys().filter_map(|name| Path::new(name).parent());
        let folders = inner.flat_map(|folder| folder.ancestors()).map(|folder| path.join(folder));
        let folders: BTreeSet<PathBuf> = folders.collect();
        fs::create_dir_all(self.work())?;
        self.give(self.work())?;
        // Each stands before what is in it.
        for folder in &folders {
            fs::create_dir_all(folder)?;
            self.give(folder)?;
        }
        for (name, text) in &case.files {
            self.put(&path.join(name), text)?;
        }
        self.put(&path.join("runs"), "")
    }

    fn put(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        self.give(path)
    }

    fn give(&self, path: &Path) -> anyhow::Result<()> {
        match self {
            Self::Real { .. } => Ok(chown(path, Some(USER), Some(USER))?),
            Self::Ours { .. } => Ok(()),
        }
    }

    /// Waits for the end of a round, and says how it was. `before` counts the ends that were told
    /// before.
    #[expect(clippy::disallowed_methods, reason = "a deadline of a run with real processes")]
    fn end(
        &self,
        case: &Case,
        folder: &str,
        said: usize,
        mut remove_at: Option<&str>,
        cluster: Option<&str>,
    ) -> anyhow::Result<String> {
        let path = self.work().join(folder);
        let out = path.join(format!("{}.dagman.out", case.dags[0]));
        let begun = Instant::now();
        let (mut last, mut changed) = (0, Instant::now());
        // Each round that ended has said so, and each submission is one line in `said` too.
        let rounds = said.div_ceil(2);
        let quiet = match self {
            Self::Real { .. } => Duration::from_secs(20),
            Self::Ours { .. } => Duration::from_secs(8),
        };
        while begun.elapsed() < ROUND_AT_MOST {
            thread::sleep(LOOK);
            let text = fs::read_to_string(&out).unwrap_or_default();
            let ends: Vec<&str> =
                text.lines().filter(|l| l.contains("EXITING WITH STATUS")).collect();
            if text.contains(DEAD) {
                break;
            }
            let is_locked = path.join(format!("{}.lock", case.dags[0])).exists();
            if ends.len() >= rounds && !is_locked {
                let status = ends.last().and_then(|line| line.rsplit(' ').next()).unwrap_or("?");
                return Ok(format!("exited with {status}"));
            }
            let runs = fs::read_to_string(path.join("runs")).unwrap_or_default();
            if let (Some(node), Some(cluster)) = (remove_at, cluster)
                && runs.lines().any(|line| line == format!("1 job {node} 0 0 begin"))
            {
                thread::sleep(LOOK * 8);
                self.call(folder, &["condor_rm".to_owned(), cluster.to_owned()])?;
                remove_at = None;
            }
            if runs.len() != last {
                (last, changed) = (runs.len(), Instant::now());
            }
            if changed.elapsed() > quiet && !path.join("stop").exists() {
                self.put(&path.join("stop"), "")?;
            }
        }
        Ok(NO_END.to_owned())
    }
}

/// The number of the DAG's own job.
fn cluster(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("submitted to cluster ")?;
    Some(rest.split('.').next()?.to_owned())
}

fn has_rescue(path: &Path) -> anyhow::Result<bool> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.contains("main.dag") && name.contains(".rescue") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options {
        seed: 1,
        cases: 50,
        only: None,
        at_once: 40,
        reference: std::env::var_os("HTCONDOR_REFERENCE").unwrap_or_default().into(),
        updraft: "target/release/updraft".into(),
        keep: false,
        record: None,
        replay: None,
        written: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--seed" => options.seed = value()?.parse().context("--seed needs a number")?,
            "--cases" => options.cases = value()?.parse().context("--cases needs a number")?,
            "--case" => options.only = Some(value()?.parse().context("--case needs a number")?),
            "--at-once" => {
                options.at_once = value()?.parse().context("--at-once needs a number")?;
            }
            "--reference" => options.reference = value()?.into(),
            "--updraft" => options.updraft = value()?.into(),
            "--keep" => options.keep = true,
            "--record" => options.record = Some(value()?.into()),
            "--replay" => options.replay = Some(value()?.into()),
            "--written" => options.written = Some(value()?.into()),
            "--meant" => {
                MEANT.iter().for_each(|m| println!("{}: {}\n    {}", m.aspect, m.has, m.why));
                OWN_WAYS.iter().for_each(|way| println!("a whole run:\n    {}", way.why));
                std::process::exit(0);
            }
            other => bail!(
                "unknown option {other}: use --seed N, --cases M, --case I, --at-once K, --reference DIR, --updraft FILE, --keep, --record FOLDER, --replay FOLDER, --written FOLDER, --meant"
            ),
        }
    }
    options.updraft = fs::canonicalize(&options.updraft)
        .with_context(|| format!("there is no program {}", options.updraft.display()))?;
    Ok(options)
}
