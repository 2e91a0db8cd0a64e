//! Concurrency limits: how much of each there is.

use std::collections::BTreeMap;

use model::LimitAmount;

/// How much there is of a limit that nobody has set (HTCondor 25.14: `CONCURRENCY_LIMIT_DEFAULT`).
const DEFAULT: f64 = 2_308_032.0;

/// The limits of a pool. Names are case-insensitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    named: BTreeMap<String, LimitAmount>,
    sets: BTreeMap<String, LimitAmount>,
    default: LimitAmount,
}

impl Limits {
    /// `<NAME>_LIMIT`.
    pub fn set(&mut self, name: &str, amount: f64) {
        self.named.insert(name.to_ascii_lowercase(), LimitAmount::of(amount));
    }

    /// `CONCURRENCY_LIMIT_DEFAULT_<SET>`: for the members of a set that have no limit of their own.
    pub fn set_default_of(&mut self, set: &str, amount: f64) {
        self.sets.insert(set.to_ascii_lowercase(), LimitAmount::of(amount));
    }

    /// `CONCURRENCY_LIMIT_DEFAULT`.
    pub fn set_default(&mut self, amount: f64) {
        self.default = LimitAmount::of(amount);
    }

    /// How much there is of a limit. Its set is what stands before the last dot of its name (HTCondor 25.14: `GetLimitMax`).
    pub fn of(&self, name: &str) -> LimitAmount {
        let name = name.to_ascii_lowercase();
        let of_set = || self.sets.get(name.rsplit_once('.')?.0).copied();
        self.named.get(&name).copied().or_else(of_set).unwrap_or(self.default)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { named: BTreeMap::new(), sets: BTreeMap::new(), default: LimitAmount::of(DEFAULT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_its_own_or_else_its_set_s_or_else_the_default() {
        let mut limits = Limits::default();
        assert_eq!(limits.of("db"), LimitAmount::of(2_308_032.0));
        limits.set_default(5.0);
        limits.set_default_of("License", 2.0);
        limits.set("LICENSE.Matlab", 1.0);
        limits.set("db", 0.0);
        for (name, amount) in
            [("db", 0.0), ("other", 5.0), ("license.matlab", 1.0), ("license.Other", 2.0)]
        {
            assert_eq!(limits.of(name), LimitAmount::of(amount), "{name}");
        }
    }
}
