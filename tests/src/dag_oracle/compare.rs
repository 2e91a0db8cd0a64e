//! Where two dagmans differ on a case, and which of the differences are meant.

use std::collections::{BTreeMap, BTreeSet};

use super::generate::Case;
use super::observe::Observation;

/// Something in which two dagmans differ on a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What of a run was compared: `what ran`, `events`, `dagman.out`.
    pub aspect: &'static str,
    /// Lines with `-` are only the real one's, lines with `+` only ours.
    pub text: String,
}

/// A difference that is meant.
#[derive(Debug)]
pub struct Meant {
    pub aspect: &'static str,
    /// A line of the difference has this.
    pub has: &'static str,
    /// Why ours is better.
    pub why: &'static str,
}

/// The differences that are meant. A line of a difference that one of them names is left out.
pub const MEANT: &[Meant] = &[
    Meant {
        aspect: "dagman.out",
        has: "Parsing Splice",
        why: "the lines of splices are of the same form as those of DAG files, which readers take for one",
    },
    Meant {
        aspect: "dagman.out",
        has: "DAGMAN error 0 and POST Script",
        why: "there was no error 0: a job that went well is not told of as failed",
    },
    Meant {
        aspect: "dagman.out",
        has: "+           Error: POST script failed with status",
        why: "the same, as ours says it",
    },
    Meant {
        aspect: "dagman.out",
        has: "-           Error: Job died on signal 1 and POST Script failed",
        why: "no job of a case dies of signal 1: the node could not be submitted, and its number -1001 was forgotten",
    },
    Meant {
        aspect: "dagman.out",
        has: "+           Error: Job failed due to DAGMAN error -1001 and POST Script failed",
        why: "the same, as ours says it",
    },
    Meant {
        aspect: "dagman.out",
        has: "- Event ULOG_JOB_ABORTED",
        why: "before FINAL, HTCondor removes jobs once more that are over, and calls what follows a bad event",
    },
    Meant {
        aspect: "dagman.out",
        has: "- Event ULOG_JOB_EVICTED",
        why: "of a job that is removed while it runs, HTCondor sometimes tells an eviction first",
    },
    Meant { aspect: "jobstate log", has: " JOB_EVICTED ", why: "the same" },
    Meant {
        aspect: "dagman.out",
        has: " failed, and is not tried again: ",
        why: "a node that failed for good is told at once, not only at the end",
    },
    Meant {
        aspect: "dagman.out",
        has: "+ HOLD Script of node",
        why: "how a HOLD script ended is told too",
    },
    Meant {
        aspect: "what ran",
        has: " -1001 ",
        why: "$SUCCESS of a node whose jobs could not be submitted is False: nothing succeeded",
    },
    Meant {
        aspect: "events",
        has: " post: ",
        why: "HTCondor logs the end of a POST script for a job -1 too, which is none",
    },
    Meant {
        aspect: "what ran",
        has: " -1 -1:1",
        why: "$EXIT_CODES of a job that a signal ended has minus the signal, as $RETURN has; HTCondor's has -1",
    },
    Meant { aspect: "what ran", has: " -9 -9:1", why: "the same, as ours says it" },
    Meant {
        aspect: "metrics",
        has: "- main.dag.metrics DagStatus 0",
        why: "after ABORT-DAG-ON with RETURN 0 by a POST script the status is 3, as after one by a job",
    },
    Meant { aspect: "metrics", has: "- main.dag.metrics DagStatus 2", why: "the same" },
    Meant { aspect: "metrics", has: "+ main.dag.metrics DagStatus 3", why: "the same" },
    Meant {
        aspect: "metrics",
        has: ".metrics graph_width ",
        why: "the real one counts a node of the widest layer again for each way to it: 15 of 7 nodes",
    },
    Meant {
        aspect: "metrics",
        has: ".metrics graph_height ",
        why: "the real one's is that of the way on which it came to a node first, not of the longest",
    },
    Meant {
        aspect: "status file",
        has: "- status.txt: DagStatus = 5;",
        why: "after ABORT-DAG-ON with RETURN 0 it is aborted, always; HTCondor sometimes says that it is done",
    },
    Meant {
        aspect: "status file",
        has: "+ status.txt: DagStatus = 6; /* \"STATUS_ERROR (aborted)\"",
        why: "the same",
    },
];

/// Where the two differ, but for what is meant.
pub fn compare(case: &Case, real: &Observation, ours: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut differ = |aspect: &'static str, real: &[String], ours: &[String]| {
        let lines: Vec<String> = difference(real, ours)
            .into_iter()
            .filter(|line| !MEANT.iter().any(|m| m.aspect == aspect && line.contains(m.has)))
            .collect();
        if !lines.is_empty() {
            findings.push(Finding { aspect, text: lines.join("\n") });
        }
    };
    differ("exit status", &real.exits, &ours.exits);
    differ("what ran", &sorted(&real.runs), &sorted(&ours.runs));
    differ("rescue files", &flat(&real.rescues), &flat(&ours.rescues));
    let pairs = |map: &BTreeMap<String, String>| -> Vec<String> {
        map.iter().map(|(key, value)| format!("{key} {value}")).collect()
    };
    differ("metrics", &pairs(&real.metrics), &pairs(&ours.metrics));
    differ("dagman.out", &real.said, &ours.said);
    let events = |map: &BTreeMap<String, Vec<String>>| -> Vec<String> {
        map.iter().map(|(key, value)| format!("{key}: {}", value.join(" "))).collect()
    };
    differ("events", &events(&real.events), &events(&ours.events));
    differ("jobstate log", &real.states, &ours.states);
    differ("status file", &real.status, &ours.status);
    if let (Some(real), Some(ours)) = (&real.more, &ours.more) {
        differ("more", real, ours);
    }
    if case.serial {
        differ("order", &begins(&real.runs), &begins(&ours.runs));
    }
    for (who, seen) in [("the real one", real), ("ours", ours)] {
        findings.extend(broken(case, who, seen));
    }
    findings
}

fn sorted(lines: &[String]) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.sort();
    lines
}

fn flat(files: &BTreeMap<String, String>) -> Vec<String> {
    let lines = files.iter().flat_map(|(name, text)| {
        std::iter::once(name.clone()).chain(text.lines().map(move |line| format!("{name}: {line}")))
    });
    lines.collect()
}

/// Jobs in the order in which they began.
fn begins(runs: &[String]) -> Vec<String> {
    let jobs = runs.iter().filter(|line| line.contains(" job ") && line.ends_with(" begin"));
    // Which job of a cluster begins first is chance.
    let nodes = jobs.map(|line| line.rsplit_once(' ').map_or("", |(front, _)| front));
    let nodes = nodes.map(|line| line.rsplit_once(' ').map_or("", |(front, _)| front));
    nodes.enumerate().map(|(at, line)| format!("{at} {line}")).collect()
}

/// Lines that only one of the two has, each as often as it has it more often.
fn difference(real: &[String], ours: &[String]) -> Vec<String> {
    let mut count: BTreeMap<&str, i64> = BTreeMap::new();
    real.iter().for_each(|line| *count.entry(line).or_default() -= 1);
    ours.iter().for_each(|line| *count.entry(line).or_default() += 1);
    let lines = count.into_iter().flat_map(|(line, count)| {
        let sign = if count < 0 { '-' } else { '+' };
        (0..count.abs()).map(move |_| format!("{sign} {line}"))
    });
    lines.collect()
}

/// What a run must not do whoever makes it: begin a child before its parent is over, or have jobs
/// of more nodes of a category than may.
fn broken(case: &Case, who: &str, seen: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for round in ["1 ", "2 ", "3 "] {
        let lines: Vec<&str> =
            seen.runs.iter().filter_map(|line| line.strip_prefix(round)).collect();
        let of = |line: &str, node: &str| line.split(' ').nth(1) == Some(node);
        for (parent, child) in &case.edges {
            let first = lines.iter().position(|line| of(line, child));
            let last = lines.iter().rposition(|line| of(line, parent));
            if let (Some(first), Some(last)) = (first, last)
                && first < last
            {
                let text = format!("{who}: {child} began before {parent} was over");
                findings.push(Finding { aspect: "order", text });
            }
        }
        for (group, most) in &case.limits {
            let at_once = most_at_once(&lines, group);
            if at_once.len() > *most {
                let names = at_once.into_iter().collect::<Vec<_>>().join(", ");
                let text = format!("{who}: {names} had jobs at a time, of which {most} may");
                findings.push(Finding { aspect: "limits", text });
            }
        }
    }
    findings
}

/// The nodes of a group that had jobs when most of them had, in one round's lines.
fn most_at_once<'l>(lines: &[&'l str], group: &[String]) -> BTreeSet<&'l str> {
    let (mut running, mut most) = (BTreeSet::new(), BTreeSet::new());
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let ["job", node, retry, proc, what, ..] = words[..] else { continue };
        if !group.iter().any(|name| name == node) {
            continue;
        }
        match what {
            "begin" => drop(running.insert((node, retry, proc))),
            _ => drop(running.remove(&(node, retry, proc))),
        }
        let nodes: BTreeSet<&str> = running.iter().map(|(node, ..)| *node).collect();
        if nodes.len() > most.len() {
            most = nodes;
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(runs: &[&str]) -> Observation {
        let runs = runs.iter().map(|line| (*line).to_owned()).collect();
        Observation { runs, ..Observation::default() }
    }

    #[test]
    fn what_only_one_did_is_told_with_its_sign() {
        let case = Case::default();
        let (real, ours) = (seen(&["1 job A 0 0 begin"]), seen(&["1 job B 0 0 begin"]));
        let findings = compare(&case, &real, &ours);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].text, "- 1 job A 0 0 begin\n+ 1 job B 0 0 begin");
        assert_eq!(compare(&case, &real, &real), []);
    }

    #[test]
    fn a_child_that_begins_too_early_is_found_on_either_side() {
        let case = Case { edges: vec![("A".into(), "B".into())], ..Case::default() };
        let bad = seen(&["1 job A 0 0 begin", "1 job B 0 0 begin", "1 job A 0 0 end 0"]);
        assert_eq!(compare(&case, &bad, &bad).len(), 2);
        let good = seen(&["1 job A 0 0 begin", "1 job A 0 0 end 0", "1 job B 0 0 begin"]);
        assert_eq!(compare(&case, &good, &good), []);
    }

    #[test]
    fn more_nodes_of_a_category_than_may_are_found_on_either_side() {
        let group = vec!["A".to_owned(), "B".to_owned()];
        let case = Case { limits: vec![(group, 1)], ..Case::default() };
        let bad = seen(&["1 job A 0 0 begin", "1 job B 0 0 begin", "1 job A 0 0 end 0"]);
        let findings = compare(&case, &bad, &bad);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!(findings[1].text, "ours: A, B had jobs at a time, of which 1 may");
        // Several jobs of one node, a node of no category, and another round are no more.
        let good = seen(&[
            "1 job A 0 0 begin",
            "1 job A 0 1 begin",
            "1 job C 0 0 begin",
            "1 job A 0 1 end 0",
            "1 job A 0 0 end 0",
            "1 job B 0 0 begin",
            "2 job A 0 0 begin",
        ]);
        assert_eq!(compare(&case, &good, &good), []);
    }
}
