//! Why a daemon does not start, from the supervisor, who sees it end, to the command that waits for
//! it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use client::home::{DaemonRole, Home};
use nix::fcntl::OFlag;
use proto::plain_file;

/// How much of the end of a log is looked at, bytes: its last line.
const END_BYTES: u64 = 4096;

fn path(home: &Home, role: DaemonRole) -> PathBuf {
    home.lock(role.name()).with_extension("failed")
}

/// Notes that the daemon does not start. If that cannot be written (the disk is full), who waits is
/// told later, without it.
pub(super) fn note(home: &Home, role: DaemonRole) {
    let (path, new) = (path(home, role), path(home, role).with_extension("new"));
    // Whole or not at all: who waits reads it as soon as it is there.
    let _ = fs::write(&new, last_line(home, role)).and_then(|()| fs::rename(&new, &path));
}

/// What was noted is of an earlier start.
pub(super) fn forget(home: &Home) {
    for role in DaemonRole::ALL {
        let _ = fs::remove_file(path(home, role));
    }
}

/// The daemon that does not start, if there is one, and what it said last.
pub(super) fn find(home: &Home) -> Option<(DaemonRole, String)> {
    let said = |role| {
        let mut said = String::new();
        let file = open(&path(home, role)).ok()?;
        file.take(END_BYTES).read_to_string(&mut said).ok()?;
        // It goes to a terminal.
        said.retain(|c| !c.is_control());
        Some((role, said))
    };
    DaemonRole::ALL.into_iter().find_map(said)
}

/// Opens a file in a folder that in a pool of many users is the daemons', for root as for others:
/// what they put there is read if it is a plain file of theirs, and not waited for.
fn open(path: &Path) -> io::Result<File> {
    plain_file::open(path, OpenOptions::new().read(true), OFlag::O_NOFOLLOW)
}

/// The last line of a daemon's log.
pub(super) fn last_line(home: &Home, role: DaemonRole) -> String {
    let end = || {
        let mut file = open(&home.log(role.name()))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(END_BYTES)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok::<_, io::Error>(end)
    };
    let end = end().unwrap_or_default();
    let text = String::from_utf8_lossy(&end);
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("it has said nothing")
        .replace(char::is_control, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_daemon_said_last_is_found_until_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        fs::create_dir_all(home.log_dir()).unwrap();
        fs::create_dir_all(home.run_dir()).unwrap();
        assert!(find(&home).is_none());
        fs::write(home.log("startd"), "one\nError: no disk\n\n").unwrap();
        note(&home, DaemonRole::Startd);
        assert_eq!(find(&home), Some((DaemonRole::Startd, "Error: no disk".to_owned())));
        forget(&home);
        assert!(find(&home).is_none());
    }
}
