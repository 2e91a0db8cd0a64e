//! What an event means for the mail that a job asked for (`notification`): whether there is a
//! letter, to whom, and what it tells. Knows nothing of how a letter looks or travels.

use std::sync::Arc;

use classad::{ClassAd, Value};
use model::{
    AfterRun, Hold, HoldCode, JobEvent, JobId, ProgramEnd, RunEnd, Timestamp, Usage, attr,
};

use crate::core::ads;
use crate::core::state::core::{Core, JobRef};
use crate::core::told::mail_pbs;
use crate::core::words::{Event, Fact, JobFact, RunFact};

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
    /// What `EmailAttributes` names, with the values as ClassAd text; attributes that the job does
    /// not have are left out.
    pub attributes: Vec<(String, String)>,
}

/// What a letter tells.
#[derive(Clone, Debug, PartialEq)]
pub enum MailNews {
    /// The program runs.
    Started,
    /// The job is done.
    Ended {
        end: RunEnd,
        /// What its last run used.
        usage: Usage,
        /// Where that was.
        slot: Option<Arc<str>>,
    },
    /// The job is held.
    Held(Hold),
    /// The job was removed.
    Removed {
        /// `RemoveReason`.
        reason: String,
    },
    /// The same of an advance reservation.
    Reservation {
        /// `R12.host`.
        id: String,
        name: String,
        said: &'static str,
    },
    /// In PBS's words, of a job of PBS's.
    Pbs {
        /// `12[4].host`.
        id: String,
        /// The job's name.
        name: String,
        lines: Vec<String>,
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
        if let Fact::Settings(after) = &event.fact {
            mail.extend(mail_pbs::of_reservations(self, after, event.at.wall));
        }
        if let Fact::Run { run, fact: RunFact::Unfinished { .. } } = &event.fact {
            let job = self.job(run.job).filter(|job| job.has(attr::PBS_MAIL_POINTS));
            mail.extend(job.map(|job| mail_pbs::not_staged_out(self, job, event)));
        }
        let Fact::Job { job, fact: JobFact::Happened(what) } = &event.fact else { return };
        let Some(job) = self.job(*job) else { return };
        if job.has(attr::PBS_MAIL_POINTS) {
            mail.extend(mail_pbs::letters(self, job, what, event));
            return;
        }
        if !job.may_mail() {
            return;
        }
        let ad = ads::job_ad(job, event.at, self);
        let Some(wish) = wish(&ad) else { return };
        let good = ad.literal(attr::JOB_SUCCESS_EXIT_CODE).and_then(Value::as_i64).unwrap_or(0);
        let news = news(job, what).filter(|news| wish.wants(news, good));
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
    /// HTCondor 25.14 (`Email::shouldSend`): `Error` means a signal, another exit code than the one
    /// that is `good` (`JobSuccessExitCode`), or a hold that neither the user nor the job's own
    /// policy wanted.
    fn wants(self, news: &MailNews, good: i64) -> bool {
        match (self, news) {
            (_, MailNews::Started) => self == Self::Start,
            (Self::Always, _) | (Self::Complete, MailNews::Ended { .. }) => true,
            (Self::Error, MailNews::Ended { end: RunEnd::Program(end), .. }) => match end {
                ProgramEnd::Exited { code } => i64::from(*code) != good,
                ProgramEnd::Signaled { .. } => true,
            },
            (Self::Error, MailNews::Ended { .. }) => false,
            (Self::Error, MailNews::Held(hold)) => !wanted_hold(hold.code),
            (
                Self::Error,
                MailNews::Removed { .. } | MailNews::Pbs { .. } | MailNews::Reservation { .. },
            )
            | (
                Self::Complete,
                MailNews::Held(_)
                | MailNews::Removed { .. }
                | MailNews::Pbs { .. }
                | MailNews::Reservation { .. },
            )
            | (Self::Start, _) => false,
        }
    }
}

pub(super) fn wanted_hold(code: HoldCode) -> bool {
    [
        HoldCode::UserRequest,
        HoldCode::JobPolicy,
        HoldCode::SubmittedOnHold,
        HoldCode::SpoolingInput,
        HoldCode::WaitsForJobs,
    ]
    .contains(&code)
}

/// What a letter would tell of the event. Of a run that ended before its job did nothing: the job
/// goes on, or a hold or removal tells it.
fn news(job: JobRef<'_>, event: &JobEvent) -> Option<MailNews> {
    match event {
        JobEvent::RunStarted { .. } => Some(MailNews::Started),
        JobEvent::RunOver { end, usage, next: AfterRun::Complete, .. } => {
            Some(MailNews::Ended { end: end.clone(), usage: *usage, slot: job.record().tally.slot })
        }
        JobEvent::Skipped { end, .. } => {
            Some(MailNews::Ended { end: end.clone(), usage: Usage::default(), slot: None })
        }
        JobEvent::RunOver { next: AfterRun::Hold(hold), .. } | JobEvent::Held(hold) => {
            Some(MailNews::Held(hold.clone()))
        }
        JobEvent::RunOver { next: AfterRun::Remove { reason }, .. }
        | JobEvent::Removed { reason, .. } => Some(MailNews::Removed { reason: reason.clone() }),
        JobEvent::RunOver { next: AfterRun::Requeue { .. }, .. }
        | JobEvent::RunAuthorised { .. }
        | JobEvent::PauseRequested { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Continued { .. }
        | JobEvent::StopRequested { .. }
        | JobEvent::Released { .. } => None,
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
    use super::*;

    fn ended(end: RunEnd) -> MailNews {
        MailNews::Ended { end, usage: Usage::default(), slot: None }
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
            (ended(RunEnd::exited(0)), vec![always, complete, error]),
            (ended(RunEnd::exited(3)), vec![always, complete]),
            (ended(RunEnd::killed(9)), vec![always, complete, error]),
            (held(HoldCode::UserRequest), vec![always]),
            (held(HoldCode::JobPolicy), vec![always]),
            (held(HoldCode::TransferInputError), vec![always, error]),
            (removed, vec![always]),
        ] {
            let all = [always, complete, error, start];
            let found: Vec<Wish> = all.into_iter().filter(|wish| wish.wants(&news, 3)).collect();
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
