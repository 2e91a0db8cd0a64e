//! When a running job has run for as long as it asked for (`AllowedExecuteDuration`, PBS's
//! walltime): each has a moment of its own, at which its policies are asked. What follows is what
//! they say; that they are asked again and again besides is `watch`'s matter.

use std::time::Duration;

use classad::Value;
use model::{JobId, JobState, JobStatus, Now, attr};

use crate::core::state::core::{Core, JobRef};
use crate::core::words::{Fact, RoundFact};

/// What says for how many seconds a program may be executed.
const LIMITS: [&str; 2] = [attr::PBS_WALLTIME, attr::ALLOWED_EXECUTE_DURATION];

/// Policies count in whole seconds by a wall clock, which may be slowed down a little meanwhile.
const SLACK: Duration = Duration::from_millis(10);

impl Core {
    /// A job's state or what it asked for has changed: until when it may run.
    pub(in crate::core) fn note_run_limit(&mut self, at: Now, id: JobId) {
        let until_ms = self.job(id).and_then(|job| run_limit_ms(at, job));
        self.run_limits.set(id, until_ms);
    }

    /// Asks the running jobs whose time is over.
    pub(crate) fn run_limits_over(&self, now: Now) -> Vec<Fact> {
        if self.run_limits.first_ms().is_none_or(|first| now.boot_ms < first) {
            return Vec::new();
        }
        let over = self.run_limits.over(now.boot_ms).filter_map(|id| self.job(id));
        let asked = over.filter_map(|job| Some((job, job.cluster.watch.as_ref()?)));
        let follows = asked
            .flat_map(|(job, watch)| self.policy_facts(now, job, watch.asked(JobStatus::Running)));
        [Fact::Round(RoundFact::RunLimitsAsked)].into_iter().chain(follows).collect()
    }
}

fn run_limit_ms(at: Now, job: JobRef<'_>) -> Option<u64> {
    let JobState::Running(_) = job.state() else { return None };
    if !job.has_one(&LIMITS) {
        return None;
    }
    let since = job.record().tally.last_executing?;
    let ad = job.described();
    let seconds = |name: &&str| ad.literal(name).and_then(Value::as_i64);
    let limit = LIMITS.iter().filter_map(seconds).min()?;
    let limit = Duration::from_secs(u64::try_from(limit).ok()?) + SLACK;
    Some(at.deadline(limit.saturating_sub(at.wall.since(since))))
}
