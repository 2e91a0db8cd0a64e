//! Copies the queue of a pool into one file, and puts such a copy back. What is in the file is the
//! schedd's matter; this makes sure that no schedd works with the queue while it is replaced.

use std::path::Path;
use std::thread;

use client::home::{DaemonRole, Home};
use client::lock::{self, Lock};
use tokio::runtime::Builder;

use super::{POLL, PoolError, end_process, kill_daemon, many_users};

/// Copies the queue, whether the pool runs or not.
///
/// # Errors
///
/// If there is no queue, or the copy cannot be written.
pub fn backup(home: &Home, to: &Path) -> Result<(), PoolError> {
    many_users::not_as_root(home)?;
    let state = home.state_dir(DaemonRole::Schedd);
    blocking(home, schedd::backup(&state, to))
}

/// Puts a copy back. If the pool runs, its runs are ended first: the queue that comes back does not
/// know them, and would start their jobs beside them. The schedd goes on with the queue that was
/// put back; a pool that runs accepts jobs again when this returns. Jobs start when each machine
/// that had runs has answered, or the longest lease of a run is over; at once with `nothing_runs`.
///
/// # Errors
///
/// If the copy cannot be read or is damaged: then nothing was ended and nothing has changed. If it
/// cannot be put in its place.
pub fn restore(home: &Home, from: &Path, nothing_runs: bool) -> Result<(), PoolError> {
    many_users::no_restore(home)?;
    blocking(home, schedd::check_backup(from))?;
    super::make_folders(home, None)?;
    let no_schedd = without_schedd(home)?;
    end_process(home, DaemonRole::Startd.name())?;
    let state = home.state_dir(DaemonRole::Schedd);
    if nothing_runs {
        schedd::nothing_runs(&state)?;
    }
    blocking(home, schedd::restore(&state, from))?;
    drop(no_schedd);
    if home.is_supervised() {
        super::wait_until_up(home)?;
    }
    Ok(())
}

/// Ends the schedd, and keeps another from starting: the supervisor waits for the lock.
fn without_schedd(home: &Home) -> Result<Lock, PoolError> {
    let path = home.lock(DaemonRole::Schedd.name());
    loop {
        kill_daemon(home, DaemonRole::Schedd)?;
        match lock::take(&path) {
            Ok(Some(held)) => return Ok(held),
            Ok(None) => thread::sleep(POLL),
            Err(source) => return Err(PoolError::File { path, source }),
        }
    }
}

fn blocking<T>(
    home: &Home,
    work: impl Future<Output = Result<T, schedd::BackupError>>,
) -> Result<(), PoolError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let file = |source| PoolError::File { path: home.dir().to_owned(), source };
    runtime.map_err(file)?.block_on(work)?;
    Ok(())
}
