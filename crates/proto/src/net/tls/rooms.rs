//! How many are let in at a time that nobody knows yet, in all and from one address. Who they are,
//! and what they do meanwhile, is not known here.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Room for so many.
#[derive(Debug)]
pub(super) struct Rooms {
    in_all: usize,
    from_one: usize,
    taken: Mutex<BTreeMap<IpAddr, usize>>,
}

impl Rooms {
    pub(super) fn new(in_all: usize, from_one: usize) -> Arc<Self> {
        Arc::new(Self { in_all, from_one, taken: Mutex::default() })
    }

    /// Room for one more, until it is dropped; none if there are too many.
    pub(super) fn room(self: &Arc<Self>, from: IpAddr) -> Option<Room> {
        let mut taken = self.taken();
        let total: usize = taken.values().sum();
        let here = taken.get(&from).copied().unwrap_or_default();
        if here >= self.from_one || total >= self.in_all {
            return None;
        }
        taken.insert(from, here + 1);
        Some(Room { rooms: Arc::clone(self), from })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one takes of the room.
#[derive(Debug)]
pub(crate) struct Room {
    rooms: Arc<Rooms>,
    from: IpAddr,
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut taken = self.rooms.taken();
        if let Some(here) = taken.get_mut(&self.from) {
            *here -= 1;
            if *here == 0 {
                taken.remove(&self.from);
            }
        }
    }
}
