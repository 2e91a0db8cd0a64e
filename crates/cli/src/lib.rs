//! The user's commands, one file per verb; the multi-call binary.
//!
//! Words below, rooms above; a room uses those above it in this list, never one below.
//!
//! - [`render`]: answers as text, from plain data.
//! - [`mod@line`]: the command line and the two outputs.
//! - [`pool`]: a personal pool: its processes, its configuration.
//! - [`commands`]: the verbs, one file each, in rooms by what they are about.
//! - [`verbs`]: the table of verbs, and the way from a command line to one of them. **A new verb is
//!   a line in that table** and a file in a room of [`commands`].
//!
//! What commands ask of daemons is in the crate `client`, which knows nothing of any of this.

// It ends the thread if nobody can be told (a full disk): `line::output::complain` does not.
#![deny(clippy::print_stderr)]

pub mod commands;
pub mod line;
pub mod pool;
pub mod render;
pub mod verbs;
