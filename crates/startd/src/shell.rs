//! The startd's surroundings: sockets, the journal, folders and files of runs, the machine itself.
//! It decides nothing about claims and runs: `core` does.
//!
//! - [`server`]: puts the parts together, runs them, and takes them apart.
//! - `engine`: the one task that owns core and journal; a batch at a time: decide, apply, append,
//!   perform.
//! - `journal`: the file that makes a restarted startd know its claims.
//! - `links`: the connections to schedds, negotiator and launcher.
//! - `machine`: what is found out about it, once and again, and what its administrator wants
//!   otherwise.
//! - `owners`: the files of runs in a pool of many users, and `helper`: the process of a user that
//!   touches them.
//! - `run`: folders and processes of runs. `files`: what travels to them and back.

mod engine;
mod files;
mod helper;
mod journal;
mod links;
pub(crate) mod machine;
mod owners;
mod run;
pub mod server;

pub use files::lender::lend;
pub use files::wire::serve_stdin;
pub use helper::{HelperConfig, HelperError, help};
pub use machine::detect::submit_machine;
pub use run::bounds::Bounds;
pub use run::environment::added_variables;
