//! When a moment is that a command line names as PBS's do: in the time zone of whoever says it, and
//! the next that fits where not all of it is said.

use jiff::civil::DateTime;
use jiff::{ToSpan, Zoned};
use jobspec::pbs::Moment;

/// The next such moment, seconds since 1970: a time that is over today is tomorrow's, a day that is
/// over this month's next.
pub fn next(moment: Moment, now: &Zoned) -> Option<i64> {
    let Moment { year, month, day, hour, minute, second } = moment;
    let second = second.min(59);
    let made = DateTime::new(
        year.unwrap_or(now.year()),
        month.unwrap_or(now.month()),
        day.unwrap_or(now.day()),
        hour,
        minute,
        second,
        0,
    );
    let mut at = made.ok()?;
    if at < now.datetime() {
        at = match (year, month, day) {
            (Some(_), _, _) => at,
            (None, Some(_), _) => at.checked_add(1.year()).ok()?,
            (None, None, Some(_)) => at.checked_add(1.month()).ok()?,
            (None, None, None) => at.checked_add(1.day()).ok()?,
        };
    }
    Some(at.to_zoned(now.time_zone().clone()).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_next_that_fits() {
        let now: Zoned = "2026-11-22T16:00:00[UTC]".parse().unwrap();
        for (text, expected) in [
            ("2359", "2026-11-22T23:59:00Z"),
            ("0000", "2026-11-23T00:00:00Z"),
            ("211200", "2026-12-21T12:00:00Z"),
            ("01020304", "2027-01-02T03:04:00Z"),
            ("202001010000", "2020-01-01T00:00:00Z"),
        ] {
            let found = next(Moment::read(text).unwrap(), &now).unwrap();
            assert_eq!(
                jiff::Timestamp::from_second(found).unwrap().to_string(),
                expected,
                "{text}"
            );
        }
    }
}
