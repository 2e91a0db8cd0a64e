//! `updraft daemon ROLE --home DIR`: what the supervisor starts; not for people. It takes the
//! daemon's lock, reads the pool's settings, and runs the daemon until it is told to stop.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use classad::{Expr, Value};
use model::attr;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Uid;
use proto::net::address::of_caller;
use proto::net::{Address, Admission, Registered, Role, Way};
use schedd::MailRoute;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::commands::pbs::accounting;
use crate::pool;
use crate::pool::configuration::typed;
use crate::pool::many_users::ManyUsers;
use crate::pool::membership::{self, Standing, host};
use client::home::{DaemonRole, Home, ROOT_SUPERVISOR};

/// Runs one daemon of a pool in the foreground.
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct DaemonArgs {
    /// launcher, negotiator, startd, schedd, supervisor, guard, files, helper, log-writer, lender
    /// or member.
    role: String,
    /// The pool's folder.
    #[arg(long)]
    home: PathBuf,
    /// Of files: look for what is left of some in the folders that are written in.
    #[arg(long)]
    sweep: bool,
}

/// What `status` of another process means when somebody else is already that daemon.
const TAKEN: u8 = 75;

/// The process that reads and writes users' files for one run on another machine.
const FILES: &str = "files";

/// The process of a user that does for the startd what is to be done with that user's files.
const HELPER: &str = "helper";

/// The process of a user that writes that user's logs for the schedd.
const LOG_WRITER: &str = "log-writer";

/// The process of a user that lends that user's files to runs on other machines.
const LENDER: &str = "lender";

/// The most runs alive at a time on one machine: far above its processors, far below its process
/// table.
const RUNS_MAX: usize = 4096;

/// Descriptors that a daemon wants: a connection for each of thousands of commands and machines.
const DESCRIPTORS: u64 = 65_536;

/// How long the end of a daemon waits for threads that may wait for ever.
const LAST_FILES: Duration = Duration::from_secs(3);

/// Runs it.
///
/// # Errors
///
/// If the daemon cannot start or fails.
pub fn run(args: &DaemonArgs) -> Result<ExitCode> {
    let home = Home::at(&args.home);
    log_to_stderr();
    pool::trust::check(&home)?;
    if args.role == pool::SUPERVISOR || args.role == ROOT_SUPERVISOR {
        if home.is_of_many_users() {
            launcher::join_session_keyring();
        }
        let standing = pool::settings(&home)?.standing;
        let daemons = pool::supervised_by(&home, &args.role, &standing);
        pool::supervise(&home, &args.role, &daemons)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.role == pool::GUARD {
        pool::guard(&home)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.role == HELPER {
        helper(&home)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.role == LOG_WRITER {
        let written = schedd::write_for_schedd(home.socket(DaemonRole::Schedd));
        one_thread()?.block_on(written).context("write a user's logs")?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.role == LENDER {
        let runtime = one_thread()?;
        let ended = runtime.block_on(startd::shell::lend(home.socket(DaemonRole::Schedd)));
        // What it lends ends with its connection.
        runtime.shutdown_background();
        ended.context("lend a user's files to other machines")?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.role == pool::MEMBER {
        pool::as_daemons::serve(&home)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.role == FILES {
        startd::shell::serve_stdin(args.sweep).context("read and write files for a machine")?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(role) = DaemonRole::from_name(&args.role) else {
        bail!(
            "run daemon '{}': expected supervisor, guard, files, launcher, negotiator, startd or schedd",
            args.role
        );
    };
    let lock = home.lock(role.name());
    let Some(_held) =
        pool::take_lock(&lock).with_context(|| format!("take the lock {}", lock.display()))?
    else {
        tracing::warn!(daemon = role.name(), "another process is that daemon already");
        return Ok(ExitCode::from(TAKEN));
    };
    if role != DaemonRole::Launcher {
        raise_descriptors();
    }
    match role {
        DaemonRole::Launcher => launcher(&home)?,
        DaemonRole::Negotiator => negotiator(&home)?,
        DaemonRole::Startd => startd(&home)?,
        DaemonRole::Schedd => schedd(&home)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn launcher(home: &Home) -> Result<()> {
    let many = pool::settings(home)?.many_users;
    launcher::run(launcher::Config {
        socket: home.socket(DaemonRole::Launcher),
        state_dir: home.state_dir(DaemonRole::Launcher),
        users_dir: many.map(|_| home.execute_dir()),
        identity: many.map_or(launcher::RunAs::Own, |many| launcher::RunAs::Users {
            client_uid: many.uid,
            uid_min: many.uid_min,
        }),
        containment: launcher::ContainmentWish::Auto,
        runs_max: RUNS_MAX,
    })?;
    Ok(())
}

/// The command by which this program is something else of a pool.
fn command_of(home: &Home, role: &str) -> Result<Vec<PathBuf>> {
    let program = std::env::current_exe().context("find this program")?;
    Ok(vec![program, "daemon".into(), role.into(), "--home".into(), home.dir().into()])
}

fn helper(home: &Home) -> Result<()> {
    let settings = pool::settings(home)?;
    let config = startd::shell::HelperConfig {
        startd: home.socket(DaemonRole::Startd),
        schedd: home.socket(DaemonRole::Schedd),
        is_far: matches!(settings.standing, Standing::Joined { .. }),
        execute_dir: home.execute_dir(),
        plugins: typed::machine(&settings.configuration, settings.many_users.is_some())?.plugins,
    };
    let runtime = one_thread()?;
    let ended = runtime.block_on(startd::shell::help(config));
    // What it has in hand ends with the process: another one does it again.
    runtime.shutdown_background();
    ended.context("see to the files of a user's jobs")
}

fn negotiator(home: &Home) -> Result<()> {
    let (settings, host) = (pool::settings(home)?, host()?);
    let config = negotiator::Config {
        socket: home.socket(DaemonRole::Negotiator),
        state_dir: home.state_dir(DaemonRole::Negotiator),
        name: host.clone(),
        admission: admission(home, DaemonRole::Negotiator)?,
        address: address(home, DaemonRole::Negotiator)?,
        policy: typed::policy(&settings.configuration)?,
        listening: settings.standing.ports()?.map(|ports| {
            let ([at, _], [address, _]) = (ports.at, ports.addresses);
            let (trust, name) = (home.trust_dir(), host.clone());
            negotiator::Listening {
                at,
                address,
                trust,
                name,
                many_users: settings.many_users.is_some(),
            }
        }),
    };
    to_its_end(one_thread()?, async {
        negotiator::run(config, told_to_stop()?).await.context("run the negotiator")
    })
}

fn startd(home: &Home) -> Result<()> {
    let settings = pool::settings(home)?;
    let name = membership::machine_name(&settings.standing)?;
    let mut machine = typed::machine(&settings.configuration, settings.many_users.is_some())?;
    let (negotiator, address) = match &settings.standing {
        Standing::Joined { address, .. } => {
            only_what_runs_afar(&mut machine);
            (Way::Far(membership::way(home, address)?), of_caller(&name))
        }
        Standing::Alone | Standing::Listens { .. } => {
            (Way::Here(home.socket(DaemonRole::Negotiator)), address(home, DaemonRole::Startd)?)
        }
    };
    let config = startd::shell::server::Config {
        machine: name,
        socket: home.socket(DaemonRole::Startd),
        negotiator,
        schedd: home.socket(DaemonRole::Schedd),
        launcher: home.socket(DaemonRole::Launcher),
        state_dir: home.state_dir(DaemonRole::Startd),
        execute_dir: home.execute_dir(),
        helpers: match settings.many_users {
            Some(ManyUsers { uid_min, .. }) => {
                let command = command_of(home, HELPER)?;
                Some(startd::shell::server::HelperCommand { command, uid_min })
            }
            None => None,
        },
        admission: admission(home, DaemonRole::Startd)?,
        address,
        settings: machine,
    };
    to_its_end(one_thread()?, async {
        startd::shell::server::run(config, told_to_stop()?).await.context("run the startd")
    })
}

fn schedd(home: &Home) -> Result<()> {
    let pool::PoolSettings { configuration: settings, standing, many_users, .. } =
        pool::settings(home)?;
    if typed::accounting_records(&settings)? {
        let home = home.clone();
        // It ends with the process: what it has not written it writes in its next life.
        std::thread::spawn(move || accounting::keep(&home));
    }
    let carrier = command_of(home, FILES)?;
    let (log_writer, lender) = (command_of(home, LOG_WRITER)?, command_of(home, LENDER)?);
    let superusers = typed::superusers(&settings);
    let jobs_of_a_user = typed::jobs_of_a_user(&settings)?;
    let config = schedd::Config {
        listening: standing.ports()?.map(|ports| {
            let ([_, at], [_, address]) = (ports.at, ports.addresses);
            schedd::Listening { at, address, trust: home.trust_dir(), carrier }
        }),
        name: host()?,
        uid_domain: host()?,
        socket: home.socket(DaemonRole::Schedd),
        negotiator: home.socket(DaemonRole::Negotiator),
        state_dir: home.state_dir(DaemonRole::Schedd),
        admission: admission(home, DaemonRole::Schedd)?,
        address: address(home, DaemonRole::Schedd)?,
        machine: host()?,
        startd: address(home, DaemonRole::Startd)?,
        found: startd::shell::submit_machine(
            &host()?,
            &address(home, DaemonRole::Startd)?,
            &home.execute_dir(),
            proto::clock::now().wall,
        )
        .context("find out what this machine is")?,
        starts: typed::starts(&settings)?,
        event_log: typed::event_log(&settings)?,
        log_forms: typed::log_forms(&settings)?,
        many_users: many_users.map(|many| schedd::ManyUsers {
            uid_min: many.uid_min,
            superusers,
            jobs_of_a_user: Some(jobs_of_a_user),
            launcher: home.socket(DaemonRole::Launcher),
            log_writer,
            lender,
        }),
        retention: typed::retention(&settings)?,
        system: typed::system_policies(&settings)?,
        mail: mail_route().unwrap_or_else(|error| {
            tracing::error!(%error, "jobs get no mail");
            MailRoute::Nowhere
        }),
    };
    // Two: long answers are written beside the engine.
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    to_its_end(runtime, async {
        schedd::run(config, told_to_stop()?).await.context("run the schedd")
    })
}

/// Jobs that need something of the submitter's machine while they run do not match a machine that
/// has joined a pool from elsewhere.
fn only_what_runs_afar(machine: &mut startd::MachineSettings) {
    let start = machine.attributes.get(attr::START).cloned();
    let start = start.unwrap_or_else(|| Expr::from(true)).parenthesised();
    let of_job = |name: &str| Expr::select(Expr::attr("TARGET"), name);
    let afar = [
        of_job(attr::WANT_IO_PROXY).is_not(true),
        of_job(attr::INTERACTIVE_JOB).is_not(true),
        of_job(attr::SUCCESS_CHECKPOINT_EXIT_CODE).is(Value::Undefined),
        of_job(attr::WHEN_TO_TRANSFER_OUTPUT).is_not("ON_EXIT_OR_EVICT"),
    ];
    machine.attributes.set(attr::START, afar.into_iter().fold(start, Expr::and));
}

/// As many descriptors as the system lets the process have: each connection takes one. Not for the
/// launcher: jobs have its limits.
fn raise_descriptors() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard.min(DESCRIPTORS), hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "cannot raise the limit of descriptors");
    }
}

/// `UPDRAFT_MAIL`, else sendmail where it usually is, else no way at all.
///
/// # Errors
///
/// If the variable says nothing that can be understood.
pub fn mail_route() -> Result<MailRoute> {
    const SENDMAIL: &str = "/usr/sbin/sendmail";
    match std::env::var("UPDRAFT_MAIL") {
        Ok(text) => text.parse().context("read UPDRAFT_MAIL"),
        Err(_) if Path::new(SENDMAIL).exists() => Ok(MailRoute::Sendmail(SENDMAIL.into())),
        Err(_) => Ok(MailRoute::Nowhere),
    }
}

/// Runs a daemon. Its end waits only so long for threads that wait for a user's file.
fn to_its_end(runtime: Runtime, daemon: impl Future<Output = Result<()>>) -> Result<()> {
    let ended = runtime.block_on(daemon);
    runtime.shutdown_timeout(LAST_FILES);
    ended
}

fn one_thread() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Ready when somebody asks the daemon to end.
fn told_to_stop() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A personal pool serves who started it, root included, and nobody else; one of many users all.
/// Its daemons are known by the locks that their processes hold.
fn admission(home: &Home, own: DaemonRole) -> Result<Admission> {
    let daemons = [
        (Role::Negotiator, DaemonRole::Negotiator),
        (Role::Schedd(host()?), DaemonRole::Schedd),
        (Role::Startd(host()?), DaemonRole::Startd),
    ];
    let registered =
        |(role, daemon): (Role, DaemonRole)| Registered { role, lock: home.lock(daemon.name()) };
    // A process that looks at its own lock loses it.
    let others = daemons.into_iter().filter(|(_, daemon)| *daemon != own);
    let daemons = others.map(registered).collect();
    let uid = Uid::effective().as_raw();
    Ok(match home.is_of_many_users() {
        true => Admission::Everybody { uid, daemons },
        false => Admission::Pool { uid, daemons },
    })
}

/// A daemon's address, for people, logs, and the daemons that look for it.
fn address(home: &Home, role: DaemonRole) -> Result<String> {
    Ok(Address::Unix(home.socket(role)).in_ads(&host()?))
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("UPDRAFT_LOG")
        .unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // It would say on the same descriptor that this failed, and end the thread: a full disk
        // must not.
        .log_internal_errors(false)
        .init();
}
