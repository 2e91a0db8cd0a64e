//! A job's argument vector and environment as they stand in a job ad, and how both are written
//! down.
//!
//! HTCondor has two syntaxes for each. The old one ("V1") cannot say everything: arguments are
//! split at white space, and environment entries at `;`, with no way to escape either. The new one
//! ("V2") is white-space separated words in which `'...'` keeps white space and `''` inside quotes
//! is one quote. In a submit file the whole V2 value stands between double quotes, in which `""` is
//! one double quote; in the job ad those outer quotes are gone.
//!
//! The new syntax's words are the language's own (`classad::words`); what is here is what jobs make
//! of them. Knows nothing of submit files (`jobspec` calls this for the text behind `arguments =`)
//! nor of processes (`startd` calls it for the ad of a job that it is about to start).

use std::collections::BTreeMap;

use classad::ClassAd;
pub use classad::words::print_v2;
use classad::words::{self, UnbalancedQuote};

use crate::attr;

/// Attribute that holds the separator of [`attr::ENV`]; `;` when it is missing.
pub const ENV_DELIM: &str = "EnvDelim";

/// What separates entries of an old-syntax environment on Unix.
pub const V1_DELIMITER: char = ';';

/// Why a command line or an environment could not be read. Offsets are bytes into the text that was
/// given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CmdlineError {
    /// `"a b` without the closing quote.
    #[error("Unterminated double-quote.")]
    UnterminatedDoubleQuote {
        /// Where the text ends.
        offset: usize,
    },
    /// `"a" b`.
    #[error(
        "Unexpected characters following double-quote.  Did you forget to escape the double-quote by repeating it?  \
         Here is the quote and trailing characters: {rest}"
    )]
    TextAfterDoubleQuote {
        /// The quote and what follows it.
        rest: String,
        /// Where the quote is.
        offset: usize,
    },
    /// `a "b"` in the old syntax.
    #[error("Found illegal unescaped double-quote: {rest}")]
    UnescapedDoubleQuote {
        /// The quote and what follows it.
        rest: String,
        /// Where the quote is.
        offset: usize,
    },
    /// `a 'b` in the new syntax.
    #[error("Unbalanced quote starting here: {rest}")]
    UnbalancedQuote {
        /// The quote and what follows it.
        rest: String,
        /// Where the quote is.
        offset: usize,
    },
    /// A keyword that takes the new syntax only was given something else.
    #[error("Expecting {what} (V2 format).")]
    NotDoubleQuoted {
        /// What was expected.
        what: &'static str,
    },
    /// `A` instead of `A=value`.
    #[error("ERROR: Missing '=' after environment variable '{name}'.")]
    MissingEquals { name: String },
    /// `=value`.
    #[error("ERROR: missing variable in '{entry}'.")]
    MissingName { entry: String },
    /// A NUL cannot be handed to a process.
    #[error("a NUL character cannot be part of an argument or of the environment: {text:?}")]
    Nul { text: String },
    /// The attribute is there and is not a string.
    #[error("the attribute {attr} is not a string, so it says nothing about the command line")]
    NotAString { attr: &'static str },
}

impl CmdlineError {
    /// Where in the text the mistake is, in bytes; the start where that cannot be said.
    pub fn offset(&self) -> usize {
        match self {
            Self::UnterminatedDoubleQuote { offset }
            | Self::TextAfterDoubleQuote { offset, .. }
            | Self::UnescapedDoubleQuote { offset, .. }
            | Self::UnbalancedQuote { offset, .. } => *offset,
            Self::NotDoubleQuoted { .. }
            | Self::MissingEquals { .. }
            | Self::MissingName { .. }
            | Self::Nul { .. }
            | Self::NotAString { .. } => 0,
        }
    }
}

/// The arguments that the job of this ad is started with, without the program's own name:
/// `Arguments` if it is there, else `Args`, else none.
///
/// # Errors
/// If the attribute is not a string or its quotes do not match, or an argument holds a NUL.
pub fn argv_of(ad: &ClassAd) -> Result<Vec<String>, CmdlineError> {
    argv_in(ad, [attr::ARGUMENTS, attr::ARGS])
}

/// The arguments in a pair of attributes: the first is in the new syntax, the second, for which an
/// ad without the first is asked, in the old.
///
/// # Errors
/// As [`argv_of`].
pub fn argv_in(ad: &ClassAd, [new, old]: [&'static str; 2]) -> Result<Vec<String>, CmdlineError> {
    let argv = match string_of(ad, new)? {
        Some(text) => parse_v2(text)?,
        None => match string_of(ad, old)? {
            Some(text) => parse_v1(text),
            None => Vec::new(),
        },
    };
    argv.into_iter().map(no_nul).collect()
}

/// The environment that the job of this ad asks for: `Environment` if it is there, else `Env`, else
/// nothing.
///
/// # Errors
/// If the attribute is not a string, its quotes do not match, an entry is not `NAME=VALUE`, or one
/// holds a NUL.
pub fn environ_of(ad: &ClassAd) -> Result<BTreeMap<String, String>, CmdlineError> {
    environ_in(ad, [attr::ENVIRONMENT, attr::ENV])
}

/// The environment in a pair of attributes, new syntax and old as with [`argv_in`].
///
/// # Errors
/// As [`environ_of`].
pub(crate) fn environ_in(
    ad: &ClassAd,
    [new, old]: [&'static str; 2],
) -> Result<BTreeMap<String, String>, CmdlineError> {
    let environ = match string_of(ad, new)? {
        Some(text) => environ_v2(text)?,
        None => match string_of(ad, old)? {
            Some(text) => {
                let delimiter = string_of(ad, ENV_DELIM)?.and_then(|d| d.chars().next());
                environ_v1(text, delimiter.unwrap_or(V1_DELIMITER))?
            }
            None => BTreeMap::new(),
        },
    };
    for (name, value) in &environ {
        no_nul(format!("{name}={value}"))?;
    }
    Ok(environ)
}

fn string_of<'ad>(ad: &'ad ClassAd, name: &'static str) -> Result<Option<&'ad str>, CmdlineError> {
    match ad.get(name).map(|expr| expr.as_literal()) {
        None => Ok(None),
        Some(Some(value)) if value.is_undefined() => Ok(None),
        Some(value) => match value.and_then(classad::Value::as_str) {
            Some(text) => Ok(Some(text)),
            None => Err(CmdlineError::NotAString { attr: name }),
        },
    }
}

fn no_nul(text: String) -> Result<String, CmdlineError> {
    if text.contains('\0') { Err(CmdlineError::Nul { text }) } else { Ok(text) }
}

/// The words of an old-syntax command line as it stands in `Args`.
pub fn parse_v1(text: &str) -> Vec<String> {
    words::split_v1(text).map(str::to_owned).collect()
}

/// The words of a new-syntax command line as it stands in `Arguments`.
///
/// # Errors
/// [`CmdlineError::UnbalancedQuote`].
pub fn parse_v2(text: &str) -> Result<Vec<String>, CmdlineError> {
    words::split_v2(text).map_err(|UnbalancedQuote { offset }| CmdlineError::UnbalancedQuote {
        rest: text[offset..].to_owned(),
        offset,
    })
}

/// The value behind `arguments =` or `environment =` in a submit file, with its syntax told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Old syntax, escapes removed.
    V1(String),
    /// New syntax, outer quotes removed.
    V2(String),
}

/// Reads a submit file's `arguments`: the new syntax if it starts with a double quote, else the old
/// one, in which `\"` is a double quote and a bare double quote is a mistake.
///
/// # Errors
/// If the double quotes do not match.
pub fn read_arguments(text: &str) -> Result<Written, CmdlineError> {
    if let Some(v2) = read_v2_quoted(text)? {
        return Ok(Written::V2(v2));
    }
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        let Some(before) = rest[..at].strip_suffix('\\') else {
            let offset = text.len() - rest.len() + at;
            return Err(CmdlineError::UnescapedDoubleQuote {
                rest: text[offset..].to_owned(),
                offset,
            });
        };
        plain.push_str(before);
        plain.push('"');
        rest = &rest[at + 1..];
    }
    plain.push_str(rest);
    Ok(Written::V1(plain))
}

/// Reads a submit file's `environment`: the new syntax if it starts with a double quote, else the
/// old one, which has no escapes at all.
///
/// # Errors
/// If the double quotes do not match.
pub fn read_environment(text: &str) -> Result<Written, CmdlineError> {
    Ok(match read_v2_quoted(text)? {
        Some(v2) => Written::V2(v2),
        None => Written::V1(text.to_owned()),
    })
}

/// What stands between the outer double quotes of a V2 value; `None` if the text does not start
/// with one.
///
/// # Errors
/// If the quotes do not match, or something follows the closing one.
pub fn read_v2_quoted(text: &str) -> Result<Option<String>, CmdlineError> {
    let body = text.trim_start_matches(is_space);
    let Some(inside) = body.strip_prefix('"') else { return Ok(None) };
    let start = text.len() - inside.len();
    let mut v2 = String::new();
    let mut chars = inside.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            v2.push(c);
        } else if chars.next_if(|(_, next)| *next == '"').is_some() {
            v2.push('"');
        } else if inside[at + 1..].chars().all(is_space) {
            return Ok(Some(v2));
        } else {
            let rest = inside[at..].to_owned();
            return Err(CmdlineError::TextAfterDoubleQuote { rest, offset: start + at });
        }
    }
    Err(CmdlineError::UnterminatedDoubleQuote { offset: text.len() })
}

/// The entries of an old-syntax environment as it stands in `Env`. Later entries win.
///
/// # Errors
/// If an entry is not `NAME=VALUE`.
pub fn environ_v1(text: &str, delimiter: char) -> Result<BTreeMap<String, String>, CmdlineError> {
    text.split(delimiter)
        .map(|entry| entry.trim_start_matches(is_space))
        .filter(|entry| !entry.is_empty())
        .map(entry)
        .collect()
}

/// The entries of a new-syntax environment as it stands in `Environment`. Later entries win.
///
/// # Errors
/// If quotes do not match or an entry is not `NAME=VALUE`.
pub fn environ_v2(text: &str) -> Result<BTreeMap<String, String>, CmdlineError> {
    parse_v2(text)?.iter().filter(|word| !word.is_empty()).map(|word| entry(word)).collect()
}

fn entry(word: &str) -> Result<(String, String), CmdlineError> {
    match word.split_once('=') {
        Some(("", _)) => Err(CmdlineError::MissingName { entry: word.to_owned() }),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(CmdlineError::MissingEquals { name: word.to_owned() }),
    }
}

/// Writes an environment in the new syntax, sorted by name.
pub fn print_environ_v2(environ: &BTreeMap<String, String>) -> String {
    print_v2(environ.iter().map(|(name, value)| format!("{name}={value}")))
}

/// Writes an environment in the old syntax, sorted by name; `None` if it cannot say it, because a
/// part holds the separator.
pub fn print_environ_v1(environ: &BTreeMap<String, String>) -> Option<String> {
    let entries: Vec<_> = environ.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let sayable = entries.iter().all(|entry| !entry.contains([V1_DELIMITER, '\n']));
    sayable.then(|| entries.join(";"))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_v2(text: &str, words: &[&str]) {
        assert_eq!(parse_v2(text).unwrap(), words, "{text}");
    }

    #[test]
    fn new_syntax_splits_at_white_space_outside_quotes() {
        check_v2("", &[]);
        check_v2("  a\tb\n c ", &["a", "b", "c"]);
        check_v2("a' 'b x' '' 'y", &["a b", "x ' y"]);
        check_v2("'' b ''", &["", "b", ""]);
        check_v2("a'b'c", &["abc"]);
        check_v2(r#"\ "q""#, &["\\", "\"q\""]);
    }

    #[test]
    fn unbalanced_quote_says_where_it_starts() {
        let error = parse_v2("a 'b c").unwrap_err();
        assert_eq!(error.to_string(), "Unbalanced quote starting here: 'b c");
        assert_eq!(error.offset(), 2);
    }

    #[test]
    fn printing_quotes_only_what_needs_it() {
        for (words, text) in [
            (vec!["a  b", "x ' y", "p\tq"], "a'  'b x' '' 'y p'\t'q"),
            (vec!["it's"], "it''''s"),
            (vec!["", "b"], "'' b"),
        ] {
            assert_eq!(print_v2(words), text);
        }
    }

    #[test]
    fn submit_file_values_tell_their_syntax() {
        let read = |text| read_arguments(text).map_err(|error| (error.to_string(), error.offset()));
        assert_eq!(read(r#"a \"b c\" x"#), Ok(Written::V1(r#"a "b c" x"#.into())));
        assert_eq!(read(r#"a ""#).unwrap_err().1, 2);
        assert_eq!(read(r#""a ""b"" c" "#), Ok(Written::V2(r#"a "b" c"#.into())));
        assert_eq!(read(r#""a b"#).unwrap_err().0, "Unterminated double-quote.");
        assert_eq!(read(r#""a" b"#).unwrap_err().1, 2);
        assert_eq!(read(r"a 'b\c'"), Ok(Written::V1(r"a 'b\c'".into())));
    }

    #[test]
    fn environment_entries_need_a_name_and_an_equals_sign() {
        let message = |text| environ_v1(text, ';').unwrap_err().to_string();
        assert_eq!(message("A"), "ERROR: Missing '=' after environment variable 'A'.");
        assert_eq!(message("=x"), "ERROR: missing variable in '=x'.");
        let environ = environ_v1("Z=1;A=2; M = 3 ;;", ';').unwrap();
        assert_eq!(print_environ_v2(&environ), "A=2 M' '=' '3' ' Z=1");
    }

    #[test]
    fn the_ad_speaks_the_new_syntax_first() {
        let mut ad = ClassAd::new();
        ad.set(attr::ARGS, "old 'x y'");
        assert_eq!(argv_of(&ad).unwrap(), ["old", "'x", "y'"]);
        ad.set(attr::ARGUMENTS, "new 'x y'");
        assert_eq!(argv_of(&ad).unwrap(), ["new", "x y"]);
        ad.set(attr::ENV, "A=1|B=2;3");
        ad.set(ENV_DELIM, "|");
        assert_eq!(environ_of(&ad).unwrap()["B"], "2;3");
        ad.set(attr::ENVIRONMENT, "A='x y'");
        assert_eq!(environ_of(&ad).unwrap()["A"], "x y");
        ad.set(attr::ARGUMENTS, 7);
        assert_eq!(argv_of(&ad), Err(CmdlineError::NotAString { attr: attr::ARGUMENTS }));
    }

    proptest! {
        #[test]
        fn any_words_survive_the_new_syntax(words in prop::collection::vec(any::<String>(), 0..8)) {
            prop_assert_eq!(parse_v2(&print_v2(&words)).unwrap(), words);
        }

        #[test]
        fn quote_and_space_storms_survive_the_new_syntax(words in prop::collection::vec("['\" \t\n;=\\\\a]{0,12}", 0..8)) {
            let text = print_v2(&words);
            prop_assert_eq!(&parse_v2(&text).unwrap(), &words);
            let in_a_submit_file = format!("\"{}\"", text.replace('"', "\"\""));
            prop_assert_eq!(read_arguments(&in_a_submit_file).unwrap(), Written::V2(text));
        }

        #[test]
        fn any_environment_survives_the_new_syntax(
            environ in prop::collection::btree_map("[^=\0]{1,8}", "[^\0]{0,12}", 0..6),
        ) {
            prop_assert_eq!(environ_v2(&print_environ_v2(&environ)).unwrap(), environ);
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = read_arguments(&text);
            let _ = read_environment(&text);
            let _ = parse_v2(&text);
            let _ = environ_v1(&text, ';');
        }
    }
}
