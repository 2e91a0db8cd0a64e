//! The events of a user's log and what each of them tells. How they look as text is the business of
//! `write` and `read`.

use serde::{Deserialize, Serialize};

use super::times::CpuTimes;
use super::usage::ResourceUsage;

/// One event of a job, without the job and the time. Numbers and names are those of HTCondor
/// 25.14's `ULogEventNumber`.
///
/// Texts are single lines: a line end inside one is written as `|`, as HTCondor does, so that no
/// text can forge an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum UserLogEvent {
    /// 000: the job came into the queue.
    Submitted {
        /// The schedd's address, `<host:port?...>`.
        host: String,
        /// DAGMan's or submit's own note, for example `DAG Node: A` or `[ JobBatchName = "x" ]`.
        log_notes: Option<String>,
        /// What the user gave as `submit_event_user_notes`.
        user_notes: Option<String>,
        /// Warnings that submit gave.
        warnings: Option<String>,
    },
    /// 001: the program runs.
    Executing {
        /// The startd's address.
        host: String,
        /// For example `slot1_1@host`.
        slot_name: Option<String>,
        /// Attributes of the slot with their values as ClassAd text.
        properties: Vec<(String, String)>,
    },
    /// 002: the program cannot be executed.
    ExecutableError(ExecutableFault),
    /// 003: the job was checkpointed.
    Checkpointed {
        /// Of this run, on the machine.
        run_remote: CpuTimes,
        /// Of this run, on the submitting side.
        run_local: CpuTimes,
        /// Bytes that the checkpoint has.
        sent_bytes: u64,
    },
    /// 004: the run ended without ending the job.
    Evicted(Box<Evicted>),
    /// 005: the job is done.
    Terminated(Box<Terminated>),
    /// 006: what the job holds in memory.
    ImageSize {
        /// `ImageSize`, KiB.
        image_kib: u64,
        /// `MemoryUsage`, MiB.
        memory_mib: Option<u64>,
        /// `ResidentSetSize`, KiB.
        resident_kib: Option<u64>,
        /// `ProportionalSetSizeKb`, KiB.
        proportional_kib: Option<u64>,
    },
    /// 007: the submitting side of a run failed.
    ShadowException {
        message: String,
        /// Bytes sent by the job in this run.
        sent_bytes: u64,
        /// Bytes received by the job in this run.
        received_bytes: u64,
    },
    /// 008: free text.
    Generic { text: String },
    /// 009: the job was removed.
    Aborted {
        /// `RemoveReason`.
        reason: Option<String>,
    },
    /// 010: the job's processes were stopped.
    Suspended { processes: u32 },
    /// 011: the job's processes go on.
    Unsuspended,
    /// 012: the job was held.
    Held {
        /// `HoldReason`.
        reason: Option<String>,
        /// `HoldReasonCode`.
        code: i32,
        /// `HoldReasonSubCode`.
        subcode: i32,
    },
    /// 013: a held job was released.
    Released {
        /// `ReleaseReason`.
        reason: Option<String>,
    },
    /// 014: a node of a parallel job runs.
    NodeExecuting {
        /// The node, from 0.
        node: u32,
        /// The startd's address.
        host: String,
        slot_name: Option<String>,
        /// Attributes of the slot with their values as ClassAd text.
        properties: Vec<(String, String)>,
    },
    /// 015: a node of a parallel job is done.
    NodeTerminated {
        /// The node, from 0.
        node: u32,
        /// How it ended.
        terminated: Box<Terminated>,
    },
    /// 016: a DAG node's POST script is done.
    PostScriptTerminated {
        /// How it ended. A script leaves no core file.
        ending: Ending,
        /// The node's name.
        dag_node: Option<String>,
    },
    /// 021: a daemon reports trouble with the job.
    RemoteError {
        /// `Error`, or else `Warning`.
        critical: bool,
        /// The daemon, for example `starter`.
        daemon: String,
        /// Where, for example `slot1_1@host`.
        host: String,
        /// What, each line on its own.
        message: Vec<String>,
        /// Hold code and subcode, if the job is held for it.
        hold: Option<(i32, i32)>,
    },
    /// 022: the machine cannot be reached; the run may go on there.
    Disconnected {
        reason: String,
        slot_name: String,
        /// The startd's address.
        startd: String,
    },
    /// 023: the machine was reached again, the run goes on.
    Reconnected {
        slot_name: String,
        /// The startd's address.
        startd: String,
        /// The address of the run's keeper.
        starter: String,
    },
    /// 024: the run is lost.
    ReconnectFailed { reason: String, slot_name: String },
    /// 025: a grid resource is back.
    GridResourceUp { resource: String },
    /// 026: a grid resource is gone.
    GridResourceDown { resource: String },
    /// 027: the job went to a grid resource.
    GridSubmitted {
        resource: String,
        /// The job's name there.
        grid_job: String,
    },
    /// 028: attributes of the job, beside the event before it (`job_ad_information_attrs`).
    AdInformation {
        /// Attributes with their values as ClassAd text.
        attributes: Vec<(String, String)>,
    },
    /// 029: nobody knows how the job stands.
    StatusUnknown,
    /// 030: it is known again.
    StatusKnown,
    /// 031: input files are being staged.
    StageIn,
    /// 032: output files are being staged.
    StageOut,
    /// 033: an attribute of the job was changed.
    AttributeUpdated {
        name: String,
        /// The value it had, as ClassAd text.
        old: Option<String>,
        /// The value it has, as ClassAd text.
        new: String,
    },
    /// 034: a DAG node's PRE script said that the node is done.
    PreSkipped {
        /// For example `DAG Node: A`.
        notes: String,
    },
    /// 035: a factory cluster came into the queue.
    ClusterSubmitted {
        /// The schedd's address.
        host: String,
        /// Submit's own note.
        log_notes: Option<String>,
        /// The user's note.
        user_notes: Option<String>,
    },
    /// 036: a factory cluster left the queue.
    ClusterRemoved {
        /// Jobs that it made.
        jobs: u32,
        /// Items of its queue statement that it used.
        items: u32,
        /// How far it came.
        completion: Completion,
        notes: Option<String>,
    },
    /// 037: a factory makes no more jobs for now.
    FactoryPaused {
        reason: Option<String>,
        /// `JobMaterializePaused`; 0 is none.
        pause_code: i32,
        /// A hold code; 0 is none.
        hold_code: i32,
    },
    /// 038: a factory makes jobs again.
    FactoryResumed { reason: Option<String> },
    /// 040: files travel.
    FileTransfer {
        step: TransferStep,
        /// How long it waited for its turn, seconds.
        queued_s: Option<u64>,
        /// Where the files go.
        host: Option<String>,
    },
    /// 046: the outputs were newer than the inputs, so the job was not run.
    DataflowSkipped { reason: Option<String> },
    /// 047: files that the jobs of a cluster share travel.
    CommonFiles {
        /// The step, by HTCondor's name for it.
        step: String,
    },
    /// Any other number: kept as text, as HTCondor's own readers do (`FutureEvent`).
    Other {
        number: u16,
        /// What follows the time on the first line.
        head: String,
        /// The other lines, as they stand.
        payload: Vec<String>,
    },
}

/// Why a program cannot be executed (event 002).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecutableFault {
    /// 1.
    NotExecutable,
    /// 2.
    BadlyLinked,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    Exited {
        /// Its exit status.
        code: i32,
    },
    /// By a signal.
    Signaled {
        signal: i32,
        /// The core file, if it left one.
        core_file: Option<String>,
    },
}

/// A run that ended without ending its job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evicted {
    /// Vacate code and subcode. HTCondor gives none when the job is queued again by its own policy.
    pub code: Option<(i32, i32)>,
    /// How the run ended.
    pub how: EvictedHow,
    /// Processor time on the machine.
    pub run_remote: CpuTimes,
    /// Processor time on the submitting side.
    pub run_local: CpuTimes,
    /// Bytes sent by the job.
    pub sent_bytes: u64,
    /// Bytes received by the job.
    pub received_bytes: u64,
    pub reason: Option<String>,
    /// What was asked for, given and used. HTCondor leaves it away when the job is queued again by
    /// its own policy.
    pub resources: Vec<ResourceUsage>,
}

/// How an evicted run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EvictedHow {
    /// It was stopped.
    Stopped,
    /// It was stopped after a checkpoint.
    Checkpointed,
    /// The program ended, and policy wants another run.
    Requeued(Ending),
}

/// The end of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terminated {
    /// How the program ended.
    pub ending: Ending,
    /// Processor time of the last run on the machine.
    pub run_remote: CpuTimes,
    /// Processor time of the last run on the submitting side.
    pub run_local: CpuTimes,
    /// Processor time of all runs on machines.
    pub total_remote: CpuTimes,
    /// Processor time of all runs on the submitting side.
    pub total_local: CpuTimes,
    /// Bytes sent by the job in the last run.
    pub sent_bytes: u64,
    /// Bytes received by the job in the last run.
    pub received_bytes: u64,
    /// Bytes sent by the job in all runs.
    pub total_sent_bytes: u64,
    /// Bytes received by the job in all runs.
    pub total_received_bytes: u64,
    /// What was asked for, given and used.
    pub resources: Vec<ResourceUsage>,
}

/// How far a factory came (event 036).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Completion {
    /// It failed with this (negative) code.
    Error(i32),
    /// It was removed before it was done.
    Incomplete,
    /// It made all of its jobs.
    Complete,
    /// It was paused.
    Paused,
}

/// A step of moving files (event 040).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferStep {
    /// Waiting to send input.
    InputQueued,
    InputStarted,
    /// Input is there.
    InputFinished,
    /// Waiting to fetch output.
    OutputQueued,
    OutputStarted,
    /// Output is here.
    OutputFinished,
}

impl UserLogEvent {
    /// The number at the start of the event's text.
    pub const fn number(&self) -> u16 {
        match self {
            Self::Submitted { .. } => 0,
            Self::Executing { .. } => 1,
            Self::ExecutableError(_) => 2,
            Self::Checkpointed { .. } => 3,
            Self::Evicted(_) => 4,
            Self::Terminated(_) => 5,
            Self::ImageSize { .. } => 6,
            Self::ShadowException { .. } => 7,
            Self::Generic { .. } => 8,
            Self::Aborted { .. } => 9,
            Self::Suspended { .. } => 10,
            Self::Unsuspended => 11,
            Self::Held { .. } => 12,
            Self::Released { .. } => 13,
            Self::NodeExecuting { .. } => 14,
            Self::NodeTerminated { .. } => 15,
            Self::PostScriptTerminated { .. } => 16,
            Self::RemoteError { .. } => 21,
            Self::Disconnected { .. } => 22,
            Self::Reconnected { .. } => 23,
            Self::ReconnectFailed { .. } => 24,
            Self::GridResourceUp { .. } => 25,
            Self::GridResourceDown { .. } => 26,
            Self::GridSubmitted { .. } => 27,
            Self::AdInformation { .. } => 28,
            Self::StatusUnknown => 29,
            Self::StatusKnown => 30,
            Self::StageIn => 31,
            Self::StageOut => 32,
            Self::AttributeUpdated { .. } => 33,
            Self::PreSkipped { .. } => 34,
            Self::ClusterSubmitted { .. } => 35,
            Self::ClusterRemoved { .. } => 36,
            Self::FactoryPaused { .. } => 37,
            Self::FactoryResumed { .. } => 38,
            Self::FileTransfer { .. } => 40,
            Self::DataflowSkipped { .. } => 46,
            Self::CommonFiles { .. } => 47,
            Self::Other { number, .. } => *number,
        }
    }

    /// HTCondor 25.14's name for its number: what event 028 says that it came with.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Submitted { .. } => "ULOG_SUBMIT",
            Self::Executing { .. } => "ULOG_EXECUTE",
            Self::ExecutableError(_) => "ULOG_EXECUTABLE_ERROR",
            Self::Checkpointed { .. } => "ULOG_CHECKPOINTED",
            Self::Evicted(_) => "ULOG_JOB_EVICTED",
            Self::Terminated(_) => "ULOG_JOB_TERMINATED",
            Self::ImageSize { .. } => "ULOG_IMAGE_SIZE",
            Self::ShadowException { .. } => "ULOG_SHADOW_EXCEPTION",
            Self::Generic { .. } => "ULOG_GENERIC",
            Self::Aborted { .. } => "ULOG_JOB_ABORTED",
            Self::Suspended { .. } => "ULOG_JOB_SUSPENDED",
            Self::Unsuspended => "ULOG_JOB_UNSUSPENDED",
            Self::Held { .. } => "ULOG_JOB_HELD",
            Self::Released { .. } => "ULOG_JOB_RELEASED",
            Self::NodeExecuting { .. } => "ULOG_NODE_EXECUTE",
            Self::NodeTerminated { .. } => "ULOG_NODE_TERMINATED",
            Self::PostScriptTerminated { .. } => "ULOG_POST_SCRIPT_TERMINATED",
            Self::RemoteError { .. } => "ULOG_REMOTE_ERROR",
            Self::Disconnected { .. } => "ULOG_JOB_DISCONNECTED",
            Self::Reconnected { .. } => "ULOG_JOB_RECONNECTED",
            Self::ReconnectFailed { .. } => "ULOG_JOB_RECONNECT_FAILED",
            Self::GridResourceUp { .. } => "ULOG_GRID_RESOURCE_UP",
            Self::GridResourceDown { .. } => "ULOG_GRID_RESOURCE_DOWN",
            Self::GridSubmitted { .. } => "ULOG_GRID_SUBMIT",
            Self::AdInformation { .. } => "ULOG_JOB_AD_INFORMATION",
            Self::StatusUnknown => "ULOG_JOB_STATUS_UNKNOWN",
            Self::StatusKnown => "ULOG_JOB_STATUS_KNOWN",
            Self::StageIn => "ULOG_JOB_STAGE_IN",
            Self::StageOut => "ULOG_JOB_STAGE_OUT",
            Self::AttributeUpdated { .. } => "ULOG_ATTRIBUTE_UPDATE",
            Self::PreSkipped { .. } => "ULOG_PRESKIP",
            Self::ClusterSubmitted { .. } => "ULOG_CLUSTER_SUBMIT",
            Self::ClusterRemoved { .. } => "ULOG_CLUSTER_REMOVE",
            Self::FactoryPaused { .. } => "ULOG_FACTORY_PAUSED",
            Self::FactoryResumed { .. } => "ULOG_FACTORY_RESUMED",
            Self::FileTransfer { .. } => "ULOG_FILE_TRANSFER",
            Self::DataflowSkipped { .. } => "ULOG_DATAFLOW_JOB_SKIPPED",
            Self::CommonFiles { .. } => "ULOG_COMMON_FILES",
            Self::Other { .. } => "ULOG_NONE",
        }
    }

    /// Whether it is about a whole cluster, and none of its jobs.
    pub const fn is_about_cluster(&self) -> bool {
        matches!(
            self,
            Self::ClusterSubmitted { .. }
                | Self::ClusterRemoved { .. }
                | Self::FactoryPaused { .. }
                | Self::FactoryResumed { .. }
        )
    }
}

impl TransferStep {
    /// All steps with their sentences in the log.
    pub const SENTENCES: [(Self, &'static str); 6] = [
        (Self::InputQueued, "Entered queue to transfer input files"),
        (Self::InputStarted, "Started transferring input files"),
        (Self::InputFinished, "Finished transferring input files"),
        (Self::OutputQueued, "Entered queue to transfer output files"),
        (Self::OutputStarted, "Started transferring output files"),
        (Self::OutputFinished, "Finished transferring output files"),
    ];

    /// Its sentence in the log.
    pub const fn sentence(self) -> &'static str {
        Self::SENTENCES[self as usize].1
    }
}

/// The second lines of event 047, by the step's name (HTCondor 25.14; the misspelling is its own).
pub const COMMON_FILES_SENTENCES: [(&str, &str); 5] = [
    (crate::attr::TRANSFER_QUEUED, "Entered queue to transfer common files"),
    ("TransferStarted", "Started transferring common files"),
    ("TransferFinished", "Finished transferring common files"),
    ("WaitStarted", "Started waiting for previous job to transfer common files"),
    ("WaitFinished", "Finished waitiing for previous job to transfer common files"),
];
