//! `updraft show`: one job on one page. What the page looks like is `render::jobs::one`'s.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;
use classad::ClassAd;
use jiff::tz::TimeZone;
use model::{JobId, attr};
use proto::client::{Query, ReadFrom, RunFile, Select, Selector};

use crate::line::call::Call;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::select;
use crate::render::jobs::finished;
use crate::render::jobs::history::Ended;
use crate::render::jobs::one::OneJob;
use crate::render::values::view::status;
use crate::render::values::view::{Moment, View};
use crate::render::visible::visible;

/// What is read of the end of a job's standard error, bytes.
const TAIL_BYTES: u32 = 4096;

/// Lines that are shown of it.
const TAIL_LINES: usize = 10;

/// Show one job: how it stands and why, its runs, what it asked for and used, its files, and the
/// end of its standard error.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The job, CLUSTER.PROC. CLUSTER is its first job that failed or is held, or else its first.
    job: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
///
/// If there is no such job, or the schedd cannot be asked.
pub fn run(args: &ShowArgs, call: &Call) -> Result<Outcome> {
    let selector = select::selector(&args.job);
    if let Selector::Owner(_) = selector {
        bail!("'{}' is no job: write CLUSTER.PROC or CLUSTER", args.job);
    }
    let select = Select::Any(vec![selector]);
    let mut schedd = connect::schedd()?;
    let mut ads = schedd.jobs(Query::of(select.clone()))?;
    ads.extend(schedd.jobs(Query { finished: true, ..Query::of(select) })?);
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::system());
    let Some(ad) = ads.iter().min_by_key(|ad| rank(View::new(ad, &moment))) else {
        let forgotten = schedd.totals()?.forgotten;
        bail!(finished::no_such_job(&args.job, &forgotten));
    };
    let job = View::new(ad, &moment);
    let size = |path: &Path| fs::metadata(path).ok().map(|found| found.len());
    let page = OneJob::of(job, size, stderr(ad, job));
    Ok(Outcome::of(&page, args.json, call, Exit::Done))
}

/// Who of a cluster is shown: who needs an eye first.
fn rank(job: View<'_>) -> (bool, Option<JobId>) {
    let needs_an_eye = job.status() == status::HELD || Ended::of(job).is_bad();
    (!needs_an_eye, job.job())
}

/// The last lines of a job's standard error: from its machine while it runs, else from its file.
fn stderr(ad: &ClassAd, job: View<'_>) -> Vec<String> {
    let runs = matches!(job.status(), status::RUNNING | status::SUSPENDED);
    let bytes = match job.job().filter(|_| runs) {
        Some(id) => of_run(id),
        None => None,
    };
    let text = |name: &str| ad.literal(name).and_then(classad::Value::as_str);
    let path = text(attr::ERR).filter(|path| !path.is_empty() && *path != "/dev/null");
    let of_file =
        || path.and_then(|path| end_of(&Path::new(text(attr::IWD).unwrap_or("/")).join(path)));
    let bytes = bytes.or_else(of_file).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| visible(line)).collect()
}

/// From the machine; nothing if that cannot be asked.
fn of_run(job: JobId) -> Option<Vec<u8>> {
    let mut startd = connect::startd_of(job).ok()?;
    let (_, bytes) = startd.read_run(job, RunFile::Stderr, ReadFrom::End, TAIL_BYTES).ok()?;
    Some(bytes)
}

/// The end of a plain file.
fn end_of(path: &Path) -> Option<Vec<u8>> {
    let mut file = proto::plain_file::read(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(u64::from(TAIL_BYTES)))).ok()?;
    let mut bytes = Vec::new();
    file.take(u64::from(TAIL_BYTES)).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
