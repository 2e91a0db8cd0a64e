//! Writing whole files and appending to logs. Knows nothing of what is in them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
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

/// The longest torn end of a log that is looked for.
const TORN_AT_MOST: u64 = 1 << 20;

/// Takes away the end of a log, which only this program writes, that a life killed in the middle of
/// a write has left: a reader takes lines for whole.
pub(super) fn cut_torn_line(path: &str) -> Result<(), ShellError> {
    let cut = || -> io::Result<()> {
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let length = file.metadata()?.len();
        let from = length.saturating_sub(TORN_AT_MOST);
        file.seek(SeekFrom::Start(from))?;
        let mut text = Vec::new();
        (&mut file).take(TORN_AT_MOST).read_to_end(&mut text)?;
        match text.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => file.set_len(from + last as u64 + 1),
            None if from == 0 => file.set_len(0),
            None => Ok(()),
        }
    };
    cut().map_err(ShellError::file("look for a torn line in", path))
}
