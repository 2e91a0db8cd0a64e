//! Bugs planted on purpose, to show that the simulator catches them: around the cores (what a shell
//! could do wrong), and inside them (`model::planted`).

use std::fmt;
use std::str::FromStr;

use model::planted::Bug;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A closed connection is taken for the end of the runs behind it, so a second run is
    /// authorised while the first lives.
    TwoRuns,
    /// Of the clusters of one transaction the last is not written.
    LostSubmit,
    /// The end of a run that was killed is not noticed.
    SlotNeverFreed,
    /// Clients are answered before the transaction.
    AnswerBeforeCommit,
    /// A job's leaving the queue is recorded and not written, so that a restart finds it there and
    /// ends it again.
    FinalTwice,
    /// An accident that nothing mends yet: a guest is paused for longer than the margin of a lease,
    /// and goes on as if no time had passed.
    PausedGuest,
    /// One of a core's own.
    Inside(Bug),
}

impl Plant {
    /// Those around the cores.
    const AROUND: [Self; 6] = [
        Self::TwoRuns,
        Self::LostSubmit,
        Self::SlotNeverFreed,
        Self::AnswerBeforeCommit,
        Self::FinalTwice,
        Self::PausedGuest,
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::AROUND.into_iter().chain(Bug::ALL.map(Self::Inside))
    }

    /// Its name on the command line: `two-runs`.
    fn name(self) -> String {
        let words = match self {
            Self::Inside(bug) => format!("{bug:?}"),
            around => format!("{around:?}"),
        };
        let mut name = String::new();
        for (n, c) in words.char_indices() {
            if c.is_ascii_uppercase() && n > 0 {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
        }
        name
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::all().find(|plant| plant.name() == text).ok_or_else(|| {
            let names: Vec<String> = Self::all().map(Self::name).collect();
            format!("'{text}' is no planted bug; there are {}", names.join(", "))
        })
    }
}
