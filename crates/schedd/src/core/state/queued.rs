//! In which queue of PBS's each cluster is, and how many jobs are in each queue: kept in step, so
//! that a submission is not compared with all that were before it. What may be there is not known
//! here.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::ClusterId;

use crate::core::state::parties::{Parties, Party};
use crate::core::state::run_counts::QueueCounts;

/// What a cluster counts: its queue, whose it is, its jobs.
pub(crate) type Counted = (Arc<str>, Parties, u64);

/// How many jobs are in queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Queued {
    counts: QueueCounts,
    clusters: BTreeMap<ClusterId, Counted>,
}

impl Queued {
    /// Jobs that are in this queue, or in any; somebody's, or anybody's; without those of a
    /// cluster.
    pub(crate) fn of(
        &self,
        queue: Option<&str>,
        party: Option<&Party>,
        but: Option<ClusterId>,
    ) -> u64 {
        let queue = queue.map(Arc::from);
        let all = self.counts.of(queue.as_ref(), party);
        let own = but.and_then(|but| self.clusters.get(&but)).filter(|(its_queue, whose, _)| {
            queue.as_ref().is_none_or(|queue| queue == its_queue)
                && party.is_none_or(|party| whose.has(party))
        });
        all - own.map_or(0, |(_, _, jobs)| *jobs)
    }

    /// The clusters in a queue.
    pub(crate) fn clusters_of(&self, queue: &str) -> impl Iterator<Item = ClusterId> {
        let all = self.clusters.iter();
        all.filter(move |(_, (its_queue, _, _))| **its_queue == *queue).map(|(id, _)| *id)
    }

    /// A cluster counts this from now on; nothing if it is in no queue, or gone.
    pub(crate) fn put(&mut self, id: ClusterId, now: Option<Counted>) {
        let before = match &now {
            Some(counted) => self.clusters.insert(id, counted.clone()),
            None => self.clusters.remove(&id),
        };
        if before == now {
            return;
        }
        if let Some((queue, whose, jobs)) = before {
            self.counts.note(&queue, &whose, (jobs, 0));
        }
        if let Some((queue, whose, jobs)) = now {
            self.counts.note(&queue, &whose, (0, jobs));
        }
    }
}
