//! What a job's ad and log tell of its runs: evictions, holds, and machines that could not be heard
//! for a while.

use proto::claiming::{ClaimStatus, RunStatus};

use crate::core::tests::*;

fn told_waiting(batch: &Batch) -> Vec<String> {
    let entries = batch.dirty.recorded.iter().filter_map(|entry| match &entry.what {
        Happening::JobsWait { cluster, jobs, reason } => {
            Some(format!("{cluster}: {jobs} {reason}"))
        }
        Happening::ClusterSubmitted { .. }
        | Happening::FactoryEnded { .. }
        | Happening::Job { .. }
        | Happening::JobEdited { .. }
        | Happening::JobSaid { .. }
        | Happening::Reservation { .. } => None,
    });
    entries.collect()
}

#[test]
fn the_record_tells_a_cluster_each_kind_of_reason_once() {
    use model::{Cause, IdleReason, Verdict};
    let mut trial = Trial::with_jobs(3, "");
    trial.submit(SubmitToken([2; 16]), spec(1, ""));
    trial.submit(SubmitToken([3; 16]), spec(1, "RequestCpus = 2"));
    let first = *trial.core.classes.by_id.keys().next().unwrap();
    let mut hears = |verdict, cause| {
        let reason = Some(IdleReason { verdict, cause });
        let reasons = ToSchedd::Reasons(vec![(first, reason)]);
        told_waiting(&trial.take(&[Input::FromNegotiator(reasons)]))
    };
    let busy = |could_run| Cause::Busy {
        could_run,
        short: "Cpus".to_owned(),
        asked: 2,
        free: 1,
        total: 4,
    };
    let told = |jobs: [&str; 2], why: &str| jobs.map(|jobs| format!("{jobs} {why}")).to_vec();
    let all = "not yet: 2 machines could run it; all are busy (short of Cpus)";
    assert_eq!(hears(Verdict::NotYet, busy(2)), told(["1: 3", "2: 1"], all));
    assert!(hears(Verdict::NotYet, busy(1)).is_empty(), "only a number is another one");
    let none = "never: the pool has no machines";
    assert_eq!(hears(Verdict::Never, Cause::NoMachines), told(["1: 3", "2: 1"], none));
    assert!(hears(Verdict::NotYet, busy(2)).is_empty(), "it was told");
    assert_eq!(shows(&trial, "LastRejMatchTime"), "1000000");
    assert_eq!(shows(&trial, "AutoClusterAttrs"), "\"requestcpus\"");
}

#[test]
fn the_record_tells_that_jobs_wait_for_a_moment() {
    // What the jobs say, how the first run ends if there is one, and what is told at last.
    let check = |lines: &str, end: Option<RunEnd>, expected: &str| {
        let mut trial = Trial::new();
        let (by, token) = (user("alice"), SubmitToken([1; 16]));
        trial.take(&[Input::NegotiatorUp, Input::Reserve { by: by.clone(), token }]);
        let spec = Arc::new(spec(3, lines));
        let batch = trial.take(&[Input::Submit { by, token, cluster: ClusterId(1), spec }]);
        let mut told = told_waiting(&batch);
        if let Some(end) = end {
            told.extend(told_waiting(&trial.claims(CLAIM, MATCH)));
            told.extend(told_waiting(&trial.ends(end)));
        }
        assert_eq!(told.join("; "), expected, "{lines}");
        assert!(told_waiting(&trial.waits(1)).is_empty(), "{lines}");
    };
    check("", Some(exited(0)), "");
    check("DeferralTime = 1000100", None, "1: 3 not yet: it is to start in 100 s");
    check(
        "NextJobStartDelay = 9",
        Some(exited(0)),
        "1: 2 not yet: the job that started last asks for a pause (next_job_start_delay): next start in 9 s",
    );
    check(
        "",
        Some(RunEnd::Lost { reason: "no keeper".to_owned() }),
        "1: 1 not yet: next try in 1 s; the last one failed: no keeper",
    );
}

fn holding(run: RunStatus) -> ClaimStatus {
    ClaimStatus {
        claim: CLAIM,
        secret: ClaimSecret::new([3; 16]),
        matched: MATCH,
        last_ordinal: 1,
        run: Some((RAN, run)),
    }
}

fn shows(trial: &Trial, name: &str) -> String {
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    ad.lookup(&name.into()).map_or_else(|| "undefined".to_owned(), ToString::to_string)
}

#[test]
fn a_machine_that_cannot_be_heard_is_told_of_and_so_is_its_return() {
    let mut trial = Trial::executing("UserLog = \"/log\"");
    assert_eq!(shows(&trial, "StartdIpAddr"), "\"<10.0.0.1:9618>\"");
    assert_eq!(shows(&trial, "RemoteSlotID"), "1");
    assert_eq!(entries(&trial.take(&[Input::StartdDown { machine: machine() }])), ["022"]);
    let down = Input::StartdDown { machine: machine() };
    assert!(entries(&trial.take(&[down])).is_empty(), "it was told already");
    assert_eq!(shows(&trial, "JobDisconnectedDate"), trial.now.wall.as_secs().to_string());
    trial.core = Core::load(config(), trial.core.rows(), trial.now);
    trial.waits(5);
    let executing = holding(RunStatus::Executing(trial.now.wall));
    let back = trial.hears(status(&trial, vec![executing.clone()]));
    assert_eq!(entries(&back), ["023"]);
    assert_eq!(shows(&trial, "NumJobReconnects"), "1");
    assert_eq!(shows(&trial, "JobDisconnectedDate"), "undefined");
    assert!(entries(&trial.hears(status(&trial, vec![executing]))).is_empty());
}

#[test]
fn a_run_that_ended_while_its_machine_could_not_be_heard_ends_as_usual() {
    let mut trial = Trial::executing("UserLog = \"/log\"");
    trial.take(&[Input::StartdDown { machine: machine() }]);
    let ended = holding(RunStatus::Ended(exited(0), Usage::default()));
    assert_eq!(entries(&trial.hears(status(&trial, vec![ended]))), ["005"]);
}

#[test]
fn evictions_and_holds_are_counted_by_the_names_of_their_codes() {
    let mut trial = Trial::executing("");
    trial.acts("alice", hold());
    trial.ends(RunEnd::vacated(VacateCode::ScheddVacate));
    for (name, value) in [
        ("NumVacates", "1"),
        ("NumVacatesByReason", "[ UserRequest = 1 ]"),
        ("VacateReasonCode", "1"),
        ("VacateReasonSubCode", "0"),
        ("NumHoldsByReason", "[ UserRequest = 1 ]"),
        ("NumShadowExceptions", "undefined"),
    ] {
        assert_eq!(shows(&trial, name), value, "{name}");
    }
    let mut idle = Trial::with_jobs(1, "");
    for action in [hold(), release(), hold()] {
        idle.acts("alice", action);
    }
    assert_eq!(shows(&idle, "NumHoldsByReason"), "[ UserRequest = 2 ]");
    assert_eq!(shows(&idle, "NumVacates"), "undefined", "it had no run");
}

#[test]
fn a_lost_run_is_an_eviction_too() {
    let mut trial = Trial::executing("");
    let reason = "its keeper died".to_owned();
    trial.ends(RunEnd::Lost { reason });
    assert_eq!(shows(&trial, "NumVacatesByReason"), "[ ReconnectFailed = 1 ]");
    assert_eq!(shows(&trial, "VacateReason"), "\"its keeper died\"");
    assert_eq!(shows(&trial, "NumShadowExceptions"), "1");
}

#[test]
fn a_job_whose_files_travel_tells_when_they_did() {
    let check = |should: &str, transferring: &str, expected: [&str; 4]| {
        let lines = format!("LeaveJobInQueue = true\nShouldTransferFiles = \"{should}\"");
        let mut trial = Trial::executing(&lines);
        let began = trial.now.wall;
        assert_eq!(shows(&trial, "TransferringInput"), transferring, "{should}");
        trial.waits(5);
        let usage = Usage { started: Some(began), ended: Some(trial.now.wall), ..Usage::default() };
        trial.waits(2);
        let end = exited(0);
        trial.hears(FromStartd::RunEnded { claim: CLAIM, run: RAN, end, usage });
        let names = [
            "TransferInStarted",
            "TransferInFinished",
            "TransferOutStarted",
            "TransferOutFinished",
        ];
        assert_eq!(names.map(|name| shows(&trial, name)), expected, "{should}");
    };
    check("YES", "false", ["1000000", "1000000", "1000005", "1000007"]);
    check("NO", "undefined", ["undefined"; 4]);
}

#[test]
fn a_program_that_was_executed_while_nobody_could_tell_counts_as_executed() {
    let mut trial = Trial::with_jobs(1, "LeaveJobInQueue = true");
    trial.matched();
    trial.hears(granted(&trial));
    let usage = Usage { started: Some(trial.now.wall), ..Usage::default() };
    trial.hears(FromStartd::RunEnded { claim: CLAIM, run: RAN, end: exited(0), usage });
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    let starts = ad.literal(attr::NUM_JOB_STARTS).and_then(classad::Value::as_i64);
    assert_eq!(starts, Some(1));
}
