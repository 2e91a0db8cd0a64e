//! The negotiator: its core, its accounts at rest, and what its shell does. Nothing else of it
//! survives a restart.

use negotiator::core::{Accounts, Core, Effect, Fact, Input, Policy, SavedUse};

use super::clock::HostClock;
use super::event::{Daemon, Link, Message, Side};
use super::workload;
use super::world::World;

/// Ticks in a row of one moment. Each settles what is due; more means that it never ends.
const MAX_TICKS: usize = 1000;

pub(crate) struct NegotiatorHost {
    pub(crate) clock: HostClock,
    pub(crate) core: Option<Core>,
    accounts: Option<String>,
    limits: Vec<SavedUse>,
    inbox: Vec<Input>,
}

impl NegotiatorHost {
    pub(crate) fn new(clock: HostClock) -> Self {
        Self { clock, core: None, accounts: None, limits: Vec::new(), inbox: Vec::new() }
    }

    pub(crate) fn died(&mut self) {
        self.core = None;
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
                self.negotiator.core = Some(core.remembering(self.negotiator.limits.clone(), now));
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
        for input in std::mem::take(&mut self.negotiator.inbox) {
            self.negotiator_decides(&input);
        }
        let mut ticks = 0;
        while self.negotiator_is_due() {
            self.negotiator_decides(&Input::Tick);
            ticks += 1;
            if ticks == MAX_TICKS {
                self.fail(format!("the negotiator is due after {MAX_TICKS} ticks of one moment"));
                return;
            }
        }
        if doom.is_some() {
            self.crash(Daemon::Negotiator);
            return;
        }
        let deadline = self.negotiator.core.as_ref().and_then(Core::next_deadline);
        self.wake_by_clock(Daemon::Negotiator, deadline);
    }

    fn negotiator_is_due(&self) -> bool {
        let now = self.negotiator.clock.now(self.now).boot_ms;
        let deadline = self.negotiator.core.as_ref().and_then(Core::next_deadline);
        deadline.is_some_and(|deadline| deadline <= now)
    }

    fn negotiator_decides(&mut self, input: &Input) {
        let now = self.negotiator.clock.now(self.now);
        let Some(core) = &mut self.negotiator.core else { return };
        let decision = match core.decide(now, input) {
            Ok(decision) => decision,
            Err(rejection) => {
                self.note(|| format!("  negotiator drops an input: {rejection}"));
                return;
            }
        };
        let mut effects = Vec::new();
        let mut sound = Ok(());
        for event in &decision.events {
            if let Fact::Planned(plan) = &event.fact {
                sound =
                    sound.and(plan.check(&core.snapshot(now)).map_err(|fault| fault.to_string()));
            }
            let change = core.apply(event);
            effects.extend(core.react(&change, event));
        }
        self.require(sound);
        for effect in effects {
            match effect {
                Effect::ToSchedd { schedd, message } => {
                    if let Some(s) = self.schedd_named(schedd.as_str()) {
                        let link = Link::ScheddNegotiator(s);
                        self.say(link, Side::Listener, Message::ToSchedd(message));
                    }
                }
                Effect::SaveAccounts => self.save_accounts(),
                Effect::SaveLimits(in_use) => self.negotiator.limits = in_use,
            }
        }
    }

    fn save_accounts(&mut self) {
        let Some(core) = &self.negotiator.core else { return };
        match serde_json::to_string(core.accounts()) {
            Ok(text) => self.negotiator.accounts = Some(text),
            Err(error) => self.fail(format!("write accounts: {error}")),
        }
    }
}
