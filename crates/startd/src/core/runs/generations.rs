//! Which of the queues that were put in a schedd's place it works with. A queue that was put back
//! from a copy gives numbers again that the lost one gave: what runs for an older generation ends
//! before a newer one hears how things stand here, so that no job runs twice.

use model::{
    ScheddName, VacateCode,
    planted::{Bug, planted},
};
use proto::claiming::StopAim;

use crate::core::records::keys::Stop;
use crate::core::state::core::{Claim, Core};
use crate::core::words::{Fact, Rejection};

impl Core {
    /// A schedd connects. Of an older generation it is refused: that queue was replaced.
    pub(in crate::core) fn schedd_up(
        &self,
        schedd: &ScheddName,
        near: bool,
        generation: u64,
    ) -> Result<Vec<Fact>, Rejection> {
        let known = self.state.generations.get(schedd).copied();
        if let Some(known) = known.filter(|known| generation < *known) {
            return Err(Rejection::OlderQueue { schedd: schedd.clone(), generation, known });
        }
        let mut facts = Vec::new();
        if known != Some(generation) {
            facts.push(Fact::GenerationSeen { schedd: schedd.clone(), generation });
            let claims = self.state.claims.iter();
            let older = claims
                .filter(|(_, claim)| claim.schedd == *schedd && claim.is_older_than(generation));
            facts.extend(older.flat_map(|(id, claim)| self.fence(*id, claim)));
        }
        facts.push(Fact::ScheddCame { schedd: schedd.clone(), near });
        Ok(facts)
    }

    /// Ends a claim of an older queue, with what runs on it.
    fn fence(&self, id: model::ClaimId, claim: &Claim) -> Vec<Fact> {
        let reason = "another queue was put in the place of the one that it was granted to";
        let Some(run) = claim.alive() else {
            return vec![Fact::ClaimDropped { claim: id, reason: reason.to_owned() }];
        };
        let code = run.stop.map_or(VacateCode::ScheddVacate, |stop| stop.code);
        let aim = run.stop.map_or(StopAim::default(), |stop| stop.aim);
        let stop = Stop { graceful: false, code, aim };
        let cut = claim.is_carried().then_some(Fact::CutOff { claim: id });
        self.stopped(id, claim, Some(stop), Some(reason)).into_iter().chain(cut).collect()
    }

    /// Whether a schedd's queue was replaced, as far as is known here.
    pub fn is_replaced(&self, schedd: &ScheddName, generation: u64) -> bool {
        self.state.generations.get(schedd).is_some_and(|known| generation < *known)
    }

    /// Whether something of an older queue of this schedd's is left, looked up in the claims.
    pub(in crate::core) fn has_older(&self, schedd: &ScheddName) -> bool {
        let Some(present) = self.state.generations.get(schedd) else { return false };
        let mut claims = self.state.claims.values();
        claims.any(|claim| claim.schedd == *schedd && claim.is_older_than(*present))
    }
}

impl Claim {
    fn is_older_than(&self, generation: u64) -> bool {
        // 0: a release that knew no generations has granted it.
        let is_known = self.generation > 0;
        is_known && self.generation < generation && !planted(Bug::GenerationIgnored)
    }
}
