//! `JOBSTATE_LOG`: a line for each step of a node, for Pegasus.

use super::Stamp;
use crate::core::{Core, Event, JobEnd, JobFact, NodeState, ScriptEnd};
use crate::workflow::{NodeIndex, ScriptKind};

/// The line of an event about dagman itself.
pub fn internal(what: &str, now: &Stamp) -> String {
    format!("{} INTERNAL *** {what} ***\n", now.at().as_secs())
}

/// The lines of an event, which has not been applied yet.
pub fn lines(core: &Core, event: &Event, now: &Stamp) -> Vec<String> {
    let line = |node: NodeIndex, what: &str, id: Option<String>| {
        let name = core.workflow().node(node).name();
        let attempt = core.retries(node) + 1;
        let id = id.unwrap_or_else(|| "-".to_owned());
        format!("{} {name} {what} {id} - - {attempt}\n", now.at().as_secs())
    };
    let cluster = |node: NodeIndex| match core.state(node) {
        NodeState::Queued(cluster) => Some(format!("{}.0", cluster.id)),
        NodeState::Post(_, end) => end.cluster.map(|cluster| format!("{cluster}.0")),
        NodeState::Waiting { .. }
        | NodeState::Ready { .. }
        | NodeState::Pre(_)
        | NodeState::Submitting { .. }
        | NodeState::Done
        | NodeState::Failed(_)
        | NodeState::Futile => None,
    };
    let over = |script: ScriptKind, end: &ScriptEnd| {
        let how = if end.code() == 0 { "SUCCESS" } else { "FAILURE" };
        format!("{}_SCRIPT_{how}", script_name(script))
    };
    match event {
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
        Event::Job { node, job, fact } => {
            let id = Some(job.to_string());
            match fact {
                JobFact::Executing => vec![line(*node, "EXECUTE", id)],
                JobFact::Evicted => vec![line(*node, "JOB_EVICTED", id)],
                JobFact::Held { .. } => vec![line(*node, "JOB_HELD", id)],
                JobFact::Released => vec![line(*node, "JOB_RELEASED", id)],
                JobFact::Over(JobEnd::Removed) => {
                    vec![line(*node, "JOB_ABORTED", id.clone()), line(*node, "JOB_FAILURE", id)]
                }
                JobFact::Over(end) => {
                    let how = if end.code() == 0 { "JOB_SUCCESS" } else { "JOB_FAILURE" };
                    vec![line(*node, "JOB_TERMINATED", id.clone()), line(*node, how, id)]
                }
                JobFact::Provides => Vec::new(),
            }
        }
        Event::Began
        | Event::ScriptDeferred { .. }
        | Event::PreSkipped { .. }
        | Event::SubmitBegan { .. }
        | Event::SubmitPostponed { .. }
        | Event::NothingToSubmit { .. }
        | Event::RestRemoved { .. }
        | Event::PostReady { .. }
        | Event::Done { .. }
        | Event::Retried { .. }
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

/// Its name in logs.
pub(crate) fn script_name(script: ScriptKind) -> &'static str {
    match script {
        ScriptKind::Pre => "PRE",
        ScriptKind::Post => "POST",
        ScriptKind::Hold => "HOLD",
    }
}
