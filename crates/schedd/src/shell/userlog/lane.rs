//! The logs of one file system, written by one thread: a server that does not answer delays the
//! logs that are on it, and no others. What does not fit into memory waits in the outbox, and is
//! read again from there; what a full disk refuses is tried again. Knows nothing of jobs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use proto::clock;

use super::file::{OTHERS_BYTES, append, complete, may_pass};
use crate::shell::userlog::file::{LogFile, Opener, Rotation};
use crate::shell::userlog::{LogText, Outbox, Tally};

/// How much is written at once, bytes: texts that came meanwhile are written, and synced, together.
const ROUND_BYTES: usize = 1 << 20;

/// How much of one log is compared with its end at a time, bytes: more than can have been written
/// of it without that the outbox forgot it. Tests have less at a time, and so several times.
const UNSURE_BYTES: usize = if cfg!(test) { 64 } else { 16 << 20 };

/// How long what is written may stay unsynced, milliseconds. Syncing is dear and its delay costs
/// nothing: the outbox has the texts until then.
const SYNC_EVERY_MS: u64 = 200;

/// Files that wait to be synced together: far below the limit of descriptors.
const UNSYNCED_FILES: usize = 128;

/// When a log that a full disk refused is tried again, milliseconds.
const RETRY_MS: u64 = 2000;

/// What waits for a lane's thread.
#[derive(Debug, Default)]
struct Waiting {
    queue: VecDeque<LogText>,
    bytes: usize,
    /// Texts after the first and up to the second number are in the outbox only.
    spilled: Option<(u64, u64)>,
    /// Whether the thread has nothing in its hands, and nothing that it will try again.
    idle: bool,
    closed: bool,
}

/// The engine's end.
#[derive(Debug)]
pub(super) struct Lane {
    waiting: Arc<(Mutex<Waiting>, Condvar)>,
    most_bytes: usize,
    /// Bytes that it was given and that are not done.
    owed: Arc<AtomicUsize>,
}

/// What a lane's thread works with.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) outbox: Outbox,
    /// Which logs are this lane's, of those in the outbox.
    pub(super) is_mine: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    pub(super) rotation: Option<Rotation>,
    pub(super) open: Opener,
    pub(super) tally: Arc<Tally>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lane {
    /// Starts its thread. `pending` are the numbers that the outbox had at a restart: some of them
    /// may stand in the logs already. What it is given last of `alive` is dropped when the thread
    /// has written everything after [`Self::close`].
    pub(super) fn start(
        tools: Tools,
        pending: Option<(u64, u64)>,
        most_bytes: usize,
        alive: SyncSender<()>,
    ) -> Self {
        let waiting = Waiting { spilled: pending, ..Waiting::default() };
        let waiting = Arc::new((Mutex::new(waiting), Condvar::new()));
        let owed = Arc::new(AtomicUsize::new(0));
        let writer = Writer {
            owed: Arc::clone(&owed),
            waiting: Arc::clone(&waiting),
            tools,
            kept: BTreeMap::new(),
            retry_at: None,
            unsynced: BTreeMap::new(),
            unsynced_since: None,
            taken: pending.map_or(0, |(after, _)| after),
            doubt: pending.is_some().then(Doubt::default),
        };
        thread::spawn(move || {
            writer.run();
            drop(alive);
        });
        Self { waiting, most_bytes, owed }
    }

    /// Hands over a text. Never waits: what does not fit stays in the outbox until the thread has
    /// caught up.
    pub(super) fn add(&self, text: LogText) {
        self.owed.fetch_add(text.text.len(), Ordering::Relaxed);
        let mut waiting = lock(&self.waiting.0);
        waiting.idle = false;
        let fits = waiting.bytes == 0 || waiting.bytes + text.text.len() <= self.most_bytes;
        match &mut waiting.spilled {
            Some((_, upto)) => *upto = text.id,
            None if fits => {
                waiting.bytes += text.text.len();
                waiting.queue.push_back(text);
            }
            None => waiting.spilled = Some((text.id - 1, text.id)),
        }
        drop(waiting);
        self.waiting.1.notify_one();
    }

    /// Bytes that it was given and that are neither written nor given up: the outbox has them.
    pub(super) fn owed(&self) -> usize {
        self.owed.load(Ordering::Relaxed)
    }

    /// Whether all is written that it was given.
    pub(super) fn is_idle(&self) -> bool {
        lock(&self.waiting.0).idle
    }

    /// The thread ends after what is in memory. What is only in the outbox waits for the next life.
    pub(super) fn close(&self) {
        lock(&self.waiting.0).closed = true;
        self.waiting.1.notify_one();
    }
}

/// What is to be done next.
enum Work {
    Texts(Vec<LogText>),
    /// Read the outbox after this number, up to that.
    Spilled(u64, u64),
    Later,
    End,
}

/// Written, and not synced yet.
struct Unsynced {
    file: Option<Box<dyn LogFile>>,
    /// The numbers of the texts and how long these are together.
    ids: Vec<u64>,
    bytes: usize,
}

struct Writer {
    owed: Arc<AtomicUsize>,
    waiting: Arc<(Mutex<Waiting>, Condvar)>,
    tools: Tools,
    /// Logs that a full disk refused, and the first text that each has not taken.
    kept: BTreeMap<Arc<str>, u64>,
    retry_at: Option<u64>,
    unsynced: BTreeMap<Arc<str>, Unsynced>,
    unsynced_since: Option<u64>,
    /// The last number that was taken, from memory or the outbox.
    taken: u64,
    /// Set while what is read from the outbox next may stand in the logs already.
    doubt: Option<Doubt>,
}

/// What may stand in the logs already, and is compared with their ends.
#[derive(Debug, Default)]
struct Doubt {
    /// Logs of which something did not stand there yet: what comes behind it does not either.
    found: BTreeSet<Arc<str>>,
    /// Whether not all of it is in hand: what is compared may have more of the same behind it.
    is_part: bool,
}

impl Doubt {
    /// How much may stand in a log behind what is compared, bytes; nothing if that is sure to stand
    /// nowhere yet.
    fn behind(&self, log: &str) -> Option<usize> {
        let is_found = self.found.contains(log);
        (!is_found)
            .then(|| if self.is_part { UNSURE_BYTES.max(OTHERS_BYTES) } else { OTHERS_BYTES })
    }
}

fn now_ms() -> u64 {
    clock::now().boot_ms
}

impl Writer {
    fn run(mut self) {
        loop {
            match self.next() {
                Work::Texts(texts) => self.take(texts, None),
                Work::Spilled(after, upto) => {
                    if !self.read_spilled(after, upto) {
                        break;
                    }
                }
                Work::Later => {}
                Work::End => break,
            }
            if self.retry_at.is_some_and(|at| at <= now_ms()) {
                self.retry();
            }
            if self.unsynced_since.is_some_and(|since| since + SYNC_EVERY_MS <= now_ms()) {
                self.sync();
            }
        }
        self.sync();
    }

    /// Waits for work, or until something is due.
    fn next(&self) -> Work {
        let mut waiting = lock(&self.waiting.0);
        loop {
            if !waiting.queue.is_empty() {
                return Work::Texts(waiting.round());
            }
            if waiting.closed {
                return Work::End;
            }
            if let Some((after, upto)) = waiting.spilled {
                return Work::Spilled(after, upto);
            }
            waiting.idle = self.kept.is_empty();
            let sync_at = self.unsynced_since.map(|since| since + SYNC_EVERY_MS);
            let due = sync_at.into_iter().chain(self.retry_at).min();
            let now = now_ms();
            match due {
                Some(due) if due <= now => return Work::Later,
                Some(due) => {
                    let wait = Duration::from_millis(due - now);
                    waiting = self
                        .waiting
                        .1
                        .wait_timeout(waiting, wait)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
                None => {
                    waiting = self.waiting.1.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// A part of what is in the outbox only; whether the schedd still goes on.
    fn read_spilled(&mut self, after: u64, upto: u64) -> bool {
        // What may be written twice after a crash stays bounded: the outbox forgets before more is
        // taken from it.
        self.sync();
        self.tools.tally.wait_until_forgotten();
        let mut doubt = self.doubt.take();
        let (mut mine, mut bytes, mut read_to) = (Vec::new(), 0, after);
        loop {
            let Some(page) = (self.tools.outbox)(read_to) else { return false };
            read_to = page.last().map_or(upto, |text| text.id);
            for text in page.into_iter().filter(|text| (self.tools.is_mine)(&text.path)) {
                bytes += text.text.len();
                mine.push(text);
            }
            // What the last life may have written already is looked at together.
            if doubt.is_none() || read_to >= upto || bytes >= UNSURE_BYTES {
                break;
            }
        }
        if let Some(doubt) = &mut doubt {
            doubt.is_part |= read_to < upto;
        }
        self.take(mine, doubt.as_mut());
        // Others' texts may be before those of a log.
        self.doubt = doubt.filter(|_| read_to < upto);
        self.taken = self.taken.max(read_to);
        let mut waiting = lock(&self.waiting.0);
        if let Some((after, upto)) = &mut waiting.spilled {
            *after = read_to;
            if read_to >= *upto {
                waiting.spilled = None;
            }
        }
        true
    }

    /// Writes texts, those of a log together.
    fn take(&mut self, texts: Vec<LogText>, mut doubt: Option<&mut Doubt>) {
        let mut by_log: BTreeMap<Arc<str>, (Vec<u64>, String)> = BTreeMap::new();
        for text in texts {
            self.taken = self.taken.max(text.id);
            // A log that has not taken its last entries gets these behind them.
            if !self.kept.contains_key(&text.path) {
                let (ids, all) = by_log.entry(text.path).or_default();
                ids.push(text.id);
                all.push_str(&text.text);
            }
        }
        for (log, (ids, text)) in by_log {
            let Tools { rotation, open, .. } = &self.tools;
            let behind = doubt.as_ref().and_then(|doubt| doubt.behind(&log));
            let done = match behind {
                Some(behind) => complete(&log, (&text, behind), rotation.as_ref(), open),
                None => append(&log, &text, rotation.as_ref(), open).map(|file| (file, 0)),
            };
            if let (Some(doubt), Ok((_, there))) = (&mut doubt, &done)
                && *there < text.len()
            {
                doubt.found.insert(Arc::clone(&log));
            }
            match done.map(|(file, _)| file) {
                Ok(file) => self.written(log, file, &ids, text.len()),
                Err(error) => self.refused(&log, &error, (&ids, text.len())),
            }
            if self.unsynced.len() >= UNSYNCED_FILES {
                self.sync();
            }
        }
    }

    fn written(
        &mut self,
        log: Arc<str>,
        file: Option<Box<dyn LogFile>>,
        ids: &[u64],
        bytes: usize,
    ) {
        let new = Unsynced { file: None, ids: Vec::new(), bytes: 0 };
        let unsynced = self.unsynced.entry(log).or_insert(new);
        // A log that began anew is synced through its last file; the one before is an old one by
        // now.
        if let (Some(old), true) = (unsynced.file.take(), self.tools.rotation.is_some()) {
            let _ = old.sync();
        }
        unsynced.file = file;
        unsynced.ids.extend(ids);
        unsynced.bytes += bytes;
        self.unsynced_since.get_or_insert_with(now_ms);
    }

    /// A log that did not take its texts: tried again where that can help, else told of and left.
    fn refused(&mut self, log: &Arc<str>, error: &io::Error, (ids, bytes): (&[u64], usize)) {
        if may_pass(error) {
            tracing::warn!(%log, %error, "a user's event log takes nothing now: its entries are kept");
            if let Some(first) = ids.first() {
                let kept = self.kept.entry(Arc::clone(log)).or_insert(*first);
                *kept = (*kept).min(*first);
            }
            self.retry_at = Some(now_ms() + RETRY_MS);
        } else {
            tracing::warn!(%log, %error, "cannot write a user's event log: its entries are left out");
            self.paid(bytes);
            self.tools.tally.done(ids, 0);
        }
    }

    /// Makes durable what is written, and lets the outbox forget it.
    fn sync(&mut self) {
        self.unsynced_since = None;
        for (log, unsynced) in std::mem::take(&mut self.unsynced) {
            match unsynced.file.as_ref().map_or(Ok(()), |file| file.sync()) {
                Ok(()) => {
                    self.paid(unsynced.bytes);
                    self.tools.tally.done(&unsynced.ids, unsynced.bytes);
                }
                Err(error) => self.refused(&log, &error, (&unsynced.ids, unsynced.bytes)),
            }
        }
    }

    /// So many bytes are done. Of what the last life has left nobody knows how many there are.
    fn paid(&self, bytes: usize) {
        let less = |owed: usize| Some(owed.saturating_sub(bytes));
        let _ = self.owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Tries again what was refused. What a log took before it refused the rest, and what it took
    /// and could not make durable, stands there: all that was in hand is compared with its end, as
    /// after a restart.
    fn retry(&mut self) {
        self.retry_at = None;
        self.sync();
        self.retry_at = None;
        let trying = std::mem::take(&mut self.kept);
        let Some(first) = trying.values().min() else { return };
        let (mut after, mut doubt) = (first.saturating_sub(1), Doubt::default());
        while after < self.taken {
            let (mut kept, mut bytes) = (Vec::new(), 0);
            while after < self.taken && bytes < UNSURE_BYTES {
                let Some(page) = (self.tools.outbox)(after) else { return };
                after = page.last().map_or(self.taken, |last| last.id);
                let taken = self.taken;
                let is_kept = |text: &LogText| {
                    text.id <= taken
                        && trying.get(&text.path).is_some_and(|first| text.id >= *first)
                };
                for text in page.into_iter().filter(is_kept) {
                    bytes += text.text.len();
                    kept.push(text);
                }
            }
            doubt.is_part |= after < self.taken;
            self.take(kept, Some(&mut doubt));
            if self.kept.len() == trying.len() {
                break;
            }
        }
    }
}

impl Waiting {
    fn round(&mut self) -> Vec<LogText> {
        let mut round = Vec::new();
        let mut bytes = 0;
        while bytes < ROUND_BYTES
            && let Some(text) = self.queue.pop_front()
        {
            bytes += text.text.len();
            round.push(text);
        }
        self.bytes -= bytes;
        round
    }
}
