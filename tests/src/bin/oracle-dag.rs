//! Compares workflows with the real condor_dagman, live.
//!
//! `oracle-dag --seed N --cases M --reference DIR --updraft FILE` makes M small DAGs, runs each by
//! both, and prints where they differ. `DIR` is where a real HTCondor was set up in a chroot and
//! started. Each case runs in a folder of its own in both; with `--keep` they stay.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use updraft_tests::dag_oracle::compare::{Finding, MEANT, compare};
use updraft_tests::dag_oracle::generate::{Case, case};
use updraft_tests::dag_oracle::observe::observe;

/// The user of the reference's chroot.
const USER: u32 = 1000;

/// How long a round may take.
const ROUND_AT_MOST: Duration = Duration::from_secs(180);

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
}

fn main() -> anyhow::Result<ExitCode> {
    let options = options()?;
    let root = options.reference.join("root");
    if !root.join("usr/bin/condor_submit_dag").exists() {
        bail!(
            "there is no HTCondor in {}: this needs a real one, set up in a chroot there and started (as root; CI has none)",
            root.display()
        );
    }
    let run = format!("oracle-{}-{}", options.seed, std::process::id());
    let home = tempfile::tempdir().context("make a folder for our pool")?;
    let real = Side::Real {
        root: root.clone(),
        work: root.join("home/alice").join(&run),
        run: run.clone(),
    };
    let ours = Side::Ours {
        updraft: options.updraft.clone(),
        home: home.path().join("pool"),
        work: home.path().join("work"),
    };
    ours.pool("start")?;
    let differing = both(&options, &real, &ours);
    ours.pool("stop")?;
    if options.keep {
        println!("kept: {} and {}", real.work().display(), home.keep().display());
    } else {
        fs::remove_dir_all(real.work()).context("remove the reference's folder")?;
    }
    let cases = if options.only.is_some() { 1 } else { options.cases };
    println!("seed {}: {cases} cases, {} differ", options.seed, differing?);
    Ok(ExitCode::SUCCESS)
}

/// Runs all cases, many at once: most of the time of each is waiting.
fn both(options: &Options, real: &Side, ours: &Side) -> anyhow::Result<u64> {
    let cases: Vec<u64> = match options.only {
        Some(index) => vec![index],
        None => (0..options.cases).collect(),
    };
    let (next, differing) = (AtomicU64::new(0), AtomicU64::new(0));
    let failed: Mutex<Option<anyhow::Error>> = Mutex::new(None);
    thread::scope(|threads| {
        for _ in 0..options.at_once.min(cases.len() as u64) {
            threads.spawn(|| {
                loop {
                    let at =
                        usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
                    let Some(index) = cases.get(at).copied() else { return };
                    match one(options.seed, index, real, ours) {
                        Ok(findings) if findings.is_empty() => {}
                        Ok(findings) => {
                            differing.fetch_add(1, Ordering::Relaxed);
                            show(options, index, &findings);
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
        None => Ok(differing.into_inner()),
    }
}

fn show(options: &Options, index: u64, findings: &[Finding]) {
    let seed = options.seed;
    let mut text = format!("== case {index}, again: --seed {seed} --case {index} --keep\n");
    for finding in findings {
        text += &format!("{}:\n", finding.aspect);
        text.extend(finding.text.lines().map(|line| format!("    {line}\n")));
    }
    print!("{text}");
}

fn one(seed: u64, index: u64, real: &Side, ours: &Side) -> anyhow::Result<Vec<Finding>> {
    let case = case(seed, index);
    let folder = format!("case{index}");
    let (real, ours) = thread::scope(|threads| {
        let real = threads.spawn(|| real.play(&case, &folder));
        let ours = ours.play(&case, &folder);
        (real.join(), ours)
    });
    let real = real.map_err(|_| anyhow::anyhow!("the thread of the real one ended"))??;
    Ok(compare(&case, &real, &ours?))
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
    fn play(
        &self,
        case: &Case,
        folder: &str,
    ) -> anyhow::Result<updraft_tests::dag_oracle::observe::Observation> {
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
            if end == "did not end" {
                self.call(folder, &["condor_rm".to_owned(), cluster.unwrap_or_default()])?;
                break;
            }
        }
        observe(&path, case, exits).with_context(|| format!("read {}", path.display()))
    }

    fn write(&self, case: &Case, path: &Path) -> anyhow::Result<()> {
        for folder in [self.work(), path, &path.join("d1")] {
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
        Ok("did not end".to_owned())
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
            "--meant" => {
                MEANT.iter().for_each(|m| println!("{}: {}\n    {}", m.aspect, m.has, m.why));
                std::process::exit(0);
            }
            other => bail!(
                "unknown option {other}: use --seed N, --cases M, --case I, --at-once K, --reference DIR, --updraft FILE, --keep, --meant"
            ),
        }
    }
    options.updraft = fs::canonicalize(&options.updraft)
        .with_context(|| format!("there is no program {}", options.updraft.display()))?;
    Ok(options)
}
