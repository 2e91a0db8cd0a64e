//! One case from a seed: the files of a DAG, and what is done to it. Everything that a node or a
//! script does is written in its arguments, so that a case says all about itself.
//!
//! Made so that chance has no part in what is compared: nodes that end a whole DAG (ABORT-DAG-ON,
//! a removal) run alone, or beside nodes that never end by themselves.

mod dag;
mod texts;

use std::collections::BTreeMap;

use crate::sim::Rng;

pub use texts::{NODE_SH, SCRIPT_SH};

/// A DAG and what is done to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Case {
    /// Each file's text, by its path in the folder.
    pub files: BTreeMap<String, String>,
    /// The DAG files, as they are submitted.
    pub dags: Vec<String>,
    /// What `condor_submit_dag` is told besides, in each round. The rounds after the first are made
    /// while there is a rescue file.
    pub rounds: Vec<Vec<String>>,
    /// In the first round the DAG is removed when this node's job runs.
    pub remove_at: Option<String>,
    /// Who waits for whom, by full names; only edges that hold also where a node failed.
    pub edges: Vec<(String, String)>,
    /// One node at a time: the order of everything is the same for everybody.
    pub serial: bool,
    /// Groups of which only so many nodes may have jobs at a time.
    pub limits: Vec<(Vec<String>, usize)>,
}

impl Case {
    /// Whether a node is marked DONE that has parents: where one of them fails, condor_dagman 25.14
    /// makes it futile, with all below it, or dies of it.
    pub fn has_done_below_undone(&self) -> bool {
        self.files.values().any(|text| {
            let lines: Vec<Vec<&str>> =
                text.lines().map(|line| line.split_whitespace().collect()).collect();
            let is_child = |name: &str| {
                lines.iter().any(|words| {
                    let child = words.iter().position(|word| word.eq_ignore_ascii_case("CHILD"));
                    child.is_some_and(|at| words[at..].contains(&name))
                })
            };
            let mut last = None;
            lines.iter().any(|words| {
                let is_job = words.first().is_some_and(|word| word.eq_ignore_ascii_case("JOB"));
                if is_job {
                    last = words.get(1).copied();
                }
                // Behind the node's own line, or behind its description.
                let ends = words.last() == Some(&"DONE") && (is_job || words[0] == "}");
                ends && last.is_some_and(is_child)
            })
        })
    }
}

/// The case of a seed.
pub fn case(seed: u64, index: u64) -> Case {
    let mut rng = Rng::new(seed.wrapping_mul(0x0001_0001).wrapping_add(index));
    dag::make(&mut rng)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_case_and_others_give_others() {
        assert_eq!(case(3, 4), case(3, 4));
        assert_ne!(case(3, 4), case(3, 5));
    }

    #[test]
    fn many_cases_say_everything_that_the_language_has() {
        let all: String =
            (0..300).flat_map(|n| case(1, n).files.into_values()).collect::<Vec<_>>().join("\n");
        for word in [
            "SPLICE",
            "SUBDAG",
            "FINAL",
            "SERVICE",
            "RETRY",
            "UNLESS-EXIT",
            "PRE_SKIP",
            "TOLERANCE",
            "ABORT-DAG-ON",
            "CATEGORY",
            "MAXJOBS",
            "PRIORITY",
            "NOOP",
            "DONE",
            "WEAK",
            "DIR",
            "DEFER",
            "SUBMIT-DESCRIPTION",
            "JOBSTATE_LOG",
            "NODE_STATUS_FILE",
            "ALL_NODES",
            "SAVE_POINT_FILE",
            "INCLUDE",
            "HOLD",
            "hang",
        ] {
            assert!(all.contains(word), "{word}");
        }
    }
}
