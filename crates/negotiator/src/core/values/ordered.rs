//! Numbers that can be sorted: ranks and shares.

use std::cmp::Ordering;

use classad::Value;

/// A number in the total order of IEEE 754. Never used for one that is not a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordered(pub(crate) f64);

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// A rank: what is no number counts nothing (HTCondor 25.14: `EvalFloat`, else 0).
pub(crate) fn number(value: &Value) -> f64 {
    let number = match value.as_f64() {
        Some(number) => number,
        None => f64::from(u8::from(value.as_bool().unwrap_or(false))),
    };
    if number.is_finite() { number } else { 0.0 }
}
