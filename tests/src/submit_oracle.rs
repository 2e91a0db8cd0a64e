//! Differential testing of submit descriptions against the real condor_submit.
//!
//! [`generate`] makes descriptions from a seed, out of [`words`]; [`answer`] is what a
//! `condor_submit -dry-run` made of one, without what differs from host to host; [`compare`] says
//! where two answers differ, and knows the differences that are meant; [`shrink`] takes away what a
//! difference does not need. The program `oracle-submit` asks both.

pub mod answer;
pub mod compare;
pub mod generate;
pub mod shrink;
mod words;
