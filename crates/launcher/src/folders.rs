//! Directories of a shared pool's launcher: that nobody but root can write to what it opens by
//! path, and one directory for each user below such a one. A name here is a uid and nothing else:
//! no client chooses a path that root follows.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, fchownat, geteuid};

/// What a group or others may do to a directory so that it is not ours alone.
const OTHERS_WRITE: u32 = 0o022;

/// Whether nobody but us can make, rename or remove something in a directory.
///
/// # Errors
///
/// That it is not so, or that it cannot be seen.
pub(crate) fn check_ours_alone(dir: &Path) -> io::Result<()> {
    judge(&fs::metadata(dir)?)
}

fn judge(found: &fs::Metadata) -> io::Result<()> {
    if found.uid() == geteuid().as_raw() && found.mode() & OTHERS_WRITE == 0 {
        return Ok(());
    }
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    let why = format!("it belongs to uid {owner} with mode {mode:o}: only root may write to it");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// The directory below which each user has one of his own.
#[derive(Debug)]
pub(crate) struct UsersDir(File);

impl UsersDir {
    /// Opens the directory, which must be ours alone: what is in it was then made by us.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or others may write to it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let dir = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        judge(&dir.metadata()?)?;
        Ok(Self(dir))
    }

    /// Makes a user's directory, if he has none.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or what has its name is not his.
    pub(crate) fn ensure(&self, uid: u32, gid: u32) -> io::Result<()> {
        let (dir, name) = (self.0.as_fd(), uid.to_string());
        match mkdirat(dir, name.as_str(), Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let look = || fstatat(dir, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        // One that is still ours was made by a launcher that was killed before it gave it away.
        if look()?.st_uid == geteuid().as_raw() {
            let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            fchownat(dir, name.as_str(), owner, group, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        }
        let found = look()?;
        if found.st_uid != uid || found.st_mode & libc::S_IFMT != libc::S_IFDIR {
            let why = format!("{name} in it belongs to uid {}, not to {uid}", found.st_uid);
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, expected) in [(0o755, true), (0o700, true), (0o775, false), (0o1777, false)] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check_ours_alone(dir.path()).is_ok(), expected, "{mode:o}");
            assert_eq!(UsersDir::open(dir.path()).is_ok(), expected, "{mode:o}");
        }
    }

    #[test]
    fn a_user_has_a_directory_of_his_own_and_nothing_else_passes_for_it() {
        let (dir, us, group) = (tempfile::tempdir().unwrap(), geteuid(), nix::unistd::getegid());
        let users = UsersDir::open(dir.path()).unwrap();
        for _ in 0..2 {
            users.ensure(us.as_raw(), group.as_raw()).unwrap();
            let made = fs::metadata(dir.path().join(us.to_string())).unwrap();
            assert_eq!((made.uid(), made.mode() & 0o777), (us.as_raw(), 0o700));
        }
        if !us.is_root() {
            eprintln!("not shown: only root can give a directory away");
            return;
        }
        users.ensure(4711, 4712).unwrap();
        let made = fs::metadata(dir.path().join("4711")).unwrap();
        assert_eq!((made.uid(), made.gid(), made.mode() & 0o777), (4711, 4712, 0o700));
        // What is somebody else's already is not given away again.
        std::os::unix::fs::chown(dir.path().join("4711"), Some(5), None).unwrap();
        assert!(UsersDir::open(dir.path()).unwrap().ensure(4711, 4712).is_err());
        let other = tempfile::tempdir().unwrap();
        symlink(other.path(), dir.path().join("4713")).unwrap();
        assert!(users.ensure(4713, 4713).is_err());
        assert_eq!(fs::metadata(other.path()).unwrap().uid(), 0, "no link is followed");
    }
}
