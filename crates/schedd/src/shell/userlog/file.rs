//! A user's log as a file: opened without waiting, only if it is a plain one, appended to, and
//! begun anew when it is long. Knows nothing of the outbox and of who waits.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::OFlag;
use proto::plain_file;

/// Where entries go that nobody wants: HTCondor takes it for no log at all.
const NOWHERE: &str = "/dev/null";

/// How far before its end a log is looked through for what others may have written behind, bytes.
pub(super) const OTHERS_BYTES: usize = 64 << 10;

/// What ends an event.
const END_OF_EVENT: &str = "...\n";

/// A log that is open for appending.
pub(super) trait LogFile: Write + Send {
    /// Makes durable what was written.
    fn sync(&self) -> io::Result<()>;
}

impl LogFile for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Where logs are, by their names.
pub(super) trait LogDisk: Send + Sync {
    /// Opens a log for appending.
    fn open(&self, log: &str) -> io::Result<Box<dyn LogFile>>;

    /// The last bytes of a log, at most so many; nothing of one that is not there.
    fn end_of(&self, log: &str, most: usize) -> io::Result<Vec<u8>>;
}

/// The disk of this machine, as who we are.
pub(super) struct OurDisk;

impl LogDisk for OurDisk {
    fn open(&self, log: &str) -> io::Result<Box<dyn LogFile>> {
        open_plain(Path::new(log))
    }

    fn end_of(&self, log: &str, most: usize) -> io::Result<Vec<u8>> {
        let mut end = Vec::new();
        if let Some(mut file) = open_end(Path::new(log), most as u64)? {
            file.read_to_end(&mut end)?;
        }
        Ok(end)
    }
}

/// The same disk, with logs opened otherwise: for tests.
impl<F: Fn(&Path) -> io::Result<Box<dyn LogFile>> + Send + Sync> LogDisk for F {
    fn open(&self, log: &str) -> io::Result<Box<dyn LogFile>> {
        self(Path::new(log))
    }

    fn end_of(&self, log: &str, most: usize) -> io::Result<Vec<u8>> {
        OurDisk.end_of(log, most)
    }
}

/// Where logs are; a test can have another.
pub(super) type Opener = Arc<dyn LogDisk>;

/// When a log begins anew, and how many old ones are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    pub(crate) path: Arc<str>,
    /// How long it may get, bytes; without end if unset.
    pub(crate) most_bytes: Option<u64>,
    /// How many old ones are kept: one as `NAME.old`, more as `NAME.1` (the last) and so on
    /// (HTCondor 25.14).
    pub(crate) kept: u32,
}

impl Rotation {
    /// The names of old logs, the last first.
    pub(super) fn old(&self) -> Vec<PathBuf> {
        let name = |end: &str| PathBuf::from(format!("{}.{end}", self.path));
        match self.kept {
            0 => Vec::new(),
            1 => vec![name("old")],
            kept => (1..=kept).map(|nth| name(&nth.to_string())).collect(),
        }
    }

    /// Makes room for so many bytes more.
    pub(super) fn make_room(&self, bytes: usize) -> io::Result<()> {
        let path = Path::new(&*self.path);
        let length = fs::metadata(path).map_or(0, |found| found.len());
        let after = length.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if length == 0 || self.most_bytes.is_none_or(|most| after <= most) {
            return Ok(());
        }
        let old = self.old();
        for nth in (1..old.len()).rev() {
            rename(&old[nth - 1], &old[nth])?;
        }
        match old.first() {
            Some(last) => rename(path, last),
            None => fs::remove_file(path),
        }
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// Opens a log for appending, and makes it if it is not there. A FIFO whose reader is gone, a
/// device or a socket would keep the writer waiting, or take what is not for it: they are refused,
/// whoever is at their other end.
pub(super) fn open_plain(path: &Path) -> io::Result<Box<dyn LogFile>> {
    let mut options = OpenOptions::new();
    let opened = plain_file::open(path, options.append(true).create(true), OFlag::empty());
    match opened {
        Ok(file) => Ok(Box::new(file)),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Err(not_plain()),
        Err(error) => Err(error),
    }
}

fn not_plain() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a log must be a plain file")
}

/// Whether it may work later what did not now: the disk or the user's share of it is full, or it
/// does not answer.
pub(super) fn may_pass(error: &io::Error) -> bool {
    use io::ErrorKind::{
        Interrupted, OutOfMemory, QuotaExceeded, ReadOnlyFilesystem, ResourceBusy,
        StaleNetworkFileHandle, StorageFull, TimedOut, WouldBlock,
    };
    // Too many files of ours are open, or the device fails.
    const OURS: [nix::errno::Errno; 3] =
        [nix::errno::Errno::EMFILE, nix::errno::Errno::ENFILE, nix::errno::Errno::EIO];
    matches!(
        error.kind(),
        StorageFull
            | QuotaExceeded
            | ReadOnlyFilesystem
            | StaleNetworkFileHandle
            | TimedOut
            | ResourceBusy
            | WouldBlock
            | OutOfMemory
            | Interrupted
    ) || error.raw_os_error().is_some_and(|raw| OURS.iter().any(|errno| *errno as i32 == raw))
}

/// Appends a text, and gives the file, which is yet to be synced; none where nothing is to be.
pub(super) fn append(
    path: &Arc<str>,
    text: &str,
    rotation: Option<&Rotation>,
    open: &Opener,
) -> io::Result<Option<Box<dyn LogFile>>> {
    if **path == *NOWHERE {
        return Ok(None);
    }
    if let Some(rotation) = rotation.filter(|rotation| rotation.path == *path) {
        rotation.make_room(text.len())?;
    }
    let mut file = open.open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(Some(file))
}

/// Appends what of a text is not there yet: after a restart, and after a write that failed in its
/// middle. So many bytes may stand behind it. Gives back the file, and how much stood there.
pub(super) fn complete(
    path: &Arc<str>,
    (text, behind): (&str, usize),
    rotation: Option<&Rotation>,
    open: &Opener,
) -> io::Result<(Option<Box<dyn LogFile>>, usize)> {
    if **path == *NOWHERE {
        return Ok((None, 0));
    }
    let old = rotation.filter(|rotation| rotation.path == *path).map(Rotation::old);
    let old = old.unwrap_or_default();
    let old = old.first().and_then(|old| old.to_str());
    let there = present(&**open, path, old, (text, behind))?;
    let file = if there == text.len() {
        // What stands there may not be on the disk yet.
        open.open(path).map(Some)
    } else {
        append(path, &text[there..], rotation, open)
    };
    Ok((file?, there))
}

/// How many bytes of `text`'s beginning stand there. The schedd had written a beginning of the
/// pending text when it was killed or refused more: mostly it is the end of the file. A torn last
/// event counts as written as far as it goes, so that the rest completes it. Of a log that has just
/// begun anew, what stands in the one before counts too.
fn present(
    disk: &dyn LogDisk,
    log: &str,
    old: Option<&str>,
    (text, behind): (&str, usize),
) -> io::Result<usize> {
    let mut tail = disk.end_of(log, text.len() + behind)?;
    if let Some(old) = old.filter(|_| tail.len() < text.len() + behind) {
        let before = disk.end_of(old, text.len() + behind - tail.len())?;
        tail.splice(0..0, before);
    }
    let longest = (1..=tail.len().min(text.len()))
        .rev()
        .find(|n| text.is_char_boundary(*n) && tail.ends_with(&text.as_bytes()[..*n]));
    // What is torn behind the text may look like its own beginning.
    Ok(longest.unwrap_or(0).max(before_others(&tail, text)))
}

/// How many bytes of `text`'s beginning, in whole events, stand in the log before what somebody
/// else has written behind: dagman in the log of its nodes, another schedd in one that both write.
fn before_others(tail: &[u8], text: &str) -> usize {
    let tail = String::from_utf8_lossy(tail);
    let ends: Vec<usize> =
        text.match_indices(END_OF_EVENT).map(|(at, end)| at + end.len()).collect();
    // Of what stands there, each beginning does.
    let count = ends.partition_point(|end| tail.contains(&text[..*end]));
    count.checked_sub(1).map_or(0, |last| ends[last])
}

/// A log, opened at most so many bytes before its end; nothing if it is not there.
pub(super) fn open_end(path: &Path, most_bytes: u64) -> io::Result<Option<File>> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) if file.metadata()?.is_file() => file,
        Ok(_) => return Err(not_plain()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length - length.min(most_bytes)))?;
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_are_opened_and_nobody_waits_for_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let socket = dir.path().join("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [&fifo, &socket, Path::new("/dev/zero"), Path::new("/dev/full"), dir.path()] {
            let error = open_plain(path).err().unwrap();
            assert!(!may_pass(&error), "{}: {error}", path.display());
        }
        assert!(present(&OurDisk, fifo.to_str().unwrap(), None, ("x", 0)).is_err());
        // Nor where somebody reads it.
        let _reader = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&fifo)
            .unwrap();
        assert_eq!(open_plain(&fifo).err().unwrap().to_string(), "a log must be a plain file");
        assert!(open_plain(&dir.path().join("new")).is_ok());
    }

    #[test]
    fn a_full_disk_passes_and_a_folder_does_not() {
        use nix::errno::Errno::{EACCES, EDQUOT, EIO, EISDIR, EMFILE, ENOENT, ENOSPC, ESTALE};
        let check =
            |errno: nix::errno::Errno| may_pass(&io::Error::from_raw_os_error(errno as i32));
        for errno in [ENOSPC, EDQUOT, ESTALE, EMFILE, EIO] {
            assert!(check(errno), "{errno}");
        }
        for errno in [EISDIR, EACCES, ENOENT] {
            assert!(!check(errno), "{errno}");
        }
    }
}
