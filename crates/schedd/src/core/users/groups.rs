//! Jobs that a question cannot tell apart are told once, with how many they are: what keeps `q` of
//! a million jobs short. A group is the ad of its first job with [`attr::GROUP_LAST_PROC`] and
//! [`attr::GROUP_COUNT`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use classad::{AttrName, ClassAd, Env, RefScope};
use model::{ClusterId, Hold, JobId, JobState, Now, ProcId, StopCause, Timestamp, attr};
use proto::client::named::Named;
use proto::client::{Query, Select, Selector};

use crate::core::ads::JobAds;
use crate::core::job::description::env;
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::users::query::{PAGE_JOBS, PAGE_STEPS, project};

/// What decides which group of its cluster a job is in. Everything else that a job's ad says
/// differs from job to job, and nobody asks for it in groups.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Likeness {
    status: i64,
    hold: Option<(u16, i32, String)>,
    /// When a held job is tried again by itself.
    retry: Option<Timestamp>,
    class: Arc<str>,
    /// It is like no other.
    alone: Option<ProcId>,
}

/// The members of a group, as far as they are told.
#[derive(Clone, Copy, Debug)]
struct Members {
    first: ProcId,
    last: ProcId,
    count: u64,
}

/// Whether the question can be answered in groups: it names whole clusters, and what it wants to
/// know of each job; and its condition looks at what a group agrees in.
pub(crate) fn is_groupable(query: &Query) -> bool {
    let whole = match &query.select {
        Select::All => true,
        Select::Any(words) => !words.iter().any(|word| matches!(word, Selector::Job(_))),
        Select::Constraint(_) => false,
    };
    let is_alike = |(_, name): &(RefScope, AttrName)| {
        query.projection.contains(name)
            && ALIKE.iter().any(|alike| name.as_str().eq_ignore_ascii_case(alike))
    };
    let alike = query.constraint.as_ref().is_none_or(|one| one.references().iter().all(is_alike));
    query.grouped && whole && alike && query.limit.is_none() && !query.projection.is_empty()
}

/// What jobs of a group agree in if they were not submitted with values of their own: a condition
/// on these lets through all of them or none.
const ALIKE: [&str; 7] = [
    attr::JOB_STATUS,
    attr::HOLD_REASON_CODE,
    attr::CLUSTER_ID,
    attr::OWNER,
    attr::TOTAL_SUBMIT_PROCS,
    attr::PBS_ARRAY_INDICES,
    model::queues::QUEUE,
];

/// A question, and what looking at jobs for one page has cost.
struct Asking<'q> {
    query: &'q Query,
    env: Env,
    spent: Arc<AtomicU64>,
}

impl<'q> Asking<'q> {
    fn new(now: Now, query: &'q Query) -> Self {
        let spent = Arc::new(AtomicU64::new(0));
        Self { query, env: env(now).with_meter(Arc::clone(&spent)), spent }
    }

    /// What is told of a job or a group, if the condition lets it through.
    fn of(&self, ad: &ClassAd) -> Option<ClassAd> {
        let holds = |expr| ad.eval_expr(expr, None, &self.env).is_true();
        let is_wanted = self.query.constraint.as_ref().is_none_or(holds);
        is_wanted.then(|| project(ad, &self.query.projection))
    }

    fn is_enough(&self, looked_at: usize) -> bool {
        looked_at >= PAGE_JOBS || self.spent.load(Ordering::Relaxed) >= PAGE_STEPS
    }
}

impl Core {
    /// As [`Core::query_page`], in groups. A page ends with a cluster, but for one whose jobs
    /// differ in what is asked.
    pub(crate) fn group_page(
        &self,
        now: Now,
        query: &Query,
        after: Option<JobId>,
    ) -> (Vec<ClassAd>, Option<JobId>) {
        let first = after.map_or(JobId::new(0, 0), |job| JobId { proc: job.proc.next(), ..job });
        let asking = Asking::new(now, query);
        let mut found = Vec::new();
        let mut looked_at = 0;
        let mut ads = JobAds::new(self, now);
        for (id, cluster) in self.chosen_clusters(&query.select, first.cluster) {
            let from = if id == first.cluster { first.proc } else { ProcId(0) };
            if differs(cluster, &query.projection) {
                let names = |name: &AttrName| name.as_str() == attr::JOB_BATCH_NAME;
                let own_batches =
                    query.projection.iter().any(names) && cluster.record.spec.procs.any_own(names);
                for job in cluster.procs_from(from) {
                    if let Some(mut ad) = asking.of(&ads.ad(job)) {
                        if own_batches {
                            ad.set(attr::OWN_BATCH_NAME, true);
                        }
                        found.push(ad);
                    }
                    looked_at += 1;
                    if asking.is_enough(looked_at) {
                        return (found, Some(job.job));
                    }
                }
                continue;
            }
            for members in self.groups(cluster, from).into_values() {
                found.extend(self.group_ad(&mut ads, &asking, cluster, members));
                looked_at += 1;
            }
            if asking.is_enough(looked_at) {
                let last = ProcId(cluster.record.spec.count());
                return (found, Some(JobId { cluster: id, proc: last }));
            }
        }
        (found, None)
    }

    /// The clusters that a question in groups names, from one on.
    fn chosen_clusters<'a>(
        &'a self,
        select: &Select,
        first: ClusterId,
    ) -> Box<dyn Iterator<Item = (ClusterId, &'a Cluster)> + 'a> {
        match select {
            Select::All | Select::Constraint(_) => {
                Box::new(self.clusters.range(first..).map(|(id, cluster)| (*id, cluster)))
            }
            Select::Any(words) => Box::new(self.named_clusters(&Named::of(words), first)),
        }
    }

    fn group_ad(
        &self,
        ads: &mut JobAds<'_>,
        asking: &Asking<'_>,
        cluster: &Cluster,
        members: Members,
    ) -> Option<ClassAd> {
        let first = JobId { cluster: cluster.record.cluster, proc: members.first };
        let mut ad = asking.of(&ads.ad(self.job(first)?))?;
        ad.set(attr::GROUP_LAST_PROC, i64::from(members.last.0));
        ad.set(attr::GROUP_COUNT, i64::try_from(members.count).unwrap_or(i64::MAX));
        Some(ad)
    }

    fn groups(&self, cluster: &Cluster, from: ProcId) -> BTreeMap<Likeness, Members> {
        let mut groups: BTreeMap<Likeness, Members> = BTreeMap::new();
        let mut add = |likeness, new: Members| {
            let members = groups.entry(likeness).or_insert(Members { count: 0, ..new });
            members.first = members.first.min(new.first);
            members.last = members.last.max(new.last);
            members.count += new.count;
        };
        let mut usual = cluster.untouched.clone();
        let special =
            cluster.sorting.special.keys().filter(|proc| cluster.untouched.contains(**proc));
        let touched = cluster.jobs.range(from..).map(|(proc, _)| proc);
        for proc in special.filter(|proc| **proc >= from).chain(touched) {
            usual.remove(*proc);
            let id = JobId { cluster: cluster.record.cluster, proc: *proc };
            if let Some(job) = self.job(id) {
                add(self.likeness(job), Members { first: *proc, last: *proc, count: 1 });
            }
        }
        for (start, end) in usual.pieces().filter(|(_, end)| *end > from.0) {
            let start = start.max(from.0);
            let id = JobId::new(cluster.record.cluster.0, start);
            if let Some(job) = self.job(id) {
                let last = ProcId(end - 1);
                let count = u64::from(end - start);
                add(self.likeness(job), Members { first: ProcId(start), last, count });
            }
        }
        groups
    }

    fn likeness(&self, job: JobRef<'_>) -> Likeness {
        let state = job.state();
        let hold = hold_of(&state);
        Likeness {
            status: state.status().number(),
            hold: hold.map(|hold| (hold.code.number(), hold.subcode, hold.reason.clone())),
            retry: hold.and_then(|_| self.retry_at(&job.record())),
            class: Arc::clone(&job.cluster.sorting.place(job.job.proc).key),
            // Each tells when it will be tried again.
            alone: self.backing_off.contains_key(&job.job).then_some(job.job.proc),
        }
    }
}

fn hold_of(state: &JobState) -> Option<&Hold> {
    match state {
        JobState::Held(hold) | JobState::Stopping { cause: StopCause::Hold(hold), .. } => {
            Some(hold)
        }
        JobState::Stopping { .. }
        | JobState::Idle { .. }
        | JobState::Running(_)
        | JobState::Suspended { .. }
        | JobState::Completed { .. }
        | JobState::Removed { .. } => None,
    }
}

/// Whether the cluster's jobs were submitted with different values of what is asked, or have got
/// them since.
fn differs(cluster: &Cluster, asked: &[AttrName]) -> bool {
    let mut edits = cluster.jobs.values().filter_map(|record| record.edits.as_deref());
    if edits.any(|edits| asked.iter().any(|name| edits.get_own(name.as_str()).is_some())) {
        return true;
    }
    cluster.record.spec.procs.any_own(|name| asked.contains(name))
}
