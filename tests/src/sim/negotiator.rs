//! The negotiator: its core, its accounts at rest, and what its shell does. Nothing else of it
//! survives a restart.

use negotiator::core::{
    Accounts, Core, Effect, Fact, Input, Policy, SavedBooking, SavedUse, run_batch_watched,
};

use proto::draining::{Drain, DrainHow, Drains};

use super::clock::HostClock;
use super::event::{Daemon, Link, Message, Side};
use super::reservations::Told;
use super::workload;
use super::world::World;

pub(crate) struct NegotiatorHost {
    pub(crate) clock: HostClock,
    pub(crate) core: Option<Core>,
    accounts: Option<String>,
    limits: Vec<SavedUse>,
    pub(crate) drains: Drains,
    bookings: Vec<SavedBooking>,
    inbox: Vec<Input>,
    /// What it was told in this life.
    told: Told,
}

impl NegotiatorHost {
    pub(crate) fn new(clock: HostClock) -> Self {
        Self {
            clock,
            core: None,
            accounts: None,
            limits: Vec::new(),
            drains: Drains::new(),
            bookings: Vec::new(),
            inbox: Vec::new(),
            told: Told::default(),
        }
    }

    pub(crate) fn died(&mut self) {
        self.core = None;
        self.told = Told::default();
        self.inbox.clear();
    }
}

impl World {
    pub(crate) fn negotiator_starts(&mut self) {
        let accounts = match &self.negotiator.accounts {
            Some(text) => {
                serde_json::from_str(text).map_err(|error| format!("read accounts: {error}"))
            }
            None => Ok(Accounts::default()),
        };
        match accounts {
            Ok(accounts) => {
                let life = self.rng.next();
                let now = self.negotiator.clock.now(self.now);
                let mut policy = Policy::default();
                workload::set_limits(&mut policy.limits);
                let core = Core::new(life, accounts, policy);
                let core = core.remembering(self.negotiator.limits.clone(), now);
                let core = core.booked(self.negotiator.bookings.clone());
                self.negotiator.core = Some(core.draining(self.negotiator.drains.clone()));
            }
            Err(what) => self.fail(what),
        }
    }

    pub(crate) fn negotiator_hears(&mut self, input: Input) {
        self.negotiator.inbox.push(input);
        self.wake_soon(Daemon::Negotiator);
    }

    pub(crate) fn negotiator_batch(&mut self) {
        let doom = self.take_doom(Daemon::Negotiator);
        let inputs = std::mem::take(&mut self.negotiator.inbox);
        let now = self.negotiator.clock.now(self.now);
        let Some(core) = &mut self.negotiator.core else { return };
        let told = &mut self.negotiator.told;
        inputs.iter().for_each(|input| told.hear(now, input));
        let mut sound = Ok(());
        let batch = run_batch_watched(core, now, &inputs, &mut |core, event| {
            if let (Fact::Planned(plan), Ok(())) = (&event.fact, &sound) {
                let checked = plan.check(&core.snapshot(now)).map_err(|fault| fault.to_string());
                sound = checked.and_then(|()| told.planned(now, plan));
            }
        });
        let is_due = core.next_deadline().is_some_and(|deadline| deadline <= now.boot_ms);
        self.require(sound);
        if is_due {
            self.fail("the negotiator is due after all ticks of a batch".to_owned());
            return;
        }
        for rejection in batch.rejected {
            self.note(|| format!("  negotiator drops an input: {rejection}"));
        }
        for effect in batch.effects {
            match effect {
                Effect::ToSchedd { schedd, message } => {
                    if let Some(s) = self.schedd_named(schedd.as_str()) {
                        let link = Link::ScheddNegotiator(s);
                        self.say(link, Side::Listener, Message::ToSchedd(message));
                    }
                }
                Effect::SaveAccounts => self.save_accounts(),
                Effect::SaveLimits(in_use) => self.negotiator.limits = in_use,
                Effect::SaveDrains(drains) => self.drains_saved(drains),
                Effect::SaveBookings(bookings) => self.negotiator.bookings = bookings,
            }
        }
        if doom.is_some() {
            self.crash(Daemon::Negotiator);
            return;
        }
        let deadline = self.negotiator.core.as_ref().and_then(Core::next_deadline);
        self.wake_by_clock(Daemon::Negotiator, deadline);
    }

    /// Somebody drains a machine, or gives it jobs again.
    pub(crate) fn drain_some(&mut self) {
        let m = self.rng.index(self.machines.len());
        let machine = self.machines[m].name();
        let how = self.rng.pick(&[DrainHow::Finish, DrainHow::Requeue, DrainHow::Kill]);
        let since = self.negotiator.clock.now(self.now).wall;
        let drain = Drain { how, reason: String::new(), since };
        let is_drained = self.negotiator.drains.contains_key(&machine);
        let drain = (!is_drained || self.rng.percent(30)).then_some(drain);
        // To one that is not there nobody can say it.
        if self.is_alive(Daemon::Negotiator) {
            self.negotiator_hears(Input::Drain { machine, is_member: true, drain });
        }
    }

    /// All machines get jobs again.
    pub(crate) fn drain_none(&mut self) {
        self.negotiator.drains.clear();
        if self.is_alive(Daemon::Negotiator) {
            let machines: Vec<_> =
                self.machines.iter().map(super::machine::Machine::name).collect();
            for machine in machines {
                self.negotiator_hears(Input::Drain { machine, is_member: true, drain: None });
            }
        }
    }

    /// The negotiator says which machines are drained, to those that are connected.
    fn drains_saved(&mut self, drains: Drains) {
        self.negotiator.drains = drains;
        for m in 0..self.machines.len() {
            self.tell_whether_drained(m);
        }
    }

    /// Also said at the beginning of each connection.
    pub(crate) fn tell_whether_drained(&mut self, m: usize) {
        let drain = self.negotiator.drains.get(&self.machines[m].name()).cloned();
        self.say(Link::StartdNegotiator(m), Side::Listener, Message::Drain(drain));
    }

    fn save_accounts(&mut self) {
        let Some(core) = &self.negotiator.core else { return };
        match serde_json::to_string(core.accounts()) {
            Ok(text) => self.negotiator.accounts = Some(text),
            Err(error) => self.fail(format!("write accounts: {error}")),
        }
    }
}
