//! What condor_dagman 25.14 does in a way of its own, in so many places of a run that no line of it
//! can be compared: each kind, by what it left in the folder. A case that differs and has none of
//! them differs in earnest.

use super::generate::Case;
use super::observe::Observation;

/// A way of its own.
#[derive(Debug)]
pub struct OwnWay {
    /// Whether the real one went it.
    pub is_gone: fn(&Case, &Observation, &Observation) -> bool,
    /// What it is, and why ours is better.
    pub why: &'static str,
}

/// All of them.
pub const OWN_WAYS: &[OwnWay] = &[
    OwnWay {
        is_gone: came_to_no_end,
        why: "the real one came to no end: it died of an assertion, again and again, or a job never started again",
    },
    OwnWay {
        is_gone: refused_a_sub_dag,
        why: "-DoRescueFrom N is passed on to a sub-DAG that has no rescue file N: the real one cannot submit it, ours lets it begin by itself",
    },
    OwnWay {
        is_gone: made_a_done_node_futile,
        why: "a node marked DONE whose ancestor failed is futile in the real one, and all below it; in ours it is done",
    },
    OwnWay {
        is_gone: forgot_the_children,
        why: "where UNLESS-EXIT ends the retries, the real one tells the node's children nothing: weak ones do not begin, others are not futile",
    },
    OwnWay {
        is_gone: gave_up_on_nothing,
        why: "the real one ended with 1 though no node had failed, and some had not begun: a limit of a category and nodes without jobs",
    },
    OwnWay {
        is_gone: ran_a_job_again,
        why: "a job was evicted by the real schedd, and ran again: a job of the scheduler universe that is released at once, on a busy machine",
    },
    OwnWay {
        is_gone: began_final_beside_others,
        why: "where the DAG ends early, FINAL of the real one begins beside jobs that are being removed, and does not count them; ours begins when they are gone",
    },
];

/// The way of its own that the real one went, if it did.
pub fn gone(case: &Case, theirs: &Observation, ours: &Observation) -> Option<&'static OwnWay> {
    OWN_WAYS.iter().find(|way| (way.is_gone)(case, theirs, ours))
}

/// What is said of a round that came to no end.
pub const NO_END: &str = "did not end";

fn came_to_no_end(_: &Case, theirs: &Observation, ours: &Observation) -> bool {
    let has_no_end = |seen: &Observation| seen.exits.iter().any(|exit| exit.ends_with(NO_END));
    has_no_end(theirs) && !has_no_end(ours)
}

fn refused_a_sub_dag(case: &Case, theirs: &Observation, ours: &Observation) -> bool {
    let names_rescue = case.rounds.iter().flatten().any(|flag| flag == "-DoRescueFrom");
    let refused = |seen: &Observation, node: &str| {
        let line = format!("Shortcutting node {node} retries because of submit failure(s)");
        seen.said.iter().filter(|said| **said == line).count()
    };
    let mut sub_dags = case.files.values().flat_map(|text| text.lines()).filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("SUBDAG")).then(|| words.nth(1)).flatten()
    });
    names_rescue && sub_dags.any(|node| refused(theirs, node) > refused(ours, node))
}

fn made_a_done_node_futile(case: &Case, theirs: &Observation, _: &Observation) -> bool {
    case.done_nodes()
        .iter()
        .any(|done| case.ancestors(done).iter().any(|node| failed(theirs, node)))
}

fn forgot_the_children(case: &Case, theirs: &Observation, _: &Observation) -> bool {
    theirs.said.iter().any(|line| {
        let node = line.strip_prefix("Aborting further retries of node ");
        let node = node.and_then(|rest| rest.split(' ').next());
        node.is_some_and(|node| case.edges.iter().any(|(parent, _)| parent == node))
    })
}

fn gave_up_on_nothing(case: &Case, theirs: &Observation, _: &Observation) -> bool {
    let ends_early =
        case.remove_at.is_some() || case.files.values().any(|text| text.contains("ABORT-DAG-ON"));
    let rescues = || theirs.rescues.iter().filter(|(name, _)| name.contains(".rescue"));
    !ends_early && rescues().any(|(_, text)| text.contains("# Nodes that failed: 0\n"))
}

fn ran_a_job_again(_: &Case, theirs: &Observation, ours: &Observation) -> bool {
    let count = |seen: &Observation, event: &str, node: &str| {
        let line = format!("Event {event} {node}");
        seen.said.iter().filter(|said| **said == line).count()
    };
    let more = |event: &str, node: &str| count(theirs, event, node) > count(ours, event, node);
    // In the nodes' log too, which also has those of sub-DAGs.
    let evictions = |seen: &Observation, node: &str| {
        seen.events.get(node).map_or(0, |events| events.iter().filter(|e| **e == "004").count())
    };
    if theirs.events.keys().any(|node| evictions(theirs, node) > evictions(ours, node)) {
        return true;
    }
    let mut evicted = theirs.said.iter().filter_map(|l| l.strip_prefix("Event ULOG_JOB_EVICTED "));
    evicted.any(|node| more("ULOG_JOB_EVICTED", node) && more("ULOG_EXECUTE", node))
}

fn began_final_beside_others(case: &Case, _: &Observation, ours: &Observation) -> bool {
    let lines = || case.files.values().flat_map(|text| text.lines());
    let ends_early =
        case.remove_at.is_some() || lines().any(|line| line.starts_with("ABORT-DAG-ON"));
    let has_final = lines().any(|line| line.starts_with("FINAL "));
    // Those of SERVICE nodes stay in both.
    let mut removed = ours.said.iter().filter_map(|l| l.strip_prefix("Event ULOG_JOB_ABORTED "));
    ends_early && has_final && removed.next().is_some()
}

/// Whether a node stood among those that failed, or a node of a splice of that name.
fn failed(seen: &Observation, node: &str) -> bool {
    let names = seen.said.iter().filter_map(|line| line.strip_prefix("      Node Name: "));
    let mut rest = names.filter_map(|name| name.strip_prefix(node));
    rest.any(|rest| rest.is_empty() || rest.starts_with('+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_beside_jobs_that_are_removed_is_a_way_of_its_own_where_there_are_any() {
        let gone = |dag: &str, said: &[&str]| {
            let mut case = Case::default();
            case.files.insert("main.dag".to_owned(), dag.to_owned());
            let said = said.iter().map(|line| (*line).to_owned()).collect();
            let ours = Observation { said, ..Observation::default() };
            began_final_beside_others(&case, &Observation::default(), &ours)
        };
        let (dag, removed) = ("ABORT-DAG-ON A 5\nFINAL F x\n", "Event ULOG_JOB_ABORTED H");
        assert!(gone(dag, &[removed]));
        assert!(!gone(dag, &["Event ULOG_JOB_TERMINATED H"]));
        assert!(!gone("ABORT-DAG-ON A 5\n", &[removed]) && !gone("FINAL F x\n", &[removed]));
    }

    /// Whether a real one that said this went a way of its own in a case of these lines, and which.
    fn check(dag: &str, said: &[&str]) -> Option<usize> {
        let mut case = Case { dags: vec!["main.dag".to_owned()], ..Case::default() };
        case.files.insert("main.dag".to_owned(), dag.to_owned());
        for line in dag.lines() {
            if let ["PARENT", parent, "CHILD", child] = *line.split(' ').collect::<Vec<_>>() {
                case.edges.push((parent.to_owned(), child.to_owned()));
            }
        }
        let said = said.iter().map(|line| (*line).to_owned()).collect();
        let theirs = Observation { said, ..Observation::default() };
        let ours = Observation::default();
        OWN_WAYS.iter().position(|way| (way.is_gone)(&case, &theirs, &ours))
    }

    #[test]
    fn a_done_node_below_one_that_failed_is_a_way_of_its_own_and_one_below_others_is_none() {
        let dag = "JOB A x\nJOB B x\nJOB C x DONE\nJOB D x\nPARENT A CHILD B\nPARENT B CHILD C\n";
        assert_eq!(check(dag, &["      Node Name: A"]), Some(2));
        assert_eq!(check(dag, &["      Node Name: D"]), None);
        assert_eq!(check(dag, &["      Node Name: A+Q0"]), Some(2), "A may be a splice");
        assert_eq!(check(dag, &["      Node Name: AB"]), None);
        assert_eq!(check(&dag.replace(" DONE", ""), &["      Node Name: A"]), None);
    }

    #[test]
    fn retries_that_were_cut_short_matter_where_there_are_children() {
        let dag = "JOB A x\nJOB B x\nPARENT A CHILD B\n";
        let said =
            |node| format!("Aborting further retries of node {node} (last attempt returned 2)");
        assert_eq!(check(dag, &[&said("A")]), Some(3));
        assert_eq!(check(dag, &[&said("B")]), None);
    }
}
