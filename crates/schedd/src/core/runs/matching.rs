//! The negotiator: what it is told of the idle jobs, and what is done with its matches.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{ClassId, Now};
use proto::matchmaking::{ClassRequest, FromSchedd, HeldMatch, Match, ToSchedd};

use crate::core::ads;
use crate::core::runs::gates::Gates;
use crate::core::state::classes::Class;
use crate::core::state::core::{Core, Told};
use crate::core::words::{ClaimFact, Fact, NegotiatorFact, Rejection};

/// How often the negotiator is told everything although it was told every change: a message that
/// was overtaken by another would leave it wrong for ever.
const RETELL_EVERY: Duration = Duration::from_secs(120);

impl Core {
    pub(crate) fn negotiator_said(
        &self,
        now: Now,
        message: &ToSchedd,
    ) -> Result<Vec<Fact>, Rejection> {
        match message {
            ToSchedd::Matches(matches) => Ok(self.take_matches(matches)),
            ToSchedd::Reasons(reasons) => {
                let told = reasons.iter().filter_map(|(id, reason)| Some((*id, reason.as_ref()?)));
                let news = told.flat_map(|(id, reason)| self.newly_waiting(id, reason));
                Ok([Fact::Negotiator(NegotiatorFact::ReasonsHeard(reasons.clone()))]
                    .into_iter()
                    .chain(news)
                    .collect())
            }
            ToSchedd::Drained(machines) => {
                let machines = machines.iter().cloned().collect();
                if machines == self.drained {
                    return Err(Rejection::Stale);
                }
                Ok(vec![Fact::Negotiator(NegotiatorFact::DrainsHeard(machines))])
            }
            ToSchedd::Booked(answers) => self.booked(now, answers),
            ToSchedd::Significant(names) => {
                let names: BTreeSet<_> = names.iter().cloned().collect();
                if names == self.classes.significant {
                    return Err(Rejection::Stale);
                }
                Ok(vec![Fact::Negotiator(NegotiatorFact::SignificantHeard(
                    names.into_iter().collect(),
                ))])
            }
        }
    }

    /// Claims each part that a job still waits for, and declines the rest.
    fn take_matches(&self, matches: &[Match]) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut taken: BTreeMap<ClassId, u64> = BTreeMap::new();
        let (mut asked, mut declined) = (BTreeSet::new(), BTreeSet::new());
        let gates = self.gates();
        for matched in matches {
            let known = self.claiming.contains_key(&matched.id)
                || self.has_claim_from(matched)
                || !asked.insert(matched.id);
            if known {
                continue;
            }
            let class = self.classes.by_id.get(&matched.class);
            let wanted = class.map_or(0, |class| self.wanted(class, &gates));
            let taken = taken.entry(matched.class).or_default();
            // Of what a job needs at once, all is taken or nothing.
            let other = matched.gang.as_ref().filter(|share| !share.is_first());
            let is_taken = match other {
                Some(share) => {
                    asked.contains(&share.gang) && !declined.contains(&share.gang)
                        || self.claiming.contains_key(&share.gang)
                }
                None => *taken < wanted,
            };
            if is_taken {
                *taken += u64::from(other.is_none());
                facts.push(Fact::Claim(ClaimFact::Requested(matched.clone())));
            } else {
                let reason = "no job of the class waits any more".to_owned();
                let class = matched.class;
                declined.insert(matched.id);
                facts.push(Fact::Negotiator(NegotiatorFact::MatchDeclined {
                    matched: matched.id,
                    class,
                    reason,
                }));
            }
        }
        facts.extend(
            matches
                .iter()
                .map(|m| m.id)
                .max()
                .map(|matched| Fact::Negotiator(NegotiatorFact::MatchSeen { matched })),
        );
        facts
    }

    fn has_claim_from(&self, matched: &Match) -> bool {
        let machine = self.machines.get(&matched.machine);
        machine.into_iter().flat_map(|machine| &machine.claims).any(|claim| {
            self.claims.get(claim).is_some_and(|claim| claim.record.matched == matched.id)
        })
    }

    /// What the negotiator must be told now: everything on a new connection, afterwards what
    /// changed.
    pub(crate) fn requests(&self, now: Now) -> Option<Fact> {
        let negotiator = self.negotiator.as_ref()?;
        let full = !negotiator.introduced || self.retell_ms().is_some_and(|due| now.boot_ms >= due);
        let (mut changed, mut gone) = (Vec::new(), Vec::new());
        let gates = self.gates();
        let all = self.classes.by_id.keys().filter(|_| full);
        for id in self.classes.changed.iter().filter(|_| !full).chain(all) {
            let request =
                self.classes.by_id.get(id).and_then(|class| self.request(*id, class, &gates));
            let told = negotiator.told.get(id);
            match request {
                Some(request) if full || told != Some(&told_of(&request)) => changed.push(request),
                None if told.is_some() && !full => gone.push(*id),
                Some(_) | None => {}
            }
        }
        if !full && changed.is_empty() && gone.is_empty() {
            return None;
        }
        let seen = negotiator.seen;
        let (held, bookings) =
            if full { (self.held(), self.bookings()) } else { Default::default() };
        Some(Fact::Negotiator(NegotiatorFact::Told(FromSchedd::Requests {
            full,
            changed,
            gone,
            seen,
            held,
            bookings,
        })))
    }

    /// The matches that count against limits, and of which something runs or may run.
    fn held(&self) -> Vec<HeldMatch> {
        let asked = self.claiming.values().map(|claiming| &claiming.matched);
        let asked = asked.map(|matched| (matched.id, &matched.machine, &matched.limits));
        let claimed = self.claims.values().map(|claim| &claim.record);
        let claimed = claimed.map(|record| (record.matched, &record.machine, &record.limits));
        let limited = asked.chain(claimed).filter(|(_, _, limits)| !limits.is_empty());
        limited
            .map(|(matched, machine, limits)| HeldMatch {
                matched,
                machine: machine.clone(),
                limits: limits.clone(),
            })
            .collect()
    }

    /// When the negotiator is to be told everything again; not if it knows of nothing that waits.
    pub(crate) fn retell_ms(&self) -> Option<u64> {
        let negotiator = self.negotiator.as_ref().filter(|n| !n.told.is_empty())?;
        let every = u64::try_from(RETELL_EVERY.as_millis()).unwrap_or(u64::MAX);
        Some(negotiator.told_all_ms.saturating_add(every))
    }

    fn request(&self, id: ClassId, class: &Class, gates: &Gates<'_>) -> Option<ClassRequest> {
        if class.universe.is_beside() {
            return None;
        }
        let idle = u32::try_from(self.wanted(class, gates)).unwrap_or(u32::MAX);
        let (priority, first) = class.idle.first().filter(|_| idle > 0)?;
        let ad = ads::matching_ad(self.job(first)?, self);
        let owner = model::submitter(&ad, &class.owner);
        Some(ClassRequest { class: id, owner, priority, first, idle, ad })
    }
}

pub(crate) fn told_of(request: &ClassRequest) -> Told {
    Told { priority: request.priority, first: request.first, idle: request.idle }
}
