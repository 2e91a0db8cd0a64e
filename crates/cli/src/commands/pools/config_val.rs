//! `updraft config_val`, `condor_config_val`: the settings of the pool, and where each comes from.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use clap::Args;
use classad::{ClassAd, Env, Expr};
use serde_json::{Value, json};

use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::release;
use crate::pool;
use crate::pool::configuration::known;
use crate::pool::configuration::{self, Loaded};
use crate::render::dialect::Dialect;
use crate::render::said::{self, Said};
use client::home::Home;

/// Options of HTCondor's `condor_config_val` that are not built.
pub const NOT_YET: &[&str] = &[
    "set",
    "rset",
    "unset",
    "runset",
    "macro",
    "mixedcase",
    "local-name",
    "name",
    "pool",
    "address",
    "owner",
    "tilde",
    "writeconfig",
    "root-config",
    "stats",
    "schedd",
    "startd",
    "master",
    "collector",
    "negotiator",
];

/// Print settings of the pool, as its configuration has them now. A name that is not known is "Not
/// defined", as in HTCondor.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own on the command line"
)]
pub struct ConfigValArgs {
    /// Settings.
    #[arg(value_name = "NAMES")]
    names: Vec<String>,
    /// All settings, or those whose name has one of NAMES in it.
    #[arg(long)]
    dump: bool,
    /// The settings of each file, in order.
    #[arg(long)]
    summary: bool,
    /// The settings of files and environment that nothing reads.
    #[arg(long)]
    unused: bool,
    /// Also where a setting comes from.
    #[arg(long, short = 'v')]
    verbose: bool,
    /// Values as they are written.
    #[arg(long)]
    raw: bool,
    /// Values with the macros in them expanded: as always, but for --dump and --summary.
    #[arg(long)]
    expand: bool,
    /// Values evaluated, as the expressions that they are.
    #[arg(long)]
    evaluate: bool,
    /// What holds where nothing is set.
    #[arg(long)]
    default: bool,
    /// Settings as this daemon has them (NEGOTIATOR, STARTD, SCHEDD).
    #[arg(long, value_name = "DAEMON")]
    subsystem: Option<String>,
    /// The files of the configuration.
    #[arg(long)]
    config: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// A setting to be shown.
struct Shown {
    name: String,
    raw: String,
    source: String,
    line: Option<usize>,
}

/// What `-verbose` calls the place of a setting that no file has (HTCondor 25.14).
const DEFAULT: &str = "<Default>";

/// Does it.
///
/// # Errors
///
/// If the configuration cannot be read.
pub fn run(args: &ConfigValArgs, call: &Call) -> Result<Outcome> {
    let home = Home::from_environment();
    let mut settings = pool::settings(&home)?;
    if !home.is_supervised() {
        // what the pool would have if it were started from here
        settings.environment = configuration::environment();
    }
    let view = View { loaded: configuration::load(&home, &settings)?, args };
    if args.config {
        return Ok(Outcome::done(view.files(&home)));
    }
    let all = view.selected();
    if args.json && call.dialect == Dialect::Updraft {
        let some: Result<BTreeMap<String, Value>> =
            all.iter().map(|shown| Ok((shown.name.clone(), view.json(shown)?))).collect();
        return Ok(Outcome::done(said::json(&some?)));
    }
    if args.summary {
        return Ok(Outcome::done(view.summary(&all)?));
    }
    if args.dump || args.unused {
        let lines: Result<String> = all.iter().map(|shown| view.line(shown)).collect();
        return Ok(Outcome::done(lines?));
    }
    if args.names.is_empty() {
        let usage = format!("Usage: {} [-dump] [-summary] [-verbose] NAMES\n", call.name);
        let of_htcondor = call.dialect == Dialect::HtCondor;
        let exit = if of_htcondor { Exit::Failed } else { Exit::Usage };
        return Ok(Outcome { said: Said::err(usage), exit: exit.into() });
    }
    view.values()
}

/// The configuration, and what is wanted of it.
struct View<'a> {
    loaded: Loaded,
    args: &'a ConfigValArgs,
}

impl View<'_> {
    /// One setting, for the daemon that is meant.
    fn find(&self, name: &str) -> Option<Shown> {
        let configuration = &self.loaded.configuration;
        let default = configuration.predefined(name).map(|raw| Shown {
            name: name.to_ascii_uppercase(),
            raw: raw.to_owned(),
            source: DEFAULT.to_owned(),
            line: None,
        });
        if self.args.default {
            return default;
        }
        let subsystem = self.args.subsystem.as_ref().map(|name| name.to_ascii_uppercase());
        let assigned = configuration.assignment(subsystem.as_deref(), name);
        let assigned = assigned.map(|found| Shown {
            name: name.to_ascii_uppercase(),
            raw: found.raw,
            source: found.source,
            line: found.line,
        });
        // an empty value is none (HTCondor 25.14)
        assigned.filter(|shown| !shown.raw.is_empty()).or(default)
    }

    /// The settings that are named, one after the other.
    fn values(&self) -> Result<Outcome> {
        let mut said = Said::default();
        for name in &self.args.names {
            match self.find(name) {
                Some(shown) if self.args.verbose => said.out += &self.line(&shown)?,
                Some(shown) => said.out += &format!("{}\n", self.value(&shown)?),
                None => said.err += &format!("Not defined: {name}\n"),
            }
        }
        let exit = if said.err.is_empty() { Exit::Done } else { Exit::Failed };
        Ok(Outcome { said, exit: exit.into() })
    }

    /// The settings that the options and the parts of names select.
    fn selected(&self) -> Vec<Shown> {
        let assigned = || {
            let all = if self.args.unused {
                self.loaded.unread()
            } else {
                self.loaded.configuration.assignments()
            };
            all.into_iter().map(|found| Shown {
                name: found.name,
                raw: found.raw,
                source: found.source,
                line: found.line,
            })
        };
        let mut all: Vec<Shown> = assigned().collect();
        if !self.args.summary && !self.args.unused {
            let names = known::names().into_iter().map(str::to_owned);
            let names: Vec<String> =
                names.chain(all.iter().map(|shown| shown.name.to_ascii_uppercase())).collect();
            all = names.iter().filter_map(|name| self.find(name)).collect();
            all.sort_by(|a, b| a.name.cmp(&b.name));
            all.dedup_by(|a, b| a.name == b.name);
        }
        let wanted = |shown: &Shown| {
            let name = shown.name.to_ascii_uppercase();
            let has = |part: &String| name.contains(&part.to_ascii_uppercase());
            self.args.names.is_empty() || self.args.names.iter().any(has)
        };
        all.retain(wanted);
        all
    }

    fn value(&self, shown: &Shown) -> Result<String> {
        let many = self.args.dump || self.args.summary || self.args.unused;
        if self.args.raw || many && !self.args.expand && !self.args.evaluate {
            return Ok(shown.raw.clone());
        }
        let expanded = self.loaded.configuration.expand(&shown.raw, &self.loaded.site)?;
        if !self.args.evaluate {
            return Ok(expanded);
        }
        let expr = Expr::parse(&expanded)
            .with_context(|| format!("evaluate {} = {expanded}", shown.name))?;
        let value = ClassAd::new().eval_expr(&expr, None, &Env::at(0));
        Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// `NAME = value`, and with `-verbose` where it comes from.
    fn line(&self, shown: &Shown) -> Result<String> {
        let Shown { name, raw, source, line } = shown;
        let mut text = format!("{name} = {}\n", self.value(shown)?);
        if self.args.verbose {
            let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
            text += &format!(" # at: {source}{line}\n # raw: {name} = {raw}\n\n");
        }
        Ok(text)
    }

    fn json(&self, shown: &Shown) -> Result<Value> {
        let value = self.value(shown)?;
        Ok(match self.args.verbose {
            true => json!({
                "value": value,
                "raw": shown.raw,
                "source": shown.source,
                "line": shown.line,
            }),
            false => value.into(),
        })
    }

    /// What each file sets, as `condor_config_val -summary` 25.14 prints it.
    fn summary(&self, all: &[Shown]) -> Result<String> {
        let mut text = format!("# condor_config_val {}\n", release::condor_version());
        let mut source = "";
        for shown in all {
            if shown.source != source {
                source = &shown.source;
                text += &format!("\n#\n# from {source}\n#\n");
            }
            text += &format!("{} = {}\n", shown.name, self.value(shown)?);
        }
        Ok(text)
    }

    fn files(&self, home: &Home) -> String {
        let mut text = format!("Configuration source:\n\t{}\n", home.config().display());
        let main = home.config();
        let more: Vec<_> = self.loaded.files.iter().filter(|path| **path != main).collect();
        if !more.is_empty() {
            text += "Local configuration sources:\n";
        }
        for path in more {
            text += &format!("\t{}\n", path.display());
        }
        text
    }
}
