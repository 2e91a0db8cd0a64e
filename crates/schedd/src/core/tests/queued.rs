//! How many jobs may be in a queue.

use classad::AttrName;
use model::Piece;
use model::queues::{Change, Denied, Edit, Object};
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

#[test]
fn no_job_says_for_itself_what_is_looked_at_for_its_whole_cluster() {
    let denied = Answer::Refused(Refusal::Denied(Denied::InvalidRequest));
    for (n, text) in
        ["pbsqueue", "PbsRunNow", "QUEUERANK", "PbsResources", "PbsGroup", "PbsProject"]
            .into_iter()
            .enumerate()
    {
        let pieces = vec![Piece::Text("R".to_owned()), Piece::ProcId];
        let template = ProcTemplate(vec![(AttrName::from(text), pieces)]);
        let made = Procs::Counted { count: 13, template };
        let mut own = ClassAd::new();
        own.set(text, true);
        let listed = Procs::Listed(vec![ClassAd::new(), own]);
        for (m, procs) in [made, listed].into_iter().enumerate() {
            for ad in ["", "PbsQueue = \"workq\""] {
                let mut trial = Trial::new();
                let token = SubmitToken([u8::try_from(2 * n + m).unwrap(); 16]);
                let jobs = ClusterSpec { procs: procs.clone(), ..spec(1, ad) };
                assert_eq!(trial.submit(token, jobs), denied, "{text} {ad}");
            }
        }
    }
}
