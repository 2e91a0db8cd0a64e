//! `updraft terminal`: what an interactive job runs (`submit -interactive`), and what a startd runs
//! beside a job (`ssh_to_job`); not for people. It calls the command of the job's user, or has a
//! line to it already, runs a program under a terminal of its own, and passes on what is typed and
//! printed. When the connection is lost the program is hung up on.
//!
//! The terminal must be the program's controlling one. No safe call makes it that in another
//! process: so this binary is run once more, as the leader of a new session, opens the terminal,
//! and becomes the program.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::thread;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::{Pid, Uid, User, gethostname, read, setsid, ttyname, write};
use proto::files::Blob;
use proto::terminal::{FromJob, FromUser, Line, Size};

/// Runs a program under a terminal, for an interactive job.
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub struct TerminalArgs {
    /// Where the job's user waits; without it, standard input is the terminal, and the program
    /// takes this process.
    #[arg(long, value_name = "SOCKET")]
    to: Option<PathBuf>,
    /// Standard input is the line to the user's end.
    #[arg(long, conflicts_with = "to")]
    over_stdin: bool,
    /// Nobody is at the user's end: what is printed comes as it is, and nothing is echoed.
    #[arg(long)]
    plain: bool,
    /// Where the program begins; the scratch folder if it is not said.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The program and its arguments; the user's shell if there is none.
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<String>,
}

/// What was typed and the program has not read: beyond it nothing more is taken from the user's
/// end.
const MOST_TYPED: usize = 64 * 1024;

/// What is printed at a time.
const PRINTED: usize = 16 * 1024;

/// How long a program that was hung up on may take to end.
const GRACE_MS: u16 = 5_000;

/// Exit code of a program that could not be run, as a shell has it.
const NOT_RUN: u8 = 127;

/// Runs it.
///
/// # Errors
///
/// If nobody waits, or the terminal cannot be made.
pub fn run(args: &TerminalArgs) -> Result<ExitCode> {
    let program = match &args.program[..] {
        [] => vec![shell()],
        given => given.to_vec(),
    };
    let line = match &args.to {
        Some(socket) => {
            Line::call(socket).context("nobody waits for this interactive job any more")?
        }
        None if args.over_stdin => Line::of_stdin().context("use the line to the user's end")?,
        None => return Err(become_program(&program)),
    };
    let scratch = || std::env::var_os("_CONDOR_SCRATCH_DIR").map(PathBuf::from);
    let folder = args.folder.clone().or_else(scratch);
    serve(line, &program, folder.as_deref(), args.plain).map(ExitCode::from)
}

/// The shell that the system has for this user.
fn shell() -> String {
    let user = User::from_uid(Uid::current()).ok().flatten();
    let shell = user.map(|user| user.shell.to_string_lossy().into_owned());
    shell.filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_owned())
}

/// Returns only if it fails.
fn become_program(program: &[String]) -> anyhow::Error {
    let made = setsid().map_err(io::Error::from).and_then(|_| {
        let terminal = ttyname(io::stdin())?;
        // The first that the leader of a session opens becomes its controlling terminal.
        OpenOptions::new().read(true).write(true).open(terminal)
    });
    match made {
        Ok(_terminal) => {
            let error = Command::new(&program[0]).args(&program[1..]).exec();
            anyhow::Error::new(error).context(format!("run {}", program[0]))
        }
        Err(error) => anyhow::Error::new(error).context("take the terminal"),
    }
}

fn serve(mut line: Line, program: &[String], folder: Option<&Path>, is_plain: bool) -> Result<u8> {
    line.say(&FromJob::Welcome(place()))?;
    let Some(FromUser::Begin { size, term }) = line.hear()? else {
        bail!("the user's end did not say how to begin");
    };
    let session = match Session::start(program, (size, is_plain), term.as_deref(), folder) {
        Ok(session) => session,
        Err(error) => {
            line.say(&FromJob::Failed(format!("{error:#}")))?;
            return Ok(NOT_RUN);
        }
    };
    session.attend(&mut line)
}

/// Where the job runs.
fn place() -> String {
    let host = gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match std::env::var("_CONDOR_SLOT") {
        Ok(slot) => format!("{slot}@{host}"),
        Err(_) => host,
    }
}

/// The program under its terminal.
struct Session {
    /// Our end of the terminal.
    master: OwnedFd,
    /// The program's process.
    pid: Pid,
    /// Tells the program's exit code when it has ended.
    ended: UnixStream,
    /// What was typed and not yet taken.
    typed: Vec<u8>,
    /// Whether any process has the terminal.
    is_open: bool,
}

/// What came of a look at the terminal.
#[derive(PartialEq)]
enum Printed {
    Some,
    NothingNow,
    /// No process has the terminal any more.
    Closed,
}

impl Session {
    fn start(
        program: &[String],
        (size, is_plain): (Size, bool),
        term: Option<&str>,
        folder: Option<&Path>,
    ) -> Result<Self> {
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).context("make a terminal")?;
        fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context("make a terminal")?;
        if is_plain {
            make_plain(&pty.slave).context("make a terminal")?;
        }
        let own = std::env::current_exe().context("find this program")?;
        let mut command = Command::new(own);
        command.args(["terminal", "--"]).args(program);
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        match term {
            Some(term) => command.env("TERM", term),
            None => command.env_remove("TERM"),
        };
        let slave = || pty.slave.try_clone().context("make a terminal");
        command.stdin(slave()?).stdout(slave()?).stderr(slave()?);
        let child = command.spawn().context("run the program")?;
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0));
        let (ended, teller) = UnixStream::pair().context("watch the program")?;
        thread::spawn(move || tell_end(child, teller));
        Ok(Self { master: pty.master, pid, ended, typed: Vec::new(), is_open: true })
    }

    /// Passes on until the program ends or the user's end goes.
    fn attend(mut self, line: &mut Line) -> Result<u8> {
        loop {
            let typed =
                if self.typed.len() < MOST_TYPED { PollFlags::POLLIN } else { PollFlags::empty() };
            let room = if self.typed.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            let mut fds = vec![
                PollFd::new(self.ended.as_fd(), PollFlags::POLLIN),
                PollFd::new(line.as_fd(), typed),
            ];
            if self.is_open {
                fds.push(PollFd::new(self.master.as_fd(), PollFlags::POLLIN | room));
            }
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                result => result.context("wait for the terminal")?,
            };
            let seen =
                |n: usize| fds.get(n).and_then(PollFd::revents).unwrap_or(PollFlags::empty());
            let (ended, heard, terminal) = (seen(0), seen(1), seen(2));
            if !ended.is_empty() {
                return self.finish(line);
            }
            if !heard.is_empty() && !self.hear(line) {
                return Ok(self.hang_up());
            }
            if terminal.contains(PollFlags::POLLOUT) {
                self.type_on()?;
            }
            if terminal.intersects(PollFlags::POLLIN | PollFlags::POLLHUP) {
                match self.print(line) {
                    Ok(Printed::Some | Printed::NothingNow) => {}
                    // The program may go on without it; its end is told apart.
                    Ok(Printed::Closed) => self.is_open = false,
                    Err(_) => return Ok(self.hang_up()),
                }
            }
        }
    }

    /// Takes one message; false if there will be none.
    fn hear(&mut self, line: &mut Line) -> bool {
        match line.hear() {
            Ok(Some(FromUser::Typed(bytes))) => self.typed.extend(bytes.0),
            Ok(Some(FromUser::Resized(Size { rows, columns }))) => {
                // A program that does not learn it draws for the old size, no worse.
                let _ = launcher::set_window_size(self.master.as_fd(), rows, columns);
            }
            Ok(Some(FromUser::Begin { .. })) => {}
            Ok(None) | Err(_) => return false,
        }
        true
    }

    fn type_on(&mut self) -> Result<()> {
        match write(&self.master, &self.typed) {
            Ok(n) => drop(self.typed.drain(..n)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(Errno::EIO) => self.typed.clear(),
            Err(error) => return Err(error).context("type"),
        }
        Ok(())
    }

    fn print(&mut self, line: &mut Line) -> Result<Printed> {
        let mut bytes = vec![0; PRINTED];
        match read(&self.master, &mut bytes) {
            Ok(0) | Err(Errno::EIO) => Ok(Printed::Closed),
            Ok(n) => {
                bytes.truncate(n);
                line.say(&FromJob::Printed(Blob(bytes)))?;
                Ok(Printed::Some)
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Printed::NothingNow),
            Err(error) => Err(error).context("read the terminal"),
        }
    }

    /// The program has ended: passes on what it printed last, and how it ended.
    fn finish(mut self, line: &mut Line) -> Result<u8> {
        while self.print(line).is_ok_and(|printed| printed == Printed::Some) {}
        let code = self.wait();
        // The user's end may be gone; the job ends all the same.
        let _ = line.say(&FromJob::Ended(code));
        Ok(code)
    }

    /// The exit code, when it is there.
    fn wait(&mut self) -> u8 {
        let mut code = [NOT_RUN];
        // The thread that tells it ends only after it did.
        let _ = self.ended.read_exact(&mut code);
        code[0]
    }

    /// The user's end has gone: the kernel hangs up on all that have the terminal when our end is
    /// closed.
    fn hang_up(self) -> u8 {
        let Self { master, pid, mut ended, .. } = self;
        drop(master);
        let mut fds = [PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
        if !poll(&mut fds, GRACE_MS).is_ok_and(|n| n > 0) {
            // What is left of the job's processes the machine ends with the job.
            let _ = kill(pid, Signal::SIGKILL);
        }
        let mut code = [NOT_RUN];
        let _ = ended.read_exact(&mut code);
        code[0]
    }
}

/// What is printed comes out as it is, and what is typed is not told again. It still comes in
/// lines, so that it has an end.
fn make_plain(terminal: &OwnedFd) -> nix::Result<()> {
    let mut settings = tcgetattr(terminal)?;
    settings.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
    settings.output_flags.remove(OutputFlags::OPOST);
    tcsetattr(terminal, SetArg::TCSANOW, &settings)
}

fn tell_end(mut child: Child, mut teller: UnixStream) {
    let code = child.wait().map_or(NOT_RUN, code_of);
    // Nobody listens if the job has ended meanwhile.
    let _ = teller.write_all(&[code]);
}

/// A status as a shell's `$?` has it.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(NOT_RUN)
}
