//! The machines: each one's ad and what is left of it, all of them by row, and in which order room
//! is given away.

pub(crate) mod draining;
pub(crate) mod index;
pub(crate) mod machine;
pub(crate) mod pool;
