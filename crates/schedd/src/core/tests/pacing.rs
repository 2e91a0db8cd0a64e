//! Pauses after the start of a job.

use proto::matchmaking::Term;

use crate::core::tests::*;

const SECOND: (ClaimId, MatchId) =
    (ClaimId { journal: 7, number: 2 }, MatchId { life: 9, number: 2 });

/// How many idle jobs the negotiator was told of last, class by class; nothing if it was told
/// nothing.
fn asked(batch: &Batch) -> Option<u32> {
    let FromSchedd::Requests { changed, .. } = told(batch).pop()? else { return None };
    Some(changed.iter().map(|request| request.idle).sum())
}

fn reason(trial: &Trial, proc: u32) -> String {
    let job = trial.core.job(JobId::new(1, proc)).unwrap();
    trial.core.idle_reason(job, trial.now).to_string()
}

#[test]
fn the_start_of_a_job_that_asks_for_a_pause_makes_its_owners_next_job_wait() {
    let mut trial = Trial::new();
    trial.take(&[Input::NegotiatorUp]);
    let by = user("alice");
    let token = SubmitToken([1; 16]);
    trial.take(&[Input::Reserve { by: by.clone(), token }]);
    let spec = Arc::new(spec(3, "NextJobStartDelay = 10"));
    let batch = trial.take(&[Input::Submit { by, token, cluster: ClusterId(1), spec }]);
    assert_eq!(asked(&batch), Some(1), "no more machines than it may use");

    let batch = trial.claims(CLAIM, MATCH);
    assert_eq!(starts(&batch).len(), 1);
    let batch = trial.ends(exited(0));
    assert_eq!(starts(&batch), [], "the claim is free, and the next job waits");
    assert!(trial.core.claims.is_empty(), "no machine waits with it");
    let waits = "not yet: the job that started last asks for a pause (next_job_start_delay): next start in 10 s";
    assert_eq!(reason(&trial, 1), waits);
    assert_eq!(trial.core.next_deadline(), Some(trial.now.boot_ms + 10_000));

    assert_eq!(asked(&trial.waits(9)), None);
    assert_eq!(asked(&trial.waits(1)), Some(1));
    let batch = trial.claims(SECOND.0, SECOND.1);
    assert_eq!(starts(&batch), [RunId { job: JobId::new(1, 1), attempt: model::Attempt(1) }]);
}

#[test]
fn a_match_that_comes_during_a_pause_is_declined() {
    let mut trial = Trial::with_jobs(3, "NextJobStartDelay = 10");
    trial.claims(CLAIM, MATCH);
    trial.matched_as(SECOND.1);
    assert!(trial.core.claiming.is_empty());
}

#[test]
fn a_pause_is_as_long_as_the_job_says_and_ten_minutes_at_most() {
    let check = |lines: &str, expected: Option<u64>| {
        let mut trial = Trial::with_jobs(2, lines);
        trial.claims(CLAIM, MATCH);
        let until = trial.core.pauses.get(&UserName::new("alice"));
        assert_eq!(until.map(|ms| (ms - trial.now.boot_ms) / 1000), expected, "{lines}");
        assert_eq!(trial.core.pauses.len(), usize::from(expected.is_some()), "{lines}");
    };
    check("", None);
    check("NextJobStartDelay = 2.9", Some(2));
    check("NextJobStartDelay = ProcId * 5 + 1", Some(1));
    check("NextJobStartDelay = 10000", Some(600));
    check("NextJobStartDelay = 0", None);
    check("NextJobStartDelay = -5", None);
    check("NextJobStartDelay = Nowhere", None);
    check("NextJobStartDelay = \"5\"", None);
}

#[test]
fn other_owners_do_not_wait_for_a_pause() {
    let mut trial = Trial::with_jobs(2, "NextJobStartDelay = 10");
    trial.claims(CLAIM, MATCH);
    let by = user("bob");
    let token = SubmitToken([2; 16]);
    trial.take(&[Input::Reserve { by: by.clone(), token }]);
    let spec = Arc::new(spec(4, ""));
    let batch = trial.take(&[Input::Submit { by, token, cluster: ClusterId(2), spec }]);
    assert_eq!(asked(&batch), Some(4));
}

#[test]
fn a_queues_limit_counts_the_runs_of_that_queue_and_the_servers_those_of_all() {
    use model::queues::{Change, Edit, Object};
    use proto::client::Arrange;
    let limit = |trial: &mut Trial, object: Object, value: &str| {
        let name = "max_run".to_owned();
        let change = Change::Set { name, value: value.to_owned() };
        let what = Arrange::Settings(vec![Edit { object, change }]);
        trial.take(&[Input::Arrange { by: user("root"), what }]);
    };
    let workq = || Object::Queue("workq".to_owned());
    let mut trial = Trial::with_jobs(2, "PbsQueue = \"workq\"");
    // The job's program runs, in `workq`; another one waits there.
    trial.matched();
    trial.hears(granted(&trial));
    assert_eq!(trial.stands().0, 2);
    for (object, value, expected) in [
        (workq(), "[u:PBS_GENERIC=1]", Some("of its owner in the queue workq")),
        (workq(), "[o:PBS_ALL=1]", Some("1 of the jobs in the queue workq")),
        (workq(), "[u:bob=1]", None),
        (workq(), "[u:PBS_GENERIC=2]", None),
        (Object::Server, "[u:PBS_GENERIC=1]", Some("of its owner in the server")),
        (Object::Server, "[o:PBS_ALL=2]", None),
    ] {
        let before = trial.core.queue_settings();
        limit(&mut trial, object.clone(), value);
        let said = reason(&trial, 1);
        let is_limit = said.contains("and no more may (max_run)");
        assert_eq!(is_limit, expected.is_some(), "{object:?} {value}: {said}");
        assert!(expected.is_none_or(|words| said.contains(words)), "{object:?} {value}: {said}");
        trial.core.settings = before;
    }
}

#[test]
fn on_a_claim_with_a_term_runs_begin_within_it_and_not_after_a_restart() {
    let after = |seconds: u64| {
        let mut trial = Trial::with_jobs(2, "PbsQueue = \"workq\"\nPbsWalltime = 60");
        let offer = Match {
            id: MATCH,
            class: trial.core.classes.by_id.keys().next().copied().unwrap(),
            machine: machine(),
            address: "<10.0.0.1:9618>".to_owned(),
            resources: Resources { cpus: 1, ..Resources::default() },
            limits: Vec::new(),
            term: Some(Term { starts_s: 60, ends_s: 180 }),
            gang: None,
        };
        trial.take(&[Input::FromNegotiator(ToSchedd::Matches(vec![offer]))]);
        trial.hears(status(&trial, vec![]));
        trial.hears(granted(&trial));
        trial.waits(seconds);
        trial
    };
    let next = |mut trial: Trial| starts(&trial.ends(exited(0))).len();
    assert_eq!(next(after(20)), 1, "there is time left");
    assert_eq!(next(after(70)), 0, "the next would be over too late");
    let trial = after(20);
    let again = Core::load(config(), trial.core.rows(), trial.now);
    let until: Vec<u64> = again.claims.values().map(|claim| claim.work_until_ms).collect();
    assert_eq!(until, [trial.now.boot_ms], "nobody knows how much time is left");
}
