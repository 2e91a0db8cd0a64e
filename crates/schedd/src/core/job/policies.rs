//! The policies that a job can have, its own and the administrator's: what each asks, of whom, and
//! whether it is true. What follows from one is `policy::periodic`'s matter.

use classad::{ClassAd, Expr, Value};
use model::{HoldCode, JobState, JobStatus, Now, Timestamp, attr};

use crate::core::job::description::env;
use crate::core::job::system::{SystemAct, SystemPolicy};
use crate::core::records::rows::JobRecord;

/// A policy that is looked at again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// `AllowedJobDuration`: seconds since the run was authorised.
    JobDuration,
    /// `AllowedExecuteDuration`: seconds since its program was executed.
    ExecuteDuration,
    /// `PeriodicVacate`.
    Vacate,
    /// `TimerRemove`: the second after which the job is removed.
    Timer,
    /// `PeriodicHold`.
    Hold,
    /// `PeriodicRelease`.
    Release,
    /// `PeriodicRemove`.
    Remove,
    /// One of the administrator's, by its place among them.
    System(usize, SystemAct),
}

impl Policy {
    /// Those that a job may have, in the order in which HTCondor 25.14 looks at them, each with
    /// what the administrator's like it do. The first that is true decides.
    const ORDER: [(Self, Option<SystemAct>); 7] = [
        (Self::JobDuration, None),
        (Self::ExecuteDuration, None),
        (Self::Vacate, Some(SystemAct::Vacate)),
        (Self::Timer, None),
        (Self::Hold, Some(SystemAct::Hold)),
        (Self::Release, Some(SystemAct::Release)),
        (Self::Remove, Some(SystemAct::Remove)),
    ];

    /// All in that order, the administrator's each behind the job's own.
    pub(crate) fn in_order(system: &[SystemPolicy]) -> Vec<Self> {
        let mut all = Vec::new();
        for (own, act) in Self::ORDER {
            all.push(own);
            let like = system.iter().enumerate().filter(|(_, policy)| Some(policy.act) == act);
            all.extend(like.map(|(nth, policy)| Self::System(nth, policy.act)));
        }
        all
    }

    /// The attribute that says it; none if the administrator does.
    pub(crate) const fn attr(self) -> Option<&'static str> {
        match self {
            Self::JobDuration => Some(attr::ALLOWED_JOB_DURATION),
            Self::ExecuteDuration => Some(attr::ALLOWED_EXECUTE_DURATION),
            Self::Vacate => Some(attr::PERIODIC_VACATE),
            Self::Timer => Some(attr::TIMER_REMOVE),
            Self::Hold => Some(attr::PERIODIC_HOLD),
            Self::Release => Some(attr::PERIODIC_RELEASE),
            Self::Remove => Some(attr::PERIODIC_REMOVE),
            Self::System(..) => None,
        }
    }

    /// What says it, of a job with this ad.
    pub(crate) fn expr<'a>(self, ad: &'a ClassAd, system: &'a [SystemPolicy]) -> Option<&'a Expr> {
        if let Self::System(nth, _) = self {
            return system.get(nth).map(|policy| &policy.when);
        }
        ad.get(self.attr()?)
    }

    /// The job's own that does the same.
    const fn own(self) -> Self {
        let Self::System(_, act) = self else { return self };
        match act {
            SystemAct::Vacate => Self::Vacate,
            SystemAct::Hold => Self::Hold,
            SystemAct::Release => Self::Release,
            SystemAct::Remove => Self::Remove,
        }
    }

    /// Whether a job that stands like this is asked.
    pub(crate) const fn concerns(self, status: JobStatus) -> bool {
        let own = self.own();
        match status {
            JobStatus::Idle => matches!(own, Self::Timer | Self::Hold | Self::Remove),
            JobStatus::Running | JobStatus::Suspended => !matches!(own, Self::Release),
            JobStatus::Held => matches!(own, Self::Timer | Self::Release | Self::Remove),
            JobStatus::Completed => matches!(own, Self::Timer | Self::Remove),
            JobStatus::Removed => false,
        }
    }

    /// Whether the value of the attribute is a condition. Of the others it is a number.
    pub(crate) const fn is_condition(self) -> bool {
        match self {
            Self::Vacate | Self::Hold | Self::Release | Self::Remove | Self::System(..) => true,
            Self::JobDuration | Self::ExecuteDuration | Self::Timer => false,
        }
    }

    /// Whether it is true now. What is undefined, an error or a string is not (HTCondor 25.14).
    pub(crate) fn is_true(
        self,
        ad: &ClassAd,
        record: &JobRecord,
        now: Now,
        system: &[SystemPolicy],
    ) -> bool {
        let expr = self.expr(ad, system);
        let value = || expr.map_or(Value::Undefined, |expr| ad.eval_expr(expr, None, &env(now)));
        let age_s = |since: Option<Timestamp>| {
            since.map(|since| now.wall.as_secs() - since.as_secs()).zip(value().as_i64())
        };
        let tally = &record.tally;
        match self {
            Self::JobDuration => age_s(tally.last_start).is_some_and(|(age, limit)| age >= limit),
            Self::ExecuteDuration => {
                age_s(tally.last_executing).is_some_and(|(age, limit)| age > limit)
            }
            Self::Timer => value().as_i64().is_some_and(|at| at >= 0 && at < now.wall.as_secs()),
            Self::Release | Self::System(_, SystemAct::Release)
                if is_released_by_hand(&record.state) =>
            {
                false
            }
            Self::Vacate | Self::Hold | Self::Release | Self::Remove | Self::System(..) => {
                value().is_true()
            }
        }
    }
}

/// A user's own hold is only ever released by a user (HTCondor 25.14), one for files by these
/// alone, and one for other jobs by them.
fn is_released_by_hand(state: &JobState) -> bool {
    let by_hand = [HoldCode::UserRequest, HoldCode::SpoolingInput, HoldCode::WaitsForJobs];
    state.hold().is_some_and(|hold| by_hand.contains(&hold.code))
}

/// Whether the value could ever be true: a constant often says that it cannot.
pub(crate) fn may_be_true(policy: Policy, constant: &Value) -> bool {
    if policy.is_condition() { constant.is_true() } else { constant.as_i64().is_some() }
}

/// The number that goes with a hold: 0 if the job says none.
pub(crate) fn subcode(value: &Value) -> i32 {
    value.as_i64().and_then(|n| i32::try_from(n).ok()).unwrap_or(0)
}

/// Why a policy does something: the job's own words (`PeriodicHoldReason` for `PeriodicHold`), or
/// else HTCondor 25.14's.
pub(crate) fn reason(ad: &ClassAd, policy: &str, truth: &str, now: Now) -> String {
    let said = ad.eval(&format!("{policy}Reason"), None, &env(now));
    let text = || ad.get(policy).map(ToString::to_string).unwrap_or_default();
    said.as_str().map_or_else(
        || format!("The job attribute {policy} expression '{}' evaluated to {truth}", text()),
        str::to_owned,
    )
}
