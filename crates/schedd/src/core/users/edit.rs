//! What users change in jobs that are in the queue: attributes (`condor_qedit`) and priorities
//! (`condor_prio`). Decides what may be set; what an edit moves in the classes of jobs is `index`'s
//! matter.

use std::collections::BTreeSet;
use std::sync::Arc;

use classad::{AttrName, ClassAd, Expr};
use model::depend::HELD_BY_MANAGERS;
use model::{CheckpointEnd, ClusterId, JobId, JobPriority, Now, OnEvict, Script};
use model::{attr, keeps_files, on_evict, queues};
use proto::client::named::Named;
use proto::client::{Edited, Priority, Refusal, Select, Selector};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::job::own::Own;
use crate::core::records::acts::{Deed, SLICE_BYTES};
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::words::{ActFact, Actor, ClusterFact, Fact, FactoryStep, JobFact};

/// What is decided when a job is submitted, beside what HTCondor 25.14 calls immutable.
const DECIDED_AT_SUBMISSION: [&str; 1] = [attr::JOB_UNIVERSE];

/// How long the value of an attribute may be that is set later, bytes of its text: each of the jobs
/// has it in its row and in the record.
pub(super) const VALUE_BYTES_MAX: usize = 64 * 1024;

/// The same for all that is set at once.
const EDIT_BYTES_MAX: usize = 256 * 1024;

/// And for all that a job has been given since it was submitted.
pub(super) const EDITS_BYTES_MAX: usize = 1024 * 1024;

/// Which queue takes a job, and where it stands there, is for the queues to say.
pub(super) const OF_QUEUES: [&str; 3] = [queues::QUEUE, queues::RUN_NOW, queues::RANK];

/// By its walltime others are given places beside a run, and limits count by the others: `qalter`
/// changes them, within bounds.
const BY_QALTER: [&str; 3] = [attr::PBS_WALLTIME, queues::GROUP, queues::PROJECT];

/// Whether an edit of it would not be seen: the schedd writes it over.
pub(crate) fn is_kept_here(name: &str) -> bool {
    let scripts = Script::ALL.into_iter().flat_map(Script::end_attributes);
    let written = Own::ALL.iter().map(|own| own.name()).chain(scripts);
    let written = written.chain(OF_QUEUES).chain([HELD_BY_MANAGERS]);
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
        let done = self.checked(changes).and_then(|changes| {
            let jobs = self.editable(now, by, select)?;
            let mut facts = Vec::new();
            for job in jobs.iter().filter_map(|job| self.job(*job)) {
                let too_much = Edited::TooMuch { job: Some(job.job), limit: EDITS_BYTES_MAX };
                facts.extend(self.edit_of(now, job, &changes).ok_or(too_much)?);
            }
            facts.extend(self.factories_edited(by, select, &changes));
            let is_none = facts.is_empty();
            Ok((facts, if is_none { Edited::NoJobs } else { Edited::Done(jobs.len() as u64) }))
        });
        done.unwrap_or_else(|refused| (Vec::new(), refused))
    }

    /// The same of so many jobs that it is done a slice at a time: it is looked at first whether it
    /// may be done. Nothing if it is about fewer, or is refused: then `edit` says so.
    ///
    /// # Errors
    /// If too many such acts are under way.
    pub(crate) fn long_edit(
        &self,
        by: &Actor,
        select: &Select,
        changes: &[(AttrName, Expr)],
        dry_run: bool,
    ) -> Result<Option<Vec<Fact>>, Refusal> {
        let Ok(changes) = self.checked(changes) else { return Ok(None) };
        let most = jobs_a_slice(self.config.slice, &changes);
        if !self.is_about_many(by, select, most) || self.names_others(by, select) {
            return Ok(None);
        }
        let mut act =
            self.begun(by, Deed::Edit { changes: Arc::clone(&changes), dry_run }, select)?;
        let mut facts: Vec<Fact> = self.factories_edited(by, select, &changes).collect();
        act.reached.has_factories = !facts.is_empty();
        facts.retain(|_| !dry_run);
        facts.push(Fact::Act(ActFact::Began(Box::new(act))));
        Ok(Some(facts))
    }

    /// What follows from setting attributes of one job; `None` if it has been given too much.
    pub(super) fn edit_of(
        &self,
        now: Now,
        job: JobRef<'_>,
        changes: &Arc<ClassAd>,
    ) -> Option<Vec<Fact>> {
        if let Some(before) = job.edits() {
            let stays = before.iter().filter(|(name, _)| changes.lookup(name).is_none());
            if stays.map(|(name, value)| bytes(name, value)).sum::<usize>() + bytes_of(changes)
                > EDITS_BYTES_MAX
            {
                return None;
            }
        }
        // What is said of a job from now on comes too late for a run that it has.
        let called = self.called_up(now, job.job);
        let fact = JobFact::Edited { changes: Arc::clone(changes) };
        Some(called.into_iter().chain([Fact::Job { job: job.job, fact }]).collect())
    }

    /// What follows for the jobs that are still to come.
    fn factories_edited<'a>(
        &'a self,
        by: &'a Actor,
        select: &Select,
        changes: &'a Arc<ClassAd>,
    ) -> impl Iterator<Item = Fact> + 'a {
        self.factories_of(by, select).map(move |cluster| {
            let step = FactoryStep::Edited(Arc::clone(changes));
            Fact::Cluster(ClusterFact::Factory { cluster, step })
        })
    }

    /// Whether a word names a job that is not there, or what is somebody else's.
    fn names_others(&self, by: &Actor, select: &Select) -> bool {
        let Select::Any(words) = select else { return false };
        let is_others = |cluster: &Cluster| !by.may_touch(cluster.owner());
        words.iter().any(|word| match word {
            Selector::Job(id) => self.job(*id).is_none_or(|job| is_others(job.cluster)),
            Selector::Cluster(id) => self.clusters.get(id).is_some_and(is_others),
            Selector::Owner(user) => self
                .clusters_of(user, ClusterId(0))
                .next()
                .is_some_and(|(_, first)| is_others(first)),
        })
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
        let mine = move |cluster: &Cluster| cluster.is_factory() && by.may_touch(cluster.owner());
        meant.filter(move |(_, cluster)| mine(cluster)).map(|(id, _)| id)
    }

    /// The selected jobs, each once. A constraint means those of one's own; a job that is named
    /// must be one's own.
    fn editable(&self, now: Now, by: &Actor, select: &Select) -> Result<Vec<JobId>, Edited> {
        let mine = |job: &JobRef<'_>| by.may_touch(job.cluster.owner());
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

impl Core {
    /// The changes as one ad, the last of a name.
    ///
    /// # Errors
    /// What cannot be set at all, or not in such a pool.
    fn checked(&self, changes: &[(AttrName, Expr)]) -> Result<Arc<ClassAd>, Edited> {
        let ad = checked(changes)?;
        match self.config.keeps_nothing && keeps_files(&ad) {
            true => Err(Edited::KeepsFiles(match on_evict(&ad) {
                OnEvict::Keep => attr::WHEN_TO_TRANSFER_OUTPUT.into(),
                OnEvict::Nothing | OnEvict::BringBack => CheckpointEnd::EXIT_CODE.into(),
            })),
            false => Ok(ad),
        }
    }
}

/// The changes as one ad, the last of a name.
///
/// # Errors
/// What cannot be set at all.
fn checked(changes: &[(AttrName, Expr)]) -> Result<Arc<ClassAd>, Edited> {
    let mut ad = ClassAd::new();
    for (name, value) in changes {
        if is_kept_here(name.as_str()) || BY_QALTER.iter().any(|kept| name == kept) {
            return Err(Edited::Immutable(name.clone()));
        }
        if value.to_string().len() > VALUE_BYTES_MAX {
            return Err(Edited::TooLong { name: name.clone(), limit: VALUE_BYTES_MAX });
        }
        if JobPriority::has(name.as_str()) && JobPriority::value(value).is_none() {
            return Err(Edited::NoPriority(name.clone()));
        }
        ad.set(name.clone(), value.clone());
    }
    match bytes_of(&ad) > EDIT_BYTES_MAX {
        true => Err(Edited::TooMuch { job: None, limit: EDIT_BYTES_MAX }),
        false => Ok(Arc::new(ad)),
    }
}

/// How many jobs are edited in one batch, of at most so many.
pub(super) fn jobs_a_slice(most: usize, changes: &ClassAd) -> usize {
    (SLICE_BYTES / bytes_of(changes).max(1)).clamp(1, most)
}

fn bytes_of(ad: &ClassAd) -> usize {
    ad.iter().map(|(name, value)| bytes(name, value)).sum()
}

fn bytes(name: &AttrName, value: &Expr) -> usize {
    name.as_str().len() + value.to_string().len()
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
