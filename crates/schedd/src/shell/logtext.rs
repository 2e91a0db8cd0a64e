//! The forms of logs: which entries are text, XML or JSON, and with which dates. What an entry says
//! is the core's, and how an event looks: `model::userlog`.

use std::sync::Arc;

use classad::AttributeOrder;
use model::userlog::{AdForm, DateForm, EntryId, LogForm, LogStyle, UserLogEvent};

use super::userlog::{LogBatch, name_of};
use crate::core::{LogEntry, LogTo};

/// The forms of logs.
#[derive(Clone, Debug)]
pub struct LogForms {
    /// Of the users' logs (`DEFAULT_USERLOG_FORMAT_OPTIONS`).
    pub users: LogForm,
    /// Of that of all jobs (`EVENT_LOG_FORMAT_OPTIONS`).
    pub pool: LogForm,
}

/// Who writes users' logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrittenBy {
    /// The schedd's own user.
    Us,
    /// A process of each log's owner.
    Owners,
}

/// The texts of a batch's entries, gathered by log, in order.
pub(crate) fn of_entries(entries: &[LogEntry], forms: &LogForms, by: WrittenBy) -> LogBatch {
    let mut batch = LogBatch::default();
    for entry in entries {
        let log = match (by, entry.to) {
            (WrittenBy::Owners, LogTo::User { .. } | LogTo::Workflow | LogTo::Stream) => {
                name_of(&entry.owner, &entry.path)
            }
            (WrittenBy::Us, _) | (WrittenBy::Owners, LogTo::Pool) => Arc::clone(&entry.path),
        };
        let (form, ads) = match entry.to {
            LogTo::User { xml: true } => (&forms.users, Some(AdForm::Xml)),
            LogTo::User { xml: false } => (&forms.users, forms.users.ads),
            LogTo::Workflow => (&forms.users, None),
            LogTo::Pool => (&forms.pool, forms.pool.ads),
            LogTo::Stream => {
                if let UserLogEvent::Generic { text } = &entry.event {
                    batch.add(log, text);
                }
                continue;
            }
        };
        let text = match ads {
            None => entry.event.render_as(entry.job.into(), entry.at, &form.style),
            Some(ads) => ad_text(entry, &form.style, ads),
        };
        batch.add(log, &text);
    }
    batch
}

/// An entry as HTCondor 25.14 writes it as an ad: with milliseconds in the time.
fn ad_text(entry: &LogEntry, style: &LogStyle, ads: AdForm) -> String {
    let style = LogStyle { sub_second: true, date: DateForm::Iso, ..style.clone() };
    let event = entry.event.clone();
    let proc = (!event.is_about_cluster()).then_some(entry.job.proc);
    let id = EntryId { proc, ..entry.job.into() };
    let ad = model::userlog::LogEntry { id, at: entry.at, event }.ad(&style);
    match ads {
        AdForm::Xml => ad.to_xml_in(AttributeOrder::ShorterFirst),
        AdForm::Json => format!("{}\n", ad.to_json_in(AttributeOrder::ShorterFirst)),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use jiff::tz::TimeZone;
    use model::{JobId, Timestamp, UserName};

    use super::*;

    #[test]
    fn a_log_is_xml_where_its_job_wants_that() {
        let entry = |event| LogEntry {
            owner: UserName::new("alice"),
            path: "/log".into(),
            to: LogTo::User { xml: true },
            job: JobId::new(44, 0),
            at: Timestamp::from_millis(1_763_828_668_832),
            event,
        };
        let released = UserLogEvent::Released { reason: Some("<again>".to_owned()) };
        let resumed = UserLogEvent::FactoryResumed { reason: Some("go on".to_owned()) };
        let plain = LogForm::of_options("", &TimeZone::UTC).unwrap();
        let forms = LogForms { users: plain.clone(), pool: plain };
        let entries = [entry(released), entry(resumed)];
        let owned = of_entries(&entries, &forms, WrittenBy::Owners);
        let batch = of_entries(&entries, &forms, WrittenBy::Us);
        assert_eq!(owned.texts["alice:/log"], batch.texts["/log"]);
        expect![[r#"
            <c>
                <a n="Proc"><i>0</i></a>
                <a n="MyType"><s>JobReleaseEvent</s></a>
                <a n="Reason"><s>&lt;again&gt;</s></a>
                <a n="Cluster"><i>44</i></a>
                <a n="Subproc"><i>0</i></a>
                <a n="EventTime"><s>2025-11-22T16:24:28.832</s></a>
                <a n="EventTypeNumber"><i>13</i></a>
            </c>
            <c>
                <a n="Proc"><i>-1</i></a>
                <a n="MyType"><s>FactoryResumedEvent</s></a>
                <a n="Reason"><s>go on</s></a>
                <a n="Cluster"><i>44</i></a>
                <a n="Subproc"><i>0</i></a>
                <a n="EventTime"><s>2025-11-22T16:24:28.832</s></a>
                <a n="EventTypeNumber"><i>38</i></a>
            </c>
        "#]]
        .assert_eq(&batch.texts["/log"]);
    }
}
