//! A disk, in the few words that copying needs. The machine's own is [`SameDisk`]; the one where a
//! job was submitted may be another, that is reached by `wire`. What is copied, and where to, is
//! not known here.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proto::files::{PARTIAL, Sum, Summing};
use proto::plain_file;
use serde::{Deserialize, Serialize};
use tempfile::{Builder, NamedTempFile};

use crate::shell::files::copying::{TransferError, failed};
use crate::shell::files::{leash, leftovers};

/// The longest name of a file on Linux.
const NAME_MAX_BYTES: usize = 255;

/// What follows on that: as no other has it, for several runs may write a file of one name.
const MARK_BYTES: usize = 10;

/// What is read at a time.
pub(crate) const CHUNK_BYTES: usize = 128 * 1024;

/// How often who waits for a pipe's reader looks whether its work is cut off, milliseconds.
const LOOK_EVERY_MS: u8 = 100;

/// What of a file's mode is permissions.
const PERMISSIONS: u32 = 0o7777;

/// What a copy has to outlive before it is said to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlives {
    Us,
    /// The machine: it is on the disk.
    PowerCut,
}

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Look {
    pub(crate) kind: EntryKind,
    pub(crate) mode: u32,
    pub(crate) bytes: u64,
    /// When its content was changed last, by the clock of that disk: seconds since 1970, and
    /// nanoseconds.
    pub(crate) changed: (i64, i64),
}

/// What something is. A link is one only to who asks for the link itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EntryKind {
    File,
    Folder,
    Link,
    /// A device, a pipe, a socket.
    Other,
}

/// Whether a look at a link sees the link or what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Links {
    Followed,
    Seen,
}

/// A file that is being read.
pub(crate) struct Source<'a> {
    pub(crate) mode: u32,
    /// How long it was when it was opened: less is not all of it.
    pub(crate) bytes: u64,
    pub(crate) content: Box<dyn Read + 'a>,
}

/// What copying asks of a disk. Every error names the path that it is about.
pub(crate) trait Disk {
    /// What lies there.
    ///
    /// # Errors
    ///
    /// If nothing does, or it may not be looked at.
    fn look(&self, path: &Path, links: Links) -> Result<Look, TransferError>;

    /// The names in a folder, in any order.
    ///
    /// # Errors
    ///
    /// If it is none, or cannot be read.
    fn list(&self, folder: &Path) -> Result<Vec<OsString>, TransferError>;

    /// Where a link leads.
    ///
    /// # Errors
    ///
    /// If it is none, or cannot be read.
    fn leads_to(&self, link: &Path) -> Result<PathBuf, TransferError>;

    /// Makes a link; something of that name stays as it is.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    fn make_link(&self, link: &Path, leads_to: &Path) -> Result<(), TransferError>;

    /// Makes a folder and those above it; says whether it is new.
    ///
    /// # Errors
    ///
    /// If it is not there and cannot be made.
    fn make_folder(&self, folder: &Path) -> Result<bool, TransferError>;

    /// Gives something its permissions.
    ///
    /// # Errors
    ///
    /// If that is not allowed.
    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), TransferError>;

    /// Opens a file, without waiting.
    ///
    /// # Errors
    ///
    /// If it is none (a pipe may never end), or cannot be read.
    fn read(&self, path: &Path) -> Result<Source<'_>, TransferError>;

    /// Writes a file so that it is the old one or the whole new one at any moment; a device or a
    /// pipe is written to as it stands. Says what was written.
    ///
    /// # Errors
    ///
    /// If the source cannot be read to its end, or the file not be written. The old one stays.
    fn write(&self, path: &Path, source: &mut Source<'_>) -> Result<Sum, TransferError>;
}

/// The disk of this machine, which is also that of the place where the job was submitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SameDisk;

impl Disk for SameDisk {
    fn look(&self, path: &Path, links: Links) -> Result<Look, TransferError> {
        let found = match links {
            Links::Followed => fs::metadata(path),
            Links::Seen => fs::symlink_metadata(path),
        };
        let found = found.map_err(|error| failed(path, &error))?;
        let kind = match found.file_type() {
            kind if kind.is_file() => EntryKind::File,
            kind if kind.is_dir() => EntryKind::Folder,
            kind if kind.is_symlink() => EntryKind::Link,
            _ => EntryKind::Other,
        };
        let changed = (found.mtime(), found.mtime_nsec());
        Ok(Look { kind, mode: found.mode() & PERMISSIONS, bytes: found.len(), changed })
    }

    fn list(&self, folder: &Path) -> Result<Vec<OsString>, TransferError> {
        let entries = fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        names.collect::<io::Result<_>>().map_err(|error| failed(folder, &error))
    }

    fn leads_to(&self, link: &Path) -> Result<PathBuf, TransferError> {
        fs::read_link(link).map_err(|error| failed(link, &error))
    }

    fn make_link(&self, link: &Path, leads_to: &Path) -> Result<(), TransferError> {
        match symlink(leads_to, link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(link, &error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn make_folder(&self, folder: &Path) -> Result<bool, TransferError> {
        let is_new = !folder.exists();
        let made = DirBuilder::new().recursive(true).create(folder);
        made.map(|()| is_new).map_err(|error| failed(folder, &error))
    }

    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), TransferError> {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|e| failed(path, &e))
    }

    fn read(&self, path: &Path) -> Result<Source<'_>, TransferError> {
        let file = plain_file::read(path).map_err(|error| failed(path, &error))?;
        let found = file.metadata().map_err(|error| failed(path, &error))?;
        let (mode, bytes) = (found.mode() & PERMISSIONS, found.len());
        Ok(Source { mode, bytes, content: Box::new(file) })
    }

    fn write(&self, path: &Path, source: &mut Source<'_>) -> Result<Sum, TransferError> {
        write(path, source, Outlives::Us)
    }
}

/// Writes a file on this machine's disk, as [`Disk::write`]; what it outlives is said.
///
/// # Errors
///
/// As [`Disk::write`].
pub(crate) fn write(
    target: &Path,
    source: &mut Source<'_>,
    outlives: Outlives,
) -> Result<Sum, TransferError> {
    let is_special = fs::metadata(target).is_ok_and(|found| !found.is_file());
    if is_special {
        return write_as_it_stands(target, source);
    }
    // A link at the target stays one: what it leads to is replaced.
    let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    replace(&target, source, outlives)
}

/// Writes to what is no plain file.
///
/// # Errors
///
/// As [`Disk::write`].
pub(crate) fn write_as_it_stands(
    target: &Path,
    source: &mut Source<'_>,
) -> Result<Sum, TransferError> {
    let opened = Patient::open(target);
    let poured = opened.and_then(|mut to| pour(&mut source.content, &mut to));
    poured.map_err(|error| failed(target, &error))
}

/// Writes a new file and gives it this name, in place of whatever file or link has it.
///
/// # Errors
///
/// As [`Disk::write`].
pub(crate) fn replace(
    target: &Path,
    source: &mut Source<'_>,
    outlives: Outlives,
) -> Result<Sum, TransferError> {
    let replaced = write_beside(source, target, outlives).and_then(|(partial, sum)| {
        leash::pulled()?;
        partial.persist(target)?;
        Ok(sum)
    });
    replaced.map_err(|error| failed(target, &error))
}

/// What the name of a file begins with before it has its own. A long one is replaced by its sum:
/// there is no room for more of it.
fn prefix_of(target: &Path) -> OsString {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    if name.len() + 1 + MARK_BYTES + PARTIAL.len() > NAME_MAX_BYTES {
        let mut sum = Summing::default();
        sum.add(name.as_encoded_bytes());
        let hex = sum.finish().sha256.map(|byte| format!("{byte:02x}")).concat();
        name = format!(".{hex}").into();
    }
    name.push(".");
    name
}

/// Writes what is read into a new file beside the target, reads that again, and compares. The file
/// goes if nobody gives it a name.
fn write_beside(
    source: &mut Source<'_>,
    target: &Path,
    outlives: Outlives,
) -> io::Result<(NamedTempFile, Sum)> {
    let folder = target.parent().ok_or(Errno::EISDIR)?;
    leftovers::remove(folder);
    let prefix = prefix_of(target);
    let mut partial = Builder::new();
    let partial = partial.prefix(&prefix).suffix(PARTIAL).rand_bytes(MARK_BYTES);
    // What a link of that name leads to is not ours: it is made, or has another name.
    let mut partial = partial.tempfile_in(folder)?;
    let to = partial.as_file_mut();
    to.set_permissions(Permissions::from_mode(source.mode))?;
    let sent = pour(&mut source.content, to)?;
    to.rewind()?;
    let arrived = pour(to, &mut io::sink())?;
    // It may have grown meanwhile; it must not be shorter.
    if arrived != sent || sent.bytes < source.bytes {
        return Err(Errno::EIO.into());
    }
    if outlives == Outlives::PowerCut {
        to.sync_all()?;
    }
    Ok((partial, sent))
}

/// What may keep its writer waiting: a pipe. Nobody at its other end is an error (`ENXIO`); while
/// somebody there does not read, the work can be cut off.
struct Patient(File);

impl Patient {
    fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        OpenOptions::new().write(true).custom_flags(flags.bits()).open(path).map(Self)
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    leash::pulled()?;
                    let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLOUT)];
                    poll(&mut ready, PollTimeout::from(LOOK_EVERY_MS))?;
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Copies all that is left to read, and says what it was.
fn pour(from: &mut impl Read, to: &mut impl Write) -> io::Result<Sum> {
    let mut sum = Summing::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        leash::step()?;
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
