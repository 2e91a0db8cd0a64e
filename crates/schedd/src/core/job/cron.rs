//! Crontabs: from the five fields to the next moment that they name. Knows nothing of jobs.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use model::{Timestamp, attr};

/// How many days are looked at for the next moment: 29 February comes back within 8 years, whatever
/// the century.
const HORIZON_DAYS: u32 = 8 * 366;

/// The fields of a crontab line: the attribute, its least and its greatest value.
pub(crate) const FIELDS: [(&str, u8, u8); 5] = [
    (attr::CRON_MINUTE, 0, 59),
    (attr::CRON_HOUR, 0, 23),
    (attr::CRON_DAY_OF_MONTH, 1, 31),
    (attr::CRON_MONTH, 1, 12),
    // Sunday is 0 and 7.
    (attr::CRON_DAY_OF_WEEK, 0, 7),
];

/// When a job is to start, again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crontab {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

/// The values that a field allows, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    allowed: u64,
    /// Whether it says anything.
    is_any: bool,
}

/// What is wrong with a crontab.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CronError {
    #[error(
        "{attr} = {text} has '{part}', which is not *, a number, or a range from {least} to {greatest} with or without a step"
    )]
    Field { attr: &'static str, text: String, part: String, least: u8, greatest: u8 },
    #[error("no moment of the next {} years is like that", HORIZON_DAYS / 366)]
    Never,
}

impl Crontab {
    /// Reads the fields, in the order of [`FIELDS`]. One that is not given allows everything.
    pub(crate) fn new(texts: [Option<String>; 5]) -> Result<Self, CronError> {
        let [minute, hour, day, month, weekday] = texts;
        let field = |nth: usize, text: Option<String>| Field::new(FIELDS[nth], text.as_deref());
        let mut weekdays = field(4, weekday)?;
        weekdays.allowed |= weekdays.allowed >> 7 & 1;
        Ok(Self {
            minutes: field(0, minute)?,
            hours: field(1, hour)?,
            days: field(2, day)?,
            months: field(3, month)?,
            weekdays,
        })
    }

    /// The first moment after this one, by the clocks of the zone. A moment that a clock's change
    /// leaves out counts as the one that comes instead.
    pub(crate) fn next(&self, after: Timestamp, zone: &TimeZone) -> Result<Timestamp, CronError> {
        let instant =
            jiff::Timestamp::from_second(after.as_secs()).map_err(|_| CronError::Never)?;
        let start = instant.to_zoned(zone.clone());
        let mut date = start.date();
        for _ in 0..HORIZON_DAYS {
            if self.is_day(date)
                && let Some(at) = self.first_on(date, &start)
            {
                return Ok(Timestamp::from_secs(at.timestamp().as_second()));
            }
            date = date.checked_add(1.day()).map_err(|_| CronError::Never)?;
        }
        Err(CronError::Never)
    }

    /// Where both the day of the month and of the week are given, either will do, as with cron.
    fn is_day(&self, date: Date) -> bool {
        let day = self.days.has(date.day());
        let weekday = self.weekdays.has(date.weekday().to_sunday_zero_offset());
        let days =
            if self.days.is_any || self.weekdays.is_any { day && weekday } else { day || weekday };
        days && self.months.has(date.month())
    }

    fn first_on(&self, date: Date, after: &Zoned) -> Option<Zoned> {
        let zone = after.time_zone();
        let hours = (0..24).filter(|hour| self.hours.has(*hour));
        let times =
            hours.flat_map(|h| (0..60).filter(|m| self.minutes.has(*m)).map(move |m| (h, m)));
        times
            .filter_map(|(h, m)| date.at(h, m, 0, 0).to_zoned(zone.clone()).ok())
            .find(|at| at > after)
    }
}

impl Field {
    fn new(
        (attr, least, greatest): (&'static str, u8, u8),
        text: Option<&str>,
    ) -> Result<Self, CronError> {
        let text = text.unwrap_or("*");
        let mut allowed = 0;
        for part in text.split(',').map(str::trim) {
            allowed |= part_of(part, least, greatest).ok_or_else(|| CronError::Field {
                attr,
                text: text.to_owned(),
                part: part.to_owned(),
                least,
                greatest,
            })?;
        }
        Ok(Self { allowed, is_any: text.trim() == "*" })
    }

    fn has(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|value| self.allowed >> value & 1 == 1)
    }
}

/// `*`, `7`, `3-9`, `*/5`, `10-30/5`.
fn part_of(part: &str, least: u8, greatest: u8) -> Option<u64> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range.trim(), step.trim().parse::<usize>().ok()?),
        None => (part, 1),
    };
    let number = |text: &str| text.trim().parse::<u8>().ok();
    let (from, to) = match range.split_once('-') {
        _ if range == "*" => (least, greatest),
        Some((from, to)) => (number(from)?, number(to)?),
        None => (number(range)?, number(range)?),
    };
    let sound = step > 0 && least <= from && from <= to && to <= greatest;
    sound.then(|| (from..=to).step_by(step).fold(0, |bits, value| bits | 1 << value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crontab(line: &str) -> Result<Crontab, CronError> {
        let mut fields = line.split(' ').map(|field| Some(field.to_owned()));
        Crontab::new(std::array::from_fn(|_| fields.next().flatten()))
    }

    fn next(line: &str, after: &str, zone: &TimeZone) -> String {
        let after: Zoned =
            after.parse::<jiff::civil::DateTime>().unwrap().to_zoned(zone.clone()).unwrap();
        match crontab(line)
            .and_then(|tab| tab.next(Timestamp::from_secs(after.timestamp().as_second()), zone))
        {
            Ok(at) => {
                let at = jiff::Timestamp::from_second(at.as_secs()).unwrap();
                at.to_zoned(zone.clone()).datetime().to_string()
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_next_moment_is_the_first_after_now_that_all_fields_allow() {
        // 2026-11-22 is a Sunday.
        for (line, after, expected) in [
            ("* * * * *", "2026-11-22T22:30:05", "2026-11-22T22:31:00"),
            ("30 22 * * *", "2026-11-22T22:30:00", "2026-11-23T22:30:00"),
            ("0 * * * *", "2026-11-22T22:30:00", "2026-11-22T23:00:00"),
            ("10-30/10,45 3 * * *", "2026-11-22T03:30:00", "2026-11-22T03:45:00"),
            ("23 0-23/2 * * *", "2026-11-22T22:30:00", "2026-11-23T00:23:00"),
            ("0 0 * * 1", "2026-11-22T22:30:00", "2026-11-23T00:00:00"),
            ("0 0 * * 7", "2026-11-22T22:30:00", "2026-11-29T00:00:00"),
            ("0 0 * * 0", "2026-11-22T22:30:00", "2026-11-29T00:00:00"),
            // Day of the month or of the week, where both are given.
            ("0 0 25 * 5", "2026-11-22T22:30:00", "2026-11-25T00:00:00"),
            ("0 0 30 * 5", "2026-11-22T22:30:00", "2026-11-27T00:00:00"),
            ("0 12 29 2 *", "2026-11-22T22:30:00", "2028-02-29T12:00:00"),
            ("0 0 1 1 *", "2026-11-22T22:30:00", "2027-01-01T00:00:00"),
            ("0 0 31 2 *", "2026-11-22T22:30:00", "no moment of the next 8 years is like that"),
        ] {
            assert_eq!(next(line, after, &TimeZone::UTC), expected, "{line} after {after}");
        }
    }

    #[test]
    fn a_clock_that_is_set_forward_leaves_no_run_out() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(next("30 2 * * *", "2026-03-29T01:00:00", &berlin), "2026-03-29T03:30:00");
        assert_eq!(next("30 2 * * *", "2026-03-29T03:30:00", &berlin), "2026-03-30T02:30:00");
    }

    #[test]
    fn a_field_that_makes_no_sense_is_named() {
        for line in ["60 * * * *", "x * * * *", "5-3 * * * *", "*/0 * * * *", "1, * * * *"] {
            assert!(
                matches!(crontab(line), Err(CronError::Field { attr: "CronMinute", .. })),
                "{line}"
            );
        }
        assert!(matches!(
            crontab("* * 0 * *"),
            Err(CronError::Field { attr: "CronDayOfMonth", .. })
        ));
    }
}
