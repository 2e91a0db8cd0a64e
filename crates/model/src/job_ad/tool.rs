//! The program that a job wants beside its own (HTCondor 25.14: a tool daemon).

use classad::ClassAd;

use crate::attr;
use crate::cmdline::{CmdlineError, argv_in};
use crate::job_ad::text;

/// What a job says of it.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a> {
    job: &'a ClassAd,
    /// The program, from the initial directory.
    pub program: &'a str,
    pub stdin: Option<&'a str>,
    pub stdout: Option<&'a str>,
    pub stderr: Option<&'a str>,
}

impl<'a> Tool<'a> {
    /// That of this job; none if it wants none.
    pub fn of(job: &'a ClassAd) -> Option<Self> {
        Some(Self {
            job,
            program: text(job, attr::TOOL_DAEMON_CMD)?,
            stdin: text(job, attr::TOOL_DAEMON_INPUT),
            stdout: text(job, attr::TOOL_DAEMON_OUTPUT),
            stderr: text(job, attr::TOOL_DAEMON_ERROR),
        })
    }

    /// Its arguments.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn argv(&self) -> Result<Vec<String>, CmdlineError> {
        argv_in(self.job, [attr::TOOL_DAEMON_ARGUMENTS, attr::TOOL_DAEMON_ARGS])
    }
}
