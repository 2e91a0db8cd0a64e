//! `updraft transfer_data`, `condor_transfer_data`: fetches what jobs that were submitted with
//! `-spool` have made, to where it would have gone without.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use classad::{AttrName, ClassAd, Value};
use client::Schedd;
use client::site::me;
use model::spooling::{self, Destination, Destinations};
use model::{JobId, attr};
use proto::client::{Query, Select};
use proto::files::{Content, Inbox, Piece};

use crate::commands::acting::act;
use crate::line::call::Call;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::place::Where;
use crate::render::acting::{Fetched, FetchedAll, Part};
use crate::render::dialect::Dialect;

/// Options of `condor_transfer_data` that are not built.
pub const NOT_YET: &[&str] = &["addr", "stm"];

/// Fetch what jobs that were submitted with -spool have made.
#[derive(Debug, clap::Args)]
pub struct TransferDataArgs {
    /// Jobs: CLUSTER, CLUSTER.PROC or USER.
    #[arg(value_name = "JOBS")]
    jobs: Vec<String>,
    /// Jobs of yours for which this expression is true.
    #[arg(long, short = 'c', value_name = "EXPR", allow_hyphen_values = true)]
    constraint: Option<String>,
    /// All of your jobs.
    #[arg(long, short = 'a')]
    all: bool,
    /// Say what was fetched as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

/// Does it.
///
/// # Errors
///
/// If no jobs are named, the schedd cannot be asked, or a file cannot be fetched.
pub fn run(args: &TransferDataArgs, call: &Call) -> Result<Outcome> {
    args.at.check()?;
    let parts = act::parts(&args.jobs, args.constraint.as_ref(), args.all)?;
    let mut client = connect::schedd()?;
    let mut ads = BTreeMap::new();
    for part in parts {
        // Without a name it is one's own that are meant.
        let mine = !matches!(part, Part::One(_));
        for ad in client.jobs(query(part.select()))? {
            let is_mine = text(&ad, attr::OWNER) == Some(&me());
            if let Some(job) = id(&ad).filter(|_| is_mine || !mine) {
                ads.insert(job, ad);
            }
        }
    }
    drop(client);
    let of_htcondor = call.dialect == Dialect::HtCondor;
    let mut all = FetchedAll {
        command: call.name.clone(),
        fetched: Vec::new(),
        missing: Vec::new(),
        any_job: !ads.is_empty(),
    };
    for (job, ad) in ads.iter().filter(|(_, ad)| spooling::was_spooled(ad)) {
        match connect::persist(|client| fetch(client, *job, ad)) {
            Ok(done) => all.fetched.push(done),
            Err(error) => all.missing.push((*job, format!("{error:#}"))),
        }
        if of_htcondor && !all.missing.is_empty() {
            break;
        }
    }
    let is_done = all.is_done() || of_htcondor && all.missing.is_empty();
    let exit = if is_done { Exit::Done } else { Exit::Failed };
    let mut outcome = Outcome::of(&all, args.json, call, exit);
    if args.json {
        outcome.said.err = all.complaints();
    }
    Ok(outcome)
}

fn query(select: Select) -> Query {
    let names = [attr::CLUSTER_ID, attr::PROC_ID, attr::OWNER, attr::PRESERVE_RELATIVE_PATHS];
    let names = names.into_iter().map(AttrName::from);
    Query { projection: names.chain(spooling::kept_names()).collect(), ..Query::of(select) }
}

fn id(ad: &ClassAd) -> Option<JobId> {
    let number =
        |name| ad.literal(name).and_then(Value::as_i64).and_then(|n| u32::try_from(n).ok());
    Some(JobId::new(number(attr::CLUSTER_ID)?, number(attr::PROC_ID)?))
}

fn text<'a>(ad: &'a ClassAd, name: &str) -> Option<&'a str> {
    ad.literal(name).and_then(Value::as_str)
}

/// Fetches all of a job, and says so only when it is on the disk.
fn fetch(client: &mut Schedd, job: JobId, ad: &ClassAd) -> Result<Fetched> {
    let mut place = Place::of(ad)?;
    client.fetch_files(job, |piece| place.take(piece))?;
    let (files, bytes) = (place.files, place.bytes);
    let to = place.destinations.iwd().to_owned();
    place.settle()?;
    client.have_fetched(job)?;
    Ok(Fetched { job, files, bytes, to })
}

/// Where the files of a job go.
struct Place {
    destinations: Destinations,
    /// By the folder that each puts files together in.
    inboxes: BTreeMap<PathBuf, Inbox>,
    /// Where its log arrives, and the log that it goes into.
    log: Option<(tempfile::TempDir, PathBuf)>,
    files: usize,
    bytes: u64,
}

/// The name of a log while it arrives.
const LOG: &str = "log";

impl Place {
    fn of(ad: &ClassAd) -> Result<Self> {
        let destinations = Destinations::of(ad);
        Ok(Self { destinations, inboxes: BTreeMap::new(), log: None, files: 0, bytes: 0 })
    }

    fn take(&mut self, piece: Piece) -> Result<()> {
        if let Content::Part { bytes, end, .. } = &piece.content {
            self.files += usize::from(end.is_some());
            self.bytes += bytes.0.len() as u64;
        }
        let (folder, name) = self.place(piece.name)?;
        let inbox = match self.inboxes.remove(&folder) {
            Some(inbox) => inbox,
            None => Inbox::open(&folder)?,
        };
        let inbox = self.inboxes.entry(folder).or_insert(inbox);
        Ok(inbox.take(Piece { name, content: piece.content })?)
    }

    /// The folder in which something is put together, and its name from there.
    fn place(&mut self, name: OsString) -> Result<(PathBuf, OsString)> {
        match self.destinations.get(Path::new(&name)) {
            Destination::Below => Ok((self.destinations.iwd().to_owned(), name)),
            Destination::At(path) => {
                let (Some(folder), Some(last)) = (path.parent(), path.file_name()) else {
                    bail!("{} is no name for a file", path.display());
                };
                fs::create_dir_all(folder)
                    .with_context(|| format!("make the folder {}", folder.display()))?;
                Ok((folder.to_owned(), last.to_owned()))
            }
            Destination::Log(path) => {
                if self.log.is_none() {
                    let folder = tempfile::tempdir().context("make a folder for the log")?;
                    self.log = Some((folder, path));
                }
                let folder = self.log.as_ref().map(|(folder, _)| folder.path().to_owned());
                Ok((folder.unwrap_or_default(), LOG.into()))
            }
        }
    }

    fn settle(mut self) -> Result<()> {
        for inbox in self.inboxes.values_mut() {
            inbox.settle()?;
        }
        if let Some((folder, log)) = &self.log {
            add_to_log(&folder.path().join(LOG), log)
                .with_context(|| format!("write the log {}", log.display()))?;
        }
        Ok(())
    }
}

/// Adds the entries to a log that are not in it: other jobs may write it too, and these may have
/// been fetched before.
fn add_to_log(from: &Path, log: &Path) -> io::Result<()> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)?;
    }
    let known: BTreeSet<Vec<u8>> = match File::open(log) {
        Ok(file) => Entries(BufReader::new(file)).collect::<io::Result<_>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
        Err(error) => return Err(error),
    };
    let mut to = OpenOptions::new().append(true).create(true).open(log)?;
    for entry in Entries(BufReader::new(File::open(from)?)) {
        let entry = entry?;
        if !known.contains(&entry) {
            to.write_all(&entry)?;
        }
    }
    to.sync_all()
}

/// The entries of a log in either of its forms.
struct Entries<R>(R);

impl<R: BufRead> Iterator for Entries<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut entry = Vec::new();
        loop {
            let begun = entry.len();
            match self.0.read_until(b'\n', &mut entry) {
                Err(error) => return Some(Err(error)),
                Ok(0) if entry.is_empty() => return None,
                Ok(0) => return Some(Ok(entry)),
                Ok(_) if matches!(entry[begun..].trim_ascii(), b"..." | b"</c>") => {
                    return Some(Ok(entry));
                }
                Ok(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entries_of_a_job_come_into_a_log_once_whoever_else_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let (from, log) = (folder.path().join("from"), folder.path().join("logs/log"));
        let entry = |n: u32| format!("00{n} (001.000.000) something\n\tmore\n...\n");
        for (fetched, expected) in [
            (entry(0), entry(0)),
            (entry(0) + &entry(1), entry(0) + &entry(1)),
            (entry(2), entry(0) + &entry(1) + &entry(2)),
            (entry(0) + &entry(1), entry(0) + &entry(1) + &entry(2)),
        ] {
            fs::write(&from, fetched).unwrap();
            add_to_log(&from, &log).unwrap();
            assert_eq!(fs::read_to_string(&log).unwrap(), expected);
        }
    }
}
