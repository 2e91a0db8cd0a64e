//! Advance reservations in a pass: where one can be, which jobs may run there, and what others may
//! have of those machines beside it and before it
//! ([ADR 0045](../../../../../../docs/adr/0045-a-reservation-is-a-window-of-a-queue.md)).

use std::collections::BTreeMap;

use classad::Value;
use model::planted::{Bug, planted};
use model::queues::{QUEUE, ReservedPlace, Spread, Window};
use model::{Cause, LimitAmount, LimitUse, MachineName, Now, Resources, ScheddName, attr};
use proto::matchmaking::{Booking, Term};

use crate::core::matching::reserve::{self, Holder, PAST_WINDOW_MS, shorter};
use crate::core::matching::snapshot::Snapshot;
use crate::core::requests::bookings::{Answers, Key, steady_ms};
use crate::core::requests::demand::Class;

/// How the use of a limit is called by which claims say in which reservation they are. No user can
/// write a blank into the name of a limit.
const MARK: &str = "reservation ";

/// What a claim in a reservation says that it uses, as it says what it uses of limits: nothing.
pub(crate) fn mark(schedd: &ScheddName, queue: &str) -> LimitUse {
    LimitUse { name: format!("{MARK}{queue} of {schedd}"), amount: LimitAmount::default() }
}

/// In which reservation something is that says so.
pub(crate) fn mark_of(limits: &[LimitUse]) -> Option<&str> {
    limits.iter().map(|one| one.name.as_str()).find(|name| name.starts_with(MARK))
}

/// A reservation that holds, or is asked for: its queue's jobs run nowhere else.
#[derive(Clone, Debug)]
struct Held {
    key: Key,
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
    /// What will be left beside it.
    spare: Resources,
}

/// The reservations while a pass goes on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Booked {
    all: Vec<Held>,
    spots: BTreeMap<u32, Vec<Spot>>,
}

/// One that holds.
struct Live {
    key: Key,
    window: Window,
    places: Vec<ReservedPlace>,
}

impl Booked {
    /// Settles what is asked for, and says what holds.
    pub(crate) fn of(snapshot: &Snapshot<'_>) -> (Self, Answers) {
        let mut live: Vec<Live> = snapshot.bookings.settled().map(Live::of).collect();
        let mut answers = Answers::new();
        for (key, booking) in snapshot.bookings.asked() {
            let others: Vec<&Live> = live.iter().filter(|live| live.key != *key).collect();
            let found = Search { snapshot, others: &others, booking }.places();
            answers.push((key.0.clone(), key.1.clone(), found.clone()));
            if let Some(places) = found {
                live.retain(|live| live.key != *key);
                live.push(Live { key: key.clone(), window: booking.window, places });
            } else if live.iter().all(|live| live.key != *key) {
                // Its jobs run nowhere.
                let (key, window) = (key.clone(), booking.window);
                live.push(Live { key, window, places: Vec::new() });
            }
        }
        (Self::with(snapshot, &live), answers)
    }

    fn with(snapshot: &Snapshot<'_>, live: &[Live]) -> Self {
        let now = snapshot.now;
        let all: Vec<Held> = live
            .iter()
            .map(|Live { key, window, .. }| Held {
                key: key.clone(),
                window: *window,
                from_ms: steady_ms(window.start, now),
                until_ms: steady_ms(window.end, now),
            })
            .collect();
        let mut parts: BTreeMap<u32, BTreeMap<usize, Resources>> = BTreeMap::new();
        for (of, live) in live.iter().enumerate().filter(|(of, _)| all[*of].until_ms > 0) {
            for place in &live.places {
                let Some(row) = snapshot.pool.number(&place.machine) else { continue };
                let part = parts.entry(row).or_default().entry(of).or_default();
                *part = part.plus(&place.part);
            }
        }
        let mut booked = Self { all, spots: BTreeMap::new() };
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
        let marks: BTreeMap<usize, String> = parts
            .keys()
            .map(|of| (*of, mark(&self.all[*of].key.0, &self.all[*of].key.1).name))
            .collect();
        let is_inside = |holder: &&Holder| {
            holder.mark.as_ref().is_some_and(|mark| marks.values().any(|known| known == mark))
        };
        let spot = |(of, part): (&usize, &Resources)| {
            let held = &self.all[*of];
            let stays = |holder: &&Holder| holder.ends_ms.is_none_or(|ends| ends > held.from_ms);
            let others = holders.iter().filter(|holder| !is_inside(holder)).filter(stays);
            let beside = others.fold(Resources::default(), |all, holder| all.plus(&holder.part));
            let overlapping =
                parts.iter().filter(|(other, _)| self.all[**other].window.overlaps(held.window));
            let reserved = overlapping.fold(Resources::default(), |all, (_, part)| all.plus(part));
            let own = holders.iter().filter(|holder| holder.mark.as_ref() == marks.get(of));
            let used = own.fold(Resources::default(), |all, holder| all.plus(&holder.part));
            let spare = total.minus(&beside.plus(&reserved)).unwrap_or_default();
            Spot { of: *of, part: part.clone(), inside: less(part, &used), spare }
        };
        parts.iter().map(spot).collect()
    }

    /// In which reservation the jobs of a class run, if in any.
    pub(crate) fn of_class(&self, schedd: &ScheddName, class: &Class) -> Option<usize> {
        if self.all.is_empty() {
            return None;
        }
        let queue = class.request.ad.literal(QUEUE).and_then(Value::as_str)?;
        self.all.iter().position(|held| held.key.0 == *schedd && held.key.1 == queue)
    }

    /// What a claim in the reservation says.
    pub(crate) fn mark(&self, of: usize) -> LimitUse {
        mark(&self.all[of].key.0, &self.all[of].key.1)
    }

    /// Whether its own class may have this part of the machine now.
    pub(crate) fn has_room(
        &self,
        (of, class): (usize, &Class),
        row: u32,
        part: &Resources,
        now: Now,
    ) -> bool {
        let held = &self.all[of];
        let is_open = now.boot_ms >= held.from_ms && held.until_ms > now.boot_ms;
        let mut own = self.spots.get(&row).into_iter().flatten().filter(|spot| spot.of == of);
        is_open
            && class.term_within(held.until_ms, now).is_some()
            && own.any(|spot| covers(spot, part))
    }

    /// Whether a class of none of them takes nothing from any, if it has this part of the machine.
    pub(crate) fn leaves_room(&self, class: &Class, row: u32, part: &Resources, now: Now) -> bool {
        self.in_the_way(class, row, part, now).is_none()
    }

    fn in_the_way(&self, class: &Class, row: u32, part: &Resources, now: Now) -> Option<&Held> {
        if planted(Bug::ReservationIgnored) {
            return None;
        }
        let mut spots = self.spots.get(&row)?.iter();
        let spot = spots.find(|spot| {
            let from_ms = self.all[spot.of].from_ms;
            !spot.spare.covers(part) && class.term_until(from_ms, now).is_none()
        })?;
        Some(&self.all[spot.of])
    }

    /// A class takes a part: how long its claim lasts, if it may not take as long as it likes.
    pub(crate) fn give(
        &mut self,
        (own, class): (Option<usize>, &Class),
        row: u32,
        part: &Resources,
        now: Now,
    ) -> Option<Term> {
        let mut term = class.term();
        let Some(spots) = self.spots.get_mut(&row) else { return term };
        for spot in spots {
            let held = &self.all[spot.of];
            if own == Some(spot.of) {
                spot.inside = less(&spot.inside, part);
                return class.term_within(held.until_ms, now);
            }
            if own.is_some() {
                continue;
            }
            match class.term_until(held.from_ms, now) {
                Some(until) => term = Some(shorter(term, until)),
                None => spot.spare = spot.spare.minus(part).unwrap_or_default(),
            }
        }
        term
    }

    /// What is kept of a machine, as what holds parts of it: until its window is over, and what was
    /// begun in it, of which `inside` is there.
    pub(crate) fn holders<'s>(
        &'s self,
        row: u32,
        inside: &'s [Holder],
    ) -> impl Iterator<Item = Holder> + 's {
        self.spots.get(&row).into_iter().flatten().map(|spot| {
            let mark = Some(self.mark(spot.of).name);
            let own = inside.iter().filter(|one| one.mark == mark).map(|one| one.ends_ms);
            let until_ms = self.all[spot.of].until_ms.saturating_add(PAST_WINDOW_MS);
            let later = |all: Option<u64>, ends: Option<u64>| Some(all?.max(ends?));
            Holder { part: spot.part.clone(), ends_ms: own.fold(Some(until_ms), later), mark }
        })
    }

    /// Whether what has this mark is in what is kept of the machine.
    pub(crate) fn has(&self, row: u32, mark: Option<&String>) -> bool {
        let spots = self.spots.get(&row).into_iter().flatten();
        mark.is_some_and(|mark| spots.into_iter().any(|spot| self.mark(spot.of).name == *mark))
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
        let held = self.in_the_way(class, row, part, now)?;
        let walltime_s = class.walltime_s().map(|s| u32::try_from(s).unwrap_or(u32::MAX));
        let (machine, queue) = (machine.to_string(), held.key.1.clone());
        let Window { start: from, end: until } = held.window;
        Some(Cause::Booked { machine, queue, from, until, walltime_s })
    }
}

impl Live {
    fn of((key, booking): (&Key, &Booking)) -> Self {
        Self { key: key.clone(), window: booking.window, places: booking.places.clone() }
    }
}

/// Whether what is left of the reservation's part has this. What the reservation does not speak of
/// its jobs take of the machine, if it has some.
fn covers(spot: &Spot, part: &Resources) -> bool {
    let Spot { part: whole, inside, .. } = spot;
    let has_custom = |(name, wanted): (&String, &u64)| {
        *wanted <= inside.custom.get(name).copied().unwrap_or_default()
    };
    part.cpus <= inside.cpus
        && (whole.memory_mib == 0 || part.memory_mib <= inside.memory_mib)
        && part.custom.iter().all(has_custom)
}

/// What is left, and nothing of what is used up.
fn less(part: &Resources, used: &Resources) -> Resources {
    let custom = part.custom.iter().map(|(name, have)| {
        let used = used.custom.get(name).copied().unwrap_or_default();
        (name.clone(), have.saturating_sub(used))
    });
    Resources {
        cpus: part.cpus.saturating_sub(used.cpus),
        memory_mib: part.memory_mib.saturating_sub(used.memory_mib),
        disk_kib: part.disk_kib.saturating_sub(used.disk_kib),
        custom: custom.collect(),
    }
}

/// Looks for the places of one reservation.
struct Search<'s> {
    snapshot: &'s Snapshot<'s>,
    others: &'s [&'s Live],
    booking: &'s Booking,
}

impl Search<'_> {
    /// The places, all of them or none.
    fn places(&self) -> Option<Vec<ReservedPlace>> {
        if self.booking.window.end <= self.snapshot.now.wall {
            return None;
        }
        if !self.booking.places.is_empty() {
            return self.stays().then(|| self.booking.places.clone());
        }
        let found = match self.booking.parts.spread {
            Spread::Pack => self.rows().find_map(|(row, machine)| {
                let mut left = Some(self.left(row, machine)?);
                let mut places = Vec::new();
                for (part, wanted) in self.units() {
                    let taken = self.take(row, machine, &mut left, part, wanted)?;
                    places.push(ReservedPlace { machine: machine.clone(), part: taken });
                }
                Some(places)
            }),
            Spread::Free => self.spread(false),
            Spread::Scatter => self.spread(true),
        };
        found
            .map(|places| if self.booking.parts.is_exclusive { self.whole(places) } else { places })
    }

    /// All of the machines on which the places are.
    fn whole(&self, mut places: Vec<ReservedPlace>) -> Vec<ReservedPlace> {
        places.dedup_by(|a, b| a.machine == b.machine);
        for place in &mut places {
            if let Some(row) = self.snapshot.pool.number(&place.machine) {
                place.part = self.snapshot.pool.nature(row).total.clone();
            }
        }
        places
    }

    fn spread(&self, is_scattered: bool) -> Option<Vec<ReservedPlace>> {
        let mut units: Vec<(&Resources, Option<&str>)> = self.units().collect();
        let mut places = Vec::new();
        for (row, machine) in self.rows() {
            let mut left = self.left(row, machine);
            let mut more = true;
            units.retain(|(part, wanted)| {
                if !more {
                    return true;
                }
                let Some(part) = self.take(row, machine, &mut left, part, *wanted) else {
                    return true;
                };
                more = !is_scattered;
                places.push(ReservedPlace { machine: machine.clone(), part });
                false
            });
            if units.is_empty() {
                return Some(places);
            }
        }
        None
    }

    fn units(&self) -> impl Iterator<Item = (&Resources, Option<&str>)> {
        self.booking.parts.chunks.iter().flat_map(|chunk| {
            (0..chunk.count).map(move |_| (&chunk.part, chunk.machine.as_deref()))
        })
    }

    /// Machines that are given jobs.
    fn rows(&self) -> impl Iterator<Item = (u32, &MachineName)> {
        let rows = self.snapshot.pool.machines();
        rows.filter(|(_, row)| row.ad().get(attr::DRAINING).is_none())
            .map(|(row, known)| (row, &known.state.machine))
    }

    /// What nobody has of a machine while the window is open.
    fn left(&self, row: u32, machine: &MachineName) -> Option<Resources> {
        let now = self.snapshot.now;
        let from_ms = steady_ms(self.booking.window.start, now).max(now.boot_ms);
        let on_it = |live: &&&Live| live.window.overlaps(self.booking.window);
        let known: Vec<String> =
            self.others.iter().map(|live| mark(&live.key.0, &live.key.1).name).collect();
        let holders = reserve::holders(self.snapshot.pool, row, now);
        let own = mark_of_booking(self.others, &known, machine);
        let stays = holders.iter().filter(|holder| {
            let is_reserved = holder.mark.as_ref().is_some_and(|mark| own.contains(&mark));
            !is_reserved && holder.ends_ms.is_none_or(|ends| ends > from_ms)
        });
        let held = stays.fold(Resources::default(), |all, holder| all.plus(&holder.part));
        let places = self.others.iter().filter(on_it).flat_map(|live| &live.places);
        let booked = places.filter(|place| place.machine == *machine);
        let held = booked.fold(held, |all, place| all.plus(&place.part));
        let total = &self.snapshot.pool.nature(row).total;
        let left = total.minus(&held)?;
        (left == *total || !self.booking.parts.is_exclusive).then_some(left)
    }

    /// Takes one part, if it is there.
    fn take(
        &self,
        row: u32,
        machine: &MachineName,
        left: &mut Option<Resources>,
        part: &Resources,
        wanted: Option<&str>,
    ) -> Option<Resources> {
        let name = machine.as_str();
        let is_it = |wanted: &str| name == wanted || name.split('.').next() == Some(wanted);
        if !wanted.is_none_or(is_it) {
            return None;
        }
        let before = left.as_ref()?;
        let part = self.snapshot.pool.nature(row).grant(part, before)?;
        *left = before.minus(&part);
        Some(part)
    }

    /// Whether the places that it has are its in the window too.
    fn stays(&self) -> bool {
        let mut wanted: BTreeMap<&MachineName, Resources> = BTreeMap::new();
        for place in &self.booking.places {
            let all = wanted.entry(&place.machine).or_default();
            *all = all.plus(&place.part);
        }
        let own = mark_name(self.snapshot, self.booking);
        wanted.into_iter().all(|(machine, part)| {
            let Some(row) = self.snapshot.pool.number(machine) else { return false };
            let used = reserve::holders(self.snapshot.pool, row, self.snapshot.now);
            let used = used.iter().filter(|holder| holder.mark.is_some() && holder.mark == own);
            let used = used.fold(Resources::default(), |all, holder| all.plus(&holder.part));
            self.left(row, machine).is_some_and(|left| left.plus(&used).covers(&part))
        })
    }
}

/// How the claims of a reservation that is asked about again say that they are in it.
fn mark_name(snapshot: &Snapshot<'_>, booking: &Booking) -> Option<String> {
    let mut asked = snapshot.bookings.asked();
    let ((schedd, queue), _) = asked.find(|(_, asked)| std::ptr::eq(*asked, booking))?;
    Some(mark(schedd, queue).name)
}

/// The marks of those reservations that have something of the machine.
fn mark_of_booking<'m>(
    others: &[&Live],
    marks: &'m [String],
    machine: &MachineName,
) -> Vec<&'m String> {
    let pairs = others.iter().zip(marks);
    let there = pairs.filter(|(live, _)| live.places.iter().any(|p| p.machine == *machine));
    there.map(|(_, mark)| mark).collect()
}
