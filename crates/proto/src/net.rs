//! Sockets of the daemons: listening, connecting, and who the peer is. The only file with asynchronous sockets; a command's own,
//! blocking, are in [`crate::command`].
//!
//! Local peers are known by what the kernel says (`SO_PEERCRED`), never by what they send. A pool that one user started serves
//! that user only ([`Admission::OnlyUid`]).

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use futures_util::{SinkExt, StreamExt};
use model::UserName;
use nix::unistd::{Uid, User};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

use crate::frame::{self, FrameError};

/// The version of the messages. A peer with another first number is refused; see docs/adr/0004 for what may change within one.
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
    /// The user, as the system names them.
    pub user: UserName,
    /// The user's number, as the kernel says.
    pub uid: u32,
    /// What it says it is: decides which messages follow, never what it may do.
    pub role: Role,
}

/// Who may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Only processes of this user: a personal pool.
    OnlyUid(u32),
}

/// Why a connection did not come about or broke.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The socket could not be made.
    #[error("listen on {path}")]
    Listen {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Nobody answers there.
    #[error("connect to {path}")]
    Connect {
        path: PathBuf,
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
    /// The peer is not admitted.
    #[error("refuse uid {uid}: this pool serves uid {only}, who started it")]
    NotAdmitted {
        uid: u32,
        /// Who may come.
        only: u32,
    },
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    admission: Admission,
    hello: Hello,
}

impl Listener {
    /// Listens on a Unix socket at `path`, replacing a dead one. The caller holds the lock that makes it the only daemon there.
    ///
    /// # Errors
    ///
    /// If the socket cannot be made.
    pub fn bind_unix(path: &Path, role: Role, admission: Admission) -> Result<Self, NetError> {
        let listen = |source| NetError::Listen { path: path.to_owned(), source };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(listen(error)),
            Ok(()) | Err(_) => {}
        }
        let short = ShortPath::of(path).map_err(listen)?;
        let socket = UnixListener::bind(short.path()).map_err(listen)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(listen)?;
        Ok(Self { socket, admission, hello: hello(role) })
    }

    /// The next connection, not yet greeted: call [`Incoming::greet`] in a task of its own, so that a peer that says nothing
    /// delays nobody.
    ///
    /// # Errors
    ///
    /// If the socket fails (out of descriptors): wait a little and go on.
    pub async fn accept(&self) -> Result<Incoming, NetError> {
        let (stream, _) = self.socket.accept().await?;
        Ok(Incoming { stream, admission: self.admission, hello: self.hello.clone() })
    }
}

/// A connection that has not said what it is.
#[derive(Debug)]
pub struct Incoming {
    stream: UnixStream,
    admission: Admission,
    hello: Hello,
}

impl Incoming {
    /// Checks who it is and exchanges greetings.
    ///
    /// # Errors
    ///
    /// If it may not connect, speaks another protocol, or goes away.
    pub async fn greet(self) -> Result<Connection, NetError> {
        let uid = self.stream.peer_cred()?.uid();
        let Admission::OnlyUid(only) = self.admission;
        if uid != only {
            return Err(NetError::NotAdmitted { uid, only });
        }
        shake(self.stream, &self.hello).await
    }
}

/// Connects to the daemon at `path`, as `role`.
///
/// # Errors
///
/// If nobody listens there, or it is not one of ours.
pub async fn connect_unix(path: &Path, role: Role) -> Result<Connection, NetError> {
    let connect = |source| NetError::Connect { path: path.to_owned(), source };
    let short = ShortPath::of(path).map_err(connect)?;
    let stream = UnixStream::connect(short.path()).await.map_err(connect)?;
    shake(stream, &hello(role)).await
}

/// Connects to something at `path` that has a protocol of its own: the launcher.
///
/// # Errors
///
/// If nobody listens there.
pub async fn connect_stream(path: &Path) -> Result<UnixStream, NetError> {
    let connect = |source| NetError::Connect { path: path.to_owned(), source };
    let short = ShortPath::of(path).map_err(connect)?;
    UnixStream::connect(short.path()).await.map_err(connect)
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

/// The writing half.
#[derive(Debug)]
pub struct Sender(FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>);

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
        Ok(self.0.feed(frame::encode(message)?).await?)
    }

    /// Sends what is in the buffer.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub async fn flush(&mut self) -> Result<(), NetError> {
        Ok(<FramedWrite<_, _> as SinkExt<bytes::Bytes>>::flush(&mut self.0).await?)
    }
}

/// The reading half.
#[derive(Debug)]
pub struct Receiver(FramedRead<OwnedReadHalf, LengthDelimitedCodec>);

impl Receiver {
    /// The next message, or `None` when the peer has closed. Safe to cancel.
    ///
    /// # Errors
    ///
    /// If the connection is broken or what came is no `T`.
    pub async fn recv<T: DeserializeOwned>(&mut self) -> Result<Option<T>, NetError> {
        match self.0.next().await {
            None => Ok(None),
            Some(payload) => Ok(Some(frame::decode(&payload?)?)),
        }
    }
}

/// A name for a socket that fits into a socket address (108 bytes), however deep its folder is: long ones go through a
/// descriptor of the folder, which this keeps open.
#[derive(Debug)]
pub(crate) struct ShortPath {
    path: PathBuf,
    _folder: Option<fs::File>,
}

impl ShortPath {
    /// The longest path that is used as it stands, bytes.
    const FITS: usize = 100;

    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a socket needs a folder and a name",
            ));
        };
        if path.as_os_str().len() <= Self::FITS {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let folder = fs::File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
        Ok(Self { path, _folder: Some(folder) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The address of a daemon on this machine, in the form that HTCondor gives addresses, so that logs and ads look alike. The
/// daemon has no port; what follows `sock=` is its socket.
pub fn local_address(host: &str, socket: &Path) -> String {
    format!("<127.0.0.1:0?alias={host}&noUDP&sock={}>", socket.display())
}

/// The socket in an address that [`local_address`] made.
pub fn socket_of(address: &str) -> Option<PathBuf> {
    let (_, socket) = address.strip_suffix('>')?.split_once("sock=")?;
    Some(PathBuf::from(socket))
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

async fn shake(stream: UnixStream, ours: &Hello) -> Result<Connection, NetError> {
    let uid = stream.peer_cred()?.uid();
    let (read, write) = stream.into_split();
    let mut sender = Sender(FramedWrite::new(write, frame::codec()));
    let mut receiver = Receiver(FramedRead::new(read, frame::codec()));
    sender.send(ours).await?;
    let role = check(receiver.recv().await?.ok_or(NetError::NoHello)?)?;
    Ok(Connection { peer: Peer { user: user_name(uid), uid, role }, sender, receiver })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_address_leads_back_to_its_socket() {
        let socket = Path::new("/home/a b/pool>&sock=x/run/startd.sock");
        let address = local_address("host", socket);
        assert_eq!(socket_of(&address).as_deref(), Some(socket));
        assert_eq!(socket_of("<10.0.0.1:9618>"), None);
    }
}
