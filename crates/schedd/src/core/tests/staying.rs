//! Finished jobs that stay in the queue (`leave_in_queue`).

use crate::core::tests::*;

#[test]
fn a_completed_job_that_stays_is_removed_as_any_other_and_stays_until_it_is_forced_or_wants_to_go()
{
    let remove = |force| Action::Remove { reason: None, force };
    let completed = |stays: &str| {
        let log = "Iwd = \"/\"\nUserLog = \"/log\"";
        let mut trial = Trial::executing(&format!("{log}\nLeaveJobInQueue = {stays}"));
        trial.ends(exited(3));
        assert_eq!(trial.stands().0, 4, "{stays}");
        trial
    };
    let mut trial = completed("true");
    assert_eq!(
        trial.acts("alice", remove(true)),
        ActResult::BadStatus,
        "it was not removed before"
    );
    let select = Select::Any(vec![Selector::Job(JOB)]);
    let batch = trial.take(&[Input::Act {
        by: user("alice"),
        action: remove(false),
        select,
        through: FrontEnd::HtCondor,
    }]);
    assert_eq!(entries(&batch), ["009"]);
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    let value = |name| ad.literal(name).and_then(classad::Value::as_i64);
    assert_eq!(
        (value("JobStatus"), value("LastJobStatus"), value("ExitCode")),
        (Some(3), Some(4), Some(3))
    );
    assert!(value("CompletionDate").is_some());
    assert_eq!(trial.acts("alice", remove(false)), ActResult::AlreadyDone);
    assert_eq!(trial.acts("alice", remove(true)), ActResult::Done);
    assert_eq!(trial.stands().0, 0);

    let mut trial = completed("JobStatus == 4");
    assert_eq!(trial.acts("alice", remove(false)), ActResult::Done);
    assert_eq!(trial.stands().0, 0, "as a removed job it does not want to stay");

    let mut trial = completed("time() - EnteredCurrentStatus < 100");
    trial.acts("alice", remove(false));
    trial.waits(50);
    assert_eq!(trial.stands().0, 3);
    trial.waits(100);
    assert_eq!(trial.stands().0, 0);
}
