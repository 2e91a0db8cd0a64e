//! `tracejob`: what has happened to jobs, from the schedd's own record: lines of the server (`S`),
//! and accounting records (`A`), which are made from the same. Schedulers and machines have no logs
//! of their own here.

use std::ops::ControlFlow;
use std::str::FromStr;

use client::{AskError, Home, Recorded, Select, Selector, Seq};
use jobspec::pbs::{attribute, code};
use model::ClusterId;
use proto::client::Happening;

use super::accounting;
use super::found;
use super::words::Line;
use crate::render;
use crate::render::pbs::{Here, Job};

/// Seconds of a day.
const DAY: i64 = 86_400;

pub(super) fn run(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, "ac:f:lmn:p:svw:z") {
        Ok(line) if !line.operands.is_empty() => line,
        _ => return usage(here),
    };
    let (Ok(days), Ok(width)) = (number::<i64>(&line, 'n'), number::<usize>(&line, 'w')) else {
        return usage(here);
    };
    let since = days.map(|days| here.now.saturating_sub(days.saturating_mul(DAY)));
    let width = width.unwrap_or(usize::MAX);
    let wanted = Wanted { since, width, server: !line.has('s'), accounting: !line.has('a') };
    let mut exit = 0;
    for text in &line.operands {
        if let Err(wrong) = trace(here, text, &wanted) {
            exit = wrong;
        }
    }
    exit
}

/// OpenPBS 23.06 says it on standard output.
fn usage(here: &Here) -> u8 {
    here.print(here.usage()).err().unwrap_or(code::FAILED)
}

/// The number behind an option, if that is given.
fn number<N: FromStr>(line: &Line, option: char) -> Result<Option<N>, N::Err> {
    line.value(option).map(str::parse).transpose()
}

/// What is told, and how.
struct Wanted {
    /// Seconds since the epoch.
    since: Option<i64>,
    /// So many columns of each line.
    width: usize,
    server: bool,
    accounting: bool,
}

fn trace(here: &Here, text: &str, wanted: &Wanted) -> Result<(), u8> {
    let word = found::read(here, text)?;
    let mut out = format!("\nJob: {}\n\n", found::full(here, &word));
    let select = Select::Any(vec![Selector::Cluster(ClusterId(word.number))]);
    let home = Home::from_environment();
    let told = home.events(Seq(1), select, |events| {
        let is_wanted = |at: i64| wanted.since.is_none_or(|since| at >= since);
        let mut lines: Vec<(i64, String)> = Vec::new();
        let told = accounting::told(&mut home.schedd()?, events, here)?;
        if wanted.server {
            let job = told.first().map(|(_, _, job)| job);
            lines.extend(events.iter().map(|event| (event.at.as_secs(), entry(event, job, here))));
        }
        if wanted.accounting {
            let line = |(at, entry, job): &(i64, _, Job)| {
                let stamp = render::pbs::accounting::stamp(*at, here);
                let text = render::pbs::accounting::text(entry, *at, job, here);
                (*at, format!("{stamp}  A    {text}"))
            };
            lines.extend(told.iter().map(line));
        }
        lines.sort_by_key(|(at, _)| *at);
        for (_, line) in lines.iter().filter(|(at, _)| is_wanted(*at)) {
            out.extend(line.chars().take(wanted.width));
            out.push('\n');
        }
        Ok::<_, AskError>(ControlFlow::Continue(()))
    });
    told.map_err(|error| here.cannot_connect(&error))?;
    here.print(&out)
}

/// `11/22/2026 16:35:04  S    ...`. The job is one of those that the event is about, if known.
fn entry(event: &Recorded, job: Option<&Job>, here: &Here) -> String {
    let at = render::pbs::accounting::stamp(event.at.as_secs(), here);
    let said = match &event.what {
        Happening::ClusterSubmitted { owner, procs, .. } => {
            let server = &here.server;
            let subjobs = if *procs > 1 { format!(", {procs} subjobs") } else { String::new() };
            let said = |job: &Job| {
                let text = |name| job.text(name).unwrap_or_default();
                let (name, queue) = (text(attribute::NAME), text(attribute::QUEUE));
                (!name.is_empty()).then(|| format!(", job name = {name}, queue = {queue}"))
            };
            let named = job.and_then(said).unwrap_or_default();
            format!(
                "Job Queued at request of {owner}@{server}, owner = {owner}@{server}{named}{subjobs}"
            )
        }
        Happening::FactoryEnded { .. }
        | Happening::Job { .. }
        | Happening::JobsWait { .. }
        | Happening::Reservation { .. }
        | Happening::JobEdited { .. }
        | Happening::JobSaid { .. } => {
            let (whose, what) = render::events::told(&event.what);
            format!("Job {whose}: {what}")
        }
    };
    format!("{at}  S    {said}")
}
