//! In which order one user's jobs start: the five attributes, and then submission.

use crate::core::tests::*;

/// Submits a cluster whose jobs have these lines beside those of all.
fn submit(trial: &mut Trial, nth: u8, shared: &str, own: &[&str]) {
    let read = |lines: &str| ClassAd::parse_old(lines).unwrap();
    let ad = read(&format!("RequestCpus = 1\n{shared}"));
    let procs = Procs::Listed(own.iter().map(|lines| read(lines)).collect());
    trial.submit(SubmitToken([nth; 16]), ClusterSpec { ad, procs });
}

/// The next jobs as they start, one claim after the other.
fn started(trial: &mut Trial, count: u64) -> String {
    let starts = (1..=count).map(|number| {
        let (claim, matched) = (ClaimId { journal: 7, number }, MatchId { life: 9, number });
        let [run] = starts(&trial.claims(claim, matched))[..] else { panic!("no job starts") };
        run.job.to_string()
    });
    starts.collect::<Vec<_>>().join(" ")
}

#[test]
fn jobs_start_by_five_priorities_and_then_as_they_were_submitted() {
    let check = |clusters: &[(&str, &[&str])], expected: &str| {
        let mut trial = Trial::new();
        trial.take(&[Input::NegotiatorUp]);
        for ((shared, own), nth) in clusters.iter().zip(1..) {
            submit(&mut trial, nth, shared, own);
        }
        let count = clusters.iter().map(|(_, own)| own.len() as u64).sum();
        assert_eq!(started(&mut trial, count), expected, "{clusters:?}");
    };
    check(&[("", &["", ""]), ("", &[""])], "1.0 1.1 2.0");
    // The later in this row, the weightier.
    let each = [
        "PostJobPrio2 = 1",
        "PostJobPrio1 = 1",
        "JobPrio = 1",
        "PreJobPrio2 = 1",
        "PreJobPrio1 = 1",
    ];
    check(&[("", &each)], "1.4 1.3 1.2 1.1 1.0");
    let many_beat_nothing = ["PreJobPrio2 = 9\nJobPrio = 9\nPostJobPrio1 = 9", "PreJobPrio1 = 1"];
    check(&[("", &many_beat_nothing)], "1.1 1.0");
    // What is not said counts 0.
    check(
        &[("", &["PreJobPrio1 = -1", "", "PreJobPrio1 = undefined", "PreJobPrio1 = 1"])],
        "1.3 1.1 1.2 1.0",
    );
    check(&[("", &["PostJobPrio2 = -1", "PostJobPrio2 = 0"])], "1.1 1.0");
    // A whole cluster, and a job of it that says otherwise.
    check(
        &[
            ("JobPrio = 5", &["", ""]),
            ("PreJobPrio1 = 1", &["", "PreJobPrio1 = -1", "JobPrio = 1"]),
        ],
        "2.2 2.0 1.0 1.1 2.1",
    );
}

#[test]
fn an_edit_of_any_priority_moves_a_waiting_job_at_once_and_the_negotiator_is_told() {
    let last = JobId::new(1, 2);
    for name in JobPriority::ATTRIBUTES {
        let mut trial = Trial::with_jobs(
            3,
            "PreJobPrio1 = 2\nPreJobPrio2 = 2\nJobPrio = 2\nPostJobPrio1 = 2\nPostJobPrio2 = 2",
        );
        let edit = |select: Select, value: i64| Input::Edit {
            by: user("alice"),
            select,
            changes: vec![(name.to_lowercase().as_str().into(), value.into())],
            dry_run: false,
        };
        let before = trial.core.classes.by_id.values().next().unwrap().idle.first().unwrap().0;
        let batch = trial.take(&[edit(Select::Any(vec![Selector::Job(last)]), 3)]);
        let [FromSchedd::Requests { changed, .. }] = told(&batch)[..] else { panic!("{batch:?}") };
        let [request] = &changed[..] else { panic!("{changed:?}") };
        assert!(request.priority > before, "{name}");
        assert_eq!((request.first, request.idle), (last, 3), "{name}");
        // The first job goes behind both others.
        trial.take(&[edit(Select::Any(vec![Selector::Job(JobId::new(1, 0))]), 1)]);
        assert_eq!(started(&mut trial, 3), "1.2 1.1 1.0", "{name}");
    }
}

#[test]
fn a_priority_that_cannot_order_is_refused() {
    for (name, value, refused) in [
        ("PreJobPrio1", "QDate", true),
        ("postjobprio2", "\"high\"", true),
        ("JobPrio", "2147483648", true),
        ("JobPrio", "1.5", true),
        ("JobPrio", "undefined", false),
        ("PreJobPrio2", "-5", false),
        ("MyJobPrio", "\"high\"", false),
    ] {
        let mut trial = Trial::with_jobs(2, "");
        let all = Select::Any(vec![Selector::Cluster(ClusterId(1))]);
        let expected = if refused { Edited::NoPriority(name.into()) } else { Edited::Done(2) };
        assert_eq!(edit(&mut trial, "alice", all, &[("Foo", "1"), (name, value)]), expected);
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        assert_eq!(ad.get("Foo").is_none(), refused, "all or nothing: {name} = {value}");
    }
}

#[test]
fn another_job_priority_leaves_the_other_four_alone_and_stays_within_its_bounds() {
    let mut trial = Trial::with_jobs(2, "PreJobPrio1 = 4\nJobPrio = 2147483647");
    let last = JobId::new(1, 1);
    let prioritise = |trial: &mut Trial, by| {
        let (action, select) =
            (Action::Prioritise(Priority::Change(by)), Select::Any(vec![Selector::Job(last)]));
        trial.take(&[Input::Act {
            by: user("alice"),
            action,
            select,
            through: FrontEnd::HtCondor,
        }]);
        trial.core.clusters[&ClusterId(1)].sorting.place(last.proc).priority
    };
    let expected = |job| JobPriority { pre1: 4, job, ..JobPriority::default() };
    assert_eq!(prioritise(&mut trial, 1), expected(i32::MAX));
    assert_eq!(prioritise(&mut trial, -7), expected(i32::MAX - 7));
}

#[test]
fn a_million_jobs_with_priorities_are_one_range() {
    let mut trial = Trial::new();
    let lines = "PreJobPrio1 = 1\nPreJobPrio2 = 2\nPostJobPrio1 = 3\nPostJobPrio2 = 4";
    trial.submit(SubmitToken([1; 16]), spec(1_000_000, lines));
    let cluster = &trial.core.clusters[&ClusterId(1)];
    assert!(cluster.sorting.special.is_empty());
    assert_eq!(cluster.untouched.pieces().count(), 1);
    assert_eq!(trial.core.rows().jobs.len(), 0);
    assert!(
        size_of::<crate::core::state::classes::Place>() <= 40,
        "it is kept for each job that was edited"
    );
}
