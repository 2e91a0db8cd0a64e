//! How bytes get to an address: one type for all transports, and its two halves. It knows no
//! messages.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::io::{ReadHalf as Read, WriteHalf as Write, split};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream, unix};
use tokio_rustls::TlsStream;

use super::address::Address;
use super::error::NetError;

/// What has come to a socket.
#[derive(Debug)]
pub(crate) enum Arrived {
    Unix(UnixStream),
    /// Nobody knows who.
    Tcp(TcpStream),
}

/// A connection, as bytes.
#[derive(Debug)]
pub(crate) enum Stream {
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What is read of it.
#[derive(Debug)]
pub(crate) enum ReadHalf {
    Unix(unix::OwnedReadHalf),
    Tls(Read<Box<TlsStream<TcpStream>>>),
}

/// What is written to it.
#[derive(Debug)]
pub(crate) enum WriteHalf {
    Unix(unix::OwnedWriteHalf),
    Tls(Write<Box<TlsStream<TcpStream>>>),
}

/// A socket that takes connections.
#[derive(Debug)]
pub(crate) enum Accepting {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
}

/// Connects to a socket of this machine.
pub(super) async fn connect_unix(path: &Path) -> Result<UnixStream, NetError> {
    let cannot = |source| NetError::Connect { address: Address::unix(path), source };
    let short = ShortPath::of(path).map_err(cannot)?;
    UnixStream::connect(short.path()).await.map_err(cannot)
}

impl Stream {
    pub(crate) fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Self::Unix(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Unix(read), WriteHalf::Unix(write))
            }
            Self::Tls(stream) => {
                let (read, write) = split(stream);
                (ReadHalf::Tls(read), WriteHalf::Tls(write))
            }
        }
    }
}

impl Accepting {
    /// Listens at an address, replacing a dead Unix socket; a new one has these permissions.
    pub(crate) fn at(address: &Address, mode: u32) -> io::Result<Self> {
        match address {
            Address::Unix(path) => {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => {}
                }
                let short = ShortPath::of(path)?;
                let socket = UnixListener::bind(short.path())?;
                fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
                Ok(Self::Unix(socket, path.clone()))
            }
            Address::Tcp(at) => {
                let socket = std::net::TcpListener::bind(at)?;
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket).map(Self::Tcp)
            }
        }
    }

    pub(crate) fn address(&self) -> io::Result<Address> {
        match self {
            Self::Unix(_, path) => Ok(Address::Unix(path.clone())),
            Self::Tcp(socket) => socket.local_addr().map(Address::Tcp),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Arrived> {
        match self {
            Self::Unix(socket, _) => Ok(Arrived::Unix(socket.accept().await?.0)),
            Self::Tcp(socket) => {
                let (stream, _) = socket.accept().await?;
                set_up(&stream)?;
                Ok(Arrived::Tcp(stream))
            }
        }
    }
}

/// How long a TCP connection is silent before the kernel asks whether the other machine is there,
/// seconds; then how often, and how many times in vain. A machine that has lost its power is found
/// out within a minute and a half, though nobody has anything to say; well within a lease.
const IDLE_S: u32 = 30;
const PROBE_S: u32 = 15;
const PROBES: u32 = 4;

/// Messages are flushed whole, and an idle connection is known to be alive.
pub(super) fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &IDLE_S)?;
    setsockopt(stream, sockopt::TcpKeepInterval, &PROBE_S)?;
    setsockopt(stream, sockopt::TcpKeepCount, &PROBES)?;
    Ok(())
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(half) => Pin::new(half).poll_read(cx, buf),
            Self::Tls(half) => Pin::new(half).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(half) => Pin::new(half).poll_write(cx, buf),
            Self::Tls(half) => Pin::new(half).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(half) => Pin::new(half).poll_flush(cx),
            Self::Tls(half) => Pin::new(half).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(half) => Pin::new(half).poll_shutdown(cx),
            Self::Tls(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}

/// A name for a socket that fits into a socket address (108 bytes), however deep its folder is:
/// long ones go through a descriptor of the folder, which this keeps open.
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

#[cfg(test)]
mod tests {
    use nix::sys::socket::getsockopt;

    use super::*;

    #[tokio::test]
    async fn both_ends_of_a_silent_tcp_connection_are_asked_for() {
        let accepting =
            Accepting::at(&Address::Tcp("127.0.0.1:0".parse().unwrap()), 0o600).unwrap();
        let address = accepting.address().unwrap();
        let Address::Tcp(at) = address else { panic!("{address}") };
        let (ours, theirs) = tokio::join!(TcpStream::connect(at), accepting.accept());
        let (ours, Arrived::Tcp(theirs)) = (ours.unwrap(), theirs.unwrap()) else {
            panic!("it came over another transport")
        };
        set_up(&ours).unwrap();
        for stream in [ours, theirs] {
            assert!(getsockopt(&stream, sockopt::KeepAlive).unwrap());
            assert_eq!(getsockopt(&stream, sockopt::TcpKeepIdle).unwrap(), IDLE_S);
            assert_eq!(getsockopt(&stream, sockopt::TcpKeepCount).unwrap(), PROBES);
        }
    }
}
