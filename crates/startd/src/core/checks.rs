//! Recomputes from scratch what `apply` keeps in step. Tests and the simulator call it after every
//! event.

use std::collections::{BTreeMap, BTreeSet};

use super::state::Core;

impl Core {
    /// Says what is inconsistent, if anything is.
    ///
    /// # Errors
    ///
    /// A sentence for the first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        let claims = &self.state.claims;
        let mut left = Some(self.machine.total.clone());
        for claim in claims.values() {
            left = left.and_then(|left| left.minus(&claim.resources));
        }
        if left.as_ref() != Some(&self.free) {
            return Err(format!("free is {:?}, the claims leave {left:?}", self.free));
        }
        let numbers = |beside: bool| -> Vec<u32> {
            let kind = claims.values().filter(|claim| claim.universe.is_beside() == beside);
            kind.map(|claim| claim.slot).collect()
        };
        for (used, known) in [(numbers(false), &self.slots), (numbers(true), &self.beside)] {
            let slots: BTreeSet<u32> = used.iter().copied().collect();
            if slots.len() != used.len() || slots != *known {
                return Err(format!("slots are {known:?}, the claims have {used:?}"));
            }
        }
        let taking = |claim: &&super::state::Claim| {
            claim.universe.is_beside() && claim.resources != model::Resources::default()
        };
        if let Some(claim) = claims.values().find(taking) {
            return Err(format!("claim {claim:?} is beside a schedd and takes something"));
        }
        for custom in &self.machine.customs {
            let ids =
                || claims.values().filter_map(|claim| claim.devices.get(&custom.tag)).flatten();
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
            None => Ok(()),
        }
    }
}
