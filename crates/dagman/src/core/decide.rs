//! What follows from an input. Nothing is changed here.

use std::time::Duration;

use model::{ClusterId, JobId, Now};

use super::jobs::{JobEnd, JobStanding, OVER_MEMORY};
use super::state::{Core, NodeState, ScriptState};
use super::words::{Event, Input, JobFact, Rejection, ScriptEnd};
use crate::workflow::{NodeIndex, NodeKind, ScriptKind};

/// What is waited before a submission that failed is tried again, the first time; it doubles each
/// time.
const SUBMIT_AGAIN: Duration = Duration::from_secs(1);

/// The longest that is waited before a submission is tried again.
pub(super) const SUBMIT_AGAIN_AT_MOST_S: u64 = 60;

impl Core {
    /// What follows from an input.
    ///
    /// # Errors
    /// If it is about something that is over, or was never asked for.
    pub fn decide(&self, now: Now, input: &Input) -> Result<Vec<Event>, Rejection> {
        let progress = self.progress();
        if progress.finished.is_some() {
            return if matches!(input, Input::Tick) {
                Ok(Vec::new())
            } else {
                Err(Rejection::Past)
            };
        }
        match input {
            Input::Begin if progress.begun => Err(Rejection::Past),
            Input::Begin => Ok(vec![Event::Began]),
            Input::Submitted { node, retry, cluster, jobs } => {
                self.waits_for_submission(*node, *retry)?;
                Ok(vec![Event::Submitted { node: *node, cluster: *cluster, jobs: *jobs }])
            }
            Input::Unchanged { node, retry, why } => {
                self.waits_for_submission(*node, *retry)?;
                let unchanged = Event::Unchanged { node: *node, why: why.clone() };
                Ok(vec![unchanged, Event::Done { node: *node }])
            }
            Input::NoItems { node, retry } => {
                self.waits_for_submission(*node, *retry)?;
                let nothing = Event::NothingToSubmit { node: *node };
                let after = self.after_jobs(now, *node, 0, String::new());
                Ok(std::iter::once(nothing).chain(after).collect())
            }
            Input::JobsLost { node, cluster } => {
                let queued = self.state(*node).queued();
                match queued.filter(|queued| queued.id == *cluster) {
                    Some(_) => Ok(vec![Event::JobsLost { node: *node }]),
                    None => Err(Rejection::NotAwaited(node.position())),
                }
            }
            Input::SubmitFailed { node, retry, lasting, why } => {
                let tries = self.waits_for_submission(*node, *retry)? + 1;
                Ok(self.submit_failed(now, *node, tries, *lasting, why))
            }
            Input::Job { job, fact } => self.job_fact(now, *job, fact),
            Input::ScriptEnded { node, retry, script, end } => {
                self.script_over(now, *node, *retry, *script, end)
            }
            Input::Remove if progress.ending.is_some() => Err(Rejection::Past),
            Input::Remove => Ok(vec![Event::Removed]),
            Input::Retry { node } => self.reopen(*node),
            Input::Skip { node } => self.skip(*node),
            Input::Fail { .. } if progress.ending.is_some() => Err(Rejection::Past),
            Input::Fail { why } => Ok(vec![Event::Broke { why: why.clone() }]),
            Input::Halt(halted) if *halted == progress.halted => Ok(Vec::new()),
            Input::Halt(halted) => Ok(vec![Event::Halted(*halted)]),
            Input::Throttle(throttles) if throttles == self.throttles() => Ok(Vec::new()),
            Input::Throttle(throttles) => Ok(vec![Event::Throttled(*throttles)]),
            Input::Tick => Ok(self.tick(now)),
        }
    }

    /// How often the submission that a node waits for failed before.
    fn waits_for_submission(&self, node: NodeIndex, retry: u32) -> Result<u32, Rejection> {
        match self.state(node) {
            NodeState::Submitting { tries, until_ms: None } if self.retries(node) == retry => {
                Ok(*tries)
            }
            NodeState::Submitting { .. }
            | NodeState::Waiting { .. }
            | NodeState::Resting { .. }
            | NodeState::Ready { .. }
            | NodeState::Pre(_)
            | NodeState::Queued(_)
            | NodeState::Post(..)
            | NodeState::Done
            | NodeState::Failed(_)
            | NodeState::Futile => Err(Rejection::NotAwaited(node.position())),
        }
    }

    fn submit_failed(
        &self,
        now: Now,
        node: NodeIndex,
        tries: u32,
        lasting: bool,
        why: &str,
    ) -> Vec<Event> {
        let is_last = lasting || tries >= self.options().max_submit_attempts;
        if !is_last && self.progress().ending.is_none() {
            let wait = SUBMIT_AGAIN.as_secs() << (tries - 1).min(6);
            let wait = Duration::from_secs(wait.min(SUBMIT_AGAIN_AT_MOST_S));
            let why = why.to_owned();
            return vec![Event::SubmitPostponed { node, until_ms: now.deadline(wait), why }];
        }
        let mut events = vec![Event::SubmitFailed { node, tries, why: why.to_owned() }];
        events.extend(self.not_submitted(node));
        events
    }

    fn job_fact(&self, now: Now, job: JobId, fact: &JobFact) -> Result<Vec<Event>, Rejection> {
        let node = self.node_of(job.cluster).ok_or(Rejection::NotOurs(job))?;
        let cluster = self.state(node).queued().ok_or(Rejection::NotOurs(job))?;
        let standing = cluster.job(job.proc).ok_or(Rejection::NotOurs(job))?;
        let is_new = match (standing, fact) {
            (JobStanding::Over(_), _) => return Err(Rejection::NotOurs(job)),
            (JobStanding::Idle, JobFact::Evicted | JobFact::Released)
            | (JobStanding::Running, JobFact::Executing) => false,
            (
                JobStanding::Idle | JobStanding::Running | JobStanding::Held,
                JobFact::Executing
                | JobFact::Evicted
                | JobFact::Released
                | JobFact::Held { .. }
                | JobFact::Over(_)
                | JobFact::Provides,
            ) => true,
        };
        if !is_new {
            return Ok(Vec::new());
        }
        let mut events = vec![Event::Job { node, job, fact: fact.clone() }];
        match fact {
            JobFact::Over(end) => events.extend(self.job_over(now, node, job, *end)),
            JobFact::Held { code, subcode, .. } if !cluster.is_leaving => {
                let why = self.removed_for_hold(node, cluster.holds + 1, (*code, *subcode));
                events.extend(why.map(|why| Event::RestRemoved { node, why }));
            }
            JobFact::Provides => {
                let provides = self.node(node).kind() == NodeKind::Provisioner;
                if provides && self.progress().waits_for_provisioner {
                    events.push(Event::Provided);
                }
            }
            JobFact::Held { .. } | JobFact::Executing | JobFact::Evicted | JobFact::Released => {}
        }
        Ok(events)
    }

    /// Why a node's jobs are removed of which one was held, for so many times now.
    fn removed_for_hold(&self, node: NodeIndex, holds: u32, cause: (i32, i32)) -> Option<String> {
        let max = self.options().max_job_holds;
        if max > 0 && holds >= max {
            return Some(format!("a job of the node was held {max} times (DAGMAN_MAX_JOB_HOLDS)"));
        }
        let causes = self.node(node).retry().and_then(|retry| retry.causes);
        let is_tried_again =
            causes.is_some_and(|causes| causes.memory) && self.retries_left(node) > 0;
        (is_tried_again && cause == OVER_MEMORY).then(|| {
            "a job of the node used more memory than it had asked for (RETRY ... ON MEMORY)"
                .to_owned()
        })
    }

    /// What follows of the end of a job, which is not counted yet.
    fn job_over(&self, now: Now, node: NodeIndex, job: JobId, end: JobEnd) -> Vec<Event> {
        let Some(cluster) = self.state(node).queued() else { return Vec::new() };
        let failed = cluster.failed + u32::from(end.code() != 0);
        let jobs = u32::try_from(cluster.jobs.len()).unwrap_or(u32::MAX);
        let (tolerated, fail_fast) = self.tolerance(node, jobs);
        if cluster.left > 1 {
            let is_too_many = failed > tolerated && fail_fast && !cluster.is_leaving;
            let why = "another job of the node failed".to_owned();
            return is_too_many.then_some(Event::RestRemoved { node, why }).into_iter().collect();
        }
        let result = self.jobs_result(node, end).unwrap_or_default();
        let own = Some((job.proc, end)).filter(|_| end.code() != 0);
        let first = cluster.first_failure.or(own);
        let text = first.map(|(proc, end)| sentence(JobId { proc, ..job }, end));
        let text = text.unwrap_or_default();
        self.after_jobs(now, node, result, text)
    }

    /// As what a node's jobs end, if the last of them ends so, which is not counted yet; none if it
    /// is not the last.
    pub(crate) fn jobs_result(&self, node: NodeIndex, end: JobEnd) -> Option<i32> {
        let cluster = self.state(node).queued()?;
        if cluster.left > 1 {
            return None;
        }
        let failed = cluster.failed + u32::from(end.code() != 0);
        let jobs = u32::try_from(cluster.jobs.len()).unwrap_or(u32::MAX);
        let (tolerated, _) = self.tolerance(node, jobs);
        let first = cluster.first_failure.map_or(end.code(), |(_, end)| end.code());
        Some(if failed > tolerated { first } else { 0 })
    }

    fn script_over(
        &self,
        now: Now,
        node: NodeIndex,
        retry: u32,
        script: ScriptKind,
        end: &ScriptEnd,
    ) -> Result<Vec<Event>, Rejection> {
        let state = self.state(node);
        let is_awaited = match script {
            ScriptKind::Pre => *state == NodeState::Pre(ScriptState::Running),
            ScriptKind::Post => matches!(state, NodeState::Post(ScriptState::Running, _)),
            ScriptKind::Hold => self.counts().hold_running > 0,
        };
        if !is_awaited || (script != ScriptKind::Hold && self.retries(node) != retry) {
            return Err(Rejection::NotAwaited(node.position()));
        }
        let defer = self.node(node).script(script).and_then(|script| script.defer);
        if let Some(defer) = defer.filter(|defer| *end == ScriptEnd::Exited(defer.status))
            && (self.progress().ending.is_none() || self.node(node).kind() == NodeKind::Final)
        {
            let until_ms = now.deadline(Duration::from_secs(u64::from(defer.seconds)));
            return Ok(vec![Event::ScriptDeferred { node, script, until_ms }]);
        }
        let mut events = vec![Event::ScriptEnded { node, script, end: end.clone() }];
        events.extend(match script {
            ScriptKind::Pre => self.after_pre(now, node, end),
            ScriptKind::Post => self.after_post(now, node, end),
            ScriptKind::Hold => Vec::new(),
        });
        Ok(events)
    }
}

/// How a job failed, as dagman.out has it.
fn sentence(job: JobId, end: JobEnd) -> String {
    let JobId { cluster: ClusterId(cluster), proc } = job;
    match end {
        JobEnd::Exited(code) => format!("Job proc ({cluster}.{proc}.0) failed with status {code}"),
        JobEnd::Signaled(signal) => {
            format!("Job proc ({cluster}.{proc}.0) failed with signal {signal}")
        }
        JobEnd::Removed => {
            format!("HTCondor reported ULOG_JOB_ABORTED event for job proc ({cluster}.{proc}.0)")
        }
    }
}
