//! Operators on values: undefined and error propagation, promotion of types, arithmetic that never
//! panics.
//!
//! Follows HTCondor 25.14, which the differential tests compare with case by case.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::Value;
use crate::eval::Val;
use crate::expr::{BinaryOp, OpKind, UnaryOp};
use crate::value::AbsTime;

/// The answer of an operator that its left operand decides alone.
pub(crate) fn short_circuit(op: BinaryOp, left: &Val) -> Option<Val> {
    match (op, left.truth()) {
        (BinaryOp::Or, Some(true)) => Some(Val::Boolean(true)),
        (BinaryOp::And, Some(false)) => Some(Val::Boolean(false)),
        _ => None,
    }
}

/// `left op right`.
pub(crate) fn combine(op: BinaryOp, left: &Val, right: &Val) -> Val {
    let operate = match op.kind() {
        OpKind::Logic => {
            return Val::from(logical(op, Truth::from(left), Truth::from(right)));
        }
        OpKind::Identity => {
            let same = identical(left, right);
            return same.map_or(Val::Error, |same| Val::Boolean(same == (op == BinaryOp::Is)));
        }
        OpKind::Comparison => {
            |op, left: &Val, right: &Val| compare(op, left, right).map_or(Val::Error, Val::Boolean)
        }
        OpKind::Bit => bitwise,
        OpKind::Arithmetic => arithmetic,
    };
    strict(left, right).unwrap_or_else(|| operate(op, left, right))
}

/// An operand that a strict operator passes on: error before undefined.
fn strict(left: &Val, right: &Val) -> Option<Val> {
    match (left, right) {
        (Val::Error, _) | (_, Val::Error) => Some(Val::Error),
        (Val::Undefined, _) | (_, Val::Undefined) => Some(Val::Undefined),
        _ => None,
    }
}

/// What `&&`, `||` and the like see of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    Is(bool),
    Undefined,
    Error,
}

impl Truth {
    pub(crate) fn is_true(self) -> bool {
        self == Truth::Is(true)
    }
}

impl From<&Val> for Truth {
    #[inline]
    fn from(value: &Val) -> Truth {
        match value {
            Val::Undefined => Truth::Undefined,
            _ => value.truth().map_or(Truth::Error, Truth::Is),
        }
    }
}

impl From<Truth> for Val {
    #[inline]
    fn from(truth: Truth) -> Val {
        match truth {
            Truth::Is(value) => Val::Boolean(value),
            Truth::Undefined => Val::Undefined,
            Truth::Error => Val::Error,
        }
    }
}

/// A left error is never squashed; a left undefined is, by an operand that decides.
#[inline]
pub(crate) fn logical(op: BinaryOp, left: Truth, right: Truth) -> Truth {
    let deciding = op == BinaryOp::Or;
    match (left, right) {
        (Truth::Error, _) | (_, Truth::Error) => Truth::Error,
        (Truth::Is(left), _) if left == deciding => Truth::Is(deciding),
        (Truth::Is(_), Truth::Is(right)) => Truth::Is(right),
        (Truth::Undefined, Truth::Is(right)) if right == deciding => Truth::Is(deciding),
        (_, Truth::Undefined) | (Truth::Undefined, _) => Truth::Undefined,
    }
}

/// `=?=`: same type and same value, strings with regard to case. Lists and ads have no identity.
pub(crate) fn identical(left: &Val, right: &Val) -> Option<bool> {
    Some(match (left, right) {
        (Val::Undefined, Val::Undefined) | (Val::Error, Val::Error) => true,
        (Val::Boolean(left), Val::Boolean(right)) => left == right,
        (Val::Integer(left), Val::Integer(right)) => left == right,
        (Val::Real(left), Val::Real(right)) => left == right,
        (Val::String(left), Val::String(right)) => left == right,
        (Val::AbsTime(left), Val::AbsTime(right)) => left == right,
        (Val::RelTime(left), Val::RelTime(right)) => left == right,
        (Val::List(..), Val::List(..)) | (Val::Ad(_), Val::Ad(_)) => return None,
        _ => false,
    })
}

/// A comparison of two values that are neither undefined nor error; `None` where it makes no sense.
pub(crate) fn compare(op: BinaryOp, left: &Val, right: &Val) -> Option<bool> {
    let order = match (left, right) {
        (Val::String(left), Val::String(right)) => Some(compare_text(left, right)),
        (Val::AbsTime(left), Val::AbsTime(right)) => Some(left.unix_s.cmp(&right.unix_s)),
        (Val::RelTime(left), Val::RelTime(right)) => left.partial_cmp(right),
        _ => match (integer(left), integer(right)) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => number(left)?.partial_cmp(&number(right)?),
        },
    };
    Some(holds(op, order))
}

/// Whether a comparison operator holds for operands in this order; numbers that are not in any
/// order only differ.
pub(crate) fn holds(op: BinaryOp, order: Option<Ordering>) -> bool {
    match op {
        BinaryOp::Equal | BinaryOp::Is => order == Some(Ordering::Equal),
        BinaryOp::NotEqual | BinaryOp::Isnt => order != Some(Ordering::Equal),
        BinaryOp::Less => order == Some(Ordering::Less),
        BinaryOp::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        BinaryOp::Greater => order == Some(Ordering::Greater),
        BinaryOp::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        _ => false,
    }
}

/// The frequent comparisons, on stored values; `None` leaves the answer to [`combine`].
pub(crate) fn compare_in_place(op: BinaryOp, left: &Value, right: &Value) -> Option<bool> {
    match op.kind() {
        OpKind::Comparison => {}
        OpKind::Identity => {
            let (Value::String(left), Value::String(right)) = (left, right) else { return None };
            return Some((left == right) == (op == BinaryOp::Is));
        }
        OpKind::Logic | OpKind::Bit | OpKind::Arithmetic => return None,
    }
    let order = match (left, right) {
        (Value::String(left), Value::String(right)) => {
            if matches!(op, BinaryOp::Equal | BinaryOp::NotEqual) {
                let equal = left.eq_ignore_ascii_case(right);
                return Some(equal == (op == BinaryOp::Equal));
            }
            Some(compare_text(left, right))
        }
        (Value::Integer(left), Value::Integer(right)) => Some(left.cmp(right)),
        (Value::Real(left), Value::Real(right)) => left.partial_cmp(right),
        _ => return None,
    };
    Some(holds(op, order))
}

/// Strings compare without regard to ASCII case.
pub(crate) fn compare_text(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.bytes(), right.bytes());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => {
                match left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase()) {
                    Ordering::Equal => {}
                    different => return different,
                }
            }
        }
    }
}

/// A boolean or an integer as an integer.
fn integer(value: &Val) -> Option<i64> {
    match value {
        Val::Boolean(value) => Some(i64::from(*value)),
        Val::Integer(value) => Some(*value),
        Val::Undefined
        | Val::Error
        | Val::Real(_)
        | Val::String(_)
        | Val::AbsTime(_)
        | Val::RelTime(_)
        | Val::List(..)
        | Val::Ad(_) => None,
    }
}

/// A boolean or a number as a real.
#[expect(
    clippy::cast_precision_loss,
    reason = "the language promotes integers to reals in this way"
)]
pub(crate) fn number(value: &Val) -> Option<f64> {
    match value {
        Val::Real(value) => Some(*value),
        _ => integer(value).map(|value| value as f64),
    }
}

fn bitwise(op: BinaryOp, left: &Val, right: &Val) -> Val {
    let (Val::Integer(left), Val::Integer(right)) = (left, right) else { return Val::Error };
    let (left, right) = (*left, *right);
    // Shift counts beyond the width behave as x86-64 does, where the reference was compiled: modulo
    // 64.
    let modulo_64 = |count: i64| u32::try_from(count.rem_euclid(64)).unwrap_or(0);
    Val::Integer(match op {
        BinaryOp::BitOr => left | right,
        BinaryOp::BitXor => left ^ right,
        BinaryOp::BitAnd => left & right,
        BinaryOp::ShiftLeft => left.wrapping_shl(modulo_64(right)),
        // Negative numbers keep their sign, one step at a time, at most 64 of them.
        BinaryOp::ShiftRight if left < 0 => left >> u32::try_from(right.clamp(0, 63)).unwrap_or(0),
        // The sign goes with the first step; the others are counted modulo 64.
        BinaryOp::ShiftRightUnsigned if left < 0 => {
            ((left >> 1) & i64::MAX) >> modulo_64(right.wrapping_sub(1))
        }
        _ => left >> modulo_64(right),
    })
}

fn arithmetic(op: BinaryOp, left: &Val, right: &Val) -> Val {
    if matches!(left, Val::AbsTime(_) | Val::RelTime(_))
        || matches!(right, Val::AbsTime(_) | Val::RelTime(_))
    {
        return time_arithmetic(op, left, right);
    }
    if let (Some(left), Some(right)) = (integer(left), integer(right)) {
        return integer_arithmetic(op, left, right);
    }
    let (Some(left), Some(right)) = (number(left), number(right)) else { return Val::Error };
    let result = match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide => left / right,
        _ => return Val::Error,
    };
    // Overflow upwards is an error, downwards it is not: so the reference has it.
    if result == f64::INFINITY { Val::Error } else { Val::Real(result) }
}

fn integer_arithmetic(op: BinaryOp, left: i64, right: i64) -> Val {
    match op {
        BinaryOp::Add => Val::Integer(left.wrapping_add(right)),
        BinaryOp::Subtract => Val::Integer(left.wrapping_sub(right)),
        BinaryOp::Multiply => Val::Integer(left.wrapping_mul(right)),
        BinaryOp::Divide if right == 0 => Val::Error,
        BinaryOp::Divide => Val::Integer(left.checked_div(right).unwrap_or(i64::MAX)),
        BinaryOp::Modulus if right == 0 => Val::Error,
        BinaryOp::Modulus => Val::Integer(left.checked_rem(right).unwrap_or(0)),
        _ => Val::Error,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "whole seconds are what moments are made of; the cast saturates"
)]
fn time_arithmetic(op: BinaryOp, left: &Val, right: &Val) -> Val {
    let moved = |time: &AbsTime, seconds: f64, sign: i64| {
        let seconds = i64::from(seconds as i32);
        Val::AbsTime(AbsTime { unix_s: time.unix_s.wrapping_add(sign * seconds), ..*time })
    };
    match (op, left, right) {
        (BinaryOp::Add, Val::AbsTime(time), Val::RelTime(length))
        | (BinaryOp::Add, Val::RelTime(length), Val::AbsTime(time)) => moved(time, *length, 1),
        (BinaryOp::Subtract, Val::AbsTime(time), Val::RelTime(length)) => moved(time, *length, -1),
        #[expect(clippy::cast_precision_loss, reason = "differences of moments are far below 2^53")]
        (BinaryOp::Subtract, Val::AbsTime(left), Val::AbsTime(right)) => {
            Val::RelTime(left.unix_s.wrapping_sub(right.unix_s) as f64)
        }
        (BinaryOp::Add, Val::RelTime(left), Val::RelTime(right)) => length_of(left + right),
        (BinaryOp::Subtract, Val::RelTime(left), Val::RelTime(right)) => length_of(left - right),
        (BinaryOp::Multiply, Val::RelTime(length), Val::Integer(_) | Val::Real(_)) => {
            number(right).map_or(Val::Error, |factor| length_of(length * factor))
        }
        (BinaryOp::Multiply, Val::Integer(_) | Val::Real(_), Val::RelTime(length)) => {
            number(left).map_or(Val::Error, |factor| length_of(factor * length))
        }
        (BinaryOp::Divide, Val::RelTime(length), Val::Integer(_) | Val::Real(_)) => {
            number(right).map_or(Val::Error, |divisor| length_of(length / divisor))
        }
        _ => Val::Error,
    }
}

/// A length of time, if it is one: seconds without end cannot be printed, nor read back.
pub(crate) fn length_of(seconds: f64) -> Val {
    if seconds.is_finite() { Val::RelTime(seconds) } else { Val::Error }
}

pub(crate) fn unary(op: UnaryOp, operand: Val) -> Val {
    match (op, operand) {
        (_, Val::Error) => Val::Error,
        (_, Val::Undefined) => Val::Undefined,
        (UnaryOp::Not, operand) => negate_bool(&operand),
        (UnaryOp::Plus, operand @ (Val::Integer(_) | Val::Real(_) | Val::RelTime(_))) => operand,
        (UnaryOp::Minus, Val::Integer(value)) => Val::Integer(value.wrapping_neg()),
        (UnaryOp::Minus, Val::Real(value)) => Val::Real(-value),
        (UnaryOp::Minus, Val::RelTime(value)) => Val::RelTime(-value),
        (UnaryOp::BitNot, Val::Integer(value)) => Val::Integer(!value),
        (UnaryOp::Plus | UnaryOp::Minus | UnaryOp::BitNot, _) => Val::Error,
    }
}

/// `!value`.
pub(crate) fn negate_bool(value: &Val) -> Val {
    value.truth().map_or(Val::Error, |truth| Val::Boolean(!truth))
}

/// A string that is already shared.
impl From<Arc<str>> for Val {
    fn from(text: Arc<str>) -> Val {
        Val::String(text)
    }
}
