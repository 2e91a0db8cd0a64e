//! What is decided for many inputs at once, and what time alone brings. Each tick decides the first
//! of these that has anything to decide; the driver goes on until none has.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{
    ClaimId, JobId, MachineName, Now, RunEnd, Universe,
    planted::{Bug, planted},
};
use proto::claiming::{MIN_LEASE, lease_margin};

use crate::core::policy::at_end;
use crate::core::runs::gates::Gates;
use crate::core::state::classes::Class;
use crate::core::state::core::{Claim, Core, Machine};
use crate::core::words::{ClaimFact, Fact, JobFact, MachineFact, RoundFact};

/// How long a claim is kept without a job while nobody else waits: the next submission of a burst
/// starts without matching.
const KEEP_CLAIM: Duration = Duration::from_secs(2);

/// How long a startd may take to answer a request for a claim. The negotiator offers the part again
/// after ten seconds.
const CLAIMING_TIME: Duration = Duration::from_secs(20);

/// How long a connection outlives its last use: the next match on that machine saves a handshake.
const KEEP_CONNECTION: Duration = Duration::from_secs(60);

/// How often finished jobs that stay in the queue are asked whether they still want to.
const CHECK_KEPT: Duration = Duration::from_secs(5);

/// Jobs started in one batch, so that a million idle jobs and a thousand new claims do not make one
/// endless commit.
const STARTS_PER_TICK: usize = 5_000;

impl Core {
    pub(crate) fn tick(&self, now: Now) -> Vec<Fact> {
        let steps = [
            // First, so that what follows from an end is written with it.
            Self::dependencies_due,
            Self::turns,
            Self::waits,
            Self::leases_over,
            Self::gangs,
            Self::fence_over,
            Self::bookings_due,
            Self::backoffs_over,
            Self::pauses_over,
            Self::materialise,
            Self::run_limits_over,
            Self::policies,
            Self::skips,
            Self::starts,
            Self::ahead,
            Self::shares,
            Self::recalls,
            Self::beside,
            Self::releases,
            Self::kept,
        ];
        for step in steps {
            let facts = step(self, now);
            if !facts.is_empty() {
                return facts;
            }
        }
        self.requests(now).into_iter().collect()
    }

    /// The moment, on the boot clock, at which the next [`crate::core::Input::Tick`] has something
    /// to decide.
    pub fn next_deadline(&self) -> Option<u64> {
        let machines = self.machines.iter().flat_map(|(name, machine)| {
            first_lease_end_ms(machine).into_iter().chain(self.forget_ms(name, machine))
        });
        let claiming = self.claiming.values().map(|c| after(c.since_ms, CLAIMING_TIME));
        let backoffs = self.backoff_ends.first().map(|(until_ms, _)| *until_ms);
        let gates = self.gates();
        let free = self.free_claims().map(|(_, claim)| self.release_ms(claim, &gates));
        machines
            .chain(claiming)
            .chain(backoffs)
            .chain(self.pauses.values().copied())
            .chain(free)
            .chain(self.kept_due_ms())
            .chain(self.round_due_ms())
            .chain(self.run_limits.first_ms())
            .chain(self.retell_ms())
            .chain(self.promises.due_ms())
            .chain(self.beside_due_ms())
            .chain(self.booking_edge_ms)
            .chain(self.has_long_acts().then_some(0))
            .chain(self.fence.as_ref().map(|fence| fence.until_ms))
            .min()
    }

    /// Runs and claims whose startd was not heard for so long that nothing of them can be alive;
    /// requests that were not answered; machines that nothing is wanted of.
    fn leases_over(&self, now: Now) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (name, machine) in &self.machines {
            // Of most machines none: their claims are not looked at.
            let any = first_lease_end_ms(machine).is_some_and(|end| now.boot_ms >= end);
            for id in machine.claims.iter().filter(|_| any) {
                if self.lease_end_ms(id, machine).is_some_and(|end| now.boot_ms >= end) {
                    facts.extend(self.lease_over(now, *id));
                }
            }
            if self.forget_ms(name, machine).is_some_and(|end| now.boot_ms >= end) {
                facts.push(Fact::Machine { machine: name.clone(), fact: MachineFact::Forgotten });
            }
        }
        for (matched, claiming) in &self.claiming {
            if now.boot_ms >= after(claiming.since_ms, CLAIMING_TIME) {
                let machine = &claiming.matched.machine;
                let reason = format!("{machine} did not answer the request for a claim");
                facts.push(Fact::Claim(ClaimFact::Failed {
                    matched: *matched,
                    reason,
                    blameless: false,
                }));
            }
        }
        facts
    }

    fn lease_over(&self, now: Now, id: ClaimId) -> Vec<Fact> {
        let mut facts = Vec::new();
        let held = &self.claims[&id];
        if let Some(run) = held.record.run {
            if self.is_promised(held) {
                // The rest follows when it is its job's run.
                return self.called_up(now, run.job).into_iter().collect();
            }
            let reason = "its machine was not heard for the time of the job's lease".to_owned();
            let end = RunEnd::Lost { reason };
            facts.extend(self.run_ended(now, held, &end, self.usage_of(held)));
            if held.record.gang.is_some() {
                return facts;
            }
        }
        facts.push(Fact::Claim(ClaimFact::Dropped { claim: id, release: true }));
        facts
    }

    /// When a run, or a claim without one, is surely over if no beat comes.
    fn lease_end_ms(&self, id: &ClaimId, machine: &Machine) -> Option<u64> {
        Some(end_of_lease_ms(machine, self.claims.get(id)?.record.lease_s))
    }

    /// What an older queue may have started is over.
    fn fence_over(&self, now: Now) -> Vec<Fact> {
        let over = self.fence.as_ref().is_some_and(|fence| fence.is_over(now));
        over.then_some(Fact::Round(RoundFact::FenceLifted)).into_iter().collect()
    }

    fn forget_ms(&self, name: &MachineName, machine: &Machine) -> Option<u64> {
        let missed = self.fence.as_ref().is_some_and(|fence| fence.misses(name));
        let unused = machine.claims.is_empty() && machine.claiming.is_empty() && !missed;
        unused.then(|| after(machine.heard_ms, KEEP_CONNECTION))
    }

    fn backoffs_over(&self, now: Now) -> Vec<Fact> {
        let due = self.backoff_ends.iter().take_while(|(until_ms, _)| *until_ms <= now.boot_ms);
        due.map(|(_, job)| Fact::Job { job: *job, fact: JobFact::BackoffOver }).collect()
    }

    /// The next jobs of each class on the claims that are free for it.
    fn starts(&self, now: Now) -> Vec<Fact> {
        if self.is_fenced() {
            return Vec::new();
        }
        let mut facts = Vec::new();
        let mut room = None;
        // What keeps a job from running beside the schedd may have ended in another class.
        let ids = self.classes.changed.union(&self.classes.beside);
        let (mut paused, mut alone) = (BTreeSet::new(), BTreeSet::new());
        let mut gates = self.gates();
        for class in ids.filter_map(|id| self.classes.by_id.get(id)) {
            let pausing = !class.universe.is_beside() && paused.contains(&class.owner);
            if pausing || self.is_paused(class) {
                continue;
            }
            let usable = class.free.iter().filter(|id| self.is_usable(now, id));
            let pairs = usable.zip(class.idle.iter());
            let pairs = pairs.take_while(|(_, job)| self.may_start(now, class, *job, &mut room));
            let pairs = pairs.filter(|(_, job)| self.may_run_beside(*job, &mut alone));
            let left = usize::try_from(gates.left(self, class)).unwrap_or(usize::MAX);
            let pairs: Vec<(&ClaimId, JobId)> = pairs.take(left).collect();
            for (id, job) in pairs {
                let start = self.authorise(now, job, *id);
                gates.take(class);
                let pause = self.pause_after(now, class, job, &start);
                facts.extend(start);
                if let Some(pause) = pause {
                    facts.push(pause);
                    paused.insert(class.owner.clone());
                    break;
                }
            }
            if facts.len() >= STARTS_PER_TICK {
                break;
            }
        }
        facts
    }

    pub(crate) fn is_usable(&self, now: Now, id: &ClaimId) -> bool {
        let claim = &self.claims[id];
        let machine = self.machines.get(&claim.record.machine);
        let is_up = machine.is_some_and(|machine| machine.up);
        let whole = claim.record.gang.as_ref().is_none_or(|gang| self.is_gang_ready(now, gang));
        is_up && whole && now.boot_ms < claim.work_until_ms && !self.is_offline(claim)
    }

    /// Free claims that nothing is to be done with.
    fn releases(&self, now: Now) -> Vec<Fact> {
        let gates = self.gates();
        let due =
            self.free_claims().filter(|(_, claim)| now.boot_ms >= self.release_ms(claim, &gates));
        due.map(|(id, _)| Fact::Claim(ClaimFact::Dropped { claim: *id, release: true })).collect()
    }

    fn vanilla_idle(&self) -> u64 {
        self.by_universe.get(&Universe::Vanilla).map_or(0, |counts| counts.idle)
    }

    fn free_claims(&self) -> impl Iterator<Item = (&ClaimId, &Claim)> {
        let free = self.classes.by_id.values().flat_map(|class| &class.free);
        free.map(|id| (id, &self.claims[id]))
    }

    fn release_ms(&self, claim: &Claim, gates: &Gates<'_>) -> u64 {
        let class = self.classes.with_key(&claim.record.class_key);
        let has_work = |class: &Class| {
            class.idle.count() > 0 && !self.is_paused(class) && gates.left(self, class) > 0
        };
        if class.is_some_and(has_work) && !self.is_offline(claim) {
            // It has work, and only its machine is not connected.
            return claim.work_until_ms;
        }
        // It takes nothing from anybody who waits, beside the schedd.
        let beside = claim.record.universe.is_beside();
        let others_wait = !beside && self.vanilla_idle() > 0;
        let keep = if others_wait { Duration::ZERO } else { KEEP_CLAIM };
        let keep = claim.keep.unwrap_or_default().max(keep);
        after(claim.free_since_ms, keep).min(claim.work_until_ms)
    }

    /// Finished jobs that stayed in the queue: their expressions may name the time.
    fn kept(&self, now: Now) -> Vec<Fact> {
        if self.kept_due_ms().is_none_or(|due| now.boot_ms < due) {
            return Vec::new();
        }
        let kept = self.staying.iter().filter_map(|job| self.job(*job));
        let leaving = kept.filter(|job| !at_end::still_stays(self, *job, now));
        let left = leaving.map(|job| Fact::Job { job: job.job, fact: JobFact::Left });
        [Fact::Round(RoundFact::KeptChecked)].into_iter().chain(left).collect()
    }

    fn kept_due_ms(&self) -> Option<u64> {
        (!self.staying.is_empty()).then(|| after(self.kept_checked_ms, CHECK_KEPT))
    }
}

/// The same of the machine's claim that is over first.
fn first_lease_end_ms(machine: &Machine) -> Option<u64> {
    machine.leases.keys().next().map(|lease_s| end_of_lease_ms(machine, *lease_s))
}

fn end_of_lease_ms(machine: &Machine, lease_s: u32) -> u64 {
    let lease = Duration::from_secs(u64::from(lease_s)).max(MIN_LEASE);
    let margin = if planted(Bug::NoMargin) { Duration::ZERO } else { lease_margin(lease) };
    after(after(machine.heard_ms, lease), margin)
}

fn after(ms: u64, time: Duration) -> u64 {
    ms.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
