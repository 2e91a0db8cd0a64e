//! Jobs that run beside the schedd (`universe = local`, `universe = scheduler`): how many may run,
//! where they get their claims, and why they wait. The negotiator is not asked: the schedd's own ad
//! is what their Requirements look at, and the startd of this machine grants a claim that takes
//! nothing from the machine. From then on they are runs like all others.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use classad::analyze::analyze;
use classad::{ClassAd, Expr, requirements_hold};
use model::{Cause, ClassId, IdleReason, JobId, MatchId, Now, Resources, Universe, Verdict, attr};
use proto::client::Counts;
use proto::matchmaking::Match;

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::state::classes::{Aside, Class};
use crate::core::state::core::Core;
use crate::core::words::{ClaimFact, Fact, RoundFact};

/// How often it is asked again whether a class may run: its expressions may name the time.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The least time between two runs of a job that asks for another each time: a workflow that cannot
/// start must not write its log a thousand times a second. (HTCondor 25.14 looks at such jobs no
/// more often.) One that had run for longer begins again at once.
pub(crate) const RUN_AGAIN: Duration = Duration::from_secs(5);

/// Claims asked for in one tick: more than may run at a time, unless an administrator wants very
/// many.
const CLAIMS_PER_TICK: usize = 1000;

impl Core {
    /// The schedd's ad: what it is asked whether jobs may run beside it, and what they ask it.
    pub fn schedd_ad(&self) -> ClassAd {
        let mut ad = ClassAd::new();
        let beside = &self.config.beside;
        ad.set_parent(Arc::clone(&beside.found));
        ad.set(attr::MY_TYPE, "Scheduler");
        ad.set(attr::NAME, self.config.name.as_str());
        ad.set(attr::MACHINE, beside.machine.as_str());
        ad.set(attr::MY_ADDRESS, self.config.address.as_str());
        self.set_universes(&mut ad);
        ad
    }

    /// How many jobs run and wait in each universe, and what limits them.
    pub(crate) fn set_universes(&self, ad: &mut ClassAd) {
        let beside = &self.config.beside;
        ad.set("StartLocalUniverse", beside.starts.local.clone());
        ad.set("StartSchedulerUniverse", beside.starts.scheduler.clone());
        let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let of = |universe| self.by_universe.get(&universe).copied().unwrap_or_default();
        let vanilla: Counts = of(Universe::Vanilla);
        ad.set(attr::TOTAL_RUNNING_JOBS, whole(vanilla.running));
        ad.set(attr::TOTAL_IDLE_JOBS, whole(vanilla.idle));
        ad.set(attr::TOTAL_HELD_JOBS, whole(self.all.held));
        for (universe, running, idle) in [
            (Universe::Local, TOTAL_LOCAL_RUNNING, "TotalLocalJobsIdle"),
            (
                Universe::Scheduler,
                attr::TOTAL_SCHEDULER_JOBS_RUNNING,
                attr::TOTAL_SCHEDULER_JOBS_IDLE,
            ),
        ] {
            ad.set(running, i64::from(taken(&self.beside.running, universe)));
            ad.set(idle, whole(of(universe).idle));
        }
    }

    /// Asks the startd of this machine for claims, as many as jobs may run, and says why the others
    /// wait.
    pub(crate) fn beside(&self, now: Now) -> Vec<Fact> {
        let refused = self.beside.refused.as_ref().is_some_and(|(until, _)| now.boot_ms < *until);
        if refused || self.is_fenced() || self.classes.beside.is_empty() {
            return Vec::new();
        }
        let mut room = Room::new(self, now);
        self.beside.asked.iter().for_each(|(universe, n)| room.add(*universe, *n));
        let waiting = self.classes.beside.iter().filter_map(|id| self.classes.by_id.get(id));
        // Claims that are there already, and that the next jobs will start on.
        waiting.for_each(|class| room.add(class.universe, class.free_for_idle()));
        let mut facts = Vec::new();
        for (id, class) in self.in_turn(now) {
            let left = CLAIMS_PER_TICK.saturating_sub(facts.len()) as u64;
            facts.extend(self.claims_for(id, class, class.needs().min(left), &mut room));
        }
        facts
    }

    /// The classes that may be looked at: whose owner has the fewest running first, then by
    /// priority and age.
    fn in_turn(&self, now: Now) -> Vec<(ClassId, &Class)> {
        let classes =
            self.classes.beside.iter().filter_map(|id| Some((*id, self.classes.by_id.get(id)?)));
        let ready = classes.filter(|(_, class)| {
            class.needs() > 0 && class.aside.is_none_or(|aside| now.boot_ms >= aside.until_ms)
        });
        let mut ready: Vec<_> = ready.collect();
        ready.sort_by_cached_key(|(_, class)| {
            let counts = self.counts.get(&(class.owner.clone(), class.universe));
            let first = class.idle.first();
            let priority = first.map(|(priority, _)| priority);
            (
                counts.map_or(0, |counts| counts.running),
                Reverse(priority),
                first.map(|(_, job)| job),
            )
        });
        ready
    }

    fn claims_for(&self, id: ClassId, class: &Class, most: u64, room: &mut Room<'_>) -> Vec<Fact> {
        let Some(job) = class.idle.first().and_then(|(_, job)| self.job(job)) else {
            return Vec::new();
        };
        let ad = ads::matching_ad(job, self);
        if let Some(clause) = failing_clause(&ad, &room.ad, room.now) {
            let reason = IdleReason { verdict: Verdict::Never, cause: clause };
            let told = self.newly_waiting(id, &reason);
            return [room.aside(id, reason, false)].into_iter().chain(told).collect();
        }
        let mut facts = Vec::new();
        while (facts.len() as u64) < most && room.takes(class.universe, &ad) {
            room.asked += 1;
            facts.push(Fact::Claim(ClaimFact::Requested(Match {
                id: MatchId { life: self.config.beside.life, number: room.asked },
                class: id,
                machine: self.config.beside.machine.clone(),
                address: self.config.beside.address.clone(),
                resources: Resources::default(),
                limits: Vec::new(),
                term: None,
                gang: None,
            })));
        }
        if (facts.len() as u64) < most {
            let setting = match class.universe {
                Universe::Scheduler => "START_SCHEDULER_UNIVERSE",
                Universe::Local | Universe::Vanilla => "START_LOCAL_UNIVERSE",
            };
            let cause = Cause::NoPlace { setting: setting.to_owned() };
            let reason = IdleReason { verdict: Verdict::NotYet, cause };
            facts.extend(self.newly_waiting(id, &reason));
            facts.push(room.aside(id, reason, true));
        }
        facts
    }

    /// Whether one more job of this class may start now, on a claim that there is.
    pub(crate) fn may_start<'a>(
        &'a self,
        now: Now,
        class: &Class,
        job: JobId,
        room: &mut Option<Room<'a>>,
    ) -> bool {
        if !class.universe.is_beside() {
            return true;
        }
        let room = room.get_or_insert_with(|| Room::new(self, now));
        self.job(job).is_some_and(|job| room.takes(class.universe, &ads::matching_ad(job, self)))
    }

    /// When a class that waits is looked at again, or the startd of this machine is asked again.
    pub(crate) fn beside_due_ms(&self) -> Option<u64> {
        if self.is_fenced() {
            return None;
        }
        let classes = self.classes.beside.iter().filter_map(|id| self.classes.by_id.get(id));
        let needy = classes.filter(|class| class.needs() > 0);
        let first = needy.map(|class| class.aside.map_or(0, |aside| aside.until_ms)).min()?;
        Some(self.beside.refused.as_ref().map_or(first, |(until_ms, _)| first.max(*until_ms)))
    }

    /// Why the idle jobs of a class that run beside the schedd wait.
    pub(crate) fn beside_reason(&self, class: Option<&Class>, now: Now) -> IdleReason {
        let not_yet = |cause| IdleReason { verdict: Verdict::NotYet, cause };
        let known = class.and_then(|class| class.aside.and(class.reason.clone()));
        if let Some(reason) = known {
            return reason;
        }
        match &self.beside.refused {
            Some((until_ms, last)) if now.boot_ms < *until_ms => {
                let seconds = (until_ms - now.boot_ms).div_ceil(1000);
                not_yet(Cause::BackingOff { seconds, last: last.clone() })
            }
            Some(_) | None => not_yet(Cause::Claiming),
        }
    }

    /// A class is not looked at for a while.
    pub(in crate::core) fn put_aside(&mut self, id: ClassId, reason: &IdleReason, aside: Aside) {
        if let Some(class) = self.classes.by_id.get_mut(&id) {
            class.reason = Some(reason.clone());
            class.aside = Some(aside);
        }
    }

    /// A place is free again: classes that waited for one are looked at.
    pub(in crate::core) fn place_freed(&mut self, universe: Universe) {
        if !universe.is_beside() {
            return;
        }
        for id in &self.classes.beside {
            if let Some(class) = self.classes.by_id.get_mut(id)
                && class.aside.is_some_and(|aside| aside.for_others)
            {
                class.aside = None;
            }
        }
    }
}

const TOTAL_LOCAL_RUNNING: &str = "TotalLocalJobsRunning";

/// How many places are taken, while a tick takes more of them.
pub(crate) struct Room<'a> {
    core: &'a Core,
    now: Now,
    ad: ClassAd,
    taken: BTreeMap<Universe, u32>,
    /// The number of the last match made.
    asked: u64,
}

impl<'a> Room<'a> {
    /// What runs now.
    pub(crate) fn new(core: &'a Core, now: Now) -> Self {
        let (ad, asked) = (core.schedd_ad(), core.beside.last_match);
        Self { core, now, ad, taken: core.beside.running.clone(), asked }
    }

    fn add(&mut self, universe: Universe, n: u32) {
        *self.taken.entry(universe).or_default() += n;
    }

    /// Takes a place for a job, if one more may start.
    fn takes(&mut self, universe: Universe, job: &ClassAd) -> bool {
        let beside = &self.core.config.beside;
        let (start, name) = match universe {
            Universe::Local => (&beside.starts.local, TOTAL_LOCAL_RUNNING),
            Universe::Scheduler => (&beside.starts.scheduler, attr::TOTAL_SCHEDULER_JOBS_RUNNING),
            Universe::Vanilla => return true,
        };
        self.ad.set(name, i64::from(taken(&self.taken, universe)));
        let may = self.ad.eval_expr(start, Some(job), &env(self.now)).is_true();
        if may {
            self.add(universe, 1);
        }
        may
    }

    fn aside(&self, class: ClassId, reason: IdleReason, for_others: bool) -> Fact {
        Fact::Round(RoundFact::ClassAside {
            class,
            reason,
            until_ms: self.now.deadline(LOOK_AGAIN),
            for_others,
        })
    }
}

fn taken(places: &BTreeMap<Universe, u32>, universe: Universe) -> u32 {
    places.get(&universe).copied().unwrap_or(0)
}

/// The first clause of the job's Requirements that is not true of the schedd's ad.
fn failing_clause(job: &ClassAd, schedd: &ClassAd, now: Now) -> Option<Cause> {
    let env = env(now);
    if requirements_hold(job, schedd, &env) {
        return None;
    }
    let analysis = analyze(job, std::iter::once(schedd), &env);
    let failing = analysis.clauses.into_iter().find(|clause| clause.failed > 0);
    Some(match failing {
        Some(clause) => {
            let undefined = clause.undefined_references.iter().map(ToString::to_string).collect();
            let words = Expr::parse(&clause.text).map(|expr| expr.unparenthesised().to_string());
            Cause::NotHere { clause: words.unwrap_or(clause.text), undefined }
        }
        None => Cause::NotHere { clause: attr::REQUIREMENTS.to_owned(), undefined: Vec::new() },
    })
}
