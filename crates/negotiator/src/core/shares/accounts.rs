//! Who has used how much: the decayed usage that decides whose turn it is.
//!
//! HTCondor 25.14, "User Priorities": a user's real priority follows the weight that the user
//! holds, with a half-life; the effective priority is the real one times a factor; lower is better,
//! and shares are proportional to its inverse.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Now, Timestamp, UserName};
use proto::client::{AccountEdit, AccountLine};
use serde::{Deserialize, Serialize};

use crate::core::shares::policy::Policy;

/// The best real priority there is, and where new users start (HTCondor 25.14).
pub const BEST_PRIORITY: f64 = 0.5;

/// Below this a user who holds nothing is as good as new and is forgotten.
const FORGET_BELOW: f64 = BEST_PRIORITY + 1e-6;

/// The accounts of a pool's users.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accounts {
    /// When they were brought up to date, by the wall clock: what counts after a restart.
    saved_at: Timestamp,
    /// The same moment on the steady clock of this life.
    #[serde(skip)]
    as_of_ms: Option<u64>,
    users: BTreeMap<UserName, Account>,
}

/// One user's account.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The real user priority: the decayed usage, at least [`BEST_PRIORITY`].
    pub real_priority: f64,
    /// What the user holds now, by slot weight (processors, unless the machine says otherwise).
    #[serde(skip)]
    pub held: f64,
    /// All that the user ever used, weight times seconds.
    pub used_weight_seconds: f64,
    /// The user's own factor, if an administrator set one.
    pub factor: Option<f64>,
    /// Since when the account counts.
    #[serde(default)]
    pub begun: Option<Timestamp>,
    /// When something was held last.
    #[serde(default)]
    pub last_used: Option<Timestamp>,
}

impl Accounts {
    /// The user's effective priority now: lower is better.
    pub fn effective_priority(&self, user: &UserName, now: Now, policy: &Policy) -> f64 {
        let account = self.users.get(user).copied().unwrap_or_default();
        let aged = account.after(self.elapsed(now), policy.half_life);
        aged.real_priority * aged.factor.unwrap_or_else(|| policy.factor_of(user))
    }

    /// What the user holds now, by slot weight.
    pub fn held(&self, user: &UserName) -> f64 {
        self.users.get(user).map_or(0.0, |account| account.held)
    }

    /// Everybody, best first.
    pub fn report(&self, now: Now, policy: &Policy) -> Vec<AccountLine> {
        let elapsed = self.elapsed(now);
        let mut lines: Vec<AccountLine> = self
            .users
            .iter()
            .map(|(user, account)| {
                let aged = account.after(elapsed, policy.half_life);
                let factor = aged.factor.unwrap_or_else(|| policy.factor_of(user));
                AccountLine {
                    user: user.clone(),
                    effective_priority: aged.real_priority * factor,
                    real_priority: aged.real_priority,
                    factor,
                    held: aged.held,
                    used_weight_seconds: aged.used_weight_seconds,
                    begun: aged.begun,
                    last_used: if aged.held > 0.0 { Some(now.wall) } else { aged.last_used },
                }
            })
            .collect();
        lines.sort_by(|a, b| {
            a.effective_priority.total_cmp(&b.effective_priority).then_with(|| a.user.cmp(&b.user))
        });
        lines
    }

    /// Whether somebody's account changes by itself.
    pub fn is_moving(&self) -> bool {
        self.users.values().any(|account| account.held > 0.0)
    }

    /// Brings every account up to `now`. Usage is charged for what was held since the last time.
    pub(crate) fn advance(&mut self, now: Now, policy: &Policy) {
        let elapsed = self.elapsed(now);
        for account in self.users.values_mut() {
            *account = account.after(elapsed, policy.half_life);
            if account.held > 0.0 {
                account.last_used = Some(now.wall);
            }
        }
        self.users.retain(|_, account| !account.is_as_new());
        self.saved_at = now.wall;
        self.as_of_ms = Some(now.boot_ms);
    }

    /// Books a change of what a user holds. [`Self::advance`] must have brought the accounts up to
    /// the moment of the change.
    pub(crate) fn hold(&mut self, user: &UserName, weight: f64) {
        let account = self.users.entry(user.clone()).or_default();
        // Sums of fractions leave dust behind: it must not keep an account alive or below nothing.
        account.held += weight;
        account.begun.get_or_insert(self.saved_at);
        account.last_used = Some(self.saved_at);
        if account.held < 1e-9 {
            account.held = 0.0;
        }
    }

    /// Changes accounts by hand. [`Self::advance`] must have brought them up to now.
    pub(crate) fn edit(&mut self, user: Option<&UserName>, edit: AccountEdit) {
        if let Some(user) = user {
            self.users.entry(user.clone()).or_default().edit(edit);
        } else {
            self.users.values_mut().for_each(|account| account.edit(edit));
        }
        self.users.retain(|_, account| !account.is_as_new());
    }

    /// The steady clock measures within a life; between two lives there is only the wall clock.
    fn elapsed(&self, now: Now) -> Duration {
        match self.as_of_ms {
            Some(as_of_ms) => Duration::from_millis(now.boot_ms.saturating_sub(as_of_ms)),
            None => now.wall.since(self.saved_at),
        }
    }
}

impl Default for Account {
    fn default() -> Self {
        Self {
            real_priority: BEST_PRIORITY,
            held: 0.0,
            used_weight_seconds: 0.0,
            factor: None,
            begun: None,
            last_used: None,
        }
    }
}

impl Account {
    /// The account after some time in which nothing changed hands: `RUP(t) = b * RUP + (1 - b) *
    /// held` with `b = 0.5 ^ (elapsed / half-life)`.
    fn after(self, elapsed: Duration, half_life: Duration) -> Self {
        let seconds = elapsed.as_secs_f64();
        let kept = 0.5_f64.powf(seconds / half_life.as_secs_f64());
        let real_priority = kept * self.real_priority + (1.0 - kept) * self.held;
        Self {
            real_priority: real_priority.max(BEST_PRIORITY),
            used_weight_seconds: self.used_weight_seconds + self.held * seconds,
            ..self
        }
    }

    /// What is held stays as it is: it is not a matter of opinion.
    fn edit(&mut self, edit: AccountEdit) {
        match edit {
            AccountEdit::SetPriority(priority) => self.real_priority = priority.max(BEST_PRIORITY),
            AccountEdit::SetFactor(factor) => self.factor = Some(factor),
            AccountEdit::SetUsed(weight_seconds) => self.used_weight_seconds = weight_seconds,
            AccountEdit::Reset => {
                *self = Self { held: self.held, factor: self.factor, ..Self::default() };
            }
            AccountEdit::Delete => *self = Self { held: self.held, ..Self::default() },
        }
    }

    fn is_as_new(&self) -> bool {
        self.held == 0.0 && self.real_priority < FORGET_BELOW && self.factor.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;

    fn at(ms: u64) -> Now {
        let wall_ms = i64::try_from(ms).expect("small");
        Now { wall: Timestamp::from_millis(1_000_000_000 + wall_ms), boot_ms: 5_000 + ms }
    }

    /// `steps`: the moment, and what alice holds from then on. Returns her real priority at
    /// `end_ms`.
    fn priority(steps: &[(u64, f64)], end_ms: u64) -> f64 {
        let policy = Policy::default();
        let alice = UserName::new("alice");
        let mut accounts = Accounts::default();
        let mut held = 0.0;
        for (ms, weight) in steps {
            accounts.advance(at(*ms), &policy);
            accounts.hold(&alice, weight - held);
            held = *weight;
        }
        accounts.effective_priority(&alice, at(end_ms), &policy) / policy.prio_factor
    }

    #[test]
    fn a_new_user_has_the_best_priority() {
        assert_eq!(priority(&[], 0), BEST_PRIORITY);
        assert_eq!(priority(&[(0, 100.0)], 0), BEST_PRIORITY);
    }

    #[test]
    fn priority_moves_half_the_way_to_what_is_held_in_one_half_life() {
        assert_eq!(priority(&[(0, 100.5)], DAY_MS), 50.5);
        assert_eq!(priority(&[(0, 100.5), (DAY_MS, 0.0)], 2 * DAY_MS), 25.25);
    }

    #[test]
    fn priority_does_not_depend_on_how_often_it_is_brought_up_to_date() {
        let often: Vec<(u64, f64)> = (0..100).map(|step| (step * DAY_MS / 100, 8.0)).collect();
        assert!((priority(&often, DAY_MS) - priority(&[(0, 8.0)], DAY_MS)).abs() < 1e-9);
    }

    #[test]
    fn an_edit_changes_what_it_names_and_nothing_that_is_held() {
        let policy = Policy::default();
        let alice = UserName::new("alice");
        for (edit, priority, factor, used) in [
            (AccountEdit::SetPriority(7.0), 7.0, 1000.0, 50.0),
            (AccountEdit::SetPriority(0.1), BEST_PRIORITY, 1000.0, 50.0),
            (AccountEdit::SetFactor(3.0), BEST_PRIORITY, 3.0, 50.0),
            (AccountEdit::SetUsed(9.0), BEST_PRIORITY, 1000.0, 9.0),
            (AccountEdit::Reset, BEST_PRIORITY, 1000.0, 0.0),
            (AccountEdit::Delete, BEST_PRIORITY, 1000.0, 0.0),
        ] {
            let mut accounts = Accounts::default();
            accounts.advance(at(0), &policy);
            accounts.hold(&alice, 0.5);
            accounts.advance(at(100_000), &policy);
            accounts.edit(Some(&alice), edit);
            let line = accounts.report(at(100_000), &policy).remove(0);
            let found = (line.real_priority, line.factor, line.used_weight_seconds, line.held);
            assert_eq!(found, (priority, factor, used, 0.5), "{edit:?}");
        }
    }

    #[test]
    fn priority_decays_to_the_best_and_the_account_is_forgotten() {
        let policy = Policy::default();
        let mut accounts = Accounts::default();
        accounts.advance(at(0), &policy);
        accounts.hold(&UserName::new("alice"), 10.0);
        accounts.advance(at(DAY_MS), &policy);
        accounts.hold(&UserName::new("alice"), -10.0);
        accounts.advance(at(2 * DAY_MS), &policy);
        assert_eq!(accounts.report(at(2 * DAY_MS), &policy).len(), 1);
        accounts.advance(at(60 * DAY_MS), &policy);
        assert_eq!(accounts.report(at(60 * DAY_MS), &policy), []);
    }

    #[test]
    fn accounts_decay_over_a_restart_by_the_wall_clock_and_charge_nothing_for_it() {
        let policy = Policy::default();
        let alice = UserName::new("alice");
        let mut accounts = Accounts::default();
        accounts.advance(at(0), &policy);
        accounts.hold(&alice, 100.0);
        accounts.advance(at(DAY_MS), &policy);
        let text = serde_json::to_string(&accounts).unwrap();
        let read: Accounts = serde_json::from_str(&text).unwrap();
        let rebooted = Now { wall: at(2 * DAY_MS).wall, boot_ms: 7 };
        let before = accounts.effective_priority(&alice, at(DAY_MS), &policy);
        assert_eq!(read.effective_priority(&alice, rebooted, &policy), before / 2.0);
        assert_eq!(read.held(&alice), 0.0);
    }
}
