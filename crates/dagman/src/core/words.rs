//! What goes into the core and what comes out of it. No logic.

use model::{ClusterId, JobId};
use serde::{Deserialize, Serialize};

use super::jobs::JobEnd;
use crate::workflow::{NodeIndex, ScriptKind};

/// What reaches the core.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The workflow is to begin. Said once in its life; after a restart the journal has it.
    Begin,
    /// A node's jobs are in the queue.
    Submitted {
        node: NodeIndex,
        /// Its attempt, from 0.
        retry: u32,
        /// Under which number.
        cluster: ClusterId,
        jobs: u32,
    },
    /// A node's jobs need not be submitted: nothing changed since they went well (SKIP_UNCHANGED).
    Unchanged {
        node: NodeIndex,
        /// Its attempt, from 0.
        retry: u32,
        /// What is as it was.
        why: String,
    },
    /// The list that a node has a job for each item of has none (MAP).
    NoItems {
        node: NodeIndex,
        /// Its attempt, from 0.
        retry: u32,
    },
    /// A node's jobs are not in the queue any more, and never ended: it was put back from a copy
    /// that does not know them.
    JobsLost {
        node: NodeIndex,
        /// Under which number they were there.
        cluster: ClusterId,
    },
    /// A node's jobs could not be submitted.
    SubmitFailed {
        node: NodeIndex,
        /// Its attempt, from 0.
        retry: u32,
        /// Whether another try cannot help: the description is wrong.
        lasting: bool,
        why: String,
    },
    /// Something happened to a job.
    Job { job: JobId, fact: JobFact },
    /// A script is over.
    ScriptEnded {
        node: NodeIndex,
        /// Of which attempt, from 0.
        retry: u32,
        script: ScriptKind,
        end: ScriptEnd,
    },
    /// The workflow's own job is to end: its nodes are removed.
    Remove,
    /// Nothing new is to begin, or may again.
    Halt(bool),
    /// Other limits hold from now on.
    Throttle(Throttles),
    /// Somebody wants a node that failed to be tried again, now that its cause is gone.
    Retry { node: NodeIndex },
    /// Somebody wants a node to count as done.
    Skip { node: NodeIndex },
    /// The workflow cannot go on: a mistake that was found late.
    Fail { why: String },
    /// Said at the end of every batch, and when the moment of `Core::next_deadline` has come: what
    /// is ready is begun.
    Tick,
}

/// What happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobFact {
    /// Its program runs.
    Executing,
    /// Its run ended without ending it: it waits for another.
    Evicted,
    /// It is held.
    Held {
        /// `HoldReason`.
        reason: String,
        /// `HoldReasonCode`.
        code: i32,
        /// `HoldReasonSubCode`.
        subcode: i32,
    },
    /// It is not held any more.
    Released,
    /// It is over.
    Over(JobEnd),
    /// A PROVISIONER's job says that what it provides is there.
    Provides,
}

/// How a script ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScriptEnd {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal.
    Signaled(i32),
    /// It could not be started.
    NotStarted(String),
}

impl ScriptEnd {
    /// The number that stands for it: the exit code, or minus the signal; minus one where it did
    /// not start.
    pub fn code(&self) -> i32 {
        match self {
            Self::Exited(code) => *code,
            Self::Signaled(signal) => -signal,
            Self::NotStarted(_) => -1,
        }
    }
}

/// What happened, in the order in which it did: what the journal holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The workflow began: nodes that were done before are done.
    Began,
    /// A script is to run now.
    ScriptStarted { node: NodeIndex, script: ScriptKind },
    /// A script is over.
    ScriptEnded { node: NodeIndex, script: ScriptKind, end: ScriptEnd },
    /// A script asked by its exit code to run again later (DEFER).
    ScriptDeferred {
        node: NodeIndex,
        script: ScriptKind,
        /// Until when, milliseconds of the boot clock.
        until_ms: u64,
    },
    /// The PRE script said that the node is done (PRE_SKIP).
    PreSkipped { node: NodeIndex },
    /// The node may begin for the first time: its save point is to be written.
    SaveBegan { node: NodeIndex },
    /// The node's jobs are to be submitted now.
    SubmitBegan { node: NodeIndex },
    /// That failed, and is tried again.
    SubmitPostponed {
        node: NodeIndex,
        /// Until when, milliseconds of the boot clock.
        until_ms: u64,
        /// Why it failed.
        why: String,
    },
    /// The node's jobs are in the queue.
    Submitted {
        node: NodeIndex,
        /// Under which number.
        cluster: ClusterId,
        jobs: u32,
    },
    /// The node counts as done, because nothing changed since it was (SKIP_UNCHANGED).
    Unchanged {
        node: NodeIndex,
        /// What is as it was.
        why: String,
    },
    /// The node's jobs are lost with the queue, and are to be submitted again.
    JobsLost { node: NodeIndex },
    /// The node's jobs cannot be submitted.
    SubmitFailed {
        node: NodeIndex,
        /// How often it was tried.
        tries: u32,
        why: String,
    },
    /// The node has no jobs to submit (NOOP, a join, or a MAP without items): they count as done
    /// well.
    NothingToSubmit { node: NodeIndex },
    /// Something happened to a job of the node.
    Job { node: NodeIndex, job: JobId, fact: JobFact },
    /// The jobs of the node that are left are to be removed.
    RestRemoved { node: NodeIndex, why: String },
    /// The node's POST script is next.
    PostReady {
        node: NodeIndex,
        /// What came before it, as `$RETURN`.
        jobs_return: i32,
    },
    /// The node is done well.
    Done { node: NodeIndex },
    /// The node failed and is tried again from its beginning.
    Retried {
        node: NodeIndex,
        /// As what it ended.
        code: i32,
        /// When, milliseconds of the boot clock, if not at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until_ms: Option<u64>,
    },
    /// The pause before it is tried again is over.
    Rested { node: NodeIndex },
    /// Somebody had the node tried again that had failed for good: what depends on it waits again.
    Reopened { node: NodeIndex },
    /// Somebody had the node counted as done.
    Skipped { node: NodeIndex },
    /// The node failed for good: what depends on it cannot run.
    Failed { node: NodeIndex, failure: Failure },
    /// The PROVISIONER provides: the others may begin.
    Provided,
    /// A node ended as ABORT-DAG-ON says.
    Aborted {
        node: NodeIndex,
        /// What dagman exits with.
        status: i32,
    },
    /// Somebody removed the workflow.
    Removed,
    /// There is a cycle, so that nothing may begin.
    CycleFound,
    /// A mistake was found late.
    Broke { why: String },
    /// Nothing new begins, or may again.
    Halted(bool),
    /// Other limits hold.
    Throttled(Throttles),
    /// All others are over: the FINAL node is next.
    FinalBegan,
    /// It is over.
    Finished {
        /// What dagman exits with.
        status: i32,
        /// Whether there is something left to rescue.
        rescue: bool,
    },
}

/// Why a node failed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What stands for its end: an exit code, minus a signal, or one of -1001 to -1004.
    pub code: i32,
    /// In words, as dagman.out has them.
    pub text: String,
}

/// What is to be done. Doing it twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Submit the node's jobs, and say what came of it.
    Submit {
        node: NodeIndex,
        /// Its attempt, from 0.
        retry: u32,
    },
    /// Run a script, and say how it ended.
    RunScript {
        node: NodeIndex,
        /// Of which attempt, from 0.
        retry: u32,
        script: ScriptKind,
    },
    /// Remove the jobs of a cluster.
    RemoveCluster { cluster: ClusterId, reason: String },
    /// Remove all jobs of the workflow, and end its scripts.
    RemoveAll {
        reason: String,
        /// Leave those of SERVICE nodes: FINAL is still to run, and they go on beside it
        /// (HTCondor 25.14).
        but_services: bool,
    },
    /// Write the node's save point.
    SavePoint { node: NodeIndex },
    /// Write what is to be written at the end, and exit.
    Finish {
        /// dagman's exit status.
        status: i32,
        /// Whether a rescue file is written.
        rescue: bool,
    },
}

/// An input that was dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// About a job that is of no node that waits for one: of an earlier attempt, or somebody
    /// else's.
    #[error("job {0} is of no node that has jobs in the queue")]
    NotOurs(JobId),
    /// About another attempt, or something that the node does not wait for.
    #[error("node {0} does not wait for that")]
    NotAwaited(usize),
    /// An order about a node that stands so that it cannot be followed.
    #[error("node {node} {state}: {wanted}")]
    Unfit {
        node: String,
        /// How it stands.
        state: &'static str,
        /// What would be right.
        wanted: &'static str,
    },
    /// The workflow has begun already, or is over.
    #[error("the workflow is past that")]
    Past,
}

/// How the workflow stands: the number in `$DAG_STATUS`, in metrics and in the status file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DagStatus {
    /// 0.
    #[default]
    Ok = 0,
    /// 1: a mistake was found late.
    Error = 1,
    /// 2.
    NodeFailed = 2,
    /// 3: ABORT-DAG-ON.
    Aborted = 3,
    /// 4.
    Removed = 4,
    /// 5.
    Cycle = 5,
    /// 6.
    Halted = 6,
}

impl DagStatus {
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// Its name in dagman.out.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "DAG_STATUS_OK",
            Self::Error => "DAG_STATUS_ERROR",
            Self::NodeFailed => "DAG_STATUS_NODE_FAILED",
            Self::Aborted => "DAG_STATUS_ABORT",
            Self::Removed => "DAG_STATUS_RM",
            Self::Cycle => "DAG_STATUS_CYCLE",
            Self::Halted => "DAG_STATUS_HALTED",
        }
    }
}

/// How much may go on at a time; 0 is without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttles {
    /// Nodes with jobs in the queue (`-maxjobs`).
    pub jobs: u32,
    /// Jobs that wait for a machine (`-maxidle`).
    pub idle: u32,
    /// PRE scripts (`-maxpre`).
    pub pre: u32,
    /// POST scripts (`-maxpost`).
    pub post: u32,
    /// HOLD scripts (`-maxhold`).
    pub hold: u32,
}

impl Default for Throttles {
    fn default() -> Self {
        Self { jobs: 0, idle: 1000, pre: 20, post: 20, hold: 20 }
    }
}

/// What does not change while the workflow runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The limits at the beginning.
    pub throttles: Throttles,
    /// POST runs after a failed PRE (`-AlwaysRunPost`).
    pub always_run_post: bool,
    /// A node that failed is tried again before others begin (`DAGMAN_RETRY_NODE_FIRST`).
    pub retry_node_first: bool,
    /// What became ready last begins first (`DAGMAN_SUBMIT_DEPTH_FIRST`).
    pub depth_first: bool,
    /// The other jobs of a node are removed when one failed (`DAGMAN_REMOVE_JOB_LIST_ON_FAILURE`).
    pub remove_on_failure: bool,
    /// So many jobs of a node may fail, where TOLERANCE says nothing
    /// (`DAGMAN_NODE_JOB_FAILURE_TOLERANCE`).
    pub tolerance: u32,
    /// After so many holds a node's jobs are removed; 0 is never (`DAGMAN_MAX_JOB_HOLDS`).
    pub max_job_holds: u32,
    /// How often a submission is tried (`DAGMAN_MAX_SUBMIT_ATTEMPTS`).
    pub max_submit_attempts: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            throttles: Throttles::default(),
            always_run_post: false,
            retry_node_first: false,
            depth_first: false,
            remove_on_failure: true,
            tolerance: 0,
            max_job_holds: 100,
            max_submit_attempts: 6,
        }
    }
}
