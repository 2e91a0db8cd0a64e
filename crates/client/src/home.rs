//! Where a pool keeps its things: one folder, chosen by `UPDRAFT_HOME`, else by HTCondor's
//! `CONDOR_CONFIG`, else by the links by which the program was called, else the user's state
//! folder, if he has a pool there, else the machine's pool of many users, if it has one. It names
//! paths, and knows nothing of what is in them but for those.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::lock;

/// The variable that chooses a pool for every command.
pub const HOME_VARIABLE: &str = "UPDRAFT_HOME";

/// HTCondor's variable for its configuration: a client that calls HTCondor's commands may keep
/// nothing else. It chooses a pool if it names a pool's configuration, or a file with a line
/// `UPDRAFT_HOME = FOLDER`.
pub const CONFIGURATION_VARIABLE: &str = "CONDOR_CONFIG";

/// The file beside links under other programs' names that names the pool which they mean.
pub const LINKS_POOL: &str = ".updraft-pool";

/// The folder of the machine's pool of many users.
pub const SYSTEM_DIR: &str = "/var/lib/updraft";

/// The supervisor of the launcher in a pool of many users, which is root's as the launcher is.
pub const ROOT_SUPERVISOR: &str = "launcher-supervisor";

/// The folder of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

/// A process of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DaemonRole {
    /// Starts and keeps processes; outlives the others.
    Launcher,
    /// Matches jobs to machines.
    Negotiator,
    /// Owns the machine.
    Startd,
    /// Owns the queue.
    Schedd,
}

impl DaemonRole {
    /// In the order in which they are started: each finds the ones it talks to.
    pub const ALL: [Self; 4] = [Self::Launcher, Self::Negotiator, Self::Startd, Self::Schedd];

    /// Its name in paths, logs and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Launcher => "launcher",
            Self::Negotiator => "negotiator",
            Self::Startd => "startd",
            Self::Schedd => "schedd",
        }
    }

    /// Its name in settings that are for it alone (`STARTD.NUM_CPUS`).
    pub const fn subsystem(self) -> &'static str {
        match self {
            Self::Launcher => "LAUNCHER",
            Self::Negotiator => "NEGOTIATOR",
            Self::Startd => "STARTD",
            Self::Schedd => "SCHEDD",
        }
    }

    /// The role with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// The pool that a configuration belongs to, or names.
fn of_configuration(file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    if folder.join("pool.json").is_file() {
        return Some(folder.to_owned());
    }
    let text = fs::read_to_string(file).ok()?;
    let named = text.lines().rev().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case(HOME_VARIABLE).then(|| value.trim().to_owned())
    });
    named.filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// The pool of the links by one of which this program was called.
fn of_links(path: &Path) -> Option<PathBuf> {
    let called = PathBuf::from(env::args_os().next()?);
    let name = called.file_name()?;
    let link = match called.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.join(name),
        Some(_) | None => {
            let mut folders = env::split_paths(path);
            folders.find(|folder| folder.join(name).exists())?.join(name)
        }
    };
    pool_beside(&link)
}

/// The pool that is named beside a link.
fn pool_beside(link: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(link.parent()?.join(LINKS_POOL)).ok()?;
    Some(PathBuf::from(text.trim())).filter(|folder| folder.is_absolute())
}

/// The pool that the environment names.
fn chosen() -> Option<PathBuf> {
    variable(HOME_VARIABLE)
        .or_else(|| of_configuration(&variable(CONFIGURATION_VARIABLE)?))
        .or_else(|| of_links(&variable("PATH")?))
}

/// The user's own pool, where none is named.
fn usual() -> PathBuf {
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
    state.map_or_else(|| PathBuf::from(SYSTEM_DIR), |state| state.join("updraft"))
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

impl Home {
    /// The folder `dir`.
    pub fn at(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// The pool that the environment chooses.
    pub fn from_environment() -> Self {
        if let Some(chosen) = chosen() {
            return Self(chosen);
        }
        let (own, system) = (Self(usual()), Self(PathBuf::from(SYSTEM_DIR)));
        if own.settings().exists() || !system.is_of_many_users() { own } else { system }
    }

    /// The same, where a pool is made: the machine's is not meant if it is not named.
    pub fn own() -> Self {
        Self(chosen().unwrap_or_else(usual))
    }

    /// Whether it is a pool of many users: only root can make what says so.
    pub fn is_of_many_users(&self) -> bool {
        self.root_dir().is_dir()
    }

    /// What is root's in a pool of many users: the launcher's socket, locks and logs. Nobody else
    /// may write there, so that root opens nothing that somebody has put in its place.
    pub fn root_dir(&self) -> PathBuf {
        self.0.join("root")
    }

    /// The folder of what one process of the pool has: a pool of many users has two of each.
    fn of_process(&self, name: &str, usual: PathBuf) -> PathBuf {
        let is_roots = name == DaemonRole::Launcher.name() || name == ROOT_SUPERVISOR;
        if is_roots && self.is_of_many_users() { self.root_dir() } else { usual }
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// The configuration that users write.
    pub fn config(&self) -> PathBuf {
        self.0.join("config")
    }

    /// More of it, in files that are read by name.
    pub fn config_dir(&self) -> PathBuf {
        self.0.join("config.d")
    }

    /// The pool's settings (JSON).
    pub fn settings(&self) -> PathBuf {
        self.0.join("pool.json")
    }

    /// Where sockets and locks are.
    pub fn run_dir(&self) -> PathBuf {
        self.0.join("run")
    }

    /// The socket of a daemon.
    pub fn socket(&self, role: DaemonRole) -> PathBuf {
        self.of_process(role.name(), self.run_dir()).join(format!("{}.sock", role.name()))
    }

    /// The lock that a daemon holds while it lives; it contains its process number.
    pub fn lock(&self, name: &str) -> PathBuf {
        self.of_process(name, self.run_dir()).join(format!("{name}.lock"))
    }

    /// The lock that a pool's supervisor holds: the one who starts its daemons again when they die.
    pub fn supervisor_lock(&self) -> PathBuf {
        self.lock("supervisor")
    }

    /// Whether somebody starts the pool's daemons again when they die.
    pub fn is_supervised(&self) -> bool {
        match lock::holder(&self.supervisor_lock()) {
            Ok(holder) => holder.is_some(),
            // Of many users' pool the locks are not a user's to see, and its daemons are started
            // again like any others.
            Err(error) => error.kind() == ErrorKind::PermissionDenied && self.is_of_many_users(),
        }
    }

    /// Where daemons write their logs.
    pub fn log_dir(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The log of a daemon.
    pub fn log(&self, name: &str) -> PathBuf {
        // Whoever starts processes as others opens their logs: of that one only.
        let usual = match name == "supervisor" && self.is_of_many_users() {
            true => self.root_dir(),
            false => self.log_dir(),
        };
        self.of_process(name, usual).join(format!("{name}.log"))
    }

    /// What a daemon keeps over restarts.
    pub fn state_dir(&self, role: DaemonRole) -> PathBuf {
        self.0.join(role.name())
    }

    /// What a pool of several machines, or a machine of one, keeps of who is in it.
    pub fn trust_dir(&self) -> PathBuf {
        self.0.join("trust")
    }

    /// Where runs have their scratch folders.
    pub fn execute_dir(&self) -> PathBuf {
        self.0.join("execute")
    }

    /// Where PBS's accounting records are.
    pub fn accounting_dir(&self) -> PathBuf {
        self.0.join("accounting")
    }

    /// All folders that a pool needs.
    pub fn folders(&self) -> Vec<PathBuf> {
        let mut all = vec![self.0.clone(), self.run_dir(), self.log_dir(), self.execute_dir()];
        all.extend(DaemonRole::ALL.map(|role| self.state_dir(role)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_of_the_pool_that_it_lies_in_or_names() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("pool")).unwrap();
        fs::write(at("pool/pool.json"), "{}").unwrap();
        fs::write(at("named"), "# mine\nLOG = /x\nupdraft_home = /srv/pool \n").unwrap();
        fs::write(at("theirs"), "LOCAL_DIR = /var\n").unwrap();
        for (file, pool) in [
            ("pool/config", Some(at("pool"))),
            ("named", Some(PathBuf::from("/srv/pool"))),
            ("theirs", None),
            ("missing", None),
        ] {
            assert_eq!(of_configuration(&at(file)), pool, "{file}");
        }
        assert_eq!(pool_beside(&at("condor_q")), None);
        fs::write(at(LINKS_POOL), "/srv/pool\n").unwrap();
        assert_eq!(pool_beside(&at("condor_q")), Some(PathBuf::from("/srv/pool")));
    }

    #[test]
    fn what_root_opens_of_many_users_pool_lies_where_only_root_writes() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let paths = |home: &Home| {
            let launcher = home.socket(DaemonRole::Launcher);
            [launcher, home.lock("launcher"), home.log("launcher"), home.log("supervisor")]
        };
        assert!(paths(&home).iter().all(|path| path.parent() != Some(&home.root_dir())));
        fs::create_dir(home.root_dir()).unwrap();
        assert!(paths(&home).iter().all(|path| path.parent() == Some(&home.root_dir())));
        let of_daemons = [home.socket(DaemonRole::Schedd), home.supervisor_lock()];
        assert!(of_daemons.iter().all(|path| path.parent() == Some(&home.run_dir())));
    }
}
