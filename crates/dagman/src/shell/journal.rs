//! The core's events on disk: a line each, appended before anything is done because of them.
//!
//! A line that was not written whole is the last one, and is forgotten: nothing was done because of
//! it. What must outlive a loss of power is synced ([`must_last`]); all else the schedd says again.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use model::Seq;
use proto::whole_file;
use serde::{Deserialize, Serialize};

use super::ShellError;
use crate::Workflow;
use crate::core::Event;

/// Who a journal belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The DAG's own cluster.
    pub job: u32,
    /// Counts the runs of the DAG in one job: one that ended and was queued again begins anew.
    pub generation: u32,
    /// Stands for the DAG's nodes and edges.
    pub shape: u64,
    /// The rescue file that the run began from; none if it began from nothing.
    pub rescue: Option<String>,
    /// When it began, milliseconds since the epoch.
    pub began_ms: i64,
    /// The generation of the schedd's queue then; 0 of a release that did not ask.
    #[serde(default)]
    pub queue: u64,
}

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
enum Line {
    Head(Head),
    Event(Event),
    /// Everything in the schedd's record before this was taken.
    Next(Seq),
    /// From here on the schedd's queue is of this generation, and the core knows what was lost.
    Queue(u64),
    /// What stands before this, the records have.
    Told(Told),
}

/// How far the records were at a moment at which nothing waited to be written into them but own
/// entries: what came later is found behind these places, or is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The length of dagman.out.
    pub out: u64,
    /// That of jobstate.log; 0 if there is none.
    pub jobstate: u64,
    /// So many of dagman's own entries stand in the nodes' log.
    pub entries: u64,
    /// Behind this place in it stand none of those.
    pub nodes_log: u64,
}

/// What a journal says besides its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Up to where the schedd's record was taken.
    pub next: Option<Seq>,
    /// The generation of the queue that it was taken from.
    pub queue: u64,
}

/// A journal of an earlier life, read up to its first event: whose it is decides whether the rest
/// is read.
#[derive(Debug)]
pub struct Past {
    pub head: Head,
    path: String,
    lines: BufReader<File>,
    /// So many bytes are whole lines that were read.
    whole: u64,
    /// The first line behind the head.
    first: Option<Line>,
    /// The line that is read; its room is used again.
    text: Vec<u8>,
}

/// Opens a journal; none if there is none, or nothing in it.
///
/// # Errors
/// If it is there and cannot be read.
pub fn open(path: &str) -> Result<Option<Past>, ShellError> {
    let error = |source| ShellError::File { what: "read the journal", path: path.into(), source };
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(error(source)),
    };
    let mut lines = BufReader::with_capacity(READ_AT_ONCE, file);
    let (mut whole, mut text) = (0, Vec::new());
    let head = next_line(&mut lines, &mut text, &mut whole).map_err(error)?;
    let Some(Line::Head(head)) = head else { return Ok(None) };
    let first = loop {
        let line = next_line(&mut lines, &mut text, &mut whole).map_err(error)?;
        if !matches!(line, Some(Line::Told(_))) {
            break line;
        }
    };
    Ok(Some(Past { head, path: path.to_owned(), lines, whole, first, text }))
}

/// The permissions of a journal, less the umask: as other files that DAGMan writes beside a DAG.
const MODE: u32 = 0o666;

/// Read at once: a journal may be hundreds of megabytes.
const READ_AT_ONCE: usize = 1 << 20;

/// The next line, if it is whole. One that is whole and says nothing is no torn end: what follows
/// it happened too, and must not be forgotten.
fn next_line(
    lines: &mut BufReader<File>,
    text: &mut Vec<u8>,
    whole: &mut u64,
) -> io::Result<Option<Line>> {
    text.clear();
    let length = lines.read_until(b'\n', text)?;
    let Some(line) = text.strip_suffix(b"\n") else { return Ok(None) };
    let damaged = |error: serde_json::Error| {
        let what = format!("the line at byte {whole} makes no sense: {error}");
        io::Error::new(io::ErrorKind::InvalidData, what)
    };
    let line = serde_json::from_slice(line).map_err(damaged)?;
    *whole += length as u64;
    Ok(Some(line))
}

impl Past {
    /// Whether anything happened in that life.
    pub fn is_begun(&self) -> bool {
        matches!(self.first, Some(Line::Event(_)))
    }

    /// How far the records were when that was last written down, and where.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn told(&self) -> Result<Told, ShellError> {
        let last = last_told(&self.path).map_err(ShellError::file("read the journal", &self.path));
        Ok(last?.map(|(_, told)| told).unwrap_or_default())
    }

    /// Gives all events, in order, each with whether the records may lack it, and then the journal
    /// to go on with: what is torn at its end is cut off, so that nothing follows it. Also says up
    /// to where which record was taken.
    ///
    /// # Errors
    /// If it cannot be read, or not cut.
    pub fn replay(
        mut self,
        mut each: impl FnMut(&Event, bool),
    ) -> Result<(Journal, Mark), ShellError> {
        let path = self.path;
        let told = last_told(&path).map_err(ShellError::file("read the journal", &path))?;
        let told_at = told.map_or(0, |(at, _)| at);
        let mut line = self.first.take();
        let mut mark = Mark { next: None, queue: self.head.queue };
        let mut whole = self.whole;
        loop {
            match line {
                Some(Line::Event(event)) => each(&event, whole > told_at),
                Some(Line::Told(_)) => {}
                Some(Line::Next(seq)) => mark.next = Some(seq),
                Some(Line::Queue(generation)) => mark.queue = generation,
                Some(Line::Head(_)) | None => break,
            }
            let read = next_line(&mut self.lines, &mut self.text, &mut whole);
            line = read.map_err(ShellError::file("read the journal", &path))?;
        }
        let mut file = self.lines.into_inner();
        let cut = file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0)));
        cut.and_then(|_| file.sync_data())
            .map_err(ShellError::file("go on with the journal", &path))?;
        Ok((Journal { path, file, whole }, mark))
    }
}

/// How much of the end of a journal is looked through first.
const TAIL: u64 = 1 << 20;

/// The last line of a journal that says how far the records were, and where it stands.
fn last_told(path: &str) -> io::Result<Option<(u64, Told)>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut tail = TAIL.min(length);
    loop {
        let from = length - tail;
        file.seek(SeekFrom::Start(from))?;
        let mut text = Vec::new();
        (&mut file).take(tail).read_to_end(&mut text)?;
        let mut end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        while end > 0 {
            let begin = text[..end - 1].iter().rposition(|byte| *byte == b'\n');
            // Of the first line, the beginning may not have been read.
            let Some(begin) = begin.map(|before| before + 1).or((from == 0).then_some(0)) else {
                break;
            };
            if text[begin..end].starts_with(b"{\"Told\"")
                && let Ok(Line::Told(told)) = serde_json::from_slice(&text[begin..end])
            {
                return Ok(Some((from + begin as u64, told)));
            }
            end = begin;
        }
        if from == 0 {
            return Ok(None);
        }
        tail = tail.saturating_mul(4).min(length);
    }
}

/// A journal that is written.
#[derive(Debug)]
pub struct Journal {
    path: String,
    file: File,
    /// So many bytes of it are whole.
    whole: u64,
}

impl Journal {
    /// Begins a journal, in the place of any that is there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(path: &str, head: &Head) -> Result<Self, ShellError> {
        let begun = || {
            let mut text = serde_json::to_vec(&Line::Head(head.clone()))?;
            text.push(b'\n');
            // Also after a power cut it is the old one or the new one: a generation that began is
            // never begun again.
            whole_file::replace(Path::new(path), MODE, &text)?;
            Ok((OpenOptions::new().append(true).open(path)?, text.len() as u64))
        };
        let (file, whole) = begun().map_err(ShellError::file("begin the journal", path))?;
        Ok(Self { path: path.to_owned(), file, whole })
    }

    /// Appends what happened, and up to where the record was read; before it, how far the records
    /// are that have all earlier events.
    ///
    /// # Errors
    /// If it cannot be written. Nothing of it is there then, and it may be tried again.
    pub fn append(
        &mut self,
        events: &[Event],
        next: Option<Seq>,
        told: Option<Told>,
    ) -> Result<(), ShellError> {
        if events.is_empty() {
            return Ok(());
        }
        let sync = events.iter().any(must_last);
        let events = events.iter().cloned().map(Line::Event);
        let lines = told.map(Line::Told).into_iter().chain(events).chain(next.map(Line::Next));
        self.put(&lines.collect::<Vec<_>>(), sync)
    }

    /// Appends that what follows is of a queue of this generation.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note_queue(&mut self, generation: u64) -> Result<(), ShellError> {
        self.put(&[Line::Queue(generation)], true)
    }

    fn put(&mut self, lines: &[Line], sync: bool) -> Result<(), ShellError> {
        let mut text = String::new();
        for line in lines {
            text += &serde_json::to_string(line).map_err(|error| ShellError::File {
                what: "write the journal",
                path: (&self.path).into(),
                source: error.into(),
            })?;
            text.push('\n');
        }
        let written = self.file.write_all(text.as_bytes());
        let written = written.and_then(|()| if sync { self.file.sync_data() } else { Ok(()) });
        match &written {
            Ok(()) => self.whole += text.len() as u64,
            // What is torn is cut off, by the next life if not by this one.
            Err(_) => drop(self.cut()),
        }
        written.map_err(ShellError::file("write the journal", &self.path))
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.whole)?;
        self.file.seek(SeekFrom::Start(self.whole)).map(|_| ())
    }
}

/// Whether an event must be on the disk before anything follows of it. What a script or a person
/// said cannot be asked for again. Of a submission that was forgotten, the end might be read before
/// the node is submitted again, and be taken for somebody else's: the node would wait for ever.
pub fn must_last(event: &Event) -> bool {
    matches!(
        event,
        Event::ScriptEnded { .. }
            | Event::SubmitBegan { .. }
            | Event::JobsLost { .. }
            | Event::Finished { .. }
            | Event::Reopened { .. }
            | Event::Skipped { .. }
            | Event::Throttled(_)
    )
}

/// A number that stands for a DAG's nodes and edges: numbers in a journal mean those.
pub fn shape(workflow: &Workflow) -> u64 {
    let mut hash = Fnv::new();
    for node in workflow.nodes() {
        hash.add(node.name().as_bytes());
        hash.add(&[0]);
        for edge in node.children() {
            hash.add(&edge.node.position().to_le_bytes());
        }
    }
    hash.0
}

/// FNV-1a: the same in every release, as a hash must be that is kept.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::NodeIndex;

    #[test]
    fn a_torn_line_and_what_is_behind_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.dag.journal").to_string_lossy().into_owned();
        assert!(open(&path).unwrap().is_none());
        let head = Head { job: 7, generation: 0, shape: 3, rescue: None, began_ms: 5, queue: 1 };
        let mut journal = Journal::begin(&path, &head).unwrap();
        let events = [Event::Began, Event::Done { node: NodeIndex::new(4) }];
        journal.append(&events, Some(Seq(9)), None).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let all = |path: &str| {
            let past = open(path).unwrap()?;
            assert_eq!(past.head, head);
            let (mut read, begun) = (Vec::new(), past.is_begun());
            let (journal, mark) = past.replay(|event, _| read.push(event.clone())).unwrap();
            assert_eq!(begun, !read.is_empty());
            Some((journal, read, mark))
        };
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let Some((mut again, read, mark)) = all(&path) else { continue };
            assert!(events.starts_with(&read), "{length}: {read:?}");
            assert_eq!(mark.next, (length == whole.len()).then_some(Seq(9)));
            assert_eq!(mark.queue, 1);
            again.append(&[Event::Removed], None, None).unwrap();
            again.note_queue(3).unwrap();
            let (_, after, mark) = all(&path).unwrap();
            assert_eq!(mark.queue, 3);
            assert_eq!(after, [read, vec![Event::Removed]].concat());
        }
    }

    #[test]
    fn what_the_records_may_lack_is_what_stands_behind_the_last_word_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.dag.journal").to_string_lossy().into_owned();
        let head = Head { job: 7, generation: 0, shape: 3, rescue: None, began_ms: 5, queue: 1 };
        let mut journal = Journal::begin(&path, &head).unwrap();
        let told = |out| Some(Told { out, ..Told::default() });
        let late = || {
            let past = open(&path).unwrap().unwrap();
            assert!(past.is_begun());
            let (out, mut late) = (past.told().unwrap().out, Vec::new());
            past.replay(|event, is_late| late.extend(is_late.then(|| event.clone()))).unwrap();
            (out, late)
        };
        journal.append(&[Event::Began], Some(Seq(1)), told(10)).unwrap();
        assert_eq!(late(), (10, vec![Event::Began]));
        journal.append(&[Event::Halted(true)], Some(Seq(2)), told(20)).unwrap();
        assert_eq!(late(), (20, vec![Event::Halted(true)]));
        journal.append(&[Event::Halted(false)], Some(Seq(3)), None).unwrap();
        // More than is looked through at first.
        let why = "x".repeat(usize::try_from(TAIL).unwrap());
        let broke = Event::Broke { why };
        journal.append(std::slice::from_ref(&broke), None, None).unwrap();
        assert_eq!(late(), (20, vec![Event::Halted(true), Event::Halted(false), broke]));
        journal.file.write_all(b"{\"Told\":{\"out\":30").unwrap();
        assert_eq!(late().0, 20, "a torn one says nothing");
    }

    #[test]
    fn what_found_no_room_is_told_apart_and_may_be_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.dag.journal").to_string_lossy().into_owned();
        let head = Head { job: 7, generation: 0, shape: 3, rescue: None, began_ms: 5, queue: 1 };
        let mut journal = Journal::begin(&path, &head).unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let file = std::mem::replace(&mut journal.file, full);
        let error = journal.append(&[Event::Began], None, None).unwrap_err();
        assert!(error.is_for_want_of_room(), "{error:?}");
        journal.file = file;
        // What a disk took of a line before it was full is cut off.
        journal.file.write_all(b"{\"Event\":\"Be").unwrap();
        journal.cut().unwrap();
        journal.append(&[Event::Began, Event::Removed], Some(Seq(3)), None).unwrap();
        let mut read = Vec::new();
        let past = open(&path).unwrap().unwrap();
        let (_, mark) = past.replay(|event, _| read.push(event.clone())).unwrap();
        assert_eq!((read, mark.next), (vec![Event::Began, Event::Removed], Some(Seq(3))));
    }

    #[test]
    fn a_line_that_makes_no_sense_forgets_nothing_of_what_follows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.dag.journal").to_string_lossy().into_owned();
        let head = Head { job: 7, generation: 0, shape: 3, rescue: None, began_ms: 5, queue: 1 };
        let mut journal = Journal::begin(&path, &head).unwrap();
        for _ in 0..3 {
            journal.append(&[Event::Began], None, None).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        for damaged in 0..lines.len() {
            let mut text = lines.clone();
            text[damaged] = b"{\"Ev\0nt\"\n";
            std::fs::write(&path, text.concat()).unwrap();
            let read =
                open(&path).and_then(|past| past.map(|past| past.replay(|_, _| {})).transpose());
            let error = read.map(|_| ()).unwrap_err();
            let at: usize = lines[..damaged].iter().map(|line| line.len()).sum();
            let said =
                std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(said.contains(&format!("the line at byte {at} makes no sense")), "{said}");
        }
    }
}
