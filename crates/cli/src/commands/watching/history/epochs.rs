//! `history -epochs`: every run of a job, made from the schedd's record. What a run has of its own
//! (when it was, how it ended, what it used) comes from its events, everything else from the job.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::Result;
use classad::ClassAd;
use client::{AskError, Home, Schedd};
use model::{AfterRun, Attempt, JobEvent, JobId, ProgramEnd, RunEnd, Seq, Timestamp, Usage, attr};
use proto::client::{Happening, Query, Recorded, Select};

use crate::render::values::view::status;
use crate::render::values::view::{Moment, View};

/// One run, as far as its events tell.
#[derive(Clone, Debug, Default)]
struct Run {
    authorised: Option<Timestamp>,
    slot: Option<Arc<str>>,
    started: Option<Timestamp>,
    over: Option<Over>,
}

#[derive(Clone, Debug)]
struct Over {
    end: RunEnd,
    usage: Usage,
    next: AfterRun,
    at: Timestamp,
}

/// The runs of all jobs that `select` names, the last that ended first.
pub(crate) fn read(client: &mut Schedd, select: &Select, moment: &Moment) -> Result<Vec<ClassAd>> {
    let mut runs: BTreeMap<(JobId, Attempt), Run> = BTreeMap::new();
    Home::from_environment().events(Seq(0), select.clone(), |events| {
        events.iter().for_each(|event| note(&mut runs, event));
        Ok::<_, AskError>(ControlFlow::Continue(()))
    })?;
    let mut jobs: BTreeMap<JobId, ClassAd> = BTreeMap::new();
    for finished in [true, false] {
        let query = Query { finished, ..Query::of(select.clone()) };
        for ad in client.jobs(query)? {
            if let Some(id) = View::new(&ad, moment).job() {
                jobs.insert(id, ad);
            }
        }
    }
    let over = |((job, attempt), run): (&(JobId, Attempt), &Run)| {
        let over = run.over.as_ref()?;
        Some((over.at, ad(jobs.get(job)?, *attempt, run, over)))
    };
    let mut ads: Vec<(Timestamp, ClassAd)> = runs.iter().filter_map(over).collect();
    ads.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    Ok(ads.into_iter().map(|(_, ad)| ad).collect())
}

fn note(runs: &mut BTreeMap<(JobId, Attempt), Run>, recorded: &Recorded) {
    let Happening::Job { job, event } = &recorded.what else { return };
    match event {
        JobEvent::RunAuthorised { attempt, at, slot, .. } => {
            let run = runs.entry((*job, *attempt)).or_default();
            run.authorised = Some(*at);
            run.slot.clone_from(slot);
        }
        JobEvent::RunStarted { attempt, at } => {
            runs.entry((*job, *attempt)).or_default().started = Some(*at);
        }
        JobEvent::RunOver { attempt, end, usage, next, at } => {
            let over = Over { end: end.clone(), usage: *usage, next: next.clone(), at: *at };
            runs.entry((*job, *attempt)).or_default().over = Some(over);
        }
        JobEvent::PauseRequested { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Continued { .. }
        | JobEvent::StopRequested { .. }
        | JobEvent::Skipped { .. }
        | JobEvent::Held(_)
        | JobEvent::Released { .. }
        | JobEvent::Removed { .. } => {}
    }
}

/// What is of the job's last run, and must not be shown of another.
const OF_LAST_RUN: [&str; 14] = [
    attr::EXIT_CODE,
    attr::EXIT_SIGNAL,
    attr::COMPLETION_DATE,
    attr::HOLD_REASON,
    attr::HOLD_REASON_CODE,
    attr::HOLD_REASON_SUB_CODE,
    attr::REMOVE_REASON,
    attr::LAST_REMOTE_HOST,
    attr::REMOTE_HOST,
    attr::VACATE_REASON,
    attr::RESIDENT_SET_SIZE,
    attr::JOB_CURRENT_START_DATE,
    attr::JOB_CURRENT_START_EXECUTING_DATE,
    attr::REMOTE_WALL_CLOCK_TIME,
];

fn ad(job: &ClassAd, attempt: Attempt, run: &Run, over: &Over) -> ClassAd {
    let mut ad = job.collapsed();
    for name in OF_LAST_RUN {
        ad.remove(name);
    }
    if let Some(slot) = &run.slot {
        ad.set(attr::LAST_REMOTE_HOST, &**slot);
    }
    ad.set("EpochAdType", "EPOCH");
    ad.set("RunInstanceId", i64::from(attempt.0));
    ad.set(attr::NUM_SHADOW_STARTS, i64::from(attempt.0));
    ad.set("EpochWriteDate", over.at.as_secs());
    // A record that begins later does not tell.
    if let Some(began) = run.authorised.or(run.started) {
        ad.set(attr::JOB_CURRENT_START_DATE, began.as_secs());
        ad.set(attr::REMOTE_WALL_CLOCK_TIME, over.at.since(began).as_secs_f64());
    }
    if let Some(started) = run.started {
        ad.set(attr::JOB_CURRENT_START_EXECUTING_DATE, started.as_secs());
    }
    let seconds = |us: u64| std::time::Duration::from_micros(us).as_secs_f64();
    ad.set(attr::REMOTE_USER_CPU, seconds(over.usage.user_us));
    ad.set(attr::REMOTE_SYS_CPU, seconds(over.usage.sys_us));
    if over.usage.peak_rss_kib > 0 {
        let resident = i64::try_from(over.usage.peak_rss_kib).unwrap_or(i64::MAX);
        ad.set(attr::RESIDENT_SET_SIZE, resident);
    }
    set_end(&mut ad, &over.end);
    match &over.next {
        AfterRun::Complete => {
            ad.set(attr::JOB_STATUS, status::COMPLETED);
            ad.set(attr::COMPLETION_DATE, over.at.as_secs());
        }
        AfterRun::Hold(hold) => {
            ad.set(attr::JOB_STATUS, status::HELD);
            ad.set(attr::HOLD_REASON, hold.reason.as_str());
            ad.set(attr::HOLD_REASON_CODE, i64::from(hold.code.number()));
            ad.set(attr::HOLD_REASON_SUB_CODE, i64::from(hold.subcode));
        }
        AfterRun::Remove { reason } => {
            ad.set(attr::JOB_STATUS, status::REMOVED);
            ad.set(attr::REMOVE_REASON, reason.as_str());
        }
        AfterRun::Requeue { reason } => {
            ad.set(attr::JOB_STATUS, status::IDLE);
            ad.set(attr::VACATE_REASON, reason.as_str());
        }
    }
    ad
}

fn set_end(ad: &mut ClassAd, end: &RunEnd) {
    match end.shown() {
        Some(ProgramEnd::Exited { code }) => {
            ad.set(attr::EXIT_BY_SIGNAL, false);
            ad.set(attr::EXIT_CODE, i64::from(code));
        }
        Some(ProgramEnd::Signaled { signal, .. }) => {
            ad.set(attr::EXIT_BY_SIGNAL, true);
            ad.set(attr::EXIT_SIGNAL, i64::from(signal));
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use model::ClaimId;

    use super::*;

    #[test]
    fn each_run_has_its_own_end_and_its_own_times() {
        let id = JobId::new(7, 0);
        let at = |s: i64| Timestamp::from_secs(s);
        let claim = ClaimId { journal: 1, number: 1 };
        let slot = |nth: u32| Some(format!("slot1_{nth}@h").into());
        let over = |attempt: u32, code: i32, next: AfterRun, end: i64| JobEvent::RunOver {
            attempt: Attempt(attempt),
            end: RunEnd::exited(code),
            usage: Usage::default(),
            next,
            at: at(end),
        };
        let again = AfterRun::Requeue { reason: "exit code 3".to_owned() };
        let events = [
            JobEvent::RunAuthorised { attempt: Attempt(1), claim, slot: slot(1), at: at(10) },
            JobEvent::RunStarted { attempt: Attempt(1), at: at(11) },
            over(1, 3, again, 15),
            JobEvent::RunAuthorised { attempt: Attempt(2), claim, slot: slot(2), at: at(20) },
            over(2, 0, AfterRun::Complete, 28),
            // Its beginning has left the record.
            over(3, 1, AfterRun::Complete, 40),
        ];
        let mut runs = BTreeMap::new();
        for event in events {
            let what = Happening::Job { job: id, event };
            note(&mut runs, &Recorded { seq: Seq(1), at: at(0), what });
        }
        let job = "ClusterId = 7\nProcId = 0\nExitCode = 0\nNumShadowStarts = 2\nLastRemoteHost = \"slot1_2@h\"\n";
        let job = ClassAd::parse_old(job).unwrap();
        let moment = Moment::new(100, TimeZone::UTC);
        let shown: Vec<String> = runs
            .iter()
            .map(|((_, attempt), run)| {
                let ad = ad(&job, *attempt, run, run.over.as_ref().unwrap());
                let view = View::new(&ad, &moment);
                let number = |name| view.int(name).map(|n| n.to_string()).unwrap_or_default();
                let wall = view.real(attr::REMOTE_WALL_CLOCK_TIME);
                [
                    number("RunInstanceId"),
                    number(attr::JOB_STATUS),
                    number(attr::EXIT_CODE),
                    wall.map(|wall| wall.to_string()).unwrap_or_default(),
                    number(attr::COMPLETION_DATE),
                    view.text(attr::LAST_REMOTE_HOST).unwrap_or_default(),
                ]
                .join("|")
            })
            .collect();
        let expected = ["1|1|3|5||slot1_1@h", "2|4|0|8|28|slot1_2@h", "3|4|1||40|"];
        assert_eq!(shown, expected);
    }
}
