//! The negotiator's decisions, without IO, clock or chance. Read [`Core`] for the state,
//! [`negotiate`] for the matching.
#![deny(clippy::wildcard_enum_match_arm)]

mod accounts;
mod bits;
mod clauses;
mod conditions;
mod demand;
mod dependence;
mod index;
mod limits;
mod machine;
mod ordered;
mod pass;
mod plan;
mod policy;
mod pool;
mod query;
mod reasons;
mod state;
mod statistics;
mod words;

pub use accounts::{Account, Accounts, BEST_PRIORITY};
pub use demand::Demand;
pub use limits::{InUse, Limits, SavedUse};
pub use pass::{Snapshot, negotiate};
pub use plan::{Fault, MatchPlan, PlannedMatch};
pub use policy::Policy;
pub use pool::Pool;
pub use state::Core;
pub use words::{Change, Decision, Effect, Event, Fact, Input, Reasons, Rejection};

#[cfg(test)]
mod tests;
