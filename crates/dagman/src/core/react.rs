//! What the world must be told of an event that was applied, and after a restart.

use model::planted::{Bug, planted};

use super::state::{Core, Ending, NodeState, ScriptState};
use super::words::{Effect, Event};
use crate::workflow::{NodeIndex, NodeKind, ScriptKind};

impl Core {
    /// What is to be done because of an event, which has been applied.
    pub fn react(&self, event: &Event) -> Vec<Effect> {
        match event {
            Event::ScriptStarted { node, script } => vec![self.run(*node, *script)],
            Event::SubmitBegan { node } | Event::JobsLost { node } => vec![self.submit(*node)],
            Event::SaveBegan { node } => vec![Effect::SavePoint { node: *node }],
            Event::Submitted { node, cluster, .. }
                if self.progress().ending.is_some()
                    && !self.progress().final_begun
                    && !self.outlives_ending(*node) =>
            {
                let reason = self.reason();
                vec![Effect::RemoveCluster { cluster: *cluster, reason }]
            }
            Event::RestRemoved { node, why } => {
                let left = self.state(*node).queued().map(|queued| queued.id);
                let remove = |cluster| Effect::RemoveCluster { cluster, reason: why.clone() };
                left.map(remove).into_iter().collect()
            }
            Event::Aborted { .. } | Event::Removed | Event::Broke { .. } | Event::CycleFound => {
                vec![self.remove_all()]
            }
            Event::Finished { status, rescue } => {
                vec![Effect::Finish { status: *status, rescue: *rescue }]
            }
            Event::Began
            | Event::NothingToSubmit { .. }
            | Event::ScriptEnded { .. }
            | Event::ScriptDeferred { .. }
            | Event::PreSkipped { .. }
            | Event::Unchanged { .. }
            | Event::SubmitPostponed { .. }
            | Event::Submitted { .. }
            | Event::SubmitFailed { .. }
            | Event::Job { .. }
            | Event::PostReady { .. }
            | Event::Done { .. }
            | Event::Retried { .. }
            | Event::Rested { .. }
            | Event::Reopened { .. }
            | Event::Skipped { .. }
            | Event::Failed { .. }
            | Event::Provided
            | Event::Halted(_)
            | Event::Throttled(_)
            | Event::FinalBegan => Vec::new(),
        }
    }

    /// After a restart: what was begun, and may not have been done.
    pub fn resume(&self) -> Vec<Effect> {
        if let Some((status, rescue)) = self.progress().finished {
            return vec![Effect::Finish { status, rescue }];
        }
        let mut effects = Vec::new();
        for node in (0..self.nodes.len()).map(NodeIndex::new) {
            match self.state(node) {
                NodeState::Pre(ScriptState::Running) | NodeState::Post(ScriptState::Running, _)
                    if planted(Bug::DagScriptForgotten) => {}
                NodeState::Submitting { .. } if planted(Bug::DagSubmissionForgotten) => {}
                NodeState::Pre(ScriptState::Running) => {
                    effects.push(self.run(node, ScriptKind::Pre));
                }
                NodeState::Post(ScriptState::Running, _) => {
                    effects.push(self.run(node, ScriptKind::Post));
                }
                NodeState::Submitting { until_ms: None, .. } => effects.push(self.submit(node)),
                NodeState::Queued(cluster) if cluster.is_leaving => {
                    let reason = "another job of the node failed".to_owned();
                    effects.push(Effect::RemoveCluster { cluster: cluster.id, reason });
                }
                NodeState::Pre(ScriptState::Waiting { .. } | ScriptState::Deferred { .. })
                | NodeState::Post(ScriptState::Waiting { .. } | ScriptState::Deferred { .. }, _)
                | NodeState::Submitting { until_ms: Some(_), .. }
                | NodeState::Queued(_)
                | NodeState::Waiting { .. }
                | NodeState::Resting { .. }
                | NodeState::Ready { .. }
                | NodeState::Done
                | NodeState::Failed(_)
                | NodeState::Futile => {}
            }
        }
        if self.progress().ending.is_some() && !self.progress().final_begun {
            effects.push(self.remove_all());
        }
        effects
    }

    fn run(&self, node: NodeIndex, script: ScriptKind) -> Effect {
        Effect::RunScript { node, retry: self.retries(node), script }
    }

    fn submit(&self, node: NodeIndex) -> Effect {
        Effect::Submit { node, retry: self.retries(node) }
    }

    fn remove_all(&self) -> Effect {
        let but_services = self.workflow().services().any(|node| self.outlives_ending(node));
        Effect::RemoveAll { reason: self.reason(), but_services }
    }

    /// Whether a node goes on while the workflow ends: a SERVICE node until FINAL is over.
    fn outlives_ending(&self, node: NodeIndex) -> bool {
        self.node(node).kind() == NodeKind::Service && self.workflow().final_node().is_some()
    }

    /// Why nodes are removed, in the words that their jobs' `RemoveReason` has.
    fn reason(&self) -> String {
        match &self.progress().ending {
            Some(Ending::Removed) => {
                "DAG Removed: User removed scheduler job from queue.".to_owned()
            }
            Some(Ending::Aborted(_) | Ending::Cycle | Ending::Broken(_)) | None => {
                "DAG Abort: DAG is exiting and writing rescue file.".to_owned()
            }
        }
    }
}
