//! `condor_reschedule`: asks for matching now. Jobs are matched as they come, so there is nothing
//! to hasten: it only makes sure that the schedd answers.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::line::call::Call;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::place::Where;
use crate::render::dialect::Dialect;
use crate::render::said::{Said, Tell};

/// Match jobs to machines now: they always are, as they come; this says whether the schedd answers.
#[derive(Debug, Args)]
pub struct RescheduleArgs {
    #[command(flatten)]
    at: Where,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Who was asked.
#[derive(Serialize)]
struct Asked {
    schedd: String,
}

impl Tell for Asked {
    fn tell(&self, dialect: Dialect) -> Said {
        Said::out(match dialect {
            Dialect::HtCondor => "Sent \"Reschedule\" command to local schedd\n".to_owned(),
            Dialect::Updraft | Dialect::Pbs => {
                format!("The schedd {} matches jobs as they come.\n", self.schedd)
            }
        })
    }
}

/// Does it.
///
/// # Errors
///
/// If the schedd does not answer.
pub fn run(args: &RescheduleArgs, call: &Call) -> Result<Outcome> {
    args.at.check()?;
    let asked = Asked { schedd: connect::schedd()?.identity()?.name };
    Ok(Outcome::of(&asked, args.json, call, Exit::Done))
}
