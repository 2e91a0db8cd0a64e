//! Acts on very many jobs: done a slice at a time, so that everybody else is served in between. A
//! slice and how far it has come are one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{ClusterId, JobId, Now, ProcId};
use proto::client::{ActResult, Acted, Action, FrontEnd, Select, Selector};

use crate::core::ads;
use crate::core::job::description::env;
use crate::core::records::acts::{LongAct, Reached, Target};
use crate::core::state::core::{Cluster, Core};
use crate::core::users::act::Act;
use crate::core::users::query::PAGE_STEPS;
use crate::core::words::{ActFact, Actor, Change, Decision, Event, Fact, Slice};

impl Core {
    /// The act as one that is done a slice at a time, if it is about so many jobs.
    pub(crate) fn long_act(
        &self,
        by: &Actor,
        action: &Action,
        select: &Select,
        through: FrontEnd,
    ) -> Option<LongAct> {
        // What is forgotten by force is said to be over in the same moment.
        let is_forced = matches!(action, Action::Remove { force: true, .. });
        if is_forced || !self.is_about_many(by, select) {
            return None;
        }
        let id = self.acts.keys().next_back().map_or(1, |last| last + 1);
        Some(LongAct {
            id,
            user: by.user.clone(),
            superuser: by.superuser,
            action: action.clone(),
            through,
            targets: Target::of(select),
            until: self.meta.next_cluster,
            reached: Reached::default(),
        })
    }

    /// Whether a selection may name more jobs than one slice has.
    fn is_about_many(&self, by: &Actor, select: &Select) -> bool {
        let most = self.config.slice;
        let mut count = 0_usize;
        let mut add = |more: u32| {
            count = count.saturating_add(usize::try_from(more).unwrap_or(usize::MAX));
            count > most
        };
        match select {
            Select::All | Select::Constraint(_) => {
                self.clusters_for(by, ClusterId(0)).any(|(_, cluster)| add(cluster.left))
            }
            Select::Any(words) => words.iter().any(|word| match word {
                Selector::Job(_) => add(1),
                Selector::Cluster(id) => {
                    self.clusters.get(id).is_some_and(|cluster| add(cluster.left))
                }
                Selector::Owner(owner) => {
                    self.clusters_of(owner, ClusterId(0)).any(|(_, cluster)| add(cluster.left))
                }
            }),
        }
    }

    pub(crate) fn has_long_acts(&self) -> bool {
        !self.acts.is_empty()
    }

    /// The next slice of the act that was asked for first.
    pub(crate) fn act_on(&self, now: Now) -> Decision {
        let Some(act) = self.acts.values().next() else { return Decision::default() };
        let spent = Arc::new(AtomicU64::new(0));
        let by = Actor { user: act.user.clone(), superuser: act.superuser };
        let mut slice = OneSlice {
            core: self,
            now,
            by: &by,
            long: act,
            act: Act::new(self, now, &by, &act.action, act.through),
            reached: act.reached,
            left: self.config.slice,
            spent,
        };
        let is_last = slice.fill();
        let OneSlice { act: Act { mut facts, results, .. }, reached, .. } = slice;
        let id = act.id;
        facts.push(Fact::Act(match is_last {
            true => ActFact::Over { act: id },
            false => ActFact::Reached { act: id, reached },
        }));
        let events = facts.into_iter().map(|fact| Event { at: now, fact }).collect();
        Decision { events, reply: None, acted: Some(Slice { act: id, results, is_last }) }
    }

    pub(in crate::core) fn apply_act(&mut self, fact: &ActFact, change: &mut Change) {
        match fact {
            ActFact::Began(act) => {
                self.acts.insert(act.id, (**act).clone());
            }
            ActFact::Reached { act, reached } => {
                if let Some(act) = self.acts.get_mut(act) {
                    act.reached = *reached;
                }
            }
            ActFact::Over { act } => {
                self.acts.remove(act);
            }
        }
        change.acts = Some(self.acts.values().cloned().collect());
    }
}

/// A slice while it is decided.
struct OneSlice<'a> {
    core: &'a Core,
    now: Now,
    by: &'a Actor,
    long: &'a LongAct,
    act: Act<'a>,
    reached: Reached,
    /// How many more jobs may be looked at.
    left: usize,
    /// Steps of evaluation so far.
    spent: Arc<AtomicU64>,
}

impl OneSlice<'_> {
    /// Fills it; whether nothing is left to do behind it.
    fn fill(&mut self) -> bool {
        let long = self.long;
        while let Some(target) = long.targets.get(self.reached.target) {
            if !self.of_target(target) {
                return false;
            }
            self.reached = Reached { target: self.reached.target + 1, ..Reached::default() };
        }
        true
    }

    /// Goes on with what one word names; whether that is done.
    fn of_target(&mut self, target: &Target) -> bool {
        let core = self.core;
        if let Target::Named(Selector::Job(id)) = target {
            if !self.takes_one() {
                return false;
            }
            let named = core.job(*id).filter(|_| id.cluster < self.long.until);
            match named {
                Some(job) => self.act.on(selector(target), job),
                None => self.not_found(target, Some(*id)),
            }
            return true;
        }
        let reached = self.reached.after.map_or(ClusterId(0), |after| after.cluster);
        let clusters: Box<dyn Iterator<Item = _>> = match target {
            Target::Named(Selector::Cluster(id)) => {
                Box::new(core.clusters.get(id).map(|cluster| (*id, cluster)).into_iter())
            }
            Target::Named(Selector::Owner(owner)) => Box::new(core.clusters_of(owner, reached)),
            Target::All | Target::Constraint(_) => core.clusters_for(self.by, reached),
            Target::Named(Selector::Job(_)) => Box::new(std::iter::empty()),
        };
        for (id, cluster) in clusters.take_while(|(id, _)| *id < self.long.until) {
            if !self.of_cluster(target, id, cluster) {
                return false;
            }
        }
        if !self.reached.found && matches!(target, Target::Named(_)) {
            self.not_found(target, None);
        }
        true
    }

    /// Goes on with the jobs of a cluster; whether they are done.
    fn of_cluster(&mut self, target: &Target, id: ClusterId, cluster: &Cluster) -> bool {
        let before = self.act.results.len();
        let after = self.reached.after.filter(|after| after.cluster == id);
        let whole = !matches!(target, Target::Constraint(_));
        if after.is_none() && whole {
            // First, so that no more of them come meanwhile.
            self.act.factory(selector(target), id);
            if cluster.procs().next().is_some() {
                self.act.results.truncate(before);
            }
        }
        for job in cluster.procs_from(after.map_or(ProcId(0), |after| after.proc.next())) {
            if !self.takes_one() {
                return false;
            }
            self.reached.after = Some(job.job);
            let selected = match target {
                Target::Constraint(expr) => {
                    let env = env(self.now).with_meter(Arc::clone(&self.spent));
                    let ad = ads::job_ad(job, self.now, self.core);
                    ad.eval_expr(expr, None, &env).is_true()
                }
                Target::All | Target::Named(_) => true,
            };
            if selected {
                self.act.on(selector(target), job);
                self.reached.found = true;
            }
        }
        self.reached.found |= self.act.results.len() > before;
        true
    }

    /// Whether there is room for one more job in the slice.
    fn takes_one(&mut self) -> bool {
        let room = self.left > 0 && self.spent.load(Ordering::Relaxed) < PAGE_STEPS;
        self.left = self.left.saturating_sub(1);
        room
    }

    fn not_found(&mut self, target: &Target, job: Option<JobId>) {
        let (selector, result) = (selector(target).cloned(), ActResult::NotFound);
        self.act.results.push(Acted { selector, job, result });
    }
}

fn selector(target: &Target) -> Option<&Selector> {
    match target {
        Target::All | Target::Constraint(_) => None,
        Target::Named(selector) => Some(selector),
    }
}
