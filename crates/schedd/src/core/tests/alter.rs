//! What `qalter` changes, and what it finds changed meanwhile.

use model::queues::Denied;
use proto::client::{Alteration, Arrange};

use crate::core::tests::*;

fn alteration(changes: &str, runs: bool) -> Alteration {
    let ad = ClassAd::parse_old(changes).unwrap();
    let procs = Procs::Counted { count: 1, template: ProcTemplate::default() };
    let changes = ClusterSpec { ad, procs };
    Alteration { cluster: ClusterId(1), changes, runs, spares_running: false, user_hold: None }
}

fn alter(trial: &mut Trial, by: &str, alteration: Alteration) -> Option<Answer> {
    let what = Arrange::Alter(Box::new(alteration));
    trial.take(&[Input::Arrange { by: user(by), what }]).answers.remove(0)
}

fn refused(denied: Denied) -> Option<Answer> {
    Some(Answer::Refused(Refusal::Denied(denied)))
}

fn code(trial: &Trial) -> Option<i64> {
    let ad = trial.core.job_ad(trial.now, JobId::new(1, 0)).unwrap();
    ad.literal("HoldReasonCode").and_then(classad::Value::as_i64)
}

#[test]
fn a_job_that_runs_meanwhile_is_not_altered_as_one_that_waits() {
    let mut trial = Trial::executing("");
    assert_eq!(alter(&mut trial, "alice", alteration("Foo = 1", false)), refused(Denied::BadState));
    let other = alteration("Foo = 1", true);
    assert_eq!(alter(&mut trial, "bob", other.clone()), refused(Denied::NotPermitted));
    assert_eq!(alter(&mut trial, "alice", other), Some(Answer::Done));
    let ad = trial.core.job_ad(trial.now, JobId::new(1, 0)).unwrap();
    assert_eq!(ad.literal("Foo").and_then(classad::Value::as_i64), Some(1));
    let own = alteration("JobStatus = 4", true);
    assert_eq!(alter(&mut trial, "alice", own), refused(Denied::ReadOnly));
}

#[test]
fn what_runs_is_given_no_longer_walltime_but_by_superusers() {
    for (walltime, by, expected) in [
        ("50", "alice", Some(Answer::Done)),
        ("61", "alice", refused(Denied::BadState)),
        ("undefined", "alice", refused(Denied::BadState)),
        ("61", "root", Some(Answer::Done)),
    ] {
        let mut trial = Trial::executing("PbsWalltime = 60");
        let change = alteration(&format!("PbsWalltime = {walltime}"), true);
        assert_eq!(alter(&mut trial, by, change), expected, "{walltime} by {by}");
    }
}

#[test]
fn a_job_is_held_by_its_user_its_time_and_others_one_after_another() {
    let mut trial = Trial::with_jobs(1, "");
    trial.submit(SubmitToken([2; 16]), spec(1, "JobStatus = 5"));
    let later = trial.now.wall.as_secs() + 1000;
    let waits = format!("WaitsForJobs = \"afterany:2\"\nPbsExecutionTime = {later}");
    let held = Alteration { user_hold: Some(true), ..alteration(&waits, false) };
    assert_eq!(alter(&mut trial, "alice", held), Some(Answer::Done));
    assert_eq!(code(&trial), Some(i64::from(HoldCode::WaitsForJobs.number())));
    let none = alteration("WaitsForJobs = undefined", false);
    assert_eq!(alter(&mut trial, "alice", none), Some(Answer::Done));
    assert_eq!(code(&trial), Some(i64::from(HoldCode::UserRequest.number())));
    let free = Alteration { user_hold: Some(false), ..alteration("", false) };
    assert_eq!(alter(&mut trial, "alice", free), Some(Answer::Done));
    assert_eq!(code(&trial), Some(i64::from(HoldCode::SubmittedOnHold.number())));
    let now = alteration("PbsExecutionTime = 1", false);
    assert_eq!(alter(&mut trial, "alice", now), Some(Answer::Done));
    assert_eq!(code(&trial), None);
}
