//! Job ads: what submit gave, and what the schedd knows of the job's life, under HTCondor's names.

use std::collections::BTreeMap;
use std::sync::Arc;

use classad::{ClassAd, Expr};
use model::{
    Cause, ClaimId, Hold, HoldCode, IdleReason, JobId, JobState, Now, ProcId, ProgramEnd, RunEnd,
    Script, ScriptSuccess, StopCause, Timestamp, Universe, Usage, Verdict, attr, files_travel,
    signal_text,
};

use crate::core::job::description::{cluster_ad, described, forget_submitted_hold};
use crate::core::job::own::{Own, Written};
use crate::core::job::timing::start_of;
use crate::core::records::eviction::Eviction;
use crate::core::records::rows::{ClusterRecord, JobRecord, Tally};
use crate::core::state::config::CoreConfig;
use crate::core::state::core::{Cluster, Core, JobRef};

/// HTCondor 25.14's own expression.
const MEMORY_USAGE: &str = "((ResidentSetSize + 1023) / 1024)";

/// A job's ad as the negotiator and the machines see it before it is matched: without what changes
/// by itself.
pub(super) fn matching_ad(job: JobRef<'_>, core: &Core) -> Arc<ClassAd> {
    let (record, shared) = (&job.cluster.record, &job.cluster.ad);
    Arc::new(own_ad(record, shared, job.job, job.edits(), &core.config).into_ad())
}

/// A job's whole ad. Of several see [`JobAds`].
pub(super) fn job_ad(job: JobRef<'_>, now: Now, core: &Core) -> ClassAd {
    JobAds::new(core, now).ad(job)
}

/// The whole ads of several jobs at one moment: why one waits is put into words once for all that
/// wait for the same.
pub(super) struct JobAds<'a> {
    core: &'a Core,
    now: Now,
    said: Option<(IdleReason, [(Own, Expr); 4])>,
}

impl<'a> JobAds<'a> {
    /// Of jobs of this queue.
    pub(super) fn new(core: &'a Core, now: Now) -> Self {
        Self { core, now, said: None }
    }

    pub(super) fn ad(&mut self, job: JobRef<'_>) -> ClassAd {
        let (core, now) = (self.core, self.now);
        let record = job.record();
        let mut ad = whole_ad(&job.cluster.record, &job.cluster.ad, &record, &core.config);
        ad.set(Own::SERVER_TIME, now.wall.as_secs());
        if let JobState::Idle { .. } = record.state {
            let reason = core.idle_reason(job, now);
            if let (Cause::Reserved { at, .. }, true) = (&reason.cause, core.is_first_of_class(job))
            {
                ad.set(Own::ESTIMATED_START, at.as_secs());
            }
            self.words(reason).iter().for_each(|(name, words)| ad.set(*name, words));
        }
        set_siblings(&mut ad, core, job);
        if let Some(at) = core.retry_at(&record) {
            ad.set(Own::HOLD_RETRY_DATE, at.as_secs());
        }
        set_class(&mut ad, core, job, &record);
        if let Some(running) = record.state.running() {
            set_place(&mut ad, core, running.claim);
        }
        ad.into_ad()
    }

    fn words(&mut self, reason: IdleReason) -> &[(Own, Expr); 4] {
        let said = self.said.take().filter(|(said, _)| *said == reason);
        let (_, words) = self.said.insert(said.unwrap_or_else(|| {
            let words = [
                (Own::IDLE_COMMENT, reason.comment()),
                (Own::IDLE_REASON, reason.cause.to_string()),
                (Own::IDLE_VERDICT, reason.verdict.to_string()),
                (Own::LAST_REJ_MATCH_REASON, reason.to_string()),
            ];
            (reason, words.map(|(name, text)| (name, Expr::from(text))))
        }));
        words
    }
}

/// What it has from the jobs of its cluster, and from those that it depends on.
fn set_siblings(ad: &mut Written, core: &Core, job: JobRef<'_>) {
    if let Some(next) = job.cluster.later.lowest() {
        ad.set(Own::JOB_MATERIALIZE_NEXT_PROC_ID, i64::from(next.0));
        ad.set(Own::JOB_MATERIALIZE_PAUSED, i64::from(job.cluster.paused));
    }
    let failed = job.cluster.failed();
    if failed > 0 {
        ad.set(Own::TOTAL_FAILED_PROCS, whole(failed));
    }
    for (name, others) in [
        (Own::WAITED_FOR, core.waited_for(job.job.cluster)),
        (Own::RUN_ONE, core.run_one_with(job.job.cluster)),
    ] {
        if let Some(others) = others {
            ad.set(name, others);
        }
    }
}

/// With which jobs it is matched.
fn set_class(ad: &mut Written, core: &Core, job: JobRef<'_>, record: &JobRecord) {
    let place = job.cluster.sorting.place(job.job.proc);
    let Some(id) = core.classes.id_of(&place.key) else { return };
    ad.set(Own::AUTO_CLUSTER_ID, i64::from(id.0));
    let Some(class) = core.classes.by_id.get(&id) else { return };
    ad.set(Own::AUTO_CLUSTER_ATTRS, &*class.attrs);
    let idle = matches!(record.state, JobState::Idle { .. });
    if let Some(heard) = class.heard.filter(|_| idle) {
        ad.set(Own::LAST_REJ_MATCH_TIME, heard.as_secs());
    }
}

/// Where a running job runs.
fn set_place(ad: &mut Written, core: &Core, claim: ClaimId) {
    let Some(claim) = core.claims.get(&claim) else { return };
    ad.set(Own::STARTD_IP_ADDR, claim.record.address.as_str());
    // `slot1_2@host`: the dynamic slot has the number of the slot that it was carved from.
    let number = claim.record.slot.strip_prefix("slot").and_then(|rest| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<i64>().ok()
    });
    if let Some(number) = number {
        ad.set(Own::REMOTE_SLOT_ID, number);
    }
}

/// As [`job_ad`], for a job as this record has it.
pub(super) fn record_ad(cluster: &Cluster, record: &JobRecord, config: &CoreConfig) -> ClassAd {
    whole_ad(&cluster.record, &cluster.ad, record, config).into_ad()
}

fn whole_ad(
    cluster: &ClusterRecord,
    shared: &Arc<ClassAd>,
    record: &JobRecord,
    config: &CoreConfig,
) -> Written {
    let edits = record.edits.as_deref();
    let mut ad = own_ad(cluster, shared, record.job, edits, config);
    set_state(&mut ad, record);
    set_tally(&mut ad, record);
    set_travel(&mut ad, record, config);
    ad
}

/// The ads of a cluster's finished jobs, from their rows.
#[derive(Debug)]
pub struct HistoryAds<'a> {
    cluster: &'a ClusterRecord,
    shared: Arc<ClassAd>,
    config: &'a CoreConfig,
}

impl<'a> HistoryAds<'a> {
    /// Of this cluster.
    pub fn new(cluster: &'a ClusterRecord, config: &'a CoreConfig) -> Self {
        Self { cluster, shared: Arc::new(cluster_ad(cluster, &config.uid_domain)), config }
    }

    /// Of this job, as users have described it.
    pub fn described(&self, record: &JobRecord) -> ClassAd {
        let spec = Arc::new(self.cluster.spec.ad.clone());
        described(self.cluster, &spec, record.job.proc, record.edits.as_deref()).collapsed()
    }

    /// Of this job.
    pub fn ad(&self, record: &JobRecord) -> ClassAd {
        whole_ad(self.cluster, &self.shared, record, self.config).into_ad()
    }
}

fn own_ad(
    record: &ClusterRecord,
    shared: &Arc<ClassAd>,
    job: JobId,
    edits: Option<&ClassAd>,
    config: &CoreConfig,
) -> Written {
    let mut ad = described(record, shared, job.proc, edits);
    forget_submitted_hold(&mut ad);
    let mut ad = Written::onto(ad);
    ad.set(Own::PROC_ID, i64::from(job.proc.0));
    let submitted = record.body.submitted.as_secs();
    ad.set(Own::GLOBAL_JOB_ID, format!("{}#{job}#{submitted}", config.name));
    ad
}

/// The ad of a job that comes into the queue, of which this is what it was submitted with.
pub(super) fn submitted_ad(record: &ClusterRecord, own: &ClassAd, proc: ProcId) -> ClassAd {
    let mut ad = Written::onto(own.clone());
    ad.set(Own::PROC_ID, i64::from(proc.0));
    ad.set(Own::CLUSTER_ID, i64::from(record.cluster.0));
    ad.into_ad()
}

fn set_state(ad: &mut Written, record: &JobRecord) {
    let state = &record.state;
    ad.set(Own::JOB_STATUS, state.status().number());
    ad.set(Own::ENTERED_CURRENT_STATUS, state.since().as_secs());
    match state {
        JobState::Idle { .. } | JobState::Running(_) | JobState::Suspended { .. } => {}
        JobState::Stopping { cause, .. } => match cause {
            StopCause::Hold(hold) => set_hold(ad, hold),
            StopCause::Remove { reason } => ad.set(Own::REMOVE_REASON, reason.as_str()),
            // Told when the run is over.
            StopCause::Vacate { .. } => {}
        },
        JobState::Held(hold) => set_hold(ad, hold),
        JobState::Completed { since, .. } => ad.set(Own::COMPLETION_DATE, since.as_secs()),
        JobState::Removed { reason, .. } => ad.set(Own::REMOVE_REASON, reason.as_str()),
    }
}

fn set_hold(ad: &mut Written, hold: &Hold) {
    ad.set(Own::HOLD_REASON, hold.reason.as_str());
    ad.set(Own::HOLD_REASON_CODE, i64::from(hold.code.number()));
    // HTCondor 25.14 gives a job that was submitted on hold no subcode.
    if hold.code != HoldCode::SubmittedOnHold {
        ad.set(Own::HOLD_REASON_SUB_CODE, i64::from(hold.subcode));
    }
}

fn set_tally(ad: &mut Written, record: &JobRecord) {
    let tally = &record.tally;
    if let Some(status) = tally.last_status {
        ad.set(Own::LAST_JOB_STATUS, status.number());
    }
    if tally.holds > 0 {
        ad.set(Own::NUM_HOLDS, i64::from(tally.holds));
        ad.set(Own::NUM_SYSTEM_HOLDS, i64::from(tally.system_holds));
        set_counts(ad, Own::NUM_HOLDS_BY_REASON, &tally.holds_by_code);
    }
    if let Some(at) = tally.last_suspension {
        ad.set(Own::TOTAL_SUSPENSIONS, i64::from(tally.suspensions));
        ad.set(Own::LAST_SUSPENSION_TIME, at.as_secs());
        ad.set(Own::CUMULATIVE_SUSPENSION_TIME, whole(tally.suspended_ms / 1000));
    }
    if let Some(hold) = &tally.last_hold {
        ad.set(Own::LAST_HOLD_REASON, hold.reason.as_str());
        ad.set(Own::LAST_HOLD_REASON_CODE, i64::from(hold.code.number()));
        ad.set(Own::LAST_HOLD_REASON_SUB_CODE, i64::from(hold.subcode));
    }
    // A completed job that is removed afterwards was completed all the same.
    if let Some(at) = tally.completed {
        ad.set(Own::COMPLETION_DATE, at.as_secs());
    }
    if let Some(reason) = &tally.release_reason {
        ad.set(Own::RELEASE_REASON, &**reason);
    }
    if tally.runs() > 0 {
        set_runs(ad, tally, record.state.running().is_some());
        set_slot_times(ad, tally);
        set_troubles(ad, tally);
    } else if let Some(end) = &tally.last_exit {
        set_exit(ad, end);
    }
}

fn set_runs(ad: &mut Written, tally: &Tally, running: bool) {
    // Beside the schedd nothing was matched, and HTCondor 25.14 counts no completions.
    let universe = Universe::of(ad);
    let beside = universe.is_beside();
    ad.set(Own::JOB_RUN_COUNT, i64::from(tally.runs()));
    if universe != Universe::Scheduler {
        ad.set(Own::NUM_SHADOW_STARTS, i64::from(tally.runs()));
    }
    if !beside {
        ad.set(Own::NUM_JOB_MATCHES, i64::from(tally.runs()));
        ad.set(Own::NUM_JOB_COMPLETIONS, i64::from(tally.completions));
    }
    ad.set(Own::NUM_JOB_STARTS, i64::from(tally.executions));
    ad.set(Own::NUM_CKPTS, i64::from(tally.checkpoints));
    let mut time = |name: Own, at: Option<Timestamp>| {
        if let Some(at) = at {
            ad.set(name, at.as_secs());
        }
    };
    time(Own::JOB_START_DATE, tally.first_start);
    time(Own::JOB_CURRENT_START_DATE, tally.last_start);
    time(Own::SHADOW_BDAY, tally.last_start);
    time(Own::LAST_MATCH_TIME, tally.last_start.filter(|_| !beside));
    time(Own::FIRST_JOB_MATCH_DATE, tally.first_start.filter(|_| !beside));
    time(Own::JOB_CURRENT_START_EXECUTING_DATE, tally.last_executing);
    time(Own::LAST_CKPT_TIME, tally.last_checkpoint);
    ad.set(Own::CURRENT_HOSTS, i64::from(running));
    ad.set(Own::ORIG_MAX_HOSTS, 1);
    if let Some(slot) = &tally.slot {
        ad.set(if running { Own::REMOTE_HOST } else { Own::LAST_REMOTE_HOST }, &**slot);
    }
    if let Some(slot) = &tally.slot_resources {
        set_provisioned(ad, slot, &tally.slot_devices);
    }
    let used = &tally.last_usage;
    ad.set(Own::REMOTE_WALL_CLOCK_TIME, millis(tally.wall_ms));
    if tally.last_wall_ms > 0 {
        ad.set(Own::LAST_REMOTE_WALL_CLOCK_TIME, millis(tally.last_wall_ms));
    }
    if let Some(cpus) = cpus_used(used) {
        ad.set(Own::CPUS_USAGE, cpus);
    }
    ad.set(Own::REMOTE_USER_CPU, micros(used.user_us));
    ad.set(Own::REMOTE_SYS_CPU, micros(used.sys_us));
    ad.set(Own::CUMULATIVE_REMOTE_USER_CPU, micros(tally.user_us.saturating_add(used.user_us)));
    ad.set(Own::CUMULATIVE_REMOTE_SYS_CPU, micros(tally.sys_us.saturating_add(used.sys_us)));
    ad.set(Own::BYTES_SENT, bytes(tally.sent_bytes.saturating_add(used.sent_bytes)));
    ad.set(Own::BYTES_RECVD, bytes(tally.received_bytes.saturating_add(used.received_bytes)));
    if used.peak_rss_kib > 0 {
        ad.set(Own::RESIDENT_SET_SIZE, whole(used.peak_rss_kib));
        ad.set(Own::IMAGE_SIZE, whole(used.peak_rss_kib));
        ad.set(Own::MEMORY_USAGE, memory_usage());
    }
    if used.peak_vmem_kib > 0 {
        ad.set(Own::PEAK_ADDRESS_SPACE, i64::from(used.peak_vmem_kib));
    }
    if used.disk_kib > 0 {
        ad.set(Own::DISK_USAGE, whole(used.disk_kib));
        ad.set(Own::SCRATCH_DIR_FILE_COUNT, whole(used.scratch_files));
    }
    if let Some(end) = &tally.last_exit {
        set_exit(ad, end);
    }
    if let Some(end) = &tally.last_end {
        set_scripts(ad, end, tally.unfinished);
        if ad.get(SKIP_IF_DATAFLOW).is_some() {
            ad.set(Own::DATAFLOW_JOB_SKIPPED, *end == RunEnd::UpToDate);
        }
    }
}

/// How long its slots were its own, weighted by their processors, and how much of that was of use:
/// that of runs which ended by themselves.
fn set_slot_times(ad: &mut Written, tally: &Tally) {
    ad.set(Own::CUMULATIVE_SLOT_TIME, millis(tally.slot_ms));
    if tally.committed_ms > 0 {
        ad.set(Own::COMMITTED_TIME, whole(tally.committed_ms.div_ceil(1000)));
        ad.set(Own::COMMITTED_SLOT_TIME, millis(tally.committed_slot_ms));
    }
}

/// When the files of the last run travelled: the input between the order to start it and its
/// program, the output between the end of its program and its own.
fn set_travel(ad: &mut Written, record: &JobRecord, config: &CoreConfig) {
    let tally = &record.tally;
    if let (JobState::Running(_), Some(ended)) = (&record.state, tally.last_usage.ended) {
        // Its program is over, and what is done after that is not.
        ad.set(Own::JOB_CURRENT_START_TRANSFER_OUTPUT_DATE, ended.as_secs());
    }
    let Some(began) = tally.last_start.filter(|_| files_travel(ad, config.name.as_str())) else {
        return;
    };
    if let JobState::Running(running) = &record.state {
        ad.set(Own::TRANSFERRING_INPUT, running.executing.is_none());
    }
    let is_over = record.state.running().is_none();
    let output = tally.last_usage.ended.filter(|_| is_over);
    let wall_ms = i64::try_from(tally.last_wall_ms).unwrap_or(0);
    let over = output.map(|_| Timestamp::from_millis(began.as_millis() + wall_ms));
    for (names, at) in [
        ([Own::JOB_CURRENT_START_TRANSFER_INPUT_DATE, Own::TRANSFER_IN_STARTED], Some(began)),
        (
            [Own::JOB_CURRENT_FINISH_TRANSFER_INPUT_DATE, Own::TRANSFER_IN_FINISHED],
            tally.last_executing,
        ),
        ([Own::JOB_CURRENT_START_TRANSFER_OUTPUT_DATE, Own::TRANSFER_OUT_STARTED], output),
        ([Own::JOB_CURRENT_FINISH_TRANSFER_OUTPUT_DATE, Own::TRANSFER_OUT_FINISHED], over),
    ] {
        if let Some(at) = at {
            names.into_iter().for_each(|name| ad.set(name, at.as_secs()));
        }
    }
}

/// What befell its runs on the way.
fn set_troubles(ad: &mut Written, tally: &Tally) {
    if let Some(last) = &tally.last_eviction {
        let (eviction, at) = &**last;
        ad.set(Own::VACATE_REASON, eviction.reason.as_str());
        ad.set(Own::VACATE_REASON_CODE, i64::from(eviction.code));
        ad.set(Own::VACATE_REASON_SUB_CODE, i64::from(eviction.subcode));
        ad.set(Own::LAST_VACATE_TIME, at.as_secs());
        let count = tally.evictions_by_code.values().sum::<u32>();
        ad.set(Own::NUM_VACATES, i64::from(count));
        set_counts(ad, Own::NUM_VACATES_BY_REASON, &tally.evictions_by_code);
    }
    for (name, count) in
        [(Own::NUM_SHADOW_EXCEPTIONS, tally.losses), (Own::NUM_JOB_RECONNECTS, tally.reconnects)]
    {
        if count > 0 {
            ad.set(name, i64::from(count));
        }
    }
    if let Some(at) = tally.disconnected {
        ad.set(Own::JOB_DISCONNECTED_DATE, at.as_secs());
    }
}

/// HTCondor 25.14 counts holds and evictions by the names of their codes, in an ad of its own.
fn set_counts(ad: &mut Written, name: Own, by_code: &BTreeMap<u16, u32>) {
    let counts =
        by_code.iter().map(|(code, n)| (Eviction::label(*code), Expr::from(i64::from(*n))));
    ad.set(name, Expr::from(counts.collect::<ClassAd>()));
}

/// What the slot of the last run was given, as HTCondor 25.14 names it.
fn set_provisioned(ad: &mut Written, slot: &model::Resources, devices: &model::Devices) {
    ad.set(Own::CPUS_PROVISIONED, i64::from(slot.cpus));
    ad.set(Own::MEMORY_PROVISIONED, whole(slot.memory_mib));
    ad.set(Own::DISK_PROVISIONED, whole(slot.disk_kib));
    for (name, amount) in &slot.custom {
        let tag = devices.keys().find(|tag| tag.eq_ignore_ascii_case(name)).unwrap_or(name);
        ad.set_of_device(format!("{tag}Provisioned"), whole(*amount));
    }
    for (tag, ids) in devices.iter().filter(|(_, ids)| !ids.is_empty()) {
        ad.set_of_device(format!("Assigned{tag}"), ids.join(","));
    }
    // HTCondor 25.14 notes these of every job's last machine (`SYSTEM_JOB_MACHINE_ATTRS`); a slot
    // weighs what it has of processors. A job that asks for them itself (`job_machine_attrs`) has
    // them already, with those of earlier machines.
    for name in [Own::MACHINE_ATTR_CPUS0, Own::MACHINE_ATTR_SLOT_WEIGHT0] {
        if ad.get_own(name.name()).is_none() {
            ad.set(name, i64::from(slot.cpus));
        }
    }
}

fn set_exit(ad: &mut Written, end: &RunEnd) {
    match end.shown() {
        Some(ProgramEnd::Exited { code }) => {
            ad.set(Own::EXIT_BY_SIGNAL, false);
            ad.set(Own::EXIT_CODE, i64::from(code));
            ad.set(Own::EXIT_STATUS, i64::from(code));
        }
        Some(ProgramEnd::Signaled { signal, .. }) => {
            ad.set(Own::EXIT_BY_SIGNAL, true);
            ad.set(Own::EXIT_SIGNAL, i64::from(signal));
        }
        None => {}
    }
    // HTCondor 25.14 says it in words where it was the schedd that ended the program.
    if let RunEnd::Vacated { ended: Some(ProgramEnd::Signaled { signal, .. }), .. } = end {
        let name = signal_text(*signal);
        ad.set(Own::EXIT_REASON, format!("died on signal {signal} ({name})"));
    }
}

/// How the scripts of the last run ended, where its job says how they have to end (HTCondor 25.14
/// tells it then only): what has not failed ended so.
fn set_scripts(ad: &mut Written, end: &RunEnd, unfinished: Option<ProgramEnd>) {
    for script in Script::ALL {
        let Some(success) = ad.get(script.attribute()).and_then(|_| script.success(ad)) else {
            continue;
        };
        let good = match success {
            ScriptSuccess::ExitCode(code) => ProgramEnd::Exited { code },
            ScriptSuccess::Signal(signal) => ProgramEnd::Signaled { signal, core: false },
        };
        let at_any_end = script.is_at_any_end(ad);
        let ended = match end {
            RunEnd::Program(_) | RunEnd::OutputFailed { .. } | RunEnd::Vacated { .. }
                if at_any_end =>
            {
                unfinished.unwrap_or(good)
            }
            RunEnd::ScriptFailed { script: failed, ended, .. } if *failed == script => *ended,
            RunEnd::ScriptFailed { script: Script::Pre, .. }
            | RunEnd::StartFailed(_)
            | RunEnd::UpToDate
            | RunEnd::Vacated { .. }
            | RunEnd::Lost { .. } => continue,
            RunEnd::ScriptFailed { script: Script::Post, .. }
            | RunEnd::Program(_)
            | RunEnd::OutputFailed { .. } => good,
        };
        let [by_signal, signal_name, code_name] = script.end_attributes();
        match ended {
            ProgramEnd::Signaled { signal, .. } => {
                ad.set_of_script(by_signal, true);
                ad.set_of_script(signal_name, i64::from(signal));
            }
            ProgramEnd::Exited { code } => {
                ad.set_of_script(by_signal, false);
                ad.set_of_script(code_name, i64::from(code));
            }
        }
    }
}

/// Whether a job is not to run when what it makes is newer than what it is made from.
pub(super) const SKIP_IF_DATAFLOW: &str = attr::SKIP_IF_DATAFLOW;

impl Core {
    /// Whether no job of its class starts before it.
    fn is_first_of_class(&self, job: JobRef<'_>) -> bool {
        let class = self.classes.with_key(&job.cluster.sorting.place(job.job.proc).key);
        class.and_then(|class| class.idle.first()).is_some_and(|(_, first)| first == job.job)
    }

    /// Why an idle job waits.
    pub(super) fn idle_reason(&self, job: JobRef<'_>, now: Now) -> IdleReason {
        let not_yet = |cause| IdleReason { verdict: Verdict::NotYet, cause };
        if let Some(until_ms) = self.backing_off.get(&job.job) {
            if let Some(time) = start_of(&record_ad(job.cluster, &job.record(), &self.config), now)
                && self.time_to_wait(job.job, now).is_some()
            {
                return not_yet(Cause::Deferred { seconds: time.since(now.wall).as_secs() });
            }
            let last = match job.record().tally.last_end {
                Some(RunEnd::Lost { reason }) => reason,
                Some(RunEnd::StartFailed(failure)) => {
                    format!("the machine could not prepare the run ({})", failure.path)
                }
                Some(RunEnd::Program(_) | RunEnd::UpToDate) => {
                    "its policy asks for another run".to_owned()
                }
                Some(
                    RunEnd::OutputFailed { .. }
                    | RunEnd::ScriptFailed { .. }
                    | RunEnd::Vacated { .. },
                )
                | None => "the run was lost".to_owned(),
            };
            let seconds = until_ms.saturating_sub(now.boot_ms).div_ceil(1000);
            return not_yet(Cause::BackingOff { seconds, last });
        }
        if let Some(fence) = &self.fence {
            return not_yet(fence.cause(now));
        }
        let promised = self.promises.claim_of(job.job).and_then(|claim| self.claims.get(&claim));
        if let Some(claim) = promised {
            return not_yet(Cause::Turn { slot: claim.record.slot.to_string() });
        }
        let place = job.cluster.sorting.place(job.job.proc);
        let class = self.classes.with_key(&place.key);
        if place.universe.is_beside() {
            return self.beside_reason(class, now);
        }
        if let Some(pause) = class.and_then(|class| self.pause_reason(class, now)) {
            pause
        } else if let Some(queue) = class.and_then(|class| self.queue_reason(class)) {
            queue
        } else if self.negotiator.is_none() {
            not_yet(Cause::NoNegotiator)
        } else if class.is_some_and(|class| class.claiming > 0) {
            not_yet(Cause::Claiming)
        } else {
            let heard = class.and_then(|class| class.reason.clone());
            heard.unwrap_or_else(|| not_yet(Cause::NotConsidered))
        }
    }
}

/// Processors that a run used on average; nothing where it was too short to tell.
fn cpus_used(used: &Usage) -> Option<f64> {
    let wall = std::time::Duration::from_millis(used.wall_ms());
    (wall.as_secs() > 0).then(|| micros(used.user_us + used.sys_us) / wall.as_secs_f64())
}

fn memory_usage() -> Expr {
    thread_local! {
        static PARSED: Expr = MEMORY_USAGE.parse().unwrap_or_else(|e| panic!("{MEMORY_USAGE}: {e}"));
    }
    PARSED.with(Expr::clone)
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// HTCondor 25.14 counts bytes as real numbers.
fn bytes(n: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact up to eight petabytes")]
    let bytes = n as f64;
    bytes
}

/// Seconds, whole and fraction, without a cast that could lose anything a user could see.
fn micros(us: u64) -> f64 {
    std::time::Duration::from_micros(us).as_secs_f64()
}

fn millis(ms: u64) -> f64 {
    // HTCondor counts wall-clock time in whole seconds.
    std::time::Duration::from_secs(ms.div_ceil(1000)).as_secs_f64()
}
