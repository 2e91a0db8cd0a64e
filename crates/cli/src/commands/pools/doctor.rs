//! `updraft doctor`: what is wrong with a pool, or with a machine of one. What is looked at is in
//! [`crate::pool::doctor`].

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::commands::pools::pool::home;
use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::pool::doctor;

/// Look at what a pool, or a machine of one, needs, and say what to do about the first that is
/// wrong: name, route, port, clock, authority, role, disk, cgroups, tmp. Exit code 1 if one is.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The folder (default: $UPDRAFT_HOME, else the user's state folder).
    #[arg(long)]
    dir: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
///
/// None: what cannot be looked at is what is wrong.
pub fn run(args: DoctorArgs, call: &Call) -> Result<Outcome> {
    let found = doctor::examine(&home(args.dir));
    let exit = if found.failing.is_some() { Exit::Failed } else { Exit::Done };
    Ok(Outcome::of(&found, args.json, call, exit))
}
