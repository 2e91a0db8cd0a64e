//! Rescue files and save points: what is done, so that another run does the rest. HTCondor 25.14
//! writes "partial" ones: `DONE` lines that are read behind the DAG file.

use std::fmt::Write;

use super::Stamp;
use crate::core::{Core, NodeState};
use crate::workflow::{Node, NodeKind, retry_options};

/// A rescue file of a workflow as it stands.
pub fn text(core: &Core, primary: &str, now: &Stamp, reset_retries: bool) -> String {
    let head = format!("# Rescue DAG file, created after running\n#   the {primary} DAG file\n");
    with_head(core, head, now, reset_retries)
}

/// A rescue file of which nothing failed: the run that follows passes over `done` and runs `from`,
/// and all that depends on it, after the run of `job`.
pub fn of_rerun(primary: &str, from: &[String], job: u32, done: &[String]) -> String {
    let from = from.join(" ");
    let mut out = format!(
        "# Rescue DAG file of the {primary} DAG file\n{RERUN}{from} again after job {job}\n\n"
    );
    out.extend(done.iter().map(|node| format!("DONE {node}\n")));
    out
}

/// Whether a file is one of [`of_rerun`]: when that run went well, nobody is to begin from it
/// again.
pub fn is_of_rerun(text: &str) -> bool {
    text.lines().take_while(|line| line.starts_with('#')).any(|line| line.starts_with(RERUN))
}

/// Whether two rescue files say the same, at whatever time they were written.
pub fn says_the_same(one: &str, other: &str) -> bool {
    undated(one).eq(undated(other))
}

fn undated(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with(CREATED))
}

/// How the line begins that says when it was written.
const CREATED: &str = "# Created ";

/// How the line begins that says what is to be run again.
const RERUN: &str = "# To run ";

/// A save point of a node that may begin now.
pub fn save_point(core: &Core, node: &str, now: &Stamp) -> String {
    with_head(core, format!("# Save file written at Start Node {node}\n"), now, true)
}

fn with_head(core: &Core, mut out: String, now: &Stamp, reset_retries: bool) -> String {
    put(&mut out, format_args!("{CREATED}{}\n# Rescue DAG version: 2.1.0\n", now.in_rescue()));
    let nodes = || core.workflow().nodes().filter(is_listed);
    let may_fail = |node: &Node<'_>| is_listed(node) || node.kind() == NodeKind::Final;
    let failed: Vec<Node<'_>> = core
        .workflow()
        .nodes()
        .filter(|n| may_fail(n) && core.state(n.index()).failure().is_some())
        .collect();
    let done = nodes().filter(|n| *core.state(n.index()) == NodeState::Done).count();
    let mut names: String = failed.iter().map(|node| format!("{},", node.name())).collect();
    names += "<ENDLIST>";
    put(&mut out, format_args!("#\n# Total number of Nodes: {}\n", core.counts().total));
    put(&mut out, format_args!("# Nodes premarked DONE: {done}\n"));
    put(&mut out, format_args!("# Nodes that failed: {}\n#   {names}\n\n", failed.len()));
    for node in nodes() {
        if is_done(core, &node) {
            if core.state(node.index()).failure().is_some() {
                out += "# Failed node with only weak child dependencies:\n";
            }
            put(&mut out, format_args!("DONE {}\n", node.name()));
        } else if let (Some(retry), false) = (node.retry(), reset_retries) {
            let left = retry.max.saturating_sub(core.retries(node.index()));
            let options = retry_options(retry);
            put(&mut out, format_args!("RETRY {} {left}{options}\n", node.name()));
        }
    }
    out
}

/// The rescue number after these, of at most so many: the last one is written anew.
pub fn next_number(present: impl Iterator<Item = u32>, max: u32) -> u32 {
    present.max().unwrap_or(0).saturating_add(1).min(max.max(1))
}

/// FINAL runs again in every run; services are nobody's result.
fn is_listed(node: &Node<'_>) -> bool {
    match node.kind() {
        NodeKind::Job | NodeKind::Subdag | NodeKind::Join => true,
        NodeKind::Final | NodeKind::Service | NodeKind::Provisioner => false,
    }
}

/// Whether a rerun passes a node over: it is done, or it failed and nobody but weak children waited
/// for it.
fn is_done(core: &Core, node: &Node<'_>) -> bool {
    let state = core.state(node.index());
    *state == NodeState::Done || state.failure().is_some() && has_only_weak_children(node)
}

/// Whether somebody waits for it, and nobody minds how it ends.
fn has_only_weak_children(node: &Node<'_>) -> bool {
    node.children().len() > 0 && node.children().all(|edge| edge.weak)
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    // A string takes every text.
    let _ = out.write_fmt(what);
}
