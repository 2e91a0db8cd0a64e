//! Factories: submissions that put only so many of their jobs into the queue at a time
//! (`max_materialize`, `max_idle`). The rest is a range of numbers that nobody is told of; it
//! becomes jobs as others leave. What HTCondor calls late materialisation.

use std::sync::Arc;

use classad::{ClassAd, Value};
use model::depend::{WAITS_FOR, Waits};
use model::{
    ClusterId, ClusterSpec, JobId, Now, ProcId, attr,
    planted::{Bug, planted},
};
use proto::client::{Happening, Refusal};

use crate::core::records::ranges::Ranges;
use crate::core::state::core::{Cluster, Core};
use crate::core::state::dependencies;
use crate::core::state::index::{by_universe, idle_range};
use crate::core::users::submit::held_from_the_start;
use crate::core::words::{Change, ClusterFact, Fact, FactoryStep, JobFact};

/// How many jobs of a cluster may be in the queue, and how many of those may wait (HTCondor: held
/// jobs wait too).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    in_queue: u64,
    waiting: u64,
}

impl Limits {
    /// What the submission says; `None` if it is no factory.
    pub(crate) fn of(ad: &ClassAd) -> Option<Self> {
        let said = |name| {
            let limit = ad.literal(name).and_then(Value::as_i64)?;
            u64::try_from(limit).ok()
        };
        let (in_queue, waiting) =
            (said(attr::JOB_MATERIALIZE_LIMIT), said(attr::JOB_MATERIALIZE_MAX_IDLE));
        (in_queue.is_some() || waiting.is_some()).then(|| Self {
            in_queue: in_queue.unwrap_or(u64::MAX),
            waiting: waiting.unwrap_or(u64::MAX),
        })
    }

    /// How many more there may be.
    fn room(self, in_queue: u64, waiting: u64) -> u64 {
        let more = self.in_queue.saturating_sub(in_queue);
        more.min(self.waiting.saturating_sub(waiting))
    }
}

/// Whether a submission is a factory.
pub(crate) fn is_one(spec: &ClusterSpec) -> bool {
    Limits::of(&spec.ad).is_some()
}

/// Refuses a factory whose jobs wait each for its own: what the other jobs came to may be gone when
/// the last of these come.
pub(crate) fn check(spec: &ClusterSpec) -> Result<(), Refusal> {
    match is_one(spec) && dependencies::of(spec).as_ref().is_some_and(Waits::has_each) {
        true => Err(Refusal::Invalid(format!(
            "jobs that wait each for its own ({WAITS_FOR} with aftercorr) cannot come later: leave \
             out max_materialize and max_idle"
        ))),
        false => Ok(()),
    }
}

/// The jobs of a new cluster: those in the queue from the start, and those that come later.
pub(crate) fn split(spec: &ClusterSpec) -> (Ranges, Ranges) {
    let mut later = Ranges::first(spec.count());
    let room = Limits::of(&spec.ad).map_or(u64::MAX, |limits| limits.room(0, 0));
    let mut now = Ranges::default();
    for (start, end) in later.take_first(room) {
        now.insert_range(start, end);
    }
    (now, later)
}

impl Core {
    /// Jobs that have room now, of each factory that has any left.
    pub(crate) fn materialise(&self, now: Now) -> Vec<Fact> {
        let growing = self.factories.iter().filter_map(|id| Some((*id, self.clusters.get(id)?)));
        growing.flat_map(|(id, cluster)| self.next_jobs(now, id, cluster)).collect()
    }

    fn next_jobs(&self, now: Now, id: ClusterId, cluster: &Cluster) -> Vec<Fact> {
        let spec = &cluster.record.spec;
        let Some(limits) = Limits::of(&spec.ad) else { return Vec::new() };
        let in_queue = u64::from(cluster.left) - cluster.later.len();
        let pieces = cluster.later.clone().take_first(limits.room(in_queue, cluster.waiting));
        if pieces.is_empty() {
            return Vec::new();
        }
        let mut then: Vec<Fact> =
            held_from_the_start(now, id, spec, cluster.later_edits.as_deref(), numbers(&pieces))
                .collect();
        if then.is_empty() {
            then = self.deferred_from_the_start(now, id, spec, numbers(&pieces));
        }
        let edited = cluster.later_edits.iter().flat_map(|changes| {
            let edited = |proc| {
                let job = JobId { cluster: id, proc };
                Fact::Job { job, fact: JobFact::Edited { changes: Arc::clone(changes) } }
            };
            numbers(&pieces).map(edited)
        });
        then.extend(edited);
        let step = FactoryStep::Materialised(pieces);
        [Fact::Cluster(ClusterFact::Factory { cluster: id, step })]
            .into_iter()
            .chain(then)
            .collect()
    }

    /// Makes a factory's step true.
    pub(in crate::core) fn factory(
        &mut self,
        at: Now,
        id: ClusterId,
        step: &FactoryStep,
        change: &mut Change,
    ) {
        change.cluster = Some(id);
        match step {
            FactoryStep::Materialised(pieces) => self.materialised(id, pieces),
            FactoryStep::Paused { .. } => self.pause(id, true),
            FactoryStep::Resumed { .. } => self.pause(id, false),
            FactoryStep::Edited(changes) => self.edit_later(id, changes),
            FactoryStep::Ended => {
                let never = self.ended(id);
                let what = Happening::FactoryEnded { cluster: id, never };
                change.recorded = Some(self.record(at, what));
            }
        }
        self.note_factory(id);
    }

    fn materialised(&mut self, id: ClusterId, pieces: &[(u32, u32)]) {
        let Some(cluster) = self.clusters.get_mut(&id) else { return };
        let owner = cluster.owner().clone();
        for (start, end) in pieces {
            cluster.later.remove_range(*start, *end);
            let first = if planted(Bug::FactorySkips) { start + 1 } else { *start };
            cluster.untouched.insert_range(first, *end);
            cluster.waiting += u64::from(end - start);
            if !planted(Bug::ClassForgets) {
                idle_range(&mut self.classes, id, cluster, *start, *end);
            }
        }
        let jobs = by_universe(&cluster.sorting, pieces.iter().copied());
        self.count_idle(&owner, jobs);
    }

    fn pause(&mut self, id: ClusterId, paused: bool) {
        if let Some(cluster) = self.clusters.get_mut(&id) {
            cluster.paused = paused;
        }
    }

    fn edit_later(&mut self, id: ClusterId, changes: &ClassAd) {
        let Some(cluster) = self.clusters.get_mut(&id) else { return };
        let mut edits = cluster.later_edits.take().map(Arc::unwrap_or_clone).unwrap_or_default();
        edits.update(changes);
        cluster.later_edits = Some(Arc::new(edits));
    }

    /// What has not become a job never will: says how many.
    fn ended(&mut self, id: ClusterId) -> u32 {
        let Some(cluster) = self.clusters.get_mut(&id) else { return 0 };
        let never = u32::try_from(cluster.later.len()).unwrap_or(u32::MAX);
        cluster.later = Ranges::default();
        cluster.left -= never;
        cluster.never += never;
        match cluster.left {
            0 => self.forget_cluster(id),
            _ => self.recount_queued(id),
        }
        never
    }

    /// Keeps the list of factories that may have jobs to give.
    pub(in crate::core) fn note_factory(&mut self, id: ClusterId) {
        let grows = |cluster: &Cluster| !cluster.later.is_empty() && !cluster.paused;
        if self.clusters.get(&id).is_some_and(grows) {
            self.factories.insert(id);
        } else {
            self.factories.remove(&id);
        }
    }
}

impl Cluster {
    /// Whether some of its jobs are still to come.
    pub(crate) fn is_factory(&self) -> bool {
        !self.later.is_empty()
    }
}

pub(crate) fn numbers(pieces: &[(u32, u32)]) -> impl Iterator<Item = ProcId> {
    pieces.iter().flat_map(|(start, end)| *start..*end).map(ProcId)
}
