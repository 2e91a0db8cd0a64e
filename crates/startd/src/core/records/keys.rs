//! What a run is called on its machine, and how it is ended.

use std::fmt;

use model::ClaimId;
use proto::claiming::StopAim;
use serde::{Deserialize, Serialize};

/// The name under which the launcher keeps a run. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunKey {
    pub claim: ClaimId,
    /// The run's ordinal on it.
    pub ordinal: u32,
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.claim, self.ordinal)
    }
}

impl std::str::FromStr for RunKey {
    type Err = model::IdError;

    /// Reads what `Display` wrote.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('-');
        let key = (|| {
            let journal = u64::from_str_radix(parts.next()?, 16).ok()?;
            let number = parts.next()?.parse().ok()?;
            let ordinal = parts.next()?.parse().ok()?;
            Some(Self { claim: ClaimId { journal, number }, ordinal })
        })();
        key.filter(|_| parts.next().is_none())
            .ok_or_else(|| model::IdError::new(text, "a run key such as 00000000000000ff-3-1"))
    }
}

/// How a job wants to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// The first signal (`KillSig`), SIGTERM if the job does not say.
    pub signal: i32,
    /// From that signal to SIGKILL, seconds (`KillSigTimeout`).
    pub grace_s: u32,
    /// The first signal where the job is to be held (`HoldKillSig`), if it is another one.
    #[serde(default)]
    pub hold_signal: Option<i32>,
    /// The first signal where the job is to be removed (`RemoveKillSig`), if it is another one.
    #[serde(default)]
    pub remove_signal: Option<i32>,
}

impl Manner {
    /// The first signal of a stop for this.
    pub fn signal_for(self, aim: StopAim) -> i32 {
        let own = match aim {
            StopAim::Vacate => None,
            StopAim::Hold => self.hold_signal,
            StopAim::Remove => self.remove_signal,
        };
        own.unwrap_or(self.signal)
    }
}

/// An order to end a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Whether the job gets its signal and its grace.
    pub graceful: bool,
    /// Why: how the end is reported.
    pub code: model::VacateCode,
    /// For what: which signal it gets.
    #[serde(default)]
    pub aim: StopAim,
}
