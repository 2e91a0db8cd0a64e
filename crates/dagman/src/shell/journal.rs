//! The core's events on disk: a line each, appended before anything is done because of them.
//!
//! A line that was not written whole is the last one, and is forgotten: nothing was done because of
//! it. What a script said cannot be asked for again, so it is synced; all else the schedd says
//! again.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};

use model::Seq;
use serde::{Deserialize, Serialize};

use super::ShellError;
use crate::Workflow;
use crate::core::Event;

/// Who a journal belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The DAG's own cluster.
    pub(super) job: u32,
    /// Counts the runs of the DAG in one job: one that ended and was queued again begins anew.
    pub(super) generation: u32,
    /// Stands for the DAG's nodes and edges.
    pub(super) shape: u64,
    /// The rescue file that the run began from; none if it began from nothing.
    pub(super) rescue: Option<String>,
    /// When it began, milliseconds since the epoch.
    pub(super) began_ms: i64,
}

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
enum Line {
    Head(Head),
    Event(Event),
    /// Everything in the schedd's record before this was taken.
    Next(Seq),
}

/// What a journal says.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) head: Head,
    pub(super) events: Vec<Event>,
    pub(super) next: Option<Seq>,
}

/// Reads a journal; none if there is none, or nothing in it.
pub(super) fn read(path: &str) -> Result<Option<Past>, ShellError> {
    let error = |source| ShellError::File { what: "read the journal", path: path.into(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(error(source)),
    };
    let mut lines = BufReader::new(file).lines();
    let parse =
        |text: io::Result<String>| -> Option<Line> { serde_json::from_str(&text.ok()?).ok() };
    let Some(Line::Head(head)) = lines.next().and_then(parse) else { return Ok(None) };
    let mut past = Past { head, events: Vec::new(), next: None };
    for line in lines {
        match parse(line) {
            Some(Line::Event(event)) => past.events.push(event),
            Some(Line::Next(next)) => past.next = Some(next),
            Some(Line::Head(_)) | None => break,
        }
    }
    Ok(Some(past))
}

/// A journal that is written.
#[derive(Debug)]
pub(super) struct Journal {
    path: String,
    file: File,
}

impl Journal {
    /// Begins a journal, in the place of any that is there.
    pub(super) fn begin(path: &str, head: &Head) -> Result<Self, ShellError> {
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(path);
        let file = file.map_err(ShellError::file("begin the journal", path))?;
        let mut journal = Self { path: path.to_owned(), file };
        journal.put(&[Line::Head(head.clone())], true)?;
        Ok(journal)
    }

    /// Goes on with a journal that was read: what is whole of it is written again, so that nothing
    /// follows a torn line.
    pub(super) fn go_on(path: &str, past: &Past) -> Result<Self, ShellError> {
        let beside = format!("{path}.new");
        let mut journal = Self::begin(&beside, &past.head)?;
        journal.append(&past.events, past.next)?;
        journal.file.sync_data().map_err(ShellError::file("write the journal", path))?;
        std::fs::rename(&beside, path).map_err(ShellError::file("write the journal", path))?;
        journal.path = path.to_owned();
        Ok(journal)
    }

    /// Appends what happened, and up to where the record was read.
    pub(super) fn append(&mut self, events: &[Event], next: Option<Seq>) -> Result<(), ShellError> {
        if events.is_empty() {
            return Ok(());
        }
        let is_dear =
            |event: &Event| matches!(event, Event::ScriptEnded { .. } | Event::Finished { .. });
        let sync = events.iter().any(is_dear);
        let lines = events.iter().cloned().map(Line::Event).chain(next.map(Line::Next));
        self.put(&lines.collect::<Vec<_>>(), sync)
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
        written.map_err(ShellError::file("write the journal", &self.path))
    }
}

/// A number that stands for a DAG's nodes and edges: numbers in a journal mean those.
pub(super) fn shape(workflow: &Workflow) -> u64 {
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
        assert!(read(&path).unwrap().is_none());
        let head = Head { job: 7, generation: 0, shape: 3, rescue: None, began_ms: 5 };
        let mut journal = Journal::begin(&path, &head).unwrap();
        let events = [Event::Began, Event::Done { node: NodeIndex::new(4) }];
        journal.append(&events, Some(Seq(9))).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let Some(past) = read(&path).unwrap() else { continue };
            assert_eq!(past.head, head);
            assert!(events.starts_with(&past.events), "{length}: {past:?}");
            let mut again = Journal::go_on(&path, &past).unwrap();
            again.append(&[Event::Removed], None).unwrap();
            let last = read(&path).unwrap().unwrap().events.pop();
            assert_eq!(last, Some(Event::Removed));
        }
    }
}
