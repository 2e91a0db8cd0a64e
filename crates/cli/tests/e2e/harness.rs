//! A pool in a temporary folder, commands against it, and waiting for a stated condition. It knows
//! no rule that a test checks.

use std::fs;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, setsockopt,
    socket, sockopt,
};

/// How long a condition may take to become true. Generous: these machines are shared, and now and
/// then stand still. A test that passes waits much less.
const DEADLINE: Duration = Duration::from_secs(180);

/// A personal pool that is stopped when this is dropped.
pub(crate) struct Pool {
    dir: tempfile::TempDir,
    /// How its letters leave (`UPDRAFT_MAIL`).
    mail: String,
}

impl Pool {
    /// A started pool with so many processors.
    pub(crate) fn start(cpus: u32) -> Self {
        Self::start_with_mail(cpus, "none")
    }

    /// The same, whose letters leave this way.
    pub(crate) fn start_with_mail(cpus: u32, mail: &str) -> Self {
        Self::start_as(cpus, mail, "", &[])
    }

    /// The same, with this configuration.
    pub(crate) fn start_with_config(cpus: u32, config: &str) -> Self {
        Self::start_as(cpus, "none", config, &[])
    }

    /// The same, and with these programs before all others.
    pub(crate) fn start_with_programs(cpus: u32, config: &str, programs: &[(&str, &str)]) -> Self {
        Self::start_as(cpus, "none", config, programs)
    }

    fn start_as(cpus: u32, mail: &str, config: &str, programs: &[(&str, &str)]) -> Self {
        let pool = Self { dir: tempfile::tempdir().unwrap(), mail: mail.to_owned() };
        fs::create_dir(pool.programs()).unwrap();
        for (name, text) in programs {
            let path = pool.programs().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::create_dir(pool.home()).unwrap();
        fs::write(pool.home().join("config"), config).unwrap();
        let out = pool.updraft(&["pool", "start", "--cpus", &cpus.to_string(), "--memory", "4096"]);
        assert!(out.status.success(), "pool start: {}", text(&out));
        pool
    }

    /// Where jobs are submitted from.
    pub(crate) fn work(&self) -> PathBuf {
        let work = self.dir.path().join("work");
        fs::create_dir_all(&work).unwrap();
        work
    }

    /// Where programs are that come before all others.
    fn programs(&self) -> PathBuf {
        self.dir.path().join("bin")
    }

    /// The pool's folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("pool")
    }

    /// Runs `updraft WORDS`.
    pub(crate) fn updraft(&self, words: &[&str]) -> Output {
        self.program(&updraft(), words)
    }

    /// Runs a program with this pool chosen.
    pub(crate) fn program(&self, program: &Path, words: &[&str]) -> Output {
        self.command(program, words).output().unwrap()
    }

    /// A program with this pool chosen, yet to be run.
    pub(crate) fn command(&self, program: &Path, words: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.programs().display());
        let mut command = Command::new(program);
        command
            .args(words)
            .env("UPDRAFT_HOME", self.home())
            .env("UPDRAFT_MAIL", &self.mail)
            .env("PATH", path)
            .current_dir(self.work())
            .stdin(Stdio::null());
        command
    }

    /// Runs `updraft WORDS`, which must succeed, and gives its standard output.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let out = self.updraft(words);
        assert!(out.status.success(), "updraft {}: {}", words.join(" "), text(&out));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Submits a description, and gives the cluster's number.
    pub(crate) fn submit(&self, description: &str) -> String {
        let file = self.work().join("job.sub");
        fs::write(&file, description).unwrap();
        let said = self.ok(&["submit", "job.sub"]);
        said.trim().trim_end_matches('.').rsplit(' ').next().unwrap().to_owned()
    }

    /// An attribute of each job that the words select, in the queue or else in history.
    pub(crate) fn attribute(&self, job: &str, name: &str) -> Vec<String> {
        let of = |verb: &str| -> Vec<String> {
            self.ok(&[verb, job, "-af", name]).lines().map(str::to_owned).collect()
        };
        let queued = of("q");
        if queued.is_empty() { of("history") } else { queued }
    }

    /// Waits until an attribute of a job has a value.
    pub(crate) fn until(&self, job: &str, name: &str, value: &str) {
        eventually(&format!("{name} of job {job} is {value}"), || {
            self.attribute(job, name) == [value]
        });
    }

    /// The process of a daemon, if it lives.
    pub(crate) fn pid(&self, daemon: &str) -> Option<i64> {
        let status: serde_json::Value =
            serde_json::from_slice(&self.updraft(&["pool", "status", "--json"]).stdout).ok()?;
        let processes = status["processes"].as_array()?;
        processes.iter().find(|p| p["process"] == daemon)?["pid"].as_i64()
    }

    /// Kills a daemon as hard as one can, and waits until another process is that daemon.
    pub(crate) fn kill_and_see_it_return(&self, daemon: &str) {
        let pid = self.pid(daemon).unwrap_or_else(|| panic!("the {daemon} does not run"));
        signal(pid, "KILL");
        eventually(&format!("the {daemon} runs again"), || {
            self.pid(daemon).is_some_and(|new| new != pid)
        });
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let stopped = self.updraft(&["pool", "stop", "--now"]);
        if thread::panicking() {
            eprintln!("pool stop: {}", text(&stopped));
            for log in fs::read_dir(self.home().join("log")).into_iter().flatten().flatten() {
                eprintln!(
                    "== {}\n{}",
                    log.path().display(),
                    fs::read_to_string(log.path()).unwrap_or_default()
                );
            }
        } else {
            assert!(stopped.status.success(), "pool stop: {}", text(&stopped));
        }
    }
}

/// The binary under test.
pub(crate) fn updraft() -> PathBuf {
    env!("CARGO_BIN_EXE_updraft").into()
}

/// Sends a signal.
pub(crate) fn signal(pid: i64, name: &str) {
    assert!(
        Command::new("kill")
            .args([format!("-{name}"), pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// Waits for a condition, which is stated for the one who reads the failure.
#[expect(clippy::disallowed_methods, reason = "a deadline of a test with real processes")]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "after {DEADLINE:?} it is not so that {what}");
        thread::sleep(Duration::from_millis(10));
        free_login_shells();
    }
}

/// A login shell of this machine's user may take a lock (`pyenv init` does, for a moment). A job
/// that is killed then leaves it, and each login shell after it, which is each job of PBS, waits a
/// minute for it. That is nothing of ours: a lock that nobody can hold any more is taken away.
fn free_login_shells() {
    const TOO_LONG: Duration = Duration::from_secs(5);
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let lock = home.join(".pyenv/shims/.pyenv-shim");
    let age = fs::metadata(&lock).and_then(|found| found.modified()).map(|made| made.elapsed());
    if matches!(age, Ok(Ok(age)) if age > TOO_LONG) {
        // Another test may have been faster.
        let _ = fs::remove_file(lock);
    }
}

/// A port of the loopback at which nobody listens yet, and that is nobody else's until this is
/// dropped: neither who asks the kernel for any port gets it, nor an outgoing connection.
pub(crate) struct HeldPort {
    socket: OwnedFd,
    port: u16,
}

impl HeldPort {
    /// This port, if nobody has it.
    fn take(port: u16) -> Option<Self> {
        let (family, kind) = (AddressFamily::Inet, SockType::Stream);
        let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, port)).ok()?;
        // From now on somebody may listen there who says that he means this very port.
        setsockopt(&socket, sockopt::ReuseAddr, &true).unwrap();
        let port = getsockname::<SockaddrIn>(socket.as_raw_fd()).unwrap().port();
        Some(Self { socket, port })
    }

    /// One that the kernel chooses.
    pub(crate) fn any() -> Self {
        Self::take(0).expect("there is a free port")
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Begins to listen at the port, which was nobody's until now.
    pub(crate) fn listen(self) -> TcpListener {
        listen(&self.socket, Backlog::MAXCONN).unwrap();
        self.socket.into()
    }
}

/// Where a pool may listen: at a port and the next. Both are held until these tests end, also while
/// the daemons that listen there are started again.
pub(crate) fn free_address() -> String {
    loop {
        let first = HeldPort::any();
        if let Some(second) = first.port.checked_add(1).and_then(HeldPort::take) {
            let address = first.address();
            std::mem::forget((first, second));
            return address;
        }
    }
}

/// So many seconds, written as no other test writes them: a process that sleeps for them is known
/// by that, also where the tests of somebody else run.
pub(crate) fn mark(seconds: u32) -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    format!("{seconds}.{:07}{number:03}", std::process::id())
}

/// How many processes sleep for what [`mark`] gave.
pub(crate) fn sleeping(mark: &str) -> usize {
    let wanted = format!("sleep\0{mark}\0");
    let all = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(&wanted)).count()
}

/// Everything that a command said.
pub(crate) fn text(out: &Output) -> String {
    format!(
        "{}\n{}{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}

/// Waits until a user log has so many events of that number. Logs are written behind the record:
/// what a command says of a job may not stand there yet.
pub(crate) fn logged(log: &Path, number: &str, count: usize) {
    eventually(&format!("{count} events {number} are in {}", log.display()), || {
        events(log, number) == count
    });
}

/// How many events of that number a user log has.
pub(crate) fn events(log: &Path, number: &str) -> usize {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().filter(|line| line.starts_with(&format!("{number} ("))).count()
}
