//! What is known of a class and of the pool as it would be if nothing ran: kept from one pass to
//! the next. How it is found out is `matching`'s matter.

use model::IdleReason;

/// What is known of a class and the pool as it would be if nothing ran.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standing {
    /// The pool's generation at that time.
    pub(crate) generation: u64,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// No machine would run it.
    Hopeless(IdleReason),
    /// So many machines would, among them these.
    Possible { could_run: u32, sample: Vec<u32> },
}
