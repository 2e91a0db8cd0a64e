//! What a schedd keeps no longer of what is over: how far back record and history go. How long they
//! are kept is the schedd's matter.

use model::{Seq, Timestamp};
use serde::{Deserialize, Serialize};

/// What is no longer there of history and record, because it was kept long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Events before this one are gone; from it on all are there but those of `first_said`.
    pub first_event: Seq,
    /// When the last of those was recorded.
    pub events_until: Option<Timestamp>,
    /// Jobs that ended before this event are no longer in the history.
    pub first_job: Seq,
    /// When the last of those ended.
    pub jobs_until: Option<Timestamp>,
    /// How many these are.
    pub jobs: u64,
    /// Before this event is gone what was set in jobs and what jobs said of themselves.
    pub first_said: Seq,
}
