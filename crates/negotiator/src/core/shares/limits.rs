//! Concurrency limits: how much of each there is, how much of it is in use, and what a class's jobs
//! use of which.
//!
//! A limit is never exceeded by runs that are authorised. What is in use are matches, from the
//! moment at which they are made:
//!
//! - one that no ad of its machine has shown yet counts until its schedd says that nothing came of
//!   it, or is over. No time ends it while that schedd is here: a network may keep the match from
//!   the schedd, or the ad from us, for longer than any bound;
//! - one that an ad has shown as a claim counts until an ad of that machine does not show it any
//!   more;
//! - if the machine leaves, its claims count until it comes back and does not show them, or until
//!   their schedd says that they are over;
//! - what neither a machine shows nor a schedd that is here answers for counts for
//!   [`NOBODY_SPEAKS`].
//!
//! A schedd says over by [`FromSchedd::Declined`](proto::matchmaking::FromSchedd), and in each list
//! of all its requests by not naming the match among those that it holds: so a word that was lost
//! with a connection is said again.
//!
//! What is in use is saved before a match that counts is told
//! ([`crate::core::Effect::SaveLimits`]), so that a restart does not forget it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use classad::{ClassAd, Env, Expr};
use model::{
    Cause, LimitAmount, LimitUse, MachineName, MatchId, Now, ScheddName, attr,
    planted::{Bug, planted},
};
use proto::matchmaking::{ClaimedPart, HeldMatch};
use serde::{Deserialize, Serialize};

use crate::core::values::dependence::Dependence;

/// How long a match counts of which neither its machine nor its schedd is here to speak: longer
/// than any lease that jobs usually have (HTCondor 25.14: 2400 s).
const NOBODY_SPEAKS: Duration = Duration::from_secs(3600);

/// How much there is of a limit that nobody has set (HTCondor 25.14: `CONCURRENCY_LIMIT_DEFAULT`).
const DEFAULT: f64 = 2_308_032.0;

/// The limits of a pool. Names are case-insensitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    named: BTreeMap<String, LimitAmount>,
    sets: BTreeMap<String, LimitAmount>,
    default: LimitAmount,
}

impl Limits {
    /// `<NAME>_LIMIT`.
    pub fn set(&mut self, name: &str, amount: f64) {
        self.named.insert(name.to_ascii_lowercase(), LimitAmount::of(amount));
    }

    /// `CONCURRENCY_LIMIT_DEFAULT_<SET>`: for the members of a set that have no limit of their own.
    pub fn set_default_of(&mut self, set: &str, amount: f64) {
        self.sets.insert(set.to_ascii_lowercase(), LimitAmount::of(amount));
    }

    /// `CONCURRENCY_LIMIT_DEFAULT`.
    pub fn set_default(&mut self, amount: f64) {
        self.default = LimitAmount::of(amount);
    }

    /// How much there is of a limit. Its set is what stands before the last dot of its name
    /// (HTCondor 25.14: `GetLimitMax`).
    pub fn of(&self, name: &str) -> LimitAmount {
        let name = name.to_ascii_lowercase();
        let of_set = || self.sets.get(name.rsplit_once('.')?.0).copied();
        self.named.get(&name).copied().or_else(of_set).unwrap_or(self.default)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { named: BTreeMap::new(), sets: BTreeMap::new(), default: LimitAmount::of(DEFAULT) }
    }
}

/// What is in use of the limits.
#[derive(Clone, Debug, Default)]
pub struct InUse {
    entries: BTreeMap<MatchId, CountedMatch>,
    by_machine: BTreeMap<MachineName, BTreeSet<MatchId>>,
    /// The sums of the entries, by limit.
    used: BTreeMap<String, LimitAmount>,
    deadlines: BTreeSet<(u64, MatchId)>,
    /// The schedds that are here.
    schedds: BTreeSet<ScheddName>,
}

/// A match that counts.
#[derive(Clone, Debug)]
struct CountedMatch {
    machine: MachineName,
    /// Who answers for it, if that is known.
    schedd: Option<ScheddName>,
    uses: Vec<LimitUse>,
    stage: Stage,
    /// Until when it counts, milliseconds of the steady clock, if nothing more is heard.
    until_boot_ms: Option<u64>,
}

/// What is known of a match that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No ad has shown it.
    Offered,
    /// The last ad of its machine shows it as a claim.
    Claimed,
    /// So did the last ad, and the machine has left.
    Away,
    /// It was made in an earlier life of the negotiator, and an ad may have shown it since.
    Recovered,
}

/// A match that counts, as it is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedUse {
    pub matched: MatchId,
    /// On which machine.
    pub machine: MachineName,
    /// For whom, if that is known.
    #[serde(default)]
    pub schedd: Option<ScheddName>,
    /// What it uses.
    pub uses: Vec<LimitUse>,
}

impl InUse {
    /// What was saved by a life that is over: all of it counts until its machine and its schedd
    /// have spoken.
    pub fn recover(saved: Vec<SavedUse>, now: Now) -> Self {
        let mut recovered = Self::default();
        for SavedUse { matched, machine, schedd, uses } in saved {
            recovered.insert(matched, &machine, schedd, &uses, Stage::Recovered);
            recovered.bound(matched, now);
        }
        recovered
    }

    /// All of it, to be saved.
    pub fn to_save(&self) -> Vec<SavedUse> {
        let entries = self.entries.iter();
        entries
            .map(|(matched, entry)| SavedUse {
                matched: *matched,
                machine: entry.machine.clone(),
                schedd: entry.schedd.clone(),
                uses: entry.uses.clone(),
            })
            .collect()
    }

    /// How much of a limit, by its lower-case name, is in use.
    pub fn of(&self, name: &str) -> LimitAmount {
        self.used.get(name).copied().unwrap_or_default()
    }

    /// A match was made for a schedd.
    pub(crate) fn offer(
        &mut self,
        id: MatchId,
        schedd: &ScheddName,
        machine: &MachineName,
        uses: &[LimitUse],
        at: Now,
    ) {
        if !uses.is_empty() && !planted(Bug::LimitNotCounted) {
            self.insert(id, machine, Some(schedd.clone()), uses, Stage::Offered);
            self.bound(id, at);
        }
    }

    /// A machine's ad shows these claims, and no other.
    pub(crate) fn listed(&mut self, machine: &MachineName, claims: &[ClaimedPart], at: Now) {
        let limited: BTreeMap<MatchId, &[LimitUse]> = claims
            .iter()
            .filter(|claim| !claim.limits.is_empty())
            .map(|claim| (claim.matched, &claim.limits[..]))
            .collect();
        for id in self.by_machine.get(machine).cloned().unwrap_or_default() {
            match self.entries[&id].stage {
                _ if limited.contains_key(&id) => {}
                Stage::Offered => {}
                Stage::Claimed | Stage::Away => self.remove(id),
                // Its schedd may still ask for the claim.
                Stage::Recovered => self.entry_mut(id).stage = Stage::Offered,
            }
        }
        for (id, uses) in limited.into_iter().filter(|_| !planted(Bug::LimitNotCounted)) {
            let schedd = self.entries.get(&id).and_then(|entry| entry.schedd.clone());
            self.insert(id, machine, schedd, uses, Stage::Claimed);
            self.bound(id, at);
        }
    }

    /// A machine is not in the pool any more; what runs there may go on.
    pub(crate) fn left(&mut self, machine: &MachineName, at: Now) {
        for id in self.by_machine.get(machine).cloned().unwrap_or_default() {
            if self.entries[&id].stage == Stage::Claimed {
                self.entry_mut(id).stage = Stage::Away;
                self.bound(id, at);
            }
        }
    }

    /// A schedd says which matches it holds, and that it holds no others `of` which it knows.
    /// Whether that frees anything.
    pub(crate) fn held(
        &mut self,
        schedd: &ScheddName,
        held: &[HeldMatch],
        of: impl Fn(MatchId) -> bool,
        at: Now,
    ) -> bool {
        self.schedds.insert(schedd.clone());
        let named: BTreeSet<MatchId> = held.iter().map(|held| held.matched).collect();
        let own = self.entries.iter().filter(|(_, entry)| entry.schedd.as_ref() == Some(schedd));
        let own: Vec<MatchId> = own.map(|(id, _)| *id).collect();
        let mut frees = false;
        for id in own {
            if named.contains(&id) || !of(id) {
                self.bound(id, at);
            } else {
                frees |= self.over(id);
            }
        }
        for HeldMatch { matched, machine, limits } in held {
            if let Some(entry) = self.entries.get_mut(matched) {
                entry.schedd = Some(schedd.clone());
            } else if !limits.is_empty() && !planted(Bug::LimitNotCounted) {
                self.insert(*matched, machine, Some(schedd.clone()), limits, Stage::Offered);
            }
            self.bound(*matched, at);
        }
        frees
    }

    /// A schedd is not here any more; what it holds may go on.
    pub(crate) fn schedd_left(&mut self, schedd: &ScheddName, at: Now) {
        self.schedds.remove(schedd);
        let own = self.entries.iter().filter(|(_, entry)| entry.schedd.as_ref() == Some(schedd));
        for id in own.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.bound(id, at);
        }
    }

    /// Its schedd says that nothing came of a match, or that its claim is over. While the machine
    /// shows the claim, the machine is believed: it may still have to end what runs there. Whether
    /// that frees anything.
    pub(crate) fn over(&mut self, id: MatchId) -> bool {
        let counts = self.entries.get(&id).is_some_and(|entry| match entry.stage {
            Stage::Claimed => false,
            Stage::Offered | Stage::Away | Stage::Recovered => true,
        });
        if counts {
            self.remove(id);
        }
        counts
    }

    /// How many matches count.
    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// Whether a match counts.
    pub(crate) fn counts(&self, id: MatchId) -> bool {
        self.entries.contains_key(&id)
    }

    /// Matches that count no longer, because nothing was heard of them.
    pub(crate) fn expired(&self, now: Now) -> Vec<MatchId> {
        let due = self.deadlines.iter().take_while(|(until, _)| *until <= now.boot_ms);
        due.map(|(_, id)| *id).collect()
    }

    /// When the next one expires, in milliseconds of the steady clock.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    fn insert(
        &mut self,
        id: MatchId,
        machine: &MachineName,
        schedd: Option<ScheddName>,
        uses: &[LimitUse],
        stage: Stage,
    ) {
        self.remove(id);
        for one in uses {
            let used = self.used.entry(one.name.clone()).or_default();
            *used = used.plus(one.amount);
        }
        self.by_machine.entry(machine.clone()).or_default().insert(id);
        let (machine, uses) = (machine.clone(), uses.to_vec());
        self.entries.insert(id, CountedMatch { machine, schedd, uses, stage, until_boot_ms: None });
    }

    /// A match counts for ever while somebody is here who can say that it is over, and else for a
    /// while, from the moment at which the last of them left.
    fn bound(&mut self, id: MatchId, at: Now) {
        let Some(entry) = self.entries.get(&id) else { return };
        let answered = entry.schedd.as_ref().is_some_and(|schedd| self.schedds.contains(schedd));
        let bound = entry.until_boot_ms.unwrap_or_else(|| at.deadline(NOBODY_SPEAKS));
        let spoken_of = answered || entry.stage == Stage::Claimed;
        if entry.stage == Stage::Offered && planted(Bug::OfferForgotten) {
            let soon = at.deadline(Duration::from_secs(60));
            return self.set_until(id, Some(entry.until_boot_ms.unwrap_or(soon)));
        }
        self.set_until(id, (!spoken_of).then_some(bound));
    }

    fn entry_mut(&mut self, id: MatchId) -> &mut CountedMatch {
        self.entries.get_mut(&id).expect("an index names entries that exist")
    }

    fn set_until(&mut self, id: MatchId, until_boot_ms: Option<u64>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if let Some(before) = entry.until_boot_ms {
            self.deadlines.remove(&(before, id));
        }
        entry.until_boot_ms = until_boot_ms;
        self.deadlines.extend(until_boot_ms.map(|until| (until, id)));
    }

    /// Forgets a match.
    pub(crate) fn remove(&mut self, id: MatchId) {
        self.set_until(id, None);
        let Some(entry) = self.entries.remove(&id) else { return };
        for one in &entry.uses {
            let left = self.of(&one.name).minus(one.amount);
            if left.is_zero() {
                self.used.remove(&one.name);
            } else {
                self.used.insert(one.name.clone(), left);
            }
        }
        if let Some(on_machine) = self.by_machine.get_mut(&entry.machine) {
            on_machine.remove(&id);
            if on_machine.is_empty() {
                self.by_machine.remove(&entry.machine);
            }
        }
    }
}

/// What the jobs of a class use of limits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Uses {
    /// The same on every machine; usually nothing.
    Fixed(Vec<LimitUse>),
    /// Whatever this comes to (`concurrency_limits_expr`).
    PerMachine(Expr),
}

impl Uses {
    /// Of a job's ad.
    pub(crate) fn of(job: &ClassAd) -> Self {
        let Some(expr) = job.get(attr::CONCURRENCY_LIMITS) else { return Self::Fixed(Vec::new()) };
        let dependence = Dependence::of(expr, job);
        if dependence.other.is_empty() && !dependence.unsteady {
            return Self::Fixed(evaluate(expr, job, None, &Env::at(0)));
        }
        Self::PerMachine(expr.clone())
    }

    /// What they use on a machine.
    pub(crate) fn on(&self, job: &ClassAd, slot: &ClassAd, env: &Env) -> Vec<LimitUse> {
        match self {
            Self::Fixed(uses) => uses.clone(),
            Self::PerMachine(expr) => evaluate(expr, job, Some(slot), env),
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Fixed(uses) if uses.is_empty())
    }
}

/// What is no list of limits uses none (HTCondor 25.14).
fn evaluate(expr: &Expr, job: &ClassAd, slot: Option<&ClassAd>, env: &Env) -> Vec<LimitUse> {
    let value = job.eval_expr(expr, slot, env);
    value.as_str().and_then(|list| LimitUse::list(list).ok()).unwrap_or_default()
}

/// What is left of the limits in a pass.
#[derive(Clone, Debug)]
pub(crate) struct Room<'a> {
    limits: &'a Limits,
    in_use: &'a InUse,
    /// What the pass has given.
    given: BTreeMap<String, LimitAmount>,
}

impl<'a> Room<'a> {
    pub(crate) fn new(limits: &'a Limits, in_use: &'a InUse) -> Self {
        Self { limits, in_use, given: BTreeMap::new() }
    }

    pub(crate) fn give(&mut self, uses: &[LimitUse]) {
        for one in uses {
            let given = self.given.entry(one.name.clone()).or_default();
            *given = given.plus(one.amount);
        }
    }

    pub(crate) fn has(&self, uses: &[LimitUse]) -> bool {
        self.short(uses).is_none()
    }

    /// The first limit of which there is not enough left.
    pub(crate) fn short(&self, uses: &[LimitUse]) -> Option<Cause> {
        uses.iter().find_map(|one| {
            let given = self.given.get(&one.name).copied().unwrap_or_default();
            let used = self.in_use.of(&one.name).plus(given);
            let limit = self.limits.of(&one.name);
            let (name, asked) = (one.name.clone(), one.amount);
            (used.plus(asked) > limit).then_some(Cause::Limit { name, used, asked, limit })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_its_own_or_else_its_set_s_or_else_the_default() {
        let mut limits = Limits::default();
        assert_eq!(limits.of("db"), LimitAmount::of(2_308_032.0));
        limits.set_default(5.0);
        limits.set_default_of("License", 2.0);
        limits.set("LICENSE.Matlab", 1.0);
        limits.set("db", 0.0);
        for (name, amount) in
            [("db", 0.0), ("other", 5.0), ("license.matlab", 1.0), ("license.Other", 2.0)]
        {
            assert_eq!(limits.of(name), LimitAmount::of(amount), "{name}");
        }
    }
}
