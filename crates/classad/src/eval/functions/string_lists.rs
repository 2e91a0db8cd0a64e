//! Lists kept in one string (`"a, b, c"`).

use std::collections::BTreeSet;

use crate::Expr;
use crate::eval::functions::convert::{strtod, to_integer};
use crate::eval::{Evaluator, Scope, Val};

/// What separates elements if nothing else is asked for.
pub(super) const SEPARATORS: &str = ", ";

/// The same for `stringListMember` and `stringListIMember`.
const MEMBER_SEPARATORS: &str = ", \t\r\n";

/// The elements: blanks around them do not count, nor do empty ones.
pub(super) fn items<'t>(text: &'t str, separators: &str) -> Vec<&'t str> {
    let pieces = text.split(|character| separators.contains(character));
    pieces
        .map(|piece| piece.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']))
        .filter(|piece| !piece.is_empty())
        .collect()
}

/// The text of the list and its separators, given the arguments from the list on.
fn list_and_separators(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
) -> Option<(std::sync::Arc<str>, std::sync::Arc<str>)> {
    let (list, separators) = match args {
        [list] => (evaluator.eval(list, scope), Val::String(SEPARATORS.into())),
        [list, separators] => (evaluator.eval(list, scope), evaluator.eval(separators, scope)),
        _ => return None,
    };
    match (list, separators) {
        (Val::String(list), Val::String(separators)) => Some((list, separators)),
        _ => None,
    }
}

/// `stringListSize(list [, separators])`.
pub(super) fn size(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    match list_and_separators(evaluator, args, scope) {
        Some((list, separators)) => {
            Val::Integer(i64::try_from(items(&list, &separators).len()).unwrap_or(i64::MAX))
        }
        None => Val::Error,
    }
}

/// How the numbers of a list are combined, and what an empty list gives.
struct Summary {
    start: f64,
    step: fn(f64, f64) -> f64,
    is_average: bool,
    of_nothing: Val,
}

fn summary(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope, summary: &Summary) -> Val {
    let Some((list, separators)) = list_and_separators(evaluator, args, scope) else {
        return Val::Error;
    };
    let items = items(&list, &separators);
    if items.is_empty() {
        return summary.of_nothing.clone();
    }
    let mut result = summary.start;
    let mut all_whole = true;
    for item in &items {
        let Some((value, _)) = strtod(item) else { return Val::Error };
        all_whole &= item.bytes().all(|byte| byte.is_ascii_digit() || byte == b'+' || byte == b'-');
        result = (summary.step)(value, result);
    }
    if summary.is_average {
        #[expect(clippy::cast_precision_loss, reason = "the length of a list")]
        let count = items.len() as f64;
        result /= count;
    }
    if all_whole { Val::Integer(to_integer(result)) } else { Val::Real(result) }
}

pub(super) fn sum(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let how = Summary {
        start: 0.0,
        step: |item, sum| item + sum,
        is_average: false,
        of_nothing: Val::Real(0.0),
    };
    summary(evaluator, args, scope, &how)
}

pub(super) fn avg(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let how = Summary {
        start: 0.0,
        step: |item, sum| item + sum,
        is_average: true,
        of_nothing: Val::Real(0.0),
    };
    summary(evaluator, args, scope, &how)
}

pub(super) fn min(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let step = |item: f64, least: f64| if item < least { item } else { least };
    let how =
        Summary { start: f64::from(f32::MAX), step, is_average: false, of_nothing: Val::Undefined };
    summary(evaluator, args, scope, &how)
}

/// HTCondor 25.14 begins with the smallest positive float, so the greatest of negative numbers is
/// about zero.
pub(super) fn max(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let step = |item: f64, most: f64| if item > most { item } else { most };
    let how = Summary {
        start: f64::from(f32::MIN_POSITIVE),
        step,
        is_average: false,
        of_nothing: Val::Undefined,
    };
    summary(evaluator, args, scope, &how)
}

/// The arguments of a membership test, an undefined one standing for an empty text (and undefined
/// separators for the usual ones); else the result, which is undefined if both texts are.
fn texts(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
) -> Result<[std::sync::Arc<str>; 3], Val> {
    if !(2..=3).contains(&args.len()) {
        return Err(Val::Error);
    }
    let mut undefined = 0;
    let mut found: [std::sync::Arc<str>; 3] = ["".into(), "".into(), SEPARATORS.into()];
    for (index, arg) in args.iter().enumerate() {
        match evaluator.eval(arg, scope) {
            Val::String(text) => found[index] = text,
            Val::Undefined => undefined += usize::from(index < 2),
            _ => return Err(Val::Error),
        }
    }
    if undefined == 2 { Err(Val::Undefined) } else { Ok(found) }
}

fn membership(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
    same: fn(&str, &str) -> bool,
) -> Val {
    let [item, list, separators] = match texts(evaluator, args, scope) {
        Ok(texts) => texts,
        Err(result) => return result,
    };
    // HTCondor 25.14: here, and only where no separators are given, other white space separates
    // too.
    let separators = if args.len() == 2 { MEMBER_SEPARATORS } else { &separators };
    Val::Boolean(items(&list, separators).into_iter().any(|candidate| same(candidate, &item)))
}

/// `stringListMember(x, list [, separators])`.
pub(super) fn member(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    membership(evaluator, args, scope, |left, right| left == right)
}

/// `stringListIMember(x, list [, separators])`: without regard to case.
pub(super) fn i_member(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    membership(evaluator, args, scope, str::eq_ignore_ascii_case)
}

fn subset(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
    same: fn(&str, &str) -> bool,
) -> Val {
    let [part, whole, separators] = match texts(evaluator, args, scope) {
        Ok(texts) => texts,
        Err(result) => return result,
    };
    if part.is_empty() {
        return Val::Boolean(true);
    }
    let whole = items(&whole, &separators);
    if !evaluator.spend_steps(whole.len() as u64) {
        return Val::Error;
    }
    let part = items(&part, &separators);
    // A text of nothing but separators is no subset, though the empty text is.
    if part.is_empty() {
        return Val::Boolean(false);
    }
    for item in part {
        if !evaluator.spend_steps(whole.len() as u64 / 16) {
            return Val::Error;
        }
        if !whole.iter().any(|candidate| same(candidate, item)) {
            return Val::Boolean(false);
        }
    }
    Val::Boolean(true)
}

/// `stringListSubsetMatch(part, whole [, separators])`: whether every element of the first is one
/// of the second.
pub(super) fn subset_match(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    subset(evaluator, args, scope, |left, right| left == right)
}

/// As `stringListSubsetMatch`, without regard to case.
pub(super) fn i_subset_match(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    subset(evaluator, args, scope, str::eq_ignore_ascii_case)
}

/// `stringListsIntersect(a, b [, separators])`: whether they share an element.
pub(super) fn intersect(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    if !(2..=3).contains(&args.len()) {
        return Val::Error;
    }
    let values: Vec<Val> = args.iter().map(|arg| evaluator.eval(arg, scope)).collect();
    if values.iter().any(|value| matches!(value, Val::Error)) {
        return Val::Error;
    }
    if values.iter().any(|value| matches!(value, Val::Undefined)) {
        return Val::Undefined;
    }
    let (left, right, separators) = match values.as_slice() {
        [Val::String(left), Val::String(right)] => (left, right, SEPARATORS),
        [Val::String(left), Val::String(right), Val::String(separators)] => {
            (left, right, separators.as_ref())
        }
        _ => return Val::Error,
    };
    let separators = if separators.is_empty() { SEPARATORS } else { separators };
    // Unlike everywhere else, blanks around an element count.
    let pieces = |text: &'_ str| -> BTreeSet<String> {
        let pieces = text.split(|character| separators.contains(character));
        pieces.filter(|piece| !piece.is_empty()).map(str::to_owned).collect()
    };
    Val::Boolean(!pieces(left).is_disjoint(&pieces(right)))
}
