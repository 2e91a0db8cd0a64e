//! What an event means for the users' event logs: which entries are written, in which order. Where
//! they go is in `log_files`, what longer ones tell in `run_entry` and `submit_entry`; nothing here
//! knows the format.

use std::sync::Arc;

use classad::{ClassAd, Expr};
use model::userlog::UserLogEvent;
use model::{
    AfterRun, Hold, HoldCode, JobEvent, JobId, JobState, Now, ProcId, Resources, RunEnd, RunId,
    RunLimit, StopCause, Timestamp, Universe, Usage, attr,
};

use crate::core::ads;
use crate::core::job::description::cluster_ad;
use crate::core::records::eviction::{Eviction, is_checkpoint, is_failure, stop_cause};
use crate::core::records::rows::ClusterRecord;
use crate::core::state::core::{Core, JobRef};
use crate::core::told::log_files::{LogEntry, Logs, last_words, tells_log, text_of};
use crate::core::told::run_entry::EndedRun;
use crate::core::told::submit_entry::submit_entry;
use crate::core::told::told_of::{listed, told_of};
use crate::core::users::factory;
use crate::core::words::{ClusterFact, Event, Fact, JobFact, RunFact};

/// What HTCondor 25.14 says of a connection that closed by itself.
const CONNECTION_LOST: &str = "Socket between submit and execute hosts closed unexpectedly";

impl Core {
    /// Adds what an event that is about to be applied means for logs.
    pub(crate) fn log_before(&self, event: &Event, log: &mut Vec<LogEntry>) {
        match &event.fact {
            Fact::Cluster(fact) => self.log_cluster(fact, event.at, log),
            Fact::Job { job, fact } => self.log_job(*job, fact, event.at, log),
            Fact::Run { run, fact } => match fact {
                RunFact::UsageSeen { usage } => self.log_usage(run.job, *usage, event.at, log),
                RunFact::Disconnected => self.log_link(*run, event.at, log, disconnected),
                RunFact::Reconnected => self.log_link(*run, event.at, log, reconnected),
                RunFact::Placed { .. } | RunFact::Unfinished { .. } => {}
            },
            Fact::Claim(_)
            | Fact::Machine { .. }
            | Fact::Negotiator(_)
            | Fact::Round(_)
            | Fact::Act(_)
            | Fact::Settings(_) => {}
        }
    }

    fn log_cluster(&self, fact: &ClusterFact, now: Now, log: &mut Vec<LogEntry>) {
        let at = now.wall;
        match fact {
            ClusterFact::Submitted(record) => {
                let shared = Arc::new(cluster_ad(record, &self.config.uid_domain));
                if factory::is_one(&record.spec) {
                    let log_notes = text_of(&shared, attr::SUBMIT_EVENT_NOTES);
                    let user_notes = text_of(&shared, attr::SUBMIT_EVENT_USER_NOTES);
                    let host = self.config.address.clone();
                    let news = UserLogEvent::ClusterSubmitted { host, log_notes, user_notes };
                    self.about_cluster(record, &shared, at, news, log);
                }
                self.submitted(record, &shared, record.body.untouched.iter(), at, log);
            }
            ClusterFact::Factory { cluster, step } => self.log_factory(*cluster, step, at, log),
            ClusterFact::Reserved { .. }
            | ClusterFact::ReservationForgotten { .. }
            | ClusterFact::JobsWait { .. } => {}
        }
    }

    fn log_job(&self, job: JobId, fact: &JobFact, now: Now, log: &mut Vec<LogEntry>) {
        match fact {
            JobFact::Happened(what) => {
                self.last_words(job, what, now, log);
                if let Some(job) = self.job(job)
                    && self.may_log(&job)
                {
                    let ad = ads::job_ad(job, now, self);
                    let kinds = self.entries(job, &ad, what, now);
                    let ad = self.told_with(job, ad, what);
                    self.push(log, job, &ad, now, kinds);
                }
            }
            JobFact::Said { text } => self.log_said(job, text, now, log),
            JobFact::Left => self.log_last_of_factory(job.cluster, now.wall, log),
            JobFact::Edited { changes } => self.log_priority(job, changes, now, log),
            JobFact::Matched { .. }
            | JobFact::Spooled { .. }
            | JobFact::Timed
            | JobFact::BackoffOver => {}
        }
    }

    /// 033, for another priority: of other attributes HTCondor 25.14 tells nothing.
    fn log_priority(&self, job: JobId, changes: &ClassAd, now: Now, log: &mut Vec<LogEntry>) {
        let Some(new) = changes.get_own(attr::JOB_PRIO) else { return };
        let Some(job) = self.job(job).filter(|job| self.may_log(job)) else { return };
        let ad = ads::job_ad(job, now, self);
        let old = ad.get(attr::JOB_PRIO).map(ToString::to_string);
        let new = new.to_string();
        if old.as_ref() != Some(&new) {
            let kind = UserLogEvent::AttributeUpdated { name: attr::JOB_PRIO.to_owned(), old, new };
            self.push(log, job, &ad, now, [kind]);
        }
    }

    /// A job that is ended because it used more than it might is told so.
    fn last_words(&self, job: JobId, what: &JobEvent, now: Now, log: &mut Vec<LogEntry>) {
        let JobEvent::StopRequested { cause: StopCause::Remove { reason }, .. } = what else {
            return;
        };
        if let Some(line) = RunLimit::last_words(reason)
            && let Some(job) = self.job(job)
        {
            let (ad, owner) = (job.described(), job.cluster.owner());
            log.extend(last_words(job.job, &ad, owner, now.wall, line));
        }
    }

    fn log_said(&self, job: JobId, text: &Arc<str>, now: Now, log: &mut Vec<LogEntry>) {
        if let Some(job) = self.job(job).filter(|job| self.may_log(job)) {
            let ad = ads::job_ad(job, now, self);
            self.push(log, job, &ad, now, [UserLogEvent::Generic { text: text.to_string() }]);
        }
    }

    fn log_usage(&self, job: JobId, usage: Usage, now: Now, log: &mut Vec<LogEntry>) {
        let Some(job) = self.job(job).filter(|job| self.may_log(job)) else { return };
        if is_larger(job, usage.peak_rss_kib) {
            let ad = ads::job_ad(job, now, self);
            let kind = grown(job, &ad, usage.peak_rss_kib);
            self.push(log, job, &ad, now, kind);
        }
    }

    /// An entry about the connection to the machine that a run is on.
    fn log_link(
        &self,
        run: RunId,
        now: Now,
        log: &mut Vec<LogEntry>,
        kind: impl FnOnce(&str, &str) -> UserLogEvent,
    ) {
        let Some(job) = self.job(run.job).filter(|job| self.may_log(job)) else { return };
        let state = job.state();
        let claim = state.running().and_then(|running| self.claims.get(&running.claim));
        // HTCondor 25.14 has nobody who could lose sight of a job beside the schedd.
        if let Some(claim) = claim.filter(|claim| !claim.record.universe.is_beside()) {
            let kind = kind(&claim.record.slot, &claim.record.address);
            self.push(log, job, &ads::job_ad(job, now, self), now, [kind]);
        }
    }

    /// What is told of a job beside the entries of an event: at the end of a run, with how that
    /// ended.
    fn told_with(&self, job: JobRef<'_>, ad: ClassAd, what: &JobEvent) -> ClassAd {
        if let JobEvent::RunOver { end, usage, .. } = what
            && ad.get(attr::JOB_AD_INFORMATION_ATTRS).is_some()
        {
            let mut record = job.record();
            record.tally.note_end(end, *usage);
            return ads::record_ad(job.cluster, &record, &self.config);
        }
        ad
    }

    fn entries(
        &self,
        job: JobRef<'_>,
        ad: &ClassAd,
        event: &JobEvent,
        now: Now,
    ) -> Vec<UserLogEvent> {
        let running = job.state().running().cloned();
        let began = running.is_some_and(|running| running.executing.is_some());
        match event {
            JobEvent::RunAuthorised { .. } => self.transfers(ad, began, event),
            JobEvent::PauseRequested { .. } | JobEvent::StopRequested { .. } => Vec::new(),
            JobEvent::Suspended { processes, .. } => {
                vec![UserLogEvent::Suspended { processes: *processes }]
            }
            JobEvent::Continued { .. } => vec![UserLogEvent::Unsuspended],
            JobEvent::RunStarted { .. } => {
                let executing = self.executing(job, ad, now);
                self.transfers(ad, began, event).into_iter().chain(executing).collect()
            }
            JobEvent::RunOver { end, usage, next, .. } => {
                let run = EndedRun::of(job, ad, end, *usage, now);
                // What was not executed has not grown (HTCondor 25.14).
                let is_executed = began || usage.started.is_some();
                let image = is_executed.then(|| grown(job, ad, usage.peak_rss_kib)).flatten();
                let transfers = self.transfers(ad, began, event);
                let failed = end.is_failed_execution() && !began;
                let executing = failed.then(|| self.executing(job, ad, now)).flatten();
                let over = run_over(&job.state(), &run, next);
                image.into_iter().chain(transfers).chain(executing).chain(over).collect()
            }
            JobEvent::Skipped { end, .. } => {
                vec![EndedRun::of(job, ad, end, Usage::default(), now).terminated()]
            }
            // HTCondor 25.14 tells of a job that is submitted on hold that it was submitted.
            JobEvent::Held(hold) if hold.code == HoldCode::SubmittedOnHold => Vec::new(),
            JobEvent::Held(hold) => vec![held(hold)],
            JobEvent::Released { reason, .. } => {
                vec![UserLogEvent::Released { reason: Some(reason.clone()) }]
            }
            JobEvent::Removed { reason, .. } => vec![aborted(reason)],
        }
    }

    /// 001, with what is told of the slot: of a job that runs beside the schedd nothing but the
    /// schedd's address.
    fn executing(&self, job: JobRef<'_>, ad: &ClassAd, now: Now) -> Option<UserLogEvent> {
        let record = job.record();
        let claim = record.state.running().and_then(|run| self.claims.get(&run.claim))?;
        Some(match claim.record.universe {
            Universe::Scheduler | Universe::Local => UserLogEvent::Executing {
                host: self.config.address.clone(),
                slot_name: None,
                properties: Vec::new(),
            },
            Universe::Vanilla => {
                let asked = claim.slot_ad.as_deref().map_or_else(Vec::new, |slot| {
                    told_of(
                        slot,
                        Some(ad),
                        &listed(ad, attr::USER_LOG_EXECUTE_EVENT_ATTRS, now),
                        now,
                    )
                });
                let scratch_dir = record.tally.scratch_dir.as_deref().unwrap_or_default();
                UserLogEvent::Executing {
                    host: claim.record.address.clone(),
                    slot_name: Some(claim.record.slot.to_string()),
                    properties: properties(scratch_dir, &claim.record.resources, asked),
                }
            }
        })
    }
}

/// The entry for a run that has become larger. HTCondor 25.14 writes none for jobs that run beside
/// the schedd.
fn grown(job: JobRef<'_>, ad: &ClassAd, peak_rss_kib: u64) -> Option<UserLogEvent> {
    let told = is_larger(job, peak_rss_kib) && !Universe::of(ad).is_beside();
    told.then(|| UserLogEvent::ImageSize {
        image_kib: peak_rss_kib,
        memory_mib: Some(peak_rss_kib.div_ceil(1024)),
        resident_kib: Some(peak_rss_kib),
        proportional_kib: None,
    })
}

fn is_larger(job: JobRef<'_>, peak_rss_kib: u64) -> bool {
    peak_rss_kib > job.record().tally.last_usage.peak_rss_kib
}

fn disconnected(slot: &str, address: &str) -> UserLogEvent {
    UserLogEvent::Disconnected {
        reason: CONNECTION_LOST.to_owned(),
        slot_name: slot.to_owned(),
        startd: address.to_owned(),
    }
}

/// The startd is the way to a run's keeper, too.
fn reconnected(slot: &str, address: &str) -> UserLogEvent {
    let [startd, starter] = [address, address].map(str::to_owned);
    UserLogEvent::Reconnected { slot_name: slot.to_owned(), startd, starter }
}

fn held(hold: &Hold) -> UserLogEvent {
    UserLogEvent::Held {
        reason: Some(hold.reason.clone()),
        code: i32::from(hold.code.number()),
        subcode: hold.subcode,
    }
}

fn aborted(reason: &str) -> UserLogEvent {
    UserLogEvent::Aborted { reason: Some(reason.to_owned()) }
}

/// What HTCondor tells of a slot at event 001, sorted; what the job asked for beside it comes with
/// it.
fn properties(
    scratch_dir: &str,
    resources: &Resources,
    asked: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let mut all = vec![
        (attr::CONDOR_SCRATCH_DIR.to_owned(), Expr::from(scratch_dir).to_string()),
        ("Cpus".to_owned(), resources.cpus.to_string()),
        ("Disk".to_owned(), resources.disk_kib.to_string()),
        ("Memory".to_owned(), resources.memory_mib.to_string()),
    ];
    all.extend(resources.custom.iter().map(|(name, n)| (name.clone(), n.to_string())));
    let known: Vec<String> = all.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    all.extend(asked.into_iter().filter(|(name, _)| !known.contains(&name.to_ascii_lowercase())));
    all.sort();
    all
}

impl Core {
    /// Whether anybody may read of a job. `false` is certain.
    fn may_log(&self, job: &JobRef<'_>) -> bool {
        self.config.event_log.is_some() || job.may_log()
    }

    /// An entry about a cluster, in the log that its jobs share if they do.
    pub(crate) fn about_cluster(
        &self,
        record: &ClusterRecord,
        shared: &ClassAd,
        at: Timestamp,
        news: UserLogEvent,
        log: &mut Vec<LogEntry>,
    ) {
        // Such an entry is written without the number of a job.
        let job = JobId { cluster: record.cluster, proc: ProcId(0) };
        let logs = Logs::of(shared, &record.body.owner, self.config.event_log.as_ref());
        logs.add_to_pool(job, at, news.clone(), log);
        logs.add(job, at, news, log);
    }

    /// The submit entries of jobs that come into the queue.
    pub(crate) fn submitted(
        &self,
        record: &ClusterRecord,
        shared: &Arc<ClassAd>,
        procs: impl Iterator<Item = ProcId>,
        at: Timestamp,
        log: &mut Vec<LogEntry>,
    ) {
        let (owner, pool) = (&record.body.owner, self.config.event_log.as_ref());
        let shared_logs = Logs::of(shared, owner, pool);
        // Most jobs of a large submission have no log: nothing is looked for in a million of them.
        if shared_logs.is_none() && !record.spec.procs.any_own(tells_log) {
            return;
        }
        let now = Now { wall: at, boot_ms: 0 };
        for proc in procs {
            let mut ad = record.spec.delta(proc).unwrap_or_default();
            let own = ad.iter().any(|(name, _)| tells_log(name) || *name == *attr::IWD);
            ad.set_parent(Arc::clone(shared));
            let own_logs = own.then(|| Logs::of(&ad, owner, pool));
            let logs = own_logs.as_ref().unwrap_or(&shared_logs);
            if logs.is_none() {
                continue;
            }
            let ad = ads::submitted_ad(record, &ad, proc);
            let job = JobId { cluster: record.cluster, proc };
            add_all(logs, job, &ad, now, [submit_entry(&ad, &self.config.address, now)], log);
        }
    }

    fn push(
        &self,
        log: &mut Vec<LogEntry>,
        job: JobRef<'_>,
        ad: &ClassAd,
        now: Now,
        kinds: impl IntoIterator<Item = UserLogEvent>,
    ) {
        let logs = Logs::of(ad, job.cluster.owner(), self.config.event_log.as_ref());
        add_all(&logs, job.job, ad, now, kinds, log);
    }
}

/// The entries for the end of a run, in HTCondor's order: 004 before 012 and 009 where somebody
/// stopped the run; 012 alone where the job's own policy or a failed start holds it.
fn run_over(state: &JobState, run: &EndedRun, next: &AfterRun) -> Vec<UserLogEvent> {
    let eviction = Eviction::of(state, &run.end, next);
    let evicted = eviction.as_ref().map(|eviction| run.evicted(eviction));
    match next {
        AfterRun::Complete => {
            let skipped = UserLogEvent::DataflowSkipped { reason: None };
            let skipped = (run.end == RunEnd::UpToDate).then_some(skipped);
            skipped.into_iter().chain([run.terminated()]).collect()
        }
        AfterRun::Hold(hold) => {
            let failed = stop_cause(state).is_none() && is_failure(&run.end, hold);
            let error = failed.then(|| start_error(run, hold));
            // Beside the schedd a run that its job's policy holds is evicted first (HTCondor
            // 25.14).
            let by_policy = || {
                let is_by_policy = matches!(run.end, RunEnd::Program(_));
                let eviction = Eviction {
                    code: hold.code.number(),
                    subcode: hold.subcode,
                    reason: hold.reason.clone(),
                };
                (run.universe == Universe::Local && is_by_policy).then(|| run.evicted(&eviction))
            };
            let evicted = evicted.or_else(by_policy);
            error.into_iter().chain(evicted).chain([held(hold)]).collect()
        }
        AfterRun::Remove { reason } => evicted.into_iter().chain([aborted(reason)]).collect(),
        AfterRun::Requeue { .. } if is_checkpoint(&run.end) && evicted.is_none() => {
            vec![run.checkpointed()]
        }
        AfterRun::Requeue { .. } => match &run.end {
            RunEnd::Lost { reason } => vec![UserLogEvent::ReconnectFailed {
                reason: reason.clone(),
                slot_name: run.slot.as_deref().unwrap_or_default().to_owned(),
            }],
            RunEnd::Program(_)
            | RunEnd::OutputFailed { .. }
            | RunEnd::ScriptFailed { .. }
            | RunEnd::StartFailed(_)
            | RunEnd::UpToDate
            | RunEnd::Vacated { .. } => evicted.into_iter().collect(),
        },
    }
}

/// 021: the machine could not do its part, and so the job is held.
fn start_error(run: &EndedRun, hold: &Hold) -> UserLogEvent {
    UserLogEvent::RemoteError {
        critical: true,
        daemon: "starter".to_owned(),
        host: run.slot.as_deref().unwrap_or_default().to_owned(),
        message: vec![hold.reason.clone()],
        hold: Some((i32::from(hold.code.number()), hold.subcode)),
    }
}

fn add_all(
    logs: &Logs<'_>,
    job: JobId,
    ad: &ClassAd,
    now: Now,
    kinds: impl IntoIterator<Item = UserLogEvent>,
    log: &mut Vec<LogEntry>,
) {
    let own = ad
        .get(attr::JOB_AD_INFORMATION_ATTRS)
        .map(|_| listed(ad, attr::JOB_AD_INFORMATION_ATTRS, now));
    for kind in kinds {
        let about = own.as_ref().map(|names| ad_information(&kind, ad, names, now));
        if let Some(pool) = logs.pool {
            let names = Some(&pool.attributes).filter(|names| !names.is_empty());
            let about = names.map(|names| ad_information(&kind, ad, names, now));
            for kind in std::iter::once(kind.clone()).chain(about) {
                logs.add_to_pool(job, now.wall, kind, log);
            }
        }
        for kind in std::iter::once(kind).chain(about) {
            logs.add(job, now.wall, kind, log);
        }
    }
}

/// The entry that comes with each other, where more of the job is to be told.
fn ad_information(with: &UserLogEvent, ad: &ClassAd, names: &[String], now: Now) -> UserLogEvent {
    let mut told = told_of(ad, None, names, now);
    told.push(("TriggerEventTypeName".to_owned(), Expr::from(with.name()).to_string()));
    told.push(("TriggerEventTypeNumber".to_owned(), with.number().to_string()));
    told.sort();
    UserLogEvent::AdInformation { attributes: told }
}
