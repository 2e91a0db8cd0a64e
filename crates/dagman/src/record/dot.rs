//! `DOT`: what each node of a picture looks like. The picture itself, `workflow::dot` makes. Knows
//! no file.

use super::Stamp;
use crate::core::{Core, NodeState};
use crate::workflow::{DotState, dot};

/// The picture at a moment. `include` is the name and the text of a file that comes into the
/// graph's body.
pub fn text(core: &Core, now: &Stamp, include: Option<(&str, &str)>) -> String {
    dot(core.workflow(), &now.in_status(), include, |node| match core.state(node) {
        // Before anything begins, what is marked DONE is only that.
        NodeState::Waiting { .. } if core.workflow().node(node).is_done() => DotState::Done,
        state => look(state),
    })
}

fn look(state: &NodeState) -> DotState {
    match state {
        NodeState::Waiting { .. }
        | NodeState::Resting { .. }
        | NodeState::Ready { .. }
        | NodeState::Futile => DotState::Waiting,
        NodeState::Pre(_) => DotState::Pre,
        NodeState::Submitting { .. } | NodeState::Queued(_) => DotState::Submitted,
        NodeState::Post(..) => DotState::Post,
        NodeState::Done => DotState::Done,
        NodeState::Failed(_) => DotState::Failed,
    }
}
