//! What a pool's folder is: a pool of one machine, one that others may join, or a machine that has
//! joined one. It knows addresses and names; who is let in, the negotiator decides.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use client::home::{DaemonRole, Home};
use model::Timestamp;
use nix::unistd::gethostname;
use proto::clock;
use proto::joining::{AskPool, PoolSays};
use proto::net::{Believed, Connection, Far, Membership, NetError, Role, connect_far};
use proto::trust::token::is_host_and_port;
use proto::trust::{Papers, Roll, Token, TrustError, found_pool, is_node_name, make_folder};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use crate::pool::as_daemons::{self, Task};

/// The port of a pool that does not say another: HTCondor's.
const PORT: u16 = 9618;

/// How long a machine that has joined may take to be known to the pool.
const KNOWN_LIMIT: Duration = Duration::from_secs(60);

/// How often the pool is asked whether it knows it.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// What a pool's folder is to others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A pool of one machine.
    #[default]
    Alone,
    /// A pool that other machines may join.
    Listens {
        /// How they reach its negotiator: `HOST:PORT`. The schedd has the next port.
        address: String,
    },
    /// A machine of a pool.
    Joined {
        /// Where the pool's negotiator listens.
        address: String,
        /// What the machine is called there.
        name: String,
    },
}

/// Why a pool does not listen, or a machine does not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("listen at '{0}': expected HOST or HOST:PORT, and a port below 65535")]
    Address(String),
    #[error(
        "listen at '{0}': others cannot reach that; say the name or the address that they reach \
         this machine by"
    )]
    Anywhere(String),
    #[error("listen at '{address}'")]
    NoHost {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("read this machine's name")]
    Host(#[source] nix::errno::Errno),
    #[error("use the trust in {}", path.display())]
    Trust {
        path: PathBuf,
        #[source]
        source: TrustError,
    },
    #[error("join the pool at {address}")]
    Unreachable {
        address: String,
        #[source]
        source: NetError,
    },
    #[error("join the pool at {address}: it says: {said}")]
    Refused { address: String, said: String },
    #[error(
        "join the pool at {address}: it does not know this machine after {} s; see {}",
        KNOWN_LIMIT.as_secs(), log.display()
    )]
    Unknown { address: String, log: PathBuf },
    #[error(
        "join a pool with {}: it is '{name}' of the one at {address}, and can join that one again \
         under that name only; choose another folder (--dir)", dir.display()
    )]
    Joined { dir: PathBuf, address: String, name: String },
    #[error(
        "join a pool with {}: it is a pool of its own; choose another folder (--dir)", dir.display()
    )]
    OwnPool { dir: PathBuf },
    #[error("listen: {} has joined a pool and is none of its own", dir.display())]
    IsNode { dir: PathBuf },
    #[error("call this machine '{0}': expected a host's name; choose one (--name)")]
    Name(String),
    #[error("start what talks to the pool")]
    Runtime(#[source] std::io::Error),
    /// What a process of the daemons' user has said.
    #[error("{0}")]
    Said(String),
    #[error("have something done by a process of the user that the daemons run as")]
    AsDaemons(#[source] std::io::Error),
}

/// Two ports of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The negotiator's and the schedd's, on this machine.
    pub at: [SocketAddr; 2],
    /// How others reach them.
    pub addresses: [String; 2],
}

impl Standing {
    /// The daemons that such a folder has, in the order in which they are started.
    pub fn daemons(&self) -> &'static [DaemonRole] {
        match self {
            Self::Alone | Self::Listens { .. } => &DaemonRole::ALL,
            Self::Joined { .. } => &[DaemonRole::Launcher, DaemonRole::Startd],
        }
    }

    /// A pool that listens there.
    ///
    /// # Errors
    ///
    /// If that is no address that others can use.
    pub fn listening(text: &str) -> Result<Self, JoinError> {
        let wrong = || JoinError::Address(text.to_owned());
        let has_port = is_host_and_port(text) && (!text.contains("::") || text.contains("]:"));
        let address = match has_port {
            true => text.to_owned(),
            false if text.contains("::") && !text.starts_with('[') => format!("[{text}]:{PORT}"),
            false => format!("{text}:{PORT}"),
        };
        let standing = Self::Listens { address: address.clone() };
        let ports = standing.ports()?.filter(|_| is_host_and_port(&address)).ok_or_else(wrong)?;
        if ports.at[0].ip().is_unspecified() {
            return Err(JoinError::Anywhere(text.to_owned()));
        }
        Ok(standing)
    }

    /// Where a pool that listens does.
    ///
    /// # Errors
    ///
    /// If the host has no address, or there is no next port.
    pub fn ports(&self) -> Result<Option<Ports>, JoinError> {
        let Self::Listens { address } = self else { return Ok(None) };
        let wrong = || JoinError::Address(address.clone());
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let next =
            port.parse::<u16>().ok().and_then(|port| port.checked_add(1)).ok_or_else(wrong)?;
        let of_schedd = format!("{host}:{next}");
        let found = address.to_socket_addrs().map_err(|source| {
            let address = address.clone();
            JoinError::NoHost { address, source }
        })?;
        let at = found.into_iter().next().ok_or_else(wrong)?;
        let next = SocketAddr::new(at.ip(), next);
        Ok(Some(Ports { at: [at, next], addresses: [address.clone(), of_schedd] }))
    }
}

/// This machine's name.
///
/// # Errors
///
/// If the system does not say.
pub fn host() -> Result<String, JoinError> {
    Ok(gethostname().map_err(JoinError::Host)?.to_string_lossy().into_owned())
}

/// What its daemons call this machine: its own name, or the one under which it has joined.
///
/// # Errors
///
/// If the system does not say.
pub fn machine_name(standing: &Standing) -> Result<String, JoinError> {
    match standing {
        Standing::Joined { name, .. } => Ok(name.clone()),
        Standing::Alone | Standing::Listens { .. } => host(),
    }
}

fn in_trust(home: &Home) -> impl Fn(TrustError) -> JoinError {
    let path = home.trust_dir();
    move |source| JoinError::Trust { path: path.clone(), source }
}

/// Makes the authority of a pool that listens, if it has none.
///
/// # Errors
///
/// If its folder cannot be used.
pub fn found(home: &Home) -> Result<(), JoinError> {
    as_daemons::done(home, &Task::Found, || {
        let host = host()?;
        let now_s = clock::now().wall.as_secs();
        found_pool(&home.trust_dir(), &host, &host, now_s).map_err(in_trust(home))
    })
}

/// How the negotiator of the pool is reached that a machine has joined.
///
/// # Errors
///
/// If what it keeps of its membership cannot be used.
pub fn way(home: &Home, address: &str) -> Result<Far, NetError> {
    let membership = Membership::in_folder(&home.trust_dir())?;
    Ok(Far { address: address.to_owned(), membership, believed: Believed::Authorities })
}

/// What joining came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// How far this machine's clock is ahead of the pool's, seconds.
    pub ahead_s: i64,
}

/// Gets a machine into a pool: its key, and what the pool signs of it, are in the folder
/// afterwards. Doing it again with the same folder is the same machine.
///
/// # Errors
///
/// If the pool cannot be reached, is not the token's, or does not let it in.
pub fn join(home: &Home, token: &Token, name: &str) -> Result<Joined, JoinError> {
    let task = Task::Join { token: token.reveal(), name: name.to_owned() };
    as_daemons::done(home, &task, || join_with(home, token, name))
}

fn join_with(home: &Home, token: &Token, name: &str) -> Result<Joined, JoinError> {
    if !is_node_name(name) {
        return Err(JoinError::Name(name.to_owned()));
    }
    let folder = home.trust_dir();
    make_folder(&folder).map_err(in_trust(home))?;
    let papers = match Papers::in_folder(&folder).map_err(in_trust(home))? {
        Some(papers) => papers,
        None => Papers::of_newcomer().map_err(in_trust(home))?,
    };
    // Before the pool knows the key: if its answer is lost, this is asked again with the same one.
    papers.save(&folder).map_err(in_trust(home))?;
    let far = Far {
        address: token.address.clone(),
        membership: Membership::passing(papers.clone()),
        believed: Believed::OnlyAuthority(token.authority),
    };
    let ask = AskPool::Join {
        secret: token.secret.bytes(),
        name: name.to_owned(),
        role: token.role,
        many_users: home.is_of_many_users(),
    };
    let unreachable = |source| JoinError::Unreachable { address: token.address.clone(), source };
    let says = runtime()?.block_on(async {
        let mut connection = connect_far(&far, Role::Newcomer).await.map_err(unreachable)?;
        asked(&mut connection, &ask).await.map_err(unreachable)
    })?;
    let refused = |said| JoinError::Refused { address: token.address.clone(), said };
    match says {
        PoolSays::Welcome(welcome) => {
            // Also where all authorities are forgotten that it believed: the token vouches for it.
            let signed = papers.vouched(welcome.signed, token.authority).map_err(in_trust(home))?;
            signed.save(&folder).map_err(in_trust(home))?;
            Ok(Joined { ahead_s: ahead(clock::now().wall, welcome.now) })
        }
        PoolSays::Refused(said) => Err(refused(said)),
        PoolSays::There(_) | PoolSays::Time(_) => {
            Err(refused("nothing that makes sense".to_owned()))
        }
    }
}

fn ahead(ours: Timestamp, theirs: Timestamp) -> i64 {
    ours.as_secs().saturating_sub(theirs.as_secs())
}

/// What a pool says of a machine that has joined it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Known {
    /// It is one of its machines.
    Yes,
    /// The pool answers and does not know it: it was revoked, or nothing of it runs.
    No,
    /// The pool does not answer, or not to this machine.
    Unanswered,
}

/// How long a pool may take to say whether it knows a machine: a person waits.
const SAY_LIMIT: Duration = Duration::from_secs(3);

/// Asks the pool once whether it knows this machine.
///
/// # Errors
///
/// If what is kept of the membership cannot be used.
pub fn is_known(home: &Home, address: &str) -> Result<Known, JoinError> {
    let task = Task::IsKnown { address: address.to_owned() };
    as_daemons::done(home, &task, || is_known_by_us(home, address))
}

fn is_known_by_us(home: &Home, address: &str) -> Result<Known, JoinError> {
    let unreachable = |source| JoinError::Unreachable { address: address.to_owned(), source };
    let far = way(home, address).map_err(unreachable)?;
    let asked = async {
        let mut connection = connect_far(&far, Role::Newcomer).await?;
        asked(&mut connection, &AskPool::AmIThere).await
    };
    let says = runtime()?.block_on(async { timeout(SAY_LIMIT, asked).await });
    Ok(match says {
        Ok(Ok(PoolSays::There(true))) => Known::Yes,
        Ok(Ok(_)) => Known::No,
        Ok(Err(_)) | Err(_) => Known::Unanswered,
    })
}

/// What a machine finds of the pool that it has joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Examined {
    /// Somebody else listens there, and how that is known.
    Other(String),
    /// It is the pool, which does not want this machine.
    Refused(String),
    /// It is the pool, and answers.
    Said {
        /// Whether it has the machine.
        is_there: bool,
        /// How far this machine's clock is ahead, if it says its own time.
        ahead_s: Option<i64>,
    },
}

/// Asks the pool what it has of this machine, and looks who it is.
///
/// # Errors
///
/// If what is kept of the membership cannot be used.
pub fn examine(home: &Home, address: &str) -> Result<Examined, JoinError> {
    let task = Task::Examine { address: address.to_owned() };
    as_daemons::done(home, &task, || examine_by_us(home, address))
}

fn examine_by_us(home: &Home, address: &str) -> Result<Examined, JoinError> {
    let unreachable = |source| JoinError::Unreachable { address: address.to_owned(), source };
    let far = way(home, address).map_err(unreachable)?;
    let asking = async {
        let mut connection = connect_far(&far, Role::Newcomer).await?;
        let there = asked(&mut connection, &AskPool::AmIThere).await?;
        Ok((there, asked(&mut connection, &AskPool::WhatTime).await.ok()))
    };
    let said = runtime()?.block_on(async { timeout(SAY_LIMIT, asking).await });
    Ok(match said {
        Ok(Ok((there, time))) => Examined::Said {
            is_there: there == PoolSays::There(true),
            ahead_s: time.and_then(|says| match says {
                PoolSays::Time(theirs) => Some(ahead(clock::now().wall, theirs)),
                PoolSays::Welcome(_) | PoolSays::There(_) | PoolSays::Refused(_) => None,
            }),
        },
        // Which end it is that does not believe the other, the step says: it is the server's turn
        // in the handshake, and ours when the first word is read.
        Ok(Err(error @ (NetError::Handshake(_) | NetError::Impostor { .. }))) => {
            Examined::Other(proto::net::chain(&error))
        }
        Ok(Err(error)) => Examined::Refused(proto::net::chain(&error)),
        Err(_) => Examined::Refused(format!("it says nothing for {} s", SAY_LIMIT.as_secs())),
    })
}

/// What a folder keeps of who is in a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The authorities that are believed, by their hashes.
    pub authorities: Vec<String>,
    /// At the pool's own machine: how many others are in; or why that cannot be read.
    pub machines: Result<usize, String>,
}

/// What the folder keeps.
///
/// # Errors
///
/// If that is another user's, whom nobody can ask.
pub fn kept(home: &Home) -> Result<Kept, JoinError> {
    as_daemons::done(home, &Task::Kept, || {
        let folder = home.trust_dir();
        let papers = Papers::in_folder(&folder).ok().flatten();
        let authorities = papers.map(|papers| papers.authorities()).unwrap_or_default();
        let authorities = authorities.iter().map(ToString::to_string).collect();
        let machines = Roll::in_folder(&folder)
            .map(|roll| roll.nodes.values().filter(|node| !node.is_revoked).count())
            .map_err(|error| proto::net::chain(&error));
        Ok(Kept { authorities, machines })
    })
}

/// Comes back when the pool knows this machine.
///
/// # Errors
///
/// If that takes too long.
pub fn wait_until_known(home: &Home, address: &str) -> Result<(), JoinError> {
    let task = Task::WaitUntilKnown { address: address.to_owned() };
    as_daemons::done(home, &task, || wait_until_known_by_us(home, address))
}

fn wait_until_known_by_us(home: &Home, address: &str) -> Result<(), JoinError> {
    let unreachable = |source| JoinError::Unreachable { address: address.to_owned(), source };
    let far = way(home, address).map_err(unreachable)?;
    let known = async {
        loop {
            if let Ok(mut connection) = connect_far(&far, Role::Newcomer).await {
                while let Ok(says) = asked(&mut connection, &AskPool::AmIThere).await {
                    if says == PoolSays::There(true) {
                        return;
                    }
                    sleep(ASK_EVERY).await;
                }
            }
            sleep(ASK_EVERY).await;
        }
    };
    let known = runtime()?.block_on(async { timeout(KNOWN_LIMIT, known).await });
    known.map_err(|_| {
        let log = home.log(DaemonRole::Startd.name());
        JoinError::Unknown { address: address.to_owned(), log }
    })
}

async fn asked(connection: &mut Connection, ask: &AskPool) -> Result<PoolSays, NetError> {
    connection.sender.send(ask).await?;
    connection.receiver.recv().await?.ok_or(NetError::NoHello)
}

fn runtime() -> Result<tokio::runtime::Runtime, JoinError> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(JoinError::Runtime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_at_is_one_that_others_can_use() {
        for (text, expected) in [
            ("127.0.0.1", Some("127.0.0.1:9618")),
            ("127.0.0.1:700", Some("127.0.0.1:700")),
            ("localhost:700", Some("localhost:700")),
            ("[::1]:700", Some("[::1]:700")),
            ("::1", Some("[::1]:9618")),
            ("0.0.0.0", None),
            ("127.0.0.1:0", None),
            ("127.0.0.1:65535", None),
            ("127.0.0.1:x", None),
            ("", None),
            ("a b", None),
        ] {
            let standing = Standing::listening(text).ok();
            let expected = expected.map(|text| Standing::Listens { address: text.to_owned() });
            assert_eq!(standing, expected, "{text}");
        }
        let ports = Standing::listening("127.0.0.1:700").unwrap().ports().unwrap().unwrap();
        assert_eq!(ports.at.map(|at| at.port()), [700, 701]);
        assert_eq!(ports.addresses[1], "127.0.0.1:701");
    }
}
