//! The evaluator: walks an expression, looks names up, and keeps within its limits.
//!
//! Operators on values are in `operators`, functions in `functions`. An evaluation that runs out of
//! steps, memory or depth has the value `error`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::eval::operators::{self, combine, unary};
use crate::eval::{Env, Scope};
use crate::expr::{BinaryOp, Node, scope_of};
use crate::expr::{Expr, RefScope};
use crate::limits::{MAX_EVAL_BYTES, MAX_EVAL_DEPTH, MAX_EVAL_STEPS};
use crate::stack::with_room;
use crate::value::AbsTime;
use crate::{AttrName, ClassAd, Value};

/// A value while it is being worked with: a list or an ad still knows where its own names are
/// looked up.
#[derive(Clone, Debug)]
pub(crate) enum Val {
    Undefined,
    Error,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    String(Arc<str>),
    AbsTime(AbsTime),
    RelTime(f64),
    List(Arc<[Expr]>, Scope),
    Ad(Scope),
}

pub(crate) struct Evaluator<'e> {
    pub(crate) env: &'e Env,
    my: &'e ClassAd,
    target: Option<&'e ClassAd>,
    /// The expressions of the attributes being evaluated, by address: meeting one again is a
    /// circle.
    in_progress: Vec<usize>,
    depth: u32,
    steps_left: u64,
    bytes_left: u64,
    /// How many random numbers were drawn.
    pub(crate) draws: u64,
}

impl Drop for Evaluator<'_> {
    fn drop(&mut self) {
        if let Some(meter) = &self.env.meter {
            meter.fetch_add(MAX_EVAL_STEPS - self.steps_left, Ordering::Relaxed);
        }
    }
}

impl<'e> Evaluator<'e> {
    pub(crate) fn new(my: &'e ClassAd, target: Option<&'e ClassAd>, env: &'e Env) -> Evaluator<'e> {
        Evaluator {
            env,
            my,
            target,
            in_progress: Vec::new(),
            depth: 0,
            steps_left: MAX_EVAL_STEPS,
            bytes_left: MAX_EVAL_BYTES,
            draws: 0,
        }
    }

    /// The value of an expression, its names looked up from `scope`.
    pub(crate) fn eval(&mut self, expr: &Expr, scope: &Scope) -> Val {
        match (expr.as_literal(), expr.node()) {
            (Some(literal), _) => Val::from(literal),
            (None, Some(node)) => self.eval_node(node, scope),
            (None, None) => Val::Undefined,
        }
    }

    /// The value of a part of an expression that `depth` levels are around, whose other parts are
    /// evaluated elsewhere.
    pub(crate) fn eval_part(&mut self, part: &Expr, depth: u32) -> Val {
        let outside = std::mem::replace(&mut self.depth, depth);
        let value = self.eval(part, &Scope::My);
        self.depth = outside;
        value
    }

    /// The value of an attribute of the other ad that is named with `depth` levels around it.
    pub(crate) fn eval_of_target(&mut self, found: &Expr, depth: u32) -> Val {
        let outside = std::mem::replace(&mut self.depth, depth);
        let value = self.eval_once(found, &Scope::Target);
        self.depth = outside;
        value
    }

    fn eval_node(&mut self, node: &Node, scope: &Scope) -> Val {
        if self.depth >= MAX_EVAL_DEPTH || !self.spend_steps(1) {
            return Val::Error;
        }
        self.depth += 1;
        let value = with_room(|| self.eval_with_room(node, scope));
        self.depth -= 1;
        value
    }

    fn eval_with_room(&mut self, node: &Node, scope: &Scope) -> Val {
        match node {
            Node::Attr(name) => self.attribute(name, scope),
            Node::Root(name) => self.root_attribute(name, scope),
            Node::Select(base, name) => self.select(base, name, scope),
            Node::Index(base, index) => self.index(base, index, scope),
            Node::Unary(op, operand) => unary(*op, self.eval(operand, scope)),
            Node::Binary(op, left, right) => self.binary(*op, left, right, scope),
            Node::Chain(first, rest) => self.chain(first, rest, scope),
            Node::Elvis(left, right) => match self.eval(left, scope) {
                Val::Undefined => self.eval(right, scope),
                value => value,
            },
            Node::Ternary(condition, then, otherwise) => {
                self.ternary(condition, then, otherwise, scope)
            }
            Node::Call(_, Some(function), args) => function.call(self, args, scope),
            Node::Call(_, None, _) => Val::Error,
            Node::List(items) => Val::List(Arc::clone(items), scope.clone()),
            Node::Ad(ad) => Val::Ad(Scope::nested(Arc::clone(ad), scope.clone())),
            Node::Paren(inner) => self.eval(inner, scope),
        }
    }

    /// An element of a list that a function looks at: a list or an ad belongs where it is written,
    /// but names are looked up where the function is called. (A subscript looks them up where the
    /// list is written.)
    pub(crate) fn eval_element(&mut self, item: &Expr, written: &Scope, called: &Scope) -> Val {
        match item.node() {
            Some(Node::List(_) | Node::Ad(_)) => self.eval(item, written),
            _ => self.eval(item, called),
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr, scope: &Scope) -> Val {
        // Comparing literals and literal attributes, which is most of what ads do, needs no copy of
        // either.
        if op.precedence() >= 6
            && let Some(left) = self.peek(left, scope)
            && let Some(right) = self.peek(right, scope)
            && let Some(value) = operators::compare_in_place(op, left, right)
        {
            return Val::Boolean(value);
        }
        let left = self.eval(left, scope);
        if let Some(decided) = operators::short_circuit(op, &left) {
            return decided;
        }
        let right = self.eval(right, scope);
        combine(op, &left, &right)
    }

    fn chain(&mut self, first: &Expr, rest: &[(BinaryOp, Expr)], scope: &Scope) -> Val {
        let mut value = self.eval(first, scope);
        for (op, operand) in rest {
            if let Some(decided) = operators::short_circuit(*op, &value) {
                // The rest of the chain has the same operator, and so the same answer.
                return decided;
            }
            let operand = self.eval(operand, scope);
            value = combine(*op, &value, &operand);
        }
        value
    }

    fn ternary(&mut self, condition: &Expr, then: &Expr, otherwise: &Expr, scope: &Scope) -> Val {
        match self.eval(condition, scope) {
            Val::Undefined => Val::Undefined,
            condition => match condition.truth() {
                Some(true) => self.eval(then, scope),
                Some(false) => self.eval(otherwise, scope),
                None => Val::Error,
            },
        }
    }

    /// The literal that an expression is, or that the attribute it names is, without a copy.
    fn peek<'x>(&'x self, expr: &'x Expr, scope: &'x Scope) -> Option<&'x Value> {
        match expr.node() {
            None => expr.as_literal(),
            Some(Node::Attr(name)) => match scope {
                Scope::My if scope_of(name.as_str()).is_some() => None,
                Scope::My => match self.my.lookup(name) {
                    Some(found) => found.as_literal(),
                    None if special(name).is_some() => None,
                    None => self.target?.lookup(name)?.as_literal(),
                },
                Scope::Target | Scope::Nested(_) => None,
            },
            Some(Node::Select(base, name)) => {
                let Some(Node::Attr(base)) = base.node() else { return None };
                let Scope::My = scope else { return None };
                if scope_of(name.as_str()).is_some() {
                    return None;
                }
                match scope_of(base.as_str())? {
                    RefScope::My => self.my.lookup(name)?.as_literal(),
                    RefScope::Target => self.target?.lookup(name)?.as_literal(),
                    RefScope::Unscoped | RefScope::Other => None,
                }
            }
            Some(_) => None,
        }
    }

    fn attribute(&mut self, name: &AttrName, scope: &Scope) -> Val {
        // An attribute that is called like one of the two ads is what its name says, unless
        // something is looked for in it (HTCondor 25.14).
        if let Some(ad) = self.ad_called(name, scope)
            && self.ad(scope).lookup(name).is_none()
        {
            return ad;
        }
        if let Some(value) = self.find(name, scope) {
            return value;
        }
        if !scope.falls_through() {
            return Val::Undefined;
        }
        match self.other_side(scope) {
            Some(other) => self.find(name, &other).unwrap_or(Val::Undefined),
            None => Val::Undefined,
        }
    }

    /// One of the two ads, if this is a word for it.
    fn ad_called(&self, name: &AttrName, scope: &Scope) -> Option<Val> {
        Some(match scope_of(name.as_str())? {
            RefScope::Target => self.other_side(scope).map_or(Val::Undefined, Val::Ad),
            RefScope::My | RefScope::Unscoped | RefScope::Other => Val::Ad(scope.clone()),
        })
    }

    /// Looks in the scope's ad and then outwards. An attribute is evaluated in the ad where it is
    /// found.
    fn find(&mut self, name: &AttrName, scope: &Scope) -> Option<Val> {
        let mut level = scope;
        loop {
            if let Some(found) = self.ad(level).lookup(name) {
                let literal = found.as_literal().map(Val::from);
                return Some(match literal {
                    Some(value) => value,
                    None => {
                        let (found, level) = (found.clone(), level.clone());
                        self.eval_once(&found, &level)
                    }
                });
            }
            if let Some(word) = special(name) {
                return Some(self.special_value(word, level));
            }
            match level.outer() {
                Some(outer) => level = outer,
                None => return self.match_name(name, level),
            }
        }
    }

    /// The expression that an unscoped name stands for, here, further out, or in the other ad, and
    /// where it was found.
    pub(crate) fn find_scoped(&self, name: &AttrName, scope: &Scope) -> Option<(Expr, Scope)> {
        self.find_outwards(name, scope).or_else(|| {
            let other = scope.falls_through().then(|| self.other_side(scope))??;
            Some((self.ad(&other).lookup(name)?.clone(), other))
        })
    }

    /// The expression that an unscoped name stands for, here or further out, and where it was
    /// found.
    pub(crate) fn find_outwards(&self, name: &AttrName, scope: &Scope) -> Option<(Expr, Scope)> {
        let mut level = Some(scope);
        while let Some(at) = level {
            if let Some(found) = self.ad(at).lookup(name) {
                return Some((found.clone(), at.clone()));
            }
            level = at.outer();
        }
        None
    }

    /// The expression that `.Name` stands for, and where it was found.
    pub(crate) fn find_at_root(&self, name: &AttrName, scope: &Scope) -> Option<(Expr, Scope)> {
        if self.target.is_some() { None } else { self.find_outwards(name, scope.side()) }
    }

    /// Whether a name is that of one of the two ads, and that ad is there.
    pub(crate) fn scope_exists(&self, name: &AttrName, scope: &Scope) -> bool {
        match scope_of(name.as_str()) {
            Some(RefScope::Target) => self.other_side(scope).is_some(),
            Some(RefScope::My | RefScope::Unscoped | RefScope::Other) => true,
            None => false,
        }
    }

    /// The expression of an attribute of the other ad.
    pub(crate) fn find_in_other(&self, name: &AttrName, scope: &Scope) -> Option<Expr> {
        self.ad(&self.other_side(scope)?).lookup(name).cloned()
    }

    /// The names that the two ads of a match see around them.
    fn match_name(&self, name: &AttrName, side: &Scope) -> Option<Val> {
        if self.target.is_none() || matches!(side, Scope::Nested(_)) {
            return None;
        }
        let scope = match name.as_str() {
            text if text.eq_ignore_ascii_case("ad") => side.clone(),
            text if text.eq_ignore_ascii_case("left") => Scope::My,
            text if text.eq_ignore_ascii_case("right") => Scope::Target,
            _ => return None,
        };
        Some(Val::Ad(scope))
    }

    /// Evaluates the expression of an attribute, which is undefined inside itself.
    fn eval_once(&mut self, expr: &Expr, scope: &Scope) -> Val {
        let Some(node) = expr.node() else { return self.eval(expr, scope) };
        let address = std::ptr::from_ref(node).addr();
        if self.in_progress.contains(&address) {
            return Val::Undefined;
        }
        self.in_progress.push(address);
        let value = self.eval(expr, scope);
        self.in_progress.pop();
        value
    }

    fn special_value(&self, word: Special, scope: &Scope) -> Val {
        match word {
            Special::CurrentTime => Val::Integer(self.env.now),
            Special::Parent => scope.outer().cloned().map_or(Val::Undefined, Val::Ad),
            Special::Root if self.target.is_none() => Val::Ad(scope.side().clone()),
            Special::Root => Val::Undefined,
        }
    }

    /// `.Name`: from the outermost ad, which in a match is not one of the two.
    fn root_attribute(&mut self, name: &AttrName, scope: &Scope) -> Val {
        let side = scope.side().clone();
        if self.target.is_some() {
            return self.match_name(name, &side).unwrap_or(Val::Undefined);
        }
        self.find(name, &side).unwrap_or(Val::Undefined)
    }

    fn select(&mut self, base: &Expr, name: &AttrName, scope: &Scope) -> Val {
        let ad = match base.node() {
            Some(Node::Attr(word)) => self.ad_called(word, scope),
            _ => None,
        };
        let base = ad.unwrap_or_else(|| self.eval(base, scope));
        self.select_from(base, name, scope)
    }

    fn select_from(&mut self, base: Val, name: &AttrName, scope: &Scope) -> Val {
        match base {
            Val::Undefined => Val::Undefined,
            Val::Ad(inner) => match scope_of(name.as_str()) {
                Some(_) => self.attribute(name, &inner),
                None => self.find(name, &inner).unwrap_or(Val::Undefined),
            },
            Val::List(items, inner) => self.select_each(&items, &inner, name, scope),
            Val::Error
            | Val::Boolean(_)
            | Val::Integer(_)
            | Val::Real(_)
            | Val::String(_)
            | Val::AbsTime(_)
            | Val::RelTime(_) => Val::Error,
        }
    }

    /// `{ ad, ad }.Name` is the list of what each element gives.
    fn select_each(
        &mut self,
        items: &[Expr],
        written: &Scope,
        name: &AttrName,
        scope: &Scope,
    ) -> Val {
        // Lists of lists recurse here without passing through an expression.
        if self.depth >= MAX_EVAL_DEPTH {
            return Val::Error;
        }
        self.depth += 1;
        let mut selected = Vec::with_capacity(items.len());
        for item in items {
            let item = self.eval_element(item, written, scope);
            let value = self.select_from(item, name, scope);
            selected.push(self.freeze(value));
        }
        self.depth -= 1;
        if !self.spend_bytes(size_of::<Expr>() * selected.len()) {
            return Val::Error;
        }
        Val::List(selected.into(), scope.clone())
    }

    fn index(&mut self, base: &Expr, index: &Expr, scope: &Scope) -> Val {
        let base = self.eval(base, scope);
        let index = self.eval(index, scope);
        match (base, index) {
            (Val::Error, _) | (_, Val::Error) => Val::Error,
            (Val::Undefined, _) | (_, Val::Undefined) => Val::Undefined,
            (Val::List(items, inner), Val::Integer(index)) => {
                match usize::try_from(index).ok().and_then(|index| items.get(index)) {
                    Some(item) => self.eval(item, &inner),
                    None => Val::Error,
                }
            }
            (Val::Ad(inner), Val::String(name)) => {
                let found = self.ad(&inner).get(&name).cloned();
                found.map_or(Val::Undefined, |expr| self.eval(&expr, &inner))
            }
            _ => Val::Error,
        }
    }

    /// The ad that a scope stands for.
    pub(crate) fn ad<'x>(&'x self, scope: &'x Scope) -> &'x ClassAd {
        match scope {
            Scope::My => self.my,
            Scope::Target => self.target.unwrap_or(self.my),
            Scope::Nested(nested) => &nested.ad,
        }
    }

    /// What `TARGET` means in a scope: the other ad of the match.
    fn other_side(&self, scope: &Scope) -> Option<Scope> {
        self.target?;
        match scope.side() {
            Scope::Target => Some(Scope::My),
            Scope::My | Scope::Nested(_) => Some(Scope::Target),
        }
    }

    /// Pays for some steps; false once they have run out.
    pub(crate) fn spend_steps(&mut self, steps: u64) -> bool {
        let enough = self.steps_left >= steps;
        self.steps_left = self.steps_left.saturating_sub(steps);
        enough
    }

    /// Pays for something about to be created; false once there is no more. Making a byte also
    /// takes a little time.
    pub(crate) fn spend_bytes(&mut self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let enough = self.bytes_left >= bytes;
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        enough && self.spend_steps(bytes / 1024)
    }

    /// A string, if it may still be created.
    pub(crate) fn string(&mut self, text: impl AsRef<str>) -> Val {
        let text = text.as_ref();
        if self.spend_bytes(text.len()) { Val::String(Arc::from(text)) } else { Val::Error }
    }

    /// A list of finished values, if it may still be created.
    pub(crate) fn list(&mut self, items: Vec<Expr>) -> Val {
        if self.spend_bytes(size_of::<Expr>() * items.len()) {
            Val::List(items.into(), Scope::My)
        } else {
            Val::Error
        }
    }

    /// The expression of a value: the value itself, or the list or ad as it was written.
    pub(crate) fn freeze(&self, value: Val) -> Expr {
        Expr::from(self.value(value))
    }

    /// The value as the outside sees it.
    pub(crate) fn value(&self, value: Val) -> Value {
        match value {
            Val::Undefined => Value::Undefined,
            Val::Error => Value::Error,
            Val::Boolean(value) => Value::Boolean(value),
            Val::Integer(value) => Value::Integer(value),
            Val::Real(value) => Value::Real(value),
            Val::String(text) => Value::String(text),
            Val::AbsTime(time) => Value::AbsTime(time),
            Val::RelTime(seconds) => Value::RelTime(seconds),
            Val::List(items, _) => Value::List(items),
            Val::Ad(Scope::Nested(nested)) => Value::Ad(Arc::clone(&nested.ad)),
            Val::Ad(scope @ (Scope::My | Scope::Target)) => {
                Value::Ad(Arc::new(self.ad(&scope).clone()))
            }
        }
    }
}

/// Names that mean something where no attribute has them.
#[derive(Clone, Copy)]
enum Special {
    CurrentTime,
    Parent,
    Root,
}

fn special(name: &AttrName) -> Option<Special> {
    let text = name.as_str();
    match text.len() {
        4 if text.eq_ignore_ascii_case("root") => Some(Special::Root),
        6 if text.eq_ignore_ascii_case("parent") => Some(Special::Parent),
        8 if text.eq_ignore_ascii_case("toplevel") => Some(Special::Root),
        11 if text.eq_ignore_ascii_case("CurrentTime") => Some(Special::CurrentTime),
        _ => None,
    }
}

impl Val {
    /// As [`Value::truth`].
    #[inline]
    pub(crate) fn truth(&self) -> Option<bool> {
        operators::number(self).map(|number| number != 0.0)
    }
}

impl From<&Value> for Val {
    fn from(value: &Value) -> Val {
        match value {
            Value::Undefined => Val::Undefined,
            Value::Error => Val::Error,
            Value::Boolean(value) => Val::Boolean(*value),
            Value::Integer(value) => Val::Integer(*value),
            Value::Real(value) => Val::Real(*value),
            Value::String(text) => Val::String(Arc::clone(text)),
            Value::AbsTime(time) => Val::AbsTime(*time),
            // HTCondor 25.14: a `relTime("...")` in a text is a real number of seconds when it is
            // evaluated.
            Value::RelTime(seconds) => Val::Real(*seconds),
            Value::List(items) => Val::List(Arc::clone(items), Scope::My),
            Value::Ad(ad) => Val::Ad(Scope::nested(Arc::clone(ad), Scope::My)),
        }
    }
}
