//! Runs that use more than their job has asked for as a limit (PBS's `cput`, `mem`, `vmem`,
//! `pmem`): the job is removed, with the reason. How long a run may take is `time::limits`.

use model::{Exceeded, JobState, Now, RunId, RunLimit, Usage};

use crate::core::state::core::Core;
use crate::core::words::Fact;

/// What says how much a run may use.
const LIMITS: [&str; 4] =
    [RunLimit::Cput.attr(), RunLimit::Mem.attr(), RunLimit::Vmem.attr(), RunLimit::Pmem.attr()];

impl Core {
    /// What follows if a run has used more than it may.
    pub(crate) fn over_limits(&self, now: Now, run: RunId, usage: Usage) -> Vec<Fact> {
        let Some(job) = self.job(run.job).filter(|job| job.has_one(&LIMITS)) else {
            return Vec::new();
        };
        let runs = matches!(job.state(), JobState::Running(_) | JobState::Suspended { .. });
        match Exceeded::by(&usage, &job.described()).filter(|_| runs) {
            Some(exceeded) => self.removal(now, job, exceeded.reason()),
            None => Vec::new(),
        }
    }
}
