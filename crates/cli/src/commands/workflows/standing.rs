//! Where each node of a DAG stands, by its graph and by what dagman has told of the run: what the
//! pictures and the page are made of. Knows no job, no pool and no file.

use dagman::Workflow;
use dagman::record::story::{self, NodeStory, Story};
use dagman::workflow::{Node, NodeIndex, ScriptKind};

use crate::render::workflow::{NodeView, Part, Span, State, View};

/// What a DAG's graph and its story come to.
pub(super) fn of_story(workflow: &Workflow, story: &Story, now: i64) -> View {
    let until = if story.exit.is_some() { story.last } else { now };
    let none = NodeStory::default();
    let told = |node: &Node<'_>| story.nodes.get(node.name()).unwrap_or(&none);
    let nodes = workflow.nodes().map(|node| {
        let told = told(&node);
        NodeView {
            name: node.name().to_owned(),
            state: state_of(&node, told).unwrap_or(State::Waiting),
            attempts: told.attempts.len(),
            spans: told.attempts.iter().flat_map(|attempt| spans(attempt, until)).collect(),
            failure: told.error.clone().or_else(|| failure_of(told)),
            memory_mib: None,
            request_mib: None,
        }
    });
    let edges = workflow.nodes().flat_map(|node| {
        let from = node.index().position();
        node.children().map(move |edge| (from, edge.node.position())).collect::<Vec<_>>()
    });
    let mut view = View {
        began: story.began,
        now: until,
        exit: story.exit,
        nodes: nodes.collect(),
        edges: edges.collect(),
        last: workflow.final_node().map(NodeIndex::position),
        ..View::default()
    };
    for node in in_order(workflow) {
        let at = node.index().position();
        if state_of(&node, told(&node)).is_none() {
            view.nodes[at].state = waiting_state(&node, &view);
        } else if story.exit.is_some() && !is_over(view.nodes[at].state) {
            // dagman took it with it
            view.nodes[at].state = State::Futile;
        }
    }
    view
}

fn is_over(state: State) -> bool {
    matches!(state, State::Done | State::Failed | State::Futile)
}

/// All nodes, each behind its parents.
fn in_order(workflow: &Workflow) -> Vec<Node<'_>> {
    let mut waits: Vec<usize> = workflow.nodes().map(|node| node.parents().len()).collect();
    let mut order: Vec<Node<'_>> =
        workflow.nodes().filter(|node| node.parents().len() == 0).collect();
    let mut at = 0;
    while let Some(node) = order.get(at).copied() {
        at += 1;
        for edge in node.children() {
            let left = &mut waits[edge.node.position()];
            *left -= 1;
            if *left == 0 {
                order.push(workflow.node(edge.node));
            }
        }
    }
    order
}

/// Where a node stands that has not begun.
fn waiting_state(node: &Node<'_>, view: &View) -> State {
    let parents = || node.parents().map(|edge| (edge.weak, view.nodes[edge.node.position()].state));
    let lost =
        |(weak, state): (bool, State)| !weak && matches!(state, State::Failed | State::Futile);
    if parents().any(lost) {
        State::Futile
    } else if parents().all(|(_, state)| is_over(state)) && view.exit.is_none() {
        State::Ready
    } else {
        State::Waiting
    }
}

/// What was said of a node; none if it has not begun.
fn state_of(node: &Node<'_>, told: &NodeStory) -> Option<State> {
    if told.error.is_some() {
        return Some(State::Failed);
    }
    if node.is_done() || told.skipped {
        return Some(State::Done);
    }
    let has_post = node.script(ScriptKind::Post).is_some();
    let last = told.last();
    if let Some(post) = last.and_then(|attempt| attempt.post.as_ref()) {
        return Some(match (post.ended, &post.failure) {
            (None, _) => State::Script,
            (Some(_), None) => State::Done,
            (Some(_), Some(_)) => State::Failed,
        });
    }
    let by_jobs = |failed: bool| match (has_post, failed) {
        (true, _) => State::Script,
        (false, true) => State::Failed,
        (false, false) => State::Done,
    };
    let attempt = last?;
    let pre = attempt.pre.as_ref();
    Some(if attempt.ended.is_some() {
        by_jobs(attempt.failure.is_some() && node.tolerance().is_none())
    } else if attempt.held {
        State::Held
    } else if attempt.started.is_some() {
        State::Running
    } else if attempt.submitted.is_some() {
        State::Queued
    } else if pre.is_some_and(|pre| pre.ended.is_none()) {
        State::Script
    } else if pre.is_some_and(|pre| pre.failure.is_some()) {
        State::Failed
    } else {
        State::Ready
    })
}

/// How the last attempt that failed did.
fn failure_of(told: &NodeStory) -> Option<String> {
    told.attempts.iter().rev().find_map(|attempt| {
        let script = |script: &Option<story::Script>, name: &str| {
            let failure = script.as_ref()?.failure.as_ref()?;
            Some(format!("{name} script {failure}"))
        };
        script(&attempt.post, "POST")
            .or_else(|| attempt.failure.clone())
            .or_else(|| script(&attempt.pre, "PRE"))
    })
}

fn spans(attempt: &story::Attempt, until: i64) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut put = |part, from: Option<i64>, to: Option<i64>, failed| {
        if let Some(from) = from {
            spans.push(Span { part, from, to: to.unwrap_or(until).max(from), failed });
        }
    };
    if let Some(pre) = &attempt.pre {
        put(Part::Pre, Some(pre.began), pre.ended, pre.failure.is_some());
    }
    put(Part::Wait, attempt.submitted, attempt.started.or(attempt.ended), false);
    put(Part::Run, attempt.started, attempt.ended, attempt.failure.is_some());
    if let Some(post) = &attempt.post {
        put(Part::Post, Some(post.began), post.ended, post.failure.is_some());
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use dagman::workflow::{FileError, Files, Options, assemble};
    use jiff::tz::TimeZone;

    struct One(&'static str);

    impl Files for One {
        fn read(&self, _: &str) -> Result<String, FileError> {
            Ok(self.0.to_owned())
        }

        fn exists(&self, _: &str) -> bool {
            true
        }
    }

    /// The states of a DAG's nodes after these lines of dagman.out, a second apart.
    fn check(dag: &'static str, lines: &[&str], expected: &str) {
        let assembled = assemble(&Options::new(vec!["a.dag".to_owned()]), &One(dag));
        let workflow = assembled.expect("the DAG is sound").workflow;
        let up = ["** condor_scheduniv_exec.1.0 (CONDOR_DAGMAN) STARTING UP"];
        let lines = up.iter().chain(lines).enumerate();
        let text: String =
            lines.map(|(n, line)| format!("01/01/70 00:00:{n:02} {line}\n")).collect();
        let view = of_story(&workflow, &story::read(&text, &TimeZone::UTC), 100);
        let states: Vec<String> =
            view.nodes.iter().map(|node| format!("{} {}", node.name, node.state.name())).collect();
        assert_eq!(states.join(", "), expected, "{text}");
    }

    #[test]
    fn each_node_stands_where_dagman_said_last_or_where_its_parents_leave_it() {
        let dag = "JOB A a\nJOB B a\nJOB C a NOOP\nJOB D a\nPARENT A B CHILD C\n\
                   PARENT A B CHILD D\nSCRIPT POST B x\n";
        let submit = |n: &str| format!("Event: ULOG_SUBMIT for HTCondor Node {n} (2.0.0) {{x}}");
        let run = |n: &str| format!("Event: ULOG_EXECUTE for HTCondor Node {n} (2.0.0) {{x}}");
        let over = |n: &str| format!("Node {n} job(s) have exited the queue");
        check(dag, &[], "A ready, B ready, C waiting, D waiting");
        check(dag, &[&submit("A"), &run("B")], "A queued, B running, C waiting, D waiting");
        let both = [run("A"), over("A"), over("B")];
        let both: Vec<&str> = both.iter().map(String::as_str).collect();
        check(dag, &both, "A done, B script, C waiting, D waiting");
        let post =
            ["Running POST script of Node B...", "POST Script of node B completed successfully."];
        let noop = ["Node C job(s) have exited the queue"];
        check(dag, &[&both[..], &post, &noop].concat(), "A done, B done, C done, D ready");
        let failed = ["Node A job proc (2.0.0) failed with status 1."];
        let ended = ["**** condor_dagman (condor_DAGMAN) pid 7 EXITING WITH STATUS 1"];
        check(dag, &[&failed[..], &both].concat(), "A failed, B script, C futile, D futile");
        check(
            dag,
            &[&failed[..], &both, &ended].concat(),
            "A failed, B futile, C futile, D futile",
        );
    }
}
