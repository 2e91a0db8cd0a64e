//! The machines of the pool, by row, with every index that matching needs.
//! [`crate::core::Core::apply`] is its only caller that changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use classad::{AttrName, ClassAd};
use model::{ClassId, MachineName, MatchId, Now, Resources, ScheddName, UserName};
use proto::matchmaking::MachineState;

use crate::core::conditions::clauses::{Ads, Clauses};
use crate::core::machines::index::FreeIndex;
use crate::core::machines::machine::{Nature, Row, available_of, is_amount, is_custom};

/// The machines, and what was offered of them.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    pub(crate) rows: Rows,
    by_name: BTreeMap<MachineName, u32>,
    vacant: Vec<u32>,
    /// Machines with something left.
    pub(crate) index: FreeIndex,
    /// Clauses of the jobs' Requirements.
    pub(crate) clauses: Clauses,
    /// Machines that may take jobs now that they did not take when they were looked at last.
    pub(crate) improved: BTreeSet<u32>,
    /// Counts the changes after which a class may have to wait for another reason.
    pub(crate) generation: u64,
    offers: BTreeMap<u64, Offer>,
    offered_on: BTreeMap<MachineName, BTreeSet<u64>>,
    ad_deadlines: BTreeSet<(u64, u32)>,
    offer_deadlines: BTreeSet<(u64, u64)>,
    significant: BTreeMap<AttrName, usize>,
    unsteady: usize,
    ranking: usize,
}

/// The machines themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    rows: Vec<Option<Row>>,
    /// What is left of each: what it says is free, less what was offered and not taken up yet. Of a
    /// vacant row, what was there last; so with the natures.
    free: Vec<Resources>,
    natures: Vec<Nature>,
    /// Resources that administrators named, with how many machines have each.
    customs: BTreeMap<String, usize>,
}

/// A match that is neither taken up nor declined.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// Which match it is; an old claim may have the number of another life's.
    pub(crate) matched: MatchId,
    pub(crate) schedd: ScheddName,
    pub(crate) class: ClassId,
    pub(crate) owner: UserName,
    pub(crate) machine: MachineName,
    pub(crate) resources: Resources,
    pub(crate) until_boot_ms: u64,
    /// When its claim would be over at the latest, if that can be told.
    pub(crate) ends_ms: Option<u64>,
    /// How it says in which advance reservation it is, if in any.
    pub(crate) mark: Option<String>,
}

/// What the claims on a machine counted before and after a change.
pub(crate) type Held = BTreeMap<UserName, f64>;

impl Pool {
    /// How many machines there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is no machine.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The machine in a row that an index named.
    pub(crate) fn row(&self, row: u32) -> &Row {
        self.rows.get(row).expect("indexes name rows that exist")
    }

    /// What matching compares of the machine in a row that an index named, whatever is in use of
    /// it.
    pub(crate) fn nature(&self, row: u32) -> &Nature {
        &self.rows.natures[row as usize]
    }

    /// What is left of it.
    pub(crate) fn free(&self, row: u32) -> &Resources {
        &self.rows.free[row as usize]
    }

    /// What is left of a machine.
    pub(crate) fn free_of_machine(&self, machine: &MachineName) -> Option<&Resources> {
        Some(self.free(*self.by_name.get(machine)?))
    }

    /// A machine by name.
    pub(crate) fn find(&self, machine: &MachineName) -> Option<&Row> {
        self.rows.get(*self.by_name.get(machine)?)
    }

    /// Whether classes that have seen everything are to look at the machine again.
    pub(crate) fn has_improved(&self, machine: &MachineName) -> bool {
        self.by_name.get(machine).is_some_and(|row| self.improved.contains(row))
    }

    /// Every machine, by name.
    pub(crate) fn machines(&self) -> impl Iterator<Item = (u32, &Row)> {
        self.by_name.values().map(|row| (*row, self.row(*row)))
    }

    /// The row of a machine.
    pub(crate) fn number(&self, machine: &MachineName) -> Option<u32> {
        self.by_name.get(machine).copied()
    }

    /// What they are called.
    pub(crate) fn names(&self) -> impl Iterator<Item = &MachineName> {
        self.by_name.keys()
    }

    /// A match that is outstanding.
    pub(crate) fn offer(&self, number: u64) -> Option<&Offer> {
        self.offers.get(&number)
    }

    /// The matches on a machine that are outstanding.
    pub(crate) fn offers_on(&self, machine: &MachineName) -> impl Iterator<Item = &Offer> {
        let numbers = self.offered_on.get(machine).into_iter().flatten();
        numbers.filter_map(|number| self.offers.get(number))
    }

    /// What users hold of offers that are not taken up, by weight.
    pub(crate) fn offered(&self) -> Held {
        let mut offered = Held::new();
        for offer in self.offers.values() {
            if let Some(row) = self.find(&offer.machine) {
                *offered.entry(offer.owner.clone()).or_insert(0.0) += row.weight(&offer.resources);
            }
        }
        offered
    }

    /// Job attributes that machines' expressions refer to.
    pub(crate) fn significant(&self) -> Vec<AttrName> {
        self.significant.keys().cloned().collect()
    }

    /// Whether the expressions of some machine or class clause ask for the time.
    pub(crate) fn is_unsteady(&self) -> bool {
        self.unsteady > 0 || self.clauses.any_unsteady()
    }

    /// Whether some machine prefers some jobs to others.
    pub(crate) fn has_rank(&self) -> bool {
        self.ranking > 0
    }

    /// When the next ad or offer ends, in milliseconds of the steady clock.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        let ad = self.ad_deadlines.first().map(|(until, _)| *until);
        let offer = self.offer_deadlines.first().map(|(until, _)| *until);
        ad.into_iter().chain(offer).min()
    }

    /// Machines whose ad has ended.
    pub(crate) fn expired_machines(&self, now: Now) -> impl Iterator<Item = &MachineName> {
        let due = self.ad_deadlines.range(..=(now.boot_ms, u32::MAX));
        due.map(|(_, row)| &self.row(*row).state.machine)
    }

    /// Matches that nobody took up in time.
    pub(crate) fn expired_offers(&self, now: Now) -> Vec<u64> {
        let due = self.offer_deadlines.range(..=(now.boot_ms, u64::MAX));
        due.map(|(_, number)| *number).collect()
    }

    /// Lets every class look at a machine again.
    pub(crate) fn show_again(&mut self, machine: &MachineName) {
        self.improved.extend(self.by_name.get(machine));
    }

    /// Takes an ad. Returns what its claims counted before and count now.
    pub(crate) fn advertise(&mut self, state: MachineState, at: Now) -> (Held, Held) {
        let Some(new) = Row::new(Box::new(state), at) else { return Default::default() };
        let taken: Vec<u64> = self
            .offered_on
            .get(&new.state.machine)
            .into_iter()
            .flatten()
            .copied()
            .filter(|number| {
                let offered = self.offers.get(number).map(|offer| offer.matched);
                new.state.claims.iter().any(|claim| Some(claim.matched) == offered)
            })
            .collect();
        let number = match self.by_name.get(&new.state.machine) {
            Some(number) => *number,
            None => self.vacant.pop().unwrap_or_else(|| self.rows.push()),
        };
        let old = self.take_out(number);
        let held_before = old.as_ref().map(Row::held).unwrap_or_default();
        let held_now = new.held();
        for taken in taken {
            self.forget_offer(taken);
        }
        self.put_in(number, new, old.as_ref());
        (held_before, held_now)
    }

    /// Forgets a machine. Returns what its claims counted.
    pub(crate) fn withdraw(&mut self, machine: &MachineName) -> Held {
        let Some(number) = self.by_name.get(machine).copied() else { return Held::new() };
        let old = self.take_out(number);
        self.by_name.remove(machine);
        self.vacant.push(number);
        self.improved.remove(&number);
        self.clauses.machine_changed(number, &self.rows);
        self.generation += 1;
        old.as_ref().map(Row::held).unwrap_or_default()
    }

    /// Counts a part of a machine as taken until it is taken up, declined, or too late.
    pub(crate) fn make_offer(&mut self, number: u64, offer: Offer) {
        self.offer_deadlines.insert((offer.until_boot_ms, number));
        self.offered_on.entry(offer.machine.clone()).or_default().insert(number);
        if let Some(row) = self.by_name.get(&offer.machine).copied() {
            let free = self.free(row).minus(&offer.resources).unwrap_or_default();
            self.set_free(row, free);
        }
        self.offers.insert(number, offer);
    }

    /// An offer that came to nothing: its part is free again.
    pub(crate) fn end_offer(&mut self, number: u64) -> Option<Offer> {
        let offer = self.forget_offer(number)?;
        self.refresh_free(&offer.machine);
        if let Some(row) = self.by_name.get(&offer.machine) {
            self.improved.insert(*row);
        }
        Some(offer)
    }

    fn forget_offer(&mut self, number: u64) -> Option<Offer> {
        let offer = self.offers.remove(&number)?;
        self.offer_deadlines.remove(&(offer.until_boot_ms, number));
        if let Some(on_machine) = self.offered_on.get_mut(&offer.machine) {
            on_machine.remove(&number);
            if on_machine.is_empty() {
                self.offered_on.remove(&offer.machine);
            }
        }
        Some(offer)
    }

    fn refresh_free(&mut self, machine: &MachineName) {
        let Some(number) = self.by_name.get(machine).copied() else { return };
        let free = self.free_of(self.row(number));
        self.set_free(number, free);
    }

    fn set_free(&mut self, number: u32, free: Resources) {
        let row = self.row(number);
        let (before, after) = (row.place(number, self.free(number)), row.place(number, &free));
        self.index.remove(before);
        self.index.insert(after);
        self.rows.free[number as usize] = free;
    }

    /// What the machine says is free, less what is offered of it. An ad that is older than an offer
    /// may leave less than the offer: then nothing is left.
    fn free_of(&self, row: &Row) -> Resources {
        self.offers_on(&row.state.machine).fold(row.state.free.clone(), |free, offer| {
            free.minus(&offer.resources).unwrap_or_default()
        })
    }

    fn take_out(&mut self, number: u32) -> Option<Row> {
        let old = self.rows.remove(number)?;
        self.index.remove(old.place(number, self.free(number)));
        self.ad_deadlines.remove(&(deadline(&old), number));
        self.unsteady -= usize::from(old.unsteady);
        self.ranking -= usize::from(old.has_rank());
        for name in old.significant.iter() {
            if let Some(count) = self.significant.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.significant.remove(name);
                }
            }
        }
        Some(old)
    }

    fn put_in(&mut self, number: u32, new: Row, old: Option<&Row>) {
        let free = self.free_of(&new);
        self.by_name.insert(new.state.machine.clone(), number);
        self.index.insert(new.place(number, &free));
        self.ad_deadlines.insert((deadline(&new), number));
        self.unsteady += usize::from(new.unsteady);
        self.ranking += usize::from(new.has_rank());
        for name in new.significant.iter() {
            *self.significant.entry(name.clone()).or_insert(0) += 1;
        }
        let better = old.is_none() || !self.free(number).covers(&free);
        let other = old.is_none_or(|old| differs(old, &new));
        let new_resource = self.rows.put(number, new, free);
        let concerned = if new_resource {
            self.clauses.machine_changed(number, &self.rows);
            self.clauses.rebuild_all(&self.rows);
            true
        } else {
            self.clauses.machine_changed(number, &self.rows)
        };
        if concerned || other {
            self.generation += 1;
        }
        if better || concerned || other {
            self.improved.insert(number);
        }
    }
}

/// Whether the machine itself is another than it was, apart from what is in use of it.
fn differs(old: &Row, new: &Row) -> bool {
    let policy_changed =
        || new.policy_reaches.iter().any(|name| old.ad().lookup(name) != new.ad().lookup(name));
    old.state.total != new.state.total
        || old.requirements() != new.requirements()
        || policy_changed()
}

fn deadline(row: &Row) -> u64 {
    row.heard.deadline(std::time::Duration::from_secs(row.state.lifetime_s.into()))
}

impl Rows {
    pub(crate) fn get(&self, row: u32) -> Option<&Row> {
        self.rows.get(row as usize).and_then(Option::as_ref)
    }

    /// Resources that administrators named.
    pub(crate) fn customs(&self) -> impl Iterator<Item = &String> {
        self.customs.keys()
    }

    /// The same, to be compared later. A pool has few, so copying them for every ad costs nothing.
    pub(crate) fn resource_names(&self) -> Vec<String> {
        self.customs.keys().cloned().collect()
    }

    fn push(&mut self) -> u32 {
        self.rows.push(None);
        u32::try_from(self.rows.len() - 1).expect("MAX_MACHINES is below 2^32")
    }

    fn remove(&mut self, row: u32) -> Option<Row> {
        let old = self.rows.get_mut(row as usize)?.take()?;
        for name in old.state.total.custom.keys() {
            if let Some(count) = self.customs.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.customs.remove(name);
                }
            }
        }
        Some(old)
    }

    /// Tells whether the machine brings a resource that no other has: then what was an attribute is
    /// now an amount.
    fn put(&mut self, row: u32, new: Row, free: Resources) -> bool {
        let mut new_resource = false;
        for name in new.state.total.custom.keys() {
            let count = self.customs.entry(name.clone()).or_insert(0);
            new_resource |= *count == 0;
            *count += 1;
        }
        let nature = new.nature();
        match self.natures.get_mut(row as usize) {
            Some(known) => {
                *known = nature;
                self.free[row as usize] = free;
            }
            None => {
                self.natures.push(nature);
                self.free.push(free);
            }
        }
        self.rows[row as usize] = Some(new);
        new_resource
    }
}

impl Ads for Rows {
    fn rows(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    fn ad(&self, row: u32) -> Option<&Arc<ClassAd>> {
        self.get(row).map(Row::ad)
    }

    fn is_resource(&self, name: &AttrName) -> bool {
        is_amount(name)
            || is_custom(name, &self.customs)
            || available_of(name).is_some_and(|custom| self.customs.contains_key(&custom))
    }
}
