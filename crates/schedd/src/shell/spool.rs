//! The folder of what evicted jobs keep (`when_to_transfer_output = ON_EXIT_OR_EVICT`). Machines write it and read it; here it is removed
//! when the job leaves the queue.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::JobId;
use tokio::task::spawn_blocking;

/// The folder. Each job has its own in it, named `CLUSTER.PROC`.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
}

impl Spool {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins to remove what these jobs have. A job may have kept millions of files: nobody waits for it.
    pub(crate) fn remove(&self, jobs: Vec<JobId>) {
        if jobs.is_empty() {
            return;
        }
        let folder = self.folder.clone();
        // What it does not come to, the next start does.
        drop(spawn_blocking(move || {
            jobs.iter().for_each(|job| remove(&folder.join(job.to_string())));
        }));
    }

    /// Removes what jobs have that are not in the queue: they left it in an earlier life of the schedd, or a machine was late.
    pub(crate) fn remove_all_but(&self, is_queued: impl Fn(JobId) -> bool) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let job = entry.file_name().to_str().and_then(|name| name.parse::<JobId>().ok());
            if !job.is_some_and(&is_queued) {
                remove(&entry.path());
            }
        }
    }
}

fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let folder = folder.display();
            tracing::warn!(%folder, %error, "cannot remove what a job kept; the next start tries again");
        }
        Ok(()) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_removes_what_jobs_have_that_are_not_in_the_queue() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["7.0", "7.1", "other"] {
            fs::create_dir_all(folder.path().join(name).join("1/files")).unwrap();
        }
        let queued = JobId::new(7, 1);
        Spool::new(folder.path().to_owned()).remove_all_but(|job| job == queued);
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["7.1"]);
    }
}
