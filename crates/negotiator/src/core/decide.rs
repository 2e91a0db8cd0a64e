//! What follows from an input. Changes nothing.

use model::{MachineName, Now, ScheddName};
use proto::draining::Drain;
use proto::matchmaking::{FromMachine, FromSchedd, MachineState};

use crate::core::matching::pass::negotiate;
use crate::core::shares::policy::{MAX_MACHINES, SAVE_ACCOUNTS_EVERY};
use crate::core::state::core::Core;
use crate::core::words::{Blame, Decision, Event, Fact, Input, Rejection};

/// The longest that is kept of why a machine does not take a job, in characters.
const SAID_MOST: usize = 200;

/// What a machine says is kept with every job that waits for it, and shown: no more than a line.
fn in_brief(said: &str) -> String {
    said.chars().filter(|letter| !letter.is_control()).take(SAID_MOST).collect()
}

impl Core {
    /// What follows from an input.
    ///
    /// # Errors
    ///
    /// If the input must be dropped: it is late, or out of order.
    pub fn decide(&self, now: Now, input: &Input) -> Result<Decision, Rejection> {
        let facts = match input {
            Input::FromSchedd { message: FromSchedd::Drain { machine, drain }, .. } => {
                self.decide_drain(machine, false, drain.as_ref())?
            }
            Input::FromSchedd { schedd, message } => vec![self.decide_schedd(schedd, message)?],
            Input::ScheddDown { schedd } => vec![Fact::ScheddLeft { schedd: schedd.clone() }],
            Input::FromMachine(FromMachine::Advertise(state)) => vec![self.decide_ad(state)?],
            Input::FromMachine(FromMachine::Withdraw { machine })
            | Input::MachineDown { machine } => {
                vec![Fact::MachineLeft { machine: machine.clone() }]
            }
            Input::Drain { machine, is_member, drain } => {
                self.decide_drain(machine, *is_member, drain.as_ref())?
            }
            Input::EditAccounts { user, edit } => {
                vec![Fact::AccountsEdited { user: user.clone(), edit: *edit }]
            }
            Input::Tick => self.decide_tick(now),
        };
        Ok(Decision { events: facts.into_iter().map(|fact| Event { at: now, fact }).collect() })
    }

    fn decide_schedd(&self, schedd: &ScheddName, message: &FromSchedd) -> Result<Fact, Rejection> {
        match message {
            FromSchedd::Requests { full, changed, gone, seen, held, bookings } => {
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
                    bookings: bookings.clone(),
                })
            }
            FromSchedd::Call { .. } | FromSchedd::Drain { .. } => {
                Err(Rejection::PassedOn { schedd: schedd.clone() })
            }
            FromSchedd::Declined { matched, reason, blameless, refused } => {
                let offer = self.pool.offer(matched.number).filter(|offer| offer.schedd == *schedd);
                let outstanding = matched.life == self.life && offer.is_some();
                if !outstanding && !self.in_use.counts(*matched) {
                    return Err(Rejection::UnknownMatch { number: matched.number });
                }
                Ok(Fact::MatchDeclined {
                    matched: *matched,
                    reason: in_brief(reason),
                    blame: match (blameless, refused) {
                        (true, _) => Blame::Nothing,
                        (false, false) => Blame::Once,
                        (false, true) => Blame::Refused,
                    },
                })
            }
        }
    }

    /// An order to drain a machine, or to give it jobs again. Said twice it changes nothing.
    fn decide_drain(
        &self,
        machine: &MachineName,
        is_member: bool,
        drain: Option<&Drain>,
    ) -> Result<Vec<Fact>, Rejection> {
        let unknown = || Rejection::UnknownMachine { machine: machine.clone() };
        let known = self.known_machine(machine.as_str()).or(is_member.then(|| machine.clone()));
        let machine = known.ok_or_else(unknown)?;
        let same = |a: &Drain, b: &Drain| a.how == b.how && a.reason == b.reason;
        let is_news = match (self.drains.get(&machine), drain) {
            (Some(before), Some(now)) => !same(before, now),
            (before, now) => before.is_some() != now.is_some(),
        };
        let fact = || Fact::MachineDrained { machine: machine.clone(), drain: drain.cloned() };
        Ok(is_news.then(fact).into_iter().collect())
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
        let should_have_started = self.kept_until().is_some_and(|kept| kept <= now.boot_ms);
        if self.due || snapshot.anew || pause_over || refresh || should_have_started {
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
}
