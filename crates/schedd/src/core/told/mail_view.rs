//! What an event means for the mail that a job asked for (`notification`): whether there is a letter, to whom, and what it tells.
//! Knows nothing of how a letter looks or travels.

use classad::{ClassAd, Value};
use model::{Hold, HoldCode, JobId, ProgramEnd, RunEnd, Timestamp, attr};

use crate::core::ads;
use crate::core::state::core::{Core, JobRef};
use crate::core::told::log_view::{LogKind, RunSummary};
use crate::core::words::{Event, Fact};

/// A letter about a job.
#[derive(Clone, Debug, PartialEq)]
pub struct MailEntry {
    /// `NotifyUser`, or the job's owner; with or without a domain.
    pub to: String,
    /// About which job.
    pub job: JobId,
    /// When it happened.
    pub at: Timestamp,
    /// When the job was submitted.
    pub submitted: Timestamp,
    /// `Cmd` and its arguments as the user wrote them.
    pub command: String,
    pub news: MailNews,
    /// What `EmailAttributes` names, with the values as ClassAd text; attributes that the job does not have are left out.
    pub attributes: Vec<(String, String)>,
}

/// What a letter tells.
#[derive(Clone, Debug, PartialEq)]
pub enum MailNews {
    /// The program runs.
    Started,
    /// The job is done.
    Ended(Box<RunSummary>),
    /// The job is held.
    Held(Hold),
    /// The job was removed.
    Removed {
        /// `RemoveReason`.
        reason: String,
    },
}

/// `JobNotification`, by HTCondor's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Always,
    Complete,
    Error,
    Start,
}

impl Core {
    /// Adds the letters that an event which is about to be applied is worth.
    pub(crate) fn mail_before(&self, event: &Event, mail: &mut Vec<MailEntry>) {
        let Fact::Job { job, event: what } = &event.fact else { return };
        let Some(job) = self.job(*job).filter(JobRef::may_mail) else { return };
        let ad = ads::job_ad(job, event.at, self);
        let Some(wish) = wish(&ad) else { return };
        let kinds = self.kinds(job, &ad, what, event.at);
        let news = kinds.into_iter().filter_map(news).filter(|news| wish.wants(news));
        mail.extend(news.map(|news| letter(job, &ad, event.at.wall, news)));
    }
}

impl JobRef<'_> {
    /// Whether it may want mail: most jobs want none, and nothing is computed for them.
    fn may_mail(&self) -> bool {
        match self.cluster.ad.literal(attr::JOB_NOTIFICATION).and_then(Value::as_i64) {
            Some(number) => number != 0,
            None => self.delta_has(attr::JOB_NOTIFICATION),
        }
    }
}

fn wish(ad: &ClassAd) -> Option<Wish> {
    match ad.literal(attr::JOB_NOTIFICATION).and_then(Value::as_i64)? {
        1 => Some(Wish::Always),
        2 => Some(Wish::Complete),
        3 => Some(Wish::Error),
        4 => Some(Wish::Start),
        _ => None,
    }
}

impl Wish {
    /// HTCondor 25.14: `Error` means a signal, or a hold that neither the user nor the job's own policy wanted.
    fn wants(self, news: &MailNews) -> bool {
        match (self, news) {
            (_, MailNews::Started) => self == Self::Start,
            (Self::Always, _) | (Self::Complete, MailNews::Ended(_)) => true,
            (Self::Error, MailNews::Ended(run)) => {
                matches!(run.end, RunEnd::Program(ProgramEnd::Signaled { .. }))
            }
            (Self::Error, MailNews::Held(hold)) => !wanted_hold(hold.code),
            (Self::Error, MailNews::Removed { .. })
            | (Self::Complete, MailNews::Held(_) | MailNews::Removed { .. })
            | (Self::Start, _) => false,
        }
    }
}

fn wanted_hold(code: HoldCode) -> bool {
    [
        HoldCode::UserRequest,
        HoldCode::JobPolicy,
        HoldCode::SubmittedOnHold,
        HoldCode::SpoolingInput,
        HoldCode::WaitsForJobs,
    ]
    .contains(&code)
}

fn news(kind: LogKind) -> Option<MailNews> {
    match kind {
        LogKind::Executing { .. } => Some(MailNews::Started),
        LogKind::Terminated(run) => Some(MailNews::Ended(run)),
        LogKind::Held(hold) => Some(MailNews::Held(hold)),
        LogKind::Aborted { reason } => Some(MailNews::Removed { reason }),
        // The job goes on, or a hold or removal follows and tells it.
        LogKind::Submitted { .. }
        | LogKind::Factory(_)
        | LogKind::AdInformation(_)
        | LogKind::Transfer { .. }
        | LogKind::ImageSize { .. }
        | LogKind::StartError { .. }
        | LogKind::UpToDate
        | LogKind::Checkpointed(_)
        | LogKind::Evicted { .. }
        | LogKind::Lost { .. }
        | LogKind::Released { .. }
        | LogKind::Suspended { .. }
        | LogKind::Unsuspended
        | LogKind::Disconnected { .. }
        | LogKind::Reconnected { .. }
        | LogKind::Said(_) => None,
    }
}

fn letter(job: JobRef<'_>, ad: &ClassAd, at: Timestamp, news: MailNews) -> MailEntry {
    let text = |name| ad.literal(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let arguments = text(attr::ARGUMENTS).or_else(|| text(attr::ARGS));
    let command = [text(attr::CMD), arguments];
    let wanted = text(attr::EMAIL_ATTRIBUTES).unwrap_or_default();
    let names = wanted.split([',', ' ']).filter(|name| !name.is_empty());
    MailEntry {
        to: text(attr::NOTIFY_USER).unwrap_or(job.cluster.owner().as_str()).to_owned(),
        job: job.job,
        at,
        submitted: job.cluster.record.body.submitted,
        command: command.into_iter().flatten().collect::<Vec<_>>().join(" "),
        news,
        attributes: names
            .filter_map(|name| Some((name.to_owned(), ad.get(name)?.to_string())))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use model::{Resources, Usage};

    use super::*;

    fn ended(end: RunEnd) -> MailNews {
        MailNews::Ended(Box::new(RunSummary {
            end,
            usage: Usage::default(),
            total_user_us: 0,
            total_sys_us: 0,
            total_sent_bytes: 0,
            total_received_bytes: 0,
            since: None,
            request: Resources::default(),
            slot: None,
            allocated: None,
            universe: model::Universe::Vanilla,
            devices: model::Devices::new(),
        }))
    }

    fn held(code: HoldCode) -> MailNews {
        let since = Timestamp::from_secs(0);
        MailNews::Held(Hold { code, subcode: 0, reason: "x".to_owned(), since })
    }

    #[test]
    fn a_letter_is_written_only_of_what_was_asked_for() {
        let [always, complete, error, start] = [1, 2, 3, 4].map(|number| {
            let mut ad = ClassAd::new();
            ad.set(attr::JOB_NOTIFICATION, number);
            wish(&ad).unwrap()
        });
        let removed = MailNews::Removed { reason: "x".to_owned() };
        for (news, wanted_by) in [
            (MailNews::Started, vec![start]),
            (ended(RunEnd::exited(1)), vec![always, complete]),
            (ended(RunEnd::killed(9)), vec![always, complete, error]),
            (held(HoldCode::UserRequest), vec![always]),
            (held(HoldCode::JobPolicy), vec![always]),
            (held(HoldCode::TransferInputError), vec![always, error]),
            (removed, vec![always]),
        ] {
            let all = [always, complete, error, start];
            let found: Vec<Wish> = all.into_iter().filter(|wish| wish.wants(&news)).collect();
            assert_eq!(found, wanted_by, "{news:?}");
        }
    }

    #[test]
    fn nobody_is_written_to_who_did_not_ask() {
        let mut ad = ClassAd::new();
        assert_eq!(wish(&ad), None);
        ad.set(attr::JOB_NOTIFICATION, 0);
        assert_eq!(wish(&ad), None);
    }
}
