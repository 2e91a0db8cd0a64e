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
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use updraft_tests::dag_oracle::compare::{Finding, MEANT, compare};
use updraft_tests::dag_oracle::generate::{Case, case};
use updraft_tests::dag_oracle::observe::{Observation, observe};
use updraft_tests::dag_oracle::own_ways::{self, NO_END, OWN_WAYS};
use updraft_tests::dag_oracle::written;
use updraft_tests::oracle_cases::{CaseArgs, Usual};
use updraft_tests::side::Side;

/// How long a round may take.
const ROUND_AT_MOST: Duration = Duration::from_secs(180);

/// What condor_dagman says when it dies of a mistake of its own: its job is queued again for ever.
const DEAD: &str = "ERROR \"Assertion ERROR";

/// How often it is looked how far a DAG is.
const LOOK: Duration = Duration::from_millis(250);

const USUAL: Usual = Usual { cases: 50, at_once: 40 };

/// Compares workflows with the real condor_dagman.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    cases: CaseArgs,
    /// Leave the folders in which the cases ran.
    #[arg(long)]
    keep: bool,
    /// Run those whose files stand in the folders here, and not cases that are made.
    #[arg(long, value_name = "FOLDER")]
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
    let options = Options::parse();
    if options.cases.meant {
        MEANT.iter().for_each(|m| println!("{}: {}\n    {}", m.aspect, m.has, m.why));
        OWN_WAYS.iter().for_each(|way| println!("a whole run:\n    {}", way.why));
        return Ok(ExitCode::SUCCESS);
    }
    let home = tempfile::tempdir().context("make a folder for our pool")?;
    let ours = Side::ours(options.cases.updraft()?, home.path());
    let real = if options.cases.replay.is_some() { None } else { Some(real(&options)?) };
    if let Some(folder) = &options.cases.record {
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
        options.cases.seed
    );
    Ok(if options.cases.replay.is_some() && differing > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The real one, which must be there.
fn real(options: &Options) -> anyhow::Result<Side> {
    let run = format!("oracle-{}-{}", options.cases.seed, std::process::id());
    Side::real(&options.cases.reference(), &run)
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
    let Some(folder) = options.cases.replay.as_ref().or(options.written.as_ref()) else {
        return Ok(options.cases.numbers(USUAL).map(made).collect());
    };
    let mut plans = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if options.written.is_some() && path.is_dir() {
            plans.push((name, Plan::Written(path)));
        } else if options.cases.replay.is_some()
            && path.extension().is_some_and(|end| end == "json")
        {
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
    let many = usize::try_from(options.cases.at_once(USUAL)).unwrap_or(1).min(plans.len());
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
            format!("== {name}, again: --seed {} --case {index} --keep\n", options.cases.seed)
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
        Plan::Made(index) => (case(options.cases.seed, *index), None),
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
            threads.spawn(move || play(real, case, name))
        });
        let ours = play(ours, &case, name);
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
    if let (Some(folder), true) = (&options.cases.record, findings.is_empty()) {
        let path = folder.join(format!("{name}.json"));
        Recording { case, real: theirs }.write(&path)?;
    }
    Ok(Verdict::Compared(findings))
}

/// Runs a case to its end.
fn play(side: &Side, case: &Case, folder: &str) -> anyhow::Result<Observation> {
    let path = side.work().join(folder);
    write(side, case, &path)?;
    let mut exits = Vec::new();
    for (at, flags) in case.rounds.iter().enumerate() {
        let is_first = at == 0;
        if !is_first && !has_rescue(&path)? {
            break;
        }
        side.put(&path.join("round"), &format!("{}\n", at + 1))?;
        let mut words = vec!["condor_submit_dag".to_owned()];
        words.extend(flags.iter().cloned());
        words.extend(case.dags.iter().cloned());
        let out = side.call(folder, &words)?;
        let submitted = out.status.code().unwrap_or(-1);
        exits.push(format!("round {} submitted with {submitted}", at + 1));
        if submitted != 0 {
            break;
        }
        let cluster = cluster(&String::from_utf8_lossy(&out.stdout));
        let remove_at = case.remove_at.as_deref().filter(|_| is_first);
        let end = end(side, case, folder, exits.len(), remove_at, cluster.as_deref())?;
        exits.push(format!("round {} {end}", at + 1));
        if end == NO_END {
            side.call(folder, &["condor_rm".to_owned(), cluster.unwrap_or_default()])?;
            break;
        }
    }
    observe(&path, case, exits).with_context(|| format!("read {}", path.display()))
}

fn write(side: &Side, case: &Case, path: &Path) -> anyhow::Result<()> {
    let inner = case.files.keys().filter_map(|name| Path::new(name).parent());
    let folders = inner.flat_map(|folder| folder.ancestors()).map(|folder| path.join(folder));
    let folders: BTreeSet<PathBuf> = folders.collect();
    side.folder(side.work())?;
    // Each stands before what is in it.
    for folder in &folders {
        side.folder(folder)?;
    }
    for (name, text) in &case.files {
        side.put(&path.join(name), text)?;
    }
    side.put(&path.join("runs"), "")
}

/// Waits for the end of a round, and says how it was. `before` counts the ends that were told
/// before.
#[expect(clippy::disallowed_methods, reason = "a deadline of a run with real processes")]
fn end(
    side: &Side,
    case: &Case,
    folder: &str,
    said: usize,
    mut remove_at: Option<&str>,
    cluster: Option<&str>,
) -> anyhow::Result<String> {
    let path = side.work().join(folder);
    let out = path.join(format!("{}.dagman.out", case.dags[0]));
    let begun = Instant::now();
    let (mut last, mut changed) = (0, Instant::now());
    // Each round that ended has said so, and each submission is one line in `said` too.
    let rounds = said.div_ceil(2);
    let quiet = match side {
        Side::Real { .. } => Duration::from_secs(20),
        Side::Ours { .. } => Duration::from_secs(8),
    };
    while begun.elapsed() < ROUND_AT_MOST {
        thread::sleep(LOOK);
        let text = fs::read_to_string(&out).unwrap_or_default();
        let ends: Vec<&str> = text.lines().filter(|l| l.contains("EXITING WITH STATUS")).collect();
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
            side.call(folder, &["condor_rm".to_owned(), cluster.to_owned()])?;
            remove_at = None;
        }
        if runs.len() != last {
            (last, changed) = (runs.len(), Instant::now());
        }
        if changed.elapsed() > quiet && !path.join("stop").exists() {
            side.put(&path.join("stop"), "")?;
        }
    }
    Ok(NO_END.to_owned())
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
