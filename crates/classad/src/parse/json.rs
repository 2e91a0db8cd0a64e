//! Ads from JSON: what `print::json` prints, and plain JSON objects.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use crate::limits::{MAX_NESTING, MAX_TEXT_BYTES};
use crate::parse::{ParseError, Syntax, parse_expression};
use crate::print::expression_text;
use crate::stack::with_room;
use crate::{AttrName, ClassAd, Expr, Value};

/// Reads one object.
pub(crate) fn parse_json(text: &str) -> Result<ClassAd, ParseError> {
    read(text, AdVisitor)
}

/// Reads an array of objects, or objects one after the other (one a line, for example).
pub(crate) fn parse_json_ads(text: &str) -> Result<Vec<ClassAd>, ParseError> {
    if text.trim_start().starts_with('[') {
        return read(text, AdsVisitor);
    }
    let mut ads = Vec::new();
    for (index, line) in split_objects(text) {
        ads.push(parse_json(line).map_err(|error| error.moved_down(index))?);
    }
    Ok(ads)
}

fn read<'t, V: Visitor<'t>>(text: &'t str, visitor: V) -> Result<V::Value, ParseError> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("the text has {} bytes", text.len());
        return Err(ParseError::new(text, 0, message, format!("at most {MAX_TEXT_BYTES} bytes")));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = reader.deserialize_any(visitor).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| ParseError {
        line: error.line().max(1),
        column: error.column().max(1),
        message: format!("the JSON cannot be read: {error}"),
        expected: "an object whose values are expressions".to_owned(),
    })
}

/// The objects of a text that holds several, each with the number of lines before it.
fn split_objects(text: &str) -> Vec<(usize, &str)> {
    let mut objects = Vec::new();
    let (mut depth, mut start, mut line, mut start_line) = (0_usize, 0, 0, 0);
    let (mut in_string, mut escaped) = (false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'\n' => line += 1,
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' => {
                if depth == 0 {
                    (start, start_line) = (index, line);
                }
                depth += 1;
            }
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    objects.push((start_line, &text[start..=index]));
                    start = index + 1;
                }
            }
            _ => {}
        }
    }
    if !text[start..].trim().is_empty() {
        objects.push((start_line, &text[start..]));
    }
    objects
}

struct AdsVisitor;

impl<'de> Visitor<'de> for AdsVisitor {
    type Value = Vec<ClassAd>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<ClassAd>, A::Error> {
        let mut ads = Vec::new();
        while let Some(ad) = items.next_element_seed(AdVisitor)? {
            ads.push(ad);
        }
        Ok(ads)
    }
}

struct AdVisitor;

impl<'de> DeserializeSeed<'de> for AdVisitor {
    type Value = ClassAd;
    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<ClassAd, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AdVisitor {
    type Value = ClassAd;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ClassAd, A::Error> {
        attributes(map, 0)
    }
}

fn attributes<'de, A: MapAccess<'de>>(mut map: A, depth: usize) -> Result<ClassAd, A::Error> {
    let mut attributes: Vec<(AttrName, Expr)> = Vec::new();
    while let Some(name) = map.next_key::<AttrName>()? {
        if name.as_str().contains('\0') {
            return Err(A::Error::custom("a name cannot hold the character NUL"));
        }
        attributes.push((name, map.next_value_seed(ValueVisitor { depth: depth + 1 })?));
    }
    Ok(attributes.into_iter().collect())
}

#[derive(Clone, Copy)]
struct ValueVisitor {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ValueVisitor {
    type Value = Expr;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Expr, D::Error> {
        if self.depth > MAX_NESTING {
            return Err(D::Error::custom(format!("it nests deeper than {MAX_NESTING} levels")));
        }
        with_room(|| deserializer.deserialize_any(self))
    }
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Expr;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Expr, E> {
        Ok(Expr::from(Value::Undefined))
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
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Expr, E> {
        if text.contains('\0') {
            return Err(E::custom("a string cannot hold the character NUL"));
        }
        match expression_text(text) {
            Some(expr) => parse_expression(expr, Syntax::New).map_err(E::custom),
            None => Ok(Expr::from(text)),
        }
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Expr, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(ValueVisitor { depth: self.depth + 1 })? {
            list.push(item);
        }
        Ok(Expr::list(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Expr, A::Error> {
        attributes(map, self.depth).map(Expr::from)
    }
}
