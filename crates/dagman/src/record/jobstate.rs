//! `JOBSTATE_LOG`: a line for each step of a node, for Pegasus.

use std::collections::BTreeMap;

use super::Stamp;
use crate::core::{Core, Event, JobEnd, JobFact, NOOP_PROC, NodeState, ScriptEnd};
use crate::workflow::{NodeIndex, ScriptKind};

/// The line of an event about dagman itself.
pub fn internal(what: &str, now: &Stamp) -> String {
    format!("{} INTERNAL *** {what} ***\n", now.at().as_secs())
}

/// The numbers that stand for attempts: each has one from the first line about it on, the next that
/// the file does not have yet.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    last: u32,
    of: BTreeMap<String, u32>,
}

impl Numbers {
    /// Goes on behind what a file says. A run that goes on counts again what it has counted: what
    /// the file says of it is left out.
    pub fn after(text: &str, goes_on: bool) -> Self {
        let (mut last, mut before) = (0_u32, 0);
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if let [_, "INTERNAL", _, "DAGMAN_STARTED", ..] = words[..] {
                before = last;
            }
            if let [_, _, _, _, _, _, number] = words[..]
                && let Ok(number) = number.parse::<u32>()
            {
                last = number.max(last);
            }
        }
        Self { last: if goes_on { before } else { last }, of: BTreeMap::new() }
    }

    fn number(&mut self, node: &str) -> u32 {
        if let Some(number) = self.of.get(node) {
            return *number;
        }
        self.last += 1;
        self.of.insert(node.to_owned(), self.last);
        self.last
    }
}

/// The lines of an event, which has not been applied yet.
pub fn lines(core: &Core, event: &Event, now: &Stamp, numbers: &mut Numbers) -> Vec<String> {
    let name = |node: NodeIndex| core.workflow().node(node).name();
    let mut line = |node: NodeIndex, what: &str, id: Option<String>| {
        let (name, id) = (name(node), id.unwrap_or_else(|| "-".to_owned()));
        let number = numbers.number(name);
        format!("{} {name} {what} {id} - - {number}\n", now.at().as_secs())
    };
    let cluster = |node: NodeIndex| first_job(core.state(node));
    match event {
        // HTCondor tells nothing of these.
        Event::ScriptStarted { script: ScriptKind::Hold, .. }
        | Event::ScriptEnded { script: ScriptKind::Hold, .. } => Vec::new(),
        Event::ScriptStarted { node, script } => {
            vec![line(*node, &format!("{}_SCRIPT_STARTED", script_name(*script)), cluster(*node))]
        }
        Event::ScriptEnded { node, script: ScriptKind::Post, end } => vec![
            line(*node, "POST_SCRIPT_TERMINATED", cluster(*node)),
            line(*node, &over(ScriptKind::Post, end), cluster(*node)),
        ],
        Event::ScriptEnded { node, script, end } => vec![line(*node, &over(*script, end), None)],
        Event::Submitted { node, cluster, jobs } => (0..*jobs)
            .map(|proc| line(*node, "SUBMIT", Some(format!("{cluster}.{proc}"))))
            .collect(),
        Event::SubmitFailed { node, .. } => vec![line(*node, "SUBMIT_FAILURE", None)],
        Event::PreSkipped { node } => vec![line(*node, "PRESKIP", Some(format!("0.{NOOP_PROC}")))],
        // Readers know of no jobs that need not run, but of some that there are not.
        Event::NothingToSubmit { node } | Event::Unchanged { node, .. } => {
            let id = format!("0.{NOOP_PROC}");
            let steps = [("SUBMIT", &*id), ("JOB_TERMINATED", &*id), ("JOB_SUCCESS", "0")];
            steps.map(|(what, id)| line(*node, what, Some(id.to_owned()))).to_vec()
        }
        Event::Job { node, job, fact } => {
            let told = job_step(fact).map(|what| line(*node, what, Some(job.to_string())));
            let result = result(core, *node, fact);
            let result = result.map(|(what, code)| line(*node, what, Some(code.to_string())));
            told.into_iter().chain(result).collect()
        }
        // Attempts are numbered in the order in which they are submitted, which is not that of the
        // answers.
        Event::SubmitBegan { node } => {
            numbers.number(name(*node));
            Vec::new()
        }
        Event::Retried { node, .. } | Event::Reopened { node } => {
            numbers.of.remove(name(*node));
            Vec::new()
        }
        Event::Began
        | Event::Rested { .. }
        | Event::SaveBegan { .. }
        | Event::ScriptDeferred { .. }
        | Event::JobsLost { .. }
        | Event::SubmitPostponed { .. }
        | Event::RestRemoved { .. }
        | Event::PostReady { .. }
        | Event::Done { .. }
        | Event::Skipped { .. }
        | Event::Failed { .. }
        | Event::Provided
        | Event::Aborted { .. }
        | Event::Removed
        | Event::CycleFound
        | Event::Broke { .. }
        | Event::Halted(_)
        | Event::Throttled(_)
        | Event::FinalBegan
        | Event::Finished { .. } => Vec::new(),
    }
}

/// What a script came to.
fn over(script: ScriptKind, end: &ScriptEnd) -> String {
    let how = if end.code() == 0 { "SUCCESS" } else { "FAILURE" };
    format!("{}_SCRIPT_{how}", script_name(script))
}

/// How a node's jobs ended, if this is the end of the last of them.
fn result(core: &Core, node: NodeIndex, fact: &JobFact) -> Option<(&'static str, i32)> {
    let JobFact::Over(end) = fact else { return None };
    let code = core.jobs_result(node, *end)?;
    Some((if code == 0 { "JOB_SUCCESS" } else { "JOB_FAILURE" }, code))
}

/// The first job of a node that has jobs, or had them: it stands for all where a script is told of.
fn first_job(state: &NodeState) -> Option<String> {
    match state {
        NodeState::Queued(cluster) => Some(format!("{}.0", cluster.id)),
        NodeState::Post(_, end) if end.is_noop() => Some(format!("0.{NOOP_PROC}")),
        NodeState::Post(_, end) => end.cluster.map(|cluster| format!("{cluster}.0")),
        NodeState::Waiting { .. }
        | NodeState::Resting { .. }
        | NodeState::Ready { .. }
        | NodeState::Pre(_)
        | NodeState::Submitting { .. }
        | NodeState::Done
        | NodeState::Failed(_)
        | NodeState::Futile => None,
    }
}

/// What Pegasus calls what happened to a job.
fn job_step(fact: &JobFact) -> Option<&'static str> {
    match fact {
        JobFact::Executing => Some("EXECUTE"),
        JobFact::Evicted => Some("JOB_EVICTED"),
        JobFact::Held { .. } => Some("JOB_HELD"),
        JobFact::Released => Some("JOB_RELEASED"),
        JobFact::Over(JobEnd::Removed) => Some("JOB_ABORTED"),
        JobFact::Over(JobEnd::Exited(_) | JobEnd::Signaled(_)) => Some("JOB_TERMINATED"),
        JobFact::Provides => None,
    }
}

/// Its name in logs.
pub(crate) fn script_name(script: ScriptKind) -> &'static str {
    match script {
        ScriptKind::Pre => "PRE",
        ScriptKind::Post => "POST",
        ScriptKind::Hold => "HOLD",
    }
}
