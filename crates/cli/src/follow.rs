//! Following the schedd's record until enough is known: how the one who reads it says so.

use std::io;

use proto::command::AskError;

/// Why the record is not followed any further.
#[derive(Debug)]
pub enum Stop {
    /// What was waited for has happened.
    Enough,
    /// It cannot be followed, or nobody reads what is said of it.
    Failed(anyhow::Error),
}

impl From<AskError> for Stop {
    fn from(error: AskError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}
