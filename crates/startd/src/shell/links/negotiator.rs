//! Tells the negotiator about the machine: when, and over which connection. What is told is the
//! core's matter.
//!
//! Only the latest state counts, so it is kept in one place that the connection reads from: a slow
//! negotiator gets fewer advertisements, never older ones.

use model::{MachineName, Now};
use proto::draining::Drain;
use proto::joining::ToMachine;
use proto::matchmaking::{FromMachine, MachineState};
use proto::net::{Connection, NetError, Reconnecting, Role, Way};
use tokio::sync::{mpsc, watch};

/// Between two advertisements, when what is free has changed: a few matches may become one.
const SOON_MS: u64 = 3;

/// And so much more for each slot: every one is in the advertisement, and its cost must stay a
/// small part of the work.
const SOON_PER_SLOT_MS: u64 = 1;

/// When only something has changed that people look at (which slot is busy).
const LATER_MS: u64 = 500;

/// What the negotiator is to know.
#[derive(Clone, Debug)]
pub(crate) enum Announcement {
    Nothing,
    Machine(Box<MachineState>),
    Withdrawn(MachineName),
}

/// When the machine is to be advertised.
#[derive(Debug)]
pub(crate) struct Advertiser {
    latest: watch::Sender<Announcement>,
    due_ms: Option<u64>,
    said_ms: u64,
    sequence: u64,
    /// In the last advertisement.
    slots: u64,
}

/// How soon a change must be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Haste {
    /// What is free has changed: jobs wait for it.
    Soon,
    /// Anything else.
    Later,
}

impl Advertiser {
    pub(crate) fn new() -> (Self, watch::Receiver<Announcement>) {
        let (latest, reader) = watch::channel(Announcement::Nothing);
        (Self { latest, due_ms: None, said_ms: 0, sequence: 0, slots: 0 }, reader)
    }

    /// Takes note of a change.
    pub(crate) fn want(&mut self, now: Now, haste: Haste) {
        let due = match haste {
            _ if self.sequence == 0 => now.boot_ms,
            Haste::Soon => {
                let pause = self.slots.saturating_mul(SOON_PER_SLOT_MS).saturating_add(SOON_MS);
                now.boot_ms.max(self.said_ms.saturating_add(pause))
            }
            Haste::Later => now.boot_ms.saturating_add(LATER_MS),
        };
        self.due_ms = Some(self.due_ms.map_or(due, |before| before.min(due)));
    }

    /// When [`Self::say`] is to be called, on the boot clock.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// Advertises. Later advertisements have higher numbers, over restarts too.
    pub(crate) fn say(&mut self, now: Now, mut state: MachineState) {
        let wall_ms = u64::try_from(now.wall.as_millis()).unwrap_or(0);
        self.sequence = wall_ms.max(self.sequence + 1);
        state.sequence = self.sequence;
        self.due_ms = None;
        self.said_ms = now.boot_ms;
        self.slots = u64::try_from(state.slots.len()).unwrap_or(u64::MAX);
        self.latest.send_replace(Announcement::Machine(Box::new(state)));
    }

    /// The machine leaves: the connection says so, and ends.
    pub(crate) fn withdraw(&mut self, machine: MachineName) {
        self.due_ms = None;
        self.latest.send_replace(Announcement::Withdrawn(machine));
    }
}

/// Keeps a connection to the negotiator, and says what is to be known, until that the machine is
/// withdrawn.
pub(crate) async fn keep_telling(
    negotiator: Way,
    machine: MachineName,
    orders: mpsc::Sender<ToMachine>,
    drains: mpsc::Sender<Option<Drain>>,
    mut latest: watch::Receiver<Announcement>,
) {
    let role = Role::Startd(machine.to_string());
    let mut link = Reconnecting::to(negotiator, role).that_is(Role::Negotiator);
    loop {
        match tell(link.next().await, &mut latest, (&orders, &drains)).await {
            Ok(End::AllSaid) => return,
            closed @ (Ok(End::Closed) | Err(_)) => {
                tracing::info!(?closed, "the connection to the negotiator closed");
            }
        }
    }
}

/// Why a connection ended in order.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Nothing is left to be said, ever.
    AllSaid,
    /// The negotiator closed it.
    Closed,
}

async fn tell(
    mut connection: Connection,
    latest: &mut watch::Receiver<Announcement>,
    (orders, drains): (&mpsc::Sender<ToMachine>, &mpsc::Sender<Option<Drain>>),
) -> Result<End, NetError> {
    // What is known already is news to a new connection.
    latest.mark_changed();
    loop {
        tokio::select! {
            changed = latest.changed() => {
                if changed.is_err() {
                    return Ok(End::AllSaid);
                }
                let announcement = latest.borrow_and_update().clone();
                match announcement {
                    Announcement::Nothing => {}
                    Announcement::Machine(state) => {
                        connection.sender.send(&FromMachine::Advertise(state)).await?;
                    }
                    Announcement::Withdrawn(machine) => {
                        connection.sender.send(&FromMachine::Withdraw { machine }).await?;
                        return Ok(End::AllSaid);
                    }
                }
            }
            // This is how the negotiator's end is noticed, too.
            heard = connection.receiver.recv::<ToMachine>() => match heard? {
                None => return Ok(End::Closed),
                // What was signed is not said again: it is not lost here.
                Some(signed @ ToMachine::Signed(_)) => drop(orders.send(signed).await),
                Some(ToMachine::Drain(order)) => {
                    // A startd that has ended takes nothing new anyway.
                    let _ = drains.send(order).await;
                }
                // A schedd that wants the machine says so again.
                Some(call @ ToMachine::Call { .. }) => drop(orders.try_send(call)),
            }
        }
    }
}
