//! A launcher process with a client, and ways to wait for a stated condition. Knows nothing of what
//! a test wants to show.

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio as ProcessStdio};
use std::time::Duration;

use launcher::wire::{
    Answer, Decoder, End, Event, LeaseScope, Limits, Message, OsBytes, PROTOCOL_VERSION, RUN_TAG,
    Refusal, Request, RequestBody, RunInfo, RunKey, Start, Stdio, WriteMode, encode,
};

/// After this long a condition that was waited for is taken to be never met: machines on which
/// tests run stand still now and then.
const DEADLINE_MS: u64 = 120_000;

/// Longer than any test.
const LEASE_MS: u64 = 3_600_000;

/// A launcher in a directory of its own, and one client of it.
pub(crate) struct Host {
    pub(crate) dir: tempfile::TempDir,
    options: Vec<String>,
    /// The soft limit of open files that the launcher finds, if not the test's own.
    descriptors: Option<u32>,
    process: Child,
    pub(crate) client: Client,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with_options(&[])
    }

    pub(crate) fn with_options(options: &[&str]) -> Self {
        Self::launched(options, None)
    }

    /// A launcher that finds this soft limit of open files.
    pub(crate) fn with_descriptors(soft: u32) -> Self {
        Self::launched(&[], Some(soft))
    }

    fn launched(options: &[&str], descriptors: Option<u32>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let process = launch(dir.path(), &options, descriptors);
        let client = Client::connect(dir.path());
        Self { dir, options, descriptors, process, client }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Waits until the job has written a line to this file.
    pub(crate) fn line(&self, name: &str) -> String {
        until(&format!("a line in {name}"), || {
            let text = self.read(name);
            text.ends_with('\n').then(|| text.trim().to_owned())
        })
    }

    /// Waits until the job has written a process number to this file.
    pub(crate) fn pid(&self, name: &str) -> u32 {
        self.line(name).parse().unwrap()
    }

    /// A shell script to start in the host's directory.
    pub(crate) fn script(&self, run_key: &str, script: &str) -> Start {
        start(run_key, self.dir.path(), &["/bin/sh", "-c", script])
    }

    /// The processes that carry the run's tag.
    pub(crate) fn tagged(&self, run_key: &str) -> Vec<u32> {
        tagged(&self.dir.path().canonicalize().unwrap(), run_key)
    }

    pub(crate) fn pid_of_launcher(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn kill_launcher(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn restart_launcher(&mut self) {
        self.process = launch(self.dir.path(), &self.options, self.descriptors);
        self.client = Client::connect(self.dir.path());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // What a failed test left running ends with its lease at the latest.
        if !std::thread::panicking() {
            for run in self.client.list() {
                self.client.send(RequestBody::Kill {
                    run_key: run.run_key,
                    signal: 9,
                    grace_ms: 0,
                });
            }
            self.client.list();
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(dir: &Path, options: &[String], descriptors: Option<u32>) -> Child {
    let test = std::env::current_exe().unwrap();
    let host = test.ancestors().nth(2).unwrap().join("examples/launcher_host");
    assert!(
        host.exists(),
        "{} is missing: run `cargo test` without --test, which builds it",
        host.display()
    );
    let mut command = match descriptors {
        None => Command::new(host),
        Some(soft) => {
            let mut shell = Command::new("/bin/sh");
            let script = format!("ulimit -Sn {soft}; exec \"$@\"");
            shell.args(["-c", &script, "sh"]).arg(host);
            shell
        }
    };
    command
        .arg(dir.join("launcher.sock"))
        .arg(dir.join("state"))
        .args(options)
        .stderr(ProcessStdio::null())
        .spawn()
        .unwrap()
}

/// A blocking client.
pub(crate) struct Client {
    stream: UnixStream,
    decoder: Decoder,
    answers: Vec<(u64, Result<Answer, Refusal>)>,
    events: VecDeque<Event>,
    next_id: u64,
}

impl Client {
    pub(crate) fn connect(dir: &Path) -> Self {
        let socket = dir.join("launcher.sock");
        let mut client = until("the launcher listens and answers", || {
            let mut client = Self::over(UnixStream::connect(&socket).ok()?);
            let id = client.try_send(RequestBody::Hello { version: PROTOCOL_VERSION }).ok()?;
            client.try_answer(id)?.ok()?;
            Some(client)
        });
        client.next_id = 1000;
        client
    }

    pub(crate) fn over(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_millis(DEADLINE_MS))).unwrap();
        Self {
            stream,
            decoder: Decoder::default(),
            answers: Vec::new(),
            events: VecDeque::new(),
            next_id: 0,
        }
    }

    pub(crate) fn write_raw(&mut self, bytes: &[u8]) {
        // The launcher may have closed the connection already, which is what such a test is about.
        let _ = self.stream.write_all(bytes);
    }

    /// Whether the launcher has closed this connection, without having said anything more.
    pub(crate) fn is_cut_off(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 16]), Ok(0) | Err(_))
    }

    pub(crate) fn send(&mut self, body: RequestBody) -> u64 {
        self.try_send(body).unwrap()
    }

    fn try_send(&mut self, body: RequestBody) -> std::io::Result<u64> {
        self.next_id += 1;
        let mut bytes = Vec::new();
        encode(&vec![Request { id: self.next_id, body }], &mut bytes).unwrap();
        self.stream.write_all(&bytes)?;
        Ok(self.next_id)
    }

    pub(crate) fn ask(&mut self, body: RequestBody) -> Result<Answer, Refusal> {
        let id = self.send(body);
        self.try_answer(id).expect("the launcher answers")
    }

    pub(crate) fn start(&mut self, start: Start) {
        let answer = self.ask(RequestBody::Start(Box::new(start)));
        assert_eq!(answer, Ok(Answer::Accepted));
    }

    /// Gives a run so long from now on.
    pub(crate) fn lease(&mut self, run_key: &str, ms: u64) -> Result<Answer, Refusal> {
        let scope = LeaseScope::Runs(vec![key(run_key)]);
        let until_boot_ms = launcher::boot_clock_ms() + ms;
        self.ask(RequestBody::ExtendLease { scope, until_boot_ms })
    }

    pub(crate) fn list(&mut self) -> Vec<RunInfo> {
        match self.ask(RequestBody::List) {
            Ok(Answer::Runs(runs)) => runs,
            other => panic!("not a list: {other:?}"),
        }
    }

    pub(crate) fn started(&mut self, run_key: &str) -> u32 {
        loop {
            match self.event() {
                Event::Started { run_key: key, pid, .. } if key.as_str() == run_key => return pid,
                Event::Ended { run_key: key, end } if key.as_str() == run_key => {
                    panic!("{run_key} ended before it started: {end:?}")
                }
                Event::Started { .. } | Event::Ended { .. } => {}
            }
        }
    }

    pub(crate) fn ended(&mut self, run_key: &str) -> End {
        self.ended_after(run_key, |_| {})
    }

    /// Shows each start that is told before that end.
    pub(crate) fn ended_after(&mut self, run_key: &str, mut started: impl FnMut(RunKey)) -> End {
        loop {
            match self.event() {
                Event::Ended { run_key: key, end } if key.as_str() == run_key => return end,
                Event::Started { run_key, .. } => started(run_key),
                Event::Ended { .. } => {}
            }
        }
    }

    /// The events that have arrived up to the answer of a request sent now.
    pub(crate) fn events_so_far(&mut self) -> Vec<Event> {
        self.list();
        self.events.drain(..).collect()
    }

    fn event(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            self.read().expect("an event before the deadline");
        }
    }

    fn try_answer(&mut self, id: u64) -> Option<Result<Answer, Refusal>> {
        loop {
            if let Some(index) = self.answers.iter().position(|(answered, _)| *answered == id) {
                return Some(self.answers.remove(index).1);
            }
            self.read()?;
        }
    }

    /// Reads once; `None` if the connection is closed or the deadline has passed.
    fn read(&mut self) -> Option<()> {
        let mut chunk = [0; 4096];
        let length = self.stream.read(&mut chunk).ok().filter(|length| *length > 0)?;
        self.decoder.feed(&chunk[..length]);
        while let Some(messages) = self.decoder.next_frame::<Vec<Message>>().unwrap() {
            for message in messages {
                match message {
                    Message::Answer { id, result } => self.answers.push((id, result)),
                    Message::Event(event) => self.events.push_back(event),
                }
            }
        }
        Some(())
    }
}

/// A key that no other run of this machine has, whoever else tests there: what bears the tag of a
/// lost run is killed.
pub(crate) fn own(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

pub(crate) fn key(text: &str) -> RunKey {
    RunKey::try_from(text).unwrap()
}

/// A plain request: this user, nothing redirected, a lease longer than the test.
pub(crate) fn start(run_key: &str, cwd: &Path, argv: &[&str]) -> Start {
    Start {
        run_key: key(run_key),
        program: OsBytes::from(argv[0]),
        argv: argv.iter().map(|argument| OsBytes::from(*argument)).collect(),
        env: vec![(OsBytes::from("PATH"), OsBytes::from("/usr/bin:/bin"))],
        cwd: OsBytes::from(cwd),
        stdin: Stdio::Null,
        stdout: Stdio::Null,
        stderr: Stdio::Null,
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        umask: 0o022,
        limits: Limits::default(),
        kill_grace_ms: 100,
        lease_until_boot_ms: launcher::boot_clock_ms() + LEASE_MS,
        before: None,
        after: None,
        beside: None,
        stop_at_exec: false,
        private: Vec::new(),
    }
}

pub(crate) fn file(path: &str, write: WriteMode) -> Stdio {
    Stdio::Path { path: OsBytes::from(path), write, create_mode: 0o644 }
}

/// Looks at a condition again and again until it is met.
pub(crate) fn until<T>(condition: &str, mut met: impl FnMut() -> Option<T>) -> T {
    let deadline = launcher::boot_clock_ms() + DEADLINE_MS;
    loop {
        if let Some(value) = met() {
            return value;
        }
        assert!(launcher::boot_clock_ms() < deadline, "never met: {condition}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Whether a process with this number runs (a zombie does not).
pub(crate) fn is_alive(pid: u32) -> bool {
    stat_field(pid, 0).is_some_and(|state| state != "Z" && state != "X")
}

pub(crate) fn parent_of(pid: u32) -> u32 {
    stat_field(pid, 1).unwrap().parse().unwrap()
}

/// The processes whose parent this one is.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|child| stat_field(*child, 1).is_some_and(|parent| parent == pid.to_string()))
        .collect()
}

fn stat_field(pid: u32, index_after_name: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(index_after_name).map(str::to_owned)
}

/// The processes in this folder that carry the run's tag. Runs of other tests, in folders of their
/// own, may be called the same.
fn tagged(dir: &Path, run_key: &str) -> Vec<u32> {
    let tag = format!("{RUN_TAG}={run_key}");
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir))
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|text| text.split(|byte| *byte == 0).any(|v| v == tag.as_bytes()))
        })
        .collect()
}

/// Writes a program, by another: one that we had open to write cannot be executed while a child of
/// another test has that descriptor too.
pub(crate) fn write_program(path: &Path, text: &str) {
    let write = ["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""];
    let written = Command::new("/bin/sh").args(write).arg(path).arg(text).status();
    assert!(written.unwrap().success());
}

/// Sends SIGKILL to any process.
pub(crate) fn kill_9(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}
