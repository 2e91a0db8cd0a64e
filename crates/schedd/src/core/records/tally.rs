//! What a job's events add up to: the counters and the memory from which its ad's changing
//! attributes are made.

use model::{AfterRun, Hold, HoldCode, JobEvent, JobState, RunEnd, Timestamp, Usage};

use crate::core::records::eviction::{Eviction, is_checkpoint};
use crate::core::records::rows::{ClaimRecord, Tally};

/// The kernel's errors that say something of the moment, and nothing of the job: EINTR, EIO,
/// EAGAIN, ENOMEM, EBUSY, ENFILE, EMFILE, ETXTBSY, ENOSPC, the network's from ENETDOWN to
/// EHOSTUNREACH, ESTALE, EREMOTEIO, EDQUOT.
const PASSING_ERRNOS: [i32; 24] = [
    4, 5, 11, 12, 16, 23, 24, 26, 28, 100, 101, 102, 103, 104, 105, 107, 108, 110, 111, 112, 113,
    116, 121, 122,
];

impl Tally {
    /// Takes note of an event, before the state changes. `claim` is the one that a run is
    /// authorised on.
    /// Attempts that the record tells of.
    pub(crate) fn runs(&self) -> u32 {
        self.attempt.0.saturating_sub(self.taken_back)
    }

    pub(crate) fn note(&mut self, from: &JobState, event: &JobEvent, claim: Option<&ClaimRecord>) {
        self.note_suspension(from, event);
        match event {
            JobEvent::RunAuthorised { attempt, at, .. } => {
                self.attempt = *attempt;
                self.first_start.get_or_insert(*at);
                self.last_start = Some(*at);
                self.last_executing = None;
                self.unfinished = None;
                // Beside the schedd there is no slot.
                let slot = claim.filter(|claim| !claim.universe.is_beside());
                self.slot = slot.map(|claim| claim.slot.clone());
                self.slot_resources = slot.map(|claim| claim.resources.clone());
                self.slot_devices = slot.map(|claim| claim.devices.clone()).unwrap_or_default();
                self.scratch_dir = None;
                // What a machine counts is a stranger's word: no sum of it stops the schedd.
                let Usage { user_us, sys_us, sent_bytes, received_bytes, .. } = self.last_usage;
                self.user_us = self.user_us.saturating_add(user_us);
                self.sys_us = self.sys_us.saturating_add(sys_us);
                self.sent_bytes = self.sent_bytes.saturating_add(sent_bytes);
                self.received_bytes = self.received_bytes.saturating_add(received_bytes);
                self.last_usage = Usage::default();
            }
            JobEvent::RunStarted { at, .. } => {
                self.executions += 1;
                self.last_executing = Some(*at);
            }
            JobEvent::PauseRequested { .. }
            | JobEvent::Suspended { .. }
            | JobEvent::Continued { .. }
            | JobEvent::StopRequested { .. } => {}
            JobEvent::RunOver { end, usage, next, at, .. } => {
                self.note_end(end, *usage);
                // HTCondor counts the time for which the machine was the job's, and not only that
                // of its program.
                let since = self.last_start.unwrap_or(*at);
                self.last_wall_ms = u64::try_from(at.since(since).as_millis()).unwrap_or(0);
                self.note_slot_time(end);
                self.disconnected = None;
                if is_checkpoint(end) {
                    self.checkpoints += 1;
                    self.last_checkpoint = Some(*at);
                }
                self.note_eviction(Eviction::of(from, end, next), *at);
                match next {
                    AfterRun::Hold(hold) => self.note_hold(hold),
                    AfterRun::Complete => self.completed = Some(*at),
                    AfterRun::Remove { .. } | AfterRun::Requeue { .. } => {}
                }
            }
            JobEvent::Skipped { end, .. } => self.last_exit = Some(end.clone()),
            JobEvent::Held(hold) => self.note_hold(hold),
            JobEvent::Released { reason, .. } => {
                if let JobState::Held(hold) = from {
                    self.last_hold = Some(Box::new(hold.clone()));
                }
                self.release_reason = Some(reason.as_str().into());
            }
            JobEvent::Removed { .. } => {}
        }
    }

    /// Adds the time of a run that is over. HTCondor adds up each run with its own slot.
    fn note_slot_time(&mut self, end: &RunEnd) {
        let cpus = self.slot_resources.as_ref().map_or(1, |slot| u64::from(slot.cpus));
        let cpus = cpus + u64::from(self.other_cpus);
        let slot_ms = self.last_wall_ms.saturating_mul(cpus);
        self.wall_ms += self.last_wall_ms;
        self.slot_ms = self.slot_ms.saturating_add(slot_ms);
        if matches!(end, RunEnd::Program(_) | RunEnd::UpToDate) {
            self.committed_ms += self.last_wall_ms;
            self.committed_slot_ms = self.committed_slot_ms.saturating_add(slot_ms);
        }
    }

    /// Counts suspensions, and how long they last.
    fn note_suspension(&mut self, from: &JobState, event: &JobEvent) {
        if let JobEvent::Suspended { at, .. } = event {
            self.suspensions += 1;
            self.last_suspension = Some(*at);
        }
        let (JobState::Suspended { since, .. }, Some(at)) = (from, ends_suspension(event)) else {
            return;
        };
        self.suspended_ms += u64::try_from(at.since(*since).as_millis()).unwrap_or(0);
    }

    /// Takes note of how a run ended; also used to ask what policy would say of it.
    pub(crate) fn note_end(&mut self, end: &RunEnd, usage: Usage) {
        self.last_end = Some(end.clone());
        self.last_usage = usage;
        match end {
            RunEnd::Program(_) | RunEnd::UpToDate => {
                self.completions += 1;
                self.transient_holds = 0;
                self.last_exit = Some(end.clone());
                self.failures = 0;
            }
            // It is not complete while its files are not where they belong; how it ended is shown
            // all the same.
            RunEnd::OutputFailed { .. } | RunEnd::ScriptFailed { .. } => {
                self.last_exit = end.shown().map(RunEnd::Program);
                self.failures = 0;
            }
            // What a program said that was stopped is shown, in every way of stopping it.
            RunEnd::Vacated { ended, .. } => {
                if ended.is_some() && !is_checkpoint(end) {
                    self.last_exit = Some(end.clone());
                }
                self.failures = 0;
            }
            RunEnd::StartFailed(_) => {
                self.failures += 1;
                self.executions += u32::from(end.is_failed_execution());
            }
            RunEnd::Lost { .. } => {
                self.failures += 1;
                self.losses += 1;
            }
        }
    }

    /// The machine of its run was not heard for a while, and is again.
    pub(crate) fn note_reconnection(&mut self) {
        self.disconnected = None;
        self.reconnects += 1;
    }

    fn note_eviction(&mut self, eviction: Option<Eviction>, at: Timestamp) {
        if let Some(eviction) = eviction {
            *self.evictions_by_code.entry(eviction.code).or_default() += 1;
            self.last_eviction = Some(Box::new((eviction, at)));
        }
    }

    fn note_hold(&mut self, hold: &Hold) {
        self.holds += 1;
        *self.holds_by_code.entry(hold.code.number()).or_default() += 1;
        self.system_holds += u32::from(hold.code != HoldCode::UserRequest);
        if is_transient(hold) {
            self.transient_holds += 1;
        }
    }
}

/// When the event ends a suspension, if it does.
fn ends_suspension(event: &JobEvent) -> Option<Timestamp> {
    match event {
        JobEvent::Continued { at, .. }
        | JobEvent::StopRequested { at, .. }
        | JobEvent::RunOver { at, .. } => Some(*at),
        JobEvent::RunAuthorised { .. }
        | JobEvent::RunStarted { .. }
        | JobEvent::PauseRequested { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Skipped { .. }
        | JobEvent::Held(_)
        | JobEvent::Released { .. }
        | JobEvent::Removed { .. } => None,
    }
}

/// Whether a hold may pass by itself: a step of the run failed, with an error that says nothing of
/// the job.
pub(crate) fn is_transient(hold: &Hold) -> bool {
    let step = matches!(
        hold.code,
        HoldCode::FailedToCreateProcess
            | HoldCode::UnableToOpenOutput
            | HoldCode::UnableToOpenInput
            | HoldCode::TransferOutputError
            | HoldCode::TransferInputError
            | HoldCode::IwdError
    );
    step && PASSING_ERRNOS.contains(&hold.subcode)
}

#[cfg(test)]
mod tests {
    use model::{Resources, VacateCode};

    use super::*;

    #[test]
    fn each_run_counts_with_the_processors_of_its_own_slot() {
        let mut tally = Tally::default();
        let runs = [
            (8, 60, RunEnd::vacated(VacateCode::ScheddVacate)),
            (1, 600, RunEnd::exited(0)),
            (2, 6, RunEnd::UpToDate),
        ];
        for (cpus, seconds, end) in runs {
            tally.slot_resources = Some(Resources { cpus, ..Resources::default() });
            tally.last_wall_ms = seconds * 1000;
            tally.note_slot_time(&end);
        }
        let all = (tally.wall_ms, tally.slot_ms, tally.committed_ms, tally.committed_slot_ms);
        assert_eq!(all, (666_000, 1_092_000, 606_000, 612_000));
    }
}
