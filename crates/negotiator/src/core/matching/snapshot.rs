//! All that a matching pass looks at.

use model::{MatchId, Now};

use crate::core::machines::pool::Pool;
use crate::core::matching::reserve::Reservation;
use crate::core::requests::bookings::Bookings;
use crate::core::requests::demand::Demand;
use crate::core::shares::accounts::Accounts;
use crate::core::shares::limits::{InUse, Limits};

/// The state of the negotiator, as a pass sees it.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    pub pool: &'a Pool,
    pub demand: &'a Demand,
    pub bookings: &'a Bookings,
    /// Who has used how much.
    pub accounts: &'a Accounts,
    /// How much there is of each concurrency limit.
    pub limits: &'a Limits,
    /// How much of each is in use.
    pub in_use: &'a InUse,
    /// The place that the last pass kept.
    pub kept: Option<&'a Reservation>,
    pub now: Now,
    /// The identity of the first match.
    pub first: MatchId,
    /// Whether classes that found nothing look at every machine again.
    pub anew: bool,
}
