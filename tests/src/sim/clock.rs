//! The clocks of a simulated host, as a function of the world's own time: each runs a little fast
//! or slow, starts again at a boot, and its wall clock may be set. Knows nothing of what happens on
//! the host.

use model::{Now, Timestamp};

/// A moment of the world, in microseconds since it began. No daemon ever sees one.
pub(crate) type Micros = u64;

/// One second of the world.
pub(crate) const SECOND: Micros = 1_000_000;

/// One millisecond of the world.
pub(crate) const MILLISECOND: Micros = 1000;

/// How much a host's clock may run fast or slow, parts in a million.
/// `proto::claiming::lease_margin` allows for two clocks that differ by one part in fifty, and for
/// the kill, of which the world's launchers leave a part.
pub(crate) const MAX_DRIFT_PPM: i64 = 9000;

/// Where the hosts' boot clocks stand when the world begins.
const UPTIME_MS: u64 = 100_000;

/// Where a boot clock stands when the first daemon starts after a boot.
const BOOT_MS: u64 = 4000;

/// 2026-01-01 in milliseconds since the epoch: where the wall clocks stand when the world begins.
const WALL_MS: i64 = 1_767_225_600_000;

/// A host's boot clock and wall clock.
#[derive(Clone, Debug)]
pub(crate) struct HostClock {
    booted: Micros,
    uptime_ms: u64,
    drift_ppm: i64,
    wall_offset_ms: i64,
    /// The most by which its wall clock has been wrong.
    most_wrong_ms: u64,
}

impl HostClock {
    pub(crate) fn new(drift_ppm: i64) -> Self {
        Self { booted: 0, uptime_ms: UPTIME_MS, drift_ppm, wall_offset_ms: 0, most_wrong_ms: 0 }
    }

    /// What the host's daemons are told at that moment.
    pub(crate) fn now(&self, at: Micros) -> Now {
        let world_ms = i64::try_from(at / MILLISECOND).unwrap_or(i64::MAX);
        Now {
            wall: Timestamp::from_millis(WALL_MS + self.wall_offset_ms + world_ms),
            boot_ms: self.uptime_ms + self.counted(at.saturating_sub(self.booted)) / MILLISECOND,
        }
    }

    /// The first moment at which the boot clock shows this.
    pub(crate) fn moment_of(&self, boot_ms: u64) -> Micros {
        let counted = u128::from(boot_ms.saturating_sub(self.uptime_ms)) * 1000;
        let rate = u128::from((1_000_000 + self.drift_ppm).unsigned_abs());
        let since_boot = u64::try_from(counted * 1_000_000 / rate).unwrap_or(u64::MAX / 2);
        let mut at = self.booted.saturating_add(since_boot);
        while self.now(at).boot_ms < boot_ms {
            at += 1;
        }
        at
    }

    /// The most by which its wall clock has been wrong.
    pub(crate) fn most_wrong(&self) -> Micros {
        self.most_wrong_ms * MILLISECOND
    }

    /// Somebody sets the wall clock.
    pub(crate) fn set_wall(&mut self, by_ms: i64) {
        self.wall_offset_ms += by_ms;
        self.most_wrong_ms = self.most_wrong_ms.max(self.wall_offset_ms.unsigned_abs());
    }

    /// The host boots: its boot clock starts again.
    pub(crate) fn reboot(&mut self, at: Micros) {
        self.booted = at;
        self.uptime_ms = BOOT_MS;
    }

    /// The host is a guest that its hypervisor pauses: its boot clock stands still until then, and
    /// the world goes on.
    pub(crate) fn pause(&mut self, from: Micros, until: Micros) {
        self.uptime_ms = self.now(from).boot_ms;
        self.booted = until;
    }

    fn counted(&self, elapsed: Micros) -> u64 {
        let rate = u128::from((1_000_000 + self.drift_ppm).unsigned_abs());
        u64::try_from(u128::from(elapsed) * rate / 1_000_000).unwrap_or(u64::MAX / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_of_a_reading_is_the_first_at_which_it_shows() {
        for drift in [-MAX_DRIFT_PPM, -1, 0, 7, MAX_DRIFT_PPM] {
            let clock = HostClock::new(drift);
            for boot_ms in [UPTIME_MS + 1, UPTIME_MS + 999, UPTIME_MS + 1_000_001] {
                let at = clock.moment_of(boot_ms);
                assert_eq!(clock.now(at).boot_ms, boot_ms, "drift {drift}");
                assert!(clock.now(at - 1).boot_ms < boot_ms, "drift {drift}");
            }
        }
    }

    #[test]
    fn setting_the_wall_clock_does_not_move_the_boot_clock() {
        let mut clock = HostClock::new(0);
        let before = clock.now(5 * SECOND);
        clock.set_wall(-3_600_000);
        let after = clock.now(5 * SECOND);
        assert_eq!(before.boot_ms, after.boot_ms);
        assert_eq!(before.wall.as_secs() - after.wall.as_secs(), 3600);
    }

    #[test]
    fn the_boot_clock_of_a_paused_guest_stands_still() {
        let mut clock = HostClock::new(0);
        clock.pause(10 * SECOND, 70 * SECOND);
        let boot_ms = |at| clock.now(at).boot_ms;
        assert_eq!(boot_ms(10 * SECOND), boot_ms(70 * SECOND));
        assert_eq!(boot_ms(70 * SECOND) + 1000, boot_ms(71 * SECOND));
        assert_eq!(clock.moment_of(UPTIME_MS + 11_000), 71 * SECOND);
    }

    #[test]
    fn a_boot_starts_the_boot_clock_again() {
        let mut clock = HostClock::new(0);
        clock.reboot(60 * SECOND);
        assert_eq!(clock.now(61 * SECOND).boot_ms, BOOT_MS + 1000);
    }
}
