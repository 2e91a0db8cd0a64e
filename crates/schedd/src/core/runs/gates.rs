//! Which jobs of PBS's queues may start now: not those of a queue that is stopped, nor more than
//! `max_run` says, nor more of an array than it says itself (`max_run_subjobs`). Jobs that are in
//! no queue of PBS's go past.

use std::collections::BTreeMap;
use std::sync::Arc;

use classad::{ClassAd, Expr};
use model::queues::QueueSettings;
use model::{Cause, ClusterId, IdleReason, UserName, Verdict, attr};

use crate::core::state::classes::{ArrayLimit, Class};
use crate::core::state::core::{Claim, Core};
use crate::core::words::Change;

/// Runs by queue and owner; those of a queue, of an owner or of all have `None` there.
type Counted = BTreeMap<(Option<Arc<str>>, Option<UserName>), u64>;

/// How many more may start, as of a moment.
#[derive(Debug)]
pub(crate) struct Gates {
    /// Nothing if there are no limits.
    running: Option<Counted>,
    /// Runs of each array that limits them.
    arrays: BTreeMap<ClusterId, u64>,
}

impl Core {
    /// How many run now of whom, as far as anything limits that.
    pub(crate) fn gates(&self) -> Gates {
        let running = self.limits_queues().then(BTreeMap::new);
        let mut gates = Gates { running, arrays: BTreeMap::new() };
        if gates.running.is_some() {
            for class in self.classes.by_id.values().filter(|class| class.queue.is_some()) {
                gates.count(class, u64::try_from(class.busy.len()).unwrap_or(0));
            }
        }
        if self.classes.limited > 0 {
            // By run: a job that ran before its array was given a limit is of another class.
            for run in self.claims.values().filter_map(|claim| claim.record.run) {
                *gates.arrays.entry(run.job.cluster).or_default() += 1;
            }
        }
        gates
    }

    fn limits_queues(&self) -> bool {
        let settings = &self.settings;
        let mut all =
            std::iter::once(&settings.server).chain(settings.queues.iter().map(|(_, q)| q));
        all.any(|attributes| attributes.get("max_run").is_some())
    }

    /// Why the jobs of a class wait, if it is for their queue.
    pub(crate) fn queue_reason(&self, class: &Class) -> Option<IdleReason> {
        let cause = self.gates().closed(&self.settings, class)?;
        Some(IdleReason { verdict: Verdict::NotYet, cause })
    }

    /// A run began or ended: where there are limits, others may start now, or not any more.
    pub(in crate::core) fn note_places(&mut self) {
        if self.classes.limited > 0 || self.limits_queues() {
            self.look_at_queues();
        }
    }

    fn look_at_queues(&mut self) {
        let queued = self.classes.by_id.iter().filter(|(_, class)| class.queue.is_some());
        let ids: Vec<_> = queued.map(|(id, _)| *id).collect();
        self.classes.changed.extend(ids);
    }

    pub(in crate::core) fn put_settings(
        &mut self,
        settings: &Arc<QueueSettings>,
        change: &mut Change,
    ) {
        let nodes_change = self.settings.nodes != settings.nodes;
        self.settings = Arc::clone(settings);
        change.settings = Some(Arc::clone(settings));
        self.look_at_queues();
        if nodes_change {
            // What each class needs is told anew: it needs another machine.
            self.classes.changed.extend(self.classes.by_id.keys().copied());
            if let Some(negotiator) = &mut self.negotiator {
                negotiator.introduced = false;
            }
        }
    }

    /// What is said of server, queues and nodes.
    pub fn queue_settings(&self) -> Arc<QueueSettings> {
        Arc::clone(&self.settings)
    }

    /// Whether the claim's machine is not to be given new jobs.
    pub(crate) fn is_offline(&self, claim: &Claim) -> bool {
        let beside = claim.record.universe.is_beside();
        !beside && self.settings.is_offline(claim.record.machine.as_str())
    }

    /// What a class needs, of machines that may be given jobs.
    pub(crate) fn without_offline(&self, ad: Arc<ClassAd>) -> Arc<ClassAd> {
        let offline = self.settings.nodes.iter();
        let names = offline.filter(|(_, node)| node.get("state") == Some("offline"));
        let not_there = names.map(|(name, _)| {
            let quoted = classad::Value::from(name.as_str()).to_new();
            format!("TARGET.{} =!= {quoted}", attr::MACHINE)
        });
        let clauses: Vec<String> = not_there.collect();
        if clauses.is_empty() {
            return ad;
        }
        let own = ad.get(attr::REQUIREMENTS).map_or_else(|| "true".to_owned(), ToString::to_string);
        let text = format!("({own}) && {}", clauses.join(" && "));
        match Expr::parse(&text) {
            Ok(requirements) => {
                let mut changed = (*ad).clone();
                changed.set(attr::REQUIREMENTS, requirements);
                Arc::new(changed)
            }
            Err(_) => ad,
        }
    }
}

impl Gates {
    fn count(&mut self, class: &Class, runs: u64) {
        let Some(running) = &mut self.running else { return };
        for queue in [None, class.queue.clone()] {
            for owner in [None, Some(class.owner.clone())] {
                *running.entry((queue.clone(), owner)).or_default() += runs;
            }
        }
    }

    /// One more of the class runs.
    pub(crate) fn take(&mut self, class: &Class) {
        if let Some(limit) = class.array {
            *self.arrays.entry(limit.cluster).or_default() += 1;
        }
        if class.queue.is_some() {
            self.count(class, 1);
        }
    }

    /// How many jobs of the class may start.
    pub(crate) fn left(&self, core: &Core, class: &Class) -> u64 {
        let Some(name) = rules(class) else { return u64::MAX };
        if stopped(&core.settings, name).is_some() {
            return 0;
        }
        let of_queues = self
            .limits(&core.settings, class, name)
            .map(|(_, most, runs, _)| most.saturating_sub(runs))
            .min()
            .unwrap_or(u64::MAX);
        let of_array = self.left_of_array(class).map_or(u64::MAX, |(left, _)| left);
        of_queues.min(of_array)
    }

    /// How many more jobs of the class's array may start, and how many may run.
    fn left_of_array(&self, class: &Class) -> Option<(u64, u64)> {
        let limit = class.array?;
        let runs = self.arrays.get(&limit.cluster).copied().unwrap_or(0);
        Some((limit.most.saturating_sub(runs), limit.most))
    }

    /// Whether a job of the class may start where one of the class has ended just then.
    pub(crate) fn may_follow(&self, core: &Core, class: &Class) -> bool {
        let Some(name) = rules(class) else { return true };
        let runs_of = |limit: ArrayLimit| self.arrays.get(&limit.cluster).copied().unwrap_or(0);
        stopped(&core.settings, name).is_none()
            && class.array.is_none_or(|limit| runs_of(limit) <= limit.most)
            && self.limits(&core.settings, class, name).all(|(_, most, runs, _)| runs <= most)
    }

    fn closed(&self, settings: &QueueSettings, class: &Class) -> Option<Cause> {
        let name = rules(class)?;
        if let Some(cause) = stopped(settings, name) {
            return Some(cause);
        }
        if let Some((0, most)) = self.left_of_array(class) {
            return Some(Cause::ArrayLimit { most });
        }
        let mut limits = self.limits(settings, class, name);
        let (queue, most, _, of_owner) = limits.find(|(_, most, runs, _)| runs >= most)?;
        Some(Cause::QueueLimit { queue: queue.map(str::to_owned), most, of_owner })
    }

    /// Each limit of the class: of which queue or of the server, how many, how many run, and
    /// whether it is the owner's.
    fn limits<'a>(
        &self,
        settings: &QueueSettings,
        class: &Class,
        name: &'a str,
    ) -> impl Iterator<Item = (Option<&'a str>, u64, u64, bool)> {
        let mut all = Vec::new();
        let places = [(None, Some(&settings.server)), (Some(name), settings.queue(name))];
        for (queue, attributes) in places {
            let (Some(running), Some(attributes)) = (&self.running, attributes) else { continue };
            let limits = attributes.limits("max_run");
            let runs = |owner: Option<&UserName>| {
                let key = (queue.and(class.queue.clone()), owner.cloned());
                running.get(&key).copied().unwrap_or(0)
            };
            if let Some(most) = limits.of_all() {
                all.push((queue, most, runs(None), false));
            }
            if let Some((most, _)) = limits.of_user(class.owner.as_str()) {
                all.push((queue, most, runs(Some(&class.owner)), true));
            }
        }
        all.into_iter()
    }
}

/// The queue whose rules the class is under.
fn rules(class: &Class) -> Option<&str> {
    class.queue.as_deref().filter(|_| !class.is_forced && !class.universe.is_beside())
}

fn stopped(settings: &QueueSettings, queue: &str) -> Option<Cause> {
    if !settings.server.is("scheduling") {
        return Some(Cause::QueueStopped { queue: None });
    }
    let is_started = settings.queue(queue).is_some_and(|queue| queue.is("started"));
    (!is_started).then(|| Cause::QueueStopped { queue: Some(queue.to_owned()) })
}
