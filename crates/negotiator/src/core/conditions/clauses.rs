//! Clauses of jobs' Requirements, and Ranks, each evaluated once per kind of machine, whatever
//! number of classes and machines share it.
//!
//! Two classes share a clause when its text and everything of the job that it reaches are equal.
//! Two machines are of one kind for it when everything of the machine that it reaches is equal.
//! What it reaches of the machines is kept in columns of numbers that stand for values, so that
//! telling kinds apart compares numbers.
//!
//! A clause that reaches what is left of a machine, the time, or back into the job is not kept as a
//! set: it is *live*, and evaluated for one candidate at a time. So is a Rank that has too many
//! values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use classad::{AttrName, ClassAd, Env, Expr, RefScope};

use crate::core::values::bits::Bits;
use crate::core::values::dependence::Dependence;
use crate::core::values::ordered::Ordered;
use crate::core::values::ordered::number;

/// A clause that some class has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClauseId(usize);

/// The ads of the machines, by row.
pub(crate) trait Ads {
    /// One more than the highest row.
    fn rows(&self) -> u32;
    /// The slot ad of a row, as it was advertised.
    fn ad(&self, row: u32) -> Option<&Arc<ClassAd>>;
    /// Whether the attribute tells how much of a machine is left.
    fn is_resource(&self, name: &AttrName) -> bool;
}

/// All clauses, and the columns that they reach.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clauses {
    clauses: Vec<Option<Clause>>,
    by_key: BTreeMap<String, ClauseId>,
    columns: Vec<Column>,
    by_name: BTreeMap<AttrName, usize>,
    values: Values,
    present: Bits,
}

#[derive(Clone, Debug)]
struct Clause {
    key: String,
    expr: Expr,
    job: Arc<ClassAd>,
    sense: Sense,
    reaches: BTreeSet<AttrName>,
    unsteady: bool,
    outcome: Outcome,
    users: usize,
}

/// What is asked of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sense {
    /// Whether it is true.
    Condition,
    /// How large it is.
    Rank,
}

/// What an expression is on each machine.
#[derive(Clone, Debug)]
enum Outcome {
    /// It must be evaluated for each candidate.
    Live,
    /// The machines on which it is true.
    Holds(Bits),
    /// Machines by value, the highest first.
    Levels(Vec<Level>),
}

/// Machines on which a Rank has one value.
pub(crate) type Level = (Ordered, Bits);

/// A Rank with more values than this is live: a set of machines for each value would cost more than
/// evaluating it.
const MAX_LEVELS: usize = 64;

/// One attribute of every machine.
#[derive(Clone, Debug)]
struct Column {
    name: AttrName,
    ids: Vec<u32>,
    clauses: BTreeSet<ClauseId>,
}

/// Values of machine attributes by number. 0 stands for an attribute that a machine does not have.
#[derive(Clone, Debug, Default)]
struct Values {
    by_text: BTreeMap<Arc<str>, u32>,
    known: Vec<Option<(Arc<str>, Expr, u32)>>,
    vacant: Vec<u32>,
}

const ABSENT: u32 = 0;

impl Clauses {
    /// Takes a share in a clause of `job`.
    pub(crate) fn acquire(
        &mut self,
        expr: &Expr,
        sense: Sense,
        job: &Arc<ClassAd>,
        ads: &dyn Ads,
    ) -> ClauseId {
        let dependence = Dependence::of(expr, job);
        let key = key(expr, sense, job, &dependence);
        if let Some(id) = self.by_key.get(&key) {
            if let Some(clause) = &mut self.clauses[id.0] {
                clause.users += 1;
            }
            return *id;
        }
        let clause = Clause {
            key: key.clone(),
            expr: expr.clone(),
            job: Arc::clone(job),
            reaches: dependence.other,
            unsteady: dependence.unsteady,
            sense,
            outcome: Outcome::Live,
            users: 1,
        };
        let id = match self.clauses.iter().position(Option::is_none) {
            Some(vacant) => ClauseId(vacant),
            None => {
                self.clauses.push(None);
                ClauseId(self.clauses.len() - 1)
            }
        };
        self.clauses[id.0] = Some(clause);
        self.by_key.insert(key, id);
        self.rebuild(id, ads);
        id
    }

    /// Gives a share back.
    pub(crate) fn release(&mut self, id: ClauseId) {
        let Some(clause) = &mut self.clauses[id.0] else { return };
        clause.users -= 1;
        if clause.users == 0 {
            self.by_key.remove(&clause.key);
            self.clauses[id.0] = None;
            for column in &mut self.columns {
                column.clauses.remove(&id);
            }
        }
    }

    /// Where a condition holds, or `None` if it is live.
    pub(crate) fn holds(&self, id: ClauseId) -> Option<&Bits> {
        match &self.clauses[id.0].as_ref()?.outcome {
            Outcome::Holds(rows) => Some(rows),
            Outcome::Live | Outcome::Levels(_) => None,
        }
    }

    /// The machines by rank, or `None` if it is live.
    pub(crate) fn levels(&self, id: ClauseId) -> Option<&[Level]> {
        match &self.clauses[id.0].as_ref()?.outcome {
            Outcome::Levels(levels) => Some(levels),
            Outcome::Live | Outcome::Holds(_) => None,
        }
    }

    /// The rows that have a machine.
    pub(crate) fn present(&self) -> &Bits {
        &self.present
    }

    /// Whether some machine has the attribute, if that is known.
    pub(crate) fn is_defined(&self, name: &AttrName) -> Option<bool> {
        let column = &self.columns[*self.by_name.get(name)?];
        Some(column.ids.iter().any(|id| *id != ABSENT))
    }

    /// Whether some clause depends on what changes while no ad does.
    pub(crate) fn any_unsteady(&self) -> bool {
        self.clauses.iter().flatten().any(|clause| clause.unsteady)
    }

    /// Takes note of a machine's new, changed or vanished ad. Tells whether a clause may see the
    /// difference.
    pub(crate) fn machine_changed(&mut self, row: u32, ads: &dyn Ads) -> bool {
        let ad = ads.ad(row);
        let mut concerned = BTreeSet::new();
        if self.present.get(row) != ad.is_some() {
            self.present.put(row, ad.is_some());
            concerned = self.by_key.values().copied().collect();
        }
        let mut widened = BTreeSet::new();
        let values = &mut self.values;
        for column in &mut self.columns {
            let (old, new) = column.set(row, ad, values);
            if old != new {
                concerned.extend(&column.clauses);
                if values.is_computed(new) {
                    widened.extend(&column.clauses);
                }
            }
        }
        for id in &widened {
            self.rebuild(*id, ads);
        }
        for id in concerned.difference(&widened) {
            if let Some(clause) = &mut self.clauses[id.0] {
                clause.outcome_changed(row, ad);
            }
        }
        !concerned.is_empty()
    }

    /// Evaluates every clause anew: what counts as a resource has changed.
    pub(crate) fn rebuild_all(&mut self, ads: &dyn Ads) {
        for id in 0..self.clauses.len() {
            self.rebuild(ClauseId(id), ads);
        }
    }

    fn rebuild(&mut self, id: ClauseId, ads: &dyn Ads) {
        let Some(clause) = &self.clauses[id.0] else { return };
        let mut live = clause.unsteady;
        let mut columns = BTreeSet::new();
        let mut waiting: Vec<AttrName> = clause.reaches.iter().cloned().collect();
        while let Some(name) = waiting.pop() {
            if ads.is_resource(&name) {
                live = true;
                continue;
            }
            let column = self.column(&name, ads);
            if columns.insert(column) {
                live |= self.values.computed_in(&self.columns[column], &mut waiting);
            }
        }
        for column in &columns {
            self.columns[*column].clauses.insert(id);
        }
        let outcome = if live { Outcome::Live } else { self.evaluate_kinds(id, &columns, ads) };
        if let Some(clause) = &mut self.clauses[id.0] {
            clause.outcome = outcome;
        }
    }

    /// Evaluates a clause once for each kind of machine.
    fn evaluate_kinds(&self, id: ClauseId, columns: &BTreeSet<usize>, ads: &dyn Ads) -> Outcome {
        let Some(clause) = &self.clauses[id.0] else { return Outcome::Live };
        let columns: Vec<&Column> = columns.iter().map(|column| &self.columns[*column]).collect();
        let mut known: BTreeMap<Vec<u32>, f64> = BTreeMap::new();
        let mut kind = Vec::with_capacity(columns.len());
        let mut outcome = match clause.sense {
            Sense::Condition => Outcome::Holds(Bits::default()),
            Sense::Rank => Outcome::Levels(Vec::new()),
        };
        for row in 0..ads.rows() {
            let Some(ad) = ads.ad(row) else { continue };
            kind.clear();
            kind.extend(columns.iter().map(|column| column.get(row)));
            let value = match known.get(&kind) {
                Some(value) => *value,
                None => {
                    let value = clause.evaluate(ad);
                    known.insert(kind.clone(), value);
                    value
                }
            };
            outcome.put(row, Some(value));
        }
        outcome
    }

    fn column(&mut self, name: &AttrName, ads: &dyn Ads) -> usize {
        if let Some(column) = self.by_name.get(name) {
            return *column;
        }
        let mut column = Column { name: name.clone(), ids: Vec::new(), clauses: BTreeSet::new() };
        for row in 0..ads.rows() {
            column.set(row, ads.ad(row), &mut self.values);
        }
        self.columns.push(column);
        self.by_name.insert(name.clone(), self.columns.len() - 1);
        self.columns.len() - 1
    }
}

impl Clause {
    /// A condition is 1 where it is true and 0 elsewhere. Steady clauses only: the time makes no
    /// difference to them.
    fn evaluate(&self, machine: &ClassAd) -> f64 {
        let value = self.job.eval_expr(&self.expr, Some(machine), &Env::at(0));
        match self.sense {
            Sense::Condition => f64::from(u8::from(value.is_true())),
            Sense::Rank => number(&value),
        }
    }

    fn outcome_changed(&mut self, row: u32, machine: Option<&Arc<ClassAd>>) {
        if !matches!(self.outcome, Outcome::Live) {
            let value = machine.map(|machine| self.evaluate(machine));
            self.outcome.put(row, value);
        }
    }
}

impl Outcome {
    /// Takes note of the value on one machine; `None` if there is no machine.
    fn put(&mut self, row: u32, value: Option<f64>) {
        match self {
            Self::Live => {}
            Self::Holds(rows) => rows.put(row, value == Some(1.0)),
            Self::Levels(levels) => {
                levels.iter_mut().for_each(|(_, rows)| rows.put(row, false));
                let Some(value) = value.map(Ordered) else { return };
                match levels.iter_mut().find(|(level, _)| *level == value) {
                    Some((_, rows)) => rows.put(row, true),
                    None => self.add_level(row, value),
                }
            }
        }
    }

    fn add_level(&mut self, row: u32, value: Ordered) {
        let Self::Levels(levels) = self else { return };
        levels.retain(|(_, rows)| !rows.is_empty());
        if levels.len() == MAX_LEVELS {
            *self = Self::Live;
            return;
        }
        let mut rows = Bits::default();
        rows.put(row, true);
        levels.insert(levels.partition_point(|(level, _)| *level > value), (value, rows));
    }
}

impl Column {
    fn get(&self, row: u32) -> u32 {
        self.ids.get(row as usize).copied().unwrap_or(ABSENT)
    }

    /// Takes the value from the ad; returns the old and the new number.
    fn set(&mut self, row: u32, ad: Option<&Arc<ClassAd>>, values: &mut Values) -> (u32, u32) {
        let old = self.get(row);
        let new =
            ad.and_then(|ad| ad.lookup(&self.name)).map_or(ABSENT, |expr| values.acquire(expr));
        values.release(old);
        if self.ids.len() <= row as usize {
            self.ids.resize(row as usize + 1, ABSENT);
        }
        self.ids[row as usize] = new;
        (old, new)
    }
}

impl Values {
    fn acquire(&mut self, expr: &Expr) -> u32 {
        let text = expr.to_string();
        if let Some(id) = self.by_text.get(text.as_str()) {
            if let Some((_, _, users)) = &mut self.known[*id as usize - 1] {
                *users += 1;
            }
            return *id;
        }
        let text: Arc<str> = text.into();
        let entry = Some((Arc::clone(&text), expr.clone(), 1));
        let id = match self.vacant.pop() {
            Some(id) => {
                self.known[id as usize - 1] = entry;
                id
            }
            None => {
                self.known.push(entry);
                u32::try_from(self.known.len()).expect("columns times machines stay below 2^32")
            }
        };
        self.by_text.insert(text, id);
        id
    }

    fn release(&mut self, id: u32) {
        if id == ABSENT {
            return;
        }
        let slot = &mut self.known[id as usize - 1];
        if let Some((text, _, users)) = slot {
            *users -= 1;
            if *users == 0 {
                self.by_text.remove(text);
                *slot = None;
                self.vacant.push(id);
            }
        }
    }

    fn is_computed(&self, id: u32) -> bool {
        id != ABSENT
            && self.known[id as usize - 1]
                .as_ref()
                .is_some_and(|(_, expr, _)| expr.as_literal().is_none())
    }

    /// Adds to `reached` what the column's values refer to; tells whether one of them refers to the
    /// job or to the time.
    fn computed_in(&self, column: &Column, reached: &mut Vec<AttrName>) -> bool {
        let distinct: BTreeSet<u32> =
            column.ids.iter().copied().filter(|id| self.is_computed(*id)).collect();
        let mut live = false;
        for id in distinct {
            let Some((_, expr, _)) = &self.known[id as usize - 1] else { continue };
            live |= Dependence::of(expr, &ClassAd::new()).unsteady;
            for (scope, name) in expr.references() {
                match scope {
                    RefScope::My => reached.push(name),
                    // Where a machine lacks the attribute, the job's is taken: which job's matters.
                    RefScope::Unscoped => {
                        live = true;
                        reached.push(name);
                    }
                    RefScope::Target | RefScope::Other => live = true,
                }
            }
        }
        live
    }
}

/// The clause's text with everything of the job that it reaches.
fn key(expr: &Expr, sense: Sense, job: &ClassAd, dependence: &Dependence) -> String {
    let mut key = format!("{sense:?} {expr}");
    for name in &dependence.own {
        key.push('\n');
        key.push_str(&name.as_str().to_ascii_lowercase());
        if let Some(value) = job.lookup(name) {
            key.push('=');
            key.push_str(&value.to_string());
        }
    }
    key
}
