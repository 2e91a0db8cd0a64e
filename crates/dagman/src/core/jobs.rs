//! The jobs of a node that are in the queue, and what came of them: counted as DAGMan counts.

use model::{ClusterId, ProcId};
use serde::{Deserialize, Serialize};

/// A node's jobs in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub id: ClusterId,
    /// Each, by its number in the cluster.
    pub jobs: Vec<JobStanding>,
    /// How many of them are in the queue at most at a time (MAP ... AT-ONCE).
    pub at_once: u32,
    /// How many wait for a machine, or to come into the queue.
    pub idle: u32,
    /// How many are held.
    pub held: u32,
    /// How many are not over.
    pub left: u32,
    /// How many failed so far.
    pub failed: u32,
    /// The first that failed, and how it ended: that is how the node failed, whatever the others
    /// do.
    pub first_failure: Option<(ProcId, JobEnd)>,
    /// How often one of them was held.
    pub holds: u32,
    /// Whether those that are left were told to go.
    pub is_leaving: bool,
    /// Whether one of them was held because it used more memory than it had asked for.
    pub over_memory: bool,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStanding {
    /// It waits for a machine.
    Idle,
    Running,
    /// It is held.
    Held,
    /// It is over.
    Over(JobEnd),
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobEnd {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal.
    Signaled(i32),
    /// Somebody removed it.
    Removed,
}

/// `$RETURN` of a node whose jobs could not be submitted.
pub(crate) const SUBMIT_FAILED: i32 = -1001;
/// `$RETURN` of a node whose job was removed.
pub(crate) const JOB_REMOVED: i32 = -1002;
/// `$RETURN` of a node whose PRE script failed, so that its jobs were not submitted.
pub(crate) const PRE_FAILED: i32 = -1004;

/// `HoldReasonCode` and `HoldReasonSubCode` of a job that used more memory than it had asked for.
pub(crate) const OVER_MEMORY: (i32, i32) = (34, 102);

impl JobEnd {
    /// The number that stands for it: the exit code, minus the signal, or -1002.
    pub const fn code(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Signaled(signal) => -signal,
            Self::Removed => JOB_REMOVED,
        }
    }
}

impl Cluster {
    /// Jobs that wait.
    pub(crate) fn new(id: ClusterId, jobs: u32) -> Self {
        Self {
            id,
            jobs: vec![JobStanding::Idle; jobs as usize],
            at_once: u32::MAX,
            idle: jobs,
            held: 0,
            left: jobs,
            failed: 0,
            first_failure: None,
            holds: 0,
            is_leaving: false,
            over_memory: false,
        }
    }

    /// Jobs of which so many are in the queue at a time.
    pub(crate) fn with_at_once(self, at_once: Option<u32>) -> Self {
        Self { at_once: at_once.unwrap_or(u32::MAX), ..self }
    }

    /// How many are in the queue and wait for a machine.
    pub(crate) fn waiting(&self) -> u64 {
        let others = self.left - self.idle;
        u64::from(self.idle.min(self.at_once.saturating_sub(others)))
    }

    /// Where a job stands; none if it is not of the cluster.
    pub(crate) fn job(&self, proc: ProcId) -> Option<JobStanding> {
        self.jobs.get(proc.0 as usize).copied()
    }

    /// A job stands elsewhere. What is over stays so.
    pub(crate) fn set(&mut self, proc: ProcId, standing: JobStanding) {
        let Some(job) = self.jobs.get_mut(proc.0 as usize) else { return };
        if let JobStanding::Over(_) = job {
            return;
        }
        self.idle -= u32::from(*job == JobStanding::Idle);
        self.held -= u32::from(*job == JobStanding::Held);
        self.idle += u32::from(standing == JobStanding::Idle);
        self.held += u32::from(standing == JobStanding::Held);
        match standing {
            JobStanding::Held => self.holds += 1,
            JobStanding::Over(end) => {
                self.left -= 1;
                if end.code() != 0 {
                    self.failed += 1;
                    self.first_failure.get_or_insert((proc, end));
                }
            }
            JobStanding::Idle | JobStanding::Running => {}
        }
        *job = standing;
    }

    /// What is left to know of them when all are over.
    pub(crate) fn end(&self) -> JobsEnd {
        let ends = self.jobs.iter().filter_map(|job| match job {
            JobStanding::Over(end) => Some(*end),
            JobStanding::Idle | JobStanding::Running | JobStanding::Held => None,
        });
        let over_memory = self.over_memory;
        JobsEnd { cluster: Some(self.id), ends: ends.collect(), result: 0, over_memory, noop: 0 }
    }
}

/// The number that DAGMan gives to the job that a NOOP node does not have.
pub(crate) const NOOP_PROC: u32 = i32::MAX.unsigned_abs();

/// What came of a node's jobs: what a POST script may ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsEnd {
    /// Their number; none if none were submitted.
    pub cluster: Option<ClusterId>,
    /// How each ended, by its number in the cluster.
    pub ends: Vec<JobEnd>,
    /// `$RETURN`.
    pub result: i32,
    /// Whether one used more memory than it had asked for.
    pub over_memory: bool,
    /// Which of the nodes without jobs it is, from 1; 0 for all others.
    pub noop: u32,
}

impl JobsEnd {
    /// What stands for the jobs of a node that has none: one that went well, of no cluster.
    pub(crate) fn noop(noop: u32) -> Self {
        let ends = vec![JobEnd::Exited(0)];
        Self { cluster: Some(ClusterId(0)), ends, result: 0, over_memory: false, noop }
    }

    /// Whether there was no job at all.
    pub(crate) fn is_noop(&self) -> bool {
        self.cluster == Some(ClusterId(0))
    }

    /// The number of the last job in its cluster.
    pub(crate) fn last_proc(&self) -> u32 {
        if self.is_noop() {
            return NOOP_PROC;
        }
        u32::try_from(self.ends.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }
}
