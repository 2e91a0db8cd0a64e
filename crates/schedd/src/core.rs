//! The schedd's decisions, without IO, clock or chance. Read [`words`] for what goes in and out, [`state`] for what is kept,
//! [`batch`] for how a shell drives it.
//!
//! ```text
//! shell: inputs --> run_batch --> Batch { answers, dirty, log, mail, effects }
//!                                   1. write `dirty` in one transaction; if that fails, end the process
//!                                   2. append `log` to the users' logs, send `mail`, perform `effects`, send `answers`
//!                                   3. run a batch (empty if need be) at `next_deadline`
//! ```
#![deny(clippy::wildcard_enum_match_arm)]

mod act;
mod ads;
mod apply;
mod batch;
mod beside;
mod checks;
mod chirp;
mod claims;
mod classes;
mod cron;
mod decide;
mod deferral;
mod edit;
mod eviction;
mod expand;
mod factory;
mod groups;
mod grow;
mod index;
mod log_files;
mod log_view;
mod mail_view;
mod matching;
mod pacing;
mod periodic;
mod policy;
mod query;
mod ranges;
mod react;
mod retry;
mod rows;
mod runs;
mod skip;
mod spool;
mod state;
mod statistics;
mod submit;
mod system_policy;
mod tally;
mod tick;
mod transfer_view;
mod waiting;
mod watch;
mod words;

pub use ads::HistoryAds;
pub use batch::{Batch, run_batch};
pub use beside::{Beside, Starts};
pub use eviction::Eviction;
pub use log_files::{EventLog, LogTo};
pub use log_view::{FactoryNews, LogEntry, LogKind, RunSummary, SlotPlace};
pub use mail_view::{MailEntry, MailNews};
pub(crate) use query::project;
pub use ranges::Ranges;
pub use rows::{ClaimRecord, ClusterBody, ClusterRecord, Dirty, JobRecord, Meta, Rows, Tally};
pub(crate) use spool::files_folder;
pub use state::{Config, Core};
pub use system_policy::{SystemAct, SystemPolicy};
pub use words::{
    Actor, Change, Decision, Effect, Event, Fact, FactoryStep, Input, Rejection, Repeat, SpoolStep,
};

#[cfg(test)]
mod tests;
