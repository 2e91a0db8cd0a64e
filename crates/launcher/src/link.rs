//! A framed, buffered, non-blocking stream: what connects clients, the launcher and keepers. It
//! knows no message.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::poll::PollFlags;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire::{self, Decoder, FRAME_MAX_BYTES, WireError};

/// The most that is read from one peer before the others have their turn.
const READ_MAX_BYTES: usize = 256 * 1024;

/// The most that waits for a peer that does not read: room for a list of every run and the events
/// meanwhile. A peer further behind than this is cut off; it connects again and asks for the list.
const UNSENT_MAX_BYTES: usize = 4 * FRAME_MAX_BYTES;

/// One end of a stream of frames.
pub(crate) struct FrameStream {
    stream: UnixStream,
    decoder: Decoder,
    out: Vec<u8>,
    sent: usize,
}

/// Whether the peer may still send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Open,
    Closed,
}

impl FrameStream {
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, decoder: Decoder::default(), out: Vec::new(), sent: 0 })
    }

    /// Appends every frame that has arrived to `into`.
    pub(crate) fn receive<T: DeserializeOwned>(
        &mut self,
        into: &mut Vec<T>,
    ) -> Result<Reading, LinkError> {
        let mut chunk = [0; 16 * 1024];
        let mut read = 0;
        while read < READ_MAX_BYTES {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(Reading::Closed),
                Ok(length) => {
                    read += length;
                    self.decoder.feed(&chunk[..length]);
                    while let Some(value) = self.decoder.next_frame()? {
                        into.push(value);
                    }
                    if length < chunk.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Reading::Open)
    }

    /// Takes a frame to send with the next [`FrameStream::flush`].
    pub(crate) fn queue<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), LinkError> {
        wire::encode(value, &mut self.out)?;
        let unsent = self.out.len() - self.sent;
        if unsent > UNSENT_MAX_BYTES { Err(LinkError::Behind { unsent }) } else { Ok(()) }
    }

    /// Sends what the kernel takes.
    pub(crate) fn flush(&mut self) -> Result<(), LinkError> {
        while self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.out.clear();
        self.sent = 0;
        Ok(())
    }

    /// What to poll this link for.
    pub(crate) fn interest(&self) -> PollFlags {
        if self.out.is_empty() { PollFlags::POLLIN } else { PollFlags::POLLIN | PollFlags::POLLOUT }
    }
}

impl AsFd for FrameStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Why a link is of no more use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the peer sent what is not a message")]
    Wire(#[from] WireError),
    #[error("the stream failed")]
    Io(#[from] io::Error),
    #[error("the peer left {unsent} bytes unread")]
    Behind { unsent: usize },
}
