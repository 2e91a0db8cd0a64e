//! What a job asks for, and how it and its owner stand in the line.

attrs! {
    REQUIREMENTS = "Requirements";
    RANK = "Rank";
    REQUEST_CPUS = "RequestCpus";
    REQUEST_MEMORY = "RequestMemory";
    REQUEST_DISK = "RequestDisk";
    REQUEST_GPUS = "RequestGPUs";
    REQUEST_PREFIX = "Request";
    MIN_HOSTS = "MinHosts";
    MAX_HOSTS = "MaxHosts";
    GANG_PARTS = "GangParts";
    EXCLUSIVE = "PbsExclusive";
    GANG_HOSTS = "GangHosts";
    GANG_PART = "GangPart";
    PARALLEL_SHUTDOWN_POLICY = "ParallelShutdownPolicy";
    REQUIRE_GPUS = "RequireGPUs";
    GPUS_MIN_CAPABILITY = "GPUsMinCapability";
    GPUS_MAX_CAPABILITY = "GPUsMaxCapability";
    GPUS_MIN_MEMORY = "GPUsMinMemory";
    GPUS_MIN_RUNTIME = "GPUsMinRuntime";
    CUDA_VERSION = "CUDAVersion";
    PRE_JOB_PRIO1 = "PreJobPrio1";
    PRE_JOB_PRIO2 = "PreJobPrio2";
    JOB_PRIO = "JobPrio";
    POST_JOB_PRIO1 = "PostJobPrio1";
    POST_JOB_PRIO2 = "PostJobPrio2";
    CONCURRENCY_LIMITS = "ConcurrencyLimits";
    ACCOUNTING_GROUP = "AccountingGroup";
    LAST_MATCH_LIST_LENGTH = "LastMatchListLength";
    JOB_MACHINE_ATTRS = "JobMachineAttrs";
    JOB_MACHINE_ATTRS_HISTORY_LENGTH = "JobMachineAttrsHistoryLength";
}
