//! A command's connection to a daemon: blocking, one request at a time, no runtime to start. What is asked and what the answers
//! mean is the command's matter.

use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use bytes::BytesMut;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Answer, Question, Refusal, Request, Response};
use crate::frame::{self, FrameError, MAX_FRAME_BYTES};
use crate::net::{self, NetError, Role, ShortPath};

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
    /// Connects to the daemon whose socket is at `path`.
    ///
    /// # Errors
    ///
    /// If nobody listens there, or it is not one of ours.
    pub fn connect(path: &Path) -> Result<Self, NetError> {
        let connect = |source| NetError::Connect { path: path.to_owned(), source };
        let short = ShortPath::of(path).map_err(connect)?;
        let stream = UnixStream::connect(short.path()).map_err(connect)?;
        let mut client = Self { wire: Wire(stream), next_id: 1, asks: PhantomData };
        client.wire.write(&net::hello(Role::Command))?;
        net::check(client.wire.read()?.ok_or(NetError::NoHello)?)?;
        Ok(client)
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

/// Messages in frames over a stream, one after the other, blocking.
#[derive(Debug)]
pub(crate) struct Wire(UnixStream);

impl Wire {
    pub(crate) fn of(stream: UnixStream) -> Self {
        Self(stream)
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    pub(crate) fn write<T: Serialize>(&mut self, message: &T) -> Result<(), NetError> {
        let payload = frame::encode(message)?;
        let length =
            u32::try_from(payload.len()).map_err(|_| FrameError::TooLong(payload.len()))?;
        let mut framed = Vec::with_capacity(payload.len() + 4);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(&payload);
        Ok(self.0.write_all(&framed)?)
    }

    pub(crate) fn read<T: DeserializeOwned>(&mut self) -> Result<Option<T>, NetError> {
        let mut head = [0; 4];
        match self.0.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(length).into());
        }
        let mut payload = BytesMut::zeroed(length);
        self.0.read_exact(&mut payload)?;
        Ok(Some(frame::decode(&payload)?))
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn closed() -> NetError {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the daemon closed the connection before it had answered",
    )
    .into()
}
