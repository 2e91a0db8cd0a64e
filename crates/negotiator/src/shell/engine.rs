//! The one task that owns the core: takes what waits, decides and applies each, lets a pass be made
//! if one is due, and tells the schedds.

use std::collections::BTreeMap;
use std::time::Duration;

use classad::ClassAd;
use model::{IdleReason, MachineName, ScheddName, UserName};
use proto::client::{AccountEdit, AccountLine, Query};
use proto::clock;
use proto::draining::{Drain, Drains};
use proto::matchmaking::{FromMachine, FromSchedd, ToSchedd};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use super::saved_file::{SavedError, SavedFiles, Saving};
use crate::core::{Core, Effect, Input, run_batch};

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
    /// A command asks whether jobs could ever run.
    Never { ads: Vec<ClassAd>, answer: oneshot::Sender<Vec<Option<IdleReason>>> },
    /// A command asks for the negotiator's own ad.
    Statistics { answer: oneshot::Sender<ClassAd> },
    /// A command asks for the accounts.
    Accounts { answer: oneshot::Sender<Vec<AccountLine>> },
    /// A command changes accounts; answered when the change is on its way to the disk.
    EditAccounts { user: Option<UserName>, edit: AccountEdit, answer: oneshot::Sender<()> },
    /// A command drains a machine, or gives it jobs again; answered when that is on the disk, with
    /// the machine that was meant, if there is one.
    Drain {
        machine: String,
        is_member: bool,
        drain: Option<Drain>,
        answer: oneshot::Sender<Option<MachineName>>,
    },
    /// The negotiator shall stop.
    Stop,
}

/// Answers somebody, when what was said before is decided.
type Question = Box<dyn FnOnce(&Core) + Send>;

/// The core and those it speaks to.
pub(crate) struct Engine {
    core: Core,
    files: SavedFiles,
    /// Who tells the machines.
    tell_drains: watch::Sender<Drains>,
    /// The accounts, while they are being saved.
    saving: Option<Saving>,
    schedds: BTreeMap<ScheddName, (ConnectionId, mpsc::Sender<ToSchedd>)>,
    machines: BTreeMap<MachineName, ConnectionId>,
}

impl Engine {
    pub(crate) fn new(core: Core, files: SavedFiles, tell_drains: watch::Sender<Drains>) -> Self {
        Self {
            core,
            files,
            tell_drains,
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
            let (mut inputs, mut questions) = (Vec::new(), Vec::new());
            for input in batch.drain(..) {
                stopped |= matches!(input, EngineInput::Stop);
                inputs.extend(self.hear(input, &mut questions));
            }
            self.settle(&inputs).await?;
            questions.into_iter().for_each(|answer| answer(&self.core));
        }
        self.save_accounts().await?.done().await
    }

    /// Begins to save the accounts, when what was begun before is saved.
    async fn save_accounts(&mut self) -> Result<Saving, SavedError> {
        if let Some(saving) = self.saving.take() {
            saving.done().await?;
        }
        Ok(self.files.accounts.save(self.core.accounts().clone()))
    }

    /// What the core hears of it; what is to be answered when that is decided goes to `questions`.
    fn hear(&mut self, input: EngineInput, questions: &mut Vec<Question>) -> Option<Input> {
        match input {
            EngineInput::ScheddUp { schedd, connection, outbox } => {
                self.schedds.insert(schedd.clone(), (connection, outbox))?;
                tracing::warn!(%schedd, "replaced a connection by a new one of the same name");
                Some(Input::ScheddDown { schedd })
            }
            EngineInput::ScheddSaid { schedd, connection, message } => {
                let is_current = self.is_current(&schedd, connection);
                is_current.then_some(Input::FromSchedd { schedd, message })
            }
            EngineInput::ScheddDown { schedd, connection } => {
                if !self.is_current(&schedd, connection) {
                    return None;
                }
                self.schedds.remove(&schedd);
                Some(Input::ScheddDown { schedd })
            }
            EngineInput::MachineUp { machine, connection } => {
                // A startd that comes back counts its ads anew.
                self.machines.insert(machine.clone(), connection)?;
                Some(Input::MachineDown { machine })
            }
            EngineInput::MachineSaid { machine, connection, message } => {
                let is_current = self.machines.get(&machine) == Some(&connection);
                is_current.then_some(Input::FromMachine(message))
            }
            EngineInput::MachineDown { machine, connection } => {
                if self.machines.get(&machine) != Some(&connection) {
                    return None;
                }
                self.machines.remove(&machine);
                Some(Input::MachineDown { machine })
            }
            EngineInput::QueryMachines { query, answer } => {
                questions.push(asked(answer, move |core| core.machine_ads(&query, clock::now())));
                None
            }
            EngineInput::Never { ads, answer } => {
                let never = |core: &Core, ad| core.never(ad, clock::now());
                let all = move |core: &Core| ads.into_iter().map(|ad| never(core, ad)).collect();
                questions.push(asked(answer, all));
                None
            }
            EngineInput::Statistics { answer } => {
                questions.push(asked(answer, Core::statistics));
                None
            }
            EngineInput::Accounts { answer } => {
                questions.push(asked(answer, |core| core.accounts_report(clock::now())));
                None
            }
            EngineInput::EditAccounts { user, edit, answer } => {
                questions.push(asked(answer, |_| ()));
                Some(Input::EditAccounts { user, edit })
            }
            EngineInput::Drain { machine, is_member, drain, answer } => {
                let machine = MachineName::new(&machine);
                // One that is away and gets jobs again is known to nobody afterwards.
                let before = self.core.known_machine(machine.as_str());
                let before = before.or_else(|| is_member.then(|| machine.clone()));
                let said = machine.clone();
                let known = move |core: &Core| core.known_machine(said.as_str()).or(before);
                questions.push(asked(answer, known));
                Some(Input::Drain { machine, is_member, drain })
            }
            EngineInput::Stop => None,
        }
    }

    /// Lets the core do what the inputs ask for and what is due.
    async fn settle(&mut self, inputs: &[Input]) -> Result<(), SavedError> {
        let batch = run_batch(&mut self.core, clock::now(), inputs);
        for rejection in batch.rejected {
            tracing::debug!(%rejection, "dropped an input");
        }
        for effect in batch.effects {
            self.perform(effect).await?;
        }
        Ok(())
    }

    async fn perform(&mut self, effect: Effect) -> Result<(), SavedError> {
        match effect {
            Effect::ToSchedd { schedd, message } => self.tell(&schedd, message),
            // Waited for: what it counts is told next. Pools without limits have none of it.
            Effect::SaveLimits(in_use) => self.files.limits.save(in_use).done().await?,
            Effect::SaveDrains(drains) => {
                self.files.drains.save(drains.clone()).done().await?;
                self.tell_drains.send_replace(drains);
            }
            Effect::SaveBookings(bookings) => self.files.bookings.save(bookings).done().await?,
            Effect::SaveAccounts => self.saving = Some(self.save_accounts().await?),
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

/// Who asked may have gone: then nobody wants the answer.
fn asked<T: Send + 'static>(
    answer: oneshot::Sender<T>,
    find: impl FnOnce(&Core) -> T + Send + 'static,
) -> Question {
    Box::new(move |core| drop(answer.send(find(core))))
}
