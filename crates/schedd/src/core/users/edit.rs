//! What users change in jobs that are in the queue: attributes (`condor_qedit`) and priorities
//! (`condor_prio`). Decides what may be set; what an edit moves in the classes of jobs is `index`'s
//! matter.

use std::collections::BTreeSet;
use std::sync::Arc;

use classad::{AttrName, ClassAd, Expr};
use model::{ClusterId, JobId, JobPriority, Now, Script, attr, queues};
use proto::client::named::Named;
use proto::client::{Edited, Priority, Select, Selector};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::job::own::Own;
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::words::{Actor, ClusterFact, Fact, FactoryStep, JobFact};

/// What is decided when a job is submitted, beside what HTCondor 25.14 calls immutable.
const DECIDED_AT_SUBMISSION: [&str; 1] = [attr::JOB_UNIVERSE];

/// How long the value of an attribute may be that is set later, bytes of its text: each of the jobs
/// has it in its row and in the record.
pub(super) const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Which queue takes a job, and where it stands there, is for the queues to say.
const OF_QUEUES: [&str; 3] = [queues::QUEUE, queues::RUN_NOW, queues::RANK];

/// Whether an edit of it would not be seen: the schedd writes it over.
pub(crate) fn is_kept_here(name: &str) -> bool {
    let scripts = Script::ALL.into_iter().flat_map(Script::end_attributes);
    let written = Own::ALL.iter().map(|own| own.name()).chain(scripts);
    let written = written.chain(OF_QUEUES);
    written.chain(DECIDED_AT_SUBMISSION).any(|kept| kept.eq_ignore_ascii_case(name))
}

impl Core {
    /// Sets attributes of all selected jobs, or of none.
    pub(crate) fn edit(
        &self,
        now: Now,
        by: &Actor,
        select: &Select,
        changes: &[(AttrName, Expr)],
    ) -> (Vec<Fact>, Edited) {
        if let Some((name, _)) = changes.iter().find(|(name, _)| is_kept_here(name.as_str())) {
            return (Vec::new(), Edited::Immutable(name.clone()));
        }
        let long = |(_, value): &&(AttrName, Expr)| value.to_string().len() > VALUE_BYTES_MAX;
        if let Some((name, _)) = changes.iter().find(long) {
            return (Vec::new(), Edited::TooLong { name: name.clone(), limit: VALUE_BYTES_MAX });
        }
        let orders_nothing = |(name, value): &&(AttrName, Expr)| {
            JobPriority::has(name.as_str()) && JobPriority::value(value).is_none()
        };
        if let Some((name, _)) = changes.iter().find(orders_nothing) {
            return (Vec::new(), Edited::NoPriority(name.clone()));
        }
        let mut ad = ClassAd::new();
        for (name, expr) in changes {
            ad.set(name.clone(), expr.clone());
        }
        let ad = Arc::new(ad);
        match self.editable(now, by, select) {
            Err(refused) => (Vec::new(), refused),
            Ok(jobs) => {
                let count = jobs.len() as u64;
                let edited = |job| {
                    // What is said of a job from now on comes too late for a run that it has.
                    let called = self.called_up(now, job);
                    let fact = JobFact::Edited { changes: Arc::clone(&ad) };
                    called.into_iter().chain([Fact::Job { job, fact }])
                };
                let mut facts: Vec<Fact> = jobs.into_iter().flat_map(edited).collect();
                facts.extend(self.factories_of(by, select).map(|cluster| {
                    let step = FactoryStep::Edited(Arc::clone(&ad));
                    Fact::Cluster(ClusterFact::Factory { cluster, step })
                }));
                let edited = if facts.is_empty() { Edited::NoJobs } else { Edited::Done(count) };
                (facts, edited)
            }
        }
    }

    /// The factories that are named whole: what is set counts for their jobs that are still to come
    /// too (HTCondor 25.14). A constraint asks jobs, and those that are to come cannot be asked.
    fn factories_of<'a>(
        &'a self,
        by: &'a Actor,
        select: &Select,
    ) -> impl Iterator<Item = ClusterId> + 'a {
        let meant: Box<dyn Iterator<Item = (ClusterId, &Cluster)>> = match select {
            Select::All => self.clusters_for(by, ClusterId(0)),
            Select::Constraint(_) => Box::new(std::iter::empty()),
            Select::Any(words) => {
                let whole = Named { jobs: BTreeSet::new(), ..Named::of(words) };
                Box::new(self.named_clusters(&whole, ClusterId(0)))
            }
        };
        let mine = |cluster: &Cluster| by.superuser || *cluster.owner() == by.user;
        let factories = meant.filter(move |(_, cluster)| cluster.is_factory() && mine(cluster));
        factories.map(|(id, _)| id)
    }

    /// The selected jobs, each once. A constraint means those of one's own; a job that is named
    /// must be one's own.
    fn editable(&self, now: Now, by: &Actor, select: &Select) -> Result<Vec<JobId>, Edited> {
        let mine = |job: &JobRef<'_>| by.superuser || *job.cluster.owner() == by.user;
        let all = || self.clusters_for(by, ClusterId(0)).flat_map(|(_, cluster)| cluster.procs());
        match select {
            Select::All => Ok(all().map(|job| job.job).collect()),
            Select::Constraint(expr) => {
                let env = env(now);
                let holds = |job: &JobRef<'_>| {
                    ads::job_ad(*job, now, self).eval_expr(expr, None, &env).is_true()
                };
                Ok(all().filter(holds).map(|job| job.job).collect())
            }
            Select::Any(selectors) => {
                let mut jobs = Vec::new();
                for selector in selectors {
                    let named = match selector {
                        Selector::Job(id) => {
                            vec![self.job(*id).ok_or(Edited::NotThisJob(*id))?]
                        }
                        Selector::Cluster(id) => {
                            self.clusters.get(id).into_iter().flat_map(Cluster::procs).collect()
                        }
                        Selector::Owner(user) => {
                            let theirs = self.clusters_of(user, ClusterId(0));
                            theirs.flat_map(|(_, cluster)| cluster.procs()).collect()
                        }
                    };
                    if let Some(other) = named.iter().find(|job| !mine(job)) {
                        return Err(Edited::NotThisJob(other.job));
                    }
                    jobs.extend(named.into_iter().map(|job| job.job));
                }
                jobs.sort_unstable();
                jobs.dedup();
                Ok(jobs)
            }
        }
    }
}

/// Gives a job another `JobPrio`: it stands elsewhere among its owner's jobs at once.
pub(crate) fn prioritise(job: JobRef<'_>, priority: Priority) -> Vec<Fact> {
    let now = job.cluster.sorting.place(job.job.proc).priority.job;
    let new = match priority {
        Priority::Set(new) => new,
        Priority::Change(by) => now.saturating_add(by),
    };
    let mut changes = ClassAd::new();
    changes.set(attr::JOB_PRIO, new);
    vec![Fact::Job { job: job.job, fact: JobFact::Edited { changes: Arc::new(changes) } }]
}
