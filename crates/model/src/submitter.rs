//! Under whose name a job is matched and charged.

use classad::{ClassAd, Value};

use crate::attr;
use crate::ids::UserName;

/// What the names of submitters who let everybody else go first begin with (`nice_user`).
const NICE: &str = "nice-user.";

/// A job's submitter (HTCondor 25.14): its accounting group with its user, `physics.alice`, or else
/// its owner.
pub fn submitter(job: &ClassAd, owner: &UserName) -> UserName {
    let group = job.literal(attr::ACCOUNTING_GROUP).and_then(Value::as_str);
    group.filter(|group| !group.is_empty()).map_or_else(|| owner.clone(), UserName::new)
}

/// Whether a submitter lets everybody else go first.
pub fn is_nice(submitter: &UserName) -> bool {
    let head = submitter.as_str().get(..NICE.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(NICE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_charged_to_its_group_and_user_or_to_its_owner() {
        for (text, expected, nice) in [
            ("", "alice", false),
            ("AccountingGroup = \"\"", "alice", false),
            ("AccountingGroup = \"physics.alice\"", "physics.alice", false),
            ("AccountingGroup = \"nice-user.alice\"", "nice-user.alice", true),
            ("AccountingGroup = strcat(\"a\", \"b\")", "alice", false),
        ] {
            let job = ClassAd::parse_old(text).unwrap();
            let found = submitter(&job, &UserName::new("alice"));
            assert_eq!((found.as_str(), is_nice(&found)), (expected, nice), "{text}");
        }
    }
}
