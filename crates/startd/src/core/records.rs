//! What is said of a run and kept in the journal with it: its name here, how it is ended, its
//! files.

pub(crate) mod files;
pub(crate) mod keys;
