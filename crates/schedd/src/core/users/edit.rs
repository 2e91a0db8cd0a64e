//! What users change in jobs that are in the queue: attributes (`condor_qedit`) and priorities
//! (`condor_prio`). Decides what may be set; what an edit moves in the classes of jobs is `index`'s
//! matter.

use std::sync::Arc;

use classad::{AttrName, ClassAd, Expr};
use model::{ClusterId, JobId, JobPriority, Now, attr};
use proto::client::{Edited, Priority, Select, Selector};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::words::{Actor, ClusterFact, Fact, FactoryStep, JobFact};

/// What the schedd writes into a job's ad itself, beside what HTCondor 25.14 calls immutable: an
/// edit of it would not be seen.
pub(crate) const KEPT_HERE: &[&str] = &[
    attr::MY_TYPE,
    attr::TARGET_TYPE,
    attr::CLUSTER_ID,
    attr::PROC_ID,
    attr::OWNER,
    attr::USER,
    attr::Q_DATE,
    attr::GLOBAL_JOB_ID,
    attr::SERVER_TIME,
    attr::TOTAL_SUBMIT_PROCS,
    // Where a job runs is decided when it is submitted.
    attr::JOB_UNIVERSE,
    attr::IDLE_REASON,
    attr::IDLE_VERDICT,
    attr::LAST_REJ_MATCH_REASON,
    attr::JOB_STATUS,
    attr::LAST_JOB_STATUS,
    attr::ENTERED_CURRENT_STATUS,
    attr::COMPLETION_DATE,
    attr::HOLD_REASON,
    attr::HOLD_REASON_CODE,
    attr::HOLD_REASON_SUB_CODE,
    attr::LAST_HOLD_REASON,
    attr::LAST_HOLD_REASON_CODE,
    attr::LAST_HOLD_REASON_SUB_CODE,
    attr::RELEASE_REASON,
    attr::REMOVE_REASON,
    attr::VACATE_REASON,
    attr::VACATE_REASON_CODE,
    attr::VACATE_REASON_SUB_CODE,
    attr::LAST_VACATE_TIME,
    attr::NUM_VACATES,
    attr::NUM_VACATES_BY_REASON,
    attr::NUM_HOLDS_BY_REASON,
    attr::NUM_SHADOW_EXCEPTIONS,
    attr::NUM_JOB_RECONNECTS,
    attr::JOB_DISCONNECTED_DATE,
    attr::NUM_HOLDS,
    attr::NUM_SYSTEM_HOLDS,
    attr::NUM_SHADOW_STARTS,
    attr::JOB_RUN_COUNT,
    attr::NUM_JOB_MATCHES,
    attr::NUM_JOB_STARTS,
    attr::NUM_JOB_COMPLETIONS,
    attr::NUM_RESTARTS,
    attr::NUM_CKPTS,
    attr::JOB_START_DATE,
    attr::JOB_CURRENT_START_DATE,
    attr::JOB_CURRENT_START_EXECUTING_DATE,
    attr::SHADOW_BDAY,
    attr::LAST_MATCH_TIME,
    attr::FIRST_JOB_MATCH_DATE,
    attr::ORIG_MAX_HOSTS,
    attr::AUTO_CLUSTER_ID,
    attr::AUTO_CLUSTER_ATTRS,
    attr::STARTD_IP_ADDR,
    attr::REMOTE_SLOT_ID,
    attr::LAST_REMOTE_WALL_CLOCK_TIME,
    attr::CPUS_USAGE,
    attr::JOB_CURRENT_START_TRANSFER_INPUT_DATE,
    attr::JOB_CURRENT_FINISH_TRANSFER_INPUT_DATE,
    attr::JOB_CURRENT_START_TRANSFER_OUTPUT_DATE,
    attr::JOB_CURRENT_FINISH_TRANSFER_OUTPUT_DATE,
    attr::TRANSFERRING_INPUT,
    attr::TRANSFER_IN_STARTED,
    attr::TRANSFER_IN_FINISHED,
    attr::TRANSFER_OUT_STARTED,
    attr::TRANSFER_OUT_FINISHED,
    attr::BYTES_SENT,
    attr::BYTES_RECVD,
    attr::CURRENT_HOSTS,
    attr::REMOTE_HOST,
    attr::LAST_REMOTE_HOST,
    attr::REMOTE_WALL_CLOCK_TIME,
    attr::REMOTE_USER_CPU,
    attr::REMOTE_SYS_CPU,
    attr::CUMULATIVE_REMOTE_USER_CPU,
    attr::CUMULATIVE_REMOTE_SYS_CPU,
    attr::RESIDENT_SET_SIZE,
    attr::IMAGE_SIZE,
    attr::MEMORY_USAGE,
    attr::DISK_USAGE,
    attr::EXIT_BY_SIGNAL,
    attr::EXIT_CODE,
    attr::EXIT_SIGNAL,
    attr::EXIT_REASON,
    attr::EXIT_STATUS,
    attr::TOTAL_SUSPENSIONS,
    attr::LAST_SUSPENSION_TIME,
    attr::CUMULATIVE_SUSPENSION_TIME,
    attr::COMMITTED_SUSPENSION_TIME,
    attr::COMMITTED_TIME,
    attr::COMMITTED_SLOT_TIME,
    attr::CUMULATIVE_SLOT_TIME,
    attr::CPUS_PROVISIONED,
    attr::MEMORY_PROVISIONED,
    attr::DISK_PROVISIONED,
    attr::MACHINE_ATTR_CPUS0,
    attr::MACHINE_ATTR_SLOT_WEIGHT0,
    attr::HOLD_RETRY_DATE,
];

impl Core {
    /// Sets attributes of all selected jobs, or of none.
    pub(crate) fn edit(
        &self,
        now: Now,
        by: &Actor,
        select: &Select,
        changes: &[(AttrName, Expr)],
    ) -> (Vec<Fact>, Edited) {
        let kept =
            |name: &AttrName| KEPT_HERE.iter().any(|k| name.as_str().eq_ignore_ascii_case(k));
        if let Some((name, _)) = changes.iter().find(|(name, _)| kept(name)) {
            return (Vec::new(), Edited::Immutable(name.clone()));
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
                let edited =
                    |job| Fact::Job { job, fact: JobFact::Edited { changes: Arc::clone(&ad) } };
                let mut facts: Vec<Fact> = jobs.into_iter().map(edited).collect();
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
        select: &'a Select,
    ) -> impl Iterator<Item = ClusterId> + 'a {
        let named = move |id: ClusterId, cluster: &Cluster| match select {
            _ if !by.superuser && *cluster.owner() != by.user => false,
            Select::All => true,
            Select::Constraint(_) => false,
            Select::Any(selectors) => selectors.iter().any(|selector| match selector {
                Selector::Job(_) => false,
                Selector::Cluster(named) => *named == id,
                Selector::Owner(user) => cluster.owner() == user,
            }),
        };
        let factories = self.clusters.iter().filter(|(_, cluster)| cluster.is_factory());
        factories.filter(move |(id, cluster)| named(**id, cluster)).map(|(id, _)| *id)
    }

    /// The selected jobs, each once. A constraint means those of one's own; a job that is named
    /// must be one's own.
    fn editable(&self, now: Now, by: &Actor, select: &Select) -> Result<Vec<JobId>, Edited> {
        let mine = |job: &JobRef<'_>| by.superuser || *job.cluster.owner() == by.user;
        let all = || self.clusters.values().flat_map(Cluster::procs);
        match select {
            Select::All => Ok(all().filter(mine).map(|job| job.job).collect()),
            Select::Constraint(expr) => {
                let env = env(now);
                let holds = |job: &JobRef<'_>| {
                    ads::job_ad(*job, now, self).eval_expr(expr, None, &env).is_true()
                };
                Ok(all().filter(|job| mine(job) && holds(job)).map(|job| job.job).collect())
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
                            all().filter(|job| job.cluster.owner() == user).collect()
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
