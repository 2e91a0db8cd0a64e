//! A moment of the wall clock in the forms that DAGMan's files have. Knows no clock.

use jiff::tz::TimeZone;
use model::Timestamp;

/// A moment, and where its reader is.
#[derive(Clone, Debug)]
pub struct Stamp {
    at: Timestamp,
    zone: TimeZone,
}

impl Stamp {
    /// A moment in a time zone.
    pub fn new(at: Timestamp, zone: TimeZone) -> Self {
        Self { at, zone }
    }

    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// `11/22/26 16:25:40`.
    pub fn in_log(&self) -> String {
        self.format("%m/%d/%y %H:%M:%S", &self.zone)
    }

    /// `11/22/2026 16:26:11 UTC`.
    pub fn in_rescue(&self) -> String {
        self.format("%m/%d/%Y %H:%M:%S UTC", &TimeZone::UTC)
    }

    /// `Sun Nov 22 16:26:11 2026`.
    pub fn in_status(&self) -> String {
        self.format("%a %b %e %H:%M:%S %Y", &self.zone)
    }

    /// Seconds since the epoch, with milliseconds.
    pub fn in_metrics(&self) -> String {
        self.at.to_string()
    }

    fn format(&self, form: &str, zone: &TimeZone) -> String {
        // A clock that stands outside of all calendars is shown as the first moment of ours.
        let moment = jiff::Timestamp::from_millisecond(self.at.as_millis()).unwrap_or_default();
        moment.to_zoned(zone.clone()).strftime(form).to_string()
    }
}
