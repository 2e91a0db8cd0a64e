//! A set of proc numbers that costs by its gaps and not by its size.

use std::collections::BTreeMap;

use model::ProcId;
use serde::{Deserialize, Serialize};

/// A set of proc numbers, stored as ranges: start, and the number behind the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u32, u32)>", into = "Vec<(u32, u32)>")]
pub struct Ranges(BTreeMap<u32, u32>);

impl Ranges {
    /// Procs 0 to `count - 1`.
    pub fn first(count: u32) -> Self {
        Self((count > 0).then_some((0, count)).into_iter().collect())
    }

    /// Whether `proc` is in it.
    pub fn contains(&self, proc: ProcId) -> bool {
        self.around(proc.0).is_some()
    }

    /// How many procs are in it.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(start, end)| u64::from(end - start)).sum()
    }

    /// Whether no proc is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn lowest(&self) -> Option<ProcId> {
        self.0.keys().next().copied().map(ProcId)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = ProcId> {
        self.iter_from(ProcId(0))
    }

    /// Its numbers from one on, in order.
    pub fn iter_from(&self, first: ProcId) -> impl Iterator<Item = ProcId> {
        let from = move |(start, end): (&u32, &u32)| (first.0.max(*start)..*end).map(ProcId);
        self.0.iter().filter(move |(_, end)| **end > first.0).flat_map(from)
    }

    /// The ranges: start, and the number behind the last.
    pub fn pieces(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().map(|(start, end)| (*start, *end))
    }

    /// Adds one; false if it is in already.
    pub fn insert(&mut self, proc: ProcId) -> bool {
        !self.contains(proc) && {
            self.insert_range(proc.0, proc.0 + 1);
            true
        }
    }

    /// Adds `start..end`, of which none may be in it yet.
    pub fn insert_range(&mut self, start: u32, end: u32) {
        if start >= end {
            return;
        }
        let before = self.0.range(..start).next_back().filter(|(_, e)| **e == start);
        let start = before.map_or(start, |(s, _)| *s);
        let end = self.0.remove(&end).unwrap_or(end);
        self.0.insert(start, end);
    }

    /// Takes one out; false if it is not in it.
    pub fn remove(&mut self, proc: ProcId) -> bool {
        let Some((start, end)) = self.around(proc.0) else { return false };
        self.0.remove(&start);
        if start < proc.0 {
            self.0.insert(start, proc.0);
        }
        if proc.0 + 1 < end {
            self.0.insert(proc.0 + 1, end);
        }
        true
    }

    /// Takes `start..end` out, all of which must be in one piece.
    pub fn remove_range(&mut self, start: u32, end: u32) {
        let Some((first, last)) = self.around(start).filter(|(_, last)| end <= *last) else {
            return;
        };
        self.0.remove(&first);
        if first < start {
            self.0.insert(first, start);
        }
        if end < last {
            self.0.insert(end, last);
        }
    }

    /// Takes out the lowest `count`, or all if there are not so many, and gives them as pieces.
    pub fn take_first(&mut self, count: u64) -> Vec<(u32, u32)> {
        let (mut taken, mut wanted) = (Vec::new(), count);
        while wanted > 0
            && let Some((start, end)) = self.0.pop_first()
        {
            let some = u32::try_from(wanted).unwrap_or(u32::MAX).min(end - start);
            taken.push((start, start + some));
            if start + some < end {
                self.0.insert(start + some, end);
            }
            wanted -= u64::from(some);
        }
        taken
    }

    fn around(&self, n: u32) -> Option<(u32, u32)> {
        let (start, end) = self.0.range(..=n).next_back()?;
        (n < *end).then_some((*start, *end))
    }
}

impl From<Vec<(u32, u32)>> for Ranges {
    fn from(pieces: Vec<(u32, u32)>) -> Self {
        Self(pieces.into_iter().collect())
    }
}

impl From<Ranges> for Vec<(u32, u32)> {
    fn from(ranges: Ranges) -> Self {
        ranges.0.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_lowest_are_taken_first_and_a_part_of_a_piece_can_go() {
        let mut ranges = Ranges::from(vec![(0, 3), (5, 9)]);
        assert_eq!(ranges.take_first(5), [(0, 3), (5, 7)]);
        assert_eq!(ranges, Ranges::from(vec![(7, 9)]));
        assert_eq!(ranges.take_first(u64::MAX), [(7, 9)]);
        let mut ranges = Ranges::first(9);
        ranges.remove_range(3, 5);
        assert_eq!(ranges, Ranges::from(vec![(0, 3), (5, 9)]));
    }

    #[test]
    fn ranges_are_the_set_that_they_stand_for() {
        let (mut ranges, mut set) = (Ranges::first(20), (0..20).collect::<BTreeSet<u32>>());
        let mut n: u32 = 7;
        for step in 0..500 {
            n = (n * 13 + step) % 23;
            if set.contains(&n) {
                assert!(ranges.remove(ProcId(n)) && set.remove(&n));
            } else {
                assert!(!ranges.remove(ProcId(n)) && ranges.insert(ProcId(n)) && set.insert(n));
            }
            assert_eq!(ranges.iter().map(|p| p.0).collect::<BTreeSet<_>>(), set);
            assert_eq!(ranges.len(), set.len() as u64);
            assert_eq!(ranges.lowest().map(|p| p.0), set.first().copied());
            assert!(ranges.pieces().zip(ranges.pieces().skip(1)).all(|(a, b)| a.1 < b.0), "merged");
        }
    }
}
