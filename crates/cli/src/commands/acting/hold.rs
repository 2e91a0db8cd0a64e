//! `updraft hold`, `condor_hold`: keeps jobs from running until they are released.

use anyhow::Result;
use model::HoldCode;
use proto::client::Action;

use crate::commands::acting::act::{self, Target};
use crate::line::call::Call;
use crate::line::outcome::Outcome;
use crate::render::acting::Words;

/// HTCondor's words.
pub const WORDS: Words = Words {
    act: "hold",
    find: "find/hold",
    done: "held",
    all_done: "held",
    already: "held",
    bad_status: "not in a state to be held",
    needs: "it cannot be held now",
};

/// Keep jobs from running until they are released. Running ones are stopped.
#[derive(Debug, clap::Args)]
pub struct HoldArgs {
    #[command(flatten)]
    target: Target,
    /// Why: shown by q.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    reason: Option<String>,
    /// A number of your own beside the reason.
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    subcode: i32,
}

/// Does it.
///
/// # Errors
///
/// If no jobs are named, or the schedd cannot be asked.
pub fn run(args: HoldArgs, call: &Call) -> Result<Outcome> {
    let HoldArgs { target, reason, subcode } = args;
    let action = Action::Hold { reason, code: HoldCode::UserRequest, subcode };
    act::run(&target, &action, &WORDS, call)
}
