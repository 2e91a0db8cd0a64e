//! A DAG's dagman as a process: what it keeps in memory, and what survives it.
//!
//! Knows nothing of the world around it.

use std::collections::{BTreeMap, VecDeque};

use dagman::core::{Core, Effect, Event as Happened, Input};
use dagman::shell::journal::must_last;
use dagman::workflow::{NodeIndex, ScriptKind};
use model::{ClusterId, Seq};
use proto::client::{Recorded, Select};

use super::check::Check;
use super::plan::DagPlan;
use crate::sim::clock::Micros;
use crate::sim::event::Ticket;

/// The numbers of its requests begin here: users' are smaller.
const FIRST_TICKET: u64 = 1 << 62;

/// Where in a batch it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DagDoom {
    /// Before the journal is written.
    BeforeJournal,
    /// Behind that: nothing, or a part, of what follows is done.
    BeforeEffects,
}

/// What a request is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    Known,
    Reserve { node: NodeIndex, retry: u32 },
    Submit { node: NodeIndex, retry: u32, cluster: ClusterId },
    Remove(Select),
    Release,
}

/// A line of the journal.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Event(String),
    Next(Seq),
}

/// A DAG, its dagman and what survives it.
#[derive(Debug)]
pub(crate) struct DagHost {
    pub(crate) check: Check,
    /// What survives: the journal, and how many of its lines a loss of power leaves.
    pub(crate) journal: Vec<Line>,
    pub(crate) synced: usize,
    pub(crate) life: u32,
    /// What does not.
    pub(crate) core: Option<Core>,
    pub(crate) inputs: Vec<Input>,
    /// Scripts whose ends are among the inputs.
    pub(crate) ended: Vec<(NodeIndex, u32, ScriptKind)>,
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) asks: BTreeMap<Ticket, Purpose>,
    pub(crate) known: BTreeMap<(String, u32), (ClusterId, u32)>,
    pub(crate) next: Seq,
    pub(crate) doom: Option<DagDoom>,
    /// Which look is the next: earlier ones that are on the agenda are not.
    pub(crate) turn: u64,
    /// The schedd's durable record.
    pub(crate) record: Vec<Recorded>,
    pub(crate) last_ticket: u64,
    /// The mean time between two kills, if it is killed at all.
    pub(crate) kills: Option<Micros>,
}

impl DagHost {
    pub(crate) fn new(plan: DagPlan, kills: Option<Micros>) -> Self {
        Self {
            check: Check::new(plan),
            journal: Vec::new(),
            synced: 0,
            life: 0,
            core: None,
            inputs: Vec::new(),
            ended: Vec::new(),
            effects: VecDeque::new(),
            asks: BTreeMap::new(),
            known: BTreeMap::new(),
            next: Seq(1),
            doom: None,
            turn: 0,
            record: Vec::new(),
            last_ticket: FIRST_TICKET,
            kills,
        }
    }

    /// Whether it has come to its end.
    pub(crate) fn is_over(&self) -> bool {
        self.check.finished.is_some()
    }

    pub(crate) fn put(&mut self, events: &[Happened]) {
        if events.is_empty() {
            return;
        }
        let text = |event: &Happened| {
            serde_json::to_string(event).unwrap_or_else(|error| panic!("write {event:?}: {error}"))
        };
        self.journal.extend(events.iter().map(text).map(Line::Event));
        self.journal.push(Line::Next(self.next));
        for event in events {
            if let Happened::ScriptEnded { node, script, .. } = event
                && let Some(at) = self.ended.iter().position(|(n, _, s)| (n, s) == (node, script))
            {
                let (node, retry, script) = self.ended.swap_remove(at);
                self.check.script_ended(node, retry, script);
            }
        }
        if events.iter().any(must_last) {
            self.synced = self.journal.len();
        }
    }
}

/// A request's number, if it is a DAG's.
pub(crate) fn is_dags(ticket: Ticket) -> bool {
    ticket.0 >= FIRST_TICKET
}
