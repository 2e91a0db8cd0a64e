//! What the processes of a running job say to its schedd (`condor_chirp`; [ADR
//! 0019](../../../docs/adr/0019-a-job-calls-its-schedd.md)), and the file by which they find it.
//! What of it is granted is the schedd's matter.

use std::path::PathBuf;

use classad::{AttrName, Expr};
use model::{JobId, RunId, attr};
use serde::{Deserialize, Serialize};

/// The file in a run's scratch folder from which its processes learn how to call ([`ChirpConfig`]).
/// The name is HTCondor 25.14's, the text is not.
pub const CONFIG_FILE: &str = ".chirp.config";

/// The variable that names this file.
pub const CONFIG_VARIABLE: &str = "_CONDOR_CHIRP_CONFIG";

/// The attribute of jobs that call.
pub const WANTED: &str = attr::WANT_IO_PROXY;

/// Whom a run calls, and as whom. Nothing of it is secret: the kernel says who calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChirpConfig {
    /// The schedd's socket.
    pub schedd: PathBuf,
    pub run: RunId,
}

/// What a job asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ChirpAsk {
    /// What an attribute of the job is. Answered by [`ChirpAnswer::Value`].
    Get {
        name: AttrName,
        /// Whether it is asked as one of those that may be set late.
        is_delayed: bool,
    },
    /// Sets an attribute of the job.
    Set {
        name: AttrName,
        /// Its new value.
        value: Expr,
        /// Whether it might be set late: only some names may.
        is_delayed: bool,
    },
    /// A line for the job's log.
    Log(String),
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ChirpAnswer {
    /// It is on the record.
    Done,
    /// The attribute, if the job has it.
    Value(Option<Expr>),
    /// Nothing was done.
    Refused(ChirpRefusal),
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ChirpRefusal {
    /// The job is not there, or somebody else's.
    #[error("job {0} is not in the queue, or is not yours")]
    NotYours(JobId),
    /// The job does not run, or it is another run by now.
    #[error("run {} of job {} is over: what it left behind does not speak for the job", .0.attempt, .0.job)]
    RunOver(RunId),
    /// The job did not say that it calls.
    #[error("job {0} does not have {WANTED}; write want_io_proxy = true in its description")]
    NotWanted(JobId),
    /// The schedd keeps this attribute itself.
    #[error("attribute {0} is kept by the schedd; a job cannot set it")]
    Immutable(AttrName),
    /// This attribute orders its owner's jobs, and such a value cannot.
    #[error("attribute {0} orders jobs: its value must be an integer from {min} to {max}", min = i32::MIN, max = i32::MAX)]
    NoPriority(AttrName),
    /// Attributes that may be set late have names of their own.
    #[error(
        "attribute {name} cannot be read or set late: its name would have to begin with {prefix}"
    )]
    NotDelayed {
        name: AttrName,
        /// How such names begin.
        prefix: String,
    },
    #[error("{what}: {limit} is the limit")]
    Limit {
        /// What was tried.
        what: String,
        /// How much is allowed.
        limit: usize,
    },
    /// The text would break the log.
    #[error("log a text of several lines: an entry has one")]
    SeveralLines,
}
