//! How one attempt to run a job ended, and what it used.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hold::VacateCode;
use crate::script::Script;
use crate::time::Timestamp;

/// How a program ended, as the kernel told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProgramEnd {
    /// By itself, with this status.
    Exited {
        /// Exit status, 0 to 255.
        code: i32,
    },
    /// By a signal.
    Signaled {
        /// The signal's number.
        signal: i32,
        /// Whether it left a core file.
        core: bool,
    },
}

/// How a run ended, as the startd saw it. It says what happened, not what follows for the job: that
/// is the schedd's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunEnd {
    /// The job could not be started: the user's doing (a missing executable), so the job is held.
    StartFailed(StartFailure),
    /// The program ended, and its output files could not all be brought back: the user's doing (a
    /// file that it did not write), so the job is held (code 12). How it ended is not lost.
    OutputFailed {
        /// How the program ended.
        end: ProgramEnd,
        /// The first file that could not be read or written.
        path: String,
        /// The kernel's error number.
        errno: i32,
        /// Whether nothing failed but that the files are more than `MaxTransferOutputMB` allows
        /// (code 33).
        #[serde(default)]
        over_limit: bool,
        /// What a plug-in said of it, if one was to move it: then the path is a URL.
        #[serde(default)]
        said: Option<String>,
    },
    /// A program before or after the job's own did not end as its job says that it has to: so the
    /// job is held (codes 43, 44).
    ScriptFailed {
        /// Which of them.
        script: Script,
        /// How it ended.
        ended: ProgramEnd,
        /// How the job's own program had ended; none if it was not executed.
        end: Option<ProgramEnd>,
    },
    /// Nothing was executed, because what the job makes is there and newer than what it is made
    /// from (`skip_if_dataflow`). It counts as an exit with 0.
    UpToDate,
    /// The run was stopped because the schedd, the machine's owner or its policy said so.
    Vacated {
        code: VacateCode,
        /// How the program ended when it was stopped; none if it was not executed, or nobody saw
        /// its end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<ProgramEnd>,
    },
    /// Nobody can say how it ended: its keeper or its machine died. The run is surely over.
    Lost {
        /// What is known.
        reason: String,
    },
    /// The program ended, and nobody had asked for it. Written as the [`ProgramEnd`] alone, which
    /// is what stores and journals have always had.
    #[serde(untagged)]
    Program(ProgramEnd),
}

impl RunEnd {
    /// The program ended by itself, with this status.
    pub const fn exited(code: i32) -> Self {
        Self::Program(ProgramEnd::Exited { code })
    }

    /// A signal ended the program, and it left no core file.
    pub const fn killed(signal: i32) -> Self {
        Self::Program(ProgramEnd::Signaled { signal, core: false })
    }

    /// The run was stopped, and how its program ended is not known.
    pub const fn vacated(code: VacateCode) -> Self {
        Self::Vacated { code, ended: None }
    }

    /// Whether the program could not be executed, and everything before that was done: so it counts
    /// as a start (HTCondor 25.14).
    pub fn is_failed_execution(&self) -> bool {
        matches!(self, Self::StartFailed(failure) if failure.stage == StartStage::Execute)
    }

    /// Whether the job has done what it was to do.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Program(ProgramEnd::Exited { code: 0 }) | Self::UpToDate)
    }

    /// What the job's exit attributes say of it, if it changes them. HTCondor 25.14 shows a failed
    /// script's end as the job's.
    pub const fn shown(&self) -> Option<ProgramEnd> {
        match self {
            Self::Program(end)
            | Self::OutputFailed { end, .. }
            | Self::ScriptFailed { ended: end, .. } => Some(*end),
            Self::UpToDate => Some(ProgramEnd::Exited { code: 0 }),
            Self::Vacated { ended, .. } => *ended,
            Self::StartFailed(_) | Self::Lost { .. } => None,
        }
    }
}

/// What follows "the job" or "the run".
impl fmt::Display for ProgramEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "ended with exit code {code}"),
            Self::Signaled { signal, .. } => write!(f, "was ended by signal {signal}"),
        }
    }
}

/// What follows "the job" or "the run".
impl fmt::Display for RunEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(end) => end.fmt(f),
            Self::StartFailed(failure) => write!(f, "could not be started: {}", failure.path),
            Self::OutputFailed { path, .. } => write!(f, "could not bring back {path}"),
            Self::ScriptFailed { script, .. } => {
                write!(f, "did not end well, because its {} failed", script.attribute())
            }
            Self::UpToDate => f.write_str("was not run, because its outputs are up to date"),
            Self::Vacated { code, .. } => write!(f, "was stopped (code {code})"),
            Self::Lost { reason } => write!(f, "was lost: {reason}"),
        }
    }
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
    /// Anything of ours: making the scratch folder, becoming the user. Not the user's fault: the
    /// job is tried again.
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
    /// The most address space seen of all processes together, KiB; 4 TiB stand for more, too. A
    /// usage is kept of every job, so this is narrow.
    #[serde(default)]
    pub peak_vmem_kib: u32,
    /// The most resident memory seen of one process, KiB; as narrow.
    #[serde(default)]
    pub peak_process_kib: u32,
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
    /// When the last process of the run was gone. While it runs: when its program ended, if only
    /// something after that keeps it.
    pub ended: Option<Timestamp>,
}

impl Usage {
    /// What two parts of a run have used that ran at the same time.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.user_us = self.user_us.saturating_add(other.user_us);
        self.sys_us = self.sys_us.saturating_add(other.sys_us);
        self.peak_rss_kib = self.peak_rss_kib.saturating_add(other.peak_rss_kib);
        self.peak_vmem_kib = self.peak_vmem_kib.saturating_add(other.peak_vmem_kib);
        self.peak_process_kib = self.peak_process_kib.max(other.peak_process_kib);
        self
    }

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

/// What the kernel's signals are called in the C library's words, from 1.
const SIGNALS: [&str; 31] = [
    "Hangup",
    "Interrupt",
    "Quit",
    "Illegal instruction",
    "Trace/breakpoint trap",
    "Aborted",
    "Bus error",
    "Floating point exception",
    "Killed",
    "User defined signal 1",
    "Segmentation fault",
    "User defined signal 2",
    "Broken pipe",
    "Alarm clock",
    "Terminated",
    "Stack fault",
    "Child exited",
    "Continued",
    "Stopped (signal)",
    "Stopped",
    "Stopped (tty input)",
    "Stopped (tty output)",
    "Urgent I/O condition",
    "CPU time limit exceeded",
    "File size limit exceeded",
    "Virtual timer expired",
    "Profiling timer expired",
    "Window changed",
    "I/O possible",
    "Power failure",
    "Bad system call",
];

/// A signal in words, as Linux's C library has them.
pub fn signal_text(signal: i32) -> &'static str {
    let nth = usize::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
    nth.and_then(|nth| SIGNALS.get(nth)).copied().unwrap_or("Unknown signal")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_written(end: &RunEnd, text: &str) {
        assert_eq!(serde_json::to_string(end).unwrap(), text);
        assert_eq!(serde_json::from_str::<RunEnd>(text).unwrap(), *end);
    }

    /// The bytes are of November 2026, when a run's end and a program's were one type.
    #[test]
    fn ends_that_were_written_before_programs_had_ends_of_their_own_are_read() {
        let exited = ProgramEnd::Exited { code: 3 };
        let signaled = ProgramEnd::Signaled { signal: 11, core: true };
        check_written(&RunEnd::Program(exited), r#"{"Exited":{"code":3}}"#);
        check_written(&RunEnd::Program(signaled), r#"{"Signaled":{"signal":11,"core":true}}"#);
        check_written(&RunEnd::UpToDate, r#""UpToDate""#);
        check_written(
            &RunEnd::OutputFailed {
                end: exited,
                path: "/o".to_owned(),
                errno: 2,
                over_limit: false,
                said: None,
            },
            r#"{"OutputFailed":{"end":{"Exited":{"code":3}},"path":"/o","errno":2,"over_limit":false,"said":null}}"#,
        );
        check_written(
            &RunEnd::ScriptFailed { script: Script::Post, ended: signaled, end: Some(exited) },
            r#"{"ScriptFailed":{"script":"Post","ended":{"Signaled":{"signal":11,"core":true}},"end":{"Exited":{"code":3}}}}"#,
        );
        let code = VacateCode::ScheddVacate;
        check_written(&RunEnd::vacated(code), r#"{"Vacated":{"code":1022}}"#);
        check_written(
            &RunEnd::Vacated { code, ended: Some(exited) },
            r#"{"Vacated":{"code":1022,"ended":{"Exited":{"code":3}}}}"#,
        );
    }
}
