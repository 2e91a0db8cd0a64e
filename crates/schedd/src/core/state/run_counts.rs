//! How many run, counted by what limits are about: the queues of PBS with their jobs' owners, and
//! arrays. Kept in step, so that whoever asks for each of a hundred thousand jobs pays for a look.
//! What the limits are is not known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ClusterId, UserName};

/// A queue or all of them, and an owner or everybody.
type Who = (Option<Arc<str>>, Option<UserName>);

/// Counts by queue and by owner. None of them is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueCounts(BTreeMap<Who, u64>);

impl QueueCounts {
    /// Of a queue, or of all; of an owner, or of everybody.
    pub(crate) fn of(&self, queue: Option<&Arc<str>>, owner: Option<&UserName>) -> u64 {
        self.0.get(&(queue.cloned(), owner.cloned())).copied().unwrap_or(0)
    }

    /// What a queue and an owner have together is so much now, and was so much before.
    pub(crate) fn note(&mut self, queue: &Arc<str>, owner: &UserName, (before, now): (u64, u64)) {
        let by = before.abs_diff(now);
        if by == 0 {
            return;
        }
        for queue in [None, Some(queue)] {
            for owner in [None, Some(owner)] {
                note(&mut self.0, &(queue.cloned(), owner.cloned()), (now > before, by));
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
    /// Of a queue, or of all; of an owner, or of everybody.
    pub(crate) fn of_queue(&self, queue: Option<&Arc<str>>, owner: Option<&UserName>) -> u64 {
        self.queues.of(queue, owner)
    }

    /// Of an array's jobs.
    pub(crate) fn of_cluster(&self, cluster: ClusterId) -> u64 {
        self.clusters.get(&cluster).copied().unwrap_or(0)
    }

    /// So many slots more, or less, run jobs of a queue and an owner.
    pub(crate) fn note_slots(
        &mut self,
        queue: &Arc<str>,
        owner: &UserName,
        (before, now): (usize, usize),
    ) {
        self.queues.note(queue, owner, (before as u64, now as u64));
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
