//! What users do to jobs: remove, hold, release, vacate. Results are HTCondor 25.14's, job by job.

use std::collections::BTreeSet;

use model::{
    AfterRun, ClusterId, Hold, HoldCode, JobEvent, JobId, JobState, Now, RunEnd, StopCause, Usage,
    VacateCode,
};
use proto::claiming::StopHow;
use proto::client::{ActResult, Acted, Action, Answer, FrontEnd, Select, Selector};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::policy::along::means_all_of;
use crate::core::policy::holds::{self, Holds};
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::users::edit::prioritise;
use crate::core::words::{
    Actor, ClaimFact, ClusterFact, Fact, FactoryStep, JobFact, MachineFact, Repeat,
};

impl Core {
    pub(crate) fn act(
        &self,
        now: Now,
        by: &Actor,
        action: &Action,
        select: &Select,
        through: FrontEnd,
    ) -> (Vec<Fact>, Answer) {
        let mut act = Act::new(self, now, by, action, through);
        match select {
            Select::All => {
                for (id, cluster) in self.clusters_for(by, ClusterId(0)) {
                    cluster.procs().for_each(|job| act.on(None, job));
                    act.factory(None, id);
                }
            }
            Select::Any(selectors) => {
                for selector in selectors {
                    act.select(selector);
                }
            }
            Select::Constraint(expr) => {
                let env = env(now);
                for (id, cluster) in self.clusters_for(by, ClusterId(0)) {
                    for job in cluster.procs() {
                        if ads::job_ad(job, now, self).eval_expr(expr, None, &env).is_true() {
                            act.on(None, job);
                        }
                    }
                    if means_all_of(expr, cluster) {
                        act.factory(None, id);
                    }
                }
            }
        }
        (act.facts, Answer::Acted(act.results))
    }
}

pub(super) struct Act<'a> {
    core: &'a Core,
    now: Now,
    by: &'a Actor,
    action: &'a Action,
    through: FrontEnd,
    pub(super) facts: Vec<Fact>,
    pub(super) results: Vec<Acted>,
    /// Jobs that were acted on already: a second time in one request finds them in the new state.
    done: BTreeSet<JobId>,
    /// The same for the jobs of a cluster that are still to come.
    factories: BTreeSet<ClusterId>,
}

impl<'a> Act<'a> {
    pub(super) fn new(
        core: &'a Core,
        now: Now,
        by: &'a Actor,
        action: &'a Action,
        through: FrontEnd,
    ) -> Self {
        Self {
            core,
            now,
            by,
            action,
            through,
            facts: Vec::new(),
            results: Vec::new(),
            done: BTreeSet::new(),
            factories: BTreeSet::new(),
        }
    }

    /// What is done to all jobs of a cluster is done to those that are still to come: removed for
    /// good, or stopped for now.
    pub(super) fn factory(&mut self, selector: Option<&Selector>, id: ClusterId) {
        let Some(cluster) = self.core.clusters.get(&id).filter(|c| c.is_factory()) else { return };
        if !self.by.may_touch(cluster.owner()) {
            return;
        }
        let step = match self.action {
            Action::Remove { .. } => FactoryStep::Ended,
            Action::Hold { reason, code, .. } if !cluster.paused => FactoryStep::Paused {
                reason: self.said(reason.as_deref()),
                code: *code,
            },
            Action::Release { reason } if cluster.paused => FactoryStep::Resumed {
                reason: self.said(reason.as_deref()),
            },
            Action::Hold { .. }
            | Action::Release { .. }
            | Action::Vacate { .. }
            | Action::Suspend
            | Action::Continue
            // A job that is still to come has the priority with which it was submitted.
            | Action::Prioritise(_) => return,
        };
        if self.factories.insert(id) {
            self.facts.push(Fact::Cluster(ClusterFact::Factory { cluster: id, step }));
        }
        // A factory may have no job in the queue just now: it was found all the same.
        if !self.results.iter().any(|acted| acted.job.is_some_and(|job| job.cluster == id)) {
            let (selector, result) = (selector.cloned(), ActResult::Done);
            self.results.push(Acted { selector, job: None, result });
        }
    }

    fn select(&mut self, selector: &Selector) {
        let before = self.results.len();
        match selector {
            Selector::Job(id) => {
                if let Some(job) = self.core.job(*id) {
                    self.on(Some(selector), job);
                }
            }
            Selector::Cluster(id) => {
                if let Some(cluster) = self.core.clusters.get(id) {
                    self.on_cluster(selector, cluster);
                }
            }
            Selector::Owner(owner) => {
                for (_, cluster) in self.core.clusters_of(owner, ClusterId(0)) {
                    self.on_cluster(selector, cluster);
                }
            }
        }
        if self.results.len() == before {
            let job = match selector {
                Selector::Job(id) => Some(*id),
                Selector::Cluster(_) | Selector::Owner(_) => None,
            };
            let selector = Some(selector.clone());
            self.results.push(Acted { selector, job, result: ActResult::NotFound });
        }
    }

    /// All jobs of a cluster, and those that are still to come. What is somebody else's, and large,
    /// is answered once.
    fn on_cluster(&mut self, selector: &Selector, cluster: &Cluster) {
        let is_large = cluster.left as usize > self.core.config.slice;
        if is_large && !self.by.may_touch(cluster.owner()) {
            return self.denied(Some(selector));
        }
        cluster.procs().for_each(|job| self.on(Some(selector), job));
        self.factory(Some(selector), cluster.record.cluster);
    }

    /// What the word names is somebody else's.
    pub(super) fn denied(&mut self, selector: Option<&Selector>) {
        let (selector, result) = (selector.cloned(), ActResult::PermissionDenied);
        self.results.push(Acted { selector, job: None, result });
    }

    pub(super) fn on(&mut self, selector: Option<&Selector>, job: JobRef<'_>) {
        let result = if !self.by.may_touch(job.cluster.owner()) {
            ActResult::PermissionDenied
        } else if !self.done.insert(job.job) {
            ActResult::AlreadyDone
        } else {
            match self.follows(job) {
                Ok(facts) => {
                    self.facts.extend(facts);
                    ActResult::Done
                }
                Err(result) => result,
            }
        };
        self.results.push(Acted { selector: selector.cloned(), job: Some(job.job), result });
    }

    fn follows(&self, job: JobRef<'_>) -> Result<Vec<Fact>, ActResult> {
        match self.action {
            Action::Remove { reason, force } => {
                self.remove(job, self.said(reason.as_deref()), *force)
            }
            Action::Hold { reason, code, subcode } => {
                let reason = self.said(reason.as_deref());
                let since = self.now.wall;
                self.hold(job, Hold { code: *code, subcode: *subcode, reason, since })
            }
            Action::Release { reason } => self.release(job, self.said(reason.as_deref())),
            Action::Vacate { fast } => self.vacate(job, *fast),
            Action::Suspend => self.pause(job, true),
            Action::Continue => self.pause(job, false),
            Action::Prioritise(priority) => Ok(prioritise(job, *priority)),
        }
    }

    fn remove(&self, job: JobRef<'_>, reason: String, force: bool) -> Result<Vec<Fact>, ActResult> {
        if force {
            return self.forget(job, &job.state());
        }
        let follows = self.core.removal(self.now, job, reason);
        if follows.is_empty() { Err(ActResult::AlreadyDone) } else { Ok(follows) }
    }

    /// `-forcex`: only for jobs that are being removed, as in HTCondor.
    fn forget(&self, job: JobRef<'_>, state: &JobState) -> Result<Vec<Fact>, ActResult> {
        let id = job.job;
        match state {
            JobState::Stopping { running, cause: StopCause::Remove { reason }, .. } => {
                let said = "removed by force while its machine had not answered".to_owned();
                let event = JobEvent::RunOver {
                    attempt: running.attempt,
                    end: RunEnd::Lost { reason: said },
                    usage: Usage::default(),
                    next: AfterRun::Remove { reason: reason.clone() },
                    at: self.now.wall,
                };
                // Whatever may still run there is to end, on all machines.
                let dropped = |claim| Fact::Claim(ClaimFact::Dropped { claim, release: true });
                let others = self.core.others_on(running.claim).into_iter().map(dropped);
                let own = [
                    Fact::Job { job: id, fact: JobFact::Happened(event) },
                    Fact::Job { job: id, fact: JobFact::Left },
                    dropped(running.claim),
                ];
                // At once: it had its grace.
                let killed = self.core.claims.get(&running.claim).map(|claim| {
                    let what = Repeat::StopRun(running.claim, StopHow::Fast);
                    let machine = claim.record.machine.clone();
                    Fact::Machine { machine, fact: MachineFact::Repeated { what } }
                });
                Ok(killed.into_iter().chain(others).chain(own).collect())
            }
            JobState::Removed { .. } => Ok(vec![Fact::Job { job: id, fact: JobFact::Left }]),
            JobState::Stopping { .. }
            | JobState::Idle { .. }
            | JobState::Running(_)
            | JobState::Suspended { .. }
            | JobState::Held(_)
            | JobState::Completed { .. } => Err(ActResult::BadStatus),
        }
    }

    fn hold(&self, job: JobRef<'_>, hold: Hold) -> Result<Vec<Fact>, ActResult> {
        let id = job.job;
        match job.state() {
            JobState::Idle { .. } if self.core.promises.has(id) => {
                let stop = self.stop(id, StopCause::Hold(hold));
                Ok(self.core.called_up(self.now, id).into_iter().chain([stop]).collect())
            }
            JobState::Idle { .. } => {
                Ok(vec![Fact::Job { job: id, fact: JobFact::Happened(JobEvent::Held(hold)) }])
            }
            // It goes on (OpenPBS 23.06): the hold bites when it would run again.
            JobState::Running(_) | JobState::Suspended { .. } if self.through == FrontEnd::Pbs => {
                Ok(vec![holds::besides(id, true)])
            }
            JobState::Running(_) | JobState::Suspended { .. } => {
                Ok(vec![self.stop(id, StopCause::Hold(hold))])
            }
            JobState::Stopping { cause, .. } => match cause {
                StopCause::Vacate { .. } => Ok(vec![self.stop(id, StopCause::Hold(hold))]),
                StopCause::Hold(_) => Err(ActResult::AlreadyDone),
                StopCause::Remove { .. } => Err(ActResult::BadStatus),
            },
            JobState::Held(_) if self.through == FrontEnd::Pbs => {
                self.besides(job, Some(hold.reason)).unwrap_or(Err(ActResult::AlreadyDone))
            }
            JobState::Held(_) => Err(ActResult::AlreadyDone),
            JobState::Completed { .. } | JobState::Removed { .. } => Err(ActResult::BadStatus),
        }
    }

    /// The user's own hold of a job that is held, or waits, for something else too; `None` if
    /// something is wrong with it.
    fn besides(
        &self,
        job: JobRef<'_>,
        user: Option<String>,
    ) -> Option<Result<Vec<Fact>, ActResult>> {
        let before = holds::of(self.now, job)?;
        if before.user.is_some() == user.is_some() {
            return Some(Err(ActResult::AlreadyDone));
        }
        let after = Holds { user, ..before.clone() };
        Some(Ok(after.follow(self.now, job, &before, &self.said(None))))
    }

    fn release(&self, job: JobRef<'_>, reason: String) -> Result<Vec<Fact>, ActResult> {
        let (id, at) = (job.job, self.now.wall);
        let is_held = job.state().hold().is_some();
        if is_held && self.through != FrontEnd::Pbs && holds::is_by_managers(job) {
            let is_a_managers = holds::managers_of(&job.described()).contains(['s', 'p']);
            if !self.core.is_operator(self.by) || is_a_managers && !self.core.is_manager(self.by) {
                return Err(ActResult::PermissionDenied);
            }
            let all = ("osp", false);
            let released = holds::changed(self.now, (job, false), self.by, all);
            return released.ok_or(ActResult::BadStatus);
        }
        if is_held
            && self.through == FrontEnd::Pbs
            && let Some(released) = self.besides(job, None)
        {
            return released;
        }
        match job.state() {
            // It would run with half of its files.
            // And the other before what it waits for.
            JobState::Held(hold)
                if [HoldCode::SpoolingInput, HoldCode::WaitsForJobs].contains(&hold.code) =>
            {
                Err(ActResult::BadStatus)
            }
            JobState::Held(_) => Ok(vec![Fact::Job {
                job: id,
                fact: JobFact::Happened(JobEvent::Released { reason, at }),
            }]),
            // It shows as held already, and is released before its run has ended: then it is only
            // stopped.
            JobState::Stopping { cause: StopCause::Hold(_), .. } => {
                let cause = StopCause::Vacate { code: VacateCode::UserRequest, subcode: 0, reason };
                Ok(vec![self.stop(id, cause)])
            }
            JobState::Running(_) | JobState::Suspended { .. } if self.through == FrontEnd::Pbs => {
                Ok(vec![holds::besides(id, false)])
            }
            JobState::Stopping { .. }
            | JobState::Idle { .. }
            | JobState::Running(_)
            | JobState::Suspended { .. }
            | JobState::Completed { .. }
            | JobState::Removed { .. } => Err(ActResult::BadStatus),
        }
    }

    fn vacate(&self, job: JobRef<'_>, fast: bool) -> Result<Vec<Fact>, ActResult> {
        let id = job.job;
        match job.state() {
            JobState::Running(running) | JobState::Suspended { running, .. } => {
                let reason = self.said(None);
                let cause =
                    StopCause::Vacate { code: VacateCode::UserVacateJob, subcode: 0, reason };
                let mut facts = vec![self.stop(id, cause)];
                if fast && let Some(claim) = self.core.claims.get(&running.claim) {
                    let machine = claim.record.machine.clone();
                    let what = Repeat::StopRun(running.claim, StopHow::Fast);
                    facts.push(Fact::Machine { machine, fact: MachineFact::Repeated { what } });
                }
                Ok(facts)
            }
            JobState::Stopping { .. }
            | JobState::Idle { .. }
            | JobState::Held(_)
            | JobState::Completed { .. }
            | JobState::Removed { .. } => Err(ActResult::BadStatus),
        }
    }

    /// The job shows as suspended, or as running again, when its machine has said so.
    fn pause(&self, job: JobRef<'_>, suspend: bool) -> Result<Vec<Fact>, ActResult> {
        let (running, is_suspended) = match job.state() {
            JobState::Running(running) => (running, false),
            JobState::Suspended { running, .. } => (running, true),
            JobState::Idle { .. }
            | JobState::Stopping { .. }
            | JobState::Held(_)
            | JobState::Completed { .. }
            | JobState::Removed { .. } => return Err(ActResult::BadStatus),
        };
        if running.pause.suspend == suspend {
            // A job that was never suspended cannot be continued.
            let never = !suspend && !is_suspended;
            return Err(if never { ActResult::BadStatus } else { ActResult::AlreadyDone });
        }
        let pause = running.pause.next(suspend);
        let event = JobEvent::PauseRequested { pause, at: self.now.wall };
        Ok(vec![Fact::Job { job: job.job, fact: JobFact::Happened(event) }])
    }

    fn stop(&self, job: JobId, cause: StopCause) -> Fact {
        Fact::Job {
            job,
            fact: JobFact::Happened(JobEvent::StopRequested { cause, at: self.now.wall }),
        }
    }

    /// The sentence for a hold, a release, a removal or a vacation, in the words of what the user
    /// acted through: HTCondor 25.14's, and OpenPBS 23.06's `comment` of a job that is held.
    fn said(&self, reason: Option<&str>) -> String {
        let user = &self.by.user;
        match (self.through, reason) {
            (FrontEnd::Updraft | FrontEnd::HtCondor | FrontEnd::DagMan, Some(reason)) => {
                format!("{reason} (by user {user})")
            }
            (FrontEnd::Updraft | FrontEnd::HtCondor | FrontEnd::DagMan, None) => {
                format!("via {} (by user {user})", self.action.command(self.through))
            }
            // No command of OpenPBS takes a reason: who gives one gives the whole sentence.
            (FrontEnd::Pbs, Some(reason)) => reason.to_owned(),
            (FrontEnd::Pbs, None) => match self.action {
                Action::Hold { .. } => format!("Job held by {user}"),
                Action::Remove { .. } => format!("Job deleted at request of {user}"),
                Action::Release { .. } => format!("Job released by {user}"),
                Action::Vacate { .. }
                | Action::Suspend
                | Action::Continue
                | Action::Prioritise(_) => {
                    format!("{} by {user}", self.action.command(self.through))
                }
            },
        }
    }
}
