//! What needs no pool: reading DAG files, the core alone, and a journal that is read again.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use dagman::core::{Core, Effect, Input, JobEnd, JobFact, Options as CoreOptions, run_batch};
use dagman::language::{Diagnostic, Lines, by_grammar, parse};
use dagman::shell::journal::{self, Head, Journal};
use dagman::workflow::{FileError, Files, NodeIndex, Options, Workflow, assemble};
use model::{ClusterId, JobId, Now, Seq, Timestamp};
use updraft_tests::measure::{cpu_seconds, now, resident_bytes};

use super::say;

/// The DAG of the target: so many nodes, with twice as many edges.
pub(super) const NODES: u32 = 1_000_000;

/// Nodes of the DAG of which much is said.
const RICH_NODES: u32 = 100_000;

/// The names of the files do not matter.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<String, FileError> {
        std::fs::read_to_string(path).map_err(|error| FileError(error.to_string()))
    }

    fn exists(&self, path: &str) -> bool {
        std::path::Path::new(path).exists()
    }
}

/// A DAG of so many nodes, each with two parents of the thousand before it.
pub(super) fn dag(nodes: u32, options: &str) -> String {
    let mut text = String::new();
    for node in 0..nodes {
        let _ = writeln!(text, "JOB node{node} n.sub{options}");
    }
    for child in 1..nodes {
        for factor in [2_654_435_761_u32, 40_503] {
            let back = 1 + child.wrapping_mul(factor) % 1000;
            let _ = writeln!(text, "PARENT node{} CHILD node{child}", child.saturating_sub(back));
        }
    }
    text
}

/// Writes a text where it is read from again.
fn file(text: &str) -> Result<(tempfile::TempDir, String)> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let path = folder.path().join("bench.dag").to_string_lossy().into_owned();
    std::fs::write(&path, text).with_context(|| format!("write {path}"))?;
    Ok((folder, path))
}

fn read(path: &str) -> Result<Workflow> {
    let assembled = assemble(&Options::new(vec![path.to_owned()]), &Disk);
    let told = |all: Vec<Diagnostic>| {
        anyhow!("{}", all.iter().map(Diagnostic::render).collect::<String>())
    };
    Ok(assembled.map_err(told)?.workflow)
}

/// How long something took, by the clock and on a processor, in seconds.
struct Took {
    wall: f64,
    cpu: f64,
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} s ({:.2} s on a processor)", self.wall, self.cpu)
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Took) {
    let (begun, on_cpu) = (now(), cpu_seconds());
    let result = work();
    (result, Took { wall: begun.elapsed().as_secs_f64(), cpu: cpu_seconds() - on_cpu })
}

/// The unit of reading: the file's words are counted, line by line.
fn words_of(path: &str) -> Result<Took> {
    let (words, took) = timed(|| -> Result<usize> {
        let text = std::fs::read_to_string(path)?;
        Ok(text.lines().map(|line| line.split([' ', '\t']).count()).sum())
    });
    say(&format!("L: read the file, and count its {} words by line", words?), &took.to_string());
    Ok(took)
}

pub(super) fn load() -> Result<()> {
    let (_folder, path) = file(&dag(NODES, ""))?;
    let unit = words_of(&path)?;
    let before = resident_bytes();
    let (workflow, took) = timed(|| read(&path));
    let workflow = workflow?;
    let bytes = resident_bytes().saturating_sub(before) / workflow.len() as u64;
    let (nodes, edges) = (workflow.len(), workflow.edge_count());
    say(
        &format!("load {nodes} nodes, {edges} edges"),
        &format!("{took}, {:.1} L, {bytes} bytes a node", took.cpu / unit.cpu),
    );
    let (core, took) = timed(|| Core::new(Arc::new(workflow), CoreOptions::default()));
    let bytes = resident_bytes().saturating_sub(before) / u64::from(NODES);
    drop(core);
    say("and stand before the first", &format!("{took}, {bytes} bytes a node with all"));
    Ok(())
}

/// A DAG of whose nodes everything is said that workflows say of theirs.
pub(super) fn rich() -> Result<()> {
    let mut text = String::new();
    for node in 0..RICH_NODES {
        let _ = write!(
            text,
            "JOB node{node} n.sub DIR run{}\nVARS node{node} sample=\"s{node}\" memory=\"2 GB\"\n\
             RETRY node{node} 3\nSCRIPT PRE node{node} pre.sh $JOB $RETRY\n\
             SCRIPT POST node{node} post.sh $RETURN\nCATEGORY node{node} big\nPRIORITY node{node} {}\n",
            node % 10,
            node % 7
        );
    }
    let (_folder, path) = file(&text)?;
    let unit = words_of(&path)?;
    let (workflow, took) = timed(|| read(&path));
    say(
        &format!("load {} nodes with VARS, RETRY, scripts and more", workflow?.len()),
        &format!("{took}, {:.1} L", took.cpu / unit.cpu),
    );
    let lines: Vec<_> = Lines::new(&text).take(7 * 10_000).collect();
    let (_, fast) = timed(|| lines.iter().filter(|line| black_box(parse(line)).is_ok()).count());
    let (_, slow) =
        timed(|| lines.iter().filter(|line| black_box(by_grammar(line)).is_ok()).count());
    let each = |took: &Took| took.cpu / lines.len() as f64 * 1e6;
    say(
        "a line: taken apart, and by the grammar alone",
        &format!("{:.2} us, {:.2} us", each(&fast), each(&slow)),
    );
    Ok(())
}

fn moment() -> Now {
    Now { wall: Timestamp::from_secs(1_000_000), boot_ms: 1_000 }
}

/// Nodes that need nothing, by the core alone.
pub(super) fn core() -> Result<()> {
    let (_folder, path) = file(&dag(NODES, " NOOP"))?;
    let mut core = Core::new(Arc::new(read(&path)?), CoreOptions::default());
    let (events, took) = timed(|| {
        let mut inputs = vec![Input::Begin];
        let mut events = 0;
        while core.progress().finished.is_none() {
            events += run_batch(&mut core, moment(), &inputs, |_, _| {}).events.len();
            inputs.clear();
        }
        events
    });
    let rate = f64::from(NODES) / took.cpu;
    say(
        &format!("core alone: {NODES} no-op nodes, {events} events"),
        &format!("{took}, {rate:.0} nodes/s"),
    );
    Ok(())
}

/// A run of real nodes that was killed in the middle: what the next life does before it goes on.
pub(super) fn replay() -> Result<()> {
    let (folder, path) = file(&dag(NODES, ""))?;
    let at = folder.path().join("bench.dag.journal").to_string_lossy().into_owned();
    let workflow = Arc::new(read(&path)?);
    let head = Head {
        job: 1,
        generation: 0,
        shape: journal::shape(&workflow),
        rescue: None,
        began_ms: 0,
        queue: 1,
    };
    let mut journal = Journal::begin(&at, &head)?;
    half_a_run(Core::new(workflow, CoreOptions::default()), &mut journal)?;
    drop(journal);
    let size = std::fs::metadata(&at)?.len() / (1 << 20);
    let unit = words_of(&path)?;
    let (core, took) = timed(|| -> Result<Core> {
        let mut core = Core::new(Arc::new(read(&path)?), CoreOptions::default());
        let past = journal::open(&at)?.context("there is a journal")?;
        let _ = past.replay(|event, _| core.apply(event))?;
        Ok(core)
    });
    let core = core?;
    let (resumed, resume) = timed(|| core.resume().len());
    say(
        &format!("restart at {} of {NODES} real nodes, journal of {size} MiB", core.counts().done),
        &format!("{took}, {:.1} L; resume {resume}, {resumed} effects", took.cpu / unit.cpu),
    );
    Ok(())
}

/// Runs half of the nodes as a schedd would that runs each job at once.
fn half_a_run(mut core: Core, journal: &mut Journal) -> Result<()> {
    let (mut inputs, mut cluster, mut seq) = (VecDeque::from([Input::Begin]), 1, 1);
    while core.counts().done < u64::from(NODES / 2) {
        let given: Vec<Input> = inputs.drain(..).collect();
        let batch = run_batch(&mut core, moment(), &given, |_, _| {});
        seq += batch.events.len() as u64;
        journal.append(&batch.events, Some(Seq(seq)), None)?;
        for effect in batch.effects {
            let Effect::Submit { node, retry } = effect else { continue };
            cluster += 1;
            inputs.extend(run_of(node, retry, cluster));
        }
    }
    Ok(())
}

fn run_of(node: NodeIndex, retry: u32, cluster: u32) -> [Input; 3] {
    let job = JobId::new(cluster, 0);
    [
        Input::Submitted { node, retry, cluster: ClusterId(cluster), jobs: 1 },
        Input::Job { job, fact: JobFact::Executing },
        Input::Job { job, fact: JobFact::Over(JobEnd::Exited(0)) },
    ]
}
