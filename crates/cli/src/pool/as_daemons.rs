//! What is done with the folder of a pool's trust is done by a process of the user whose it is. In
//! a pool of many users that is the daemons' user, and root, who starts the pool or has it join
//! another, opens nothing in a folder in which that user may put something in another's place. It
//! starts a process of that user, and believes of it what it says of its own folder.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use client::home::Home;
use proto::net::chain;
use proto::trust::Token;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::pool::many_users::{are_root, command_of};
use crate::pool::membership::{self, JoinError};
use crate::pool::supervisor::nothing_of_its_starter;

/// The process that does such a thing, as what of a pool it is started.
pub const NAME: &str = "member";

/// The longest answer that is read of a process that may be anybody's who is that user.
const SAID_BYTES: u64 = 1 << 20;

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
pub enum Task {
    Found,
    Join { token: String, name: String },
    IsKnown { address: String },
    Examine { address: String },
    WaitUntilKnown { address: String },
    Kept,
}

/// Does something as the user whose folder the trust is: by a process of that user if we are root
/// and it is not ours, and else so.
///
/// # Errors
///
/// What went wrong, there or here.
pub fn done<T: DeserializeOwned>(
    home: &Home,
    task: &Task,
    by_ourselves: impl FnOnce() -> Result<T, JoinError>,
) -> Result<T, JoinError> {
    if !(home.is_of_many_users() && are_root()) {
        return by_ourselves();
    }
    let said = asked(home, task).map_err(JoinError::AsDaemons)?;
    let said: Result<T, String> = serde_json::from_slice(&said)
        .map_err(|_| JoinError::AsDaemons(io::Error::other("it ended without an answer")))?;
    said.map_err(JoinError::Said)
}

fn asked(home: &Home, task: &Task) -> io::Result<Vec<u8>> {
    // Root has made it, in a folder that is root's.
    let trust = fs::symlink_metadata(home.trust_dir())?;
    if !trust.is_dir() || trust.uid() == 0 {
        return Err(io::Error::other("the folder of the trust is not the daemons' own"));
    }
    let mut command = command_of((trust.uid(), trust.gid()), &std::env::current_exe()?);
    command.args(["daemon", NAME, "--home"]).arg(home.dir());
    nothing_of_its_starter(&mut command);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    if let Some(mut asks) = child.stdin.take() {
        asks.write_all(&serde_json::to_vec(task)?)?;
    }
    let mut said = Vec::new();
    if let Some(says) = child.stdout.take() {
        says.take(SAID_BYTES).read_to_end(&mut said)?;
    }
    child.wait()?;
    Ok(said)
}

/// Does what is read from standard input, and says what came of it.
///
/// # Errors
///
/// If that is nothing that can be done, or nobody hears it.
pub fn serve(home: &Home) -> io::Result<()> {
    let mut asked = Vec::new();
    io::stdin().read_to_end(&mut asked)?;
    let said = match serde_json::from_slice(&asked)? {
        Task::Found => answer(membership::found(home)),
        Task::Join { token, name } => match token.parse::<Token>() {
            Ok(token) => answer(membership::join(home, &token, &name)),
            Err(error) => Ok(serde_json::to_vec(&Err::<(), String>(chain(&error)))?),
        },
        Task::IsKnown { address } => answer(membership::is_known(home, &address)),
        Task::Examine { address } => answer(membership::examine(home, &address)),
        Task::Kept => answer(membership::kept(home)),
        Task::WaitUntilKnown { address } => answer(membership::wait_until_known(home, &address)),
    }?;
    io::stdout().write_all(&said)
}

fn answer<T: Serialize>(done: Result<T, JoinError>) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&done.map_err(|error| chain(&error)))?)
}
