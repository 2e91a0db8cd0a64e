//! `updraft chirp`, `condor_chirp`: what a running job's processes call to talk to the submit side.
//! It finds the schedd by the file that the startd wrote for the run; whether the job may do what
//! it asks, the schedd decides. How command lines read is in `words`, what is done with files in
//! `files`.

mod files;
mod words;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use classad::{AttrName, Value};
use client::Schedd;
use model::attr;
use proto::chirp::{CONFIG_FILE, CONFIG_VARIABLE, ChirpAnswer, ChirpAsk, ChirpConfig};

use crate::commands::running::chirp::words::Request;
use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::output;
use crate::line::output::complain;
use crate::render::dialect::Dialect;

/// What a job is told that has no file, or whose processes were not started by a machine at all.
const HINT: &str = "only a running job whose description has want_io_proxy = true can call";

/// Called by a running job with want_io_proxy = true: reads and sets its own attributes, writes to
/// its log, and copies files from and to the folder that it was submitted from.
#[derive(Debug, Args)]
#[command(override_usage = "updraft chirp COMMAND ARGUMENTS", after_help = words::COMMANDS)]
pub struct ChirpArgs {
    /// A command and what it takes; see below.
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    words: Vec<String>,
}

/// Does it.
///
/// # Errors
///
/// If this is no process of a job that may call, the schedd refuses, or a file cannot be used.
pub fn run(args: &ChirpArgs, call: &Call) -> Result<ExitCode> {
    let request = match words::read(&args.words) {
        Ok(request) => request,
        Err(mistake) => {
            complain(&format!("{}: {mistake}\n", call.name));
            let wrong = if call.dialect == Dialect::HtCondor { Exit::Failed } else { Exit::Usage };
            return Ok(wrong.into());
        }
    };
    perform(request, &mut Line::open()?)?;
    Ok(Exit::Done.into())
}

fn perform(request: Request, line: &mut Line) -> Result<()> {
    match request {
        Request::Get { name, is_delayed } => {
            let value = line.get(name, is_delayed)?;
            Ok(output::put(&format!("{value}\n"))?)
        }
        Request::Set { name, value, is_delayed } => {
            line.done(ChirpAsk::Set { name, value, is_delayed })
        }
        Request::Log(text) => line.done(ChirpAsk::Log(text)),
        Request::OnFiles(what) => files::perform(what, &line.folder()?),
    }
}

/// A connection to the schedd, as one run.
struct Line {
    client: Schedd,
    config: ChirpConfig,
}

impl Line {
    fn open() -> Result<Self> {
        let config = config()?;
        let client = Schedd::at_restarting(&config.schedd).context("call the submit side")?;
        Ok(Self { client, config })
    }

    fn ask(&mut self, ask: ChirpAsk) -> Result<ChirpAnswer> {
        match self.client.chirp(self.config.run, ask)? {
            ChirpAnswer::Refused(refusal) => Err(refusal.into()),
            answer => Ok(answer),
        }
    }

    fn done(&mut self, ask: ChirpAsk) -> Result<()> {
        self.ask(ask).map(drop)
    }

    /// The text of an attribute. HTCondor 25.14 says of one that the job does not have what stands
    /// here.
    fn get(&mut self, name: AttrName, is_delayed: bool) -> Result<String> {
        match self.ask(ChirpAsk::Get { name, is_delayed })? {
            ChirpAnswer::Value(Some(value)) => Ok(value.to_string()),
            ChirpAnswer::Value(None) | ChirpAnswer::Done | ChirpAnswer::Refused(_) => {
                Ok("UNDEFINED".to_owned())
            }
        }
    }

    /// The folder that the job was submitted from. It is asked for, and so is whether this run may
    /// still speak for the job.
    fn folder(&mut self) -> Result<PathBuf> {
        let iwd = ChirpAsk::Get { name: attr::IWD.into(), is_delayed: false };
        let folder = match self.ask(iwd)? {
            ChirpAnswer::Value(Some(value)) => {
                value.as_literal().and_then(Value::as_str).map(PathBuf::from)
            }
            ChirpAnswer::Value(None) | ChirpAnswer::Done | ChirpAnswer::Refused(_) => None,
        };
        folder.ok_or_else(|| anyhow!("the job does not say which folder it was submitted from"))
    }
}

/// Whom to call, as the startd wrote it down.
fn config() -> Result<ChirpConfig> {
    let named = env::var_os(CONFIG_VARIABLE).map(PathBuf::from);
    let scratch = || Some(Path::new(&env::var_os("_CONDOR_SCRATCH_DIR")?).join(CONFIG_FILE));
    let path = named.or_else(scratch).ok_or_else(|| anyhow!("nobody to call: {HINT}"))?;
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(anyhow!("nobody to call, for there is no {}: {HINT}", path.display()));
        }
        read => read.with_context(|| format!("read {}", path.display()))?,
    };
    let what = || format!("read {}: it does not say whom this job calls", path.display());
    serde_json::from_str(&text).with_context(what)
}
