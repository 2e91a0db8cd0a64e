//! The run files: `state_dir/runs/KEY`, one per run: entries one behind another, and a mark behind
//! the last.
//!
//! The launcher creates the file before it hands the run to a keeper, so no restarted launcher can
//! take a run that is about to start for one that was never asked for. The keeper appends what
//! happens before it reports it. An entry is one `write` of less than a page, which a SIGKILL does
//! not tear; nothing is synced, because a reboot ends every run anyway and the boot id in the first
//! entry tells.
//!
//! A file that is done with is kept for a later run (`state_dir/spare/N`), up to [`SPARES_MAX`]: a
//! file system that passes over the places of what was removed in the last minute (ext4) takes the
//! longer to make one the more were removed, and at a thousand runs a second that was most of what
//! the launcher did. It is written over and never emptied: what was emptied ext4 writes to the disk
//! when it is closed. The mark ([`LAST`]) tells what was written now from what is left of before.

use std::cell::Cell;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
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

/// The most files that are kept for later runs.
const SPARES_MAX: u32 = 512;

/// The smallest page of memory that Linux has, less the mark.
const PAGE_BYTES: u64 = 4096 - 4;

/// What stands behind the last entry: a frame of no bytes, which is no entry.
const LAST: [u8; 4] = [0; 4];

/// The directory of run files.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    dir: PathBuf,
    spare_dir: PathBuf,
    /// How many spare files there are: those with the numbers below this one.
    spares: Cell<u32>,
}

impl Records {
    /// Opens the directory, making it if it is missing.
    pub(crate) fn open(state_dir: &Path) -> io::Result<Self> {
        let (dir, spare_dir) = (state_dir.join("runs"), state_dir.join("spare"));
        for dir in [&dir, &spare_dir] {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        for left in fs::read_dir(&spare_dir)? {
            fs::remove_file(left?.path())?;
        }
        Ok(Self { dir, spare_dir, spares: Cell::new(0) })
    }

    /// Creates a run's file, of a key that has none ([`Records::keys`] tells which have). There is
    /// none after an error: an empty one would be a run that nobody asked for.
    pub(crate) fn create(&self, key: &RunKey, first: &RecordEntry) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let path = self.path(key);
        let Some(spare) = self.take_spare() else {
            let file = options.create_new(true).write(true).mode(0o600).open(&path)?;
            return RunFile { file, end: 0 }.append(first).inspect_err(|_| {
                // Nothing better can be done about a file that cannot be removed either.
                let _ = fs::remove_file(&path);
            });
        };
        let mut made = || {
            RunFile { file: options.write(true).open(&spare)?, end: 0 }.append(first)?;
            // It has its first entry before it has the run's name.
            fs::rename(&spare, &path)
        };
        // What stays behind under a spare's name would be in the way of a later one.
        made().inspect_err(|_| drop(fs::remove_file(&spare)))
    }

    fn take_spare(&self) -> Option<PathBuf> {
        let number = self.spares.get().checked_sub(1)?;
        self.spares.set(number);
        Some(self.spare(number))
    }

    fn path(&self, key: &RunKey) -> PathBuf {
        self.dir.join(key.as_str())
    }

    fn spare(&self, number: u32) -> PathBuf {
        self.spare_dir.join(number.to_string())
    }

    /// Opens a run's file to append to.
    pub(crate) fn open_run(&self, key: &RunKey) -> io::Result<RunFile> {
        let mut file = OpenOptions::new().read(true).write(true).open(self.path(key))?;
        let mut written = Vec::new();
        file.read_to_end(&mut written)?;
        let (_, length) = entries(&written);
        Ok(RunFile { file, end: u64::try_from(length).map_err(io::Error::other)? })
    }

    /// The entries of a run; none if there is no readable file.
    pub(crate) fn load(&self, key: &RunKey) -> io::Result<Vec<RecordEntry>> {
        match fs::read(self.path(key)) {
            Ok(bytes) => Ok(entries(&bytes).0),
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

    /// Removes a run's file, if there is one. Whoever appended to it has said that it is over, or
    /// is known to be gone: no other run's file can get what is meant for this one.
    pub(crate) fn remove(&self, key: &RunKey) -> io::Result<()> {
        let spares = self.spares.get();
        let removed = if spares < SPARES_MAX {
            fs::rename(self.path(key), self.spare(spares)).inspect(|()| self.spares.set(spares + 1))
        } else {
            fs::remove_file(self.path(key))
        };
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A run's file, open to be written on.
pub(crate) struct RunFile {
    file: File,
    /// Where the next entry goes.
    end: u64,
}

impl RunFile {
    /// Appends one entry in one write. After an error the next one takes its place.
    pub(crate) fn append(&mut self, entry: &RecordEntry) -> io::Result<()> {
        let mut bytes = Vec::new();
        wire::encode(entry, &mut bytes).map_err(io::Error::other)?;
        let next = self.end + u64::try_from(bytes.len()).map_err(io::Error::other)?;
        bytes.extend_from_slice(&LAST);
        if next > PAGE_BYTES {
            // Between two pages a SIGKILL does tear a write: nothing of before may stand behind.
            self.file.set_len(self.end)?;
        }
        self.file.write_all_at(&bytes, self.end)?;
        self.end = next;
        Ok(())
    }
}

/// The entries up to the mark, or the first that is incomplete or damaged (what a power failure
/// spoilt belongs to an older boot), and how many bytes they have.
fn entries(bytes: &[u8]) -> (Vec<RecordEntry>, usize) {
    let mut decoder = Decoder::default();
    decoder.feed(bytes);
    let entries = std::iter::from_fn(|| decoder.next_frame().ok().flatten()).collect();
    (entries, bytes.len() - decoder.rest())
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
        let second = RecordEntry::Started { pid: 8, started_ms: 1, started_boot_ms: 2 };
        records.open_run(&key).unwrap().append(&second).unwrap();
        assert_eq!(records.load(&key).unwrap(), [first.clone(), second]);

        let path = state.path().join("runs/1.0-1");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - LAST.len() - 1]).unwrap();
        assert_eq!(records.load(&key).unwrap(), std::slice::from_ref(&first));
        fs::write(&path, [&whole[..], &[0xff; 9]].concat()).unwrap();
        assert_eq!(records.load(&key).unwrap().len(), 2);
        // As a launcher before this one left it, whose keeper still writes behind it.
        fs::write(&path, &whole[..whole.len() - LAST.len()]).unwrap();
        assert_eq!(records.load(&key).unwrap().len(), 2);
        fs::write(&path, []).unwrap();
        assert_eq!(records.load(&key).unwrap(), []);

        assert_eq!(records.keys().unwrap(), std::slice::from_ref(&key));
        records.remove(&key).unwrap();
        records.remove(&key).unwrap();
        assert_eq!(records.keys().unwrap(), []);
    }

    #[test]
    fn a_file_that_was_another_runs_has_nothing_of_it() {
        let state = tempfile::tempdir().unwrap();
        let records = Records::open(state.path()).unwrap();
        let [one, two, three] =
            ["1.0-1", "2.0-1", "3.0-1"].map(|key| RunKey::try_from(key).unwrap());
        let keeper = ProcessId { pid: 7, start_ticks: 9 };
        let first = RecordEntry::Assigned { keeper, boot_id: "b".into(), uid: 0 };
        records.create(&one, &first).unwrap();
        let ended = RecordEntry::Started { pid: 8, started_ms: 1, started_boot_ms: 2 };
        records.open_run(&one).unwrap().append(&ended).unwrap();
        records.remove(&one).unwrap();
        assert_eq!(records.keys().unwrap(), []);

        records.create(&two, &first).unwrap();
        assert_eq!(records.load(&two).unwrap(), std::slice::from_ref(&first));
        assert_eq!(fs::read_dir(state.path().join("spare")).unwrap().count(), 0);

        // Longer than what was there, and longer than a page.
        let long = RecordEntry::Assigned { keeper, boot_id: "b".repeat(4090), uid: 0 };
        for entry in [&ended, &long, &ended] {
            records.open_run(&two).unwrap().append(entry).unwrap();
        }
        assert_eq!(records.load(&two).unwrap(), [first.clone(), ended.clone(), long, ended]);
        records.remove(&two).unwrap();
        records.create(&three, &first).unwrap();
        assert_eq!(records.load(&three).unwrap(), [first]);
        let length = fs::metadata(state.path().join("runs/3.0-1")).unwrap().len();
        assert!(length > 4096, "it is written over, not emptied");
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
