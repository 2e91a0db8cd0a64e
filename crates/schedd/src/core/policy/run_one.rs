//! Jobs of which only one is to run (`RunsInsteadOfJobs`, PBS's `runone`): when one of them gets a
//! machine, the others are removed.
//!
//! Who belongs together is in the submissions' ads, and so nothing is stored besides.

use std::collections::BTreeSet;

use classad::Value;
use model::depend::{self, Part, RUN_ONE};
use model::{
    ClusterId, ClusterSpec, JobEvent, JobId, Now,
    planted::{Bug, planted},
};
use proto::client::Refusal;

use crate::core::policy::dependencies::has_left;
use crate::core::records::acts::Target;
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::words::{ActFact, Actor, Event, Fact, JobFact};

impl Core {
    /// Refuses a submission that is to run instead of what runs already, has left, or is somebody
    /// else's: of those nobody learns more than of what has left.
    pub(crate) fn check_run_one(&self, by: &Actor, spec: &ClusterSpec) -> Result<(), Refusal> {
        if spec.ad.get_own(RUN_ONE).is_none() {
            return Ok(());
        }
        let Some(others) = said(spec) else {
            return Err(Refusal::Invalid(format!("{RUN_ONE} names no jobs")));
        };
        // Of an array some jobs may have run and left, while others wait still.
        let waits = |id: &ClusterId| {
            let own = |cluster: &&Cluster| *cluster.owner() == by.user;
            let cluster = self.clusters.get(id).filter(own);
            let has_begun = |job: JobRef<'_>| job.has_run() || self.promises.has(job.job);
            self.progress(*id, Part::Whole).ended == 0
                && cluster.is_some_and(|cluster| !cluster.procs().any(has_begun))
        };
        match others.into_iter().find(|id| !waits(id)) {
            None => Ok(()),
            Some(gone) => Err(has_left(gone)),
        }
    }

    /// Notes of a cluster that came, or is loaded, with whom it belongs together. What an older
    /// release let somebody say of other users' jobs is passed over.
    pub(in crate::core) fn note_run_one(&mut self, id: ClusterId, spec: &ClusterSpec) {
        let owner = |id| self.clusters.get(&id).map(Cluster::owner);
        let is_own = |other: &ClusterId| owner(*other).is_none() || owner(*other) == owner(id);
        let others: Vec<ClusterId> =
            said(spec).into_iter().flatten().filter(|other| is_own(other)).collect();
        for other in others {
            self.run_one.entry(id).or_default().insert(other);
            self.run_one.entry(other).or_default().insert(id);
        }
    }

    /// Nothing of a cluster is left.
    pub(in crate::core) fn forget_run_one(&mut self, id: ClusterId) {
        for other in self.run_one.remove(&id).into_iter().flatten() {
            if let Some(others) = self.run_one.get_mut(&other) {
                others.remove(&id);
                if others.is_empty() {
                    self.run_one.remove(&other);
                }
            }
        }
    }

    /// Whether a job may start beside those that start in the same step, to which it is added.
    pub(crate) fn may_run_beside(&self, job: JobId, starting: &mut BTreeSet<ClusterId>) -> bool {
        if self.gives_way(job.cluster) {
            return false;
        }
        let Some(others) = self.run_one.get(&job.cluster) else { return true };
        let may = others.is_disjoint(starting) || planted(Bug::RunOneIgnored);
        if may {
            starting.insert(job.cluster);
        }
        may
    }

    /// The job that gets a machine by an event, if others are removed for it.
    pub(crate) fn runs_alone(&self, event: &Event) -> Option<JobId> {
        let Fact::Job { job, fact: JobFact::Happened(JobEvent::RunAuthorised { .. }) } = event.fact
        else {
            return None;
        };
        let others_go = !planted(Bug::RunOneIgnored) && self.run_one.contains_key(&job.cluster);
        others_go.then_some(job)
    }

    /// What follows for the others when a job has got a machine. More than `room` of them go a
    /// slice at a time, and none of those starts meanwhile.
    pub(crate) fn removed_for(&self, now: Now, job: JobId, room: usize) -> Vec<Fact> {
        let others = self.run_one.get(&job.cluster).into_iter().flatten();
        let others = others.filter(|id| !self.gives_way(**id));
        let clusters: Vec<&Cluster> = others.filter_map(|id| self.clusters.get(id)).collect();
        let are_many = clusters.iter().map(|other| other.left as usize).sum::<usize>() > room;
        clusters
            .into_iter()
            .flat_map(|cluster| {
                let id = cluster.record.cluster;
                // Who is the next to run on its machine is not, if it goes at once.
                let goes = |other: &JobRef<'_>| !are_many || self.promises.has(other.job);
                let jobs = cluster.procs().filter(goes);
                let jobs =
                    jobs.flat_map(|other| self.removal(now, other, depend::runs_instead(job)));
                let follows = are_many.then(|| {
                    let target = Target::Instead { cluster: id, runs: job };
                    Fact::Act(ActFact::Follows { user: cluster.owner().clone(), target })
                });
                cluster.grows_no_more().into_iter().chain(jobs).chain(follows)
            })
            .collect()
    }

    /// Whether a cluster is being removed, a slice at a time, because another runs instead.
    fn gives_way(&self, id: ClusterId) -> bool {
        let is_it =
            |target: &Target| matches!(target, Target::Instead { cluster, .. } if *cluster == id);
        !planted(Bug::RunOneGoesOn) && self.run_one.contains_key(&id) && self.follows_already(is_it)
    }

    /// With whom a cluster belongs together; `None` if it runs whatever others do.
    pub(crate) fn run_one_with(&self, id: ClusterId) -> Option<String> {
        let others = self.run_one.get(&id)?;
        Some(others.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
    }
}

fn said(spec: &ClusterSpec) -> Option<Vec<ClusterId>> {
    spec.ad.literal(RUN_ONE).and_then(Value::as_str).and_then(depend::read_numbers)
}
