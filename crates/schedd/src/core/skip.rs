//! Jobs that are not to run at all (`noop_job`): they count as ended as soon as they would wait for a match. DAGs and tests of
//! workflows are made of them.

use model::{JobEvent, JobId, Now, RunEnd};

use super::ads;
use super::classes::Class;
use super::policy;
use super::state::Core;
use super::words::Fact;

/// The attribute that says so; the classes of jobs differ by it.
pub(super) const IS_NOOP: &str = "IsNoopJob";

/// Jobs that end in one batch: as many as start in one.
const SKIPS_PER_TICK: usize = 5_000;

impl Core {
    /// The ends of idle jobs that are not to run.
    pub(super) fn skips(&self, now: Now) -> Vec<Fact> {
        let classes = self.classes.changed.iter().filter_map(|id| self.classes.by_id.get(id));
        let jobs = classes.filter(|class| self.is_skipped(class, now));
        let jobs = jobs.flat_map(|class| class.idle.iter()).take(SKIPS_PER_TICK);
        jobs.flat_map(|job| self.skip(job, now)).collect()
    }

    /// Jobs of one class all say so, or none does.
    fn is_skipped(&self, class: &Class, now: Now) -> bool {
        let first = class.idle.first().and_then(|(_, job)| self.job(job));
        first.is_some_and(|job| {
            job.has(IS_NOOP)
                && ads::matching_ad(job, now, self).eval(IS_NOOP, None, &ads::env(now)).is_true()
        })
    }

    fn skip(&self, id: JobId, now: Now) -> Vec<Fact> {
        let Some(job) = self.job(id) else { return Vec::new() };
        let (ad, env) = (ads::matching_ad(job, now, self), ads::env(now));
        let number = |name| {
            let value = ad.eval(name, None, &env).as_i64();
            value.and_then(|n| i32::try_from(n).ok())
        };
        // HTCondor 25.14: exit code 0, unless the user says otherwise.
        let end = match number("NoopJobExitSignal").filter(|signal| *signal > 0) {
            Some(signal) => RunEnd::Signaled { signal, core: false },
            None => RunEnd::Exited { code: number("NoopJobExitCode").unwrap_or(0) },
        };
        let event = JobEvent::Skipped { end, at: now.wall };
        let stays = policy::stays(self, job, &event, now);
        let left = (!stays).then_some(Fact::JobLeft { job: id });
        [Fact::Job { job: id, event }].into_iter().chain(left).collect()
    }
}
