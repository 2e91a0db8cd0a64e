//! What the passing of time brings: the tick, starts at a time, crontabs, pacing, and which jobs
//! are asked when.

pub(crate) mod deferral;
pub(crate) mod limits;
pub(crate) mod pacing;
pub(crate) mod tick;
pub(crate) mod watch;
