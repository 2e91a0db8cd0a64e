//! What the negotiator plans against what it was told, seen from outside: when the moment comes
//! from which a place is kept, everything else on that machine leaves it, if claims are over when
//! they say; and what is said of a claim's end is no less than its jobs may take. Asks no core.

use std::collections::BTreeMap;

use classad::Value;
use model::queues::{QUEUE, Reserved, ReservedPlace, Stage, Window};
use model::{ClassId, LimitUse, MachineName, Now, Resources, ScheddName, attr};
use negotiator::core::{Input, MatchPlan};
use proto::matchmaking::{Booking, FromMachine, FromSchedd, MachineState, Match};

/// How long a match counts that no ad lists and nobody declines.
const EXPIRY_MS: u64 = 10_000;

/// What the negotiator was told in this life of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The last ad of each machine, and when it came.
    ads: BTreeMap<MachineName, (u64, MachineState)>,
    walltimes: BTreeMap<(ScheddName, ClassId), Option<u64>>,
    queues: BTreeMap<(ScheddName, ClassId), Option<String>>,
    /// Advance reservations that hold, by schedd and queue.
    bookings: BTreeMap<(ScheddName, String), Booking>,
    /// Those that are to be settled.
    asked: BTreeMap<(ScheddName, String), Booking>,
    /// Matches that no ad has listed yet, and when they were made.
    offers: BTreeMap<u64, (u64, Match)>,
}

impl Told {
    pub(crate) fn hear(&mut self, now: Now, input: &Input) {
        match input {
            Input::FromSchedd {
                schedd,
                message: FromSchedd::Requests { full, changed, bookings, .. },
            } => {
                if *full {
                    self.told_bookings(schedd, bookings);
                }
                for request in changed {
                    let queue = request.ad.literal(QUEUE).and_then(Value::as_str);
                    let queue = queue.map(str::to_owned);
                    self.queues.insert((schedd.clone(), request.class), queue);
                    let walltime = request.ad.literal(attr::PBS_WALLTIME).and_then(Value::as_i64);
                    let walltime = walltime.and_then(|walltime| u64::try_from(walltime).ok());
                    self.walltimes.insert((schedd.clone(), request.class), walltime);
                }
            }
            Input::FromSchedd { message: FromSchedd::Declined { matched, .. }, .. } => {
                self.offers.remove(&matched.number);
            }
            Input::FromMachine(FromMachine::Advertise(state)) => self.advertised(now, state),
            Input::FromMachine(FromMachine::Withdraw { machine })
            | Input::MachineDown { machine } => {
                self.ads.remove(machine);
            }
            Input::FromSchedd {
                message: FromSchedd::Call { .. } | FromSchedd::Drain { .. },
                ..
            }
            | Input::ScheddDown { .. }
            | Input::Drain { .. }
            | Input::EditAccounts { .. }
            | Input::Tick => {}
        }
    }

    fn advertised(&mut self, now: Now, state: &MachineState) {
        let known = self.ads.get(&state.machine);
        if known.is_some_and(|(_, known)| known.sequence >= state.sequence) {
            return;
        }
        for claim in &state.claims {
            self.offers.remove(&claim.matched.number);
        }
        self.ads.insert(state.machine.clone(), (now.boot_ms, state.clone()));
    }

    /// A pass was made.
    pub(crate) fn planned(&mut self, now: Now, plan: &MatchPlan) -> Result<(), String> {
        self.offers.retain(|_, (made_ms, _)| now.boot_ms < *made_ms + EXPIRY_MS);
        for planned in &plan.matches {
            let matched = &planned.matched;
            let class = (planned.schedd.clone(), matched.class);
            let walltime = self.walltimes.get(&class).copied().flatten();
            let least = |term: proto::matchmaking::Term| {
                walltime.is_some_and(|s| u64::from(term.ends_s) >= u64::from(term.starts_s) + s)
            };
            let is_inside = self.bookings_of(&class).is_some();
            let untold = walltime.is_some() || is_inside;
            let least = |term| (walltime.is_none() && is_inside) || least(term);
            if matched.term.map_or(untold, |term| !least(term)) {
                let term = matched.term;
                return Err(format!("a claim of {walltime:?} s is said to last {term:?}"));
            }
            self.offers.insert(matched.id.number, (now.boot_ms, matched.clone()));
        }
        self.settled(plan);
        for planned in &plan.matches {
            self.check_booked(now, &planned.schedd, &planned.matched)?;
        }
        let Some(kept) = &plan.reservation else { return Ok(()) };
        let Some((heard_ms, ad)) = self.ads.get(&kept.machine) else {
            return Err(format!("a place is kept on {}, which is not there", kept.machine));
        };
        let claims = ad.claims.iter().map(|claim| {
            let ends_ms = claim.ends_in_s.map(|seconds| heard_ms + u64::from(seconds) * 1000);
            (ends_ms, &claim.resources)
        });
        let offers = self.offers.values().filter(|(_, offer)| offer.machine == kept.machine);
        let offers = offers.map(|(made_ms, offer)| {
            let ends_ms = offer.term.map(|term| made_ms + u64::from(term.ends_s) * 1000);
            (ends_ms, &offer.resources)
        });
        let is_there = |(ends, _): &(Option<u64>, _)| ends.is_none_or(|ends| ends > kept.from_ms);
        let still_there: Vec<_> = claims.chain(offers).filter(is_there).collect();
        let taken = still_there.iter().fold(Resources::default(), |all, (_, part)| all.plus(part));
        let left = ad.total.minus(&taken);
        if left.as_ref().is_some_and(|left| left.covers(&kept.part)) {
            return Ok(());
        }
        Err(format!(
            "{:?} of {} is kept from {} ms, and what is not over by then leaves {left:?}: \
             {still_there:?}",
            kept.part, kept.machine, kept.from_ms
        ))
    }

    fn told_bookings(&mut self, schedd: &ScheddName, all: &[Booking]) {
        let is_other = |(of, _): &(ScheddName, String)| of != schedd;
        self.asked.retain(|key, _| is_other(key));
        self.bookings
            .retain(|key, _| is_other(key) || all.iter().any(|booking| booking.queue == key.1));
        for booking in all {
            let key = (schedd.clone(), booking.queue.clone());
            let into = if booking.is_settled { &mut self.bookings } else { &mut self.asked };
            into.insert(key, booking.clone());
        }
    }

    fn settled(&mut self, plan: &MatchPlan) {
        for (schedd, answer) in &plan.booked {
            let key = (schedd.clone(), answer.queue.clone());
            if let (Some(asked), Some(places)) = (self.asked.remove(&key), &answer.places) {
                self.bookings.insert(key, Booking { places: places.clone(), ..asked });
            }
        }
    }

    /// The reservation in which jobs of the class run.
    fn bookings_of(&self, class: &(ScheddName, ClassId)) -> Option<&Booking> {
        let queue = self.queues.get(class)?.clone()?;
        self.bookings.get(&(class.0.clone(), queue))
    }

    /// A match is in its reservation, if its class has one, and leaves others theirs.
    fn check_booked(&self, now: Now, schedd: &ScheddName, matched: &Match) -> Result<(), String> {
        let (machine, id) = (&matched.machine, matched.id.number);
        let own = self.bookings_of(&(schedd.clone(), matched.class));
        if let Some(own) = own {
            let is_open = own.window.start <= now.wall && now.wall < own.window.end;
            let is_there = own.places.iter().any(|place| place.machine == *machine);
            if !is_open || !is_there {
                return Err(format!("match {id} on {machine} is not in its reservation {own:?}"));
            }
        }
        let Some((heard_ms, ad)) = self.ads.get(machine) else { return Ok(()) };
        let in_ms = |moment: model::Timestamp| {
            let ms = moment.as_millis() - now.wall.as_millis();
            now.boot_ms.saturating_add_signed(ms)
        };
        let claims = ad.claims.iter().map(|claim| {
            let ends_ms = claim.ends_in_s.map(|seconds| heard_ms + u64::from(seconds) * 1000);
            (ends_ms, &claim.limits, &claim.resources)
        });
        let offers = self.offers.values().filter(|(_, offer)| offer.machine == *machine);
        let offers = offers.map(|(made_ms, offer)| {
            let ends_ms = offer.term.map(|term| made_ms + u64::from(term.ends_s) * 1000);
            (ends_ms, &offer.limits, &offer.resources)
        });
        let there: Vec<_> = claims.chain(offers).collect();
        let own_ends = matched.term.map(|term| now.boot_ms + u64::from(term.ends_s) * 1000);
        let open = || self.bookings.iter().filter(|(_, one)| one.window.end > now.wall);
        for (_, booking) in open() {
            let from_ms = in_ms(booking.window.start);
            let is_here = booking.places.iter().any(|place| place.machine == *machine);
            // What is in a reservation is over when one begins that comes behind it.
            let follows = own.is_some_and(|own| !own.window.overlaps(booking.window));
            if !is_here || follows || own_ends.is_some_and(|ends| ends <= from_ms) {
                continue;
            }
            let stays = there.iter().filter(|(ends, limits, _)| {
                let is_inside = limits.iter().any(|one| one.name.starts_with("reservation "));
                !is_inside && ends.is_none_or(|ends| ends > from_ms)
            });
            let taken = stays.fold(Resources::default(), |all, (_, _, part)| all.plus(part));
            let at = booking.window.start.max(now.wall);
            let then = open().filter(|(_, one)| one.window.start <= at && at < one.window.end);
            // Each has its part, and what its jobs have beyond that.
            let taken = then.fold(taken, |all, ((schedd, queue), one)| {
                let mark = format!("reservation {queue} of {schedd}");
                let mine = |limits: &[LimitUse]| limits.iter().any(|one| one.name == mark);
                let jobs = there.iter().filter(|(_, limits, _)| mine(limits));
                let jobs = jobs.fold(Resources::default(), |all, (_, _, part)| all.plus(part));
                let places = one.places.iter().filter(|place| place.machine == *machine);
                let part = places.fold(Resources::default(), |all, place| all.plus(&place.part));
                all.plus(&part.or_more(&jobs))
            });
            if ad.total.minus(&taken).is_none() {
                let queue = &booking.queue;
                return Err(format!(
                    "match {id} takes what is not there: {machine} has {:?}, and {taken:?} of it \
                     is taken or is reserved ({queue}) from {from_ms} ms",
                    ad.total
                ));
            }
        }
        Ok(())
    }
}

/// A reservation that its schedd has promised.
pub(crate) struct Promised {
    pub(crate) name: String,
    window: Window,
    places: Vec<ReservedPlace>,
}

impl Promised {
    /// One of these settings, under this name.
    pub(crate) fn of(name: String, one: &Reserved) -> Option<Self> {
        match &one.stage {
            Stage::Confirmed(places) | Stage::Running(places) => {
                Some(Self { name, window: one.window, places: places.clone() })
            }
            Stage::Unconfirmed | Stage::Altering { .. } | Stage::Over => None,
        }
    }
}

/// What is promised of a machine is there at each moment, whoever promised it.
pub(crate) fn are_there(
    all: &[Promised],
    name: &MachineName,
    total: &Resources,
) -> Result<(), String> {
    for first in all {
        let at = first.window.start;
        let then = all.iter().filter(|one| one.window.start <= at && at < one.window.end);
        let places = then.clone().flat_map(|one| &one.places);
        let places = places.filter(|place| place.machine == *name);
        let sum = places.fold(Resources::default(), |all, place| all.plus(&place.part));
        if !total.covers(&sum) {
            let names: Vec<&str> = then.map(|one| one.name.as_str()).collect();
            let names = names.join(", ");
            return Err(format!("{sum:?} are promised of {name} to {names} at once"));
        }
    }
    Ok(())
}
