//! What the daemons of a pool say of themselves: address, version, totals, the negotiator's passes.

attrs! {
    MY_ADDRESS = "MyAddress";
    CONDOR_VERSION = "CondorVersion";
    CONDOR_PLATFORM = "CondorPlatform";
    SUBMIT_VERSION = "SubmitVersion";
    DAEMON_START_TIME = "DaemonStartTime";
    NUM_USERS = "NumUsers";
    NUM_SCHEDULERS = "NumSchedulers";
    HOSTS_TOTAL = "HostsTotal";
    RUNNING_JOBS = "RunningJobs";
    IDLE_JOBS = "IdleJobs";
    TOTAL_RUNNING_JOBS = "TotalRunningJobs";
    TOTAL_IDLE_JOBS = "TotalIdleJobs";
    TOTAL_HELD_JOBS = "TotalHeldJobs";
    TOTAL_JOB_ADS = "TotalJobAds";
    TOTAL_SCHEDULER_JOBS_IDLE = "TotalSchedulerJobsIdle";
    TOTAL_SCHEDULER_JOBS_RUNNING = "TotalSchedulerJobsRunning";
    ACTIVE_SUBMITTER_COUNT = "ActiveSubmitterCount";
    CANDIDATE_SLOTS = "CandidateSlots";
    NUM_JOBS_CONSIDERED = "NumJobsConsidered";
    MATCHES = "Matches";
    REJECTIONS = "Rejections";
}
