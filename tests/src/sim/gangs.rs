//! What must be true of jobs with several parts, seen from outside: a program of theirs is executed
//! only where all parts have what they asked for. Asks no core: what the parts ask for is drawn
//! here, and read from the job's ad.

use classad::{ClassAd, Expr, Value};
use model::{Resources, attr};
use startd::core::StartProcess;

use super::rng::Rng;

/// How many parts a job has; each asks for a processor and as much memory as this.
const SIM_PARTS: &str = "SimParts";
const PART_MEMORY_MIB: i64 = 64;

/// Gives a job some parts, on one machine or on one each.
pub(crate) fn draw(rng: &mut Rng, ad: &mut ClassAd) {
    let parts = i64::try_from(rng.between(2, 4)).unwrap_or(2);
    let each_alone = rng.percent(25);
    set(ad, parts, if each_alone { parts } else { 1 });
}

/// Gives a job so many parts, on so many machines at least.
pub(crate) fn set(ad: &mut ClassAd, parts: i64, hosts: i64) {
    ad.set(SIM_PARTS, parts);
    // By name: a user who edits the request writes a number.
    ad.set(attr::REQUEST_CPUS, Expr::parse(SIM_PARTS).unwrap_or_else(|_| parts.into()));
    ad.set(attr::REQUEST_MEMORY, parts * PART_MEMORY_MIB);
    ad.set(attr::MIN_HOSTS, hosts);
}

/// A program is executed on a part of one machine: the job must not need more machines, and the
/// part must be enough for all parts of the job, unless a user has changed what it asks for.
pub(crate) fn is_whole(start: &StartProcess) -> Result<(), String> {
    let number = |name| start.job.literal(name).and_then(Value::as_i64);
    let Some(parts) = number(SIM_PARTS).filter(|_| !start.universe.is_beside()) else {
        return Ok(());
    };
    let run = start.run;
    if let Some(hosts) = number(attr::MIN_HOSTS).filter(|hosts| *hosts > 1) {
        return Err(format!("run {run} of a job that needs {hosts} machines is executed on one"));
    }
    let is_edited = number(attr::REQUEST_CPUS).is_some();
    let Resources { cpus, .. } = start.resources;
    if is_edited || i64::from(cpus) >= parts {
        return Ok(());
    }
    Err(format!("run {run} is executed with {cpus} processors, and its job has {parts} parts"))
}
