//! `updraft tail`, `condor_tail`: what a running job writes, from the machine on which it runs.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use classad::{ClassAd, Value};
use client::{AskError, Schedd, Startd};
use jiff::tz::TimeZone;
use model::JobId;
use model::attr;
use model::job_ad::{Stream, Streams, initial_directory};
use proto::client::{Query, ReadFrom, RunFile, Select, Selector};

use crate::line::call::Call;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::place::Where;
use crate::render::dialect::Dialect;
use crate::render::values::view::status;
use crate::render::values::view::{Moment, View};

/// Options of HTCondor's `condor_tail` that are not built.
pub const NOT_YET: &[&str] = &[];

/// How often a file that grows is looked at: soon for a person, cheap for the machine.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often `-auto-retry` asks whether the job runs (HTCondor: every 2 s).
const RETRY_EVERY: Duration = Duration::from_secs(2);

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
    /// Wait until the job runs.
    #[arg(long)]
    auto_retry: bool,
    /// As JSON, a line for each piece: its file, where it begins, and its text.
    #[arg(long)]
    json: bool,
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
pub fn run(args: &TailArgs, call: &Call) -> Result<ExitCode> {
    args.at.check()?;
    let Some((job, names)) = args.words.split_first() else { bail!("tail needs a job") };
    let job = the_job(job)?;
    let outputs = loop {
        match running(job) {
            Err(error) if args.auto_retry && error.is::<NotYet>() => thread::sleep(RETRY_EVERY),
            found => break found?,
        }
    };
    let form = if args.json && call.dialect == Dialect::Updraft { Form::Json } else { Form::Bytes };
    let mut files: Vec<Shown> = files(args, names);
    let mut startd = connect::startd_of(job)?;
    for shown in &mut files {
        show(&mut startd, job, shown, args.maxbytes, form)?;
    }
    if args.follow {
        follow(&mut startd, job, &mut files, &outputs, form)?;
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

/// How what is read is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it is.
    Bytes,
    /// A line of JSON for each piece.
    Json,
}

/// A job that does not run, and still may.
#[derive(Debug, thiserror::Error)]
#[error("job {job} {why}: there is no running output to show")]
struct NotYet {
    job: JobId,
    why: &'static str,
}

/// Where a job's two outputs are when its run is over, and which run that is. (HTCondor's command
/// waits for ever for a job that does not run.)
struct Outputs {
    stdout: Option<PathBuf>,
    stderr: Option<PathBuf>,
    run: Option<i64>,
}

impl Outputs {
    fn of(ad: &ClassAd) -> Self {
        let iwd = initial_directory(ad).unwrap_or(Path::new(""));
        let Streams { stdout, stderr, .. } = Streams::of(ad);
        let path = |stream: Option<Stream<'_>>| stream.map(|stream| stream.below(iwd));
        let run = ad.literal(attr::NUM_SHADOW_STARTS).and_then(Value::as_i64);
        Self { stdout: path(stdout), stderr: path(stderr), run }
    }
}

fn running(job: JobId) -> Result<Outputs> {
    let mut schedd = connect::schedd()?;
    let Some(ad) = queued(&mut schedd, job)? else {
        let past = Query { finished: true, ..Query::of(Select::Any(vec![Selector::Job(job)])) };
        let ended = schedd.jobs(past)?;
        let Some(ad) = ended.first() else { bail!("job {job} not found") };
        let Outputs { stdout, stderr, .. } = Outputs::of(ad);
        let there = [stdout, stderr].into_iter().flatten().filter(|path| path.is_file());
        let there: Vec<String> = there.map(|path| path.display().to_string()).collect();
        match there.is_empty() {
            true => bail!("job {job} has ended, and no file is there that it wrote to"),
            false => bail!("job {job} has ended: what it wrote is in {}", there.join(" and ")),
        }
    };
    if is_under_way(&ad) {
        return Ok(Outputs::of(&ad));
    }
    let why = match status_of(&ad) {
        status::IDLE => "is idle",
        status::HELD => "is held",
        _ => bail!("job {job} has ended: there is no running output to show"),
    };
    Err(NotYet { job, why }.into())
}

fn queued(schedd: &mut Schedd, job: JobId) -> Result<Option<ClassAd>> {
    Ok(schedd.jobs(Query::of(Select::Any(vec![Selector::Job(job)])))?.pop())
}

fn status_of(ad: &ClassAd) -> i64 {
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::UTC);
    View::new(ad, &moment).status()
}

fn is_under_way(ad: &ClassAd) -> bool {
    matches!(status_of(ad), status::RUNNING | status::SUSPENDED | status::TRANSFERRING_OUTPUT)
}

/// Waits until a run is over whose program has ended: what it wrote last may still be on its way.
fn wait_for_outputs(job: JobId, run: Option<i64>) -> Result<()> {
    let is_going_on = |ad: &ClassAd| is_under_way(ad) && Outputs::of(ad).run == run;
    while queued(&mut connect::schedd()?, job)?.is_some_and(|ad| is_going_on(&ad)) {
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Shows what there is of a file from where it was shown last. Gives whether there may be more at
/// once.
fn show(
    startd: &mut Startd,
    job: JobId,
    shown: &mut Shown,
    max_bytes: u32,
    form: Form,
) -> Result<bool> {
    let from = shown.next.map_or(ReadFrom::End, ReadFrom::Offset);
    let (offset, bytes) = startd.read_run(job, shown.file.clone(), from, max_bytes)?;
    put(&shown.file, offset, &bytes, form)?;
    shown.next = Some(offset + bytes.len() as u64);
    Ok(!bytes.is_empty())
}

/// Goes on until the job does not run any more; then shows what it wrote last.
fn follow(
    startd: &mut Startd,
    job: JobId,
    files: &mut [Shown],
    outputs: &Outputs,
    form: Form,
) -> Result<()> {
    loop {
        let mut more = false;
        for shown in files.iter_mut() {
            match show(startd, job, shown, FOLLOW_BYTES, form) {
                Ok(grown) => more |= grown,
                // It ended: that is what was waited for.
                Err(error) if matches!(error.downcast_ref(), Some(AskError::Refused(_))) => {
                    wait_for_outputs(job, outputs.run)?;
                    return files.iter().try_for_each(|shown| show_rest(shown, outputs, form));
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
fn show_rest(shown: &Shown, outputs: &Outputs, form: Form) -> Result<()> {
    let path = match shown.file {
        RunFile::Stdout => &outputs.stdout,
        RunFile::Stderr => &outputs.stderr,
        RunFile::Named(_) => return Ok(()),
    };
    let (Some(path), Some(next)) = (path, shown.next) else { return Ok(()) };
    let Ok(bytes) = fs::read(path) else { return Ok(()) };
    let from = usize::try_from(next).unwrap_or(usize::MAX);
    put(&shown.file, next, bytes.get(from..).unwrap_or_default(), form)?;
    Ok(())
}

fn put(file: &RunFile, offset: u64, bytes: &[u8], form: Form) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match form {
        Form::Bytes => out.write_all(bytes)?,
        Form::Json if bytes.is_empty() => {}
        Form::Json => {
            let name = match file {
                RunFile::Stdout => "stdout",
                RunFile::Stderr => "stderr",
                RunFile::Named(name) => name,
            };
            let text = String::from_utf8_lossy(bytes);
            let line = serde_json::json!({ "file": name, "offset": offset, "text": text });
            writeln!(out, "{line}")?;
        }
    }
    out.flush()
}
