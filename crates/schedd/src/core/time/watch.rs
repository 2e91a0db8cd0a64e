//! Which jobs have policies that time can make true, and when they are looked at. A cluster whose
//! policies are constant is never looked at; of the others, each expression is reduced once for
//! each way a job can stand, and the jobs to which nothing has happened are looked at as one,
//! unless the policy asks for what tells them apart.

use std::time::Duration;

use classad::ClassAd;
use model::{ClusterId, JobId, JobState, JobStatus, Now, ProcId};

use crate::core::job::watch::Watch;
use crate::core::state::core::{Cluster, Core};
use crate::core::words::{Fact, RoundFact};

/// How often policies are looked at: HTCondor's users wait up to a minute, ours not longer than
/// this.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Jobs asked in one tick. A round goes on in the next tick, so that a cluster of a million jobs
/// does not make everybody wait.
const JOBS_PER_TICK: usize = 2_000;

impl Core {
    /// A job was edited: it may have policies now that its cluster does not have.
    pub(in crate::core) fn watch_edited(&mut self, job: JobId) {
        let Some(cluster) = self.clusters.get_mut(&job.cluster) else { return };
        let edits = cluster.jobs.get(&job.proc).and_then(|record| record.edits.as_deref());
        let before = cluster.edited.len();
        cluster.edited.extend(edits.into_iter().flat_map(ClassAd::iter).map(|(n, _)| n.clone()));
        if cluster.edited.len() == before {
            return;
        }
        let system = &self.config.system;
        cluster.watch = Watch::new(&cluster.record, &cluster.ad, &cluster.edited, system);
        if cluster.watch.is_some() {
            self.watched.insert(job.cluster);
        }
    }

    /// A part of a round, or the beginning of one that is due.
    pub(crate) fn policies(&self, now: Now) -> Vec<Fact> {
        let (began_ms, from) = match self.round.next {
            Some(next) => (self.round.began_ms, next),
            None if self.round_due_ms().is_some_and(|due| now.boot_ms >= due) => {
                (now.boot_ms, JobId::new(0, 0))
            }
            None => return Vec::new(),
        };
        let mut look = Look { core: self, now, left: JOBS_PER_TICK, facts: Vec::new() };
        let next = look.at_clusters(from);
        let checked = Fact::Round(RoundFact::PoliciesChecked { began_ms, next });
        let mut facts: Vec<Fact> = [checked].into_iter().chain(self.retries_due(now)).collect();
        if look.facts.is_empty() && next.is_none() {
            facts.extend(self.cron_times_missed(now));
        }
        facts.append(&mut look.facts);
        facts
    }

    /// When policies are looked at next, milliseconds of the boot clock; `None` if there are none.
    pub(crate) fn round_due_ms(&self) -> Option<u64> {
        if self.round.next.is_some() {
            return Some(self.round.began_ms);
        }
        let every = u64::try_from(CHECK_EVERY.as_millis()).unwrap_or(u64::MAX);
        let some = [self.watched.is_empty(), self.timed.is_empty(), self.retrying.is_empty()];
        some.contains(&false).then(|| self.round.began_ms.saturating_add(every))
    }
}

struct Look<'a> {
    core: &'a Core,
    now: Now,
    left: usize,
    facts: Vec<Fact>,
}

impl Look<'_> {
    /// Looks at jobs from this one on. Returns the one to go on with.
    fn at_clusters(&mut self, from: JobId) -> Option<JobId> {
        for id in self.core.watched.range(from.cluster..) {
            let Some(cluster) = self.core.clusters.get(id) else { continue };
            let Some(watch) = &cluster.watch else { continue };
            let first = if *id == from.cluster { from.proc } else { ProcId(0) };
            if let Some(proc) = self.at_jobs(*id, cluster, watch, first) {
                return Some(JobId { cluster: *id, proc });
            }
        }
        None
    }

    fn at_jobs(
        &mut self,
        id: ClusterId,
        cluster: &Cluster,
        watch: &Watch,
        first: ProcId,
    ) -> Option<ProcId> {
        if watch.told_apart && !watch.asked(JobStatus::Idle).is_empty() {
            for job in cluster.procs_from(first) {
                if !self.at(watch, job.job, &job.state()) {
                    return Some(job.job.proc);
                }
            }
            return None;
        }
        for (proc, record) in cluster.jobs.range(first..) {
            if !self.at(watch, record.job, &record.state) {
                return Some(*proc);
            }
        }
        self.at_untouched(id, cluster, watch)
    }

    /// Asks one of the jobs to which nothing has happened; what follows for it follows for all.
    fn at_untouched(&mut self, id: ClusterId, cluster: &Cluster, watch: &Watch) -> Option<ProcId> {
        let asked = watch.asked(JobStatus::Idle);
        let first = cluster.untouched.lowest().filter(|_| !asked.is_empty())?;
        let facts_of = |proc| {
            let job = self.core.job(JobId { cluster: id, proc });
            job.map(|job| self.core.policy_facts(self.now, job, asked)).unwrap_or_default()
        };
        if facts_of(first).is_empty() {
            self.left = self.left.saturating_sub(1);
            return None;
        }
        let some: Vec<Fact> = cluster.untouched.iter().take(self.left).flat_map(facts_of).collect();
        self.facts.extend(some);
        let count = usize::try_from(cluster.untouched.len()).unwrap_or(usize::MAX);
        let all = count <= self.left;
        self.left = self.left.saturating_sub(count);
        // What has a record by then was looked at: only the untouched are left.
        (!all).then_some(ProcId(u32::MAX))
    }

    /// False if the tick has no room for it.
    fn at(&mut self, watch: &Watch, job: JobId, state: &JobState) -> bool {
        let asked = match state {
            // Its run is to end already.
            JobState::Stopping { .. } => return true,
            JobState::Idle { .. }
            | JobState::Running(_)
            | JobState::Suspended { .. }
            | JobState::Held(_)
            | JobState::Completed { .. }
            | JobState::Removed { .. } => watch.asked(state.status()),
        };
        if asked.is_empty() {
            return true;
        }
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        if let Some(job) = self.core.job(job) {
            self.facts.extend(self.core.policy_facts(self.now, job, asked));
        }
        true
    }
}
