//! What is to happen, in the order of (moment, sequence): two things of one moment happen in the
//! order in which they were put down.

use std::collections::BTreeMap;

use super::clock::Micros;

#[derive(Debug)]
pub(crate) struct Agenda<T> {
    entries: BTreeMap<(Micros, u64), T>,
    sequence: u64,
}

impl<T> Agenda<T> {
    pub(crate) fn new() -> Self {
        Self { entries: BTreeMap::new(), sequence: 0 }
    }

    pub(crate) fn put(&mut self, at: Micros, entry: T) {
        self.sequence += 1;
        self.entries.insert((at, self.sequence), entry);
    }

    pub(crate) fn take(&mut self) -> Option<(Micros, T)> {
        self.entries.pop_first().map(|((at, _), entry)| (at, entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_by_moment_and_then_in_the_order_of_putting() {
        let mut agenda = Agenda::new();
        for (at, name) in [(5, "b"), (1, "a"), (5, "c"), (9, "d")] {
            agenda.put(at, name);
        }
        let order: Vec<_> = std::iter::from_fn(|| agenda.take()).collect();
        assert_eq!(order, [(1, "a"), (5, "b"), (5, "c"), (9, "d")]);
    }
}
