//! Interactive jobs (`submit -interactive`): a terminal that the test makes stands in for the
//! user's.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::pty::{OpenptyResult, Winsize, openpty};

use crate::harness::{Pool, eventually, mark, signal, sleeping, text, updraft};

/// A user at a terminal, with one command.
struct User {
    command: Child,
    keys: File,
    seen: Arc<Mutex<String>>,
}

impl User {
    fn runs(pool: &Pool, words: &[&str]) -> Self {
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let own = || Stdio::from(slave.try_clone().unwrap());
        let command = pool
            .command(&updraft(), words)
            .env("TERM", "vt52")
            .stdin(own())
            .stdout(own())
            .stderr(own())
            .spawn()
            .unwrap();
        drop(slave);
        let seen = Arc::new(Mutex::new(String::new()));
        let mut screen = File::from(master.try_clone().unwrap());
        thread::spawn({
            let seen = Arc::clone(&seen);
            move || {
                let mut bytes = [0; 4096];
                // The terminal is closed when the command has ended.
                while let Ok(n) = screen.read(&mut bytes) {
                    seen.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..n]));
                }
            }
        });
        Self { command, keys: File::from(master), seen }
    }

    fn sees(&self, what: &str) {
        eventually(&format!("{what} is on the screen"), || self.screen().contains(what));
    }

    fn screen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    fn pid(&self) -> i64 {
        self.command.id().into()
    }

    fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the command has ended", || {
            status = self.command.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

/// Writes a description of an interactive job with a plain shell.
fn describe(pool: &Pool, more: &str) {
    let text = format!("executable = nowhere\ninteractive_executable = /bin/sh\n{more}\nqueue\n");
    fs::write(pool.work().join("i.sub"), text).unwrap();
}

fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn an_interactive_job_waits_for_its_slot_and_is_a_shell_at_its_users_terminal() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/sleep\narguments = 600\nqueue\n");
    pool.until("1.0", "JobStatus", "2");
    fs::write(pool.work().join("input"), "an input\n").unwrap();
    describe(
        &pool,
        "environment = \"COLOUR='dark red'\"\nshould_transfer_files = yes\ntransfer_input_files = input",
    );
    let mut user = User::runs(&pool, &["submit", "-i", "i.sub"]);
    user.sees(
        "Submitting job(s).\r\n1 job(s) submitted to cluster 2.\r\nWaiting for job to start...\r\n",
    );
    user.sees("not yet: ");
    pool.ok(&["rm", "1"]);
    user.sees("Welcome to slot1_1@");
    user.types("cat input; echo \"$TERM $COLOUR sum-$((40 + 2))\"; stty size; test \"$PWD\" = \"$_CONDOR_SCRATCH_DIR\" && echo here\n");
    user.sees("an input\r\n");
    user.sees("vt52 dark red sum-42\r\n");
    user.sees("30 100\r\n");
    user.sees("here\r\n");
    assert_eq!(pool.attribute("2.0", "InteractiveJob"), ["true"]);
    // A terminal of its own: the shell can be interrupted and goes on.
    user.types("sleep 600; echo not-$((1 + 1))\n");
    eventually("it sleeps", || children_of_shell(&pool).contains("sleep"));
    user.types("\x03");
    user.types("echo after-$((2 + 1))\n");
    user.sees("after-3");
    assert!(!user.screen().contains("not-2"), "{}", user.screen());
    launcher::set_window_size(user.keys.as_fd(), 40, 120).unwrap();
    signal(user.pid(), "WINCH");
    eventually("the shell learns the new size", || {
        user.types("stty size\n");
        user.screen().contains("40 120")
    });
    for daemon in ["schedd", "startd"] {
        pool.kill_and_see_it_return(daemon);
    }
    user.types("echo made > made; exit 7\n");
    assert_eq!(user.ends().code(), Some(7), "{}", user.screen());
    assert_eq!(fs::read_to_string(pool.work().join("made")).unwrap(), "made\n");
    assert_eq!(pool.attribute("2.0", "ExitCode"), ["7"]);
    assert_eq!(pool.attribute("2.0", "JobStatus"), ["4"]);
}

/// The names of the processes that run in a pool's scratch folders.
fn children_of_shell(pool: &Pool) -> String {
    let execute = pool.home().join("execute");
    let mut names = String::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let is_there =
            fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&execute));
        if is_there {
            names += &fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        }
    }
    names
}

#[test]
fn whoever_does_not_wait_or_goes_away_leaves_no_job_behind() {
    let pool = Pool::start(1);
    let gone = |job: &str| {
        eventually("the job has left the queue", || {
            let these =
                format!("ClusterId == {job} || strcat(ClusterId, \".\", ProcId) == \"{job}\"");
            pool.ok(&["q", "-constraint", &these, "-af", "ProcId"]).is_empty()
        });
    };
    // Interrupted while it waits.
    describe(&pool, "request_cpus = 99");
    let mut user = User::runs(&pool, &["submit", "-i", "i.sub"]);
    user.sees("never: ");
    signal(user.pid(), "INT");
    assert_eq!(user.ends().code(), Some(130), "{}", user.screen());
    gone("1");
    assert!(pool.attribute("1.0", "RemoveReason")[0].contains("its user did not wait for it"));

    // Killed while it is the terminal: the shell is hung up on.
    describe(&pool, "");
    let begin = |cluster: u32| {
        let mut user = User::runs(&pool, &["submit", "-i", "i.sub"]);
        user.sees("Welcome to ");
        let file = pool.work().join(format!("pid{cluster}"));
        user.types(&format!("echo $$ > {}\n", file.display()));
        let mut pid = String::new();
        eventually("the shell runs", || {
            pid = fs::read_to_string(&file).unwrap_or_default();
            pid.ends_with('\n')
        });
        assert!(is_alive(&pid));
        (user, pid)
    };
    let (mut user, pid) = begin(2);
    signal(user.pid(), "KILL");
    user.ends();
    eventually("the shell is gone", || !is_alive(&pid));
    gone("2");
    assert_eq!(pool.attribute("2.0", "NumJobStarts"), ["1"]);

    // The job is taken away from it.
    let (mut user, pid) = begin(3);
    pool.ok(&["rm", "3"]);
    assert_eq!(user.ends().code(), Some(1), "{}", user.screen());
    user.sees("job 3.0 was removed");
    eventually("the shell is gone", || !is_alive(&pid));

    // It is vacated: a second run would find nobody.
    let (mut user, _) = begin(4);
    pool.ok(&["vacate_job", "4"]);
    assert_eq!(user.ends().code(), Some(1), "{}", user.screen());
    user.sees("job 4.0 was stopped: ");
    gone("4");

    // What its description says of another run is not for a user who has gone.
    describe(&pool, "max_retries = 3");
    let (mut user, _) = begin(5);
    user.types("exit 9\n");
    assert_eq!(user.ends().code(), Some(9), "{}", user.screen());
    gone("5");
}

#[test]
fn an_interactive_job_needs_no_description_and_no_terminal() {
    let pool = Pool::start(1);
    let mut command =
        pool.command(&updraft(), &["condor_submit", "-interactive", "request_memory=64"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut command = command.spawn().unwrap();
    command.stdin.take().unwrap().write_all(b"kill -9 $$\n").unwrap();
    let out = command.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(128 + 9), "{}", text(&out));
    let begin = "Submitting job(s).\n1 job(s) submitted to cluster 1.\nWaiting for job to start...\nWelcome to slot1_1@";
    assert!(String::from_utf8_lossy(&out.stdout).starts_with(begin), "{}", text(&out));
    assert_eq!(pool.attribute("1.0", "ExitCode"), ["137"]);
    for (line, told) in [
        ("universe = local", "-interactive needs a job of the vanilla universe"),
        (
            "interactive_executable =\ninteractive_args = x",
            "interactive_args without interactive_executable",
        ),
        ("queue 2", "-interactive runs one job, and 2 are queued"),
        ("hold = true", "is held: submitted on hold"),
    ] {
        describe(&pool, line);
        let refused = pool.updraft(&["submit", "-i", "i.sub"]);
        assert!(text(&refused).contains(told), "{line}: {}", text(&refused));
        assert_eq!(refused.status.code(), Some(1), "{line}: {}", text(&refused));
    }
    let both = pool.updraft(&["submit", "-i", "-spool", "i.sub"]);
    assert!(text(&both).contains("cannot be used with"), "{}", text(&both));
    eventually("none is left", || pool.ok(&["q", "-af", "ClusterId"]).is_empty());
    // Whoever runs by hand what the job runs is told.
    let alone = pool.updraft(&["terminal", "--to", "/nowhere"]);
    assert!(text(&alone).contains("nobody waits for this interactive job"), "{}", text(&alone));
}

#[test]
fn qsub_i_is_a_shell_in_the_users_home_with_what_pbs_sets() {
    let pool = Pool::start(1);
    let mut user =
        User::runs(&pool, &["qsub", "-I", "-S", "/bin/sh", "-v", "A=x y", "-N", "inter"]);
    user.sees("qsub: waiting for job 1.");
    user.sees(" ready\r\n");
    user.types("echo \"$PBS_ENVIRONMENT|$A|$PBS_JOBNAME|$TERM\"; test \"$PWD\" = ~ && echo home-$((1 + 1))\n");
    user.sees("PBS_INTERACTIVE|x y|inter|vt52\r\n");
    user.sees("home-2");
    assert!(pool.ok(&["qstat", "-f", "1"]).contains("    interactive = True\n"));
    user.types("exit 7\n");
    user.sees(" completed\r\n");
    assert_eq!(user.ends().code(), Some(7));
    assert!(pool.ok(&["qstat", "-xf", "1"]).contains("    Exit_status = 7\n"));
}

#[test]
fn who_is_beside_a_job_has_a_terminal_and_is_welcomed_with_the_processes_of_the_job() {
    let pool = Pool::start(1);
    let job = pool
        .submit("executable = /bin/sleep\narguments = 600\nenvironment = \"COLOUR=red\"\nqueue\n");
    let mut user = User::runs(&pool, &["condor_ssh_to_job", "-auto-retry", &job]);
    user.sees("Welcome to slot1_1@");
    user.sees("Your condor job is running with pid(s) ");
    user.types("echo \"$TERM $COLOUR sum-$((40 + 2))\"; stty size\n");
    user.sees("vt52 red sum-42\r\n");
    user.sees("30 100\r\n");
    // It can be interrupted, and goes on.
    let mark = mark(600);
    user.types(&format!("sleep {mark}; echo not-$((1 + 1))\n"));
    eventually("it sleeps", || sleeping(&mark) == 1);
    user.types("\x03");
    user.types("echo after-$((2 + 1))\n");
    user.sees("after-3");
    assert!(!user.screen().contains("not-2"), "{}", user.screen());
    user.types("exit 5\n");
    assert_eq!(user.ends().code(), Some(5));
    // The job has not noticed.
    pool.until(&job, "JobStatus", "2");
    let refused = pool.updraft(&["condor_ssh_to_job", "-keygen-options", "x", &job]);
    assert!(
        !refused.status.success() && text(&refused).contains("-keygen-options: not supported yet"),
        "{}",
        text(&refused)
    );
}
