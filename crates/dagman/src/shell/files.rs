//! Writing whole files and appending to logs. Knows nothing of what is in them.

use std::fs::{File, OpenOptions};
use std::path::Path;

use proto::whole_file;

use super::ShellError;

/// The permissions of a file that is made, but for what the user's mask takes away.
const MODE: u32 = 0o666;

/// Writes a file whole: a reader sees the old or the new one.
pub(super) fn replace(path: &str, text: &str) -> Result<(), ShellError> {
    let written = whole_file::replace(Path::new(path), MODE, text.as_bytes());
    written.map_err(ShellError::file("write", path))
}

/// Opens a log to append to it.
pub(super) fn append_to(path: &str) -> Result<File, ShellError> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(ShellError::file("open the log", path))
}

/// Whether there is something at a path.
pub(super) fn is_there(path: &str) -> bool {
    Path::new(path).exists()
}
