//! Acts on very many jobs, done a slice at a time.

use crate::core::tests::*;

/// What a user is told of an act that takes more than one batch, in parts.
fn parts(trial: &mut Trial, action: &Action, select: &Select) -> Vec<Vec<(JobId, ActResult)>> {
    let told = |batch: &Batch| {
        let acted = batch.acted.as_ref().unwrap();
        let one = |acted: &proto::client::Acted| (acted.job.unwrap(), acted.result);
        (acted.results.iter().map(one).collect(), acted.is_last)
    };
    let batch = trial.take(&[act("alice", action.clone(), select.clone())]);
    assert_eq!((&batch.answers[..], batch.begun.len()), (&[None][..], 1));
    let (part, mut is_last) = told(&batch);
    let mut parts = vec![part];
    while !is_last {
        assert_eq!(trial.core.next_deadline(), Some(0), "the next slice is not waited for");
        // What a restart finds goes on.
        trial.core = Core::load(trial.core.config.clone(), trial.core.rows(), trial.now);
        let (part, last) = told(&trial.take(&[]));
        parts.push(part);
        is_last = last;
    }
    parts
}

fn sliced(count: u32, lines: &str) -> Trial {
    let mut trial = Trial::with_jobs(count, lines);
    trial.core.config.slice = 3;
    trial
}

fn statuses(trial: &Trial, procs: std::ops::Range<u32>) -> Vec<i64> {
    let status = |proc| {
        let ad = trial.core.job_ad(trial.now, JobId::new(1, proc))?;
        ad.literal(attr::JOB_STATUS).and_then(classad::Value::as_i64)
    };
    procs.map(|proc| status(proc).unwrap_or(0)).collect()
}

const fn job(proc: u32) -> JobId {
    JobId::new(1, proc)
}

#[test]
fn an_act_on_many_jobs_is_done_in_slices_and_tells_of_each_job_once() {
    let mut trial = sliced(7, "");
    for select in [
        Select::All,
        Select::Any(vec![Selector::Cluster(ClusterId(1))]),
        Select::Any(vec![Selector::Owner(UserName::new("alice"))]),
        Select::Any((0..7).map(|proc| Selector::Job(job(proc))).collect()),
        Select::Constraint("ProcId >= 0".parse().unwrap()),
    ] {
        let told = parts(&mut trial, &hold(), &select);
        let sizes: Vec<usize> = told.iter().map(Vec::len).collect();
        assert_eq!(sizes, [3, 3, 1], "{select:?}");
        let all: Vec<_> = told.concat();
        assert_eq!(all, (0..7).map(|n| (job(n), ActResult::Done)).collect::<Vec<_>>());
        assert_eq!(statuses(&trial, 0..7), [5; 7]);
        parts(&mut trial, &Action::Release { reason: None }, &Select::All);
        assert_eq!(statuses(&trial, 0..7), [1; 7]);
    }
}

#[test]
fn others_are_served_between_two_slices() {
    let mut trial = sliced(7, "");
    trial.take(&[act("alice", hold(), Select::All)]);
    assert_eq!(statuses(&trial, 0..7), [5, 5, 5, 1, 1, 1, 1]);
    let one = act("alice", remove(false), Select::Any(vec![Selector::Job(job(6))]));
    let batch = trial.take(&[one]);
    assert!(matches!(batch.answers[0], Some(Answer::Acted(_))));
    assert_eq!(statuses(&trial, 0..7), [5, 5, 5, 5, 5, 5, 0]);
}

#[test]
fn what_is_submitted_while_an_act_goes_on_is_not_meant_by_it() {
    let mut trial = sliced(7, "");
    trial.take(&[act("alice", hold(), Select::All)]);
    trial.submit(SubmitToken([2; 16]), spec(1, ""));
    trial.take(&[]);
    trial.take(&[]);
    let ad = trial.core.job_ad(trial.now, JobId::new(2, 0)).unwrap();
    assert_eq!(ad.literal(attr::JOB_STATUS).and_then(classad::Value::as_i64), Some(1));
    assert!(!trial.core.has_long_acts());
}

#[test]
fn a_word_that_names_nothing_is_told_once_and_a_factory_ends_first() {
    let mut trial = sliced(9, "JobMaterializeLimit = 2");
    let words = vec![Selector::Cluster(ClusterId(1)), Selector::Cluster(ClusterId(8))];
    let batch = trial.take(&[act("alice", remove(false), Select::Any(words))]);
    let results: Vec<_> = batch.acted.unwrap().results.iter().map(|acted| acted.result).collect();
    assert_eq!(results, [ActResult::Done, ActResult::Done, ActResult::NotFound]);
    assert_eq!(statuses(&trial, 0..9), [0; 9]);
}

#[test]
fn acts_are_done_one_after_the_other() {
    let mut trial = sliced(5, "");
    let release = Action::Release { reason: None };
    let both = [act("alice", hold(), Select::All), act("alice", release, Select::All)];
    let batch = trial.take(&both);
    assert_eq!(batch.begun, [(0, 1), (1, 2)]);
    for _ in 0..3 {
        trial.take(&[]);
    }
    assert_eq!(statuses(&trial, 0..5), [1; 5]);
    assert!(!trial.core.has_long_acts());
}
