//! Times as text: `2026-11-22T19:00:00+01:00` and `1+02:03:04`.
//!
//! Knows how the reference reads and prints the two kinds of time. Reads no clock and no time-zone
//! database: a moment without an offset is in UTC.

use crate::Value;
use crate::value::AbsTime;

/// Seconds in a day.
const DAY_S: i64 = 86_400;

/// The value of `absTime("...")`, `relTime("...")` and of the reals that have no digits, when they
/// stand in a text: such calls are literals, and printed as they were read.
pub(crate) fn literal(function: &str, text: &str) -> Option<Value> {
    if function.eq_ignore_ascii_case("absTime") {
        parse_abs_time(text).map(Value::AbsTime)
    } else if function.eq_ignore_ascii_case("relTime") {
        parse_rel_time(text).map(Value::RelTime)
    } else if function == "real" {
        match text {
            "INF" => Some(Value::Real(f64::INFINITY)),
            "-INF" => Some(Value::Real(f64::NEG_INFINITY)),
            "NaN" => Some(Value::Real(f64::NAN)),
            _ => None,
        }
    } else {
        None
    }
}

/// What the text of a call that must be a literal looks like. HTCondor 25.14 does not read an
/// expression in which such a text is no time.
pub(crate) fn expected_literal(function: &str) -> Option<&'static str> {
    if function.eq_ignore_ascii_case("absTime") {
        Some("a moment such as `absTime(\"2026-11-22T19:00:00+01:00\")`")
    } else if function.eq_ignore_ascii_case("relTime") {
        Some(
            "a length of time such as `relTime(\"1+02:03:04\")`, which is days, hours, minutes and seconds",
        )
    } else {
        None
    }
}

/// `2020-01-01T10:20:30+01:00`.
pub(crate) fn abs_time(time: AbsTime) -> String {
    let local = time.unix_s.saturating_add(i64::from(time.offset_s));
    let (year, month, day) = civil_from_days(local.div_euclid(DAY_S));
    let second = local.rem_euclid(DAY_S);
    // HTCondor 25.14 prints UTC as `-00:00`.
    let sign = if time.offset_s > 0 { '+' } else { '-' };
    let offset = time.offset_s.unsigned_abs();
    format!(
        "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60,
        offset / 3600,
        offset / 60 % 60
    )
}

/// `1+02:03:04`, leaving out the leading parts that are zero.
pub(crate) fn rel_time(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let length = seconds.abs();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and the whole seconds are what is wanted"
    )]
    let whole = length.trunc() as i64;
    let fraction = length - length.trunc();
    let (days, hours, minutes) = (whole / DAY_S, whole / 3600 % 24, whole / 60 % 60);
    let mut text = sign.to_owned();
    if days > 0 {
        text.push_str(&format!("{days}+"));
    }
    if days > 0 || hours > 0 {
        text.push_str(&format!("{hours:02}:"));
    }
    if days > 0 || hours > 0 || minutes > 0 {
        text.push_str(&format!("{minutes:02}:"));
    }
    if fraction == 0.0 {
        text.push_str(&format!("{:02}", whole % 60));
    } else {
        #[expect(clippy::cast_precision_loss, reason = "below sixty")]
        let with_fraction = (whole % 60) as f64 + fraction;
        text.push_str(&crate::print::c_general(with_fraction, 6).replace('E', "e"));
    }
    text
}

/// Reads a moment: a date, optionally a time of day, optionally `Z` or an offset; the separators
/// may be left out.
pub(crate) fn parse_abs_time(text: &str) -> Option<AbsTime> {
    let mut reader = Digits { rest: text.trim_start() };
    let year = reader.number(4)?;
    // HTCondor 25.14: a date without its day is the day before the month's first.
    let month = reader.number(2).unwrap_or(1);
    let day = reader.number(2).unwrap_or(0);
    let mut clock = [0; 3];
    for part in &mut clock {
        match reader.number(2) {
            Some(value) => *part = value,
            None => break,
        }
    }
    let offset_s = reader.offset()?;
    let months = year * 12 + month - 1;
    let days = days_from_civil(months.div_euclid(12), months.rem_euclid(12) + 1, 1) + day - 1;
    let local = days * DAY_S + clock[0] * 3600 + clock[1] * 60 + clock[2];
    Some(AbsTime { unix_s: local - i64::from(offset_s), offset_s })
}

struct Digits<'t> {
    rest: &'t str,
}

impl Digits<'_> {
    /// A number of exactly so many digits, after any separator.
    fn number(&mut self, width: usize) -> Option<i64> {
        let start = self.rest.trim_start_matches(['-', ':', 'T', 't', ' ', '/']);
        if self.rest.starts_with(['-', '+']) && width == 2 && start.len() < self.rest.len() {
            // A sign after the time of day begins the offset, unless it separates parts of the
            // date.
            let is_offset =
                self.rest.starts_with('+') || self.rest.contains(':') && !self.rest.contains('T');
            if is_offset && self.rest.len() <= 6 {
                return None;
            }
        }
        let digits = start.get(..width)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.rest = &start[width..];
        digits.parse().ok()
    }

    /// What is left must be nothing, `Z`, or an offset.
    fn offset(&mut self) -> Option<i32> {
        let rest = self.rest.trim();
        if rest.is_empty() || rest.eq_ignore_ascii_case("z") {
            return Some(0);
        }
        let sign = match rest.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let digits: String = rest[1..].chars().filter(|character| *character != ':').collect();
        if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (hours, minutes) = digits.split_at(2);
        Some(sign * (hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60))
    }
}

/// Reads a length of time: `1+02:03:04`, `02:03`, `4.5`, `1d2h3m4s`; the empty text is zero.
pub(crate) fn parse_rel_time(text: &str) -> Option<f64> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let (days, rest) = match text.split_once(['+', 'd', 'D']) {
        Some((days, rest)) => (count(days)?, rest.trim()),
        None => (0.0, text),
    };
    let seconds = if rest.is_empty() {
        0.0
    } else if rest.contains(':') {
        let parts: Vec<&str> = rest.split(':').collect();
        match parts.as_slice() {
            [hours, minutes, seconds] => {
                count(hours)? * 3600.0 + count(minutes)? * 60.0 + decimal(seconds)?
            }
            [minutes, seconds] => count(minutes)? * 60.0 + decimal(seconds)?,
            _ => return None,
        }
    } else {
        with_units(rest)?
    };
    let length = sign * (days * 86_400.0 + seconds);
    length.is_finite().then_some(length)
}

/// `2h3m4s`, or a plain number of seconds.
fn with_units(text: &str) -> Option<f64> {
    let (hours, text) = before_unit(text, ['h', 'H'])?;
    let (minutes, text) = before_unit(text, ['m', 'M'])?;
    let text = text.trim_end_matches(['s', 'S']);
    let seconds = if text.is_empty() { 0.0 } else { decimal(text)? };
    Some(hours * 3600.0 + minutes * 60.0 + seconds)
}

fn before_unit(text: &str, unit: [char; 2]) -> Option<(f64, &str)> {
    match text.split_once(unit) {
        Some((number, rest)) => Some((count(number)?, rest)),
        None => Some((0.0, text)),
    }
}

fn count(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { text.parse().ok() } else { None }
}

/// The day number (0 is 1970-01-01) of a date of the Gregorian calendar, extended backwards.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_and_print_as_in_the_reference() {
        let check = |text: &str, printed: &str| {
            let time = parse_abs_time(text).unwrap_or_else(|| panic!("{text:?} is a time"));
            assert_eq!(abs_time(time), printed, "{text}");
        };
        check("2020-01-01T00:00:00+01:00", "2020-01-01T00:00:00+01:00");
        check("2020-01-01T00:00:00Z", "2020-01-01T00:00:00-00:00");
        check("2020-01-01T00:00:00-05:30", "2020-01-01T00:00:00-05:30");
        check("2020-01-01", "2020-01-01T00:00:00-00:00");
        check("20200101T000000Z", "2020-01-01T00:00:00-00:00");
        check("2020-01-01 10:20:30", "2020-01-01T10:20:30-00:00");
        check("2020-13-01T00:00:00Z", "2021-01-01T00:00:00-00:00");
        check("2020-02-30T00:00:00Z", "2020-03-01T00:00:00-00:00");
        check("2020-01-01T00:00:00+0100", "2020-01-01T00:00:00+01:00");
        check("2020-01-01T12:34Z", "2020-01-01T12:34:00-00:00");
        assert_eq!(parse_abs_time("garbage"), None);
        assert_eq!(parse_abs_time(""), None);
        assert_eq!(parse_abs_time("2020-01-01T00:00:00.123Z"), None);
    }

    #[test]
    fn lengths_of_time_read_and_print_as_in_the_reference() {
        let check = |text: &str, printed: &str| {
            let length = parse_rel_time(text).unwrap_or_else(|| panic!("{text:?} is a time"));
            assert_eq!(rel_time(length), printed, "{text}");
        };
        check("1+02:03:04", "1+02:03:04");
        check("03:04", "03:04");
        check("4", "04");
        check("-1+02:03:04", "-1+02:03:04");
        check("1+02:03:04.5", "1+02:03:4.5");
        check("1d2h3m4s", "1+02:03:04");
        check("", "00");
        check("25:00:00", "1+01:00:00");
        check("1+2", "1+00:00:02");
        check("100", "01:40");
        check(" 5 ", "05");
        check("1.5", "1.5");
        assert_eq!(parse_rel_time("x"), None);
    }
}
