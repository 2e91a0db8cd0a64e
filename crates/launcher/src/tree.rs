//! Process trees as `/proc` shows them: who descends from whom, what they use, and which strangers
//! carry a run's mark.
//!
//! A number read from `/proc` may name another process by the time it is used; [`signal`] makes
//! sure that it does not.

use std::ffi::c_int;
use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::record::ProcessId;
use crate::sys;
use crate::wire::{RUN_TAG, RunKey};

/// What `/proc/PID/stat` says, as far as we need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: ProcessId,
    pub(crate) parent_pid: u32,
    pub(crate) session: u32,
    /// Ended, but not yet collected by its parent.
    pub(crate) zombie: bool,
    /// It has executed a program since it was forked. The kernel remembers that of one that has
    /// ended, too.
    pub(crate) executed: bool,
    /// Including the children that it collected.
    pub(crate) user_ticks: u64,
    pub(crate) sys_ticks: u64,
    pub(crate) rss_pages: u64,
    /// The size of its address space.
    pub(crate) virtual_bytes: u64,
}

/// The kernel's flag of a process that has been forked and has executed nothing (`PF_FORKNOEXEC`,
/// the same since Linux 2.6).
const FORKED_ONLY: u64 = 0x40;

/// The process with this number now.
pub(crate) fn process(pid: u32) -> Option<Process> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Every descendant of `root` that has not ended, parents before children.
pub(crate) fn descendants(root: u32) -> Vec<Process> {
    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let Some(children) = children(parent) else {
            return descendants_by_scan(root);
        };
        for child in children.into_iter().filter_map(process) {
            parents.push(child.id.pid);
            found.push(child);
        }
    }
    found.retain(|process| !process.zombie);
    found
}

/// The same from a scan of all processes, for kernels without `children` files.
fn descendants_by_scan(root: u32) -> Vec<Process> {
    let all = all();
    let mut parents = vec![root];
    let mut found = Vec::new();
    while let Some(parent) = parents.pop() {
        for child in all.iter().filter(|process| process.parent_pid == parent) {
            parents.push(child.id.pid);
            found.push(child.clone());
        }
    }
    found.retain(|process| !process.zombie);
    found
}

/// The children of every thread of a process; `None` if this kernel does not tell.
fn children(pid: u32) -> Option<Vec<u32>> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Some(Vec::new());
    };
    let mut pids = Vec::new();
    for thread in threads.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(text) => {
                pids.extend(
                    text.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()),
                );
            }
            Err(_) if thread.path().exists() => return None,
            Err(_) => {}
        }
    }
    Some(pids)
}

/// Every process that this one may see.
pub(crate) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect()
}

/// What identifies processes of a run that are nobody's descendants any more.
pub(crate) struct Mark<'a> {
    pub(crate) key: &'a RunKey,
    pub(crate) uid: u32,
    /// The run's sessions, which are those of its programs, and when those were started, in clock
    /// ticks since boot.
    pub(crate) sessions: &'a [ProcessId],
}

/// Every process that is not ended and bears the mark.
pub(crate) fn marked(mark: &Mark<'_>) -> Vec<Process> {
    let mut all = all();
    all.retain(|process| !process.zombie && bears(process, mark));
    all
}

fn bears(process: &Process, mark: &Mark<'_>) -> bool {
    let pid = process.id.pid;
    let same_user =
        || fs::metadata(format!("/proc/{pid}")).is_ok_and(|entry| entry.uid() == mark.uid);
    let in_session = mark.sessions.iter().any(|leader| {
        process.session == leader.pid && process.id.start_ticks >= leader.start_ticks
    });
    (in_session || has_tag(pid, mark.key)) && same_user()
}

/// Whether the process was started with the run's tag in its environment.
fn has_tag(pid: u32, key: &RunKey) -> bool {
    let wanted = format!("{RUN_TAG}={key}");
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environment| environment.split(|b| *b == 0).any(|v| v == wanted.as_bytes()))
}

/// Sends a signal to this very process, and not to a later one with its number. A process that has
/// ended is no error.
pub(crate) fn signal(target: ProcessId, signal: c_int) {
    let Ok(pidfd) = sys::pidfd_open(target.pid) else {
        return;
    };
    // Whoever has the number now is held by the pidfd, so comparing after opening leaves no gap.
    if process(target.pid).is_some_and(|now| now.id == target) {
        // It may end at any moment, which is what we want or not our concern.
        let _ = sys::pidfd_signal(&pidfd, signal);
    }
}

/// Parses a line of `/proc/PID/stat`; the name in parentheses may hold anything, even parentheses
/// and newlines.
fn parse_stat(line: &str) -> Option<Process> {
    let (pid, rest) = line.split_once(" (")?;
    let (_, rest) = rest.rsplit_once(") ")?;
    // The first field here is the third in proc(5).
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field_of_proc5: usize| fields.get(field_of_proc5 - 3)?.parse::<u64>().ok();
    let narrow = |field_of_proc5: usize| u32::try_from(number(field_of_proc5)?).ok();
    Some(Process {
        id: ProcessId { pid: pid.parse().ok()?, start_ticks: number(22)? },
        parent_pid: narrow(4)?,
        session: narrow(6)?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        executed: number(9)? & FORKED_ONLY == 0,
        user_ticks: number(14)? + number(16)?,
        sys_ticks: number(15)? + number(17)?,
        rss_pages: number(24)?,
        virtual_bytes: number(23)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_look_like_the_rest_of_the_line() {
        let line = "42 (a) Z 1 (b) S 7 42 41 0 -1 4194560 1 2 3 4 500 60 7 8 20 0 1 0 9876 1000 25 \
                    18446744073709551615 1";
        let expected = Process {
            id: ProcessId { pid: 42, start_ticks: 9876 },
            parent_pid: 7,
            session: 41,
            zombie: false,
            executed: true,
            user_ticks: 507,
            sys_ticks: 68,
            rss_pages: 25,
            virtual_bytes: 1000,
        };
        assert_eq!(parse_stat(line), Some(expected.clone()));
        let forked = line.replace(" 4194560 ", " 4194624 ");
        assert_eq!(parse_stat(&forked), Some(Process { executed: false, ..expected }));
        assert_eq!(parse_stat("42 (truncated) S 7"), None);
    }

    #[test]
    fn a_reused_number_is_not_signalled() {
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let now = process(child.id()).unwrap().id;
        signal(ProcessId { start_ticks: now.start_ticks + 1, ..now }, libc::SIGKILL);
        assert!(child.try_wait().unwrap().is_none(), "a process started later was killed");
        signal(now, libc::SIGKILL);
        assert!(!child.wait().unwrap().success());
    }
}
