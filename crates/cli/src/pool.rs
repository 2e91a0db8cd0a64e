//! A personal pool: separate background processes that one user starts without configuration or
//! root. It starts and stops them and says how they are; what they do is theirs. The verbs `pool`
//! and `run` are thin callers of this.

pub mod answering;
pub mod as_daemons;
pub mod configuration;
pub mod doctor;
mod failure;
mod guard;
pub mod many_users;
pub mod membership;
mod restore;
mod supervisor;
pub mod trust;
pub mod units;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::client::{DaemonIdentity, Query, Select};
use proto::trust::Token;
use proto::whole_file::{self, OURS_ALONE};
use serde::{Deserialize, Serialize};

use crate::pool::configuration::{Changed, ConfigurationError, Effective};
use crate::pool::many_users::{ManyUsers, ManyUsersError, only_root_where_many};
use crate::pool::membership::{JoinError, Joined, Standing};
use client::home::{DaemonRole, Home, ROOT_SUPERVISOR};
use client::lock;
use client::{AskError, Negotiator, Schedd, Startd};

pub use as_daemons::NAME as MEMBER;
pub use client::lock::{Lock, take as take_lock};
pub use guard::{NAME as GUARD, own, run as guard};
pub use restore::{backup, restore};
pub use supervisor::{NAME as SUPERVISOR, run as supervise};

/// How long `start` waits for the pool to accept jobs. Generous: a laden machine is slow, and a
/// failed start says why at once.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long `stop` waits for a daemon before it kills it. Longer than a startd gives its jobs to
/// end.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How often a state that others bring about is looked at.
const POLL: Duration = Duration::from_millis(5);

/// What the user chose for a pool. Kept in its folder, so that a restart is the same pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSettings {
    /// Processors to offer; all that the machine has if not given.
    pub cpus: Option<u32>,
    /// Memory to offer, MiB; all that the machine has if not given.
    pub memory_mib: Option<u64>,
    /// Settings of the environment (`_CONDOR_NAME`) of the process that started the pool.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What the folder is to other machines.
    #[serde(default)]
    pub standing: Standing,
    /// As whom its processes run, if it is many users'; all of it is one user's otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub many_users: Option<ManyUsers>,
    /// What the configuration came to when it was taken last: what daemons read.
    #[serde(default)]
    pub configuration: Effective,
}

/// Why a pool could not be started, stopped or asked.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// A file of the pool.
    #[error("use {path}")]
    File {
        path: PathBuf,
        /// What was wrong.
        #[source]
        source: io::Error,
    },
    /// The settings are not ours.
    #[error("read the settings in {path}")]
    Settings {
        path: PathBuf,
        /// What was wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The configuration is not taken.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// There is nobody to take a new configuration.
    #[error(
        "reconfigure the pool in {dir}: it does not run, and reads its configuration when it starts"
    )]
    NotRunning {
        /// The pool's folder.
        dir: PathBuf,
    },
    /// It did not come up.
    #[error(
        "start the pool in {dir}: the {daemon} does not answer after {seconds} s; it said last: {said}; see {log}"
    )]
    NotUp {
        /// The pool's folder.
        dir: PathBuf,
        /// The daemon that was waited for.
        daemon: &'static str,
        /// For how long.
        seconds: u64,
        /// The last line of its log.
        said: String,
        /// Where it says why.
        log: PathBuf,
    },
    /// It ends again and again.
    #[error("start the pool in {dir}: the {daemon} ends: {said}; see {log}")]
    Ends {
        dir: PathBuf,
        /// The daemon that does.
        daemon: &'static str,
        /// The last line of its log.
        said: String,
        /// Where it says more.
        log: PathBuf,
    },
    /// It does not listen, or does not join.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// Its folder is not to be trusted.
    #[error(transparent)]
    Untrusted(#[from] trust::Untrusted),
    /// It is many users', or should be.
    #[error(transparent)]
    ManyUsers(#[from] ManyUsersError),
    /// Its queue was not copied or put back.
    #[error(transparent)]
    Backup(#[from] schedd::BackupError),
    /// A process could not be signalled.
    #[error("stop the {daemon}, process {pid}")]
    Signal {
        daemon: &'static str,
        pid: i32,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// A process does not end though it was killed.
    #[error(
        "stop the {daemon}, process {pid}: it was killed and is still there after {} s; the kernel holds on to it, \
         as it does while a file system does not answer",
        STOP_LIMIT.as_secs()
    )]
    Stuck { daemon: &'static str, pid: i32 },
}

/// What `start` found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It did not run.
    Fresh,
    /// It ran already.
    Already,
    /// It ran, but these had died and were started again.
    Revived {
        /// How many processes.
        processes: usize,
    },
}

/// A process of a pool, as `pool status` shows it.
#[derive(Clone, Debug)]
pub struct ProcessStatus {
    pub name: &'static str,
    /// Its number, if it lives.
    pub pid: Option<i32>,
    /// What it says of itself, if it answers questions.
    pub identity: Option<DaemonIdentity>,
}

/// Starts the pool, or what of it has died, as processes of `program` (this binary, or another
/// build of it), and returns when it accepts jobs.
///
/// # Errors
///
/// If its folder cannot be used or a daemon does not come up.
pub fn start(home: &Home, wanted: &PoolSettings, program: &Path) -> Result<Started, PoolError> {
    make_folders(home, wanted.many_users)?;
    failure::forget(home);
    let supervised = home.is_supervised();
    let before = settings(home)?.standing;
    keep_settings(home, wanted, supervised)?;
    let standing = settings(home)?.standing;
    if matches!(standing, Standing::Listens { .. }) {
        membership::found(home)?;
    }
    let all = standing.daemons();
    let dead = all.iter().filter(|role| !matches!(holder(home, role.name()), Ok(Some(_)))).count();
    for name in supervisors(home) {
        if holder(home, name)?.is_none() {
            supervisor::start_role(home, program, name)
                .map_err(|source| PoolError::File { path: home.log(name), source })?;
        }
    }
    if supervised && before != standing {
        restart_listeners(home)?;
    }
    let up = wait_until_up(home);
    if up.is_err() && !supervised && dead == all.len() {
        // Half a pool is none.
        stop(home, Runs::GoOn)?;
    }
    up?;
    Ok(match (supervised, dead) {
        (true, 0) => Started::Already,
        (false, n) if n == all.len() => Started::Fresh,
        (true, n) => Started::Revived { processes: n },
        (false, n) => Started::Revived { processes: n + 1 },
    })
}

/// Who starts the pool's daemons again: of many users' pool, the launcher's is root's as it is.
fn supervisors(home: &Home) -> &'static [&'static str] {
    if home.is_of_many_users() { &[ROOT_SUPERVISOR, SUPERVISOR] } else { &[SUPERVISOR] }
}

/// The daemons that a supervisor starts again.
pub fn supervised_by(home: &Home, name: &str, standing: &Standing) -> Vec<DaemonRole> {
    let all = standing.daemons().iter().copied();
    let of_many = home.is_of_many_users();
    all.filter(|role| !of_many || (*role == DaemonRole::Launcher) == (name == ROOT_SUPERVISOR))
        .collect()
}

/// Makes those that listen for other machines do so as the settings say now.
fn restart_listeners(home: &Home) -> Result<(), PoolError> {
    [DaemonRole::Negotiator, DaemonRole::Schedd]
        .into_iter()
        .try_for_each(|role| kill_daemon(home, role))
}

/// Forgets the older authorities of a pool at its own machine: the negotiator has forgotten them.
///
/// # Errors
///
/// If the folder of its trust cannot be used, or the pool does not come up again.
pub fn finish_rotation(home: &Home) -> Result<(), PoolError> {
    membership::found(home)?;
    restart_listeners(home)?;
    wait_until_up(home)
}

/// Makes this machine one of a pool, starts what runs its jobs, and returns when the pool has it.
/// A folder that has joined the pool already can join it again, as what it is: the way back for a
/// machine that was away while the pool's authority was replaced.
///
/// # Errors
///
/// If the folder is another pool's, the pool does not let the machine in, or what it needs does not
/// start.
pub fn join(
    home: &Home,
    token: &Token,
    name: Option<&str>,
    wanted: &PoolSettings,
    program: &Path,
) -> Result<(String, Joined), PoolError> {
    make_folders(home, wanted.many_users)?;
    failure::forget(home);
    let name = name_to_join(home, token, name)?;
    let joined = membership::join(home, token, &name)?;
    let address = token.address.clone();
    let standing = Standing::Joined { address: address.clone(), name: name.clone() };
    let runs = home.is_supervised();
    keep_settings(home, &PoolSettings { standing, ..wanted.clone() }, runs)?;
    if runs {
        // It shows what it had when it started. Its jobs go on.
        kill_daemon(home, DaemonRole::Startd)?;
    }
    start(home, wanted, program)?;
    membership::wait_until_known(home, &address)?;
    Ok((name, joined))
}

/// What a machine is called in the pool: what it is called there already, if it has joined it.
fn name_to_join(home: &Home, token: &Token, wanted: Option<&str>) -> Result<String, PoolError> {
    let dir = || home.dir().to_owned();
    match settings(home)?.standing {
        Standing::Joined { address, name }
            if address == token.address && wanted.is_none_or(|wanted| wanted == name) =>
        {
            Ok(name)
        }
        Standing::Joined { address, name } => {
            Err(JoinError::Joined { dir: dir(), address, name }.into())
        }
        Standing::Alone if !home.settings().exists() => {
            Ok(wanted.map_or_else(membership::host, |name| Ok(name.to_owned()))?)
        }
        Standing::Alone | Standing::Listens { .. } => Err(JoinError::OwnPool { dir: dir() }.into()),
    }
}

/// What becomes of the jobs that run when their pool is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// They go on, kept by their keepers: the next start finds them, or how they ended.
    GoOn,
    /// They are stopped, and wait in the queue.
    End,
}

/// Stops the pool: the supervisor, then the startd, then the rest. Says whether anything ran.
///
/// # Errors
///
/// If a process can neither be asked nor made to end.
pub fn stop(home: &Home, runs: Runs) -> Result<bool, PoolError> {
    only_root_where_many(home, "stop")?;
    not_systemds(home)?;
    let mut any = false;
    for name in supervisors(home) {
        any |= end_process(home, name)?;
    }
    if runs == Runs::GoOn {
        // Asked to end it ends its runs first. It may be killed at any moment.
        any |= holder(home, DaemonRole::Startd.name())?.is_some();
        kill_daemon(home, DaemonRole::Startd)?;
    }
    for role in
        [DaemonRole::Startd, DaemonRole::Schedd, DaemonRole::Negotiator, DaemonRole::Launcher]
    {
        any |= end_process(home, role.name())?;
    }
    Ok(any)
}

/// Refuses to end what would be there again in a second.
fn not_systemds(home: &Home) -> Result<(), PoolError> {
    if !home.is_of_many_users() {
        return Ok(());
    }
    for name in [SUPERVISOR, DaemonRole::Launcher.name()] {
        if let Some(unit) = holder(home, name)?.and_then(units::keeps) {
            return Err(ManyUsersError::Systemds { dir: home.dir().to_owned(), unit }.into());
        }
    }
    Ok(())
}

/// What reconfiguring came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconfigured {
    /// The settings that are not what they were.
    pub changed: Vec<Changed>,
    /// The daemons that were started again to take them.
    pub restarted: Vec<DaemonRole>,
}

/// Makes the pool take its configuration as the files have it now. Daemons whose settings have
/// changed are killed, and started again by the supervisor: they may be killed at any moment, and
/// runs belong to their keepers.
///
/// # Errors
///
/// If the pool does not run, or the configuration is wrong: then nothing changes.
pub fn reconfigure(home: &Home) -> Result<Reconfigured, PoolError> {
    only_root_where_many(home, "reconfigure")?;
    if !home.is_supervised() {
        return Err(PoolError::NotRunning { dir: home.dir().to_owned() });
    }
    let mut settings = settings(home)?;
    let new = configuration::load(home, &settings)?.effective()?;
    let changed = new.changes_since(&settings.configuration);
    settings.configuration = new;
    write_settings(home, &settings)?;
    let concerned = |role: &DaemonRole| changed.iter().any(|changed| changed.reader() == *role);
    let all = settings.standing.daemons().iter().copied();
    let restarted: Vec<DaemonRole> = all.filter(concerned).collect();
    for role in &restarted {
        kill_daemon(home, *role)?;
    }
    wait_until_up(home)?;
    Ok(Reconfigured { changed, restarted })
}

/// What the files have otherwise than the pool that runs.
///
/// # Errors
///
/// If the configuration is wrong.
pub fn configuration_changes(home: &Home) -> Result<Vec<Changed>, PoolError> {
    let settings = settings(home)?;
    let new = configuration::load(home, &settings)?.effective()?;
    Ok(new.changes_since(&settings.configuration))
}

/// Kills a daemon, and waits until this process is gone.
#[expect(
    clippy::disallowed_methods,
    reason = "a person waits for this; the limit is in their time"
)]
fn kill_daemon(home: &Home, role: DaemonRole) -> Result<(), PoolError> {
    let daemon = role.name();
    let Some(pid) = holder(home, daemon)? else { return Ok(()) };
    signal_holder(home, daemon, pid, Signal::SIGKILL)?;
    let start = Instant::now();
    while holder(home, daemon)? == Some(pid) {
        // The kernel holds on to it, in a file system that does not answer.
        if start.elapsed() > STOP_LIMIT {
            return Err(PoolError::Stuck { daemon, pid });
        }
        thread::sleep(POLL);
    }
    Ok(())
}

/// How each process of the pool is.
///
/// # Errors
///
/// If a lock cannot be read.
pub fn status(home: &Home) -> Result<Vec<ProcessStatus>, PoolError> {
    if home.is_of_many_users() && !many_users::are_root() {
        return Ok(answering(home, settings(home)?.standing.daemons()));
    }
    let mut all = Vec::new();
    let launcher = holder(home, DaemonRole::Launcher.name())?;
    for name in supervisors(home).iter().copied() {
        let pid = holder(home, name)?;
        // Where systemd keeps the launcher nobody else does.
        if name == SUPERVISOR || pid.is_some() || launcher.is_none() {
            all.push(ProcessStatus { name, pid, identity: None });
        }
    }
    for role in settings(home)?.standing.daemons().iter().copied() {
        let pid = holder(home, role.name())?;
        let identity = pid.and_then(|_| identify(home, role).ok().flatten());
        all.push(ProcessStatus { name: role.name(), pid, identity });
    }
    Ok(all)
}

/// Those daemons of a pool of many users that a user can ask how they are: locks are not his to
/// see.
fn answering(home: &Home, all: &[DaemonRole]) -> Vec<ProcessStatus> {
    let asked = all.iter().copied().filter(|role| *role != DaemonRole::Launcher);
    let status = |role: DaemonRole| {
        let identity = identify(home, role).ok().flatten();
        let pid = identity.as_ref().and_then(|identity| i32::try_from(identity.pid).ok());
        ProcessStatus { name: role.name(), pid, identity }
    };
    asked.map(status).collect()
}

/// The settings that the pool was started with.
///
/// # Errors
///
/// If they cannot be read.
pub fn settings(home: &Home) -> Result<PoolSettings, PoolError> {
    let path = home.settings();
    match fs::read(&path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|source| PoolError::Settings { path, source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(PoolSettings::default()),
        Err(source) => Err(PoolError::File { path, source }),
    }
}

fn make_folders(home: &Home, many: Option<ManyUsers>) -> Result<(), PoolError> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(many) = many {
        return Ok(many_users::make_folders(home, many)?);
    }
    only_root_where_many(home, "start")?;
    if let Some(many) = settings(home)?.many_users {
        return Ok(many_users::make_folders(home, many)?);
    }
    trust::check(home)?;
    for path in home.folders() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|source| PoolError::File { path, source })?;
    }
    Ok(())
}

/// A pool that runs keeps what it was started with until it is reconfigured.
fn keep_settings(home: &Home, wanted: &PoolSettings, runs: bool) -> Result<(), PoolError> {
    let mut new = settings(home)?;
    new.cpus = wanted.cpus.or(new.cpus);
    new.memory_mib = wanted.memory_mib.or(new.memory_mib);
    new.many_users = wanted.many_users.or(new.many_users);
    match (&wanted.standing, &new.standing) {
        (Standing::Alone, _) => {}
        (Standing::Listens { .. }, Standing::Joined { .. }) => {
            return Err(JoinError::IsNode { dir: home.dir().to_owned() }.into());
        }
        (other, _) => new.standing = other.clone(),
    }
    if !runs {
        new.environment = configuration::environment();
        new.configuration = configuration::load(home, &new)?.effective()?;
    }
    write_settings(home, &new)
}

/// Daemons read it whenever they start: it is there whole, or as it was.
fn write_settings(home: &Home, new: &PoolSettings) -> Result<(), PoolError> {
    let path = home.settings();
    let text = serde_json::to_vec_pretty(new)
        .map_err(|source| PoolError::Settings { path: path.clone(), source })?;
    let mode = if new.many_users.is_some() { many_users::SETTINGS_MODE } else { OURS_ALONE };
    let written = whole_file::replace(&path, mode, &text);
    written.map_err(|source| PoolError::File { path, source })
}

fn holder(home: &Home, name: &str) -> Result<Option<i32>, PoolError> {
    let path = home.lock(name);
    lock::holder(&path).map_err(|source| PoolError::File { path, source })
}

/// Up is: the schedd answers, and the negotiator has a machine.
#[expect(
    clippy::disallowed_methods,
    reason = "a person waits for this; the limit is in their time"
)]
fn wait_until_up(home: &Home) -> Result<(), PoolError> {
    let start = Instant::now();
    let has_joined = matches!(settings(home)?.standing, Standing::Joined { .. });
    let alone = [DaemonRole::Negotiator, DaemonRole::Schedd, DaemonRole::Startd];
    let all = if has_joined { &[DaemonRole::Startd][..] } else { &alone };
    for role in all.iter().copied() {
        while !is_up(home, role, has_joined) {
            if let Some((failed, said)) = failure::find(home) {
                let (dir, log) = (home.dir().to_owned(), home.log(failed.name()));
                return Err(PoolError::Ends { dir, daemon: failed.name(), said, log });
            }
            if start.elapsed() > START_LIMIT {
                let log = home.log(role.name());
                let dir = home.dir().to_owned();
                return Err(PoolError::NotUp {
                    dir,
                    daemon: role.name(),
                    seconds: START_LIMIT.as_secs(),
                    said: failure::last_line(home, role),
                    log,
                });
            }
            thread::sleep(POLL);
        }
    }
    Ok(())
}

fn is_up(home: &Home, role: DaemonRole, has_joined: bool) -> bool {
    match role {
        // Whether the pool knows it is for the pool to say.
        DaemonRole::Startd if has_joined => identify(home, role).is_ok(),
        // The negotiator may still have the machine of a startd that has ended.
        DaemonRole::Startd => identify(home, role).is_ok() && has_machine(home).unwrap_or(false),
        DaemonRole::Schedd | DaemonRole::Negotiator => identify(home, role).is_ok(),
        DaemonRole::Launcher => matches!(holder(home, role.name()), Ok(Some(_))),
    }
}

fn has_machine(home: &Home) -> Result<bool, AskError> {
    let query = Query { limit: Some(1), ..Query::of(Select::All) };
    Ok(!Negotiator::at(&home.socket(DaemonRole::Negotiator))?.machines(query)?.is_empty())
}

/// Who the daemon is; the launcher speaks to its startd only.
fn identify(home: &Home, role: DaemonRole) -> Result<Option<DaemonIdentity>, AskError> {
    let socket = home.socket(role);
    Ok(Some(match role {
        DaemonRole::Launcher => return Ok(None),
        DaemonRole::Negotiator => Negotiator::at(&socket)?.identity()?,
        DaemonRole::Startd => Startd::at(&socket)?.identity()?,
        DaemonRole::Schedd => Schedd::at(&socket)?.identity()?,
    }))
}

/// Signals the process that holds a lock of the pool.
fn signal_holder(
    home: &Home,
    daemon: &'static str,
    pid: i32,
    signal: Signal,
) -> Result<(), PoolError> {
    if home.is_of_many_users()
        && let Some(many) = settings(home)?.many_users
    {
        return Ok(many_users::signal(many, daemon, pid, signal)?);
    }
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(source) => Err(PoolError::Signal { daemon, pid, source }),
    }
}

/// Asks a process to end, waits, and kills it if it does not.
#[expect(
    clippy::disallowed_methods,
    reason = "a person waits for this; the limit is in their time"
)]
fn end_process(home: &Home, name: &'static str) -> Result<bool, PoolError> {
    let Some(pid) = holder(home, name)? else { return Ok(false) };
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        signal_holder(home, name, pid, signal)?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_LIMIT {
            if holder(home, name)? != Some(pid) {
                return Ok(true);
            }
            thread::sleep(POLL);
        }
    }
    Err(PoolError::Stuck { daemon: name, pid })
}
