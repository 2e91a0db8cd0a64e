//! Why a connection did not come about or broke, and how long a peer may take to make itself known.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use rustls::Error as TlsError;
use tokio::time::timeout;

use super::address::Address;
use super::peer::{PROTOCOL, PeerIdentity, Role};
use crate::frame::FrameError;
use crate::trust::{TrustError, roll};

/// Why a connection did not come about or broke.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The socket could not be made.
    #[error("listen on {address}")]
    Listen {
        address: Address,
        #[source]
        source: io::Error,
    },
    /// Nobody answers there.
    #[error("connect to {address}")]
    Connect {
        address: Address,
        #[source]
        source: io::Error,
    },
    /// Nobody answers there, or the name leads nowhere.
    #[error("connect to {address}")]
    ConnectFar {
        address: String,
        #[source]
        source: io::Error,
    },
    /// TLS did not come about.
    #[error("shake hands over TLS")]
    Handshake(#[source] TlsError),
    /// Papers, a roll or a certificate cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Somebody is not of the pool, or not any more.
    #[error("refuse a machine: {0}")]
    Stranger(roll::Stranger),
    /// Too many shake hands at a time.
    #[error("refuse a connection from {from}: too many shake hands at a time")]
    Crowded { from: IpAddr },
    /// The connection broke.
    #[error("talk to the peer")]
    Broken(#[from] io::Error),
    /// A message could not be read or written.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer closed before it said who it is.
    #[error("shake hands: the peer closed the connection")]
    NoHello,
    /// The peer speaks another language.
    #[error(
        "shake hands with {role:?} {version}: it speaks protocol {theirs}, this program {PROTOCOL}"
    )]
    Protocol {
        /// What it is.
        role: Role,
        version: String,
        theirs: u32,
    },
    /// The transport does not say who comes.
    #[error("listen on {0}: without TLS nobody is known there, so it is refused")]
    Unauthenticated(Address),
    /// The peer takes too long.
    #[error("{what}: the peer took longer than {} s", .limit.as_secs())]
    TooSlow { what: &'static str, limit: Duration },
    /// The peer says it is what it may not be.
    #[error("refuse {identity:?}: it says it is {role:?}, which it may not be")]
    Impostor { identity: Box<PeerIdentity>, role: Role },
    /// Somebody else is met than was looked for.
    #[error("talk to {role:?}: somebody else is looked for there")]
    SomebodyElse { role: Role },
    /// The peer says it is a daemon that another process is, or none.
    #[error(
        "refuse process {pid:?}: it says it is {role:?}, which is process {holder:?} of this pool"
    )]
    Unregistered { role: Role, pid: Option<i32>, holder: Option<i32> },
    /// The peer is not admitted.
    #[error("refuse uid {uid}: this pool serves uid {only}, who started it")]
    NotAdmitted {
        uid: u32,
        /// Who may come.
        only: u32,
    },
}

/// An error with all that it rests on, in one line: for who asks a person to do something about it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut below = error.source();
    while let Some(source) = below {
        said = format!("{said}: {source}");
        below = source.source();
    }
    said
}

/// How long a peer may take for each step of getting to know it.
pub(crate) const GREETING: Duration = Duration::from_secs(10);

/// What was to be done, if it is done in time.
pub(crate) async fn in_time<T>(
    limit: Duration,
    what: &'static str,
    work: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    timeout(limit, work).await.unwrap_or(Err(NetError::TooSlow { what, limit }))
}
