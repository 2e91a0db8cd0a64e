//! `kill -9` of every daemon, one after the other, with a job running.

use std::fs;
use std::path::Path;

use crate::harness::{Pool, events, eventually, logged};

#[test]
fn a_job_runs_on_and_is_recorded_once_whichever_daemon_is_killed() {
    let pool = Pool::start(2);
    // It ends when it is told to, and leaves a mark each time it starts.
    let script =
        "#!/bin/sh\necho started >> marks\nwhile [ ! -e go ]; do sleep 0.05; done\nexit 7\n";
    fs::write(pool.work().join("job.sh"), script).unwrap();
    std::process::Command::new("chmod").arg("+x").arg(pool.work().join("job.sh")).status().unwrap();
    pool.submit("executable = job.sh\ngetenv = true\nlog = job.log\nqueue\n");
    let marks = pool.work().join("marks");
    eventually("the job runs", || marks.exists());
    for daemon in ["schedd", "negotiator", "startd", "launcher"] {
        pool.kill_and_see_it_return(daemon);
        // The pool still works: another job goes through.
        let cluster = pool.submit("executable = /bin/true\nqueue\n");
        pool.until(&format!("{cluster}.0"), "JobStatus", "4");
    }
    assert_eq!(pool.attribute("1.0", "JobStatus"), ["2"]);
    fs::write(pool.work().join("go"), "").unwrap();
    pool.until("1.0", "JobStatus", "4");
    assert_eq!(pool.attribute("1.0", "ExitCode"), ["7"]);
    assert_eq!(pool.attribute("1.0", "NumJobStarts"), ["1"]);
    assert_eq!(fs::read_to_string(&marks).unwrap(), "started\n");
    let log = pool.work().join("job.log");
    logged(&log, "005", 1);
    assert_eq!(["000", "001", "005"].map(|number| events(&log, number)), [1, 1, 1]);
}

#[test]
fn a_second_start_says_so_and_starts_again_what_has_died() {
    let pool = Pool::start(1);
    assert!(pool.ok(&["pool", "start"]).contains("runs already"));
    let supervisor = pool.pid("supervisor").unwrap();
    let schedd = pool.pid("schedd").unwrap();
    crate::harness::signal(supervisor, "KILL");
    eventually("the supervisor is dead", || pool.pid("supervisor").is_none());
    crate::harness::signal(schedd, "KILL");
    eventually("the schedd is dead", || pool.pid("schedd").is_none());
    assert!(pool.ok(&["pool", "start"]).contains("2 of its processes had died"));
    pool.submit("executable = /bin/true\nqueue\n");
    pool.until("1.0", "JobStatus", "4");
}

#[test]
fn a_stopped_pool_keeps_its_queue() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/true\nhold = true\nqueue 3\n");
    pool.ok(&["pool", "stop"]);
    assert_eq!(pool.updraft(&["pool", "status"]).status.code(), Some(3));
    pool.ok(&["pool", "start"]);
    assert_eq!(pool.attribute("1", "JobStatus"), ["5", "5", "5"]);
}

#[test]
fn what_runs_goes_on_while_its_pool_is_stopped_and_is_recorded_once() {
    let pool = Pool::start(2);
    let script = "#!/bin/sh\necho $$ >> pids\nwhile [ ! -e go ]; do sleep 0.05; done\nexit $1\n";
    let path = pool.work().join("job.sh");
    fs::write(&path, script).unwrap();
    std::process::Command::new("chmod").arg("+x").arg(&path).status().unwrap();
    pool.submit("executable = job.sh\narguments = $(Process)\nlog = log\nqueue 2\n");
    let pids = || fs::read_to_string(pool.work().join("pids")).unwrap_or_default();
    eventually("both run", || pids().lines().count() == 2);
    let first = pids();
    pool.ok(&["pool", "stop"]);
    assert!(first.lines().all(|pid| Path::new("/proc").join(pid).exists()), "{first}");
    pool.ok(&["pool", "start"]);
    pool.until("1.0", "JobStatus", "2");
    pool.ok(&["pool", "stop"]);
    // Nobody is there when they end.
    fs::write(pool.work().join("go"), "").unwrap();
    eventually("both have ended", || {
        !first.lines().any(|pid| Path::new("/proc").join(pid).exists())
    });
    pool.ok(&["pool", "start"]);
    pool.until("1.0", "JobStatus", "4");
    pool.until("1.1", "JobStatus", "4");
    assert_eq!(pids(), first, "each was executed once");
    logged(&pool.work().join("log"), "005", 2);
    let log = fs::read_to_string(pool.work().join("log")).unwrap();
    let count = |event: &str| log.lines().filter(|line| line.starts_with(event)).count();
    assert_eq!([count("001"), count("004"), count("005")], [2, 0, 2], "{log}");
}

#[test]
fn a_pool_that_is_stopped_now_stops_its_jobs_too() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/sleep\narguments = 300\nqueue\n");
    pool.until("1.0", "JobStatus", "2");
    pool.ok(&["pool", "stop", "--now"]);
    pool.ok(&["pool", "start"]);
    pool.until("1.0", "NumJobStarts", "2");
    pool.ok(&["rm", "1"]);
}
