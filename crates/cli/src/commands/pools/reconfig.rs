//! `updraft reconfig`, `updraft pool reconfig`, `condor_reconfig`: a pool that runs takes its
//! configuration as the files have it now. What that means is in [`crate::pool::reconfigure`].

use anyhow::Result;
use clap::Args;
use client::home::Home;

use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::output::complain;
use crate::pool::configuration::{self, Changed};
use crate::pool::{self, PoolError};
use crate::render::dialect::Dialect;
use crate::render::pools::{Reconfigured, Setting};
use crate::render::said::Said;

/// Options of `condor_reconfig` that are not built: there is one pool, on this machine, and all of
/// it is told.
pub const NOT_YET: &[&str] = &["daemon", "subsystem", "name", "pool", "addr", "constraint", "full"];

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
pub fn run(args: &ReconfigArgs, call: &Call) -> Result<Outcome> {
    reconfig(&Home::from_environment(), args.json, call)
}

/// The same for a pool that is chosen otherwise.
pub(crate) fn reconfig(home: &Home, json: bool, call: &Call) -> Result<Outcome> {
    let done = match pool::reconfigure(home) {
        Ok(done) => done,
        Err(error @ PoolError::NotRunning { .. }) => {
            let htcondor = call.dialect == Dialect::HtCondor;
            let exit = if htcondor { Exit::Failed } else { Exit::NotRunning };
            return Ok(Outcome { said: Said::err(format!("{error}\n")), exit: exit.into() });
        }
        Err(error) => return Err(error.into()),
    };
    warn(home)?;
    let setting = |Changed { name, before, after }: Changed| Setting { name, before, after };
    let reconfigured = Reconfigured {
        dir: home.dir().to_owned(),
        changed: done.changed.into_iter().map(setting).collect(),
        restarted: done.restarted.iter().map(|role| role.name()).collect(),
    };
    Ok(Outcome::of(&reconfigured, json, call, Exit::Done))
}

/// Says on the standard error what is odd about the configuration of a pool.
///
/// # Errors
///
/// If it cannot be read.
pub(crate) fn warn(home: &Home) -> Result<()> {
    let loaded = configuration::load(home, &pool::settings(home)?)?;
    for warning in loaded.unread_warnings() {
        complain(&warning.render());
    }
    Ok(())
}
