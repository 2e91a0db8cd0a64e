//! Turns a start request into what the new process needs, laid out so that nothing has to be
//! allocated or looked up between `clone` and `execve`. It changes nothing; `sys.rs` carries the
//! plan out.

use std::ffi::{CString, c_int};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, getgrouplist};

use crate::config::RunAs;
use crate::folders::UsersDir;
use crate::sys::SpawnError;
use crate::wire::{OsBytes, Private, RUN_TAG, Resource, Stage, Start, Stdio, WriteMode};

/// Everything about a process to start.
pub(crate) struct ProcessPlan {
    pub(crate) program: CString,
    pub(crate) argv: Vec<CString>,
    pub(crate) env: Vec<CString>,
    pub(crate) cwd: CString,
    pub(crate) stdin: Descriptor,
    pub(crate) stdout: Descriptor,
    pub(crate) stderr: Descriptor,
    pub(crate) umask: libc::mode_t,
    pub(crate) rlimits: Vec<(libc::__rlimit_resource_t, libc::rlimit)>,
    pub(crate) nice: Option<c_int>,
    /// The program stands still before its first instruction.
    pub(crate) stop_at_exec: bool,
    /// Unset if the process runs as whoever we are.
    pub(crate) user: Option<UserIds>,
    /// What it finds in the place of some folders.
    pub(crate) private: Vec<PrivateFolder>,
    /// The open `cgroup.procs` of the run's cgroup.
    pub(crate) cgroup_procs: Option<OwnedFd>,
}

/// A folder of the user's that stands in the place of another.
pub(crate) struct PrivateFolder {
    pub(crate) folder: CString,
    pub(crate) instead_of: CString,
}

/// A standard descriptor of the new process.
pub(crate) enum Descriptor {
    Null,
    SameAsStdout,
    Open { path: CString, flags: c_int, mode: libc::mode_t },
}

/// Whom to become.
pub(crate) struct UserIds {
    pub(crate) uid: libc::uid_t,
    pub(crate) gid: libc::gid_t,
    pub(crate) groups: Vec<libc::gid_t>,
}

impl UserIds {
    /// Makes the user's own directory in this one, if he has none: by now the system has said that
    /// there is such a user, in that group.
    pub(crate) fn has_a_directory(&self, users_dir: &Option<PathBuf>) -> Result<(), SpawnError> {
        let Some(dir) = users_dir else { return Ok(()) };
        let made = UsersDir::open(dir).and_then(|dir| dir.ensure(self.uid, self.gid));
        made.map_err(|error| SpawnError::at(Stage::User, &error))
    }
}

impl ProcessPlan {
    /// Lays out the plan of a request.
    pub(crate) fn new(
        start: &Start,
        identity: RunAs,
        cgroup_procs: Option<OwnedFd>,
    ) -> Result<Self, SpawnError> {
        Ok(Self {
            program: c_string(Stage::Exec, &start.program)?,
            argv: start
                .argv
                .iter()
                .map(|argument| c_string(Stage::Exec, argument))
                .collect::<Result<_, _>>()?,
            env: environment(start)?,
            cwd: c_string(Stage::Chdir, &start.cwd)?,
            stdin: descriptor(Stage::Stdin, &start.stdin)?,
            stdout: descriptor(Stage::Stdout, &start.stdout)?,
            stderr: descriptor(Stage::Stderr, &start.stderr)?,
            umask: start.umask,
            rlimits: start
                .limits
                .rlimits
                .iter()
                .map(|limit| (resource_number(limit.resource), both_limits(limit.max)))
                .collect(),
            nice: start.limits.nice,
            stop_at_exec: start.stop_at_exec,
            user: match identity {
                RunAs::Own => None,
                RunAs::Users { .. } => Some(user_ids(start.uid, start.gid)?),
            },
            private: start.private.iter().map(private_folder).collect::<Result<_, _>>()?,
            cgroup_procs,
        })
    }
}

/// The file that a failed stage was about.
pub(crate) fn path_of_stage(start: &Start, stage: Stage) -> OsBytes {
    let of = |stdio: &Stdio| match stdio {
        Stdio::Path { path, .. } => path.clone(),
        Stdio::Null | Stdio::SameAsStdout => OsBytes::default(),
    };
    match stage {
        Stage::Chdir => start.cwd.clone(),
        Stage::Stdin => of(&start.stdin),
        Stage::Stdout => of(&start.stdout),
        Stage::Stderr => of(&start.stderr),
        Stage::Exec => start.program.clone(),
        Stage::Private => start.private.first().map(|one| one.folder.clone()).unwrap_or_default(),
        Stage::Record
        | Stage::User
        | Stage::Cgroup
        | Stage::Clone
        | Stage::Session
        | Stage::Limits
        | Stage::Nice
        | Stage::Groups
        | Stage::Gid
        | Stage::Uid
        | Stage::NoNewPrivs
        | Stage::Stop => OsBytes::default(),
    }
}

fn c_string(stage: Stage, bytes: &OsBytes) -> Result<CString, SpawnError> {
    CString::new(bytes.as_bytes()).map_err(|_| SpawnError { stage, errno: libc::EINVAL })
}

fn private_folder(private: &Private) -> Result<PrivateFolder, SpawnError> {
    let text = |path| c_string(Stage::Private, path);
    Ok(PrivateFolder { folder: text(&private.folder)?, instead_of: text(&private.instead_of)? })
}

fn environment(start: &Start) -> Result<Vec<CString>, SpawnError> {
    let tag = (OsBytes::from(RUN_TAG), OsBytes::from(start.run_key.as_str()));
    start
        .env
        .iter()
        .filter(|(name, _)| *name != tag.0)
        .chain([&tag])
        .map(|(name, value)| {
            let both = [name.as_bytes(), b"=", value.as_bytes()].concat();
            c_string(Stage::Exec, &OsBytes::from(both))
        })
        .collect()
}

fn descriptor(stage: Stage, stdio: &Stdio) -> Result<Descriptor, SpawnError> {
    let (path, write, mode) = match stdio {
        Stdio::Null => return Ok(Descriptor::Null),
        Stdio::SameAsStdout => return Ok(Descriptor::SameAsStdout),
        Stdio::Path { path, write, create_mode } => (path, *write, *create_mode),
    };
    let flags = match (stage, write) {
        (Stage::Stdin, _) => libc::O_RDONLY,
        (_, WriteMode::Truncate) => libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC,
        (_, WriteMode::Append) => libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND,
    };
    Ok(Descriptor::Open { path: c_string(stage, path)?, flags, mode })
}

fn resource_number(resource: Resource) -> libc::__rlimit_resource_t {
    match resource {
        Resource::Core => libc::RLIMIT_CORE,
        Resource::Stack => libc::RLIMIT_STACK,
        Resource::Cpu => libc::RLIMIT_CPU,
        Resource::FileSize => libc::RLIMIT_FSIZE,
        Resource::Data => libc::RLIMIT_DATA,
        Resource::AddressSpace => libc::RLIMIT_AS,
        Resource::OpenFiles => libc::RLIMIT_NOFILE,
        Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
    }
}

fn both_limits(max: Option<u64>) -> libc::rlimit {
    let max = max.unwrap_or(libc::RLIM_INFINITY);
    libc::rlimit { rlim_cur: max, rlim_max: max }
}

/// The user's groups are the system's, whatever the request says; its gid must be one of them.
fn user_ids(uid: u32, gid: u32) -> Result<UserIds, SpawnError> {
    let failed = |errno: Errno| SpawnError { stage: Stage::User, errno: errno as c_int };
    let user = User::from_uid(Uid::from_raw(uid)).map_err(failed)?.ok_or(failed(Errno::ENOENT))?;
    let name = CString::new(user.name).map_err(|_| failed(Errno::EINVAL))?;
    let groups = getgrouplist(&name, user.gid).map_err(failed)?;
    if !groups.contains(&Gid::from_raw(gid)) {
        return Err(failed(Errno::EPERM));
    }
    Ok(UserIds { uid, gid, groups: groups.into_iter().map(Gid::as_raw).collect() })
}
