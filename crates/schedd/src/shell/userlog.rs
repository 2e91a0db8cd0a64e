//! Writes users' event logs, on a thread of its own, behind the record: what is logged was committed before, and each event
//! stands in a log once, even if the schedd is killed between writing and remembering that it did.
//!
//! Texts are committed with the events they tell of (the store's outbox), and forgotten in a commit after they were appended.
//! The truth is the record in the store; a log is a copy for people and for tools that read HTCondor's format. A log that cannot
//! be written is reported and costs no job anything.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Batches that wait for a slow disk. When it is full the engine waits: logs never grow behind without bound.
const QUEUE: usize = 64;

/// Text for some logs, and its last number in the outbox.
#[derive(Debug, Default)]
pub(crate) struct LogBatch {
    /// The last number in the outbox that is in here.
    pub(crate) upto: u64,
    /// What to append, by file, in order.
    pub(crate) texts: BTreeMap<Arc<str>, String>,
}

impl LogBatch {
    /// Adds an event's text to a log.
    pub(crate) fn add(&mut self, log: Arc<str>, text: &str) {
        self.texts.entry(log).or_default().push_str(text);
    }
}

/// When a log begins anew, and how many old ones are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    pub(crate) path: Arc<str>,
    /// How long it may get, bytes; without end if unset.
    pub(crate) most_bytes: Option<u64>,
    /// How many old ones are kept: one as `NAME.old`, more as `NAME.1` (the last) and so on (HTCondor 25.14).
    pub(crate) kept: u32,
}

impl Rotation {
    /// The names of old logs, the last first.
    fn old(&self) -> Vec<PathBuf> {
        let name = |end: &str| PathBuf::from(format!("{}.{end}", self.path));
        match self.kept {
            0 => Vec::new(),
            1 => vec![name("old")],
            kept => (1..=kept).map(|nth| name(&nth.to_string())).collect(),
        }
    }

    /// Makes room for so many bytes more.
    fn make_room(&self, bytes: usize) -> io::Result<()> {
        let path = Path::new(&*self.path);
        let length = fs::metadata(path).map_or(0, |found| found.len());
        let after = length.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if length == 0 || self.most_bytes.is_none_or(|most| after <= most) {
            return Ok(());
        }
        let old = self.old();
        for nth in (1..old.len()).rev() {
            rename(&old[nth - 1], &old[nth])?;
        }
        match old.first() {
            Some(last) => rename(path, last),
            None => fs::remove_file(path),
        }
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// The writer's thread.
#[derive(Debug)]
pub(crate) struct LogWriter {
    queue: Option<SyncSender<LogBatch>>,
    written: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Starts it. `pending` is what the outbox had at a restart: some of it may stand in the logs already.
    pub(crate) fn start(pending: LogBatch, rotation: Option<Rotation>) -> Self {
        let (queue, batches) = sync_channel(QUEUE);
        let written = Arc::new(AtomicU64::new(pending.upto));
        let thread = thread::spawn({
            let written = Arc::clone(&written);
            move || {
                write_pending(&pending, rotation.as_ref());
                write_batches(&batches, &written, rotation.as_ref());
            }
        });
        Self { queue: Some(queue), written, thread: Some(thread) }
    }

    /// Hands over a batch; waits if the disk is far behind.
    pub(crate) fn write(&self, batch: LogBatch) {
        if let Some(queue) = &self.queue {
            // The thread ends only when the queue is dropped.
            let _ = queue.send(batch);
        }
    }

    /// Up to which number of the outbox the logs are written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }
}

impl Drop for LogWriter {
    /// Waits until all is written.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_batches(batches: &Receiver<LogBatch>, written: &AtomicU64, rotation: Option<&Rotation>) {
    for batch in batches {
        for (path, text) in &batch.texts {
            if let Err(error) = append(path, text, rotation) {
                tracing::warn!(log = %path, %error, "cannot write a user's event log");
            }
        }
        written.store(batch.upto, Ordering::Release);
    }
}

/// After a restart: appends only what is not there yet.
fn write_pending(pending: &LogBatch, rotation: Option<&Rotation>) {
    for (path, text) in &pending.texts {
        let log = Path::new(&**path);
        let old = rotation.filter(|rotation| rotation.path == *path).map(Rotation::old);
        let old = old.unwrap_or_default();
        let missing = present(log, old.first().map(PathBuf::as_path), text).map(|n| &text[n..]);
        let done = missing.and_then(|missing| {
            if missing.is_empty() { Ok(()) } else { append(path, missing, rotation) }
        });
        if let Err(error) = done {
            tracing::warn!(log = %path, %error, "cannot write a user's event log");
        }
    }
}

/// How many bytes of `text`'s beginning, in whole events, are the end of the file. The schedd is the only writer of its jobs'
/// events, and it had written a beginning of the pending text when it was killed. A torn last event counts as written as far
/// as it goes, so that the rest completes it.
/// Of a log that has just begun anew, what stands in the one before counts too.
fn present(path: &Path, old: Option<&Path>, text: &str) -> io::Result<usize> {
    let mut tail = end_of(path, text.len())?;
    if let Some(old) = old.filter(|_| tail.len() < text.len()) {
        let before = end_of(old, text.len() - tail.len())?;
        tail.splice(0..0, before);
    }
    let longest = (1..=tail.len())
        .rev()
        .find(|n| text.is_char_boundary(*n) && tail.ends_with(&text.as_bytes()[..*n]));
    Ok(longest.unwrap_or(0))
}

/// The last bytes of a file, at most so many; nothing of one that is not there.
fn end_of(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length - length.min(most as u64)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(end)
}

fn append(path: &Arc<str>, text: &str, rotation: Option<&Rotation>) -> io::Result<()> {
    if let Some(rotation) = rotation.filter(|rotation| rotation.path == *path) {
        rotation.make_room(text.len())?;
    }
    let mut file = OpenOptions::new().append(true).create(true).open(&**path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restart_with(before: &str, pending: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path: Arc<str> = dir.path().join("job.log").to_str().unwrap().into();
        fs::write(&*path, before).unwrap();
        let mut batch = LogBatch { upto: 9, ..LogBatch::default() };
        batch.add(Arc::clone(&path), pending);
        drop(LogWriter::start(batch, None));
        fs::read_to_string(&*path).unwrap()
    }

    #[test]
    fn after_a_restart_an_event_stands_in_the_log_once() {
        let (a, b, c) = ("000 (1.0) a\n...\n", "001 (1.0) b\n...\n", "005 (1.0) c\n...\n");
        let pending = format!("{b}{c}");
        for already in ["", b, &format!("{b}{c}"), "001 (1.0", &format!("{b}005")] {
            assert_eq!(
                restart_with(&format!("{a}{already}"), &pending),
                format!("{a}{b}{c}"),
                "{already:?} was written"
            );
        }
    }

    #[test]
    fn a_log_that_cannot_be_written_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let writer = LogWriter::start(LogBatch::default(), None);
        let mut batch = LogBatch { upto: 4, ..LogBatch::default() };
        batch.add(dir.path().to_str().unwrap().into(), "x"); // a folder
        let good: Arc<str> = dir.path().join("good").to_str().unwrap().into();
        batch.add(Arc::clone(&good), "y");
        writer.write(batch);
        drop(writer);
        assert_eq!(fs::read_to_string(&*good).unwrap(), "y");
    }

    #[test]
    fn a_log_of_all_jobs_begins_anew_when_it_is_long_and_old_ones_are_kept() {
        let check = |kept: u32, most_bytes: Option<u64>, expected: &[(&str, &str)]| {
            let dir = tempfile::tempdir().unwrap();
            let path: Arc<str> = dir.path().join("log").to_str().unwrap().into();
            let rotation = Rotation { path: Arc::clone(&path), most_bytes, kept };
            let writer = LogWriter::start(LogBatch::default(), Some(rotation));
            for (upto, text) in (1..).zip(["aaaa", "bb", "cccc", "dddddddd", "e"]) {
                let mut batch = LogBatch { upto, ..LogBatch::default() };
                batch.add(Arc::clone(&path), text);
                writer.write(batch);
            }
            drop(writer);
            let mut found: Vec<(String, String)> = fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap())
                .map(|entry| {
                    (
                        entry.file_name().into_string().unwrap(),
                        fs::read_to_string(entry.path()).unwrap(),
                    )
                })
                .collect();
            found.sort();
            let found: Vec<_> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            assert_eq!(found, expected, "{kept} {most_bytes:?}");
        };
        check(1, None, &[("log", "aaaabbccccdddddddde")]);
        check(0, Some(6), &[("log", "e")]);
        check(1, Some(6), &[("log", "e"), ("log.old", "dddddddd")]);
        check(2, Some(6), &[("log", "e"), ("log.1", "dddddddd"), ("log.2", "cccc")]);
        check(
            9,
            Some(6),
            &[("log", "e"), ("log.1", "dddddddd"), ("log.2", "cccc"), ("log.3", "aaaabb")],
        );
    }

    #[test]
    fn after_a_restart_an_event_stands_once_in_a_log_that_has_begun_anew() {
        for (old, log) in [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc")] {
            let dir = tempfile::tempdir().unwrap();
            let path: Arc<str> = dir.path().join("log").to_str().unwrap().into();
            let rotation = Rotation { path: Arc::clone(&path), most_bytes: Some(9), kept: 1 };
            fs::write(format!("{path}.old"), format!("x{old}")).unwrap();
            fs::write(&*path, log).unwrap();
            let mut batch = LogBatch { upto: 9, ..LogBatch::default() };
            batch.add(Arc::clone(&path), "abcd");
            drop(LogWriter::start(batch, Some(rotation)));
            assert_eq!(fs::read_to_string(&*path).unwrap(), format!("{log}d"), "{old} {log}");
        }
    }
}
