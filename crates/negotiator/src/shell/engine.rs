//! The one task that owns the core: takes what waits, decides and applies each, lets a pass be made
//! if one is due, and tells the schedds.

use std::collections::BTreeMap;
use std::time::Duration;

use classad::ClassAd;
use model::{MachineName, ScheddName, UserName};
use proto::client::{AccountEdit, AccountLine, Query};
use proto::clock;
use proto::matchmaking::{FromMachine, FromSchedd, ToSchedd};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::saved_file::{SavedError, SavedFile};
use crate::core::{Core, Effect, Input};

/// Inputs that may wait for the engine. Beyond that, connections wait, and TCP or the socket makes
/// their peers wait.
pub(crate) const QUEUE: usize = 1024;

/// Inputs that are decided before a pass is made: enough that a thousand ads cost one pass, few
/// enough that the first of them does not wait noticeably.
const BATCH: usize = 256;

/// Messages that may wait for a schedd to read them. A schedd that is so far behind is
/// disconnected.
pub(crate) const OUTBOX: usize = 256;

/// The longest sleep: a deadline further away is looked at again then. Keeps the arithmetic of the
/// timer out of its limits.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Counts connections, so that the end of an old one is not taken for the end of a new one of the
/// same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// What connections tell the engine.
#[derive(Debug)]
pub(crate) enum EngineInput {
    /// A schedd has connected. An older connection of the same name is dropped.
    ScheddUp { schedd: ScheddName, connection: ConnectionId, outbox: mpsc::Sender<ToSchedd> },
    /// A schedd says something.
    ScheddSaid { schedd: ScheddName, connection: ConnectionId, message: FromSchedd },
    /// A schedd's connection is closed.
    ScheddDown { schedd: ScheddName, connection: ConnectionId },
    /// A startd has connected.
    MachineUp { machine: MachineName, connection: ConnectionId },
    /// A startd says something.
    MachineSaid { machine: MachineName, connection: ConnectionId, message: FromMachine },
    /// A startd's connection is closed.
    MachineDown { machine: MachineName, connection: ConnectionId },
    /// A command asks for machine ads.
    QueryMachines { query: Box<Query>, answer: oneshot::Sender<Vec<ClassAd>> },
    /// A command asks for the negotiator's own ad.
    Statistics { answer: oneshot::Sender<ClassAd> },
    /// A command asks for the accounts.
    Accounts { answer: oneshot::Sender<Vec<AccountLine>> },
    /// A command changes accounts; answered when the change is on its way to the disk.
    EditAccounts { user: Option<UserName>, edit: AccountEdit, answer: oneshot::Sender<()> },
    /// The negotiator shall stop.
    Stop,
}

/// The core and those it speaks to.
pub(crate) struct Engine {
    core: Core,
    file: SavedFile,
    limits: SavedFile,
    saving: Option<JoinHandle<Result<(), SavedError>>>,
    schedds: BTreeMap<ScheddName, (ConnectionId, mpsc::Sender<ToSchedd>)>,
    machines: BTreeMap<MachineName, ConnectionId>,
}

impl Engine {
    pub(crate) fn new(core: Core, file: SavedFile, limits: SavedFile) -> Self {
        Self {
            core,
            file,
            limits,
            saving: None,
            schedds: BTreeMap::new(),
            machines: BTreeMap::new(),
        }
    }

    /// Runs until it is told to stop. Saves the accounts before it returns.
    pub(crate) async fn run(
        mut self,
        mut queue: mpsc::Receiver<EngineInput>,
    ) -> Result<(), SavedError> {
        let mut batch = Vec::with_capacity(BATCH);
        let mut stopped = false;
        for effect in self.core.resume() {
            self.perform(effect).await?;
        }
        while !stopped {
            tokio::select! {
                received = queue.recv_many(&mut batch, BATCH) => stopped = received == 0,
                () = sleep(self.until_deadline()) => {}
            }
            for input in batch.drain(..) {
                stopped |= matches!(input, EngineInput::Stop);
                self.take(input).await?;
            }
            self.tick().await?;
        }
        if let Some(saving) = self.saving.take() {
            finished(saving.await)?;
        }
        self.file.save(self.core.accounts())
    }

    async fn take(&mut self, input: EngineInput) -> Result<(), SavedError> {
        match input {
            EngineInput::ScheddUp { schedd, connection, outbox } => {
                if self.schedds.insert(schedd.clone(), (connection, outbox)).is_some() {
                    tracing::warn!(%schedd, "replaced a connection by a new one of the same name");
                    self.decide(Input::ScheddDown { schedd }).await?;
                }
            }
            EngineInput::ScheddSaid { schedd, connection, message } => {
                if self.is_current(&schedd, connection) {
                    self.decide(Input::FromSchedd { schedd, message }).await?;
                }
            }
            EngineInput::ScheddDown { schedd, connection } => {
                if self.is_current(&schedd, connection) {
                    self.schedds.remove(&schedd);
                    self.decide(Input::ScheddDown { schedd }).await?;
                }
            }
            EngineInput::MachineUp { machine, connection } => {
                // A startd that comes back counts its ads anew.
                if self.machines.insert(machine.clone(), connection).is_some() {
                    self.decide(Input::MachineDown { machine }).await?;
                }
            }
            EngineInput::MachineSaid { machine, connection, message } => {
                if self.machines.get(&machine) == Some(&connection) {
                    self.decide(Input::FromMachine(message)).await?;
                }
            }
            EngineInput::MachineDown { machine, connection } => {
                if self.machines.get(&machine) == Some(&connection) {
                    self.machines.remove(&machine);
                    self.decide(Input::MachineDown { machine }).await?;
                }
            }
            EngineInput::QueryMachines { query, answer } => {
                // Who asked may have gone: then nobody wants the answer.
                let _ = answer.send(self.core.machine_ads(&query, clock::now()));
            }
            EngineInput::Statistics { answer } => {
                let _ = answer.send(self.core.statistics());
            }
            EngineInput::Accounts { answer } => {
                let _ = answer.send(self.core.accounts_report(clock::now()));
            }
            EngineInput::EditAccounts { user, edit, answer } => {
                self.decide(Input::EditAccounts { user, edit }).await?;
                let _ = answer.send(());
            }
            EngineInput::Stop => {}
        }
        Ok(())
    }

    async fn decide(&mut self, input: Input) -> Result<(), SavedError> {
        let decision = match self.core.decide(clock::now(), &input) {
            Ok(decision) => decision,
            Err(rejection) => {
                tracing::debug!(%rejection, "dropped an input");
                return Ok(());
            }
        };
        for event in decision.events {
            let change = self.core.apply(&event);
            for effect in self.core.react(&change, &event) {
                self.perform(effect).await?;
            }
        }
        Ok(())
    }

    /// Lets the core do what is due. It returns when the core's deadline lies ahead again.
    async fn tick(&mut self) -> Result<(), SavedError> {
        while self.until_deadline().is_zero() {
            self.decide(Input::Tick).await?;
        }
        Ok(())
    }

    async fn perform(&mut self, effect: Effect) -> Result<(), SavedError> {
        match effect {
            Effect::ToSchedd { schedd, message } => self.tell(&schedd, message),
            // Waited for: what it counts is told next. Pools without limits have none of it.
            Effect::SaveLimits(in_use) => self.limits.save(&in_use)?,
            Effect::SaveAccounts => {
                if let Some(saving) = self.saving.take() {
                    finished(saving.await)?;
                }
                let (file, accounts) = (self.file.clone(), self.core.accounts().clone());
                self.saving = Some(tokio::task::spawn_blocking(move || file.save(&accounts)));
            }
        }
        Ok(())
    }

    /// Nobody waits for a schedd: one that does not read loses its connection, and hears everything
    /// when it is back.
    fn tell(&mut self, schedd: &ScheddName, message: ToSchedd) {
        let Some((_, outbox)) = self.schedds.get(schedd) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = outbox.try_send(message) {
            tracing::warn!(%schedd, limit = OUTBOX, "dropped a schedd that does not read its messages");
            // The connection's task sees that its outbox is gone, closes, and reports the end.
            if let Some((_, outbox)) = self.schedds.get_mut(schedd) {
                *outbox = mpsc::channel(1).0;
            }
        }
    }

    fn is_current(&self, schedd: &ScheddName, connection: ConnectionId) -> bool {
        self.schedds.get(schedd).is_some_and(|(current, _)| *current == connection)
    }

    fn until_deadline(&self) -> Duration {
        let now = clock::now().boot_ms;
        let wait = |deadline: u64| Duration::from_millis(deadline.saturating_sub(now));
        self.core.next_deadline().map_or(LONGEST_SLEEP, wait).min(LONGEST_SLEEP)
    }
}

fn finished(
    saving: Result<Result<(), SavedError>, tokio::task::JoinError>,
) -> Result<(), SavedError> {
    match saving {
        Ok(saved) => saved,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
