//! `updraft vacate_job`, `condor_vacate_job`: stops running jobs and puts them back into the queue.

use anyhow::Result;
use proto::client::Action;

use crate::commands::acting::act::{self, Target};
use crate::line::call::Call;
use crate::line::outcome::Outcome;
use crate::render::acting::Words;

/// HTCondor's words.
pub const WORDS: Words = Words {
    act: "vacate",
    find: "find/vacate",
    done: "vacated",
    all_done: "vacated",
    already: "vacated",
    bad_status: "not running to be vacated",
    needs: "only running jobs can be vacated",
};

/// HTCondor's words for `-fast`.
pub const FAST_WORDS: Words = Words {
    act: "fast-vacate",
    find: "find/fast-vacate",
    done: "fast-vacated",
    all_done: "fast-vacated",
    already: "fast-vacated",
    bad_status: "not running to be fast-vacated",
    needs: "only running jobs can be vacated",
};

/// Stop running jobs and put them back into the queue.
#[derive(Debug, clap::Args)]
pub struct VacateArgs {
    #[command(flatten)]
    target: Target,
    /// Without the time to clean up that the job's kill signal gives it.
    #[arg(long)]
    fast: bool,
}

/// Does it.
///
/// # Errors
///
/// If no jobs are named, or the schedd cannot be asked.
pub fn run(args: VacateArgs, call: &Call) -> Result<Outcome> {
    let VacateArgs { target, fast } = args;
    let words = if fast { &FAST_WORDS } else { &WORDS };
    act::run(&target, &Action::Vacate { fast }, words, call)
}
