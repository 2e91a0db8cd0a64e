//! The startd's decisions, without IO, clock or chance. Read [`words`] for what goes in and out,
//! [`state`] for what is kept, [`batch`] for how a shell drives it.
//!
//! ```text
//! shell: inputs --> run_batch --> Batch { journal, effects }
//!                                   1. append `journal` to the journal file (no fsync); if that fails, end the process
//!                                   2. perform `effects`
//!                                   3. run a batch (empty if need be) at `next_deadline`
//! ```
//!
//! A restart makes `Core::new` (or reads a snapshot of its `Core::state`) and applies the journal's
//! events again; then it connects to the launcher. A new boot starts a new journal: no run survives
//! one.
#![deny(clippy::wildcard_enum_match_arm)]

mod apply;
mod batch;
mod checks;
mod decide;
mod react;
pub(crate) mod records;
pub(crate) mod runs;
pub(crate) mod state;
pub(crate) mod time;
pub(crate) mod told;
mod words;

pub use crate::core::records::files::{
    BringBack, Cause, DiskUsed, Fetched, Freight, FromCarrier, StartOrder, StarterLog, Store,
    StoreFailure, Stored, Window,
};
pub use crate::core::records::keys::{Manner, RunKey, Stop};
pub use crate::core::state::core::{Core, State};
pub use batch::{Batch, run_batch};
pub use words::{
    Accepted, Change, ClosedLog, Custom, Decision, Device, Effect, Event, Fact, FromLauncher,
    Input, LauncherRun, LauncherState, Machine, Measured, Rejection, Speed, StartProcess, Stray,
};

#[cfg(test)]
pub(crate) mod tests;
