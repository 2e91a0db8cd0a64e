//! Processor time as logs have it, in a text as in an ad: `Usr 0 00:00:00, Sys 0 00:00:00`.

use std::fmt;

use serde::{Deserialize, Serialize};

const SECONDS_PER_DAY: u64 = 86_400;

/// Processor time of a process tree, whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTimes {
    /// In user mode, seconds.
    pub user_s: u64,
    /// In the kernel, seconds.
    pub sys_s: u64,
}

impl CpuTimes {
    /// Reads what is written; none if the text is anything else, or more than can be counted.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (user, sys) = text.trim().strip_prefix("Usr ")?.split_once(", Sys ")?;
        Some(Self { user_s: seconds(user)?, sys_s: seconds(sys)? })
    }
}

impl fmt::Display for CpuTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Usr {}, Sys {}", clock(self.user_s), clock(self.sys_s))
    }
}

/// Seconds as `days HH:MM:SS`.
fn clock(seconds: u64) -> String {
    let (days, rest) = (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY);
    format!("{days} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

fn seconds(text: &str) -> Option<u64> {
    let (days, clock) = text.trim().split_once(' ')?;
    let mut seconds: u64 = days.parse().ok()?;
    let mut parts = clock.trim().split(':');
    for most in [24, 60, 60] {
        seconds = seconds.checked_mul(most)?.checked_add(parts.next()?.parse().ok()?)?;
    }
    parts.next().is_none().then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written_and_what_cannot_be_counted_is_none() {
        let check = |text: &str, expected: Option<(u64, u64)>| {
            let read = CpuTimes::read(text);
            assert_eq!(read.map(|times| (times.user_s, times.sys_s)), expected, "{text}");
            if let Some(times) = read {
                assert_eq!(times.to_string(), text);
            }
        };
        check("Usr 0 00:00:00, Sys 0 00:00:00", Some((0, 0)));
        check("Usr 1 02:03:04, Sys 0 23:59:59", Some((93_784, 86_399)));
        check("Usr 213503982334601 07:00:15, Sys 0 00:00:00", Some((u64::MAX, 0)));
        check("Usr 213503982334601 07:00:16, Sys 0 00:00:00", None);
        check("Usr 18446744073709551615 00:00:00, Sys 0 00:00:00", None);
        check("Usr 0 00:00:18446744073709551615, Sys 0 00:01:18446744073709551615", None);
        check("Usr 0 00:00, Sys 0 00:00:00", None);
        check("Usr 0 00:00:00:00, Sys 0 00:00:00", None);
        check("Usr 0 00:00:00", None);
        check("", None);
    }
}
