//! A program beside a job that executes (`ssh_to_job`): with the environment, the folder and the
//! control group that the job's first process has. Who may have one, and what is said to it, is not
//! known here.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use model::JobId;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// What tells the processes of a run from all others: its folder is in their environment.
const SCRATCH: &str = "_CONDOR_SCRATCH_DIR";

/// Which processes those are, for who is beside them (HTCondor 25.14's).
const PIDS: &str = "_CONDOR_JOB_PIDS";

/// Where control groups are.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The field of `/proc/PID/stat` behind the name that says when a process began.
const STARTED: usize = 19;

/// What is to run.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) job: JobId,
    /// The program and its arguments; the user's shell if there is none.
    pub(crate) program: Vec<String>,
    /// Whether nobody is at a terminal.
    pub(crate) is_plain: bool,
}

/// A program beside a job.
#[derive(Debug)]
pub(crate) struct Beside {
    /// Its end of the terminal: it goes when the line is closed.
    pub(crate) child: Child,
    /// What is said to it, and what it says.
    pub(crate) line: UnixStream,
    /// The job's processes.
    pub(crate) pids: Vec<u32>,
}

/// A process of a run.
#[derive(Debug)]
struct Process {
    pid: u32,
    /// Ticks since the machine began.
    started: u64,
    environ: Vec<(OsString, OsString)>,
}

/// Starts it, beside the run that has this folder. To be called where tasks can be started.
///
/// # Errors
///
/// If no process of the run is there, or it cannot be started.
pub(crate) fn start(wanted: &Wanted, scratch: &Path) -> io::Result<Beside> {
    let mut processes = processes_of(scratch);
    processes.sort_by_key(|process| (process.started, process.pid));
    let pids: Vec<u32> = processes.iter().map(|process| process.pid).collect();
    let first = processes.into_iter().next().ok_or(Errno::ESRCH)?;
    let folder = fs::read_link(format!("/proc/{}/cwd", first.pid));
    let folder = folder.ok().filter(|folder| folder.is_dir());
    let (line, theirs) = UnixStream::pair()?;
    let listed = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["terminal", "--over-stdin"]).args(wanted.is_plain.then_some("--plain"));
    command.arg("--folder").arg(folder.as_deref().unwrap_or(scratch));
    command.arg("--").args(&wanted.program);
    command.env_clear().envs(first.environ).env(PIDS, listed);
    command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.process_group(0).kill_on_drop(true).spawn()?;
    if let Some(pid) = child.id()
        && let Err(error) = join_cgroup(pid, first.pid)
    {
        tracing::warn!(job = %wanted.job, %error, "a program beside a job is not limited as it is");
    }
    Ok(Beside { child, line, pids })
}

/// Signals what a run has left that is over: what somebody has started beside it and has detached.
/// No other run has its folder. Whether there was any.
pub(crate) fn signal_left(scratch: &Path, signal: Signal) -> bool {
    let left = processes_of(scratch);
    for process in &left {
        // One that has ended meanwhile needs none.
        let _ = kill(Pid::from_raw(i32::try_from(process.pid).unwrap_or(i32::MAX)), signal);
    }
    !left.is_empty()
}

/// The processes of a run, in any order. One that ends meanwhile is none.
fn processes_of(scratch: &Path) -> Vec<Process> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let found = pids.filter_map(|pid: u32| {
        let environ = pairs(&fs::read(format!("/proc/{pid}/environ")).ok()?);
        let is_ours = |(name, value): &(OsString, OsString)| {
            name == SCRATCH && value.as_os_str() == scratch.as_os_str()
        };
        if !environ.iter().any(is_ours) {
            return None;
        }
        Some(Process { pid, started: started(pid)?, environ })
    });
    found.collect()
}

/// What an environment says.
fn pairs(environ: &[u8]) -> Vec<(OsString, OsString)> {
    let entries = environ.split(|byte| *byte == 0);
    let pairs = entries.filter_map(|entry| {
        let at = entry.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
        let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        Some((owned(&entry[..at]), owned(&entry[at + 1..])))
    });
    pairs.collect()
}

fn started(pid: u32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name is in brackets, and may have anything in it.
    let behind = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = OsStr::from_bytes(&stat[behind + 1..]).to_str()?;
    rest.split_whitespace().nth(STARTED)?.parse().ok()
}

/// Puts a process into the group of another, so that it shares that one's limits and end.
fn join_cgroup(pid: u32, of: u32) -> io::Result<()> {
    let group = |pid| fs::read_to_string(format!("/proc/{pid}/cgroup"));
    let (own, theirs) = (group(pid)?, group(of)?);
    if own == theirs {
        return Ok(());
    }
    let unified = theirs.lines().find_map(|line| line.strip_prefix("0::/"));
    let Some(path) = unified else { return Ok(()) };
    let procs: PathBuf = Path::new(CGROUPS).join(path).join("cgroup.procs");
    fs::write(procs, pid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn an_environment_is_read_as_it_is_and_what_is_no_variable_is_none() {
        let read = pairs(b"A=1\0B=x=y\0EMPTY=\0odd\0=nameless\0\0C=\xff\0");
        let read: Vec<_> = read.iter().map(|(n, v)| (n.to_str().unwrap(), v.as_bytes())).collect();
        let expected: [(&str, &[u8]); 4] =
            [("A", b"1"), ("B", b"x=y"), ("EMPTY", b""), ("C", b"\xff")];
        assert_eq!(read, expected);
    }

    #[test]
    fn the_processes_of_a_run_are_those_that_have_its_folder_in_their_environment() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut sleeping = std::process::Command::new("sleep");
        let mut child = sleeping.arg("600").env(SCRATCH, one.path()).spawn().unwrap();
        let found = processes_of(one.path());
        assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), [child.id()]);
        assert!(found[0].started > 0);
        assert!(processes_of(other.path()).is_empty());
        assert!(!signal_left(other.path(), Signal::SIGTERM));
        assert!(signal_left(one.path(), Signal::SIGTERM));
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGTERM as i32));
        assert!(!signal_left(one.path(), Signal::SIGKILL));
    }
}
