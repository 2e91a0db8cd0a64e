//! Claims that share a slot, and whose run is next there. Knows nothing of how a run is started:
//! only that one is not begun while another lives on its slot.

use model::planted::{Bug, planted};
use model::{ClaimId, ClaimSecret, Now, RunEnd, ScheddName, Usage};
use proto::claiming::RequestClaim;

use crate::core::records::files::StartOrder;
use crate::core::records::keys::RunKey;
use crate::core::state::core::{Claim, Core, Phase};
use crate::core::state::held_back::HeldBack;
use crate::core::words::Fact;

/// How many claims a slot has at most: one whose run lives, and one whose run waits.
const CLAIMS_OF_A_SLOT: usize = 2;

impl Core {
    /// Grants another claim on the slot of one, or says why not.
    pub(in crate::core) fn share(
        &self,
        schedd: &ScheddName,
        request: &RequestClaim,
        shared: ClaimId,
        fresh: ClaimSecret,
    ) -> Result<Fact, String> {
        let held = self.state.claims.get(&shared);
        let held = held.filter(|held| held.schedd == *schedd && held.owner == request.owner);
        let held = held.ok_or("the claim whose slot it is to share is not held")?;
        if held.universe.is_beside() || held.doomed.is_some() {
            return Err("the claim's slot is not to be shared".to_owned());
        }
        if self.slots.get(&held.slot).map_or(0, std::collections::BTreeSet::len) >= CLAIMS_OF_A_SLOT
        {
            return Err("the slot is shared already".to_owned());
        }
        Ok(Fact::ClaimGranted {
            claim: ClaimId { journal: self.machine.journal, number: self.state.last_claim + 1 },
            secret: fresh,
            schedd: schedd.clone(),
            matched: request.matched,
            owner: request.owner.clone(),
            submitter: held.submitter.clone(),
            resources: held.resources.clone(),
            limits: Vec::new(),
            ends_ms: held.ends_ms,
            devices: held.devices.clone(),
            slot: held.slot,
            universe: held.universe,
            shares: true,
        })
    }

    /// The other claims of a claim's slot.
    fn others<'a>(
        &'a self,
        id: ClaimId,
        claim: &Claim,
    ) -> impl Iterator<Item = &'a Claim> + use<'a> {
        let shared = self.slots.get(&claim.slot).filter(|_| !claim.universe.is_beside());
        let others = shared.into_iter().flatten().filter(move |other| **other != id);
        others.filter_map(|other| self.state.claims.get(other))
    }

    /// Whether a run that comes to this claim must wait: another lives on its slot, or waits there.
    pub(in crate::core) fn must_wait(&self, id: ClaimId, claim: &Claim) -> bool {
        !planted(Bug::TurnNotWaited) && self.others(id, claim).any(|other| other.alive().is_some())
    }

    /// What is kept of a run that is held back now.
    pub(in crate::core) fn hold_back(&mut self, key: RunKey, order: &StartOrder) {
        let last = self.held_back.values().map(|held| held.number).max().unwrap_or(0);
        let order = Box::new(order.clone());
        self.held_back.insert(key, HeldBack { number: last + 1, order });
    }

    /// The runs whose turn has come: one for each slot on which nothing lives.
    pub(in crate::core) fn turns(&self, now: Now) -> Vec<Fact> {
        if !self.launcher_listed || self.closing.is_some() {
            return Vec::new();
        }
        let mut waiting: Vec<(&RunKey, &HeldBack)> = self.held_back.iter().collect();
        waiting.sort_by_key(|(_, held)| held.number);
        let mut taken = Vec::new();
        let mut facts = Vec::new();
        for (key, held) in waiting {
            let Some(claim) = self.claim_with(*key) else { continue };
            let lives = self
                .others(key.claim, claim)
                .any(|other| other.alive().is_some_and(|run| run.phase != Phase::Queued));
            let lease_over = claim
                .alive()
                .is_none_or(|run| now.boot_ms >= self.lease_end_ms(&claim.schedd, run.lease_s));
            if lives || lease_over || taken.contains(&claim.slot) {
                continue;
            }
            taken.push(claim.slot);
            let freight = claim.alive().map(|run| run.freight).unwrap_or_default();
            let is_kept = freight.is_fetched() || held.order.window.is_some();
            let order = is_kept.then(|| held.order.clone());
            facts.push(Fact::TurnCame { claim: key.claim, order });
        }
        facts
    }

    /// Whether [`Core::turns`] has something to say.
    pub(in crate::core) fn turn_has_come(&self, now: Now) -> bool {
        !self.held_back.is_empty() && !self.turns(now).is_empty()
    }

    /// Whether its run waited when another startd was here: what was kept for its start is gone.
    pub(in crate::core) fn is_forgotten(&self, id: ClaimId, claim: &Claim) -> bool {
        let queued = claim.alive().is_some_and(|run| run.phase == Phase::Queued);
        queued && !self.held_back.contains_key(&claim.key(id))
    }

    /// What follows for a run that is forgotten: it never began.
    pub(in crate::core) fn forgotten(&self, id: ClaimId, claim: &Claim) -> Vec<Fact> {
        if !self.is_forgotten(id, claim) {
            return Vec::new();
        }
        let reason = "the startd was started again before its turn had come".to_owned();
        self.over(id, claim, RunEnd::Lost { reason }, Usage::default())
    }
}
