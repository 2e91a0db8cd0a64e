//! What jobs ask for by an attribute of their own: to be told more in the log, to be stopped at
//! once, to have their claim kept.

use crate::core::tests::*;

const LOG: &str = "Iwd = \"/\"\nUserLog = \"/log\"";

#[test]
fn a_job_is_told_of_itself_with_every_entry_as_it_is_then() {
    let mut trial = Trial::with_jobs(
        1,
        &format!("{LOG}\nJobAdInformationAttrs = \"RequestCpus, ExitCode Nothing\""),
    );
    trial.matched();
    trial.hears(granted(&trial));
    let (run, at, scratch_dir) = (RAN, trial.now.wall, "/scratch".to_owned());
    let batch = trial.hears(FromStartd::RunStarted { claim: CLAIM, run, at, scratch_dir });
    assert_eq!(entries(&batch), ["001", "028"]);
    let batch = trial.ends(exited(3));
    assert_eq!(entries(&batch), ["005", "028"]);
    let told = [
        ("ExitCode", "3"),
        ("RequestCpus", "1"),
        ("TriggerEventTypeName", "\"ULOG_JOB_TERMINATED\""),
        ("TriggerEventTypeNumber", "5"),
    ];
    let told = told.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(batch.log[1].event, UserLogEvent::AdInformation { attributes: told.into() });
}

#[test]
fn a_job_is_told_of_its_slot_when_it_begins_and_remembers_its_matches() {
    let mut trial = Trial::with_jobs(
        1,
        &format!("{LOG}\nUserLogExecuteEventAttrs = \"Arch, Nothing\"\nLastMatchListLength = 2"),
    );
    trial.matched();
    let FromStartd::ClaimGranted(mut claim) = granted(&trial) else { unreachable!() };
    claim.ad = Arc::new(ClassAd::parse_old("Arch = \"X86_64\"\nName = \"slot1@m\"").unwrap());
    trial.hears(FromStartd::ClaimGranted(claim));
    let (run, at, scratch_dir) = (RAN, trial.now.wall, "/scratch".to_owned());
    let batch = trial.hears(FromStartd::RunStarted { claim: CLAIM, run, at, scratch_dir });
    let UserLogEvent::Executing { properties, .. } = &batch.log[0].event else {
        panic!("{:?}", batch.log)
    };
    let names: Vec<&str> = properties.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Arch", "CondorScratchDir", "Cpus", "Disk", "Memory"]);
    assert_eq!(properties[0].1, "\"X86_64\"");
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    assert_eq!(ad.literal("LastMatchName0").and_then(classad::Value::as_str), Some("slot1@m"));
}

#[test]
fn who_wants_no_grace_is_stopped_at_once_but_not_when_it_is_only_vacated() {
    for (lines, action, expected) in [
        ("WantGracefulRemoval = false", hold(), StopHow::Fast),
        ("WantGracefulRemoval = false", Action::Vacate { fast: false }, StopHow::Graceful),
        ("WantGracefulRemoval = true", hold(), StopHow::Graceful),
        ("", hold(), StopHow::Graceful),
    ] {
        let mut trial = Trial::executing(lines);
        let select = Select::Any(vec![Selector::Job(JOB)]);
        let batch = trial.take(&[Input::Act {
            by: user("alice"),
            action,
            select,
            through: FrontEnd::HtCondor,
        }]);
        let stops = batch.effects.iter().find_map(|effect| match effect {
            Effect::ToStartd { message: ToStartd::StopRun { how, .. }, .. } => Some(*how),
            Effect::ToStartd { .. }
            | Effect::ToNegotiator(_)
            | Effect::Connect { .. }
            | Effect::Disconnect { .. }
            | Effect::MakeSpool { .. }
            | Effect::RemoveSpool { .. } => None,
        });
        assert_eq!(stops, Some(expected), "{lines}");
    }
}

#[test]
fn a_claim_is_kept_for_as_long_as_its_last_job_wants() {
    for (lines, kept_s) in [("", 2), ("KeepClaimIdle = 20", 20), ("KeepClaimIdle = 10 + 10", 20)] {
        let mut trial = Trial::executing(lines);
        trial.ends(exited(0));
        trial.waits(kept_s - 1);
        assert_eq!(trial.core.rows().claims.len(), 1, "{lines}");
        trial.waits(1);
        assert_eq!(trial.core.rows().claims.len(), 0, "{lines}");
    }
}

#[test]
fn a_dear_question_is_answered_in_many_small_parts() {
    let trial = Trial::with_jobs(20, "");
    let pages = |constraint: &str| {
        let constraint = Some(constraint.parse::<Expr>().unwrap());
        let query = Query { constraint, ..Query::of(Select::All) };
        let mut next = trial.core.query_page(trial.now, &query, None).1;
        let mut pages = 1;
        while let Some(after) = next {
            next = trial.core.query_page(trial.now, &query, Some(after)).1;
            pages += 1;
        }
        pages
    };
    assert_eq!(pages("regexp(\"a{100}\", string(ProcId))"), 1);
    // A pattern for each job, too large to be compiled.
    assert!(pages("regexp(strcat(\"(((a{100}){100}){100}){100}\", ProcId), \"a\")") >= 20);
}

#[test]
fn a_reason_is_told_in_the_words_of_what_the_user_acted_through() {
    let reason = |reason: Option<&str>| reason.map(str::to_owned);
    let held =
        |said| Action::Hold { reason: reason(said), code: HoldCode::UserRequest, subcode: 0 };
    for (through, action, name, expected) in [
        (FrontEnd::HtCondor, held(None), attr::HOLD_REASON, "via condor_hold (by user alice)"),
        (FrontEnd::HtCondor, held(Some("x")), attr::HOLD_REASON, "x (by user alice)"),
        (FrontEnd::Updraft, held(None), attr::HOLD_REASON, "via updraft hold (by user alice)"),
        (FrontEnd::DagMan, held(None), attr::HOLD_REASON, "via DAGMan (by user alice)"),
        (FrontEnd::Pbs, held(None), attr::HOLD_REASON, "Job held by alice"),
        (FrontEnd::Pbs, held(Some("as it is")), attr::HOLD_REASON, "as it is"),
        (FrontEnd::Updraft, remove(false), attr::REMOVE_REASON, "via updraft rm (by user alice)"),
        (FrontEnd::Pbs, remove(false), attr::REMOVE_REASON, "Job deleted at request of alice"),
    ] {
        let mut trial = Trial::with_jobs(1, "LeaveJobInQueue = true");
        let select = Select::Any(vec![Selector::Job(JOB)]);
        trial.take(&[Input::Act { by: user("alice"), action, select, through }]);
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        let told = ad.literal(name).and_then(classad::Value::as_str);
        assert_eq!(told, Some(expected), "{through:?}");
    }
}
