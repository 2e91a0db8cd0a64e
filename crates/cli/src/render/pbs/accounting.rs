//! Accounting records in PBS's form: `MM/DD/YYYY HH:MM:SS;LETTER;ID;text`, as OpenPBS 23.06 writes
//! them and Open XDMoD reads them. Which events are worth one, and what it says. Knows nothing of
//! files, or of how events and ads are found.

use model::queues::{Attributes, Became, Reserved};
use model::{AfterRun, JobEvent, JobId, RunLimit, StopCause, attr, depend};
use proto::client::{Happening, Recorded};

use crate::render::pbs::full::{exec_host, used, vnode};
use crate::render::pbs::reservations;
use crate::render::pbs::{Here, Job, RowKind};
use jobspec::pbs::attribute;

/// What happened, by OpenPBS's letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Queued,
    Started,
    Ended,
    Deleted,
    Aborted,
    Rerun,
}

/// A record, without its job's attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    /// The job, or the first of those that were submitted together.
    pub job: JobId,
    /// Whether it is told of all that were submitted together.
    pub is_whole: bool,
    /// Why it was deleted or aborted.
    pub reason: Option<String>,
}

impl Kind {
    const fn letter(self) -> char {
        match self {
            Self::Queued => 'Q',
            Self::Started => 'S',
            Self::Ended => 'E',
            Self::Deleted => 'D',
            Self::Aborted => 'A',
            Self::Rerun => 'R',
        }
    }
}

/// The records that an event is worth.
pub fn entries(event: &Recorded) -> Vec<Entry> {
    let one = |job: &JobId, kind, reason: Option<&String>| Entry {
        kind,
        job: *job,
        is_whole: false,
        reason: reason.cloned(),
    };
    match &event.what {
        Happening::ClusterSubmitted { cluster, .. } => vec![Entry {
            kind: Kind::Queued,
            job: JobId::new(cluster.0, 0),
            is_whole: true,
            reason: None,
        }],
        Happening::Job { job, event } => match event {
            JobEvent::RunStarted { .. } => vec![one(job, Kind::Started, None)],
            JobEvent::StopRequested { cause: StopCause::Remove { reason }, .. }
                if RunLimit::of_reason(reason).is_none() =>
            {
                vec![one(job, Kind::Deleted, Some(reason))]
            }
            JobEvent::Removed { reason, .. } if reason.starts_with(depend::REASON) => {
                vec![one(job, Kind::Aborted, Some(reason))]
            }
            JobEvent::Removed { reason, .. } => vec![one(job, Kind::Deleted, Some(reason))],
            JobEvent::RunOver { next: AfterRun::Complete | AfterRun::Remove { .. }, .. }
            | JobEvent::Skipped { .. } => vec![one(job, Kind::Ended, None)],
            JobEvent::RunOver { next: AfterRun::Hold(_) | AfterRun::Requeue { .. }, .. } => {
                vec![one(job, Kind::Rerun, None)]
            }
            JobEvent::RunAuthorised { .. }
            | JobEvent::PauseRequested { .. }
            | JobEvent::Suspended { .. }
            | JobEvent::Continued { .. }
            | JobEvent::StopRequested { .. }
            | JobEvent::Held(_)
            | JobEvent::Released { .. } => Vec::new(),
        },
        Happening::FactoryEnded { .. }
        | Happening::JobsWait { .. }
        | Happening::Reservation { .. }
        | Happening::JobEdited { .. }
        | Happening::JobSaid { .. } => Vec::new(),
    }
}

/// `YYYYMMDD`: the day's file.
pub fn day(at_s: i64, here: &Here) -> String {
    zoned(at_s, here).strftime("%Y%m%d").to_string()
}

/// `MM/DD/YYYY HH:MM:SS`.
pub fn stamp(at_s: i64, here: &Here) -> String {
    zoned(at_s, here).strftime("%m/%d/%Y %H:%M:%S").to_string()
}

fn zoned(at_s: i64, here: &Here) -> jiff::Zoned {
    let at = jiff::Timestamp::from_second(at_s).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.to_zoned(here.zone.clone())
}

/// The record's line.
pub fn line(entry: &Entry, at_s: i64, job: &Job, here: &Here) -> String {
    let (at, id) = (stamp(at_s, here), id(entry, job, here));
    let text = text(entry, at_s, job, here);
    format!("{at};{};{id};{text}\n", entry.kind.letter())
}

/// The record's line of what has become of a reservation, if the event is that.
pub fn of_reservation(event: &Recorded, here: &Here) -> Option<String> {
    let Happening::Reservation { number, became, reserved } = &event.what else { return None };
    let server = &here.server;
    let requestor = |who: &str| format!("requestor={who}@{server}");
    let (letter, text) = match became {
        Became::Requested => ('U', requestor(&reserved.owner)),
        Became::Confirmed => ('Y', format!("{} {}", requestor("Scheduler"), window(reserved))),
        Became::Began => ('B', begun(&format!("R{number}"), reserved, here)),
        Became::Finished => ('F', String::new()),
        Became::Denied => ('K', requestor("Scheduler")),
        Became::Deleted { by } => ('k', requestor(by)),
    };
    let at = stamp(event.at.as_secs(), here);
    Some(format!("{at};{letter};R{number}.{server};{text}\n"))
}

/// When a reservation is, and where.
fn window(reserved: &Reserved) -> String {
    let (start, end) = (reserved.window.start.as_secs(), reserved.window.end.as_secs());
    let nodes = reservations::nodes(reserved.places()).unwrap_or_default();
    format!("start={start} end={end} nodes={nodes}")
}

fn begun(queue: &str, reserved: &Reserved, here: &Here) -> String {
    let said = Attributes(reserved.shown.clone());
    let mut all = format!("owner={}@{}", reserved.owner, here.server);
    if let Some(name) = said.get(attr::RESERVE_NAME) {
        all += &format!(" name={}", quoted(name));
    }
    let (created, seconds) = (reserved.created.as_secs(), reserved.window.seconds());
    all += &format!(" queue={queue} ctime={created} {} duration={seconds}", window(reserved));
    for (name, label) in [
        ("Authorized_Users", "authorized_users"),
        ("Authorized_Groups", "authorized_groups"),
        ("Authorized_Hosts", "authorized_hosts"),
    ] {
        if let Some(list) = said.get(name) {
            all += &format!(" {label}={}", quoted(list));
        }
    }
    for (name, value) in said.resources("Resource_List") {
        all += &format!(" Resource_List.{name}={}", quoted(value));
    }
    all
}

fn id(entry: &Entry, job: &Job, here: &Here) -> String {
    let (number, server) = (job.number, &here.server);
    match job.kind {
        RowKind::Single => format!("{number}.{server}"),
        RowKind::Array { .. } | RowKind::Subjob(_) if entry.is_whole => {
            format!("{number}[].{server}")
        }
        RowKind::Array { .. } => format!("{number}[].{server}"),
        RowKind::Subjob(index) => format!("{number}[{index}].{server}"),
    }
}

/// What stands behind the identifier.
pub fn text(entry: &Entry, at_s: i64, job: &Job, here: &Here) -> String {
    match entry.kind {
        Kind::Deleted => {
            let reason = entry.reason.as_deref().unwrap_or_default();
            format!("requestor={}", requestor(reason, job, here))
        }
        Kind::Aborted => one_line(entry.reason.as_deref().unwrap_or_default()),
        Kind::Queued | Kind::Started | Kind::Ended | Kind::Rerun => {
            pairs(entry.kind, at_s, job, here)
                .into_iter()
                .map(|(name, value)| format!("{name}={}", quoted(&value)))
                .collect::<Vec<_>>()
                .join(" ")
        }
    }
}

/// Who wanted a job to be gone, as the reason has it: `Job deleted at request of alice@host`, `via
/// condor_rm (by user alice)`.
fn requestor(reason: &str, job: &Job, here: &Here) -> String {
    let server = &here.server;
    let asked = reason.rsplit_once("at request of ").map(|(_, who)| who);
    let by = reason.rsplit_once("(by user ").and_then(|(_, who)| who.strip_suffix(')'));
    match asked.or(by).filter(|who| !who.contains(' ')) {
        Some(who) if who.contains('@') => who.to_owned(),
        Some(who) => format!("{who}@{server}"),
        None => format!("{}@{server}", job.owner()),
    }
}

/// A value with a blank in it would be taken for two.
fn quoted(value: &str) -> String {
    let value = one_line(value);
    if value.contains(' ') { format!("\"{}\"", value.replace('"', "'")) } else { value }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn pairs(kind: Kind, at_s: i64, job: &Job, here: &Here) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut say = |name: &str, value: String| all.push((name.to_owned(), value));
    let owner = job.owner();
    say("user", owner.clone());
    say("group", job.text(attribute::GROUPS).map_or(owner, str::to_owned));
    if let Some(account) = job.text(attribute::ACCOUNT) {
        say("account", format!("\"{}\"", one_line(account).replace('"', "'")));
    }
    say("project", job.text(attribute::PROJECT).unwrap_or(model::queues::NO_PROJECT).to_owned());
    say("jobname", job.name());
    say("queue", job.queue().to_owned());
    let queued = job.int(attr::Q_DATE).unwrap_or(at_s);
    for name in ["ctime", "qtime", "etime"] {
        say(name, queued.to_string());
    }
    let listed = |of: &str, values: Vec<(String, String)>| {
        let of = of.to_owned();
        values.into_iter().map(move |(name, value)| (format!("{of}.{name}"), value))
    };
    if kind == Kind::Queued {
        if let RowKind::Subjob(_) = job.kind {
            say("array_indices", job.text(attribute::INDICES).unwrap_or_default().to_owned());
        }
        all.extend(listed("Resource_List", job.resources()));
        return all;
    }
    let start = job.int(attr::JOB_CURRENT_START_DATE).unwrap_or(at_s);
    say("start", start.to_string());
    say("exec_host", exec_host(job).unwrap_or_else(|| format!("{}/0", here.server)));
    say("exec_vnode", vnode(job));
    all.extend(listed("Resource_List", job.resources()));
    if kind == Kind::Started {
        return all;
    }
    let mut say = |name: &str, value: String| all.push((name.to_owned(), value));
    say("session", "0".to_owned());
    say("end", at_s.to_string());
    let status = job.exit_status.unwrap_or(0);
    say("Exit_status", status.to_string());
    let then = Here { now: at_s, ..here.clone() };
    let runs = job.int(attr::NUM_JOB_STARTS).unwrap_or(1).to_string();
    all.extend(listed("resources_used", used(job, &then)));
    all.push(("run_count".to_owned(), runs));
    all
}
