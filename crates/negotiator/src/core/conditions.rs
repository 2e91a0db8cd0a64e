//! What jobs and machines demand of each other, each condition evaluated once for all that share
//! it.

pub(crate) mod clauses;
pub(crate) mod shapes;
