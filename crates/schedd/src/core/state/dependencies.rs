//! Who waits for whom, for what, and how that stands. Data only: what follows from it is in
//! `policy::dependencies`.

use std::collections::{BTreeMap, BTreeSet};

use classad::{ClassAd, Value};
use model::depend::{self, Dependency, Progress, Standing, WAITS_FOR};
use model::{ClusterId, ClusterSpec};

/// Made from the rows, but for how others have ended of whom a part is left: then what follows from
/// it is in the rows already.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependencies {
    waiting: BTreeMap<ClusterId, Vec<Dependency>>,
    others: BTreeMap<ClusterId, Other>,
    /// Those of whom something has become known.
    changed: BTreeSet<ClusterId>,
}

/// A cluster that others wait for.
#[derive(Clone, Debug, Default)]
struct Other {
    waiters: BTreeSet<ClusterId>,
    progress: Progress,
}

/// What a submission waits for; `None` if it does not, or says it in words that nobody understands.
pub(crate) fn of(spec: &ClusterSpec) -> Option<Vec<Dependency>> {
    said(&spec.ad)
}

/// What an ad says that its job waits for.
pub(crate) fn said(ad: &ClassAd) -> Option<Vec<Dependency>> {
    ad.literal(WAITS_FOR).and_then(Value::as_str).and_then(depend::read)
}

/// Why its jobs are held.
pub(crate) fn hold_reason(waits: &[Dependency]) -> String {
    format!("waits for {}", depend::written(waits))
}

impl Dependencies {
    /// One waits for these, of whom so much is known.
    pub(crate) fn wait(&mut self, waiter: ClusterId, waits: Vec<(Dependency, Progress)>) {
        let left: Vec<Dependency> = waits.iter().map(|(dependency, _)| *dependency).collect();
        let before = self.waiting.insert(waiter, left.clone()).unwrap_or_default();
        for dependency in before.iter().filter(|before| !left.contains(before)) {
            self.forget(dependency.on, waiter);
        }
        for (dependency, progress) in waits {
            let fresh = || Other { progress, ..Other::default() };
            let other = self.others.entry(dependency.on).or_insert_with(fresh);
            other.waiters.insert(waiter);
            self.changed.insert(dependency.on);
        }
    }

    /// Something has become known of one.
    pub(crate) fn note(&mut self, id: ClusterId, note: impl FnOnce(&mut Progress)) {
        let Some(other) = self.others.get_mut(&id) else { return };
        let before = other.progress;
        note(&mut other.progress);
        if other.progress != before {
            self.changed.insert(id);
        }
    }

    /// One waits no more.
    pub(crate) fn stop(&mut self, waiter: ClusterId) {
        for dependency in self.waiting.remove(&waiter).into_iter().flatten() {
            self.forget(dependency.on, waiter);
        }
    }

    /// One waits for another no more.
    fn forget(&mut self, on: ClusterId, waiter: ClusterId) {
        if let Some(other) = self.others.get_mut(&on) {
            other.waiters.remove(&waiter);
            if other.waiters.is_empty() {
                self.others.remove(&on);
                self.changed.remove(&on);
            }
        }
    }

    /// What was known has been looked at.
    pub(crate) fn seen(&mut self) {
        self.changed.clear();
    }

    /// Whether something has become known that was not looked at.
    pub(crate) fn has_news(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Those who wait for somebody of whom something has become known, each with what it waits for
    /// and how that stands.
    pub(crate) fn concerned(
        &self,
    ) -> impl Iterator<Item = (ClusterId, Vec<(Dependency, Standing)>)> + '_ {
        let others = self.changed.iter().filter_map(|id| self.others.get(id));
        let waiters: BTreeSet<ClusterId> =
            others.flat_map(|other| other.waiters.iter().copied()).collect();
        let standing = |dependency: &Dependency| {
            let other = self.others.get(&dependency.on);
            other.map_or(Standing::Waits, |other| dependency.standing(other.progress))
        };
        waiters.into_iter().filter_map(move |id| {
            let waits = self.waiting.get(&id)?.iter();
            Some((id, waits.map(|dependency| (*dependency, standing(dependency))).collect()))
        })
    }
}
