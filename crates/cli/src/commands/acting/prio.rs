//! `updraft prio`, `condor_prio`: which of one's jobs go first.

use anyhow::{Context, Result, bail};
use clap::Args;
use proto::client::{ActResult, Action, Priority, Select};

use crate::line::call::Call;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::place::Where;
use crate::line::select;
use crate::line::usage::Mistake;
use crate::render::acting::Prioritised;
use crate::render::dialect::Dialect;

/// Options of HTCondor's `condor_prio` that are not built.
pub const NOT_YET: &[&str] = &[];

/// Change which of your jobs go first: the higher the priority, the sooner. It counts at once.
#[derive(Debug, Args)]
pub struct PrioArgs {
    /// +N or -N (so much more or less than each job has), then jobs: CLUSTER, CLUSTER.PROC or USER.
    #[arg(value_name = "[+|-]N JOBS", allow_hyphen_values = true)]
    words: Vec<String>,
    /// The new priority.
    #[arg(long, short = 'p', value_name = "N", allow_hyphen_values = true)]
    priority: Option<i32>,
    #[command(flatten)]
    at: Where,
    /// All jobs that you may touch.
    #[arg(long, short = 'a')]
    all: bool,
    /// Say what came of it as JSON.
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
///
/// If no priority or no job is named, or the schedd cannot be asked.
pub fn run(args: &PrioArgs, call: &Call) -> Result<Outcome> {
    args.at.check()?;
    let (priority, jobs) = wanted(args)?;
    let (Some(priority), false) = (priority, jobs.is_empty() && !args.all) else {
        let what = match call.dialect {
            Dialect::HtCondor => "",
            Dialect::Updraft | Dialect::Pbs => "name a priority and jobs",
        };
        return Err(Mistake(what).into());
    };
    let select = if args.all { Select::All } else { Select::Any(select::selectors(jobs)) };
    let acted = connect::schedd()?.act(Action::Prioritise(priority), select)?;
    // HTCondor 25.14 ends with 0 whatever came of it.
    let failed = call.dialect == Dialect::Updraft
        && acted.iter().any(|acted| acted.result != ActResult::Done);
    let exit = if failed { Exit::Failed } else { Exit::Done };
    Ok(Outcome::of(&Prioritised(acted), args.json, call, exit))
}

/// The priority, and the words that name jobs.
fn wanted(args: &PrioArgs) -> Result<(Option<Priority>, &[String])> {
    let change = |word: &String| {
        word.strip_prefix('+').or(Some(word)).filter(|_| word.starts_with(['+', '-']))?.parse().ok()
    };
    match (args.priority, args.words.split_first()) {
        (Some(_), Some((first, _))) if first.starts_with(['+', '-']) => {
            bail!("a new priority (-p) and a change ({first}) cannot be asked for at once")
        }
        (Some(new), _) => Ok((Some(Priority::Set(new)), &args.words)),
        (None, Some((first, rest))) if first.starts_with(['+', '-']) => {
            let by = change(first).with_context(|| format!("{first}: not a change of priority"))?;
            Ok((Some(Priority::Change(by)), rest))
        }
        (None, _) => Ok((None, &args.words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str], priority: Option<i32>) -> PrioArgs {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        PrioArgs { words, priority, all: false, json: false, at: Where::default() }
    }

    #[test]
    fn a_priority_is_set_or_changed() {
        for (words, priority, expected, jobs) in [
            (&["36.2"][..], Some(5), Some(Priority::Set(5)), 1),
            (&["36.2"], Some(-5), Some(Priority::Set(-5)), 1),
            (&["+2", "36.2", "37"], None, Some(Priority::Change(2)), 2),
            (&["-2", "36.2"], None, Some(Priority::Change(-2)), 1),
            (&["36.2"], None, None, 1),
        ] {
            let args = args(words, priority);
            let (found, rest) = wanted(&args).unwrap();
            assert_eq!((found, rest.len()), (expected, jobs), "{words:?}");
        }
        assert!(wanted(&args(&["+x", "1"], None)).is_err());
        assert!(wanted(&args(&["+1", "1"], Some(2))).is_err());
    }
}
