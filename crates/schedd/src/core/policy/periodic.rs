//! Policies that become true while nothing else happens: `PeriodicHold` and its kin, `TimerRemove`,
//! and how long a run may take. What is asked of one job, in which order, and what follows. Knows
//! nothing of which jobs are asked, and when: that is `watch`.

use std::time::Duration;

use classad::ClassAd;
use model::planted::{Bug, planted};
use model::{Hold, HoldCode, JobEvent, JobState, Now, StopCause, VacateCode, attr};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::job::policies::{Policy, reason, subcode};
use crate::core::job::system::SystemAct;
use crate::core::policy::{at_end, holds};
use crate::core::state::core::{Core, JobRef};
use crate::core::words::{Fact, JobFact};

impl Core {
    /// What follows for a job from the first of these policies that is true.
    pub(crate) fn policy_facts(&self, now: Now, job: JobRef<'_>, asked: &[Policy]) -> Vec<Fact> {
        let record = job.record();
        let mut ad = ads::record_ad(job.cluster, &record, &self.config);
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
        let text = || policy.attr().map_or_else(String::new, |name| reason(ad, name, "TRUE", now));
        let hold = |code, subcode, reason| Hold { code, subcode, reason, since: now.wall };
        match policy {
            Policy::JobDuration => {
                let reason =
                    format!("The job exceeded allowed job duration of {}", limit(ad, policy, now));
                held(self, now, job, hold(HoldCode::JobDurationExceeded, 0, reason))
            }
            Policy::ExecuteDuration => {
                let reason = format!(
                    "The job exceeded allowed execute duration of {}",
                    limit(ad, policy, now)
                );
                held(self, now, job, hold(HoldCode::JobExecuteExceeded, 0, reason))
            }
            Policy::Hold => {
                let subcode = subcode(&ad.eval(attr::PERIODIC_HOLD_SUB_CODE, None, &env(now)));
                held(self, now, job, hold(HoldCode::JobPolicy, subcode, text()))
            }
            Policy::Vacate => {
                let code = VacateCode::JobPolicyVacate;
                vec![stopped(now, job, StopCause::Vacate { code, subcode: 0, reason: text() })]
            }
            Policy::Release if holds::is_by_managers(job) => Vec::new(),
            Policy::Release => {
                let event = JobEvent::Released { reason: text(), at: now.wall };
                vec![Fact::Job { job: job.job, fact: JobFact::Happened(event) }]
            }
            Policy::Timer | Policy::Remove => self.removal(now, job, text()),
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
                held(self, now, job, Hold { code, subcode, reason, since: now.wall })
            }
            SystemAct::Release if holds::is_by_managers(job) => Vec::new(),
            SystemAct::Release => {
                let event = JobEvent::Released { reason, at: now.wall };
                vec![Fact::Job { job: job.job, fact: JobFact::Happened(event) }]
            }
            SystemAct::Remove => self.removal(now, job, reason),
        }
    }

    /// What follows for a job that is to be removed: nothing if it is being removed already, and
    /// its run is stopped first if it has one. Of a job that has completed it is asked anew whether
    /// it wants to stay.
    pub(crate) fn removal(&self, now: Now, job: JobRef<'_>, reason: String) -> Vec<Fact> {
        match job.state() {
            JobState::Idle { .. }
                if self.promises.has(job.job) && !planted(Bug::PromiseForgotten) =>
            {
                let stop = stopped(now, job, StopCause::Remove { reason });
                self.called_up(now, job.job).into_iter().chain([stop]).collect()
            }
            JobState::Idle { .. } | JobState::Held(_) | JobState::Completed { .. } => {
                let event = JobEvent::Removed { reason, at: now.wall };
                let stays = at_end::stays(self, job, &event, now);
                let left = (!stays).then_some(Fact::Job { job: job.job, fact: JobFact::Left });
                [Fact::Job { job: job.job, fact: JobFact::Happened(event) }]
                    .into_iter()
                    .chain(left)
                    .collect()
            }
            JobState::Running(_)
            | JobState::Suspended { .. }
            | JobState::Stopping { cause: StopCause::Hold(_) | StopCause::Vacate { .. }, .. } => {
                vec![stopped(now, job, StopCause::Remove { reason })]
            }
            JobState::Stopping { cause: StopCause::Remove { .. }, .. }
            | JobState::Removed { .. } => Vec::new(),
        }
    }
}

fn held(core: &Core, now: Now, job: JobRef<'_>, hold: Hold) -> Vec<Fact> {
    match job.state() {
        JobState::Idle { .. } if core.promises.has(job.job) => {
            let stop = stopped(now, job, StopCause::Hold(hold));
            core.called_up(now, job.job).into_iter().chain([stop]).collect()
        }
        JobState::Idle { .. } => {
            vec![Fact::Job { job: job.job, fact: JobFact::Happened(JobEvent::Held(hold)) }]
        }
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
    Fact::Job {
        job: job.job,
        fact: JobFact::Happened(JobEvent::StopRequested { cause, at: now.wall }),
    }
}

/// How long was allowed, as HTCondor 25.14 writes it: `00:03`, `20:00:00`, `3+00:00:00`.
fn limit(ad: &ClassAd, policy: Policy, now: Now) -> String {
    let seconds = policy.attr().and_then(|name| ad.eval(name, None, &env(now)).as_i64());
    let seconds = seconds.unwrap_or(0).max(0);
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes:02}:{seconds:02}"),
        (0, _) => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        (_, _) => format!("{days}+{hours:02}:{minutes:02}:{seconds:02}"),
    }
}
