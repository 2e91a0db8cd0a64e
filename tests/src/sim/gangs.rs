//! What must be true of jobs with several parts, seen from outside: a program of theirs is executed
//! only where all parts have what they asked for, on one machine or on several; no part of a run
//! lives when the record says that it is over, or when another attempt begins. Asks no core: what
//! the parts ask for is drawn here, and read from the job's ad.

use std::collections::{BTreeMap, BTreeSet};

use classad::{ClassAd, Expr, Value};
use model::{ClaimId, JobId, Resources, RunId, attr};
use schedd::core::ClaimRecord;
use startd::core::{RunKey, StartProcess};

use super::clock::{Micros, SECOND};
use super::rng::Rng;

/// How many parts a job has; each asks for a processor and as much memory as this.
const SIM_PARTS: &str = "SimParts";
const PART_MEMORY_MIB: i64 = 64;

/// How much later than decided a thing may be written down; clocks differ by less.
const WRITING: Micros = 5 * SECOND;

/// Gives a job some parts, on one machine, on one each, or wherever there is room.
pub(crate) fn draw(rng: &mut Rng, ad: &mut ClassAd) {
    let parts = i64::try_from(rng.between(2, 4)).unwrap_or(2);
    let hosts = if rng.percent(40) { parts.min(3) } else { 1 };
    set(ad, if hosts > 1 { hosts } else { parts }, hosts);
    if hosts == 1 && rng.percent(50) {
        ad.set(attr::GANG_PARTS, written("free", parts));
    }
    if ad.get(attr::GANG_PARTS).is_some() {
        // Files of other parts are not drawn.
        ad.set(attr::SHOULD_TRANSFER_FILES, "NO");
    }
}

/// Gives a job so many parts, on so many machines at least.
pub(crate) fn set(ad: &mut ClassAd, parts: i64, hosts: i64) {
    ad.set(SIM_PARTS, parts);
    // By name: a user who edits the request writes a number.
    ad.set(attr::REQUEST_CPUS, Expr::parse(SIM_PARTS).unwrap_or_else(|_| parts.into()));
    ad.set(attr::REQUEST_MEMORY, parts * PART_MEMORY_MIB);
    ad.set(attr::MIN_HOSTS, hosts);
    if hosts > 1 {
        ad.set(attr::GANG_PARTS, written("scatter", parts));
    }
}

fn written(spread: &str, parts: i64) -> String {
    format!("{spread} {parts}:{}=1:{}={PART_MEMORY_MIB}", attr::REQUEST_CPUS, attr::REQUEST_MEMORY)
}

/// Which part of a run this is, if it is not the one whose end is the run's.
pub(crate) fn other_part(job: &ClassAd) -> Option<u32> {
    let part = job.literal(attr::GANG_PART).and_then(Value::as_i64)?;
    u32::try_from(part).ok().filter(|part| *part > 0)
}

/// A job as one that asks for one of its parts alone, and how many there are.
pub(crate) fn part_of(job: &ClassAd) -> Option<(ClassAd, usize)> {
    job.get(attr::GANG_PARTS)?;
    let parts = job.literal(SIM_PARTS).and_then(Value::as_i64)?;
    let memory_mib = u64::try_from(PART_MEMORY_MIB).unwrap_or(0);
    let one = Resources { cpus: 1, memory_mib, disk_kib: 1024, ..Resources::default() };
    Some((model::asking(job, &one), usize::try_from(parts).ok()?))
}

/// A program is executed: its run must have a place for each of the job's parts, each on a machine
/// of its own where the job says so; and what its machine gives it must be enough for the parts
/// there, unless a user has changed what it asks for.
pub(crate) fn is_whole(start: &StartProcess) -> Result<(), String> {
    let number = |name| start.job.literal(name).and_then(Value::as_i64);
    let Some(parts) = number(SIM_PARTS).filter(|_| !start.universe.is_beside()) else {
        return Ok(());
    };
    let run = start.run;
    let said = start.job.literal(attr::GANG_HOSTS).and_then(Value::as_str).unwrap_or_default();
    let is_gang = number(attr::GANG_PART).is_some();
    let places: Vec<&str> = said.split(',').filter(|host| is_gang && !host.is_empty()).collect();
    if let Some(hosts) = number(attr::MIN_HOSTS).filter(|hosts| *hosts > 1) {
        let machines: BTreeSet<&&str> = places.iter().collect();
        let found = i64::try_from(machines.len()).unwrap_or(0);
        if found <= 1 {
            return Err(format!(
                "run {run} of a job that needs {hosts} machines is executed on one"
            ));
        }
        if found < hosts {
            return Err(format!("run {run} of a job that needs {hosts} machines has {found}"));
        }
    }
    let Resources { cpus, .. } = start.resources;
    if is_gang {
        let found = i64::try_from(places.len()).unwrap_or(0);
        return match found == parts && cpus > 0 {
            true => Ok(()),
            false => Err(format!("run {run} is executed with {found} of the {parts} parts")),
        };
    }
    let is_edited = number(attr::REQUEST_CPUS).is_some();
    if is_edited || i64::from(cpus) >= parts {
        return Ok(());
    }
    Err(format!("run {run} is executed with {cpus} processors, and its job has {parts} parts"))
}

/// The parts of runs whose end is another's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    /// Those that are executed, and what they have.
    live: BTreeMap<(RunId, u32), Part>,
    /// All that ever were.
    seen: BTreeSet<RunKey>,
    /// Where the runs are that are executed, or the first parts of them, and whether that is theirs
    /// alone.
    firsts: BTreeMap<RunId, (usize, bool)>,
    /// The claims that are for other parts.
    claims: BTreeSet<ClaimId>,
    /// When each claim of a job with several was written down, while no run was on it.
    since: BTreeMap<ClaimId, Micros>,
}

#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) machine: usize,
    pub(crate) slot: String,
    pub(crate) resources: Resources,
    /// Whether its machine is its run's alone.
    pub(crate) is_alone: bool,
}

impl Parts {
    /// A part of a run is executed, once.
    pub(crate) fn executed(
        &mut self,
        machine: usize,
        start: &StartProcess,
        part: u32,
    ) -> Result<(), String> {
        let run = start.run;
        is_whole(start)?;
        if !self.seen.insert(start.key) {
            return Err(format!("part {part} of run {run} is executed again"));
        }
        let (slot, resources) = (start.slot.clone(), start.resources.clone());
        let is_alone = model::is_exclusive(&start.job);
        self.live.insert((run, part), Part { machine, slot, resources, is_alone });
        Ok(())
    }

    pub(crate) fn ended(&mut self, run: RunId, part: u32) {
        self.live.remove(&(run, part));
    }

    /// What lives on a machine.
    pub(crate) fn on(&self, machine: usize) -> impl Iterator<Item = &Part> {
        self.live.values().filter(move |part| part.machine == machine)
    }

    /// A program is executed: if its job is to have its machines for itself it has this one, and so
    /// have those that are there. What runs beside the schedd does not count.
    pub(crate) fn are_left_alone(
        &mut self,
        machine: usize,
        start: &StartProcess,
    ) -> Result<(), String> {
        if start.universe.is_beside() {
            return Ok(());
        }
        let (run, is_alone) = (start.run, model::is_exclusive(&start.job));
        let firsts = self.firsts.iter().map(|(run, (at, is_alone))| (*run, *at, *is_alone));
        let others = self.live.iter().map(|((run, _), part)| (*run, part.machine, part.is_alone));
        let mut others =
            firsts.chain(others).filter(|(other, at, _)| *other != run && *at == machine);
        if let Some((other, ..)) = others.find(|(_, _, other)| *other || is_alone) {
            return Err(format!(
                "runs {other} and {run} are on machine {machine}, and one of them is to be alone there"
            ));
        }
        if other_part(&start.job).is_none() {
            self.firsts.insert(run, (machine, is_alone));
        }
        Ok(())
    }

    /// Nothing is left of a run, or of its first part.
    pub(crate) fn first_ended(&mut self, run: RunId) {
        self.firsts.remove(&run);
    }

    pub(crate) fn first(&self) -> Option<RunId> {
        self.live.keys().next().map(|(run, _)| *run)
    }

    /// No part of another attempt of the job lives.
    pub(crate) fn may_begin(&self, run: RunId) -> Result<(), String> {
        let other = self.of(run.job).find(|(other, _)| *other != run);
        other.map_or(Ok(()), |(other, part)| {
            Err(format!("run {run} is executed while part {part} of run {other} lives"))
        })
    }

    /// No part of a run lives that is recorded as over.
    pub(crate) fn is_over(&self, run: RunId) -> Result<(), String> {
        let part = self.of(run.job).find(|(other, _)| *other == run);
        part.map_or(Ok(()), |(_, part)| {
            Err(format!("run {run} is recorded as over, and part {part} of it lives"))
        })
    }

    fn of(&self, job: JobId) -> impl Iterator<Item = (RunId, u32)> {
        self.live.keys().filter(move |(run, _)| run.job == job).copied()
    }

    /// Takes note of which claims are for other parts. On each of them the run begins while its
    /// term allows that.
    pub(crate) fn note_claim(
        &mut self,
        now: Micros,
        claim: ClaimId,
        record: Option<&ClaimRecord>,
    ) -> Result<(), String> {
        match record {
            Some(record) if record.is_other_part() => drop(self.claims.insert(claim)),
            Some(_) | None => drop(self.claims.remove(&claim)),
        }
        let Some(record) = record.filter(|record| record.gang.is_some()) else {
            self.since.remove(&claim);
            return Ok(());
        };
        let Some(run) = record.run else {
            self.since.entry(claim).or_insert(now);
            return Ok(());
        };
        let (Some(since), Some(term)) = (self.since.remove(&claim), record.term) else {
            return Ok(());
        };
        let waited = now.saturating_sub(since);
        if waited > Micros::from(term.starts_s) * SECOND + WRITING {
            return Err(format!(
                "run {run} begins on claim {claim} {waited} us after that was granted, and its \
                 term allows {} s",
                term.starts_s
            ));
        }
        Ok(())
    }

    pub(crate) fn has_claim(&self, claim: ClaimId) -> bool {
        self.claims.contains(&claim)
    }
}
