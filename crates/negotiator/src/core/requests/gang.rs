//! What the parts of a class's jobs ask for, where its jobs have several: each kind of part is a
//! class of its own that nobody shares. Where the parts are put is `matching`'s matter.

use std::sync::Arc;

use classad::{ClassAd, Expr, Value};
use model::{Gang, Parts, Resources, Spread, attr};
use proto::matchmaking::ClassRequest;

use crate::core::machines::pool::Rows;
use crate::core::requests::demand::{Asked, Class};

/// The parts of a class's jobs.
#[derive(Clone, Debug)]
pub(crate) struct GangClass {
    pub(crate) spread: Spread,
    pub(crate) kinds: Vec<Kind>,
    /// How many parts there are.
    pub(crate) count: u32,
}

/// Parts that are alike.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) parts: Vec<u32>,
    pub(crate) class: Class,
}

impl GangClass {
    /// Of jobs with this request; nothing if they have no parts.
    pub(crate) fn of(request: &ClassRequest, ads: &Rows) -> Option<Box<Self>> {
        let gang = Gang::of(&request.ad)?;
        let (mut kinds, mut next) = (Vec::new(), 0);
        for parts in &gang.parts {
            let ad = Arc::new(part_ad(&request.ad, parts));
            // Whose the machines are is decided for all parts together.
            let class = Class::alone(ClassRequest { ad, ..request.clone() }, ads);
            let class = Class { is_exclusive: false, ..class };
            kinds.push(Kind { parts: (next..next + parts.count).collect(), class });
            next += parts.count;
        }
        Some(Box::new(Self { spread: gang.spread, kinds, count: next }))
    }

    /// Whether its parts ask for more than all of this, or for more machines than these.
    pub(crate) fn asks_for_more_than<'r>(
        &self,
        machines: impl Iterator<Item = &'r Resources>,
    ) -> bool {
        let (mut count, mut cpus, mut memory_mib) = (0, 0, 0);
        for left in machines {
            (count, cpus) = (count + 1, cpus + u64::from(left.cpus));
            memory_mib += left.memory_mib;
        }
        let asked = |kind: &Kind| match &kind.class.asked {
            Asked::Fixed(asked) => (u64::from(asked.cpus), asked.memory_mib),
            Asked::PerMachine(_) => (0, 0),
        };
        let all = self.kinds.iter().fold((0_u64, 0_u64), |(cpus, memory_mib), kind| {
            let (parts, one) = (kind.parts.len() as u64, asked(kind));
            let times = |amount: u64| amount.saturating_mul(parts);
            (cpus.saturating_add(times(one.0)), memory_mib.saturating_add(times(one.1)))
        });
        let is_short = self.spread == Spread::Scatter && self.count > count;
        is_short || all.0 > cpus || all.1 > memory_mib
    }
}

/// A job's ad as that of one of its parts.
fn part_ad(job: &ClassAd, parts: &Parts) -> ClassAd {
    let mut ad = model::alone(job);
    for (name, amount) in &parts.asks {
        ad.set(name.as_str(), i64::try_from(*amount).unwrap_or(i64::MAX));
    }
    if let Some(machine) = &parts.machine {
        let quoted = Value::from(machine.as_str()).to_new();
        let there = format!("TARGET.{} == {quoted}", attr::MACHINE);
        let wanted = match ad.get(attr::REQUIREMENTS) {
            Some(wanted) => format!("({wanted}) && {there}"),
            None => there,
        };
        // Made of what was read, and so it can be.
        if let Ok(wanted) = Expr::parse(&wanted) {
            ad.set(attr::REQUIREMENTS, wanted);
        }
    }
    ad
}
