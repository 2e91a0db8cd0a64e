//! `updraft retry`: what has ended runs again, what is held is let go.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use clap::Args;
use client::Home;
use client::retry::RetryError;
use jiff::tz::TimeZone;
use model::JobId;
use proto::client::{Action, Query, Select, Selector};
use serde::Serialize;

use crate::line::call::Call;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::line::select;
use crate::render::dialect::Dialect;
use crate::render::jobs::finished;
use crate::render::jobs::history::Ended;
use crate::render::said::{Said, Tell};
use crate::render::values::view::status;
use crate::render::values::view::{Moment, View};

/// Run jobs again: those that have ended are submitted anew, as they were described; held ones are
/// released. Jobs that wait or run are left alone.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// Jobs: CLUSTER or CLUSTER.PROC.
    #[arg(value_name = "JOBS", required = true)]
    jobs: Vec<String>,
    /// Only those that failed: that ended with another exit code than 0 or by a signal, or are
    /// held.
    #[arg(long)]
    failed: bool,
    /// Say what came of it as JSON.
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Retried {
    submitted: Vec<Again>,
    released: Vec<String>,
    /// Those that were done again before, and are in the queue.
    already: Vec<Again>,
    /// Jobs that wait or run, or, with `--failed`, ended well or were removed.
    left_alone: usize,
}

#[derive(Debug, Serialize)]
struct Again {
    job: String,
    now: String,
}

impl Again {
    fn of((job, now): (&JobId, &JobId)) -> Self {
        Self { job: job.to_string(), now: now.to_string() }
    }
}

impl Tell for Retried {
    fn tell(&self, _: Dialect) -> Said {
        let mut out = String::new();
        for Again { job, now } in &self.submitted {
            out += &format!("{job} is submitted again as {now}\n");
        }
        for job in &self.released {
            out += &format!("{job} is released\n");
        }
        for Again { job, now } in &self.already {
            out += &format!("{job} was submitted again before: it is {now}\n");
        }
        let is_nothing = self.submitted.is_empty() && self.released.is_empty();
        if is_nothing && self.already.is_empty() {
            out += &format!("nothing to do again: {} jobs are left alone\n", self.left_alone);
        }
        Said::out(out)
    }
}

/// Does it.
///
/// # Errors
///
/// If there is no such job, or one cannot be submitted again.
pub fn run(args: &RetryArgs, call: &Call) -> Result<Outcome> {
    let selectors = select::selectors(&args.jobs);
    if let Some(word) = args
        .jobs
        .iter()
        .zip(&selectors)
        .find_map(|(word, selector)| matches!(selector, Selector::Owner(_)).then_some(word))
    {
        bail!("'{word}' is no job: write CLUSTER or CLUSTER.PROC");
    }
    let select = Select::Any(selectors);
    let mut schedd = connect::schedd()?;
    let queued = schedd.jobs(Query::of(select.clone()))?;
    let finished = schedd.jobs(Query { finished: true, ..Query::of(select) })?;
    if queued.is_empty() && finished.is_empty() {
        let forgotten = schedd.totals()?.forgotten;
        bail!(finished::no_such_job(args.jobs.join(" "), &forgotten));
    }
    let moment = Moment::new(proto::clock::now().wall.as_secs(), TimeZone::UTC);
    let held: Vec<JobId> = queued
        .iter()
        .map(|ad| View::new(ad, &moment))
        .filter(|job| job.status() == status::HELD)
        .filter_map(View::job)
        .collect();
    let over: BTreeSet<JobId> = finished
        .iter()
        .map(|ad| View::new(ad, &moment))
        .filter(|job| !args.failed || Ended::of(*job).is_bad())
        .filter_map(View::job)
        .collect();
    let left_alone = queued.len() + finished.len() - held.len() - over.len();
    let mut retried = Retried { left_alone, ..Retried::default() };
    if !held.is_empty() {
        let which = Select::Any(held.iter().copied().map(Selector::Job).collect());
        let reason = Some("updraft retry".to_owned());
        schedd.act(Action::Release { reason }, which)?;
        retried.released = held.iter().map(ToString::to_string).collect();
    }
    let home = Home::from_environment();
    let mut over: Vec<JobId> = over.into_iter().collect();
    let already = home.retried_already(&over)?;
    over.retain(|job| !already.contains_key(job));
    retried.already = already.iter().map(Again::of).collect();
    let failed = match home.retry(&over) {
        Ok(again) => {
            retried.submitted = again.iter().map(|(job, now)| Again::of((job, now))).collect();
            None
        }
        // What was done is told beside why the rest was not.
        Err(RetryError::Partly { done, source }) => {
            retried.submitted = done.iter().map(|(job, now)| Again::of((job, now))).collect();
            Some(*source)
        }
        Err(error) if !retried.released.is_empty() => Some(error),
        Err(error) => return Err(error.into()),
    };
    let is_done = !retried.submitted.is_empty() || !retried.released.is_empty();
    let exit = if is_done && failed.is_none() { Exit::Done } else { Exit::Failed };
    let mut outcome = Outcome::of(&retried, args.json, call, exit);
    if let Some(error) = failed {
        outcome.said.err += &format!("updraft retry: {:#}\n", anyhow::Error::from(error));
    }
    Ok(outcome)
}
