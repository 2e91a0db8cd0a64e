//! Which jobs go with a job that is removed (`OtherJobRemoveRequirements`): those of a workflow
//! with the one that drives it, when that cannot see to it itself because it does not run any more.
//!
//! Knows nothing of workflows: the job says by an expression which of its owner's jobs it means.

use std::collections::BTreeSet;

use classad::Expr;
use model::{JobEvent, JobId, Now, attr};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::words::{Fact, JobFact};

impl Core {
    /// What follows for others from the removal of these jobs. Jobs in `done` are left alone; those
    /// that were found are put into it.
    pub(crate) fn removed_along(
        &self,
        now: Now,
        removed: Vec<JobId>,
        done: &mut BTreeSet<JobId>,
    ) -> Vec<Fact> {
        let (mut facts, mut waiting) = (Vec::new(), removed);
        done.extend(&waiting);
        while let Some(id) = waiting.pop() {
            let Some(job) = self.job(id) else { continue };
            let Some(wanted) = self.others_wanted(now, job) else { continue };
            let env = env(now);
            let theirs = self.clusters.values().filter(|c| c.owner() == job.cluster.owner());
            for other in theirs.flat_map(Cluster::procs) {
                let is_meant =
                    || ads::job_ad(other, now, self).eval_expr(&wanted, None, &env).is_true();
                if done.contains(&other.job) || !is_meant() {
                    continue;
                }
                done.insert(other.job);
                let reason = format!("removed because job {id} was removed");
                let follows = self.removed_by_policy(now, other, reason);
                // One that runs is stopped first: it is asked in its turn when that is over.
                waiting.extend(removed_by(&follows));
                facts.extend(follows);
            }
        }
        facts
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

/// The jobs that are removed by some facts.
pub(crate) fn removed_by(facts: &[Fact]) -> impl Iterator<Item = JobId> {
    facts.iter().filter_map(|fact| {
        let Fact::Job { job, fact: JobFact::Happened(JobEvent::Removed { .. }) } = fact else {
            return None;
        };
        Some(*job)
    })
}
