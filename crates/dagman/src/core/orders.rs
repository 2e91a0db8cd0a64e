//! What somebody may have changed while the workflow runs: a node that failed is tried again, a
//! node counts as done. Throttles and a halt need no more than their events.

use std::sync::Arc;

use super::state::{Core, NodeState, ScriptState};
use super::words::{DagStatus, Event, Rejection};
use crate::workflow::{NodeIndex, NodeKind};

impl Core {
    /// A node that failed is tried again.
    pub(super) fn reopen(&self, node: NodeIndex) -> Result<Vec<Event>, Rejection> {
        self.may_be_ordered(node)?;
        match self.state(node) {
            NodeState::Failed(_) => Ok(vec![Event::Reopened { node }]),
            NodeState::Resting { .. } => Ok(vec![Event::Rested { node }]),
            NodeState::Waiting { .. }
            | NodeState::Ready { .. }
            | NodeState::Pre(_)
            | NodeState::Submitting { .. }
            | NodeState::Queued(_)
            | NodeState::Post(..)
            | NodeState::Done => {
                Err(self.unfit(node, "only a node that failed can be tried again"))
            }
            NodeState::Futile => {
                Err(self.unfit(node, "try the node again that failed, and it waits for that"))
            }
        }
    }

    /// A node that is not under way counts as done.
    pub(super) fn skip(&self, node: NodeIndex) -> Result<Vec<Event>, Rejection> {
        self.may_be_ordered(node)?;
        match self.state(node) {
            NodeState::Failed(_)
            | NodeState::Futile
            | NodeState::Waiting { .. }
            | NodeState::Resting { .. }
            | NodeState::Ready { .. }
            | NodeState::Pre(ScriptState::Waiting { .. } | ScriptState::Deferred { .. }) => {
                Ok(vec![Event::Skipped { node }])
            }
            NodeState::Pre(ScriptState::Running)
            | NodeState::Submitting { .. }
            | NodeState::Queued(_)
            | NodeState::Post(..) => {
                Err(self.unfit(node, "remove its jobs, and skip it when it has failed"))
            }
            NodeState::Done => Err(self.unfit(node, "there is nothing to skip")),
        }
    }

    fn may_be_ordered(&self, node: NodeIndex) -> Result<(), Rejection> {
        let progress = self.progress();
        if progress.ending.is_some() || progress.final_begun || !progress.begun {
            return Err(Rejection::Past);
        }
        match self.node(node).kind() {
            NodeKind::Job | NodeKind::Subdag | NodeKind::Join => Ok(()),
            NodeKind::Final | NodeKind::Service | NodeKind::Provisioner => {
                Err(self.unfit(node, "only JOB and SUBDAG nodes take orders"))
            }
        }
    }

    fn unfit(&self, node: NodeIndex, wanted: &'static str) -> Rejection {
        let state = match self.state(node) {
            NodeState::Waiting { .. } => "waits for its parents",
            NodeState::Resting { .. } => "waits until it is tried again",
            NodeState::Ready { .. } => "waits for its turn",
            NodeState::Pre(_) => "is in its PRE script",
            NodeState::Submitting { .. } | NodeState::Queued(_) => "has jobs in the queue",
            NodeState::Post(..) => "is in its POST script",
            NodeState::Done => "is done",
            NodeState::Failed(_) => "failed",
            NodeState::Futile => "cannot run, because of a parent that failed",
        };
        Rejection::Unfit { node: self.node(node).name().to_owned(), state, wanted }
    }

    /// A node begins anew, and what was futile because of it waits again. Its attempts are counted
    /// on: each has a number of its own for ever.
    pub(super) fn apply_reopened(&mut self, node: NodeIndex) {
        let standing = &mut self.nodes[node.position()];
        standing.retries += 1;
        standing.pardoned = standing.retries;
        standing.pre = None;
        self.enter(node, NodeState::Waiting { parents: 0 });
        self.revive_children(node);
        self.make_ready(node, true);
        self.forget_failure();
    }

    /// A node counts as done.
    pub(super) fn apply_skipped(&mut self, node: NodeIndex) {
        let was_over = matches!(self.state(node), NodeState::Failed(_) | NodeState::Futile);
        if was_over {
            self.enter(node, NodeState::Waiting { parents: 0 });
            self.revive_children(node);
        }
        self.done(node);
        self.forget_failure();
    }

    /// What was futile below a node that is not over waits for its parents again, if no other of
    /// them keeps it from running.
    fn revive_children(&mut self, node: NodeIndex) {
        let workflow = Arc::clone(&self.workflow);
        let mut next: Vec<NodeIndex> = workflow.children(node).map(|edge| edge.node).collect();
        while let Some(node) = next.pop() {
            if *self.state(node) == NodeState::Futile {
                let is_barred = workflow.parents(node).any(|edge| {
                    let state = self.state(edge.node);
                    *state == NodeState::Futile || state.failure().is_some() && !edge.weak
                });
                if is_barred {
                    continue;
                }
                self.enter(node, NodeState::Waiting { parents: self.open_parents(node) });
                next.extend(workflow.children(node).map(|edge| edge.node));
            } else if matches!(self.state(node), NodeState::Waiting { .. }) {
                // A weak child had stopped waiting for the node that begins anew.
                let parents = self.open_parents(node);
                self.enter(node, NodeState::Waiting { parents });
            }
        }
    }

    /// How many parents of a node are not over.
    fn open_parents(&self, node: NodeIndex) -> u32 {
        let is_open = |node| !self.state(node).has_ended();
        let open = self.workflow.parents(node).filter(|edge| is_open(edge.node)).count();
        u32::try_from(open).unwrap_or(u32::MAX)
    }

    /// A workflow without failed nodes is not failed.
    fn forget_failure(&mut self) {
        if self.counts.failed == 0 && self.progress.status == DagStatus::NodeFailed {
            self.progress.status = DagStatus::Ok;
        }
    }
}
