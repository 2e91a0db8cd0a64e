//! What a command asks to see of a run's files, and what it is shown. How that is read is
//! `tail.rs`'s matter, and who may see it `entry.rs`'s.

use model::JobId;
use proto::client::{ReadFrom, RunFile};
use proto::files::Blob;
use serde::{Deserialize, Serialize};

/// What a command wants to see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) job: JobId,
    pub(crate) file: RunFile,
    pub(crate) from: ReadFrom,
    pub(crate) max_bytes: u32,
}

/// A part of a file of the run in this folder, and where it begins; or why there is none, in one
/// line.
pub(crate) type Shown = Result<(u64, Blob), String>;
