//! Who is at the other end of a connection, and how two daemons greet each other. Where daemons are
//! is in [`address`], how bytes get there in [`stream`], how a connection is kept in [`keep`]. The
//! daemons' sockets are asynchronous; a command's own, blocking, are in [`crate::command`].
//!
//! Who a peer is comes from the transport, never from what the peer says: of a process of this
//! machine the kernel says it (`SO_PEERCRED`), of one elsewhere its certificate does ([`tls`]).
//! What it says it is ([`Role`]) must be what such a peer may be ([`PeerIdentity::may_be`]), and a
//! daemon's name must be registered and its own: the kernel says which process holds the lock of
//! the daemon of that name ([`Registered`]); a certificate has one name and one role. A pool that
//! one user started serves that user, and machines that joined it ([`Admission`]).

pub mod address;
pub mod keep;
pub(crate) mod stream;
pub mod tls;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use model::UserName;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{Uid, User};
use rustls::Error as TlsError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

pub use self::address::Address;
pub use self::keep::{BackOff, Reconnecting};
pub(crate) use self::stream::ShortPath;
use self::stream::{Accepting, Arrived, ReadHalf, Stream, WriteHalf};
pub use self::tls::{Believed, Far, Gate, Membership};
use self::tls::{Looking, Membered};
use crate::frame::{self, FrameError};
use crate::lock;
use crate::trust::certificate::PublicKey;
use crate::trust::{Fingerprint, NodeRole, TrustError, roll};

/// The version of the messages. A peer with another first number is refused; see docs/adr/0004 for
/// what may change within one.
pub const PROTOCOL: u32 = 1;

/// The first frame on every connection, both ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the sender.
    pub protocol: u32,
    /// Its program version, for people.
    pub version: String,
    /// What it is.
    pub role: Role,
}

/// What one end of a connection is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// A user's command.
    Command,
    /// A schedd, by name.
    Schedd(String),
    Negotiator,
    /// The startd of a machine, by the machine's name.
    Startd(String),
    /// What carries files for the startd of that machine.
    Files(String),
    /// Somebody who wants to join the pool, or asks whether he has.
    Newcomer,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who that is, as the transport says.
    pub identity: PeerIdentity,
    /// What it says it is, which it may be: decides which messages follow.
    pub role: Role,
}

/// Who somebody is, as a transport says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerIdentity {
    /// A process of this machine, as the kernel says.
    Local {
        /// Its user's number.
        uid: u32,
        /// Its user, as the system names them.
        user: UserName,
    },
    /// A machine of the pool, as its certificate and the pool's roll say.
    Node {
        name: String,
        role: NodeRole,
        /// Its key.
        key: Fingerprint,
    },
    /// Somebody who has shown that he has a key, and nothing else.
    Newcomer { key: PublicKey },
}

impl PeerIdentity {
    fn of(uid: u32) -> Self {
        Self::Local { uid, user: user_name(uid) }
    }

    /// Whether this is a process of this machine that has this user's number.
    pub fn is_local(&self, of: u32) -> bool {
        matches!(self, Self::Local { uid, .. } if *uid == of)
    }

    /// Whether such a peer may be what it says it is, in a pool of this user. Of this machine
    /// anybody who is admitted may ask as a command, and a daemon is a process of the pool's own
    /// user, or of root. A machine elsewhere is what its certificate says, under its own name.
    pub fn may_be(&self, role: &Role, pool_uid: u32) -> bool {
        match (self, role) {
            (Self::Local { .. }, Role::Command) => true,
            (Self::Local { .. }, Role::Schedd(_) | Role::Negotiator | Role::Startd(_)) => {
                self.is_local(pool_uid) || self.is_local(0)
            }
            (
                Self::Node { name, role: NodeRole::Execute, .. },
                Role::Startd(of) | Role::Files(of),
            )
            | (Self::Node { name, role: NodeRole::Submit, .. }, Role::Schedd(of)) => name == of,
            (Self::Node { role: NodeRole::Manager, .. }, Role::Negotiator | Role::Schedd(_))
            | (Self::Node { .. } | Self::Newcomer { .. }, Role::Newcomer) => true,
            _ => false,
        }
    }
}

impl Peer {
    /// The number of its user on this machine; of nobody, if it is not from here.
    pub fn uid(&self) -> u32 {
        match &self.identity {
            PeerIdentity::Local { uid, .. } => *uid,
            PeerIdentity::Node { .. } | PeerIdentity::Newcomer { .. } => NOBODY,
        }
    }

    pub fn user(&self) -> UserName {
        match &self.identity {
            PeerIdentity::Local { user, .. } => user.clone(),
            PeerIdentity::Node { .. } | PeerIdentity::Newcomer { .. } => user_name(NOBODY),
        }
    }
}

/// The user who may do nothing (`nobody`).
const NOBODY: u32 = 65_534;

/// Who may connect.
#[derive(Clone, Debug)]
pub enum Admission {
    /// Only processes of this user, and whatever daemon they say they are: there is no pool that
    /// has registered any.
    OnlyUid(u32),
    /// Only processes of this user, and as daemons only those of the pool: a personal pool.
    Pool { uid: u32, daemons: Arc<[Registered]> },
    /// Only machines of the pool, over TLS; and newcomers, if the gate has them.
    Nodes(Arc<Gate>),
}

/// A daemon of a pool on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// What it is, with its name.
    pub role: Role,
    /// The lock that its process holds for its life ([`crate::lock`]); never the lock of the
    /// process that asks, which would lose it by looking.
    pub lock: PathBuf,
}

impl Admission {
    /// The number of the user whose pool it is.
    pub fn uid(&self) -> u32 {
        match self {
            Self::OnlyUid(uid) | Self::Pool { uid, .. } => *uid,
            Self::Nodes(_) => Uid::effective().as_raw(),
        }
    }

    /// Whether somebody may connect at all. Whom the gate of a pool lets through may.
    fn admit(&self, identity: &PeerIdentity) -> Result<(), NetError> {
        match self {
            Self::OnlyUid(only) | Self::Pool { uid: only, .. } if !identity.is_local(*only) => {
                let peer = Peer { identity: identity.clone(), role: Role::Command };
                Err(NetError::NotAdmitted { uid: peer.uid(), only: *only })
            }
            Self::OnlyUid(_) | Self::Pool { .. } | Self::Nodes(_) => Ok(()),
        }
    }

    /// Whether the process `pid` may be what it says it is.
    fn admit_as(&self, Peer { identity, role }: &Peer, pid: Option<i32>) -> Result<(), NetError> {
        match self {
            _ if !identity.may_be(role, self.uid()) => {
                Err(NetError::Impostor { identity: identity.clone(), role: role.clone() })
            }
            Self::Pool { daemons, .. } if *role != Role::Command => {
                let registered = daemons.iter().find(|daemon| daemon.role == *role);
                let holder = registered.map(|daemon| lock::holder(&daemon.lock)).transpose()?;
                match holder.flatten() {
                    Some(holder) if Some(holder) == pid => Ok(()),
                    holder => Err(NetError::Unregistered { role: role.clone(), pid, holder }),
                }
            }
            Self::OnlyUid(_) | Self::Pool { .. } | Self::Nodes(_) => Ok(()),
        }
    }
}

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
    Impostor { identity: PeerIdentity, role: Role },
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

/// How long a daemon may take to read what waits for it. It reads all the time; one that does not
/// is stuck, and finds all it needs in the greeting of its next connection.
pub(crate) const DAEMON_READS: Duration = Duration::from_secs(30);

/// How long a command may take: the time that somebody takes over a page of `q | less`.
const COMMAND_READS: Duration = Duration::from_secs(600);

/// Connections of one daemon at a time, if it may have the descriptors (files need some too); more
/// wait for a place. A negotiator has one for each machine and schedd.
const CONNECTIONS: u64 = 60_000;

/// How long to wait when no connection can be accepted (out of descriptors).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: Accepting,
    admission: Admission,
    hello: Hello,
    places: Arc<Semaphore>,
    _looking: Option<Looking>,
}

impl Listener {
    /// Listens at `address`, replacing a dead Unix socket. The caller holds the lock that makes it
    /// the only daemon there, and calls it where tasks can be started.
    ///
    /// # Errors
    ///
    /// If the socket cannot be made, or would not say who comes.
    pub fn bind(address: &Address, role: Role, admission: Admission) -> Result<Self, NetError> {
        let looking = match (address, &admission) {
            (Address::Unix(_), _) => None,
            (Address::Tcp(_), Admission::Nodes(gate)) => Some(gate.keep_looking()),
            (Address::Tcp(_), Admission::OnlyUid(_) | Admission::Pool { .. }) => {
                return Err(NetError::Unauthenticated(address.clone()));
            }
        };
        let listen = |source| NetError::Listen { address: address.clone(), source };
        let socket = Accepting::at(address).map_err(listen)?;
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        let places = usize::try_from(CONNECTIONS.min(descriptors / 2)).unwrap_or(1);
        let places = Arc::new(Semaphore::new(places));
        Ok(Self { socket, admission, hello: hello(role), places, _looking: looking })
    }

    /// Where it listens: of a port that was chosen by the system, which one.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub fn address(&self) -> io::Result<Address> {
        self.socket.address()
    }

    /// The next connection that there is a place for, not yet greeted: call [`Incoming::greet`] in
    /// a task of its own, so that a peer that says nothing delays nobody. While none can be
    /// accepted (out of descriptors), it waits.
    pub async fn accept(&self) -> Incoming {
        let place = loop {
            // Nobody closes it.
            if let Ok(place) = Arc::clone(&self.places).acquire_owned().await {
                break place;
            }
        };
        loop {
            match self.socket.accept().await {
                Ok(arrived) => {
                    let (admission, hello) = (self.admission.clone(), self.hello.clone());
                    return Incoming { arrived, admission, hello, place };
                }
                Err(_) => sleep(ACCEPT_AGAIN).await,
            }
        }
    }
}

/// A connection that has not said what it is.
#[derive(Debug)]
pub struct Incoming {
    arrived: Arrived,
    admission: Admission,
    hello: Hello,
    place: OwnedSemaphorePermit,
}

impl Incoming {
    /// Checks who it is and exchanges greetings.
    ///
    /// # Errors
    ///
    /// If it may not connect, says that it is what it may not be or a daemon that another process
    /// is, speaks another protocol, takes too long, or goes away.
    pub async fn greet(self) -> Result<Connection, NetError> {
        let Self { arrived, admission, hello, place } = self;
        let (stream, identity, pid, membered) = match (arrived, &admission) {
            (Arrived::Unix(stream), _) => {
                let who = stream.peer_cred()?;
                (Stream::Unix(stream), PeerIdentity::of(who.uid()), who.pid(), None)
            }
            (Arrived::Tcp(stream), Admission::Nodes(gate)) => {
                let (stream, identity) = gate.accept(stream).await?;
                let membered = gate.watch(&identity);
                (Stream::Tls(Box::new(stream)), identity, None, membered)
            }
            (Arrived::Tcp(stream), Admission::OnlyUid(_) | Admission::Pool { .. }) => {
                return Err(NetError::Unauthenticated(Address::Tcp(stream.local_addr()?)));
            }
        };
        admission.admit(&identity)?;
        let mut connection = shake(stream, identity, &hello).await?;
        admission.admit_as(&connection.peer, pid)?;
        connection.receiver.membered = membered;
        connection.receiver.place = Some(place);
        Ok(connection)
    }
}

/// Connects to the daemon at `address`, as `role`.
///
/// # Errors
///
/// If nobody listens there, it is not one of ours, or takes too long.
pub async fn connect(address: &Address, role: Role) -> Result<Connection, NetError> {
    let Address::Unix(path) = address else {
        return Err(NetError::Unauthenticated(address.clone()));
    };
    let stream = in_time(GREETING, "connect", stream::connect_unix(path)).await?;
    let identity = PeerIdentity::of(stream.peer_cred()?.uid());
    shake(Stream::Unix(stream), identity, &hello(role)).await
}

/// Connects to a daemon of the pool on another machine, as `role`. It is known, and is what it says
/// it is, before anything is said but that.
///
/// # Errors
///
/// If nobody listens there, it is not of the pool, or takes too long.
pub async fn connect_far(far: &Far, role: Role) -> Result<Connection, NetError> {
    let (stream, identity) = far.connect().await?;
    let connection = shake(Stream::Tls(Box::new(stream)), identity, &hello(role)).await?;
    let Peer { identity, role } = &connection.peer;
    if !identity.may_be(role, 0) {
        return Err(NetError::Impostor { identity: identity.clone(), role: role.clone() });
    }
    Ok(connection)
}

/// How a daemon of the pool is reached.
#[derive(Clone, Debug)]
pub enum Way {
    /// By its socket on this machine.
    Here(PathBuf),
    /// Over TLS.
    Far(Far),
}

impl Way {
    /// Connects, as `role`.
    ///
    /// # Errors
    ///
    /// If nobody listens there, it is not of the pool, or takes too long.
    pub async fn connect(&self, role: Role) -> Result<Connection, NetError> {
        match self {
            Self::Here(path) => connect(&Address::unix(path), role).await,
            Self::Far(far) => connect_far(far, role).await,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(path) => path.display().fmt(f),
            Self::Far(far) => f.write_str(&far.address),
        }
    }
}

/// Connects to something on this machine that has a protocol of its own: the launcher.
///
/// # Errors
///
/// If nobody listens there.
pub async fn connect_plain(path: &Path) -> Result<UnixStream, NetError> {
    stream::connect_unix(path).await
}

/// What was to be done, if it is done in time.
async fn in_time<T>(
    limit: Duration,
    what: &'static str,
    work: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    timeout(limit, work).await.unwrap_or(Err(NetError::TooSlow { what, limit }))
}

/// A greeted connection.
#[derive(Debug)]
pub struct Connection {
    /// Who is at the other end.
    pub peer: Peer,
    /// Where to write.
    pub sender: Sender,
    /// Where to read.
    pub receiver: Receiver,
}

/// What a peer that is written to fails in.
const READING: &str = "write to the peer";

/// The writing half. A peer that does not read loses its connection.
#[derive(Debug)]
pub struct Sender {
    frames: FramedWrite<WriteHalf, LengthDelimitedCodec>,
    /// How long the peer may take to read.
    patience: Duration,
}

impl Sender {
    /// Writes one message and flushes.
    ///
    /// # Errors
    ///
    /// If it cannot be encoded or the connection is broken.
    pub async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), NetError> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Writes one message to the buffer: cheap; [`Self::flush`] after the last of a batch.
    ///
    /// # Errors
    ///
    /// If it cannot be encoded or the connection is broken.
    pub async fn feed<T: Serialize>(&mut self, message: &T) -> Result<(), NetError> {
        let frame = frame::encode(message)?;
        in_time(self.patience, READING, async { Ok(self.frames.feed(frame).await?) }).await
    }

    /// Sends a message that is encoded already, and flushes.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub async fn pass_on(&mut self, frame: Bytes) -> Result<(), NetError> {
        in_time(self.patience, READING, async { Ok(self.frames.send(frame).await?) }).await
    }

    /// Sends what is in the buffer.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub async fn flush(&mut self) -> Result<(), NetError> {
        let flushed = <FramedWrite<_, _> as SinkExt<Bytes>>::flush(&mut self.frames);
        in_time(self.patience, READING, async { Ok(flushed.await?) }).await
    }
}

/// The reading half.
#[derive(Debug)]
pub struct Receiver {
    frames: FramedRead<ReadHalf, LengthDelimitedCodec>,
    /// What the connection has of the listener's places.
    place: Option<OwnedSemaphorePermit>,
    /// That its peer is in the pool, if it is a machine: it has nothing to say from when it is not.
    membered: Option<Membered>,
}

impl Receiver {
    /// The next message, or `None` when the peer has closed. Safe to cancel.
    ///
    /// # Errors
    ///
    /// If the connection is broken or what came is no `T`.
    pub async fn recv<T: DeserializeOwned>(&mut self) -> Result<Option<T>, NetError> {
        match self.next_frame().await? {
            None => Ok(None),
            Some(payload) => Ok(Some(frame::decode(&payload)?)),
        }
    }

    /// The next message as it came, for who passes it on. Safe to cancel.
    ///
    /// # Errors
    ///
    /// If the connection is broken, or its peer is no machine of the pool any more.
    pub async fn next_frame(&mut self) -> Result<Option<BytesMut>, NetError> {
        let frame = match &mut self.membered {
            None => self.frames.next().await,
            Some(membered) => tokio::select! {
                biased;
                stranger = membered.is_over() => return Err(NetError::Stranger(stranger)),
                frame = self.frames.next() => frame,
            },
        };
        Ok(frame.transpose()?)
    }
}

/// The user with that number, by name if the system has one.
pub fn user_name(uid: u32) -> UserName {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => UserName::new(&user.name),
        Ok(None) | Err(_) => UserName::new(&format!("uid{uid}")),
    }
}

/// What this program says first.
pub(crate) fn hello(role: Role) -> Hello {
    Hello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned(), role }
}

/// Whether the peer's greeting is one of ours.
pub(crate) fn check(theirs: Hello) -> Result<Role, NetError> {
    if theirs.protocol == PROTOCOL {
        Ok(theirs.role)
    } else {
        Err(NetError::Protocol {
            role: theirs.role,
            version: theirs.version,
            theirs: theirs.protocol,
        })
    }
}

async fn shake(
    stream: Stream,
    identity: PeerIdentity,
    ours: &Hello,
) -> Result<Connection, NetError> {
    let (read, write) = stream.into_split();
    let frames = FramedWrite::new(write, frame::codec());
    let mut sender = Sender { frames, patience: GREETING };
    let frames = FramedRead::new(read, frame::codec());
    let mut receiver = Receiver { frames, place: None, membered: None };
    sender.send(ours).await?;
    let theirs = in_time(GREETING, "shake hands", receiver.recv()).await?;
    let role = check(theirs.ok_or(NetError::NoHello)?)?;
    sender.patience = match role {
        Role::Command => COMMAND_READS,
        Role::Schedd(_) | Role::Negotiator | Role::Startd(_) | Role::Files(_) | Role::Newcomer => {
            DAEMON_READS
        }
    };
    Ok(Connection { peer: Peer { identity, role }, sender, receiver })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn loopback() -> Address {
        Address::Tcp((Ipv4Addr::LOCALHOST, 0).into())
    }

    async fn pair(listener: &Listener, role: Role) -> (Connection, Result<Connection, NetError>) {
        let address = listener.address().unwrap();
        let accepted = async { listener.accept().await.greet().await };
        let (ours, theirs) = tokio::join!(connect(&address, role), accepted);
        (ours.unwrap(), theirs)
    }

    #[test]
    fn a_daemon_cannot_be_made_to_listen_where_nobody_is_known() {
        let refused = Listener::bind(&loopback(), Role::Negotiator, Admission::OnlyUid(0));
        assert!(matches!(refused, Err(NetError::Unauthenticated(_))), "{refused:?}");
    }

    fn node(role: NodeRole) -> PeerIdentity {
        PeerIdentity::Node { name: "m".to_owned(), role, key: Fingerprint::of(b"key") }
    }

    #[test]
    fn only_the_pool_s_own_user_root_and_its_machines_by_their_names_may_be_daemons() {
        let schedd = Role::Schedd("s".to_owned());
        for (identity, role, may) in [
            (PeerIdentity::of(7), &Role::Command, true),
            (PeerIdentity::of(7), &schedd, true),
            (PeerIdentity::of(0), &schedd, true),
            (PeerIdentity::of(8), &Role::Command, true),
            (PeerIdentity::of(8), &schedd, false),
            (PeerIdentity::of(8), &Role::Startd("m".to_owned()), false),
            (node(NodeRole::Execute), &Role::Startd("m".to_owned()), true),
            (node(NodeRole::Execute), &Role::Files("m".to_owned()), true),
            (node(NodeRole::Execute), &Role::Startd("n".to_owned()), false),
            (node(NodeRole::Execute), &Role::Schedd("m".to_owned()), false),
            (node(NodeRole::Execute), &Role::Negotiator, false),
            (node(NodeRole::Execute), &Role::Command, false),
            (node(NodeRole::Submit), &Role::Schedd("m".to_owned()), true),
            (node(NodeRole::Submit), &schedd, false),
            (node(NodeRole::Submit), &Role::Startd("m".to_owned()), false),
            (node(NodeRole::Manager), &Role::Negotiator, true),
            (node(NodeRole::Manager), &Role::Startd("m".to_owned()), false),
        ] {
            assert_eq!(identity.may_be(role, 7), may, "{identity:?} as {role:?}");
        }
    }

    /// A process does not see its own locks: that the daemons of a pool do know each other is shown
    /// by every end-to-end test.
    #[tokio::test]
    async fn a_daemon_s_name_is_its_own_and_registered_or_the_peer_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("s.sock"));
        let schedd = || Role::Schedd("s".to_owned());
        let lock = folder.path().join("schedd.lock");
        let uid = Uid::effective().as_raw();
        let daemons = Arc::from([Registered { role: schedd(), lock: lock.clone() }]);
        let admission = Admission::Pool { uid, daemons };
        let listener = Listener::bind(&address, Role::Negotiator, admission).unwrap();
        for role in [schedd(), Role::Schedd("other".to_owned()), Role::Startd("m".to_owned())] {
            let (_ours, refused) = pair(&listener, role.clone()).await;
            let Err(NetError::Unregistered { role: said, pid, holder: None }) = refused else {
                panic!("{role:?}: {refused:?}");
            };
            assert_eq!((said, pid), (role, i32::try_from(std::process::id()).ok()));
        }
        let (_ours, command) = pair(&listener, Role::Command).await;
        assert_eq!(command.unwrap().peer.role, Role::Command);
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_loses_its_connection() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("s.sock"));
        let admission = Admission::OnlyUid(Uid::effective().as_raw());
        let listener = Listener::bind(&address, Role::Negotiator, admission).unwrap();
        let (_deaf, theirs) = pair(&listener, Role::Schedd("s".to_owned())).await;
        let mut theirs = theirs.unwrap();
        theirs.sender.patience = Duration::from_millis(20);
        let much = "x".repeat(1 << 20);
        let ended = loop {
            if let Err(error) = theirs.sender.send(&much).await {
                break error;
            }
        };
        assert!(matches!(ended, NetError::TooSlow { what: READING, .. }), "{ended}");
    }

    #[tokio::test]
    async fn a_connection_has_a_place_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("s.sock"));
        let admission = Admission::OnlyUid(Uid::effective().as_raw());
        let mut listener = Listener::bind(&address, Role::Negotiator, admission).unwrap();
        listener.places = Arc::new(Semaphore::new(1));
        let (_ours, theirs) = pair(&listener, Role::Command).await;
        assert_eq!(listener.places.available_permits(), 0);
        drop(theirs.unwrap());
        assert_eq!(listener.places.available_permits(), 1);
    }
}
