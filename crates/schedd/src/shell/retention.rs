//! What the queue's file keeps of what is over, and for how long: bounds by number, age and bytes,
//! and which slice is the next to go (docs/adr/0049). It decides; the store does it, and `tender`
//! looks when.

use std::time::Duration;

/// What history and record may take of the disk where nobody has said, bytes: more than a million
/// plain jobs.
const USUAL_BYTES: u64 = 4 << 30;

/// At most this part of the disk, where nobody has said.
const PART_OF_DISK: u64 = 10;

/// What was set in jobs and what they said has at most this part of all: one job that speaks in a
/// loop does not end the history of the others.
const PART_SAID: u64 = 4;

/// How long events stay, whatever becomes of their jobs: who follows the record may be behind.
const FOLLOWED: Duration = Duration::from_secs(3600);

/// Free room in the file that is left there for what comes, bytes, and as a part of the file.
const SPARE_BYTES: u64 = 16 << 20;
const PART_SPARE: u64 = 4;

/// How much of what is over is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// At most so many jobs.
    pub jobs: Option<u64>,
    /// Only what is younger.
    pub age: Option<Duration>,
    pub bytes: Bytes,
}

/// How much of the disk history and record may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bytes {
    /// Nobody has said: so much that the disk is never filled by it.
    #[default]
    Usual,
    AtMost(u64),
    /// Nothing is ever taken out for its size.
    Any,
}

/// How large the file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// What is in use of it.
    pub used_bytes: u64,
    /// What is free in it.
    pub free_bytes: u64,
    /// Whether that can be given back to the disk.
    pub gives_back: bool,
}

/// Parts of it, which take longer to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// What is of jobs in the queue.
    pub live_bytes: u64,
    /// What was set in jobs, and said.
    pub said_bytes: u64,
}

/// Up to where something goes, each without this position itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upto {
    /// Jobs that ended before this event.
    pub jobs: u64,
    /// Events before this one.
    pub events: u64,
}

/// A slice of work for who writes the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Takes out jobs and events.
    Forget(Upto),
    /// Takes out what was set in jobs, and said.
    ForgetSaid,
    /// Gives room that is free in the file back to the disk.
    GiveBack,
}

impl Retention {
    /// The bound in bytes on a disk of this size.
    pub fn most_bytes(&self, disk_bytes: u64) -> u64 {
        match self.bytes {
            Bytes::Usual => USUAL_BYTES.min(disk_bytes / PART_OF_DISK),
            Bytes::AtMost(bytes) => bytes,
            Bytes::Any => u64::MAX,
        }
    }

    /// Before which moment everything goes (milliseconds since 1970), if that is bounded.
    pub fn oldest_ms(&self, now_ms: i64) -> Option<i64> {
        let age = i64::try_from(self.age?.as_millis()).unwrap_or(i64::MAX);
        Some(now_ms.saturating_sub(age))
    }

    /// The moment after which events stay, though their jobs have gone.
    pub fn followed_ms(now_ms: i64) -> i64 {
        now_ms.saturating_sub(i64::try_from(FOLLOWED.as_millis()).unwrap_or(i64::MAX))
    }
}

/// What number and age say, in positions of the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// The event that ended the last job that is one too many.
    pub surplus: Option<u64>,
    /// Where what is young enough begins.
    pub young: Option<u64>,
    /// Where the time begins for which events stay in any case.
    pub followed: u64,
}

impl Positions {
    /// Up to where everything goes by number and age.
    pub fn upto(&self) -> Upto {
        let young = self.young.unwrap_or(0);
        let jobs = young.max(self.surplus.map_or(0, |last| last + 1));
        Upto { jobs, events: young.max(jobs.min(self.followed)) }
    }
}

/// The next slice for the sake of the bytes. `first_slice` is what stands behind the first events,
/// which is asked for if it is over.
pub fn by_bytes(
    most_bytes: u64,
    sizes: Sizes,
    measured: Measured,
    first_slice: Option<u64>,
) -> Option<Order> {
    if measured.said_bytes > most_bytes / PART_SAID {
        return Some(Order::ForgetSaid);
    }
    if is_over(most_bytes, sizes, measured) {
        return first_slice.map(|to| Order::Forget(Upto { jobs: to, events: to }));
    }
    let spare = SPARE_BYTES.max(sizes.used_bytes / PART_SPARE);
    (sizes.gives_back && sizes.free_bytes > spare).then_some(Order::GiveBack)
}

/// Whether it is worth counting the parts: without that nothing can be too much.
pub fn may_be_over(most_bytes: u64, sizes: Sizes) -> bool {
    sizes.used_bytes > most_bytes / PART_SAID
}

/// Whether what is over takes more than it may.
pub fn is_over(most_bytes: u64, sizes: Sizes, measured: Measured) -> bool {
    sizes.used_bytes.saturating_sub(measured.live_bytes) > most_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_usual_bound_is_a_part_of_the_disk() {
        let usual = Retention::default();
        assert_eq!(usual.most_bytes(20 << 30), 2 << 30);
        assert_eq!(usual.most_bytes(1 << 40), USUAL_BYTES);
        let said = Retention { bytes: Bytes::AtMost(5), ..usual };
        assert_eq!(said.most_bytes(1 << 40), 5);
    }

    #[test]
    fn number_and_age_say_where_what_stays_begins() {
        let at = |surplus, young, followed| Positions { surplus, young, followed }.upto();
        let upto = |jobs, events| Upto { jobs, events };
        // Nothing is bounded.
        assert_eq!(at(None, None, 900), upto(0, 0));
        // By number: events stay for who follows.
        assert_eq!(at(Some(100), None, 900), upto(101, 101));
        assert_eq!(at(Some(100), None, 50), upto(101, 50));
        // By age: whatever is old goes.
        assert_eq!(at(None, Some(300), 900), upto(300, 300));
        assert_eq!(at(Some(500), Some(300), 400), upto(501, 400));
        // An hour is more than is to be kept.
        assert_eq!(at(Some(100), Some(300), 20), upto(300, 300));
    }

    #[test]
    fn what_is_said_goes_first_and_jobs_in_the_queue_count_for_nothing() {
        let next = |used: u64, live: u64, said: u64| {
            let sizes = Sizes { used_bytes: used * MIB, free_bytes: 0, gives_back: true };
            let measured = Measured { live_bytes: live * MIB, said_bytes: said * MIB };
            by_bytes(100 * MIB, sizes, measured, Some(201))
        };
        assert_eq!(next(90, 0, 10), None);
        assert_eq!(next(90, 0, 26), Some(Order::ForgetSaid));
        let slice = Some(Order::Forget(Upto { jobs: 201, events: 201 }));
        assert_eq!(next(120, 0, 10), slice);
        assert_eq!(next(120, 30, 10), None);
    }

    #[test]
    fn free_room_is_given_back_where_it_is_much() {
        let next = |used: u64, free: u64, gives_back| {
            let sizes = Sizes { used_bytes: used * MIB, free_bytes: free * MIB, gives_back };
            by_bytes(u64::MAX, sizes, Measured::default(), None)
        };
        assert_eq!(next(1, 10, true), None);
        assert_eq!(next(1, 17, true), Some(Order::GiveBack));
        assert_eq!(next(400, 90, true), None);
        assert_eq!(next(1, 17, false), None);
    }
}
