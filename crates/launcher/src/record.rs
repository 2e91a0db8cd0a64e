//! The run files: `state_dir/runs/KEY`, one per run, to which entries are only appended.
//!
//! The launcher creates the file before it hands the run to a keeper, so no restarted launcher can
//! take a run that is about to start for one that was never asked for. The keeper appends what
//! happens before it reports it. An entry is one `write` of less than a page, which a SIGKILL does
//! not tear; nothing is synced, because a reboot ends every run anyway and the boot id in the first
//! entry tells.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::wire::{self, Decoder, End, RunKey};

/// One fact about a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RecordEntry {
    /// A keeper has been chosen; it has not been told yet.
    Assigned { keeper: ProcessId, boot_id: String, uid: u32 },
    /// A script executes, before or after the program.
    Script { pid: u32, started_boot_ms: u64 },
    /// The program executes.
    Started { pid: u32, started_ms: u64, started_boot_ms: u64 },
    /// Nothing of the run is left.
    Ended(End),
}

/// A process, told apart from a later one with the same number. Valid within one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pub(crate) pid: u32,
    /// When it was started, in clock ticks since boot, as `/proc/PID/stat` says.
    pub(crate) start_ticks: u64,
}

/// The directory of run files.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    dir: PathBuf,
}

impl Records {
    /// Opens the directory, making it if it is missing.
    pub(crate) fn open(state_dir: &Path) -> io::Result<Self> {
        let dir = state_dir.join("runs");
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        Ok(Self { dir })
    }

    /// Creates a run's file, which must not exist. There is none after an error: an empty one would
    /// be a run that nobody asked for.
    pub(crate) fn create(&self, key: &RunKey, first: &RecordEntry) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file =
            options.create_new(true).append(true).mode(0o600).open(self.dir.join(key.as_str()))?;
        append(&mut file, first).inspect_err(|_| {
            // Nothing better can be done about a file that cannot be removed either.
            let _ = self.remove(key);
        })
    }

    /// Opens a run's file to append to.
    pub(crate) fn open_run(&self, key: &RunKey) -> io::Result<File> {
        OpenOptions::new().append(true).open(self.dir.join(key.as_str()))
    }

    /// The entries of a run; none if there is no readable file.
    pub(crate) fn load(&self, key: &RunKey) -> io::Result<Vec<RecordEntry>> {
        match fs::read(self.dir.join(key.as_str())) {
            Ok(bytes) => Ok(entries(&bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Every run that has a file. A file whose name is no run key is none of ours, and is left
    /// alone.
    pub(crate) fn keys(&self) -> io::Result<Vec<RunKey>> {
        let mut keys = Vec::new();
        for file in fs::read_dir(&self.dir)? {
            let name = file?.file_name();
            keys.extend(name.into_string().ok().and_then(|name| RunKey::try_from(name).ok()));
        }
        Ok(keys)
    }

    /// Removes a run's file, if there is one.
    pub(crate) fn remove(&self, key: &RunKey) -> io::Result<()> {
        match fs::remove_file(self.dir.join(key.as_str())) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Appends one entry in one write.
pub(crate) fn append(file: &mut File, entry: &RecordEntry) -> io::Result<()> {
    let mut bytes = Vec::new();
    wire::encode(entry, &mut bytes).map_err(io::Error::other)?;
    file.write_all(&bytes)
}

/// The entries up to the first that is incomplete or damaged: what a power failure spoilt belongs
/// to an older boot.
fn entries(bytes: &[u8]) -> Vec<RecordEntry> {
    let mut decoder = Decoder::default();
    decoder.feed(bytes);
    std::iter::from_fn(|| decoder.next_frame().ok().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_or_damaged_tail_is_not_read() {
        let state = tempfile::tempdir().unwrap();
        let records = Records::open(state.path()).unwrap();
        let key = RunKey::try_from("1.0-1").unwrap();
        let keeper = ProcessId { pid: 7, start_ticks: 9 };
        let first = RecordEntry::Assigned { keeper, boot_id: "b".into(), uid: 0 };
        records.create(&key, &first).unwrap();
        assert!(records.create(&key, &first).is_err(), "a run key is used once");
        let second = RecordEntry::Started { pid: 8, started_ms: 1, started_boot_ms: 2 };
        append(&mut records.open_run(&key).unwrap(), &second).unwrap();
        assert_eq!(records.load(&key).unwrap(), [first.clone(), second]);

        let path = state.path().join("runs/1.0-1");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(records.load(&key).unwrap(), std::slice::from_ref(&first));
        fs::write(&path, [&whole[..], &[0xff; 9]].concat()).unwrap();
        assert_eq!(records.load(&key).unwrap().len(), 2);
        fs::write(&path, []).unwrap();
        assert_eq!(records.load(&key).unwrap(), []);

        assert_eq!(records.keys().unwrap(), std::slice::from_ref(&key));
        records.remove(&key).unwrap();
        records.remove(&key).unwrap();
        assert_eq!(records.keys().unwrap(), []);
    }
    #[test]
    fn no_file_is_left_of_a_run_whose_first_entry_cannot_be_written() {
        let state = tempfile::tempdir().unwrap();
        let records = Records::open(state.path()).unwrap();
        let key = RunKey::try_from("1.0-1").unwrap();
        let keeper = ProcessId { pid: 7, start_ticks: 9 };
        // Longer than a frame may be: it fails where a full disk does.
        let boot_id = "b".repeat(64 << 20);
        assert!(records.create(&key, &RecordEntry::Assigned { keeper, boot_id, uid: 0 }).is_err());
        assert_eq!(records.keys().unwrap(), []);
    }
}
