//! Where and how a job runs: HTCondor's universes, as far as they are built.

use classad::{ClassAd, Value};
use serde::{Deserialize, Serialize};

use crate::attr;

/// `JobUniverse`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Universe {
    /// 5: on a machine of the pool, in a slot that a match has found.
    #[default]
    Vanilla,
    /// 7: beside the schedd, at once, without a scratch folder of its own.
    Scheduler,
    /// 12: beside the schedd, at once.
    Local,
}

/// `JobUniverse` of jobs whose program runs on several nodes at once. In all else they are jobs of
/// the vanilla universe.
const PARALLEL: i64 = 11;

impl Universe {
    /// `JobUniverse` of the parallel universe.
    pub const fn parallel() -> i64 {
        PARALLEL
    }

    /// Whether a job's program runs on each of its nodes.
    pub fn is_parallel(job: &ClassAd) -> bool {
        job.literal(attr::JOB_UNIVERSE).and_then(Value::as_i64) == Some(PARALLEL)
    }

    /// The number in `JobUniverse`.
    pub const fn number(self) -> i64 {
        match self {
            Self::Vanilla => 5,
            Self::Scheduler => 7,
            Self::Local => 12,
        }
    }

    /// The universe of that number, if it is built.
    pub const fn from_number(number: i64) -> Option<Self> {
        match number {
            5 | PARALLEL => Some(Self::Vanilla),
            7 => Some(Self::Scheduler),
            12 => Some(Self::Local),
            _ => None,
        }
    }

    /// A job's. One that says nothing is for the machines of the pool.
    pub fn of(job: &ClassAd) -> Self {
        let number = job.literal(attr::JOB_UNIVERSE).and_then(Value::as_i64);
        number.and_then(Self::from_number).unwrap_or_default()
    }

    /// Whether its jobs run beside the schedd: on the submit machine, without a slot and without a
    /// match.
    pub const fn is_beside(self) -> bool {
        match self {
            Self::Vanilla => false,
            Self::Scheduler | Self::Local => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_universe_is_told_by_its_number() {
        for (number, universe, beside) in [
            (5, Universe::Vanilla, false),
            (7, Universe::Scheduler, true),
            (12, Universe::Local, true),
        ] {
            let mut job = ClassAd::new();
            job.set(attr::JOB_UNIVERSE, number);
            assert_eq!(Universe::of(&job), universe);
            assert_eq!((universe.number(), universe.is_beside()), (number, beside));
        }
        assert_eq!(Universe::of(&ClassAd::new()), Universe::Vanilla);
        assert_eq!(Universe::from_number(9), None);
        assert_eq!(Universe::from_number(Universe::parallel()), Some(Universe::Vanilla));
    }
}
