//! Where an advance reservation can be: all of its parts or none, on machines where what runs is
//! over by then or leaves room, and no other reservation of the same time is in the way. What jobs
//! may have of those machines is `booked`'s matter.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::queues::{ReservedPlace, Spread, Window};
use model::{MachineName, Resources, attr};
use proto::matchmaking::Booking;

use crate::core::matching::marks::mark;
use crate::core::matching::reserve;
use crate::core::matching::snapshot::Snapshot;
use crate::core::requests::bookings::{Key, steady_ms};

/// A reservation that holds.
pub(crate) struct Live<'s> {
    pub(crate) key: &'s Key,
    pub(crate) window: Window,
    pub(crate) places: Cow<'s, [ReservedPlace]>,
    /// How its claims say that they are in it.
    pub(crate) mark: String,
}

impl<'s> Live<'s> {
    pub(crate) fn new(key: &'s Key, window: Window, places: Cow<'s, [ReservedPlace]>) -> Self {
        Self { key, window, places, mark: mark(&key.0, &key.1).name }
    }

    pub(crate) fn of((key, booking): (&'s Key, &'s Booking)) -> Self {
        Self::new(key, booking.window, Cow::Borrowed(&booking.places))
    }
}

/// The places of a reservation that is asked for, all of them or none, beside those that hold.
pub(crate) fn settle(
    snapshot: &Snapshot<'_>,
    live: &[Live<'_>],
    key: &Key,
    booking: &Booking,
) -> Option<Vec<ReservedPlace>> {
    if booking.window.end <= snapshot.now.wall {
        return None;
    }
    let mut others: BTreeMap<&MachineName, BTreeMap<usize, Resources>> = BTreeMap::new();
    for (of, other) in live.iter().enumerate().filter(|(_, other)| other.key != key) {
        for place in &*other.places {
            let part = others.entry(&place.machine).or_default().entry(of).or_default();
            *part = part.plus(&place.part);
        }
    }
    Search { snapshot, live, own: mark(&key.0, &key.1).name, others, booking }.places()
}

/// Looks for the places of one reservation.
struct Search<'s> {
    snapshot: &'s Snapshot<'s>,
    live: &'s [Live<'s>],
    /// How its own claims say that they are in it.
    own: String,
    /// What the others have of each machine.
    others: BTreeMap<&'s MachineName, BTreeMap<usize, Resources>>,
    booking: &'s Booking,
}

/// So many parts alike that have no place yet.
struct Unit<'s> {
    part: &'s Resources,
    wanted: Option<&'s str>,
    count: u32,
}

impl Search<'_> {
    fn places(&self) -> Option<Vec<ReservedPlace>> {
        if !self.booking.places.is_empty() {
            return self.stays().then(|| self.booking.places.clone());
        }
        let found = match self.booking.parts.spread {
            Spread::Pack => self.rows().find_map(|(row, machine)| {
                let mut left = self.left(row, machine)?;
                let mut places = Vec::new();
                for unit in self.units() {
                    for _ in 0..unit.count {
                        let part = self.take(row, machine, &mut left, &unit)?;
                        places.push(ReservedPlace { machine: machine.clone(), part });
                    }
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
        let mut units: Vec<Unit<'_>> = self.units().collect();
        let mut places = Vec::new();
        for (row, machine) in self.rows() {
            let Some(mut left) = self.left(row, machine) else { continue };
            'machine: for unit in &mut units {
                while unit.count > 0 {
                    let Some(part) = self.take(row, machine, &mut left, unit) else { break };
                    unit.count -= 1;
                    places.push(ReservedPlace { machine: machine.clone(), part });
                    if is_scattered {
                        break 'machine;
                    }
                }
            }
            units.retain(|unit| unit.count > 0);
            if units.is_empty() {
                return Some(places);
            }
        }
        None
    }

    fn units(&self) -> impl Iterator<Item = Unit<'_>> {
        self.booking.parts.chunks.iter().map(|chunk| Unit {
            part: &chunk.part,
            wanted: chunk.machine.as_deref(),
            count: chunk.count,
        })
    }

    /// Machines that are given jobs.
    fn rows(&self) -> impl Iterator<Item = (u32, &MachineName)> {
        let rows = self.snapshot.pool.machines();
        rows.filter(|(_, row)| row.ad().get(attr::DRAINING).is_none())
            .map(|(row, known)| (row, &known.state.machine))
    }

    /// What nobody else has of a machine while the window is open.
    fn left(&self, row: u32, machine: &MachineName) -> Option<Resources> {
        let now = self.snapshot.now;
        let from_ms = steady_ms(self.booking.window.start, now).max(now.boot_ms);
        let others = self.others.get(machine);
        let with_mark =
            |mark: &String| others?.keys().copied().find(|of| self.live[*of].mark == *mark);
        let mut used: BTreeMap<usize, Resources> = BTreeMap::new();
        let mut held = Resources::default();
        for holder in reserve::holders(self.snapshot.pool, row, now) {
            if holder.mark.as_ref() == Some(&self.own) {
                continue;
            }
            if let Some(of) = holder.mark.as_ref().and_then(with_mark) {
                let all = used.entry(of).or_default();
                *all = all.plus(&holder.part);
            } else if holder.ends_ms.is_none_or(|ends| ends > from_ms) {
                held = held.plus(&holder.part);
            }
        }
        for (of, part) in others.into_iter().flatten() {
            if self.live[*of].window.overlaps(self.booking.window) {
                // What its jobs have that it does not speak of is taken as well.
                let used = used.remove(of).unwrap_or_default();
                held = held.plus(&part.or_more(&used));
            }
        }
        let total = &self.snapshot.pool.nature(row).total;
        let left = total.minus(&held)?;
        (left == *total || !self.booking.parts.is_exclusive).then_some(left)
    }

    /// Takes one part, if it is there.
    fn take(
        &self,
        row: u32,
        machine: &MachineName,
        left: &mut Resources,
        unit: &Unit<'_>,
    ) -> Option<Resources> {
        let name = machine.as_str();
        let is_it = |wanted: &str| name == wanted || name.split('.').next() == Some(wanted);
        if !unit.wanted.is_none_or(is_it) {
            return None;
        }
        let part = self.snapshot.pool.nature(row).grant(unit.part, left)?;
        *left = left.minus(&part)?;
        Some(part)
    }

    /// Whether the places that it has are its in the window too. What its own jobs have of them is
    /// its.
    fn stays(&self) -> bool {
        let mut wanted: BTreeMap<&MachineName, Resources> = BTreeMap::new();
        for place in &self.booking.places {
            let all = wanted.entry(&place.machine).or_default();
            *all = all.plus(&place.part);
        }
        wanted.into_iter().all(|(machine, part)| {
            let row = self.snapshot.pool.number(machine);
            let left = row.and_then(|row| self.left(row, machine));
            left.is_some_and(|left| left.covers(&part))
        })
    }
}
