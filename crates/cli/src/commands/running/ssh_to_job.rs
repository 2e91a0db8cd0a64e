//! `updraft ssh_to_job`, `condor_ssh_to_job`: a shell beside a running job, in its environment,
//! over the daemons' own connections: no ssh server is started, and no port need be open. How the
//! machine is reached is the client's matter, what runs there the startd's.

use std::io::{self, IsTerminal, Write};
use std::process::{self, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use client::AskError;
use model::JobId;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{self, SetArg, Termios};
use proto::client::Refusal;
use proto::terminal::{FromJob, FromUser, Line};

use crate::commands::submit::interactive::{say, size, type_on};
use crate::line::call::Call;
use crate::line::connect;
use crate::line::output;
use crate::line::place::Where;

/// Options of HTCondor's `condor_ssh_to_job` that are not built: most of them are ssh's.
pub const NOT_YET: &[&str] = &["ssh", "keygen-options", "shells", "remove-on-interrupt", "X", "x"];

/// How often `-auto-retry` asks whether the job runs.
const RETRY_EVERY: Duration = Duration::from_secs(2);

/// A shell beside a running job, with its environment and in its folder; or a command.
#[derive(Debug, Args)]
#[command(override_usage = "ssh_to_job [-auto-retry] JOB [COMMAND]")]
pub struct SshToJobArgs {
    /// '-auto-retry' to wait until the job runs; the job, CLUSTER.PROC (CLUSTER is its first job);
    /// and a command to run instead of a shell, as one would type it.
    #[arg(
        value_name = "JOB [COMMAND]",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    words: Vec<String>,
}

/// What the words say.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    job: JobId,
    /// The words of a command, joined as ssh does.
    command: Option<String>,
    waits: bool,
    name: Option<String>,
    pool: Option<String>,
}

impl Asked {
    /// Options come before the job: what follows it is the command's.
    fn of(words: &[String]) -> Result<Self> {
        let mut words = words.iter().map(String::as_str);
        let (mut waits, mut name, mut pool) = (false, None, None);
        let job = loop {
            let Some(word) = words.next() else { bail!("ssh_to_job needs a job") };
            let Some(option) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                break the_job(word)?;
            };
            let mut value = || words.next().map(str::to_owned);
            match option {
                "auto-retry" => waits = true,
                "name" | "n" => name = value(),
                "pool" => pool = value(),
                other if other == "debug" || other.starts_with("debug:") => {}
                other if NOT_YET.contains(&other) => bail!("{word}: not supported yet"),
                _ => bail!("unrecognized argument {word}"),
            }
        };
        let command = words.collect::<Vec<_>>().join(" ");
        let command = Some(command).filter(|command| !command.is_empty());
        Ok(Self { job, command, waits, name, pool })
    }
}

/// Does it; the exit code is the shell's, or the command's.
///
/// # Errors
///
/// If the job does not run, or its machine cannot be reached.
pub fn run(args: &SshToJobArgs, _: &Call) -> Result<ExitCode> {
    let Asked { job, command, waits, name, pool } = Asked::of(&args.words)?;
    Where::of(name.as_deref(), pool.as_deref()).check()?;
    let shell = |command: &String| vec!["/bin/sh".to_owned(), "-c".to_owned(), command.clone()];
    let program = command.as_ref().map(shell).unwrap_or_default();
    let is_plain = !io::stdin().is_terminal() || !io::stdout().is_terminal();
    let (line, pids) = loop {
        let asked = connect::startd_of(job)
            .and_then(|startd| Ok(startd.shell(job, program.clone(), is_plain)?));
        match asked {
            Err(error) if waits && is_not_yet(&error) => thread::sleep(RETRY_EVERY),
            asked => break asked?,
        }
    };
    let welcome = command.is_none().then_some(pids);
    attend(line, welcome, is_plain).map(ExitCode::from)
}

fn the_job(word: &str) -> Result<JobId> {
    match (word.parse(), word.parse()) {
        (Ok(job), _) => Ok(job),
        (Err(_), Ok(cluster)) => Ok(JobId::new(cluster, 0)),
        (Err(_), Err(_)) => bail!("'{word}' is no job: write CLUSTER.PROC"),
    }
}

/// The job does not run, and still may.
fn is_not_yet(error: &anyhow::Error) -> bool {
    let asked = error.downcast_ref::<AskError>();
    matches!(asked, Some(AskError::Refused(Refusal::NotRunning(_))))
}

/// The terminal as it was, put back when this is dropped.
struct Before(Arc<Mutex<Option<Termios>>>);

impl Drop for Before {
    fn drop(&mut self) {
        put_back(&self.0);
    }
}

fn put_back(before: &Mutex<Option<Termios>>) {
    if let Some(before) = before.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // A terminal that has gone needs nothing.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, &before);
    }
}

/// Passes on what is typed and printed until the program has ended; its exit code. Who is welcomed
/// is told the job's processes.
fn attend(mut job: Line, welcome: Option<Vec<u32>>, is_plain: bool) -> Result<u8> {
    let Some(FromJob::Welcome(place)) = job.hear()? else {
        bail!("the machine did not start the program; is the job over?");
    };
    if let Some(pids) = welcome.filter(|_| !is_plain) {
        let pids = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        output::put(&format!(
            "Welcome to {place}!\nYour condor job is running with pid(s) {pids}.\n"
        ))?;
    }
    let term = std::env::var("TERM").ok().filter(|_| !is_plain);
    job.say(&FromUser::Begin { size: size(), term })?;
    let line = Arc::new(Mutex::new(Some(job.try_clone()?)));
    let before = match is_plain {
        true => Before(Arc::default()),
        false => take_terminal(&line)?,
    };
    thread::spawn({
        let line = Arc::clone(&line);
        move || type_on(&line, !is_plain)
    });
    let mut out = io::stdout().lock();
    loop {
        match job.hear()? {
            Some(FromJob::Printed(bytes)) => {
                out.write_all(&bytes.0).and_then(|()| out.flush()).context("print")?;
            }
            Some(FromJob::Ended(code)) => return Ok(code),
            Some(FromJob::Failed(why)) => {
                drop(before);
                bail!("{why}");
            }
            Some(FromJob::Welcome(_)) => {}
            None => {
                drop(before);
                bail!("the job has ended, or its machine is cut off");
            }
        }
    }
}

/// Each key goes to the program as it is, and it learns the size of the terminal; what ends this
/// process puts the terminal back.
fn take_terminal(line: &Arc<Mutex<Option<Line>>>) -> Result<Before> {
    let was = termios::tcgetattr(io::stdin()).context("look at the terminal")?;
    let mut raw = was.clone();
    let before = Before(Arc::new(Mutex::new(Some(was))));
    let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGWINCH];
    let signals: SigSet = signals.into_iter().collect();
    signals.thread_block().context("take signals")?;
    termios::cfmakeraw(&mut raw);
    termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &raw).context("take the terminal")?;
    let (line, kept) = (Arc::clone(line), Arc::clone(&before.0));
    thread::spawn(move || {
        while let Ok(signal) = signals.wait() {
            if signal == Signal::SIGWINCH {
                say(&line, &FromUser::Resized(size()));
                continue;
            }
            put_back(&kept);
            process::exit(128 + signal as i32);
        }
    });
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_before_the_job_and_what_follows_it_is_the_command() {
        for (words, expected) in [
            ("12", Ok((12, 0, None, false))),
            ("12.3", Ok((12, 3, None, false))),
            ("-auto-retry -debug 12.3 ls -l -name x", Ok((12, 3, Some("ls -l -name x"), true))),
            ("--auto-retry 1 a", Ok((1, 0, Some("a"), true))),
            ("-name here 1", Ok((1, 0, None, false))),
            ("", Err("needs a job")),
            ("-auto-retry", Err("needs a job")),
            ("-X 1.0", Err("-X: not supported yet")),
            ("-ssh x 1.0", Err("-ssh: not supported yet")),
            ("-long 1.0", Err("unrecognized argument -long")),
            ("job", Err("'job' is no job")),
        ] {
            let asked: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            match (Asked::of(&asked), expected) {
                (Ok(asked), Ok((cluster, proc, command, waits))) => {
                    let found = (asked.job, asked.command.as_deref(), asked.waits);
                    assert_eq!(found, (JobId::new(cluster, proc), command, waits), "{words}");
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, expected) => panic!("{words}: {found:?}, and not {expected:?}"),
            }
        }
    }
}
