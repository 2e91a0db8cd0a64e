//! What a running job may do for itself, and who may speak for it.

use proto::chirp::{ChirpAnswer, ChirpAsk, ChirpRefusal};

use crate::core::tests::*;

const WANTS: &str = "WantIOProxy = true\nUserLog = \"/log\"";

fn says(trial: &mut Trial, by: &str, run: RunId, ask: &ChirpAsk) -> (ChirpAnswer, Batch) {
    let mut batch = trial.take(&[Input::Chirp { by: user(by), run, ask: ask.clone() }]);
    match batch.answers.remove(0) {
        Some(Answer::Chirped(answer)) => (answer, batch),
        other => panic!("{other:?}"),
    }
}

fn set(name: &str, value: &str, is_delayed: bool) -> ChirpAsk {
    ChirpAsk::Set { name: name.into(), value: value.parse().unwrap(), is_delayed }
}

fn get(name: &str, is_delayed: bool) -> ChirpAsk {
    ChirpAsk::Get { name: name.into(), is_delayed }
}

fn value(text: &str) -> ChirpAnswer {
    ChirpAnswer::Value(Some(text.parse().unwrap()))
}

fn delayed(name: &str) -> ChirpRefusal {
    ChirpRefusal::NotDelayed { name: name.into(), prefix: "Chirp".to_owned() }
}

#[test]
fn only_the_owner_s_present_run_of_a_job_that_wants_to_speaks_for_it() {
    let other = RunId { job: JobId::new(1, 9), ..RAN };
    let late = RunId { attempt: model::Attempt(2), ..RAN };
    for (lines, by, run, refusal) in [
        (WANTS, "alice", RAN, None),
        (WANTS, "bob", RAN, Some(ChirpRefusal::NotYours(JOB))),
        // It may do everything to the job, and is not the job.
        (WANTS, "root", RAN, Some(ChirpRefusal::NotYours(JOB))),
        (WANTS, "alice", other, Some(ChirpRefusal::NotYours(other.job))),
        (WANTS, "alice", late, Some(ChirpRefusal::RunOver(late))),
        ("", "alice", RAN, Some(ChirpRefusal::NotWanted(JOB))),
        ("WantIOProxy = false", "alice", RAN, Some(ChirpRefusal::NotWanted(JOB))),
    ] {
        for ask in [get("ProcId", false), set("Foo", "1", false), ChirpAsk::Log("x".to_owned())] {
            let mut trial = Trial::executing(lines);
            let (answer, batch) = says(&mut trial, by, run, &ask);
            let refused = match answer {
                ChirpAnswer::Refused(refused) => Some(refused),
                ChirpAnswer::Done | ChirpAnswer::Value(_) => None,
            };
            assert_eq!(refused, refusal, "{lines} {by} {run} {ask:?}");
            assert!(refusal.is_none() || batch.dirty.is_empty(), "nothing was done: {ask:?}");
        }
    }
}

#[test]
fn a_process_that_outlived_its_run_does_not_speak_for_the_next() {
    let mut trial = Trial::executing(&format!("{WANTS}\nOnExitRemove = false"));
    // While a run is being stopped it may say its last words.
    trial.acts("alice", Action::Vacate { fast: false });
    assert_eq!(says(&mut trial, "alice", RAN, &set("Foo", "1", false)).0, ChirpAnswer::Done);
    trial.ends(RunEnd::exited(0));
    let over = ChirpAnswer::Refused(ChirpRefusal::RunOver(RAN));
    assert_eq!(says(&mut trial, "alice", RAN, &set("Foo", "2", false)).0, over);
    let second = RunId { attempt: model::Attempt(2), ..RAN };
    assert_eq!(says(&mut trial, "alice", second, &get("Foo", false)).0, value("1"));
}

#[test]
fn a_job_sets_what_its_owner_might_set_and_names_of_its_own_late() {
    let immutable = |name: &str| ChirpRefusal::Immutable(name.into());
    for (name, late, refusal) in [
        ("Foo", false, None),
        ("ChirpFoo", false, None),
        ("ChirpFoo", true, None),
        ("chirp_foo", true, None),
        ("Foo", true, Some(delayed("Foo"))),
        ("Chir", true, Some(delayed("Chir"))),
        ("Owner", false, Some(immutable("Owner"))),
        ("jobstatus", false, Some(immutable("jobstatus"))),
        ("ClusterId", false, Some(immutable("ClusterId"))),
        // `6 * 7` is no constant.
        ("JobPrio", false, Some(ChirpRefusal::NoPriority("JobPrio".into()))),
    ] {
        let mut trial = Trial::executing(WANTS);
        let before = says(&mut trial, "alice", RAN, &get(name, false)).0;
        let (answer, batch) = says(&mut trial, "alice", RAN, &set(name, "6 * 7", late));
        assert_eq!(batch.dirty.recorded.len(), usize::from(refusal.is_none()), "{name}");
        let is_set = refusal.is_none();
        assert_eq!(answer, refusal.map_or(ChirpAnswer::Done, ChirpAnswer::Refused), "{name}");
        let after = if is_set { value("6 * 7") } else { before };
        assert_eq!(says(&mut trial, "alice", RAN, &get(name, false)).0, after, "{name}");
    }
    let mut trial = Trial::executing(WANTS);
    assert_eq!(says(&mut trial, "alice", RAN, &get("Foo", false)).0, ChirpAnswer::Value(None));
    assert_eq!(says(&mut trial, "alice", RAN, &get("JobStatus", false)).0, value("2"));
    let refused = ChirpAnswer::Refused(delayed("JobStatus"));
    assert_eq!(says(&mut trial, "alice", RAN, &get("JobStatus", true)).0, refused);
}

#[test]
fn what_a_job_says_is_an_entry_of_its_log_once() {
    let long = "x".repeat(8 * 1024);
    let much = ChirpRefusal::Limit { what: "log a text of 8193 bytes".to_owned(), limit: 8192 };
    for (text, refusal) in [
        ("hello", None),
        ("", None),
        (&long, None),
        (&format!("{long}x"), Some(much)),
        ("two\nlines", Some(ChirpRefusal::SeveralLines)),
        ("two\rlines", Some(ChirpRefusal::SeveralLines)),
    ] {
        let mut trial = Trial::executing(WANTS);
        let (answer, batch) = says(&mut trial, "alice", RAN, &ChirpAsk::Log(text.to_owned()));
        let said: &[&str] = if refusal.is_none() { &["008"] } else { &[] };
        assert_eq!(entries(&batch), said, "{text}");
        assert_eq!(batch.dirty.recorded.len(), said.len(), "{text}");
        assert_eq!(answer, refusal.map_or(ChirpAnswer::Done, ChirpAnswer::Refused), "{text}");
    }
    // Who has no log has it in the record.
    let mut trial = Trial::executing("WantIOProxy = true");
    let (answer, batch) = says(&mut trial, "alice", RAN, &ChirpAsk::Log("hello".to_owned()));
    assert_eq!((answer, entries(&batch).len()), (ChirpAnswer::Done, 0));
    let Happening::JobSaid { job: JOB, text } = &batch.dirty.recorded[0].what else {
        panic!("{:?}", batch.dirty.recorded)
    };
    assert_eq!(text, "hello");
}

#[test]
fn a_job_cannot_make_its_row_longer_and_longer() {
    let refused = |what: &str, limit| {
        ChirpAnswer::Refused(ChirpRefusal::Limit { what: what.to_owned(), limit })
    };
    let mut trial = Trial::executing(WANTS);
    for n in 0..100 {
        let ask = set(&format!("Chirp{n}"), "1", true);
        assert_eq!(says(&mut trial, "alice", RAN, &ask).0, ChirpAnswer::Done, "{n}");
    }
    let many = refused("set ChirpMore beside 100 others that begin with Chirp", 100);
    assert_eq!(says(&mut trial, "alice", RAN, &set("ChirpMore", "1", true)).0, many);
    for (name, late) in [("Chirp7", true), ("ChirpMore", false)] {
        let done = says(&mut trial, "alice", RAN, &set(name, "2", late)).0;
        assert_eq!(done, ChirpAnswer::Done, "{name}");
    }
    let changes = (0..1000).map(|n| (format!("A{n}"), "1")).collect::<Vec<_>>();
    let changes: Vec<_> = changes.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    edit(&mut trial, "alice", Select::All, &changes);
    let many = refused("set More beside 1101 others", 1000);
    assert_eq!(says(&mut trial, "alice", RAN, &set("More", "1", false)).0, many);
    let long = format!("\"{}\"", "x".repeat(64 * 1024));
    let much = refused("set A1 to a value of 65538 bytes", 65536);
    assert_eq!(says(&mut trial, "alice", RAN, &set("A1", &long, false)).0, much);
}

#[test]
fn a_value_that_would_fill_the_record_is_not_set() {
    let mut trial = Trial::with_jobs(1, "");
    let mut check = |length: usize, expected: Edited| {
        let value = format!("\"{}\"", "x".repeat(length - 2));
        let select = Select::Any(vec![Selector::Job(JobId::new(1, 0))]);
        assert_eq!(edit(&mut trial, "alice", select, &[("Foo", &value)]), expected, "{length}");
    };
    check(64 * 1024, Edited::Done(1));
    check(64 * 1024 + 1, Edited::TooLong { name: "Foo".into(), limit: 64 * 1024 });
}
