//! The frame around an event: `NNN (CCC.PPP.SSS) YYYY-MM-DD HH:MM:SS ` before it and a line of
//! three dots after it.

use jiff::civil;
use jiff::tz::TimeZone;

use super::event::UserLogEvent;
use crate::ids::{ClusterId, JobId, ProcId};
use crate::time::Timestamp;

/// The line that ends every event.
pub(super) const END: &str = "...";

/// Whom an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId {
    /// The cluster; 0 for DAG nodes that have no job.
    pub cluster: ClusterId,
    /// The job; none if the event is about the cluster (HTCondor writes `-01`).
    pub proc: Option<ProcId>,
    /// Always 0, but for DAG nodes that have no job.
    pub subproc: u32,
}

impl From<JobId> for EntryId {
    fn from(job: JobId) -> Self {
        Self { cluster: job.cluster, proc: Some(job.proc), subproc: 0 }
    }
}

impl EntryId {
    /// The job, if the event is about one.
    pub fn job(self) -> Option<JobId> {
        self.proc.map(|proc| JobId { cluster: self.cluster, proc })
    }
}

/// One event of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// Whom it is about.
    pub id: EntryId,
    /// When it was written.
    pub at: Timestamp,
    pub event: UserLogEvent,
}

/// How the time of an event is written (`DEFAULT_USERLOG_FORMAT_OPTIONS`).
#[derive(Clone, Debug)]
pub struct LogStyle {
    /// The local time zone. Ignored when `utc` is set.
    pub zone: TimeZone,
    /// The form of the date.
    pub date: DateForm,
    /// Whether times are in UTC, marked with `Z` (`UTC`).
    pub utc: bool,
    /// Whether times have milliseconds (`SUB_SECOND`).
    pub sub_second: bool,
}

/// The form of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateForm {
    /// `2026-11-22` (`ISO_DATE`, the default).
    Iso,
    /// `11/22` (`LEGACY`): what HTCondor wrote before 10.0. It has no year.
    MonthDay,
}

impl LogStyle {
    /// The default form in this time zone.
    pub fn iso(zone: &TimeZone) -> Self {
        Self { zone: zone.clone(), date: DateForm::Iso, utc: false, sub_second: false }
    }
}

/// The form of a whole log.
#[derive(Clone, Debug)]
pub struct LogForm {
    /// Of the times.
    pub style: LogStyle,
    /// Set if events are written as ads instead of text.
    pub ads: Option<AdForm>,
}

/// The form of events that are written as ads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdForm {
    /// `XML`.
    Xml,
    /// `JSON`.
    Json,
}

impl LogForm {
    /// Reads a list of options (`DEFAULT_USERLOG_FORMAT_OPTIONS`): `ISO_DATE`, `LEGACY`, `UTC`,
    /// `SUB_SECOND`, `XML`, `JSON`, in any order, with blanks, commas or `|` between them. What is
    /// not named is as in a log that nobody has a wish for.
    ///
    /// # Errors
    ///
    /// The first word that is no option.
    pub fn of_options(options: &str, zone: &TimeZone) -> Result<Self, String> {
        let mut form = Self { style: LogStyle::iso(zone), ads: None };
        let is_between = |c: char| c.is_whitespace() || c == ',' || c == '|';
        for option in options.split(is_between).filter(|option| !option.is_empty()) {
            match option.to_ascii_uppercase().as_str() {
                "ISO_DATE" => form.style.date = DateForm::Iso,
                "LEGACY" => {
                    form.style = LogStyle { date: DateForm::MonthDay, ..LogStyle::iso(zone) };
                }
                "UTC" => form.style.utc = true,
                "SUB_SECOND" => form.style.sub_second = true,
                "XML" => form.ads = Some(AdForm::Xml),
                "JSON" => form.ads = Some(AdForm::Json),
                _ => return Err(option.to_owned()),
            }
        }
        Ok(form)
    }
}

/// The frame's first part, up to and with the blank after the time.
pub(super) fn write_head(number: u16, id: EntryId, at: Timestamp, style: &LogStyle) -> String {
    let proc = id.proc.map_or_else(|| "-01".to_owned(), |proc| format!("{:03}", proc.0));
    let time = write_time(at, style);
    format!("{number:03} ({:03}.{proc}.{:03}) {time} ", id.cluster.0, id.subproc)
}

pub(super) fn write_time(at: Timestamp, style: &LogStyle) -> String {
    // A time outside of jiff's range (years -9999 to 9999) cannot be a job's: it is written as the
    // epoch.
    let instant =
        jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let zone = if style.utc { TimeZone::UTC } else { style.zone.clone() };
    let t = instant.to_zoned(zone).datetime();
    let mut text = match style.date {
        DateForm::Iso => format!("{:04}-{:02}-{:02}", t.year(), t.month(), t.day()),
        DateForm::MonthDay => format!("{:02}/{:02}", t.month(), t.day()),
    };
    text += &format!(" {:02}:{:02}:{:02}", t.hour(), t.minute(), t.second());
    if style.sub_second {
        text += &format!(".{:03}", t.millisecond());
    }
    if style.utc {
        text.push('Z');
    }
    text
}

/// What the first line of an event says before the event itself.
pub(super) struct Head<'a> {
    pub(super) number: u16,
    pub(super) id: EntryId,
    pub(super) at: Timestamp,
    /// The rest of the line.
    pub(super) rest: &'a str,
}

/// Reads the frame's first part; `None` if it is none. `year` is for dates that have none.
pub(super) fn read_head<'a>(line: &'a str, zone: &TimeZone, year: i16) -> Option<Head<'a>> {
    let (number, line) = line.split_once(" (")?;
    let number = (number.len() == 3).then(|| number.parse().ok())??;
    let (id, line) = line.split_once(") ")?;
    let (time, rest) = split_time(line)?;
    Some(Head { number, id: read_id(id)?, at: read_time(time, zone, year)?, rest })
}

fn read_id(text: &str) -> Option<EntryId> {
    let mut parts = text.split('.').map(|part| part.parse::<i64>().ok());
    let (cluster, proc, subproc) = (parts.next()??, parts.next()??, parts.next()??);
    Some(EntryId {
        cluster: ClusterId(u32::try_from(cluster).ok()?),
        proc: u32::try_from(proc).ok().map(ProcId),
        subproc: u32::try_from(subproc).unwrap_or(0),
    })
}

/// Date and time are one word (`2026-11-22T16:24:29`) or two.
fn split_time(line: &str) -> Option<(&str, &str)> {
    let first = line.find(' ').unwrap_or(line.len());
    let end = if line[..first].contains('T') {
        first
    } else {
        let second = line.get(first + 1..).unwrap_or_default();
        second.find(' ').map_or(line.len(), |at| first + 1 + at)
    };
    Some((&line[..end], line.get(end + 1..).unwrap_or_default()))
}

pub(super) fn read_time(text: &str, zone: &TimeZone, year: i16) -> Option<Timestamp> {
    let (text, zone) = match text.strip_suffix('Z') {
        Some(text) => (text, &TimeZone::UTC),
        None => (text, zone),
    };
    let moment =
        if let Some((date, time)) = text.split_once(' ').filter(|(date, _)| date.contains('/')) {
            let (month, day) = date.split_once('/')?;
            let date = civil::Date::new(year, month.parse().ok()?, day.parse().ok()?).ok()?;
            date.to_datetime(time.parse().ok()?)
        } else {
            text.parse().ok()?
        };
    let instant = zone.to_ambiguous_timestamp(moment).compatible().ok()?;
    Some(Timestamp::from_millis(instant.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_options_is_a_form() {
        let at = Timestamp::from_millis(1_763_828_668_832);
        let check = |options: &str, time: &str, ads: Option<AdForm>| {
            let form = LogForm::of_options(options, &TimeZone::UTC).unwrap();
            assert_eq!((write_time(at, &form.style).as_str(), form.ads), (time, ads), "{options}");
        };
        check("", "2025-11-22 16:24:28", None);
        check("LEGACY", "11/22 16:24:28", None);
        check("legacy, ISO_DATE", "2025-11-22 16:24:28", None);
        check("UTC|SUB_SECOND", "2025-11-22 16:24:28.832Z", None);
        check("UTC LEGACY", "11/22 16:24:28", None);
        check("XML", "2025-11-22 16:24:28", Some(AdForm::Xml));
        check("JSON", "2025-11-22 16:24:28", Some(AdForm::Json));
        let refused = LogForm::of_options("UTC, ROMAN", &TimeZone::UTC).map(|_| ());
        assert_eq!(refused, Err("ROMAN".to_owned()));
    }
}
