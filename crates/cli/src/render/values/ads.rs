//! Whole ads: `-long`, `-json`, `-jsonl`, `-xml`. One writer for every command, so that JSON is
//! always JSON.

use classad::{AttrName, ClassAd, Expr, Value};

/// The forms in which whole ads are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `Name = expression`, one a line, an empty line behind each ad.
    Long,
    /// One array of objects.
    Json,
    /// One object a line.
    JsonLines,
    /// HTCondor's XML.
    Xml,
    /// The same with an empty line behind each ad.
    XmlApart,
    /// The same, and empty lines behind what stands around them.
    XmlWide,
    /// `[ a = 1; b = 2 ]`, one ad a line.
    New,
}

/// Ads in a form; only the attributes in `projection`, unless it is empty.
///
/// HTCondor's tools print nothing at all when there are no ads and JSON is wanted; `empty_array`
/// makes it `[]`.
pub fn render(ads: &[ClassAd], form: Form, projection: &[AttrName], empty_array: bool) -> String {
    let mut out = String::new();
    match form {
        Form::Json if ads.is_empty() && !empty_array => return out,
        Form::Json => out += "[\n",
        Form::Xml | Form::XmlApart | Form::XmlWide => {
            out += "<?xml version=\"1.0\"?>\n<!DOCTYPE classads SYSTEM \"classads.dtd\">\n<classads>\n";
        }
        Form::Long | Form::JsonLines | Form::New => {}
    }
    if form == Form::XmlWide {
        out.push('\n');
    }
    for (i, ad) in ads.iter().enumerate() {
        let shown = attributes(ad, projection);
        match form {
            Form::Long => long(&shown, &mut out),
            Form::Json => {
                if i > 0 {
                    out += ",\n";
                }
                object(&shown, 0, &mut out);
                out.push('\n');
            }
            Form::JsonLines => {
                json_line(&shown, &mut out);
                out.push('\n');
            }
            Form::Xml => xml_ad(&shown, 0, &mut out),
            Form::XmlApart | Form::XmlWide => {
                xml_ad(&shown, 0, &mut out);
                out.push('\n');
            }
            Form::New => {
                out +=
                    &shown.iter().map(|(name, expr)| (*name, *expr)).collect::<ClassAd>().to_new();
                out.push('\n');
            }
        }
    }
    match form {
        Form::Json => out += "]\n",
        Form::Xml | Form::XmlApart => out += "</classads>\n",
        Form::XmlWide => out += "</classads>\n\n",
        Form::Long | Form::JsonLines | Form::New => {}
    }
    out
}

/// One ad, without what stands around several.
pub fn one(ad: &ClassAd, form: Form) -> String {
    let all = render(std::slice::from_ref(ad), form, &[], true);
    match form {
        Form::Json => {
            let inner = all.strip_prefix("[\n").and_then(|rest| rest.strip_suffix("]\n"));
            inner.unwrap_or(&all).to_owned()
        }
        Form::Xml | Form::XmlApart | Form::XmlWide => {
            let inner = all.split_once("<classads>\n").map_or(all.as_str(), |(_, rest)| rest);
            inner.strip_suffix("</classads>\n").unwrap_or(inner).to_owned()
        }
        Form::Long | Form::JsonLines | Form::New => all,
    }
}

type Attributes<'a> = Vec<(&'a AttrName, &'a Expr)>;

/// The attributes to show, by name without regard to case, as HTCondor sorts them.
fn attributes<'a>(ad: &'a ClassAd, projection: &[AttrName]) -> Attributes<'a> {
    let wanted = |name: &AttrName| projection.is_empty() || projection.contains(name);
    let mut all: Attributes<'a> = ad.iter_all().filter(|(name, _)| wanted(name)).collect();
    all.sort_by_cached_key(|(name, _)| name.as_str().to_ascii_lowercase());
    all
}

fn long(attributes: &Attributes<'_>, out: &mut String) {
    for (name, expr) in attributes {
        *out += &format!("{name} = {expr}\n");
    }
    out.push('\n');
}

/// An object on several lines, as HTCondor writes it.
fn object(attributes: &Attributes<'_>, depth: usize, out: &mut String) {
    out.push('{');
    for (i, (name, expr)) in attributes.iter().enumerate() {
        *out += if i == 0 { "\n" } else { ",\n" };
        indent(depth + 1, out);
        *out += &quoted(name.as_str());
        *out += ": ";
        json_value(expr, depth + 1, out);
    }
    out.push('\n');
    indent(depth, out);
    out.push('}');
}

fn indent(depth: usize, out: &mut String) {
    for _ in 0..depth {
        *out += "  ";
    }
}

fn json_value(expr: &Expr, depth: usize, out: &mut String) {
    if let Some(items) = expr.as_list() {
        out.push('[');
        for (i, item) in items.iter().enumerate() {
            *out += if i == 0 { "\n" } else { ",\n" };
            indent(depth + 1, out);
            json_value(item, depth + 1, out);
        }
        out.push('\n');
        indent(depth, out);
        out.push(']');
    } else if let Some(ad) = expr.as_ad() {
        object(&attributes(ad, &[]), depth, out);
    } else {
        *out += &json_scalar(expr);
    }
}

/// An object on one line.
fn json_line(attributes: &Attributes<'_>, out: &mut String) {
    out.push('{');
    for (i, (name, expr)) in attributes.iter().enumerate() {
        if i > 0 {
            *out += ", ";
        }
        *out += &quoted(name.as_str());
        *out += ": ";
        json_line_value(expr, out);
    }
    out.push('}');
}

fn json_line_value(expr: &Expr, out: &mut String) {
    if let Some(items) = expr.as_list() {
        out.push('[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                *out += ", ";
            }
            json_line_value(item, out);
        }
        out.push(']');
    } else if let Some(ad) = expr.as_ad() {
        json_line(&attributes(ad, &[]), out);
    } else {
        *out += &json_scalar(expr);
    }
}

fn json_scalar(expr: &Expr) -> String {
    match expr.as_literal() {
        Some(Value::Undefined) => "null".to_owned(),
        Some(Value::Boolean(b)) => b.to_string(),
        Some(Value::Integer(n)) => n.to_string(),
        Some(Value::Real(x)) if x.is_finite() => expr.to_string(),
        Some(Value::String(text)) => quoted(text),
        Some(
            Value::Error
            | Value::Real(_)
            | Value::AbsTime(_)
            | Value::RelTime(_)
            | Value::List(_)
            | Value::Ad(_),
        )
        | None => json_expression(expr),
    }
}

/// What JSON has no word for: a string that HTCondor's readers take for an expression.
fn json_expression(expr: &Expr) -> String {
    let inner = quoted(&expr.to_new());
    format!("\"\\/Expr({})\\/\"", &inner[1..inner.len() - 1])
}

fn quoted(text: &str) -> String {
    // A string without surrogates cannot fail to become JSON.
    serde_json::to_string(text).unwrap_or_default()
}

fn xml_ad(attributes: &Attributes<'_>, depth: usize, out: &mut String) {
    *out += "<c>\n";
    for (name, expr) in attributes {
        xml_indent(depth + 1, out);
        *out += &format!("<a n=\"{}\">", xml_text(name.as_str()).replace('"', "&quot;"));
        xml_value(expr, depth + 1, out);
        *out += "</a>\n";
    }
    xml_indent(depth, out);
    *out += "</c>";
    if depth == 0 {
        out.push('\n');
    }
}

fn xml_indent(depth: usize, out: &mut String) {
    for _ in 0..depth {
        *out += "    ";
    }
}

fn xml_value(expr: &Expr, depth: usize, out: &mut String) {
    if let Some(items) = expr.as_list() {
        *out += "<l>";
        items.iter().for_each(|item| xml_value(item, depth, out));
        *out += "</l>";
        return;
    }
    if let Some(ad) = expr.as_ad() {
        return xml_ad(&attributes(ad, &[]), depth, out);
    }
    match expr.as_literal() {
        Some(Value::Undefined) => *out += "<un/>",
        Some(Value::Error) => *out += "<er/>",
        Some(Value::Boolean(b)) => *out += if *b { "<b v=\"t\"/>" } else { "<b v=\"f\"/>" },
        Some(Value::Integer(n)) => *out += &format!("<i>{n}</i>"),
        Some(Value::Real(x)) if !x.is_finite() => {
            *out += &format!("<e>{}</e>", xml_text(&expr.to_new()));
        }
        Some(Value::Real(_)) => *out += &format!("<r>{}</r>", xml_real(expr)),
        Some(Value::String(text)) => *out += &format!("<s>{}</s>", xml_text(text)),
        Some(Value::AbsTime(_) | Value::RelTime(_) | Value::List(_) | Value::Ad(_)) | None => {
            *out += &format!("<e>{}</e>", xml_text(&expr.to_new()));
        }
    }
}

/// Whole reals are short in XML (`0.0`), others have fifteen decimals.
fn xml_real(expr: &Expr) -> String {
    let short = expr.to_string();
    // HTCondor 25.14 knows one zero.
    if short == "-0.0" {
        return "0.0".to_owned();
    }
    if short == "0.0" { short } else { expr.to_new() }
}

/// Text without what XML takes for its own; characters that XML 1.0 forbids become blanks.
fn xml_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            // HTCondor 25.14 doubles it.
            '\\' => out += "\\\\",
            '\n' | '\r' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(ad: &str, form: Form, expected: &str) {
        let ad = ClassAd::parse_new(ad).unwrap();
        assert_eq!(render(&[ad], form, &[], false), expected);
    }

    #[test]
    fn every_type_has_its_json() {
        check(
            "[ a = 1; b = 2.5; c = \"x\\\"/y\\n\"; d = {1,\"z\"}; e = [x = 1]; f = a + 1; g = undefined; h = error ]",
            Form::Json,
            "[\n{\n  \"a\": 1,\n  \"b\": 2.5,\n  \"c\": \"x\\\"/y\\n\",\n  \"d\": [\n    1,\n    \"z\"\n  ],\n  \"e\": {\n    \"x\": 1\n  },\n  \
             \"f\": \"\\/Expr(a + 1)\\/\",\n  \"g\": null,\n  \"h\": \"\\/Expr(error)\\/\"\n}\n]\n",
        );
        check(
            "[ a = {1,2}; b = [c = \"x\"] ]",
            Form::JsonLines,
            "{\"a\": [1, 2], \"b\": {\"c\": \"x\"}}\n",
        );
    }

    #[test]
    fn no_ads_are_nothing_for_htcondor_and_an_empty_array_for_us() {
        assert_eq!(render(&[], Form::Json, &[], false), "");
        assert_eq!(render(&[], Form::Json, &[], true), "[\n]\n");
    }

    proptest! {
        #[test]
        fn json_is_valid_whatever_the_strings(name in "\\PC{1,8}", text in any::<String>(), x in any::<f64>()) {
            let mut ad = ClassAd::new();
            ad.set(name.as_str(), text.as_str());
            ad.set("Number", x);
            ad.set("List", Expr::list([Expr::from(Value::from(text.as_str())), Expr::attr("b")]));
            let text_back = |json: &serde_json::Value| json[name.as_str()].as_str().map(str::to_owned);
            let whole: serde_json::Value = serde_json::from_str(&render(std::slice::from_ref(&ad), Form::Json, &[], true)).unwrap();
            let line: serde_json::Value = serde_json::from_str(&render(&[ad], Form::JsonLines, &[], true)).unwrap();
            prop_assert_eq!(&whole[0], &line);
            if !name.eq_ignore_ascii_case("number") && !name.eq_ignore_ascii_case("list") {
                prop_assert_eq!(text_back(&line), Some(text));
            }
        }
    }
}
