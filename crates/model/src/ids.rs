//! Identities. Each is its own type, so that a cluster number cannot stand where a proc number is
//! meant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The one after this.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The number of one submission (`ClusterId`), unique in its schedd for ever, from 1.
    ClusterId(u32)
}
number! {
    /// The number of a job within its cluster (`ProcId`), from 0.
    ProcId(u32)
}
number! {
    /// Counts the attempts to run one job, from 1. It only grows: a requeued job's next run has the
    /// next number.
    Attempt(u32)
}
number! {
    /// The position of an event in the schedd's record. Strictly increasing, never used twice.
    Seq(u64)
}

impl Seq {
    /// So many events fit into a generation of a queue: at a million a second, twelve days.
    const PER_GENERATION: u64 = 1 << 40;

    /// Above all events of the queues that had the place before this generation (from 1): a queue
    /// that was put back from a copy does not know how far the lost one had come, and gives none of
    /// its numbers again. Who stands further on than the copy misses nothing.
    pub fn before_generation(generation: u64) -> Self {
        let before = generation.saturating_sub(1).saturating_mul(Self::PER_GENERATION);
        // a database's integers have a sign
        Self(before.min(i64::MAX.unsigned_abs() / 2))
    }
}
number! {
    /// An equivalence class of jobs: jobs that no machine can tell apart when it is matched. Local
    /// to one life of a schedd.
    ClassId(u32)
}

/// A heartbeat that a startd sent to a schedd: when it was sent, by the startd's own clock. See
/// `proto::claiming` for the lease that rests on it. Later beats of one machine are greater, over
/// reboots too.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Beat {
    /// The life of the startd's journal, which rises with each boot: a clock that starts again at
    /// zero is told apart.
    pub life: u64,
    /// When it was sent, milliseconds of the startd's `CLOCK_BOOTTIME`.
    pub sent_ms: u64,
}

/// One job: `cluster.proc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId {
    /// The submission it came with.
    pub cluster: ClusterId,
    /// Its number therein.
    pub proc: ProcId,
}

impl JobId {
    /// Job `cluster.proc`.
    pub const fn new(cluster: u32, proc: u32) -> Self {
        Self { cluster: ClusterId(cluster), proc: ProcId(proc) }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.cluster, self.proc)
    }
}

impl FromStr for JobId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parsed = text
            .split_once('.')
            .and_then(|(c, p)| Some(Self::new(c.parse().ok()?, p.parse().ok()?)));
        parsed.ok_or_else(|| IdError::new(text, "a job id such as 12.0"))
    }
}

/// One attempt to run one job. Every message about a run carries it; one about another attempt is
/// dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId {
    pub job: JobId,
    pub attempt: Attempt,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.job, self.attempt)
    }
}

impl FromStr for RunId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parsed = text.split_once('#').and_then(|(job, attempt)| {
            Some(Self { job: job.parse().ok()?, attempt: Attempt(attempt.parse().ok()?) })
        });
        parsed.ok_or_else(|| IdError::new(text, "a run id such as 12.0#1"))
    }
}

/// A text that is not the id that was wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read '{text}' as an id: expected {wanted}")]
pub struct IdError {
    text: String,
    wanted: &'static str,
}

impl IdError {
    /// `text` is not `wanted`, for example "a job id such as 12.0".
    pub fn new(text: &str, wanted: &'static str) -> Self {
        Self { text: text.to_owned(), wanted }
    }
}

/// The public name of a claim: which life of the startd's journal granted it, and its number
/// therein.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClaimId {
    /// Drawn at random when the startd's journal was created, so that numbers of a lost journal are
    /// not met again.
    pub journal: u64,
    /// Counts the claims of that journal, from 1.
    pub number: u64,
}

impl fmt::Display for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.journal, self.number)
    }
}

/// A match made by one life of a negotiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatchId {
    /// Drawn at random when the negotiator started.
    pub life: u64,
    /// Counts its matches, from 1.
    pub number: u64,
}

/// The right to start runs on a claim: 128 random bits. It travels between daemons and rests in the
/// schedd's store and the startd's journal; it has no `Display`, its `Debug` is blank, and it
/// cannot become a ClassAd value.
#[derive(Clone, Copy, Eq, Serialize, Deserialize)]
pub struct ClaimSecret([u8; 16]);

impl ClaimSecret {
    /// From 16 random bytes, drawn by the shell.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Whether the two are the same, in time that does not depend on where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0u8, |acc, (a, b)| acc | (a ^ b)) == 0
    }
}

/// Of records that hold one; whoever is let in by it is asked by [`ClaimSecret::matches`].
impl PartialEq for ClaimSecret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other)
    }
}

impl fmt::Debug for ClaimSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimSecret(..)")
    }
}

/// Drawn by a client for one submission. The same token sent twice is one cluster, whatever
/// happened in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SubmitToken(pub [u8; 16]);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// From its text.
            pub fn new(text: &str) -> Self {
                Self(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A user, as the kernel names the peer of a connection (`Owner`). Never read from a message.
    UserName
}
name! {
    /// A schedd, as it names itself when it connects.
    ScheddName
}
name! {
    /// A machine, as its ad names it (`Machine`).
    MachineName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_print() {
        let run = RunId { job: JobId::new(36, 2), attempt: Attempt(3) };
        assert_eq!(run.to_string(), "36.2#3");
        assert_eq!("36.2#3".parse(), Ok(run));
        assert_eq!("36.2".parse(), Ok(run.job));
        for wrong in ["", "36", "36.", ".2", "a.b", "36.2.1", "-1.0", "36.2#"] {
            assert!(wrong.parse::<JobId>().is_err(), "{wrong:?} is no job id");
        }
    }

    #[test]
    fn a_claim_secret_does_not_print() {
        assert_eq!(format!("{:?}", ClaimSecret::new([7; 16])), "ClaimSecret(..)");
    }
}
