//! Recomputes from scratch what `apply` keeps in step. Tests and the simulator call it after every
//! event.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::state::core::Core;

impl Core {
    /// Says what is inconsistent, if anything is.
    ///
    /// # Errors
    ///
    /// A sentence for the first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        let claims = &self.state.claims;
        self.check_slots()?;
        let mut left = Some(self.machine.total.clone());
        let mut counted = BTreeSet::new();
        for claim in claims.values() {
            if claim.universe.is_beside() || counted.insert(claim.slot) {
                left = left.and_then(|left| left.minus(&claim.resources));
            }
        }
        if left.as_ref() != Some(&self.free) {
            return Err(format!("free is {:?}, the claims leave {left:?}", self.free));
        }
        let taking = |claim: &&crate::core::state::core::Claim| {
            claim.universe.is_beside() && claim.resources != model::Resources::default()
        };
        if let Some(claim) = claims.values().find(taking) {
            return Err(format!("claim {claim:?} is beside a schedd and takes something"));
        }
        for custom in &self.machine.customs {
            let carved: Vec<_> = self.carved().collect();
            let ids = || carved.iter().filter_map(|claim| claim.devices.get(&custom.tag)).flatten();
            let distinct: BTreeSet<&String> = ids().collect();
            if distinct.len() != ids().count() {
                return Err(format!("one of the {} is given twice", custom.tag));
            }
        }
        let by_match: BTreeMap<_, _> = claims.iter().map(|(id, c)| (c.matched, *id)).collect();
        if by_match != self.by_match {
            return Err("the index by match is not that of the claims".to_owned());
        }
        for (id, claim) in claims {
            if claim.doomed.is_some() && claim.alive().is_none_or(|run| run.stop.is_none()) {
                return Err(format!("claim {id} is doomed and its run is not being stopped"));
            }
            if id.journal != self.machine.journal || id.number > self.state.last_claim {
                return Err(format!("claim {id} is not of this journal"));
            }
        }
        let has_older = |schedd: &&model::ScheddName| self.has_older(schedd);
        if !self.state.generations.keys().filter(has_older).eq(&self.fencing) {
            return Err(format!("{:?} are said to have older queues", self.fencing));
        }
        let beyond = self
            .state
            .leased_from_ms
            .keys()
            .find(|schedd| !claims.values().any(|claim| claim.schedd == **schedd));
        match beyond {
            Some(schedd) => Err(format!("schedd {schedd} has a lease and no claim")),
            None => self.check_turns(),
        }
    }

    /// A slot is one claim's, or its and those that share it with its schedd's consent.
    fn check_slots(&self) -> Result<(), String> {
        for (beside, known) in [(false, &self.slots), (true, &self.beside)] {
            let mut used: BTreeMap<u32, BTreeSet<_>> = BTreeMap::new();
            let mut first = BTreeMap::new();
            for (id, claim) in &self.state.claims {
                if claim.universe.is_beside() == beside {
                    used.entry(claim.slot).or_default().insert(*id);
                    if !claim.shares && first.insert(claim.slot, id).is_some() {
                        return Err(format!("slot {} is two: the claims have it", claim.slot));
                    }
                }
            }
            if used != *known {
                return Err(format!("slots are {known:?}, the claims have {used:?}"));
            }
        }
        Ok(())
    }

    /// What is held back is kept for runs that wait; and of the runs of a slot one lives.
    fn check_turns(&self) -> Result<(), String> {
        let queued = |claim: &crate::core::state::core::Claim| {
            claim.alive().is_some_and(|run| run.phase == crate::core::state::core::Phase::Queued)
        };
        for key in self.held_back.keys() {
            if !self.claim_with(*key).is_some_and(queued) {
                return Err(format!("the start of run {key} is held back, and it does not wait"));
            }
        }
        for (slot, holders) in &self.slots {
            let held = holders.iter().filter_map(|id| self.state.claims.get(id));
            let lives = held.filter(|claim| claim.alive().is_some() && !queued(claim)).count();
            if lives > 1 {
                return Err(format!("{lives} runs live on slot {slot}"));
            }
        }
        Ok(())
    }
}
