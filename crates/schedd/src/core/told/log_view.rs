//! What an event means for the users' event logs: structured data, from which the shell writes the text. Knows what each entry
//! must tell; where it goes is in `log_files`, and nothing here knows the format.

use std::sync::Arc;

use classad::{ClassAd, Expr, Value};
use model::userlog::{Completion, TransferStep};
use model::{
    AfterRun, Devices, Hold, HoldCode, JobEvent, JobId, JobState, Now, ProcId, Resources, RunEnd,
    RunId, Timestamp, Universe, Usage, attr,
};

use crate::core::ads;
use crate::core::runs::over::is_checkpoint;
use crate::core::state::core::{Core, JobRef};
use crate::core::state::eviction::Eviction;
use crate::core::state::eviction::is_failure;
use crate::core::state::eviction::stop_cause;
use crate::core::state::rows::ClusterRecord;
use crate::core::told::log_files::tells_log;
use crate::core::told::log_files::text_of;
use crate::core::told::log_files::{LogTo, Logs};
use crate::core::users::factory;
use crate::core::words::{Event, Fact};

/// What HTCondor 25.14 says of a connection that closed by itself.
const CONNECTION_LOST: &str = "Socket between submit and execute hosts closed unexpectedly";

pub(crate) const EXECUTE_ATTRS: &str = attr::USER_LOG_EXECUTE_EVENT_ATTRS;

/// An entry of a user's log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// Whose log: the file belongs to the job's owner.
    pub owner: model::UserName,
    /// The file (`UserLog`), absolute.
    pub path: Arc<str>,
    /// Whose that file is.
    pub to: LogTo,
    /// About which job.
    pub job: JobId,
    pub at: Timestamp,
    pub kind: LogKind,
}

/// What an entry tells.
#[derive(Clone, Debug, PartialEq)]
pub enum LogKind {
    /// 000.
    Submitted {
        /// Attributes of the job that stand in it, by name, as ClassAd text.
        facts: Vec<(String, String)>,
        /// `SubmitEventNotes`.
        notes: Option<String>,
        /// `SubmitEventUserNotes`.
        user_notes: Option<String>,
    },
    /// 035 to 038: about a factory, and none of its jobs.
    Factory(FactoryNews),
    /// 001.
    Executing {
        /// The startd's address; of a job that runs beside the schedd, the schedd's.
        address: String,
        /// The slot, where there is one.
        place: Option<SlotPlace>,
    },
    /// 040.
    Transfer { step: TransferStep, to: Option<String> },
    /// 006.
    ImageSize {
        /// The peak of resident memory, KiB.
        peak_rss_kib: u64,
    },
    /// 005: the run ended by itself, and the job with it.
    Terminated(Box<RunSummary>),
    /// 021: the machine could not start it, and so the job is held.
    StartError {
        /// `slot1_1@host`.
        slot: Option<Arc<str>>,
        /// The hold that follows.
        hold: Hold,
    },
    /// 004: the run was ended, and the job was not; or it ended and is to run again.
    Evicted {
        eviction: Eviction,
        /// What it was.
        run: Box<RunSummary>,
    },
    /// 046: what the job makes was newer than what it is made from; 005 follows.
    UpToDate,
    /// 003: the job took a checkpoint, and goes on from it.
    Checkpointed(Box<RunSummary>),
    /// 022: the machine that the run is on is not connected.
    Disconnected {
        reason: String,
        slot: Arc<str>,
        /// The startd's address.
        address: String,
    },
    /// 023: it is again, and the run goes on.
    Reconnected {
        slot: Arc<str>,
        /// The startd's address.
        address: String,
    },
    /// 024 or 007: nobody can say how the run ended.
    Lost {
        /// What is known.
        reason: String,
        slot: Option<Arc<str>>,
    },
    /// 028: what the job wants to be told of itself beside the entry before (`JobAdInformationAttrs`), as ClassAd text.
    AdInformation(Vec<(String, String)>),
    /// 008: what the job said of itself.
    Said(Arc<str>),
    /// 010.
    Suspended {
        /// How many processes were stopped.
        processes: u32,
    },
    /// 011.
    Unsuspended,
    /// 012.
    Held(Hold),
    /// 013.
    Released {
        /// `ReleaseReason`.
        reason: String,
    },
    /// 009.
    Aborted {
        /// `RemoveReason`.
        reason: String,
    },
}

/// What an entry tells of a factory.
#[derive(Clone, Debug, PartialEq)]
pub enum FactoryNews {
    /// 035.
    Submitted {
        /// `SubmitEventNotes`.
        notes: Option<String>,
        /// `SubmitEventUserNotes`.
        user_notes: Option<String>,
    },
    /// 036: nothing of it is left.
    Removed {
        /// How many jobs it made.
        jobs: u32,
        /// From how many items.
        items: u32,
        /// Whether these are all.
        completion: Completion,
    },
    /// 037.
    Paused {
        reason: String,
        /// `HoldReasonCode` of its jobs.
        code: HoldCode,
    },
    /// 038.
    Resumed { reason: String },
}

/// Where a program runs.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotPlace {
    /// `slot1_1@host`.
    pub slot: Arc<str>,
    /// The scratch folder.
    pub scratch_dir: Arc<str>,
    /// What the slot has.
    pub resources: Resources,
    /// What else the job wants to be told of it (`UserLogExecuteEventAttrs`), as ClassAd text.
    pub more: Vec<(String, String)>,
}

impl LogKind {
    /// The number of its event.
    pub(crate) fn number(&self) -> u16 {
        self.trigger().0
    }

    /// Its number, and HTCondor's name for it.
    fn trigger(&self) -> (u16, &'static str) {
        match self {
            Self::Submitted { .. } => (0, "ULOG_SUBMIT"),
            Self::Executing { .. } => (1, "ULOG_EXECUTE"),
            Self::UpToDate => (46, "ULOG_DATAFLOW_JOB_SKIPPED"),
            Self::Checkpointed(_) => (3, "ULOG_CHECKPOINTED"),
            Self::Evicted { .. } => (4, "ULOG_JOB_EVICTED"),
            Self::Terminated(_) => (5, "ULOG_JOB_TERMINATED"),
            Self::ImageSize { .. } => (6, "ULOG_IMAGE_SIZE"),
            Self::Said(_) => (8, "ULOG_GENERIC"),
            Self::Aborted { .. } => (9, "ULOG_JOB_ABORTED"),
            Self::Suspended { .. } => (10, "ULOG_JOB_SUSPENDED"),
            Self::Unsuspended => (11, "ULOG_JOB_UNSUSPENDED"),
            Self::Held(_) => (12, "ULOG_JOB_HELD"),
            Self::Released { .. } => (13, "ULOG_JOB_RELEASED"),
            Self::StartError { .. } => (21, "ULOG_REMOTE_ERROR"),
            Self::Disconnected { .. } => (22, "ULOG_JOB_DISCONNECTED"),
            Self::Reconnected { .. } => (23, "ULOG_JOB_RECONNECTED"),
            Self::Lost { .. } => (24, "ULOG_JOB_RECONNECT_FAILED"),
            Self::AdInformation(_) => (28, "ULOG_JOB_AD_INFORMATION"),
            Self::Factory(FactoryNews::Submitted { .. }) => (35, "ULOG_CLUSTER_SUBMIT"),
            Self::Factory(FactoryNews::Removed { .. }) => (36, "ULOG_CLUSTER_REMOVE"),
            Self::Factory(FactoryNews::Paused { .. }) => (37, "ULOG_FACTORY_PAUSED"),
            Self::Factory(FactoryNews::Resumed { .. }) => (38, "ULOG_FACTORY_RESUMED"),
            Self::Transfer { .. } => (40, "ULOG_FILE_TRANSFER"),
        }
    }
}

/// A run that is over, as a log entry tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// How it ended.
    pub end: RunEnd,
    /// What it used.
    pub usage: Usage,
    /// Processor time of all runs in user mode, microseconds.
    pub total_user_us: u64,
    /// Processor time of all runs in the kernel, microseconds.
    pub total_sys_us: u64,
    /// What all runs sent with their files, bytes.
    pub total_sent_bytes: u64,
    /// What all runs received with their files, bytes.
    pub total_received_bytes: u64,
    /// When the machine was given to it.
    pub since: Option<Timestamp>,
    /// What the job asked for.
    pub request: Resources,
    /// Where it ran.
    pub slot: Option<Arc<str>>,
    /// What it got.
    pub allocated: Option<Resources>,
    /// Where it ran: of a run beside the schedd no use of a slot is told.
    pub universe: Universe,
    /// Which ones of the custom resources.
    pub devices: Devices,
}

impl Core {
    /// Adds what an event that is about to be applied means for logs.
    pub(crate) fn log_before(&self, event: &Event, log: &mut Vec<LogEntry>) {
        let at = event.at.wall;
        match &event.fact {
            Fact::ClusterSubmitted(record) => {
                let shared = Arc::new(ads::cluster_ad(record, &self.config));
                if factory::is_one(&record.spec) {
                    let notes = text_of(&shared, attr::SUBMIT_EVENT_NOTES);
                    let user_notes = text_of(&shared, attr::SUBMIT_EVENT_USER_NOTES);
                    let news = FactoryNews::Submitted { notes, user_notes };
                    self.about_cluster(record, &shared, at, news, log);
                }
                self.submitted(record, &shared, record.body.untouched.iter(), at, log);
            }
            Fact::Factory { cluster, step } => self.log_factory(*cluster, step, at, log),
            Fact::Job { job, event: what } => {
                if let Some(job) = self.job(*job)
                    && self.may_log(&job)
                {
                    let ad = ads::job_ad(job, event.at, self);
                    let kinds = self.kinds(job, &ad, what, event.at);
                    let ad = self.told_with(job, ad, what, event.at);
                    self.push(log, job, &ad, event.at, kinds);
                }
            }
            Fact::JobSaid { job, text } => self.log_said(*job, text, event.at, log),
            Fact::JobLeft { job } => self.log_last_of_factory(job.cluster, at, log),
            Fact::UsageSeen { run, usage } => self.log_usage(run.job, *usage, event.at, log),
            Fact::RunDisconnected { run } => self.log_link(*run, event.at, log, disconnected),
            Fact::RunReconnected { run } => self.log_link(*run, event.at, log, reconnected),
            Fact::JobEdited { .. }
            | Fact::RunPlaced { .. }
            | Fact::ClaimGranted(_)
            | Fact::ClaimDropped { .. }
            | Fact::Reserved { .. }
            | Fact::ReservationForgotten { .. }
            | Fact::NegotiatorCame
            | Fact::NegotiatorWent
            | Fact::RequestsTold(_)
            | Fact::ReasonsHeard(_)
            | Fact::JobsWait { .. }
            | Fact::SignificantHeard(_)
            | Fact::ClassAside { .. }
            | Fact::MatchSeen { .. }
            | Fact::ClaimRequested(_)
            | Fact::ClaimFailed { .. }
            | Fact::MatchDeclined { .. }
            | Fact::StartdCame { .. }
            | Fact::StartdWent { .. }
            | Fact::MachineForgotten { .. }
            | Fact::BeatSeen { .. }
            | Fact::Repeated { .. }
            | Fact::KeptChecked
            | Fact::DependenciesSeen
            | Fact::JobTimed { .. }
            | Fact::JobMatched { .. }
            | Fact::JobSpooled { .. }
            | Fact::SlotSeen { .. }
            | Fact::PoliciesChecked { .. }
            | Fact::WaitsTold
            | Fact::StartsPaused { .. }
            | Fact::BackoffOver { .. } => {}
        }
    }

    fn log_said(&self, job: JobId, text: &Arc<str>, now: Now, log: &mut Vec<LogEntry>) {
        if let Some(job) = self.job(job).filter(|job| self.may_log(job)) {
            let ad = ads::job_ad(job, now, self);
            self.push(log, job, &ad, now, [LogKind::Said(Arc::clone(text))]);
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
        kind: impl FnOnce(Arc<str>, String) -> LogKind,
    ) {
        let Some(job) = self.job(run.job).filter(|job| self.may_log(job)) else { return };
        let state = job.state();
        let claim = state.running().and_then(|running| self.claims.get(&running.claim));
        // HTCondor 25.14 has nobody who could lose sight of a job beside the schedd.
        if let Some(claim) = claim.filter(|claim| !claim.record.universe.is_beside()) {
            let kind = kind(Arc::clone(&claim.record.slot), claim.record.address.clone());
            self.push(log, job, &ads::job_ad(job, now, self), now, [kind]);
        }
    }

    /// What is told of a job beside the entries of an event: at the end of a run, with how that ended.
    fn told_with(&self, job: JobRef<'_>, ad: ClassAd, what: &JobEvent, now: Now) -> ClassAd {
        if let JobEvent::RunOver { end, usage, .. } = what
            && ad.get(attr::JOB_AD_INFORMATION_ATTRS).is_some()
        {
            let mut record = job.record();
            record.tally.note_end(end, *usage);
            return ads::record_ad(job.cluster, &record, now, &self.config);
        }
        ad
    }

    pub(crate) fn kinds(
        &self,
        job: JobRef<'_>,
        ad: &ClassAd,
        event: &JobEvent,
        now: Now,
    ) -> Vec<LogKind> {
        let running = job.state().running().cloned();
        let began = running.is_some_and(|running| running.executing.is_some());
        match event {
            JobEvent::RunAuthorised { .. } => self.transfers(ad, began, event),
            JobEvent::PauseRequested { .. } | JobEvent::StopRequested { .. } => Vec::new(),
            JobEvent::Suspended { processes, .. } => {
                vec![LogKind::Suspended { processes: *processes }]
            }
            JobEvent::Continued { .. } => vec![LogKind::Unsuspended],
            JobEvent::RunStarted { .. } => {
                let record = job.record();
                let claim = record.state.running().and_then(|r| self.claims.get(&r.claim));
                let executing = claim.map(|claim| match claim.record.universe {
                    Universe::Scheduler | Universe::Local => {
                        LogKind::Executing { address: self.config.address.clone(), place: None }
                    }
                    Universe::Vanilla => LogKind::Executing {
                        address: claim.record.address.clone(),
                        place: Some(SlotPlace {
                            slot: Arc::clone(&claim.record.slot),
                            scratch_dir: record.tally.scratch_dir.unwrap_or_else(|| "".into()),
                            resources: claim.record.resources.clone(),
                            more: claim.slot_ad.as_deref().map_or_else(Vec::new, |slot| {
                                told_of(slot, Some(ad), &listed(ad, EXECUTE_ATTRS, now), now)
                            }),
                        }),
                    },
                });
                self.transfers(ad, began, event).into_iter().chain(executing).collect()
            }
            JobEvent::RunOver { end, usage, next, .. } => {
                let run = Box::new(summary(job, ad, end, *usage, now));
                let image = grown(job, ad, usage.peak_rss_kib);
                let transfers = self.transfers(ad, began, event);
                let over = run_over(&job.state(), run, next);
                image.into_iter().chain(transfers).chain(over).collect()
            }
            JobEvent::Skipped { end, .. } => {
                let run = summary(job, ad, end, Usage::default(), now);
                vec![LogKind::Terminated(Box::new(run))]
            }
            JobEvent::Held(hold) => vec![LogKind::Held(hold.clone())],
            JobEvent::Released { reason, .. } => vec![LogKind::Released { reason: reason.clone() }],
            JobEvent::Removed { reason, .. } => vec![LogKind::Aborted { reason: reason.clone() }],
        }
    }
}

/// The entry for a run that has become larger. HTCondor 25.14 writes none for jobs that run beside the schedd.
fn grown(job: JobRef<'_>, ad: &ClassAd, peak_rss_kib: u64) -> Option<LogKind> {
    let told = is_larger(job, peak_rss_kib) && !Universe::of(ad).is_beside();
    told.then_some(LogKind::ImageSize { peak_rss_kib })
}

fn is_larger(job: JobRef<'_>, peak_rss_kib: u64) -> bool {
    peak_rss_kib > job.record().tally.last_usage.peak_rss_kib
}

fn disconnected(slot: Arc<str>, address: String) -> LogKind {
    LogKind::Disconnected { reason: CONNECTION_LOST.to_owned(), slot, address }
}

fn reconnected(slot: Arc<str>, address: String) -> LogKind {
    LogKind::Reconnected { slot, address }
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
        news: FactoryNews,
        log: &mut Vec<LogEntry>,
    ) {
        // Such an entry is written without the number of a job.
        let job = JobId { cluster: record.cluster, proc: ProcId(0) };
        let logs = Logs::of(shared, &record.body.owner, self.config.event_log.as_ref());
        logs.add_to_pool(job, at, LogKind::Factory(news.clone()), log);
        logs.add(job, at, LogKind::Factory(news), log);
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
            add_all(logs, job, &ad, now, [submit_entry(&ad, now)], log);
        }
    }

    fn push(
        &self,
        log: &mut Vec<LogEntry>,
        job: JobRef<'_>,
        ad: &ClassAd,
        now: Now,
        kinds: impl IntoIterator<Item = LogKind>,
    ) {
        let logs = Logs::of(ad, job.cluster.owner(), self.config.event_log.as_ref());
        add_all(&logs, job.job, ad, now, kinds, log);
    }
}

/// The names of the attributes that a submit entry tells without being asked (HTCondor 25.14).
const SUBMIT_FACTS: [&str; 2] = [attr::DAG_NODE_NAME, attr::JOB_BATCH_NAME];

fn submit_entry(ad: &ClassAd, now: Now) -> LogKind {
    let mut names: Vec<String> = SUBMIT_FACTS.map(str::to_owned).into();
    names.extend(listed(ad, attr::SUBMIT_EVENT_NOTES_ATTRS, now));
    names.sort_by_key(|name| name.to_ascii_lowercase());
    names.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    LogKind::Submitted {
        facts: told_of(ad, None, &names, now),
        notes: text_of(ad, attr::SUBMIT_EVENT_NOTES),
        user_notes: text_of(ad, attr::SUBMIT_EVENT_USER_NOTES),
    }
}

/// The entries for the end of a run, in HTCondor's order: 004 before 012 and 009 where somebody stopped the run; 012 alone
/// where the job's own policy or a failed start holds it.
fn run_over(state: &JobState, run: Box<RunSummary>, next: &AfterRun) -> Vec<LogKind> {
    let evicted = Eviction::of(state, &run.end, next);
    match next {
        AfterRun::Complete => {
            let skipped = (run.end == RunEnd::UpToDate).then_some(LogKind::UpToDate);
            skipped.into_iter().chain([LogKind::Terminated(run)]).collect()
        }
        AfterRun::Hold(hold) => {
            let failed = stop_cause(state).is_none() && is_failure(&run.end, hold);
            let slot = run.slot.clone();
            let error = failed.then(|| LogKind::StartError { slot, hold: hold.clone() });
            let evicted = evicted.map(|eviction| LogKind::Evicted { eviction, run });
            error.into_iter().chain(evicted).chain([LogKind::Held(hold.clone())]).collect()
        }
        AfterRun::Remove { reason } => {
            let evicted = evicted.map(|eviction| LogKind::Evicted { eviction, run });
            evicted.into_iter().chain([LogKind::Aborted { reason: reason.clone() }]).collect()
        }
        AfterRun::Requeue { .. } if is_checkpoint(&run.end) && evicted.is_none() => {
            vec![LogKind::Checkpointed(run)]
        }
        AfterRun::Requeue { .. } => match &run.end {
            RunEnd::Lost { reason } => {
                vec![LogKind::Lost { reason: reason.clone(), slot: run.slot.clone() }]
            }
            RunEnd::Program(_)
            | RunEnd::OutputFailed { .. }
            | RunEnd::ScriptFailed { .. }
            | RunEnd::StartFailed(_)
            | RunEnd::UpToDate
            | RunEnd::Vacated { .. } => {
                evicted.map(|eviction| LogKind::Evicted { eviction, run }).into_iter().collect()
            }
        },
    }
}

fn summary(job: JobRef<'_>, ad: &ClassAd, end: &RunEnd, usage: Usage, now: Now) -> RunSummary {
    let tally = job.record().tally;
    let env = ads::env(now);
    let amount = |name: &str| {
        // `int()` truncates, as HTCondor's log does with a request that is a real number.
        let whole =
            Expr::parse(&format!("int({name})")).map(|whole| ad.eval_expr(&whole, None, &env));
        u64::try_from(whole.ok().and_then(|whole| whole.as_i64()).unwrap_or(0)).unwrap_or(0)
    };
    RunSummary {
        end: end.clone(),
        usage,
        total_user_us: tally.user_us + usage.user_us,
        total_sys_us: tally.sys_us + usage.sys_us,
        total_sent_bytes: tally.sent_bytes + usage.sent_bytes,
        total_received_bytes: tally.received_bytes + usage.received_bytes,
        since: tally.last_start,
        request: Resources {
            cpus: u32::try_from(amount(attr::REQUEST_CPUS)).unwrap_or(u32::MAX),
            memory_mib: amount(attr::REQUEST_MEMORY),
            disk_kib: amount(attr::REQUEST_DISK),
            custom: tally
                .slot_devices
                .keys()
                .map(|tag| (tag.to_ascii_lowercase(), amount(&format!("Request{tag}"))))
                .collect(),
        },
        slot: tally.slot,
        allocated: tally.slot_resources,
        universe: Universe::of(ad),
        devices: tally.slot_devices,
    }
}

fn add_all(
    logs: &Logs<'_>,
    job: JobId,
    ad: &ClassAd,
    now: Now,
    kinds: impl IntoIterator<Item = LogKind>,
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
fn ad_information(with: &LogKind, ad: &ClassAd, names: &[String], now: Now) -> LogKind {
    let (number, name) = with.trigger();
    let mut told = told_of(ad, None, names, now);
    told.push(("TriggerEventTypeName".to_owned(), Expr::from(name).to_string()));
    told.push(("TriggerEventTypeNumber".to_owned(), number.to_string()));
    told.sort();
    LogKind::AdInformation(told)
}

/// The names in a list of the job's.
fn listed(ad: &ClassAd, list: &str, now: Now) -> Vec<String> {
    let names = ad.eval(list, None, &ads::env(now));
    let names = names.as_str().unwrap_or_default().to_owned();
    let separator = |c: char| c == ',' || c.is_whitespace();
    names.split(separator).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What these attributes of an ad come to, where they come to anything that stands on one line.
fn told_of(
    ad: &ClassAd,
    other: Option<&ClassAd>,
    names: &[String],
    now: Now,
) -> Vec<(String, String)> {
    let env = ads::env(now);
    let value = |name: &String| match ad.eval(name, other, &env) {
        Value::Undefined | Value::Error | Value::List(_) | Value::Ad(_) => None,
        value @ (Value::Boolean(_)
        | Value::Integer(_)
        | Value::Real(_)
        | Value::String(_)
        | Value::AbsTime(_)
        | Value::RelTime(_)) => Some((name.clone(), value.to_new())),
    };
    names.iter().filter_map(value).collect()
}
