//! Claims and runs: what schedds ask, what carrier and launcher report, which generation of a queue
//! speaks.

pub(crate) mod carrier;
pub(crate) mod claims;
pub(crate) mod draining;
pub(crate) mod generations;
pub(crate) mod launcher;
pub(crate) mod turns;
