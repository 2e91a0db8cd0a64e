//! The attributes of a job that the schedd writes itself, in one table: what is not in it cannot be
//! written, and what is in it cannot be edited by users. When each is written, and what it then
//! says, is `description`'s and `ads`'s matter.

use std::ops::Deref;

use classad::{AttrName, ClassAd, Expr};
use model::{attr, depend};

/// An attribute that the schedd writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own(&'static str);

impl Own {
    /// As it is spelt in ads.
    pub(crate) fn name(self) -> &'static str {
        self.0
    }
}

macro_rules! own {
    ($($constant:ident = $name:expr;)*) => {
        impl Own {
            $(pub(crate) const $constant: Self = Self($name);)*
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$constant),*];
        }
    };
}

own! {
    AUTO_CLUSTER_ATTRS = attr::AUTO_CLUSTER_ATTRS;
    AUTO_CLUSTER_ID = attr::AUTO_CLUSTER_ID;
    BYTES_RECVD = attr::BYTES_RECVD;
    BYTES_SENT = attr::BYTES_SENT;
    CLUSTER_ID = attr::CLUSTER_ID;
    COMMITTED_SLOT_TIME = attr::COMMITTED_SLOT_TIME;
    COMMITTED_SUSPENSION_TIME = attr::COMMITTED_SUSPENSION_TIME;
    COMMITTED_TIME = attr::COMMITTED_TIME;
    COMPLETION_DATE = attr::COMPLETION_DATE;
    CPUS_PROVISIONED = attr::CPUS_PROVISIONED;
    CPUS_USAGE = attr::CPUS_USAGE;
    CUMULATIVE_REMOTE_SYS_CPU = attr::CUMULATIVE_REMOTE_SYS_CPU;
    CUMULATIVE_REMOTE_USER_CPU = attr::CUMULATIVE_REMOTE_USER_CPU;
    CUMULATIVE_SLOT_TIME = attr::CUMULATIVE_SLOT_TIME;
    CUMULATIVE_SUSPENSION_TIME = attr::CUMULATIVE_SUSPENSION_TIME;
    CURRENT_HOSTS = attr::CURRENT_HOSTS;
    DATAFLOW_JOB_SKIPPED = "DataflowJobSkipped";
    DISK_PROVISIONED = attr::DISK_PROVISIONED;
    DISK_USAGE = attr::DISK_USAGE;
    ENTERED_CURRENT_STATUS = attr::ENTERED_CURRENT_STATUS;
    EXIT_BY_SIGNAL = attr::EXIT_BY_SIGNAL;
    EXIT_CODE = attr::EXIT_CODE;
    EXIT_REASON = attr::EXIT_REASON;
    EXIT_SIGNAL = attr::EXIT_SIGNAL;
    EXIT_STATUS = attr::EXIT_STATUS;
    FIRST_JOB_MATCH_DATE = attr::FIRST_JOB_MATCH_DATE;
    GLOBAL_JOB_ID = attr::GLOBAL_JOB_ID;
    HOLD_REASON = attr::HOLD_REASON;
    HOLD_REASON_CODE = attr::HOLD_REASON_CODE;
    HOLD_REASON_SUB_CODE = attr::HOLD_REASON_SUB_CODE;
    HOLD_RETRY_DATE = attr::HOLD_RETRY_DATE;
    IDLE_COMMENT = attr::IDLE_COMMENT;
    ESTIMATED_START = attr::ESTIMATED_START;
    IDLE_REASON = attr::IDLE_REASON;
    IDLE_VERDICT = attr::IDLE_VERDICT;
    IMAGE_SIZE = attr::IMAGE_SIZE;
    JOB_CURRENT_FINISH_TRANSFER_INPUT_DATE = attr::JOB_CURRENT_FINISH_TRANSFER_INPUT_DATE;
    JOB_CURRENT_FINISH_TRANSFER_OUTPUT_DATE = attr::JOB_CURRENT_FINISH_TRANSFER_OUTPUT_DATE;
    JOB_CURRENT_START_DATE = attr::JOB_CURRENT_START_DATE;
    JOB_CURRENT_START_EXECUTING_DATE = attr::JOB_CURRENT_START_EXECUTING_DATE;
    JOB_CURRENT_START_TRANSFER_INPUT_DATE = attr::JOB_CURRENT_START_TRANSFER_INPUT_DATE;
    JOB_CURRENT_START_TRANSFER_OUTPUT_DATE = attr::JOB_CURRENT_START_TRANSFER_OUTPUT_DATE;
    JOB_DISCONNECTED_DATE = attr::JOB_DISCONNECTED_DATE;
    JOB_MATERIALIZE_NEXT_PROC_ID = attr::JOB_MATERIALIZE_NEXT_PROC_ID;
    JOB_MATERIALIZE_PAUSED = attr::JOB_MATERIALIZE_PAUSED;
    JOB_RUN_COUNT = attr::JOB_RUN_COUNT;
    JOB_START_DATE = attr::JOB_START_DATE;
    JOB_STATUS = attr::JOB_STATUS;
    LAST_CKPT_TIME = "LastCkptTime";
    LAST_HOLD_REASON = attr::LAST_HOLD_REASON;
    LAST_HOLD_REASON_CODE = attr::LAST_HOLD_REASON_CODE;
    LAST_HOLD_REASON_SUB_CODE = attr::LAST_HOLD_REASON_SUB_CODE;
    LAST_JOB_STATUS = attr::LAST_JOB_STATUS;
    LAST_MATCH_TIME = attr::LAST_MATCH_TIME;
    LAST_REJ_MATCH_REASON = attr::LAST_REJ_MATCH_REASON;
    LAST_REJ_MATCH_TIME = "LastRejMatchTime";
    LAST_REMOTE_HOST = attr::LAST_REMOTE_HOST;
    LAST_REMOTE_WALL_CLOCK_TIME = attr::LAST_REMOTE_WALL_CLOCK_TIME;
    LAST_SUSPENSION_TIME = attr::LAST_SUSPENSION_TIME;
    LAST_VACATE_TIME = attr::LAST_VACATE_TIME;
    MACHINE_ATTR_CPUS0 = attr::MACHINE_ATTR_CPUS0;
    MACHINE_ATTR_SLOT_WEIGHT0 = attr::MACHINE_ATTR_SLOT_WEIGHT0;
    MEMORY_PROVISIONED = attr::MEMORY_PROVISIONED;
    MEMORY_USAGE = attr::MEMORY_USAGE;
    MY_TYPE = attr::MY_TYPE;
    NUM_CKPTS = attr::NUM_CKPTS;
    NUM_HOLDS = attr::NUM_HOLDS;
    NUM_HOLDS_BY_REASON = attr::NUM_HOLDS_BY_REASON;
    NUM_JOB_COMPLETIONS = attr::NUM_JOB_COMPLETIONS;
    NUM_JOB_MATCHES = attr::NUM_JOB_MATCHES;
    NUM_JOB_RECONNECTS = attr::NUM_JOB_RECONNECTS;
    NUM_JOB_STARTS = attr::NUM_JOB_STARTS;
    NUM_RESTARTS = attr::NUM_RESTARTS;
    NUM_SHADOW_EXCEPTIONS = attr::NUM_SHADOW_EXCEPTIONS;
    NUM_SHADOW_STARTS = attr::NUM_SHADOW_STARTS;
    NUM_SYSTEM_HOLDS = attr::NUM_SYSTEM_HOLDS;
    NUM_VACATES = attr::NUM_VACATES;
    NUM_VACATES_BY_REASON = attr::NUM_VACATES_BY_REASON;
    ORIG_MAX_HOSTS = attr::ORIG_MAX_HOSTS;
    OWNER = attr::OWNER;
    OWNER_UID = attr::OWNER_UID;
    PEAK_ADDRESS_SPACE = attr::PEAK_ADDRESS_SPACE;
    PROC_ID = attr::PROC_ID;
    Q_DATE = attr::Q_DATE;
    RELEASE_REASON = attr::RELEASE_REASON;
    REMOTE_HOST = attr::REMOTE_HOST;
    REMOTE_SLOT_ID = attr::REMOTE_SLOT_ID;
    REMOTE_SYS_CPU = attr::REMOTE_SYS_CPU;
    REMOTE_USER_CPU = attr::REMOTE_USER_CPU;
    REMOTE_WALL_CLOCK_TIME = attr::REMOTE_WALL_CLOCK_TIME;
    REMOVE_REASON = attr::REMOVE_REASON;
    RESIDENT_SET_SIZE = attr::RESIDENT_SET_SIZE;
    RUN_ONE = depend::RUN_ONE;
    SCRATCH_DIR_FILE_COUNT = "ScratchDirFileCount";
    SERVER_TIME = attr::SERVER_TIME;
    SHADOW_BDAY = attr::SHADOW_BDAY;
    STARTD_IP_ADDR = attr::STARTD_IP_ADDR;
    TARGET_TYPE = attr::TARGET_TYPE;
    TOTAL_FAILED_PROCS = attr::TOTAL_FAILED_PROCS;
    TOTAL_SUBMIT_PROCS = attr::TOTAL_SUBMIT_PROCS;
    TOTAL_SUSPENSIONS = attr::TOTAL_SUSPENSIONS;
    TRANSFERRING_INPUT = attr::TRANSFERRING_INPUT;
    TRANSFER_IN_FINISHED = attr::TRANSFER_IN_FINISHED;
    TRANSFER_IN_STARTED = attr::TRANSFER_IN_STARTED;
    TRANSFER_OUT_FINISHED = attr::TRANSFER_OUT_FINISHED;
    TRANSFER_OUT_STARTED = attr::TRANSFER_OUT_STARTED;
    USER = attr::USER;
    VACATE_REASON = attr::VACATE_REASON;
    VACATE_REASON_CODE = attr::VACATE_REASON_CODE;
    VACATE_REASON_SUB_CODE = attr::VACATE_REASON_SUB_CODE;
    WAITED_FOR = depend::WAITED_FOR;
}

/// How many attributes the schedd gives a job that waits, of which a queue has most; others have
/// more.
const OF_AN_IDLE_JOB: usize = 20;

/// A job's ad while the schedd writes into it.
#[derive(Debug)]
pub(crate) struct Written(ClassAd);

impl Written {
    /// Over what users have said.
    pub(crate) fn onto(mut ad: ClassAd) -> Self {
        ad.reserve(OF_AN_IDLE_JOB);
        Self(ad)
    }

    pub(crate) fn set(&mut self, name: Own, expr: impl Into<Expr>) {
        self.0.set(name.0, expr);
    }

    /// What a kind of devices has in its name: which kinds there are is the machines' matter.
    pub(crate) fn set_of_device(&mut self, name: impl Into<AttrName>, expr: impl Into<Expr>) {
        self.0.set(name, expr);
    }

    /// How a script ended: told only of jobs that say how it has to.
    pub(crate) fn set_of_script(&mut self, name: &str, expr: impl Into<Expr>) {
        self.0.set(name, expr);
    }

    pub(crate) fn into_ad(self) -> ClassAd {
        self.0
    }
}

impl Deref for Written {
    type Target = ClassAd;

    fn deref(&self) -> &ClassAd {
        &self.0
    }
}
