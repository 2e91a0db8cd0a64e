//! Carries facts out: the only function that changes the negotiator, with every index in step.

use std::collections::{BTreeMap, BTreeSet};

use model::planted::{Bug, planted};
use model::{ClassId, MachineName, MatchId, Now, ScheddName};
use proto::draining::Drain;
use proto::matchmaking::{ClassRequest, GangShare, HeldMatch, MachineState};

use crate::core::machines::draining;
use crate::core::machines::pool::{Held, Offer};
use crate::core::matching::marks::mark_of;
use crate::core::matching::plan::MatchPlan;
use crate::core::matching::reserve::end_of;
use crate::core::requests::demand::{Class, Decline, Declined};
use crate::core::shares::policy::{MATCH_EXPIRY, decline_pause};
use crate::core::state::core::Core;
use crate::core::state::statistics::LastPass;
use crate::core::words::{Blame, Change, Event, Fact, Reasons};

impl Core {
    /// Carries a fact out.
    pub fn apply(&mut self, event: &Event) -> Change {
        let at = event.at;
        match &event.fact {
            Fact::RequestsChanged { schedd, full, changed, gone, seen, held, bookings } => {
                if *full {
                    self.held_told(schedd, held, *seen, at);
                }
                let bookings = *full && self.bookings.told(schedd, bookings);
                let change = self.apply_requests(schedd, *full, changed, gone, *seen);
                Change { bookings, ..change }
            }
            Fact::ScheddLeft { schedd } => {
                for class in self.demand.remove_all(schedd) {
                    class.dissolve(&mut self.pool.clauses);
                }
                self.in_use.schedd_left(schedd, at);
                // The others' places in the queue have changed.
                self.due = true;
                Change::default()
            }
            Fact::MatchDeclined { matched, reason, blame } => {
                if matched.life == self.life {
                    self.end_offer(matched.number, Some((at, reason, *blame)));
                }
                self.due |= self.in_use.over(*matched);
                Change::default()
            }
            Fact::MachineAdvertised(state) => self.advertised(at, state),
            Fact::MachineDrained { machine, drain } => self.drained(machine, drain.as_ref()),
            Fact::MachineLeft { machine } => {
                let resources = self.pool.rows.resource_names();
                self.in_use.left(machine, at);
                let before = self.pool.withdraw(machine);
                self.resources_changed(&resources);
                self.due = true;
                self.machine_changed(at, machine, (&before, &Held::new()))
            }
            Fact::MatchesExpired(numbers) => {
                numbers.iter().for_each(|number| self.end_offer(*number, None));
                Change::default()
            }
            Fact::LimitsExpired(matches) => {
                matches.iter().for_each(|matched| self.in_use.remove(*matched));
                self.due = true;
                Change::default()
            }
            Fact::Planned(plan) => self.apply_plan(at, plan),
            Fact::AccountsEdited { user, edit } => {
                self.accounts.advance(at, &self.policy);
                self.accounts.edit(user.as_ref(), *edit);
                // Whose turn it is may be another one's now.
                self.due = true;
                Change::default()
            }
            Fact::AccountsSaved => {
                self.accounts.advance(at, &self.policy);
                self.accounts_changed_at = self.accounts.is_moving().then_some(at);
                Change::default()
            }
        }
    }

    fn advertised(&mut self, at: Now, state: &MachineState) -> Change {
        let resources = self.pool.rows.resource_names();
        self.limits_listed(state, at);
        let shown = draining::shown(state.clone(), self.drains.get(&state.machine));
        let (before, now) = self.pool.advertise(shown, at);
        if self.demand.avoids(&state.machine) {
            self.pool.show_again(&state.machine);
        }
        self.resources_changed(&resources);
        self.machine_changed(at, &state.machine, (&before, &now))
    }

    fn drained(&mut self, machine: &MachineName, drain: Option<&Drain>) -> Change {
        match drain {
            Some(drain) => drop(self.drains.insert(machine.clone(), drain.clone())),
            None => drop(self.drains.remove(machine)),
        }
        let row = self.pool.find(machine).map(|row| (row.state.clone(), row.heard));
        let mut change = Change::default();
        if let Some((state, heard)) = row {
            let shown = draining::shown(draining::plain(*state), drain);
            let (before, now) = self.pool.advertise(shown, heard);
            change = self.machine_changed(heard, machine, (&before, &now));
        }
        self.due = true;
        Change { drained: self.demand.schedds.keys().cloned().collect(), ..change }
    }

    /// What a schedd holds of matches that count against limits. On a connection that goes on it
    /// cannot know of those that are under way to it.
    fn held_told(
        &mut self,
        schedd: &ScheddName,
        held: &[HeldMatch],
        seen: Option<MatchId>,
        at: Now,
    ) {
        let goes_on = self.demand.schedds.contains_key(schedd);
        let life = self.life;
        let seen = seen.filter(|seen| seen.life == life).map_or(0, |seen| seen.number);
        let arrived = |id: MatchId| !goes_on || id.life != life || id.number <= seen;
        self.due |= self.in_use.held(schedd, held, arrived, at);
    }

    fn apply_requests(
        &mut self,
        schedd: &ScheddName,
        full: bool,
        changed: &[ClassRequest],
        gone: &[ClassId],
        seen: Option<MatchId>,
    ) -> Change {
        let known = self.demand.schedds.contains_key(schedd);
        let classes = self.demand.schedds.entry(schedd.clone()).or_default();
        let mut leaving: Vec<ClassId> = gone.to_vec();
        if full {
            let stay: BTreeSet<ClassId> = changed.iter().map(|new| new.class).collect();
            leaving.extend(classes.keys().filter(|id| !stay.contains(id)));
        }
        for class in leaving.iter().filter_map(|id| self.demand.remove(schedd, *id)) {
            class.dissolve(&mut self.pool.clauses);
        }
        let paused: Vec<Declined> =
            changed.iter().map(|request| self.demand.take_paused(schedd, request.class)).collect();
        let classes = self.demand.schedds.entry(schedd.clone()).or_default();
        let seen = seen.filter(|seen| seen.life == self.life).map_or(0, |seen| seen.number);
        for class in classes.values_mut() {
            class.unseen.retain(|number| *number > seen && !full);
            if full {
                class.told = None;
            }
        }
        for (request, paused) in changed.iter().zip(paused) {
            match classes.get_mut(&request.class) {
                Some(class) if class.is_same_kind(request) => class.recount(request),
                Some(_) | None => {
                    let old = classes.get(&request.class);
                    let (unseen, declined) = old.map_or_else(
                        || (BTreeSet::new(), paused),
                        |old| (old.unseen.clone(), old.declined.clone()),
                    );
                    let mut new =
                        Class::compile(request.clone(), &mut self.pool.clauses, &self.pool.rows);
                    (new.unseen, new.declined) = (unseen, declined);
                    if let Some(old) = classes.insert(request.class, new) {
                        old.dissolve(&mut self.pool.clauses);
                    }
                }
            }
        }
        self.due = true;
        let significant = (!known).then(|| (vec![schedd.clone()], self.told_significant.clone()));
        let is_told = !known && !self.drains.is_empty();
        let drained = is_told.then(|| schedd.clone()).into_iter().collect();
        Change { significant, drained, ..Change::default() }
    }

    /// `held` is what users have of the machine, before and now. Others that improved, or are
    /// looked at again with each pass, are no cause for one.
    fn machine_changed(
        &mut self,
        at: Now,
        machine: &MachineName,
        (before, now): (&Held, &Held),
    ) -> Change {
        self.due |= self.pool.has_improved(machine);
        if before != now {
            self.due |= self.demand.waits_erratically(&self.pool.clauses);
            self.accounts.advance(at, &self.policy);
            for (user, weight) in before {
                self.accounts.hold(user, -weight);
            }
            for (user, weight) in now {
                self.accounts.hold(user, *weight);
            }
            self.accounts_changed_at.get_or_insert(at);
        }
        let significant = self.pool.significant();
        if significant == self.told_significant {
            return Change::default();
        }
        self.told_significant.clone_from(&significant);
        let everybody = self.demand.schedds.keys().cloned().collect();
        Change { significant: Some((everybody, significant)), ..Change::default() }
    }

    /// What an ad says of the use of limits. Where less is in use than before, somebody may wait
    /// for it.
    fn limits_listed(&mut self, state: &MachineState, at: Now) {
        let before = self.in_use.count();
        self.in_use.listed(&state.machine, &state.claims, at);
        self.due |= self.in_use.count() < before;
    }

    fn resources_changed(&mut self, before: &[String]) {
        if self.pool.rows.resource_names() != before {
            self.demand.resources_changed(&self.pool.rows);
            self.due = true;
        }
    }

    /// Takes an offer back. `declined` says when and why it was declined, and what that says of the
    /// machine; one that expired may have been lost, and is offered again.
    fn end_offer(&mut self, number: u64, declined: Option<(Now, &str, Blame)>) {
        let Some(offer) = self.pool.end_offer(number) else { return };
        self.due = true;
        if !self.demand.schedds.contains_key(&offer.schedd) {
            return;
        }
        if let Some(class) = self.demand.class_mut(&offer.schedd, offer.class)
            && class.unseen.remove(&number)
        {
            class.fresh = true;
        }
        let declined = declined.filter(|(.., blame)| *blame != Blame::Nothing);
        if let (Some((at, why, blame)), Some(row)) = (declined, self.pool.find(&offer.machine)) {
            let (by, by_ad) = ((&offer.schedd, offer.class), row.state.sequence);
            let times = match blame {
                Blame::Refused => self.demand.refused(by, &offer.machine, at),
                Blame::Nothing | Blame::Once => 1,
            };
            let decline = Decline {
                by_ad: (times == 1).then_some(by_ad),
                until_ms: at.deadline(decline_pause(times)),
                why: why.into(),
            };
            self.demand.avoid(by, offer.machine, decline);
        }
    }

    fn apply_plan(&mut self, at: Now, plan: &MatchPlan) -> Change {
        let before = self.last_pass.take();
        self.last_pass = Some(LastPass::of(at, plan, &self.demand, &self.pool, before.as_ref()));
        for planned in &plan.matches {
            let matched = &planned.matched;
            let number = matched.id.number;
            self.next_number = self.next_number.max(number + 1);
            let counts = matched.gang.as_ref().is_none_or(GangShare::is_first);
            if let Some(class) = self.demand.class_mut(&planned.schedd, matched.class)
                && counts
            {
                class.unseen.insert(number);
            }
            let offer = Offer {
                matched: matched.id,
                schedd: planned.schedd.clone(),
                class: matched.class,
                owner: planned.owner.clone(),
                machine: matched.machine.clone(),
                resources: matched.resources.clone(),
                until_boot_ms: at.deadline(MATCH_EXPIRY),
                ends_ms: matched.term.map(|term| end_of(term, at)),
                mark: mark_of(&matched.limits).map(str::to_owned),
            };
            self.pool.make_offer(number, offer);
            self.in_use.offer(matched.id, &planned.schedd, &matched.machine, &matched.limits, at);
        }
        for (schedd, id, standing) in &plan.standings {
            if let Some(class) = self.demand.class_mut(schedd, *id) {
                class.standing = Some(standing.clone());
            }
        }
        self.pool.improved.clear();
        // Who was kept from a machine looks at it again when the reservation is another.
        let before = std::mem::replace(&mut self.reservation, plan.reservation.clone());
        for known in before.iter().chain(&self.reservation) {
            self.pool.show_again(&known.machine);
        }
        self.demand.looked_at(at);
        self.bookings.answered(&plan.booked);
        self.bookings.looked_at(at);
        // What the pass took may be what an erratic class waited for.
        self.due = !plan.matches.is_empty() && self.demand.waits_erratically(&self.pool.clauses);
        (self.planned_at, self.stale_reasons) = (Some(at), plan.stale);
        let bookings = !plan.booked.is_empty();
        Change { reasons: self.news(plan), bookings, ..Change::default() }
    }

    /// The reasons that differ from what was told.
    fn news(&mut self, plan: &MatchPlan) -> Vec<(ScheddName, Reasons)> {
        let mut news: BTreeMap<&ScheddName, Reasons> = BTreeMap::new();
        for (schedd, id, reason) in &plan.reasons {
            let Some(class) = self.demand.class_mut(schedd, *id) else { continue };
            let is_news = match (&class.told, reason) {
                (Some(told), Some(reason)) => reason.is_news_after(told),
                (told, reason) => told.is_some() != reason.is_some(),
            };
            if is_news && !planted(Bug::ReasonForgotten) {
                class.told.clone_from(reason);
                news.entry(schedd).or_default().push((*id, reason.clone()));
            }
        }
        news.into_iter().map(|(schedd, reasons)| (schedd.clone(), reasons)).collect()
    }
}
