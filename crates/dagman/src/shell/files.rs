//! Writing whole files and appending to logs. Knows nothing of what is in them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::ShellError;

/// Writes a file whole: a reader sees the old or the new one.
pub(super) fn replace(path: &str, text: &str) -> Result<(), ShellError> {
    let beside = format!("{path}.new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(ShellError::file("write", path))
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
