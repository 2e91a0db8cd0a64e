//! The job's own word on what follows: `on_exit_hold`, `on_exit_remove`, `leave_in_queue`, the
//! lease.

use std::time::Duration;

use classad::Value;
use model::{AfterRun, Hold, HoldCode, JobEvent, Now, RunEnd, Usage, attr};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::job::policies::{reason, subcode};
use crate::core::state::core::{Core, JobRef};

/// What follows when a run ended by itself (HTCondor 25.14): `OnExitHold` first, where only what is
/// true holds; then `OnExitRemove`, where everything but false removes. `NumJobCompletions` counts
/// this run already.
pub(crate) fn after_exit(
    core: &Core,
    job: JobRef<'_>,
    end: &RunEnd,
    usage: Usage,
    now: Now,
) -> AfterRun {
    if !job.has_one(&[attr::ON_EXIT_HOLD, attr::ON_EXIT_REMOVE]) {
        return AfterRun::Complete;
    }
    let mut record = job.record();
    record.tally.note_end(end, usage);
    let mut ad = ads::record_ad(job.cluster, &record, &core.config);
    // Also beside the schedd, where the job's ad shows none: `max_retries` has an end (in HTCondor
    // 25.14 it has none there).
    ad.set(attr::NUM_JOB_COMPLETIONS, i64::from(record.tally.completions));
    let env = env(now);
    let hold = ad.eval(attr::ON_EXIT_HOLD, None, &env);
    if hold.truth() == Some(true) {
        return AfterRun::Hold(Hold {
            code: HoldCode::JobPolicy,
            subcode: subcode(&ad.eval(attr::ON_EXIT_HOLD_SUB_CODE, None, &env)),
            reason: reason(&ad, attr::ON_EXIT_HOLD, "TRUE", now),
            since: now.wall,
        });
    }
    let remove = ad.eval(attr::ON_EXIT_REMOVE, None, &env);
    if ad.get(attr::ON_EXIT_REMOVE).is_some() && remove.truth() == Some(false) {
        return AfterRun::Requeue { reason: reason(&ad, attr::ON_EXIT_REMOVE, "FALSE", now) };
    }
    AfterRun::Complete
}

/// Whether a job that has become final by this event stays in the queue (`LeaveJobInQueue`).
pub(crate) fn stays(core: &Core, job: JobRef<'_>, event: &JobEvent, now: Now) -> bool {
    let expr = job.cluster.ad.get(attr::LEAVE_JOB_IN_QUEUE);
    let literally = expr.and_then(|expr| expr.as_literal()).and_then(Value::truth);
    let own = job.delta_has(attr::LEAVE_JOB_IN_QUEUE);
    if !own && (expr.is_none() || literally == Some(false)) {
        return false;
    }
    let mut record = job.record();
    record.tally.note(&record.state.clone(), event, None);
    match record.state.next(event) {
        Ok(state) => record.state = state,
        Err(_) => return false,
    }
    wants_to_stay(core, job, &record, now)
}

/// Whether a finished job that stayed so far stays on.
pub(crate) fn still_stays(core: &Core, job: JobRef<'_>, now: Now) -> bool {
    wants_to_stay(core, job, &job.record(), now)
}

fn wants_to_stay(
    core: &Core,
    job: JobRef<'_>,
    record: &crate::core::records::rows::JobRecord,
    now: Now,
) -> bool {
    let ad = ads::record_ad(job.cluster, record, &core.config);
    ad.eval(attr::LEAVE_JOB_IN_QUEUE, None, &env(now)).truth() == Some(true)
}

/// `JobLeaseDuration`, seconds.
pub(crate) fn lease_s(job: JobRef<'_>, now: Now) -> u32 {
    let default = u32::try_from(proto::claiming::DEFAULT_LEASE.as_secs()).unwrap_or(u32::MAX);
    let Some(expr) = job.cluster.ad.get(attr::JOB_LEASE_DURATION) else { return default };
    let said = match expr.as_literal() {
        Some(value) => value.as_i64(),
        None => job.cluster.ad.eval(attr::JOB_LEASE_DURATION, None, &env(now)).as_i64(),
    };
    said.and_then(|s| u32::try_from(s).ok()).unwrap_or(default)
}

/// How long the claim of a job that has ended is kept for a job that is yet to be submitted
/// (`keep_claim_idle`).
pub(crate) fn keep_claim(job: JobRef<'_>, now: Now) -> Option<Duration> {
    if !job.has(attr::KEEP_CLAIM_IDLE) {
        return None;
    }
    let seconds = job.described().eval(attr::KEEP_CLAIM_IDLE, None, &env(now)).as_i64()?;
    Some(Duration::from_secs(u64::try_from(seconds).ok()?))
}
