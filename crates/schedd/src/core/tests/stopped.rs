//! How a program ended that was stopped: in the job's ad and in the record, whoever had stopped it.

use model::JobEvent;

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
