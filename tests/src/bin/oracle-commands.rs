//! Compares the commands that show ads, wait and act with the real ones, live.
//!
//! `oracle-commands --seed N --cases M --reference DIR --updraft FILE` makes M files of ads and
//! command lines, has each answered by both in the chroot of `DIR`, and prints where they differ,
//! each with as few ads and attributes as show it. Nothing of HTCondor has to run. `--what wait`
//! does so with `condor_wait` and event logs. `--what act` has jobs held, released and removed in a
//! pool of ours and in the real one, which must have been started.

use std::fs;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use clap::Parser;
use model::attr;
use updraft_tests::command_oracle::acting::{self, Play};
use updraft_tests::command_oracle::compare::{MEANT, findings};
use updraft_tests::command_oracle::generate::{Case, case, print_formats};
use updraft_tests::command_oracle::log;
use updraft_tests::oracle_cases::{CaseArgs, Usual};
use updraft_tests::side::Side;
use updraft_tests::stage::{Said, Stage, TIMED_OUT, Who};

/// What is asked.
const COMMANDS: [&str; 4] = ["condor_q", "condor_history", "condor_status", "condor_wait"];

/// What is asked of jobs after something was done to them.
const BECOMES: [&str; 7] = [
    attr::PROC_ID,
    attr::JOB_STATUS,
    attr::HOLD_REASON,
    attr::REMOVE_REASON,
    attr::HOLD_REASON_CODE,
    attr::HOLD_REASON_SUB_CODE,
    attr::RELEASE_REASON,
];

const USUAL: Usual = Usual { cases: 300, at_once: 2 };

/// Which commands are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Those that show ads.
    Show,
    /// condor_wait.
    Wait,
    /// Those that remove, hold and release jobs.
    Act,
}

/// Compares commands with the real ones.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    cases: CaseArgs,
    /// Which commands.
    #[arg(long, value_enum, default_value_t = What::Show)]
    what: What,
    /// Tell of each case as it is, instead of making it as small as shows the difference.
    #[arg(long)]
    whole: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let Options { cases, what, whole } = Options::parse();
    if cases.meant {
        MEANT.iter().for_each(|m| println!("{}\n    {}", m.has, m.why));
        return Ok(ExitCode::SUCCESS);
    }
    if what == What::Act {
        return act(&cases);
    }
    let root = Stage::root_of(&cases.reference())?;
    let work = tempfile::Builder::new().prefix("oracle-commands").tempdir_in(root.join("tmp"))?;
    let updraft = cases.updraft()?;
    let stage = Stage::new(work.path(), Some(&root), &updraft, &COMMANDS, print_formats())?;
    let differing = AtomicU64::new(0);
    cases.each(USUAL, |worker, index| {
        let case = match what {
            What::Wait => log::case(cases.seed, index),
            What::Show | What::Act => case(cases.seed, index),
        };
        if let Some(text) = one(&stage, worker, &case, !whole)? {
            differing.fetch_add(1, Ordering::Relaxed);
            println!("== --seed {} --case {index}\n{text}", cases.seed);
        }
        Ok(())
    })?;
    Ok(tell(&cases, differing.into_inner()))
}

fn tell(cases: &CaseArgs, differing: u64) -> ExitCode {
    println!("seed {}: {} cases, {differing} differ", cases.seed, cases.count(USUAL));
    if differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Compares what is done to jobs in two pools.
fn act(cases: &CaseArgs) -> anyhow::Result<ExitCode> {
    let home = tempfile::tempdir().context("make a folder for our pool")?;
    let ours = Side::ours(cases.updraft()?, home.path());
    let run = format!("oracle-commands-{}-{}", cases.seed, std::process::id());
    let real = Side::real(&cases.reference(), &run)?;
    ours.pool("start")?;
    let stays = Play { description: acting::STAYS.to_owned(), lines: Vec::new() };
    let staying = [&real, &ours].map(|side| submitted(side, &stays, "stays"));
    let differing = AtomicU64::new(0);
    let done = cases.each(USUAL, |_, index| {
        let play = acting::play(cases.seed, index);
        let folder = format!("case{index}");
        let (theirs, own) = (done_to(&real, &play, &folder)?, done_to(&ours, &play, &folder)?);
        let found = findings(&theirs, &own);
        if !found.is_empty() {
            differing.fetch_add(1, Ordering::Relaxed);
            let lines: Vec<String> = play.lines.iter().map(|line| line.join(" ")).collect();
            let (description, lines) = (&play.description, lines.join("\n"));
            println!("== --seed {} --case {index}\n{description}--\n{lines}", cases.seed);
            println!("--\n{}\n", found.join("\n"));
        }
        Ok(())
    });
    for (side, cluster) in [&real, &ours].into_iter().zip(staying) {
        side.call(".", &["condor_rm".to_owned(), cluster?])?;
    }
    ours.pool("stop")?;
    if real.work().exists() {
        fs::remove_dir_all(real.work()).context("remove the reference's folder")?;
    }
    done?;
    Ok(tell(cases, differing.into_inner()))
}

/// Submits the jobs of a play, and gives the number of their cluster.
fn submitted(side: &Side, play: &Play, folder: &str) -> anyhow::Result<String> {
    let path = side.work().join(folder);
    side.folder(side.work())?;
    side.folder(&path)?;
    side.put(&path.join("job.sub"), &play.description)?;
    let words = ["condor_submit", "-terse", "job.sub"].map(str::to_owned);
    let terse = side.call(folder, &words)?.stdout;
    let terse = String::from_utf8_lossy(&terse).into_owned();
    Ok(terse.split('.').next().unwrap_or_default().trim().to_owned())
}

/// What the commands of a play said, one after the other, and what became of the jobs.
fn done_to(side: &Side, play: &Play, folder: &str) -> anyhow::Result<Said> {
    let cluster = submitted(side, play, folder)?;
    let call = |line: &[&str]| {
        let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        side.call(folder, &words)
    };
    let user = match side {
        Side::Real { .. } => "alice".to_owned(),
        Side::Ours { .. } => client::site::me(),
    };
    let mut said = Said { code: 0, out: String::new(), err: String::new() };
    for line in &play.lines {
        let words: Vec<String> =
            line.iter().map(|word| word.replace(acting::CLUSTER, &cluster)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = call(&words)?;
        said.code = said.code * 256 + output.status.code().unwrap_or(-1);
        said.out += &acting::plain(&String::from_utf8_lossy(&output.stdout), &cluster, &user);
        said.err += &acting::plain(&String::from_utf8_lossy(&output.stderr), &cluster, &user);
    }
    for command in ["condor_q", "condor_history"] {
        let output = call(&[&[command, &cluster, "-af"][..], &BECOMES].concat())?;
        let mut left: Vec<String> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| acting::plain(line, "", &user))
            .collect();
        left.sort();
        said.out += &format!("{command}: {}\n", left.join("\n"));
    }
    call(&["condor_rm", &cluster])?;
    call(&["condor_rm", "-forcex", &cluster])?;
    Ok(said)
}

/// Where the two differ on a case, in as few lines as show it.
fn one(stage: &Stage, worker: u64, case: &Case, small: bool) -> anyhow::Result<Option<String>> {
    let mut case = case.clone();
    let mut found = ask(stage, worker, &case)?;
    if found.is_empty() {
        return Ok(None);
    }
    if small {
        shrink(stage, worker, &mut case, &mut found)?;
    }
    let words: Vec<String> = case.words.iter().map(|word| format!("'{word}'")).collect();
    let text = case.text();
    Ok(Some(format!("{} {}\n{text}--\n{}\n", case.command, words.join(" "), found.join("\n"))))
}

fn shrink(
    stage: &Stage,
    worker: u64,
    case: &mut Case,
    found: &mut Vec<String>,
) -> anyhow::Result<()> {
    for at in (0..case.ads.len()).rev() {
        let mut smaller = case.clone();
        smaller.ads.remove(at);
        keep_if_it_differs(stage, worker, (case, found), smaller)?;
    }
    for ad in 0..case.ads.len() {
        for at in (0..case.ads[ad].more.len()).rev() {
            let mut smaller = case.clone();
            smaller.ads[ad].more.remove(at);
            keep_if_it_differs(stage, worker, (case, found), smaller)?;
        }
    }
    Ok(())
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
