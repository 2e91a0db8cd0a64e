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
        /// The smallest uid that a process may run as; uid 0 is refused whatever this says, and so
        /// are others of the system's ([`is_of_system`]).
        uid_min: u32,
    },
}

/// Numbers that systemd gives to services while they run, `nobody`'s, and those that mean nobody in
/// system calls of 16 bits.
const OF_SERVICES: std::ops::RangeInclusive<u32> = 61_184..=65_535;

/// Whether a uid is the system's, and nobody's who could have a job. There is no largest one:
/// directories give numbers of their own, far above those that `useradd` does (`UID_MAX`).
pub fn is_of_system(uid: u32, uid_min: u32) -> bool {
    uid < uid_min || OF_SERVICES.contains(&uid) || uid == u32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_s_number_is_above_the_system_s_and_not_among_those_of_services() {
        for (uid, expected) in [
            (0, true),
            (999, true),
            (1000, false),
            (60_513, false),
            (61_184, true),
            (65_534, true),
            (65_536, false),
            (1_400_001_234, false),
            (u32::MAX, true),
        ] {
            assert_eq!(is_of_system(uid, 1000), expected, "{uid}");
        }
    }
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
