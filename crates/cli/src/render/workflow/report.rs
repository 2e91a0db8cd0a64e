//! A run as one page of HTML that needs no network: what came of it, the slowest chain, retries,
//! the run over time, the graph, and a table of all nodes with their time and memory.

use std::fmt::Write as _;

use super::{NodeView, State, View, escaped, gantt, graph, span};

/// Nodes in the table; of more, those that failed, were tried again, or took longest.
const MAX_ROWS: usize = 5000;

/// Nodes of the slowest chain that are named.
const MAX_CHAIN: usize = 500;

const STYLE: &str = "body{font:14px sans-serif;margin:2em;max-width:1250px;color:#222}\
h1{font-size:22px}h2{font-size:17px;margin-top:1.6em}\
table{border-collapse:collapse}td,th{padding:2px 10px;border-bottom:1px solid #e4e4e4;text-align:left}\
td.n{text-align:right;font-variant-numeric:tabular-nums}\
.bar{display:inline-block;width:100px;height:8px;background:#eee;margin-right:6px}\
.bar i{display:block;height:8px;background:#5b94cf}.bar i.over{background:#c94040}\
.picture{overflow:auto;border:1px solid #e4e4e4;max-height:900px}.bad{color:#a81f1f}.faint{color:#777}";

/// Writes the page about a run.
pub fn html(view: &View) -> String {
    let title = escaped(&view.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    );
    let outcome = match view.exit {
        None => "it goes on".to_owned(),
        Some(0) if view.nodes.iter().any(|node| node.state == State::Failed) => {
            "over with exit status 0, as FINAL decided, though <span class=\"bad\">nodes failed</span>".to_owned()
        }
        Some(0) => "done well".to_owned(),
        Some(exit) => format!("<span class=\"bad\">ended with {exit}</span>"),
    };
    let _ = writeln!(
        out,
        "<p>Job {}, {} nodes, {} edges, {}: {outcome}.</p>",
        view.job,
        view.nodes.len(),
        view.edges.len(),
        span(view.now - view.began)
    );
    out += "<table><tr>";
    for (state, _) in view.counts() {
        let _ = write!(out, "<th>{}</th>", state.name());
    }
    out += "</tr><tr>";
    for (_, count) in view.counts() {
        let _ = write!(out, "<td class=\"n\">{count}</td>");
    }
    out += "</tr></table>\n";
    out += &slowest(view);
    out += &trouble(view);
    let _ = write!(out, "<h2>Over time</h2>\n<div class=\"picture\">{}</div>\n", gantt::svg(view));
    let _ = write!(out, "<h2>Graph</h2>\n<div class=\"picture\">{}</div>\n", graph::svg(view));
    out += &table(view);
    out + "</body></html>\n"
}

fn slowest(view: &View) -> String {
    let chain = view.slowest_chain();
    if chain.is_empty() {
        return String::new();
    }
    let mut out = "<h2>Slowest chain</h2>\n<p class=\"faint\">What the run had to wait for. \
                   Only what makes one of these shorter makes the run shorter.</p>\n<table>\
                   <tr><th>node</th><th>began</th><th>ran</th><th>waited</th></tr>\n"
        .to_owned();
    for node in chain.iter().take(MAX_CHAIN).map(|node| &view.nodes[*node]) {
        let (from, to) = node.time().unwrap_or_default();
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td class=\"n\">+{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(&node.name),
            span(from - view.began),
            span(node.run_s()),
            span(to - from - node.run_s())
        );
    }
    out += "</table>\n";
    let more = chain.len().saturating_sub(MAX_CHAIN);
    if more > 0 {
        let _ = writeln!(out, "<p class=\"faint\">and {more} more</p>");
    }
    out
}

/// The nodes that failed or were tried again.
fn trouble(view: &View) -> String {
    let is_bad = |node: &&NodeView| node.state == State::Failed || node.attempts > 1;
    let bad: Vec<&NodeView> = view.nodes.iter().filter(is_bad).collect();
    if bad.is_empty() {
        return String::new();
    }
    let mut out = "<h2>Failed, or tried again</h2>\n<table>\
                   <tr><th>node</th><th>state</th><th>attempts</th><th>why</th></tr>\n"
        .to_owned();
    for node in bad.iter().take(MAX_ROWS) {
        let class = if node.state == State::Failed { " class=\"bad\"" } else { "" };
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td{class}>{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            escaped(&node.name),
            node.state.name(),
            node.attempts,
            escaped(node.failure.as_deref().unwrap_or(""))
        );
    }
    out + "</table>\n"
}

fn table(view: &View) -> String {
    let mut nodes: Vec<&NodeView> = view.nodes.iter().collect();
    let left_out = nodes.len().saturating_sub(MAX_ROWS);
    if left_out > 0 {
        let weight = |node: &&NodeView| {
            let bad = node.state == State::Failed || node.attempts > 1;
            (!bad, std::cmp::Reverse(node.run_s()))
        };
        nodes.sort_by_key(weight);
        nodes.truncate(MAX_ROWS);
    }
    let mut out = "<h2>Nodes</h2>\n<table><tr><th>node</th><th>state</th><th>attempts</th>\
                   <th>ran</th><th>memory of the request</th></tr>\n"
        .to_owned();
    for node in nodes {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            escaped(&node.name),
            node.state.name(),
            node.attempts,
            if node.spans.is_empty() { String::new() } else { span(node.run_s()) },
            memory(node)
        );
    }
    out += "</table>\n";
    if left_out > 0 {
        let _ = writeln!(out, "<p class=\"faint\">{left_out} nodes are not in this table.</p>");
    }
    out
}

/// What a node used of what it asked for.
fn memory(node: &NodeView) -> String {
    match (node.memory_mib, node.request_mib) {
        (Some(used), Some(asked)) if asked > 0 => {
            let percent = used.saturating_mul(100) / asked;
            let over = if percent > 100 { " class=\"over\"" } else { "" };
            let wide = percent.clamp(0, 100);
            format!(
                "<span class=\"bar\"><i{over} style=\"width:{wide}px\"></i></span>{used} of {asked} MiB"
            )
        }
        (Some(used), _) => format!("{used} MiB"),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;

    #[test]
    fn a_run_is_one_page_that_asks_nothing_of_a_network() {
        let page = html(&example());
        expect_test::expect_file!["../../../tests/golden/dag/report.html"].assert_eq(&page);
        let addresses = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!addresses.contains("http") && !addresses.contains("<script"));
    }
}
