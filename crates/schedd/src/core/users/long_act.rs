//! Acts on very many jobs: done a slice at a time, so that everybody else is served in between. A
//! slice and how far it has come are one transaction.
//!
//! Which acts these are, how many there may be, and whose turn it is; `slice` does one slice.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use model::{ClusterId, Now, ProcId, UserName};
use proto::client::{Action, FrontEnd, Refusal, Select, Selector};

use crate::core::records::acts::{
    ACTS, ACTS_OF_USER, ACTS_WORDS, ACTS_WORDS_OF_USER, Deed, LongAct, Reached, Target,
};
use crate::core::state::core::{Cluster, Core};
use crate::core::users::slice::OneSlice;
use crate::core::words::{ActFact, Actor, Change, Decision, Event, Fact};

impl Core {
    /// The act as one that is done a slice at a time, if it is about so many jobs.
    ///
    /// # Errors
    /// If too many such acts are under way.
    pub(crate) fn long_act(
        &self,
        by: &Actor,
        action: &Action,
        select: &Select,
        through: FrontEnd,
    ) -> Result<Option<LongAct>, Refusal> {
        // What is forgotten by force is said to be over in the same moment.
        let is_forced = matches!(action, Action::Remove { force: true, .. });
        if is_forced || !self.is_about_many(by, select, self.config.slice) {
            return Ok(None);
        }
        let deed = Deed::Act { action: action.clone(), through };
        self.begun(by, deed, select).map(Some)
    }

    /// An act as it begins.
    ///
    /// # Errors
    /// If too many are under way.
    pub(crate) fn begun(
        &self,
        by: &Actor,
        deed: Deed,
        select: &Select,
    ) -> Result<LongAct, Refusal> {
        let targets = Target::of(select);
        self.check_room(by, targets.len())?;
        let asks = matches!(select, Select::Constraint(_)) || matches!(deed, Deed::Edit { .. });
        Ok(LongAct {
            id: self.next_act(),
            user: by.user.clone(),
            superuser: by.superuser,
            deed,
            targets: targets.into(),
            until: self.meta.next_cluster,
            ends: if asks { self.factory_ends(by) } else { BTreeMap::new() },
            reached: Reached::default(),
        })
    }

    /// An act that nobody asked for: it is begun however many are under way.
    pub(crate) fn implied_act(&self, user: UserName, deed: Deed, targets: Vec<Target>) -> LongAct {
        LongAct {
            id: self.next_act(),
            user,
            superuser: true,
            deed,
            targets: targets.into(),
            until: self.meta.next_cluster,
            ends: BTreeMap::new(),
            reached: Reached::default(),
        }
    }

    fn next_act(&self) -> u64 {
        self.acts.keys().next_back().map_or(1, |last| last + 1)
    }

    /// Acts that follow from others are not counted: there is one a user.
    fn check_room(&self, by: &Actor, words: usize) -> Result<(), Refusal> {
        let ordered = || self.acts.values().filter(|act| !act.follows());
        let busy = |what: String| Err(Refusal::Busy(format!("act on very many jobs: {what}")));
        let (own, known) = counted(ordered().filter(|act| act.user == by.user));
        if own >= ACTS_OF_USER || known + words > ACTS_WORDS_OF_USER {
            let own = format!("{own} such with {known} words under way");
            return busy(format!("{} has {own} already", by.user));
        }
        let (all, known) = counted(ordered());
        if all >= ACTS || known + words > ACTS_WORDS {
            return busy(format!("{all} such of all users with {known} words are under way"));
        }
        Ok(())
    }

    /// The first of the jobs that are still to come of each factory that somebody may touch.
    fn factory_ends(&self, by: &Actor) -> BTreeMap<ClusterId, ProcId> {
        let first = |cluster: &Cluster| Some(ProcId(cluster.later.pieces().next()?.0));
        let clusters = self.clusters_for(by, ClusterId(0));
        clusters.filter_map(|(id, cluster)| Some((id, first(cluster)?))).collect()
    }

    /// Whether a selection may name more jobs than `most`. Of what is not one's own nothing is done
    /// to any job.
    pub(super) fn is_about_many(&self, by: &Actor, select: &Select, most: usize) -> bool {
        let mut count = 0_usize;
        let mut add = |cluster: &Cluster| {
            let jobs = if by.may_touch(cluster.owner()) { cluster.left } else { 1 };
            count = count.saturating_add(usize::try_from(jobs).unwrap_or(usize::MAX));
            count > most
        };
        match select {
            Select::All | Select::Constraint(_) => {
                self.clusters_for(by, ClusterId(0)).any(|(_, cluster)| add(cluster))
            }
            Select::Any(words) => {
                let single = words.iter().filter(|word| matches!(word, Selector::Job(_))).count();
                single > most
                    || words.iter().any(|word| match word {
                        Selector::Job(_) => false,
                        Selector::Cluster(id) => self.clusters.get(id).is_some_and(&mut add),
                        Selector::Owner(owner) => {
                            self.clusters_of(owner, ClusterId(0)).any(|(_, cluster)| add(cluster))
                        }
                    })
            }
        }
    }

    pub(crate) fn has_long_acts(&self) -> bool {
        !self.acts.is_empty()
    }

    /// The act that has its turn: each user's are done one after the other, and users take turns.
    /// What follows from something else waits behind nobody's orders.
    fn act_in_turn(&self) -> Option<&LongAct> {
        let mut first: BTreeMap<(&UserName, bool), &LongAct> = BTreeMap::new();
        for act in self.acts.values() {
            first.entry((&act.user, act.follows())).or_insert(act);
        }
        let served = self.act_served.as_ref().map(|(user, follows)| (user, *follows));
        let behind = served.map_or(Bound::Unbounded, Bound::Excluded);
        let next = first.range((behind, Bound::Unbounded)).next();
        next.or_else(|| first.first_key_value()).map(|(_, act)| *act)
    }

    /// The next slice of the act that has its turn.
    pub(crate) fn act_on(&self, now: Now) -> Decision {
        let Some(act) = self.act_in_turn() else { return Decision::default() };
        let by = Actor { user: act.user.clone(), superuser: act.superuser, uid: None };
        let done = OneSlice::of(self, now, &by, act).fill();
        let mut facts = done.facts;
        facts.push(Fact::Act(match done.slice.is_last {
            true => ActFact::Over { act: act.id },
            false => ActFact::Reached { act: act.id, reached: done.reached },
        }));
        let events = facts.into_iter().map(|fact| Event { at: now, fact }).collect();
        Decision { events, reply: None, acted: Some(done.slice) }
    }

    pub(in crate::core) fn apply_act(&mut self, fact: &ActFact, change: &mut Change) {
        match fact {
            ActFact::Began(act) => {
                self.acts.insert(act.id, (**act).clone());
            }
            ActFact::Follows { user, target } => self.add_following(user, target),
            ActFact::Reached { act, reached } => {
                if let Some(act) = self.acts.get_mut(act) {
                    act.reached = *reached;
                    self.act_served = Some((act.user.clone(), act.follows()));
                }
            }
            ActFact::Over { act } => {
                if let Some(act) = self.acts.remove(act) {
                    self.act_served = Some((act.user.clone(), act.follows()));
                }
            }
        }
        change.acts = !matches!(fact, ActFact::Reached { .. });
        change.reached = Some(self.acts.iter().map(|(id, act)| (*id, act.reached)).collect());
    }

    /// Another word of what follows for a user's jobs, and the act if none was under way.
    fn add_following(&mut self, user: &UserName, target: &Target) {
        let (id, until) = (self.next_act(), self.meta.next_cluster);
        let known = self.acts.values_mut().find(|act| act.follows() && act.user == *user);
        if let Some(act) = known {
            let targets = Arc::make_mut(&mut act.targets);
            // What is done with is not written again with each word that comes.
            targets.drain(..std::mem::take(&mut act.reached.target));
            targets.push(target.clone());
            act.until = until;
            return;
        }
        let act = LongAct {
            id,
            user: user.clone(),
            superuser: false,
            deed: Deed::Follow,
            targets: Arc::new(vec![target.clone()]),
            until,
            ends: BTreeMap::new(),
            reached: Reached::default(),
        };
        self.acts.insert(id, act);
    }
}

/// How many acts there are, and how many words they have.
fn counted<'a>(acts: impl Iterator<Item = &'a LongAct>) -> (usize, usize) {
    acts.fold((0, 0), |(acts, words), act| (acts + 1, words + act.targets.len()))
}
