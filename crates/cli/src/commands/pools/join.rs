//! `updraft join TOKEN`: makes this machine one of a pool. What that takes is in [`crate::pool`].

use std::io::{self, Read};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use proto::trust::Token;

use crate::commands::pools::pool::{home, system_home};
use crate::line::call::Call;
use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::pool::many_users;
use crate::pool::{self, PoolSettings};
use crate::render::nodes::Joined;

/// Makes this machine one of a pool, and returns when the pool has it. It needs no open port and
/// shares no disk with the pool.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// What 'updraft pool invite' printed; '-' reads it from standard input, where nobody else sees
    /// it.
    token: String,
    /// What the machine is called in the pool (default: the host's name, or what it is called there
    /// already).
    #[arg(long)]
    name: Option<String>,
    /// Processors to offer (default: all).
    #[arg(long)]
    cpus: Option<u32>,
    /// Memory to offer, MiB (default: all).
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// The folder of what it keeps (default: $UPDRAFT_HOME, else the user's state folder).
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The pool is many users': only root joins it. The machine's daemons run as the user
    /// 'updraft', each job as its owner, who must be a user here too, with the same number. It is
    /// kept in /var/lib/updraft unless --dir says otherwise.
    #[arg(long)]
    system: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Joins.
///
/// # Errors
///
/// If the token is none, or the machine cannot join or start.
pub fn run(args: JoinArgs, call: &Call) -> Result<Outcome> {
    let mut word = args.token;
    if word == "-" {
        word.clear();
        io::stdin().read_to_string(&mut word).context("read the token from standard input")?;
    }
    let token: Token = word.parse()?;
    let program = std::env::current_exe()?;
    let (home, many_users) = match args.system {
        true => {
            let home = system_home(args.dir);
            let many = many_users::here(&home, "join")?;
            many_users::check_open(&program, &program)?;
            (home, Some(many))
        }
        false => (home(args.dir), None),
    };
    let of_none =
        PoolSettings { cpus: args.cpus, memory_mib: args.memory, ..PoolSettings::default() };
    let settings = PoolSettings { many_users, ..of_none };
    let (name, joined) = pool::join(&home, &token, args.name.as_deref(), &settings, &program)?;
    let dir = home.dir().display().to_string();
    let said = Joined { name, address: token.address, dir, clock_ahead_s: joined.ahead_s };
    Ok(Outcome::of(&said, args.json, call, Exit::Done))
}
