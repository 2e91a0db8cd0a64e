//! A user's terminal and the program that a job runs under it (`submit -interactive`), or that runs
//! beside a job (`ssh_to_job`): what the two ends say to each other, and how those of an
//! interactive job find each other. The command listens in a folder that is its user's alone; the
//! job calls it when it runs. So a job whose command has gone finds nobody and ends.
//!
//! Both ends block: each is a process of its own with nothing else to do.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::Uid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::client::AskStartd;
use crate::command::{Client, Wire};
use crate::files::Blob;
use crate::net::{Address, NetError, ShortPath};

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub rows: u16,
    pub columns: u16,
}

impl Default for Size {
    fn default() -> Self {
        Self { rows: 24, columns: 80 }
    }
}

/// What the user's end says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromUser {
    /// Begin. Comes first.
    Begin {
        /// The terminal's size.
        size: Size,
        /// `TERM`, if the user's end has one.
        term: Option<String>,
    },
    /// What was typed.
    Typed(Blob),
    /// The terminal has another size now.
    Resized(Size),
}

/// What the job's end says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromJob {
    /// Where the job runs, `slot1_1@host`. Comes first.
    Welcome(String),
    /// What was printed.
    Printed(Blob),
    /// The program has ended with this exit code, as a shell has it. Comes last.
    Ended(u8),
    /// The program could not be started.
    Failed(String),
}

/// A place where the user's end waits for the job.
#[derive(Debug)]
pub struct Waiting(UnixListener);

impl Waiting {
    /// At this path, in a folder that is this user's alone.
    ///
    /// # Errors
    ///
    /// If the socket cannot be made.
    pub fn at(path: &Path) -> Result<Self, NetError> {
        let listen = |source| NetError::Listen { address: Address::unix(path), source };
        let short = ShortPath::of(path).map_err(listen)?;
        let socket = UnixListener::bind(short.path()).map_err(listen)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(listen)?;
        Ok(Self(socket))
    }

    /// The next that calls, if it is of this user; `None` if not.
    ///
    /// # Errors
    ///
    /// If the socket fails.
    pub fn accept(&self) -> Result<Option<Line>, NetError> {
        let (stream, _) = self.0.accept()?;
        Ok(is_ours(&stream)?.then(|| Line(Wire::of(stream))))
    }
}

impl AsFd for Waiting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn is_ours(stream: &UnixStream) -> io::Result<bool> {
    let peer = getsockopt(stream, PeerCredentials)?;
    Ok(peer.uid() == Uid::current().as_raw())
}

/// The connection between the two ends.
#[derive(Debug)]
pub struct Line(Wire);

impl Line {
    /// Over a connection to a startd that has started a program beside a job: its end speaks now.
    pub fn beside(startd: Client<AskStartd>) -> Self {
        Self(startd.into_wire())
    }

    /// Over standard input, which is a socket: whoever started this process has the other end.
    ///
    /// # Errors
    ///
    /// If there are no descriptors left.
    pub fn of_stdin() -> io::Result<Self> {
        Ok(Self(Wire::of(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))))
    }

    /// Calls the user's end.
    ///
    /// # Errors
    ///
    /// If nobody of this user waits there.
    pub fn call(path: &Path) -> Result<Self, NetError> {
        let connect = |source| NetError::Connect { address: Address::unix(path), source };
        let short = ShortPath::of(path).map_err(connect)?;
        let stream = UnixStream::connect(short.path()).map_err(connect)?;
        match is_ours(&stream).map_err(connect)? {
            true => Ok(Self(Wire::of(stream))),
            false => Err(connect(io::ErrorKind::PermissionDenied.into())),
        }
    }

    /// The same connection once more, for another thread.
    ///
    /// # Errors
    ///
    /// If there are no descriptors left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Says something.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub fn say<T: Serialize>(&mut self, message: &T) -> Result<(), NetError> {
        self.0.write(message)
    }

    /// Hears the next; `None` when the other end has gone.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub fn hear<T: DeserializeOwned>(&mut self) -> Result<Option<T>, NetError> {
        self.0.read()
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
