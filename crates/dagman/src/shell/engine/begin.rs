//! How a run begins, or goes on: what it needs is read and opened, and what an earlier life did is
//! done again in the core.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;

use classad::{ClassAd, Value};
use client::asynchronous::Schedd;
use client::{Query, Select, Selector};
use model::{ClusterId, Now, Seq, attr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::halting::HaltFile;
use super::{Contact, Engine, Place, known_jobs, now};
use crate::Workflow;
use crate::core::{Core, Event, Input};
use crate::record::{Stamp, dagman_out};
use crate::shell::journal::{self, Head, Journal, Past};
use crate::shell::records::Records;
use crate::shell::rescues::Start;
use crate::shell::scripts::Scripts;
use crate::shell::submit::Submitter;
use crate::shell::submitting::Submissions;
use crate::shell::telling::Teller;
use crate::shell::unchanged::Unchanged;
use crate::shell::{Setup, ShellError, files, put_back};

impl Engine {
    pub(super) async fn begin(setup: Setup) -> Result<Self, ShellError> {
        let now = now();
        let removal = signal(SignalKind::user_defined1()).map_err(ShellError::Runtime)?;
        let ending = signal(SignalKind::terminate()).map_err(ShellError::Runtime)?;
        let schedd = Schedd::of(&setup.home);
        let own = own_job(&schedd, &setup).await?;
        let (nodes_log, path) = (nodes_log(&setup, &own)?, setup.names.journal());
        let (past, generation) = earlier_life(&path, setup.job)?;
        let zone = jiff::tz::TimeZone::system();
        let stamp = Stamp::new(now.wall, zone.clone());
        let mut out = open_out(&setup, past.is_some(), &stamp, &own.batch_name, &nodes_log)?;
        let (number, from) = begins_from(&setup.start, past.as_ref());
        let workflow = load(&mut out, &setup, &stamp, from.as_deref(), past.as_ref())?;
        let mut core = Core::new(Arc::new(workflow), setup.options.clone());
        let rescued = from.as_deref().filter(|_| past.is_none());
        let rescued = rescued.map(|from| rescued_from(&setup, number, from));
        let mut records = open_records(&setup, &core, &nodes_log, past.is_none())?;
        say_loaded(&mut records, now, &core, rescued, &setup.dag_files);
        let first = first_of(&setup, &schedd).await?;
        let queue = schedd.generation().await?;
        let forgotten = schedd.totals().await?.forgotten;
        // What is past is looked through only where nothing else is left of an earlier life.
        let with_past = past.is_none() && own.starts > 1;
        let (journal, inputs, next, began_ms) = match past {
            Some(past) => {
                let began_ms = past.head.began_ms;
                let run = put_back::Run { schedd: &schedd, job: setup.job, generation, queue };
                let (journal, mark) = recover(&mut core, &mut records, now, past, &run).await?;
                (journal, Vec::new(), mark.next.unwrap_or(first), began_ms)
            }
            None => {
                records.say_internal(now.wall, &format!("DAGMAN_STARTED {}.0", setup.job));
                records.draw(&core, now.wall, now.boot_ms, false);
                let head = head(&core, setup.job, generation, from.clone(), now);
                let journal = Journal::begin(&path, &Head { queue, ..head })?;
                (journal, vec![Input::Begin], first, now.wall.as_millis())
            }
        };
        let known = known_jobs(&schedd, setup.job, generation, with_past).await?;
        Ok(Self {
            ends_again: core.progress().finished.is_some(),
            is_record_cut: with_past && forgotten.first_event > Seq(1),
            is_stock_due: core.progress().waits_for_provisioner && next < forgotten.first_said,
            unchanged: Unchanged::read(setup.names.unchanged(), core.workflow()),
            halt: HaltFile::at(setup.names.halt()),
            core,
            journal,
            records,
            submitter: Submitter::new(&setup, generation, own.batch_name, nodes_log, own.inherited),
            submissions: Submissions::with(&schedd),
            teller: Teller::of(&schedd, setup.job),
            scripts: Scripts::new(),
            following: schedd.follow(next, Select::All),
            schedd,
            contact: Contact::Kept,
            removals: JoinSet::new(),
            place: Place { taken: next, applied: next },
            known,
            clusters: BTreeMap::new(),
            inputs,
            began: Stamp::new(model::Timestamp::from_millis(began_ms), zone),
            rescue: number.unwrap_or(0),
            begun_from: from,
            parent: own.parent,
            passed_over: BTreeSet::new(),
            removal,
            ending,
            setup,
        })
    }
}

fn rescued_from(setup: &Setup, number: Option<u32>, from: &str) -> String {
    dagman_out::rescued(number, from, setup.names.primary())
}

/// Opens dagman.out at its end, in a folder that is made if it is not there: `-outfile_dir`, which
/// a sub-DAG inherits. Says there that it begins.
fn open_out(
    setup: &Setup,
    goes_on: bool,
    stamp: &Stamp,
    batch_name: &str,
    nodes_log: &str,
) -> Result<File, ShellError> {
    if goes_on {
        files::cut_torn_line(&setup.out)?;
    }
    if let Some(folder) = std::path::Path::new(&setup.out).parent() {
        // What keeps it from being there keeps the file from being opened.
        let _ = std::fs::create_dir_all(folder);
    }
    let mut out = files::append_to(&setup.out)?;
    say_banner(&mut out, setup, stamp, batch_name, nodes_log)?;
    Ok(out)
}

/// What the journal at `path` has of this job's run, and the number of the run. A run in which
/// nothing has happened yet is begun again under its number.
fn earlier_life(path: &str, job: ClusterId) -> Result<(Option<Past>, u32), ShellError> {
    let past = journal::open(path)?.filter(|past| past.head.job == job.0);
    let generation = past.as_ref().map_or(0, |past| past.head.generation);
    Ok((past.filter(Past::is_begun), generation))
}

/// The first line of a journal that begins now.
pub(super) fn head(
    core: &Core,
    job: ClusterId,
    generation: u32,
    rescue: Option<String>,
    now: Now,
) -> Head {
    let (shape, began_ms) = (journal::shape(core.workflow()), now.wall.as_millis());
    Head { job: job.0, generation, shape, rescue, began_ms, queue: 0 }
}

/// The rescue file that a run begins from, with its number where it has one. A run that goes on has
/// its own.
fn begins_from(start: &Start, past: Option<&Past>) -> (Option<u32>, Option<String>) {
    match (past, start) {
        (Some(past), _) => (None, past.head.rescue.clone()),
        (None, Start::From(number, path)) => (*number, Some(path.clone())),
        (None, Start::Fresh) => (None, None),
    }
}

/// Reads the DAG files; dagman.out has what is odd or wrong about them. A DAG that runs must be
/// what it was.
fn load(
    out: &mut File,
    setup: &Setup,
    stamp: &Stamp,
    rescue: Option<&str>,
    past: Option<&Past>,
) -> Result<Workflow, ShellError> {
    let (workflow, warnings) = (setup.load)(rescue).map_err(|problems| {
        say_problems(out, setup, stamp, &problems);
        ShellError::Dag(problems)
    })?;
    put(out, stamp, &warnings).map_err(ShellError::file("write", &setup.out))?;
    match past {
        Some(past) if past.head.shape != journal::shape(&workflow) => Err(ShellError::Changed),
        Some(_) | None => Ok(workflow),
    }
}

/// Brings the core to where an earlier life left it; gives the journal to go on with, and up to
/// where which record of the schedd's was taken.
async fn recover(
    core: &mut Core,
    records: &mut Records,
    now: Now,
    past: Past,
    run: &put_back::Run<'_>,
) -> Result<(Journal, journal::Mark), ShellError> {
    records.say(now.wall, ["Running in RECOVERY mode...".to_owned()]);
    records.say_internal(now.wall, "RECOVERY_STARTED");
    let told = past.told()?;
    let mut there = records.go_on(&told);
    let (mut journal, mark) = past.replay(|event, is_late| {
        records.note_again(core, event, is_late, now.wall, &mut there);
        core.apply(event);
    })?;
    let note = |core: &Core, event: &Event| records.note(core, event, now.wall);
    run.go_on(mark.queue, (core, &mut journal), note).await?;
    records.say_internal(now.wall, "RECOVERY_FINISHED");
    Ok((journal, mark))
}

/// What the DAG's own job says.
struct OwnJob {
    batch_name: String,
    owner: String,
    /// The DAG that it is a sub-DAG of; empty if it is of none.
    parent: String,
    /// How often it was started, with this time.
    starts: i64,
    /// What nodes' jobs take over from it (DAGMAN_INHERIT_ATTRS), under their names for it.
    inherited: ClassAd,
}

async fn own_job(schedd: &Schedd, setup: &Setup) -> Result<OwnJob, ShellError> {
    let select = Select::Any(vec![Selector::Cluster(setup.job)]);
    let ads = schedd.jobs(Query::of(select)).await?;
    let ad = ads.into_iter().next().ok_or(ShellError::NoJob(setup.job))?;
    let number = |name: &str| ad.literal(name).and_then(Value::as_i64);
    let text = |name: &str| ad.literal(name).and_then(Value::as_str).map(str::to_owned);
    let batch_name = text(attr::JOB_BATCH_NAME);
    Ok(OwnJob {
        owner: text(attr::OWNER).unwrap_or_default(),
        batch_name: batch_name.unwrap_or_else(|| format!("{}+{}", setup.names.base(), setup.job)),
        parent: number(attr::DAGMAN_JOB_ID).map(|id| id.to_string()).unwrap_or_default(),
        starts: number(attr::NUM_JOB_STARTS).unwrap_or(0),
        inherited: inherited(&ad, setup),
    })
}

fn inherited(ad: &ClassAd, setup: &Setup) -> ClassAd {
    let mut inherited = ClassAd::new();
    for name in &setup.manner.inherit_attrs {
        if let Some(value) = ad.get(name) {
            let name = format!("{}{name}", setup.manner.inherit_prefix);
            inherited.set(name.as_str(), value.clone());
        }
    }
    inherited
}

/// The first entry of the record that can concern the workflow: the one of its own job.
async fn first_of(setup: &Setup, schedd: &Schedd) -> Result<Seq, ShellError> {
    let own = Select::Any(vec![Selector::Cluster(setup.job)]);
    let mut following = schedd.follow(Seq(0), own);
    Ok(following.next().await?.first().map_or(Seq(0), |event| event.seq))
}

/// What ended the process, where everybody looks for it; the caller tells it too.
pub(super) fn say_error(out: &str, error: &ShellError) {
    let stamp = Stamp::new(now().wall, jiff::tz::TimeZone::system());
    if let Ok(mut out) = files::append_to(out) {
        let _ = put(&mut out, &stamp, &[format!("ERROR: {}", proto::net::chain(error))]);
    }
}

fn say_banner(
    out: &mut File,
    setup: &Setup,
    stamp: &Stamp,
    batch_name: &str,
    nodes_log: &str,
) -> Result<(), ShellError> {
    let job = format!("{}.0", setup.job);
    let banner = dagman_out::Banner {
        program: &setup.manner.dagman.path,
        argv: &setup.argv,
        pid: std::process::id(),
        uid: nix::unistd::Uid::current().as_raw(),
        job: &job,
        batch_name,
        nodes_log,
        lock: &setup.lock,
        dag_files: &setup.dag_files,
    };
    put(out, stamp, &dagman_out::banner(&banner)).map_err(ShellError::file("write", &setup.out))
}

/// What is wrong with the DAG files, where everybody looks for it. The error tells it too.
fn say_problems(out: &mut File, setup: &Setup, stamp: &Stamp, problems: &[String]) {
    let mut lines = dagman_out::parsing(&setup.dag_files);
    lines.extend(problems.iter().flat_map(|text| text.lines().map(str::to_owned)));
    lines.push(format!("Failed to parse {}", setup.names.primary()));
    lines.push(dagman_out::end(std::process::id(), 1));
    // It is told on standard error in any case.
    let _ = put(out, stamp, &lines);
}

fn put(out: &mut File, stamp: &Stamp, lines: &[String]) -> std::io::Result<()> {
    use std::io::Write;
    let stamp = stamp.in_log();
    let text: String = lines.iter().map(|line| format!("{stamp} {line}\n")).collect();
    out.write_all(text.as_bytes())
}

fn open_records(
    setup: &Setup,
    core: &Core,
    nodes_log: &str,
    is_new: bool,
) -> Result<Records, ShellError> {
    let states = core.workflow().settings().jobstate_log.as_deref();
    if let Some(states) = states.filter(|_| !is_new) {
        files::cut_torn_line(states)?;
    }
    Records::open(&setup.out, nodes_log, states, &setup.dag_files, is_new)
}

fn say_loaded(
    records: &mut Records,
    now: Now,
    core: &Core,
    rescued: Option<String>,
    dag_files: &[String],
) {
    records.say(now.wall, rescued);
    records.say(now.wall, dagman_out::loaded(core, dag_files));
}

/// The absolute path of the nodes' log.
fn nodes_log(setup: &Setup, own: &OwnJob) -> Result<String, ShellError> {
    let path = setup.names.nodes_log(&setup.manner.nodes_log, setup.job.0, &own.owner);
    let absolute = std::path::absolute(&path).map_err(ShellError::file("find", &path))?;
    Ok(absolute.to_string_lossy().into_owned())
}
