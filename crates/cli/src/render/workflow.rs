//! A DAG's run as people look at it: as a graph, as bars over time, as one page with both, as bars
//! of states on a terminal.
//!
//! Everything here takes a [`View`] and gives text. Where it comes from, `commands::workflows`
//! knows.

use std::fmt::Display;

pub mod bars;
pub mod gantt;
pub mod graph;
pub mod report;

/// How a picture begins: its size, pixels, and a white ground.
fn picture(width: impl Display, height: impl Display, font_size: u8) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"{font_size}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    )
}

/// A run of a DAG. Moments are seconds since the epoch.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The DAG file.
    pub title: String,
    pub job: u32,
    pub began: i64,
    /// The moment of the picture: the end, if it is over.
    pub now: i64,
    /// What dagman exited with.
    pub exit: Option<i32>,
    pub nodes: Vec<NodeView>,
    /// Parent and child, by their places in `nodes`.
    pub edges: Vec<(usize, usize)>,
    /// The node that waits for all others (FINAL).
    pub last: Option<usize>,
}

/// A node of a run.
#[derive(Clone, Debug)]
pub struct NodeView {
    pub name: String,
    pub state: State,
    pub attempts: usize,
    pub spans: Vec<Span>,
    /// How its last attempt failed.
    pub failure: Option<String>,
    /// The most memory that its jobs used, MiB.
    pub memory_mib: Option<i64>,
    /// What they asked for, MiB.
    pub request_mib: Option<i64>,
}

/// A part of a node's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub part: Part,
    pub from: i64,
    pub to: i64,
    pub failed: bool,
}

/// What a node does in a part of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Pre,
    /// In the queue, before it runs.
    Wait,
    Run,
    Post,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Done,
    Running,
    /// A script of it runs.
    Script,
    Queued,
    Held,
    Ready,
    Waiting,
    Failed,
    Futile,
}

impl State {
    /// All, in the order of a legend.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Running,
        Self::Script,
        Self::Queued,
        Self::Held,
        Self::Ready,
        Self::Waiting,
        Self::Failed,
        Self::Futile,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Running => "running",
            Self::Script => "script",
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Futile => "futile",
        }
    }

    /// Fill and line. Bright ones are what somebody must look at.
    const fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Done => ("#cfe8cf", "#3a7d3a"),
            Self::Running => ("#bcd8f5", "#1f5fa8"),
            Self::Script => ("#ddd0f0", "#6a45a0"),
            Self::Queued => ("#fdf0c2", "#a8861a"),
            Self::Held => ("#fbd3a8", "#b35c00"),
            Self::Ready => ("#eef6ff", "#7f9cbd"),
            Self::Waiting => ("#f4f4f4", "#b0b0b0"),
            Self::Failed => ("#f6b8b8", "#a81f1f"),
            Self::Futile => ("#e4e0e0", "#8a7070"),
        }
    }
}

impl NodeView {
    /// When it began and when it ended, if it did anything.
    pub fn time(&self) -> Option<(i64, i64)> {
        let from = self.spans.iter().map(|span| span.from).min()?;
        let to = self.spans.iter().map(|span| span.to).max()?;
        Some((from, to))
    }

    /// Seconds that its jobs ran, in all attempts.
    pub fn run_s(&self) -> i64 {
        let runs = self.spans.iter().filter(|span| span.part == Part::Run);
        runs.map(|span| span.to - span.from).sum()
    }
}

impl View {
    /// How many nodes are in each state that any is in.
    pub fn counts(&self) -> Vec<(State, usize)> {
        let count = |state: State| self.nodes.iter().filter(|node| node.state == state).count();
        State::ALL.map(|state| (state, count(state))).into_iter().filter(|(_, n)| *n > 0).collect()
    }

    /// The chain of nodes that the run had to wait for, first to last: the node that ended last,
    /// of its parents the one that ended last, and so on.
    pub fn slowest_chain(&self) -> Vec<usize> {
        let mut parents: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for (parent, child) in &self.edges {
            parents[*child].push(*parent);
        }
        if let Some(last) = self.last {
            parents[last] = (0..self.nodes.len()).filter(|node| *node != last).collect();
        }
        let end = |node: &usize| self.nodes[*node].time().map(|(_, to)| to);
        let last = (0..self.nodes.len()).filter(|node| end(node).is_some());
        // of those that ended in one second the one that waited for more
        let depth = self.depths();
        let latest = |nodes: &mut dyn Iterator<Item = usize>| {
            nodes.max_by_key(|node| (end(node), depth[*node], std::cmp::Reverse(*node)))
        };
        let mut chain: Vec<usize> = Vec::new();
        let mut at = latest(&mut { last });
        while let Some(node) = at {
            chain.push(node);
            let mut before = parents[node].iter().copied().filter(|node| end(node).is_some());
            at = latest(&mut before);
        }
        chain.reverse();
        chain
    }

    /// How many nodes are above each at most.
    fn depths(&self) -> Vec<usize> {
        let count = self.nodes.len();
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut waits = vec![0_usize; count];
        for (parent, child) in &self.edges {
            children[*parent].push(*child);
            waits[*child] += 1;
        }
        let mut depth = vec![0; count];
        let mut ready: Vec<usize> = (0..count).filter(|node| waits[*node] == 0).collect();
        while let Some(node) = ready.pop() {
            for child in &children[node] {
                depth[*child] = depth[*child].max(depth[node] + 1);
                waits[*child] -= 1;
                if waits[*child] == 0 {
                    ready.push(*child);
                }
            }
        }
        if let Some(last) = self.last {
            depth[last] = depth.iter().max().map_or(0, |deepest| deepest + 1);
        }
        depth
    }

    /// The same as data.
    pub fn json(&self) -> serde_json::Value {
        let span = |span: &Span| {
            let part = match span.part {
                Part::Pre => "pre",
                Part::Wait => "wait",
                Part::Run => "run",
                Part::Post => "post",
            };
            serde_json::json!({ "part": part, "from": span.from, "to": span.to, "failed": span.failed })
        };
        let node = |node: &NodeView| {
            serde_json::json!({
                "name": node.name,
                "state": node.state.name(),
                "attempts": node.attempts,
                "failure": node.failure,
                "memory_mib": node.memory_mib,
                "request_memory_mib": node.request_mib,
                "spans": node.spans.iter().map(span).collect::<Vec<_>>(),
            })
        };
        let name = |node: &usize| self.nodes[*node].name.clone();
        serde_json::json!({
            "job": self.job,
            "dag": self.title,
            "began": self.began,
            "now": self.now,
            "exit": self.exit,
            "nodes": self.nodes.iter().map(node).collect::<Vec<_>>(),
            "edges": self.edges.iter().map(|(a, b)| [name(a), name(b)]).collect::<Vec<_>>(),
            "slowest_chain": self.slowest_chain().iter().map(name).collect::<Vec<_>>(),
        })
    }
}

/// Text inside of SVG and HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            // XML has no other control characters
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A label that fits: the middle of a long name says least.
fn fitted(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let (head, tail) = (most / 2, most - most / 2 - 1);
    let first: String = text.chars().take(head).collect();
    let last: String = text.chars().skip(count - tail).collect();
    format!("{first}…{last}")
}

/// A length of time for people: `1h 02m`, `3m 20s`, `12s`.
pub fn span(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m {:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h {:02}m", s / 3600, s / 60 % 60),
        _ => format!("{}d {:02}h", s / 86_400, s / 3600 % 24),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A run with a bit of everything.
    pub(crate) fn example() -> View {
        let node = |name: &str, state, parts: &[(Part, i64, i64, bool)]| NodeView {
            name: name.to_owned(),
            state,
            attempts: parts.iter().filter(|part| part.0 == Run).count().max(1),
            spans: parts
                .iter()
                .map(|&(part, from, to, failed)| Span { part, from, to, failed })
                .collect(),
            failure: (state == State::Failed).then(|| "failed with status <3>".to_owned()),
            memory_mib: (state == State::Done).then_some(300),
            request_mib: Some(512),
        };
        use Part::{Post, Pre, Run, Wait};
        let nodes = vec![
            node(
                "fetch",
                State::Done,
                &[(Pre, 0, 4, false), (Wait, 4, 6, false), (Run, 6, 40, false)],
            ),
            node(
                "align_1",
                State::Done,
                &[
                    (Wait, 40, 45, false),
                    (Run, 45, 100, true),
                    (Wait, 100, 101, false),
                    (Run, 101, 170, false),
                ],
            ),
            node(
                "align_2",
                State::Failed,
                &[(Wait, 40, 42, false), (Run, 42, 60, true), (Post, 60, 62, true)],
            ),
            node("align_3", State::Running, &[(Wait, 40, 90, false), (Run, 90, 200, false)]),
            node("merge & sort", State::Futile, &[]),
            node("a_report_with_a_name_that_is_long", State::Waiting, &[]),
        ];
        View {
            title: "example.dag".to_owned(),
            job: 7,
            began: 0,
            now: 200,
            exit: None,
            nodes,
            edges: vec![(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (1, 5), (3, 5)],
            last: None,
        }
    }

    #[test]
    fn the_slowest_chain_goes_back_over_the_parents_that_ended_last() {
        let view = example();
        assert_eq!(view.slowest_chain(), [0, 3]);
        assert_eq!(View::default().slowest_chain(), [0_usize; 0]);
    }

    #[test]
    fn what_waits_for_all_others_is_behind_them_all() {
        let mut view = example();
        let spans = vec![Span { part: Part::Run, from: 190, to: 200, failed: false }];
        view.nodes.push(NodeView { name: "last".to_owned(), spans, ..view.nodes[3].clone() });
        view.last = Some(view.nodes.len() - 1);
        assert_eq!(view.slowest_chain(), [0, 3, 6]);
        assert_eq!(view.depths()[6], 3);
    }

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        assert_eq!(fitted("abcdefghij", 10), "abcdefghij");
        assert_eq!(fitted("abcdefghijk", 6), "abc…jk");
        assert_eq!(escaped("a<b>&\"\u{1}"), "a&lt;b&gt;&amp;&quot; ");
    }
}
