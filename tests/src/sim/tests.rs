//! The simulator finds nothing where nothing is wrong, and finds what was planted.

use super::{Plant, Scenario, run};

/// Seeds that a test may try.
const SEEDS: u64 = 60;

const STEPS: u64 = 400;

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

fn check_found(plant: Plant, objection: &str) {
    let found: Vec<String> = (0..SEEDS)
        .filter_map(|seed| run(Scenario { seed, steps: STEPS, plant: Some(plant) }).err())
        .map(|failure| failure.what)
        .collect();
    assert!(
        found.iter().any(|what| what.contains(objection)),
        "{plant:?} was to be found as '{objection}', and was found as {found:#?}"
    );
}

#[test]
fn two_runs_of_one_job_are_found() {
    check_found(Plant::BelieveGone, "is alive");
}

#[test]
fn a_lost_submission_is_found() {
    check_found(Plant::LoseSubmit, "is lost");
}

#[test]
fn an_answer_before_the_commit_is_found() {
    check_found(Plant::AnswerBeforeCommit, "is lost");
}

#[test]
fn a_slot_that_is_never_free_is_found() {
    check_found(Plant::NeverFree, "the faults have stopped long ago");
}

#[test]
fn a_lease_counted_from_receipt_is_found() {
    check_found(Plant::LeaseFromReceipt, "is alive");
}

#[test]
fn an_order_before_its_commit_is_found() {
    check_found(Plant::SpeakBeforeCommit, "no record authorises it");
}
