//! Equivalence classes of jobs: jobs of one owner that no machine can tell apart. Matching is per
//! class, and a claim serves every job of its class. What HTCondor calls autoclusters.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use classad::{AttrName, ClassAd, Expr, RefScope, Value};
use model::{
    ClaimId, ClassId, ClusterId, IdleReason, JobId, JobPriority, ProcId, Timestamp, Universe,
    UserName, attr, queues,
};

use crate::core::records::ranges::Ranges;
use crate::core::state::parties::Parties;
use crate::core::state::run_counts::RunCounts;

/// What a class is made from, beside the attributes that begin with `Request`.
const ROOTS: [&str; 11] = [
    // One name may be two people's: who was made anew, or submitted elsewhere.
    attr::OWNER_UID,
    attr::REQUIREMENTS,
    attr::RANK,
    attr::CONCURRENCY_LIMITS,
    attr::ACCOUNTING_GROUP,
    attr::IS_NOOP_JOB,
    attr::NEXT_JOB_START_DELAY,
    attr::PBS_WALLTIME,
    queues::QUEUE,
    queues::RUN_NOW,
    queues::MOST_RUNNING,
];

/// All classes that have an idle job, a claim, or a match under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Classes {
    pub(crate) by_id: BTreeMap<ClassId, Class>,
    by_key: BTreeMap<Arc<str>, ClassId>,
    last: ClassId,
    /// Classes in which something changed since the negotiator was told last.
    pub(crate) changed: BTreeSet<ClassId>,
    /// What machines' expressions refer to.
    pub(crate) significant: BTreeSet<AttrName>,
    /// Classes with idle jobs that run beside the schedd: no negotiator is told of them.
    pub(crate) beside: BTreeSet<ClassId>,
    /// How many classes are of an array that limits how many of its jobs run.
    pub(crate) limited: usize,
    /// How many run of what.
    pub(crate) runs: RunCounts,
}

/// How many jobs of an array may run at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArrayLimit {
    pub(crate) cluster: ClusterId,
    pub(crate) most: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) key: Arc<str>,
    /// The names of the attributes that it is made from (`AutoClusterAttrs`).
    pub(crate) attrs: Arc<str>,
    pub(crate) owner: UserName,
    /// Whose its jobs are, as limits of queues speak of it.
    pub(crate) parties: Parties,
    /// Where its jobs run. Known while it has idle jobs.
    pub(crate) universe: Universe,
    /// Whether some of its jobs may be not to run at all. Known while it has idle jobs.
    pub(crate) may_skip: bool,
    /// Whether the start of one of its jobs may make the next wait. Known while it has idle jobs.
    pub(crate) paces: bool,
    /// The queue of PBS's whose rules its jobs are under, if any.
    pub(crate) queue: Option<Arc<str>>,
    /// The array whose jobs they are, if not all of them may run at a time.
    pub(crate) array: Option<ArrayLimit>,
    /// Whether its jobs run whatever their queue's limits are.
    pub(crate) is_forced: bool,
    /// Jobs that may start now.
    pub(crate) idle: IdleJobs,
    /// Matches that are being claimed for it.
    pub(crate) claiming: u32,
    /// Its claims on slots without a run, one of each.
    pub(crate) free: BTreeSet<ClaimId>,
    /// Its slots that have a run, by their first claims.
    pub(crate) busy: BTreeSet<ClaimId>,
    /// Its claims without a run on slots that have one, where the last was short: there the next
    /// can be promised.
    pub(crate) ahead: BTreeSet<ClaimId>,
    /// Claims whose slots have short runs, and that nobody shares yet.
    pub(crate) brisk: BTreeSet<ClaimId>,
    /// How many claims it has.
    pub(crate) claims: u32,
    pub(crate) reason: Option<IdleReason>,
    /// When the negotiator said so last.
    pub(crate) heard: Option<Timestamp>,
    /// Set for a class of jobs that run beside the schedd and may not now.
    pub(crate) aside: Option<Aside>,
}

/// Until when a class is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aside {
    /// Milliseconds of the boot clock.
    pub(crate) until_ms: u64,
    /// Whether it waits for others of its universe, and is looked at as soon as one of them has
    /// ended.
    pub(crate) for_others: bool,
}

/// The idle jobs of a class in their order: priority, cluster, proc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdleJobs {
    jobs: BTreeMap<(Reverse<JobPriority>, u32, ClusterId), Ranges>,
    count: u64,
}

impl IdleJobs {
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The clusters, with how many of their jobs wait here, in their order.
    pub(crate) fn by_cluster(&self) -> impl Iterator<Item = (ClusterId, u64)> {
        self.jobs.iter().map(|((_, _, cluster), procs)| (*cluster, procs.len()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = JobId> {
        self.jobs.iter().flat_map(|((_, _, cluster), procs)| {
            procs.iter().map(|proc| JobId { cluster: *cluster, proc })
        })
    }

    /// The first job, and its priority.
    pub(crate) fn first(&self) -> Option<(JobPriority, JobId)> {
        let ((Reverse(priority), _, cluster), procs) = self.jobs.first_key_value()?;
        Some((*priority, JobId { cluster: *cluster, proc: procs.lowest()? }))
    }

    pub(crate) fn insert_range(
        &mut self,
        (priority, rank): (JobPriority, u32),
        cluster: ClusterId,
        start: u32,
        end: u32,
    ) {
        self.count += u64::from(end - start);
        let key = (Reverse(priority), rank, cluster);
        self.jobs.entry(key).or_default().insert_range(start, end);
    }

    fn remove(&mut self, (priority, rank): (JobPriority, u32), job: JobId) -> bool {
        let key = (Reverse(priority), rank, job.cluster);
        let Some(procs) = self.jobs.get_mut(&key) else { return false };
        let removed = procs.remove(job.proc);
        if procs.is_empty() {
            self.jobs.remove(&key);
        }
        self.count -= u64::from(removed);
        removed
    }
}

impl Class {
    /// Idle jobs for which there is no claim and none is asked for.
    pub(crate) fn needs(&self) -> u64 {
        let wanted = self.idle.count().saturating_sub(u64::from(self.claiming));
        wanted.saturating_sub(u64::try_from(self.free.len()).unwrap_or(u64::MAX))
    }

    /// How many of its idle jobs have a claim already.
    pub(crate) fn free_for_idle(&self) -> u32 {
        let free = u64::try_from(self.free.len()).unwrap_or(u64::MAX);
        u32::try_from(free.min(self.idle.count())).unwrap_or(u32::MAX)
    }

    fn is_unused(&self) -> bool {
        self.idle.count() == 0 && self.claiming == 0 && self.claims == 0
    }
}

impl Classes {
    pub(crate) fn id_of(&self, key: &str) -> Option<ClassId> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn with_key(&self, key: &str) -> Option<&Class> {
        self.by_id.get(self.by_key.get(key)?)
    }

    /// Changes a class, makes it if there is none, and forgets it once nothing is left of it.
    pub(crate) fn change(
        &mut self,
        key: &Arc<str>,
        owner: &UserName,
        change: impl FnOnce(&mut Class),
    ) {
        let id = *self.by_key.entry(Arc::clone(key)).or_insert_with(|| {
            self.last = self.last.next();
            self.last
        });
        let limited = &mut self.limited;
        let class = self.by_id.entry(id).or_insert_with(|| {
            let array = array_in(key);
            *limited += usize::from(array.is_some());
            Class {
                key: Arc::clone(key),
                attrs: names_in(key).join(",").into(),
                owner: owner.clone(),
                parties: Parties::of(owner, |name| literal_in(key, name)),
                idle: IdleJobs::default(),
                claiming: 0,
                free: BTreeSet::new(),
                busy: BTreeSet::new(),
                ahead: BTreeSet::new(),
                brisk: BTreeSet::new(),
                claims: 0,
                universe: Universe::default(),
                may_skip: false,
                paces: false,
                queue: queue_in(key),
                array,
                is_forced: value_in(key, queues::RUN_NOW) == Some("true"),
                reason: None,
                heard: None,
                aside: None,
            }
        });
        let before = class.busy.len();
        change(class);
        if let Some(queue) = &class.queue {
            self.runs.note_slots(queue, &class.parties, (before, class.busy.len()));
        }
        if class.universe.is_beside() && class.idle.count() > 0 {
            self.beside.insert(id);
        } else {
            self.beside.remove(&id);
        }
        if class.is_unused() {
            self.limited -= usize::from(class.array.is_some());
            self.by_id.remove(&id);
            self.by_key.remove(key);
        }
        self.changed.insert(id);
    }

    /// No class yet, but numbers that go on after those of `before`: none of them means something
    /// else here.
    pub(crate) fn following(before: &Self, significant: BTreeSet<AttrName>) -> Self {
        let changed = before.by_id.keys().chain(&before.changed).copied().collect();
        let runs = before.runs.without_queues();
        Self { significant, last: before.last, changed, runs, ..Self::default() }
    }

    pub(crate) fn add_idle(&mut self, place: &Place, rank: u32, owner: &UserName, job: JobId) {
        let (start, end) = (job.proc.0, job.proc.0 + 1);
        self.add_idle_ranges(place, rank, owner, job.cluster, [(start, end)].into_iter());
    }

    /// The same for pieces of a cluster: from the first number to the one behind the last.
    pub(crate) fn add_idle_ranges(
        &mut self,
        place: &Place,
        rank: u32,
        owner: &UserName,
        cluster: ClusterId,
        pieces: impl Iterator<Item = (u32, u32)>,
    ) {
        self.change(&place.key, owner, |class| {
            class.universe = place.universe;
            class.may_skip = place.may_skip;
            class.paces = place.paces;
            for (start, end) in pieces {
                class.idle.insert_range((place.priority, rank), cluster, start, end);
            }
        });
    }

    pub(crate) fn remove_idle(&mut self, place: &Place, rank: u32, owner: &UserName, job: JobId) {
        self.change(&place.key, owner, |class| {
            assert!(
                class.idle.remove((place.priority, rank), job),
                "job {job} leaves a class that it is not idle in"
            );
        });
    }
}

/// How the procs of one cluster fall into classes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sorting {
    /// Where a proc belongs that is not `special`.
    pub(crate) usual: Place,
    /// Procs whose own attributes matter.
    pub(crate) special: BTreeMap<ProcId, Place>,
    /// Jobs that stand where the cluster of another number would.
    pub(crate) ranks: BTreeMap<ProcId, u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) key: Arc<str>,
    pub(crate) priority: JobPriority,
    pub(crate) universe: Universe,
    /// Whether it may be that the job is not to run at all.
    pub(crate) may_skip: bool,
    /// Whether its start may make its owner's next job wait.
    pub(crate) paces: bool,
}

impl Sorting {
    /// Sorts the procs of a cluster. `shared` is the cluster's ad; `own` gives what a proc adds to
    /// it.
    pub(crate) fn new(
        owner: &UserName,
        shared: &Arc<ClassAd>,
        significant: &BTreeSet<AttrName>,
        own: impl Iterator<Item = (ProcId, ClassAd)>,
        template: Option<&[AttrName]>,
    ) -> Self {
        let names = telling_names(shared, significant);
        let usual = Place::of(owner, shared, significant);
        let matters = |name: &AttrName| {
            let is = |known: &str| name.as_str().eq_ignore_ascii_case(known);
            tells(name)
                || names.contains(name)
                || JobPriority::has(name.as_str())
                || is(attr::JOB_UNIVERSE)
        };
        // Procs made from one template add the same attributes: if none of them matters, none need
        // be looked at.
        if template.is_some_and(|template| !template.iter().any(matters)) {
            return Self { usual, special: BTreeMap::new(), ranks: BTreeMap::new() };
        }
        let special = own
            .filter(|(_, ad)| ad.iter().any(|(name, _)| matters(name)))
            .map(|(proc, mut ad)| {
                ad.set_parent(Arc::clone(shared));
                (proc, Place::of(owner, &ad, significant))
            })
            .filter(|(_, place)| *place != usual)
            .collect();
        Self { usual, special, ranks: BTreeMap::new() }
    }

    /// Where a proc belongs from now on.
    pub(crate) fn put(&mut self, proc: ProcId, place: Place) {
        if place == self.usual {
            self.special.remove(&proc);
            return;
        }
        // Many jobs that were given another priority share one key.
        let key = if place.key == self.usual.key { Arc::clone(&self.usual.key) } else { place.key };
        self.special.insert(proc, Place { key, ..place });
    }

    /// Notes what stands for a proc's cluster from now on, if anything does.
    pub(crate) fn put_rank(&mut self, proc: ProcId, rank: Option<u32>) {
        match rank {
            Some(rank) => self.ranks.insert(proc, rank),
            None => self.ranks.remove(&proc),
        };
    }

    /// The number by which a job stands among those of equal priority.
    pub(crate) fn rank(&self, job: JobId) -> u32 {
        self.ranks.get(&job.proc).copied().unwrap_or(job.cluster.0)
    }

    pub(crate) fn place(&self, proc: ProcId) -> &Place {
        self.special.get(&proc).unwrap_or(&self.usual)
    }
}

impl Place {
    /// Where a job with this ad belongs.
    pub(crate) fn of(owner: &UserName, ad: &ClassAd, significant: &BTreeSet<AttrName>) -> Self {
        let names = telling_names(ad, significant);
        Self {
            key: key(owner, ad, &names),
            priority: JobPriority::of(ad),
            universe: Universe::of(ad),
            may_skip: may_skip(ad),
            paces: ad.get(attr::NEXT_JOB_START_DELAY).is_some(),
        }
    }
}

/// What stands for the cluster's number, if anything does.
pub(crate) fn rank(ad: &ClassAd) -> Option<u32> {
    ad.literal(queues::RANK).and_then(Value::as_i64).and_then(|rank| u32::try_from(rank).ok())
}

fn tells(name: &AttrName) -> bool {
    let head = name.as_str().get(..attr::REQUEST_PREFIX.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(attr::REQUEST_PREFIX))
}

/// The attributes that tell classes apart: the roots, and all that they refer to, whether the ad
/// has it or not.
fn telling_names(ad: &ClassAd, significant: &BTreeSet<AttrName>) -> BTreeSet<AttrName> {
    let mut names: BTreeSet<AttrName> = ROOTS.iter().map(|name| AttrName::from(*name)).collect();
    if Universe::of(ad).is_beside() {
        names.insert(AttrName::from(attr::JOB_UNIVERSE));
    }
    if ad.get(queues::QUEUE).is_some() {
        names.extend([queues::GROUP, queues::PROJECT].map(AttrName::from));
    }
    if model::hosts(ad) > 1 {
        names.insert(AttrName::from(attr::MIN_HOSTS));
    }
    if ad.get(attr::GANG_PARTS).is_some() {
        names.insert(AttrName::from(attr::GANG_PARTS));
    }
    if model::is_exclusive(ad) {
        names.insert(AttrName::from(attr::EXCLUSIVE));
    }
    if ad.get(queues::MOST_RUNNING).is_some() {
        names.insert(AttrName::from(attr::CLUSTER_ID));
    }
    names.extend(significant.iter().cloned());
    names.extend(ad.iter_all().map(|(name, _)| name).filter(|name| tells(name)).cloned());
    let mut open: Vec<AttrName> = names.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let Some(expr) = ad.lookup(&name) else { continue };
        for (scope, reference) in expr.references() {
            if scope != RefScope::Target && names.insert(reference.clone()) {
                open.push(reference);
            }
        }
    }
    names
}

/// The names of the attributes that a class is made from and its jobs have, from its key.
fn names_in(key: &str) -> Vec<&str> {
    let mut names = Vec::new();
    // The owner's name has no newline.
    let mut rest = key.split_once('\n').map_or("", |(_, rest)| rest);
    while let Some((name, after)) = rest.split_once('=') {
        let Some((length, after)) = after.split_once(':') else { break };
        names.push(name);
        let end = length.parse::<usize>().map_or(after.len(), |length| length + 1);
        rest = after.get(end..).unwrap_or_default();
    }
    names
}

/// The text of an attribute that a class is made from, from its key.
fn value_in<'a>(key: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = key.split_once('\n')?.1;
    while let Some((name, after)) = rest.split_once('=') {
        let (length, after) = after.split_once(':')?;
        let length: usize = length.parse().ok()?;
        if name.eq_ignore_ascii_case(wanted) {
            return after.get(..length);
        }
        rest = after.get(length + 1..).unwrap_or_default();
    }
    None
}

/// The queue of a class, from its key.
fn queue_in(key: &str) -> Option<Arc<str>> {
    literal_in(key, queues::QUEUE)?.as_str().map(Arc::from)
}

fn literal_in(key: &str, name: &str) -> Option<Value> {
    Expr::parse(value_in(key, name)?).ok()?.as_literal().cloned()
}

/// The limit of an array, from its key.
fn array_in(key: &str) -> Option<ArrayLimit> {
    let most = value_in(key, queues::MOST_RUNNING)?.parse().ok()?;
    let cluster = value_in(key, attr::CLUSTER_ID)?.parse().ok()?;
    Some(ArrayLimit { cluster: ClusterId(cluster), most })
}

fn key(owner: &UserName, ad: &ClassAd, names: &BTreeSet<AttrName>) -> Arc<str> {
    let mut key = owner.to_string();
    for name in names {
        if let Some(expr) = ad.lookup(name) {
            // The length keeps a value from looking like the next attribute. Writing to a String
            // does not fail.
            let text = expr.to_string();
            let _ = write!(key, "\n{}={}:{text}", name.as_str().to_ascii_lowercase(), text.len());
        }
    }
    key.into()
}

/// Whether a job with this ad may say that it is not to run at all: it does, or it must be asked.
fn may_skip(ad: &ClassAd) -> bool {
    ad.get(attr::IS_NOOP_JOB).is_some_and(|expr| expr.as_literal().is_none_or(Value::is_true))
}
