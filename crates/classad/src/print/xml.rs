//! Ads as XML, as the reference prints it: one element per type (`<i>`, `<s>`, `<e>` for
//! expressions, ...).

use crate::expr::Node;
use crate::print::{self, Style, c_exponent};
use crate::stack::with_room;
use crate::{AttrName, Expr, Value, time_text};

/// What stands before the ads of a document.
pub(crate) const HEADER: &str =
    "<?xml version=\"1.0\"?>\n<!DOCTYPE classads SYSTEM \"classads.dtd\">\n<classads>\n";

/// What stands after them.
pub(crate) const FOOTER: &str = "</classads>\n";

/// `<c>`, one attribute a line, `</c>` and a newline.
pub(crate) fn ad_xml<'a>(attributes: impl Iterator<Item = (&'a AttrName, &'a Expr)>) -> String {
    let mut out = String::new();
    ad(&mut out, attributes, 0);
    out.push('\n');
    out
}

fn ad<'a>(
    out: &mut String,
    attributes: impl Iterator<Item = (&'a AttrName, &'a Expr)>,
    indent: usize,
) {
    out.push_str("<c>\n");
    for (name, value) in attributes {
        out.extend(std::iter::repeat_n(' ', indent + 4));
        out.push_str("<a n=\"");
        let mut inside = String::new();
        print::c_escaped(&mut inside, name.as_str(), Some('"'));
        escaped(out, &inside);
        out.push_str("\">");
        expr(out, value, indent + 4);
        out.push_str("</a>\n");
    }
    out.extend(std::iter::repeat_n(' ', indent));
    out.push_str("</c>");
}

fn list(out: &mut String, items: &[Expr], indent: usize) {
    out.push_str("<l>");
    for item in items {
        expr(out, item, indent);
    }
    out.push_str("</l>");
}

fn expr(out: &mut String, source: &Expr, indent: usize) {
    with_room(|| expr_with_room(out, source, indent));
}

fn expr_with_room(out: &mut String, source: &Expr, indent: usize) {
    match (source.as_literal(), source.node()) {
        (Some(value), _) => literal(out, value, indent),
        (None, Some(Node::List(items))) => list(out, items, indent),
        (None, Some(Node::Ad(inner))) => ad(out, inner.iter(), indent),
        (None, _) => {
            let mut text = String::new();
            print::expr(&mut text, source, Style::New);
            element(out, "e", &text);
        }
    }
}

fn literal(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Undefined => out.push_str("<un/>"),
        Value::Error => out.push_str("<er/>"),
        Value::Boolean(value) => out.push_str(if *value { "<b v=\"t\"/>" } else { "<b v=\"f\"/>" }),
        Value::Integer(value) => element(out, "i", &value.to_string()),
        Value::Real(value) if !value.is_finite() => {
            let mut text = String::new();
            print::value(&mut text, &Value::Real(*value), Style::New);
            element(out, "e", &text);
        }
        // A length of time is a real number of seconds: so HTCondor 25.14 prints it.
        Value::Real(value) | Value::RelTime(value) if *value == 0.0 => element(out, "r", "0.0"),
        Value::Real(value) | Value::RelTime(value) => element(out, "r", &c_exponent(*value, 15)),
        Value::String(text) => {
            let mut inside = String::new();
            print::c_escaped(&mut inside, text, None);
            element(out, "s", &inside);
        }
        Value::AbsTime(time) => element(out, "at", &time_text::abs_time(*time)),
        Value::List(items) => list(out, items, indent),
        Value::Ad(inner) => ad(out, inner.iter(), indent),
    }
}

fn element(out: &mut String, tag: &str, text: &str) {
    out.push_str(&format!("<{tag}>"));
    escaped(out, text);
    out.push_str(&format!("</{tag}>"));
}

fn escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            plain => out.push(plain),
        }
    }
}
