//! The negotiator: the ads of the pool's machines (what HTCondor calls the collector), and the
//! matching of jobs to them.
//!
//! - [`core`] decides: which job class gets which part of which machine, whose turn it is, and why
//!   the others wait.
//! - [`shell`] carries: sockets, the clock, the file of accounts.
//!
//! It knows classes of jobs and machines, never a single job's fate: whether a match became a run
//! is between the schedd and the startd. Nothing here is durable but the accounts; a restarted
//! negotiator is told everything again by those who connect.

pub mod core;
pub mod shell;

pub use shell::{Config, Error, Listening, run};
