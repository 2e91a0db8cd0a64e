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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    FromPlace, INPUT_AHEAD, OUTPUT_BYTES, PartsError, StartTask, TaskLine, ToPlace, VARIABLE, Wants,
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
    /// Each machine once, with its part: parts are numbered by their first chunks.
    parts: Vec<String>,
    by_name: BTreeMap<String, u32>,
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
        let (mut parts, mut by_name) = (Vec::new(), BTreeMap::new());
        for host in &of_chunks {
            if !by_name.contains_key(host) {
                by_name.insert(host.clone(), u32::try_from(parts.len()).ok()?);
                parts.push(host.clone());
            }
        }
        Some(Self { of_chunks, parts, by_name, here })
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

    /// The part that is on a machine.
    pub(super) fn part_on(&self, host: &str) -> Option<u32> {
        self.by_name.get(host).copied()
    }

    /// The machines, each once.
    pub(super) fn parts(&self) -> &[String] {
        &self.parts
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
    let stdin = follow(child, (Arc::clone(&back), is_waited_for), over);
    let Some(stdin) = stdin else { return };
    feed(&mut line, stdin, back);
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

/// How far one of a program's streams is.
#[derive(Debug, Default)]
struct Stream {
    /// Bytes that were read of it.
    read: AtomicU64,
    /// Whether some of them are still to be said.
    is_saying: AtomicBool,
}

impl Stream {
    /// Passes on what is read until there is no more. With `say` it is told; what it does not take
    /// is thrown away if the program is to go on without its caller, and else nothing more is read.
    fn pass_on(&self, from: impl Read, goes_on: bool, mut say: impl FnMut(Vec<u8>) -> bool) {
        copy(from, |bytes| {
            self.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            self.is_saying.store(true, Ordering::Release);
            let taken = say(bytes);
            self.is_saying.store(false, Ordering::Release);
            taken || goes_on
        });
    }
}

/// Waits until all is said that a program had printed when it ended. What it has left running may
/// hold the stream open, and go on printing: that is waited for no longer than `patience` at a
/// time, and for no more than a program can have left in it.
fn wait_for_last(printed: &mpsc::Receiver<()>, stream: &Stream, patience: Duration) {
    let mut read = stream.read.load(Ordering::Relaxed);
    let enough = read + 2 * OUTPUT_BYTES as u64;
    while printed.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
        let is_saying = stream.is_saying.load(Ordering::Acquire);
        let before = std::mem::replace(&mut read, stream.read.load(Ordering::Relaxed));
        if (!is_saying && read == before) || read > enough {
            return;
        }
    }
}

/// Passes on what a program prints and how it ends; gives back its standard input.
fn follow(
    mut child: Child,
    (back, is_waited_for): (Back, bool),
    over: mpsc::SyncSender<()>,
) -> Option<std::process::ChildStdin> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take()?, child.stderr.take()?);
    let streams = [
        passed_on(stdout, (&back, is_waited_for), FromPlace::Output),
        passed_on(stderr, (&back, is_waited_for), FromPlace::ErrorOutput),
    ];
    thread::spawn(move || {
        let ended = child.wait();
        for (stream, printed) in &streams {
            wait_for_last(printed, stream, LAST_OUTPUT);
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

/// Passes on one of a program's streams, on a thread: how far it is, and when there is no more.
fn passed_on(
    from: impl Read + Send + 'static,
    (back, is_waited_for): (&Back, bool),
    message: fn(Blob) -> FromPlace,
) -> (Arc<Stream>, mpsc::Receiver<()>) {
    let (done, printed) = mpsc::sync_channel(1);
    let stream = Arc::new(Stream::default());
    let (own, back) = (Arc::clone(&stream), Arc::clone(back));
    thread::spawn(move || {
        own.pass_on(from, !is_waited_for, |bytes| say(&back, &message(Blob(bytes))).is_ok());
        let _ = done.send(());
    });
    (stream, printed)
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

/// Gives a program its input until its caller has gone. It may not read it, and the caller is
/// heard all the same.
fn feed(line: &mut TaskLine, stdin: impl Write + Send + 'static, back: Back) {
    let (input, taken) = mpsc::sync_channel::<Vec<u8>>(INPUT_AHEAD);
    thread::spawn(move || {
        // What it reads no more is taken too.
        let mut stdin = Some(stdin);
        for bytes in taken {
            if stdin.as_mut().is_some_and(|stdin| stdin.write_all(&bytes).is_err()) {
                stdin = None;
            }
            if say(&back, &FromPlace::Took).is_err() {
                return;
            }
        }
    });
    let mut input = Some(input);
    while let Ok(Some(message)) = line.hear() {
        match message {
            ToPlace::Input(Blob(bytes)) => {
                // It sends no more than it may.
                let given = input.as_ref().map(|input| input.try_send(bytes));
                if matches!(given, Some(Err(mpsc::TrySendError::Full(_)))) {
                    return;
                }
            }
            ToPlace::InputEnds => input = None,
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
pub(super) struct There {
    line: TaskLine,
    /// Told of input that was taken.
    took: mpsc::SyncSender<()>,
}

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
        let (took, credit) = mpsc::sync_channel(INPUT_AHEAD);
        if has_input {
            thread::spawn(move || {
                let mut under_way = 0;
                copy(io::stdin(), |bytes| {
                    under_way += 1;
                    input.say(&ToPlace::Input(Blob(bytes))).is_ok()
                        && (under_way < INPUT_AHEAD || {
                            under_way -= 1;
                            credit.recv().is_ok()
                        })
                });
                input.say(&ToPlace::InputEnds)
            });
        } else {
            input.say(&ToPlace::InputEnds).map_err(|error| said(&error))?;
        }
        Ok(Self { line, took })
    }

    /// Prints what it prints, until it has ended.
    ///
    /// # Errors
    ///
    /// If that is not heard, why.
    pub(super) fn wait(mut self) -> Result<Ended, String> {
        loop {
            match self.line.hear().map_err(|error| said(&error))? {
                Some(FromPlace::Output(Blob(bytes))) => print(&mut io::stdout(), &bytes),
                Some(FromPlace::ErrorOutput(Blob(bytes))) => print(&mut io::stderr(), &bytes),
                Some(FromPlace::Exited(code)) => return Ok(Ended::Exited(code)),
                Some(FromPlace::Signaled(signal)) => return Ok(Ended::Signaled(signal)),
                Some(FromPlace::Started) => {}
                // Nobody may want to know, who has no more to say.
                Some(FromPlace::Took) => drop(self.took.send(())),
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

    #[test]
    fn what_a_program_has_printed_is_said_before_its_end_however_long_nobody_reads() {
        let stream = Stream::default();
        let (done, printed) = mpsc::sync_channel(1);
        // Nobody reads until it was looked for three times.
        let (looked, looks) = mpsc::sync_channel(3);
        let log = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let (stream, log) = (&stream, &log);
            scope.spawn(move || {
                stream.pass_on(&b"last words"[..], false, |bytes| {
                    (0..3).for_each(|_| looks.recv().unwrap());
                    log.lock().unwrap().push(String::from_utf8(bytes).unwrap());
                    true
                });
                done.send(()).unwrap();
            });
            while !stream.is_saying.load(Ordering::Acquire) {
                thread::yield_now();
            }
            for _ in 0..3 {
                // It would have given up with a patience of nothing.
                assert!(stream.is_saying.load(Ordering::Acquire));
                looked.send(()).unwrap();
            }
            wait_for_last(&printed, stream, Duration::ZERO);
            log.lock().unwrap().push("exited".to_owned());
        });
        assert_eq!(*log.lock().unwrap(), ["last words", "exited"]);
    }

    #[test]
    fn what_it_has_left_running_is_not_waited_for() {
        let (_done, printed) = mpsc::sync_channel(1);
        let stream = Stream::default();
        wait_for_last(&printed, &stream, Duration::ZERO);
        // Nor if it prints without end.
        stream.is_saying.store(true, Ordering::Release);
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    stream.read.fetch_add(OUTPUT_BYTES as u64, Ordering::Relaxed);
                }
            });
            wait_for_last(&printed, &stream, Duration::ZERO);
            is_over.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_program_that_nobody_waits_for_is_read_to_its_end() {
        for (goes_on, expected) in [(true, 3 * OUTPUT_BYTES), (false, OUTPUT_BYTES)] {
            let stream = Stream::default();
            stream.pass_on(vec![b'x'; 3 * OUTPUT_BYTES].as_slice(), goes_on, |_| false);
            assert_eq!(stream.read.load(Ordering::Relaxed), expected as u64, "{goes_on}");
        }
    }
}
