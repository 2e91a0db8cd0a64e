//! `updraft release`, `condor_release`: lets held jobs run.

use anyhow::Result;
use proto::client::Action;

use crate::commands::acting::act::{self, Target};
use crate::line::call::Call;
use crate::line::outcome::Outcome;
use crate::render::acting::Words;

/// HTCondor's words.
pub const WORDS: Words = Words {
    act: "release",
    find: "find/release",
    done: "released",
    all_done: "released",
    already: "released",
    bad_status: "not held to be released",
    needs: "only held jobs can be released",
};

/// Let held jobs run again.
#[derive(Debug, clap::Args)]
pub struct ReleaseArgs {
    #[command(flatten)]
    target: Target,
    /// Why: kept in the job's log.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: Option<String>,
    /// Accepted: it is kept of holds only.
    #[arg(long, value_name = "N", hide = true)]
    subcode: Option<i32>,
}

/// Does it.
///
/// # Errors
///
/// If no jobs are named, or the schedd cannot be asked.
pub fn run(args: ReleaseArgs, call: &Call) -> Result<Outcome> {
    let ReleaseArgs { target, reason, subcode: _ } = args;
    act::run(&target, &Action::Release { reason }, &WORDS, call)
}
