//! Whether the end of a run is an eviction, and with which code and words: what event 004 and the
//! attributes `VacateReason...` tell. Knows nothing of how either is written.

use model::{AfterRun, Hold, HoldCode, JobState, RunEnd, StopCause, VacateCode};
use serde::{Deserialize, Serialize};

/// Why a run ended before its job did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eviction {
    /// `VacateReasonCode`: below 1000 the number of a hold (HTCondor 25.14).
    pub code: u16,
    /// `VacateReasonSubCode`.
    pub subcode: i32,
    /// `VacateReason`.
    pub reason: String,
}

impl Eviction {
    /// What the end of a run is, for a job in this state, if this follows; `None` where the job's
    /// own end or policy is all there is to tell.
    pub(crate) fn of(state: &JobState, end: &RunEnd, next: &AfterRun) -> Option<Self> {
        match next {
            _ if never_began(state, end) => None,
            AfterRun::Complete => None,
            AfterRun::Hold(hold) => match stop_cause(state) {
                // HTCondor 25.14 writes no 004 where a policy holds a running job.
                Some(cause) => (!is_by_policy(hold.code)).then(|| Self::asked_for(cause)),
                None => is_failure(end, hold).then(|| Self {
                    code: hold.code.number(),
                    subcode: hold.subcode,
                    reason: hold.reason.clone(),
                }),
            },
            AfterRun::Remove { .. } => stop_cause(state).map(Self::asked_for),
            AfterRun::Requeue { .. } if is_checkpoint(end) && stop_cause(state).is_none() => None,
            AfterRun::Requeue { reason } => Some(match (end, stop_cause(state)) {
                (RunEnd::Lost { reason }, _) => Self::with(VacateCode::ReconnectFailed, reason),
                (_, Some(cause)) => Self::asked_for(cause),
                (end, None) => Self::with(own_code(end), reason),
            }),
        }
    }

    fn asked_for(cause: &StopCause) -> Self {
        match cause {
            StopCause::Hold(hold) if hold.code == HoldCode::JobOutOfResources => Self {
                code: hold.code.number(),
                subcode: hold.subcode,
                reason: hold.reason.clone(),
            },
            // A user may give any code; to the run it is the user's hold all the same.
            StopCause::Hold(hold) => Self::with(VacateCode::UserRequest, &hold.reason),
            StopCause::Remove { reason } => Self::with(VacateCode::JobRemoved, reason),
            StopCause::Vacate { code, subcode, reason } => {
                Self { subcode: *subcode, ..Self::with(*code, reason) }
            }
        }
    }

    fn with(code: VacateCode, reason: &str) -> Self {
        Self { code: code.number(), subcode: 0, reason: reason.to_owned() }
    }

    /// The name that it is counted under.
    pub(crate) fn label(code: u16) -> &'static str {
        let vacate = VacateCode::try_from(code).map(VacateCode::label);
        let hold = HoldCode::try_from(code).map(HoldCode::label);
        vacate.or(hold).unwrap_or("Unspecified")
    }
}

/// Whether the run only waited for its turn (docs/adr/0035): it was stopped in the moment in which
/// it was said to be its job's, or called back. Nobody has seen the job run.
fn never_began(state: &JobState, end: &RunEnd) -> bool {
    let RunEnd::Vacated { code, ended: None } = end else { return false };
    match state {
        JobState::Stopping { running, since, .. } => {
            running.executing.is_none() && *since <= running.since
        }
        JobState::Running(running) => {
            let called_back = [VacateCode::ScheddVacate, VacateCode::StartdDraining];
            running.executing.is_none() && called_back.contains(code)
        }
        JobState::Suspended { .. }
        | JobState::Idle { .. }
        | JobState::Held(_)
        | JobState::Completed { .. }
        | JobState::Removed { .. } => false,
    }
}

/// Why the run was being stopped, if it was.
pub(crate) fn stop_cause(state: &JobState) -> Option<&StopCause> {
    match state {
        JobState::Stopping { cause, .. } => Some(cause),
        JobState::Idle { .. }
        | JobState::Running(_)
        | JobState::Suspended { .. }
        | JobState::Held(_)
        | JobState::Completed { .. }
        | JobState::Removed { .. } => None,
    }
}

/// Whether a run is over by which the job took a checkpoint.
pub(crate) const fn is_checkpoint(end: &RunEnd) -> bool {
    matches!(end, RunEnd::Vacated { code: VacateCode::SuccessfulCheckpoint, .. })
}

/// Whether the machine could not do its part, and so the job is held. Nothing went wrong where a
/// deferred start came too late.
pub(crate) fn is_failure(end: &RunEnd, hold: &Hold) -> bool {
    let failed = matches!(
        end,
        RunEnd::StartFailed(_) | RunEnd::OutputFailed { .. } | RunEnd::ScriptFailed { .. }
    );
    failed && hold.code != HoldCode::MissedDeferredExecutionTime
}

/// The code of a run that nobody had stopped, and that is to run again.
fn own_code(end: &RunEnd) -> VacateCode {
    match end {
        RunEnd::Vacated { code, .. } => *code,
        RunEnd::Program(_) | RunEnd::UpToDate => VacateCode::JobShouldRequeue,
        RunEnd::StartFailed(_)
        | RunEnd::OutputFailed { .. }
        | RunEnd::ScriptFailed { .. }
        | RunEnd::Lost { .. } => VacateCode::ScratchDirError,
    }
}

/// Whether a policy holds the job, and nobody by hand.
fn is_by_policy(code: HoldCode) -> bool {
    matches!(
        code,
        HoldCode::JobPolicy
            | HoldCode::SystemPolicy
            | HoldCode::JobDurationExceeded
            | HoldCode::JobExecuteExceeded
    )
}
