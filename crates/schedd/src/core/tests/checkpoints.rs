//! Jobs that end to say that they have taken a checkpoint.

use crate::core::tests::*;

const TAKES: &str = "UserLog = \"/log\"\nSuccessCheckpointExitCode = 85\n";

fn number(trial: &Trial, name: &str) -> i64 {
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    ad.eval(name, None, &classad::Env::at(0)).as_i64().unwrap_or(-1)
}

#[test]
fn a_job_that_has_taken_a_checkpoint_goes_on_where_it_is() {
    let mut trial = Trial::executing(TAKES);
    let batch = trial.ends(exited(85));
    assert_eq!(entries(&batch), ["003"]);
    assert_eq!(starts(&batch), [RunId { job: JOB, attempt: model::Attempt(2) }]);
    assert_eq!(trial.stands(), (2, None));
    assert_eq!((number(&trial, "NumCkpts"), number(&trial, "NumJobCompletions")), (1, 0));
    assert_eq!(number(&trial, "NumVacates"), -1, "it was not vacated");
}

#[test]
fn what_follows_a_checkpoint_depends_on_what_was_asked_meanwhile() {
    // What the job says, what is done to it while it runs, how it ends; how it stands, and what its
    // log tells of the end.
    let check = |lines: &str,
                 act: Option<Action>,
                 end: RunEnd,
                 stands: (i64, Option<i64>),
                 told: &[&str]| {
        let mut trial = Trial::executing(&format!("{TAKES}{lines}"));
        if let Some(act) = act.clone() {
            trial.acts("alice", act);
        }
        let batch = trial.ends(end.clone());
        assert_eq!(trial.stands(), stands, "{lines} {act:?} {end:?}");
        assert_eq!(entries(&batch), told, "{lines} {act:?} {end:?}");
    };
    let failed = |code| RunEnd::OutputFailed {
        end: ProgramEnd::Exited { code },
        path: "/scratch/state".to_owned(),
        errno: 2,
        over_limit: false,
        said: None,
    };
    check("", None, exited(0), (0, None), &["005"]);
    check("OnExitHold = true", None, exited(85), (2, None), &["003"]);
    check("OnExitHold = true", None, exited(0), (5, Some(3)), &["012"]);
    check("", Some(hold()), exited(85), (5, Some(1)), &["004", "012"]);
    check("", Some(remove(false)), exited(85), (0, None), &["004", "009"]);
    // It is started again, but not in the same breath.
    check("", Some(Action::Vacate { fast: false }), exited(85), (2, None), &["004"]);
    check("", None, failed(85), (5, Some(36)), &["021", "004", "012"]);
    check("", None, failed(0), (5, Some(12)), &["021", "004", "012"]);
}
