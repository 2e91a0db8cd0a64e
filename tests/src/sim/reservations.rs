//! What the negotiator plans against what it was told, seen from outside: when the moment comes
//! from which a place is kept, everything else on that machine leaves it, if claims are over when
//! they say; and what is said of a claim's end is no less than its jobs may take. Asks no core.

use std::collections::BTreeMap;

use classad::Value;
use model::{ClassId, MachineName, Now, Resources, ScheddName, attr};
use negotiator::core::{Input, MatchPlan};
use proto::matchmaking::{FromMachine, FromSchedd, MachineState, Match};

/// How long a match counts that no ad lists and nobody declines.
const EXPIRY_MS: u64 = 10_000;

/// What the negotiator was told in this life of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The last ad of each machine, and when it came.
    ads: BTreeMap<MachineName, (u64, MachineState)>,
    walltimes: BTreeMap<(ScheddName, ClassId), Option<u64>>,
    /// Matches that no ad has listed yet, and when they were made.
    offers: BTreeMap<u64, (u64, Match)>,
}

impl Told {
    pub(crate) fn hear(&mut self, now: Now, input: &Input) {
        match input {
            Input::FromSchedd { schedd, message: FromSchedd::Requests { changed, .. } } => {
                for request in changed {
                    let walltime = request.ad.literal(attr::PBS_WALLTIME).and_then(Value::as_i64);
                    let walltime = walltime.and_then(|walltime| u64::try_from(walltime).ok());
                    self.walltimes.insert((schedd.clone(), request.class), walltime);
                }
            }
            Input::FromSchedd { message: FromSchedd::Declined { matched, .. }, .. } => {
                self.offers.remove(&matched.number);
            }
            Input::FromMachine(FromMachine::Advertise(state)) => self.advertised(now, state),
            Input::FromMachine(FromMachine::Withdraw { machine })
            | Input::MachineDown { machine } => {
                self.ads.remove(machine);
            }
            Input::FromSchedd { message: FromSchedd::Call { .. }, .. }
            | Input::ScheddDown { .. }
            | Input::Drain { .. }
            | Input::EditAccounts { .. }
            | Input::Tick => {}
        }
    }

    fn advertised(&mut self, now: Now, state: &MachineState) {
        let known = self.ads.get(&state.machine);
        if known.is_some_and(|(_, known)| known.sequence >= state.sequence) {
            return;
        }
        for claim in &state.claims {
            self.offers.remove(&claim.matched.number);
        }
        self.ads.insert(state.machine.clone(), (now.boot_ms, state.clone()));
    }

    /// A pass was made.
    pub(crate) fn planned(&mut self, now: Now, plan: &MatchPlan) -> Result<(), String> {
        self.offers.retain(|_, (made_ms, _)| now.boot_ms < *made_ms + EXPIRY_MS);
        for planned in &plan.matches {
            let matched = &planned.matched;
            let class = (planned.schedd.clone(), matched.class);
            let walltime = self.walltimes.get(&class).copied().flatten();
            let least = |term: proto::matchmaking::Term| {
                walltime.is_some_and(|s| u64::from(term.ends_s) >= u64::from(term.starts_s) + s)
            };
            if matched.term.map_or(walltime.is_some(), |term| !least(term)) {
                let term = matched.term;
                return Err(format!("a claim of {walltime:?} s is said to last {term:?}"));
            }
            self.offers.insert(matched.id.number, (now.boot_ms, matched.clone()));
        }
        let Some(kept) = &plan.reservation else { return Ok(()) };
        let Some((heard_ms, ad)) = self.ads.get(&kept.machine) else {
            return Err(format!("a place is kept on {}, which is not there", kept.machine));
        };
        let claims = ad.claims.iter().map(|claim| {
            let ends_ms = claim.ends_in_s.map(|seconds| heard_ms + u64::from(seconds) * 1000);
            (ends_ms, &claim.resources)
        });
        let offers = self.offers.values().filter(|(_, offer)| offer.machine == kept.machine);
        let offers = offers.map(|(made_ms, offer)| {
            let ends_ms = offer.term.map(|term| made_ms + u64::from(term.ends_s) * 1000);
            (ends_ms, &offer.resources)
        });
        let still_there =
            claims.chain(offers).filter(|(ends, _)| ends.is_none_or(|ends| ends > kept.from_ms));
        let taken =
            still_there.fold(Resources::default(), |all, (_, resources)| all.plus(resources));
        let left = ad.total.minus(&taken);
        if left.as_ref().is_some_and(|left| left.covers(&kept.part)) {
            return Ok(());
        }
        Err(format!(
            "{:?} of {} is kept from {} ms, and what is not over by then leaves {left:?}",
            kept.part, kept.machine, kept.from_ms
        ))
    }
}
