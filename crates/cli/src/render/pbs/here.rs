//! Where and when something is shown.

use jiff::tz::TimeZone;

/// The server as it is named, and the moment.
#[derive(Clone, Debug)]
pub struct Here {
    /// `qstat`: how its messages begin.
    pub command: String,
    /// The server's name, which ends every job's identifier.
    pub server: String,
    /// The time zone in which times are shown.
    pub zone: TimeZone,
    /// Seconds since the epoch.
    pub now: i64,
}
