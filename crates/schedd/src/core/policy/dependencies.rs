//! Jobs that wait for others (`WaitsForJobs`): they are held until what they wait for has been, and
//! removed if it can never be.
//!
//! The jobs of a cluster wait as one, but for those that wait each for its own (`aftercorr`). What
//! has been is taken out of the waiting jobs' ads in the batch in which it happens, so that a
//! restart goes on with what is left. Of a cluster that is in the queue the rows tell everything,
//! also of its jobs that have left; what became of clusters that have left, whoever submits finds
//! in the history.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use classad::ClassAd;
use model::depend::{self, Before, Dependency, Part, Progress, Standing, WAITS_FOR, Waits};
use model::{
    AfterRun, ClusterId, ClusterSpec, HoldCode, JobEvent, JobId, Now, ProcId, RunEnd, attr,
    planted::{Bug, planted},
};
use proto::client::Refusal;

use crate::core::policy::holds::{self, Holds};
use crate::core::records::acts::Target;
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::state::dependencies::{Gone, News, hold_reason, of, said, shifted};
use crate::core::words::{ActFact, ClusterFact, Fact, FactoryStep, JobFact, RoundFact};

/// Why they are let go.
const RELEASE_REASON: &str = "what the job waited for has been";

/// The refusal of a submission that names a job which is not in the queue, or which does not wait
/// for what is to come.
pub(crate) fn has_left(what: impl Display) -> Refusal {
    Refusal::HasLeft(format!("wait for a job that has left the queue: {what}"))
}

impl Core {
    /// Refuses to wait for what is not in the queue: it may have ended while the submission came.
    pub(crate) fn check_waits(&self, spec: &ClusterSpec) -> Result<(), Refusal> {
        let said = spec.ad.get_own(WAITS_FOR).is_some();
        let waits = of(spec).unwrap_or_default();
        if said && waits.is_empty() {
            return Err(Refusal::Invalid(format!("{WAITS_FOR} names no jobs to wait for")));
        }
        let unknown = |waits: &&Dependency| !self.clusters.contains_key(&waits.on);
        if let Some(gone) = waits.others.iter().find(unknown) {
            return Err(has_left(gone.on));
        }
        let foreign = |waits: &&Dependency| match waits.part {
            Part::Index(_) => true,
            Part::Proc(proc) => self.has_no_job(waits.on, i64::from(proc.0), 1),
            Part::Each(more) => self.has_no_job(waits.on, more, spec.count()),
            Part::Whole | Part::Array | Part::Many(_) => false,
        };
        match waits.others.iter().find(foreign) {
            None => Ok(()),
            Some(waits) => Err(Refusal::Invalid(format!("there is no job for each of {waits}"))),
        }
    }

    /// Whether not all of these jobs are of this cluster.
    fn has_no_job(&self, id: ClusterId, first: i64, count: u32) -> bool {
        let total = self.clusters.get(&id).map_or(0, |cluster| cluster.record.spec.count());
        first < 0 || first + i64::from(count) > i64::from(total)
    }

    /// Notes what the held jobs of a cluster wait for: one that has come, or that is loaded.
    pub(in crate::core) fn note_waits(&mut self, id: ClusterId) {
        let Some(cluster) = self.clusters.get(&id) else { return };
        let Some(shared) = said(&cluster.ad) else { return };
        let first = cluster.waiting_jobs().next().and_then(|job| said(&job.described()));
        if let Some(own) = first {
            self.dependencies.wait(id, own);
            if shared.has_each() {
                self.dependencies.wait(id, shared);
            }
        }
    }

    /// What is known of some jobs, from the rows.
    pub(crate) fn progress(&self, on: ClusterId, part: Part) -> Progress {
        let Some(cluster) = self.clusters.get(&on) else {
            return self.dependencies.gone(on).map_or(Progress::LOST, |gone| gone.progress(part));
        };
        if let Part::Proc(proc) = part {
            return cluster.progress_of(proc);
        }
        let total = cluster.record.spec.count();
        let last = JobId { cluster: on, proc: ProcId(u32::MAX) };
        let over = self.staying.range(JobId { cluster: on, proc: ProcId(0) }..=last).count();
        let over = u32::try_from(over).unwrap_or(u32::MAX);
        let ended = total - cluster.left.saturating_sub(over);
        let runs = cluster
            .jobs
            .values()
            .filter(|record| !record.state.is_final() && record.tally.executions > 0);
        let started = ended + u32::try_from(runs.count()).unwrap_or(u32::MAX);
        let bad =
            u32::try_from(cluster.bad.len()).unwrap_or(u32::MAX).saturating_add(cluster.never);
        Progress { total, started, ended, bad: bad.min(ended) }
    }

    /// How something stands that a job waits for.
    fn standing(&self, dependency: Dependency, waiter: ProcId) -> Standing {
        let part = match dependency.part {
            Part::Each(more) => match shifted(waiter, more) {
                Some(proc) => Part::Proc(proc),
                None => return Standing::Never,
            },
            part @ (Part::Whole | Part::Array | Part::Many(_) | Part::Index(_) | Part::Proc(_)) => {
                part
            }
        };
        let progress = self.progress(dependency.on, part);
        if planted(Bug::DependencyTooEarly) && progress.ended > 0 {
            return Standing::Met;
        }
        match dependency.standing(progress) {
            Standing::Never if planted(Bug::DependencyFailureReleases) => Standing::Met,
            standing @ (Standing::Waits | Standing::Met | Standing::Never) => standing,
        }
    }

    /// Something happened to a job: others may wait for it, or it waits itself from now on. Says
    /// whether its cluster has another job now that did not end well.
    pub(in crate::core) fn note_progress(&mut self, job: JobId, event: &JobEvent) -> bool {
        let is_bad = ends_badly(event);
        if is_bad
            && let Some(cluster) = self.clusters.get_mut(&job.cluster)
            && cluster.bad.insert(job.proc)
        {
            cluster.removed += u32::from(is_removed(event));
        }
        self.dependencies.note(job);
        let waits = matches!(event, JobEvent::Held(hold) if hold.code == HoldCode::WaitsForJobs);
        if waits {
            self.note_waits(job.cluster);
        }
        is_bad
    }

    /// A job waits for something else than before.
    pub(in crate::core) fn note_edited_waits(&mut self, id: JobId, changes: &ClassAd) {
        if let Some(waits) = said(changes) {
            self.dependencies.wait(id.cluster, waits);
        }
    }

    /// Nothing of a cluster is left.
    pub(in crate::core) fn note_left(&mut self, id: ClusterId, cluster: Cluster) {
        let Cluster { bad, never, record, .. } = cluster;
        self.dependencies.leave(id, Gone { total: record.spec.count(), bad, never });
    }

    /// Whether somebody who waits is to be told something.
    pub(crate) fn has_dependency_news(&self) -> bool {
        self.dependencies.has_news()
    }

    /// What follows for those that wait from what has become known.
    pub(crate) fn dependencies_due(&self, now: Now) -> Vec<Fact> {
        if !self.dependencies.has_news() {
            return Vec::new();
        }
        let mut facts = vec![Fact::Round(RoundFact::DependenciesSeen)];
        for (id, news) in self.dependencies.concerned() {
            if let Some(cluster) = self.clusters.get(&id) {
                facts.extend(self.follows_for_waiting(now, cluster, &news));
            }
        }
        facts
    }

    fn follows_for_waiting(&self, now: Now, cluster: &Cluster, news: &News) -> Vec<Fact> {
        let id = cluster.record.cluster;
        let has_each = self.dependencies.waits(id).is_some_and(Waits::has_each);
        if has_each {
            return self.follows_for_each(now, cluster, news);
        }
        // What was decided is carried out, also when what it was decided by is no longer known.
        if self.is_vain(id) {
            return Vec::new();
        }
        let Some(waits) = waited_for_by(cluster) else { return Vec::new() };
        let outcome = outcome(&waits, |one| self.standing(one, ProcId(0)));
        let mut facts = Vec::from_iter(Self::follows_for_later(cluster, &outcome));
        if let Outcome::Never(never) = &outcome
            && cluster.waiting > self.config.slice as u64
        {
            facts.push(Self::removed_in_slices(cluster, *never));
            return facts;
        }
        for job in cluster.waiting_jobs() {
            facts.extend(self.follows_for_job(now, job, &outcome));
        }
        facts
    }

    /// The removal of all jobs of a cluster that wait, a slice at a time. They are held: none of
    /// them starts meanwhile.
    fn removed_in_slices(cluster: &Cluster, never: Dependency) -> Fact {
        let (id, user) = (cluster.record.cluster, cluster.owner().clone());
        let target = Target::Vain { cluster: id, never: never.to_string() };
        Fact::Act(ActFact::Follows { user, target })
    }

    /// Whether those of a cluster that wait are being removed, a slice at a time.
    fn is_vain(&self, id: ClusterId) -> bool {
        let is_it =
            |target: &Target| matches!(target, Target::Vain { cluster, .. } if *cluster == id);
        self.follows_already(is_it)
    }

    /// The same for jobs that wait each for its own: only those that it concerns are looked at.
    fn follows_for_each(&self, now: Now, cluster: &Cluster, news: &News) -> Vec<Fact> {
        let mut known: BTreeMap<Dependency, Standing> = BTreeMap::new();
        let mut facts = Vec::new();
        let named = news.of.iter().filter_map(|proc| {
            cluster.jobs.contains_key(proc).then(|| cluster.procs_from(*proc).next())?
        });
        let jobs: Vec<JobRef<'_>> = match news.is_all {
            true => cluster.waiting_jobs().collect(),
            false => named.filter(waits_for_jobs).collect(),
        };
        for job in jobs {
            let Some(waits) = said(&job.described()) else { continue };
            let outcome = outcome(&waits, |one| match one.part {
                Part::Each(_) => self.standing(one, job.job.proc),
                Part::Whole | Part::Array | Part::Many(_) | Part::Index(_) | Part::Proc(_) => {
                    *known.entry(one).or_insert_with(|| self.standing(one, job.job.proc))
                }
            });
            facts.extend(self.follows_for_job(now, job, &outcome));
        }
        facts
    }

    /// What follows for the jobs of a cluster that are still to come.
    fn follows_for_later(cluster: &Cluster, outcome: &Outcome) -> Option<Fact> {
        match outcome {
            Outcome::Same => None,
            Outcome::Never(_) => cluster.grows_no_more(),
            Outcome::Left(left) => cluster.is_factory().then(|| {
                let mut changes = ClassAd::new();
                changes.set(WAITS_FOR, left.to_string());
                let step = FactoryStep::Edited(Arc::new(changes));
                Fact::Cluster(ClusterFact::Factory { cluster: cluster.record.cluster, step })
            }),
        }
    }

    fn follows_for_job(&self, now: Now, job: JobRef<'_>, outcome: &Outcome) -> Vec<Fact> {
        let fact = |fact| Fact::Job { job: job.job, fact };
        match outcome {
            Outcome::Same => Vec::new(),
            Outcome::Never(never) => self.removal(now, job, never_reason(&never.to_string())),
            Outcome::Left(left) if left.is_empty() => {
                let before = holds::of(now, job).unwrap_or_default();
                let after = Holds { waits: None, ..before.clone() };
                after.follow(now, job, &before, RELEASE_REASON)
            }
            Outcome::Left(left) => {
                let mut changes = ClassAd::new();
                changes.set(WAITS_FOR, left.to_string());
                vec![fact(JobFact::Edited { changes: Arc::new(changes) })]
            }
        }
    }

    /// What follows from a submission for jobs that wait for one that is still to come.
    ///
    /// # Errors
    /// If one of them does not wait, or is another user's.
    pub(crate) fn lets_go(
        &self,
        new: ClusterId,
        owner: &model::UserName,
        text: Option<&str>,
        count: u32,
    ) -> Result<Vec<Fact>, Refusal> {
        let Some(text) = text else { return Ok(Vec::new()) };
        let Some(all) = depend::read_before(text) else {
            let why = format!("{} names no jobs that wait", depend::LETS_GO);
            return Err(Refusal::Invalid(why));
        };
        let mut facts = Vec::new();
        for before in all {
            let cluster = self.clusters.get(&before.job);
            let Some(cluster) = cluster.filter(|cluster| cluster.owner() == owner) else {
                return Err(has_left(before.job));
            };
            let known = facts.len();
            let waiting = cluster.waiting_jobs();
            facts.extend(waiting.filter_map(|job| waits_besides(job, new, count, before)));
            if facts.len() == known {
                return Err(has_left(before));
            }
        }
        Ok(facts)
    }

    /// Who waits for a job, as PBS writes it of that one; `None` if nobody does.
    pub(crate) fn waited_for(&self, on: ClusterId) -> Option<String> {
        let mut words = Vec::new();
        for (waiter, waits) in self.dependencies.waiters(on) {
            let Some(cluster) = self.clusters.get(&waiter) else { continue };
            let brackets = if cluster.record.spec.count() > 1 { "[]" } else { "" };
            for one in waits.others.iter().filter(|one| one.on == on) {
                if self.standing(*one, ProcId(0)) == Standing::Waits {
                    words.push(format!("{}:{waiter}{brackets}", one.kind.before()));
                }
            }
        }
        (!words.is_empty()).then(|| words.join(","))
    }
}

/// What the jobs of a cluster that wait for others wait for; if none is there, those of a factory
/// that are still to come.
fn waited_for_by(cluster: &Cluster) -> Option<Waits> {
    if let Some(first) = cluster.waiting_jobs().next() {
        return said(&first.described());
    }
    let edited = cluster.later_edits.as_deref().filter(|edits| edits.get(WAITS_FOR).is_some());
    cluster.is_factory().then(|| said(edited.unwrap_or(&cluster.ad))).flatten()
}

/// A job that waits for what is still to come waits for this instead.
fn waits_besides(job: JobRef<'_>, new: ClusterId, count: u32, before: Before) -> Option<Fact> {
    let mut waits = said(&job.described()).filter(|waits| waits.on > 0)?;
    waits.on -= 1;
    let part = if count > 1 { Part::Array } else { Part::Whole };
    waits.others.push(Dependency { kind: before.kind, on: new, part });
    let mut changes = ClassAd::new();
    changes.set(WAITS_FOR, waits.to_string());
    let changes = Arc::new(changes);
    Some(Fact::Job { job: job.job, fact: JobFact::Edited { changes } })
}

/// What comes of a job that waits.
enum Outcome {
    /// It waits for the same as before.
    Same,
    /// This can never be.
    Never(Dependency),
    /// It waits for this only, which may be nothing.
    Left(Waits),
}

fn outcome(waits: &Waits, mut standing: impl FnMut(Dependency) -> Standing) -> Outcome {
    let mut others = Vec::new();
    for one in &waits.others {
        match standing(*one) {
            Standing::Never => return Outcome::Never(*one),
            Standing::Waits => others.push(*one),
            Standing::Met => {}
        }
    }
    if others.len() == waits.others.len() {
        return Outcome::Same;
    }
    Outcome::Left(Waits { on: waits.on, others })
}

/// Why a job is removed that waits for what can never be.
pub(crate) fn never_reason(never: &str) -> String {
    format!("{}{never} can never be", depend::REASON)
}

/// Whether a job is held for this, among others.
pub(crate) fn waits_for(job: JobRef<'_>, what: &str) -> bool {
    let is_it = |one: &Dependency| one.to_string() == what;
    waits_for_jobs(&job)
        && said(&job.described()).is_some_and(|waits| waits.others.iter().any(is_it))
}

fn waits_for_jobs(job: &JobRef<'_>) -> bool {
    job.state().hold().is_some_and(|hold| hold.code == HoldCode::WaitsForJobs)
}

impl Cluster {
    /// Its jobs that are held for others.
    fn waiting_jobs(&self) -> impl Iterator<Item = JobRef<'_>> {
        self.procs().filter(waits_for_jobs)
    }

    /// What follows for its jobs that are still to come when those that came are removed; nothing
    /// if none are.
    pub(crate) fn grows_no_more(&self) -> Option<Fact> {
        let (cluster, step) = (self.record.cluster, FactoryStep::Ended);
        self.is_factory().then_some(Fact::Cluster(ClusterFact::Factory { cluster, step }))
    }

    /// What is known of one of its jobs.
    fn progress_of(&self, proc: ProcId) -> Progress {
        // Those that never came are the last.
        let came = proc.0 < self.record.spec.count().saturating_sub(self.never);
        let well = came && !self.bad.contains(proc);
        match self.jobs.get(&proc) {
            Some(record) => {
                let ended = record.state.is_final().then_some(well);
                Progress::of_one(record.tally.executions > 0, ended)
            }
            None if self.untouched.contains(proc) || self.later.contains(proc) => {
                Progress::of_one(false, None)
            }
            None => Progress::of_one(true, Some(well)),
        }
    }

    /// What a job of it waits for that comes into the queue now, if it does, and why it is held.
    pub(crate) fn waits_from_the_start(spec: &ClusterSpec, edits: Option<&ClassAd>) -> FirstHold {
        let edited = edits.filter(|edits| edits.get_own(WAITS_FOR).is_some());
        let waits = match edited {
            Some(edits) => said(edits),
            None => of(spec),
        };
        match waits {
            Some(waits) => FirstHold::Waits(hold_reason(&waits)),
            None if holds::is_held_besides(&spec.ad) => FirstHold::Besides,
            None if edited.is_some() && spec.ad.get_own(attr::PBS_EXECUTION_TIME).is_none() => {
                FirstHold::None
            }
            None => FirstHold::Asked,
        }
    }
}

/// Why a job is held that is submitted as a held one.
pub(crate) enum FirstHold {
    /// For others, with the reason.
    Waits(String),
    /// Its user holds it, beside what it waited or waits for.
    Besides,
    /// It was asked for.
    Asked,
    /// It is not held: it waited for what has been.
    None,
}

/// Whether an event takes a job away that did not end by itself.
fn is_removed(event: &JobEvent) -> bool {
    matches!(
        event,
        JobEvent::Removed { .. } | JobEvent::RunOver { next: AfterRun::Remove { .. }, .. }
    )
}

/// Whether an event tells that a job ended in another way than well.
fn ends_badly(event: &JobEvent) -> bool {
    let is_bad = |end: &RunEnd| !end.is_success();
    match event {
        JobEvent::RunOver { end, next, .. } => match next {
            AfterRun::Complete => is_bad(end),
            AfterRun::Remove { .. } => true,
            AfterRun::Hold(_) | AfterRun::Requeue { .. } => false,
        },
        JobEvent::Skipped { end, .. } => is_bad(end),
        JobEvent::Removed { .. } => true,
        JobEvent::RunStarted { .. }
        | JobEvent::RunAuthorised { .. }
        | JobEvent::PauseRequested { .. }
        | JobEvent::Suspended { .. }
        | JobEvent::Continued { .. }
        | JobEvent::StopRequested { .. }
        | JobEvent::Held(_)
        | JobEvent::Released { .. } => false,
    }
}
