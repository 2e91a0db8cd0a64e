//! A machine that is drained: no claim is granted and nothing is started on those that there are,
//! until the negotiator says otherwise. What runs beside a schedd goes on: it takes nothing of the
//! machine, and may be what all other jobs of a workflow hang on.

use model::{ClaimId, RunEnd, Universe, VacateCode};
use proto::claiming::StopAim;
use proto::draining::{Drain, DrainHow};

use crate::core::records::keys::Stop;
use crate::core::state::core::{Activity, Claim, Core, Phase, Run};
use crate::core::words::{Fact, Rejection};

impl Core {
    /// The machine is to take no new jobs, or to take some again.
    pub(in crate::core) fn drain(&self, order: Option<&Drain>) -> Result<Vec<Fact>, Rejection> {
        if self.state.drain.as_ref() == order {
            return Err(Rejection::Stale);
        }
        let mut facts = vec![Fact::DrainOrdered { drain: order.cloned() }];
        if let Some(drain) = order {
            let claims = self.state.claims.iter();
            let concerned = claims.filter(|(_, claim)| !claim.universe.is_beside());
            facts.extend(concerned.flat_map(|(id, claim)| self.emptied(*id, claim, drain)));
        }
        Ok(facts)
    }

    /// What follows for a claim when its machine is drained.
    fn emptied(&self, id: ClaimId, claim: &Claim, drain: &Drain) -> Vec<Fact> {
        match &claim.activity {
            Activity::Idle { .. } => vec![Fact::ClaimDropped { claim: id, reason: said(drain) }],
            // Its end is in no record yet: the claim goes when it is.
            Activity::Run(run) if run.is_over() => Vec::new(),
            Activity::Run(run) => {
                let graceful = drain.how != DrainHow::Kill;
                let is_new = match run.stop {
                    None => drain.how != DrainHow::Finish || has_not_begun(run),
                    Some(before) => before.graceful && !graceful,
                };
                let code = run.stop.map_or(VacateCode::StartdDraining, |before| before.code);
                let aim = run.stop.map_or(StopAim::Vacate, |before| before.aim);
                let stop = is_new.then_some(Stop { graceful, code, aim });
                self.stopped(id, claim, stop, None)
            }
        }
    }

    /// Why nothing of this universe is taken, if it is because the machine is drained.
    pub(in crate::core) fn drained(&self, universe: Universe) -> Option<String> {
        self.state.drain.as_ref().filter(|_| !universe.is_beside()).map(said)
    }

    /// The claim goes when its run is in the record, if nothing else may run on it.
    pub(in crate::core) fn dropped_if_drained(&self, id: ClaimId, claim: &Claim) -> Option<Fact> {
        let reason = self.drained(claim.universe)?;
        Some(Fact::ClaimDropped { claim: id, reason })
    }

    /// How a run ends that is ordered on a machine that is drained.
    pub(in crate::core) fn refused_by_drain(&self, universe: Universe) -> Option<RunEnd> {
        self.drained(universe).map(|_| RunEnd::vacated(VacateCode::StartdDraining))
    }
}

/// Whether nobody could have seen the job run.
fn has_not_begun(run: &Run) -> bool {
    match run.phase {
        Phase::Queued | Phase::Waiting(_) => true,
        Phase::Fetching(_)
        | Phase::Starting
        | Phase::Executing { .. }
        | Phase::Storing(_)
        | Phase::Ended { .. } => false,
    }
}

fn said(drain: &Drain) -> String {
    match drain.reason.as_str() {
        "" => "the machine is being drained".to_owned(),
        why => format!("the machine is being drained: {why}"),
    }
}
