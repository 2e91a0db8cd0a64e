//! Tables: what is done to a queue of one cluster, and what becomes of its first job.

use std::sync::Arc;

use classad::{ClassAd, Expr};
use model::userlog::{TransferStep, UserLogEvent};
use model::{
    Beat, ClaimId, ClaimSecret, ClusterId, ClusterSpec, HoldCode, JobId, JobPriority, MachineName,
    MatchId, Now, Pause, ProcTemplate, Procs, ProgramEnd, Resources, RunEnd, RunId, ScheddName,
    Script, StartFailure, StartStage, SubmitToken, Timestamp, Usage, UserName, VacateCode, attr,
};
use proto::claiming::{ClaimGranted, FromStartd, StopHow, ToStartd};
use proto::client::{
    ActResult, Action, Answer, Edited, FrontEnd, Happening, Priority, Query, Refusal, Select,
    Selector,
};
use proto::matchmaking::{FromSchedd, Match, ToSchedd};

use super::run_batch;
use crate::core::{Actor, Batch, Beside, Core, CoreConfig, Effect, Input, Starts};

const JOB: JobId = JobId::new(1, 0);
const CLAIM: ClaimId = ClaimId { journal: 7, number: 1 };
const MATCH: MatchId = MatchId { life: 9, number: 1 };
const RAN: RunId = RunId { job: JOB, attempt: model::Attempt(1) };

/// A schedd, and the time by its clock.
struct Trial {
    core: Core,
    now: Now,
}

impl Trial {
    fn new() -> Self {
        let now = Now { wall: Timestamp::from_secs(1_000_000), boot_ms: 1_000_000 };
        Self { core: Core::new(config()), now }
    }

    /// A trial with one cluster of so many jobs, whose ad has these lines.
    fn with_jobs(count: u32, lines: &str) -> Self {
        let mut trial = Self::new();
        trial.take(&[Input::NegotiatorUp]);
        let submitted = Answer::Submitted { cluster: ClusterId(1), procs: count };
        assert_eq!(trial.submit(SubmitToken([1; 16]), spec(count, lines)), submitted);
        trial
    }

    /// As [`Trial::with_jobs`], and the first job's program is executing.
    fn executing(lines: &str) -> Self {
        let mut trial = Self::with_jobs(1, lines);
        trial.matched();
        trial.hears(granted(&trial));
        trial.hears(FromStartd::RunStarted {
            claim: CLAIM,
            run: RAN,
            at: trial.now.wall,
            scratch_dir: "/scratch".to_owned(),
        });
        trial
    }

    fn take(&mut self, inputs: &[Input]) -> Batch {
        let batch = run_batch(&mut self.core, self.now, inputs);
        assert_eq!(self.core.check(), Ok(()));
        let again = Core::load(config(), self.core.rows(), self.now);
        assert_eq!(again.rows(), self.core.rows(), "what was written is loaded");
        batch
    }

    fn submit(&mut self, token: SubmitToken, spec: ClusterSpec) -> Answer {
        let by = user("alice");
        let reserved = self.take(&[Input::Reserve { by: by.clone(), token }]).answers.remove(0);
        let Some(Answer::Reserved(cluster)) = reserved else { panic!("{reserved:?}") };
        let submit = Input::Submit { by, token, cluster, spec: Arc::new(spec) };
        self.take(&[submit]).answers.remove(0).unwrap()
    }

    fn matched(&mut self) -> Batch {
        self.matched_as(MATCH)
    }

    fn matched_as(&mut self, id: MatchId) -> Batch {
        let offer = Match {
            id,
            class: self.core.classes.by_id.keys().next().copied().unwrap(),
            machine: machine(),
            address: "<10.0.0.1:9618>".to_owned(),
            resources: Resources { cpus: 1, ..Resources::default() },
            limits: Vec::new(),
            term: None,
            gang: None,
        };
        let batch = self.take(&[Input::FromNegotiator(ToSchedd::Matches(vec![offer]))]);
        self.hears(status(self, vec![]));
        batch
    }

    /// A new claim for the first class: its first job starts.
    fn claims(&mut self, claim: ClaimId, matched: MatchId) -> Batch {
        self.matched_as(matched);
        let FromStartd::ClaimGranted(mut granted) = granted(self) else { unreachable!() };
        (granted.claim, granted.matched) = (claim, matched);
        granted.slot = format!("slot1_{}@m", claim.number);
        self.hears(FromStartd::ClaimGranted(granted))
    }

    fn hears(&mut self, message: FromStartd) -> Batch {
        self.take(&[Input::FromStartd { machine: machine(), message }])
    }

    fn ends(&mut self, end: RunEnd) -> Batch {
        self.hears(FromStartd::RunEnded { claim: CLAIM, run: RAN, end, usage: Usage::default() })
    }

    fn acts(&mut self, by: &str, action: Action) -> ActResult {
        let select = Select::Any(vec![Selector::Job(JOB)]);
        let answer = self.take(&[act(by, action, select)]).answers.remove(0);
        let Some(Answer::Acted(acted)) = answer else { panic!("{answer:?}") };
        acted[0].result
    }

    fn waits(&mut self, seconds: u64) -> Batch {
        self.now.boot_ms += seconds * 1000;
        self.now.wall = Timestamp::from_millis(
            self.now.wall.as_millis() + 1000 * i64::try_from(seconds).unwrap(),
        );
        self.take(&[])
    }

    /// The first job's `JobStatus`, with its hold code if it is held; 0 if it has left the queue.
    fn stands(&self) -> (i64, Option<i64>) {
        let ad = self.core.job_ad(self.now, JOB);
        let value =
            |name| ad.as_ref().and_then(|ad| ad.literal(name)).and_then(classad::Value::as_i64);
        (value(attr::JOB_STATUS).unwrap_or(0), value(attr::HOLD_REASON_CODE))
    }
}

fn config() -> CoreConfig {
    CoreConfig {
        name: ScheddName::new("schedd"),
        uid_domain: "here".to_owned(),
        address: "<127.0.0.1:9618>".to_owned(),
        spool: "/pool/spool".to_owned(),
        zone: jiff::tz::TimeZone::UTC,
        beside: Beside {
            machine: machine(),
            address: "<10.0.0.1:9618>".to_owned(),
            found: Arc::new(found()),
            starts: Starts::default(),
            life: 77,
        },
        event_log: None,
        system: Vec::new(),
        jobs_of_a_user: None,
        keeps_nothing: false,
        slice: 1000,
        generation: 1,
        ran_on: None,
    }
}

/// What the schedd's machine is.
fn found() -> ClassAd {
    ClassAd::parse_old("Arch = \"X86_64\"\nCpus = 4\nMemory = 1024\n").unwrap()
}

fn user(name: &str) -> Actor {
    Actor { user: UserName::new(name), superuser: name == "root", uid: None }
}

fn machine() -> MachineName {
    MachineName::new("m")
}

fn spec(count: u32, lines: &str) -> ClusterSpec {
    let ad = ClassAd::parse_old(&format!("RequestCpus = 1\n{lines}\n")).unwrap();
    ClusterSpec { ad, procs: Procs::Counted { count, template: ProcTemplate::default() } }
}

fn beat(trial: &Trial) -> Beat {
    Beat { life: 1, sent_ms: trial.now.boot_ms }
}

fn status(trial: &Trial, claims: Vec<proto::claiming::ClaimStatus>) -> FromStartd {
    FromStartd::Status { machine: machine(), claims, beat: beat(trial) }
}

fn granted(trial: &Trial) -> FromStartd {
    FromStartd::ClaimGranted(Box::new(ClaimGranted {
        matched: MATCH,
        claim: CLAIM,
        secret: ClaimSecret::new([3; 16]),
        slot: "slot1_1@m".to_owned(),
        resources: Resources { cpus: 1, ..Resources::default() },
        devices: model::Devices::new(),
        ad: Arc::new(ClassAd::new()),
        beat: beat(trial),
        can_share: true,
    }))
}

fn starts(batch: &Batch) -> Vec<RunId> {
    let started = batch.effects.iter().filter_map(|effect| match effect {
        Effect::ToStartd { message: ToStartd::StartRun(start), .. } => Some(start.run),
        Effect::ToStartd { .. }
        | Effect::ToNegotiator(_)
        | Effect::Connect { .. }
        | Effect::Disconnect { .. }
        | Effect::MakeSpool { .. }
        | Effect::RemoveSpool { .. } => None,
    });
    started.collect()
}

fn told(batch: &Batch) -> Vec<&FromSchedd> {
    let told = batch.effects.iter().filter_map(|effect| match effect {
        Effect::ToNegotiator(message) => Some(message),
        Effect::ToStartd { .. }
        | Effect::Connect { .. }
        | Effect::Disconnect { .. }
        | Effect::MakeSpool { .. }
        | Effect::RemoveSpool { .. } => None,
    });
    told.collect()
}

fn exited(code: i32) -> RunEnd {
    RunEnd::exited(code)
}

fn not_started(stage: StartStage) -> RunEnd {
    RunEnd::StartFailed(StartFailure::at(stage, "/x", 2))
}

fn script_failed(script: Script, end: Option<ProgramEnd>) -> RunEnd {
    RunEnd::ScriptFailed { script, ended: ProgramEnd::Exited { code: 7 }, end }
}

#[test]
fn the_ad_of_a_job_tells_how_its_scripts_ended_where_it_says_how_they_have_to() {
    let check = |policy: &str, end: RunEnd, pre: Option<i64>, post: Option<i64>| {
        let mut trial = Trial::executing(&format!(
            "LeaveJobInQueue = true\nPreCmd = \"a\"\nPostCmd = \"b\"\n{policy}"
        ));
        trial.ends(end);
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        let value = |name| ad.literal(name).and_then(classad::Value::as_i64);
        assert_eq!((value("PreCmdExitCode"), value("PostCmdExitCode")), (pre, post), "{policy}");
    };
    let both = "SuccessPreExitCode = 3\nSuccessPostExitCode = 4";
    check(both, exited(0), Some(3), Some(4));
    check(both, script_failed(Script::Pre, None), Some(7), None);
    check(
        both,
        script_failed(Script::Post, Some(ProgramEnd::Exited { code: 0 })),
        Some(3),
        Some(7),
    );
    check(both, not_started(StartStage::Execute), None, None);
    check("", exited(0), None, None);
}

#[test]
fn the_end_of_a_run_and_the_jobs_policy_decide_what_follows() {
    let done = (0, None);
    let idle = (1, None);
    let held = |code| (5, Some(code));
    let signal = RunEnd::killed(11);
    let cases = [
        ("", exited(0), done),
        ("", exited(13), done),
        ("", signal.clone(), done),
        ("OnExitRemove = ExitCode =?= 0", exited(1), idle),
        ("OnExitRemove = ExitCode =?= 0", exited(0), done),
        ("OnExitRemove = NumJobCompletions > 0", exited(1), done),
        ("OnExitRemove = Nowhere", exited(1), done),
        ("OnExitRemove = error", exited(1), done),
        ("OnExitHold = ExitCode =?= 1", exited(1), held(3)),
        ("OnExitHold = Nowhere", exited(1), done),
        ("OnExitHold = true\nOnExitRemove = false", exited(1), held(3)),
        ("OnExitHold = ExitBySignal", signal, held(3)),
        ("LeaveJobInQueue = true", exited(0), (4, None)),
        ("", not_started(StartStage::Execute), held(6)),
        ("", not_started(StartStage::Output), held(7)),
        ("", not_started(StartStage::Error), held(7)),
        ("", not_started(StartStage::Input), held(8)),
        ("", not_started(StartStage::Directory), held(14)),
        ("", not_started(StartStage::Group), held(49)),
        ("", not_started(StartStage::Prepare), idle),
        ("", script_failed(Script::Pre, None), held(43)),
        (
            "OnExitHold = true",
            script_failed(Script::Post, Some(ProgramEnd::Exited { code: 0 })),
            held(44),
        ),
        ("", RunEnd::vacated(VacateCode::StartdDraining), idle),
        ("", RunEnd::Lost { reason: "gone".to_owned() }, idle),
    ];
    for (policy, end, expected) in cases {
        let mut trial = Trial::executing(policy);
        trial.ends(end.clone());
        // A vacated job may run again on the same claim at once.
        let stands = match trial.stands() {
            (2, code) => (1, code),
            other => other,
        };
        assert_eq!(stands, expected, "{policy:?} after {end:?}");
    }
}

/// A user of HTCondor's commands does something.
fn act(by: &str, action: Action, select: Select) -> Input {
    Input::Act { by: user(by), action, select, through: FrontEnd::HtCondor }
}

fn remove(force: bool) -> Action {
    Action::Remove { reason: None, force }
}

fn hold() -> Action {
    Action::Hold { reason: None, code: HoldCode::UserRequest, subcode: 0 }
}

fn release() -> Action {
    Action::Release { reason: None }
}

#[test]
fn an_action_has_the_result_and_the_effect_that_the_jobs_state_allows() {
    use ActResult::{AlreadyDone, BadStatus, Done, NotFound, PermissionDenied};
    let vacate = || Action::Vacate { fast: false };
    // What was done before, by whom what is done now, its result, and how the job stands then.
    let idle: [(&[Action], &str, Action, ActResult, i64); 14] = [
        (&[], "alice", Action::Suspend, BadStatus, 1),
        (&[], "alice", Action::Continue, BadStatus, 1),
        (&[], "alice", hold(), Done, 5),
        (&[], "bob", hold(), PermissionDenied, 1),
        (&[], "root", hold(), Done, 5),
        (&[], "alice", release(), BadStatus, 1),
        (&[], "alice", vacate(), BadStatus, 1),
        (&[], "alice", remove(false), Done, 0),
        (&[], "alice", remove(true), BadStatus, 1),
        (&[hold()], "alice", hold(), AlreadyDone, 5),
        (&[hold()], "alice", release(), Done, 1),
        (&[hold()], "alice", remove(false), Done, 0),
        (&[remove(false)], "alice", remove(false), NotFound, 0),
        (&[remove(false)], "alice", hold(), NotFound, 0),
    ];
    let running: [(&[Action], &str, Action, ActResult, i64); 15] = [
        // The job shows as suspended only when its machine has said so.
        (&[], "alice", Action::Suspend, Done, 2),
        (&[], "bob", Action::Suspend, PermissionDenied, 2),
        (&[], "alice", Action::Continue, BadStatus, 2),
        (&[Action::Suspend], "alice", Action::Suspend, AlreadyDone, 2),
        (&[Action::Suspend], "alice", Action::Continue, Done, 2),
        (&[hold()], "alice", Action::Suspend, BadStatus, 5),
        (&[], "alice", hold(), Done, 5),
        (&[], "alice", remove(false), Done, 3),
        (&[], "alice", vacate(), Done, 2),
        (&[], "bob", vacate(), PermissionDenied, 2),
        (&[], "alice", remove(true), BadStatus, 2),
        (&[hold()], "alice", hold(), AlreadyDone, 5),
        (&[hold()], "alice", remove(false), Done, 3),
        (&[remove(false)], "alice", remove(false), AlreadyDone, 3),
        (&[remove(false)], "alice", remove(true), Done, 0),
    ];
    for (start, cases) in [("idle", &idle[..]), ("running", &running[..])] {
        for (before, by, action, result, stands) in cases {
            let mut trial = match start {
                "idle" => Trial::with_jobs(1, ""),
                _ => Trial::executing(""),
            };
            for action in *before {
                trial.acts("alice", action.clone());
            }
            let said = format!("{start}, {before:?}, then {by}: {action:?}");
            assert_eq!(trial.acts(by, action.clone()), *result, "{said}");
            assert_eq!(trial.stands().0, *stands, "{said}");
        }
    }
}

#[test]
fn a_stopped_run_becomes_what_it_was_stopped_for_whatever_it_said_last() {
    for (action, expected) in [(hold(), (5, Some(1))), (remove(false), (0, None))] {
        for end in [exited(0), RunEnd::vacated(VacateCode::ScheddVacate)] {
            let mut trial = Trial::executing("");
            trial.acts("alice", action.clone());
            trial.ends(end.clone());
            assert_eq!(trial.stands(), expected, "{action:?}, {end:?}");
        }
    }
}

#[test]
fn a_silent_machine_keeps_its_run_until_the_lease_and_its_margin_are_over() {
    // A lease of 100 s has a margin of 12 s.
    let mut trial = Trial::executing("JobLeaseDuration = 100");
    trial.take(&[Input::StartdDown { machine: machine() }]);
    trial.waits(111);
    assert_eq!(trial.stands().0, 2, "it may still run");
    trial.waits(1);
    assert_eq!(trial.stands().0, 1, "it is surely over");
}

#[test]
fn a_restart_counts_the_lease_from_the_restart() {
    let mut trial = Trial::executing("JobLeaseDuration = 100");
    trial.waits(90);
    trial.core = Core::load(config(), trial.core.rows(), trial.now);
    trial.waits(111);
    assert_eq!(trial.stands().0, 2);
    trial.waits(1);
    assert_eq!(trial.stands().0, 1);
}

#[test]
fn a_status_from_before_the_grant_does_not_end_the_claim() {
    let mut trial = Trial::with_jobs(1, "");
    let old = status(&trial, vec![]);
    trial.matched();
    trial.now.boot_ms += 10;
    trial.hears(granted(&trial));
    trial.hears(old);
    assert_eq!(trial.stands().0, 2, "the status is older than the claim");
    trial.now.boot_ms += 10;
    trial.hears(status(&trial, vec![]));
    assert_eq!(trial.stands().0, 1, "the status knows that the claim is gone");
}

#[test]
fn a_claim_runs_the_next_job_of_its_class_without_a_match() {
    let mut trial = Trial::with_jobs(2, "");
    trial.matched();
    assert_eq!(starts(&trial.hears(granted(&trial))), [RAN]);
    let next = RunId { job: JobId::new(1, 1), attempt: model::Attempt(1) };
    assert_eq!(starts(&trial.ends(exited(0))), [next]);
}

#[test]
fn the_same_token_twice_is_one_cluster() {
    let mut trial = Trial::with_jobs(3, "");
    let again = trial.submit(SubmitToken([1; 16]), spec(3, ""));
    assert_eq!(again, Answer::Submitted { cluster: ClusterId(1), procs: 3 });
    assert_eq!(trial.core.totals().all.idle, 3);
}

#[test]
fn a_number_that_another_token_reserved_is_refused() {
    let mut trial = Trial::new();
    let (by, cluster) = (user("alice"), ClusterId(1));
    trial.take(&[Input::Reserve { by: by.clone(), token: SubmitToken([1; 16]) }]);
    let token = SubmitToken([2; 16]);
    let submit = Input::Submit { by, token, cluster, spec: Arc::new(spec(1, "")) };
    let refused = Answer::Refused(Refusal::NotReserved(cluster));
    assert_eq!(trial.take(&[submit]).answers, [Some(refused)]);
}

#[test]
fn a_held_job_is_not_offered_for_matching() {
    let mut trial = Trial::with_jobs(1, "");
    let by = user("alice");
    let act = Input::Act { by, action: hold(), select: Select::All, through: FrontEnd::HtCondor };
    let batch = trial.take(&[act]);
    let [FromSchedd::Requests { changed, gone, .. }] = told(&batch)[..] else {
        panic!("{batch:?}")
    };
    assert!(changed.is_empty() && gone.len() == 1);
}

#[test]
fn a_million_jobs_are_one_class_and_no_records() {
    let mut trial = Trial::new();
    trial.take(&[Input::NegotiatorUp]);
    trial.submit(SubmitToken([1; 16]), spec(1_000_000, ""));
    assert_eq!(trial.core.totals().all.idle, 1_000_000);
    assert_eq!(trial.core.classes.by_id.len(), 1);
    assert_eq!(trial.core.rows().jobs.len(), 0);
    let some = Query {
        constraint: "ProcId == 3".parse::<Expr>().ok(),
        projection: vec![attr::PROC_ID.into()],
        limit: Some(1),
        ..Query::of(Select::All)
    };
    assert_eq!(trial.core.query(trial.now, &some).len(), 1);
}

fn edit(trial: &mut Trial, by: &str, select: Select, changes: &[(&str, &str)]) -> Edited {
    let changes = changes.iter().map(|(n, v)| ((*n).into(), v.parse().unwrap())).collect();
    let input = Input::Edit { by: user(by), select, changes, dry_run: false };
    match trial.take(&[input]).answers.remove(0) {
        Some(Answer::Edited(edited)) => edited,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_edit_is_for_all_selected_jobs_or_for_none() {
    let job = |proc| Selector::Job(JobId::new(1, proc));
    let constraint = |text: &str| Select::Constraint(text.parse().unwrap());
    let one = |selector| Select::Any(vec![selector]);
    for (by, select, name, expected) in [
        ("alice", one(job(0)), "Foo", Edited::Done(1)),
        ("alice", one(Selector::Cluster(ClusterId(1))), "Foo", Edited::Done(3)),
        ("alice", one(Selector::Cluster(ClusterId(9))), "Foo", Edited::NoJobs),
        ("alice", Select::Any(vec![job(0), job(9)]), "Foo", Edited::NotThisJob(JobId::new(1, 9))),
        ("alice", one(job(0)), "jobstatus", Edited::Immutable("jobstatus".into())),
        ("root", one(job(0)), "pbswalltime", Edited::Immutable("pbswalltime".into())),
        ("alice", one(job(0)), "PbsGroup", Edited::Immutable("PbsGroup".into())),
        ("alice", constraint("ProcId > 0"), "Foo", Edited::Done(2)),
        ("bob", one(job(1)), "Foo", Edited::NotThisJob(JobId::new(1, 1))),
        ("bob", constraint("true"), "Foo", Edited::NoJobs),
        ("root", constraint("true"), "Foo", Edited::Done(3)),
    ] {
        let mut trial = Trial::with_jobs(3, "");
        let found = edit(&mut trial, by, select.clone(), &[(name, "42")]);
        assert_eq!(found, expected, "{by} {select:?} {name}");
        let set = (0..3).filter(|proc| {
            let ad = trial.core.job_ad(trial.now, JobId::new(1, *proc)).unwrap();
            ad.literal(name).and_then(classad::Value::as_i64) == Some(42)
        });
        let expected = if let Edited::Done(count) = expected { count } else { 0 };
        assert_eq!(set.count() as u64, expected, "{by} {select:?} {name}");
    }
}

#[test]
fn an_edited_request_is_matched_with_its_new_value() {
    let mut trial = Trial::with_jobs(2, "");
    edit(&mut trial, "alice", Select::Any(vec![Selector::Job(JOB)]), &[("RequestCpus", "3")]);
    assert_eq!(trial.core.classes.by_id.len(), 2, "one of the jobs needs something else now");
    let cpus = |trial: &Trial| {
        let first =
            |class: &crate::core::state::classes::Class| class.idle.first().map(|(_, job)| job);
        let jobs = trial.core.classes.by_id.values().filter_map(first);
        let ads = jobs.map(|job| trial.core.job_ad(trial.now, job).unwrap());
        let mut requests: Vec<_> = ads
            .filter_map(|ad| ad.literal("RequestCpus").and_then(classad::Value::as_i64))
            .collect();
        requests.sort_unstable();
        requests
    };
    assert_eq!(cpus(&trial), [1, 3]);
    // And machines that look at something else do not undo it.
    trial.take(&[Input::FromNegotiator(ToSchedd::Significant(vec!["Foo".into()]))]);
    assert_eq!(cpus(&trial), [1, 3]);
}

#[test]
fn a_claim_of_a_job_that_was_edited_while_it_ran_serves_those_that_are_like_it_was() {
    let mut trial = Trial::with_jobs(3, "");
    trial.matched();
    assert_eq!(starts(&trial.hears(granted(&trial))), [RAN]);
    edit(&mut trial, "alice", Select::Any(vec![Selector::Job(JOB)]), &[("RequestCpus", "3")]);
    edit(
        &mut trial,
        "alice",
        Select::Any(vec![Selector::Job(JobId::new(1, 1))]),
        &[("RequestCpus", "3")],
    );
    trial.take(&[Input::FromNegotiator(ToSchedd::Significant(vec!["Foo".into()]))]);
    // Neither for itself nor for the other one that needs three processors now.
    let like_it_was = RunId { job: JobId::new(1, 2), attempt: model::Attempt(1) };
    assert_eq!(starts(&trial.ends(exited(0))), [like_it_was]);
}

#[test]
fn another_priority_is_another_place_at_once() {
    let mut trial = Trial::with_jobs(3, "JobPrio = 1");
    let last = JobId::new(1, 2);
    let select = Select::Any(vec![Selector::Job(last)]);
    let action = Action::Prioritise(Priority::Change(2));
    trial.take(&[act("alice", action, select)]);
    let first = trial.core.classes.by_id.values().next().and_then(|class| class.idle.first());
    assert_eq!(first, Some((JobPriority { job: 3, ..JobPriority::default() }, last)));
    trial.matched();
    let ran = RunId { job: last, attempt: model::Attempt(1) };
    assert_eq!(starts(&trial.hears(granted(&trial))), [ran]);
}

#[test]
fn what_the_schedd_writes_itself_is_not_to_be_edited() {
    let mut trial = Trial::executing("LeaveJobInQueue = true");
    trial.acts("alice", hold());
    let ended = Some(ProgramEnd::Signaled { signal: 15, core: false });
    trial.ends(RunEnd::Vacated { code: VacateCode::UserRequest, ended });
    trial.acts("alice", release());
    for own in trial.core.job_ad(trial.now, JOB).unwrap().iter().map(|(name, _)| name.to_string()) {
        assert!(crate::core::users::edit::is_kept_here(&own), "{own} would be written over");
    }
}

fn paused(number: u32, suspend: bool) -> FromStartd {
    let pause = Pause { number, suspend };
    FromStartd::RunPaused { claim: CLAIM, run: RAN, pause, processes: 3 }
}

#[test]
fn a_job_is_suspended_when_its_machine_says_so_and_only_the_last_order_counts() {
    let mut trial = Trial::executing("UserLog = \"/log\"");
    trial.acts("alice", Action::Suspend);
    trial.acts("alice", Action::Continue);
    let batch = trial.hears(paused(1, true));
    assert_eq!(trial.stands().0, 2, "it was told to go on since");
    // It may have missed that: it is told again, once for each time that it says so.
    let go_on = Pause { number: 2, suspend: false };
    let again = batch.effects.iter().filter(|effect| {
        matches!(effect, Effect::ToStartd { message: ToStartd::PauseRun { pause, .. }, .. } if *pause == go_on)
    });
    assert_eq!(again.count(), 1, "{:?}", batch.effects);
    trial.hears(paused(2, false));
    assert_eq!(trial.stands().0, 2);
    trial.acts("alice", Action::Suspend);
    let batch = trial.hears(paused(3, true));
    assert_eq!(trial.stands().0, 7);
    assert_eq!(trial.core.totals().all.suspended, 1);
    let logged: Vec<_> = batch.log.iter().map(|entry| entry.event.clone()).collect();
    assert_eq!(logged, [UserLogEvent::Suspended { processes: 3 }]);
    assert_eq!(trial.acts("alice", Action::Suspend), ActResult::AlreadyDone);
    trial.waits(60);
    trial.acts("alice", Action::Continue);
    assert_eq!(trial.stands().0, 7, "its machine has not said so");
    let batch = trial.hears(paused(4, false));
    assert_eq!(trial.stands().0, 2);
    let logged: Vec<_> = batch.log.iter().map(|entry| entry.event.clone()).collect();
    assert_eq!(logged, [UserLogEvent::Unsuspended]);
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    let value = |name| ad.literal(name).and_then(classad::Value::as_i64);
    assert_eq!((value("TotalSuspensions"), value("CumulativeSuspensionTime")), (Some(1), Some(60)));
}

#[test]
fn a_suspended_job_can_be_held_removed_vacated_and_may_end() {
    for (action, end, expected) in [
        (Some(hold()), RunEnd::vacated(VacateCode::UserRequest), 5),
        (Some(remove(false)), RunEnd::vacated(VacateCode::JobRemoved), 0),
        (Some(Action::Vacate { fast: true }), RunEnd::vacated(VacateCode::UserVacateJob), 2),
        (None, RunEnd::killed(9), 0),
    ] {
        let mut trial = Trial::executing("");
        trial.acts("alice", Action::Suspend);
        trial.hears(paused(1, true));
        if let Some(action) = &action {
            assert_eq!(trial.acts("alice", action.clone()), ActResult::Done, "{action:?}");
        }
        trial.ends(end);
        assert_eq!(trial.stands().0, expected, "{action:?}");
    }
}

#[test]
fn an_order_to_suspend_is_said_again_on_a_new_connection() {
    let mut trial = Trial::executing("");
    trial.acts("alice", Action::Suspend);
    trial.core = Core::load(config(), trial.core.rows(), trial.now);
    let executing = proto::claiming::ClaimStatus {
        claim: CLAIM,
        secret: ClaimSecret::new([3; 16]),
        matched: MATCH,
        last_ordinal: 1,
        run: Some((RAN, proto::claiming::RunStatus::Executing(trial.now.wall))),
    };
    trial.now.boot_ms += 10;
    let batch = trial.hears(status(&trial, vec![executing]));
    let said = batch.effects.iter().any(|effect| {
        matches!(effect, Effect::ToStartd { message: ToStartd::PauseRun { pause, .. }, .. } if pause.suspend)
    });
    assert!(said, "{:?}", batch.effects);
}

mod ahead;
mod along;
mod alter;
mod asked;
mod beside;
mod booking;
mod checkpoints;
mod chirp;
mod deferral;
mod dependencies;
mod expand;
mod factories;
mod factory_log;
mod fence;
mod gangs;
mod grouped;
mod grow;
mod log_files;
mod long_acts;
mod managers;
mod many_users;
mod named;
mod pacing;
mod policies;
mod priorities;
mod queued;
mod refused;
mod run_record;
mod spooling;
mod staying;
mod stopped;
mod transfer;

/// The names of the entries of a batch.
fn entries(batch: &Batch) -> Vec<&'static str> {
    let name = |event: &UserLogEvent| {
        if let UserLogEvent::FileTransfer { step, .. } = event {
            return match step {
                TransferStep::InputQueued => "040 input queued",
                TransferStep::InputStarted => "040 input started",
                TransferStep::InputFinished => "040 input finished",
                TransferStep::OutputQueued => "040 output queued",
                TransferStep::OutputStarted => "040 output started",
                TransferStep::OutputFinished => "040 output finished",
            };
        }
        match event.number() {
            0 => "000",
            1 => "001",
            3 => "003",
            4 => "004",
            5 => "005",
            6 => "006",
            8 => "008",
            9 => "009",
            10 => "010",
            11 => "011",
            12 => "012",
            13 => "013",
            21 => "021",
            22 => "022",
            23 => "023",
            24 => "024",
            28 => "028",
            33 => "033",
            35 => "035",
            36 => "036",
            37 => "037",
            38 => "038",
            46 => "046",
            number => panic!("event {number} is none of the schedd's"),
        }
    };
    batch.log.iter().map(|entry| name(&entry.event)).collect()
}

#[test]
fn jobs_are_matched_in_the_name_of_their_accounting_group() {
    let mut trial = Trial::with_jobs(1, "");
    trial.submit(SubmitToken([2; 16]), spec(1, "AccountingGroup = \"physics.alice\""));
    trial.submit(SubmitToken([3; 16]), spec(1, "AccountingGroup = \"physics.alice\""));
    trial.take(&[Input::NegotiatorDown]);
    let batch = trial.take(&[Input::NegotiatorUp]);
    let told = told(&batch);
    let [FromSchedd::Requests { changed, .. }] = &told[..] else { panic!("{told:?}") };
    let mut asked: Vec<_> = changed.iter().map(|r| (r.owner.as_str(), r.idle)).collect();
    asked.sort_unstable();
    assert_eq!(asked, [("alice", 1), ("physics.alice", 2)]);
}
