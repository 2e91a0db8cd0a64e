//! Tables: orders of one schedd to a machine of two processors, in every order, and what the
//! machine does.

use std::sync::Arc;

use classad::ClassAd;
use model::{
    Attempt, Beat, ClaimId, ClaimSecret, JobId, MachineName, MatchId, Now, Pause, ProgramEnd,
    Resources, RunEnd, RunId, ScheddName, Timestamp, Universe, Usage, UserName,
};
use proto::claiming::{FromStartd, RequestClaim, StartRun, StopAim, StopHow, ToStartd};

use super::run_batch;
use crate::core::words::{Custom, Device};
use crate::core::{
    Batch, Core, Effect, FromLauncher, Input, LauncherRun, LauncherState, Machine, RunKey, State,
};

mod carrying;
mod draining;
mod generations;
mod turns;

const CLAIM: ClaimId = ClaimId { journal: 5, number: 1 };
const SECRET: ClaimSecret = ClaimSecret::new([4; 16]);

struct Trial {
    core: Core,
    journal: Vec<super::Event>,
    now: Now,
}

impl Trial {
    /// A startd that is connected to a schedd and to a launcher with these runs.
    fn new(runs: Vec<LauncherRun>) -> (Self, Vec<String>) {
        let now = Now { wall: Timestamp::from_secs(1_000_000), boot_ms: 1_000_000 };
        let core = Core::new(machine(), State::default());
        let mut trial = Self { core, journal: Vec::new(), now };
        let up = Input::ScheddUp { schedd: schedd(), near: true, generation: 1 };
        let said = trial.take(&[up, Input::FromLauncher(FromLauncher::Listed(runs))]);
        (trial, said)
    }

    /// As [`Trial::new`], with a claim of one processor.
    fn claimed() -> Self {
        let (mut trial, _) = Self::new(vec![]);
        check(&mut trial, request(1, 1), &["granted slot1_1@m"]);
        trial
    }

    fn take(&mut self, inputs: &[Input]) -> Vec<String> {
        let batch: Batch = run_batch(&mut self.core, self.now, inputs);
        assert_eq!(self.core.check(), Ok(()));
        let mut joined = State::default();
        self.core.state().parts().for_each(|part| joined.join(part));
        assert_eq!(joined, *self.core.state(), "the parts make the state");
        self.journal.extend(batch.journal);
        let again = self.replayed();
        assert_eq!(again.state(), self.core.state(), "the journal makes the state");
        batch.effects.iter().map(word).collect()
    }

    /// What the journal makes, read as a new version reads it.
    fn replayed(&self) -> Core {
        let mut again = Core::new(machine(), State::default());
        for event in &self.journal {
            let text = serde_json::to_string(event).unwrap();
            again.apply(&serde_json::from_str(&text).unwrap());
        }
        again
    }

    /// The startd dies and is started again; the launcher has these runs. What follows.
    fn restarts(&mut self, runs: Vec<LauncherRun>) -> Vec<String> {
        self.restarts_for(runs, 1)
    }

    /// The same, and its schedd works with this one of its queues.
    fn restarts_for(&mut self, runs: Vec<LauncherRun>, generation: u64) -> Vec<String> {
        self.core = self.replayed();
        let resumed: Vec<String> = self.core.resume(self.now).iter().map(word).collect();
        let up = Input::ScheddUp { schedd: schedd(), near: true, generation };
        let said = self.take(&[up, Input::FromLauncher(FromLauncher::Listed(runs))]);
        quiet(resumed.into_iter().chain(said))
    }

    fn orders(&mut self, message: ToStartd) -> Vec<String> {
        let (schedd, fresh) = (schedd(), SECRET);
        self.take(&[Input::FromSchedd { schedd, message, fresh }])
    }

    fn reports(&mut self, message: FromLauncher) -> Vec<String> {
        self.take(&[Input::FromLauncher(message)])
    }

    fn start(&self, ordinal: u32, sent_ago_ms: u64) -> ToStartd {
        self.start_with(ordinal, sent_ago_ms, "KillSigTimeout = 5\n")
    }

    fn start_with(&self, ordinal: u32, sent_ago_ms: u64, ad: &str) -> ToStartd {
        ToStartd::StartRun(Box::new(StartRun {
            claim: CLAIM,
            secret: SECRET,
            ordinal,
            beat: Beat { life: 1, sent_ms: self.now.boot_ms - sent_ago_ms },
            run: run(ordinal),
            lease_s: 100,
            ad: Arc::new(ClassAd::parse_old(ad).unwrap()),
            spool: None,
        }))
    }

    fn waits(&mut self, seconds: u64) -> Vec<String> {
        self.now.boot_ms += seconds * 1000;
        self.take(&[])
    }
}

/// A state of two claims, each with the ad of a job that is as long as messages may be, nearly.
pub(crate) fn fat_state() -> State {
    let (mut trial, long) = (Trial::claimed(), "x".repeat(9 << 20));
    trial.orders(request(2, 1));
    for (number, job) in [(1, 1), (2, 2)] {
        let ToStartd::StartRun(start) =
            trial.start_with(1, 0, &format!("ShouldTransferFiles = \"YES\"\nX = \"{long}\"\n"))
        else {
            unreachable!();
        };
        let claim = ClaimId { number, ..CLAIM };
        trial.orders(ToStartd::StartRun(Box::new(StartRun { claim, run: run(job), ..*start })));
    }
    trial.core.state().clone()
}

fn machine() -> Machine {
    Machine {
        name: MachineName::new("m"),
        address: "<10.0.0.1:9618>".to_owned(),
        total: Resources {
            cpus: 2,
            memory_mib: 1024,
            disk_kib: 1 << 20,
            custom: [("gpus".to_owned(), 2)].into(),
        },
        customs: vec![Custom {
            tag: "GPUs".to_owned(),
            devices: vec![gpu("a", "7.5"), gpu("b", "8.0")],
        }],
        found: Arc::new(ClassAd::new()),
        started: Timestamp::from_secs(999_000),
        life: 1,
        journal: CLAIM.journal,
    }
}

fn gpu(id: &str, capability: &str) -> Device {
    let ad = ClassAd::parse_old(&format!("Capability = {capability}\n")).unwrap();
    Device { id: id.to_owned(), attribute: format!("GPUs_{id}"), ad: Arc::new(ad) }
}

fn schedd() -> ScheddName {
    ScheddName::new("schedd")
}

fn run(ordinal: u32) -> RunId {
    RunId { job: JobId::new(1, ordinal), attempt: Attempt(1) }
}

fn key(ordinal: u32) -> RunKey {
    RunKey { claim: CLAIM, ordinal }
}

fn request(number: u64, cpus: u32) -> ToStartd {
    let ad = format!(
        "RequestCpus = {cpus}\nRequestMemory = 128\nRequestDisk = 1024\nRequirements = true\n"
    );
    ToStartd::RequestClaim(Box::new(RequestClaim {
        matched: MatchId { life: 1, number },
        owner: UserName::new("alice"),
        request: Resources { cpus, memory_mib: 128, disk_kib: 1024, ..Resources::default() },
        limits: Vec::new(),
        term: None,
        ad: Arc::new(ClassAd::parse_old(&ad).unwrap()),
        universe: Universe::Vanilla,
        shares: None,
    }))
}

/// A request for a claim of which the machine's own expressions are not asked.
fn request_beside(number: u64, universe: Universe) -> ToStartd {
    let ToStartd::RequestClaim(request) = request(number, 1) else { unreachable!() };
    let ad = Arc::new(ClassAd::parse_old("Requirements = TARGET.Cpus > 1000\n").unwrap());
    ToStartd::RequestClaim(Box::new(RequestClaim { universe, ad, ..*request }))
}

fn stop(ordinal: u32, how: StopHow) -> ToStartd {
    stop_to(ordinal, how, StopAim::Vacate)
}

fn stop_to(ordinal: u32, how: StopHow, aim: StopAim) -> ToStartd {
    ToStartd::StopRun { claim: CLAIM, secret: SECRET, run: run(ordinal), ordinal, how, aim }
}

fn ended(ordinal: u32, code: i32) -> FromLauncher {
    FromLauncher::Ended { key: key(ordinal), end: RunEnd::exited(code), usage: Usage::default() }
}

fn pause_word(pause: Pause) -> String {
    format!("{} #{}", if pause.suspend { "suspended" } else { "continued" }, pause.number)
}

/// An effect in a few words.
fn word(effect: &Effect) -> String {
    match effect {
        Effect::ToSchedd { message, .. } => match message {
            FromStartd::Status { claims, .. } => format!("status of {}", claims.len()),
            FromStartd::Beat { .. } => "beat".to_owned(),
            FromStartd::ClaimGranted(granted) => format!("granted {}", granted.slot),
            FromStartd::ClaimDenied { .. } => "denied".to_owned(),
            FromStartd::RunStarted { .. } => "said started".to_owned(),
            FromStartd::RunUsage { .. } => "said usage".to_owned(),
            FromStartd::RunPaused { pause, .. } => format!("said {}", pause_word(*pause)),
            FromStartd::RunEnded { end, .. } => match end {
                RunEnd::Program(ProgramEnd::Exited { code }) => format!("said exited {code}"),
                RunEnd::Vacated { .. } => "said vacated".to_owned(),
                RunEnd::Lost { .. } => "said lost".to_owned(),
                RunEnd::Program(ProgramEnd::Signaled { .. })
                | RunEnd::StartFailed(_)
                | RunEnd::UpToDate
                | RunEnd::OutputFailed { .. }
                | RunEnd::ScriptFailed { .. } => "said otherwise".to_owned(),
            },
            FromStartd::ClaimGone { .. } => "said gone".to_owned(),
        },
        Effect::Advertise => "advertise".to_owned(),
        Effect::StartProcess(start) => format!("start {}", start.key.ordinal),
        Effect::BringIn(run) => format!("bring in {}", run.key.ordinal),
        Effect::BringBack(over) => {
            format!("bring back {} {:?} {:?}", over.key.ordinal, over.store, over.cause)
        }
        Effect::CutOff { key } => format!("cut off {}", key.ordinal),
        Effect::LetGo { key } => format!("let go {}", key.ordinal),
        Effect::MeasureRuns { disk, .. } => format!("measure{}", if *disk { " disk" } else { "" }),
        Effect::CloseLog(closed) => format!("close log {}", closed.key.ordinal),
        Effect::Sweep { kept } => format!("sweep but {}", kept.len()),
        Effect::StopProcess { key, signal, grace_ms } => {
            format!("stop {} by {signal} in {grace_ms} ms", key.ordinal)
        }
        Effect::PauseProcess { key, pause } => {
            format!("{} {}", pause_word(*pause), key.ordinal)
        }
        Effect::ExtendLease { .. } => "extend".to_owned(),
        Effect::CleanUp { key } => format!("clean up {}", key.ordinal),
    }
}

/// What the orders' effects have in them, beats and the rest left out.
fn check(trial: &mut Trial, message: ToStartd, expected: &[&str]) {
    let said = format!("{message:?}");
    let effects = trial.orders(message);
    assert_eq!(quiet(effects), expected, "{said}");
}

/// Without what is said again and again.
fn quiet(effects: impl IntoIterator<Item = String>) -> Vec<String> {
    let noise = ["beat", "extend", "advertise", "measure", "measure disk"];
    effects.into_iter().filter(|effect| !noise.contains(&effect.as_str())).collect()
}

#[test]
fn an_ordinal_is_started_once_and_a_repetition_is_told_what_came_of_it() {
    let mut trial = Trial::claimed();
    let start = trial.start(1, 0);
    check(&mut trial, start.clone(), &["start 1"]);
    check(&mut trial, start.clone(), &[]);
    trial.reports(ended(1, 13));
    check(&mut trial, start.clone(), &["said exited 13"]);
    let recorded = ToStartd::RunRecorded { claim: CLAIM, run: run(1) };
    check(&mut trial, recorded, &["clean up 1"]);
    check(&mut trial, start, &[]);
}

#[test]
fn a_stop_that_overtakes_its_start_makes_the_start_void() {
    let mut trial = Trial::claimed();
    // No echo has come yet, so nothing is leased, and the claim goes with the run.
    let over = ["said vacated", "clean up 1", "said gone"];
    check(&mut trial, stop(1, StopHow::Graceful), &over);
    let start = trial.start(1, 0);
    check(&mut trial, start, &["said gone"]);
}

#[test]
fn a_start_that_comes_after_its_lease_is_refused() {
    let late = ["said lost", "clean up 1", "said gone"];
    for (sent_ago_ms, expected) in [(99_999, &["start 1"][..]), (100_000, &late[..])] {
        let mut trial = Trial::claimed();
        let start = trial.start(1, sent_ago_ms);
        check(&mut trial, start, expected);
    }
}

#[test]
fn the_next_start_says_that_the_run_before_is_recorded() {
    let mut trial = Trial::claimed();
    let first = trial.start(1, 0);
    check(&mut trial, first, &["start 1"]);
    let second = trial.start(2, 0);
    check(&mut trial, second.clone(), &[]);
    trial.reports(ended(1, 0));
    check(&mut trial, second, &["clean up 1", "start 2"]);
}

#[test]
fn a_stop_gives_the_grace_that_the_job_asked_for_and_a_fast_one_gives_none() {
    let mut trial = Trial::claimed();
    let start = trial.start(1, 0);
    check(&mut trial, start, &["start 1"]);
    check(&mut trial, stop(1, StopHow::Graceful), &["stop 1 by 15 in 5000 ms"]);
    check(&mut trial, stop(1, StopHow::Graceful), &[]);
    check(&mut trial, stop(1, StopHow::Fast), &["stop 1 by 9 in 0 ms"]);
    assert_eq!(trial.reports(ended(1, 0))[0], "said vacated", "it was told to end");
}

#[test]
fn a_slot_is_free_only_when_nothing_of_its_run_is_left() {
    let mut trial = Trial::claimed();
    let start = trial.start(1, 0);
    check(&mut trial, start, &["start 1"]);
    let release = ToStartd::ReleaseClaim { claim: CLAIM, secret: SECRET };
    check(&mut trial, release, &["stop 1 by 15 in 5000 ms"]);
    check(&mut trial, request(2, 2), &["denied"]);
    trial.reports(ended(1, 0));
    check(&mut trial, request(3, 2), &["granted slot1_1@m"]);
}

#[test]
fn a_silent_schedd_loses_its_run_when_the_lease_is_over() {
    let mut trial = Trial::claimed();
    let start = trial.start(1, 0);
    check(&mut trial, start, &["start 1"]);
    assert!(!trial.waits(99).contains(&"stop 1 by 9 in 0 ms".to_owned()));
    assert!(trial.waits(1).contains(&"stop 1 by 9 in 0 ms".to_owned()));
    assert!(trial.reports(ended(1, 0)).contains(&"said gone".to_owned()));
}

#[test]
fn a_wrong_secret_and_another_schedd_move_nothing() {
    let mut trial = Trial::claimed();
    let forged = ToStartd::ReleaseClaim { claim: CLAIM, secret: ClaimSecret::new([0; 16]) };
    check(&mut trial, forged, &[]);
    let message = ToStartd::ReleaseClaim { claim: CLAIM, secret: SECRET };
    let other = Input::FromSchedd { schedd: ScheddName::new("other"), message, fresh: SECRET };
    trial.take(&[other]);
    assert!(!trial.core.is_idle());
}

#[test]
fn no_schedd_is_answered_while_a_stray_run_may_be_alive() {
    let stray = LauncherRun { key: key(3), state: LauncherState::Starting };
    let (mut trial, said) = Trial::new(vec![stray]);
    assert_eq!(said, ["stop 3 by 9 in 0 ms"]);
    check(&mut trial, request(1, 1), &[]);
    let said = trial.reports(ended(3, 0));
    assert!(said.contains(&"status of 0".to_owned()), "{said:?}");
}

#[test]
fn a_run_that_the_launcher_does_not_have_is_lost_and_not_started_again() {
    let mut trial = Trial::claimed();
    let start = trial.start(1, 0);
    check(&mut trial, start, &["start 1"]);
    trial.take(&[Input::LauncherDown]);
    let said = trial.reports(FromLauncher::Listed(vec![]));
    assert!(said.contains(&"said lost".to_owned()), "{said:?}");
}

fn pause(ordinal: u32, number: u32, suspend: bool) -> ToStartd {
    let pause = Pause { number, suspend };
    ToStartd::PauseRun { claim: CLAIM, secret: SECRET, run: run(ordinal), pause }
}

#[test]
fn a_run_is_suspended_when_it_executes_and_an_old_order_does_nothing() {
    let mut trial = Trial::claimed();
    let start = trial.start(1, 0);
    check(&mut trial, start, &["start 1"]);
    check(&mut trial, pause(1, 1, true), &[]);
    let scratch_dir = "/scratch".to_owned();
    let at = trial.now.wall;
    let said = trial.reports(FromLauncher::Started { key: key(1), at, scratch_dir });
    assert_eq!(quiet(said), ["said started", "suspended #1 1"]);
    let done = |number, suspend| {
        let pause = Pause { number, suspend };
        FromLauncher::Paused { key: key(1), pause, processes: 1 }
    };
    assert_eq!(trial.reports(done(1, true)), ["said suspended #1"]);
    check(&mut trial, pause(1, 2, false), &["continued #2 1"]);
    assert!(trial.reports(done(1, true)).is_empty(), "it is to go on since");
    check(&mut trial, pause(1, 1, true), &[]);
    // The answer may be lost: the same order is carried out again.
    check(&mut trial, pause(1, 2, false), &["continued #2 1"]);
    // A launcher that was started again may have missed it.
    trial.take(&[Input::LauncherDown]);
    let state = LauncherState::Executing { at, scratch_dir: "/scratch".to_owned() };
    let listed = FromLauncher::Listed(vec![LauncherRun { key: key(1), state }]);
    assert_eq!(quiet(trial.reports(listed)), ["continued #2 1"]);
    check(&mut trial, stop(1, StopHow::Graceful), &["stop 1 by 15 in 5000 ms"]);
    check(&mut trial, pause(1, 3, true), &[]);
}

#[test]
fn a_claim_beside_a_schedd_takes_nothing_and_is_not_advertised() {
    let (mut trial, _) = Trial::new(vec![]);
    let before = trial.core.machine_state(trial.now);
    check(&mut trial, request_beside(1, Universe::Scheduler), &["granted beside1@m"]);
    check(&mut trial, request_beside(2, Universe::Local), &["granted beside2@m"]);
    check(&mut trial, request_beside(1, Universe::Scheduler), &["granted beside1@m"]);
    // All that the machine has is there for others.
    check(&mut trial, request(3, 2), &["granted slot1_1@m"]);
    let start = trial.start(1, 0);
    assert_eq!(trial.orders(start), ["start 1"], "nothing is advertised");
    let state = trial.core.machine_state(trial.now);
    assert_eq!((state.claims.len(), state.slots.len()), (1, 2));
    assert_eq!(before.free.minus(&state.claims[0].resources), Some(state.free));
}

#[test]
fn only_a_schedd_that_is_near_gets_a_claim_beside_itself() {
    let (mut trial, _) = Trial::new(vec![]);
    let far = ScheddName::new("far");
    let message = request_beside(1, Universe::Local);
    trial.take(&[Input::ScheddUp { schedd: far.clone(), near: false, generation: 1 }]);
    let said = trial.take(&[Input::FromSchedd { schedd: far, message, fresh: SECRET }]);
    assert_eq!(said, ["denied"]);
    assert!(trial.core.is_idle());
}

#[test]
fn a_run_is_stopped_by_the_signal_that_its_job_has_for_that() {
    let own =
        "KillSig = \"SIGINT\"\nHoldKillSig = 3\nRemoveKillSig = \"SIGUSR1\"\nKillSigTimeout = 5\n";
    for (aim, signal) in [(StopAim::Vacate, 2), (StopAim::Hold, 3), (StopAim::Remove, 10)] {
        let mut trial = Trial::claimed();
        let start = trial.start_with(1, 0, own);
        check(&mut trial, start, &["start 1"]);
        let expected = format!("stop 1 by {signal} in 5000 ms");
        check(&mut trial, stop_to(1, StopHow::Graceful, aim), &[&expected]);
    }
    // A removal that comes after a hold has a word of its own; a hold after it has not.
    let mut trial = Trial::claimed();
    let start = trial.start_with(1, 0, own);
    check(&mut trial, start, &["start 1"]);
    check(&mut trial, stop_to(1, StopHow::Graceful, StopAim::Hold), &["stop 1 by 3 in 5000 ms"]);
    let removal = || stop_to(1, StopHow::Graceful, StopAim::Remove);
    check(&mut trial, removal(), &["stop 1 by 10 in 5000 ms"]);
    check(&mut trial, removal(), &[]);
    check(&mut trial, stop_to(1, StopHow::Graceful, StopAim::Hold), &[]);
}

#[test]
fn a_job_of_the_scheduler_universe_has_all_the_time_it_needs_until_nobody_waits_for_it() {
    let (mut trial, _) = Trial::new(vec![]);
    check(&mut trial, request_beside(1, Universe::Scheduler), &["granted beside1@m"]);
    let start = trial.start_with(1, 0, "");
    check(&mut trial, start, &["start 1"]);
    let stopped = trial.orders(stop(1, StopHow::Graceful));
    assert_eq!(stopped, [format!("stop 1 by 15 in {} ms", u64::from(u32::MAX) * 1000)]);
    let release = ToStartd::ReleaseClaim { claim: CLAIM, secret: SECRET };
    check(&mut trial, release, &["stop 1 by 9 in 0 ms"]);
}

#[test]
fn a_journal_of_a_version_without_claims_beside_schedds_is_read() {
    let old = r#"{"at":{"wall":1,"boot_ms":1},"fact":{"ClaimGranted":{"claim":{"journal":5,"number":1},
        "secret":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"schedd":"schedd","matched":{"life":1,"number":1},"owner":"alice",
        "resources":{"cpus":1,"memory_mib":128,"disk_kib":1024},"slot":1}}}"#;
    let mut core = Core::new(machine(), State::default());
    core.apply(&serde_json::from_str(old).unwrap());
    assert_eq!(core.check(), Ok(()));
    assert_eq!(core.machine_state(Now::default()).claims.len(), 1);
}

#[test]
fn a_device_is_given_once_to_whom_it_suits_and_is_free_again_with_the_claim() {
    let (mut trial, _) = Trial::new(vec![]);
    let ask = |trial: &mut Trial, number: u64, require: &str| {
        let text = "RequestCpus = 1\nRequestMemory = 1\nRequestDisk = 1\nRequirements = true\n";
        let mut ad = ClassAd::parse_old(text).unwrap();
        if !require.is_empty() {
            ad.set("RequireGPUs", require.parse::<classad::Expr>().unwrap());
        }
        let custom = [("gpus".to_owned(), 1)].into();
        trial.orders(ToStartd::RequestClaim(Box::new(RequestClaim {
            matched: MatchId { life: 1, number },
            owner: UserName::new("alice"),
            request: Resources { cpus: 1, memory_mib: 128, disk_kib: 1024, custom },
            limits: Vec::new(),
            term: None,
            ad: Arc::new(ad),
            universe: Universe::Vanilla,
            shares: None,
        })));
        let claims = trial.core.state.claims.values();
        let given = claims.filter(|claim| claim.matched.number == number);
        given.map(|claim| claim.devices["GPUs"].join(",")).collect::<String>()
    };
    assert_eq!(ask(&mut trial, 1, "Capability >= 8.0"), "b");
    assert_eq!(ask(&mut trial, 2, "Capability >= 8.0"), "");
    assert_eq!(ask(&mut trial, 3, ""), "a");
    let slots = trial.core.machine_state(trial.now).slots;
    let said = |slot: usize, name: &str| slots[slot].get(name).map(ToString::to_string);
    assert_eq!(said(0, "AvailableGPUs").as_deref(), Some("{  }"));
    assert_eq!(said(0, "GPUs").as_deref(), Some("0"));
    assert_eq!(said(0, "TotalGPUs").as_deref(), Some("2"));
    assert_eq!(said(1, "AssignedGPUs").as_deref(), Some("\"b\""));
    assert_eq!(said(2, "AvailableGPUs").as_deref(), Some("{ GPUs_a }"));
    trial.orders(ToStartd::ReleaseClaim { claim: CLAIM, secret: SECRET });
    assert_eq!(ask(&mut trial, 4, "Capability >= 8.0"), "b");
}
