//! The indexes: the same few functions keep them in step under `apply` and build them at `load`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use classad::{AttrName, ClassAd, Value};
use model::{
    ClaimId, ClusterId, JobId, JobState, JobStatus, MachineName, Now, ProcId, Procs, RunId,
    Timestamp, Universe, Usage, UserName,
    planted::{Bug, planted},
    queues,
};
use proto::client::Counts;

use crate::core::job::description::{cluster_ad, described, forget_whose};
use crate::core::job::expansion::expands;
use crate::core::job::timing::has_timed_jobs;
use crate::core::job::watch::Watch;
use crate::core::records::bookings::first_free;
use crate::core::records::ranges::Ranges;
use crate::core::records::rows::{ClaimRecord, ClusterRecord, Rows};
use crate::core::state::classes::{self, Classes, Place, Sorting};
use crate::core::state::config::CoreConfig;
use crate::core::state::core::{Claim, Cluster, Core, Machine};
use crate::core::state::dependencies::Dependencies;
use crate::core::state::gangs::Gangs;
use crate::core::state::limits::RunLimits;
use crate::core::state::parties::Parties;
use crate::core::state::places::Places;
use crate::core::state::promises::{PATIENCE, Promises};
use crate::core::state::queued::Queued;
use crate::core::state::reserved::Reserved;
use crate::core::state::round::Round;
use crate::core::state::waiting::Untold;
use crate::core::state::whose::Whose;

/// How long a claim takes new runs (HTCondor 25.14: `CLAIM_WORKLIFE`, 1200 s): after it the machine
/// is matched anew, so that fair share is heard.
const WORK_LIFE: Duration = Duration::from_secs(1200);

/// The queue of a cluster's jobs: all are in one, because only whole clusters move.
pub(crate) fn queue_of(cluster: &Cluster) -> Option<String> {
    said_of(cluster, queues::QUEUE)?.as_str().map(str::to_owned)
}

/// Whose the jobs of a cluster are: all of them are of one group and one project, as all are in one
/// queue.
pub(crate) fn parties_of(cluster: &Cluster) -> Parties {
    Parties::of(cluster.owner(), |name| said_of(cluster, name))
}

/// What is the same for all jobs of a cluster.
fn said_of(cluster: &Cluster, name: &str) -> Option<Value> {
    let own = |ad: &ClassAd| ad.get(name).cloned();
    let edited = cluster.procs().next().and_then(|job| job.edits().and_then(own));
    edited.or_else(|| own(&cluster.ad))?.as_literal().cloned()
}

/// Until when runs may begin on a claim that was granted now.
fn work_until(record: &ClaimRecord, now: Now) -> u64 {
    let of_term = record.term.map(|term| Duration::from_secs(term.starts_s.into()));
    now.deadline(of_term.map_or(WORK_LIFE, |starts| starts.min(WORK_LIFE)))
}

impl Core {
    /// A core without rows: the first start.
    pub fn new(config: CoreConfig) -> Self {
        Self {
            config,
            meta: crate::core::records::rows::Meta::default(),
            settings: Arc::default(),
            drained: BTreeSet::new(),
            last_seq: model::Seq::default(),
            clusters: BTreeMap::new(),
            claims: BTreeMap::new(),
            acts: BTreeMap::new(),
            act_served: None,
            submissions: BTreeMap::new(),
            classes: Classes::default(),
            counts: BTreeMap::new(),
            queued: Queued::default(),
            all: Counts::default(),
            by_universe: BTreeMap::new(),
            whose: Whose::default(),
            factories: BTreeSet::new(),
            staying: BTreeSet::new(),
            retrying: BTreeSet::new(),
            timed: BTreeSet::new(),
            expanding: BTreeSet::new(),
            watched: BTreeSet::new(),
            dependencies: Dependencies::default(),
            run_one: BTreeMap::new(),
            promises: Promises::default(),
            gangs: Gangs::default(),
            round: Round::default(),
            kept_checked_ms: 0,
            booking_edge_ms: None,
            reserved: Reserved::default(),
            next_reserved: crate::core::records::rows::Meta::default().next_cluster,
            machines: BTreeMap::new(),
            claiming: BTreeMap::new(),
            beside: Places::default(),
            negotiator: None,
            fence: None,
            happened: crate::core::state::statistics::Happened::default(),
            backing_off: BTreeMap::new(),
            backoff_ends: BTreeSet::new(),
            run_limits: RunLimits::default(),
            untold: Untold::default(),
            pauses: BTreeMap::new(),
        }
    }

    /// A core with what the store holds. [`Core::resume`] says what is to be done next.
    pub fn load(config: CoreConfig, rows: Rows, now: Now) -> Self {
        let mut core = Self::new(config);
        core.meta = rows.meta;
        core.next_reserved = rows.meta.next_cluster;
        core.last_seq = rows.last_seq;
        core.settings = rows.settings.unwrap_or_default();
        core.next_reserved = core.next_reserved.max(first_free(&core.settings));
        core.note_bookings(now);
        core.acts = rows.acts.into_iter().map(|act| (act.id, act)).collect();
        for (token, cluster, procs) in rows.past_submissions {
            core.submissions.insert(token, (cluster, procs));
        }
        for cluster in rows.clusters {
            core.index_cluster(&Arc::new(cluster));
        }
        for record in rows.jobs {
            let (job, state) = (record.job, record.state.clone());
            if let Some(cluster) = core.clusters.get_mut(&job.cluster) {
                cluster.jobs.insert(job.proc, record);
                core.sort_edited(job);
                let wait = core.time_to_wait(job, now).map(|wait| now.deadline(wait));
                core.enter(job, &state, wait);
                core.note_run_limit(now, job);
            }
        }
        for claim in rows.claims {
            core.index_claim(claim, now);
        }
        // How long they have been there is not known any more.
        for claim in core.claims.values_mut().filter(|claim| claim.record.term.is_some()) {
            claim.work_until_ms = now.boot_ms;
        }
        let clusters: Vec<ClusterId> = core.clusters.keys().copied().collect();
        if !planted(Bug::DependencyForgotten) {
            clusters.into_iter().for_each(|cluster| core.note_waits(cluster));
        }
        core.set_up_fence(now);
        core
    }

    /// All rows as they are now: what [`Core::load`] would need.
    pub fn rows(&self) -> Rows {
        let live = |cluster: &ClusterId| self.clusters.contains_key(cluster);
        let over = self.submissions.iter().filter(|(_, (cluster, _))| !live(cluster));
        Rows {
            clusters: self
                .clusters
                .values()
                .map(|cluster| ClusterRecord { body: cluster.body(), ..(*cluster.record).clone() })
                .collect(),
            jobs: self.clusters.values().flat_map(|c| c.jobs.values().cloned()).collect(),
            claims: self.claims.values().map(|claim| claim.record.clone()).collect(),
            meta: self.meta,
            settings: Some(Arc::clone(&self.settings)),
            acts: self.acts.values().cloned().collect(),
            last_seq: self.last_seq,
            past_submissions: over.map(|(token, (cluster, n))| (*token, *cluster, *n)).collect(),
        }
    }

    pub(in crate::core) fn index_cluster(&mut self, record: &Arc<ClusterRecord>) {
        let ad = Arc::new(cluster_ad(record, &self.config.uid_domain));
        let sorting = sorting(record, &ad, &self.classes.significant);
        if expands(&record.spec, &ad) {
            self.expanding.insert(record.cluster);
        }
        if has_timed_jobs(&record.spec, &ad) {
            self.timed.insert(record.cluster);
        }
        let watch = Watch::new(record, &ad, &BTreeSet::new(), &self.config.system);
        if watch.is_some() {
            self.watched.insert(record.cluster);
        }
        let cluster = Cluster {
            ad,
            sorting,
            edited: BTreeSet::new(),
            watch,
            untouched: record.body.untouched.clone(),
            later: record.body.later.clone(),
            paused: record.body.paused,
            later_edits: record.body.later_edits.clone(),
            told_reasons: Vec::new(),
            never: record.body.never,
            bad: record.body.bad.clone(),
            removed: record.body.removed,
            waiting: record.body.untouched.len(),
            jobs: BTreeMap::new(),
            left: record.body.left,
            record: Arc::clone(record),
        };
        if !planted(Bug::TokenForgotten) {
            self.submissions.insert(record.token, (record.cluster, record.spec.count()));
        }
        let untouched = by_universe(&cluster.sorting, cluster.untouched.pieces());
        self.count_idle(cluster.owner(), untouched);
        idle_untouched(&mut self.classes, record.cluster, &cluster);
        self.whose.note(record.cluster, cluster.owner(), &record.spec);
        self.clusters.insert(record.cluster, cluster);
        self.recount_queued(record.cluster);
        self.note_factory(record.cluster);
        self.note_run_one(record.cluster, &record.spec);
    }

    /// No job of it is left.
    pub(in crate::core) fn forget_cluster(&mut self, id: ClusterId) {
        let gone = self.clusters.remove(&id);
        self.recount_queued(id);
        self.watched.remove(&id);
        self.timed.remove(&id);
        self.expanding.remove(&id);
        self.forget_run_one(id);
        if let Some(cluster) = gone {
            self.whose.forget(id, cluster.owner());
            self.note_left(id, cluster);
        }
    }

    /// A job is now in this state, and was in none: counts it, and lets it wait for a run or for
    /// its back-off.
    pub(in crate::core) fn enter(
        &mut self,
        job: JobId,
        state: &JobState,
        backoff_until_ms: Option<u64>,
    ) {
        let (owner, place) = self.owner_and_place(job);
        self.count(&owner, place.universe, state.status(), |n| *n += 1);
        self.note_waiting(job, state, |waiting| *waiting += 1);
        match state {
            JobState::Idle { .. } => match backoff_until_ms {
                Some(until_ms) => {
                    self.backing_off.insert(job, until_ms);
                    self.backoff_ends.insert((until_ms, job));
                    self.untold.jobs.entry(job.cluster).or_insert(job);
                }
                None if planted(Bug::LostRequeue) || self.promises.has(job) => {}
                None => {
                    let rank = self.rank_of(job);
                    self.classes.add_idle(&place, rank, &owner, job);
                }
            },
            JobState::Completed { .. } | JobState::Removed { .. } => {
                self.staying.insert(job);
            }
            JobState::Held(_) => self.retrying.extend(self.retry_of(job)),
            JobState::Running(_) | JobState::Suspended { .. } | JobState::Stopping { .. } => {}
        }
    }

    /// The counterpart of [`Core::enter`].
    pub(in crate::core) fn leave(&mut self, job: JobId, state: &JobState) {
        let (owner, place) = self.owner_and_place(job);
        self.count(&owner, place.universe, state.status(), |n| *n -= 1);
        self.note_waiting(job, state, |waiting| *waiting -= 1);
        match state {
            JobState::Idle { .. } => match self.backing_off.remove(&job) {
                Some(until_ms) => {
                    self.backoff_ends.remove(&(until_ms, job));
                }
                None if self.promises.has(job) && !planted(Bug::PromisedTwice) => {}
                None => {
                    let rank = self.rank_of(job);
                    self.classes.remove_idle(&place, rank, &owner, job);
                }
            },
            JobState::Completed { .. } | JobState::Removed { .. } => {
                self.staying.remove(&job);
            }
            JobState::Held(_) => {
                if let Some(retry) = self.retry_of(job) {
                    self.retrying.remove(&retry);
                }
            }
            JobState::Running(_) | JobState::Suspended { .. } | JobState::Stopping { .. } => {}
        }
    }

    /// A job was edited: it may belong to another class now, and stand elsewhere in it.
    pub(in crate::core) fn sort_edited(&mut self, job: JobId) {
        if let Some(cluster) = self.clusters.get_mut(&job.cluster) {
            let edits = cluster.jobs.get(&job.proc).and_then(|record| record.edits.as_deref());
            if let Some(edits) = edits {
                self.whose.note_driver(job.cluster, cluster.owner(), edits);
            }
            sort_edited(cluster, job.proc, &self.classes.significant);
        }
        self.watch_edited(job);
        self.recount_queued(job.cluster);
    }

    /// A cluster came or went, moved to another queue, or has other jobs than before.
    pub(in crate::core) fn recount_queued(&mut self, id: ClusterId) {
        let now = self.clusters.get(&id).and_then(|cluster| {
            let queue = queue_of(cluster)?;
            Some((Arc::from(queue), parties_of(cluster), u64::from(cluster.left)))
        });
        self.queued.put(id, now);
    }

    fn retry_of(&self, job: JobId) -> Option<(Timestamp, JobId)> {
        let record = self.clusters.get(&job.cluster)?.jobs.get(&job.proc)?;
        self.retry_at(record).map(|at| (at, job))
    }

    pub(in crate::core) fn rank_of(&self, job: JobId) -> u32 {
        self.clusters[&job.cluster].sorting.rank(job)
    }

    pub(crate) fn owner_and_place(&self, job: JobId) -> (UserName, Place) {
        let cluster = &self.clusters[&job.cluster];
        (cluster.owner().clone(), cluster.sorting.place(job.proc).clone())
    }

    fn note_waiting(&mut self, job: JobId, state: &JobState, change: impl Fn(&mut u64)) {
        let waits = matches!(state.status(), JobStatus::Idle | JobStatus::Held);
        if let Some(cluster) = self.clusters.get_mut(&job.cluster).filter(|_| waits) {
            change(&mut cluster.waiting);
        }
    }

    fn count(
        &mut self,
        owner: &UserName,
        universe: Universe,
        status: JobStatus,
        change: impl Fn(&mut u64),
    ) {
        let key = (owner.clone(), universe);
        let counts = self.counts.entry(key.clone()).or_default();
        change(counter(counts, status));
        if *counts == Counts::default() {
            self.counts.remove(&key);
        }
        change(counter(self.by_universe.entry(universe).or_default(), status));
        change(counter(&mut self.all, status));
    }

    /// These jobs are idle, and were not in the queue.
    pub(in crate::core) fn count_idle(&mut self, owner: &UserName, jobs: BTreeMap<Universe, u64>) {
        for (universe, jobs) in jobs {
            self.count(owner, universe, JobStatus::Idle, |n| *n += jobs);
        }
    }

    pub(in crate::core) fn index_claim(&mut self, record: ClaimRecord, now: Now) {
        let id = record.claim;
        let machine = self.machine(&record.machine, &record.address, now);
        machine.claims.insert(id);
        machine.add_lease(record.lease_s);
        machine.slots.entry(record.place()).or_default().insert(id);
        if let Some(run) = record.run {
            self.beside.note_run(record.universe, true);
            if !record.is_other_part() {
                self.classes.runs.note_run(run.job.cluster, true);
            }
        }
        if let Some(gang) = &record.gang {
            self.gangs.note_held(&gang.share, id, true);
        }
        self.classes.change(&record.class_key, &record.owner, |class| class.claims += 1);
        let shared = self.shared_with(&record, id);
        let shared = shared.first().and_then(|other| self.claims.get(other));
        let (work_until_ms, brisk) = shared
            .map_or((work_until(&record, now), false), |other| (other.work_until_ms, other.brisk));
        let (machine, slot, run) = (record.machine.clone(), record.place(), record.run);
        let claim = Claim {
            record,
            work_until_ms,
            free_since_ms: now.boot_ms,
            keep: None,
            run_since_ms: now.boot_ms,
            brisk,
            share_asked: false,
            used: Usage::default(),
            slot_ad: None,
        };
        self.claims.insert(id, claim);
        if let Some(run) = run {
            self.index_promise(id, run, now);
        }
        self.regroup(&machine, &slot);
    }

    /// A run on a claim whose job does not have it is promised.
    fn index_promise(&mut self, id: ClaimId, run: RunId, now: Now) {
        let Some(state) = self.job(run.job).map(|job| job.state()) else { return };
        if state.running().is_some() {
            return;
        }
        let (owner, place) = self.owner_and_place(run.job);
        self.classes.remove_idle(&place, self.rank_of(run.job), &owner, run.job);
        self.promises.make(run.job, id, now.deadline(PATIENCE));
    }

    pub(in crate::core) fn unindex_claim(&mut self, id: ClaimId) -> ClaimRecord {
        let claim = self.claims.remove(&id);
        let record =
            claim.unwrap_or_else(|| panic!("claim {id} is dropped and is not ours")).record;
        let others: Vec<ClaimId> = self.shared_with(&record, id);
        if let Some(machine) = self.machines.get_mut(&record.machine) {
            machine.claims.remove(&id);
            machine.remove_lease(record.lease_s);
            let held = machine.slots.entry(record.place()).or_default();
            held.remove(&id);
            if held.is_empty() {
                machine.slots.remove(&record.place());
            }
        }
        if let Some(run) = record.run {
            self.beside.note_run(record.universe, false);
            if !record.is_other_part() {
                self.classes.runs.note_run(run.job.cluster, false);
            }
        }
        if let Some(gang) = &record.gang {
            self.gangs.note_held(&gang.share, id, false);
        }
        self.classes.change(&record.class_key, &record.owner, |class| {
            class.claims -= 1;
            class.free.remove(&id);
            class.busy.remove(&id);
            class.ahead.remove(&id);
            class.brisk.remove(&id);
        });
        self.regroup(&record.machine, &record.place());
        for other in others {
            self.note_turn(other);
            if let Some(other) = self.claims.get_mut(&other) {
                other.share_asked = false;
            }
        }
        record
    }

    fn shared_with(&self, record: &ClaimRecord, id: ClaimId) -> Vec<ClaimId> {
        let machine = self.machines.get(&record.machine);
        let slot = machine.and_then(|machine| machine.slots.get(&record.place()));
        slot.into_iter().flatten().filter(|other| **other != id).copied().collect()
    }

    /// Something ended on the slot of this claim: its run may have its turn.
    pub(in crate::core) fn note_turn(&mut self, id: ClaimId) {
        let run = self.claims.get(&id).and_then(|claim| claim.record.run);
        if let Some(run) = run {
            self.promises.note_end(run.job);
        }
    }

    pub(in crate::core) fn machine(
        &mut self,
        name: &MachineName,
        address: &str,
        now: Now,
    ) -> &mut Machine {
        let machine = self
            .machines
            .entry(name.clone())
            .or_insert_with(|| Machine { heard_ms: now.boot_ms, ..Machine::default() });
        address.clone_into(&mut machine.address);
        machine
    }

    /// Claims that were got for what their jobs were before somebody edited them: they must not
    /// serve the jobs' new classes.
    fn claims_of_edited_jobs(&self) -> BTreeSet<ClaimId> {
        let astray = self.claims.iter().filter(|(_, claim)| {
            let cluster = claim.record.run.and_then(|run| {
                self.clusters.get(&run.job.cluster).map(|cluster| (cluster, run.job.proc))
            });
            cluster.is_some_and(|(cluster, proc)| {
                cluster.sorting.place(proc).key != claim.record.class_key
            })
        });
        astray.map(|(id, _)| *id).collect()
    }

    /// Sorts every job and claim into classes again: machines look at other attributes than before.
    /// Returns the claims whose rows have changed.
    pub(in crate::core) fn sort_anew(
        &mut self,
        significant: BTreeSet<AttrName>,
    ) -> Vec<ClaimRecord> {
        let mut classes = Classes::following(&self.classes, significant);
        let astray = self.claims_of_edited_jobs();
        for cluster in self.clusters.values_mut() {
            cluster.sorting = sorting(&cluster.record, &cluster.ad, &classes.significant);
            let edited = cluster.jobs.values().filter(|record| record.edits.is_some());
            for proc in edited.map(|record| record.job.proc).collect::<Vec<_>>() {
                sort_edited(cluster, proc, &classes.significant);
            }
            idle_untouched(&mut classes, cluster.record.cluster, cluster);
            for (proc, record) in &cluster.jobs {
                let (job, place) = (record.job, cluster.sorting.place(*proc));
                let waits =
                    matches!(record.state, JobState::Idle { .. }) && !self.promises.has(job);
                if waits && !self.backing_off.contains_key(&job) {
                    classes.add_idle(place, cluster.sorting.rank(job), cluster.owner(), job);
                }
            }
        }
        let mut changed = Vec::new();
        for (id, claim) in &mut self.claims {
            // A claim with a run goes with its job; one without serves on only if its class is
            // still one.
            if let Some(run) = claim.record.run
                && !astray.contains(id)
                && let Some(cluster) = self.clusters.get(&run.job.cluster)
            {
                let key = &cluster.sorting.place(run.job.proc).key;
                if claim.record.class_key != *key {
                    claim.record.class_key = Arc::clone(key);
                    changed.push(claim.record.clone());
                }
            }
        }
        changed.extend(self.keys_of_shared());
        for claim in self.claims.values() {
            let record = &claim.record;
            classes.change(&record.class_key, &record.owner, |class| class.claims += 1);
        }
        for claiming in self.claiming.values().filter(|claiming| claiming.counts()) {
            classes.change(&claiming.class_key, &claiming.owner, |class| class.claiming += 1);
        }
        self.classes = classes;
        let slots = self.machines.iter().flat_map(|(name, machine)| {
            machine.slots.keys().map(|slot| (name.clone(), slot.clone()))
        });
        for (machine, slot) in slots.collect::<Vec<_>>() {
            self.regroup(&machine, &slot);
        }
        changed
    }

    /// A claim without a run goes with the one on whose slot it is.
    fn keys_of_shared(&mut self) -> Vec<ClaimRecord> {
        let idle = self.claims.iter().filter(|(_, claim)| claim.record.run.is_none());
        let astray = idle.filter_map(|(id, claim)| {
            let mut others = self.companions(*id);
            let (_, busy) = others.find(|(_, other)| other.record.run.is_some())?;
            let key = &busy.record.class_key;
            (*key != claim.record.class_key).then(|| (*id, Arc::clone(key)))
        });
        let mut changed = Vec::new();
        for (id, key) in astray.collect::<Vec<_>>() {
            if let Some(claim) = self.claims.get_mut(&id) {
                claim.record.class_key = key;
                changed.push(claim.record.clone());
            }
        }
        changed
    }
}

fn sort_edited(cluster: &mut Cluster, proc: ProcId, significant: &BTreeSet<AttrName>) {
    let edits = cluster.jobs.get(&proc).and_then(|record| record.edits.as_deref());
    if edits.is_none() {
        return;
    }
    let ad = described(&cluster.record, &cluster.ad, proc, edits);
    let place = Place::of(cluster.owner(), &ad, significant);
    cluster.sorting.put_rank(proc, classes::rank(&ad));
    cluster.sorting.put(proc, place);
}

fn idle_untouched(classes: &mut Classes, id: ClusterId, cluster: &Cluster) {
    for (start, end) in cluster.untouched.pieces() {
        idle_range(classes, id, cluster, start, end);
    }
}

/// How many of these jobs of a cluster run where.
pub(crate) fn by_universe(
    sorting: &Sorting,
    pieces: impl Iterator<Item = (u32, u32)>,
) -> BTreeMap<Universe, u64> {
    let mut jobs = BTreeMap::new();
    for (start, end) in pieces {
        let mut usual = u64::from(end - start);
        for (_, place) in sorting.special.range(ProcId(start)..ProcId(end)) {
            usual -= 1;
            *jobs.entry(place.universe).or_default() += 1;
        }
        *jobs.entry(sorting.usual.universe).or_default() += usual;
    }
    jobs
}

/// Lets the jobs `start..end` of a cluster wait for a run.
pub(crate) fn idle_range(
    classes: &mut Classes,
    id: ClusterId,
    cluster: &Cluster,
    start: u32,
    end: u32,
) {
    let owner = cluster.owner();
    let Sorting { usual, special, ranks: _ } = &cluster.sorting;
    let mut rest = Ranges::default();
    rest.insert_range(start, end);
    for (proc, place) in special.range(ProcId(start)..ProcId(end)) {
        rest.remove(*proc);
        let job = JobId { cluster: id, proc: *proc };
        classes.add_idle(place, cluster.sorting.rank(job), owner, job);
    }
    if !rest.is_empty() {
        // What nothing has happened to stands where it was submitted.
        classes.add_idle_ranges(usual, id.0, owner, id, rest.pieces());
    }
}

fn sorting(record: &ClusterRecord, ad: &Arc<ClassAd>, significant: &BTreeSet<AttrName>) -> Sorting {
    let spec = &record.spec;
    let own = (0..spec.count()).map(ProcId).filter_map(|proc| {
        let mut delta = spec.delta(proc)?;
        forget_whose(&mut delta);
        Some((proc, delta))
    });
    let template: Option<Vec<AttrName>> = match &spec.procs {
        Procs::Counted { template, .. } => {
            Some(template.0.iter().map(|(name, _)| name.clone()).collect())
        }
        Procs::Listed(_) => None,
    };
    Sorting::new(&record.body.owner, ad, significant, own, template.as_deref())
}

fn counter(counts: &mut Counts, status: JobStatus) -> &mut u64 {
    match status {
        JobStatus::Idle => &mut counts.idle,
        JobStatus::Running => &mut counts.running,
        JobStatus::Removed => &mut counts.removed,
        JobStatus::Completed => &mut counts.completed,
        JobStatus::Held => &mut counts.held,
        JobStatus::Suspended => &mut counts.suspended,
    }
}
