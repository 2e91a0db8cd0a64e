//! An ad as the tables see it: attributes evaluated at the moment of the answer, with the words that HTCondor's tools use.

use std::fmt;

use classad::{ClassAd, Env, Value};
use jiff::tz::TimeZone;
use model::{JobId, attr};

/// The moment of an answer: what "now" and "here" are for everything that is printed from it.
#[derive(Clone)]
pub struct Moment {
    /// Seconds since the epoch.
    pub now: i64,
    /// The user's time zone.
    pub zone: TimeZone,
    env: Env,
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moment")
            .field("now", &self.now)
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}

impl Moment {
    /// The moment `now` (seconds since the epoch) in `zone`.
    pub fn new(now: i64, zone: TimeZone) -> Self {
        let env = Env::at(now).with_zone(zone.clone());
        Self { now, zone, env }
    }

    /// What expressions may know of the world.
    pub fn env(&self) -> &Env {
        &self.env
    }
}

/// An ad at a moment.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The ad.
    pub ad: &'a ClassAd,
    /// When and where it is looked at.
    pub moment: &'a Moment,
}

impl<'a> View<'a> {
    /// `ad` at `moment`.
    pub fn new(ad: &'a ClassAd, moment: &'a Moment) -> Self {
        Self { ad, moment }
    }

    /// The value of an attribute.
    pub fn value(self, name: &str) -> Value {
        self.ad.eval(name, None, self.moment.env())
    }

    /// A whole number.
    pub fn int(self, name: &str) -> Option<i64> {
        self.value(name).as_i64()
    }

    /// A number.
    pub fn real(self, name: &str) -> Option<f64> {
        self.value(name).as_f64()
    }

    /// A string.
    pub fn text(self, name: &str) -> Option<String> {
        self.value(name).as_str().map(str::to_owned)
    }

    /// A string, or `undefined` as HTCondor prints what is missing.
    pub fn text_or_undefined(self, name: &str) -> String {
        self.text(name).unwrap_or_else(|| "undefined".to_owned())
    }

    /// The job's id.
    pub fn job(self) -> Option<JobId> {
        let number = |name| u32::try_from(self.int(name)?).ok();
        Some(JobId::new(number(attr::CLUSTER_ID)?, number(attr::PROC_ID)?))
    }

    /// `Owner`; empty if there is none.
    pub fn owner(self) -> String {
        self.text(attr::OWNER).unwrap_or_default()
    }

    /// `JobStatus`; 0 if there is none.
    pub fn status(self) -> i64 {
        self.int(attr::JOB_STATUS).unwrap_or(0)
    }
}

/// `JobStatus` numbers, as far as tables tell them apart. Suspended and transferring jobs exist in HTCondor's ads only.
pub mod status {
    /// `I`.
    pub const IDLE: i64 = 1;
    /// `R`.
    pub const RUNNING: i64 = 2;
    /// `X`.
    pub const REMOVED: i64 = 3;
    /// `C`.
    pub const COMPLETED: i64 = 4;
    /// `H`.
    pub const HELD: i64 = 5;
    /// `>`.
    pub const TRANSFERRING_OUTPUT: i64 = 6;
    /// `S`.
    pub const SUSPENDED: i64 = 7;
}

/// The letter of a `JobStatus`.
pub fn status_letter(number: i64) -> char {
    match number {
        status::IDLE => 'I',
        status::RUNNING => 'R',
        status::REMOVED => 'X',
        status::COMPLETED => 'C',
        status::HELD => 'H',
        status::TRANSFERRING_OUTPUT => '>',
        status::SUSPENDED => 'S',
        _ => '?',
    }
}
