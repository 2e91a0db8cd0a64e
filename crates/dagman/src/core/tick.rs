//! What is begun next, within the limits, and when everything is over.

use std::cmp::Reverse;
use std::collections::btree_set;
use std::iter::Peekable;

use model::Now;

use super::decide::SUBMIT_AGAIN_AT_MOST_S;
use super::state::{Core, Ending, NodeState, ScriptState};
use super::words::Event;
use crate::workflow::{CategoryIndex, NodeIndex, NodeKind, ScriptKind};

/// Nodes that are begun in one tick: enough for one round trip to the schedd, few enough to keep
/// lists of events short.
const NODES_PER_TICK: usize = 2000;

/// The longest time that a script may ask to be put off: the number is 32 bits long.
const DEFER_AT_MOST_S: u64 = u32::MAX as u64;

type Turn = (Reverse<i32>, i64, NodeIndex);

impl Core {
    pub(super) fn tick(&self, now: Now) -> Vec<Event> {
        let progress = self.progress();
        if !progress.begun || progress.finished.is_some() {
            return Vec::new();
        }
        if let Some(event) = self.early_end() {
            return vec![event];
        }
        // A save point says what was done before anything else happens.
        if !self.turns.saves.is_empty() {
            return self.turns.saves.iter().map(|node| Event::SaveBegan { node: *node }).collect();
        }
        let rested = self.rested(now);
        if !rested.is_empty() {
            return rested;
        }
        let mut events = Vec::new();
        self.start_scripts(now, &mut events);
        self.submit_ready(now, &mut events);
        if events.is_empty() { self.end().into_iter().collect() } else { events }
    }

    /// What ends a workflow before anything more is begun.
    fn early_end(&self) -> Option<Event> {
        let progress = self.progress();
        match &progress.ending {
            Some(Ending::Cycle | Ending::Broken(_)) => return Some(finished(1, true)),
            Some(Ending::Aborted(_) | Ending::Removed) => return None,
            None => {}
        }
        if !self.cycle().is_empty() {
            return Some(Event::CycleFound);
        }
        let provisioner =
            self.workflow().provisioner().filter(|_| progress.waits_for_provisioner)?;
        let is_over = self.state(provisioner).has_ended();
        let why = "the PROVISIONER ended before it had said that it was ready".to_owned();
        is_over.then_some(Event::Broke { why })
    }

    /// The nodes that may begin something though the others may not; `None` if all may.
    fn only(&self) -> Option<Vec<NodeIndex>> {
        let progress = self.progress();
        if progress.ending.is_some() || progress.halted || progress.final_begun {
            return Some(self.workflow().final_node().into_iter().collect());
        }
        if progress.waits_for_provisioner {
            let services = self.workflow().services();
            return Some(self.workflow().provisioner().into_iter().chain(services).collect());
        }
        None
    }

    /// The nodes that have waited long enough before they are tried again.
    fn rested(&self, now: Now) -> Vec<Event> {
        if self.only().is_some() {
            return Vec::new();
        }
        let is_over = |(at, node): &&(u64, NodeIndex)| {
            let at_most_s = self.node(*node).retry().and_then(|retry| retry.pause);
            let at_most_s = at_most_s.map_or(0, |pause| u64::from(pause.up_to));
            matches!(self.state(*node), NodeState::Resting { .. })
                && Self::is_due(now, *at, at_most_s)
        };
        let rested = self.turns.later.iter().filter(is_over);
        rested.map(|(_, node)| Event::Rested { node: *node }).collect()
    }

    fn start_scripts(&self, now: Now, events: &mut Vec<Event>) {
        let (counts, throttles) = (self.counts(), self.throttles());
        let only = self.only();
        let may_begin = |node: &NodeIndex| only.as_ref().is_none_or(|only| only.contains(node));
        let left = |running: u64, limit: u32| match limit {
            0 => usize::MAX,
            limit => {
                usize::try_from(u64::from(limit).saturating_sub(running)).unwrap_or(usize::MAX)
            }
        };
        let due = |line: &std::collections::BTreeSet<(u64, NodeIndex)>| -> Vec<NodeIndex> {
            let due = line.iter().filter(|(at, _)| Self::is_due(now, *at, DEFER_AT_MOST_S));
            due.map(|(_, node)| *node).collect()
        };
        let again = due(&self.turns.later);
        let deferred = |script: ScriptKind| {
            again.iter().copied().filter(move |node| match self.state(*node) {
                NodeState::Pre(ScriptState::Deferred { .. }) => script == ScriptKind::Pre,
                NodeState::Post(ScriptState::Deferred { .. }, _) => script == ScriptKind::Post,
                NodeState::Pre(_)
                | NodeState::Post(..)
                | NodeState::Waiting { .. }
                | NodeState::Resting { .. }
                | NodeState::Ready { .. }
                | NodeState::Submitting { .. }
                | NodeState::Queued(_)
                | NodeState::Done
                | NodeState::Failed(_)
                | NodeState::Futile => false,
            })
        };
        let waiting = |line: &std::collections::BTreeSet<(i64, NodeIndex)>| -> Vec<NodeIndex> {
            match &only {
                // Few may: they are looked for, not everybody else.
                Some(only) => {
                    let is_there = |node: &NodeIndex| line.iter().any(|(_, n)| n == node);
                    only.iter().copied().filter(is_there).collect()
                }
                None => line.iter().map(|(_, node)| *node).take(NODES_PER_TICK).collect(),
            }
        };
        let pre = deferred(ScriptKind::Pre).chain(waiting(&self.turns.pre)).filter(may_begin);
        let pre = pre.take(left(counts.pre_running, throttles.pre));
        events.extend(pre.map(|node| Event::ScriptStarted { node, script: ScriptKind::Pre }));
        // What ends is brought to its end also while nothing new begins.
        let is_ending = self.progress().ending.is_some();
        let post = self.turns.post.iter().map(|(_, node)| *node).take(NODES_PER_TICK);
        let post = deferred(ScriptKind::Post).chain(post);
        let post = post.filter(|node| self.may_end() || may_begin(node));
        let post = post.take(left(counts.post_running, throttles.post));
        events.extend(post.map(|node| Event::ScriptStarted { node, script: ScriptKind::Post }));
        let hold = due(&self.turns.hold_later).into_iter().chain(self.turns.hold.iter().copied());
        let hold = hold.filter(|_| !is_ending).take(left(counts.hold_running, throttles.hold));
        events.extend(hold.map(|node| Event::ScriptStarted { node, script: ScriptKind::Hold }));
    }

    fn submit_ready(&self, now: Now, events: &mut Vec<Event>) {
        let is_ending = self.progress().ending.is_some();
        let again = self.turns.later.iter().filter(|(at, node)| {
            matches!(self.state(*node), NodeState::Submitting { .. })
                && !is_ending
                && Self::is_due(now, *at, SUBMIT_AGAIN_AT_MOST_S)
        });
        events.extend(again.map(|(_, node)| Event::SubmitBegan { node: *node }));
        let mut room = Room::new(self);
        if let Some(only) = self.only() {
            for node in only {
                if matches!(self.state(node), NodeState::Ready { .. }) {
                    self.begin_jobs(now, node, &mut room, events);
                }
            }
            return;
        }
        let mut lines: Vec<(Option<CategoryIndex>, Peekable<btree_set::Iter<'_, Turn>>)> =
            self.turns.ready.iter().map(|(at, line)| (*at, line.iter().peekable())).collect();
        for _ in 0..NODES_PER_TICK {
            lines.retain_mut(|(category, line)| line.peek().is_some() && room.is_open(*category));
            let heads = lines.iter_mut().enumerate();
            let first = heads.filter_map(|(at, (_, line))| Some((*line.peek()?, at))).min();
            let Some(((_, _, node), at)) = first else { return };
            lines[at].1.next();
            if !room.is_there() {
                return;
            }
            self.begin_jobs(now, *node, &mut room, events);
        }
    }

    fn begin_jobs(&self, now: Now, node: NodeIndex, room: &mut Room<'_>, events: &mut Vec<Event>) {
        // A node without jobs takes a place too, until the next tick: so what follows it has its
        // turn before what comes behind it, as in HTCondor.
        room.take(self.node(node).category());
        if self.needs_nothing(node) {
            events.push(Event::NothingToSubmit { node });
            events.extend(self.after_jobs(now, node, 0, String::new()));
        } else {
            events.push(Event::SubmitBegan { node });
        }
    }

    fn needs_nothing(&self, node: NodeIndex) -> bool {
        self.node(node).is_noop() || self.node(node).kind() == NodeKind::Join
    }

    /// What comes when nothing is left to begin.
    fn end(&self) -> Option<Event> {
        let (counts, progress) = (self.counts(), self.progress());
        let last = self.workflow().final_node();
        if progress.ending.is_some() && last.is_none() {
            return Some(self.finish());
        }
        if counts.in_progress() > 0 {
            return None;
        }
        let is_waiting_for_nothing = progress.ending.is_some() || progress.halted;
        let last_waits = u64::from(last.is_some() && !progress.final_begun);
        let is_left = counts.ready + counts.waiting > last_waits;
        if is_left && !is_waiting_for_nothing && !progress.final_begun {
            return None;
        }
        match last.map(|node| self.state(node)) {
            None | Some(NodeState::Done | NodeState::Failed(_)) => Some(self.finish()),
            Some(NodeState::Waiting { .. }) => Some(Event::FinalBegan),
            Some(
                NodeState::Ready { .. }
                | NodeState::Resting { .. }
                | NodeState::Pre(_)
                | NodeState::Submitting { .. }
                | NodeState::Queued(_)
                | NodeState::Post(..)
                | NodeState::Futile,
            ) => None,
        }
    }

    fn finish(&self) -> Event {
        let (counts, progress) = (self.counts(), self.progress());
        let is_whole = counts.done == counts.total;
        let status = match (&progress.ending, is_whole) {
            (Some(Ending::Aborted(status)), _) => *status,
            (Some(Ending::Removed), _) => 2,
            (Some(Ending::Cycle | Ending::Broken(_)), _) | (None, false) => 1,
            (None, true) => 0,
        };
        let rescue = match &progress.ending {
            Some(Ending::Aborted(status)) => *status != 0,
            Some(Ending::Removed | Ending::Cycle | Ending::Broken(_)) => true,
            None => !is_whole,
        };
        // The result of FINAL is that of the workflow.
        let status = match self.workflow().final_node().map(|node| self.state(node)) {
            Some(NodeState::Done) => 0,
            // Something is left to do in any case, also where ABORT-DAG-ON said RETURN 0.
            Some(NodeState::Failed(_)) => return finished(1, true),
            Some(
                NodeState::Waiting { .. }
                | NodeState::Resting { .. }
                | NodeState::Ready { .. }
                | NodeState::Pre(_)
                | NodeState::Submitting { .. }
                | NodeState::Queued(_)
                | NodeState::Post(..)
                | NodeState::Futile,
            )
            | None => status,
        };
        finished(status, rescue)
    }
}

fn finished(status: i32, rescue: bool) -> Event {
    Event::Finished { status, rescue }
}

/// How many nodes may still come into the queue.
struct Room<'c> {
    core: &'c Core,
    nodes: u64,
    idle: u64,
    by_category: Vec<u32>,
}

impl<'c> Room<'c> {
    fn new(core: &'c Core) -> Self {
        let left = |limit: u32, used: u64| match limit {
            0 => u64::MAX,
            limit => u64::from(limit).saturating_sub(used),
        };
        let (counts, throttles) = (core.counts(), core.throttles());
        let limits = core.workflow().categories().iter().map(|category| category.max_jobs);
        let limits = limits.zip(&counts.by_category);
        Self {
            core,
            nodes: left(throttles.jobs, counts.nodes_in_queue),
            idle: left(throttles.idle, counts.idle_jobs),
            by_category: limits
                .map(|(max, used)| max.map_or(u32::MAX, |max| max.saturating_sub(*used)))
                .collect(),
        }
    }

    fn is_there(&self) -> bool {
        self.nodes > 0 && self.idle > 0
    }

    fn is_open(&self, category: Option<CategoryIndex>) -> bool {
        category.is_none_or(|category| self.by_category[category.0 as usize] > 0)
    }

    fn take(&mut self, category: Option<CategoryIndex>) {
        self.nodes = self.nodes.saturating_sub(1);
        self.idle = self.idle.saturating_sub(1);
        if let Some(category) = category
            && self.core.workflow().categories()[category.0 as usize].max_jobs.is_some()
        {
            self.by_category[category.0 as usize] -= 1;
        }
    }
}
