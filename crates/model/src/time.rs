//! Time as an input: what a core is told about "now". Reading a clock is the shell's work.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment of the wall clock, in milliseconds since 1970-01-01 UTC. For display and for job
/// attributes only: it may jump.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// From whole seconds since the epoch.
    pub const fn from_secs(s: i64) -> Self {
        Self(s * 1000)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: what HTCondor's time attributes hold.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long after `earlier` this moment is; zero if the clock went back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.as_secs(), self.0.rem_euclid(1000))
    }
}

/// What a core is told about the present: the wall clock for the record, and a clock that never
/// jumps for every deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// The wall clock.
    pub wall: Timestamp,
    /// Milliseconds of `CLOCK_BOOTTIME`: counts suspension, never steps. Leases and timers use this
    /// and nothing else, so that a clock that is set does not end a run (anchors, fault class 5).
    pub boot_ms: u64,
}

impl Now {
    /// The steady-clock moment `after` from now, in milliseconds of `CLOCK_BOOTTIME`.
    pub fn deadline(self, after: Duration) -> u64 {
        self.boot_ms.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
    }
}
