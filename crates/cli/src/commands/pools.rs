//! Verbs that make, configure and end pools.

pub mod config_val;
pub mod daemon;
pub mod join;
pub mod nodes;
pub mod pool;
pub mod reconfig;
pub mod run;
