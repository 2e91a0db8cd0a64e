//! Functions that look at expressions rather than values, or evaluate one in another ad.

use std::collections::BTreeMap;

use crate::eval::functions::convert::{Text, text_of};
use crate::eval::{Evaluator, Scope, Val};
use crate::expr::{Node, RefScope, is_special, scope_of};
use crate::limits::MAX_EVAL_DEPTH;
use crate::parse::{Syntax, parse_expression};
use crate::print;
use crate::stack::with_room;
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

/// `unparse(Attr)`: the expression of an attribute of this ad, printed over several lines if it is
/// a list or an ad; empty if there is none.
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

/// `unresolved(Attr [, pattern])`: the names, in alphabetical order, that the attribute's value
/// would need and that no ad has; with a pattern, whether one of them matches it.
pub(super) fn unresolved(evaluator: &mut Evaluator<'_>, args: &[Expr], scope: &Scope) -> Val {
    let (attr, pattern) = match args {
        [attr] => (attr, None),
        [attr, pattern] => (attr, Some(evaluator.eval(pattern, scope))),
        _ => return Val::Error,
    };
    let found = match attr.node() {
        Some(Node::Attr(name)) => evaluator.find_scoped(name, scope),
        Some(Node::Root(name)) => evaluator.find_at_root(name, scope),
        Some(Node::Select(base, name)) => match evaluator.eval(base, scope) {
            Val::Ad(inner) => evaluator.find_outwards(name, &inner),
            _ => None,
        },
        _ => return Val::Error,
    };
    let Some((expr, scope)) = found else { return Val::Undefined };
    let mut missing = Missing { evaluator, names: BTreeMap::new(), depth: 0 };
    // HTCondor 25.14: nothing is said of an attribute that goes round in a circle, or selects from
    // what is no ad.
    let whole = missing.collect(&expr, &scope);
    let names = if whole { missing.names } else { BTreeMap::new() };
    match pattern {
        None => evaluator.string(names.into_values().collect::<Vec<_>>().join(",")),
        Some(Val::String(pattern)) => {
            let Ok(regex) = fancy_regex::RegexBuilder::new(&pattern).case_insensitive(true).build()
            else {
                return Val::Error;
            };
            Val::Boolean(names.values().any(|name| regex.is_match(name).unwrap_or(false)))
        }
        Some(_) => Val::Error,
    }
}

/// The names that lead nowhere, found by walking from attribute to attribute.
struct Missing<'m, 'e> {
    evaluator: &'m mut Evaluator<'e>,
    /// Each once, without regard to case, as it was first written.
    names: BTreeMap<String, String>,
    depth: u32,
}

impl Missing<'_, '_> {
    /// Walks an expression; false where the walk cannot be finished.
    fn collect(&mut self, expr: &Expr, scope: &Scope) -> bool {
        if self.depth >= MAX_EVAL_DEPTH || !self.evaluator.spend_steps(1) {
            return false;
        }
        self.depth += 1;
        let whole = with_room(|| self.collect_with_room(expr, scope));
        self.depth -= 1;
        whole
    }

    fn collect_with_room(&mut self, expr: &Expr, scope: &Scope) -> bool {
        match expr.node() {
            Some(Node::Attr(name)) => {
                if is_special(name) || self.evaluator.scope_exists(name, scope) {
                    return true;
                }
                let found = self.evaluator.find_outwards(name, scope);
                self.follow(found, name)
            }
            Some(Node::Root(name)) => {
                let found = self.evaluator.find_at_root(name, scope);
                self.follow(found, name)
            }
            Some(Node::Select(base, name)) => self.collect_selected(base, name, scope),
            Some(_) | None => {
                let mut parts = Vec::new();
                expr.for_each_child(&mut |part| parts.push(part));
                // The attributes of a nested ad are looked up around it, not in it: so the
                // reference does it.
                parts.into_iter().all(|part| self.collect(part, scope))
            }
        }
    }

    fn collect_selected(&mut self, base: &Expr, name: &AttrName, scope: &Scope) -> bool {
        match self.evaluator.eval(base, scope) {
            Val::Ad(inner) => {
                if is_special(name) || scope_of(name.as_str()).is_some() {
                    return true;
                }
                let found = self.evaluator.find_outwards(name, &inner);
                self.follow(found, name)
            }
            Val::Undefined => {
                let path = format!("{}.{name}", base.to_new());
                let target = path.get(..7).filter(|start| start.eq_ignore_ascii_case("TARGET."));
                self.insert(&path, target.map_or(0, str::len));
                true
            }
            _ => false,
        }
    }

    fn follow(&mut self, found: Option<(Expr, Scope)>, name: &AttrName) -> bool {
        match found {
            Some((expr, scope)) => self.collect(&expr, &scope),
            None => {
                self.insert(name.as_str(), 0);
                true
            }
        }
    }

    /// Notes a name, without as many bytes in front. It keeps its place in the order as if they
    /// were there.
    fn insert(&mut self, name: &str, skipped: usize) {
        let key = name.to_ascii_lowercase();
        self.names.entry(key).or_insert_with(|| name[skipped..].to_owned());
    }
}

/// The expression that is to be evaluated in each ad: an attribute that this ad (or the other) has
/// stands for its own expression.
fn dereferenced(evaluator: &Evaluator<'_>, expr: &Expr, scope: &Scope) -> Expr {
    let found = match expr.node() {
        Some(Node::Attr(name)) => evaluator.find_scoped(name, scope).map(|(expr, _)| expr),
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

/// `countMatches(expr, list)`: in how many ads of the list the expression is true; none in an
/// undefined list.
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
