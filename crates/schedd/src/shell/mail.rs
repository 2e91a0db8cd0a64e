//! Sends the letters that jobs asked for, on a thread of its own, behind the record.
//!
//! A letter is committed with the event that it tells of, and forgotten in a commit after it was
//! sent: it is sent at least once, whatever is killed in between. A mail server that is away delays
//! letters and nothing else; one that is away for long, or that refuses a letter, costs that letter
//! and a line in the daemon's log. A letter that has to wait (its address is not taken yet) waits
//! beside the others. What a letter says is made in `mail_text`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use lettre::message::header::To;
use lettre::message::{Mailbox, Mailboxes};
use lettre::transport::smtp;
use lettre::{Message, SmtpTransport, Transport};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use proto::clock;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::engine::EngineInput;

/// Letters that wait for a slow server. Beyond it a letter waits in the queue's file for the
/// schedd's next start.
const QUEUE: usize = 10_000;

/// How long to wait after each failure, seconds. After the last the letter is given up: more than
/// an hour, as long as a reboot of a mail server may take.
const PATIENCE_S: [u64; 7] = [1, 5, 30, 60, 300, 900, 3600];

/// How long nothing is tried after the server could not be reached: it would cost each letter that
/// is due the time that a server may take.
const AWAY_MS: u64 = 1000;

/// How long a program may take with a letter.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(60);

/// How often it is looked whether that program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long a server may take to answer.
const SERVER_TIMEOUT: Duration = Duration::from_secs(30);

/// How mail leaves this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailRoute {
    /// It does not: letters are not even written.
    Nowhere,
    /// Through a program that behaves like sendmail.
    Sendmail(PathBuf),
    /// To a server that takes mail without a password, for example on this machine.
    Smtp { host: String, port: u16 },
}

/// A route cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no way to send mail: write none, sendmail:/usr/sbin/sendmail or smtp://HOST:PORT"
)]
pub struct MailRouteError(String);

/// The port of SMTP.
const SMTP_PORT: u16 = 25;

impl FromStr for MailRoute {
    type Err = MailRouteError;

    fn from_str(text: &str) -> Result<Self, MailRouteError> {
        let wrong = || MailRouteError(text.to_owned());
        if text == "none" {
            return Ok(Self::Nowhere);
        }
        if let Some(path) = text.strip_prefix("sendmail:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Sendmail(path.into()));
        }
        let server = text.strip_prefix("smtp://").ok_or_else(wrong)?.trim_end_matches('/');
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (server, SMTP_PORT),
        };
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self::Smtp { host: host.to_owned(), port })
    }
}

/// A letter, as it waits in the queue's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// The address, or several with commas between them.
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// The sender's thread.
#[derive(Debug)]
pub(crate) struct Mailer {
    queue: SyncSender<(u64, Letter)>,
}

impl Mailer {
    /// Starts it. `pending` is what the file had at a restart; of each letter that is done with,
    /// `engine` is told the number.
    pub(crate) fn start(
        route: MailRoute,
        pending: Vec<(u64, Letter)>,
        engine: mpsc::Sender<EngineInput>,
    ) -> Self {
        let (queue, letters) = sync_channel(QUEUE);
        thread::spawn(move || deliver_all(&route, pending, &letters, &engine));
        Self { queue }
    }

    /// Hands over a letter that is committed. Never waits.
    pub(crate) fn post(&self, id: u64, letter: Letter) {
        match self.queue.try_send((id, letter)) {
            Ok(()) => {}
            Err(TrySendError::Full((_, letter)) | TrySendError::Disconnected((_, letter))) => {
                tracing::warn!(to = letter.to, "a letter waits for the next start of the schedd");
            }
        }
    }
}

fn now_ms() -> u64 {
    clock::now().boot_ms
}

fn deliver_all(
    route: &MailRoute,
    pending: Vec<(u64, Letter)>,
    letters: &Receiver<(u64, Letter)>,
    engine: &mpsc::Sender<EngineInput>,
) {
    let mut waiting = Waiting::default();
    for (id, letter) in pending {
        waiting.add(now_ms(), id, letter);
    }
    let mut is_open = true;
    let mut away_until = 0;
    while is_open || !waiting.due.is_empty() {
        let now = now_ms();
        let next = waiting.next().map(|due| due.max(away_until));
        match next {
            Some(due) if due <= now => {
                let Some((id, attempt)) = waiting.take() else { continue };
                match attempt.make(route) {
                    Made::Done if engine.blocking_send(EngineInput::LetterDone(id)).is_err() => {
                        return;
                    }
                    Made::Done => {}
                    Made::Again { after_ms, attempt, is_away } => {
                        away_until = if is_away { now_ms() + AWAY_MS } else { 0 };
                        waiting.again(now_ms() + after_ms, id, attempt);
                    }
                }
            }
            // Nobody posts any more: nothing is to be waited for.
            Some(_) if !is_open => return,
            // What does not fit waits in the channel, and is not posted when that is full too.
            Some(due) if waiting.due.len() >= QUEUE => {
                thread::sleep(Duration::from_millis(due - now));
            }
            Some(due) => match letters.recv_timeout(Duration::from_millis(due - now)) {
                Ok((id, letter)) => waiting.add(now_ms(), id, letter),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => is_open = false,
            },
            None => match letters.recv() {
                Ok((id, letter)) => waiting.add(now_ms(), id, letter),
                Err(_) => is_open = false,
            },
        }
        // What came meanwhile has its turn before what was tried already.
        while waiting.due.len() < QUEUE
            && let Ok((id, letter)) = letters.try_recv()
        {
            waiting.add(now_ms(), id, letter);
        }
    }
}

/// Letters by the moment at which they are tried (milliseconds since boot), and by their numbers.
#[derive(Default)]
struct Waiting {
    due: BTreeMap<(u64, u64), Attempt>,
}

/// A letter, and how often it was tried in vain.
struct Attempt {
    letter: Letter,
    failures: usize,
}

/// What came of an attempt.
enum Made {
    /// It is sent, or given up.
    Done,
    /// It is tried again.
    Again {
        after_ms: u64,
        attempt: Attempt,
        /// Because the server is not there, and not because of the letter.
        is_away: bool,
    },
}

impl Waiting {
    fn add(&mut self, due: u64, id: u64, letter: Letter) {
        self.again(due, id, Attempt { letter, failures: 0 });
    }

    fn again(&mut self, due: u64, id: u64, attempt: Attempt) {
        self.due.insert((due, id), attempt);
    }

    fn next(&self) -> Option<u64> {
        self.due.keys().next().map(|(due, _)| *due)
    }

    fn take(&mut self) -> Option<(u64, Attempt)> {
        self.due.pop_first().map(|((_, id), attempt)| (id, attempt))
    }
}

impl Attempt {
    fn make(mut self, route: &MailRoute) -> Made {
        let Letter { to, subject, .. } = &self.letter;
        let (why, is_away) = match send(route, &self.letter) {
            Ok(()) => return Made::Done,
            Err(SendError::Refused(why)) => {
                tracing::warn!(to, why, "a letter cannot be sent");
                return Made::Done;
            }
            Err(SendError::Later(why)) => (why, false),
            Err(SendError::Away(why)) => (why, true),
        };
        let Some(wait_s) = PATIENCE_S.get(self.failures) else {
            tracing::warn!(to, subject, why, "a letter was given up");
            return Made::Done;
        };
        tracing::warn!(to, why, wait_s, "a letter has to wait");
        self.failures += 1;
        Made::Again { after_ms: wait_s * 1000, attempt: self, is_away }
    }
}

/// Why a letter did not go. The mail library's errors are of several types; here they are for the
/// daemon's log only.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("{0}")]
    Refused(String),
    /// Not this letter, now: others may go.
    #[error("{0}")]
    Later(String),
    /// The server is not there, so no letter goes now.
    #[error("{0}")]
    Away(String),
}

fn send(route: &MailRoute, letter: &Letter) -> Result<(), SendError> {
    let message = message(letter)?;
    match route {
        MailRoute::Nowhere => Ok(()),
        MailRoute::Sendmail(program) => by_program(program, &message, PROGRAM_TIMEOUT),
        MailRoute::Smtp { host, port } => {
            let failed = |error: smtp::Error| match (error.is_permanent(), error.is_transient()) {
                (true, _) => SendError::Refused(error.to_string()),
                (false, true) => SendError::Later(error.to_string()),
                (false, false) => SendError::Away(error.to_string()),
            };
            let server = SmtpTransport::builder_dangerous(host.as_str())
                .port(*port)
                .timeout(Some(SERVER_TIMEOUT))
                .build();
            server.send(&message).map(|_| ()).map_err(failed)
        }
    }
}

/// Has a program send it, as sendmail is called. One that takes too long is ended.
fn by_program(program: &Path, message: &Message, at_most: Duration) -> Result<(), SendError> {
    let failed = |error: io::Error| SendError::Later(format!("{}: {error}", program.display()));
    let envelope = message.envelope();
    let mut command = Command::new(program);
    command.arg("-i");
    if let Some(from) = envelope.from() {
        command.arg("-f").arg(AsRef::<str>::as_ref(from));
    }
    command.arg("--").args(envelope.to().iter().map(AsRef::<str>::as_ref));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().map_err(failed)?;
    let letter = message.formatted();
    // One that does not read must not keep the thread that counts its time.
    let writer = child.stdin.take().map(|mut stdin| {
        thread::spawn(move || {
            let written = stdin.write_all(&letter);
            drop(stdin);
            written
        })
    });
    let deadline = now_ms() + u64::try_from(at_most.as_millis()).unwrap_or(u64::MAX);
    let ended = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break Some(status),
            None if now_ms() >= deadline => break None,
            None => thread::sleep(LOOK_EVERY),
        }
    };
    if ended.is_none() {
        // Its number is its own as long as it has not been waited for; so is its group's.
        if let Ok(group) = i32::try_from(child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = child.wait();
    }
    // Whoever had the other end of the pipe has ended.
    let written = writer.map(thread::JoinHandle::join);
    match (ended, written) {
        (None, _) => {
            Err(SendError::Later(format!("{} took longer than {at_most:?}", program.display())))
        }
        (Some(status), _) if !status.success() => {
            Err(SendError::Later(format!("{}: {status}", program.display())))
        }
        (Some(_), Some(Ok(Err(error)))) => Err(failed(error)),
        (Some(_), _) => Ok(()),
    }
}

fn message(letter: &Letter) -> Result<Message, SendError> {
    let refused = |address: &str, why| SendError::Refused(format!("{address}: {why}"));
    let from: Mailbox = letter.from.parse().map_err(|why| refused(&letter.from, why))?;
    let to: Mailboxes = letter.to.parse().map_err(|why| refused(&letter.to, why))?;
    Message::builder()
        .from(from)
        .mailbox(To::from(to))
        .subject(&letter.subject)
        .body(letter.text.clone())
        .map_err(|why| SendError::Refused(why.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Serves one letter on a connection; returns what came after DATA.
    fn receive(stream: TcpStream, answer_to_data: &str) -> String {
        let mut out = stream.try_clone().unwrap();
        let mut say = move |line: &str| out.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines().map(|line| line.unwrap());
        let mut data = String::new();
        say("220 test");
        while let Some(line) = lines.next() {
            match line.split(' ').next().unwrap_or_default() {
                "EHLO" | "MAIL" | "RCPT" => say("250 ok"),
                "DATA" => {
                    say("354 go on");
                    for line in lines.by_ref().take_while(|line| line != ".") {
                        data += &(line + "\n");
                    }
                    say(answer_to_data);
                }
                _ => {
                    say("221 bye");
                    break;
                }
            }
        }
        data
    }

    fn letter(to: &str) -> Letter {
        Letter {
            to: to.to_owned(),
            from: "Updraft <updraft@host>".to_owned(),
            subject: "Job 1.0 ended".to_owned(),
            text: "It's done: 日本\n".to_owned(),
        }
    }

    /// Writes a program, by another: one that we had open to write cannot be executed while a child
    /// of another test has that descriptor too.
    fn write_program(path: &Path, text: &str) {
        let write = ["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""];
        let written = Command::new("/bin/sh").args(write).arg(path).arg(text).status();
        assert!(written.unwrap().success());
    }

    fn server() -> (TcpListener, MailRoute) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        (server, MailRoute::Smtp { host: "127.0.0.1".to_owned(), port })
    }

    #[test]
    fn a_letter_reaches_the_server_and_its_number_the_engine() {
        let (server, route) = server();
        let (engine, mut done) = mpsc::channel(8);
        let mailer =
            Mailer::start(route, vec![(4, letter("bob@example.org, eve@example.org"))], engine);
        mailer.post(5, letter("no address"));
        let data = receive(server.accept().unwrap().0, "250 taken");
        assert!(data.contains("Subject: Job 1.0 ended"), "{data}");
        assert!(data.contains("To: bob@example.org, eve@example.org"), "{data}");
        // One that has no way to go is not tried for ever.
        for expected in [4, 5] {
            match done.blocking_recv() {
                Some(EngineInput::LetterDone(id)) => assert_eq!(id, expected),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_server_that_is_busy_gets_the_letter_again() {
        let (server, route) = server();
        let (engine, mut done) = mpsc::channel(8);
        let _mailer = Mailer::start(route, vec![(1, letter("bob@example.org"))], engine);
        receive(server.accept().unwrap().0, "451 later");
        receive(server.accept().unwrap().0, "250 taken");
        assert!(matches!(done.blocking_recv(), Some(EngineInput::LetterDone(1))));
    }

    #[test]
    fn a_letter_that_has_to_wait_keeps_no_other_waiting() {
        let (server, route) = server();
        let (engine, mut done) = mpsc::channel(8);
        let both = vec![(1, letter("gray@example.org")), (2, letter("bob@example.org"))];
        let _mailer = Mailer::start(route, both, engine);
        receive(server.accept().unwrap().0, "451 later");
        receive(server.accept().unwrap().0, "250 taken");
        // The second has gone while the first waits.
        assert!(matches!(done.blocking_recv(), Some(EngineInput::LetterDone(2))));
        receive(server.accept().unwrap().0, "250 taken");
        assert!(matches!(done.blocking_recv(), Some(EngineInput::LetterDone(1))));
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("sendmail");
        write_program(&program, "#!/bin/sh\nsleep 1000\n");
        let mut long = letter("bob@example.org");
        long.text = "more than a pipe holds\n".repeat(10_000);
        let sent = by_program(&program, &message(&long).unwrap(), Duration::from_millis(50));
        assert!(matches!(sent, Err(SendError::Later(why)) if why.contains("longer than")));
    }

    #[test]
    fn a_refusal_is_not_tried_again() {
        let (server, route) = server();
        let sender = thread::spawn(move || send(&route, &letter("bob@example.org")));
        receive(server.accept().unwrap().0, "554 no");
        assert!(matches!(sender.join().unwrap(), Err(SendError::Refused(_))));
    }

    #[test]
    fn sendmail_gets_the_letter_and_who_it_is_for() {
        let dir = tempfile::tempdir().unwrap();
        let (program, seen) = (dir.path().join("sendmail"), dir.path().join("seen"));
        let script = format!("#!/bin/sh\n{{ echo \"$@\"; cat; }} > {}\n", seen.display());
        write_program(&program, &script);
        send(&MailRoute::Sendmail(program), &letter("bob@example.org")).unwrap();
        let seen = fs::read_to_string(seen).unwrap();
        // Behind `--` no address is taken for an option.
        assert!(seen.lines().next().unwrap().ends_with("-- bob@example.org"), "{seen}");
        assert!(seen.contains("Subject: Job 1.0 ended"), "{seen}");
        let missing = send(&MailRoute::Sendmail(dir.path().join("no")), &letter("bob@example.org"));
        assert!(matches!(missing, Err(SendError::Later(_))));
    }

    #[test]
    fn routes_are_read_as_documented() {
        let smtp = |host: &str, port| MailRoute::Smtp { host: host.to_owned(), port };
        for (text, route) in [
            ("none", Ok(MailRoute::Nowhere)),
            ("smtp://localhost:2525", Ok(smtp("localhost", 2525))),
            ("smtp://mail.example.org/", Ok(smtp("mail.example.org", 25))),
            ("sendmail:/usr/sbin/sendmail", Ok(MailRoute::Sendmail("/usr/sbin/sendmail".into()))),
            ("smtp://", Err(MailRouteError("smtp://".to_owned()))),
            ("smtp://h:x", Err(MailRouteError("smtp://h:x".to_owned()))),
            ("yes", Err(MailRouteError("yes".to_owned()))),
        ] {
            assert_eq!(text.parse(), route, "{text}");
        }
    }
}
