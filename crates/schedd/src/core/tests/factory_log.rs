//! What factories say in their log.

use crate::core::LogEntry;
use crate::core::tests::*;

const LINES: &str = "Iwd = \"/home/alice\"\nUserLog = \"job.log\"\nJobMaterializeLimit = 2";

/// The entries of a batch, those about the cluster with what they tell.
fn told(batch: &Batch) -> Vec<String> {
    let tell = |(number, entry): (&'static str, &LogEntry)| {
        let event = &entry.event;
        if let UserLogEvent::ClusterSubmitted { .. } = event {
            number.to_owned()
        } else if let UserLogEvent::ClusterRemoved { jobs, items, completion, .. } = event {
            format!("{number} {jobs} jobs from {items} items, {completion:?}")
        } else if let UserLogEvent::FactoryPaused { reason: Some(reason), hold_code, .. } = event {
            format!("{number} {hold_code}: {reason}")
        } else if let UserLogEvent::FactoryResumed { reason: Some(reason) } = event {
            format!("{number} {reason}")
        } else {
            format!("{number} {}", entry.job.proc)
        }
    };
    entries(batch).into_iter().zip(&batch.log).map(tell).collect()
}

fn submitted(count: u32, more: &str) -> (Trial, Batch) {
    let mut trial = Trial::new();
    let (by, token) = (user("alice"), SubmitToken([1; 16]));
    trial.take(&[Input::Reserve { by: by.clone(), token }]);
    let spec = Arc::new(spec(count, &format!("{LINES}\n{more}")));
    let batch = trial.take(&[Input::Submit { by, token, cluster: ClusterId(1), spec }]);
    (trial, batch)
}

fn acts_on_cluster(trial: &mut Trial, action: Action) -> Vec<String> {
    let select = Select::Any(vec![Selector::Cluster(ClusterId(1))]);
    told(&trial.take(&[Input::Act {
        by: user("alice"),
        action,
        select,
        through: FrontEnd::HtCondor,
    }]))
}

const REMOVE: Action = Action::Remove { reason: None, force: false };

#[test]
fn a_factory_that_makes_all_its_jobs_says_so_when_the_last_has_left() {
    let (mut trial, batch) =
        submitted(3, "JobMaterializeItemCount = 2\nJobMaterializeStepSize = 2");
    assert_eq!(told(&batch), ["035", "000 0", "000 1"]);
    let removes = |trial: &mut Trial, proc| {
        let select = Select::Any(vec![Selector::Job(JobId::new(1, proc))]);
        told(&trial.take(&[Input::Act {
            by: user("alice"),
            action: REMOVE,
            select,
            through: FrontEnd::HtCondor,
        }]))
    };
    assert_eq!(removes(&mut trial, 0), ["009 0", "000 2"]);
    assert_eq!(removes(&mut trial, 1), ["009 1"]);
    assert_eq!(removes(&mut trial, 2), ["009 2", "036 3 jobs from 2 items, Complete"]);
}

#[test]
fn a_factory_that_is_held_released_and_removed_says_each_once() {
    let (mut trial, _) = submitted(9, "");
    let hold = Action::Hold { reason: None, code: HoldCode::UserRequest, subcode: 0 };
    let paused = "037 1: via condor_hold (by user alice)";
    assert_eq!(acts_on_cluster(&mut trial, hold.clone()), ["012 0", "012 1", paused]);
    assert_eq!(acts_on_cluster(&mut trial, hold.clone()), [] as [&str; 0]);
    let resumed = "038 tried again (by user alice)";
    let release = Action::Release { reason: Some("tried again".to_owned()) };
    assert_eq!(acts_on_cluster(&mut trial, release), ["013 0", "013 1", resumed]);
    acts_on_cluster(&mut trial, hold);
    let removed = "036 2 jobs from 0 items, Paused";
    assert_eq!(acts_on_cluster(&mut trial, REMOVE), ["009 0", "009 1", removed]);
}

#[test]
fn a_factory_that_is_removed_while_a_job_runs_is_over_with_that() {
    let (mut trial, _) = submitted(9, "");
    trial.take(&[Input::NegotiatorUp]);
    trial.matched();
    trial.hears(granted(&trial));
    trial.waits(1);
    assert_eq!(acts_on_cluster(&mut trial, REMOVE), ["009 1"]);
    let batch = trial.ends(RunEnd::vacated(VacateCode::ScheddVacate));
    assert_eq!(told(&batch), ["004 0", "009 0", "036 2 jobs from 0 items, Incomplete"]);
}

#[test]
fn other_clusters_say_nothing_of_the_kind() {
    let mut trial = Trial::new();
    let (by, token) = (user("alice"), SubmitToken([1; 16]));
    trial.take(&[Input::Reserve { by: by.clone(), token }]);
    let spec = Arc::new(spec(1, "Iwd = \"/\"\nUserLog = \"/log\""));
    let batch = trial.take(&[Input::Submit { by, token, cluster: ClusterId(1), spec }]);
    assert_eq!(told(&batch), ["000 0"]);
    assert_eq!(acts_on_cluster(&mut trial, REMOVE), ["009 0"]);
}
