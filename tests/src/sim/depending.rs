//! What must be true of jobs that wait for others, seen from outside: what each cluster was
//! submitted with, against what the record says of the jobs that it names. Asks no core, and reads
//! a dependency by its words.

use std::collections::{BTreeMap, BTreeSet};

use classad::Value;
use model::depend::{self, Dependency, DependencyKind, Part, Waits};
use model::{ClusterId, HoldCode, JobId, JobState};
use schedd::core::ClusterRecord;

/// What submissions have said of other jobs.
#[derive(Clone, Default)]
pub(crate) struct Depending {
    waits: BTreeMap<ClusterId, Waits>,
    /// Clusters of which only one is to run.
    alone: BTreeSet<(ClusterId, ClusterId)>,
}

/// What the record tells of a job.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) is_final: bool,
    /// Whether it completed, and well.
    pub(crate) is_good: bool,
    /// Whether a run of it was ever authorised.
    pub(crate) has_run: bool,
}

/// What the record tells of jobs.
pub(crate) trait Known {
    /// Of a job; `None` if it never came.
    fn job(&self, job: JobId) -> Option<Seen>;
    /// Of all that came of a cluster.
    fn jobs_of(&self, cluster: ClusterId) -> Vec<Seen>;
    /// How many of a cluster never came.
    fn never(&self, cluster: ClusterId) -> usize;
}

impl Depending {
    pub(crate) fn submitted(&mut self, record: &ClusterRecord) {
        let said = |name| record.spec.ad.literal(name).and_then(Value::as_str);
        if let Some(waits) = said(depend::WAITS_FOR).and_then(depend::read) {
            self.waits.insert(record.cluster, waits);
        }
        for other in said(depend::RUN_ONE).and_then(depend::read_numbers).into_iter().flatten() {
            self.alone.insert((record.cluster, other));
            self.alone.insert((other, record.cluster));
        }
    }

    /// A run of a job is authorised: all that it waits for has been, and no other of which only one
    /// runs has run.
    pub(crate) fn may_run(&self, job: JobId, known: &impl Known) -> Result<(), String> {
        for one in self.waits.get(&job.cluster).into_iter().flat_map(|waits| &waits.others) {
            if !has_been(*one, job, known) {
                return Err(format!("a run of job {job} is authorised before {one} has been"));
            }
        }
        let others = self.alone.iter().filter(|(this, _)| *this == job.cluster);
        for (_, other) in others {
            if known.jobs_of(*other).iter().any(|other| other.has_run) {
                return Err(format!("job {job} runs, and one of {other} has, of which one is to"));
            }
        }
        Ok(())
    }

    /// A job is removed because what it waits for can never be: then it has not been.
    pub(crate) fn removed(
        &self,
        job: JobId,
        reason: &str,
        known: &impl Known,
    ) -> Result<(), String> {
        let waits = self.waits.get(&job.cluster).filter(|_| reason.starts_with(depend::REASON));
        let alone = self.alone.iter().any(|(this, _)| *this == job.cluster);
        match waits {
            Some(waits) if !alone && waits.others.iter().all(|one| has_been(*one, job, known)) => {
                Err(format!("job {job} is removed ({reason}), and {waits} has been"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Why a held job cannot stay as it is.
    pub(crate) fn is_stuck(
        &self,
        job: JobId,
        state: &JobState,
        known: &impl Known,
    ) -> Option<String> {
        state.hold().filter(|hold| hold.code == HoldCode::WaitsForJobs)?;
        let waits = self.waits.get(&job.cluster)?;
        let over = |one: &Dependency| known.jobs_of(one.on).iter().all(|other| other.is_final);
        let is_over = waits.others.iter().all(over);
        is_over.then(|| format!("job {job} waits for {waits}, of which nothing is to come"))
    }
}

/// Whether what a job waits for has been.
fn has_been(one: Dependency, job: JobId, known: &impl Known) -> bool {
    let single = match one.part {
        Part::Proc(proc) => Some(proc.0),
        Part::Each(more) => u32::try_from(i64::from(job.proc.0) + more).ok(),
        Part::Whole | Part::Array | Part::Many(_) | Part::Index(_) => None,
    };
    let (jobs, never) = match single {
        Some(proc) => {
            let job = known.job(JobId::new(one.on.0, proc));
            (job.into_iter().collect(), usize::from(job.is_none()))
        }
        None => (known.jobs_of(one.on), known.never(one.on)),
    };
    let jobs: Vec<Seen> = jobs;
    let good = jobs.iter().filter(|other| other.is_good).count();
    let over = jobs.iter().filter(|other| other.is_final).count();
    let started = jobs.iter().filter(|other| other.has_run || other.is_final).count();
    let (all, bad) = (over == jobs.len(), over - good + never);
    if let Part::Many(Some(least)) = one.part {
        let least = usize::try_from(least).unwrap_or(usize::MAX);
        return match one.kind {
            DependencyKind::AfterOk => good >= least,
            DependencyKind::AfterNotOk => bad >= least,
            DependencyKind::AfterAny => over + never >= least,
            DependencyKind::After => started + never >= least,
        };
    }
    match one.kind {
        DependencyKind::AfterOk => all && bad == 0,
        DependencyKind::AfterNotOk => all && bad > 0,
        DependencyKind::AfterAny => all,
        DependencyKind::After => started > 0 || all,
    }
}
