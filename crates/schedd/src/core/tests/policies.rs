//! Policies that time can make true: what becomes of a job, when, and what its log says.

use model::{JobEvent, Usage};

use crate::core::tests::*;
use crate::core::{SystemAct, SystemPolicy};

/// How the job stands before its policy is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Idle,
    Running,
    /// Held by this code.
    Held(HoldCode),
    /// Ended, and in the queue because it wants to.
    Completed,
}

fn begin(from: Start, policy: &str) -> Trial {
    match from {
        Start::Idle => Trial::with_jobs(1, policy),
        Start::Running => Trial::executing(policy),
        Start::Held(code) => {
            let mut trial = Trial::with_jobs(1, policy);
            let hold = Action::Hold { reason: None, code, subcode: 0 };
            assert_eq!(trial.acts("alice", hold), ActResult::Done, "{policy}");
            trial
        }
        Start::Completed => {
            let mut trial = Trial::executing(&format!("LeaveJobInQueue = true\n{policy}"));
            trial.ends(exited(0));
            trial
        }
    }
}

#[test]
fn a_policy_that_becomes_true_is_followed_within_five_seconds() {
    use Start::{Completed, Held, Idle, Running};
    let held = |code| (5, Some(code));
    let (idle, runs, gone, removed) = ((1, None), (2, None), (0, None), (3, None));
    let broken = HoldCode::TransferInputError;
    let cases = [
        // Nothing that is undefined, an error or a string is true.
        (Idle, "PeriodicHold = Nowhere", idle),
        (Idle, "PeriodicHold = error", idle),
        (Idle, "PeriodicHold = \"true\"", idle),
        (Idle, "PeriodicHold = TARGET.Cpus > 0", idle),
        (Idle, "PeriodicHold = 7", held(3)),
        (Idle, "PeriodicHold = 0.0", idle),
        (Idle, "PeriodicRemove = true", gone),
        (Idle, "PeriodicRelease = true", idle),
        (Idle, "PeriodicVacate = true", idle),
        // The order: hold before remove; timer before hold; vacate before hold; durations before
        // all.
        (Idle, "PeriodicHold = true\nPeriodicRemove = JobStatus == 1", held(3)),
        (Idle, "PeriodicHold = true\nTimerRemove = 5", gone),
        (Idle, "TimerRemove = 5000000000", idle),
        (Running, "PeriodicHold = JobStatus == 2\nPeriodicRemove = JobStatus == 2", held(3)),
        (Running, "PeriodicHold = NumJobStarts >= 1", held(3)),
        (Running, "PeriodicHold = NumJobStarts >= 2", runs),
        (Running, "PeriodicHold = JobStatus == 1 && NumJobStarts > 0", runs),
        (Running, "PeriodicRemove = NumShadowStarts + JobRunCount >= 2", removed),
        (Running, "PeriodicVacate = true\nPeriodicHold = JobStatus == 2", runs),
        (Running, "AllowedJobDuration = 5\nPeriodicRemove = NumJobStarts > 0", held(46)),
        (Running, "AllowedJobDuration = 6", runs),
        (Running, "AllowedExecuteDuration = 4", held(47)),
        (Running, "AllowedExecuteDuration = 5", runs),
        (Running, "AllowedExecuteDuration = Nowhere", runs),
        // A walltime needs no policy, and none stands in its way.
        (Running, "PbsWalltime = 4", removed),
        (Running, "PbsWalltime = 4\nPeriodicRemove = false", removed),
        (Running, "PbsWalltime = 5\nAllowedExecuteDuration = 4", held(47)),
        (Running, "PbsWalltime = 5", runs),
        (Running, "PeriodicHold = RemoteWallClockTime >= 5.0", held(3)),
        (Running, "PeriodicHold = CurrentTime - EnteredCurrentStatus >= 5", held(3)),
        (Running, "PeriodicHold = time() - JobCurrentStartDate >= 6", runs),
        // A user's own hold is not released by a policy; it can be removed by one.
        (Held(HoldCode::UserRequest), "PeriodicRelease = true", held(1)),
        (Held(HoldCode::UserRequest), "PeriodicRemove = JobStatus == 5", gone),
        (Held(broken), "PeriodicRelease = HoldReasonCode == 13", idle),
        (Held(broken), "PeriodicRelease = HoldReasonCode == 12", held(13)),
        (Held(broken), "PeriodicRelease = NumHolds < 2", idle),
        (Held(broken), "PeriodicRelease = true\nPeriodicRemove = JobStatus == 5", idle),
        (Held(broken), "PeriodicHold = JobStatus == 5", held(13)),
        // It wants to stay, and does so as a removed job.
        (Completed, "PeriodicRemove = JobStatus == 4", (3, None)),
        (Completed, "LeaveJobInQueue = JobStatus == 4\nPeriodicRemove = JobStatus == 4", gone),
        (Completed, "PeriodicHold = JobStatus == 4", (4, None)),
    ];
    for (from, policy, expected) in cases {
        // What
        let mut trial = begin(from, policy);
        trial.waits(5);
        let stands = match (from, trial.stands()) {
            // A job that waits for its time to be tried again is idle as well.
            (Held(_), (1, code)) => (1, code),
            (_, stands) => stands,
        };
        assert_eq!(stands, expected, "{from:?}, {policy}");
    }
}

#[test]
fn a_program_that_has_ended_in_time_is_not_late_whatever_is_done_after_it() {
    for (ended, expected) in [(false, 3), (true, 2)] {
        let mut trial = Trial::executing("PbsWalltime = 4");
        let usage = Usage { ended: ended.then_some(trial.now.wall), ..Usage::default() };
        trial.hears(FromStartd::RunUsage { claim: CLAIM, run: RAN, usage });
        trial.waits(5);
        assert_eq!(trial.stands().0, expected, "its program has ended: {ended}");
    }
}

#[test]
fn a_policy_says_why_in_the_jobs_words_or_in_htcondors() {
    let hold = |lines: &str| {
        let mut trial = begin(Start::Idle, lines);
        trial.waits(5);
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        let text = |name: &str| ad.eval(name, None, &classad::Env::at(0)).to_new();
        format!("{} {}", text(attr::HOLD_REASON), text(attr::HOLD_REASON_SUB_CODE))
    };
    let own = "PeriodicHold = NumJobStarts >= 0\nPeriodicHoldReason = strcat(\"jobs \", ClusterId)\nPeriodicHoldSubCode = 40 + 2";
    assert_eq!(hold(own), r#""jobs 1" 42"#);
    let whose = "The job attribute PeriodicHold expression 'NumJobStarts >= 0' evaluated to TRUE";
    assert_eq!(hold("PeriodicHold = NumJobStarts >= 0"), format!("\"{whose}\" 0"));
    assert_eq!(
        hold("PeriodicHold = NumJobStarts >= 0\nPeriodicHoldReason = 7"),
        format!("\"{whose}\" 0")
    );
}

#[test]
fn a_hold_by_policy_is_logged_without_an_eviction_and_a_vacate_with_one() {
    let cases = [
        ("PeriodicHold = JobStatus == 2", vec!["012"]),
        ("AllowedExecuteDuration = 1", vec!["012"]),
        ("AllowedJobDuration = 1", vec!["012"]),
        ("PeriodicVacate = true", vec!["004"]),
        ("PeriodicRemove = JobStatus == 2", vec!["004", "009"]),
    ];
    for (policy, expected) in cases {
        let mut trial = Trial::executing(&format!("UserLog = \"/log\"\n{policy}"));
        trial.waits(5);
        let batch = trial.ends(RunEnd::vacated(VacateCode::ScheddVacate));
        assert_eq!(entries(&batch), expected, "{policy}");
    }
}

#[test]
fn the_log_tells_of_no_growth_of_what_did_not_run_and_of_no_hold_of_what_was_submitted_on_hold() {
    for (stage, expected, starts) in [
        (StartStage::Output, &["021", "004", "012"][..], "0"),
        // What could not be executed was to be, and counts (HTCondor 25.14).
        (StartStage::Execute, &["001", "021", "004", "012"], "1"),
    ] {
        let mut trial = Trial::with_jobs(1, "UserLog = \"/log\"");
        trial.matched();
        trial.hears(granted(&trial));
        let usage = Usage { peak_rss_kib: 4096, ..Usage::default() };
        let end = RunEnd::StartFailed(StartFailure::at(stage, "/bin/none", 2));
        let batch = trial.hears(FromStartd::RunEnded { claim: CLAIM, run: RAN, end, usage });
        assert_eq!(entries(&batch), expected, "{stage:?}");
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        assert_eq!(ad.get(attr::NUM_JOB_STARTS).unwrap().to_string(), starts, "{stage:?}");
    }

    let mut trial = Trial::new();
    let (by, token) = (user("alice"), SubmitToken([1; 16]));
    trial.take(&[Input::Reserve { by: by.clone(), token }]);
    let held = Arc::new(spec(1, "UserLog = \"/log\"\nJobStatus = 5\nHoldReasonCode = 15"));
    let batch = trial.take(&[Input::Submit { by, token, cluster: ClusterId(1), spec: held }]);
    assert_eq!(entries(&batch), ["000"]);
    assert_eq!(trial.stands(), (5, Some(15)));
}

#[test]
fn another_priority_is_told_and_the_same_one_is_not() {
    let mut trial = Trial::with_jobs(1, "UserLog = \"/log\"");
    for (priority, expected) in [(5, &["033"][..]), (5, &[]), (-1, &["033"])] {
        let select = Select::Any(vec![Selector::Job(JOB)]);
        let act = act("alice", Action::Prioritise(Priority::Set(priority)), select);
        assert_eq!(entries(&trial.take(&[act])), expected, "{priority}");
    }
}

#[test]
fn a_runs_usage_reaches_its_policies() {
    let mut trial = Trial::executing("UserLog = \"/log\"\nPeriodicHold = MemoryUsage > 100");
    let usage = |peak_rss_kib| Usage { peak_rss_kib, ..Usage::default() };
    let used = |kib| FromStartd::RunUsage { claim: CLAIM, run: RAN, usage: usage(kib) };
    assert_eq!(entries(&trial.hears(used(100 << 10))), ["006"]);
    trial.waits(5);
    assert_eq!(trial.stands(), (2, None));
    trial.hears(used(101 << 10));
    trial.waits(5);
    assert_eq!(trial.stands(), (5, Some(3)));
}

#[test]
fn jobs_without_policies_cost_nothing_and_constant_ones_neither() {
    for lines in [
        "",
        "PeriodicHold = false\nPeriodicRemove = 0\nPeriodicRelease = undefined",
        "PeriodicVacate = \"x\"\nAllowedJobDuration = undefined",
        "PeriodicHold = JobStatus == 5\nPeriodicRelease = JobStatus == 2",
    ] {
        let trial = Trial::with_jobs(1, lines);
        assert!(trial.core.watched.is_empty(), "{lines}");
        assert_eq!(trial.core.round_due_ms(), None, "{lines}");
    }
}

#[test]
fn a_round_over_many_jobs_goes_on_until_it_is_over() {
    // Each of the first is asked by itself, as the policy names its number; of the second all are
    // asked at once.
    for (policy, held) in [("ProcId % 2 == 0", 5_000), ("true", 10_000)] {
        let mut trial = Trial::with_jobs(10_000, &format!("PeriodicHold = {policy}"));
        while trial.core.round.next.is_some() {
            assert_eq!(trial.core.next_deadline(), Some(trial.core.round.began_ms), "at once");
            trial.take(&[]);
        }
        assert_eq!(trial.core.totals().all.held, held, "{policy}");
    }
}

#[test]
fn a_million_waiting_jobs_are_asked_as_one() {
    let mut trial = Trial::new();
    trial.submit(SubmitToken([1; 16]), spec(1_000_000, "PeriodicRemove = time() - QDate > 7"));
    trial.now.boot_ms += 5_000;
    let facts = trial.core.policies(trial.now);
    assert_eq!(facts.len(), 1, "a round, and nothing else");
    assert_eq!(trial.core.rows().jobs.len(), 0);
}

#[test]
fn what_only_some_jobs_ask_for_is_asked_of_them() {
    let mut trial = Trial::new();
    let own = |lines: &str| ClassAd::parse_old(lines).unwrap();
    let ad = ClassAd::parse_old("RequestCpus = 1\n").unwrap();
    let procs = Procs::Listed(vec![own("Args = \"a\"\n"), own("PeriodicHold = true\n")]);
    trial.submit(SubmitToken([1; 16]), ClusterSpec { ad, procs });
    trial.waits(5);
    let counts = trial.core.totals().all;
    assert_eq!((counts.idle, counts.held), (1, 1));
}

#[test]
fn what_a_policy_does_is_in_the_record() {
    let mut trial = Trial::with_jobs(1, "PeriodicRemove = time() > 1000002");
    trial.waits(5);
    let recorded = trial.core.rows();
    assert!(recorded.jobs.is_empty(), "it left the queue: {recorded:?}");
    let mut trial = Trial::with_jobs(1, "PeriodicHold = time() > 1000002");
    let batch = trial.waits(5);
    let Happening::Job { event: JobEvent::Held(hold), .. } = &batch.dirty.recorded[0].what else {
        panic!("{batch:?}")
    };
    assert_eq!(hold.code, HoldCode::JobPolicy);
}

fn transferred(stage: StartStage, errno: i32) -> RunEnd {
    RunEnd::StartFailed(StartFailure::at(stage, "/x", errno))
}

#[test]
fn a_hold_that_may_pass_by_itself_is_tried_again_and_no_other() {
    const ENOENT: i32 = 2;
    const ENOSPC: i32 = 28;
    let input = |errno| transferred(StartStage::TransferInput, errno);
    let lost = |errno| RunEnd::OutputFailed {
        end: ProgramEnd::Exited { code: 0 },
        path: "/x".to_owned(),
        errno,
        over_limit: false,
        said: None,
    };
    let cases = [
        ("", input(ENOSPC), 1),
        ("", input(ENOENT), 5),
        ("", lost(ENOSPC), 1),
        ("", lost(ENOENT), 5),
        ("", transferred(StartStage::Output, ENOSPC), 1),
        ("PeriodicRelease = false", input(ENOSPC), 5),
        ("PeriodicRelease = NumHolds > 7", input(ENOSPC), 5),
        ("OnExitHold = true\nOnExitHoldSubCode = 28", exited(0), 5),
    ];
    for (lines, end, expected) in cases {
        let mut trial = Trial::executing(lines);
        trial.ends(end.clone());
        assert_eq!(trial.stands().0, 5, "{lines}, {end:?}");
        trial.waits(59);
        assert_eq!(trial.stands().0, 5, "{lines}, {end:?}: too early");
        trial.waits(6);
        assert_eq!(trial.stands().0, expected, "{lines}, {end:?}");
    }
}

#[test]
fn a_users_own_hold_is_never_released_by_default() {
    let mut trial = Trial::with_jobs(1, "");
    let hold = Action::Hold { reason: None, code: HoldCode::UserRequest, subcode: 28 };
    trial.acts("alice", hold);
    trial.waits(100_000);
    assert_eq!(trial.stands(), (5, Some(1)));
}

#[test]
fn the_waits_grow_and_end_and_a_restart_changes_nothing() {
    let mut trial = Trial::executing("");
    trial.ends(transferred(StartStage::TransferInput, 28));
    let mut waits = Vec::new();
    for attempt in 2.. {
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        let Some(at) = ad.literal(attr::HOLD_RETRY_DATE).and_then(classad::Value::as_i64) else {
            break;
        };
        let wait = at - trial.now.wall.as_secs();
        waits.push(wait);
        trial.core = Core::load(config(), trial.core.rows(), trial.now);
        trial.take(&[Input::NegotiatorUp]);
        // Five seconds more: the longest time until it is looked at.
        trial.waits(u64::try_from(wait).unwrap() + 5);
        assert_eq!(trial.stands().0, 1, "attempt {attempt}");
        let claim = ClaimId { journal: 7, number: attempt };
        let run = RunId { job: JOB, attempt: model::Attempt(u32::try_from(attempt).unwrap()) };
        trial.claims(claim, MatchId { life: 9, number: attempt });
        let (end, usage) = (transferred(StartStage::TransferInput, 28), Usage::default());
        trial.hears(FromStartd::RunEnded { claim, run, end, usage });
    }
    assert_eq!(waits, [60, 300, 900, 1800, 3600]);
    trial.waits(1_000_000);
    assert_eq!(trial.stands(), (5, Some(13)));
}

#[test]
fn a_policy_that_a_job_was_given_later_is_followed() {
    for (before, changes, expected) in [
        ("", ("PeriodicHold", "true"), (1, 1)),
        ("PeriodicHold = time() > 1000020", ("PeriodicHold", "false"), (1, 1)),
        ("PeriodicHold = time() > Limit\nLimit = 2000000", ("Limit", "7"), (1, 1)),
    ] {
        let mut trial = Trial::with_jobs(2, before);
        edit(&mut trial, "alice", Select::Any(vec![Selector::Job(JOB)]), &[changes]);
        trial.core = Core::load(config(), trial.core.rows(), trial.now);
        trial.waits(30);
        let counts = trial.core.totals().all;
        assert_eq!((counts.idle, counts.held), expected, "{before}, then {changes:?}");
    }
}

#[test]
fn a_job_that_is_not_to_run_counts_as_ended_at_once_and_takes_no_machine() {
    let check = |lines: &str, waiting: u64, code: Option<i64>, signal: Option<i64>| {
        let status = if code.or(signal).is_some() { 4 } else { 1 };
        let lines = format!("UserLog = \"/log\"\nLeaveJobInQueue = true\n{lines}");
        let trial = Trial::with_jobs(3, &lines);
        let ad = trial.core.job_ad(trial.now, JobId::new(1, 2)).unwrap();
        let value = |name| ad.literal(name).and_then(classad::Value::as_i64);
        let shown = (value(attr::JOB_STATUS), value(attr::EXIT_CODE), value(attr::EXIT_SIGNAL));
        assert_eq!(shown, (Some(status), code, signal), "{lines}");
        let waits = trial.core.classes.by_id.values().map(|class| class.idle.count()).sum::<u64>();
        assert_eq!(waits, waiting, "{lines}");
    };
    check("IsNoopJob = true", 0, Some(0), None);
    check("IsNoopJob = ProcId >= 0\nNoopJobExitCode = 3", 0, Some(3), None);
    check("IsNoopJob = ProcId == 2", 2, Some(0), None);
    check("IsNoopJob = ProcId < 2", 1, None, None);
    check("IsNoopJob = true\nNoopJobExitSignal = 9", 0, None, Some(9));
    check("IsNoopJob = false", 3, None, None);
    check("IsNoopJob = Undefined", 3, None, None);

    let mut gone = Trial::new();
    gone.submit(SubmitToken([1; 16]), spec(2, "IsNoopJob = true"));
    assert_eq!(gone.core.rows().clusters, [], "they have left the queue for the history");
}

#[test]
fn what_the_administrator_lays_down_comes_behind_what_the_job_says() {
    use Start::{Held, Idle, Running};
    use SystemAct::{Hold, Release, Remove, Vacate};
    let check =
        |from: Start, job: &str, laid_down: &[(SystemAct, &str)], stands: (i64, Option<i64>)| {
            let mut trial = begin(from, job);
            let policy = |(act, when): &(SystemAct, &str)| SystemPolicy {
                act: *act,
                setting: "SYSTEM_PERIODIC_X".to_owned(),
                when: when.parse().unwrap(),
                reason: None,
                subcode: Some("40 + 2".parse().unwrap()),
            };
            let mut config = config();
            config.system = laid_down.iter().map(policy).collect();
            trial.core = Core::load(config, trial.core.rows(), trial.now);
            trial.waits(5);
            assert_eq!(trial.stands(), stands, "{from:?} {job} {laid_down:?}");
            trial
        };
    let broken = HoldCode::TransferInputError;
    check(Idle, "", &[(Hold, "ProcId > 0")], (1, None));
    let held = check(Idle, "", &[(Hold, "RequestCpus >= 1")], (5, Some(26)));
    let ad = held.core.job_ad(held.now, JOB).unwrap();
    let text = |name| ad.literal(name).map(ToString::to_string).unwrap_or_default();
    let why = "The system macro SYSTEM_PERIODIC_X expression 'RequestCpus >= 1' evaluated to TRUE";
    assert_eq!(text("HoldReason"), format!("\"{why}\""));
    assert_eq!(text("HoldReasonSubCode"), "42");
    check(Idle, "PeriodicHold = time() > 1000002", &[(Hold, "true")], (5, Some(3)));
    check(Idle, "PeriodicRemove = time() > 1000002", &[(Hold, "true")], (5, Some(26)));
    check(Idle, "", &[(Vacate, "true"), (Release, "true"), (Remove, "JobStatus == 2")], (1, None));
    check(Idle, "", &[(Remove, "Nowhere"), (Remove, "true")], (0, None));
    check(Held(broken), "", &[(Release, "NumHolds < 2")], (1, None));
    check(Held(HoldCode::UserRequest), "", &[(Release, "true")], (5, Some(1)));
    check(Running, "", &[(Hold, "false"), (Vacate, "NumJobStarts > 1")], (2, None));
}

#[test]
fn a_job_is_asked_at_the_moment_when_its_time_is_over() {
    let ends = "PbsWalltime = 7\nPeriodicRemove = time() - JobCurrentStartExecutingDate >= 7";
    let mut trial = Trial::executing(ends);
    let due = trial.now.boot_ms + 7010;
    assert!(trial.core.run_limits.first_ms() == Some(due), "{:?}", trial.core.run_limits);
    let loaded = Core::load(config(), trial.core.rows(), trial.now);
    assert_eq!(loaded.run_limits.first_ms(), Some(due), "so it is after a restart");
    // The round of all policies has just been.
    trial.waits(6);
    assert_eq!(trial.stands(), (2, None));
    trial.now.boot_ms += 1010;
    trial.now.wall = Timestamp::from_millis(trial.now.wall.as_millis() + 1010);
    trial.take(&[]);
    assert!(trial.core.job(JOB).is_none_or(|job| job.is_stopping()), "its run is to end");
    assert_eq!(trial.core.run_limits.first_ms(), None);
}
