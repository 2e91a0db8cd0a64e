//! What users change of PBS's queues, and of jobs' places in them: `qmgr`, `qmove`, `qorder`,
//! `qrun` and their kin. A submission to a queue is looked at here too, whatever the command that
//! placed it has found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use classad::{AttrName, ClassAd, Value, words};
use model::queues::{self, Applicant, Change, Denied, Edit, Entity, Object};
use model::{
    ClusterId, ClusterSpec, HoldCode, JobEvent, JobState, MachineName, Now, Procs, attr,
    is_exclusive,
    planted::{Bug, planted},
};
use proto::client::{Answer, Arrange, DrainOrder, FrontEnd, Refusal, Selector};
use proto::draining::Drain;

use crate::core::policy::holds;
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::state::index::{parties_of, queue_of};
use crate::core::state::parties::{Parties, Party};
use crate::core::users::edit::OF_QUEUES;
use crate::core::words::{Actor, ClusterFact, Fact, FactoryStep, JobFact, NegotiatorFact};

impl Core {
    pub(crate) fn arrange(&self, now: Now, by: &Actor, what: &Arrange) -> (Vec<Fact>, Answer) {
        let arranged = match what {
            Arrange::Settings(edits) => self.edit_settings(by, edits),
            Arrange::Move { cluster, queue } => self.move_to(by, *cluster, queue),
            Arrange::Exchange(one, other) => self.exchange(by, *one, *other),
            Arrange::RunNow(jobs) => self.run_now(now, by, jobs),
            Arrange::Hold { jobs, kinds, is_set } => self.hold_by(now, by, jobs, (kinds, *is_set)),
            Arrange::Forget { jobs } => self.forget_when_over(by, jobs),
            Arrange::Alter(alteration) => self.alter(now, by, alteration),
            Arrange::Book(ask) => self.book(now, by, ask),
            Arrange::Rebook { queue, window, shown, users } => {
                self.rebook(now, by, (queue, *window), (shown, users.as_deref()))
            }
            Arrange::Unbook { queue } => self.unbook(by, queue),
            Arrange::Drain { machine, order } => self.drain(now, by, machine, order.as_ref()),
        };
        match arranged {
            Ok(facts) => (facts, Answer::Done),
            Err(denied) => (Vec::new(), Answer::Refused(Refusal::Denied(denied))),
        }
    }

    pub(in crate::core) fn is_manager(&self, by: &Actor) -> bool {
        by.superuser || self.settings.is_manager(by.user.as_str())
    }

    pub(crate) fn is_operator(&self, by: &Actor) -> bool {
        by.superuser || self.settings.is_operator(by.user.as_str())
    }

    /// PBS's operators may do to others' jobs what those may, by its commands.
    pub(crate) fn acting_as(&self, by: &Actor, through: FrontEnd) -> Actor {
        let superuser = by.superuser || through == FrontEnd::Pbs && self.is_operator(by);
        Actor { superuser, ..by.clone() }
    }

    fn edit_settings(&self, by: &Actor, edits: &[Edit]) -> Result<Vec<Fact>, Denied> {
        let manages = self.is_manager(by);
        let operates = edits.iter().all(is_operation) && self.is_operator(by);
        if !manages && !operates {
            return Err(Denied::NotPermitted);
        }
        let deleted = |edit: &Edit| match (&edit.object, &edit.change) {
            (Object::Queue(name), Change::Delete) => Some(name.clone()),
            _ => None,
        };
        let mut gone = edits.iter().filter_map(deleted);
        if gone.any(|queue| self.queued.of(Some(queue.as_str()), None, None) > 0) {
            return Err(Denied::Busy);
        }
        let resource = |edit: &Edit| match (&edit.object, &edit.change) {
            (Object::Resource(name), Change::Delete) => Some(name.clone()),
            _ => None,
        };
        let asks = |cluster: &Cluster, name: &str| resources_of(&cluster.ad).contains_key(name);
        let mut gone = edits.iter().filter_map(resource);
        if gone.any(|name| self.clusters.values().any(|cluster| asks(cluster, &name))) {
            return Err(Denied::ResourceBusy);
        }
        let settings = Arc::new(self.settings.changed(edits)?);
        Ok(vec![Fact::Settings(settings)])
    }

    fn drain(
        &self,
        now: Now,
        by: &Actor,
        machine: &MachineName,
        order: Option<&DrainOrder>,
    ) -> Result<Vec<Fact>, Denied> {
        if !self.is_operator(by) {
            return Err(Denied::NotPermitted);
        }
        if self.negotiator.is_none() {
            return Err(Denied::UnknownNode);
        }
        let drain = |DrainOrder { how, reason }: DrainOrder| Drain { how, reason, since: now.wall };
        let (machine, drain) = (machine.clone(), order.cloned().map(drain));
        Ok(vec![Fact::Negotiator(NegotiatorFact::Drains { machine, drain })])
    }

    /// The cluster, if this user may change its place.
    pub(crate) fn own_cluster(&self, by: &Actor, id: ClusterId) -> Result<&Cluster, Denied> {
        let cluster = self.clusters.get(&id).ok_or(Denied::UnknownJob)?;
        let permitted = *cluster.owner() == by.user || self.is_operator(by);
        if permitted { Ok(cluster) } else { Err(Denied::NotPermitted) }
    }

    fn move_to(&self, by: &Actor, id: ClusterId, queue: &str) -> Result<Vec<Fact>, Denied> {
        let cluster = self.own_cluster(by, id)?;
        if !self.all_wait(cluster) {
            return Err(Denied::BadState);
        }
        let ad = cluster.procs().next().map(|job| job.described());
        let resources = resources_of(&ad.unwrap_or_default());
        let subjobs = subjobs(&cluster.record.spec);
        let user = cluster.owner().as_str();
        let host = self.host();
        let mut denied = Denied::UnknownQueue;
        for (name, is_routed) in self.settings.destinations(queue, user, &host)? {
            let resources = &resources;
            let applicant = Applicant { user, host: &host, resources, subjobs, is_routed };
            let count = u64::from(cluster.left);
            let admitted = self.settings.admit(&name, &applicant).and_then(|()| {
                self.settings.check_count(
                    &name,
                    parties_of(cluster).submitter(),
                    count,
                    &|of, who| self.counted(of, who, Some(id)),
                )
            });
            match admitted {
                Ok(()) => {
                    let priority = self.settings.queue(&name).and_then(|q| q.number("Priority"));
                    let mut changes = ClassAd::new();
                    changes.set(queues::QUEUE, name);
                    changes.set(attr::PRE_JOB_PRIO1, priority.unwrap_or(0));
                    return Ok(edited(cluster, changes));
                }
                Err(why) => denied = if is_routed { Denied::Rejected } else { why },
            }
        }
        Err(denied)
    }

    fn exchange(&self, by: &Actor, one: ClusterId, other: ClusterId) -> Result<Vec<Fact>, Denied> {
        let (first, second) = (self.own_cluster(by, one)?, self.own_cluster(by, other)?);
        if !self.all_wait(first) || !self.all_wait(second) {
            return Err(Denied::BadState);
        }
        if queue_of(first) != queue_of(second) {
            return Err(Denied::InvalidRequest);
        }
        let (rank, others) = (rank(first), rank(second));
        let ranked = |cluster, rank: u32| {
            let mut changes = ClassAd::new();
            changes.set(queues::RANK, i64::from(rank));
            edited(cluster, changes)
        };
        Ok(ranked(first, others).into_iter().chain(ranked(second, rank)).collect())
    }

    fn run_now(&self, now: Now, by: &Actor, jobs: &[Selector]) -> Result<Vec<Fact>, Denied> {
        if !self.is_operator(by) {
            return Err(Denied::NotPermitted);
        }
        let mut changes = ClassAd::new();
        changes.set(queues::RUN_NOW, true);
        changes.set(attr::PRE_JOB_PRIO1, i64::from(i32::MAX));
        let changes = Arc::new(changes);
        let (mut facts, mut done) = (Vec::new(), BTreeSet::new());
        for selector in jobs {
            for job in self.named(selector)? {
                if !done.insert(job.job) {
                    continue;
                }
                facts.extend(let_go(now, job)?);
                facts.extend(self.called_up(now, job.job));
                let changes = Arc::clone(&changes);
                facts.push(Fact::Job { job: job.job, fact: JobFact::Edited { changes } });
            }
        }
        Ok(facts)
    }

    /// Those of these jobs that are in the queue still have their history deleted when they leave
    /// it. Words that name none are about the history.
    fn forget_when_over(&self, by: &Actor, jobs: &[Selector]) -> Result<Vec<Fact>, Denied> {
        let mut changes = ClassAd::new();
        changes.set(queues::HISTORY_DELETED, true);
        let changes = Arc::new(changes);
        let mut facts = Vec::new();
        for selector in jobs {
            match selector {
                Selector::Cluster(id) if self.clusters.contains_key(id) => {
                    facts.extend(edited(self.own_cluster(by, *id)?, ClassAd::clone(&changes)));
                }
                Selector::Job(id) if self.job(*id).is_some() => {
                    self.own_cluster(by, id.cluster)?;
                    let changes = Arc::clone(&changes);
                    facts.push(Fact::Job { job: *id, fact: JobFact::Edited { changes } });
                }
                Selector::Cluster(_) | Selector::Job(_) => {}
                Selector::Owner(_) => return Err(Denied::InvalidRequest),
            }
        }
        Ok(facts)
    }

    /// Holds of managers (`s`; `p`, where a password is bad), of operators (`o`) and of the jobs'
    /// users (`u`) are set or ended (`qhold -h`, `qrls -h`); an array's on all of its jobs of which
    /// something can be said.
    fn hold_by(
        &self,
        now: Now,
        by: &Actor,
        jobs: &[Selector],
        (kinds, is_set): (&str, bool),
    ) -> Result<Vec<Fact>, Denied> {
        let may = |kind: char| match kind {
            'u' => true,
            'o' => self.is_operator(by),
            's' | 'p' => self.is_manager(by),
            _ => false,
        };
        if !kinds.chars().all(may) {
            return Err(Denied::NotPermitted);
        }
        let (mut facts, mut done) = (Vec::new(), BTreeSet::new());
        for selector in jobs {
            let mut is_any = false;
            for job in self.named(selector)? {
                if !self.is_operator(by) && *job.cluster.owner() != by.user {
                    return Err(Denied::NotPermitted);
                }
                if !done.insert(job.job) {
                    is_any = true;
                    continue;
                }
                let called_up = self.called_up(now, job.job);
                let runs = called_up.is_some() || self.promises.has(job.job);
                let Some(changed) = holds::changed(now, (job, runs), by, (kinds, is_set)) else {
                    continue;
                };
                is_any = true;
                facts.extend(called_up);
                facts.extend(changed);
            }
            if !is_any {
                return Err(Denied::BadState);
            }
        }
        Ok(facts)
    }

    /// The jobs of the queue that a word names.
    fn named(&self, selector: &Selector) -> Result<Vec<JobRef<'_>>, Denied> {
        let named: Vec<JobRef<'_>> = match selector {
            Selector::Job(id) => self.job(*id).into_iter().collect(),
            Selector::Cluster(id) => {
                self.clusters.get(id).into_iter().flat_map(Cluster::procs).collect()
            }
            Selector::Owner(_) => return Err(Denied::InvalidRequest),
        };
        if named.is_empty() { Err(Denied::UnknownJob) } else { Ok(named) }
    }

    /// Whether a submission may go to the queue that it names.
    pub(crate) fn check_queue(&self, by: &Actor, spec: &ClusterSpec) -> Result<(), Denied> {
        let own = |ad: &ClassAd, name: &str| ad.get_own(name).is_some();
        if spec.procs.any_own(is_for_all) && !planted(Bug::OwnQueueTaken) {
            return Err(Denied::InvalidRequest);
        }
        if own(&spec.ad, queues::RUN_NOW) || own(&spec.ad, queues::RANK) {
            return Err(Denied::NotPermitted);
        }
        if !own(&spec.ad, queues::QUEUE) {
            return Ok(());
        }
        let queue = spec.ad.literal(queues::QUEUE).and_then(Value::as_str);
        let queue = queue.ok_or(Denied::UnknownQueue)?;
        let (user, host) = (by.user.as_str(), self.host());
        let resources = &resources_of(&spec.ad);
        let is_routed = self.settings.queues.iter().any(|(name, attributes)| {
            attributes.get("queue_type") == Some("Route")
                && self
                    .settings
                    .destinations(name, user, &host)
                    .is_ok_and(|all| all.iter().any(|(name, _)| name == queue))
        });
        let subjobs = subjobs(spec);
        let applicant = Applicant { user, host: &host, resources, subjobs, is_routed };
        self.settings.admit(queue, &applicant)?;
        // It would need all of a machine of which the reservation has a part.
        let reserved = self.settings.reservations.get(queue);
        let has_parts = reserved.is_some_and(|reserved| !reserved.parts.is_exclusive);
        if has_parts && is_exclusive(&spec.ad) {
            return Err(Denied::BadValue);
        }
        let more = u64::from(spec.count());
        let whose = Parties::of(&by.user, |name| spec.ad.literal(name).cloned());
        let counted = |of: Option<&str>, who: Option<Entity<'_>>| self.counted(of, who, None);
        self.settings.check_count(queue, whose.submitter(), more, &counted)
    }

    /// Whether none of its jobs runs, is the next to run, or is stopping.
    fn all_wait(&self, cluster: &Cluster) -> bool {
        cluster.procs().all(|job| {
            let waits = matches!(job.state(), JobState::Idle { .. } | JobState::Held(_));
            waits && !self.promises.has(job.job)
        })
    }

    /// This machine, as lists of hosts name it.
    pub(crate) fn host(&self) -> String {
        let name = self.config.beside.machine.as_str();
        name.split('.').next().unwrap_or(name).to_owned()
    }

    /// Jobs that are in this queue, or in any; of this user, group or project, or of anybody.
    fn counted(
        &self,
        queue: Option<&str>,
        whose: Option<Entity<'_>>,
        but: Option<ClusterId>,
    ) -> u64 {
        self.queued.of(queue, whose.map(Party::from).as_ref(), but)
    }
}

/// What is looked at in a cluster's ad alone, beside what is for queues to say: it is the same for
/// all of its jobs.
const FOR_ALL: [&str; 3] = [queues::RESOURCES, queues::GROUP, queues::PROJECT];

/// Whether no job of a cluster may have an attribute of its own. In a job's own ad, and in what is
/// made of the number of each, nobody would look at it.
pub(crate) fn is_for_all(name: &AttrName) -> bool {
    OF_QUEUES.iter().chain(&FOR_ALL).any(|known| *name == **known)
}

/// Whether an operator may make this change, who may not make all.
fn is_operation(edit: &Edit) -> bool {
    let Change::Set { name, .. } = &edit.change else { return false };
    match edit.object {
        Object::Queue(_) => ["enabled", "started"].contains(&name.as_str()),
        Object::Node(_) => true,
        Object::Server | Object::Resource(_) => false,
    }
}

fn rank(cluster: &Cluster) -> u32 {
    let first = cluster.procs().next().map(|job| cluster.sorting.rank(job.job));
    first.unwrap_or(cluster.record.cluster.0)
}

fn subjobs(spec: &ClusterSpec) -> Option<u64> {
    let is_array = matches!(spec.procs, Procs::Counted { .. }) || spec.count() > 1;
    is_array.then(|| u64::from(spec.count()))
}

pub(crate) fn resources_of(ad: &ClassAd) -> BTreeMap<String, String> {
    let list = ad.literal(queues::RESOURCES).and_then(Value::as_str).unwrap_or_default();
    let pairs = words::split_v2(list).unwrap_or_default();
    let pair = |pair: &String| {
        pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    pairs.iter().filter_map(pair).collect()
}

/// All jobs of a cluster get these, those that are still to come too.
fn edited(cluster: &Cluster, changes: ClassAd) -> Vec<Fact> {
    let changes = Arc::new(changes);
    let each = cluster.procs().map(|job| Fact::Job {
        job: job.job,
        fact: JobFact::Edited { changes: Arc::clone(&changes) },
    });
    let later = cluster.is_factory().then(|| {
        let step = FactoryStep::Edited(Arc::clone(&changes));
        Fact::Cluster(ClusterFact::Factory { cluster: cluster.record.cluster, step })
    });
    each.chain(later).collect()
}

/// The release of a job that is to run now.
fn let_go(now: Now, job: JobRef<'_>) -> Result<Option<Fact>, Denied> {
    match job.state() {
        JobState::Idle { .. } => Ok(None),
        JobState::Held(_) if holds::is_by_managers(job) => Err(Denied::BadState),
        JobState::Held(hold)
            if ![HoldCode::SpoolingInput, HoldCode::WaitsForJobs].contains(&hold.code) =>
        {
            let event = JobEvent::Released { reason: "via qrun".to_owned(), at: now.wall };
            Ok(Some(Fact::Job { job: job.job, fact: JobFact::Happened(event) }))
        }
        JobState::Held(_)
        | JobState::Running(_)
        | JobState::Suspended { .. }
        | JobState::Stopping { .. }
        | JobState::Completed { .. }
        | JobState::Removed { .. } => Err(Denied::BadState),
    }
}
