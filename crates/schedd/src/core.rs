//! The schedd's decisions, without IO, clock or chance. Read [`words`] for what goes in and out,
//! [`state`] for what is kept, [`batch`] for how a shell drives it.
//!
//! ```text
//! shell: inputs --> run_batch --> Batch { answers, dirty, log, mail, effects }
//!                                   1. write `dirty` in one transaction; if that fails, end the process
//!                                   2. append `log` to the users' logs, send `mail`, perform `effects`, send `answers`
//!                                   3. run a batch (empty if need be) at `next_deadline`
//! ```
#![deny(clippy::wildcard_enum_match_arm)]

mod ads;
mod apply;
mod batch;
mod checks;
mod decide;
pub(crate) mod job;
pub(crate) mod policy;
mod react;
pub(crate) mod records;
pub(crate) mod runs;
pub(crate) mod state;
pub(crate) mod time;
pub(crate) mod told;
pub(crate) mod users;
mod words;

pub use crate::core::job::system::{SystemAct, SystemPolicy};
pub use crate::core::records::acts::{Deed, LongAct, Reached, SLICE, Target, with_reached};
pub use crate::core::records::eviction::Eviction;
pub use crate::core::records::ranges::Ranges;
pub use crate::core::records::rows::{
    ClaimRecord, ClusterBody, ClusterRecord, JobRecord, Meta, Rows, Tally,
};
pub use crate::core::state::config::{Beside, CoreConfig, RanOn, Starts};
pub use crate::core::state::core::Core;
pub use crate::core::state::dirty::Dirty;
pub use crate::core::state::event_log::EventLog;
pub use crate::core::told::log_files::{LogEntry, LogTo};
pub use crate::core::told::mail_view::{MailEntry, MailNews};
pub(crate) use crate::core::users::query::project;
pub(crate) use crate::core::users::spool::files_folder;
pub(crate) use crate::core::users::submit::not_as_owner_yet;
pub use ads::HistoryAds;
pub use batch::{Batch, run_batch};
pub use words::{
    ActFact, Actor, Change, ClaimFact, ClusterFact, Decision, Effect, Event, Fact, FactoryStep,
    Input, JobFact, MachineFact, NegotiatorFact, Rejection, Repeat, RoundFact, RunFact, Slice,
    SpoolStep,
};

#[cfg(test)]
mod tests;
