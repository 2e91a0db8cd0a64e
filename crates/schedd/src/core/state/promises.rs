//! Runs that are promised: authorised on a claim while another run lives on its slot, where they
//! wait for their turn. Their jobs are idle until that comes, and wait for nothing else.
//!
//! Who is promised what, and for how long, is `runs::ahead`'s matter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{ClaimId, JobEvent, JobId, Now, RunId};

use crate::core::state::core::{Claim, Core};
use crate::core::words::{Fact, JobFact};

/// How long the run in front may live before the one that waits is called back.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Every promise, by its job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promises {
    by_job: BTreeMap<JobId, Promise>,
    /// Runs that are their jobs' before their turn has come, because something had to be said of
    /// them: they may not wait for longer than the others.
    early: BTreeMap<JobId, Promise>,
    /// When each is to be called back if it still waits, milliseconds of the boot clock.
    due: BTreeSet<(u64, JobId)>,
    /// Those before which something on their slot ended: it may be their turn.
    news: BTreeSet<JobId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Promise {
    claim: ClaimId,
    recall: Recall,
}

/// What becomes of a promise that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recall {
    /// It is called back at this moment of the boot clock, milliseconds.
    At(u64),
    /// It was called back; the startd has not answered.
    Said,
}

impl Promises {
    /// Where the job's next run waits for its turn.
    pub(crate) fn claim_of(&self, job: JobId) -> Option<ClaimId> {
        self.by_job.get(&job).map(|promise| promise.claim)
    }

    pub(crate) fn has(&self, job: JobId) -> bool {
        self.by_job.contains_key(&job)
    }

    /// Whether the startd was told that the run shall not come.
    pub(crate) fn is_called_back(&self, job: JobId) -> bool {
        let promise = self.by_job.get(&job).or_else(|| self.early.get(&job));
        promise.is_some_and(|promise| promise.recall == Recall::Said)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (JobId, ClaimId)> {
        self.by_job.iter().map(|(job, promise)| (*job, promise.claim))
    }

    /// Those whose turn may have come.
    pub(crate) fn news(&self) -> impl Iterator<Item = JobId> {
        self.news.iter().copied()
    }

    /// The first moment at which one is to be called back.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, _)| *due_ms)
    }

    /// The claims of those that are to be called back.
    pub(crate) fn due(&self, now: Now) -> impl Iterator<Item = ClaimId> {
        let due = self.due.iter().take_while(move |(due_ms, _)| *due_ms <= now.boot_ms);
        let due = due.map(|(_, job)| self.by_job.get(job).or_else(|| self.early.get(job)));
        due.flatten().map(|promise| promise.claim)
    }

    /// Runs that are their jobs' and wait, each with its claim.
    pub(crate) fn early(&self) -> impl Iterator<Item = (JobId, ClaimId)> {
        self.early.iter().map(|(job, promise)| (*job, promise.claim))
    }

    pub(crate) fn make(&mut self, job: JobId, claim: ClaimId, recall_ms: u64) {
        self.by_job.insert(job, Promise { claim, recall: Recall::At(recall_ms) });
        self.due.insert((recall_ms, job));
        self.news.insert(job);
    }

    /// It is kept, or taken back.
    pub(crate) fn end(&mut self, job: JobId) {
        let promise = self.by_job.remove(&job).or_else(|| self.early.remove(&job));
        if let Some(Promise { recall: Recall::At(recall_ms), .. }) = promise {
            self.due.remove(&(recall_ms, job));
        }
        self.news.remove(&job);
    }

    /// The run is its job's from now on, though it waits.
    pub(crate) fn end_early(&mut self, job: JobId) {
        self.news.remove(&job);
        if let Some(promise) = self.by_job.remove(&job) {
            self.early.insert(job, promise);
        }
    }

    pub(crate) fn call_back(&mut self, job: JobId) {
        let promise = self.by_job.get_mut(&job).or_else(|| self.early.get_mut(&job));
        let Some(promise) = promise else { return };
        if let Recall::At(recall_ms) = std::mem::replace(&mut promise.recall, Recall::Said) {
            self.due.remove(&(recall_ms, job));
        }
    }

    /// All are to be called back now.
    pub(crate) fn call_all_back(&mut self, now: Now) {
        for (job, promise) in &mut self.by_job {
            if let Recall::At(recall_ms) = &mut promise.recall {
                self.due.remove(&(*recall_ms, *job));
                *recall_ms = now.boot_ms;
                self.due.insert((*recall_ms, *job));
            }
        }
    }

    /// Something ended on the slot of this job's claim.
    pub(crate) fn note_end(&mut self, job: JobId) {
        if self.has(job) {
            self.news.insert(job);
        }
    }

    /// Its turn was looked at, and has not come.
    pub(crate) fn seen(&mut self, job: JobId) {
        self.news.remove(&job);
    }
}

impl Core {
    /// The other claims of a claim's slot.
    pub(crate) fn companions(&self, id: ClaimId) -> impl Iterator<Item = (ClaimId, &Claim)> {
        let slot = self.claims.get(&id).and_then(|claim| {
            self.machines.get(&claim.record.machine)?.slots.get(&claim.record.place())
        });
        let others = slot.into_iter().flatten().filter(move |other| **other != id);
        others.filter_map(|other| Some((*other, self.claims.get(other)?)))
    }

    /// Whether the run of a claim is promised and no more: its turn has not come yet.
    pub(crate) fn is_promised(&self, claim: &Claim) -> bool {
        let promised = claim.record.run.and_then(|run| self.promises.claim_of(run.job));
        promised == Some(claim.record.claim)
    }

    /// The claim on whose slot a run lives that a promised one waits for.
    pub(crate) fn in_front_of(&self, id: ClaimId) -> Option<&Claim> {
        let mut others = self.companions(id).map(|(_, claim)| claim);
        others.find(|claim| claim.record.run.is_some() && !self.is_promised(claim))
    }

    /// A promised run is its job's run from now on: its turn has come, as far as is known, or there
    /// is something to be said about it that is said of runs.
    pub(crate) fn called_up(&self, now: Now, job: JobId) -> Option<Fact> {
        let record = &self.claims.get(&self.promises.claim_of(job)?)?.record;
        let RunId { attempt, .. } = record.run?;
        let (claim, slot) = (record.claim, Some(record.slot.clone()));
        let event = JobEvent::RunAuthorised { attempt, claim, slot, at: now.wall };
        Some(Fact::Job { job, fact: JobFact::Happened(event) })
    }

    /// Puts the claims of a slot where they belong in their classes: one of them is free if none
    /// has a run; and if one has, and the last was short, the next run can be promised on the
    /// other.
    pub(in crate::core) fn regroup(&mut self, machine: &model::MachineName, slot: &str) {
        let held = self.machines.get(machine).and_then(|machine| machine.slots.get(slot));
        let Some(held) = held else { return };
        let busy = |id: &ClaimId| self.claims.get(id).is_some_and(|c| c.record.run.is_some());
        let is_busy = held.iter().any(busy);
        let first = held.first().copied();
        for id in held {
            let Some(claim) = self.claims.get(id) else { continue };
            let idle = claim.record.run.is_none();
            // What a job has beside its first claim is no slot for a job of its own.
            let first = first.filter(|_| !claim.record.is_other_part());
            self.classes.change(&claim.record.class_key, &claim.record.owner, |class| {
                put(&mut class.free, *id, !is_busy && Some(*id) == first);
                put(&mut class.busy, *id, is_busy && Some(*id) == first);
                put(&mut class.ahead, *id, idle && is_busy && claim.brisk);
            });
        }
    }
}

fn put(set: &mut BTreeSet<ClaimId>, id: ClaimId, is_in: bool) {
    if is_in {
        set.insert(id);
    } else {
        set.remove(&id);
    }
}
