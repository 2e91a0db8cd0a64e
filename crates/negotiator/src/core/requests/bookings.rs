//! Advance reservations, as the schedds want them: those that hold, those that nobody has settled
//! yet, and when a window opens or closes. Where they are is decided by a pass.

use std::collections::BTreeMap;
use std::time::Duration;

use model::queues::{ReservedPlace, Window};
use model::{Now, ScheddName, Timestamp};
use proto::matchmaking::{Booking, BookingAnswer};
use serde::{Deserialize, Serialize};

/// How long the reservation of a schedd that is away is remembered when its window is over: until
/// then its queue's jobs run nowhere else.
const FORGET: Duration = Duration::from_secs(24 * 3600);

/// Whose, and for which queue.
pub(crate) type Key = (ScheddName, String);

/// What came of those that were asked for: where they are, if they can be.
pub type Answers = Vec<(ScheddName, BookingAnswer)>;

/// A reservation that holds, as it is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedBooking {
    pub schedd: ScheddName,
    pub booking: Booking,
}

/// The reservations of all schedds, also of those that are away.
#[derive(Clone, Debug, Default)]
pub struct Bookings {
    settled: BTreeMap<Key, Booking>,
    asked: BTreeMap<Key, Booking>,
    /// Questions that were answered with no, and may be asked again before that is heard.
    denied: BTreeMap<Key, (u32, Window)>,
    /// Whether a pass has to look at every machine, because something was said.
    is_news: bool,
    /// When a window opens or closes next, in milliseconds of the steady clock.
    edge_ms: Option<u64>,
}

impl Bookings {
    /// What an earlier life has saved.
    pub fn recover(saved: Vec<SavedBooking>) -> Self {
        let settled = saved.into_iter().map(|SavedBooking { schedd, booking }| {
            let queue = booking.queue.clone();
            ((schedd, queue), booking)
        });
        let settled: BTreeMap<Key, Booking> = settled.collect();
        let is_news = !settled.is_empty();
        Self { settled, is_news, ..Self::default() }
    }

    /// Those that hold, to be saved.
    pub fn to_save(&self) -> Vec<SavedBooking> {
        let all = self.settled.iter();
        all.map(|((schedd, _), booking)| SavedBooking {
            schedd: schedd.clone(),
            booking: booking.clone(),
        })
        .collect()
    }

    /// A schedd lists all of its reservations. Whether those that hold are others now.
    pub(crate) fn told(&mut self, schedd: &ScheddName, all: &[Booking]) -> bool {
        let mut before = BTreeMap::new();
        for key in self.settled.keys().filter(|(of, _)| of == schedd).cloned().collect::<Vec<_>>() {
            before.extend(self.settled.remove(&key).map(|booking| (key, booking)));
        }
        self.asked.retain(|(of, _), _| of != schedd);
        self.denied.retain(|(of, queue), question| {
            let mut same = all.iter().filter(|one| one.queue == *queue && !one.is_settled);
            of != schedd || same.any(|one| question_of(one) == *question)
        });
        let mut now = BTreeMap::new();
        for booking in all {
            let key = (schedd.clone(), booking.queue.clone());
            if booking.is_settled {
                now.insert(key, booking.clone());
                continue;
            }
            // What holds does so until another is settled.
            now.extend(before.get(&key).map(|held| (key.clone(), held.clone())));
            self.asked.insert(key, booking.clone());
        }
        let changes = before != now;
        self.settled.append(&mut now);
        self.is_news |= changes || !self.asked.is_empty();
        changes
    }

    /// A pass has settled these.
    pub(crate) fn answered(&mut self, answers: &Answers) {
        for (schedd, BookingAnswer { queue, places, .. }) in answers {
            let key = (schedd.clone(), queue.clone());
            let Some(booking) = self.asked.remove(&key) else { continue };
            if let Some(places) = places {
                let places = places.clone();
                self.settled.insert(key, Booking { places, is_settled: true, ..booking });
            } else {
                self.denied.insert(key, question_of(&booking));
            }
        }
    }

    /// What was answered to this question before. It is asked again by who has not heard the answer
    /// yet, or never will, and acts by the first that comes: so there is one.
    pub(crate) fn said_before(&self, key: &Key) -> Option<Option<Vec<ReservedPlace>>> {
        let question = question_of(self.asked.get(key)?);
        let held = self.settled.get(key).filter(|held| question_of(held) == question);
        if let Some(held) = held {
            return Some(Some(held.places.clone()));
        }
        (self.denied.get(key) == Some(&question)).then_some(None)
    }

    /// A pass was made.
    pub(crate) fn looked_at(&mut self, now: Now) {
        self.is_news = false;
        self.settled.retain(|_, booking| {
            let forget_s = i64::try_from(FORGET.as_secs()).unwrap_or(0);
            booking.window.end.as_secs().saturating_add(forget_s) > now.wall.as_secs()
        });
        let edges = self.settled.values().flat_map(|booking| {
            let window = booking.window;
            [window.start, window.end]
        });
        let ahead = edges.filter(|edge| *edge > now.wall);
        self.edge_ms = ahead.min().map(|edge| steady_ms(edge, now));
    }

    /// Whether every machine is to be looked at again.
    pub(crate) fn is_due(&self, now: Now) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now.boot_ms)
    }

    /// When that is, in milliseconds of the steady clock.
    pub(crate) fn deadline(&self) -> Option<u64> {
        if self.is_news { Some(0) } else { self.edge_ms }
    }

    pub(crate) fn settled(&self) -> impl Iterator<Item = (&Key, &Booking)> {
        self.settled.iter()
    }

    pub(crate) fn asked(&self) -> impl Iterator<Item = (&Key, &Booking)> {
        self.asked.iter()
    }
}

fn question_of(booking: &Booking) -> (u32, Window) {
    (booking.question, booking.window)
}

/// A moment of the wall clock on the steady one; 0 if it has passed. Not too early.
pub(crate) fn steady_ms(moment: Timestamp, now: Now) -> u64 {
    let in_ms = moment.as_millis().saturating_sub(now.wall.as_millis());
    match u64::try_from(in_ms) {
        Ok(in_ms) if in_ms > 0 => now.boot_ms.saturating_add(in_ms),
        Ok(_) | Err(_) => 0,
    }
}
