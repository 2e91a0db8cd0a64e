//! A host's clocks: they start with its boot, run a little fast or slow, and show the wrong date.

use model::{Now, Timestamp};

use super::rng::Rng;

/// How far a clock may be off its rate, millionths. Leases allow for two clocks that differ by one part in fifty.
const DRIFT_PPM: u64 = 8_000;

/// The date at which the world begins.
const EPOCH_MS: i64 = 1_795_000_000_000;

#[derive(Clone, Debug)]
pub(super) struct Clock {
    booted_ms: u64,
    rate_ppm: u64,
    wall_offset_ms: i64,
}

impl Clock {
    pub(super) fn new(rng: &mut Rng, now_ms: u64) -> Self {
        let rate_ppm = 1_000_000 - DRIFT_PPM + rng.below(2 * DRIFT_PPM);
        let wall_offset_ms = i64::try_from(rng.below(20_000)).unwrap_or(0) - 10_000;
        Self { booted_ms: now_ms.saturating_sub(rng.below(100_000)), rate_ppm, wall_offset_ms }
    }

    /// Starts again at zero.
    pub(super) fn reboot(&mut self, now_ms: u64) {
        self.booted_ms = now_ms;
    }

    /// Somebody sets the date.
    pub(super) fn set_wall(&mut self, offset_ms: i64) {
        self.wall_offset_ms = offset_ms;
    }

    pub(super) fn now(&self, true_ms: u64) -> Now {
        let wall = EPOCH_MS + i64::try_from(true_ms).unwrap_or(0) + self.wall_offset_ms;
        Now { wall: Timestamp::from_millis(wall), boot_ms: self.boot_ms(true_ms) }
    }

    pub(super) fn boot_ms(&self, true_ms: u64) -> u64 {
        true_ms.saturating_sub(self.booted_ms) * self.rate_ppm / 1_000_000
    }

    /// When this clock will show at least `boot_ms`.
    pub(super) fn true_ms(&self, boot_ms: u64) -> u64 {
        // A deadline may be as far away as a number can say; the world ends before.
        let boot_ms = boot_ms.min(u64::MAX / 2_000_000);
        self.booted_ms + (boot_ms * 1_000_000).div_ceil(self.rate_ppm) + 1
    }
}
