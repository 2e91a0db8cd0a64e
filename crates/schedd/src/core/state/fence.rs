//! The time after a queue was put back from a copy. The queue that it replaced may have started
//! runs that the copy knows nothing of, under numbers that the copy will give again. So nothing
//! starts before each machine that had runs has answered (it ends those of older queues first), or
//! the longest lease of such a run is over.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{
    Cause, MachineName, Now, attr,
    planted::{Bug, planted},
};
use proto::claiming::{DEFAULT_LEASE, MIN_LEASE, lease_margin};

use crate::core::job::description::env;
use crate::core::records::rows::WITHOUT_END_S;
use crate::core::state::config::RanOn;
use crate::core::state::core::{Core, Machine};

/// What is waited for before anything starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    /// At this moment of the boot clock every run of an older queue is surely over.
    pub(crate) until_ms: u64,
    /// The machines that had runs and have not answered; unknown where nothing says which had.
    unheard: Option<BTreeSet<MachineName>>,
}

impl Fence {
    /// Whether the machine is to be heard.
    pub(crate) fn misses(&self, machine: &MachineName) -> bool {
        self.unheard.as_ref().is_some_and(|unheard| unheard.contains(machine))
    }

    pub(crate) fn is_over(&self, now: Now) -> bool {
        now.boot_ms >= self.until_ms || self.unheard.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// Why nothing starts.
    pub(crate) fn cause(&self, now: Now) -> Cause {
        let machines = self.unheard.iter().flatten().map(|machine| machine.as_str().to_owned());
        let seconds = self.until_ms.saturating_sub(now.boot_ms).div_ceil(1000);
        Cause::QueuePutBack { machines: machines.collect(), seconds }
    }
}

impl Core {
    /// Until which moment of the boot clock nothing may start at most, if the queue was put back.
    pub fn fenced_until(&self) -> Option<u64> {
        self.fence.as_ref().map(|fence| fence.until_ms)
    }

    /// The machines that hold claims of this queue: only there may runs of it be.
    pub fn machines_with_claims(&self) -> Vec<RanOn> {
        let held = self.machines.iter().filter(|(_, machine)| !machine.claims.is_empty());
        let ran = held.map(|(name, machine)| {
            let claims = machine.claims.iter().filter_map(|id| self.claims.get(id));
            let leases = claims.map(|claim| claim.record.lease_s);
            let lease_s = leases.filter(|lease_s| *lease_s != WITHOUT_END_S).max().unwrap_or(0);
            RanOn { machine: name.clone(), address: machine.address.clone(), lease_s }
        });
        ran.collect()
    }

    /// Whether nothing may start because of what an older queue may have started.
    pub(crate) fn is_fenced(&self) -> bool {
        self.fence.is_some() && !planted(Bug::FenceNotKept)
    }

    /// What a queue begins with that was put back and has not waited yet.
    pub(in crate::core) fn set_up_fence(&mut self, now: Now) {
        if self.config.generation <= self.meta.open_generation {
            return;
        }
        let lease = match &self.config.ran_on {
            Some(machines) => machines.iter().map(|ran| u64::from(ran.lease_s)).max().unwrap_or(0),
            None => self.longest_lease_s(now),
        };
        let lease = Duration::from_secs(lease).max(MIN_LEASE);
        let until_ms = now.deadline(lease + lease_margin(lease));
        let machines = self.config.ran_on.clone();
        for ran in machines.iter().flatten() {
            let machine = || Machine {
                address: ran.address.clone(),
                heard_ms: now.boot_ms,
                ..Machine::default()
            };
            self.machines.entry(ran.machine.clone()).or_insert_with(machine);
        }
        let unheard =
            machines.map(|machines| machines.into_iter().map(|ran| ran.machine).collect());
        self.fence = Some(Fence { until_ms, unheard });
    }

    /// What the queue's own jobs may have asked for.
    fn longest_lease_s(&self, now: Now) -> u64 {
        let said = |ad: &classad::ClassAd| ad.eval(attr::JOB_LEASE_DURATION, None, &env(now));
        let said = self.clusters.values().filter_map(|cluster| said(&cluster.ad).as_i64());
        let longest = said.filter_map(|lease_s| u64::try_from(lease_s).ok()).max();
        longest.unwrap_or(0).max(DEFAULT_LEASE.as_secs())
    }

    /// A machine has answered: nothing of older queues is left on it.
    pub(in crate::core) fn machine_is_clear(&mut self, machine: &MachineName) {
        if let Some(unheard) = self.fence.as_mut().and_then(|fence| fence.unheard.as_mut()) {
            unheard.remove(machine);
        }
    }

    /// Everything may start; the negotiator hears of all that waits.
    pub(in crate::core) fn lift_fence(&mut self) {
        self.fence = None;
        self.meta.open_generation = self.config.generation;
        self.classes.changed = self.classes.by_id.keys().copied().collect();
        if let Some(negotiator) = &mut self.negotiator {
            negotiator.introduced = false;
        }
    }
}
