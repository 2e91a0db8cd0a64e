//! Doing finished jobs again: as they were described, in a new cluster. Which ones, is the caller's
//! matter.

use std::collections::{BTreeMap, BTreeSet};

use classad::{AttrName, ClassAd, Expr};
use model::{ClusterId, ClusterSpec, JobId, Procs, attr, depend, queues, spooling};
use proto::client::{Query, Select, Selector};
use proto::command::AskError;

use crate::home::Home;
use crate::submit::{SubmitError, new_token};

/// Why jobs are not done again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Token(#[from] crate::submit::TokenError),
    /// What it read is with the schedd no more.
    #[error(
        "do job {0} again: its input was copied to the schedd with it, and is gone; submit it anew"
    )]
    Spooled(JobId),
    /// Some are submitted, and then a cluster was not.
    #[error("submit all of them again: {} are", .done.len())]
    Partly {
        /// Which became which.
        done: Vec<(JobId, JobId)>,
        #[source]
        source: Box<Self>,
    },
    /// It is in history no more.
    #[error("do job {0} again: how it was described is not kept any more")]
    Forgotten(JobId),
}

impl Home {
    /// Submits these finished jobs again, those of one cluster as one, and says which became which.
    ///
    /// # Errors
    ///
    /// If one of them cannot be done again: it is looked at all before anything is submitted, and
    /// if the schedd refuses one cluster then, [`RetryError::Partly`] says what was done before.
    pub fn retry(&self, jobs: &[JobId]) -> Result<Vec<(JobId, JobId)>, RetryError> {
        let mut clusters: BTreeMap<ClusterId, Vec<JobId>> = BTreeMap::new();
        for job in jobs {
            clusters.entry(job.cluster).or_default().push(*job);
        }
        let mut specs = Vec::new();
        for jobs in clusters.into_values() {
            let spec = spec(&self.descriptions(&jobs)?);
            if spooling::is_spooled(&spec) {
                return Err(RetryError::Spooled(jobs[0]));
            }
            specs.push((jobs, spec));
        }
        submit_all(specs, |spec| Ok(self.submit_cluster(new_token()?, |_| spec.clone())?))
    }

    /// Of these finished jobs those that run again already, and as which: one in the queue says
    /// that it does (`RetryOf`).
    ///
    /// # Errors
    ///
    /// If the schedd cannot be asked.
    pub fn retried_already(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, JobId>, AskError> {
        if jobs.is_empty() {
            return Ok(BTreeMap::new());
        }
        let projection =
            [attr::CLUSTER_ID, attr::PROC_ID, attr::RETRY_OF].map(AttrName::from).to_vec();
        // Of which jobs, is compared here: a list of them would be gone through for each job in the
        // queue.
        let constraint = Some(Expr::call("isString", [Expr::attr(attr::RETRY_OF)]));
        let query = Query { constraint, projection, ..Query::of(Select::All) };
        let asked: BTreeSet<JobId> = jobs.iter().copied().collect();
        let found = self.schedd()?.jobs(query)?;
        let one = |ad: &ClassAd| {
            let of = ad.literal(attr::RETRY_OF)?.as_str()?.parse().ok()?;
            asked.contains(&of).then_some((of, crate::wait::id(ad)?))
        };
        Ok(found.iter().filter_map(one).collect())
    }

    fn descriptions(&self, jobs: &[JobId]) -> Result<Vec<ClassAd>, RetryError> {
        let select = Select::Any(jobs.iter().copied().map(Selector::Job).collect());
        let query = Query { finished: true, as_described: true, ..Query::of(select) };
        let mut found: BTreeMap<JobId, ClassAd> = BTreeMap::new();
        for ad in self.schedd()?.jobs(query)? {
            if let Some(job) = crate::wait::id(&ad) {
                found.insert(job, ad);
            }
        }
        let mut ads = Vec::new();
        for job in jobs {
            let ad = found.remove(job).ok_or(RetryError::Forgotten(*job))?;
            ads.push(anew(&ad, *job));
        }
        Ok(ads)
    }
}

/// What was said of a job by commands since it was submitted, and its number: it is of that job.
const OF_THE_OLD: [&str; 6] = [
    attr::CLUSTER_ID,
    attr::PROC_ID,
    queues::HISTORY_DELETED,
    queues::RUN_NOW,
    queues::RANK,
    depend::HELD_BY_MANAGERS,
];

/// How a job is described that does another one again. What a workflow has told of itself is of the
/// run that is over: the new one would take it for its own, and end at once.
fn anew(described: &ClassAd, of: JobId) -> ClassAd {
    let is_own = |name: &AttrName| {
        let is_told = name.as_str().get(..4).is_some_and(|head| head.eq_ignore_ascii_case("DAG_"));
        is_told || OF_THE_OLD.iter().any(|own| name == own)
    };
    let kept = described.iter().filter(|(name, _)| !is_own(name));
    let mut ad: ClassAd = kept.map(|(name, expr)| (name.clone(), expr.clone())).collect();
    ad.set(attr::RETRY_OF, of.to_string());
    ad
}

/// Submits one after the other, and says which jobs became which, also where one fails.
fn submit_all(
    specs: Vec<(Vec<JobId>, ClusterSpec)>,
    mut submit: impl FnMut(&ClusterSpec) -> Result<ClusterId, RetryError>,
) -> Result<Vec<(JobId, JobId)>, RetryError> {
    let mut done = Vec::new();
    for (jobs, spec) in specs {
        match submit(&spec) {
            Ok(cluster) => {
                let new = (0..).map(|proc| JobId::new(cluster.0, proc));
                done.extend(jobs.into_iter().zip(new));
            }
            Err(source) if done.is_empty() => return Err(source),
            Err(source) => return Err(RetryError::Partly { done, source: Box::new(source) }),
        }
    }
    Ok(done)
}

/// A cluster of jobs with these ads: what all have in common is shared.
fn spec(ads: &[ClassAd]) -> ClusterSpec {
    let Some((first, others)) = ads.split_first() else {
        return ClusterSpec { ad: ClassAd::new(), procs: Procs::Listed(Vec::new()) };
    };
    let common = |name: &AttrName, expr: &Expr| {
        others.iter().all(|other| other.get(name.as_str()).is_some_and(|their| their == expr))
    };
    let shared: ClassAd = first
        .iter()
        .filter(|(name, expr)| common(name, expr))
        .map(|(name, expr)| (name.clone(), expr.clone()))
        .collect();
    let own = |ad: &ClassAd| {
        ad.iter()
            .filter(|(name, _)| shared.get(name.as_str()).is_none())
            .map(|(name, expr)| (name.clone(), expr.clone()))
            .collect()
    };
    let procs = Procs::Listed(ads.iter().map(own).collect());
    ClusterSpec { ad: shared, procs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_submitted_before_one_failed_is_known() {
        let of = |cluster| (vec![JobId::new(cluster, 0), JobId::new(cluster, 3)], spec(&[]));
        let mut given =
            [Ok(ClusterId(20)), Err(RetryError::Forgotten(JobId::new(8, 0)))].into_iter();
        let tried = submit_all(vec![of(7), of(8)], |_| given.next().unwrap());
        let Err(RetryError::Partly { done, source }) = tried else { panic!("{tried:?}") };
        let became = [(JobId::new(7, 0), JobId::new(20, 0)), (JobId::new(7, 3), JobId::new(20, 1))];
        assert_eq!(done, became);
        assert!(matches!(*source, RetryError::Forgotten(_)));
        let first = submit_all(vec![of(7)], |_| Err(RetryError::Forgotten(JobId::new(7, 0))));
        assert!(matches!(first, Err(RetryError::Forgotten(_))), "nothing was done");
    }

    #[test]
    fn a_workflow_that_is_done_again_has_told_nothing_yet() {
        let described = ClassAd::parse_old_ads(
            "ClusterId = 91\nprocid = 0\nCmd = \"/bin/x\"\nDAG_ExitStatus = 1\n\
             PbsHistoryDeleted = true\npbsrunnow = \"x\"\nQueueRank = 3\n\
             PbsHeldByManagers = \"o\"\ndag_nodesfailed = 1\nDAGNodeName = \"A\"\n\n",
        );
        let ad = anew(&described.unwrap()[0], JobId::new(91, 0));
        let names: BTreeSet<&str> = ad.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, BTreeSet::from(["Cmd", "DAGNodeName", "RetryOf"]));
    }

    #[test]
    fn what_jobs_have_in_common_is_shared_and_what_differs_is_each_ones_own() {
        let ads = ClassAd::parse_old_ads(
            "Cmd = \"/bin/x\"\nArgs = \"1\"\nRetryOf = \"7.1\"\n\nCmd = \"/bin/x\"\nArgs = \"3\"\nRetryOf = \"7.3\"\n\n",
        )
        .unwrap();
        let spec = spec(&ads);
        assert_eq!(spec.ad.iter().count(), 1, "{:?}", spec.ad);
        for (proc, args) in ["1", "3"].into_iter().enumerate() {
            let proc = model::ProcId(u32::try_from(proc).unwrap());
            assert_eq!(spec.get(proc, "Args").unwrap().to_string(), format!("\"{args}\""));
            assert_eq!(spec.get(proc, "Cmd").unwrap().to_string(), "\"/bin/x\"");
        }
    }
}
