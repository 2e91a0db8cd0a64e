//! Puts a startd together: machine, journal, core, connections, engine; and takes it apart when it
//! is told to stop.

use std::fs;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use model::{MachineName, Now, attr};
use proto::client::DaemonIdentity;
use proto::clock;
use proto::draining::Drain;
use proto::net::{Address, Admission, Listener, NetError, Role, Way};
use proto::seats::Seats;
use proto::trust::TrustError;
use proto::user_helper::Helpers;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::timeout;

use crate::core::{Core, Input, Machine};
use crate::shell::engine::{self, Engine, EngineInput, OwnersInput, Parts};
use crate::shell::files::carrier::Carrier;
use crate::shell::files::plugins::Plugins;
use crate::shell::journal::{Journal, JournalError, Opened};
use crate::shell::links::callers::CalledSchedds;
use crate::shell::links::calling::Calling;
use crate::shell::links::commands::{CommandContext, VISITS, keep_visiting};
use crate::shell::links::launcher;
use crate::shell::links::listening::{self, Contexts};
use crate::shell::links::negotiator::{self, Advertiser};
use crate::shell::links::parts::Whereabouts;
use crate::shell::links::schedds::{ScheddContext, draw};
use crate::shell::machine::settings::MachineSettings;
use crate::shell::machine::{detect, measure};
use crate::shell::owners::Owners;
use crate::shell::owners::people::People;
use crate::shell::run::sandbox::Sandboxes;

/// The kernel's name for this boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Lists of scratch folders that wait to be removed; more are kept by the engine, which waits for
/// no disk.
const SWEEPS: usize = 4096;

/// What the negotiator has said and was not done yet.
const ORDERS: usize = 64;

/// How long what was said last may take to leave the process, when it ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a startd is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The machine's name.
    pub machine: String,
    /// Where it listens for schedds and commands.
    pub socket: PathBuf,
    /// How the negotiator is reached. If it is on another machine, so are the schedds: they are
    /// called.
    pub negotiator: Way,
    /// Where the schedd of this machine listens: jobs that call it are told.
    pub schedd: PathBuf,
    /// Where the launcher listens.
    pub launcher: PathBuf,
    /// Where its journal is.
    pub state_dir: PathBuf,
    /// Where scratch folders are made.
    pub execute_dir: PathBuf,
    /// How processes of users are started that do what is to be done with their files, if runs are
    /// their owners' and not all the present user's.
    pub helpers: Option<HelperCommand>,
    /// Who may connect.
    pub admission: Admission,
    /// Its address, as schedds are told, and as people and ads see it.
    pub address: String,
    /// What an administrator wants otherwise than it is found.
    pub settings: MachineSettings,
}

/// The command that is a helper of the startd.
#[derive(Clone, Debug)]
pub struct HelperCommand {
    /// The program with its arguments.
    pub command: Vec<PathBuf>,
    /// The smallest number of a user whose jobs are run.
    pub uid_min: u32,
}

/// Why a startd ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Net(#[from] NetError),
    /// What the machine keeps of its membership.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Something else of the machine.
    #[error("{attempt} {path}")]
    Machine {
        /// What was attempted.
        attempt: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A part of it panicked.
    #[error("keep the startd running")]
    Panicked(#[from] JoinError),
}

/// Runs a startd until `shutdown` is ready; then stops all runs, waits until they have ended and
/// that was said, takes the machine out of the pool, and returns. What kills it otherwise leaves
/// the runs alone: its successor finds them again.
///
/// # Errors
///
/// If a file or the socket fails.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let now = clock::now();
    let programs = config.settings.plugins.clone();
    let plugins = Arc::new(spawn_blocking(move || Plugins::find(&programs)).await?);
    let sandboxes = sandboxes(&config, Arc::clone(&plugins))
        .map_err(|source| failed("make the folder", &config.execute_dir, source))?;
    let boot_id = boot_id()?;
    let (core, journal) = recover(&config, &plugins, &boot_id, now)?;
    let machine = MachineName::new(&config.machine);
    tracing::info!(%machine, journal = journal.head().journal, "the startd knows what it did");

    let (inputs, queue) = mpsc::channel(engine::QUEUE);
    let (sweeper, all_swept) = start_sweeping(sandboxes.clone());
    let callers = callers(&config)?;
    let (advertiser, latest) = Advertiser::new();
    let carrier = Carrier::new(&config.state_dir, sandboxes.clone(), inputs.clone())
        .map_err(|source| failed("use the transfers in", &config.state_dir, source))?;
    let owners = config.helpers.as_ref().map(|helpers| owners(&config, helpers, &inputs));
    let parts = Parts {
        core,
        machine: machine.clone(),
        journal,
        sandboxes,
        carrier,
        own: inputs.clone(),
        advertiser,
        callers: callers.clone(),
        sweeper,
        owners,
        bounds: config.settings.bounds.clone(),
    };
    let mut engine = tokio::spawn(Engine::new(parts).run(queue));
    let role = Role::Startd(config.machine.clone());
    let listener = Listener::bind(&Address::unix(&config.socket), role, config.admission.clone())?;
    let contexts = contexts(&config, &inputs, callers.as_ref(), now);
    let context = Arc::clone(&contexts.schedds);
    let (orders, ordered) = mpsc::channel(ORDERS);
    if let (Some(callers), Way::Far(far)) = (callers, &config.negotiator) {
        tokio::spawn(Calling::new(callers, far.clone(), Arc::clone(&context)).serve(ordered));
    }
    let telling =
        negotiator::keep_telling(config.negotiator, machine, orders, drains(&inputs), latest);
    let telling = tokio::spawn(telling);
    let ordering = tokio::spawn(launcher::keep_open(config.launcher, inputs.clone()));
    tokio::spawn(measure::keep_measuring(
        config.execute_dir,
        config.state_dir,
        boot_id,
        inputs.clone(),
    ));

    let serving = tokio::spawn(listening::serve(listener, contexts));
    let stop = async {
        shutdown.await;
        // An engine that has ended is noticed below.
        let _ = inputs.send(EngineInput::Stop).await;
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        () = stop => return Ok(()),
        ended = &mut engine => ended,
    };
    serving.abort();
    ended??;
    farewell(&context, telling, ordering, all_swept).await;
    Ok(())
}

/// Where runs have their folders; whose these are where runs are many users', is not said yet.
fn sandboxes(config: &Config, plugins: Arc<Plugins>) -> io::Result<Sandboxes> {
    let made = match config.helpers {
        Some(_) => Sandboxes::of_users(&config.execute_dir, plugins),
        None => Sandboxes::new(&config.execute_dir, plugins),
    };
    Ok(made?.calling(&config.schedd).asking(&config.socket))
}

/// The runs of many users, whose helpers are started by the launcher.
fn owners(config: &Config, helpers: &HelperCommand, engine: &mpsc::Sender<EngineInput>) -> Owners {
    let (news, mut heard) = mpsc::channel(ORDERS);
    let (looked_up, mut known) = mpsc::channel(ORDERS);
    let engine = engine.clone();
    tokio::spawn(async move {
        loop {
            let input = tokio::select! {
                Some((uid, news)) = heard.recv() => OwnersInput::Helper { uid, news },
                Some((name, found)) = known.recv() => OwnersInput::Known { name, found },
                else => return,
            };
            if engine.send(EngineInput::Owners(Box::new(input))).await.is_err() {
                return;
            }
        }
    });
    let (launcher, command) = (config.launcher.clone(), helpers.command.clone());
    let start = move |uid| ::launcher::client::help(&launcher, "startd", uid, &command);
    let people = People::new(looked_up, helpers.uid_min);
    Owners::new(Helpers::new(start, news), &config.execute_dir, people)
}

/// A thread that clears scratch folders away; it says when there will be no more.
pub(crate) fn start_sweeping(
    sandboxes: Sandboxes,
) -> (mpsc::Sender<Vec<PathBuf>>, oneshot::Receiver<()>) {
    let (sweeper, sweeps) = mpsc::channel(SWEEPS);
    let (swept, all_swept) = oneshot::channel();
    thread::spawn(move || {
        sandboxes.sweep(sweeps);
        // A startd that does not wait for it is not told.
        let _ = swept.send(());
    });
    (sweeper, all_swept)
}

/// Where it is said whether the machine is drained.
fn drains(engine: &mpsc::Sender<EngineInput>) -> mpsc::Sender<Option<Drain>> {
    let (drains, mut ordered) = mpsc::channel(ORDERS);
    let engine = engine.clone();
    tokio::spawn(async move {
        while let Some(order) = ordered.recv().await {
            if engine.send(EngineInput::Core(Input::Drain(order))).await.is_err() {
                return;
            }
        }
    });
    drains
}

/// Whom the machine calls, if its negotiator is on another one.
fn callers(config: &Config) -> Result<Option<Arc<CalledSchedds>>, Error> {
    let Way::Far(far) = &config.negotiator else { return Ok(None) };
    let membership = Arc::clone(&far.membership);
    Ok(Some(Arc::new(CalledSchedds::open(&config.machine, membership, &config.state_dir)?)))
}

/// Where schedds are, for runs with several parts.
fn whereabouts(config: &Config, callers: Option<&Arc<CalledSchedds>>) -> Whereabouts {
    let (machine, schedd) = (config.machine.clone(), config.schedd.clone());
    let (speaking, carrying) = (Seats::default(), Seats::default());
    Whereabouts { machine, schedd, callers: callers.cloned(), speaking, carrying }
}

/// What the connections need that are made to this startd; schedds are called for who visits.
fn contexts(
    config: &Config,
    engine: &mpsc::Sender<EngineInput>,
    callers: Option<&Arc<CalledSchedds>>,
    now: Now,
) -> Contexts {
    let (visits, asked) = mpsc::channel(VISITS);
    let commands = Arc::new(CommandContext {
        engine: engine.clone(),
        identity: identity(config, now),
        callers: callers.cloned(),
        looked_after: Seats::default(),
    });
    tokio::spawn(keep_visiting(Arc::clone(&commands), asked));
    let whereabouts = Arc::new(whereabouts(config, callers));
    Contexts { schedds: ScheddContext::new(engine.clone(), visits), commands, whereabouts }
}

/// Waits until what was said last has left: to schedds, the launcher and the negotiator; and the
/// disk is clean.
async fn farewell(
    context: &ScheddContext,
    telling: JoinHandle<()>,
    ordering: JoinHandle<()>,
    all_swept: oneshot::Receiver<()>,
) {
    context.schedds.close();
    let all = async {
        context.schedds.wait().await;
        // How they ended has been said in the log.
        let _ = telling.await;
        let _ = ordering.await;
        let _ = all_swept.await;
    };
    if timeout(FAREWELL, all).await.is_err() {
        tracing::warn!("somebody was not told that the startd ends; the next start makes it good");
    }
}

/// The core as the journal has it.
fn recover(
    config: &Config,
    plugins: &Plugins,
    boot_id: &str,
    now: Now,
) -> Result<(Core, Journal), Error> {
    let mut found = detect::machine(
        &config.machine,
        &config.address,
        &config.execute_dir,
        &config.settings,
        now.wall,
    )
    .map_err(|source| failed("read", "/proc/meminfo", source))?;
    if config.helpers.is_some() {
        found.ad.set(attr::RUNS_AS_OWNERS, true);
    }
    if let Some(methods) = plugins.methods() {
        found.ad.set("HasFileTransferPluginMethods", methods);
    }
    let wall_ms = u64::try_from(now.wall.as_millis()).unwrap_or(0);
    let journal = u64::from_ne_bytes(draw());
    let opened = Journal::open(&config.state_dir, boot_id, journal, wall_ms, &found.total)?;
    let Opened { mut journal, state, events } = opened;
    let head = journal.head();
    let mut machine = Machine {
        name: MachineName::new(&config.machine),
        address: config.address.clone(),
        total: head.total.clone(),
        customs: found.customs,
        found: Arc::new(found.ad),
        started: now.wall,
        life: head.life,
        journal: head.journal,
    };
    let mut core = Core::new(machine.clone(), state);
    for event in &events {
        core.apply(event);
    }
    if let Some(total) = core.total_as(&found.total).filter(|total| *total != machine.total) {
        machine.total = total;
        journal.share_out(&machine.total, core.state())?;
        core = Core::new(machine, core.state().clone());
    } else if core.total_as(&found.total).is_none() {
        tracing::warn!(found = ?found.total, "claims hold more than there is to share out now: it is as before until a start without claims");
    }
    Ok((core, journal))
}

fn boot_id() -> Result<String, Error> {
    let text = fs::read_to_string(BOOT_ID).map_err(|source| failed("read", BOOT_ID, source))?;
    Ok(text.trim().to_owned())
}

fn identity(config: &Config, now: Now) -> DaemonIdentity {
    DaemonIdentity {
        role: "startd".to_owned(),
        name: config.machine.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: config.address.clone(),
        pid: std::process::id(),
        since: now.wall,
    }
}

fn failed(attempt: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Error {
    Error::Machine { attempt, path: path.into(), source }
}
