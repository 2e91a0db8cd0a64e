//! Lists: membership, comparison with every element, sums and bounds.

use crate::Expr;
use crate::eval::operators::{combine, number};
use crate::eval::{Evaluator, Scope, Val};
use crate::expr::BinaryOp;

fn membership(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope, op: BinaryOp) -> Val {
    let [item, list] = args else { return Val::Error };
    let (item, list) = (evaluator.eval(item, scope), evaluator.eval(list, scope));
    let strict = op == BinaryOp::Equal;
    if matches!(list, Val::Undefined) || (strict && matches!(item, Val::Undefined)) {
        return Val::Undefined;
    }
    let Val::List(items, inner) = list else { return Val::Error };
    if matches!(item, Val::List(..) | Val::Ad(_)) || (strict && matches!(item, Val::Error)) {
        return Val::Error;
    }
    for candidate in items.iter() {
        let candidate = evaluator.eval_element(candidate, &inner, scope);
        if matches!(combine(op, &candidate, &item), Val::Boolean(true)) {
            return Val::Boolean(true);
        }
    }
    Val::Boolean(false)
}

/// `member(x, list)`: whether an element `== x`.
pub(super) fn member(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    membership(evaluator, args, scope, BinaryOp::Equal)
}

/// `identicalMember(x, list)`: whether an element `=?= x`.
pub(super) fn identical_member(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    membership(evaluator, args, scope, BinaryOp::Is)
}

fn list_compare(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
    need_all: bool,
) -> Val {
    let [op, list, right] = args else { return Val::Error };
    let op = match evaluator.eval(op, scope) {
        Val::Undefined => return Val::Undefined,
        Val::String(op) => match op.as_ref() {
            "<" => BinaryOp::Less,
            "<=" => BinaryOp::LessOrEqual,
            "!=" => BinaryOp::NotEqual,
            "==" => BinaryOp::Equal,
            ">" => BinaryOp::Greater,
            ">=" => BinaryOp::GreaterOrEqual,
            "is" => BinaryOp::Is,
            "isnt" => BinaryOp::Isnt,
            _ => return Val::Error,
        },
        _ => return Val::Error,
    };
    let (items, inner) = match evaluator.eval(list, scope) {
        Val::Undefined => return Val::Undefined,
        Val::List(items, inner) => (items, inner),
        _ => return Val::Error,
    };
    let right = evaluator.eval(right, scope);
    for item in items.iter() {
        let item = evaluator.eval_element(item, &inner, scope);
        match combine(op, &item, &right) {
            Val::Boolean(holds) if holds != need_all => return Val::Boolean(holds),
            Val::Boolean(_) => {}
            // An undefined comparison ends the search: nothing is known of all, nor found so far.
            Val::Undefined => return Val::Boolean(false),
            _ => return Val::Error,
        }
    }
    Val::Boolean(need_all)
}

/// `anyCompare(op, list, x)`.
pub(super) fn any_compare(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    list_compare(evaluator, args, scope, false)
}

/// `allCompare(op, list, x)`.
pub(super) fn all_compare(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    list_compare(evaluator, args, scope, true)
}

/// The numbers (and booleans) of the only argument, a list, without those that are undefined; else
/// the result.
fn numbers(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Result<Vec<Val>, Val> {
    let [only] = args else { return Err(Val::Error) };
    let (items, inner) = match evaluator.eval(only, scope) {
        Val::Undefined => return Err(Val::Undefined),
        Val::List(items, inner) => (items, inner),
        _ => return Err(Val::Error),
    };
    let mut found = Vec::with_capacity(items.len());
    for item in items.iter() {
        match evaluator.eval_element(item, &inner, scope) {
            Val::Undefined => {}
            value @ (Val::Boolean(_) | Val::Integer(_) | Val::Real(_)) => found.push(value),
            _ => return Err(Val::Error),
        }
    }
    Ok(found)
}

fn total(values: &[Val]) -> Val {
    let mut values = values.iter().cloned();
    let first = values.next().unwrap_or(Val::Integer(0));
    values.fold(first, |sum, value| combine(BinaryOp::Add, &sum, &value))
}

pub(super) fn sum(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    numbers(evaluator, args, scope).map_or_else(|result| result, |values| total(&values))
}

#[expect(clippy::cast_precision_loss, reason = "the length of a list")]
pub(super) fn avg(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    match numbers(evaluator, args, scope) {
        Err(result) => result,
        Ok(values) if values.is_empty() => Val::Integer(0),
        Ok(values) => combine(BinaryOp::Divide, &total(&values), &Val::Real(values.len() as f64)),
    }
}

/// The element that `op` prefers to every other, in the widest type that any element has.
fn bound(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope, op: BinaryOp) -> Val {
    let values = match numbers(evaluator, args, scope) {
        Err(result) => return result,
        Ok(values) => values,
    };
    let any_real = values.iter().any(|value| matches!(value, Val::Real(_)));
    let is_alone = values.len() == 1;
    let best = values.into_iter().reduce(|best, value| match combine(op, &value, &best) {
        Val::Boolean(true) => value,
        _ => best,
    });
    match best {
        None => Val::Undefined,
        Some(value) if any_real => number(&value).map_or(Val::Error, Val::Real),
        Some(Val::Boolean(value)) if !is_alone => Val::Integer(i64::from(value)),
        Some(value) => value,
    }
}

pub(super) fn min(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    bound(evaluator, args, scope, BinaryOp::Less)
}

pub(super) fn max(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    bound(evaluator, args, scope, BinaryOp::Greater)
}
