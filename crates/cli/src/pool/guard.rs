//! Ends a private pool whose owner is gone: `updraft run` stops its own pool, but a command that
//! was killed with SIGKILL cannot. The owner holds a lock for its life; a process of its own waits
//! for that lock and cleans up after its holder. It does not know how the owner ended, and finds
//! nothing to do when it ended well.

use std::fs;
use std::io;
use std::path::Path;

use super::supervisor;
use super::{Runs, stop};
use crate::pool::PoolError;
use client::home::Home;
use client::lock;

/// The name of the guard's log, and of its role.
pub const NAME: &str = "guard";

/// The name of the lock that the owner of a private pool holds.
const OWNER: &str = "owner";

/// Makes this process the owner of a private pool: it ends when the process does, or drops what
/// this returns.
///
/// # Errors
///
/// If the pool's folder cannot be used or the guard cannot be started.
pub fn own(home: &Home, program: &Path) -> Result<lock::Lock, PoolError> {
    super::make_folders(home, None)?;
    let path = home.lock(OWNER);
    let taken = lock::take(&path).and_then(|taken| {
        taken.ok_or_else(|| io::Error::other("the pool is private to another command"))
    });
    let held = taken.map_err(|source| PoolError::File { path, source })?;
    supervisor::start_role(home, program, NAME)
        .map_err(|source| PoolError::File { path: home.log(NAME), source })?;
    Ok(held)
}

/// Waits for the owner's end, then stops the pool and removes its folder.
///
/// # Errors
///
/// If a process of the pool cannot be stopped or the folder cannot be removed.
pub fn run(home: &Home) -> Result<(), PoolError> {
    // Of its own session, so that a terminal that closes does not take it along with the owner.
    let _ = nix::unistd::setsid();
    match lock::wait_until_free(&home.lock(OWNER)) {
        Ok(()) => {}
        // The owner was quicker, and has taken the folder away.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(PoolError::File { path: home.lock(OWNER), source }),
    }
    stop(home, Runs::End)?;
    match fs::remove_dir_all(home.dir()) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(PoolError::File { path: home.dir().to_owned(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
