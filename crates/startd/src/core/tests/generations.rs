//! A queue that is put in the place of another, as its startds see it.

use super::*;

fn comes(trial: &mut Trial, generation: u64) -> Vec<String> {
    let up = Input::ScheddUp { schedd: schedd(), near: true, generation };
    trial.take(&[Input::ScheddDown { schedd: schedd() }, up])
}

#[test]
fn a_newer_queue_hears_nothing_before_what_ran_for_the_older_is_over() {
    let mut trial = Trial::claimed();
    let start = trial.start(1, 0);
    check(&mut trial, start, &["start 1"]);
    assert_eq!(comes(&mut trial, 1), ["status of 1"], "the same queue goes on");
    assert_eq!(comes(&mut trial, 2), ["stop 1 by 9 in 0 ms"]);
    check(&mut trial, request(2, 1), &[]);
    // A restart and a new connection change nothing.
    let alive = LauncherRun { key: key(1), state: LauncherState::Starting };
    assert!(!trial.restarts_for(vec![alive], 2).iter().any(|word| word.starts_with("status")));
    let said = trial.reports(ended(1, 0));
    assert!(said.iter().any(|word| word == "status of 1"), "the new claim: {said:?}");
    assert!(!said.iter().any(|word| word == "said gone"), "{said:?}");
    assert!(comes(&mut trial, 1).is_empty(), "the older queue is refused");
    assert!(trial.core.is_replaced(&schedd(), 1) && !trial.core.is_replaced(&schedd(), 2));
}

#[test]
fn a_claim_of_an_older_queue_that_nothing_runs_on_goes_at_once() {
    let mut trial = Trial::claimed();
    assert_eq!(comes(&mut trial, 3), ["advertise", "status of 0"]);
}
