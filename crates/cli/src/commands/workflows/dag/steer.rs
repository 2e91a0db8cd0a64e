//! `updraft dag retry|skip|set|rerun`: orders to a DAG that runs, and another run of one that is
//! over. What an order does, dagman's core decides; this gives it and waits for the answer.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use classad::{ClassAd, Value};
use client::Home;
use dagman::Workflow;
use dagman::record::{Names, rescue};
use dagman::shell::{self, Answer, Knobs, NewThrottles, Order, Start};
use dagman::workflow::NodeIndex;
use model::diagnostic::Diagnostic;
use model::{ClusterId, JobStatus, attr};

use super::{Submitted, dag_ad, dag_file, in_the_queue, is_over};
use crate::commands::workflows::dag_files::{self, Reading};
use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::render::dag::{Limits, Obeyed, Rerun};

/// How long dagman may take to answer: it looks each second, and may be restarting.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How often it is looked for the answer.
const LOOK: Duration = Duration::from_millis(50);

/// Gives an order about nodes. `did` is what became of one for which it was followed.
pub(super) fn nodes(
    job: ClusterId,
    order: &Order,
    did: &'static str,
    json: bool,
    call: &Call,
) -> Result<Outcome> {
    let Answer { done, errors, throttles: _ } = give(job, order)?;
    let exit = if errors.is_empty() { Exit::Done } else { Exit::Failed };
    Ok(Outcome::of(&Obeyed { job, done, errors, did }, json, call, exit))
}

/// Sets limits: `maxjobs=10 maxidle=0`.
pub(super) fn set(job: ClusterId, settings: &[String], json: bool, call: &Call) -> Result<Outcome> {
    let answer = give(job, &Order::Set(limits_of(settings)?))?;
    if let Some(error) = answer.errors.first() {
        bail!("{error}");
    }
    let now = answer.throttles.context("dagman said no limits")?;
    let limits = Limits {
        job,
        maxjobs: now.jobs,
        maxidle: now.idle,
        maxpre: now.pre,
        maxpost: now.post,
        maxhold: now.hold,
    };
    Ok(Outcome::of(&limits, json, call, Exit::Done))
}

fn limits_of(settings: &[String]) -> Result<NewThrottles> {
    let mut new = NewThrottles::default();
    for setting in settings {
        let (name, value) = setting
            .split_once('=')
            .with_context(|| format!("{setting} is no NAME=NUMBER, as maxjobs=10"))?;
        let value = value
            .trim()
            .parse()
            .ok()
            .with_context(|| format!("{setting}: a number is wanted, 0 for no limit"))?;
        let place = match name.trim().to_ascii_lowercase().as_str() {
            "maxjobs" => &mut new.maxjobs,
            "maxidle" => &mut new.maxidle,
            "maxpre" => &mut new.maxpre,
            "maxpost" => &mut new.maxpost,
            "maxhold" => &mut new.maxhold,
            other => {
                bail!("{other} cannot be set: maxjobs, maxidle, maxpre, maxpost and maxhold can")
            }
        };
        *place = Some(value);
    }
    Ok(new)
}

/// Puts an order beside the DAG, and waits until its dagman has answered.
#[expect(clippy::disallowed_methods, reason = "a person waits, and not for ever")]
fn give(job: ClusterId, order: &Order) -> Result<Answer> {
    let ad = dag_ad(job)?;
    let status = status(&ad);
    if status == JobStatus::Held.number() {
        bail!("the DAG {job} is held, so that nobody takes orders: updraft release {job}");
    }
    if status == JobStatus::Idle.number() {
        bail!("the DAG {job} waits to be started: give the order when it runs");
    }
    if status != JobStatus::Running.number() {
        bail!("the DAG {job} is over, so that nobody takes orders: updraft dag rerun {job}");
    }
    let file = dag_file(&ad).with_context(|| format!("job {job} names no DAG file"))?;
    let place = shell::give(&Names::new(&file, false).orders(), order)?;
    let begun = Instant::now();
    while begun.elapsed() < ANSWER_WITHIN {
        if let Some(answer) = shell::answer(&place)? {
            return Ok(answer);
        }
        thread::sleep(LOOK);
    }
    shell::take_back(&place);
    bail!(
        "the DAG {job} did not answer in {ANSWER_WITHIN:?}; the order was taken back, but may have been followed before: see updraft dag status {job}"
    )
}

fn status(ad: &ClassAd) -> i64 {
    ad.literal(attr::JOB_STATUS).and_then(Value::as_i64).unwrap_or(0)
}

/// Runs a DAG that is over once more: what had not been done, or also some nodes with all that
/// depends on them.
pub(super) fn rerun(job: ClusterId, from: &[String], json: bool, call: &Call) -> Result<Outcome> {
    let ad = dag_ad(job)?;
    if !is_over(&ad) {
        bail!("the DAG {job} is in the queue: updraft dag retry {job} NODE, or remove it first");
    }
    let submitted = Submitted::of(&ad);
    let submitted = submitted.with_context(|| format!("job {job} names no DAG file"))?;
    if let Some(option) = &submitted.begins_by {
        bail!(
            "the DAG {job} was submitted with {option}, and would begin there again: submit it again with submit_dag"
        );
    }
    // What DAG files name is seen from there.
    let folder = &submitted.folder;
    std::env::set_current_dir(folder).with_context(|| format!("go to {folder}"))?;
    let names = Names::new(&submitted.files[0], submitted.files.len() > 1);
    if let Some(other) = in_the_queue(names.primary())? {
        bail!("{} is in the queue as job {other}: updraft dag status {other}", names.primary());
    }
    dag_files::end_left(&reading(&submitted)?, &names, &names.lock())?;
    let rescue = match shell::choose(&names, true, None)? {
        Start::From(_, path) => Some(path),
        Start::Fresh => None,
    };
    // A FINAL that ends well makes the exit code 0 whatever failed.
    let number = |name: &str| ad.literal(name).and_then(Value::as_i64);
    let is_none = |name: &str| number(name).unwrap_or(0) == 0;
    let went_well = number(attr::EXIT_CODE) == Some(0)
        && is_none(attr::DAG_NODES_FAILED)
        && is_none(attr::DAG_NODES_FUTILE);
    if from.is_empty() && (went_well || rescue.is_none()) {
        bail!("nothing of the DAG {job} failed: name the nodes to begin from, with --from NODE");
    }
    if !from.is_empty() {
        let rescue = if went_well { None } else { rescue };
        let reading = reading(&submitted)?;
        let max_rescue = reading.knobs.manner.max_rescue;
        let workflow = load(&reading, rescue.as_deref())?;
        let done = done_before(&workflow, from, went_well)?;
        write_rescue(&names, job, from, &done, max_rescue)?;
    }
    dag_files::remove_halt(&names)?;
    let again = dag_files::submit(None, &names)?;
    let again = Rerun { job: again, reruns: job, from: from.to_vec() };
    Ok(Outcome::of(&again, json, call, Exit::Done))
}

/// How the DAG's files are read, as they were when it was submitted.
fn reading(submitted: &Submitted) -> Result<Reading> {
    let mut knobs = Knobs::default();
    dag_files::configure(&Home::from_environment(), &mut knobs, submitted.config.as_deref())?;
    let files = submitted.files.clone();
    Ok(Reading { files, use_dag_dir: submitted.use_dag_dir, knobs })
}

fn load(reading: &Reading, rescue: Option<&str>) -> Result<Workflow> {
    let assembled = reading.assemble(rescue).map_err(|problems| {
        anyhow!("{}", problems.iter().map(Diagnostic::render).collect::<Vec<_>>().join("\n"))
    })?;
    Ok(assembled.workflow)
}

/// The nodes that another run passes over: those that were done, without the ones to begin from and
/// all below them.
fn done_before(workflow: &Workflow, from: &[String], all: bool) -> Result<Vec<String>> {
    let mut again: BTreeSet<NodeIndex> = BTreeSet::new();
    let mut next = Vec::new();
    for name in from {
        let node = workflow.find(name);
        next.push(node.with_context(|| shell::unknown_node(workflow, name))?);
    }
    while let Some(node) = next.pop() {
        if again.insert(node) {
            next.extend(workflow.children(node).map(|edge| edge.node));
        }
    }
    let last = workflow.final_node();
    let done = workflow
        .nodes()
        .filter(|node| (all || node.is_done()) && !again.contains(&node.index()))
        .filter(|node| Some(node.index()) != last);
    let services: BTreeSet<NodeIndex> = workflow.services().collect();
    let done = done.filter(|node| !services.contains(&node.index()));
    Ok(done.map(|node| node.name().to_owned()).collect())
}

/// A rescue file behind those that are there: the run that follows begins from it.
fn write_rescue(
    names: &Names,
    job: ClusterId,
    from: &[String],
    done: &[String],
    max_rescue: u32,
) -> Result<()> {
    let present = shell::numbers(names);
    let path = names.rescue(rescue::next_number(present.into_iter(), max_rescue));
    let text = rescue::of_rerun(names.primary(), from, job.0, done);
    std::fs::write(&path, text).with_context(|| format!("write {path}"))
}
