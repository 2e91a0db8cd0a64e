//! A DAG on a terminal: a bar for each state, how long it may take yet, what failed and what that
//! said last.

use std::fmt::Write as _;

use super::span;
use crate::render::paint::{Paint, Tone};

/// How a DAG stands, as its own job says it.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub job: u32,
    pub total: i64,
    /// Nodes by state.
    pub states: Vec<(&'static str, i64)>,
    pub failed: Vec<FailedNode>,
    /// Since when it runs, seconds.
    pub elapsed_s: i64,
    /// How long it may take yet.
    pub eta_s: Option<i64>,
    /// What it exited with, if it is over.
    pub exit: Option<i64>,
    /// Whether it begins nothing new, because somebody asked for that.
    pub is_halted: bool,
}

/// A node that failed.
#[derive(Clone, Debug, Default)]
pub struct FailedNode {
    pub node: String,
    pub why: String,
    /// The last lines of its job's standard error.
    pub stderr: Vec<String>,
}

/// How wide a bar is that stands for all nodes.
const BAR: i64 = 40;

/// Nodes that failed and are told; the rest are counted.
const MAX_FAILED: usize = 20;

/// How long what is left may take, if nodes go on ending as they did: none before the first has.
pub fn eta(total: i64, over: i64, elapsed_s: i64) -> Option<i64> {
    let left = total - over;
    (over > 0 && left > 0).then(|| elapsed_s.max(0).saturating_mul(left) / over)
}

/// A DAG's standing in lines for a terminal.
pub fn text(standing: &Standing, paint: Paint) -> String {
    let Standing { job, total, elapsed_s, .. } = standing;
    let has_begun = *total > 0;
    let mut text = match (has_begun, total) {
        (false, _) => format!("DAG {job}, whose nodes are not known yet, {}", span(*elapsed_s)),
        (true, 1) => format!("DAG {job}, 1 node, {}", span(*elapsed_s)),
        (true, _) => format!("DAG {job}, {total} nodes, {}", span(*elapsed_s)),
    };
    match (standing.exit, standing.eta_s) {
        (Some(exit), _) => {
            let _ = write!(text, ", over with exit status {exit}");
        }
        (None, Some(eta)) => {
            let _ = write!(text, ", perhaps {} left", span(eta));
        }
        (None, None) => {}
    }
    if standing.is_halted {
        let _ = write!(text, ", halted; to go on:  updraft dag resume {job}");
    }
    text.push('\n');
    for (name, count) in standing.states.iter().filter(|(_, count)| *count > 0) {
        let width = if has_begun { (count * BAR + total - 1) / total } else { 0 };
        let bar = "#".repeat(usize::try_from(width).unwrap_or(0));
        let tone = match *name {
            "done" => Tone::Good,
            "failed" => Tone::Bad,
            "futile" => Tone::Faint,
            _ => Tone::Waiting,
        };
        let _ = writeln!(
            text,
            "{}",
            format!("{name:>20} {count:>8} {}", paint.text(tone, &bar)).trim_end()
        );
    }
    for failed in standing.failed.iter().take(MAX_FAILED) {
        let _ = writeln!(text, "{} failed: {}", failed.node, failed.why);
        for line in &failed.stderr {
            let _ = writeln!(text, "    | {}", paint.text(Tone::Faint, line));
        }
    }
    let more = standing.failed.len().saturating_sub(MAX_FAILED);
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    text
}

/// The same as data.
pub fn json(standing: &Standing) -> serde_json::Value {
    let states: serde_json::Map<String, serde_json::Value> =
        standing.states.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())).collect();
    let failed = |one: &FailedNode| serde_json::json!({ "node": one.node, "why": one.why, "stderr": one.stderr });
    serde_json::json!({
        "job": standing.job,
        "nodes": standing.total,
        "states": states,
        "failed": standing.failed.iter().map(failed).collect::<Vec<_>>(),
        "elapsed_s": standing.elapsed_s,
        "eta_s": standing.eta_s,
        "exit": standing.exit,
        "halted": standing.is_halted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dag_is_told_with_bars_what_failed_and_the_time_that_is_left() {
        let stderr = vec!["Traceback:".to_owned(), "no such sample".to_owned()];
        let failed = |node: &str| FailedNode {
            node: node.to_owned(),
            why: "Job proc (8.0.0) failed with status 3".to_owned(),
            stderr: stderr.clone(),
        };
        let standing = Standing {
            job: 7,
            total: 200,
            states: vec![("done", 50), ("in the queue", 1), ("failed", 1), ("futile", 0)],
            failed: vec![failed("align")],
            elapsed_s: 3600,
            eta_s: eta(200, 50, 3600),
            exit: None,
            is_halted: false,
        };
        expect_test::expect_file!["../../../tests/golden/dag/bars.txt"]
            .assert_eq(&text(&standing, Paint::Off));
        let many = Standing { failed: vec![failed("n"); 25], exit: Some(1), ..standing };
        assert!(text(&many, Paint::Off).ends_with("and 5 more\n"));
        assert!(text(&many, Paint::Off).contains("over with exit status 1"));
        let halted = Standing { exit: None, is_halted: true, ..many };
        let first = text(&halted, Paint::Off);
        assert!(first.lines().next().unwrap().ends_with("updraft dag resume 7"), "{first}");
        let begins = Standing { job: 8, states: vec![("done", 0)], ..Standing::default() };
        assert_eq!(text(&begins, Paint::Off), "DAG 8, whose nodes are not known yet, 0s\n");
    }

    #[test]
    fn before_the_first_node_has_ended_nothing_is_said_of_the_time_left() {
        assert_eq!(eta(10, 0, 100), None);
        assert_eq!(eta(10, 10, 100), None);
        assert_eq!(eta(10, 4, 100), Some(150));
    }
}
