//! What the schedds want: their classes of idle jobs, each compiled once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use classad::{AttrName, ClassAd, Env, Expr, Value};
use model::{ClassId, IdleReason, MachineName, Now, Resources, ScheddName, attr};
use proto::matchmaking::ClassRequest;

use crate::core::conditions::clauses::{ClauseId, Clauses, Sense};
use crate::core::conditions::shapes::{Floor, RequestSet};
use crate::core::machines::pool::Rows;
use crate::core::requests::gang::GangClass;
use crate::core::requests::standing::Standing;
use crate::core::shares::limits::Uses;
use crate::core::shares::policy::{REFUSES_AGAIN_WITHIN, decline_pause};
use crate::core::values::bits::Bits;
use crate::core::values::dependence::Dependence;
use crate::core::values::wanted::Wanted;

/// Requests of all schedds that are connected.
#[derive(Clone, Debug, Default)]
pub struct Demand {
    pub(crate) schedds: BTreeMap<ScheddName, BTreeMap<ClassId, Class>>,
    /// Machines that some class leaves alone.
    avoided: BTreeSet<MachineName>,
    /// What classes that are gone would leave alone if they came back: one with a single job is
    /// gone while that has a match.
    paused: BTreeMap<(ScheddName, ClassId), Declined>,
    /// Machines that refuse some class again and again.
    refused: BTreeMap<(ScheddName, ClassId, MachineName), Refused>,
}

/// How often in a row a machine has refused a class.
#[derive(Clone, Copy, Debug)]
struct Refused {
    times: u32,
    /// Until when it is left alone, in milliseconds of the steady clock: what it refuses before was
    /// offered together.
    alone_until_ms: u64,
}

impl Refused {
    /// Whether another time is one in a row.
    fn counts(&self, now: Now) -> bool {
        let again_ms = u64::try_from(REFUSES_AGAIN_WITHIN.as_millis()).unwrap_or(u64::MAX);
        now.boot_ms < self.alone_until_ms.saturating_add(again_ms)
    }
}

/// Machines of which a match was declined.
pub(crate) type Declined = BTreeMap<MachineName, Decline>;

/// That a match was declined.
#[derive(Clone, Debug)]
pub(crate) struct Decline {
    /// By which ad of the machine, if another one ends the pause: not of one that refuses again and
    /// again, whatever it says of itself.
    pub(crate) by_ad: Option<u64>,
    /// Until when it is left alone, in milliseconds of the steady clock.
    pub(crate) until_ms: u64,
    /// Why, as its schedd says.
    pub(crate) why: Arc<str>,
}

/// The idle jobs of one class of one schedd.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    /// What the schedd said.
    pub(crate) request: ClassRequest,
    /// The clauses of its Requirements.
    pub(crate) clauses: Vec<JobClause>,
    /// How much it asks for.
    pub(crate) asked: Asked,
    /// On how many machines its jobs are to be at once.
    pub(crate) hosts: u32,
    /// Whether its jobs are alone on their machines: each gets all that a machine has.
    pub(crate) is_exclusive: bool,
    /// Its jobs' parts, if they have several that may be on different machines.
    pub(crate) gang: Option<Box<GangClass>>,
    /// The requests that it states as numbers.
    pub(crate) stated: RequestSet,
    /// What its jobs use of concurrency limits.
    pub(crate) uses: Uses,
    /// Its Rank, if machines can differ in it, with the shared evaluation of it.
    pub(crate) rank: Option<(ClauseId, Expr)>,
    /// Whether its Rank looks at nothing of a machine but the processors and the memory that are
    /// left.
    pub(crate) ranks_by_amounts: bool,
    /// Whether its expressions ask for the time.
    pub(crate) unsteady: bool,
    /// Matches that the schedd did not know of when it counted.
    pub(crate) unseen: BTreeSet<u64>,
    /// Whether every machine must be searched, not only those that changed.
    pub(crate) fresh: bool,
    /// Machines of which a match was declined: by which ad of theirs, and until when they are left
    /// alone.
    pub(crate) declined: Declined,
    /// The reason that its schedd was told last.
    pub(crate) told: Option<IdleReason>,
    /// What was found out about the class and the pool as it would be if nothing ran.
    pub(crate) standing: Option<Standing>,
}

/// A clause of a class's Requirements.
#[derive(Clone, Debug)]
pub(crate) struct JobClause {
    /// As the user wrote it.
    pub(crate) written: Expr,
    /// Whether it asks for no more than the class's request does: then it holds wherever the
    /// request fits.
    pub(crate) implied: bool,
    condition: Condition,
}

/// How a clause is decided.
#[derive(Clone, Debug)]
enum Condition {
    /// On each machine anew: of a class that nobody waits in.
    Alone,
    /// By the shared evaluation.
    Shared(ClauseId),
    /// By comparing an amount, and then by the shared evaluation of what is left of the clause, if
    /// anything is.
    Floor { floor: Floor, met: Option<ClauseId>, unmet: Option<ClauseId> },
}

/// How much a class asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    /// The same of every machine.
    Fixed(Resources),
    /// Its request expressions look at the machine.
    PerMachine(Vec<(Wanted, Expr)>),
}

impl Demand {
    pub(crate) fn class_mut(&mut self, schedd: &ScheddName, class: ClassId) -> Option<&mut Class> {
        self.schedds.get_mut(schedd)?.get_mut(&class)
    }

    /// A class leaves a machine alone until then, or until the machine has spoken again.
    pub(crate) fn avoid(
        &mut self,
        (schedd, class): (&ScheddName, ClassId),
        machine: MachineName,
        decline: Decline,
    ) {
        let declined = match self.schedds.get_mut(schedd).and_then(|all| all.get_mut(&class)) {
            Some(class) => &mut class.declined,
            None => self.paused.entry((schedd.clone(), class)).or_default(),
        };
        declined.insert(machine.clone(), decline);
        self.avoided.insert(machine);
    }

    /// Takes note that a machine has refused a class; how many times in a row it has. Matches
    /// that were offered together are refused together, once.
    pub(crate) fn refused(
        &mut self,
        (schedd, class): (&ScheddName, ClassId),
        machine: &MachineName,
        now: Now,
    ) -> u32 {
        let key = (schedd.clone(), class, machine.clone());
        let before = self.refused.get(&key).filter(|before| before.counts(now));
        if let Some(before) = before.filter(|before| now.boot_ms < before.alone_until_ms) {
            return before.times;
        }
        let times = before.map_or(1, |before| before.times.saturating_add(1));
        let alone_until_ms = now.deadline(decline_pause(times));
        self.refused.insert(key, Refused { times, alone_until_ms });
        times
    }

    /// A class is gone.
    pub(crate) fn remove(&mut self, schedd: &ScheddName, class: ClassId) -> Option<Class> {
        let gone = self.schedds.get_mut(schedd)?.remove(&class)?;
        if !gone.declined.is_empty() {
            self.paused.insert((schedd.clone(), class), gone.declined.clone());
        }
        Some(gone)
    }

    /// What a class that comes leaves alone.
    pub(crate) fn take_paused(&mut self, schedd: &ScheddName, class: ClassId) -> Declined {
        if self.paused.is_empty() {
            return Declined::new();
        }
        self.paused.remove(&(schedd.clone(), class)).unwrap_or_default()
    }

    /// A schedd and all its classes are gone.
    pub(crate) fn remove_all(&mut self, schedd: &ScheddName) -> impl Iterator<Item = Class> {
        self.paused.retain(|(of, _), _| of != schedd);
        self.refused.retain(|(of, ..), _| of != schedd);
        self.schedds.remove(schedd).unwrap_or_default().into_values()
    }

    /// Whether some class leaves the machine alone.
    pub(crate) fn avoids(&self, machine: &MachineName) -> bool {
        self.avoided.contains(machine)
    }

    /// When the first machine that a class leaves alone may be asked again, in milliseconds of the
    /// steady clock.
    pub(crate) fn next_pause_end(&self) -> Option<u64> {
        if self.avoided.is_empty() {
            return None;
        }
        self.classes()
            .flat_map(|class| class.declined.values())
            .map(|decline| decline.until_ms)
            .min()
    }

    /// Whether some class that waits asks for the time.
    pub(crate) fn is_unsteady(&self) -> bool {
        self.classes().any(|class| class.unsteady && class.told.is_some())
    }

    /// The machines have resources that they had not, or the other way round: what counts as a
    /// request has changed.
    pub(crate) fn resources_changed(&mut self, machines: &Rows) {
        for class in self.schedds.values_mut().flat_map(BTreeMap::values_mut) {
            class.asked = Asked::of(&class.request.ad, machines);
            class.gang = GangClass::of(&class.request, machines);
            class.fresh = true;
            class.standing = None;
        }
    }

    /// Whether some class that waits may fit a machine just because less is left of it.
    pub(crate) fn waits_erratically(&self, clauses: &Clauses) -> bool {
        self.classes().any(|class| class.wanted() > 0 && class.is_erratic(clauses))
    }

    /// Every class was looked at: what is left to see is what changes from now on.
    pub(crate) fn looked_at(&mut self, now: Now) {
        for class in self.schedds.values_mut().flat_map(BTreeMap::values_mut) {
            class.fresh = false;
            class.declined.retain(|_, decline| decline.until_ms > now.boot_ms);
            if class.wanted() == 0 {
                class.told = None;
            }
        }
        self.refused.retain(|_, refused| refused.counts(now));
        self.paused.retain(|_, declined| {
            declined.retain(|_, decline| decline.until_ms > now.boot_ms);
            !declined.is_empty()
        });
        if !self.avoided.is_empty() {
            let left_alone = self.classes().map(|class| &class.declined);
            let left_alone = left_alone.chain(self.paused.values());
            self.avoided = left_alone.flat_map(|declined| declined.keys().cloned()).collect();
        }
    }

    fn classes(&self) -> impl Iterator<Item = &Class> {
        self.schedds.values().flat_map(BTreeMap::values)
    }
}

impl Class {
    /// Jobs for which a match could be used.
    pub(crate) fn wanted(&self) -> u32 {
        let unseen = u32::try_from(self.unseen.len()).unwrap_or(u32::MAX);
        self.request.idle.saturating_sub(unseen)
    }

    /// A class that shares nothing with others: one that is only asked about.
    pub(crate) fn alone(request: ClassRequest, ads: &Rows) -> Self {
        let job = &request.ad;
        let written = job.get(attr::REQUIREMENTS).map_or_else(Vec::new, Expr::clauses);
        let clause = |written: &Expr| JobClause {
            written: written.clone(),
            implied: false,
            condition: Condition::Alone,
        };
        let clauses = written.into_iter().map(clause).collect();
        let asked = Asked::of(job, ads);
        let gang = GangClass::of(&request, ads);
        Self { gang, ..Self::new(request, clauses, asked) }
    }

    /// A class of which nothing was found out yet, and that ranks no machine.
    fn new(request: ClassRequest, clauses: Vec<JobClause>, asked: Asked) -> Self {
        let job = &request.ad;
        Self {
            clauses,
            asked,
            stated: RequestSet::stated(job),
            uses: Uses::of(job),
            hosts: model::hosts(job),
            is_exclusive: model::is_exclusive(job),
            gang: None,
            rank: None,
            ranks_by_amounts: false,
            unsteady: false,
            unseen: BTreeSet::new(),
            fresh: true,
            declined: Declined::new(),
            told: None,
            standing: None,
            request,
        }
    }

    /// Compiles a request.
    pub(crate) fn compile(request: ClassRequest, clauses: &mut Clauses, ads: &Rows) -> Self {
        let job = &request.ad;
        let requirements = job.get(attr::REQUIREMENTS);
        let written = requirements.map_or_else(Vec::new, Expr::clauses);
        let asked = Asked::of(job, ads);
        let compiled = written
            .into_iter()
            .map(|clause| JobClause::compile(clause, (job, &asked), clauses, ads))
            .collect();
        let mut unsteady = requirements.is_some_and(|expr| Dependence::of(expr, job).unsteady);
        let mut ranks_by_amounts = false;
        let rank = job.get(attr::RANK).filter(|rank| {
            let dependence = Dependence::of(rank, job);
            unsteady |= dependence.unsteady;
            let amounts = [attr::CPUS, attr::MEMORY];
            let is_amount = |name: &AttrName| amounts.iter().any(|amount| name == amount);
            ranks_by_amounts = !dependence.unsteady && dependence.other.iter().all(is_amount);
            !dependence.other.is_empty()
        });
        let rank = rank.map(|rank| (clauses.acquire(rank, Sense::Rank, job, ads), rank.clone()));
        let gang = GangClass::of(&request, ads);
        Self { rank, ranks_by_amounts, unsteady, gang, ..Self::new(request, compiled, asked) }
    }

    /// Whether it may fit a machine just because less is left of that: `TARGET.Cpus <= 2`, or a
    /// request that is a part of what is left. Whoever is not so is sure that a machine that did
    /// not suit it does not suit it when there is less of it.
    pub(crate) fn is_erratic(&self, clauses: &Clauses) -> bool {
        let live = |clause: &JobClause| match &clause.condition {
            Condition::Alone => true,
            Condition::Shared(id) => clauses.holds(*id).is_none(),
            Condition::Floor { .. } => false,
        };
        matches!(self.asked, Asked::PerMachine(_)) || self.clauses.iter().any(live)
    }

    /// Whether a request is about the same jobs as far as matching can see.
    pub(crate) fn is_same_kind(&self, request: &ClassRequest) -> bool {
        self.request.owner == request.owner && self.request.ad == request.ad
    }

    /// Takes over a new count. A class that waits knows that it finds nothing; one that had all it
    /// wanted must search again.
    pub(crate) fn recount(&mut self, request: &ClassRequest) {
        self.fresh |= self.told.is_none();
        self.request = request.clone();
    }

    /// Whether a match on this machine was declined just now, and the machine has not spoken since;
    /// or whether it refuses again and again, and is not to be asked yet.
    pub(crate) fn avoids(&self, machine: &MachineName, sequence: u64, now: Now) -> bool {
        let pause = self.declined.get(machine);
        let holds = |pause: &Decline| pause.by_ad.is_none_or(|by_ad| by_ad == sequence);
        pause.is_some_and(|pause| holds(pause) && now.boot_ms < pause.until_ms)
    }

    /// Whether a machine that was left alone may be asked again.
    pub(crate) fn pause_is_over(&self, now: Now) -> bool {
        self.declined.values().any(|decline| decline.until_ms <= now.boot_ms)
    }

    /// Gives back what it shares.
    pub(crate) fn dissolve(self, clauses: &mut Clauses) {
        let shared = self.clauses.iter().flat_map(JobClause::shared);
        shared.chain(self.rank.iter().map(|(id, _)| *id)).for_each(|id| clauses.release(id));
    }
}

impl JobClause {
    fn compile(
        written: &Expr,
        (job, asked): (&Arc<ClassAd>, &Asked),
        clauses: &mut Clauses,
        ads: &Rows,
    ) -> Self {
        let mut acquire = |expr: &Expr| clauses.acquire(expr, Sense::Condition, job, ads);
        let condition = match Floor::of(written, job) {
            None => Condition::Shared(acquire(written)),
            Some(floor) => {
                let (met, unmet) =
                    (floor.met.as_ref().map(&mut acquire), floor.unmet.as_ref().map(acquire));
                Condition::Floor { floor, met, unmet }
            }
        };
        let implied = match (&condition, asked) {
            (Condition::Floor { floor, met: None, .. }, Asked::Fixed(asked)) => floor.is_met(asked),
            (Condition::Floor { .. } | Condition::Shared(_) | Condition::Alone, _) => false,
        };
        Self { written: written.clone(), implied, condition }
    }

    /// Whether it holds on a machine with so much left; `None` if it must be evaluated.
    pub(crate) fn decide(&self, clauses: &Clauses, row: u32, left: &Resources) -> Option<bool> {
        let shared = |id: ClauseId| clauses.holds(id).map(|rows| rows.get(row));
        match &self.condition {
            Condition::Alone => None,
            Condition::Shared(id) => shared(*id),
            Condition::Floor { floor, met, .. } if floor.is_met(left) => {
                met.map_or(Some(true), shared)
            }
            Condition::Floor { unmet, .. } => unmet.map_or(Some(false), shared),
        }
    }

    /// Where it holds, if that does not depend on what is left: then [`Self::admit`] has said all
    /// that there is to say.
    pub(crate) fn settled<'c>(&self, clauses: &'c Clauses) -> Option<&'c Bits> {
        match &self.condition {
            Condition::Shared(id) => clauses.holds(*id),
            Condition::Alone | Condition::Floor { .. } => None,
        }
    }

    /// Leaves out the machines on which it cannot hold, however much is left.
    pub(crate) fn admit(&self, clauses: &Clauses, admitted: &mut Bits) {
        match &self.condition {
            Condition::Shared(id) => {
                if let Some(rows) = clauses.holds(*id) {
                    admitted.keep(rows);
                }
            }
            Condition::Alone | Condition::Floor { met: None, .. } => {}
            Condition::Floor { met: Some(met), unmet, .. } => {
                let unmet =
                    unmet.map_or_else(|| Some(Bits::default()), |id| clauses.holds(id).cloned());
                if let (Some(met), Some(mut either)) = (clauses.holds(*met), unmet) {
                    either.add(met);
                    admitted.keep(&either);
                }
            }
        }
    }

    fn shared(&self) -> Vec<ClauseId> {
        match &self.condition {
            Condition::Alone => Vec::new(),
            Condition::Shared(id) => vec![*id],
            Condition::Floor { met, unmet, .. } => met.iter().chain(unmet).copied().collect(),
        }
    }
}

impl Asked {
    /// Of attributes that look like requests, those count whose resource some machine has:
    /// `RequestRuntime` is a note of the user's. `RequestGPUs` always counts, because a job that
    /// wants one must not run without.
    pub(crate) fn of(job: &Arc<ClassAd>, machines: &Rows) -> Self {
        let known = |wanted: &Wanted| match wanted {
            Wanted::Cpus | Wanted::Memory | Wanted::Disk => true,
            Wanted::Custom(name) => {
                name == "gpus" || machines.customs().any(|custom| custom == name)
            }
        };
        let wants: Vec<(Wanted, Expr)> = job
            .iter_all()
            .filter_map(|(name, expr)| Some((Wanted::by_request(name)?, expr.clone())))
            .filter(|(wanted, _)| known(wanted))
            .collect();
        // What asks for the time is another request a moment later, as what asks for the machine is
        // on another one.
        let varies = |(_, expr): &(Wanted, Expr)| {
            let dependence = Dependence::of(expr, job);
            dependence.unsteady || !dependence.other.is_empty()
        };
        if wants.iter().any(varies) {
            return Self::PerMachine(wants);
        }
        Self::Fixed(evaluate(&wants, |expr| job.eval_expr(expr, None, &Env::at(0))))
    }

    /// What it asks of a machine, rounded up to the machine's steps.
    pub(crate) fn of_machine(&self, job: &ClassAd, slot: &ClassAd, env: &Env) -> Resources {
        match self {
            Self::Fixed(asked) => asked.clone(),
            Self::PerMachine(wants) => evaluate(wants, |expr| job.eval_expr(expr, Some(slot), env)),
        }
    }
}

fn evaluate(wants: &[(Wanted, Expr)], value_of: impl Fn(&Expr) -> Value) -> Resources {
    let mut asked = Resources::default();
    for (wanted, expr) in wants {
        let amount = amount(&value_of(expr));
        match wanted {
            Wanted::Cpus => asked.cpus = u32::try_from(amount).unwrap_or(u32::MAX),
            Wanted::Memory => asked.memory_mib = amount,
            Wanted::Disk => asked.disk_kib = amount,
            Wanted::Custom(name) if amount > 0 => {
                asked.custom.insert(name.clone(), amount);
            }
            Wanted::Custom(_) => {}
        }
    }
    asked.quantized()
}

/// An amount is a whole number: fractions count as one more. What is no number asks for nothing.
fn amount(value: &Value) -> u64 {
    /// Far more than any machine has, and small enough to be rounded up without overflow.
    const MOST: f64 = 1e15;
    let number = value.as_f64().unwrap_or(0.0).clamp(0.0, MOST).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=1e15 and whole"
    )]
    let amount = number as u64;
    amount
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attributes: &[(&str, &str)], expected: Resources) {
        let job: ClassAd =
            attributes.iter().map(|(name, text)| (*name, text.parse::<Expr>().unwrap())).collect();
        assert_eq!(
            Asked::of(&Arc::new(job), &Rows::default()),
            Asked::Fixed(expected),
            "{attributes:?}"
        );
    }

    #[test]
    fn requests_are_evaluated_and_rounded_up_to_the_steps_of_a_machine() {
        let least = Resources { cpus: 1, memory_mib: 128, disk_kib: 1024, custom: BTreeMap::new() };
        check(&[], least.clone());
        check(&[("RequestCpus", "-3"), ("RequestMemory", "\"x\"")], least.clone());
        check(&[("RequestMemory", "100 + 29"), ("RequestDisk", "Size * 1.5"), ("Size", "1024")], {
            Resources { memory_mib: 256, disk_kib: 2048, ..least.clone() }
        });
        check(&[("requestcpus", "2.5")], Resources { cpus: 3, ..least.clone() });
        check(&[("RequestedChroot", "\"/x\""), ("RequestGPUs", "2"), ("RequestFpgas", "0")], {
            Resources { custom: [("gpus".to_owned(), 2)].into(), ..least }
        });
    }
}
