//! Ground words: sets of machines, numbers that sort, resources by name, and what an expression
//! depends on.

pub(crate) mod bits;
pub(crate) mod dependence;
pub(crate) mod ordered;
pub(crate) mod wanted;
