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
pub(crate) mod error;
pub mod keep;
mod passing;
pub(crate) mod peer;
pub(crate) mod stream;
pub mod tls;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::Uid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

pub use self::address::Address;
pub(crate) use self::error::{GREETING, in_time};
pub use self::error::{NetError, chain};
pub use self::keep::{BackOff, Reconnecting};
pub use self::passing::{Process, join, join_process, pass_on};
pub(crate) use self::peer::hello;
pub use self::peer::{Hello, PROTOCOL, Peer, PeerIdentity, Role, named_by_number, user_name};
pub(crate) use self::stream::ShortPath;
use self::stream::{Accepting, Arrived, ReadHalf, Stream, WriteHalf};
use self::tls::rooms::Room;
pub use self::tls::{Believed, Far, Gate, Membership};
use self::tls::{Looking, Membered};
use crate::frame::{self, Divide};
use crate::lock;
use crate::seats::{Seat, Seats};

/// Who may connect.
#[derive(Clone, Debug)]
pub enum Admission {
    /// Only processes of this user, and whatever daemon they say they are: there is no pool that
    /// has registered any.
    OnlyUid(u32),
    /// Only processes of this user, and as daemons only those of the pool: a personal pool.
    Pool { uid: u32, daemons: Arc<[Registered]> },
    /// Every user of this machine, and as daemons only those of the pool, which are processes of
    /// this user: a pool of many users.
    Everybody { uid: u32, daemons: Arc<[Registered]> },
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
            Self::OnlyUid(uid) | Self::Pool { uid, .. } | Self::Everybody { uid, .. } => *uid,
            Self::Nodes(_) => Uid::effective().as_raw(),
        }
    }

    /// Whether somebody may connect at all. Whom the gate of a pool lets through may.
    fn admit(&self, identity: &PeerIdentity) -> Result<(), NetError> {
        match self {
            Self::OnlyUid(only) | Self::Pool { uid: only, .. } if !identity.is_local(*only) => {
                let peer = Peer { identity: identity.clone(), role: Role::Command, generation: 0 };
                Err(NetError::NotAdmitted { uid: peer.uid(), only: *only })
            }
            Self::OnlyUid(_) | Self::Pool { .. } | Self::Everybody { .. } | Self::Nodes(_) => {
                Ok(())
            }
        }
    }

    /// The permissions of a socket: who may come is asked of the kernel.
    const fn socket_mode(&self) -> u32 {
        match self {
            Self::Everybody { .. } => 0o666,
            Self::OnlyUid(_) | Self::Pool { .. } | Self::Nodes(_) => 0o600,
        }
    }

    /// Whether the process `pid` may be what it says it is.
    fn admit_as(
        &self,
        Peer { identity, role, .. }: &Peer,
        pid: Option<i32>,
    ) -> Result<(), NetError> {
        match self {
            _ if !identity.may_be(role, self.uid()) => {
                Err(NetError::Impostor { identity: Box::new(identity.clone()), role: role.clone() })
            }
            Self::Pool { daemons, .. } | Self::Everybody { daemons, .. } if role.is_a_daemon() => {
                // What passes on for a startd is that startd.
                let holder_of = match role {
                    Role::Part(machine) => Role::Startd(machine.clone()),
                    role => role.clone(),
                };
                let registered = daemons.iter().find(|daemon| daemon.role == holder_of);
                let holder = registered.map(|daemon| lock::holder(&daemon.lock)).transpose()?;
                match holder.flatten() {
                    Some(holder) if Some(holder) == pid => Ok(()),
                    holder => Err(NetError::Unregistered { role: role.clone(), pid, holder }),
                }
            }
            Self::OnlyUid(_) | Self::Pool { .. } | Self::Everybody { .. } | Self::Nodes(_) => {
                Ok(())
            }
        }
    }
}

/// How long a daemon may take to read what waits for it. It reads all the time; one that does not
/// is stuck, and finds all it needs in the greeting of its next connection.
pub(crate) const DAEMON_READS: Duration = Duration::from_secs(30);

/// How long a command may take: the time that somebody takes over a page of `q | less`.
const COMMAND_READS: Duration = Duration::from_secs(600);

/// How long a program that was started on another machine of a run waits with its output for who
/// reads it: whoever looks at a page of it may take his time.
const PARTS_READ: Duration = Duration::from_secs(24 * 3600);

/// How long a process of ours may take to read what is passed on to it: it writes files, to disks
/// that may be slow.
const PROCESS_READS: Duration = Duration::from_secs(600);

/// Connections of one listener at a time, if it may have the descriptors (a daemon may have two,
/// and files need some too); more wait for a place. A negotiator has one for each machine and
/// schedd.
const CONNECTIONS: u64 = 60_000;

/// Connections of one user at a time, where there are many: a quarter of what a schedd serves, so
/// that one who says nothing on any of them keeps nobody else out.
const OF_A_USER: usize = 1024;

/// The longest greeting that is read, bytes: versions and a name. Until it has come nobody knows
/// whom memory would be kept for.
const GREETING_BYTES: usize = 4 << 10;

/// The longest message of a newcomer, bytes: a request to be signed. Whoever makes a key is one.
const NEWCOMER_BYTES: usize = 64 << 10;

/// How long to wait when no connection can be accepted (out of descriptors).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: Accepting,
    admission: Admission,
    hello: Hello,
    places: Arc<Semaphore>,
    /// Which of the places each user has, and how many it may have, where there are several users.
    users: Option<(Seats<u32>, usize)>,
    _looking: Option<Looking>,
}

impl Listener {
    /// Says to who connects which of a schedd's queues is behind it ([`Hello::generation`]).
    #[must_use]
    pub fn of_generation(mut self, generation: u64) -> Self {
        self.hello.generation = generation;
        self
    }

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
            (
                Address::Tcp(_),
                Admission::OnlyUid(_) | Admission::Pool { .. } | Admission::Everybody { .. },
            ) => {
                return Err(NetError::Unauthenticated(address.clone()));
            }
        };
        let listen = |source| NetError::Listen { address: address.clone(), source };
        let socket = Accepting::at(address, admission.socket_mode()).map_err(listen)?;
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        let places = usize::try_from(CONNECTIONS.min(descriptors / 4)).unwrap_or(1);
        let many = matches!(admission, Admission::Everybody { .. });
        let users = many.then(|| (Seats::default(), OF_A_USER.min(places / 4).max(1)));
        let places = Arc::new(Semaphore::new(places));
        Ok(Self { socket, admission, hello: hello(role), places, users, _looking: looking })
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
                    // Who has too many open is hung up on: the kernel says who it is.
                    let Ok(user) = self.user_of(&arrived) else { continue };
                    let (admission, hello) = (self.admission.clone(), self.hello.clone());
                    return Incoming { arrived, admission, hello, place, user };
                }
                Err(_) => sleep(ACCEPT_AGAIN).await,
            }
        }
    }
}

impl Listener {
    /// What a user has of the places, where that is counted.
    fn user_of(&self, arrived: &Arrived) -> io::Result<Option<Seat<u32>>> {
        match (&self.users, arrived) {
            (Some((users, most)), Arrived::Unix(stream)) => {
                let uid = stream.peer_cred()?.uid();
                // The pool's own daemons are as many as there are.
                if uid == self.admission.uid() {
                    return Ok(None);
                }
                users.take(&uid, *most).map(Some).ok_or_else(|| io::ErrorKind::QuotaExceeded.into())
            }
            (Some(_) | None, _) => Ok(None),
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
    user: Option<Seat<u32>>,
}

impl Incoming {
    /// Checks who it is and exchanges greetings.
    ///
    /// # Errors
    ///
    /// If it may not connect, says that it is what it may not be or a daemon that another process
    /// is, speaks another protocol, takes too long, or goes away.
    pub async fn greet(self) -> Result<Connection, NetError> {
        let Self { arrived, admission, hello, place, user } = self;
        let (stream, identity, pid, membered, guest) = match (arrived, &admission) {
            (Arrived::Unix(stream), _) => {
                let who = stream.peer_cred()?;
                let identity = looked_up(who.uid()).await?;
                (Stream::Unix(stream), identity, who.pid(), None, None)
            }
            (Arrived::Tcp(stream), Admission::Nodes(gate)) => {
                let (stream, identity, guest) = gate.accept(stream).await?;
                let membered = gate.watch(&identity);
                (Stream::Tls(Box::new(stream)), identity, None, membered, Some(guest))
            }
            (
                Arrived::Tcp(stream),
                Admission::OnlyUid(_) | Admission::Pool { .. } | Admission::Everybody { .. },
            ) => {
                return Err(NetError::Unauthenticated(Address::Tcp(stream.local_addr()?)));
            }
        };
        admission.admit(&identity)?;
        let mut connection = shake(stream, identity, &hello).await?;
        admission.admit_as(&connection.peer, pid)?;
        connection.receiver.membered = membered;
        connection.receiver.place = Some(place);
        connection.receiver.user = user;
        connection.receiver.guest = guest.and_then(|guest| guest.newcomer);
        Ok(connection)
    }
}

/// Who a process of this user is. Where names are kept may be another machine that does not
/// answer, which keeps who waits for it and nobody else.
async fn looked_up(uid: u32) -> Result<PeerIdentity, NetError> {
    let known = spawn_blocking(move || PeerIdentity::of(uid));
    let known = async { Ok(known.await.map_err(io::Error::other)?) };
    in_time(GREETING, "ask the system who a user is", known).await
}

/// Connects to the daemon at `address`, as `role`.
///
/// # Errors
///
/// If nobody listens there, it is not one of ours, or takes too long.
pub async fn connect(address: &Address, role: Role) -> Result<Connection, NetError> {
    greet_here(address, &hello(role)).await
}

async fn greet_here(address: &Address, ours: &Hello) -> Result<Connection, NetError> {
    let Address::Unix(path) = address else {
        return Err(NetError::Unauthenticated(address.clone()));
    };
    let stream = in_time(GREETING, "connect", stream::connect_unix(path)).await?;
    let identity = looked_up(stream.peer_cred()?.uid()).await?;
    shake(Stream::Unix(stream), identity, ours).await
}

/// Connects to a daemon of the pool on another machine, as `role`. It is known, and is what it says
/// it is, before anything is said but that.
///
/// # Errors
///
/// If nobody listens there, it is not of the pool, or takes too long.
pub async fn connect_far(far: &Far, role: Role) -> Result<Connection, NetError> {
    greet_far(far, &hello(role)).await
}

async fn greet_far(far: &Far, ours: &Hello) -> Result<Connection, NetError> {
    let (stream, identity) = far.connect().await?;
    let connection = shake(Stream::Tls(Box::new(stream)), identity, ours).await?;
    must_be(&connection.peer.identity, &connection.peer.role)?;
    Ok(connection)
}

/// A machine elsewhere is what its certificate says.
pub(crate) fn must_be(identity: &PeerIdentity, role: &Role) -> Result<(), NetError> {
    match identity.may_be(role, 0) {
        true => Ok(()),
        false => {
            Err(NetError::Impostor { identity: Box::new(identity.clone()), role: role.clone() })
        }
    }
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
        self.greet(&hello(role)).await
    }

    async fn greet(&self, ours: &Hello) -> Result<Connection, NetError> {
        match self {
            Self::Here(path) => greet_here(&Address::unix(path), ours).await,
            Self::Far(far) => greet_far(far, ours).await,
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
        self.put(frame::encode(message)?).await
    }

    /// As [`Self::feed`], as as many messages as it takes for none to be longer than a frame.
    ///
    /// # Errors
    ///
    /// As for [`Self::feed`]; too long is what cannot be divided any more.
    pub async fn feed_in_parts<T: Divide>(&mut self, message: T) -> Result<(), NetError> {
        for frame in frame::encode_in_parts(message) {
            self.put(frame?).await?;
        }
        Ok(())
    }

    /// As [`Self::feed_in_parts`], without what is one thing and too long by itself: to others
    /// than this peer everything else still matters. That is said in the log.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub async fn feed_what_fits<T: Divide>(&mut self, message: T) -> Result<(), NetError> {
        for frame in frame::encode_in_parts(message) {
            match frame {
                Ok(frame) => self.put(frame).await?,
                Err(error) => tracing::error!(%error, "left out of what a peer is told"),
            }
        }
        Ok(())
    }

    async fn put(&mut self, frame: Bytes) -> Result<(), NetError> {
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

    /// Says that the connection lives, to who waits: a frame with nothing in it. Only a carrier of
    /// files knows of that (`Called`).
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub async fn still_here(&mut self) -> Result<(), NetError> {
        self.pass_on(Bytes::new()).await
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
    /// And of those of its peer's user.
    user: Option<Seat<u32>>,
    /// And of those for newcomers.
    guest: Option<Room>,
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
    let frames = FramedRead::new(read, frame::codec_up_to(GREETING_BYTES));
    let mut receiver = Receiver { frames, place: None, user: None, guest: None, membered: None };
    sender.send(ours).await?;
    let theirs = in_time(GREETING, "shake hands", receiver.recv()).await?;
    let theirs: Hello = theirs.ok_or(NetError::NoHello)?;
    let generation = theirs.generation;
    let role = check(theirs)?;
    let most_bytes = match role {
        Role::Newcomer => NEWCOMER_BYTES,
        _ => frame::MAX_FRAME_BYTES,
    };
    receiver.frames.decoder_mut().set_max_frame_length(most_bytes);
    sender.patience = match role {
        // What is said to who is visited is meant for a person.
        Role::Command | Role::Visitor | Role::Visited(_) => COMMAND_READS,
        // What they say is read by users' programs, which may stop.
        Role::Task | Role::Part(_) => PARTS_READ,
        Role::Schedd(_)
        | Role::Negotiator
        | Role::Startd(_)
        | Role::Files(_)
        | Role::Newcomer
        | Role::Helper => DAEMON_READS,
        // They read and write files, on disks that may be slow.
        Role::Lender | Role::Carrier => PROCESS_READS,
    };
    Ok(Connection { peer: Peer { identity, role, generation }, sender, receiver })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::trust::NodeRole;
    use crate::trust::certificate::PublicKey;

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

    fn key() -> PublicKey {
        crate::trust::Papers::of_newcomer().unwrap().public().unwrap()
    }

    fn node(role: NodeRole) -> PeerIdentity {
        PeerIdentity::Node { name: "m".to_owned(), role, key: key(), shown: None }
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
            (node(NodeRole::Execute), &Role::Part("m".to_owned()), true),
            (node(NodeRole::Execute), &Role::Part("n".to_owned()), false),
            (node(NodeRole::Execute), &Role::Task, false),
            (PeerIdentity::of(8), &Role::Task, true),
            (PeerIdentity::of(8), &Role::Part("m".to_owned()), false),
            (PeerIdentity::of(8), &Role::Helper, true),
            (PeerIdentity::of(7), &Role::Helper, false),
            (PeerIdentity::of(0), &Role::Helper, false),
            (node(NodeRole::Execute), &Role::Helper, false),
            (PeerIdentity::of(8), &Role::Lender, true),
            (PeerIdentity::of(7), &Role::Lender, false),
            (node(NodeRole::Execute), &Role::Lender, false),
            (PeerIdentity::of(8), &Role::Carrier, true),
            (PeerIdentity::of(0), &Role::Carrier, false),
            (node(NodeRole::Execute), &Role::Carrier, false),
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
    async fn no_memory_is_kept_for_a_long_message_of_who_has_not_said_what_he_is() {
        use tokio::io::AsyncWriteExt;

        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("s.sock"));
        let admission = Admission::OnlyUid(Uid::effective().as_raw());
        let listener = Listener::bind(&address, Role::Negotiator, admission).unwrap();
        let Address::Unix(path) = &address else { panic!("{address}") };
        for length in [GREETING_BYTES + 1, frame::MAX_FRAME_BYTES] {
            let mut ours = stream::connect_unix(path).await.unwrap();
            ours.write_all(&u32::try_from(length).unwrap().to_be_bytes()).await.unwrap();
            let refused = listener.accept().await.greet().await;
            let Err(NetError::Broken(error)) = refused else { panic!("{length}: {refused:?}") };
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{length}");
        }
        // What follows a greeting may be long.
        let (mut ours, theirs) = pair(&listener, Role::Command).await;
        let long = "x".repeat(2 * NEWCOMER_BYTES);
        let mut theirs = theirs.unwrap();
        let said = async { ours.sender.send(&long).await.unwrap() };
        let (heard, ()) = tokio::join!(theirs.receiver.recv::<String>(), said);
        assert_eq!(heard.unwrap(), Some(long));
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
