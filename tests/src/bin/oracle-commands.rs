//! Compares the commands that show ads with the real ones, live.
//!
//! `oracle-commands --seed N --cases M --reference DIR --updraft FILE` makes M files of ads and
//! command lines, has each answered by both in the chroot of `DIR`, and prints where they differ,
//! each with as few ads and attributes as show it. Nothing of HTCondor has to run.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use updraft_tests::command_oracle::compare::{MEANT, findings};
use updraft_tests::command_oracle::generate::{Case, case, print_formats};
use updraft_tests::oracle_cases::{CaseArgs, Usual};
use updraft_tests::stage::{Stage, TIMED_OUT, Who};

/// What is asked.
const COMMANDS: [&str; 3] = ["condor_q", "condor_history", "condor_status"];

const USUAL: Usual = Usual { cases: 300, at_once: 2 };

/// Compares the commands that show ads with the real ones.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    cases: CaseArgs,
}

fn main() -> anyhow::Result<ExitCode> {
    let Options { cases } = Options::parse();
    if cases.meant {
        MEANT.iter().for_each(|m| println!("{}\n    {}", m.has, m.why));
        return Ok(ExitCode::SUCCESS);
    }
    let root = Stage::root_of(&cases.reference())?;
    let work = tempfile::Builder::new().prefix("oracle-commands").tempdir_in(root.join("tmp"))?;
    let updraft = cases.updraft()?;
    let stage = Stage::new(work.path(), Some(&root), &updraft, &COMMANDS, print_formats())?;
    let differing = AtomicU64::new(0);
    cases.each(USUAL, |worker, index| {
        if let Some(text) = one(&stage, worker, &case(cases.seed, index))? {
            differing.fetch_add(1, Ordering::Relaxed);
            println!("== --seed {} --case {index}\n{text}", cases.seed);
        }
        Ok(())
    })?;
    let differing = differing.into_inner();
    println!("seed {}: {} cases, {differing} differ", cases.seed, cases.count(USUAL));
    Ok(if differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
