//! A log as events: text, or ads in JSON or XML, which may follow on each other. Forgiving: either
//! form of date, missing optional lines, unknown lines and unknown numbers are accepted; an event
//! that makes no sense is an error of its own, and reading goes on behind it.

use jiff::tz::TimeZone;

use super::entry::{AdForm, END, LogEntry, read_head};
use super::event::{
    Completion, Ending, Evicted, EvictedHow, ExecutableFault, Terminated, TransferStep,
    UserLogEvent,
};
use super::from_ad;
use super::times::CpuTimes;
use super::usage::{Columns, ResourceUsage};

/// A piece of a log that is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read line {line} of the event log: '{text}' is no event")]
pub struct LogError {
    /// Its line, from 1.
    pub line: usize,
    /// Its first line.
    pub text: String,
}

/// The events of a text, in order. An event whose last line is not there yet is not returned: see
/// [`Entries::consumed`].
#[derive(Debug)]
pub struct Entries<'a> {
    text: &'a str,
    zone: &'a TimeZone,
    year: i16,
    at: usize,
    line: usize,
}

impl<'a> Entries<'a> {
    /// Reads `text`, whose times are local to `zone`. `year` is for dates without one.
    pub fn new(text: &'a str, zone: &'a TimeZone, year: i16) -> Self {
        Self { text, zone, year, at: 0, line: 1 }
    }

    /// How many bytes of the text were read: a follower of a growing log begins there next time.
    pub fn consumed(&self) -> usize {
        self.at
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<LogEntry, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut lines = Vec::new();
        let mut end = self.at;
        let first = self.line;
        let mut form = None;
        for line in self.text[self.at..].split_inclusive('\n') {
            end += line.len();
            let bare = line.strip_suffix('\n')?;
            let bare = bare.strip_suffix('\r').unwrap_or(bare);
            self.line += 1;
            if lines.is_empty() {
                form = from_ad::form_of(bare);
            }
            lines.push(bare);
            let is_end = match form {
                None => bare == END,
                Some((AdForm::Json, _)) if lines.len() == 1 && bare.ends_with('}') => true,
                Some((_, last)) => bare == last || bare == END,
            };
            if is_end {
                let block = &self.text[self.at..end];
                self.at = end;
                return Some(match form {
                    None => self.entry(&lines[..lines.len() - 1], first),
                    Some((form, _)) => self.of_ad(block, form, &lines, first),
                });
            }
        }
        None
    }
}

impl Entries<'_> {
    fn of_ad(
        &self,
        block: &str,
        form: AdForm,
        lines: &[&str],
        line: usize,
    ) -> Result<LogEntry, LogError> {
        let text = || lines.first().copied().unwrap_or_default().to_owned();
        from_ad::read(block, form, self.zone, self.year)
            .ok_or_else(|| LogError { line, text: text() })
    }

    fn entry(&self, lines: &[&str], line: usize) -> Result<LogEntry, LogError> {
        let first = lines.first().copied().unwrap_or_default();
        let read = || {
            let head = read_head(first, self.zone, self.year)?;
            let event = read_event(head.number, head.rest, lines.get(1..)?)?;
            Some(LogEntry { id: head.id, at: head.at, event })
        };
        read().ok_or_else(|| LogError { line, text: first.to_owned() })
    }
}

/// The event of this number; `None` if its text is something else.
fn read_event(number: u16, head: &str, rest: &[&str]) -> Option<UserLogEvent> {
    match number {
        0..=8 => read_run(number, head, rest),
        9..=16 => read_decision(number, head, rest),
        21..=28 => read_connection(number, head, rest),
        29..=34 => read_small(number, head, rest),
        35..=38 | 40 | 46 | 47 => read_late(number, head, rest),
        _ => Some(other(number, head, rest)),
    }
}

fn read_run(number: u16, head: &str, rest: &[&str]) -> Option<UserLogEvent> {
    Some(match number {
        0 => {
            let host = head.strip_prefix("Job submitted from host: ")?.to_owned();
            let Notes { log_notes, user_notes, warnings } = read_notes(rest);
            UserLogEvent::Submitted { host, log_notes, user_notes, warnings }
        }
        1 => {
            let host = head.strip_prefix("Job executing on host: ")?.to_owned();
            let (slot_name, properties) = read_slot(rest);
            UserLogEvent::Executing { host, slot_name, properties }
        }
        2 if head.starts_with("(1)") => {
            UserLogEvent::ExecutableError(ExecutableFault::NotExecutable)
        }
        2 => {
            head.strip_prefix("(2)")?;
            UserLogEvent::ExecutableError(ExecutableFault::BadlyLinked)
        }
        3 => UserLogEvent::Checkpointed {
            run_remote: times(rest, "Run Remote Usage"),
            run_local: times(rest, "Run Local Usage"),
            sent_bytes: amount(rest, "Run Bytes Sent By Job For Checkpoint").unwrap_or(0),
        },
        4 => UserLogEvent::Evicted(Box::new(read_evicted(head, rest)?)),
        5 => {
            head.strip_prefix("Job terminated.")?;
            UserLogEvent::Terminated(Box::new(read_terminated(rest, "Job")?))
        }
        6 => UserLogEvent::ImageSize {
            image_kib: head.strip_prefix("Image size of job updated: ")?.trim().parse().ok()?,
            memory_mib: amount(rest, "MemoryUsage of job (MB)"),
            resident_kib: amount(rest, "ResidentSetSize of job (KB)"),
            proportional_kib: amount(rest, "ProportionalSetSize of job (KB)"),
        },
        7 => UserLogEvent::ShadowException {
            message: rest.first().map(|text| text.trim().to_owned()).unwrap_or_default(),
            sent_bytes: amount(rest, "Run Bytes Sent By Job").unwrap_or(0),
            received_bytes: amount(rest, "Run Bytes Received By Job").unwrap_or(0),
        },
        _ => UserLogEvent::Generic { text: head.to_owned() },
    })
}

fn read_decision(number: u16, head: &str, rest: &[&str]) -> Option<UserLogEvent> {
    Some(match number {
        9 => {
            head.strip_prefix("Job was aborted")?;
            UserLogEvent::Aborted { reason: reason(rest) }
        }
        10 => {
            head.strip_prefix("Job was suspended.")?;
            let count = field(rest, "Number of processes actually suspended: ");
            UserLogEvent::Suspended { processes: count.and_then(|n| n.parse().ok()).unwrap_or(0) }
        }
        11 => {
            head.strip_prefix("Job was unsuspended.")?;
            UserLogEvent::Unsuspended
        }
        12 => {
            head.strip_prefix("Job was held.")?;
            let (code, subcode) = rest.iter().find_map(|line| codes(line)).unwrap_or((0, 0));
            let reason = reason(rest).filter(|text| text != "Reason unspecified");
            UserLogEvent::Held { reason, code, subcode }
        }
        13 => {
            head.strip_prefix("Job was released.")?;
            UserLogEvent::Released { reason: reason(rest) }
        }
        14 => {
            let (node, host) = head.strip_prefix("Node ")?.split_once(" executing on host: ")?;
            let (slot_name, properties) = read_slot(rest);
            let (node, host) = (node.parse().ok()?, host.to_owned());
            UserLogEvent::NodeExecuting { node, host, slot_name, properties }
        }
        15 => {
            let node = head.strip_prefix("Node ")?.strip_suffix(" terminated.")?.parse().ok()?;
            let terminated = Box::new(read_terminated(rest, "Node")?);
            UserLogEvent::NodeTerminated { node, terminated }
        }
        _ => {
            head.strip_prefix("POST Script terminated.")?;
            let dag_node = field(rest, "DAG Node: ").map(str::to_owned);
            UserLogEvent::PostScriptTerminated { ending: read_ending(rest)?, dag_node }
        }
    })
}

fn read_connection(number: u16, head: &str, rest: &[&str]) -> Option<UserLogEvent> {
    let text = |n: usize| rest.get(n).map(|line| line.trim().to_owned());
    let named = |lead: &str| field(rest, lead).map(str::to_owned);
    Some(match number {
        21 => read_remote_error(head, rest)?,
        22 => {
            let (slot_name, startd) = field(rest, "Trying to reconnect to ")?.split_once(' ')?;
            UserLogEvent::Disconnected {
                reason: text(0)?,
                slot_name: slot_name.to_owned(),
                startd: startd.to_owned(),
            }
        }
        23 => UserLogEvent::Reconnected {
            slot_name: head.strip_prefix("Job reconnected to ")?.to_owned(),
            startd: named("startd address: ")?,
            starter: named("starter address: ")?,
        },
        24 => {
            let (slot_name, _) = field(rest, "Can not reconnect to ")?.split_once(',')?;
            UserLogEvent::ReconnectFailed { reason: text(0)?, slot_name: slot_name.to_owned() }
        }
        25 => UserLogEvent::GridResourceUp { resource: named("GridResource: ")? },
        26 => UserLogEvent::GridResourceDown { resource: named("GridResource: ")? },
        27 => UserLogEvent::GridSubmitted {
            resource: named("GridResource: ")?,
            grid_job: named("GridJobId: ")?,
        },
        _ => UserLogEvent::AdInformation { attributes: read_attributes(rest) },
    })
}

fn read_small(number: u16, head: &str, rest: &[&str]) -> Option<UserLogEvent> {
    Some(match number {
        29 => UserLogEvent::StatusUnknown,
        30 => UserLogEvent::StatusKnown,
        31 => UserLogEvent::StageIn,
        32 => UserLogEvent::StageOut,
        33 => read_update(head)?,
        _ => UserLogEvent::PreSkipped { notes: rest.first()?.trim().to_owned() },
    })
}

fn read_late(number: u16, head: &str, rest: &[&str]) -> Option<UserLogEvent> {
    Some(match number {
        35 => {
            let host = head.strip_prefix("Cluster submitted from host: ")?.to_owned();
            let Notes { log_notes, user_notes, warnings: _ } = read_notes(rest);
            UserLogEvent::ClusterSubmitted { host, log_notes, user_notes }
        }
        36 => read_cluster_removed(rest),
        37 => {
            let code = |lead| field(rest, lead).and_then(|n| n.parse().ok()).unwrap_or(0);
            let (pause_code, hold_code) = (code("PauseCode "), code("HoldCode "));
            let reason = reason(rest).filter(|text| !text.starts_with("HoldCode "));
            UserLogEvent::FactoryPaused { reason, pause_code, hold_code }
        }
        38 => UserLogEvent::FactoryResumed { reason: reason(rest) },
        40 => {
            let known = TransferStep::SENTENCES.iter().find(|(_, sentence)| *sentence == head);
            let queued = field(rest, "Seconds spent in queue: ");
            UserLogEvent::FileTransfer {
                step: known?.0,
                queued_s: queued.and_then(|s| s.parse().ok()),
                host: field(rest, "Transferring to host: ").map(str::to_owned),
            }
        }
        46 => UserLogEvent::DataflowSkipped { reason: reason(rest) },
        _ => UserLogEvent::CommonFiles {
            step: head.strip_prefix("Common files event: ")?.to_owned(),
        },
    })
}

fn other(number: u16, head: &str, rest: &[&str]) -> UserLogEvent {
    let payload = rest.iter().map(|line| (*line).to_owned()).collect();
    UserLogEvent::Other { number, head: head.to_owned(), payload }
}

struct Notes {
    log_notes: Option<String>,
    user_notes: Option<String>,
    warnings: Option<String>,
}

/// Notes have no label: the first is the program's, the second the user's.
fn read_notes(rest: &[&str]) -> Notes {
    let lead = "WARNING: Committed job submission into the queue with the following warning(s): ";
    let texts = rest.iter().map(|line| line.trim()).filter(|text| !text.is_empty());
    let (warnings, notes): (Vec<&str>, Vec<&str>) = texts.partition(|t| t.starts_with("WARNING: "));
    let owned = |text: Option<&&str>| text.map(|text| (*text).to_owned());
    Notes {
        log_notes: owned(notes.first()),
        user_notes: owned(notes.get(1)),
        warnings: warnings.first().map(|text| text.strip_prefix(lead).unwrap_or(text).to_owned()),
    }
}

fn read_slot(rest: &[&str]) -> (Option<String>, Vec<(String, String)>) {
    let slot_name = field(rest, "SlotName:").map(|name| name.trim().trim_matches('"').to_owned());
    (slot_name, read_attributes(rest))
}

fn read_attributes(rest: &[&str]) -> Vec<(String, String)> {
    let pairs = rest.iter().filter_map(|line| line.trim().split_once(" = "));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn read_evicted(head: &str, rest: &[&str]) -> Option<Evicted> {
    let code = codes(head.strip_prefix("Job was evicted.")?);
    let (how, rest) = rest.split_first()?;
    let how = match how.trim() {
        text if text.starts_with("(1)") => EvictedHow::Checkpointed,
        text if text.contains("requeued") => EvictedHow::Requeued(read_ending(rest)?),
        _ => EvictedHow::Stopped,
    };
    let reason = match how {
        EvictedHow::Stopped | EvictedHow::Checkpointed => field(rest, "Reason: "),
        EvictedHow::Requeued(_) => requeue_reason(rest),
    };
    Some(Evicted {
        code,
        run_remote: times(rest, "Run Remote Usage"),
        run_local: times(rest, "Run Local Usage"),
        sent_bytes: amount(rest, "Run Bytes Sent By Job").unwrap_or(0),
        received_bytes: amount(rest, "Run Bytes Received By Job").unwrap_or(0),
        reason: reason.map(str::to_owned),
        resources: read_resources(rest),
        how,
    })
}

/// The line behind the one that says how the program ended, if it is not yet the table.
fn requeue_reason<'a>(rest: &[&'a str]) -> Option<&'a str> {
    let ended = |line: &&str| {
        let text = line.trim();
        text.contains("ermination (")
            || text.starts_with("(0) No core")
            || text.starts_with("(1) Core")
    };
    let after = rest.iter().rposition(ended)? + 1;
    let line = rest.get(after)?;
    Columns::of_heading(line).is_none().then(|| line.trim())
}

fn read_terminated(rest: &[&str], whose: &str) -> Option<Terminated> {
    let bytes = |what: &str| amount(rest, &format!("{what} By {whose}")).unwrap_or(0);
    Some(Terminated {
        ending: read_ending(rest)?,
        run_remote: times(rest, "Run Remote Usage"),
        run_local: times(rest, "Run Local Usage"),
        total_remote: times(rest, "Total Remote Usage"),
        total_local: times(rest, "Total Local Usage"),
        sent_bytes: bytes("Run Bytes Sent"),
        received_bytes: bytes("Run Bytes Received"),
        total_sent_bytes: bytes("Total Bytes Sent"),
        total_received_bytes: bytes("Total Bytes Received"),
        resources: read_resources(rest),
    })
}

fn read_ending(rest: &[&str]) -> Option<Ending> {
    let number = |lead: &str| field(rest, lead)?.strip_suffix(')')?.parse().ok();
    if let Some(code) = number("(1) Normal termination (return value ") {
        return Some(Ending::Exited { code });
    }
    let signal = number("(0) Abnormal termination (signal ")?;
    let core_file = field(rest, "(1) Corefile in: ").map(str::to_owned);
    Some(Ending::Signaled { signal, core_file })
}

fn read_resources(rest: &[&str]) -> Vec<ResourceUsage> {
    let heading =
        rest.iter().enumerate().find_map(|(i, line)| Some((i, Columns::of_heading(line)?)));
    let Some((at, columns)) = heading else { return Vec::new() };
    rest[at + 1..].iter().map_while(|line| columns.row(line)).collect()
}

fn read_remote_error(head: &str, rest: &[&str]) -> Option<UserLogEvent> {
    let (what, place) = head.split_once(" from ")?;
    let (daemon, host) = place.split_once(" on ")?;
    let hold = rest.last().and_then(|line| codes(line));
    let message = if hold.is_some() { &rest[..rest.len() - 1] } else { rest };
    Some(UserLogEvent::RemoteError {
        critical: what == "Error",
        daemon: daemon.to_owned(),
        host: host.strip_suffix(':').unwrap_or(host).to_owned(),
        message: message
            .iter()
            .map(|line| line.strip_prefix('\t').unwrap_or(line).to_owned())
            .collect(),
        hold,
    })
}

fn read_update(head: &str) -> Option<UserLogEvent> {
    if let Some(text) = head.strip_prefix("Changing job attribute ") {
        let (name, text) = text.split_once(" from ")?;
        let (old, new) = text.split_once(" to ")?;
        let (name, old, new) = (name.to_owned(), Some(old.to_owned()), new.to_owned());
        return Some(UserLogEvent::AttributeUpdated { name, old, new });
    }
    let (name, new) = head.strip_prefix("Setting job attribute ")?.split_once(" to ")?;
    Some(UserLogEvent::AttributeUpdated { name: name.to_owned(), old: None, new: new.to_owned() })
}

fn read_cluster_removed(rest: &[&str]) -> UserLogEvent {
    let counts = || {
        let (jobs, text) = field(rest, "Materialized ")?.split_once(" jobs from ")?;
        let (items, end) = text.split_once(" items.")?;
        Some((jobs.parse().ok()?, items.parse().ok()?, end.trim()))
    };
    let (jobs, items, end) = counts().unwrap_or((0, 0, ""));
    let completion = match end.split_whitespace().next().unwrap_or_default() {
        "Error" => Completion::Error(end[5..].trim().parse().unwrap_or(-1)),
        "Complete" => Completion::Complete,
        "Paused" => Completion::Paused,
        _ => Completion::Incomplete,
    };
    let notes = rest.get(1).map(|line| line.trim().to_owned());
    UserLogEvent::ClusterRemoved { jobs, items, completion, notes }
}

/// The first line below the head, if there is a word on it.
fn reason(rest: &[&str]) -> Option<String> {
    let text = rest.first()?.trim();
    (!text.is_empty() && codes(text).is_none()).then(|| text.to_owned())
}

/// What follows `lead` on the line that begins with it.
fn field<'a>(rest: &[&'a str], lead: &str) -> Option<&'a str> {
    rest.iter().find_map(|line| line.trim_start().strip_prefix(lead))
}

/// `Code N Subcode M`.
fn codes(text: &str) -> Option<(i32, i32)> {
    let (code, subcode) = text.trim().strip_prefix("Code ")?.split_once(" Subcode ")?;
    Some((code.parse().ok()?, subcode.parse().ok()?))
}

/// `N  -  what`. Old logs have fractions.
fn amount(rest: &[&str], what: &str) -> Option<u64> {
    let number = rest.iter().find_map(|line| line.trim().strip_suffix(what)?.strip_suffix("  -  "));
    let number = number?.trim();
    number.split('.').next()?.parse().ok()
}

/// `Usr D HH:MM:SS, Sys D HH:MM:SS  -  what`; zero if there is none.
fn times(rest: &[&str], what: &str) -> CpuTimes {
    let read = |line: &&str| CpuTimes::read(line.trim().strip_suffix(what)?.strip_suffix("  -  ")?);
    rest.iter().find_map(read).unwrap_or_default()
}
