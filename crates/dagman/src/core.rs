//! What becomes of a workflow: which node's script or jobs come next, and how it all ends. No IO,
//! no clock, no chance. Read [`words`] for what goes in and out, [`state`] for what is kept,
//! [`batch`] for how a shell drives it.
//!
//! ```text
//! shell: inputs --> run_batch --> Batch { events, effects }
//!                                   1. append `events` to the journal
//!                                   2. perform `effects`
//!                                   3. run a batch (empty if need be) at `next_deadline`
//! ```
//!
//! A restart makes `Core::new`, applies the journal's events again, and performs what `resume`
//! says: everything that had been begun is begun again, which is why submissions carry a token that
//! is made from the node and its attempt.
#![deny(clippy::wildcard_enum_match_arm)]

mod apply;
mod batch;
mod decide;
mod jobs;
mod orders;
mod outcome;
mod react;
mod state;
mod tick;
mod words;

pub use batch::{Batch, run_batch};
pub(crate) use jobs::NOOP_PROC;
pub use jobs::{Cluster, JobEnd, JobStanding, JobsEnd};
pub use state::{Core, Counts, Ending, NodeState, Progress, ScriptState};
pub use words::{
    DagStatus, Effect, Event, Failure, Input, JobFact, Options, Rejection, ScriptEnd, Throttles,
};

#[cfg(test)]
mod tests;
