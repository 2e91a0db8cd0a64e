//! Process trees as `/proc` shows them: who descends from whom, what they use, and which strangers
//! carry a run's mark.
//!
//! A number read from `/proc` may name another process by the time it is used; [`signal`] makes
//! sure that it does not.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

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

/// How often and for how long is looked whether a child has executed, or has ended: a second in
/// all, which only a machine takes that stands still.
const LOOKS: u32 = 10_000;
const LOOK_EVERY: Duration = Duration::from_micros(100);

/// Whether a child has begun its program, for whose memory its parent was kept waiting. The kernel
/// lets the parent go on when that is there, and takes note of the program a little later; of one
/// that was killed before it is seen a little later, too, that it has ended.
pub(crate) fn has_executed(mut look: impl FnMut() -> Option<Process>) -> bool {
    for _ in 0..LOOKS {
        match look() {
            Some(process) if process.executed => return true,
            Some(process) if process.zombie => return false,
            Some(_) => thread::sleep(LOOK_EVERY),
            // It is the parent's to collect.
            None => return true,
        }
    }
    false
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

/// The processes that are not ended and bear one of the marks, each with the mark's place. All
/// marks are looked for in one pass over the host's processes.
pub(crate) fn marked(marks: &[Mark<'_>]) -> Vec<(usize, Process)> {
    let all = all();
    let owner = |pid: u32| fs::metadata(format!("/proc/{pid}")).ok().map(|entry| entry.uid());
    let found = bearers(&all, marks, |pid| tag_of(pid).unwrap_or_default());
    found
        .into_iter()
        .filter(|(mark, process)| owner(process.id.pid) == Some(marks[*mark].uid))
        .map(|(mark, process)| (mark, process.clone()))
        .collect()
}

/// How much later than its note, in clock ticks, the leader of a session may seem to have started.
const ROUNDING_TICKS: u64 = 3;

fn bearers<'p>(
    all: &'p [Process],
    marks: &[Mark<'_>],
    tag_of: impl Fn(u32) -> String,
) -> Vec<(usize, &'p Process)> {
    let alive: BTreeMap<u32, u64> =
        all.iter().map(|process| (process.id.pid, process.id.start_ticks)).collect();
    let mut sessions: BTreeMap<u32, Vec<(usize, u64)>> = BTreeMap::new();
    for (number, mark) in marks.iter().enumerate() {
        for leader in mark.sessions {
            sessions.entry(leader.pid).or_default().push((number, leader.start_ticks));
        }
    }
    let tags: BTreeMap<String, usize> =
        marks.iter().enumerate().map(|(number, mark)| (mark.key.to_string(), number)).collect();
    let mark_of = |process: &Process| {
        // The number of a session is free again when its last process has gone: a leader that lives
        // and was started later leads another one.
        let led_by = |start_ticks: u64| {
            let leader = alive.get(&process.session);
            leader.is_none_or(|now| *now <= start_ticks + ROUNDING_TICKS)
        };
        let of_session = sessions.get(&process.session).into_iter().flatten();
        let in_session = of_session
            .filter(|(_, start)| process.id.start_ticks >= *start && led_by(*start))
            .max_by_key(|(_, start)| *start);
        in_session.map(|(number, _)| *number).or_else(|| tags.get(&tag_of(process.id.pid)).copied())
    };
    let living = all.iter().filter(|process| !process.zombie);
    living.filter_map(|process| Some((mark_of(process)?, process))).collect()
}

/// The run's tag in the environment with which the process was started.
fn tag_of(pid: u32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    let tag = format!("{RUN_TAG}=");
    let value = variables.find_map(|variable| variable.strip_prefix(tag.as_bytes()))?;
    Some(String::from_utf8_lossy(value).into_owned())
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
    fn a_child_that_has_not_executed_yet_is_looked_at_again_until_it_has_or_has_ended() {
        let line = "42 (a) S 7 41 41 0 -1 4194624 93 0 0 0 7 8 0 0 20 0 1 0 100 1000 25 0";
        let forked = || parse_stat(line).unwrap();
        assert!(!forked().executed, "{line}");
        let executed = || Process { executed: true, ..forked() };
        let ended = || Process { zombie: true, ..forked() };
        for (seen, expected) in [
            (vec![executed()], true),
            (vec![forked(), forked(), executed()], true),
            (vec![forked(), forked(), ended()], false),
            (vec![ended()], false),
            (vec![Process { zombie: true, ..executed() }], true),
        ] {
            let mut looks = seen.clone().into_iter();
            assert_eq!(has_executed(|| looks.next()), expected, "{seen:?}");
        }
    }

    /// The numbers of the processes that bear the mark of a run whose session is 40, led by a
    /// process that was started at 100.
    fn check(processes: &[(u32, u32, u64)], tagged: &[u32], expected: &[u32]) {
        let key = RunKey::try_from("1.0.1".to_owned()).unwrap();
        let sessions = [ProcessId { pid: 40, start_ticks: 100 }];
        let marks = [Mark { key: &key, uid: 0, sessions: &sessions }];
        let all: Vec<Process> = processes
            .iter()
            .map(|(pid, session, start_ticks)| Process {
                id: ProcessId { pid: *pid, start_ticks: *start_ticks },
                parent_pid: 1,
                session: *session,
                zombie: false,
                executed: true,
                user_ticks: 0,
                sys_ticks: 0,
                rss_pages: 0,
                virtual_bytes: 0,
            })
            .collect();
        let tag = |pid: u32| if tagged.contains(&pid) { key.to_string() } else { String::new() };
        let found = bearers(&all, &marks, tag);
        let found: Vec<u32> = found.iter().map(|(_, process)| process.id.pid).collect();
        assert_eq!(found, expected, "{processes:?}");
    }

    #[test]
    fn a_runs_processes_are_those_of_its_session_and_those_with_its_tag() {
        check(&[(40, 40, 101), (41, 40, 200), (50, 50, 300)], &[], &[40, 41]);
        // Its leader is gone, and the session goes on.
        check(&[(41, 40, 200), (50, 50, 300)], &[50], &[41, 50]);
        check(&[(41, 40, 90)], &[], &[]);
    }

    #[test]
    fn a_later_session_with_the_number_of_a_runs_is_left_alone() {
        check(&[(40, 40, 5000), (41, 40, 5001)], &[], &[]);
        check(&[(40, 40, 5000), (41, 40, 5001)], &[41], &[41]);
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
