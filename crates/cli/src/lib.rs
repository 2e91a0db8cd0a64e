//! The user's commands, one file per verb; the multi-call binary.
//!
//! - [`verbs`]: the table of verbs, and the way from a command line to one of them. **A new verb is a line in that table** and a
//!   file in [`commands`].
//! - [`args`]: HTCondor's spelling of options, turned into clap's.
//! - [`commands`]: one file per verb: what is asked, of whom, and in which view it is shown.
//! - [`render`]: answers as text, from plain data.
//! - [`shape`]: the options by which q, history and status show whole ads or chosen values.
//! - [`ad_file`]: ads in files, in all forms.
//! - [`connect`]: the daemons of the pool, asked for ads. [`select`]: words that name jobs.
//! - [`daemon_ads`]: the ads of the pool's daemons.
//! - [`links`]: the links by which the binary answers to HTCondor's names. [`exit`]: all exit codes.
//! - [`log_wait`]: waiting on an event log. [`log_jobs`]: jobs as a log tells of them.
//! - [`watched`]: the jobs that watch_q shows.
//! - [`place`]: `-name` and `-pool`.
//! - [`usage`]: HTCondor's own usage texts.
//! - [`configuration`]: the pool's configuration files.
//! - [`pool`]: a personal pool.

pub mod act;
pub mod ad_file;
pub mod args;
pub mod commands;
pub mod configuration;
pub mod connect;
pub mod daemon_ads;
pub mod exit;
pub mod links;
pub mod log_jobs;
pub mod log_wait;
pub mod output;
pub mod place;
pub mod pool;
pub mod render;
pub mod select;
pub mod shape;
pub mod usage;
pub mod verbs;
pub mod watched;
