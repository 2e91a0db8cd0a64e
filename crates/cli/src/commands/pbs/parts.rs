//! Programs on the other machines of a job: both ends of what passes between who wants one started
//! and what starts it. [`serve`] is what a job runs on each of its machines but the first: nothing
//! by itself, and what it is told to. [`There::start`] tells it.
//!
//! How the two are joined is the matter of the daemons between them (`proto::parts`).

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use classad::{ClassAd, Value};
use model::attr;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use proto::files::Blob;
use proto::net::NetError;
use proto::parts::{
    FromPlace, OUTPUT_BYTES, PartsError, StartTask, TaskLine, ToPlace, VARIABLE, Wants,
};

/// How long to wait before a startd is called again that could not be.
const AGAIN: Duration = Duration::from_secs(1);

/// How long the output of a program is waited for that has ended: what it has left running may hold
/// it open.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// How long a program may take to end whose caller has gone.
const GRACE: Duration = Duration::from_secs(5);

/// The machines of the job in which this process is, and which of them is this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machines {
    /// That of each chunk, in order.
    pub(super) of_chunks: Vec<String>,
    /// The part that is here.
    here: u32,
}

impl Machines {
    /// What a job's ad says; none of a job that has one machine.
    pub(super) fn of(job: &ClassAd) -> Option<Self> {
        let text = job.literal(attr::GANG_HOSTS).and_then(Value::as_str)?;
        let here = job.literal(attr::GANG_PART).and_then(Value::as_i64)?;
        let of_chunks = text.split(',').filter(|host| !host.is_empty()).map(str::to_owned);
        let of_chunks: Vec<String> = of_chunks.collect();
        let here = u32::try_from(here).ok().filter(|_| !of_chunks.is_empty())?;
        Some(Self { of_chunks, here })
    }

    /// Those of the job that this process is of.
    pub(super) fn of_this_job() -> Option<Self> {
        let path = env::var_os("_CONDOR_JOB_AD")?;
        let text = fs::read(path).ok()?;
        let mut own = ClassAd::new();
        for line in String::from_utf8_lossy(&text).lines() {
            let name = line.split(' ').next().unwrap_or_default();
            if [attr::GANG_HOSTS, attr::GANG_PART].contains(&name)
                && let Ok(ad) = ClassAd::parse_old(line)
            {
                own.update(&ad);
            }
        }
        Self::of(&own)
    }

    /// Whether this is not the machine on which the job's script runs.
    pub(super) fn is_other(&self) -> bool {
        self.here > 0
    }

    pub(super) fn here(&self) -> u32 {
        self.here
    }

    /// The part that is on a machine. Parts are numbered by their first chunks.
    pub(super) fn part_on(&self, host: &str) -> Option<u32> {
        let parts = self.parts();
        parts.iter().position(|known| *known == host).and_then(|part| u32::try_from(part).ok())
    }

    /// The machines, each once.
    pub(super) fn parts(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = Vec::new();
        for host in &self.of_chunks {
            if !parts.contains(&host.as_str()) {
                parts.push(host);
            }
        }
        parts
    }
}

/// Starts what it is told to, for ever; gives up only where nobody could tell it anything.
pub(super) fn serve() -> io::Result<()> {
    let variable = env::var(VARIABLE).ok();
    loop {
        match TaskLine::call(variable.as_deref(), Wants::Place) {
            Ok(line) => drop(thread::Builder::new().spawn(move || attend(line))?),
            Err(PartsError::NoParts) => return Err(io::ErrorKind::NotFound.into()),
            Err(_) => thread::sleep(AGAIN),
        }
    }
}

/// Where what comes of a program is said.
type Back = Arc<Mutex<TaskLine>>;

fn say(back: &Back, message: &FromPlace) -> Result<(), NetError> {
    back.lock().unwrap_or_else(PoisonError::into_inner).say(message)
}

/// Whoever has called may have gone: then nobody wants to know.
fn attend(mut line: TaskLine) {
    let Ok(Some(ToPlace::Start(task))) = line.hear() else { return };
    let Ok(back) = line.try_clone() else { return };
    let back = Arc::new(Mutex::new(back));
    let is_waited_for = task.is_waited_for;
    let child = match start(&task) {
        Ok(child) => child,
        Err(error) => {
            let _ = say(&back, &FromPlace::Failed(client::site::plain(&error)));
            return;
        }
    };
    if say(&back, &FromPlace::Started).is_err() && is_waited_for {
        end(&child);
    }
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let (over, has_ended) = mpsc::sync_channel(1);
    let stdin = follow(child, back, over);
    let Some(stdin) = stdin else { return };
    feed(&mut line, stdin);
    if is_waited_for && has_ended.try_recv().is_err() {
        let _ = killpg(group, Signal::SIGHUP);
        let _ = killpg(group, Signal::SIGTERM);
        if has_ended.recv_timeout(GRACE).is_err() {
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

fn start(task: &StartTask) -> io::Result<Child> {
    let [program, args @ ..] = task.argv.as_slice() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut command = Command::new(program);
    command.args(args).process_group(0);
    command.envs(task.environ.iter().map(|(name, value)| (name, value)));
    if let Some(cwd) = task.cwd.as_ref().filter(|cwd| cwd.is_dir()) {
        command.current_dir(cwd);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

fn end(child: &Child) {
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let _ = killpg(group, Signal::SIGKILL);
}

/// Passes on what a program prints and how it ends; gives back its standard input.
fn follow(
    mut child: Child,
    back: Back,
    over: mpsc::SyncSender<()>,
) -> Option<std::process::ChildStdin> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take()?, child.stderr.take()?);
    let (done, printed) = mpsc::sync_channel(2);
    let (out, err) = (Arc::clone(&back), Arc::clone(&back));
    let (out_done, err_done) = (done.clone(), done);
    thread::spawn(move || {
        copy(stdout, |bytes| say(&out, &FromPlace::Output(Blob(bytes))).is_ok());
        let _ = out_done.send(());
    });
    thread::spawn(move || {
        copy(stderr, |bytes| say(&err, &FromPlace::ErrorOutput(Blob(bytes))).is_ok());
        let _ = err_done.send(());
    });
    thread::spawn(move || {
        let ended = child.wait();
        for _ in 0..2 {
            let _ = printed.recv_timeout(LAST_OUTPUT);
        }
        let how = match ended {
            Ok(status) => status.code().map_or_else(
                || FromPlace::Signaled(status.signal().unwrap_or(0)),
                FromPlace::Exited,
            ),
            Err(error) => FromPlace::Failed(client::site::plain(&error)),
        };
        let _ = over.send(());
        let _ = say(&back, &how);
    });
    stdin
}

/// Gives what is read to `take` until there is no more, or it wants none.
fn copy(mut from: impl Read, mut take: impl FnMut(Vec<u8>) -> bool) {
    let mut bytes = vec![0; OUTPUT_BYTES];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return,
            Ok(n) if take(bytes[..n].to_vec()) => {}
            Ok(_) => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Gives a program its input until its caller has gone.
fn feed(line: &mut TaskLine, stdin: std::process::ChildStdin) {
    let mut stdin = Some(stdin);
    while let Ok(Some(message)) = line.hear() {
        match message {
            ToPlace::Input(Blob(bytes)) => {
                let written = stdin.as_mut().map(|stdin| stdin.write_all(&bytes));
                // It reads no more.
                if matches!(written, Some(Err(_))) {
                    stdin = None;
                }
            }
            ToPlace::InputEnds => stdin = None,
            ToPlace::Start(_) => return,
        }
    }
}

/// How a program on another machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Exited(i32),
    Signaled(i32),
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        status.code().map_or_else(|| Self::Signaled(status.signal().unwrap_or(0)), Self::Exited)
    }
}

/// A program that runs on another machine of the job.
#[derive(Debug)]
pub(super) struct There(TaskLine);

impl There {
    /// Has it started.
    ///
    /// # Errors
    ///
    /// Why it was not, as a sentence.
    pub(super) fn start(part: u32, task: StartTask, has_input: bool) -> Result<Self, String> {
        let variable = env::var(VARIABLE).ok();
        let call = TaskLine::call(variable.as_deref(), Wants::Start { part });
        let mut line = call.map_err(|error| said(&error))?;
        line.say(&ToPlace::Start(Box::new(task))).map_err(|error| said(&error))?;
        match line.hear().map_err(|error| said(&error))? {
            Some(FromPlace::Started) => {}
            Some(FromPlace::Failed(why)) => return Err(why),
            Some(_) | None => return Err("the part of the job there has gone".to_owned()),
        }
        let mut input = line.try_clone().map_err(|error| client::site::plain(&error))?;
        if has_input {
            thread::spawn(move || {
                copy(io::stdin(), |bytes| input.say(&ToPlace::Input(Blob(bytes))).is_ok());
                input.say(&ToPlace::InputEnds)
            });
        } else {
            input.say(&ToPlace::InputEnds).map_err(|error| said(&error))?;
        }
        Ok(Self(line))
    }

    /// Prints what it prints, until it has ended.
    ///
    /// # Errors
    ///
    /// If that is not heard, why.
    pub(super) fn wait(mut self) -> Result<Ended, String> {
        loop {
            match self.0.hear().map_err(|error| said(&error))? {
                Some(FromPlace::Output(Blob(bytes))) => print(&mut io::stdout(), &bytes),
                Some(FromPlace::ErrorOutput(Blob(bytes))) => print(&mut io::stderr(), &bytes),
                Some(FromPlace::Exited(code)) => return Ok(Ended::Exited(code)),
                Some(FromPlace::Signaled(signal)) => return Ok(Ended::Signaled(signal)),
                Some(FromPlace::Started) => {}
                Some(FromPlace::Failed(why)) => return Err(why),
                None => return Err("the part of the job there has gone".to_owned()),
            }
        }
    }
}

/// Nobody may read it any more.
fn print(to: &mut impl Write, bytes: &[u8]) {
    let _ = to.write_all(bytes).and_then(|()| to.flush());
}

fn said(error: &(dyn std::error::Error + 'static)) -> String {
    proto::net::chain(error)
}

/// Variables for a program on another machine.
pub(super) fn environ(pairs: &[(&str, String)]) -> Vec<(OsString, OsString)> {
    let unique: BTreeMap<&str, &String> =
        pairs.iter().map(|(name, value)| (*name, value)).collect();
    unique.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_with_several_machines_knows_them_by_its_chunks() {
        let of = |text: &str| Machines::of(&ClassAd::parse_old(text).unwrap());
        let machines = of("GangHosts = \"n2,n1,n2,n3\"\nGangPart = 1").unwrap();
        assert_eq!(machines.parts(), ["n2", "n1", "n3"]);
        assert_eq!(machines.part_on("n3"), Some(2));
        assert_eq!(machines.part_on("n4"), None);
        assert!(machines.is_other());
        assert_eq!(of("GangHosts = \"\"\nGangPart = 0"), None, "it was a gang the last time");
        assert_eq!(of("GangHosts = \"n1,n2\""), None);
    }
}
