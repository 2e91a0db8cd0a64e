//! The one task that owns the core and the journal. It takes a batch of waiting inputs, lets the
//! core decide and apply each, appends what must survive to the journal, and only then performs the
//! effects.
//!
//! A journal that cannot be written ends the process: the file is then not what the memory says,
//! and a restart reads the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use launcher::wire;
use model::{JobId, MachineName, Now, RunEnd, ScheddName, Usage, UserName};
use proto::claiming::{FromStartd, ToStartd};
use proto::clock;
use proto::files::FilesFor;
use proto::net::Connection;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::core::{
    Batch, BringBack, ClosedLog, Core, Effect, Event, Fact, FromLauncher, Input, LauncherRun,
    LauncherState, RunKey, StartProcess, run_batch,
};
use crate::shell::files::carrier::Carrier;
use crate::shell::files::side::SubmitSide;
use crate::shell::files::starter_log::RunLog;
use crate::shell::journal::{Journal, JournalError};
use crate::shell::links::callers::CalledSchedds;
use crate::shell::links::launcher::{Heard, LauncherOrder};
use crate::shell::links::negotiator::{Advertiser, Haste};
use crate::shell::links::parts::WhoseRun;
use crate::shell::links::schedds::ScheddLink;
use crate::shell::links::translate;
use crate::shell::machine::disk;
use crate::shell::owners::people::Found;
use crate::shell::owners::{Cut, Errand, News, Owners};
use crate::shell::run::bounds::{Bounds, Can};
use crate::shell::run::entry::RunPlace;
use crate::shell::run::sandbox::Sandboxes;
use crate::shell::run::shown::{Shown, Wanted};

/// Inputs that wait while a batch is worked on. When it is full, connections wait: nothing is lost,
/// memory stays bounded.
pub(crate) const QUEUE: usize = 16_384;

/// The most inputs in a batch: bounds how long an end waits behind many starts.
const BATCH: usize = 1024;

/// The longest sleep without an input; only bounds how late a wrong deadline could be.
const IDLE: Duration = Duration::from_secs(60);

/// What is there already is not waited for.
const NO_WAIT: Duration = Duration::ZERO;

/// Folders that wait for the sweeper beside what it has: more are found at the next start.
const UNSWEPT: usize = 100_000;

/// What reaches the engine.
#[derive(Debug)]
pub(crate) enum EngineInput {
    /// For the core.
    Core(Input),
    /// A schedd connected.
    ScheddUp { schedd: ScheddName, near: bool, generation: u64, link: ScheddLink },
    /// That connection closed.
    ScheddDown { schedd: ScheddName, connection: u64 },
    /// From the launcher.
    Launcher(Heard),
    /// Somebody wants to know something, and changes nothing.
    Asked(Question),
    /// About the files of runs that are their owners'.
    Owners(Box<OwnersInput>),
    /// Stop all runs, and end.
    Stop,
}

/// What the engine is asked; who asked may have gone when it answers.
#[derive(Debug)]
pub(crate) enum Question {
    /// Where the run of this job is.
    WhichRun { job: JobId, answer: oneshot::Sender<Option<RunPlace>> },
    /// Whether the machine holds a claim of this schedd.
    HoldsClaims { schedd: ScheddName, answer: oneshot::Sender<bool> },
    /// Whose a run is, and the right to it.
    WhoseRun { key: RunKey, answer: oneshot::Sender<Option<WhoseRun>> },
}

/// Asks the engine something; none if it has ended.
pub(crate) async fn ask<T>(
    engine: &mpsc::Sender<EngineInput>,
    question: impl FnOnce(oneshot::Sender<T>) -> Question,
) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    engine.send(EngineInput::Asked(question(answer))).await.ok()?;
    answered.await.ok()
}

/// What reaches the engine of the files of runs that are their owners'.
#[derive(Debug)]
pub(crate) enum OwnersInput {
    /// A process of a user has come that does what is to be done with that user's files.
    HelperUp(Box<Connection>),
    /// A part of a file of a run is wanted that only its owner's helper may read.
    Read { key: RunKey, wanted: Wanted, answer: oneshot::Sender<Shown> },
    /// What became of a helper, or what it says.
    Helper { uid: u32, news: News },
    /// What the system says of the name of an owner.
    Known { name: UserName, found: Found },
}

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) core: Core,
    pub(crate) machine: MachineName,
    pub(crate) journal: Journal,
    pub(crate) sandboxes: Sandboxes,
    pub(crate) carrier: Carrier,
    /// Where what was measured is to be reported.
    pub(crate) own: mpsc::Sender<EngineInput>,
    pub(crate) advertiser: Advertiser,
    /// Whom the machine calls, if its submitters are on other machines.
    pub(crate) callers: Option<Arc<CalledSchedds>>,
    /// Scratch folders to remove.
    pub(crate) sweeper: mpsc::Sender<Vec<PathBuf>>,
    /// The files of runs, where each is its owner's.
    pub(crate) owners: Option<Owners>,
    /// What a run may have of the machine.
    pub(crate) bounds: Bounds,
}

/// The core and what surrounds it.
pub(crate) struct Engine {
    parts: Parts,
    /// Where the launcher's orders go, while it is there.
    orders: Option<mpsc::Sender<LauncherOrder>>,
    /// What the launcher can see to.
    can: Can,
    schedds: BTreeMap<ScheddName, ScheddLink>,
    dropped: u64,
    /// Folders that are to be removed, for which the sweeper had no place.
    unswept: Vec<PathBuf>,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Self {
        let (schedds, unswept) = (BTreeMap::new(), Vec::new());
        Self { parts, orders: None, can: Can::default(), schedds, dropped: 0, unswept }
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
        if let Some(owners) = &mut self.parts.owners {
            owners.begin(&self.parts.core.owners(), self.parts.core.claimants()).await;
        }
        for key in self.parts.core.logged() {
            self.run_log(key).say(|| "Another startd goes on with this run".to_owned());
        }
        let effects = self.parts.core.resume(clock::now());
        let failed = self.perform(effects).await;
        let mut waiting = Vec::with_capacity(BATCH);
        waiting.extend(failed.into_iter().map(EngineInput::Core));
        loop {
            let patience = if waiting.is_empty() { self.patience(clock::now()) } else { NO_WAIT };
            if let Ok(0) = timeout(patience, inputs.recv_many(&mut waiting, BATCH)).await {
                return Ok(());
            }
            loop {
                let later = waiting.split_off(end_of_batch(&waiting));
                let now = clock::now();
                let mut inputs = self.take_apart(&mut waiting);
                // What could not be done is news before anything else is.
                loop {
                    inputs = self.batch(now, &inputs).await?;
                    if inputs.is_empty() {
                        break;
                    }
                }
                if self.parts.core.may_end(now) {
                    if !self.parts.core.is_idle() {
                        tracing::error!(
                            "some runs could not be seen to end; their leases end them"
                        );
                    }
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
        let owners = self.parts.owners.as_ref().and_then(Owners::due_ms);
        let due = [self.parts.core.next_deadline(now), self.advertise_at_ms(), owners];
        let until = |due: u64| Duration::from_millis(due.saturating_sub(now.boot_ms));
        due.into_iter().flatten().min().map_or(IDLE, until).min(IDLE)
    }

    /// Decides, writes and performs; says what of it could not be performed.
    async fn batch(&mut self, now: Now, inputs: &[Input]) -> Result<Vec<Input>, JournalError> {
        let Batch { journal, effects, rejected } = run_batch(&mut self.parts.core, now, inputs);
        if !journal.is_empty() {
            self.parts.journal.append(&journal)?;
            self.parts.journal.compact_if_long(self.parts.core.state())?;
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
        let failed = self.perform(effects).await;
        self.advertise(now);
        Ok(failed)
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

    /// What the core is to decide on; the rest is done here.
    fn take_apart(&mut self, waiting: &mut Vec<EngineInput>) -> Vec<Input> {
        let mut inputs = Vec::with_capacity(waiting.len());
        if let Some(owners) = &mut self.parts.owners {
            inputs.extend(owners.overdue(clock::now().boot_ms));
        }
        for input in waiting.drain(..) {
            match input {
                EngineInput::Core(input) => inputs.extend(self.passed(input)),
                EngineInput::ScheddUp { schedd, generation, .. }
                    if self.parts.core.is_replaced(&schedd, generation) =>
                {
                    tracing::warn!(%schedd, generation, "refused a schedd: its queue was replaced");
                }
                EngineInput::ScheddUp { schedd, near, generation, link } => {
                    if self.schedds.insert(schedd.clone(), link).is_some() {
                        inputs.push(Input::ScheddDown { schedd: schedd.clone() });
                    }
                    inputs.push(Input::ScheddUp { schedd, near, generation });
                }
                EngineInput::ScheddDown { schedd, connection } => {
                    let present = self.schedds.get(&schedd);
                    if present.is_some_and(|link| link.connection == connection) {
                        self.schedds.remove(&schedd);
                        inputs.push(Input::ScheddDown { schedd });
                    }
                }
                EngineInput::Launcher(heard) => inputs.extend(self.heard(heard)),
                EngineInput::Asked(question) => self.answer(question),
                EngineInput::Owners(input) => inputs.extend(self.of_owners(*input)),
                EngineInput::Stop => inputs.push(Input::Shutdown { graceful: true }),
            }
        }
        inputs
    }

    fn answer(&self, question: Question) {
        let core = &self.parts.core;
        match question {
            Question::WhichRun { job, answer } => {
                let place = core.run_of(job).map(|(key, owner)| RunPlace {
                    key,
                    owner: owner.clone(),
                    uid: self.parts.owners.as_ref().and_then(|owners| owners.uid_of(key)),
                    scratch: self.scratch(key),
                    is_owners: self.parts.owners.is_some(),
                });
                let _ = answer.send(place);
            }
            Question::HoldsClaims { schedd, answer } => {
                let _ = answer.send(core.holds_claims_of(&schedd));
            }
            Question::WhoseRun { key, answer } => {
                let whose = core.whose(key).zip(core.owner_of(key));
                let whose = whose.map(|((schedd, secret, run), owner)| WhoseRun {
                    owner: owner.clone(),
                    uid: self.parts.owners.as_ref().and_then(|owners| owners.uid_of(key)),
                    schedd: schedd.clone(),
                    of: FilesFor { claim: key.claim, secret, run },
                });
                let _ = answer.send(whose);
            }
        }
    }

    fn of_owners(&mut self, input: OwnersInput) -> Vec<Input> {
        let Some(owners) = &mut self.parts.owners else { return Vec::new() };
        match input {
            OwnersInput::HelperUp(connection) => owners.serve(*connection),
            OwnersInput::Read { key, wanted, answer } => owners.read(key, wanted, answer),
            OwnersInput::Helper { uid, news } => return owners.heard(uid, news),
            OwnersInput::Known { name, found } => {
                let waited = owners.known(name, found, clock::now().boot_ms);
                return waited.into_iter().filter_map(|input| self.passed(input)).collect();
            }
        }
        Vec::new()
    }

    /// What the core is to decide on now. Where runs are their owners', what begins one waits until
    /// it is known who that is here, and a claim for somebody whose jobs cannot run is refused.
    fn passed(&mut self, input: Input) -> Option<Input> {
        let Some(owners) = &mut self.parts.owners else { return Some(input) };
        let Input::FromSchedd { schedd, message, .. } = &input else { return Some(input) };
        let now_ms = clock::now().boot_ms;
        match message {
            ToStartd::RequestClaim(request) => {
                let (schedd, request) = (schedd.clone(), request.clone());
                let input = owners.pass(&request.owner, input, now_ms)?;
                let Err(reason) = owners.may_claim(&request.owner, &request.ad) else {
                    return Some(input);
                };
                let denied = FromStartd::ClaimDenied { matched: request.matched, reason };
                self.tell_schedd(&schedd, denied);
                None
            }
            ToStartd::StartRun(start) => match self.parts.core.claimant(start.claim).cloned() {
                Some(owner) => owners.pass(&owner, input, now_ms),
                None => Some(input),
            },
            ToStartd::Echo { .. }
            | ToStartd::StopRun { .. }
            | ToStartd::PauseRun { .. }
            | ToStartd::RunRecorded { .. }
            | ToStartd::ReleaseClaim { .. }
            | ToStartd::Visit { .. } => Some(input),
        }
    }

    fn heard(&mut self, heard: Heard) -> Option<Input> {
        let message = match heard {
            Heard::Up { runs, can, orders } => {
                if let Some(missing) = self.parts.bounds.missing(can) {
                    tracing::warn!("what a run may have is {missing}");
                }
                (self.orders, self.can) = (Some(orders), can);
                // Other daemons have runs with the launcher too.
                let runs = runs.iter().filter_map(|run| self.listed(run));
                FromLauncher::Listed(runs.collect())
            }
            Heard::Down => {
                self.orders = None;
                return Some(Input::LauncherDown);
            }
            Heard::Event(wire::Event::Started { run_key, started_ms, pid }) => {
                let key = translate::core_key(&run_key)?;
                self.run_log(key).say(|| format!("Its program executes, pid {pid}"));
                let at = translate::timestamp(started_ms);
                FromLauncher::Started { key, at, scratch_dir: self.scratch_dir(key) }
            }
            Heard::Event(wire::Event::Ended { run_key, end }) => {
                let key = translate::core_key(&run_key)?;
                self.run_log(key).ended(&end);
                let (end, usage) = (translate::run_end(&end), translate::usage_of_end(&end));
                FromLauncher::Ended { key, end, usage }
            }
            Heard::Refused { key, refusal } => {
                tracing::warn!(%key, %refusal, "the launcher did not take a run");
                let (end, usage) = (translate::refused(&refusal), Usage::default());
                FromLauncher::Ended { key, end, usage }
            }
            Heard::Paused { key, pause, processes } => {
                let word = if pause.suspend { "stand still" } else { "go on" };
                self.run_log(key).say(|| format!("Its {processes} processes {word}"));
                FromLauncher::Paused { key, pause, processes }
            }
            Heard::Used { key, usage } => {
                FromLauncher::Used { key, usage: translate::usage(&usage) }
            }
        };
        Some(Input::FromLauncher(message))
    }

    fn listed(&self, run: &wire::RunInfo) -> Option<LauncherRun> {
        let key = translate::core_key(&run.run_key)?;
        let state = match &run.state {
            wire::RunState::Starting | wire::RunState::Clearing => LauncherState::Starting,
            wire::RunState::Running { started_ms, .. } => LauncherState::Executing {
                at: translate::timestamp(*started_ms),
                scratch_dir: self.scratch_dir(key),
            },
            wire::RunState::Ended(end) => {
                LauncherState::Ended(translate::run_end(end), translate::usage_of_end(end))
            }
        };
        Some(LauncherRun { key, state })
    }

    /// What a run's owner is told of it; where its folder is its owner's, only a helper can.
    fn run_log(&self, key: RunKey) -> RunLog {
        let log = self.parts.core.log_of(key).filter(|_| self.parts.owners.is_none());
        log.map(|log| RunLog::new(Some(log), &self.scratch(key))).unwrap_or_default()
    }

    fn scratch(&self, key: RunKey) -> PathBuf {
        match &self.parts.owners {
            Some(owners) => owners.path(key),
            None => self.parts.sandboxes.path(key),
        }
    }

    fn scratch_dir(&self, key: RunKey) -> String {
        self.scratch(key).to_string_lossy().into_owned()
    }

    /// Does what is to be done; says what could not be done.
    async fn perform(&mut self, effects: Vec<Effect>) -> Vec<Input> {
        let (mut failed, mut clean) = (Vec::new(), Vec::new());
        for effect in effects {
            match effect {
                Effect::ToSchedd { schedd, message } => self.tell_schedd(&schedd, message),
                // Taken note of already: many are one.
                Effect::Advertise => {}
                Effect::BringIn(run) => failed.extend(self.bring_in(run)),
                Effect::BringBack(over) => failed.extend(self.bring_back(over)),
                Effect::CutOff { key } => match &mut self.parts.owners {
                    Some(owners) => owners.cut(key, Cut::Off, clock::now().boot_ms),
                    None => self.parts.carrier.cut_off(key),
                },
                Effect::LetGo { key } => match &mut self.parts.owners {
                    Some(owners) => owners.cut(key, Cut::WhenStill, clock::now().boot_ms),
                    None => self.parts.carrier.let_go(key),
                },
                Effect::StartProcess(run) => failed.extend(self.start(&run)),
                Effect::StopProcess { key, signal, grace_ms } => {
                    let told =
                        || format!("Told to end: signal {signal}, and SIGKILL after {grace_ms} ms");
                    self.run_log(key).say(told);
                    self.order(LauncherOrder::Kill { key, signal, grace_ms });
                }
                Effect::PauseProcess { key, pause } => {
                    self.order(LauncherOrder::Pause { key, pause });
                }
                Effect::ExtendLease { keys, until_boot_ms } => {
                    self.order(LauncherOrder::ExtendLease { keys, until_boot_ms });
                }
                Effect::MeasureRuns { keys, disk } => failed.extend(self.measure(keys, disk)),
                Effect::CloseLog(closed) => self.close_log(closed),
                Effect::CleanUp { key } => clean.push(key),
                Effect::Sweep { kept } => self.sweep_all_but(&kept),
            }
        }
        self.clean_up(clean);
        failed
    }

    fn bring_in(&mut self, run: Box<StartProcess>) -> Option<Input> {
        if let Some(owners) = &mut self.parts.owners {
            return owners.bring_in(run);
        }
        if let Some(side) = self.side(run.key) {
            self.parts.carrier.bring_in(run, side);
        }
        None
    }

    fn bring_back(&mut self, over: Box<BringBack>) -> Option<Input> {
        if let Some(owners) = &mut self.parts.owners {
            return owners.bring_back(over);
        }
        if let Some(side) = self.side(over.key) {
            self.parts.carrier.bring_back(over, side);
        }
        None
    }

    fn close_log(&mut self, closed: Box<ClosedLog>) {
        // Far away it came with the outputs: nothing is taken of a run that is over.
        if self.parts.callers.is_some() {
            return;
        }
        if let Some(owners) = &mut self.parts.owners {
            return owners.tell(closed.key, Errand::CloseLog(closed));
        }
        let ClosedLog { key, log, end, usage } = *closed;
        let log = RunLog::new(Some(&log), &self.scratch(key)).close(&end, &usage);
        log.into_iter().for_each(|log| self.parts.carrier.bring_run_log(log));
    }

    /// Removes what earlier lives have left. What is users' own, their helpers remove.
    fn sweep_all_but(&mut self, kept: &BTreeSet<RunKey>) {
        if self.parts.owners.is_some() {
            return;
        }
        self.parts.carrier.sweep(kept);
        match self.parts.sandboxes.strays(kept) {
            Ok(folders) => self.sweep(folders),
            Err(error) => tracing::warn!(%error, "cannot list the scratch folders"),
        }
    }

    /// Where the files of a run's submitter are.
    fn side(&self, key: RunKey) -> Option<SubmitSide> {
        let Some(callers) = &self.parts.callers else { return Some(SubmitSide::Here) };
        // One that is over has none: nothing is carried for it.
        let (schedd, secret, run) = self.parts.core.whose(key)?;
        let wanted = FilesFor { claim: key.claim, secret, run };
        Some(SubmitSide::Far { callers: Arc::clone(callers), schedd: schedd.clone(), wanted })
    }

    fn clean_up(&mut self, keys: Vec<RunKey>) {
        if keys.is_empty() {
            return;
        }
        if let Some(owners) = &mut self.parts.owners {
            owners.remove(&keys);
            return self.order(LauncherOrder::Forget(keys));
        }
        let folders = keys.iter().map(|key| self.scratch(*key)).collect();
        for key in &keys {
            self.parts.carrier.forget(*key);
        }
        self.order(LauncherOrder::Forget(keys));
        self.sweep(folders);
    }

    /// Gives a run to the launcher, or says that it is over.
    fn start(&mut self, run: &StartProcess) -> Option<Input> {
        let key = run.key;
        let prepared = match &mut self.parts.owners {
            Some(owners) => owners.prepare(run, &self.parts.sandboxes),
            None => self.parts.sandboxes.prepare(run),
        };
        match prepared {
            Ok(mut start) => {
                let (slot, scratch) = ((run.universe, &run.resources), self.scratch(key));
                self.parts.bounds.set(&mut start, slot, &scratch, self.can);
                self.order(LauncherOrder::Start { key, start: Box::new(start) });
                None
            }
            Err(failure) => {
                let (end, usage) = (RunEnd::StartFailed(failure), Usage::default());
                Some(Input::FromLauncher(FromLauncher::Ended { key, end, usage }))
            }
        }
    }

    fn measure(&mut self, keys: Vec<RunKey>, disk: bool) -> Option<Input> {
        let measured = match &mut self.parts.owners {
            Some(owners) if disk => owners.measure(&keys),
            None if disk => {
                let folder = |key: &RunKey| (*key, self.parts.sandboxes.path(*key));
                disk::measure(self.parts.own.clone(), keys.iter().map(folder).collect());
                None
            }
            Some(_) | None => None,
        };
        self.order(LauncherOrder::Measure(keys));
        measured
    }

    /// Gives the launcher an order. Without a launcher it is void: the next list says how things
    /// stand, and the core orders again what is to be done then.
    fn order(&mut self, order: LauncherOrder) {
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

    /// Has folders removed, when there is time for it: nobody waits for a disk here.
    fn sweep(&mut self, folders: Vec<PathBuf>) {
        let room = UNSWEPT.saturating_sub(self.unswept.len());
        let left = folders.len().saturating_sub(room);
        self.unswept.extend(folders.into_iter().take(room));
        let said = match self.parts.sweeper.try_reserve() {
            Ok(place) => {
                place.send(std::mem::take(&mut self.unswept));
                None
            }
            Err(TrySendError::Full(())) if left == 0 => None,
            Err(TrySendError::Full(())) => Some("too many wait for the disk"),
            Err(TrySendError::Closed(())) => Some("nobody does that any more"),
        };
        if let Some(why) = said {
            tracing::warn!(left, why, "scratch folders are left for the next start to remove");
        }
    }
}

/// A batch ends before a new connection: what follows from earlier inputs must not be said over it.
/// A start from before the launcher's list would otherwise be ordered after it, when the core has
/// taken the run for lost already.
fn end_of_batch(waiting: &[EngineInput]) -> usize {
    let opens = |input: &EngineInput| {
        matches!(input, EngineInput::ScheddUp { .. } | EngineInput::Launcher(Heard::Up { .. }))
    };
    let later = waiting.iter().skip(1).position(opens);
    later.map_or(waiting.len(), |position| position + 1)
}
