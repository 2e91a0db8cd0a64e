//! The place that is kept for the first job that finds none, and what may run there until then.
//!
//! A job of PBS's that needs more of a machine than is left gets the machine on which enough will
//! be left first, as far as the claims there say when they are over. From then on in the pass the
//! machine is given only to what is over by that moment, or fits beside the job. Everything is
//! found anew in each pass: nothing of it is stored, and a negotiator that restarts finds the same
//! ([ADR 0039](../../../../../../docs/adr/0039-a-reservation-is-found-anew-in-each-pass.md)).

use std::time::Duration;

use classad::Value;
use model::planted::{Bug, planted};
use model::{ClassId, MachineName, Now, Resources, ScheddName, Timestamp, attr, queues};
use proto::matchmaking::Term;

use crate::core::machines::pool::Pool;
use crate::core::matching::marks::mark_of;
use crate::core::requests::demand::Class;

/// How long a match may be under way before its claim is granted.
const GRANT_S: u64 = 15;

/// From the end of a run's walltime to the moment at which its claim is over: the time to die.
const DIE_S: u64 = 60;

/// How long after the window of a reservation a claim in it may last, as its term says: what is
/// offered late in it may begin as late, and has its time to die twice.
pub(crate) const PAST_WINDOW_MS: u64 = (GRANT_S + 2 * DIE_S) * 1000;

/// For how long runs may begin on a claim, where nothing is to be over soon: as long as the schedd
/// would keep it, and no longer than a run, so that half of the time is never waited for in vain.
const STARTS_S: u64 = 1200;

/// The same at least.
const LEAST_STARTS_S: u64 = 60;

/// The shortest time in which the first run of a claim is sure to begin.
const FIRST_START_S: u64 = 5;

/// What should be over already is thought to be over then.
const OVERDUE: Duration = Duration::from_secs(60);

/// The place that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    /// For the first job of which class.
    pub schedd: ScheddName,
    pub class: ClassId,
    pub machine: MachineName,
    /// What of it.
    pub part: Resources,
    /// From when, in milliseconds of the steady clock.
    pub from_ms: u64,
}

/// A reservation while its pass goes on.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) row: u32,
    pub(crate) reservation: Reservation,
    /// What will be left beside it.
    pub(crate) spare: Resources,
}

/// What has a part of a machine.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) part: Resources,
    /// When it is over at the latest, in milliseconds of the steady clock, if that can be told.
    pub(crate) ends_ms: Option<u64>,
    /// How it says in which advance reservation it is, if in any.
    pub(crate) mark: Option<String>,
}

impl Class {
    /// What its jobs ask for, seconds, if they do.
    pub(crate) fn walltime_s(&self) -> Option<u64> {
        let walltime = self.request.ad.literal(attr::PBS_WALLTIME).and_then(Value::as_i64)?;
        u64::try_from(walltime).ok()
    }

    /// Whether a place is kept for its first job when it finds none.
    pub(crate) fn may_reserve(&self) -> bool {
        self.request.ad.get(queues::QUEUE).is_some() && self.hosts <= 1
    }

    /// How long a claim of it lasts.
    pub(crate) fn term(&self) -> Option<Term> {
        let walltime = self.walltime_s()?;
        Some(term(walltime, walltime.clamp(LEAST_STARTS_S, STARTS_S)))
    }

    /// The same of a claim that must be over at a moment; nothing if it may not be.
    pub(crate) fn term_until(&self, until_ms: u64, now: Now) -> Option<Term> {
        if planted(Bug::BackfillTooLong) {
            return self.term().or(Some(term(0, STARTS_S)));
        }
        let walltime = self.walltime_s()?;
        let in_s = until_ms.saturating_sub(now.boot_ms) / 1000;
        let starts = in_s.checked_sub(GRANT_S + DIE_S)?.checked_sub(walltime)?;
        let usual = walltime.clamp(LEAST_STARTS_S, STARTS_S);
        (starts >= FIRST_START_S).then(|| term(walltime, starts.min(usual)))
    }
}

impl Class {
    /// The term of a claim of it in a reservation that ends then: what still runs is ended. Nothing
    /// if there is not enough time, give or take the time to die.
    pub(crate) fn term_within(&self, until_ms: u64, now: Now) -> Option<Term> {
        let left_s = until_ms.saturating_sub(now.boot_ms) / 1000;
        match self.walltime_s() {
            Some(walltime) => {
                let starts = (left_s + DIE_S).checked_sub(walltime)?;
                (starts >= FIRST_START_S).then(|| term(walltime, starts.min(STARTS_S)))
            }
            None => (left_s >= FIRST_START_S).then(|| term(0, left_s)),
        }
    }
}

/// The shorter of two terms.
pub(crate) fn shorter(one: Option<Term>, other: Term) -> Term {
    one.filter(|one| one.ends_s < other.ends_s).unwrap_or(other)
}

fn term(walltime_s: u64, starts_s: u64) -> Term {
    let ends_s = starts_s.saturating_add(walltime_s).saturating_add(DIE_S);
    let seconds = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Term { starts_s: seconds(starts_s), ends_s: seconds(ends_s) }
}

/// When a claim of this term is over at the latest that is offered now.
pub(crate) fn end_of(term: Term, now: Now) -> u64 {
    now.deadline(Duration::from_secs(GRANT_S + u64::from(term.ends_s)))
}

impl Kept {
    /// Whether a claim that takes this part of the machine takes nothing from it.
    pub(crate) fn leaves_room(&self, class: &Class, part: &Resources, now: Now) -> bool {
        self.spare.covers(part) || class.term_until(self.reservation.from_ms, now).is_some()
    }

    /// The class takes a part: how long its claim lasts.
    pub(crate) fn give(&mut self, class: &Class, part: &Resources, now: Now) -> Option<Term> {
        match class.term_until(self.reservation.from_ms, now) {
            Some(term) => Some(term),
            None => {
                self.spare = self.spare.minus(part).unwrap_or_default();
                class.term()
            }
        }
    }

    /// The class takes this of the machine beyond its own reservation: what its claim is to last at
    /// most, if something is kept of that.
    pub(crate) fn give_beyond(
        &mut self,
        class: &Class,
        beyond: &Resources,
        now: Now,
    ) -> Option<Term> {
        if self.spare.covers(beyond) {
            self.spare = self.spare.less(beyond);
            return None;
        }
        class.term_until(self.reservation.from_ms, now)
    }

    /// On the wall clock, in whole seconds, and not too early.
    pub(crate) fn from(&self, now: Now) -> Timestamp {
        let in_ms = self.reservation.from_ms.saturating_sub(now.boot_ms);
        let in_ms = i64::try_from(in_ms).unwrap_or(i64::MAX);
        let ms = now.wall.as_millis().saturating_add(in_ms).saturating_add(999);
        Timestamp::from_secs(ms.div_euclid(1000))
    }
}

/// What has parts of a machine: its claims, and what was offered of it.
pub(crate) fn holders(pool: &Pool, row: u32, now: Now) -> Vec<Holder> {
    let machine = pool.row(row);
    let claims = machine.state.claims.iter().map(|claim| {
        let end = |seconds: u32| machine.heard.deadline(Duration::from_secs(seconds.into()));
        (claim.ends_in_s.map(end), &claim.resources, mark_of(&claim.limits))
    });
    let offers = pool.offers_on(&machine.state.machine);
    let offers = offers.map(|offer| (offer.ends_ms, &offer.resources, offer.mark.as_deref()));
    let soonest = now.deadline(OVERDUE);
    let overdue = |ends_ms: u64| if ends_ms <= now.boot_ms { soonest } else { ends_ms };
    let holder = |(ends_ms, part, mark): (Option<u64>, &Resources, Option<&str>)| Holder {
        part: part.clone(),
        ends_ms: ends_ms.map(overdue),
        mark: mark.map(str::to_owned),
    };
    claims.chain(offers).map(holder).collect()
}

/// The first moment, earlier than `before`, at which a part fits into what is left of a machine
/// then, and what that leaves. More may be held than there is: of what was offered and is claimed
/// already the machine refuses something.
pub(crate) fn first_fit(
    total: &Resources,
    holders: &[Holder],
    before: u64,
    fits: impl Fn(&Resources) -> Option<Resources>,
) -> Option<(u64, Resources, Resources)> {
    let mut ends: Vec<(u64, &Resources)> = holders
        .iter()
        .filter_map(|holder| holder.ends_ms.map(|ends_ms| (ends_ms, &holder.part)))
        .collect();
    ends.sort_unstable_by_key(|(ends_ms, _)| *ends_ms);
    let mut held = holders.iter().fold(Resources::default(), |all, holder| all.plus(&holder.part));
    let at_once = ends.chunk_by(|a, b| a.0 == b.0).take_while(|over| over[0].0 < before);
    for over in at_once {
        for (_, part) in over {
            held = held.minus(part)?;
        }
        let Some(left) = total.minus(&held) else { continue };
        let Some(part) = fits(&left) else { continue };
        if let Some(spare) = left.minus(&part) {
            return Some((over[0].0, part, spare));
        }
    }
    None
}
