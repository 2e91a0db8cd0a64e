//! Liveness: once the faults are over, everything must come to its end within a bound. Says what
//! has not.

use classad::{Env, requirements_hold};
use model::{JobId, JobState, Now, attr};

use super::clock::{HostClock, Micros, SECOND};
use super::event::{Daemon, Event};
use super::gangs;
use super::reservations::{Promised, are_there};
use super::schedd::schedd_of;
use super::workload;
use super::world::World;

/// How often it is looked whether all is done.
const LOOK_EVERY: Micros = 2 * SECOND;

/// In what time all must be done: the longest jobs of all users one after the other on one slot,
/// every lease, and the longest back-off. Far more than is ever needed; what is stuck stays stuck.
const BOUND: Micros = 3 * 3600 * SECOND;

/// So many seconds after its end a reservation is gone, when nothing stands in the way.
const GONE_BY_S: i64 = 120;

impl World {
    pub(crate) fn look(&mut self) {
        let Some(since) = self.calm_since else { return };
        match self.unfinished() {
            None => {
                self.settled = true;
                let dag = self.dag.as_ref();
                let right = dag.map_or(Ok(()), |dag| dag.check.is_right(&self.oracle));
                self.require(right);
            }
            Some(what) if self.now > since + self.bound() => {
                self.fail(format!("{} s after the faults: {what}", (self.now - since) / SECOND));
            }
            Some(_) => {
                self.continue_all();
                self.agenda.put(self.now + LOOK_EVERY, Event::Look);
            }
        }
    }

    /// A job that starts at a time by one clock may wait for it by another: as long as both
    /// together were ever wrong.
    fn bound(&self) -> Micros {
        let schedds = self.schedds.iter().map(|schedd| &schedd.clock);
        let clocks = schedds.chain(self.machines.iter().map(|machine| &machine.clock));
        BOUND + 2 * clocks.map(HostClock::most_wrong).max().unwrap_or(0)
    }

    /// The first thing that is not done.
    pub(crate) fn unfinished(&self) -> Option<String> {
        if self.users.are_waiting() {
            return Some("a user still waits for the answer to a submission".to_owned());
        }
        if self.dag.as_ref().is_some_and(|dag| !dag.is_over()) {
            return Some("the DAG is not over".to_owned());
        }
        if let Some(run) = self.oracle.live_runs().first().copied().or(self.oracle.parts.first()) {
            return Some(format!("run {run} still runs"));
        }
        if let Some(what) = self.outlived_reservation() {
            return Some(what);
        }
        let jobs = self.oracle.jobs().find_map(|(job, state)| self.unfinished_job(job, state));
        jobs.or_else(|| self.unfinished_claims())
    }

    /// What schedds have promised to the owners of reservations is there.
    pub(crate) fn check_bookings(&mut self) {
        let cores = self.schedds.iter().enumerate();
        let cores = cores.filter_map(|(s, schedd)| Some((s, schedd.core.as_ref()?)));
        let all: Vec<Promised> = cores
            .flat_map(|(s, core)| {
                let settings = core.queue_settings();
                let all = settings
                    .reservations
                    .iter()
                    .filter_map(|(queue, one)| Promised::of(format!("{queue} of schedd{s}"), one));
                all.collect::<Vec<_>>()
            })
            .collect();
        let there = self
            .machines
            .iter()
            .try_for_each(|machine| are_there(&all, &machine.name(), &machine.kind.total));
        self.require(there);
    }

    /// A reservation whose time is over goes with its jobs.
    fn outlived_reservation(&self) -> Option<String> {
        self.schedds.iter().enumerate().find_map(|(s, schedd)| {
            let now = schedd.clock.now(self.now).wall.as_secs();
            let settings = schedd.core.as_ref()?.queue_settings();
            let over = |end: i64| now > end + GONE_BY_S;
            let mut all = settings.reservations.iter();
            let (name, _) = all.find(|(_, one)| over(one.window.end.as_secs()))?;
            Some(format!("reservation {name} of schedd{s} is over and still there"))
        })
    }

    fn unfinished_job(&self, job: JobId, state: &JobState) -> Option<String> {
        match state {
            JobState::Held(_) => self.oracle.is_stuck(job, state),
            JobState::Completed { .. } | JobState::Removed { .. } => None,
            JobState::Running(_) | JobState::Suspended { .. } | JobState::Stopping { .. } => {
                Some(format!("job {job} is {state:?}"))
            }
            JobState::Idle { .. } if self.oracle.may_come_later(job) => None,
            JobState::Idle { .. } => self.unfinished_idle(job),
        }
    }

    /// A job may stay idle only if it cannot run, and then it says so.
    fn unfinished_idle(&self, job: JobId) -> Option<String> {
        let schedd = &self.schedds[schedd_of(job.cluster)];
        let now = schedd.clock.now(self.now);
        let ad = schedd.core.as_ref().and_then(|core| core.job_ad(now, job));
        let Some(ad) = ad else { return Some(format!("idle job {job} has no ad")) };
        let said = |name: &str| ad.eval(name, None, &Env::at(0)).as_str().unwrap_or("").to_owned();
        let verdict = said(attr::IDLE_VERDICT);
        let can_run = if self.oracle.is_beside(job) {
            self.can_run_beside(job, &ad, now)
        } else {
            (0..self.machines.len()).any(|m| self.can_run(m, &ad, now))
                || self.can_run_on_several(&ad, now)
        };
        (can_run || verdict != "never").then(|| {
            let why = said(attr::LAST_REJ_MATCH_REASON);
            format!("job {job} is idle, can run: {can_run}, and the reason is '{why}'")
        })
    }

    /// Whether machines that do nothing else have a place for each part of the job.
    fn can_run_on_several(&self, job: &classad::ClassAd, now: Now) -> bool {
        let Some((part, parts)) = gangs::part_of(job) else { return false };
        let machines = (0..self.machines.len()).filter(|m| self.can_run(*m, &part, now));
        if model::hosts(job) > 1 {
            return machines.count() >= parts;
        }
        let most = machines.map(|m| {
            let total = &self.machines[m].kind.total;
            let by_memory = usize::try_from(total.memory_mib / 128).unwrap_or(usize::MAX);
            let arms = part.literal("RequestArm").and_then(classad::Value::as_i64);
            let by_arms = arms.and_then(|arms| usize::try_from(arms).ok()).filter(|arms| *arms > 0);
            let all_arms = total.custom.get("arm").copied().unwrap_or(0);
            let by_arms = by_arms
                .map_or(usize::MAX, |arms| usize::try_from(all_arms).unwrap_or(usize::MAX) / arms);
            by_memory.min(by_arms).min(usize::try_from(total.cpus).unwrap_or(usize::MAX))
        });
        most.sum::<usize>() >= parts
    }

    /// Whether the machine could run the job if it did nothing else.
    fn can_run(&self, m: usize, job: &classad::ClassAd, now: Now) -> bool {
        if model::hosts(job) > 1 {
            return false;
        }
        let empty =
            startd::core::Core::new(self.machine_words(m, now), startd::core::State::default());
        let env = Env::at(now.wall.as_secs());
        let slots = empty.machine_state(now).slots;
        slots.iter().any(|slot| {
            requirements_hold(job, slot, &env)
                && requirements_hold(slot, job, &env)
                && workload::exceeded(workload::uses(job, slot).into_iter()).is_none()
        })
    }

    /// Whether the schedd's machine suits a job that is to run beside the schedd.
    fn can_run_beside(&self, id: JobId, job: &classad::ClassAd, now: Now) -> bool {
        let env = Env::at(now.wall.as_secs());
        self.schedds[schedd_of(id.cluster)]
            .core
            .as_ref()
            .is_some_and(|core| requirements_hold(job, &core.schedd_ad(), &env))
    }

    fn unfinished_claims(&self) -> Option<String> {
        for (s, schedd) in self.schedds.iter().enumerate() {
            if let Some(claim) = schedd.store.claims().next() {
                return Some(format!("schedd{s} still has claim {claim}"));
            }
        }
        for (m, machine) in self.machines.iter().enumerate() {
            if !machine.startd.is_idle() {
                return Some(format!("startd{m} still has a claim, or does not run"));
            }
            if let Some((key, kept)) = machine.runs.first_key_value() {
                return Some(format!("launcher{m} still keeps {key}, run {}", kept.run));
            }
            if let Some(key) = machine.scratch.first() {
                return Some(format!("machine{m} still has the folder of {key}"));
            }
            if !self.is_alive(Daemon::Launcher(m)) {
                return Some(format!("launcher{m} does not run"));
            }
        }
        let known = self.negotiator.core.as_ref().map_or(0, |core| core.pool().len());
        (known != self.machines.len()).then(|| format!("the negotiator knows {known} machines"))
    }
}
