//! The schedd's surroundings: sockets, the file, the users' logs, the clock. It decides nothing
//! about jobs: `core` does.
//!
//! - [`server`]: puts the parts together and runs them.
//! - `engine`: the one task that owns core and store; a batch at a time: decide, apply, commit,
//!   perform.
//! - `clients`: users' commands, one task each; `places`: how many of them at a time; `recent`: the
//!   record's end, for all who follow it.
//! - `history`: reading finished jobs and the record beside the engine.
//! - `links`: connections to the negotiator and to startds.
//! - `machines`: the port for machines elsewhere, and the files of their runs; `turns`: how many of
//!   them at a time; `lending`: processes of users that read and write them.
//! - `userlog`, `logtext`: the users' event logs, and what stands in them.
//! - [`mail`], `mail_text`: the letters that jobs ask for, and what stands in them.
//! - `spool`: the folder of what evicted jobs keep and of the files of spooled jobs; `files`: these
//!   files on their way in and out.
//! - `store`, `rows`: the SQLite file, and what its rows mean; `mark`: what it must at least have;
//!   `retention`: what it keeps no longer, and `tender`, which looks when; `backup`: a copy of it,
//!   and back; `ballast`: room for a full disk; `ledger`: where runs of the
//!   queue in this place may be.

pub(crate) mod backup;
mod ballast;
mod clients;
mod engine;
mod files;
mod groups;
mod history;
mod ledger;
mod lending;
mod links;
mod logtext;
mod machines;
pub mod mail;
mod mail_text;
mod mark;
mod parts;
mod places;
mod recent;
pub mod retention;
mod rows;
pub mod server;
mod spool;
pub mod store;
mod tender;
mod turns;
pub(crate) mod userlog;
mod visits;
