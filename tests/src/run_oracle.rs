//! Differential testing of jobs that really run, against a real HTCondor.
//!
//! [`generate`] makes small jobs from a seed: a script, its files, a description. [`observe`] reads
//! what is there when they are over: files, the event log, the ads of the history or of held jobs.
//! [`compare`] says where two differ, and knows what is meant. The program `oracle-run` has both
//! run them.

pub mod compare;
pub mod generate;
pub mod observe;
