//! The life of a job. One table, [`JobState::next`], says which event may happen in which state and
//! what follows; the schedd, the simulator and `wait` all use it.
//!
//! ```text
//!            RunAuthorised            RunOver{Complete}
//!   Idle ------------------> Running ------------------> Completed
//!    ^ |  ^                   |   |                          (final)
//!    | |  '-- RunOver{Requeue}'   | StopRequested
//!    | | Held                     v
//!    | '-------> Held <------ Stopping --- RunOver{Remove} --> Removed
//!    '-- Released --'  RunOver{Hold}                           (final; also from Idle, Held, Completed)
//!
//!   Idle --- Skipped ---> Completed                           (a job that is not to run at all)
//!
//!   Running <--- Suspended, Continued ---> Suspended          (from which all leads on that leads on from Running)
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::hold::{Hold, VacateCode};
use crate::ids::{Attempt, ClaimId};
use crate::run::{RunEnd, Usage};
use crate::time::Timestamp;

/// Where a job stands. Each state owns what is only true in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobState {
    /// Waiting for a match.
    Idle {
        /// `EnteredCurrentStatus`.
        since: Timestamp,
    },
    /// A run is authorised: its machine has been told to start it, or runs it, or cannot be reached
    /// and may still run it.
    Running(Running),
    /// Its run is alive and gets no processor, until somebody lets it go on.
    Suspended {
        running: Running,
        /// `EnteredCurrentStatus`.
        since: Timestamp,
    },
    /// The run is to end; nothing else may start until the machine says that it has, or its lease
    /// is over.
    Stopping {
        running: Running,
        /// Why, and so what follows.
        cause: StopCause,
        /// `EnteredCurrentStatus`.
        since: Timestamp,
    },
    /// Kept from running until somebody releases it.
    Held(Hold),
    /// Over: the program ended, and policy took that for the end of the job.
    Completed {
        /// How the last run ended.
        end: RunEnd,
        /// `CompletionDate`.
        since: Timestamp,
    },
    /// Over: somebody or some policy removed it.
    Removed {
        /// `RemoveReason`.
        reason: String,
        /// `EnteredCurrentStatus`.
        since: Timestamp,
    },
}

/// An authorised run, as the schedd knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub attempt: Attempt,
    /// The claim that it runs on.
    pub claim: ClaimId,
    /// When it was authorised (`JobCurrentStartDate`).
    pub since: Timestamp,
    /// When the startd said that the program was executed (`JobCurrentStartExecutingDate`).
    pub executing: Option<Timestamp>,
    /// The last order to suspend it or to let it go on.
    #[serde(default)]
    pub pause: Pause,
}

/// An order to suspend a run, or to let it go on. A machine carries out the one with the highest
/// number that it heard, so a late one does no harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Rises by one with each order, from 1; 0 before the first.
    pub number: u32,
    /// Whether the run is to be suspended.
    pub suspend: bool,
}

impl Pause {
    /// The next order.
    pub const fn next(self, suspend: bool) -> Self {
        Self { number: self.number.saturating_add(1), suspend }
    }
}

/// Why a run is being stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCause {
    /// The job is to be held.
    Hold(Hold),
    /// The job is to be removed.
    Remove {
        /// `RemoveReason`.
        reason: String,
    },
    /// The job is to go back to the queue.
    Vacate {
        /// `VacateReasonCode`.
        code: VacateCode,
        /// `VacateReasonSubCode`.
        #[serde(default)]
        subcode: i32,
        /// `VacateReason`.
        reason: String,
    },
}

/// Something that happened to a job. Facts, in the past tense: what the record holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobEvent {
    /// A run was authorised on a claim.
    RunAuthorised {
        /// Which attempt: one more than any before.
        attempt: Attempt,
        claim: ClaimId,
        /// The claim's slot (`slot1_2@host`); none beside the schedd.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<Arc<str>>,
        at: Timestamp,
    },
    /// The startd said that the program runs.
    RunStarted {
        attempt: Attempt,
        /// When the program was executed.
        at: Timestamp,
    },
    /// Somebody wants the run to be suspended, or to go on.
    PauseRequested {
        /// What is wanted.
        pause: Pause,
        at: Timestamp,
    },
    /// The machine said that it has suspended the run.
    Suspended {
        attempt: Attempt,
        /// How many processes it stopped.
        processes: u32,
        /// When the schedd learned it.
        at: Timestamp,
    },
    /// The machine said that the run goes on.
    Continued {
        attempt: Attempt,
        /// When the schedd learned it.
        at: Timestamp,
    },
    /// Somebody wants the run to end.
    StopRequested { cause: StopCause, at: Timestamp },
    /// The run is surely over, and this is what became of the job.
    RunOver {
        attempt: Attempt,
        /// How it ended.
        end: RunEnd,
        /// What it used.
        usage: Usage,
        next: AfterRun,
        /// When the schedd learned it.
        at: Timestamp,
    },
    /// A job that is not to run at all counts as ended (`noop_job`).
    Skipped {
        /// As what it counts.
        end: RunEnd,
        at: Timestamp,
    },
    /// A waiting job was held.
    Held(Hold),
    /// A held job was released.
    Released {
        /// `ReleaseReason`.
        reason: String,
        at: Timestamp,
    },
    /// A job without a run was removed; also one that has completed and stays in the queue.
    Removed {
        /// `RemoveReason`.
        reason: String,
        at: Timestamp,
    },
}

/// What follows for the job when a run is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterRun {
    /// The job is done.
    Complete,
    /// The job is held.
    Hold(Hold),
    /// The job is removed.
    Remove {
        /// `RemoveReason`.
        reason: String,
    },
    /// The job waits for another run.
    Requeue {
        /// Why this run did not count.
        reason: String,
    },
}

/// `JobStatus`: the number that users and tools see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum JobStatus {
    /// 1, `I`.
    Idle = 1,
    /// 2, `R`.
    Running = 2,
    /// 3, `X`.
    Removed = 3,
    /// 4, `C`.
    Completed = 4,
    /// 5, `H`.
    Held = 5,
    /// 7, `S`.
    Suspended = 7,
}

impl JobStatus {
    /// The number in `JobStatus`.
    pub const fn number(self) -> i64 {
        self as i64
    }
}

/// An event that cannot happen in that state: a defect of ours, never of a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("apply {event:?} to a job that is {state:?}: no such transition")]
pub struct IllegalTransition {
    pub state: Box<JobState>,
    pub event: Box<JobEvent>,
}

impl JobState {
    /// The number that users see. A run that is being stopped shows as what it will be.
    pub const fn status(&self) -> JobStatus {
        match self {
            Self::Idle { .. } => JobStatus::Idle,
            Self::Running(_) => JobStatus::Running,
            Self::Suspended { .. } => JobStatus::Suspended,
            Self::Stopping { cause, .. } => match cause {
                StopCause::Hold(_) => JobStatus::Held,
                StopCause::Remove { .. } => JobStatus::Removed,
                StopCause::Vacate { .. } => JobStatus::Running,
            },
            Self::Held(_) => JobStatus::Held,
            Self::Completed { .. } => JobStatus::Completed,
            Self::Removed { .. } => JobStatus::Removed,
        }
    }

    /// Since when it is so (`EnteredCurrentStatus`).
    pub const fn since(&self) -> Timestamp {
        match self {
            Self::Idle { since }
            | Self::Suspended { since, .. }
            | Self::Stopping { since, .. }
            | Self::Completed { since, .. }
            | Self::Removed { since, .. } => *since,
            Self::Running(running) => running.since,
            Self::Held(hold) => hold.since,
        }
    }

    /// The authorised run, if there is one.
    pub const fn running(&self) -> Option<&Running> {
        match self {
            Self::Running(running)
            | Self::Suspended { running, .. }
            | Self::Stopping { running, .. } => Some(running),
            Self::Idle { .. } | Self::Held(_) | Self::Completed { .. } | Self::Removed { .. } => {
                None
            }
        }
    }

    /// Why the job is held, if it is.
    pub const fn hold(&self) -> Option<&Hold> {
        match self {
            Self::Held(hold) => Some(hold),
            Self::Idle { .. }
            | Self::Running(_)
            | Self::Suspended { .. }
            | Self::Stopping { .. }
            | Self::Completed { .. }
            | Self::Removed { .. } => None,
        }
    }

    /// Whether the job does not run any more. A completed one may still be removed, where it stays
    /// in the queue.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Completed { .. } | Self::Removed { .. } => true,
            Self::Idle { .. }
            | Self::Running(_)
            | Self::Suspended { .. }
            | Self::Stopping { .. }
            | Self::Held(_) => false,
        }
    }

    /// The state after `event`.
    ///
    /// # Errors
    ///
    /// If the event cannot happen in this state.
    pub fn next(&self, event: &JobEvent) -> Result<Self, IllegalTransition> {
        let next = match self {
            Self::Idle { .. } => idle(event),
            Self::Running(running) => from_running(running, event),
            Self::Suspended { running, since } => from_suspended(running, *since, event),
            Self::Stopping { running, cause, since } => {
                from_stopping(running, cause, *since, event)
            }
            Self::Held(_) => from_held(event),
            Self::Completed { .. } => from_completed(event),
            Self::Removed { .. } => None,
        };
        next.ok_or_else(|| IllegalTransition {
            state: Box::new(self.clone()),
            event: Box::new(event.clone()),
        })
    }
}

fn idle(event: &JobEvent) -> Option<JobState> {
    match event {
        JobEvent::RunAuthorised { attempt, claim, at, .. } => Some(JobState::Running(Running {
            attempt: *attempt,
            claim: *claim,
            since: *at,
            executing: None,
            pause: Pause::default(),
        })),
        JobEvent::Skipped { end, at } => Some(JobState::Completed { end: end.clone(), since: *at }),
        JobEvent::Held(hold) => Some(JobState::Held(hold.clone())),
        JobEvent::Removed { reason, at } => {
            Some(JobState::Removed { reason: reason.clone(), since: *at })
        }
        JobEvent::RunStarted { .. }
        | JobEvent::PauseRequested { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Continued { .. }
        | JobEvent::StopRequested { .. }
        | JobEvent::RunOver { .. }
        | JobEvent::Released { .. } => None,
    }
}

fn from_running(running: &Running, event: &JobEvent) -> Option<JobState> {
    match event {
        JobEvent::RunStarted { attempt, at } => {
            started(running, *attempt, *at).map(JobState::Running)
        }
        JobEvent::PauseRequested { pause, .. } => paused(running, *pause).map(JobState::Running),
        JobEvent::Suspended { attempt, at, .. } => (running.attempt == *attempt)
            .then(|| JobState::Suspended { running: running.clone(), since: *at }),
        JobEvent::StopRequested { cause, at } => {
            Some(JobState::Stopping { running: running.clone(), cause: cause.clone(), since: *at })
        }
        JobEvent::RunOver { attempt, end, next, at, .. } => over(running, *attempt, end, next, *at),
        JobEvent::RunAuthorised { .. }
        | JobEvent::Skipped { .. }
        | JobEvent::Continued { .. }
        | JobEvent::Held(_)
        | JobEvent::Released { .. }
        | JobEvent::Removed { .. } => None,
    }
}

fn from_suspended(running: &Running, since: Timestamp, event: &JobEvent) -> Option<JobState> {
    match event {
        // Its word came after that of the suspension.
        JobEvent::RunStarted { attempt, at } => {
            let running = started(running, *attempt, *at)?;
            Some(JobState::Suspended { running, since })
        }
        JobEvent::PauseRequested { pause, .. } => {
            let running = paused(running, *pause)?;
            Some(JobState::Suspended { running, since })
        }
        JobEvent::Continued { attempt, .. } => {
            (running.attempt == *attempt).then(|| JobState::Running(running.clone()))
        }
        JobEvent::StopRequested { .. } | JobEvent::RunOver { .. } => from_running(running, event),
        JobEvent::RunAuthorised { .. }
        | JobEvent::Skipped { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Held(_)
        | JobEvent::Released { .. }
        | JobEvent::Removed { .. } => None,
    }
}

fn from_stopping(
    running: &Running,
    cause: &StopCause,
    since: Timestamp,
    event: &JobEvent,
) -> Option<JobState> {
    match event {
        JobEvent::RunStarted { attempt, at } => Some(JobState::Stopping {
            running: started(running, *attempt, *at)?,
            cause: cause.clone(),
            since,
        }),
        // A removal may overtake a hold, and either a vacate: the last word counts.
        JobEvent::StopRequested { cause, at } => {
            Some(JobState::Stopping { running: running.clone(), cause: cause.clone(), since: *at })
        }
        JobEvent::RunOver { attempt, end, next, at, .. } => over(running, *attempt, end, next, *at),
        JobEvent::RunAuthorised { .. }
        | JobEvent::Skipped { .. }
        | JobEvent::PauseRequested { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Continued { .. }
        | JobEvent::Held(_)
        | JobEvent::Released { .. }
        | JobEvent::Removed { .. } => None,
    }
}

fn from_held(event: &JobEvent) -> Option<JobState> {
    match event {
        JobEvent::Released { at, .. } => Some(JobState::Idle { since: *at }),
        JobEvent::Removed { reason, at } => {
            Some(JobState::Removed { reason: reason.clone(), since: *at })
        }
        JobEvent::RunAuthorised { .. }
        | JobEvent::Skipped { .. }
        | JobEvent::RunStarted { .. }
        | JobEvent::PauseRequested { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Continued { .. }
        | JobEvent::StopRequested { .. }
        | JobEvent::RunOver { .. }
        | JobEvent::Held(_) => None,
    }
}

/// A completed job that stays in the queue (`leave_in_queue`) can be removed: it stays then as a
/// removed one, if it wants to.
fn from_completed(event: &JobEvent) -> Option<JobState> {
    match event {
        JobEvent::Removed { reason, at } => {
            Some(JobState::Removed { reason: reason.clone(), since: *at })
        }
        JobEvent::RunAuthorised { .. }
        | JobEvent::Skipped { .. }
        | JobEvent::RunStarted { .. }
        | JobEvent::PauseRequested { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Continued { .. }
        | JobEvent::StopRequested { .. }
        | JobEvent::RunOver { .. }
        | JobEvent::Held(_)
        | JobEvent::Released { .. } => None,
    }
}

fn started(running: &Running, attempt: Attempt, at: Timestamp) -> Option<Running> {
    (running.attempt == attempt && running.executing.is_none())
        .then(|| Running { executing: Some(at), ..running.clone() })
}

fn paused(running: &Running, pause: Pause) -> Option<Running> {
    (pause.number > running.pause.number).then(|| Running { pause, ..running.clone() })
}

fn over(
    running: &Running,
    attempt: Attempt,
    end: &RunEnd,
    next: &AfterRun,
    at: Timestamp,
) -> Option<JobState> {
    if running.attempt != attempt {
        return None;
    }
    Some(match next {
        AfterRun::Complete => JobState::Completed { end: end.clone(), since: at },
        AfterRun::Hold(hold) => JobState::Held(hold.clone()),
        AfterRun::Remove { reason } => JobState::Removed { reason: reason.clone(), since: at },
        AfterRun::Requeue { .. } => JobState::Idle { since: at },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hold::HoldCode;

    const T: Timestamp = Timestamp::from_secs(1);
    const CLAIM: ClaimId = ClaimId { journal: 1, number: 1 };

    fn hold() -> Hold {
        Hold {
            code: HoldCode::UserRequest,
            subcode: 0,
            reason: "via condor_hold".to_owned(),
            since: T,
        }
    }

    fn running() -> Running {
        Running {
            attempt: Attempt(2),
            claim: CLAIM,
            since: T,
            executing: None,
            pause: Pause::default(),
        }
    }

    fn states() -> Vec<(&'static str, JobState)> {
        let end = RunEnd::exited(0);
        vec![
            ("idle", JobState::Idle { since: T }),
            ("running", JobState::Running(running())),
            ("suspended", JobState::Suspended { running: running(), since: T }),
            (
                "stopping",
                JobState::Stopping { running: running(), cause: StopCause::Hold(hold()), since: T },
            ),
            ("held", JobState::Held(hold())),
            ("completed", JobState::Completed { end, since: T }),
            ("removed", JobState::Removed { reason: String::new(), since: T }),
        ]
    }

    fn over(attempt: u32, next: AfterRun) -> JobEvent {
        let end = RunEnd::exited(0);
        JobEvent::RunOver { attempt: Attempt(attempt), end, usage: Usage::default(), next, at: T }
    }

    fn events() -> Vec<(&'static str, JobEvent)> {
        vec![
            (
                "authorised",
                JobEvent::RunAuthorised { attempt: Attempt(2), claim: CLAIM, slot: None, at: T },
            ),
            ("started", JobEvent::RunStarted { attempt: Attempt(2), at: T }),
            ("started, other attempt", JobEvent::RunStarted { attempt: Attempt(1), at: T }),
            ("pause", JobEvent::PauseRequested { pause: Pause::default().next(true), at: T }),
            ("pause, said before", JobEvent::PauseRequested { pause: Pause::default(), at: T }),
            ("suspended", JobEvent::Suspended { attempt: Attempt(2), processes: 1, at: T }),
            (
                "suspended, other attempt",
                JobEvent::Suspended { attempt: Attempt(1), processes: 1, at: T },
            ),
            ("continued", JobEvent::Continued { attempt: Attempt(2), at: T }),
            ("continued, other attempt", JobEvent::Continued { attempt: Attempt(1), at: T }),
            (
                "stop",
                JobEvent::StopRequested {
                    cause: StopCause::Remove { reason: String::new() },
                    at: T,
                },
            ),
            ("complete", over(2, AfterRun::Complete)),
            ("hold after run", over(2, AfterRun::Hold(hold()))),
            ("remove after run", over(2, AfterRun::Remove { reason: String::new() })),
            ("requeue", over(2, AfterRun::Requeue { reason: String::new() })),
            ("over, other attempt", over(1, AfterRun::Complete)),
            ("skipped", JobEvent::Skipped { end: RunEnd::exited(0), at: T }),
            ("held", JobEvent::Held(hold())),
            ("released", JobEvent::Released { reason: String::new(), at: T }),
            ("removed", JobEvent::Removed { reason: String::new(), at: T }),
        ]
    }

    fn name(state: &JobState) -> &'static str {
        match state {
            JobState::Idle { .. } => "idle",
            JobState::Running(_) => "running",
            JobState::Suspended { .. } => "suspended",
            JobState::Stopping { .. } => "stopping",
            JobState::Held(_) => "held",
            JobState::Completed { .. } => "completed",
            JobState::Removed { .. } => "removed",
        }
    }

    #[test]
    fn the_whole_table_of_transitions_is_as_documented() {
        let mut table = String::new();
        for (from, state) in states() {
            for (what, event) in events() {
                if let Ok(next) = state.next(&event) {
                    table += &format!("{from} + {what} = {}\n", name(&next));
                }
            }
        }
        expect_test::expect_file!["../tests/job-transitions.txt"].assert_eq(&table);
    }
}
