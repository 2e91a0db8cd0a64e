//! A simulated machine: what it has, its clock, what survives its startd, and the processes that
//! its launcher keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use classad::ClassAd;
use model::{MachineName, Resources};
use startd::core::{LauncherRun, RunKey};

use super::clock::{HostClock, Micros};
use super::launcher::Kept;
use super::rng::Rng;
use super::startd::StartdHost;

/// What a machine is.
#[derive(Clone, Debug)]
pub(crate) struct MachineKind {
    pub(crate) name: MachineName,
    pub(crate) total: Resources,
    pub(crate) found: Arc<ClassAd>,
}

pub(crate) struct Machine {
    pub(crate) kind: MachineKind,
    pub(crate) clock: HostClock,
    pub(crate) on: bool,
    /// Until when its hypervisor does not let it run.
    pub(crate) paused_until: Micros,
    /// Counts its boots: a process of an earlier one is gone.
    pub(crate) boot: u32,
    pub(crate) startd: StartdHost,
    /// What the launcher keeps; it survives launcher and startd.
    pub(crate) runs: BTreeMap<RunKey, Kept>,
    pub(crate) scratch: BTreeSet<RunKey>,
}

impl Machine {
    pub(crate) fn new(rng: &mut Rng, kind: MachineKind, clock: HostClock) -> Self {
        let startd = StartdHost::first(rng);
        Self {
            kind,
            clock,
            on: true,
            paused_until: 0,
            boot: 1,
            startd,
            runs: BTreeMap::new(),
            scratch: BTreeSet::new(),
        }
    }

    pub(crate) fn name(&self) -> MachineName {
        self.kind.name.clone()
    }

    /// What the launcher lists.
    pub(crate) fn listed(&self) -> Vec<LauncherRun> {
        let runs = self.runs.iter();
        runs.map(|(key, kept)| LauncherRun { key: *key, state: kept.state.clone() }).collect()
    }
}
