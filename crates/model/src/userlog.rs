//! The text of the user's event log (`log = FILE`): what HTCondor calls the job event log, to the
//! letter.
//!
//! - [`event`]: the events and what each of them tells.
//! - [`entry`]: the frame around an event: number, job, time, and the `...` line that ends it.
//! - [mod@write]: an event as text, exactly as HTCondor 25.14 writes it.
//! - `ad`: an event as an ad, for logs in JSON and XML; `from_ad`: the way back.
//! - [`read`]: a log of any of these forms as events; forgiving, because users' logs come from many
//!   versions.
//! - `times`: processor time, both ways.
//! - [`usage`]: the table of requested, allocated and used resources, both ways.
//!
//! Nothing here opens, locks or syncs a file: that is the work of whoever owns the log. The log is
//! a by-product for people and for tools written against HTCondor; nothing of ours is driven by it.

mod ad;
pub mod entry;
pub mod event;
mod from_ad;
pub mod read;
mod times;
pub mod usage;
pub mod write;

pub use entry::{AdForm, DateForm, EntryId, LogEntry, LogForm, LogStyle};
pub use event::{
    Completion, Ending, Evicted, EvictedHow, ExecutableFault, Terminated, TransferStep,
    UserLogEvent,
};
pub use read::{Entries, LogError};
pub use times::CpuTimes;
pub use usage::{Amount, ResourceUsage};
