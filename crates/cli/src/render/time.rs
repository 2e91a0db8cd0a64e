//! Moments and lengths of time in the forms of HTCondor's tables.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::Timestamp;

use crate::render::values::view::Moment;

const DAY_S: i64 = 86_400;

fn civil(seconds: i64, zone: &TimeZone) -> DateTime {
    // What is beyond jiff's years is no date of a job.
    let instant = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    instant.to_zoned(zone.clone()).datetime()
}

/// `11/22 16:06`, always 11 characters: the month is padded before, the day behind.
pub fn date(seconds: i64, zone: &TimeZone) -> String {
    let t = civil(seconds, zone);
    format!("{:>2}/{:<2} {:02}:{:02}", t.month(), t.day(), t.hour(), t.minute())
}

/// `11/22/26 16:06:17`, as in the head of an answer.
pub fn head(moment: &Moment) -> String {
    let t = civil(moment.now, &moment.zone);
    let year = t.year().rem_euclid(100);
    let clock = format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second());
    format!("{:02}/{:02}/{year:02} {clock}", t.month(), t.day())
}

/// `2026-11-22 16:06:17`, for our own lists.
pub fn plain(at: Timestamp, zone: &TimeZone) -> String {
    let t = civil(at.as_secs(), zone);
    let clock = format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second());
    format!("{:04}-{:02}-{:02} {clock}", t.year(), t.month(), t.day())
}

/// `D+HH:MM:SS`, the days without padding. Negative lengths (a clock was set) count as none.
pub fn length(seconds: i64) -> String {
    let s = seconds.max(0);
    format!("{}+{:02}:{:02}:{:02}", s / DAY_S, s / 3600 % 24, s / 60 % 60, s % 60)
}

/// A size in bytes, for people: `12.3 MB`. Bytes have a blank behind them (HTCondor 25.14).
pub fn readable(bytes: f64) -> String {
    let mut value = bytes;
    let mut unit = "B ";
    for next in ["KB", "MB", "GB", "TB"] {
        if value <= 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// Whole seconds of a time that may have a fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a time that does not fit is shown as the longest that does"
)]
pub fn whole_seconds(seconds: f64) -> i64 {
    seconds as i64
}
