//! A run whose schedd's queue was put back from a copy: what the journal knows to be in the queue
//! may be lost, and what was done may be in the queue again.
//!
//! Numbers of the record never come again, those of clusters do: a cluster is a node's only if its
//! jobs say so.

use std::collections::BTreeMap;

use client::asynchronous::Schedd;
use model::ClusterId;

use super::ShellError;
use super::engine::{Known, known_in, remove_clusters};
use super::journal::Journal;
use crate::core::{Core, Event, Input, NodeState};
use crate::workflow::NodeIndex;

/// Whose jobs are looked at.
pub(super) struct Run<'a> {
    pub(super) schedd: &'a Schedd,
    pub(super) job: ClusterId,
    /// Which of the job's runs.
    pub(super) generation: u32,
    /// The generation of the schedd's queue.
    pub(super) queue: u64,
}

/// What differs between a journal and a queue.
#[derive(Debug, Default, PartialEq, Eq)]
struct Differences {
    /// Nodes that wait for clusters which are not there, and have not ended.
    lost: Vec<(NodeIndex, ClusterId)>,
    /// Clusters of attempts that are over, or that nobody waits for.
    strays: Vec<ClusterId>,
}

impl Run<'_> {
    /// Where the queue is another than the one that the journal was written for: has what is lost
    /// submitted again, and removes what is there again though it is over.
    pub(super) async fn go_on(
        &self,
        known: u64,
        (core, journal): (&mut Core, &mut Journal),
        mut note: impl FnMut(&Core, &Event),
    ) -> Result<(), ShellError> {
        if known == self.queue {
            return Ok(());
        }
        // A release that did not ask has written 0: its queue is taken for the present one.
        if known != 0 {
            let there = known_in(self.schedd, self.job, self.generation, false).await?;
            // What is past has ended, as the journal or the record says.
            let past = known_in(self.schedd, self.job, self.generation, true).await?;
            let differences = compare(core, &there, &past);
            let events = lose(core, &differences.lost, &mut note);
            journal.append(&events, None, None)?;
            let reason = "its node was over when the queue was put back from a copy";
            remove_clusters(self.schedd, &differences.strays, reason).await?;
        }
        journal.note_queue(self.queue)
    }
}

/// What differs, where these clusters are in the queue, and these were.
fn compare(core: &Core, there: &Known, past: &Known) -> Differences {
    let mut differences = Differences::default();
    let mut awaited: BTreeMap<(&str, u32), Option<ClusterId>> = BTreeMap::new();
    for node in core.workflow().nodes() {
        let (index, retry) = (node.index(), core.retries(node.index()));
        let Some(cluster) = core.state(index).queued() else {
            if let NodeState::Submitting { .. } = core.state(index) {
                awaited.insert((node.name(), retry), None);
            }
            continue;
        };
        let attempt = (node.name().to_owned(), retry);
        let known = [there, past].into_iter().filter_map(|known| known.get(&attempt));
        if known.into_iter().any(|(known, _)| *known == cluster.id) {
            awaited.insert((node.name(), retry), Some(cluster.id));
        } else {
            differences.lost.push((index, cluster.id));
            awaited.insert((node.name(), retry), None);
        }
    }
    for ((name, retry), (cluster, _)) in there {
        let is_awaited = match awaited.get(&(name.as_str(), *retry)) {
            // It is found when the node is submitted.
            Some(None) => true,
            Some(Some(awaited)) => awaited == cluster,
            None => false,
        };
        if !is_awaited {
            differences.strays.push(*cluster);
        }
    }
    differences
}

/// Has nodes be submitted again.
fn lose(
    core: &mut Core,
    lost: &[(NodeIndex, ClusterId)],
    note: &mut impl FnMut(&Core, &Event),
) -> Vec<Event> {
    let now = proto::clock::now();
    let mut events = Vec::new();
    for (node, cluster) in lost.iter().copied() {
        // What is over, or ends, takes no part any more.
        let decided = core.decide(now, &Input::JobsLost { node, cluster }).unwrap_or_default();
        for event in decided {
            note(core, &event);
            core.apply(&event);
            events.push(event);
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::Options;
    use crate::workflow::{Builder, NewNode};

    #[test]
    fn what_the_copy_does_not_know_is_lost_and_what_is_over_is_astray() {
        let mut builder = Builder::new(vec!["a.dag".to_owned()]);
        let names = ["done", "kept", "lost", "past", "stranger", "sent", "found"];
        let nodes = names.map(|name| builder.add_node(&NewNode::job(name, "n.sub")).unwrap());
        let mut core = Core::new(Arc::new(builder.finish()), Options::default());
        core.apply(&Event::Began);
        for (number, node) in (1..).zip(nodes) {
            core.apply(&Event::SubmitBegan { node });
            if names[node.position()] != "sent" {
                let cluster = ClusterId(number);
                core.apply(&Event::Submitted { node, cluster, jobs: 1 });
            }
        }
        core.apply(&Event::Done { node: nodes[0] });
        let known = |all: &[(&str, u32)]| -> Known {
            all.iter().map(|(name, id)| (((*name).to_owned(), 0), (ClusterId(*id), 1))).collect()
        };
        // What the copy has of `found` is of another number than the one that was lost.
        let there = known(&[("done", 1), ("kept", 2), ("sent", 6), ("found", 8)]);
        let differences = compare(&core, &there, &known(&[("past", 4)]));
        let lost = [(nodes[2], ClusterId(3)), (nodes[4], ClusterId(5)), (nodes[6], ClusterId(7))];
        assert_eq!(differences, Differences { lost: lost.into(), strays: vec![ClusterId(1)] });
        let events = lose(&mut core, &differences.lost, &mut |_, _| {});
        assert_eq!(events.len(), 3);
        assert!(matches!(core.state(nodes[4]), NodeState::Submitting { tries: 0, until_ms: None }));
        assert_eq!(core.node_of(ClusterId(5)), None, "a stranger's end is nobody's");
    }
}
