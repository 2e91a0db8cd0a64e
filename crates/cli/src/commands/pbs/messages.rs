//! `qmsg`: a line behind what a running job has written. The job's files are its user's, and so it
//! is the command that writes, and not a daemon.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use jobspec::pbs::code;
use model::attr;
use nix::fcntl::OFlag;
use proto::plain_file;

use super::acting::{Found, Refused, Verb, usage_of};
use super::words::Line;
use crate::render::pbs::{Here, Job, State};

pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, "EO") {
        Ok(line) if line.operands.len() >= 2 => line,
        other => return usage_of(here, other.err()),
    };
    let Some((message, jobs)) = line.operands.split_first() else { return code::USAGE };
    let mut streams = Vec::new();
    if line.has('O') {
        streams.push(attr::OUT);
    }
    if line.has('E') || !line.has('O') {
        streams.push(attr::ERR);
    }
    Verb::OF_SUBJOBS.each(here, jobs, &mut |_, found| tell(here, found, message, &streams))
}

fn tell(here: &Here, found: &Found<'_>, message: &str, streams: &[&str]) -> Result<(), Refused> {
    let cluster = found.cluster;
    let named = |job: &Job| found.names(job);
    let whole = cluster.whole(found.word.number, here.now);
    let jobs = match cluster.indices() {
        None => vec![whole],
        Some(_) => cluster.subjobs(found.word.number, here.now).into_iter().filter(named).collect(),
    };
    let running = jobs.iter().filter(|job| matches!(job.state, State::Running | State::Suspended));
    let running: Vec<&Job> = running.collect();
    if running.is_empty() {
        return Err(Refused::bad_state());
    }
    for job in running {
        if job.owner() != client::site::me() && client::site::me() != "root" {
            return Err(Refused::not_permitted());
        }
        let folder = Path::new(job.text(attr::IWD).unwrap_or_default());
        for stream in streams {
            let path = folder.join(job.text(stream).unwrap_or_default());
            append(&path, message).map_err(|error| {
                let why = client::site::plain(&error);
                let said = format!("cannot write to {}: {why}: job", path.display());
                Refused::because(code::FAILED, said)
            })?;
        }
    }
    Ok(())
}

fn append(path: &Path, message: &str) -> io::Result<()> {
    if path == Path::new("/dev/null") {
        // What a job writes there is to be lost.
        return Ok(());
    }
    let mut file = plain_file::open(path, OpenOptions::new().append(true), OFlag::empty())?;
    file.write_all(format!("{message}\n").as_bytes())
}
