//! Compares the commands that show ads with the real ones, live.
//!
//! `oracle-commands --seed N --cases M --reference DIR --updraft FILE` makes M files of ads and
//! command lines, has each answered by both in the chroot of `DIR`, and prints where they differ,
//! each with as few ads and attributes as show it. Nothing of HTCondor has to run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, bail};
use updraft_tests::command_oracle::compare::{MEANT, findings};
use updraft_tests::command_oracle::generate::{Case, case, print_formats};
use updraft_tests::stage::{Stage, TIMED_OUT, Who};

/// What is asked.
const COMMANDS: [&str; 3] = ["condor_q", "condor_history", "condor_status"];

struct Options {
    seed: u64,
    cases: u64,
    /// Only this case.
    only: Option<u64>,
    at_once: u64,
    reference: PathBuf,
    updraft: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = options()?;
    let root = Stage::root_of(&options.reference)?;
    let work = tempfile::Builder::new().prefix("oracle-commands").tempdir_in(root.join("tmp"))?;
    let stage = Stage::new(work.path(), Some(&root), &options.updraft, &COMMANDS, print_formats())?;
    let differing = live(&options, &stage)?;
    let cases = options.only.map_or(options.cases, |_| 1);
    println!("seed {}: {cases} cases, {differing} differ", options.seed);
    Ok(if differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn live(options: &Options, stage: &Stage) -> anyhow::Result<u64> {
    let range = match options.only {
        Some(index) => index..index + 1,
        None => 0..options.cases,
    };
    let next = AtomicU64::new(range.start);
    let differing = Mutex::new(0);
    thread::scope(|threads| {
        let workers: Vec<_> = (0..options.at_once)
            .map(|worker| {
                let (next, differing, range) = (&next, &differing, &range);
                threads.spawn(move || -> anyhow::Result<()> {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if !range.contains(&index) {
                            return Ok(());
                        }
                        let Some(text) = one(stage, worker, &case(options.seed, index))? else {
                            continue;
                        };
                        *differing.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                        println!("== --seed {} --case {index}\n{text}", options.seed);
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().map_err(|_| anyhow::anyhow!("a thread ended early"))?
        })
    })?;
    Ok(differing.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Where the two differ on a case, in as few lines as show it.
fn one(stage: &Stage, worker: u64, case: &Case) -> anyhow::Result<Option<String>> {
    let mut case = case.clone();
    let mut found = ask(stage, worker, &case)?;
    if found.is_empty() {
        return Ok(None);
    }
    for at in (0..case.ads.len()).rev() {
        let mut smaller = case.clone();
        smaller.ads.remove(at);
        keep_if_it_differs(stage, worker, (&mut case, &mut found), smaller)?;
    }
    for ad in 0..case.ads.len() {
        for at in (0..case.ads[ad].len()).rev() {
            let mut smaller = case.clone();
            smaller.ads[ad].remove(at);
            keep_if_it_differs(stage, worker, (&mut case, &mut found), smaller)?;
        }
    }
    let words: Vec<String> = case.words.iter().map(|word| format!("'{word}'")).collect();
    let text = case.text();
    Ok(Some(format!("{} {}\n{text}--\n{}\n", case.command, words.join(" "), found.join("\n"))))
}

fn keep_if_it_differs(
    stage: &Stage,
    worker: u64,
    (case, found): (&mut Case, &mut Vec<String>),
    smaller: Case,
) -> anyhow::Result<()> {
    let differs = ask(stage, worker, &smaller)?;
    if !differs.is_empty() {
        (*case, *found) = (smaller, differs);
    }
    Ok(())
}

fn ask(stage: &Stage, worker: u64, case: &Case) -> anyhow::Result<Vec<String>> {
    let name = format!("ads{worker}");
    stage.put(&format!("d/{name}"), &case.text())?;
    let words: Vec<String> = case
        .words
        .iter()
        .map(|word| if word == "ads" { name.clone() } else { word.clone() })
        .collect();
    // What depends on the second is the same when both are asked in the same one.
    let mut found = Vec::new();
    for _ in 0..3 {
        let real = stage.run(Who::Real, case.command, &words)?;
        if matches!(real.code, TIMED_OUT | 128.. | -1) {
            return Ok(Vec::new());
        }
        found = findings(&real, &stage.run(Who::Ours, case.command, &words)?);
        if found.is_empty() {
            break;
        }
    }
    Ok(found)
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options {
        seed: 1,
        cases: 300,
        only: None,
        at_once: 2,
        reference: std::env::var_os("HTCONDOR_REFERENCE").unwrap_or_default().into(),
        updraft: "target/release/updraft".into(),
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
            "--meant" => {
                MEANT.iter().for_each(|m| println!("{}\n    {}", m.has, m.why));
                std::process::exit(0);
            }
            other => bail!(
                "unknown option {other}: use --seed N, --cases M, --case I, --at-once K, --reference DIR, --updraft FILE, --meant"
            ),
        }
    }
    options.updraft = std::fs::canonicalize(&options.updraft)
        .with_context(|| format!("there is no program {}", options.updraft.display()))?;
    Ok(options)
}
