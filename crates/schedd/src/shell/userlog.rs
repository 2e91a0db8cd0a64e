//! Writes users' event logs, on a thread of its own, behind the record: what is logged was committed before, and each event
//! stands in a log once, even if the schedd is killed between writing and remembering that it did.
//!
//! Texts are committed with the events they tell of (the store's outbox), and forgotten in a commit after they were appended.
//! The truth is the record in the store; a log is a copy for people and for tools that read HTCondor's format. A log that cannot
//! be written is reported and costs no job anything.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
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

/// The writer's thread.
#[derive(Debug)]
pub(crate) struct LogWriter {
    queue: Option<SyncSender<LogBatch>>,
    written: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Starts it. `pending` is what the outbox had at a restart: some of it may stand in the logs already.
    pub(crate) fn start(pending: LogBatch) -> Self {
        let (queue, batches) = sync_channel(QUEUE);
        let written = Arc::new(AtomicU64::new(pending.upto));
        let thread = thread::spawn({
            let written = Arc::clone(&written);
            move || {
                write_pending(&pending);
                write_batches(&batches, &written);
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

fn write_batches(batches: &Receiver<LogBatch>, written: &AtomicU64) {
    for batch in batches {
        for (path, text) in &batch.texts {
            if let Err(error) = append(Path::new(&**path), text) {
                tracing::warn!(log = %path, %error, "cannot write a user's event log");
            }
        }
        written.store(batch.upto, Ordering::Release);
    }
}

/// After a restart: appends only what is not there yet.
fn write_pending(pending: &LogBatch) {
    for (path, text) in &pending.texts {
        let log = Path::new(&**path);
        let missing = present(log, text).map(|n| &text[n..]);
        let done = missing
            .and_then(|missing| if missing.is_empty() { Ok(()) } else { append(log, missing) });
        if let Err(error) = done {
            tracing::warn!(log = %path, %error, "cannot write a user's event log");
        }
    }
}

/// How many bytes of `text`'s beginning, in whole events, are the end of the file. The schedd is the only writer of its jobs'
/// events, and it had written a beginning of the pending text when it was killed. A torn last event counts as written as far
/// as it goes, so that the rest completes it.
fn present(path: &Path, text: &str) -> io::Result<usize> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let window = length.min(text.len() as u64);
    file.seek(SeekFrom::Start(length - window))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let longest = (1..=tail.len())
        .rev()
        .find(|n| text.is_char_boundary(*n) && tail.ends_with(&text.as_bytes()[..*n]));
    Ok(longest.unwrap_or(0))
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file: File = OpenOptions::new().append(true).create(true).open(PathBuf::from(path))?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn restart_with(before: &str, pending: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path: Arc<str> = dir.path().join("job.log").to_str().unwrap().into();
        fs::write(&*path, before).unwrap();
        let mut batch = LogBatch { upto: 9, ..LogBatch::default() };
        batch.add(Arc::clone(&path), pending);
        drop(LogWriter::start(batch));
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
        let writer = LogWriter::start(LogBatch::default());
        let mut batch = LogBatch { upto: 4, ..LogBatch::default() };
        batch.add(dir.path().to_str().unwrap().into(), "x"); // a folder
        let good: Arc<str> = dir.path().join("good").to_str().unwrap().into();
        batch.add(Arc::clone(&good), "y");
        writer.write(batch);
        drop(writer);
        assert_eq!(fs::read_to_string(&*good).unwrap(), "y");
    }
}
