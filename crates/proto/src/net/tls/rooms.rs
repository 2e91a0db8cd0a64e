//! How many are let in at a time that nobody knows yet, in all and from one address. Who they are,
//! and what they do meanwhile, is not known here.

use std::net::IpAddr;

use crate::seats::{Seat, Seats};

/// Room for so many.
#[derive(Debug)]
pub(super) struct Rooms {
    in_all: usize,
    from_one: usize,
    taken: Seats<IpAddr>,
}

/// What one takes of the room.
pub(crate) type Room = Seat<IpAddr>;

impl Rooms {
    pub(super) fn new(in_all: usize, from_one: usize) -> Self {
        Self { in_all, from_one, taken: Seats::default() }
    }

    /// Room for one more, until it is dropped; none if there are too many.
    pub(super) fn room(&self, from: IpAddr) -> Option<Room> {
        self.taken.take_among(&from, self.from_one, self.in_all)
    }
}
