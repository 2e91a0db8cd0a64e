//! The negotiator's state and the four functions that its driver calls.

use std::collections::BTreeMap;

use classad::AttrName;
use model::{
    ClassId, MatchId, Now, ScheddName,
    planted::{Bug, planted},
};
use proto::client::AccountLine;
use proto::matchmaking::{
    ClassRequest, FromMachine, FromSchedd, HeldMatch, MachineState, ToSchedd,
};

use super::accounts::Accounts;
use super::demand::{Class, Demand};
use super::limits::{InUse, SavedUse};
use super::pass::{Snapshot, negotiate};
use super::plan::MatchPlan;
use super::policy::{
    DECLINE_PAUSE, MATCH_EXPIRY, MAX_MACHINES, Policy, RECONSIDER_EVERY, REFRESH_REASONS_EVERY,
    SAVE_ACCOUNTS_EVERY,
};
use super::pool::{Held, Offer, Pool};
use super::statistics::LastPass;
use super::words::{Change, Decision, Effect, Event, Fact, Input, Reasons, Rejection};

/// The negotiator: machines, requests, accounts, and whether a pass is due.
///
/// The driver's loop: `decide` an input, `apply` each event of the decision, do what `react` says.
/// After a batch of inputs, and whenever the moment of [`Core::next_deadline`] has come, it says
/// [`Input::Tick`], until that moment lies ahead again.
#[derive(Clone, Debug)]
pub struct Core {
    policy: Policy,
    life: u64,
    next_number: u64,
    pool: Pool,
    demand: Demand,
    accounts: Accounts,
    in_use: InUse,
    due: bool,
    planned_at: Option<Now>,
    last_pass: Option<LastPass>,
    stale_reasons: bool,
    accounts_changed_at: Option<Now>,
    told_significant: Vec<AttrName>,
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
            accounts,
            in_use: InUse::default(),
            due: false,
            planned_at: None,
            last_pass: None,
            stale_reasons: false,
            accounts_changed_at: None,
            told_significant: Vec::new(),
        }
    }

    /// The same, with what an earlier life has saved of the use of concurrency limits
    /// ([`Effect::SaveLimits`]).
    #[must_use]
    pub fn remembering(self, saved: Vec<SavedUse>, now: Now) -> Self {
        Self { in_use: InUse::recover(saved, now), ..self }
    }

    /// What follows from an input.
    ///
    /// # Errors
    ///
    /// If the input must be dropped: it is late, or out of order.
    pub fn decide(&self, now: Now, input: &Input) -> Result<Decision, Rejection> {
        let facts = match input {
            Input::FromSchedd { schedd, message } => vec![self.decide_schedd(schedd, message)?],
            Input::ScheddDown { schedd } => vec![Fact::ScheddLeft { schedd: schedd.clone() }],
            Input::FromMachine(FromMachine::Advertise(state)) => vec![self.decide_ad(state)?],
            Input::FromMachine(FromMachine::Withdraw { machine })
            | Input::MachineDown { machine } => {
                vec![Fact::MachineLeft { machine: machine.clone() }]
            }
            Input::EditAccounts { user, edit } => {
                vec![Fact::AccountsEdited { user: user.clone(), edit: *edit }]
            }
            Input::Tick => self.decide_tick(now),
        };
        Ok(Decision { events: facts.into_iter().map(|fact| Event { at: now, fact }).collect() })
    }

    /// Carries a fact out.
    pub fn apply(&mut self, event: &Event) -> Change {
        let at = event.at;
        match &event.fact {
            Fact::RequestsChanged { schedd, full, changed, gone, seen, held } => {
                if *full {
                    self.held_told(schedd, held, *seen, at);
                }
                self.apply_requests(schedd, *full, changed, gone, *seen)
            }
            Fact::ScheddLeft { schedd } => {
                for class in self.demand.schedds.remove(schedd).unwrap_or_default().into_values() {
                    class.dissolve(&mut self.pool.clauses);
                }
                self.in_use.schedd_left(schedd, at);
                // The others' places in the queue have changed.
                self.due = true;
                Change::default()
            }
            Fact::MatchDeclined { matched, reason: _ } => {
                if matched.life == self.life {
                    self.end_offer(matched.number, Some(at));
                }
                self.due |= self.in_use.over(*matched);
                Change::default()
            }
            Fact::MachineAdvertised(state) => {
                let resources = self.pool.rows.resource_names();
                self.limits_listed(state, at);
                let (before, now) = self.pool.advertise(state, at);
                if self.demand.avoids(&state.machine) {
                    self.pool.show_again(&state.machine);
                }
                self.resources_changed(&resources);
                self.machine_changed(at, &before, &now)
            }
            Fact::MachineLeft { machine } => {
                let resources = self.pool.rows.resource_names();
                self.in_use.left(machine, at);
                let before = self.pool.withdraw(machine);
                self.resources_changed(&resources);
                self.due = true;
                self.machine_changed(at, &before, &Held::new())
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

    /// What the driver must do about it.
    pub fn react(&self, change: &Change, event: &Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Fact::Planned(plan) = &event.fact
            && plan.matches.iter().any(|planned| !planned.matched.limits.is_empty())
        {
            effects.push(Effect::SaveLimits(self.in_use.to_save()));
        }
        let mut tell = |schedd: &ScheddName, message| {
            effects.push(Effect::ToSchedd { schedd: schedd.clone(), message });
        };
        if let Some((schedds, names)) = &change.significant {
            schedds.iter().for_each(|schedd| tell(schedd, ToSchedd::Significant(names.clone())));
        }
        if let Fact::Planned(plan) = &event.fact {
            let mut by_schedd: BTreeMap<&ScheddName, Vec<_>> = BTreeMap::new();
            for planned in &plan.matches {
                by_schedd.entry(&planned.schedd).or_default().push(planned.matched.clone());
            }
            by_schedd.into_iter().for_each(|(schedd, all)| tell(schedd, ToSchedd::Matches(all)));
        }
        for (schedd, reasons) in &change.reasons {
            tell(schedd, ToSchedd::Reasons(reasons.clone()));
        }
        if matches!(event.fact, Fact::AccountsSaved | Fact::AccountsEdited { .. }) {
            effects.push(Effect::SaveAccounts);
        }
        effects
    }

    /// What a restart implies: nothing, because nobody is connected yet, and everybody who connects
    /// says all again.
    pub fn resume(&self) -> Vec<Effect> {
        Vec::new()
    }

    /// When the driver must say [`Input::Tick`], in milliseconds of the steady clock. A moment that
    /// has passed means at once: a pass is due.
    pub fn next_deadline(&self) -> Option<u64> {
        if self.due {
            return Some(0);
        }
        let again = self.planned_at.filter(|_| self.is_unsteady());
        let again = again.map(|planned| planned.deadline(RECONSIDER_EVERY));
        let save = self.accounts_changed_at.map(|changed| changed.deadline(SAVE_ACCOUNTS_EVERY));
        let pause = self.demand.next_pause_end();
        let limits = self.in_use.next_deadline();
        let ends = [self.pool.next_deadline(), again, self.refresh_at(), save, pause, limits];
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
            accounts: &self.accounts,
            limits: &self.policy.limits,
            in_use: &self.in_use,
            now,
            first: MatchId { life: self.life, number: self.next_number },
            anew: self.is_unsteady() && self.planned_at.is_none_or(waited),
        }
    }

    fn decide_schedd(&self, schedd: &ScheddName, message: &FromSchedd) -> Result<Fact, Rejection> {
        match message {
            FromSchedd::Requests { full, changed, gone, seen, held } => {
                if !full && !self.demand.schedds.contains_key(schedd) {
                    return Err(Rejection::NotIntroduced { schedd: schedd.clone() });
                }
                Ok(Fact::RequestsChanged {
                    schedd: schedd.clone(),
                    full: *full,
                    changed: changed.clone(),
                    gone: gone.clone(),
                    seen: *seen,
                    held: held.clone(),
                })
            }
            FromSchedd::Call { .. } => Err(Rejection::PassedOn { schedd: schedd.clone() }),
            FromSchedd::Declined { matched, reason } => {
                let offer = self.pool.offer(matched.number).filter(|offer| offer.schedd == *schedd);
                let outstanding = matched.life == self.life && offer.is_some();
                if !outstanding && !self.in_use.counts(*matched) {
                    return Err(Rejection::UnknownMatch { number: matched.number });
                }
                Ok(Fact::MatchDeclined { matched: *matched, reason: reason.clone() })
            }
        }
    }

    fn decide_ad(&self, state: &MachineState) -> Result<Fact, Rejection> {
        let machine = &state.machine;
        if state.slots.is_empty() {
            return Err(Rejection::NoSlot { machine: machine.clone() });
        }
        match self.pool.find(machine) {
            Some(known) if known.state.sequence >= state.sequence => Err(Rejection::OldAd {
                machine: machine.clone(),
                sequence: state.sequence,
                known: known.state.sequence,
            }),
            None if self.pool.len() >= MAX_MACHINES => {
                Err(Rejection::PoolFull { machine: machine.clone(), limit: MAX_MACHINES })
            }
            Some(_) | None => Ok(Fact::MachineAdvertised(Box::new(state.clone()))),
        }
    }

    /// What has ended comes first, then the pass that may use what became free: that is the next
    /// tick's, at once.
    fn decide_tick(&self, now: Now) -> Vec<Fact> {
        let expired = self.pool.expired_machines(now);
        let mut facts: Vec<Fact> =
            expired.map(|machine| Fact::MachineLeft { machine: machine.clone() }).collect();
        let offers = self.pool.expired_offers(now);
        if !offers.is_empty() {
            facts.push(Fact::MatchesExpired(offers));
        }
        let uses = self.in_use.expired(now);
        if !uses.is_empty() {
            facts.push(Fact::LimitsExpired(uses));
        }
        if !facts.is_empty() {
            return facts;
        }
        let snapshot = self.snapshot(now);
        let pause_over = self.demand.next_pause_end().is_some_and(|end| end <= now.boot_ms);
        let refresh = self.refresh_at().is_some_and(|refresh| refresh <= now.boot_ms);
        if self.due || snapshot.anew || pause_over || refresh {
            let plan = negotiate(&snapshot, &self.policy);
            debug_assert_eq!(plan.check(&snapshot), Ok(()), "a plan is sound");
            facts.push(Fact::Planned(plan));
        }
        let save = self.accounts_changed_at.map(|changed| changed.deadline(SAVE_ACCOUNTS_EVERY));
        if save.is_some_and(|save| save <= now.boot_ms) {
            facts.push(Fact::AccountsSaved);
        }
        facts
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
            leaving
                .extend(classes.keys().filter(|id| !changed.iter().any(|new| new.class == **id)));
        }
        for class in leaving.iter().filter_map(|id| classes.remove(id)) {
            class.dissolve(&mut self.pool.clauses);
        }
        let seen = seen.filter(|seen| seen.life == self.life).map_or(0, |seen| seen.number);
        for class in classes.values_mut() {
            class.unseen.retain(|number| *number > seen && !full);
            if full {
                class.told = None;
            }
        }
        for request in changed {
            match classes.get_mut(&request.class) {
                Some(class) if class.is_same_kind(request) => class.recount(request),
                Some(_) | None => {
                    let unseen = classes.get(&request.class).map(|old| old.unseen.clone());
                    let mut new =
                        Class::compile(request.clone(), &mut self.pool.clauses, &self.pool.rows);
                    new.unseen = unseen.unwrap_or_default();
                    if let Some(old) = classes.insert(request.class, new) {
                        old.dissolve(&mut self.pool.clauses);
                    }
                }
            }
        }
        self.due = true;
        let significant = (!known).then(|| (vec![schedd.clone()], self.told_significant.clone()));
        Change { significant, ..Change::default() }
    }

    fn machine_changed(&mut self, at: Now, before: &Held, now: &Held) -> Change {
        self.due |= !self.pool.improved.is_empty();
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

    /// Takes an offer back. `declined` says when it was declined; one that expired may have been
    /// lost, and is offered again.
    fn end_offer(&mut self, number: u64, declined: Option<Now>) {
        let Some(offer) = self.pool.end_offer(number) else { return };
        self.due = true;
        let classes = self.demand.schedds.get_mut(&offer.schedd);
        let Some(class) = classes.and_then(|classes| classes.get_mut(&offer.class)) else { return };
        if class.unseen.remove(&number) {
            class.fresh = true;
        }
        if let (Some(at), Some(row)) = (declined, self.pool.find(&offer.machine)) {
            let (sequence, until) = (row.state.sequence, at.deadline(DECLINE_PAUSE));
            self.demand.avoid((&offer.schedd, offer.class), (offer.machine, sequence), until);
        }
    }

    fn apply_plan(&mut self, at: Now, plan: &MatchPlan) -> Change {
        let before = self.last_pass.take();
        self.last_pass = Some(LastPass::of(at, plan, &self.demand, &self.pool, before.as_ref()));
        for planned in &plan.matches {
            let matched = &planned.matched;
            let number = matched.id.number;
            self.next_number = self.next_number.max(number + 1);
            if let Some(class) = self.demand.class_mut(&planned.schedd, matched.class) {
                class.unseen.insert(number);
            }
            let offer = Offer {
                schedd: planned.schedd.clone(),
                class: matched.class,
                owner: planned.owner.clone(),
                machine: matched.machine.clone(),
                resources: matched.resources.clone(),
                until_boot_ms: at.deadline(MATCH_EXPIRY),
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
        self.demand.looked_at(at);
        // What the pass took may be what an erratic class waited for.
        self.due = !plan.matches.is_empty() && self.demand.waits_erratically(&self.pool.clauses);
        (self.planned_at, self.stale_reasons) = (Some(at), plan.stale);
        Change { reasons: self.news(plan), ..Change::default() }
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

    /// What the last pass came to.
    pub(super) fn last_pass(&self) -> Option<&LastPass> {
        self.last_pass.as_ref()
    }

    /// When old reasons are looked at again.
    fn refresh_at(&self) -> Option<u64> {
        let planned = self.planned_at.filter(|_| self.stale_reasons);
        planned.map(|planned| planned.deadline(REFRESH_REASONS_EVERY))
    }

    fn is_unsteady(&self) -> bool {
        self.pool.is_unsteady() || self.demand.is_unsteady()
    }
}
