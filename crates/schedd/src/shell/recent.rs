//! The latest events of the record, in memory: all who follow it read them here, so that an event
//! is decoded once and not once a follower. Who is further behind reads the store.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Seq;
use proto::client::{Happening, Recorded};
use tokio::sync::watch;

/// Events that are kept: seconds of the highest rate.
const KEPT: usize = 8192;

/// What users wrote in them, bytes: values that were set, and what jobs said.
const BYTES_KEPT: usize = 16 << 20;

/// Events that are given at once.
const PAGE: usize = 1000;

#[derive(Debug, Default)]
struct Events {
    all: VecDeque<Arc<Recorded>>,
    /// What users wrote in them.
    bytes: usize,
}

impl Events {
    /// What is kept has no gaps: the first go first.
    fn push(&mut self, event: Recorded) {
        self.bytes += bytes_of(&event.what);
        self.all.push_back(Arc::new(event));
        while self.all.len() > KEPT || self.bytes > BYTES_KEPT {
            let Some(first) = self.all.pop_front() else { return };
            self.bytes -= bytes_of(&first.what);
        }
    }
}

/// How much users wrote in an event that may hold a lot.
fn bytes_of(what: &Happening) -> usize {
    match what {
        Happening::JobEdited { changes, .. } => {
            changes.iter().map(|(name, value)| name.len() + value.len()).sum()
        }
        Happening::JobSaid { text, .. } => text.len(),
        Happening::Reservation { reserved, .. } => reserved.parts.chunks.len() * 64,
        Happening::ClusterSubmitted { .. }
        | Happening::FactoryEnded { .. }
        | Happening::Job { .. }
        | Happening::JobsWait { .. } => 0,
    }
}

/// The latest events.
#[derive(Debug)]
pub(crate) struct Recent {
    events: Mutex<Events>,
    grown: watch::Sender<u64>,
}

impl Recent {
    /// Nothing yet, of a record that ends there.
    pub(crate) fn new(last: u64) -> Self {
        Self { events: Mutex::default(), grown: watch::Sender::new(last) }
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was committed, and wakes those who follow.
    pub(crate) fn add(&self, recorded: Vec<Recorded>) {
        let Some(last) = recorded.last().map(|event| event.seq) else { return };
        let mut events = self.lock();
        recorded.into_iter().for_each(|event| events.push(event));
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
        if events.all.front().is_none_or(|first| first.seq > next) {
            return None;
        }
        let from = events.all.partition_point(|event| event.seq < next);
        Some(events.all.range(from..).take(PAGE).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use model::{ClusterId, JobId, Timestamp};

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
        assert!(recent.lock().all.len() <= KEPT);
    }

    #[test]
    fn what_users_wrote_is_kept_up_to_a_bound() {
        let said = |seq| {
            let what = Happening::JobSaid { job: JobId::new(1, 0), text: "x".repeat(1 << 20) };
            Recorded { seq: Seq(seq), at: Timestamp::default(), what }
        };
        let recent = Recent::new(0);
        recent.add((1..=40).map(said).collect());
        assert!(recent.since(Seq(24)).is_none());
        assert_eq!(recent.since(Seq(25)).unwrap().len(), 16);
    }
}
