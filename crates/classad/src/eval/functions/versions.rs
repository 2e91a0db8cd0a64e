//! Version numbers: text in which runs of digits compare as numbers (`1.10` is after `1.9`).

use crate::Expr;
use crate::eval::functions::convert::{Text, text_of};
use crate::eval::{Evaluator, Scope, Val};

/// Both arguments as text, or the result of the call.
fn operands(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Result<i64, Val> {
    let [left, right] = args else { return Err(Val::Error) };
    let (left, right) = (evaluator.eval(left, scope), evaluator.eval(right, scope));
    if matches!(left, Val::Undefined) || matches!(right, Val::Undefined) {
        return Err(Val::Undefined);
    }
    match (text_of(evaluator, left), text_of(evaluator, right)) {
        (Text::Is(left), Text::Is(right)) => Ok(compare(left.as_bytes(), right.as_bytes())),
        _ => Err(Val::Error),
    }
}

pub(super) fn versioncmp(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    operands(evaluator, args, scope).map_or_else(|result| result, Val::Integer)
}

macro_rules! version_tests {
    ($($name:ident: $op:tt;)*) => {$(
        pub(super) fn $name(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
            operands(evaluator, args, scope).map_or_else(|result| result, |order| Val::Boolean(order $op 0))
        }
    )*};
}

version_tests! {
    version_gt: >;
    version_ge: >=;
    version_lt: <;
    version_le: <=;
    version_eq: ==;
}

/// `version_in_range(version, min, max)`, ends included.
pub(super) fn version_in_range(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [version, min, max] = args else { return Val::Error };
    let version = evaluator.eval(version, scope);
    let (min, max) = (evaluator.eval(min, scope), evaluator.eval(max, scope));
    if matches!(min, Val::Undefined) || matches!(max, Val::Undefined) {
        return Val::Undefined;
    }
    match (text_of(evaluator, version), text_of(evaluator, min), text_of(evaluator, max)) {
        (Text::Is(version), Text::Is(min), Text::Is(max)) => Val::Boolean(
            compare(min.as_bytes(), version.as_bytes()) <= 0
                && compare(version.as_bytes(), max.as_bytes()) <= 0,
        ),
        _ => Val::Error,
    }
}

/// Below zero if `left` comes first. Runs of digits compare as numbers, by their length first; with
/// leading zeros they compare as fractions: more zeros come first. Other characters compare by
/// their code. The size of the result is that of the reference, which shows it.
fn compare(left: &[u8], right: &[u8]) -> i64 {
    let at = |text: &[u8], index: usize| text.get(index).copied().unwrap_or(0);
    let longest = left.len().max(right.len());
    let Some(place) = (0..longest).find(|index| at(left, *index) != at(right, *index)) else {
        return 0;
    };
    // The characters are signed, as in the C that the reference is written in.
    let difference =
        i64::from(at(left, place).cast_signed()) - i64::from(at(right, place).cast_signed());
    let shared_digits = left[..place].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let start = place - shared_digits;
    if !at(left, start).is_ascii_digit() || !at(right, start).is_ascii_digit() {
        return difference;
    }
    let zeros = leading_zeros(&right[start..]) - leading_zeros(&left[start..]);
    if zeros != 0 {
        return zeros;
    }
    let longer = digits(&left[start..]) - digits(&right[start..]);
    if longer != 0 && leading_zeros(&left[start..]) == 0 { longer } else { difference }
}

/// How many digits the text begins with.
fn digits(text: &[u8]) -> i64 {
    i64::try_from(text.iter().take_while(|byte| byte.is_ascii_digit()).count()).unwrap_or(i64::MAX)
}

/// How many zeros stand before another digit: a zero alone is a number.
fn leading_zeros(text: &[u8]) -> i64 {
    let zeros = text.iter().take_while(|byte| **byte == b'0').count();
    let zeros = i64::try_from(zeros).unwrap_or(i64::MAX);
    if zeros > 0 && zeros == digits(text) { zeros - 1 } else { zeros }
}
