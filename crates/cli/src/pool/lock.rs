//! One process at a time: a lock file that a daemon holds for its life and that names it. It also tells whether a daemon lives,
//! and lets a supervisor wait for the end of one that it did not start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A lock that is held until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _held: Flock<File>,
}

/// Takes the lock and writes this process's number into it, or says that somebody else holds it.
///
/// # Errors
///
/// If the file cannot be made.
pub fn take(path: &Path) -> io::Result<Option<Lock>> {
    match Flock::lock(open(path)?, FlockArg::LockExclusiveNonblock) {
        Ok(mut held) => {
            held.set_len(0)?;
            write!(&mut *held, "{}", std::process::id())?;
            Ok(Some(Lock { _held: held }))
        }
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

/// Waits until nobody holds the lock.
///
/// # Errors
///
/// If the file cannot be made.
pub fn wait_until_free(path: &Path) -> io::Result<()> {
    match Flock::lock(open(path)?, FlockArg::LockExclusive) {
        Ok(_) => Ok(()),
        Err((_, errno)) => Err(errno.into()),
    }
}

/// The process that holds the lock, if one does.
///
/// # Errors
///
/// If the file cannot be read.
pub fn holder(path: &Path) -> io::Result<Option<u32>> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => Ok(None),
        // Held. Between taking the lock and writing the number the file is empty: then nobody can be named yet.
        Err((_, Errno::EWOULDBLOCK)) => Ok(Some(fs::read_to_string(path)?.trim().parse().unwrap_or(0))),
        Err((_, errno)) => Err(errno.into()),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder_who_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.lock");
        assert_eq!(holder(&path).unwrap(), None);
        let held = take(&path).unwrap();
        assert!(held.is_some());
        assert!(take(&path).unwrap().is_none());
        assert_eq!(holder(&path).unwrap(), Some(std::process::id()));
        drop(held);
        assert_eq!(holder(&path).unwrap(), None);
        wait_until_free(&path).unwrap();
    }
}
