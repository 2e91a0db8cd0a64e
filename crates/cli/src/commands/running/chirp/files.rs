//! What a job does with files of the submit side. Today job and schedd are on one host and the job
//! runs as its owner: so it opens them itself, and the kernel says what its owner may.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::unistd::AccessFlags;

use crate::line::output;

/// Stands for standard input or output.
const DASH: &str = "-";

/// What is to be done. Remote paths lead from the folder that the job was submitted from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OnFiles {
    Fetch { remote: PathBuf, local: PathBuf },
    Put(Put),
    Remove(PathBuf),
    RemoveFolder { remote: PathBuf, whole: bool },
    List(PathBuf),
    Link { old: PathBuf, new: PathBuf, is_symbolic: bool },
    Access(Access),
    Permit { remote: PathBuf, perm: u32 },
    Truncate { remote: PathBuf, bytes: u64 },
}

/// A file that is copied to the submit side.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) local: PathBuf,
    pub(crate) remote: PathBuf,
    /// How it is opened there, beside for writing.
    pub(crate) flags: OFlag,
    /// The permissions of a new one, before the mask.
    pub(crate) perm: u32,
}

/// A question whether a file may be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) remote: PathBuf,
    pub(crate) flags: AccessFlags,
}

/// Does it.
///
/// # Errors
///
/// If a file cannot be used: what was tried on which.
pub(crate) fn perform(what: OnFiles, folder: &Path) -> Result<()> {
    let there = |path: &PathBuf| folder.join(path);
    match what {
        OnFiles::Fetch { remote, local } => fetch(&there(&remote), &local),
        OnFiles::Put(put) => {
            let remote = there(&put.remote);
            put_one(&put, &remote)
        }
        OnFiles::Remove(remote) => {
            let path = there(&remote);
            fs::remove_file(&path).with_context(|| tried("remove", &path))
        }
        OnFiles::RemoveFolder { remote, whole } => {
            let path = there(&remote);
            let removed = if whole { fs::remove_dir_all(&path) } else { fs::remove_dir(&path) };
            removed.with_context(|| tried("remove the folder", &path))
        }
        OnFiles::List(remote) => list(&there(&remote)),
        OnFiles::Link { old, new, is_symbolic } => {
            let new = there(&new);
            // Where a symbolic link leads is its own business.
            let linked =
                if is_symbolic { symlink(&old, &new) } else { fs::hard_link(there(&old), &new) };
            linked.with_context(|| format!("make {} a link to {}", new.display(), old.display()))
        }
        OnFiles::Access(Access { remote, flags }) => {
            let path = there(&remote);
            nix::unistd::access(&path, flags).with_context(|| tried("use", &path))
        }
        OnFiles::Permit { remote, perm } => {
            let path = there(&remote);
            fs::set_permissions(&path, Permissions::from_mode(perm))
                .with_context(|| tried("change the permissions of", &path))
        }
        OnFiles::Truncate { remote, bytes } => {
            let path = there(&remote);
            let opened = OpenOptions::new().write(true).open(&path);
            opened.and_then(|file| file.set_len(bytes)).with_context(|| tried("truncate", &path))
        }
    }
}

fn tried(what: &str, path: &Path) -> String {
    format!("{what} {}", path.display())
}

/// What was there is opened first: if it cannot be, the local file stays as it is.
fn fetch(remote: &Path, local: &Path) -> Result<()> {
    let mut from = File::open(remote).with_context(|| tried("fetch", remote))?;
    let mut to: Box<dyn Write> = if local.as_os_str() == DASH {
        Box::new(io::stdout().lock())
    } else {
        Box::new(File::create(local).with_context(|| tried("write", local))?)
    };
    copy(&mut from, &mut to, remote, local)
}

fn put_one(put: &Put, remote: &Path) -> Result<()> {
    let mut from: Box<dyn Read> = if put.local.as_os_str() == DASH {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&put.local).with_context(|| tried("read", &put.local))?)
    };
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(put.flags.bits()).mode(put.perm);
    let mut to = options.open(remote).with_context(|| tried("put", remote))?;
    copy(&mut from, &mut to, &put.local, remote)
}

fn copy(from: &mut impl Read, to: &mut impl Write, source: &Path, target: &Path) -> Result<()> {
    let copied = io::copy(from, to).and_then(|_| to.flush());
    copied.with_context(|| format!("copy {} to {}", source.display(), target.display()))
}

fn list(folder: &Path) -> Result<()> {
    let names = fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()
    });
    let mut names = names.with_context(|| tried("list", folder))?;
    names.sort();
    let lines = names.iter().map(|name| format!("{}\n", name.to_string_lossy()));
    Ok(output::put(&lines.collect::<String>())?)
}
