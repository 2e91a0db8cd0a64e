//! Which of one user's jobs comes first: HTCondor's five attributes of a job, and their order. What
//! users are to each other is the negotiator's matter.

use classad::{ClassAd, Expr, Value};
use serde::{Deserialize, Serialize};

use crate::attr;

/// Where a job stands among its owner's: the greater, the sooner. The fields are compared from the
/// first to the last, as HTCondor's schedd does; what a job does not say counts 0. Only what is not
/// 0 travels.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(default)]
pub struct JobPriority {
    /// `PreJobPrio1`.
    #[serde(skip_serializing_if = "is_zero")]
    pub pre1: i32,
    /// `PreJobPrio2`.
    #[serde(skip_serializing_if = "is_zero")]
    pub pre2: i32,
    /// `JobPrio`: what `priority` and `condor_prio` set.
    #[serde(skip_serializing_if = "is_zero")]
    pub job: i32,
    /// `PostJobPrio1`.
    #[serde(skip_serializing_if = "is_zero")]
    pub post1: i32,
    /// `PostJobPrio2`.
    #[serde(skip_serializing_if = "is_zero")]
    pub post2: i32,
}

impl JobPriority {
    /// The attributes that it is made from, the weightiest first.
    pub const ATTRIBUTES: [&str; 5] = [
        attr::PRE_JOB_PRIO1,
        attr::PRE_JOB_PRIO2,
        attr::JOB_PRIO,
        attr::POST_JOB_PRIO1,
        attr::POST_JOB_PRIO2,
    ];

    /// The five numbers that order a job, from its ad.
    pub fn of(job: &ClassAd) -> Self {
        let of = |name| job.get(name).and_then(Self::value).unwrap_or(0);
        let [pre1, pre2, own, post1, post2] = Self::ATTRIBUTES.map(of);
        Self { pre1, pre2, job: own, post1, post2 }
    }

    /// Whether an attribute of this name is one of the five.
    pub fn has(name: &str) -> bool {
        Self::ATTRIBUTES.iter().any(|known| name.eq_ignore_ascii_case(known))
    }

    /// What one of the attributes counts with this value: an integer of 32 bits, as in HTCondor, or
    /// `undefined`, which is 0. Anything else does not count, and is refused where it is set.
    pub fn value(expr: &Expr) -> Option<i32> {
        match expr.as_literal()? {
            Value::Undefined => Some(0),
            value => value.as_i64().and_then(|number| i32::try_from(number).ok()),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weightier_attribute_beats_all_that_come_behind_it() {
        let of = |lines: &str| JobPriority::of(&ClassAd::parse_old(lines).unwrap());
        let rising = [
            "PreJobPrio1 = -1\nPreJobPrio2 = 9\nJobPrio = 9\nPostJobPrio1 = 9\nPostJobPrio2 = 9",
            "PreJobPrio2 = -1\nJobPrio = 9\nPostJobPrio1 = 9\nPostJobPrio2 = 9",
            "JobPrio = -1\nPostJobPrio1 = 9\nPostJobPrio2 = 9",
            "PostJobPrio1 = -1\nPostJobPrio2 = 9",
            "PostJobPrio2 = -1",
            "",
            "PostJobPrio2 = 1",
            "PostJobPrio1 = 1\nPostJobPrio2 = -9",
            "JobPrio = 1\nPostJobPrio1 = -9\nPostJobPrio2 = -9",
            "PreJobPrio2 = 1\nJobPrio = -9\nPostJobPrio1 = -9\nPostJobPrio2 = -9",
            "PreJobPrio1 = 1\nPreJobPrio2 = -9\nJobPrio = -9\nPostJobPrio1 = -9\nPostJobPrio2 = -9",
        ]
        .map(of);
        assert!(rising.is_sorted_by(|a, b| a < b), "{rising:?}");
    }

    #[test]
    fn only_an_integer_counts() {
        let check = |value: &str, expected: Option<i32>| {
            assert_eq!(JobPriority::value(&value.parse().unwrap()), expected, "{value}");
        };
        check("5", Some(5));
        check("-5", Some(-5));
        check("undefined", Some(0));
        check("2147483647", Some(i32::MAX));
        check("-2147483648", Some(i32::MIN));
        check("2147483648", None);
        check("5.0", None);
        check("true", None);
        check("QDate", None);
        check("\"high\"", None);
    }

    #[test]
    fn what_is_not_said_does_not_travel() {
        let priority = JobPriority { job: 5, ..JobPriority::default() };
        let text = serde_json::to_string(&priority).unwrap();
        assert_eq!(text, r#"{"job":5}"#);
        assert_eq!(serde_json::from_str::<JobPriority>(&text).unwrap(), priority);
        assert_eq!(serde_json::from_str::<JobPriority>("{}").unwrap(), JobPriority::default());
    }
}
