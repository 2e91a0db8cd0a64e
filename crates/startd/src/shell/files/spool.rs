//! What an evicted job keeps (`when_to_transfer_output = ON_EXIT_OR_EVICT`): its files, in a folder
//! of the schedd that is the job's own, from one run to the next. Who keeps what, and when, is
//! `transfer`'s matter; the schedd removes the folder when the job leaves the queue.
//!
//! Each eviction has a folder, named by the attempt that was evicted; it gets that name when all in
//! it is on the disk and stands in its list with length and hash. So a torn one is never taken for
//! a whole one, and one that comes late never hides a newer one.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use proto::files::{Sum, is_below};
use serde::{Deserialize, Serialize};

use crate::shell::files::copying::{HERE, TransferError, copy_summed, failed};
use crate::shell::files::disk::Outlives;

/// The list of what is in a folder. It is beside the files, so none of them can have its name.
const LIST: &str = "list.json";

/// Where the files are, in a folder.
const FILES: &str = "files";

/// The end of the name of a folder that is not whole yet.
const UNFINISHED: &str = ".unfinished";

/// The permissions of folders: their owner's alone.
const MODE: u32 = 0o700;

/// Where a run's job keeps what it has when it is evicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spool {
    /// The job's own folder; the schedd has chosen its name.
    pub(crate) folder: PathBuf,
    pub(crate) attempt: u32,
}

/// A file that is kept, by its path in the scratch folder.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    path: OsString,
    sum: Sum,
}

impl Spool {
    /// Keeps these files and folders of a scratch folder, whole or not at all; what earlier runs
    /// kept goes. Those that are not there are left out: the run had not come so far.
    ///
    /// # Errors
    ///
    /// The first file that cannot be kept; then nothing is.
    pub(crate) fn keep(
        &self,
        scratch: &Path,
        names: impl IntoIterator<Item = PathBuf>,
    ) -> Result<(), TransferError> {
        let unfinished = self.folder.join(format!("{}{UNFINISHED}", self.attempt));
        let result = self.write(scratch, names, &unfinished);
        if result.is_err() {
            // It may not even have been made.
            let _ = fs::remove_dir_all(&unfinished);
        }
        result
    }

    fn write(
        &self,
        scratch: &Path,
        names: impl IntoIterator<Item = PathBuf>,
        unfinished: &Path,
    ) -> Result<(), TransferError> {
        // What is left of an attempt to keep this very run.
        if let Err(error) = fs::remove_dir_all(unfinished)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(failed(unfinished, &error));
        }
        make(&self.folder)?;
        let files = unfinished.join(FILES);
        make(&files)?;
        let mut list = Vec::new();
        for name in names.into_iter().filter(|name| is_below(name)) {
            keep_one(scratch, &name, &files, &mut list)?;
        }
        let path = unfinished.join(LIST);
        let text = serde_json::to_vec(&list).map_err(io::Error::from);
        text.and_then(|text| write_synced(&path, &text)).map_err(|error| failed(&path, &error))?;
        sync_folders(unfinished)?;
        let whole = self.whole(self.attempt);
        // It was kept before, and the startd died before that was known.
        let renamed = fs::remove_dir_all(&whole).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        renamed
            .and_then(|()| fs::rename(unfinished, &whole))
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(|error| failed(&whole, &error))?;
        self.remove_up_to(self.attempt.saturating_sub(1));
        Ok(())
    }

    /// Puts what the last evicted run has kept into the scratch folder of this one. Nothing is
    /// there for a first run.
    ///
    /// # Errors
    ///
    /// The first file that cannot be brought, or is not what was kept.
    pub(crate) fn restore(&self, scratch: &Path) -> Result<(), TransferError> {
        let Some(last) = self.attempts().filter(|attempt| *attempt < self.attempt).max() else {
            return Ok(());
        };
        let (list, files) = (self.whole(last).join(LIST), self.whole(last).join(FILES));
        let read = fs::read(&list).and_then(|text| Ok(serde_json::from_slice::<Vec<Kept>>(&text)?));
        for Kept { path, sum } in read.map_err(|error| failed(&list, &error))? {
            let (from, to) = (files.join(&path), scratch.join(&path));
            HERE.make_parent(&to)?;
            if from.is_symlink() {
                HERE.link(&from, &to)?;
            } else if copy_summed(&from, &to, Outlives::Us)? != sum {
                return Err(failed(&from, &Errno::EIO.into()));
            }
        }
        Ok(())
    }

    /// Forgets what this run and those before it have kept: the job has come to an end by itself,
    /// and would begin anew.
    pub(crate) fn forget(&self) {
        self.remove_up_to(self.attempt);
    }

    fn remove_up_to(&self, last: u32) {
        for attempt in self.attempts().filter(|attempt| *attempt <= last) {
            let folder = self.whole(attempt);
            if let Err(error) = fs::remove_dir_all(&folder) {
                tracing::warn!(folder = %folder.display(), %error, "cannot remove what a job kept");
            }
        }
    }

    fn whole(&self, attempt: u32) -> PathBuf {
        self.folder.join(attempt.to_string())
    }

    /// The runs of which something is kept.
    fn attempts(&self) -> impl Iterator<Item = u32> + use<> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    }
}

/// Keeps a file, or a folder with all in it. Links to folders stay links, as everywhere that files
/// travel.
fn keep_one(
    scratch: &Path,
    name: &Path,
    files: &Path,
    list: &mut Vec<Kept>,
) -> Result<(), TransferError> {
    let (from, to) = (scratch.join(name), files.join(name));
    let found = match fs::metadata(&from) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&from, &error)),
    };
    let path = name.as_os_str().to_owned();
    if found.is_file() {
        HERE.make_parent(&to)?;
        let sum = copy_summed(&from, &to, Outlives::PowerCut)?;
        list.push(Kept { path, sum });
    } else if found.is_dir() && from.is_symlink() {
        HERE.make_parent(&to)?;
        HERE.link(&from, &to)?;
        list.push(Kept { path, sum: Sum::default() });
    } else if found.is_dir() {
        for entry in fs::read_dir(&from).map_err(|error| failed(&from, &error))? {
            let entry = entry.map_err(|error| failed(&from, &error))?;
            keep_one(scratch, &name.join(entry.file_name()), files, list)?;
        }
    }
    Ok(())
}

fn make(folder: &Path) -> Result<(), TransferError> {
    let made = DirBuilder::new().recursive(true).mode(MODE).create(folder);
    made.map_err(|error| failed(folder, &error))
}

fn write_synced(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// A file is found after a power cut if its folder is on the disk too.
fn sync_folders(folder: &Path) -> Result<(), TransferError> {
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, &error))? {
        let entry = entry.map_err(|error| failed(folder, &error))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sync_folders(&entry.path())?;
        }
    }
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| failed(folder, &error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Job {
        folder: tempfile::TempDir,
    }

    impl Job {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn spool(&self, attempt: u32) -> Spool {
            Spool { folder: self.folder.path().join("spool/7.0"), attempt }
        }

        fn scratch(&self, attempt: u32) -> PathBuf {
            let scratch = self.folder.path().join(format!("scratch{attempt}"));
            fs::create_dir_all(&scratch).unwrap();
            scratch
        }

        /// Run `attempt` has written this file, and is evicted.
        fn evict(&self, attempt: u32, text: &str) {
            fs::write(self.scratch(attempt).join("state"), text).unwrap();
            let names = ["state".into(), "not yet written".into()];
            self.spool(attempt).keep(&self.scratch(attempt), names).unwrap();
        }

        /// What run `attempt` finds.
        fn found(&self, attempt: u32) -> Option<String> {
            self.spool(attempt).restore(&self.scratch(attempt)).unwrap();
            fs::read_to_string(self.scratch(attempt).join("state")).ok()
        }
    }

    #[test]
    fn a_run_finds_what_the_last_evicted_one_has_kept_and_only_that() {
        let job = Job::new();
        assert_eq!(job.found(1), None, "the first run finds nothing");
        job.evict(1, "one");
        assert_eq!(job.found(2).as_deref(), Some("one"));
        job.evict(3, "three");
        // It was cut off for long, and comes after its successor.
        job.evict(2, "two");
        assert_eq!(job.found(4).as_deref(), Some("three"));
        job.evict(3, "three again");
        assert_eq!(job.found(5).as_deref(), Some("three again"));
        let mode = fs::metadata(job.spool(3).folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        job.spool(5).forget();
        assert_eq!(job.found(6), None);
    }

    #[test]
    fn what_is_torn_is_not_taken_and_what_was_changed_is_an_error() {
        let job = Job::new();
        job.evict(1, "one");
        let torn = job.spool(2).folder.join(format!("2{UNFINISHED}/{FILES}"));
        fs::create_dir_all(&torn).unwrap();
        fs::write(torn.join("state"), "tor").unwrap();
        assert_eq!(job.found(3).as_deref(), Some("one"));
        fs::write(job.spool(1).whole(1).join(FILES).join("state"), "won").unwrap();
        let error = job.spool(4).restore(&job.scratch(4)).unwrap_err();
        assert!(error.path.ends_with("1/files/state"), "{error}");
        assert_eq!(error.errno, Errno::EIO as i32);
    }

    #[test]
    fn folders_are_kept_with_all_in_them_and_nothing_from_elsewhere() {
        let job = Job::new();
        let scratch = job.scratch(1);
        fs::create_dir_all(scratch.join("out/deep")).unwrap();
        fs::write(scratch.join("out/deep/file"), "deep").unwrap();
        symlink("deep", scratch.join("out/link")).unwrap();
        let names = ["out/".into(), "/etc/hostname".into(), "../elsewhere".into()];
        job.spool(1).keep(&scratch, names).unwrap();
        let again = job.scratch(2);
        job.spool(2).restore(&again).unwrap();
        assert_eq!(fs::read_to_string(again.join("out/deep/file")).unwrap(), "deep");
        assert_eq!(fs::read_link(again.join("out/link")).unwrap(), PathBuf::from("deep"));
        assert_eq!(fs::read_dir(&again).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_kept_whole_leaves_what_was_kept_before() {
        let job = Job::new();
        job.evict(1, "one");
        let scratch = job.scratch(2);
        fs::write(scratch.join("good"), "good").unwrap();
        fs::write(scratch.join("file"), "a file where a folder is named").unwrap();
        let error = job.spool(2).keep(&scratch, ["good".into(), "file/below".into()]).unwrap_err();
        assert_eq!(error.errno, Errno::ENOTDIR as i32);
        assert_eq!(job.found(3).as_deref(), Some("one"));
        assert_eq!(fs::read_dir(job.spool(1).folder).unwrap().count(), 1);
    }
}
