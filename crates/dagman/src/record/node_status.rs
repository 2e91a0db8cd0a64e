//! `NODE_STATUS_FILE`: how every node stands, as new ClassAds one behind the other.

use super::Stamp;
use crate::core::{Core, Ending, JobStanding, NodeState};
use crate::workflow::NodeKind;

/// The file. `next` is when it is written again, in seconds since the epoch; none at the end.
pub fn text(core: &Core, dag_files: &[String], now: &Stamp, next: Option<i64>) -> String {
    let (counts, seconds) = (core.counts(), now.at().as_secs());
    let progress = core.progress();
    let is_cut_off = is_cut_off(core);
    let status = match progress.finished {
        Some((0, _)) if !is_cut_off => (5, "STATUS_DONE", "success"),
        Some(_) => (6, "STATUS_ERROR", ending(progress.ending.as_ref())),
        None => (3, "STATUS_SUBMITTED", ""),
    };
    let files: Vec<String> = dag_files.iter().map(|file| format!("    {}", quoted(file))).collect();
    let mut out = format!(
        "[\n  Type = \"DagStatus\";\n  DagFiles = {{\n{}\n  }};\n  Timestamp = {seconds}; /* \"{}\" */\n  DagStatus = {}; /* \"{} ({})\" */\n",
        files.join(",\n"),
        now.in_status(),
        status.0,
        status.1,
        status.2
    );
    let under_way = counts.pre + counts.queued + counts.post;
    let (pre, queued, post, cut_off) = match is_cut_off {
        true => (0, 0, 0, under_way),
        false => (counts.pre, counts.queued, counts.post, 0),
    };
    for (name, value) in [
        ("NodesTotal", counts.total),
        ("NodesDone", counts.done),
        ("NodesPre", pre),
        ("NodesQueued", queued),
        ("NodesPost", post),
        ("NodesReady", counts.ready),
        ("NodesUnready", counts.waiting),
        ("NodesFutile", counts.futile),
        ("NodesFailed", counts.failed + cut_off),
        ("JobProcsHeld", counts.held_jobs),
    ] {
        out += &format!("  {name} = {value};\n");
    }
    let idle = counts.idle_jobs + counts.held_jobs;
    out += &format!("  JobProcsIdle = {idle}; /* includes held */\n]\n");
    for node in core.workflow().nodes().filter(|node| node.kind() != NodeKind::Service) {
        out += &node_text(core, node.index(), node.name());
    }
    let (next, comment) = match next {
        Some(next) => (next, "next"),
        None => (0, "none"),
    };
    out += &format!(
        "[\n  Type = \"StatusEnd\";\n  EndTime = {seconds}; /* \"{}\" */\n  NextUpdate = {next}; /* \"{comment}\" */\n]\n",
        now.in_status()
    );
    out
}

/// How a workflow ended that did not end well.
fn ending(ending: Option<&Ending>) -> &'static str {
    match ending {
        Some(Ending::Removed) => "removed",
        Some(Ending::Aborted(_)) => "aborted",
        Some(Ending::Cycle) => "cycle",
        Some(Ending::Broken(_)) | None => "failed",
    }
}

/// Whether it is over though nodes were under way: they count as failed then.
fn is_cut_off(core: &Core) -> bool {
    let progress = core.progress();
    let is_given_up = matches!(progress.ending, Some(Ending::Removed | Ending::Aborted(_)));
    progress.finished.is_some() && is_given_up
}

fn node_text(core: &Core, node: crate::workflow::NodeIndex, name: &str) -> String {
    let (mut number, mut word, mut details) = standing(core.state(node));
    let (mut queued, mut held) = (0, 0);
    if *core.state(node) == NodeState::Done && core.workflow().node(node).is_done_from_its_line() {
        details = "User defined as DONE".to_owned();
    }
    // PRERUN to POSTRUN
    if is_cut_off(core) && matches!(number, 2..=4) {
        details = format!("Was {word}");
        (number, word) = (6, "STATUS_ERROR");
    } else if let Some(cluster) = core.state(node).queued() {
        held = cluster.jobs.iter().filter(|job| **job == JobStanding::Held).count();
        queued = cluster.left;
    }
    format!(
        "[\n  Type = \"NodeStatus\";\n  Node = {};\n  NodeStatus = {number}; /* \"{word}\" */\n  StatusDetails = {};\n  RetryCount = {};\n  JobProcsQueued = {queued};\n  JobProcsHeld = {held};\n]\n",
        quoted(name),
        quoted(&details),
        core.retries(node)
    )
}

/// The number and the name of a node's state, and what more there is to say.
pub fn standing(state: &NodeState) -> (i32, &'static str, String) {
    match state {
        NodeState::Waiting { .. } => (0, "STATUS_NOT_READY", String::new()),
        NodeState::Resting { .. } => {
            (0, "STATUS_NOT_READY", "waits before it is tried again".to_owned())
        }
        NodeState::Ready { .. } => (1, "STATUS_READY", String::new()),
        NodeState::Pre(_) => (2, "STATUS_PRERUN", String::new()),
        NodeState::Submitting { .. } => (3, "STATUS_SUBMITTED", "not_idle".to_owned()),
        NodeState::Queued(cluster) => {
            let idle = cluster.jobs.iter().all(|job| *job == JobStanding::Idle);
            (3, "STATUS_SUBMITTED", if idle { "idle" } else { "not_idle" }.to_owned())
        }
        NodeState::Post(..) => (4, "STATUS_POSTRUN", String::new()),
        NodeState::Done => (5, "STATUS_DONE", String::new()),
        NodeState::Failed(failure) => (6, "STATUS_ERROR", failure.text.clone()),
        NodeState::Futile => (7, "STATUS_FUTILE", "Had an ancestor node fail".to_owned()),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
