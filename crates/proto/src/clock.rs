//! Reading the two clocks, for the daemons' shells: the only place that does. A core gets [`Now`]
//! as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use model::{Now, Timestamp};
use nix::time::{ClockId, clock_gettime};

/// The present: the wall clock for the record, `CLOCK_BOOTTIME` for deadlines.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clocks")]
pub fn now() -> Now {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
    // It cannot fail on Linux 2.6.39 or newer; a zero would only make every deadline look far away.
    let boot = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_or(0, |t| t.tv_sec() * 1000 + t.tv_nsec() / 1_000_000);
    Now { wall: Timestamp::from_millis(wall), boot_ms: u64::try_from(boot).unwrap_or(0) }
}
