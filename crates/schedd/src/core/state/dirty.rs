//! What a batch has changed: the rows that the shell writes in one transaction. It knows neither
//! why they changed nor how they are stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::queues::QueueSettings;
use model::{ClaimId, ClusterId, JobId};
use proto::client::Recorded;

use crate::core::records::acts::{LongAct, Reached};
use crate::core::records::rows::{ClaimRecord, ClusterBody, ClusterRecord, JobRecord, Meta};
use crate::core::words::Change;

/// What a batch changes: what the shell writes in one transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dirty {
    /// New clusters, to insert.
    pub new_clusters: BTreeMap<ClusterId, Arc<ClusterRecord>>,
    /// Clusters whose body changed; `None`: no job of it is left, it is not live any more.
    pub clusters: BTreeMap<ClusterId, Option<ClusterBody>>,
    /// Jobs to write.
    pub jobs: BTreeMap<JobId, JobRecord>,
    /// Claims to write, or to delete.
    pub claims: BTreeMap<ClaimId, Option<ClaimRecord>>,
    /// The numbers, if they changed.
    pub meta: Option<Meta>,
    /// What is said of queues, if that changed.
    pub settings: Option<Arc<QueueSettings>>,
    /// The acts that are under way, if they are others than before: all but how far they have come.
    pub acts: Option<Vec<LongAct>>,
    /// How far each of them has come, if that changed.
    pub reached: Option<BTreeMap<u64, Reached>>,
    /// Entries of the record, in order.
    pub recorded: Vec<Recorded>,
}

impl Dirty {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what one event changed. The bodies of clusters and the acts are added once, at the end
    /// of the batch.
    pub(crate) fn add(&mut self, change: Change) {
        if let Some(new) = change.new_cluster {
            self.new_clusters.insert(new.cluster, new);
        }
        if let Some(job) = change.job {
            self.jobs.insert(job.job, job);
        }
        if let Some((claim, record)) = change.claim {
            self.claims.insert(claim, record);
        }
        let claims = change.claims.into_iter().map(|record| (record.claim, Some(record)));
        self.claims.extend(claims);
        self.meta = change.meta.or(self.meta);
        self.settings = change.settings.or(self.settings.take());
        self.reached = change.reached.or(self.reached.take());
        self.recorded.extend(change.recorded);
        self.recorded.extend(change.booked);
    }
}
