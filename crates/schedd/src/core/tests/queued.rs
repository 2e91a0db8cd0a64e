//! How many jobs may be in a queue.

use model::queues::{Change, Edit, Object};
use proto::client::Arrange;

use crate::core::tests::*;

fn edit(trial: &mut Trial, change: Change) -> Answer {
    let object = Object::Queue("small".to_owned());
    arrange(trial, "root", Arrange::Settings(vec![Edit { object, change }]))
}

fn arrange(trial: &mut Trial, by: &str, what: Arrange) -> Answer {
    let input = Input::Arrange { by: user(by), what };
    trial.take(&[input]).answers.remove(0).unwrap()
}

/// Submits so many jobs to the queue `small`: whether they are taken.
fn takes(trial: &mut Trial, token: u8, count: u32) -> bool {
    let answer = trial.submit(SubmitToken([token; 16]), spec(count, "PbsQueue = \"small\""));
    matches!(answer, Answer::Submitted { .. })
}

#[test]
fn a_queue_has_as_many_jobs_as_came_less_those_that_left_or_moved() {
    let mut trial = Trial::new();
    edit(&mut trial, Change::Create);
    for (name, value) in [
        ("queue_type", "Execution"),
        ("enabled", "True"),
        ("started", "True"),
        ("max_queued", "[u:PBS_GENERIC=4]"),
    ] {
        let (name, value) = (name.to_owned(), value.to_owned());
        assert_eq!(edit(&mut trial, Change::Set { name, value }), Answer::Done);
    }
    assert!(takes(&mut trial, 1, 3));
    assert!(!takes(&mut trial, 2, 2), "there are three, and four may be");
    assert!(takes(&mut trial, 3, 1));
    assert!(!takes(&mut trial, 4, 1));

    let first = *trial.core.clusters.keys().next().unwrap();
    let queue = "workq".to_owned();
    let moved = arrange(&mut trial, "alice", Arrange::Move { cluster: first, queue });
    assert_eq!(moved, Answer::Done);
    assert!(takes(&mut trial, 5, 3), "three have moved");
    assert!(!takes(&mut trial, 6, 1));
    assert_ne!(edit(&mut trial, Change::Delete), Answer::Done, "it has jobs");

    let select = Select::Any(vec![Selector::Owner(UserName::new("alice"))]);
    trial.take(&[act("alice", remove(false), select)]);
    assert!(trial.core.clusters.is_empty());
    assert_eq!(edit(&mut trial, Change::Delete), Answer::Done, "all have left");
}
