//! Jobs that wait for others, and jobs of which only one runs.

use model::depend::WAITS_FOR;

use crate::core::tests::*;

/// One job that is held for what it waits for.
fn waiting(waits: &str) -> ClusterSpec {
    spec(1, &format!("JobStatus = 5\n{WAITS_FOR} = \"{waits}\""))
}

/// Job 1.0 runs, and jobs 2.0 and on wait for it.
fn trial(waits: &[&str]) -> Trial {
    let mut trial = Trial::executing("");
    for (nth, waits) in waits.iter().enumerate() {
        let token = SubmitToken([u8::try_from(nth).unwrap() + 2; 16]);
        let answer = trial.submit(token, waiting(waits));
        assert!(matches!(answer, Answer::Submitted { .. }), "{answer:?}");
    }
    trial
}

/// How the job of each cluster from the second on stands: 5 if it is held, 1 if it was let go, 0 if
/// it has left.
fn stands(trial: &Trial, count: u32) -> Vec<i64> {
    let status = |n| {
        let ad = trial.core.job_ad(trial.now, JobId::new(n, 0));
        let status = ad.and_then(|ad| ad.literal("JobStatus").and_then(classad::Value::as_i64));
        // It may run at once.
        status.map_or(0, |status| if status == 2 { 1 } else { status })
    };
    (2..2 + count).map(status).collect()
}

const KINDS: [&str; 4] = ["after:1", "afterok:1", "afternotok:1", "afterany:1"];

#[test]
fn who_waits_for_an_end_is_let_go_by_it_or_removed() {
    let mut well = trial(&KINDS);
    assert_eq!(stands(&well, 4), [1, 5, 5, 5], "it has started");
    well.ends(exited(0));
    assert_eq!(stands(&well, 4), [1, 1, 0, 1]);
    let mut badly = trial(&KINDS);
    badly.ends(exited(3));
    assert_eq!(stands(&badly, 4), [1, 0, 1, 1]);
}

#[test]
fn jobs_that_failed_are_counted_with_those_that_are_left_and_removed_ones_are_not() {
    let mut trial = Trial::with_jobs(3, "");
    trial.matched();
    trial.hears(granted(&trial));
    let (at, scratch_dir) = (trial.now.wall, "/scratch".to_owned());
    trial.hears(FromStartd::RunStarted { claim: CLAIM, run: RAN, at, scratch_dir });
    let failed = |trial: &Trial, proc| {
        let ad = trial.core.job_ad(trial.now, JobId::new(1, proc)).unwrap();
        ad.literal("TotalFailedProcs").and_then(classad::Value::as_i64)
    };
    assert_eq!(failed(&trial, 1), None);
    trial.ends(exited(3));
    let select = Select::Any(vec![Selector::Job(JobId::new(1, 2))]);
    let action = Action::Remove { reason: None, force: false };
    trial.take(&[Input::Act { by: user("alice"), action, select, through: FrontEnd::HtCondor }]);
    assert_eq!(failed(&trial, 1), Some(1));
    trial.core = Core::load(config(), trial.core.rows(), trial.now);
    assert_eq!(failed(&trial, 1), Some(1), "in the next life, too");
}

#[test]
fn a_job_that_is_removed_before_it_ran_did_not_end_well() {
    let mut trial = Trial::with_jobs(1, "");
    for (nth, waits) in KINDS.iter().enumerate() {
        trial.submit(SubmitToken([u8::try_from(nth).unwrap() + 2; 16]), waiting(waits));
    }
    assert_eq!(stands(&trial, 4), [5, 5, 5, 5]);
    trial.acts("alice", Action::Remove { reason: None, force: false });
    assert_eq!(stands(&trial, 4), [1, 0, 1, 1]);
}

#[test]
fn what_can_never_be_is_passed_on() {
    let mut trial = trial(&["afterok:1", "afterok:2", "afterany:3"]);
    trial.ends(exited(1));
    assert_eq!(stands(&trial, 3), [0, 0, 1]);
}

#[test]
fn one_of_two_that_has_been_is_remembered_by_the_next_life() {
    let mut trial = trial(&[]);
    trial.submit(SubmitToken([2; 16]), spec(1, "JobStatus = 5"));
    trial.submit(SubmitToken([3; 16]), waiting("afterok:1,afterok:2"));
    trial.ends(exited(0));
    let three = JobId::new(3, 0);
    let ad = trial.core.job_ad(trial.now, three).unwrap();
    assert_eq!(ad.literal(WAITS_FOR).and_then(classad::Value::as_str), Some("afterok:2"));
    trial.core = Core::load(config(), trial.core.rows(), trial.now);
    trial.take(&[]);
    assert_eq!(stands(&trial, 2), [5, 5]);
    let select = Select::Any(vec![Selector::Cluster(ClusterId(2))]);
    let action = Action::Remove { reason: None, force: false };
    trial.take(&[Input::Act { by: user("alice"), action, select, through: FrontEnd::HtCondor }]);
    assert_eq!(stands(&trial, 2), [0, 0]);
}

#[test]
fn nobody_lets_a_job_go_that_waits_for_another() {
    let mut trial = trial(&["afterok:1"]);
    let select = Select::Any(vec![Selector::Cluster(ClusterId(2))]);
    let action = Action::Release { reason: None };
    let answers = trial
        .take(&[Input::Act { by: user("alice"), action, select, through: FrontEnd::HtCondor }])
        .answers;
    let Some(Answer::Acted(acted)) = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(acted[0].result, ActResult::BadStatus);
    assert_eq!(stands(&trial, 1), [5]);
}

#[test]
fn what_is_not_in_the_queue_cannot_be_waited_for() {
    let mut trial = trial(&[]);
    for waits in ["afterok:7", "later:1", ""] {
        let answer = trial.submit(SubmitToken([9; 16]), waiting(waits));
        assert!(matches!(answer, Answer::Refused(_)), "{waits}: {answer:?}");
    }
}

/// An array of so many jobs, and those who wait for it.
fn array(count: u32, waits: &[&str]) -> Trial {
    let mut trial = Trial::with_jobs(count, "");
    for (nth, waits) in waits.iter().enumerate() {
        let token = SubmitToken([u8::try_from(nth).unwrap() + 2; 16]);
        let answer = trial.submit(token, waiting(waits));
        assert!(matches!(answer, Answer::Submitted { .. }), "{answer:?}");
    }
    trial
}

fn remove(trial: &mut Trial, selector: Selector) {
    let action = Action::Remove { reason: None, force: false };
    trial.take(&[Input::Act {
        by: user("alice"),
        action,
        select: Select::Any(vec![selector]),
        through: FrontEnd::HtCondor,
    }]);
}

#[test]
fn what_has_left_of_an_array_is_known_to_the_next_life() {
    let waits = ["afternotok:1[]", "afterok:1.0", "afterok:1.1", "afternotokarray:1[][1]"];
    let mut trial = array(3, &waits);
    remove(&mut trial, Selector::Job(JobId::new(1, 1)));
    assert_eq!(stands(&trial, 4), [5, 5, 0, 1]);
    trial.core = Core::load(config(), trial.core.rows(), trial.now);
    let late = trial.submit(SubmitToken([9; 16]), waiting("afterok:1.1"));
    assert!(matches!(late, Answer::Submitted { .. }), "{late:?}");
    assert_eq!(stands(&trial, 5), [5, 5, 0, 1, 0], "it is known that 1.1 ended badly");
    remove(&mut trial, Selector::Cluster(ClusterId(1)));
    assert_eq!(stands(&trial, 5), [1, 0, 0, 1, 0]);
}

#[test]
fn each_job_of_an_array_waits_for_its_own() {
    let mut trial = array(3, &[]);
    let token = SubmitToken([2; 16]);
    let answer =
        trial.submit(token, spec(2, &format!("JobStatus = 5\n{WAITS_FOR} = \"aftercorr:1[]+1\"")));
    assert!(matches!(answer, Answer::Submitted { .. }), "{answer:?}");
    let status =
        |trial: &Trial| [0, 1].map(|n| trial.core.job_ad(trial.now, JobId::new(2, n)).is_some());
    remove(&mut trial, Selector::Job(JobId::new(1, 0)));
    assert_eq!(status(&trial), [true, true], "nobody waits for 1.0");
    remove(&mut trial, Selector::Job(JobId::new(1, 2)));
    assert_eq!(status(&trial), [true, false]);
    let beyond = spec(3, &format!("JobStatus = 5\n{WAITS_FOR} = \"aftercorr:1[]+1\""));
    let answer = trial.submit(SubmitToken([3; 16]), beyond);
    assert!(matches!(answer, Answer::Refused(_)), "there is no 1.3: {answer:?}");
}

#[test]
fn a_chain_longer_than_the_ticks_of_a_batch_ends_in_one() {
    let mut trial = Trial::with_jobs(1, "");
    for n in 1..40_u8 {
        trial.submit(SubmitToken([n + 1; 16]), waiting(&format!("afterok:{n}")));
    }
    remove(&mut trial, Selector::Cluster(ClusterId(1)));
    assert_eq!(trial.core.rows().clusters.len(), 0);
}

#[test]
fn who_waits_for_what_is_to_come_is_told_by_it() {
    let mut trial = trial(&["on:2"]);
    let lets_go = |lets_go: &str| spec(1, &format!("LetsJobsGo = \"{lets_go}\""));
    let refused = trial.submit(SubmitToken([7; 16]), lets_go("beforeany:1"));
    assert!(matches!(refused, Answer::Refused(_)), "job 1 does not wait: {refused:?}");
    trial.submit(SubmitToken([8; 16]), lets_go("beforeany:2"));
    let said = |trial: &Trial| {
        let ad = trial.core.job_ad(trial.now, JobId::new(2, 0)).unwrap();
        ad.literal(WAITS_FOR).and_then(classad::Value::as_str).map(str::to_owned)
    };
    assert_eq!(said(&trial).as_deref(), Some("on:1,afterany:4"));
    trial.submit(SubmitToken([9; 16]), lets_go("beforenotok:2"));
    remove(&mut trial, Selector::Cluster(ClusterId(4)));
    assert_eq!(said(&trial).as_deref(), Some("afternotok:5"));
    remove(&mut trial, Selector::Cluster(ClusterId(5)));
    assert_eq!(stands(&trial, 1), [1]);
}

#[test]
fn who_is_held_besides_stays_held() {
    let mut trial = trial(&[]);
    let text = format!("JobStatus = 5\nHeldBesides = true\n{WAITS_FOR} = \"afterany:1\"");
    trial.submit(SubmitToken([2; 16]), spec(1, &text));
    trial.ends(exited(0));
    assert_eq!(stands(&trial, 1), [5]);
    let select = Select::Any(vec![Selector::Cluster(ClusterId(2))]);
    trial.take(&[Input::Act {
        by: user("alice"),
        action: Action::Release { reason: None },
        select,
        through: FrontEnd::HtCondor,
    }]);
    assert_eq!(stands(&trial, 1), [1]);
}

#[test]
fn of_those_that_belong_together_one_runs() {
    let mut trial = Trial::with_jobs(1, "");
    trial.submit(SubmitToken([2; 16]), spec(1, "RunsInsteadOfJobs = \"1\""));
    trial.submit(SubmitToken([3; 16]), spec(1, "RunsInsteadOfJobs = \"1,2\""));
    let alive =
        |trial: &Trial| [1, 2, 3].map(|n| trial.core.job_ad(trial.now, JobId::new(n, 0)).is_some());
    assert_eq!(alive(&trial), [true; 3]);
    trial.matched();
    trial.hears(granted(&trial));
    assert_eq!(alive(&trial), [true, false, false]);
    let late = trial.submit(SubmitToken([4; 16]), spec(1, "RunsInsteadOfJobs = \"1\""));
    assert!(matches!(late, Answer::Refused(_)), "{late:?}");
}

#[test]
fn nobody_runs_instead_of_another_users_jobs() {
    let mut trial = Trial::with_jobs(1, "");
    let token = SubmitToken([2; 16]);
    for by in ["bob", "root"].map(user) {
        let spec = Arc::new(spec(1, "RunsInsteadOfJobs = \"1\""));
        trial.take(&[Input::Reserve { by: by.clone(), token }]);
        let submit = Input::Submit { by, token, cluster: ClusterId(2), spec };
        let answer = trial.take(&[submit]).answers.remove(0).unwrap();
        let refused = "wait for a job that has left the queue: 1".to_owned();
        assert_eq!(answer, Answer::Refused(Refusal::HasLeft(refused)));
    }
}

#[test]
fn nobody_runs_instead_of_an_array_of_which_some_have_left() {
    let mut trial = array(2, &[]);
    remove(&mut trial, Selector::Job(JobId::new(1, 0)));
    let late = trial.submit(SubmitToken([4; 16]), spec(1, "RunsInsteadOfJobs = \"1\""));
    assert!(matches!(late, Answer::Refused(_)), "{late:?}");
}

#[test]
fn the_jobs_that_are_still_to_come_go_with_those_of_which_another_runs() {
    let mut trial = Trial::with_jobs(1, "");
    trial.submit(
        SubmitToken([2; 16]),
        spec(3, "RunsInsteadOfJobs = \"1\"\nJobMaterializeLimit = 1"),
    );
    trial.matched();
    trial.hears(granted(&trial));
    trial.take(&[]);
    assert!(!trial.core.clusters.contains_key(&ClusterId(2)));
}

#[test]
fn what_a_factorys_jobs_wait_for_may_leave_while_none_of_them_is_there() {
    let mut trial = Trial::with_jobs(1, "");
    let factory = format!("JobStatus = 5\n{WAITS_FOR} = \"after:1\"\nJobMaterializeLimit = 1");
    trial.submit(SubmitToken([2; 16]), spec(2, &factory));
    let gone = [Selector::Job(JobId::new(2, 0)), Selector::Cluster(ClusterId(1))];
    let gone = gone.map(|one| {
        act("alice", Action::Remove { reason: None, force: false }, Select::Any(vec![one]))
    });
    trial.take(&gone);
    let ad = trial.core.job_ad(trial.now, JobId::new(2, 1)).unwrap();
    assert_eq!(ad.literal("JobStatus").and_then(classad::Value::as_i64), Some(1));
}

#[test]
fn jobs_that_wait_each_for_its_own_cannot_come_later() {
    let mut trial = array(2, &[]);
    for limit in ["JobMaterializeLimit = 1", "JobMaterializeMaxIdle = 1"] {
        let factory = format!("JobStatus = 5\n{WAITS_FOR} = \"aftercorr:1[]\"\n{limit}");
        let answer = trial.submit(SubmitToken([9; 16]), spec(2, &factory));
        assert!(matches!(answer, Answer::Refused(_)), "{limit}: {answer:?}");
    }
}
