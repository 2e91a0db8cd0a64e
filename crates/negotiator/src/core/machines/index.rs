//! Machines in the order in which room is given away: the least left first, so that large holes
//! stay for large jobs.
//!
//! The order is HTCondor's default for machines that are equal in rank (25.14:
//! `NEGOTIATOR_PRE_JOB_RANK`, fewest `Cpus`, then least `Memory`; `NEGOTIATOR_POST_JOB_RANK`, most
//! `KFlops`), with the row number to make it total.

use std::collections::{BTreeMap, BTreeSet};

/// Where a machine stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) cpus: u32,
    /// Free memory, MiB.
    pub(crate) memory_mib: u64,
    /// Higher is slower: `u64::MAX - KFlops`.
    pub(crate) slowness: u64,
    /// The machine's row.
    pub(crate) row: u32,
}

/// Machines with something left, in order. Processors are a level of their own, so that a search
/// skips every machine that has enough of them and too little memory without looking at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FreeIndex {
    by_cpus: BTreeMap<u32, BTreeSet<(u64, u64, u32)>>,
}

impl FreeIndex {
    /// Adds a machine. One without a free processor can take nothing and is left out.
    pub(crate) fn insert(&mut self, place: Place) {
        if place.cpus > 0 {
            let level = self.by_cpus.entry(place.cpus).or_default();
            level.insert((place.memory_mib, place.slowness, place.row));
        }
    }

    /// Removes a machine that was added at `place`.
    pub(crate) fn remove(&mut self, place: Place) {
        if let Some(level) = self.by_cpus.get_mut(&place.cpus) {
            level.remove(&(place.memory_mib, place.slowness, place.row));
            if level.is_empty() {
                self.by_cpus.remove(&place.cpus);
            }
        }
    }

    /// The first machine with at least so much, not before `from`, that `accept` takes.
    pub(crate) fn first(
        &self,
        cpus: u32,
        memory_mib: u64,
        from: Option<Place>,
        mut accept: impl FnMut(Place) -> bool,
    ) -> Option<Place> {
        let lowest = from.map_or(cpus, |place| place.cpus.max(cpus));
        for (level_cpus, level) in self.by_cpus.range(lowest..) {
            let start = match from {
                Some(place) if place.cpus == *level_cpus && place.memory_mib >= memory_mib => {
                    (place.memory_mib, place.slowness, place.row)
                }
                Some(_) | None => (memory_mib, 0, 0),
            };
            for (memory_mib, slowness, row) in level.range(start..) {
                let place = Place {
                    cpus: *level_cpus,
                    memory_mib: *memory_mib,
                    slowness: *slowness,
                    row: *row,
                };
                if accept(place) {
                    return Some(place);
                }
            }
        }
        None
    }
}

impl FreeIndex {
    /// Every machine with at least so much, in order.
    pub(crate) fn from(&self, cpus: u32, memory_mib: u64) -> impl Iterator<Item = Place> + '_ {
        let levels = self.by_cpus.range(cpus..);
        levels.flat_map(move |(cpus, level)| {
            let machines = level.range((memory_mib, 0, 0)..);
            machines.map(|(memory_mib, slowness, row)| Place {
                cpus: *cpus,
                memory_mib: *memory_mib,
                slowness: *slowness,
                row: *row,
            })
        })
    }

    /// The first machine with exactly so many processors and so much memory, not before `from`,
    /// that `accept` takes.
    pub(crate) fn first_at(
        &self,
        (cpus, memory_mib): (u32, u64),
        from: Option<Place>,
        mut accept: impl FnMut(Place) -> bool,
    ) -> Option<Place> {
        let start = from.map_or((memory_mib, 0, 0), |from| (memory_mib, from.slowness, from.row));
        let machines = self.by_cpus.get(&cpus)?.range(start..=(memory_mib, u64::MAX, u32::MAX));
        let mut places = machines.map(|(_, slowness, row)| Place {
            cpus,
            memory_mib,
            slowness: *slowness,
            row: *row,
        });
        places.find(|place| accept(*place))
    }

    /// One machine of each combination of processors and memory.
    pub(crate) fn one_of_each(&self, cpus: u32, memory_mib: u64) -> Vec<Place> {
        let mut found = Vec::new();
        for (cpus, level) in self.by_cpus.range(cpus..) {
            let mut next = memory_mib;
            while let Some((memory_mib, slowness, row)) = level.range((next, 0, 0)..).next() {
                let (cpus, memory_mib, slowness, row) = (*cpus, *memory_mib, *slowness, *row);
                found.push(Place { cpus, memory_mib, slowness, row });
                next = memory_mib + 1;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(cpus: u32, memory_mib: u64, row: u32) -> Place {
        Place { cpus, memory_mib, slowness: 0, row }
    }

    fn all(index: &FreeIndex, cpus: u32, memory_mib: u64, from: Option<Place>) -> Vec<u32> {
        let mut rows = Vec::new();
        index.first(cpus, memory_mib, from, |place| {
            rows.push(place.row);
            false
        });
        rows
    }

    #[test]
    fn the_smallest_machine_that_is_large_enough_comes_first() {
        let mut index = FreeIndex::default();
        for (row, (cpus, memory)) in (0..).zip([(4, 900), (2, 100), (2, 500), (0, 900), (1, 900)]) {
            index.insert(place(cpus, memory, row));
        }
        assert_eq!(all(&index, 1, 0, None), [4, 1, 2, 0]);
        assert_eq!(all(&index, 2, 200, None), [2, 0]);
        assert_eq!(all(&index, 1, 0, Some(place(2, 500, 2))), [2, 0]);
        assert_eq!(all(&index, 1, 600, Some(place(2, 100, 1))), [0]);
        assert_eq!(index.from(2, 200).map(|place| place.row).collect::<Vec<_>>(), [2, 0]);
        assert_eq!(index.first_at((2, 500), None, |_| true), Some(place(2, 500, 2)));
        assert_eq!(index.first_at((2, 500), Some(place(2, 500, 3)), |_| true), None);
        index.insert(place(2, 500, 9));
        let each = index.one_of_each(2, 0);
        assert_eq!(each.iter().map(|place| place.row).collect::<Vec<_>>(), [1, 2, 0]);
        index.remove(place(2, 500, 9));
        index.remove(place(2, 500, 2));
        assert_eq!(all(&index, 2, 200, None), [0]);
    }
}
