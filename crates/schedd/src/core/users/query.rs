//! Questions about the queue. They change nothing and are answered from what `apply` keeps in step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use classad::{AttrName, ClassAd};
use model::{JobId, Now, ProcId, UserName};
use proto::client::named::Named;
use proto::client::{Counts, Forgotten, Query, Select, Totals};

use crate::core::ads::{self, JobAds};
use crate::core::job::description::env;
use crate::core::state::core::{Core, JobRef};
use crate::core::users::groups::is_groupable;

/// How many jobs are looked at for one page: a few milliseconds, for which the queue does nothing
/// else.
pub(crate) const PAGE_JOBS: usize = 2000;

/// How many steps of evaluation one page may take, but for the last job's: five milliseconds.
pub(crate) const PAGE_STEPS: u64 = 200_000;

impl Core {
    /// The ads of the queue's jobs that the query asks for, in order. For a queue of unknown length
    /// see [`Self::query_page`].
    pub fn query(&self, now: Now, query: &Query) -> Vec<ClassAd> {
        let (mut found, mut next) = self.page(now, query, None, usize::MAX);
        while let Some(after) = next {
            let (more, rest) = self.page(now, query, Some(after), usize::MAX);
            found.extend(more);
            next = rest;
        }
        found.truncate(limit_of(query));
        found
    }

    /// A part of what the query asks for: of the jobs after `after`, and from which to go on if
    /// there may be more.
    pub fn query_page(
        &self,
        now: Now,
        query: &Query,
        after: Option<JobId>,
    ) -> (Vec<ClassAd>, Option<JobId>) {
        if is_groupable(query) {
            return self.group_page(now, query, after);
        }
        self.page(now, query, after, PAGE_JOBS)
    }

    fn page(
        &self,
        now: Now,
        query: &Query,
        after: Option<JobId>,
        jobs: usize,
    ) -> (Vec<ClassAd>, Option<JobId>) {
        let spent = Arc::new(AtomicU64::new(0));
        let env = env(now).with_meter(Arc::clone(&spent));
        let limit = limit_of(query);
        let holds = |ad: &ClassAd, expr: &classad::Expr| ad.eval_expr(expr, None, &env).is_true();
        let mut found = Vec::new();
        let mut ads = JobAds::new(self, now);
        for (n, job) in self.selected(&query.select, after).enumerate() {
            if found.len() >= limit {
                return (found, None);
            }
            let ad = ads.ad(job);
            let selected = match &query.select {
                Select::Constraint(expr) => holds(&ad, expr),
                Select::All | Select::Any(_) => true,
            };
            if selected && query.constraint.as_ref().is_none_or(|c| holds(&ad, c)) {
                found.push(project(&ad, &query.projection));
            }
            if n + 1 >= jobs || spent.load(Ordering::Relaxed) >= PAGE_STEPS {
                return (found, Some(job.job));
            }
        }
        (found, None)
    }

    /// A job's ad as it is now.
    pub fn job_ad(&self, now: Now, job: JobId) -> Option<ClassAd> {
        self.job(job).map(|job| ads::job_ad(job, now, self))
    }

    /// Counts of jobs, from counters.
    pub fn totals(&self) -> Totals {
        let mut by_owner: BTreeMap<UserName, Counts> = BTreeMap::new();
        for ((owner, _), counts) in &self.counts {
            *by_owner.entry(owner.clone()).or_default() += *counts;
        }
        let beside = self.counts.iter().filter(|((_, universe), _)| universe.is_beside());
        let beside = beside.map(|((owner, universe), counts)| (*universe, owner.clone(), *counts));
        Totals {
            all: self.all,
            by_owner: by_owner.into_iter().collect(),
            beside: beside.collect(),
            seq: self.last_seq,
            // The file's matter.
            forgotten: Forgotten::default(),
        }
    }

    /// Jobs after `after` that the selection names; all, for a constraint.
    fn selected<'a>(
        &'a self,
        select: &'a Select,
        after: Option<JobId>,
    ) -> Box<dyn Iterator<Item = JobRef<'a>> + 'a> {
        let first = after.map_or(JobId::new(0, 0), |job| JobId { proc: job.proc.next(), ..job });
        match select {
            Select::All | Select::Constraint(_) => {
                let clusters = self.clusters.range(first.cluster..);
                Box::new(clusters.flat_map(move |(id, cluster)| {
                    cluster.procs_from(if *id == first.cluster { first.proc } else { ProcId(0) })
                }))
            }
            Select::Any(words) => Box::new(self.named_from(Named::of(words), first)),
        }
    }
}

fn limit_of(query: &Query) -> usize {
    query.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX))
}

/// What a query wants of an ad: all, or some attributes with what they depend on.
pub(crate) fn project(ad: &ClassAd, wanted: &[AttrName]) -> ClassAd {
    if wanted.is_empty() { ad.collapsed() } else { ad.projected(wanted) }
}
