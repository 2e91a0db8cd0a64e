//! `pbs_accounting`: accounting records of all jobs, one file a day, made from the schedd's record.
//! Beyond OpenPBS, whose server writes them itself: here they can be written at any time for all
//! that is recorded, or as things happen (`-f`, or `ACCOUNTING_RECORDS` in the configuration).
//!
//! How far the files go is kept beside them, with their length: what was half written when this
//! process was killed is cut off, and written again. So each record is there once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use client::{AskError, Home, Query, Recorded, Schedd, Select, Selector, Seq};
use jobspec::pbs::code;
use model::JobId;
use proto::client::Refusal;
use proto::whole_file;

use super::acting::usage_of;
use super::words::Line;
use crate::line::call::Call;
use crate::line::output::complain;
use crate::render::dialect::Dialect;
use crate::render::pbs::accounting::{self, Entry};
use crate::render::pbs::{Here, Job};

/// The file that says how far the others go.
const POSITION: &str = ".position";

/// What is written at the beginning of a day: OpenPBS counts licences there.
const LICENCES: &str = "L;license;floating license hour:0 day:0 month:0 max:0";

/// How long a follower lets events gather: jobs are looked up together.
const GATHER: Duration = Duration::from_millis(500);

/// After how long it tries again when something failed.
const AGAIN: Duration = Duration::from_secs(10);

pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, "fd:") {
        Ok(line) if line.operands.is_empty() => line,
        other => return usage_of(here, other.err()),
    };
    let home = Home::from_environment();
    let folder = line.value('d').map_or_else(|| folder(&home), PathBuf::from);
    match Books::open(&home, &folder, here).and_then(|mut books| books.write(line.has('f'))) {
        Ok(()) => 0,
        Err(Failure::Ask(error)) => here.cannot_connect(&error),
        Err(error) => {
            complain(&format!("{}: {error}\n", here.command));
            code::FAILED
        }
    }
}

fn folder(home: &Home) -> PathBuf {
    home.accounting_dir()
}

/// Writes the records of a pool as things happen, for as long as this process lives.
pub fn keep(home: &Home) {
    let call = Call { name: "pbs_accounting".to_owned(), dialect: Dialect::Pbs };
    let here = Here::new(&call);
    loop {
        let books = Books::open(home, &folder(home), &here);
        if let Err(error) = books.and_then(|mut books| books.write(true)) {
            tracing::warn!(%error, "accounting records have to wait");
        }
        thread::sleep(AGAIN);
    }
}

/// Why no more is written.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("write accounting records to {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("read {path}: it says in no words of ours how far the records go; remove the folder")]
    Position { path: PathBuf },
    #[error(
        "{folder} has accounting files and no {POSITION}: they are another program's, or it is lost; name another folder with -d"
    )]
    Foreign { folder: PathBuf },
}

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.to_owned();
    move |source| Failure::Write { path, source }
}

/// How far the files go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Position {
    /// The next event.
    next: u64,
    /// The last file, and its length.
    file: String,
    length: u64,
}

impl Position {
    fn read(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (next, length) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { next, file: words.next().unwrap_or_default().to_owned(), length })
    }

    fn keep(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(POSITION);
        whole_file::replace(&path, 0o640, self.written().as_bytes()).map_err(write_error(&path))
    }

    fn written(&self) -> String {
        format!("{} {} {}\n", self.next, self.length, self.file)
    }
}

struct Books<'a> {
    home: &'a Home,
    folder: PathBuf,
    here: &'a Here,
    position: Position,
}

impl<'a> Books<'a> {
    fn open(home: &'a Home, folder: &Path, here: &'a Here) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(write_error(folder))?;
        let path = folder.join(POSITION);
        let position = match fs::read_to_string(&path) {
            Ok(text) => Position::read(&text).ok_or(Failure::Position { path })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => begun(folder)?,
            Err(error) => return Err(write_error(&path)(error)),
        };
        let books = Self { home, folder: folder.to_owned(), here, position };
        books.cut_off()?;
        Ok(books)
    }

    /// Takes away what was written behind the position: in its file, and in files of later days.
    fn cut_off(&self) -> Result<(), Failure> {
        let listed = fs::read_dir(&self.folder).map_err(write_error(&self.folder))?;
        for entry in listed.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if is_day(&name) && name > self.position.file {
                fs::remove_file(&path).map_err(write_error(&path))?;
            } else if is_day(&name) && name == self.position.file {
                let file =
                    OpenOptions::new().write(true).open(&path).map_err(write_error(&path))?;
                file.set_len(self.position.length).map_err(write_error(&path))?;
            }
        }
        Ok(())
    }

    fn write(&mut self, follow: bool) -> Result<(), Failure> {
        let (home, since) = (self.home, Seq(self.position.next));
        let mut each = |events: &[Recorded]| -> Result<ControlFlow<()>, Failure> {
            self.take(events)?;
            if follow {
                thread::sleep(GATHER);
            }
            Ok(ControlFlow::Continue(()))
        };
        let written = match follow {
            true => home.follow(since, Select::All, &mut each),
            false => home.events(since, Select::All, &mut each),
        };
        match written {
            Err(Failure::Ask(AskError::Refused(Refusal::Gone { first, .. }))) => {
                self.pass_over(first)?;
                self.write(follow)
            }
            written => written,
        }
    }

    /// The record begins later than where the files end: says so, and goes on from there.
    fn pass_over(&mut self, first: Seq) -> Result<(), Failure> {
        let next = self.position.next;
        complain(&format!(
            "{}: what happened from event {next} to {first} has left the record, and has no accounting records \
             (MAX_HISTORY_LOG and its kin in the pool's configuration)\n",
            self.here.command
        ));
        let position = Position { next: first.0, ..self.position.clone() };
        position.keep(&self.folder)?;
        self.position = position;
        Ok(())
    }

    /// Writes the records of these events, and then that they are written.
    fn take(&mut self, events: &[Recorded]) -> Result<(), Failure> {
        let Some(last) = events.last() else { return Ok(()) };
        let mut schedd = self.home.schedd()?;
        let mut days: BTreeMap<String, String> = BTreeMap::new();
        for (at_s, line) in lines(&mut schedd, events, self.here)? {
            // A clock that was set back does not open yesterday's file again.
            let day = accounting::day(at_s, self.here).max(self.position.file.clone());
            let text = days.entry(day.clone()).or_default();
            if text.is_empty() && !self.folder.join(&day).exists() {
                *text = format!("{};{LICENCES}\n", accounting::stamp(at_s, self.here));
            }
            *text += &line;
        }
        let mut position = Position { next: last.seq.next().0, ..self.position.clone() };
        for (day, text) in days {
            let path = self.folder.join(&day);
            let mut options = OpenOptions::new();
            let opened = options.append(true).create(true).mode(0o640).open(&path);
            let mut file = opened.map_err(write_error(&path))?;
            let length = file
                .write_all(text.as_bytes())
                .and_then(|()| file.sync_data())
                .and_then(|()| file.metadata());
            let length = length.map_err(write_error(&path))?.len();
            position = Position { file: day, length, ..position };
        }
        position.keep(&self.folder)?;
        self.position = position;
        Ok(())
    }
}

/// The position in a folder that has none yet. It is there before the first file: what lies in a
/// folder without one is somebody else's, and would be cut off as written behind it.
fn begun(folder: &Path) -> Result<Position, Failure> {
    let mut listed = fs::read_dir(folder).map_err(write_error(folder))?.flatten();
    if listed.any(|entry| is_day(&entry.file_name().to_string_lossy())) {
        return Err(Failure::Foreign { folder: folder.to_owned() });
    }
    let position = Position { next: 1, ..Position::default() };
    position.keep(folder)?;
    Ok(position)
}

fn is_day(name: &str) -> bool {
    name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// The records of these events, with the moments at which they were made.
pub(super) fn lines(
    schedd: &mut Schedd,
    events: &[Recorded],
    here: &Here,
) -> Result<Vec<(i64, String)>, AskError> {
    let told = told(schedd, events, here)?;
    let line = |(at, entry, job): &(i64, Entry, Job)| accounting::line(entry, *at, job, here);
    let of_reservation =
        |event: &Recorded| Some((event.at.as_secs(), accounting::of_reservation(event, here)?));
    let mut all: Vec<(i64, String)> = told.iter().map(|one| (one.0, line(one))).collect();
    all.extend(events.iter().filter_map(of_reservation));
    all.sort_by_key(|(at, _)| *at);
    Ok(all)
}

/// What the records of these events are about. Of jobs that nobody knows any more there are none.
pub(super) fn told(
    schedd: &mut Schedd,
    events: &[Recorded],
    here: &Here,
) -> Result<Vec<(i64, Entry, Job)>, AskError> {
    let each = |event: &Recorded| {
        let at = event.at.as_secs();
        accounting::entries(event).into_iter().map(move |entry| (at, entry))
    };
    let all: Vec<(i64, Entry)> = events.iter().flat_map(each).collect();
    let wanted: BTreeSet<JobId> = all.iter().map(|(_, entry)| entry.job).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let select = Select::Any(wanted.into_iter().map(Selector::Job).collect());
    // The queue first: a job that ends in between is found in history.
    let queued = schedd.jobs(Query::of(select.clone()))?;
    let finished = schedd.jobs(Query { finished: true, ..Query::of(select) })?;
    let ads = queued.into_iter().chain(finished);
    let known: BTreeMap<JobId, Job> = ads.filter_map(|ad| Job::of_ad(ad, here.now)).collect();
    let found = all.into_iter().filter_map(|(at, entry)| {
        let job = known.get(&entry.job)?.clone();
        Some((at, entry, job))
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_another_program_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(begun(folder.path()).unwrap().next, 1);
        assert!(folder.path().join(POSITION).exists(), "before the first record");

        let foreign = tempfile::tempdir().unwrap();
        fs::write(foreign.path().join("20260101"), "theirs").unwrap();
        let refused = begun(foreign.path()).unwrap_err().to_string();
        assert!(refused.contains("another program's"), "{refused}");
        assert_eq!(fs::read_to_string(foreign.path().join("20260101")).unwrap(), "theirs");
    }

    #[test]
    fn a_position_is_read_as_it_was_written() {
        for (file, length) in [("", 0), ("20261129", 77)] {
            let position = Position { next: 12, file: file.to_owned(), length };
            assert_eq!(Position::read(&position.written()), Some(position));
        }
        for wrong in ["", "x 1", "1"] {
            assert_eq!(Position::read(wrong), None, "{wrong}");
        }
    }
}
