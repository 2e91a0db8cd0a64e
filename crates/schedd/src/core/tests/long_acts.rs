//! Acts on very many jobs, done a slice at a time.

use crate::core::tests::*;

/// What a user is told of an act that takes more than one batch, in parts.
fn parts(trial: &mut Trial, action: &Action, select: &Select) -> Vec<Vec<(JobId, ActResult)>> {
    let told = |batch: &Batch| {
        let acted = batch.acted.as_ref().unwrap();
        let one = |acted: &proto::client::Acted| (acted.job.unwrap(), acted.result);
        let Some(Answer::Acted(results)) = &acted.answer else { panic!("{acted:?}") };
        (results.iter().map(one).collect(), acted.is_last)
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
    let Some(Answer::Acted(results)) = batch.acted.unwrap().answer else { panic!() };
    let results: Vec<_> = results.iter().map(|acted| acted.result).collect();
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

fn edit(by: &str, select: Select, name: &str, value: &str) -> Input {
    let changes = vec![(name.into(), value.parse().unwrap())];
    Input::Edit { by: user(by), select, changes, dry_run: false }
}

fn is_set(trial: &Trial, procs: std::ops::Range<u32>) -> Vec<bool> {
    let ad = |proc| trial.core.job_ad(trial.now, JobId::new(1, proc));
    procs.map(|proc| ad(proc).is_some_and(|ad| ad.get("Foo").is_some())).collect()
}

/// Goes on until no act is under way: in how many batches, and what was told last.
fn to_the_end(trial: &mut Trial, first: Batch) -> (usize, Option<Answer>) {
    let (mut batches, mut last) = (1, first.acted.and_then(|acted| acted.answer));
    while trial.core.has_long_acts() {
        trial.core = Core::load(trial.core.config.clone(), trial.core.rows(), trial.now);
        last = trial.take(&[]).acted.and_then(|acted| acted.answer);
        batches += 1;
    }
    (batches, last)
}

#[test]
fn an_edit_of_many_jobs_is_done_in_slices_and_answered_at_the_end() {
    for (select, count, batches) in [
        (Select::All, 7, 3),
        (Select::Any(vec![Selector::Cluster(ClusterId(1))]), 7, 3),
        (Select::Constraint("ProcId != 4".parse().unwrap()), 6, 3),
        (Select::Constraint("ProcId > 9".parse().unwrap()), 0, 3),
    ] {
        let mut trial = sliced(7, "");
        let batch = trial.take(&[edit("alice", select.clone(), "Foo", "1")]);
        assert_eq!((&batch.answers[..], batch.begun.len()), (&[None][..], 1), "{select:?}");
        assert_eq!(is_set(&trial, 3..7), [false; 4], "{select:?}");
        let told = to_the_end(&mut trial, batch);
        let expected = if count == 0 { Edited::NoJobs } else { Edited::Done(count) };
        assert_eq!(told, (batches, Some(Answer::Edited(expected))), "{select:?}");
        let set = is_set(&trial, 0..7).into_iter().filter(|set| *set).count();
        assert_eq!(set as u64, count, "{select:?}");
    }
}

#[test]
fn an_edit_of_many_jobs_that_may_not_be_done_does_nothing_and_a_dry_run_only_counts() {
    let mut trial = sliced(7, "");
    let words = |more| Select::Any(vec![Selector::Cluster(ClusterId(1)), more]);
    let missing = JobId::new(1, 9);
    for (by, select, refused) in [
        ("alice", words(Selector::Job(missing)), Edited::NotThisJob(missing)),
        ("bob", words(Selector::Cluster(ClusterId(1))), Edited::NotThisJob(job(0))),
    ] {
        let batch = trial.take(&[edit(by, select, "Foo", "1")]);
        assert_eq!(batch.answers, [Some(Answer::Edited(refused))]);
    }
    let changes = vec![("Foo".into(), "1".parse().unwrap())];
    let batch = trial.take(&[Input::Edit {
        by: user("alice"),
        select: Select::All,
        changes,
        dry_run: true,
    }]);
    assert_eq!(to_the_end(&mut trial, batch), (3, Some(Answer::Edited(Edited::Done(7)))));
    assert_eq!(is_set(&trial, 0..7), [false; 7]);
}

#[test]
fn what_is_set_is_bounded_for_one_edit_for_a_batch_and_for_a_job() {
    let mut trial = Trial::with_jobs(200, "");
    let long = format!("\"{}\"", "x".repeat(60_000));
    let set = |n: usize, names: &[String]| Input::Edit {
        by: user("alice"),
        select: Select::Any(
            (0..n).map(|proc| Selector::Job(job(u32::try_from(proc).unwrap()))).collect(),
        ),
        changes: names.iter().map(|name| (name.as_str().into(), long.parse().unwrap())).collect(),
        dry_run: false,
    };
    let names = |from: usize, to: usize| (from..to).map(|n| format!("A{n}")).collect::<Vec<_>>();
    let batch = trial.take(&[set(1, &names(0, 5))]);
    let answer = Edited::TooMuch { job: None, limit: 256 * 1024 };
    assert_eq!(batch.answers, [Some(Answer::Edited(answer))], "of one edit");
    // Two values of 60 kB: some 34 jobs a batch.
    let batch = trial.take(&[set(100, &names(0, 2))]);
    assert!(batch.begun.len() == 1 && batch.dirty.jobs.len() < 40, "{}", batch.dirty.jobs.len());
    assert_eq!(to_the_end(&mut trial, batch), (3, Some(Answer::Edited(Edited::Done(100)))));
    for n in [2, 6, 10] {
        trial.take(&[set(1, &names(n, n + 4))]);
    }
    let answer = |batch: Batch| batch.answers[0].clone();
    let done = Some(Answer::Edited(Edited::Done(1)));
    assert_eq!(answer(trial.take(&[set(1, &names(14, 17))])), done);
    let full = Edited::TooMuch { job: Some(job(0)), limit: 1024 * 1024 };
    assert_eq!(answer(trial.take(&[set(2, &names(17, 18))])), Some(Answer::Edited(full)));
    assert_eq!(answer(trial.take(&[set(1, &names(0, 4))])), done, "in the place of others");
}

#[test]
fn an_act_by_a_constraint_or_an_edit_stops_at_the_jobs_that_were_there_when_it_began() {
    let mut trial = sliced(20, "JobMaterializeLimit = 5");
    let batch =
        trial.take(&[act("alice", remove(false), Select::Constraint("true".parse().unwrap()))]);
    to_the_end(&mut trial, batch);
    trial.take(&[]);
    assert_eq!(statuses(&trial, 0..10), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    let batch = trial.take(&[edit("alice", Select::All, "Foo", "1")]);
    let (_, told) = to_the_end(&mut trial, batch);
    assert_eq!(told, Some(Answer::Edited(Edited::Done(5))));
    trial.take(&[act("alice", remove(false), Select::Any(vec![Selector::Job(job(5))]))]);
    assert_eq!(is_set(&trial, 6..11), [true; 5], "those that come have it from the start");
}

#[test]
fn of_what_is_somebody_elses_each_cluster_is_answered_once() {
    let mut trial = sliced(7, "");
    let select = Select::Any(vec![Selector::Cluster(ClusterId(1))]);
    let batch = trial.take(&[act("bob", hold(), select)]);
    let Some(Some(Answer::Acted(results))) = batch.answers.first() else { panic!() };
    let told: Vec<_> = results.iter().map(|acted| (acted.job, acted.result)).collect();
    assert_eq!(told, [(None, ActResult::PermissionDenied)]);
}

#[test]
fn users_take_turns_and_have_so_many_acts_under_way() {
    let mut trial = sliced(30, "");
    let by = user("bob");
    let token = SubmitToken([5; 16]);
    trial.take(&[Input::Reserve { by: by.clone(), token }]);
    let spec = Arc::new(spec(6, ""));
    trial.take(&[Input::Submit { by, token, cluster: ClusterId(2), spec }]);
    let first = trial.take(&[act("alice", hold(), Select::All), act("bob", hold(), Select::All)]);
    assert_eq!(first.begun.len(), 2);
    let whose = |batch: Batch| batch.acted.unwrap().act;
    let turns: Vec<u64> = (0..3).map(|_| whose(trial.take(&[]))).collect();
    assert_eq!((whose(first), turns), (1, vec![2, 1, 2]), "bob does not wait for alice's thirty");
    let many: Vec<Input> = (0..8).map(|_| act("alice", release(), Select::All)).collect();
    let batch = trial.take(&many);
    let is_busy = matches!(batch.answers[7], Some(Answer::Refused(Refusal::Busy(_))));
    assert!(batch.begun.len() == 7 && is_busy, "{:?}", batch.answers);
}

#[test]
fn with_a_slice_only_how_far_it_has_come_is_written() {
    let mut trial = sliced(9, "");
    let batch = trial.take(&[act("alice", hold(), Select::All)]);
    assert!(batch.dirty.acts.is_some(), "the words are written when it begins");
    let dirty = trial.take(&[]).dirty;
    assert_eq!(
        (dirty.acts.is_some(), dirty.reached.map(|reached| reached.len())),
        (false, Some(1))
    );
}
