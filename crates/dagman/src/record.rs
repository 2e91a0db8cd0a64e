//! What a workflow leaves for people and programs to read, as HTCondor 25.14 writes it: texts, made
//! from the core and its events.
//!
//! - [`names`]: which files there are.
//! - [`condor_sub`]: the description of the DAG's own job.
//! - [`dagman_out`]: what happened, in the lines that pegasus-monitord and others match.
//! - [`rescue`]: what is done, for another run; [`metrics`]; [`node_status`]; [`jobstate`];
//!   [`dot`].
//! - [`story`]: what became of each node, read back from dagman.out.
//! - [`waiting`]: why nodes wait.
//!
//! Nothing here drives anything: the schedd's record and the journal do. Nothing here opens a file.

pub mod condor_sub;
pub mod dagman_out;
pub mod dot;
pub mod jobstate;
pub mod metrics;
pub mod names;
pub mod node_status;
pub mod rescue;
mod stamp;
pub mod story;
pub mod waiting;

pub use names::Names;
pub use stamp::Stamp;

#[cfg(test)]
mod tests;
