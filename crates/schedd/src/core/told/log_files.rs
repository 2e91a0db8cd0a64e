//! Which files the entries about a job go to: its user's log, the log of the workflow that it is a
//! node of, and the one that an administrator keeps of all jobs. Knows nothing of what the entries
//! tell.

use std::collections::BTreeSet;
use std::sync::Arc;

use classad::{AttrName, ClassAd, Value};
use model::userlog::UserLogEvent;
use model::{JobId, Timestamp, UserName, attr};

use crate::core::state::event_log::{EventLog, LOG_NAMES};

/// Whose log an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTo {
    User {
        /// Whether it is to be XML (`UserLogUseXML`).
        xml: bool,
    },
    Workflow,
    /// That of all jobs.
    Pool,
    /// No log, but what the job writes to its standard error: the bare text goes there.
    Stream,
}

/// An entry of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// Whose log: the file belongs to the job's owner.
    pub owner: UserName,
    /// The file (`UserLog`), absolute.
    pub path: Arc<str>,
    /// Whose that file is.
    pub to: LogTo,
    /// About which job.
    pub job: JobId,
    pub at: Timestamp,
    pub event: UserLogEvent,
}

/// The logs of a job.
#[derive(Debug)]
pub(crate) struct Logs<'a> {
    owner: &'a UserName,
    /// The user's, and whether it is XML.
    user: Option<(Arc<str>, bool)>,
    /// The workflow's, which never is (HTCondor 25.14), and what it is to have.
    workflow: Option<(Arc<str>, Option<BTreeSet<u16>>)>,
    /// That of all jobs.
    pub(crate) pool: Option<&'a EventLog>,
}

/// A line behind what the job has written to its standard error, or nothing if that is no file.
pub(crate) fn last_words(
    job: JobId,
    ad: &ClassAd,
    owner: &UserName,
    at: Timestamp,
    line: String,
) -> Option<LogEntry> {
    let path = path_of(ad, attr::ERR)?;
    let event = UserLogEvent::Generic { text: line };
    Some(LogEntry { owner: owner.clone(), path, to: LogTo::Stream, job, at, event })
}

/// Whether an attribute of this name tells where entries go.
pub(crate) fn tells_log(name: &AttrName) -> bool {
    LOG_NAMES.iter().any(|telling| *name == **telling)
}

impl<'a> Logs<'a> {
    /// The logs of a job with this ad.
    pub(crate) fn of(ad: &ClassAd, owner: &'a UserName, pool: Option<&'a EventLog>) -> Self {
        let xml = ad.literal(attr::USER_LOG_USE_XML).is_some_and(Value::is_true);
        let mask = || {
            // The numbers of the events that it is to have, separated by commas; all if there is no
            // such list.
            let mask = text_of(ad, attr::DAGMAN_NODES_MASK)?;
            Some(mask.split(',').filter_map(|number| number.trim().parse().ok()).collect())
        };
        Self {
            owner,
            user: path_of(ad, attr::USER_LOG).map(|path| (path, xml)),
            workflow: path_of(ad, attr::DAGMAN_NODES_LOG).map(|path| (path, mask())),
            pool,
        }
    }

    /// Whether nobody reads of the job.
    pub(crate) fn is_none(&self) -> bool {
        self.user.is_none() && self.workflow.is_none() && self.pool.is_none()
    }

    /// Adds an entry to that of all jobs.
    pub(crate) fn add_to_pool(
        &self,
        job: JobId,
        at: Timestamp,
        event: UserLogEvent,
        log: &mut Vec<LogEntry>,
    ) {
        if let Some(EventLog { path, .. }) = self.pool {
            log.push(self.entry(path, LogTo::Pool, job, at, event));
        }
    }

    fn entry(
        &self,
        path: &Arc<str>,
        to: LogTo,
        job: JobId,
        at: Timestamp,
        event: UserLogEvent,
    ) -> LogEntry {
        LogEntry { owner: self.owner.clone(), path: Arc::clone(path), to, job, at, event }
    }

    /// Adds an entry to each of the job's own.
    pub(crate) fn add(
        &self,
        job: JobId,
        at: Timestamp,
        event: UserLogEvent,
        log: &mut Vec<LogEntry>,
    ) {
        let workflow = self
            .workflow
            .as_ref()
            .filter(|(_, mask)| mask.as_ref().is_none_or(|mask| mask.contains(&event.number())));
        // A user who has named the workflow's log as the job's reads each entry there once, as
        // HTCondor writes it.
        let same = |path| self.user.as_ref().is_some_and(|(user, _)| user == path);
        if let Some((path, _)) = workflow.filter(|(path, _)| !same(path)) {
            log.push(self.entry(path, LogTo::Workflow, job, at, event.clone()));
        }
        if let Some((path, xml)) = &self.user {
            log.push(self.entry(path, LogTo::User { xml: *xml }, job, at, event));
        }
    }
}

/// A text that an ad has.
pub(crate) fn text_of(ad: &ClassAd, name: &str) -> Option<String> {
    ad.literal(name).and_then(Value::as_str).map(str::to_owned)
}

/// A path, from the initial directory where it is relative.
fn path_of(ad: &ClassAd, name: &str) -> Option<Arc<str>> {
    let log = text_of(ad, name)?;
    if log.starts_with('/') {
        return Some(log.into());
    }
    let iwd = text_of(ad, attr::IWD)?;
    Some(format!("{iwd}/{log}").into())
}
