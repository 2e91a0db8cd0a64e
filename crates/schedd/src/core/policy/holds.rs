//! What holds a job of PBS's: its user, the jobs that it waits for, and its time to start. OpenPBS
//! keeps these apart; here a job has one hold at a time, and what else holds it is in its ad: what
//! it waits for, `PbsExecutionTime`, and `HeldBesides`: while it waits for others, or while it
//! runs, which the hold does not end (OpenPBS 23.06): it bites when the job would run again.
//!
//! Knows nothing of holds for what went wrong: those are the schedd's own, and a release ends them.

use std::sync::Arc;

use classad::{ClassAd, Value};
use model::depend::{HELD_BESIDES, Waits};
use model::{Hold, HoldCode, JobEvent, JobId, JobState, Now, attr};

use crate::core::state::core::JobRef;
use crate::core::state::dependencies::{hold_reason, said};
use crate::core::words::{Fact, JobFact};

/// HTCondor 25.14's words for `hold = true`.
pub(crate) const SUBMITTED_ON_HOLD: &str = "submitted on hold at user's request";

/// What holds a job, or is to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holds {
    /// Why its user holds it.
    pub(crate) user: Option<String>,
    pub(crate) waits: Option<Waits>,
    /// Seconds since the epoch before which it does not start.
    pub(crate) until_s: Option<i64>,
}

/// The moment before which a job is not to start.
pub(crate) fn start_of(ad: &ClassAd) -> Option<i64> {
    ad.literal(attr::PBS_EXECUTION_TIME).and_then(Value::as_i64)
}

/// Whether an ad says that its job's user holds it, whatever it waits for.
pub(crate) fn is_held_besides(ad: &ClassAd) -> bool {
    ad.literal(HELD_BESIDES).is_some_and(Value::is_true)
}

/// The user's hold beside the one that the job has, set or ended.
pub(crate) fn besides(job: JobId, is_held: bool) -> Fact {
    let mut changes = ClassAd::new();
    changes.set(HELD_BESIDES, is_held);
    Fact::Job { job, fact: JobFact::Edited { changes: Arc::new(changes) } }
}

/// The hold of a job whose run is over and which would run again, if its user has held it
/// meanwhile.
pub(crate) fn at_requeue(now: Now, job: JobRef<'_>) -> Option<Hold> {
    let reason = format!("Job held by {}", job.cluster.owner());
    let hold = Hold { code: HoldCode::UserRequest, subcode: 0, reason, since: now.wall };
    job.has_one(&[HELD_BESIDES]).then(|| job.described()).filter(is_held_besides).map(|_| hold)
}

/// What holds a job that waits for something, or for nothing; `None` if it does not wait, or is
/// held because something is wrong.
pub(crate) fn of(now: Now, job: JobRef<'_>) -> Option<Holds> {
    let ad = job.described();
    let until_s = start_of(&ad).filter(|start| *start > now.wall.as_secs());
    let hold = match job.state() {
        JobState::Idle { .. } => return Some(Holds { until_s, ..Holds::default() }),
        JobState::Held(hold) => hold,
        JobState::Running(_)
        | JobState::Suspended { .. }
        | JobState::Stopping { .. }
        | JobState::Completed { .. }
        | JobState::Removed { .. } => return None,
    };
    let by_user = || Some(hold.reason.clone());
    let is = |code| hold.code == code;
    if is(HoldCode::WaitsForJobs) {
        let user = is_held_besides(&ad).then(|| SUBMITTED_ON_HOLD.to_owned());
        return Some(Holds { user, waits: said(&ad), until_s });
    }
    let waits_for_its_time = is(HoldCode::SubmittedOnHold) && until_s.is_some();
    let user = if waits_for_its_time { None } else { by_user() };
    let is_its_users = is(HoldCode::UserRequest) || is(HoldCode::SubmittedOnHold);
    is_its_users.then_some(Holds { user, waits: None, until_s })
}

impl Holds {
    /// The hold that a job has by these.
    fn hold(&self, now: Now) -> Option<Hold> {
        let (code, reason) = match self {
            Self { waits: Some(waits), .. } => (HoldCode::WaitsForJobs, hold_reason(waits)),
            Self { user: Some(reason), .. } => (HoldCode::UserRequest, reason.clone()),
            Self { until_s: Some(_), .. } => {
                (HoldCode::SubmittedOnHold, "waits for its time to start".to_owned())
            }
            Self { .. } => return None,
        };
        Some(Hold { code, subcode: 0, reason, since: now.wall })
    }

    /// What follows for a job that is held by these from now on, and was by `before`. `released` is
    /// why it is let go.
    pub(crate) fn follow(
        &self,
        now: Now,
        job: JobRef<'_>,
        before: &Self,
        released: &str,
    ) -> Vec<Fact> {
        let fact = |fact| Fact::Job { job: job.job, fact };
        let mut facts = Vec::new();
        let is_besides = self.user.is_some();
        if self.waits.is_some() && is_besides != is_held_besides(&job.described()) {
            facts.push(besides(job.job, is_besides));
        }
        let state = job.state();
        let is_same = |hold: &Hold| {
            let held = state.hold();
            held.is_some_and(|held| held.code == hold.code) && before.waits == self.waits
        };
        let hold = self.hold(now);
        if hold.as_ref().is_some_and(is_same) {
            return facts;
        }
        if state.hold().is_some() {
            let event = JobEvent::Released { reason: released.to_owned(), at: now.wall };
            facts.push(fact(JobFact::Happened(event)));
        }
        facts.extend(hold.map(|hold| fact(JobFact::Happened(JobEvent::Held(hold)))));
        facts
    }
}
