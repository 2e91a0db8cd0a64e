//! The checkpoints that a job takes itself.

use classad::{ClassAd, Value};
use serde::{Deserialize, Serialize};

use crate::job_ad::is_true;
use crate::travel::file_items;
use crate::{ProgramEnd, attr};

/// What a job says of its checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The end of a run that says so.
    pub end: CheckpointEnd,
    /// What is one; otherwise what would come back.
    pub files: Option<Vec<String>>,
}

impl Checkpoint {
    /// Of this job; none if it takes none.
    pub fn of(job: &ClassAd) -> Option<Self> {
        let files = job.literal(attr::TRANSFER_CHECKPOINT).and_then(Value::as_str);
        let unquoted = |list: &'_ str| list.trim_matches('"').to_owned();
        let files = files.map(unquoted);
        let files = files.map(|list| file_items(&list).map(str::to_owned).collect());
        Some(Self { end: CheckpointEnd::of(job)?, files })
    }

    /// Whether the job has taken one, and goes on from it.
    pub fn is_gone_on_from(job: &ClassAd) -> bool {
        job.literal(attr::NUM_CKPTS).and_then(Value::as_i64).is_some_and(|taken| taken > 0)
    }
}

/// The end of a run by which a job says that it has taken a checkpoint, and wants to be started
/// from it again (HTCondor 25.14: `checkpoint_exit_code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckpointEnd {
    /// This exit status.
    Exited(i32),
    /// This signal (`+SuccessCheckpointExitBySignal`).
    Signaled(i32),
}

impl CheckpointEnd {
    /// The exit status that is one.
    pub const EXIT_CODE: &str = attr::SUCCESS_CHECKPOINT_EXIT_CODE;

    /// Whether a signal is one.
    pub const BY_SIGNAL: &str = "SuccessCheckpointExitBySignal";

    /// What a job says of that; `None` if it takes no checkpoints.
    pub fn of(job: &ClassAd) -> Option<Self> {
        let number = |name| {
            let said = job.literal(name).and_then(Value::as_i64);
            said.and_then(|n| i32::try_from(n).ok())
        };
        match is_true(job, Self::BY_SIGNAL) {
            true => number("SuccessCheckpointExitSignal").map(Self::Signaled),
            false => number(Self::EXIT_CODE).map(Self::Exited),
        }
    }

    /// Whether a run ended so.
    pub fn is(self, end: ProgramEnd) -> bool {
        match (self, end) {
            (Self::Exited(said), ProgramEnd::Exited { code }) => said == code,
            (Self::Signaled(said), ProgramEnd::Signaled { signal, .. }) => said == signal,
            (Self::Exited(_) | Self::Signaled(_), _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_that_a_job_names_is_a_checkpoint() {
        let exited = |code| ProgramEnd::Exited { code };
        let killed = |signal| ProgramEnd::Signaled { signal, core: false };
        let by_signal = "SuccessCheckpointExitBySignal = true\nSuccessCheckpointExitSignal = 10";
        for (text, end, expected) in [
            ("", exited(85), None),
            ("SuccessCheckpointExitCode = 85", exited(85), Some(true)),
            ("SuccessCheckpointExitCode = 85", exited(0), Some(false)),
            ("SuccessCheckpointExitCode = 85", killed(85), Some(false)),
            (by_signal, killed(10), Some(true)),
            (by_signal, killed(9), Some(false)),
            (by_signal, exited(10), Some(false)),
            ("SuccessCheckpointExitBySignal = true", killed(0), None),
        ] {
            let job = ClassAd::parse_old(text).unwrap();
            let is = CheckpointEnd::of(&job).map(|checkpoint| checkpoint.is(end));
            assert_eq!(is, expected, "{text} {end:?}");
            assert_eq!(crate::job_ad::keeps_files(&job), expected.is_some(), "{text}");
        }
    }
}
