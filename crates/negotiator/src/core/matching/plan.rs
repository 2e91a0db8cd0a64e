//! What a matching pass decided: data, that [`crate::core::Core::apply`] carries out as it is. And
//! the check that it is sound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use classad::Env;
use model::planted::{Bug, planted};
use model::{
    Cause, ClassId, IdleReason, MachineName, MatchId, Resources, ScheddName, Spread, UserName,
};
use proto::matchmaking::{GangShare, Match};

use crate::core::matching::reserve::Reservation;
use crate::core::matching::snapshot::Snapshot;
use crate::core::requests::bookings::Answers;
use crate::core::requests::standing::Standing;
use crate::core::shares::limits::Room;

/// The matches of one pass, and for every class that did not get all it asked for, the reason.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MatchPlan {
    /// The matches, in the order in which they were made.
    pub matches: Vec<PlannedMatch>,
    /// Every class with jobs that could start, and why it waits; `None` if it got all it asked for.
    pub reasons: Vec<(ScheddName, ClassId, Option<IdleReason>)>,
    /// What was found out about classes and the pool as it would be if nothing ran: kept for the
    /// next pass.
    pub(crate) standings: Vec<(ScheddName, ClassId, Standing)>,
    /// The place that is kept for the first job that found none.
    pub reservation: Option<Reservation>,
    /// What came of the advance reservations that were asked for.
    pub booked: Answers,
    /// Whether some reasons rest on what the pool was a while ago, because finding out anew took
    /// too long for one pass.
    pub(crate) stale: bool,
}

/// A match and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedMatch {
    /// Whose schedd is told.
    pub schedd: ScheddName,
    pub owner: UserName,
    pub matched: Match,
}

/// What is wrong with a plan: always a mistake in this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More of a machine was given than it has.
    #[error("check plan: {machine} was given {given:?} and has {free:?}")]
    Overcommitted {
        machine: MachineName,
        /// All parts together.
        given: Box<Resources>,
        /// What it had.
        free: Box<Resources>,
    },
    /// A machine was given that does not exist.
    #[error("check plan: {machine} is not in the pool")]
    UnknownMachine { machine: MachineName },
    /// A class got a match that it did not ask for.
    #[error("check plan: class {class} of {schedd} got {got} matches and wanted {wanted}")]
    TooMany {
        schedd: ScheddName,
        class: ClassId,
        /// How many it got.
        got: u32,
        /// How many it wanted.
        wanted: u32,
    },
    /// A job and a machine were matched that do not suit each other.
    #[error("check plan: class {class} of {schedd} and {machine} do not suit each other")]
    Unsuitable {
        schedd: ScheddName,
        class: ClassId,
        /// On which machine.
        machine: MachineName,
    },
    /// Of what a job needs at once, a part was given, or a part twice.
    #[error("check plan: class {class} of {schedd} was given half a gang")]
    HalfAGang { schedd: ScheddName, class: ClassId },
    /// More of a concurrency limit was given than there is.
    #[error("check plan: {cause}, and class {class} of {schedd} was given some")]
    LimitExceeded { schedd: ScheddName, class: ClassId, cause: Box<Cause> },
    /// A class waits and nobody can say why, or has all and a reason to wait.
    #[error(
        "check plan: class {class} of {schedd} got {got} of {wanted} and its reason is {reason:?}"
    )]
    WrongReason {
        schedd: ScheddName,
        class: ClassId,
        /// How many it got.
        got: u32,
        /// How many it wanted.
        wanted: u32,
        /// The reason that the plan gives.
        reason: Option<Box<IdleReason>>,
    },
}

impl MatchPlan {
    /// Whether the plan may be carried out: evaluated from scratch, by none of the short cuts by
    /// which it was made.
    ///
    /// # Errors
    ///
    /// The first fault.
    pub fn check(&self, snapshot: &Snapshot<'_>) -> Result<(), Fault> {
        let mut left: BTreeMap<&MachineName, Resources> = BTreeMap::new();
        let mut got: BTreeMap<(&ScheddName, ClassId), u32> = BTreeMap::new();
        let mut room = Room::new(snapshot.limits, snapshot.in_use);
        for planned in &self.matches {
            check_match(planned, snapshot, &mut left)?;
            if let Some(cause) = room.short(&planned.matched.limits) {
                let (schedd, class) = (planned.schedd.clone(), planned.matched.class);
                return Err(Fault::LimitExceeded { schedd, class, cause: Box::new(cause) });
            }
            room.give(&planned.matched.limits);
            // However many matches a job needs, it is one.
            let counts = planned.matched.gang.as_ref().is_none_or(GangShare::is_first);
            *got.entry((&planned.schedd, planned.matched.class)).or_insert(0) += u32::from(counts);
        }
        self.check_gangs(snapshot)?;
        let mut reasons: BTreeMap<(&ScheddName, ClassId), Option<&IdleReason>> = BTreeMap::new();
        for (schedd, class, reason) in &self.reasons {
            reasons.insert((schedd, *class), reason.as_ref());
        }
        for (schedd, classes) in &snapshot.demand.schedds {
            for (class, known) in classes {
                let wanted = known.wanted();
                let got = got.get(&(schedd, *class)).copied().unwrap_or(0);
                let reason = reasons.get(&(schedd, *class)).copied().flatten();
                let (schedd, class) = (schedd.clone(), *class);
                if got > wanted {
                    return Err(Fault::TooMany { schedd, class, got, wanted });
                }
                if (got < wanted) != reason.is_some() {
                    let reason = reason.cloned().map(Box::new);
                    return Err(Fault::WrongReason { schedd, class, got, wanted, reason });
                }
            }
        }
        Ok(())
    }

    /// Each gang is whole: each of its job's parts has one place.
    fn check_gangs(&self, snapshot: &Snapshot<'_>) -> Result<(), Fault> {
        let mut gangs: BTreeMap<MatchId, Vec<(&PlannedMatch, &GangShare)>> = BTreeMap::new();
        for planned in &self.matches {
            if let Some(share) = &planned.matched.gang {
                gangs.entry(share.gang).or_default().push((planned, share));
            }
        }
        for shares in gangs.values() {
            let (first, share) = shares[0];
            let (schedd, class) = (first.schedd.clone(), first.matched.class);
            let classes = snapshot.demand.schedds.get(&schedd);
            let gang = classes.and_then(|classes| classes.get(&class)?.gang.as_deref());
            let mut holds: Vec<u32> =
                shares.iter().flat_map(|(_, share)| share.holds.iter().copied()).collect();
            holds.sort_unstable();
            let numbers = shares.iter().map(|(_, share)| share.part);
            let whole = numbers.eq(0..share.of)
                && gang.is_some_and(|gang| holds.iter().copied().eq(0..gang.count));
            let machines: BTreeSet<_> =
                shares.iter().map(|(one, _)| &one.matched.machine).collect();
            let apart = gang.is_some_and(|gang| gang.spread == Spread::Nodes)
                || machines.len() == shares.len();
            if !whole || !apart {
                return Err(Fault::HalfAGang { schedd, class });
            }
        }
        Ok(())
    }
}

fn check_match<'p>(
    planned: &'p PlannedMatch,
    snapshot: &Snapshot<'_>,
    left: &mut BTreeMap<&'p MachineName, Resources>,
) -> Result<(), Fault> {
    let machine = &planned.matched.machine;
    let row = snapshot
        .pool
        .find(machine)
        .ok_or_else(|| Fault::UnknownMachine { machine: machine.clone() })?;
    let free = left
        .entry(machine)
        .or_insert_with(|| snapshot.pool.free_of_machine(machine).cloned().unwrap_or_default());
    let (schedd, class) = (planned.schedd.clone(), planned.matched.class);
    let slot = row.ad_with(free);
    let env = Env::at(snapshot.now.wall.as_secs());
    let known = snapshot.demand.schedds.get(&schedd).and_then(|classes| classes.get(&class));
    let planted = planted(Bug::GangOnOneMachine) || planted(Bug::GangCutToFit);
    // What is given to such a job is for the simulator's oracle to find.
    let suits = planted
        || known.is_some_and(|known| {
            let share = planned.matched.gang.as_ref();
            let job = match share {
                Some(_) => &Arc::new(model::asking(&known.request.ad, &planned.matched.resources)),
                None => &known.request.ad,
            };
            let wanted = job.get(model::attr::REQUIREMENTS);
            let is_its = !known.is_exclusive || row.nature().is_whole(free);
            (known.hosts <= 1 || share.is_some())
                && is_its
                && wanted.is_none_or(|wanted| job.eval_expr(wanted, Some(&slot), &env).is_true())
                && row.takes(&slot, job, &env)
        });
    if !suits {
        return Err(Fault::Unsuitable { schedd, class, machine: machine.clone() });
    }
    let Some(rest) = free.minus(&planned.matched.resources) else {
        let (given, free) = (planned.matched.resources.clone().into(), free.clone().into());
        return Err(Fault::Overcommitted { machine: machine.clone(), given, free });
    };
    *free = rest;
    Ok(())
}
