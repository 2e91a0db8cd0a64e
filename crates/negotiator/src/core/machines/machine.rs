//! One machine as the matchmaker sees it: its slot ad, what is left of it now, and whether it takes
//! a job.

use std::collections::BTreeMap;
use std::sync::Arc;

use classad::{AttrName, ClassAd, Env, Expr, Value};
use model::{Now, Resources, UserName, attr};
use proto::matchmaking::MachineState;

use crate::core::conditions::shapes::{Limits, RequestSet};
use crate::core::machines::index::Place;
use crate::core::values::dependence::Dependence;
use crate::core::values::ordered::number;

/// A machine that has advertised itself.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What it said last.
    pub(crate) state: Box<MachineState>,
    /// When it was heard.
    pub(crate) heard: Now,
    /// Job attributes that its expressions refer to.
    pub(crate) significant: Arc<[AttrName]>,
    /// Whether its expressions ask for the time.
    pub(crate) unsteady: bool,
    /// Its own attributes that its Requirements reach.
    pub(crate) policy_reaches: Arc<[AttrName]>,
    kind: Division,
    slowness: u64,
    willing: Willing,
    weight: Weight,
    /// Of each custom resource whose pieces have ids, the attribute that lists those that are free,
    /// and the list of all.
    devices: BTreeMap<String, (AttrName, Expr)>,
}

/// What matching compares of a machine, whatever is in use of it: kept apart from the rest, so that
/// looking at 100,000 machines reads little memory.
#[derive(Clone, Debug)]
pub(crate) struct Nature {
    /// What it has when nothing runs.
    pub(crate) total: Resources,
    kind: Division,
    limits: Option<Limits>,
}

impl Nature {
    /// What a request for `asked` gets when `left` is left, or `None` if that is too little.
    pub(crate) fn grant(&self, asked: &Resources, left: &Resources) -> Option<Resources> {
        match self.kind {
            Division::Partitionable => left.covers(asked).then(|| asked.clone()),
            Division::Static => (*left == self.total && left.covers(asked)).then(|| left.clone()),
        }
    }

    /// Whether nobody has anything of it, if so much is left. The space on its disk changes by
    /// itself.
    pub(crate) fn is_whole(&self, left: &Resources) -> bool {
        let Resources { cpus, memory_mib, disk_kib: _, custom } = &self.total;
        (*cpus, *memory_mib, custom) == (left.cpus, left.memory_mib, &left.custom)
    }

    /// All of it, for who asks for so much and is to be alone there. Of its disk it is given what
    /// it asks for: nobody else can run without a processor.
    pub(crate) fn whole(&self, asked: &Resources) -> Resources {
        Resources { disk_kib: asked.disk_kib, ..self.total.clone() }
    }

    /// Whether it takes every job that fits and states these requests.
    pub(crate) fn takes_all_that_fit(&self, stated: RequestSet) -> bool {
        self.limits.is_some_and(|limits| stated.has_all(limits.0))
    }
}

/// How the machine gives itself away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Division {
    /// In parts, cut to the request.
    Partitionable,
    Static,
}

/// Which jobs it takes.
#[derive(Clone, Debug)]
enum Willing {
    /// Its Requirements are true whatever the job.
    Always,
    /// Its Requirements are true for every job that fits and states what it asks for.
    WithinLimits(Limits, Expr),
    /// Its Requirements must be asked.
    Ask(Expr),
}

/// What its parts count in the fair share (`SlotWeight`).
#[derive(Clone, Debug)]
enum Weight {
    Cpus,
    Expr(Expr),
}

impl Row {
    /// The machine with this ad.
    pub(crate) fn new(state: Box<MachineState>, heard: Now) -> Option<Self> {
        let ad = Arc::clone(state.slots.first()?);
        let partitionable = ad.eval(attr::PARTITIONABLE_SLOT, None, &Env::at(0)).is_true();
        let Conditions { willing, policy_reaches, significant, unsteady } =
            Conditions::of(&ad, &state.total);
        Some(Self {
            heard,
            significant,
            unsteady,
            policy_reaches,
            kind: if partitionable { Division::Partitionable } else { Division::Static },
            slowness: u64::MAX - kflops(&ad),
            willing,
            weight: match ad.get(attr::SLOT_WEIGHT) {
                Some(expr) if expr.to_string() != attr::CPUS => Weight::Expr(expr.clone()),
                Some(_) | None => Weight::Cpus,
            },
            devices: devices(&ad, &state.total),
            state,
        })
    }

    /// The slot ad as it was advertised.
    pub(crate) fn ad(&self) -> &Arc<ClassAd> {
        &self.state.slots[0]
    }

    /// Where it stands when so much of it is left.
    pub(crate) fn place(&self, row: u32, free: &Resources) -> Place {
        Place { cpus: free.cpus, memory_mib: free.memory_mib, slowness: self.slowness, row }
    }

    /// The slot ad with so much left: what HTCondor's negotiator evaluates against when it cuts a
    /// slot several times.
    pub(crate) fn ad_with(&self, left: &Resources) -> ClassAd {
        let mut ad = ClassAd::new();
        ad.set_parent(Arc::clone(self.ad()));
        ad.set(attr::CPUS, left.cpus);
        ad.set(attr::MEMORY, integer(left.memory_mib));
        ad.set(attr::DISK, integer(left.disk_kib));
        for (name, amount) in &left.custom {
            ad.set(name, integer(*amount));
        }
        // Looked at as if nothing ran, a machine has all of its devices.
        let whole = |name: &String| left.custom.get(name) == self.state.total.custom.get(name);
        for (name, (attribute, all)) in self.devices.iter().filter(|(name, _)| whole(name)) {
            debug_assert!(self.state.total.custom.contains_key(name), "{name} is counted");
            ad.set(attribute.clone(), all.clone());
        }
        ad
    }

    /// Whether the machine takes the job; `slot` is what [`Self::ad_with`] makes.
    pub(crate) fn takes(&self, slot: &ClassAd, job: &ClassAd, env: &Env) -> bool {
        match &self.willing {
            Willing::Always => true,
            Willing::WithinLimits(_, requirements) | Willing::Ask(requirements) => {
                slot.eval_expr(requirements, Some(job), env).is_true()
            }
        }
    }

    /// The machine's own preference for the job: `Rank`, 0 if it has none.
    pub(crate) fn rank(&self, slot: &ClassAd, job: &ClassAd, env: &Env) -> f64 {
        number(&slot.eval(attr::RANK, Some(job), env))
    }

    /// Whether the machine prefers some jobs to others.
    pub(crate) fn has_rank(&self) -> bool {
        self.ad().get(attr::RANK).is_some_and(|rank| rank.as_literal().is_none())
    }

    /// The machine's Requirements as written, if they must be asked.
    pub(crate) fn requirements(&self) -> Option<&Expr> {
        match &self.willing {
            Willing::Always => None,
            Willing::WithinLimits(_, requirements) | Willing::Ask(requirements) => {
                Some(requirements)
            }
        }
    }

    /// What matching compares.
    pub(crate) fn nature(&self) -> Nature {
        let limits = match &self.willing {
            Willing::Always => Some(Limits::default()),
            Willing::WithinLimits(limits, _) => Some(*limits),
            Willing::Ask(_) => None,
        };
        Nature { total: self.state.total.clone(), kind: self.kind, limits }
    }

    /// What a part counts in the fair share.
    pub(crate) fn weight(&self, part: &Resources) -> f64 {
        match &self.weight {
            Weight::Cpus => f64::from(part.cpus),
            Weight::Expr(expr) => {
                let slot = self.ad_with(part);
                number(&slot.eval_expr(expr, None, &Env::at(self.heard.wall.as_secs()))).max(0.0)
            }
        }
    }

    /// What each user's claims on it count together.
    pub(crate) fn held(&self) -> BTreeMap<UserName, f64> {
        let mut held = BTreeMap::new();
        for claim in &self.state.claims {
            *held.entry(claim.owner.clone()).or_insert(0.0) += self.weight(&claim.resources);
        }
        held
    }
}

/// The lists of all devices, from what the ad says was detected.
fn devices(ad: &ClassAd, total: &Resources) -> BTreeMap<String, (AttrName, Expr)> {
    let list = |name: &String| {
        let available = AttrName::from(format!("Available{name}"));
        ad.lookup(&available)?;
        Some((available, model::devices::detected(ad, spelt(ad, name))?))
    };
    total.custom.keys().filter_map(|name| Some((name.clone(), list(name)?))).collect()
}

/// A resource as a machine that has it spells it.
pub(crate) fn spelt<'a>(ad: &'a ClassAd, name: &'a str) -> &'a str {
    let all = ad.literal(attr::MACHINE_RESOURCES).and_then(Value::as_str).unwrap_or_default();
    all.split(' ').find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name)
}

/// The custom resource, by its lower-case name, whose free devices an attribute lists:
/// `AvailableGPUs`.
pub(crate) fn available_of(name: &AttrName) -> Option<String> {
    let (head, rest) = name.as_str().split_at_checked("Available".len())?;
    head.eq_ignore_ascii_case("Available").then(|| rest.to_ascii_lowercase())
}

/// Whether the attribute tells how much of a machine is left, on every machine.
pub(crate) fn is_amount(name: &AttrName) -> bool {
    [attr::CPUS, attr::MEMORY, attr::DISK].iter().any(|amount| name == amount)
}

/// Whether the attribute is one of these resources, which have lower-case names.
pub(crate) fn is_custom<T>(name: &AttrName, customs: &BTreeMap<String, T>) -> bool {
    !customs.is_empty() && customs.contains_key(&name.as_str().to_ascii_lowercase())
}

fn integer(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

fn kflops(ad: &ClassAd) -> u64 {
    let value = ad.eval(attr::KFLOPS, None, &Env::at(0)).as_i64();
    value.and_then(|kflops| u64::try_from(kflops).ok()).unwrap_or(0)
}

/// The machine's own conditions.
struct Conditions {
    willing: Willing,
    policy_reaches: Arc<[AttrName]>,
    significant: Arc<[AttrName]>,
    unsteady: bool,
}

impl Conditions {
    /// Reads Requirements (which usually name START) or START alone, and Rank for what it looks at.
    fn of(ad: &ClassAd, total: &Resources) -> Self {
        let expr = ad.get(attr::REQUIREMENTS).or_else(|| ad.get(attr::START));
        let mut dependence = Dependence::default();
        if let Some(expr) = expr {
            dependence.add(expr, ad);
        }
        let fixed = dependence.other.is_empty()
            && !dependence.unsteady
            && !dependence.own.iter().any(|name| is_amount(name) || is_custom(name, &total.custom));
        let willing = match expr {
            None => Willing::Always,
            Some(expr) if fixed && ad.eval_expr(expr, None, &Env::at(0)).is_true() => {
                Willing::Always
            }
            Some(expr) => match Limits::of(expr, ad) {
                Some(limits) => Willing::WithinLimits(limits, expr.clone()),
                None => Willing::Ask(expr.clone()),
            },
        };
        let policy_reaches = std::mem::take(&mut dependence.own).into_iter().collect();
        if let Some(rank) = ad.get(attr::RANK) {
            dependence.add(rank, ad);
        }
        Self {
            willing,
            policy_reaches,
            significant: dependence.other.into_iter().collect(),
            unsteady: dependence.unsteady,
        }
    }
}
