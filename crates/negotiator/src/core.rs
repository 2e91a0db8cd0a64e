//! The negotiator's decisions, without IO, clock or chance. Read [`words`] for what goes in and
//! out, [`state`] for what is kept, [`batch`] for how a shell drives it, [`negotiate`] for the
//! matching.
//!
//! ```text
//! shell: inputs --> run_batch --> Batch { effects }
//!                                   1. perform `effects`, in order: what is saved is saved before what is told
//!                                   2. run a batch (empty if need be) at `next_deadline`
//! ```
#![deny(clippy::wildcard_enum_match_arm)]

mod apply;
mod batch;
pub(crate) mod conditions;
mod decide;
pub(crate) mod machines;
pub(crate) mod matching;
mod query;
mod react;
pub(crate) mod requests;
pub(crate) mod shares;
pub(crate) mod state;
pub(crate) mod values;
mod words;

pub use crate::core::machines::pool::Pool;
pub use crate::core::matching::pass::negotiate;
pub use crate::core::matching::plan::{Fault, MatchPlan, PlannedMatch};
pub use crate::core::matching::reserve::Reservation;
pub use crate::core::matching::snapshot::Snapshot;
pub use crate::core::requests::bookings::{Answers, Bookings, SavedBooking};
pub use crate::core::requests::demand::Demand;
pub use crate::core::shares::accounts::{Account, Accounts, BEST_PRIORITY};
pub use crate::core::shares::limits::{InUse, Limits, SavedUse};
pub use crate::core::shares::policy::Policy;
pub use crate::core::state::core::Core;
pub use batch::{Batch, run_batch, run_batch_watched};
pub use words::{Change, Decision, Effect, Event, Fact, Input, Reasons, Rejection};

#[cfg(test)]
mod tests;
