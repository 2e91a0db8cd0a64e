//! `updraft run FILE`: a private pool for one submission. It starts one in a temporary folder,
//! submits, shows how the jobs get on, says how each ended and where the output is, and takes the
//! pool away again. What a pool is: [`crate::pool`].

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use clap::Args;
use classad::{AttrName, ClassAd, Value};
use client::progress::Progress;
use client::{AskError, HOME_VARIABLE, Home};
use model::job_ad::{NULL, Stream, Streams, initial_directory};
use model::{JobId, Seq, attr};
use proto::client::{Query, Select};

use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::output::complain;
use crate::pool::{self, PoolSettings};
use crate::render::pools::{Ends, Ran};

/// Run a submit description in a private pool, from start to end.
///
/// It is submitted from the folder that it is in: what it names is looked for there, and the output
/// comes there.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The submit description.
    file: PathBuf,
    /// Processors to offer (default: all).
    #[arg(long)]
    cpus: Option<u32>,
    /// Memory to offer, MiB (default: all).
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// Say how the jobs ended, and where their output is, as JSON.
    #[arg(long)]
    json: bool,
}

/// What a shell sees of a command that was interrupted.
const INTERRUPTED: i32 = 130;

/// Does it. The exit code is 0 if every job ended with exit code 0, else 1.
///
/// # Errors
///
/// If the pool does not come up or the description cannot be submitted.
pub fn run(args: &RunArgs, call: &Call) -> Result<Outcome> {
    let program = std::env::current_exe().context("find this program's own file")?;
    let folder = tempfile::Builder::new()
        .prefix("updraft-run-")
        .tempdir()
        .context("make a folder for a private pool")?;
    let home = Home::at(folder.path());
    // Should this command be killed, its pool ends all the same.
    let _owned = pool::own(&home, &program)?;
    stop_when_interrupted(home.clone());
    let settings =
        PoolSettings { cpus: args.cpus, memory_mib: args.memory, ..PoolSettings::default() };
    pool::start(&home, &settings, &program)?;
    let ran = run_in(&home, &program, args);
    pool::stop(&home, pool::Runs::End)?;
    let ran = ran?;
    let exit = if ran.all_succeeded { Exit::Done } else { Exit::Failed };
    Ok(Outcome::of(&ran, args.json, call, exit))
}

fn run_in(home: &Home, program: &Path, args: &RunArgs) -> Result<Ran> {
    let jobs = submit(home, program, &args.file)?;
    let mut progress = Progress::of(jobs);
    let mut line = Line::new();
    let followed = home.follow(Seq(1), Select::All, |events| {
        events.iter().for_each(|event| progress.note(event));
        line.show(&progress.line());
        let is_over = progress.is_settled();
        Ok::<_, AskError>(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    line.end();
    followed.context("follow the jobs")?;
    Ok(Ran {
        all_succeeded: progress.all_succeeded(),
        ends: progress.ways().into_iter().map(|(jobs, how)| Ends { jobs, how }).collect(),
        output: outputs(home)?,
        summary: progress.summary(),
    })
}

/// Submits with the ordinary command, so that what it says and refuses is what a user knows, from
/// the folder of the description, which may be run from anywhere. Gives the number of jobs.
fn submit(home: &Home, program: &Path, file: &Path) -> Result<u64> {
    let name =
        file.file_name().with_context(|| format!("submit {}: it is no file", file.display()))?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let output = Command::new(program)
        .args(["submit", "-terse"])
        .arg(name)
        .current_dir(folder.unwrap_or(Path::new(".")))
        .env(HOME_VARIABLE, home.dir())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("start the submit command")?;
    if !output.status.success() {
        bail!("submit {}: nothing was run", file.display());
    }
    // `-terse` prints a line `first - last` for each cluster.
    let text = String::from_utf8_lossy(&output.stdout);
    let count = |line: &str| -> Option<u64> {
        let (first, last) = line.split_once(" - ")?;
        let (first, last): (JobId, JobId) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        Some(u64::from(last.proc.0 - first.proc.0) + 1)
    };
    Ok(text.lines().filter_map(count).sum())
}

/// Where the jobs' output is: one line for each kind and folder.
fn outputs(home: &Home) -> Result<Vec<String>> {
    let projection = [attr::IWD, attr::OUT, attr::ERR, attr::USER_LOG].map(AttrName::from).to_vec();
    let query = Query { projection, finished: true, ..Query::of(Select::All) };
    let mut places: BTreeMap<(&str, PathBuf), Vec<String>> = BTreeMap::new();
    for ad in home.schedd()?.jobs(query)? {
        note_outputs(&ad, &mut places);
    }
    Ok(places.into_iter().map(|((kind, folder), names)| place(kind, &folder, names)).collect())
}

fn note_outputs(ad: &ClassAd, places: &mut BTreeMap<(&str, PathBuf), Vec<String>>) {
    let iwd = initial_directory(ad).unwrap_or(Path::new(""));
    let Streams { stdout, stderr, .. } = Streams::of(ad);
    let path = |stream: Option<Stream<'_>>| stream.map(|stream| stream.below(iwd));
    let log = ad.literal(attr::USER_LOG).and_then(Value::as_str).filter(|path| *path != NULL);
    let log = log.map(|path| iwd.join(path));
    for (kind, path) in [("stdout", path(stdout)), ("stderr", path(stderr)), ("log", log)] {
        let Some(path) = path else { continue };
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let file =
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let files = places.entry((kind, folder)).or_default();
        if !files.contains(&file) {
            files.push(file);
        }
    }
}

fn place(kind: &str, folder: &Path, mut names: Vec<String>) -> String {
    names.sort();
    match &names[..] {
        [one] => format!("{kind}: {}", folder.join(one).display()),
        [first, .., last] => {
            format!("{kind}: {} files in {}, {first} to {last}", names.len(), folder.display())
        }
        [] => String::new(),
    }
}

/// A line that shows progress: redrawn on a terminal; elsewhere only the last state is of use.
struct Line {
    live: bool,
    last: String,
}

impl Line {
    fn new() -> Self {
        Self { live: io::stderr().is_terminal(), last: String::new() }
    }

    fn show(&mut self, text: &str) {
        if self.live && text != self.last {
            let gap = " ".repeat(self.last.len().saturating_sub(text.len()));
            let _ = write!(io::stderr(), "\r{text}{gap}");
        }
        text.clone_into(&mut self.last);
    }

    fn end(&self) {
        let start = if self.live { "\r" } else { "" };
        let _ = writeln!(io::stderr(), "{start}{}", self.last);
    }
}

/// The pool must not outlive the command that it is private to.
fn stop_when_interrupted(home: Home) {
    thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return;
        };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            complain("\ninterrupted: stopping the jobs and the pool\n");
            let _ = pool::stop(&home, pool::Runs::End);
            let _ = std::fs::remove_dir_all(home.dir());
            std::process::exit(INTERRUPTED);
        }
    });
}
