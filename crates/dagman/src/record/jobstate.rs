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
    let line = |node: NodeIndex, what: &str, id: Option<String>| line(core, node, what, id, now);
    let cluster = |node: NodeIndex| first_job(core.state(node));
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
            let id = job.to_string();
            job_steps(fact).iter().map(|what| line(*node, what, Some(id.clone()))).collect()
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

fn line(core: &Core, node: NodeIndex, what: &str, id: Option<String>, now: &Stamp) -> String {
    let name = core.workflow().node(node).name();
    let attempt = core.retries(node) + 1;
    let id = id.unwrap_or_else(|| "-".to_owned());
    format!("{} {name} {what} {id} - - {attempt}\n", now.at().as_secs())
}

/// The first job of a node that has jobs, or had them: it stands for all where a script is told of.
fn first_job(state: &NodeState) -> Option<String> {
    match state {
        NodeState::Queued(cluster) => Some(format!("{}.0", cluster.id)),
        NodeState::Post(_, end) => end.cluster.map(|cluster| format!("{cluster}.0")),
        NodeState::Waiting { .. }
        | NodeState::Ready { .. }
        | NodeState::Pre(_)
        | NodeState::Submitting { .. }
        | NodeState::Done
        | NodeState::Failed(_)
        | NodeState::Futile => None,
    }
}

/// What Pegasus calls what happened to a job, a line each.
fn job_steps(fact: &JobFact) -> &'static [&'static str] {
    match fact {
        JobFact::Executing => &["EXECUTE"],
        JobFact::Evicted => &["JOB_EVICTED"],
        JobFact::Held { .. } => &["JOB_HELD"],
        JobFact::Released => &["JOB_RELEASED"],
        JobFact::Over(JobEnd::Removed) => &["JOB_ABORTED", "JOB_FAILURE"],
        JobFact::Over(JobEnd::Exited(0)) => &["JOB_TERMINATED", "JOB_SUCCESS"],
        JobFact::Over(JobEnd::Exited(_) | JobEnd::Signaled(_)) => {
            &["JOB_TERMINATED", "JOB_FAILURE"]
        }
        JobFact::Provides => &[],
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
