//! Texts of whole ads, in the old syntax (one attribute a line) and the new.

use std::borrow::Cow;
use std::sync::Arc;

use crate::expr::Repr;
use crate::limits::MAX_TEXT_BYTES;
use crate::parse::expression::Parser;
use crate::parse::lexer::{Lexer, Token};
use crate::parse::{ParseError, Syntax, parse_expression};
use crate::{AttrName, ClassAd, Expr, Value};

/// Reads `[ a = 1; b = 2 ]`.
pub(crate) fn parse_new(text: &str) -> Result<ClassAd, ParseError> {
    let mut parser = Parser::new(text, Syntax::New)?;
    let ad = parser.ad()?;
    match parser.token {
        Token::End => Ok(ad),
        _ => Err(parser.unexpected("nothing after the ad")),
    }
}

/// Reads `[ a = 1 ] [ b = 2 ]`, with commas between them or not.
pub(crate) fn parse_new_ads(text: &str) -> Result<Vec<ClassAd>, ParseError> {
    let mut parser = Parser::new(text, Syntax::New)?;
    let mut ads = Vec::new();
    while !matches!(parser.token, Token::End) {
        ads.push(parser.ad()?);
        parser.skip(",")?;
    }
    Ok(ads)
}

/// Reads one `Name = expression` a line. Empty lines and lines that begin with `#` are passed over.
pub(crate) fn parse_old(text: &str) -> Result<ClassAd, ParseError> {
    check_length(text)?;
    let mut attributes = Vec::with_capacity(32);
    for (index, line) in text.split('\n').enumerate() {
        if let Some(attribute) = old_line(line).map_err(|error| error.moved_down(index))? {
            attributes.push(attribute);
        }
    }
    Ok(attributes.into_iter().collect())
}

/// Reads ads in the old syntax with empty lines between them, as `condor_q -long` and
/// `condor_status -long` print them.
pub(crate) fn parse_ads_old(text: &str) -> Result<Vec<ClassAd>, ParseError> {
    check_length(text)?;
    let mut ads = Vec::new();
    let mut attributes: Vec<(AttrName, Expr)> = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        match old_line(line).map_err(|error| error.moved_down(index))? {
            Some(attribute) => attributes.push(attribute),
            None if line.trim().is_empty() && !attributes.is_empty() => {
                ads.push(attributes.drain(..).collect());
            }
            None => {}
        }
    }
    if !attributes.is_empty() {
        ads.push(attributes.into_iter().collect());
    }
    Ok(ads)
}

fn check_length(text: &str) -> Result<(), ParseError> {
    if text.len() <= MAX_TEXT_BYTES {
        return Ok(());
    }
    let message = format!("the text has {} bytes", text.len());
    Err(ParseError::new(text, 0, message, format!("at most {MAX_TEXT_BYTES} bytes")))
}

/// One line of an ad in the old syntax, if it holds an attribute.
pub(crate) fn old_line(line: &str) -> Result<Option<(AttrName, Expr)>, ParseError> {
    let trimmed = line.trim_ascii_start();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok(None);
    }
    let (name, rest) = name_and_rest(trimmed);
    let after_name = rest.trim_ascii_start();
    if name.is_empty() || !after_name.starts_with('=') {
        let at = line.len() - after_name.len();
        let message = "this line does not set an attribute".to_owned();
        return Err(ParseError::new(line, at, message, "`Name = expression`".to_owned()));
    }
    let value = &after_name[1..];
    let expr = match simple_literal(value.trim_ascii()) {
        Some(value) => Expr(Repr::Literal(value)),
        None => parse_expression(value, Syntax::Old)
            .map_err(|error| error.moved_right(line[..line.len() - value.len()].chars().count()))?,
    };
    Ok(Some((AttrName::from(name.as_ref()), expr)))
}

/// The name that a line begins with, plain or in quotes, and what follows it; an empty name where
/// there is none.
fn name_and_rest(line: &str) -> (Cow<'_, str>, &str) {
    if line.starts_with('\'') {
        let mut lexer = Lexer::new(line, Syntax::New);
        return match lexer.next(&Token::End) {
            Ok((_, Token::Name(name))) => (name, &line[lexer.position()..]),
            Ok(_) | Err(_) => ("".into(), line),
        };
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let length = line.bytes().position(|byte| !is_plain(byte)).unwrap_or(line.len());
    let (name, rest) = line.split_at(length);
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if starts_well { (name.into(), rest) } else { ("".into(), line) }
}

/// The literals that make up nearly all of an ad, recognised without the parser: whole numbers,
/// plain strings, booleans.
fn simple_literal(text: &str) -> Option<Value> {
    let bytes = text.as_bytes();
    match bytes.first()? {
        b'"' => {
            let inner = text[1..].strip_suffix('"')?;
            let plain = !inner.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0));
            plain.then(|| Value::String(Arc::from(inner)))
        }
        b'1'..=b'9' if bytes.len() < 19 && bytes.iter().all(u8::is_ascii_digit) => {
            text.parse().ok().map(Value::Integer)
        }
        b'0' if bytes.len() == 1 => Some(Value::Integer(0)),
        b't' | b'T' if text.eq_ignore_ascii_case("true") => Some(Value::Boolean(true)),
        b'f' | b'F' if text.eq_ignore_ascii_case("false") => Some(Value::Boolean(false)),
        b'u' | b'U' if text.eq_ignore_ascii_case("undefined") => Some(Value::Undefined),
        _ => None,
    }
}
