//! Puts a negotiator together: file, core, engine, socket; and takes it apart when it is told to
//! stop.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proto::client::DaemonIdentity;
use proto::clock;
use proto::net::{Address, Admission, Gate, Listener, NetError, Role};
use proto::trust::TrustError;
use tokio::sync::{mpsc, watch};

use super::engine::{self, ConnectionId, Engine, EngineInput};
use super::machines::Machines;
use super::peers::{self, PeerContext};
use super::registrar::{Listening, Registrar};
use super::saved_file::{SavedError, SavedFiles};
use crate::core::{Core, Policy};

/// What a negotiator is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name, usually the host's.
    pub name: String,
    /// Where it listens.
    pub socket: PathBuf,
    /// Where the files are that the next life reads. The folder exists, and is locked by the
    /// caller.
    pub state_dir: PathBuf,
    /// Who may connect.
    pub admission: Admission,
    /// The address that people see.
    pub address: String,
    /// How sharing works.
    pub policy: Policy,
    /// Where it listens for other machines, if the pool has any.
    pub listening: Option<Listening>,
}

/// Why a negotiator ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of its.
    #[error(transparent)]
    Saved(#[from] SavedError),
    #[error(transparent)]
    Net(#[from] NetError),
    /// What says who is in the pool.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The kernel gave no random number.
    #[error("draw a random number for this life of the negotiator")]
    Random(#[source] getrandom::Error),
    /// A part of it broke.
    #[error("run the negotiator: its engine ended early")]
    Engine(#[source] tokio::task::JoinError),
}

/// Runs a negotiator until `shutdown` is ready.
///
/// # Errors
///
/// If its files cannot be read or written, or the socket cannot be made.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let files = SavedFiles::below(&config.state_dir);
    let life = u64::from_le_bytes(draw().map_err(Error::Random)?);
    let drained = files.drains.load()?;
    let core = Core::new(life, files.accounts.load()?, config.policy)
        .remembering(files.limits.load()?, clock::now())
        .draining(drained.clone())
        .booked(files.bookings.load()?);
    let (tell_drains, drained) = watch::channel(drained);
    let listener =
        Listener::bind(&Address::unix(&config.socket), Role::Negotiator, config.admission.clone())?;
    let (inputs, queue) = mpsc::channel(engine::QUEUE);
    let mut engine = tokio::spawn(Engine::new(core, files, tell_drains).run(queue));
    let identity = DaemonIdentity {
        role: "negotiator".to_owned(),
        name: config.name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: config.address,
        pid: std::process::id(),
        since: clock::now().wall,
    };
    let pool_uid = config.admission.uid();
    let (registrar, port) = listen_to_machines(config.listening)?;
    let machines = Machines::new(registrar, drained);
    let context = Arc::new(PeerContext { engine: inputs.clone(), identity, pool_uid, machines });
    let numbers = AtomicU64::new(0);
    tokio::select! {
        () = accept(&listener, &numbers, &context) => {}
        () = accept_machines(port.as_ref(), &numbers, &context) => {}
        () = shutdown => {
            // An engine that has ended already is asked below what it died of.
            let _ = inputs.send(EngineInput::Stop).await;
        }
        ended = &mut engine => return Ok(ended.map_err(Error::Engine)??),
    }
    Ok(engine.await.map_err(Error::Engine)??)
}

/// The registrar and the port of a pool that has other machines.
fn listen_to_machines(
    listening: Option<Listening>,
) -> Result<(Option<Registrar>, Option<Listener>), Error> {
    let Some(listening) = listening else { return Ok((None, None)) };
    let registrar = Registrar::open(listening.clone(), clock::now().wall.as_secs())?;
    let admission = Admission::Nodes(Gate::open(&listening.trust, true)?);
    let port = Listener::bind(&Address::Tcp(listening.at), Role::Negotiator, admission)?;
    Ok((Some(registrar), Some(port)))
}

/// Gives each connection a task of its own; never ends.
async fn accept(listener: &Listener, numbers: &AtomicU64, context: &Arc<PeerContext>) {
    loop {
        let incoming = listener.accept().await;
        let id = ConnectionId(numbers.fetch_add(1, Ordering::Relaxed));
        tokio::spawn(peers::serve(incoming, id, Arc::clone(context)));
    }
}

async fn accept_machines(port: Option<&Listener>, numbers: &AtomicU64, context: &Arc<PeerContext>) {
    match port {
        Some(port) => accept(port, numbers, context).await,
        None => std::future::pending().await,
    }
}

/// Bytes that nobody can guess.
#[expect(clippy::disallowed_methods, reason = "the one place of the negotiator that draws")]
pub(super) fn draw<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
