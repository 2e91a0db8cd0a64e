//! What becomes of a job at the end of a run and in time.

attrs! {
    ON_EXIT_REMOVE = "OnExitRemove";
    ON_EXIT_HOLD = "OnExitHold";
    ON_EXIT_HOLD_SUB_CODE = "OnExitHoldSubCode";
    LEAVE_JOB_IN_QUEUE = "LeaveJobInQueue";
    PERIODIC_HOLD = "PeriodicHold";
    PERIODIC_HOLD_SUB_CODE = "PeriodicHoldSubCode";
    PERIODIC_RELEASE = "PeriodicRelease";
    PERIODIC_REMOVE = "PeriodicRemove";
    PERIODIC_VACATE = "PeriodicVacate";
    TIMER_REMOVE = "TimerRemove";
    ALLOWED_JOB_DURATION = "AllowedJobDuration";
    ALLOWED_EXECUTE_DURATION = "AllowedExecuteDuration";
    INTERACTIVE_JOB = "InteractiveJob";
    PBS_ARRAY_INDEX = "PbsArrayIndex";
    PBS_ARRAY_INDICES = "PbsArrayIndices";
    PBS_COMMAND = "PbsCommand";
    PBS_JOB_NAME = "PbsJobName";
    PBS_MAIL_POINTS = "PbsMailPoints";
    PBS_MAIL_USERS = "PbsMailUsers";
    PBS_SERVER = "PbsServer";
    PBS_EXECUTION_TIME = "PbsExecutionTime";
    PBS_WALLTIME = "PbsWalltime";
    PBS_CPUT = "PbsCpuLimit";
    PBS_MEM = "PbsMemLimit";
    PBS_VMEM = "PbsVmemLimit";
    PBS_PMEM = "PbsPmemLimit";
    MAX_JOB_RETIREMENT_TIME = "MaxJobRetirementTime";
    JOB_LEASE_DURATION = "JobLeaseDuration";
    KEEP_CLAIM_IDLE = "KeepClaimIdle";
    JOB_MAX_RETRIES = "JobMaxRetries";
    JOB_SUCCESS_EXIT_CODE = "JobSuccessExitCode";
    SUCCESS_CHECKPOINT_EXIT_CODE = "SuccessCheckpointExitCode";
    NEXT_JOB_START_DELAY = "NextJobStartDelay";
}
