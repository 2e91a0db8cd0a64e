//! What an administrator may set about matching, and the limits that nobody may.

use std::time::Duration;

use model::{UserName, is_nice};

use crate::core::shares::limits::Limits;

/// How long a match may stay unanswered before its part of the machine is offered again. Claiming
/// takes two messages; ten seconds forgive a slow network and delay the next job on that part by no
/// more.
pub(crate) const MATCH_EXPIRY: Duration = Duration::from_secs(10);

/// How long a class leaves a machine alone of which it declined a match. Whatever the machine's
/// reason to refuse was, asking again at once would have the two talk of nothing else; an ad of the
/// machine ends it early.
const DECLINE_PAUSE: Duration = Duration::from_secs(1);

/// How long it does at most of a machine that refuses again and again: its administrator may have
/// made the user, and waits for the job to run.
const DECLINE_PAUSE_MOST: Duration = Duration::from_secs(60);

/// A machine that refuses so long after it was asked again has not refused again and again.
pub(crate) const REFUSES_AGAIN_WITHIN: Duration = Duration::from_secs(5);

/// How long a class leaves a machine alone that has refused so many times in a row: each time twice
/// as long as the time before.
pub(crate) fn decline_pause(times: u32) -> Duration {
    let doubled = 1_u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    DECLINE_PAUSE.saturating_mul(doubled).min(DECLINE_PAUSE_MOST)
}

/// How often accounts are saved while they change. What a crash loses is a minute of a half-life of
/// a day.
pub(crate) const SAVE_ACCOUNTS_EVERY: Duration = Duration::from_secs(60);

/// How often classes whose expressions ask for the time are looked at again. HTCondor looks once
/// per cycle of 60 s.
pub(crate) const RECONSIDER_EVERY: Duration = Duration::from_secs(20);

/// When reasons that are out of date are looked at again, if nothing else makes a pass: bounds what
/// that costs.
pub(crate) const REFRESH_REASONS_EVERY: Duration = Duration::from_secs(1);

/// Machines of one pool. Row numbers and bit sets are sized by it; three times the largest HTCondor
/// pool known.
pub(crate) const MAX_MACHINES: usize = 1_000_000;

/// How sharing between users works.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// In what time past usage counts half (HTCondor 25.14: `PRIORITY_HALFLIFE`, 86400 s).
    pub half_life: Duration,
    /// What a user's real priority is multiplied with (HTCondor 25.14: `DEFAULT_PRIO_FACTOR`,
    /// 1000).
    pub prio_factor: f64,
    /// The same of a submitter who lets everybody else go first (HTCondor 25.14:
    /// `NICE_USER_PRIO_FACTOR`, 1e10).
    pub nice_prio_factor: f64,
    /// How much there is of each concurrency limit.
    pub limits: Limits,
    /// How many machines may be looked at in one pass to bring old reasons up to date. The default
    /// takes some 20 ms. In a pool in which that is not enough, `q` may name for some seconds a
    /// number of machines that has changed since.
    pub looks_per_pass: usize,
}

impl Policy {
    /// What a submitter's real priority is multiplied with, unless an administrator gave the
    /// submitter a factor.
    pub(crate) fn factor_of(&self, submitter: &UserName) -> f64 {
        if is_nice(submitter) { self.nice_prio_factor } else { self.prio_factor }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            half_life: Duration::from_secs(86_400),
            prio_factor: 1000.0,
            nice_prio_factor: 1e10,
            limits: Limits::default(),
            looks_per_pass: 5_000_000,
        }
    }
}
