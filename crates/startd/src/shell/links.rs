//! The connections: from schedds (`schedds`), commands (`commands`) and processes of runs' owners
//! (`carrying`, `parts`), to the negotiator and to
//! the launcher, whose words `translate` makes the core's. What is said over them is the core's
//! matter.

pub(crate) mod callers;
pub(crate) mod calling;
pub(crate) mod carrying;
pub(crate) mod commands;
pub(crate) mod launcher;
pub(crate) mod listening;
pub(crate) mod negotiator;
pub(crate) mod parts;
pub(crate) mod schedds;
pub(crate) mod translate;
