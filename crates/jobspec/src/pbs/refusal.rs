//! Why nothing is submitted: what `qsub` writes to its standard error, and its exit code.

use std::fmt;

use model::diagnostic::{Diagnostic, Severity};

use super::QSUB_USAGE;

/// Exit codes: OpenPBS's error numbers without 15000, of which a command's caller sees eight bits.
pub mod code {
    /// Something about the script or the environment.
    pub const FAILED: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// More subjobs than are allowed.
    pub const ARRAY_SIZE: u8 = 3;
    /// A resource that no chunk can have.
    pub const INVALID_IN_SELECT: u8 = 4;
    /// A resource of the job beside a selection of chunks.
    pub const INVALID_FOR_JOB: u8 = 5;
    /// `nodes` beside `select` or `place`.
    pub const NODES_BESIDE_SELECT: u8 = 6;
    /// `place` without `select`.
    pub const PLACE_ALONE: u8 = 7;
    /// A resource twice in a chunk.
    pub const TWICE_IN_CHUNK: u8 = 12;
    /// The job has finished.
    pub const FINISHED: u8 = 35;
    /// `max_walltime` without `min_walltime`.
    pub const MAX_WITHOUT_MIN: u8 = 58;
    /// `min_walltime` beyond `max_walltime`.
    pub const MIN_BEYOND_MAX: u8 = 59;
    /// The script is too long.
    pub const SCRIPT_SIZE: u8 = 71;
    /// An attribute that only arrays have.
    pub const NOT_ARRAY: u8 = 127;
    /// There is no such job.
    pub const UNKNOWN_JOB: u8 = 153;
    /// There is no such attribute.
    pub const UNKNOWN_ATTRIBUTE: u8 = 154;
    /// Not to be set by a user.
    pub const READ_ONLY: u8 = 155;
    /// Not for this job.
    pub const INVALID_REQUEST: u8 = 156;
    pub const NOT_PERMITTED: u8 = 159;
    pub const BAD_HOST: u8 = 160;
    /// A signal that does not exist.
    pub const UNKNOWN_SIGNAL: u8 = 165;
    /// Not to be changed while the job runs.
    pub const RUNS: u8 = 167;
    /// A value that an attribute cannot have.
    pub const BAD_VALUE: u8 = 166;
    /// Not in the state in which the job is.
    pub const BAD_STATE: u8 = 168;
    /// There is no such queue.
    pub const UNKNOWN_QUEUE: u8 = 170;
    /// Not as this user.
    pub const BAD_USER: u8 = 175;
    /// What this program does not have.
    pub const NOT_SUPPORTED: u8 = 181;
    /// A job that must not run twice.
    pub const NOT_RERUNABLE: u8 = 190;
    /// There is no such resource.
    pub const UNKNOWN_RESOURCE: u8 = 187;
    /// Not in this group.
    pub const BAD_GROUP: u8 = 197;
    /// No server answers.
    pub const NO_CONNECTION: u8 = 255;
}

/// What a command of PBS writes to its standard error about something, a whole line.
pub fn said(command: &str, diagnostic: &Diagnostic) -> String {
    let message = &diagnostic.message;
    match diagnostic.severity {
        Severity::Advice => String::new(),
        Severity::Warning => format!("{command} (Warning) : {message}\n"),
        Severity::Error if message.starts_with('\t') => format!("{command}:{message}\n"),
        Severity::Error => format!("{command}: {message}\n"),
    }
}

/// Nothing is submitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// What is wrong. None if that was told already.
    pub problems: Vec<Diagnostic>,
    /// What else is told, and not in `qsub`'s name.
    pub beside: Beside,
    /// The exit code.
    pub exit: u8,
}

/// What is told beside the problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    Nothing,
    /// Before them, by PBS's library.
    Before(&'static str),
    /// Behind them, how `qsub` is used.
    Usage,
}

impl fmt::Display for Refusal {
    /// As `qsub` writes it to its standard error, whole lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Beside::Before(line) = self.beside {
            writeln!(f, "{line}")?;
        }
        self.problems.iter().try_for_each(|problem| f.write_str(&said("qsub", problem)))?;
        match self.beside {
            Beside::Usage => f.write_str(QSUB_USAGE),
            Beside::Nothing | Beside::Before(_) => Ok(()),
        }
    }
}

impl Refusal {
    /// For one reason.
    pub fn new(exit: u8, message: impl fmt::Display) -> Self {
        Self::of(exit, vec![Diagnostic::error(message.to_string())])
    }

    /// For several reasons, in the order in which they are told.
    pub fn of(exit: u8, problems: Vec<Diagnostic>) -> Self {
        Self { problems, beside: Beside::Nothing, exit }
    }

    /// What is wrong was told already.
    pub fn told(exit: u8) -> Self {
        Self::of(exit, Vec::new())
    }

    /// Wrong use of the command line: the messages, and how it is used.
    pub(super) fn usage(messages: &[String]) -> Self {
        let problems = messages.iter().map(Diagnostic::error).collect();
        Self { beside: Beside::Usage, ..Self::of(code::USAGE, problems) }
    }

    /// A value that the option cannot have.
    pub(super) fn illegal(option: char) -> Self {
        Self::usage(&[format!("illegal -{option} value")])
    }

    /// A value that the server does not take.
    pub fn bad_value(of: &str) -> Self {
        Self::new(code::BAD_VALUE, format!("Illegal attribute or resource value {of}").trim_end())
    }

    /// What OpenPBS has, and we do not: told by name.
    pub(super) fn not_built(what: impl fmt::Display, why: &str) -> Self {
        Self::new(code::NOT_SUPPORTED, format!("{what} is not supported yet: {why}"))
    }
}
