//! How a program ended that was stopped: in the job's ad and in the record, whoever had stopped it.

use model::JobEvent;

use crate::core::MailNews;
use crate::core::tests::*;

/// `JobStatus ExitBySignal ExitCode ExitSignal ExitReason`, as `-af` shows them.
fn exit_of(trial: &Trial) -> String {
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    let names = ["JobStatus", "ExitBySignal", "ExitCode", "ExitSignal", "ExitReason"];
    let shown = names
        .map(|name| ad.literal(name).map_or_else(|| "undefined".to_owned(), ToString::to_string));
    shown.join(" ")
}

#[test]
fn how_a_program_ended_that_was_stopped_is_shown_in_every_way_of_stopping_it() {
    let killed = Some(ProgramEnd::Signaled { signal: 15, core: false });
    let by_signal = r#"true undefined 15 "died on signal 15 (Terminated)""#;
    for (action, ended, expected) in [
        (Some(remove(false)), killed, format!("3 {by_signal}")),
        (Some(hold()), killed, format!("5 {by_signal}")),
        (Some(Action::Vacate { fast: false }), killed, format!("2 {by_signal}")),
        (None, killed, format!("2 {by_signal}")),
        (
            Some(remove(false)),
            Some(ProgramEnd::Exited { code: 3 }),
            "3 false 3 undefined undefined".to_owned(),
        ),
        (Some(remove(false)), None, "3 false undefined undefined undefined".to_owned()),
    ] {
        let mut trial = Trial::executing("LeaveJobInQueue = true");
        let by = action.clone();
        if let Some(action) = action {
            trial.acts("alice", action);
        }
        let batch = trial.ends(RunEnd::Vacated { code: VacateCode::ScheddVacate, ended });
        assert_eq!(exit_of(&trial), expected, "{by:?} {ended:?}");
        let recorded = batch.dirty.recorded.iter().any(|entry| {
            matches!(&entry.what, Happening::Job { event: JobEvent::RunOver { end, .. }, .. }
                if end.shown() == ended)
        });
        assert!(recorded, "{by:?}: {:?}", batch.dirty.recorded);
    }
}

#[test]
fn a_checkpoint_is_no_exit_of_the_job() {
    let mut trial = Trial::executing("SuccessCheckpointExitCode = 85");
    trial.ends(exited(85));
    assert_eq!(exit_of(&trial), "2 false undefined undefined undefined");
}

#[test]
fn what_could_not_be_done_whatever_ended_the_run_is_told_and_changes_nothing() {
    let own = Some(ProgramEnd::Exited { code: 3 });
    let killed = Some(ProgramEnd::Signaled { signal: 15, core: false });
    let ended = ProgramEnd::Signaled { signal: 9, core: false };
    for (action, end, (status, exit)) in [
        (None, own, (4, Some(3))),
        (Some(remove(false)), killed, (3, None)),
        (Some(Action::Vacate { fast: false }), own, (1, Some(3))),
        (Some(hold()), None, (5, None)),
    ] {
        let mut trial = Trial::executing(
            "LeaveJobInQueue = true\nPostCmd = \"b\"\nPostCmdAtAnyEnd = true\n\
             SuccessPostExitCode = 0\nPbsMailPoints = \"n\"",
        );
        let by = action.clone();
        if let Some(action) = action {
            trial.acts("alice", action);
        }
        let batch = trial.ends(RunEnd::ScriptFailed { script: Script::Post, ended, end });
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        let value = |name| ad.literal(name).and_then(classad::Value::as_i64);
        let is = value("JobStatus").map(|is| if is == 2 { 1 } else { is });
        assert_eq!((is, value("ExitCode")), (Some(status), exit), "{by:?}");
        if is != Some(1) {
            assert_eq!(value("PostCmdExitSignal"), Some(9), "{by:?}");
            assert_eq!(value("PostCmdExitCode"), None, "{by:?}");
        }
        let told = batch.mail.iter().filter(|entry| {
            matches!(&entry.news, MailNews::Pbs { lines, .. }
                if lines[0].starts_with("Post job file processing error; job "))
        });
        assert_eq!(told.count(), 1, "{by:?}: {:?}", batch.mail);
    }
}

#[test]
fn what_was_done_whatever_ended_the_run_is_told_of_every_end() {
    for ended in [RunEnd::vacated(VacateCode::ScheddVacate), exited(3)] {
        let mut trial = Trial::executing(
            "LeaveJobInQueue = true\nPostCmd = \"b\"\nPostCmdAtAnyEnd = true\n\
             SuccessPostExitCode = 0",
        );
        if let RunEnd::Vacated { .. } = ended {
            trial.acts("alice", remove(false));
        }
        trial.ends(ended.clone());
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        let code = ad.literal("PostCmdExitCode").and_then(classad::Value::as_i64);
        assert_eq!(code, Some(0), "{ended:?}");
    }
}

#[test]
fn who_is_removed_by_force_is_killed_at_once() {
    let mut trial = Trial::executing("");
    trial.acts("alice", remove(false));
    let all = Select::Any(vec![Selector::Job(JOB)]);
    let batch = trial.take(&[act("alice", remove(true), all)]);
    let is_killed = batch.effects.iter().any(|effect| {
        let killed = StopHow::Fast;
        matches!(effect, Effect::ToStartd { message: ToStartd::StopRun { how, .. }, .. }
            if *how == killed)
    });
    assert!(is_killed, "{:?}", batch.effects);
}
