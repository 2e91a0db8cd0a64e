//! The port for other machines: startds that call because this schedd wants them, and what carries
//! files for them. Which files a run may have, the core says; how they are read and written is the
//! matter of a process that is started for it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use model::MachineName;
use proto::files::{FilesAnswer, FilesFor};
use proto::frame::{self, FrameError};
use proto::net::{Connection, Incoming, Listener, NetError, Role, pass_on};
use tokio::process::Command;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::engine::EngineInput;

/// How many runs' files cross at a time: more would only share the same wire and disk.
const AT_A_TIME: usize = 16;

/// What connections of machines need.
#[derive(Debug)]
pub(crate) struct MachineContext {
    pub(crate) engine: mpsc::Sender<EngineInput>,
    /// The command that reads and writes users' files, with its arguments.
    pub(crate) carrier: Vec<PathBuf>,
    turns: Semaphore,
}

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the schedd stops")]
    Stopping,
    #[error("talk to {0:?}: a schedd has nothing to say to it")]
    WrongRole(Role),
    #[error("start what reads and writes files")]
    Start(#[from] io::Error),
}

impl MachineContext {
    pub(crate) fn new(engine: mpsc::Sender<EngineInput>, carrier: Vec<PathBuf>) -> Self {
        Self { engine, carrier, turns: Semaphore::new(AT_A_TIME) }
    }
}

/// Takes connections for ever; of a schedd that listens nowhere, there are none.
pub(crate) async fn serve(listener: Option<Listener>, context: Arc<MachineContext>) {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        let incoming = listener.accept().await;
        let context = Arc::clone(&context);
        tokio::spawn(async move {
            if let Err(error) = attend(incoming, &context).await {
                let error = proto::net::chain(&error);
                tracing::info!(error, "a machine's connection ended");
            }
        });
    }
}

async fn attend(incoming: Incoming, context: &MachineContext) -> Result<(), Broken> {
    let connection = incoming.greet().await?;
    match connection.peer.role.clone() {
        Role::Startd(name) => {
            let called = EngineInput::Called(MachineName::new(&name), Box::new(connection));
            context.engine.send(called).await.map_err(|_| Broken::Stopping)
        }
        Role::Files(name) => carry(connection, MachineName::new(&name), context).await,
        role @ (Role::Command | Role::Schedd(_) | Role::Negotiator | Role::Newcomer) => {
            Err(Broken::WrongRole(role))
        }
    }
}

async fn carry(
    mut connection: Connection,
    machine: MachineName,
    context: &MachineContext,
) -> Result<(), Broken> {
    let Some(wanted) = connection.receiver.recv::<FilesFor>().await? else { return Ok(()) };
    let (answer, answered) = oneshot::channel();
    let ask = EngineInput::FilesFor { machine: machine.clone(), wanted, answer };
    context.engine.send(ask).await.map_err(|_| Broken::Stopping)?;
    let Some(paths) = answered.await.map_err(|_| Broken::Stopping)? else {
        tracing::warn!(%machine, run = %wanted.run, "files are not for this run any more");
        return Ok(connection.sender.send(&FilesAnswer::NotYours).await?);
    };
    // Nobody closes it.
    let _turn = context.turns.acquire().await.map_err(|_| Broken::Stopping)?;
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = start(&context.carrier, theirs)?;
    connection.sender.send(&FilesAnswer::Ask).await?;
    let ended = pass_on(connection, ours, frame::encode(&paths)?).await;
    // It ends with its socket.
    let status = child.wait().await?;
    if !status.success() {
        tracing::warn!(%machine, run = %wanted.run, %status, "what reads and writes files failed");
    }
    Ok(ended?)
}

fn start(command: &[PathBuf], socket: UnixStream) -> io::Result<tokio::process::Child> {
    let [program, args @ ..] = command else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no program for that is known"));
    };
    Command::new(program)
        .args(args)
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}
