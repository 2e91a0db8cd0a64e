//! The jobs and clusters of the queue that words name, in order, found by looking each up: what is
//! not named costs nothing.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use model::{ClusterId, JobId, ProcId, UserName};
use proto::client::named::Named;

use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::words::Actor;

impl Core {
    /// The clusters that somebody may touch, from one on: "all" means these, as in HTCondor.
    pub(crate) fn clusters_for(
        &self,
        by: &Actor,
        first: ClusterId,
    ) -> Box<dyn Iterator<Item = (ClusterId, &Cluster)> + '_> {
        if by.superuser {
            return Box::new(self.clusters.range(first..).map(|(id, cluster)| (*id, cluster)));
        }
        Box::new(self.clusters_of(&by.user, first))
    }

    /// The clusters of a user, from one on.
    pub(crate) fn clusters_of(
        &self,
        owner: &UserName,
        first: ClusterId,
    ) -> impl Iterator<Item = (ClusterId, &Cluster)> + use<'_> {
        let owned = self.whose.owned_from(owner, first);
        owned.filter_map(|id| self.clusters.get(&id).map(|cluster| (id, cluster)))
    }

    /// The named jobs in the queue, from one on.
    pub(crate) fn named_from(
        &self,
        named: Named,
        first: JobId,
    ) -> impl Iterator<Item = JobRef<'_>> {
        let start = move |id| if id == first.cluster { first.proc } else { ProcId(0) };
        self.named_clusters(&named, first.cluster).flat_map(move |(id, cluster)| {
            let first = JobId { cluster: id, proc: start(id) };
            let is_whole = named.has_whole(id, cluster.owner());
            let whole = is_whole.then(|| cluster.procs_from(first.proc));
            let single: Vec<JobId> = match is_whole {
                true => Vec::new(),
                false => named.jobs_from(first).collect(),
            };
            let single = single.into_iter().filter_map(|job| self.job(job));
            whole.into_iter().flatten().chain(single)
        })
    }

    /// The clusters in the queue that are named, or of which jobs are, from one on.
    pub(crate) fn named_clusters(
        &self,
        named: &Named,
        first: ClusterId,
    ) -> impl Iterator<Item = (ClusterId, &Cluster)> + use<'_> {
        let single = named.jobs.range(JobId { cluster: first, proc: ProcId(0) }..);
        let by_number = named.clusters.range(first..).copied().chain(single.map(|job| job.cluster));
        let by_number: BTreeSet<ClusterId> = by_number.collect();
        let mut streams: Vec<Stream<'_>> = vec![Box::new(by_number.into_iter())];
        for owner in &named.owners {
            streams.push(Box::new(self.whose.owned_from(owner, first)));
        }
        let clusters = Merged::of(streams);
        clusters.filter_map(|id| self.clusters.get(&id).map(|cluster| (id, cluster)))
    }
}

type Stream<'a> = Box<dyn Iterator<Item = ClusterId> + 'a>;

/// What some streams give, each in order: all of it in order, each once.
struct Merged<'a> {
    streams: Vec<Stream<'a>>,
    /// The next of each stream that has one.
    heads: BinaryHeap<Reverse<(ClusterId, usize)>>,
    last: Option<ClusterId>,
}

impl<'a> Merged<'a> {
    fn of(mut streams: Vec<Stream<'a>>) -> Self {
        let heads = streams.iter_mut().enumerate();
        let heads = heads.filter_map(|(n, stream)| Some(Reverse((stream.next()?, n)))).collect();
        Self { streams, heads, last: None }
    }
}

impl Iterator for Merged<'_> {
    type Item = ClusterId;

    fn next(&mut self) -> Option<ClusterId> {
        while let Some(Reverse((id, n))) = self.heads.pop() {
            self.heads.extend(self.streams[n].next().map(|next| Reverse((next, n))));
            if self.last.replace(id) != Some(id) {
                return Some(id);
            }
        }
        None
    }
}
