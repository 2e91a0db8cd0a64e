//! Differential testing of the commands that show ads, against the real ones: `condor_q -jobads`,
//! `condor_history -file` and `condor_status -ads` read a file, and need no daemon; so does
//! `condor_wait`. What acts on jobs is asked of two pools that live.
//!
//! [`generate`] makes files of ads and command lines from a seed, out of [`words`], [`log`] event
//! logs, [`acting`] what is done to jobs; [`compare`] says where two answers differ, and knows the
//! differences that are meant. The program `oracle-commands` asks both.

pub mod acting;
pub mod compare;
pub mod generate;
pub mod log;
mod words;
