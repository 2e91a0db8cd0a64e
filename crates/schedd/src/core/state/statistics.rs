//! What the schedd counts of itself, as the ad that `status -schedd` shows. Nothing of it is kept
//! over a restart: as in HTCondor, the counters are those of this life.

use std::collections::{BTreeSet, VecDeque};

use classad::ClassAd;
use model::{AfterRun, JobEvent, Now, UserName, attr};
use proto::client::{Counts, Happening};

use crate::core::state::core::Core;

/// HTCondor's window of what is `Recent`: 20 minutes, in steps of one.
const WINDOW_MINUTES: u64 = 20;
const MINUTE_MS: u64 = 60_000;

/// What happened in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    submitted: u64,
    started: u64,
    completed: u64,
    exited: u64,
}

/// What has happened since the schedd began, and in the last minutes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Happened {
    ever: Sums,
    /// By minute of the boot clock, the newest last; at most a window.
    minutes: VecDeque<(u64, Sums)>,
}

impl Happened {
    /// Counts what was recorded.
    pub(crate) fn note(&mut self, at: Now, what: &Happening) {
        let mut sums = Sums::default();
        match what {
            Happening::ClusterSubmitted { procs, .. } => sums.submitted = u64::from(*procs),
            Happening::Job { event: JobEvent::RunStarted { .. }, .. } => sums.started = 1,
            Happening::Job { event: JobEvent::RunOver { next, .. }, .. } => {
                sums.exited = 1;
                sums.completed = u64::from(matches!(next, AfterRun::Complete));
            }
            Happening::Job { .. }
            | Happening::JobEdited { .. }
            | Happening::JobSaid { .. }
            | Happening::JobsWait { .. }
            | Happening::Reservation { .. }
            | Happening::FactoryEnded { .. } => {
                return;
            }
        }
        self.ever = self.ever.plus(sums);
        let minute = at.boot_ms / MINUTE_MS;
        match self.minutes.back_mut() {
            Some((last, of)) if *last == minute => *of = of.plus(sums),
            Some(_) | None => self.minutes.push_back((minute, sums)),
        }
        while self.minutes.front().is_some_and(|(first, _)| first + WINDOW_MINUTES <= minute) {
            self.minutes.pop_front();
        }
    }

    fn recent(&self, now: Now) -> Sums {
        let minute = now.boot_ms / MINUTE_MS;
        let inside = self.minutes.iter().filter(|(at, _)| at + WINDOW_MINUTES > minute);
        inside.fold(Sums::default(), |all, (_, sums)| all.plus(*sums))
    }
}

impl Sums {
    const fn plus(self, other: Self) -> Self {
        Self {
            submitted: self.submitted + other.submitted,
            started: self.started + other.started,
            completed: self.completed + other.completed,
            exited: self.exited + other.exited,
        }
    }
}

impl Core {
    /// The schedd's own counts, under HTCondor's names.
    pub fn statistics(&self, now: Now) -> ClassAd {
        let mut ad = ClassAd::new();
        let mut set = |name: &str, n: u64| ad.set(name, i64::try_from(n).unwrap_or(i64::MAX));
        let Counts { idle, running, held, completed, removed, suspended } = self.all;
        set(attr::TOTAL_JOB_ADS, idle + running + held + completed + removed + suspended);
        set("TotalRemovedJobs", removed);
        let users: BTreeSet<&UserName> = self.counts.keys().map(|(user, _)| user).collect();
        set(attr::NUM_USERS, users.len() as u64);
        set("Autoclusters", self.classes.by_id.len() as u64);
        let (ever, recent) = (self.happened.ever, self.happened.recent(now));
        for (prefix, sums) in [("Jobs", ever), ("RecentJobs", recent)] {
            set(&format!("{prefix}Submitted"), sums.submitted);
            set(&format!("{prefix}Started"), sums.started);
            set(&format!("{prefix}Completed"), sums.completed);
            set(&format!("{prefix}Exited"), sums.exited);
        }
        set("RecentWindowMax", WINDOW_MINUTES * 60);
        self.set_universes(&mut ad);
        ad
    }
}

#[cfg(test)]
mod tests {
    use model::{ClusterId, Timestamp};

    use super::*;

    #[test]
    fn what_is_recent_is_of_the_last_twenty_minutes() {
        let mut happened = Happened::default();
        let at = |minute: u64| Now { wall: Timestamp::from_secs(0), boot_ms: minute * MINUTE_MS };
        let came = |procs: u32| Happening::ClusterSubmitted {
            cluster: ClusterId(1),
            owner: UserName::new("alice"),
            procs,
        };
        for (minute, procs) in [(0, 1), (0, 2), (10, 4), (19, 8)] {
            happened.note(at(minute), &came(procs));
        }
        for (minute, recent) in [(19, 15), (20, 12), (30, 8), (39, 0)] {
            assert_eq!(happened.recent(at(minute)).submitted, recent, "at minute {minute}");
        }
        happened.note(at(45), &came(16));
        assert_eq!(happened.minutes.len(), 1, "what is old is forgotten");
        assert_eq!(happened.ever.submitted, 31);
    }
}
