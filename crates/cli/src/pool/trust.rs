//! Whether a pool's folder may be used: what others can write is not ours, and its configuration
//! can name programs to run.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use client::home::Home;
use nix::unistd::{getegid, geteuid};

use crate::pool::many_users::{self, ManyUsersError};

/// Why it may not.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// It belongs to somebody else.
    #[error("use {}: it belongs to user {owner}, not to you (user {us}); choose a folder of your own (UPDRAFT_HOME)", path.display())]
    Owner { path: PathBuf, owner: u32, us: u32 },
    /// Others may write to it.
    #[error("use {}: others may write to it (mode {mode:03o}): chmod go-w {}", path.display(), path.display())]
    Writable { path: PathBuf, mode: u32 },
    /// It is many users', and not root's alone.
    #[error(transparent)]
    ManyUsers(#[from] ManyUsersError),
    /// It cannot be looked at.
    #[error("use {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Looks at the folder and at what of it is obeyed. What is not there yet will be ours.
///
/// # Errors
///
/// If any of it is not ours, or others may write to it.
pub fn check(home: &Home) -> Result<(), Untrusted> {
    if home.is_of_many_users() {
        return Ok(many_users::check(home)?);
    }
    let all = [
        home.dir().to_owned(),
        home.config(),
        home.config_dir(),
        home.settings(),
        home.run_dir(),
        home.log_dir(),
    ];
    all.iter().try_for_each(|path| check_path(path))
}

fn check_path(path: &Path) -> Result<(), Untrusted> {
    match fs::metadata(path) {
        Ok(found) => judge(path, &found, (geteuid().as_raw(), getegid().as_raw())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Untrusted::Unreadable { path: path.to_owned(), source }),
    }
}

/// Ours is what we or root own. A group of the user's own is nobody else.
fn judge(path: &Path, found: &Metadata, (us, group): (u32, u32)) -> Result<(), Untrusted> {
    let path = path.to_owned();
    if found.uid() != us && found.uid() != 0 {
        return Err(Untrusted::Owner { path, owner: found.uid(), us });
    }
    let mode = found.mode() & 0o777;
    if mode & 0o002 != 0 || (mode & 0o020 != 0 && found.gid() != group) {
        return Err(Untrusted::Writable { path, mode });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_of_somebody_else_or_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let us = geteuid().as_raw();
        let group = fs::metadata(dir.path()).unwrap().gid();
        let check = |mode: u32, us: u32, group: u32, expected: &str| {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            let found = fs::metadata(dir.path()).unwrap();
            let said = judge(dir.path(), &found, (us, group)).err().map(|why| why.to_string());
            let said = said.unwrap_or_default();
            assert_eq!(said.is_empty(), expected.is_empty(), "{said}");
            assert!(said.contains(expected), "{said}");
        };
        check(0o755, us, group, "");
        check(0o775, us, group, "");
        check(0o775, us, group + 1, "others may write to it (mode 775)");
        check(0o777, us, group, "others may write to it (mode 777)");
        if us != 0 {
            check(0o700, us + 1, group, "it belongs to user");
        }
    }

    #[test]
    fn what_is_not_there_yet_is_no_matter() {
        let dir = tempfile::tempdir().unwrap();
        check(&Home::at(&dir.path().join("new"))).unwrap();
    }
}
