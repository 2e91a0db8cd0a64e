//! Functions that look at expressions rather than values, or evaluate one in another ad.

use std::collections::BTreeSet;

use crate::eval::functions::convert::{Text, text_of};
use crate::eval::{Evaluator, Scope, Val};
use crate::expr::{Node, RefScope, scope_of};
use crate::parse::{Syntax, parse_expression};
use crate::print;
use crate::{AttrName, Expr};

/// `eval(text)`: the value of the expression that the text is.
pub(super) fn eval(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [only] = args else { return Val::Error };
    let value = evaluator.eval(only, scope);
    let Text::Is(text) = text_of(evaluator, value) else { return Val::Error };
    if !evaluator.spend_bytes(text.len() * 16) {
        return Val::Error;
    }
    match parse_expression(&text, Syntax::New) {
        Ok(expr) => evaluator.eval(&expr, scope),
        Err(_) => Val::Error,
    }
}

/// `unparse(Attr)`: the expression of an attribute of this ad, printed over several lines if it is a list or an ad; empty
/// if there is none.
pub(super) fn unparse(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [only] = args else { return Val::Error };
    match only.node() {
        Some(Node::Attr(name)) => match evaluator.ad(scope).lookup(name).cloned() {
            Some(expr) => evaluator.string(print::pretty(&expr)),
            None => Val::String("".into()),
        },
        Some(Node::Select(..) | Node::Root(_)) => Val::String("".into()),
        _ => Val::Error,
    }
}

/// `unresolved(Attr [, pattern])`: the names, in alphabetical order, that the attribute's expression uses and this ad does
/// not have; with a pattern, whether one of them matches it.
pub(super) fn unresolved(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let (attr, pattern) = match args {
        [attr] => (attr, None),
        [attr, pattern] => (attr, Some(evaluator.eval(pattern, scope))),
        _ => return Val::Error,
    };
    let Some(Node::Attr(name)) = attr.node() else { return Val::Error };
    if evaluator.ad(scope).lookup(name).is_none() {
        return Val::Undefined;
    }
    let mut missing = BTreeSet::new();
    let mut seen = BTreeSet::new();
    collect_missing(evaluator, name, scope, &mut seen, &mut missing);
    match pattern {
        None => {
            let names: Vec<&str> = missing.iter().map(AttrName::as_str).collect();
            evaluator.string(names.join(","))
        }
        Some(Val::String(pattern)) => {
            let Ok(regex) = fancy_regex::RegexBuilder::new(&pattern).case_insensitive(true).build()
            else {
                return Val::Error;
            };
            Val::Boolean(missing.iter().any(|name| regex.is_match(name.as_str()).unwrap_or(false)))
        }
        Some(_) => Val::Error,
    }
}

/// Follows the attributes of this ad that an attribute refers to, and keeps the names that lead nowhere.
fn collect_missing(
    evaluator: &Evaluator<'_>,
    start: &AttrName,
    scope: &Scope,
    seen: &mut BTreeSet<AttrName>,
    missing: &mut BTreeSet<AttrName>,
) {
    let mut waiting = vec![start.clone()];
    while let Some(name) = waiting.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let Some(expr) = evaluator.ad(scope).lookup(&name) else {
            missing.insert(name);
            continue;
        };
        for (whose, used) in expr.references() {
            match whose {
                RefScope::Unscoped | RefScope::My => waiting.push(used),
                RefScope::Target => {
                    missing.insert(used);
                }
                RefScope::Other => {}
            }
        }
    }
}

/// The expression that is to be evaluated in each ad: an attribute that this ad (or the other) has stands for its own
/// expression.
fn dereferenced(evaluator: &Evaluator<'_>, expr: &Expr, scope: &Scope) -> Expr {
    let found = match expr.node() {
        Some(Node::Attr(name)) => evaluator.find_expression(name, scope),
        Some(Node::Select(base, name)) => match base.node() {
            Some(Node::Attr(base)) => match scope_of(base.as_str()) {
                Some(RefScope::My) => evaluator.ad(scope).lookup(name).cloned(),
                Some(RefScope::Target) => evaluator.find_in_other(name, scope),
                Some(RefScope::Unscoped | RefScope::Other) | None => None,
            },
            _ => None,
        },
        _ => None,
    };
    found.unwrap_or_else(|| expr.clone())
}

/// `evalInEachContext(expr, list)`: the values of the expression in each ad of the list.
pub(super) fn eval_in_each_context(
    evaluator: &mut Evaluator<'_>,
    args: &[Expr],
    scope: &Scope,
) -> Val {
    let [expr, list] = args else { return Val::Error };
    let expr = dereferenced(evaluator, expr, scope);
    let (items, inner) = match evaluator.eval(list, scope) {
        Val::Undefined => return Val::Undefined,
        Val::List(items, inner) => (items, inner),
        _ => return Val::Error,
    };
    let mut values = Vec::with_capacity(items.len());
    for item in items.iter() {
        let value = in_context(evaluator, &expr, (item, &inner), scope);
        values.push(evaluator.freeze(value));
    }
    evaluator.list(values)
}

/// The value of the expression in the ad that an element of a list is.
fn in_context(
    evaluator: &mut Evaluator<'_>,
    expr: &Expr,
    (item, inner): (&Expr, &Scope),
    scope: &Scope,
) -> Val {
    match evaluator.eval_element(item, inner, scope) {
        Val::Ad(context) => evaluator.eval(expr, &context.as_context()),
        Val::Undefined => Val::Undefined,
        _ => Val::Error,
    }
}

/// `countMatches(expr, list)`: in how many ads of the list the expression is true; none in an undefined list.
pub(super) fn count_matches(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let [expr, list] = args else { return Val::Error };
    let expr = dereferenced(evaluator, expr, scope);
    let (items, inner) = match evaluator.eval(list, scope) {
        Val::Undefined => return Val::Integer(0),
        Val::List(items, inner) => (items, inner),
        _ => return Val::Error,
    };
    let mut count = 0;
    for item in items.iter() {
        if in_context(evaluator, &expr, (item, &inner), scope).truth() == Some(true) {
            count += 1;
        }
    }
    Val::Integer(count)
}
