//! Moments and lengths of time: now, conversions, parts, formatting.
//!
//! Reads the clock and the zone from the environment only.

use jiff::Timestamp;

use crate::ClassAd;
use crate::eval::functions::convert::{strtod, to_integer};
use crate::eval::functions::strftime;
use crate::eval::operators::length_of;
use crate::eval::{Evaluator, Scope, Val};
use crate::expr::Expr;
use crate::time_text::{self, civil_from_days, days_from_civil};
use crate::value::AbsTime;

const DAY_S: i64 = 86_400;

/// Seconds by which local time is ahead of UTC at a moment.
fn local_offset(evaluator: &Evaluator<'_>, unix_s: i64) -> i32 {
    let moment = Timestamp::from_second(unix_s).unwrap_or(Timestamp::UNIX_EPOCH);
    evaluator.env.zone.to_offset(moment).seconds()
}

/// `time()`.
pub(super) fn time(evaluator: &mut Evaluator<'_>, args: &[Expr], _: &Scope) -> Val {
    if args.is_empty() { Val::Integer(evaluator.env.now) } else { Val::Error }
}

/// `currentTime()`.
pub(super) fn current_time(evaluator: &mut Evaluator<'_>, args: &[Expr], _: &Scope) -> Val {
    if !args.is_empty() {
        return Val::Error;
    }
    let unix_s = evaluator.env.now;
    Val::AbsTime(AbsTime { unix_s, offset_s: local_offset(evaluator, unix_s) })
}

/// `timezoneOffset()`.
pub(super) fn timezone_offset(evaluator: &mut Evaluator<'_>, args: &[Expr], _: &Scope) -> Val {
    if !args.is_empty() {
        return Val::Error;
    }
    Val::RelTime(f64::from(local_offset(evaluator, evaluator.env.now)))
}

/// `dayTime()`: how long the local day has lasted.
pub(super) fn day_time(evaluator: &mut Evaluator<'_>, args: &[Expr], _: &Scope) -> Val {
    if !args.is_empty() {
        return Val::Error;
    }
    let now = evaluator.env.now;
    let second = (now + i64::from(local_offset(evaluator, now))).rem_euclid(DAY_S);
    Val::RelTime(i32::try_from(second).map_or(0.0, f64::from))
}

/// `absTime()`, `absTime(seconds | text | time [, offset])`.
pub(super) fn abs_time(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    if args.is_empty() {
        return current_time(evaluator, args, scope);
    }
    if args.len() > 2 {
        return Val::Error;
    }
    let moment = evaluator.eval(&args[0], scope);
    let offset = match args.get(1).map(|arg| evaluator.eval(arg, scope)) {
        None => None,
        Some(Val::Integer(seconds)) => Some(seconds),
        Some(Val::Real(seconds) | Val::RelTime(seconds)) => Some(to_integer(seconds)),
        Some(_) => return Val::Error,
    };
    let unix_s = match moment {
        Val::Undefined => return Val::Undefined,
        Val::AbsTime(time) => return Val::AbsTime(time),
        Val::String(text) => {
            return time_text::parse_abs_time(&text).map_or(Val::Error, Val::AbsTime);
        }
        Val::Integer(seconds) => seconds,
        Val::Real(seconds) | Val::RelTime(seconds) => to_integer(seconds),
        _ => return Val::Error,
    };
    let offset_s = match offset.map(i32::try_from) {
        None => local_offset(evaluator, unix_s),
        Some(Ok(offset)) => offset,
        Some(Err(_)) => return Val::Error,
    };
    Val::AbsTime(AbsTime { unix_s, offset_s })
}

/// `relTime(seconds | text | time)`.
#[expect(clippy::cast_precision_loss, reason = "times are far below 2^53 seconds")]
pub(super) fn rel_time(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [only] = args else { return Val::Error };
    match evaluator.eval(only, scope) {
        Val::Undefined => Val::Undefined,
        Val::RelTime(seconds) => Val::RelTime(seconds),
        Val::Integer(seconds) => Val::RelTime(seconds as f64),
        Val::Real(seconds) => length_of(seconds),
        Val::AbsTime(time) => Val::RelTime(time.unix_s as f64),
        Val::String(text) => time_text::parse_rel_time(&text).map_or(Val::Error, Val::RelTime),
        _ => Val::Error,
    }
}

/// `interval(seconds)`: `1+02:03:04`, without the parts that are zero in front.
pub(super) fn interval(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [only] = args else { return Val::Error };
    let seconds = match evaluator.eval(only, scope) {
        Val::Integer(seconds) => seconds,
        Val::Boolean(value) => i64::from(value),
        Val::Real(seconds) | Val::RelTime(seconds) => to_integer(seconds),
        Val::AbsTime(time) => time.unix_s,
        Val::String(text) => match strtod(&text) {
            Some((seconds, _)) => to_integer(seconds),
            None => return Val::Error,
        },
        _ => return Val::Error,
    };
    // The reference counts in 32 bits, and wraps around.
    #[expect(clippy::cast_possible_truncation, reason = "as the reference does it")]
    let total = seconds as i32;
    let (days, hours, minutes, seconds) =
        (total / 86_400, total % 86_400 / 3600, total % 3600 / 60, total % 60);
    let (whole_minutes, whole_seconds) = (minutes.abs(), seconds.abs());
    evaluator.string(if days != 0 {
        format!("{days}+{:02}:{whole_minutes:02}:{whole_seconds:02}", hours.abs())
    } else if hours != 0 {
        format!("{hours}:{whole_minutes:02}:{whole_seconds:02}")
    } else if minutes != 0 {
        format!("{minutes}:{whole_seconds:02}")
    } else {
        seconds.to_string()
    })
}

/// A moment as a calendar and a clock show it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Broken {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
}

impl Broken {
    fn at(local_s: i64) -> Broken {
        let (year, month, day) = civil_from_days(local_s.div_euclid(DAY_S));
        let second = local_s.rem_euclid(DAY_S);
        Broken {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }

    /// Days since 1 January of the year.
    pub(super) fn day_of_year(&self) -> i64 {
        let month = self.month.clamp(1, 12);
        (days_from_civil(self.year, month, self.day) - days_from_civil(self.year, 1, 1)).max(0)
    }

    /// Days since Sunday.
    pub(super) fn day_of_week(&self) -> i64 {
        (days_from_civil(self.year, self.month.clamp(1, 12), self.day) + 4).rem_euclid(7)
    }
}

/// One part of a moment in local time, or of a length of time.
fn part(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
    of_moment: fn(&Broken) -> Option<i64>,
    of_length: fn(i64) -> Option<i64>,
) -> Val {
    let [only] = args else { return Val::Error };
    let part = match evaluator.eval(only, scope) {
        Val::AbsTime(time) => {
            let offset = i64::from(local_offset(evaluator, time.unix_s));
            of_moment(&Broken::at(time.unix_s.saturating_add(offset)))
        }
        Val::RelTime(seconds) => of_length(to_integer(seconds)),
        _ => None,
    };
    part.map_or(Val::Error, Val::Integer)
}

macro_rules! time_parts {
    ($($name:ident: $of_moment:expr, $of_length:expr;)*) => {$(
        pub(super) fn $name(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
            part(evaluator, args, scope, $of_moment, $of_length)
        }
    )*};
}

time_parts! {
    get_year: |moment| Some(moment.year), |_| None;
    get_month: |moment| Some(moment.month), |_| None;
    get_day_of_year: |moment| Some(moment.day_of_year()), |_| None;
    get_day_of_month: |moment| Some(moment.day), |_| None;
    get_day_of_week: |moment| Some(moment.day_of_week()), |_| None;
    get_days: |_| None, |seconds| Some(seconds / DAY_S);
    get_hours: |moment| Some(moment.hour), |seconds| Some(seconds % DAY_S / 3600);
    get_minutes: |moment| Some(moment.minute), |seconds| Some(seconds % 3600 / 60);
    get_seconds: |moment| Some(moment.second), |seconds| Some(seconds % 60);
    get_useconds: |_| None, |_| None;
}

/// The moment that a value means: seconds since 1970, or a time with its own offset.
fn moment(evaluator: &Evaluator<'_>, value: &Val) -> Option<AbsTime> {
    let unix_s = match value {
        Val::Integer(seconds) => *seconds,
        Val::Real(seconds) => to_integer(*seconds),
        Val::AbsTime(time) => return Some(*time),
        _ => return None,
    };
    Some(AbsTime { unix_s, offset_s: local_offset(evaluator, unix_s) })
}

/// `splitTime(time)`: an ad with its parts.
pub(super) fn split_time(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [only] = args else { return Val::Error };
    let value = evaluator.eval(only, scope);
    let ad = match &value {
        Val::Undefined => return Val::Undefined,
        Val::RelTime(seconds) => split_length(*seconds),
        _ => match moment(evaluator, &value) {
            Some(time) => split_moment(time),
            None => return Val::Error,
        },
    };
    Val::Ad(Scope::orphan(std::sync::Arc::new(ad)))
}

fn split_moment(time: AbsTime) -> ClassAd {
    let broken = Broken::at(time.unix_s.saturating_add(i64::from(time.offset_s)));
    let mut ad = ClassAd::new();
    ad.set("Type", "AbsoluteTime");
    let parts = [
        ("Year", broken.year),
        ("Month", broken.month),
        ("Day", broken.day),
        ("Hours", broken.hour),
        ("Minutes", broken.minute),
        ("Seconds", broken.second),
        ("Offset", i64::from(time.offset_s)),
    ];
    for (name, value) in parts {
        ad.set(name, value);
    }
    ad
}

/// The sign stands at the largest part that is not zero.
#[expect(clippy::cast_precision_loss, reason = "below sixty")]
fn split_length(seconds: f64) -> ClassAd {
    let whole = to_integer(seconds.abs());
    let mut parts = [whole / DAY_S, whole % DAY_S / 3600, whole % 3600 / 60];
    let mut rest = (whole % 60) as f64 + (seconds.abs() - seconds.abs().floor());
    if seconds < 0.0 {
        match parts.iter_mut().find(|part| **part > 0) {
            Some(part) => *part = -*part,
            None => rest = -rest,
        }
    }
    let mut ad = ClassAd::new();
    ad.set("Type", "RelativeTime");
    ad.set("Days", parts[0]);
    ad.set("Hours", parts[1]);
    ad.set("Minutes", parts[2]);
    ad.set("Seconds", rest);
    ad
}

/// `formatTime([time [, format]])`: the time may also be an ad as `splitTime` makes it.
pub(super) fn format_time(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    if args.len() > 2 {
        return Val::Error;
    }
    let time = match args.first() {
        None => Val::Integer(evaluator.env.now),
        Some(arg) => evaluator.eval(arg, scope),
    };
    let broken = match &time {
        Val::Ad(inner) => parts_of_ad(evaluator, inner),
        _ => match moment(evaluator, &time) {
            Some(time) => Broken::at(time.unix_s.saturating_add(i64::from(time.offset_s))),
            None => return Val::Error,
        },
    };
    let format = match args.get(1).map(|arg| evaluator.eval(arg, scope)) {
        None => "%c".into(),
        Some(Val::String(format)) => format,
        Some(_) => return Val::Error,
    };
    match strftime::format(&broken, &format) {
        Some(text) => evaluator.string(text),
        None => Val::Error,
    }
}

fn parts_of_ad(evaluator: &mut Evaluator<'_>, inner: &Scope) -> Broken {
    let mut part = |name: &str| {
        let expr = evaluator.ad(inner).get(name).cloned();
        match expr.map(|expr| evaluator.eval(&expr, inner)) {
            Some(Val::Integer(value)) => Some(value.clamp(-100_000, 100_000)),
            _ => None,
        }
    };
    Broken {
        year: part("Year").unwrap_or(1900),
        month: part("Month").unwrap_or(1),
        day: part("Day").unwrap_or(0),
        hour: part("Hours").unwrap_or(0),
        minute: part("Minutes").unwrap_or(0),
        second: part("Seconds").unwrap_or(0),
    }
}
