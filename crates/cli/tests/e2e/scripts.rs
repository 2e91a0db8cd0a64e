//! Programs before and after a job's own: that they run where its files are, hold it when they
//! fail, and outlive daemons.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Pool, events, eventually, logged};

/// A job with both, whose files are brought. The scripts have no PATH: the job's environment is not
/// theirs.
fn job(more: &str) -> String {
    format!(
        "executable = /bin/sh\ntransfer_executable = false\ngetenv = PATH\nshould_transfer_files = yes\n\
         arguments = \"-c 'cat made >> story; echo main >> story; exit 3'\"\n\
         transfer_input_files = setup, tidy\n+PreCmd = \"setup\"\n+PreArguments = \"'a b' c\"\n\
         +PreEnvironment = \"STAGE=before\"\n+PostCmd = \"tidy\"\n{more}\nqueue\n"
    )
}

fn write_script(pool: &Pool, name: &str, text: &str) {
    let path = pool.work().join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_scripts_of_a_job_run_around_it_in_its_folder() {
    let pool = Pool::start(1);
    write_script(
        &pool,
        "setup",
        "echo $1/$2 $STAGE $_CONDOR_SLOT ${PATH_OF_JOB-none} > made; exit 7",
    );
    write_script(&pool, "tidy", "echo after >> story; test -e .job.ad && echo there >> story");
    pool.submit(&job("log = log"));
    pool.until("1.0", "JobStatus", "4");
    let story = fs::read_to_string(pool.work().join("story")).unwrap();
    assert_eq!(story, "a b/c before slot1_1 none\nmain\nafter\nthere\n");
    assert_eq!(pool.attribute("1.0", "ExitCode"), ["3"]);
    // A script whose job does not say how it has to end cannot fail, and nothing is told of it.
    assert_eq!(pool.attribute("1.0", "PreCmdExitCode"), ["undefined"]);
    logged(&pool.work().join("log"), "005", 1);
    assert_eq!(events(&pool.work().join("log"), "001"), 1);

    // Beside the schedd it is the same, and without files that travel the folder is the job's own.
    pool.submit(
        "universe = local\nexecutable = /bin/sh\narguments = \"-c 'exit 4'\"\n+PreCmd = \"setup\"\n\
         +SuccessPreExitCode = 7\nqueue\n",
    );
    pool.until("2.0", "JobStatus", "4");
    assert_eq!(pool.attribute("2.0", "PreCmdExitCode"), ["7"]);
    assert!(pool.work().join("made").exists());
}

#[test]
fn a_script_that_fails_holds_its_job() {
    let pool = Pool::start(1);
    write_script(&pool, "setup", "test $# = 2 || exit 0; echo made > made; exit 7");
    write_script(&pool, "tidy", "kill -9 $$");
    pool.submit(&job("+SuccessPreExitCode = 0\nlog = log"));
    pool.until("1.0", "HoldReasonCode", "43");
    let reason = &pool.attribute("1.0", "HoldReason")[0];
    assert!(reason.ends_with("Pre script failed."), "{reason}");
    assert_eq!(pool.attribute("1.0", "PreCmdExitCode"), ["7"]);
    assert_eq!(pool.attribute("1.0", "ExitCode"), ["7"]);
    assert_eq!(pool.attribute("1.0", "PreCmdExitBySignal"), ["false"]);
    let log = pool.work().join("log");
    eventually("the hold is in the log", || events(&log, "012") == 1);
    assert_eq!(events(&log, "001"), 0, "its program was not executed");
    assert!(!pool.work().join("story").exists());

    pool.submit(&job("+SuccessPostExitCode = 0"));
    pool.until("2.0", "HoldReasonCode", "44");
    assert_eq!(pool.attribute("2.0", "ExitSignal"), ["9"]);
    assert_eq!(pool.attribute("2.0", "PostCmdExitSignal"), ["9"]);
    assert_eq!(pool.attribute("2.0", "PreCmdExitCode"), ["undefined"]);

    fs::remove_file(pool.work().join("tidy")).unwrap();
    let missing = "executable = /bin/true\n+PostCmd = \"/no/tidy\"\nqueue\n";
    pool.submit(missing);
    pool.until("3.0", "HoldReasonCode", "6");
    let reason = &pool.attribute("3.0", "HoldReason")[0];
    assert!(reason.contains("Failed to execute '/no/tidy'"), "{reason}");
}

#[test]
fn daemons_that_die_in_a_script_change_nothing_and_what_stops_a_job_stops_its_script() {
    let pool = Pool::start(1);
    let go = pool.work().join("go");
    let waits = format!(
        "echo > {}; while ! test -e {}; do :; done; echo made > made",
        pool.work().join("begun").display(),
        go.display()
    );
    write_script(&pool, "setup", &waits);
    write_script(&pool, "tidy", "echo after >> story");
    pool.submit(&job("+SuccessPreExitCode = 0"));
    eventually("the script runs", || pool.work().join("begun").exists());
    for daemon in ["launcher", "startd", "schedd"] {
        pool.kill_and_see_it_return(daemon);
    }
    fs::write(&go, "").unwrap();
    pool.until("1.0", "JobStatus", "4");
    let story = fs::read_to_string(pool.work().join("story")).unwrap();
    assert_eq!(story, "made\nmain\nafter\n");
    assert_eq!(pool.attribute("1.0", "NumJobStarts"), ["1"]);

    fs::remove_file(&go).unwrap();
    fs::remove_file(pool.work().join("begun")).unwrap();
    pool.submit(&job("+SuccessPreExitCode = 0"));
    eventually("the script runs", || pool.work().join("begun").exists());
    pool.ok(&["hold", "2.0"]);
    pool.until("2.0", "HoldReasonCode", "1");
}

#[test]
fn a_tool_beside_a_job_that_stands_still_lets_it_go_on_and_its_files_come_back() {
    let pool = Pool::start(1);
    let watch = "echo $1 $TDP_LASS_ADDRESS $MARK; read word; echo $word\n\
                 read -r line < /proc/$TDP_AP_PID/stat; case \"$line\" in *') T '*) echo stands still;; esac\n\
                 ls; kill -CONT $TDP_AP_PID; exec sleep 1000";
    write_script(&pool, "watch", watch);
    fs::write(pool.work().join("watch.in"), "hello\n").unwrap();
    pool.submit(
        "executable = /bin/sh\ntransfer_executable = false\nshould_transfer_files = yes\n\
         arguments = \"-c 'echo ran > ran; exit 3'\"\nenvironment = \"MARK=x PATH=/usr/bin:/bin\"\n\
         transfer_output_files = ran\ntool_daemon_cmd = watch\ntool_daemon_args = \"'a b'\"\n\
         tool_daemon_input = watch.in\ntool_daemon_output = logs/watch.out\n\
         tool_daemon_error = logs/watch.out\nsuspend_job_at_exec = true\nqueue\n",
    );
    pool.until("1.0", "JobStatus", "4");
    let told = fs::read_to_string(pool.work().join("logs/watch.out")).unwrap();
    assert_eq!(told, "a b ENV x\nhello\nstands still\nwatch\nwatch.in\nwatch.out\n");
    assert_eq!(pool.attribute("1.0", "ExitCode"), ["3"]);
    assert_eq!(fs::read_to_string(pool.work().join("ran")).unwrap(), "ran\n");

    // Where files do not travel it is where the job is; one that is not there holds the job.
    pool.submit(
        "executable = /bin/sleep\narguments = 1000\ntool_daemon_cmd = no/watch\nlog = log\nqueue\n",
    );
    pool.until("2.0", "HoldReasonCode", "6");
    let reason = &pool.attribute("2.0", "HoldReason")[0];
    assert!(reason.contains("/no/watch"), "{reason}");
}

#[test]
fn a_job_that_took_a_checkpoint_has_not_ended_for_its_last_script() {
    let pool = Pool::start(1);
    let order = pool.work().join("order");
    let note = |word: &str| format!("echo {word} >> {}", order.display());
    write_script(&pool, "setup", &note("before"));
    write_script(&pool, "tidy", &format!("{}; : > state", note("after")));
    let part = "test -s state && exit 3; echo half > state; exit 85";
    write_script(&pool, "part", &format!("{}; {part}", note("part")));
    pool.submit(
        "executable = part\nshould_transfer_files = yes\ncheckpoint_exit_code = 85\n\
         transfer_input_files = setup, tidy\n+PreCmd = \"setup\"\n+PostCmd = \"tidy\"\nqueue\n",
    );
    pool.until("1.0", "JobStatus", "4");
    assert_eq!(pool.attribute("1.0", "ExitCode"), ["3"]);
    let order = fs::read_to_string(order).unwrap();
    assert_eq!(order, "before\npart\nbefore\npart\nafter\n");
}
