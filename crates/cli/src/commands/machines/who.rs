//! `updraft who`, `condor_who`: what runs on this machine, for whom and since when.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Result;
use clap::Args;
use classad::ClassAd;
use client::Home;
use jiff::tz::TimeZone;
use model::attr;
use proto::client::{Query, Select};
use serde::Serialize;

use crate::line::call::Call;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::shape::{Shape, Shown};
use crate::render::dialect::Dialect;
use crate::render::said::{Said, Tell};
use crate::render::time;
use crate::render::values::view::{Moment, View};

/// Options of HTCondor's `condor_who` that are not built.
pub const NOT_YET: &[&str] = &[
    "daemons",
    "quickdaemons",
    "wait-for-ready",
    "address",
    "logdir",
    "pid",
    "statistics",
    "ospool",
];

/// Say what runs on this machine: whose jobs, in which slots, since when, as which processes.
#[derive(Debug, Args)]
pub struct WhoArgs {
    /// Accepted: there is one startd.
    #[arg(long, hide = true)]
    allpids: bool,
    #[command(flatten)]
    shape: Shape,
}

/// What runs here.
#[derive(Serialize)]
struct Who(Vec<Runs>);

#[derive(Serialize)]
struct Runs {
    owner: String,
    client: String,
    slot: String,
    job: String,
    seconds: i64,
    pid: Option<u32>,
    program: String,
}

impl Tell for Who {
    fn tell(&self, _: Dialect) -> Said {
        if self.0.is_empty() {
            return Said::default();
        }
        let width = |cell: fn(&Runs) -> &str, least: usize| {
            self.0.iter().map(|runs| cell(runs).len()).max().unwrap_or(0).max(least)
        };
        let (owner, client) = (width(|runs| &runs.owner, 5), width(|runs| &runs.client, 6));
        let (slot, job) = (width(|runs| &runs.slot, 4), width(|runs| &runs.job, 3));
        let mut out = format!(
            "\n{:<owner$} {:<client$} {:<slot$} {:<job$} {:>12} {:<8} PROGRAM\n",
            "OWNER", "CLIENT", "SLOT", "JOB", "RUNTIME", "PID"
        );
        for runs in &self.0 {
            let pid = runs.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
            out += &format!(
                "{:<owner$} {:<client$} {:<slot$} {:<job$} {:>12} {pid:<8} {}\n",
                runs.owner,
                runs.client,
                runs.slot,
                runs.job,
                time::length(runs.seconds),
                runs.program
            );
        }
        Said::out(out)
    }
}

/// Does it.
///
/// # Errors
///
/// If the startd or the schedd cannot be asked.
pub fn run(args: &WhoArgs, call: &Call) -> Result<Outcome> {
    let machine = connect::startd()?.identity()?.name;
    let running = connect::constraint("JobStatus == 2 || JobStatus == 7")?;
    let jobs =
        connect::schedd()?.jobs(Query { constraint: Some(running), ..Query::of(Select::All) })?;
    let here: Vec<ClassAd> = jobs.into_iter().filter(|ad| is_on(ad, &machine)).collect();
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::system());
    if let Some(instead) =
        args.shape.instead(call.dialect, Shown::Others)?.filter(|_| !args.shape.json())
    {
        return Ok(Outcome::done(instead.render(&here, &moment, call.dialect)));
    }
    let processes = processes(&Home::from_environment().execute_dir());
    let runs = |ad| Runs::of(View::new(ad, &moment), &processes);
    let who = Who(here.iter().map(runs).collect());
    Ok(Outcome::of(&who, args.shape.json(), call, Exit::Done))
}

/// Whether a job runs on this machine: `slot1_2@machine`.
fn is_on(ad: &ClassAd, machine: &str) -> bool {
    let host = ad.literal(attr::REMOTE_HOST).and_then(classad::Value::as_str);
    host.and_then(|host| host.split_once('@')).is_some_and(|(_, host)| host == machine)
}

impl Runs {
    fn of(job: View<'_>, processes: &BTreeMap<String, u32>) -> Self {
        let host = job.text(attr::REMOTE_HOST).unwrap_or_default();
        let (slot, _) = host.split_once('@').unwrap_or((&host, ""));
        let since = job.int(attr::JOB_CURRENT_START_DATE).unwrap_or(job.moment.now);
        let global = job.text(attr::GLOBAL_JOB_ID).unwrap_or_default();
        Self {
            owner: job.text(attr::USER).unwrap_or_else(|| job.owner()),
            client: global.split('#').next().unwrap_or_default().to_owned(),
            slot: slot.trim_start_matches("slot").to_owned(),
            pid: processes.get(slot).copied(),
            job: job.job().map(|id| id.to_string()).unwrap_or_default(),
            seconds: (job.moment.now - since).max(0),
            program: job.text(attr::CMD).unwrap_or_default(),
        }
    }
}

/// The first process in each slot of this pool's machine: the environment of a job names its slot
/// and its folder. What may not be looked at is not found.
fn processes(execute: &Path) -> BTreeMap<String, u32> {
    let mut first = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(environ) = fs::read(entry.path().join("environ")) else { continue };
        let value = |name: &str| {
            let mut variables = environ.split(|byte| *byte == 0);
            variables.find_map(|variable| variable.strip_prefix(name.as_bytes()))
        };
        let is_here = value("_CONDOR_SCRATCH_DIR=")
            .is_some_and(|scratch| Path::new(OsStr::from_bytes(scratch)).starts_with(execute));
        if let Some(slot) = value("_CONDOR_SLOT=").filter(|_| is_here) {
            let slot = String::from_utf8_lossy(slot).into_owned();
            first.entry(slot).and_modify(|least: &mut u32| *least = pid.min(*least)).or_insert(pid);
        }
    }
    first
}
