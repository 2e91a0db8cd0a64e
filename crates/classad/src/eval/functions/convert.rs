//! Conversions between types, and the C functions that the reference converts with.

use std::borrow::Cow;

use crate::eval::operators::number;
use crate::eval::{Evaluator, Scope, Val};
use crate::{Expr, time_text};

/// What converting to a string gives.
pub(super) enum Text {
    Is(std::sync::Arc<str>),
    Undefined,
    Error,
}

/// A value as text: strings without quotes, times without their function, everything else as the
/// new syntax prints it.
pub(super) fn text_of(evaluator: &mut Evaluator<'_>, value: Val) -> Text {
    match value {
        Val::Undefined => Text::Undefined,
        Val::Error => Text::Error,
        Val::String(text) => Text::Is(text),
        Val::AbsTime(time) => Text::Is(time_text::abs_time(time).into()),
        Val::RelTime(seconds) => Text::Is(time_text::rel_time(seconds.trunc()).into()),
        Val::Boolean(_) | Val::Integer(_) | Val::Real(_) | Val::List(..) | Val::Ad(_) => {
            let printed = evaluator.value(value).to_new();
            if evaluator.spend_bytes(printed.len()) {
                Text::Is(printed.into())
            } else {
                Text::Error
            }
        }
    }
}

/// A value as a real number; `None` where the conversion is an error (or, for undefined,
/// undefined).
#[expect(clippy::cast_precision_loss, reason = "times are far below 2^53 seconds")]
pub(super) fn real_of(value: &Val) -> Option<f64> {
    match value {
        Val::String(text) => strtod(text).map(|(value, _)| value),
        Val::AbsTime(time) => Some(time.unix_s as f64),
        // Counted in whole seconds, among which there is no negative zero.
        Val::RelTime(seconds) => Some(seconds.trunc() + 0.0),
        Val::Boolean(_) | Val::Integer(_) | Val::Real(_) => number(value),
        Val::Undefined | Val::Error | Val::List(..) | Val::Ad(_) => None,
    }
}

/// `int(x)`: truncates; text is read as far as it is a number.
pub(super) fn int(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [only] = args else { return Val::Error };
    match evaluator.eval(only, scope) {
        Val::Undefined => Val::Undefined,
        Val::Integer(value) => Val::Integer(value),
        Val::AbsTime(time) => Val::Integer(time.unix_s),
        value => real_of(&value).map_or(Val::Error, |value| Val::Integer(to_integer(value))),
    }
}

/// `real(x)`.
pub(super) fn real(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [only] = args else { return Val::Error };
    match evaluator.eval(only, scope) {
        Val::Undefined => Val::Undefined,
        value => real_of(&value).map_or(Val::Error, Val::Real),
    }
}

/// `string(x)`.
pub(super) fn string(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [only] = args else { return Val::Error };
    let value = evaluator.eval(only, scope);
    match text_of(evaluator, value) {
        Text::Is(text) => Val::String(text),
        Text::Undefined => Val::Undefined,
        Text::Error => Val::Error,
    }
}

/// `bool(x)`: text is `true` or `false`, or undefined.
pub(super) fn bool(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [only] = args else { return Val::Error };
    match evaluator.eval(only, scope) {
        Val::Undefined => Val::Undefined,
        Val::String(text) if text.eq_ignore_ascii_case("true") => Val::Boolean(true),
        Val::String(text) if text.eq_ignore_ascii_case("false") => Val::Boolean(false),
        Val::String(_) => Val::Undefined,
        Val::RelTime(seconds) => Val::Boolean(seconds.trunc() != 0.0),
        value => value.truth().map_or(Val::Error, Val::Boolean),
    }
}

/// A real as an integer, as the reference's machine code has it: what does not fit becomes the
/// smallest integer.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the range is checked first"
)]
pub(super) fn to_integer(value: f64) -> i64 {
    let fits = value >= i64::MIN as f64 && value < i64::MAX as f64;
    if fits { value as i64 } else { i64::MIN }
}

/// C's `strtod`: the longest beginning that is a number, and how many bytes it has. `None` if there
/// is none.
pub(super) fn strtod(text: &str) -> Option<(f64, usize)> {
    let trimmed = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let blanks = text.len() - trimmed.len();
    let (sign, unsigned) = match trimmed.as_bytes().first() {
        Some(b'-') => (-1.0, &trimmed[1..]),
        Some(b'+') => (1.0, &trimmed[1..]),
        _ => (1.0, trimmed),
    };
    let before = blanks + trimmed.len() - unsigned.len();
    let (value, length) =
        word_number(unsigned).or_else(|| hexadecimal(unsigned)).or_else(|| decimal(unsigned))?;
    Some((sign * value, before + length))
}

/// `inf`, `infinity`, `nan`.
fn word_number(text: &str) -> Option<(f64, usize)> {
    let begins =
        |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if begins("infinity") {
        Some((f64::INFINITY, 8))
    } else if begins("inf") {
        Some((f64::INFINITY, 3))
    } else if begins("nan") {
        Some((f64::NAN, 3))
    } else {
        None
    }
}

fn decimal(text: &str) -> Option<(f64, usize)> {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(0);
    let mut length = whole;
    let mut fraction = 0;
    if text[length..].starts_with('.') {
        fraction = digits(length + 1);
        length += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if text[length..].starts_with(['e', 'E']) {
        let signed = usize::from(text[length + 1..].starts_with(['+', '-']));
        let exponent = digits(length + 1 + signed);
        if exponent > 0 {
            length += 1 + signed + exponent;
        }
    }
    text[..length].parse().ok().map(|value| (value, length))
}

fn hexadecimal(text: &str) -> Option<(f64, usize)> {
    let body = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let mut value = 0.0_f64;
    let mut scale = 0_i32;
    let mut digits = 0;
    let mut length = 0;
    let mut after_point = false;
    for byte in body.bytes() {
        if byte == b'.' && !after_point {
            after_point = true;
        } else if let Some(digit) = char::from(byte).to_digit(16) {
            value = value * 16.0 + f64::from(digit);
            scale -= if after_point { 4 } else { 0 };
            digits += 1;
        } else {
            break;
        }
        length += 1;
    }
    if digits == 0 {
        // `0x` alone is the number 0 followed by an x.
        return Some((0.0, 1));
    }
    if body[length..].starts_with(['p', 'P']) {
        let rest = &body[length + 1..];
        let signed = usize::from(rest.starts_with(['+', '-']));
        let count = rest[signed..].bytes().take_while(u8::is_ascii_digit).count();
        if count > 0 {
            let exponent: i32 = rest[..signed + count].parse().unwrap_or(i32::MAX / 2);
            scale = scale.saturating_add(exponent);
            length += 1 + signed + count;
        }
    }
    Some((value * 2.0_f64.powi(scale), length + 2))
}

/// The bytes of a string as text again, where cutting may have split a character.
pub(super) fn from_bytes(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
