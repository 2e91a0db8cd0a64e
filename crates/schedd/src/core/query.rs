//! Questions about the queue. They change nothing and are answered from what `apply` keeps in step.

use classad::ClassAd;
use model::{JobId, Now, UserName};
use proto::client::{Query, Select, Selector, Totals};

use super::ads;
use super::state::{Cluster, Core, JobRef};

impl Core {
    /// The ads of the queue's jobs that the query asks for, in order.
    pub fn query(&self, now: Now, query: &Query) -> Vec<ClassAd> {
        let env = ads::env(now);
        let limit = query.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let holds = |ad: &ClassAd, expr: &classad::Expr| ad.eval_expr(expr, None, &env).is_true();
        let asked = self.selected(&query.select).map(|job| ads::job_ad(job, now, self));
        let asked = asked.filter(|ad| match &query.select {
            Select::Constraint(expr) => holds(ad, expr),
            Select::All | Select::Any(_) => true,
        });
        let asked = asked.filter(|ad| query.constraint.as_ref().is_none_or(|c| holds(ad, c)));
        asked.take(limit).map(|ad| project(ad, query)).collect()
    }

    /// A job's ad as it is now.
    pub fn job_ad(&self, now: Now, job: JobId) -> Option<ClassAd> {
        self.job(job).map(|job| ads::job_ad(job, now, self))
    }

    /// Counts of jobs, from counters.
    pub fn totals(&self) -> Totals {
        let by_owner = self.counts.iter().map(|(owner, counts)| (owner.clone(), *counts));
        Totals { all: self.all, by_owner: by_owner.collect() }
    }

    /// Jobs that the selection names; all, for a constraint.
    fn selected<'a>(&'a self, select: &'a Select) -> Box<dyn Iterator<Item = JobRef<'a>> + 'a> {
        match select {
            Select::All | Select::Constraint(_) => {
                Box::new(self.clusters.values().flat_map(Cluster::procs))
            }
            Select::Any(selectors) => {
                let clusters = self.clusters.values().filter(move |cluster| {
                    selectors.iter().any(|selector| may_name(selector, cluster))
                });
                Box::new(clusters.flat_map(Cluster::procs).filter(move |job| {
                    let owner = job.cluster.owner();
                    selectors.iter().any(|selector| names(selector, job.job, owner))
                }))
            }
        }
    }
}

/// Whether the selector names this job.
pub(super) fn names(selector: &Selector, job: JobId, owner: &UserName) -> bool {
    match selector {
        Selector::Cluster(cluster) => *cluster == job.cluster,
        Selector::Job(id) => *id == job,
        Selector::Owner(user) => user == owner,
    }
}

fn may_name(selector: &Selector, cluster: &Cluster) -> bool {
    match selector {
        Selector::Cluster(id) => *id == cluster.record.cluster,
        Selector::Job(id) => id.cluster == cluster.record.cluster,
        Selector::Owner(user) => user == cluster.owner(),
    }
}

fn project(ad: ClassAd, query: &Query) -> ClassAd {
    if query.projection.is_empty() {
        return ad.collapsed();
    }
    let mut some = ClassAd::new();
    for name in &query.projection {
        if let Some(expr) = ad.lookup(name) {
            some.set(name, expr);
        }
    }
    some
}
