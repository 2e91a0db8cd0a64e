//! The launcher's loop: clients, keepers and signals, in one thread that never waits for any one of
//! them.
//!
//! Each turn takes what has arrived from everybody, then sends each peer what there is for it as
//! one frame. A client that sends garbage or does not read is cut off; nobody else notices.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::geteuid;

use crate::cgroup::{Mode, RunCgroup};
use crate::config::{Config, RunAs};
use crate::fleet::{Fleet, Watched};
use crate::folders::{UsersDir, check_ours_alone};
use crate::keeper::{Descriptors, KEEPERS_SOCKET, KeeperContext, KeeperOrder, Report};
use crate::link::{FrameStream, LinkError, Reading};
use crate::record::Records;
use crate::runs::{Runs, check_signal};
use crate::sys::{self, Reaped};
use crate::tree;
use crate::wire::{
    Answer, Event, LeaseScope, Message, PROTOCOL_VERSION, Refusal, Request, RequestBody, RunKey,
    Start, Welcome,
};

/// The most clients at a time: a daemon, its next incarnation, and a few people looking.
const CLIENTS_MAX: usize = 32;

/// How often the remains of a run whose keeper was killed are looked for and killed again.
const CLEARING_MS: u16 = 10;

/// The most descriptors that are asked for: more than there will be runs.
const DESCRIPTORS: u64 = 1 << 20;

/// How long after its grace a run that is to be killed may still be about to execute (its files may
/// be on a server that does not answer) before its process is killed from outside; its keeper
/// cannot do it, being suspended until then.
const STUCK_START_MS: u64 = 1000;

/// Serves until SIGTERM or SIGINT. Runs that are alive then go on, kept by their keepers, and the
/// next launcher on the same state directory finds them.
///
/// The calling process must have no other thread, and becomes a child subreaper.
///
/// # Errors
///
/// The launcher cannot start, or lost something it cannot work without. Runs go on in either case.
pub fn run(config: Config) -> Result<(), Error> {
    let mut server = Server::start(config)?;
    loop {
        if server.turn()? == Turn::Stop {
            return Ok(());
        }
    }
}

/// Why a launcher cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another launcher uses the state directory.
    #[error("another launcher is using {}: stop it, or give this one a directory of its own", .0.display())]
    Occupied(PathBuf),
    /// A start-up step failed.
    #[error("could not {attempt} {}", path.display())]
    StartUp {
        /// What was attempted.
        attempt: &'static str,
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Only root can start processes as other users.
    #[error("a launcher for other users must run as root, not as uid {0}")]
    NotRoot(u32),
    /// A run's file could not be read or written.
    #[error("could not update the file of run {run_key}")]
    Record {
        run_key: RunKey,
        /// Why it failed.
        source: io::Error,
    },
    /// The kernel refused something that it never refuses.
    #[error("could not {attempt}")]
    Kernel {
        /// What was attempted.
        attempt: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    GoOn,
    Stop,
}

struct Server {
    config: Config,
    mode: Mode,
    /// Whether runs can have folders of their own in the place of others.
    may_be_private: bool,
    boot_id: String,
    /// Held for as long as we live.
    _lock: File,
    signals: SignalFd,
    clients_listener: UnixListener,
    keepers_listener: UnixListener,
    clients: BTreeMap<u64, Client>,
    next_client: u64,
    fleet: Fleet,
    runs: Runs,
    /// Usage requests that a keeper is to answer, by the token it was given.
    asked: BTreeMap<u64, Asked>,
    next_token: u64,
    /// Runs to kill that may be stuck before they, or a script of theirs, execute, and from when on
    /// that is believed.
    stuck: BTreeMap<RunKey, u64>,
    /// Lost runs of which that could not be written down yet.
    unwritten: BTreeSet<RunKey>,
    /// There was no descriptor for the last who came: nobody is let in for a moment, instead of
    /// trying without end.
    crowded: bool,
}

struct Client {
    link: FrameStream,
    outbox: Vec<Message>,
    cut_off: bool,
}

struct Asked {
    client: u64,
    id: u64,
    run_key: RunKey,
}

/// What a poll found ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ready {
    Signals,
    NewClient,
    NewKeeper,
    Client(u64),
    Fleet(Watched),
}

impl Server {
    fn start(config: Config) -> Result<Self, Error> {
        let uid = geteuid();
        if matches!(config.identity, RunAs::Users { .. }) && !uid.is_root() {
            return Err(Error::NotRoot(uid.as_raw()));
        }
        if matches!(config.identity, RunAs::Users { .. }) {
            sys::join_session_keyring();
        }
        let (lock, state_dir) = occupy(&config.state_dir)?;
        check_directories(&config, &state_dir)?;
        let mode = Mode::choose(&config.containment).map_err(kernel("prepare cgroups"))?;
        let many_users = matches!(config.identity, RunAs::Users { .. });
        let may_be_private = many_users && sys::private_here().is_ok();
        prctl::set_child_subreaper(true).map_err(kernel("become a subreaper"))?;
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_err(kernel("read the boot id"))?
            .trim()
            .to_owned();
        let records = Records::open(&state_dir).map_err(start_up("make runs in", &state_dir))?;
        let context = KeeperContext {
            state_dir: state_dir.clone(),
            records: records.clone(),
            identity: config.identity,
            users_dir: config.users_dir.clone(),
            cgroups: mode.cgroups().cloned(),
            descriptors: raise_descriptors().map_err(kernel("raise the limit of descriptors"))?,
        };
        let mut server = Self {
            signals: block_signals().map_err(kernel("take signals by descriptor"))?,
            keepers_listener: listen_in(&state_dir, KEEPERS_SOCKET.as_ref())?,
            clients_listener: listen_to_clients(&config)?,
            clients: BTreeMap::new(),
            next_client: 0,
            fleet: Fleet::new(context),
            runs: Runs::new(records, boot_id.clone(), config.runs_max),
            asked: BTreeMap::new(),
            next_token: 0,
            stuck: BTreeMap::new(),
            unwritten: BTreeSet::new(),
            crowded: false,
            config,
            mode,
            may_be_private,
            boot_id,
            _lock: lock,
        };
        server.find_runs(&state_dir)?;
        Ok(server)
    }

    /// Takes over what an earlier launcher left.
    fn find_runs(&mut self, state_dir: &Path) -> Result<(), Error> {
        for found in self.runs.load().map_err(start_up("read runs in", state_dir))? {
            let adopted = self.fleet.adopt(found.keeper, &found.run_key);
            if adopted.map_err(kernel("see whether the keeper of a run lives"))? {
                self.runs.adopted(&found.run_key, found.keeper.pid);
            } else {
                self.keeper_died(&found.run_key)?;
            }
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<Turn, Error> {
        for ready in self.wait()? {
            match ready {
                Ready::Signals => {
                    if self.take_signals()? == Turn::Stop {
                        return Ok(Turn::Stop);
                    }
                }
                Ready::NewClient => self.accept_client(),
                Ready::NewKeeper => self.accept_keeper(),
                Ready::Client(client) => self.serve_client(client)?,
                Ready::Fleet(Watched::Channel { pid }) => {
                    let reports = self.fleet.receive(pid);
                    self.take_reports(reports, Some(pid));
                }
                Ready::Fleet(Watched::Death { pid }) => self.keeper_ended(pid)?,
            }
        }
        self.kill_stuck_starts();
        self.clear()?;
        self.fleet.flush();
        self.flush_clients();
        Ok(Turn::GoOn)
    }

    fn wait(&mut self) -> Result<Vec<Ready>, Error> {
        let timeout = self.timeout();
        let crowded = std::mem::take(&mut self.crowded);
        let input = PollFlags::POLLIN;
        let coming = if crowded { PollFlags::empty() } else { input };
        let own = [
            (Ready::Signals, self.signals.as_fd(), input),
            (Ready::NewClient, self.clients_listener.as_fd(), coming),
            (Ready::NewKeeper, self.keepers_listener.as_fd(), coming),
        ];
        let clients = self.clients.iter().map(|(&number, client)| {
            (Ready::Client(number), client.link.as_fd(), client.link.interest())
        });
        let fleet = self.fleet.watched().map(|(which, fd, flags)| (Ready::Fleet(which), fd, flags));
        let (which, mut fds): (Vec<Ready>, Vec<PollFd<'_>>) = own
            .into_iter()
            .chain(clients)
            .chain(fleet)
            .map(|(ready, fd, flags)| (ready, PollFd::new(fd, flags)))
            .unzip();
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(kernel("poll")(error)),
        }
        let pairs = which.into_iter().zip(&fds);
        Ok(pairs.filter(|(_, fd)| fd.any().unwrap_or(true)).map(|(ready, _)| ready).collect())
    }

    fn timeout(&self) -> PollTimeout {
        if self.crowded || !self.runs.clearing().is_empty() {
            return PollTimeout::from(CLEARING_MS);
        }
        let Some(next) = self.stuck.values().min() else {
            return PollTimeout::NONE;
        };
        let wait = next.saturating_sub(sys::boot_clock_ms()) + 1;
        PollTimeout::from(u16::try_from(wait).unwrap_or(u16::MAX))
    }

    fn take_signals(&mut self) -> Result<Turn, Error> {
        let next = || self.signals.read_signal().map_err(kernel("read a signal"));
        while let Some(signal) = next()? {
            let number = i32::try_from(signal.ssi_signo).unwrap_or(0);
            if number != libc::SIGCHLD {
                return Ok(Turn::Stop);
            }
        }
        while let Reaped::Child { pid, .. } = sys::reap() {
            self.keeper_ended(pid)?;
        }
        Ok(Turn::GoOn)
    }

    /// A process has ended; it may have been a keeper.
    fn keeper_ended(&mut self, pid: u32) -> Result<(), Error> {
        let (reports, run_key) = self.fleet.bury(pid);
        self.take_reports(reports, None);
        run_key.map_or(Ok(()), |run_key| self.keeper_died(&run_key))
    }

    fn keeper_died(&mut self, run_key: &RunKey) -> Result<(), Error> {
        let event = self.runs.keeper_died(run_key).map_err(record(run_key))?;
        self.tell(event);
        Ok(())
    }

    /// Takes the reports of a keeper, which is free for another run once its run ended.
    fn take_reports(&mut self, reports: Vec<Report>, keeper_pid: Option<u32>) {
        for report in reports {
            match report {
                Report::Usage { token, usage } => {
                    if let Some(Asked { client, id, .. }) = self.asked.remove(&token) {
                        self.answer(client, id, Ok(Answer::Usage(usage)));
                    }
                }
                Report::Started { .. } => {
                    let event = self.runs.report(report);
                    self.tell(event);
                }
                Report::Ended { ref run_key, .. } => {
                    self.answer_asked(&run_key.clone());
                    let event = self.runs.report(report);
                    self.tell(event);
                    if let Some(pid) = keeper_pid {
                        self.fleet.release(pid);
                    }
                }
            }
        }
    }

    /// Kills what is left of runs whose keeper is gone, until nothing is.
    fn clear(&mut self) -> Result<(), Error> {
        let marks = self.runs.clearing();
        if marks.is_empty() {
            return Ok(());
        }
        let orphans = self.fleet.orphans();
        let marked = tree::marked(&marks);
        let left: BTreeSet<usize> = marked.iter().map(|(number, _)| *number).collect();
        for (_, process) in &marked {
            tree::signal(process.id, libc::SIGKILL);
        }
        let mut clear = Vec::new();
        for (number, mark) in marks.iter().enumerate() {
            let cgroup = self.mode.cgroups().map(|cgroups| cgroups.of_run(mark.key));
            let none_in_cgroup = cgroup.as_ref().is_none_or(RunCgroup::is_empty);
            if !left.contains(&number) && orphans.is_empty() && none_in_cgroup {
                clear.push(mark.key.clone());
            }
            if let Some(cgroup) = cgroup {
                // Both fail on a cgroup that is gone already, or not empty yet.
                let _ = cgroup.kill();
                let _ = cgroup.remove();
            }
        }
        for orphan in orphans {
            tree::signal(orphan, libc::SIGKILL);
        }
        for run_key in clear {
            self.answer_asked(&run_key);
            match self.runs.lose(&run_key) {
                Ok(event) => {
                    self.unwritten.remove(&run_key);
                    self.tell(event);
                }
                // A full disk: it is tried again, and others are served meanwhile.
                Err(error) => {
                    if self.unwritten.insert(run_key.clone()) {
                        say(&format!("cannot write down that run {run_key} is lost: {error}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// A start that hangs in the kernel suspends its keeper: what the keeper would kill is killed
    /// from here.
    fn kill_stuck_starts(&mut self) {
        let now = sys::boot_clock_ms();
        let due: Vec<RunKey> =
            self.stuck.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for run_key in due {
            self.stuck.remove(&run_key);
            let Ok(keeper) = self.runs.keeper_of(&run_key) else { continue };
            let is_starting = self.runs.is_starting(&run_key);
            // Of a run whose program has begun only a script hangs that has executed nothing.
            let hangs = |process: &tree::Process| {
                is_starting || process.parent_pid == keeper && !process.executed
            };
            for process in tree::descendants(keeper).into_iter().filter(hangs) {
                tree::signal(process.id, libc::SIGKILL);
            }
        }
    }

    fn accept_client(&mut self) {
        while let Some(stream) = accept(&self.clients_listener, &mut self.crowded) {
            let allowed = peer(&stream).is_some_and(|(_, uid)| self.may_ask(uid));
            if !allowed || self.clients.len() >= CLIENTS_MAX {
                continue;
            }
            if let Ok(link) = FrameStream::new(stream) {
                let client = Client { link, outbox: Vec::new(), cut_off: false };
                self.clients.insert(self.next_client, client);
                self.next_client += 1;
            }
        }
    }

    fn may_ask(&self, uid: u32) -> bool {
        let own = geteuid().as_raw();
        match self.config.identity {
            RunAs::Own => uid == own,
            RunAs::Users { client_uid, .. } => uid == own || uid == client_uid,
        }
    }

    /// A keeper is whom the kernel says: its pid is known from the run file.
    fn accept_keeper(&mut self) {
        while let Some(stream) = accept(&self.keepers_listener, &mut self.crowded) {
            if let Some((pid, uid)) = peer(&stream)
                && uid == geteuid().as_raw()
            {
                self.fleet.attach(pid, stream);
            }
        }
    }

    fn serve_client(&mut self, number: u64) -> Result<(), Error> {
        let mut batches: Vec<Vec<Request>> = Vec::new();
        let Some(client) = self.clients.get_mut(&number) else {
            return Ok(());
        };
        let reading = client.link.receive(&mut batches);
        client.cut_off |= !matches!(reading, Ok(Reading::Open));
        if let Err(error) = reading {
            report_cut_off(&error);
        }
        for Request { id, body } in batches.into_iter().flatten() {
            if let Some(result) = self.carry_out(number, id, body) {
                self.answer(number, id, result);
            }
        }
        Ok(())
    }

    /// Carries out a request; `None` if a keeper will have the answer.
    fn carry_out(
        &mut self,
        client: u64,
        id: u64,
        body: RequestBody,
    ) -> Option<Result<Answer, Refusal>> {
        let done = |sent: Result<(), Refusal>| Some(sent.map(|()| Answer::Done));
        match body {
            RequestBody::Hello { version } => Some(self.welcome(version)),
            RequestBody::Start(start) => Some(self.start_run(start).map(|()| Answer::Accepted)),
            RequestBody::Signal { run_key, signal, whole_tree } => {
                done(check_signal(&run_key, signal).and_then(|()| {
                    self.order(
                        &run_key.clone(),
                        KeeperOrder::Signal { run_key, signal, whole_tree },
                    )
                }))
            }
            RequestBody::Kill { run_key, signal, grace_ms } => {
                done(self.kill(run_key, signal, grace_ms))
            }
            RequestBody::Suspend { run_key } => {
                done(self.order(&run_key.clone(), KeeperOrder::Suspend { run_key }))
            }
            RequestBody::Continue { run_key } => {
                done(self.order(&run_key.clone(), KeeperOrder::Continue { run_key }))
            }
            RequestBody::ExtendLease { scope, until_boot_ms } => {
                Some(Ok(self.extend_leases(scope, until_boot_ms)))
            }
            RequestBody::Usage { run_key } => self.usage(client, id, run_key),
            RequestBody::List => Some(Ok(Answer::Runs(self.runs.list()))),
            RequestBody::Forget { run_keys } => done(self.runs.forget(&run_keys)),
        }
    }

    fn welcome(&self, version: u32) -> Result<Answer, Refusal> {
        if version != PROTOCOL_VERSION {
            return Err(Refusal::Version { ours: PROTOCOL_VERSION, theirs: version });
        }
        Ok(Answer::Welcome(Welcome {
            version: PROTOCOL_VERSION,
            pid: std::process::id(),
            uid: geteuid().as_raw(),
            boot_id: self.boot_id.clone(),
            containment: self.mode.describe(),
            memory_max: self.mode.cgroups().is_some_and(|cgroups| cgroups.memory),
            pids_max: self.mode.cgroups().is_some_and(|cgroups| cgroups.pids),
            cpu_weight: self.mode.cgroups().is_some_and(|cgroups| cgroups.cpu),
            private: self.may_be_private,
        }))
    }

    /// Writes the run down, then tells its keeper: in this order, so that no restarted launcher can
    /// miss it.
    fn start_run(&mut self, start: Box<Start>) -> Result<(), Refusal> {
        let cgroups = self.mode.cgroups();
        self.runs.check(&start, self.config.identity, cgroups, self.may_be_private)?;
        let run_key = start.run_key.clone();
        let keeper = self.fleet.engage(&run_key).map_err(failed("fork a keeper"))?;
        if let Err(error) = self.runs.assign(&start, keeper) {
            self.fleet.release(keeper.pid);
            return Err(failed("write the run's file")(error));
        }
        if self.fleet.send(keeper.pid, KeeperOrder::Run(start)).is_err() {
            // The run is written down, so it has to end: as lost, with its keeper.
            self.fleet.dismiss(keeper.pid);
        }
        Ok(())
    }

    fn order(&mut self, run_key: &RunKey, order: KeeperOrder) -> Result<(), Refusal> {
        let pid = self.runs.keeper_of(run_key)?;
        let sent = self.fleet.send(pid, order);
        sent.map_err(|error| failed("reach the run's keeper")(io::Error::other(error)))
    }

    fn kill(&mut self, run_key: RunKey, signal: i32, grace_ms: u64) -> Result<(), Refusal> {
        check_signal(&run_key, signal)?;
        self.order(&run_key, KeeperOrder::Kill { run_key: run_key.clone(), signal, grace_ms })?;
        let at = sys::boot_clock_ms().saturating_add(grace_ms).saturating_add(STUCK_START_MS);
        self.stuck.insert(run_key, at);
        Ok(())
    }

    fn extend_leases(&mut self, scope: LeaseScope, until_boot_ms: u64) -> Answer {
        let run_keys = match scope {
            LeaseScope::All => self.runs.alive(),
            LeaseScope::Runs(run_keys) => run_keys,
        };
        let mut not_alive = Vec::new();
        for run_key in run_keys {
            let order = KeeperOrder::ExtendLease { run_key: run_key.clone(), until_boot_ms };
            if self.order(&run_key, order).is_err() {
                not_alive.push(run_key);
            }
        }
        Answer::LeaseExtended { not_alive }
    }

    fn usage(&mut self, client: u64, id: u64, run_key: RunKey) -> Option<Result<Answer, Refusal>> {
        match self.runs.final_usage(&run_key) {
            Ok(Some(usage)) => return Some(Ok(Answer::Usage(usage))),
            Ok(None) => {}
            Err(refusal) => return Some(Err(refusal)),
        }
        let token = self.next_token;
        self.next_token += 1;
        if let Err(refusal) =
            self.order(&run_key, KeeperOrder::Usage { run_key: run_key.clone(), token })
        {
            return Some(Err(refusal));
        }
        self.asked.insert(token, Asked { client, id, run_key });
        None
    }

    /// The run has ended: whoever still waits for its keeper's answer will not get one.
    fn answer_asked(&mut self, run_key: &RunKey) {
        let late: Vec<u64> = self
            .asked
            .iter()
            .filter(|(_, asked)| asked.run_key == *run_key)
            .map(|(token, _)| *token)
            .collect();
        for token in late {
            if let Some(Asked { client, id, run_key }) = self.asked.remove(&token) {
                self.answer(client, id, Err(Refusal::Ended(run_key)));
            }
        }
    }

    fn answer(&mut self, client: u64, id: u64, result: Result<Answer, Refusal>) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.outbox.push(Message::Answer { id, result });
        }
    }

    fn tell(&mut self, event: Option<Event>) {
        let Some(event) = event else {
            return;
        };
        for client in self.clients.values_mut() {
            client.outbox.push(Message::Event(event.clone()));
        }
    }

    fn flush_clients(&mut self) {
        for client in self.clients.values_mut() {
            if let Err(error) = client.flush() {
                report_cut_off(&error);
                client.cut_off = true;
            }
        }
        self.clients.retain(|_, client| !client.cut_off);
    }
}

impl Client {
    /// Sends what there is for the client as one frame, or one frame each if that is too long.
    fn flush(&mut self) -> Result<(), LinkError> {
        let messages = std::mem::take(&mut self.outbox);
        if messages.is_empty() {
            return self.link.flush();
        }
        match self.link.queue(&messages) {
            Err(LinkError::Wire(_)) => {
                for message in messages {
                    self.link.queue(&[message])?;
                }
            }
            result => result?,
        }
        self.link.flush()
    }
}

/// Makes the state directory ours alone, and returns its absolute path.
fn occupy(state_dir: &Path) -> Result<(File, PathBuf), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(start_up("make", state_dir))?;
    let state_dir = fs::canonicalize(state_dir).map_err(start_up("find", state_dir))?;
    let path = state_dir.join("lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(start_up("open", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok((lock, state_dir)),
        Err(TryLockError::WouldBlock) => Err(Error::Occupied(state_dir)),
        Err(TryLockError::Error(source)) => Err(start_up("lock", &path)(source)),
    }
}

/// A launcher for other users opens nothing by path where somebody else could put another thing in
/// its place.
fn check_directories(config: &Config, state_dir: &Path) -> Result<(), Error> {
    let RunAs::Users { .. } = config.identity else { return Ok(()) };
    for dir in config.socket.parent().into_iter().chain([state_dir]) {
        check_ours_alone(dir).map_err(start_up("trust", dir))?;
    }
    match &config.users_dir {
        Some(dir) => UsersDir::open(dir).map(drop).map_err(start_up("trust", dir)),
        None => Ok(()),
    }
}

/// Listens in a directory of any length: a socket's own path may be 107 bytes at most.
fn listen_in(dir: &Path, name: &OsStr) -> Result<UnixListener, Error> {
    let opened = File::open(dir).map_err(start_up("open", dir))?;
    listen(&PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd())).join(name))
}

/// Who may ask is checked on every connection; the socket's permissions only have to let them in.
fn listen_to_clients(config: &Config) -> Result<UnixListener, Error> {
    let mode = match config.identity {
        RunAs::Own => 0o600,
        RunAs::Users { .. } => 0o666,
    };
    let (Some(folder), Some(name)) = (config.socket.parent(), config.socket.file_name()) else {
        let source = io::Error::from(io::ErrorKind::InvalidInput);
        return Err(start_up("listen on", &config.socket)(source));
    };
    let listener = listen_in(folder, name)?;
    fs::set_permissions(&config.socket, Permissions::from_mode(mode))
        .map_err(start_up("set the permissions of", &config.socket))?;
    Ok(listener)
}

/// Listens; what is left of an earlier socket is removed.
fn listen(path: &Path) -> Result<UnixListener, Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(start_up("remove the old socket", path)(error));
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(start_up("listen on", path))?;
    listener.set_nonblocking(true).map_err(start_up("listen on", path))?;
    Ok(listener)
}

fn block_signals() -> nix::Result<SignalFd> {
    let mut ours = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
        ours.add(signal);
    }
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&ours), None)?;
    SignalFd::with_flags(&ours, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// The next who comes. Notes when there is no descriptor for them: they stay in the queue, and the
/// listener would be ready without end.
fn accept(listener: &UnixListener, crowded: &mut bool) -> Option<UnixStream> {
    match listener.accept() {
        Ok((stream, _)) => Some(stream),
        Err(error) => {
            *crowded |= matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
            None
        }
    }
}

/// As many descriptors as the system lets us have: each keeper and client takes some. Gives what
/// was before, which is what jobs have.
fn raise_descriptors() -> nix::Result<Descriptors> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(DESCRIPTORS).max(soft), hard)?;
    Ok(Descriptors { soft, hard })
}

/// Who is at the other end, as the kernel says: pid and uid.
fn peer(stream: &UnixStream) -> Option<(u32, u32)> {
    let credentials = getsockopt(stream, sockopt::PeerCredentials).ok()?;
    Some((u32::try_from(credentials.pid()).ok()?, credentials.uid()))
}

fn report_cut_off(error: &LinkError) {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    say(&format!("a client is cut off: {error}{}", cause.unwrap_or_default()));
}

/// Into the daemon's log. A full disk must not end the launcher, as `eprintln!` would.
fn say(what: &str) {
    let _ = writeln!(io::stderr(), "launcher: {what}");
}

fn start_up(attempt: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::StartUp { attempt, path: path.to_owned(), source }
}

fn kernel<E: Into<io::Error>>(attempt: &'static str) -> impl Fn(E) -> Error {
    move |source| Error::Kernel { attempt, source: source.into() }
}

fn record(run_key: &RunKey) -> impl Fn(io::Error) -> Error {
    move |source| Error::Record { run_key: run_key.clone(), source }
}

fn failed(attempt: &'static str) -> impl Fn(io::Error) -> Refusal {
    move |error| Refusal::Failed { attempt: attempt.to_owned(), why: error.to_string() }
}
