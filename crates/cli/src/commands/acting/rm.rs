//! `updraft rm`, `condor_rm`: takes jobs out of the queue.

use anyhow::Result;
use proto::client::Action;

use crate::commands::acting::act::{self, Target};
use crate::line::call::Call;
use crate::line::outcome::Outcome;
use crate::render::acting::Words;

/// Options of HTCondor's verbs that act on jobs which are not built.
pub const NOT_YET: &[&str] = &["addr", "long", "transfer"];

/// HTCondor's words for `-forcex` of a job that is not being removed.
const NOT_X: &str = "not in `X' state to be forcibly removed";

/// HTCondor's words.
pub const WORDS: Words = Words {
    act: "remove",
    find: "find/remove",
    done: "marked for removal",
    all_done: "marked for removal",
    already: "marked for removal",
    bad_status: "not in a state to be removed",
    needs: "it cannot be removed now",
};

/// Take jobs out of the queue. Running ones are stopped first.
#[derive(Debug, clap::Args)]
pub struct RmArgs {
    #[command(flatten)]
    target: Target,
    /// Why: kept in the job's history and log.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: Option<String>,
    /// Forget removed jobs whose runs cannot be confirmed over; they may still be running.
    #[arg(long)]
    forcex: bool,
    /// Accepted: it is kept of holds only.
    #[arg(long, value_name = "N", hide = true)]
    subcode: Option<i32>,
}

/// Does it.
///
/// # Errors
///
/// If no jobs are named, or the schedd cannot be asked.
pub fn run(args: RmArgs, call: &Call) -> Result<Outcome> {
    let RmArgs { target, reason, forcex, subcode: _ } = args;
    let words = Words { bad_status: if forcex { NOT_X } else { WORDS.bad_status }, ..WORDS };
    act::run(&target, &Action::Remove { reason, force: forcex }, &words, call)
}
