//! How many of something each of many has at a time: connections of a user, processes of a run.
//! Whoever is at its limit is refused, and takes nothing from the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What is taken, by whose it is.
#[derive(Clone, Debug)]
pub struct Seats<K>(Arc<Mutex<BTreeMap<K, usize>>>);

/// One of them; given back when dropped.
#[derive(Debug)]
pub struct Seat<K: Ord> {
    all: Seats<K>,
    of: K,
}

impl<K> Default for Seats<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Ord> Seats<K> {
    /// One more, if it has fewer than `most`.
    pub fn take(&self, of: &K, most: usize) -> Option<Seat<K>> {
        self.take_among(of, most, usize::MAX)
    }

    /// The same, if also all together have fewer than `in_all`.
    pub fn take_among(&self, of: &K, most: usize, in_all: usize) -> Option<Seat<K>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(of).copied().unwrap_or(0);
        if count >= most || taken.values().sum::<usize>() >= in_all {
            return None;
        }
        taken.insert(of.clone(), count + 1);
        Some(Seat { all: self.clone(), of: of.clone() })
    }

    /// Whether nobody has any.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl<K: Ord> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut taken = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_as_many_as_it_may_and_nothing_is_kept_of_who_has_none() {
        let seats = Seats::default();
        let all: Vec<_> = (0..3).map(|_| seats.take(&"one", 3).unwrap()).collect();
        assert!(seats.take(&"one", 3).is_none());
        assert!(seats.take(&"other", 3).is_some(), "another has its own");
        assert!(seats.take_among(&"other", 3, 3).is_none(), "all have as many as there are");
        drop(all);
        assert!(seats.take_among(&"other", 3, 1).is_some());
        assert!(seats.is_empty());
        assert!(seats.take(&"one", 0).is_none());
        assert!(seats.is_empty());
    }
}
