//! What dagman itself writes into the nodes' log: each entry behind the end of its job, which the
//! schedd writes.
//!
//! dagman follows the record, and may know of an end before it is in the log. Readers of the log
//! take what comes behind the end of a POST script for another attempt, so an entry waits until the
//! end of its job is there; not for ever, for the log may be on a full disk.
//!
//! Knows nothing of what the entries say.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use model::userlog::EntryId;
use model::{JobId, ProcId};

use super::ShellError;
use super::log::Log;

/// So many looks at the log are waited, whatever else waits. The loop looks every [`PAUSE`] while
/// something does.
const LOOKS: u64 = 250;

/// Between two looks.
pub(super) const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// Ends that are remembered: an entry comes soon after the end of its job, or the log is not what
/// it waits for.
const REMEMBERED: usize = 100_000;

/// How much of the log is read in one piece.
const PIECE: u64 = 1 << 20;

/// The nodes' log, as dagman writes it.
pub(super) struct OwnEntries {
    log: Log,
    waiting: VecDeque<PendingEntry>,
    /// So many of the run's entries are there, or wait to be.
    made: u64,
    /// The last jobs whose end was read in the log, up to where it was read.
    ended: BTreeSet<JobId>,
    ends: VecDeque<JobId>,
    read_to: u64,
    looks: u64,
}

struct PendingEntry {
    job: JobId,
    text: String,
    /// The look after which it is not waited any more.
    until: u64,
}

impl OwnEntries {
    /// What is in the log already, an earlier life has read.
    pub(super) fn open(path: &str) -> Result<Self, ShellError> {
        let log = Log::open(path)?;
        let read_to = std::fs::metadata(path).map_err(ShellError::file("look at", path))?.len();
        let (waiting, ends) = (VecDeque::new(), VecDeque::new());
        Ok(Self { log, waiting, made: 0, ended: BTreeSet::new(), ends, read_to, looks: 0 })
    }

    /// An entry to write.
    pub(super) fn put(&mut self, id: EntryId, text: String) {
        self.made += 1;
        let job = JobId { cluster: id.cluster, proc: id.proc.unwrap_or(ProcId(0)) };
        self.waiting.push_back(PendingEntry { job, text, until: self.looks + LOOKS });
    }

    /// An entry that an earlier life has written.
    pub(super) fn is_there(&mut self) {
        self.made += 1;
    }

    /// An entry that an earlier life should have written. The end that it waits for may be
    /// anywhere in the log.
    pub(super) fn put_late(&mut self, id: EntryId, text: String) {
        self.read_to = 0;
        self.put(id, text);
    }

    /// How many of the run's entries are in the log, which is so long; `None` if some cannot be
    /// written, or nobody knows.
    pub(super) fn written(&self) -> Option<(u64, u64)> {
        let length = self.log.length().filter(|_| self.log.is_written())?;
        Some((self.made - self.waiting.len() as u64, length))
    }

    /// Whether something is not written yet.
    pub(super) fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Writes what may be written, in order. Says what keeps it from that, or keeps it no more.
    pub(super) fn flush(&mut self) -> Option<String> {
        if !self.waiting.is_empty() {
            // What cannot be looked at says of no end: its entries wait, but not for ever.
            let _ = self.look();
            self.looks += 1;
            self.release();
        }
        self.log.flush()
    }

    fn release(&mut self) {
        while let Some(first) = self.waiting.front() {
            // what has no cluster has no end in the log
            let may = first.job.cluster.0 == 0 || self.looks > first.until;
            if !may && !self.ended.remove(&first.job) {
                break;
            }
            self.log.add(&first.text);
            self.waiting.pop_front();
        }
    }

    /// Reads what was added to the log, up to its last whole line.
    fn look(&mut self) -> io::Result<()> {
        let mut file = self.there()?;
        loop {
            file.seek(SeekFrom::Start(self.read_to))?;
            let mut text = Vec::new();
            (&mut file).take(PIECE).read_to_end(&mut text)?;
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            for job in text[..whole].split(|byte| *byte == b'\n').filter_map(job_that_ended) {
                self.remember(job);
            }
            // A line that is longer than a piece is none of those.
            let is_cut = text.len() as u64 == PIECE;
            let read = if is_cut && whole == 0 { text.len() } else { whole };
            self.read_to += read as u64;
            if !is_cut {
                return Ok(());
            }
        }
    }

    /// The log to be read. Where somebody has taken it away, or shortened it, what is there now is
    /// read, and written, from its beginning.
    fn there(&mut self) -> io::Result<File> {
        let file = match File::open(self.log.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.log.open_again().map_err(io::Error::other)?;
                File::open(self.log.path())?
            }
            opened => opened?,
        };
        if file.metadata()?.len() < self.read_to {
            self.read_to = 0;
        }
        Ok(file)
    }

    fn remember(&mut self, job: JobId) {
        if self.ended.insert(job) {
            self.ends.push_back(job);
        }
        if self.ends.len() > REMEMBERED
            && let Some(oldest) = self.ends.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }
}

/// The job of `005 (008.000.000) ...` and of `009 (...`: it ended, or was removed.
fn job_that_ended(line: &[u8]) -> Option<JobId> {
    let rest = line.strip_prefix(b"005 (").or_else(|| line.strip_prefix(b"009 ("))?;
    let text = std::str::from_utf8(rest).ok()?;
    let mut numbers = text.split_once(')')?.0.split('.');
    let mut number = || numbers.next()?.parse::<u32>().ok();
    Some(JobId::new(number()?, number()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::shell::files;

    #[test]
    fn an_entry_waits_for_the_end_of_its_job_in_the_log_but_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nodes.log").to_string_lossy().into_owned();
        let mut own = OwnEntries::open(&path).unwrap();
        let text = || std::fs::read_to_string(&path).unwrap();
        let mut schedd = files::append_to(&path).unwrap();
        own.put(JobId::new(8, 1).into(), "016 (008.001.000)\n...\n".to_owned());
        own.flush();
        assert_eq!((text().as_str(), own.are_waiting()), ("", true));
        schedd.write_all(b"005 (008.000.000) x\n...\n005 (008.001.000) y").unwrap();
        own.flush();
        assert!(own.are_waiting(), "its line is not whole yet");
        schedd.write_all(b"\n...\n").unwrap();
        own.flush();
        assert!(text().ends_with("y\n...\n016 (008.001.000)\n...\n") && !own.are_waiting());
        own.put(JobId::new(9, 0).into(), "late\n".to_owned());
        own.put(JobId::new(9, 1).into(), "late too\n".to_owned());
        (0..=LOOKS).for_each(|_| drop(own.flush()));
        assert!(
            text().ends_with("late\nlate too\n"),
            "all wait the same time, not one behind the other"
        );
        own.put(JobId::new(0, 0).into(), "noop\n".to_owned());
        own.flush();
        assert!(text().ends_with("noop\n"));
    }

    #[test]
    fn an_entry_that_an_earlier_life_owes_finds_the_end_of_its_job_wherever_that_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nodes.log").to_string_lossy().into_owned();
        std::fs::write(&path, "005 (008.000.000) x\n...\n005 (009.000.000) x\n...\n").unwrap();
        let mut own = OwnEntries::open(&path).unwrap();
        own.is_there();
        own.put_late(JobId::new(8, 0).into(), "016 (008.000.000)\n...\n".to_owned());
        let (entries, length) = own.written().unwrap();
        assert_eq!(entries, 1, "the other waits");
        assert_eq!(own.flush(), None);
        assert!(!own.are_waiting());
        let after = own.written().unwrap();
        assert!(after.0 == 2 && after.1 > length, "{after:?}");
    }

    #[test]
    fn a_log_that_is_taken_away_or_shortened_is_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nodes.log").to_string_lossy().into_owned();
        std::fs::write(&path, "what was there before\n").unwrap();
        let mut own = OwnEntries::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        own.put(JobId::new(8, 0).into(), "016 (008.000.000)\n...\n".to_owned());
        assert_eq!(own.flush(), None);
        let end = "005 (008.000.000) x\n...\n";
        files::append_to(&path).unwrap().write_all(end.as_bytes()).unwrap();
        assert_eq!(own.flush(), None);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{end}016 (008.000.000)\n...\n"));
        std::fs::write(&path, "005 (9.0.0)\n").unwrap();
        own.put(JobId::new(9, 0).into(), "last\n".to_owned());
        assert_eq!(own.flush(), None);
        assert!(!own.are_waiting());
    }
}
