//! Policies that become true while nothing else happens: `PeriodicHold` and its kin, `TimerRemove`, and how long a run may take.
//! What is asked of one job, in which order, and what follows. Knows nothing of which jobs are asked, and when: that is `watch`.

use std::time::Duration;

use classad::{ClassAd, Value};
use model::{Hold, HoldCode, JobEvent, JobState, JobStatus, Now, StopCause, VacateCode, attr};

use super::ads;
use super::policy;
use super::rows::JobRecord;
use super::state::{Core, JobRef};
use super::words::Fact;

/// A policy that is looked at again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
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
}

impl Policy {
    /// All, in the order in which HTCondor 25.14 looks at them. The first that is true decides.
    pub(super) const ORDER: [Self; 7] = [
        Self::JobDuration,
        Self::ExecuteDuration,
        Self::Vacate,
        Self::Timer,
        Self::Hold,
        Self::Release,
        Self::Remove,
    ];

    /// The attribute that says it.
    pub(super) const fn attr(self) -> &'static str {
        match self {
            Self::JobDuration => attr::ALLOWED_JOB_DURATION,
            Self::ExecuteDuration => attr::ALLOWED_EXECUTE_DURATION,
            Self::Vacate => attr::PERIODIC_VACATE,
            Self::Timer => attr::TIMER_REMOVE,
            Self::Hold => attr::PERIODIC_HOLD,
            Self::Release => attr::PERIODIC_RELEASE,
            Self::Remove => attr::PERIODIC_REMOVE,
        }
    }

    /// Whether a job that stands like this is asked.
    pub(super) const fn concerns(self, status: JobStatus) -> bool {
        match status {
            JobStatus::Idle => matches!(self, Self::Timer | Self::Hold | Self::Remove),
            JobStatus::Running | JobStatus::Suspended => !matches!(self, Self::Release),
            JobStatus::Held => matches!(self, Self::Timer | Self::Release | Self::Remove),
            JobStatus::Completed => matches!(self, Self::Timer | Self::Remove),
            JobStatus::Removed => false,
        }
    }

    /// Whether the value of the attribute is a condition. Of the others it is a number.
    pub(super) const fn is_condition(self) -> bool {
        match self {
            Self::Vacate | Self::Hold | Self::Release | Self::Remove => true,
            Self::JobDuration | Self::ExecuteDuration | Self::Timer => false,
        }
    }

    /// Whether it is true now. What is undefined, an error or a string is not (HTCondor 25.14).
    fn is_true(self, ad: &ClassAd, record: &JobRecord, now: Now) -> bool {
        let value = || ad.eval(self.attr(), None, &ads::env(now));
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
            Self::Release if is_released_by_hand(&record.state) => false,
            Self::Vacate | Self::Hold | Self::Release | Self::Remove => value().is_true(),
        }
    }
}

impl Core {
    /// What follows for a job from the first of these policies that is true.
    pub(super) fn policy_facts(&self, now: Now, job: JobRef<'_>, asked: &[Policy]) -> Vec<Fact> {
        let record = job.record();
        let mut ad = ads::record_ad(job.cluster, &record, now, &self.config);
        if record.state.running().is_some() {
            // As HTCondor's shadow does, the run that is under way counts.
            let since = record.tally.last_start.unwrap_or(now.wall);
            let so_far = Duration::from_millis(record.tally.wall_ms) + now.wall.since(since);
            ad.set(attr::REMOTE_WALL_CLOCK_TIME, so_far.as_secs_f64().floor());
        }
        match asked.iter().find(|policy| policy.is_true(&ad, &record, now)) {
            Some(policy) => self.follows_from(now, job, *policy, &ad),
            None => Vec::new(),
        }
    }

    fn follows_from(&self, now: Now, job: JobRef<'_>, policy: Policy, ad: &ClassAd) -> Vec<Fact> {
        let text = || policy::reason(ad, policy.attr(), "TRUE", now);
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
                    policy::subcode(&ad.eval("PeriodicHoldSubCode", None, &ads::env(now)));
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
        }
    }

    fn removed_by_policy(&self, now: Now, job: JobRef<'_>, reason: String) -> Vec<Fact> {
        match job.state() {
            JobState::Idle { .. } | JobState::Held(_) | JobState::Completed { .. } => {
                let event = JobEvent::Removed { reason, at: now.wall };
                let stays = policy::stays(self, job, &event, now);
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

/// A user's own hold is only ever released by a user (HTCondor 25.14), and one for files by these alone.
fn is_released_by_hand(state: &JobState) -> bool {
    match state {
        JobState::Held(hold) => {
            [HoldCode::UserRequest, HoldCode::SpoolingInput].contains(&hold.code)
        }
        JobState::Idle { .. }
        | JobState::Running(_)
        | JobState::Suspended { .. }
        | JobState::Stopping { .. }
        | JobState::Completed { .. }
        | JobState::Removed { .. } => false,
    }
}

/// How long was allowed, as HTCondor 25.14 writes it: `00:03`, `20:00:00`, `3+00:00:00`.
fn limit(ad: &ClassAd, policy: Policy, now: Now) -> String {
    let seconds = ad.eval(policy.attr(), None, &ads::env(now)).as_i64().unwrap_or(0).max(0);
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes:02}:{seconds:02}"),
        (0, _) => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        (_, _) => format!("{days}+{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// Whether the value could ever be true: a constant often says that it cannot.
pub(super) fn may_be_true(policy: Policy, constant: &Value) -> bool {
    if policy.is_condition() { constant.is_true() } else { constant.as_i64().is_some() }
}
