//! Conditions of common shapes, told apart from the rest: a clause that asks for at least so much
//! of an amount, and machines that refuse only what does not fit. Both are decided by comparing
//! numbers. What is not recognised is evaluated.

use classad::{ClassAd, Comparison, Env, Expr, RefScope};
use model::Resources;

use crate::core::values::dependence::Dependence;
use crate::core::values::wanted::Wanted;

/// How deep names are followed when a machine's Requirements are read: `Start &&
/// WithinResourceLimits` is one step.
const NAMES_FOLLOWED: usize = 4;

/// Numbers from here on are no amounts of anything.
const MOST: f64 = 1e15;

/// `TARGET.Memory >= 1024`, alone or as one of several alternatives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Floor {
    pub(crate) amount: Wanted,
    /// At least how much.
    pub(crate) least: u64,
    /// The whole clause where there is as much; `None` if it is then true.
    pub(crate) met: Option<Expr>,
    /// The whole clause where there is less; `None` if it is then not true.
    pub(crate) unmet: Option<Expr>,
}

impl Floor {
    /// Recognises a clause of a job's Requirements.
    pub(crate) fn of(clause: &Expr, job: &ClassAd) -> Option<Self> {
        let flat = clause.flatten(job, &Env::at(0));
        let alternatives = flat.alternatives();
        let mut floors = alternatives.iter().enumerate().filter_map(|(index, alternative)| {
            let (amount, least) = at_least(alternative, RefScope::Target, job)?;
            Some((index, amount, least))
        });
        let (index, amount, least) = floors.next()?;
        if floors.next().is_some() {
            return None;
        }
        let with = |value: bool| {
            let parts = alternatives.iter().enumerate();
            let parts = parts
                .map(|(at, part)| if at == index { Expr::from(value) } else { Expr::clone(part) });
            parts.reduce(Expr::or).filter(|_| alternatives.len() > 1)
        };
        Some(Self { amount, least, met: with(true), unmet: with(false) })
    }

    /// Whether there is as much.
    pub(crate) fn is_met(&self, left: &Resources) -> bool {
        amount_of(left, &self.amount) >= self.least
    }
}

/// A set of requests: processors, memory, disk, GPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestSet(u8);

impl RequestSet {
    /// Requests that a job states as numbers of its own, so that comparing them with an amount is
    /// true when they fit.
    pub(crate) fn stated(job: &ClassAd) -> Self {
        let number = |expr: &Expr| {
            let value = || job.eval_expr(expr, None, &Env::at(0)).as_f64();
            Dependence::of(expr, job).other.is_empty()
                && value().is_some_and(|number| (0.0..MOST).contains(&number))
        };
        let mut stated = Self::default();
        let wanted =
            job.iter_all().filter_map(|(name, expr)| Some((Wanted::by_request(name)?, expr)));
        for (wanted, _) in wanted.filter(|(_, expr)| number(expr)) {
            stated.add(&wanted);
        }
        stated
    }

    /// Whether all of `other` is in it.
    pub(crate) fn has_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// `None` for a resource that the set has no place for.
    fn add(&mut self, wanted: &Wanted) -> Option<()> {
        self.0 |= match wanted {
            Wanted::Cpus => 1,
            Wanted::Memory => 2,
            Wanted::Disk => 4,
            Wanted::Custom(name) if name == "gpus" => 8,
            Wanted::Custom(_) => return None,
        };
        Some(())
    }
}

/// A machine that refuses only jobs that do not fit: what a job must state for that to follow from
/// its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits(pub(crate) RequestSet);

impl Limits {
    /// Recognises a machine's Requirements.
    pub(crate) fn of(requirements: &Expr, slot: &ClassAd) -> Option<Self> {
        let mut limits = Self::default();
        limits.add(requirements, slot, NAMES_FOLLOWED)?;
        Some(limits)
    }

    /// `None` if the expression is not recognised.
    fn add(&mut self, expr: &Expr, slot: &ClassAd, follow: usize) -> Option<()> {
        for clause in expr.clauses() {
            let clause = clause.unparenthesised();
            match clause.as_reference() {
                Some((RefScope::Unscoped | RefScope::My, name)) => {
                    let named = slot.lookup(name)?;
                    match (follow, named.as_literal()) {
                        (_, Some(value)) if value.is_true() => {}
                        (0, _) | (_, Some(_)) => return None,
                        (_, None) => self.add(named, slot, follow - 1)?,
                    }
                }
                Some((RefScope::Target | RefScope::Other, _)) => return None,
                None => self.add_comparison(clause, slot)?,
            }
        }
        Some(())
    }

    fn add_comparison(&mut self, clause: &Expr, slot: &ClassAd) -> Option<()> {
        if clause.as_literal().is_some_and(classad::Value::is_true) {
            return Some(());
        }
        // `MY.Cpus > 0`: whatever fits takes at least this much.
        if let Some((amount, least)) = at_least(clause, RefScope::My, slot) {
            let smallest = Resources::default().quantized();
            return (least <= amount_of(&smallest, &amount)).then_some(());
        }
        // `TARGET.RequestCpus <= MY.Cpus`: follows when the request fits.
        let (left, comparison, right) = clause.as_comparison()?;
        let (request, amount) = match comparison {
            Comparison::LessOrEqual => (left, right),
            Comparison::GreaterOrEqual => (right, left),
            Comparison::Less | Comparison::Greater => return None,
        };
        let (scope, request) = request.as_reference()?;
        let wanted = Wanted::by_request(request)?;
        let asked = scope == RefScope::Target
            || (scope == RefScope::Unscoped && slot.lookup(request).is_none());
        (asked && own_amount(amount, RefScope::My, slot)? == wanted).then_some(())?;
        self.0.add(&wanted)
    }
}

/// `amount >= number` and its like, where the amount is the machine's: `side` says where that is,
/// seen from `own`.
fn at_least(expr: &Expr, side: RefScope, own: &ClassAd) -> Option<(Wanted, u64)> {
    let (left, comparison, right) = expr.as_comparison()?;
    let (amount, comparison, number) = match right.as_literal() {
        Some(number) => (left, comparison, number),
        None => (right, comparison.mirrored(), left.as_literal()?),
    };
    let number = number.as_f64().filter(|number| (0.0..MOST).contains(number))?;
    let least = match comparison {
        Comparison::GreaterOrEqual => number.ceil(),
        Comparison::Greater => number.floor() + 1.0,
        Comparison::Less | Comparison::LessOrEqual => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1e15, and whole"
    )]
    let least = least as u64;
    Some((own_amount(amount, side, own)?, least))
}

/// Which of the machine's amounts a bare reference names.
fn own_amount(expr: &Expr, side: RefScope, own: &ClassAd) -> Option<Wanted> {
    let (scope, name) = expr.as_reference()?;
    let here = own.lookup(name).is_some();
    let named = scope == side || (scope == RefScope::Unscoped && here == (side == RefScope::My));
    Wanted::by_amount(name).filter(|_| named)
}

/// How much there is.
pub(crate) fn amount_of(of: &Resources, what: &Wanted) -> u64 {
    match what {
        Wanted::Cpus => of.cpus.into(),
        Wanted::Memory => of.memory_mib,
        Wanted::Disk => of.disk_kib,
        Wanted::Custom(name) => of.custom.get(name).copied().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(clause: &str) -> String {
        let job =
            ClassAd::parse_old("RequestMemory = 500 + 12\nRequestDisk = 1.5\nCpus = 3\n").unwrap();
        match Floor::of(&clause.parse().unwrap(), &job) {
            None => "-".to_owned(),
            Some(Floor { amount, least, met, unmet }) => {
                let text = |expr: Option<Expr>| {
                    expr.map_or_else(|| "-".to_owned(), |expr| expr.to_string())
                };
                format!("{amount:?} {least}: {} / {}", text(met), text(unmet))
            }
        }
    }

    #[test]
    fn clauses_that_ask_for_an_amount_are_recognised_and_others_are_not() {
        assert_eq!(floor("TARGET.Memory >= RequestMemory"), "Memory 512: - / -");
        assert_eq!(floor("(TARGET.Memory > RequestMemory)"), "Memory 513: - / -");
        assert_eq!(floor("RequestDisk <= TARGET.Disk"), "Disk 2: - / -");
        assert_eq!(
            floor("HasX || (TARGET.Disk >= RequestDisk)"),
            "Disk 2: HasX || true / HasX || false"
        );
        // The job's own Cpus, an upper bound, two floors, arithmetic: evaluated.
        assert_eq!(floor("Cpus >= 2 || HasX"), "-");
        assert_eq!(floor("TARGET.Cpus <= 2"), "-");
        assert_eq!(floor("TARGET.Cpus > 1 || TARGET.Memory > 1"), "-");
        assert_eq!(floor("TARGET.Cpus * 2 > 1"), "-");
        assert_eq!(floor("TARGET.Cpus >= Undefined"), "-");
    }

    fn limits(requirements: &str) -> Option<u32> {
        let slot = ClassAd::parse_old(
            "Start = true\nPicky = TARGET.Owner == \"bob\"\nWithin = MY.Cpus > 0 && TARGET.RequestCpus <= Cpus\n\
             Cpus = 1\nMemory = 5\nNo = false\n",
        );
        Limits::of(&requirements.parse().unwrap(), &slot.unwrap())
            .map(|limits| limits.0.0.count_ones())
    }

    #[test]
    fn machines_that_refuse_only_what_does_not_fit_are_recognised() {
        assert_eq!(limits("Start && Within"), Some(1));
        assert_eq!(limits("Start && Within && MY.Memory >= TARGET.RequestMemory"), Some(2));
        for other in [
            "Picky",
            "No",
            "Memory > 4000",
            "TARGET.RequestCpus <= MY.Memory",
            "Start || Within",
            "Gone",
        ] {
            assert_eq!(limits(other), None, "{other}");
        }
    }
}
