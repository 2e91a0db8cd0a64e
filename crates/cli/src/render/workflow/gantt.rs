//! A run over time as SVG: a row for each node, its parts as bars, the slowest chain marked.
//!
//! Of more rows than anybody looks at, those of the slowest chain and the longest are drawn, and
//! the picture says how many are not.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{NodeView, Part, View, escaped, fitted, picture, span};

/// More rows than this are not drawn.
const MAX_ROWS: usize = 1000;

/// More bars than this of one node are its first ones.
const MAX_BARS: usize = 50;

const LABEL: i64 = 200;
const WIDTH: i64 = 900;
const RIGHT: i64 = 80;
const ROW: i64 = 18;
const HEAD: i64 = 64;

/// Steps of the axis, seconds.
const STEPS: [i64; 20] = [
    1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 43_200, 86_400,
    172_800, 604_800,
];

/// Draws a run.
pub fn svg(view: &View) -> String {
    let chain: BTreeSet<usize> = view.slowest_chain().into_iter().collect();
    let (rows, left_out) = rows(view, &chain);
    let length = (view.now - view.began).max(1);
    let x = |at: i64| LABEL + (at - view.began).clamp(0, length) * WIDTH / length;
    let height = HEAD + i64::try_from(rows.len()).unwrap_or(0) * ROW + 20;
    let width = LABEL + WIDTH + RIGHT;
    let mut out = picture(width, height, 11);
    let mut title = format!("{}: {}", view.title, span(length));
    if !chain.is_empty() {
        let s = if chain.len() == 1 { "" } else { "s" };
        let _ = write!(title, ", the slowest chain has {} node{s}", chain.len());
    }
    if left_out > 0 {
        let _ = write!(title, "; {left_out} shorter nodes are not drawn");
    }
    let _ = writeln!(out, "<text x=\"8\" y=\"18\" font-size=\"14\">{}</text>", escaped(&title));
    out += &legend();
    out += &axis(length, height);
    for (n, node) in (0_i64..).zip(&rows) {
        let y = HEAD + n * ROW;
        out += &row(&view.nodes[*node], chain.contains(node), y, &x);
    }
    out + "</svg>\n"
}

const fn colour(part: Part, failed: bool) -> &'static str {
    match (part, failed) {
        (Part::Wait, _) => "#e8dfb8",
        (_, true) => "#c94040",
        (Part::Pre, false) => "#a48ad0",
        (Part::Run, false) => "#5b94cf",
        (Part::Post, false) => "#7a5ab0",
    }
}

fn legend() -> String {
    let mut out = String::new();
    let parts = [
        ("PRE", colour(Part::Pre, false)),
        ("waits", colour(Part::Wait, false)),
        ("runs", colour(Part::Run, false)),
        ("POST", colour(Part::Post, false)),
        ("failed", colour(Part::Run, true)),
        ("slowest chain", "#d07000"),
    ];
    let mut x = LABEL;
    for (text, fill) in parts {
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"26\" width=\"10\" height=\"10\" fill=\"{fill}\"/>\
             <text x=\"{}\" y=\"35\">{text}</text>",
            x + 14
        );
        x += 80;
    }
    out
}

/// Some lines down the picture, with what they stand for.
fn axis(length: i64, height: i64) -> String {
    let step = STEPS.into_iter().find(|step| length / step <= 10).unwrap_or(length / 8 + 1);
    let mut out = String::new();
    for at in (0..=length / step).map(|n| n * step) {
        let x = LABEL + at * WIDTH / length;
        let _ = writeln!(
            out,
            "<path d=\"M{x} {} V{}\" stroke=\"#e4e4e4\"/><text x=\"{x}\" y=\"{}\" fill=\"#666666\" \
             text-anchor=\"middle\">+{}</text>",
            HEAD - 8,
            height - 16,
            HEAD - 12,
            span(at)
        );
    }
    out
}

fn row(node: &NodeView, in_chain: bool, y: i64, x: &impl Fn(i64) -> i64) -> String {
    let name = escaped(&fitted(&node.name, 28));
    let weight = if in_chain { " font-weight=\"bold\" fill=\"#a85a00\"" } else { "" };
    let mut out = format!("<g><title>{}: {}", escaped(&node.name), node.state.name());
    let _ = write!(out, ", {} attempts, ran {}</title>", node.attempts, span(node.run_s()));
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\"{weight}>{name}</text>",
        LABEL - 6,
        y + 12
    );
    if let Some((from, to)) = node.time().filter(|_| in_chain) {
        let (from, to) = (x(from), x(to));
        let _ = write!(
            out,
            "<rect x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#d07000\" stroke-width=\"2\"/>",
            from - 1,
            (to - from).max(1) + 2,
            ROW - 2
        );
    }
    for bar in node.spans.iter().take(MAX_BARS) {
        let (from, to) = (x(bar.from), x(bar.to));
        let _ = write!(
            out,
            "<rect x=\"{from}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>",
            y + 2,
            (to - from).max(1),
            ROW - 6,
            colour(bar.part, bar.failed)
        );
    }
    out + "</g>\n"
}

/// The nodes to draw, as they began, and how many are left out.
fn rows(view: &View, chain: &BTreeSet<usize>) -> (Vec<usize>, usize) {
    let began: Vec<usize> =
        (0..view.nodes.len()).filter(|node| view.nodes[*node].time().is_some()).collect();
    let long = |node: &usize| view.nodes[*node].time().map_or(0, |(from, to)| to - from);
    let mut rows = began.clone();
    rows.sort_by_key(|node| (!chain.contains(node), std::cmp::Reverse(long(node))));
    rows.truncate(MAX_ROWS);
    rows.sort_by_key(|node| (view.nodes[*node].time().map(|(from, _)| from), *node));
    let left_out = began.len() - rows.len();
    (rows, left_out)
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::super::{Span, State};
    use super::*;

    #[test]
    fn a_run_is_drawn_with_its_slowest_chain() {
        expect_test::expect_file!["../../../tests/golden/dag/gantt.svg"]
            .assert_eq(&svg(&example()));
    }

    #[test]
    fn of_many_nodes_the_longest_are_drawn_and_the_picture_says_so() {
        let node = |n: i64| NodeView {
            name: format!("n{n}"),
            state: State::Done,
            attempts: 1,
            spans: vec![Span { part: Part::Run, from: n, to: n + n % 7 + 1, failed: false }],
            failure: None,
            memory_mib: None,
            request_mib: None,
        };
        let view = View { nodes: (0..1500).map(node).collect(), now: 1510, ..View::default() };
        let picture = svg(&view);
        assert!(picture.contains("500 shorter nodes are not drawn"));
        assert_eq!(picture.matches("<g>").count(), MAX_ROWS);
    }
}
