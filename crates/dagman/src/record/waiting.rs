//! Why each node waits that is not over: for its parents, for a limit, for its script, or for a
//! moment. Of a node whose jobs are in the queue, or come there at this moment, these say it
//! themselves.
//!
//! Knows neither who is told nor how.

use model::Now;

use crate::core::{Core, NodeState, ScriptState};
use crate::workflow::{Node, NodeIndex, NodeKind, ScriptKind};

use super::Stamp;
use super::jobstate::script_name;

/// So many parents are named; the rest are counted.
const NAMED: usize = 3;

/// The nodes that wait, with why: at most so many, first those whose parents are over.
pub fn waiting(
    core: &Core,
    now: Now,
    zone: &jiff::tz::TimeZone,
    most: usize,
) -> Vec<(String, String)> {
    let (mut near, mut far) = (Vec::new(), Vec::new());
    if core.progress().finished.is_some() {
        return near;
    }
    for node in core.workflow().nodes() {
        if near.len() == most {
            break;
        }
        let Some(why) = why(core, &node, now, zone) else { continue };
        let is_far = matches!(core.state(node.index()), NodeState::Waiting { .. });
        let list = if is_far { &mut far } else { &mut near };
        if list.len() < most {
            list.push((node.name().to_owned(), why));
        }
    }
    near.extend(far);
    near.truncate(most);
    near
}

fn why(core: &Core, node: &Node<'_>, now: Now, zone: &jiff::tz::TimeZone) -> Option<String> {
    let at = |until_ms: u64| {
        let left = i64::try_from(until_ms.saturating_sub(now.boot_ms)).unwrap_or(i64::MAX);
        let then = model::Timestamp::from_millis(now.wall.as_millis().saturating_add(left));
        Stamp::new(then, zone.clone()).in_log()
    };
    let script = |script: ScriptState, kind: ScriptKind| {
        let name = script_name(kind);
        match script {
            ScriptState::Running => format!("its {name} script runs"),
            ScriptState::Deferred { until_ms } => {
                format!("its {name} script runs again at {}, as it asked (DEFER)", at(until_ms))
            }
            ScriptState::Waiting { .. } => {
                held_back(core, node).unwrap_or_else(|| script_limit(core, kind))
            }
        }
    };
    match core.state(node.index()) {
        NodeState::Waiting { .. } => parents(core, node),
        NodeState::Resting { until_ms } => {
            Some(format!("is tried again at {} (RETRY ... AFTER)", at(*until_ms)))
        }
        NodeState::Ready { .. } => {
            Some(held_back(core, node).unwrap_or_else(|| job_limit(core, node)))
        }
        NodeState::Pre(state) => Some(script(*state, ScriptKind::Pre)),
        NodeState::Post(state, _) => Some(script(*state, ScriptKind::Post)),
        NodeState::Submitting { tries, until_ms: Some(until_ms) } => {
            Some(format!("was not submitted in {tries} tries; the next is at {}", at(*until_ms)))
        }
        NodeState::Submitting { until_ms: None, .. }
        | NodeState::Queued(_)
        | NodeState::Done
        | NodeState::Failed(_)
        | NodeState::Futile => None,
    }
}

/// What it waits for whose turn has not come.
fn parents(core: &Core, node: &Node<'_>) -> Option<String> {
    match node.kind() {
        NodeKind::Final => return Some("waits for the end of all others (FINAL)".to_owned()),
        // It begins with the others.
        NodeKind::Service => return None,
        NodeKind::Job | NodeKind::Subdag | NodeKind::Join | NodeKind::Provisioner => {}
    }
    let is_over = |node: NodeIndex| {
        matches!(core.state(node), NodeState::Done | NodeState::Failed(_) | NodeState::Futile)
    };
    let left = node.parents().map(|edge| edge.node).filter(|node| !is_over(*node));
    let names: Vec<&str> = left.map(|node| core.workflow().node(node).name()).collect();
    let more = names.len().saturating_sub(NAMED);
    match &names[..names.len().min(NAMED)] {
        [] => held_back(core, node),
        [one] => Some(format!("waits for its parent {one}")),
        some if more > 0 => {
            Some(format!("waits for its parents {} and {more} more", some.join(", ")))
        }
        some => Some(format!("waits for its parents {}", some.join(", "))),
    }
}

/// What keeps all from beginning.
fn held_back(core: &Core, node: &Node<'_>) -> Option<String> {
    let progress = core.progress();
    if progress.halted {
        Some("the DAG is halted".to_owned())
    } else if progress.ending.is_some() {
        Some("the DAG ends".to_owned())
    } else if progress.waits_for_provisioner && node.kind() == NodeKind::Job {
        Some("waits for the PROVISIONER".to_owned())
    } else {
        None
    }
}

fn script_limit(core: &Core, kind: ScriptKind) -> String {
    let throttles = core.throttles();
    let (flag, limit) = match kind {
        ScriptKind::Pre => ("-maxpre", throttles.pre),
        ScriptKind::Post => ("-maxpost", throttles.post),
        ScriptKind::Hold => ("-maxhold", throttles.hold),
    };
    let name = script_name(kind);
    format!("as many {name} scripts run as may ({flag} {limit})")
}

fn job_limit(core: &Core, node: &Node<'_>) -> String {
    let (counts, throttles, workflow) = (core.counts(), core.throttles(), core.workflow());
    let is_full = |limit: u32, used: u64| limit > 0 && used >= u64::from(limit);
    let category = node.category().map(|at| at.0 as usize);
    let category = category.map(|at| (&workflow.categories()[at], counts.by_category[at]));
    if let Some((category, used)) = category
        && let Some(most) = category.max_jobs.filter(|most| used >= *most)
    {
        let name = &category.name;
        return format!(
            "as many nodes of its category {name} are in the queue as may (MAXJOBS {most})"
        );
    }
    if is_full(throttles.jobs, counts.nodes_in_queue) {
        return format!("as many nodes are in the queue as may (-maxjobs {})", throttles.jobs);
    }
    if is_full(throttles.idle, counts.idle_jobs) {
        return format!("as many jobs wait in the queue as may (-maxidle {})", throttles.idle);
    }
    "its turn comes".to_owned()
}
