//! A picture of a DAG in Graphviz's language, as HTCondor's DOT command writes it.
//!
//! Knows neither files nor clocks: what a node looks like, and when it is, are arguments.

use std::fmt::Write as _;

use super::{NodeIndex, NodeKind, Workflow};

/// What a node looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DotState {
    /// It waits, is ready, or will never run.
    Waiting,
    /// Its PRE script runs.
    Pre,
    /// Its jobs are in the queue.
    Submitted,
    /// Its POST script runs.
    Post,
    /// It was done well.
    Done,
    Failed,
}

/// The text of a DOT file. `when` is as in `Sat Nov 28 20:29:40 2026`; `header` is the name and the
/// text of the file that DOT's INCLUDE names. SERVICE nodes are not in it, as they have no place in
/// the order.
pub fn dot(
    workflow: &Workflow,
    when: &str,
    header: Option<(&str, &str)>,
    state: impl Fn(NodeIndex) -> DotState,
) -> String {
    let mut out = format!("digraph DAG {{\n    label=\"DAGMan Job status at {when}\";\n\n");
    if let Some((file, text)) = header {
        let _ = write!(out, "// Beginning of commands included from {file}.\n{text}");
        if !text.is_empty() && !text.ends_with('\n') {
            out.push('\n');
        }
        let _ = write!(out, "// End of commands included from {file}.\n\n");
    }
    for node in workflow.nodes().filter(|node| node.kind() != NodeKind::Service) {
        let name = node.name();
        let (shape, letter, style) = match state(node.index()) {
            DotState::Waiting => ("ellipse", "I", ""),
            DotState::Pre => ("ellipse", "Pre", " style=dotted"),
            DotState::Submitted => ("ellipse", "R", " peripheries=2"),
            DotState::Post => ("ellipse", "Post", " style=dotted"),
            DotState::Done => ("ellipse", "Done", " style=bold"),
            DotState::Failed => ("box", "E", ""),
        };
        let _ = writeln!(
            out,
            "    \"{}\" [shape={shape} label=\"{} ({letter})\"{style}];",
            escaped(name),
            escaped(name)
        );
    }
    out.push('\n');
    for node in workflow.nodes() {
        for edge in node.children() {
            let child = workflow.node(edge.node).name();
            let _ = writeln!(out, "    \"{}\" -> \"{}\";", escaped(node.name()), escaped(child));
        }
    }
    out.push_str("}\n");
    out
}

/// Quotes would end the name: HTCondor forgets that, and writes a file that Graphviz refuses.
fn escaped(name: &str) -> std::borrow::Cow<'_, str> {
    if name.contains(['"', '\\']) {
        name.replace('\\', "\\\\").replace('"', "\\\"").into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::{Builder, NewNode};
    use super::*;

    #[test]
    fn each_state_looks_as_in_htcondor_and_services_are_left_out() {
        let mut builder = Builder::new(vec!["main.dag".to_owned()]);
        let names = ["A", "B", "C", "D", "E", "say \"F\""];
        let nodes = names.map(|n| builder.add_node(&NewNode::job(n, "n.sub")).unwrap());
        let service = NewNode { kind: NodeKind::Service, ..NewNode::job("S", "n.sub") };
        builder.add_node(&service).unwrap();
        builder.add_edge(nodes[0], nodes[3], true);
        builder.add_edge(nodes[1], nodes[2], false);
        let states = [
            DotState::Waiting,
            DotState::Pre,
            DotState::Submitted,
            DotState::Post,
            DotState::Done,
            DotState::Failed,
        ];
        let header = Some(("h", "  rankdir=LR;"));
        let text = dot(&builder.finish(), "Sat Nov 28 21:23:33 2026", header, |node| {
            states[node.position()]
        });
        expect![[r#"
            digraph DAG {
                label="DAGMan Job status at Sat Nov 28 21:23:33 2026";

            // Beginning of commands included from h.
              rankdir=LR;
            // End of commands included from h.

                "A" [shape=ellipse label="A (I)"];
                "B" [shape=ellipse label="B (Pre)" style=dotted];
                "C" [shape=ellipse label="C (R)" peripheries=2];
                "D" [shape=ellipse label="D (Post)" style=dotted];
                "E" [shape=ellipse label="E (Done)" style=bold];
                "say \"F\"" [shape=box label="say \"F\" (E)"];

                "A" -> "D";
                "B" -> "C";
            }
        "#]]
        .assert_eq(&text);
    }
}
