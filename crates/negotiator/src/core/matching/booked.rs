//! Advance reservations in a pass: which jobs may run there, and what others may have of those
//! machines beside it and before it
//! ([ADR 0045](../../../../../../docs/adr/0045-a-reservation-is-a-window-of-a-queue.md)). Where one
//! can be that nobody has settled yet is `settling`'s matter.

use std::collections::BTreeMap;

use classad::Value;
use model::planted::{Bug, planted};
use model::queues::{QUEUE, Window};
use model::{Cause, LimitUse, MachineName, Now, Resources, ScheddName};
use proto::matchmaking::{BookingAnswer, Term};

use crate::core::matching::marks::mark;
use crate::core::matching::reserve::{self, Holder, PAST_WINDOW_MS, shorter};
use crate::core::matching::search::Taker;
use crate::core::matching::settling::{Live, settle};
use crate::core::matching::snapshot::Snapshot;
use crate::core::requests::bookings::{Answers, Key, steady_ms};
use crate::core::requests::demand::Class;

/// A reservation that holds, or is asked for: its queue's jobs run nowhere else.
#[derive(Clone, Debug)]
struct Held {
    key: Key,
    /// How its claims say that they are in it.
    mark: String,
    window: Window,
    from_ms: u64,
    until_ms: u64,
}

/// What a reservation has of a machine.
#[derive(Clone, Debug)]
struct Spot {
    /// Which of the reservations.
    of: usize,
    part: Resources,
    /// What of it is left for its own jobs.
    inside: Resources,
    /// What will be left beside it, and beside all others of the same time.
    spare: Resources,
}

/// The reservations while a pass goes on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Booked {
    all: Vec<Held>,
    /// Which of them is for a queue of a schedd.
    by_queue: BTreeMap<ScheddName, BTreeMap<String, usize>>,
    spots: BTreeMap<u32, Vec<Spot>>,
}

impl Booked {
    /// Settles what is asked for, and says what holds.
    pub(crate) fn of(snapshot: &Snapshot<'_>) -> (Self, Answers) {
        let mut live: Vec<Live<'_>> = snapshot.bookings.settled().map(Live::of).collect();
        let mut answers = Answers::new();
        for (key, booking) in snapshot.bookings.asked() {
            let found = match snapshot.bookings.said_before(key) {
                Some(said) => said,
                None => settle(snapshot, &live, key, booking),
            };
            answers.push((
                key.0.clone(),
                BookingAnswer {
                    queue: key.1.clone(),
                    question: booking.question,
                    places: found.clone(),
                },
            ));
            if let Some(places) = found {
                live.retain(|live| live.key != key);
                live.push(Live::new(key, booking.window, places.into()));
            } else if live.iter().all(|live| live.key != key) {
                // Its jobs run nowhere.
                live.push(Live::new(key, booking.window, Vec::new().into()));
            }
        }
        (Self::with(snapshot, &live), answers)
    }

    fn with(snapshot: &Snapshot<'_>, live: &[Live<'_>]) -> Self {
        let now = snapshot.now;
        let all: Vec<Held> = live
            .iter()
            .map(|Live { key, window, mark, .. }| Held {
                key: Key::clone(key),
                mark: mark.clone(),
                window: *window,
                from_ms: steady_ms(window.start, now),
                until_ms: steady_ms(window.end, now),
            })
            .collect();
        let mut parts: BTreeMap<u32, BTreeMap<usize, Resources>> = BTreeMap::new();
        for (of, live) in live.iter().enumerate().filter(|(of, _)| all[*of].until_ms > 0) {
            for place in &*live.places {
                let Some(row) = snapshot.pool.number(&place.machine) else { continue };
                let part = parts.entry(row).or_default().entry(of).or_default();
                *part = part.plus(&place.part);
            }
        }
        let mut by_queue: BTreeMap<ScheddName, BTreeMap<String, usize>> = BTreeMap::new();
        for (of, Held { key: (schedd, queue), .. }) in all.iter().enumerate() {
            by_queue.entry(schedd.clone()).or_default().insert(queue.clone(), of);
        }
        let mut booked = Self { all, by_queue, spots: BTreeMap::new() };
        for (row, parts) in parts {
            let spots = booked.spots_of(snapshot, row, &parts);
            booked.spots.insert(row, spots);
        }
        booked
    }

    fn spots_of(
        &self,
        snapshot: &Snapshot<'_>,
        row: u32,
        parts: &BTreeMap<usize, Resources>,
    ) -> Vec<Spot> {
        let holders = reserve::holders(snapshot.pool, row, snapshot.now);
        let total = &snapshot.pool.nature(row).total;
        let mark_of = |of: usize| &self.all[of].mark;
        let is_inside = |holder: &&Holder| {
            holder.mark.as_ref().is_some_and(|mark| parts.keys().any(|of| mark_of(*of) == mark))
        };
        let used = |of: usize| {
            let own = holders.iter().filter(|holder| holder.mark.as_ref() == Some(mark_of(of)));
            own.fold(Resources::default(), |all, holder| all.plus(&holder.part))
        };
        let used: BTreeMap<usize, Resources> = parts.keys().map(|of| (*of, used(*of))).collect();
        let spot = |(of, part): (&usize, &Resources)| {
            let held = &self.all[*of];
            let stays = |holder: &&Holder| holder.ends_ms.is_none_or(|ends| ends > held.from_ms);
            let others = holders.iter().filter(|holder| !is_inside(holder)).filter(stays);
            let beside = others.fold(Resources::default(), |all, holder| all.plus(&holder.part));
            let overlapping =
                parts.iter().filter(|(other, _)| self.all[**other].window.overlaps(held.window));
            // What its jobs have that it does not speak of is taken as well.
            let reserved = overlapping.fold(Resources::default(), |all, (other, part)| {
                all.plus(&part.or_more(&used[other]))
            });
            let spare = total.less(&beside.plus(&reserved));
            Spot { of: *of, part: part.clone(), inside: part.less(&used[of]), spare }
        };
        parts.iter().map(spot).collect()
    }

    /// In which reservation the jobs of a class run, if in any.
    pub(crate) fn of_class(&self, schedd: &ScheddName, class: &Class) -> Option<usize> {
        let of_schedd = self.by_queue.get(schedd)?;
        let queue = class.request.ad.literal(QUEUE).and_then(Value::as_str)?;
        of_schedd.get(queue).copied()
    }

    /// What a claim in the reservation says.
    pub(crate) fn mark(&self, of: usize) -> LimitUse {
        mark(&self.all[of].key.0, &self.all[of].key.1)
    }

    /// Whether a class may have this part of the machine now: one of a reservation what that has
    /// there, and any what takes nothing from the others.
    pub(crate) fn has_room(&self, taker: Taker<'_>, row: u32, part: &Resources, now: Now) -> bool {
        taker.own.is_none_or(|own| self.is_inside((own, taker.class), row, part, now))
            && self.in_the_way(taker, row, part, now).is_none()
    }

    fn is_inside(
        &self,
        (own, class): (usize, &Class),
        row: u32,
        part: &Resources,
        now: Now,
    ) -> bool {
        let held = &self.all[own];
        let is_open = now.boot_ms >= held.from_ms && held.until_ms > now.boot_ms;
        is_open
            && class.term_within(held.until_ms, now).is_some()
            && self.spot(row, own).is_some_and(|spot| covers(spot, part))
    }

    fn spot(&self, row: u32, of: usize) -> Option<&Spot> {
        self.spots.get(&row)?.iter().find(|spot| spot.of == of)
    }

    /// What a part of a machine has beyond what is left of a reservation there.
    pub(crate) fn beyond(&self, of: usize, row: u32, part: &Resources) -> Resources {
        self.spot(row, of).map_or_else(|| part.clone(), |spot| part.less(&spot.inside))
    }

    /// The reservation from which a class takes something with this part: one of `own` has its
    /// share of that, and what that does not speak of it takes of the machine like any other.
    fn in_the_way(
        &self,
        Taker { class, own }: Taker<'_>,
        row: u32,
        part: &Resources,
        now: Now,
    ) -> Option<&Held> {
        if planted(Bug::ReservationIgnored) || (own.is_some() && planted(Bug::ReservationSpills)) {
            return None;
        }
        let mut spots = self.spots.get(&row)?.iter();
        let taken = own.map_or_else(|| part.clone(), |own| self.beyond(own, row, part));
        let spot = spots.find(|spot| {
            self.meets(own, spot.of)
                && !spot.spare.covers(&taken)
                && class.term_until(self.all[spot.of].from_ms, now).is_none()
        })?;
        Some(&self.all[spot.of])
    }

    /// Whether a claim may be there in the window of a reservation: one in a reservation is over
    /// when a window begins that comes behind its own.
    fn meets(&self, own: Option<usize>, other: usize) -> bool {
        own.is_none_or(|own| own != other && self.all[own].window.overlaps(self.all[other].window))
    }

    /// A class takes a part: how long its claim lasts, if it may not take as long as it likes.
    pub(crate) fn give(
        &mut self,
        Taker { class, own }: Taker<'_>,
        row: u32,
        part: &Resources,
        now: Now,
    ) -> Option<Term> {
        let mut term = class.term();
        let Some(mut spots) = self.spots.remove(&row) else { return term };
        let mut taken = part.clone();
        if let Some(spot) = spots.iter_mut().find(|spot| own == Some(spot.of)) {
            taken = part.less(&spot.inside);
            spot.inside = spot.inside.less(part);
            spot.spare = spot.spare.less(&taken);
            term = class.term_within(self.all[spot.of].until_ms, now);
        }
        for spot in spots.iter_mut().filter(|spot| self.meets(own, spot.of)) {
            // One of a reservation gives up time of its own only where it must.
            let is_free = own.is_some() && spot.spare.covers(&taken);
            match class.term_until(self.all[spot.of].from_ms, now) {
                Some(until) if !is_free => term = Some(shorter(term, until)),
                Some(_) | None => spot.spare = spot.spare.less(&taken),
            }
        }
        self.spots.insert(row, spots);
        term
    }

    /// What is kept of a machine, as what holds parts of it: until its window is over, and what was
    /// begun in it, of which `inside` is there, with what of that it does not speak of.
    pub(crate) fn holders<'s>(
        &'s self,
        row: u32,
        inside: &'s [Holder],
    ) -> impl Iterator<Item = Holder> + 's {
        self.spots.get(&row).into_iter().flatten().map(|spot| {
            let mark = Some(self.all[spot.of].mark.clone());
            let own = || inside.iter().filter(|one| one.mark == mark);
            let used = own().fold(Resources::default(), |all, one| all.plus(&one.part));
            let until_ms = self.all[spot.of].until_ms.saturating_add(PAST_WINDOW_MS);
            let later = |all: Option<u64>, ends: Option<u64>| Some(all?.max(ends?));
            let ends_ms = own().map(|one| one.ends_ms).fold(Some(until_ms), later);
            Holder { part: spot.part.or_more(&used), ends_ms, mark }
        })
    }

    /// Whether what has this mark is in what is kept of the machine.
    pub(crate) fn has(&self, row: u32, mark: Option<&String>) -> bool {
        let spots = self.spots.get(&row).into_iter().flatten();
        mark.is_some_and(|mark| spots.into_iter().any(|spot| self.all[spot.of].mark == *mark))
    }

    /// Machines of which something is reserved.
    pub(crate) fn rows(&self) -> impl Iterator<Item = u32> {
        self.spots.keys().copied()
    }

    /// Why a class does not have this part of a machine.
    pub(crate) fn cause(
        &self,
        class: &Class,
        (row, machine): (u32, &MachineName),
        part: &Resources,
        now: Now,
    ) -> Option<Cause> {
        let held = self.in_the_way(Taker { class, own: None }, row, part, now)?;
        let walltime_s = class.walltime_s().map(|s| u32::try_from(s).unwrap_or(u32::MAX));
        let (machine, queue) = (machine.to_string(), held.key.1.clone());
        let Window { start: from, end: until } = held.window;
        Some(Cause::Booked { machine, queue, from, until, walltime_s })
    }
}

/// Whether what is left of the reservation's part has this. What the reservation does not speak of
/// its jobs take of the machine, if it has some.
fn covers(spot: &Spot, part: &Resources) -> bool {
    let Spot { part: whole, inside, .. } = spot;
    let has_custom = |(name, wanted): (&String, &u64)| {
        !whole.custom.contains_key(name)
            || *wanted <= inside.custom.get(name).copied().unwrap_or_default()
    };
    part.cpus <= inside.cpus
        && (whole.memory_mib == 0 || part.memory_mib <= inside.memory_mib)
        && part.custom.iter().all(has_custom)
}
