//! The scratch folders of runs: made, used again by the next run where nothing is in them but what
//! that has too, and cleared away. What else is put into them is not known here.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc as sync_mpsc};
use std::thread;

use nix::fcntl::OFlag;
use tokio::sync::mpsc;

use crate::core::RunKey;
use crate::shell::files::manifest;
use crate::shell::run::environment::{JOB_AD, MACHINE_AD};
use crate::shell::run::short_scratches::ShortScratches;

/// What the folders of runs begin with; the run's key follows.
const FOLDER_PREFIX: &str = "dir_";

/// How many folders are kept for the next run. Ext4 looks at every inode that was freed in the last
/// seconds before it gives a new one: making and removing three for each short run costs more than
/// the run. Enough for the slots of a large machine.
const SPARES_MAX: usize = 256;

/// Folders that wait to be removed for good. When it is full, who clears away waits.
const REMOVALS: usize = 65_536;

/// What their names begin with; a number follows.
const SPARE_PREFIX: &str = "spare_";

/// What the names of folders begin with that are being removed; a number follows.
const LEFT_PREFIX: &str = "left_";

/// The permissions of a scratch folder: its owner's alone.
const FOLDER_MODE: u32 = 0o700;

/// The permissions of the ads in it.
const AD_MODE: u32 = 0o644;

/// What of a file's mode is permissions.
const PERMISSIONS: u32 = 0o7777;

/// Where runs have their scratch folders.
#[derive(Clone, Debug)]
pub(crate) struct Scratches {
    folder: PathBuf,
    short: ShortScratches,
    /// Folders of ended runs with nothing in them but what the next run's folder has too.
    spares: Arc<Mutex<Spares>>,
}

#[derive(Debug, Default)]
struct Spares {
    folders: Vec<PathBuf>,
    /// Numbers their names.
    made: u64,
}

impl Scratches {
    /// Below this folder, with short names elsewhere for those that have long ones.
    pub(crate) fn new(folder: &Path, short: ShortScratches) -> Self {
        Self { folder: folder.to_owned(), short, spares: Arc::default() }
    }

    /// The same below another folder.
    pub(crate) fn below(&self, folder: PathBuf) -> Self {
        Self { folder, ..self.clone() }
    }

    /// The folder of a run.
    pub(crate) fn path(&self, key: RunKey) -> PathBuf {
        folder_of(&self.folder, key)
    }

    /// What a run is told of where temporary files go.
    pub(crate) fn temporary(&self, key: RunKey, scratch: &Path) -> PathBuf {
        self.short.of(key, scratch)
    }

    /// Makes a run's folder.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(crate) fn make(&self, scratch: &Path) -> io::Result<()> {
        if self.take_spare().is_some_and(|spare| fs::rename(spare, scratch).is_ok()) {
            return Ok(());
        }
        match DirBuilder::new().mode(FOLDER_MODE).create(scratch) {
            // A folder of this name is of this run: it is being prepared again.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Every scratch folder but those of `kept`: what earlier lives of this startd have left.
    ///
    /// # Errors
    ///
    /// If the folders cannot be listed.
    pub(crate) fn strays(&self, kept: &BTreeSet<RunKey>) -> io::Result<Vec<PathBuf>> {
        self.short.forget_all_but(kept);
        let mut strays = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let is_kept = || run_of(&entry.path()).is_some_and(|key| kept.contains(&key));
            let is_stray = name.starts_with(FOLDER_PREFIX) && !is_kept();
            if is_stray || name.starts_with(SPARE_PREFIX) || name.starts_with(LEFT_PREFIX) {
                strays.push(entry.path());
            }
        }
        Ok(strays)
    }

    /// Clears scratch folders away as they come, on a thread of its own. What has to be removed is
    /// on another one: a job may leave millions of files, and the next run wants a folder now.
    pub(crate) fn sweep(&self, mut folders: mpsc::Receiver<Vec<PathBuf>>) {
        thread::scope(|scope| {
            let (left, removing) = sync_mpsc::sync_channel::<PathBuf>(REMOVALS);
            scope.spawn(move || removing.iter().for_each(|folder| remove(&folder)));
            while let Some(folders) = folders.blocking_recv() {
                for folder in folders {
                    if let Some(key) = run_of(&folder) {
                        self.short.forget(key);
                    }
                    manifest::forget(&folder);
                    if !self.keep_spare(&folder) {
                        // It ends when we do.
                        let _ = left.send(self.put_aside(folder));
                    }
                }
            }
            while let Some(spare) = self.take_spare() {
                let _ = left.send(spare);
            }
        });
        self.short.close();
    }

    /// The folder under a name that is no run's: where it is now, if that could not be given.
    fn put_aside(&self, folder: PathBuf) -> PathBuf {
        let number = {
            let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
            spares.made += 1;
            spares.made
        };
        let aside = self.folder.join(format!("{LEFT_PREFIX}{number}"));
        if fs::rename(&folder, &aside).is_ok() { aside } else { folder }
    }

    fn keep_spare(&self, folder: &Path) -> bool {
        if !is_as_made(folder).unwrap_or(false) {
            return false;
        }
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.folders.len() >= SPARES_MAX {
            return false;
        }
        spares.made += 1;
        let spare = self.folder.join(format!("{SPARE_PREFIX}{}", spares.made));
        let renamed = fs::rename(folder, &spare).is_ok();
        if renamed {
            spares.folders.push(spare);
        }
        renamed
    }

    fn take_spare(&self) -> Option<PathBuf> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner).folders.pop()
    }
}

/// The scratch folder of a run, below this one.
pub(crate) fn folder_of(folder: &Path, key: RunKey) -> PathBuf {
    folder.join(format!("{FOLDER_PREFIX}{key}"))
}

/// Whose scratch folder this is.
fn run_of(folder: &Path) -> Option<RunKey> {
    folder.file_name()?.to_str()?.strip_prefix(FOLDER_PREFIX)?.parse().ok()
}

/// Removes a folder with all that is in it, also where a job has closed some of it.
pub(super) fn remove(folder: &Path) {
    let removed = fs::remove_dir_all(folder).or_else(|error| {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return Err(error);
        }
        open_up(folder)?;
        fs::remove_dir_all(folder)
    });
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let folder = folder.display();
            tracing::warn!(%folder, %error, "cannot remove a scratch folder; the next start tries again");
        }
        Ok(()) | Err(_) => {}
    }
}

/// Makes folders removable that a job has closed, as Go does with its module cache.
fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A link to a folder is none.
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether a folder is as it was made: the job has added nothing to it and changed nothing that the
/// next run's ads do not overwrite.
fn is_as_made(folder: &Path) -> io::Result<bool> {
    let is = |found: &Metadata, mode: u32| found.mode() & PERMISSIONS == mode;
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || !is(&found, FOLDER_MODE) {
        return Ok(false);
    }
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        let name = entry.file_name();
        let ours = name == JOB_AD || name == MACHINE_AD;
        if !ours || !found.is_file() || found.nlink() != 1 || !is(&found, AD_MODE) {
            return Ok(false);
        }
        files += 1;
    }
    Ok(files == 2)
}

/// Writes a file that may be there already, without emptying it first: ext4 writes a file that was
/// emptied to the disk at once.
pub(super) fn write_over(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(AD_MODE);
    let mut file = options.custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)?;
    file.write_all(text.as_bytes())?;
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    // Most are as long as what was there, and setting a length costs more than asking for it.
    if file.metadata()?.len() == length { Ok(()) } else { file.set_len(length) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What a job may have done to its folder.
    type Spoiler = (&'static str, fn(&Path));

    #[test]
    fn folders_that_a_job_has_closed_are_removed_and_what_links_lead_to_is_left_alone() {
        let both = tempfile::tempdir().unwrap();
        let (folder, other) = (both.path().join("dir_1"), both.path().join("other"));
        for path in [folder.join("pkg/mod/cache"), other.clone()] {
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("file"), "").unwrap();
        }
        symlink(&other, folder.join("pkg/mod/link")).unwrap();
        for name in ["pkg/mod/cache", "pkg/mod", "pkg"] {
            fs::set_permissions(folder.join(name), Permissions::from_mode(0o555)).unwrap();
        }
        fs::set_permissions(&other, Permissions::from_mode(0o555)).unwrap();
        remove(&folder);
        assert!(!folder.exists());
        assert_eq!(fs::metadata(&other).unwrap().mode() & PERMISSIONS, 0o555);
        assert!(other.join("file").exists());
        fs::set_permissions(&other, Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn only_a_folder_as_it_was_made_is_used_again() {
        let spoilers: [Spoiler; 5] = [
            ("a new file", |folder| fs::write(folder.join("core"), "").unwrap()),
            ("a missing ad", |folder| fs::remove_file(folder.join(JOB_AD)).unwrap()),
            ("a link to elsewhere", |folder| {
                fs::remove_file(folder.join(JOB_AD)).unwrap();
                symlink("/etc/passwd", folder.join(JOB_AD)).unwrap();
            }),
            ("a second name", |folder| {
                fs::hard_link(folder.join(JOB_AD), folder.with_extension("kept")).unwrap();
            }),
            ("other permissions", |folder| {
                fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
            }),
        ];
        for (what, spoil) in spoilers {
            let both = tempfile::tempdir().unwrap();
            let folder = both.path().join("dir_1");
            DirBuilder::new().mode(FOLDER_MODE).create(&folder).unwrap();
            write_over(&folder.join(JOB_AD), "a longer text").unwrap();
            write_over(&folder.join(JOB_AD), "a text").unwrap();
            write_over(&folder.join(MACHINE_AD), "another").unwrap();
            assert_eq!(fs::read_to_string(folder.join(JOB_AD)).unwrap(), "a text");
            assert!(is_as_made(&folder).unwrap());
            spoil(&folder);
            assert!(!is_as_made(&folder).unwrap(), "{what}");
        }
    }
}
