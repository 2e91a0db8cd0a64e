//! Compares submit descriptions with the real condor_submit, live.
//!
//! `oracle-submit --seed N --cases M --reference DIR --updraft FILE` makes M descriptions, has each
//! dry-run by both in the chroot of `DIR` as its user, and prints where they differ, each in as few
//! lines as show it. Nothing of HTCondor has to run. With `--record FILE`, cases that say something
//! new and of which both make the same are written there, with what the real one made of them;
//! `--replay FOLDER` asks ours alone about those, and needs no real one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, ensure};
use clap::Parser;
use updraft_tests::oracle_cases::{CaseArgs, Usual};
use updraft_tests::stage::{Stage, TIMED_OUT, Who};
use updraft_tests::submit_oracle::answer::{Answer, Scene};
use updraft_tests::submit_oracle::compare::{MEANT, difference};
use updraft_tests::submit_oracle::generate::{Case, case};
use updraft_tests::submit_oracle::shrink::{Cause, Outcome, cause};

/// What is asked.
const COMMAND: &str = "condor_submit";

/// The description whose ad the recorded ones are told beside.
const USUAL: &str = "executable = f1\nqueue\n";

/// What descriptions find in their current folder.
const FILES: &[(&str, &str)] = &[
    ("f1", "x"),
    ("f2", "y"),
    ("dir/f.tar.gz", "z"),
    ("dir/run.sh", "#!/bin/sh\n"),
    ("list.txt", "a 1\nb 2\n\nc,3\n"),
    ("inc.sub", "description = inc\n"),
];

const USUAL_CASES: Usual = Usual { cases: 500, at_once: 2 };

/// Compares submit descriptions with the real condor_submit.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    cases: CaseArgs,
}

/// What was recorded of a seed.
#[derive(serde::Serialize, serde::Deserialize)]
struct Recording {
    /// The attributes of the plainest job.
    usual: BTreeSet<String>,
    cases: Vec<Recorded>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Recorded {
    description: String,
    /// Beside the plainest job.
    real: Answer,
}

fn main() -> anyhow::Result<ExitCode> {
    let Options { cases } = Options::parse();
    if cases.meant {
        MEANT.iter().for_each(|m| println!("{}{}\n    {}", m.begins, m.has, m.why));
        return Ok(ExitCode::SUCCESS);
    }
    let updraft = cases.updraft()?;
    if let Some(folder) = &cases.replay {
        return replay(&updraft, folder);
    }
    let root = Stage::root_of(&cases.reference())?;
    let work = tempfile::Builder::new().prefix("oracle-submit").tempdir_in(root.join("tmp"))?;
    let stage = Stage::new(work.path(), Some(&root), &updraft, &[COMMAND], FILES)?;
    let tally = live(&cases, &stage)?;
    let Tally { differing, two_mistakes, died, .. } = tally;
    println!(
        "seed {}: {} cases, {differing} differ; {two_mistakes} more tell another of two mistakes first; {died} killed or stopped the real one",
        cases.seed,
        cases.count(USUAL_CASES)
    );
    Ok(if differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has a description dry-run. `worker` keeps those apart who ask at a time.
fn ask(stage: &Stage, who: Who, worker: u64, description: &str) -> anyhow::Result<Answer> {
    let own = worker.to_string();
    let folder = stage.folder(&own)?;
    let ads = folder.join("ads");
    if ads.exists() {
        fs::remove_file(&ads)?;
    }
    fs::write(folder.join("job.sub"), description)?;
    let scene = Scene {
        own: stage.inside(&own),
        current: stage.inside("d"),
        program: stage.inside("bin/"),
        user: stage.user.clone(),
    };
    let words =
        ["-dry-run".to_owned(), format!("{}/ads", scene.own), format!("{}/job.sub", scene.own)];
    let said = stage.run(who, COMMAND, &words)?;
    let ads = String::from_utf8_lossy(&fs::read(&ads).unwrap_or_default()).into_owned();
    Ok(Answer::read(said.code, &said.out, &said.err, &ads, &scene))
}

fn ask_both(stage: &Stage, worker: u64, case: &Case) -> anyhow::Result<Outcome> {
    let text = case.text();
    let real = ask(stage, Who::Real, worker, &text)?;
    let ours = ask(stage, Who::Ours, worker, &text)?;
    Ok(Outcome { real, ours })
}

/// What came of all cases.
#[derive(Default)]
struct Tally {
    differing: u64,
    two_mistakes: u64,
    died: u64,
    /// Those of which both made the same.
    agreed: Vec<(u64, Recorded)>,
}

/// Asks both about all cases.
fn live(cases: &CaseArgs, stage: &Stage) -> anyhow::Result<Tally> {
    let tally = Mutex::new(Tally::default());
    cases.each(USUAL_CASES, |worker, index| one(cases.seed, stage, worker, index, &tally))?;
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = &cases.record {
        let usual = ask(stage, Who::Real, 0, USUAL)?.ads.swap_remove(0);
        write(path, usual, &tally.agreed)?;
    }
    Ok(tally)
}

fn one(
    seed: u64,
    stage: &Stage,
    worker: u64,
    index: u64,
    tally: &Mutex<Tally>,
) -> anyhow::Result<()> {
    let case = case(seed, index);
    let outcome = ask_both(stage, worker, &case)?;
    let lock = || tally.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(outcome.real.code, TIMED_OUT | 128.. | -1) {
        lock().died += 1;
        return Ok(());
    }
    if outcome.findings().is_empty() {
        if outcome.real == outcome.ours {
            let recorded = Recorded { description: case.text(), real: outcome.real };
            lock().agreed.push((index, recorded));
        }
        return Ok(());
    }
    match cause(&case, outcome, &mut |case| ask_both(stage, worker, case))? {
        Cause::TwoMistakes => lock().two_mistakes += 1,
        Cause::Real(case, findings) => {
            let text = case.text().replace("#\n", "");
            lock().differing += 1;
            println!("== --seed {seed} --case {index}\n{text}--\n{}\n", findings.join("\n"));
        }
    }
    Ok(())
}

/// Writes the cases that say something that none before them said.
fn write(path: &Path, usual: BTreeSet<String>, agreed: &[(u64, Recorded)]) -> anyhow::Result<()> {
    let mut agreed: Vec<_> = agreed.iter().collect();
    agreed.sort_by_key(|(index, _)| *index);
    let mut known = BTreeSet::new();
    let mut cases = Vec::new();
    for (_, Recorded { description, real }) in agreed {
        // What of the host's own is larger or smaller on another.
        let said = description.to_lowercase();
        if ["/bin/", "home", "shell"].iter().any(|text| said.contains(text)) {
            continue;
        }
        let real = real.beside(&usual);
        let words = |line: &str| line.split(['\'', '=', ':']).take(2).collect::<String>();
        let mut says: Vec<String> = real.err.lines().map(words).collect();
        says.extend(real.ads.iter().flatten().map(|line| words(line)));
        // All of them are noted.
        let is_new = says.into_iter().filter(|line| known.insert(line.clone())).count() > 0;
        if is_new {
            cases.push(Recorded { description: description.clone(), real });
        }
    }
    let recording = Recording { usual, cases };
    let text = serde_json::to_string_pretty(&recording).context("write a recording")?;
    fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))
}

/// Asks ours about what was recorded.
fn replay(updraft: &Path, folder: &Path) -> anyhow::Result<ExitCode> {
    let work = tempfile::tempdir().context("make a folder for descriptions")?;
    let stage = Stage::new(work.path(), None, updraft, &[COMMAND], FILES)?;
    let (mut cases, mut differing) = (0, 0);
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let recording: Recording =
            serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        for Recorded { description, real } in &recording.cases {
            cases += 1;
            let ours = ask(&stage, Who::Ours, 0, description)?.beside(&recording.usual);
            let findings = difference(real, &ours);
            if !findings.is_empty() {
                differing += 1;
                println!("== {}\n{description}--\n{}\n", path.display(), findings.join("\n"));
            }
        }
    }
    ensure!(cases > 0, "there is no case in {}: --record writes them", folder.display());
    println!("recorded descriptions: {cases} cases, {differing} differ");
    Ok(if differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
