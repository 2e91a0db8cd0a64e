//! The negotiator: what it is told of the idle jobs, and what is done with its matches.

use std::collections::{BTreeMap, BTreeSet};

use model::{ClassId, Now};
use proto::matchmaking::{ClassRequest, FromSchedd, Match, ToSchedd};

use super::ads;
use super::classes::Class;
use super::state::{Core, Told};
use super::words::{Fact, Rejection};

impl Core {
    pub(super) fn from_negotiator(&self, message: &ToSchedd) -> Result<Vec<Fact>, Rejection> {
        match message {
            ToSchedd::Matches(matches) => Ok(self.take_matches(matches)),
            ToSchedd::Reasons(reasons) => Ok(vec![Fact::ReasonsHeard(reasons.clone())]),
            ToSchedd::Significant(names) => {
                let names: BTreeSet<_> = names.iter().cloned().collect();
                if names == self.classes.significant {
                    return Err(Rejection::Stale);
                }
                Ok(vec![Fact::SignificantHeard(names.into_iter().collect())])
            }
        }
    }

    /// Claims each part that a job still waits for, and declines the rest.
    fn take_matches(&self, matches: &[Match]) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut taken: BTreeMap<ClassId, u64> = BTreeMap::new();
        let mut asked = BTreeSet::new();
        for matched in matches {
            let known = self.claiming.contains_key(&matched.id)
                || self.has_claim_from(matched)
                || !asked.insert(matched.id);
            if known {
                continue;
            }
            let wanted = self.classes.by_id.get(&matched.class).map_or(0, Class::wanted);
            let taken = taken.entry(matched.class).or_default();
            if *taken < wanted {
                *taken += 1;
                facts.push(Fact::ClaimRequested(matched.clone()));
            } else {
                let reason = "no job of the class waits any more".to_owned();
                facts.push(Fact::MatchDeclined { matched: matched.id, reason });
            }
        }
        facts.extend(matches.iter().map(|m| m.id).max().map(|matched| Fact::MatchSeen { matched }));
        facts
    }

    fn has_claim_from(&self, matched: &Match) -> bool {
        let machine = self.machines.get(&matched.machine);
        machine.into_iter().flat_map(|machine| &machine.claims).any(|claim| {
            self.claims.get(claim).is_some_and(|claim| claim.record.matched == matched.id)
        })
    }

    /// What the negotiator must be told now: everything on a new connection, afterwards what changed.
    pub(super) fn requests(&self, now: Now) -> Option<Fact> {
        let negotiator = self.negotiator.as_ref()?;
        let (mut changed, mut gone) = (Vec::new(), Vec::new());
        for id in &self.classes.changed {
            let request =
                self.classes.by_id.get(id).and_then(|class| self.request(*id, class, now));
            let told = negotiator.told.get(id);
            match request {
                Some(request) if told != Some(&told_of(&request)) => changed.push(request),
                None if told.is_some() => gone.push(*id),
                Some(_) | None => {}
            }
        }
        let full = !negotiator.introduced;
        if !full && changed.is_empty() && gone.is_empty() {
            return None;
        }
        let seen = negotiator.seen;
        Some(Fact::RequestsTold(FromSchedd::Requests { full, changed, gone, seen }))
    }

    fn request(&self, id: ClassId, class: &Class, now: Now) -> Option<ClassRequest> {
        let idle = u32::try_from(class.wanted()).unwrap_or(u32::MAX);
        let (prio, first) = class.idle.first().filter(|_| idle > 0)?;
        let ad = ads::matching_ad(self.job(first)?, now, self);
        Some(ClassRequest { class: id, owner: class.owner.clone(), prio, first, idle, ad })
    }
}

fn told_of(request: &ClassRequest) -> Told {
    Told { prio: request.prio, first: request.first, idle: request.idle }
}
