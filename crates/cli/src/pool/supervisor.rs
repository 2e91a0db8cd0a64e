//! Keeps a pool's daemons alive: starts each, and starts it again when it dies, within a
//! second, backing off while it keeps dying. It does not stop them: `pool stop` does, after it has
//! stopped the supervisor.
//!
//! One thread a daemon, and no state but the locks: a supervisor that was killed and started again
//! finds the daemons that live by the locks they hold, and waits for those like for its own.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use client::home::{DaemonRole, Home, ROOT_SUPERVISOR};
use client::lock;
use nix::fcntl::OFlag;

use super::failure;

use crate::pool::many_users;

/// The name of the supervisor's lock and log.
pub const NAME: &str = "supervisor";

/// How long a daemon must live for its death to count as the first again.
const SETTLED: Duration = Duration::from_secs(10);

/// The waits before the first, second, ... restart in a row. The last goes on.
const BACK_OFF: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// A daemon that ended by itself so often in a row, soon after its start, does not start: whoever
/// waits for it is told.
const HOPELESS: u32 = 3;

/// How long a daemon's log may get, bytes: then it becomes `NAME.log.old`, and begins anew. What
/// daemons say there is also of who opened their sockets, as often as he likes.
const LOG_BYTES: u64 = 64 << 20;

/// How often logs are looked at.
const LOOK_AT_LOGS: Duration = Duration::from_secs(10);

/// Supervises these daemons until it is killed.
///
/// # Errors
///
/// If another supervisor holds the pool, or its folder cannot be used.
pub fn run(home: &Home, name: &str, all: &[DaemonRole]) -> io::Result<()> {
    let Some(_held) = lock::take(&home.lock(name))? else {
        return Err(io::Error::other(format!(
            "supervise {}: another supervisor does so already",
            home.dir().display()
        )));
    };
    // Of its own session, so that a terminal that closes does not take the pool along.
    let _ = nix::unistd::setsid();
    let program = std::env::current_exe()?;
    let keep_one = |role: &DaemonRole| {
        let (home, program, role) = (home.clone(), program.clone(), *role);
        thread::spawn(move || keep(&home, &program, role))
    };
    let names = all.iter().map(|role| role.name()).chain([name]);
    let logs: Vec<PathBuf> = names.map(|name| home.log(name)).collect();
    thread::spawn(move || bound_logs(&logs));
    for thread in all.iter().map(keep_one).collect::<Vec<_>>() {
        let _ = thread.join();
    }
    Ok(())
}

/// Sees for ever that no log takes the disk.
fn bound_logs(logs: &[PathBuf]) {
    loop {
        for log in logs {
            if let Err(error) = bound_log(log, LOG_BYTES) {
                tracing::debug!(log = %log.display(), %error, "cannot look at a log");
            }
        }
        thread::sleep(LOOK_AT_LOGS);
    }
}

/// Puts a log that is too long aside, in the place of the one before. Who writes it goes on at its
/// end, which is its beginning then.
fn bound_log(log: &Path, most_bytes: u64) -> io::Result<()> {
    if fs::metadata(log)?.len() <= most_bytes {
        return Ok(());
    }
    let copied = fs::copy(log, log.with_extension("log.old"));
    // Also where there is no room for two: this is what makes some.
    OpenOptions::new().write(true).open(log)?.set_len(0)?;
    copied.map(|_| ())
}

/// Keeps one daemon alive for ever.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a daemon lived decides how long to wait; this is a shell"
)]
fn keep(home: &Home, program: &Path, role: DaemonRole) {
    let (mut deaths, mut failures) = (0, 0);
    loop {
        let born = Instant::now();
        let end = live(home, program, role);
        let was_short = born.elapsed() <= SETTLED;
        match &end {
            Ok(End::FoundDead) => {
                tracing::warn!(daemon = role.name(), "a daemon that was found alive ended");
            }
            Ok(End::Exited(how)) => tracing::warn!(daemon = role.name(), %how, "a daemon ended"),
            Err(error) => tracing::error!(daemon = role.name(), %error, "cannot start a daemon"),
        }
        // What was killed is no failure of its own.
        let failed =
            matches!(&end, Ok(End::Exited(how)) if how.code().is_some_and(|code| code != 0));
        failures = if failed && was_short { failures + 1 } else { 0 };
        if failures >= HOPELESS {
            failure::note(home, role);
        }
        deaths = if was_short { deaths + 1 } else { 0 };
        thread::sleep(BACK_OFF[usize::min(deaths, BACK_OFF.len() - 1)]);
    }
}

/// How a life of a daemon ended.
enum End {
    /// Somebody else's child: how is not known.
    FoundDead,
    Exited(ExitStatus),
}

/// One life of a daemon: started by us, or found alive.
fn live(home: &Home, program: &Path, role: DaemonRole) -> io::Result<End> {
    let lock_path = home.lock(role.name());
    if let Some(pid) = lock::holder(&lock_path)? {
        tracing::info!(daemon = role.name(), pid, "found alive");
        lock::wait_until_free(&lock_path)?;
        return Ok(End::FoundDead);
    }
    let mut child = role_command(home, program, role.name())?.spawn()?;
    tracing::info!(daemon = role.name(), pid = child.id(), "started");
    Ok(End::Exited(child.wait()?))
}

/// Starts a process of the pool that goes on when this one ends: the supervisor, or the guard of a
/// private pool.
///
/// # Errors
///
/// If it cannot be started.
pub(super) fn start_role(home: &Home, program: &Path, name: &str) -> io::Result<u32> {
    Ok(role_command(home, program, name)?.spawn()?.id())
}

/// The command that is a process of the pool: this program again, its output into a log of its own.
fn role_command(home: &Home, program: &Path, name: &str) -> io::Result<Command> {
    let by_root = home.is_of_many_users() && many_users::are_root();
    let is_roots = name == ROOT_SUPERVISOR || name == DaemonRole::Launcher.name();
    let mut command = match by_root && !is_roots {
        true => {
            let many = many_users::of(home)?;
            many_users::command_of((many.uid, many.gid), program)
        }
        false => {
            let mut command = Command::new(program);
            // A group of its own: an interrupt typed at a terminal is not for the daemons.
            command.process_group(0);
            command
        }
    };
    command.args(["daemon", name, "--home"]).arg(home.dir());
    log_to(&mut command, &home.log(name))?;
    // What root starts has nothing of who has started the pool.
    if by_root {
        nothing_of_its_starter(&mut command);
    }
    Ok(command)
}

/// A process of the pool has nothing of the environment of who has started it.
pub(super) fn nothing_of_its_starter(command: &mut Command) -> &mut Command {
    let kept = KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let kept: Vec<_> = kept.collect();
    command.env_clear().env("PATH", PATH).envs(kept).current_dir("/")
}

/// What daemons find in their environment that root's was.
const KEPT: [&str; 4] = ["UPDRAFT_LOG", "UPDRAFT_MAIL", "TZ", "LANG"];

/// Where they find programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn log_to(command: &mut Command, path: &PathBuf) -> io::Result<()> {
    // Never where somebody else's link leads.
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_that_is_too_long_is_put_aside_and_who_writes_it_goes_on_at_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("schedd.log");
        let mut writer = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        for (line, log, old) in [
            ("one\n", "one\n", ""),
            ("two\n", "one\ntwo\n", ""),
            ("3\n", "", "one\ntwo\n3\n"),
            ("four\n", "four\n", "one\ntwo\n3\n"),
            ("fifth\n", "", "four\nfifth\n"),
        ] {
            writer.write_all(line.as_bytes()).unwrap();
            bound_log(&path, 8).unwrap();
            assert_eq!((&*read("schedd.log"), &*read("schedd.log.old")), (log, old), "{line}");
        }
    }
}
