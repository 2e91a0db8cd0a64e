//! Which log an administrator keeps of all jobs, and the attributes by which a job has one of its
//! own.

use std::sync::Arc;

use model::attr;

/// The attributes that tell where entries go.
pub(crate) const LOG_NAMES: [&str; 2] = [attr::USER_LOG, attr::DAGMAN_NODES_LOG];

/// A log of all jobs (`EVENT_LOG`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLog {
    /// The file, absolute.
    pub path: Arc<str>,
    /// The attributes of the job that are told behind each entry (`EVENT_LOG_INFORMATION_ATTRS`).
    pub attributes: Vec<String>,
}
