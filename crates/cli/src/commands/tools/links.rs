//! `updraft links install DIR`: links by which this binary answers to HTCondor's and PBS's names.
//! How they are made: [`crate::line::links`].

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::commands::pbs;
use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::links::Linked;
use crate::line::links::install;
use crate::line::output;
use crate::render::said;
use crate::verbs::VERBS;

/// Links by which this program answers to HTCondor's and PBS's names.
#[derive(Debug, clap::Args)]
pub struct LinksArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes the links in a folder. A file that is not such a link is left alone.
    Install {
        /// The folder. It should be in $PATH.
        dir: PathBuf,
        /// Say what was done as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lists the names.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
///
/// # Errors
///
/// If the folder or a link cannot be made.
pub fn run(args: LinksArgs, _: &Call) -> Result<ExitCode> {
    let of_pbs = pbs::COMMANDS.iter().map(|command| command.name);
    let names: Vec<&'static str> =
        VERBS.iter().flat_map(|verb| verb.htcondor).copied().chain(of_pbs).collect();
    match args.action {
        Action::List { json: true } => {
            output::put(&said::json(&serde_json::json!(names)))?;
            Ok(Exit::Done.into())
        }
        Action::List { json: false } => {
            output::put(&(names.join("\n") + "\n"))?;
            Ok(Exit::Done.into())
        }
        Action::Install { dir, json } => {
            let binary = std::env::current_exe().context("find this program's own file")?;
            let linked = install(&dir, &binary, &names)?;
            let said = linked.iter().map(|(name, what)| {
                let what = match what {
                    Linked::Made => "made".to_owned(),
                    Linked::Already => "was there".to_owned(),
                    Linked::Moved { from } => {
                        format!("led to {}, leads here now", from.display())
                    }
                    Linked::Refused => "something else has this name; left alone".to_owned(),
                };
                (name, what)
            });
            if json {
                let rows: Vec<_> = said
                    .map(|(name, what)| serde_json::json!({ "name": name, "link": what }))
                    .collect();
                output::put(&said::json(&serde_json::json!(rows)))?;
            } else {
                let lines = said.map(|(name, what)| format!("{name}: {what}\n"));
                output::put(&lines.collect::<String>())?;
            }
            let refused = linked.iter().any(|(_, what)| *what == Linked::Refused);
            Ok(if refused { Exit::Failed } else { Exit::Done }.into())
        }
    }
}
