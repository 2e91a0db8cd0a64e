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

/// What stands at a place of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zero,
    Digit,
    Other,
}

fn kind(byte: u8) -> Kind {
    match byte {
        b'0' => Kind::Zero,
        b'1'..=b'9' => Kind::Digit,
        _ => Kind::Other,
    }
}

/// The order of the C library's `strverscmp`, which the reference uses: the sign is what matters, the size is that of the
/// first difference. A run of digits with a leading zero is a fraction: more zeros come first.
fn compare(left: &[u8], right: &[u8]) -> i64 {
    let at = |text: &[u8], index: usize| text.get(index).copied().unwrap_or(0);
    let longest = left.len().max(right.len());
    let Some(place) = (0..longest).find(|index| at(left, *index) != at(right, *index)) else {
        return 0;
    };
    let (here, there) = (at(left, place), at(right, place));
    let difference = i64::from(here) - i64::from(there);
    let shared = &left[..place];
    let digits = shared.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let run = &shared[place - digits..];
    let (here, there) = (kind(here), kind(there));
    let sign_of_longer = |left_longer: bool| if left_longer { 1 } else { -1 };
    match run.first().map(|first| kind(*first)) {
        // No digits yet: two numbers begin here, compared by their length first.
        None if here == Kind::Digit && there == Kind::Digit => {
            longer(left, right, place).unwrap_or(difference)
        }
        // Inside whole numbers.
        Some(Kind::Digit) => match (here, there) {
            (Kind::Other, Kind::Other) => difference,
            (Kind::Other, _) => sign_of_longer(false),
            (_, Kind::Other) => sign_of_longer(true),
            _ => longer(left, right, place).unwrap_or(difference),
        },
        // After zeros only: whoever goes on with digits is the smaller fraction.
        Some(_) if run.iter().all(|byte| *byte == b'0') => match (here, there) {
            (Kind::Other, Kind::Zero | Kind::Digit) => 1,
            (Kind::Zero | Kind::Digit, Kind::Other) => -1,
            _ => difference,
        },
        None | Some(_) => difference,
    }
}

/// Which of the two runs of digits that go on from `place` is longer.
fn longer(left: &[u8], right: &[u8], place: usize) -> Option<i64> {
    let length =
        |text: &[u8]| text[place..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    match length(left).cmp(&length(right)) {
        std::cmp::Ordering::Less => Some(-1),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(1),
    }
}
