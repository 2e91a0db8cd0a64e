//! `updraft links install DIR`: links by which this binary answers to HTCondor's and PBS's names.
//! How they are made: [`crate::line::links`].

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use client::home::{HOME_VARIABLE, Home, LINKS_POOL};
use serde::Serialize;

use crate::commands::pbs;
use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::links::Linked;
use crate::line::links::install;
use crate::line::outcome::Outcome;
use crate::render::dialect::Dialect;
use crate::render::said::{Said, Tell};
use crate::verbs;

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
pub fn run(args: LinksArgs, call: &Call) -> Result<Outcome> {
    let of_pbs = pbs::COMMANDS.iter().map(|command| command.name);
    let names: Vec<&'static str> = verbs::htcondor_names().chain(of_pbs).collect();
    match args.action {
        Action::List { json } => Ok(Outcome::of(&Names(names), json, call, Exit::Done)),
        Action::Install { dir, json } => {
            let binary = std::env::current_exe().context("find this program's own file")?;
            let linked = install(&dir, &binary, &names)?;
            if std::env::var_os(HOME_VARIABLE).is_some_and(|home| !home.is_empty()) {
                // Who calls them without that variable means the same pool.
                remember(&dir, &Home::from_environment())?;
            }
            let refused = linked.iter().any(|(_, what)| *what == Linked::Refused);
            let links =
                LinksMade(linked.iter().map(|(name, what)| LinkMade::of(name, what)).collect());
            let exit = if refused { Exit::Failed } else { Exit::Done };
            Ok(Outcome::of(&links, json, call, exit))
        }
    }
}

/// Writes beside the links which pool they mean.
fn remember(dir: &Path, home: &Home) -> Result<()> {
    let file = dir.join(LINKS_POOL);
    let pool = std::path::absolute(home.dir()).context("find out where the pool is")?;
    std::fs::write(&file, format!("{}\n", pool.display()))
        .with_context(|| format!("write into {} which pool the links mean", file.display()))
}

#[derive(Serialize)]
struct Names(Vec<&'static str>);

impl Tell for Names {
    fn tell(&self, _: Dialect) -> Said {
        Said::out(self.0.join("\n") + "\n")
    }
}

#[derive(Serialize)]
struct LinksMade(Vec<LinkMade>);

/// What became of a link.
#[derive(Serialize)]
struct LinkMade {
    name: &'static str,
    link: String,
}

impl LinkMade {
    fn of(name: &'static str, what: &Linked) -> Self {
        let link = match what {
            Linked::Made => "made".to_owned(),
            Linked::Already => "was there".to_owned(),
            Linked::Moved { from } => format!("led to {}, leads here now", from.display()),
            Linked::Refused => "something else has this name; left alone".to_owned(),
        };
        Self { name, link }
    }
}

impl Tell for LinksMade {
    fn tell(&self, _: Dialect) -> Said {
        let lines = self.0.iter().map(|LinkMade { name, link }| format!("{name}: {link}\n"));
        Said::out(lines.collect::<String>())
    }
}
