//! What the store keeps of the queue, and the words for it. Decides nothing; imports no other room.

pub(crate) mod acts;
pub(crate) mod bookings;
pub(crate) mod eviction;
pub(crate) mod ranges;
pub(crate) mod rows;
pub(crate) mod tally;
