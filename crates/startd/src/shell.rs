//! The startd's surroundings: sockets, the journal, folders and files of runs, the machine itself. It decides nothing about
//! claims and runs: `core` does.
//!
//! - [`server`]: puts the parts together, runs them, and takes them apart.
//! - `engine`: the one task that owns core and journal; a batch at a time: decide, apply, append, perform.
//! - `journal`: the file that makes a restarted startd know its claims.
//! - `schedds`: connections from schedds and commands. `advertiser`: the one to the negotiator. `launcher_link`: the one to
//!   the launcher; `translate`: its words and the core's.
//! - `sandbox`: a run's folder and what its process is started with; `environment`: its variables.
//! - `nicknames`: short names for folders that lie deep.
//! - `porter`: runs whose files travel; `transfer`: which files; `copying`: that each arrives whole; `spool`: what an evicted job
//!   keeps; `plugins`: programs that fetch and store files by URL.
//! - `dataflow`: runs that need not be, because their outputs are newer than their inputs.
//! - `account`: what a run's owner is told of it.
//! - `tool`: the program that a job wants beside its own.
//! - `manifest`: what a job found and left, if it wants to know.
//! - `deferral`: runs that wait for the time at which their jobs are to start.
//! - `tail`: files of runs, shown to their owners.
//! - `settings`: what an administrator wants otherwise. `detect`, `devices`, `speed`, `measure`: what is found out about the machine, once and again. `disk`: what runs use of it.

mod account;
mod advertiser;
mod copying;
mod dataflow;
mod deferral;
pub(crate) mod detect;
mod devices;
mod disk;
mod engine;
mod environment;
mod journal;
mod launcher_link;
mod manifest;
mod measure;
mod nicknames;
mod plugins;
mod porter;
mod sandbox;
mod schedds;
pub mod server;
pub(crate) mod settings;
mod speed;
mod spool;
mod tail;
mod tool;
mod transfer;
mod translate;

pub use detect::submit_machine;
