//! Joins who wants to start a program on another machine of a run with what waits there for that.
//! The frames of the two are passed on; nothing of them is read. Which run a machine may speak for,
//! the core says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{MachineName, RunId};
use proto::net::{Connection, NetError, join};
use proto::parts::{PartAnswer, PartCall, Wants};
use proto::seats::Seats;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::engine::{EngineInput, PartOf};

/// How long who calls may take to say for which run.
const SAYS_WHAT: Duration = Duration::from_secs(10);

/// How long a program waits for the part on which it is to start: that may have begun only now.
const PART_BEGINS: Duration = Duration::from_secs(120);

/// How many may wait on one part at a time to be told what to start.
const MOST_WAITING: usize = 16;

/// How many may wait at a time for one part to be there; `mpirun` starts as many as there are
/// machines, from one of them each.
const MOST_CALLING: usize = 256;

/// How many connections one machine has for the parts of runs: a task of each processor of a large
/// machine, several times. Who has more is told so, and the places of others are there.
const MOST_OF_MACHINE: usize = 4096;

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartsError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("the schedd stops")]
    Stopping,
    #[error("join parts of a run: the machine did not say of which")]
    Silent,
}

/// A part of a run.
type Key = (RunId, u32);

/// Who waits on one part.
#[derive(Debug, Default)]
struct OfPart {
    /// To be told what to start, by whose turn it is.
    places: VecDeque<oneshot::Sender<Connection>>,
    /// How many wait for one of those.
    callers: usize,
    came: Arc<Notify>,
}

/// Who waits to be told what to start, and who has something to start.
#[derive(Debug, Default)]
pub(crate) struct Switchboard {
    parts: Mutex<BTreeMap<Key, OfPart>>,
    machines: Seats<MachineName>,
}

/// One of those that call for a part; it is forgotten with this.
#[derive(Debug)]
struct Caller<'a> {
    board: &'a Switchboard,
    key: Key,
    came: Arc<Notify>,
}

/// One who waits to be told what to start; those of the part that have gone are forgotten with
/// this.
#[derive(Debug)]
struct Waiter<'a> {
    board: &'a Switchboard,
    key: Key,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.board.change(self.key, |part| part.callers -= 1);
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.board.change(self.key, |part| part.places.retain(|place| !place.is_closed()));
    }
}

/// Serves one connection until it ends.
pub(crate) async fn attend(
    mut connection: Connection,
    machine: MachineName,
    (engine, board): (&mpsc::Sender<EngineInput>, &Switchboard),
) -> Result<(), PartsError> {
    let call = timeout(SAYS_WHAT, connection.receiver.recv::<PartCall>());
    let Some(PartCall { of, wants }) = call.await.map_err(|_| PartsError::Silent)?? else {
        return Ok(());
    };
    let Some(_seat) = board.machines.take(&machine, MOST_OF_MACHINE) else {
        return refuse(connection, "its machine has as many connections as it may").await;
    };
    let (answer, answered) = oneshot::channel();
    let ask = EngineInput::PartFor { machine, wanted: of, answer };
    engine.send(ask).await.map_err(|_| PartsError::Stopping)?;
    let Some(own) = answered.await.map_err(|_| PartsError::Stopping)? else {
        return refuse(connection, "the schedd does not know this run any more").await;
    };
    let PartOf { part, of: parts, mut over } = own;
    match wants {
        Wants::Place => {
            tokio::select! {
                ended = board.wait_here(connection, (of.run, part)) => ended,
                _ = over.changed() => Ok(()),
            }
        }
        Wants::Start { part } if part >= parts => {
            refuse(connection, "the job has not so many parts").await
        }
        Wants::Start { part } => {
            tokio::select! {
                ended = board.connect(connection, (of.run, part)) => ended,
                _ = over.changed() => Ok(()),
            }
        }
    }
}

async fn refuse(mut connection: Connection, why: &str) -> Result<(), PartsError> {
    Ok(connection.sender.send(&PartAnswer::Refused(why.to_owned())).await?)
}

impl Switchboard {
    /// Changes what is known of a part; nothing is kept of one on which nobody waits.
    fn change<T>(&self, key: Key, change: impl FnOnce(&mut OfPart) -> T) -> T {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let part = parts.entry(key).or_default();
        let result = change(part);
        if part.places.is_empty() && part.callers == 0 {
            parts.remove(&key);
        }
        result
    }

    /// Waits to be told what to start, and passes on from then on.
    async fn wait_here(&self, mut place: Connection, key: Key) -> Result<(), PartsError> {
        let caller = {
            let waiter = Waiter { board: self, key };
            let (sender, taken) = oneshot::channel();
            if !self.put(key, sender) {
                return refuse(place, "so many wait on this part already").await;
            }
            let caller = tokio::select! {
                taken = taken => taken,
                // It has nothing to say before; so it has gone.
                heard = place.receiver.next_frame() => {
                    return heard.map(drop).map_err(PartsError::from);
                }
            };
            drop(waiter);
            caller
        };
        let Ok(mut caller) = caller else { return Ok(()) };
        place.sender.send(&PartAnswer::Ready).await?;
        caller.sender.send(&PartAnswer::Ready).await?;
        Ok(join(place, caller).await?)
    }

    fn put(&self, key: Key, sender: oneshot::Sender<Connection>) -> bool {
        self.change(key, |part| {
            // Who has gone waits no more.
            part.places.retain(|place| !place.is_closed());
            let has_room = part.places.len() < MOST_WAITING;
            if has_room {
                part.places.push_back(sender);
                part.came.notify_waiters();
            }
            has_room
        })
    }

    fn take(&self, key: Key) -> Option<oneshot::Sender<Connection>> {
        self.change(key, |part| part.places.pop_front())
    }

    /// One more who calls for a part, if not too many do.
    fn caller(&self, key: Key) -> Option<Caller<'_>> {
        self.change(key, |part| {
            let has_room = part.callers < MOST_CALLING;
            part.callers += usize::from(has_room);
            has_room.then(|| Caller { board: self, key, came: Arc::clone(&part.came) })
        })
    }

    /// Gives the connection to whoever waits on that part: who waits passes on.
    async fn connect(&self, mut caller: Connection, key: Key) -> Result<(), PartsError> {
        let Some(place) = self.caller(key) else {
            return refuse(caller, "so many call for this part already").await;
        };
        let until = Instant::now() + PART_BEGINS;
        loop {
            // Before the look, so that nobody comes in between.
            let came = place.came.notified();
            while let Some(waiting) = self.take(key) {
                match waiting.send(caller) {
                    Ok(()) => return Ok(()),
                    Err(back) => caller = back,
                }
            }
            tokio::select! {
                () = came => {}
                heard = caller.receiver.next_frame() => return heard.map(drop).map_err(PartsError::from),
                () = tokio::time::sleep_until(until) => {
                    return refuse(caller, "the part of the run on that machine does not answer").await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Attempt, JobId};

    use super::*;

    fn key(part: u32) -> Key {
        (RunId { job: JobId::new(1, 0), attempt: Attempt(1) }, part)
    }

    #[test]
    fn who_waits_on_a_part_is_bounded_and_forgotten_when_gone() {
        let board = Switchboard::default();
        let waits: Vec<_> = (0..=MOST_WAITING)
            .map(|_| {
                let (sender, taken) = oneshot::channel();
                (board.put(key(1), sender), taken)
            })
            .collect();
        let has_room: Vec<bool> = waits.iter().map(|(has_room, _)| *has_room).collect();
        assert_eq!(has_room.iter().filter(|one| **one).count(), MOST_WAITING);
        drop(waits);
        drop(Waiter { board: &board, key: key(1) });
        assert!(board.parts.lock().unwrap().is_empty());
    }

    #[test]
    fn who_calls_is_bounded_for_each_part() {
        let board = Switchboard::default();
        let callers: Vec<_> = (0..MOST_CALLING).map(|_| board.caller(key(1)).unwrap()).collect();
        assert!(board.caller(key(1)).is_none());
        assert!(board.caller(key(2)).is_some(), "another part has its own");
        drop(callers);
        assert!(board.parts.lock().unwrap().is_empty());
    }

    #[test]
    fn a_place_that_comes_wakes_who_calls_for_it_and_nobody_else() {
        let board = Switchboard::default();
        let (one, other) = (board.caller(key(1)).unwrap(), board.caller(key(2)).unwrap());
        let (came, none) = (one.came.notified(), other.came.notified());
        tokio::pin!(came, none);
        assert!(!came.as_mut().enable() && !none.as_mut().enable());
        let (sender, _taken) = oneshot::channel();
        assert!(board.put(key(1), sender));
        assert!(came.as_mut().enable());
        assert!(!none.as_mut().enable());
    }
}
