//! A file that lines are added to, for people and programs to read. The run does not depend on it:
//! what cannot be written now is kept, up to a bound, and written when it can be, each line once.
//!
//! Knows nothing of what is in the lines.

use std::fs::File;
use std::io::{self, Write};

use super::{ShellError, files};

/// So many bytes are kept of what cannot be written. What comes behind them is lost, and that is
/// told.
const KEPT: usize = 16 << 20;

/// A log that is open.
#[derive(Debug)]
pub(super) struct Log {
    path: String,
    file: File,
    waiting: Vec<u8>,
    /// Whether the last attempt to write failed.
    is_stuck: bool,
    /// Texts that found no room meanwhile.
    lost: u64,
}

impl Log {
    /// Opens it, at its end; it is made if it is not there.
    ///
    /// # Errors
    /// If that cannot be done.
    pub(super) fn open(path: &str) -> Result<Self, ShellError> {
        let (path, file) = (path.to_owned(), files::append_to(path)?);
        Ok(Self { path, file, waiting: Vec::new(), is_stuck: false, lost: 0 })
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether everything is written.
    pub(super) fn is_written(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How long it is; `None` if it cannot be looked at.
    pub(super) fn length(&self) -> Option<u64> {
        self.file.metadata().ok().map(|about| about.len())
    }

    /// Has a text written next time.
    pub(super) fn add(&mut self, text: &str) {
        if self.is_stuck && self.waiting.len() >= KEPT {
            self.lost += 1;
        } else {
            self.waiting.extend_from_slice(text.as_bytes());
        }
    }

    /// Writes what waits. Says what keeps it from that, and when nothing does any more: each once.
    pub(super) fn flush(&mut self) -> Option<String> {
        let (was_stuck, written) = (self.is_stuck, self.write());
        self.is_stuck = written.is_err();
        let path = &self.path;
        match (written, was_stuck) {
            (Ok(()), false) | (Err(_), true) => None,
            (Err(error), false) => {
                Some(format!("WARNING: {path} cannot be written, and is tried again: {error}"))
            }
            (Ok(()), true) => Some(match std::mem::take(&mut self.lost) {
                0 => format!("{path} is written again"),
                lost => format!("{path} is written again; {lost} entries found no room meanwhile"),
            }),
        }
    }

    /// What is there in the place of a log that somebody took away.
    pub(super) fn open_again(&mut self) -> Result<(), ShellError> {
        self.file = files::append_to(&self.path)?;
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let mut written = 0;
        let result = loop {
            let rest = &self.waiting[written..];
            if rest.is_empty() {
                break Ok(());
            }
            match self.file.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.waiting.drain(..written);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_kept_and_written_once_when_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.out").to_string_lossy().into_owned();
        let mut log = Log::open(&path).unwrap();
        log.add("one\n");
        assert_eq!(log.flush(), None);
        log.file = files::append_to("/dev/full").unwrap();
        assert_eq!(log.flush(), None, "nothing is to be written");
        log.add("two\n");
        let said = log.flush().unwrap();
        assert!(said.contains("cannot be written, and is tried again: No space left"), "{said}");
        log.add("three\n");
        assert_eq!(log.flush(), None, "it was told");
        log.open_again().unwrap();
        assert_eq!(log.flush().unwrap(), format!("{path} is written again"));
        assert_eq!(log.flush(), None);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    }

    #[test]
    fn what_waits_takes_no_more_than_its_bound_and_what_is_lost_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.out").to_string_lossy().into_owned();
        let mut log = Log::open(&path).unwrap();
        log.file = files::append_to("/dev/full").unwrap();
        let text = "x".repeat(KEPT / 2);
        log.add(&text);
        assert!(log.flush().is_some());
        for _ in 0..4 {
            log.add(&text);
        }
        assert_eq!(log.waiting.len(), KEPT);
        log.open_again().unwrap();
        let said = log.flush().unwrap();
        assert!(said.ends_with("3 entries found no room meanwhile"), "{said}");
    }
}
