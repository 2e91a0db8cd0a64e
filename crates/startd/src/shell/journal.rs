//! The file that makes a restarted startd know its claims and runs: the core's durable events, in
//! order, behind a head. It knows frames and files, and nothing of what an event means.
//!
//! It is not synced (docs/adr/0003): what a process wrote survives that process, and no run
//! survives a reboot, which the boot id in the head tells. Where the file ends in the middle of an
//! event, that event was not acted upon, and is dropped.
//!
//! ```text
//! [length: u32, big-endian][Head]  ([length][Record])*       each in MessagePack
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::Resources;
use proto::frame::{self, FrameError};
use serde::{Deserialize, Serialize};

use crate::core::{Event, State};

/// The journal in the state folder.
const FILE: &str = "startd.journal";

/// Where a new journal is prepared.
const NEW_FILE: &str = "startd.journal.new";

/// Where a journal is kept that could not be read, for whoever wants to know why.
const DAMAGED_FILE: &str = "startd.journal.damaged";

/// The journal is written anew beyond this size: some ten thousand runs, replayed in a fraction of
/// a second.
const COMPACT_BYTES: u64 = 8 << 20;

/// And not before it is so many times as long as what it was rewritten to: each byte is written a
/// bounded number of times.
const COMPACT_FACTOR: u64 = 4;

const LENGTH_BYTES: usize = 4;

/// What a journal is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The boot in which it was begun. In another boot it is of no use.
    pub(crate) boot_id: String,
    /// See [`crate::core::Machine::journal`].
    pub(crate) journal: u64,
    /// See [`crate::core::Machine::life`].
    pub(crate) life: u64,
    /// What the machine had to share out when it was begun. The claims in it were carved from that,
    /// however much of the disk their jobs have filled since.
    pub(crate) total: Resources,
}

#[derive(Serialize)]
enum Record<'a> {
    State(&'a State),
    Event(&'a Event),
    More(&'a State),
}

#[derive(Deserialize)]
enum OwnRecord {
    /// What it begins with: all of it, or its first part.
    State(State),
    Event(Event),
    /// Another part of the state: a claim has its job's whole ad, and all together are no message.
    More(State),
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("{attempt} the startd's journal {path}")]
    File {
        /// What was attempted.
        attempt: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// An event that cannot be written.
    #[error("write an event into the startd's journal")]
    Encode(#[from] FrameError),
}

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    head: Head,
    file: File,
    folder: PathBuf,
    bytes: u64,
    compact_at: u64,
}

/// A journal as it was found.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    /// What it begins with.
    pub(crate) state: State,
    /// What happened after that.
    pub(crate) events: Vec<Event>,
}

impl Journal {
    /// Opens the journal of this boot, or begins one if there is none: then `fresh` is its number,
    /// and its life is the present time in milliseconds, or more.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written. A journal that makes no sense is put aside, and a new
    /// one begun: the runs of the old one are then killed as strays, and their jobs run again.
    pub(crate) fn open(
        folder: &Path,
        boot_id: &str,
        fresh: u64,
        wall_ms: u64,
        total: &Resources,
    ) -> Result<Opened, JournalError> {
        let path = folder.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(JournalError::File { attempt: "read", path, source }),
        };
        let mut rest = &bytes[..];
        let known: Option<Head> = next_frame(&mut rest).and_then(|body| frame::decode(body).ok());
        let life = known.as_ref().map_or(0, |head| head.life + 1).max(wall_ms);
        let ours = known.filter(|head| head.boot_id == boot_id);
        if let Some(head) = ours {
            match replay(rest) {
                Ok((state, events, torn)) => {
                    let whole = bytes.len() - torn;
                    let journal = Self::go_on(folder, head, whole, torn)?;
                    return Ok(Opened { journal, state, events });
                }
                Err(error) => {
                    tracing::error!(%error, path = %path.display(), "the journal is damaged; it is put aside");
                    let aside = folder.join(DAMAGED_FILE);
                    fs::rename(&path, &aside).map_err(|source| JournalError::File {
                        attempt: "put aside",
                        path,
                        source,
                    })?;
                }
            }
        }
        let total = total.clone();
        let head = Head { boot_id: boot_id.to_owned(), journal: fresh, life, total };
        let (state, events) = (State::default(), Vec::new());
        Ok(Opened { journal: Self::begin(folder, head, &state)?, state, events })
    }

    /// What it is.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// Adds events: all of them are in the file when this returns.
    ///
    /// # Errors
    ///
    /// If they cannot be written. The file is then not what the core believes: the process must
    /// end.
    pub(crate) fn append(&mut self, events: &[Event]) -> Result<(), JournalError> {
        let mut bytes = Vec::new();
        for event in events {
            put_frame(&mut bytes, &Record::Event(event))?;
        }
        self.write(&bytes)
    }

    /// Goes on with another amount to share out, from which the claims in `state` can be carved.
    ///
    /// # Errors
    ///
    /// As [`Self::append`].
    pub(crate) fn share_out(
        &mut self,
        total: &Resources,
        state: &State,
    ) -> Result<(), JournalError> {
        let head = Head { total: total.clone(), ..self.head.clone() };
        *self = Self::begin(&self.folder, head, state)?;
        Ok(())
    }

    /// Writes the file anew, with the state in the place of the events that made it, if it has
    /// become long.
    ///
    /// # Errors
    ///
    /// As [`Self::append`].
    pub(crate) fn compact_if_long(&mut self, state: &State) -> Result<(), JournalError> {
        if self.bytes >= self.compact_at {
            *self = Self::begin(&self.folder, self.head.clone(), state)?;
        }
        Ok(())
    }

    fn go_on(folder: &Path, head: Head, whole: usize, torn: usize) -> Result<Self, JournalError> {
        let path = folder.join(FILE);
        let failed = |attempt| {
            let path = path.clone();
            move |source| JournalError::File { attempt, path, source }
        };
        let bytes = u64::try_from(whole).unwrap_or(u64::MAX);
        let file = OpenOptions::new().append(true).open(&path).map_err(failed("open"))?;
        if torn > 0 {
            tracing::warn!(torn, "dropped an unfinished event at the end of the journal");
            file.set_len(bytes).map_err(failed("shorten"))?;
        }
        Ok(Self {
            head,
            file,
            folder: folder.to_owned(),
            bytes,
            compact_at: COMPACT_BYTES.max(bytes),
        })
    }

    fn begin(folder: &Path, head: Head, state: &State) -> Result<Self, JournalError> {
        let path = folder.join(NEW_FILE);
        let failed = |attempt| {
            let path = path.clone();
            move |source| JournalError::File { attempt, path, source }
        };
        // Secrets of claims are in it.
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true).mode(0o600);
        let file = options.open(&path).map_err(failed("make"))?;
        let folder = folder.to_owned();
        let mut journal = Self { head, file, folder, bytes: 0, compact_at: COMPACT_BYTES };
        let mut bytes = Vec::new();
        put_frame(&mut bytes, &journal.head)?;
        for (n, part) in state.parts().enumerate() {
            let record = if n == 0 { Record::State(&part) } else { Record::More(&part) };
            put_frame(&mut bytes, &record)?;
        }
        journal.write(&bytes)?;
        journal.compact_at = COMPACT_BYTES.max(journal.bytes.saturating_mul(COMPACT_FACTOR));
        fs::rename(&path, journal.folder.join(FILE)).map_err(failed("put in place"))?;
        Ok(journal)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        let failed = |source| JournalError::File {
            attempt: "write to",
            path: self.folder.join(FILE),
            source,
        };
        self.file.write_all(bytes).map_err(failed)?;
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// The state, the events after it, and how many bytes at the end are no whole event.
fn replay(mut rest: &[u8]) -> Result<(State, Vec<Event>, usize), FrameError> {
    let mut state = State::default();
    let mut events = Vec::new();
    while let Some(body) = next_frame(&mut rest) {
        match frame::decode(body)? {
            OwnRecord::State(snapshot) => {
                state = snapshot;
                events.clear();
            }
            OwnRecord::More(part) => state.join(part),
            OwnRecord::Event(event) => events.push(event),
        }
    }
    Ok((state, events, rest.len()))
}

fn put_frame<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<(), FrameError> {
    let body = frame::encode(value)?;
    let length = u32::try_from(body.len()).map_err(|_| FrameError::TooLong(body.len()))?;
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&body);
    Ok(())
}

/// Takes the next whole frame off the front, if there is one.
fn next_frame<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (head, after) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u32::from_be_bytes(*head)).ok()?;
    let body = after.get(..length)?;
    *rest = &after[length..];
    Some(body)
}

#[cfg(test)]
mod tests {
    use model::{Beat, Now, ScheddName};
    use tempfile::TempDir;

    use super::*;
    use crate::core::Fact;
    use crate::core::tests::fat_state;

    const BOOT: &str = "9d0c2e0e";

    fn event(n: u64) -> Event {
        let beat = Beat { life: 1, sent_ms: n };
        Event { at: Now::default(), fact: Fact::Echoed { schedd: ScheddName::new("s"), beat } }
    }

    fn open(folder: &TempDir, boot_id: &str, fresh: u64) -> Opened {
        Journal::open(folder.path(), boot_id, fresh, 1000, &Resources::default()).unwrap()
    }

    fn file(folder: &TempDir) -> PathBuf {
        folder.path().join(FILE)
    }

    #[test]
    fn what_was_appended_is_found_again() {
        let folder = TempDir::new().unwrap();
        open(&folder, BOOT, 7).journal.append(&[event(1), event(2)]).unwrap();
        open(&folder, BOOT, 8).journal.append(&[event(3)]).unwrap();
        let opened = open(&folder, BOOT, 9);
        assert_eq!(opened.events, [event(1), event(2), event(3)]);
        let head = opened.journal.head();
        assert_eq!((head.journal, head.life), (7, 1000));
    }

    #[test]
    fn a_torn_end_is_dropped_wherever_it_is_torn() {
        let folder = TempDir::new().unwrap();
        let mut journal = open(&folder, BOOT, 7).journal;
        journal.append(&[event(1)]).unwrap();
        let whole = fs::read(file(&folder)).unwrap().len();
        journal.append(&[event(2)]).unwrap();
        let bytes = fs::read(file(&folder)).unwrap();
        for end in whole..bytes.len() {
            fs::write(file(&folder), &bytes[..end]).unwrap();
            let mut opened = open(&folder, BOOT, 8);
            assert_eq!(opened.events, [event(1)], "cut at {end}");
            opened.journal.append(&[event(3)]).unwrap();
            assert_eq!(open(&folder, BOOT, 8).events, [event(1), event(3)], "cut at {end}");
        }
    }

    #[test]
    fn another_boot_begins_a_journal_of_a_later_life() {
        let folder = TempDir::new().unwrap();
        open(&folder, BOOT, 7).journal.append(&[event(1)]).unwrap();
        let opened = open(&folder, "another", 8);
        assert_eq!(opened.events, []);
        let head = opened.journal.head();
        assert_eq!((head.journal, head.life), (8, 1001));
    }

    #[test]
    fn a_damaged_journal_is_put_aside() {
        let folder = TempDir::new().unwrap();
        open(&folder, BOOT, 7).journal.append(&[event(1)]).unwrap();
        let mut bytes = fs::read(file(&folder)).unwrap();
        bytes.extend_from_slice(&[0, 0, 0, 1, 0xc1]);
        fs::write(file(&folder), &bytes).unwrap();
        let opened = open(&folder, BOOT, 8);
        assert_eq!((opened.journal.head().journal, opened.events.len()), (8, 0));
        assert!(folder.path().join(DAMAGED_FILE).exists());
    }

    #[test]
    fn a_state_that_is_longer_than_a_message_is_found_again() {
        let folder = TempDir::new().unwrap();
        let state = fat_state();
        assert!(frame::encode(&state).is_err(), "as one message it is too long");
        let mut journal = open(&folder, BOOT, 7).journal;
        journal.share_out(&Resources::default(), &state).unwrap();
        journal.append(&[event(1)]).unwrap();
        let opened = open(&folder, BOOT, 8);
        assert!(opened.state == state);
        assert_eq!(opened.events, [event(1)]);
    }

    #[test]
    fn a_long_journal_is_written_anew() {
        let folder = TempDir::new().unwrap();
        let mut journal = open(&folder, BOOT, 7).journal;
        let many: Vec<Event> = (0..1000).map(event).collect();
        while journal.bytes < COMPACT_BYTES {
            journal.append(&many).unwrap();
            assert_eq!(journal.bytes, fs::metadata(file(&folder)).unwrap().len());
        }
        journal.compact_if_long(&State::default()).unwrap();
        assert!(journal.bytes < 1000, "{} bytes", journal.bytes);
        journal.append(&[event(1)]).unwrap();
        assert_eq!(open(&folder, BOOT, 8).events, [event(1)]);
    }
}
