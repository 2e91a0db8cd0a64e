//! `tracejob`: what has happened to jobs, from the schedd's own record. A log of OpenPBS's daemons
//! there is none of: every line is the server's.

use std::ops::ControlFlow;
use std::str::FromStr;

use client::{AskError, Home, Recorded, Select, Selector, Seq};
use jobspec::pbs::code;
use model::ClusterId;
use proto::client::Happening;

use super::found;
use super::words::Line;
use crate::render;
use crate::render::pbs::Here;

const USAGE: &str =
    "USAGE: tracejob [-a|s|l|m|v] [-w size] [-p path] [-n days] [-f filter_type] job_identifier...
   -p : path to PBS_HOME (not used here)
   -w : number of columns of your terminal
   -n : number of days in the past to look for job(s) [default: all that is recorded]
   -f : filter out types of log entries (not used here)
   -z : toggle filtering excessive messages (not used here)
   -c : what message count is considered excessive (not used here)
   -a : don't use accounting log files
   -s : don't use server log files
   -l : don't use scheduler log files
   -m : don't use mom log files
   -v : verbose mode - show more error messages

       tracejob --version
   --version : display version only

";

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
    let mut exit = 0;
    for text in &line.operands {
        if let Err(wrong) = trace(here, text, since, width) {
            exit = wrong;
        }
    }
    exit
}

/// OpenPBS 23.06 says it on standard output.
fn usage(here: &Here) -> u8 {
    here.print(USAGE).err().unwrap_or(code::FAILED)
}

/// The number behind an option, if that is given.
fn number<N: FromStr>(line: &Line, option: char) -> Result<Option<N>, N::Err> {
    line.value(option).map(str::parse).transpose()
}

fn trace(here: &Here, text: &str, since: Option<i64>, width: usize) -> Result<(), u8> {
    let word = found::read(here, text)?;
    let mut out = format!("\nJob: {}\n\n", found::full(here, &word));
    let select = Select::Any(vec![Selector::Cluster(ClusterId(word.number))]);
    let told = Home::from_environment().events(Seq(1), select, |events| {
        let wanted = events.iter().filter(|event| since.is_none_or(|at| event.at.as_secs() >= at));
        for event in wanted {
            out += &entry(event, here, width);
        }
        Ok::<_, AskError>(ControlFlow::Continue(()))
    });
    told.map_err(|error| here.cannot_connect(&error))?;
    here.print(&out)
}

/// `11/22/2026 16:35:04  S    ...`.
fn entry(event: &Recorded, here: &Here, width: usize) -> String {
    let at = jiff::Timestamp::from_second(event.at.as_secs()).unwrap_or_default();
    let at = at.to_zoned(here.zone.clone()).strftime("%m/%d/%Y %H:%M:%S").to_string();
    let said = match &event.what {
        Happening::ClusterSubmitted { owner, procs, .. } => {
            let server = &here.server;
            let subjobs = if *procs > 1 { format!(", {procs} subjobs") } else { String::new() };
            format!("Job Queued at request of {owner}@{server}, owner = {owner}@{server}{subjobs}")
        }
        Happening::FactoryEnded { .. }
        | Happening::Job { .. }
        | Happening::JobsWait { .. }
        | Happening::JobEdited { .. }
        | Happening::JobSaid { .. } => {
            let (whose, what) = render::events::told(&event.what);
            format!("Job {whose}: {what}")
        }
    };
    let text: String = format!("{at}  S    {said}").chars().take(width).collect();
    text + "\n"
}
