//! `updraft continue`, `condor_continue`: lets suspended jobs go on.

use anyhow::Result;
use proto::client::Action;

use crate::commands::acting::act::{self, Target};
use crate::line::call::Call;
use crate::line::outcome::Outcome;
use crate::render::acting::Words;

/// HTCondor's words.
pub const WORDS: Words = Words {
    act: "continue",
    find: "find/continue",
    done: "continued",
    all_done: "continued",
    already: "running",
    bad_status: "not suspended to be continued",
    needs: "only suspended jobs can be continued",
};

/// Let suspended jobs go on.
#[derive(Debug, clap::Args)]
pub struct ContinueArgs {
    #[command(flatten)]
    target: Target,
}

/// Does it.
///
/// # Errors
///
/// If no jobs are named, or the schedd cannot be asked.
pub fn run(args: &ContinueArgs, call: &Call) -> Result<Outcome> {
    act::run(&args.target, &Action::Continue, &WORDS, call)
}
