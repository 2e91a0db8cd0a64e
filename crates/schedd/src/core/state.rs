//! What the schedd keeps: the queue as rows, classes, ranges and indexes. Decides nothing; imports
//! no other room.

pub(crate) mod classes;
pub(crate) mod core;
pub(crate) mod dependencies;
pub(crate) mod event_log;
pub(crate) mod eviction;
pub(crate) mod index;
pub(crate) mod ranges;
pub(crate) mod rows;
pub(crate) mod statistics;
pub(crate) mod tally;
pub(crate) mod waiting;
