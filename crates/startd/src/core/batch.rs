//! Drives the core through one batch of inputs. Shell and simulator both use it, so that both do
//! the same.

use model::Now;

use crate::core::state::core::Core;
use crate::core::words::{Effect, Event, Input, Rejection};

/// What came of a batch.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// What is to be appended to the journal first.
    pub journal: Vec<Event>,
    /// What is to be done after that, in order.
    pub effects: Vec<Effect>,
    /// Inputs that were dropped, for the counters and the daemon's log.
    pub rejected: Vec<Rejection>,
}

/// Decides and applies each input, and then [`Input::Tick`]. Nothing of the result may leave the
/// process before `journal` is written.
pub fn run_batch(core: &mut Core, now: Now, inputs: &[Input]) -> Batch {
    let mut batch = Batch::default();
    for input in inputs.iter().chain([&Input::Tick]) {
        match core.decide(now, input) {
            Err(rejection) => batch.rejected.push(rejection),
            Ok(decision) => {
                for event in decision.events {
                    let change = core.apply(&event);
                    batch.effects.extend(core.react(&change, &event));
                    if event.is_durable() {
                        batch.journal.push(event);
                    }
                }
            }
        }
    }
    batch
}
