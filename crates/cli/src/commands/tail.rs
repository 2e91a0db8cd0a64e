//! `updraft tail`, `condor_tail`: what a running job writes, from the machine on which it runs.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use jiff::tz::TimeZone;
use model::{JobId, attr};
use proto::client::{Answer, Ask, Query, ReadFrom, RunFile, Select, Selector};
use proto::command::{AskError, Client};

use crate::connect;
use crate::exit::Exit;
use crate::place::Where;
use crate::render::view::{Moment, View, status};
use crate::verbs::Call;

/// Options of HTCondor's `condor_tail` that are not built.
pub const NOT_YET: &[&str] = &["auto-retry", "debug"];

/// How often a file that grows is looked at: soon for a person, cheap for the machine.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is read at once while a file is followed.
const FOLLOW_BYTES: u32 = 64 << 10;

/// Show the end of what a running job has written.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// The job, CLUSTER.PROC (CLUSTER is its first job), and files in its folder.
    #[arg(value_name = "JOB [FILES]", required = true)]
    words: Vec<String>,
    /// Go on as the files grow, until the job ends.
    #[arg(long, short, visible_alias = "f")]
    follow: bool,
    /// At most so many bytes of each file at the beginning.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    maxbytes: u32,
    #[command(flatten)]
    at: Where,
    /// Also what it writes to its standard error.
    #[arg(long)]
    stderr: bool,
    /// Not what it writes to its standard output.
    #[arg(long)]
    no_stdout: bool,
}

/// A file that is shown, and how far.
struct Shown {
    file: RunFile,
    next: Option<u64>,
}

/// Does it.
///
/// # Errors
///
/// If the job does not run, or its machine cannot be asked.
pub fn run(args: &TailArgs, _: &Call) -> Result<ExitCode> {
    args.at.check()?;
    let Some((job, names)) = args.words.split_first() else { bail!("tail needs a job") };
    let job = the_job(job)?;
    let outputs = running(job)?;
    let mut files: Vec<Shown> = files(args, names);
    let mut startd = connect::startd()?;
    for shown in &mut files {
        show(&mut startd, job, shown, args.maxbytes)?;
    }
    if args.follow {
        follow(&mut startd, job, &mut files, &outputs)?;
    }
    Ok(Exit::Done.into())
}

fn the_job(word: &str) -> Result<JobId> {
    match (word.parse(), word.parse()) {
        (Ok(job), _) => Ok(job),
        (Err(_), Ok(cluster)) => Ok(JobId::new(cluster, 0)),
        (Err(_), Err(_)) => bail!("'{word}' is no job: write CLUSTER.PROC"),
    }
}

fn files(args: &TailArgs, names: &[String]) -> Vec<Shown> {
    let mut files = Vec::new();
    if !args.no_stdout && names.is_empty() {
        files.push(RunFile::Stdout);
    }
    if args.stderr {
        files.push(RunFile::Stderr);
    }
    files.extend(names.iter().cloned().map(RunFile::Named));
    files.into_iter().map(|file| Shown { file, next: None }).collect()
}

/// Where a job's two outputs are when it has ended. (HTCondor's command waits for ever for a job that does not run.)
struct Outputs {
    stdout: Option<PathBuf>,
    stderr: Option<PathBuf>,
}

fn running(job: JobId) -> Result<Outputs> {
    let mut schedd = connect::schedd()?;
    let select = Select::Any(vec![Selector::Job(job)]);
    let found = connect::jobs(&mut schedd, Query::of(select.clone()))?;
    let Some(ad) = found.first() else {
        let past = Query { finished: true, ..Query::of(select) };
        if connect::jobs(&mut schedd, past)?.is_empty() {
            bail!("job {job} not found");
        }
        bail!("job {job} has ended: its output is where its submit file says");
    };
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::UTC);
    let view = View::new(ad, &moment);
    let why = match view.status() {
        status::RUNNING | status::SUSPENDED | status::TRANSFERRING_OUTPUT => {
            let iwd = view.text(attr::IWD).unwrap_or_default();
            let path = |name| view.text(name).map(|file| Path::new(&iwd).join(file));
            return Ok(Outputs { stdout: path(attr::OUT), stderr: path(attr::ERR) });
        }
        status::IDLE => "is idle",
        status::HELD => "is held",
        _ => "has ended",
    };
    bail!("job {job} {why}: there is no running output to show")
}

/// Shows what there is of a file from where it was shown last. Gives whether there may be more at once.
fn show(startd: &mut Client, job: JobId, shown: &mut Shown, max_bytes: u32) -> Result<bool> {
    let from = shown.next.map_or(ReadFrom::End, ReadFrom::Offset);
    match startd.ask(Ask::ReadRun { job, file: shown.file.clone(), from, max_bytes })? {
        Answer::FilePart { offset, bytes } => {
            put(&bytes)?;
            shown.next = Some(offset + bytes.len() as u64);
            Ok(!bytes.is_empty())
        }
        other => Err(connect::unexpected("tail", &other).into()),
    }
}

/// Goes on until the job does not run any more; then shows what it wrote last.
fn follow(startd: &mut Client, job: JobId, files: &mut [Shown], outputs: &Outputs) -> Result<()> {
    loop {
        let mut more = false;
        for shown in files.iter_mut() {
            match show(startd, job, shown, FOLLOW_BYTES) {
                Ok(grown) => more |= grown,
                // It ended: that is what was waited for.
                Err(error) if matches!(error.downcast_ref(), Some(AskError::Refused(_))) => {
                    return files.iter().try_for_each(|shown| show_rest(shown, outputs));
                }
                Err(error) => return Err(error),
            }
        }
        if !more {
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// The end of an output, from where the job has left it: its user can read it.
fn show_rest(shown: &Shown, outputs: &Outputs) -> Result<()> {
    let path = match shown.file {
        RunFile::Stdout => &outputs.stdout,
        RunFile::Stderr => &outputs.stderr,
        RunFile::Named(_) => return Ok(()),
    };
    let (Some(path), Some(next)) = (path, shown.next) else { return Ok(()) };
    let Ok(bytes) = fs::read(path) else { return Ok(()) };
    let next = usize::try_from(next).unwrap_or(usize::MAX);
    put(bytes.get(next..).unwrap_or_default())?;
    Ok(())
}

fn put(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
