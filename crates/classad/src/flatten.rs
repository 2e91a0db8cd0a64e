//! Partial evaluation: what one ad decides alone is folded away, what depends on the other ad is
//! left.
//!
//! The flattened expression has, in a match, the same truth as the original against every ad. Time
//! and chance are left in place, so it stays right later. Names that the ad does not have are left
//! in place, so diagnostics can name them.

use crate::eval::{Env, Evaluator, Function};
use crate::expr::{BinaryOp, Node, RefScope, scope_of};
use crate::stack::with_room;
use crate::{AttrName, ClassAd, Expr, Value};

/// How many attributes deep a chain of references is followed; a longer one is left for evaluation
/// to refuse.
const MAX_REFERENCE_DEPTH: usize = 64;

impl Expr {
    /// Evaluates the parts of the expression that `my` alone decides.
    ///
    /// ```
    /// use classad::{ClassAd, Env, Expr};
    /// let job = ClassAd::parse_old("RequestMemory = 512\n").unwrap();
    /// let expr: Expr = "TARGET.Memory >= RequestMemory * 2 && TARGET.HasDocker".parse().unwrap();
    /// assert_eq!(expr.flatten(&job, &Env::at(0)).to_string(), "TARGET.Memory >= 1024 && TARGET.HasDocker");
    /// ```
    #[must_use]
    pub fn flatten(&self, my: &ClassAd, env: &Env) -> Expr {
        Flattener { my, env }.fold(self)
    }
}

/// The value of an expression that `my` alone decides, if it is a literal; `depth` levels are
/// around the expression.
pub(crate) fn local_value(expr: &Expr, my: &ClassAd, env: &Env, depth: u32) -> Option<Value> {
    let local = Flattener { my, env }.is_local(expr, 0);
    if local { evaluated(expr, my, env, depth) } else { None }
}

/// The value, if it is a literal. (A length of time read as one is a real number.)
fn evaluated(expr: &Expr, my: &ClassAd, env: &Env, depth: u32) -> Option<Value> {
    let mut evaluator = Evaluator::new(my, None, env);
    let value = evaluator.eval_part(expr, depth);
    match evaluator.value(value) {
        Value::List(_) | Value::Ad(_) | Value::RelTime(_) => None,
        value => Some(value),
    }
}

struct Flattener<'f> {
    my: &'f ClassAd,
    env: &'f Env,
}

impl Flattener<'_> {
    fn fold(&self, expr: &Expr) -> Expr {
        with_room(|| self.fold_with_room(expr))
    }

    fn fold_with_room(&self, expr: &Expr) -> Expr {
        let Some(node) = expr.node() else { return expr.clone() };
        if self.is_local(expr, 0) {
            return self.evaluated(expr);
        }
        match node {
            Node::Attr(_) | Node::Root(_) | Node::Ad(_) => expr.clone(),
            Node::Select(base, name) => match base.node() {
                Some(Node::Attr(_)) => expr.clone(),
                _ => Expr::tree(Node::Select(self.fold(base), name.clone())),
            },
            Node::Index(base, index) => Expr::tree(Node::Index(self.fold(base), self.fold(index))),
            Node::Unary(op, operand) => Expr::tree(Node::Unary(*op, self.fold(operand))),
            Node::Binary(op, left, right) => self.chain(left, &[(*op, right.clone())]),
            Node::Chain(first, rest) => self.chain(first, rest),
            Node::Elvis(left, right) => match self.fold(left) {
                left if left.as_literal() == Some(&Value::Undefined) => self.fold(right),
                left if left.as_literal().is_some() => left,
                left => Expr::tree(Node::Elvis(left, self.fold(right))),
            },
            Node::Ternary(condition, then, otherwise) => self.ternary(condition, then, otherwise),
            Node::Call(name, function, args) => {
                let keeps_args = function.is_none_or(Function::needs_context);
                let args =
                    args.iter().map(|arg| if keeps_args { arg.clone() } else { self.fold(arg) });
                Expr::tree(Node::Call(name.clone(), *function, args.collect()))
            }
            Node::List(items) => Expr::list(items.iter().map(|item| self.fold(item))),
            Node::Paren(inner) => match self.fold(inner) {
                literal if literal.as_literal().is_some() => literal,
                inner => inner.parenthesised(),
            },
        }
    }

    fn ternary(&self, condition: &Expr, then: &Expr, otherwise: &Expr) -> Expr {
        let condition = self.fold(condition);
        match condition.as_literal().map(Value::truth) {
            Some(Some(true)) => self.fold(then),
            Some(Some(false)) => self.fold(otherwise),
            Some(None) | None => {
                Expr::tree(Node::Ternary(condition, self.fold(then), self.fold(otherwise)))
            }
        }
    }

    /// A run of operators: what stands before the first operand that is left is folded into one
    /// value, and in a conjunction what is true is dropped.
    fn chain(&self, first: &Expr, rest: &[(BinaryOp, Expr)]) -> Expr {
        let mut folded = self.fold(first);
        for (op, operand) in rest {
            let deciding = match op {
                BinaryOp::And => Some(false),
                BinaryOp::Or => Some(true),
                _ => None,
            };
            let known = folded.as_literal().and_then(Value::truth);
            if deciding.is_some() && known == deciding {
                return Expr::from(known == Some(true));
            }
            let operand = self.fold(operand);
            folded = match (folded.as_literal(), operand.as_literal()) {
                (Some(_), Some(_)) => self.evaluated(&Expr::binary(*op, folded, operand)),
                (Some(Value::Boolean(true)), None) if *op == BinaryOp::And => operand,
                (None, Some(Value::Boolean(true))) if *op == BinaryOp::And => folded,
                _ => Expr::binary(*op, folded, operand),
            };
        }
        folded
    }

    /// The value as a literal, if it is one; lists and ads are left as they are.
    fn evaluated(&self, expr: &Expr) -> Expr {
        evaluated(expr, self.my, self.env, 0).map_or_else(|| expr.clone(), Expr::from)
    }

    /// Whether the value depends on nothing but this ad.
    fn is_local(&self, expr: &Expr, depth: usize) -> bool {
        with_room(|| self.is_local_with_room(expr, depth))
    }

    fn is_local_with_room(&self, expr: &Expr, depth: usize) -> bool {
        let Some(node) = expr.node() else { return true };
        if depth > MAX_REFERENCE_DEPTH {
            return false;
        }
        match node {
            Node::Attr(name) => self.has_local(name, depth),
            Node::Root(_) | Node::Ad(_) => false,
            Node::Select(base, name) => match base.node() {
                Some(Node::Attr(base)) if scope_of(base.as_str()) == Some(RefScope::My) => {
                    self.has_local(name, depth)
                }
                _ => false,
            },
            Node::Call(_, function, args) => {
                let plain = function
                    .is_some_and(|function| !function.is_volatile() && !function.needs_context());
                plain && args.iter().all(|arg| self.is_local(arg, depth))
            }
            Node::Index(..)
            | Node::Unary(..)
            | Node::Binary(..)
            | Node::Chain(..)
            | Node::Elvis(..)
            | Node::Ternary(..)
            | Node::List(_)
            | Node::Paren(_) => {
                let mut local = true;
                expr.for_each_child(&mut |child| local = local && self.is_local(child, depth));
                local
            }
        }
    }

    fn has_local(&self, name: &AttrName, depth: usize) -> bool {
        scope_of(name.as_str()).is_none()
            && self.my.lookup(name).is_some_and(|found| self.is_local(found, depth + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_ad_decides_is_folded_and_the_rest_is_left() {
        let my = ClassAd::parse_new(
            r#"[ a = 3; b = a+1; c = x+1; s = "q"; u = undefined; l = {1,a}; n = [ k = 1 ]; loop = loop ]"#,
        )
        .unwrap();
        let check = |text: &str, flat: &str| {
            let expr = Expr::parse(text).unwrap();
            assert_eq!(expr.flatten(&my, &Env::at(5)).to_string(), flat, "{text}");
        };
        check("a + x", "3 + x");
        check("a + b + x", "7 + x");
        check("c", "c");
        check("a == 3 && x", "x");
        check("x && a == 3", "x");
        check("a == 4 && x", "false");
        check("a == 3 || x", "true");
        check("MY.a", "3");
        check("TARGET.x >= MY.a", "TARGET.x >= 3");
        check("strcat(s,x)", "strcat(\"q\",x)");
        check("a ? x : b", "x");
        check("x ? a : b", "x ? 3 : 4");
        check("((a + b))", "7");
        check("member(a,{1,2,x})", "member(3,{ 1,2,x })");
        check("(a == 3) && (x || y)", "(x || y)");
        check("u ?: x", "x");
        check("l", "l");
        check("n", "n");
        check("time() + a", "time() + 3");
        check("isUndefined(u)", "true");
        check("loop + 1", "loop + 1");
        check("TARGET.Memory - a - 1", "TARGET.Memory - 3 - 1");
    }

    #[test]
    fn a_long_chain_of_references_does_not_exhaust_the_stack() {
        let my: ClassAd = (0..100_000)
            .map(|index| (format!("a{index}"), Expr::attr(format!("a{}", index + 1))))
            .collect();
        let flat = Expr::parse("a0 + 1").unwrap().flatten(&my, &Env::at(0));
        assert_eq!(flat.to_string(), "a0 + 1");
    }
}
