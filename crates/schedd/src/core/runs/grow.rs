//! Requests that grow: a run that uses more memory or disk than it was given is stopped, and its
//! job asks for more the next time (`retry_request_memory`, `retry_request_disk`). What "more" is
//! stands in the job's ad as HTCondor 25.14's transforms: the lines `REQUIREMENTS EXPRESSION`, `SET
//! NAME EXPRESSION` and `EVALSET NAME EXPRESSION`. Jobs without one are never stopped for what they
//! use.

use std::sync::Arc;

use classad::{ClassAd, Expr};
use model::{
    AfterRun, Hold, HoldCode, JobEvent, JobState, Now, Resources, RunEnd, RunId, StopCause, Usage,
    VacateCode, attr,
};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::state::core::{Core, JobRef};
use crate::core::words::{Fact, JobFact};

/// Steps of a transform that are gone through at once: a list of requests is shorter.
const MAX_STEPS: usize = 100;

/// Stands between the lines of a transform.
const NEWLINE: char = '\u{1e}';

/// What a run can use too much of.
struct Growing {
    /// What a job asks for it with.
    attr: &'static str,
    /// The subcode of holds and evictions for it (HTCondor 25.14).
    subcode: i32,
    /// What it is called, with its unit.
    words: [&'static str; 2],
    /// What a run has used of it, in that unit.
    used: fn(Usage) -> u64,
    /// What a slot has of it.
    given: fn(&Resources) -> u64,
}

/// The subcode of holds and evictions for memory (HTCondor 25.14).
pub(crate) const MEMORY_SUBCODE: i32 = 102;

const GROWING: [Growing; 2] = [
    Growing {
        attr: attr::REQUEST_MEMORY,
        subcode: MEMORY_SUBCODE,
        words: ["MB", "memory"],
        used: |usage| usage.peak_rss_kib.div_ceil(1024),
        given: |slot| slot.memory_mib,
    },
    Growing {
        attr: attr::REQUEST_DISK,
        subcode: 104,
        words: ["KB", "disk"],
        used: |usage| usage.disk_kib,
        given: |slot| slot.disk_kib,
    },
];

impl Core {
    /// What follows if a run uses more than its slot has: the next try with more, or the end of
    /// trying.
    pub(crate) fn out_of_resources(&self, now: Now, run: RunId, usage: Usage) -> Vec<Fact> {
        let Some(job) = self.job(run.job).filter(grows) else { return Vec::new() };
        let running = matches!(job.state(), JobState::Running(_) | JobState::Suspended { .. });
        let Some(slot) = job.record().tally.slot_resources.filter(|_| running) else {
            return Vec::new();
        };
        let ad = ads::record_ad(job.cluster, &job.record(), &self.config);
        let over = |growing: &&Growing| {
            (growing.used)(usage) > (growing.given)(&slot) && growing.is_wanted(&ad)
        };
        let Some(growing) = GROWING.iter().find(over) else { return Vec::new() };
        let (used, given) = ((growing.used)(usage), (growing.given)(&slot));
        let [unit, what] = growing.words;
        let reason = format!("it used {used} {unit} of {what}, and its slot has {given} {unit}");
        let changes = growing.grown(ad, given, now);
        let subcode = growing.subcode;
        let cause = if changes.is_empty() {
            let code = HoldCode::JobOutOfResources;
            StopCause::Hold(Hold { code, subcode, reason, since: now.wall })
        } else {
            StopCause::Vacate { code: VacateCode::JobOutOfResources, subcode, reason }
        };
        let event = JobEvent::StopRequested { cause, at: now.wall };
        let edited = (!changes.is_empty()).then(|| Fact::Job {
            job: run.job,
            fact: JobFact::Edited { changes: Arc::new(changes) },
        });
        edited
            .into_iter()
            .chain([Fact::Job { job: run.job, fact: JobFact::Happened(event) }])
            .collect()
    }
}

impl Core {
    /// What a job asks for the next time whose run the machine has killed for want of memory, if it
    /// says that it then asks for more: it goes back into the queue, and is not held.
    pub(crate) fn asks_for_more(
        &self,
        now: Now,
        job: JobRef<'_>,
        (state, end): (&JobState, &RunEnd),
        next: &mut AfterRun,
    ) -> Option<Fact> {
        let is_short = matches!(end, RunEnd::Vacated { code: VacateCode::JobOutOfResources, .. });
        let runs = matches!(state, JobState::Running(_) | JobState::Suspended { .. });
        if !(is_short && runs && grows(&job)) {
            return None;
        }
        let [memory, _] = &GROWING;
        let ad = ads::record_ad(job.cluster, &job.record(), &self.config);
        let given = (memory.given)(&job.record().tally.slot_resources?);
        let wanted = memory.is_wanted(&ad);
        let changes = wanted.then(|| memory.grown(ad, given, now)).filter(|all| !all.is_empty())?;
        let reason = format!("it wanted more than {given} MB of memory, which its slot has");
        *next = AfterRun::Requeue { reason };
        Some(Fact::Job { job: job.job, fact: JobFact::Edited { changes: Arc::new(changes) } })
    }
}

fn grows(job: &JobRef<'_>) -> bool {
    job.cluster.ad.get(attr::TRANSFORM_ON_EVICT).is_some()
        || job.delta_has(attr::TRANSFORM_ON_EVICT)
}

fn text(ad: &ClassAd, name: &str) -> Option<String> {
    ad.literal(name).and_then(|value| value.as_str()).map(str::to_owned)
}

impl Growing {
    /// Whether the job says what to do if it uses too much of this.
    fn is_wanted(&self, ad: &ClassAd) -> bool {
        let names = text(ad, attr::TRANSFORM_ON_EVICT).unwrap_or_default();
        names.split([',', ' ']).any(|name| name.eq_ignore_ascii_case(self.attr))
    }

    /// What the job's transform changes until the request is larger than what was given; nothing if
    /// it does not get there. (What a slot has may be more than was asked for.)
    fn grown(&self, mut ad: ClassAd, given: u64, now: Now) -> ClassAd {
        let mut changes = ClassAd::new();
        let given = Expr::from(i64::try_from(given).unwrap_or(i64::MAX));
        let larger = Expr::parse(&format!("{} > {given}", self.attr));
        for _ in 0..MAX_STEPS {
            let step = self.transformed(&ad, now);
            if step.is_empty() {
                return ClassAd::new();
            }
            ad.update(&step);
            changes.update(&step);
            let is_enough = |larger: &Expr| ad.eval_expr(larger, None, &env(now)).is_true();
            if larger.as_ref().is_ok_and(is_enough) {
                return changes;
            }
        }
        ClassAd::new()
    }

    /// What the job's transform changes in its ad; nothing if none applies, or it changes nothing
    /// any more.
    fn transformed(&self, ad: &ClassAd, now: Now) -> ClassAd {
        let mut after = ad.clone();
        after.set(attr::VACATE_REASON_CODE, i64::from(HoldCode::JobOutOfResources.number()));
        after.set(attr::VACATE_REASON_SUB_CODE, i64::from(self.subcode));
        let mut changes = ClassAd::new();
        let body = text(ad, &format!("TransformBody_{}", self.attr)).unwrap_or_default();
        for line in body.split(NEWLINE) {
            let Some((name, expr)) = change(line, &after, now) else { return ClassAd::new() };
            let Some(name) = name else { continue };
            if ad.get(name) != Some(&expr) {
                changes.set(name, expr.clone());
            }
            after.set(name, expr);
        }
        // Only where the request itself has changed is there something new to try.
        let before = ad.eval(self.attr, None, &env(now));
        let more = after.eval(self.attr, None, &env(now));
        if before == more { ClassAd::new() } else { changes }
    }
}

/// What one line sets, or that it is a condition that holds; `None` if nothing is to be done, or
/// the line makes no sense.
fn change<'line>(line: &'line str, ad: &ClassAd, now: Now) -> Option<(Option<&'line str>, Expr)> {
    let (word, rest) = line.split_once(' ')?;
    let env = env(now);
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
