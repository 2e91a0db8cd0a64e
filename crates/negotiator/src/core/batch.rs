//! Drives the core through one batch of inputs. Shell and simulator both use it, so that both do
//! the same.

use model::Now;

use crate::core::state::core::Core;
use crate::core::words::{Effect, Event, Input, Rejection};

/// What came of a batch.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// What is to be done, in order.
    pub effects: Vec<Effect>,
    /// Inputs that were dropped, for the daemon's log.
    pub rejected: Vec<Rejection>,
}

/// Ticks of one batch. A few settle everything; beyond this the rest waits for the next batch, at
/// once.
const MAX_TICKS: usize = 64;

/// Decides and applies each input, and then [`Input::Tick`] until nothing is due.
pub fn run_batch(core: &mut Core, now: Now, inputs: &[Input]) -> Batch {
    run_batch_watched(core, now, inputs, &mut |_, _| {})
}

/// The same, under the eyes of somebody who sees each event before it is applied.
pub fn run_batch_watched(
    core: &mut Core,
    now: Now,
    inputs: &[Input],
    before: &mut dyn FnMut(&Core, &Event),
) -> Batch {
    let mut batch = Batch::default();
    for input in inputs {
        step(core, now, input, &mut batch, before);
    }
    for _ in 0..MAX_TICKS {
        if core.next_deadline().is_none_or(|deadline| deadline > now.boot_ms) {
            break;
        }
        step(core, now, &Input::Tick, &mut batch, before);
    }
    batch
}

fn step(
    core: &mut Core,
    now: Now,
    input: &Input,
    batch: &mut Batch,
    before: &mut dyn FnMut(&Core, &Event),
) {
    let decision = match core.decide(now, input) {
        Ok(decision) => decision,
        Err(rejection) => return batch.rejected.push(rejection),
    };
    for event in decision.events {
        before(core, &event);
        let change = core.apply(&event);
        batch.effects.extend(core.react(&change, &event));
    }
}
