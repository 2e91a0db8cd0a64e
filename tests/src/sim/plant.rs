//! Bugs planted on purpose, around the cores and never in them: each is a mistake that a scheduler could well have, and the tests
//! show that the simulator catches it.

use std::fmt;
use std::str::FromStr;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A closed connection is taken for the end of the runs behind it, so a second run is authorised while the first lives.
    TwoRuns,
    /// Of the clusters of one transaction the last is not written.
    LostSubmit,
    /// The end of a run that was killed is not noticed.
    SlotNeverFreed,
    /// Clients are answered before the transaction.
    AnswerBeforeCommit,
    /// A startd counts leases from when an echo came, not from when its beat was sent.
    LeaseFromReceipt,
    /// A job's leaving the queue is recorded and not written, so that a restart finds it there and ends it again.
    FinalTwice,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::TwoRuns,
        Self::LostSubmit,
        Self::SlotNeverFreed,
        Self::AnswerBeforeCommit,
        Self::LeaseFromReceipt,
        Self::FinalTwice,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TwoRuns => "two-runs",
            Self::LostSubmit => "lost-submit",
            Self::SlotNeverFreed => "slot-never-freed",
            Self::AnswerBeforeCommit => "answer-before-commit",
            Self::LeaseFromReceipt => "lease-from-receipt",
            Self::FinalTwice => "final-twice",
        }
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|plant| plant.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|plant| plant.name()).collect();
            format!("'{text}' is no planted bug; there are {}", names.join(", "))
        })
    }
}
