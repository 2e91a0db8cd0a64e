//! The simulator finds nothing where nothing is wrong, and finds what was planted.

use super::{Plant, Scenario, run};

/// Seeds that a test may try.
const SEEDS: u64 = 60;

const STEPS: u64 = 400;

/// Long enough for a lease to end, and for the job to run again, before the faults stop.
const PLANTED_STEPS: u64 = 3000;

#[test]
fn sound_cores_survive_every_seed() {
    for seed in 0..SEEDS {
        let report = run(Scenario { seed, steps: STEPS, plant: None });
        assert!(report.is_ok(), "{}", report.err().map(|e| e.to_string()).unwrap_or_default());
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..5 {
        let scenario = Scenario { seed, steps: STEPS, plant: None };
        assert_eq!(format!("{:?}", run(scenario)), format!("{:?}", run(scenario)));
    }
}

/// Some seed must fail with an objection that contains one of these.
fn check_found(plant: Plant, objections: &[&str]) {
    let mut others = Vec::new();
    for seed in 0..10 * SEEDS {
        let outcome = run(Scenario { seed, steps: PLANTED_STEPS, plant: Some(plant) });
        match outcome {
            Err(failure) if objections.iter().any(|o| failure.what.contains(o)) => return,
            Err(failure) => others.push(failure.what),
            Ok(_) => {}
        }
    }
    panic!("{plant:?} was to be found as {objections:?}, and was found as {others:#?}");
}

#[test]
fn two_runs_of_one_job_are_found() {
    check_found(Plant::BelieveGone, &["is alive"]);
}

#[test]
fn a_lost_submission_is_found() {
    check_found(Plant::LoseSubmit, &["is lost"]);
}

#[test]
fn an_answer_before_the_commit_is_found() {
    check_found(Plant::AnswerBeforeCommit, &["is lost"]);
}

#[test]
fn a_slot_that_is_never_free_is_found() {
    check_found(Plant::NeverFree, &["the faults have stopped long ago"]);
}

#[test]
fn a_lease_counted_from_receipt_is_found() {
    check_found(Plant::LeaseFromReceipt, &["is alive", "is recorded as over, and is executed"]);
}

#[test]
fn an_order_before_its_commit_is_found() {
    check_found(Plant::SpeakBeforeCommit, &["no record authorises it"]);
}
