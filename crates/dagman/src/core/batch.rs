//! Drives the core through one batch of inputs. Shell and tests both use it, so that both do the
//! same.

use model::Now;

use super::state::Core;
use super::words::{Effect, Event, Input, Rejection};

/// What came of a batch.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// What happened, to be written to the journal first.
    pub events: Vec<Event>,
    /// What is to be done after that, in order.
    pub effects: Vec<Effect>,
    /// Inputs that were dropped, for the log.
    pub rejected: Vec<Rejection>,
    /// Whether more follows at once: the next batch may be empty.
    pub more: bool,
}

/// Ticks of one batch. A few settle everything but long rows of nodes without jobs; the rest waits
/// for the next batch, so that the list of events stays short.
const MAX_TICKS: usize = 16;

/// With so many events, what follows waits for the next batch too: people see what happened, and a
/// life that is killed has not to do it again.
const MAX_EVENTS: usize = 8000;

/// Decides and applies each input, and then ticks until nothing more follows. `watch` sees the core
/// before each event is applied, and the event: that is where records are made.
pub fn run_batch(
    core: &mut Core,
    now: Now,
    inputs: &[Input],
    mut watch: impl FnMut(&Core, &Event),
) -> Batch {
    let mut batch = Batch::default();
    for input in inputs {
        step(core, now, input, &mut batch, &mut watch);
    }
    for _ in 0..MAX_TICKS {
        // What is saved is what is so now: nothing else comes before that is done.
        let saves = matches!(batch.effects.last(), Some(Effect::SavePoint { .. }));
        batch.more = saves || step(core, now, &Input::Tick, &mut batch, &mut watch);
        if saves || !batch.more || batch.events.len() >= MAX_EVENTS {
            break;
        }
    }
    batch
}

/// Whether anything followed.
fn step(
    core: &mut Core,
    now: Now,
    input: &Input,
    batch: &mut Batch,
    watch: &mut impl FnMut(&Core, &Event),
) -> bool {
    let events = match core.decide(now, input) {
        Ok(events) => events,
        Err(rejection) => {
            batch.rejected.push(rejection);
            return false;
        }
    };
    let did = !events.is_empty();
    for event in events {
        watch(core, &event);
        core.apply(&event);
        batch.effects.extend(core.react(&event));
        batch.events.push(event);
    }
    did
}
