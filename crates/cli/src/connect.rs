//! The daemons of the user's pool, asked for ads and names.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use classad::{AttrName, ClassAd, Expr};
use proto::client::{AccountLine, Answer, Ask, Identity, Query, Refusal, Totals};
use proto::command::{AskError, Client};
use proto::net::NetError;

use crate::home::{DaemonRole, Home};
use crate::pool;

/// How often, and how many times, a daemon that is being started again is looked for: five seconds. A pool starts a daemon that
/// died within one.
const RESTART_WAIT: Duration = Duration::from_millis(20);
const RESTART_WAITS: u32 = 250;

/// How often something is tried that fails for a while only. A pool restarts a daemon that died within a second.
pub const ATTEMPTS: usize = 8;

/// Between two attempts.
pub const PAUSE: Duration = Duration::from_millis(500);

/// A connection to the pool's schedd.
///
/// # Errors
///
/// If no schedd answers.
pub fn schedd() -> Result<Client> {
    connect(DaemonRole::Schedd)
}

/// A connection to the pool's negotiator.
///
/// # Errors
///
/// If no negotiator answers.
pub fn negotiator() -> Result<Client> {
    connect(DaemonRole::Negotiator)
}

/// A connection to this machine's startd.
///
/// # Errors
///
/// If no startd answers.
pub fn startd() -> Result<Client> {
    connect(DaemonRole::Startd)
}

/// Does something that may be done again with the schedd, as long as only the connection fails: a pool restarts a daemon that died.
///
/// # Errors
///
/// The first that is of another kind, or the last.
pub fn persist<T>(mut work: impl FnMut(&mut Client) -> Result<T>) -> Result<T> {
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        match schedd().and_then(|mut client| work(&mut client)) {
            Err(error) if left > 0 && is_passing(&error) => thread::sleep(PAUSE),
            result => return result,
        }
    }
}

fn is_passing(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let ask = cause.downcast_ref::<AskError>();
        ask.is_some_and(|ask| matches!(ask, AskError::Net(_) | AskError::Refused(Refusal::Busy(_))))
    })
}

/// Connects; if the pool is supervised but this daemon does not answer, it is being started again: that is waited for.
fn connect(role: DaemonRole) -> Result<Client> {
    let home = Home::from_environment();
    for _ in 0..RESTART_WAITS {
        match Client::connect(&home.socket(role)) {
            Err(NetError::Connect { .. }) if pool::is_supervised(&home) => {
                thread::sleep(RESTART_WAIT);
            }
            connected => return Ok(connected?),
        }
    }
    Ok(Client::connect(&home.socket(role))?)
}

/// A connection to the schedd whose socket this is: a job of its runs, so if it does not answer it is being started again.
///
/// # Errors
///
/// If it does not answer for a while.
pub fn schedd_of_job(socket: &Path) -> Result<Client, NetError> {
    for _ in 0..RESTART_WAITS {
        match Client::connect(socket) {
            Err(NetError::Connect { .. }) => thread::sleep(RESTART_WAIT),
            connected => return connected,
        }
    }
    Client::connect(socket)
}

/// The job ads that answer a query.
///
/// # Errors
///
/// If the schedd cannot be asked.
pub fn jobs(client: &mut Client, query: Query) -> Result<Vec<ClassAd>> {
    ads(client, Ask::QueryJobs(query))
}

/// The machine ads that answer a query.
///
/// # Errors
///
/// If the negotiator cannot be asked.
pub fn machines(client: &mut Client, query: Query) -> Result<Vec<ClassAd>> {
    ads(client, Ask::QueryMachines(query))
}

fn ads(client: &mut Client, ask: Ask) -> Result<Vec<ClassAd>> {
    let mut all = Vec::new();
    client.ask_each(ask, |answer| {
        match answer {
            Answer::Ads(ads) => all.extend(ads),
            Answer::Done => {}
            other => return Err(unexpected("a query", &other)),
        }
        Ok::<(), AskError>(())
    })?;
    Ok(all)
}

/// Who the daemon is.
///
/// # Errors
///
/// If it cannot be asked.
pub fn identity(client: &mut Client) -> Result<Identity> {
    match client.ask(Ask::Identify)? {
        Answer::Identity(identity) => Ok(identity),
        other => Err(unexpected("who it is", &other).into()),
    }
}

/// The schedd's counts.
///
/// # Errors
///
/// If it cannot be asked.
pub fn totals(client: &mut Client) -> Result<Totals> {
    match client.ask(Ask::Totals)? {
        Answer::Totals(totals) => Ok(totals),
        other => Err(unexpected("counts", &other).into()),
    }
}

/// Everybody's account.
///
/// # Errors
///
/// If the negotiator cannot be asked.
pub fn accounts(negotiator: &mut Client) -> Result<Vec<AccountLine>> {
    match negotiator.ask(Ask::Accounts)? {
        Answer::Accounts(lines) => Ok(lines),
        other => Err(unexpected("accounts", &other).into()),
    }
}

/// What the daemon counts of itself.
///
/// # Errors
///
/// If it cannot be asked.
pub fn statistics(client: &mut Client) -> Result<ClassAd> {
    match client.ask(Ask::Statistics)? {
        Answer::Ads(mut ads) => Ok(ads.pop().unwrap_or_default()),
        other => Err(unexpected("what it counts", &other).into()),
    }
}

/// The error for an answer that does not fit.
pub fn unexpected(ask: &'static str, answer: &Answer) -> AskError {
    AskError::Unexpected { ask, answer: format!("{answer:?}").chars().take(80).collect() }
}

/// The user who runs the command.
pub fn me() -> String {
    proto::net::user_name(nix::unistd::Uid::current().as_raw()).to_string()
}

/// A constraint that a user wrote.
///
/// # Errors
///
/// If it is no expression.
pub fn constraint(text: &str) -> Result<Expr> {
    match text.parse() {
        Ok(expr) => Ok(expr),
        Err(error) => bail!("invalid constraint: {error}"),
    }
}

/// What makes both true.
pub fn both(a: Option<Expr>, b: Option<Expr>) -> Option<Expr> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.parenthesised().and(b.parenthesised())),
        (one, None) | (None, one) => one,
    }
}

/// The names in `-attributes A,B C`.
pub fn attribute_names(lists: &[String]) -> Vec<AttrName> {
    let words = lists.iter().flat_map(|list| list.split([',', ' ']));
    words.filter(|word| !word.is_empty()).map(AttrName::from).collect()
}
