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

mod ads;
mod apply;
mod batch;
mod carrier;
mod checks;
mod claims;
mod decide;
mod devices;
mod files;
mod generations;
mod launcher;
mod react;
mod state;
mod tick;
mod turns;
mod words;

pub use batch::{Batch, run_batch};
pub use files::{
    BringBack, Cause, DiskUsed, Fetched, Freight, FromCarrier, StartOrder, StarterLog, Store,
    StoreFailure, Stored, Window,
};
pub use state::{Core, State};
pub use words::{
    Accepted, Change, ClosedLog, Custom, Decision, Device, Effect, Event, Fact, FromLauncher,
    Input, LauncherRun, LauncherState, Machine, Manner, Measured, Rejection, RunKey, Speed,
    StartProcess, Stop, Stray,
};

#[cfg(test)]
mod tests;
