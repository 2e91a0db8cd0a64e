//! Writes users' event logs, on threads of their own, behind the record: what is logged was
//! committed before, and each event stands in a log once, even if the schedd is killed between
//! writing and remembering that it did, or a disk is full in the middle of a write.
//!
//! Texts are committed with the events they tell of (the store's outbox), and forgotten in a commit
//! after they were appended and synced. The truth is the record in the store; a log is a copy for
//! people and for tools that read HTCondor's format. A log that cannot be written is reported and
//! costs no job anything.
//!
//! **The engine never waits for a log.** Each file system has a thread of its own ([`lane`]): a
//! server that does not answer delays the logs that are on it. Where logs are written as their
//! owners ([`owned`]), each owner has one. What does not fit into a thread's
//! memory is left in the outbox, and read again from there.

mod file;
mod lane;
mod mounts;
mod owned;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use file::Rotation;
use file::{Opener, OurDisk};
use lane::{Lane, Tools};
use mounts::Mounts;
pub use owned::write_for_schedd;
pub(crate) use owned::{LogHelpers, name_of};
use proto::clock;

use super::logtext::WrittenBy;

/// Texts of one file system that wait in memory, bytes: seconds of work for a disk. More wait in
/// the outbox.
const LANE_BYTES: usize = 8 << 20;

/// Texts that are written and that the outbox has not forgotten, bytes: what a restart compares
/// with the ends of the logs.
const UNFORGOTTEN_BYTES: usize = 4 << 20;

/// Texts of one user's logs that wait until they can be written, bytes: a full quota, or a process
/// of his that stands still, is not to fill the queue's disk. More are left out. It is what the
/// removal of a million jobs says of them: logs that are written, only slowly, lose nothing.
const OWED_BYTES: usize = 256 << 20;

/// How long a stop waits for logs: a laden disk takes seconds to sync, and the pool of one command
/// has no next start. What is not written then is in the outbox.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// How often file systems that are new are looked for, milliseconds.
const MOUNTS_EVERY_MS: u64 = 10_000;

/// Text for some logs.
#[derive(Debug, Default)]
pub(crate) struct LogBatch {
    /// What to append, by file, in order.
    pub(crate) texts: BTreeMap<Arc<str>, String>,
}

impl LogBatch {
    /// Adds an event's text to a log.
    pub(crate) fn add(&mut self, log: Arc<str>, text: &str) {
        self.texts.entry(log).or_default().push_str(text);
    }
}

/// Text for one log, as the outbox has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogText {
    /// Its number in the outbox.
    pub(crate) id: u64,
    pub(crate) path: Arc<str>,
    /// What to append.
    pub(crate) text: String,
}

/// Reads a part of the outbox after a number, in order; none when there is nobody left to ask.
/// Blocks.
pub(crate) type Outbox = Arc<dyn Fn(u64) -> Option<Vec<LogText>> + Send + Sync>;

/// What the outbox had at a restart: some of it may stand in the logs already.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Its last number.
    pub(crate) upto: u64,
    /// The logs that have texts there.
    pub(crate) logs: BTreeSet<Arc<str>>,
}

/// What a writer is made of.
pub(crate) struct Surroundings {
    /// How the outbox is read.
    pub(crate) outbox: Outbox,
    /// Asks the engine to forget what is written though nothing else happens.
    pub(crate) remind: Box<dyn Fn() + Send + Sync>,
    /// The log that begins anew when it is long.
    pub(crate) rotation: Option<Rotation>,
    /// Who writes users' logs, if that is not us.
    pub(crate) helpers: Option<Arc<LogHelpers>>,
}

/// What is written, and not forgotten yet.
struct Tally {
    state: Mutex<Done>,
    forgotten: Condvar,
    remind: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Done {
    ids: Vec<u64>,
    bytes: usize,
    closed: bool,
}

impl Tally {
    fn lock(&self) -> MutexGuard<'_, Done> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are written and synced, or given up.
    fn done(&self, ids: &[u64], bytes: usize) {
        let mut done = self.lock();
        done.ids.extend(ids);
        done.bytes += bytes;
        let is_much = done.bytes >= UNFORGOTTEN_BYTES;
        drop(done);
        if is_much {
            (self.remind)();
        }
    }

    fn wait_until_forgotten(&self) {
        let mut done = self.lock();
        while done.bytes >= UNFORGOTTEN_BYTES && !done.closed {
            // The engine's queue may have been full when it was reminded.
            (self.remind)();
            let waited = self.forgotten.wait_timeout(done, Duration::from_secs(1));
            done = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The engine's end of the writers.
pub(crate) struct LogWriter {
    lanes: BTreeMap<PathBuf, Lane>,
    mounts: Arc<Mounts>,
    mounts_read_ms: u64,
    surroundings: (Outbox, Option<Rotation>, Opener),
    tally: Arc<Tally>,
    lane_bytes: usize,
    owed_bytes: usize,
    by: WrittenBy,
    last: u64,
    alive: (Option<SyncSender<()>>, Receiver<()>),
}

impl LogWriter {
    /// Starts what is needed for `pending`.
    pub(crate) fn start(pending: &Pending, surroundings: Surroundings) -> Self {
        let disk: Opener = match &surroundings.helpers {
            Some(helpers) => Arc::new(owned::OwnersDisk(Arc::clone(helpers))),
            None => Arc::new(OurDisk),
        };
        Self::start_with(pending, surroundings, LANE_BYTES, disk)
    }

    fn start_with(
        pending: &Pending,
        Surroundings { outbox, remind, rotation, helpers }: Surroundings,
        lane_bytes: usize,
        open: Opener,
    ) -> Self {
        let tally = Tally { state: Mutex::default(), forgotten: Condvar::new(), remind };
        let (alive, ended) = sync_channel(1);
        let mut writer = Self {
            lanes: BTreeMap::new(),
            mounts: Arc::new(Mounts::read()),
            mounts_read_ms: clock::now().boot_ms,
            surroundings: (outbox, rotation, open),
            tally: Arc::new(tally),
            lane_bytes,
            owed_bytes: OWED_BYTES,
            by: if helpers.is_some() { WrittenBy::Owners } else { WrittenBy::Us },
            last: pending.upto,
            alive: (Some(alive), ended),
        };
        for log in &pending.logs {
            writer.lane(log, Some((0, pending.upto)));
        }
        writer
    }

    /// Who writes users' logs.
    pub(crate) fn written_by(&self) -> WrittenBy {
        self.by
    }

    /// The last number that was given in the outbox.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Takes out what is for logs that have too much waiting already: their users' own, who do not
    /// let them be written.
    pub(crate) fn leave_out(&mut self, batch: &mut LogBatch) {
        let (lanes, mounts) = (&self.lanes, &self.mounts);
        let owes = |log: &str| {
            let lane = owned::parts(log).and_then(|_| lanes.get(lane_of(mounts, log)));
            lane.is_some_and(|lane| lane.owed() > self.owed_bytes)
        };
        let before = batch.texts.len();
        batch.texts.retain(|log, _| !owes(log));
        let left_out = before - batch.texts.len();
        if left_out > 0 {
            tracing::debug!(left_out, "entries of logs whose users do not let them be written");
        }
    }

    /// Hands over texts that are committed. Never waits.
    pub(crate) fn write(&mut self, texts: Vec<LogText>) {
        if texts.is_empty() {
            return;
        }
        self.look_for_mounts();
        for text in texts {
            self.last = text.id;
            if let Some(lane) = self.lane(&text.path, None) {
                lane.add(text);
            }
        }
    }

    /// The numbers of the texts that are written, or given up, since this was asked last: the next
    /// commit forgets them.
    pub(crate) fn take_done(&self) -> Vec<u64> {
        let mut done = self.tally.lock();
        done.bytes = 0;
        let ids = std::mem::take(&mut done.ids);
        drop(done);
        self.tally.forgotten.notify_all();
        ids
    }

    /// A log's lane, which is started if there is none; none after the end.
    fn lane(&mut self, log: &str, pending: Option<(u64, u64)>) -> Option<&Lane> {
        let alive = self.alive.0.clone()?;
        let mount = lane_of(&self.mounts, log);
        if !self.lanes.contains_key(mount) {
            let (outbox, rotation, open) = self.surroundings.clone();
            let is_mine = {
                let (mounts, mount) = (Arc::clone(&self.mounts), mount.to_owned());
                Arc::new(move |log: &str| lane_of(&mounts, log) == mount)
            };
            let tally = Arc::clone(&self.tally);
            let tools = Tools { outbox, is_mine, rotation, open, tally };
            let lane = Lane::start(tools, pending, self.lane_bytes, alive);
            self.lanes.insert(mount.to_owned(), lane);
        }
        self.lanes.get(mount)
    }

    /// A log must not change its lane while one of them has something of it: new file systems are
    /// taken note of in a pause.
    fn look_for_mounts(&mut self) {
        let now = clock::now().boot_ms;
        if now < self.mounts_read_ms + MOUNTS_EVERY_MS || !self.lanes.values().all(Lane::is_idle) {
            return;
        }
        self.mounts_read_ms = now;
        let found = Mounts::read();
        if found != *self.mounts {
            self.lanes.values().for_each(Lane::close);
            self.lanes.clear();
            self.mounts = Arc::new(found);
        }
    }
}

/// What a log's lane is called: after its owner, if it is written as that, or its file system.
fn lane_of<'a>(mounts: &'a Mounts, log: &'a str) -> &'a Path {
    owned::parts(log).map_or_else(|| mounts.of(log), |(owner, _)| Path::new(owner))
}

impl Drop for LogWriter {
    /// Waits until what is in memory is written, but not for ever.
    fn drop(&mut self) {
        self.lanes.values().for_each(Lane::close);
        self.tally.lock().closed = true;
        self.tally.forgotten.notify_all();
        drop(self.alive.0.take());
        if let Err(RecvTimeoutError::Timeout) = self.alive.1.recv_timeout(STOP_WAIT) {
            tracing::warn!(
                "some users' event logs do not take their entries: these are kept for the next start"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::file::{LogFile, open_plain};
    use super::*;

    fn outbox(texts: &Arc<Mutex<Vec<LogText>>>) -> Outbox {
        let texts = Arc::clone(texts);
        Arc::new(move |after| {
            let texts = texts.lock().unwrap();
            // Parts of two, so that reading goes on from a part to the next.
            Some(texts.iter().filter(|text| text.id > after).take(2).cloned().collect())
        })
    }

    fn surroundings(texts: &Arc<Mutex<Vec<LogText>>>, rotation: Option<Rotation>) -> Surroundings {
        Surroundings { outbox: outbox(texts), remind: Box::new(|| ()), rotation, helpers: None }
    }

    fn log_in(dir: &tempfile::TempDir, name: &str) -> Arc<str> {
        dir.path().join(name).to_str().unwrap().into()
    }

    fn text(id: u64, path: &Arc<str>, text: &str) -> LogText {
        LogText { id, path: Arc::clone(path), text: text.to_owned() }
    }

    fn until_done(writer: &LogWriter, wanted: &[u64]) {
        let mut done = BTreeSet::new();
        let begun = clock::now().boot_ms;
        while !wanted.iter().all(|id| done.contains(id)) {
            assert!(clock::now().boot_ms < begun + 60_000, "{done:?} are done of {wanted:?}");
            done.extend(writer.take_done());
            std::thread::yield_now();
        }
    }

    /// Writes all that is in an outbox, to files that are opened so.
    fn write_all(texts: Vec<LogText>, open: Opener) {
        let outbox = Arc::new(Mutex::new(texts.clone()));
        let writer = &mut LogWriter::start_with(
            &Pending::default(),
            surroundings(&outbox, None),
            LANE_BYTES,
            open,
        );
        let ids: Vec<u64> = texts.iter().map(|text| text.id).collect();
        writer.write(texts);
        until_done(writer, &ids);
    }

    /// A schedd that starts with these texts in its outbox.
    fn start_again(texts: &[(&Arc<str>, &str)], rotation: Option<Rotation>) {
        let texts: Vec<LogText> =
            (1..).zip(texts).map(|(id, (path, all))| text(id, path, all)).collect();
        let pending = Pending {
            upto: texts.len() as u64,
            logs: texts.iter().map(|text| Arc::clone(&text.path)).collect(),
        };
        let ids: Vec<u64> = texts.iter().map(|text| text.id).collect();
        let texts = Arc::new(Mutex::new(texts));
        until_done(&LogWriter::start(&pending, surroundings(&texts, rotation)), &ids);
    }

    fn restart_with(before: &str, pending: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = log_in(&dir, "job.log");
        fs::write(&*path, before).unwrap();
        start_again(&[(&path, pending)], None);
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
        let path = |name: &str| log_in(&dir, name);
        nix::unistd::mkfifo(&*path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::create_dir(&*path("folder")).unwrap();
        let writer =
            &mut LogWriter::start(&Pending::default(), surroundings(&Arc::default(), None));
        let mut ids = 1..;
        for round in 0..200 {
            let logs = ["fifo", "folder", "good", "missing/log"].map(path);
            let all: Vec<LogText> = logs
                .iter()
                .chain([&"/dev/zero".into()])
                .map(|log| text(ids.next().unwrap(), log, &format!("{round}\n")))
                .collect();
            writer.write(all);
        }
        until_done(writer, &(1..ids.next().unwrap()).collect::<Vec<_>>());
        let expected: String = (0..200).map(|round| format!("{round}\n")).collect();
        assert_eq!(fs::read_to_string(&*path("good")).unwrap(), expected);
    }

    #[test]
    fn what_does_not_fit_into_memory_is_read_from_the_outbox_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = log_in(&dir, "log");
        let texts = Arc::new(Mutex::new(Vec::new()));
        let writer = &mut LogWriter::start_with(
            &Pending::default(),
            surroundings(&texts, None),
            1,
            Arc::new(open_plain),
        );
        for id in 1..=500 {
            let new = text(id, &path, &format!("{id}\n"));
            texts.lock().unwrap().push(new.clone());
            writer.write(vec![new]);
        }
        until_done(writer, &(1..=500).collect::<Vec<_>>());
        let expected: String = (1..=500).map(|id| format!("{id}\n")).collect();
        assert_eq!(fs::read_to_string(&*path).unwrap(), expected);
    }

    #[test]
    fn a_user_whose_logs_cannot_be_written_fills_no_disk_but_his_own() {
        let texts = Arc::new(Mutex::new(Vec::new()));
        let open: Opener = Arc::new(|log: &Path| -> io::Result<Box<dyn LogFile>> {
            match log.starts_with("mallory:") {
                true => Err(nix::errno::Errno::ENOSPC.into()),
                false => open_plain(Path::new("/dev/null")),
            }
        });
        let mut writer = LogWriter::start_with(
            &Pending::default(),
            surroundings(&texts, None),
            LANE_BYTES,
            open,
        );
        writer.owed_bytes = 10;
        let logs: [Arc<str>; 2] = ["mallory:/dev/full".into(), "ann:/log".into()];
        let mut taken: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for _ in 0..20 {
            let mut batch = LogBatch::default();
            logs.iter().for_each(|log| batch.add(Arc::clone(log), "12345\n"));
            writer.leave_out(&mut batch);
            for (log, words) in batch.texts {
                *taken.entry(Arc::clone(&log)).or_default() += 1;
                let new = text(writer.last() + 1, &log, &words);
                texts.lock().unwrap().push(new.clone());
                let id = new.id;
                writer.write(vec![new]);
                if &*log == "ann:/log" {
                    until_done(&writer, &[id]);
                }
            }
        }
        assert_eq!(taken[&logs[0]], 2, "as much as fits");
        assert_eq!(taken[&logs[1]], 20, "another's are written");
    }

    #[test]
    fn what_a_full_disk_refused_is_written_when_there_is_room_and_others_are_not_kept_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| log_in(&dir, name);
        let (full, good) = (path("full"), path("good"));
        let texts = Arc::new(Mutex::new(Vec::new()));
        let tries = Arc::new(AtomicUsize::new(0));
        let open: Opener = {
            let tries = Arc::clone(&tries);
            Arc::new(move |path: &Path| -> io::Result<Box<dyn LogFile>> {
                // The second attempt fails too.
                if path.ends_with("full") && tries.fetch_add(1, Ordering::Relaxed) < 2 {
                    return Err(io::Error::from_raw_os_error(nix::errno::Errno::ENOSPC as i32));
                }
                open_plain(path)
            })
        };
        let writer = &mut LogWriter::start_with(
            &Pending::default(),
            surroundings(&texts, None),
            LANE_BYTES,
            open,
        );
        for id in (1..=10).step_by(2) {
            let new = [text(id, &full, &format!("{id}\n")), text(id + 1, &good, "x")];
            texts.lock().unwrap().extend(new.clone());
            writer.write(new.to_vec());
        }
        until_done(writer, &[2, 4, 6, 8, 10]);
        until_done(writer, &[1, 3, 5, 7, 9]);
        assert_eq!(fs::read_to_string(&*full).unwrap(), "1\n3\n5\n7\n9\n");
        assert_eq!(fs::read_to_string(&*good).unwrap(), "xxxxx");
        assert!(tries.load(Ordering::Relaxed) > 2);
    }

    /// A log on a disk that has room for so many bytes more, once; `syncs` counts down the syncs
    /// that fail.
    struct Narrow {
        file: Box<dyn LogFile>,
        room: Arc<AtomicUsize>,
        failing_syncs: Arc<AtomicUsize>,
    }

    const FULL: i32 = nix::errno::Errno::ENOSPC as i32;

    impl io::Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.room.load(Ordering::Relaxed);
            if room == 0 {
                // Somebody makes room before it is tried again.
                self.room.store(usize::MAX, Ordering::Relaxed);
                return Err(io::Error::from_raw_os_error(FULL));
            }
            let taken = self.file.write(&bytes[..bytes.len().min(room)])?;
            self.room.store(room - taken, Ordering::Relaxed);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.file.flush()
        }
    }

    impl LogFile for Narrow {
        fn sync(&self) -> io::Result<()> {
            let left = self.failing_syncs.load(Ordering::Relaxed);
            self.failing_syncs.store(left.saturating_sub(1), Ordering::Relaxed);
            if left > 0 { Err(io::Error::from_raw_os_error(FULL)) } else { self.file.sync() }
        }
    }

    /// What is in a log that was given three events together, and whose disk was full after `room`
    /// bytes.
    fn written_with(room: usize, failing_syncs: usize, events: &[&str]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = log_in(&dir, "log");
        let room = Arc::new(AtomicUsize::new(room));
        let failing_syncs = Arc::new(AtomicUsize::new(failing_syncs));
        let open: Opener = Arc::new(move |path: &Path| -> io::Result<Box<dyn LogFile>> {
            let (room, failing_syncs) = (Arc::clone(&room), Arc::clone(&failing_syncs));
            Ok(Box::new(Narrow { file: open_plain(path)?, room, failing_syncs }))
        });
        let texts = (1..).zip(events).map(|(id, event)| text(id, &path, event)).collect();
        write_all(texts, open);
        fs::read_to_string(&*path).unwrap()
    }

    #[test]
    fn a_disk_that_is_full_in_the_middle_of_a_write_leaves_each_event_once_and_whole() {
        let events = ["000 a\n...\n", "001 b\n...\n", "005 c\n...\n"];
        let whole = events.concat();
        std::thread::scope(|threads| {
            for room in 0..=whole.len() {
                let whole = &whole;
                threads.spawn(move || assert_eq!(written_with(room, 0, &events), *whole, "{room}"));
            }
            let whole = &whole;
            threads.spawn(move || assert_eq!(written_with(usize::MAX, 1, &events), *whole));
        });
    }

    /// So many texts of another log, in the outbox before and between those of this one.
    fn among_others(big: &Arc<str>, small: &Arc<str>, events: [&str; 3]) -> (Vec<LogText>, String) {
        let other = |n| format!("000 ({n}.0) a long text of the other log\n...\n");
        let others: Vec<String> = (0..9).map(other).collect();
        let whole = others.concat();
        let mut others = others.into_iter().map(|text| (big, text));
        let mut all: Vec<(&Arc<str>, String)> = others.by_ref().take(6).collect();
        all.push((small, events[0].to_owned()));
        all.push((small, events[1].to_owned()));
        all.extend(others);
        all.push((small, events[2].to_owned()));
        let texts = (1..).zip(all).map(|(id, (path, all))| text(id, path, &all)).collect();
        (texts, whole)
    }

    #[test]
    fn after_a_restart_a_log_is_compared_with_its_end_however_much_is_before_it_in_the_outbox() {
        let (a, b) = ("000 (1.0) a\n...\n", "001 (1.0) b\n...\n");
        let (c, d) = ("005 (1.0) c\n...\n", "012 (1.0) d\n...\n");
        let whole = [b, c, d].concat();
        for room in 0..=whole.len() {
            let dir = tempfile::tempdir().unwrap();
            let path = |name: &str| log_in(&dir, name);
            let (big, small) = (path("big"), path("small"));
            let (texts, others) = among_others(&big, &small, [b, c, d]);
            fs::write(&*small, format!("{a}{}", &whole[..room])).unwrap();
            let texts: Vec<(&Arc<str>, &str)> =
                texts.iter().map(|text| (&text.path, text.text.as_str())).collect();
            start_again(&texts, None);
            assert_eq!(fs::read_to_string(&*small).unwrap(), format!("{a}{whole}"), "{room}");
            assert_eq!(fs::read_to_string(&*big).unwrap(), others, "{room}");
        }
    }

    #[test]
    fn two_logs_that_a_full_disk_refused_have_each_event_once_and_whole() {
        let events = ["001 (1.0) b\n...\n", "005 (1.0) c\n...\n", "012 (1.0) d\n...\n"];
        let whole = events.concat();
        let check = |room: usize| {
            let dir = tempfile::tempdir().unwrap();
            let path = |name: &str| log_in(&dir, name);
            let (big, small) = (path("big"), path("small"));
            let (all, others) = among_others(&big, &small, events);
            let (room, tried) = (Arc::new(AtomicUsize::new(room)), AtomicUsize::new(0));
            let open: Opener = Arc::new(move |path: &Path| -> io::Result<Box<dyn LogFile>> {
                let room = if path.ends_with("small") {
                    Arc::clone(&room)
                } else if tried.fetch_add(1, Ordering::Relaxed) == 0 {
                    return Err(io::Error::from_raw_os_error(FULL));
                } else {
                    Arc::new(AtomicUsize::new(usize::MAX))
                };
                let failing_syncs = Arc::default();
                Ok(Box::new(Narrow { file: open_plain(path)?, room, failing_syncs }))
            });
            write_all(all, open);
            assert_eq!(fs::read_to_string(&*small).unwrap(), whole);
            assert_eq!(fs::read_to_string(&*big).unwrap(), others);
        };
        std::thread::scope(|threads| {
            for room in 0..=whole.len() {
                let check = &check;
                threads.spawn(move || check(room));
            }
        });
    }

    #[test]
    fn what_others_have_written_behind_an_event_does_not_make_it_stand_there_twice() {
        let (a, b, others) = ("001 (1.0) a\n...\n", "005 (1.0) b\n...\n", "016 (1.0) POST\n...\n");
        for (before, expected) in [
            (format!("{a}{others}"), format!("{a}{others}{b}")),
            (format!("{a}{b}{others}"), format!("{a}{b}{others}")),
            (others.to_owned(), format!("{others}{a}{b}")),
        ] {
            assert_eq!(restart_with(&before, &format!("{a}{b}")), expected, "{before}");
        }
    }

    #[test]
    fn a_stop_does_not_wait_for_what_is_in_the_outbox_only() {
        let path: Arc<str> = "/nowhere/log".into();
        let pending = Pending { upto: 9, logs: [Arc::clone(&path)].into() };
        // Nobody answers: the schedd stops.
        let outbox: Outbox = Arc::new(|_| None);
        let remind = Box::new(|| ());
        drop(LogWriter::start(
            &pending,
            Surroundings { outbox, remind, rotation: None, helpers: None },
        ));
    }

    #[test]
    fn a_log_of_all_jobs_begins_anew_when_it_is_long_and_old_ones_are_kept() {
        let check = |kept: u32, most_bytes: Option<u64>, expected: &[(&str, &str)]| {
            let dir = tempfile::tempdir().unwrap();
            let path = log_in(&dir, "log");
            let rotation = Rotation { path: Arc::clone(&path), most_bytes, kept };
            let writer = &mut LogWriter::start(
                &Pending::default(),
                surroundings(&Arc::default(), Some(rotation)),
            );
            for (id, all) in (1..).zip(["aaaa", "bb", "cccc", "dddddddd", "e"]) {
                writer.write(vec![text(id, &path, all)]);
                until_done(writer, &[id]);
            }
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
            let path = log_in(&dir, "log");
            let rotation = Rotation { path: Arc::clone(&path), most_bytes: Some(9), kept: 1 };
            fs::write(format!("{path}.old"), format!("x{old}")).unwrap();
            fs::write(&*path, log).unwrap();
            start_again(&[(&path, "abcd")], Some(rotation));
            assert_eq!(fs::read_to_string(&*path).unwrap(), format!("{log}d"), "{old} {log}");
        }
    }
}
