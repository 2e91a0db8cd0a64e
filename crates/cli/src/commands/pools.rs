//! Verbs that make, configure and end pools.

pub mod condor_qsub;
pub mod config_val;
pub mod daemon;
pub mod doctor;
pub mod drain;
pub mod duration;
pub mod join;
pub mod pool;
pub mod reconfig;
pub mod reschedule;
pub mod run;
pub mod run_command;
