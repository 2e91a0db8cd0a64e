//! What is kept: the core, and what its last pass came to.

pub(crate) mod core;
pub(crate) mod statistics;
