//! Holds that pass: which ones are transient, and when the job is tried again. The default policy
//! of a job that has no `PeriodicRelease` of its own; see docs/adr/0011.

use std::time::Duration;

use model::{JobEvent, JobId, JobState, Now, Timestamp, attr};

use crate::core::records::rows::JobRecord;
use crate::core::records::tally::is_transient;
use crate::core::state::core::Core;
use crate::core::words::{Fact, JobFact};

/// How long a job stays held after its first, second, ... transient hold in a row, seconds: long
/// enough for a file server that restarts, and an hour for a disk that somebody must clear. After
/// the last it stays held.
const RETRY_S: [u64; 5] = [60, 300, 900, 1800, 3600];

/// What a job that is tried again was released for.
const REASON: &str = "tried again after a hold that may pass by itself";

impl Core {
    /// When a held job is tried again by itself.
    pub(crate) fn retry_at(&self, record: &JobRecord) -> Option<Timestamp> {
        let JobState::Held(hold) = &record.state else { return None };
        if !is_transient(hold) || self.has_own_release(record.job) {
            return None;
        }
        let nth = usize::try_from(record.tally.transient_holds.checked_sub(1)?).ok()?;
        let after = Duration::from_secs(*RETRY_S.get(nth)?);
        let after_ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        Some(Timestamp::from_millis(hold.since.as_millis().saturating_add(after_ms)))
    }

    fn has_own_release(&self, job: JobId) -> bool {
        let job = self.job(job);
        job.is_some_and(|job| {
            job.cluster.ad.get(attr::PERIODIC_RELEASE).is_some()
                || job.delta_has(attr::PERIODIC_RELEASE)
        })
    }

    /// Held jobs whose time to be tried again has come.
    pub(crate) fn retries_due(&self, now: Now) -> impl Iterator<Item = Fact> {
        let due = self.retrying.iter().take_while(move |(at, _)| *at <= now.wall);
        due.map(move |(_, job)| {
            let event = JobEvent::Released { reason: REASON.to_owned(), at: now.wall };
            Fact::Job { job: *job, fact: JobFact::Happened(event) }
        })
    }
}
