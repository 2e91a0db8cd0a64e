//! Connections that the schedd wants: one to the negotiator, one to each startd that it has a claim
//! on. A link reconnects until it is dropped, and tells the engine when it opens, what it hears,
//! and when it closes. What is said over it is the core's matter.
//!
//! A machine that cannot be called is asked, through the negotiator, to call, and asked again until
//! it has ([ADR 0030](../../../../docs/adr/0030-a-machine-that-runs-jobs-calls-out.md)). From then
//! on its connection is like any other.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use model::MachineName;
use proto::claiming::{FromStartd, ToStartd};
use proto::frame::Divide;
use proto::matchmaking::{FromSchedd, ToSchedd};
use proto::net::address::{self, Reach};
use proto::net::{Address, Connection, NetError, Reconnecting, Role, Way};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::engine::EngineInput;
use crate::core::Input;

/// Messages that wait for a peer that reads slowly. More than one pass of starts on a large
/// machine; when it is full the connection is closed, and the greeting of the next one makes good
/// what was not said.
const QUEUE: usize = 8192;

/// How often a machine that does not call is asked again to.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Calls of one machine that wait to be taken.
const CALLS: usize = 4;

/// How many queued messages are written before the buffer is flushed.
const BURST: usize = 256;

/// The links of one schedd.
#[derive(Debug)]
pub(crate) struct Links {
    greeting: Greeting,
    engine: mpsc::Sender<EngineInput>,
    negotiator: (PathBuf, PeerLink<FromSchedd>),
    /// Where machines that cannot be called are to call, if this schedd listens for them.
    called_at: Option<String>,
    startds: BTreeMap<MachineName, StartdLink>,
}

/// The link to a startd.
#[derive(Debug)]
struct StartdLink {
    /// By its ad.
    address: String,
    link: PeerLink<ToStartd>,
    /// Where its calls go, if it calls.
    calls: Option<mpsc::Sender<Connection>>,
}

/// Who connects: a schedd, and which of its queues is behind it.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    pub(crate) schedd: String,
    pub(crate) generation: u64,
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
        greeting: Greeting,
        negotiator: PathBuf,
        called_at: Option<String>,
        engine: mpsc::Sender<EngineInput>,
    ) -> Self {
        let link = open_negotiator(negotiator.clone(), &greeting, engine.clone());
        let negotiator = (negotiator, link);
        Self { greeting, engine, negotiator, called_at, startds: BTreeMap::new() }
    }

    /// Keeps a connection to the startd at `address`.
    pub(crate) fn connect(&mut self, machine: MachineName, address: String) {
        if self.startds.get(&machine).is_some_and(|known| known.address == address) {
            return;
        }
        let (source, calls) = match (address::reach(&address), &self.called_at) {
            (Some(Reach::At(Address::Unix(at))), _) => {
                (ConnectionSource::dials(at, &self.greeting), None)
            }
            (Some(Reach::Calls), Some(called_at)) => {
                let (calls, called) = mpsc::channel(CALLS);
                let machines = vec![machine.clone()];
                let ask = FromSchedd::Call { machines, address: called_at.clone() };
                let engine = self.engine.clone();
                (ConnectionSource::IsCalled { called, ask, engine }, Some(calls))
            }
            (Some(Reach::Calls | Reach::At(Address::Tcp(_))) | None, _) => {
                tracing::error!(%machine, address, "no address that can be connected to");
                return;
            }
        };
        let name = machine.clone();
        let link = open(
            source,
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
        self.startds.insert(machine, StartdLink { address, link, calls });
    }

    /// A machine has called. One that is not wanted any more finds its connection closed.
    pub(crate) fn called(&self, machine: &MachineName, connection: Connection) {
        let wanted = self.startds.get(machine).and_then(|link| link.calls.as_ref());
        if wanted.is_none_or(|calls| calls.try_send(connection).is_err()) {
            tracing::info!(%machine, "a machine has called that is not wanted now");
        }
    }

    pub(crate) fn disconnect(&mut self, machine: &MachineName) {
        self.startds.remove(machine);
    }

    /// Says something to a startd, if there is a link to it.
    pub(crate) fn tell_startd(&mut self, machine: &MachineName, message: ToStartd) {
        let Some(StartdLink { address, link, .. }) = self.startds.get(machine) else { return };
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
        let (path, link) = &self.negotiator;
        if link.queue.try_send(message).is_err() {
            tracing::warn!("the negotiator reads too slowly; connecting anew");
            let engine = self.engine.clone();
            self.negotiator.1 = open_negotiator(path.clone(), &self.greeting, engine);
        }
    }
}

fn open_negotiator(
    path: PathBuf,
    greeting: &Greeting,
    engine: mpsc::Sender<EngineInput>,
) -> PeerLink<FromSchedd> {
    let ends = Ends {
        up: Some(Input::NegotiatorUp),
        down: Input::NegotiatorDown,
        heard: |message: ToSchedd| Input::FromNegotiator(message),
    };
    open(ConnectionSource::dials(path, greeting), engine, ends)
}

/// What a link tells the engine.
struct Ends<Hear> {
    up: Option<Input>,
    down: Input,
    heard: Hear,
}

/// Where a link's connections come from.
enum ConnectionSource {
    /// It makes them.
    Dials { to: PathBuf, link: Box<Reconnecting> },
    /// The peer does, when it is asked to.
    IsCalled {
        called: mpsc::Receiver<Connection>,
        ask: FromSchedd,
        engine: mpsc::Sender<EngineInput>,
    },
}

impl ConnectionSource {
    fn dials(to: PathBuf, greeting: &Greeting) -> Self {
        let role = Role::Schedd(greeting.schedd.clone());
        let link = Reconnecting::to(Way::Here(to.clone()), role);
        let link = Box::new(link.of_generation(greeting.generation));
        Self::Dials { to, link }
    }

    /// The next connection, after as many attempts as it takes.
    async fn next(&mut self) -> Connection {
        match self {
            Self::Dials { link, .. } => link.next().await,
            Self::IsCalled { called, ask, engine } => loop {
                // An engine that has ended wants no calls.
                let _ = engine.send(EngineInput::ToNegotiator(ask.clone())).await;
                match timeout(ASK_AGAIN, called.recv()).await {
                    Ok(Some(connection)) => return connection,
                    // The link is being dropped.
                    Ok(None) => std::future::pending().await,
                    Err(_) => {}
                }
            },
        }
    }

    /// A connection that replaces the one there is: its peer knows that the older one has ended,
    /// though nobody here has noticed. Safe to cancel.
    async fn newer(&mut self) -> Connection {
        if let Self::IsCalled { called, .. } = self
            && let Some(connection) = called.recv().await
        {
            return connection;
        }
        std::future::pending().await
    }
}

impl fmt::Display for ConnectionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dials { to, .. } => to.display().fmt(f),
            Self::IsCalled { ask: FromSchedd::Call { machines, .. }, .. } => {
                write!(f, "{machines:?}, which calls")
            }
            Self::IsCalled { .. } => f.write_str("a machine that calls"),
        }
    }
}

fn open<In, Out, Hear>(
    source: ConnectionSource,
    engine: mpsc::Sender<EngineInput>,
    ends: Ends<Hear>,
) -> PeerLink<Out>
where
    In: DeserializeOwned + Send + 'static,
    Out: Divide + Send + Sync + 'static,
    Hear: Fn(In) -> Input + Send + Sync + 'static,
{
    let (queue, outgoing) = mpsc::channel(QUEUE);
    let task = tokio::spawn(keep_open(source, engine, ends, outgoing));
    PeerLink { queue, task }
}

async fn keep_open<In, Out, Hear>(
    mut source: ConnectionSource,
    engine: mpsc::Sender<EngineInput>,
    ends: Ends<Hear>,
    mut outgoing: mpsc::Receiver<Out>,
) where
    In: DeserializeOwned + Send,
    Out: Divide + Send + Sync,
    Hear: Fn(In) -> Input + Send + Sync,
{
    let mut newer = None;
    loop {
        let connection = match newer.take() {
            Some(connection) => connection,
            None => source.next().await,
        };
        // What was queued for an earlier connection is void: the greeting of this one makes it
        // good.
        while outgoing.try_recv().is_ok() {}
        if let Some(up) = &ends.up
            && engine.send(EngineInput::Core(up.clone())).await.is_err()
        {
            return;
        }
        let end = tokio::select! {
            end = talk(connection, &engine, &ends.heard, &mut outgoing) => Some(end),
            connection = source.newer() => {
                newer = Some(connection);
                None
            }
        };
        tracing::info!(to = %source, ?end, "a connection closed");
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
    Out: Divide,
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
                    sender.feed_what_fits(message).await?;
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
        FromSchedd::Declined {
            matched: MatchId { life: 1, number: 1 },
            reason: "x".repeat(4096),
            blameless: false,
            refused: false,
        }
    }

    #[tokio::test]
    async fn a_negotiator_that_does_not_read_gets_a_connection_that_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("n.sock");
        let admission = Admission::OnlyUid(Uid::effective().as_raw());
        let listener =
            Listener::bind(&Address::unix(&socket), Role::Negotiator, admission).unwrap();
        let (engine, mut heard) = mpsc::channel(16);
        let mut links =
            Links::new(Greeting { schedd: "here".to_owned(), generation: 1 }, socket, None, engine);
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
