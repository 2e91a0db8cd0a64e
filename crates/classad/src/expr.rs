//! The tree of an expression.
//!
//! Knows the shapes of the language and how to build and walk them. Does not parse, print or
//! evaluate. A run of binary operators of one precedence (`a || b || c`) is one flat node, so that
//! the height of a tree is bounded by how deep its text nests, and nothing that walks it can run
//! out of stack.

use std::sync::Arc;

use crate::eval::Function;
use crate::stack::with_room;
use crate::{AttrName, ClassAd, Value};

/// An expression. Cheap to copy.
///
/// ```
/// use classad::Expr;
/// let expr: Expr = "TARGET.Memory>=RequestMemory&&Arch==\"X86_64\"".parse().unwrap();
/// assert_eq!(expr.to_string(), r#"TARGET.Memory >= RequestMemory && Arch == "X86_64""#);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Expr(pub(crate) Repr);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Repr {
    Literal(Value),
    Tree(Arc<Node>),
}

/// What an expression that is not a literal is made of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// `Memory`.
    Attr(AttrName),
    /// `.Memory`: from the outermost ad.
    Root(AttrName),
    /// `MY.Memory`, `TARGET.Memory`, `machine.Memory`, `{...}.Memory`.
    Select(Expr, AttrName),
    /// `list[0]`, `ad["Memory"]`.
    Index(Expr, Expr),
    /// `-x`.
    Unary(UnaryOp, Expr),
    /// `a == b`.
    Binary(BinaryOp, Expr, Expr),
    /// `a || b || c`: three or more operands whose operators have one precedence, grouped from the
    /// left.
    Chain(Expr, Box<[(BinaryOp, Expr)]>),
    /// `a ?: b`.
    Elvis(Expr, Expr),
    /// `a ? b : c`.
    Ternary(Expr, Expr, Expr),
    /// `strcat(a, b)`. The function is looked up once, here; `None` is a name that no function has.
    Call(AttrName, Option<Function>, Box<[Expr]>),
    /// `{ a, b }`.
    List(Arc<[Expr]>),
    /// `[ a = 1; b = 2 ]`.
    Ad(Arc<ClassAd>),
    /// `(a)`: kept, because printing keeps it.
    Paren(Expr),
}

/// A prefix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    Plus,
    Minus,
    Not,
    BitNot,
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Or,
    And,
    BitOr,
    BitXor,
    BitAnd,
    Equal,
    NotEqual,
    Is,
    Isnt,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    ShiftLeft,
    ShiftRight,
    ShiftRightUnsigned,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulus,
}

/// What sort of operands an operator takes, and what it makes of undefined ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpKind {
    /// `||`, `&&`: the left operand may decide alone.
    Logic,
    /// `==`, `<`, ...: undefined and error are passed on.
    Comparison,
    /// `=?=`, `=!=`: always decided, but for lists and ads.
    Identity,
    /// `|`, `<<`, ...: of integers only.
    Bit,
    /// `+`, `*`, ...: of numbers and times.
    Arithmetic,
}

impl BinaryOp {
    /// What sort of operator this is.
    #[inline]
    pub(crate) fn kind(self) -> OpKind {
        match self {
            BinaryOp::Or | BinaryOp::And => OpKind::Logic,
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual => OpKind::Comparison,
            BinaryOp::Is | BinaryOp::Isnt => OpKind::Identity,
            BinaryOp::BitOr
            | BinaryOp::BitXor
            | BinaryOp::BitAnd
            | BinaryOp::ShiftLeft
            | BinaryOp::ShiftRight
            | BinaryOp::ShiftRightUnsigned => OpKind::Bit,
            BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Modulus => OpKind::Arithmetic,
        }
    }

    /// How tightly the operator binds; higher is tighter.
    pub(crate) fn precedence(self) -> u8 {
        match self {
            BinaryOp::Or => 1,
            BinaryOp::And => 2,
            BinaryOp::BitOr => 3,
            BinaryOp::BitXor => 4,
            BinaryOp::BitAnd => 5,
            BinaryOp::Equal | BinaryOp::NotEqual | BinaryOp::Is | BinaryOp::Isnt => 6,
            BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual => 7,
            BinaryOp::ShiftLeft | BinaryOp::ShiftRight | BinaryOp::ShiftRightUnsigned => 8,
            BinaryOp::Add | BinaryOp::Subtract => 9,
            BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulus => 10,
        }
    }
}

/// Where a reference looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefScope {
    /// `Memory`: this ad, then the other.
    Unscoped,
    /// `MY.Memory`.
    My,
    /// `TARGET.Memory`.
    Target,
    /// `other_ad.Memory`, `.Memory`: inside some other ad.
    Other,
}

impl Expr {
    pub(crate) fn tree(node: Node) -> Expr {
        Expr(Repr::Tree(Arc::new(node)))
    }

    /// The literal, if the expression is one.
    #[inline]
    pub fn as_literal(&self) -> Option<&Value> {
        match &self.0 {
            Repr::Literal(value) => Some(value),
            Repr::Tree(_) => None,
        }
    }

    /// The elements, if the expression is a list written out.
    pub fn as_list(&self) -> Option<&[Expr]> {
        match self.node() {
            Some(Node::List(items)) => Some(items),
            Some(_) | None => self.as_literal().and_then(Value::as_list),
        }
    }

    /// The ad, if the expression is one written out.
    pub fn as_ad(&self) -> Option<&ClassAd> {
        match self.node() {
            Some(Node::Ad(ad)) => Some(ad),
            Some(_) | None => self.as_literal().and_then(Value::as_ad),
        }
    }

    pub(crate) fn node(&self) -> Option<&Node> {
        match &self.0 {
            Repr::Literal(_) => None,
            Repr::Tree(node) => Some(node),
        }
    }

    /// A reference to an attribute.
    pub fn attr(name: impl Into<AttrName>) -> Expr {
        Expr::tree(Node::Attr(name.into()))
    }

    /// `base.name`, for example `Expr::select(Expr::attr("TARGET"), "Memory")`.
    pub fn select(base: Expr, name: impl Into<AttrName>) -> Expr {
        Expr::tree(Node::Select(base, name.into()))
    }

    /// A call of a function, known or not.
    pub fn call(name: impl Into<AttrName>, args: impl IntoIterator<Item = Expr>) -> Expr {
        let name = name.into();
        let function = Function::by_name(name.as_str());
        Expr::tree(Node::Call(name, function, args.into_iter().collect()))
    }

    /// The list `{ a, b, ... }` of these items.
    pub fn list(items: impl IntoIterator<Item = Expr>) -> Expr {
        Expr::tree(Node::List(items.into_iter().collect()))
    }

    /// The expression in parentheses.
    pub fn parenthesised(self) -> Expr {
        Expr::tree(Node::Paren(self))
    }

    /// `self && other`; neither is put in parentheses, so neither may be a `||` or `? :` of its
    /// own.
    pub fn and(self, other: Expr) -> Expr {
        Expr::binary(BinaryOp::And, self, other)
    }

    /// `self || other`, as [`Expr::and`].
    pub fn or(self, other: Expr) -> Expr {
        Expr::binary(BinaryOp::Or, self, other)
    }

    /// `self == other`; neither is put in parentheses.
    pub fn equals(self, other: impl Into<Expr>) -> Expr {
        Expr::binary(BinaryOp::Equal, self, other.into())
    }

    /// `self =?= other`; neither is put in parentheses.
    pub fn is(self, other: impl Into<Expr>) -> Expr {
        Expr::binary(BinaryOp::Is, self, other.into())
    }

    /// `self =!= other`; neither is put in parentheses.
    pub fn is_not(self, other: impl Into<Expr>) -> Expr {
        Expr::binary(BinaryOp::Isnt, self, other.into())
    }

    /// `self > other`; neither is put in parentheses.
    pub fn exceeds(self, other: impl Into<Expr>) -> Expr {
        Expr::binary(BinaryOp::Greater, self, other.into())
    }

    /// `a || b || ...`; `false` of none.
    pub fn any(of: impl IntoIterator<Item = Expr>) -> Expr {
        of.into_iter().reduce(Expr::or).unwrap_or_else(|| Expr::from(false))
    }

    /// `left op right`, where `left` may be a chain that the operator continues.
    pub(crate) fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
        let continued = match left.node() {
            Some(Node::Binary(first_op, first, second))
                if first_op.precedence() == op.precedence() =>
            {
                Some((first.clone(), vec![(*first_op, second.clone())]))
            }
            Some(Node::Chain(first, rest)) if rest[0].0.precedence() == op.precedence() => {
                Some((first.clone(), rest.to_vec()))
            }
            _ => None,
        };
        let Some((first, mut rest)) = continued else {
            return Expr::tree(Node::Binary(op, left, right));
        };
        rest.push((op, right));
        Expr::tree(Node::Chain(first, rest.into()))
    }

    /// The operands of the top-level `&&`, in order; the expression itself if there is none.
    /// Parentheses around a whole conjunction are looked through, because clauses are what people
    /// think in.
    pub fn clauses(&self) -> Vec<&Expr> {
        let mut found = Vec::new();
        let mut waiting = vec![self];
        while let Some(expr) = waiting.pop() {
            match expr.node() {
                Some(Node::Binary(BinaryOp::And, left, right)) => waiting.extend([right, left]),
                Some(Node::Chain(first, rest)) if rest[0].0 == BinaryOp::And => {
                    waiting.extend(rest.iter().rev().map(|(_, operand)| operand));
                    waiting.push(first);
                }
                Some(Node::Paren(inner)) if inner.is_conjunction() => waiting.push(inner),
                _ => found.push(expr),
            }
        }
        found
    }

    fn is_conjunction(&self) -> bool {
        match self.node() {
            Some(Node::Binary(op, ..)) => *op == BinaryOp::And,
            Some(Node::Chain(_, rest)) => rest[0].0 == BinaryOp::And,
            Some(Node::Paren(inner)) => inner.is_conjunction(),
            _ => false,
        }
    }

    /// Every attribute that the expression names, with the scope it names it in, in order of
    /// appearance, each once.
    pub fn references(&self) -> Vec<(RefScope, AttrName)> {
        let mut found = Vec::new();
        self.visit(&mut |expr| {
            let reference = match expr.node() {
                Some(Node::Attr(name)) if scope_of(name.as_str()).is_none() => {
                    (RefScope::Unscoped, name.clone())
                }
                Some(Node::Root(name)) => (RefScope::Other, name.clone()),
                Some(Node::Select(base, name)) => {
                    let scope = match base.node() {
                        Some(Node::Attr(base)) => scope_of(base.as_str()),
                        _ => None,
                    };
                    (scope.unwrap_or(RefScope::Other), name.clone())
                }
                _ => return,
            };
            if !found.contains(&reference) {
                found.push(reference);
            }
        });
        found
    }

    /// The names of the functions that the expression calls and that do not exist: each call is an
    /// error.
    pub fn unknown_functions(&self) -> Vec<AttrName> {
        let mut found = Vec::new();
        self.visit(&mut |expr| {
            if let Some(Node::Call(name, None, _)) = expr.node()
                && !found.contains(name)
            {
                found.push(name.clone());
            }
        });
        found
    }

    /// Whether the expression reads text as an expression, so that it may depend on any attribute.
    pub fn reads_text(&self) -> bool {
        let mut reads = false;
        self.visit(&mut |expr| {
            reads |= matches!(expr.node(), Some(Node::Call(name, ..)) if *name == *"eval");
        });
        reads
    }

    /// Adds to `names` what the expression depends on. Whether that is all.
    pub(crate) fn tells_needs(&self, names: &mut Vec<AttrName>) -> bool {
        if self.as_literal().is_some() {
            return true;
        }
        names.extend(self.references().into_iter().map(|(_, name)| name));
        !self.reads_text()
    }

    /// Calls `look` for this expression and everything inside it, from the outside in and from left
    /// to right.
    pub(crate) fn visit<'e>(&'e self, look: &mut impl FnMut(&'e Expr)) {
        look(self);
        with_room(|| self.for_each_child(&mut |child| child.visit(look)));
    }

    /// Calls `look` for each direct part of the expression.
    pub(crate) fn for_each_child<'e>(&'e self, look: &mut dyn FnMut(&'e Expr)) {
        let Some(node) = self.node() else { return };
        match node {
            Node::Attr(_) | Node::Root(_) => {}
            Node::Select(base, _) | Node::Unary(_, base) | Node::Paren(base) => look(base),
            Node::Index(left, right) | Node::Binary(_, left, right) | Node::Elvis(left, right) => {
                look(left);
                look(right);
            }
            Node::Chain(first, rest) => {
                look(first);
                rest.iter().for_each(|(_, operand)| look(operand));
            }
            Node::Ternary(condition, then, otherwise) => {
                look(condition);
                look(then);
                look(otherwise);
            }
            Node::Call(_, _, args) => args.iter().for_each(look),
            Node::List(items) => items.iter().for_each(look),
            Node::Ad(ad) => ad.iter().for_each(|(_, expr)| look(expr)),
        }
    }
}

/// Whether a name means something where no attribute has it, so that it does not simply fall
/// through to the other ad.
pub(crate) fn is_special(name: &AttrName) -> bool {
    ["CurrentTime", "parent", "root", "toplevel", "ad", "left", "right"]
        .iter()
        .any(|special| *name == **special)
}

/// Whether the expression is a name, possibly with `MY`, `TARGET` or another name in front.
pub(crate) fn is_reference(expr: &Expr) -> bool {
    match expr.node() {
        Some(Node::Attr(_) | Node::Root(_)) => true,
        Some(Node::Select(base, _)) => is_reference(base),
        _ => false,
    }
}

/// The name of the function, if the expression is a call of one that does not exist.
pub(crate) fn called_but_unknown(expr: &Expr) -> Option<&AttrName> {
    match expr.node() {
        Some(Node::Call(name, None, _)) => Some(name),
        _ => None,
    }
}

/// Whether a name stands for one of the two ads.
pub(crate) fn scope_of(name: &str) -> Option<RefScope> {
    if name.eq_ignore_ascii_case("MY") || name.eq_ignore_ascii_case("SELF") {
        Some(RefScope::My)
    } else if name.eq_ignore_ascii_case("TARGET") || name.eq_ignore_ascii_case("OTHER") {
        Some(RefScope::Target)
    } else {
        None
    }
}

/// A list or an ad becomes the expression that makes it.
impl From<Value> for Expr {
    fn from(value: Value) -> Expr {
        match value {
            Value::List(items) => Expr::tree(Node::List(items)),
            Value::Ad(ad) => Expr::tree(Node::Ad(ad)),
            Value::Undefined
            | Value::Error
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Real(_)
            | Value::String(_)
            | Value::AbsTime(_)
            | Value::RelTime(_) => Expr(Repr::Literal(value)),
        }
    }
}

macro_rules! expr_from {
    ($($source:ty),*) => {$(
        impl From<$source> for Expr {
            fn from(value: $source) -> Expr {
                Expr::from(Value::from(value))
            }
        }
    )*};
}
expr_from!(bool, i64, f64, &str, String, Arc<str>, ClassAd);

impl From<i32> for Expr {
    fn from(value: i32) -> Expr {
        Expr::from(i64::from(value))
    }
}

impl From<u32> for Expr {
    fn from(value: u32) -> Expr {
        Expr::from(i64::from(value))
    }
}

impl From<&Expr> for Expr {
    fn from(expr: &Expr) -> Expr {
        expr.clone()
    }
}
