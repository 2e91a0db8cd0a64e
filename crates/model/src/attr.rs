//! Names of ClassAd attributes that more than one crate reads or writes, spelt as HTCondor spells them.

macro_rules! attrs {
    ($($const_name:ident = $text:literal;)*) => {
        $(#[doc = concat!("`", $text, "`.")] pub const $const_name: &str = $text;)*
    };
}

attrs! {
    // identity
    CLUSTER_ID = "ClusterId";
    PROC_ID = "ProcId";
    // ours: of a group of jobs that one ad stands for
    GROUP_LAST_PROC = "GroupLastProcId";
    GROUP_COUNT = "GroupCount";
    GLOBAL_JOB_ID = "GlobalJobId";
    OWNER = "Owner";
    USER = "User";
    JOB_BATCH_NAME = "JobBatchName";
    JOB_DESCRIPTION = "JobDescription";
    MY_TYPE = "MyType";
    TARGET_TYPE = "TargetType";
    // what runs
    CMD = "Cmd";
    ARGS = "Args";
    ARGUMENTS = "Arguments";
    ENV = "Env";
    ENVIRONMENT = "Environment";
    IWD = "Iwd";
    IN = "In";
    OUT = "Out";
    ERR = "Err";
    USER_LOG = "UserLog";
    JOB_NOTIFICATION = "JobNotification";
    JOB_UNIVERSE = "JobUniverse";
    KILL_SIG = "KillSig";
    KILL_SIG_TIMEOUT = "KillSigTimeout";
    JOB_LEASE_DURATION = "JobLeaseDuration";
    // asking and choosing
    REQUIREMENTS = "Requirements";
    RANK = "Rank";
    REQUEST_CPUS = "RequestCpus";
    REQUEST_MEMORY = "RequestMemory";
    REQUEST_DISK = "RequestDisk";
    REQUEST_PREFIX = "Request";
    PRE_JOB_PRIO1 = "PreJobPrio1";
    PRE_JOB_PRIO2 = "PreJobPrio2";
    JOB_PRIO = "JobPrio";
    POST_JOB_PRIO1 = "PostJobPrio1";
    POST_JOB_PRIO2 = "PostJobPrio2";
    CONCURRENCY_LIMITS = "ConcurrencyLimits";
    ACCOUNTING_GROUP = "AccountingGroup";
    // standing
    JOB_STATUS = "JobStatus";
    LAST_JOB_STATUS = "LastJobStatus";
    ENTERED_CURRENT_STATUS = "EnteredCurrentStatus";
    Q_DATE = "QDate";
    JOB_START_DATE = "JobStartDate";
    JOB_CURRENT_START_DATE = "JobCurrentStartDate";
    JOB_CURRENT_START_EXECUTING_DATE = "JobCurrentStartExecutingDate";
    COMPLETION_DATE = "CompletionDate";
    SERVER_TIME = "ServerTime";
    HOLD_REASON = "HoldReason";
    HOLD_REASON_CODE = "HoldReasonCode";
    HOLD_REASON_SUB_CODE = "HoldReasonSubCode";
    HOLD_RETRY_DATE = "HoldRetryDate";
    RELEASE_REASON = "ReleaseReason";
    REMOVE_REASON = "RemoveReason";
    VACATE_REASON = "VacateReason";
    VACATE_REASON_CODE = "VacateReasonCode";
    VACATE_REASON_SUB_CODE = "VacateReasonSubCode";
    LAST_REJ_MATCH_REASON = "LastRejMatchReason";
    EXIT_BY_SIGNAL = "ExitBySignal";
    EXIT_CODE = "ExitCode";
    EXIT_SIGNAL = "ExitSignal";
    EXIT_STATUS = "ExitStatus";
    ON_EXIT_REMOVE = "OnExitRemove";
    ON_EXIT_HOLD = "OnExitHold";
    LEAVE_JOB_IN_QUEUE = "LeaveJobInQueue";
    PERIODIC_HOLD = "PeriodicHold";
    PERIODIC_RELEASE = "PeriodicRelease";
    PERIODIC_REMOVE = "PeriodicRemove";
    PERIODIC_VACATE = "PeriodicVacate";
    TIMER_REMOVE = "TimerRemove";
    ALLOWED_JOB_DURATION = "AllowedJobDuration";
    ALLOWED_EXECUTE_DURATION = "AllowedExecuteDuration";
    // where
    REMOTE_HOST = "RemoteHost";
    LAST_REMOTE_HOST = "LastRemoteHost";
    CURRENT_HOSTS = "CurrentHosts";
    // used
    NUM_SHADOW_STARTS = "NumShadowStarts";
    NUM_JOB_STARTS = "NumJobStarts";
    NUM_JOB_MATCHES = "NumJobMatches";
    NUM_JOB_COMPLETIONS = "NumJobCompletions";
    NUM_HOLDS = "NumHolds";
    JOB_RUN_COUNT = "JobRunCount";
    REMOTE_WALL_CLOCK_TIME = "RemoteWallClockTime";
    REMOTE_USER_CPU = "RemoteUserCpu";
    REMOTE_SYS_CPU = "RemoteSysCpu";
    CUMULATIVE_REMOTE_USER_CPU = "CumulativeRemoteUserCpu";
    CUMULATIVE_REMOTE_SYS_CPU = "CumulativeRemoteSysCpu";
    RESIDENT_SET_SIZE = "ResidentSetSize";
    MEMORY_USAGE = "MemoryUsage";
    IMAGE_SIZE = "ImageSize";
    DISK_USAGE = "DiskUsage";
    // machines
    MACHINE = "Machine";
    NAME = "Name";
    STATE = "State";
    ACTIVITY = "Activity";
    ENTERED_CURRENT_STATE = "EnteredCurrentState";
    ENTERED_CURRENT_ACTIVITY = "EnteredCurrentActivity";
    MY_CURRENT_TIME = "MyCurrentTime";
    CPUS = "Cpus";
    MEMORY = "Memory";
    DISK = "Disk";
    TOTAL_CPUS = "TotalCpus";
    TOTAL_MEMORY = "TotalMemory";
    TOTAL_DISK = "TotalDisk";
    SLOT_TYPE = "SlotType";
    PARTITIONABLE_SLOT = "PartitionableSlot";
    DYNAMIC_SLOT = "DynamicSlot";
    SLOT_ID = "SlotID";
    SLOT_WEIGHT = "SlotWeight";
    REMOTE_OWNER = "RemoteOwner";
    REMOTE_USER = "RemoteUser";
    JOB_ID = "JobId";
    START = "Start";
}
