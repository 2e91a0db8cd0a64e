//! Why a job is held, and why a run was stopped: HTCondor's `HoldReasonCode` and `VacateReasonCode`
//! tables.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A hold: code, subcode and the sentence the user sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// `HoldReasonCode`.
    pub code: HoldCode,
    /// `HoldReasonSubCode`: an errno, an exit code or a number the user gave.
    pub subcode: i32,
    /// `HoldReason`.
    pub reason: String,
    /// Since when (`EnteredCurrentStatus`).
    pub since: Timestamp,
}

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $n:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "u16", try_from = "u16")]
        pub enum $name { $($(#[$vdoc])* $variant = $n,)* }

        impl $name {
            /// The number in the job's ad and log.
            pub const fn number(self) -> u16 {
                self as u16
            }

            /// The name that HTCondor 25.14 counts it under (`NumHoldsByReason`,
            /// `NumVacatesByReason`).
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                }
            }
        }

        impl From<$name> for u16 {
            fn from(code: $name) -> u16 {
                code.number()
            }
        }

        impl TryFrom<u16> for $name {
            type Error = String;

            fn try_from(n: u16) -> Result<Self, String> {
                match n {
                    $($n => Ok(Self::$variant),)*
                    _ => Err(format!(concat!("{} is no ", stringify!($name)), n)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.number().fmt(f)
            }
        }
    };
}

codes! {
    /// `HoldReasonCode` (HTCondor 25.14), the ones that this program gives.
    HoldCode {
        /// Not one of the table: an undefined `$$()` expansion holds with 0/0.
        Unspecified = 0,
        /// `condor_hold`.
        UserRequest = 1,
        /// `periodic_hold`, `on_exit_hold`.
        JobPolicy = 3,
        /// A policy expression was undefined.
        JobPolicyUndefined = 5,
        /// The program could not be executed; subcode is the errno.
        FailedToCreateProcess = 6,
        /// Standard output or error could not be opened; subcode is the errno.
        UnableToOpenOutput = 7,
        /// Standard input could not be opened; subcode is the errno.
        UnableToOpenInput = 8,
        /// Output files could not be brought back; subcode is the errno.
        TransferOutputError = 12,
        /// Input files could not be brought; subcode is the errno.
        TransferInputError = 13,
        /// The initial directory is not accessible; subcode is the errno.
        IwdError = 14,
        /// `hold = true` at submit.
        SubmittedOnHold = 15,
        /// Waiting for spooled input.
        SpoolingInput = 16,
        /// A deferred start was missed.
        MissedDeferredExecutionTime = 20,
        /// The event log cannot be written.
        UnableToInitUserLog = 22,
        /// A cron setting has no next time.
        InvalidCronSettings = 25,
        /// `SYSTEM_PERIODIC_HOLD`.
        SystemPolicy = 26,
        /// More input than `max_transfer_input_mb`.
        MaxTransferInputSizeExceeded = 32,
        /// More output than `max_transfer_output_mb`.
        MaxTransferOutputSizeExceeded = 33,
        /// Memory (subcode 102) or disk (104) above the request.
        JobOutOfResources = 34,
        /// What a job's checkpoint is made of could not be kept; subcode is the errno.
        FailedToCheckpoint = 36,
        /// `PreCmd` failed.
        PreScriptFailed = 43,
        /// `PostCmd` failed.
        PostScriptFailed = 44,
        /// `allowed_job_duration`.
        JobDurationExceeded = 46,
        /// `allowed_execute_duration`.
        JobExecuteExceeded = 47,
        /// `primary_unix_group` is none that the job can have; subcode is the errno.
        CannotSwitchPrimaryGroup = 49,
        /// It waits for other jobs (`WaitsForJobs`). Ours: HTCondor's numbers end far below.
        WaitsForJobs = 900,
    }
}

codes! {
    /// `VacateReasonCode` (HTCondor 25.14), the ones that this program gives.
    VacateCode {
        /// The job is being held by its user.
        UserRequest = 1,
        /// The run used more than its slot has; the job asks for more the next time.
        JobOutOfResources = 34,
        /// `periodic_vacate`.
        JobPolicyVacate = 1000,
        /// `SYSTEM_PERIODIC_VACATE`.
        SystemPolicyVacate = 1001,
        /// `condor_vacate_job`.
        UserVacateJob = 1004,
        /// The job asked to be queued again (`on_exit_remove = false`).
        JobShouldRequeue = 1005,
        /// The lease ended before the schedd was heard again.
        ReconnectFailed = 1008,
        /// The startd stops.
        StartdShutdown = 1013,
        /// The machine is drained.
        StartdDraining = 1014,
        /// The schedd gave the claim back.
        ScheddVacate = 1022,
        /// `condor_rm`.
        JobRemoved = 1023,
        /// The scratch folder could not be made or was lost.
        ScratchDirError = 1024,
        /// The job took a checkpoint and ended, to be started from it again
        /// (`checkpoint_exit_code`).
        SuccessfulCheckpoint = 1025,
    }
}
