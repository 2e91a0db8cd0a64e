//! Factories: how many of their jobs are in the queue, and what is done to the others.

use crate::core::tests::*;

#[test]
fn a_factory_has_no_more_jobs_in_the_queue_than_it_may() {
    let check = |lines: &str, listed: usize| {
        let trial = Trial::with_jobs(100, lines);
        let all = Query::of(Select::All);
        assert_eq!(trial.core.query(trial.now, &all).len(), listed, "{lines}");
        assert_eq!(trial.core.totals().all.idle, listed as u64, "{lines}");
    };
    check("", 100);
    check("JobMaterializeLimit = 7", 7);
    check("JobMaterializeMaxIdle = 3", 3);
    check("JobMaterializeLimit = 7\nJobMaterializeMaxIdle = 3", 3);
    check("JobMaterializeLimit = 1000", 100);
}

#[test]
fn jobs_that_start_or_leave_make_room_for_the_next_of_their_factory() {
    let mut trial = Trial::with_jobs(3, "JobMaterializeLimit = 2\nJobMaterializeMaxIdle = 1");
    let in_queue = |trial: &Trial| trial.core.totals().all;
    assert_eq!((in_queue(&trial).idle, in_queue(&trial).running), (1, 0));
    trial.matched();
    trial.hears(granted(&trial));
    assert_eq!((in_queue(&trial).idle, in_queue(&trial).running), (1, 1));
    trial.ends(RunEnd::exited(0));
    // The second runs on the claim, and the last waits.
    assert_eq!((in_queue(&trial).idle, in_queue(&trial).running), (1, 1));
}

#[test]
fn a_factory_is_paused_resumed_and_removed_with_its_cluster() {
    let mut trial = Trial::with_jobs(9, "JobMaterializeLimit = 2");
    let cluster = |trial: &mut Trial, action| {
        let select = Select::Any(vec![Selector::Cluster(ClusterId(1))]);
        trial.take(&[Input::Act { by: user("alice"), action, select, through: FrontEnd::HtCondor }])
    };
    let (hold, release) = (HoldCode::UserRequest, Action::Release { reason: None });
    cluster(&mut trial, Action::Hold { reason: None, code: hold, subcode: 0 });
    trial.acts("alice", Action::Remove { reason: None, force: false });
    let all = trial.core.totals().all;
    assert_eq!((all.idle, all.held), (0, 1), "a paused factory makes no jobs");
    cluster(&mut trial, release);
    assert_eq!(trial.core.totals().all.idle, 2, "one is released, and one comes");
    let batch = cluster(&mut trial, Action::Remove { reason: None, force: false });
    assert!(
        batch
            .dirty
            .recorded
            .iter()
            .any(|entry| matches!(entry.what, Happening::FactoryEnded { never: 6, .. }))
    );
    assert_eq!(trial.core.rows().clusters, [], "nothing of it is left");
}

#[test]
fn an_edit_of_a_factory_counts_for_its_jobs_to_come_and_a_constraint_for_those_in_the_queue() {
    let check = |select: Select, by: &str, expected: &[Option<i64>]| {
        let mut trial = Trial::with_jobs(3, "JobMaterializeLimit = 1");
        let changes = vec![("Project".into(), Expr::from(7))];
        let edit = Input::Edit { by: user(by), select, changes, dry_run: false };
        trial.take(&[edit]);
        trial.core = Core::load(config(), trial.core.rows(), trial.now);
        let mut seen = Vec::new();
        for proc in 0..3 {
            let job = JobId::new(1, proc);
            let ad = trial.core.job_ad(trial.now, job).unwrap();
            seen.push(ad.literal("Project").and_then(classad::Value::as_i64));
            let select = Select::Any(vec![Selector::Job(job)]);
            let action = Action::Remove { reason: None, force: false };
            trial.take(&[Input::Act {
                by: user("alice"),
                action,
                select,
                through: FrontEnd::HtCondor,
            }]);
        }
        assert_eq!(seen, expected);
    };
    let cluster = || Select::Any(vec![Selector::Cluster(ClusterId(1))]);
    check(cluster(), "alice", &[Some(7); 3]);
    check(Select::All, "alice", &[Some(7); 3]);
    check(cluster(), "bob", &[None; 3]);
    check(Select::Any(vec![Selector::Job(JOB)]), "alice", &[Some(7), None, None]);
    check(Select::Constraint("true".parse().unwrap()), "alice", &[Some(7), None, None]);
}
