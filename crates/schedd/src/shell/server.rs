//! Puts a schedd together: file, core, links, engine, socket; and takes it apart when it is told to stop.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use model::Seq;
use proto::client::Identity;
use proto::clock;
use proto::net::{Admission, Listener, NetError, Role, user_name};
use tokio::sync::{mpsc, watch};

use super::clients::{self, Desk};
use super::engine::{self, Engine, EngineInput, Parts};
use super::history::History;
use super::links::Links;
use super::store::{Store, StoreError};
use super::userlog::{LogBatch, LogWriter};
use super::rows;
use crate::core::{Core, Settings};

/// The queue's file in the state folder.
const QUEUE_FILE: &str = "queue.db";

/// What a schedd is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name, `schedd@host` or just the host.
    pub name: String,
    /// Where it listens for commands.
    pub socket: PathBuf,
    /// Where the negotiator listens.
    pub negotiator: PathBuf,
    /// Where the queue's file is.
    pub state_dir: PathBuf,
    /// Who may connect.
    pub admission: Admission,
    /// The address that people and logs see.
    pub address: String,
}

/// Why a schedd ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its socket.
    #[error(transparent)]
    Net(#[from] NetError),
}

/// Runs a schedd until `shutdown` is ready. What was committed by then is all that matters: nothing else is saved.
///
/// # Errors
///
/// If the file or the socket fails.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let mut store = Store::open(&config.state_dir.join(QUEUE_FILE)).await?;
    let (rows, logged) = rows::from_loaded(store.load().await?)?;
    let last_seq = rows.last_seq;
    let started = clock::now();
    let Admission::OnlyUid(uid) = config.admission;
    let settings = Settings { name: config.name.clone(), address: config.address.clone(), pool_user: user_name(uid) };
    let core = Core::load(settings, started, rows);

    let zone = TimeZone::system();
    let history = History::new(store.reader(), core.settings().clone());
    let pending = history.log_entries(Seq(logged).next()).await?;
    let logs = LogWriter::start(LogBatch::of(last_seq, &pending, &zone));
    tracing::info!(schedd = config.name, last_seq = last_seq.0, relogged = pending.len(), "loaded the queue");

    let (inputs, queue) = mpsc::channel(engine::QUEUE);
    let (recorded, follow) = watch::channel(last_seq.0);
    let links = Links::new(config.name.clone(), config.negotiator.clone(), inputs.clone());
    let engine = Engine::new(Parts { core, store, links, logs, zone, recorded });
    let mut engine = tokio::spawn(engine.run(queue));

    let listener = Listener::bind_unix(&config.socket, Role::Schedd(config.name.clone()), config.admission)?;
    let identity = Identity {
        role: "schedd".to_owned(),
        name: config.name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: config.address,
        pid: std::process::id(),
        since: started.wall,
    };
    let desk = Arc::new(Desk { engine: inputs.clone(), history, follow, identity, pool_uid: uid });
    tokio::select! {
        () = clients::serve(listener, desk) => {}
        () = shutdown => {
            let _ = inputs.send(EngineInput::Stop).await;
        }
        ended = &mut engine => return flatten(ended),
    }
    flatten(engine.await)
}

fn flatten(ended: Result<Result<(), StoreError>, tokio::task::JoinError>) -> Result<(), Error> {
    match ended {
        Ok(result) => Ok(result?),
        Err(error) => Err(StoreError::damaged("keep the engine running", error.into()).into()),
    }
}
