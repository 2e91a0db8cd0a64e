//! Short names for scratch folders that lie deep: what a job makes in `TMPDIR` may be a socket,
//! whose whole path has at most 107 bytes. See docs/adr/0014.
//!
//! A short name is a link below a folder in `/tmp` that is this startd's alone: nobody else can
//! make, change or follow anything in it. Where that folder is stands in a link beside the scratch
//! folders, so that a startd that is restarted finds it again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, mkdtemp};

use crate::core::RunKey;

/// Scratch folders with longer paths get a short name: this leaves 47 bytes for what programs add.
/// (Python's multiprocessing adds 33.)
const LONG_BYTES: usize = 60;

/// What a scratch folder's own name may take, with the slash before it.
const NAME_BYTES: usize = 32;

/// The folder of short names; the X are replaced.
const TEMPLATE: &str = "/tmp/updraft-XXXXXX";

/// The link that leads there.
const NOTE: &str = "short";

/// The permissions of that folder.
const MODE: u32 = 0o700;

/// The short names of one startd's scratch folders.
#[derive(Clone, Debug)]
pub(crate) struct ShortScratches {
    /// Where they are; nowhere if no scratch folder needs one, or none can be had.
    base: Option<PathBuf>,
    /// The link beside the scratch folders that leads there.
    note: PathBuf,
}

impl ShortScratches {
    /// Where no scratch folder has one.
    pub(crate) const fn none() -> Self {
        Self { base: None, note: PathBuf::new() }
    }

    /// For scratch folders below this one.
    pub(crate) fn new(folder: &Path) -> Self {
        if folder.as_os_str().len() + NAME_BYTES <= LONG_BYTES {
            return Self::none();
        }
        let note = folder.join(NOTE);
        let base = found_again(&note).map_or_else(|| make(&note), Ok);
        if let Err(error) = &base {
            tracing::warn!(%error, "cannot make short names in /tmp: TMPDIR of jobs is long");
        }
        Self { base: base.ok(), note }
    }

    /// A name for a run's scratch folder: a short one where it needs one, or else its own. Said
    /// twice it is the same.
    pub(crate) fn of(&self, key: RunKey, scratch: &Path) -> PathBuf {
        let Some(link) = self.link(key) else { return scratch.to_owned() };
        if fs::read_link(&link).is_ok_and(|target| target == scratch) {
            return link;
        }
        // What is there leads elsewhere: it is of a run that is long over.
        let _ = fs::remove_file(&link);
        match symlink(scratch, &link) {
            Ok(()) => link,
            Err(error) => {
                tracing::warn!(link = %link.display(), %error, "cannot make a short name");
                scratch.to_owned()
            }
        }
    }

    /// Takes a run's short name away.
    pub(crate) fn forget(&self, key: RunKey) {
        if let Some(link) = self.link(key) {
            // It may not have one.
            let _ = fs::remove_file(link);
        }
    }

    /// Takes all away but those of `kept`.
    pub(crate) fn forget_all_but(&self, kept: &BTreeSet<RunKey>) {
        let kept: BTreeSet<PathBuf> = kept.iter().filter_map(|key| self.link(*key)).collect();
        let entries = self.base.iter().filter_map(|base| fs::read_dir(base).ok()).flatten();
        for link in entries.flatten().map(|entry| entry.path()).filter(|link| !kept.contains(link))
        {
            let _ = fs::remove_file(link);
        }
    }

    /// Removes the folder and what leads there, if no run has a short name in it.
    pub(crate) fn close(&self) {
        let Some(base) = &self.base else { return };
        let is_its = || fs::read_link(&self.note).is_ok_and(|target| target == *base);
        if fs::remove_dir(base).is_ok() && is_its() {
            let _ = fs::remove_file(&self.note);
        }
    }

    /// The journal's number is left out: runs of other journals are not alive.
    fn link(&self, key: RunKey) -> Option<PathBuf> {
        let base = self.base.as_ref()?;
        Some(base.join(format!("{}-{}", key.claim.number, key.ordinal)))
    }
}

/// The folder that an earlier life of this startd has made, if it is still what it was.
fn found_again(note: &Path) -> Option<PathBuf> {
    let base = fs::read_link(note).ok()?;
    let found = fs::symlink_metadata(&base).ok()?;
    let ours = found.is_dir() && found.uid() == Uid::effective().as_raw();
    (ours && found.mode() & 0o777 == MODE).then_some(base)
}

fn make(note: &Path) -> io::Result<PathBuf> {
    match fs::remove_file(note) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // `mkdtemp` makes it with mode 0700, or not at all if anything of the name is there.
    let base = mkdtemp(TEMPLATE)?;
    symlink(&base, note)?;
    Ok(base)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn key(ordinal: u32) -> RunKey {
        format!("00000000000000ff-3-{ordinal}").parse().unwrap()
    }

    #[test]
    fn a_deep_folder_has_a_short_name_and_a_restarted_startd_finds_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a-folder-with-a-name-that-is-long");
        let scratch = deep.join("dir_00000000000000ff-3-1");
        fs::create_dir_all(&scratch).unwrap();
        let names = ShortScratches::new(&deep);
        let short = names.of(key(1), &scratch);
        assert!(short.as_os_str().len() < 30, "{short:?}");
        assert_eq!(fs::canonicalize(&short).unwrap(), fs::canonicalize(&scratch).unwrap());
        let base = short.parent().unwrap().to_owned();
        assert_eq!(fs::metadata(&base).unwrap().permissions().mode() & 0o777, MODE);

        let again = ShortScratches::new(&deep);
        assert_eq!(again.of(key(1), &scratch), short);
        fs::remove_file(&short).unwrap();
        symlink("/elsewhere", &short).unwrap();
        assert_eq!(again.of(key(1), &scratch), short, "what leads elsewhere is made anew");
        assert_eq!(fs::read_link(&short).unwrap(), scratch);
        let other = again.of(key(2), &scratch);
        again.forget_all_but(&[key(2)].into());
        assert!(!short.is_symlink() && other.is_symlink());
        again.close();
        assert!(base.exists() && names.note.is_symlink(), "somebody still has a name in it");
        again.forget(key(2));
        again.close();
        assert!(!base.exists() && !names.note.is_symlink());

        // What others may write to is not taken.
        let names = ShortScratches::new(&deep);
        let base = names.base.clone().unwrap();
        fs::set_permissions(&base, fs::Permissions::from_mode(0o777)).unwrap();
        let careful = ShortScratches::new(&deep);
        assert_ne!(careful.base, names.base);
        names.close();
        assert!(careful.note.is_symlink(), "it leads to another");
        careful.close();
    }

    #[test]
    fn a_folder_that_is_not_deep_needs_none() {
        let names = ShortScratches::new(Path::new("/var/lib/pool/execute"));
        let scratch = Path::new("/var/lib/pool/execute/dir_1");
        assert_eq!(names.of(key(1), scratch), scratch);
    }
}
