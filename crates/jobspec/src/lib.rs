//! Submit files and PBS scripts become job descriptions, and configuration files become settings.
//!
//! [`htcondor::parse`] reads a description, [`htcondor::Description::expand`] turns it into the
//! [`model::ClusterSpec`]s that a schedd accepts; [`pbs::qsub`] does both for a script and its
//! command line. [`config::Configuration`] reads a pool's configuration, which is written in the
//! same language. Everything outside the text (files, commands, the environment, random numbers)
//! comes through the [`Site`] trait, so that the same text on the same site always gives the same.
//!
//! No tokio, no sockets, and no knowledge of how a schedd stores or runs a job.

pub mod config;
pub mod htcondor;
mod language;
pub mod pbs;
mod site;
mod source;

pub use model::diagnostic::Diagnostic;
pub use site::{FileKind, Found, Host, Site, SiteError};
pub use source::{Place, Source};
