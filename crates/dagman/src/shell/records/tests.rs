//! What the records hold after a life that was killed: what they hold after one that was not.

use std::path::Path;
use std::sync::Arc;

use model::{ClusterId, Now};

use super::*;
use crate::core::{Input, JobEnd, JobFact, Options, ScriptEnd, run_batch};
use crate::workflow::{Builder, NewNode, Retry, Script};

/// A node that fails once and has a POST script, and one without jobs: each batch of its events.
fn batches(dir: &Path) -> (Core, Vec<Vec<Event>>) {
    let mut builder = Builder::new(vec!["a.dag".to_owned()]);
    let a = builder.add_node(&NewNode::job("A", "a.sub")).unwrap();
    builder.add_node(&NewNode { noop: true, ..NewNode::job("N", "a.sub") }).unwrap();
    builder.set_retry(a, Retry { max: 1, ..Retry::default() });
    let post = Script { command_line: "post.sh", defer: None, debug: None };
    builder.set_script(a, ScriptKind::Post, post);
    let states = dir.join("jobstate.log").to_string_lossy().into_owned();
    builder.settings().jobstate_log = Some(states);
    let workflow = Arc::new(builder.finish());
    let mut core = Core::new(Arc::clone(&workflow), Options::default());
    let mut inputs = vec![Input::Begin];
    for (retry, code) in [(0, 1), (1, 0)] {
        let cluster = ClusterId(retry + 1);
        let fact = JobFact::Over(JobEnd::Exited(code));
        inputs.push(Input::Submitted { node: a, retry, cluster, jobs: 1 });
        inputs.push(Input::Job { job: JobId { cluster, proc: ProcId(0) }, fact });
        let (script, end) = (ScriptKind::Post, ScriptEnd::Exited(code));
        inputs.push(Input::ScriptEnded { node: a, retry, script, end });
    }
    let now = Now { wall: Timestamp::from_secs(1_795_364_771), boot_ms: 1_000_000 };
    let one = |input| run_batch(&mut core, now, &[input], |_, _| {}).events;
    let batches = inputs.into_iter().map(one).collect();
    assert_eq!(core.progress().finished.map(|(status, _)| status), Some(0));
    (Core::new(workflow, Options::default()), batches)
}

/// When a life is killed.
#[derive(Clone, Copy, Debug)]
enum Killed {
    /// Before it has told the last batch that it wrote down.
    Silent,
    /// When it had told all but what waits for the ends of jobs.
    Told,
    /// In the middle of telling.
    Torn,
}

struct Life {
    core: Core,
    records: Records,
}

const AT: Timestamp = Timestamp::from_secs(1_795_364_771);

impl Life {
    fn begin(dir: &Path, core: &Core, fresh: bool) -> Self {
        let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
        let states = core.workflow().settings().jobstate_log.as_deref();
        if !fresh {
            files::cut_torn_line(&path("a.dag.dagman.out")).unwrap();
            files::cut_torn_line(states.unwrap()).unwrap();
        }
        let out = path("a.dag.dagman.out");
        let records = Records::open(&out, &path("nodes.log"), states, &[], fresh).unwrap();
        let mut life = Self { core: core.clone(), records };
        life.records.flush(core, AT, false);
        life
    }

    fn note(&mut self, batch: &[Event]) {
        for event in batch {
            self.records.note(&self.core, event, AT);
            self.core.apply(event);
        }
    }
}

/// The ends of jobs, as the schedd writes them.
fn write_ends(dir: &Path) {
    use std::io::Write;
    let mut log = files::append_to(&dir.join("nodes.log").to_string_lossy()).unwrap();
    log.write_all(b"005 (001.000.000) x\n...\n005 (002.000.000) x\n...\n").unwrap();
}

/// The files without what a life says of itself, and own entries by their heads.
fn files_of(dir: &Path) -> [Vec<String>; 3] {
    let lines = |name: &str| {
        let text = std::fs::read_to_string(dir.join(name)).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{name}: {text}");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let heads = lines("nodes.log");
    let heads = heads.iter().filter_map(|line| retelling::head(line)).map(str::to_owned);
    let mut heads: Vec<String> = heads.collect();
    heads.sort();
    [lines("a.dag.dagman.out"), lines("jobstate.log"), heads]
}

#[test]
fn what_a_killed_life_did_not_tell_the_next_one_tells_and_each_line_is_there_once() {
    let whole = tempfile::tempdir().unwrap();
    let (core, batches) = batches(whole.path());
    let mut life = Life::begin(whole.path(), &core, true);
    batches.iter().for_each(|batch| life.note(batch));
    write_ends(whole.path());
    life.records.flush(&core, AT, false);
    let expected = files_of(whole.path());
    assert_eq!(
        expected[2],
        [
            "000 (000.2147483647.001)",
            "005 (000.2147483647.001)",
            "005 (001.000.000)",
            "005 (002.000.000)",
            "016 (001.000.000)",
            "016 (002.000.000)"
        ]
    );
    for killed in [Killed::Silent, Killed::Told, Killed::Torn] {
        for length in 1..=batches.len() {
            check(&batches[..length], &batches[length..], killed, &expected);
        }
    }
}

/// Lives two lives: one that is killed in its last batch, and one that goes on.
fn check(first: &[Vec<Event>], rest: &[Vec<Event>], killed: Killed, expected: &[Vec<String>; 3]) {
    let dir = tempfile::tempdir().unwrap();
    let (core, _) = batches(dir.path());
    let mut life = Life::begin(dir.path(), &core, true);
    let (mut journal, mut told) = (Vec::new(), Told::default());
    for (at, batch) in first.iter().enumerate() {
        life.note(batch);
        if let Some(new) = life.records.take_told() {
            (journal, told) = (journal.into_iter().map(|(event, _)| (event, false)).collect(), new);
        }
        journal.extend(batch.iter().map(|event| (event.clone(), true)));
        if at + 1 < first.len() || matches!(killed, Killed::Told) {
            life.records.flush(&core, AT, false);
        }
    }
    drop(life);
    if let Killed::Torn = killed {
        use std::io::Write;
        for name in ["a.dag.dagman.out", "jobstate.log"] {
            let mut log = files::append_to(&dir.path().join(name).to_string_lossy()).unwrap();
            log.write_all(b"11/22/26 16:2").unwrap();
        }
    }
    let mut next = Life::begin(dir.path(), &core, false);
    let mut there = next.records.go_on(&told);
    for (event, is_late) in &journal {
        next.records.note_again(&next.core, event, *is_late, AT, &mut there);
        next.core.apply(event);
    }
    rest.iter().for_each(|batch| next.note(batch));
    write_ends(dir.path());
    next.records.flush(&core, AT, false);
    let found = files_of(dir.path());
    assert_eq!(&found, expected, "{killed:?} after {} batches", first.len());
}
