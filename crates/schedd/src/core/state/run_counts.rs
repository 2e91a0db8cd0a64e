//! How many run, counted by what limits are about: the queues of PBS with whose their jobs are, and
//! arrays. Kept in step, so that whoever asks for each of a hundred thousand jobs pays for a look.
//! What the limits are is not known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::ClusterId;

use crate::core::state::parties::{Parties, Party};

/// A queue or all of them, and somebody or everybody.
type Who = (Option<Arc<str>>, Option<Party>);

/// Counts by queue and by whose jobs are. None of them is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueCounts(BTreeMap<Who, u64>);

impl QueueCounts {
    /// Of a queue, or of all; of somebody, or of everybody.
    pub(crate) fn of(&self, queue: Option<&Arc<str>>, party: Option<&Party>) -> u64 {
        self.0.get(&(queue.cloned(), party.cloned())).copied().unwrap_or(0)
    }

    /// What these have in a queue is so much now, and was so much before.
    pub(crate) fn note(&mut self, queue: &Arc<str>, whose: &Parties, (before, now): (u64, u64)) {
        let by = before.abs_diff(now);
        if by == 0 {
            return;
        }
        for queue in [None, Some(queue)] {
            for party in [None].into_iter().chain(whose.each().map(Some)) {
                note(&mut self.0, &(queue.cloned(), party), (now > before, by));
            }
        }
    }
}

/// Counts of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunCounts {
    /// By slot: the next run of a slot takes no place while it waits there.
    queues: QueueCounts,
    /// Of each array, promised runs too.
    clusters: BTreeMap<ClusterId, u64>,
}

impl RunCounts {
    /// Of a queue, or of all; of somebody, or of everybody.
    pub(crate) fn of_queue(&self, queue: Option<&Arc<str>>, party: Option<&Party>) -> u64 {
        self.queues.of(queue, party)
    }

    /// Of an array's jobs.
    pub(crate) fn of_cluster(&self, cluster: ClusterId) -> u64 {
        self.clusters.get(&cluster).copied().unwrap_or(0)
    }

    /// So many slots more, or less, run jobs of a queue that are theirs.
    pub(crate) fn note_slots(
        &mut self,
        queue: &Arc<str>,
        whose: &Parties,
        (before, now): (usize, usize),
    ) {
        self.queues.note(queue, whose, (before as u64, now as u64));
    }

    /// A run of a job of the cluster began or is promised, or is over.
    pub(crate) fn note_run(&mut self, cluster: ClusterId, begins: bool) {
        note(&mut self.clusters, &cluster, (begins, 1));
    }

    /// The runs of clusters, without what is counted by class.
    pub(crate) fn without_queues(&self) -> Self {
        Self { queues: QueueCounts::default(), clusters: self.clusters.clone() }
    }
}

fn note<K: Ord + Clone>(counts: &mut BTreeMap<K, u64>, key: &K, (more, by): (bool, u64)) {
    let count = counts.entry(key.clone()).or_default();
    *count = if more { *count + by } else { *count - by };
    if *count == 0 {
        counts.remove(key);
    }
}
