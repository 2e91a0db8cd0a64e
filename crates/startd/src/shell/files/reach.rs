//! What a peer reaches of this machine's disk: the paths that it was given ([`Granted`]), by where
//! they really lead. What is decided about is what is used: a path is walked once, to a descriptor,
//! the kernel says where that is, and all that follows goes by the descriptor. So nobody who makes
//! a link meanwhile leads anything astray. How a peer asks, and what is copied, is not known here.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use model::Granted;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};

/// What of a new folder's permissions is asked for, before the mask.
const FOLDER_MODE: u32 = 0o777;

/// Something on the disk, held by a descriptor that opens nothing.
#[derive(Debug)]
pub(crate) struct Held {
    file: File,
    /// Where it is, without a link: the kernel's word.
    real: PathBuf,
}

impl Held {
    fn at(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        // O_PATH is all that is asked: `read` is what `open` wants to hear.
        Self::of(OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?)
    }

    fn of(file: File) -> io::Result<Self> {
        let real = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        // What is no path (a pipe without a name) or has none any more is at no path.
        if real.is_absolute() { Ok(Self { file, real }) } else { Err(Errno::EACCES.into()) }
    }

    /// The way to it that nobody can turn: the kernel follows it to what is held.
    pub(crate) fn way(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }
}

/// A name in a folder that is held; something may have that name or not.
#[derive(Debug)]
pub(crate) struct Entry {
    folder: Held,
    name: OsString,
}

impl Entry {
    fn at(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(Errno::EACCES)?;
        let folder = Held::at(path.parent().unwrap_or(Path::new("/")))?;
        Ok(Self { folder, name: name.to_owned() })
    }

    /// The way to it; what has the name is not followed on the way.
    pub(crate) fn way(&self) -> PathBuf {
        self.folder.way().join(&self.name)
    }

    fn real(&self) -> PathBuf {
        self.folder.real.join(&self.name)
    }
}

/// Where something is written.
#[derive(Debug)]
pub(crate) enum Target {
    /// A file of this name is made or replaced.
    Replaced(Entry),
    /// What is no plain file is written to as it stands.
    AsItStands(Held),
}

/// What was given, by where it really is. That was looked up once: what somebody makes of the paths
/// later gives nobody more.
#[derive(Debug)]
pub(crate) struct Reach {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    into: Vec<PathBuf>,
    /// The home of whose disk it is.
    home: Option<PathBuf>,
}

impl Reach {
    /// Of what is granted on the disk of somebody with this home.
    pub(crate) fn of(granted: &Granted, home: Option<&Path>) -> Self {
        let all = |paths: &[PathBuf]| paths.iter().filter_map(|path| really(path).ok()).collect();
        Self {
            read: all(&granted.read),
            write: all(&granted.write),
            into: all(&granted.into),
            home: home.and_then(|home| really(home).ok()),
        }
    }

    /// What a path leads to, to be looked at or read.
    pub(crate) fn readable(&self, path: &Path) -> io::Result<Held> {
        let held = Held::at(plain(path)?).map_err(|error| self.told(path, error))?;
        permit(self.may_read(&held.real)).map(|()| held)
    }

    /// What has this path itself, even if it is a link, to be looked at.
    pub(crate) fn visible(&self, path: &Path) -> io::Result<Entry> {
        let entry = Entry::at(plain(path)?).map_err(|error| self.told(path, error))?;
        // Whether a file is there that is written by its name is no secret from who writes it.
        let is_written = self.write.iter().any(|root| entry.real().starts_with(root));
        permit(is_written || self.may_read(&entry.real())).map(|()| entry)
    }

    /// What a path leads to, to be given other permissions.
    pub(crate) fn changeable(&self, path: &Path) -> io::Result<Held> {
        let held = Held::at(plain(path)?).map_err(|error| self.told(path, error))?;
        permit(self.may_write(&held.real)).map(|()| held)
    }

    /// Where a file is to be written. A link at its path stays one: what that leads to is meant.
    pub(crate) fn target(&self, path: &Path) -> io::Result<Target> {
        let entry = Entry::at(downward(path)?).map_err(|error| self.told(path, error))?;
        let (is_link, is_plain) = match fs::symlink_metadata(entry.way()) {
            Ok(found) if found.is_dir() && self.may_write(&entry.real()) => {
                return Err(Errno::EISDIR.into());
            }
            Ok(found) => (found.is_symlink(), found.is_file()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (false, true),
            Err(error) => return Err(self.told(path, error)),
        };
        if is_plain {
            permit(self.may_write(&entry.real()))?;
            return Ok(Target::Replaced(entry));
        }
        // A link that leads nowhere yet would lead there once something is made.
        let held = Held::at(&entry.way()).map_err(|_| Errno::EACCES)?;
        permit(self.may_write(&held.real))?;
        if !held.file.metadata()?.is_file() {
            return Ok(Target::AsItStands(held));
        }
        // By no link this time: it has to be where the kernel said.
        let there = Entry::at(&held.real)?;
        permit(is_link && there.real() == held.real)?;
        Ok(Target::Replaced(there))
    }

    /// Makes a folder, with those above it; whether it is new. Those in which something is to be
    /// written may be made, and are there if they are.
    pub(crate) fn make_folder(&self, path: &Path) -> io::Result<bool> {
        let (mut held, missing) = deepest(downward(path)?)?;
        let real = held.real.join(&missing);
        let leads_to = |root: &PathBuf| root.starts_with(&real);
        let leads = self.write.iter().chain(&self.into).any(leads_to);
        let is_below = self.write.iter().any(|root| real.starts_with(root));
        permit(leads || (is_below && self.may_write(&real)))?;
        let is_new = missing.components().next().is_some();
        for name in &missing {
            match mkdirat(&held.file, name, Mode::from_bits_truncate(FOLDER_MODE)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            held = Held::of(openat(&held.file, name, flags, Mode::empty())?.into())?;
        }
        match held.file.metadata()?.is_dir() {
            true => Ok(is_new),
            false => Err(Errno::EEXIST.into()),
        }
    }

    /// Where a link that leads to `leads_to` may be made. It leads nowhere but further down in what
    /// was given: else whoever goes by it later, this or another program, is led where its maker
    /// wants it.
    pub(crate) fn linkable(&self, path: &Path, leads_to: &Path) -> io::Result<Entry> {
        let entry = Entry::at(downward(path)?).map_err(|error| self.told(path, error))?;
        permit(self.may_write(&entry.real()))?;
        // Up first, then down: what is gone down into first may be a link, and up from there is
        // somewhere else.
        let up = leads_to.components().take_while(|part| *part == Component::ParentDir).count();
        let mut down = leads_to.components().skip(up);
        permit(down.all(|part| matches!(part, Component::Normal(_) | Component::CurDir)))?;
        let folder = &entry.folder.real;
        let top = folder.ancestors().nth(up).ok_or(Errno::EACCES)?;
        let stays = |root: &PathBuf| folder.starts_with(root) && top.starts_with(root);
        permit(self.write.iter().any(stays)).map(|()| entry)
    }

    fn may_read(&self, real: &Path) -> bool {
        self.read.iter().any(|root| real.starts_with(root))
    }

    /// The nearest decides: what is to be read, in a folder that is written, is not written.
    fn may_write(&self, real: &Path) -> bool {
        let depth = |path: &Path| path.components().count();
        let above = |roots: &[PathBuf]| {
            roots.iter().filter(|root| real.starts_with(root)).map(|root| depth(root)).max()
        };
        let into = self.into.iter().filter(|folder| real.parent() == Some(folder));
        let written = above(&self.write).max(into.map(|folder| depth(folder)).max());
        written.is_some_and(|written| above(&self.read).is_none_or(|read| written >= read))
            && self.is_named_or_open(real)
    }

    /// What has a name with a dot in somebody's home says who may come in and what is executed: it
    /// is written if it is named.
    fn is_named_or_open(&self, real: &Path) -> bool {
        let Some(home) = &self.home else { return true };
        let Ok(below) = real.strip_prefix(home) else { return true };
        let Some(first) = below.components().next() else { return true };
        let is_hidden = first.as_os_str().as_encoded_bytes().starts_with(b".");
        let is_named =
            |root: &PathBuf| root.starts_with(home.join(first)) && real.starts_with(root);
        !is_hidden || self.write.iter().any(is_named)
    }

    /// Why a path leads nowhere, to who may know.
    fn told(&self, path: &Path, error: io::Error) -> io::Error {
        let real = Entry::at(path).map(|entry| entry.real()).or_else(|_| really(path));
        let near = real.is_ok_and(|real| self.may_read(&real) || self.may_write(&real));
        if near { error } else { Errno::EACCES.into() }
    }
}

fn permit(may: bool) -> io::Result<()> {
    if may { Ok(()) } else { Err(Errno::EACCES.into()) }
}

/// An absolute path. Where `..` leads is seen when what is there is looked at.
fn plain(path: &Path) -> io::Result<&Path> {
    permit(path.is_absolute()).map(|()| path)
}

/// An absolute path of what may be made: it has to be named without `..`.
fn downward(path: &Path) -> io::Result<&Path> {
    let leads_down = |part| matches!(part, Component::RootDir | Component::Normal(_));
    permit(path.is_absolute() && path.components().all(leads_down)).map(|()| path)
}

/// Where a path leads, or would lead if something was made there.
fn really(path: &Path) -> io::Result<PathBuf> {
    let (held, missing) = deepest(path)?;
    Ok(held.real.join(missing))
}

/// The part of a path that is there, and the names behind it, that nothing has.
fn deepest(path: &Path) -> io::Result<(Held, PathBuf)> {
    let mut missing: Vec<&OsStr> = Vec::new();
    for at in path.ancestors() {
        match Held::at(at) {
            Ok(held) => return Ok((held, missing.iter().rev().collect())),
            // A link that leads nowhere would lead there once something is made.
            Err(_) if at.is_symlink() => return Err(Errno::EACCES.into()),
            // What is behind `..` is not above what is not there.
            Err(_) => missing.push(at.file_name().ok_or(Errno::EACCES)?),
        }
    }
    Err(Errno::EACCES.into())
}

#[cfg(test)]
mod tests;
