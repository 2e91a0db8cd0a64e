//! Which jobs go with a job that is removed (`OtherJobRemoveRequirements`): those of a workflow
//! with the one that drives it, when that cannot see to it itself because it does not run any more.
//!
//! Knows nothing of workflows: the job says by an expression which of its owner's jobs it means.
//! Nor does it know who removes a job, or why: it is asked of every event (`batch`).

use classad::{Env, Expr, RefScope, Value};
use model::{AfterRun, ClusterId, JobEvent, JobId, JobState, Now, StopCause, UserName, attr};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::records::acts::Target;
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::words::{ActFact, ClusterFact, Event, Fact, FactoryStep, JobFact};

/// What a job that is removed says of others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TakesAlong {
    job: JobId,
    owner: UserName,
    /// True of those that it means.
    others: Expr,
}

impl Core {
    /// What the job says that an event is about to remove, if it says anything. A job whose program
    /// still runs is asked when that is over.
    pub(crate) fn takes_along(&self, event: &Event) -> Option<TakesAlong> {
        let Fact::Job { job, fact: JobFact::Happened(what) } = &event.fact else { return None };
        if !matches!(
            what,
            JobEvent::Removed { .. } | JobEvent::RunOver { next: AfterRun::Remove { .. }, .. }
        ) {
            return None;
        }
        let removed = self.job(*job)?;
        let others = self.others_wanted(event.at, removed)?;
        Some(TakesAlong { job: *job, owner: removed.cluster.owner().clone(), others })
    }

    /// What follows for the others, now that the job is removed. More than `room` of them go a
    /// slice at a time.
    pub(crate) fn taken_along(&self, now: Now, takes: &TakesAlong, room: usize) -> Vec<Fact> {
        let TakesAlong { job, owner, others } = takes;
        let theirs: Vec<ClusterId> = self.may_go_along(owner, others, ClusterId(0)).collect();
        let theirs = || theirs.iter().filter_map(|id| self.clusters.get(id));
        if theirs().map(|cluster| cluster.left as usize).sum::<usize>() > room {
            let target = Target::Along { driver: *job, others: others.clone() };
            return vec![Fact::Act(ActFact::Follows { user: owner.clone(), target })];
        }
        let env = env(now);
        let mut facts: Vec<Fact> = theirs().filter_map(|one| never_comes(one, others)).collect();
        let meant = theirs().flat_map(Cluster::procs);
        let meant = meant.filter(|other| self.goes_along(now, *other, others, &env));
        facts.extend(meant.flat_map(|other| self.removal(now, other, reason_along(*job))));
        facts
    }

    /// The clusters from one on among whose jobs those are that are meant. What every workflow says
    /// names its jobs by their driver's number, and they are found by that.
    pub(crate) fn may_go_along(
        &self,
        owner: &UserName,
        others: &Expr,
        first: ClusterId,
    ) -> Box<dyn Iterator<Item = ClusterId> + '_> {
        match driver_in(others) {
            Some(number) => {
                let driven = self.whose.driven_by(owner, number).into_iter();
                Box::new(driven.filter(move |id| *id >= first))
            }
            None => Box::new(self.whose.owned_from(owner, first)),
        }
    }

    /// Whether a job is meant, and is not going already.
    pub(crate) fn goes_along(&self, now: Now, other: JobRef<'_>, others: &Expr, env: &Env) -> bool {
        // An ad is dear: none is made for what is being removed already.
        if is_going(&other.state()) {
            return false;
        }
        if let Some(number) = driver_in(others)
            && let Some(said) = other.described().literal(attr::DAGMAN_JOB_ID)
        {
            return said.as_i64() == Some(number);
        }
        ads::job_ad(other, now, self).eval_expr(others, None, env).is_true()
    }

    /// What a job says of those that are to go with it. What is no expression means none.
    fn others_wanted(&self, now: Now, job: JobRef<'_>) -> Option<Expr> {
        if !job.has_one(&[attr::OTHER_JOB_REMOVE_REQUIREMENTS]) {
            return None;
        }
        let ad = ads::job_ad(job, now, self);
        let said = ad.eval(attr::OTHER_JOB_REMOVE_REQUIREMENTS, None, &env(now));
        said.as_str().and_then(|text| text.parse().ok())
    }
}

/// Whether an expression means the workflow that drives a cluster: it is true of all its jobs then,
/// also of those that are still to come.
pub(crate) fn means_all_of(others: &Expr, cluster: &Cluster) -> bool {
    let driver = cluster.record.spec.ad.literal(attr::DAGMAN_JOB_ID).and_then(Value::as_i64);
    driver.is_some() && driver == driver_in(others)
}

/// Of a cluster that is meant, no more jobs come into the queue.
pub(crate) fn never_comes(cluster: &Cluster, others: &Expr) -> Option<Fact> {
    let is_meant = cluster.is_factory() && means_all_of(others, cluster);
    let (id, step) = (cluster.record.cluster, FactoryStep::Ended);
    is_meant.then_some(Fact::Cluster(ClusterFact::Factory { cluster: id, step }))
}

/// Why a job goes with another.
pub(crate) fn reason_along(driver: JobId) -> String {
    format!("removed because job {driver} was removed")
}

/// The number, if an expression means those whose driver has it (`DAGManJobId =?= 12`).
fn driver_in(others: &Expr) -> Option<i64> {
    let (one, other) = others.as_equality()?;
    let names = |side: &Expr| {
        let name = side.as_reference().filter(|(scope, _)| *scope != RefScope::Target);
        name.is_some_and(|(_, name)| *name == *attr::DAGMAN_JOB_ID)
    };
    let number = match (names(one), names(other)) {
        (true, false) => other,
        (false, true) => one,
        (true, true) | (false, false) => return None,
    };
    number.as_literal().and_then(Value::as_i64)
}

/// Whether a job is removed, or about to be.
fn is_going(state: &JobState) -> bool {
    matches!(
        state,
        JobState::Removed { .. } | JobState::Stopping { cause: StopCause::Remove { .. }, .. }
    )
}
