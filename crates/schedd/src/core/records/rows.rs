//! What the store keeps: the rows from which [`crate::core::Core::load`] builds everything else.
//! Field names are the stored form: they may be added to (with a default) and never be renamed.

use std::collections::BTreeMap;
use std::sync::Arc;

use classad::ClassAd;
use model::queues::QueueSettings;
use model::{
    Attempt, Beat, ClaimId, ClaimSecret, ClusterId, ClusterSpec, Devices, JobId, JobState,
    JobStatus, LimitUse, MachineName, MatchId, ProgramEnd, Resources, RunEnd, RunId, Seq,
    SubmitToken, Timestamp, Universe, Usage, UserName,
};
use proto::matchmaking::{GangShare, Term};
use serde::{Deserialize, Serialize};

use crate::core::records::acts::LongAct;
use crate::core::records::eviction::Eviction;
use crate::core::records::ranges::Ranges;

/// A submission. `spec` is written once; `body` is what changes.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterRecord {
    pub cluster: ClusterId,
    /// The client's token.
    pub token: SubmitToken,
    /// What was submitted.
    pub spec: Arc<ClusterSpec>,
    pub body: ClusterBody,
}

/// What the schedd itself knows of a submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterBody {
    pub owner: UserName,
    /// The owner's number when it was submitted, where jobs run as their owners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_uid: Option<u32>,
    /// When it was submitted (`QDate`).
    pub submitted: Timestamp,
    /// Jobs that nothing has happened to: they have no row, and wait.
    pub untouched: Ranges,
    /// Jobs of a factory that have not come into the queue yet.
    #[serde(default, skip_serializing_if = "Ranges::is_empty")]
    pub later: Ranges,
    /// Whether the factory is to make no more jobs for now.
    #[serde(default)]
    pub paused: bool,
    /// How many jobs of a factory that was removed never came.
    #[serde(default)]
    pub never: u32,
    /// Its jobs that ended in another way than well, also those that have left: others may wait
    /// for it.
    #[serde(default, skip_serializing_if = "Ranges::is_empty")]
    pub bad: Ranges,
    /// How many of those were removed: nobody calls them failed.
    #[serde(default)]
    pub removed: u32,
    /// The attributes that were set since for those of its jobs that are still to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later_edits: Option<Arc<ClassAd>>,
    /// How many jobs are not final or have not left the queue, those of `later` included. The
    /// cluster is live until none is.
    pub left: u32,
}

/// A job that something has happened to. With `finished`, an entry of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    pub job: JobId,
    /// Where it stands.
    pub state: JobState,
    /// The event with which it left the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Seq>,
    /// What its life so far amounts to.
    #[serde(default)]
    pub tally: Tally,
    /// The attributes that were set since it was submitted: they go before those that it was
    /// submitted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edits: Option<Arc<ClassAd>>,
}

/// The counters and the memory of a job, from which its ad's changing attributes are made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// The event that made it final.
    #[serde(skip_serializing_if = "is_default")]
    pub ended: Option<Seq>,
    /// The last attempt (`NumShadowStarts`, `JobRunCount`, `NumJobMatches`): 0 if none.
    #[serde(skip_serializing_if = "is_default")]
    pub attempt: Attempt,
    /// Attempts that waited for their turn on a slot, and were called back before anybody was told
    /// of them.
    #[serde(skip_serializing_if = "is_default")]
    pub taken_back: u32,
    /// Attempts whose program was executed (`NumJobStarts`).
    #[serde(skip_serializing_if = "is_default")]
    pub executions: u32,
    /// Runs that ended by themselves (`NumJobCompletions`).
    #[serde(skip_serializing_if = "is_default")]
    pub completions: u32,
    /// `NumHolds`.
    #[serde(skip_serializing_if = "is_default")]
    pub holds: u32,
    /// Checkpoints that the job has taken itself (`NumCkpts`).
    #[serde(skip_serializing_if = "is_default")]
    pub checkpoints: u32,
    /// When it took the last (`LastCkptTime`).
    #[serde(skip_serializing_if = "is_default")]
    pub last_checkpoint: Option<Timestamp>,
    /// Holds that no user asked for (`NumSystemHolds`).
    #[serde(skip_serializing_if = "is_default")]
    pub system_holds: u32,
    /// Holds in a row that may pass by themselves: their number sets when the job is tried again.
    #[serde(skip_serializing_if = "is_default")]
    pub transient_holds: u32,
    /// Runs in a row that failed through no doing of the job: their number sets the back-off.
    #[serde(skip_serializing_if = "is_default")]
    pub failures: u32,
    /// `JobStartDate`.
    #[serde(skip_serializing_if = "is_default")]
    pub first_start: Option<Timestamp>,
    /// `JobCurrentStartDate` of the last run.
    #[serde(skip_serializing_if = "is_default")]
    pub last_start: Option<Timestamp>,
    /// `JobCurrentStartExecutingDate` of the last run.
    #[serde(skip_serializing_if = "is_default")]
    pub last_executing: Option<Timestamp>,
    /// `LastJobStatus`.
    #[serde(skip_serializing_if = "is_default")]
    pub last_status: Option<JobStatus>,
    /// `RemoteHost` of a running job, else `LastRemoteHost`.
    #[serde(skip_serializing_if = "is_default")]
    pub slot: Option<Arc<str>>,
    /// What the slot of the last run had.
    #[serde(skip_serializing_if = "is_default")]
    pub slot_resources: Option<Resources>,
    /// How many processors the other claims of the last run had, if it had several.
    #[serde(skip_serializing_if = "is_default")]
    pub other_cpus: u32,
    /// Which ones of the custom resources it had.
    #[serde(default)]
    pub slot_devices: Devices,
    /// The scratch folder of the last run.
    #[serde(skip_serializing_if = "is_default")]
    pub scratch_dir: Option<Arc<str>>,
    /// How the last run ended.
    #[serde(skip_serializing_if = "is_default")]
    pub last_end: Option<RunEnd>,
    /// How the last run that ended by itself ended: what the job's exit attributes say.
    #[serde(skip_serializing_if = "is_default")]
    pub last_exit: Option<RunEnd>,
    /// How what was to run whatever ends the last run ended, if it did not end well.
    #[serde(skip_serializing_if = "is_default")]
    pub unfinished: Option<ProgramEnd>,
    /// What the last run used.
    #[serde(skip_serializing_if = "is_default")]
    pub last_usage: Usage,
    /// Processor time of earlier runs in user mode, microseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub user_us: u64,
    /// Processor time of earlier runs in the kernel, microseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub sys_us: u64,
    /// What went with the files of earlier runs to the submitter, bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub sent_bytes: u64,
    /// What came with the files of earlier runs, bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub received_bytes: u64,
    /// Wall-clock time of all runs that are over, milliseconds (`RemoteWallClockTime`).
    #[serde(skip_serializing_if = "is_default")]
    pub wall_ms: u64,
    /// The same, each run's weighted by the processors of its slot (`CumulativeSlotTime`).
    #[serde(skip_serializing_if = "is_default")]
    pub slot_ms: u64,
    /// Of `wall_ms` what was of use: that of runs which ended by themselves (`CommittedTime`).
    #[serde(skip_serializing_if = "is_default")]
    pub committed_ms: u64,
    /// The same of `slot_ms` (`CommittedSlotTime`).
    #[serde(skip_serializing_if = "is_default")]
    pub committed_slot_ms: u64,
    /// `TotalSuspensions`.
    #[serde(skip_serializing_if = "is_default")]
    pub suspensions: u32,
    /// `LastSuspensionTime`.
    #[serde(skip_serializing_if = "is_default")]
    pub last_suspension: Option<Timestamp>,
    /// For how long all its runs were suspended, milliseconds (`CumulativeSuspensionTime`).
    #[serde(skip_serializing_if = "is_default")]
    pub suspended_ms: u64,
    /// The reason of the last hold, once it is released.
    #[serde(skip_serializing_if = "is_default")]
    pub last_hold: Option<Box<model::Hold>>,
    /// `CompletionDate`.
    #[serde(skip_serializing_if = "is_default")]
    pub completed: Option<Timestamp>,
    /// `ReleaseReason`.
    #[serde(skip_serializing_if = "is_default")]
    pub release_reason: Option<Arc<str>>,
    /// How many holds there were of each code (`NumHoldsByReason`).
    #[serde(skip_serializing_if = "is_default")]
    pub holds_by_code: BTreeMap<u16, u32>,
    /// How many evictions there were of each code (`NumVacatesByReason`).
    #[serde(skip_serializing_if = "is_default")]
    pub evictions_by_code: BTreeMap<u16, u32>,
    /// The last eviction, and when it was (`VacateReason`, `LastVacateTime`).
    #[serde(skip_serializing_if = "is_default")]
    pub last_eviction: Option<Box<(Eviction, Timestamp)>>,
    /// Wall-clock time of the last run that is over, milliseconds (`LastRemoteWallClockTime`).
    #[serde(skip_serializing_if = "is_default")]
    pub last_wall_ms: u64,
    /// Runs that were lost (`NumShadowExceptions`).
    #[serde(skip_serializing_if = "is_default")]
    pub losses: u32,
    /// Since when the machine of its run cannot be heard (`JobDisconnectedDate`).
    #[serde(skip_serializing_if = "is_default")]
    pub disconnected: Option<Timestamp>,
    /// How often a machine that could not be heard came back with its run (`NumJobReconnects`).
    #[serde(skip_serializing_if = "is_default")]
    pub reconnects: u32,
}

/// Most of a tally is as it was at the beginning: that is not written down.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The lease of a claim of whose run nothing is left, while other parts of it are: it counts no
/// more, and is over last.
pub(crate) const WITHOUT_END_S: u32 = u32::MAX;

/// A claim: the right to run jobs on a part of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimRecord {
    pub claim: ClaimId,
    /// The right to use it.
    pub secret: ClaimSecret,
    /// The match that it came from.
    pub matched: MatchId,
    /// On which machine.
    pub machine: MachineName,
    /// Where its startd listens.
    pub address: String,
    /// The slot, for example `slot1_2@host`.
    pub slot: Arc<str>,
    /// What it has.
    pub resources: Resources,
    /// Which ones of the custom resources.
    #[serde(default)]
    pub devices: Devices,
    /// What its runs use of concurrency limits.
    #[serde(default)]
    pub limits: Vec<LimitUse>,
    /// How long it lasts, if its jobs end by themselves.
    #[serde(default)]
    pub term: Option<Term>,
    pub owner: UserName,
    /// What tells its class of jobs from others.
    pub class_key: Arc<str>,
    /// Where they run: beside the schedd it takes nothing from the machine.
    #[serde(default)]
    pub universe: Universe,
    /// The beat with which it was granted: an older `Status` says nothing about it.
    pub granted: Beat,
    /// The ordinal of its last run, 0 before the first.
    pub ordinal: u32,
    pub run: Option<RunId>,
    /// The lease of that run, seconds, or `WITHOUT_END_S`.
    pub lease_s: u32,
    /// Whether its startd lets another claim share its slot.
    #[serde(default)]
    pub can_share: bool,
    /// Set where its job needs several claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gang: Option<Box<GangClaim>>,
}

/// What is kept of a claim that is one of several for one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GangClaim {
    pub share: GangShare,
    /// Of the first: how its run ended, which is recorded when nothing of the others is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<(RunEnd, Usage)>,
    /// Of the first: what parts have used that are over.
    #[serde(default)]
    pub used: Usage,
    /// Of the first: the part that was over before the whole, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
}

/// A part of a run that was over before the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lost {
    pub machine: MachineName,
    pub end: RunEnd,
}

impl ClaimRecord {
    /// Whether it is a part of a run whose first claim is another.
    pub fn is_other_part(&self) -> bool {
        self.gang.as_ref().is_some_and(|gang| !gang.share.is_first())
    }

    /// Under which name its slot is kept. A claim of a gang shares it with none, also where the
    /// machine has forgotten the claim and given a slot of that name to another.
    pub(crate) fn place(&self) -> Arc<str> {
        match &self.gang {
            None => Arc::clone(&self.slot),
            Some(_) => format!("{} {}", self.slot, self.claim).into(),
        }
    }

    /// Whether its run is over, and recorded when the other parts are.
    pub fn has_ended(&self) -> bool {
        self.gang.as_ref().is_some_and(|gang| gang.ended.is_some())
    }
}

/// Numbers that only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The next cluster's number.
    pub next_cluster: ClusterId,
    /// The last of the queues that were put in this place whose jobs may start.
    #[serde(default = "first_generation")]
    pub open_generation: u64,
}

/// What a queue is that nobody has put back.
fn first_generation() -> u64 {
    1
}

impl Default for Meta {
    fn default() -> Self {
        Self { next_cluster: ClusterId(1), open_generation: first_generation() }
    }
}

/// All rows that a restart needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    pub clusters: Vec<ClusterRecord>,
    /// Jobs of the queue (not `finished`).
    pub jobs: Vec<JobRecord>,
    pub claims: Vec<ClaimRecord>,
    pub meta: Meta,
    /// What is said of queues; nothing else than in the beginning if not given.
    pub settings: Option<Arc<QueueSettings>>,
    /// Acts that are under way.
    pub acts: Vec<LongAct>,
    /// The last position of the record.
    pub last_seq: Seq,
    /// The submissions of clusters that are over: token, number, count of jobs. A client that
    /// missed its answer asks again.
    pub past_submissions: Vec<(SubmitToken, ClusterId, u32)>,
}
