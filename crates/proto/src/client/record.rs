//! The record, as followers are told it: what has happened, an entry each.

use std::collections::BTreeMap;

use model::queues::{Became, Reserved};
use model::{ClusterId, IdleReason, JobEvent, JobId, Seq, Timestamp, UserName};
use serde::{Deserialize, Serialize};

/// One entry of the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    pub seq: Seq,
    /// When it was recorded.
    pub at: Timestamp,
    pub what: Happening,
}

/// What a follower of events is told of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Happening {
    /// A cluster came into the queue.
    ClusterSubmitted {
        cluster: ClusterId,
        owner: UserName,
        /// How many jobs.
        procs: u32,
    },
    /// A factory was removed before all of its jobs had come into the queue.
    FactoryEnded {
        cluster: ClusterId,
        /// How many jobs never came.
        never: u32,
    },
    /// Something happened to a job.
    Job { job: JobId, event: JobEvent },
    /// Idle jobs wait for a reason of a kind that is new to their cluster.
    JobsWait {
        cluster: ClusterId,
        /// How many of its jobs wait for it now.
        jobs: u64,
        reason: IdleReason,
    },
    /// Something has become of an advance reservation, which has the number of a cluster that there
    /// is none of.
    Reservation {
        number: ClusterId,
        became: Became,
        /// As it is since then.
        reserved: Box<Reserved>,
    },
    /// Somebody set attributes of a job.
    JobEdited {
        job: JobId,
        /// The attributes and their new values, as ClassAd text.
        changes: BTreeMap<String, String>,
    },
    /// A job that runs had something to say of itself.
    JobSaid {
        job: JobId,
        /// What: one line.
        text: String,
    },
}
