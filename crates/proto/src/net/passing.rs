//! Frames that are passed on between connections, and between a connection and a process of this
//! machine, unread. Who may talk to whom is the caller's matter.

use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};
use tokio_util::codec::{Framed, FramedRead, FramedWrite, LengthDelimitedCodec};

use super::error::{NetError, in_time};
use super::{Connection, PARTS_READ, PROCESS_READS, Receiver, Sender};
use crate::frame;

/// How long a process that has called, a user's, may take to read: as long as the machine waits
/// that speaks to it. It may be stopped, and has what others wait for.
const CALLERS_READ: Duration = Duration::from_secs(120);

/// A process of this machine that frames are passed on to.
#[derive(Debug)]
pub struct Process(Ends);

#[derive(Debug)]
enum Ends {
    /// One that was started with the other end.
    Started(Framed<UnixStream, LengthDelimitedCodec>),
    /// One that has called.
    Called(Box<Connection>),
}

impl Process {
    /// The one that was started with the other end of this.
    ///
    /// # Errors
    ///
    /// If the stream cannot be used.
    pub fn started(stream: std::os::unix::net::UnixStream) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self(Ends::Started(Framed::new(UnixStream::from_std(stream)?, frame::codec()))))
    }

    /// The one that has called.
    pub fn called(connection: Connection) -> Self {
        Self(Ends::Called(Box::new(connection)))
    }

    async fn send(&mut self, frame: Bytes) -> Result<(), NetError> {
        let limit = match &self.0 {
            Ends::Started(_) => PROCESS_READS,
            Ends::Called(_) => CALLERS_READ,
        };
        let sent = async {
            match &mut self.0 {
                Ends::Started(process) => Ok(process.send(frame).await?),
                Ends::Called(connection) => connection.sender.pass_on(frame).await,
            }
        };
        in_time(limit, "read what a peer asks", sent).await
    }

    /// Safe to cancel.
    async fn next(&mut self) -> Result<Option<BytesMut>, NetError> {
        match &mut self.0 {
            Ends::Started(process) => Ok(process.next().await.transpose()?),
            Ends::Called(connection) => connection.receiver.next_frame().await,
        }
    }
}

/// Passes frames on between a connection and a process of this machine, behind what is said to the
/// process first, until either ends. After each time of `so_long` `goes_on` says, by how many bytes
/// have passed in it, whether it is to be waited for; if nothing has, the peer hears that the
/// connection lives.
///
/// # Errors
///
/// If one of them breaks, or is not to be waited for any more.
pub async fn pass_on(
    connection: Connection,
    mut process: Process,
    first: Bytes,
    so_long: Duration,
    mut goes_on: impl FnMut(usize) -> bool,
) -> Result<(), NetError> {
    let Connection { mut sender, mut receiver, .. } = connection;
    process.send(first).await?;
    let mut passed = 0;
    let mut until = pin!(sleep(so_long));
    loop {
        tokio::select! {
            // Also while frames come without a pause.
            biased;
            () = &mut until => {
                until.as_mut().reset(Instant::now() + so_long);
                if !goes_on(passed) {
                    return Err(NetError::TooSlow { what: "pass something on", limit: so_long });
                }
                if passed == 0 {
                    sender.still_here().await?;
                }
                passed = 0;
            },
            frame = receiver.next_frame() => match frame? {
                Some(frame) => {
                    passed += frame.len();
                    process.send(frame.freeze()).await?;
                }
                None => return Ok(()),
            },
            frame = process.next() => match frame? {
                Some(frame) => {
                    passed += frame.len();
                    sender.pass_on(frame.freeze()).await?;
                }
                None => return Ok(()),
            },
        }
    }
}

/// Passes frames on between two connections until either ends. What one does not read, the other
/// waits with.
///
/// # Errors
///
/// If one of them breaks.
pub async fn join(one: Connection, other: Connection) -> Result<(), NetError> {
    let [mut one, mut other] = [one, other];
    // The peers' patience is that of who reads what users' programs say.
    (one.sender.patience, other.sender.patience) = (PARTS_READ, PARTS_READ);
    let there = flow(&mut one.receiver, &mut other.sender);
    let back = flow(&mut other.receiver, &mut one.sender);
    tokio::select! {
        ended = there => ended,
        ended = back => ended,
    }
}

async fn flow(from: &mut Receiver, to: &mut Sender) -> Result<(), NetError> {
    while let Some(frame) = from.next_frame().await? {
        to.pass_on(frame.freeze()).await?;
    }
    Ok(())
}

/// As [`join`], between a connection and a process of this machine.
///
/// # Errors
///
/// As [`join`].
pub async fn join_process(
    connection: Connection,
    to: std::os::unix::net::UnixStream,
) -> Result<(), NetError> {
    let Connection { mut sender, mut receiver, .. } = connection;
    to.set_nonblocking(true)?;
    let (read, write) = UnixStream::from_std(to)?.into_split();
    let mut said = FramedRead::new(read, frame::codec());
    let mut told = FramedWrite::new(write, frame::codec());
    let in_way = async {
        while let Some(frame) = receiver.next_frame().await? {
            let sent = async { Ok(told.send(frame.freeze()).await?) };
            in_time(PROCESS_READS, "read what a peer says", sent).await?;
        }
        Ok(())
    };
    let out_way = async {
        while let Some(frame) = said.next().await {
            sender.pass_on(frame?.freeze()).await?;
        }
        Ok(())
    };
    tokio::select! {
        ended = in_way => ended,
        ended = out_way => ended,
    }
}
