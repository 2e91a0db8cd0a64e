//! When a running job has run for as long as it asked for (`AllowedExecuteDuration`, PBS's
//! walltime): each has a moment of its own. Whose walltime is over is removed, whatever its
//! policies say, for others were given places by it (ADR 0039); the others' policies are asked, and
//! what follows is what they say. That these are asked again and again besides is `watch`'s matter.

use std::time::Duration;

use classad::{ClassAd, Value};
use model::{Exceeded, JobId, JobState, JobStatus, Now, RunLimit, attr};

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

    /// Ends the running jobs whose walltime is over, and asks those whose time is over by a policy.
    pub(crate) fn run_limits_over(&self, now: Now) -> Vec<Fact> {
        if self.run_limits.first_ms().is_none_or(|first| now.boot_ms < first) {
            return Vec::new();
        }
        let over = self.run_limits.over(now.boot_ms).filter_map(|id| self.job(id));
        let follows = over.flat_map(|job| match (walltime_over(now, job), &job.cluster.watch) {
            (Some(exceeded), _) => self.removal(now, job, exceeded.reason()),
            (None, Some(watch)) => self.policy_facts(now, job, watch.asked(JobStatus::Running)),
            (None, None) => Vec::new(),
        });
        [Fact::Round(RoundFact::RunLimitsAsked)].into_iter().chain(follows).collect()
    }
}

/// The walltime of a running job whose time is over, if it is that which is over: the clock of the
/// machine has said so, and the wall clock, which may have been set meanwhile, only says what is
/// told. A program that has ended in time is not late, whatever is done after it (OpenPBS 23.06).
fn walltime_over(now: Now, job: JobRef<'_>) -> Option<Exceeded> {
    if job.record().tally.last_usage.ended.is_some() {
        return None;
    }
    let ad = job.described();
    let most = seconds(&ad, attr::PBS_WALLTIME)?;
    let is_first = seconds(&ad, attr::ALLOWED_EXECUTE_DURATION).is_none_or(|other| most <= other);
    let used = now.wall.since(job.record().tally.last_executing?).as_secs().max(most);
    is_first.then_some(Exceeded { limit: RunLimit::Walltime, used, most })
}

fn seconds(ad: &ClassAd, name: &str) -> Option<u64> {
    u64::try_from(ad.literal(name).and_then(Value::as_i64)?).ok()
}

fn run_limit_ms(at: Now, job: JobRef<'_>) -> Option<u64> {
    let JobState::Running(_) = job.state() else { return None };
    if !job.has_one(&LIMITS) {
        return None;
    }
    let since = job.record().tally.last_executing?;
    let ad = job.described();
    let limit = LIMITS.iter().filter_map(|name| seconds(&ad, name)).min()?;
    let limit = Duration::from_secs(limit) + SLACK;
    Some(at.deadline(limit.saturating_sub(at.wall.since(since))))
}
