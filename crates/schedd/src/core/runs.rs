//! From a class of idle jobs to a claim, a run, its end, and what follows from it.

pub(crate) mod ahead;
pub(crate) mod beside;
pub(crate) mod carrying;
pub(crate) mod claims;
pub(crate) mod expand;
pub(crate) mod gangs;
pub(crate) mod gates;
pub(crate) mod grow;
pub(crate) mod matching;
pub(crate) mod over;
pub(crate) mod over_limits;
pub(crate) mod retry;
pub(crate) mod skip;
