//! A job: who it is, how it stands and why.

attrs! {
    CLUSTER_ID = "ClusterId";
    PROC_ID = "ProcId";
    // ours: of a group of jobs that one ad stands for
    GROUP_LAST_PROC = "GroupLastProcId";
    GROUP_COUNT = "GroupCount";
    OWN_BATCH_NAME = "HasOwnBatchName";
    // ours: the job that this one does again
    RETRY_OF = "RetryOf";
    GLOBAL_JOB_ID = "GlobalJobId";
    OWNER = "Owner";
    OWNER_UID = "OwnerUid";
    USER = "User";
    ACCT_GROUP_USER = "AcctGroupUser";
    PRIMARY_UNIX_GROUP = "PrimaryUnixGroup";
    JOB_BATCH_NAME = "JobBatchName";
    JOB_DESCRIPTION = "JobDescription";
    OTHER_JOB_REMOVE_REQUIREMENTS = "OtherJobRemoveRequirements";
    MY_TYPE = "MyType";
    TARGET_TYPE = "TargetType";
    JOB_STATUS = "JobStatus";
    LAST_JOB_STATUS = "LastJobStatus";
    ENTERED_CURRENT_STATUS = "EnteredCurrentStatus";
    Q_DATE = "QDate";
    SERVER_TIME = "ServerTime";
    AUTO_CLUSTER_ID = "AutoClusterId";
    AUTO_CLUSTER_ATTRS = "AutoClusterAttrs";
    HOLD_REASON = "HoldReason";
    HOLD_REASON_CODE = "HoldReasonCode";
    HOLD_REASON_SUB_CODE = "HoldReasonSubCode";
    HOLD_RETRY_DATE = "HoldRetryDate";
    LAST_HOLD_REASON = "LastHoldReason";
    LAST_HOLD_REASON_CODE = "LastHoldReasonCode";
    LAST_HOLD_REASON_SUB_CODE = "LastHoldReasonSubCode";
    RELEASE_REASON = "ReleaseReason";
    REMOVE_REASON = "RemoveReason";
    VACATE_REASON = "VacateReason";
    VACATE_REASON_CODE = "VacateReasonCode";
    VACATE_REASON_SUB_CODE = "VacateReasonSubCode";
    LAST_VACATE_TIME = "LastVacateTime";
    // ours: the reason as PBS's `comment` has it
    IDLE_COMMENT = "IdleComment";
    IDLE_REASON = "IdleReason";
    // ours: by when it starts, if a place is kept for it
    ESTIMATED_START = "EstimatedStart";
    IDLE_VERDICT = "IdleVerdict";
    LAST_REJ_MATCH_REASON = "LastRejMatchReason";
}
