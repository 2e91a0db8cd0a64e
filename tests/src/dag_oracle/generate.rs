//! One case from a seed: the files of a DAG, and what is done to it. Everything that a node or a
//! script does is written in its arguments, so that a case says all about itself.
//!
//! Made so that chance has no part in what is compared: nodes that end a whole DAG (ABORT-DAG-ON,
//! a removal) run alone, or beside nodes that never end by themselves.

mod dag;
mod settings;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use crate::sim::Rng;

pub(super) use texts::submit_file;
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
    /// The nodes that are marked DONE, by their full names: only those of DAG files themselves may
    /// be.
    pub fn done_nodes(&self) -> Vec<String> {
        let mut done = Vec::new();
        for (number, file) in self.dags.iter().enumerate() {
            let prefix = if self.dags.len() > 1 { format!("{number}.") } else { String::new() };
            let mut last = None;
            for line in self.files.get(file).into_iter().flat_map(|text| text.lines()) {
                let words: Vec<&str> = line.split_whitespace().collect();
                let Some(first) = words.first() else { continue };
                let is_job = first.eq_ignore_ascii_case("JOB");
                if is_job {
                    last = words.get(1).copied();
                }
                // Behind the node's own line, or behind its description.
                if words.last() == Some(&"DONE") && (is_job || *first == "}") {
                    done.extend(last.map(|name| format!("{prefix}{name}")));
                }
            }
        }
        done
    }

    /// All that a node waits for.
    pub fn ancestors<'c>(&'c self, node: &'c str) -> BTreeSet<&'c str> {
        let mut found = BTreeSet::new();
        let mut next = vec![node];
        while let Some(node) = next.pop() {
            let parents = self.edges.iter().filter(|(_, child)| child == node);
            next.extend(parents.map(|(parent, _)| parent.as_str()).filter(|p| found.insert(*p)));
        }
        found
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
            (0..1000).flat_map(|n| case(1, n).files.into_values()).collect::<Vec<_>>().join("\n");
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
            "CONFIG",
            "ENV SET",
            "ENV GET",
            "SET_JOB_ATTR",
            "DOT g.dot UPDATE",
            "INCLUDE head.dot",
            "DEBUG said.dbg",
            "first.sub",
        ] {
            assert!(all.contains(word), "{word}");
        }
    }
}
