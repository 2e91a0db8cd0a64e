//! `classad_eval`: HTCondor's calculator, whose words are assignments and expressions in turn. Ours
//! is `updraft classad eval`, which explains; the language of both is the crate `classad`.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;
use classad::calculator::{Calculation, read_ad};
use classad::{ClassAd, Env, Expr};
use jiff::tz::TimeZone;

use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::render::said::Said;

/// What HTCondor's program ends with when it is asked how it is used.
const ASKED_FOR_HELP: u8 = 255;

/// Evaluate expressions, with assignments between them: `classad_eval 'a = 2' 'a * 3'`.
///
/// An assignment changes the ad that the expressions after it are evaluated in. The ad is printed
/// before the first value after a change.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Assignments, expressions, and options: -my-file FILE and -target-file FILE read ads, -quiet
    /// prints the ad no more.
    #[arg(value_name = "EXPR|NAME = EXPR", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Does it.
///
/// # Errors
///
/// If a file cannot be read.
pub fn run(args: &EvalArgs, _: &Call) -> Result<Outcome> {
    let mut eval = Eval { my: ClassAd::new(), target: None, is_quiet: false, is_shown: false };
    let mut said = Said::default();
    let mut words = args.words.iter();
    while let Some(word) = words.next() {
        let mut file = || words.next().with_context(|| format!("{word} needs a file"));
        match word.trim_start_matches('-') {
            _ if !word.starts_with('-') => match eval.take(word) {
                Ok(text) => said.out += &text,
                Err(wrong) => {
                    said.out += &eval.context();
                    said.err =
                        format!("Unable to turn '{wrong}' into a ClassAd or an expression.\n");
                    return Ok(Outcome { said, exit: Exit::Failed.into() });
                }
            },
            "file" | "my-file" => (eval.my, eval.is_shown) = (read(file()?)?, false),
            "target-file" => eval.target = Some(read(file()?)?),
            "quiet" => eval.is_quiet = true,
            "debug" => {}
            "h" | "help" => {
                return Ok(Outcome { said: Said::out(USAGE), exit: ASKED_FOR_HELP.into() });
            }
            // `-1` is an expression.
            _ => match eval.take(word) {
                Ok(text) => said.out += &text,
                Err(_) => anyhow::bail!("there is no option {word}; see classad_eval -help"),
            },
        }
    }
    Ok(Outcome { said, exit: Exit::Done.into() })
}

const USAGE: &str = "usage: classad_eval [options] EXPR|NAME=EXPR ...\n\
    An assignment changes the ad in which the expressions after it are evaluated.\n\
    \x20 -my-file FILE      the ad to begin with (also -file)\n\
    \x20 -target-file FILE  the other ad\n\
    \x20 -quiet             print the ad no more\n\
    \x20 -help              this\n";

fn read(path: &str) -> Result<ClassAd> {
    let text = client::site::read_text(path).with_context(|| format!("read the ad in {path}"))?;
    read_ad(&text).with_context(|| format!("read the ad in {}", Path::new(path).display()))
}

/// What has been said so far.
struct Eval {
    my: ClassAd,
    target: Option<ClassAd>,
    is_quiet: bool,
    /// Whether the ad as it is was printed.
    is_shown: bool,
}

impl Eval {
    /// A word: what is printed for it, or the word if it is no expression.
    fn take<'w>(&mut self, word: &'w str) -> Result<String, &'w str> {
        if let Some((name, value)) = assignment(word) {
            self.my.set(name, Expr::parse_new(value).map_err(|_| word)?);
            self.is_shown = false;
            return Ok(String::new());
        }
        let expr = Expr::parse_new(word).map_err(|_| word)?;
        let (my, target) = (self.my.clone(), self.target.clone());
        let answer = Calculation { expr: Some(expr), my, target }.answer(&env());
        Ok(format!("{}{}\n", self.context(), answer.text))
    }

    /// The ad, if it has not been printed since it changed.
    fn context(&mut self) -> String {
        if self.is_quiet || std::mem::replace(&mut self.is_shown, true) {
            return String::new();
        }
        let mut all: Vec<String> =
            self.my.iter().map(|(name, expr)| format!("{name} = {expr}")).collect();
        all.sort_by_key(|line| line.to_ascii_lowercase());
        format!("[ {} ]\n", all.join("; "))
    }
}

/// `NAME = EXPR`, and not `a == b`.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let name = name.trim();
    let is_name = name
        .chars()
        .enumerate()
        .all(|(n, c)| c == '_' || c.is_ascii_alphabetic() || (n > 0 && c.is_ascii_digit()));
    let compares = value.starts_with(['=', '?', '!']);
    (is_name && !name.is_empty() && !compares).then_some((name, value))
}

fn env() -> Env {
    Env::at(proto::clock::now().wall.as_secs()).with_zone(TimeZone::system())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::dialect::Dialect;

    /// As HTCondor 25.14's program answered.
    #[test]
    fn assignments_and_expressions_are_answered_as_htcondor_does() {
        for (words, out, err) in [
            (&["a=1", "a+2"][..], "[ a = 1 ]\n3\n", ""),
            (&["x = y", "y = 7", "x", "y*2"], "[ x = y; y = 7 ]\n7\n14\n", ""),
            (&["b = 2", "a = 1", "c = b", "c"], "[ a = 1; b = 2; c = b ]\n2\n", ""),
            (&["1 +"], "[  ]\n", "Unable to turn '1 +' into a ClassAd or an expression.\n"),
            (&["-quiet", "a=1", "a"], "1\n", ""),
            (
                &["strcat(\"a\",\"b\")", "undefined", "error", "{1,2}", "1.5"],
                "[  ]\n\"ab\"\nundefined\nerror\n{ 1,2 }\n1.500000000000000E+00\n",
                "",
            ),
            (&["a = 1", "a == 1"], "[ a = 1 ]\ntrue\n", ""),
            (&[], "", ""),
        ] {
            let args = EvalArgs { words: words.iter().map(|word| (*word).to_owned()).collect() };
            let call = Call { name: "classad_eval".to_owned(), dialect: Dialect::HtCondor };
            let said = run(&args, &call).unwrap().said;
            assert_eq!((said.out.as_str(), said.err.as_str()), (out, err), "{words:?}");
        }
    }
}
