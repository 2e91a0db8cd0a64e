//! Two claims on one slot, whose runs take turns.

use super::*;

const SECOND: ClaimId = ClaimId { journal: 5, number: 2 };

/// A slot with two claims; on the first run 1 executes.
fn shared() -> Trial {
    let mut trial = Trial::claimed();
    check(&mut trial, share(2), &["granted slot1_1@m"]);
    let start = trial.start(1, 0);
    check(&mut trial, start, &["start 1"]);
    trial
}

/// A request for another claim on the slot of the first.
fn share(number: u64) -> ToStartd {
    let ToStartd::RequestClaim(request) = request(number, 1) else { unreachable!() };
    ToStartd::RequestClaim(Box::new(RequestClaim { shares: Some(CLAIM), ..*request }))
}

/// The start of run 7, on the second claim.
fn second(trial: &Trial) -> ToStartd {
    let ToStartd::StartRun(start) = trial.start(7, 0) else { unreachable!() };
    ToStartd::StartRun(Box::new(StartRun { claim: SECOND, ..*start }))
}

fn stop_second() -> ToStartd {
    let (run, how, aim) = (run(7), StopHow::Graceful, StopAim::Vacate);
    ToStartd::StopRun { claim: SECOND, secret: SECRET, run, ordinal: 7, how, aim }
}

#[test]
fn a_slot_has_two_claims_at_most_and_they_take_no_more_than_one() {
    let mut trial = shared();
    check(&mut trial, share(2), &["granted slot1_1@m"]);
    check(&mut trial, share(3), &["denied"]);
    // There is one processor left.
    check(&mut trial, request(4, 2), &["denied"]);
    check(&mut trial, request(5, 1), &["granted slot1_2@m"]);
    assert_eq!(trial.core.machine_state(trial.now).claims.len(), 2);
}

#[test]
fn a_run_waits_until_nothing_is_left_of_the_other_and_begins_without_another_word() {
    let mut trial = shared();
    let next = second(&trial);
    check(&mut trial, next.clone(), &[]);
    check(&mut trial, next, &[]);
    assert_eq!(quiet(trial.reports(ended(1, 13))), ["said exited 13", "start 7"]);
    // The end of the first is not recorded yet: its claim waits for that, and the slot does not.
    let recorded = ToStartd::RunRecorded { claim: CLAIM, run: run(1) };
    check(&mut trial, recorded, &["clean up 1"]);
    let start = trial.start(2, 0);
    check(&mut trial, start, &[]);
}

#[test]
fn a_run_that_is_stopped_while_it_waits_never_begins() {
    let mut trial = shared();
    let next = second(&trial);
    check(&mut trial, next, &[]);
    check(&mut trial, stop_second(), &["said vacated"]);
    assert_eq!(quiet(trial.reports(ended(1, 0))), ["said exited 0"]);
}

#[test]
fn a_run_is_called_back_only_while_it_waits() {
    let if_queued = |claim, run, ordinal| {
        let (how, aim) = (StopHow::IfQueued, StopAim::Vacate);
        ToStartd::StopRun { claim, secret: SECRET, run, ordinal, how, aim }
    };
    let mut trial = shared();
    check(&mut trial, if_queued(CLAIM, run(1), 1), &[]);
    let next = second(&trial);
    check(&mut trial, next, &[]);
    check(&mut trial, if_queued(SECOND, run(7), 7), &["said vacated"]);
    // It may overtake its start.
    check(&mut trial, if_queued(SECOND, run(8), 8), &["clean up 7", "said vacated"]);
    let ToStartd::StartRun(start) = trial.start(8, 0) else { unreachable!() };
    let late = ToStartd::StartRun(Box::new(StartRun { claim: SECOND, ..*start }));
    check(&mut trial, late, &["said vacated"]);
    assert_eq!(quiet(trial.reports(ended(1, 0))), ["said exited 0"]);
}

#[test]
fn a_run_that_waits_when_its_startd_dies_never_begins() {
    let mut trial = shared();
    let next = second(&trial);
    check(&mut trial, next, &[]);
    let state = LauncherState::Starting;
    trial.restarts(vec![LauncherRun { key: key(1), state }]);
    assert_eq!(quiet(trial.waits(0)), ["said lost"]);
    assert_eq!(quiet(trial.reports(ended(1, 0))), ["said exited 0"]);
}

#[test]
fn a_slot_is_free_when_the_last_of_its_claims_is_gone() {
    let mut trial = shared();
    let release = |claim| ToStartd::ReleaseClaim { claim, secret: SECRET };
    check(&mut trial, release(SECOND), &["said gone"]);
    check(&mut trial, share(6), &["granted slot1_1@m"]);
    trial.reports(ended(1, 0));
    check(&mut trial, release(CLAIM), &["clean up 1", "said gone"]);
    check(&mut trial, request(7, 2), &["denied"]);
    check(&mut trial, release(ClaimId { journal: 5, number: 3 }), &["said gone"]);
    check(&mut trial, request(8, 2), &["granted slot1_1@m"]);
}
