//! `updraft reconfig`, `updraft pool reconfig`, `condor_reconfig`: a pool that runs takes its
//! configuration as the files have it now. What that means is in [`crate::pool::reconfigure`].

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::output;
use crate::pool::configuration;
use crate::pool::{self, PoolError, Reconfigured};
use crate::render::dialect::Dialect;
use client::home::Home;

/// Options of `condor_reconfig` that are not built: there is one pool, on this machine, and all of
/// it is told.
pub const NOT_YET: &[&str] =
    &["daemon", "subsystem", "name", "pool", "addr", "constraint", "full", "debug"];

/// Make the pool take its configuration as the files have it now. Running jobs go on.
#[derive(Debug, Args)]
pub struct ReconfigArgs {
    /// Every machine of the pool: there is one.
    #[arg(long, hide = true)]
    all: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Does it. Exit code 3 if the pool does not run.
///
/// # Errors
///
/// If the configuration is wrong: then nothing changes.
pub fn run(args: &ReconfigArgs, call: &Call) -> Result<ExitCode> {
    reconfig(&Home::from_environment(), args.json, call.dialect)
}

/// The same for a pool that is chosen otherwise.
pub(crate) fn reconfig(home: &Home, json: bool, dialect: Dialect) -> Result<ExitCode> {
    let done = match pool::reconfigure(home) {
        Ok(done) => done,
        Err(error @ PoolError::NotRunning { .. }) => {
            eprintln!("{error}");
            let htcondor = dialect == Dialect::HtCondor;
            return Ok(if htcondor { Exit::Failed } else { Exit::NotRunning }.into());
        }
        Err(error) => return Err(error.into()),
    };
    warn(home)?;
    match dialect {
        // HTCondor 25.14's words
        Dialect::HtCondor => output::put("Sent \"Reconfig\" command to local master\n")?,
        Dialect::Updraft | Dialect::Pbs if json => {
            let restarted: Vec<_> = done.restarted.iter().map(|role| role.name()).collect();
            let all = json!({ "dir": home.dir(), "changed": done.changed, "restarted": restarted });
            output::put(&format!("{all:#}\n"))?;
        }
        Dialect::Updraft | Dialect::Pbs => output::put(&text(home, &done))?,
    }
    Ok(Exit::Done.into())
}

/// Says on the standard error what is odd about the configuration of a pool.
///
/// # Errors
///
/// If it cannot be read.
pub(crate) fn warn(home: &Home) -> Result<()> {
    let loaded = configuration::load(home, &pool::settings(home)?)?;
    for warning in loaded.unread_warnings() {
        eprint!("{}", warning.render());
    }
    Ok(())
}

fn text(home: &Home, done: &Reconfigured) -> String {
    let dir = home.dir().display();
    if done.changed.is_empty() {
        return format!("The configuration of the pool in {dir} has not changed.\n");
    }
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
    let mut text = format!("The pool in {dir} has a new configuration:\n");
    for changed in &done.changed {
        let (before, after) = (shown(&changed.before), shown(&changed.after));
        text += &format!("  {}: {before} -> {after}\n", changed.name);
    }
    let names: Vec<_> = done.restarted.iter().map(|role| role.name()).collect();
    text + &format!("Started again: {}. Running jobs go on.\n", names.join(", "))
}
