//! Files that cross between machines in a pool of many users. At either end a process of their
//! owner touches them, and has neither the machine's key nor a claim's secret: at the submitter's
//! it *lends* what the schedd says, at the machine's it *carries* for a run of which its startd
//! looks whose it is. The daemons between them pass on frames that they do not read. What those
//! say is [`crate::files`]' matter, and that of who reads and writes.

use serde::{Deserialize, Serialize};

/// What a lender says first on each of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LenderSays {
    /// It is there: what it is to lend is to be said here.
    Here,
    /// What was to be lent under this number is lent here.
    For(u64),
}

/// What a schedd says to a lender: it is to call again, once, with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lend {
    pub number: u64,
}

/// What a carrier says first: for which run, by its name on the machine. The answer is a schedd's
/// ([`crate::files::FilesAnswer`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarryFor {
    pub key: String,
}
