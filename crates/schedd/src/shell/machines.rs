//! The port for other machines: startds that call because this schedd wants them, and what carries
//! files for them. Which files a run may have, the core says; how they are read and written is the
//! matter of a process that is started for it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use model::MachineName;
use proto::files::{FilesAnswer, FilesFor};
use proto::frame::{self, FrameError};
use proto::net::{Connection, Incoming, Listener, NetError, Role, pass_on};
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::engine::{EngineInput, Lent};
use super::turns::{Place, Turn, Turns};

/// How long who calls about files may take to say for which run.
const SAYS_WHAT: Duration = Duration::from_secs(10);

/// After so long without a frame, either way, the turn is others', and who may wait hears that its
/// connection lives.
const STANDING_STILL: Duration = Duration::from_secs(20);

/// After so many of these in a row it is given up: half an hour, in which either end can read a
/// large file again to see that it is whole.
const GIVEN_UP_AFTER: u32 = 90;

/// How long what reads and writes files may take to end with its connection.
const ENDS: Duration = Duration::from_secs(10);

/// What connections of machines need.
#[derive(Debug)]
pub(crate) struct MachineContext {
    pub(crate) engine: mpsc::Sender<EngineInput>,
    /// The command that reads and writes users' files, with its arguments.
    pub(crate) carrier: Vec<PathBuf>,
    turns: Turns,
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
    #[error("carry files: the machine has too many connections for that")]
    TooMany,
    #[error("carry files: the machine did not say for which run")]
    Silent,
    #[error("carry files: the machine asked before its turn")]
    TooEarly,
    #[error("start what reads and writes files")]
    Start(#[from] io::Error),
}

impl MachineContext {
    pub(crate) fn new(engine: mpsc::Sender<EngineInput>, carrier: Vec<PathBuf>) -> Self {
        Self { engine, carrier, turns: Turns::new() }
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

/// Says for which run, waits for its turn, and has its frames passed on until the run is over.
async fn carry(
    mut connection: Connection,
    machine: MachineName,
    context: &MachineContext,
) -> Result<(), Broken> {
    let place = context.turns.place(&machine).ok_or(Broken::TooMany)?;
    let wanted = timeout(SAYS_WHAT, connection.receiver.recv::<FilesFor>());
    let Some(wanted) = wanted.await.map_err(|_| Broken::Silent)?? else { return Ok(()) };
    let (answer, answered) = oneshot::channel();
    let ask = EngineInput::FilesFor { machine: machine.clone(), wanted, answer };
    context.engine.send(ask).await.map_err(|_| Broken::Stopping)?;
    let Some(Lent { granted, mut over }) = answered.await.map_err(|_| Broken::Stopping)? else {
        tracing::warn!(%machine, run = %wanted.run, "files are not for this run any more");
        return Ok(connection.sender.send(&FilesAnswer::NotYours).await?);
    };
    let turn = tokio::select! {
        turn = wait_for_turn(&mut connection, &place) => turn?,
        _ = &mut over => return Ok(connection.sender.send(&FilesAnswer::NotYours).await?),
    };
    let Some(turn) = turn else { return Ok(()) };
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = start(&context.carrier, theirs)?;
    connection.sender.send(&FilesAnswer::Ask).await?;
    let mut turn = Some(turn);
    let stands_still = |times: u32| {
        drop(turn.take());
        times < GIVEN_UP_AFTER
    };
    let granted = frame::encode(&granted)?;
    let ended = tokio::select! {
        ended = pass_on(connection, ours, granted, STANDING_STILL, stands_still) => ended,
        _ = over => {
            tracing::info!(%machine, run = %wanted.run, "files of a run are over with it");
            Ok(())
        }
    };
    drop(turn);
    // It ends with its socket, if it is not stuck.
    let status = match timeout(ENDS, child.wait()).await {
        Ok(status) => status?,
        Err(_) => {
            child.start_kill()?;
            return Ok(ended?);
        }
    };
    if !status.success() {
        tracing::warn!(%machine, run = %wanted.run, %status, "what reads and writes files failed");
    }
    Ok(ended?)
}

/// Its turn; `None` if the machine has gone. Who waits hears now and then that it is not forgotten,
/// and has nothing to say.
async fn wait_for_turn(connection: &mut Connection, place: &Place) -> Result<Option<Turn>, Broken> {
    let mut turn = pin!(place.turn());
    loop {
        tokio::select! {
            turn = &mut turn => return Ok(Some(turn)),
            frame = connection.receiver.next_frame() => match frame? {
                Some(_) => return Err(Broken::TooEarly),
                None => return Ok(None),
            },
            () = sleep(STANDING_STILL) => connection.sender.still_here().await?,
        }
    }
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
