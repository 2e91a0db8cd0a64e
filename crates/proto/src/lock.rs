//! One process at a time: a record lock that a daemon holds for its life. It tells whether a daemon
//! lives and which process it is, and lets a supervisor wait for the end of one that it did not
//! start.
//!
//! A record lock (`fcntl`) and not `flock`: a forked child does not inherit it, so a keeper that
//! outlives its launcher does not pass for the launcher, and the kernel itself names the holder.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;

/// A lock that is held until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _held: File,
}

/// Takes the lock, or says that another process holds it. A process must not take the same lock
/// twice: the second would succeed, and dropping either releases both.
///
/// # Errors
///
/// If the file cannot be made.
pub fn take(path: &Path) -> io::Result<Option<Lock>> {
    let file = open(path)?;
    match fcntl(&file, FcntlArg::F_SETLK(&whole_file(libc::F_WRLCK))) {
        Ok(_) => Ok(Some(Lock { _held: file })),
        Err(Errno::EACCES | Errno::EAGAIN) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits until no other process holds the lock.
///
/// # Errors
///
/// If the file cannot be made.
pub fn wait_until_free(path: &Path) -> io::Result<()> {
    let file = open(path)?;
    loop {
        match fcntl(&file, FcntlArg::F_SETLKW(&whole_file(libc::F_WRLCK))) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The other process that holds the lock, if one does. Whoever holds it himself must not ask: he
/// would lose it, because a process loses its record locks of a file with the first descriptor of
/// the file that it closes.
///
/// # Errors
///
/// If the file cannot be read.
pub fn holder(path: &Path) -> io::Result<Option<i32>> {
    // It may be a folder in which somebody else puts what he likes.
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut lock = whole_file(libc::F_WRLCK);
    fcntl(&file, FcntlArg::F_GETLK(&mut lock))?;
    match i32::from(lock.l_type) {
        libc::F_UNLCK => Ok(None),
        // A lock of a kind that no daemon of ours takes, or of a process that this one cannot see.
        _ if lock.l_pid <= 0 => Err(io::Error::other("it is locked by no process that is known")),
        _ => Ok(Some(lock.l_pid)),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn whole_file(kind: i32) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).unwrap_or_default(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A process does not see its own record locks: that two processes exclude each other is shown
    // by the end-to-end test of `pool start` called twice.
    #[test]
    fn a_lock_that_nobody_holds_can_be_taken_and_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.lock");
        assert_eq!(holder(&path).unwrap(), None);
        assert!(take(&path).unwrap().is_some());
        assert_eq!(holder(&path).unwrap(), None);
        wait_until_free(&path).unwrap();
    }
}
