//! Files of ours that are replaced as a whole: who reads one, also after a power cut, finds the old
//! one or the new one. What is in them is not known here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The permissions of a file that is nobody else's business.
pub const OURS_ALONE: u32 = 0o600;

/// Replaces a file, or makes it with these permissions. It is on the disk, and so is its name, when
/// this returns.
///
/// # Errors
///
/// If it cannot be written; the old one stays.
pub fn replace(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // What is left of an attempt may have other permissions.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_folder_of(path)
}

/// Puts on the disk what was made, renamed or removed beside a file.
///
/// # Errors
///
/// If the folder cannot be opened or synced.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        None => Path::new("/"),
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_what_was_left_of_an_attempt_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roll.json");
        let half = folder.path().join("roll.json.new");
        fs::write(&half, "half of what was to be written").unwrap();
        fs::set_permissions(&half, fs::Permissions::from_mode(0o644)).unwrap();
        for content in ["first", "second"] {
            replace(&path, 0o600, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let closed = folder.path().join("missing/roll.json");
        assert!(replace(&closed, 0o600, b"x").is_err());
    }
}
