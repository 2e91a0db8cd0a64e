//! What holds a job of PBS's: its user, the pool's managers, the jobs that it waits for, and its
//! time to start. OpenPBS keeps these apart; here a job has one hold at a time, and what else holds
//! it is in its ad: what it waits for, `PbsExecutionTime`, `PbsHeldByManagers`, and `HeldBesides`:
//! while it waits for others, or while it runs, which the hold does not end (OpenPBS 23.06): it
//! bites when the job would run again.
//!
//! Knows nothing of holds for what went wrong: those are the schedd's own, and a release ends them.

use std::sync::Arc;

use classad::{ClassAd, Value};
use model::depend::{HELD_BESIDES, HELD_BY_MANAGERS, Waits};
use model::{Hold, HoldCode, JobEvent, JobId, JobState, Now, attr};

use crate::core::state::core::JobRef;
use crate::core::state::dependencies::{hold_reason, said};
use crate::core::words::{Actor, Fact, JobFact};

/// How a hold of the pool's managers is told from one of its user's, which has the same code.
pub(crate) const BY_MANAGERS: i32 = 1;

/// Who holds a job beside its user: `o` operators, `s` managers; `p` managers too, or in OpenPBS
/// the server, where a password is bad.
pub(crate) const MANAGERS: [char; 3] = ['o', 's', 'p'];

/// HTCondor 25.14's words for `hold = true`.
pub(crate) const SUBMITTED_ON_HOLD: &str = "submitted on hold at user's request";

/// What holds a job, or is to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holds {
    /// Why its user holds it.
    pub(crate) user: Option<String>,
    /// Of [`MANAGERS`], each once, in this order.
    pub(crate) managers: String,
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
    edited(job, HELD_BESIDES, is_held.into())
}

fn edited(job: JobId, name: &str, value: Value) -> Fact {
    let mut changes = ClassAd::new();
    changes.set(name, value);
    Fact::Job { job, fact: JobFact::Edited { changes: Arc::new(changes) } }
}

/// Of the pool's managers, who hold a job.
pub(crate) fn managers_of(ad: &ClassAd) -> String {
    let said = ad.literal(HELD_BY_MANAGERS).and_then(Value::as_str).unwrap_or_default();
    MANAGERS.into_iter().filter(|kind| said.contains(*kind)).collect()
}

/// Whether the pool's managers hold a job.
pub(crate) fn is_by_managers(job: JobRef<'_>) -> bool {
    job.has_one(&[HELD_BY_MANAGERS]) && !managers_of(&job.described()).is_empty()
}

/// What follows if holds of these kinds are set, or ended; nothing can be said of a job that is
/// held because something is wrong, or is over. One that `runs`, or is the next to run, is held
/// when it would run again.
pub(crate) fn changed(
    now: Now,
    (job, runs): (JobRef<'_>, bool),
    by: &Actor,
    (kinds, is_set): (&str, bool),
) -> Option<Vec<Fact>> {
    let with = |before: &str| -> String {
        let has = |kind: &char| match kinds.contains(*kind) {
            true => is_set,
            false => before.contains(*kind),
        };
        MANAGERS.into_iter().filter(has).collect()
    };
    let reason = || format!("Job held by {}", by.user);
    if runs || matches!(job.state(), JobState::Running(_) | JobState::Suspended { .. }) {
        let before = managers_of(&job.described());
        let after = with(&before);
        let managers = (before != after).then(|| set_managers(job.job, &after));
        let user = kinds.contains('u').then(|| besides(job.job, is_set));
        return Some(managers.into_iter().chain(user).collect());
    }
    let before = of(now, job)?;
    let mut after = Holds { managers: with(&before.managers), ..before.clone() };
    if kinds.contains('u') {
        after.user = is_set.then(|| before.user.clone().unwrap_or_else(reason));
    }
    Some(after.follow(now, job, &before, &format!("Job released by {}", by.user)))
}

fn set_managers(job: JobId, kinds: &str) -> Fact {
    edited(job, HELD_BY_MANAGERS, kinds.into())
}

/// The hold of a job whose run is over and which would run again, if somebody has held it
/// meanwhile; and what becomes of what was noted for that.
pub(crate) fn at_requeue(now: Now, job: JobRef<'_>) -> Option<(Hold, Option<Fact>)> {
    if is_by_managers(job) {
        let managers = managers_of(&job.described());
        return Holds { managers, ..Holds::default() }.hold(now).map(|hold| (hold, None));
    }
    let reason = format!("Job held by {}", job.cluster.owner());
    let hold = Hold { code: HoldCode::UserRequest, subcode: 0, reason, since: now.wall };
    let is_held = job.has_one(&[HELD_BESIDES]) && is_held_besides(&job.described());
    is_held.then(|| (hold, Some(besides(job.job, false))))
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
    let managers = managers_of(&ad);
    let besides = |reason: &str| is_held_besides(&ad).then(|| reason.to_owned());
    if is(HoldCode::WaitsForJobs) {
        return Some(Holds {
            user: besides(SUBMITTED_ON_HOLD),
            managers,
            waits: said(&ad),
            until_s,
        });
    }
    if is(HoldCode::UserRequest) && hold.subcode == BY_MANAGERS && !managers.is_empty() {
        let user = besides(&format!("Job held by {}", job.cluster.owner()));
        return Some(Holds { user, managers, waits: None, until_s });
    }
    let waits_for_its_time = is(HoldCode::SubmittedOnHold) && until_s.is_some();
    let user = if waits_for_its_time { None } else { by_user() };
    let is_its_users = is(HoldCode::UserRequest) || is(HoldCode::SubmittedOnHold);
    is_its_users.then_some(Holds { user, managers, waits: None, until_s })
}

impl Holds {
    /// The hold that a job has by these.
    fn hold(&self, now: Now) -> Option<Hold> {
        let subcode =
            if self.waits.is_none() && !self.managers.is_empty() { BY_MANAGERS } else { 0 };
        let (code, reason) = match self {
            Self { waits: Some(waits), .. } => (HoldCode::WaitsForJobs, hold_reason(waits)),
            Self { managers, .. } if managers.contains(['s', 'p']) => {
                (HoldCode::UserRequest, "Job held by the pool's managers".to_owned())
            }
            Self { managers, .. } if !managers.is_empty() => {
                (HoldCode::UserRequest, "Job held by the pool's operators".to_owned())
            }
            // As it was submitted: it says nothing else while nobody holds it anew.
            Self { user: Some(reason), until_s: None, .. } if reason == SUBMITTED_ON_HOLD => {
                (HoldCode::SubmittedOnHold, reason.clone())
            }
            Self { user: Some(reason), .. } => (HoldCode::UserRequest, reason.clone()),
            Self { until_s: Some(_), .. } => {
                (HoldCode::SubmittedOnHold, "waits for its time to start".to_owned())
            }
            Self { .. } => return None,
        };
        Some(Hold { code, subcode, reason, since: now.wall })
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
        // Where its user's is the one hold that it has, nothing of it is noted beside that.
        let is_besides = self.user.is_some() && (self.waits.is_some() || !self.managers.is_empty());
        if is_besides != is_held_besides(&job.described()) {
            facts.push(besides(job.job, is_besides));
        }
        if self.managers != before.managers {
            facts.push(set_managers(job.job, &self.managers));
        }
        let state = job.state();
        let is_same = |hold: &Hold| {
            let held = state.hold();
            let is_alike = |held: &Hold| (held.code, held.subcode) == (hold.code, hold.subcode);
            held.is_some_and(is_alike) && before.waits == self.waits
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
