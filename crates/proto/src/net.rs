//! Who is at the other end of a connection, and how two daemons greet each other. Where daemons are
//! is in [`address`], how bytes get there in [`stream`], how a connection is kept in [`keep`]. The
//! daemons' sockets are asynchronous; a command's own, blocking, are in [`crate::command`].
//!
//! Who a peer is comes from the transport, never from what the peer says: of a process of this
//! machine the kernel says it (`SO_PEERCRED`). What it says it is ([`Role`]) must be what such a
//! peer may be ([`PeerIdentity::may_be`]), and a daemon's name must be registered and its own: the
//! kernel says which process holds the lock of the daemon of that name ([`Registered`]). A pool
//! that one user started serves that user only ([`Admission`]).

pub mod address;
pub mod keep;
pub(crate) mod stream;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use model::UserName;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{Uid, User};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

pub use self::address::Address;
pub use self::keep::{BackOff, Reconnecting};
pub(crate) use self::stream::ShortPath;
use self::stream::{Accepting, ReadHalf, Stream, WriteHalf};
use crate::frame::{self, FrameError};
use crate::lock;

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
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who that is, as the transport says.
    pub identity: PeerIdentity,
    /// What it says it is, which it may be: decides which messages follow.
    pub role: Role,
}

/// Who somebody is, as a transport says. A certificate will be another way to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerIdentity {
    /// A process of this machine, as the kernel says.
    Local {
        /// Its user's number.
        uid: u32,
        /// Its user, as the system names them.
        user: UserName,
    },
    /// Nobody knows: TCP without TLS. No daemon can be made to listen there.
    #[cfg(test)]
    Unknown,
}

impl PeerIdentity {
    fn of(uid: u32) -> Self {
        Self::Local { uid, user: user_name(uid) }
    }

    /// Whether this is a process of this machine that has this user's number.
    pub fn is_local(&self, of: u32) -> bool {
        match self {
            Self::Local { uid, .. } => *uid == of,
            #[cfg(test)]
            Self::Unknown => false,
        }
    }

    /// Whether such a peer may be what it says it is, in a pool of this user: anybody who is
    /// admitted may ask as a command; a daemon is a process of the pool's own user, or of root.
    pub fn may_be(&self, role: &Role, pool_uid: u32) -> bool {
        match role {
            Role::Command => true,
            Role::Schedd(_) | Role::Negotiator | Role::Startd(_) => {
                self.is_local(pool_uid) || self.is_local(0)
            }
        }
    }
}

impl Peer {
    /// The number of its user on this machine; of nobody, if it is not from here.
    pub fn uid(&self) -> u32 {
        match &self.identity {
            PeerIdentity::Local { uid, .. } => *uid,
            #[cfg(test)]
            PeerIdentity::Unknown => NOBODY,
        }
    }

    pub fn user(&self) -> UserName {
        match &self.identity {
            PeerIdentity::Local { user, .. } => user.clone(),
            #[cfg(test)]
            PeerIdentity::Unknown => user_name(NOBODY),
        }
    }
}

/// The user who may do nothing (`nobody`).
#[cfg(test)]
const NOBODY: u32 = 65_534;

/// Who may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Only processes of this user, and whatever daemon they say they are: there is no pool that
    /// has registered any.
    OnlyUid(u32),
    /// Only processes of this user, and as daemons only those of the pool: a personal pool.
    Pool { uid: u32, daemons: Arc<[Registered]> },
    /// Whoever comes, by whatever transport. Only this crate's tests can say so.
    #[cfg(test)]
    Anybody,
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
            #[cfg(test)]
            Self::Anybody => NOBODY,
        }
    }

    /// Whether somebody may connect at all.
    fn admit(&self, identity: &PeerIdentity) -> Result<(), NetError> {
        match self {
            Self::OnlyUid(only) | Self::Pool { uid: only, .. } if !identity.is_local(*only) => {
                let peer = Peer { identity: identity.clone(), role: Role::Command };
                Err(NetError::NotAdmitted { uid: peer.uid(), only: *only })
            }
            Self::OnlyUid(_) | Self::Pool { .. } => Ok(()),
            #[cfg(test)]
            Self::Anybody => Ok(()),
        }
    }

    /// Whether the process `pid` may be what it says it is.
    fn admit_as(&self, Peer { identity, role }: &Peer, pid: Option<i32>) -> Result<(), NetError> {
        match self {
            Self::OnlyUid(uid) | Self::Pool { uid, .. } if !identity.may_be(role, *uid) => {
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
            Self::OnlyUid(_) | Self::Pool { .. } => Ok(()),
            #[cfg(test)]
            Self::Anybody => Ok(()),
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
    #[error("refuse {identity:?}: it says it is {role:?}, which only the pool's own user may be")]
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
}

impl Listener {
    /// Listens at `address`, replacing a dead Unix socket. The caller holds the lock that makes it
    /// the only daemon there.
    ///
    /// # Errors
    ///
    /// If the socket cannot be made, or would not say who comes.
    pub fn bind(address: &Address, role: Role, admission: Admission) -> Result<Self, NetError> {
        match (address, &admission) {
            (Address::Unix(_), _) => {}
            #[cfg(test)]
            (Address::Tcp(_), Admission::Anybody) => {}
            (Address::Tcp(_), Admission::OnlyUid(_) | Admission::Pool { .. }) => {
                return Err(NetError::Unauthenticated(address.clone()));
            }
        }
        let listen = |source| NetError::Listen { address: address.clone(), source };
        let socket = Accepting::at(address).map_err(listen)?;
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        let places = usize::try_from(CONNECTIONS.min(descriptors / 2)).unwrap_or(1);
        let places = Arc::new(Semaphore::new(places));
        Ok(Self { socket, admission, hello: hello(role), places })
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
                Ok(stream) => {
                    let (admission, hello) = (self.admission.clone(), self.hello.clone());
                    return Incoming { stream, admission, hello, place };
                }
                Err(_) => sleep(ACCEPT_AGAIN).await,
            }
        }
    }
}

/// A connection that has not said what it is.
#[derive(Debug)]
pub struct Incoming {
    stream: Stream,
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
        let Self { stream, admission, hello, place } = self;
        let (identity, pid) = (stream.identity()?, stream.pid()?);
        admission.admit(&identity)?;
        let mut connection = shake(stream, identity, &hello).await?;
        admission.admit_as(&connection.peer, pid)?;
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
    let stream = stream::connect(address).await?;
    let identity = stream.identity()?;
    shake(stream, identity, &hello(role)).await
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

    /// Sends what is in the buffer.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub async fn flush(&mut self) -> Result<(), NetError> {
        let flushed = <FramedWrite<_, _> as SinkExt<bytes::Bytes>>::flush(&mut self.frames);
        in_time(self.patience, READING, async { Ok(flushed.await?) }).await
    }
}

/// The reading half.
#[derive(Debug)]
pub struct Receiver {
    frames: FramedRead<ReadHalf, LengthDelimitedCodec>,
    /// What the connection has of the listener's places.
    place: Option<OwnedSemaphorePermit>,
}

impl Receiver {
    /// The next message, or `None` when the peer has closed. Safe to cancel.
    ///
    /// # Errors
    ///
    /// If the connection is broken or what came is no `T`.
    pub async fn recv<T: DeserializeOwned>(&mut self) -> Result<Option<T>, NetError> {
        match self.frames.next().await {
            None => Ok(None),
            Some(payload) => Ok(Some(frame::decode(&payload?)?)),
        }
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
    let mut receiver = Receiver { frames: FramedRead::new(read, frame::codec()), place: None };
    sender.send(ours).await?;
    let theirs = in_time(GREETING, "shake hands", receiver.recv()).await?;
    let role = check(theirs.ok_or(NetError::NoHello)?)?;
    sender.patience = match role {
        Role::Command => COMMAND_READS,
        Role::Schedd(_) | Role::Negotiator | Role::Startd(_) => DAEMON_READS,
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

    #[tokio::test]
    async fn messages_travel_over_tcp_and_nobody_is_known_by_it() {
        let listener = Listener::bind(&loopback(), Role::Negotiator, Admission::Anybody).unwrap();
        let (mut ours, theirs) = pair(&listener, Role::Schedd("s".to_owned())).await;
        let mut theirs = theirs.unwrap();
        assert_eq!(theirs.peer.role, Role::Schedd("s".to_owned()));
        assert_eq!((&theirs.peer.identity, theirs.peer.uid()), (&PeerIdentity::Unknown, NOBODY));
        ours.sender.send(&"a word".to_owned()).await.unwrap();
        assert_eq!(theirs.receiver.recv::<String>().await.unwrap().as_deref(), Some("a word"));
        drop(ours);
        assert_eq!(theirs.receiver.recv::<String>().await.unwrap(), None);
    }

    #[test]
    fn only_the_pool_s_own_user_and_root_may_be_daemons() {
        let schedd = Role::Schedd("s".to_owned());
        for (identity, role, may) in [
            (PeerIdentity::of(7), &Role::Command, true),
            (PeerIdentity::of(7), &schedd, true),
            (PeerIdentity::of(0), &schedd, true),
            (PeerIdentity::of(8), &Role::Command, true),
            (PeerIdentity::of(8), &schedd, false),
            (PeerIdentity::of(8), &Role::Startd("m".to_owned()), false),
            (PeerIdentity::Unknown, &schedd, false),
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
