//! Jobs that run beside the schedd: they outlive the daemons, and are stopped by the signals that
//! they ask for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{Pool, events, eventually};

fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_local_and_a_scheduler_job_outlive_schedd_and_startd_and_are_recorded_once() {
    let pool = Pool::start(1);
    // A mark for each start; it ends when it is told to.
    let text = "#!/bin/sh\necho \"$_CONDOR_SCRATCH_DIR\" >> $1.marks\nwhile [ ! -e go ]; do sleep 0.05; done\nexit 7\n";
    script(&pool.work().join("job.sh"), text);
    let universes = ["local", "scheduler"];
    let jobs = universes.map(|universe| {
        let cluster = pool.submit(&format!(
            "universe = {universe}\nexecutable = job.sh\narguments = {universe}\ngetenv = true\nlog = {universe}.log\nqueue\n"
        ));
        format!("{cluster}.0")
    });
    let marks = universes.map(|universe| pool.work().join(format!("{universe}.marks")));
    eventually("both run", || marks.iter().all(|marks| marks.exists()));
    // Nothing of the machine is taken: the one processor runs another job.
    let other = pool.submit("executable = /bin/true\nqueue\n");
    pool.until(&format!("{other}.0"), "JobStatus", "4");
    assert!(!pool.ok(&["status", "-af", "Name"]).contains("beside"));
    for daemon in ["schedd", "startd"] {
        pool.kill_and_see_it_return(daemon);
        let cluster = pool.submit("universe = local\nexecutable = /bin/true\nqueue\n");
        pool.until(&format!("{cluster}.0"), "JobStatus", "4");
    }
    for job in &jobs {
        assert_eq!(pool.attribute(job, "JobStatus"), ["2"]);
    }
    fs::write(pool.work().join("go"), "").unwrap();
    for ((job, universe), marks) in jobs.iter().zip(universes).zip(&marks) {
        pool.until(job, "JobStatus", "4");
        for (name, value) in [("ExitCode", "7"), ("NumJobStarts", "1"), ("NumJobCompletions", "0")]
        {
            assert_eq!(pool.attribute(job, name), [value], "{universe}: {name}");
        }
        assert_eq!(pool.ok(&["history", job, "-af", "ClusterId"]).lines().count(), 1);
        let log = pool.work().join(format!("{universe}.log"));
        eventually("the log has the end", || events(&log, "005") == 1);
        assert_eq!(["000", "001", "005"].map(|number| events(&log, number)), [1, 1, 1]);
        let marks = fs::read_to_string(marks).unwrap();
        assert_eq!(marks.lines().count(), 1, "{universe} was started once");
        assert_eq!(marks.trim().is_empty(), universe == "scheduler", "its folder: {marks}");
    }
}

#[test]
fn a_scheduler_job_gets_the_signals_that_it_asks_for() {
    let pool = Pool::start(1);
    let text = "#!/bin/sh\ntrap 'echo usr1 >> got; exit 0' USR1\ntrap 'echo term >> got; exit 0' TERM\n\
                echo ready > ready\nwhile :; do sleep 0.05; done\n";
    script(&pool.work().join("job.sh"), text);
    let cluster = pool.submit(
        "universe = scheduler\nexecutable = job.sh\ngetenv = true\nremove_kill_sig = SIGUSR1\nlog = job.log\nqueue\n",
    );
    let job = format!("{cluster}.0");
    let (ready, got) = (pool.work().join("ready"), pool.work().join("got"));
    eventually("it runs", || ready.exists());
    pool.ok(&["hold", &job]);
    let log = pool.work().join("job.log");
    eventually("it is held", || events(&log, "012") == 1);
    assert_eq!(fs::read_to_string(&got).unwrap(), "term\n");
    fs::remove_file(&ready).unwrap();
    pool.ok(&["release", &job]);
    eventually("it runs again", || ready.exists());
    pool.ok(&["rm", &job]);
    eventually("it is removed", || events(&log, "009") == 1);
    assert_eq!(fs::read_to_string(&got).unwrap(), "term\nusr1\n");
    pool.until(&job, "JobStatus", "3");
    let numbers = ["000", "001", "004", "012", "013", "009"];
    assert_eq!(numbers.map(|number| events(&log, number)), [1, 2, 2, 1, 1, 1]);
}
