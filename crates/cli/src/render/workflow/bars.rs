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
    /// Whether a dagman runs it.
    pub driver: Driver,
    /// Why nodes wait, each behind its name: the first of them.
    pub waiting: Vec<String>,
}

/// So many of the nodes that wait for the same are named.
const NAMED: usize = 3;

/// Why nodes wait, `NODE: why` for each; of neighbours that wait for the same, once.
pub fn waiting(each: &[String]) -> Vec<String> {
    let mut groups: Vec<(Vec<&str>, &str)> = Vec::new();
    for line in each {
        let (node, why) = line.split_once(": ").unwrap_or((line, ""));
        match groups.last_mut() {
            Some((nodes, same)) if *same == why => nodes.push(node),
            _ => groups.push((vec![node], why)),
        }
    }
    let told = groups.iter().map(|(nodes, why)| {
        let more = if nodes.len() > NAMED { ", ..." } else { "" };
        format!("{}{more}: {why}", nodes[..nodes.len().min(NAMED)].join(", "))
    });
    told.collect()
}

/// What the DAG's own job does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// It runs, or is over.
    #[default]
    Runs,
    /// It is in the queue, and waits to be started, or to be started again.
    Waits,
    /// It is held, because of this.
    Held(String),
}

/// A node that failed.
#[derive(Clone, Debug, Default)]
pub struct FailedNode {
    pub node: String,
    pub why: String,
    /// The last lines of its job's standard error.
    pub stderr: Vec<String>,
    /// What failed in it, if it is a DAG of its own.
    pub inner: Option<Inner>,
}

/// A DAG in a DAG.
#[derive(Clone, Debug, Default)]
pub struct Inner {
    pub job: u32,
    pub failed: Vec<FailedNode>,
}

/// How wide a bar is that stands for all nodes.
const BAR: i64 = 40;

/// Nodes that failed and are told; the rest are counted.
const MAX_FAILED: usize = 20;

/// Nodes that wait, and whose reasons are told.
const MAX_WAITING: usize = 10;

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
        (false, _) if standing.exit == Some(0) => {
            format!("DAG {job}, without nodes, {}", span(*elapsed_s))
        }
        (false, _) => format!("DAG {job}, whose nodes are not known yet, {}", span(*elapsed_s)),
        (true, 1) => format!("DAG {job}, 1 node, {}", span(*elapsed_s)),
        (true, _) => format!("DAG {job}, {total} nodes, {}", span(*elapsed_s)),
    };
    let failed = standing.states.iter().any(|(name, count)| *name == "failed" && *count > 0);
    match (standing.exit, standing.eta_s) {
        // Only FINAL makes it so.
        (Some(0), _) if failed => {
            text += ", over with exit status 0, as FINAL decided, though nodes failed";
        }
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
    match &standing.driver {
        Driver::Runs => {}
        Driver::Waits => text += ", waits to be started: nothing new begins before",
        Driver::Held(why) => {
            let _ = write!(
                text,
                ", held ({why}): nodes in the queue go on, nothing new begins; to go on:  updraft release {job}"
            );
        }
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
    for why in waiting(&standing.waiting).iter().take(MAX_WAITING) {
        let _ = writeln!(text, "{why}");
    }
    tell_failed(&mut text, &standing.failed, "", paint);
    if standing.exit.is_some_and(|exit| exit != 0 || failed) {
        let _ = writeln!(text, "Run again what was not done:  updraft dag rerun {job}");
    }
    text
}

fn tell_failed(text: &mut String, all: &[FailedNode], indent: &str, paint: Paint) {
    for failed in all.iter().take(MAX_FAILED) {
        let _ = writeln!(text, "{indent}{} failed: {}", failed.node, failed.why);
        for line in &failed.stderr {
            let _ = writeln!(text, "{indent}    | {}", paint.text(Tone::Faint, line));
        }
        if let Some(inner) = &failed.inner {
            let _ =
                writeln!(text, "{indent}    it is the DAG {0}:  updraft dag status {0}", inner.job);
            tell_failed(text, &inner.failed, &format!("{indent}    "), paint);
        }
    }
    let more = all.len().saturating_sub(MAX_FAILED);
    if more > 0 {
        let _ = writeln!(text, "{indent}and {more} more");
    }
}

/// The same as data.
pub fn json(standing: &Standing) -> serde_json::Value {
    let states: serde_json::Map<String, serde_json::Value> =
        standing.states.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())).collect();
    let (is_waiting, held) = match &standing.driver {
        Driver::Runs => (false, None),
        Driver::Waits => (true, None),
        Driver::Held(why) => (false, Some(why)),
    };
    serde_json::json!({
        "job": standing.job,
        "nodes": standing.total,
        "states": states,
        "failed": standing.failed.iter().map(failed_json).collect::<Vec<_>>(),
        "elapsed_s": standing.elapsed_s,
        "eta_s": standing.eta_s,
        "exit": standing.exit,
        "halted": standing.is_halted,
        "held": held,
        "waits_to_start": is_waiting,
        "waiting": standing.waiting,
    })
}

fn failed_json(one: &FailedNode) -> serde_json::Value {
    let inner = one.inner.as_ref().map(|inner| {
        let failed: Vec<_> = inner.failed.iter().map(failed_json).collect();
        serde_json::json!({ "job": inner.job, "failed": failed })
    });
    serde_json::json!({ "node": one.node, "why": one.why, "stderr": one.stderr, "dag": inner })
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
            inner: None,
        };
        let standing = Standing {
            job: 7,
            total: 200,
            states: vec![("done", 50), ("in the queue", 1), ("failed", 1), ("futile", 0)],
            failed: vec![failed("align")],
            elapsed_s: 3600,
            eta_s: eta(200, 50, 3600),
            exit: None,
            ..Standing::default()
        };
        expect_test::expect_file!["../../../tests/golden/dag/bars.txt"]
            .assert_eq(&text(&standing, Paint::Off));
        let many = Standing { failed: vec![failed("n"); 25], exit: Some(1), ..standing };
        let over = text(&many, Paint::Off);
        assert!(over.ends_with("and 5 more\nRun again what was not done:  updraft dag rerun 7\n"));
        assert!(over.contains("over with exit status 1\n"));
        let by_final = text(&Standing { exit: Some(0), ..many.clone() }, Paint::Off);
        assert!(
            by_final.contains("status 0, as FINAL decided, though nodes failed\n"),
            "{by_final}"
        );
        assert!(by_final.ends_with("dag rerun 7\n"), "{by_final}");
        let halted = Standing { exit: None, is_halted: true, ..many };
        let first = text(&halted, Paint::Off);
        assert!(first.lines().next().unwrap().ends_with("updraft dag resume 7"), "{first}");
        let driver = Driver::Held("via condor_hold".to_owned());
        let waiting = vec!["C: waits for its parent A".to_owned()];
        let sub = FailedNode {
            node: "S".to_owned(),
            why: "failed with status 1".to_owned(),
            inner: Some(Inner { job: 9, failed: vec![failed("inner")] }),
            ..FailedNode::default()
        };
        let held = Standing { driver, waiting, failed: vec![sub], is_halted: false, ..halted };
        expect_test::expect![[r#"
            DAG 7, 200 nodes, 1h 00m, perhaps 3h 00m left, held (via condor_hold): nodes in the queue go on, nothing new begins; to go on:  updraft release 7
                            done       50 ##########
                    in the queue        1 #
                          failed        1 #
            C: waits for its parent A
            S failed: failed with status 1
                it is the DAG 9:  updraft dag status 9
                inner failed: Job proc (8.0.0) failed with status 3
                    | Traceback:
                    | no such sample
        "#]].assert_eq(&text(&held, Paint::Off));
        let empty = Standing { exit: Some(0), ..Standing::default() };
        assert!(text(&empty, Paint::Off).starts_with("DAG 0, without nodes, 0s, over"));
        let begins = Standing { job: 8, states: vec![("done", 0)], ..Standing::default() };
        assert_eq!(text(&begins, Paint::Off), "DAG 8, whose nodes are not known yet, 0s\n");
    }

    #[test]
    fn neighbours_that_wait_for_the_same_are_told_together() {
        let of = |name: &str, why: &str| format!("{name}: {why}");
        let mut each: Vec<String> =
            (1..=4).map(|n| of(&format!("A{n}"), "its turn comes")).collect();
        each.extend([of("B", "waits for its parent C: D"), of("E", "its turn comes")]);
        let expected = [
            "A1, A2, A3, ...: its turn comes",
            "B: waits for its parent C: D",
            "E: its turn comes",
        ];
        assert_eq!(waiting(&each), expected);
    }

    #[test]
    fn before_the_first_node_has_ended_nothing_is_said_of_the_time_left() {
        assert_eq!(eta(10, 0, 100), None);
        assert_eq!(eta(10, 10, 100), None);
        assert_eq!(eta(10, 4, 100), Some(150));
    }
}
