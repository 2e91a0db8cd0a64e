//! A DAG in the simulated world: what dagman's shell does around the real core, and what survives
//! it. Its jobs are jobs of the first schedd like any other; what it hears of them is that schedd's
//! durable record.
//!
//! It is killed between two batches, before its journal is written, and behind that with none or
//! some of what follows done; a loss of power takes what the journal had not synced. Scripts take
//! their time, and are as dead as it is.
//!
//! Knows not what a DAG should come to: `check` does, which asks no core.

mod check;
pub(super) mod host;
pub(super) mod plan;

use std::sync::Arc;

use classad::Expr;
use dagman::core::{Core, Effect, Input, ScriptEnd, run_batch};
use dagman::shell::{NODE_RETRY, fact, own_job, token};
use dagman::workflow::NodeIndex;
use model::{ClusterId, JobState, Seq, UserName, attr};
use proto::client::{
    Action, Answer, AskSchedd, FrontEnd, Query, Recorded, Refusal, Select, Selector,
};
use schedd::core::Actor;

use super::clock::{MILLISECOND, Micros, SECOND};
use super::event::{DagEvent, Event, Ticket};
use super::oracle::Oracle;
use super::rng::Rng;
use super::world::World;

use check::Jobs;
use host::{DagDoom, DagHost, Line, Purpose};
use plan::{DagPlan, OWNER};

/// The number of the DAG's own job, which is none of the world's.
const DAG: ClusterId = ClusterId(900_000);

/// How often dagman looks, milliseconds apart.
const LOOK: (u64, u64) = (20, 1000);

/// How long a request without an answer is left alone.
const AGAIN: Micros = SECOND;

fn actor() -> Actor {
    Actor { user: UserName::new(OWNER), superuser: false, uid: None }
}

impl World {
    /// One world in eight has a DAG besides. What it is, is drawn from another source, so that the
    /// worlds without one stay as they are.
    pub(crate) fn draw_dag(&mut self, seed: u64) {
        if seed % 8 != 3 {
            return;
        }
        let mut rng = Rng::new(seed ^ 0xda6);
        let plan = DagPlan::draw(&mut rng);
        let kills = rng.pick(&[None, Some(2 * SECOND), Some(20 * SECOND)]);
        self.begin_dag(plan, kills);
    }

    pub(crate) fn begin_dag(&mut self, plan: DagPlan, kills: Option<Micros>) {
        self.dag = Some(DagHost::new(plan, kills));
        self.agenda.put(self.now + SECOND, Event::Dag(DagEvent::Start));
        if let Some(mean) = kills {
            let pause = self.rng.between(1, 2 * mean);
            self.agenda.put(self.now + pause, Event::Dag(DagEvent::Kill));
        }
    }

    pub(crate) fn dag_happens(&mut self, event: DagEvent) {
        let Some(dag) = &mut self.dag else { return };
        match event {
            DagEvent::Start => self.dag_start(),
            DagEvent::Look { life, turn } if (life, turn) == (dag.life, dag.turn) => {
                self.dag_looks();
            }
            DagEvent::Script { life, node, retry, script } if life == dag.life => {
                let code = dag.check.script_code(node, retry, script);
                dag.ended.push((node, retry, script));
                let end = ScriptEnd::Exited(code);
                dag.inputs.push(Input::ScriptEnded { node, retry, script, end });
                self.dag_goes_on();
            }
            DagEvent::Again { life, ticket } if life == dag.life => {
                if let Some(purpose) = dag.asks.remove(&ticket) {
                    self.dag_asks(again(purpose));
                }
            }
            DagEvent::Look { .. } | DagEvent::Script { .. } | DagEvent::Again { .. } => {}
            DagEvent::Kill => self.dag_is_killed_by_chance(),
        }
    }

    fn dag_is_killed_by_chance(&mut self) {
        if self.calm_since.is_some() {
            return;
        }
        match self.rng.below(4) {
            0 => self.doom_dag(DagDoom::BeforeJournal),
            1 => self.doom_dag(DagDoom::BeforeEffects),
            _ => self.kill_dag(false),
        }
        let mean = self.dag.as_ref().and_then(|dag| dag.kills).unwrap_or(SECOND);
        let pause = self.rng.between(1, 2 * mean);
        self.agenda.put(self.now + pause, Event::Dag(DagEvent::Kill));
    }

    /// It is to die in its next batch in which something happens.
    pub(crate) fn doom_dag(&mut self, doom: DagDoom) {
        if let Some(dag) = &mut self.dag {
            dag.doom = Some(doom);
        }
    }

    /// It dies and comes again; with its machine, if the power was lost.
    pub(crate) fn kill_dag(&mut self, power: bool) {
        let Some(dag) = &mut self.dag else { return };
        if dag.is_over() || dag.core.is_none() {
            return;
        }
        dag.life += 1;
        (dag.core, dag.doom) = (None, None);
        dag.inputs.clear();
        dag.ended.clear();
        dag.effects.clear();
        dag.asks.clear();
        dag.known.clear();
        if power {
            dag.journal.truncate(dag.synced);
        }
        let pause = self.rng.between(10 * MILLISECOND, 5 * SECOND);
        self.note(|| "dagman is killed".to_owned());
        self.agenda.put(self.now + pause, Event::Dag(DagEvent::Start));
    }

    fn dag_start(&mut self) {
        let Some(dag) = &mut self.dag else { return };
        let plan = &dag.check.plan;
        let mut core = Core::new(Arc::new(plan.workflow()), plan.options());
        dag.next = Seq(1);
        for line in &dag.journal {
            match line {
                Line::Event(text) => {
                    let event = serde_json::from_str(text);
                    core.apply(&event.unwrap_or_else(|error| panic!("read {text}: {error}")));
                }
                Line::Next(next) => dag.next = *next,
            }
        }
        if dag.journal.is_empty() {
            dag.inputs.push(Input::Begin);
        }
        dag.core = Some(core);
        self.dag_asks(Purpose::Known);
    }

    /// What is new on the record; a part of it, if a page ends there.
    fn dag_looks(&mut self) {
        let calm = self.calm_since.is_some();
        let most = self.rng.between(1, 40);
        let Some(dag) = &mut self.dag else { return };
        let Some(core) = &dag.core else { return };
        if dag.asks.is_empty() {
            let news = dag.record.iter().filter(|entry| entry.seq >= dag.next);
            let mut next = dag.next;
            for entry in news.take(usize::try_from(most).unwrap_or(1)) {
                next = entry.seq.next();
                if let Some((job, fact)) = fact(entry)
                    && core.node_of(job.cluster).is_some()
                {
                    dag.inputs.push(Input::Job { job, fact });
                }
            }
            dag.next = next;
            if calm && dag.check.has_held(&self.oracle) {
                self.dag_asks(Purpose::Release);
            }
        }
        self.dag_goes_on();
    }

    /// Does what is to be done, and what follows of it, until it must wait.
    fn dag_goes_on(&mut self) {
        loop {
            if !self.dag_performs() {
                return;
            }
            let now = self.schedds[0].clock.now(self.now);
            let Some(dag) = &mut self.dag else { return };
            let Some(core) = &mut dag.core else { return };
            let inputs = std::mem::take(&mut dag.inputs);
            let batch = run_batch(core, now, &inputs, |_, _| {});
            let more = batch.more || !batch.effects.is_empty();
            let deadline = core.next_deadline();
            let doom = dag.doom.filter(|_| !batch.events.is_empty());
            if doom == Some(DagDoom::BeforeJournal) {
                return self.kill_dag(false);
            }
            dag.put(&batch.events);
            dag.effects.extend(batch.effects);
            if doom == Some(DagDoom::BeforeEffects) {
                let done = self.rng.index(dag.effects.len() + 1);
                dag.effects.truncate(if self.scenario.is_some() { 0 } else { done });
                self.dag_performs();
                return self.kill_dag(false);
            }
            self.note(|| format!("dagman: {:?}", batch.events));
            if !more {
                let wait = self.rng.between(LOOK.0, LOOK.1);
                let wait = deadline.map_or(wait, |at| wait.min(at.saturating_sub(now.boot_ms)));
                return self.dag_looks_in(wait.max(1) * MILLISECOND);
            }
        }
    }

    fn dag_looks_in(&mut self, pause: Micros) {
        let Some(dag) = &mut self.dag else { return };
        dag.turn += 1;
        let (life, turn) = (dag.life, dag.turn);
        self.agenda.put(self.now + pause, Event::Dag(DagEvent::Look { life, turn }));
    }

    /// Does what is to be done. False if something is asked whose answer comes first, or all is
    /// over.
    fn dag_performs(&mut self) -> bool {
        loop {
            let Some(dag) = &mut self.dag else { return false };
            if !dag.asks.is_empty() || dag.is_over() {
                return false;
            }
            let Some(effect) = dag.effects.pop_front() else { return true };
            match effect {
                Effect::Submit { node, retry } => {
                    self.dag_submits(node, retry);
                    // those that stand together are made together
                    while let Some(dag) = &mut self.dag
                        && let Some(Effect::Submit { node, retry }) = dag.effects.front().cloned()
                    {
                        dag.effects.pop_front();
                        self.dag_submits(node, retry);
                    }
                }
                Effect::RunScript { node, retry, script } => {
                    let slow = self.rng.percent(10);
                    let longest = if slow { 40 * SECOND } else { SECOND };
                    let at = self.now + self.rng.between(MILLISECOND, longest);
                    let Some(dag) = &mut self.dag else { return false };
                    let begun = dag.check.script_began(node, retry, script, &self.oracle);
                    let life = dag.life;
                    self.agenda.put(at, Event::Dag(DagEvent::Script { life, node, retry, script }));
                    self.require(begun);
                }
                Effect::RemoveCluster { cluster, .. } => {
                    let select = Select::Any(vec![Selector::Cluster(cluster)]);
                    self.dag_asks(Purpose::Remove(select));
                }
                Effect::RemoveAll { .. } => self.dag_asks(Purpose::Remove(all_jobs())),
                Effect::SavePoint { .. } => {}
                Effect::Finish { status, rescue } => {
                    dag.check.finished = Some((status, rescue));
                }
            }
        }
    }

    fn dag_submits(&mut self, node: NodeIndex, retry: u32) {
        let Some(dag) = &mut self.dag else { return };
        let name = dag.check.plan.name(node);
        match dag.known.get(&(name, retry)).copied() {
            Some((cluster, jobs)) => {
                dag.inputs.push(Input::Submitted { node, retry, cluster, jobs });
            }
            None => self.dag_asks(Purpose::Reserve { node, retry }),
        }
    }

    fn dag_asks(&mut self, purpose: Purpose) {
        let Some(dag) = &mut self.dag else { return };
        dag.last_ticket += 1;
        let ticket = Ticket(dag.last_ticket);
        if let Purpose::Submit { node, retry, cluster } = &purpose {
            dag.check.asked(*cluster, *node, *retry);
        }
        let plan = &dag.check.plan;
        let ask = match &purpose {
            Purpose::Known => {
                let constraint = of_dag().parse::<Expr>().ok();
                AskSchedd::QueryJobs(Query { constraint, ..Query::of(Select::All) })
            }
            Purpose::Reserve { node, retry } => {
                AskSchedd::ReserveCluster { token: token(DAG, 0, &plan.name(*node), *retry) }
            }
            Purpose::Submit { node, retry, cluster } => {
                let mut spec = plan.spec(*node, *retry);
                spec.ad.set(attr::DAGMAN_JOB_ID, i64::from(DAG.0));
                spec.ad.set(attr::DAG_NODE_NAME, plan.name(*node));
                spec.ad.set(NODE_RETRY, i64::from(*retry));
                let token = token(DAG, 0, &plan.name(*node), *retry);
                AskSchedd::Submit { token, cluster: *cluster, spec: Box::new(spec) }
            }
            Purpose::Remove(select) => {
                let action = Action::Remove { reason: None, force: false };
                AskSchedd::Act { action, select: select.clone(), through: FrontEnd::DagMan }
            }
            Purpose::Release => {
                let action = Action::Release { reason: None };
                AskSchedd::Act { action, select: all_jobs(), through: FrontEnd::DagMan }
            }
        };
        dag.asks.insert(ticket, purpose);
        self.ask(0, ticket, actor(), ask);
    }

    /// An answer comes, or is lost.
    pub(crate) fn dag_answered(&mut self, ticket: Ticket, answer: Option<Answer>) {
        let lost = self.calm_since.is_none() && self.rng.percent(4);
        let Some(dag) = &mut self.dag else { return };
        let Some(purpose) = dag.asks.get(&ticket).cloned() else { return };
        let life = dag.life;
        let Some(answer) = answer.filter(|_| !lost) else {
            let at = self.now + self.rng.between(MILLISECOND, AGAIN);
            return self.agenda.put(at, Event::Dag(DagEvent::Again { life, ticket }));
        };
        dag.asks.remove(&ticket);
        match (purpose, answer) {
            (Purpose::Known, Answer::Ads(ads)) => {
                for own in ads.iter().filter_map(own_job) {
                    dag.known.insert((own.node, own.retry), (own.cluster, own.jobs));
                }
                let resumed = dag.core.as_ref().map(Core::resume).unwrap_or_default();
                dag.effects.extend(resumed);
            }
            (Purpose::Reserve { node, retry }, Answer::Reserved(cluster)) => {
                self.dag_asks(Purpose::Submit { node, retry, cluster });
            }
            (Purpose::Submit { node, retry, .. }, Answer::Submitted { cluster, procs: jobs }) => {
                dag.inputs.push(Input::Submitted { node, retry, cluster, jobs });
                let kept = self.oracle.acknowledged(cluster, jobs, &UserName::new(OWNER));
                self.require(kept);
            }
            (Purpose::Submit { node, retry, .. }, Answer::Refused(Refusal::NotReserved(_))) => {
                self.dag_asks(Purpose::Reserve { node, retry });
            }
            (Purpose::Remove(_) | Purpose::Release, Answer::Acted(_)) => {}
            (purpose, answer) => self.fail(format!("{purpose:?} was answered {answer:?}")),
        }
        self.dag_goes_on();
    }

    /// A transaction of the first schedd is durable.
    pub(crate) fn dag_hears(&mut self, s: usize, recorded: &[Recorded]) {
        let Some(dag) = self.dag.as_mut().filter(|_| s == 0) else { return };
        dag.record.extend(recorded.iter().cloned());
        let sound = recorded.iter().try_for_each(|entry| dag.check.heard(entry, &self.oracle));
        self.require(sound);
    }
}

/// A submission is begun from its beginning, as the client does it.
fn again(purpose: Purpose) -> Purpose {
    match purpose {
        Purpose::Submit { node, retry, .. } => Purpose::Reserve { node, retry },
        Purpose::Known | Purpose::Reserve { .. } | Purpose::Remove(_) | Purpose::Release => purpose,
    }
}

fn of_dag() -> String {
    format!("{} == {DAG}", attr::DAGMAN_JOB_ID)
}

fn all_jobs() -> Select {
    Select::Constraint(of_dag().parse().unwrap_or_else(|error| panic!("a constraint: {error}")))
}

impl Jobs for Oracle {
    fn states(&self, cluster: ClusterId) -> Vec<&JobState> {
        let all = self.jobs().filter(|(job, _)| job.cluster == cluster);
        all.map(|(_, state)| state).collect()
    }
}
