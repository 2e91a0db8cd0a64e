//! Copying files so that each is at its destination whole or not at all: it is written beside, its
//! length and its hash are compared with what was read, and only then does it take its name. Which
//! files are copied, and where to, is not decided here.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use model::StartStage;
use nix::errno::Errno;
use proto::files::{PARTIAL, Sum, Summing, is_below};

/// The longest name of a file on Linux.
const NAME_MAX_BYTES: usize = 255;

/// What is read at a time.
const CHUNK_BYTES: usize = 128 * 1024;

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

/// What a copy has to outlive before it is said to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlives {
    Us,
    /// The machine: it is on the disk.
    PowerCut,
}

/// Copies what one item of a list names, from below one folder into another: `dir` is the folder,
/// `dir/` what is in it. Says how many bytes that were.
///
/// # Errors
///
/// The first file that cannot be copied.
pub(crate) fn copy_item(
    from: &Path,
    item: &str,
    to: &Path,
    preserve: bool,
) -> Result<u64, TransferError> {
    let item = item.strip_prefix("file://").unwrap_or(item);
    let source = from.join(item);
    let found = fs::metadata(&source).map_err(|error| failed(&source, &error))?;
    if found.is_dir() && item.ends_with('/') {
        return copy_contents(&source, to);
    }
    let path = Path::new(item);
    let target = match path.file_name() {
        Some(_) if preserve && is_below(path) => to.join(path),
        Some(name) => to.join(name),
        None => return copy_contents(&source, to),
    };
    make_parent(&target)?;
    if found.is_dir() { copy_folder(&source, &target) } else { copy_file(&source, &target) }
}

/// Copies a folder and all that is in it. One that is there already keeps its permissions.
///
/// # Errors
///
/// The first file that cannot be copied.
pub(crate) fn copy_folder(source: &Path, target: &Path) -> Result<u64, TransferError> {
    let is_new = !target.exists();
    fs::create_dir_all(target).map_err(|error| failed(target, &error))?;
    let bytes = copy_contents(source, target)?;
    if is_new {
        // Last: it may be one that nothing can be made in.
        let found = fs::metadata(source).map_err(|error| failed(source, &error))?;
        fs::set_permissions(target, found.permissions()).map_err(|error| failed(target, &error))?;
    }
    Ok(bytes)
}

/// Links to files are followed, links to folders are copied as links: a folder may lie in itself
/// that way.
fn copy_contents(source: &Path, target: &Path) -> Result<u64, TransferError> {
    let mut bytes = 0;
    for entry in fs::read_dir(source).map_err(|error| failed(source, &error))? {
        let entry = entry.map_err(|error| failed(source, &error))?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        let kind = entry.file_type().map_err(|error| failed(&from, &error))?;
        let found = fs::metadata(&from).map_err(|error| failed(&from, &error))?;
        if kind.is_symlink() && found.is_dir() {
            copy_link(&from, &to)?;
        } else if found.is_dir() {
            bytes += copy_folder(&from, &to)?;
        } else if found.is_file() {
            bytes += copy_file(&from, &to)?;
        }
    }
    Ok(bytes)
}

/// Makes a link that leads where another leads.
///
/// # Errors
///
/// If the one cannot be read, or the other not be made.
pub(crate) fn copy_link(from: &Path, to: &Path) -> Result<(), TransferError> {
    let leads_to = fs::read_link(from).map_err(|error| failed(from, &error))?;
    match symlink(leads_to, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(to, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Copies a file so that the target is the old one or the whole new one at any moment. What is no
/// plain file (`/dev/...`, a pipe) is written to as it stands. Says how many bytes there were.
///
/// # Errors
///
/// If it cannot be read or written, or what was written is not what was read.
pub(crate) fn copy_file(source: &Path, target: &Path) -> Result<u64, TransferError> {
    copy_summed(source, target, Outlives::Us).map(|sum| sum.bytes)
}

/// The same; says what the file holds.
///
/// # Errors
///
/// As [`copy_file`].
pub(crate) fn copy_summed(
    source: &Path,
    target: &Path,
    outlives: Outlives,
) -> Result<Sum, TransferError> {
    let mut from = File::open(source).map_err(|error| failed(source, &error))?;
    let found = from.metadata().map_err(|error| failed(source, &error))?;
    if found.is_dir() {
        return Err(failed(source, &Errno::EISDIR.into()));
    }
    let is_special = fs::metadata(target).is_ok_and(|found: Metadata| !found.is_file());
    if is_special {
        let mut to =
            OpenOptions::new().write(true).open(target).map_err(|error| failed(target, &error))?;
        return pour(&mut from, &mut to).map_err(|error| failed(target, &error));
    }
    // A link at the target stays one: what it leads to is replaced.
    let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    let partial = beside(&target);
    let copied = write_beside(&mut from, &found, &partial, outlives);
    copied.and_then(|sum| fs::rename(&partial, &target).map(|()| sum)).map_err(|error| {
        // It may not even have been made.
        let _ = fs::remove_file(&partial);
        failed(&target, &error)
    })
}

/// Where a file is written before it has its name. A long name is replaced by its sum: there is no
/// room for more of it.
fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    if name.len() + PARTIAL.len() > NAME_MAX_BYTES {
        let mut sum = Summing::default();
        sum.add(name.as_encoded_bytes());
        let hex = sum.finish().sha256.map(|byte| format!("{byte:02x}")).concat();
        name = format!(".{hex}").into();
    }
    name.push(PARTIAL);
    target.with_file_name(name)
}

/// Writes what is read into a new file, reads that again, and compares.
fn write_beside(
    from: &mut File,
    found: &Metadata,
    partial: &Path,
    outlives: Outlives,
) -> io::Result<Sum> {
    let mut options = OpenOptions::new();
    let mut to = options.read(true).write(true).create(true).truncate(true).open(partial)?;
    to.set_permissions(found.permissions())?;
    let sent = pour(from, &mut to)?;
    to.rewind()?;
    let arrived = pour(&mut to, &mut io::sink())?;
    // It may have grown meanwhile; it must not be shorter.
    if arrived != sent || sent.bytes < found.len() {
        return Err(Errno::EIO.into());
    }
    if outlives == Outlives::PowerCut {
        to.sync_all()?;
    }
    Ok(sent)
}

/// Copies all that is left to read, and says what it was.
fn pour(from: &mut impl Read, to: &mut impl Write) -> io::Result<Sum> {
    let mut sum = Summing::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n = match from.read(&mut chunk) {
            Ok(0) => return Ok(sum.finish()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(&chunk[..n])?;
        sum.add(&chunk[..n]);
    }
}

/// Makes the folder that a file is to be in.
///
/// # Errors
///
/// If it cannot be made.
pub(crate) fn make_parent(target: &Path) -> Result<(), TransferError> {
    match target.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(|error| failed(folder, &error)),
        None => Ok(()),
    }
}

/// The kernel's word on a path.
pub(crate) fn failed(path: &Path, error: &io::Error) -> TransferError {
    let errno = error.raw_os_error().unwrap_or(Errno::EIO as i32);
    TransferError { path: path.to_owned(), errno, over_limit: false, said: None }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_name_may_be_as_long_as_names_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::write(&source, "text").unwrap();
        for length in [1, 239, 240, 250, 255] {
            let target = folder.path().join("n".repeat(length));
            copy_file(&source, &target).unwrap();
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
        copy_item(&path("from"), "data", &path("to"), false).unwrap();
        for (name, mode) in modes {
            let found = fs::metadata(path("to").join(name)).unwrap().permissions().mode();
            assert_eq!(found & 0o7777, mode, "{name}");
        }
        // One that is there is the user's own.
        fs::set_permissions(path("from/data"), Permissions::from_mode(0o700)).unwrap();
        copy_item(&path("from"), "data", &path("to"), false).unwrap_or_default();
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
        let path = |name: &str| folder.path().join(name);
        fs::write(path("old"), "old").unwrap();
        fs::create_dir(path(&format!("old{PARTIAL}"))).unwrap();
        fs::write(path("new"), "new").unwrap();
        let error = copy_file(&path("new"), &path("old")).unwrap_err();
        assert_eq!(error.errno, Errno::EISDIR as i32);
        assert_eq!(fs::read_to_string(path("old")).unwrap(), "old");
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
