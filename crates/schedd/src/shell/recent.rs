//! The latest events of the record, in memory: all who follow it read them here, so that an event
//! is decoded once and not once a follower. Who is further behind reads the store.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Seq;
use proto::client::Recorded;
use tokio::sync::watch;

/// Events that are kept: seconds of the highest rate, and a few megabytes.
const KEPT: usize = 8192;

/// Events that are given at once.
const PAGE: usize = 1000;

/// The latest events.
#[derive(Debug)]
pub(crate) struct Recent {
    events: Mutex<VecDeque<Arc<Recorded>>>,
    grown: watch::Sender<u64>,
}

impl Recent {
    /// Nothing yet, of a record that ends there.
    pub(crate) fn new(last: u64) -> Self {
        Self { events: Mutex::default(), grown: watch::Sender::new(last) }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Recorded>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was committed, and wakes those who follow.
    pub(crate) fn add(&self, recorded: Vec<Recorded>) {
        let Some(last) = recorded.last().map(|event| event.seq) else { return };
        let mut events = self.lock();
        let passed_over = recorded.len().saturating_sub(KEPT);
        if passed_over > 0 {
            // What is kept has no gaps.
            events.clear();
        }
        events.extend(recorded.into_iter().skip(passed_over).map(Arc::new));
        let too_many = events.len().saturating_sub(KEPT);
        events.drain(..too_many);
        drop(events);
        self.grown.send_replace(last.0);
    }

    /// The record's last position, as it grows.
    pub(crate) fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// Events from a position on, at most a page; none if they are not all here.
    pub(crate) fn since(&self, next: Seq) -> Option<Vec<Arc<Recorded>>> {
        let events = self.lock();
        if events.front().is_none_or(|first| first.seq > next) {
            return None;
        }
        let from = events.partition_point(|event| event.seq < next);
        Some(events.range(from..).take(PAGE).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use model::{ClusterId, Timestamp};
    use proto::client::Happening;

    use super::*;

    fn recorded(seqs: std::ops::RangeInclusive<u64>) -> Vec<Recorded> {
        let what = Happening::FactoryEnded { cluster: ClusterId(1), never: 0 };
        seqs.map(|seq| Recorded { seq: Seq(seq), at: Timestamp::default(), what: what.clone() })
            .collect()
    }

    #[test]
    fn who_follows_closely_is_served_from_memory_and_others_are_not() {
        let recent = Recent::new(4);
        let first =
            |next: u64| recent.since(Seq(next)).map(|page| page.first().map(|event| event.seq.0));
        assert_eq!(first(5), None);
        recent.add(recorded(5..=8));
        assert_eq!(
            (first(4), first(5), first(8), first(9)),
            (None, Some(Some(5)), Some(Some(8)), Some(None))
        );
        assert_eq!(*recent.grown().borrow(), 8);
        let kept = KEPT as u64;
        recent.add(recorded(9..=8 + kept));
        assert_eq!((first(8), first(9)), (None, Some(Some(9))));
        // More at once than is kept.
        recent.add(recorded(9 + kept..=8 + 3 * kept));
        assert_eq!((first(8 + 2 * kept), first(9 + 2 * kept)), (None, Some(Some(9 + 2 * kept))));
        assert!(recent.lock().len() <= KEPT);
    }
}
