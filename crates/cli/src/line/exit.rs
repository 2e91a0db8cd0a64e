//! The exit codes of every command, in one place. HTCondor's tools know 0 and 1 only; under their
//! names ours keep to that.

use std::process::ExitCode;

/// How a command ended.
///
/// | code | name | when |
/// |---|---|---|
/// | 0 | `Done` | everything asked for was done; for `wait`: every job ended with exit code 0 |
/// | 1 | `Failed` | it could not be done, or not for all jobs; for `wait`: a job failed or was removed |
/// | 2 | `Usage` | the command line makes no sense (1 under HTCondor's names, but of `condor_dag_checker`) |
/// | 3 | `NotRunning` | no pool answers |
/// | 4 | `TimedOut` | `wait --wait` was not enough (1 under HTCondor's names) |
/// | 5 | `Held` | `wait`: a job was held, and nothing more will happen by itself |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0.
    Done,
    /// 1.
    Failed,
    /// 2.
    Usage,
    /// 3.
    NotRunning,
    /// 4.
    TimedOut,
    /// 5.
    Held,
}

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::TimedOut => 4,
            Self::Held => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
