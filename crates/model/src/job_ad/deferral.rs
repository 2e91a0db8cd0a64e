//! When a job wants to start.

use classad::{ClassAd, Env};

use crate::attr;

/// The start that a job waits for: given, or the next one of its crontab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deferral {
    /// At which time, seconds since 1970; none if what it says is no number.
    pub at_s: Option<i64>,
    /// How much later is not too late.
    pub window_s: i64,
    /// How much earlier it wants its machine.
    pub prepare_s: i64,
}

/// Whether a job starts at a time, whatever that is.
pub fn is_deferred(job: &ClassAd) -> bool {
    job.get(attr::DEFERRAL_TIME).is_some()
}

impl Deferral {
    /// What a job says of that now; none if it starts as soon as it can.
    pub fn of(job: &ClassAd, env: &Env) -> Option<Self> {
        if !is_deferred(job) {
            return None;
        }
        let seconds = |name| job.eval(name, None, env).as_i64();
        Some(Self {
            at_s: seconds(attr::DEFERRAL_TIME),
            window_s: seconds(attr::DEFERRAL_WINDOW).unwrap_or(0).max(0),
            prepare_s: seconds(attr::DEFERRAL_PREP_TIME).unwrap_or(0).max(0),
        })
    }

    /// After which moment it is too late, seconds since 1970.
    pub fn last_s(&self) -> Option<i64> {
        self.at_s.map(|at_s| at_s.saturating_add(self.window_s))
    }

    /// From which moment on it wants its machine, seconds since 1970.
    pub fn prepared_from_s(&self) -> Option<i64> {
        self.at_s.map(|at_s| at_s.saturating_sub(self.prepare_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_has_a_time_before_and_a_time_after_it() {
        let env = Env::at(1000);
        for (ad, from_s, last_s) in [
            ("DeferralTime = 50", Some(50), Some(50)),
            ("DeferralTime = time() + 5\nDeferralWindow = 10", Some(1005), Some(1015)),
            ("DeferralTime = 50\nDeferralPrepTime = 20\nDeferralWindow = -1", Some(30), Some(50)),
            ("DeferralTime = \"soon\"", None, None),
        ] {
            let job = ClassAd::parse_old(ad).unwrap();
            let deferral = Deferral::of(&job, &env).unwrap();
            assert_eq!((deferral.prepared_from_s(), deferral.last_s()), (from_s, last_s), "{ad}");
        }
        let job = ClassAd::parse_old("DeferralWindow = 10").unwrap();
        assert_eq!(Deferral::of(&job, &env), None);
    }
}
