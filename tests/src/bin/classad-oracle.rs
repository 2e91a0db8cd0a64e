//! Compares ClassAds with the reference implementation, live.
//!
//! `classad-oracle --seed N --cases M [--record FILE]` generates M cases, asks both, and prints
//! where they differ. With `--record` the cases and the reference's answers are written to a file
//! instead of being thrown away. Needs Python 3 with the package `htcondor`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, bail};
use updraft_tests::classad_oracle::compare::{Answer, Question, agrees, answer};
use updraft_tests::classad_oracle::generate::question;

/// Differences printed in full; the rest are only counted.
const SHOWN: u64 = 20;

struct Options {
    seed: u64,
    cases: u64,
    record: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = options()?;
    let mut record = match &options.record {
        Some(path) => Some(BufWriter::new(
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?,
        )),
        None => None,
    };
    let mut tally = Tally::default();
    let mut next = 0;
    while next < options.cases {
        let answered = run(&options, next, &mut tally, record.as_mut())?;
        if answered == 0 && next == 0 {
            bail!(
                "the reference implementation answers nothing; is the Python package htcondor installed?"
            );
        }
        next += answered;
        if next < options.cases {
            // The reference crashed on this case: there is nothing to compare.
            tally.crashes += 1;
            next += 1;
        }
    }
    let Tally { differences, crashes } = tally;
    println!(
        "seed {}: {} cases, {differences} differences, {crashes} crashes of the reference",
        options.seed, options.cases
    );
    Ok(if differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Tally {
    differences: u64,
    crashes: u64,
}

fn start_peer() -> anyhow::Result<Child> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("classad_oracle/reference.py");
    Command::new("python3")
        .arg(&script)
        .env("TZ", "UTC")
        .env("CONDOR_CONFIG", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start python3 for the reference implementation")
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options { seed: 1, cases: 10_000, record: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--seed" => options.seed = value()?.parse().context("--seed needs a number")?,
            "--cases" => options.cases = value()?.parse().context("--cases needs a number")?,
            "--record" => options.record = Some(value()?.into()),
            other => bail!("unknown option {other}: use --seed N, --cases M, --record FILE"),
        }
    }
    Ok(options)
}

/// Asks both about the cases from `first` on, until all are done or the reference has crashed;
/// returns how many it answered.
fn run(
    options: &Options,
    first: u64,
    tally: &mut Tally,
    mut record: Option<&mut BufWriter<File>>,
) -> anyhow::Result<u64> {
    let mut peer = start_peer()?;
    let mut questions =
        BufWriter::new(peer.stdin.take().context("the reference has no standard input")?);
    let mut answers =
        BufReader::new(peer.stdout.take().context("the reference has no standard output")?).lines();
    let (seed, cases) = (options.seed, options.cases);
    let mut answered = 0;
    let mut recorded_ads = None;
    std::thread::scope(|threads| -> anyhow::Result<()> {
        // A thread of its own, so that neither side waits for the other with both pipes full. It
        // ends early, with an error of no interest, where the reference crashes.
        threads.spawn(move || -> anyhow::Result<()> {
            for index in first..cases {
                serde_json::to_writer(&mut questions, &question(seed, index))?;
                questions.write_all(b"\n")?;
            }
            Ok(questions.flush()?)
        });
        for index in first..cases {
            let Some(line) = answers.next() else { break };
            let reference: Answer =
                serde_json::from_str(&line?).context("cannot read the reference's answer")?;
            answered += 1;
            let question = question(seed, index);
            compare(tally, index, &question, &reference);
            if let Some(record) = &mut record {
                write_record(record, &question, &reference, &mut recorded_ads)?;
            }
        }
        drop(answers);
        Ok(())
    })?;
    peer.wait().context("cannot wait for the reference implementation")?;
    Ok(answered)
}

/// Writes the ads as an object where they change, and each case as an array: the expression, the
/// type and text of its value, and the expression as the reference prints it. What Python could not
/// hold is left out.
fn write_record(
    record: &mut BufWriter<File>,
    question: &Question,
    reference: &Answer,
    recorded_ads: &mut Option<(Option<String>, Option<String>)>,
) -> anyhow::Result<()> {
    if reference.kind == "failed" {
        return Ok(());
    }
    let ads = (question.my.clone(), question.target.clone());
    if recorded_ads.as_ref() != Some(&ads) {
        serde_json::to_writer(&mut *record, &serde_json::json!({"my": ads.0, "target": ads.1}))?;
        record.write_all(b"\n")?;
        *recorded_ads = Some(ads);
    }
    serde_json::to_writer(
        &mut *record,
        &(&question.expr, &reference.kind, &reference.text, &reference.unparsed),
    )?;
    record.write_all(b"\n")?;
    Ok(())
}

fn compare(tally: &mut Tally, index: u64, question: &Question, reference: &Answer) {
    let ours = answer(question);
    if !agrees(question, &ours, reference) {
        tally.differences += 1;
        if tally.differences <= SHOWN {
            show(index, question, &ours, reference);
        }
    }
}

fn show(index: u64, question: &Question, ours: &Answer, reference: &Answer) {
    println!("case {index}: {}", question.expr);
    println!("  my        {}", question.my.as_deref().unwrap_or("-"));
    println!("  target    {}", question.target.as_deref().unwrap_or("-"));
    println!("  ours      {} {}", ours.kind, ours.text);
    println!("  reference {} {}", reference.kind, reference.text);
    if ours.unparsed != reference.unparsed {
        println!("  printed   {}\n  as        {}", ours.unparsed, reference.unparsed);
    }
}
