//! Connections that the schedd opens: one to the negotiator, one to each startd that it has a claim
//! on. A link reconnects until it is dropped, and tells the engine when it opens, what it hears,
//! and when it closes. What is said over it is the core's matter.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::MachineName;
use proto::claiming::{FromStartd, ToStartd};
use proto::matchmaking::{FromSchedd, ToSchedd};
use proto::net::{Address, Connection, NetError, Reconnecting, Role, Way};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::engine::EngineInput;
use crate::core::Input;

/// Messages that wait for a peer that reads slowly. More than one pass of starts on a large
/// machine; when it is full the connection is closed, and the greeting of the next one makes good
/// what was not said.
const QUEUE: usize = 8192;

/// How many queued messages are written before the buffer is flushed.
const BURST: usize = 256;

/// The links of one schedd.
#[derive(Debug)]
pub(crate) struct Links {
    schedd: String,
    engine: mpsc::Sender<EngineInput>,
    negotiator: (Way, PeerLink<FromSchedd>),
    startds: BTreeMap<MachineName, (String, PeerLink<ToStartd>)>,
}

#[derive(Debug)]
struct PeerLink<Out> {
    queue: mpsc::Sender<Out>,
    task: JoinHandle<()>,
}

impl<Out> Drop for PeerLink<Out> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Links {
    /// Starts with the link to the negotiator.
    pub(crate) fn new(
        schedd: String,
        negotiator: PathBuf,
        engine: mpsc::Sender<EngineInput>,
    ) -> Self {
        let way = Way::Here(negotiator);
        let link = open_negotiator(way.clone(), schedd.clone(), engine.clone());
        let negotiator = (way, link);
        Self { schedd, engine, negotiator, startds: BTreeMap::new() }
    }

    /// Keeps a connection to the startd at `address`.
    pub(crate) fn connect(&mut self, machine: MachineName, address: String) {
        if self.startds.get(&machine).is_some_and(|(known, _)| *known == address) {
            return;
        }
        let Some(Address::Unix(at)) = Address::of_ads(&address) else {
            tracing::error!(%machine, address, "no address that can be connected to");
            return;
        };
        let name = machine.clone();
        let link = open(
            Way::Here(at),
            self.schedd.clone(),
            self.engine.clone(),
            Ends {
                // A startd speaks first: its `Status` says that it is up.
                up: None,
                down: Input::StartdDown { machine: machine.clone() },
                heard: move |message: FromStartd| Input::FromStartd {
                    machine: name.clone(),
                    message,
                },
            },
        );
        self.startds.insert(machine, (address, link));
    }

    pub(crate) fn disconnect(&mut self, machine: &MachineName) {
        self.startds.remove(machine);
    }

    /// Says something to a startd, if there is a link to it.
    pub(crate) fn tell_startd(&mut self, machine: &MachineName, message: ToStartd) {
        let Some((address, link)) = self.startds.get(machine) else { return };
        if link.queue.try_send(message).is_err() {
            tracing::warn!(%machine, "a startd reads too slowly; connecting anew");
            let address = address.clone();
            self.startds.remove(machine);
            self.connect(machine.clone(), address);
        }
    }

    /// Says something to the negotiator. What it does not read is not lost: the next connection
    /// begins with all that is true then.
    pub(crate) fn tell_negotiator(&mut self, message: FromSchedd) {
        let (way, link) = &self.negotiator;
        if link.queue.try_send(message).is_err() {
            tracing::warn!("the negotiator reads too slowly; connecting anew");
            let (schedd, engine) = (self.schedd.clone(), self.engine.clone());
            self.negotiator.1 = open_negotiator(way.clone(), schedd, engine);
        }
    }
}

fn open_negotiator(
    way: Way,
    schedd: String,
    engine: mpsc::Sender<EngineInput>,
) -> PeerLink<FromSchedd> {
    let ends = Ends {
        up: Some(Input::NegotiatorUp),
        down: Input::NegotiatorDown,
        heard: |message: ToSchedd| Input::FromNegotiator(message),
    };
    open(way, schedd, engine, ends)
}

/// What a link tells the engine.
struct Ends<Hear> {
    up: Option<Input>,
    down: Input,
    heard: Hear,
}

fn open<In, Out, Hear>(
    way: Way,
    schedd: String,
    engine: mpsc::Sender<EngineInput>,
    ends: Ends<Hear>,
) -> PeerLink<Out>
where
    In: DeserializeOwned + Send + 'static,
    Out: Serialize + Send + Sync + 'static,
    Hear: Fn(In) -> Input + Send + Sync + 'static,
{
    let (queue, outgoing) = mpsc::channel(QUEUE);
    let task = tokio::spawn(keep_open(way, schedd, engine, ends, outgoing));
    PeerLink { queue, task }
}

async fn keep_open<In, Out, Hear>(
    way: Way,
    schedd: String,
    engine: mpsc::Sender<EngineInput>,
    ends: Ends<Hear>,
    mut outgoing: mpsc::Receiver<Out>,
) where
    In: DeserializeOwned + Send,
    Out: Serialize + Send + Sync,
    Hear: Fn(In) -> Input + Send + Sync,
{
    let mut link = Reconnecting::to(way.clone(), Role::Schedd(schedd));
    loop {
        let connection = link.next().await;
        // What was queued for an earlier connection is void: the greeting of this one makes it
        // good.
        while outgoing.try_recv().is_ok() {}
        if let Some(up) = &ends.up
            && engine.send(EngineInput::Core(up.clone())).await.is_err()
        {
            return;
        }
        let end = talk(connection, &engine, &ends.heard, &mut outgoing).await;
        tracing::info!(to = %way, ?end, "a connection closed");
        if engine.send(EngineInput::Core(ends.down.clone())).await.is_err() {
            return;
        }
    }
}

async fn talk<In, Out>(
    connection: Connection,
    engine: &mpsc::Sender<EngineInput>,
    heard: &impl Fn(In) -> Input,
    outgoing: &mut mpsc::Receiver<Out>,
) -> Result<(), NetError>
where
    In: DeserializeOwned,
    Out: Serialize,
{
    let Connection { mut sender, mut receiver, .. } = connection;
    let mut burst = Vec::with_capacity(BURST);
    loop {
        tokio::select! {
            message = receiver.recv::<In>() => {
                let Some(message) = message? else { return Ok(()) };
                if engine.send(EngineInput::Core(heard(message))).await.is_err() {
                    return Ok(());
                }
            }
            n = outgoing.recv_many(&mut burst, BURST) => {
                if n == 0 {
                    return Ok(());
                }
                for message in burst.drain(..) {
                    sender.feed(&message).await?;
                }
                sender.flush().await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::MatchId;
    use nix::unistd::Uid;
    use proto::net::{Admission, Listener};

    use super::*;

    fn declined() -> FromSchedd {
        FromSchedd::Declined { matched: MatchId { life: 1, number: 1 }, reason: "x".repeat(4096) }
    }

    #[tokio::test]
    async fn a_negotiator_that_does_not_read_gets_a_connection_that_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("n.sock");
        let admission = Admission::OnlyUid(Uid::effective().as_raw());
        let listener =
            Listener::bind(&Address::unix(&socket), Role::Negotiator, admission).unwrap();
        let (engine, mut heard) = mpsc::channel(16);
        let mut links = Links::new("here".to_owned(), socket, engine);
        let mut up = async |deaf| {
            let connection = listener.accept().await.greet().await.unwrap();
            let said = heard.recv().await;
            assert!(matches!(said, Some(EngineInput::Core(Input::NegotiatorUp))), "{deaf:?}");
            connection
        };
        let deaf = up("the first").await;
        // As much as waits in the queue, and what the socket holds.
        (0..2 * QUEUE).for_each(|_| links.tell_negotiator(declined()));
        let mut reads = up("the second").await;
        links.tell_negotiator(declined());
        assert_eq!(reads.receiver.recv::<FromSchedd>().await.unwrap(), Some(declined()));
        drop(deaf);
    }
}
