//! Which jobs go with a job that is removed (`OtherJobRemoveRequirements`): those of a workflow
//! with the one that drives it, when that cannot see to it itself because it does not run any more.
//!
//! Knows nothing of workflows: the job says by an expression which of its owner's jobs it means.
//! Nor does it know who removes a job, or why: it is asked of every event (`batch`).

use classad::Expr;
use model::{AfterRun, JobEvent, JobId, JobState, Now, StopCause, UserName, attr};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::words::{Event, Fact, JobFact};

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

    /// What follows for the others, now that the job is removed.
    pub(crate) fn taken_along(&self, now: Now, takes: &TakesAlong) -> Vec<Fact> {
        let env = env(now);
        let theirs = self.clusters.values().filter(|cluster| *cluster.owner() == takes.owner);
        // An ad is dear: none is made for what is being removed already.
        let stays = theirs.flat_map(Cluster::procs).filter(|other| !is_going(&other.state()));
        let meant = stays.filter(|other| {
            ads::job_ad(*other, now, self).eval_expr(&takes.others, None, &env).is_true()
        });
        let reason = format!("removed because job {} was removed", takes.job);
        meant.flat_map(|other| self.removal(now, other, reason.clone())).collect()
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

/// Whether a job is removed, or about to be.
fn is_going(state: &JobState) -> bool {
    matches!(
        state,
        JobState::Removed { .. } | JobState::Stopping { cause: StopCause::Remove { .. }, .. }
    )
}
