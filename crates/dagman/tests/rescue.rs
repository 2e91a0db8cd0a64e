//! A workflow that failed in some places, and is run again from its rescue file: exactly the nodes
//! run that were not done.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use dagman::core::{Core, Effect, Input, JobEnd, JobFact, Options as CoreOptions, run_batch};
use dagman::record::{Stamp, rescue};
use dagman::workflow::{FileError, Files, Options, Workflow, assemble};
use model::{ClusterId, JobId, Now, Timestamp};

const NODES: u32 = 1000;

/// The DAG file, and the rescue file once there is one.
struct Two {
    dag: String,
    rescue: String,
}

impl Files for Two {
    fn read(&self, path: &str) -> Result<String, FileError> {
        Ok(if path == "main.dag" { &self.dag } else { &self.rescue }.clone())
    }

    fn exists(&self, _: &str) -> bool {
        true
    }
}

fn read(files: &Two, rescue: Option<&str>) -> Workflow {
    let rescue = rescue.map(str::to_owned);
    let options = Options { rescue, ..Options::new(vec!["main.dag".to_owned()]) };
    assemble(&options, files).expect("the files are right").workflow
}

/// A hundred rows of ten, some of which wait for others.
fn dag() -> String {
    let mut text: String = (0..NODES).map(|n| format!("JOB N{n} n.sub\n")).collect();
    for child in 100..NODES {
        let _ = writeln!(text, "PARENT N{} CHILD N{child}", child - 100);
        if child % 7 == 0 {
            let _ = writeln!(text, "PARENT N{} CHILD N{child}", child - 99);
        }
    }
    text
}

/// Runs a workflow whose jobs end with what `code` says of their nodes; gives the nodes that ran.
fn run(workflow: Workflow, code: impl Fn(&str) -> i32) -> (Core, BTreeSet<String>) {
    let mut core = Core::new(Arc::new(workflow), CoreOptions::default());
    let (mut inputs, mut ran) = (vec![Input::Begin], BTreeSet::new());
    while core.progress().finished.is_none() {
        let batch = run_batch(&mut core, Now::default(), &inputs, |_, _| {});
        inputs.clear();
        for effect in batch.effects {
            let Effect::Submit { node, retry } = effect else { continue };
            let name = core.workflow().node(node).name().to_owned();
            let cluster = u32::try_from(ran.len()).expect("few nodes") + 1;
            let end = JobFact::Over(JobEnd::Exited(code(&name)));
            let (id, job) = (ClusterId(cluster), JobId::new(cluster, 0));
            inputs.push(Input::Submitted { node, retry, cluster: id, jobs: 1 });
            inputs.push(Input::Job { job, fact: end });
            assert!(ran.insert(name), "each node runs once");
        }
    }
    (core, ran)
}

#[test]
fn a_thousand_nodes_of_which_some_failed_are_run_again_from_where_they_were() {
    let mut files = Two { dag: dag(), rescue: String::new() };
    let fails = |name: &str| i32::from(name[1..].parse::<u32>().is_ok_and(|n| n % 113 == 50));
    let (core, ran) = run(read(&files, None), fails);
    let done: BTreeSet<String> = ran.iter().filter(|name| fails(name) == 0).cloned().collect();
    let failed: Vec<String> =
        (0..NODES).map(|n| format!("N{n}")).filter(|n| ran.contains(n) && fails(n) != 0).collect();
    assert!(failed.len() > 4 && done.len() > 500, "{} done, failed: {failed:?}", done.len());
    assert!(ran.len() < NODES as usize, "some could not run");
    let stamp = Stamp::new(Timestamp::from_secs(0), jiff::tz::TimeZone::UTC);
    files.rescue = rescue::text(&core, "main.dag", &stamp, true);
    let mut expected = format!(
        "# Rescue DAG file, created after running\n#   the main.dag DAG file\n# Created 01/01/1970 00:00:00 UTC\n\
         # Rescue DAG version: 2.1.0\n#\n# Total number of Nodes: {NODES}\n# Nodes premarked DONE: {}\n\
         # Nodes that failed: {}\n#   {},<ENDLIST>\n\n",
        done.len(),
        failed.len(),
        failed.join(",")
    );
    let in_order = (0..NODES).map(|n| format!("N{n}")).filter(|name| done.contains(name));
    expected.extend(in_order.map(|name| format!("DONE {name}\n")));
    assert_eq!(files.rescue, expected);
    let (core, again) = run(read(&files, Some("main.dag.rescue001")), |_| 0);
    let all: BTreeSet<String> = (0..NODES).map(|n| format!("N{n}")).collect();
    assert_eq!(again, &all - &done);
    assert_eq!(core.progress().finished, Some((0, false)));
}
