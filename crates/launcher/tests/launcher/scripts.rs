//! What runs before and after a program: in which order, under which conditions, and that whatever
//! ends a run ends it in the middle of a script too.

use launcher::wire::{
    Answer, End, FailedScript, KilledBy, OsBytes, Outcome, RequestBody, RunState, Script, Stage,
    Start, Step, Success, TimeLimit,
};

use crate::host::{Host, is_alive, key, kill_9, own, parent_of, until};

const EXITED_0: Outcome = Outcome::Exited { code: 0 };

fn script(text: &str, success: Option<Success>) -> Option<Box<Script>> {
    let argv = ["condor_script", "-c", text].map(OsBytes::from).to_vec();
    let env = vec![(OsBytes::from("PATH"), OsBytes::from("/usr/bin:/bin"))];
    Some(Box::new(Script {
        program: OsBytes::from("/bin/sh"),
        argv,
        env,
        success,
        unless: None,
        when_killed: false,
        limit: None,
    }))
}

fn run(host: &mut Host, start: Start) -> End {
    let name = start.run_key.to_string();
    host.client.start(start);
    host.client.ended(&name)
}

/// Ends when the file `gate` is there, unless SIGTERM ends it.
const GATED: &str = "echo $$ >NAME.pid; while ! [ -e gate ]; do sleep 0.01; done";

fn gated(name: &str) -> String {
    GATED.replace("NAME", name)
}

/// Waits to be killed, without children.
const HELD: &str = "echo $$ >before.pid; exec sleep 1000";

fn open_gate(host: &Host) {
    std::fs::write(host.path("gate"), "").unwrap();
}

#[test]
fn the_scripts_and_the_program_run_one_after_the_other_in_one_folder() {
    let mut host = Host::new();
    let mut start = host.script("all", "echo main $BEFORE $RUN >>order; exit 3");
    start.before = script("echo before >>order; echo not seen; BEFORE=set", None);
    start.after =
        script("echo after >>order; test /dev/stdout -ef /dev/null && echo null >stdout", None);
    let end = run(&mut host, start);
    assert_eq!(host.read("order"), "before\nmain\nafter\n");
    assert_eq!(host.read("stdout"), "null\n");
    assert_eq!((end.outcome, end.failed), (Outcome::Exited { code: 3 }, None));
    assert!(end.started_ms.is_some());
}

#[test]
fn a_script_fails_where_it_says_how_it_has_to_end_or_cannot_be_executed() {
    let mut host = Host::new();
    let exit_0 = Some(Success::ExitCode(0));
    let signal_9 = Some(Success::Signal(9));
    let killed = Outcome::Signaled { signal: 9, core: false };
    let cases = [
        ("exit 7", None, None),
        ("exit 7", exit_0, Some(Outcome::Exited { code: 7 })),
        ("exit 7", Some(Success::ExitCode(7)), None),
        ("exit 0", signal_9, Some(EXITED_0)),
        ("kill -9 $$", signal_9, None),
        ("kill -9 $$", exit_0, Some(killed)),
    ];
    for (index, (text, success, failed)) in cases.into_iter().enumerate() {
        for step in [Step::Before, Step::After] {
            let name = format!("{step:?}-{index}");
            let mut start = host.script(&name, &format!("echo {name} >>executed"));
            match step {
                Step::Before => start.before = script(text, success),
                Step::Main | Step::Beside | Step::After => start.after = script(text, success),
            }
            let end = run(&mut host, start);
            let expected = failed.clone().map(|outcome| FailedScript { step, outcome });
            assert_eq!(end.failed, expected, "{name}");
            let executed = step == Step::After || failed.is_none();
            let outcome = if executed { EXITED_0 } else { Outcome::NotExecuted };
            assert_eq!(end.outcome, outcome, "{name}");
            assert_eq!(end.started_ms.is_some(), executed, "{name}");
            let line = format!("{name}\n");
            assert_eq!(host.read("executed").contains(&line), executed, "{name}");
        }
    }
    let path = OsBytes::from("no/script");
    for step in [Step::Before, Step::After] {
        let name = format!("{step:?}-missing");
        let mut start = host.script(&name, "exit 0");
        let mut missing = script("", None).unwrap();
        missing.program = path.clone();
        match step {
            Step::Before => start.before = Some(missing),
            Step::Main | Step::Beside | Step::After => start.after = Some(missing),
        }
        let (stage, errno) = (Stage::Exec, libc::ENOENT);
        let outcome = Outcome::StartFailed { stage, path: path.clone(), errno };
        assert_eq!(run(&mut host, start).failed, Some(FailedScript { step, outcome }));
    }
}

#[test]
fn what_cannot_be_executed_has_no_script_after_it() {
    let mut host = Host::new();
    let mut start = host.script("missing", "");
    start.program = OsBytes::from("no/program");
    start.after = script("echo after >after", None);
    let end = run(&mut host, start);
    assert!(matches!(end.outcome, Outcome::StartFailed { stage: Stage::Exec, .. }), "{end:?}");
    assert_eq!(host.read("after"), "");
}

#[test]
fn a_program_that_only_pauses_has_no_script_after_it() {
    let mut host = Host::new();
    for (name, code, ran) in [("pauses", 85, ""), ("ends", 0, "after\n")] {
        let mut start = host.script(name, &format!("exit {code}"));
        start.after = script("echo after >>after", None);
        start.after.as_mut().unwrap().unless = Some(Success::ExitCode(85));
        let end = run(&mut host, start);
        assert_eq!((end.outcome, end.failed), (Outcome::Exited { code }, None), "{name}");
        assert_eq!(host.read("after"), ran, "{name}");
    }
}

#[test]
fn what_the_first_script_leaves_running_is_there_for_the_program_and_gone_for_the_last_script() {
    let mut host = Host::new();
    let mut start = host.script("helper", "kill -0 $(cat helper) && echo yes >in_main");
    start.before = script("sleep 1000 & echo $! >helper", None);
    start.after = script("kill -0 $(cat helper) || echo yes >gone_after", None);
    run(&mut host, start);
    assert_eq!((host.line("in_main"), host.line("gone_after")), ("yes".into(), "yes".into()));
}

#[test]
fn a_kill_in_a_script_ends_the_run_and_is_not_the_scripts_failure() {
    let mut host = Host::new();
    let deaf = format!("trap '' TERM; {}", gated("before"));
    let exit_0 = Some(Success::ExitCode(0));
    for (name, text) in [("heeds", gated("before")), ("ignores", deaf)] {
        let mut start = host.script(name, "echo main >main");
        start.before = script(&text, exit_0);
        start.after = script("echo after >after", exit_0);
        host.client.start(start);
        host.line("before.pid");
        let kill = RequestBody::Kill { run_key: key(name), signal: 15, grace_ms: 200 };
        assert_eq!(host.client.ask(kill), Ok(Answer::Done));
        let end = host.client.ended(name);
        assert_eq!((end.outcome, end.failed), (Outcome::NotExecuted, None), "{name}");
        assert_eq!(end.killed_by, Some(KilledBy::Request));
        assert_eq!(host.tagged(name), []);
        std::fs::remove_file(host.path("before.pid")).unwrap();
    }
    let mut start = host.script("last", "echo main >main");
    start.after = script(&gated("after"), exit_0);
    host.client.start(start);
    host.line("after.pid");
    let kill = RequestBody::Kill { run_key: key("last"), signal: 15, grace_ms: 20_000 };
    assert_eq!(host.client.ask(kill), Ok(Answer::Done));
    let end = host.client.ended("last");
    assert_eq!((end.outcome, end.failed), (EXITED_0, None));
    assert_eq!(end.killed_by, Some(KilledBy::Request));
    assert_eq!(host.read("after"), "", "no script of a run that was killed before its turn");
}

/// The last script of a run that is brought to an end whatever ends it.
fn at_any_end(text: &str) -> Option<Box<Script>> {
    let mut script = script(text, None);
    script.as_mut().unwrap().when_killed = true;
    script
}

#[test]
fn a_script_for_every_end_runs_unless_the_run_is_killed_at_once() {
    let mut host = Host::new();
    let deaf = format!("trap '' TERM; {}", gated("main"));
    for (name, main, grace_ms, ran) in [
        ("asked", gated("main"), 20_000, "after\n"),
        ("deaf", deaf.clone(), 100, "after\n"),
        ("at-once", gated("main"), 0, ""),
    ] {
        let mut start = host.script(name, &main);
        start.after = at_any_end("echo after >>after");
        host.client.start(start);
        host.line("main.pid");
        let kill = RequestBody::Kill { run_key: key(name), signal: 15, grace_ms };
        assert_eq!(host.client.ask(kill), Ok(Answer::Done));
        let end = host.client.ended(name);
        assert!(matches!(end.outcome, Outcome::Signaled { .. }), "{name}: {end:?}");
        assert_eq!((end.killed_by, end.failed), (Some(KilledBy::Request), None), "{name}");
        assert_eq!(host.read("after"), ran, "{name}");
        std::fs::remove_file(host.path("main.pid")).unwrap();
        let _ = std::fs::remove_file(host.path("after"));
    }
}

#[test]
fn a_script_for_every_end_runs_where_the_program_never_did_and_is_not_ended_by_who_asks_again() {
    let mut host = Host::new();
    let kill = RequestBody::Kill { run_key: key("before"), signal: 15, grace_ms: 1 };
    let mut start = host.script("before", "echo main >main");
    start.before = script(&gated("before"), Some(Success::ExitCode(0)));
    start.after = at_any_end(&format!("{}; echo after >after", gated("after")));
    host.client.start(start);
    host.line("before.pid");
    assert_eq!(host.client.ask(kill.clone()), Ok(Answer::Done));
    let pid = host.pid("after.pid");
    let usage = host.client.ask(RequestBody::Usage { run_key: key("before") });
    assert!(matches!(usage, Ok(Answer::Usage(usage)) if usage.program_ended_ms.is_none()));
    for _ in 0..3 {
        assert_eq!(host.client.ask(kill.clone()), Ok(Answer::Done));
        host.kill_launcher();
        host.restart_launcher();
    }
    assert!(is_alive(pid));
    open_gate(&host);
    let end = host.client.ended("before");
    assert_eq!((end.outcome, end.killed_by), (Outcome::NotExecuted, Some(KilledBy::Request)));
    assert_eq!(end.failed, None);
    assert_eq!((host.read("main"), host.line("after")), (String::new(), "after".into()));
    assert_eq!(host.tagged("before"), []);
}

#[test]
fn a_script_for_every_end_fails_by_its_limit_and_by_a_kill_at_once() {
    let mut host = Host::new();
    let deaf = format!("trap '' TERM; {}", gated("after"));
    let says = format!("trap 'exit 3' TERM; {}", gated("after"));
    // Time enough to be ready for the signal.
    let limit = |grace_ms| Some(TimeLimit { after_ms: 2_000, grace_ms });
    let signaled = |signal| Outcome::Signaled { signal, core: false };
    let request = Some(KilledBy::Request);
    for (name, text, limit, success, outcome, killed_by) in [
        ("cut-heeds", gated("after"), limit(20_000), None, signaled(15), None),
        ("cut-ignores", deaf.clone(), limit(50), None, signaled(9), None),
        (
            "cut-tells",
            says,
            limit(20_000),
            Some(Success::ExitCode(0)),
            Outcome::Exited { code: 3 },
            None,
        ),
        ("cut-at-once", deaf, None, None, signaled(9), request),
    ] {
        let mut start = host.script(name, "exit 7");
        start.after = at_any_end(&text);
        let after = start.after.as_mut().unwrap();
        (after.limit, after.success) = (limit, success);
        host.client.start(start);
        host.line("after.pid");
        if killed_by.is_some() {
            let usage = host.client.ask(RequestBody::Usage { run_key: key(name) });
            let Ok(Answer::Usage(usage)) = usage else { panic!("{usage:?}") };
            assert!(usage.program_ended_ms.is_some(), "{usage:?}");
            let kill = RequestBody::Kill { run_key: key(name), signal: 9, grace_ms: 0 };
            assert_eq!(host.client.ask(kill), Ok(Answer::Done));
        }
        let end = host.client.ended(name);
        let failed = Some(FailedScript { step: Step::After, outcome });
        assert_eq!((end.failed, end.killed_by), (failed, killed_by), "{name}");
        assert_eq!(end.outcome, Outcome::Exited { code: 7 }, "{name}");
        assert_eq!(host.tagged(name), [], "{name}");
        std::fs::remove_file(host.path("after.pid")).unwrap();
    }
}

#[test]
fn a_script_for_every_end_takes_no_time_while_it_is_suspended() {
    let mut host = Host::new();
    let mut start = host.script("stands", "exit 0");
    start.after = at_any_end(&gated("after"));
    start.after.as_mut().unwrap().limit = Some(TimeLimit { after_ms: 10_000, grace_ms: 0 });
    host.client.start(start);
    host.line("after.pid");
    let run_key = key("stands");
    let suspend = RequestBody::Suspend { run_key: run_key.clone() };
    assert_eq!(host.client.ask(suspend), Ok(Answer::Done));
    open_gate(&host);
    // Whoever asks it to end lets it go on.
    let kill = RequestBody::Kill { run_key, signal: 15, grace_ms: 20_000 };
    assert_eq!(host.client.ask(kill), Ok(Answer::Done));
    let end = host.client.ended("stands");
    assert_eq!((end.outcome, end.failed, end.killed_by), (EXITED_0, None, None));
}

#[test]
fn a_suspended_run_does_not_go_on_to_its_next_program() {
    let mut host = Host::new();
    for (name, killed) in [("continued", false), ("killed", true)] {
        let mut start = host.script(name, "echo main >main; exit 5");
        start.before = script(HELD, None);
        host.client.start(start);
        let pid = host.pid("before.pid");
        let run_key = key(name);
        let suspend = RequestBody::Suspend { run_key: run_key.clone() };
        assert_eq!(host.client.ask(suspend), Ok(Answer::Done));
        kill_9(pid);
        until("nothing of the run is alive", || {
            let usage = host.client.ask(RequestBody::Usage { run_key: run_key.clone() });
            matches!(usage, Ok(Answer::Usage(usage)) if usage.processes == 0).then_some(())
        });
        assert_eq!(host.client.list().last().unwrap().state, RunState::Starting);
        assert_eq!(host.read("main"), "");
        if killed {
            let kill = RequestBody::Kill { run_key, signal: 15, grace_ms: 20_000 };
            assert_eq!(host.client.ask(kill), Ok(Answer::Done));
            let end = host.client.ended(name);
            assert_eq!(
                (end.outcome, end.killed_by),
                (Outcome::NotExecuted, Some(KilledBy::Request))
            );
        } else {
            assert_eq!(host.client.ask(RequestBody::Continue { run_key }), Ok(Answer::Done));
            assert_eq!(host.client.ended(name).outcome, Outcome::Exited { code: 5 });
            std::fs::remove_file(host.path("main")).unwrap();
        }
        std::fs::remove_file(host.path("before.pid")).unwrap();
        let forget = RequestBody::Forget { run_keys: vec![key(name)] };
        assert_eq!(host.client.ask(forget), Ok(Answer::Done));
    }
}

#[test]
fn a_lease_ends_a_run_whatever_its_turn_is() {
    let mut host = Host::new();
    for (name, waits) in [("script", false), ("between", true)] {
        let mut start = host.script(name, "echo main >main");
        start.before = script(HELD, Some(Success::Signal(9)));
        start.after = at_any_end("echo after >main");
        host.client.start(start);
        let pid = host.pid("before.pid");
        let run_key = key(name);
        if waits {
            let suspend = RequestBody::Suspend { run_key: run_key.clone() };
            assert_eq!(host.client.ask(suspend), Ok(Answer::Done));
            kill_9(pid);
        }
        host.client.lease(name, 50).unwrap();
        let end = host.client.ended(name);
        assert_eq!((end.outcome, end.failed), (Outcome::NotExecuted, None), "{name}");
        assert_eq!(end.killed_by, Some(KilledBy::Lease), "{name}");
        assert_eq!((host.tagged(name), host.read("main")), (vec![], String::new()), "{name}");
        std::fs::remove_file(host.path("before.pid")).unwrap();
    }
}

#[test]
fn a_launcher_that_is_killed_in_a_script_changes_nothing() {
    for step in [Step::Before, Step::After] {
        let mut host = Host::new();
        let mut start = host.script("kept", "echo main >main; exit 4");
        let held = script(&gated("script"), Some(Success::ExitCode(0)));
        match step {
            Step::Before => start.before = held,
            Step::Main | Step::Beside | Step::After => start.after = held,
        }
        host.client.start(start);
        let pid = host.pid("script.pid");
        host.kill_launcher();
        assert!(is_alive(pid));
        host.restart_launcher();
        let state = host.client.list().remove(0).state;
        match step {
            Step::Before => assert_eq!(state, RunState::Starting),
            Step::Main | Step::Beside | Step::After => {
                assert!(matches!(state, RunState::Running { .. }), "{state:?}");
            }
        }
        open_gate(&host);
        let end = host.client.ended("kept");
        assert_eq!((end.outcome, end.failed), (Outcome::Exited { code: 4 }, None));
        assert_eq!(host.read("main"), "main\n");
    }
}

#[test]
fn nothing_of_a_script_outlives_its_keeper() {
    let mut host = Host::new();
    let lost = own("lost");
    let mut start = host.script(&lost, "exit 0");
    let text = format!("env -i /bin/sleep 1000 & echo $! >child; {}", gated("before"));
    start.before = script(&text, None);
    host.client.start(start);
    let pids = [host.pid("before.pid"), host.pid("child")];
    kill_9(parent_of(pids[0]));
    assert_eq!(host.client.ended(&lost).outcome, Outcome::Lost);
    assert_eq!(pids.map(is_alive), [false, false]);
}
