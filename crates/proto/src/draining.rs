//! A machine that is to be given no new jobs: what an administrator says of that, which the
//! negotiator keeps and tells machine and schedds. Who may say it is not known here.

use std::collections::BTreeMap;
use std::fmt;

use model::{MachineName, Timestamp};
use serde::{Deserialize, Serialize};

/// What becomes of the jobs that run on a machine that is drained. What comes later is harder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DrainHow {
    /// They run to their end.
    Finish,
    /// They are told to end, have their grace, and go back into the queue.
    Requeue,
    /// They are killed and go back into the queue.
    Kill,
}

impl fmt::Display for DrainHow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finish => "its jobs run to their end",
            Self::Requeue => "its jobs go back into the queue",
            Self::Kill => "its jobs are killed and go back into the queue",
        })
    }
}

/// An order to drain a machine. It stands until it is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    pub how: DrainHow,
    /// Why, for who looks.
    pub reason: String,
    pub since: Timestamp,
}

/// The same, as a client says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainOrder {
    pub how: DrainHow,
    pub reason: String,
}

/// All machines that are drained.
pub type Drains = BTreeMap<MachineName, Drain>;
