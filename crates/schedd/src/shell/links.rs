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
    negotiator: PeerLink<FromSchedd>,
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
        let negotiator = open(
            Way::Here(negotiator),
            schedd.clone(),
            engine.clone(),
            Ends {
                up: Some(Input::NegotiatorUp),
                down: Input::NegotiatorDown,
                heard: |message: ToSchedd| Input::FromNegotiator(message),
            },
        );
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

    /// Says something to the negotiator.
    pub(crate) fn tell_negotiator(&self, message: FromSchedd) {
        if self.negotiator.queue.try_send(message).is_err() {
            tracing::warn!(
                "the negotiator reads too slowly; it will be told all again when it reconnects"
            );
        }
    }
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
