//! Which jobs of PBS's queues may start now: not those of a queue that is stopped, nor more than
//! `max_run` says, nor more of an array than it says itself (`max_run_subjobs`). Jobs that are in
//! no queue of PBS's go past.

use std::sync::Arc;

use model::queues::QueueSettings;
use model::{
    Cause, IdleReason, LimitOf, Verdict,
    planted::{Bug, planted},
};

use crate::core::records::bookings::bookings_of;
use crate::core::state::classes::{ArrayLimit, Class};
use crate::core::state::core::{Claim, Core};
use crate::core::state::parties::Party;
use crate::core::state::run_counts::RunCounts;
use crate::core::words::Change;

/// How many more may start, as of a moment.
#[derive(Debug)]
pub(crate) struct Gates<'a> {
    runs: &'a RunCounts,
    /// What starts besides, by [`Self::take`].
    taken: RunCounts,
}

impl Core {
    /// How many run now of whom. Costs nothing: asked for each job that is shown.
    pub(crate) fn gates(&self) -> Gates<'_> {
        Gates { runs: &self.classes.runs, taken: RunCounts::default() }
    }

    fn limits_queues(&self) -> bool {
        let settings = &self.settings;
        let mut all =
            std::iter::once(&settings.server).chain(settings.queues.iter().map(|(_, q)| q));
        all.any(|attributes| attributes.get("max_run").is_some())
    }

    /// Why the jobs of a class wait, if it is for their queue.
    pub(crate) fn queue_reason(&self, class: &Class) -> Option<IdleReason> {
        let cause = self.gates().closed(&self.settings, class)?;
        Some(IdleReason { verdict: Verdict::NotYet, cause })
    }

    /// A run began or ended: where there are limits, others may start now, or not any more.
    pub(in crate::core) fn note_places(&mut self) {
        if self.classes.limited > 0 || self.limits_queues() {
            self.look_at_queues();
        }
    }

    fn look_at_queues(&mut self) {
        let queued = self.classes.by_id.iter().filter(|(_, class)| class.queue.is_some());
        let ids: Vec<_> = queued.map(|(id, _)| *id).collect();
        self.classes.changed.extend(ids);
    }

    pub(in crate::core) fn put_settings(
        &mut self,
        settings: &Arc<QueueSettings>,
        change: &mut Change,
    ) {
        let bookings_change = bookings_of(&self.settings) != bookings_of(settings);
        self.settings = Arc::clone(settings);
        change.settings = Some(Arc::clone(settings));
        self.look_at_queues();
        if bookings_change && let Some(negotiator) = &mut self.negotiator {
            negotiator.introduced = false;
        }
    }

    /// What is said of server, queues and nodes.
    pub fn queue_settings(&self) -> Arc<QueueSettings> {
        Arc::clone(&self.settings)
    }

    /// Whether the claim's machine is not to be given new jobs.
    pub(crate) fn is_offline(&self, claim: &Claim) -> bool {
        let (machine, beside) = (&claim.record.machine, claim.record.universe.is_beside());
        !beside && self.drained.contains(machine)
    }
}

impl Gates<'_> {
    /// One more of the class runs.
    pub(crate) fn take(&mut self, class: &Class) {
        if let Some(limit) = class.array {
            self.taken.note_run(limit.cluster, true);
        }
        if let Some(queue) = &class.queue {
            self.taken.note_slots(queue, &class.parties, (0, 1));
        }
    }

    fn of_array(&self, limit: ArrayLimit) -> u64 {
        self.runs.of_cluster(limit.cluster) + self.taken.of_cluster(limit.cluster)
    }

    fn of_queue(&self, limit: &Limit<'_>) -> u64 {
        let of = |counts: &RunCounts| counts.of_queue(limit.queue, limit.party.as_ref());
        of(self.runs) + of(&self.taken)
    }

    /// How many jobs of the class may start.
    pub(crate) fn left(&self, core: &Core, class: &Class) -> u64 {
        let Some(name) = rules(class) else { return u64::MAX };
        if stopped(&core.settings, name).is_some() {
            return 0;
        }
        let limits = limits(&core.settings, class, name);
        let left = |limit: &Limit<'_>| limit.most.saturating_sub(self.of_queue(limit));
        let of_queues = limits.iter().map(left).min().unwrap_or(u64::MAX);
        let of_array = self.left_of_array(class).map_or(u64::MAX, |(left, _)| left);
        let of_queues = if planted(Bug::QueueLimitIgnored) { u64::MAX } else { of_queues };
        of_queues.min(if planted(Bug::ArrayLimitIgnored) { u64::MAX } else { of_array })
    }

    /// How many more jobs of the class's array may start, and how many may run.
    fn left_of_array(&self, class: &Class) -> Option<(u64, u64)> {
        let limit = class.array?;
        let runs = self.of_array(limit);
        Some((limit.most.saturating_sub(runs), limit.most))
    }

    /// Whether a job of the class may start where one of the class has ended just then.
    pub(crate) fn may_follow(&self, core: &Core, class: &Class) -> bool {
        let Some(name) = rules(class) else { return true };
        stopped(&core.settings, name).is_none()
            && class.array.is_none_or(|limit| self.of_array(limit) <= limit.most)
            && limits(&core.settings, class, name)
                .iter()
                .all(|limit| self.of_queue(limit) <= limit.most)
    }

    fn closed(&self, settings: &QueueSettings, class: &Class) -> Option<Cause> {
        let name = rules(class)?;
        if let Some(cause) = stopped(settings, name) {
            return Some(cause);
        }
        if let Some((0, most)) = self.left_of_array(class) {
            return Some(Cause::ArrayLimit { most });
        }
        let limits = limits(settings, class, name);
        let reached = limits.into_iter().find(|limit| self.of_queue(limit) >= limit.most)?;
        Some(Cause::QueueLimit {
            queue: reached.queue.map(ToString::to_string),
            most: reached.most,
            of: match reached.party {
                None => LimitOf::All,
                Some(Party::Owner(_)) => LimitOf::Owner,
                Some(Party::Group(group)) => LimitOf::Group(group.to_string()),
                Some(Party::Project(project)) => LimitOf::Project(project.to_string()),
            },
        })
    }
}

/// A limit that a class is under.
struct Limit<'a> {
    /// Of which queue; of the server if not given.
    queue: Option<&'a Arc<str>>,
    /// Of whom; of everybody if not given.
    party: Option<Party>,
    most: u64,
}

/// Each limit of the class: the server's, then its queue's.
fn limits<'a>(settings: &QueueSettings, class: &'a Class, name: &str) -> Vec<Limit<'a>> {
    let mut all = Vec::new();
    let places = [(None, Some(&settings.server)), (class.queue.as_ref(), settings.queue(name))];
    for (queue, attributes) in places {
        let Some(attributes) = attributes else { continue };
        let said = attributes.limits("max_run");
        all.extend(said.of_all().map(|most| Limit { queue, party: None, most }));
        let own = said.of(class.parties.submitter());
        all.extend(own.into_iter().map(|(entity, most, _)| Limit {
            queue,
            party: Some(Party::from(entity)),
            most,
        }));
    }
    all
}

/// The queue whose rules the class is under.
fn rules(class: &Class) -> Option<&str> {
    let is_forced = class.is_forced && !planted(Bug::RunNowIgnored);
    class.queue.as_deref().filter(|_| !is_forced && !class.universe.is_beside())
}

fn stopped(settings: &QueueSettings, queue: &str) -> Option<Cause> {
    if !settings.server.is("scheduling") {
        return Some(Cause::QueueStopped { queue: None });
    }
    if planted(Bug::QueueStopIgnored) {
        return None;
    }
    let is_started = settings.queue(queue).is_some_and(|queue| queue.is("started"));
    (!is_started).then(|| Cause::QueueStopped { queue: Some(queue.to_owned()) })
}
