//! `updraft pool start | stop | status | reconfig`: a personal pool. What a pool is, is in
//! [`crate::pool`]; this reads words and prints some.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use client::home::{HOME_VARIABLE, Home, SYSTEM_DIR};
use client::machines::Invitation;
use proto::draining::DrainHow;
use proto::trust::NodeRole;
use proto::whole_file;

use crate::commands::pools::daemon::mail_route;
use crate::commands::pools::drain;
use crate::commands::pools::duration::duration_s;
use crate::commands::pools::reconfig::reconfig;
use crate::commands::pools::reconfig::warn;
use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::pool::many_users::{self, ManyUsers};
use crate::pool::membership::{self, Known, Standing};
use crate::pool::{self, PoolSettings, ProcessStatus, Started, units};
use crate::render::nodes::{Changed, Invited, Nodes};
use crate::render::pools::{self, Copied, Member, Process, Start, Status, Units};

/// A pool of your own, on this machine and those that join it: no root, and no configuration
/// needed.
#[derive(Debug, Args)]
pub struct PoolArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Starts the pool, or what of it has died, and returns when it accepts jobs.
    Start {
        /// Its folder (default: $UPDRAFT_HOME, else the user's state folder).
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Processors to offer (default: all).
        #[arg(long)]
        cpus: Option<u32>,
        /// Memory to offer, MiB (default: all).
        #[arg(long, value_name = "MIB")]
        memory: Option<u64>,
        /// Where other machines may join it: HOST or HOST:PORT as they reach this machine (default
        /// port: 9618; the next one is used too). Kept for later starts.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
        /// A pool of all users of this machine, in /var/lib/updraft unless --dir says otherwise:
        /// only root starts it. Its daemons run as the user 'updraft', and each job as its owner.
        #[arg(long)]
        system: bool,
        /// Say what came of it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Stops the pool. Running jobs go on, and the next start finds them: so a pool gets a newer
    /// program. A run whose pool is away for longer than its lease (JobLeaseDuration, 40 minutes
    /// unless the job says otherwise) is ended.
    Stop {
        /// Running jobs are stopped too, and wait in the queue for the next start.
        #[arg(long)]
        now: bool,
        /// Its folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Say what came of it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the units by which systemd keeps a pool of many users, or writes them into a folder.
    Units {
        /// The folder, such as /etc/systemd/system.
        #[arg(long, value_name = "FOLDER")]
        install: Option<PathBuf>,
        /// The pool's folder (default: /var/lib/updraft).
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Makes a pool that runs take its configuration (`config` and `config.d` in its folder) as it
    /// is now. Running jobs go on.
    Reconfig {
        /// Its folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Copies the queue, with history and record, into one file, while the pool works or not.
    Backup {
        /// The file to write; it must not exist.
        file: PathBuf,
        /// The pool's folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Puts a copy of the queue back. What runs is ended first, because the queue that comes back
    /// does not know of it; the queue that was there is kept beside it.
    Restore {
        /// The file that `pool backup` wrote.
        file: PathBuf,
        /// Nothing of this pool's queue runs on any machine. Otherwise jobs wait until each machine
        /// that had runs has answered, or, where that is not known, for the longest lease of a job
        /// (40 minutes, unless a job says more).
        #[arg(long)]
        nothing_runs: bool,
        /// The pool's folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints a token, alone, with which machines can join the pool: 'updraft join TOKEN'.
    Invite {
        /// What the machine will be. A machine that runs jobs is 'execute'.
        #[arg(long, default_value = "execute", value_parser = ["execute"])]
        role: String,
        /// For how long it is good: a number with s, m, h or d.
        #[arg(long, default_value = "1h")]
        ttl: String,
        /// For how many machines.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        uses: u32,
        /// What they may be called, with '*' and '?'.
        #[arg(long, value_name = "PATTERN", default_value = "*")]
        name: String,
        /// The pool's folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lists the machines that have joined the pool.
    Nodes {
        /// The pool's folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Puts a machine out of the pool at once. Its jobs run elsewhere when their leases are over.
    Revoke {
        /// The machine's name.
        node: String,
        /// The pool's folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Gives a machine no new jobs. Its jobs run to their end. This stands, whatever is started
    /// again, until 'updraft pool resume'.
    Drain {
        /// The machine's name.
        node: String,
        /// Its jobs are told to end, and go back into the queue.
        #[arg(long)]
        now: bool,
        /// Why, for who looks.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// The pool's folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Gives a machine jobs again.
    Resume {
        /// The machine's name.
        node: String,
        /// The pool's folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Makes a new authority for the pool. The old one is believed too until '--finish'.
    Rotate {
        /// Forget the old authority, if all machines know the new one.
        #[arg(long)]
        finish: bool,
        /// Forget it although machines that are away do not know the new one: they have to join
        /// again.
        #[arg(long, requires = "finish")]
        force: bool,
        /// The pool's folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says how each process of the pool is. Exit code 3 if the pool does not run.
    Status {
        /// Its folder.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Does what the words say.
///
/// # Errors
///
/// If the pool cannot be started, stopped or asked.
pub fn run(args: PoolArgs, call: &Call) -> Result<Outcome> {
    match args.action {
        Action::Start { dir, cpus, memory, listen, system, json } => {
            let (home, many_users) = home_to_start(dir, system)?;
            let standing = standing_of(listen.as_deref())?;
            let of_none = PoolSettings { cpus, memory_mib: memory, ..PoolSettings::default() };
            let settings = PoolSettings { standing, many_users, ..of_none };
            Ok(Outcome::of(&start(&home, &settings)?, json, call, Exit::Done))
        }
        Action::Stop { now, dir, json } => {
            let home = home(dir);
            let runs = if now { pool::Runs::End } else { pool::Runs::GoOn };
            Ok(Outcome::of(&stop(&home, runs)?, json, call, Exit::Done))
        }
        Action::Units { install, dir, json } => {
            Ok(Outcome::of(&units(&system_home(dir), install.as_deref())?, json, call, Exit::Done))
        }
        Action::Reconfig { dir, json } => reconfig(&home(dir), json, call),
        Action::Backup { file, dir, json } => {
            let home = home(dir);
            pool::backup(&home, &file)?;
            Ok(Outcome::of(&copied(&home, file, false), json, call, Exit::Done))
        }
        Action::Restore { file, nothing_runs, dir, json } => {
            let home = home(dir);
            pool::restore(&home, &file, nothing_runs)?;
            Ok(Outcome::of(&copied(&home, file, true), json, call, Exit::Done))
        }
        Action::Invite { role, ttl, uses, name, dir, json } => {
            let (home, ttl_s) = (home(dir), duration_s(&ttl)?);
            // The values that there are have been looked at.
            let role = NodeRole::from_name(&role).unwrap_or(NodeRole::Execute);
            let invitation = Invitation { role, ttl_s, uses, names: name };
            let (token, many_users) =
                (home.negotiator()?.invite(invitation)?, home.is_of_many_users());
            let invited = Invited { token, uses, ttl_s, many_users };
            Ok(Outcome::of(&invited, json, call, Exit::Done))
        }
        Action::Nodes { dir, json } => {
            let nodes = Nodes { nodes: home(dir).negotiator()?.nodes()? };
            Ok(Outcome::of(&nodes, json, call, Exit::Done))
        }
        Action::Revoke { node, dir, json } => {
            home(dir).negotiator()?.revoke(node.clone())?;
            let done = format!(
                "{node} is out. Let it in again with a new token, which needs a new folder there."
            );
            Ok(Outcome::of(&Changed { done }, json, call, Exit::Done))
        }
        Action::Drain { node, now, reason, dir, json } => {
            let how = if now { DrainHow::Requeue } else { DrainHow::Finish };
            let drained = drain::set_in(&home(dir), &node, Some(drain::order(how, reason)))?;
            Ok(Outcome::of(&drained, json, call, Exit::Done))
        }
        Action::Resume { node, dir, json } => {
            let resumed = drain::set_in(&home(dir), &node, None)?;
            Ok(Outcome::of(&resumed, json, call, Exit::Done))
        }
        Action::Rotate { finish, force, dir, json } => {
            let done = rotate(&home(dir), finish, force)?;
            Ok(Outcome::of(&Changed { done }, json, call, Exit::Done))
        }
        Action::Status { dir, json } => {
            let status = status(&home(dir))?;
            // As `systemctl status` does.
            let exit = if status.is_up() { Exit::Done } else { Exit::NotRunning };
            Ok(Outcome::of(&status, json, call, exit))
        }
    }
}

fn rotate(home: &Home, finish: bool, force: bool) -> Result<String> {
    home.negotiator()?.rotate(finish, force)?;
    if finish {
        pool::finish_rotation(home)?;
        return Ok("The pool has forgotten its old authority.".to_owned());
    }
    Ok("A new authority signs from now on; the old one is believed too. When all machines have \
        heard of it ('updraft pool nodes'):  updraft pool rotate --finish"
        .to_owned())
}

fn shown(home: &Home) -> String {
    home.dir().display().to_string()
}

pub(crate) fn home(dir: Option<PathBuf>) -> Home {
    // A daemon runs elsewhere: what a person calls `./pool` must mean the same to it.
    dir.map_or_else(Home::from_environment, |dir| {
        Home::at(&std::path::absolute(&dir).unwrap_or(dir))
    })
}

fn stop(home: &Home, runs: pool::Runs) -> Result<pools::Stop> {
    let (joined, dir) = (member(home)?, shown(home));
    let ran = pool::stop(home, runs)?;
    Ok(pools::Stop { ran, runs_ended: runs == pool::Runs::End, dir, joined })
}

fn copied(home: &Home, file: PathBuf, is_back: bool) -> Copied {
    Copied { pool: home.dir().to_owned(), file, is_back }
}

/// The machine's pool, unless a folder is named.
pub(crate) fn system_home(dir: Option<PathBuf>) -> Home {
    match dir {
        None if std::env::var_os(HOME_VARIABLE).is_none_or(|set| set.is_empty()) => {
            Home::at(Path::new(SYSTEM_DIR))
        }
        dir => home(dir),
    }
}

fn units(home: &Home, install: Option<&Path>) -> Result<Units> {
    let program = std::env::current_exe()?;
    let mut units = Vec::new();
    for unit in units::of(home, &program) {
        let file = install.map(|folder| folder.join(unit.name));
        if let Some(file) = &file {
            whole_file::replace(file, 0o644, unit.text.as_bytes())
                .with_context(|| format!("write {}", file.display()))?;
        }
        units.push(pools::Unit { name: unit.name, text: unit.text, file });
    }
    Ok(Units { units })
}

fn standing_of(listen: Option<&str>) -> Result<Standing> {
    Ok(listen.map(Standing::listening).transpose()?.unwrap_or_default())
}

/// The folder of a pool that is to be started: that of the machine's only if it is asked for; and
/// as whom its processes are to run then.
fn home_to_start(dir: Option<PathBuf>, system: bool) -> Result<(Home, Option<ManyUsers>)> {
    let home = match (dir, system) {
        (None, false) => Home::own(),
        (dir, true) => system_home(dir),
        (dir, false) => home(dir),
    };
    let many = system.then(|| many_users::here(&home, "start")).transpose()?;
    Ok((home, many))
}

fn start(home: &Home, settings: &PoolSettings) -> Result<Start> {
    // A mistake is told here, where somebody reads it, and not in a daemon's log.
    mail_route()?;
    let program = std::env::current_exe()?;
    if settings.many_users.is_some() {
        many_users::check_open(&program, &program)?;
    }
    let started = pool::start(home, settings, &program)?;
    warn(home)?;
    let (started, revived) = match started {
        Started::Fresh => (pools::Started::Fresh, None),
        Started::Already => (pools::Started::Already, None),
        Started::Revived { processes } => (pools::Started::Revived, Some(processes)),
    };
    let has_changed =
        started == pools::Started::Already && !pool::configuration_changes(home)?.is_empty();
    let is_elsewhere = home != &Home::from_environment();
    let joined = member(home)?;
    Ok(Start { dir: shown(home), started, revived, has_changed, is_elsewhere, joined })
}

/// The pool that a folder is a machine of, if it is.
fn member(home: &Home) -> Result<Option<Member>> {
    Ok(match pool::settings(home)?.standing {
        Standing::Joined { address, name } => Some(Member { name, pool: address, known: None }),
        Standing::Alone | Standing::Listens { .. } => None,
    })
}

fn status(home: &Home) -> Result<Status> {
    let process = |found: ProcessStatus| Process {
        process: found.name,
        pid: found.pid,
        since: found.identity.as_ref().map(|identity| identity.since.as_secs()),
        version: found.identity.map(|identity| identity.version),
    };
    let processes = pool::status(home)?.into_iter().map(process).collect();
    let mut joined = member(home)?;
    // What the machine has of its membership is its daemons' own: others do not ask with it.
    let may_ask = !home.is_of_many_users() || many_users::are_root();
    if let Some(member) = joined.as_mut().filter(|_| may_ask) {
        member.known = Some(match membership::is_known(home, &member.pool)? {
            Known::Yes => "connected",
            Known::No => "the pool does not know it: it was revoked, or does not run",
            Known::Unanswered => {
                "the pool does not answer it: it does not run, cannot be reached, or has revoked this machine"
            }
        });
    }
    Ok(Status { dir: shown(home), joined, processes })
}
