//! `updraft wait`, `condor_wait`: returns when jobs have ended. HTCondor's way reads an event log;
//! ours follows the schedd's record.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{self, ExitCode};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use client::progress::Ways;
use client::{End, Home};
use jiff::tz::TimeZone;
use model::JobId;
use model::userlog::{DateForm, LogStyle};
use proto::client::{Select, Selector};

use crate::commands::watching::log_wait::{Echo, LogWait, Waited, Wanted};
use crate::line::call::Call;
use crate::line::connect;
use crate::line::exit::Exit;
use crate::line::output;
use crate::line::output::complain;
use crate::line::select;
use crate::line::usage::Mistake;
use crate::render::dialect::Dialect;
use crate::render::jobs::finished;
use crate::render::values::ads::Form;

/// How often a log is looked at: soon for a person, cheap for a file system.
const POLL: Duration = Duration::from_millis(100);

/// Wait until jobs have ended.
///
/// With job ids it follows the pool's record and says at the end how the jobs ended; exit code 0 if
/// every job ended with exit code 0, 1 if one failed or was removed, 5 if one was held. With a log
/// file it watches that, as condor_wait does.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Jobs (CLUSTER or CLUSTER.PROC), or a log file.
    #[arg(value_name = "JOBS|LOG", required = true)]
    what: Vec<String>,
    /// No longer than this, seconds.
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// Until so many jobs have ended.
    #[arg(long, value_name = "N")]
    num: Option<usize>,
    /// Say when jobs start and end.
    #[arg(long)]
    status: bool,
    /// Repeat the log's events. Forms after a colon, with commas: ISO_DATE, UTC, SUB_SECOND of
    /// dates; JSON or XML of all.
    #[arg(long)]
    echo: bool,
    #[arg(long, hide = true, action = clap::ArgAction::Append, value_name = "FORMS")]
    echo_form: Vec<String>,
    /// Wait for all jobs of the log, as without it: it is read to its end in any case.
    #[arg(long)]
    allevents: bool,
    /// Say how each job ended as JSON, one a line. Needs jobs, not a log.
    #[arg(long)]
    json: bool,
    /// Accepted: there is nothing to debug.
    #[arg(long, hide = true)]
    debug: bool,
}

/// Does it.
///
/// # Errors
///
/// If the log cannot be read, or the schedd cannot be asked.
pub fn run(args: &WaitArgs, call: &Call) -> Result<ExitCode> {
    let selectors = select::selectors(&args.what);
    let are_jobs = selectors.iter().all(|word| !matches!(word, Selector::Owner(_)));
    if are_jobs && call.dialect == Dialect::Updraft && !Path::new(&args.what[0]).exists() {
        follow_record(args, selectors)
    } else if args.json {
        bail!("--json tells how jobs end: name jobs, not a log")
    } else {
        watch_log(args, call)
    }
}

/// Which job of a log, or which cluster.
type OfLog = Option<(u32, Option<u32>)>;

/// The log and the jobs that the words name; `None` if that is told.
fn log_and_jobs(args: &WaitArgs, of_htcondor: bool) -> Result<Option<(&str, OfLog)>> {
    match args.num {
        Some(0) if of_htcondor => return Err(Mistake("-num must be greater than zero").into()),
        Some(_) if args.allevents => {
            return Err(Mistake("-num cannot be used with -allevents").into());
        }
        Some(_) | None => {}
    }
    Ok(Some(match args.what.as_slice() {
        [path] => (path.as_str(), None),
        [path, job] => match job_words(job, of_htcondor) {
            Some(job) => (path.as_str(), job),
            None if of_htcondor => {
                complain(&format!("Couldn't understand job number: {job}\n"));
                return Ok(None);
            }
            None => bail!("'{job}' is no job: write CLUSTER or CLUSTER.PROC"),
        },
        [_, _, more, ..] if of_htcondor => {
            complain(&format!("Extra argument: {more}\n\n"));
            return Err(Mistake("").into());
        }
        _ => bail!("wait needs one log file, and at most one job of it"),
    }))
}

fn watch_log(args: &WaitArgs, call: &Call) -> Result<ExitCode> {
    let Some((path, job)) = log_and_jobs(args, call.dialect == Dialect::HtCondor)? else {
        return Ok(Exit::Failed.into());
    };
    if let Err(error) = fs::metadata(path) {
        let reason = client::site::plain(&error);
        complain(&match call.dialect {
            Dialect::HtCondor => format!("Couldn't open {path}: {reason}\n"),
            Dialect::Updraft | Dialect::Pbs => {
                format!("updraft wait: {path} is no job, and no log that can be read: {reason}\n")
            }
        });
        return Ok(Exit::Failed.into());
    }
    let mut wait = LogWait::new(wanted(args, job)?);
    let start = proto::clock::now().boot_ms;
    let limit = args.wait.map(|s| start.saturating_add(s.saturating_mul(1000)));
    let mut seen = None;
    loop {
        // A long log is read again only if something was written.
        let stamp = fs::metadata(path).and_then(|of| Ok((of.len(), of.modified()?))).ok();
        let outcome = if seen.is_some() && stamp == seen {
            Waited::Waiting
        } else {
            seen = stamp;
            let bytes = client::site::read(path)?;
            let (text, outcome) = wait.feed(&String::from_utf8_lossy(&bytes));
            output::put(&text)?;
            outcome
        };
        match outcome {
            Waited::Waiting => {}
            Waited::NotThere => {
                let what = if job.is_some() { "that job" } else { "any jobs" };
                complain(&format!("This log does not mention {what}!\n"));
                return Ok(Exit::Failed.into());
            }
            Waited::AllDone => output::put("All jobs done.\n")?,
            // The misspelling is HTCondor's, and to the letter.
            Waited::NumberDone(n) => {
                output::put(&format!("Specifed number of jobs ({n}) done.\n"))?;
            }
        }
        if outcome != Waited::Waiting {
            let failed = call.dialect == Dialect::Updraft && wait.any_failed();
            return Ok(if failed { Exit::Failed } else { Exit::Done }.into());
        }
        if limit.is_some_and(|limit| proto::clock::now().boot_ms >= limit) {
            output::put("Time expired.\n")?;
            return Ok(if call.dialect == Dialect::Updraft {
                Exit::TimedOut
            } else {
                Exit::Failed
            }
            .into());
        }
        thread::sleep(POLL);
    }
}

/// Which jobs `13`, `13.25` or `13.25.3` mean; `Some(None)`: all. HTCondor reads as far as it
/// makes sense, and takes a number below zero for any.
fn job_words(text: &str, of_htcondor: bool) -> Option<OfLog> {
    if !of_htcondor {
        let numbers: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        return match numbers?.as_slice() {
            [cluster] => Some(Some((*cluster, None))),
            [cluster, proc] | [cluster, proc, _] => Some(Some((*cluster, Some(*proc)))),
            _ => None,
        };
    }
    let number = |part: &str| {
        let digits = part.strip_prefix('-').unwrap_or(part);
        let end = digits.bytes().take_while(u8::is_ascii_digit).count();
        part[..part.len() - digits.len() + end].parse::<i64>().ok()
    };
    let mut parts = text.split('.');
    let cluster = number(parts.next()?)?;
    let proc = parts.next().and_then(number).and_then(|proc| u32::try_from(proc).ok());
    Some(u32::try_from(cluster).ok().map(|cluster| (cluster, proc)))
}

fn wanted(args: &WaitArgs, job: Option<(u32, Option<u32>)>) -> Result<Wanted> {
    let zone = TimeZone::system();
    let mut style = LogStyle { date: DateForm::MonthDay, ..LogStyle::iso(&zone) };
    let mut whole = None;
    for form in args.echo_form.iter().flat_map(|forms| forms.split(',')) {
        match form.to_ascii_uppercase().as_str() {
            "ISO_DATE" => style.date = DateForm::Iso,
            "UTC" => style.utc = true,
            "SUB_SECOND" => style.sub_second = true,
            "XML" => whole = Some(Form::Xml),
            "JSON" => whole = Some(Form::Json),
            _ => bail!("-echo:{form}: the forms are ISO_DATE, UTC, SUB_SECOND, XML and JSON"),
        }
    }
    if whole.is_some() {
        style.date = DateForm::Iso;
    }
    let echo = (args.echo || !args.echo_form.is_empty()).then_some(Echo { style, form: whole });
    let now = jiff::Timestamp::from_second(proto::clock::now().wall.as_secs())?;
    let year = now.to_zoned(zone.clone()).year();
    Ok(Wanted {
        job,
        number: args.num,
        must_be_there: args.num.is_some() || args.allevents,
        status: args.status,
        echo,
        zone,
        year,
    })
}

fn follow_record(args: &WaitArgs, selectors: Vec<Selector>) -> Result<ExitCode> {
    if let Some(limit) = args.wait {
        end_after(Duration::from_secs(limit));
    }
    let (mut exit, mut ended, mut ways) = (Exit::Done, 0, Ways::default());
    let all = Home::from_environment().wait(&Select::Any(selectors), |job, end| {
        ended += 1;
        exit = worse(exit, end);
        ways.note(job, end);
        if args.json {
            output::put(&json(job, end))?;
        } else if args.status {
            output::put(&format!("{job} {end}\n"))?;
        }
        let is_enough = args.num.is_some_and(|number| ended >= number);
        Ok::<_, anyhow::Error>(if is_enough {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    if all == 0 {
        let forgotten = connect::schedd()?.totals()?.forgotten;
        bail!(finished::no_such_job(args.what.join(" "), &forgotten));
    }
    if !args.json {
        output::put(&ways.summary().iter().map(|line| format!("{line}\n")).collect::<String>())?;
    }
    Ok(exit.into())
}

/// Ends the whole process when the time is up: the connection blocks, and nothing is lost with it.
fn end_after(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        complain("Time expired.\n");
        process::exit(Exit::TimedOut.code().into());
    });
}

fn json(job: JobId, end: &End) -> String {
    let (ended, detail) = match end {
        End::Good => ("success", None),
        End::Bad(how) => ("failure", Some(how)),
        End::Held(reason) => ("held", Some(reason)),
    };
    let line = serde_json::json!({ "job": job.to_string(), "ended": ended, "detail": detail });
    format!("{line}\n")
}

fn worse(exit: Exit, end: &End) -> Exit {
    match (exit, end) {
        (_, End::Held(_)) | (Exit::Held, _) => Exit::Held,
        (_, End::Bad(_)) => Exit::Failed,
        (exit, End::Good) => exit,
    }
}
