//! What the words of a selection name, sorted: whether a job is named takes one look, however many
//! words there are.
//!
//! Does not know which jobs there are.

use std::collections::BTreeSet;

use model::{ClusterId, JobId, UserName};

use super::Selector;

/// Words that name jobs, by their kinds.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// Clusters that are named whole.
    pub clusters: BTreeSet<ClusterId>,
    /// Single jobs, also of those clusters.
    pub jobs: BTreeSet<JobId>,
    /// Whose jobs are all named.
    pub owners: BTreeSet<UserName>,
}

impl Named {
    pub fn of(words: &[Selector]) -> Self {
        let mut named = Self::default();
        for word in words {
            match word {
                Selector::Cluster(id) => drop(named.clusters.insert(*id)),
                Selector::Job(id) => drop(named.jobs.insert(*id)),
                Selector::Owner(owner) => drop(named.owners.insert(owner.clone())),
            }
        }
        named
    }

    /// Whether every job of the cluster is named.
    pub fn has_whole(&self, cluster: ClusterId, owner: &UserName) -> bool {
        self.clusters.contains(&cluster) || self.owners.contains(owner)
    }

    /// Whether the job is named.
    pub fn has(&self, job: JobId, owner: &UserName) -> bool {
        self.jobs.contains(&job) || self.has_whole(job.cluster, owner)
    }

    /// The single jobs that are named, from this one on, of its cluster.
    pub fn jobs_from(&self, first: JobId) -> impl Iterator<Item = JobId> {
        let last = JobId::new(first.cluster.0, u32::MAX);
        self.jobs.range(first..=last).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_by_its_number_its_cluster_or_its_owner() {
        let words = [
            Selector::Cluster(ClusterId(3)),
            Selector::Job(JobId::new(5, 2)),
            Selector::Job(JobId::new(5, 7)),
            Selector::Owner(UserName::new("bob")),
        ];
        let named = Named::of(&words);
        let (alice, bob) = (UserName::new("alice"), UserName::new("bob"));
        for (job, owner, is_named, is_whole) in [
            (JobId::new(3, 9), &alice, true, true),
            (JobId::new(5, 2), &alice, true, false),
            (JobId::new(5, 3), &alice, false, false),
            (JobId::new(6, 0), &alice, false, false),
            (JobId::new(6, 0), &bob, true, true),
        ] {
            assert_eq!(named.has(job, owner), is_named, "{job}");
            assert_eq!(named.has_whole(job.cluster, owner), is_whole, "{job}");
        }
        let from = |proc| named.jobs_from(JobId::new(5, proc)).collect::<Vec<_>>();
        assert_eq!(from(0), [JobId::new(5, 2), JobId::new(5, 7)]);
        assert_eq!(from(3), [JobId::new(5, 7)]);
    }
}
