//! The two syntaxes of ads and expressions, as the reference prints them.
//!
//! Old: `Attr = expr` lines, `=?=`, short reals, only `"` escaped. New: `[ a = 1; b = 2 ]`, `is`,
//! reals with fifteen decimals and an exponent, C escapes. The nesting of what is printed is
//! bounded by how it was read.

use crate::expr::{BinaryOp, Node, UnaryOp};
use crate::print::{c_exponent, c_general};
use crate::stack::with_room;
use crate::time_text;
use crate::{AttrName, ClassAd, Expr, Value};

/// How much further the elements of a list are indented; so much again is the list itself.
const LIST_INDENT: usize = 3;

/// The same for ads.
const AD_INDENT: usize = 4;

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
    let mut printer = Printer { out, style: Style::Old, indent: None };
    for (name, value) in attributes {
        identifier(printer.out, name.as_str());
        printer.out.push_str(" = ");
        printer.expr(value);
        printer.out.push('\n');
    }
}

/// `[ a = 1; b = 2 ]`.
pub(crate) fn ad_new(out: &mut String, ad: &ClassAd, style: Style) {
    Printer { out, style, indent: None }.ad(ad);
}

pub(crate) fn expr(out: &mut String, expr: &Expr, style: Style) {
    Printer { out, style, indent: None }.expr(expr);
}

/// In the new syntax, with every list and ad spread over several lines, as `unparse()` gives it.
pub(crate) fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    Printer { out: &mut out, style: Style::New, indent: Some(0) }.expr(expr);
    out
}

/// A value that came out of an evaluation.
pub(crate) fn value(out: &mut String, source: &Value, style: Style) {
    match source {
        // Only a length of time that stands in a text is printed with its fraction.
        Value::RelTime(seconds) => rel_time(out, seconds.trunc()),
        Value::List(items) => Printer { out, style, indent: None }.list(items),
        Value::Ad(ad) => ad_new(out, ad, style),
        Value::Undefined
        | Value::Error
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Real(_)
        | Value::String(_)
        | Value::AbsTime(_) => Printer { out, style, indent: None }.literal(source),
    }
}

struct Printer<'o> {
    out: &'o mut String,
    style: Style,
    /// How far a line is indented, if lists and ads are spread over lines.
    indent: Option<usize>,
}

impl Printer<'_> {
    fn expr(&mut self, source: &Expr) {
        with_room(|| self.expr_with_room(source));
    }

    fn expr_with_room(&mut self, source: &Expr) {
        if let Some(literal) = source.as_literal() {
            return self.literal(literal);
        }
        let Some(node) = source.node() else { return };
        match node {
            Node::Attr(name) => identifier(self.out, name.as_str()),
            Node::Root(name) => {
                self.out.push('.');
                identifier(self.out, name.as_str());
            }
            Node::Select(base, name) => {
                self.expr(base);
                // `5.x` would be read as a number.
                self.out.push_str(if matches!(base.as_literal(), Some(Value::Integer(_))) {
                    " ."
                } else {
                    "."
                });
                identifier(self.out, name.as_str());
            }
            Node::Index(base, index) => {
                self.expr(base);
                self.out.push('[');
                self.expr(index);
                self.out.push(']');
            }
            Node::Unary(op, operand) => self.unary(*op, operand),
            Node::Binary(op, left, right) => {
                self.expr(left);
                self.out.push_str(binary(*op, self.style));
                self.expr(right);
            }
            Node::Chain(first, rest) => {
                self.expr(first);
                for (op, operand) in rest {
                    self.out.push_str(binary(*op, self.style));
                    self.expr(operand);
                }
            }
            Node::Elvis(left, right) => {
                self.expr(left);
                self.out.push_str(" ?: ");
                self.expr(right);
            }
            Node::Ternary(condition, then, otherwise) => {
                self.expr(condition);
                self.out.push_str(" ? ");
                self.expr(then);
                self.out.push_str(" : ");
                self.expr(otherwise);
            }
            Node::Call(name, _, args) => {
                identifier(self.out, name.as_str());
                self.out.push('(');
                for (index, arg) in args.iter().enumerate() {
                    self.out.push_str(if index > 0 { "," } else { "" });
                    self.expr(arg);
                }
                self.out.push(')');
            }
            Node::List(items) => self.list(items),
            Node::Ad(ad) => self.ad(ad),
            Node::Paren(inner) => {
                self.out.push('(');
                self.expr(inner);
                self.out.push(')');
            }
        }
    }

    fn unary(&mut self, op: UnaryOp, operand: &Expr) {
        self.out.push_str(unary(op));
        // `-5` would be read as one number, and so would the beginning of `-5 .x`.
        let number = match leftmost(operand).as_literal() {
            Some(Value::Integer(value)) => *value >= 0,
            Some(Value::Real(value)) => value.is_finite() && value.is_sign_positive(),
            _ => false,
        };
        self.out.push_str(if op == UnaryOp::Minus && number { " " } else { "" });
        self.expr(operand);
    }

    fn new_line(&mut self, deeper: usize) {
        if let Some(indent) = &mut self.indent {
            *indent += deeper;
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', *indent));
        }
    }

    fn outdent(&mut self, by: usize) {
        if let Some(indent) = &mut self.indent {
            *indent -= by;
        }
    }

    fn list(&mut self, items: &[Expr]) {
        self.new_line(LIST_INDENT);
        self.out.push_str(if self.indent.is_some() { "{" } else { "{ " });
        if let Some(indent) = &mut self.indent {
            *indent += LIST_INDENT;
        }
        for (index, item) in items.iter().enumerate() {
            self.out.push_str(if index > 0 { "," } else { "" });
            self.new_line(0);
            self.expr(item);
        }
        self.outdent(LIST_INDENT);
        self.new_line(0);
        self.out.push_str(if self.indent.is_some() { "}" } else { " }" });
        self.outdent(LIST_INDENT);
    }

    fn ad(&mut self, ad: &ClassAd) {
        self.new_line(AD_INDENT);
        self.out.push_str(if self.indent.is_some() { "[" } else { "[ " });
        if let Some(indent) = &mut self.indent {
            *indent += AD_INDENT;
        }
        for (index, (name, value)) in ad.iter().enumerate() {
            self.out.push_str(if index > 0 { "; " } else { "" });
            self.new_line(0);
            identifier(self.out, name.as_str());
            self.out.push_str(" = ");
            self.expr(value);
        }
        self.outdent(AD_INDENT);
        self.new_line(0);
        self.out.push_str(if self.indent.is_some() { "]" } else { " ]" });
        self.outdent(AD_INDENT);
    }

    fn literal(&mut self, source: &Value) {
        match source {
            Value::Undefined => self.out.push_str("undefined"),
            Value::Error => self.out.push_str("error"),
            Value::Boolean(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Integer(value) => self.out.push_str(&value.to_string()),
            Value::Real(value) => real(self.out, *value, self.style),
            Value::String(text) => {
                self.out.push('"');
                escaped(self.out, text, '"', self.style);
                self.out.push('"');
            }
            Value::AbsTime(time) => {
                self.out.push_str("absTime(\"");
                self.out.push_str(&time_text::abs_time(*time));
                self.out.push_str("\")");
            }
            Value::RelTime(seconds) => rel_time(self.out, *seconds),
            Value::List(items) => self.list(items),
            Value::Ad(ad) => self.ad(ad),
        }
    }
}

fn rel_time(out: &mut String, seconds: f64) {
    out.push_str("relTime(\"");
    out.push_str(&time_text::rel_time(seconds));
    out.push_str("\")");
}

/// What is printed first of an operand of a prefix operator.
fn leftmost(operand: &Expr) -> &Expr {
    let mut first = operand;
    while let Some(Node::Select(base, _) | Node::Index(base, _) | Node::Elvis(base, _)) =
        first.node()
    {
        first = base;
    }
    first
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
    c_escaped(out, text, Some(quote));
}

/// The text with C's escapes: of control characters, of the backslash, of the quote it will stand
/// in, and of every byte that is not ASCII.
pub(crate) fn c_escaped(out: &mut String, text: &str, quote: Option<char>) {
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
            byte if Some(char::from(byte)) == quote => char::from(byte),
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
