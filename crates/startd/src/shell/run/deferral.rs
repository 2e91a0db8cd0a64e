//! Runs that wait on their machine for the time at which their jobs are to start (`DeferralTime`). Their files are there, and
//! the launcher knows nothing of them yet: to the core they are starting. Times are those of the machine's own clock.

use std::collections::BTreeMap;

use classad::{ClassAd, Env};
use launcher::wire::Start;
use model::{Now, RunEnd, StartFailure, StartStage, attr};

use crate::core::RunKey;

/// When a job may start, seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    from_s: i64,
    until_s: i64,
}

/// What is to be done with a run whose files are there.
#[derive(Debug)]
pub(crate) enum Ready {
    /// It is to be started now.
    Now(Box<Start>),
    /// It waits for its time.
    Waits,
    /// Its time has passed: how it is over.
    Missed(RunEnd),
}

/// The runs that are to start at a time.
#[derive(Debug, Default)]
pub(crate) struct Deferrals {
    times: BTreeMap<RunKey, Times>,
    waiting: BTreeMap<RunKey, Box<Start>>,
}

impl Deferrals {
    /// Takes note of when a run may start, if its job says.
    pub(crate) fn note(&mut self, key: RunKey, job: &ClassAd, now: Now) {
        if job.get(attr::DEFERRAL_TIME).is_none() {
            return;
        }
        let env = Env::at(now.wall.as_secs());
        let seconds = |name| job.eval(name, None, &env).as_i64();
        let window_s = seconds(attr::DEFERRAL_WINDOW).unwrap_or(0).max(0);
        // A time that is no number has never come, and never will.
        let from_s = seconds(attr::DEFERRAL_TIME).unwrap_or(i64::MIN);
        self.times.insert(key, Times { from_s, until_s: from_s.saturating_add(window_s) });
    }

    /// A run could be started: now, later, or not at all.
    pub(crate) fn ready(&mut self, key: RunKey, start: Box<Start>, now: Now) -> Ready {
        let now_s = now.wall.as_secs();
        match self.times.get(&key) {
            Some(times) if now_s < times.from_s => {
                self.waiting.insert(key, start);
                Ready::Waits
            }
            Some(times) if now_s > times.until_s => {
                self.times.remove(&key);
                let (stage, path) = (StartStage::Deferral, String::new());
                Ready::Missed(RunEnd::StartFailed(StartFailure::at(stage, path, 0)))
            }
            Some(_) => {
                self.times.remove(&key);
                Ready::Now(start)
            }
            None => Ready::Now(start),
        }
    }

    /// The runs whose time has come.
    pub(crate) fn due(&mut self, now: Now) -> Vec<(RunKey, Box<Start>)> {
        let now_s = now.wall.as_secs();
        let times = &self.times;
        let come = |key: &RunKey| times.get(key).is_none_or(|times| times.from_s <= now_s);
        self.waiting.extract_if(.., |key, _| come(key)).collect()
    }

    /// Milliseconds until the next time comes.
    pub(crate) fn next_ms(&self, now: Now) -> Option<u64> {
        let from = self.waiting.keys().filter_map(|key| self.times.get(key));
        let first_s = from.map(|times| times.from_s).min()?;
        let left_ms = first_s.saturating_mul(1000).saturating_sub(now.wall.as_millis());
        Some(u64::try_from(left_ms).unwrap_or(0))
    }

    /// Ends a run that waits for its time; `None` if it does not.
    pub(crate) fn stop(&mut self, key: RunKey, signal: i32) -> Option<RunEnd> {
        let start = self.waiting.remove(&key)?;
        drop(start);
        self.times.remove(&key);
        // The core knows why it was stopped.
        Some(RunEnd::killed(signal))
    }

    /// Moves the end of the leases of runs that wait.
    pub(crate) fn extend_lease(&mut self, keys: &[RunKey], until_boot_ms: u64) {
        for key in keys {
            if let Some(start) = self.waiting.get_mut(key) {
                start.lease_until_boot_ms = until_boot_ms;
            }
        }
    }

    /// The runs that wait, of which the launcher knows nothing yet.
    pub(crate) fn coming(&self) -> impl Iterator<Item = RunKey> {
        self.waiting.keys().copied()
    }

    /// Forgets a run that is over.
    pub(crate) fn forget(&mut self, key: RunKey) {
        self.times.remove(&key);
        self.waiting.remove(&key);
    }
}
