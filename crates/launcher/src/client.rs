//! Asks a launcher for a process that is nobody's run: a blocking client, for daemons. None of it
//! is executed by the launcher.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{Uid, User};

use crate::sys::boot_clock_ms;
use crate::wire::{
    Answer, Decoder, Limits, Message, OsBytes, PROTOCOL_VERSION, Refusal, Request, RequestBody,
    RunKey, RunState, Start, Stdio, WireError, encode,
};

/// How long the launcher may take for an answer: it gives it in microseconds unless the machine is
/// stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often, and how many times, it is looked whether an older helper that was killed is gone.
const ENDING_LOOK_EVERY: Duration = Duration::from_millis(50);
const ENDING_LOOKS: u32 = 100;

/// How long what such a process leaves running may take to end, milliseconds.
const LEFTOVERS_GRACE_MS: u64 = 500;

/// Why there is no such process.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("talk to the launcher")]
    Io(#[from] io::Error),
    #[error("talk to the launcher")]
    Wire(#[from] WireError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("talk to the launcher: it closed the connection")]
    Closed,
    #[error(
        "start a helper: the one before it was killed and does not end; the kernel holds on to it"
    )]
    Stuck,
}

/// A program that works for a daemon as somebody else.
#[derive(Debug, Clone)]
struct Errand<'a> {
    /// What the names of such processes begin with, by which those that have ended are forgotten.
    prefix: &'a str,
    /// Its own name, never used before.
    run_key: &'a RunKey,
    /// The program, with its arguments.
    command: &'a [PathBuf],
    env: &'a [(&'a str, &'a str)],
    uid: u32,
    gid: u32,
}

/// Has a helper started: a program that works for a daemon as the user with this number, in whose
/// environment is nothing but where programs are and who the user is. `of` is the daemon's name.
///
/// # Errors
///
/// Why there is none, as a sentence.
pub fn help(socket: &Path, of: &str, uid: u32, command: &[PathBuf]) -> Result<(), String> {
    let user = match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user,
        Ok(None) => return Err(format!("this machine has no user with number {uid}")),
        Err(errno) => return Err(format!("it is not known who user {uid} is: {errno}")),
    };
    let prefix = format!("helper-{of}-{uid}-");
    // Two of a daemon's are not started in the same millisecond: the second waits for the first.
    let run_key = format!("{prefix}{}-{}", std::process::id(), boot_clock_ms());
    let run_key = RunKey::try_from(run_key).map_err(|error| error.to_string())?;
    let errand = Errand {
        prefix: &prefix,
        run_key: &run_key,
        command,
        env: &[
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("HOME", &user.dir.to_string_lossy()),
            ("USER", &user.name),
            ("LOGNAME", &user.name),
        ],
        uid,
        gid: user.gid.as_raw(),
    };
    send(socket, &errand).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        format!("{error}{}", cause.unwrap_or_default())
    })
}

/// Has a program started, with `/` as its directory and nothing at its standard descriptors, and
/// forgets those of the same prefix that have ended. It has no lease: it must know by itself when
/// it is of no more use.
///
/// # Errors
///
/// If the launcher cannot be asked, or does not do it.
fn send(socket: &Path, errand: &Errand<'_>) -> Result<(), AskError> {
    let mut launcher = Asking::connect(socket)?;
    launcher.ask(RequestBody::Hello { version: PROTOCOL_VERSION })?;
    // An older one, which its daemon has left, must not work beside the new one.
    for wait in 0..=ENDING_LOOKS {
        let alive = launcher.forget_ended(errand.prefix)?;
        if alive.is_empty() {
            break;
        }
        if wait == ENDING_LOOKS {
            return Err(AskError::Stuck);
        }
        for run_key in alive {
            launcher.ask(RequestBody::Kill { run_key, signal: libc::SIGKILL, grace_ms: 0 })?;
        }
        std::thread::sleep(ENDING_LOOK_EVERY);
    }
    launcher.ask(RequestBody::Start(Box::new(start(errand))))?;
    Ok(())
}

fn start(errand: &Errand<'_>) -> Start {
    let Errand { run_key, command, env, uid, gid, .. } = *errand;
    let bytes = |path: &PathBuf| OsBytes::from(path.as_path());
    Start {
        run_key: run_key.clone(),
        program: command.first().map(bytes).unwrap_or_default(),
        argv: command.iter().map(bytes).collect(),
        env: env
            .iter()
            .map(|(name, value)| (OsBytes::from(*name), OsBytes::from(*value)))
            .collect(),
        cwd: OsBytes::from("/"),
        stdin: Stdio::Null,
        stdout: Stdio::Null,
        stderr: Stdio::Null,
        uid,
        gid,
        umask: 0o022,
        limits: Limits::default(),
        kill_grace_ms: LEFTOVERS_GRACE_MS,
        lease_until_boot_ms: u64::MAX,
        before: None,
        after: None,
        beside: None,
        stop_at_exec: false,
        private: Vec::new(),
    }
}

struct Asking {
    stream: UnixStream,
    decoder: Decoder,
    last_id: u64,
}

impl Asking {
    fn connect(socket: &Path) -> Result<Self, AskError> {
        // Through its directory: a socket's own path may be 107 bytes at most.
        let (folder, name) = (socket.parent().unwrap_or(Path::new("/")), socket.file_name());
        let folder = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        let stream = UnixStream::connect(path.join(name.unwrap_or_default()))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, decoder: Decoder::default(), last_id: 0 })
    }

    /// Forgets the processes with this prefix that have ended, and gives those that have not.
    fn forget_ended(&mut self, prefix: &str) -> Result<Vec<RunKey>, AskError> {
        let Answer::Runs(runs) = self.ask(RequestBody::List)? else { return Err(AskError::Closed) };
        let (mut over, mut alive) = (Vec::new(), Vec::new());
        for run in runs.into_iter().filter(|run| run.run_key.as_str().starts_with(prefix)) {
            match run.state {
                RunState::Ended(_) => over.push(run.run_key),
                RunState::Starting | RunState::Running { .. } | RunState::Clearing => {
                    alive.push(run.run_key);
                }
            }
        }
        self.ask(RequestBody::Forget { run_keys: over })?;
        Ok(alive)
    }

    /// Asks one thing; what happens to runs meanwhile is passed over.
    fn ask(&mut self, body: RequestBody) -> Result<Answer, AskError> {
        self.last_id += 1;
        let mut bytes = Vec::new();
        encode(&[Request { id: self.last_id, body }], &mut bytes)?;
        self.stream.write_all(&bytes)?;
        let mut chunk = [0; 16 * 1024];
        loop {
            while let Some(messages) = self.decoder.next_frame::<Vec<Message>>()? {
                for message in messages {
                    if let Message::Answer { id, result } = message
                        && id == self.last_id
                    {
                        return Ok(result?);
                    }
                }
            }
            match self.stream.read(&mut chunk)? {
                0 => return Err(AskError::Closed),
                length => self.decoder.feed(&chunk[..length]),
            }
        }
    }
}
