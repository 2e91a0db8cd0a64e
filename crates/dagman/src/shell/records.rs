//! The files that people and programs read while a workflow runs: dagman.out, jobstate.log, the
//! nodes' log, the node status file. What is in them, `record` says; when they are written, this.
//!
//! None of them ends a run: what cannot be written is told in dagman.out, once, and tried again.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use model::userlog::{CpuTimes, Ending, EntryId, LogStyle, Terminated, UserLogEvent};
use model::{JobId, ProcId, Timestamp};

use super::journal::Told;
use super::log::Log;
use super::own_entries::OwnEntries;
use super::retelling::{self, Retelling};
use super::{ShellError, files};
use crate::core::{Core, Event, NOOP_PROC, NodeState, ScriptEnd};
use crate::record::{Stamp, dagman_out, dot, jobstate, node_status};
use crate::workflow::{Dot, ScriptKind};

/// The files that people and programs read while the DAG runs.
pub(super) struct Records {
    out: Log,
    nodes_log: OwnEntries,
    nodes_log_path: String,
    jobstate: Option<Log>,
    /// Whether the last flush wrote all that was noted, but for own entries that wait, and nobody
    /// has asked since.
    is_told: bool,
    numbers: jobstate::Numbers,
    zone: TimeZone,
    status: StatusFile,
    /// The files that could not be written last time.
    stuck: BTreeSet<String>,
    /// When the picture was drawn last.
    drawn_ms: Option<u64>,
    dag_files: Vec<String>,
}

/// When the node status file was written, and whether something has changed since.
#[derive(Debug, Default)]
struct StatusFile {
    written_ms: Option<u64>,
    changed: bool,
}

impl Records {
    /// Opens them. Without a run to go on with, the nodes' log begins empty.
    pub(super) fn open(
        out: &str,
        nodes_log: &str,
        jobstate: Option<&str>,
        dag_files: &[String],
        fresh: bool,
    ) -> Result<Self, ShellError> {
        if fresh {
            std::fs::write(nodes_log, "").map_err(ShellError::file("begin the log", nodes_log))?;
        }
        // A file that is not there yet says nothing.
        let before = jobstate.and_then(|path| client::site::read_plain_text(path).ok());
        Ok(Self {
            numbers: jobstate::Numbers::after(&before.unwrap_or_default(), !fresh),
            out: Log::open(out)?,
            nodes_log: OwnEntries::open(nodes_log)?,
            nodes_log_path: nodes_log.to_owned(),
            is_told: false,
            jobstate: jobstate.map(Log::open).transpose()?,
            zone: TimeZone::system(),
            status: StatusFile::default(),
            stuck: BTreeSet::new(),
            drawn_ms: None,
            dag_files: dag_files.to_vec(),
        })
    }

    /// A moment as these files show it.
    pub(super) fn stamp(&self, at: Timestamp) -> Stamp {
        Stamp::new(at, self.zone.clone())
    }

    /// Lines for dagman.out.
    pub(super) fn say(&mut self, at: Timestamp, lines: impl IntoIterator<Item = String>) {
        let stamp = self.stamp(at).in_log();
        for line in lines {
            self.out.add(&format!("{stamp} {line}\n"));
        }
    }

    /// A line about dagman itself in jobstate.log.
    pub(super) fn say_internal(&mut self, at: Timestamp, what: &str) {
        let text = jobstate::internal(what, &self.stamp(at));
        if let Some(jobstate) = &mut self.jobstate {
            jobstate.add(&text);
        }
    }

    /// What an event adds, which has not been applied yet.
    pub(super) fn note(&mut self, core: &Core, event: &Event, at: Timestamp) {
        let stamp = self.stamp(at);
        self.say(at, dagman_out::lines(core, event, &stamp));
        if let Some(jobstate) = &mut self.jobstate {
            for line in jobstate::lines(core, event, &stamp, &mut self.numbers) {
                jobstate.add(&line);
            }
        }
        for (id, entry) in log_entries(core, event) {
            self.nodes_log.put(id, entry.render_as(id, at, &LogStyle::iso(&self.zone)));
        }
        self.status.changed = true;
    }

    /// Begins to look for what is not there of what an earlier life did.
    pub(super) fn go_on(&self, told: &Told) -> Retelling {
        let states = self.jobstate.as_ref().map(Log::path);
        Retelling::read(told, self.out.path(), states, &self.nodes_log_path)
    }

    /// Adds what an event of an earlier life should have added, as far as it is not there. Of one
    /// that is not late, nothing lacks but own entries.
    pub(super) fn note_again(
        &mut self,
        core: &Core,
        event: &Event,
        is_late: bool,
        at: Timestamp,
        there: &mut Retelling,
    ) {
        for (id, entry) in log_entries(core, event) {
            if !there.may_lack_next() {
                self.nodes_log.is_there();
                continue;
            }
            let text = entry.render_as(id, at, &LogStyle::iso(&self.zone));
            match there.entries.take(retelling::head(&text)) {
                Some(_) => self.nodes_log.is_there(),
                None => self.nodes_log.put_late(id, text),
            }
        }
        let stamp = self.stamp(at);
        if let Some(jobstate) = &mut self.jobstate {
            // Attempts get the numbers that they got then, also those of which nothing is told.
            for line in jobstate::lines(core, event, &stamp, &mut self.numbers) {
                if is_late && there.jobstate.take(retelling::without_moment(&line)).is_none() {
                    jobstate.add(&line);
                }
            }
        }
        if !is_late {
            return;
        }
        let moment = stamp.in_log();
        for line in dagman_out::lines(core, event, &stamp) {
            let line = format!("{moment} {line}\n");
            if there.out.take(retelling::without_moments(&line)).is_none() {
                self.out.add(&line);
            }
        }
    }

    /// How far the records are that have all that was noted before their last flush; `None` if they
    /// have not, or if it was asked before.
    pub(super) fn take_told(&mut self) -> Option<Told> {
        if !std::mem::take(&mut self.is_told) {
            return None;
        }
        let (entries, nodes_log) = self.nodes_log.written()?;
        let jobstate = self.jobstate.as_ref().map_or(Some(0), Log::length)?;
        Some(Told { out: self.out.length()?, jobstate, entries, nodes_log })
    }

    /// Writes what was noted. After a batch that changed something, with the table of states.
    pub(super) fn flush(&mut self, core: &Core, at: Timestamp, changed: bool) {
        if changed {
            self.say(at, dagman_out::table(core));
        }
        let told = [self.nodes_log.flush(), self.jobstate.as_mut().and_then(Log::flush)];
        self.say(at, told.into_iter().flatten());
        let told = self.out.flush();
        self.is_told = self.out.is_written() && self.jobstate.as_ref().is_none_or(Log::is_written);
        self.say(at, told);
    }

    /// Notes how it went to write a file that the run does not depend on.
    pub(super) fn settle(&mut self, at: Timestamp, path: &str, written: Result<(), ShellError>) {
        match written {
            Ok(()) => drop(self.stuck.remove(path)),
            Err(error) if self.stuck.insert(path.to_owned()) => {
                let error = proto::net::chain(&error);
                self.say(at, [format!("WARNING: {error}: the DAG goes on without that")]);
            }
            Err(_) => {}
        }
    }

    /// Whether something could not be written yet, and will be soon.
    pub(super) fn are_waiting(&self) -> bool {
        self.nodes_log.are_waiting()
    }

    /// Writes the node status file, if it is wanted and time; at the end in any case.
    pub(super) fn write_status(&mut self, core: &Core, at: Timestamp, boot_ms: u64, last: bool) {
        let Some(wanted) = &core.workflow().settings().node_status_file else { return };
        let pause_ms = u64::from(wanted.min_seconds) * 1000;
        let is_time = self.status.written_ms.is_none_or(|then| boot_ms >= then + pause_ms);
        if !last && !(is_time && (self.status.changed || wanted.always_update)) {
            return;
        }
        let next = (!last).then(|| at.as_secs() + i64::from(wanted.min_seconds));
        let text = node_status::text(core, &self.dag_files, &self.stamp(at), next);
        let written = files::replace(&wanted.file, &text);
        self.status = StatusFile { written_ms: Some(boot_ms), changed: written.is_err() };
        self.settle(at, &wanted.file, written);
    }

    /// Draws the picture (DOT), if one is wanted: once, or again and again but not more often than
    /// anybody looks.
    pub(super) fn draw(&mut self, core: &Core, at: Timestamp, boot_ms: u64, last: bool) {
        let Some(wanted) = &core.workflow().settings().dot else { return };
        let is_time = match self.drawn_ms {
            None => true,
            Some(then) => wanted.update && (last || boot_ms >= then + DRAW_MS),
        };
        if is_time {
            self.drawn_ms = Some(boot_ms);
            self.settle(at, &wanted.file, draw(core, wanted, &self.stamp(at)));
        }
    }
}

fn draw(core: &Core, wanted: &Dot, now: &Stamp) -> Result<(), ShellError> {
    let include = wanted.include.as_deref();
    let include = include.map(|path| {
        let text = client::site::read_plain_text(path);
        let text = text.map_err(ShellError::file("read what DOT includes,", path))?;
        Ok::<_, ShellError>((path, text))
    });
    let include = include.transpose()?;
    let path = if wanted.overwrite {
        wanted.file.clone()
    } else {
        let numbered = |number: u32| format!("{}.{number}", wanted.file);
        (0..).map(numbered).find(|path| !files::is_there(path)).unwrap_or_default()
    };
    let include = include.as_ref().map(|(path, text)| (*path, text.as_str()));
    files::replace(&path, &dot::text(core, now, include))
}

/// Between two pictures, milliseconds.
const DRAW_MS: u64 = 5000;

/// What dagman itself writes into the nodes' log: all else the schedd does.
fn log_entries(core: &Core, event: &Event) -> Vec<(EntryId, UserLogEvent)> {
    match event {
        Event::ScriptEnded { node, script: ScriptKind::Post, end } => {
            let NodeState::Post(_, jobs) = core.state(*node) else { return Vec::new() };
            let Some(cluster) = jobs.cluster else { return Vec::new() };
            let ending = match end {
                ScriptEnd::Exited(code) => Ending::Exited { code: *code },
                ScriptEnd::Signaled(signal) => {
                    Ending::Signaled { signal: *signal, core_file: None }
                }
                ScriptEnd::NotStarted(_) => Ending::Exited { code: -1 },
            };
            let dag_node = Some(core.workflow().node(*node).name().to_owned());
            let entry = UserLogEvent::PostScriptTerminated { ending, dag_node };
            let job = JobId { cluster, proc: ProcId(jobs.last_proc()) };
            vec![(EntryId { subproc: jobs.noop, ..job.into() }, entry)]
        }
        Event::PreSkipped { node } => {
            let notes = format!("DAG Node: {}", core.workflow().node(*node).name());
            vec![(next_noop(core), UserLogEvent::PreSkipped { notes })]
        }
        Event::NothingToSubmit { node } => without_jobs(core, core.workflow().node(*node).name()),
        _ => Vec::new(),
    }
}

/// A node without jobs has one in the log all the same: readers wait for its end.
fn without_jobs(core: &Core, node: &str) -> Vec<(EntryId, UserLogEvent)> {
    let job = next_noop(core);
    let submitted = UserLogEvent::Submitted {
        host: "<dummy-submit-for-noop-job>".to_owned(),
        log_notes: Some(format!("DAG Node: {node}")),
        user_notes: None,
        warnings: None,
    };
    let none = CpuTimes::default();
    let terminated = Terminated {
        ending: Ending::Exited { code: 0 },
        run_remote: none,
        run_local: none,
        total_remote: none,
        total_local: none,
        sent_bytes: 0,
        received_bytes: 0,
        total_sent_bytes: 0,
        total_received_bytes: 0,
        resources: Vec::new(),
    };
    vec![(job, submitted), (job, UserLogEvent::Terminated(Box::new(terminated)))]
}

/// Of a node without jobs: they differ in their last number only.
fn next_noop(core: &Core) -> EntryId {
    EntryId { subproc: core.next_noop(), ..JobId::new(0, NOOP_PROC).into() }
}

#[cfg(test)]
mod tests;
