//! Logs that are written as their owner, by a process of that owner ([`proto::user_helper`]): in a
//! pool of many users the schedd opens no user's file. It gives a lane a disk ([`LogDisk`]) on
//! which each step is asked of that process; and it is that process ([`write_for_schedd`]). What
//! stands in a log is not known here.
//!
//! The name of such a log is `OWNER:PATH`, here and in the outbox: a path is absolute, and no
//! user's name has a colon.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::UserName;
use nix::errno::Errno;
use nix::unistd::User;
use proto::clock;
use proto::files::Blob;
use proto::net::{Address, Connection, NetError, Role, connect};
use proto::user_helper::{HelperNews, Helpers};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::file::{LogDisk, LogFile, OurDisk, open_end};

/// Bytes of a log in one message.
const PIECE_BYTES: usize = 1 << 20;

/// News of helpers that wait until they are taken.
const NEWS: usize = 256;

/// After so long with nothing to write a helper ends.
const IDLE: Duration = Duration::from_secs(60);

/// How long a step of a helper may take: it may be stopped, or wait for a server. Then another one
/// tries.
const ANSWERS: Duration = Duration::from_secs(60);

/// Files that a helper has open at most: the schedd closes each when it is synced.
const OPEN_FILES: usize = 1024;

/// The name of a user's log.
pub(crate) fn name_of(owner: &UserName, path: &str) -> Arc<str> {
    format!("{owner}:{path}").into()
}

/// Whose a log is that is written as its owner, and its path.
pub(super) fn parts(name: &str) -> Option<(&str, &str)> {
    if name.starts_with('/') { None } else { name.split_once(':') }
}

/// What a helper is to do with a user's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum LogAsk {
    /// Open it to be appended to; made if it is not there.
    Append {
        path: String,
    },
    /// Open it at so many bytes before its end.
    ReadEnd {
        path: String,
        most_bytes: u64,
    },
    /// The next bytes of a file that was opened to be read; none at its end.
    Read {
        file: u64,
    },
    Write {
        file: u64,
        bytes: Blob,
    },
    Sync {
        file: u64,
    },
    /// Nobody waits for an answer.
    Close {
        file: u64,
    },
}

/// What it says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum LogSaid {
    /// The file has this number; nothing is there if it has none.
    Opened(Option<u64>),
    Bytes(Blob),
    Done,
    /// The kernel's number.
    Failed(i32),
}

type Ask = (u64, LogAsk);
type Said = (u64, LogSaid);

/// The helpers that write logs for a schedd.
pub(crate) struct LogHelpers {
    helpers: Helpers<Ask, Said>,
    waiting: Arc<Mutex<Waiting>>,
}

/// Who waits for which answer of whose helper.
#[derive(Default)]
struct Waiting {
    last: u64,
    asked: BTreeMap<u64, (u32, SyncSender<LogSaid>)>,
}

impl std::fmt::Debug for LogHelpers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogHelpers").finish_non_exhaustive()
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a lost helper has not done can be tried again.
fn lost() -> io::Error {
    Errno::EIO.into()
}

impl LogHelpers {
    /// Helpers that are started so.
    pub(crate) fn new(
        start: impl Fn(u32) -> Result<(), String> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (news, mut heard) = mpsc::channel(NEWS);
        let waiting: Arc<Mutex<Waiting>> = Arc::default();
        let told = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Some((uid, news)) = heard.recv().await {
                lock(&told).hear(uid, news);
            }
        });
        Arc::new(Self { helpers: Helpers::new(start, news), waiting })
    }

    /// Talks to a helper that has come.
    pub(crate) async fn serve(&self, connection: Connection) {
        self.helpers.serve(connection).await;
    }

    /// Asks a user's helper, and waits for what it says.
    fn ask(&self, uid: u32, ask: LogAsk) -> io::Result<LogSaid> {
        let (answer, answered) = sync_channel(1);
        let id = {
            let mut waiting = lock(&self.waiting);
            waiting.last += 1;
            let id = waiting.last;
            waiting.asked.insert(id, (uid, answer));
            id
        };
        if let Err(why) = self.helpers.tell(uid, (id, ask)) {
            lock(&self.waiting).asked.remove(&id);
            tracing::warn!(uid, why, "a user's event log takes nothing now");
            return Err(lost());
        }
        match answered.recv_timeout(ANSWERS) {
            Ok(LogSaid::Failed(errno)) => Err(io::Error::from_raw_os_error(errno)),
            Ok(said) => Ok(said),
            Err(RecvTimeoutError::Disconnected) => Err(lost()),
            Err(RecvTimeoutError::Timeout) => {
                lock(&self.waiting).asked.remove(&id);
                self.helpers.leave(uid);
                Err(lost())
            }
        }
    }

    fn close(&self, uid: u32, file: u64) {
        // One that is gone has closed all it had.
        self.helpers.tell_if_there(uid, (0, LogAsk::Close { file }));
    }
}

/// The user's number now: it is another's when the user was made anew.
fn uid_of(owner: &str) -> io::Result<u32> {
    let user = User::from_name(owner)?.ok_or(Errno::EACCES)?;
    Ok(user.uid.as_raw())
}

impl Waiting {
    fn hear(&mut self, uid: u32, news: HelperNews<Said>) {
        match news {
            HelperNews::Said((id, said)) => {
                // It answers what its own user's log is about.
                if self.asked.get(&id).is_some_and(|(whose, _)| *whose == uid)
                    && let Some((_, answer)) = self.asked.remove(&id)
                {
                    let _ = answer.try_send(said);
                }
            }
            HelperNews::NotStarted(why) | HelperNews::Lost(why) => {
                let waited = self.asked.len();
                self.asked.retain(|_, (whose, _)| *whose != uid);
                if self.asked.len() < waited {
                    tracing::warn!(uid, why, "what writes a user's event logs is gone");
                }
            }
        }
    }
}

/// A disk on which users' logs are written as their owners, and others as by us.
pub(crate) struct OwnersDisk(pub(crate) Arc<LogHelpers>);

impl LogDisk for OwnersDisk {
    fn open(&self, log: &str) -> io::Result<Box<dyn LogFile>> {
        let Some((owner, path)) = parts(log) else { return OurDisk.open(log) };
        let uid = uid_of(owner)?;
        match self.0.ask(uid, LogAsk::Append { path: path.to_owned() })? {
            LogSaid::Opened(Some(file)) => {
                Ok(Box::new(OwnersFile { helpers: Arc::clone(&self.0), uid, file }))
            }
            _ => Err(Errno::EPROTO.into()),
        }
    }

    fn end_of(&self, log: &str, most: usize) -> io::Result<Vec<u8>> {
        let Some((owner, path)) = parts(log) else { return OurDisk.end_of(log, most) };
        let uid = uid_of(owner)?;
        let ask = LogAsk::ReadEnd { path: path.to_owned(), most_bytes: most as u64 };
        let LogSaid::Opened(opened) = self.0.ask(uid, ask)? else {
            return Err(Errno::EPROTO.into());
        };
        let Some(file) = opened else { return Ok(Vec::new()) };
        let file = OwnersFile { helpers: Arc::clone(&self.0), uid, file };
        let mut end = Vec::new();
        loop {
            match file.ask(LogAsk::Read { file: file.file })? {
                LogSaid::Bytes(Blob(bytes)) if bytes.is_empty() => return Ok(end),
                // It may be appended to meanwhile; what its helper says has an end here.
                LogSaid::Bytes(Blob(bytes)) if end.len() < most.saturating_add(PIECE_BYTES) => {
                    end.extend(bytes);
                }
                LogSaid::Bytes(_) => return Ok(end),
                _ => return Err(Errno::EPROTO.into()),
            }
        }
    }
}

/// A log that a helper has open.
struct OwnersFile {
    helpers: Arc<LogHelpers>,
    uid: u32,
    file: u64,
}

impl OwnersFile {
    fn ask(&self, ask: LogAsk) -> io::Result<LogSaid> {
        self.helpers.ask(self.uid, ask)
    }
}

impl Write for OwnersFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        let ask = LogAsk::Write { file: self.file, bytes: Blob(piece.to_owned()) };
        self.ask(ask).map(|_| piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LogFile for OwnersFile {
    fn sync(&self) -> io::Result<()> {
        self.ask(LogAsk::Sync { file: self.file }).map(drop)
    }
}

impl Drop for OwnersFile {
    fn drop(&mut self) {
        self.helpers.close(self.uid, self.file);
    }
}

/// The files that a helper has open.
#[derive(Default)]
struct Desk {
    last: u64,
    appended: BTreeMap<u64, Box<dyn LogFile>>,
    read: BTreeMap<u64, File>,
}

/// Writes the present user's logs as the schedd at this socket says, until it goes or has had
/// nothing to say for a while.
///
/// # Errors
///
/// If the schedd cannot be reached, or the connection breaks.
pub async fn write_for_schedd(schedd: PathBuf) -> Result<(), NetError> {
    let connection = connect(&Address::unix(&schedd), Role::Helper).await?;
    let Connection { mut sender, mut receiver, .. } = connection;
    // No two helpers give a file the same number: what is said of one's is not said of another's.
    let mut desk = Desk { last: clock::now().boot_ms << 20, ..Desk::default() };
    loop {
        let asked = match desk.is_empty() {
            true => timeout(IDLE, receiver.recv::<Ask>()).await.unwrap_or(Ok(None)),
            false => receiver.recv::<Ask>().await,
        };
        let Some((id, ask)) = asked? else { return Ok(()) };
        let is_told = !matches!(ask, LogAsk::Close { .. });
        // One log after the other: a server that does not answer delays this user's logs.
        let said = desk.carry_out(ask).unwrap_or_else(|error| {
            LogSaid::Failed(error.raw_os_error().unwrap_or(Errno::EINVAL as i32))
        });
        if is_told {
            sender.send(&(id, said)).await?;
        }
    }
}

impl Desk {
    fn is_empty(&self) -> bool {
        self.appended.is_empty() && self.read.is_empty()
    }

    fn number(&mut self) -> io::Result<u64> {
        if self.appended.len() + self.read.len() >= OPEN_FILES {
            return Err(Errno::EMFILE.into());
        }
        self.last += 1;
        Ok(self.last)
    }

    fn carry_out(&mut self, ask: LogAsk) -> io::Result<LogSaid> {
        let unknown = || io::Error::from(Errno::EIO);
        Ok(match ask {
            LogAsk::Append { path } => {
                let (file, number) = (OurDisk.open(&path)?, self.number()?);
                self.appended.insert(number, file);
                LogSaid::Opened(Some(number))
            }
            LogAsk::ReadEnd { path, most_bytes } => match open_end(Path::new(&path), most_bytes)? {
                Some(file) => {
                    let number = self.number()?;
                    self.read.insert(number, file);
                    LogSaid::Opened(Some(number))
                }
                None => LogSaid::Opened(None),
            },
            LogAsk::Read { file } => {
                let file = self.read.get_mut(&file).ok_or_else(unknown)?;
                let mut bytes = Vec::new();
                file.take(PIECE_BYTES as u64).read_to_end(&mut bytes)?;
                LogSaid::Bytes(Blob(bytes))
            }
            LogAsk::Write { file, bytes } => {
                self.appended.get_mut(&file).ok_or_else(unknown)?.write_all(&bytes.0)?;
                LogSaid::Done
            }
            LogAsk::Sync { file } => {
                self.appended.get(&file).ok_or_else(unknown)?.sync()?;
                LogSaid::Done
            }
            LogAsk::Close { file } => {
                self.appended.remove(&file);
                self.read.remove(&file);
                LogSaid::Done
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_log_s_name_says_whose_it_is_and_one_without_an_owner_is_a_path() {
        let name = name_of(&UserName::new("ann"), "/home/ann/a:b");
        assert_eq!(parts(&name), Some(("ann", "/home/ann/a:b")));
        assert_eq!(parts("/var/log/a:b"), None);
    }

    #[test]
    fn a_helper_opens_plain_files_and_counts_what_it_has_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let mut desk = Desk::default();
        let append = |desk: &mut Desk| desk.carry_out(LogAsk::Append { path: path("log") });
        let Ok(LogSaid::Opened(Some(file))) = append(&mut desk) else { panic!("it is not opened") };
        for text in ["one\n", "two\n"] {
            let bytes = Blob(text.as_bytes().to_owned());
            assert!(matches!(desk.carry_out(LogAsk::Write { file, bytes }), Ok(LogSaid::Done)));
        }
        assert!(matches!(desk.carry_out(LogAsk::Sync { file }), Ok(LogSaid::Done)));
        assert_eq!(fs::read_to_string(path("log")).unwrap(), "one\ntwo\n");
        let ask = LogAsk::ReadEnd { path: path("log"), most_bytes: 5 };
        let Ok(LogSaid::Opened(Some(end))) = desk.carry_out(ask) else { panic!("no end") };
        for expected in [&b"\ntwo\n"[..], b""] {
            let Ok(LogSaid::Bytes(said)) = desk.carry_out(LogAsk::Read { file: end }) else {
                panic!("nothing is read")
            };
            assert_eq!(said.0, expected);
        }
        for file in [file, end] {
            desk.carry_out(LogAsk::Close { file }).unwrap();
        }
        assert!(desk.is_empty());
        assert!(desk.carry_out(LogAsk::Sync { file }).is_err(), "it is closed");
        let ask = LogAsk::ReadEnd { path: path("none"), most_bytes: 5 };
        assert!(matches!(desk.carry_out(ask), Ok(LogSaid::Opened(None))));
        for _ in 0..OPEN_FILES {
            append(&mut desk).unwrap();
        }
        assert_eq!(append(&mut desk).unwrap_err().raw_os_error(), Some(Errno::EMFILE as i32));
    }

    #[test]
    fn a_helper_answers_its_own_user_s_questions_and_what_a_lost_one_was_asked_fails() {
        let mut waiting = Waiting::default();
        let (answer, answered) = sync_channel(1);
        waiting.asked.insert(1, (1001, answer.clone()));
        waiting.hear(1002, HelperNews::Said((1, LogSaid::Done)));
        assert!(answered.try_recv().is_err(), "it is somebody else's");
        waiting.hear(1001, HelperNews::Said((1, LogSaid::Done)));
        assert!(matches!(answered.try_recv(), Ok(LogSaid::Done)));
        waiting.asked.insert(2, (1001, answer));
        waiting.hear(1002, HelperNews::Lost("it was killed".to_owned()));
        assert!(waiting.asked.contains_key(&2));
        waiting.hear(1001, HelperNews::Lost("it was killed".to_owned()));
        assert!(answered.recv().is_err(), "nobody will answer");
    }
}
