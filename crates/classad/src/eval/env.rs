//! What an evaluation may know of the world: it is handed in, never looked up.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use jiff::tz::TimeZone;

/// The time, the randomness and the users that an evaluation sees.
///
/// ```
/// use classad::{ClassAd, Env, Expr, Value};
/// let expr: Expr = "time() - 60".parse().unwrap();
/// assert_eq!(ClassAd::new().eval_expr(&expr, None, &Env::at(1000)), Value::Integer(940));
/// ```
#[derive(Clone)]
pub struct Env {
    /// What `time()` and `CurrentTime` are: seconds since 1970-01-01 00:00 UTC.
    pub now: i64,
    /// Where `random()` begins: equal seeds give equal numbers.
    pub seed: u64,
    /// The zone that `formatTime`, `absTime` and `splitTime` use where none is given.
    pub zone: TimeZone,
    /// Who the users are; without it `userHome` and `userMap` know nobody.
    pub users: Option<Arc<dyn UserDirectory>>,
    /// Called with one line for each `debug(...)`.
    pub on_debug: Option<DebugReport>,
    /// Counts the steps of evaluations, so that who makes many of them can stop in between.
    pub meter: Option<Arc<AtomicU64>>,
}

/// What is called with the text of each `debug(...)`.
pub type DebugReport = Arc<dyn Fn(&str) + Send + Sync>;

/// What `userHome` and `userMap` ask.
pub trait UserDirectory: Send + Sync {
    /// The home directory of a user of this machine.
    fn home(&self, user: &str) -> Option<String>;
    /// What the named map gives for a user: a list of names with commas between them.
    fn map(&self, map: &str, user: &str) -> Option<String>;
}

impl Env {
    /// The world at a moment (seconds since 1970-01-01 00:00 UTC), in UTC, without users.
    pub fn at(now: i64) -> Env {
        Env { now, seed: 0, zone: TimeZone::UTC, users: None, on_debug: None, meter: None }
    }

    /// The same world with another beginning for `random()`.
    pub fn with_seed(mut self, seed: u64) -> Env {
        self.seed = seed;
        self
    }

    /// The same world in another time zone.
    pub fn with_zone(mut self, zone: TimeZone) -> Env {
        self.zone = zone;
        self
    }

    /// The same world, in which steps are counted there.
    pub fn with_meter(mut self, meter: Arc<AtomicU64>) -> Env {
        self.meter = Some(meter);
        self
    }

    /// The same world with these users.
    pub fn with_users(mut self, users: Arc<dyn UserDirectory>) -> Env {
        self.users = Some(users);
        self
    }
}
