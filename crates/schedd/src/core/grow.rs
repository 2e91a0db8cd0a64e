//! Requests that grow: a run that uses more memory than it was given is stopped, and its job asks for more the next time
//! (`retry_request_memory`). What "more" is stands in the job's ad as HTCondor 25.14's transform: the lines `REQUIREMENTS EXPRESSION`,
//! `SET NAME EXPRESSION` and `EVALSET NAME EXPRESSION`. Jobs without one are never stopped for what they use.

use std::sync::Arc;

use classad::{ClassAd, Expr};
use model::{Hold, HoldCode, JobEvent, JobState, Now, RunId, StopCause, Usage, VacateCode, attr};

use super::ads;
use super::state::{Core, JobRef};
use super::words::Fact;

/// The subcode of a hold for memory (HTCondor 25.14).
pub(super) const OUT_OF_MEMORY: i32 = 102;

/// Names the transform: the part behind `TransformBody_`.
const TRANSFORM_ON_EVICT: &str = "TransformOnEvict";

/// Steps of a transform that are gone through at once: a list of requests is shorter.
const MAX_STEPS: usize = 100;

/// Stands between the lines of a transform.
const NEWLINE: char = '\u{1e}';

impl Core {
    /// What follows if a run uses more memory than its slot has: the next try with more, or the end of trying.
    pub(super) fn out_of_memory(&self, now: Now, run: RunId, usage: Usage) -> Vec<Fact> {
        let Some(job) = self.job(run.job).filter(grows) else { return Vec::new() };
        let given = job.record().tally.slot_resources.map(|slot| slot.memory_mib);
        let used_mib = usage.peak_rss_kib.div_ceil(1024);
        let over = given.is_some_and(|given| used_mib > given);
        let running = matches!(job.state(), JobState::Running(_) | JobState::Suspended { .. });
        if !over || !running {
            return Vec::new();
        }
        let given = given.unwrap_or(0);
        let reason = format!("it used {used_mib} MB of memory, and its slot has {given} MB");
        let ad = ads::record_ad(job.cluster, &job.record(), now, &self.config);
        let changes = grown(ad, given, now);
        let cause = if changes.is_empty() {
            StopCause::Hold(Hold {
                code: HoldCode::JobOutOfResources,
                subcode: OUT_OF_MEMORY,
                reason,
                since: now.wall,
            })
        } else {
            StopCause::Vacate { code: VacateCode::JobOutOfResources, reason }
        };
        let event = JobEvent::StopRequested { cause, at: now.wall };
        let edited = (!changes.is_empty())
            .then(|| Fact::JobEdited { job: run.job, changes: Arc::new(changes) });
        edited.into_iter().chain([Fact::Job { job: run.job, event }]).collect()
    }
}

fn grows(job: &JobRef<'_>) -> bool {
    job.cluster.ad.get(TRANSFORM_ON_EVICT).is_some() || job.delta_has(TRANSFORM_ON_EVICT)
}

/// What the job's transform changes until the request is larger than what was given; nothing if it does not get there. (What a slot
/// has may be more than was asked for.)
fn grown(mut ad: ClassAd, given_mib: u64, now: Now) -> ClassAd {
    let mut changes = ClassAd::new();
    for _ in 0..MAX_STEPS {
        let step = transformed(&ad, now);
        if step.is_empty() {
            return ClassAd::new();
        }
        ad.update(&step);
        changes.update(&step);
        let given = Expr::from(i64::try_from(given_mib).unwrap_or(i64::MAX));
        let larger = Expr::parse(&format!("{} > {given}", attr::REQUEST_MEMORY));
        if larger.is_ok_and(|larger| ad.eval_expr(&larger, None, &ads::env(now)).is_true()) {
            return changes;
        }
    }
    ClassAd::new()
}

/// What the job's transform changes in its ad; nothing if it has none, or none that applies, or it changes nothing any more.
fn transformed(ad: &ClassAd, now: Now) -> ClassAd {
    let text = |name: &str| ad.literal(name).and_then(|value| value.as_str()).map(str::to_owned);
    let mut after = ad.clone();
    after.set(attr::VACATE_REASON_CODE, i64::from(HoldCode::JobOutOfResources.number()));
    after.set("VacateReasonSubCode", i64::from(OUT_OF_MEMORY));
    let mut changes = ClassAd::new();
    let body = text(TRANSFORM_ON_EVICT).and_then(|name| text(&format!("TransformBody_{name}")));
    for line in body.unwrap_or_default().split(NEWLINE) {
        let Some((name, expr)) = change(line, &after, now) else { return ClassAd::new() };
        let Some(name) = name else { continue };
        if ad.get(name) != Some(&expr) {
            changes.set(name, expr.clone());
        }
        after.set(name, expr);
    }
    // Only where the request itself has changed is there something new to try.
    let before = ad.eval(attr::REQUEST_MEMORY, None, &ads::env(now));
    let more = after.eval(attr::REQUEST_MEMORY, None, &ads::env(now));
    if before == more { ClassAd::new() } else { changes }
}

/// What one line sets, or that it is a condition that holds; `None` if nothing is to be done, or the line makes no sense.
fn change<'line>(line: &'line str, ad: &ClassAd, now: Now) -> Option<(Option<&'line str>, Expr)> {
    let (word, rest) = line.split_once(' ')?;
    let env = ads::env(now);
    if word == "REQUIREMENTS" {
        let condition = Expr::parse(rest).ok()?;
        return ad.eval_expr(&condition, None, &env).is_true().then_some((None, condition));
    }
    let (name, text) = rest.trim().split_once(' ')?;
    let expr = Expr::parse(text).ok()?;
    match word {
        "SET" => Some((Some(name), expr)),
        "EVALSET" => Some((Some(name), Expr::from(ad.eval_expr(&expr, None, &env)))),
        _ => None,
    }
}
