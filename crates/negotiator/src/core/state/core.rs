//! The negotiator's state, and when it is due. What changes it is `apply`.

use classad::AttrName;
use model::{MatchId, Now};
use proto::client::AccountLine;
use proto::draining::Drains;

use crate::core::machines::pool::Pool;
use crate::core::matching::reserve::Reservation;
use crate::core::matching::snapshot::Snapshot;
use crate::core::requests::bookings::{Bookings, SavedBooking};
use crate::core::requests::demand::Demand;
use crate::core::shares::accounts::Accounts;
use crate::core::shares::limits::{InUse, SavedUse};
use crate::core::shares::policy::{
    Policy, RECONSIDER_EVERY, REFRESH_REASONS_EVERY, SAVE_ACCOUNTS_EVERY,
};
use crate::core::state::statistics::LastPass;

/// The negotiator: machines, requests, accounts, and whether a pass is due.
///
/// The driver's loop: `decide` an input, `apply` each event of the decision, do what `react` says.
/// After a batch of inputs, and whenever the moment of [`Core::next_deadline`] has come, it says
/// [`Input::Tick`](crate::core::Input::Tick), until that moment lies ahead again.
#[derive(Clone, Debug)]
pub struct Core {
    pub(crate) policy: Policy,
    pub(crate) life: u64,
    pub(crate) next_number: u64,
    pub(crate) pool: Pool,
    pub(crate) demand: Demand,
    /// The reservations of all schedds.
    pub(crate) bookings: Bookings,
    pub(crate) accounts: Accounts,
    pub(crate) in_use: InUse,
    /// Machines that are to be given no new jobs.
    pub(crate) drains: Drains,
    pub(crate) due: bool,
    pub(crate) planned_at: Option<Now>,
    pub(crate) last_pass: Option<LastPass>,
    pub(crate) stale_reasons: bool,
    /// The place that is kept, as of the last pass.
    pub(crate) reservation: Option<Reservation>,
    pub(crate) accounts_changed_at: Option<Now>,
    pub(crate) told_significant: Vec<AttrName>,
}

impl Core {
    /// A negotiator that knows nobody yet. `life` is drawn at random: it marks this life's matches.
    pub fn new(life: u64, accounts: Accounts, policy: Policy) -> Self {
        Self {
            policy,
            life,
            next_number: 1,
            pool: Pool::default(),
            demand: Demand::default(),
            bookings: Bookings::default(),
            accounts,
            in_use: InUse::default(),
            drains: Drains::new(),
            due: false,
            planned_at: None,
            last_pass: None,
            stale_reasons: false,
            reservation: None,
            accounts_changed_at: None,
            told_significant: Vec::new(),
        }
    }

    /// The same, with what an earlier life has saved of the use of concurrency limits
    /// ([`Effect::SaveLimits`](crate::core::Effect::SaveLimits)).
    #[must_use]
    pub fn remembering(self, saved: Vec<SavedUse>, now: Now) -> Self {
        Self { in_use: InUse::recover(saved, now), ..self }
    }

    /// The same, with the machines that an earlier life has said are drained
    /// ([`Effect::SaveDrains`](crate::core::Effect::SaveDrains)).
    #[must_use]
    pub fn draining(self, drains: Drains) -> Self {
        Self { drains, ..self }
    }

    /// The same, with the advance reservations that an earlier life has said hold
    /// ([`Effect::SaveBookings`](crate::core::Effect::SaveBookings)).
    #[must_use]
    pub fn booked(self, saved: Vec<SavedBooking>) -> Self {
        Self { bookings: Bookings::recover(saved), ..self }
    }

    /// When the driver must say [`Input::Tick`](crate::core::Input::Tick), in milliseconds of the
    /// steady clock. A moment that has passed means at once: a pass is due.
    pub fn next_deadline(&self) -> Option<u64> {
        if self.due {
            return Some(0);
        }
        let again = self.planned_at.filter(|_| self.is_unsteady());
        let again = again.map(|planned| planned.deadline(RECONSIDER_EVERY));
        let save = self.accounts_changed_at.map(|changed| changed.deadline(SAVE_ACCOUNTS_EVERY));
        let pause = self.demand.next_pause_end();
        let limits = self.in_use.next_deadline();
        let kept = self.kept_until();
        let (machines, edge) = (self.pool.next_deadline(), self.bookings.deadline());
        let ends = [machines, again, self.refresh_at(), save, pause, limits, kept, edge];
        ends.into_iter().flatten().min()
    }

    /// The accounts, to be saved.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Everybody's account, best priority first: for `userprio`.
    pub fn accounts_report(&self, now: Now) -> Vec<AccountLine> {
        self.accounts.report(now, &self.policy)
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What the next pass would look at.
    pub fn snapshot(&self, now: Now) -> Snapshot<'_> {
        let waited = |planned: Now| now.boot_ms >= planned.deadline(RECONSIDER_EVERY);
        Snapshot {
            pool: &self.pool,
            demand: &self.demand,
            bookings: &self.bookings,
            accounts: &self.accounts,
            limits: &self.policy.limits,
            in_use: &self.in_use,
            kept: self.reservation.as_ref(),
            now,
            first: MatchId { life: self.life, number: self.next_number },
            anew: self.is_unsteady() && self.planned_at.is_none_or(waited)
                || self.bookings.is_due(now),
        }
    }

    /// What the last pass came to.
    pub(crate) fn last_pass(&self) -> Option<&LastPass> {
        self.last_pass.as_ref()
    }

    /// When the job for which a place is kept should have started, milliseconds of the steady
    /// clock.
    pub(crate) fn kept_until(&self) -> Option<u64> {
        self.reservation.as_ref().map(|reservation| reservation.from_ms)
    }

    /// When old reasons are looked at again.
    pub(crate) fn refresh_at(&self) -> Option<u64> {
        let planned = self.planned_at.filter(|_| self.stale_reasons);
        planned.map(|planned| planned.deadline(REFRESH_REASONS_EVERY))
    }

    pub(crate) fn is_unsteady(&self) -> bool {
        self.pool.is_unsteady() || self.demand.is_unsteady()
    }
}
