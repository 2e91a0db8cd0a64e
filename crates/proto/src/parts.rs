//! Programs on the other machines of a run: a process of the run asks its startd, which passes on
//! to the schedd, which joins it with what waits on the other machine for being told what to start.
//! So machines that cannot be called reach each other, and nothing listens.
//!
//! Who asks, the kernel says at the startd, and a certificate with the claim's secret at the
//! schedd. What is started is a child of what waits there, and so of the run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::command::Wire;
use crate::files::{Blob, FilesFor};
use crate::net::{Address, NetError, Role};

/// The variable that tells the processes of a run with several parts how to ask: the run's key for
/// its startd, a blank, and where the startd listens.
pub const VARIABLE: &str = "_UPDRAFT_PARTS";

/// The most bytes of a program's output in one message.
pub const OUTPUT_BYTES: usize = 64 << 10;

/// How many messages of input may be under way that the program has not taken: who asks waits for
/// [`FromPlace::Took`] before it sends more. So what has started the program can always hear, and
/// notices when who asked has gone, whether or not the program reads.
pub const INPUT_AHEAD: usize = 4;

/// What a process of a run says to its startd first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCall {
    /// The run, as its startd knows it.
    pub key: String,
    pub wants: Wants,
}

/// What it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wants {
    /// To be told what to start on this part.
    Place,
    /// To start something on that part.
    Start { part: u32 },
}

/// What the startd says to the schedd first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCall {
    /// For which run of which claim, with the right to it.
    pub of: FilesFor,
    pub wants: Wants,
}

/// What is answered. Behind `Ready` the two ends talk to each other ([`ToPlace`], [`FromPlace`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartAnswer {
    Ready,
    /// Why not, as a sentence.
    Refused(String),
}

/// What is to be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartTask {
    /// The program with its arguments; never empty.
    pub argv: Vec<OsString>,
    /// Set in the environment, beside what the part has.
    pub environ: Vec<(OsString, OsString)>,
    /// Where, if that folder is there.
    pub cwd: Option<PathBuf>,
    /// Whether it ends when the one who asked has gone.
    pub is_waited_for: bool,
}

/// From who asks: `Start` first, and once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToPlace {
    Start(Box<StartTask>),
    /// For its standard input.
    Input(Blob),
    /// There is no more of that.
    InputEnds,
}

/// From what has started it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromPlace {
    Started,
    /// It cannot be started: why, in the kernel's words. Comes last.
    Failed(String),
    Output(Blob),
    ErrorOutput(Blob),
    /// One message of input was taken, by the program or because that reads no more.
    Took,
    /// How it ended: its exit code, or the signal. Comes last.
    Exited(i32),
    Signaled(i32),
}

/// A process's connection to its startd, blocking.
#[derive(Debug)]
pub struct TaskLine(Wire);

/// Why there is no connection to a part.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    #[error("find {VARIABLE}: this is no process of a job with several parts")]
    NoParts,
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("{0}")]
    Refused(String),
    #[error("the startd has closed the connection")]
    Gone,
}

impl TaskLine {
    /// Asks by what the variable says.
    ///
    /// # Errors
    ///
    /// If it says nothing, the startd cannot be reached, or refuses.
    pub fn call(variable: Option<&str>, wants: Wants) -> Result<Self, PartsError> {
        let (key, startd) = variable.and_then(|v| v.split_once(' ')).ok_or(PartsError::NoParts)?;
        let address = Address::unix(Path::new(startd));
        let mut wire = Wire::greeted(&address, Role::Task)?;
        wire.write(&TaskCall { key: key.to_owned(), wants })?;
        match wire.read()?.ok_or(PartsError::Gone)? {
            PartAnswer::Ready => Ok(Self(wire)),
            PartAnswer::Refused(why) => Err(PartsError::Refused(why)),
        }
    }

    /// The same connection once more, for another thread.
    ///
    /// # Errors
    ///
    /// If there are no descriptors left.
    pub fn try_clone(&self) -> std::io::Result<Self> {
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
