//! Who waits for whom, and of whom something has become known. Data only: what follows from it is
//! in `policy::dependencies`.

use std::collections::{BTreeMap, BTreeSet};

use classad::{ClassAd, Value};
use model::depend::{self, Part, Progress, WAITS_FOR, Waits};
use model::{ClusterId, ClusterSpec, JobId, ProcId};

use crate::core::records::ranges::Ranges;

/// All of it is made from the rows, but for what has left since it was looked at last: then what
/// follows from it is in the rows already.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependencies {
    waiting: BTreeMap<ClusterId, Waits>,
    /// Who waits for each.
    waiters: BTreeMap<ClusterId, BTreeSet<ClusterId>>,
    /// Those who wait and have not been looked at.
    new: BTreeSet<ClusterId>,
    /// Those of whom something has become known.
    changed: BTreeSet<JobId>,
    /// What was waited for and has left.
    gone: BTreeMap<ClusterId, Gone>,
}

/// A cluster of which nothing is left.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    pub(crate) total: u32,
    /// Its jobs that did not end well.
    pub(crate) bad: Ranges,
    /// How many of its jobs never came.
    pub(crate) never: u32,
}

/// What has become known that matters to one who waits.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Whether it has not been looked at itself, or something else than one job has changed.
    pub(crate) is_all: bool,
    /// The jobs, if it waits to each its own.
    pub(crate) of: Vec<ProcId>,
}

/// What a submission waits for; `None` if it does not, or says it in words that nobody understands.
pub(crate) fn of(spec: &ClusterSpec) -> Option<Waits> {
    said(&spec.ad)
}

/// What an ad says that its job waits for.
pub(crate) fn said(ad: &ClassAd) -> Option<Waits> {
    ad.literal(WAITS_FOR).and_then(Value::as_str).and_then(depend::read)
}

/// Why its jobs are held.
pub(crate) fn hold_reason(waits: &Waits) -> String {
    format!("waits for {waits}")
}

impl Gone {
    /// What is known of it.
    pub(crate) fn progress(&self, part: Part) -> Progress {
        match part {
            Part::Proc(proc) => {
                // Those that never came are the last.
                let came = proc.0 < self.total.saturating_sub(self.never);
                Progress::of_one(true, Some(came && !self.bad.contains(proc)))
            }
            Part::Whole | Part::Array | Part::Many(_) | Part::Index(_) | Part::Each(_) => {
                let bad = u32::try_from(self.bad.len()).unwrap_or(u32::MAX);
                let bad = bad.saturating_add(self.never).min(self.total);
                Progress { total: self.total, started: self.total, ended: self.total, bad }
            }
        }
    }
}

impl Dependencies {
    /// One waits for these too. What its jobs do not wait for any more is not taken out: each says
    /// itself what is left.
    pub(crate) fn wait(&mut self, waiter: ClusterId, waits: Waits) {
        let known = self.waiting.entry(waiter).or_default();
        for other in waits.others {
            if !known.others.contains(&other) {
                known.others.push(other);
                self.waiters.entry(other.on).or_default().insert(waiter);
                self.new.insert(waiter);
            }
        }
    }

    /// Something has become known of a job.
    pub(crate) fn note(&mut self, job: JobId) {
        if self.waiters.contains_key(&job.cluster) {
            self.changed.insert(job);
        }
    }

    /// One has left.
    pub(crate) fn leave(&mut self, id: ClusterId, gone: Gone) {
        if self.waiters.contains_key(&id) {
            self.changed.insert(JobId { cluster: id, proc: ProcId(0) });
            self.gone.insert(id, gone);
        }
        self.stop(id);
    }

    /// One waits no more.
    pub(crate) fn stop(&mut self, waiter: ClusterId) {
        self.new.remove(&waiter);
        for other in self.waiting.remove(&waiter).into_iter().flat_map(|waits| waits.others) {
            if let Some(waiters) = self.waiters.get_mut(&other.on) {
                waiters.remove(&waiter);
                if waiters.is_empty() {
                    self.waiters.remove(&other.on);
                }
            }
        }
    }

    /// What was known has been looked at.
    pub(crate) fn seen(&mut self) {
        self.changed.clear();
        self.gone.clear();
        self.new.clear();
    }

    /// Whether something has become known that was not looked at.
    pub(crate) fn has_news(&self) -> bool {
        !self.changed.is_empty() || !self.new.is_empty()
    }

    /// What one waits for.
    pub(crate) fn waits(&self, waiter: ClusterId) -> Option<&Waits> {
        self.waiting.get(&waiter)
    }

    /// Who waits for a cluster.
    pub(crate) fn waiters(&self, on: ClusterId) -> impl Iterator<Item = (ClusterId, &Waits)> {
        let waiters = self.waiters.get(&on).into_iter().flatten();
        waiters.filter_map(|id| Some((*id, self.waiting.get(id)?)))
    }

    /// What is known of one that has left.
    pub(crate) fn gone(&self, id: ClusterId) -> Option<&Gone> {
        self.gone.get(&id)
    }

    /// Those for whom something has become known, and what.
    pub(crate) fn concerned(&self) -> BTreeMap<ClusterId, News> {
        let new = |id: &ClusterId| (*id, News { is_all: true, of: Vec::new() });
        let mut concerned: BTreeMap<ClusterId, News> = self.new.iter().map(new).collect();
        for job in &self.changed {
            for (waiter, waits) in self.waiters(job.cluster) {
                let news = concerned.entry(waiter).or_default();
                news.is_all |= self.gone.contains_key(&job.cluster);
                for other in waits.others.iter().filter(|other| other.on == job.cluster) {
                    match other.part {
                        Part::Each(more) => news.of.extend(shifted(job.proc, -more)),
                        Part::Whole
                        | Part::Array
                        | Part::Many(_)
                        | Part::Index(_)
                        | Part::Proc(_) => news.is_all = true,
                    }
                }
            }
        }
        concerned
    }
}

/// A job's number, greater by so much.
pub(crate) fn shifted(proc: ProcId, more: i64) -> Option<ProcId> {
    u32::try_from(i64::from(proc.0) + more).ok().map(ProcId)
}
