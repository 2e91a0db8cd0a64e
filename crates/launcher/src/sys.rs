//! Every `unsafe` line of this crate: the calls to the kernel that no safe wrapper offers in the
//! shape we need.
//!
//! The heart is [`spawn`]: `clone(CLONE_VM | CLONE_VFORK)` on a stack of its own, so that no page
//! table is copied and the cost of a start does not depend on the parent. The child shares the
//! parent's memory while the parent is suspended, so the code between `clone` and `execve`
//! allocates nothing, takes no lock, and changes ids by raw system calls: the C library's
//! `setresuid` and its like are allowed to signal the other threads of the process, which here
//! would be the parent.
//!
//! This file decides nothing; who may become whom is checked before.

#![expect(unsafe_code, reason = "fork, clone, execve and their like have no safe wrapper in nix")]

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_uint, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

use crate::child::{Descriptor, PrivateFolder, ProcessPlan, UserIds};
use crate::wire::Stage;

/// Enough for the child's few frames and the kernel's signal frame; `posix_spawn` of glibc uses 32
/// KiB as well.
const CHILD_STACK_BYTES: usize = 64 * 1024;

/// Linux numbers its signals 1 to 64.
const SIGNAL_MAX: c_int = 64;

/// Milliseconds since boot, the machine's sleep included: the clock of every lease. It never jumps.
pub fn boot_clock_ms() -> u64 {
    clock_ms(ClockId::CLOCK_BOOTTIME)
}

/// Milliseconds of Unix time: for display only.
pub(crate) fn wall_clock_ms() -> u64 {
    clock_ms(ClockId::CLOCK_REALTIME)
}

fn clock_ms(clock: ClockId) -> u64 {
    let now = clock_gettime(clock).expect("Linux has had this clock since 2.6.39");
    let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
    let milliseconds = u64::try_from(now.tv_nsec() / 1_000_000).unwrap_or(0);
    seconds * 1000 + milliseconds
}

/// The size of a terminal: rows and columns.
///
/// # Errors
///
/// If it is no terminal.
pub fn window_size(terminal: BorrowedFd<'_>) -> io::Result<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: an open descriptor, and a place for what this call writes.
    match unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) } {
        0 => Ok((size.ws_row, size.ws_col)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives a terminal another size; the programs in front of it are told.
///
/// # Errors
///
/// If it is no terminal.
pub fn set_window_size(terminal: BorrowedFd<'_>, rows: u16, columns: u16) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: an open descriptor, and what this call reads.
    match unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Which side of a [`fork`] we are on.
pub(crate) enum Fork {
    Parent { child_pid: u32 },
    Child,
}

/// Duplicates this process. It must have one thread only.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: the launcher is single-threaded (see `server::run`), so the child may use everything
    // that the parent might.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent { child_pid: u32::try_from(pid).unwrap_or(0) }),
    }
}

/// Ends this process without running anything that the parent registered to run at exit.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: `_exit` has no precondition.
    unsafe { libc::_exit(code) }
}

/// Makes descriptors 0, 1 and 2 `/dev/null`, and closes every other one but `keep`.
pub(crate) fn keep_only(keep: &OwnedFd) -> io::Result<()> {
    let kept = c_uint::try_from(keep.as_raw_fd()).unwrap_or(0);
    if kept <= 2 {
        return Err(io::Error::other("a descriptor to keep must not be a standard one"));
    }
    // SAFETY: the path is a C string; the descriptors closed belong to the parent's objects, which
    // the child never touches again (`keeper::main` does not return).
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if null < 0 {
            return Err(io::Error::last_os_error());
        }
        for standard in 0..=2 {
            if libc::dup2(null, standard) < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        if kept > 3 {
            close_range(3, kept - 1)?;
        }
        close_range(kept + 1, c_uint::MAX)
    }
}

fn close_range(first: c_uint, last: c_uint) -> io::Result<()> {
    // SAFETY: closing descriptors touches no memory; the caller answers for their owners.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, 0 as c_uint) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives every signal its default effect, so that started processes inherit nothing of ours. By raw
/// calls, because the C library hides two signals, and whoever started us may have had them
/// ignored.
pub(crate) fn reset_signal_dispositions() {
    // The kernel's `struct sigaction` is at most this large, and all zero it means the default.
    let default = [0_u64; 4];
    let no_old: *mut u64 = ptr::null_mut();
    for signal in 1..=SIGNAL_MAX {
        // SAFETY: the structure is live and large enough; KILL and STOP are refused, which is
        // right.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), no_old, 8_usize) };
    }
}

/// A descriptor that stands for exactly this process, whatever becomes of its number.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: the call takes two integers; the descriptor it returns is new and ours, and
    // close-on-exec.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0 as c_uint);
        match RawFd::try_from(fd) {
            Ok(fd) if fd >= 0 => Ok(OwnedFd::from_raw_fd(fd)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Sends a signal to the process behind a [`pidfd_open`].
pub(crate) fn pidfd_signal(pidfd: &OwnedFd, signal: c_int) -> io::Result<()> {
    let no_info: *const libc::siginfo_t = ptr::null();
    // SAFETY: a null siginfo is allowed and means the same as `kill`.
    let sent = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0 as c_uint)
    };
    if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends a signal to a child that is not reaped yet, so that the number is certainly its own.
pub(crate) fn kill(child_pid: u32, signal: c_int) -> io::Result<()> {
    kill_number(libc::pid_t::try_from(child_pid).map_err(io::Error::other)?, signal)
}

/// Sends a signal to every process of the group that such a child leads.
pub(crate) fn kill_group(child_pid: u32, signal: c_int) -> io::Result<()> {
    kill_number(-libc::pid_t::try_from(child_pid).map_err(io::Error::other)?, signal)
}

fn kill_number(number: libc::pid_t, signal: c_int) -> io::Result<()> {
    if matches!(number, -1..=1) {
        return Err(io::Error::other("this number means more than one child or its group"));
    }
    // SAFETY: plain integers.
    if unsafe { libc::kill(number, signal) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What [`reap`] found.
pub(crate) enum Reaped {
    /// This child ended, and is gone now.
    Child { pid: u32, status: Status, rusage: Rusage },
    /// There are children, none of which has ended.
    NoneEnded,
    /// There are no children.
    NoChildren,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Exited { code: i32 },
    Signaled { signal: i32, core: bool },
}

/// What a process and the children that it waited for used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rusage {
    pub(crate) user_us: u64,
    pub(crate) sys_us: u64,
    pub(crate) max_rss_kib: u64,
}

/// Collects one ended child, without waiting.
pub(crate) fn reap() -> Reaped {
    let mut status = 0;
    // SAFETY: an all-zero rusage is valid, and both pointers are to live locals.
    let (pid, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let pid = libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage);
        (pid, usage)
    };
    match u32::try_from(pid) {
        Err(_) => Reaped::NoChildren,
        Ok(0) => Reaped::NoneEnded,
        Ok(pid) => {
            let status = if libc::WIFSIGNALED(status) {
                Status::Signaled { signal: libc::WTERMSIG(status), core: libc::WCOREDUMP(status) }
            } else {
                Status::Exited { code: libc::WEXITSTATUS(status) }
            };
            let rusage = Rusage {
                user_us: timeval_us(usage.ru_utime),
                sys_us: timeval_us(usage.ru_stime),
                max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0),
            };
            Reaped::Child { pid, status, rusage }
        }
    }
}

fn timeval_us(time: libc::timeval) -> u64 {
    let microseconds = time.tv_sec * 1_000_000 + time.tv_usec;
    u64::try_from(microseconds).unwrap_or(0)
}

/// The stack on which a child runs from `clone` to `execve`, used again for every child.
pub(crate) struct ChildStack {
    base: *mut c_void,
}

impl ChildStack {
    /// Maps the stack, with an unmapped page below it.
    pub(crate) fn map() -> io::Result<Self> {
        let guard = 4096;
        // SAFETY: a fresh anonymous mapping overlaps nothing; the guard page lies inside it.
        unsafe {
            let base = libc::mmap(
                ptr::null_mut(),
                CHILD_STACK_BYTES + guard,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            );
            if base == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            if libc::mprotect(base, guard, libc::PROT_NONE) != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Self { base: base.byte_add(guard) })
        }
    }

    fn top(&mut self) -> *mut c_void {
        // SAFETY: one past the end of the mapping, where a stack that grows downwards begins; it is
        // 16-byte aligned.
        unsafe { self.base.byte_add(CHILD_STACK_BYTES) }
    }
}

/// Why no program executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpawnError {
    pub(crate) stage: Stage,
    pub(crate) errno: c_int,
}

impl SpawnError {
    pub(crate) fn at(stage: Stage, error: &io::Error) -> Self {
        Self { stage, errno: error.raw_os_error().unwrap_or(libc::EIO) }
    }
}

/// What the parent lends to the child while it is suspended.
struct Loan<'a> {
    plan: &'a ProcessPlan,
    argv: &'a [*const c_char],
    env: &'a [*const c_char],
    failed: Option<SpawnError>,
}

/// Starts a process that executes `plan`, and returns its pid once it does.
///
/// The caller must be single-threaded and have every signal blocked. On error the child has ended
/// already and is still to be reaped, unless the stage is [`Stage::Clone`].
pub(crate) fn spawn(plan: &ProcessPlan, stack: &mut ChildStack) -> Result<u32, SpawnError> {
    let argv = pointers(&plan.argv);
    let env = pointers(&plan.env);
    let mut loan = Loan { plan, argv: &argv, env: &env, failed: None };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: with CLONE_VFORK this thread, the only one, sleeps until the child has executed or
    // exited, so `loan` and `stack` outlive the child's use of them and nobody else touches them
    // meanwhile.
    let pid = unsafe { libc::clone(child_main, stack.top(), flags, (&raw mut loan).cast()) };
    // SAFETY: `loan` is a live local; the read is volatile because the child wrote it behind the
    // compiler's back.
    let failed = unsafe { ptr::read_volatile(&raw const loan.failed) };
    match (failed, u32::try_from(pid)) {
        (Some(failed), _) => Err(failed),
        (None, Ok(pid)) => {
            if plan.stop_at_exec {
                let_go_stopped(pid);
            }
            Ok(pid)
        }
        (None, Err(_)) => Err(SpawnError { stage: Stage::Clone, errno: Errno::last_raw() }),
    }
}

/// How often and for how long is looked whether a process stands still already: 100 ms in all,
/// which only one that was woken meanwhile takes.
const STOP_LOOKS: u32 = 1000;
const STOP_LOOK_EVERY: Duration = Duration::from_micros(100);

/// The child has asked to be traced, so the kernel stops it before the first instruction of its
/// program. Nobody traces it from here on: it is let go with SIGSTOP, which lasts until somebody
/// sends SIGCONT, and a debugger may have it.
fn let_go_stopped(pid: u32) {
    if change_of(pid, 0) != Some(libc::CLD_TRAPPED) {
        return;
    }
    let no_address: *const c_void = ptr::null();
    // SAFETY: plain integers. It fails only if the child was killed meanwhile.
    unsafe {
        libc::syscall(libc::SYS_ptrace, libc::PTRACE_DETACH, pid, no_address, libc::SIGSTOP);
    }
    // It still has to come to its stop: whoever is told of it finds it there.
    for _ in 0..STOP_LOOKS {
        if change_of(pid, libc::WNOHANG).is_some() {
            break;
        }
        std::thread::sleep(STOP_LOOK_EVERY);
    }
}

/// How a child stopped or ended, which stays to be collected; `None` if it has not.
fn change_of(pid: u32, options: c_int) -> Option<c_int> {
    // SAFETY: an all-zero siginfo is valid, and the pointer is to a live local; the pid in it is
    // set by `waitid`, to 0 if there is none.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let options = options | libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT;
        let waited = libc::waitid(libc::P_PID, pid, &raw mut info, options);
        (waited == 0 && info.si_pid() != 0).then_some(info.si_code)
    }
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

/// The child, from `clone` to `execve`. It never returns.
extern "C" fn child_main(loan: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a pointer to its `Loan`, and sleeps while this runs.
    let loan: &mut Loan<'_> = unsafe { &mut *loan.cast() };
    let failed = prepare_and_execute(loan);
    // SAFETY: `failed` is a valid field of the loan; `_exit` ends only this process.
    unsafe {
        ptr::write_volatile(&raw mut loan.failed, Some(failed));
        libc::_exit(127)
    }
}

/// Returns only what failed. The order of the steps is that of [`Stage`].
fn prepare_and_execute(loan: &Loan<'_>) -> SpawnError {
    let plan = loan.plan;
    let prepared = join_cgroup(plan)
        .and_then(|()| {
            // SAFETY: no argument.
            check(Stage::Session, unsafe { libc::setsid() })
        })
        .and_then(|()| plan.user.as_ref().map_or(Ok(()), |user| become_user(user, &plan.private)))
        // As the user: nobody is given more than root's launcher was, or another's precedence.
        .and_then(|()| set_limits(plan))
        .and_then(|()| {
            // SAFETY: plain integers, and a C string that lives in the plan.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::umask(plan.umask);
                check(Stage::Chdir, libc::chdir(plan.cwd.as_ptr()))
            }
        })
        .and_then(|()| open_standard(Stage::Stdin, &plan.stdin, 0))
        .and_then(|()| open_standard(Stage::Stdout, &plan.stdout, 1))
        .and_then(|()| open_standard(Stage::Stderr, &plan.stderr, 2));
    if let Err(failed) = prepared {
        return failed;
    }
    // SAFETY: the arrays end with null and point to C strings of the plan; the set is initialised
    // before it is used. Every descriptor above 2 is close-on-exec already: closing them here is
    // the second lock on that door.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3 as c_uint, c_uint::MAX, 0 as c_uint);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        // Behind the mask: from here to `execve` a signal would stop this process, and with it the
        // parent.
        if plan.stop_at_exec
            && let Err(failed) =
                check(Stage::Stop, libc::syscall(libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0))
        {
            return failed;
        }
        libc::execve(plan.program.as_ptr(), loan.argv.as_ptr(), loan.env.as_ptr());
    }
    SpawnError { stage: Stage::Exec, errno: Errno::last_raw() }
}

fn check(stage: Stage, result: impl Into<c_long>) -> Result<(), SpawnError> {
    if result.into() < 0 { Err(SpawnError { stage, errno: Errno::last_raw() }) } else { Ok(()) }
}

/// Joins the run's cgroup while still privileged to, so that not one instruction of the program
/// runs outside.
fn join_cgroup(plan: &ProcessPlan) -> Result<(), SpawnError> {
    let Some(procs) = &plan.cgroup_procs else {
        return Ok(());
    };
    // SAFETY: one byte of a static is written to an open descriptor; "0" means the writer.
    let written = unsafe { libc::write(procs.as_raw_fd(), c"0".as_ptr().cast(), 1) };
    check(Stage::Cgroup, c_long::try_from(written).unwrap_or(-1))
}

/// Sets a limit of this process, or looks at it: either pointer may be null.
fn prlimit(
    resource: libc::__rlimit_resource_t,
    new: *const libc::rlimit,
    old: *mut libc::rlimit,
) -> c_long {
    // SAFETY: both are null or point to a live rlimit of the caller's; pid 0 is this process alone,
    // whose limits are not shared with the parent.
    unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, new, old) }
}

fn set_limits(plan: &ProcessPlan) -> Result<(), SpawnError> {
    for (resource, limit) in &plan.rlimits {
        let mut had = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        let mut set = prlimit(*resource, ptr::from_ref(limit), ptr::null_mut());
        // Who may not have more than the hard limit gets what can be had, as in HTCondor.
        if set < 0
            && Errno::last_raw() == libc::EPERM
            && prlimit(*resource, ptr::null(), &raw mut had) == 0
        {
            let most = libc::rlimit {
                rlim_cur: limit.rlim_cur.min(had.rlim_max),
                rlim_max: limit.rlim_max.min(had.rlim_max),
            };
            set = prlimit(*resource, &raw const most, ptr::null_mut());
        }
        check(Stage::Limits, set)?;
    }
    if let Some(nice) = plan.nice {
        // SAFETY: plain integers; who 0 is this process.
        let set = unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, nice) };
        check(Stage::Nice, set)?;
    }
    Ok(())
}

/// A mount namespace of this thread's own: what is mounted elsewhere appears here too, and nothing
/// of this one elsewhere.
fn own_mounts() -> Result<(), Errno> {
    let nothing: *const c_char = ptr::null();
    // SAFETY: integers, a C string, and null pointers where these mean nothing.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNS) < 0 {
            return Err(Errno::last());
        }
        let flags = libc::MS_REC | libc::MS_SLAVE;
        match libc::mount(nothing, c"/".as_ptr(), nothing, flags, ptr::null()) {
            0 => Ok(()),
            _ => Err(Errno::last()),
        }
    }
}

/// Whether a run here can have folders of its own in the place of others. It is tried in a thread
/// that ends with it.
///
/// # Errors
///
/// A sentence that says why not.
pub fn private_here() -> Result<(), String> {
    let tried = std::thread::spawn(own_mounts).join();
    tried.unwrap_or(Err(Errno::EIO)).map_err(|errno| {
        format!("a process here may not have a view of the folders of its own: {}", errno.desc())
    })
}

/// Puts folders of the user's in the place of others, for this process and what it starts, while
/// still privileged to. They are made and opened as the user: nobody gets a place to which he could
/// not go himself. Group and groups are the user's already.
fn make_private(user: &UserIds, private: &[PrivateFolder]) -> Result<(), SpawnError> {
    const OPEN_TREE_CLONE: c_int = 1;
    const MOVE_MOUNT_F_EMPTY_PATH: c_int = 4;
    if private.is_empty() {
        return Ok(());
    }
    let stage = Stage::Private;
    own_mounts().map_err(|errno| SpawnError { stage, errno: errno as c_int })?;
    for PrivateFolder { folder, instead_of } in private {
        // SAFETY: C strings of the plan and integers; each descriptor is closed by `execve`, or
        // with this process.
        unsafe {
            libc::syscall(libc::SYS_setfsuid, user.uid);
            libc::mkdir(folder.as_ptr(), 0o700);
            let how = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
            let opened = libc::open(folder.as_ptr(), how);
            let errno = Errno::last_raw();
            libc::syscall(libc::SYS_setfsuid, 0);
            if opened < 0 {
                return Err(SpawnError { stage, errno });
            }
            let how = OPEN_TREE_CLONE | libc::O_CLOEXEC | libc::AT_EMPTY_PATH;
            let tree = libc::syscall(libc::SYS_open_tree, opened, c"".as_ptr(), how);
            check(stage, tree)?;
            let moved = libc::syscall(
                libc::SYS_move_mount,
                tree,
                c"".as_ptr(),
                libc::AT_FDCWD,
                instead_of.as_ptr(),
                MOVE_MOUNT_F_EMPTY_PATH,
            );
            // Where there is no such folder, nobody has anything in it.
            if moved < 0 && [libc::ENOENT, libc::ENOTDIR].contains(&Errno::last_raw()) {
                continue;
            }
            check(stage, moved)?;
        }
    }
    Ok(())
}

/// Becomes the user for good: groups, gid, uid, then proof that there is no way back, then no new
/// privileges. Between them folders of the user's come into their places.
fn become_user(user: &UserIds, private: &[PrivateFolder]) -> Result<(), SpawnError> {
    // SAFETY: raw calls on integers and one live array; see the head of this file for why they are
    // raw.
    unsafe {
        let groups = libc::syscall(libc::SYS_setgroups, user.groups.len(), user.groups.as_ptr());
        check(Stage::Groups, groups)?;
        check(Stage::Gid, libc::syscall(libc::SYS_setresgid, user.gid, user.gid, user.gid))?;
        make_private(user, private)?;
        check(Stage::Uid, libc::syscall(libc::SYS_setresuid, user.uid, user.uid, user.uid))?;
        let root_uid = libc::syscall(libc::SYS_setresuid, 0, 0, 0);
        let root_gid = libc::syscall(libc::SYS_setresgid, 0, 0, 0);
        if root_uid == 0 || root_gid == 0 || libc::geteuid() != user.uid {
            return Err(SpawnError { stage: Stage::Uid, errno: libc::EPERM });
        }
        join_session_keyring();
        let zero: c_long = 0;
        check(
            Stage::NoNewPrivs,
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as c_long, zero, zero, zero),
        )
    }
}

/// A session keyring of our own, with nothing in it, in the place of the one of who has started us:
/// what hangs on that is his. Where the kernel has none, or gives no more, nothing better can be
/// done. It allocates nothing.
pub fn join_session_keyring() {
    const KEYCTL_JOIN_SESSION_KEYRING: c_int = 1;
    let nameless: *const c_char = ptr::null();
    // SAFETY: an integer and a null pointer, which means a keyring without a name.
    unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nameless) };
}

fn open_standard(stage: Stage, wanted: &Descriptor, number: c_int) -> Result<(), SpawnError> {
    match wanted {
        // The keeper's own standard descriptors are /dev/null already.
        Descriptor::Null => Ok(()),
        // SAFETY: both are open descriptors of this process.
        Descriptor::SameAsStdout => check(stage, unsafe { libc::dup2(1, number) }),
        Descriptor::Open { path, flags, mode } => open_file(stage, path, *flags, *mode, number),
    }
}

/// Opens without waiting (a FIFO without a reader would keep the suspended keeper from everything
/// else), then makes the descriptor an ordinary, waiting one.
fn open_file(
    stage: Stage,
    path: &CStr,
    flags: c_int,
    mode: libc::mode_t,
    number: c_int,
) -> Result<(), SpawnError> {
    let flags = flags | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: a C string of the plan and plain integers. The table of descriptors is the child's
    // own copy.
    unsafe {
        let opened = libc::open(path.as_ptr(), flags, mode);
        check(stage, opened)?;
        check(stage, libc::fcntl(opened, libc::F_SETFL, flags & !libc::O_NONBLOCK))?;
        check(stage, libc::dup2(opened, number))?;
        check(stage, libc::close(opened))
    }
}
