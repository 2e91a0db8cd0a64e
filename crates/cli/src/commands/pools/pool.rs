//! `updraft pool start | stop | status | reconfig`: a personal pool. What a pool is, is in
//! [`crate::pool`]; this reads words and prints some.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::commands::pools::daemon::mail_route;
use crate::commands::pools::reconfig::reconfig;
use crate::commands::pools::reconfig::warn;
use crate::line::output;
use crate::pool::{self, Settings, Started};
use crate::render::dialect::Dialect;
use crate::render::said;
use client::home::Home;

/// A personal pool on this machine: no root, and no configuration needed.
#[derive(Debug, Args)]
pub struct PoolArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Starts the pool, or what of it has died, and returns when it accepts jobs.
    Start {
        /// Its folder (default: $UPDRAFT_HOME, else the user's state folder).
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Processors to offer (default: all).
        #[arg(long)]
        cpus: Option<u32>,
        /// Memory to offer, MiB (default: all).
        #[arg(long, value_name = "MIB")]
        memory: Option<u64>,
        /// Say what came of it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Stops the pool. Running jobs are stopped and wait in the queue for the next start.
    Stop {
        /// Its folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Say what came of it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Makes a pool that runs take its configuration (`config` and `config.d` in its folder) as it
    /// is now. Running jobs go on.
    Reconfig {
        /// Its folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Copies the queue, with history and record, into one file, while the pool works or not.
    Backup {
        /// The file to write; it must not exist.
        file: PathBuf,
        /// The pool's folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Puts a copy of the queue back. What runs is ended first, because the queue that comes back
    /// does not know of it; the queue that was there is kept beside it.
    Restore {
        /// The file that `pool backup` wrote.
        file: PathBuf,
        /// The pool's folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says how each process of the pool is. Exit code 3 if the pool does not run.
    Status {
        /// Its folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What `status` says of a pool that does not run, as `systemctl status` does.
const NOT_RUNNING: u8 = 3;

/// Does what the words say.
///
/// # Errors
///
/// If the pool cannot be started, stopped or asked.
pub fn run(args: PoolArgs) -> Result<ExitCode> {
    match args.action {
        Action::Start { dir, cpus, memory, json } => {
            start(&home(dir), &Settings { cpus, memory_mib: memory, ..Settings::default() }, json)
        }
        Action::Stop { dir, json } => stop(&home(dir), json),
        Action::Reconfig { dir, json } => reconfig(&home(dir), json, Dialect::Updraft),
        Action::Backup { file, dir, json } => {
            let home = home(dir);
            pool::backup(&home, &file)?;
            copied(json, home.dir(), &file, &format!("The queue is copied to {}.", file.display()))
        }
        Action::Restore { file, dir, json } => {
            let home = home(dir);
            pool::restore(&home, &file)?;
            let words =
                format!("The queue in {} is that of {}.", home.dir().display(), file.display());
            copied(json, home.dir(), &file, &words)
        }
        Action::Status { dir, json } => status(&home(dir), json),
    }
}

/// Says that a queue was copied, from or to a file.
fn copied(json: bool, pool: &Path, file: &Path, words: &str) -> Result<ExitCode> {
    if json {
        output::put(&said::json(&serde_json::json!({ "pool": pool, "file": file })))?;
    } else {
        say(words)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One line, for whoever still reads.
fn say(line: &str) -> std::io::Result<()> {
    output::put(&format!("{line}\n"))
}

fn home(dir: Option<PathBuf>) -> Home {
    // A daemon runs elsewhere: what a person calls `./pool` must mean the same to it.
    dir.map_or_else(Home::from_environment, |dir| {
        Home::at(&std::path::absolute(&dir).unwrap_or(dir))
    })
}

fn start(home: &Home, settings: &Settings, json: bool) -> Result<ExitCode> {
    // A mistake is told here, where somebody reads it, and not in a daemon's log.
    mail_route()?;
    let started = pool::start(home, settings, &std::env::current_exe()?)?;
    warn(home)?;
    let dir = home.dir().display();
    if json {
        let (started, processes) = match started {
            Started::Fresh => ("fresh", None),
            Started::Already => ("already", None),
            Started::Revived { processes } => ("revived", Some(processes)),
        };
        let said =
            serde_json::json!({ "dir": dir.to_string(), "started": started, "revived": processes });
        output::put(&said::json(&said))?;
        return Ok(ExitCode::SUCCESS);
    }
    match started {
        Started::Fresh => say(&format!("The pool in {dir} accepts jobs."))?,
        Started::Already => {
            say(&format!("The pool in {dir} runs already."))?;
            if !pool::configuration_changes(home)?.is_empty() {
                say("Its configuration has changed since:  updraft pool reconfig")?;
            }
        }
        Started::Revived { processes } => {
            say(&format!(
                "The pool in {dir} ran; {processes} of its processes had died and run again."
            ))?;
        }
    }
    if home != &Home::from_environment() {
        say(&format!("Choose it for your commands:  export UPDRAFT_HOME={dir}"))?;
    }
    say("Submit a job:                 updraft submit FILE")?;
    say("See how it goes:              updraft q")?;
    Ok(ExitCode::SUCCESS)
}

fn stop(home: &Home, json: bool) -> Result<ExitCode> {
    let ran = pool::stop(home)?;
    if json {
        let said = serde_json::json!({ "dir": home.dir().display().to_string(), "ran": ran });
        output::put(&said::json(&said))?;
    } else if ran {
        say(&format!("The pool in {} is stopped. Its queue is kept.", home.dir().display()))?;
    } else {
        say(&format!("The pool in {} does not run.", home.dir().display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn status(home: &Home, json: bool) -> Result<ExitCode> {
    let all = pool::status(home)?;
    if json {
        let rows: Vec<_> = all
            .iter()
            .map(|p| {
                let identity = p.identity.as_ref();
                serde_json::json!({
                    "process": p.name,
                    "pid": p.pid,
                    "version": identity.map(|i| &i.version),
                    "since": identity.map(|i| i.since.as_secs()),
                })
            })
            .collect();
        let dir = home.dir().display().to_string();
        output::put(&said::json(&serde_json::json!({ "dir": dir, "processes": rows })))?;
    } else {
        say(&format!("Pool in {}", home.dir().display()))?;
        for p in &all {
            let state =
                p.pid.map_or_else(|| "not running".to_owned(), |pid| format!("process {pid}"));
            say(&format!("  {:<12} {state}", p.name))?;
        }
        if all.iter().any(|p| p.pid.is_none()) {
            say("Start what does not run:  updraft pool start")?;
        }
    }
    let up = all.iter().all(|p| p.pid.is_some());
    Ok(if up { ExitCode::SUCCESS } else { ExitCode::from(NOT_RUNNING) })
}
