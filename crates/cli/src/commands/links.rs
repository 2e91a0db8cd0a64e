//! `updraft links install DIR`: links by which this binary answers to HTCondor's names. How they are made: [`crate::links`].

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::exit::Exit;
use crate::links::{Linked, install};
use crate::output;
use crate::verbs::{Call, VERBS};

/// Links by which this program answers to HTCondor's names.
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
    },
    /// Lists the names.
    List,
}

/// Does it.
///
/// # Errors
///
/// If the folder or a link cannot be made.
pub fn run(args: LinksArgs, _: &Call) -> Result<ExitCode> {
    let names: Vec<&'static str> = VERBS.iter().flat_map(|verb| verb.htcondor).copied().collect();
    match args.action {
        Action::List => {
            output::put(&(names.join("\n") + "\n"))?;
            Ok(Exit::Done.into())
        }
        Action::Install { dir } => {
            let binary = std::env::current_exe().context("find this program's own file")?;
            let linked = install(&dir, &binary, &names)?;
            let mut text = String::new();
            for (name, what) in &linked {
                text += &match what {
                    Linked::Made => format!("{name}: made\n"),
                    Linked::Already => format!("{name}: was there\n"),
                    Linked::Moved { from } => {
                        format!("{name}: led to {}, leads here now\n", from.display())
                    }
                    Linked::Refused => {
                        format!("{name}: something else has this name; left alone\n")
                    }
                };
            }
            output::put(&text)?;
            let refused = linked.iter().any(|(_, what)| *what == Linked::Refused);
            Ok(if refused { Exit::Failed } else { Exit::Done }.into())
        }
    }
}
