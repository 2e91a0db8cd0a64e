//! `updraft classad eval`: a calculator for people who write Requirements.
//!
//! The language and everything that is shown live in the `classad` crate; here are only files,
//! lines and the clock.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Subcommand;
use classad::calculator::{Answer, Calculation, Question, answer};
use classad::{ClassAd, Env, UserDirectory};

use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;

/// The longest line of the line protocol: an expression and two ads of the longest kind.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// Work with the ClassAd language.
#[derive(Debug, clap::Args)]
pub struct ClassadArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Evaluates an expression and prints its value.
    Eval(EvalArgs),
}

#[derive(Debug, clap::Args)]
struct EvalArgs {
    /// The expression, with the string escapes of C.
    #[arg(required_unless_present = "jsonl", conflicts_with = "jsonl")]
    expr: Option<String>,
    /// The ad that MY and names without a scope mean; old or new syntax.
    #[arg(long, value_name = "FILE", conflicts_with = "jsonl")]
    my: Option<PathBuf>,
    /// The ad that TARGET means.
    #[arg(long, value_name = "FILE", conflicts_with = "jsonl")]
    target: Option<PathBuf>,
    /// Print `{"type": T, "text": V}`.
    #[arg(long, conflicts_with_all = ["jsonl", "explain"])]
    json: bool,
    /// Also print the value of each part of the expression.
    #[arg(long, conflicts_with = "jsonl")]
    explain: bool,
    /// Read `{"expr": E, "my": AD, "target": AD}` a line from standard input, and print `{"type":
    /// T, "text": V}` a line.
    #[arg(long)]
    jsonl: bool,
}

/// Does it.
///
/// # Errors
///
/// If a file cannot be read, or a text is not in the language.
pub fn run(args: ClassadArgs, _: &Call) -> Result<Outcome> {
    let Action::Eval(args) = args.action;
    if args.jsonl {
        let exit = answer_lines(std::io::stdin().lock(), std::io::stdout().lock())?;
        return Ok(exit.into());
    }
    let text = args.expr.as_deref().unwrap_or_default();
    let read = |path: &Option<PathBuf>| path.as_deref().map(read_file).transpose();
    let (my, target) = (read(&args.my)?, read(&args.target)?);
    let calculation = Calculation {
        expr: Some(
            classad::Expr::parse_new(text)
                .with_context(|| format!("read the expression `{text}`"))?,
        ),
        my: ad(my, &args.my)?.unwrap_or_default(),
        target: ad(target, &args.target)?,
    };
    let answer = calculation.answer(&env());
    Ok(Outcome::done(match (args.json, args.explain) {
        // One line, as in the line protocol.
        (true, _) => format!("{}\n", serde_json::to_string(&answer)?),
        (false, true) => explanation(&calculation),
        (false, false) => format!("{}\n", answer.text),
    }))
}

fn read_file(path: &Path) -> Result<String> {
    client::site::read_text(path).with_context(|| format!("read the ad in {}", path.display()))
}

fn ad(text: Option<String>, path: &Option<PathBuf>) -> Result<Option<ClassAd>> {
    let Some(text) = text else { return Ok(None) };
    let path = path.as_deref().unwrap_or(Path::new("-"));
    let ad = classad::calculator::read_ad(&text);
    ad.map(Some).with_context(|| format!("read the ad in {}", path.display()))
}

/// One line for each part, indented by how deep it is inside the expression.
fn explanation(calculation: &Calculation) -> String {
    let mut text = String::new();
    for step in calculation.explain(&env()) {
        let note = step.note.map_or(String::new(), |note| format!("    # {note}"));
        text += &format!("{}{} = {}{note}\n", "  ".repeat(step.depth), step.expr, step.value);
    }
    text
}

/// The line protocol. A line that is no question gets the answer `parse-error`; the rest are still
/// answered.
fn answer_lines(mut input: impl BufRead, mut output: impl Write) -> Result<ExitCode> {
    let env = env();
    let mut line = String::new();
    loop {
        line.clear();
        let length = std::io::Read::take(&mut input, MAX_LINE_BYTES).read_line(&mut line);
        if length.context("read the next line")? == 0 {
            return Ok(Exit::Done.into());
        }
        if line.trim().is_empty() {
            continue;
        }
        let found = match serde_json::from_str::<Question>(&line) {
            Ok(question) => answer(&question, &env),
            Err(error) => {
                Answer { kind: "parse-error", text: format!("the line is no question: {error}") }
            }
        };
        serde_json::to_writer(&mut output, &found).context("write the answer")?;
        output.write_all(b"\n").context("write the answer")?;
        output.flush().context("write the answer")?;
    }
}

/// The world as this process sees it.
fn env() -> Env {
    #[expect(clippy::disallowed_methods, reason = "the calculator's one look at the clock")]
    let now = jiff::Timestamp::now();
    let seed = u64::try_from(now.as_nanosecond() & i128::from(u64::MAX)).unwrap_or_default();
    Env::at(now.as_second())
        .with_seed(seed)
        .with_zone(jiff::tz::TimeZone::system())
        .with_users(Arc::new(SystemUsers))
}

/// The users of this machine; there are no maps outside a daemon.
struct SystemUsers;

impl UserDirectory for SystemUsers {
    fn home(&self, user: &str) -> Option<String> {
        let user = nix::unistd::User::from_name(user).ok()??;
        user.dir.into_os_string().into_string().ok()
    }

    fn map(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_gets_an_answer_even_a_broken_one() {
        let input =
            b"{\"expr\": \"1 + a\", \"my\": \"[ a = 2 ]\"}\n\nnonsense\n{\"expr\": \"1 +\"}\n";
        let mut output = Vec::new();
        answer_lines(input.as_slice(), &mut output).unwrap();
        let text = String::from_utf8(output).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0], r#"{"type":"integer","text":"3"}"#);
        assert!(lines[1].starts_with(r#"{"type":"parse-error""#), "{text}");
        assert!(lines[2].starts_with(r#"{"type":"parse-error""#), "{text}");
    }
}
