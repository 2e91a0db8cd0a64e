//! Ads and expressions as structured messages: nothing is parsed as text on arrival.
//!
//! A literal is the format's own boolean, number, string or nil. Everything else is a sequence that
//! begins with a small number saying what it is. An ad is a map; the entry with the empty name, if
//! any, is the parent. Works with every self-describing format (MessagePack, JSON). Nesting is
//! bounded while reading, before anything else sees the tree.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::expr::{BinaryOp, Node, Repr, UnaryOp};
use crate::limits::MAX_NESTING;
use crate::stack::with_room;
use crate::value::AbsTime;
use crate::{AttrName, ClassAd, Expr, Value};

/// Room reserved before the elements have arrived: a length field is a claim, not a fact.
const MAX_RESERVED: usize = 256;

/// What a sequence is. The numbers are part of the wire format and never change their meaning.
mod tag {
    pub(super) const ERROR: u8 = 0;
    pub(super) const ABS_TIME: u8 = 1;
    pub(super) const REL_TIME: u8 = 2;
    pub(super) const ATTR: u8 = 10;
    pub(super) const ROOT: u8 = 11;
    pub(super) const SELECT: u8 = 12;
    pub(super) const INDEX: u8 = 13;
    pub(super) const UNARY: u8 = 14;
    pub(super) const BINARY: u8 = 15;
    pub(super) const CHAIN: u8 = 16;
    pub(super) const ELVIS: u8 = 17;
    pub(super) const TERNARY: u8 = 18;
    pub(super) const CALL: u8 = 19;
    pub(super) const LIST: u8 = 20;
    pub(super) const AD: u8 = 21;
    pub(super) const PAREN: u8 = 22;
}

/// The operators by their number on the wire, which is their place here: only ever append.
const BINARY_OPS: [BinaryOp; 21] = [
    BinaryOp::Or,
    BinaryOp::And,
    BinaryOp::BitOr,
    BinaryOp::BitXor,
    BinaryOp::BitAnd,
    BinaryOp::Equal,
    BinaryOp::NotEqual,
    BinaryOp::Is,
    BinaryOp::Isnt,
    BinaryOp::Less,
    BinaryOp::LessOrEqual,
    BinaryOp::Greater,
    BinaryOp::GreaterOrEqual,
    BinaryOp::ShiftLeft,
    BinaryOp::ShiftRight,
    BinaryOp::ShiftRightUnsigned,
    BinaryOp::Add,
    BinaryOp::Subtract,
    BinaryOp::Multiply,
    BinaryOp::Divide,
    BinaryOp::Modulus,
];

const UNARY_OPS: [UnaryOp; 4] = [UnaryOp::Plus, UnaryOp::Minus, UnaryOp::Not, UnaryOp::BitNot];

fn binary_code(op: BinaryOp) -> usize {
    BINARY_OPS.iter().position(|known| *known == op).unwrap_or(usize::MAX)
}

fn unary_code(op: UnaryOp) -> usize {
    UNARY_OPS.iter().position(|known| *known == op).unwrap_or(usize::MAX)
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Undefined => serializer.serialize_unit(),
            Value::Error => (tag::ERROR,).serialize(serializer),
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => serializer.serialize_i64(*value),
            Value::Real(value) => serializer.serialize_f64(*value),
            Value::String(text) => serializer.serialize_str(text),
            Value::AbsTime(time) => {
                (tag::ABS_TIME, time.unix_s, time.offset_s).serialize(serializer)
            }
            Value::RelTime(seconds) => (tag::REL_TIME, seconds).serialize(serializer),
            Value::List(items) => sequence(serializer, tag::LIST, items.iter()),
            Value::Ad(ad) => (tag::AD, ad.as_ref()).serialize(serializer),
        }
    }
}

fn sequence<'a, S: Serializer>(
    serializer: S,
    tag: u8,
    items: impl ExactSizeIterator<Item = &'a Expr>,
) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(items.len() + 1))?;
    sequence.serialize_element(&tag)?;
    for item in items {
        sequence.serialize_element(item)?;
    }
    sequence.end()
}

impl Serialize for Expr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Repr::Literal(value) => value.serialize(serializer),
            Repr::Tree(node) => with_room(|| node.serialize(serializer)),
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Attr(name) => (tag::ATTR, name).serialize(serializer),
            Node::Root(name) => (tag::ROOT, name).serialize(serializer),
            Node::Select(base, name) => (tag::SELECT, base, name).serialize(serializer),
            Node::Index(base, index) => (tag::INDEX, base, index).serialize(serializer),
            Node::Unary(op, operand) => {
                (tag::UNARY, unary_code(*op), operand).serialize(serializer)
            }
            Node::Binary(op, left, right) => {
                (tag::BINARY, binary_code(*op), left, right).serialize(serializer)
            }
            Node::Chain(first, rest) => {
                let mut sequence = serializer.serialize_seq(Some(2 + 2 * rest.len()))?;
                sequence.serialize_element(&tag::CHAIN)?;
                sequence.serialize_element(first)?;
                for (op, operand) in rest {
                    sequence.serialize_element(&binary_code(*op))?;
                    sequence.serialize_element(operand)?;
                }
                sequence.end()
            }
            Node::Elvis(left, right) => (tag::ELVIS, left, right).serialize(serializer),
            Node::Ternary(condition, then, otherwise) => {
                (tag::TERNARY, condition, then, otherwise).serialize(serializer)
            }
            Node::Call(name, _, args) => {
                let mut sequence = serializer.serialize_seq(Some(2 + args.len()))?;
                sequence.serialize_element(&tag::CALL)?;
                sequence.serialize_element(name)?;
                for arg in args {
                    sequence.serialize_element(arg)?;
                }
                sequence.end()
            }
            Node::List(items) => sequence(serializer, tag::LIST, items.iter()),
            Node::Ad(ad) => (tag::AD, ad.as_ref()).serialize(serializer),
            Node::Paren(inner) => (tag::PAREN, inner).serialize(serializer),
        }
    }
}

impl Serialize for ClassAd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map =
            serializer.serialize_map(Some(self.len() + usize::from(self.parent().is_some())))?;
        for (name, expr) in self.iter() {
            map.serialize_entry(name, expr)?;
        }
        if let Some(parent) = self.parent() {
            map.serialize_entry("", parent.as_ref())?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Expr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Expr, D::Error> {
        ExprSeed { depth: 0 }.deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for ClassAd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ClassAd, D::Error> {
        AdSeed { depth: 0 }.deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        let expr = Expr::deserialize(deserializer)?;
        match (expr.as_literal(), expr.node()) {
            (Some(value), _) => Ok(value.clone()),
            (None, Some(Node::List(items))) => Ok(Value::List(Arc::clone(items))),
            (None, Some(Node::Ad(ad))) => Ok(Value::Ad(Arc::clone(ad))),
            _ => Err(D::Error::custom("an expression stands where a value is expected")),
        }
    }
}

#[derive(Clone, Copy)]
struct ExprSeed {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ExprSeed {
    type Value = Expr;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Expr, D::Error> {
        if self.depth > MAX_NESTING {
            return Err(D::Error::custom(format!(
                "the expression nests deeper than {MAX_NESTING} levels"
            )));
        }
        with_room(|| deserializer.deserialize_any(self))
    }
}

impl<'de> Visitor<'de> for ExprSeed {
    type Value = Expr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a ClassAd expression")
    }

    fn visit_unit<E>(self) -> Result<Expr, E> {
        Ok(Expr(Repr::Literal(Value::Undefined)))
    }

    fn visit_none<E>(self) -> Result<Expr, E> {
        Ok(Expr(Repr::Literal(Value::Undefined)))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Expr, E> {
        Ok(Expr::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Expr, E> {
        Ok(Expr::from(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Expr, E> {
        i64::try_from(value)
            .map(Expr::from)
            .map_err(|_| E::custom("the integer does not fit 64 bits"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Expr, E> {
        Ok(Expr::from(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Expr, E> {
        Ok(Expr::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Expr, A::Error> {
        Parts { sequence, inner: ExprSeed { depth: self.depth + 1 } }.expr()
    }
}

/// The elements of a sequence that stands for an expression.
struct Parts<A> {
    sequence: A,
    inner: ExprSeed,
}

impl<'de, A: SeqAccess<'de>> Parts<A> {
    fn expr(mut self) -> Result<Expr, A::Error> {
        let tag: u8 = self.plain("what the expression is")?;
        let expr = match tag {
            tag::ERROR => Expr(Repr::Literal(Value::Error)),
            tag::ABS_TIME => {
                let unix_s = self.plain("a time")?;
                let time = AbsTime { unix_s, offset_s: self.plain("an offset")? };
                Expr(Repr::Literal(Value::AbsTime(time)))
            }
            tag::REL_TIME => {
                let seconds: f64 = self.plain("a length of time")?;
                if !seconds.is_finite() {
                    return Err(A::Error::custom(format!("{seconds} s is no length of time")));
                }
                Expr(Repr::Literal(Value::RelTime(seconds)))
            }
            tag::ATTR => Expr::tree(Node::Attr(self.plain("a name")?)),
            tag::ROOT => Expr::tree(Node::Root(self.plain("a name")?)),
            tag::SELECT => Expr::tree(Node::Select(self.part()?, self.plain("a name")?)),
            tag::INDEX => Expr::tree(Node::Index(self.part()?, self.part()?)),
            tag::UNARY => {
                let code: usize = self.plain("an operator")?;
                let op = UNARY_OPS
                    .get(code)
                    .ok_or_else(|| A::Error::custom("unknown prefix operator"))?;
                Expr::tree(Node::Unary(*op, self.part()?))
            }
            tag::BINARY => {
                let op = self.binary_op()?;
                Expr::tree(Node::Binary(op, self.part()?, self.part()?))
            }
            tag::CHAIN => self.chain()?,
            tag::ELVIS => Expr::tree(Node::Elvis(self.part()?, self.part()?)),
            tag::TERNARY => Expr::tree(Node::Ternary(self.part()?, self.part()?, self.part()?)),
            tag::CALL => {
                let name: AttrName = self.plain("the name of a function")?;
                Expr::call(name, self.rest()?)
            }
            tag::LIST => Expr::list(self.rest()?),
            tag::AD => {
                let seed = AdSeed { depth: self.inner.depth };
                let ad = self.sequence.next_element_seed(seed)?;
                Expr::from(ad.ok_or_else(|| A::Error::custom("the nested ad is missing"))?)
            }
            tag::PAREN => Expr::tree(Node::Paren(self.part()?)),
            unknown => {
                return Err(A::Error::custom(format!("no expression has the tag {unknown}")));
            }
        };
        match self.sequence.next_element::<serde::de::IgnoredAny>()? {
            None => Ok(expr),
            Some(_) => Err(A::Error::custom("the expression has a part too many")),
        }
    }

    fn plain<T: Deserialize<'de>>(&mut self, what: &str) -> Result<T, A::Error> {
        let element = self.sequence.next_element()?;
        element.ok_or_else(|| A::Error::custom(format!("the expression ends before {what}")))
    }

    fn part(&mut self) -> Result<Expr, A::Error> {
        let part = self.sequence.next_element_seed(self.inner)?;
        part.ok_or_else(|| A::Error::custom("the expression lacks a part"))
    }

    fn rest(&mut self) -> Result<Vec<Expr>, A::Error> {
        let mut parts =
            Vec::with_capacity(self.sequence.size_hint().unwrap_or(0).min(MAX_RESERVED));
        while let Some(part) = self.sequence.next_element_seed(self.inner)? {
            parts.push(part);
        }
        Ok(parts)
    }

    fn binary_op(&mut self) -> Result<BinaryOp, A::Error> {
        let code: usize = self.plain("an operator")?;
        BINARY_OPS.get(code).copied().ok_or_else(|| A::Error::custom("unknown operator"))
    }

    fn chain(&mut self) -> Result<Expr, A::Error> {
        let first = self.part()?;
        let mut rest: Vec<(BinaryOp, Expr)> = Vec::new();
        while let Some(code) = self.sequence.next_element::<usize>()? {
            let op = *BINARY_OPS.get(code).ok_or_else(|| A::Error::custom("unknown operator"))?;
            if rest.first().is_some_and(|(before, _)| before.precedence() != op.precedence()) {
                return Err(A::Error::custom("a chain mixes operators of different precedence"));
            }
            rest.push((op, self.part()?));
        }
        if rest.len() < 2 {
            return Err(A::Error::custom("a chain has at least three operands"));
        }
        Ok(Expr::tree(Node::Chain(first, rest.into())))
    }
}

struct AdSeed {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for AdSeed {
    type Value = ClassAd;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ClassAd, D::Error> {
        if self.depth > MAX_NESTING {
            return Err(D::Error::custom(format!("the ad nests deeper than {MAX_NESTING} levels")));
        }
        with_room(|| deserializer.deserialize_map(self))
    }
}

impl<'de> Visitor<'de> for AdSeed {
    type Value = ClassAd;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a ClassAd: a map from names to expressions")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ClassAd, A::Error> {
        let mut attributes: Vec<(AttrName, Expr)> =
            Vec::with_capacity(map.size_hint().unwrap_or(0).min(MAX_RESERVED));
        let mut parent = None;
        while let Some(name) = map.next_key::<AttrName>()? {
            if name.as_str().is_empty() {
                parent = Some(map.next_value_seed(AdSeed { depth: self.depth + 1 })?);
            } else {
                attributes.push((name, map.next_value_seed(ExprSeed { depth: self.depth + 1 })?));
            }
        }
        let mut ad: ClassAd = attributes.into_iter().collect();
        if let Some(parent) = parent {
            ad.set_parent(Arc::new(parent));
        }
        Ok(ad)
    }
}
