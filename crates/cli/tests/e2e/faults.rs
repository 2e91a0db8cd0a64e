//! What users, disks and peers do wrong must hold up nobody else: paths that never answer, clients
//! that die, files that are damaged.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;

use nix::sys::stat::Mode;
use proto::client::{AskSchedd, Request, Select};
use proto::frame::encode;
use proto::net::{Hello, PROTOCOL, Role};

use crate::harness::{Pool, events, eventually, text, updraft};

#[test]
fn a_log_that_takes_nothing_holds_up_no_other_job_and_no_command() {
    let pool = Pool::start(2);
    nix::unistd::mkfifo(&pool.work().join("fifo"), Mode::S_IRWXU).unwrap();
    // More batches than any queue of the writer has places for.
    for _ in 0..40 {
        pool.submit("executable = /bin/true\nlog = fifo\nqueue 2\n");
    }
    let cluster = pool.submit("executable = /bin/true\nlog = good.log\nqueue 3\n");
    let log = pool.work().join("good.log");
    eventually("the other log has its entries", || events(&log, "005") == 3);
    pool.ok(&["q"]);
    eventually("the jobs of the first log end too", || {
        pool.ok(&["q", "-af", "ClusterId"]).is_empty()
    });
    // What is left of it is no burden for the next life.
    pool.kill_and_see_it_return("schedd");
    pool.submit("executable = /bin/true\nlog = good.log\nqueue\n");
    eventually("and again after a restart", || events(&log, "005") == 4);
    assert_eq!(events(&log, "000"), 4, "of {cluster} and the last");
    let said = fs::read_to_string(pool.home().join("log/schedd.log")).unwrap();
    assert!(said.contains("a log must be a plain file"), "{said}");
}

/// A client that asks to follow the record, and has read nothing yet. It may have been hung up on.
pub(crate) fn follower(pool: &Pool) -> UnixStream {
    let socket = pool.home().join("run/schedd.sock");
    let mut stream = None;
    eventually("the schedd listens", || {
        stream = UnixStream::connect(&socket).ok();
        stream.is_some()
    });
    let mut stream = stream.unwrap();
    let hello =
        Hello { protocol: PROTOCOL, version: String::new(), role: Role::Command, generation: 0 };
    let body = AskSchedd::Events { since: model::Seq(1), follow: true, select: Select::All };
    for frame in [encode(&hello).unwrap(), encode(&Request { id: 1, body }).unwrap()] {
        let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
        let _ = stream.write_all(&[&length[..], &frame].concat());
    }
    stream
}

/// How many descriptors a process has open.
fn descriptors(pid: i64) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

#[test]
fn followers_that_died_and_followers_that_read_nothing_leave_places_for_others() {
    let pool = Pool::start(1);
    let schedd = pool.pid("schedd").unwrap();
    let before = descriptors(schedd);
    let limit = ["120", updraft().to_str().unwrap(), "q"].map(str::to_owned);
    let answers = || {
        let words: Vec<&str> = limit.iter().map(String::as_str).collect();
        let out = pool.program("timeout".as_ref(), &words);
        assert!(out.status.success(), "{}", text(&out));
    };
    let most = fs::read_to_string(format!("/proc/{schedd}/limits")).unwrap();
    let most = most.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let most: usize = most.split_whitespace().nth(3).unwrap().parse().unwrap();
    // More in all than there can be places, while nothing happens that they could be told of.
    for _ in 0..6 {
        let some: Vec<UnixStream> = (0..800.min(most / 8)).map(|_| follower(&pool)).collect();
        drop(some);
        answers();
    }
    eventually("those that died have given back their places", || {
        descriptors(schedd) < before + 50
    });
    // Those that live and read nothing are refused before they have every place.
    let living: Vec<UnixStream> = (0..(most / 2).min(900)).map(|_| follower(&pool)).collect();
    answers();
    pool.submit("executable = /bin/true\nqueue\n");
    pool.until("1.0", "JobStatus", "4");
    drop(living);
}

#[test]
fn a_queue_that_was_damaged_is_refused_and_a_backup_brings_it_back() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/true\nhold = true\nqueue 3\n");
    let saved = pool.work().join("saved");
    pool.ok(&["pool", "backup", "saved"]);
    pool.submit("executable = /bin/true\nhold = true\nqueue\n");
    let queue = pool.home().join("schedd/queue.db");
    // The next submission is not acknowledged: the file that it would be written to is gone.
    fs::remove_file(&queue).unwrap();
    let refused =
        pool.program("timeout".as_ref(), &["20", updraft().to_str().unwrap(), "submit", "job.sub"]);
    assert!(!refused.status.success(), "{}", text(&refused));
    pool.ok(&["pool", "stop"]);
    let said = text(&pool.updraft(&["pool", "start"]));
    assert!(said.contains("the schedd ends") && said.contains("is missing"), "{said}");
    assert!(said.contains("updraft pool restore"), "{said}");
    assert_eq!(pool.updraft(&["pool", "status"]).status.code(), Some(3));
    assert!(["negotiator", "startd", "launcher"].iter().all(|daemon| pool.pid(daemon).is_none()));
    fs::write(&queue, "").unwrap();
    assert!(text(&pool.updraft(&["pool", "start"])).contains("is empty"));
    pool.ok(&["pool", "restore", saved.to_str().unwrap()]);
    pool.ok(&["pool", "start"]);
    assert_eq!(pool.ok(&["q", "-af", "ClusterId"]), "1\n1\n1\n");
}

#[test]
fn a_backup_is_made_and_put_back_while_jobs_run() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/sleep\narguments = 300\nqueue\n");
    pool.until("1.0", "JobStatus", "2");
    pool.submit("executable = /bin/true\nhold = true\nqueue\n");
    pool.ok(&["pool", "backup", "saved"]);
    pool.submit("executable = /bin/true\nhold = true\nqueue\n");
    let daemons = || ["schedd", "startd"].map(|daemon| pool.pid(daemon));
    let before = daemons();
    for (unfit, why) in [("nope", "No such file"), ("job.sub", "file is not a database")] {
        let refused = pool.updraft(&["pool", "restore", unfit]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused).contains(why), "{}", text(&refused));
    }
    assert_eq!(daemons(), before, "what cannot be put back ends nothing");
    assert_eq!(pool.ok(&["q", "1", "-af", "JobStatus", "NumJobStarts"]), "2 1\n");
    let there = text(&pool.updraft(&["pool", "backup", "saved"]));
    assert!(there.contains("saved is there already"), "{there}");
    pool.ok(&["pool", "restore", "saved"]);
    eventually("the pool goes on with the queue of then", || {
        pool.updraft(&["q", "-af", "ClusterId"]).stdout == b"1\n2\n"
    });
    pool.ok(&["rm", "2"]);
    pool.until("1.0", "JobStatus", "2");
    pool.ok(&["rm", "1"]);
}

#[test]
fn a_pool_in_a_very_long_path_starts() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("d".repeat(120));
    let pool = |words: &[&str]| {
        let mut command = std::process::Command::new(updraft());
        command.args(words).env("UPDRAFT_HOME", &home).env("UPDRAFT_MAIL", "none").output().unwrap()
    };
    let started = pool(&["pool", "start", "--cpus", "1"]);
    let ran = pool(&["q"]);
    let stopped = pool(&["pool", "stop", "--now"]);
    for out in [started, ran, stopped] {
        assert!(out.status.success(), "{}", text(&out));
    }
}

#[test]
fn a_daemon_that_ends_is_named_with_what_it_said_and_nothing_half_started_stays() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("pool");
    let pool = |words: &[&str]| {
        let mut command = std::process::Command::new(updraft());
        command.args(words).env("UPDRAFT_HOME", &home).env("UPDRAFT_MAIL", "none").output().unwrap()
    };
    // A folder where the launcher's socket is to be.
    fs::create_dir_all(home.join("run/launcher.sock/x")).unwrap();
    let said = text(&pool(&["pool", "start", "--cpus", "1"]));
    assert!(said.contains("the launcher ends: updraft daemon: could not"), "{said}");
    let status = text(&pool(&["pool", "status"]));
    assert!(!status.contains("process "), "{status}");
}

#[test]
fn a_folder_that_others_may_write_to_is_no_pool() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("pool");
    fs::create_dir(&home).unwrap();
    fs::write(
        home.join("config"),
        format!("include command : touch {}/ran\n", dir.path().display()),
    )
    .unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o777)).unwrap();
    for words in [&["pool", "start"][..], &["condor_config_val", "NUM_CPUS"]] {
        let mut command = std::process::Command::new(updraft());
        let out = command.args(words).env("UPDRAFT_HOME", &home).output().unwrap();
        assert!(!out.status.success(), "{}", text(&out));
        assert!(text(&out).contains("others may write to it"), "{}", text(&out));
    }
    assert!(!dir.path().join("ran").exists());
}

#[test]
fn what_has_no_end_is_refused_by_name_when_it_is_submitted() {
    let pool = Pool::start(1);
    nix::unistd::mkfifo(&pool.work().join("fifo"), Mode::S_IRWXU).unwrap();
    let check = |lines: &str, said: &str| {
        fs::write(pool.work().join("job.sub"), lines).unwrap();
        let program = updraft();
        let words = ["120", program.to_str().unwrap(), "submit", "job.sub"];
        let out = pool.program("timeout".as_ref(), &words);
        assert!(!out.status.success(), "{lines}: {}", text(&out));
        assert!(text(&out).contains(said), "{lines}: {}", text(&out));
    };
    check("executable = /dev/zero\nqueue\n", "executable /dev/zero is not a plain file");
    check("executable = fifo\nqueue\n", "executable fifo is not a plain file");
    let cat = "executable = /bin/cat\n";
    check(&format!("{cat}input = /dev/zero\nqueue\n"), "input: /dev/zero");
    check(&format!("{cat}input = fifo\nqueue\n"), "input: fifo");
    let transfer = "should_transfer_files = yes\ntransfer_input_files";
    check(&format!("{cat}{transfer} = /dev/zero\nqueue\n"), "transfer_input_files: /dev/zero");
    check(&format!("{cat}queue x from yes |\n"), "the output of yes is longer than 64 MiB");
    check(&format!("{cat}queue x from /dev/zero\n"), "/dev/zero is longer than 64 MiB");
    assert!(pool.ok(&["q", "-af", "ClusterId"]).is_empty());
}

/// How a program ends whose main thread panicked.
const PANICKED: i32 = 101;

#[test]
fn no_command_panics_where_nobody_can_be_told() {
    let pool = Pool::start(1);
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for words in [&["q"][..], &["rm", "99"], &["nothing"], &["submit", "none"], &["qstat", "9"]] {
        let status =
            pool.command(&updraft(), words).stdout(full()).stderr(full()).status().unwrap();
        assert!(status.code().is_some_and(|code| code != PANICKED), "{words:?}: {status}");
    }
}

#[test]
fn what_has_no_end_is_refused_by_every_command_that_reads_it() {
    let pool = Pool::start(1);
    let no_plain_file = "a pipe or a device";
    let too_long = "longer than 256 MiB";
    for (words, told) in [
        (&["submit", "/dev/zero"][..], too_long),
        (&["dag_checker", "/dev/zero"], no_plain_file),
        (&["q", "-jobads", "/dev/zero"], too_long),
        (&["q", "-print-format", "/dev/zero"], too_long),
        (&["history", "-file", "/dev/zero"], too_long),
    ] {
        let out = pool.updraft(words);
        assert!(!out.status.success(), "{words:?}");
        assert!(text(&out).contains(told), "{words:?}: {}", text(&out));
    }
}

#[test]
fn what_users_name_their_jobs_does_nothing_to_a_terminal() {
    let pool = Pool::start(1);
    pool.submit(
        "executable = /bin/true\nbatch_name = \u{1b}]0;x\u{7}\u{1b}[2Jred\nhold = true\nqueue\n",
    );
    for words in ["q", "q -nobatch", "q -af JobBatchName", "watch_q -exit any,held"] {
        let shell = format!("{} {words}", updraft().display());
        let limited = ["120", "script", "-qec", &shell, "/dev/null"];
        let out = pool.program("timeout".as_ref(), &limited);
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(!said.contains("\u{1b}]0;") && !said.contains("\u{1b}[2J"), "{words}: {said:?}");
        assert!(words == "q -nobatch" || said.contains("^[[2Jred"), "{words}: {said:?}");
    }
    // A program gets what was written.
    assert_eq!(pool.ok(&["q", "-af", "JobBatchName"]), "\u{1b}]0;x\u{7}\u{1b}[2Jred\n");
}
