//! How far the looking at policies has come. When a round begins is `time::watch`'s matter.

use model::JobId;

/// How far the looking has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// When the last round began, milliseconds of the boot clock.
    pub(crate) began_ms: u64,
    /// The next job of a round that is not over.
    pub(crate) next: Option<JobId>,
}
