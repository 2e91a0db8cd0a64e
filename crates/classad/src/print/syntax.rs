//! The two syntaxes of ads and expressions, as the reference prints them.
//!
//! Old: `Attr = expr` lines, `=?=`, short reals, only `"` escaped. New: `[ a = 1; b = 2 ]`, `is`, reals with fifteen
//! decimals and an exponent, C escapes. The nesting of what is printed is bounded by how it was read.

use crate::expr::{BinaryOp, Node, UnaryOp};
use crate::print::{c_exponent, c_general};
use crate::time_text;
use crate::{AttrName, ClassAd, Expr, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Old,
    New,
}

/// `Attr = expr` lines, the ad's own attributes.
pub(crate) fn ad_old<'a>(
    out: &mut String,
    attributes: impl Iterator<Item = (&'a AttrName, &'a Expr)>,
) {
    for (name, value) in attributes {
        identifier(out, name.as_str());
        out.push_str(" = ");
        expr(out, value, Style::Old);
        out.push('\n');
    }
}

/// `[ a = 1; b = 2 ]`.
pub(crate) fn ad_new(out: &mut String, ad: &ClassAd, style: Style) {
    out.push_str("[ ");
    for (index, (name, value)) in ad.iter().enumerate() {
        if index > 0 {
            out.push_str("; ");
        }
        identifier(out, name.as_str());
        out.push_str(" = ");
        expr(out, value, style);
    }
    out.push_str(" ]");
}

pub(crate) fn expr(out: &mut String, source: &Expr, style: Style) {
    let node = match (source.as_literal(), source.node()) {
        (Some(literal), _) => return value(out, literal, style),
        (None, Some(node)) => node,
        (None, None) => return,
    };
    match node {
        Node::Attr(name) => identifier(out, name.as_str()),
        Node::Root(name) => {
            out.push('.');
            identifier(out, name.as_str());
        }
        Node::Select(base, name) => {
            expr(out, base, style);
            out.push('.');
            identifier(out, name.as_str());
        }
        Node::Index(base, index) => {
            expr(out, base, style);
            out.push('[');
            expr(out, index, style);
            out.push(']');
        }
        Node::Unary(op, operand) => {
            out.push_str(unary(*op));
            expr(out, operand, style);
        }
        Node::Binary(op, left, right) => {
            expr(out, left, style);
            out.push_str(binary(*op, style));
            expr(out, right, style);
        }
        Node::Chain(first, rest) => {
            expr(out, first, style);
            for (op, operand) in rest {
                out.push_str(binary(*op, style));
                expr(out, operand, style);
            }
        }
        Node::Elvis(left, right) => {
            expr(out, left, style);
            out.push_str(" ?: ");
            expr(out, right, style);
        }
        Node::Ternary(condition, then, otherwise) => {
            expr(out, condition, style);
            out.push_str(" ? ");
            expr(out, then, style);
            out.push_str(" : ");
            expr(out, otherwise, style);
        }
        Node::Call(name, _, args) => {
            out.push_str(name.as_str());
            out.push('(');
            separated(out, args, style);
            out.push(')');
        }
        Node::List(items) => list(out, items, style),
        Node::Ad(ad) => ad_new(out, ad, style),
        Node::Paren(inner) => {
            out.push('(');
            expr(out, inner, style);
            out.push(')');
        }
    }
}

fn list(out: &mut String, items: &[Expr], style: Style) {
    out.push_str("{ ");
    separated(out, items, style);
    out.push_str(" }");
}

fn separated(out: &mut String, items: &[Expr], style: Style) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        expr(out, item, style);
    }
}

fn unary(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Plus => " +",
        UnaryOp::Minus => " -",
        UnaryOp::Not => " !",
        UnaryOp::BitNot => " ~",
    }
}

fn binary(op: BinaryOp, style: Style) -> &'static str {
    match op {
        BinaryOp::Or => " || ",
        BinaryOp::And => " && ",
        BinaryOp::BitOr => " | ",
        BinaryOp::BitXor => " ^ ",
        BinaryOp::BitAnd => " & ",
        BinaryOp::Equal => " == ",
        BinaryOp::NotEqual => " != ",
        BinaryOp::Is if style == Style::Old => " =?= ",
        BinaryOp::Is => " is ",
        BinaryOp::Isnt if style == Style::Old => " =!= ",
        BinaryOp::Isnt => " isnt ",
        BinaryOp::Less => " < ",
        BinaryOp::LessOrEqual => " <= ",
        BinaryOp::Greater => " > ",
        BinaryOp::GreaterOrEqual => " >= ",
        BinaryOp::ShiftLeft => " << ",
        BinaryOp::ShiftRight => " >> ",
        BinaryOp::ShiftRightUnsigned => " >>> ",
        BinaryOp::Add => " + ",
        BinaryOp::Subtract => " - ",
        BinaryOp::Multiply => " * ",
        BinaryOp::Divide => " / ",
        BinaryOp::Modulus => " % ",
    }
}

pub(crate) fn value(out: &mut String, source: &Value, style: Style) {
    match source {
        Value::Undefined => out.push_str("undefined"),
        Value::Error => out.push_str("error"),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Integer(value) => out.push_str(&value.to_string()),
        Value::Real(value) => real(out, *value, style),
        Value::String(text) => {
            out.push('"');
            escaped(out, text, '"', style);
            out.push('"');
        }
        Value::AbsTime(time) => {
            out.push_str("absTime(\"");
            out.push_str(&time_text::abs_time(*time));
            out.push_str("\")");
        }
        Value::RelTime(seconds) => {
            out.push_str("relTime(\"");
            out.push_str(&time_text::rel_time(*seconds));
            out.push_str("\")");
        }
        Value::List(items) => list(out, items, style),
        Value::Ad(ad) => ad_new(out, ad, style),
    }
}

fn real(out: &mut String, value: f64, style: Style) {
    if value == 0.0 {
        out.push_str(if value.is_sign_negative() { "-0.0" } else { "0.0" });
    } else if value.is_nan() {
        out.push_str("real(\"NaN\")");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "real(\"INF\")" } else { "real(\"-INF\")" });
    } else if style == Style::New {
        out.push_str(&c_exponent(value, 15));
    } else {
        let text = c_general(value, 16);
        out.push_str(&text);
        if !text.contains(['.', 'E']) {
            out.push_str(".0");
        }
    }
}

/// The inside of a string or of a quoted name.
fn escaped(out: &mut String, text: &str, quote: char, style: Style) {
    if style == Style::Old {
        for character in text.chars() {
            if character == quote {
                out.push('\\');
            }
            out.push(character);
        }
        return;
    }
    for byte in text.bytes() {
        let letter = match byte {
            0x07 => 'a',
            0x08 => 'b',
            0x0c => 'f',
            b'\n' => 'n',
            b'\r' => 'r',
            b'\t' => 't',
            0x0b => 'v',
            b'\\' => '\\',
            byte if char::from(byte) == quote => quote,
            b' '..=b'~' => {
                out.push(char::from(byte));
                continue;
            }
            other => {
                out.push_str(&format!("\\{other:03o}"));
                continue;
            }
        };
        out.push('\\');
        out.push(letter);
    }
}

/// A name, in quotes if it would not be read as a name without them.
fn identifier(out: &mut String, name: &str) {
    let mut bytes = name.bytes();
    let plain = bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && !is_reserved(name) {
        out.push_str(name);
        return;
    }
    out.push('\'');
    escaped(out, name, '\'', Style::New);
    out.push('\'');
}

fn is_reserved(name: &str) -> bool {
    matches!(name.len(), 2 | 4 | 5 | 6 | 9)
        && ["is", "isnt", "true", "false", "error", "parent", "undefined"]
            .iter()
            .any(|word| name.eq_ignore_ascii_case(word))
}
