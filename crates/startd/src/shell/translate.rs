//! The launcher's words into the core's. Pure.

use launcher::wire;
use model::{RunEnd, StartFailure, StartStage, Timestamp, Usage, VacateCode};
use nix::errno::Errno;

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
    match (&end.outcome, end.killed_by) {
        (wire::Outcome::Lost, _) => {
            let reason = "its keeper was killed, so nobody knows how it ended".to_owned();
            RunEnd::Lost { reason }
        }
        (wire::Outcome::StartFailed { stage, path, errno }, _) => {
            let path = path.as_path().to_string_lossy();
            RunEnd::StartFailed(StartFailure::at(start_stage(*stage), path, *errno))
        }
        (_, Some(wire::KilledBy::Lease)) => RunEnd::Vacated { code: VacateCode::ReconnectFailed },
        (wire::Outcome::Exited { code }, _) => RunEnd::Exited { code: *code },
        (wire::Outcome::Signaled { signal, core }, _) => {
            RunEnd::Signaled { signal: *signal, core: *core }
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
        | wire::Stage::Limits
        | wire::Stage::Nice
        | wire::Stage::Groups
        | wire::Stage::Gid
        | wire::Stage::Uid
        | wire::Stage::NoNewPrivs => StartStage::Prepare,
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

    fn check(outcome: wire::Outcome, killed_by: Option<wire::KilledBy>, expected: &RunEnd) {
        let usage = wire::Usage::default();
        let end = wire::End { outcome, killed_by, usage, started_ms: None, ended_ms: 7 };
        assert_eq!(run_end(&end), *expected);
    }

    #[test]
    fn an_end_says_who_was_at_fault() {
        use wire::KilledBy::{Lease, Request};
        check(wire::Outcome::Exited { code: 13 }, None, &RunEnd::Exited { code: 13 });
        // Why it was asked for is the core's knowledge.
        let killed = wire::Outcome::Signaled { signal: 15, core: false };
        check(killed.clone(), Some(Request), &RunEnd::Signaled { signal: 15, core: false });
        check(killed, Some(Lease), &RunEnd::Vacated { code: VacateCode::ReconnectFailed });
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
