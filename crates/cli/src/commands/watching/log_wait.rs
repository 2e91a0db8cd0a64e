//! Waiting on an event log, as `condor_wait` does: what is said of each event, and when the wait is
//! over. The file itself, and how long to wait for more of it, are the business of the verb.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use model::userlog::{Ending, Entries, EntryId, LogEntry, LogStyle, UserLogEvent};

use crate::render::values::ads::{self, Form};

/// What to wait for, and what to say meanwhile.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Only this cluster, or this job of it.
    pub job: Option<(u32, Option<u32>)>,
    /// So many jobs; all that the log mentions if not given.
    pub number: Option<usize>,
    /// Whether it is over if the log has other jobs only.
    pub must_be_there: bool,
    /// Say when jobs start and end (`-status`).
    pub status: bool,
    /// Repeat the events in this form (`-echo`).
    pub echo: Option<Echo>,
    /// The user's time zone and the year, to read dates.
    pub zone: TimeZone,
    /// The year of dates that have none.
    pub year: i16,
}

/// How events are repeated.
#[derive(Clone, Debug)]
pub struct Echo {
    /// How times are written.
    pub style: LogStyle,
    /// As ads in this form; none is the log's own text.
    pub form: Option<Form>,
}

impl Echo {
    fn render(&self, entry: &LogEntry) -> String {
        match self.form {
            None => entry.event.render_as(entry.id, entry.at, &self.style),
            Some(form) => ads::one(&entry.ad(&self.style), form),
        }
    }
}

/// A wait that is under way.
#[derive(Debug)]
pub struct LogWait {
    wanted: Wanted,
    /// Bytes of the log that were read.
    read: usize,
    seen_any: bool,
    seen_wanted: bool,
    waiting: BTreeSet<EntryId>,
    ended: usize,
    failed: bool,
}

/// How a wait stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Jobs are still to end.
    Waiting,
    /// All jobs have ended.
    AllDone,
    /// The log has other jobs only.
    NotThere,
    /// As many as were wanted have ended.
    NumberDone(usize),
}

impl LogWait {
    /// A wait that has read nothing.
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            read: 0,
            seen_any: false,
            seen_wanted: false,
            waiting: BTreeSet::new(),
            ended: 0,
            failed: false,
        }
    }

    /// Takes the log as it is now, all of it; gives what is to be said of the events that are new,
    /// and how things stand.
    pub fn feed(&mut self, log: &str) -> (String, Waited) {
        let mut out = String::new();
        let zone = self.wanted.zone.clone();
        // It was cut off, and begun anew.
        if log.len() < self.read {
            self.read = 0;
        }
        let mut entries =
            Entries::new(log.get(self.read..).unwrap_or_default(), &zone, self.wanted.year);
        for entry in entries.by_ref() {
            self.seen_any = true;
            // An event that makes no sense is not about any job that we could wait for.
            let Ok(entry) = entry else { continue };
            if self.is_wanted(entry.id) {
                self.seen_wanted = true;
                self.take(&entry, &mut out);
            }
            if let Some(number) = self.wanted.number.filter(|number| self.ended >= *number) {
                self.read += entries.consumed();
                return (out, Waited::NumberDone(number));
            }
        }
        self.read += entries.consumed();
        let over = self.seen_any && self.waiting.is_empty() && self.wanted.number.is_none();
        if self.seen_any && !self.seen_wanted && self.wanted.must_be_there {
            return (out, Waited::NotThere);
        }
        (out, if over { Waited::AllDone } else { Waited::Waiting })
    }

    /// Whether a job that has ended did not succeed.
    pub fn any_failed(&self) -> bool {
        self.failed
    }

    fn is_wanted(&self, id: EntryId) -> bool {
        let Some((cluster, proc)) = self.wanted.job else { return true };
        id.cluster.0 == cluster && proc.is_none_or(|proc| id.proc.is_some_and(|p| p.0 == proc))
    }

    fn take(&mut self, entry: &LogEntry, out: &mut String) {
        if let Some(echo) = &self.wanted.echo {
            *out += &echo.render(entry);
        }
        if let Some(words) = words(&entry.event).filter(|_| self.wanted.status) {
            let proc = entry.id.proc.map_or(-1, |proc| i64::from(proc.0));
            *out += &format!("{}.{proc}.{} {words}\n", entry.id.cluster, entry.id.subproc);
        }
        match &entry.event {
            UserLogEvent::Submitted { .. } => {
                self.waiting.insert(entry.id);
            }
            UserLogEvent::Terminated(terminated) => {
                self.end(entry.id, terminated.ending != Ending::Exited { code: 0 });
            }
            UserLogEvent::Aborted { .. } => self.end(entry.id, true),
            _ => {}
        }
    }

    fn end(&mut self, id: EntryId, failed: bool) {
        self.waiting.remove(&id);
        self.ended += 1;
        self.failed |= failed;
    }
}

/// What `-status` says of an event; nothing of most.
fn words(event: &UserLogEvent) -> Option<String> {
    let words = match event {
        UserLogEvent::Executing { host, .. } => return Some(format!("executing on host {host}")),
        UserLogEvent::Submitted { .. } => "submitted",
        UserLogEvent::ExecutableError(_) => "error in executable",
        UserLogEvent::Checkpointed { .. } => "checkpointed",
        UserLogEvent::Evicted(_) => "evicted",
        UserLogEvent::Terminated(_) => "completed",
        UserLogEvent::ShadowException { .. } => "shadow exception",
        UserLogEvent::Aborted { .. } => "aborted",
        UserLogEvent::Suspended { .. } => "suspended",
        UserLogEvent::Unsuspended => "unsuspended",
        UserLogEvent::Held { .. } => "held",
        UserLogEvent::Released { .. } => "released",
        _ => return None,
    };
    Some(words.to_owned())
}

#[cfg(test)]
mod tests {
    use model::userlog::Completion;
    use model::{JobId, Timestamp};

    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            job: None,
            number: None,
            must_be_there: false,
            status: true,
            echo: None,
            zone: TimeZone::UTC,
            year: 2026,
        }
    }

    fn log(events: &[(u32, UserLogEvent)]) -> String {
        let text = |(proc, event): &(u32, UserLogEvent)| {
            event.render(JobId::new(42, *proc), Timestamp::from_secs(0), &TimeZone::UTC)
        };
        events.iter().map(text).collect()
    }

    fn submitted() -> UserLogEvent {
        UserLogEvent::Submitted {
            host: "<h>".to_owned(),
            log_notes: None,
            user_notes: None,
            warnings: None,
        }
    }

    fn aborted() -> UserLogEvent {
        UserLogEvent::Aborted { reason: None }
    }

    #[test]
    fn a_wait_is_over_when_every_job_that_the_log_mentions_has_ended() {
        let whole = log(&[(0, submitted()), (1, submitted()), (0, aborted()), (1, aborted())]);
        let mut wait = LogWait::new(wanted());
        assert_eq!(wait.feed(""), (String::new(), Waited::Waiting), "an empty log is not the end");
        let half = &whole[..whole.len() - 3];
        assert_eq!(wait.feed(half).1, Waited::Waiting, "the last event is not whole");
        let (said, outcome) = wait.feed(&whole);
        assert_eq!((said.as_str(), outcome), ("42.1.0 aborted\n", Waited::AllDone));
        assert!(wait.any_failed());
    }

    #[test]
    fn a_number_of_jobs_or_one_job_can_be_waited_for() {
        let text = log(&[(0, submitted()), (1, submitted()), (1, aborted())]);
        let mut one = LogWait::new(Wanted { number: Some(1), status: false, ..wanted() });
        assert_eq!(one.feed(&text), (String::new(), Waited::NumberDone(1)));
        let mut job = LogWait::new(Wanted { job: Some((42, Some(1))), ..wanted() });
        assert_eq!(job.feed(&text).1, Waited::AllDone);
        let mut other = LogWait::new(Wanted { job: Some((42, Some(0))), ..wanted() });
        assert_eq!(other.feed(&text).1, Waited::Waiting);
        let mut nobody = LogWait::new(Wanted { job: Some((99, None)), ..wanted() });
        assert_eq!(
            nobody.feed(&text),
            (String::new(), Waited::AllDone),
            "as condor_wait says of a job it does not find"
        );
    }

    #[test]
    fn a_log_that_was_begun_anew_is_read_from_its_start() {
        let mut wait = LogWait::new(wanted());
        assert_eq!(wait.feed(&log(&[(0, submitted()), (1, submitted())])).1, Waited::Waiting);
        assert_eq!(wait.feed(&log(&[(0, aborted())])).1, Waited::Waiting);
        assert_eq!(wait.feed(&log(&[(0, aborted()), (1, aborted())])).1, Waited::AllDone);
    }

    #[test]
    fn events_of_clusters_and_garbage_are_passed_over() {
        let removed = UserLogEvent::ClusterRemoved {
            jobs: 1,
            items: 1,
            completion: Completion::Complete,
            notes: None,
        };
        let text =
            log(&[(0, submitted()), (0, removed)]) + "garbage\n...\n" + &log(&[(0, aborted())]);
        let (said, outcome) = LogWait::new(wanted()).feed(&text);
        assert_eq!(
            (said.as_str(), outcome),
            ("42.0.0 submitted\n42.0.0 aborted\n", Waited::AllDone)
        );
    }
}
