//! Why a class waits. First what it could run on if nothing ran, which changes only when machines
//! do and is remembered; then, for a class that could run somewhere, what stands in its way now.

use std::borrow::Cow;

use classad::{AttrName, Env, Expr};
use model::{Cause, IdleReason, Nearest, Resources, Verdict, attr};

use crate::core::conditions::clauses::Ads as _;
use crate::core::conditions::shapes::Floor;
use crate::core::machines::machine::{self, Row, available_of};
use crate::core::machines::pool::Pool;
use crate::core::matching::gang::places;
use crate::core::matching::snapshot::Snapshot;
use crate::core::requests::demand::{Asked, Class, JobClause};
use crate::core::requests::standing::{Outcome, Standing};
use crate::core::shares::limits::{Room, Uses};
use crate::core::values::bits::Bits;
use crate::core::values::dependence::Dependence;

/// How many of the machines that could run a class are asked what they are short of. The answer
/// names one resource; a thousand machines are enough to find a near one, and a hundred thousand
/// would be too many for each waiting class.
const SHORTAGE_SAMPLE: usize = 1_000;

/// How many machines that meet the other clauses are looked at for the one that is named: each is
/// an ad to be made.
const NEAREST_SAMPLE: usize = 16;

/// Attributes of machines that change while nobody does anything: a clause that reaches one may
/// become true by itself.
const CHANGE_BY_THEMSELVES: [&str; 14] = [
    attr::ACTIVITY,
    "ClockDay",
    "ClockMin",
    attr::CONDOR_LOAD_AVG,
    attr::CONSOLE_IDLE,
    "CpuBusy",
    attr::CURRENT_TIME,
    attr::ENTERED_CURRENT_ACTIVITY,
    attr::ENTERED_CURRENT_STATE,
    attr::KEYBOARD_IDLE,
    attr::LOAD_AVG,
    attr::MY_CURRENT_TIME,
    attr::STATE,
    attr::TOTAL_LOAD_AVG,
];

/// The user's place among the users who wait, from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    pub(crate) place: u32,
    pub(crate) of: u32,
}

/// What was found out anew.
pub(crate) struct Surveys {
    /// For each class its standing, if it was found out anew.
    pub(crate) standings: Vec<Option<Standing>>,
    /// Whether some that are out of date were left for the next pass.
    pub(crate) stale: bool,
}

/// Brings the standings of classes up to date: of those that have none (or one from
/// before there were machines), and then of the oldest, until more than
/// `budget` machines were looked at.
pub(crate) fn survey(snapshot: &Snapshot<'_>, classes: &[&Class], budget: usize) -> Surveys {
    let mut standings: Vec<Option<Standing>> = vec![None; classes.len()];
    let mut outdated: Vec<(Option<u64>, usize)> = Vec::new();
    for (index, class) in classes.iter().enumerate() {
        match &class.standing {
            Some(known) if known.generation == snapshot.pool.generation => {
                if snapshot.anew && class.unsteady {
                    outdated.push((Some(known.generation), index));
                }
            }
            Some(known) if !known.says_no_machines() => {
                outdated.push((Some(known.generation), index));
            }
            Some(_) | None => outdated.push((None, index)),
        }
    }
    outdated.sort_unstable();
    let (mut looks, mut stale) = (0, false);
    for (generation, index) in outdated {
        if generation.is_some() && looks > budget {
            stale = true;
            break;
        }
        looks += snapshot.pool.len();
        standings[index] = Some(Survey::new(snapshot, classes[index]).standing());
    }
    Surveys { standings, stale }
}

/// The machines that would run a class if nothing ran there: not all, if there are many.
pub(crate) fn could_run(snapshot: &Snapshot<'_>, class: &Class) -> Vec<u32> {
    let known = class.standing.as_ref().filter(|known| {
        known.generation == snapshot.pool.generation && !(snapshot.anew && class.unsteady)
    });
    let outcome = known.map(|known| known.outcome.clone());
    match outcome.unwrap_or_else(|| Survey::new(snapshot, class).outcome()) {
        Outcome::Possible { sample, .. } => sample,
        Outcome::Hopeless(_) => Vec::new(),
    }
}

/// Why a class that nobody waits in could never run, if that is so.
pub(crate) fn never(snapshot: &Snapshot<'_>, class: &Class) -> Option<IdleReason> {
    let survey = Survey::new(snapshot, class);
    let pool = snapshot.pool;
    // Mostly the first machine will do.
    let on_one = class.hosts <= 1;
    if on_one && pool.clauses.present().rows().any(|number| survey.would_run_on(number)) {
        return None;
    }
    match survey.outcome() {
        Outcome::Hopeless(reason) if reason.verdict == Verdict::Never => Some(reason),
        Outcome::Hopeless(_) | Outcome::Possible { .. } => None,
    }
}

impl Standing {
    fn says_no_machines(&self) -> bool {
        matches!(&self.outcome, Outcome::Hopeless(reason) if reason.cause == Cause::NoMachines)
    }

    /// The concurrency limit for which the class waits, if it is for one: of a class that could run
    /// somewhere.
    pub(crate) fn limit(
        &self,
        snapshot: &Snapshot<'_>,
        class: &Class,
        room: &Room<'_>,
    ) -> Option<IdleReason> {
        let Outcome::Possible { sample, .. } = &self.outcome else { return None };
        let cause = match &class.uses {
            Uses::Fixed(uses) => room.short(uses)?,
            Uses::PerMachine(_) => {
                let env = Env::at(snapshot.now.wall.as_secs());
                // The machines that have room, and limits of which there is not enough left.
                sample.iter().find_map(|number| {
                    let (row, free) =
                        (snapshot.pool.rows.get(*number)?, snapshot.pool.free(*number));
                    let slot = row.ad_with(free);
                    let asked = class.asked.of_machine(&class.request.ad, &slot, &env);
                    let uses = class.uses.on(&class.request.ad, &slot, &env);
                    if free.covers(&asked) { room.short(&uses) } else { None }
                })?
            }
        };
        let fixed = matches!(class.uses, Uses::Fixed(_));
        let never = fixed && matches!(&cause, Cause::Limit { asked, limit, .. } if asked > limit);
        Some(IdleReason { verdict: if never { Verdict::Never } else { Verdict::NotYet }, cause })
    }

    /// Why the class waits.
    pub(crate) fn reason(&self, pool: &Pool, class: &Class, queue: Queue) -> IdleReason {
        let (could_run, sample) = match &self.outcome {
            Outcome::Hopeless(reason) => return reason.clone(),
            Outcome::Possible { could_run, sample } => (*could_run, sample),
        };
        let cause = if queue.place > 1 {
            Cause::FairShare { place: queue.place, of: queue.of }
        } else if class.hosts > 1 {
            many_machines(pool, class)
        } else {
            shortage(pool, class, (could_run, sample))
        };
        IdleReason { verdict: Verdict::NotYet, cause }
    }
}

/// That a job's parts have no room on several machines at once.
fn many_machines(pool: &Pool, class: &Class) -> Cause {
    let machines = u32::try_from(pool.len()).unwrap_or(u32::MAX);
    Cause::ManyMachines { needed: class.hosts, pool: machines }
}

/// That machines with room for it decline it; or else the resource that the nearest machine is
/// short of: the one for which the largest part of the request is free. A full pool asks this of
/// each class in each pass, so it makes no text but that of its answer.
fn shortage(pool: &Pool, class: &Class, (could_run, sample): (u32, &[u32])) -> Cause {
    let mut nearest: Option<(f64, u32, Short)> = None;
    let (mut decliners, mut first) = (0, None);
    for number in sample {
        let Some(row) = pool.rows.get(*number) else { continue };
        let asked = wanted_of(class, row);
        let decline = class.declined.get(&row.state.machine);
        if let Some(decline) = decline.filter(|_| pool.free(*number).covers(&asked)) {
            decliners += 1;
            first.get_or_insert((&row.state.machine, &decline.why));
        }
        let Some((share, short)) = scarcest(&asked, pool.free(*number)) else { continue };
        // Of two that are as near the later one is told of.
        if nearest.as_ref().is_none_or(|(most, ..)| share.total_cmp(most).is_ge()) {
            nearest = Some((share, *number, short));
        }
    }
    if let Some((machine, why)) = first {
        let (machine, reason) = (machine.to_string(), why.to_string());
        return Cause::Declined { machines: decliners, machine, reason };
    }
    let found = nearest.and_then(|(_, number, short)| {
        let row = pool.rows.get(number)?;
        let asked = wanted_of(class, row);
        let amounts = [&*asked, pool.free(number), &row.state.total];
        let name = short.name(&asked)?;
        Some((spelt(pool, &name), amounts.map(|of| short.of(of, &asked))))
    });
    let (short, [asked, free, total]) = found.unwrap_or_default();
    Cause::Busy { could_run, short, asked, free, total }
}

/// Which amount of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Short {
    Cpus,
    Memory,
    Disk,
    /// The custom resource at this place of the request's.
    Custom(usize),
}

impl Short {
    /// As users write it.
    fn name(self, asked: &Resources) -> Option<String> {
        Some(match self {
            Self::Cpus => attr::CPUS.to_owned(),
            Self::Memory => attr::MEMORY.to_owned(),
            Self::Disk => attr::DISK.to_owned(),
            Self::Custom(at) => shown(asked.custom.keys().nth(at)?),
        })
    }

    /// How much of it there is; `asked` is the request that the place is one of.
    fn of(self, of: &Resources, asked: &Resources) -> u64 {
        match self {
            Self::Cpus => u64::from(of.cpus),
            Self::Memory => of.memory_mib,
            Self::Disk => of.disk_kib,
            Self::Custom(at) => {
                let name = asked.custom.keys().nth(at);
                name.and_then(|name| of.custom.get(name)).copied().unwrap_or(0)
            }
        }
    }
}

/// Of what least of the request is free, and which part of it.
fn scarcest(asked: &Resources, free: &Resources) -> Option<(f64, Short)> {
    shares(asked, free).min_by(|a, b| a.0.total_cmp(&b.0))
}

/// For each amount that is asked for, which part of it there is.
fn shares<'r>(
    asked: &'r Resources,
    free: &'r Resources,
) -> impl Iterator<Item = (f64, Short)> + 'r {
    let customs = (0..asked.custom.len()).map(Short::Custom);
    let all = [Short::Cpus, Short::Memory, Short::Disk].into_iter().chain(customs);
    all.filter(|short| short.of(asked, asked) > 0).map(|short| {
        #[expect(clippy::cast_precision_loss, reason = "a ratio that is only compared")]
        let share = short.of(free, asked) as f64 / short.of(asked, asked) as f64;
        (share, short)
    })
}

/// A resource as a machine that has it spells it; what every machine has is spelt in one way.
fn spelt(pool: &Pool, name: &str) -> String {
    let custom = name.to_ascii_lowercase();
    let has = |row: &&Row| row.state.total.custom.contains_key(&custom);
    let row = pool.machines().map(|(_, row)| row).find(has);
    row.map_or(name, |row| machine::spelt(row.ad(), name)).to_owned()
}

/// A custom resource as users write it. `GPUs` is the one whose spelling everybody knows.
fn shown(custom: &str) -> String {
    if custom == "gpus" { "GPUs".to_owned() } else { custom.to_owned() }
}

/// What a class needs of a machine now: all of it, if it is to be alone there.
fn wanted_of<'c>(class: &'c Class, row: &Row) -> Cow<'c, Resources> {
    let asked = asked_when_empty(class, row);
    if class.is_exclusive { Cow::Owned(row.nature().whole(&asked)) } else { asked }
}

fn asked_when_empty<'c>(class: &'c Class, row: &Row) -> Cow<'c, Resources> {
    match &class.asked {
        Asked::Fixed(asked) => Cow::Borrowed(asked),
        Asked::PerMachine(_) => {
            let slot = row.ad_with(&row.state.total);
            let env = Env::at(row.heard.wall.as_secs());
            Cow::Owned(class.asked.of_machine(&class.request.ad, &slot, &env))
        }
    }
}

/// Looks at every machine as if it were empty.
struct Survey<'a> {
    snapshot: &'a Snapshot<'a>,
    class: &'a Class,
    env: Env,
}

impl<'a> Survey<'a> {
    fn new(snapshot: &'a Snapshot<'a>, class: &'a Class) -> Self {
        Self { snapshot, class, env: Env::at(snapshot.now.wall.as_secs()) }
    }

    fn standing(&self) -> Standing {
        Standing { generation: self.snapshot.pool.generation, outcome: self.outcome() }
    }

    fn outcome(&self) -> Outcome {
        let pool = self.snapshot.pool;
        if pool.is_empty() {
            return hopeless(Verdict::NotYet, Cause::NoMachines);
        }
        if self.class.hosts > 1 {
            let cause = many_machines(pool, self.class);
            return self.on_several().unwrap_or_else(|| hopeless(Verdict::Never, cause));
        }
        let (willing, refusing) = self.runs_when_empty();
        if !willing.is_empty() {
            let sample = willing.rows().take(SHORTAGE_SAMPLE).collect();
            return Outcome::Possible { could_run: willing.count(), sample };
        }
        if let Some(several) = self.on_several() {
            return several;
        }
        if !refusing.is_empty() {
            return self.refused(&refusing);
        }
        if let Some(nowhere) = self
            .class
            .clauses
            .iter()
            .find(|clause| clause.settled(&pool.clauses).is_some_and(Bits::is_empty))
        {
            let of = pool.clauses.present().count();
            return self.clause_fails(&nowhere.written, of, of);
        }
        let clauses = &self.class.clauses;
        let held: Vec<Bits> = clauses.iter().map(|clause| self.held_when_empty(clause)).collect();
        let mut suits = pool.clauses.present().clone();
        held.iter().for_each(|clause| suits.keep(clause));
        self.too_large(&suits).unwrap_or_else(|| self.clauses_fail(&held))
    }

    /// That machines that are empty have room for all parts of a job, if they have.
    fn on_several(&self) -> Option<Outcome> {
        let gang = self.class.gang.as_deref()?;
        let pool = self.snapshot.pool;
        let rows = pool.clauses.present().rows();
        let rows = rows.map(|row| (row, pool.nature(row).total.clone())).collect();
        let given = places(gang, rows, |part, row, left| {
            let asked = asked_when_empty(part, pool.row(row));
            let survey = Survey::new(self.snapshot, part);
            (left.covers(&asked) && survey.would_run_on(row)).then(|| asked.into_owned())
        })?;
        let could_run = u32::try_from(given.len()).unwrap_or(u32::MAX);
        let sample = given.iter().map(|given| given.row).take(SHORTAGE_SAMPLE).collect();
        Some(Outcome::Possible { could_run, sample })
    }

    /// The machines that suit the job and are large enough for it when empty: those that would take
    /// it, and those that refuse.
    fn runs_when_empty(&self) -> (Bits, Bits) {
        let (pool, class) = (self.snapshot.pool, self.class);
        let mut admitted = pool.clauses.present().clone();
        class.clauses.iter().for_each(|clause| clause.admit(&pool.clauses, &mut admitted));
        let open: Vec<&JobClause> = class
            .clauses
            .iter()
            .filter(|clause| !clause.implied && clause.settled(&pool.clauses).is_none())
            .collect();
        let (mut willing, mut refusing) = (Bits::default(), Bits::default());
        for number in admitted.rows() {
            let total = &pool.nature(number).total;
            let large = match &class.asked {
                Asked::Fixed(asked) => total.covers(asked),
                Asked::PerMachine(_) => total.covers(&asked_when_empty(class, pool.row(number))),
            };
            if large && open.iter().all(|clause| self.holds(clause, number, total)) {
                let takes = self.takes_when_empty(number);
                if takes { &mut willing } else { &mut refusing }.put(number, true);
            }
        }
        (willing, refusing)
    }

    /// Whether a machine on which nothing runs would run it.
    fn would_run_on(&self, number: u32) -> bool {
        let (pool, class) = (self.snapshot.pool, self.class);
        let total = &pool.nature(number).total;
        let large = match &class.asked {
            Asked::Fixed(asked) => total.covers(asked),
            Asked::PerMachine(_) => total.covers(&asked_when_empty(class, pool.row(number))),
        };
        large
            && class.clauses.iter().all(|clause| self.holds(clause, number, total))
            && self.takes_when_empty(number)
    }

    fn takes_when_empty(&self, number: u32) -> bool {
        let nature = self.snapshot.pool.nature(number);
        nature.takes_all_that_fit(self.class.stated) || {
            let row = self.snapshot.pool.row(number);
            row.takes(&row.ad_with(&nature.total), &self.class.request.ad, &self.env)
        }
    }

    /// Where a clause would hold if nothing ran.
    fn held_when_empty(&self, clause: &JobClause) -> Bits {
        let pool = self.snapshot.pool;
        if let Some(settled) = clause.settled(&pool.clauses) {
            return settled.clone();
        }
        let mut held = Bits::default();
        for number in pool.clauses.present().rows() {
            held.put(number, self.holds(clause, number, &pool.nature(number).total));
        }
        held
    }

    fn holds(&self, clause: &JobClause, number: u32, amounts: &Resources) -> bool {
        clause.decide(&self.snapshot.pool.clauses, number, amounts).unwrap_or_else(|| {
            let slot = self.snapshot.pool.row(number).ad_with(amounts);
            self.class.request.ad.eval_expr(&clause.written, Some(&slot), &self.env).is_true()
        })
    }

    /// Machines that would suit the job if they were large enough for its request: then size is
    /// what it fails on, however many clauses of Requirements say so.
    fn too_large(&self, suits: &Bits) -> Option<Outcome> {
        let pool = self.snapshot.pool;
        let mut suitable = suits.clone();
        if suitable.is_empty() {
            for number in pool.clauses.present().rows() {
                let row = pool.row(number);
                let asked = asked_when_empty(self.class, row);
                let grown = at_least(&row.state.total, &asked);
                let mut clauses = self.class.clauses.iter();
                let suits = clauses.all(|clause| self.holds(clause, number, &grown));
                suitable.put(number, suits);
            }
        }
        self.shortest(&suitable)
    }

    /// Names the resource that the nearest of these machines is short of, even when empty; `None`
    /// if one is large enough.
    fn shortest(&self, suitable: &Bits) -> Option<Outcome> {
        let rows = || suitable.rows().map(|number| self.snapshot.pool.row(number));
        let mut nearest: Option<(f64, Short, Cow<'_, Resources>, u64)> = None;
        for row in rows() {
            let asked = asked_when_empty(self.class, row);
            if let Some((share, short)) = scarcest(&asked, &row.state.total)
                && nearest.as_ref().is_none_or(|(best, ..)| share > *best)
            {
                let have = short.of(&row.state.total, &asked);
                nearest = Some((share, short, asked, have));
            }
        }
        let (share, short, asked, have) = nearest?;
        // A clause such as `Memory * 2 < RequestMemory` fails on size and is not about size.
        if share >= 1.0 {
            return None;
        }
        // A machine that has more of it and too little of something else is no help.
        let enough_otherwise = rows().filter(|row| {
            let mut shares = shares(&asked, &row.state.total);
            shares.all(|(share, other)| other == short || share >= 1.0)
        });
        let largest = enough_otherwise.map(|row| short.of(&row.state.total, &asked)).max();
        let (requested, largest) = (short.of(&asked, &asked), largest.unwrap_or(have));
        let resource = spelt(self.snapshot.pool, &short.name(&asked)?);
        Some(hopeless(Verdict::Never, Cause::TooLarge { resource, requested, largest }))
    }

    fn clauses_fail(&self, held: &[Bits]) -> Outcome {
        let of = self.snapshot.pool.clauses.present().count();
        let failing: Vec<(&Expr, u32, &Bits)> = self
            .class
            .clauses
            .iter()
            .zip(held)
            .map(|(clause, held)| (&clause.written, of - held.count(), held))
            .filter(|(_, failing, _)| *failing > 0)
            .collect();
        if let Some((clause, failing, _)) = failing.iter().find(|(_, failing, _)| *failing == of) {
            return self.clause_fails(clause, *failing, of);
        }
        let conflict = self.least_conflict(&failing);
        let exprs: Vec<&Expr> = conflict.iter().map(|(clause, _)| *clause).collect();
        let clauses =
            conflict.iter().map(|(clause, failing)| (in_words(clause), *failing)).collect();
        hopeless(self.verdict(&exprs), Cause::ClausesConflict { clauses, of })
    }

    fn clause_fails(&self, clause: &Expr, failing: u32, of: u32) -> Outcome {
        let undefined = self.undefined(clause);
        // What no machine has, none is near to have.
        let nearest = undefined.is_empty().then(|| self.nearest(clause)).flatten().map(Box::new);
        let clause_in_words = in_words(clause);
        let cause = Cause::ClauseFails { clause: clause_in_words, failing, of, undefined, nearest };
        hopeless(self.verdict(&[clause]), cause)
    }

    /// The machine that meets as many of the other clauses as any, and what it has of that which
    /// this one looks at.
    fn nearest(&self, clause: &Expr) -> Option<Nearest> {
        let pool = self.snapshot.pool;
        let mut candidates = pool.clauses.present().clone();
        let others = self.class.clauses.iter().filter(|other| other.written != *clause);
        for held in others.filter_map(|other| other.settled(&pool.clauses)) {
            let mut fewer = candidates.clone();
            fewer.keep(held);
            if !fewer.is_empty() {
                candidates = fewer;
            }
        }
        let names: Vec<AttrName> =
            Dependence::of(clause, &self.class.request.ad).other.into_iter().collect();
        let has = |number: u32| {
            let row = pool.row(number);
            let slot = row.ad_with(&pool.nature(number).total);
            let values = names.iter().filter_map(|name| {
                let value = slot.eval(name.as_str(), Some(&self.class.request.ad), &self.env);
                (!value.is_undefined()).then(|| (name.to_string(), value.to_string()))
            });
            let values: Vec<(String, String)> = values.collect();
            let name = slot.eval(attr::NAME, None, &self.env).as_str().map(str::to_owned);
            Nearest { slot: name.unwrap_or_else(|| row.state.machine.to_string()), has: values }
        };
        // The last of the best would be as good; the first is the one that stays when machines
        // come.
        let sample = candidates.rows().take(NEAREST_SAMPLE).map(has);
        let nearest =
            sample.reduce(|best, next| if next.has.len() > best.has.len() { next } else { best });
        nearest.filter(|nearest| !nearest.has.is_empty())
    }

    /// Leaves out every clause without which the others still exclude each other.
    fn least_conflict<'e>(&self, failing: &[(&'e Expr, u32, &Bits)]) -> Vec<(&'e Expr, u32)> {
        let mut kept: Vec<bool> = vec![true; failing.len()];
        for candidate in 0..failing.len() {
            kept[candidate] = false;
            let mut rest = self.snapshot.pool.clauses.present().clone();
            let others = failing.iter().zip(&kept).filter(|(_, kept)| **kept);
            others.for_each(|((_, _, held), _)| rest.keep(held));
            kept[candidate] = !rest.is_empty();
        }
        let kept = failing.iter().zip(&kept).filter(|(_, kept)| **kept);
        kept.map(|((clause, failing, _), _)| (*clause, *failing)).collect()
    }

    /// References of a clause that no machine defines.
    fn undefined(&self, clause: &Expr) -> Vec<String> {
        let reached = Dependence::of(clause, &self.class.request.ad).other;
        // What is asked of each device of a list is in the devices' ads, not in the machines'.
        if reached.iter().any(|name| available_of(name).is_some()) {
            return Vec::new();
        }
        let pool = self.snapshot.pool;
        let defined = |name: &AttrName| {
            let has_it = || pool.machines().any(|(_, row)| row.ad().lookup(name).is_some());
            pool.clauses.is_defined(name).unwrap_or_else(has_it)
        };
        let missing = reached.iter().filter(|name| !defined(name));
        missing.map(|name| self.with_likely_meaning(name.as_str())).collect()
    }

    /// A name that no machine has, with the one that it may be a slip of the pen for: at most a
    /// third of it differs.
    fn with_likely_meaning(&self, name: &str) -> String {
        const MOST_SLIPS: usize = 3;
        let allowed = (name.len() / 3).min(MOST_SLIPS);
        let lower = name.to_ascii_lowercase();
        let first = self.snapshot.pool.machines().next().map(|(_, row)| row.ad());
        let names = first.into_iter().flat_map(|ad| ad.iter_all()).map(|(known, _)| known.as_str());
        let likely = names
            .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_ascii_lowercase()), known))
            .filter(|(slips, _)| *slips <= allowed)
            .min();
        match likely {
            Some((_, known)) => format!("{name} (did you mean {known}?)"),
            None => name.to_owned(),
        }
    }

    /// Whether one of the clauses may become true by itself.
    fn verdict(&self, clauses: &[&Expr]) -> Verdict {
        let mut dependence = Dependence::default();
        clauses.iter().for_each(|clause| dependence.add(clause, &self.class.request.ad));
        // `TARGET.Cpus <= 2` is not true of an empty machine and may be of one that is in use.
        dependence.unsteady |= clauses.iter().any(|clause| self.may_hold_in_use(clause));
        verdict(&dependence)
    }

    /// Whether a clause looks at what is left of a machine in another way than to ask for at least
    /// so much.
    fn may_hold_in_use(&self, clause: &Expr) -> bool {
        let reached = Dependence::of(clause, &self.class.request.ad).other;
        // Of a list of devices there is the more the less runs.
        let is_amount = |name: &AttrName| {
            self.snapshot.pool.rows.is_resource(name) && available_of(name).is_none()
        };
        reached.iter().any(is_amount) && Floor::of(clause, &self.class.request.ad).is_none()
    }

    fn refused(&self, refusing: &Bits) -> Outcome {
        let rows = refusing.rows().map(|number| self.snapshot.pool.row(number));
        let drained: Vec<&Row> =
            rows.filter(|row| row.ad().literal(attr::DRAINING).is_some()).collect();
        if let Some(first) = drained.first() {
            let said = first.ad().literal(attr::DRAIN_REASON).and_then(|value| value.as_str());
            let reason = said.unwrap_or_default().to_owned();
            let machines = u32::try_from(drained.len()).unwrap_or(u32::MAX);
            return hopeless(Verdict::NotYet, Cause::Drained { machines, reason });
        }
        let mut dependence = Dependence::default();
        let mut expression = String::new();
        for row in refusing.rows().map(|number| self.snapshot.pool.row(number)) {
            let Some(requirements) = row.requirements() else { continue };
            dependence.add(requirements, row.ad());
            if expression.is_empty() {
                expression = self.refusal(row, requirements);
            }
        }
        let mut own = dependence.clone();
        own.other.clone_from(&dependence.own);
        hopeless(verdict(&own), Cause::MachinesRefuse { refusing: refusing.count(), expression })
    }

    /// The clause of the machine's Requirements that is not true, spelt out if it is a mere name
    /// such as `Start`.
    fn refusal(&self, row: &Row, requirements: &Expr) -> String {
        let slot = row.ad_with(&row.state.total);
        let job = &self.class.request.ad;
        let clauses = requirements.clauses();
        let failing = clauses
            .into_iter()
            .find(|clause| !slot.eval_expr(clause, Some(job), &self.env).is_true());
        let Some(failing) = failing else { return requirements.to_string() };
        let named = AttrName::from(failing.to_string());
        match slot.lookup(&named) {
            Some(expr) if expr.as_literal().is_none() => in_words(expr),
            Some(_) | None => in_words(failing),
        }
    }
}

/// A clause as people write it: without parentheses around the whole.
fn in_words(clause: &Expr) -> String {
    clause.unparenthesised().to_string()
}

fn hopeless(verdict: Verdict, cause: Cause) -> Outcome {
    Outcome::Hopeless(IdleReason { verdict, cause })
}

fn verdict(dependence: &Dependence) -> Verdict {
    let moves = |name: &AttrName| CHANGE_BY_THEMSELVES.iter().any(|moving| name == moving);
    if dependence.unsteady || dependence.other.iter().any(moves) {
        Verdict::NotYet
    } else {
        Verdict::Never
    }
}

/// The larger of each amount.
fn at_least(total: &Resources, asked: &Resources) -> Resources {
    let mut custom = total.custom.clone();
    for (name, amount) in &asked.custom {
        let have = custom.entry(name.clone()).or_insert(0);
        *have = (*have).max(*amount);
    }
    Resources {
        cpus: total.cpus.max(asked.cpus),
        memory_mib: total.memory_mib.max(asked.memory_mib),
        disk_kib: total.disk_kib.max(asked.disk_kib),
        custom,
    }
}
