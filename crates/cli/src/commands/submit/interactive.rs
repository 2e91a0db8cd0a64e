//! `-interactive`: waits until the submitted job runs, and then is its terminal. The job calls us
//! (`updraft terminal`); when it is stopped or ends before it does, the record of the schedd tells.
//! Everything that ends this process goes through [`Session::leave`], which gives the terminal back
//! as it was.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use client::wait::{self, End};
use client::{AskError, Home};
use jobspec::htcondor::Interactive;
use model::{AfterRun, ClusterId, JobEvent, JobId, Seq};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{self, SetArg, Termios};
use proto::client::{Action, Happening, Recorded, Select, Selector};
use proto::files::Blob;
use proto::terminal::{FromJob, FromUser, Line, Size, Waiting};

use crate::line::connect;
use crate::line::output;
use crate::line::output::complain;
use crate::render::dialect::Dialect;

/// The socket's name in a folder of this command's own.
const SOCKET: &str = "terminal";

/// What is typed at a time.
const TYPED: usize = 4096;

/// How long the record is waited for when the connection to the job is lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the terminal sends for the end of input (Control-D).
const END_OF_INPUT: u8 = 4;

/// A place at which an interactive job will find this command.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    waiting: Waiting,
}

impl Place {
    /// A new one.
    pub(crate) fn new() -> Result<Self> {
        let folder = folder().context("make a folder for the terminal's socket")?;
        let waiting = Waiting::at(&folder.path().join(SOCKET))?;
        Ok(Self { folder, waiting })
    }

    /// Where the job finds us.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// What the job runs: this program, as its end of the terminal.
    pub(super) fn of_job(&self) -> Result<Interactive> {
        let program = std::env::current_exe().context("find this program")?;
        let program = program.to_string_lossy().into_owned();
        let socket = self.socket();
        let words = ["terminal", "--to", &socket.to_string_lossy()].map(str::to_owned).to_vec();
        Ok(Interactive { program, words })
    }
}

/// A folder that also the job sees: its `/tmp` may be its own.
fn folder() -> io::Result<tempfile::TempDir> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let shared = runtime.into_iter().chain([PathBuf::from("/dev/shm")]);
    let mut made = shared.filter_map(|folder| tempfile::tempdir_in(folder).ok());
    made.next().map_or_else(tempfile::tempdir, Ok)
}

/// One interactive job.
struct Session {
    job: JobId,
    /// As its user knows it.
    name: String,
    dialect: Dialect,
    folder: PathBuf,
    /// The terminal as it was, if there is one.
    before: Mutex<Option<Termios>>,
    phase: Mutex<Phase>,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The job has not called.
    Waiting,
    /// We are its terminal.
    Attached,
    /// The user does not want to wait any more.
    Leaving,
}

impl Session {
    /// Ends this process, with everything as it was before.
    fn leave(&self, code: u8) -> ! {
        if let Some(before) = &*self.before() {
            // A terminal that has gone needs nothing.
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, before);
        }
        let _ = fs::remove_dir_all(&self.folder);
        process::exit(code.into())
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn before(&self) -> MutexGuard<'_, Option<Termios>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the job out of the queue: nobody would be at its terminal.
    fn remove(&self, why: &str) {
        let action = Action::Remove { reason: Some(why.to_owned()), force: false };
        let select = Select::Any(vec![Selector::Job(self.job)]);
        let asked = connect::schedd().and_then(|mut schedd| Ok(schedd.act(action, select)?));
        if let Err(error) = asked {
            complain(&format!("\r\ncannot remove job {}: {error:#}\n", self.job));
        }
    }
}

/// Waits for the first job of the cluster, which its user knows by this name, and is its terminal.
/// Does not return unless it fails.
pub(crate) fn attend(
    place: Place,
    cluster: ClusterId,
    name: String,
    dialect: Dialect,
) -> Result<()> {
    let Place { folder, waiting } = place;
    let stdin = io::stdin();
    let before = stdin.is_terminal().then(|| termios::tcgetattr(&stdin)).transpose();
    let session = Arc::new(Session {
        job: JobId::new(cluster.0, 0),
        name,
        dialect,
        folder: folder.keep(),
        before: Mutex::new(before.context("look at the terminal")?),
        phase: Mutex::new(Phase::Waiting),
    });
    let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGWINCH];
    let signals: SigSet = signals.into_iter().collect();
    // Before any thread is there, so that all of them have it so.
    signals.thread_block().context("take signals")?;
    let line: Arc<Mutex<Option<Line>>> = Arc::default();
    thread::spawn({
        let (session, line) = (Arc::clone(&session), Arc::clone(&line));
        move || heed(&session, &signals, &line)
    });
    let (tell, over) = sync_channel(1);
    thread::spawn({
        let session = Arc::clone(&session);
        move || follow(&session, &tell)
    });
    let mut job = loop {
        if let Some(job) = waiting.accept()? {
            break job;
        }
    };
    // Another run of the job would find nobody.
    drop(waiting);
    be_terminal(&session, &mut job, &line, &over)
}

/// Signals: one that wants us to end removes a job that still waits. The job of a terminal that
/// goes is hung up on.
fn heed(session: &Session, signals: &SigSet, line: &Mutex<Option<Line>>) {
    while let Ok(signal) = signals.wait() {
        if signal == Signal::SIGWINCH {
            say(line, &FromUser::Resized(size()));
            continue;
        }
        let phase = std::mem::replace(&mut *session.phase(), Phase::Leaving);
        if phase == Phase::Waiting {
            complain(&format!("\nremoving job {}\n", session.name));
            session.remove("its user did not wait for it");
        }
        session.leave(128 + u8::try_from(signal as i32).unwrap_or(0));
    }
}

/// Says something to the job's end, if it is there.
pub(crate) fn say(line: &Mutex<Option<Line>>, message: &FromUser) {
    if let Some(line) = line.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        // Who hears from the job notices that it has gone.
        let _ = line.say(message);
    }
}

/// The size of our terminal.
pub(crate) fn size() -> Size {
    match launcher::window_size(io::stdin().as_fd()) {
        Ok((rows, columns)) if rows > 0 && columns > 0 => Size { rows, columns },
        Ok(_) | Err(_) => Size::default(),
    }
}

/// Follows the record of the job: says why it waits, and tells when it is over. Until the job has
/// called, that ends everything.
fn follow(session: &Session, tell: &SyncSender<End>) {
    let select = Select::Any(vec![Selector::Cluster(session.job.cluster)]);
    let followed = Home::from_environment().follow(Seq(0), select, |events| {
        events.iter().for_each(|event| note(session, event, tell));
        Ok::<_, AskError>(ControlFlow::Continue(()))
    });
    if let Err(error) = followed {
        complain(&format!("\r\ncannot follow job {}: {error}\n", session.job));
    }
}

fn note(session: &Session, event: &Recorded, tell: &SyncSender<End>) {
    let phase = *session.phase();
    if let Happening::JobsWait { reason, .. } = &event.what
        && phase == Phase::Waiting
        && session.dialect == Dialect::Updraft
    {
        complain(&format!("{reason}\n"));
    }
    if let Happening::Job {
        event: JobEvent::RunOver { next: AfterRun::Requeue { reason }, .. },
        ..
    } = &event.what
        && phase == Phase::Attached
    {
        session.remove("its run is over, and its user was at that one's terminal");
        let _ = tell.try_send(End::Bad(format!("was stopped: {reason}")));
        return;
    }
    let Some((_, end)) = wait::end(event) else { return };
    match phase {
        Phase::Waiting => {}
        Phase::Attached => {
            // Whoever waits for it takes the first.
            let _ = tell.try_send(end);
            return;
        }
        Phase::Leaving => return,
    }
    match end {
        End::Held(reason) => {
            complain(&format!("job {} is held: {reason}\n", session.name));
            session.remove("it was held before its user could use it");
        }
        End::Bad(how) => complain(&format!("job {} {how}\n", session.name)),
        End::Good => complain(&format!("job {} has ended\n", session.name)),
    }
    session.leave(1);
}

/// Passes on what is typed and printed until the job's program has ended.
fn be_terminal(
    session: &Arc<Session>,
    job: &mut Line,
    line: &Arc<Mutex<Option<Line>>>,
    over: &Receiver<End>,
) -> Result<()> {
    *session.phase() = Phase::Attached;
    if let Some(FromJob::Welcome(place)) = job.hear()? {
        let welcome = match session.dialect {
            Dialect::Pbs => format!("qsub: job {} ready\n\n", session.name),
            Dialect::Updraft | Dialect::HtCondor => format!("Welcome to {place}!\n"),
        };
        output::put(&welcome)?;
    }
    let term = std::env::var("TERM").ok();
    job.say(&FromUser::Begin { size: size(), term })?;
    *line.lock().unwrap_or_else(PoisonError::into_inner) = Some(job.try_clone()?);
    let before = session.before().clone();
    let is_terminal = before.is_some();
    if let Some(before) = before {
        let mut raw = before;
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &raw).context("take the terminal")?;
    }
    thread::spawn({
        let line = Arc::clone(line);
        move || type_on(&line, is_terminal)
    });
    let mut out = io::stdout().lock();
    loop {
        match job.hear() {
            Ok(Some(FromJob::Printed(bytes))) => {
                if out.write_all(&bytes.0).and_then(|()| out.flush()).is_err() {
                    // Nobody sees it any more: the job is hung up on.
                    session.leave(1);
                }
            }
            Ok(Some(FromJob::Ended(code))) => {
                // What it made is where it belongs when this command has ended.
                if let Ok(End::Held(reason)) = over.recv() {
                    complain(&format!("\r\njob {} is held: {reason}\r\n", session.job));
                }
                if session.dialect == Dialect::Pbs {
                    // Whoever reads it may have gone.
                    let _ = write!(out, "\r\nqsub: job {} completed\r\n", session.name);
                }
                session.leave(code);
            }
            Ok(Some(FromJob::Failed(why))) => {
                complain(&format!("\r\njob {}: {why}\r\n", session.job));
                session.leave(1);
            }
            Ok(Some(FromJob::Welcome(_))) => {}
            Ok(None) | Err(_) => lost(session, over),
        }
    }
}

/// The job has gone without a word: it was stopped, or its machine died. It does not get another
/// run, which would find nobody.
fn lost(session: &Session, over: &Receiver<End>) -> ! {
    match over.recv_timeout(PATIENCE) {
        Ok(End::Bad(how)) => complain(&format!("\r\njob {} {how}\r\n", session.job)),
        Ok(End::Held(reason)) => {
            complain(&format!("\r\njob {} is held: {reason}\r\n", session.job));
        }
        Ok(End::Good) => complain(&format!("\r\njob {} has ended\r\n", session.job)),
        Err(_) => {
            complain(&format!(
                "\r\nthe connection to job {} is lost; removing it\r\n",
                session.job
            ));
            session.remove("the connection to its terminal was lost");
        }
    }
    session.leave(1)
}

/// Sends what is typed. What is no terminal has an end, which is typed too: in the middle of a line
/// twice.
pub(crate) fn type_on(line: &Mutex<Option<Line>>, is_terminal: bool) {
    let mut stdin = io::stdin().lock();
    let mut bytes = vec![0; TYPED];
    let mut is_in_line = false;
    loop {
        match stdin.read(&mut bytes) {
            Ok(0) if is_terminal => return,
            Ok(0) => {
                let ends = if is_in_line { 2 } else { 1 };
                return say(line, &FromUser::Typed(Blob(vec![END_OF_INPUT; ends])));
            }
            Ok(n) => {
                is_in_line = bytes[n - 1] != b'\n';
                say(line, &FromUser::Typed(Blob(bytes[..n].to_vec())));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
