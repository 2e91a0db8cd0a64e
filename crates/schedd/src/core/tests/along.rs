//! Jobs that go with another (`OtherJobRemoveRequirements`).

use crate::core::tests::*;
use crate::core::{SystemAct, SystemPolicy};

const DRIVER: &str = "OtherJobRemoveRequirements = \"DAGManJobId =?= 1\"";
const NODE: &str = "DAGManJobId = 1";

fn removal() -> Action {
    Action::Remove { reason: None, force: false }
}

/// Job 1.0 as given; 2.0 is one of its nodes, 3.0 is a node that drives others, 4.0 is one of
/// these, 5.0 is nobody's, and 6.0 looks like a node and is another user's.
fn with_nodes(mut trial: Trial) -> Trial {
    let deeper = format!("{NODE}\nOtherJobRemoveRequirements = \"DAGManJobId =?= 3\"");
    let ads = [NODE, deeper.as_str(), "DAGManJobId = 3", ""];
    for (nth, ad) in ads.iter().enumerate() {
        let token = SubmitToken([u8::try_from(nth).unwrap() + 2; 16]);
        trial.submit(token, spec(1, &format!("JobStatus = 5\n{ad}")));
    }
    let (by, token) = (user("bob"), SubmitToken([9; 16]));
    trial.take(&[Input::Reserve { by: by.clone(), token }]);
    let spec = Arc::new(spec(1, &format!("JobStatus = 5\n{NODE}")));
    trial.take(&[Input::Submit { by, token, cluster: ClusterId(6), spec }]);
    trial
}

/// The clusters of the jobs that are left.
fn left(trial: &Trial) -> Vec<u32> {
    let is_left = |n: &u32| trial.core.job_ad(trial.now, JobId::new(*n, 0)).is_some();
    (1..=6).filter(is_left).collect()
}

#[test]
fn nodes_go_with_a_job_that_is_removed_before_it_runs_and_theirs_with_them() {
    let mut trial = with_nodes(Trial::with_jobs(1, DRIVER));
    assert_eq!(left(&trial), [1, 2, 3, 4, 5, 6]);
    trial.acts("alice", removal());
    assert_eq!(left(&trial), [5, 6]);
}

#[test]
fn nodes_of_a_job_that_runs_go_when_it_has_been_stopped() {
    let mut trial = with_nodes(Trial::executing(DRIVER));
    trial.acts("alice", removal());
    assert_eq!(left(&trial), [1, 2, 3, 4, 5, 6]);
    trial.ends(exited(0));
    assert_eq!(left(&trial), [5, 6]);
}

#[test]
fn nodes_stay_when_their_job_ends_by_itself() {
    let mut trial = with_nodes(Trial::executing(DRIVER));
    trial.ends(exited(0));
    assert_eq!(left(&trial), [2, 3, 4, 5, 6]);
}

#[test]
fn nodes_go_with_a_job_that_its_own_policy_removes() {
    let mut trial =
        with_nodes(Trial::with_jobs(1, &format!("{DRIVER}\nPeriodicRemove = time() - QDate > 3")));
    trial.waits(6);
    assert_eq!(left(&trial), [5, 6]);
}

#[test]
fn nodes_go_with_a_job_that_the_administrator_removes_while_it_is_held() {
    let mut trial = with_nodes(Trial::with_jobs(1, &format!("JobStatus = 5\n{DRIVER}")));
    let mut config = config();
    config.system = vec![SystemPolicy {
        act: SystemAct::Remove,
        setting: "SYSTEM_PERIODIC_REMOVE".to_owned(),
        when: "ClusterId == 1".parse().unwrap(),
        reason: None,
        subcode: None,
    }];
    trial.core = Core::load(config, trial.core.rows(), trial.now);
    trial.waits(5);
    assert_eq!(left(&trial), [5, 6]);
}

#[test]
fn a_node_that_is_being_stopped_for_another_reason_when_its_job_goes_does_not_come_back() {
    let mut trial = Trial::executing("DAGManJobId = 2");
    let driver = "JobStatus = 5\nOtherJobRemoveRequirements = \"DAGManJobId =?= 2\"";
    trial.submit(SubmitToken([2; 16]), spec(1, driver));
    let hold = Action::Hold { reason: None, code: HoldCode::UserRequest, subcode: 0 };
    trial.acts("alice", hold);
    let select = Select::Any(vec![Selector::Cluster(ClusterId(2))]);
    trial.take(&[Input::Act {
        by: user("alice"),
        action: removal(),
        select,
        through: FrontEnd::HtCondor,
    }]);
    assert_eq!(left(&trial), [1], "its run is still to end");
    trial.ends(exited(0));
    assert!(left(&trial).is_empty());
}

#[test]
fn a_job_that_is_asked_for_and_meant_by_another_goes_once() {
    let mut trial = with_nodes(Trial::with_jobs(1, DRIVER));
    trial.take(&[Input::Act {
        by: user("alice"),
        action: removal(),
        select: Select::All,
        through: FrontEnd::HtCondor,
    }]);
    assert_eq!(left(&trial), [6]);
}

#[test]
fn nodes_are_found_by_their_drivers_number_however_they_say_it_and_no_others_are_looked_at() {
    let mut trial = with_nodes(Trial::with_jobs(1, DRIVER));
    let listed = ["DAGManJobId = 3", NODE].map(|ad| ClassAd::parse_old(ad).unwrap());
    let listed = Procs::Listed(listed.into());
    trial.submit(SubmitToken([17; 16]), ClusterSpec { procs: listed, ..spec(1, "JobStatus = 5") });
    trial.submit(SubmitToken([18; 16]), spec(1, "JobStatus = 5\nDAGManJobId = 2 - 1"));
    trial.submit(SubmitToken([19; 16]), spec(1, "JobStatus = 5\nDAGManJobId = 3"));
    let edited = |cluster, value: &str| Input::Edit {
        by: user("alice"),
        select: Select::Any(vec![Selector::Cluster(ClusterId(cluster))]),
        changes: vec![("dagmanjobid".into(), value.parse().unwrap())],
        dry_run: false,
    };
    // One that was a node is none any more, and another has become one.
    trial.take(&[edited(2, "9"), edited(9, "1")]);
    for (said, among) in [
        ("DAGManJobId =?= 1", &[2, 3, 7, 8, 9][..]),
        ("(1 == DAGManJobId)", &[2, 3, 7, 8, 9]),
        ("DAGManJobId =?= 3", &[4, 7, 8, 9]),
        ("DAGManJobId =?= 1 && true", &[1, 2, 3, 4, 5, 7, 8, 9]),
    ] {
        let (alice, said_it) = (UserName::new("alice"), said.parse().unwrap());
        let from = |first| trial.core.may_go_along(&alice, &said_it, ClusterId(first));
        assert_eq!(from(0).map(|id| id.0).collect::<Vec<_>>(), among, "{said}");
        let behind: Vec<u32> = among.iter().copied().filter(|id| *id >= 7).collect();
        assert_eq!(from(7).map(|id| id.0).collect::<Vec<_>>(), behind, "{said}");
    }
    trial.acts("alice", removal());
    assert_eq!(left(&trial), [2, 5, 6]);
    let is_left = |job: &JobId| trial.core.is_queued(*job);
    let others = [JobId::new(7, 0), JobId::new(7, 1), JobId::new(8, 0), JobId::new(9, 0)];
    assert_eq!(others.into_iter().filter(is_left).collect::<Vec<_>>(), [], "7.0 is a node of 3");
}

#[test]
fn very_many_nodes_go_a_slice_at_a_time_also_across_a_restart() {
    for others in ["DAGManJobId =?= 1", "DAGManJobId =?= 1 && true"] {
        let driver = format!("OtherJobRemoveRequirements = \"{others}\"");
        let mut trial = Trial::with_jobs(1, &driver);
        trial.core.config.slice = 3;
        trial.submit(SubmitToken([2; 16]), spec(8, &format!("JobStatus = 5\n{NODE}")));
        trial.submit(SubmitToken([3; 16]), spec(4, "JobStatus = 5"));
        let queued = |trial: &Trial, cluster: u32| {
            let is_left = |proc: &u32| trial.core.is_queued(JobId::new(cluster, *proc));
            (0..8).filter(is_left).count()
        };
        trial.acts("alice", removal());
        assert_eq!(queued(&trial, 2), 5, "{others}");
        while trial.core.has_long_acts() {
            trial.core = Core::load(trial.core.config.clone(), trial.core.rows(), trial.now);
            trial.take(&[]);
        }
        assert_eq!((queued(&trial, 2), queued(&trial, 3)), (0, 4), "{others}");
    }
}
