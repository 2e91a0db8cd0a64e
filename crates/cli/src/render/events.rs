//! Events of the record, one a line: as sentences, or as JSON. Knows nothing of where they come
//! from.

use jiff::tz::TimeZone;
use model::queues::Became;
use model::{AfterRun, JobEvent, JobId, StopCause};
use proto::client::{Happening, Recorded};
use serde_json::{Value, json};

use crate::render::time;

/// What the lines of [`json_line`] are, as JSON Schema.
pub const SCHEMA: &str = include_str!("../../../../docs/user/events.schema.json");

/// The greatest whole number that every reader of JSON keeps as it is: 2^53.
const MOST_EXACT: u64 = 1 << 53;

/// Values that are moments: seconds since the epoch, with milliseconds behind the point.
const MOMENTS: [&str; 5] = ["at", "since", "started", "ended", "until"];

/// Values that are one of several kinds: each is an object that says which.
const OF_KINDS: [&str; 4] = ["cause", "end", "ended", "next"];

/// The event as an object of one form: `seq`, `at`, `event` (its name), of which `job` or
/// `cluster`, and its `detail`. [`SCHEMA`] describes it.
pub fn json_line(event: &Recorded) -> String {
    let (name, of, detail) = parts(&event.what);
    let mut line = json!({ "seq": event.seq, "at": event.at, "event": name, "detail": detail });
    if let (Some(line), Value::Object(of)) = (line.as_object_mut(), of) {
        line.extend(of);
    }
    format!("{}\n", plain("", line))
}

/// The name of what happened, to whom, and the rest.
fn parts(what: &Happening) -> (String, Value, Value) {
    let named = |name: &str, of: Value, detail: Value| (name.to_owned(), of, detail);
    let of_job = |job: &JobId| json!({ "job": job.to_string(), "cluster": job.cluster });
    match what {
        Happening::ClusterSubmitted { cluster, owner, procs } => named(
            "ClusterSubmitted",
            json!({ "cluster": cluster }),
            json!({ "owner": owner, "procs": procs }),
        ),
        Happening::FactoryEnded { cluster, never } => {
            named("FactoryEnded", json!({ "cluster": cluster }), json!({ "never": never }))
        }
        Happening::Reservation { number, became, reserved } => named(
            "Reservation",
            json!({ "reservation": format!("R{number}") }),
            json!({ "became": became, "owner": reserved.owner, "window": reserved.window }),
        ),
        Happening::JobsWait { cluster, jobs, reason } => named(
            "JobsWait",
            json!({ "cluster": cluster }),
            json!({
                "jobs": jobs,
                "verdict": reason.verdict.to_string(),
                "reason": reason.cause.to_string(),
                "cause": reason.cause,
            }),
        ),
        Happening::Job { job, event } => {
            let Value::Object(mut detail) = plain("", json!(event)) else {
                return (String::new(), of_job(job), Value::Null);
            };
            detail.remove("at");
            let name = detail.remove("kind").and_then(|kind| Some(kind.as_str()?.to_owned()));
            (name.unwrap_or_default(), of_job(job), Value::Object(detail))
        }
        Happening::JobSaid { job, text } => named("Said", of_job(job), json!({ "text": text })),
        Happening::JobEdited { job, changes } => {
            named("Edited", of_job(job), json!({ "changes": changes }))
        }
    }
}

/// A value as every reader takes it: no number that some read as another, moments in seconds, and
/// what is of several kinds as an object with its `kind`.
fn plain(key: &str, value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(ms) if MOMENTS.contains(&key) => json!(seconds(ms)),
            Some(small) if small.unsigned_abs() <= MOST_EXACT => json!(small),
            None if number.is_f64() => Value::Number(number),
            Some(_) | None => Value::String(number.to_string()),
        },
        Value::String(kind) if OF_KINDS.contains(&key) => json!({ "kind": kind }),
        Value::Object(map) if key == "changes" => Value::Object(map),
        Value::Object(map) => match variant(&map) {
            Some((kind, inner)) => of_kind(kind, plain("", inner.clone())),
            None => map.into_iter().map(|(key, value)| (key.clone(), plain(&key, value))).collect(),
        },
        Value::Array(all) => all.into_iter().map(|one| plain("", one)).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

/// The one key of a map that names a kind: fields begin with a small letter.
fn variant(map: &serde_json::Map<String, Value>) -> Option<(&String, &Value)> {
    let mut all = map.iter();
    let only = all.next().filter(|_| map.len() == 1)?;
    only.0.starts_with(|c: char| c.is_ascii_uppercase()).then_some(only)
}

fn of_kind(kind: &str, inner: Value) -> Value {
    match inner {
        Value::Object(mut fields) if !fields.contains_key("kind") => {
            fields.insert("kind".to_owned(), json!(kind));
            Value::Object(fields)
        }
        Value::Object(_) => json!({ "kind": kind, "how": inner }),
        other => json!({ "kind": kind, "value": other }),
    }
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
        Happening::Reservation { number, became, .. } => {
            let what = match became {
                Became::Requested => "reservation requested".to_owned(),
                Became::Confirmed => "reservation confirmed".to_owned(),
                Became::Began => "reservation period starting".to_owned(),
                Became::Finished => "reservation period ended".to_owned(),
                Became::Denied => "reservation denied".to_owned(),
                Became::Deleted { by } => format!("reservation deleted by {by}"),
            };
            (format!("R{number}"), what)
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

#[cfg(test)]
mod tests {
    use model::{
        Attempt, Cause, ClaimId, ClusterId, Hold, HoldCode, IdleReason, ProgramEnd, RunEnd, Seq,
        Timestamp, Usage, UserName, Verdict,
    };

    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_795_363_600_250);

    fn all() -> Vec<Happening> {
        let (job, attempt, at) = (JobId::new(7, 3), Attempt(2), AT);
        let of_job = |event| Happening::Job { job, event };
        let claim = ClaimId { journal: u64::MAX, number: 9 };
        let usage = Usage { started: Some(AT), ended: Some(AT), ..Usage::default() };
        let over = |end, next| of_job(JobEvent::RunOver { attempt, end, usage, next, at });
        let hold =
            Hold { code: HoldCode::UserRequest, subcode: 0, reason: "late".to_owned(), since: AT };
        let reason = |cause| IdleReason { verdict: Verdict::Never, cause };
        vec![
            Happening::ClusterSubmitted {
                cluster: ClusterId(7),
                owner: UserName::new("alice"),
                procs: 4,
            },
            Happening::FactoryEnded { cluster: ClusterId(7), never: 2 },
            Happening::JobsWait {
                cluster: ClusterId(7),
                jobs: 4,
                reason: reason(Cause::NoMachines),
            },
            Happening::JobsWait {
                cluster: ClusterId(7),
                jobs: 4,
                reason: reason(Cause::FairShare { place: 2, of: 3 }),
            },
            Happening::JobSaid { job, text: "half".to_owned() },
            Happening::JobEdited { job, changes: [("Rank".to_owned(), "1".to_owned())].into() },
            of_job(JobEvent::RunAuthorised { attempt, claim, slot: None, at }),
            of_job(JobEvent::RunStarted { attempt, at }),
            of_job(JobEvent::Suspended { attempt, processes: 1, at }),
            of_job(JobEvent::Continued { attempt, at }),
            of_job(JobEvent::StopRequested { cause: StopCause::Hold(hold.clone()), at }),
            over(RunEnd::exited(3), AfterRun::Complete),
            over(
                RunEnd::Program(ProgramEnd::Signaled { signal: 9, core: false }),
                AfterRun::Hold(hold.clone()),
            ),
            of_job(JobEvent::Skipped { end: RunEnd::UpToDate, at }),
            of_job(JobEvent::Held(hold)),
            of_job(JobEvent::Released { reason: "now".to_owned(), at }),
            of_job(JobEvent::Removed { reason: "enough".to_owned(), at }),
        ]
    }

    fn lines() -> Vec<Value> {
        let event = |what| json_line(&Recorded { seq: Seq(5), at: AT, what });
        all().into_iter().map(|what| serde_json::from_str(&event(what)).unwrap()).collect()
    }

    #[test]
    fn each_event_has_one_form() {
        let text: String = lines().iter().map(|line| format!("{line}\n")).collect();
        expect_test::expect![[r#"
            {"at":1795363600.25,"cluster":7,"detail":{"owner":"alice","procs":4},"event":"ClusterSubmitted","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"never":2},"event":"FactoryEnded","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"cause":{"kind":"NoMachines"},"jobs":4,"reason":"the pool has no machines","verdict":"never"},"event":"JobsWait","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"cause":{"kind":"FairShare","of":3,"place":2},"jobs":4,"reason":"other users come first: place 2 of 3 in the fair share","verdict":"never"},"event":"JobsWait","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"text":"half"},"event":"Said","job":"7.3","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"changes":{"Rank":"1"}},"event":"Edited","job":"7.3","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"attempt":2,"claim":{"journal":"18446744073709551615","number":9}},"event":"RunAuthorised","job":"7.3","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"attempt":2},"event":"RunStarted","job":"7.3","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"attempt":2,"processes":1},"event":"Suspended","job":"7.3","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"attempt":2},"event":"Continued","job":"7.3","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"cause":{"code":1,"kind":"Hold","reason":"late","since":1795363600.25,"subcode":0}},"event":"StopRequested","job":"7.3","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"attempt":2,"end":{"code":3,"kind":"Exited"},"next":{"kind":"Complete"},"usage":{"disk_kib":0,"ended":1795363600.25,"peak_process_kib":0,"peak_rss_kib":0,"peak_vmem_kib":0,"received_bytes":0,"scratch_files":0,"sent_bytes":0,"started":1795363600.25,"sys_us":0,"user_us":0}},"event":"RunOver","job":"7.3","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"attempt":2,"end":{"core":false,"kind":"Signaled","signal":9},"next":{"code":1,"kind":"Hold","reason":"late","since":1795363600.25,"subcode":0},"usage":{"disk_kib":0,"ended":1795363600.25,"peak_process_kib":0,"peak_rss_kib":0,"peak_vmem_kib":0,"received_bytes":0,"scratch_files":0,"sent_bytes":0,"started":1795363600.25,"sys_us":0,"user_us":0}},"event":"RunOver","job":"7.3","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"end":{"kind":"UpToDate"}},"event":"Skipped","job":"7.3","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"code":1,"reason":"late","since":1795363600.25,"subcode":0},"event":"Held","job":"7.3","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"reason":"now"},"event":"Released","job":"7.3","seq":5}
            {"at":1795363600.25,"cluster":7,"detail":{"reason":"enough"},"event":"Removed","job":"7.3","seq":5}
        "#]].assert_eq(&text);
    }

    #[test]
    fn every_line_is_what_the_schema_says_and_the_schema_knows_every_event() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let known = schema["properties"].as_object().unwrap();
        let names = known["event"]["enum"].as_array().unwrap();
        let required = schema["required"].as_array().unwrap();
        for line in lines() {
            let line = line.as_object().unwrap();
            for (name, value) in line {
                let expected = known[name]["type"].as_str().unwrap();
                let is = match value {
                    Value::Number(number) if number.is_f64() => "number",
                    Value::Number(_) => "integer",
                    Value::String(_) => "string",
                    Value::Object(_) => "object",
                    Value::Null | Value::Bool(_) | Value::Array(_) => "something else",
                };
                assert_eq!(is, expected, "{name} in {line:?}");
            }
            assert!(
                required.iter().all(|name| line.contains_key(name.as_str().unwrap())),
                "{line:?}"
            );
            assert!(names.contains(&line["event"]), "{line:?}");
        }
    }

    /// A reader that has no numbers but those of 64 bits with a point, as JavaScript.
    #[test]
    fn no_number_is_another_one_for_a_reader_with_one_kind_of_numbers() {
        fn check(value: &Value) {
            match value {
                Value::Number(number) => {
                    let read: f64 = number.to_string().parse().unwrap();
                    assert!(read.abs() <= 9_007_199_254_740_992.0, "{number}");
                }
                Value::Object(map) => map.values().for_each(check),
                Value::Array(all) => all.iter().for_each(check),
                Value::Null | Value::Bool(_) | Value::String(_) => {}
            }
        }
        let lines = lines();
        lines.iter().for_each(check);
        let authorised = lines.iter().find(|line| line["event"] == "RunAuthorised").unwrap();
        assert_eq!(authorised["detail"]["claim"]["journal"], u64::MAX.to_string());
    }
}
