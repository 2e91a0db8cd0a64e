//! Puts a schedd together: file, core, links, engine, socket; and takes it apart when it is told to
//! stop.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use classad::ClassAd;
use jiff::tz::TimeZone;
use model::{MachineName, Now, ScheddName};
use proto::client::DaemonIdentity;
use proto::clock;
use proto::net::{Address, Admission, Gate, Listener, NetError, Role};
use tokio::sync::mpsc;

use super::history::History;
use super::ledger::Ledger;
use super::links::{Greeting, Links};
pub use super::logtext::LogForms;
use super::mail_text::LetterWriter;
use super::places::Staging;
use super::recent::Recent;
use super::retention::Retention;
use super::rows;
use super::spool::Spool;
use super::tender::Tender;
use crate::core::{Beside, Core, CoreConfig, EventLog, Starts, SystemPolicy};
use crate::shell::clients::{self, ClientContext};
use crate::shell::engine::{self, Engine, EngineInput, OutgoingMail, Parts};
use crate::shell::lending::Lenders;
use crate::shell::machines::{self, FileServers, MachineContext};
use crate::shell::mail::{MailRoute, Mailer};
use crate::shell::store::{Loaded, Reader, Store, StoreError};
use crate::shell::userlog::{
    LogHelpers, LogText, LogWriter, Outbox, Pending, Rotation, Surroundings,
};

/// The queue's file in the state folder.
pub(super) const QUEUE_FILE: &str = "queue.db";

/// The folder in it of what evicted jobs keep, and of the files of spooled jobs.
const SPOOL_FOLDER: &str = "spool";

/// Texts for users' logs that are read at once, bytes, and how many threads may ask at a time
/// before one waits.
const OUTBOX_BYTES: usize = 1 << 20;
const OUTBOX_ASKS: usize = 16;

/// When they are read again after a failure.
const OUTBOX_RETRY: Duration = Duration::from_secs(1);

/// What a schedd is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name, `schedd@host` or just the host.
    pub name: String,
    /// What follows the `@` in `User`.
    pub uid_domain: String,
    /// Where it listens for commands.
    pub socket: PathBuf,
    /// Where the negotiator listens.
    pub negotiator: PathBuf,
    /// Where it listens for other machines, if the pool has any.
    pub listening: Option<Listening>,
    /// Where the queue's file is.
    pub state_dir: PathBuf,
    /// Who may connect.
    pub admission: Admission,
    /// The address that people and logs see.
    pub address: String,
    /// How letters leave this machine (`notification`).
    pub mail: MailRoute,
    /// The machine's name, as its startd has it: jobs run there beside the schedd.
    pub machine: String,
    /// Where that startd listens.
    pub startd: String,
    /// What the machine is: what Requirements of such jobs look at.
    pub found: ClassAd,
    /// Whether one more of them may start.
    pub starts: Starts,
    /// What the administrator lays down for every job.
    pub system: Vec<SystemPolicy>,
    /// The log of all jobs that the administrator wants, if any.
    pub event_log: Option<PoolLog>,
    /// The forms of logs.
    pub log_forms: LogForms,
    /// How much is kept of what is over.
    pub retention: Retention,
    /// What holds where jobs are many users' and run as them; nothing where all are one user's.
    pub many_users: Option<ManyUsers>,
}

/// What a schedd of many users is told.
#[derive(Clone, Debug)]
pub struct ManyUsers {
    /// Who may act on everybody's jobs, beside root (`QUEUE_SUPER_USERS`).
    pub superusers: BTreeSet<String>,
    /// The smallest number of a user whose jobs are run.
    pub uid_min: u32,
    /// How many jobs a user may have in the queue (`MAX_JOBS_PER_OWNER`), if that is bounded.
    pub jobs_of_a_user: Option<u64>,
    /// Where the launcher listens, which starts processes as users.
    pub launcher: PathBuf,
    /// The command that writes a user's logs, with its arguments.
    pub log_writer: Vec<PathBuf>,
    /// The command that lends a user's files to other machines, with its arguments.
    pub lender: Vec<PathBuf>,
}

/// Where a schedd listens for other machines.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The port, on this machine.
    pub at: SocketAddr,
    /// How others reach it: `HOST:PORT`.
    pub address: String,
    /// The folder of the pool's trust.
    pub trust: PathBuf,
    /// The command that reads and writes files for machines where all are the schedd's own user's,
    /// with its arguments; its standard input is the connection ([`proto::files::FilesFor`]).
    pub carrier: Vec<PathBuf>,
}

/// A log of all jobs, and how long it may get.
#[derive(Clone, Debug)]
pub struct PoolLog {
    /// Where it is, and what it tells.
    pub log: EventLog,
    /// How long it may get, bytes; without end if unset.
    pub most_bytes: Option<u64>,
    /// How many old ones are kept.
    pub kept: u32,
}

impl PoolLog {
    fn rotation(&self) -> Rotation {
        let Self { log, most_bytes, kept } = self;
        Rotation { path: Arc::clone(&log.path), most_bytes: *most_bytes, kept: *kept }
    }
}

/// Why a schedd ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Net(#[from] NetError),
    /// The list of machines that may have runs.
    #[error("use the list of machines beside the queue (queue.machines)")]
    Ledger(#[source] std::io::Error),
    /// The kernel gave no random number.
    #[error("draw a random number for this life of the schedd")]
    Random(#[source] getrandom::Error),
}

fn say_what_is_loaded(schedd: &str, store: &Store, loaded: &Loaded) {
    tracing::info!(
        schedd,
        last_event = loaded.last_seq,
        generation = store.generation(),
        logs = loaded.outbox_logs.len(),
        "loaded the queue"
    );
}

/// Runs a schedd until `shutdown` is ready. What was committed by then is all that matters: nothing
/// else is saved.
///
/// # Errors
///
/// If the file or the socket fails.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let mut store = Store::open(&config.state_dir.join(QUEUE_FILE)).await?;
    let loaded = store.load().await?;
    let started = clock::now();
    let spool = Spool::new(config.state_dir.join(SPOOL_FOLDER));
    let (mut ledger, ran_on) = Ledger::read(store.path()).map_err(Error::Ledger)?;
    let core_config =
        CoreConfig { generation: store.generation(), ran_on, ..core_config(&config, &spool)? };
    let core = Core::load(core_config.clone(), rows::from_loaded(&loaded)?, started);
    if core.fenced_until().is_none() {
        ledger.renew(core.machines_with_claims()).map_err(Error::Ledger)?;
    }
    in_order(&spool, &core);
    let history = History::new(store.reader(), core_config);
    let rotation = config.event_log.as_ref().map(PoolLog::rotation);
    say_what_is_loaded(&config.name, &store, &loaded);

    let (inputs, queue) = mpsc::channel(engine::QUEUE);
    let recent = Arc::new(Recent::new(loaded.last_seq));
    let log_helpers = config.many_users.as_ref().map(log_helpers);
    let reminding = (inputs.clone(), log_helpers.clone());
    let logs = log_writer(&loaded, store.reader(), rotation, reminding);
    let called_at = config.listening.as_ref().map(|listening| listening.address.clone());
    let generation = store.generation();
    let greeting = Greeting { schedd: config.name.clone(), generation };
    let links = Links::new(greeting.clone(), config.negotiator.clone(), called_at, inputs.clone());
    let zone = TimeZone::system();
    let writer =
        LetterWriter { schedd: config.name.clone(), domain: config.uid_domain, zone: zone.clone() };
    let mail = post(writer, config.mail, &loaded, inputs.clone())?;
    let files = spool.clone();
    let (told, tender) = (store.forgotten(), Tender::new(&store, inputs.clone(), config.retention));
    let log_forms = config.log_forms;
    let news = Arc::clone(&recent);
    let engine =
        Engine::new(Parts { core, store, ledger, links, spool, logs, mail, log_forms, recent });
    let mut engine = tokio::spawn(engine.run(queue));
    tokio::spawn(tender.run());

    let listener = listen_at(&config.socket, &config.name, config.admission.clone(), generation)?;
    let lenders = config.many_users.as_ref().map(lenders);
    let (port, machines) =
        listen_to_machines(config.listening.as_ref(), greeting, inputs.clone(), lenders.clone())?;
    let context = Arc::new(ClientContext {
        engine: inputs.clone(),
        history,
        spool: files,
        recent: news,
        forgotten: told,
        patience: clients::READING,
        identity: identity(config.name, config.address, started),
        board: machines.board(),
        pool_uid: config.admission.uid(),
        visits: Arc::clone(&machines.visits),
        uid_min: config.many_users.as_ref().map_or(0, |many| many.uid_min),
        superusers: config.many_users.map(|many| many.superusers),
        log_helpers,
        lenders,
        staging: Staging::default(),
    });
    tokio::select! {
        () = clients::serve(listener, context) => {}
        () = machines::serve(port, machines) => {}
        () = shutdown => {
            let _ = inputs.send(EngineInput::Stop).await;
        }
        ended = &mut engine => return flatten(ended),
    }
    flatten(engine.await)
}

fn identity(name: String, address: String, started: Now) -> DaemonIdentity {
    DaemonIdentity {
        role: "schedd".to_owned(),
        name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address,
        pid: std::process::id(),
        since: started.wall,
    }
}

/// What writes users' logs, with the texts that the last life may not have written.
fn log_writer(
    loaded: &Loaded,
    reader: Reader,
    rotation: Option<Rotation>,
    (engine, helpers): (mpsc::Sender<EngineInput>, Option<Arc<LogHelpers>>),
) -> LogWriter {
    // If its queue is full, it commits soon.
    let remind = Box::new(move || drop(engine.try_send(EngineInput::LogsDone)));
    let surroundings = Surroundings { outbox: outbox(reader), remind, rotation, helpers };
    LogWriter::start(&pending_texts(loaded), surroundings)
}

/// What writes users' logs as these users.
fn log_helpers(many: &ManyUsers) -> Arc<LogHelpers> {
    let (launcher, command) = (many.launcher.clone(), many.log_writer.clone());
    LogHelpers::new(move |uid| launcher::client::help(&launcher, "schedd", uid, &command))
}

/// What lends files of these users.
fn lenders(many: &ManyUsers) -> Arc<Lenders> {
    let (launcher, command) = (many.launcher.clone(), many.lender.clone());
    Lenders::new(move |uid| launcher::client::help(&launcher, "lender", uid, &command))
}

/// The socket for commands.
fn listen_at(
    socket: &Path,
    name: &str,
    admission: Admission,
    generation: u64,
) -> Result<Listener, NetError> {
    let (at, role) = (Address::unix(socket), Role::Schedd(name.to_owned()));
    Ok(Listener::bind(&at, role, admission)?.of_generation(generation))
}

/// The port for other machines, if there is one, and what their connections need.
fn listen_to_machines(
    listening: Option<&Listening>,
    greeting: Greeting,
    engine: mpsc::Sender<EngineInput>,
    lenders: Option<Arc<Lenders>>,
) -> Result<(Option<Listener>, Arc<MachineContext>), Error> {
    let command = listening.map(|listening| listening.carrier.clone()).unwrap_or_default();
    let own = || FileServers::started(command);
    let files = lenders.map_or_else(own, FileServers::Owners);
    let context = Arc::new(MachineContext::new(engine, files));
    let Some(listening) = listening else { return Ok((None, context)) };
    let admission = Admission::Nodes(Gate::open(&listening.trust, false)?);
    let role = Role::Schedd(greeting.schedd);
    let port = Listener::bind(&Address::Tcp(listening.at), role, admission)?;
    let port = port.of_generation(greeting.generation);
    Ok((Some(port), context))
}

/// The folders of the jobs that are queued, and no others: before anything is written to the logs
/// that are in there.
fn in_order(spool: &Spool, core: &Core) {
    drop(spool.remove_all_but(|job| core.is_queued(job)));
    spool.make(core.spooling());
}

/// What letters go out by, with the letters that the last life committed and may not have sent.
fn post(
    writer: LetterWriter,
    route: MailRoute,
    loaded: &Loaded,
    engine: mpsc::Sender<EngineInput>,
) -> Result<OutgoingMail, StoreError> {
    let pending = rows::letters_from_rows(&loaded.letters)?;
    let last_letter = pending.last().map_or(0, |(id, _)| *id);
    let mailer = match route {
        MailRoute::Nowhere => None,
        MailRoute::Sendmail(_) | MailRoute::Smtp { .. } => {
            Some(Mailer::start(route, pending, engine))
        }
    };
    Ok(OutgoingMail { writer, mailer, last_letter })
}

fn core_config(config: &Config, spool: &Spool) -> Result<CoreConfig, Error> {
    Ok(CoreConfig {
        name: ScheddName::new(&config.name),
        uid_domain: config.uid_domain.clone(),
        address: config.address.clone(),
        spool: spool.folder().to_string_lossy().into_owned(),
        zone: TimeZone::system(),
        beside: Beside {
            machine: MachineName::new(&config.machine),
            address: config.startd.clone(),
            found: Arc::new(config.found.clone()),
            starts: config.starts.clone(),
            life: draw_life()?,
        },
        event_log: config.event_log.as_ref().map(|pool| pool.log.clone()),
        system: config.system.clone(),
        jobs_of_a_user: config.many_users.as_ref().and_then(|many| many.jobs_of_a_user),
        keeps_nothing: config.many_users.is_some(),
        slice: crate::core::SLICE,
        generation: 1,
        ran_on: None,
    })
}

/// Texts that the last life committed and may not have written.
fn pending_texts(loaded: &Loaded) -> Pending {
    let logs = loaded.outbox_logs.iter().map(|log| Arc::from(log.as_str())).collect();
    Pending { upto: loaded.outbox_last, logs }
}

/// Reads the outbox for the threads that write logs.
fn outbox(reader: Reader) -> Outbox {
    let (asks, mut asked) = mpsc::channel::<(u64, std::sync::mpsc::SyncSender<_>)>(OUTBOX_ASKS);
    tokio::spawn(async move {
        while let Some((after, answer)) = asked.recv().await {
            loop {
                match reader.outbox(after, OUTBOX_BYTES).await {
                    Ok(page) => {
                        // Who asks waits for one answer.
                        let _ = answer.try_send(page);
                        break;
                    }
                    Err(error) => tracing::error!(%error, "users' event logs are behind"),
                }
                tokio::time::sleep(OUTBOX_RETRY).await;
            }
        }
    });
    Arc::new(move |after| {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        asks.blocking_send((after, answer)).ok()?;
        let page: Vec<(u64, String, String)> = answered.recv().ok()?;
        let text =
            |(id, path, text): (u64, String, String)| LogText { id, path: path.into(), text };
        Some(page.into_iter().map(text).collect())
    })
}

/// Names this life of the schedd, in the matches that it makes itself.
#[expect(clippy::disallowed_methods, reason = "the one random number of a schedd's life")]
fn draw_life() -> Result<u64, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn flatten(ended: Result<Result<(), StoreError>, tokio::task::JoinError>) -> Result<(), Error> {
    match ended {
        Ok(result) => Ok(result?),
        Err(error) => Err(StoreError::damaged("keep the engine running", error.into()).into()),
    }
}
