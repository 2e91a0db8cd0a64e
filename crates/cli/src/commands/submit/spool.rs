//! `-spool`: copies the files of submitted jobs to the schedd, over the command's connection, and
//! lets the jobs go when all are there. Which files these are, and their names there, is
//! `model::spooling`'s matter.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use classad::ClassAd;
use client::Schedd;
use jobspec::htcondor::Submission;
use model::JobId;
use model::job_ad::initial_directory;
use model::spooling::{self, Input};
use proto::client::{Action, Select, Selector};
use proto::files::{Content, Piece, Pieces};

use crate::line::connect;
use crate::line::output::complain;

/// The permissions of a program that is copied (HTCondor 25.14 makes it executable whatever it
/// was).
const EXECUTABLE_MODE: u32 = 0o755;

/// Why jobs are removed whose files cannot be copied (HTCondor 25.14).
const FAILED: &str = "Staging of job files failed";

/// Copies the files of all jobs, and releases them. If that fails, the jobs are removed: nobody
/// would ever send the rest.
///
/// # Errors
///
/// The first file that cannot be copied.
pub(super) fn send_files(submission: &Submission) -> Result<()> {
    let sent = connect::persist(|client| attempt(client, submission));
    if sent.is_err() {
        let clusters = submission.clusters.iter().map(|(cluster, _)| Selector::Cluster(*cluster));
        let action = Action::Remove { reason: Some(FAILED.to_owned()), force: false };
        let select = Select::Any(clusters.collect());
        if let Err(error) = connect::schedd().and_then(|mut client| Ok(client.act(action, select)?))
        {
            complain(&format!(
                "the jobs are held and wait for their files; remove them: {error:#}\n"
            ));
        }
    }
    sent
}

/// All of it. What is there already, from an attempt before, is not sent again.
fn attempt(client: &mut Schedd, submission: &Submission) -> Result<()> {
    for (job, ad) in submission.jobs() {
        send_job(client, job, &ad).with_context(|| format!("copy the files of job {job}"))?;
    }
    for (cluster, _) in &submission.clusters {
        client.release_files(*cluster)?;
    }
    Ok(())
}

fn send_job(client: &mut Schedd, job: JobId, ad: &ClassAd) -> Result<()> {
    if !client.begin_files(job)? {
        return Ok(());
    }
    let iwd = initial_directory(ad).unwrap_or(Path::new("/"));
    for Input { from, to, is_executable } in spooling::plan(ad, "").inputs {
        let from = iwd.join(from);
        let sending = Sending { client, mode: is_executable.then_some(EXECUTABLE_MODE) };
        sending.below(&from, &to)?;
    }
    Ok(client.end_files()?)
}

/// A file or folder on its way.
struct Sending<'a> {
    client: &'a mut Schedd,
    /// The permissions, if not those that the file has.
    mode: Option<u32>,
}

impl Sending<'_> {
    /// Sends a file, or a folder with all that is in it. Links to files are followed, those to
    /// folders stay links: as everywhere that a job's files travel.
    fn below(mut self, from: &Path, to: &Path) -> Result<()> {
        let mut open = vec![(from.to_owned(), to.to_owned(), true)];
        while let Some((from, to, is_named)) = open.pop() {
            let found = fs::metadata(&from).with_context(|| format!("read {}", from.display()))?;
            if found.is_dir() && from.is_symlink() && !is_named {
                let leads = fs::read_link(&from);
                let leads = leads.with_context(|| format!("read the link {}", from.display()))?;
                let content = Content::Link { to: leads.into_os_string() };
                self.pieces(Pieces::one(Piece { name: to.into_os_string(), content }))?;
            } else if found.is_dir() {
                let name = to.clone().into_os_string();
                self.pieces(Pieces::one(Piece { name, content: Content::Folder }))?;
                open.extend(entries(&from, &to)?);
            } else if found.is_file() || is_named {
                let file = File::open(&from).with_context(|| format!("read {}", from.display()))?;
                let pieces = Pieces::of_file(to.into_os_string(), file)?;
                self.pieces(match self.mode {
                    Some(mode) => pieces.with_mode(mode),
                    None => pieces,
                })?;
            }
        }
        Ok(())
    }

    fn pieces(&mut self, pieces: Pieces) -> Result<()> {
        for piece in pieces {
            self.client.send_piece(piece?)?;
        }
        Ok(())
    }
}

fn entries(from: &Path, to: &Path) -> Result<Vec<(PathBuf, PathBuf, bool)>> {
    let read = || format!("read the folder {}", from.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(from).with_context(read)? {
        let entry = entry.with_context(read)?;
        entries.push((entry.path(), to.join(entry.file_name()), false));
    }
    Ok(entries)
}
