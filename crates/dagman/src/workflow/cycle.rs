//! Finds a cycle in linear time, and names the nodes on it.

use super::{NodeIndex, Workflow};
use crate::language::{Diagnostic, Severity};

/// So many nodes of a cycle are named; the rest are counted.
const MAX_NAMED: usize = 50;

/// A shortest-looking cycle: each node waits for the one before it, and the first for the last.
pub fn find(workflow: &Workflow) -> Option<Vec<NodeIndex>> {
    let mut waits_for: Vec<u32> = Vec::with_capacity(workflow.len());
    let mut ready: Vec<NodeIndex> = Vec::new();
    for node in workflow.nodes() {
        let parents = node.parents().len();
        waits_for.push(u32::try_from(parents).expect("fewer edges than 2^32"));
        ready.extend((parents == 0).then_some(node.index()));
    }
    let mut left = workflow.len();
    while let Some(node) = ready.pop() {
        left -= 1;
        for edge in workflow.children(node) {
            let waits = &mut waits_for[edge.node.position()];
            *waits -= 1;
            ready.extend((*waits == 0).then_some(edge.node));
        }
    }
    if left == 0 {
        return None;
    }
    // whoever is left waits for somebody who is left: going back from parent to parent comes to a
    // node twice
    let stuck = |node: &NodeIndex| waits_for[node.position()] > 0;
    let mut seen_at = vec![u32::MAX; workflow.len()];
    let mut way: Vec<NodeIndex> = Vec::new();
    let mut here = (0..workflow.len()).map(NodeIndex::new).find(stuck)?;
    while seen_at[here.position()] == u32::MAX {
        seen_at[here.position()] = u32::try_from(way.len()).expect("fewer nodes than 2^31");
        way.push(here);
        here = workflow.parents(here).map(|edge| edge.node).find(stuck)?;
    }
    let mut cycle = way.split_off(seen_at[here.position()] as usize);
    cycle.reverse();
    // it begins with the node that stands first in the files
    let first = (0..cycle.len()).min_by_key(|at| cycle[*at])?;
    cycle.rotate_left(first);
    Some(cycle)
}

/// The message about it.
pub(super) fn diagnose(workflow: &Workflow, cycle: &[NodeIndex]) -> Diagnostic {
    let name = |node: &NodeIndex| workflow.node(*node).name();
    let mut named: Vec<&str> = cycle.iter().take(MAX_NAMED).map(name).collect();
    let more = if cycle.len() > MAX_NAMED {
        format!(" -> ({} more)", cycle.len() - MAX_NAMED)
    } else {
        String::new()
    };
    named.dedup();
    let first = named.first().copied().unwrap_or_default();
    let message = format!("Cycle detected: {}{more} -> {first}", named.join(" -> "));
    let origin = cycle.first().map(|node| workflow.node(*node).origin());
    let (file, line) = origin.map_or(("", 0), |origin| (origin.file, origin.line));
    let hint =
        "each of these nodes waits for the one before it: take one PARENT ... CHILD ... away";
    Diagnostic::about_line(Severity::Error, file, line, message).hint(hint)
}
