//! The launcher's words into the core's. Pure.

use launcher::wire;
use model::{ProgramEnd, RunEnd, Script, StartFailure, StartStage, Timestamp, Usage, VacateCode};
use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::core::RunKey;

/// The launcher's name for a run.
pub(crate) fn wire_key(key: RunKey) -> wire::RunKey {
    let text = key.to_string();
    wire::RunKey::try_from(text).unwrap_or_else(|error| panic!("run key {key}: {error}"))
}

/// The core's name for a run; `None` if the run is not a startd's.
pub(crate) fn core_key(key: &wire::RunKey) -> Option<RunKey> {
    key.as_str().parse().ok()
}

/// How a run ended.
pub(crate) fn run_end(end: &wire::End) -> RunEnd {
    if end.out_of_memory && end.killed_by.is_none() && is_killed(end) {
        let (code, ended) = (VacateCode::JobOutOfResources, program_end(&end.outcome));
        return RunEnd::Vacated { code, ended };
    }
    match &end.failed {
        // Somebody else may have the job by now.
        Some(failed) if end.killed_by != Some(wire::KilledBy::Lease) => {
            script_failed(failed, &end.outcome)
        }
        Some(_) | None => outcome_end(&end.outcome, end.killed_by),
    }
}

/// Whether the program whose turn it was has been killed.
fn is_killed(end: &wire::End) -> bool {
    let last = end.failed.as_ref().map_or(&end.outcome, |failed| &failed.outcome);
    let (kill, before) = (Signal::SIGKILL as i32, Errno::EINTR as i32);
    match last {
        wire::Outcome::Signaled { signal, .. } => *signal == kill,
        // Before it was the program.
        wire::Outcome::StartFailed { stage: wire::Stage::Exec, errno, .. } => *errno == before,
        wire::Outcome::Exited { .. }
        | wire::Outcome::StartFailed { .. }
        | wire::Outcome::NotExecuted
        | wire::Outcome::Lost => false,
    }
}

/// One that a script before or after its program has ended. A script that could not be executed
/// counts as a program that could not.
fn script_failed(failed: &wire::FailedScript, outcome: &wire::Outcome) -> RunEnd {
    let script = match failed.step {
        wire::Step::Before => Script::Pre,
        // A companion can only fail to be executed.
        wire::Step::Main | wire::Step::Beside | wire::Step::After => Script::Post,
    };
    match outcome_end(&failed.outcome, None) {
        RunEnd::Program(ended) => {
            let end = program_end(outcome).filter(|_| script == Script::Post);
            RunEnd::ScriptFailed { script, ended, end }
        }
        ended @ (RunEnd::StartFailed(_)
        | RunEnd::OutputFailed { .. }
        | RunEnd::ScriptFailed { .. }
        | RunEnd::UpToDate
        | RunEnd::Vacated { .. }
        | RunEnd::Lost { .. }) => ended,
    }
}

fn outcome_end(outcome: &wire::Outcome, killed_by: Option<wire::KilledBy>) -> RunEnd {
    match (outcome, killed_by) {
        (wire::Outcome::Lost, _) => {
            let reason = "its keeper was killed, so nobody knows how it ended".to_owned();
            RunEnd::Lost { reason }
        }
        (wire::Outcome::StartFailed { stage, path, errno }, _) => {
            let path = path.as_path().to_string_lossy();
            RunEnd::StartFailed(StartFailure::at(start_stage(*stage), path, *errno))
        }
        (_, Some(wire::KilledBy::Lease)) => {
            RunEnd::Vacated { code: VacateCode::ReconnectFailed, ended: program_end(outcome) }
        }
        // It was told to end before its turn came; why is the core's knowledge.
        (wire::Outcome::NotExecuted, _) => RunEnd::killed(Signal::SIGTERM as i32),
        (wire::Outcome::Exited { code }, _) => RunEnd::exited(*code),
        (wire::Outcome::Signaled { signal, core }, _) => {
            RunEnd::Program(ProgramEnd::Signaled { signal: *signal, core: *core })
        }
    }
}

/// How the program itself ended, where that is known.
fn program_end(outcome: &wire::Outcome) -> Option<ProgramEnd> {
    match outcome {
        wire::Outcome::Exited { code } => Some(ProgramEnd::Exited { code: *code }),
        wire::Outcome::Signaled { signal, core } => {
            Some(ProgramEnd::Signaled { signal: *signal, core: *core })
        }
        wire::Outcome::NotExecuted | wire::Outcome::StartFailed { .. } | wire::Outcome::Lost => {
            None
        }
    }
}

/// How a run that the launcher did not take counts.
pub(crate) fn refused(refusal: &wire::Refusal) -> RunEnd {
    match refusal {
        wire::Refusal::Invalid { field, .. } => {
            let errno = Errno::EINVAL as i32;
            RunEnd::StartFailed(StartFailure::at(StartStage::Execute, field, errno))
        }
        wire::Refusal::Version { .. }
        | wire::Refusal::Duplicate(_)
        | wire::Refusal::NoSuchRun(_)
        | wire::Refusal::Ended(_)
        | wire::Refusal::Alive(_)
        | wire::Refusal::Identity { .. }
        | wire::Refusal::TooManyRuns(_)
        | wire::Refusal::Failed { .. } => RunEnd::Lost { reason: refusal.to_string() },
    }
}

fn start_stage(stage: wire::Stage) -> StartStage {
    match stage {
        wire::Stage::Chdir => StartStage::Directory,
        wire::Stage::Stdin => StartStage::Input,
        wire::Stage::Stdout => StartStage::Output,
        wire::Stage::Stderr => StartStage::Error,
        wire::Stage::Exec => StartStage::Execute,
        wire::Stage::Record
        | wire::Stage::User
        | wire::Stage::Cgroup
        | wire::Stage::Clone
        | wire::Stage::Session
        | wire::Stage::Private
        | wire::Stage::Limits
        | wire::Stage::Nice
        | wire::Stage::Groups
        | wire::Stage::Gid
        | wire::Stage::Uid
        | wire::Stage::NoNewPrivs
        | wire::Stage::Stop => StartStage::Prepare,
    }
}

/// What an ended run used.
pub(crate) fn usage_of_end(end: &wire::End) -> Usage {
    Usage {
        started: end.started_ms.map(timestamp),
        ended: Some(timestamp(end.ended_ms)),
        ..usage(&end.usage)
    }
}

/// What a run has used so far.
pub(crate) fn usage(usage: &wire::Usage) -> Usage {
    Usage {
        user_us: usage.user_us,
        sys_us: usage.sys_us,
        peak_rss_kib: usage.peak_rss_kib,
        peak_vmem_kib: u32::try_from(usage.peak_vmem_kib).unwrap_or(u32::MAX),
        peak_process_kib: u32::try_from(usage.peak_process_kib).unwrap_or(u32::MAX),
        ended: usage.program_ended_ms.map(timestamp),
        ..Usage::default()
    }
}

/// A moment of the wall clock.
pub(crate) fn timestamp(unix_ms: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(unix_ms).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> wire::End {
        wire::End {
            outcome: wire::Outcome::NotExecuted,
            failed: None,
            killed_by: None,
            usage: wire::Usage::default(),
            started_ms: None,
            ended_ms: 7,
            out_of_memory: false,
        }
    }

    #[test]
    fn who_is_killed_for_want_of_memory_is_told_apart_from_who_was_told_to_end_or_ended_himself() {
        let killed = || wire::Outcome::Signaled { signal: 9, core: false };
        let ended = Some(ProgramEnd::Signaled { signal: 9, core: false });
        let (stage, path) = (wire::Stage::Exec, wire::OsBytes::from("x"));
        let unborn = wire::Outcome::StartFailed { stage, path, errno: Errno::EINTR as i32 };
        let code = VacateCode::JobOutOfResources;
        for (outcome, killed_by, expected) in [
            (killed(), None, RunEnd::Vacated { code, ended }),
            (unborn, None, RunEnd::vacated(code)),
            (killed(), Some(wire::KilledBy::Request), RunEnd::killed(9)),
            // A part of it was killed, and it has made the best of that.
            (wire::Outcome::Exited { code: 3 }, None, RunEnd::exited(3)),
        ] {
            let end = wire::End { outcome, killed_by, out_of_memory: true, ..nothing() };
            assert_eq!(run_end(&end), expected);
        }
        let failed = Some(wire::FailedScript { step: wire::Step::Before, outcome: killed() });
        let end = wire::End { failed, out_of_memory: true, ..nothing() };
        assert_eq!(run_end(&end), RunEnd::vacated(code));
    }

    fn check(outcome: wire::Outcome, killed_by: Option<wire::KilledBy>, expected: &RunEnd) {
        let end = wire::End { outcome, killed_by, ..nothing() };
        assert_eq!(run_end(&end), *expected);
    }

    fn check_script(
        step: wire::Step,
        ended: wire::Outcome,
        outcome: wire::Outcome,
        expected: &RunEnd,
    ) {
        let failed = Some(wire::FailedScript { step, outcome: ended });
        let end = wire::End { outcome, failed, ..nothing() };
        assert_eq!(run_end(&end), *expected);
    }

    #[test]
    fn a_script_that_failed_is_the_end_and_what_the_program_did_is_not_lost() {
        use wire::Outcome::{Exited, NotExecuted, StartFailed};
        use wire::Step::{After, Before};
        let ended = ProgramEnd::Exited { code: 7 };
        let script = Script::Pre;
        let failed = RunEnd::ScriptFailed { script, ended, end: None };
        check_script(Before, Exited { code: 7 }, NotExecuted, &failed);
        let (script, end) = (Script::Post, Some(ProgramEnd::Exited { code: 1 }));
        let failed = RunEnd::ScriptFailed { script, ended, end };
        check_script(After, Exited { code: 7 }, Exited { code: 1 }, &failed);
        let path = wire::OsBytes::from("x");
        let missing = StartFailed { stage: wire::Stage::Exec, path, errno: 2 };
        let failed = RunEnd::StartFailed(StartFailure::at(StartStage::Execute, "x", 2));
        check_script(Before, missing.clone(), NotExecuted, &failed);
        check_script(After, missing, Exited { code: 0 }, &failed);
    }

    #[test]
    fn an_end_says_who_was_at_fault() {
        use wire::KilledBy::{Lease, Request};
        check(wire::Outcome::Exited { code: 13 }, None, &RunEnd::exited(13));
        // Why it was asked for is the core's knowledge.
        let killed = wire::Outcome::Signaled { signal: 15, core: false };
        check(killed.clone(), Some(Request), &RunEnd::killed(15));
        let in_its_script = RunEnd::killed(15);
        check(wire::Outcome::NotExecuted, Some(Request), &in_its_script);
        let ended = Some(ProgramEnd::Signaled { signal: 15, core: false });
        let stopped = RunEnd::Vacated { code: VacateCode::ReconnectFailed, ended };
        check(killed, Some(Lease), &stopped);
        for (stage, expected) in [
            (wire::Stage::Stdout, StartStage::Output),
            (wire::Stage::Exec, StartStage::Execute),
            (wire::Stage::Gid, StartStage::Prepare),
        ] {
            let outcome =
                wire::Outcome::StartFailed { stage, path: wire::OsBytes::from("x"), errno: 2 };
            let failure = StartFailure::at(expected, "x", 2);
            check(outcome, None, &RunEnd::StartFailed(failure));
        }
    }

    #[test]
    fn a_key_survives_the_launcher_and_another_daemons_key_is_none() {
        let key: RunKey = "00000000000000ff-3-1".parse().unwrap();
        assert_eq!(core_key(&wire_key(key)), Some(key));
        assert_eq!(core_key(&wire::RunKey::try_from("dagman-7").unwrap()), None);
    }
}
