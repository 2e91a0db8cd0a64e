//! Ads as JSON, as the reference prints it.
//!
//! Literals are JSON's own; every other expression is a string `"\/Expr(...)\/"`. The attributes of
//! an ad stand on a line each, or, for JSON lines, everything on one.

use crate::expr::Node;
use crate::print::{self, Style};
use crate::stack::with_room;
use crate::{AttrName, ClassAd, Expr, Value};

/// `{ ... }` over several lines, without a newline at the end.
pub(crate) fn ad_json<'a>(attributes: impl Iterator<Item = (&'a AttrName, &'a Expr)>) -> String {
    let mut printer = Json { out: String::new(), indent: Some(0) };
    printer.object(attributes);
    printer.out
}

/// `{...}` on one line, without a newline at the end.
pub(crate) fn ad_json_line<'a>(
    attributes: impl Iterator<Item = (&'a AttrName, &'a Expr)>,
) -> String {
    let mut printer = Json { out: String::new(), indent: None };
    printer.object(attributes);
    printer.out
}

struct Json {
    out: String,
    /// How far a line is indented; `None` keeps everything on one line.
    indent: Option<usize>,
}

impl Json {
    fn object<'a>(&mut self, attributes: impl Iterator<Item = (&'a AttrName, &'a Expr)>) {
        self.out.push('{');
        self.deeper();
        for (index, (name, expr)) in attributes.enumerate() {
            self.out.push_str(if index > 0 { "," } else { "" });
            self.new_line();
            self.string(name.as_str());
            self.out.push_str(": ");
            self.expr(expr);
        }
        self.shallower();
        self.new_line();
        self.out.push('}');
    }

    fn array(&mut self, items: &[Expr]) {
        self.out.push('[');
        self.deeper();
        for (index, item) in items.iter().enumerate() {
            self.out.push_str(if index > 0 { "," } else { "" });
            self.new_line();
            self.expr(item);
        }
        self.shallower();
        self.new_line();
        self.out.push(']');
    }

    fn deeper(&mut self) {
        if let Some(indent) = &mut self.indent {
            *indent += 2;
        }
    }

    fn shallower(&mut self) {
        if let Some(indent) = &mut self.indent {
            *indent -= 2;
        }
    }

    fn new_line(&mut self) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', indent));
        }
    }

    fn expr(&mut self, expr: &Expr) {
        with_room(|| self.expr_with_room(expr));
    }

    fn expr_with_room(&mut self, expr: &Expr) {
        match (expr.as_literal(), expr.node()) {
            (Some(literal), _) => self.literal(literal, expr),
            (None, Some(Node::List(items))) => self.array(items),
            (None, Some(Node::Ad(ad))) => self.object(ad.iter()),
            (None, _) => self.quoted_expr(expr),
        }
    }

    fn literal(&mut self, literal: &Value, expr: &Expr) {
        match literal {
            Value::Undefined => self.out.push_str("null"),
            Value::Boolean(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Integer(value) => self.out.push_str(&value.to_string()),
            // A length of time is a real number of seconds: so HTCondor 25.14 prints it.
            Value::Real(value) | Value::RelTime(value) if value.is_finite() => {
                print::value(&mut self.out, &Value::Real(*value), Style::Old);
            }
            Value::String(text) => self.string(text),
            Value::List(items) => self.array(items),
            Value::Ad(ad) => self.object(ad.iter()),
            Value::Error | Value::Real(_) | Value::AbsTime(_) | Value::RelTime(_) => {
                self.quoted_expr(expr);
            }
        }
    }

    fn quoted_expr(&mut self, expr: &Expr) {
        let mut text = String::new();
        print::expr(&mut text, expr, Style::New);
        self.out.push_str("\"\\/Expr(");
        self.escaped(&text);
        self.out.push_str(")\\/\"");
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        self.escaped(text);
        self.out.push('"');
    }

    fn escaped(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\x08' => self.out.push_str("\\b"),
                '\x0c' => self.out.push_str("\\f"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                control if control < ' ' => {
                    self.out.push_str(&format!("\\u{:04X}", u32::from(control)));
                }
                plain => self.out.push(plain),
            }
        }
    }
}

/// The text of one value in an expression string, if the JSON string holds an expression.
pub(crate) fn expression_text(text: &str) -> Option<&str> {
    text.strip_prefix("/Expr(")?.strip_suffix(")/")
}

/// Every ad of an array over several lines, as the tools print a list of ads.
pub(crate) fn document<'a>(
    ads: impl Iterator<Item = &'a ClassAd>,
    print: fn(&ClassAd) -> String,
) -> String {
    let mut text = "[\n".to_owned();
    for (index, ad) in ads.enumerate() {
        text.push_str(if index > 0 { ",\n" } else { "" });
        text.push_str(&print(ad));
        text.push('\n');
    }
    text.push_str("]\n");
    text
}
