//! `qalter`: what users change of PBS's jobs that are in the queue, all at once or not at all. What
//! it means in attributes the command has found; here is looked at whether it may be, and whether
//! the job is held by it, or let go.

use std::sync::Arc;

use classad::{ClassAd, Value};
use model::depend::{LETS_GO, WAITS_FOR};
use model::queues::Denied;
use model::{JobState, Now, ProcTemplate, Procs, attr};
use proto::client::Alteration;

use crate::core::policy::holds::{self, Holds};
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::state::dependencies::said;
use crate::core::users::arrange::{is_for_all, resources_of};
use crate::core::users::edit::is_kept_here;
use crate::core::words::{Actor, ClusterFact, Fact, FactoryStep, JobFact};

impl Core {
    pub(crate) fn alter(
        &self,
        now: Now,
        by: &Actor,
        alteration: &Alteration,
    ) -> Result<Vec<Fact>, Denied> {
        let Alteration { cluster: id, changes, .. } = alteration;
        let cluster = self.own_cluster(by, *id)?;
        let names = changes.ad.iter().map(|(name, _)| name);
        if names.chain(changes.procs.own_names()).any(|name| is_kept_here(name.as_str())) {
            return Err(Denied::ReadOnly);
        }
        if changes.procs.any_own(is_for_all) {
            return Err(Denied::InvalidRequest);
        }
        // The next to run is on its way: what is said now comes too late for it.
        let runs = |job: JobRef<'_>| is_running(job) || self.promises.has(job.job);
        if cluster.procs().any(runs) != alteration.runs {
            return Err(Denied::BadState);
        }
        self.check_bounds(cluster, &changes.ad)?;
        let mut facts = self.lets_others_go(cluster, &changes.ad)?;
        let mut shared = changes.ad.clone();
        shared.remove(LETS_GO);
        let jobs = cluster.procs().filter(|job| !(alteration.spares_running && runs(*job)));
        for job in jobs {
            let mut own = shared.clone();
            own.update(&changes.delta(job.job.proc).unwrap_or_default());
            // Others were given places by when it is over.
            if runs(job) && !by.superuser && raises_walltime(job, &own) {
                return Err(Denied::BadState);
            }
            facts.extend(self.called_up(now, job.job));
            let before = if runs(job) { None } else { holds::of(now, job) };
            if let Some(is_held) = alteration.user_hold.filter(|_| runs(job)) {
                facts.push(holds::besides(job.job, is_held));
            }
            facts.extend(altered(now, job, own, before, alteration.user_hold));
        }
        facts.extend(altered_later(cluster, shared, &changes.procs)?);
        Ok(facts)
    }

    /// Whether what it asks for from now on is what its queue takes.
    fn check_bounds(&self, cluster: &Cluster, changes: &ClassAd) -> Result<(), Denied> {
        let resources = resources_of(changes);
        let queue = crate::core::state::index::queue_of(cluster).filter(|_| !resources.is_empty());
        queue.map_or(Ok(()), |queue| self.settings.check_bounds(&queue, &resources))
    }

    /// What follows for jobs that wait for this one from now on.
    fn lets_others_go(&self, cluster: &Cluster, changes: &ClassAd) -> Result<Vec<Fact>, Denied> {
        let text = changes.literal(LETS_GO).and_then(Value::as_str);
        let (id, count) = (cluster.record.cluster, cluster.record.spec.count());
        self.lets_go(id, cluster.owner(), text, count).map_err(|_| Denied::BadDependency)
    }
}

fn raises_walltime(job: JobRef<'_>, changes: &ClassAd) -> bool {
    let walltime = |ad: &ClassAd| ad.literal(attr::PBS_WALLTIME).and_then(Value::as_i64);
    let known = || walltime(&job.described()).unwrap_or(i64::MAX);
    changes.get(attr::PBS_WALLTIME).is_some_and(|_| walltime(changes).unwrap_or(i64::MAX) > known())
}

fn is_running(job: JobRef<'_>) -> bool {
    matches!(
        job.state(),
        JobState::Running(_) | JobState::Suspended { .. } | JobState::Stopping { .. }
    )
}

fn altered(
    now: Now,
    job: JobRef<'_>,
    own: ClassAd,
    before: Option<Holds>,
    user_hold: Option<bool>,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    let after = before.clone().map(|mut holds| {
        let by = "Job held by its user";
        match user_hold {
            Some(true) => holds.user = Some(holds.user.unwrap_or_else(|| by.to_owned())),
            Some(false) => holds.user = None,
            None => {}
        }
        if own.get_own(WAITS_FOR).is_some() {
            holds.waits = said(&own);
        }
        if own.get_own(attr::PBS_EXECUTION_TIME).is_some() {
            holds.until_s = holds::start_of(&own).filter(|start| *start > now.wall.as_secs());
        }
        holds
    });
    if own.iter().next().is_some() {
        let changes = Arc::new(own);
        facts.push(Fact::Job { job: job.job, fact: JobFact::Edited { changes } });
    }
    if let Some((before, after)) = before.zip(after) {
        facts.extend(after.follow(now, job, &before, "altered by qalter"));
    }
    facts
}

/// What its jobs get that are still to come.
fn altered_later(cluster: &Cluster, shared: ClassAd, own: &Procs) -> Result<Option<Fact>, Denied> {
    if !cluster.is_factory() {
        return Ok(None);
    }
    let has_own = match own {
        Procs::Counted { template, .. } => *template != ProcTemplate::default(),
        Procs::Listed(_) => true,
    };
    if has_own {
        return Err(Denied::InvalidRequest);
    }
    let step = FactoryStep::Edited(Arc::new(shared));
    Ok(Some(Fact::Cluster(ClusterFact::Factory { cluster: cluster.record.cluster, step })))
}
