//! `DOT`: a picture of the workflow in Graphviz's language, each node with the letter of its state.
//! Knows no file.

use crate::core::{Core, NodeState};

/// The picture. `include` is a text that comes into the graph's body.
pub fn text(core: &Core, include: Option<&str>) -> String {
    let mut out = "digraph DAG {\n".to_owned();
    if let Some(include) = include {
        out += include;
        out.push('\n');
    }
    for node in core.workflow().nodes() {
        let name = node.name().replace('"', "\\\"");
        let state = letter(core.state(node.index()));
        out += &format!("    \"{name}\" [shape=ellipse label=\"{name} ({state})\"];\n");
    }
    for node in core.workflow().nodes() {
        for edge in node.children() {
            let child = core.workflow().node(edge.node).name();
            let style = if edge.weak { " [style=dashed]" } else { "" };
            out += &format!("    \"{}\" -> \"{child}\"{style};\n", node.name());
        }
    }
    out + "}\n"
}

/// What HTCondor puts behind a node's name.
fn letter(state: &NodeState) -> &'static str {
    match state {
        NodeState::Waiting { .. } | NodeState::Resting { .. } | NodeState::Ready { .. } => "I",
        NodeState::Pre(_) => "P",
        NodeState::Submitting { .. } | NodeState::Queued(_) => "R",
        NodeState::Post(..) => "O",
        NodeState::Done => "Done",
        NodeState::Failed(_) => "E",
        NodeState::Futile => "F",
    }
}
