//! The graph of a DAG as SVG: a box for each node, coloured by its state, parents above children.
//!
//! A graph of more than some thousand nodes is drawn collapsed: nodes of the same depth whose names
//! differ only in their digits are one box, and if that is not enough, all of a depth, or of
//! several. The picture says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{State, View, escaped, fitted, picture};

/// More boxes than this nobody looks at.
const MAX_BOXES: usize = 2000;

/// More lines than this are one grey cloud.
const MAX_LINES: usize = 10_000;

/// Boxes side by side; a layer of more has several rows.
const ROW: usize = 12;

const BOX_WIDTH: usize = 150;
const BOX_HEIGHT: usize = 34;
const GAP_X: usize = 18;
const GAP_Y: usize = 46;
const MARGIN: usize = 20;
const HEAD: usize = 56;

/// A box: a node, or some.
struct Drawn {
    label: String,
    layer: usize,
    states: BTreeMap<State, usize>,
}

/// Draws a graph.
pub fn svg(view: &View) -> String {
    let depth = view.depths();
    let (boxes, of, how) = collapsed(view, &depth);
    let mut edges: BTreeSet<(usize, usize)> =
        view.edges.iter().map(|(a, b)| (of[*a], of[*b])).filter(|(a, b)| a != b).collect();
    let lines = edges.len();
    if lines > MAX_LINES {
        edges = edges.into_iter().take(MAX_LINES).collect();
    }
    let rows = rows(&boxes, &edges);
    let widest = rows.iter().map(Vec::len).max().unwrap_or(1).max(4);
    let width = 2 * MARGIN + widest * (BOX_WIDTH + GAP_X);
    let height = HEAD + rows.len() * (BOX_HEIGHT + GAP_Y) + MARGIN;
    let mut place = vec![(0, 0); boxes.len()];
    for (at, row) in rows.iter().enumerate() {
        let left = (width - row.len() * (BOX_WIDTH + GAP_X) + GAP_X) / 2;
        for (n, drawn) in row.iter().enumerate() {
            place[*drawn] = (left + n * (BOX_WIDTH + GAP_X), HEAD + at * (BOX_HEIGHT + GAP_Y));
        }
    }
    let mut out = picture(width, height, 12);
    let mut title =
        format!("{}: {} nodes, {} edges", view.title, view.nodes.len(), view.edges.len());
    title += how;
    if lines > MAX_LINES {
        let _ = write!(title, "; {MAX_LINES} of {lines} lines are drawn");
    }
    let _ =
        writeln!(out, "<text x=\"{MARGIN}\" y=\"20\" font-size=\"14\">{}</text>", escaped(&title));
    out += &legend(view);
    for (parent, child) in &edges {
        out += &line(place[*parent], place[*child]);
    }
    for (drawn, place) in boxes.iter().zip(&place) {
        out += &self::drawn(drawn, *place);
    }
    out + "</svg>\n"
}

fn legend(view: &View) -> String {
    let (mut out, mut x) = (String::new(), MARGIN);
    for (state, count) in view.counts() {
        let (fill, stroke) = state.colours();
        let text = format!("{} {count}", state.name());
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"30\" width=\"12\" height=\"12\" fill=\"{fill}\" stroke=\"{stroke}\"/>\
             <text x=\"{}\" y=\"41\">{text}</text>",
            x + 17
        );
        x += 30 + 7 * text.len();
    }
    out
}

/// A line from below a parent to above a child.
fn line((ax, ay): (usize, usize), (bx, by): (usize, usize)) -> String {
    let (x1, y1, x2, y2) = (ax + BOX_WIDTH / 2, ay + BOX_HEIGHT, bx + BOX_WIDTH / 2, by);
    let bend = GAP_Y * 2 / 3;
    format!(
        "<path d=\"M{x1} {y1} C{x1} {} {x2} {} {x2} {y2}\" fill=\"none\" stroke=\"#9a9a9a\"/>\n",
        y1 + bend,
        y2.saturating_sub(bend)
    )
}

fn drawn(drawn: &Drawn, (x, y): (usize, usize)) -> String {
    let total: usize = drawn.states.values().sum();
    let worst = drawn.states.keys().max_by_key(|state| urgency(**state));
    let (fill, stroke) = worst.copied().unwrap_or(State::Waiting).colours();
    let mut out = format!("<g><title>{}", escaped(&drawn.label));
    for (state, count) in &drawn.states {
        let _ = if total == 1 {
            write!(out, ": {}", state.name())
        } else {
            write!(out, ", {count} {}", state.name())
        };
    }
    let _ = write!(
        out,
        "</title><rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"4\" \
         fill=\"{fill}\" stroke=\"{stroke}\"/>"
    );
    if total > 1 {
        // how much of it is in which state
        let mut left = x;
        for (n, (state, count)) in drawn.states.iter().enumerate() {
            let rest = x + BOX_WIDTH - left;
            let share = BOX_WIDTH * count / total;
            let wide = if n + 1 == drawn.states.len() { rest } else { share.min(rest) };
            let _ = write!(
                out,
                "<rect x=\"{left}\" y=\"{}\" width=\"{wide}\" height=\"6\" fill=\"{}\"/>",
                y + BOX_HEIGHT - 6,
                state.colours().1
            );
            left += wide;
        }
    }
    let label = if total > 1 { format!("{} × {total}", drawn.label) } else { drawn.label.clone() };
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>",
        x + BOX_WIDTH / 2,
        y + BOX_HEIGHT / 2 + 4 - if total > 1 { 3 } else { 0 },
        escaped(&fitted(&label, 21))
    );
    out
}

/// Which state of several gives a box its colour.
const fn urgency(state: State) -> u8 {
    match state {
        State::Failed => 8,
        State::Held => 7,
        State::Running => 6,
        State::Script => 5,
        State::Queued => 4,
        State::Ready => 3,
        State::Futile => 2,
        State::Waiting => 1,
        State::Done => 0,
    }
}

/// The boxes, the box of each node, and what is to be said of it.
fn collapsed(view: &View, depth: &[usize]) -> (Vec<Drawn>, Vec<usize>, &'static str) {
    let deepest = depth.iter().copied().max().unwrap_or(0) + 1;
    let step = deepest.div_ceil(MAX_BOXES / 4).max(1);
    let stem = |node: usize| -> String {
        let mut stem = String::new();
        for c in view.nodes[node].name.chars() {
            if !c.is_ascii_digit() {
                stem.push(c);
            } else if !stem.ends_with('#') {
                stem.push('#');
            }
        }
        stem
    };
    let by_name = |node: usize| (depth[node], view.nodes[node].name.clone());
    let by_stem = |node: usize| (depth[node], stem(node));
    let by_depth =
        |node: usize| (depth[node] / step, format!("depth {}", depth[node] / step * step));
    let few = view.nodes.len() <= MAX_BOXES && view.edges.len() <= MAX_LINES;
    if few {
        let (boxes, of) = grouped(view, by_name);
        return (boxes, of, "");
    }
    let (boxes, of) = grouped(view, by_stem);
    if boxes.len() <= MAX_BOXES {
        let how = " (collapsed: a box is all nodes of a depth whose names differ only in digits)";
        return (boxes, of, how);
    }
    let (boxes, of) = grouped(view, by_depth);
    (boxes, of, " (collapsed: a box is all nodes of a depth, or of some depths)")
}

fn grouped(view: &View, key: impl Fn(usize) -> (usize, String)) -> (Vec<Drawn>, Vec<usize>) {
    let mut known: BTreeMap<(usize, String), usize> = BTreeMap::new();
    let (mut boxes, mut of) = (Vec::new(), Vec::with_capacity(view.nodes.len()));
    for (at, node) in view.nodes.iter().enumerate() {
        let (layer, label) = key(at);
        let drawn = *known.entry((layer, label.clone())).or_insert_with(|| {
            boxes.push(Drawn { label, layer, states: BTreeMap::new() });
            boxes.len() - 1
        });
        *boxes[drawn].states.entry(node.state).or_insert(0) += 1;
        of.push(drawn);
    }
    (boxes, of)
}

/// The boxes by row, in an order in which few lines cross: each as far to the left as its parents
/// are.
fn rows(boxes: &[Drawn], edges: &BTreeSet<(usize, usize)>) -> Vec<Vec<usize>> {
    let mut layers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, drawn) in boxes.iter().enumerate() {
        layers.entry(drawn.layer).or_default().push(at);
    }
    let mut parents: Vec<Vec<usize>> = vec![Vec::new(); boxes.len()];
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); boxes.len()];
    for (parent, child) in edges {
        parents[*child].push(*parent);
        children[*parent].push(*child);
    }
    let mut place = vec![0_usize; boxes.len()];
    for layer in layers.values() {
        layer.iter().enumerate().for_each(|(n, at)| place[*at] = n);
    }
    for sweep in 0..4 {
        let near = if sweep % 2 == 0 { &parents } else { &children };
        for layer in layers.values_mut() {
            let wish = |at: &usize| {
                let around = &near[*at];
                let sum: usize = around.iter().map(|other| place[*other] * 1000).sum();
                sum.checked_div(around.len()).unwrap_or(place[*at] * 1000)
            };
            layer.sort_by_cached_key(wish);
            layer.iter().enumerate().for_each(|(n, at)| place[*at] = n);
        }
    }
    layers.values().flat_map(|layer| layer.chunks(ROW).map(<[usize]>::to_vec)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::super::{NodeView, View};
    use super::*;

    #[test]
    fn a_small_graph_is_drawn_node_by_node() {
        expect_test::expect_file!["../../../tests/golden/dag/graph.svg"]
            .assert_eq(&svg(&example()));
    }

    /// A DAG of so many nodes with names of so many kinds, each the child of the one `back` before.
    fn many(count: usize, kinds: usize, back: usize) -> View {
        let node = |n: usize| NodeView {
            name: format!("{}{n}", "x".repeat(n % kinds + 1)),
            state: if n.is_multiple_of(3) { State::Done } else { State::Waiting },
            attempts: 0,
            spans: Vec::new(),
            failure: None,
            memory_mib: None,
            request_mib: None,
        };
        let edges = (back..count).map(|n| (n - back, n)).collect();
        View { nodes: (0..count).map(node).collect(), edges, ..View::default() }
    }

    #[test]
    fn a_large_graph_is_drawn_collapsed_and_stays_small() {
        for (view, how) in [
            (many(5000, 3, 1000), "differ only in digits"),
            (many(5000, 700, 1000), "of some depths"),
            (many(30_000, 1, 1), "of some depths"),
        ] {
            let picture = svg(&view);
            let boxes = picture.matches("<g>").count();
            assert!(picture.contains(how), "{how}");
            assert!(boxes <= MAX_BOXES, "{boxes} boxes");
        }
    }
}
