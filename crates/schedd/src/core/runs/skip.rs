//! Jobs that are not to run at all (`noop_job`): they count as ended as soon as they would wait for
//! a match. DAGs and tests of workflows are made of them.

use model::{JobEvent, JobId, Now, RunEnd, attr};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::policy::at_end;
use crate::core::state::core::Core;
use crate::core::words::{Fact, JobFact};

/// The attribute that says so; the classes of jobs differ by it.
pub(crate) const IS_NOOP: &str = attr::IS_NOOP_JOB;

/// Jobs that end in one batch: as many as start in one.
const SKIPS_PER_TICK: usize = 5_000;

impl Core {
    /// The ends of idle jobs that are not to run.
    pub(crate) fn skips(&self, now: Now) -> Vec<Fact> {
        let classes = self.classes.changed.iter().filter_map(|id| self.classes.by_id.get(id));
        let jobs = classes.filter(|class| class.may_skip).flat_map(|class| class.idle.iter());
        jobs.take(SKIPS_PER_TICK).flat_map(|job| self.skip(job, now)).collect()
    }

    fn skip(&self, id: JobId, now: Now) -> Vec<Fact> {
        let Some(job) = self.job(id) else { return Vec::new() };
        let (ad, env) = (ads::matching_ad(job, self), env(now));
        if !ad.eval(IS_NOOP, None, &env).is_true() {
            return Vec::new();
        }
        let number = |name| {
            let value = ad.eval(name, None, &env).as_i64();
            value.and_then(|n| i32::try_from(n).ok())
        };
        // HTCondor 25.14: exit code 0, unless the user says otherwise.
        let end = match number(attr::NOOP_JOB_EXIT_SIGNAL).filter(|signal| *signal > 0) {
            Some(signal) => RunEnd::killed(signal),
            None => RunEnd::exited(number(attr::NOOP_JOB_EXIT_CODE).unwrap_or(0)),
        };
        let event = JobEvent::Skipped { end, at: now.wall };
        let stays = at_end::stays(self, job, &event, now);
        let left = (!stays).then_some(Fact::Job { job: id, fact: JobFact::Left });
        [Fact::Job { job: id, fact: JobFact::Happened(event) }].into_iter().chain(left).collect()
    }
}
