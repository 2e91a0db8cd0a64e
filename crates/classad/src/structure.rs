//! What others may see of the shape of an expression: its alternatives, a comparison, a bare
//! reference. For callers that treat common shapes faster than by evaluating them; whatever they do
//! not recognise, they evaluate.

use crate::expr::{BinaryOp, Node, scope_of};
use crate::{AttrName, Expr, RefScope};

/// An ordering comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The comparison that says the same with its sides exchanged.
    #[must_use]
    pub fn mirrored(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        }
    }
}

impl Expr {
    /// The expression without parentheses around the whole.
    ///
    /// ```
    /// let expr: classad::Expr = "((a || b))".parse().unwrap();
    /// assert_eq!(expr.unparenthesised().to_string(), "a || b");
    /// ```
    pub fn unparenthesised(&self) -> &Expr {
        let mut expr = self;
        while let Some(Node::Paren(inner)) = expr.node() {
            expr = inner;
        }
        expr
    }

    /// The operands of the top-level `||`, in order; the expression itself if there is none.
    /// Parentheses around the whole or around an operand that is itself such a list are looked
    /// through.
    ///
    /// ```
    /// let expr: classad::Expr = "((a && b) || (c || d))".parse().unwrap();
    /// let alternatives = expr.alternatives().into_iter().map(|e| e.to_string()).collect::<Vec<_>>();
    /// assert_eq!(alternatives, ["(a && b)", "c", "d"]);
    /// ```
    pub fn alternatives(&self) -> Vec<&Expr> {
        let mut found = Vec::new();
        let mut waiting = vec![self];
        while let Some(expr) = waiting.pop() {
            match expr.unparenthesised().node() {
                Some(Node::Binary(BinaryOp::Or, left, right)) => waiting.extend([right, left]),
                Some(Node::Chain(first, rest)) if rest[0].0 == BinaryOp::Or => {
                    waiting.extend(rest.iter().rev().map(|(_, operand)| operand));
                    waiting.push(first);
                }
                _ => found.push(expr),
            }
        }
        found
    }

    /// The two sides, if the expression is one ordering comparison.
    ///
    /// ```
    /// use classad::{Comparison, Expr};
    /// let expr: Expr = "(TARGET.Memory >= 100)".parse().unwrap();
    /// let (left, comparison, right) = expr.as_comparison().unwrap();
    /// assert_eq!(comparison, Comparison::GreaterOrEqual);
    /// assert_eq!((left.to_string(), right.to_string()), ("TARGET.Memory".to_owned(), "100".to_owned()));
    /// ```
    pub fn as_comparison(&self) -> Option<(&Expr, Comparison, &Expr)> {
        let Some(Node::Binary(op, left, right)) = self.unparenthesised().node() else {
            return None;
        };
        let comparison = match op {
            BinaryOp::Less => Comparison::Less,
            BinaryOp::LessOrEqual => Comparison::LessOrEqual,
            BinaryOp::Greater => Comparison::Greater,
            BinaryOp::GreaterOrEqual => Comparison::GreaterOrEqual,
            _ => return None,
        };
        Some((left.unparenthesised(), comparison, right.unparenthesised()))
    }

    /// The two sides, if the expression is one `==` or `=?=`.
    ///
    /// ```
    /// let expr: classad::Expr = "(DAGManJobId =?= 7)".parse().unwrap();
    /// let (left, right) = expr.as_equality().unwrap();
    /// assert_eq!((left.to_string(), right.to_string()), ("DAGManJobId".to_owned(), "7".to_owned()));
    /// ```
    pub fn as_equality(&self) -> Option<(&Expr, &Expr)> {
        match self.unparenthesised().node() {
            Some(Node::Binary(BinaryOp::Equal | BinaryOp::Is, left, right)) => {
                Some((left.unparenthesised(), right.unparenthesised()))
            }
            _ => None,
        }
    }

    /// The attribute, if the expression is a bare reference: `Memory`, `MY.Memory` or
    /// `TARGET.Memory`.
    ///
    /// ```
    /// use classad::{Expr, RefScope};
    /// let expr: Expr = "TARGET.Memory".parse().unwrap();
    /// assert_eq!(expr.as_reference(), Some((RefScope::Target, &"Memory".into())));
    /// ```
    pub fn as_reference(&self) -> Option<(RefScope, &AttrName)> {
        match self.unparenthesised().node()? {
            Node::Attr(name) if scope_of(name.as_str()).is_none() => {
                Some((RefScope::Unscoped, name))
            }
            Node::Select(base, name) => match base.node()? {
                Node::Attr(base) => Some((scope_of(base.as_str())?, name)),
                _ => None,
            },
            _ => None,
        }
    }
}
