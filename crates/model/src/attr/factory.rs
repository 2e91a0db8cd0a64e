//! A cluster whose jobs are made when they are needed.

attrs! {
    TOTAL_SUBMIT_PROCS = "TotalSubmitProcs";
    TOTAL_FAILED_PROCS = "TotalFailedProcs";
    JOB_MATERIALIZE_ITEM_COUNT = "JobMaterializeItemCount";
    JOB_MATERIALIZE_STEP_SIZE = "JobMaterializeStepSize";
    JOB_MATERIALIZE_NEXT_PROC_ID = "JobMaterializeNextProcId";
    JOB_MATERIALIZE_LIMIT = "JobMaterializeLimit";
    JOB_MATERIALIZE_MAX_IDLE = "JobMaterializeMaxIdle";
    JOB_MATERIALIZE_PAUSED = "JobMaterializePaused";
}
