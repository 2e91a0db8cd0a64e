//! Copying files and folders from one disk to another, so that each file is at its destination
//! whole or not at all. Both disks may be this machine's, or one may be reached over a connection
//! (`disk`, `wire`). Which files are copied, and where to, is not decided here.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use model::StartStage;
use nix::errno::Errno;
use proto::files::{Sum, is_below};

use crate::shell::files::disk::{self, Disk, EntryKind, Links, Outlives, SameDisk};
use crate::shell::files::leash;

/// How deep folders may lie in each other: an end to what a peer that lies can tell, before the
/// stack of the thread that copies has one.
pub(crate) const DEEPEST: usize = 500;

/// A copy that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("copy {path}: error {errno}")]
pub(crate) struct TransferError {
    /// The file that could not be read or written.
    pub(crate) path: PathBuf,
    /// The kernel's error number.
    pub(crate) errno: i32,
    /// Whether nothing failed but that this file is beyond what the job allows
    /// (`MaxTransferInputMB`, `MaxTransferOutputMB`).
    pub(crate) over_limit: bool,
    /// What a plug-in said of it, if one was to move it: then the path is a URL.
    pub(crate) said: Option<String>,
}

impl TransferError {
    /// The step that it breaks on the way in.
    pub(crate) fn stage(&self) -> StartStage {
        if self.over_limit { StartStage::InputSize } else { StartStage::TransferInput }
    }
}

/// From one disk to another.
#[derive(Clone, Copy)]
pub(crate) struct Route<'a> {
    pub(crate) from: &'a dyn Disk,
    pub(crate) to: &'a dyn Disk,
}

/// From a place on this machine to another.
pub(crate) const HERE: Route<'static> = Route { from: &SameDisk, to: &SameDisk };

impl Route<'_> {
    /// Copies what one item of a list names, from below one folder into another: `dir` is the
    /// folder, `dir/` what is in it. Says how many bytes that were.
    ///
    /// # Errors
    ///
    /// The first file that cannot be copied.
    pub(crate) fn item(
        self,
        from: &Path,
        item: &str,
        to: &Path,
        preserve: bool,
    ) -> Result<u64, TransferError> {
        let item = item.strip_prefix("file://").unwrap_or(item);
        let source = from.join(item);
        let is_folder = self.from.look(&source, Links::Followed)?.kind == EntryKind::Folder;
        let path = Path::new(item);
        if is_folder && item.ends_with('/') && !(preserve && is_below(path)) {
            return self.contents(&source, to, 0);
        }
        let target = match path.file_name() {
            Some(_) if preserve && is_below(path) => to.join(path),
            Some(name) => to.join(name),
            None => return self.contents(&source, to, 0),
        };
        self.make_parent(&target)?;
        if is_folder { self.folder(&source, &target) } else { self.file(&source, &target) }
    }

    /// Copies a folder and all that is in it. One that is there already keeps its permissions.
    ///
    /// # Errors
    ///
    /// The first file that cannot be copied.
    pub(crate) fn folder(self, source: &Path, target: &Path) -> Result<u64, TransferError> {
        self.folder_at(source, target, 0)
    }

    fn folder_at(self, source: &Path, target: &Path, depth: usize) -> Result<u64, TransferError> {
        if depth > DEEPEST {
            return Err(failed(source, &Errno::ELOOP.into()));
        }
        let is_new = self.to.make_folder(target)?;
        let bytes = self.contents(source, target, depth)?;
        if is_new {
            // Last: it may be one that nothing can be made in.
            self.to.set_mode(target, self.from.look(source, Links::Followed)?.mode)?;
        }
        Ok(bytes)
    }

    fn contents(self, source: &Path, target: &Path, depth: usize) -> Result<u64, TransferError> {
        self.contents_at(source, target, depth, &|_| false)
    }

    /// Copies what is in a folder into another, but what has these names: that goes elsewhere.
    ///
    /// # Errors
    ///
    /// The first file that cannot be copied.
    pub(crate) fn contents_but(
        self,
        source: &Path,
        target: &Path,
        is_left: &dyn Fn(&OsStr) -> bool,
    ) -> Result<u64, TransferError> {
        self.contents_at(source, target, 0, is_left)
    }

    /// Links to files are followed, links to folders are copied as links: a folder may lie in
    /// itself that way.
    fn contents_at(
        self,
        source: &Path,
        target: &Path,
        depth: usize,
        is_left: &dyn Fn(&OsStr) -> bool,
    ) -> Result<u64, TransferError> {
        let mut bytes = 0;
        for name in self.from.list(source)?.into_iter().filter(|name| !is_left(name)) {
            leash::pulled().map_err(|error| failed(source, &error))?;
            // It may be a peer's word: a name leads down one step and nowhere else.
            if !is_name(&name) {
                return Err(failed(&source.join(name), &Errno::EPROTO.into()));
            }
            let (from, to) = (source.join(&name), target.join(&name));
            let is_link = self.from.look(&from, Links::Seen)?.kind == EntryKind::Link;
            match self.from.look(&from, Links::Followed)?.kind {
                EntryKind::Folder if is_link => self.link(&from, &to)?,
                EntryKind::Folder => bytes += self.folder_at(&from, &to, depth + 1)?,
                EntryKind::File => bytes += self.file(&from, &to)?,
                EntryKind::Link | EntryKind::Other => {}
            }
        }
        Ok(bytes)
    }

    /// Makes a link that leads where another leads.
    ///
    /// # Errors
    ///
    /// If the one cannot be read, or the other not be made.
    pub(crate) fn link(self, from: &Path, to: &Path) -> Result<(), TransferError> {
        self.to.make_link(to, &self.from.leads_to(from)?)
    }

    /// Copies a file; what is no plain file at the target (`/dev/...`, a pipe) is written to as it
    /// stands. Says how many bytes there were.
    ///
    /// # Errors
    ///
    /// If it cannot be read or written, or what was written is not what was read.
    pub(crate) fn file(self, source: &Path, target: &Path) -> Result<u64, TransferError> {
        let mut source = self.from.read(source)?;
        self.to.write(target, &mut source).map(|sum| sum.bytes)
    }

    /// Makes the folder that a file is to be in.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(crate) fn make_parent(self, target: &Path) -> Result<(), TransferError> {
        target.parent().map_or(Ok(()), |folder| self.to.make_folder(folder).map(|_| ()))
    }
}

/// Whether this is the name of something in a folder.
fn is_name(name: &OsStr) -> bool {
    let mut parts = Path::new(name).components();
    let first = parts.next();
    matches!(first, Some(Component::Normal(part)) if part == name) && parts.next().is_none()
}

/// Copies a file on this machine, and says what it holds.
///
/// # Errors
///
/// As [`Route::file`].
pub(crate) fn copy_summed(
    source: &Path,
    target: &Path,
    outlives: Outlives,
) -> Result<Sum, TransferError> {
    disk::write(target, &mut SameDisk.read(source)?, outlives)
}

/// The kernel's word on a path.
pub(crate) fn failed(path: &Path, error: &io::Error) -> TransferError {
    let errno = error.raw_os_error().unwrap_or(Errno::EIO as i32);
    TransferError { path: path.to_owned(), errno, over_limit: false, said: None }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use proto::files::Summing;

    use super::*;
    use crate::shell::files::disk::{CHUNK_BYTES, Source};

    #[test]
    fn a_name_may_be_as_long_as_names_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::write(&source, "text").unwrap();
        for length in [1, 239, 240, 250, 255] {
            let target = folder.path().join("n".repeat(length));
            HERE.file(&source, &target).unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), "text", "{length}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
    }

    #[test]
    fn a_folder_has_the_permissions_that_it_had_where_it_came_from() {
        let both = tempfile::tempdir().unwrap();
        let path = |name: &str| both.path().join(name);
        fs::create_dir_all(path("from/data/closed")).unwrap();
        fs::create_dir_all(path("to")).unwrap();
        fs::write(path("from/data/closed/file"), "text").unwrap();
        let modes = [("data/closed", 0o555), ("data", 0o711)];
        for (name, mode) in modes {
            fs::set_permissions(path("from").join(name), Permissions::from_mode(mode)).unwrap();
        }
        HERE.item(&path("from"), "data", &path("to"), false).unwrap();
        for (name, mode) in modes {
            let found = fs::metadata(path("to").join(name)).unwrap().permissions().mode();
            assert_eq!(found & 0o7777, mode, "{name}");
        }
        // One that is there is the user's own.
        fs::set_permissions(path("from/data"), Permissions::from_mode(0o700)).unwrap();
        HERE.item(&path("from"), "data", &path("to"), false).unwrap_or_default();
        let found = fs::metadata(path("to/data")).unwrap().permissions().mode();
        assert_eq!(found & 0o7777, 0o711);
        for folder in ["from", "to"] {
            let closed = path(folder).join("data/closed");
            fs::set_permissions(closed, Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_old_one_whole() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("old");
        fs::write(&old, "old").unwrap();
        let mut cut = Source { mode: 0o644, bytes: 4, content: Box::new(&b"new"[..]) };
        let error = SameDisk.write(&old, &mut cut).unwrap_err();
        assert_eq!(error.errno, Errno::EIO as i32);
        assert_eq!(fs::read_to_string(&old).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left of it");
    }

    /// A file that, before its last byte is read, is written by somebody else.
    struct Overtaken<'a> {
        target: &'a Path,
        begun: bool,
    }

    impl io::Read for Overtaken<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.begun {
                let mut other = Source { mode: 0o644, bytes: 5, content: Box::new(&b"other"[..]) };
                SameDisk.write(self.target, &mut other).unwrap();
                return Ok(0);
            }
            self.begun = true;
            into[..3].copy_from_slice(b"new");
            Ok(3)
        }
    }

    #[test]
    fn two_that_write_a_file_of_one_name_do_not_meet_and_the_last_wins() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("r.csv");
        let content = Box::new(Overtaken { target: &target, begun: false });
        SameDisk.write(&target, &mut Source { mode: 0o644, bytes: 3, content }).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left of either");
    }

    #[test]
    fn a_sum_is_the_length_and_the_hash_of_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let content = vec![7; CHUNK_BYTES * 2 + 5];
        fs::write(path("a"), &content).unwrap();
        let sum = copy_summed(&path("a"), &path("b"), Outlives::PowerCut).unwrap();
        assert_eq!(fs::read(path("b")).unwrap(), content);
        let mut expected = Summing::default();
        expected.add(&content);
        let expected = expected.finish();
        assert_eq!(sum, expected);
        fs::write(path("a"), "else").unwrap();
        assert_ne!(copy_summed(&path("a"), &path("b"), Outlives::Us).unwrap(), sum);
    }
}
