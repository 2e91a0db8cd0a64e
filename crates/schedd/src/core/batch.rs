//! Drives the core through one batch of inputs. Shell and simulator both use it, so that both do
//! the same.

use std::collections::BTreeSet;

use model::Now;
use proto::client::Answer;

use crate::core::state::core::Core;
use crate::core::state::dirty::Dirty;
use crate::core::told::log_files::LogEntry;
use crate::core::told::mail_view::MailEntry;
use crate::core::words::{ActFact, Effect, Event, Fact, Input, Rejection, Slice};

/// What came of a batch.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// What each input is answered, in their order; `None` for messages that no client waits for.
    pub answers: Vec<Option<Answer>>,
    /// The acts that are done a slice at a time and began here, by the places of their inputs:
    /// their clients are answered by `acted`.
    pub begun: Vec<(usize, u64)>,
    /// What came of the next slice of such an act, if one is under way.
    pub acted: Option<Slice>,
    /// What is to be written first, in one transaction.
    pub dirty: Dirty,
    /// What is to be added to the users' logs after that, in order.
    pub log: Vec<LogEntry>,
    /// Letters that jobs asked for, to be sent after that.
    pub mail: Vec<MailEntry>,
    /// What is to be done after that, in order.
    pub effects: Vec<Effect>,
    /// Inputs that were dropped, for the counters and the daemon's log.
    pub rejected: Vec<Rejection>,
}

/// Ticks of one batch. A few settle everything; beyond this the rest waits for the next batch, at
/// once.
const MAX_TICKS: usize = 16;

/// Decides and applies each input, and then [`Input::Tick`]. Nothing of the result may leave the
/// process before `dirty` is committed.
pub fn run_batch(core: &mut Core, now: Now, inputs: &[Input]) -> Batch {
    let mut batch = Batch::default();
    let mut touched = Touched::default();
    for input in inputs {
        let step = step(core, now, input, &mut batch, &mut touched);
        batch.answers.push(step.reply);
        batch.begun.extend(step.began.map(|act| (batch.answers.len() - 1, act)));
    }
    if core.has_long_acts() {
        step(core, now, &Input::ActOn, &mut batch, &mut touched);
    }
    let mut ticks = 0;
    // What follows from an end for those that wait is written with it, however long their chain.
    while ticks < MAX_TICKS || core.has_dependency_news() {
        ticks += usize::from(!core.has_dependency_news());
        if !step(core, now, &Input::Tick, &mut batch, &mut touched).did {
            break;
        }
    }
    for cluster in touched.clusters {
        batch.dirty.clusters.insert(cluster, core.cluster_body(cluster));
    }
    batch.dirty.acts = touched.acts.then(|| core.acts.values().cloned().collect());
    batch
}

/// What is written once, at the end of the batch, however many events change it.
#[derive(Default)]
struct Touched {
    clusters: BTreeSet<model::ClusterId>,
    acts: bool,
}

/// What came of one input.
struct Step {
    reply: Option<Answer>,
    /// The act that is done a slice at a time from now on.
    began: Option<u64>,
    /// Whether it changed anything.
    did: bool,
}

fn step(
    core: &mut Core,
    now: Now,
    input: &Input,
    batch: &mut Batch,
    touched: &mut Touched,
) -> Step {
    for fact in core.calls_up(now, input) {
        make_true(core, &Event { at: now, fact }, batch, touched);
    }
    let decision = match core.decide(now, input) {
        Ok(decision) => decision,
        Err(rejection) => {
            batch.rejected.push(rejection);
            return Step { reply: None, began: None, did: false };
        }
    };
    let (mut taking, mut alone) = (Vec::new(), Vec::new());
    // Of what follows, so much is done with it.
    let mut room = core.config.slice;
    for event in &decision.events {
        taking.extend(core.takes_along(event));
        alone.extend(core.runs_alone(event));
        make_true(core, event, batch, touched);
    }
    for job in alone {
        let facts = core.removed_for(now, job, room);
        room = room.saturating_sub(facts.len());
        for fact in facts {
            let event = Event { at: now, fact };
            taking.extend(core.takes_along(&event));
            make_true(core, &event, batch, touched);
        }
    }
    // Each removes or stops jobs that are not final, and so this ends.
    while let Some(takes) = taking.pop() {
        let facts = core.taken_along(now, &takes, room);
        room = room.saturating_sub(facts.len());
        for fact in facts {
            let event = Event { at: now, fact };
            taking.extend(core.takes_along(&event));
            make_true(core, &event, batch, touched);
        }
    }
    // What follows from anything else has no client that waits for its end.
    let is_asked = matches!(input, Input::Act { .. } | Input::Edit { .. });
    let began = decision.events.iter().filter(|_| is_asked).find_map(|event| {
        let Fact::Act(ActFact::Began(act)) = &event.fact else { return None };
        Some(act.id)
    });
    batch.acted = decision.acted.or(batch.acted.take());
    Step { reply: decision.reply, began, did: !decision.events.is_empty() }
}

fn make_true(core: &mut Core, event: &Event, batch: &mut Batch, touched: &mut Touched) {
    core.log_before(event, &mut batch.log);
    core.mail_before(event, &mut batch.mail);
    let change = core.apply(event);
    batch.effects.extend(core.react(&change, event));
    touched.clusters.extend(change.cluster);
    touched.acts |= change.acts;
    batch.dirty.add(change);
}
