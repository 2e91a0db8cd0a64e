//! Verbs that need no pool.

pub mod classad;
pub mod eval;
pub mod help;
pub mod links;
pub mod version;
