//! `updraft events`: the schedd's numbered record, so that nobody has to poll the queue or read
//! logs to learn what happened.

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use client::Home;
use jiff::tz::TimeZone;
use model::{AfterRun, JobEvent, Seq, StopCause};
use proto::client::{Happening, Recorded, Select};

use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::output;
use crate::line::select;
use crate::render::time;

/// List what happened to jobs, each event once, with its number in the record.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Jobs: CLUSTER, CLUSTER.PROC or USER (default: all).
    #[arg(value_name = "JOBS")]
    jobs: Vec<String>,
    /// Only events with this number and later ones. Remember the last number you saw, and ask for
    /// the next.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    since: u64,
    /// Go on as events happen.
    #[arg(long, short)]
    follow: bool,
    /// As JSON, one event a line.
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
///
/// If the schedd cannot be asked.
pub fn run(args: EventsArgs, _: &Call) -> Result<ExitCode> {
    let EventsArgs { jobs, since, follow, json } = args;
    let zone = TimeZone::system();
    let (home, since, select) =
        (Home::from_environment(), Seq(since), select::any_or(&jobs, Select::All));
    let show = |events: &[Recorded]| {
        let line = |event: &Recorded| if json { json_line(event) } else { text_line(event, &zone) };
        output::put(&events.iter().map(line).collect::<String>())?;
        Ok::<_, anyhow::Error>(ControlFlow::Continue(()))
    };
    match follow {
        true => home.follow(since, select, show)?,
        false => home.events(since, select, show)?,
    }
    Ok(Exit::Done.into())
}

/// The event as an object: `seq`, `at` (seconds), then `cluster` or `job` and what happened.
fn json_line(event: &Recorded) -> String {
    let at = serde_json::Number::from_f64(seconds(event.at.as_millis()));
    let what = match &event.what {
        Happening::ClusterSubmitted { cluster, owner, procs } => {
            serde_json::json!({ "cluster": cluster, "owner": owner, "procs": procs, "event": "ClusterSubmitted" })
        }
        Happening::FactoryEnded { cluster, never } => {
            serde_json::json!({ "cluster": cluster, "never": never, "event": "FactoryEnded" })
        }
        Happening::JobsWait { cluster, jobs, reason } => serde_json::json!({
            "cluster": cluster,
            "jobs": jobs,
            "event": "JobsWait",
            "verdict": reason.verdict.to_string(),
            "reason": reason.cause.to_string(),
            "cause": reason.cause,
        }),
        Happening::Job { job, event } => {
            serde_json::json!({ "job": job.to_string(), "event": event })
        }
        Happening::JobSaid { job, text } => {
            serde_json::json!({ "job": job.to_string(), "event": { "Said": text } })
        }
        Happening::JobEdited { job, changes } => {
            serde_json::json!({ "job": job.to_string(), "event": { "Edited": changes } })
        }
    };
    let mut line = serde_json::json!({ "seq": event.seq, "at": at });
    if let (Some(line), serde_json::Value::Object(what)) = (line.as_object_mut(), what) {
        line.extend(what);
    }
    format!("{line}\n")
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this era fit 53 bits")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn text_line(event: &Recorded, zone: &TimeZone) -> String {
    let (whose, what) = match &event.what {
        Happening::ClusterSubmitted { cluster, owner, procs } => {
            (cluster.to_string(), format!("submitted by {owner}, {procs} jobs"))
        }
        Happening::FactoryEnded { cluster, never } => {
            (cluster.to_string(), format!("removed before {never} of its jobs had come"))
        }
        Happening::JobsWait { cluster, jobs, reason } => {
            (cluster.to_string(), format!("{jobs} of its jobs wait, {reason}"))
        }
        Happening::Job { job, event } => (job.to_string(), sentence(event)),
        Happening::JobSaid { job, text } => (job.to_string(), format!("says: {text}")),
        Happening::JobEdited { job, changes } => {
            let set: Vec<String> =
                changes.iter().map(|(name, to)| format!("{name} = {to}")).collect();
            (job.to_string(), format!("edited: {}", set.join(", ")))
        }
    };
    format!("{} {} {whose} {what}\n", event.seq, time::plain(event.at, zone))
}

fn sentence(event: &JobEvent) -> String {
    match event {
        JobEvent::RunAuthorised { attempt, slot, .. } => {
            let place = slot.as_ref().map(|slot| format!(" on {slot}")).unwrap_or_default();
            format!("run {attempt} begins{place}")
        }
        JobEvent::RunStarted { attempt, .. } => format!("run {attempt} executes"),
        JobEvent::PauseRequested { pause, .. } if pause.suspend => "is to be suspended".to_owned(),
        JobEvent::PauseRequested { .. } => "is to go on".to_owned(),
        JobEvent::Suspended { processes, .. } => format!("suspended, {processes} processes"),
        JobEvent::Continued { .. } => "goes on".to_owned(),
        JobEvent::StopRequested { cause, .. } => match cause {
            StopCause::Hold(hold) => format!("is stopped to be held: {}", hold.reason),
            StopCause::Remove { reason } => format!("is stopped to be removed: {reason}"),
            StopCause::Vacate { reason, .. } => format!("is stopped: {reason}"),
        },
        JobEvent::RunOver { attempt, end, next, .. } => {
            format!("run {attempt} {end}{}", after(next))
        }
        JobEvent::Skipped { end, .. } => format!("was not to run, and {end}"),
        JobEvent::Held(hold) => format!("held: {}", hold.reason),
        JobEvent::Released { reason, .. } => format!("released: {reason}"),
        JobEvent::Removed { reason, .. } => format!("removed: {reason}"),
    }
}

fn after(next: &AfterRun) -> String {
    match next {
        AfterRun::Complete => ", and the job with it".to_owned(),
        AfterRun::Hold(hold) => format!(", held: {}", hold.reason),
        AfterRun::Remove { reason } => format!(", removed: {reason}"),
        AfterRun::Requeue { reason } => format!(", queued again: {reason}"),
    }
}
