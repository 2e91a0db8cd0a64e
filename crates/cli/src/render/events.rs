//! Events of the record, one a line: as sentences, or as JSON. Knows nothing of where they come
//! from.

use jiff::tz::TimeZone;
use model::{AfterRun, JobEvent, StopCause};
use proto::client::{Happening, Recorded};

use crate::render::time;

/// The event as an object: `seq`, `at` (seconds), then `cluster` or `job` and what happened.
pub fn json_line(event: &Recorded) -> String {
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

/// The event in a line for people.
pub fn text_line(event: &Recorded, zone: &TimeZone) -> String {
    let (whose, what) = told(&event.what);
    format!("{} {} {whose} {what}\n", event.seq, time::plain(event.at, zone))
}

/// To whom it happened, and what.
pub fn told(what: &Happening) -> (String, String) {
    match what {
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
    }
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
