//! What must come of a DAG, from its plan and from what the record says of its jobs: a second,
//! plainer telling of what a node's end is. It asks no core.

use std::collections::{BTreeMap, BTreeSet};

use dagman::workflow::{NodeIndex, ScriptKind};
use model::{ClusterId, JobState, ProgramEnd, RunEnd};
use proto::client::{Happening, Recorded};

use super::plan::{DagPlan, NodePlan, OWNER, code};

/// A DAG's plan, and what really was done.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) plan: DagPlan,
    /// Of which attempt a cluster was asked for, by its number.
    asked: BTreeMap<ClusterId, (usize, u32)>,
    /// The cluster of each attempt that the record has.
    clusters: BTreeMap<(usize, u32), ClusterId>,
    /// Scripts whose ends dagman has written down.
    scripts: BTreeSet<(usize, u32, ScriptKind)>,
    /// What dagman exited with, and whether it left a rescue file.
    pub(crate) finished: Option<(i32, bool)>,
}

/// What the record says of jobs.
pub(crate) trait Jobs {
    /// Where the jobs of a cluster stand.
    fn states(&self, cluster: ClusterId) -> Vec<&JobState>;
}

/// Where a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is not over; this attempt is the present.
    Open(u32),
    /// Done in this attempt.
    Done(u32),
    /// Failed in this attempt, which was the last.
    Failed(u32),
    /// A parent failed.
    Futile,
}

/// A part of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Pre,
    Jobs,
    Post,
    Over(i32),
}

impl Check {
    pub(crate) fn new(plan: DagPlan) -> Self {
        Self {
            plan,
            asked: BTreeMap::new(),
            clusters: BTreeMap::new(),
            scripts: BTreeSet::new(),
            finished: None,
        }
    }

    pub(crate) fn asked(&mut self, cluster: ClusterId, node: NodeIndex, retry: u32) {
        self.asked.insert(cluster, (node.position(), retry));
    }

    /// Whether a job of the DAG is held.
    pub(crate) fn has_held(&self, jobs: &dyn Jobs) -> bool {
        let states = self.asked.keys().flat_map(|cluster| jobs.states(*cluster));
        states.into_iter().any(|state| matches!(state, JobState::Held(_)))
    }

    /// Each attempt of a node has one cluster, in its turn, behind all parents.
    pub(crate) fn heard(&mut self, entry: &Recorded, jobs: &dyn Jobs) -> Result<(), String> {
        let Happening::ClusterSubmitted { cluster, owner, .. } = &entry.what else {
            return Ok(());
        };
        if owner.as_str() != OWNER {
            // a number that was only reserved is given again after a crash of the schedd
            self.asked.remove(cluster);
            return Ok(());
        }
        let Some((node, attempt)) = self.asked.get(cluster).copied() else { return Ok(()) };
        self.may_do(node, attempt, Part::Jobs, jobs)?;
        match self.clusters.insert((node, attempt), *cluster) {
            None => Ok(()),
            Some(other) => Err(format!(
                "attempt {attempt} of node N{node} has the clusters {other} and {cluster}"
            )),
        }
    }

    pub(crate) fn script_began(
        &self,
        node: NodeIndex,
        attempt: u32,
        script: ScriptKind,
        jobs: &dyn Jobs,
    ) -> Result<(), String> {
        let part = if script == ScriptKind::Pre { Part::Pre } else { Part::Post };
        self.may_do(node.position(), attempt, part, jobs)
    }

    /// With what a script ends.
    pub(crate) fn script_code(&self, node: NodeIndex, attempt: u32, script: ScriptKind) -> i32 {
        let plan = &self.plan.nodes[node.position()];
        let codes = if script == ScriptKind::Pre { &plan.pre } else { &plan.post };
        code(codes.as_deref().unwrap_or_default(), attempt)
    }

    /// dagman has written down that a script is over.
    pub(crate) fn script_ended(&mut self, node: NodeIndex, attempt: u32, script: ScriptKind) {
        self.scripts.insert((node.position(), attempt, script));
    }

    fn may_do(&self, node: usize, attempt: u32, part: Part, jobs: &dyn Jobs) -> Result<(), String> {
        for parent in self.before(node) {
            let outcome = self.outcome(parent, jobs);
            let is_final = self.plan.nodes[node].is_final;
            let lets_begin = match outcome {
                Outcome::Done(_) => true,
                Outcome::Failed(_) | Outcome::Futile => is_final,
                Outcome::Open(_) => false,
            };
            if !lets_begin {
                return Err(format!(
                    "node N{node} begins its {part:?}, and N{parent} is {outcome:?}"
                ));
            }
        }
        let outcome = self.outcome(node, jobs);
        let now = self.part(node, attempt, jobs);
        if outcome == Outcome::Open(attempt) && now == part {
            return Ok(());
        }
        Err(format!(
            "node N{node} begins the {part:?} of attempt {attempt}; it is {outcome:?}, at {now:?}"
        ))
    }

    /// Which nodes must be over before a node begins.
    fn before(&self, node: usize) -> Vec<usize> {
        if self.plan.nodes[node].is_final {
            (0..node).collect()
        } else {
            self.plan.parents(node).collect()
        }
    }

    fn outcome(&self, node: usize, jobs: &dyn Jobs) -> Outcome {
        let plan = &self.plan.nodes[node];
        let fails = |parent: usize| {
            matches!(self.outcome(parent, jobs), Outcome::Failed(_) | Outcome::Futile)
        };
        if !plan.is_final && self.plan.parents(node).any(fails) {
            return Outcome::Futile;
        }
        let mut attempt = 0;
        loop {
            match self.part(node, attempt, jobs) {
                Part::Over(0) => return Outcome::Done(attempt),
                Part::Over(code) if attempt >= plan.retries || plan.unless == Some(code) => {
                    return Outcome::Failed(attempt);
                }
                Part::Over(_) => attempt += 1,
                Part::Pre | Part::Jobs | Part::Post => return Outcome::Open(attempt),
            }
        }
    }

    /// The first part of an attempt that is not over.
    fn part(&self, node: usize, attempt: u32, jobs: &dyn Jobs) -> Part {
        let plan = &self.plan.nodes[node];
        let ran = |script| self.scripts.contains(&(node, attempt, script));
        if let Some(codes) = &plan.pre {
            if !ran(ScriptKind::Pre) {
                return Part::Pre;
            }
            if code(codes, attempt) != 0 {
                return Part::Over(code(codes, attempt));
            }
        }
        let Some(result) = self.result(plan, node, attempt, jobs) else { return Part::Jobs };
        match &plan.post {
            None => Part::Over(result),
            Some(_) if !ran(ScriptKind::Post) => Part::Post,
            Some(codes) => Part::Over(code(codes, attempt)),
        }
    }

    /// What came of an attempt's jobs, if all are over.
    fn result(&self, plan: &NodePlan, node: usize, attempt: u32, jobs: &dyn Jobs) -> Option<i32> {
        if plan.noop {
            return Some(0);
        }
        let cluster = self.clusters.get(&(node, attempt))?;
        let codes: Option<Vec<i32>> = jobs.states(*cluster).into_iter().map(code_of).collect();
        let codes = codes?;
        // all that fail by themselves do so alike; what was removed because of that counts less
        let failed = |code: &&i32| **code != 0;
        codes.iter().filter(failed).max().or(codes.first()).copied()
    }

    /// All is as it must be: each node had its attempts and no other, and dagman's exit status says
    /// what came of it.
    pub(crate) fn is_right(&self, jobs: &dyn Jobs) -> Result<(), String> {
        let Some(finished) = self.finished else { return Err("the DAG is not over".to_owned()) };
        for node in 0..self.plan.nodes.len() {
            let outcome = self.outcome(node, jobs);
            let attempts = self.clusters.range((node, 0)..=(node, u32::MAX));
            let last = attempts.last().map(|((_, attempt), _)| *attempt);
            let allowed = match outcome {
                Outcome::Open(_) => {
                    return Err(format!("the DAG is over, and N{node} is {outcome:?}"));
                }
                Outcome::Done(attempt) | Outcome::Failed(attempt) => Some(attempt),
                Outcome::Futile => None,
            };
            if last > allowed {
                return Err(format!("node N{node} is {outcome:?} and had attempt {last:?}"));
            }
        }
        let done = |node: usize| matches!(self.outcome(node, jobs), Outcome::Done(_));
        let count = self.plan.nodes.len();
        let all = (0..count).all(done);
        let last = (0..count).find(|node| self.plan.nodes[*node].is_final);
        let expected = (i32::from(!last.map_or(all, done)), !all);
        if finished == expected {
            Ok(())
        } else {
            Err(format!("the DAG ended with {finished:?} where {expected:?} is right"))
        }
    }
}

/// As what a job counts that is over.
fn code_of(state: &JobState) -> Option<i32> {
    match state {
        JobState::Removed { .. } => Some(-1002),
        JobState::Completed { end, .. } => Some(match end {
            RunEnd::Program(ProgramEnd::Exited { code }) => *code,
            RunEnd::Program(ProgramEnd::Signaled { signal, .. }) => -signal,
            _ => 1,
        }),
        JobState::Idle { .. }
        | JobState::Running(_)
        | JobState::Suspended { .. }
        | JobState::Stopping { .. }
        | JobState::Held(_) => None,
    }
}
