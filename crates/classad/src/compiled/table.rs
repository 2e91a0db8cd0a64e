//! The machines, by row, and the columns that are asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ad::Shape;
use crate::compiled::{CompiledRequirements, RowSet};
use crate::expr::{Expr, Repr};
use crate::{AttrName, ClassAd, Value};

/// Shapes and values remembered for sharing; a pool has a few hundred of either. Beyond that, ads
/// are stored as they come.
const MAX_SHARED: usize = 1 << 16;

/// Many ads of one sort, with the attributes that Requirements ask for in columns.
#[derive(Default)]
pub struct MachineTable {
    rows: Vec<Option<Arc<ClassAd>>>,
    free: Vec<usize>,
    columns: BTreeMap<AttrName, Column>,
    strings: Strings,
    shapes: BTreeMap<Vec<AttrName>, Arc<Shape>>,
    texts: BTreeMap<Arc<str>, Arc<str>>,
    trees: BTreeMap<String, Expr>,
}

/// The literal values of one attribute.
#[derive(Default)]
pub(crate) struct Column {
    pub(crate) kinds: Vec<CellKind>,
    /// The bits of the value: an integer, a real, a boolean, or the number of a string.
    pub(crate) bits: Vec<u64>,
}

/// What stands in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CellKind {
    /// The row has no such attribute, it is undefined, or there is no row.
    Undefined,
    Boolean,
    Integer,
    Real,
    String,
    /// Something that must be evaluated.
    Expression,
}

/// The different strings of all columns, numbered; those that differ only in case share their
/// second number.
#[derive(Default)]
pub(crate) struct Strings {
    exact: BTreeMap<Arc<str>, u32>,
    folded: BTreeMap<String, u32>,
    /// The folded number of each exact one.
    folds: Vec<u32>,
}

impl Strings {
    fn number(&mut self, text: &Arc<str>) -> u32 {
        if let Some(known) = self.exact.get(text) {
            return *known;
        }
        let next = u32::try_from(self.folded.len()).unwrap_or(u32::MAX);
        let fold = *self.folded.entry(text.to_ascii_lowercase()).or_insert(next);
        let number = u32::try_from(self.folds.len()).unwrap_or(u32::MAX);
        self.folds.push(fold);
        self.exact.insert(Arc::clone(text), number);
        number
    }

    /// The number shared by all strings equal to this one but for case; `None` if no row has one.
    pub(crate) fn fold_of(&self, text: &str) -> Option<u32> {
        self.folded.get(&text.to_ascii_lowercase()).copied()
    }

    pub(crate) fn exact_of(&self, text: &str) -> Option<u32> {
        self.exact.get(text).copied()
    }

    pub(crate) fn fold_of_number(&self, bits: u64) -> Option<u32> {
        self.folds.get(usize::try_from(bits).ok()?).copied()
    }
}

impl MachineTable {
    /// A table without rows.
    pub fn new() -> MachineTable {
        MachineTable::default()
    }

    /// Adds an ad and returns its row, which stays its own until it is removed.
    pub fn insert(&mut self, ad: Arc<ClassAd>) -> usize {
        let ad = self.shared(ad);
        let row = self.free.pop().unwrap_or(self.rows.len());
        if row == self.rows.len() {
            self.rows.push(None);
        }
        self.rows[row] = Some(ad);
        self.refresh(row);
        row
    }

    /// Replaces the ad of a row.
    pub fn update(&mut self, row: usize, ad: Arc<ClassAd>) {
        if row < self.rows.len() {
            let ad = self.shared(ad);
            self.rows[row] = Some(ad);
            self.refresh(row);
        }
    }

    /// Removes a row and returns its ad.
    pub fn remove(&mut self, row: usize) -> Option<Arc<ClassAd>> {
        let ad = self.rows.get_mut(row)?.take()?;
        self.free.push(row);
        self.refresh(row);
        Some(ad)
    }

    /// The ad of a row.
    pub fn get(&self, row: usize) -> Option<&Arc<ClassAd>> {
        self.rows.get(row)?.as_ref()
    }

    /// How many rows there are, removed ones included: rows are numbered below this.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// The rows that hold an ad.
    pub fn occupied(&self) -> RowSet {
        RowSet::from_fn(self.rows.len(), |row| self.rows[row].is_some())
    }

    /// Makes the columns that the Requirements ask for. Without them its answers are the same, only
    /// slower.
    pub fn prepare(&mut self, requirements: &CompiledRequirements) {
        for name in requirements.columns() {
            if !self.columns.contains_key(name) {
                let mut column = Column::default();
                for row in 0..self.rows.len() {
                    column.set(row, self.rows[row].as_deref(), name, &mut self.strings);
                }
                self.columns.insert(name.clone(), column);
            }
        }
    }

    pub(crate) fn column(&self, name: &AttrName) -> Option<&Column> {
        self.columns.get(name)
    }

    pub(crate) fn strings(&self) -> &Strings {
        &self.strings
    }

    fn refresh(&mut self, row: usize) {
        for (name, column) in &mut self.columns {
            column.set(row, self.rows[row].as_deref(), name, &mut self.strings);
        }
    }

    /// The same ad, with its names, strings and expressions shared with the ads that have equal
    /// ones.
    fn shared(&mut self, mut ad: Arc<ClassAd>) -> Arc<ClassAd> {
        let names: Vec<AttrName> = ad.iter().map(|(name, _)| name.clone()).collect();
        let Some(ad_mut) = Arc::get_mut(&mut ad) else { return ad };
        for expr in ad_mut.exprs_mut() {
            let shared = match &expr.0 {
                Repr::Literal(Value::String(text)) => {
                    if !self.texts.contains_key(text) && self.texts.len() < MAX_SHARED {
                        self.texts.insert(Arc::clone(text), Arc::clone(text));
                    }
                    self.texts.get(text).map(|text| Expr::from(Arc::clone(text)))
                }
                Repr::Literal(_) => None,
                Repr::Tree(_) => {
                    let text = expr.to_new();
                    if !self.trees.contains_key(&text) && self.trees.len() < MAX_SHARED {
                        self.trees.insert(text.clone(), expr.clone());
                    }
                    self.trees.get(&text).filter(|known| *known == expr).cloned()
                }
            };
            if let Some(shared) = shared {
                *expr = shared;
            }
        }
        match self.shapes.get(&names) {
            // Equal names may be spelled differently, which `adopt_shape` would lose.
            Some(shape) if shape.same_spelling(&names) => ad_mut.adopt_shape(shape),
            Some(_) => {}
            None if self.shapes.len() < MAX_SHARED => {
                self.shapes.insert(names, Arc::clone(ad_mut.shape()));
            }
            None => {}
        }
        ad
    }
}

impl Column {
    fn set(&mut self, row: usize, ad: Option<&ClassAd>, name: &AttrName, strings: &mut Strings) {
        if self.kinds.len() <= row {
            self.kinds.resize(row + 1, CellKind::Undefined);
            self.bits.resize(row + 1, 0);
        }
        let found = ad.and_then(|ad| ad.lookup(name));
        let (kind, bits) = match found.map(|expr| expr.as_literal()) {
            None | Some(Some(Value::Undefined)) => (CellKind::Undefined, 0),
            Some(Some(Value::Boolean(value))) => (CellKind::Boolean, u64::from(*value)),
            Some(Some(Value::Integer(value))) => (CellKind::Integer, value.cast_unsigned()),
            Some(Some(Value::Real(value))) => (CellKind::Real, value.to_bits()),
            Some(Some(Value::String(text))) => (CellKind::String, u64::from(strings.number(text))),
            Some(
                Some(
                    Value::Error
                    | Value::AbsTime(_)
                    | Value::RelTime(_)
                    | Value::List(_)
                    | Value::Ad(_),
                )
                | None,
            ) => (CellKind::Expression, 0),
        };
        self.kinds[row] = kind;
        self.bits[row] = bits;
    }
}
