//! When a moment is that a command line names as PBS's do: in the time zone of whoever says it, and
//! not before today, this month or this year where these are not said.

use jiff::civil::{Date, Time};
use jiff::{ToSpan, Zoned};
use jobspec::pbs::Moment;

/// The moment, seconds since 1970. A month before this one is next year's, a day before today next
/// month's, a time that is over tomorrow's; what is over by less is over (OpenPBS 23.06). The 31st
/// of a month of thirty days is the first of the next.
pub fn next(moment: Moment, now: &Zoned) -> Option<i64> {
    let Moment { year, month, day, hour, minute, second } = moment;
    let first = Date::new(year.unwrap_or(now.year()), month.unwrap_or(now.month()), 1).ok()?;
    let first = match (year, month, day) {
        (None, Some(month), _) if month < now.month() => first.checked_add(1.year()).ok()?,
        (None, None, Some(day)) if day < now.day() => first.checked_add(1.month()).ok()?,
        _ => first,
    };
    let is_over = day.is_none() && (hour, minute) <= (now.hour(), now.minute());
    let days = i64::from(day.unwrap_or(now.day())) - 1 + i64::from(is_over);
    let date = first.checked_add(days.days()).ok()?;
    let at = date.to_datetime(Time::new(hour, minute, second, 0).ok()?);
    Some(at.to_zoned(now.time_zone().clone()).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_next_that_fits() {
        const SUNDAY: &str = "2026-11-22T16:00:00[UTC]";
        const LAST: &str = "2026-11-30T16:49:00[UTC]";
        for (now, text, expected) in [
            (SUNDAY, "2359", "2026-11-22T23:59:00Z"),
            (SUNDAY, "0000", "2026-11-23T00:00:00Z"),
            (SUNDAY, "1600", "2026-11-23T16:00:00Z"),
            (SUNDAY, "211200", "2026-12-21T12:00:00Z"),
            (SUNDAY, "01020304", "2027-01-02T03:04:00Z"),
            (SUNDAY, "202001010000", "2020-01-01T00:00:00Z"),
            (LAST, "11010000", "2026-11-01T00:00:00Z"),
            (LAST, "300001", "2026-11-30T00:01:00Z"),
            (LAST, "311200", "2026-12-01T12:00:00Z"),
            (LAST, "1600", "2026-12-01T16:00:00Z"),
            (LAST, "10302359.59", "2027-10-30T23:59:59Z"),
        ] {
            let now: Zoned = now.parse().unwrap();
            let found = next(Moment::read(text).unwrap(), &now).unwrap();
            assert_eq!(
                jiff::Timestamp::from_second(found).unwrap().to_string(),
                expected,
                "{text}"
            );
        }
    }
}
