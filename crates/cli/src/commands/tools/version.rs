//! `updraft version`, `condor_version`: which program this is, and which HTCondor it behaves like.

use std::process::ExitCode;

use anyhow::Result;

use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::output;
use crate::line::release::condor_platform;
use crate::line::release::condor_version;
use crate::render::dialect::Dialect;
use crate::render::said;
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
pub fn run(args: &VersionArgs, call: &Call) -> Result<ExitCode> {
    let ours = env!("CARGO_PKG_VERSION");
    let follows = FOLLOWS.split(' ').next().unwrap_or_default();
    let text = match call.dialect {
        Dialect::HtCondor => htcondor(),
        Dialect::Updraft | Dialect::Pbs if args.json => {
            said::json(&serde_json::json!({ "version": ours, "follows_htcondor": follows }))
        }
        Dialect::Updraft | Dialect::Pbs => {
            format!("updraft {ours} (behaves like HTCondor {follows})\n")
        }
    };
    output::put(&text)?;
    Ok(Exit::Done.into())
}

/// In HTCondor's format: its version first, because clients compare it, then ours as the package.
fn htcondor() -> String {
    format!("{}\n{}\n", condor_version(), condor_platform())
}
