//! `updraft version`, `condor_version`: which program this is, and which HTCondor it behaves like.

use anyhow::Result;
use serde::Serialize;

use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::release::condor_platform;
use crate::line::release::condor_version;
use crate::render::dialect::Dialect;
use crate::render::said::{Said, Tell};
use model::version::FOLLOWS;

/// Say which program this is, and which HTCondor it behaves like.
#[derive(Debug, Default, clap::Args)]
pub struct VersionArgs {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
///
/// If nobody reads the output.
pub fn run(args: &VersionArgs, call: &Call) -> Result<Outcome> {
    let ours = env!("CARGO_PKG_VERSION");
    let follows = FOLLOWS.split(' ').next().unwrap_or_default();
    let version = Version { version: ours, follows_htcondor: follows };
    Ok(Outcome::of(&version, args.json, call, Exit::Done))
}

#[derive(Serialize)]
struct Version {
    version: &'static str,
    follows_htcondor: &'static str,
}

impl Tell for Version {
    fn tell(&self, dialect: Dialect) -> Said {
        let Self { version, follows_htcondor: follows } = self;
        Said::out(match dialect {
            Dialect::HtCondor => htcondor(),
            Dialect::Pbs => format!("pbs_version = {}\n", jobspec::pbs::VERSION),
            Dialect::Updraft => format!("updraft {version} (behaves like HTCondor {follows})\n"),
        })
    }
}

/// In HTCondor's format: its version first, because clients compare it, then ours as the package.
fn htcondor() -> String {
    format!("{}\n{}\n", condor_version(), condor_platform())
}
