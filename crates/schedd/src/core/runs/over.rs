//! Runs: who is authorised to start, and what follows when one is over.

use std::time::Duration;

use model::{
    AfterRun, Attempt, CheckpointEnd, ClaimId, Hold, HoldCode, JobEvent, JobId, JobState, Now,
    Pause, ProgramEnd, RunEnd, RunId, Script, StartFailure, StartStage, StopCause, Timestamp,
    Usage, VacateCode, attr,
    planted::{Bug, planted},
};
use proto::claiming::StopHow;

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::policy::at_end;
use crate::core::policy::holds;
use crate::core::records::eviction::{is_checkpoint, stop_cause};
use crate::core::runs::grow::MEMORY_SUBCODE;
use crate::core::state::core::{Claim, Core, JobRef};
use crate::core::words::{ClaimFact, Fact, JobFact, Rejection, RunFact};

/// What a job waits after its first, second, ... run in a row that failed through no doing of its
/// own: soon enough for a machine that came back, rarely enough for one that eats jobs.
const BACKOFF_S: [u64; 6] = [1, 5, 15, 60, 180, 600];

/// The back-off after so many failures in a row.
pub(crate) fn backoff(failures: u32) -> Duration {
    let last = BACKOFF_S.len() - 1;
    let nth = usize::try_from(failures.saturating_sub(1)).unwrap_or(last).min(last);
    Duration::from_secs(BACKOFF_S[nth])
}

impl Core {
    pub(crate) fn authorise(&self, now: Now, id: JobId, claim: ClaimId) -> Vec<Fact> {
        let Some(job) = self.job(id) else { return Vec::new() };
        let last = job.record().tally.attempt.0;
        let attempt = if planted(Bug::AttemptNotCounted) { last.max(1) } else { last + 1 };
        let attempt = Attempt(attempt);
        let held = self.claims.get(&claim).map(|claim| &claim.record);
        let slot = held.filter(|held| !held.universe.is_beside()).map(|held| held.slot.clone());
        let event = JobEvent::RunAuthorised { attempt, claim, slot, at: now.wall };
        let places = held.and_then(|held| self.places_of_parts(id, held));
        match self.taken_from_machine(now, job, claim) {
            Ok(taken) => taken
                .into_iter()
                .chain(places)
                .chain([Fact::Job { job: id, fact: JobFact::Happened(event) }])
                .collect(),
            Err(instead) => vec![*instead],
        }
    }

    pub(crate) fn run_started(
        &self,
        run: RunId,
        at: Timestamp,
        scratch_dir: &str,
    ) -> Result<Vec<Fact>, Rejection> {
        let state = self.job(run.job).map(|job| job.state());
        let news = state
            .as_ref()
            .and_then(JobState::running)
            .is_some_and(|running| running.attempt == run.attempt && running.executing.is_none());
        if !news {
            return Err(Rejection::Stale);
        }
        let event = JobEvent::RunStarted { attempt: run.attempt, at };
        Ok(vec![
            Fact::Run { run, fact: RunFact::Placed { scratch_dir: scratch_dir.into() } },
            Fact::Job { job: run.job, fact: JobFact::Happened(event) },
        ])
    }

    /// Whether the run was ordered to pause or to go on after this order.
    pub(crate) fn has_other_order_since(&self, run: RunId, pause: Pause) -> bool {
        match self.job(run.job).map(|job| job.state()) {
            Some(JobState::Running(running) | JobState::Suspended { running, .. }) => {
                running.pause.number > pause.number
            }
            // Who is being stopped is not told to go on.
            Some(_) | None => false,
        }
    }

    /// The machine has carried out an order to suspend a run, or to let it go on. Only the last
    /// order counts.
    pub(crate) fn run_paused(
        &self,
        now: Now,
        run: RunId,
        pause: Pause,
        processes: u32,
    ) -> Result<Vec<Fact>, Rejection> {
        let state = self.job(run.job).map(|job| job.state()).ok_or(Rejection::Stale)?;
        let (attempt, at) = (run.attempt, now.wall);
        let event = match &state {
            JobState::Running(running) if running.pause == pause && pause.suspend => {
                JobEvent::Suspended { attempt, processes, at }
            }
            JobState::Suspended { running, .. } if running.pause == pause && !pause.suspend => {
                JobEvent::Continued { attempt, at }
            }
            JobState::Running(_)
            | JobState::Suspended { .. }
            | JobState::Idle { .. }
            | JobState::Stopping { .. }
            | JobState::Held(_)
            | JobState::Completed { .. }
            | JobState::Removed { .. } => return Err(Rejection::Stale),
        };
        Ok(vec![Fact::Job { job: run.job, fact: JobFact::Happened(event) }])
    }

    /// What the run on a claim has used so far. Limits are those of all parts together; a slot has
    /// what its own part uses.
    pub(crate) fn usage_seen(
        &self,
        now: Now,
        claim: &Claim,
        own: Usage,
    ) -> Result<Vec<Fact>, Rejection> {
        let record = &claim.record;
        let run = record.run.filter(|_| !record.has_ended()).ok_or(Rejection::Stale)?;
        let part = record.gang.as_ref().map(|gang| self.used_together(gang, record.claim, own));
        let known = self.job(run.job).map(|job| job.record().tally.last_usage);
        // The first part's program is the run's.
        let ended = match record.is_other_part() {
            true => known.and_then(|known| known.ended),
            false => own.ended,
        };
        let usage = Usage { ended, ..part.unwrap_or(own) };
        if known == Some(usage) {
            return Err(Rejection::Stale);
        }
        let of_part =
            part.map(|_| Fact::Claim(ClaimFact::PartUsed { claim: record.claim, usage: own }));
        let seen = Fact::Run { run, fact: RunFact::UsageSeen { usage } };
        let follows = match self.over_limits(now, run, usage) {
            none if none.is_empty() && !record.is_other_part() => {
                self.out_of_resources(now, run, own)
            }
            ends => ends,
        };
        Ok(of_part.into_iter().chain([seen]).chain(follows).collect())
    }

    /// The job's run is surely over, in this way.
    pub(crate) fn run_over(&self, now: Now, id: JobId, end: &RunEnd, usage: Usage) -> Vec<Fact> {
        let Some(job) = self.job(id) else { return Vec::new() };
        let state = job.state();
        let Some(running) = state.running() else { return Vec::new() };
        let run = RunId { job: id, attempt: running.attempt };
        let unfinished = unfinished(job, &state, end);
        let end = unfinished.as_ref().map_or(end, |(own, _)| own);
        let unfinished =
            unfinished.as_ref().map(|(_, ended)| RunFact::Unfinished { ended: *ended });
        let checkpointed = if let RunEnd::Program(program) = end
            && self.took_checkpoint(job, *program, now)
        {
            let code = VacateCode::SuccessfulCheckpoint;
            Some(RunEnd::Vacated { code, ended: Some(*program) })
        } else {
            None
        };
        let killed = killed_for_memory(job, end);
        let end = checkpointed.as_ref().or(killed.as_ref()).unwrap_or(end);
        // Its program may have been executed while nobody could tell us.
        let unseen = usage.started.filter(|_| running.executing.is_none()).map(|at| Fact::Job {
            job: id,
            fact: JobFact::Happened(JobEvent::RunStarted { attempt: running.attempt, at }),
        });
        let mut next = self.after_run(now, job, &state, end, usage);
        let more = self.asks_for_more(now, job, (&state, end), &mut next);
        let hold = match next {
            AfterRun::Requeue { .. } if checkpointed.is_none() => holds::at_requeue(now, job),
            AfterRun::Requeue { .. }
            | AfterRun::Complete
            | AfterRun::Hold(_)
            | AfterRun::Remove { .. } => None,
        };
        let mut bitten = None;
        if let Some((hold, noted)) = hold {
            (next, bitten) = (AfterRun::Hold(hold), noted);
        }
        let event = JobEvent::RunOver {
            attempt: running.attempt,
            end: end.clone(),
            usage,
            next: next.clone(),
            at: now.wall,
        };
        let leaves = match next {
            AfterRun::Complete | AfterRun::Remove { .. } => !at_end::stays(self, job, &event, now),
            AfterRun::Hold(_) | AfterRun::Requeue { .. } => false,
        };
        let mut facts: Vec<Fact> = unseen.into_iter().collect();
        facts.extend(unfinished.map(|fact| Fact::Run { run, fact }));
        facts.extend(more);
        facts.push(Fact::Job { job: id, fact: JobFact::Happened(event) });
        facts.extend(bitten);
        facts.extend(leaves.then_some(Fact::Job { job: id, fact: JobFact::Left }));
        if is_checkpoint(end) && self.goes_on_in_place(now, job, &state, running.claim) {
            facts.extend(self.authorise(now, id, running.claim));
        }
        facts
    }

    fn took_checkpoint(&self, job: JobRef<'_>, end: ProgramEnd, now: Now) -> bool {
        // Few jobs do: no ad is made for the others.
        let may = job.has_one(&[CheckpointEnd::EXIT_CODE, CheckpointEnd::BY_SIGNAL]);
        may && CheckpointEnd::of(&ads::job_ad(job, now, self)).is_some_and(|took| took.is(end))
    }

    /// Whether a job that has taken a checkpoint is started from it again at once, where it was
    /// (HTCondor 25.14), and waits for nothing.
    fn goes_on_in_place(
        &self,
        now: Now,
        job: JobRef<'_>,
        state: &JobState,
        claim: ClaimId,
    ) -> bool {
        let is_left_alone = match state {
            JobState::Running(_) | JobState::Suspended { .. } => true,
            JobState::Stopping { .. }
            | JobState::Idle { .. }
            | JobState::Held(_)
            | JobState::Completed { .. }
            | JobState::Removed { .. } => false,
        };
        let is_gang = self.claims.get(&claim).is_some_and(|claim| claim.record.gang.is_some());
        let others_wait = self.companions(claim).any(|(_, other)| other.record.run.is_some());
        is_left_alone
            && !others_wait
            && !is_gang
            && !self.timed.contains(&job.job.cluster)
            && self.is_usable(now, &claim)
    }

    fn after_run(
        &self,
        now: Now,
        job: JobRef<'_>,
        state: &JobState,
        end: &RunEnd,
        usage: Usage,
    ) -> AfterRun {
        match state {
            JobState::Stopping { cause: StopCause::Hold(hold), .. } => AfterRun::Hold(hold.clone()),
            JobState::Stopping { cause: StopCause::Remove { reason }, .. } => {
                AfterRun::Remove { reason: reason.clone() }
            }
            JobState::Stopping { cause: StopCause::Vacate { reason, .. }, .. } => match end {
                RunEnd::Vacated { .. } => AfterRun::Requeue { reason: reason.clone() },
                RunEnd::Program(_)
                | RunEnd::OutputFailed { .. }
                | RunEnd::ScriptFailed { .. }
                | RunEnd::UpToDate
                | RunEnd::StartFailed(_)
                | RunEnd::Lost { .. } => self.of_itself(now, job, end, usage),
            },
            JobState::Running(_)
            | JobState::Suspended { .. }
            | JobState::Idle { .. }
            | JobState::Held(_)
            | JobState::Completed { .. }
            | JobState::Removed { .. } => self.of_itself(now, job, end, usage),
        }
    }

    /// What follows when nobody had asked for the end.
    fn of_itself(&self, now: Now, job: JobRef<'_>, end: &RunEnd, usage: Usage) -> AfterRun {
        match end {
            RunEnd::Program(_) | RunEnd::UpToDate => at_end::after_exit(self, job, end, usage, now),
            RunEnd::OutputFailed { path, errno, over_limit: true, .. } => {
                let reason = format!(
                    "The maximum total output file transfer size was exceeded: {path} is beyond what MaxTransferOutputMB allows"
                );
                let code = HoldCode::MaxTransferOutputSizeExceeded;
                AfterRun::Hold(Hold { code, subcode: *errno, reason, since: now.wall })
            }
            RunEnd::OutputFailed { end, path, errno, .. }
                if self.took_checkpoint(job, *end, now) =>
            {
                let reason = format!(
                    "The job's checkpoint could not be kept: {path}: {}",
                    errno_text(*errno)
                );
                let code = HoldCode::FailedToCheckpoint;
                AfterRun::Hold(Hold { code, subcode: *errno, reason, since: now.wall })
            }
            RunEnd::OutputFailed { path, errno, over_limit: false, said, .. } => {
                let [here, there] = self.both_ends(job);
                let failed = TransferFailure { path, errno: *errno, said: said.as_deref() };
                let reason = failed.reason("output", &there, &here, &there);
                let code = HoldCode::TransferOutputError;
                AfterRun::Hold(Hold { code, subcode: *errno, reason, since: now.wall })
            }
            RunEnd::StartFailed(StartFailure {
                stage: StartStage::TransferInput,
                path,
                errno,
                said,
            }) => {
                let [here, there] = self.both_ends(job);
                let failed = TransferFailure { path, errno: *errno, said: said.as_deref() };
                let reason = failed.reason("input", &here, &there, &there);
                let code = HoldCode::TransferInputError;
                AfterRun::Hold(Hold { code, subcode: *errno, reason, since: now.wall })
            }
            RunEnd::StartFailed(failure) => after_start_failure(failure, job, now),
            RunEnd::ScriptFailed { script, .. } => {
                let code = match script {
                    Script::Pre => HoldCode::PreScriptFailed,
                    Script::Post => HoldCode::PostScriptFailed,
                };
                let reason = error_from(job, format!("{script} script failed."));
                AfterRun::Hold(Hold { code, subcode: 0, reason, since: now.wall })
            }
            RunEnd::Vacated { code: VacateCode::JobOutOfResources, .. } => {
                AfterRun::Hold(over_memory(job, usage, now))
            }
            RunEnd::Vacated { code, .. } => AfterRun::Requeue { reason: vacated(*code).to_owned() },
            RunEnd::Lost { reason } => AfterRun::Requeue { reason: reason.clone() },
        }
    }
}

/// A job of PBS's whose program was killed for want of memory has ended by that signal, as there.
fn killed_for_memory(job: JobRef<'_>, end: &RunEnd) -> Option<RunEnd> {
    let RunEnd::Vacated { code: VacateCode::JobOutOfResources, ended: Some(program) } = end else {
        return None;
    };
    job.has_one(&[attr::PBS_JOB_NAME]).then_some(RunEnd::Program(*program))
}

/// The hold of a job that wanted more memory than its slot has, in HTCondor 25.14's words. The
/// kernel lets nobody have more than the limit, so what was measured is no more than that.
fn over_memory(job: JobRef<'_>, usage: Usage, now: Now) -> Hold {
    let given = job.record().tally.slot_resources.map_or(0, |slot| slot.memory_mib);
    let used = usage.peak_rss_kib.div_ceil(1024);
    let reason = format!(
        "Job has gone over cgroup memory limit of {given} megabytes. Last measured usage: {used} megabytes.  Consider \
         resubmitting with a higher request_memory."
    );
    let code = HoldCode::JobOutOfResources;
    Hold { code, subcode: MEMORY_SUBCODE, reason: error_from(job, reason), since: now.wall }
}

/// The run's own end and that of what was to run whatever ends it, where that did not end well. The
/// job is none the worse for it: what it has done it has done.
fn unfinished(job: JobRef<'_>, state: &JobState, end: &RunEnd) -> Option<(RunEnd, ProgramEnd)> {
    let RunEnd::ScriptFailed { script, ended, end } = *end else { return None };
    if !script.is_at_any_end(&job.described()) {
        return None;
    }
    let own = match (stop_cause(state), end) {
        (Some(_), end) => RunEnd::Vacated { code: VacateCode::ScheddVacate, ended: end },
        (None, Some(end)) => RunEnd::Program(end),
        // Who has stopped it is not this schedd.
        (None, None) => RunEnd::vacated(VacateCode::JobShouldRequeue),
    };
    Some((own, ended))
}

impl Core {
    /// The two places between which a job's files travel: this one, and where it ran.
    fn both_ends(&self, job: JobRef<'_>) -> [String; 2] {
        let slot = job.record().tally.slot.unwrap_or_default();
        [format!("access point {}", self.config.name), format!("execution point {slot}")]
    }
}

/// Whether a run that is to end gets its signal and its grace. A job that is held or removed may
/// say that it wants neither (HTCondor 25.14: `want_graceful_removal = false`).
pub(crate) fn how_to_stop(job: JobRef<'_>, now: Now) -> StopHow {
    let JobState::Stopping { cause: StopCause::Hold(_) | StopCause::Remove { .. }, .. } =
        job.state()
    else {
        return StopHow::Graceful;
    };
    if job.has(attr::WANT_GRACEFUL_REMOVAL)
        && job.described().eval(attr::WANT_GRACEFUL_REMOVAL, None, &env(now)).truth() == Some(false)
    {
        return StopHow::Fast;
    }
    StopHow::Graceful
}

/// A file that could not be moved.
struct TransferFailure<'a> {
    path: &'a str,
    errno: i32,
    /// What a plug-in said of it.
    said: Option<&'a str>,
}

impl TransferFailure<'_> {
    /// HTCondor 25.14's words for it. A plug-in works on the machine, whichever way its files go.
    fn reason(&self, which: &str, from: &str, to: &str, machine: &str) -> String {
        let Self { path, errno, said } = self;
        if let Some(said) = said {
            let (protocol, _) = path.split_once("://").unwrap_or_default();
            return format!(
                "Transfer {which} files failure at {machine} using protocol {protocol}. Details: {said} (URL file = {path})"
            );
        }
        let cause = errno_text(*errno);
        format!(
            "Transfer {which} files failure at {from} while sending files to {to}. Details: 1 total failures: first failure: \
             reading from file {path}: (errno {errno}) {cause}"
        )
    }
}

/// A start that failed holds the job, with the code of the step, unless the step was ours.
fn after_start_failure(failure: &StartFailure, job: JobRef<'_>, now: Now) -> AfterRun {
    match hold_for_start(failure, now) {
        Ok(hold) if failure.stage == StartStage::Deferral => AfterRun::Hold(hold),
        Ok(hold) => AfterRun::Hold(Hold { reason: error_from(job, hold.reason), ..hold }),
        Err(reason) => AfterRun::Requeue { reason },
    }
}

/// The hold for a start that failed, with the code of the step, by which is told whether it may
/// pass by itself (HTCondor 25.14's texts).
///
/// # Errors
///
/// Why the job goes back into the queue, if the step was ours.
pub(crate) fn hold_for_start(failure: &StartFailure, now: Now) -> Result<Hold, String> {
    let StartFailure { stage, path, errno, said: _ } = failure;
    let cause = errno_text(*errno);
    let (code, reason) = match stage {
        StartStage::InputSize => (
            HoldCode::MaxTransferInputSizeExceeded,
            format!(
                "The maximum total input file transfer size was exceeded: {path} is beyond what MaxTransferInputMB allows"
            ),
        ),
        StartStage::Directory => {
            (HoldCode::IwdError, format!("Cannot access initial working directory {path}: {cause}"))
        }
        StartStage::Input => (
            HoldCode::UnableToOpenInput,
            format!("Failed to open '{path}' as standard input: {cause} (errno {errno})"),
        ),
        StartStage::Output => (
            HoldCode::UnableToOpenOutput,
            format!("Failed to open '{path}' as standard output: {cause} (errno {errno})"),
        ),
        StartStage::Error => (
            HoldCode::UnableToOpenOutput,
            format!("Failed to open '{path}' as standard error: {cause} (errno {errno})"),
        ),
        StartStage::Deferral => {
            let reason = "Job missed deferred execution time".to_owned();
            let code = HoldCode::MissedDeferredExecutionTime;
            return Ok(Hold { code, subcode: 0, reason, since: now.wall });
        }
        StartStage::Group => (
            HoldCode::CannotSwitchPrimaryGroup,
            format!("Cannot switch to primary_unix_group '{path}': {cause} (errno {errno})"),
        ),
        StartStage::Execute => (
            HoldCode::FailedToCreateProcess,
            format!("Failed to execute '{path}': (errno={errno}: '{cause}')"),
        ),
        StartStage::TransferInput => (
            HoldCode::TransferInputError,
            format!("Transfer input files failure: {path}: (errno {errno}) {cause}"),
        ),
        StartStage::Prepare => {
            return Err(format!("the machine could not prepare the run ({path}: {cause})"));
        }
    };
    Ok(Hold { code, subcode: *errno, reason, since: now.wall })
}

/// HTCondor 25.14's words for what a machine says went wrong.
fn error_from(job: JobRef<'_>, reason: String) -> String {
    match job.record().tally.slot {
        Some(slot) => format!("Error from {slot}: {reason}"),
        None => reason,
    }
}

fn vacated(code: VacateCode) -> &'static str {
    match code {
        VacateCode::StartdShutdown => "the machine's startd stopped",
        VacateCode::StartdDraining => "the machine is being drained",
        VacateCode::ReconnectFailed => {
            "the machine did not hear this schedd for the time of the lease"
        }
        VacateCode::ScratchDirError => "the scratch folder could not be made, or was lost",
        VacateCode::JobOutOfResources => "the run used more than its slot has",
        VacateCode::SuccessfulCheckpoint => "the job took a checkpoint",
        VacateCode::UserRequest
        | VacateCode::JobPolicyVacate
        | VacateCode::SystemPolicyVacate
        | VacateCode::UserVacateJob
        | VacateCode::JobShouldRequeue
        | VacateCode::ScheddVacate
        | VacateCode::JobRemoved => "the run was stopped",
    }
}

/// The kernel's own words for the errors that starting a program meets.
fn errno_text(errno: i32) -> String {
    let text = match errno {
        1 => "Operation not permitted",
        2 => "No such file or directory",
        5 => "Input/output error",
        7 => "Argument list too long",
        8 => "Exec format error",
        12 => "Cannot allocate memory",
        13 => "Permission denied",
        20 => "Not a directory",
        21 => "Is a directory",
        26 => "Text file busy",
        28 => "No space left on device",
        30 => "Read-only file system",
        36 => "File name too long",
        40 => "Too many levels of symbolic links",
        122 => "Disk quota exceeded",
        other => return format!("error {other}"),
    };
    text.to_owned()
}
