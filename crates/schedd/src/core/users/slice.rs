//! One slice of an act on very many jobs: from where the last one ended, so many jobs or so many
//! steps of evaluation on. Knows neither which act has its turn nor when it is over for its client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use classad::ClassAd;
use model::{ClusterId, JobId, Now, ProcId, depend};
use proto::client::{ActResult, Acted, Answer, Edited, Selector};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::policy::along::{means_all_of, never_comes, reason_along};
use crate::core::policy::dependencies::{never_reason, waits_for};
use crate::core::records::acts::{Deed, LongAct, Reached, Target};
use crate::core::state::core::{Cluster, Core, JobRef};
use crate::core::users::act::Act;
use crate::core::users::edit::{EDITS_BYTES_MAX, jobs_a_slice};
use crate::core::users::query::PAGE_STEPS;
use crate::core::words::{Actor, Fact, Slice};

/// A slice while it is decided.
pub(super) struct OneSlice<'a> {
    core: &'a Core,
    now: Now,
    by: &'a Actor,
    long: &'a LongAct,
    doing: Doing<'a>,
    reached: Reached,
    /// How many more jobs may be looked at.
    left: usize,
    /// Steps of evaluation so far.
    spent: Arc<AtomicU64>,
}

/// What is done to each job, and what follows from it.
enum Doing<'a> {
    Act(Act<'a>),
    Edit { changes: &'a Arc<ClassAd>, dry_run: bool, facts: Vec<Fact> },
    Follow(Vec<Fact>),
}

/// What came of a slice.
pub(super) struct Done {
    pub(super) facts: Vec<Fact>,
    pub(super) reached: Reached,
    pub(super) slice: Slice,
}

impl<'a> OneSlice<'a> {
    pub(super) fn of(core: &'a Core, now: Now, by: &'a Actor, long: &'a LongAct) -> Self {
        let most = core.config.slice;
        let (doing, left) = match &long.deed {
            Deed::Act { action, through } => {
                (Doing::Act(Act::new(core, now, by, action, *through)), most)
            }
            Deed::Edit { changes, dry_run } => {
                let doing = Doing::Edit { changes, dry_run: *dry_run, facts: Vec::new() };
                (doing, jobs_a_slice(most, changes))
            }
            Deed::Follow => (Doing::Follow(Vec::new()), most),
        };
        let (reached, spent) = (long.reached, Arc::new(AtomicU64::new(0)));
        Self { core, now, by, long, doing, reached, left, spent }
    }

    pub(super) fn fill(mut self) -> Done {
        let is_last = self.goes_through();
        let (reached, act) = (self.reached, self.long.id);
        let (facts, answer) = match self.doing {
            Doing::Act(act) => (act.facts, Some(Answer::Acted(act.results))),
            Doing::Edit { facts, .. } => (facts, is_last.then(|| Answer::Edited(edited(&reached)))),
            Doing::Follow(facts) => (facts, None),
        };
        Done { facts, reached, slice: Slice { act, answer, is_last } }
    }

    /// Whether nothing is left to do behind it.
    fn goes_through(&mut self) -> bool {
        let long = self.long;
        while let Some(target) = long.targets.get(self.reached.target) {
            if !self.of_target(target) {
                return false;
            }
            let Reached { target, .. } = self.reached;
            self.reached =
                Reached { target: target + 1, after: None, found: false, ..self.reached };
        }
        true
    }

    /// Goes on with what one word names; whether that is done.
    fn of_target(&mut self, target: &Target) -> bool {
        if let Target::Named(Selector::Job(id)) = target {
            if !self.takes_one() {
                return false;
            }
            match self.core.job(*id).filter(|_| id.cluster < self.long.until) {
                Some(job) => self.does(target, job),
                None => self.not_found(target, Some(*id)),
            }
            return true;
        }
        let until = self.long.until;
        for (id, cluster) in self.clusters(target).take_while(|(id, _)| *id < until) {
            if !self.of_cluster(target, id, cluster) {
                return false;
            }
        }
        if !self.reached.found && matches!(target, Target::Named(_)) {
            self.not_found(target, None);
        }
        true
    }

    /// The clusters among whose jobs those are that a word names, from where it is.
    fn clusters(&self, target: &Target) -> Box<dyn Iterator<Item = (ClusterId, &'a Cluster)> + 'a> {
        let core = self.core;
        let reached = self.reached.after.map_or(ClusterId(0), |after| after.cluster);
        match target {
            Target::Named(Selector::Cluster(id))
            | Target::Instead { cluster: id, .. }
            | Target::Vain { cluster: id, .. } => {
                let cluster = core.clusters.get_key_value(id);
                Box::new(cluster.map(|(id, cluster)| (*id, cluster)).into_iter())
            }
            Target::Named(Selector::Owner(owner)) => Box::new(core.clusters_of(owner, reached)),
            Target::All | Target::Constraint(_) => core.clusters_for(self.by, reached),
            Target::Along { others, .. } => {
                let among = core.may_go_along(&self.by.user, others, reached);
                Box::new(among.filter_map(|id| core.clusters.get(&id).map(|cluster| (id, cluster))))
            }
            Target::Named(Selector::Job(_)) => Box::new(std::iter::empty()),
        }
    }

    /// Goes on with the jobs of a cluster; whether they are done.
    fn of_cluster(&mut self, target: &Target, id: ClusterId, cluster: &'a Cluster) -> bool {
        let after = self.reached.after.filter(|after| after.cluster == id).map(|after| after.proc);
        if after == Some(LAST) {
            return true;
        }
        if !self.by.may_touch(cluster.owner()) {
            return self.is_not_ones_own(target, id);
        }
        if after.is_none() {
            self.of_factory(target, id, cluster);
        }
        let end = self.long.ends.get(&id).copied();
        let first = after.map_or(ProcId(0), ProcId::next);
        let jobs =
            cluster.procs_from(first).take_while(|job| end.is_none_or(|end| job.job.proc < end));
        for job in jobs {
            if !self.takes_one() {
                return false;
            }
            self.reached.after = Some(job.job);
            if self.selects(target, job) {
                self.does(target, job);
                self.reached.found = true;
            }
        }
        true
    }

    /// Of what is not one's own, each cluster is answered once.
    fn is_not_ones_own(&mut self, target: &Target, id: ClusterId) -> bool {
        if !self.takes_one() {
            return false;
        }
        self.reached.after = Some(JobId { cluster: id, proc: LAST });
        self.reached.found = true;
        if let Doing::Act(act) = &mut self.doing {
            act.denied(selector(target));
        }
        true
    }

    /// First what becomes of its jobs that are still to come, so that no more of them come
    /// meanwhile.
    fn of_factory(&mut self, target: &Target, id: ClusterId, cluster: &Cluster) {
        let act = match (&mut self.doing, target) {
            (Doing::Follow(facts), Target::Along { others, .. }) => {
                facts.extend(never_comes(cluster, others));
                return;
            }
            (Doing::Act(_), Target::Constraint(expr)) if !means_all_of(expr, cluster) => return,
            (Doing::Act(act), _) => act,
            (Doing::Edit { .. } | Doing::Follow(_), _) => return,
        };
        let before = act.results.len();
        act.factory(selector(target), id);
        if cluster.procs().next().is_some() {
            act.results.truncate(before);
        }
        self.reached.found |= act.results.len() > before;
    }

    fn selects(&self, target: &Target, job: JobRef<'_>) -> bool {
        let env = || env(self.now).with_meter(Arc::clone(&self.spent));
        match target {
            Target::Constraint(expr) => {
                let ad = ads::job_ad(job, self.now, self.core);
                ad.eval_expr(expr, None, &env()).is_true()
            }
            Target::Along { others, .. } => self.core.goes_along(self.now, job, others, &env()),
            Target::Vain { never, .. } => waits_for(job, never),
            Target::All | Target::Named(_) | Target::Instead { .. } => true,
        }
    }

    fn does(&mut self, target: &Target, job: JobRef<'_>) {
        let (core, now) = (self.core, self.now);
        match &mut self.doing {
            Doing::Act(act) => act.on(selector(target), job),
            Doing::Edit { .. } if !self.by.may_touch(job.cluster.owner()) => {}
            Doing::Edit { changes, dry_run, facts } => match core.edit_of(now, job, changes) {
                Some(edit) => {
                    self.reached.done += 1;
                    facts.extend(edit.into_iter().filter(|_| !*dry_run));
                }
                None => self.reached.refused = self.reached.refused.or(Some(job.job)),
            },
            Doing::Follow(facts) => {
                if let Some(reason) = reason(target) {
                    facts.extend(core.removal(now, job, reason));
                }
            }
        }
    }

    /// Whether there is room for one more job in the slice.
    fn takes_one(&mut self) -> bool {
        let room = self.left > 0 && self.spent.load(Ordering::Relaxed) < PAGE_STEPS;
        self.left = self.left.saturating_sub(1);
        room
    }

    fn not_found(&mut self, target: &Target, job: Option<JobId>) {
        if let Doing::Act(act) = &mut self.doing {
            let (selector, result) = (selector(target).cloned(), ActResult::NotFound);
            act.results.push(Acted { selector, job, result });
        }
    }
}

/// No job has this number: the cluster is done.
const LAST: ProcId = ProcId(u32::MAX);

fn edited(reached: &Reached) -> Edited {
    match (reached.refused, reached.done) {
        (Some(job), _) => Edited::TooMuch { job: Some(job), limit: EDITS_BYTES_MAX },
        (None, 0) if !reached.has_factories => Edited::NoJobs,
        (None, done) => Edited::Done(done),
    }
}

/// Why those are removed that a word names, if it says so.
fn reason(target: &Target) -> Option<String> {
    match target {
        Target::Along { driver, .. } => Some(reason_along(*driver)),
        Target::Instead { runs, .. } => Some(depend::runs_instead(*runs)),
        Target::Vain { never, .. } => Some(never_reason(never)),
        Target::All | Target::Constraint(_) | Target::Named(_) => None,
    }
}

fn selector(target: &Target) -> Option<&Selector> {
    match target {
        Target::Named(selector) => Some(selector),
        Target::All
        | Target::Constraint(_)
        | Target::Along { .. }
        | Target::Instead { .. }
        | Target::Vain { .. } => None,
    }
}
