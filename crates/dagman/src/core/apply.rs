//! The only function that changes the core. Every counter and every line of waiters is kept in step
//! here.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::jobs::{Cluster, JobEnd, JobStanding, JobsEnd, OVER_MEMORY};
use super::state::{Core, Ending, NodeState, ScriptState};
use super::words::{DagStatus, Event, Failure, JobFact};
use crate::workflow::{NodeIndex, NodeKind, ScriptKind};
use model::planted::{Bug, planted};

impl Core {
    /// What follows of an event for what is kept.
    ///
    /// # Panics
    /// If the event cannot happen in this state: a defect of ours.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Began => self.begin(),
            Event::ScriptStarted { node, script } => self.script_started(*node, *script),
            Event::ScriptEnded { node, script, end } => {
                self.script_ended(*node, *script, end.code());
            }
            Event::ScriptDeferred { node, script, until_ms } => {
                self.defer_script(*node, *script, *until_ms);
            }
            Event::PreSkipped { .. } | Event::Unchanged { .. } => self.counts.noops += 1,
            Event::SaveBegan { node } => {
                self.turns.saves.remove(node);
            }
            Event::SubmitBegan { node } => self.submit_began(*node),
            Event::SubmitPostponed { node, until_ms, .. } => self.postpone(*node, *until_ms),
            Event::Submitted { node, cluster, jobs } => {
                self.clusters.insert(*cluster, *node);
                self.counts.jobs_submitted += u64::from(*jobs);
                let at_once = self.node(*node).map().and_then(|map| map.at_once);
                let cluster = Cluster::new(*cluster, *jobs).with_at_once(at_once);
                self.enter(*node, NodeState::Queued(Box::new(cluster)));
            }
            Event::JobsLost { node } => {
                self.enter(*node, NodeState::Submitting { tries: 0, until_ms: None });
            }
            Event::SubmitFailed { node, .. } => self.use_up_retries(*node),
            Event::NothingToSubmit { .. } => self.nothing_submitted(),
            Event::Job { node, job, fact } => self.job(*node, job.proc, fact),
            Event::RestRemoved { node, .. } => {
                if let NodeState::Queued(cluster) = &mut self.standing(*node).state {
                    cluster.is_leaving = true;
                }
            }
            Event::PostReady { node, jobs_return } => self.post_ready(*node, *jobs_return),
            Event::Done { node } => self.done(*node),
            Event::Retried { node, until_ms, .. } => self.retry(*node, *until_ms),
            Event::Rested { node } => {
                self.leave_line(*node);
                self.make_ready(*node, true);
            }
            Event::Reopened { node } => self.apply_reopened(*node),
            Event::Skipped { node } => self.apply_skipped(*node),
            Event::Failed { node, failure } => self.failed(*node, failure),
            Event::Provided => self.progress.waits_for_provisioner = false,
            Event::Aborted { status, .. } => {
                self.end_early(DagStatus::Aborted, Ending::Aborted(*status));
            }
            Event::Removed => self.end_early(DagStatus::Removed, Ending::Removed),
            Event::CycleFound => self.end_early(DagStatus::Cycle, Ending::Cycle),
            Event::Broke { why } => self.end_early(DagStatus::Error, Ending::Broken(why.clone())),
            Event::Halted(halted) => self.progress.halted = *halted,
            Event::Throttled(throttles) => self.throttles = *throttles,
            Event::FinalBegan => {
                self.progress.final_begun = true;
                if let Some(node) = self.workflow.final_node() {
                    self.make_ready(node, false);
                }
            }
            Event::Finished { status, rescue } => {
                if self.progress.halted && self.progress.status == DagStatus::Ok && *rescue {
                    self.progress.status = DagStatus::Halted;
                }
                self.progress.finished = Some((*status, *rescue));
            }
        }
    }

    fn begin(&mut self) {
        let nodes = |core: &Self| (0..core.nodes.len()).map(NodeIndex::new);
        for node in nodes(self) {
            if self.node(node).is_done() && self.node(node).kind() != NodeKind::Final {
                self.done(node);
            }
        }
        self.progress.begun = true;
        for node in nodes(self) {
            let is_free = *self.state(node) == NodeState::Waiting { parents: 0 };
            if is_free && self.node(node).kind() != NodeKind::Final {
                self.make_ready(node, false);
            }
        }
    }

    /// A node may begin: its PRE script, or its jobs.
    pub(super) fn make_ready(&mut self, node: NodeIndex, again: bool) {
        if self.node(node).save_point().is_some() && !again {
            self.turns.saves.insert(node);
        }
        let first = self.options.depth_first || (again && self.options.retry_node_first);
        let turn = if first { self.turns.at_front() } else { self.turns.at_end() };
        if self.node(node).script(ScriptKind::Pre).is_some() {
            self.turns.pre.insert((turn, node));
            self.enter(node, NodeState::Pre(ScriptState::Waiting { turn }));
        } else {
            self.wait_in_line(node, turn);
        }
    }

    fn wait_in_line(&mut self, node: NodeIndex, turn: i64) {
        let (priority, category) = (self.node(node).priority(), self.node(node).category());
        self.turns.ready.entry(category).or_default().insert((Reverse(priority), turn, node));
        self.enter(node, NodeState::Ready { turn });
    }

    fn submit_began(&mut self, node: NodeIndex) {
        self.leave_line(node);
        let tries =
            if let NodeState::Submitting { tries, .. } = self.state(node) { *tries } else { 0 };
        self.enter(node, NodeState::Submitting { tries, until_ms: None });
        self.count_deferred(node);
    }

    /// Who has to wait now that this node was submitted.
    fn count_deferred(&mut self, node: NodeIndex) {
        let (throttles, category) = (self.throttles, self.node(node).category());
        let is_full = |limit: u32, used: u64| limit > 0 && used >= u64::from(limit);
        let counts = &mut self.counts;
        if is_full(throttles.jobs, counts.nodes_in_queue) {
            counts.deferred_for_jobs += counts.ready;
        } else if is_full(throttles.idle, counts.idle_jobs) {
            counts.deferred_for_idle += counts.ready;
        }
        let Some(category) = category else { return };
        let place = category.0 as usize;
        let max = self.workflow.categories()[place].max_jobs;
        if max.is_some_and(|max| counts.by_category[place] >= max) {
            let line = self.turns.ready.get(&Some(category)).map_or(0, BTreeSet::len);
            counts.deferred_for_category += line as u64;
        }
    }

    fn postpone(&mut self, node: NodeIndex, until_ms: u64) {
        let NodeState::Submitting { tries, .. } = *self.state(node) else {
            panic!("a submission is put off of a node that is {:?}", self.state(node))
        };
        self.turns.later.insert((until_ms, node));
        let until_ms = Some(until_ms);
        self.enter(node, NodeState::Submitting { tries: tries + 1, until_ms });
    }

    /// What cannot be submitted is not submitted again: its retries count as used.
    fn use_up_retries(&mut self, node: NodeIndex) {
        let max = self.node(node).retry().map_or(0, |retry| retry.max);
        let max = max + self.standing(node).pardoned;
        self.standing(node).retries = max.max(self.retries(node));
    }

    /// It counts as a job that was done well; a join too.
    fn nothing_submitted(&mut self) {
        self.counts.noops += 1;
        self.counts.jobs_submitted += 1;
        self.counts.jobs_ended += 1;
    }

    fn script_started(&mut self, node: NodeIndex, script: ScriptKind) {
        self.leave_line(node);
        match script {
            ScriptKind::Pre => {
                self.enter(node, NodeState::Pre(ScriptState::Running));
                if self.counts.pre_running == u64::from(self.throttles.pre) {
                    self.counts.deferred_pre += self.turns.pre.len() as u64;
                }
            }
            ScriptKind::Post => {
                let end = self.take_jobs_end(node);
                self.enter(node, NodeState::Post(ScriptState::Running, end));
                if self.counts.post_running == u64::from(self.throttles.post) {
                    self.counts.deferred_post += self.turns.post.len() as u64;
                }
            }
            ScriptKind::Hold => {
                let turns = &mut self.turns;
                if let Some(at) = turns.hold.iter().position(|waiting| *waiting == node) {
                    turns.hold.remove(at);
                } else if let Some(at) = turns.hold_later.iter().find(|(_, n)| *n == node).copied()
                {
                    turns.hold_later.remove(&at);
                }
                self.counts.hold_running += 1;
                if self.counts.hold_running == u64::from(self.throttles.hold) {
                    self.counts.deferred_hold += self.turns.hold.len() as u64;
                }
            }
        }
    }

    fn script_ended(&mut self, node: NodeIndex, script: ScriptKind, code: i32) {
        match script {
            ScriptKind::Pre => {
                self.standing(node).pre = Some(code);
                if code == 0 {
                    let turn = if self.options.depth_first {
                        self.turns.at_front()
                    } else {
                        self.turns.at_end()
                    };
                    self.wait_in_line(node, turn);
                }
            }
            ScriptKind::Post => {}
            ScriptKind::Hold => self.counts.hold_running -= 1,
        }
    }

    fn defer_script(&mut self, node: NodeIndex, script: ScriptKind, until_ms: u64) {
        let deferred = ScriptState::Deferred { until_ms };
        *match script {
            ScriptKind::Pre => &mut self.counts.deferred_pre,
            ScriptKind::Post => &mut self.counts.deferred_post,
            ScriptKind::Hold => &mut self.counts.deferred_hold,
        } += 1;
        match script {
            ScriptKind::Pre => self.enter(node, NodeState::Pre(deferred)),
            ScriptKind::Post => {
                let end = self.take_jobs_end(node);
                self.enter(node, NodeState::Post(deferred, end));
            }
            ScriptKind::Hold => {
                self.counts.hold_running -= 1;
                self.turns.hold_later.insert((until_ms, node));
                return;
            }
        }
        self.turns.later.insert((until_ms, node));
    }

    fn post_ready(&mut self, node: NodeIndex, jobs_return: i32) {
        let mut end = match self.state(node) {
            NodeState::Queued(cluster) => Box::new(cluster.end()),
            NodeState::Ready { .. } => Box::new(JobsEnd::noop(self.last_noop())),
            // There was nothing to submit.
            NodeState::Submitting { .. } if jobs_return == 0 => {
                Box::new(JobsEnd::noop(self.last_noop()))
            }
            NodeState::Waiting { .. }
            | NodeState::Resting { .. }
            | NodeState::Pre(_)
            | NodeState::Submitting { .. }
            | NodeState::Post(..)
            | NodeState::Done
            | NodeState::Failed(_)
            | NodeState::Futile => Box::new(JobsEnd::default()),
        };
        end.result = jobs_return;
        let turn = self.turns.at_end();
        self.leave_line(node);
        self.turns.post.insert((turn, node));
        self.enter(node, NodeState::Post(ScriptState::Waiting { turn }, end));
    }

    pub(super) fn done(&mut self, node: NodeIndex) {
        self.enter(node, NodeState::Done);
        self.release_children(node, false);
    }

    fn failed(&mut self, node: NodeIndex, failure: &Failure) {
        self.enter(node, NodeState::Failed(Box::new(failure.clone())));
        // Also where it is a SERVICE node, which is not counted (HTCondor 25.14).
        if self.progress.status == DagStatus::Ok {
            self.progress.status = DagStatus::NodeFailed;
        }
        self.release_children(node, true);
    }

    fn retry(&mut self, node: NodeIndex, until_ms: Option<u64>) {
        let standing = self.standing(node);
        standing.retries += u32::from(!planted(Bug::DagRetryNotCounted));
        standing.pre = None;
        match until_ms {
            Some(until_ms) => {
                self.turns.later.insert((until_ms, node));
                self.enter(node, NodeState::Resting { until_ms });
            }
            None => self.make_ready(node, true),
        }
    }

    /// Children wait for one parent fewer; those that cannot run any more, and what is below them,
    /// are futile.
    fn release_children(&mut self, node: NodeIndex, failed: bool) {
        let workflow = std::sync::Arc::clone(&self.workflow);
        let mut futile = Vec::new();
        for edge in workflow.children(node) {
            let NodeState::Waiting { parents } = *self.state(edge.node) else { continue };
            if failed && !edge.weak && !planted(Bug::DagFailureReleases) {
                futile.push(edge.node);
                continue;
            }
            let parents = if planted(Bug::DagChildTooEarly) { 0 } else { parents - 1 };
            self.standing(edge.node).state = NodeState::Waiting { parents };
            // Nothing but FINAL begins in a workflow that ends early. Without one it is over now,
            // and its files tell what might have begun.
            let may_begin = self.progress.ending.is_none() || self.workflow.final_node().is_none();
            if parents == 0 && self.progress.begun && may_begin {
                self.make_ready(edge.node, false);
            }
        }
        while let Some(node) = futile.pop() {
            if matches!(self.state(node), NodeState::Waiting { .. }) {
                self.enter(node, NodeState::Futile);
                futile.extend(workflow.children(node).map(|edge| edge.node));
            }
        }
    }

    fn job(&mut self, node: NodeIndex, proc: model::ProcId, fact: &JobFact) {
        let standing = match fact {
            JobFact::Executing => JobStanding::Running,
            JobFact::Evicted | JobFact::Released => JobStanding::Idle,
            JobFact::Held { .. } => JobStanding::Held,
            JobFact::Over(end) => JobStanding::Over(*end),
            JobFact::Provides => return,
        };
        let NodeState::Queued(cluster) = &mut self.nodes[node.position()].state else { return };
        if let JobFact::Held { code, subcode, .. } = fact {
            cluster.over_memory |= (*code, *subcode) == OVER_MEMORY;
        }
        let (before, waited, held) = (cluster.job(proc), cluster.waiting(), cluster.held);
        cluster.set(proc, standing);
        let kept = before == Some(JobStanding::Idle) && planted(Bug::DagIdleNotFreed);
        let idle = self.counts.idle_jobs + cluster.waiting();
        self.counts.idle_jobs = if kept { idle } else { idle - waited };
        self.counts.held_jobs += u64::from(cluster.held);
        self.counts.held_jobs -= u64::from(held);
        match standing {
            JobStanding::Held => {
                if self.node(node).script(ScriptKind::Hold).is_some() {
                    self.turns.hold.push_back(node);
                }
            }
            JobStanding::Over(JobEnd::Removed) => self.counts.jobs_removed += 1,
            JobStanding::Over(JobEnd::Exited(_) | JobEnd::Signaled(_)) => {
                self.counts.jobs_ended += 1;
            }
            JobStanding::Idle | JobStanding::Running => {}
        }
    }

    fn end_early(&mut self, status: DagStatus, ending: Ending) {
        self.progress.status = status;
        self.progress.ending = Some(ending);
    }

    fn standing(&mut self, node: NodeIndex) -> &mut super::state::Standing {
        &mut self.nodes[node.position()]
    }

    fn take_jobs_end(&mut self, node: NodeIndex) -> Box<JobsEnd> {
        match &mut self.standing(node).state {
            NodeState::Post(_, end) => std::mem::take(end),
            other @ (NodeState::Waiting { .. }
            | NodeState::Resting { .. }
            | NodeState::Ready { .. }
            | NodeState::Pre(_)
            | NodeState::Submitting { .. }
            | NodeState::Queued(_)
            | NodeState::Done
            | NodeState::Failed(_)
            | NodeState::Futile) => panic!("a POST script of a node that is {other:?}"),
        }
    }

    /// Takes a node out of whatever line it waits in.
    fn leave_line(&mut self, node: NodeIndex) {
        match self.nodes[node.position()].state {
            NodeState::Ready { turn } => {
                let (priority, category) = (self.node(node).priority(), self.node(node).category());
                if let Some(line) = self.turns.ready.get_mut(&category) {
                    line.remove(&(Reverse(priority), turn, node));
                }
            }
            NodeState::Pre(ScriptState::Waiting { turn }) => {
                self.turns.pre.remove(&(turn, node));
            }
            NodeState::Post(ScriptState::Waiting { turn }, _) => {
                self.turns.post.remove(&(turn, node));
            }
            NodeState::Resting { until_ms }
            | NodeState::Pre(ScriptState::Deferred { until_ms })
            | NodeState::Post(ScriptState::Deferred { until_ms }, _)
            | NodeState::Submitting { until_ms: Some(until_ms), .. } => {
                self.turns.later.remove(&(until_ms, node));
            }
            NodeState::Pre(ScriptState::Running)
            | NodeState::Post(ScriptState::Running, _)
            | NodeState::Submitting { until_ms: None, .. }
            | NodeState::Waiting { .. }
            | NodeState::Queued(_)
            | NodeState::Done
            | NodeState::Failed(_)
            | NodeState::Futile => {}
        }
    }

    /// A node comes to stand elsewhere: the counters follow.
    pub(super) fn enter(&mut self, node: NodeIndex, state: NodeState) {
        self.leave_line_unless_there(node, &state);
        let old = std::mem::replace(&mut self.standing(node).state, state);
        self.count(node, &old, false);
        if let Some(cluster) = old.queued() {
            self.clusters.remove(&cluster.id);
        }
        let new = std::mem::replace(&mut self.standing(node).state, NodeState::Futile);
        self.count(node, &new, true);
        self.standing(node).state = new;
    }

    /// A node that ends while it still waits somewhere does not come up again.
    fn leave_line_unless_there(&mut self, node: NodeIndex, next: &NodeState) {
        if matches!(next, NodeState::Done | NodeState::Failed(_) | NodeState::Futile) {
            self.leave_line(node);
        }
    }

    fn count(&mut self, node: NodeIndex, state: &NodeState, more: bool) {
        let add = |count: &mut u64| if more { *count += 1 } else { *count -= 1 };
        let counted = self.is_counted(node);
        let category = self.node(node).category();
        let counts = &mut self.counts;
        if let NodeState::Submitting { .. } | NodeState::Queued(_) = state {
            add(&mut counts.nodes_in_queue);
            if let Some(category) = category {
                let count = &mut counts.by_category[category.0 as usize];
                if more { *count += 1 } else { *count -= 1 }
            }
        }
        match state {
            NodeState::Submitting { .. } => add(&mut counts.idle_jobs),
            NodeState::Queued(cluster) => {
                let (idle, held) = (cluster.waiting(), u64::from(cluster.held));
                if more {
                    counts.idle_jobs += idle;
                    counts.held_jobs += held;
                } else {
                    counts.idle_jobs -= idle;
                    counts.held_jobs -= held;
                }
            }
            NodeState::Pre(ScriptState::Running) => add(&mut counts.pre_running),
            NodeState::Post(ScriptState::Running, _) => add(&mut counts.post_running),
            NodeState::Pre(ScriptState::Waiting { .. } | ScriptState::Deferred { .. })
            | NodeState::Post(ScriptState::Waiting { .. } | ScriptState::Deferred { .. }, _)
            | NodeState::Waiting { .. }
            | NodeState::Resting { .. }
            | NodeState::Ready { .. }
            | NodeState::Done
            | NodeState::Failed(_)
            | NodeState::Futile => {}
        }
        let class = match state {
            NodeState::Waiting { .. } | NodeState::Resting { .. } => &mut counts.waiting,
            NodeState::Ready { .. } => &mut counts.ready,
            NodeState::Pre(_) => &mut counts.pre,
            NodeState::Submitting { .. } | NodeState::Queued(_) => &mut counts.queued,
            NodeState::Post(..) => &mut counts.post,
            NodeState::Done => &mut counts.done,
            NodeState::Failed(_) => &mut counts.failed,
            NodeState::Futile => &mut counts.futile,
        };
        if counted {
            add(class);
        } else if let NodeState::Pre(_)
        | NodeState::Submitting { .. }
        | NodeState::Queued(_)
        | NodeState::Post(..)
        | NodeState::Ready { .. } = state
        {
            add(&mut counts.services);
        }
    }
}
