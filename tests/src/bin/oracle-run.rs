//! Compares jobs that really run with a real HTCondor, live.
//!
//! `oracle-run --seed N --cases M --reference DIR --updraft FILE` makes M small jobs, has each run
//! by both, and prints where files, event logs and ads differ. `DIR` is where a real HTCondor was
//! set up in a chroot and started. Each case runs in a folder of its own; with `--keep` they stay.

use std::fs;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use classad::ClassAd;
use model::attr;
use updraft_tests::oracle_cases::{CaseArgs, Usual};
use updraft_tests::run_oracle::compare::{MEANT, findings};
use updraft_tests::run_oracle::generate::{Case, FILES, SCRIPT, case};
use updraft_tests::run_oracle::observe::{Masks, Observation, ads, events, files};
use updraft_tests::side::Side;

const USUAL: Usual = Usual { cases: 100, at_once: 16 };

/// How long the jobs of a case may take.
const AT_MOST: Duration = Duration::from_secs(120);

/// How often it is looked whether they are over.
const LOOK: Duration = Duration::from_millis(500);

/// How long nothing must have changed for a job that stays to have come to rest.
const REST: Duration = Duration::from_secs(6);

/// Compares jobs that really run with a real HTCondor.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    cases: CaseArgs,
    /// Leave the folders in which the cases ran.
    #[arg(long)]
    keep: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let Options { cases, keep } = Options::parse();
    if cases.meant {
        MEANT.iter().for_each(|m| println!("{}\n    {}", m.has, m.why));
        return Ok(ExitCode::SUCCESS);
    }
    let home = tempfile::tempdir().context("make a folder for our pool")?;
    let ours = Side::ours(cases.updraft()?, home.path());
    let run = format!("oracle-run-{}-{}", cases.seed, std::process::id());
    let real = Side::real(&cases.reference(), &run)?;
    ours.pool("start")?;
    let differing = AtomicU64::new(0);
    let done = cases.each(USUAL, |_, index| {
        let case = case(cases.seed, index);
        let found = both(&real, &ours, &case, &format!("case{index}"))?;
        if !found.is_empty() {
            differing.fetch_add(1, Ordering::Relaxed);
            let (description, script) = (case.description(), case.script());
            println!(
                "== --seed {} --case {index}\n{description}--\n{script}--\n{}\n",
                cases.seed,
                found.join("\n")
            );
        }
        Ok(())
    });
    ours.pool("stop")?;
    if keep {
        println!("kept: {} and {}", real.work().display(), home.keep().display());
    } else if real.work().exists() {
        fs::remove_dir_all(real.work()).context("remove the reference's folder")?;
    }
    done?;
    let differing = differing.into_inner();
    println!("seed {}: {} cases, {differing} differ", cases.seed, cases.count(USUAL));
    Ok(if differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn both(real: &Side, ours: &Side, case: &Case, folder: &str) -> anyhow::Result<Vec<String>> {
    let (theirs, own) = thread::scope(|threads| {
        let theirs = threads.spawn(|| play(real, case, folder));
        (theirs.join(), play(ours, case, folder))
    });
    let theirs = theirs.map_err(|_| anyhow::anyhow!("the thread of the real one ended"))??;
    Ok(findings(&theirs, &own?))
}

/// Has the jobs of a case run, and looks at what is left.
fn play(side: &Side, case: &Case, folder: &str) -> anyhow::Result<Observation> {
    let path = side.work().join(folder);
    side.folder(side.work())?;
    for name in ["", "tree", "tree/deep", "out", "here"] {
        side.folder(&path.join(name))?;
    }
    for (name, text) in FILES {
        side.put(&path.join(name), text)?;
    }
    side.put(&path.join(SCRIPT), &case.script())?;
    side.put(&path.join("job.sub"), &case.description())?;
    let out = side.call(folder, &words(&["condor_submit", "-terse", "job.sub"]))?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let cluster = said.split('.').next().unwrap_or_default().trim().to_owned();
    let seen = match side {
        Side::Real { run, .. } => format!("/home/alice/{run}/{folder}"),
        Side::Ours { work, .. } => work.join(folder).display().to_string(),
    };
    let masks = Masks { folder: seen, cluster: cluster.clone() };
    let submitted = out.status.code().map_or("a signal".to_owned(), |code| code.to_string());
    if !out.status.success() {
        return Ok(Observation { submitted, ..Observation::default() });
    }
    let found = at_rest(side, folder, &cluster, case.jobs)?;
    let log = fs::read_to_string(path.join("log")).unwrap_or_default();
    let seen = Observation {
        submitted,
        files: files(&path, &masks)?,
        events: events(&log),
        ads: ads(&found, &masks),
    };
    side.call(folder, &words(&["condor_rm", &cluster]))?;
    Ok(seen)
}

/// The ads of the jobs when all have left the queue, or those that have not are held and stay so.
#[expect(clippy::disallowed_methods, reason = "a deadline of a run with real processes")]
fn at_rest(side: &Side, folder: &str, cluster: &str, jobs: u32) -> anyhow::Result<Vec<ClassAd>> {
    let begun = Instant::now();
    let (mut last, mut changed) = ([Vec::new(), Vec::new()], Instant::now());
    loop {
        thread::sleep(LOOK);
        let queued = shown(side, folder, &["condor_q", cluster, "-long"])?;
        let ended = shown(side, folder, &["condor_history", cluster, "-long"])?;
        let statuses = |text: &str, wanted: &str| {
            let is_it = |line: &&str| line.starts_with(attr::JOB_STATUS) && line.ends_with(wanted);
            text.lines().filter(is_it).map(str::to_owned).collect::<Vec<_>>()
        };
        let now = [statuses(&queued, ""), statuses(&ended, "")];
        let (stays, left) = (statuses(&queued, " = 5").len(), now[1].len());
        if now != last {
            (last, changed) = (now, Instant::now());
        }
        let is_over = left == jobs as usize;
        let is_at_rest = stays + left == jobs as usize && changed.elapsed() > REST;
        if is_over || is_at_rest || begun.elapsed() > AT_MOST {
            let mut ads = ClassAd::parse_old_ads(&queued)?;
            ads.extend(ClassAd::parse_old_ads(&ended)?);
            return Ok(ads);
        }
    }
}

fn shown(side: &Side, folder: &str, asked: &[&str]) -> anyhow::Result<String> {
    Ok(String::from_utf8_lossy(&side.call(folder, &words(asked))?.stdout).into_owned())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
