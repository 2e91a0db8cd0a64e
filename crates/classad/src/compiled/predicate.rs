//! One clause, as a tree of predicates over columns, with answers in four values.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::compiled::table::{CellKind, Column};
use crate::compiled::{MachineTable, RowSet};
use crate::eval::{Env, Evaluator, Scope, Val};
use crate::expr::{BinaryOp, Node, RefScope, UnaryOp, is_special, scope_of};
use crate::{AttrName, ClassAd, Expr, Value};

/// The rows on which a predicate is true, false and error; on the others it is undefined.
pub(crate) struct Answer {
    pub(crate) is_true: RowSet,
    is_false: RowSet,
    is_error: RowSet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    True,
    False,
    Error,
    Undefined,
}

impl Outcome {
    fn of(value: &Val) -> Outcome {
        match (value, value.truth()) {
            (Val::Undefined, _) => Outcome::Undefined,
            (_, Some(true)) => Outcome::True,
            (_, Some(false)) => Outcome::False,
            (_, None) => Outcome::Error,
        }
    }
}

pub(crate) enum Predicate {
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
    /// `column op number`.
    CompareNumber(AttrName, BinaryOp, f64, Expr),
    /// `column == "text"` and the like, equal or not.
    CompareText(AttrName, TextTest, String, Expr),
    /// Anything that depends on one attribute of the machine: evaluated once per different value.
    OfOne(AttrName, Expr),
    /// Anything else: evaluated once per machine.
    General(Expr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextTest {
    with_case: bool,
    wants_equal: bool,
}

impl Predicate {
    pub(crate) fn compile(expr: &Expr, my: &ClassAd) -> Predicate {
        match expr.node() {
            Some(Node::Paren(inner)) => Predicate::compile(inner, my),
            Some(Node::Unary(UnaryOp::Not, inner)) => {
                Predicate::Not(Box::new(Predicate::compile(inner, my)))
            }
            Some(Node::Binary(op @ (BinaryOp::And | BinaryOp::Or), left, right)) => {
                Predicate::several(*op, [left, right].into_iter(), my)
            }
            Some(Node::Chain(first, rest)) if matches!(rest[0].0, BinaryOp::And | BinaryOp::Or) => {
                let operands =
                    std::iter::once(first).chain(rest.iter().map(|(_, operand)| operand));
                Predicate::several(rest[0].0, operands, my)
            }
            Some(Node::Binary(op, left, right)) => comparison(expr, *op, left, right, my)
                .unwrap_or_else(|| Predicate::by_references(expr, my)),
            _ => Predicate::by_references(expr, my),
        }
    }

    fn several<'e>(
        op: BinaryOp,
        operands: impl Iterator<Item = &'e Expr>,
        my: &ClassAd,
    ) -> Predicate {
        let operands = operands.map(|operand| Predicate::compile(operand, my)).collect();
        if op == BinaryOp::And { Predicate::And(operands) } else { Predicate::Or(operands) }
    }

    fn by_references(expr: &Expr, my: &ClassAd) -> Predicate {
        match only_column(expr, my) {
            Some(name) => Predicate::OfOne(name, expr.clone()),
            None => Predicate::General(expr.clone()),
        }
    }

    /// How costly the predicate is on a row, roughly.
    pub(crate) fn cost(&self) -> u32 {
        match self {
            Predicate::CompareNumber(..) | Predicate::CompareText(..) => 1,
            Predicate::OfOne(..) => 3,
            Predicate::Not(inner) => inner.cost(),
            Predicate::And(parts) | Predicate::Or(parts) => parts.iter().map(Predicate::cost).sum(),
            Predicate::General(_) => 1000,
        }
    }

    pub(crate) fn collect_columns(&self, columns: &mut Vec<AttrName>) {
        match self {
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts.iter().for_each(|part| part.collect_columns(columns));
            }
            Predicate::Not(inner) => inner.collect_columns(columns),
            Predicate::CompareNumber(name, ..)
            | Predicate::CompareText(name, ..)
            | Predicate::OfOne(name, _) => {
                if !columns.contains(name) {
                    columns.push(name.clone());
                }
            }
            Predicate::General(_) => {}
        }
    }

    /// The answers on the rows of `alive`; what it says of other rows means nothing.
    fn eval(&self, table: &MachineTable, alive: &RowSet, my: &ClassAd, env: &Env) -> Answer {
        self.eval_wanting(true, table, alive, my, env)
    }

    /// The rows of `alive` on which it is true; what it says of other rows means nothing.
    pub(crate) fn holds_on(
        &self,
        table: &MachineTable,
        alive: &RowSet,
        my: &ClassAd,
        env: &Env,
    ) -> RowSet {
        self.eval_wanting(false, table, alive, my, env).is_true
    }

    fn eval_wanting(
        &self,
        wants_false: bool,
        table: &MachineTable,
        alive: &RowSet,
        my: &ClassAd,
        env: &Env,
    ) -> Answer {
        match self {
            Predicate::And(parts) => parts
                .iter()
                .map(|part| part.eval(table, alive, my, env))
                .reduce(and)
                .unwrap_or_else(|| Answer::nothing(table)),
            Predicate::Or(parts) => parts
                .iter()
                .map(|part| part.eval(table, alive, my, env))
                .reduce(or)
                .unwrap_or_else(|| Answer::nothing(table)),
            Predicate::Not(inner) => {
                let Answer { is_true, is_false, is_error } = inner.eval(table, alive, my, env);
                Answer { is_true: is_false, is_false: is_true, is_error }
            }
            Predicate::CompareNumber(name, op, number, expr) => match table.column(name) {
                Some(column) => compare_numbers(
                    column,
                    *op,
                    *number,
                    &Rest { wants_false, table, alive, my, env, expr },
                ),
                None => evaluate_each(&Rest { wants_false, table, alive, my, env, expr }),
            },
            Predicate::CompareText(name, test, text, expr) => match table.column(name) {
                Some(column) => compare_texts(
                    column,
                    *test,
                    text,
                    &Rest { wants_false, table, alive, my, env, expr },
                ),
                None => evaluate_each(&Rest { wants_false, table, alive, my, env, expr }),
            },
            Predicate::OfOne(name, expr) => match table.column(name) {
                Some(column) => {
                    evaluate_values(column, &Rest { wants_false, table, alive, my, env, expr })
                }
                None => evaluate_each(&Rest { wants_false, table, alive, my, env, expr }),
            },
            Predicate::General(expr) => {
                evaluate_each(&Rest { wants_false, table, alive, my, env, expr })
            }
        }
    }
}

impl Answer {
    fn nothing(table: &MachineTable) -> Answer {
        let none = || RowSet::none(table.row_count());
        Answer { is_true: none(), is_false: none(), is_error: none() }
    }

    fn set(&mut self, row: usize, outcome: Outcome) {
        match outcome {
            Outcome::True => self.is_true.insert(row),
            Outcome::False => self.is_false.insert(row),
            Outcome::Error => self.is_error.insert(row),
            Outcome::Undefined => {}
        }
    }
}

/// `left && right`: a left error stays, a left false decides.
fn and(left: Answer, right: Answer) -> Answer {
    let is_error = right.is_error.combined(&left.is_false, |error, decided| error & !decided);
    let is_error = is_error.combined(&left.is_error, |right, left| right | left);
    let is_false = right.is_false.combined(&left.is_false, |right, left| right | left);
    let is_false = is_false.combined(&is_error, |no, error| no & !error);
    Answer {
        is_true: left.is_true.combined(&right.is_true, |left, right| left & right),
        is_false,
        is_error,
    }
}

/// `left || right`: a left error stays, a left true decides.
fn or(left: Answer, right: Answer) -> Answer {
    let is_error = right.is_error.combined(&left.is_true, |error, decided| error & !decided);
    let is_error = is_error.combined(&left.is_error, |right, left| right | left);
    let is_true = right.is_true.combined(&left.is_true, |right, left| right | left);
    let is_true = is_true.combined(&is_error, |yes, error| yes & !error);
    Answer {
        is_true,
        is_false: left.is_false.combined(&right.is_false, |left, right| left & right),
        is_error,
    }
}

/// What is needed to evaluate an expression on rows one by one.
struct Rest<'r> {
    /// Whether the rows on which it is false must be told from those on which it is undefined.
    wants_false: bool,
    table: &'r MachineTable,
    alive: &'r RowSet,
    my: &'r ClassAd,
    env: &'r Env,
    expr: &'r Expr,
}

impl Rest<'_> {
    fn outcome(&self, row: usize) -> Outcome {
        match self.table.get(row) {
            Some(ad) => {
                let value = Evaluator::new(self.my, Some(ad), self.env).eval(self.expr, &Scope::My);
                Outcome::of(&value)
            }
            None => Outcome::Undefined,
        }
    }
}

fn evaluate_each(rest: &Rest<'_>) -> Answer {
    let mut answer = Answer::nothing(rest.table);
    for row in rest.alive.iter() {
        answer.set(row, rest.outcome(row));
    }
    answer
}

/// Evaluates once per different value of the column.
fn evaluate_values(column: &Column, rest: &Rest<'_>) -> Answer {
    let mut answer = Answer::nothing(rest.table);
    let mut known: BTreeMap<(CellKind, u64), Outcome> = BTreeMap::new();
    let mut last: Option<((CellKind, u64), Outcome)> = None;
    for row in rest.alive.iter() {
        let cell = (column.kinds[row], column.bits[row]);
        let outcome = match last {
            Some((value, outcome)) if value == cell && cell.0 != CellKind::Expression => outcome,
            _ if cell.0 == CellKind::Expression => rest.outcome(row),
            _ => *known.entry(cell).or_insert_with(|| rest.outcome(row)),
        };
        last = Some((cell, outcome));
        answer.set(row, outcome);
    }
    answer
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the language promotes integers to reals in this way"
)]
fn compare_numbers(column: &Column, op: BinaryOp, number: f64, rest: &Rest<'_>) -> Answer {
    let test: fn(Ordering) -> bool = match op {
        BinaryOp::Less => Ordering::is_lt,
        BinaryOp::LessOrEqual => Ordering::is_le,
        BinaryOp::Greater => Ordering::is_gt,
        BinaryOp::GreaterOrEqual => Ordering::is_ge,
        BinaryOp::Equal => Ordering::is_eq,
        _ => Ordering::is_ne,
    };
    let rows = rest.table.row_count();
    let mut answer = Answer::nothing(rest.table);
    let mut others = RowSet::none(rows);
    let (kinds, bits) = (column.kinds.as_slice(), column.bits.as_slice());
    answer.is_true = RowSet::from_fn(rows, |row| {
        let value = match kinds[row] {
            CellKind::Integer | CellKind::Boolean => bits[row].cast_signed() as f64,
            CellKind::Real => f64::from_bits(bits[row]),
            CellKind::Undefined => return false,
            CellKind::String | CellKind::Expression => {
                others.insert(row);
                return false;
            }
        };
        // Numbers that are in no order only differ.
        value.partial_cmp(&number).map_or(op == BinaryOp::NotEqual, test)
    });
    if rest.wants_false {
        answer.is_false = RowSet::from_fn(rows, |row| {
            matches!(kinds[row], CellKind::Integer | CellKind::Boolean | CellKind::Real)
                && !answer.is_true.contains(row)
        });
    }
    others.intersect(rest.alive);
    for row in others.iter() {
        let outcome =
            if kinds[row] == CellKind::String { Outcome::Error } else { rest.outcome(row) };
        answer.set(row, outcome);
    }
    answer
}

fn compare_texts(column: &Column, test: TextTest, text: &str, rest: &Rest<'_>) -> Answer {
    let strings = rest.table.strings();
    let wanted = if test.with_case { strings.exact_of(text) } else { strings.fold_of(text) };
    let is_wanted = |bits: u64| {
        let number =
            if test.with_case { u32::try_from(bits).ok() } else { strings.fold_of_number(bits) };
        wanted.is_some() && number == wanted
    };
    let rows = rest.table.row_count();
    let mut answer = Answer::nothing(rest.table);
    let mut others = RowSet::none(rows);
    answer.is_true = RowSet::from_fn(rows, |row| match column.kinds[row] {
        CellKind::String => is_wanted(column.bits[row]) == test.wants_equal,
        CellKind::Undefined if !test.with_case => false,
        CellKind::Undefined
        | CellKind::Boolean
        | CellKind::Integer
        | CellKind::Real
        | CellKind::Expression => {
            others.insert(row);
            false
        }
    });
    if rest.wants_false {
        answer.is_false = RowSet::from_fn(rows, |row| {
            column.kinds[row] == CellKind::String && !answer.is_true.contains(row)
        });
    }
    others.intersect(rest.alive);
    for row in others.iter() {
        answer.set(row, rest.outcome(row));
    }
    answer
}

/// `reference op literal`, either way round.
fn comparison(
    expr: &Expr,
    op: BinaryOp,
    left: &Expr,
    right: &Expr,
    my: &ClassAd,
) -> Option<Predicate> {
    let (name, op, literal) = match (column_of(left, my), right.as_literal()) {
        (Some(name), Some(literal)) => (name, op, literal),
        _ => (column_of(right, my)?, mirrored(op)?, left.as_literal()?),
    };
    let ordering = matches!(
        op,
        BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual
            | BinaryOp::Equal
            | BinaryOp::NotEqual
    );
    match literal {
        // Beyond 2^53 integers do not all fit a real, and are left to the evaluator.
        #[expect(clippy::cast_precision_loss, reason = "checked")]
        Value::Integer(number) if ordering && number.unsigned_abs() < 1 << 53 => {
            Some(Predicate::CompareNumber(name, op, *number as f64, expr.clone()))
        }
        Value::Real(number) if ordering => {
            Some(Predicate::CompareNumber(name, op, *number, expr.clone()))
        }
        Value::String(text) => {
            let test = match op {
                BinaryOp::Equal => TextTest { with_case: false, wants_equal: true },
                BinaryOp::NotEqual => TextTest { with_case: false, wants_equal: false },
                BinaryOp::Is => TextTest { with_case: true, wants_equal: true },
                BinaryOp::Isnt => TextTest { with_case: true, wants_equal: false },
                _ => return None,
            };
            Some(Predicate::CompareText(name, test, text.to_string(), expr.clone()))
        }
        _ => None,
    }
}

/// The operator with its operands exchanged.
pub(crate) fn mirrored(op: BinaryOp) -> Option<BinaryOp> {
    match op {
        BinaryOp::Less => Some(BinaryOp::Greater),
        BinaryOp::LessOrEqual => Some(BinaryOp::GreaterOrEqual),
        BinaryOp::Greater => Some(BinaryOp::Less),
        BinaryOp::GreaterOrEqual => Some(BinaryOp::LessOrEqual),
        BinaryOp::Equal | BinaryOp::NotEqual | BinaryOp::Is | BinaryOp::Isnt => Some(op),
        _ => None,
    }
}

/// The attribute of the machine that a reference means, if it can mean nothing else.
pub(crate) fn column_of(expr: &Expr, my: &ClassAd) -> Option<AttrName> {
    match expr.node()? {
        Node::Attr(name) => {
            let free =
                scope_of(name.as_str()).is_none() && !is_special(name) && my.lookup(name).is_none();
            free.then(|| name.clone())
        }
        Node::Select(base, name) => match base.node()? {
            Node::Attr(base) if scope_of(base.as_str()) == Some(RefScope::Target) => {
                (scope_of(name.as_str()).is_none() && !is_special(name)).then(|| name.clone())
            }
            _ => None,
        },
        Node::Paren(inner) => column_of(inner, my),
        _ => None,
    }
}

/// The one attribute of the machine that the value depends on, if it depends on nothing else.
fn only_column(expr: &Expr, my: &ClassAd) -> Option<AttrName> {
    let mut found: Option<AttrName> = None;
    let mut simple = true;
    walk(expr, my, &mut |name| match (&found, name) {
        (_, None) => simple = false,
        (None, Some(name)) => found = Some(name),
        (Some(before), Some(name)) => simple &= *before == name,
    });
    if simple { found } else { None }
}

/// Reports each reference: a column, or `None` for anything that depends on more.
fn walk(expr: &Expr, my: &ClassAd, report: &mut dyn FnMut(Option<AttrName>)) {
    if let Some(name) = column_of(expr, my) {
        return report(Some(name));
    }
    match expr.node() {
        Some(Node::Attr(_) | Node::Root(_) | Node::Select(..) | Node::Ad(_)) => report(None),
        Some(Node::Call(_, function, _))
            if function
                .is_none_or(|function| function.is_volatile() || function.needs_context()) =>
        {
            report(None);
        }
        _ => expr.for_each_child(&mut |child| walk(child, my, report)),
    }
}
