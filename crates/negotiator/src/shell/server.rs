//! Puts a negotiator together: file, core, engine, socket; and takes it apart when it is told to
//! stop.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use proto::client::DaemonIdentity;
use proto::clock;
use proto::net::{Address, Admission, Listener, NetError, Role};
use tokio::sync::mpsc;

use super::engine::{self, ConnectionId, Engine, EngineInput};
use super::peers::{self, PeerContext};
use super::saved_file::{SavedError, SavedFile};
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
}

/// Why a negotiator ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of its.
    #[error(transparent)]
    Saved(#[from] SavedError),
    #[error(transparent)]
    Net(#[from] NetError),
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
    let file = SavedFile::accounts(&config.state_dir);
    let limits = SavedFile::limits(&config.state_dir);
    let core = Core::new(draw_life()?, file.load()?, config.policy)
        .remembering(limits.load()?, clock::now());
    let listener =
        Listener::bind(&Address::unix(&config.socket), Role::Negotiator, config.admission.clone())?;
    let (inputs, queue) = mpsc::channel(engine::QUEUE);
    let mut engine = tokio::spawn(Engine::new(core, file, limits).run(queue));
    let identity = DaemonIdentity {
        role: "negotiator".to_owned(),
        name: config.name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: config.address,
        pid: std::process::id(),
        since: clock::now().wall,
    };
    let pool_uid = config.admission.uid();
    let context = Arc::new(PeerContext { engine: inputs.clone(), identity, pool_uid });
    tokio::select! {
        () = accept(&listener, &context) => {}
        () = shutdown => {
            // An engine that has ended already is asked below what it died of.
            let _ = inputs.send(EngineInput::Stop).await;
        }
        ended = &mut engine => return Ok(ended.map_err(Error::Engine)??),
    }
    Ok(engine.await.map_err(Error::Engine)??)
}

/// Gives each connection a task of its own; never ends.
async fn accept(listener: &Listener, context: &Arc<PeerContext>) {
    for number in 0.. {
        let incoming = listener.accept().await;
        tokio::spawn(peers::serve(incoming, ConnectionId(number), Arc::clone(context)));
    }
}

#[expect(clippy::disallowed_methods, reason = "the one random number of a negotiator's life")]
fn draw_life() -> Result<u64, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(u64::from_le_bytes(bytes))
}
