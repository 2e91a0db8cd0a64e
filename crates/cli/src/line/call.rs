//! How a command was called: by which name, and so in which dialect it answers. It knows no verb.

use crate::render::dialect::Dialect;

/// How a verb was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The name that the user typed: `updraft q`, `condor_q` or `qstat`.
    pub name: String,
    /// In which dialect to answer.
    pub dialect: Dialect,
}
