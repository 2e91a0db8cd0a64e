//! Which jobs `qstat` shows: those that are named, those of queues, or all that the options let
//! through. What is not shown is not asked for, and what nobody named goes by a cluster at a time.

use std::collections::{BTreeMap, BTreeSet};

use client::Schedd;
use jobspec::pbs::{JobWord, Subjobs, code};
use model::JobStatus;
use model::queues::QueueSettings;

use super::options::Form;
use super::page::Page;
use crate::commands::pbs::found::{self, Asked, Finished};
use crate::commands::pbs::server::NoDestination;
use crate::commands::pbs::words::Line;
use crate::render::pbs::Here;
use crate::render::pbs::job::{Cluster, Job, NAMES, RowKind, STANDING, State};
use crate::render::pbs::{full, table};

/// Shows what the operands and options name; gives the exit code.
pub(super) fn show(here: &Here, line: &Line, form: Form<'_>) -> Result<u8, u8> {
    let mut exit = 0;
    let mut wanted = Vec::new();
    let mut queues = Vec::new();
    let mut everything = line.operands.is_empty();
    let mut schedd = here.connect()?;
    let settings = settings(here, &mut schedd, line, form)?;
    for text in &line.operands {
        if line.has('E') && !is_of_job(text) {
            here.say("Express option can only be used with job ids");
            return Err(code::FAILED);
        }
        match operand(here, text, &settings) {
            Ok(Operand::Server) => everything = true,
            Ok(Operand::Queue(queue)) => queues.push(queue),
            Ok(Operand::Job(word)) => wanted.push(word),
            Err(wrong) => exit = wrong,
        }
    }
    let mut page = Page::new(here, line, form, settings.server.get("comment"));
    // Where order matters, or whether there is a head, is known at the end.
    let mut kept: Vec<Job> = Vec::new();
    let keeps = line.any("ET") || !wanted.is_empty();
    if everything || !queues.is_empty() {
        let asked = asked(here, line, form, if everything { &[] } else { &queues });
        found::each(here, &asked, |number, cluster| {
            let jobs = of_cluster(here, line, number, &cluster);
            for job in jobs.into_iter().filter(|job| is_wanted(line, job)) {
                if keeps { kept.push(job) } else { page.add(&job)? }
            }
            Ok(())
        })?;
    }
    let known = match wanted.is_empty() {
        true => BTreeMap::new(),
        false => {
            let numbers: BTreeSet<u32> = wanted.iter().map(|word| word.number).collect();
            let asked = Asked::numbered(&numbers, Finished::All);
            found::look_up(&mut schedd, &asked).map_err(|error| here.cannot_connect(&error))?
        }
    };
    for (nth, word) in wanted.iter().enumerate() {
        match named(here, line, word, known.get(&word.number)) {
            Ok(jobs) => kept.extend(jobs),
            Err(wrong) => {
                exit = wrong;
                if nth == 0 {
                    // OpenPBS 23.06 prints no head if the first of several is not there.
                    page.without_head();
                }
            }
        }
    }
    if line.has('E') {
        kept.sort_by_key(|job| job.number);
    }
    if line.has('T') {
        // What runs has started already, and what nobody knows of comes last.
        kept.sort_by_key(|job| {
            let runs = matches!(job.state, State::Running | State::Suspended | State::Begun);
            (!runs, full::estimated_start(job).unwrap_or(i64::MAX))
        });
    }
    kept.iter().try_for_each(|job| page.add(job))?;
    page.end()?;
    Ok(exit)
}

/// What there is to know of jobs that nobody named.
fn asked(here: &Here, line: &Line, form: Form<'_>, queues: &[String]) -> Asked {
    let columns = match form {
        Form::Alternate => table::ALTERNATE,
        _ if line.has('p') => table::PERCENT,
        _ => table::PLAIN,
    };
    let mut asked = Asked::of(STANDING.iter().chain(NAMES).chain(columns).copied());
    if form.is_full() {
        asked = asked.with_everything();
    } else if line.has('t') {
        asked = asked.with_subjobs();
    }
    asked.finished = match line.any("xH") {
        true => Finished::Since(here.remembered_since()),
        false if line.has('t') || form.is_full() => Finished::OfArrays,
        false => Finished::None,
    };
    if !queues.is_empty() {
        asked = asked.in_queues(queues.iter().map(String::as_str));
    }
    if let Some(users) = line.value('u') {
        asked = asked.of_users(users.split(',').filter_map(|user| user.split('@').next()));
    }
    let states: &[JobStatus] = match () {
        () if line.has('i') => &[JobStatus::Idle, JobStatus::Held, JobStatus::Removed],
        () if line.has('r') => &[JobStatus::Running, JobStatus::Suspended],
        () => return asked,
    };
    asked.in_states(states)
}

enum Operand {
    Server,
    Queue(String),
    Job(JobWord),
}

/// Whether a word is meant as a job's identifier.
fn is_of_job(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// The queues and the server's comment. Whoever asks for jobs in full, as pollers do, needs none.
fn settings(
    here: &Here,
    schedd: &mut Schedd,
    line: &Line,
    form: Form<'_>,
) -> Result<QueueSettings, u8> {
    match form.is_full() && line.operands.iter().all(|text| is_of_job(text)) {
        true => Ok(QueueSettings::default()),
        false => schedd.queues().map_err(|error| here.cannot_connect(&error)),
    }
}

fn operand(here: &Here, text: &str, settings: &QueueSettings) -> Result<Operand, u8> {
    if is_of_job(text) {
        return found::read(here, text).map(Operand::Job);
    }
    match here.destination(text) {
        Ok("") => Ok(Operand::Server),
        Ok(queue) if settings.queue(queue).is_some() => Ok(Operand::Queue(queue.to_owned())),
        Ok(queue) => {
            here.say(format_args!("Unknown queue destination {queue}"));
            Err(code::UNKNOWN_QUEUE)
        }
        Err(NoDestination::IllFormed) => {
            here.say(format_args!("illegally formed destination: {text}"));
            Err(code::FAILED)
        }
        Err(NoDestination::OtherServer) => Err(here.no_host()),
    }
}

/// What is shown of a cluster that nobody named.
fn of_cluster(here: &Here, line: &Line, number: u32, cluster: &Cluster) -> Vec<Job> {
    let whole = cluster.whole(number, here.now);
    let is_array = matches!(whole.kind, RowKind::Array { .. });
    let subjobs = || if line.has('t') { cluster.subjobs(number, here.now) } else { Vec::new() };
    match (line.has('J'), line.has('t')) {
        (true, true) => subjobs(),
        (true, false) if !is_array => Vec::new(),
        (true | false, _) => std::iter::once(whole).chain(subjobs()).collect(),
    }
}

/// What the options let through of what nobody named.
fn is_wanted(line: &Line, job: &Job) -> bool {
    let is_over = job.state == State::Finished;
    let runs = matches!(job.state, State::Running | State::Suspended);
    let waits = matches!(job.state, State::Queued | State::Held | State::Waiting | State::Exiting);
    let by_state = match () {
        () if line.has('H') => is_over,
        () if line.has('i') => waits,
        () if line.has('r') => runs,
        () => line.has('x') || !is_over,
    };
    let users = line.value('u');
    let owner = job.owner();
    let by_user = users.is_none_or(|users| {
        users.split(',').any(|user| user.split('@').next() == Some(owner.as_str()))
    });
    by_state && by_user
}

/// What is shown of a job that was named.
fn named(
    here: &Here,
    line: &Line,
    word: &JobWord,
    cluster: Option<&Cluster>,
) -> Result<Vec<Job>, u8> {
    let id = found::full(here, word);
    let unknown = || {
        here.say(format_args!("Unknown Job Id {id}"));
        code::UNKNOWN_JOB
    };
    let cluster = cluster.ok_or_else(unknown)?;
    let whole = cluster.whole(word.number, here.now);
    let is_array = matches!(whole.kind, RowKind::Array { .. });
    let jobs = match word.subjobs {
        Subjobs::Whole if !is_array => return Err(unknown()),
        // Beyond OpenPBS, the number alone names an array too.
        Subjobs::None | Subjobs::Whole => {
            let subjobs =
                if line.has('t') { cluster.subjobs(word.number, here.now) } else { Vec::new() };
            let own = if line.has('J') && line.has('t') { None } else { Some(whole) };
            own.into_iter().chain(subjobs).collect()
        }
        Subjobs::Some { .. } => {
            let mut subjobs = cluster.subjobs(word.number, here.now);
            subjobs.retain(|job| match job.kind {
                RowKind::Subjob(index) => word.subjobs.has(index),
                RowKind::Single | RowKind::Array { .. } => false,
            });
            subjobs
        }
    };
    if jobs.is_empty() {
        return Err(unknown());
    }
    if cluster.is_over() && !line.any("xH") {
        here.say(format_args!(
            "{id} Job has finished, use -x or -H to obtain historical job information"
        ));
        return Err(code::FINISHED);
    }
    Ok(jobs)
}
