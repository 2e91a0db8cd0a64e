//! Jobs that a question cannot tell apart are told once, with how many they are: what keeps `q` of
//! a million jobs short. A group is the ad of its first job with [`attr::GROUP_LAST_PROC`] and
//! [`attr::GROUP_COUNT`].

use std::collections::BTreeMap;
use std::sync::Arc;

use classad::{AttrName, ClassAd};
use model::{ClusterId, Hold, JobId, JobState, Now, ProcId, StopCause, Timestamp, attr};
use proto::client::named::Named;
use proto::client::{Query, Select, Selector};

use crate::core::ads::JobAds;
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::users::query::{PAGE_JOBS, project};

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
/// know of each job.
pub(crate) fn is_groupable(query: &Query) -> bool {
    let whole = match &query.select {
        Select::All => true,
        Select::Any(words) => !words.iter().any(|word| matches!(word, Selector::Job(_))),
        Select::Constraint(_) => false,
    };
    let all = query.constraint.is_none() && query.limit.is_none();
    query.grouped && whole && all && !query.projection.is_empty()
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
        let mut found = Vec::new();
        let mut ads = JobAds::new(self, now);
        for (id, cluster) in self.chosen_clusters(&query.select, first.cluster) {
            let from = if id == first.cluster { first.proc } else { ProcId(0) };
            if differs(cluster, &query.projection) {
                let names = |name: &AttrName| name.as_str() == attr::JOB_BATCH_NAME;
                let own_batches =
                    query.projection.iter().any(names) && cluster.record.spec.procs.any_own(names);
                for job in cluster.procs_from(from) {
                    let mut ad = project(&ads.ad(job), &query.projection);
                    if own_batches {
                        ad.set(attr::OWN_BATCH_NAME, true);
                    }
                    found.push(ad);
                    if found.len() >= PAGE_JOBS {
                        return (found, Some(job.job));
                    }
                }
                continue;
            }
            for members in self.groups(cluster, from).into_values() {
                found.extend(self.group_ad(&mut ads, query, cluster, members));
            }
            if found.len() >= PAGE_JOBS {
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
        query: &Query,
        cluster: &Cluster,
        members: Members,
    ) -> Option<ClassAd> {
        let first = JobId { cluster: cluster.record.cluster, proc: members.first };
        let mut ad = project(&ads.ad(self.job(first)?), &query.projection);
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
