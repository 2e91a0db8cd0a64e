//! The one task that owns the core and the journal. It takes a batch of waiting inputs, lets the core decide and apply each,
//! appends what must survive to the journal, and only then performs the effects.
//!
//! A journal that cannot be written ends the process: the file is then not what the memory says, and a restart reads the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use launcher::wire::{self, Start};
use model::{JobId, MachineName, Now, RunEnd, ScheddName, Usage};
use proto::claiming::FromStartd;
use proto::clock;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::core::run_batch;
use crate::core::{
    Batch, Core, Effect, Event, Fact, FromLauncher, Input, LauncherRun, LauncherState, RunKey,
    StartProcess,
};
use crate::shell::files::dataflow::may_be_skipped;
use crate::shell::files::manifest;
use crate::shell::files::starter_log::{Account, Accounts};
use crate::shell::journal::{Journal, JournalError};
use crate::shell::links::launcher::{Heard, Order};
use crate::shell::links::negotiator::{Advertiser, Haste};
use crate::shell::links::schedds::ScheddLink;
use crate::shell::links::translate;
use crate::shell::machine::disk::{DiskMeasured, DiskUse};
use crate::shell::run::deferral::{Deferrals, Ready};
use crate::shell::run::porter::{Carried, Porter};
use crate::shell::run::sandbox::Sandboxes;
use crate::shell::run::tail::RunPlace;

/// Inputs that wait while a batch is worked on. When it is full, connections wait: nothing is lost, memory stays bounded.
pub(crate) const QUEUE: usize = 16_384;

/// The most inputs in a batch: bounds how long an end waits behind many starts.
const BATCH: usize = 1024;

/// The longest sleep without an input; only bounds how late a wrong deadline could be.
const IDLE: Duration = Duration::from_secs(60);

/// How often the launcher is asked what the runs use.
const MEASURE_EVERY_MS: u64 = 5_000;

/// How long jobs get to end when the startd is told to. Shorter than the patience of who stops a pool (20 s), which would
/// otherwise kill the startd before its jobs.
const SHUTDOWN_GRACE_MS: u64 = 10_000;

/// And how long SIGKILL may take after that, before the startd ends without having seen its runs gone. Their leases end them.
const SHUTDOWN_KILL_MS: u64 = 5_000;

/// What reaches the engine.
#[derive(Debug)]
pub(crate) enum EngineInput {
    /// For the core.
    Core(Input),
    /// A schedd connected.
    ScheddUp { schedd: ScheddName, near: bool, link: ScheddLink },
    /// That connection closed.
    ScheddDown { schedd: ScheddName, connection: u64 },
    /// From the launcher.
    Launcher(Heard),
    /// Files have travelled.
    Carried(Carried),
    /// How much scratch space runs use.
    DiskMeasured(DiskMeasured),
    /// A command asks for a run of this job.
    WhichRun { job: JobId, answer: oneshot::Sender<Option<RunPlace>> },
    /// Stop all runs, and end.
    Stop,
}

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) core: Core,
    pub(crate) machine: MachineName,
    pub(crate) journal: Journal,
    pub(crate) sandboxes: Sandboxes,
    pub(crate) porter: Porter,
    pub(crate) disk: DiskUse,
    pub(crate) advertiser: Advertiser,
    /// Scratch folders to remove.
    pub(crate) sweeper: mpsc::Sender<Vec<PathBuf>>,
}

/// The core and what surrounds it.
pub(crate) struct Engine {
    parts: Parts,
    /// Where the launcher's orders go, while it is there.
    orders: Option<mpsc::Sender<Order>>,
    schedds: BTreeMap<ScheddName, ScheddLink>,
    /// Runs whose program is executing.
    executing: BTreeSet<RunKey>,
    measure_at_ms: u64,
    /// Runs that are to start at a time.
    deferrals: Deferrals,
    /// What performing effects has led to: the next batch begins with it.
    follow_up: Vec<Input>,
    swept: bool,
    accounts: Accounts,
    /// Runs whose files are back, and whose end is not in the journal yet.
    brought_back: Vec<RunKey>,
    stopping: Option<Stopping>,
    dropped: u64,
}

#[derive(Clone, Copy, Debug)]
enum Stopping {
    Gracefully { until_ms: u64 },
    Killing { until_ms: u64 },
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            orders: None,
            schedds: BTreeMap::new(),
            executing: BTreeSet::new(),
            measure_at_ms: 0,
            deferrals: Deferrals::default(),
            follow_up: Vec::new(),
            swept: false,
            accounts: Accounts::default(),
            brought_back: Vec::new(),
            stopping: None,
            dropped: 0,
        }
    }

    /// Runs until it was told to stop and nothing is left to be stopped.
    ///
    /// # Errors
    ///
    /// If the journal cannot be written.
    pub(crate) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<EngineInput>,
    ) -> Result<(), JournalError> {
        let effects = self.parts.core.resume();
        self.perform(effects).await;
        let mut waiting = Vec::with_capacity(BATCH);
        loop {
            let patience = self.patience(clock::now());
            if let Ok(0) = timeout(patience, inputs.recv_many(&mut waiting, BATCH)).await {
                return Ok(());
            }
            loop {
                let later = waiting.split_off(end_of_batch(&waiting));
                let now = clock::now();
                let inputs = self.take_apart(now, &mut waiting).await;
                self.batch(now, &inputs).await?;
                if self.is_over(now) {
                    let machine = self.parts.machine.clone();
                    self.parts.advertiser.withdraw(machine);
                    return Ok(());
                }
                if later.is_empty() {
                    break;
                }
                waiting = later;
            }
        }
    }

    /// How long to wait for an input.
    fn patience(&self, now: Now) -> Duration {
        if !self.follow_up.is_empty() {
            return Duration::ZERO;
        }
        let measure = (!self.executing.is_empty()).then_some(self.measure_at_ms);
        let stop = self.stopping.map(|stopping| match stopping {
            Stopping::Gracefully { until_ms } | Stopping::Killing { until_ms } => until_ms,
        });
        let core = self.parts.core.next_deadline();
        let deferred = self.deferrals.next_ms(now).map(|ms| now.boot_ms.saturating_add(ms));
        let due = [core, self.advertise_at_ms(), measure, stop, deferred];
        let due = due.into_iter().flatten().min();
        let until = |due: u64| Duration::from_millis(due.saturating_sub(now.boot_ms));
        due.map_or(IDLE, until).min(IDLE)
    }

    async fn batch(&mut self, now: Now, inputs: &[Input]) -> Result<(), JournalError> {
        let Batch { journal, effects, rejected } = run_batch(&mut self.parts.core, now, inputs);
        if !journal.is_empty() {
            self.parts.journal.append(&journal)?;
            self.parts.journal.compact_if_long(self.parts.core.state())?;
        }
        for key in std::mem::take(&mut self.brought_back) {
            self.parts.porter.forget(key);
        }
        for rejection in &rejected {
            self.dropped += 1;
            tracing::debug!(%rejection, dropped = self.dropped, "dropped a message");
        }
        if effects.contains(&Effect::Advertise) {
            // What is free changes with claims alone; everything else is for people to look at.
            let frees = |event: &Event| {
                matches!(event.fact, Fact::ClaimGranted { .. } | Fact::ClaimDropped { .. })
            };
            let haste = if journal.iter().any(frees) { Haste::Soon } else { Haste::Later };
            self.parts.advertiser.want(now, haste);
        }
        self.perform(effects).await;
        self.advertise(now);
        self.measure_runs(now);
        self.start_deferred(now);
        Ok(())
    }

    /// A machine whose launcher cannot be reached is not offered to anybody.
    fn advertise_at_ms(&self) -> Option<u64> {
        self.orders.as_ref().and_then(|_| self.parts.advertiser.due_ms())
    }

    fn advertise(&mut self, now: Now) {
        if self.advertise_at_ms().is_some_and(|due| now.boot_ms >= due) {
            let state = self.parts.core.machine_state(now);
            self.parts.advertiser.say(now, state);
        }
    }

    fn measure_runs(&mut self, now: Now) {
        if self.executing.is_empty() || now.boot_ms < self.measure_at_ms {
            return;
        }
        self.measure_at_ms = now.boot_ms + MEASURE_EVERY_MS;
        let runs: Vec<RunKey> = self.executing.iter().copied().collect();
        let folder = |key: &RunKey| (*key, self.parts.sandboxes.path(*key));
        let folders = runs.iter().map(folder).collect();
        self.parts.disk.measure(now.boot_ms, folders);
        self.order(Order::Measure(runs));
    }

    /// What the core is to decide on; the rest is done here.
    async fn take_apart(&mut self, now: Now, waiting: &mut Vec<EngineInput>) -> Vec<Input> {
        let mut inputs = Vec::with_capacity(waiting.len());
        for input in waiting.drain(..) {
            match input {
                EngineInput::Core(input) => inputs.push(input),
                EngineInput::ScheddUp { schedd, near, link } => {
                    if self.schedds.insert(schedd.clone(), link).is_some() {
                        inputs.push(Input::ScheddDown { schedd: schedd.clone() });
                    }
                    inputs.push(Input::ScheddUp { schedd, near });
                }
                EngineInput::ScheddDown { schedd, connection } => {
                    let present = self.schedds.get(&schedd);
                    if present.is_some_and(|link| link.connection == connection) {
                        self.schedds.remove(&schedd);
                        inputs.push(Input::ScheddDown { schedd });
                    }
                }
                EngineInput::Launcher(heard) => {
                    let message = self.heard(heard).await;
                    inputs.extend(message);
                }
                EngineInput::Carried(Carried::In { key, result }) => {
                    inputs.extend(self.brought_in(key, *result));
                }
                EngineInput::Carried(Carried::Back { key, end, usage, disk }) => {
                    self.parts.porter.brought_back(key);
                    self.brought_back.push(key);
                    let usage = disk.or_more(self.parts.disk.of(key)).within(usage);
                    self.accounts.close(key, &end, &usage);
                    let message = FromLauncher::Ended { key, end, usage };
                    inputs.push(Input::FromLauncher(message));
                }
                EngineInput::WhichRun { job, answer } => {
                    let place = self.parts.core.run_of(job).map(|(key, owner)| RunPlace {
                        owner: owner.clone(),
                        scratch: self.parts.sandboxes.path(key),
                    });
                    // Who asked may have gone.
                    let _ = answer.send(place);
                }
                EngineInput::DiskMeasured(measured) => {
                    self.parts.disk.take(now, measured);
                }
                EngineInput::Stop => {
                    let until_ms = now.boot_ms + SHUTDOWN_GRACE_MS;
                    self.stopping = Some(Stopping::Gracefully { until_ms });
                    inputs.push(Input::Shutdown { graceful: true });
                }
            }
        }
        // Behind the rest: the batch may begin with a new connection, and these are about older ones.
        inputs.append(&mut self.follow_up);
        if let Some(Stopping::Gracefully { until_ms }) = self.stopping
            && now.boot_ms >= until_ms
        {
            let until_ms = now.boot_ms + SHUTDOWN_KILL_MS;
            self.stopping = Some(Stopping::Killing { until_ms });
            inputs.push(Input::Shutdown { graceful: false });
        }
        inputs
    }

    /// Whether the startd may end.
    fn is_over(&self, now: Now) -> bool {
        match self.stopping {
            None => false,
            Some(_) if self.parts.core.is_idle() => true,
            Some(Stopping::Gracefully { .. }) => false,
            Some(Stopping::Killing { until_ms }) => {
                let over = now.boot_ms >= until_ms;
                if over {
                    tracing::error!("some runs could not be seen to end; their leases end them");
                }
                over
            }
        }
    }

    async fn heard(&mut self, heard: Heard) -> Option<Input> {
        let message = match heard {
            Heard::Up { runs, orders } => {
                self.orders = Some(orders);
                self.listed(&runs).await
            }
            Heard::Down => {
                self.orders = None;
                self.executing.clear();
                return Some(Input::LauncherDown);
            }
            Heard::Event(wire::Event::Started { run_key, started_ms, pid }) => {
                let key = translate::core_key(&run_key)?;
                self.accounts.of(key).say(|| format!("Its program executes, pid {pid}"));
                self.executing.insert(key);
                let at = translate::timestamp(started_ms);
                FromLauncher::Started { key, at, scratch_dir: self.scratch_dir(key) }
            }
            Heard::Event(wire::Event::Ended { run_key, end }) => {
                let key = translate::core_key(&run_key)?;
                self.executing.remove(&key);
                let account = self.accounts.of(key);
                account.ended(&end);
                if self.parts.porter.bring_back(key, &end, account) {
                    return None;
                }
                self.complete_manifest(key);
                let usage = self.parts.disk.of(key).within(translate::usage_of_end(&end));
                let end = translate::run_end(&end);
                self.accounts.close(key, &end, &usage);
                FromLauncher::Ended { key, end, usage }
            }
            Heard::Refused { key, refusal } => {
                tracing::warn!(%key, %refusal, "the launcher did not take a run");
                let (end, usage) = (translate::refused(&refusal), Usage::default());
                self.accounts.close(key, &end, &usage);
                FromLauncher::Ended { key, end, usage }
            }
            Heard::Paused { key, pause, processes } => {
                let word = if pause.suspend { "stand still" } else { "go on" };
                self.accounts.of(key).say(|| format!("Its {processes} processes {word}"));
                FromLauncher::Paused { key, pause, processes }
            }
            Heard::Used { key, usage } => {
                let usage = self.parts.disk.of(key).within(translate::usage(&usage));
                FromLauncher::Used { key, usage }
            }
        };
        Some(Input::FromLauncher(message))
    }

    /// A run was there before this startd.
    fn take_over_account(&mut self, key: RunKey) {
        let account = Account::of_earlier(&self.parts.sandboxes.path(key));
        account.say(|| "Another startd goes on with this run".to_owned());
        self.accounts.note(key, account);
    }

    /// A run whose files do not travel has ended.
    fn complete_manifest(&self, key: RunKey) {
        if let Some(manifest) = manifest::of_ended(&self.parts.sandboxes.path(key)) {
            manifest.write_out();
        }
    }

    async fn listed(&mut self, runs: &[wire::RunInfo]) -> FromLauncher {
        let mut listed = Vec::new();
        for run in runs {
            // Other daemons have runs with the launcher too.
            if let Some(key) = translate::core_key(&run.run_key) {
                if !self.swept {
                    self.take_over_account(key);
                }
                listed.push(LauncherRun { key, state: self.launcher_state(key, &run.state) });
            }
        }
        for key in self.parts.porter.coming().chain(self.deferrals.coming()) {
            listed.push(LauncherRun { key, state: LauncherState::Starting });
        }
        for run in &listed {
            match run.state {
                LauncherState::Executing { .. } => {
                    self.executing.insert(run.key);
                }
                LauncherState::Starting | LauncherState::Ended(..) => {}
            }
        }
        if !self.swept {
            self.swept = true;
            let kept: BTreeSet<RunKey> = listed.iter().map(|run| run.key).collect();
            match self.parts.sandboxes.strays(&kept) {
                Ok(folders) => self.sweep(folders).await,
                Err(error) => tracing::warn!(%error, "cannot list the scratch folders"),
            }
        }
        FromLauncher::Listed(listed)
    }

    fn launcher_state(&mut self, key: RunKey, state: &wire::RunState) -> LauncherState {
        match state {
            wire::RunState::Starting | wire::RunState::Clearing => LauncherState::Starting,
            wire::RunState::Running { started_ms, .. } => LauncherState::Executing {
                at: translate::timestamp(*started_ms),
                scratch_dir: self.scratch_dir(key),
            },
            wire::RunState::Ended(end) => {
                let account = self.accounts.of(key);
                if self.parts.porter.bring_back(key, end, account.clone()) {
                    LauncherState::Starting
                } else {
                    account.ended(end);
                    self.complete_manifest(key);
                    let (end, usage) = (translate::run_end(end), translate::usage_of_end(end));
                    self.accounts.close(key, &end, &usage);
                    LauncherState::Ended(end, usage)
                }
            }
        }
    }

    fn scratch_dir(&self, key: RunKey) -> String {
        self.parts.sandboxes.path(key).to_string_lossy().into_owned()
    }

    async fn perform(&mut self, effects: Vec<Effect>) {
        let mut clean = Vec::new();
        for effect in effects {
            match effect {
                Effect::ToSchedd { schedd, message } => self.tell_schedd(&schedd, message),
                // Taken note of already: many are one.
                Effect::Advertise => {}
                Effect::StartProcess(run) => self.start(run),
                Effect::StopProcess { key, signal, grace_ms } => {
                    let told =
                        || format!("Told to end: signal {signal}, and SIGKILL after {grace_ms} ms");
                    self.accounts.of(key).say(told);
                    if let Some(end) = self.deferrals.stop(key, signal) {
                        self.never_began(key, end);
                    } else if !self.parts.porter.stop(key, signal, grace_ms) {
                        self.order(Order::Kill { key, signal, grace_ms });
                    }
                }
                Effect::PauseProcess { key, pause } => self.order(Order::Pause { key, pause }),
                Effect::ExtendLease { keys, until_boot_ms } => {
                    self.parts.porter.extend_lease(&keys, until_boot_ms);
                    self.deferrals.extend_lease(&keys, until_boot_ms);
                    self.order(Order::ExtendLease { keys, until_boot_ms });
                }
                Effect::CleanUp { key } => clean.push(key),
            }
        }
        if !clean.is_empty() {
            self.order(Order::Forget(clean.clone()));
            for key in &clean {
                let reason = "nothing of it was found".to_owned();
                self.accounts.close(*key, &RunEnd::Lost { reason }, &Usage::default());
                self.deferrals.forget(*key);
                self.parts.disk.forget(*key);
                if self.parts.porter.expects(*key) {
                    self.parts.porter.forget(*key);
                }
            }
            let folders = clean.iter().map(|key| self.parts.sandboxes.path(*key)).collect();
            self.sweep(folders).await;
        }
    }

    fn start(&mut self, run: Box<StartProcess>) {
        self.deferrals.note(run.key, &run.job, clock::now());
        let account = Account::of(&run.job, &self.parts.sandboxes.path(run.key));
        self.accounts.note(run.key, account);
        // Files are copied, or looked at, while other runs go on.
        if self.parts.sandboxes.is_away(&run.job) || may_be_skipped(&run.job) {
            self.parts.porter.bring_in(run);
            return;
        }
        let key = run.key;
        match self.parts.sandboxes.prepare(&run) {
            Ok(start) => self.begin(key, Box::new(start)),
            Err(failure) => {
                self.never_began(key, RunEnd::StartFailed(failure));
            }
        }
    }

    /// Starts a run whose files are there. If the launcher has gone meanwhile, it is over: nobody else would start it.
    fn brought_in(&mut self, key: RunKey, result: Result<Start, RunEnd>) -> Option<Input> {
        match self.parts.porter.brought_in(key, result) {
            Err(end) => {
                self.never_began(key, end);
                None
            }
            Ok(_) if self.orders.is_none() => {
                let reason = "the machine's launcher cannot be reached".to_owned();
                self.never_began(key, RunEnd::Lost { reason });
                None
            }
            Ok(start) => {
                self.begin(key, Box::new(start));
                None
            }
        }
    }

    /// A run is over of which nothing was ever started.
    fn never_began(&mut self, key: RunKey, end: RunEnd) {
        let usage = Usage::default();
        self.accounts.close(key, &end, &usage);
        let message = FromLauncher::Ended { key, end, usage };
        self.follow_up.push(Input::FromLauncher(message));
    }

    /// Starts a run whose files are there, now or when its time comes.
    fn begin(&mut self, key: RunKey, start: Box<Start>) {
        match self.deferrals.ready(key, start, clock::now()) {
            Ready::Now(start) => self.order(Order::Start { key, start }),
            Ready::Waits => {}
            Ready::Missed(end) => self.never_began(key, end),
        }
    }

    /// Starts the runs whose time has come. Without a launcher they are over: nobody else would start them.
    fn start_deferred(&mut self, now: Now) {
        for (key, start) in self.deferrals.due(now) {
            if self.orders.is_some() {
                self.begin(key, start);
            } else {
                let reason = "the machine's launcher cannot be reached".to_owned();
                self.never_began(key, RunEnd::Lost { reason });
            }
        }
    }

    /// Gives the launcher an order. Without a launcher it is void: the next list says how things stand, and the core
    /// orders again what is to be done then.
    fn order(&mut self, order: Order) {
        let Some(orders) = &self.orders else { return };
        if orders.try_send(order).is_err() {
            tracing::warn!("the launcher reads too slowly; connecting anew");
            self.orders = None;
        }
    }

    fn tell_schedd(&mut self, schedd: &ScheddName, message: FromStartd) {
        let Some(link) = self.schedds.get_mut(schedd) else { return };
        if !link.tell(message) {
            tracing::debug!(%schedd, "a schedd is not told something; it is told all when it connects anew");
        }
    }

    async fn sweep(&self, folders: Vec<PathBuf>) {
        if self.parts.sweeper.send(folders).await.is_err() {
            tracing::warn!("scratch folders are not removed any more; the next start removes them");
        }
    }
}

/// A batch ends before a new connection: what follows from earlier inputs must not be said over it. A start from before the
/// launcher's list would otherwise be ordered after it, when the core has taken the run for lost already.
fn end_of_batch(waiting: &[EngineInput]) -> usize {
    let opens = |input: &EngineInput| {
        matches!(input, EngineInput::ScheddUp { .. } | EngineInput::Launcher(Heard::Up { .. }))
    };
    let later = waiting.iter().skip(1).position(opens);
    later.map_or(waiting.len(), |position| position + 1)
}
