//! What PBS's operators and managers may that users may not, and what nobody may by a submission.

use model::queues::{Change, Denied, Edit, Object};
use model::{MachineName, Piece, ProcTemplate};
use proto::client::{Arrange, DrainOrder};
use proto::draining::DrainHow;

use crate::core::tests::*;

const JOBS: [Selector; 1] = [Selector::Cluster(ClusterId(1))];

fn arrange(trial: &mut Trial, by: &str, what: Arrange) -> Answer {
    let input = Input::Arrange { by: user(by), what };
    trial.take(&[input]).answers.remove(0).unwrap()
}

fn set(trial: &mut Trial, object: Object, name: &str, value: &str) {
    let change = Change::Set { name: name.to_owned(), value: value.to_owned() };
    let edits = Arrange::Settings(vec![Edit { object, change }]);
    assert_eq!(arrange(trial, "root", edits), Answer::Done);
}

/// A job of alice's, an operator, and a manager.
fn with_managers(lines: &str) -> Trial {
    let mut trial = Trial::with_jobs(1, lines);
    set(&mut trial, Object::Server, "operators", "olga@*");
    set(&mut trial, Object::Server, "managers", "mara@*");
    trial
}

fn holds(trial: &mut Trial, by: &str, kinds: &str, is_set: bool) -> Answer {
    let what = Arrange::Hold { jobs: JOBS.to_vec(), kinds: kinds.to_owned(), is_set };
    arrange(trial, by, what)
}

fn denied(denied: Denied) -> Answer {
    Answer::Refused(Refusal::Denied(denied))
}

/// Whether the job is held, and by which of the pool's managers.
fn held(trial: &Trial) -> (bool, String) {
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    let letters = ad.literal("PbsHeldByManagers").and_then(classad::Value::as_str);
    (trial.stands().0 == 5, letters.unwrap_or_default().to_owned())
}

fn is_held(by: &str) -> (bool, String) {
    (true, by.to_owned())
}

#[test]
fn who_may_hold_as_whom_and_who_lets_go_of_that() {
    let mut trial = with_managers("");
    for (by, kinds) in [("alice", "o"), ("alice", "us"), ("olga", "s"), ("olga", "p")] {
        assert_eq!(
            holds(&mut trial, by, kinds, true),
            denied(Denied::NotPermitted),
            "{by} {kinds}"
        );
    }
    assert_eq!(holds(&mut trial, "bob", "u", true), denied(Denied::NotPermitted));
    assert_eq!(holds(&mut trial, "olga", "o", true), Answer::Done);
    assert_eq!(holds(&mut trial, "mara", "s", true), Answer::Done);
    assert_eq!(held(&trial), is_held("os"));
    for through in [FrontEnd::HtCondor, FrontEnd::Pbs] {
        let by = user("alice");
        let input =
            Input::Act { by, action: release(), select: Select::Any(JOBS.to_vec()), through };
        trial.take(&[input]);
        assert_eq!(held(&trial), is_held("os"), "{through:?}");
    }
    assert_eq!(holds(&mut trial, "alice", "u", true), Answer::Done);
    assert_eq!(holds(&mut trial, "olga", "o", false), Answer::Done);
    assert_eq!(held(&trial), is_held("s"));
    assert_eq!(holds(&mut trial, "mara", "s", false), Answer::Done);
    assert_eq!(held(&trial), is_held(""), "its user holds it still");
    trial.take(&[act("alice", release(), Select::Any(JOBS.to_vec()))]);
    assert_eq!(held(&trial), (false, String::new()));
}

#[test]
fn a_job_that_is_named_twice_is_held_once() {
    let mut trial = with_managers("");
    let jobs = [JOBS.to_vec(), JOBS.to_vec(), vec![Selector::Job(JOB)]].concat();
    let twice = |is_set| Arrange::Hold { jobs: jobs.clone(), kinds: "u".to_owned(), is_set };
    assert_eq!(arrange(&mut trial, "alice", twice(true)), Answer::Done);
    assert_eq!(held(&trial), is_held(""));
    assert_eq!(arrange(&mut trial, "olga", Arrange::RunNow(jobs.clone())), Answer::Done);
    assert_eq!(held(&trial), (false, String::new()));
}

#[test]
fn an_operator_does_not_let_go_of_what_a_manager_holds() {
    let mut trial = with_managers("");
    assert_eq!(holds(&mut trial, "mara", "s", true), Answer::Done);
    let released = |trial: &mut Trial| {
        trial.take(&[act("alice", release(), Select::Any(JOBS.to_vec()))]);
        held(trial)
    };
    for (of, still) in [("operators", is_held("s")), ("managers", (false, String::new()))] {
        set(&mut trial, Object::Server, of, "alice@*,mara@*");
        assert_eq!(released(&mut trial), still, "alice is one of the {of}");
    }
}

#[test]
fn no_policy_of_a_job_lets_it_go_that_managers_hold() {
    let mut trial = with_managers("PeriodicRelease = true");
    assert_eq!(holds(&mut trial, "mara", "s", true), Answer::Done);
    trial.waits(1000);
    assert_eq!(held(&trial), is_held("s"));
    assert_eq!(
        arrange(&mut trial, "olga", Arrange::RunNow(JOBS.to_vec())),
        denied(Denied::BadState)
    );
    trial.take(&[act("root", release(), Select::Any(JOBS.to_vec()))]);
    assert_eq!(held(&trial), (false, String::new()));
}

#[test]
fn operators_do_to_jobs_of_others_what_these_may_by_pbss_commands_only() {
    for (by, through, stays) in [
        ("olga", FrontEnd::Pbs, false),
        ("mara", FrontEnd::Pbs, false),
        ("olga", FrontEnd::HtCondor, true),
        ("bob", FrontEnd::Pbs, true),
    ] {
        let mut trial = with_managers("");
        let (by, select) = (user(by), Select::Any(JOBS.to_vec()));
        trial.take(&[Input::Act { by: by.clone(), action: remove(false), select, through }]);
        assert_eq!(trial.core.clusters.contains_key(&ClusterId(1)), stays, "{by:?} {through:?}");
    }
}

#[test]
fn nobody_is_in_a_queue_or_before_others_by_what_differs_from_job_to_job() {
    for name in ["PbsQueue", "PbsRunNow", "QueueRank", "PbsGroup", "pbsproject"] {
        let mut trial = Trial::new();
        let mut own = ClassAd::new();
        own.set(name, "workq");
        let template = ProcTemplate(vec![(name.into(), vec![Piece::Text("workq".to_owned())])]);
        let all = [Procs::Listed(vec![own.clone(), own]), Procs::Counted { count: 13, template }];
        for (nth, procs) in (1..).zip(all) {
            let spec = ClusterSpec { procs, ..spec(1, "PbsQueue = \"workq\"") };
            let answer = trial.submit(SubmitToken([nth; 16]), spec.clone());
            assert_eq!(answer, denied(Denied::InvalidRequest), "{name}");
            let spec = ClusterSpec { ad: ClassAd::new(), ..spec };
            let answer = trial.submit(SubmitToken([nth + 10; 16]), spec);
            assert_eq!(answer, denied(Denied::InvalidRequest), "{name} without a queue");
        }
    }
}

#[test]
fn jobs_are_counted_by_groups_and_by_projects() {
    let mut trial = Trial::new();
    let queue = || Object::Queue("workq".to_owned());
    set(&mut trial, queue(), "max_queued", "[g:staff=3],[p:PBS_GENERIC=2]");
    let mut nth = 0;
    let mut takes = |group: &str, project: &str| {
        nth += 1;
        let lines =
            format!("PbsQueue = \"workq\"\nPbsGroup = \"{group}\"\nPbsProject = \"{project}\"");
        let answer = trial.submit(SubmitToken([nth; 16]), spec(1, &lines));
        matches!(answer, Answer::Submitted { .. })
    };
    let of = [("staff", "moon"), ("staff", "moon"), ("staff", "moon"), ("other", "moon")];
    assert_eq!(of.map(|(group, project)| takes(group, project)), [true, true, false, false]);
    let of = [("staff", "sun"), ("staff", "sun"), ("other", "sun"), ("other", "sun")];
    assert_eq!(of.map(|(group, project)| takes(group, project)), [true, false, true, false]);
}

#[test]
fn operators_and_managers_say_which_machines_get_no_jobs_and_the_negotiator_is_told() {
    let mut trial = with_managers("");
    let machine = || MachineName::new("m1");
    let order = DrainOrder { how: DrainHow::Finish, reason: "new disk".to_owned() };
    for (by, order, expected) in [
        ("alice", Some(order.clone()), denied(Denied::NotPermitted)),
        ("olga", Some(order.clone()), Answer::Done),
        ("mara", None, Answer::Done),
    ] {
        let what = Arrange::Drain { machine: machine(), order: order.clone() };
        let mut batch = trial.take(&[Input::Arrange { by: user(by), what }]);
        let reason = order.map(|order| order.reason);
        let said = told(&batch).into_iter().any(|message| {
            matches!(message, FromSchedd::Drain { machine: named, drain }
                if *named == machine() && drain.as_ref().map(|drain| drain.reason.clone()) == reason)
        });
        assert_eq!(said, expected == Answer::Done, "{by}");
        assert_eq!(batch.answers.remove(0).unwrap(), expected, "{by}");
    }
}
