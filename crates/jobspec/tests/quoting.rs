//! Whatever words a user wants as arguments and environment: written in a submit file by the rules
//! of either syntax, they arrive bit for bit in what the machine hands to the program, through the
//! ad's own text as well.
//!
//! The writers here are the rules as a user would follow them, on purpose not the printers of
//! `model::cmdline`.

use std::collections::BTreeMap;

use classad::ClassAd;
use jobspec::htcondor::{self, SubmitOptions};
use model::ClusterId;
use model::cmdline::{argv_of, environ_of};
use proptest::prelude::*;

#[path = "bare/site.rs"]
mod site;

/// The ad of the one job that comes of a description, printed and parsed again.
fn ad_of(description: &str) -> ClassAd {
    let parsed = htcondor::parse(description, "quoting.sub").unwrap();
    let made =
        parsed.expand(&site::Bare::new(), &mut || Ok(ClusterId(1)), &SubmitOptions::default());
    let made = made.unwrap_or_else(|why| panic!("{description:?}: {why:?}"));
    let (_, ad) = made.jobs().next().unwrap();
    let printed = ad.to_new();
    ClassAd::parse_new(&printed).unwrap_or_else(|why| panic!("{printed:?}: {why}"))
}

/// A dollar sign would begin a macro.
fn dollars(text: &str) -> String {
    text.replace('$', "$(DOLLAR)")
}

/// The new syntax: every word in single quotes, quotes of both kinds doubled, double quotes around
/// all.
fn new_syntax<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let quoted = words.into_iter().map(|word| format!("'{}'", word.replace('\'', "''")));
    let all = quoted.collect::<Vec<_>>().join(" ");
    dollars(&format!("\"{}\"", all.replace('"', "\"\"")))
}

/// The old syntax: words with blanks between them, double quotes behind a backslash. It has no way
/// to write blanks or an empty word; and a line does not end in a backslash, which would continue
/// it.
fn old_syntax(words: &[String]) -> String {
    dollars(&words.join(" ").replace('"', "\\\""))
}

fn check_argv(value: &str, words: &[String]) -> Result<(), TestCaseError> {
    let ad = ad_of(&format!("executable = /bin/x\narguments = {value}\nqueue\n"));
    prop_assert_eq!(argv_of(&ad).unwrap(), words);
    Ok(())
}

fn check_environ(value: &str, environ: &BTreeMap<String, String>) -> Result<(), TestCaseError> {
    let ad = ad_of(&format!("executable = /bin/x\nenvironment = {value}\nqueue\n"));
    prop_assert_eq!(&environ_of(&ad).unwrap(), environ);
    Ok(())
}

/// What is on one line: anything but line ends and NUL, which no process can be given.
const ONE_LINE: &str = "[^\0\r\n]{0,12}";
/// The characters that quoting is about.
const STORM: &str = "['\"$(){}\\\\ \t;,=#@|%*:\u{a0}\u{3000}é日a-c]{0,12}";

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![ONE_LINE, STORM]
}

/// What the old syntax can say: no white space of ASCII, nothing empty.
fn hostile_without_blanks() -> impl Strategy<Value = String> {
    prop_oneof!["[^\0\t-\r ]{1,12}", "['\"$(){}\\\\;,=#@|%*:\u{a0}\u{3000}é日a-c]{1,12}"]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z_][A-Za-z0-9_]{0,6}", "[^\0\r\n= \t\x0b\x0c]{1,6}"]
}

proptest! {
    #[test]
    fn arguments_in_the_new_syntax_arrive_bit_for_bit(words in prop::collection::vec(hostile(), 0..6)) {
        check_argv(&new_syntax(words.iter().map(String::as_str)), &words)?;
    }

    #[test]
    fn arguments_in_the_old_syntax_arrive_bit_for_bit(words in prop::collection::vec(hostile_without_blanks(), 0..6)) {
        // The last word keeps a backslash from the end of the line.
        let words: Vec<String> = words.into_iter().chain(["end".to_owned()]).collect();
        check_argv(&old_syntax(&words), &words)?;
    }

    #[test]
    fn the_environment_in_the_new_syntax_arrives_bit_for_bit(environ in prop::collection::btree_map(name(), hostile(), 0..6)) {
        let words: Vec<String> = environ.iter().map(|(name, value)| format!("{name}={value}")).collect();
        check_environ(&new_syntax(words.iter().map(String::as_str)), &environ)?;
    }

    #[test]
    fn the_environment_in_the_old_syntax_arrives_bit_for_bit(
        environ in prop::collection::btree_map("[A-Za-z_][A-Za-z0-9_]{0,6}", "[^\0\r\n;]{0,12}", 0..6),
    ) {
        // Nothing is quoted, and the last entry keeps blanks and a backslash from the end of the
        // line.
        let words: Vec<String> = environ.iter().map(|(name, value)| format!("{name}={value};")).collect();
        check_environ(&dollars(&words.concat()), &environ)?;
    }

    #[test]
    fn a_block_carries_line_ends_in_words(lines in prop::collection::vec("[^\0\t-\r #]{0,7}[^\0\t-\r #\\\\]", 1..5)) {
        // Its lines lose white space at both ends, a line with `#` first is a comment, and one with
        // a backslash last goes on in the next.
        let word = lines.join("\n");
        let description = format!(
            "executable = /bin/x\narguments @=tagged\n{}\n@tagged\nqueue\n",
            new_syntax([word.as_str()])
        );
        prop_assert_eq!(argv_of(&ad_of(&description)).unwrap(), [word]);
    }
}
