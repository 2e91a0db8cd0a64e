//! What a job's ad says, by subject, as values: each view reads the attributes of its subject,
//! once, and nobody else does. How they come into an ad is `jobspec`'s matter; what follows from
//! them is that of who asks.

mod checkpoint;
mod deferral;
mod granted;
mod own_account;
mod streams;
mod tool;
mod transfer;

use classad::{ClassAd, Expr, Value};

use crate::attr;
use crate::ids::ClusterId;

pub use checkpoint::{Checkpoint, CheckpointEnd};
pub use deferral::{Deferral, is_deferred};
pub use granted::Granted;
pub use own_account::{StarterLog, manifest_folder};
pub use streams::{NULL, Stream, Streams};
pub use tool::Tool;
pub use transfer::{
    FileLimits, Input, OnEvict, OwnPlugin, Transfer, files_travel, goes_on_behind,
    initial_directory, keep_nothing, keeps_files, on_evict, skips_if_up_to_date,
};

/// The condition on a job's ad that it is of a node of this DAG.
pub fn is_of_dag(job: ClusterId) -> Expr {
    Expr::attr(attr::DAGMAN_JOB_ID).equals(job.0)
}

/// The same, and that the node is none that goes on until the DAG is over (SERVICE).
pub fn is_of_dag_and_ends_with_it(job: ClusterId) -> Expr {
    is_of_dag(job).and(Expr::attr(attr::DAG_LIFETIME_JOB).is_not(true))
}

/// A text that says something.
pub(crate) fn text<'a>(job: &'a ClassAd, name: &str) -> Option<&'a str> {
    job.literal(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

pub(crate) fn is_true(job: &ClassAd, name: &str) -> bool {
    job.literal(name).is_some_and(Value::is_true)
}

pub(crate) fn is_false(job: &ClassAd, name: &str) -> bool {
    job.literal(name).and_then(Value::as_bool) == Some(false)
}
