//! Tables: runs whose files travel, or that wait for their time, through every phase, stopped and
//! restarted in each.

use model::{RunEnd, Script, StartFailure, StartStage};

use super::*;
use crate::core::{DiskUsed, Fetched, FromCarrier, StoreFailure, Stored};

const TRAVELS: &str = "ShouldTransferFiles = \"YES\"\nKillSigTimeout = 5\n";

impl Trial {
    /// A machine to which a run with this ad was given: what it does first.
    fn given(ad: &str) -> (Self, Vec<String>) {
        let mut trial = Self::claimed();
        let start = trial.start_with(1, 0, ad);
        let said = quiet(trial.orders(start));
        (trial, said)
    }

    fn carried(&mut self, message: FromCarrier) -> Vec<String> {
        quiet(self.take(&[Input::FromCarrier(message)]))
    }

    fn brought_in(&mut self, result: Fetched) -> Vec<String> {
        self.carried(FromCarrier::BroughtIn { key: key(1), result: Box::new(result) })
    }

    fn brought_back(&mut self, result: Result<(), StoreFailure>) -> Vec<String> {
        let disk = DiskUsed { kib: 8, files: 3 };
        let stored = Box::new(Stored { received_bytes: 5, sent_bytes: 7, disk, result });
        self.carried(FromCarrier::BroughtBack { key: key(1), stored })
    }

    fn executes(&mut self) {
        let (at, scratch_dir) = (self.now.wall, "/scratch".to_owned());
        self.reports(FromLauncher::Started { key: key(1), at, scratch_dir });
    }

    /// As [`Trial::given`], and it has come as far as to execute.
    fn executing(ad: &str) -> Self {
        let (mut trial, _) = Self::given(ad);
        trial.brought_in(Fetched::There);
        trial.executes();
        trial
    }

    /// The end that the schedd is told, the usage with it.
    fn end(&self) -> (RunEnd, Usage) {
        let status = self.core.state.claims[&CLAIM].status(CLAIM).run.map(|(_, status)| status);
        match status {
            Some(proto::claiming::RunStatus::Ended(end, usage)) => (end, usage),
            other => panic!("not over: {other:?}"),
        }
    }
}

fn failed_file() -> StoreFailure {
    StoreFailure::File { path: "/o".to_owned(), errno: 2, over_limit: false, said: None }
}

#[test]
fn files_are_brought_then_the_process_starts_then_they_are_brought_back_and_only_then_it_is_over() {
    let (mut trial, said) = Trial::given(TRAVELS);
    assert_eq!(said, ["bring in 1"]);
    assert_eq!(trial.brought_in(Fetched::There), ["start 1"]);
    assert!(trial.brought_in(Fetched::There).is_empty(), "it is said once");
    trial.executes();
    assert_eq!(quiet(trial.reports(ended(1, 0))), ["bring back 1 Files ByItself"]);
    check(&mut trial, request(2, 2), &["denied"]);
    assert_eq!(trial.brought_back(Ok(())), ["said exited 0"]);
    let (_, usage) = trial.end();
    assert_eq!((usage.received_bytes, usage.sent_bytes, usage.disk_kib), (5, 7, 8));
    assert!(trial.brought_back(Ok(())).is_empty(), "it is over once");
}

#[test]
fn what_the_carrier_says_makes_the_end() {
    let failure = StartFailure::at(StartStage::TransferInput, "/i", 2);
    for (result, expected) in [
        (Fetched::UpToDate, RunEnd::UpToDate),
        (Fetched::Failed(failure.clone()), RunEnd::StartFailed(failure)),
    ] {
        let (mut trial, _) = Trial::given(TRAVELS);
        trial.brought_in(result);
        assert_eq!(trial.end().0, expected);
    }
    let failed = |end| RunEnd::OutputFailed {
        end,
        path: "/o".to_owned(),
        errno: 2,
        over_limit: false,
        said: None,
    };
    let reason = "gone".to_owned();
    for (result, expected) in [
        (Ok(()), RunEnd::exited(3)),
        (Err(failed_file()), failed(ProgramEnd::Exited { code: 3 })),
        (Err(StoreFailure::Lost { reason: reason.clone() }), RunEnd::Lost { reason }),
    ] {
        let mut trial = Trial::executing(TRAVELS);
        trial.reports(ended(1, 3));
        trial.brought_back(result);
        assert_eq!(trial.end().0, expected);
    }
}

#[test]
fn a_stop_in_any_phase_ends_in_what_it_was_stopped_for() {
    // While its files are brought: as soon as the carrier lets go of them, whatever came of it.
    let failure = StartFailure::at(StartStage::TransferInput, "/i", 2);
    for result in [Fetched::There, Fetched::Failed(failure)] {
        let (mut trial, _) = Trial::given(TRAVELS);
        check(&mut trial, stop(1, StopHow::Graceful), &["cut off 1"]);
        assert_eq!(trial.brought_in(result), ["said vacated"]);
    }
    // While it waits: at once.
    let (mut trial, _) = Trial::given("DeferralTime = 1000100\n");
    check(&mut trial, stop(1, StopHow::Graceful), &["said vacated"]);
    // While it executes: when its files are back, or it is known that nothing of it is wanted.
    for (ad, how, cause) in [
        (TRAVELS, StopHow::Graceful, "Stopped"),
        (TRAVELS, StopHow::Fast, "Killed"),
        ("ShouldTransferFiles = \"YES\"\nKillSigTimeout = 0\n", StopHow::Graceful, "Killed"),
    ] {
        let mut trial = Trial::executing(ad);
        trial.orders(stop(1, how));
        let said = quiet(trial.reports(ended(1, 0)));
        assert_eq!(said, [format!("bring back 1 Files {cause}")], "{ad}");
        assert_eq!(trial.brought_back(Err(failed_file())), ["said vacated"], "{ad}");
    }
    // While its files are brought back: it has ended before, by itself.
    let mut trial = Trial::executing(TRAVELS);
    trial.reports(ended(1, 0));
    check(&mut trial, stop(1, StopHow::Fast), &["let go 1"]);
    assert_eq!(trial.brought_back(Ok(())), ["said exited 0"]);
    // Or they did not move, and nobody waits for them.
    let mut trial = Trial::executing(TRAVELS);
    trial.reports(ended(1, 0));
    trial.orders(stop(1, StopHow::Fast));
    let still = StoreFailure::Lost { reason: "its output files were lost".to_owned() };
    assert_eq!(trial.brought_back(Err(still)), ["said vacated"]);
}

#[test]
fn what_the_machine_stops_runs_again_whatever_could_not_be_done_after_its_program() {
    let program = Some(ProgramEnd::Exited { code: 0 });
    let failed = |script| RunEnd::ScriptFailed {
        script,
        ended: ProgramEnd::Signaled { signal: 9, core: false },
        end: program,
    };
    let ordered = |message| {
        let (schedd, fresh) = (schedd(), SECRET);
        Some(Input::FromSchedd { schedd, message, fresh })
    };
    let shut_down = || Some(Input::Shutdown { graceful: false });
    for (stopped, script, expected) in [
        (None, Script::Post, "said otherwise"),
        // Its schedd knows why.
        (ordered(stop(1, StopHow::Fast)), Script::Post, "said otherwise"),
        (shut_down(), Script::Post, "said vacated"),
        (shut_down(), Script::Pre, "said otherwise"),
    ] {
        let mut trial = Trial::executing("ShouldTransferFiles = \"NO\"\n");
        if let Some(input) = &stopped {
            trial.take(std::slice::from_ref(input));
        }
        let (end, usage) = (failed(script), Usage::default());
        let said = trial.reports(FromLauncher::Ended { key: key(1), end, usage });
        assert!(said.iter().any(|said| said == expected), "{script} after {stopped:?}: {said:?}");
    }
}

#[test]
fn a_startd_that_comes_back_waits_no_more_for_the_files_of_a_stopped_run() {
    let (mut trial, _) = Trial::given(TRAVELS);
    trial.orders(stop(1, StopHow::Graceful));
    let mut over = Trial::executing(TRAVELS);
    over.reports(ended(1, 0));
    over.orders(stop(1, StopHow::Fast));
    let fetching: [&str; 2] = ["bring in 1", "cut off 1"];
    for (mut trial, expected) in
        [(trial, fetching), (over, ["bring back 1 Files ByItself", "let go 1"])]
    {
        trial.core = trial.replayed();
        let resumed: Vec<String> = trial.core.resume(trial.now).iter().map(word).collect();
        assert_eq!(resumed, expected);
    }
}

#[test]
fn what_a_stopped_run_is_to_keep_and_cannot_is_the_users_to_know() {
    let keeps = format!("{TRAVELS}WhenToTransferOutput = \"ON_EXIT_OR_EVICT\"\n");
    let mut trial = Trial::executing(&keeps);
    trial.orders(stop(1, StopHow::Graceful));
    trial.reports(ended(1, 0));
    trial.brought_back(Err(failed_file()));
    assert!(matches!(trial.end().0, RunEnd::OutputFailed { .. }));
}

#[test]
fn a_claim_that_is_given_back_while_files_travel_is_free_when_they_have() {
    let release = || ToStartd::ReleaseClaim { claim: CLAIM, secret: SECRET };
    let gone = ["said vacated", "clean up 1", "said gone"];
    let (mut trial, _) = Trial::given(TRAVELS);
    check(&mut trial, release(), &["cut off 1"]);
    check(&mut trial, request(2, 2), &["denied"]);
    assert_eq!(trial.brought_in(Fetched::There), gone);
    let (mut trial, _) = Trial::given("DeferralTime = 1000100\n");
    check(&mut trial, release(), &gone);
    let mut trial = Trial::executing(TRAVELS);
    trial.reports(ended(1, 0));
    check(&mut trial, release(), &["let go 1"]);
    check(&mut trial, request(2, 2), &["denied"]);
    assert_eq!(trial.brought_back(Ok(())), ["said exited 0", "clean up 1", "said gone"]);
}

#[test]
fn a_lease_ends_in_any_phase() {
    let gone = ["said vacated", "clean up 1", "said gone"];
    let (mut trial, _) = Trial::given(TRAVELS);
    // Because it is stopped, and because its lease is over.
    assert_eq!(quiet(trial.waits(100)), ["cut off 1", "cut off 1"]);
    assert!(quiet(trial.waits(100)).is_empty(), "it is said once");
    assert_eq!(trial.brought_in(Fetched::There), gone);
    let (mut trial, _) = Trial::given("DeferralTime = 1000500\n");
    assert_eq!(quiet(trial.waits(100)), gone);
}

#[test]
fn files_on_their_way_back_are_cut_off_when_the_lease_is_over_and_their_run_is_lost() {
    let lost = ["said lost", "clean up 1", "said gone"];
    let mut trial = Trial::executing(TRAVELS);
    trial.reports(ended(1, 0));
    assert_eq!(quiet(trial.waits(100)), ["let go 1", "cut off 1"]);
    assert_eq!(trial.brought_back(Err(failed_file())), lost);
    // What came whole before the cut has come.
    let mut trial = Trial::executing(TRAVELS);
    trial.reports(ended(1, 0));
    trial.waits(100);
    assert_eq!(trial.brought_back(Ok(()))[0], "said exited 0");
    // A claim that is being given back is none that may copy for ever.
    let mut trial = Trial::executing(TRAVELS);
    trial.reports(ended(1, 0));
    trial.orders(ToStartd::ReleaseClaim { claim: CLAIM, secret: SECRET });
    assert_eq!(quiet(trial.waits(100)), ["let go 1", "cut off 1"]);
    // A program that ends when its lease is over has no files to be brought back.
    let mut trial = Trial::executing(TRAVELS);
    assert_eq!(quiet(trial.waits(100)), ["stop 1 by 9 in 0 ms"]);
    assert_eq!(quiet(trial.reports(ended(1, 0))), ["said vacated", "clean up 1", "said gone"]);
}

#[test]
fn a_startd_that_comes_back_after_a_lease_cuts_off_what_it_went_on_with() {
    for told_before in [false, true] {
        let (mut trial, _) = Trial::given(TRAVELS);
        if told_before {
            assert_eq!(quiet(trial.waits(100)), ["cut off 1", "cut off 1"]);
        } else {
            trial.now.boot_ms += 100_000;
        }
        trial.core = trial.replayed();
        let resumed: Vec<String> = trial.core.resume(trial.now).iter().map(word).collect();
        let stopped = told_before.then_some("cut off 1");
        assert_eq!(resumed, ["bring in 1"].into_iter().chain(stopped).collect::<Vec<_>>());
        // Before the launcher is there.
        assert!(trial.core.next_deadline(trial.now).is_some_and(|due| due <= trial.now.boot_ms));
        assert_eq!(quiet(trial.waits(0)).last().unwrap(), "cut off 1", "{told_before}");
    }
}

#[test]
fn a_run_begins_in_its_window_and_is_over_if_that_has_passed() {
    let at = |ad: &str, after_s: i64| {
        let (mut trial, said) = Trial::given(ad);
        assert!(said.is_empty() || after_s == 0, "{said:?}");
        trial.now.wall = Timestamp::from_secs(1_000_000 + after_s);
        quiet(trial.waits(1))
    };
    let window = "DeferralTime = 1000010\nDeferralWindow = 5\n";
    assert!(at(window, 9).is_empty());
    assert_eq!(at(window, 10), ["start 1"]);
    assert_eq!(at(window, 15), ["start 1"]);
    assert_eq!(at(window, 16), ["said otherwise"]);
    assert_eq!(Trial::given("DeferralTime = 1000000\n").1, ["start 1"]);
    assert_eq!(Trial::given("DeferralTime = 999999\n").1, ["said otherwise"]);
    assert_eq!(Trial::given("DeferralTime = \"tomorrow\"\n").1, ["said otherwise"]);
    // The core is woken when the time comes.
    let (trial, _) = Trial::given(window);
    let beat_ms = trial.core.next_deadline(trial.now).unwrap();
    assert!(beat_ms <= trial.now.boot_ms + 10_000, "{beat_ms}");
    // Its files come first.
    let (mut trial, said) = Trial::given(&format!("{TRAVELS}{window}"));
    assert_eq!(said, ["bring in 1"]);
    assert!(trial.brought_in(Fetched::There).is_empty());
    trial.now.wall = Timestamp::from_secs(1_000_010);
    assert_eq!(quiet(trial.waits(10)), ["start 1"]);
}

#[test]
fn a_run_whose_files_are_there_waits_for_the_launcher() {
    let (mut trial, _) = Trial::given(TRAVELS);
    trial.take(&[Input::LauncherDown]);
    assert!(trial.brought_in(Fetched::There).is_empty());
    assert_eq!(quiet(trial.reports(FromLauncher::Listed(vec![]))), ["start 1"]);
}

#[test]
fn a_restart_goes_on_in_every_phase() {
    let status = "status of 1".to_owned();
    let opened = ["sweep but 1".to_owned(), status.clone()];
    let has = |said: &[String], expected: &[&str]| {
        let mut said = said.to_vec();
        said.sort();
        let mut all: Vec<String> = expected.iter().map(|word| (*word).to_owned()).collect();
        all.extend(opened.clone());
        all.sort();
        assert_eq!(said, all);
    };
    let (mut trial, _) = Trial::given(TRAVELS);
    has(&trial.restarts(vec![]), &["bring in 1"]);
    assert_eq!(trial.brought_in(Fetched::There), ["start 1"]);

    let (mut trial, _) = Trial::given("DeferralTime = 1000100\n");
    has(&trial.restarts(vec![]), &[]);
    trial.now.wall = Timestamp::from_secs(1_000_100);
    assert_eq!(quiet(trial.waits(1)), ["start 1"]);

    // What was given to the launcher, and is not with it, is not given again.
    let (mut trial, _) = Trial::given(TRAVELS);
    trial.brought_in(Fetched::There);
    has(&trial.restarts(vec![]), &[]);
    assert!(matches!(trial.end().0, RunEnd::Lost { .. }));

    let listed = |state| vec![LauncherRun { key: key(1), state }];
    let mut trial = Trial::executing(TRAVELS);
    let state = LauncherState::Ended(RunEnd::exited(0), Usage::default());
    has(&trial.restarts(listed(state)), &["bring back 1 Files ByItself"]);
    assert_eq!(trial.brought_back(Ok(())), ["said exited 0"]);

    let mut trial = Trial::executing(TRAVELS);
    trial.orders(stop(1, StopHow::Graceful));
    trial.reports(ended(1, 0));
    has(&trial.restarts(vec![]), &["bring back 1 Files Stopped", "let go 1"]);
    assert_eq!(trial.brought_back(Ok(())), ["said vacated"]);
}

#[test]
fn a_manifest_is_begun_and_completed_by_the_carrier_and_a_log_is_closed() {
    let (mut trial, said) = Trial::given("ManifestDesired = true\nJobStarterDebug = true\n");
    assert_eq!(said, ["bring in 1"]);
    assert_eq!(trial.brought_in(Fetched::There), ["start 1"]);
    trial.executes();
    assert_eq!(quiet(trial.reports(ended(1, 0))), ["bring back 1 Manifest ByItself"]);
    assert_eq!(trial.brought_back(Ok(())), ["said exited 0", "close log 1"]);
    assert!(trial.restarts(vec![]).contains(&"close log 1".to_owned()));
}

#[test]
fn what_scratch_folders_take_is_measured_while_programs_execute_and_the_most_counts() {
    let (mut trial, _) = Trial::given("");
    let measures = |said: Vec<String>| said.into_iter().find(|word| word.starts_with("measure"));
    assert_eq!(measures(trial.waits(1)), None);
    trial.executes();
    trial.now.boot_ms += 5_000;
    let used = |kib| Input::DiskMeasured {
        used: vec![(key(1), DiskUsed { kib, files: 1 })],
        took_ms: 200,
    };
    assert_eq!(measures(trial.waits(0)), Some("measure".to_owned()), "they are being walked");
    trial.take(&[used(30)]);
    // They are left in peace for fifty times as long as it took.
    assert_eq!(measures(trial.waits(5)), Some("measure".to_owned()));
    assert_eq!(measures(trial.waits(5)), Some("measure disk".to_owned()));
    trial.take(&[used(20)]);
    trial.reports(ended(1, 0));
    assert_eq!(trial.end().1.disk_kib, 30);
}

#[test]
fn a_startd_that_is_told_to_end_gives_its_runs_grace_and_then_none_and_then_ends() {
    let (mut trial, _) = Trial::given("KillSigTimeout = 60\n");
    trial.executes();
    let said = quiet(trial.take(&[Input::Shutdown { graceful: true }]));
    assert_eq!(said, ["stop 1 by 15 in 60000 ms"]);
    assert_eq!(quiet(trial.waits(10)), ["stop 1 by 9 in 0 ms"]);
    assert!(!trial.core.may_end(trial.now));
    trial.waits(5);
    assert!(trial.core.may_end(trial.now));
    let (mut trial, _) = Trial::new(vec![]);
    assert!(!trial.core.may_end(trial.now));
    trial.take(&[Input::Shutdown { graceful: true }]);
    assert!(trial.core.may_end(trial.now));
}

/// The bytes are of November 2026, when the core did not know of files.
#[test]
fn a_run_of_a_journal_that_does_not_tell_of_its_files_is_brought_back_as_planned() {
    let mut trial = Trial::claimed();
    let start = trial.start(1, 0);
    trial.orders(start);
    for event in &mut trial.journal {
        let mut value = serde_json::to_value(&*event).unwrap();
        if let Some(accepted) = value.pointer_mut("/fact/RunAccepted") {
            let accepted = accepted.as_object_mut().unwrap();
            for name in ["freight", "log", "order"] {
                accepted.remove(name).unwrap();
            }
        }
        *event = serde_json::from_value(value).unwrap();
    }
    trial.core = trial.replayed();
    trial.take(&[Input::FromLauncher(FromLauncher::Listed(vec![LauncherRun {
        key: key(1),
        state: LauncherState::Starting,
    }]))]);
    trial.executes();
    assert_eq!(quiet(trial.reports(ended(1, 0))), ["bring back 1 AsPlanned ByItself"]);
}

#[test]
fn a_run_that_was_asked_to_end_is_killed_when_its_claim_is_given_back() {
    let mut trial = Trial::executing("ShouldTransferFiles = \"NO\"\nKillSigTimeout = 5\n");
    check(&mut trial, stop(1, StopHow::Graceful), &["stop 1 by 15 in 5000 ms"]);
    let release = ToStartd::ReleaseClaim { claim: CLAIM, secret: SECRET };
    check(&mut trial, release, &["stop 1 by 9 in 0 ms"]);
}
