//! What the launcher is told when it starts. It knows no file format: the caller has read the
//! configuration already.

use std::path::PathBuf;

/// How a launcher is to work.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen for clients. A stale socket there is replaced. In a shared pool only root
    /// may be able to write to its directory.
    pub socket: PathBuf,
    /// The launcher's own directory; made if missing, mode 0700. One launcher at a time may use it.
    pub state_dir: PathBuf,
    /// In a shared pool: a directory that only root may write to. Every user for whom something is
    /// started has one of his own in it, named by his uid, which nobody else may enter.
    pub users_dir: Option<PathBuf>,
    /// For whom processes are started.
    pub identity: RunAs,
    /// Whether runs are put into cgroups.
    pub containment: ContainmentWish,
    /// The most runs that may be alive at a time; a further start is refused.
    pub runs_max: usize,
}

/// For whom processes are started, and who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunAs {
    /// A personal pool: every process runs as the launcher's own uid and gid, and only that uid may
    /// ask. Nothing is changed on the way to `execve`. Root's own personal pool (a container, a CI
    /// machine) is this one too.
    Own,
    /// A shared pool: the launcher is root, and starts processes as the uid in the request.
    Users {
        /// The uid of the daemon that may ask, besides root. Nothing is started as this uid: what
        /// ran as it could speak for the daemon.
        client_uid: u32,
        /// The smallest uid that a process may run as; uid 0 is refused whatever this says.
        uid_min: u32,
    },
}

/// Whether runs are put into cgroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainmentWish {
    /// A cgroup per run if the launcher's own cgroup v2 is writable and offers the memory and pids
    /// controllers.
    Auto,
    /// No cgroups: the keeper finds a run's processes as their subreaper.
    Subreaper,
    /// A cgroup per run below this directory of a cgroup v2 hierarchy; an error at start-up if that
    /// cannot be had.
    Cgroup {
        /// An existing cgroup that the launcher may write to.
        parent: PathBuf,
    },
}
