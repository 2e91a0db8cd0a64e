//! Who may have how much: fair shares, concurrency limits, and what an administrator sets.

pub(crate) mod accounts;
pub(crate) mod limits;
pub(crate) mod policy;
