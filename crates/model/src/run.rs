//! How one attempt to run a job ended, and what it used.

use serde::{Deserialize, Serialize};

use crate::hold::VacateCode;
use crate::script::Script;
use crate::time::Timestamp;

/// How a run ended, as the startd saw it. It says what happened, not what follows for the job: that is the schedd's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunEnd {
    /// The main process ended by itself with this status.
    Exited {
        /// Exit status, 0 to 255.
        code: i32,
    },
    /// A signal ended the main process, and nobody had asked for it.
    Signaled {
        /// The signal's number.
        signal: i32,
        /// Whether it left a core file.
        core: bool,
    },
    /// The job could not be started: the user's doing (a missing executable), so the job is held.
    StartFailed(StartFailure),
    /// The program ended, and its output files could not all be brought back: the user's doing (a file that it did not write),
    /// so the job is held (code 12). How it ended is not lost.
    OutputFailed {
        /// How the program ended: `Exited` or `Signaled`.
        end: Box<RunEnd>,
        /// The first file that could not be read or written.
        path: String,
        /// The kernel's error number.
        errno: i32,
        /// Whether nothing failed but that the files are more than `MaxTransferOutputMB` allows (code 33).
        #[serde(default)]
        over_limit: bool,
        /// What a plug-in said of it, if one was to move it: then the path is a URL.
        #[serde(default)]
        said: Option<String>,
    },
    /// A program before or after the job's own did not end as its job says that it has to: so the job is held (codes 43, 44).
    ScriptFailed {
        /// Which of them.
        script: Script,
        /// How it ended: `Exited` or `Signaled`.
        ended: Box<RunEnd>,
        /// How the job's own program had ended, `Exited` or `Signaled`; none if it was not executed.
        end: Option<Box<RunEnd>>,
    },
    /// Nothing was executed, because what the job makes is there and newer than what it is made from (`skip_if_dataflow`). It counts as an
    /// exit with 0.
    UpToDate,
    /// The run was stopped because the schedd, the machine's owner or its policy said so.
    Vacated { code: VacateCode },
    /// Nobody can say how it ended: its keeper or its machine died. The run is surely over.
    Lost {
        /// What is known.
        reason: String,
    },
}

/// Why a run could not be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartFailure {
    /// The step that failed.
    pub stage: StartStage,
    /// The path it failed on.
    pub path: String,
    /// The kernel's error number.
    pub errno: i32,
    /// What a plug-in said of it, if one was to move it: then the path is a URL.
    #[serde(default)]
    pub said: Option<String>,
}

impl StartFailure {
    /// A step that failed on a path, by the kernel's word.
    pub fn at(stage: StartStage, path: impl Into<String>, errno: i32) -> Self {
        Self { stage, path: path.into(), errno, said: None }
    }
}

/// The steps of starting a process that a user's mistake can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartStage {
    /// Bringing the executable and the input files (hold code 13).
    TransferInput,
    /// The same, where they are more than `MaxTransferInputMB` allows (hold code 32).
    InputSize,
    /// Going to the initial directory (hold code 14).
    Directory,
    /// Opening standard input (hold code 8).
    Input,
    /// Opening standard output (hold code 7).
    Output,
    /// Opening standard error (hold code 7).
    Error,
    /// Executing the program (hold code 6).
    Execute,
    /// Waiting for the time at which the job was to start: it has passed (hold code 20).
    Deferral,
    /// Taking the group that the job names as its first (`primary_unix_group`; hold code 49).
    Group,
    /// Anything of ours: making the scratch folder, becoming the user. Not the user's fault: the job is tried again.
    Prepare,
}

/// What a run used. Times are of the whole process tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time in user mode, microseconds.
    pub user_us: u64,
    /// Processor time in the kernel, microseconds.
    pub sys_us: u64,
    /// Peak resident memory, KiB.
    pub peak_rss_kib: u64,
    /// Scratch space used, KiB.
    pub disk_kib: u64,
    /// Files and folders in the scratch folder.
    #[serde(default)]
    pub scratch_files: u64,
    /// What came with its files, bytes; known when it is over.
    #[serde(default)]
    pub received_bytes: u64,
    /// What went back with its files, bytes.
    #[serde(default)]
    pub sent_bytes: u64,
    /// When the program was executed, if it was.
    pub started: Option<Timestamp>,
    /// When the last process of the run was gone.
    pub ended: Option<Timestamp>,
}

impl Usage {
    /// Wall-clock time of the run, milliseconds; zero if it never started or has not ended.
    pub fn wall_ms(&self) -> u64 {
        match (self.started, self.ended) {
            (Some(started), Some(ended)) => {
                u64::try_from(ended.since(started).as_millis()).unwrap_or(u64::MAX)
            }
            (None, _) | (_, None) => 0,
        }
    }
}
