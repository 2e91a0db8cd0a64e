//! Opens what a user has named, without waiting: a path of theirs may lead to a pipe at whose other
//! end is nobody, to a device that never ends, to a terminal. What file it is and what is done with
//! it is not known here; a server that does not answer makes one wait all the same.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{major, minor};

/// The number of `/dev/null` (devices.txt of Linux).
const NULL_DEVICE: (u64, u64) = (1, 3);

/// Opens a plain file as the options say, with these flags besides.
///
/// # Errors
///
/// If it cannot be opened; `EOPNOTSUPP` ([`io::ErrorKind::Unsupported`]) if it is a pipe, a socket,
/// a device or, for writing, anything else that is no plain file.
pub fn open(path: &Path, options: &mut OpenOptions, flags: OFlag) -> io::Result<File> {
    let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    match options.custom_flags(flags.bits()).open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => Err(not_plain()),
        // What the kernel says of a pipe that nobody reads, and of a socket.
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => Err(not_plain()),
        Err(error) => Err(error),
    }
}

/// Opens a plain file for reading, or the null device, which is read like an empty one.
///
/// # Errors
///
/// As [`open`]; `EISDIR` of a folder.
pub fn read(path: &Path) -> io::Result<File> {
    match open(path, OpenOptions::new().read(true), OFlag::empty()) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            let found = fs::metadata(path)?;
            let number = (major(found.rdev()), minor(found.rdev()));
            match found.file_type() {
                kind if kind.is_dir() => Err(Errno::EISDIR.into()),
                kind if kind.is_char_device() && number == NULL_DEVICE => File::open("/dev/null"),
                _ => Err(error),
            }
        }
        opened => opened,
    }
}

fn not_plain() -> io::Error {
    Errno::EOPNOTSUPP.into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixListener;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn what_is_no_plain_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        mkfifo(&path("pipe"), Mode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        let unsupported = [path("pipe"), path("socket"), "/dev/zero".into(), "/dev/tty".into()];
        for path in unsupported {
            let kind = read(&path).unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::Unsupported, "{}", path.display());
        }
        for path in [path("pipe"), path("socket"), "/dev/null".into()] {
            let error = open(&path, OpenOptions::new().append(true), OFlag::empty()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{}", path.display());
        }
        assert_eq!(read(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(read(&path("missing")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_plain_file_and_the_null_device_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain");
        fs::write(&plain, "text").unwrap();
        for (path, expected) in [(&*plain, "text"), (Path::new("/dev/null"), "")] {
            let mut content = String::new();
            read(path).unwrap().read_to_string(&mut content).unwrap();
            assert_eq!(content, expected);
        }
    }
}
