//! The launcher's messages and their framing: all that a client needs.
//!
//! A frame is a big-endian `u32` length and that many bytes of MessagePack with named fields
//! (unknown fields are ignored). A client sends frames of `Vec<`[`Request`]`>` and receives frames
//! of `Vec<`[`Message`]`>`: batches both ways, pipelined; answers carry the request's id, events
//! come by themselves on every connection.
//!
//! How a client keeps its own record straight: connect, [`RequestBody::Hello`], then
//! [`RequestBody::List`]. What changes after that list was made arrives as an [`Event`] on the same
//! connection, so nothing is missed and nothing is told twice. A run that ended stays in the list
//! until [`RequestBody::Forget`]; forget it only after its end is committed.
//!
//! Nothing here does IO: [`encode`] appends to a buffer, [`Decoder`] is fed bytes, so the same code
//! serves a blocking and an async client.

mod os_bytes;

use std::fmt;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::os_bytes::OsBytes;

/// The version of these messages; both sides say theirs in the handshake.
pub const PROTOCOL_VERSION: u32 = 1;

/// The longest frame body accepted. One start carries at most the kernel's 2 MiB of arguments and
/// environment (a quarter of the usual 8 MiB stack limit); this leaves room for batching small
/// ones.
pub const FRAME_MAX_BYTES: usize = 8 * 1024 * 1024;

/// The longest run key; with it a run file's name stays far below the 255 bytes of a file name.
pub const RUN_KEY_MAX_BYTES: usize = 128;

/// The environment variable that every started process finds, holding its run key. It is how the
/// launcher recognises what is left of a run whose keeper was killed.
pub const RUN_TAG: &str = "_UPDRAFT_RUN";

const LENGTH_BYTES: usize = 4;

/// One request of a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client; returned in the answer.
    pub id: u64,
    /// What is asked.
    pub body: RequestBody,
}

/// What a client can ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RequestBody {
    /// The handshake. Answered with [`Answer::Welcome`].
    Hello {
        /// The client's [`PROTOCOL_VERSION`].
        version: u32,
    },
    /// Start a run. [`Answer::Accepted`] says that the launcher owns it from now on: exactly one
    /// [`Event::Ended`] follows.
    Start(Box<Start>),
    /// Send a signal to the main process, or to every process of the run.
    Signal {
        run_key: RunKey,
        /// The signal's number.
        signal: i32,
        /// Every process of the run, not only the first.
        whole_tree: bool,
    },
    /// End a run: `signal` to the main process (woken if suspended), and SIGKILL to every process
    /// once `grace_ms` has passed. Grace 0 sends SIGKILL at once. A second kill can only shorten
    /// the grace.
    Kill {
        run_key: RunKey,
        /// The first signal's number.
        signal: i32,
        /// From the signal to SIGKILL, in milliseconds.
        grace_ms: u64,
    },
    /// Stop every process of the run until [`RequestBody::Continue`].
    Suspend { run_key: RunKey },
    /// Let a suspended run go on.
    Continue { run_key: RunKey },
    /// Move the moment after which the keeper kills the run.
    ExtendLease {
        scope: LeaseScope,
        /// The new end, on [`crate::boot_clock_ms`]'s clock.
        until_boot_ms: u64,
    },
    /// What a run uses now, or used if it has ended. Answered with [`Answer::Usage`].
    Usage { run_key: RunKey },
    /// Every run that is not forgotten. Answered with [`Answer::Runs`].
    List,
    /// Remove what is kept about ended runs. A run that is not known is no error, so this may be
    /// repeated.
    Forget { run_keys: Vec<RunKey> },
}

/// The runs whose lease is extended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseScope {
    /// Every run that is alive.
    All,
    Runs(Vec<RunKey>),
}

/// A process to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The run's name, never used before.
    pub run_key: RunKey,
    /// The file to execute; relative to `cwd`; no search in PATH.
    pub program: OsBytes,
    /// The arguments, `argv[0]` first.
    pub argv: Vec<OsBytes>,
    /// The whole environment, to which only [`RUN_TAG`] is added.
    pub env: Vec<(OsBytes, OsBytes)>,
    /// The working directory.
    pub cwd: OsBytes,
    /// Descriptor 0.
    pub stdin: Stdio,
    /// Descriptor 1.
    pub stdout: Stdio,
    /// Descriptor 2.
    pub stderr: Stdio,
    /// The uid to run as. In a personal pool it must be the launcher's own.
    pub uid: u32,
    /// The gid to run as: one of the user's groups. In a personal pool it must be the launcher's
    /// own.
    pub gid: u32,
    /// The file mode creation mask.
    pub umask: u32,
    /// Limits on the process or the run.
    pub limits: Limits,
    /// How long the processes that outlive the main one may take to end after SIGTERM, in
    /// milliseconds.
    pub kill_grace_ms: u64,
    /// The run is killed after this moment on [`crate::boot_clock_ms`]'s clock.
    pub lease_until_boot_ms: u64,
    /// What runs first. The program is executed only if it succeeds; what it leaves running stays
    /// with the program.
    #[serde(default)]
    pub before: Option<Box<Script>>,
    /// What runs once the program has ended by itself, however, and nothing of it is left; see
    /// [`Script::when_killed`].
    #[serde(default)]
    pub after: Option<Box<Script>>,
    /// What runs beside the program, and ends with it. If it cannot be executed, the run is killed.
    #[serde(default)]
    pub beside: Option<Box<Companion>>,
    /// The program stands still before its first instruction, until somebody sends it SIGCONT.
    #[serde(default)]
    pub stop_at_exec: bool,
    /// What the run finds in the place of some folders, as `/tmp`. Refused where
    /// [`Welcome::private`] is false.
    #[serde(default)]
    pub private: Vec<Private>,
}

impl Private {
    pub(crate) fn is_absolute(&self) -> bool {
        self.folder.as_path().is_absolute() && self.instead_of.as_path().is_absolute()
    }
}

/// A folder of the user's, which is made if it is missing, and in whose place the run finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Private {
    /// An absolute path, opened as the user.
    pub folder: OsBytes,
    /// An absolute path.
    pub instead_of: OsBytes,
}

/// A program that is executed as soon as a run's own is: in the same directory, as the same user,
/// with the same limits. When the run's own has ended, it counts as what that left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Companion {
    /// The file to execute; relative to [`Start::cwd`]; no search in PATH.
    pub program: OsBytes,
    /// The arguments, `argv[0]` first.
    pub argv: Vec<OsBytes>,
    /// The whole environment, to which only [`RUN_TAG`] and the next are added.
    pub env: Vec<(OsBytes, OsBytes)>,
    /// The variable that tells it the number of the run's main process.
    pub pid_variable: OsBytes,
    /// Descriptor 0.
    pub stdin: Stdio,
    /// Descriptor 1.
    pub stdout: Stdio,
    /// Descriptor 2.
    pub stderr: Stdio,
}

/// A program that runs before or after a run's own: in the same directory, as the same user, with
/// the same limits and the same lease. Its standard descriptors are `/dev/null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// The file to execute; relative to [`Start::cwd`]; no search in PATH.
    pub program: OsBytes,
    /// The arguments, `argv[0]` first.
    pub argv: Vec<OsBytes>,
    /// The whole environment, to which only [`RUN_TAG`] is added.
    pub env: Vec<(OsBytes, OsBytes)>,
    /// How it has to end; unset: it only has to be executed.
    pub success: Option<Success>,
    /// The one after the program has no turn if the program ended so: it has only paused.
    #[serde(default)]
    pub unless: Option<Success>,
    /// The one after the program has its turn also where the run is ended, unless at once (with a
    /// grace of 0, or by its lease): for what has to be brought to an end whatever came of the
    /// program, which may not have begun. Once it has begun, only a kill at once ends it, and
    /// `limit`. It can fail although the run was killed; and a signal is a failure.
    #[serde(default)]
    pub when_killed: bool,
    /// How long that script may take; unset: as long as it likes.
    #[serde(default)]
    pub limit: Option<TimeLimit>,
}

/// How long something may take. While it is suspended it takes no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeLimit {
    /// When it gets SIGTERM, in milliseconds since it began or was last continued.
    pub after_ms: u64,
    /// How long after that it is killed, in milliseconds.
    pub grace_ms: u64,
}

/// How a script has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Success {
    /// By itself, with this exit code.
    ExitCode(i32),
    /// By this signal.
    Signal(i32),
}

/// The programs of a run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// [`Start::before`].
    Before,
    /// The run's own program.
    Main,
    /// [`Start::beside`].
    Beside,
    /// [`Start::after`].
    After,
}

/// Where a standard descriptor leads. Files are opened as the job's user, after the change to its
/// working directory; one that would wait (a FIFO that nobody reads) fails to open instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stdio {
    /// `/dev/null`.
    Null,
    /// A file: read for descriptor 0, written for 1 and 2.
    Path {
        /// The file, relative to `cwd`.
        path: OsBytes,
        /// How it is written; not used for descriptor 0, which is never created.
        write: WriteMode,
        /// The permissions of a file that is created, before the umask.
        create_mode: u32,
    },
    /// The same open file as descriptor 1. Only for descriptor 2.
    SameAsStdout,
}

/// What becomes of the old contents of an output file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteMode {
    /// They are removed.
    Truncate,
    /// Output goes behind them.
    Append,
}

/// Limits on one process or on the whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Resource limits of the main process, inherited by its children.
    pub rlimits: Vec<Rlimit>,
    /// The scheduling priority, -20 to 19; unset keeps the launcher's.
    pub nice: Option<i32>,
    /// The memory of the whole run in bytes. Refused where [`Welcome::memory_max`] is false.
    pub memory_max_bytes: Option<u64>,
    /// The number of processes and threads of the whole run. Refused where [`Welcome::pids_max`] is
    /// false.
    pub pids_max: Option<u64>,
    /// The run's part of the processors where there are not enough for all, 1 to 10,000: who has
    /// twice as much gets twice as much. Refused where [`Welcome::cpu_weight`] is false.
    pub cpu_weight: Option<u32>,
}

/// One resource limit, soft and hard alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// What is limited.
    pub resource: Resource,
    /// The limit in the resource's unit; unset is unlimited.
    pub max: Option<u64>,
}

/// What a process can be limited in, see `setrlimit(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resource {
    /// Size of a core file in bytes.
    Core,
    /// Size of the stack in bytes.
    Stack,
    /// Processor time in seconds.
    Cpu,
    /// Size of a file written in bytes.
    FileSize,
    /// Size of the data segment in bytes.
    Data,
    /// Size of the address space in bytes.
    AddressSpace,
    /// Number of open files.
    OpenFiles,
    /// Memory locked in bytes.
    LockedMemory,
}

/// What the launcher sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// The answer to one request.
    Answer {
        /// The request's id.
        id: u64,
        /// What came of it.
        result: Result<Answer, Refusal>,
    },
    /// Something happened to a run.
    Event(Event),
}

/// A request that was carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// To [`RequestBody::Hello`].
    Welcome(Welcome),
    /// The run will be started, and will end.
    Accepted,
    /// It was done, or handed to the run's keeper.
    Done,
    /// To [`RequestBody::ExtendLease`].
    LeaseExtended {
        /// The named runs that are not alive, so have no lease.
        not_alive: Vec<RunKey>,
    },
    /// To [`RequestBody::Usage`].
    Usage(Usage),
    /// To [`RequestBody::List`], sorted by key.
    Runs(Vec<RunInfo>),
}

/// What a launcher is and can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The launcher's [`PROTOCOL_VERSION`].
    pub version: u32,
    /// The launcher's process.
    pub pid: u32,
    /// The uid it runs as.
    pub uid: u32,
    /// The kernel's id of this boot; a client that knows another one knows that every older run is
    /// lost.
    pub boot_id: String,
    /// How a run's processes are held together.
    pub containment: Containment,
    /// Whether [`Limits::memory_max_bytes`] can be enforced.
    pub memory_max: bool,
    /// Whether [`Limits::pids_max`] can be enforced.
    pub pids_max: bool,
    /// Whether [`Limits::cpu_weight`] can be.
    #[serde(default)]
    pub cpu_weight: bool,
    /// Whether runs can have folders of their own in the place of others ([`Start::private`]).
    #[serde(default)]
    pub private: bool,
}

/// How a run's processes are held together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Containment {
    /// A cgroup v2 per run.
    Cgroup {
        /// The cgroup that holds them.
        parent: PathBuf,
    },
    /// The keeper is their child subreaper.
    Subreaper {
        /// Why there is no cgroup, in one sentence.
        why: String,
    },
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The client speaks another version.
    #[error("this launcher speaks version {ours} of its protocol, not {theirs}")]
    Version {
        /// The launcher's version.
        ours: u32,
        /// The client's version.
        theirs: u32,
    },
    /// The run key was used before and is not forgotten.
    #[error("run {0} is known already: a run key is used once")]
    Duplicate(RunKey),
    /// No such run.
    #[error("run {0} is not known to the launcher")]
    NoSuchRun(RunKey),
    /// The run has ended, so nothing can be sent to it.
    #[error("run {0} has ended")]
    Ended(RunKey),
    /// The run is alive, so it cannot be forgotten.
    #[error("run {0} is alive: only an ended run can be forgotten")]
    Alive(RunKey),
    /// The launcher does not start processes as that user or group.
    #[error("a process may not be started as uid {uid} gid {gid}: {why}")]
    Identity {
        /// The uid asked for.
        uid: u32,
        /// The gid asked for.
        gid: u32,
        /// What is wrong with it.
        why: String,
    },
    /// A value of the request cannot be used.
    #[error("{field} of run {run_key} cannot be used: {why}")]
    Invalid {
        run_key: RunKey,
        field: String,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// As many runs are alive as may be.
    #[error("{0} runs are alive, which is as many as this launcher may hold")]
    TooManyRuns(usize),
    /// The launcher failed itself.
    #[error("the launcher could not {attempt}: {why}")]
    Failed {
        /// What was attempted.
        attempt: String,
        /// Why it failed.
        why: String,
    },
}

/// Something that happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The program is executing.
    Started {
        run_key: RunKey,
        /// Its main process, which leads a session of its own.
        pid: u32,
        /// When, in milliseconds of Unix time.
        started_ms: u64,
    },
    /// Nothing of the run is left. Told once per connection and run.
    Ended { run_key: RunKey, end: End },
}

/// How a run ended, and what it used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How the main process ended.
    pub outcome: Outcome,
    /// The script that could not be executed or did not end as it had to. None if the run was
    /// killed meanwhile, unless that should not have ended the script ([`Script::when_killed`]).
    #[serde(default)]
    pub failed: Option<FailedScript>,
    /// Why the run was killed, if the launcher killed it.
    pub killed_by: Option<KilledBy>,
    /// What all its processes used.
    pub usage: Usage,
    /// When the program began to execute, in milliseconds of Unix time; unset if it did not, or if
    /// that is lost.
    pub started_ms: Option<u64>,
    /// When the last process was gone, in milliseconds of Unix time.
    pub ended_ms: u64,
    /// Whether the kernel has killed it because it wanted more than [`Limits::memory_max_bytes`].
    #[serde(default)]
    pub out_of_memory: bool,
}

/// A script, or a companion, that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedScript {
    pub step: Step,
    /// How it ended.
    pub outcome: Outcome,
}

/// How the main process of a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Exited {
        /// The exit code.
        code: i32,
    },
    /// By a signal.
    Signaled {
        /// The signal's number.
        signal: i32,
        /// Whether a core file was written.
        core: bool,
    },
    /// The program was never executed.
    StartFailed {
        /// What was attempted.
        stage: Stage,
        /// The file it was attempted on, empty if none.
        path: OsBytes,
        /// The kernel's error number.
        errno: i32,
    },
    /// The script before it failed, or the run was killed before its turn came.
    NotExecuted,
    /// The run's keeper was killed, or the machine rebooted: nothing of the run is left, and how it
    /// ended is not known.
    Lost,
}

/// The steps from a start request to an executing program, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Opening the run's file.
    Record,
    /// Looking up the user's groups.
    User,
    /// Making the run's cgroup.
    Cgroup,
    /// Creating the process.
    Clone,
    /// Making a session.
    Session,
    /// Setting the groups.
    Groups,
    /// Setting the gid.
    Gid,
    /// Putting folders of the run's own in the place of others.
    Private,
    /// Setting the uid, and proving that it cannot be set back.
    Uid,
    /// Giving up new privileges.
    NoNewPrivs,
    /// Setting the resource limits.
    Limits,
    /// Setting the scheduling priority.
    Nice,
    /// Entering the working directory.
    Chdir,
    /// Opening descriptor 0.
    Stdin,
    /// Opening descriptor 1.
    Stdout,
    /// Opening descriptor 2.
    Stderr,
    /// Asking to be stopped once the program executes ([`Start::stop_at_exec`]).
    Stop,
    /// Executing the program.
    Exec,
}

/// Why the launcher killed a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KilledBy {
    /// [`RequestBody::Kill`].
    Request,
    /// Its lease passed.
    Lease,
}

/// What a run uses or used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time in user mode, of every process, in microseconds.
    pub user_us: u64,
    /// Processor time in the kernel, of every process, in microseconds.
    pub sys_us: u64,
    /// Time since the program (before it does, the first script) began to execute, in milliseconds,
    /// the machine's sleep included.
    pub wall_ms: u64,
    /// The most memory seen resident: of the whole run where a cgroup tells; otherwise the larger
    /// of its largest process and the largest sum seen when usage was asked for.
    pub peak_rss_kib: u64,
    /// The most resident memory that one process had: of those that have ended, as the kernel tells
    /// it, and of the others as it was when usage was asked for.
    #[serde(default)]
    pub peak_process_kib: u64,
    /// The largest sum of address spaces seen when usage was asked for.
    #[serde(default)]
    pub peak_vmem_kib: u64,
    /// Processes alive now; 0 once ended.
    pub processes: u32,
    /// When the program ended, if the run is not over yet, in milliseconds of Unix time.
    #[serde(default)]
    pub program_ended_ms: Option<u64>,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    pub run_key: RunKey,
    pub state: RunState,
}

/// The states of a run: `Starting -> Running -> Ended`, where `Running` may be skipped, and
/// `Clearing` comes before an end as lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunState {
    /// A keeper has it; whether the program executes already is not known yet.
    Starting,
    /// The program executes.
    Running {
        /// Its main process.
        pid: u32,
        /// Since when, in milliseconds of Unix time.
        started_ms: u64,
    },
    /// Its keeper is gone; what is left of it is being killed.
    Clearing,
    /// Nothing of it is left.
    Ended(End),
}

/// The name of a run: opaque, unique, and fit for a file name (ASCII letters, digits, `-`, `_`, and
/// `.` but not first).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunKey(String);

impl RunKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RunKey> for String {
    fn from(key: RunKey) -> Self {
        key.0
    }
}

impl TryFrom<String> for RunKey {
    type Error = RunKeyError;

    fn try_from(text: String) -> Result<Self, RunKeyError> {
        let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        let right = (1..=RUN_KEY_MAX_BYTES).contains(&text.len())
            && !text.starts_with('.')
            && text.bytes().all(fits);
        if right { Ok(Self(text)) } else { Err(RunKeyError(text)) }
    }
}

impl TryFrom<&str> for RunKey {
    type Error = RunKeyError;

    fn try_from(text: &str) -> Result<Self, RunKeyError> {
        Self::try_from(text.to_owned())
    }
}

/// A text that cannot name a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot name a run: 1 to {RUN_KEY_MAX_BYTES} ASCII letters, digits, '-', '_' or '.', the first not '.'"
)]
pub struct RunKeyError(String);

/// Appends one frame holding `value` to `out`; on error `out` is as before.
///
/// # Errors
///
/// [`WireError::TooLong`] if the frame would be refused by the other side.
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), WireError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    let body_start = out.len();
    let written = rmp_serde::encode::write_named(out, value).map_err(WireError::Encode);
    let body = out.len() - body_start;
    let length = match (written, u32::try_from(body)) {
        (Ok(()), Ok(length)) if body <= FRAME_MAX_BYTES => Ok(length),
        (Ok(()), _) => Err(WireError::TooLong { length: body }),
        (Err(error), _) => Err(error),
    };
    match length {
        Ok(length) => {
            out[start..body_start].copy_from_slice(&length.to_be_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    taken: usize,
}

impl Decoder {
    /// Takes bytes as they were read. Call [`Decoder::next_frame`] until it returns `None` before
    /// feeding more, so that no more than one frame is ever held.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes were fed and are of no frame that was taken.
    pub(crate) fn rest(&self) -> usize {
        self.buffer.len() - self.taken
    }

    /// The next whole frame, if there is one.
    ///
    /// # Errors
    ///
    /// The stream is not to be trusted any more, and must be closed.
    pub fn next_frame<T: DeserializeOwned>(&mut self) -> Result<Option<T>, WireError> {
        let rest = &self.buffer[self.taken..];
        let Some((head, body)) = rest.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if length > FRAME_MAX_BYTES {
            return Err(WireError::TooLong { length });
        }
        let Some(body) = body.get(..length) else {
            return Ok(None);
        };
        let value = rmp_serde::from_slice(body).map_err(WireError::Decode)?;
        self.taken += LENGTH_BYTES + length;
        Ok(Some(value))
    }
}

/// A frame that cannot be sent or understood.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The frame is longer than the limit.
    #[error("a frame of {length} bytes is longer than the limit of {FRAME_MAX_BYTES}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The value could not be written.
    #[error("a message could not be encoded")]
    Encode(#[source] rmp_serde::encode::Error),
    /// The bytes are not a message.
    #[error("a frame does not hold a message of this protocol")]
    Decode(#[source] rmp_serde::decode::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> RunKey {
        RunKey::try_from(text).unwrap()
    }

    #[test]
    fn frames_survive_any_cut() {
        let sent: Vec<Request> = (0..3)
            .map(|id| Request { id, body: RequestBody::Usage { run_key: key("1.0-1") } })
            .collect();
        let mut bytes = Vec::new();
        for request in &sent {
            encode(request, &mut bytes).unwrap();
        }
        for piece in 1..bytes.len() {
            let mut decoder = Decoder::default();
            let mut received = Vec::new();
            for chunk in bytes.chunks(piece) {
                decoder.feed(chunk);
                while let Some(request) = decoder.next_frame::<Request>().unwrap() {
                    received.push(request);
                }
            }
            assert_eq!(received, sent, "pieces of {piece} bytes");
        }
    }

    #[test]
    fn a_frame_longer_than_the_limit_is_refused_before_it_is_held() {
        let mut decoder = Decoder::default();
        decoder.feed(&u32::MAX.to_be_bytes());
        assert!(matches!(decoder.next_frame::<Request>(), Err(WireError::TooLong { .. })));
        let mut out = vec![7];
        let huge = OsBytes::from(vec![0; FRAME_MAX_BYTES]);
        assert!(matches!(encode(&huge, &mut out), Err(WireError::TooLong { .. })));
        assert_eq!(out, [7], "a refused frame leaves nothing behind");
    }

    #[test]
    fn a_run_key_is_a_plain_file_name() {
        for good in ["1.0-1", "a", "A_b-c.9"] {
            assert!(RunKey::try_from(good).is_ok(), "{good:?}");
        }
        let long = "k".repeat(RUN_KEY_MAX_BYTES + 1);
        for bad in ["", ".", "..", ".hidden", "a/b", "a b", "a\0", "\u{e9}", &long] {
            assert!(RunKey::try_from(bad).is_err(), "{bad:?}");
            let mut bytes = Vec::new();
            encode(bad, &mut bytes).unwrap();
            let mut decoder = Decoder::default();
            decoder.feed(&bytes);
            assert!(decoder.next_frame::<RunKey>().is_err(), "{bad:?} over the wire");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_pass() {
        let sent = OsBytes::from(vec![0xff, b'/', 0xc0]);
        let mut bytes = Vec::new();
        encode(&sent, &mut bytes).unwrap();
        let mut decoder = Decoder::default();
        decoder.feed(&bytes);
        assert_eq!(decoder.next_frame::<OsBytes>().unwrap(), Some(sent));
    }
}
