//! What is kept: where each node stands, what waits for its turn, and counters that are in step
//! with both.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use model::{ClusterId, Now};

use super::jobs::{Cluster, JobsEnd};
use super::words::{DagStatus, Failure, Options, Throttles};
use crate::workflow::{CategoryIndex, Node, NodeIndex, NodeKind, Workflow, find_cycle};

/// The state of a workflow, and all decisions about it.
#[derive(Clone, Debug)]
pub struct Core {
    pub(super) workflow: Arc<Workflow>,
    pub(super) options: Options,
    pub(super) nodes: Vec<Standing>,
    /// The nodes of the clusters that are in the queue.
    pub(super) clusters: BTreeMap<ClusterId, NodeIndex>,
    pub(super) turns: Turns,
    pub(super) counts: Counts,
    pub(super) throttles: Throttles,
    pub(super) progress: Progress,
    /// The nodes on a cycle, if there is one.
    pub(super) cycle: Vec<NodeIndex>,
}

/// A node and its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: NodeState,
    /// How often it was tried again.
    pub(super) retries: u32,
    /// How many of them do not count against RETRY: somebody had it tried again behind them.
    pub(super) pardoned: u32,
    /// As what its PRE script of this attempt ended, if it had one.
    pub(super) pre: Option<i32>,
}

/// Where a node stands. Each state owns what is only true in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// So many of its parents are not over.
    Waiting { parents: u32 },
    /// It failed, and is tried again at a moment (RETRY ... AFTER).
    Resting {
        /// When, milliseconds of the boot clock.
        until_ms: u64,
    },
    /// Its jobs may be submitted when it is its turn.
    Ready {
        /// Its place in the line.
        turn: i64,
    },
    /// Its PRE script is next, or runs.
    Pre(ScriptState),
    /// Its jobs are being submitted.
    Submitting {
        /// How often that failed.
        tries: u32,
        /// When it may be tried again, milliseconds of the boot clock; none while it is being
        /// tried.
        until_ms: Option<u64>,
    },
    /// Its jobs are in the queue.
    Queued(Box<Cluster>),
    /// Its POST script is next, or runs.
    Post(ScriptState, Box<JobsEnd>),
    /// It is done well.
    Done,
    /// It failed for good.
    Failed(Box<Failure>),
    /// It cannot run, because of a parent that failed.
    Futile,
}

impl NodeState {
    /// The jobs in the queue that the node waits for.
    pub fn queued(&self) -> Option<&Cluster> {
        if let Self::Queued(cluster) = self { Some(cluster) } else { None }
    }

    /// How the node failed for good.
    pub fn failure(&self) -> Option<&Failure> {
        if let Self::Failed(failure) = self { Some(failure) } else { None }
    }

    /// Whether the node has come to an end of its own: it is done, or failed for good.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Done | Self::Failed(_))
    }
}

/// Where a script stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptState {
    /// It waits for its turn.
    Waiting {
        /// Its place in the line.
        turn: i64,
    },
    /// It runs again later (DEFER).
    Deferred {
        /// When, milliseconds of the boot clock.
        until_ms: u64,
    },
    Running,
}

/// Ready nodes, the first first.
pub(super) type Line = BTreeSet<(std::cmp::Reverse<i32>, i64, NodeIndex)>;

/// Who waits for a turn. The lesser number is first.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    /// Ready nodes by category, in each the highest priority first: a full category is passed over
    /// at once.
    pub(super) ready: BTreeMap<Option<CategoryIndex>, Line>,
    pub(super) pre: BTreeSet<(i64, NodeIndex)>,
    pub(super) post: BTreeSet<(i64, NodeIndex)>,
    /// HOLD scripts; a node may be there several times.
    pub(super) hold: std::collections::VecDeque<NodeIndex>,
    /// Scripts, submissions and nodes that are to be tried at a moment.
    pub(super) later: BTreeSet<(u64, NodeIndex)>,
    /// The same, of HOLD scripts.
    pub(super) hold_later: BTreeSet<(u64, NodeIndex)>,
    /// Nodes that may begin, and whose save points are not written.
    pub(super) saves: BTreeSet<NodeIndex>,
    pub(super) next: i64,
    pub(super) front: i64,
}

impl Turns {
    pub(super) fn at_end(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    pub(super) fn at_front(&mut self) -> i64 {
        self.front -= 1;
        self.front
    }
}

/// How many there are of what. Nodes are counted without those that run beside the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All nodes, with FINAL.
    pub total: u64,
    pub done: u64,
    /// Their PRE script is next, or runs.
    pub pre: u64,
    /// Their jobs are being submitted, or in the queue.
    pub queued: u64,
    /// Their POST script is next, or runs.
    pub post: u64,
    pub ready: u64,
    /// They wait for parents, or until they are tried again.
    pub waiting: u64,
    /// Failed for good.
    pub failed: u64,
    /// They cannot run.
    pub futile: u64,
    /// SERVICE nodes, and the PROVISIONER, that are in progress.
    pub services: u64,
    /// Nodes with jobs in the queue or on the way there, of every kind.
    pub nodes_in_queue: u64,
    /// The same by category.
    pub by_category: Vec<u32>,
    /// Jobs that wait for a machine, or are on the way into the queue.
    pub idle_jobs: u64,
    /// Jobs that are held.
    pub held_jobs: u64,
    /// PRE scripts that run.
    pub pre_running: u64,
    /// POST scripts that run.
    pub post_running: u64,
    /// HOLD scripts that run.
    pub hold_running: u64,
    /// Jobs that were ever submitted.
    pub jobs_submitted: u64,
    /// Of them those that ended by themselves, however.
    pub jobs_ended: u64,
    /// Of them those that were removed.
    pub jobs_removed: u64,
    /// How many numbers were given to nodes without jobs.
    pub noops: u32,
    /// How often a node had to wait because of `-maxjobs`: all that are ready are counted each time
    /// that the limit is reached.
    pub deferred_for_jobs: u64,
    /// The same because of `-maxidle`.
    pub deferred_for_idle: u64,
    /// The same because of its category.
    pub deferred_for_category: u64,
    /// How often a script had to wait because of `-maxpre`, or by its own wish (DEFER).
    pub deferred_pre: u64,
    /// The same because of `-maxpost`.
    pub deferred_post: u64,
    /// The same because of `-maxhold`.
    pub deferred_hold: u64,
}

impl Counts {
    /// Nodes that are in progress: begun and not over.
    pub fn in_progress(&self) -> u64 {
        self.pre + self.queued + self.post
    }
}

/// How far the workflow is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether it has begun.
    pub begun: bool,
    /// How it stands.
    pub status: DagStatus,
    /// Why it ends before everything was tried.
    pub ending: Option<Ending>,
    /// Whether nothing new may begin.
    pub halted: bool,
    /// Whether others wait for the PROVISIONER.
    pub waits_for_provisioner: bool,
    /// Whether FINAL has begun.
    pub final_begun: bool,
    /// What dagman exits with, and whether there is something to rescue.
    pub finished: Option<(i32, bool)>,
}

/// Why a workflow ends before everything was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// ABORT-DAG-ON, with what dagman exits with.
    Aborted(i32),
    /// Somebody removed it.
    Removed,
    /// It has a cycle.
    Cycle,
    /// A mistake was found late.
    Broken(String),
}

impl Core {
    /// A workflow that has not begun.
    pub fn new(workflow: Arc<Workflow>, options: Options) -> Self {
        let standing = |node: Node<'_>| Standing {
            state: NodeState::Waiting {
                parents: u32::try_from(node.parents().len()).unwrap_or(u32::MAX),
            },
            retries: 0,
            pardoned: 0,
            pre: None,
        };
        let nodes: Vec<Standing> = workflow.nodes().map(standing).collect();
        let beside = workflow.services().count() + usize::from(workflow.provisioner().is_some());
        let total = (nodes.len() - beside) as u64;
        let counts = Counts {
            total,
            waiting: total,
            by_category: vec![0; workflow.categories().len()],
            ..Counts::default()
        };
        let progress = Progress {
            waits_for_provisioner: workflow.provisioner().is_some(),
            ..Progress::default()
        };
        let cycle = find_cycle(&workflow).unwrap_or_default();
        let throttles = options.throttles;
        Self {
            workflow,
            options,
            nodes,
            clusters: BTreeMap::new(),
            turns: Turns::default(),
            counts,
            throttles,
            progress,
            cycle,
        }
    }

    pub fn workflow(&self) -> &Arc<Workflow> {
        &self.workflow
    }

    /// What does not change.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The limits that hold now.
    pub fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    /// Where a node stands.
    pub fn state(&self, node: NodeIndex) -> &NodeState {
        &self.nodes[node.position()].state
    }

    /// How often a node was tried again.
    pub fn retries(&self, node: NodeIndex) -> u32 {
        self.nodes[node.position()].retries
    }

    /// As what a node's PRE script of this attempt ended.
    pub fn pre_result(&self, node: NodeIndex) -> Option<i32> {
        self.nodes[node.position()].pre
    }

    /// How many there are of what.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The number that the next node gets which has no jobs.
    pub fn next_noop(&self) -> u32 {
        self.counts.noops + 1
    }

    /// The last one.
    pub(super) fn last_noop(&self) -> u32 {
        self.counts.noops
    }

    /// How far it is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The nodes on a cycle, each before the one that waits for it; none if there is none.
    pub fn cycle(&self) -> &[NodeIndex] {
        &self.cycle
    }

    /// The node of a cluster that is in the queue.
    pub fn node_of(&self, cluster: ClusterId) -> Option<NodeIndex> {
        self.clusters.get(&cluster).copied()
    }

    /// The clusters in the queue that are of more than one job.
    pub fn clusters_of_many(&self, but_services: bool) -> impl Iterator<Item = ClusterId> {
        let is_left =
            move |node: NodeIndex| but_services && self.node(node).kind() == NodeKind::Service;
        let nodes = self.clusters.values().filter(move |node| !is_left(**node));
        let all = nodes.filter_map(|node| self.state(*node).queued());
        all.filter(|cluster| cluster.jobs.len() > 1).map(|cluster| cluster.id)
    }

    /// When the core is to be asked again though nothing came, milliseconds of the boot clock.
    pub fn next_deadline(&self) -> Option<u64> {
        let first = |line: &BTreeSet<(u64, NodeIndex)>| line.first().map(|(at, _)| *at);
        [first(&self.turns.later), first(&self.turns.hold_later)].into_iter().flatten().min()
    }

    /// Whether a deadline has come. One that lies too far ahead was made before the machine was
    /// started again.
    pub(super) fn is_due(now: Now, until_ms: u64, at_most_s: u64) -> bool {
        now.boot_ms >= until_ms || until_ms - now.boot_ms > at_most_s.saturating_mul(1000)
    }

    pub(super) fn node(&self, index: NodeIndex) -> Node<'_> {
        self.workflow.node(index)
    }

    /// Whether a node counts among the workflow's.
    pub(crate) fn is_counted(&self, index: NodeIndex) -> bool {
        !matches!(self.node(index).kind(), NodeKind::Service | NodeKind::Provisioner)
    }
}

#[cfg(test)]
impl Core {
    /// The counters are what one counts.
    pub(super) fn check(&self) {
        let mut counted = Counts { total: self.counts.total, ..Counts::default() };
        counted.by_category = vec![0; self.counts.by_category.len()];
        for index in (0..self.nodes.len()).map(NodeIndex::new).filter(|n| self.is_counted(*n)) {
            *match self.state(index) {
                NodeState::Waiting { .. } | NodeState::Resting { .. } => &mut counted.waiting,
                NodeState::Ready { .. } => &mut counted.ready,
                NodeState::Pre(_) => &mut counted.pre,
                NodeState::Submitting { .. } | NodeState::Queued(_) => &mut counted.queued,
                NodeState::Post(..) => &mut counted.post,
                NodeState::Done => &mut counted.done,
                NodeState::Failed(_) => &mut counted.failed,
                NodeState::Futile => &mut counted.futile,
            } += 1;
        }
        let of = |c: &Counts| {
            [c.total, c.waiting, c.ready, c.pre, c.queued, c.post, c.done, c.failed, c.futile]
        };
        assert_eq!(of(&self.counts), of(&counted));
        assert_eq!(self.counts.total, of(&counted)[1..].iter().sum::<u64>());
        let ready: usize = self.turns.ready.values().map(BTreeSet::len).sum();
        let services = self.workflow.nodes().filter(|n| !self.is_counted(n.index()));
        let waiting =
            services.filter(|n| matches!(self.state(n.index()), NodeState::Ready { .. })).count();
        assert_eq!(ready, usize::try_from(counted.ready).unwrap() + waiting);
        let queued = self.nodes.iter().filter(|n| n.state.queued().is_some()).count();
        assert_eq!(self.clusters.len(), queued);
        for index in (0..self.nodes.len()).map(NodeIndex::new) {
            let waits = matches!(
                self.state(index),
                NodeState::Resting { .. }
                    | NodeState::Pre(ScriptState::Deferred { .. })
                    | NodeState::Post(ScriptState::Deferred { .. }, _)
                    | NodeState::Submitting { until_ms: Some(_), .. }
            );
            assert_eq!(waits, self.turns.later.iter().any(|(_, n)| *n == index), "{index:?}");
        }
    }
}
