//! How the ad of a machine that is drained says so. Which machines are is not known here. The
//! machines' ads are their own; what is said here is laid over them, so it holds before a machine
//! has heard of it.

use std::sync::Arc;

use classad::ClassAd;
use model::attr;
use proto::draining::Drain;
use proto::matchmaking::MachineState;

/// The machine as it is offered: one that is drained takes nothing, and says so
/// (`Draining`, `DrainReason`, and the states `Drained` and `Retiring`, as HTCondor 25.14's do).
pub(in crate::core) fn shown(mut state: MachineState, drain: Option<&Drain>) -> MachineState {
    let (Some(drain), Some(slot)) = (drain, state.slots.first_mut()) else { return state };
    let mut ad = ClassAd::new();
    ad.set_parent(Arc::clone(slot));
    ad.set(attr::START, false);
    ad.set(attr::DRAINING, true);
    ad.set(attr::DRAIN_REASON, drain.reason.as_str());
    ad.set(attr::STATE, "Drained");
    ad.set(attr::ACTIVITY, if state.claims.is_empty() { "Idle" } else { "Retiring" });
    ad.set(attr::ENTERED_CURRENT_STATE, drain.since.as_secs());
    *slot = Arc::new(ad);
    state
}

/// The machine as it said it was.
pub(in crate::core) fn plain(mut state: MachineState) -> MachineState {
    if let Some(slot) = state.slots.first_mut().filter(|slot| slot.get(attr::DRAINING).is_some())
        && let Some(said) = slot.parent().cloned()
    {
        *slot = said;
    }
    state
}
