//! `updraft suspend`, `condor_suspend`: lets running jobs wait where they are.

use anyhow::Result;
use proto::client::Action;

use crate::commands::acting::act::{self, Target};
use crate::line::call::Call;
use crate::line::outcome::Outcome;
use crate::render::acting::Words;

/// HTCondor's words.
pub const WORDS: Words = Words {
    act: "suspend",
    find: "find/suspend",
    done: "suspended",
    all_done: "suspended",
    already: "suspended",
    bad_status: "not running to be suspended",
    needs: "only running jobs can be suspended",
};

/// Stop running jobs where they are, with all their processes, until they are continued. They keep
/// their slots.
#[derive(Debug, clap::Args)]
pub struct SuspendArgs {
    #[command(flatten)]
    target: Target,
}

/// Does it.
///
/// # Errors
///
/// If no jobs are named, or the schedd cannot be asked.
pub fn run(args: &SuspendArgs, call: &Call) -> Result<Outcome> {
    act::run(&args.target, &Action::Suspend, &WORDS, call)
}
