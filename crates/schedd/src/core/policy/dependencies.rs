//! Jobs that wait for others (`WaitsForJobs`): they are held until what they wait for has been, and
//! removed if it can never be.
//!
//! A cluster waits as one, and so do all jobs of the one that it waits for count as one. What has
//! been is taken out of the waiting jobs' ads in the batch in which it happens, so that a restart
//! goes on with what is left. Only live clusters are waited for: what became of the others, whoever
//! submits finds in the history.

use std::sync::Arc;

use classad::ClassAd;
use model::depend::{self, Dependency, Progress, Standing, WAITS_FOR};
use model::{AfterRun, ClusterId, ClusterSpec, HoldCode, JobEvent, JobId, Now, RunEnd};
use proto::client::Refusal;

use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::state::dependencies::{of, said};
use crate::core::words::{Fact, JobFact, RoundFact};

/// Why they are let go.
const RELEASE_REASON: &str = "what the job waited for has been";

impl Core {
    /// Refuses to wait for what is not in the queue: it may have ended while the submission came.
    pub(crate) fn check_waits(&self, spec: &ClusterSpec) -> Result<(), Refusal> {
        let said = spec.ad.get_own(WAITS_FOR).is_some();
        let waits = of(spec).unwrap_or_default();
        if said && waits.is_empty() {
            return Err(Refusal::Invalid(format!("{WAITS_FOR} names no jobs to wait for")));
        }
        match waits.iter().find(|waits| !self.clusters.contains_key(&waits.on)) {
            None => Ok(()),
            Some(gone) => Err(Refusal::Invalid(format!("{}: {}", depend::HAS_LEFT, gone.on))),
        }
    }

    /// Notes what the held jobs of a cluster wait for: one that has come, that is loaded, or whose
    /// jobs were edited.
    pub(in crate::core) fn note_waits(&mut self, id: ClusterId) {
        let Some(cluster) = self.clusters.get(&id) else { return };
        if cluster.ad.get(WAITS_FOR).is_none() {
            return;
        }
        let first = cluster.waiting_jobs().next();
        let Some(waits) = first.and_then(|job| said(&job.described())) else { return };
        let known = waits.into_iter().map(|waits| (waits, self.progress(waits.on))).collect();
        self.dependencies.wait(id, known);
    }

    /// What is known of a cluster from its rows. Of one that has left unseen nothing good is
    /// supposed.
    fn progress(&self, id: ClusterId) -> Progress {
        match self.clusters.get(&id) {
            None => Progress { started: true, failed: true, over: true },
            Some(cluster) => {
                let started = cluster.jobs.values().any(|record| record.tally.last_start.is_some());
                Progress { started, failed: false, over: false }
            }
        }
    }

    /// Something happened to a job: others may wait for it, or it waits itself from now on.
    pub(in crate::core) fn note_progress(&mut self, job: JobId, event: &JobEvent) {
        let (started, failed) = tells(event);
        self.dependencies.note(job.cluster, |progress| {
            progress.started |= started;
            progress.failed |= failed;
        });
        let waits = matches!(event, JobEvent::Held(hold) if hold.code == HoldCode::WaitsForJobs);
        if waits {
            self.note_waits(job.cluster);
        }
    }

    /// Nothing of a cluster is left.
    pub(in crate::core) fn note_left(&mut self, id: ClusterId) {
        self.dependencies.note(id, |progress| progress.over = true);
        self.dependencies.stop(id);
    }

    /// What follows for those that wait from what has become known.
    pub(crate) fn dependencies_due(&self, now: Now) -> Vec<Fact> {
        if !self.dependencies.has_news() {
            return Vec::new();
        }
        let mut facts = vec![Fact::Round(RoundFact::DependenciesSeen)];
        for (id, waits) in self.dependencies.concerned() {
            if let Some(cluster) = self.clusters.get(&id) {
                facts.extend(self.follows_for_waiting(now, cluster, &waits));
            }
        }
        facts
    }

    fn follows_for_waiting(
        &self,
        now: Now,
        cluster: &Cluster,
        waits: &[(Dependency, Standing)],
    ) -> Vec<Fact> {
        if let Some((never, _)) = waits.iter().find(|(_, standing)| *standing == Standing::Never) {
            let reason = format!("{}{never} can never be", depend::REASON);
            let jobs = cluster.waiting_jobs();
            return jobs.flat_map(|job| self.removal(now, job, reason.clone())).collect();
        }
        let left = waits.iter().filter(|(_, standing)| *standing == Standing::Waits);
        let left: Vec<Dependency> = left.map(|(dependency, _)| *dependency).collect();
        if left.len() == waits.len() {
            return Vec::new();
        }
        let release = |job: JobRef<'_>| {
            let event = JobEvent::Released { reason: RELEASE_REASON.to_owned(), at: now.wall };
            Fact::Job { job: job.job, fact: JobFact::Happened(event) }
        };
        if left.is_empty() {
            return cluster.waiting_jobs().map(release).collect();
        }
        let mut changes = ClassAd::new();
        changes.set(WAITS_FOR, depend::written(&left));
        let changes = Arc::new(changes);
        let edit = |job: JobRef<'_>| Fact::Job {
            job: job.job,
            fact: JobFact::Edited { changes: Arc::clone(&changes) },
        };
        cluster.waiting_jobs().map(edit).collect()
    }
}

impl Cluster {
    /// Its jobs that are held for others.
    fn waiting_jobs(&self) -> impl Iterator<Item = JobRef<'_>> {
        self.procs().filter(|job| {
            job.state().hold().is_some_and(|hold| hold.code == HoldCode::WaitsForJobs)
        })
    }
}

/// Whether an event tells that the job has started, and that it ended in another way than well.
fn tells(event: &JobEvent) -> (bool, bool) {
    let is_bad = |end: &RunEnd| !end.is_success();
    match event {
        JobEvent::RunStarted { .. } => (true, false),
        JobEvent::RunOver { end, next, .. } => match next {
            AfterRun::Complete => (true, is_bad(end)),
            AfterRun::Remove { .. } => (true, true),
            AfterRun::Hold(_) | AfterRun::Requeue { .. } => (false, false),
        },
        JobEvent::Skipped { end, .. } => (true, is_bad(end)),
        JobEvent::Removed { .. } => (false, true),
        JobEvent::RunAuthorised { .. }
        | JobEvent::PauseRequested { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Continued { .. }
        | JobEvent::StopRequested { .. }
        | JobEvent::Held(_)
        | JobEvent::Released { .. } => (false, false),
    }
}
