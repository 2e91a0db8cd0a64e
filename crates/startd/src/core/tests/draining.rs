//! A machine that is drained: what it has ends or goes on, and nothing new begins.

use proto::draining::{Drain, DrainHow};

use super::*;

fn drained(trial: &mut Trial, how: DrainHow) -> Vec<String> {
    let drain = Drain { how, reason: "new disk".to_owned(), since: trial.now.wall };
    quiet(trial.take(&[Input::Drain(Some(drain))]))
}

fn recorded(trial: &mut Trial, job: u32) -> Vec<String> {
    quiet(trial.orders(ToStartd::RunRecorded { claim: CLAIM, run: run(job) }))
}

#[test]
fn what_runs_goes_on_and_its_claim_goes_with_the_record_of_its_end() {
    let mut trial = Trial::claimed();
    let start = trial.start(1, 0);
    check(&mut trial, start, &["start 1"]);
    assert_eq!(drained(&mut trial, DrainHow::Finish), [""; 0]);
    check(&mut trial, request(2, 1), &["denied"]);
    trial.reports(ended(1, 0));
    assert_eq!(recorded(&mut trial, 1), ["clean up 1", "said gone"]);
}

#[test]
fn a_claim_without_a_run_goes_at_once_and_is_granted_again_afterwards() {
    let mut trial = Trial::claimed();
    assert_eq!(drained(&mut trial, DrainHow::Finish), ["said gone"]);
    assert_eq!(drained(&mut trial, DrainHow::Finish), [""; 0], "the same again");
    trial.restarts(vec![]);
    check(&mut trial, request(2, 1), &["denied"]);
    trial.take(&[Input::Drain(None)]);
    check(&mut trial, request(3, 1), &["granted slot1_1@m"]);
}

#[test]
fn with_now_what_runs_is_stopped_and_killed_if_that_is_said_later() {
    let mut trial = Trial::claimed();
    let start = trial.start(1, 0);
    check(&mut trial, start, &["start 1"]);
    assert_eq!(drained(&mut trial, DrainHow::Requeue), ["stop 1 by 15 in 5000 ms"]);
    assert_eq!(drained(&mut trial, DrainHow::Kill), ["stop 1 by 9 in 0 ms"]);
}

#[test]
fn a_run_that_was_ordered_before_its_schedd_knew_never_begins() {
    let mut trial = Trial::claimed();
    let start = trial.start(1, 0);
    check(&mut trial, start, &["start 1"]);
    drained(&mut trial, DrainHow::Finish);
    trial.reports(ended(1, 0));
    let next = trial.start(2, 0);
    check(&mut trial, next, &["clean up 1", "said vacated"]);
    assert_eq!(recorded(&mut trial, 2), ["clean up 2", "said gone"]);
}
