//! Pauses after the start of a job (`next_job_start_delay`): the other jobs of its owner wait, so
//! that a thousand of them do not read the same file server at once. HTCondor 25.14 has all users
//! of an access point wait; here nobody waits for another's jobs. A pause is not kept over a
//! restart of the schedd.

use std::time::Duration;

use model::{Cause, IdleReason, JobEvent, JobId, Now, UserName, Verdict, attr};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::runs::gates::Gates;
use crate::core::state::classes::Class;
use crate::core::state::core::Core;
use crate::core::words::{Fact, JobFact, RoundFact};

/// The attribute with the seconds; the classes of jobs differ by it.
pub(crate) const START_DELAY: &str = attr::NEXT_JOB_START_DELAY;

/// The longest pause, seconds: HTCondor 25.14's default of `MAX_NEXT_JOB_START_DELAY`.
const LONGEST_S: f64 = 600.0;

impl Core {
    /// Idle jobs of a class that a claim is wanted for. Where each start makes the next wait, for
    /// one at a time.
    pub(crate) fn wanted(&self, class: &Class, gates: &Gates<'_>) -> u64 {
        if self.is_paused(class) || self.is_fenced() {
            return 0;
        }
        let jobs = if class.paces { class.idle.count().min(1) } else { class.idle.count() };
        jobs.min(gates.left(self, class)).saturating_sub(u64::from(class.claiming))
    }

    /// Whether no job of the class starts now because another of its owner did. Jobs that run
    /// beside the schedd do not wait (HTCondor 25.14).
    pub(crate) fn is_paused(&self, class: &Class) -> bool {
        !class.universe.is_beside() && self.pauses.contains_key(&class.owner)
    }

    /// The pause that begins with these facts, if they start this job and it asks for one.
    pub(crate) fn pause_after(
        &self,
        now: Now,
        class: &Class,
        id: JobId,
        facts: &[Fact],
    ) -> Option<Fact> {
        let starts = |fact: &Fact| matches!(fact, Fact::Job { job, fact: JobFact::Happened(JobEvent::RunAuthorised { .. }) } if *job == id);
        if !class.paces || class.universe.is_beside() || !facts.iter().any(starts) {
            return None;
        }
        let ad = ads::matching_ad(self.job(id)?, self);
        let seconds = ad.eval(START_DELAY, None, &env(now)).as_f64()?;
        let pause = Duration::from_secs_f64(Some(seconds).filter(|n| *n > 0.0)?.min(LONGEST_S));
        let until_ms = Some(now.deadline(pause));
        Some(Fact::Round(RoundFact::StartsPaused { owner: class.owner.clone(), until_ms }))
    }

    /// Entries that tell why an owner's jobs wait during a pause.
    pub(crate) fn waiting_for_pause(&self, owner: &UserName, now: Now) -> Vec<Fact> {
        let classes = self.classes.by_id.iter().filter(|(_, class)| class.owner == *owner);
        let reasons = classes.filter_map(|(id, class)| Some((id, self.pause_reason(class, now)?)));
        reasons.flat_map(|(id, reason)| self.newly_waiting(*id, &reason)).collect()
    }

    /// The pauses that are over.
    pub(crate) fn pauses_over(&self, now: Now) -> Vec<Fact> {
        let due = self.pauses.iter().filter(|(_, until_ms)| now.boot_ms >= **until_ms);
        let over = |(owner, _): (&UserName, _)| {
            Fact::Round(RoundFact::StartsPaused { owner: owner.clone(), until_ms: None })
        };
        due.map(over).collect()
    }

    /// Begins a pause of an owner's starts, or ends it: its classes are to be looked at.
    pub(in crate::core) fn set_pause(&mut self, owner: &UserName, until_ms: Option<u64>) {
        match until_ms {
            Some(until_ms) => self.pauses.insert(owner.clone(), until_ms),
            None => self.pauses.remove(owner),
        };
        let classes = self.classes.by_id.iter().filter(|(_, class)| class.owner == *owner);
        self.classes.changed.extend(classes.map(|(id, _)| *id));
        self.untold.owners.extend(until_ms.map(|_| owner.clone()));
    }

    /// Why the jobs of a class wait, if it is for a pause.
    pub(crate) fn pause_reason(&self, class: &Class, now: Now) -> Option<IdleReason> {
        let until_ms = self.pauses.get(&class.owner).filter(|_| self.is_paused(class))?;
        let seconds = until_ms.saturating_sub(now.boot_ms).div_ceil(1000);
        Some(IdleReason { verdict: Verdict::NotYet, cause: Cause::StartsPaused { seconds } })
    }
}
