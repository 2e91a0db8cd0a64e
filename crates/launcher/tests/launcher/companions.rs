//! What runs beside a program: that it knows the program, and ends with it; and programs that stand
//! still until somebody lets them go on.

use launcher::wire::{
    Answer, Companion, FailedScript, KilledBy, OsBytes, Outcome, RequestBody, Stage, Stdio, Step,
    WriteMode,
};

use crate::host::{Host, file, is_alive, key, until};

fn companion(text: &str) -> Option<Box<Companion>> {
    let argv = ["/bin/sh", "-c", text].map(OsBytes::from).to_vec();
    let env = vec![(OsBytes::from("PATH"), OsBytes::from("/usr/bin:/bin"))];
    Some(Box::new(Companion {
        program: OsBytes::from("/bin/sh"),
        argv,
        env,
        pid_variable: OsBytes::from("TDP_AP_PID"),
        stdin: Stdio::Null,
        stdout: file("told", WriteMode::Truncate),
        stderr: Stdio::SameAsStdout,
    }))
}

#[test]
fn a_companion_is_told_of_the_program_and_ends_with_it() {
    let mut host = Host::new();
    let mut start = host.script("pair", "while ! [ -s own ]; do :; done; exit 3");
    start.beside = companion("echo $TDP_AP_PID; echo $$ >own; exec sleep 1000");
    host.client.start(start);
    let pid = host.client.started("pair");
    let end = host.client.ended("pair");
    assert_eq!((end.outcome, end.failed), (Outcome::Exited { code: 3 }, None));
    assert_eq!(host.read("told"), format!("{pid}\n"));
    assert!(!is_alive(host.pid("own")));
    assert_eq!(host.tagged("pair"), []);
}

#[test]
fn a_companion_that_ends_first_changes_nothing() {
    let mut host = Host::new();
    let mut start = host.script("first", "while ! [ -s own ]; do :; done; exit 3");
    start.beside = companion("echo $$ >own; exit 9");
    host.client.start(start);
    assert_eq!(host.client.ended("first").outcome, Outcome::Exited { code: 3 });
}

#[test]
fn a_run_whose_companion_cannot_be_executed_is_over() {
    let mut host = Host::new();
    let mut start = host.script("alone", "trap '' TERM; while :; do sleep 1000; done");
    let path = OsBytes::from("no/companion");
    start.beside = companion("");
    start.beside.as_mut().unwrap().program = path.clone();
    host.client.start(start);
    let end = host.client.ended("alone");
    let (stage, errno) = (Stage::Exec, libc::ENOENT);
    let outcome = Outcome::StartFailed { stage, path, errno };
    assert_eq!(end.failed, Some(FailedScript { step: Step::Beside, outcome }));
    assert_eq!(end.killed_by, None);
    assert_eq!(host.tagged("alone"), []);
}

fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or(' ')
}

#[test]
fn a_program_stands_still_before_its_first_instruction_until_its_companion_lets_it_go_on() {
    let mut host = Host::new();
    let mut start = host.script("stopped", "echo ran >ran; exit 5");
    start.stop_at_exec = true;
    start.beside = companion(
        "cat /proc/$TDP_AP_PID/status | grep -e State -e TracerPid >seen
         while ! [ -e go ]; do sleep 0.01; done; kill -CONT $TDP_AP_PID",
    );
    host.client.start(start);
    let pid = host.client.started("stopped");
    until("the companion has looked", || host.read("seen").contains("TracerPid").then_some(()));
    assert_eq!(state(pid), 'T');
    assert_eq!(host.read("seen"), "State:\tT (stopped)\nTracerPid:\t0\n");
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_eq!((comm.as_str(), host.read("ran")), ("sh\n", String::new()));
    std::fs::write(host.path("go"), "").unwrap();
    assert_eq!(host.client.ended("stopped").outcome, Outcome::Exited { code: 5 });
    assert_eq!(host.read("ran"), "ran\n");
}

#[test]
fn a_program_that_stands_still_can_be_ended_and_one_that_cannot_be_executed_is_none() {
    let mut host = Host::new();
    let mut start = host.script("ended", "echo ran >ran");
    start.stop_at_exec = true;
    host.client.start(start);
    let pid = host.client.started("ended");
    until("it stands still", || (state(pid) == 'T').then_some(()));
    let kill = RequestBody::Kill { run_key: key("ended"), signal: 15, grace_ms: 20_000 };
    assert_eq!(host.client.ask(kill), Ok(Answer::Done));
    let end = host.client.ended("ended");
    assert_eq!(end.outcome, Outcome::Signaled { signal: 15, core: false });
    assert_eq!(end.killed_by, Some(KilledBy::Request));

    let mut start = host.script("missing", "");
    start.stop_at_exec = true;
    start.program = OsBytes::from("no/program");
    host.client.start(start);
    let outcome = host.client.ended("missing").outcome;
    assert!(matches!(outcome, Outcome::StartFailed { stage: Stage::Exec, .. }), "{outcome:?}");
}
