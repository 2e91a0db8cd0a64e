//! What an expression evaluates to.
//!
//! Knows the ten types of the language and how each converts to a Rust type. Does not evaluate, and
//! does not print (see `print`).

use std::fmt;
use std::sync::Arc;

use crate::{ClassAd, Expr, print};

/// A value of the language.
///
/// ```
/// use classad::{ClassAd, Env, Expr, Value};
/// let expr: Expr = "3 * 1.5".parse().unwrap();
/// let value = ClassAd::new().eval_expr(&expr, None, &Env::at(0));
/// assert_eq!(value, Value::Real(4.5));
/// assert_eq!(value.as_f64(), Some(4.5));
/// ```
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    /// An attribute that is not there, or anything computed from it.
    #[default]
    Undefined,
    /// The result of an operation that makes no sense, such as dividing by zero.
    Error,
    /// `true` or `false`.
    Boolean(bool),
    /// A 64-bit integer.
    Integer(i64),
    /// A double-precision number.
    Real(f64),
    String(Arc<str>),
    AbsTime(AbsTime),
    /// A length of time, in seconds.
    RelTime(f64),
    /// A list. Its elements are evaluated when they are looked at, as in the reference, and printed
    /// as written.
    List(Arc<[Expr]>),
    /// A nested ad.
    Ad(Arc<ClassAd>),
}

/// A moment, and the offset of the clock it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsTime {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix_s: i64,
    /// Seconds by which the local clock was ahead of UTC.
    pub offset_s: i32,
}

impl Value {
    /// The boolean, if this is one. Numbers are not: see [`Value::is_true`].
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Boolean(value) => Some(*value),
            Value::Undefined
            | Value::Error
            | Value::Integer(_)
            | Value::Real(_)
            | Value::String(_)
            | Value::AbsTime(_)
            | Value::RelTime(_)
            | Value::List(_)
            | Value::Ad(_) => None,
        }
    }

    /// The integer, if this is one.
    pub fn as_i64(&self) -> Option<i64> {
        if let Value::Integer(value) = self { Some(*value) } else { None }
    }

    /// The number, if this is an integer or a real.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "the language promotes integers to reals in this way"
            )]
            Value::Integer(value) => Some(*value as f64),
            Value::Real(value) => Some(*value),
            Value::Undefined
            | Value::Error
            | Value::Boolean(_)
            | Value::String(_)
            | Value::AbsTime(_)
            | Value::RelTime(_)
            | Value::List(_)
            | Value::Ad(_) => None,
        }
    }

    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The elements, if this is a list.
    pub fn as_list(&self) -> Option<&[Expr]> {
        if let Value::List(items) = self { Some(items) } else { None }
    }

    /// The nested ad, if this is one.
    pub fn as_ad(&self) -> Option<&ClassAd> {
        if let Value::Ad(ad) = self { Some(ad) } else { None }
    }

    /// Whether a condition with this value holds: `true`, or a number other than zero.
    pub fn is_true(&self) -> bool {
        self.truth() == Some(true)
    }

    /// The boolean that this value stands for as a condition: itself, or whether a number is not
    /// zero.
    pub fn truth(&self) -> Option<bool> {
        self.as_bool().or_else(|| self.as_f64().map(|number| number != 0.0))
    }

    /// Whether this is `undefined`.
    pub fn is_undefined(&self) -> bool {
        matches!(self, Value::Undefined)
    }

    /// Whether this is `error`.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error)
    }

    /// The word for the type, as `updraft classad eval --jsonl` prints it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Undefined => "undefined",
            Value::Error => "error",
            Value::Boolean(_) => "boolean",
            Value::Integer(_) => "integer",
            Value::Real(_) => "real",
            Value::String(_) => "string",
            Value::AbsTime(_) => "abstime",
            Value::RelTime(_) => "reltime",
            Value::List(_) => "list",
            Value::Ad(_) => "classad",
        }
    }

    /// The text in the new syntax, exactly as the reference's own unparser writes it (reals as
    /// `1.500000000000000E+00`).
    pub fn to_new(&self) -> String {
        let mut text = String::new();
        print::value(&mut text, self, print::Style::New);
        text
    }
}

/// As it appears in an ad in the old syntax: strings quoted, reals short.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        print::value(&mut text, self, print::Style::Old);
        f.write_str(&text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Integer(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Real(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Value {
        Value::String(text)
    }
}

impl From<ClassAd> for Value {
    fn from(ad: ClassAd) -> Value {
        Value::Ad(Arc::new(ad))
    }
}
