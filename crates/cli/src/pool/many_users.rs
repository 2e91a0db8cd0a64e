//! A pool of many users: what in its folder is root's and what is the pool's own user's, and as
//! whom its processes run. The launcher and who starts it again are root's; the daemons are the
//! user `updraft`'s; everything else is done by processes of the users whose jobs it is about.
//!
//! Root opens nothing by a path in which another user may put something in another's place: the
//! pool's folder, `root` and `execute` in it and all above them are root's alone.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use client::home::{DaemonRole, Home, ROOT_SUPERVISOR};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User, geteuid};
use serde::{Deserialize, Serialize};

/// The user that the daemons run as.
pub const USER: &str = "updraft";

/// The smallest number of a user whose jobs are run, where the system does not say (Debian's).
const UID_MIN: u32 = 1000;

/// Where the system says it.
const LOGIN_DEFS: &str = "/etc/login.defs";

/// What is everybody's to go through or read, and what is its owner's alone.
const OPEN: u32 = 0o755;
const CLOSED: u32 = 0o700;

/// The sticky bit of a folder: nobody may rename or remove what is another's.
const STICKY: u32 = 0o1000;

/// The permissions of the pool's settings: every daemon and helper reads them.
pub const SETTINGS_MODE: u32 = 0o644;

/// As whom the processes of a pool of many users run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManyUsers {
    /// The daemons' user and group.
    pub uid: u32,
    pub gid: u32,
    /// The smallest number of a user whose jobs are run.
    pub uid_min: u32,
}

/// Why there can be no such pool.
#[derive(Debug, thiserror::Error)]
pub enum ManyUsersError {
    #[error(
        "{attempt} the pool of many users in {}: only root can, and you are {}", dir.display(),
        proto::net::user_name(geteuid().as_raw())
    )]
    NotRoot { attempt: &'static str, dir: PathBuf },
    #[error(
        "start a pool of many users: its daemons run as the user {USER}, which this machine does not have; make it:\n  \
         useradd --system --home-dir /var/lib/updraft --shell /usr/sbin/nologin {USER}"
    )]
    NoUser,
    #[error("start a pool of many users: the user {USER} is root; it must be a user of its own")]
    UserIsRoot,
    #[error("start a pool of many users: {} is a pool of one user; choose another folder (--dir)", .0.display())]
    OneUsers(PathBuf),
    #[error(
        "use {} in a pool of many users: {} must be root's, with nobody else who may write to it, and everybody must \
         be able to go through it (it is uid {owner}'s, with mode {mode:03o})", path.display(), part.display()
    )]
    NotRoots { path: PathBuf, part: PathBuf, owner: u32, mode: u32 },
    #[error(
        "stop the pool of many users in {}: systemd keeps it ({unit}) and would start it again; stop it there:\n  \
         systemctl stop updraft updraft-launcher\n\
         Its jobs go on; 'updraft rm -all' ends them.", dir.display()
    )]
    Systemds { dir: PathBuf, unit: &'static str },
    #[error("signal the {name}: its lock is held by process {pid}, which is not the pool's")]
    Stranger { name: String, pid: i32 },
    #[error(
        "copy the queue of the pool of many users in {}: its files are the user {USER}'s, and root would leave others \
         among them; do it as that user:\n  runuser -u {USER} -- updraft pool backup FILE --dir {}", .0.display(), .0.display()
    )]
    AsDaemons(PathBuf),
    #[error("put a queue back: not in a pool of many users yet ({})", .0.display())]
    NoRestore(PathBuf),
    #[error("use {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

fn file(path: &Path) -> impl Fn(io::Error) -> ManyUsersError {
    let path = path.to_owned();
    move |source| ManyUsersError::File { path: path.clone(), source }
}

/// As whom a pool of many users would run on this machine, or its machine there.
///
/// # Errors
///
/// If this is not root, or there is no user for the daemons.
pub fn here(home: &Home, attempt: &'static str) -> Result<ManyUsers, ManyUsersError> {
    only_root(home, attempt)?;
    let user = User::from_name(USER).ok().flatten().ok_or(ManyUsersError::NoUser)?;
    if user.uid.is_root() || user.gid.as_raw() == 0 {
        return Err(ManyUsersError::UserIsRoot);
    }
    let defs = fs::read_to_string(LOGIN_DEFS).unwrap_or_default();
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    Ok(ManyUsers { uid, gid, uid_min: uid_min(&defs) })
}

fn uid_min(defs: &str) -> u32 {
    let said = defs.lines().find_map(|line| line.trim().strip_prefix("UID_MIN"));
    let number = said.and_then(|rest| rest.trim().parse().ok());
    number.filter(|min| *min > 0).unwrap_or(UID_MIN)
}

/// Refuses what only root can do with a pool of many users.
///
/// # Errors
///
/// If it is one, and we are somebody else.
pub fn only_root_where_many(home: &Home, attempt: &'static str) -> Result<(), ManyUsersError> {
    if home.is_of_many_users() { only_root(home, attempt) } else { Ok(()) }
}

/// Refuses what would leave files of root's among those of the daemons.
///
/// # Errors
///
/// If it is a pool of many users, and we are root.
pub fn not_as_root(home: &Home) -> Result<(), ManyUsersError> {
    match home.is_of_many_users() && are_root() {
        true => Err(ManyUsersError::AsDaemons(home.dir().to_owned())),
        false => Ok(()),
    }
}

/// Refuses to put a queue back where that is not carried out yet.
///
/// # Errors
///
/// If it is a pool of many users.
pub fn no_restore(home: &Home) -> Result<(), ManyUsersError> {
    match home.is_of_many_users() {
        true => Err(ManyUsersError::NoRestore(home.dir().to_owned())),
        false => Ok(()),
    }
}

fn only_root(home: &Home, attempt: &'static str) -> Result<(), ManyUsersError> {
    if geteuid().is_root() {
        return Ok(());
    }
    Err(ManyUsersError::NotRoot { attempt, dir: home.dir().to_owned() })
}

/// Makes the folders of such a pool, or makes them what they should be.
///
/// # Errors
///
/// If a folder cannot be made, or others could change what root uses.
pub fn make_folders(home: &Home, many: ManyUsers) -> Result<(), ManyUsersError> {
    if !home.is_of_many_users() && home.settings().exists() {
        return Err(ManyUsersError::OneUsers(home.dir().to_owned()));
    }
    match fs::symlink_metadata(home.dir()) {
        // In a folder that all may write to, somebody may have made it before us.
        Ok(found) if found.uid() != 0 || !found.is_dir() => {
            let (path, mode) = (home.dir().to_owned(), found.mode() & 0o7777);
            return Err(ManyUsersError::NotRoots {
                part: path.clone(),
                path,
                owner: found.uid(),
                mode,
            });
        }
        Ok(_) | Err(_) => {}
    }
    for (folder, owner, mode) in folders(home, many) {
        let made = DirBuilder::new().recursive(true).mode(mode).create(&folder);
        made.map_err(file(&folder))?;
        // What is above it is root's by now: nobody puts a link in its place.
        check_open(&folder, folder.parent().unwrap_or(Path::new("/")))?;
        if fs::symlink_metadata(&folder).map_err(file(&folder))?.is_symlink() {
            let source = io::Error::other("it is a link, and must be a folder");
            return Err(ManyUsersError::File { path: folder, source });
        }
        chown(&folder, Some(owner.0), Some(owner.1)).map_err(file(&folder))?;
        fs::set_permissions(&folder, Permissions::from_mode(mode)).map_err(file(&folder))?;
    }
    Ok(())
}

/// The folders with their owners and permissions, those above first.
fn folders(home: &Home, many: ManyUsers) -> Vec<(PathBuf, (u32, u32), u32)> {
    let (root, ours) = ((0, 0), (many.uid, many.gid));
    let mut all = vec![
        (home.dir().to_owned(), root, OPEN),
        // The daemons reach the launcher's socket there.
        (home.root_dir(), (0, many.gid), 0o750),
        (home.execute_dir(), root, OPEN),
        (home.state_dir(DaemonRole::Launcher), root, CLOSED),
        (home.run_dir(), ours, OPEN),
        (home.log_dir(), ours, CLOSED),
        // PBS's records, which the schedd's process writes.
        (home.accounting_dir(), ours, OPEN),
    ];
    let daemons = [DaemonRole::Negotiator, DaemonRole::Startd, DaemonRole::Schedd];
    all.extend(daemons.map(|role| (home.state_dir(role), ours, CLOSED)));
    all.push((home.trust_dir(), ours, CLOSED));
    all
}

/// Looks at what root and the daemons obey: that nobody but root can change it.
///
/// # Errors
///
/// If somebody can.
pub fn check(home: &Home) -> Result<(), ManyUsersError> {
    for path in [home.dir().to_owned(), home.config(), home.config_dir(), home.settings()] {
        match fs::metadata(&path) {
            Ok(found) => judge(&path, &path, &found, false)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ManyUsersError::File { path, source }),
        }
    }
    Ok(())
}

/// Looks whether the way to something is root's and everybody's to go: of the program, whom every
/// user's helpers are; of the pool's folder.
///
/// # Errors
///
/// If somebody could put another thing in its place, or could not get there.
pub fn check_open(path: &Path, way: &Path) -> Result<(), ManyUsersError> {
    let way = fs::canonicalize(way).map_err(file(way))?;
    for part in way.ancestors() {
        judge(path, part, &fs::metadata(part).map_err(file(part))?, true)?;
    }
    Ok(())
}

fn judge(path: &Path, part: &Path, found: &Metadata, is_way: bool) -> Result<(), ManyUsersError> {
    let mode = found.mode() & 0o7777;
    // In a sticky folder nobody touches what is root's.
    let writable = mode & 0o022 != 0 && !(found.is_dir() && mode & STICKY != 0);
    let closed = is_way && mode & 0o001 == 0;
    if found.uid() != 0 || writable || closed {
        let (path, part) = (path.to_owned(), part.to_owned());
        return Err(ManyUsersError::NotRoots { path, part, owner: found.uid(), mode });
    }
    Ok(())
}

/// A command that is another user's, without any other group, and in a session of its own from
/// before it is: a process that has root's terminal could write there what root's shell then
/// executes, and others of that user could have it do so.
pub fn command_of((uid, gid): (u32, u32), program: &Path) -> Command {
    let mut command = Command::new("/usr/bin/setsid");
    let [uid, gid] = [uid, gid].map(|number| number.to_string());
    command
        .args(["--wait", "/usr/bin/setpriv", "--reuid", &uid, "--regid", &gid, "--clear-groups"])
        .arg("--")
        .arg(program);
    command
}

/// Signals a process that holds a lock of the pool. The lock's folder may be the daemons' own: what
/// they put there is not believed, and so root does not signal by it. A process of the daemons' own
/// user does, which the kernel lets signal that user's processes and no others.
///
/// # Errors
///
/// If it is somebody else's process.
pub fn signal(many: ManyUsers, name: &str, pid: i32, signal: Signal) -> Result<(), ManyUsersError> {
    let stranger = || ManyUsersError::Stranger { name: name.to_owned(), pid };
    if pid <= 1 {
        return Err(stranger());
    }
    let is_roots = name == DaemonRole::Launcher.name() || name == ROOT_SUPERVISOR;
    if is_roots {
        // Nobody but root writes where this lock is.
        return match kill(Pid::from_raw(pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(_) => Err(stranger()),
        };
    }
    let sent = command_of((many.uid, many.gid), Path::new("/bin/sh"))
        .args(["-c", "kill -s \"$1\" \"$2\"", "kill"])
        .args([signal.as_str().trim_start_matches("SIG"), &pid.to_string()])
        .env_clear()
        .current_dir("/")
        .stderr(Stdio::null())
        .status()
        .map_err(file(Path::new("/bin/sh")))?;
    // It has ended meanwhile, or is not the daemons'.
    let is_there = || kill(Pid::from_raw(pid), None).is_ok();
    if sent.success() || !is_there() { Ok(()) } else { Err(stranger()) }
}

/// Whether we are the one who starts processes as others.
pub fn are_root() -> bool {
    Uid::effective().is_root()
}

/// As whom the processes of a pool run, as its settings say.
///
/// # Errors
///
/// If they cannot be read, or do not say it.
pub fn of(home: &Home) -> io::Result<ManyUsers> {
    #[derive(Deserialize)]
    struct Settings {
        many_users: Option<ManyUsers>,
    }
    let settings: Settings = serde_json::from_slice(&fs::read(home.settings())?)?;
    settings.many_users.ok_or_else(|| io::Error::other("whose the pool is is not known"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use super::*;

    #[test]
    #[expect(clippy::print_stderr, reason = "who is not root is told that nothing is shown")]
    fn root_signals_the_daemons_own_processes_and_nobody_else_s() {
        if !are_root() {
            eprintln!("not shown: only root signals as others");
            return;
        }
        let many = ManyUsers { uid: 64321, gid: 64321, uid_min: 1000 };
        let sleep = |uid: u32| Command::new("sleep").arg("1000").uid(uid).spawn().unwrap();
        for (uid, name, expected) in [
            (64321, "schedd", true),
            (64322, "schedd", false),
            (0, "schedd", false),
            (0, "launcher", true),
        ] {
            let mut child = sleep(uid);
            let pid = i32::try_from(child.id()).unwrap();
            let sent = signal(many, name, pid, Signal::SIGKILL);
            assert_eq!(sent.is_ok(), expected, "{uid} {name}: {sent:?}");
            assert!(expected || child.try_wait().unwrap().is_none(), "{uid} {name}");
            let _ = child.kill();
            child.wait().unwrap();
            assert!(expected || sent.unwrap_err().to_string().contains("not the pool's"));
        }
        for pid in [-1, 0, 1] {
            assert!(signal(many, "schedd", pid, Signal::SIGTERM).is_err(), "{pid}");
            assert!(signal(many, "launcher", pid, Signal::SIGTERM).is_err(), "{pid}");
        }
    }

    #[test]
    fn the_smallest_user_is_the_system_s() {
        for (defs, expected) in [
            ("# UID_MIN 5\nUID_MIN\t\t\t 2000\nSYS_UID_MIN 100\n", 2000),
            ("SYS_UID_MIN 100\n", 1000),
            ("UID_MIN zero\n", 1000),
            ("UID_MIN 0\n", 1000),
            ("", 1000),
        ] {
            assert_eq!(uid_min(defs), expected, "{defs:?}");
        }
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "who is not root is told that nothing is shown")]
    fn what_others_could_replace_is_not_used_as_root() {
        if !are_root() {
            eprintln!("not shown: only root has folders that are root's");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        for (mode, expected) in [(0o755, true), (0o711, true), (0o700, false), (0o777, false)] {
            fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(check_open(dir.path(), dir.path()).is_ok(), expected, "{mode:o}");
        }
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        chown(dir.path(), Some(1234), None).unwrap();
        let error = check_open(dir.path(), dir.path()).unwrap_err().to_string();
        assert!(error.contains("it is uid 1234's, with mode 755"), "{error}");
    }
}
