//! What a job runs: its command, its surroundings, its signals, and the tool beside it.

attrs! {
    JOB_UNIVERSE = "JobUniverse";
    CMD = "Cmd";
    ARGS = "Args";
    ARGUMENTS = "Arguments";
    ENV = "Env";
    ENVIRONMENT = "Environment";
    IWD = "Iwd";
    REMOTE_IWD = "RemoteIwd";
    IN = "In";
    OUT = "Out";
    ERR = "Err";
    STREAM_IN = "StreamIn";
    STREAM_OUT = "StreamOut";
    STREAM_ERR = "StreamErr";
    KILL_SIG = "KillSig";
    KILL_SIG_TIMEOUT = "KillSigTimeout";
    HOLD_KILL_SIG = "HoldKillSig";
    REMOVE_KILL_SIG = "RemoveKillSig";
    JOB_MAX_VACATE_TIME = "JobMaxVacateTime";
    WANT_GRACEFUL_REMOVAL = "WantGracefulRemoval";
    CORE_SIZE = "CoreSize";
    STACK_SIZE = "StackSize";
    RUN_AS_OWNER = "RunAsOwner";
    WANT_IO_PROXY = "WantIOProxy";
    WANT_JOB_NETWORKING = "WantJobNetworking";
    EXECUTABLE_SIZE = "ExecutableSize";
    IS_NOOP_JOB = "IsNoopJob";
    NOOP_JOB_EXIT_CODE = "NoopJobExitCode";
    NOOP_JOB_EXIT_SIGNAL = "NoopJobExitSignal";
    SUSPEND_JOB_AT_EXEC = "SuspendJobAtExec";
    JOB_STARTER_DEBUG = "JobStarterDebug";
    JOB_STARTER_LOG = "JobStarterLog";
    TOOL_DAEMON_CMD = "ToolDaemonCmd";
    TOOL_DAEMON_ARGS = "ToolDaemonArgs";
    TOOL_DAEMON_ARGUMENTS = "ToolDaemonArguments";
    TOOL_DAEMON_INPUT = "ToolDaemonInput";
    TOOL_DAEMON_OUTPUT = "ToolDaemonOutput";
    TOOL_DAEMON_ERROR = "ToolDaemonError";
}
