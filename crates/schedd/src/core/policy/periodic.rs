//! Policies that become true while nothing else happens: `PeriodicHold` and its kin, `TimerRemove`,
//! and how long a run may take. What is asked of one job, in which order, and what follows. Knows
//! nothing of which jobs are asked, and when: that is `watch`.

use std::time::Duration;

use classad::{ClassAd, Expr, Value};
use model::{Hold, HoldCode, JobEvent, JobState, JobStatus, Now, StopCause, VacateCode, attr};

use crate::core::ads;
use crate::core::policy::at_end;
use crate::core::policy::system::{SystemAct, SystemPolicy};
use crate::core::state::core::{Core, JobRef};
use crate::core::state::rows::JobRecord;
use crate::core::words::Fact;

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
    fn is_true(self, ad: &ClassAd, record: &JobRecord, now: Now, system: &[SystemPolicy]) -> bool {
        let expr = self.expr(ad, system);
        let value =
            || expr.map_or(Value::Undefined, |expr| ad.eval_expr(expr, None, &ads::env(now)));
        let age_s = |since: Option<model::Timestamp>| {
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

impl Core {
    /// What follows for a job from the first of these policies that is true.
    pub(crate) fn policy_facts(&self, now: Now, job: JobRef<'_>, asked: &[Policy]) -> Vec<Fact> {
        let record = job.record();
        let mut ad = ads::record_ad(job.cluster, &record, now, &self.config);
        if record.state.running().is_some() {
            // As HTCondor's shadow does, the run that is under way counts.
            let since = record.tally.last_start.unwrap_or(now.wall);
            let so_far = Duration::from_millis(record.tally.wall_ms) + now.wall.since(since);
            ad.set(attr::REMOTE_WALL_CLOCK_TIME, so_far.as_secs_f64().floor());
        }
        let system = &self.config.system;
        match asked.iter().find(|policy| policy.is_true(&ad, &record, now, system)) {
            Some(policy) => self.follows_from(now, job, *policy, &ad),
            None => Vec::new(),
        }
    }

    fn follows_from(&self, now: Now, job: JobRef<'_>, policy: Policy, ad: &ClassAd) -> Vec<Fact> {
        let text =
            || policy.attr().map_or_else(String::new, |name| at_end::reason(ad, name, "TRUE", now));
        let hold = |code, subcode, reason| Hold { code, subcode, reason, since: now.wall };
        match policy {
            Policy::JobDuration => {
                let reason =
                    format!("The job exceeded allowed job duration of {}", limit(ad, policy, now));
                held(now, job, hold(HoldCode::JobDurationExceeded, 0, reason))
            }
            Policy::ExecuteDuration => {
                let reason = format!(
                    "The job exceeded allowed execute duration of {}",
                    limit(ad, policy, now)
                );
                held(now, job, hold(HoldCode::JobExecuteExceeded, 0, reason))
            }
            Policy::Hold => {
                let subcode =
                    at_end::subcode(&ad.eval(attr::PERIODIC_HOLD_SUB_CODE, None, &ads::env(now)));
                held(now, job, hold(HoldCode::JobPolicy, subcode, text()))
            }
            Policy::Vacate => {
                let code = VacateCode::JobPolicyVacate;
                vec![stopped(now, job, StopCause::Vacate { code, subcode: 0, reason: text() })]
            }
            Policy::Release => {
                let event = JobEvent::Released { reason: text(), at: now.wall };
                vec![Fact::Job { job: job.job, event }]
            }
            Policy::Timer | Policy::Remove => self.removed_by_policy(now, job, text()),
            Policy::System(nth, act) => self.follows_from_system(now, job, nth, act, ad),
        }
    }

    fn follows_from_system(
        &self,
        now: Now,
        job: JobRef<'_>,
        nth: usize,
        act: SystemAct,
        ad: &ClassAd,
    ) -> Vec<Fact> {
        let policy = &self.config.system[nth];
        let (reason, subcode) = (policy.reason(ad, now), policy.subcode(ad, now));
        match act {
            SystemAct::Vacate => {
                let code = VacateCode::SystemPolicyVacate;
                vec![stopped(now, job, StopCause::Vacate { code, subcode, reason })]
            }
            SystemAct::Hold => {
                let code = HoldCode::SystemPolicy;
                held(now, job, Hold { code, subcode, reason, since: now.wall })
            }
            SystemAct::Release => {
                let event = JobEvent::Released { reason, at: now.wall };
                vec![Fact::Job { job: job.job, event }]
            }
            SystemAct::Remove => self.removed_by_policy(now, job, reason),
        }
    }

    pub(crate) fn removed_by_policy(&self, now: Now, job: JobRef<'_>, reason: String) -> Vec<Fact> {
        match job.state() {
            JobState::Idle { .. } | JobState::Held(_) | JobState::Completed { .. } => {
                let event = JobEvent::Removed { reason, at: now.wall };
                let stays = at_end::stays(self, job, &event, now);
                let left = (!stays).then_some(Fact::JobLeft { job: job.job });
                [Fact::Job { job: job.job, event }].into_iter().chain(left).collect()
            }
            JobState::Running(_) | JobState::Suspended { .. } => {
                vec![stopped(now, job, StopCause::Remove { reason })]
            }
            JobState::Stopping { .. } | JobState::Removed { .. } => Vec::new(),
        }
    }
}

fn held(now: Now, job: JobRef<'_>, hold: Hold) -> Vec<Fact> {
    match job.state() {
        JobState::Idle { .. } => vec![Fact::Job { job: job.job, event: JobEvent::Held(hold) }],
        JobState::Running(_) | JobState::Suspended { .. } => {
            vec![stopped(now, job, StopCause::Hold(hold))]
        }
        JobState::Stopping { .. }
        | JobState::Held(_)
        | JobState::Completed { .. }
        | JobState::Removed { .. } => Vec::new(),
    }
}

fn stopped(now: Now, job: JobRef<'_>, cause: StopCause) -> Fact {
    Fact::Job { job: job.job, event: JobEvent::StopRequested { cause, at: now.wall } }
}

/// A user's own hold is only ever released by a user (HTCondor 25.14), one for files by these
/// alone, and one for other jobs by them.
fn is_released_by_hand(state: &JobState) -> bool {
    let by_hand = [HoldCode::UserRequest, HoldCode::SpoolingInput, HoldCode::WaitsForJobs];
    state.hold().is_some_and(|hold| by_hand.contains(&hold.code))
}

/// How long was allowed, as HTCondor 25.14 writes it: `00:03`, `20:00:00`, `3+00:00:00`.
fn limit(ad: &ClassAd, policy: Policy, now: Now) -> String {
    let seconds = policy.attr().and_then(|name| ad.eval(name, None, &ads::env(now)).as_i64());
    let seconds = seconds.unwrap_or(0).max(0);
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes:02}:{seconds:02}"),
        (0, _) => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        (_, _) => format!("{days}+{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// Whether the value could ever be true: a constant often says that it cannot.
pub(crate) fn may_be_true(policy: Policy, constant: &Value) -> bool {
    if policy.is_condition() { constant.is_true() } else { constant.as_i64().is_some() }
}
