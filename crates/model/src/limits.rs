//! Concurrency limits: how much of each pool-wide limit a job uses while it runs, as
//! `ConcurrencyLimits` says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Parts of one that are told apart: HTCondor counts in floating point, and jobs are given halves,
/// not millionths.
const PER_UNIT: u64 = 1000;

/// How much of a limit, in thousandths: sums of it are exact.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LimitAmount(u64);

/// A use of one limit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LimitUse {
    /// The limit's name, in lower case: names are case-insensitive. `set.member` is a member of a
    /// set.
    pub name: String,
    /// How much of it.
    pub amount: LimitAmount,
}

/// A word of the list that names no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid concurrency limit '{0}'")]
pub struct BadLimit(pub String);

impl LimitAmount {
    pub const ONE: Self = Self(PER_UNIT);

    /// So much, to the nearest thousandth; nothing if it is below 0 or no number.
    pub fn of(number: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "1000 is exact")]
        let parts = (number * PER_UNIT as f64).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and makes 0 of what is no number"
        )]
        Self(parts as u64)
    }

    /// The sum, which stops at the greatest amount that can be held.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of it without the other; nothing if that is more.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for LimitAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, parts) = (self.0 / PER_UNIT, self.0 % PER_UNIT);
        if parts == 0 {
            return write!(f, "{whole}");
        }
        let text = format!("{whole}.{parts:03}");
        f.write_str(text.trim_end_matches('0'))
    }
}

impl LimitUse {
    /// Reads `XSW, DB:3, set.member`: sorted, and what is named twice counts twice. An amount that
    /// is no number above 0 is 1 (HTCondor 25.14: `ParseConcurrencyLimit`).
    ///
    /// # Errors
    ///
    /// The first word that names no limit.
    pub fn list(text: &str) -> Result<Vec<Self>, BadLimit> {
        let mut uses: Vec<Self> = Vec::new();
        for word in text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty()) {
            let (name, amount) = word.split_once(':').unwrap_or((word, "1"));
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(BadLimit(word.to_owned()));
            }
            let amount = amount.parse().map_or(LimitAmount(0), LimitAmount::of);
            let amount = if amount.is_zero() { LimitAmount::ONE } else { amount };
            let name = name.to_ascii_lowercase();
            match uses.iter_mut().find(|known| known.name == name) {
                Some(known) => known.amount = known.amount.plus(amount),
                None => uses.push(Self { name, amount }),
            }
        }
        uses.sort();
        Ok(uses)
    }
}

impl fmt::Display for LimitUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.amount == LimitAmount::ONE { Ok(()) } else { write!(f, ":{}", self.amount) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_limits_is_read_as_htcondor_reads_it() {
        for (text, read) in [
            ("XSW, DB:3", Some("db:3 xsw")),
            ("xsw XSW:2", Some("xsw:3")),
            ("set.member:0.5", Some("set.member:0.5")),
            ("a:0 b:-1 c:x", Some("a b c")),
            ("", Some("")),
            ("a b!", None),
            (":3", None),
        ] {
            let uses = LimitUse::list(text).ok();
            let words =
                uses.map(|uses| uses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            assert_eq!(words.as_deref(), read, "{text}");
        }
    }

    #[test]
    fn amounts_are_exact_to_the_thousandth() {
        let tenth = LimitAmount::of(0.1);
        let sum = (0..10).fold(LimitAmount::default(), |sum, _| sum.plus(tenth));
        assert_eq!(sum, LimitAmount::ONE);
        assert_eq!(LimitAmount::of(2_308_032.0).to_string(), "2308032");
        assert_eq!(LimitAmount::of(-1.0), LimitAmount::default());
        assert_eq!(LimitAmount::of(f64::NAN), LimitAmount::default());
    }
}
