//! Which clusters are whose: of which user, and of which job that drives others (`DAGManJobId`).
//! Data only: what a removal of such a job means is in `policy::along`.

use std::collections::{BTreeMap, BTreeSet};

use classad::{ClassAd, Expr, Value};
use model::{ClusterId, ClusterSpec, ProcId, Procs, UserName, attr};

/// Made from the rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whose {
    /// The clusters of each user that has any.
    owned: BTreeMap<UserName, BTreeSet<ClusterId>>,
    /// The clusters with jobs that say who drives them, by what they say. What a job said before it
    /// was edited stays until its cluster leaves: whoever looks asks each job.
    driven: BTreeMap<(UserName, Driver), BTreeSet<ClusterId>>,
    /// Under what each of those is kept.
    said: BTreeMap<ClusterId, BTreeSet<Driver>>,
}

/// Who drives a job, as its ad says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Driver {
    /// The job of this number.
    Number(i64),
    /// It is no number, but something to be evaluated.
    Unclear,
}

impl Driver {
    fn of(said: &Expr) -> Self {
        said.as_literal().and_then(Value::as_i64).map_or(Self::Unclear, Self::Number)
    }
}

impl Whose {
    /// A cluster has come, or is loaded.
    pub(crate) fn note(&mut self, id: ClusterId, owner: &UserName, spec: &ClusterSpec) {
        self.owned.entry(owner.clone()).or_default().insert(id);
        self.note_driver(id, owner, &spec.ad);
        if !spec.procs.any_own(|name| *name == *attr::DAGMAN_JOB_ID) {
            return;
        }
        match &spec.procs {
            Procs::Listed(ads) => ads.iter().for_each(|ad| self.note_driver(id, owner, ad)),
            // What a template gives are texts.
            Procs::Counted { .. } => {
                let first = spec.delta(ProcId(0)).unwrap_or_default();
                self.note_driver(id, owner, &first);
            }
        }
    }

    /// Some job of a cluster says this of itself.
    pub(crate) fn note_driver(&mut self, id: ClusterId, owner: &UserName, ad: &ClassAd) {
        let Some(said) = ad.get_own(attr::DAGMAN_JOB_ID) else { return };
        let driver = Driver::of(said);
        if self.said.entry(id).or_default().insert(driver) {
            self.driven.entry((owner.clone(), driver)).or_default().insert(id);
        }
    }

    /// Nothing of a cluster is left.
    pub(crate) fn forget(&mut self, id: ClusterId, owner: &UserName) {
        take_out(&mut self.owned, owner, id);
        for driver in self.said.remove(&id).into_iter().flatten() {
            take_out(&mut self.driven, &(owner.clone(), driver), id);
        }
    }

    /// The clusters of a user, from one on, in order.
    pub(crate) fn owned_from(
        &self,
        owner: &UserName,
        first: ClusterId,
    ) -> impl Iterator<Item = ClusterId> + use<'_> {
        self.owned.get(owner).into_iter().flat_map(move |all| all.range(first..)).copied()
    }

    /// The clusters of a user of which some job may be driven by the job of this number.
    pub(crate) fn driven_by(&self, owner: &UserName, number: i64) -> BTreeSet<ClusterId> {
        let drivers = [Driver::Number(number), Driver::Unclear];
        let all = drivers.map(|driver| self.driven.get(&(owner.clone(), driver)));
        all.into_iter().flatten().flatten().copied().collect()
    }

    /// Whether it has everything that another has that was made anew.
    pub(crate) fn covers(&self, fresh: &Self) -> bool {
        let has = |(key, all): (_, &BTreeSet<ClusterId>)| {
            self.driven.get(key).is_some_and(|kept| all.is_subset(kept))
        };
        self.owned == fresh.owned && fresh.driven.iter().all(has)
    }
}

fn take_out<K: Ord>(map: &mut BTreeMap<K, BTreeSet<ClusterId>>, key: &K, id: ClusterId) {
    if let Some(all) = map.get_mut(key) {
        all.remove(&id);
        if all.is_empty() {
            map.remove(key);
        }
    }
}
