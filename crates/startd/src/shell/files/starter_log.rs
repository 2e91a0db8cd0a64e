//! The account of a run, for its job's owner (`starter_debug`, `starter_log`): lines with the time,
//! in a file in the run's scratch folder, which is brought to where the job wants it when the run
//! is over, whatever came of it.
//!
//! HTCondor 25.14 copies the log of its starter. Here the startd does a starter's work, and tells
//! what it does for this run. What cannot be written is told in the startd's own log, and is no
//! failure of the run.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use classad::ClassAd;
use jiff::tz::TimeZone;
use launcher::wire::{self, OsBytes, Start};
use model::{RunEnd, Usage};
use nix::fcntl::OFlag;
use proto::{clock, plain_file};

use crate::core::{StartProcess, StarterLog};
use crate::shell::files::copying::{HERE, Route, TransferError, failed};
use crate::shell::files::disk::{Disk, SameDisk, Source};

/// The file in the scratch folder (HTCondor 25.14's name).
pub(crate) const RUN_LOG: &str = ".starter.log";

const MODE: u32 = 0o644;

/// The account of one run; of most nothing is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunLog(Option<Arc<Open>>);

#[derive(Debug)]
struct Open {
    file: PathBuf,
    target: Option<PathBuf>,
    detailed: bool,
}

impl RunLog {
    /// That of a run with this scratch folder, if its owner wants one.
    pub(crate) fn new(log: Option<&StarterLog>, scratch: &Path) -> Self {
        Self(log.map(|log| {
            Arc::new(Open {
                file: scratch.join(RUN_LOG),
                target: log.target.as_ref().map(PathBuf::from),
                detailed: log.detailed,
            })
        }))
    }

    /// What a job wants to be told of its run with this scratch folder.
    pub(crate) fn of(job: &ClassAd, scratch: &Path) -> Self {
        Self::new(StarterLog::of(job).as_ref(), scratch)
    }

    fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        let Some(open) = &self.0 else { return };
        if let Err(error) = open.append(&what()) {
            tracing::warn!(file = %open.file.display(), %error, "cannot write the account of a run");
        }
    }

    fn detail(&self, what: impl FnOnce() -> String) {
        if self.0.as_ref().is_some_and(|open| open.detailed) {
            self.say(what);
        }
    }

    /// Moves something, and tells how many bytes it had and how long it took.
    pub(crate) fn moving(
        &self,
        what: impl FnOnce() -> String,
        work: impl FnOnce() -> Result<u64, TransferError>,
    ) -> Result<u64, TransferError> {
        if !self.is_wanted() {
            return work();
        }
        let began_ms = clock::now().boot_ms;
        let result = work();
        let took_ms = clock::now().boot_ms.saturating_sub(began_ms);
        let took = format!("{}.{:03} s", took_ms / 1000, took_ms % 1000);
        self.say(|| match &result {
            Ok(bytes) => format!("{}: {bytes} bytes in {took}", what()),
            Err(error) => format!("{}: failed after {took}: {error}", what()),
        });
        result
    }

    /// The first lines.
    pub(crate) fn begin(&self, run: &StartProcess, scratch: &Path) {
        self.say(|| {
            let (run, slot, scratch) = (run.run, &run.slot, scratch.display());
            format!("Run {run} in {slot}: its scratch folder is {scratch}")
        });
    }

    /// What is going to be executed.
    pub(crate) fn prepared(&self, start: &Start) {
        let script = |word: &str, script: &Option<Box<wire::Script>>| {
            let program = script.as_ref().map(|script| lossy(&script.program));
            program.map_or_else(String::new, |program| format!(", {word} it {program}"))
        };
        self.say(|| {
            let (program, cwd) = (lossy(&start.program), lossy(&start.cwd));
            let (before, after) = (script("before", &start.before), script("after", &start.after));
            let beside = start.beside.as_ref().map(|beside| lossy(&beside.program));
            let beside =
                beside.map_or_else(String::new, |program| format!(", beside it {program}"));
            format!("To be executed: {program} in {cwd}{before}{after}{beside}")
        });
        for (index, argument) in start.argv.iter().enumerate() {
            self.detail(|| format!("  argument {index}: {}", lossy(argument)));
        }
        for (name, value) in &start.env {
            self.detail(|| format!("  variable {}={}", lossy(name), lossy(value)));
        }
    }

    /// What the launcher says of the end.
    pub(crate) fn ended(&self, end: &wire::End) {
        let because = match end.killed_by {
            None => "",
            Some(wire::KilledBy::Request) => ", told to",
            Some(wire::KilledBy::Lease) => ", because its lease was over",
        };
        self.say(|| {
            format!("Nothing of the run is left{because}: its program {}", how(&end.outcome))
        });
        if let Some(wire::FailedScript { step, outcome }) = &end.failed {
            let which = match step {
                wire::Step::Before => "before",
                wire::Step::Beside => "beside",
                wire::Step::Main | wire::Step::After => "after",
            };
            self.say(|| format!("The program {which} it failed: it {}", how(outcome)));
        }
        self.say(|| {
            let wire::Usage { user_us, sys_us, peak_rss_kib, .. } = end.usage;
            let (user_ms, sys_ms) = (user_us / 1000, sys_us / 1000);
            format!("It used {user_ms} ms in user mode, {sys_ms} ms in the kernel, {peak_rss_kib} KiB of memory")
        });
    }

    /// Brings what was told so far to where its owner wants it, on another machine.
    pub(crate) fn bring(&self, disk: &dyn Disk) {
        let Some((open, target)) =
            self.0.as_ref().and_then(|open| Some((open, open.target.as_ref()?)))
        else {
            return;
        };
        let read = plain_file::open(&open.file, OpenOptions::new().read(true), OFlag::O_NOFOLLOW);
        let brought = read.map_err(|error| failed(&open.file, &error)).and_then(|file| {
            let bytes = file.metadata().map_or(0, |found| found.len());
            // What is told meanwhile is not of this copy.
            let content = Box::new(file.take(bytes));
            Route { from: &SameDisk, to: disk }.make_parent(target)?;
            disk.write(target, &mut Source { mode: MODE, bytes, content })
        });
        if let Err(error) = brought {
            tracing::warn!(%error, "cannot bring back the log of a run");
        }
    }

    /// The last line; says what is to be brought where then. Its scratch folder may be gone by the
    /// time that is done.
    pub(crate) fn close(&self, end: &RunEnd, usage: &Usage) -> Option<ClosedRunLog> {
        // One that was not needed has no folder, and nothing to tell.
        let open = self.0.as_ref().filter(|_| *end != RunEnd::UpToDate)?;
        self.say(|| {
            let Usage { received_bytes, sent_bytes, .. } = usage;
            format!("The run {end}; {received_bytes} bytes came, {sent_bytes} went")
        });
        let target = open.target.clone()?;
        match plain_file::open(&open.file, OpenOptions::new().read(true), OFlag::O_NOFOLLOW) {
            Ok(file) => Some(ClosedRunLog { file, target }),
            Err(error) => {
                tracing::warn!(file = %open.file.display(), %error, "cannot read the account of a run");
                None
            }
        }
    }
}

/// The log of a run that is over.
#[derive(Debug)]
pub(crate) struct ClosedRunLog {
    file: File,
    /// Where its owner wants it.
    target: PathBuf,
}

impl ClosedRunLog {
    /// Brings it there: a path of its owner's, which may keep us waiting.
    pub(crate) fn bring_back(self) {
        let Self { file, target } = self;
        let bytes = file.metadata().map_or(0, |found| found.len());
        let mut log = Source { mode: MODE, bytes, content: Box::new(file) };
        let brought = HERE.make_parent(&target);
        let brought = brought.and_then(|()| SameDisk.write(&target, &mut log));
        if let Err(error) = brought {
            tracing::warn!(%error, "cannot bring back the log of a run");
        }
    }
}

impl Open {
    fn append(&self, what: &str) -> io::Result<()> {
        let at = jiff::Timestamp::from_millisecond(clock::now().wall.as_millis());
        let at = at.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_zoned(TimeZone::system());
        let line = format!("{} {what}\n", at.strftime("%Y-%m-%d %H:%M:%S%.3f"));
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(MODE);
        // The job can put something else in its place.
        plain_file::open(&self.file, &mut options, OFlag::O_NOFOLLOW)?.write_all(line.as_bytes())
    }
}

fn lossy(bytes: &OsBytes) -> String {
    String::from_utf8_lossy(bytes.as_bytes()).into_owned()
}

fn how(outcome: &wire::Outcome) -> String {
    match outcome {
        wire::Outcome::Exited { code } => format!("ended with exit code {code}"),
        wire::Outcome::Signaled { signal, core: false } => format!("was ended by signal {signal}"),
        wire::Outcome::Signaled { signal, core: true } => {
            format!("was ended by signal {signal}, and left a core file")
        }
        wire::Outcome::StartFailed { stage, path, errno } => {
            let error = io::Error::from_raw_os_error(*errno);
            format!("was not executed: {stage:?} {}: {error}", lossy(path))
        }
        wire::Outcome::NotExecuted => "was not executed".to_owned(),
        wire::Outcome::Lost => "ended in a way that nobody knows".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &str, expected: Option<(bool, Option<&str>)>) {
        let job = ClassAd::parse_old(&format!("Iwd = \"/home\"\n{lines}\n")).unwrap();
        let run_log = RunLog::of(&job, Path::new("/scratch"));
        let found = run_log.0.as_ref().map(|open| {
            (open.detailed, open.target.as_ref().map(|target| target.to_str().unwrap()))
        });
        assert_eq!(found, expected, "{lines}");
    }

    #[test]
    fn a_job_says_whether_and_how_much_it_wants_to_be_told_and_where() {
        check("", None);
        check("JobStarterLog = \"log\"", None);
        check("JobStarterDebug = false", None);
        check("JobStarterDebug = true", Some((false, None)));
        check(
            "JobStarterDebug = \"D_FULLDEBUG\"\nJobStarterLog = \"log\"",
            Some((true, Some("/home/log"))),
        );
        check(
            "JobStarterDebug = \"D_CAT D_ALWAYS:2\"\nJobStarterLog = \"/log\"",
            Some((true, Some("/log"))),
        );
        check("JobStarterDebug = \"D_PID\"", Some((false, None)));
    }
}
