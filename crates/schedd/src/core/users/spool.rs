//! Jobs that are submitted with `-spool`: they have a folder of the schedd's for their files, wait
//! until these are there, and stay until what they have made was fetched. How the files come and go
//! is the shell's matter; what is copied, and under which names, `model::spooling`'s.

use std::collections::BTreeSet;
use std::sync::Arc;

use classad::ClassAd;
use model::{
    ClusterId, ClusterSpec, HoldCode, JobEvent, JobId, Now, ProcId, Procs, attr, spooling,
};
use proto::client::{Answer, Refusal};

use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::words::{Actor, Fact, JobFact, SpoolStep};

/// Jobs of one spooled submission: each has a folder of its own, with its files.
const MAX_SPOOLED: u32 = 10_000;

/// The folder of a job's files, in the folder that the schedd has for it.
const FILES: &str = "files";

/// Why the files of a job do not travel.
#[derive(Debug, thiserror::Error)]
enum SpoolError {
    #[error("find the files of job {0}: it is not in the queue")]
    NoJob(JobId),
    #[error("touch the files of job {0}: permission denied, it is somebody else's")]
    NotYours(JobId),
    #[error("find the files of job {0}: it was not submitted with -spool")]
    NotSpooled(JobId),
    #[error("release job {0}: its files are not all there")]
    NotWhole(JobId),
    #[error("fetch the files of job {0}: it waits for its input files itself")]
    StillSpooling(JobId),
    #[error(
        "spool the files of jobs that come into the queue later (max_materialize, max_idle): they are not there yet"
    )]
    Factory,
}

impl From<SpoolError> for Refusal {
    fn from(error: SpoolError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// The folder of a job's files, if `spool` is the schedd's.
pub(crate) fn files_folder(spool: &str, job: JobId) -> String {
    format!("{spool}/{job}/{FILES}")
}

impl Core {
    /// The submission as it is kept: spooled jobs are in their folders.
    pub(crate) fn with_spool(
        &self,
        cluster: ClusterId,
        spec: &Arc<ClusterSpec>,
    ) -> Result<Arc<ClusterSpec>, Refusal> {
        if !spooling::is_spooled(spec) {
            return Ok(Arc::clone(spec));
        }
        let procs = spec.count();
        if procs > MAX_SPOOLED {
            let what = format!("spool the files of {procs} jobs at once");
            return Err(Refusal::Limit { what, limit: MAX_SPOOLED.to_string() });
        }
        let comes_later = [attr::JOB_MATERIALIZE_LIMIT, attr::JOB_MATERIALIZE_MAX_IDLE];
        if comes_later.iter().any(|name| spec.ad.get(name).is_some()) {
            return Err(SpoolError::Factory.into());
        }
        let shared = Arc::new(spec.ad.clone());
        let own = (0..procs).map(ProcId).map(|proc| {
            let mut ad = spec.delta(proc).unwrap_or_default();
            ad.set_parent(Arc::clone(&shared));
            let folder = files_folder(&self.config.spool, JobId { cluster, proc });
            let changes = spooling::plan(&ad, &folder).changes;
            ad.clear_parent();
            ad.update(&changes);
            ad
        });
        let procs = Procs::Listed(own.collect());
        Ok(Arc::new(ClusterSpec { ad: spec.ad.clone(), procs }))
    }

    /// The jobs whose files are still to come.
    pub fn spooling(&self) -> impl Iterator<Item = JobId> {
        let jobs = self.clusters.values().flat_map(Cluster::procs);
        jobs.filter(JobRef::is_spooling).map(|job| job.job)
    }

    pub(crate) fn spool_step(&self, now: Now, by: &Actor, step: &SpoolStep) -> (Vec<Fact>, Answer) {
        let result = match step {
            SpoolStep::Begun(job) => self.input_begins(now, by, *job),
            SpoolStep::Whole { cluster, jobs } => self.input_is_there(now, by, *cluster, jobs),
            SpoolStep::Fetching(job) => self.fetched(now, by, *job, spooling::STAGE_OUT_START),
            SpoolStep::Fetched(job) => self.fetched(now, by, *job, spooling::STAGE_OUT_FINISH),
        };
        result.unwrap_or_else(|error| (Vec::new(), Answer::Refused(error.into())))
    }

    fn spooled(&self, by: &Actor, id: JobId) -> Result<JobRef<'_>, SpoolError> {
        let job = self.job(id).ok_or(SpoolError::NoJob(id))?;
        if !(by.superuser || *job.cluster.owner() == by.user) {
            return Err(SpoolError::NotYours(id));
        }
        if job.was_spooled() { Ok(job) } else { Err(SpoolError::NotSpooled(id)) }
    }

    fn input_begins(
        &self,
        now: Now,
        by: &Actor,
        id: JobId,
    ) -> Result<(Vec<Fact>, Answer), SpoolError> {
        let job = self.spooled(by, id)?;
        if !job.is_spooling() {
            // It was released, and the answer was lost.
            return Ok((Vec::new(), Answer::Wanted(false)));
        }
        let begun = job.described().get_own(spooling::STAGE_IN_START).is_some();
        let facts = if begun { Vec::new() } else { vec![at(id, spooling::STAGE_IN_START, now)] };
        Ok((facts, Answer::Wanted(true)))
    }

    fn input_is_there(
        &self,
        now: Now,
        by: &Actor,
        id: ClusterId,
        whole: &BTreeSet<ProcId>,
    ) -> Result<(Vec<Fact>, Answer), SpoolError> {
        let jobs = self.clusters.get(&id).into_iter().flat_map(Cluster::procs);
        let mut facts = Vec::new();
        for job in jobs.filter(JobRef::is_spooling) {
            let job = self.spooled(by, job.job)?.job;
            if !whole.contains(&job.proc) {
                return Err(SpoolError::NotWhole(job));
            }
            let reason = spooling::RELEASE_REASON.to_owned();
            facts.push(at(job, spooling::STAGE_IN_FINISH, now));
            facts.push(Fact::Job {
                job,
                fact: JobFact::Happened(JobEvent::Released { reason, at: now.wall }),
            });
        }
        // Without any they were released before, and the answer was lost.
        Ok((facts, Answer::Done))
    }

    fn fetched(
        &self,
        now: Now,
        by: &Actor,
        id: JobId,
        name: &str,
    ) -> Result<(Vec<Fact>, Answer), SpoolError> {
        let job = self.spooled(by, id)?;
        if job.is_spooling() {
            return Err(SpoolError::StillSpooling(id));
        }
        Ok((vec![at(id, name, now)], Answer::Done))
    }
}

impl JobRef<'_> {
    /// Whether its files are still to come.
    fn is_spooling(&self) -> bool {
        self.state().hold().is_some_and(|hold| hold.code == HoldCode::SpoolingInput)
    }
}

fn at(job: JobId, name: &str, now: Now) -> Fact {
    let mut changes = ClassAd::new();
    changes.set(name, now.wall.as_secs());
    Fact::Job { job, fact: JobFact::Spooled { changes: Arc::new(changes) } }
}
