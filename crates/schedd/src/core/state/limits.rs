//! Until when running jobs may run by what they themselves asked for. Data only.

use std::collections::{BTreeMap, BTreeSet};

use model::JobId;

/// Made from the rows, and kept on the boot clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunLimits {
    by_job: BTreeMap<JobId, u64>,
    ends: BTreeSet<(u64, JobId)>,
}

impl RunLimits {
    /// A job may run until then, or as long as it wants.
    pub(crate) fn set(&mut self, job: JobId, until_ms: Option<u64>) {
        if let Some(before) = self.by_job.remove(&job) {
            self.ends.remove(&(before, job));
        }
        if let Some(until_ms) = until_ms {
            self.by_job.insert(job, until_ms);
            self.ends.insert((until_ms, job));
        }
    }

    /// The first moment.
    pub(crate) fn first_ms(&self) -> Option<u64> {
        self.ends.first().map(|(until_ms, _)| *until_ms)
    }

    /// The jobs whose time is over by then.
    pub(crate) fn over(&self, now_ms: u64) -> impl Iterator<Item = JobId> + '_ {
        self.ends.iter().take_while(move |(until_ms, _)| *until_ms <= now_ms).map(|(_, job)| *job)
    }

    /// Those have been asked.
    pub(crate) fn asked(&mut self, now_ms: u64) {
        let over: Vec<JobId> = self.over(now_ms).collect();
        over.into_iter().for_each(|job| self.set(job, None));
    }
}
