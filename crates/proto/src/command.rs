//! A command's connection to a daemon: blocking, one request at a time, no runtime to start. What
//! is asked and what the answers mean is the command's matter.

use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use model::JobId;
use nix::sys::socket::sockopt::SendTimeout;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket};
use nix::sys::time::{TimeVal, TimeValLike};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Answer, AskStartd, Question, Refusal, Request, Response};
use crate::frame::{self, FrameError, MAX_FRAME_BYTES};
use crate::net::tls::Blocking;
use crate::net::{self, Address, DAEMON_READS, Far, GREETING, NetError, Role, ShortPath};
use crate::visit::{VisitAnswer, VisitJob};

/// A connection to a daemon that answers questions of the kind `A`.
#[derive(Debug)]
pub struct Client<A> {
    wire: Wire,
    next_id: u64,
    asks: PhantomData<A>,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The connection failed.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The daemon refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The daemon answered something else: it is of another release, or has a defect.
    #[error("the daemon answered {answer} to {ask}")]
    Unexpected {
        /// What was asked.
        ask: &'static str,
        answer: String,
    },
}

impl AskError {
    /// An answer that does not fit what was asked.
    pub fn unexpected(ask: &'static str, answer: &Answer) -> Self {
        Self::Unexpected { ask, answer: format!("{answer:?}").chars().take(80).collect() }
    }
}

impl<A: Question> Client<A> {
    /// Connects to the daemon at `address`.
    ///
    /// # Errors
    ///
    /// If nobody listens there, it is not one of ours, or takes too long.
    pub fn connect(address: &Address) -> Result<Self, NetError> {
        let wire = Wire::greeted(address, Role::Command)?;
        Ok(Self { wire, next_id: 1, asks: PhantomData })
    }

    /// Asks, and gives each part of the answer to `each` as it comes.
    ///
    /// # Errors
    ///
    /// If the connection fails or the daemon refuses; or what `each` says.
    pub fn ask_each<E: From<AskError>>(
        &mut self,
        body: A,
        mut each: impl FnMut(Answer) -> Result<(), E>,
    ) -> Result<(), E> {
        let id = self.next_id;
        self.next_id += 1;
        self.wire.write(&Request { id, body }).map_err(AskError::Net)?;
        loop {
            let response: Response =
                self.wire.read().and_then(|r| r.ok_or_else(closed)).map_err(AskError::Net)?;
            if response.id != id {
                // The rest of an answer whose reader gave up.
                continue;
            }
            if let Answer::Refused(refusal) = response.body {
                return Err(AskError::Refused(refusal).into());
            }
            each(response.body)?;
            if response.last {
                return Ok(());
            }
        }
    }

    /// Asks for what has one answer.
    ///
    /// # Errors
    ///
    /// If the connection fails or the daemon refuses.
    pub fn ask(&mut self, body: A) -> Result<Answer, AskError> {
        let mut answer = Answer::Done;
        self.ask_each(body, |part| {
            answer = part;
            Ok::<(), AskError>(())
        })?;
        Ok(answer)
    }
}

impl Client<AskStartd> {
    /// The startd of the machine on which a job runs, through the schedd at this address; `None` if
    /// that is this machine's.
    ///
    /// # Errors
    ///
    /// If nobody listens there, the job does not run or is somebody else's, or its machine does not
    /// call.
    pub fn visit(address: &Address, job: JobId) -> Result<Option<Self>, AskError> {
        let mut wire = Wire::greeted(address, Role::Visitor)?;
        wire.write(&VisitJob { job })?;
        match wire.read()?.ok_or_else(closed)? {
            VisitAnswer::There => Ok(Some(Self { wire, next_id: 1, asks: PhantomData })),
            VisitAnswer::Here => Ok(None),
            VisitAnswer::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// The connection, when what follows is no answer.
    pub(crate) fn into_wire(self) -> Wire {
        self.wire
    }
}

/// A greeted connection to a daemon on another machine, for who blocks: a carrier of files.
#[derive(Debug)]
pub struct Called(Wire);

impl Called {
    /// Connects as `role` to nobody but `whom`. Each step from then on may take `patience`.
    ///
    /// # Errors
    ///
    /// If nobody listens there, it is not of the pool, or takes too long.
    pub fn to(far: &Far, role: Role, whom: &Role, patience: Duration) -> Result<Self, NetError> {
        let (stream, identity) = far.connect_blocking(patience)?;
        let mut wire = Wire(Stream::Tls(Box::new(stream)));
        wire.write(&net::hello(role))?;
        let theirs = net::check(wire.read()?.ok_or(NetError::NoHello)?)?;
        net::must_be(&identity, &theirs)?;
        match theirs == *whom {
            true => Ok(Self(wire)),
            false => Err(NetError::SomebodyElse { role: theirs }),
        }
    }

    /// Connects to a daemon of this machine, as `role`. Each step from then on may take
    /// `patience`, or for ever.
    ///
    /// # Errors
    ///
    /// If nobody listens there, it is not one of ours, or takes too long.
    pub fn here(socket: &Path, role: Role, patience: Option<Duration>) -> Result<Self, NetError> {
        let wire = Wire::greeted(&Address::unix(socket), role)?;
        wire.0.read_within(patience)?;
        wire.0.write_within(patience)?;
        Ok(Self(wire))
    }

    /// Says something.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    pub fn say<T: Serialize>(&mut self, message: &T) -> Result<(), NetError> {
        self.0.write(message)
    }

    /// Says something and hears what is answered.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    pub fn ask<T: Serialize, A: DeserializeOwned>(&mut self, message: &T) -> Result<A, NetError> {
        self.0.write(message)?;
        loop {
            match self.0.frame()? {
                // Whoever waits for its turn is told that it is not forgotten.
                Some(frame) if frame.is_empty() => {}
                Some(frame) => return Ok(frame::decode(&frame)?),
                None => return Err(closed()),
            }
        }
    }
}

impl Read for Called {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.0.bytes_in().read(into)
    }
}

impl Write for Called {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.bytes_out().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.0.bytes_out().flush()
    }
}

/// A connection, as bytes, blocking.
#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tls(Box<Blocking>),
}

impl Stream {
    /// Connects, in time, to a peer that must read in time.
    fn connect(address: &Address) -> Result<Self, NetError> {
        let cannot = |source| NetError::Connect { address: address.clone(), source };
        let stream = match address {
            Address::Unix(path) => connect_unix(path),
            Address::Tcp(_) => return Err(NetError::Unauthenticated(address.clone())),
        };
        let stream = stream.map_err(cannot)?;
        stream.set_write_timeout(Some(DAEMON_READS))?;
        Ok(Self::Unix(stream))
    }

    fn bytes_in(&mut self) -> &mut dyn Read {
        match self {
            Self::Unix(stream) => stream,
            Self::Tls(stream) => stream,
        }
    }

    fn bytes_out(&mut self) -> &mut dyn Write {
        match self {
            Self::Unix(stream) => stream,
            Self::Tls(stream) => stream,
        }
    }

    fn read_within(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(limit),
            Self::Tls(stream) => stream.sock.set_read_timeout(limit),
        }
    }

    fn write_within(&self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_write_timeout(limit),
            Self::Tls(stream) => stream.sock.set_write_timeout(limit),
        }
    }
}

/// Connects to a Unix socket. One whose owner takes no more connections is waited for, but not for
/// ever.
fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let short = ShortPath::of(path)?;
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let limit = TimeVal::seconds(i64::try_from(GREETING.as_secs()).unwrap_or(i64::MAX));
    setsockopt(&socket, SendTimeout, &limit)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(short.path())?)?;
    Ok(UnixStream::from(socket))
}

/// Messages in frames over a stream, one after the other, blocking.
#[derive(Debug)]
pub(crate) struct Wire(Stream);

impl Wire {
    pub(crate) fn of(stream: UnixStream) -> Self {
        Self(Stream::Unix(stream))
    }

    /// To the daemon at `address`, as `role`.
    pub(crate) fn greeted(address: &Address, role: Role) -> Result<Self, NetError> {
        let mut wire = Self(Stream::connect(address)?);
        wire.0.read_within(Some(GREETING))?;
        wire.write(&net::hello(role))?;
        net::check(wire.read()?.ok_or(NetError::NoHello)?)?;
        // What is asked may take its time, and whoever follows the record waits for ever.
        wire.0.read_within(None)?;
        Ok(wire)
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        match &self.0 {
            Stream::Unix(stream) => stream.try_clone().map(Stream::Unix).map(Self),
            Stream::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn write<T: Serialize>(&mut self, message: &T) -> Result<(), NetError> {
        let payload = frame::encode(message)?;
        let length =
            u32::try_from(payload.len()).map_err(|_| FrameError::TooLong(payload.len()))?;
        let mut framed = Vec::with_capacity(payload.len() + 4);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(&payload);
        Ok(self.0.bytes_out().write_all(&framed)?)
    }

    pub(crate) fn read<T: DeserializeOwned>(&mut self) -> Result<Option<T>, NetError> {
        Ok(self.frame()?.map(|payload| frame::decode(&payload)).transpose()?)
    }

    fn frame(&mut self) -> Result<Option<BytesMut>, NetError> {
        let mut head = [0; 4];
        match self.0.bytes_in().read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(length).into());
        }
        let mut payload = BytesMut::zeroed(length);
        self.0.bytes_in().read_exact(&mut payload)?;
        Ok(Some(payload))
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Tls(stream) => stream.sock.as_fd(),
        }
    }
}

fn closed() -> NetError {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the daemon closed the connection before it had answered",
    )
    .into()
}
