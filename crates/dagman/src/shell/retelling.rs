//! What the records lack of what an earlier life did: it was killed between writing an event down
//! and telling it, or while an entry waited for the end of its job. Each line is told once.
//!
//! The journal says how far the records were at a moment ([`Told`]). What an event behind it adds
//! is looked for in what stands behind that place.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::journal::Told;

/// What stands in the records behind the places that the journal knows.
pub(super) struct Retelling {
    pub(super) out: Lines,
    pub(super) jobstate: Lines,
    /// Own entries of the nodes' log, by their heads.
    pub(super) entries: Lines,
    /// So many own entries are there in any case.
    surely: u64,
    /// So many were made until now.
    made: u64,
}

impl Retelling {
    /// Reads it. What cannot be read lacks everything: a line told twice is better than none.
    pub(super) fn read(told: &Told, out: &str, jobstate: Option<&str>, nodes_log: &str) -> Self {
        let lines = |path: &str, from: u64, key: fn(&str) -> Option<&str>| {
            read_from(path, from).map(|text| Lines::of(&text, key)).unwrap_or_default()
        };
        let jobstate = jobstate.map(|path| lines(path, told.jobstate, without_moment));
        Self {
            out: lines(out, told.out, without_moments),
            jobstate: jobstate.unwrap_or_default(),
            entries: lines(nodes_log, told.nodes_log, head),
            surely: told.entries,
            made: 0,
        }
    }

    /// Whether the next own entry is not known to be there.
    pub(super) fn may_lack_next(&mut self) -> bool {
        self.made += 1;
        self.made > self.surely
    }
}

/// Lines that are there, by what makes them the same.
#[derive(Debug, Default)]
pub(super) struct Lines(BTreeMap<String, VecDeque<String>>);

impl Lines {
    fn of(text: &str, key: impl Fn(&str) -> Option<&str>) -> Self {
        let mut lines = Self::default();
        for line in text.lines() {
            if let Some(key) = key(line) {
                lines.0.entry(key.to_owned()).or_default().push_back(line.to_owned());
            }
        }
        lines
    }

    /// Takes away one that is the same, if there is one.
    pub(super) fn take(&mut self, key: Option<&str>) -> Option<String> {
        self.0.get_mut(key?)?.pop_front()
    }
}

/// How long the moment before each line of dagman.out is, with a blank.
const MOMENT: usize = "11/22/26 16:25:40 ".len();

/// A line of dagman.out without when it was written, and when its event happened.
pub(super) fn without_moments(line: &str) -> Option<&str> {
    let text = line.get(MOMENT..)?.trim_end();
    Some(match text.rsplit_once(" {") {
        Some((event, moment)) if text.starts_with("Event: ") && moment.ends_with('}') => event,
        Some(_) | None => text,
    })
}

/// A line of jobstate.log without when it was written.
pub(super) fn without_moment(line: &str) -> Option<&str> {
    line.trim_end().split_once(' ').map(|(_, text)| text)
}

/// `016 (008.000.000)`: which event of which job an entry of a log is.
pub(super) fn head(entry: &str) -> Option<&str> {
    let number = entry.get(..3)?;
    let is_head = number.bytes().all(|b| b.is_ascii_digit()) && entry[3..].starts_with(" (");
    entry.find(')').filter(|_| is_head).map(|end| &entry[..=end])
}

/// What stands in a file from a place on. In one that is shorter by now, everything.
fn read_from(path: &str, from: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() >= from {
        file.seek(SeekFrom::Start(from))?;
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_that_differ_in_their_moments() {
        for (line, expected) in [
            (
                "11/22/26 16:25:40 Node A job(s) have exited the queue",
                Some("Node A job(s) have exited the queue"),
            ),
            (
                "11/22/26 16:25:40 Event: ULOG_SUBMIT for HTCondor Node A (1.0.0) {11/22/26 16:25:39}\n",
                Some("Event: ULOG_SUBMIT for HTCondor Node A (1.0.0)"),
            ),
            ("11/22/26 16:25:40 ERROR: {odd}", Some("ERROR: {odd}")),
            ("torn", None),
        ] {
            assert_eq!(without_moments(line), expected);
        }
        assert_eq!(without_moment("1796041862 A SUBMIT 8.0 - - 12\n"), Some("A SUBMIT 8.0 - - 12"));
        assert_eq!(head("016 (008.000.000) 2026-11-22 x"), Some("016 (008.000.000)"));
        assert_eq!(head("    POST Script (x)"), None);
    }

    #[test]
    fn each_line_that_is_there_stands_for_one_event() {
        let mut lines = Lines::of("a 1\na 2\nb 3\n", |line| line.get(..1));
        assert_eq!(lines.take(Some("a")).as_deref(), Some("a 1"));
        assert_eq!(lines.take(Some("a")).as_deref(), Some("a 2"));
        assert_eq!((lines.take(Some("a")), lines.take(Some("c"))), (None, None));
    }
}
