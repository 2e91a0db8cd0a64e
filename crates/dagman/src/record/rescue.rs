//! Rescue files and save points: what is done, so that another run does the rest. HTCondor 25.14
//! writes "partial" ones: `DONE` lines that are read behind the DAG file.

use std::fmt::Write;

use super::Stamp;
use crate::core::{Core, NodeState};
use crate::workflow::{Node, NodeKind};

/// A rescue file of a workflow as it stands.
pub fn text(core: &Core, primary: &str, now: &Stamp, reset_retries: bool) -> String {
    let mut out = format!(
        "# Rescue DAG file, created after running\n#   the {primary} DAG file\n# Created {}\n# Rescue DAG version: 2.1.0\n",
        now.in_rescue()
    );
    let nodes = || core.workflow().nodes().filter(is_listed);
    let failed: Vec<Node<'_>> =
        nodes().filter(|n| matches!(core.state(n.index()), NodeState::Failed(_))).collect();
    let done: Vec<Node<'_>> = nodes().filter(|node| is_done(core, node)).collect();
    let mut names: String = failed.iter().map(|node| format!("{},", node.name())).collect();
    names += "<ENDLIST>";
    put(&mut out, format_args!("#\n# Total number of Nodes: {}\n", core.counts().total));
    put(&mut out, format_args!("# Nodes premarked DONE: {}\n", done.len()));
    put(&mut out, format_args!("# Nodes that failed: {}\n#   {names}\n\n", failed.len()));
    for node in nodes() {
        if is_done(core, &node) {
            put(&mut out, format_args!("DONE {}\n", node.name()));
        } else if let (Some(retry), false) = (node.retry(), reset_retries) {
            let left = retry.max.saturating_sub(core.retries(node.index()));
            let unless = retry.unless_exit.map(|code| format!(" UNLESS-EXIT {code}"));
            let unless = unless.unwrap_or_default();
            put(&mut out, format_args!("RETRY {} {left}{unless}\n", node.name()));
        }
    }
    out
}

/// The rescue number after these, of at most so many: the last one is written anew.
pub fn next_number(present: impl Iterator<Item = u32>, max: u32) -> u32 {
    present.max().unwrap_or(0).saturating_add(1).min(max.max(1))
}

/// FINAL runs again in every run; services and joins are nobody's result.
fn is_listed(node: &Node<'_>) -> bool {
    match node.kind() {
        NodeKind::Job | NodeKind::Subdag => true,
        NodeKind::Final | NodeKind::Service | NodeKind::Provisioner | NodeKind::Join => false,
    }
}

/// Whether a rerun passes a node over: it is done, or it failed and nobody but weak children waited
/// for it.
fn is_done(core: &Core, node: &Node<'_>) -> bool {
    match core.state(node.index()) {
        NodeState::Done => true,
        NodeState::Failed(_) => node.children().len() > 0 && node.children().all(|edge| edge.weak),
        NodeState::Waiting { .. }
        | NodeState::Ready { .. }
        | NodeState::Pre(_)
        | NodeState::Submitting { .. }
        | NodeState::Queued(_)
        | NodeState::Post(..)
        | NodeState::Futile => false,
    }
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    // A string takes every text.
    let _ = out.write_fmt(what);
}
