//! Files that travel over a connection: cut into pieces at one end, put together at the other, each
//! whole at its place or not there at all. At most one piece is in memory at either end.
//!
//! Whose files they are, and which are sent, is not decided here. What is: a name that somebody
//! else has sent never leads out of the folder that it is for, and no link below that folder is
//! followed.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{ClaimId, ClaimSecret, RunId};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The end of the name of a file that is not whole yet.
pub const PARTIAL: &str = ".updraft-partial";

/// The most bytes of a file in one message: far below the limit of a frame, and enough that a
/// message's cost does not count.
pub const PIECE_BYTES: usize = 1 << 20;

/// The most files, folders and links that one folder takes from a peer: what a peer could fill a
/// disk's inodes with.
const MOST_ENTRIES: u64 = 5_000_000;

/// How deep folders may lie in each other: each takes a descriptor while it is read.
const DEEPEST: usize = 200;

/// How many inboxes this process has opened: none has the mark of another.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// The permissions of folders that are made here: their owner's alone, until the owner says else.
const FOLDER_MODE: u32 = 0o700;

/// What a file holds, in short: its length and its SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub bytes: u64,
    pub sha256: [u8; 32],
}

/// A sum that is being made, as the bytes go by.
#[derive(Clone, Debug, Default)]
pub struct Summing {
    hasher: Sha256,
    bytes: u64,
}

impl Summing {
    /// Takes the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// How many there were.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What they come to.
    pub fn finish(self) -> Sum {
        Sum { bytes: self.bytes, sha256: self.hasher.finalize().into() }
    }
}

/// What carries files for a machine says first: for which run. The claim's secret is the right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesFor {
    pub claim: ClaimId,
    pub secret: ClaimSecret,
    pub run: RunId,
}

/// What the schedd answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FilesAnswer {
    /// From here on it may ask for files.
    Ask,
    /// It is not the run that this claim of this machine has now.
    NotYours,
}

/// A part of what travels: a part of a file, or something that has no content of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Its path below the folder that it is for.
    pub name: OsString,
    /// What it is.
    pub content: Content,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// A folder; files in folders need none.
    Folder,
    /// A link, that leads where it leads.
    Link { to: OsString },
    /// A part of a file. All parts of a file come one behind the other.
    Part {
        /// The file's permissions.
        mode: u32,
        /// From which byte on.
        offset: u64,
        bytes: Blob,
        /// With the last part: what the whole file holds.
        end: Option<Sum>,
    },
}

/// Bytes, written as such and not as a list of numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Blob;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_owned()))
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob(bytes))
            }
        }
        from.deserialize_byte_buf(Bytes)
    }
}

/// Why something does not travel.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The name leads elsewhere, or is one of ours.
    #[error("take {name:?}: that is no name below the folder that it is for")]
    BadName { name: OsString },
    /// The kernel says no.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The pieces do not fit together.
    #[error("put {} together: a piece is for byte {offset}, and byte {expected} is next", name.display())]
    Gap {
        /// Of which file.
        name: PathBuf,
        /// Where the piece belongs.
        offset: u64,
        /// What is missing.
        expected: u64,
    },
    /// What came is not what was sent.
    #[error("put {} together: what has arrived is not what was sent", name.display())]
    Differs { name: PathBuf },
    /// The last file has not arrived as a whole.
    #[error("put {} together: its end has not come", name.display())]
    Unfinished { name: PathBuf },
    #[error("take more than {MOST_ENTRIES} files and folders")]
    TooMany,
}

fn failed(what: &'static str, path: &Path, source: impl Into<io::Error>) -> FilesError {
    FilesError::Io { what, path: path.to_owned(), source: source.into() }
}

/// Whether a path leads nowhere but further down.
pub fn is_below(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// A folder, held open: what is below it is reached without following a link.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    path: PathBuf,
}

/// Something below a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its path from there.
    pub name: PathBuf,
    /// What it is.
    pub kind: FoundKind,
}

/// What something below a folder is. Nothing else travels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoundKind {
    Folder,
    Link,
    File {
        bytes: u64,
        /// When it was written last, seconds and nanoseconds.
        modified: (i64, i64),
    },
}

impl Root {
    /// The folder at this path, which may be a link.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, FilesError> {
        let folder = File::open(path).map_err(|error| failed("open the folder", path, error))?;
        let found = folder.metadata().map_err(|error| failed("look at", path, error))?;
        if !found.is_dir() {
            return Err(failed("open the folder", path, Errno::ENOTDIR));
        }
        Ok(Self { folder: folder.into(), path: path.to_owned() })
    }

    /// All that is below it, folders before what is in them. What is not whole yet, and what is
    /// neither file, folder nor link, is left out.
    ///
    /// # Errors
    ///
    /// The first folder that cannot be read.
    pub fn walk(&self) -> Result<Vec<Found>, FilesError> {
        let mut found = Vec::new();
        self.walk_below(Path::new(""), 0, &mut found)?;
        Ok(found)
    }

    fn walk_below(&self, at: &Path, depth: usize, all: &mut Vec<Found>) -> Result<(), FilesError> {
        if depth > DEEPEST {
            return Err(failed("read the folder", &self.path.join(at), Errno::ELOOP));
        }
        let folder = self.folder(at, false)?;
        let read = |error| failed("read the folder", &self.path.join(at), error);
        // The name of the open folder, whatever lies at its path by now.
        let entries =
            fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd())).map_err(read)?;
        for entry in entries {
            let entry = entry.map_err(read)?.file_name();
            if is_partial(&entry) {
                continue;
            }
            let name = at.join(&entry);
            let stat = match fstatat(&folder, Path::new(&entry), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::ENOENT) => continue,
                Err(error) => return Err(failed("look at", &self.path.join(&name), error)),
            };
            match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
                SFlag::S_IFDIR => {
                    all.push(Found { name: name.clone(), kind: FoundKind::Folder });
                    self.walk_below(&name, depth + 1, all)?;
                }
                SFlag::S_IFLNK => all.push(Found { name, kind: FoundKind::Link }),
                SFlag::S_IFREG => {
                    let bytes = u64::try_from(stat.st_size).unwrap_or(0);
                    let modified = (stat.st_mtime, stat.st_mtime_nsec);
                    all.push(Found { name, kind: FoundKind::File { bytes, modified } });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The pieces of something that [`Self::walk`] has found, under its own name.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or is not what it was.
    pub fn pieces(&self, found: &Found) -> Result<Pieces, FilesError> {
        let name = &found.name;
        let content = match found.kind {
            FoundKind::Folder => Content::Folder,
            FoundKind::Link => {
                let (folder, last) = self.parent(name, false)?;
                let to = readlinkat(&folder, Path::new(last));
                Content::Link {
                    to: to.map_err(|e| failed("read the link", &self.path.join(name), e))?,
                }
            }
            FoundKind::File { .. } => {
                let (folder, last) = self.parent(name, false)?;
                // What has become a pipe meanwhile must not make us wait.
                let flags =
                    OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
                let opened = openat(&folder, Path::new(last), flags, Mode::empty());
                let file = opened.map_err(|e| failed("open", &self.path.join(name), e))?;
                return Pieces::of_file(name.as_os_str().to_owned(), File::from(file));
            }
        };
        Ok(Pieces::one(Piece { name: name.as_os_str().to_owned(), content }))
    }

    /// The folder at a relative path, made with those above it if that is wanted.
    fn folder(&self, path: &Path, make: bool) -> Result<OwnedFd, FilesError> {
        let at = |error| failed("open the folder", &self.path.join(path), error);
        let mut folder = self.folder.try_clone().map_err(at)?;
        for part in path.components() {
            let Component::Normal(part) = part else {
                return Err(FilesError::BadName { name: path.as_os_str().to_owned() });
            };
            let part = Path::new(part);
            if make {
                match mkdirat(&folder, part, Mode::from_bits_truncate(FOLDER_MODE)) {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    Err(error) => {
                        return Err(failed("make the folder", &self.path.join(path), error));
                    }
                }
            }
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            folder = openat(&folder, part, flags, Mode::empty()).map_err(|e| at(e.into()))?;
        }
        Ok(folder)
    }

    /// The folder that something is in, and its last name.
    fn parent<'a>(&self, path: &'a Path, make: bool) -> Result<(OwnedFd, &'a OsStr), FilesError> {
        let bad = || FilesError::BadName { name: path.as_os_str().to_owned() };
        let last = path.file_name().ok_or_else(bad)?;
        Ok((self.folder(path.parent().unwrap_or(Path::new("")), make)?, last))
    }
}

/// A file as pieces, read as they are asked for.
#[derive(Debug)]
pub struct Pieces {
    name: OsString,
    state: Sending,
}

#[derive(Debug)]
enum Sending {
    One(Content),
    File { file: File, mode: u32, sum: Summing },
    Over,
}

impl Pieces {
    /// Of an open file, to be sent under a name.
    ///
    /// # Errors
    ///
    /// If it is no file.
    pub fn of_file(name: OsString, file: File) -> Result<Self, FilesError> {
        let found = file.metadata().map_err(|e| failed("look at", Path::new(&name), e))?;
        if !found.is_file() {
            return Err(failed("send", Path::new(&name), Errno::EINVAL));
        }
        let mode = found.mode() & 0o777;
        Ok(Self { name, state: Sending::File { file, mode, sum: Summing::default() } })
    }

    /// One piece that is all.
    pub fn one(piece: Piece) -> Self {
        Self { name: piece.name, state: Sending::One(piece.content) }
    }

    /// With these permissions, whatever the file has.
    #[must_use]
    pub fn with_mode(mut self, new: u32) -> Self {
        if let Sending::File { mode, .. } = &mut self.state {
            *mode = new;
        }
        self
    }
}

impl Iterator for Pieces {
    type Item = Result<Piece, FilesError>;

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.name.clone();
        match std::mem::replace(&mut self.state, Sending::Over) {
            Sending::Over => None,
            Sending::One(content) => Some(Ok(Piece { name, content })),
            Sending::File { mut file, mode, mut sum } => {
                let mut bytes = Vec::with_capacity(PIECE_BYTES);
                let read = Read::take(&mut file, PIECE_BYTES as u64).read_to_end(&mut bytes);
                if let Err(error) = read {
                    return Some(Err(failed("read", Path::new(&name), error)));
                }
                let offset = sum.bytes();
                sum.add(&bytes);
                let is_last = bytes.len() < PIECE_BYTES;
                let end = is_last.then(|| sum.clone().finish());
                if !is_last {
                    self.state = Sending::File { file, mode, sum };
                }
                let bytes = Blob(bytes);
                Some(Ok(Piece { name, content: Content::Part { mode, offset, bytes, end } }))
            }
        }
    }
}

/// Where pieces are put together: below one folder.
#[derive(Debug)]
pub struct Inbox {
    root: Root,
    /// Tells the names of what is not whole yet from those of others who write there too.
    mark: String,
    arriving: Option<Arriving>,
    /// What has something new in it, and is not known to be on the disk.
    folders: BTreeSet<PathBuf>,
    entries: u64,
}

#[derive(Debug)]
struct Arriving {
    name: PathBuf,
    folder: OwnedFd,
    partial: OsString,
    file: File,
    sum: Summing,
}

impl Inbox {
    /// Below this folder, which is there.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, FilesError> {
        Ok(Self {
            root: Root::open(path)?,
            mark: format!(".{}-{}{PARTIAL}", process::id(), OPENED.fetch_add(1, Ordering::Relaxed)),
            arriving: None,
            folders: BTreeSet::new(),
            entries: 0,
        })
    }

    /// Takes the next piece. A file takes its name, in place of what had it, when its last piece is
    /// there and is what was sent, and all of it is on the disk.
    ///
    /// # Errors
    ///
    /// If the name leads elsewhere, the pieces do not fit together, or the disk does not take it.
    /// What was there before stays.
    pub fn take(&mut self, piece: Piece) -> Result<(), FilesError> {
        let name = proper(&piece.name)?;
        if let Some(open) = self.arriving.as_ref().filter(|open| open.name != name) {
            return Err(FilesError::Unfinished { name: open.name.clone() });
        }
        if self.arriving.is_none() {
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                return Err(FilesError::TooMany);
            }
        }
        match piece.content {
            Content::Folder => {
                self.root.folder(&name, true)?;
                self.note_folders(&name.join("in it"));
                Ok(())
            }
            Content::Link { to } => {
                let (folder, last) = self.root.parent(&name, true)?;
                let last = Path::new(last);
                let _ = unlinkat(&folder, last, UnlinkatFlags::NoRemoveDir);
                let made = symlinkat(Path::new(&to), &folder, last);
                made.map_err(|error| failed("make the link", &self.root.path.join(&name), error))?;
                self.note_folders(&name);
                Ok(())
            }
            Content::Part { mode, offset, bytes, end } => {
                let result = self.part(name, mode, offset, &bytes.0, end);
                if result.is_err() {
                    self.give_up();
                }
                result
            }
        }
    }

    fn part(
        &mut self,
        name: PathBuf,
        mode: u32,
        offset: u64,
        bytes: &[u8],
        end: Option<Sum>,
    ) -> Result<(), FilesError> {
        let path = self.root.path.join(&name);
        let mut open = match self.arriving.take() {
            Some(open) => open,
            None => self.begin(name)?,
        };
        let expected = open.sum.bytes();
        let written = open.file.write_all(bytes);
        open.sum.add(bytes);
        let open = self.arriving.insert(open);
        written.map_err(|error| failed("write", &path, error))?;
        if offset != expected {
            return Err(FilesError::Gap { name: open.name.clone(), offset, expected });
        }
        let Some(end) = end else { return Ok(()) };
        if open.sum.clone().finish() != end {
            return Err(FilesError::Differs { name: open.name.clone() });
        }
        let last = open.name.file_name().unwrap_or_default();
        let done = open
            .file
            .set_permissions(Permissions::from_mode(mode & 0o777 | 0o600))
            .and_then(|()| open.file.sync_all())
            .and_then(|()| not_special(&open.folder, last))
            .and_then(|()| {
                let (from, to) = (Path::new(&open.partial), Path::new(last));
                Ok(renameat(&open.folder, from, &open.folder, to)?)
            });
        done.map_err(|error| failed("write", &path, error))?;
        let name = open.name.clone();
        self.arriving = None;
        self.note_folders(&name);
        Ok(())
    }

    fn begin(&self, name: PathBuf) -> Result<Arriving, FilesError> {
        let (folder, _) = self.root.parent(&name, true)?;
        let partial = OsString::from(&self.mark);
        let _ = unlinkat(&folder, Path::new(&partial), UnlinkatFlags::NoRemoveDir);
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let made = openat(&folder, Path::new(&partial), flags, Mode::from_bits_truncate(0o600));
        let file = made.map_err(|error| failed("write", &self.root.path.join(&name), error))?;
        Ok(Arriving { name, folder, partial, file: File::from(file), sum: Summing::default() })
    }

    fn note_folders(&mut self, name: &Path) {
        let mut at = name;
        while let Some(folder) = at.parent() {
            if !self.folders.insert(folder.to_owned()) {
                return;
            }
            at = folder;
        }
    }

    fn give_up(&mut self) {
        if let Some(open) = self.arriving.take() {
            // It may have its name by now.
            let _ = unlinkat(&open.folder, Path::new(&open.partial), UnlinkatFlags::NoRemoveDir);
        }
    }

    /// Says that nothing more comes: all that came is found again after a power cut.
    ///
    /// # Errors
    ///
    /// If a file is not whole, or the disk does not take it.
    pub fn settle(&mut self) -> Result<(), FilesError> {
        if let Some(open) = &self.arriving {
            return Err(FilesError::Unfinished { name: open.name.clone() });
        }
        while let Some(folder) = self.folders.pop_first() {
            let path = self.root.path.join(&folder);
            let open = File::from(self.root.folder(&folder, false)?);
            open.sync_all().map_err(|error| failed("write", &path, error))?;
        }
        Ok(())
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// A name as one that leads down, and is none of ours.
fn proper(name: &OsStr) -> Result<PathBuf, FilesError> {
    let path = Path::new(name);
    let leads_down = path.components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !leads_down || is_partial(name) {
        return Err(FilesError::BadName { name: name.to_owned() });
    }
    Ok(path.to_owned())
}

fn is_partial(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(PARTIAL.as_bytes())
}

/// A device or a pipe is not replaced by a file.
fn not_special(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match fstatat(folder, Path::new(name), AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG | SFlag::S_IFLNK | SFlag::S_IFDIR => Ok(()),
            _ => Err(Errno::EEXIST.into()),
        },
        Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::frame;

    fn part(name: &str, offset: u64, text: &str, whole: Option<&str>) -> Piece {
        let mut sum = Summing::default();
        sum.add(whole.unwrap_or_default().as_bytes());
        let end = whole.map(|_| sum.finish());
        let bytes = Blob(text.as_bytes().to_vec());
        Piece { name: name.into(), content: Content::Part { mode: 0o640, offset, bytes, end } }
    }

    fn file(name: &str, text: &str) -> Piece {
        part(name, 0, text, Some(text))
    }

    #[test]
    fn what_is_sent_arrives_as_it_was() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = |name: &str| from.path().join(name);
        fs::create_dir_all(path("deep/empty")).unwrap();
        let long = vec![7; PIECE_BYTES + 5];
        for (name, content) in
            [("deep/long", &long[..]), ("exact", &long[..PIECE_BYTES]), ("nothing", b"")]
        {
            fs::write(path(name), content).unwrap();
        }
        fs::set_permissions(path("nothing"), Permissions::from_mode(0o755)).unwrap();
        symlink("deep/long", path("link")).unwrap();
        fs::write(path(&format!("torn{PARTIAL}")), "not whole").unwrap();
        let root = Root::open(from.path()).unwrap();
        let mut inbox = Inbox::open(to.path()).unwrap();
        for found in root.walk().unwrap() {
            for piece in root.pieces(&found).unwrap() {
                let sent = frame::encode(&piece.unwrap()).unwrap();
                inbox.take(frame::decode(&sent).unwrap()).unwrap();
            }
        }
        inbox.settle().unwrap();
        let arrived = Root::open(to.path()).unwrap().walk().unwrap();
        let names =
            |all: Vec<Found>| -> BTreeSet<PathBuf> { all.into_iter().map(|f| f.name).collect() };
        assert_eq!(names(arrived), names(root.walk().unwrap()));
        assert_eq!(fs::read(to.path().join("deep/long")).unwrap(), long);
        assert_eq!(fs::read(to.path().join("exact")).unwrap().len(), PIECE_BYTES);
        assert_eq!(fs::read_link(to.path().join("link")).unwrap(), Path::new("deep/long"));
        let mode = fs::metadata(to.path().join("nothing")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    #[test]
    fn no_name_leads_out_of_the_folder_and_no_link_is_followed() {
        let (outside, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(outside.path(), to.path().join("out")).unwrap();
        let mut inbox = Inbox::open(to.path()).unwrap();
        let partial = format!("x{PARTIAL}");
        for name in ["", ".", "..", "/etc/x", "../x", "a/../../x", "./..", &partial] {
            let error = inbox.take(file(name, "bad")).unwrap_err();
            assert!(matches!(error, FilesError::BadName { .. }), "{name}: {error}");
        }
        let error = inbox.take(file("out/x", "bad")).unwrap_err();
        assert!(matches!(error, FilesError::Io { .. }), "{error}");
        let link = Content::Link { to: outside.path().as_os_str().to_owned() };
        inbox.take(Piece { name: "mine".into(), content: link }).unwrap();
        inbox.take(file("mine/x", "bad")).unwrap_err();
        // A link in the way of a file is replaced.
        inbox.take(file("out", "good")).unwrap();
        assert_eq!(fs::read_to_string(to.path().join("out")).unwrap(), "good");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        let found =
            Found { name: "mine/x".into(), kind: FoundKind::File { bytes: 0, modified: (0, 0) } };
        fs::write(outside.path().join("x"), "secret").unwrap();
        assert!(Root::open(to.path()).unwrap().pieces(&found).is_err());
    }

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let to = tempfile::tempdir().unwrap();
        fs::write(to.path().join("file"), "old").unwrap();
        let mut inbox = Inbox::open(to.path()).unwrap();
        let error = inbox.take(part("file", 0, "new", Some("else"))).unwrap_err();
        assert!(matches!(error, FilesError::Differs { .. }), "{error}");
        inbox.take(part("file", 0, "new", None)).unwrap();
        let error = inbox.settle().unwrap_err();
        assert!(matches!(error, FilesError::Unfinished { .. }), "{error}");
        let error = inbox.take(file("other", "x")).unwrap_err();
        assert!(matches!(error, FilesError::Unfinished { .. }), "{error}");
        let error = inbox.take(part("file", 7, "er", None)).unwrap_err();
        assert!(matches!(error, FilesError::Gap { offset: 7, expected: 3, .. }), "{error}");
        inbox.take(part("file", 0, "new", None)).unwrap();
        drop(inbox);
        assert_eq!(fs::read_to_string(to.path().join("file")).unwrap(), "old");
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 1, "nothing is left of it");
        let mut inbox = Inbox::open(to.path()).unwrap();
        inbox.take(part("file", 0, "new", None)).unwrap();
        inbox.take(part("file", 3, "er", Some("newer"))).unwrap();
        inbox.settle().unwrap();
        assert_eq!(fs::read_to_string(to.path().join("file")).unwrap(), "newer");
    }
}
