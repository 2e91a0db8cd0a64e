//! Ads in a file, in any of the forms in which `-long`, `-json`, `-jsonl` and `-xml` print them:
//! `-jobads`, `-ads`, `-slotads`, `-file`, `-edits`.

use anyhow::{Context, Result, bail};
use classad::ClassAd;

/// How ads are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By the first character that says so.
    Auto,
    /// `Name = expression`, one a line.
    Long,
    /// An array of objects, or one object a line.
    Json,
    /// HTCondor's XML.
    Xml,
    /// `[ a = 1; b = 2 ]`.
    New,
}

impl Form {
    /// From what stands behind the colon: `-jobads:json`.
    ///
    /// # Errors
    ///
    /// If it is no form.
    pub fn named(name: Option<&str>) -> Result<Self> {
        Ok(match name {
            None | Some("auto") => Self::Auto,
            Some("long") => Self::Long,
            Some("json" | "jsonl") => Self::Json,
            Some("xml") => Self::Xml,
            Some("new") => Self::New,
            Some(other) => bail!("'{other}' is no form of ads: write auto, long, json, xml or new"),
        })
    }
}

/// The ads in the file `path`; `-` is the standard input.
///
/// # Errors
///
/// If it cannot be read, or is not in the form.
pub fn read(path: &str, form: Form) -> Result<Vec<ClassAd>> {
    let text = match path {
        "-" => client::site::read_stdin().and_then(client::site::text),
        path => client::site::read_text(path),
    };
    let text = text.with_context(|| format!("read ads from {path}"))?;
    parse(&text, form).with_context(|| format!("read ads from {path}"))
}

/// The ads in a text.
///
/// # Errors
///
/// If it is not in the form.
pub fn parse(text: &str, form: Form) -> Result<Vec<ClassAd>> {
    Ok(match form {
        Form::Auto => return parse(text, guess(text)),
        Form::Long => ClassAd::parse_old_ads(text)?,
        Form::Xml => ClassAd::parse_xml_ads(text)?,
        Form::Json if text.trim_start().starts_with('{') => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines.map(ClassAd::parse_json).collect::<Result<_, _>>()?
        }
        Form::Json if text.trim().is_empty() => Vec::new(),
        Form::Json => ClassAd::parse_json_ads(text)?,
        Form::New => ClassAd::parse_new_ads(text)?,
    })
}

/// An array of objects and an ad in brackets both begin with `[`: the array goes on with `{`.
fn guess(text: &str) -> Form {
    let text = text.trim_start();
    match text.strip_prefix('[').map(str::trim_start) {
        Some(rest) if rest.starts_with(['{', ']']) => Form::Json,
        Some(_) => Form::New,
        None if text.starts_with('{') => Form::Json,
        None if text.starts_with('<') => Form::Xml,
        None => Form::Long,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::values::ads;

    #[test]
    fn ads_are_read_in_every_form_in_which_they_are_printed() {
        let written = "Cmd = \"/bin/echo\"\nProcId = 0\n\nCmd = \"a\\\"b\"\nProcId = 1\nRank = Memory * 2\n\n";
        let expected = ClassAd::parse_old_ads(written).unwrap();
        for form in [
            ads::Form::Long,
            ads::Form::Json,
            ads::Form::JsonLines,
            ads::Form::Xml,
            ads::Form::XmlApart,
            ads::Form::XmlWide,
            ads::Form::New,
        ] {
            let text = ads::render(&expected, form, &[], true);
            assert_eq!(parse(&text, Form::Auto).unwrap(), expected, "{form:?}: {text}");
        }
        assert_eq!(parse("", Form::Auto).unwrap(), []);
        assert_eq!(parse("[]", Form::Auto).unwrap(), []);
        assert!(parse("{ no json", Form::Auto).is_err());
    }
}
