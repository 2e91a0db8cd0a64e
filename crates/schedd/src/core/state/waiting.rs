//! Why jobs wait, as entries of the record: whoever follows the events learns it without asking for
//! the queue again and again. A cluster is told each kind of reason once, so that two reasons that
//! take turns fill no disk.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{Discriminant, discriminant};

use model::{Cause, ClassId, ClusterId, IdleReason, JobId, Now, UserName, Verdict};
use proto::client::{Happening, Recorded};

use crate::core::state::core::{Core, JobRef};
use crate::core::words::{ClusterFact, Fact, RoundFact};

/// Clusters of one class that are told at a time: the next to run. Of very many that are alike the
/// rest learn it as they get there.
const CLUSTERS_TOLD: usize = 100;

/// What makes a reason another one: not its numbers.
pub(crate) type ReasonKind = (Verdict, Discriminant<Cause>);

/// Who began to wait for a moment: the next try, the time to start, the end of a pause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Untold {
    /// One job of each cluster.
    pub(crate) jobs: BTreeMap<ClusterId, JobId>,
    /// Owners whose starts pause.
    pub(crate) owners: BTreeSet<UserName>,
}

/// The kind of a reason.
pub(crate) fn kind(reason: &IdleReason) -> ReasonKind {
    (reason.verdict, discriminant(&reason.cause))
}

impl Core {
    /// Entries for the clusters of a class to which a reason of this kind is new.
    pub(crate) fn newly_waiting(&self, class: ClassId, reason: &IdleReason) -> Vec<Fact> {
        let Some(class) = self.classes.by_id.get(&class) else { return Vec::new() };
        let is_new = |cluster: &ClusterId| {
            let cluster = self.clusters.get(cluster);
            cluster.is_some_and(|cluster| !cluster.told_reasons.contains(&kind(reason)))
        };
        let next = class.idle.by_cluster().take(CLUSTERS_TOLD);
        let entry = |(cluster, jobs)| {
            Fact::Cluster(ClusterFact::JobsWait { cluster, jobs, reason: reason.clone() })
        };
        next.filter(|(cluster, _)| is_new(cluster)).map(entry).collect()
    }

    /// Entries for jobs that have begun to wait for a moment: the next try, or their time to start.
    pub(crate) fn waits(&self, now: Now) -> Vec<Fact> {
        let Untold { jobs, owners } = &self.untold;
        let waiting = jobs.values().filter(|job| self.backing_off.contains_key(job));
        let entry = |job: JobRef<'_>| {
            let reason = self.idle_reason(job, now);
            let cluster = job.job.cluster;
            let jobs = self.backing_off.range(JobId::new(cluster.0, 0)..);
            let jobs = jobs.take_while(|(job, _)| job.cluster == cluster).count() as u64;
            let is_new = !job.cluster.told_reasons.contains(&kind(&reason));
            is_new.then_some(Fact::Cluster(ClusterFact::JobsWait { cluster, jobs, reason }))
        };
        let told = waiting.filter_map(|job| self.job(*job)).filter_map(entry);
        let paused = owners.iter().flat_map(|owner| self.waiting_for_pause(owner, now));
        let done =
            (!jobs.is_empty() || !owners.is_empty()).then_some(Fact::Round(RoundFact::WaitsTold));
        told.chain(paused).chain(done).collect()
    }

    /// Makes such an entry.
    pub(in crate::core) fn jobs_wait(
        &mut self,
        at: Now,
        cluster: ClusterId,
        jobs: u64,
        reason: &IdleReason,
    ) -> Recorded {
        if let Some(cluster) = self.clusters.get_mut(&cluster) {
            cluster.told_reasons.push(kind(reason));
        }
        self.record(at, Happening::JobsWait { cluster, jobs, reason: reason.clone() })
    }
}
