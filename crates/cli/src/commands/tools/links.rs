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
        /// A line for each link.
        #[arg(long)]
        verbose: bool,
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
    let names: Vec<&'static str> = verbs::htcondor_names().chain(pbs::names()).collect();
    match args.action {
        Action::List { json } => Ok(Outcome::of(&Names(names), json, call, Exit::Done)),
        Action::Install { dir, verbose, json } => {
            let binary = std::env::current_exe().context("find this program's own file")?;
            let linked = install(&dir, &binary, &names)?;
            if std::env::var_os(HOME_VARIABLE).is_some_and(|home| !home.is_empty()) {
                // Who calls them without that variable means the same pool.
                remember(&dir, &Home::from_environment())?;
            }
            let refused = linked.iter().any(|(_, what)| *what == Linked::Refused);
            let links = LinksMade {
                made: linked.iter().map(|(name, what)| LinkMade::of(name, what)).collect(),
                verbose,
                is_in_path: is_in_path(&dir),
                dir,
            };
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

/// Whether a shell looks into a folder for commands.
fn is_in_path(dir: &Path) -> bool {
    let real = |dir: &Path| dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|one| real(&one) == real(dir))
}

/// The links of a folder, of which each is a row of JSON.
struct LinksMade {
    made: Vec<LinkMade>,
    verbose: bool,
    is_in_path: bool,
    dir: PathBuf,
}

impl Serialize for LinksMade {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.made.serialize(serializer)
    }
}

/// What became of a link.
#[derive(Serialize)]
struct LinkMade {
    name: &'static str,
    link: String,
    /// Whether it leads here now.
    #[serde(skip)]
    is_ours: bool,
}

impl LinkMade {
    fn of(name: &'static str, what: &Linked) -> Self {
        let link = match what {
            Linked::Made => "made".to_owned(),
            Linked::Already => "was there".to_owned(),
            Linked::Moved { from } => format!("led to {}, leads here now", from.display()),
            Linked::Refused => "something else has this name; left alone".to_owned(),
        };
        Self { name, link, is_ours: *what != Linked::Refused }
    }
}

impl Tell for LinksMade {
    fn tell(&self, _: Dialect) -> Said {
        let line = |LinkMade { name, link, .. }: &LinkMade| format!("{name}: {link}\n");
        let shown = self.made.iter().filter(|one| self.verbose || !one.is_ours);
        let mut out = shown.map(line).collect::<String>();
        let ours = self.made.iter().filter(|one| one.is_ours).count();
        let dir = self.dir.display();
        out += &format!("{ours} links in {dir} lead here; their names:  updraft links list\n");
        if !self.is_in_path {
            out += &format!("{dir} is not in $PATH:  export PATH=\"{dir}:$PATH\"\n");
        }
        Said::out(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_counted_and_those_that_could_not_be_made_are_named() {
        let made = vec![
            LinkMade::of("condor_q", &Linked::Made),
            LinkMade::of("condor_rm", &Linked::Refused),
        ];
        let mut links =
            LinksMade { made, verbose: false, is_in_path: true, dir: PathBuf::from("/bin") };
        let refused = "condor_rm: something else has this name; left alone\n";
        let count = "1 links in /bin lead here; their names:  updraft links list\n";
        assert_eq!(links.tell(Dialect::Updraft).out, format!("{refused}{count}"));
        (links.verbose, links.is_in_path) = (true, false);
        let told = links.tell(Dialect::Updraft).out;
        assert!(told.starts_with("condor_q: made\n"), "{told}");
        assert!(told.ends_with("export PATH=\"/bin:$PATH\"\n"), "{told}");
    }
}
