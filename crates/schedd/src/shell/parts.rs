//! Joins who wants to start a program on another machine of a run with what waits there for that.
//! The frames of the two are passed on; nothing of them is read. Which run a machine may speak for,
//! the core says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::{MachineName, RunId};
use proto::net::{Connection, NetError, join};
use proto::parts::{PartAnswer, PartCall, Wants};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::engine::{EngineInput, PartOf};

/// How long who calls may take to say for which run.
const SAYS_WHAT: Duration = Duration::from_secs(10);

/// How long a program waits for the part on which it is to start: that may have begun only now.
const PART_BEGINS: Duration = Duration::from_secs(120);

/// How many may wait on one part at a time to be told what to start.
const MOST_WAITING: usize = 16;

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

/// Whose turn it is to be told what to start.
type Waiting = VecDeque<oneshot::Sender<Connection>>;

/// Who waits to be told what to start, by run and part.
#[derive(Debug, Default)]
pub(crate) struct Switchboard {
    waiting: Mutex<BTreeMap<(RunId, u32), Waiting>>,
    came: Notify,
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
    /// Waits to be told what to start, and passes on from then on.
    async fn wait_here(&self, mut place: Connection, key: (RunId, u32)) -> Result<(), PartsError> {
        let (sender, taken) = oneshot::channel();
        if !self.put(key, sender) {
            return refuse(place, "so many wait on this part already").await;
        }
        let caller = tokio::select! {
            taken = taken => taken,
            // It has nothing to say before; so it has gone.
            heard = place.receiver.next_frame() => return heard.map(drop).map_err(PartsError::from),
        };
        let Ok(mut caller) = caller else { return Ok(()) };
        place.sender.send(&PartAnswer::Ready).await?;
        caller.sender.send(&PartAnswer::Ready).await?;
        Ok(join(place, caller).await?)
    }

    fn put(&self, key: (RunId, u32), sender: oneshot::Sender<Connection>) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has gone waits no more.
        waiting.retain(|_, places| {
            places.retain(|place| !place.is_closed());
            !places.is_empty()
        });
        let places = waiting.entry(key).or_default();
        let has_room = places.len() < MOST_WAITING;
        if has_room {
            places.push_back(sender);
        }
        drop(waiting);
        self.came.notify_waiters();
        has_room
    }

    fn take(&self, key: (RunId, u32)) -> Option<oneshot::Sender<Connection>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let places = waiting.get_mut(&key)?;
        let place = places.pop_front();
        if places.is_empty() {
            waiting.remove(&key);
        }
        place
    }

    /// Gives the connection to whoever waits on that part: who waits passes on.
    async fn connect(&self, mut caller: Connection, key: (RunId, u32)) -> Result<(), PartsError> {
        let until = Instant::now() + PART_BEGINS;
        loop {
            // Before the look, so that nobody comes in between.
            let came = self.came.notified();
            while let Some(place) = self.take(key) {
                match place.send(caller) {
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
