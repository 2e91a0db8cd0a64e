//! What an entry of the schedd's record says of a job, in the core's words.

use classad::{ClassAd, Value};
use model::{AfterRun, ClusterId, Hold, JobEvent, JobId, ProcId, ProgramEnd, RunEnd, attr};
use proto::client::{Happening, Recorded};

use crate::core::{Core, Input, JobEnd, JobFact};

/// A PROVISIONER's job sets this to 2 when what it provides is there.
pub(super) const PROVISIONER_STATE: &str = "ProvisionerState";
pub(super) const PROVIDES: &str = "2";

/// What an entry says of the jobs that a workflow's nodes wait for.
pub(super) fn inputs(core: &Core, recorded: &Recorded) -> Vec<Input> {
    if let Happening::FactoryEnded { cluster, never } = &recorded.what {
        return never_came(core, *cluster, *never);
    }
    let fact = fact(recorded).filter(|(job, _)| core.node_of(job.cluster).is_some());
    fact.map(|(job, fact)| Input::Job { job, fact }).into_iter().collect()
}

/// The jobs of a cluster come in order: of one that was removed before all had, it is the last that
/// never come. They count as removed.
fn never_came(core: &Core, cluster: ClusterId, never: u32) -> Vec<Input> {
    let node = core.node_of(cluster);
    let Some(queued) = node.and_then(|node| core.state(node).queued()) else { return Vec::new() };
    let jobs = u32::try_from(queued.jobs.len()).unwrap_or(u32::MAX);
    let removed = |proc| Input::Job {
        job: JobId { cluster, proc: ProcId(proc) },
        fact: JobFact::Over(JobEnd::Removed),
    };
    (jobs.saturating_sub(never)..jobs).map(removed).collect()
}

/// The job that an entry is about, and what it says of it; none if it says nothing that a workflow
/// cares about.
pub fn fact(recorded: &Recorded) -> Option<(JobId, JobFact)> {
    match &recorded.what {
        Happening::Job { job, event } => Some((*job, of_event(event)?)),
        Happening::JobEdited { job, changes } => {
            let state =
                changes.iter().find(|(name, _)| name.eq_ignore_ascii_case(PROVISIONER_STATE));
            (state?.1 == PROVIDES).then_some((*job, JobFact::Provides))
        }
        Happening::ClusterSubmitted { .. }
        | Happening::FactoryEnded { .. }
        | Happening::JobsWait { .. }
        | Happening::Reservation { .. }
        | Happening::JobSaid { .. } => None,
    }
}

fn of_event(event: &JobEvent) -> Option<JobFact> {
    match event {
        JobEvent::RunStarted { .. } => Some(JobFact::Executing),
        JobEvent::RunOver { end, next, .. } => Some(match next {
            AfterRun::Complete => JobFact::Over(of_end(end)),
            AfterRun::Hold(hold) => held(hold),
            AfterRun::Remove { .. } => JobFact::Over(JobEnd::Removed),
            AfterRun::Requeue { .. } => JobFact::Evicted,
        }),
        JobEvent::Skipped { end, .. } => Some(JobFact::Over(of_end(end))),
        JobEvent::Held(hold) => Some(held(hold)),
        JobEvent::Released { .. } => Some(JobFact::Released),
        JobEvent::Removed { .. } => Some(JobFact::Over(JobEnd::Removed)),
        JobEvent::RunAuthorised { .. }
        | JobEvent::PauseRequested { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Continued { .. }
        | JobEvent::StopRequested { .. } => None,
    }
}

fn held(hold: &Hold) -> JobFact {
    JobFact::Held {
        reason: hold.reason.clone(),
        code: i32::from(u16::from(hold.code)),
        subcode: hold.subcode,
    }
}

/// The end of a job that completed. Ends that name no code are failures.
fn of_end(end: &RunEnd) -> JobEnd {
    match end {
        RunEnd::Program(end) => of_program(end),
        RunEnd::UpToDate => JobEnd::Exited(0),
        RunEnd::OutputFailed { end, .. } => of_program(end),
        RunEnd::ScriptFailed { ended, .. } => of_program(ended),
        RunEnd::StartFailed(_) | RunEnd::Vacated { .. } | RunEnd::Lost { .. } => JobEnd::Exited(1),
    }
}

fn of_program(end: &ProgramEnd) -> JobEnd {
    match end {
        ProgramEnd::Exited { code } => JobEnd::Exited(*code),
        ProgramEnd::Signaled { signal, .. } => JobEnd::Signaled(*signal),
    }
}

/// What a node's job carries, so that its DAG finds it again.
pub(super) const OWN_JOBS: [&str; 5] =
    [attr::CLUSTER_ID, attr::TOTAL_SUBMIT_PROCS, attr::DAG_NODE_NAME, NODE_RETRY, GENERATION];

/// The cluster of an attempt of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnJob {
    pub node: String,
    pub retry: u32,
    pub generation: u32,
    pub cluster: ClusterId,
    /// All jobs of the cluster, with those that have left the queue.
    pub jobs: u32,
}

/// Which attempt of which node a job is of, by its ad.
pub fn own_job(ad: &ClassAd) -> Option<OwnJob> {
    let number =
        |name: &str| ad.literal(name).and_then(Value::as_i64).and_then(|n| u32::try_from(n).ok());
    Some(OwnJob {
        node: ad.literal(attr::DAG_NODE_NAME).and_then(Value::as_str)?.to_owned(),
        retry: number(NODE_RETRY).unwrap_or(0),
        generation: number(GENERATION).unwrap_or(0),
        cluster: ClusterId(number(attr::CLUSTER_ID)?),
        jobs: number(attr::TOTAL_SUBMIT_PROCS)?,
    })
}

/// The attempt of the node, from 0.
pub const NODE_RETRY: &str = "DAGManNodeRetry";

/// The run of the DAG, where its job was queued again after one had ended.
pub(super) const GENERATION: &str = "DAGManGeneration";
