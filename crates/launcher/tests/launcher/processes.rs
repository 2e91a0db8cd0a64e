//! The launcher with real processes: how runs start, end, and are ended.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};

use crate::host::{
    Client, Host, children, file, is_alive, key, kill_9, parent_of, start, until, write_program,
};
use launcher::wire::{
    Answer, Event, KilledBy, LeaseScope, Limits, OsBytes, Outcome, Private, RUN_TAG, Refusal,
    RequestBody, Resource, Rlimit, RunState, Stage, Start, Stdio, WriteMode,
};
use nix::unistd::User;

#[test]
fn the_exit_code_is_reported() {
    let mut host = Host::new();
    for (script, code) in [("exit 0", 0), ("exit 13", 13), ("exit 255", 255)] {
        let run_key = format!("exit-{code}");
        let request = host.script(&run_key, script);
        host.client.start(request);
        let pid = host.client.started(&run_key);
        let end = host.client.ended(&run_key);
        assert_eq!(end.outcome, Outcome::Exited { code }, "{script}");
        assert_eq!(end.killed_by, None);
        assert!(end.started_ms.unwrap() <= end.ended_ms);
        assert!(!is_alive(pid));
    }
}

#[test]
fn a_fatal_signal_is_reported() {
    let mut host = Host::new();
    for signal in [9, 15, 6] {
        let run_key = format!("signal-{signal}");
        let mut request = host.script(&run_key, &format!("kill -{signal} $$"));
        request.limits.rlimits = vec![Rlimit { resource: Resource::Core, max: Some(0) }];
        host.client.start(request);
        let end = host.client.ended(&run_key);
        assert_eq!(end.outcome, Outcome::Signaled { signal, core: false });
    }
}

#[test]
fn many_runs_at_once_end_each_with_its_own_code() {
    let mut host = Host::new();
    for code in 0..100 {
        let request = host.script(&format!("many-{code}"), &format!("exit {code}"));
        host.client.send(RequestBody::Start(Box::new(request)));
    }
    let mut codes = vec![None; 100];
    while codes.contains(&None) {
        let listed = host.client.list();
        for run in listed {
            if let RunState::Ended(end) = run.state {
                let index: usize = run.run_key.as_str()[5..].parse().unwrap();
                codes[index] = Some(end.outcome);
            }
        }
    }
    for (code, outcome) in (0..).zip(codes) {
        assert_eq!(outcome, Some(Outcome::Exited { code }));
    }
}

#[test]
fn a_keeper_is_used_again() {
    let mut host = Host::new();
    let keepers: Vec<u32> = ["first", "second"]
        .map(|run_key| {
            let request = host.script(run_key, "echo $PPID >keeper; read line");
            let request = Start { stdout: Stdio::Null, ..request };
            host.client.start(request);
            let pid = host.client.started(run_key);
            let end = host.client.ended(run_key);
            assert_eq!(end.outcome, Outcome::Exited { code: 1 }, "pid {pid}");
            host.pid("keeper")
        })
        .to_vec();
    assert_eq!(keepers[0], keepers[1]);
    assert_eq!(parent_of(keepers[0]), host.pid_of_launcher());
}

#[test]
fn a_run_is_over_only_when_what_double_forked_away_is_dead() {
    let mut host = Host::new();
    let script = "(setsid env -i /bin/sh -c 'trap \"\" TERM; echo $$ >daemon; while :; do /bin/sleep 1000; done' &)
                  while ! [ -s daemon ]; do :; done; exit 7";
    let request = host.script("daemon", script);
    host.client.start(request);
    let end = host.client.ended("daemon");
    assert_eq!(end.outcome, Outcome::Exited { code: 7 });
    assert!(!is_alive(host.pid("daemon")), "the daemon outlived its run");
    assert_eq!(end.killed_by, None, "the main process ended by itself");
}

#[test]
fn what_the_main_process_leaves_behind_is_asked_before_it_is_killed() {
    let mut host = Host::new();
    let script = "(trap 'echo asked >asked; exit' TERM; echo ready >ready; while :; do /bin/sleep 0.01; done) &
                  while ! [ -s ready ]; do :; done";
    let mut request = host.script("leftover", script);
    request.kill_grace_ms = 60_000;
    host.client.start(request);
    host.client.ended("leftover");
    assert_eq!(host.line("asked"), "asked");
}

#[test]
fn standard_files_are_read_truncated_appended_and_shared() {
    let mut host = Host::new();
    fs::write(host.path("in"), "from the input\n").unwrap();
    fs::write(host.path("out"), "old output, longer than the new one\n").unwrap();
    fs::write(host.path("log"), "kept\n").unwrap();

    let mut request = host.script("files", "cat; echo complaint >&2");
    request.stdin = file("in", WriteMode::Truncate);
    request.stdout = file("out", WriteMode::Truncate);
    request.stderr = file("log", WriteMode::Append);
    host.client.start(request);
    host.client.ended("files");
    assert_eq!(host.read("in"), "from the input\n");
    assert_eq!(host.read("out"), "from the input\n");
    assert_eq!(host.read("log"), "kept\ncomplaint\n");

    let mut request = host.script("shared", "echo one; echo two >&2; echo three");
    request.stdout = file("both", WriteMode::Truncate);
    request.stderr = Stdio::SameAsStdout;
    request.umask = 0o077;
    host.client.start(request);
    host.client.ended("shared");
    assert_eq!(host.read("both"), "one\ntwo\nthree\n");
    let mode = fs::metadata(host.path("both")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_start_that_fails_says_at_which_step_on_which_file_and_why() {
    let mut host = Host::new();
    write_program(&host.path("plain"), "echo no interpreter line\n");
    fs::write(host.path("data"), "").unwrap();
    fs::set_permissions(host.path("data"), fs::Permissions::from_mode(0o644)).unwrap();
    nix::unistd::mkfifo(&host.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let good = host.script("x", "exit 0");
    let with_program = |program: &str| {
        let mut request = good.clone();
        request.program = OsBytes::from(program);
        request
    };
    let mut missing_cwd = good.clone();
    missing_cwd.cwd = OsBytes::from("/nowhere");
    let mut missing_input = good.clone();
    missing_input.stdin = file("no/input", WriteMode::Truncate);
    let mut bad_output = good.clone();
    bad_output.stdout = file("plain/out", WriteMode::Truncate);
    let mut bad_error = good.clone();
    bad_error.stderr = file(".", WriteMode::Append);
    let mut unread_fifo = good.clone();
    unread_fifo.stdout = file("fifo", WriteMode::Truncate);
    let mut nul_in_argument = good.clone();
    nul_in_argument.argv.push(OsBytes::from("a\0b"));

    let cases = [
        (missing_cwd, Stage::Chdir, "/nowhere", libc::ENOENT),
        (missing_input, Stage::Stdin, "no/input", libc::ENOENT),
        (bad_output, Stage::Stdout, "plain/out", libc::ENOTDIR),
        (bad_error, Stage::Stderr, ".", libc::EISDIR),
        (unread_fifo, Stage::Stdout, "fifo", libc::ENXIO),
        (with_program("missing"), Stage::Exec, "missing", libc::ENOENT),
        (with_program("data"), Stage::Exec, "data", libc::EACCES),
        (with_program("./plain"), Stage::Exec, "./plain", libc::ENOEXEC),
        (nul_in_argument, Stage::Exec, "/bin/sh", libc::EINVAL),
    ];
    for (index, (mut request, stage, path, errno)) in cases.into_iter().enumerate() {
        let run_key = format!("fails-{index}");
        request.run_key = key(&run_key);
        host.client.start(request);
        let end = host.client.ended(&run_key);
        let path = OsBytes::from(path);
        assert_eq!(end.outcome, Outcome::StartFailed { stage, path, errno }, "{run_key}");
        assert_eq!(end.started_ms, None, "{run_key}");
    }
    // The keeper is as good as before.
    let request = host.script("after", "exit 3");
    host.client.start(request);
    assert_eq!(host.client.ended("after").outcome, Outcome::Exited { code: 3 });
}

#[test]
fn a_process_inherits_nothing_but_what_was_asked_for() {
    let mut host = Host::new();
    let mut output_of = |run_key: &str, argv: &[&str]| {
        let mut request = start(run_key, host.dir.path(), argv);
        request.env = vec![(OsBytes::from("ONLY"), OsBytes::from("this"))];
        request.stdout = file(run_key, WriteMode::Truncate);
        host.client.start(request);
        let pid = host.client.started(run_key);
        assert_eq!(host.client.ended(run_key).outcome, Outcome::Exited { code: 0 });
        (pid, host.read(run_key))
    };
    let (_, environment) = output_of("environment", &["/usr/bin/env"]);
    assert_eq!(environment, format!("ONLY=this\n{RUN_TAG}=environment\n"));
    let (_, status) = output_of("status", &["/bin/cat", "/proc/self/status"]);
    for signals in ["SigPnd", "SigBlk", "SigIgn", "SigCgt"] {
        let line = format!("{signals}:\t0000000000000000\n");
        assert!(status.contains(&line), "{line} is not in {status}");
    }
    // 3 is ls's own descriptor.
    let (_, descriptors) = output_of("descriptors", &["/bin/ls", "/proc/self/fd"]);
    assert_eq!(descriptors, "0\n1\n2\n3\n");
    let (pid, stat) = output_of("stat", &["/bin/cat", "/proc/self/stat"]);
    let group_and_session = format!(" {pid} {pid} 0 ");
    assert!(stat.contains(&group_and_session), "{stat} does not hold {group_and_session:?}");
}

#[test]
fn limits_and_priority_reach_the_process() {
    let mut host = Host::new();
    let mut request = host.script("limits", "ulimit -c; ulimit -n; ulimit -s; nice");
    request.limits = Limits {
        rlimits: vec![
            Rlimit { resource: Resource::Core, max: Some(0) },
            Rlimit { resource: Resource::OpenFiles, max: Some(77) },
            Rlimit { resource: Resource::Stack, max: Some(4 * 1024 * 1024) },
        ],
        nice: Some(7),
        ..Limits::default()
    };
    request.stdout = file("out", WriteMode::Truncate);
    host.client.start(request);
    host.client.ended("limits");
    assert_eq!(host.read("out"), "0\n77\n4096\n7\n");
}

#[test]
fn a_process_that_ignores_the_signal_is_killed_when_its_grace_is_over() {
    let mut host = Host::new();
    let request =
        host.script("deaf", "trap '' TERM; echo ready >ready; while :; do sleep 1000; done");
    host.client.start(request);
    host.line("ready");
    let kill = |grace_ms| RequestBody::Kill { run_key: key("deaf"), signal: 15, grace_ms };
    assert_eq!(host.client.ask(kill(200)), Ok(Answer::Done));
    let end = host.client.ended("deaf");
    assert_eq!(end.outcome, Outcome::Signaled { signal: 9, core: false });
    assert_eq!(end.killed_by, Some(KilledBy::Request));
    assert!(end.usage.wall_ms >= 200, "{end:?}");
    assert_eq!(host.tagged("deaf"), []);
}

/// Makes `./program` one that cannot be executed while somebody holds a lease on it; `None` where
/// that cannot be shown.
fn hold_program(host: &Host) -> Option<Child> {
    // Copied by another: a lease is only given of what nobody else has open.
    let copied = Command::new("/bin/cp").arg("/bin/true").arg(host.path("program")).status();
    assert!(copied.unwrap().success());
    let hold = "use Fcntl; $SIG{IO} = 'IGNORE'; open(F, '+<', 'program') or die;
                fcntl(F, Fcntl::F_SETLEASE, F_WRLCK) or die; open(R, '>', 'held'); print R \"held\\n\";
                close(R); sleep 1000";
    let holder = Command::new("perl").args(["-e", hold]).current_dir(host.dir.path()).spawn();
    if holder.is_err() {
        eprintln!("not shown: there is no perl to hold a lease on a file");
    }
    let holder = holder.ok()?;
    host.line("held");
    Some(holder)
}

/// A lease on the program makes the kernel hold `execve`, as a file server that does not answer
/// would; the keeper is suspended all the while.
#[test]
fn a_start_that_hangs_in_the_kernel_can_be_killed() {
    let mut host = Host::new();
    let Some(mut holder) = hold_program(&host) else { return };
    host.client.start(start("hangs", host.dir.path(), &["./program"]));
    assert_eq!(host.client.list()[0].state, RunState::Starting);
    let kill = RequestBody::Kill { run_key: key("hangs"), signal: 15, grace_ms: 0 };
    assert_eq!(host.client.ask(kill), Ok(Answer::Done));
    let end = host.client.ended("hangs");
    assert_eq!(end.outcome, Outcome::Signaled { signal: 9, core: false });
    assert_eq!(end.killed_by, Some(KilledBy::Request));
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn a_process_that_a_stranger_kills_before_it_executes_is_a_start_that_failed() {
    let mut host = Host::new();
    let Some(mut holder) = hold_program(&host) else { return };
    host.client.start(start("young", host.dir.path(), &["./program"]));
    let launcher = host.pid_of_launcher();
    let child = until("a process waits to execute", || {
        children(launcher).into_iter().flat_map(children).next()
    });
    kill_9(child);
    let mut started = false;
    let end = host.client.ended_after("young", |_| started = true);
    assert!(!started, "it never was");
    let path = OsBytes::from("./program");
    let failed = Outcome::StartFailed { stage: Stage::Exec, path, errno: libc::EINTR };
    assert_eq!((end.outcome, end.killed_by, end.started_ms), (failed, None, None));
    holder.kill().unwrap();
    holder.wait().unwrap();
    // The keeper is of use again.
    host.client.start(start("next", host.dir.path(), &["/bin/true"]));
    assert_eq!(host.client.ended("next").outcome, Outcome::Exited { code: 0 });
}

#[test]
fn a_process_that_heeds_the_signal_ends_its_own_way() {
    let mut host = Host::new();
    let script = "trap 'exit 21' TERM; echo ready >ready; while :; do sleep 0.01; done";
    let request = host.script("heeds", script);
    host.client.start(request);
    host.line("ready");
    let kill = RequestBody::Kill { run_key: key("heeds"), signal: 15, grace_ms: 60_000 };
    assert_eq!(host.client.ask(kill), Ok(Answer::Done));
    let end = host.client.ended("heeds");
    assert_eq!(end.outcome, Outcome::Exited { code: 21 });
    assert_eq!(end.killed_by, Some(KilledBy::Request));
}

#[test]
fn a_suspended_run_stands_still_and_can_still_be_ended() {
    let mut host = Host::new();
    let script = "trap 'exit 5' TERM; (while :; do echo tick >>ticks; done) & echo $! >child; wait";
    let request = host.script("suspended", script);
    host.client.start(request);
    let child = host.pid("child");
    let state = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    };
    let suspend = RequestBody::Suspend { run_key: key("suspended") };
    assert_eq!(host.client.ask(suspend.clone()), Ok(Answer::Done));
    until("the child is stopped", || (state(child) == 'T').then_some(()));
    let go_on = RequestBody::Continue { run_key: key("suspended") };
    assert_eq!(host.client.ask(go_on), Ok(Answer::Done));
    until("the child goes on", || (state(child) != 'T').then_some(()));
    assert_eq!(host.client.ask(suspend), Ok(Answer::Done));
    until("the child is stopped again", || (state(child) == 'T').then_some(()));
    let kill = RequestBody::Kill { run_key: key("suspended"), signal: 15, grace_ms: 60_000 };
    assert_eq!(host.client.ask(kill), Ok(Answer::Done));
    assert_eq!(host.client.ended("suspended").outcome, Outcome::Exited { code: 5 });
}

#[test]
fn a_signal_goes_to_the_main_process_or_to_all() {
    let mut host = Host::new();
    let script = "trap 'echo main >>got' USR1
                  (trap 'echo child >>got' USR1; echo ready >ready; while :; do sleep 0.01; done) &
                  while :; do sleep 0.01; done";
    let request = host.script("usr1", script);
    host.client.start(request);
    host.line("ready");
    let got = host.path("got");
    let mut signal = |whole_tree| {
        let request =
            RequestBody::Signal { run_key: key("usr1"), signal: libc::SIGUSR1, whole_tree };
        assert_eq!(host.client.ask(request), Ok(Answer::Done));
    };
    signal(false);
    let lines = || fs::read_to_string(&got).unwrap_or_default();
    until("the main process got it", || (lines() == "main\n").then_some(()));
    // The sleeps in between have no handler and die of it, which the shells do not mind.
    signal(true);
    until("both got it", || {
        (lines().matches("main").count() == 2 && lines().matches("child").count() == 1)
            .then_some(())
    });
}

#[test]
fn a_run_past_its_lease_is_killed_and_an_extended_one_is_not() {
    // The machine may stand still for longer than the first lease: then there is a longer one.
    let in_time = [300, 3_000, 30_000].into_iter().any(a_lease_counts);
    assert!(in_time, "no lease was extended in time");
}

/// Two runs with a lease of so long; says whether the one was extended before it was over.
fn a_lease_counts(lease_ms: u64) -> bool {
    let mut host = Host::new();
    for run_key in ["short", "extended"] {
        let request = host.script(run_key, "trap '' TERM; while :; do sleep 1000; done");
        host.client.start(request);
        host.client.started(run_key);
    }
    let extended = |host: &mut Host, lease_ms| {
        let scope = LeaseScope::Runs(vec![key("extended"), key("unknown")]);
        let until_boot_ms = launcher::boot_clock_ms() + lease_ms;
        host.client.ask(RequestBody::ExtendLease { scope, until_boot_ms })
    };
    let only_unknown = Ok(Answer::LeaseExtended { not_alive: vec![key("unknown")] });
    assert_eq!(extended(&mut host, lease_ms), only_unknown);
    if extended(&mut host, 3_600_000) != only_unknown {
        return false;
    }
    // Its end comes behind that of the first lease of the other.
    host.client.lease("short", lease_ms).unwrap();
    let end = host.client.ended("short");
    assert_eq!(end.killed_by, Some(KilledBy::Lease));
    assert_eq!(host.tagged("short"), []);
    let extended = host.client.list().into_iter().find(|run| run.run_key == key("extended"));
    assert!(matches!(extended.unwrap().state, RunState::Running { .. }));
    true
}

#[test]
fn an_order_that_is_read_after_its_lease_starts_nothing() {
    let mut host = Host::new();
    let mut request = host.script("late", "echo begun >begun");
    request.lease_until_boot_ms = launcher::boot_clock_ms();
    host.client.start(request);
    let end = host.client.ended("late");
    assert_eq!((end.outcome, end.killed_by), (Outcome::NotExecuted, Some(KilledBy::Lease)));
    assert_eq!(host.read("begun"), "");
}

#[test]
fn usage_counts_every_process() {
    let mut host = Host::new();
    let burn = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
    let script = format!("sh -c '{burn}' & {burn}; wait; echo done >done; read line <gate");
    nix::unistd::mkfifo(&host.path("gate"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let request = host.script("burn", &script);
    host.client.start(request);
    host.line("done");
    let usage = RequestBody::Usage { run_key: key("burn") };
    let Ok(Answer::Usage(live)) = host.client.ask(usage.clone()) else { panic!("no usage") };
    assert_eq!(live.processes, 1);
    assert!(live.user_us > 0 && live.peak_rss_kib > 0, "{live:?}");
    fs::write(host.path("gate"), "go\n").unwrap();
    let end = host.client.ended("burn");
    // The kernel counts a living process in ticks of 10 ms.
    assert!(end.usage.user_us + 20_000 >= live.user_us, "{live:?} {end:?}");
    assert!(end.usage.wall_ms >= live.wall_ms);
    assert_eq!(host.client.ask(usage), Ok(Answer::Usage(end.usage)));
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason() {
    let mut host = Host::new();
    let request = host.script("alive", "exec sleep 1000");
    host.client.start(request.clone());
    host.client.started("alive");
    let ask = |host: &mut Host, request: &Start| {
        host.client.ask(RequestBody::Start(Box::new(request.clone()))).unwrap_err()
    };
    assert_eq!(ask(&mut host, &request), Refusal::Duplicate(key("alive")));

    let mut other = host.script("other", "exit 0");
    other.uid += 1;
    assert!(matches!(ask(&mut host, &other), Refusal::Identity { .. }));
    let mut other = host.script("other", "exit 0");
    other.gid += 1;
    assert!(matches!(ask(&mut host, &other), Refusal::Identity { .. }));
    let invalid = |host: &mut Host, request: &Start| match ask(host, request) {
        Refusal::Invalid { field, .. } => field,
        other => panic!("{other:?}"),
    };
    let mut other = host.script("other", "exit 0");
    other.limits.memory_max_bytes = Some(1 << 30);
    assert_eq!(invalid(&mut host, &other), "memory_max_bytes");
    let mut other = host.script("other", "exit 0");
    other.stdout = Stdio::SameAsStdout;
    assert_eq!(invalid(&mut host, &other), "stdio");
    let mut other = host.script("other", "exit 0");
    other.argv.clear();
    assert_eq!(invalid(&mut host, &other), "argv");

    let forget = |run_key: &str| RequestBody::Forget { run_keys: vec![key(run_key)] };
    assert_eq!(host.client.ask(forget("alive")), Err(Refusal::Alive(key("alive"))));
    assert_eq!(host.client.ask(forget("unknown")), Ok(Answer::Done));
    let signal = RequestBody::Signal { run_key: key("alive"), signal: 0, whole_tree: false };
    assert!(matches!(host.client.ask(signal), Err(Refusal::Invalid { .. })));
    let kill = |run_key| RequestBody::Kill { run_key: key(run_key), signal: 9, grace_ms: 0 };
    assert_eq!(host.client.ask(kill("unknown")), Err(Refusal::NoSuchRun(key("unknown"))));
    assert_eq!(host.client.ask(kill("alive")), Ok(Answer::Done));
    host.client.ended("alive");
    assert_eq!(host.client.ask(kill("alive")), Err(Refusal::Ended(key("alive"))));
    assert_eq!(host.client.ask(forget("alive")), Ok(Answer::Done));
    assert_eq!(host.client.list(), []);
    let hello = RequestBody::Hello { version: 99 };
    assert_eq!(host.client.ask(hello), Err(Refusal::Version { ours: 1, theirs: 99 }));
}

#[test]
fn garbage_closes_its_own_connection_only() {
    let mut host = Host::new();
    let request = host.script("witness", "exec sleep 1000");
    host.client.start(request);
    host.client.started("witness");
    let too_long = u32::MAX.to_be_bytes().to_vec();
    let not_messages = [&5_u32.to_be_bytes()[..], &[0xc1; 5]].concat();
    let text = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    let nested = [&9_000_u32.to_be_bytes()[..], &[0x91; 9_000]].concat();
    for garbage in [too_long, not_messages, text, nested] {
        let stream = UnixStream::connect(host.path("launcher.sock")).unwrap();
        let mut client = Client::over(stream);
        client.write_raw(&garbage);
        assert!(client.is_cut_off(), "{garbage:?}");
        assert_eq!(host.client.list().len(), 1);
    }
}

#[test]
fn every_client_hears_of_every_run() {
    let mut host = Host::new();
    let mut second = Client::connect(host.dir.path());
    let request = host.script("shared", "exit 4");
    host.client.start(request);
    let end = host.client.ended("shared");
    assert_eq!(second.ended("shared"), end);
    assert!(!second.events_so_far().iter().any(|event| matches!(event, Event::Ended { .. })));
}

/// A user of these tests, who is made if missing: `nobody` is the system's, and has no jobs.
fn a_user() -> Option<User> {
    const NAME: &str = "updraft-test2";
    let found = || User::from_name(NAME).unwrap();
    let make = || Command::new("useradd").args(["-m", NAME]).status();
    found().or_else(|| make().is_ok_and(|made| made.success()).then(found).flatten())
}

#[test]
fn a_shared_pool_runs_a_job_as_its_user_for_good() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not shown: only root can start processes as other users");
        return;
    }
    let Some(user) = a_user() else {
        eprintln!("not shown: this machine's users cannot be made (useradd)");
        return;
    };
    let mut host = Host::with_options(&["--users", "64321"]);
    let script =
        "grep -E '^(Uid|Gid|Groups|NoNewPrivs|CapEff)' /proc/self/status | tr -s '\\t ' ' '";
    let open_dir = tempfile::tempdir().unwrap();
    fs::set_permissions(open_dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut request = start("user", open_dir.path(), &["/bin/sh", "-c", script]);
    (request.uid, request.gid) = (user.uid.as_raw(), user.gid.as_raw());
    request.stdout = file("out", WriteMode::Truncate);
    host.client.start(request.clone());
    assert_eq!(host.client.ended("user").outcome, Outcome::Exited { code: 0 });
    let out = fs::read_to_string(open_dir.path().join("out")).unwrap();
    let (uid, gid) = (request.uid, request.gid);
    let expected = format!(
        "Uid: {uid} {uid} {uid} {uid}\nGid: {gid} {gid} {gid} {gid}\nGroups: {gid} \n\
         CapEff: 0000000000000000\nNoNewPrivs: 1\n"
    );
    assert_eq!(out, expected);

    // The kernel checks the job's files as the job's user.
    let closed_dir = tempfile::tempdir().unwrap();
    request.run_key = key("closed");
    let path = closed_dir.path().join("out");
    request.stdout = file(path.to_str().unwrap(), WriteMode::Truncate);
    host.client.start(request.clone());
    let errno = libc::EACCES;
    let path = OsBytes::from(path.as_path());
    let failed = Outcome::StartFailed { stage: Stage::Stdout, path, errno };
    assert_eq!(host.client.ended("closed").outcome, failed);

    // Nor has he a keyring of root's: what he possesses is his own.
    request.run_key = key("keys");
    let script =
        "test -r /proc/keys && awk '$8 == \"keyring\" && $9 ~ /^_ses/ {print $6}' /proc/keys";
    request.argv = ["/bin/sh", "-c", script].map(OsBytes::from).to_vec();
    request.stdout = file("out", WriteMode::Truncate);
    request.env = vec![(OsBytes::from("PATH"), OsBytes::from("/usr/bin:/bin"))];
    host.client.start(request.clone());
    host.client.ended("keys");
    let owners = fs::read_to_string(open_dir.path().join("out")).unwrap();
    assert!(owners.lines().all(|owner| owner == uid.to_string()), "{owners}");

    a_folder_of_his_own(&mut host, request.clone());

    // Nobody gets a precedence that he could not take himself.
    request.run_key = key("nice");
    request.stdout = Stdio::Null;
    request.limits.nice = Some(-5);
    host.client.start(request.clone());
    let ended = host.client.ended("nice").outcome;
    assert!(matches!(ended, Outcome::StartFailed { stage: Stage::Nice, .. }), "{ended:?}");
    request.limits.nice = None;

    others_are_refused(&mut host, request);
}

/// In the place of another, made as him, for this run alone; and nowhere where he could not go.
fn a_folder_of_his_own(host: &mut Host, mut request: Start) {
    if let Err(why) = launcher::private_here() {
        return eprintln!("not shown: {why}");
    }
    let cwd = request.cwd.as_path().to_owned();
    let (own, shared) = (cwd.join("own"), tempfile::tempdir().unwrap());
    fs::write(shared.path().join("others"), "").unwrap();
    fs::set_permissions(shared.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let script =
        format!("cd {0}; ls -A; stat -c '%u %a' .; echo mine >left", shared.path().display());
    request.run_key = key("private");
    request.argv = ["/bin/sh", "-c", &script].map(OsBytes::from).to_vec();
    request.stdout = file("private.out", WriteMode::Truncate);
    let (folder, instead_of) = (OsBytes::from(own.as_path()), OsBytes::from(shared.path()));
    request.private = vec![Private { folder, instead_of }];
    host.client.start(request.clone());
    assert_eq!(host.client.ended("private").outcome, Outcome::Exited { code: 0 });
    let out = fs::read_to_string(cwd.join("private.out")).unwrap();
    assert_eq!(out, format!("{} 700\n", request.uid), "nothing of others");
    assert_eq!(fs::read_to_string(own.join("left")).unwrap(), "mine\n");
    let left: Vec<_> = fs::read_dir(shared.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "others' is as it was: {left:?}");

    // Neither a link of his own nor a place below one that is closed to him.
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let inside = closed.path().join("open");
    fs::create_dir(&inside).unwrap();
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o777)).unwrap();
    symlink(&inside, cwd.join("link")).unwrap();
    for (name, folder) in [("closed", inside.as_path()), ("link", &cwd.join("link"))] {
        request.run_key = key(&format!("private-{name}"));
        request.private[0].folder = OsBytes::from(folder);
        host.client.start(request.clone());
        let ended = host.client.ended(&format!("private-{name}")).outcome;
        let is_refused = matches!(ended, Outcome::StartFailed { stage: Stage::Private, .. });
        assert!(is_refused, "{name}: {ended:?}");
    }
}

/// A group that is not the user's, root, and the system's users.
fn others_are_refused(host: &mut Host, mut request: Start) {
    request.run_key = key("group");
    request.gid = 12;
    host.client.start(request.clone());
    let failed =
        Outcome::StartFailed { stage: Stage::User, path: OsBytes::default(), errno: libc::EPERM };
    assert_eq!(host.client.ended("group").outcome, failed);
    request.run_key = key("system");
    for (uid, gid) in [(0, 0), (0, 65534), (65534, 0), (1, 1), (64321, 64321)] {
        (request.uid, request.gid) = (uid, gid);
        let answer = host.client.ask(RequestBody::Start(Box::new(request.clone())));
        assert!(matches!(answer, Err(Refusal::Identity { .. })), "{uid} {gid}: {answer:?}");
    }
}
