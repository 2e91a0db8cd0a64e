//! The folder of what evicted jobs keep (`when_to_transfer_output = ON_EXIT_OR_EVICT`), which
//! machines write and read, and of the files of spooled jobs (`submit -spool`). Each job has a
//! folder in it, which is removed when the job leaves the queue.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use model::{ClusterId, JobId, ProcId, spooling};
use proto::files::{FilesError, Found, FoundKind, Root};
use proto::whole_file;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::core::files_folder;

/// The permissions of folders: their owner's alone.
const MODE: u32 = 0o700;

/// The permissions of the lists in them.
const LIST_MODE: u32 = 0o644;

/// The list of a spooled job's input files, beside the folder that they are in: that it is there
/// means that they all are.
const INPUT: &str = "input.json";

/// How often it is tried to remove a folder into which somebody still writes.
const REMOVALS: usize = 3;

/// The folder. Each job has its own in it, named `CLUSTER.PROC`.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    /// The spooled jobs whose files are coming now.
    coming: Arc<Mutex<BTreeSet<JobId>>>,
}

/// The right to bring a spooled job's files: a connection that broke may still be at its last one
/// when the next begins.
#[derive(Debug)]
pub(crate) struct Turn {
    job: JobId,
    coming: Arc<Mutex<BTreeSet<JobId>>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job);
    }
}

impl Spool {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, coming: Arc::default() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the files of a spooled job are.
    pub(crate) fn files(&self, job: JobId) -> PathBuf {
        files_folder(&self.folder.to_string_lossy(), job).into()
    }

    /// Makes the folders of spooled jobs. One that cannot be made is told when its files come.
    pub(crate) fn make(&self, jobs: impl Iterator<Item = JobId>) {
        for folder in jobs.map(|job| self.files(job)) {
            if let Err(error) = make(&folder) {
                let folder = folder.display();
                tracing::error!(%folder, %error, "cannot make the folder of a spooled job");
            }
        }
    }

    /// The right to bring this job's files; `None` while somebody else has it.
    pub(crate) fn turn(&self, job: JobId) -> Option<Turn> {
        let is_new = self.coming.lock().unwrap_or_else(PoisonError::into_inner).insert(job);
        is_new.then(|| Turn { job, coming: Arc::clone(&self.coming) })
    }

    /// Empties the folder of a spooled job whose files did not all come, but for its log. False if
    /// they did: then it stays as it is.
    ///
    /// # Errors
    ///
    /// If it cannot be made or emptied.
    pub(crate) fn begin(&self, job: JobId) -> io::Result<bool> {
        if self.list(job).exists() {
            return Ok(false);
        }
        let folder = self.files(job);
        make(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name() == spooling::LOG {
                continue;
            }
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
        Ok(true)
    }

    /// Notes that the input files of a spooled job, which are on the disk, are all that it has.
    ///
    /// # Errors
    ///
    /// If they cannot be listed, or the list not be written.
    pub(crate) fn finish(&self, job: JobId) -> Result<(), FilesError> {
        let found = Root::open(&self.files(job))?.walk()?;
        let input = found.into_iter().filter(|found| found.name != Path::new(spooling::LOG));
        let input: Vec<Listed> = input.map(Listed::from).collect();
        let list = self.list(job);
        let written = serde_json::to_vec(&input).map_err(io::Error::from);
        let written = written.and_then(|text| write_durably(&list, &text));
        written.map_err(|source| FilesError::Io { what: "write", path: list, source })
    }

    /// The jobs of a cluster of which all input files are on the disk.
    ///
    /// # Errors
    ///
    /// If the folders cannot be listed.
    pub(crate) fn whole(&self, cluster: ClusterId) -> io::Result<BTreeSet<ProcId>> {
        let mut whole = BTreeSet::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let job = entry.file_name().to_str().and_then(|name| name.parse::<JobId>().ok());
            if let Some(job) = job.filter(|job| job.cluster == cluster)
                && self.list(job).exists()
            {
                whole.insert(job.proc);
            }
        }
        Ok(whole)
    }

    /// What a spooled job has that is not as it came: what it made, and its log.
    ///
    /// # Errors
    ///
    /// If it cannot be listed.
    pub(crate) fn made(&self, job: JobId) -> Result<(Root, Vec<Found>), FilesError> {
        let list = self.list(job);
        let input = fs::read(&list)
            .and_then(|text| Ok(serde_json::from_slice::<Vec<Listed>>(&text)?))
            .map_err(|source| FilesError::Io { what: "read", path: list, source })?;
        let input: BTreeSet<Found> = input.into_iter().map(Found::from).collect();
        let root = Root::open(&self.files(job))?;
        let mut found = root.walk()?;
        found.retain(|found| !input.contains(found));
        Ok((root, found))
    }

    fn list(&self, job: JobId) -> PathBuf {
        self.folder.join(job.to_string()).join(INPUT)
    }

    /// Begins to remove what these jobs have. A job may have kept millions of files: nobody waits
    /// for it.
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

    /// Removes what jobs have that are not in the queue: they left it in an earlier life of the
    /// schedd, or a machine was late. That is under way when this returns.
    pub(crate) fn remove_all_but(&self, is_queued: impl Fn(JobId) -> bool) -> JoinHandle<()> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let left = entries.filter(|entry| {
            let job = entry.file_name().to_str().and_then(|name| name.parse::<JobId>().ok());
            !job.is_some_and(&is_queued)
        });
        let left: Vec<PathBuf> = left.map(|entry| entry.path()).collect();
        // There may be millions of files, and nobody uses these numbers again: the schedd does not
        // wait. What it does not come to, the next start does.
        thread::spawn(move || left.iter().for_each(|folder| remove(folder)))
    }
}

/// Something that came with a spooled job, as it is listed.
#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    name: OsString,
    what: Was,
}

#[derive(Debug, Serialize, Deserialize)]
enum Was {
    Folder,
    Link,
    File { bytes: u64, modified: (i64, i64) },
}

impl From<Found> for Listed {
    fn from(found: Found) -> Self {
        let what = match found.kind {
            FoundKind::Folder => Was::Folder,
            FoundKind::Link => Was::Link,
            FoundKind::File { bytes, modified } => Was::File { bytes, modified },
        };
        Self { name: found.name.into_os_string(), what }
    }
}

impl From<Listed> for Found {
    fn from(listed: Listed) -> Self {
        let kind = match listed.what {
            Was::Folder => FoundKind::Folder,
            Was::Link => FoundKind::Link,
            Was::File { bytes, modified } => FoundKind::File { bytes, modified },
        };
        Self { name: listed.name.into(), kind }
    }
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(MODE).create(folder)
}

/// Writes a file that is whole or not there, also after a power cut, and the way to it.
fn write_durably(path: &Path, text: &[u8]) -> io::Result<()> {
    whole_file::replace(path, LIST_MODE, text)?;
    path.ancestors().skip(2).take(1).try_for_each(|folder| File::open(folder)?.sync_all())
}

fn remove(folder: &Path) {
    // A log's last entry, or a machine that was late, may come in between.
    for left in (0..REMOVALS).rev() {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && left > 0 => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let folder = folder.display();
                tracing::warn!(%folder, %error, "cannot remove what a job kept; the next start tries again");
                return;
            }
            Ok(()) | Err(_) => return,
        }
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
        Spool::new(folder.path().to_owned()).remove_all_but(|job| job == queued).join().unwrap();
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["7.1"]);
    }

    #[test]
    fn what_a_spooled_job_made_is_what_is_not_as_it_came() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().to_owned());
        let (job, other) = (JobId::new(7, 0), JobId::new(7, 1));
        spool.make([job, other].into_iter());
        let path = |name: &str| spool.files(job).join(name);
        fs::write(path(spooling::LOG), "submitted").unwrap();
        fs::write(path("torn"), "of an attempt that failed").unwrap();
        let turn = spool.turn(job).unwrap();
        assert!(spool.turn(job).is_none() && spool.turn(other).is_some());
        drop(turn);
        assert!(spool.turn(job).is_some());
        assert!(spool.begin(job).unwrap());
        assert!(!path("torn").exists() && path(spooling::LOG).exists());
        fs::create_dir(path("folder")).unwrap();
        for name in ["input", "folder/inner", "changed"] {
            fs::write(path(name), name).unwrap();
        }
        assert_eq!(spool.whole(job.cluster).unwrap(), BTreeSet::new());
        spool.finish(job).unwrap();
        assert_eq!(spool.whole(job.cluster).unwrap(), BTreeSet::from([job.proc]));
        assert!(!spool.begin(job).unwrap(), "it stays as it is");
        fs::write(path("changed"), "longer than it was").unwrap();
        fs::write(path("folder/made"), "").unwrap();
        let (_, made) = spool.made(job).unwrap();
        let mut names: Vec<_> = made.iter().map(|found| found.name.to_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, [spooling::LOG, "changed", "folder/made"]);
        assert!(spool.made(other).is_err(), "its input never came");
    }
}
