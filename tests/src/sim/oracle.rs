//! What is true, seen from outside: what really executed, what the durable record says, what was
//! promised to users. It believes no core; each rule here is one of the promises of
//! docs/ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use classad::{Expr, Value};
use model::{
    AfterRun, Attempt, ClaimId, ClusterId, JobEvent, JobId, JobState, LimitUse, MachineName,
    ProcId, ProgramEnd, Resources, RunEnd, RunId, Seq, Timestamp, Universe, UserName, attr,
};
use proto::chirp::{ChirpAnswer, ChirpAsk};
use proto::client::{ActResult, Action, Answer, Counts, Happening, Recorded, Totals};
use schedd::core::{ClusterRecord, Dirty, Input, Ranges};
use startd::core::{RunKey, StartProcess};

use super::carrier::Files;
use super::clock::Micros;
use super::depending::{Depending, Known, Seen};
use super::gangs::{self, Parts};
use super::links::home;
use super::machine::MachineKind;
use super::queues::{Queues, Running};
use super::schedd::{LOCAL_MOST, SCHEDULER_MOST, schedd_of};
use super::store::Store;
use super::workload;

#[derive(Clone)]
pub(crate) struct Oracle {
    machines: Vec<(MachineName, Resources)>,
    given: BTreeSet<RunKey>,
    /// Parts of runs on other machines than the first.
    pub(crate) parts: Parts,
    pub(crate) files: Files,
    executions: BTreeMap<RunId, Execution>,
    live: BTreeSet<RunId>,
    /// Those of them that a queue has started whose place a copy has taken: their numbers are given
    /// again when they are over.
    lost: BTreeSet<RunId>,
    clusters: BTreeMap<ClusterId, Submitted>,
    jobs: BTreeMap<JobId, Life>,
    /// Where each job is to run.
    universes: BTreeMap<JobId, Universe>,
    /// What clusters have said of others.
    depending: Depending,
    /// What each claim may run, by the rows.
    authorised: BTreeMap<ClaimId, RunId>,
    /// What clusters have said of queues.
    queues: Queues,
    /// Of each schedd.
    last_seq: BTreeMap<usize, Seq>,
    /// What jobs have said of themselves.
    said: BTreeSet<String>,
    /// Jobs that became final.
    pub(crate) finals: u64,
}

/// A program that really ran.
#[derive(Clone, Debug)]
struct Execution {
    machine: usize,
    slot: String,
    resources: Resources,
    /// The arms that it has.
    arms: Vec<String>,
    /// What it uses of concurrency limits.
    limits: Vec<LimitUse>,
    since: Micros,
    /// How it ended, if it did so by itself.
    own_end: Option<RunEnd>,
    /// How its program ended, whoever had made it end.
    program: Option<ProgramEnd>,
}

#[derive(Clone, Debug)]
struct Submitted {
    owner: UserName,
    procs: u32,
    /// Jobs of a factory that are not in the queue yet.
    later: Ranges,
    /// Whether the factory makes none for now.
    paused: bool,
    /// How many jobs never came, because the factory was removed.
    never: u32,
}

/// A job as the record tells it.
#[derive(Clone, Debug)]
struct Life {
    state: JobState,
    last: Attempt,
    /// Attempts that were given up by force: they may still run.
    forced: BTreeSet<Attempt>,
    /// It left the queue.
    left: bool,
    /// It completed, and well, whatever became of it then.
    is_good: bool,
    /// Where its last run was authorised.
    slot: Option<Arc<str>>,
}

impl Life {
    fn seen(&self) -> Seen {
        let has_run = self.last > Attempt(0);
        Seen { is_final: self.state.is_final(), is_good: self.is_good, has_run }
    }
}

impl Oracle {
    pub(crate) fn new(machines: &[MachineKind]) -> Self {
        let machines = machines.iter().map(|kind| (kind.name.clone(), kind.total.clone()));
        Self {
            machines: machines.collect(),
            given: BTreeSet::new(),
            files: Files::default(),
            parts: Parts::default(),
            executions: BTreeMap::new(),
            live: BTreeSet::new(),
            lost: BTreeSet::new(),
            clusters: BTreeMap::new(),
            jobs: BTreeMap::new(),
            universes: BTreeMap::new(),
            depending: Depending::default(),
            authorised: BTreeMap::new(),
            queues: Queues::default(),
            last_seq: BTreeMap::new(),
            said: BTreeSet::new(),
            finals: 0,
        }
    }

    /// The record is what it was at that time; what happened has happened.
    pub(crate) fn forget_back_to(&mut self, then: Self) {
        let now = std::mem::replace(self, then);
        (self.given, self.live, self.files) = (now.given, now.live, now.files);
        self.parts = now.parts;
        for (run, execution) in now.executions {
            if self.live.contains(&run) && !self.executions.contains_key(&run) {
                self.lost.insert(run);
                self.executions.insert(run, execution);
            }
        }
    }

    // What really happens.

    pub(crate) fn was_given(&self, key: RunKey) -> bool {
        self.given.contains(&key)
    }

    pub(crate) fn given(&mut self, machine: usize, start: &StartProcess) -> Result<(), String> {
        self.given.insert(start.key);
        self.files.may_start(machine, start)
    }

    /// A program is executed. It must be the job's only one, authorised by the record, and fit its
    /// machine.
    pub(crate) fn executed(
        &mut self,
        machine: usize,
        start: &StartProcess,
        now: Micros,
    ) -> Result<(), String> {
        let run = start.run;
        let part = gangs::other_part(&start.job);
        let same = |other: &&RunId| part.is_some() && **other == run;
        let other = self.live.iter().find(|other| other.job == run.job && !same(other));
        if let Some(other) = other {
            return Err(format!("run {run} is executed while run {other} of the same job lives"));
        }
        self.parts.may_begin(run)?;
        if let Some(before) = self.executions.get(&run).filter(|_| part.is_none()) {
            return Err(format!("run {run} is executed again; it was at {} before", before.since));
        }
        let life = self.jobs.get(&run.job);
        let authorised = life.is_some_and(|life| {
            let current = life.state.running().is_some_and(|r| r.attempt == run.attempt);
            // Its turn may have come before the record can tell.
            let promised = matches!(life.state, JobState::Idle { .. })
                && self.authorised.get(&start.key.claim) == Some(&run);
            current || promised || life.forced.contains(&run.attempt)
        });
        if !authorised {
            return Err(format!("run {run} is executed, and the record has the job as {life:?}"));
        }
        self.is_where_it_belongs(machine, start)?;
        gangs::is_whole(start)?;
        self.fits(machine, start)?;
        self.parts.are_left_alone(machine, start)?;
        if let Some(part) = part {
            return self.parts.executed(machine, start, part);
        }
        self.files.have_left(machine, start)?;
        self.live.insert(run);
        let (slot, resources) = (start.slot.clone(), start.resources.clone());
        // What runs beside the schedd was not matched, and uses no limit of matching.
        let beside = start.universe.is_beside();
        let limits = if beside { Vec::new() } else { workload::uses(&start.job, &start.slot_ad) };
        let arms = arms(start);
        let execution = Execution {
            machine,
            slot,
            resources,
            arms,
            limits,
            since: now,
            own_end: None,
            program: None,
        };
        self.executions.insert(run, execution);
        self.keeps_limits()
    }

    /// No concurrency limit is exceeded by what runs.
    fn keeps_limits(&self) -> Result<(), String> {
        let live = self.live.iter().filter_map(|run| self.executions.get(run));
        let exceeded = workload::exceeded(live.flat_map(|execution| execution.limits.clone()));
        exceeded.map_or(Ok(()), |sum| Err(format!("all that runs uses {sum} of its limit")))
    }

    /// Jobs run beside the schedd if they were submitted so, on its machine and on nothing of it,
    /// and no others do.
    fn is_where_it_belongs(&self, machine: usize, start: &StartProcess) -> Result<(), String> {
        let submitted = self.universe(start.run.job);
        let beside = submitted.is_beside();
        let nothing = start.resources == Resources::default();
        let own = start.slot.starts_with("beside");
        let owner = schedd_of(start.run.job.cluster);
        let here = !beside || machine == home(owner, self.machines.len());
        if start.universe == submitted && (nothing, own) == (beside, beside) && here {
            return Ok(());
        }
        let (run, slot) = (start.run, &start.slot);
        Err(format!("run {run} of a {submitted:?} job is in {slot} of machine {machine}"))
    }

    fn universe(&self, job: JobId) -> Universe {
        self.universes.get(&job).copied().unwrap_or_default()
    }

    /// Whether a job runs beside the schedd.
    pub(crate) fn is_beside(&self, job: JobId) -> bool {
        self.universe(job).is_beside()
    }

    fn fits(&self, machine: usize, start: &StartProcess) -> Result<(), String> {
        let here = self.live.iter().filter_map(|run| self.executions.get(run));
        let here = here.filter(|other| other.machine == machine);
        let (name, total) = &self.machines[machine];
        let mut left = Some(total.clone());
        for other in here {
            if arms(start).iter().any(|arm| other.arms.contains(arm)) {
                return Err(format!("{name} gives one of its arms to two programs"));
            }
            if other.slot == start.slot {
                return Err(format!("two programs run in {} at a time", start.slot));
            }
            left = left.and_then(|left| left.minus(&other.resources));
        }
        for part in self.parts.on(machine) {
            if part.slot == start.slot {
                return Err(format!("two programs run in {} at a time", start.slot));
            }
            left = left.and_then(|left| left.minus(&part.resources));
        }
        for (run, resources) in self.files.held(machine) {
            if run != start.run && !self.live.contains(&run) {
                left = left.and_then(|left| left.minus(resources));
            }
        }
        match left.and_then(|left| left.minus(&start.resources)) {
            Some(_) => Ok(()),
            None => Err(format!("{name} runs more than the {total:?} that it has")),
        }
    }

    /// Nothing is left of a run, that ended so; `by_itself` if nobody had made it end.
    pub(crate) fn ended(&mut self, machine: usize, run: RunId, end: &RunEnd, by_itself: bool) {
        self.live.remove(&run);
        self.parts.first_ended(run);
        if self.lost.remove(&run) {
            self.executions.remove(&run);
            return;
        }
        let own_end = by_itself.then(|| end.clone());
        if let Some(execution) = self.executions.get_mut(&run) {
            execution.own_end = own_end;
            execution.program = end.shown();
        } else if let Some(end @ (RunEnd::StartFailed(_) | RunEnd::ScriptFailed { .. })) = own_end {
            // It never executed, and the record may say that.
            let resources = Resources::default();
            let execution = Execution {
                machine,
                slot: String::new(),
                resources,
                arms: Vec::new(),
                limits: Vec::new(),
                since: 0,
                own_end: Some(end),
                program: None,
            };
            self.executions.insert(run, execution);
        }
    }

    /// A machine on which something runs.
    pub(crate) fn busy_machine(&self) -> Option<usize> {
        self.live.iter().find_map(|run| Some(self.executions.get(run)?.machine))
    }

    pub(crate) fn live_runs(&self) -> &BTreeSet<RunId> {
        &self.live
    }

    // What the record says.

    /// Clusters come into the queue.
    pub(crate) fn submitted_as(&mut self, clusters: &BTreeMap<ClusterId, Arc<ClusterRecord>>) {
        for (id, record) in clusters {
            self.depending.submitted(record);
            self.queues.submitted(record);
            for proc in (0..record.spec.count()).map(ProcId) {
                let number = record.spec.get(proc, attr::JOB_UNIVERSE);
                let number = number.as_ref().and_then(Expr::as_literal).and_then(Value::as_i64);
                let universe = number.and_then(Universe::from_number).unwrap_or_default();
                self.universes.insert(JobId { cluster: *id, proc }, universe);
            }
        }
    }

    /// No more jobs run beside the schedd than it allows.
    fn has_room(&self, job: JobId) -> Result<(), String> {
        let universe = self.universe(job);
        let running = self.jobs.iter().filter(|(other, life)| {
            let same = schedd_of(other.cluster) == schedd_of(job.cluster);
            same && life.state.running().is_some() && self.universe(**other) == universe
        });
        let most = match universe {
            Universe::Local => LOCAL_MOST,
            Universe::Scheduler => SCHEDULER_MOST,
            Universe::Vanilla => usize::MAX,
        };
        let n = running.count();
        if n <= most { Ok(()) } else { Err(format!("{n} {universe:?} jobs run, one is {job}")) }
    }

    /// No more jobs of its queue, and of its array, are matched to machines than may run.
    fn may_start(&self, job: JobId) -> Result<(), String> {
        if self.universe(job) != Universe::Vanilla {
            return Ok(());
        }
        let same = |other: &JobId| schedd_of(other.cluster) == schedd_of(job.cluster);
        let running = self.jobs.iter().filter(|(other, life)| {
            let runs = life.state.running().is_some();
            runs && same(other) && self.universe(**other) == Universe::Vanilla
        });
        let running = running.filter_map(|(job, life)| {
            let owner = self.owner_of(*job).map_or("", UserName::as_str);
            Some(Running { job: *job, owner, slot: life.slot.as_deref()? })
        });
        let running: Vec<Running<'_>> = running.collect();
        self.queues.may_run(job, &running)
    }

    /// Reads what a transaction added to the record. `forced`: a user has forced a removal in it.
    pub(crate) fn read_record(
        &mut self,
        s: usize,
        recorded: &[Recorded],
        forced: bool,
    ) -> Result<(), String> {
        for entry in recorded {
            let last = self.last_seq.get(&s).copied().unwrap_or(Seq(0));
            if entry.seq <= last {
                return Err(format!("the record has {} after {last}", entry.seq));
            }
            self.last_seq.insert(s, entry.seq);
            match &entry.what {
                Happening::ClusterSubmitted { cluster, owner, procs } => {
                    self.submitted(*cluster, owner, *procs, entry.at)?;
                }
                Happening::FactoryEnded { cluster, never } => {
                    self.factory_ended(*cluster, *never)?;
                }
                Happening::Job { job, event } => self.read_job(*job, event, forced)?,
                Happening::JobSaid { job, text } => self.job_said(*job, text)?,
                Happening::JobEdited { job, changes } => self.queues.edited(*job, changes),
                Happening::JobsWait { .. } | Happening::Reservation { .. } => {}
            }
        }
        Ok(())
    }

    /// Only its present run speaks for a job, and what it says is on the record once.
    fn job_said(&mut self, job: JobId, text: &str) -> Result<(), String> {
        let running = self.jobs.get(&job).and_then(|life| life.state.running());
        let present = running.map(|running| RunId { job, attempt: running.attempt });
        let by_present = present.is_some_and(|run| text.starts_with(&format!("{run} ")));
        if by_present && self.said.insert(text.to_owned()) {
            Ok(())
        } else {
            Err(format!("job {job}, whose run is {present:?}, says {text:?}"))
        }
    }

    fn submitted(
        &mut self,
        cluster: ClusterId,
        owner: &UserName,
        procs: u32,
        since: Timestamp,
    ) -> Result<(), String> {
        let submitted = Submitted {
            owner: owner.clone(),
            procs,
            later: Ranges::default(),
            paused: false,
            never: 0,
        };
        if self.clusters.insert(cluster, submitted).is_some() {
            return Err(format!("cluster {cluster} is recorded twice"));
        }
        for proc in 0..procs {
            let life = Life {
                state: JobState::Idle { since },
                last: Attempt(0),
                forced: BTreeSet::new(),
                left: false,
                is_good: false,
                slot: None,
            };
            self.jobs.insert(JobId::new(cluster.0, proc), life);
        }
        Ok(())
    }

    /// The jobs that had not come into the queue are the last of the cluster; nothing can have
    /// happened to them.
    fn factory_ended(&mut self, id: ClusterId, never: u32) -> Result<(), String> {
        let cluster = self.clusters.get_mut(&id);
        let cluster = cluster.ok_or_else(|| format!("factory {id} ended and never was"))?;
        cluster.later = Ranges::default();
        cluster.never = never;
        for proc in cluster.procs.saturating_sub(never)..cluster.procs {
            let job = JobId::new(id.0, proc);
            let life = self.jobs.remove(&job);
            let untouched = life.as_ref().is_some_and(|life| {
                matches!(life.state, JobState::Idle { .. }) && life.last == Attempt(0)
            });
            if !untouched {
                return Err(format!("job {job} never came, and the record has it as {life:?}"));
            }
        }
        Ok(())
    }

    fn read_job(&mut self, job: JobId, event: &JobEvent, forced: bool) -> Result<(), String> {
        let life = self.jobs.get_mut(&job);
        let life =
            life.ok_or_else(|| format!("the record tells of job {job}, which nobody submitted"))?;
        let before = life.state.clone();
        // One that completed and stays in the queue may still be removed; it is counted once.
        let is_removed_late =
            matches!((&before, event), (JobState::Completed { .. }, JobEvent::Removed { .. }));
        if before.is_final() && !is_removed_late {
            return Err(format!("job {job} is final, and the record has {event:?} after it"));
        }
        life.state = before.next(event).map_err(|illegal| format!("job {job}: {illegal}"))?;
        if life.state.is_final() && !is_removed_late {
            self.finals += 1;
        }
        if let JobState::Completed { end, .. } = &life.state {
            life.is_good = end.is_success();
        }
        match event {
            JobEvent::RunAuthorised { attempt, slot, .. } => {
                if *attempt <= life.last {
                    return Err(format!("job {job} has attempt {attempt} after {}", life.last));
                }
                life.last = *attempt;
                life.slot.clone_from(slot);
                self.has_room(job)?;
                self.may_start(job)?;
                self.depending.may_run(job, &*self)
            }
            JobEvent::RunOver { attempt, end, next, .. } => {
                let run = RunId { job, attempt: *attempt };
                let lost = matches!(end, RunEnd::Lost { .. });
                if forced && lost && matches!(next, AfterRun::Remove { .. }) {
                    life.forced.insert(*attempt);
                    return Ok(());
                }
                self.run_over(run, end)
            }
            JobEvent::RunStarted { attempt, .. } => {
                let run = RunId { job, attempt: *attempt };
                match self.executions.contains_key(&run) {
                    true => Ok(()),
                    false => Err(format!("run {run} is recorded as started and never was")),
                }
            }
            JobEvent::PauseRequested { .. }
            | JobEvent::Suspended { .. }
            | JobEvent::Continued { .. }
            | JobEvent::StopRequested { .. }
            | JobEvent::Skipped { .. }
            | JobEvent::Held(_)
            | JobEvent::Released { .. } => Ok(()),
            JobEvent::Removed { reason, .. } => self.depending.removed(job, reason, &*self),
        }
    }

    /// A run is recorded as over: nothing of it lives, and if it is said to have ended by itself,
    /// it has, in that way.
    fn run_over(&self, run: RunId, end: &RunEnd) -> Result<(), String> {
        if self.live.contains(&run) {
            return Err(format!("run {run} is recorded as over ({end:?}) and lives"));
        }
        self.parts.is_over(run)?;
        let own_end = self.executions.get(&run).and_then(|execution| execution.own_end.as_ref());
        let program = self.executions.get(&run).and_then(|execution| execution.program);
        self.files.run_over(run, end, own_end, program)
    }

    /// What was written agrees with the record, and no job is in two places or in none.
    pub(crate) fn compare_rows(
        &mut self,
        now: Micros,
        dirty: &Dirty,
        store: &Store,
    ) -> Result<(), String> {
        let mut clusters: BTreeSet<ClusterId> = dirty.clusters.keys().copied().collect();
        let mut jobs: BTreeSet<JobId> = dirty.jobs.keys().copied().collect();
        for entry in &dirty.recorded {
            match &entry.what {
                Happening::ClusterSubmitted { cluster, .. }
                | Happening::FactoryEnded { cluster, .. }
                | Happening::JobsWait { cluster, .. } => {
                    clusters.insert(*cluster);
                }
                Happening::Job { job, .. }
                | Happening::JobEdited { job, .. }
                | Happening::JobSaid { job, .. } => {
                    jobs.insert(*job);
                }
                Happening::Reservation { .. } => {}
            }
        }
        for job in jobs {
            self.compare_job(job, store)?;
            clusters.insert(job.cluster);
        }
        self.take_claims(now, dirty)?;
        clusters.into_iter().try_for_each(|cluster| self.compare_cluster(cluster, store))
    }

    /// Of each job one attempt is authorised at a time, and only of one that waits or runs.
    fn take_claims(&mut self, now: Micros, dirty: &Dirty) -> Result<(), String> {
        for (claim, record) in &dirty.claims {
            self.parts.note_claim(now, *claim, record.as_ref())?;
            match record.as_ref().and_then(|record| record.run) {
                Some(run) => drop(self.authorised.insert(*claim, run)),
                None => drop(self.authorised.remove(claim)),
            }
        }
        let mut jobs = BTreeMap::new();
        for (claim, run) in &self.authorised {
            let is_first = !self.parts.has_claim(*claim);
            if let Some((other, on)) = jobs.insert((run.job, is_first), (run, claim))
                && (is_first || other != run)
            {
                return Err(format!("runs {other} and {run} are authorised, on {on} and {claim}"));
            }
            let state = self.jobs.get(&run.job).map(|life| &life.state);
            let fits = state.is_some_and(|state| {
                let is_it = state.running().is_some_and(|r| r.attempt == run.attempt);
                is_it || matches!(state, JobState::Idle { .. })
            });
            if !fits {
                return Err(format!("run {run} is authorised, and the record has {state:?}"));
            }
        }
        Ok(())
    }

    fn compare_job(&mut self, job: JobId, store: &Store) -> Result<(), String> {
        let life =
            self.jobs.get_mut(&job).ok_or_else(|| format!("job {job} has a row and no record"))?;
        let row = store.job(job)?;
        match row {
            Some((row, left)) if row.state == life.state => {
                if left && !life.state.is_final() {
                    return Err(format!("job {job} left the queue as {:?}", life.state));
                }
                life.left = left;
                Ok(())
            }
            Some((row, _)) => Err(format!(
                "job {job}'s row is {:?}, the record makes it {:?}",
                row.state, life.state
            )),
            None => Err(format!("job {job} has no row, the record makes it {:?}", life.state)),
        }
    }

    fn compare_cluster(&mut self, id: ClusterId, store: &Store) -> Result<(), String> {
        let Some(cluster) = self.clusters.get_mut(&id) else {
            return Err(format!("cluster {id} has a row and no record"));
        };
        let census = store.census(id)?;
        let later = u32::try_from(census.later.len()).unwrap_or(u32::MAX);
        let found = census.untouched + census.queued + census.over + later + cluster.never;
        (cluster.later, cluster.paused) = (census.later.clone(), census.paused);
        if found == cluster.procs {
            return Ok(());
        }
        Err(format!(
            "cluster {id} has {} jobs: {census:?}, {} never came",
            cluster.procs, cluster.never
        ))
    }

    /// Counts that a user is shown are those of the record.
    pub(crate) fn compare_totals(&self, s: usize, totals: &Totals) -> Result<(), String> {
        let mut all = Counts::default();
        let own = |cluster: ClusterId| schedd_of(cluster) == s;
        let jobs = self.jobs.iter().filter(|(job, life)| own(job.cluster) && !life.left);
        for (_, life) in jobs {
            let n = match life.state.status() {
                model::JobStatus::Idle => &mut all.idle,
                model::JobStatus::Running => &mut all.running,
                model::JobStatus::Removed => &mut all.removed,
                model::JobStatus::Completed => &mut all.completed,
                model::JobStatus::Held => &mut all.held,
                model::JobStatus::Suspended => &mut all.suspended,
            };
            *n += 1;
        }
        let clusters = self.clusters.iter().filter(|(id, _)| own(**id));
        all.idle -= clusters.map(|(_, cluster)| cluster.later.len()).sum::<u64>();
        if totals.all == all {
            Ok(())
        } else {
            Err(format!("the totals are {:?}, the record makes {all:?}", totals.all))
        }
    }

    // What was promised.

    /// An answer leaves the schedd: what it says must be durable.
    pub(crate) fn answer_is_durable(
        &self,
        s: usize,
        input: &Input,
        answer: &Answer,
        recorded: &[Recorded],
        store: &Store,
    ) -> Result<(), String> {
        match (input, answer) {
            (_, Answer::Submitted { cluster, .. }) => {
                if store.has_cluster(*cluster) && self.clusters.contains_key(cluster) {
                    Ok(())
                } else {
                    Err(format!("cluster {cluster} is acknowledged and not durable"))
                }
            }
            (Input::Act { action, .. }, Answer::Acted(results)) => {
                let last = self.last_seq.get(&s).copied().unwrap_or(Seq(0));
                for acted in results {
                    let done = acted.job.filter(|_| acted.result == ActResult::Done);
                    let Some(job) = done else { continue };
                    let said = recorded
                        .iter()
                        .any(|entry| entry.seq <= last && shows(&entry.what, job, action));
                    // A removed or completed job that stayed in the queue leaves it without an
                    // entry of the record.
                    let left = self.jobs.get(&job).is_some_and(|life| life.left);
                    let removed = left && matches!(action, Action::Remove { .. });
                    if !(said || removed) {
                        return Err(format!("{action:?} of job {job} is answered and not durable"));
                    }
                }
                Ok(())
            }
            (
                Input::Chirp { run, ask: ChirpAsk::Log(text), .. },
                Answer::Chirped(ChirpAnswer::Done),
            ) => {
                let known = self.said.contains(text);
                known
                    .then_some(())
                    .ok_or_else(|| format!("what {run} says is answered and not durable"))
            }
            _ => Ok(()),
        }
    }

    /// A user has been told that a cluster is safe.
    pub(crate) fn acknowledged(
        &self,
        cluster: ClusterId,
        procs: u32,
        owner: &UserName,
    ) -> Result<(), String> {
        match self.clusters.get(&cluster) {
            Some(known) if known.procs == procs && known.owner == *owner => Ok(()),
            known => Err(format!(
                "cluster {cluster} of {procs} jobs of {owner} is acknowledged; the record has {known:?}"
            )),
        }
    }

    pub(crate) fn owner_of(&self, job: JobId) -> Option<&UserName> {
        self.clusters.get(&job.cluster).map(|submitted| &submitted.owner)
    }

    /// Every job that the record knows, and where it stands.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = (JobId, &JobState)> {
        self.jobs.iter().map(|(job, life)| (*job, &life.state))
    }

    /// Whether the job is one that comes later, and its factory has no room for it or is paused.
    pub(crate) fn may_come_later(&self, job: JobId) -> bool {
        let cluster = self.clusters.get(&job.cluster).filter(|c| c.later.contains(job.proc));
        let in_queue = self.jobs.range(JobId::new(job.cluster.0, 0)..);
        let mut in_queue = in_queue.take_while(|(other, _)| other.cluster == job.cluster);
        cluster.is_some_and(|cluster| {
            let waits =
                |(other, life): (&JobId, &Life)| !life.left && !cluster.later.contains(other.proc);
            cluster.paused || in_queue.any(waits)
        })
    }

    /// Why a job that is held cannot stay so for ever.
    pub(crate) fn is_stuck(&self, job: JobId, state: &JobState) -> Option<String> {
        self.depending.is_stuck(job, state, self)
    }

    /// How many attempts a job has had.
    pub(crate) fn attempts(&self, job: JobId) -> u32 {
        self.jobs.get(&job).map_or(0, |life| life.last.0)
    }
}

impl Known for Oracle {
    fn job(&self, job: JobId) -> Option<Seen> {
        self.jobs.get(&job).map(Life::seen)
    }

    fn jobs_of(&self, cluster: ClusterId) -> Vec<Seen> {
        let all = JobId { cluster, proc: ProcId(0) }..=JobId { cluster, proc: ProcId(u32::MAX) };
        let lives = self.jobs.range(all);
        lives.map(|(_, life)| life.seen()).collect()
    }

    fn never(&self, cluster: ClusterId) -> usize {
        let never = self.clusters.get(&cluster).map_or(0, |cluster| cluster.never);
        usize::try_from(never).unwrap_or(usize::MAX)
    }
}

/// The arms that a program is given.
fn arms(start: &StartProcess) -> Vec<String> {
    let said = start.slot_ad.literal("AssignedArm").and_then(Value::as_str);
    said.map_or_else(Vec::new, |ids| ids.split(',').map(str::to_owned).collect())
}

/// Whether the entry is what follows from doing that to the job.
fn shows(what: &Happening, of: JobId, action: &Action) -> bool {
    let (job, event) = match what {
        Happening::Job { job, event } => (job, event),
        Happening::JobEdited { job, .. } => {
            return *job == of && matches!(action, Action::Prioritise(_));
        }
        Happening::ClusterSubmitted { .. }
        | Happening::FactoryEnded { .. }
        | Happening::JobSaid { .. }
        | Happening::Reservation { .. }
        | Happening::JobsWait { .. } => return false,
    };
    if *job != of {
        return false;
    }
    match (action, event) {
        (Action::Remove { .. }, JobEvent::Removed { .. } | JobEvent::RunOver { .. })
        | (Action::Hold { .. }, JobEvent::Held(_))
        | (Action::Release { .. }, JobEvent::Released { .. }) => true,
        (Action::Suspend, JobEvent::PauseRequested { pause, .. }) => pause.suspend,
        (Action::Continue, JobEvent::PauseRequested { pause, .. }) => !pause.suspend,
        (_, JobEvent::StopRequested { cause, .. }) => matches!(
            (action, cause),
            (Action::Remove { .. }, model::StopCause::Remove { .. })
                | (Action::Hold { .. }, model::StopCause::Hold(_))
                | (Action::Release { .. } | Action::Vacate { .. }, model::StopCause::Vacate { .. })
        ),
        _ => false,
    }
}
