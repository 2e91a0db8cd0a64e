//! Which logs the entries about a job go to.

use crate::core::tests::*;
use crate::core::{EventLog, LogTo};

#[test]
fn entries_go_to_the_users_log_and_to_the_workflows_where_it_wants_them() {
    let check = |lines: &str, expected: &[&str]| {
        let mut trial = Trial::new();
        let (by, token) = (user("alice"), SubmitToken([1; 16]));
        trial.take(&[Input::Reserve { by: by.clone(), token }]);
        let spec = Arc::new(spec(1, &format!("Iwd = \"/home\"\n{lines}")));
        let submit = Input::Submit { by: by.clone(), token, cluster: ClusterId(1), spec };
        let select = Select::Any(vec![Selector::Cluster(ClusterId(1))]);
        let remove = Action::Remove { reason: None, force: false };
        let act = Input::Act { by, action: remove, select, through: FrontEnd::HtCondor };
        let mut told = Vec::new();
        for batch in [trial.take(&[submit]), trial.take(&[act])] {
            for (number, entry) in entries(&batch).into_iter().zip(&batch.log) {
                told.push(format!(
                    "{number} {}{}",
                    entry.path,
                    match entry.to {
                        LogTo::User { xml: true } => " XML",
                        LogTo::User { xml: false } | LogTo::Workflow => "",
                        LogTo::Pool => " of all",
                        LogTo::Stream => " (standard error)",
                    }
                ));
            }
        }
        assert_eq!(told, expected, "{lines}");
    };
    let (user_log, nodes) = ("UserLog = \"job.log\"", "DAGManNodesLog = \"/dag/nodes.log\"");
    check("", &[]);
    check(user_log, &["000 /home/job.log", "009 /home/job.log"]);
    check(nodes, &["000 /dag/nodes.log", "009 /dag/nodes.log"]);
    check(
        &format!("{user_log}\n{nodes}\nUserLogUseXML = true\nDAGManNodesMask = \"4, 9\""),
        &["000 /home/job.log XML", "009 /dag/nodes.log", "009 /home/job.log XML"],
    );
    check(
        &format!("{nodes}\nUserLog = \"/dag/nodes.log\""),
        &["000 /dag/nodes.log", "009 /dag/nodes.log"],
    );
}

#[test]
fn a_submit_entry_tells_the_attributes_that_the_job_asks_for() {
    let check = |lines: &str, expected: Option<&str>| {
        let mut trial = Trial::new();
        let (by, token) = (user("alice"), SubmitToken([1; 16]));
        trial.take(&[Input::Reserve { by: by.clone(), token }]);
        let spec = Arc::new(spec(1, &format!("UserLog = \"/log\"\n{lines}")));
        let batch = trial.take(&[Input::Submit { by, token, cluster: ClusterId(1), spec }]);
        let UserLogEvent::Submitted { log_notes, .. } = &batch.log[0].event else {
            panic!("{batch:?}")
        };
        assert_eq!(log_notes.as_deref(), expected, "{lines}");
    };
    check("", None);
    check("JobBatchName = \"b\"", Some("[ JobBatchName = \"b\" ]"));
    check(
        "JobBatchName = \"b\"\nDAGNodeName = \"A\"",
        Some("[ DAGNodeName = \"A\"; JobBatchName = \"b\" ]"),
    );
    check(
        "SubmitEventNotesAttrs = \"Twice procid, Missing\"\nTwice = 2 * Half\nHalf = 7",
        Some("[ procid = 0; Twice = 14 ]"),
    );
}

#[test]
fn a_log_of_all_jobs_tells_of_each_and_as_much_of_it_as_the_administrator_wants() {
    let mut trial = Trial::new();
    trial.core.config.event_log =
        Some(EventLog { path: "/all".into(), attributes: vec!["Owner".to_owned()] });
    let mut told = Vec::new();
    for (n, lines) in [(1, "UserLog = \"/log\""), (2, ""), (3, "JobMaterializeLimit = 1")] {
        let (by, token) = (user("alice"), SubmitToken([n; 16]));
        trial.take(&[Input::Reserve { by: by.clone(), token }]);
        let spec = Arc::new(spec(1, lines));
        let cluster = ClusterId(u32::from(n));
        let batch = trial.take(&[Input::Submit { by, token, cluster, spec }]);
        let numbers = entries(&batch);
        told.extend(
            numbers
                .iter()
                .zip(&batch.log)
                .map(|(number, entry)| format!("{} {number} {}", entry.job.cluster.0, entry.path)),
        );
    }
    let all = ["1 000 /all", "1 028 /all", "1 000 /log", "2 000 /all", "2 028 /all"];
    assert_eq!(told[..5], all);
    assert_eq!(told[5..], ["3 035 /all", "3 000 /all", "3 028 /all"]);
}
