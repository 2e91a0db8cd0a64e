//! HTCondor's way to write options, turned into clap's: `-long`, `-lo`, `-af:jr A B C`, `-format F
//! A`.
//!
//! The options of a verb are defined once, as a clap struct. This file knows how HTCondor's users
//! spell them:
//! - one dash or two before the name, and any prefix of a name that fits one option only;
//! - a list option takes all words up to the next one with a dash (`-af A B C`);
//! - a form after a colon (`-af:jr`) goes to the hidden option `--af-form` beside it;
//! - a word with a dash and a digit is a word (`condor_prio -5`).
//!
//! What the options mean is the verb's matter.

use clap::{Arg, Command};

use crate::line::clashes::Clashes;
use crate::line::spelling::Spelling;

/// A command line that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgError {
    /// No option has that name.
    #[error("unrecognized argument {word}{}", hint(nearest.as_deref()))]
    Unknown {
        /// As it was written.
        word: String,
        /// The option that comes nearest.
        nearest: Option<String>,
    },
    /// Several options begin like that.
    #[error("{word} may be {}", candidates.join(" or "))]
    Ambiguous {
        /// As it was written.
        word: String,
        /// What it may be.
        candidates: Vec<String>,
    },
    /// The option needs more words.
    #[error("{word} needs {wanted}")]
    Missing {
        word: String,
        /// What is missing.
        wanted: String,
        /// The option's whole name.
        option: String,
    },
    /// It does not go with another, in HTCondor's words.
    #[error("{said}")]
    Clash { said: String },
    /// The option has no forms.
    #[error("{word} takes nothing after a colon")]
    NoForm {
        /// As it was written.
        word: String,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (did you mean -{name}?)")).unwrap_or_default()
}

/// A name is a likely typing error of another if they are this similar (Jaro-Winkler, 0 to 1).
pub const SIMILAR: f64 = 0.75;

/// Words as clap wants them, for the options that `command` has; where `spelling` is given, spelt
/// as it says. Whoever asks for help gets it, whatever stands behind. What is to be told, though it
/// ends nothing, comes into `notes`.
///
/// # Errors
///
/// If a word with a dash is no option, or an option lacks its values.
pub fn to_clap(
    words: &[String],
    command: &Command,
    spelling: Option<Spelling>,
    notes: &mut Vec<String>,
) -> Result<Vec<String>, ArgError> {
    let mut clashes = Clashes::default();
    let read = read_all(words, command, spelling, &mut clashes);
    notes.append(&mut clashes.notes);
    read
}

fn read_all(
    words: &[String],
    command: &Command,
    spelling: Option<Spelling>,
    clashes: &mut Clashes,
) -> Result<Vec<String>, ArgError> {
    let clash = |said| ArgError::Clash { said };
    let reader = Reader { command, spelling };
    let mut out = Vec::with_capacity(words.len());
    // Options first: a list of words that may begin with a dash would swallow those behind it.
    let mut plain = Vec::new();
    let mut rest = words;
    while let Some((word, tail)) = rest.split_first() {
        rest = tail;
        if word == "--" && spelling.is_none() {
            plain.push(word.clone());
            plain.extend_from_slice(rest);
            break;
        }
        if reader.is_option(word) {
            let at = words.len() - rest.len();
            rest = reader.take(word, rest, &mut out)?;
            if let Some(name) = spelling.and_then(|s| s.clashing(word)) {
                clashes.next(name, at, word).map_err(clash)?;
            }
            if spelling.is_some() && out.last().is_some_and(|word| word == "--help") {
                return Ok(vec!["--help".to_owned()]);
            }
        } else {
            plain.push(word.clone());
        }
    }
    if spelling.is_some() && plain.iter().any(|word| word.starts_with('-')) {
        out.push("--".to_owned());
    }
    out.extend(plain);
    clashes.end().map_err(clash)?;
    Ok(out)
}

/// Who reads the words: what a word means depends on the command, and on who spells it.
struct Reader<'c> {
    command: &'c Command,
    spelling: Option<Spelling>,
}

/// An option as it was written.
struct Written<'c, 'w> {
    arg: &'c Arg,
    form: Option<&'w str>,
    value: Option<&'w str>,
}

impl<'c> Reader<'c> {
    fn is_option(&self, word: &str) -> bool {
        let name = word.strip_prefix('-');
        // For HTCondor a dash is one, whatever follows.
        let begins = |name: &str| name.chars().next().is_some_and(|c| !c.is_ascii_digit());
        name.is_some_and(|name| self.spelling.is_some_and(|s| s.is_loose) || begins(name))
    }

    fn read<'w>(&self, word: &'w str) -> Result<Written<'c, 'w>, ArgError> {
        let unknown = |word: &str| ArgError::Unknown { word: word.to_owned(), nearest: None };
        let Some(spelling) = self.spelling else {
            let (spelt, value) = split(word.trim_start_matches('-'), '=');
            let (spelt, form) = split(spelt, ':');
            return Ok(Written { arg: find(word, spelt, self.command)?, form, value });
        };
        let (name, form) = spelling.read(word).ok_or_else(|| unknown(word))?;
        let known = names(self.command).into_iter().find(|(known, _)| known == name);
        let (_, arg) = known.ok_or_else(|| unknown(&format!("-{name}")))?;
        Ok(Written { arg, form: form.filter(|form| !form.is_empty()), value: None })
    }

    /// Puts one option and its values into `out`; returns the words that are left.
    fn take<'w>(
        &self,
        word: &str,
        rest: &'w [String],
        out: &mut Vec<String>,
    ) -> Result<&'w [String], ArgError> {
        let Written { arg, form, value } = self.read(word)?;
        let long = arg.get_long().unwrap_or_default();
        let many = arg.get_num_args().is_some_and(|n| n.max_values() == usize::MAX);
        let form_name = format!("{long}-form");
        let has_forms = self.command.get_arguments().any(|a| a.get_long() == Some(&form_name));
        match form {
            Some(_) if !has_forms => return Err(ArgError::NoForm { word: word.to_owned() }),
            Some(form) => out.push(format!("--{form_name}={form}")),
            // So that the values of two lists are told apart.
            None if many && has_forms => out.push(format!("--{form_name}=")),
            None => {}
        }
        if let Some(value) = value {
            out.push(format!("--{long}={value}"));
            return Ok(rest);
        }
        let wanted = arg.get_num_args().map_or(1, |n| n.min_values());
        if !arg.get_action().takes_values() {
            out.push(format!("--{long}"));
            return Ok(rest);
        }
        let in_list = |word: &&String| !self.is_option(word);
        let count = if many { rest.iter().take_while(in_list).count() } else { wanted };
        let is_dashed = |word: &String| word.starts_with('-');
        let is_strict = self.spelling.is_some_and(|spelling| spelling.refuses_dashes(long));
        let no_value = is_strict && rest.first().is_some_and(is_dashed) && count == 1;
        if rest.len() < count || count < wanted || no_value {
            let (word, option) = (word.to_owned(), long.to_owned());
            return Err(ArgError::Missing { word, wanted: value_names(arg), option });
        }
        let (values, rest) = rest.split_at(count);
        if many || count == 1 {
            out.extend(values.iter().map(|value| format!("--{long}={value}")));
        } else {
            out.push(format!("--{long}"));
            out.extend_from_slice(values);
        }
        Ok(rest)
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn value_names(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The option that `spelt` names: by its whole name, by its letter, or by a prefix that fits no
/// other.
fn find<'c>(word: &str, spelt: &str, command: &'c Command) -> Result<&'c Arg, ArgError> {
    let names = names(command);
    let spelt = spelt.to_ascii_lowercase();
    if let Some((_, arg)) = names.iter().find(|(name, _)| *name == spelt) {
        return Ok(arg);
    }
    let letter = |arg: &&Arg| {
        let mut letters =
            arg.get_short().into_iter().chain(arg.get_all_short_aliases().unwrap_or_default());
        letters.any(|c| spelt == c.to_string())
    };
    if let Some(arg) = command.get_arguments().find(letter) {
        return Ok(arg);
    }
    let mut fitting: Vec<&(String, &Arg)> =
        names.iter().filter(|(name, arg)| name.starts_with(&spelt) && !arg.is_hide_set()).collect();
    fitting.dedup_by_key(|(_, arg)| arg.get_id().clone());
    match fitting.as_slice() {
        [(_, arg)] => Ok(arg),
        [] => Err(ArgError::Unknown { word: word.to_owned(), nearest: nearest(&spelt, &names) }),
        several => Err(ArgError::Ambiguous {
            word: word.to_owned(),
            candidates: several.iter().map(|(name, _)| format!("-{name}")).collect(),
        }),
    }
}

/// All names of all options, in the order of their definition.
fn names(command: &Command) -> Vec<(String, &Arg)> {
    let mut names = Vec::new();
    for arg in command.get_arguments() {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        let all = arg.get_long().into_iter().chain(aliases);
        names.extend(all.map(|name| (name.to_owned(), arg)));
    }
    names
}

fn nearest(spelt: &str, names: &[(String, &Arg)]) -> Option<String> {
    let known = names.iter().filter(|(_, arg)| !arg.is_hide_set());
    let scored = known.map(|(name, _)| (strsim::jaro_winkler(spelt, name), name));
    let (score, name) = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (score >= SIMILAR).then(|| name.clone())
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;

    fn command() -> Command {
        let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        Command::new("q")
            .arg(Arg::new("jobs").num_args(0..))
            .arg(flag("long").short('l'))
            .arg(flag("nobatch"))
            .arg(Arg::new("limit").long("limit").value_name("N"))
            .arg(Arg::new("constraint").long("constraint").value_name("EXPR"))
            .arg(
                Arg::new("af")
                    .long("autoformat")
                    .alias("af")
                    .num_args(1..)
                    .action(ArgAction::Append)
                    .value_name("ATTR"),
            )
            .arg(Arg::new("af_form").long("autoformat-form").hide(true))
            .arg(Arg::new("format").long("format").num_args(2).value_names(["FORMAT", "ATTR"]))
    }

    fn check(line: &str, expected: Result<&str, &str>) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let read = to_clap(&words, &command(), None, &mut Vec::new()).map(|words| words.join(" "));
        assert_eq!(
            read,
            expected.map(str::to_owned).map_err(|_| read.clone().unwrap_err()),
            "{line}"
        );
        if let (Err(error), Err(text)) = (read, expected) {
            assert_eq!(error.to_string(), text, "{line}");
        }
    }

    #[test]
    fn one_dash_two_dashes_and_prefixes_mean_the_same() {
        for spelt in ["-long", "--long", "-lo", "-l", "-LONG"] {
            check(&format!("{spelt} 36.0"), Ok("--long 36.0"));
        }
        check("-con JobStatus==2 36", Ok("--constraint=JobStatus==2 36"));
        check("--limit=3", Ok("--limit=3"));
    }

    #[test]
    fn a_list_option_takes_all_words_up_to_the_next_option() {
        check(
            "36 -af:jr A B -nob",
            Ok("--autoformat-form=jr --autoformat=A --autoformat=B --nobatch 36"),
        );
        check("-format %d ClusterId -limit 2", Ok("--format %d ClusterId --limit=2"));
    }

    #[test]
    fn a_dash_before_a_digit_is_no_option() {
        check("-5 36.0", Ok("-5 36.0"));
        check("36.0 -5 -limit 2 -- -long", Ok("--limit=2 36.0 -5 -- -long"));
    }

    #[test]
    fn what_is_not_an_option_is_said_with_the_nearest() {
        check("-frob", Err("unrecognized argument -frob"));
        check("-constrant x", Err("unrecognized argument -constrant (did you mean -constraint?)"));
        check("-lon", Ok("--long"));
        check("-li", Err("-li needs N"));
        check("-nobatch:x", Err("-nobatch:x takes nothing after a colon"));
        check("-", Ok("-"));
    }

    #[test]
    fn a_prefix_of_several_options_is_refused() {
        let two = Command::new("q")
            .arg(Arg::new("a").long("allusers"))
            .arg(Arg::new("b").long("allevents"));
        let error = to_clap(&["-all".to_owned()], &two, None, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "-all may be -allusers or -allevents");
    }
}
