//! The port for other machines: startds that call because this schedd wants them, or because
//! somebody visits them, and what carries files for them. Which files a run may have, the core
//! says; how they are read and written is the matter of a process that is started for it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Granted, MachineName, UserName};
use proto::clock;
use proto::files::{FilesAnswer, FilesFor};
use proto::frame::{self, FrameError};
use proto::net::{Connection, Incoming, Listener, NetError, Process, Role, pass_on};
use proto::visit::Visited;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::engine::{EngineInput, Lent};
use super::lending::{Lenders, LendingError};
use super::parts::{self, PartsError, Switchboard};
use super::turns::{Turn, Turns};
use super::visits::Visits;

/// How long who calls about files may take to say for which run.
const SAYS_WHAT: Duration = Duration::from_secs(10);

/// How often it is looked how much has passed, and who waits hears that its connection lives.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// Who passes less in that time has no use for a turn, bytes: the turn is others', and it goes on
/// without. Whoever wants to keep one has to use it.
const SLOW_BYTES: usize = 320 << 10;

/// After so many of these in a row in which nothing passes it is given up: half an hour, in which
/// either end can read a large file again to see that it is whole.
const GIVEN_UP_AFTER: u32 = 90;

/// How long what reads and writes files may take to end with its connection.
const ENDS: Duration = Duration::from_secs(10);

/// What connections of machines need.
#[derive(Debug)]
pub(crate) struct MachineContext {
    pub(crate) engine: mpsc::Sender<EngineInput>,
    files: FileServers,
    turns: Turns,
    /// Who waits on other machines of a run.
    board: Arc<Switchboard>,
    pub(crate) visits: Arc<Visits>,
}

/// Who reads and writes files for runs on other machines.
#[derive(Debug)]
pub(crate) enum FileServers {
    /// A process that is started for each, with this command, as who the schedd is.
    Started { command: Vec<PathBuf>, swept: Swept },
    /// A process of the user whose files they are.
    Owners(Arc<Lenders>),
}

impl FileServers {
    pub(crate) fn started(command: Vec<PathBuf>) -> Self {
        Self::Started { command, swept: Swept::default() }
    }

    /// One for a run when its turn has come, and its child if it is one. One that has to come first
    /// takes nobody's turn meanwhile.
    async fn open(
        &self,
        (owner, uid): (&UserName, Option<u32>),
        granted: &Granted,
        turn: impl Future<Output = Turn>,
    ) -> Result<(Turn, Process, Option<Child>), Broken> {
        match self {
            Self::Started { command, swept } => {
                let turn = turn.await;
                let (ours, theirs) = UnixStream::pair()?;
                let sweeps = swept.is_due(granted, clock::now().boot_ms);
                let child = start(command, sweeps, theirs)?;
                Ok((turn, Process::started(ours)?, Some(child)))
            }
            Self::Owners(lenders) => {
                let lender = lenders.open(owner, uid).await?;
                Ok((turn.await, Process::called(lender), None))
            }
        }
    }
}

/// Into which folders files were brought, and when what is left of others was looked for there. A
/// process that brings some lives for one run and does not know.
#[derive(Debug, Default)]
pub(crate) struct Swept(Mutex<BTreeMap<PathBuf, u64>>);

/// How often a folder is looked through, milliseconds.
const SWEEP_EVERY_MS: u64 = 24 * 3600 * 1000;

/// How many folders are remembered; with more all are looked through again.
const FOLDERS_MAX: usize = 4096;

impl Swept {
    /// Whether a run that writes such files is to look through their folders.
    fn is_due(&self, granted: &Granted, now_ms: u64) -> bool {
        let mut swept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let parents = granted.write.iter().filter_map(|path| path.parent());
        let folders = granted.into.iter().map(PathBuf::as_path).chain(parents);
        let mut is_due = false;
        for folder in folders {
            if swept.get(folder).is_some_and(|at_ms| now_ms < at_ms + SWEEP_EVERY_MS) {
                continue;
            }
            if swept.len() >= FOLDERS_MAX {
                swept.clear();
            }
            swept.insert(folder.to_owned(), now_ms);
            is_due = true;
        }
        is_due
    }
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
    #[error("carry files: the machine, or its user there, has too many connections for that")]
    TooMany,
    #[error("serve a machine: it did not say for which run, or which visit")]
    Silent,
    #[error("carry files: the machine asked before its turn")]
    TooEarly,
    #[error(transparent)]
    Parts(#[from] PartsError),
    #[error("start what reads and writes files")]
    Start(#[from] io::Error),
    #[error(transparent)]
    Lending(#[from] LendingError),
}

impl MachineContext {
    pub(crate) fn new(engine: mpsc::Sender<EngineInput>, files: FileServers) -> Self {
        let (board, visits) = (Arc::default(), Arc::default());
        Self { engine, files, turns: Turns::new(), board, visits }
    }

    /// Who waits on other machines of a run: the machine of the schedd may be one of them.
    pub(crate) fn board(&self) -> Arc<Switchboard> {
        Arc::clone(&self.board)
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
    let mut connection = incoming.greet().await?;
    match connection.peer.role.clone() {
        Role::Startd(name) => {
            let called = EngineInput::Called(MachineName::new(&name), Box::new(connection));
            context.engine.send(called).await.map_err(|_| Broken::Stopping)
        }
        Role::Files(name) => carry(connection, MachineName::new(&name), context).await,
        Role::Part(name) => {
            let machine = MachineName::new(&name);
            Ok(parts::attend(connection, machine, (&context.engine, &context.board)).await?)
        }
        Role::Visited(name) => {
            let said = timeout(SAYS_WHAT, connection.receiver.recv::<Visited>()).await;
            if let Some(Visited { number }) = said.map_err(|_| Broken::Silent)?? {
                context.visits.called(&MachineName::new(&name), number, connection);
            }
            Ok(())
        }
        role @ (Role::Command
        | Role::Visitor
        | Role::Schedd(_)
        | Role::Negotiator
        | Role::Task
        | Role::Newcomer
        | Role::Helper
        | Role::Lender
        | Role::Carrier) => Err(Broken::WrongRole(role)),
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
    let Some(Lent { owner, uid, granted, mut over }) =
        answered.await.map_err(|_| Broken::Stopping)?
    else {
        tracing::warn!(%machine, run = %wanted.run, "files are not for this run any more");
        return Ok(connection.sender.send(&FilesAnswer::NotYours).await?);
    };
    let (place, share) = match &context.files {
        FileServers::Started { .. } => (place, None),
        FileServers::Owners(_) => {
            let turns = &context.turns;
            let place = turns.place_of(place, &machine, &owner).ok_or(Broken::TooMany)?;
            (place, Some(turns.share(&machine, &owner)))
        }
    };
    let begun = async {
        let turn = place.turn(share.as_ref());
        let mut server = pin!(context.files.open((&owner, uid), &granted, turn));
        keep_waiting(&mut connection, &mut server).await
    };
    let begun = tokio::select! {
        begun = begun => begun?,
        _ = &mut over => return Ok(connection.sender.send(&FilesAnswer::NotYours).await?),
    };
    let Some((turn, process, child)) = begun else { return Ok(()) };
    connection.sender.send(&FilesAnswer::Ask).await?;
    let mut carrying = Carrying { turn: Some(turn), nothing_passed: 0 };
    let goes_on = |passed| carrying.goes_on(passed);
    let granted = frame::encode(&granted)?;
    let ended = tokio::select! {
        ended = pass_on(connection, process, granted, LOOK_EVERY, goes_on) => ended,
        _ = over => {
            tracing::info!(%machine, run = %wanted.run, "files of a run are over with it");
            Ok(())
        }
    };
    drop(carrying);
    let Some(child) = child else { return Ok(ended?) };
    if let Some(status) = end(child).await?.filter(|status| !status.success()) {
        tracing::warn!(%machine, run = %wanted.run, %status, "what reads and writes files failed");
    }
    Ok(ended?)
}

/// Files of a run that cross.
#[derive(Debug)]
struct Carrying<T = Turn> {
    /// As long as it is used.
    turn: Option<T>,
    /// How often in a row nothing has passed.
    nothing_passed: u32,
}

impl<T> Carrying<T> {
    /// Whether it is to be waited for, now that so many bytes have passed since it was asked last.
    fn goes_on(&mut self, passed: usize) -> bool {
        if passed < SLOW_BYTES {
            drop(self.turn.take());
        }
        self.nothing_passed = if passed == 0 { self.nothing_passed + 1 } else { 0 };
        self.nothing_passed < GIVEN_UP_AFTER
    }
}

/// How a process ended whose socket is closed: it ends with that, if it is not stuck.
async fn end(mut child: Child) -> io::Result<Option<ExitStatus>> {
    match timeout(ENDS, child.wait()).await {
        Ok(status) => status.map(Some),
        Err(_) => child.start_kill().map(|()| None),
    }
}

/// What a machine waits for; `None` if it has gone. Who waits hears now and then that it is not
/// forgotten, and has nothing to say.
async fn keep_waiting<T>(
    connection: &mut Connection,
    mut awaited: impl Future<Output = Result<T, Broken>> + Unpin,
) -> Result<Option<T>, Broken> {
    loop {
        tokio::select! {
            got = &mut awaited => return got.map(Some),
            frame = connection.receiver.next_frame() => match frame? {
                Some(_) => return Err(Broken::TooEarly),
                None => return Ok(None),
            },
            () = sleep(LOOK_EVERY) => connection.sender.still_here().await?,
        }
    }
}

fn start(command: &[PathBuf], sweeps: bool, socket: UnixStream) -> io::Result<Child> {
    let [program, args @ ..] = command else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no program for that is known"));
    };
    Command::new(program)
        .args(args)
        .args(sweeps.then_some("--sweep"))
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_kept_by_who_uses_it_and_what_passes_nothing_for_long_is_given_up() {
        let mut carrying = Carrying { turn: Some(()), nothing_passed: 0 };
        for (passed, keeps) in
            [(SLOW_BYTES, true), (SLOW_BYTES * 9, true), (1, false), (SLOW_BYTES, false)]
        {
            assert!(carrying.goes_on(passed));
            assert_eq!(carrying.turn.is_some(), keeps, "{passed}");
        }
        assert!((1..GIVEN_UP_AFTER).all(|_| carrying.goes_on(0)));
        assert!(carrying.goes_on(1), "what moves, however slowly, is not given up");
        assert!((1..GIVEN_UP_AFTER).all(|_| carrying.goes_on(0)));
        assert!(!carrying.goes_on(0));
    }

    #[test]
    fn a_folder_is_looked_through_once_a_day_however_many_runs_write_there() {
        let swept = Swept::default();
        let granted = |write: &[&str], into: &[&str]| {
            let paths = |all: &[&str]| all.iter().map(PathBuf::from).collect();
            Granted { read: vec!["/in/x".into()], write: paths(write), into: paths(into) }
        };
        let day_ms = SWEEP_EVERY_MS;
        for (write, into, now_ms, expected) in [
            (&["/home/ann/out.1"][..], &["/home/ann"][..], 1, true),
            (&["/home/ann/out.2"], &["/home/ann"], 2, false),
            (&["/home/ann/out.2", "/data/r"], &[], 3, true),
            (&[], &[], 3, false),
            (&["/data/q"], &["/home/ann"], day_ms, false),
            (&["/data/q"], &["/home/ann"], day_ms + 1, true),
        ] {
            let granted = granted(write, into);
            assert_eq!(swept.is_due(&granted, now_ms), expected, "{granted:?} at {now_ms}");
        }
    }
}
