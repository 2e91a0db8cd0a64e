//! What a node comes to when a part of it is over: the last part that runs decides; ABORT-DAG-ON
//! beats RETRY.

use std::time::Duration;

use model::Now;
use model::planted::{Bug, planted};

use super::jobs::{JOB_REMOVED, PRE_FAILED, SUBMIT_FAILED};
use super::state::{Core, NodeState};
use super::words::{Event, Failure, ScriptEnd};
use crate::workflow::{Causes, NodeIndex, NodeKind, ScriptKind, ToleranceLimit, WhenExceeded};

impl Core {
    /// How many of a node's jobs may fail, and whether the others are removed when more do.
    pub(super) fn tolerance(&self, node: NodeIndex, jobs: u32) -> (u32, bool) {
        let by_default = self.options().remove_on_failure;
        let Some(tolerance) = self.node(node).tolerance() else {
            return (self.options().tolerance, by_default);
        };
        let limit = match tolerance.limit {
            ToleranceLimit::Jobs(jobs) => jobs,
            ToleranceLimit::Percent(percent) => {
                let part = u64::from(jobs) * u64::from(percent) / 100;
                u32::try_from(part).unwrap_or(u32::MAX)
            }
        };
        let fail_fast = match tolerance.when_exceeded {
            WhenExceeded::Default => by_default,
            WhenExceeded::FailFast => true,
            WhenExceeded::Wait => false,
        };
        (limit, fail_fast)
    }

    /// The PRE script is over. When it went well nothing more follows: the node waits for its turn.
    pub(super) fn after_pre(&self, now: Now, node: NodeIndex, end: &ScriptEnd) -> Vec<Event> {
        let code = end.code();
        if self.is_given_up(node) {
            return vec![failed(node, code, pre_text(end))];
        }
        let skips = matches!(end, ScriptEnd::Exited(_))
            && self.node(node).pre_skip().is_some_and(|skip| skip == code);
        if skips {
            return vec![Event::PreSkipped { node }, Event::Done { node }];
        }
        if code == 0 {
            return Vec::new();
        }
        if let Some(aborted) = self.aborted(node, code, pre_text(end)) {
            return aborted;
        }
        let has_post = self.node(node).script(ScriptKind::Post).is_some();
        if has_post && self.options().always_run_post {
            return vec![Event::PostReady { node, jobs_return: PRE_FAILED }];
        }
        self.failed_or_retried(now, node, code, pre_text(end))
    }

    /// All jobs are over, or count as over.
    pub(super) fn after_jobs(
        &self,
        now: Now,
        node: NodeIndex,
        result: i32,
        text: String,
    ) -> Vec<Event> {
        let has_post = self.node(node).script(ScriptKind::Post).is_some();
        // Before FINAL, what was under way is brought to its end.
        if self.is_given_up(node) && !(has_post && self.may_end()) {
            return vec![if result == 0 {
                Event::Done { node }
            } else {
                failed(node, result, text)
            }];
        }
        if has_post {
            return vec![Event::PostReady { node, jobs_return: result }];
        }
        if let Some(aborted) = self.aborted(node, result, text.clone()) {
            return aborted;
        }
        if result == 0 {
            return vec![Event::Done { node }];
        }
        self.failed_or_retried(now, node, result, text)
    }

    /// The jobs could not be submitted.
    pub(super) fn not_submitted(&self, node: NodeIndex) -> Vec<Event> {
        let given_up = self.is_given_up(node);
        if !given_up && self.node(node).script(ScriptKind::Post).is_some() {
            return vec![Event::PostReady { node, jobs_return: SUBMIT_FAILED }];
        }
        let text = "Job submit failed".to_owned();
        let aborted = if given_up { None } else { self.aborted(node, SUBMIT_FAILED, text.clone()) };
        aborted.unwrap_or_else(|| vec![failed(node, SUBMIT_FAILED, text)])
    }

    /// The POST script is over.
    pub(super) fn after_post(&self, now: Now, node: NodeIndex, end: &ScriptEnd) -> Vec<Event> {
        let code = if planted(Bug::DagPostIgnored) { 0 } else { end.code() };
        let text = self.post_text(node, end);
        if self.is_given_up(node) {
            return vec![if code == 0 { Event::Done { node } } else { failed(node, code, text) }];
        }
        if let Some(aborted) = self.aborted(node, code, text.clone()) {
            return aborted;
        }
        if code == 0 {
            return vec![Event::Done { node }];
        }
        self.failed_or_retried(now, node, code, text)
    }

    /// Whether the workflow ends early, and the node with it.
    fn is_given_up(&self, node: NodeIndex) -> bool {
        self.progress().ending.is_some() && self.node(node).kind() != NodeKind::Final
    }

    /// Whether POST scripts of nodes whose jobs are over may still run: always, but in a workflow
    /// that ends early and has no FINAL node to wait for.
    pub(super) fn may_end(&self) -> bool {
        let progress = self.progress();
        progress.ending.is_none()
            || (self.workflow().final_node().is_some() && !progress.final_begun)
    }

    fn aborted(&self, node: NodeIndex, code: i32, text: String) -> Option<Vec<Event>> {
        let abort = self.node(node).abort().filter(|abort| abort.exit == code)?;
        let status = abort.return_code.unwrap_or(code);
        let text = self.with_retries(node, text);
        let over = if code == 0 { Event::Done { node } } else { failed(node, code, text) };
        Some(vec![Event::Aborted { node, status }, over])
    }

    /// How a node failed that could be tried again, with how often it was.
    fn with_retries(&self, node: NodeIndex, text: String) -> String {
        let used = self.retries(node) - self.nodes[node.position()].pardoned;
        match self.node(node).retry() {
            Some(retry) if retry.max > 0 => format!("{text} (after {used} node retries)"),
            Some(_) | None => text,
        }
    }

    fn failed_or_retried(&self, now: Now, node: NodeIndex, code: i32, text: String) -> Vec<Event> {
        if self.is_cut_short(node, code) {
            // What it ended with ended the retries: nobody is told how many there were.
            return vec![failed(node, code, text)];
        }
        if self.retries_left(node) > 0 {
            let pause = self.node(node).retry().and_then(|retry| retry.pause);
            let pause = pause.map(|pause| u64::from(pause.before(self.retries(node) + 1)));
            let until_ms = pause.map(|seconds| now.deadline(Duration::from_secs(seconds)));
            return vec![Event::Retried { node, code, until_ms }];
        }
        vec![failed(node, code, self.with_retries(node, text))]
    }

    /// How often a node may still be tried again.
    pub(super) fn retries_left(&self, node: NodeIndex) -> u32 {
        let used = self.retries(node) - self.nodes[node.position()].pardoned;
        let max = self.node(node).retry().map_or(0, |retry| retry.max);
        (max + u32::from(planted(Bug::DagRetriesOnceMore))).saturating_sub(used)
    }

    /// Whether a node that ends with this code is not tried again though it might be: because of
    /// UNLESS-EXIT, or because its cause is none of those that ON lists.
    pub(crate) fn is_cut_short(&self, node: NodeIndex, code: i32) -> bool {
        let Some(retry) = self.node(node).retry() else { return false };
        let gives_up = retry.unless_exit == Some(code)
            || retry.causes.is_some_and(|causes| !self.is_cause(&causes, node, code));
        gives_up && self.retries_left(node) > 0
    }

    /// Whether a node that ends with this code failed because of one of these. Where a POST script
    /// decided, what its jobs came to counts too: most say no more than that there was something.
    fn is_cause(&self, causes: &Causes, node: NodeIndex, code: i32) -> bool {
        let (jobs, over_memory) = match self.state(node) {
            NodeState::Queued(cluster) => (0, cluster.over_memory),
            NodeState::Post(_, end) => (end.result, end.over_memory),
            NodeState::Waiting { .. }
            | NodeState::Resting { .. }
            | NodeState::Ready { .. }
            | NodeState::Pre(_)
            | NodeState::Submitting { .. }
            | NodeState::Done
            | NodeState::Failed(_)
            | NodeState::Futile => (0, false),
        };
        let is_one = |code: i32| {
            (causes.has_code(code) && code != 0)
                || (causes.signal && (SUBMIT_FAILED + 1..0).contains(&code))
                || (causes.removed && code == JOB_REMOVED && !over_memory)
        };
        is_one(code) || is_one(jobs) || (causes.memory && over_memory)
    }

    fn post_text(&self, node: NodeIndex, end: &ScriptEnd) -> String {
        let post = match end {
            ScriptEnd::Exited(code) => format!("failed with status {code}"),
            ScriptEnd::Signaled(signal) => format!("died on signal {signal}"),
            ScriptEnd::NotStarted(why) => format!("could not be started: {why}"),
        };
        let NodeState::Post(_, jobs) = self.state(node) else {
            return format!("POST Script {post}");
        };
        let result = match (jobs.result, self.nodes[node.position()].pre) {
            // What failed was the PRE script, and that is told.
            (PRE_FAILED, Some(pre)) => pre,
            (result, _) => result,
        };
        match result {
            // Where its end ends the retries, HTCondor's says no more.
            _ if self.is_cut_short(node, end.code()) => format!("POST script {post}"),
            0 => format!("POST script {post}"),
            code if code <= SUBMIT_FAILED => {
                format!("Job failed due to DAGMAN error {code} and POST Script {post}")
            }
            code if code < 0 => format!("Job died on signal {} and POST Script {post}", -code),
            code => format!("Job exited with status {code} and POST Script {post}"),
        }
    }
}

fn failed(node: NodeIndex, code: i32, text: String) -> Event {
    Event::Failed { node, failure: Failure { code, text } }
}

fn pre_text(end: &ScriptEnd) -> String {
    match end {
        ScriptEnd::Exited(code) => format!("PRE Script failed with status {code}"),
        ScriptEnd::Signaled(signal) => format!("PRE Script died on signal {signal}"),
        ScriptEnd::NotStarted(why) => format!("PRE Script could not be started: {why}"),
    }
}
