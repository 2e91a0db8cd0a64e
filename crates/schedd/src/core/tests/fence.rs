//! A queue that was put back from a copy, before its jobs may start.

use model::Seq;

use crate::core::RanOn;
use crate::core::tests::*;

/// The same queue with one idle job, as the second in its place; what it tells the negotiator.
fn put_back(ran_on: Option<Vec<RanOn>>) -> (Trial, Option<u32>) {
    let trial = Trial::with_jobs(1, "");
    let config = CoreConfig { generation: 2, ran_on, ..config() };
    let core = Core::load(config, trial.core.rows(), trial.now);
    let mut trial = Trial { core, now: trial.now };
    let asked = asked(&trial.take(&[Input::NegotiatorUp]));
    (trial, asked)
}

/// How many idle jobs the negotiator was told of, if it was told anything.
fn asked(batch: &Batch) -> Option<u32> {
    let FromSchedd::Requests { changed, .. } = told(batch).pop()? else { return None };
    Some(changed.iter().map(|request| request.idle).sum())
}

fn ran_here() -> RanOn {
    RanOn { machine: machine(), address: "<10.0.0.1:9618>".to_owned(), lease_s: 60 }
}

fn why(trial: &Trial) -> String {
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    ad.literal(attr::IDLE_REASON).and_then(classad::Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn nothing_starts_before_each_machine_that_had_runs_has_answered() {
    let (mut trial, asked_first) = put_back(Some(vec![ran_here()]));
    assert_eq!(asked_first, Some(0));
    assert!(why(&trial).contains("has answered, or in 72 s"), "{}", why(&trial));
    let connects = |effect: &Effect| matches!(effect, Effect::Connect { .. });
    assert!(trial.core.resume().iter().any(connects), "it is called");
    assert_eq!(asked(&trial.hears(status(&trial, vec![]))), Some(1));
    let again = Core::load(
        CoreConfig { generation: 2, ran_on: Some(vec![ran_here()]), ..config() },
        trial.core.rows(),
        trial.now,
    );
    assert_eq!(again.fenced_until(), None, "a restart afterwards does not wait again");
}

#[test]
fn nothing_starts_before_the_longest_lease_is_over_where_nobody_answers() {
    for (ran_on, wait_s) in [(Some(vec![ran_here()]), 72), (None, 2458)] {
        let (mut trial, asked_first) = put_back(ran_on);
        assert_eq!(asked_first, Some(0));
        assert_eq!(asked(&trial.waits(wait_s - 1)).unwrap_or(0), 0, "{wait_s}");
        assert_eq!(asked(&trial.waits(1)), Some(1), "{wait_s}");
    }
}

#[test]
fn where_nothing_ran_everything_may_start_at_once() {
    assert_eq!(put_back(Some(Vec::new())).1, Some(1));
}

#[test]
fn its_record_goes_on_above_all_numbers_of_the_queue_that_it_replaces() {
    let (mut trial, _) = put_back(Some(Vec::new()));
    let (copied, above) = (trial.core.rows().last_seq, Seq::before_generation(2));
    assert!(copied < above && copied > Seq(0), "{copied}");
    assert_eq!(trial.acts("alice", hold()), ActResult::Done);
    assert_eq!(trial.core.rows().last_seq, above.next(), "whoever stands anywhere below hears it");
    assert_eq!(trial.acts("alice", release()), ActResult::Done);
    assert_eq!(trial.core.rows().last_seq, above.next().next());
}
