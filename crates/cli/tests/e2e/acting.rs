//! Commands that change jobs or look into them while they run: suspend, continue, prio, qedit,
//! tail, userprio, watch_q, config_val.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::harness::{Pool, events, eventually, logged, text, updraft};

/// What a process does: `T` is stopped by a signal; a frozen one sleeps.
fn cpu_ticks(pid: &str) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some(fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?)
}

/// A program in the folder from which jobs are submitted.
fn script(pool: &Pool, name: &str, text: &str) {
    let path = pool.work().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A job that burns its processor in a grandchild, whose number it tells.
fn burner(pool: &Pool) -> String {
    script(
        pool,
        "burn.sh",
        "#!/bin/sh\nsh -c 'echo $$ > burner; while :; do :; done' &\necho started\nwait\n",
    );
    pool.submit("executable = burn.sh\ngetenv = true\nlog = log\noutput = out.txt\nqueue\n");
    let burner = pool.work().join("burner");
    eventually("the grandchild runs", || {
        fs::read_to_string(&burner).is_ok_and(|pid| pid.ends_with('\n'))
    });
    fs::read_to_string(&burner).unwrap().trim().to_owned()
}

fn gets_no_processor(pool: &Pool, pid: &str) {
    // A signal may still be under way when the job says that it is suspended. Each question takes
    // longer than a tick.
    eventually("the processes stand still", || {
        let before = cpu_ticks(pid);
        (0..3).for_each(|_| drop(pool.ok(&["q"])));
        before.is_some() && cpu_ticks(pid) == before
    });
}

#[test]
fn a_suspended_job_stands_still_through_the_restart_of_each_daemon_and_goes_on() {
    let pool = Pool::start(1);
    let pid = burner(&pool);
    assert_eq!(pool.ok(&["condor_suspend", "1.0"]), "Job 1.0 suspended\n");
    pool.until("1.0", "JobStatus", "7");
    gets_no_processor(&pool, &pid);
    for daemon in ["schedd", "startd", "launcher"] {
        pool.kill_and_see_it_return(daemon);
        assert_eq!(pool.attribute("1.0", "JobStatus"), ["7"], "after the {daemon}");
        gets_no_processor(&pool, &pid);
    }
    assert_eq!(pool.ok(&["condor_continue", "1"]), "All jobs in cluster 1 have been continued\n");
    pool.until("1.0", "JobStatus", "2");
    let ticks = cpu_ticks(&pid).unwrap();
    eventually("the grandchild goes on", || cpu_ticks(&pid).is_some_and(|now| now > ticks));
    let log = pool.work().join("log");
    eventually("the log has both events", || (events(&log, "010"), events(&log, "011")) == (1, 1));
    pool.ok(&["suspend", "1"]);
    pool.until("1.0", "JobStatus", "7");
    pool.ok(&["rm", "1"]);
    eventually("the job has left the queue", || {
        pool.ok(&["history", "1", "-af", "JobStatus"]) == "3\n"
    });
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} outlived its job");
}

#[test]
fn a_suspended_job_can_be_held() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/sleep\narguments = 600\nqueue\n");
    pool.until("1.0", "JobStatus", "2");
    eventually("it is suspended", || {
        pool.updraft(&["suspend", "1.0"]);
        pool.attribute("1.0", "JobStatus") == ["7"]
    });
    let said = pool.updraft(&["suspend", "1.0"]);
    assert!(text(&said).contains("1.0 is suspended already"), "{}", text(&said));
    pool.ok(&["hold", "1.0"]);
    eventually("its run is over", || pool.attribute("1.0", "CurrentHosts") == ["0"]);
    assert_eq!(pool.attribute("1.0", "JobStatus"), ["5"]);
}

#[test]
fn an_edit_of_requirements_lets_an_idle_job_run() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/true\nrequirements = Arch == \"PDP11\"\nqueue\n");
    eventually("it is never to run", || pool.ok(&["q"]).contains("never"));
    let immutable = pool.updraft(&["condor_qedit", "1.0", "Owner", "\"bob\""]);
    assert_eq!(
        String::from_utf8_lossy(&immutable.stderr),
        "Update of immutable attribute \"Owner\" is not allowed.\nTransaction failed.  No attributes were set.\n"
    );
    assert_eq!(immutable.status.code(), Some(1));
    pool.kill_and_see_it_return("schedd");
    assert_eq!(
        pool.ok(&["condor_qedit", "1", "Requirements=true", "Foo", "42"]),
        "Set attribute \"Foo\" for 1 matching jobs.\nSet attribute \"Requirements\" for 1 matching jobs.\n"
    );
    pool.until("1.0", "JobStatus", "4");
    assert_eq!(pool.attribute("1.0", "Foo"), ["42"], "the history has it too");
}

#[test]
fn the_job_with_the_higher_priority_runs_first() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/sleep\narguments = 600\nqueue\n");
    pool.until("1.0", "JobStatus", "2");
    pool.submit("executable = /bin/true\nlog = log\nqueue 3\n");
    let said = pool.updraft(&["condor_prio", "-p", "5", "2.2"]);
    assert_eq!((said.status.code(), said.stdout, said.stderr), (Some(0), vec![], vec![]));
    pool.ok(&["prio", "+2", "2.1"]);
    assert_eq!(pool.attribute("2", "JobPrio"), ["0", "2", "5"]);
    let missing = pool.updraft(&["condor_prio", "-p", "5", "99999.0"]);
    assert_eq!(missing.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&missing.stderr),
        "Couldn't retrieve current priority for 99999.0.\n"
    );
    pool.kill_and_see_it_return("schedd");
    pool.ok(&["rm", "1"]);
    pool.ok(&["wait", "2"]);
    logged(&pool.work().join("log"), "005", 3);
    let log = fs::read_to_string(pool.work().join("log")).unwrap();
    let starts: Vec<&str> =
        log.lines().filter_map(|line| line.strip_prefix("001 (002.00")?.get(..1)).collect();
    assert_eq!(starts, ["2", "1", "0"]);
}

#[test]
fn the_output_of_a_running_job_is_shown_where_it_is() {
    let pool = Pool::start(1);
    burner(&pool);
    // The schedd may not have heard yet that it runs.
    let tail = || pool.updraft(&["condor_tail", "1.0"]).stdout;
    eventually("tail shows the output", || tail() == b"started\n");
    assert_eq!(pool.ok(&["tail", "1.0", "burn.sh", "-maxbytes", "5"]), "wait\n");
    let outside = pool.updraft(&["tail", "1.0", "../pool/pool.json"]);
    assert!(!outside.status.success(), "{}", text(&outside));
    // Where files are brought to the job, its output is in its scratch folder.
    pool.ok(&["rm", "1"]);
    script(
        &pool,
        "say.sh",
        "#!/bin/sh\necho first\nwhile ! [ -e $1 ]; do /bin/sleep 0.1; done\necho last\n",
    );
    let go = pool.work().join("go");
    pool.submit(&format!(
        "executable = say.sh\narguments = {}\noutput = out2.txt\nshould_transfer_files = YES\n\
         when_to_transfer_output = ON_EXIT\nqueue\n",
        go.display()
    ));
    pool.until("2.0", "JobStatus", "2");
    eventually("tail shows the output", || {
        String::from_utf8_lossy(&pool.updraft(&["tail", "2.0"]).stdout) == "first\n"
    });
    let shown = pool.work().join("shown");
    let follow = format!("{} tail -f 2.0 > shown", updraft().display());
    std::thread::scope(|scope| {
        let follow = scope.spawn(|| pool.program(Path::new("/bin/sh"), &["-c", &follow]));
        eventually("the first line is shown", || {
            fs::read_to_string(&shown).is_ok_and(|text| text == "first\n")
        });
        fs::write(&go, "").unwrap();
        assert!(follow.join().unwrap().status.success());
    });
    assert_eq!(fs::read_to_string(&shown).unwrap(), "first\nlast\n");
    let ended = pool.updraft(&["tail", "2.0"]);
    assert!(text(&ended).contains("has ended"), "{}", text(&ended));
}

#[test]
fn small_commands_answer() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/sleep\narguments = 600\nqueue\n");
    pool.until("1.0", "JobStatus", "2");
    pool.ok(&["userprio", "-setfactor", "ann", "2000"]);
    let table = pool.ok(&["condor_userprio", "-allusers"]);
    assert!(table.contains("  2000.00 ") && table.contains("Number of users: 2"), "{table}");
    let watch = std::thread::scope(|scope| {
        // A cluster that is named is watched even if its jobs have left before the watch began.
        let watch =
            scope.spawn(|| pool.updraft(&["watch_q", "-clusters", "1", "-exit", "all,done,7"]));
        pool.ok(&["rm", "1"]);
        watch.join().unwrap()
    });
    assert_eq!(watch.status.code(), Some(7), "{}", text(&watch));
    let spool = pool.ok(&["condor_config_val", "SPOOL"]);
    assert_eq!(Path::new(spool.trim()), pool.home().join("schedd"));
    let unknown = pool.updraft(&["condor_config_val", "NO_SUCH"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&unknown.stderr), "Not defined: NO_SUCH\n");
}

#[test]
fn jobs_are_watched_in_logs_edited_from_files_and_read_while_they_run() {
    let pool = Pool::start(1);
    pool.submit(
        "executable = /bin/sh\narguments = \"-c 'echo ready; exec sleep 600'\"\noutput = out\nlog = job.log\nqueue\n",
    );
    // It may still have to wait for its machine: then so does tail.
    let line = || -> Option<serde_json::Value> {
        let said = pool.updraft(&["tail", "--auto-retry", "--json", "1.0"]);
        serde_json::from_slice(&said.stdout).ok()
    };
    eventually("tail shows what the job has written", || {
        line().is_some_and(|line| line["file"] == "stdout" && line["text"] == "ready\n")
    });
    fs::write(pool.work().join("edits"), "{ \"Foo\": 7, \"Bar\": \"x\" }").unwrap();
    pool.ok(&["qedit", "1.0", "-edits:json", "edits"]);
    assert_eq!(pool.ok(&["q", "1", "-af:V", "Foo", "Bar"]), "7 \"x\"\n");
    let watch = std::thread::scope(|scope| {
        let words = ["watch_q", "-files", "job.log", "-groupby", "log", "-no-row-progress"];
        let pool = &pool;
        let watch = scope.spawn(move || {
            pool.updraft(&[&words[..], &["-interval", "0.1", "-exit", "all,done,9"]].concat())
        });
        pool.ok(&["rm", "1"]);
        watch.join().unwrap()
    });
    assert_eq!(watch.status.code(), Some(9), "{}", text(&watch));
    let table = "LOG       IDLE    RUN   HOLD   DONE  TOTAL JOB_IDS\njob.log      -      -      -      1      1 1.0\n";
    assert!(text(&watch).contains(table), "{}", text(&watch));
    let counted = pool.updraft(&["condor_hold", "-totals", "-held", "1.0", "99.0"]);
    let line =
        "0 Succeeded, 0 Failed, 0 Not Found, 0 Bad Status, 0 Already Done, 0 Permission Denied\n";
    assert_eq!(String::from_utf8_lossy(&counted.stdout), line, "{}", text(&counted));
    let json = pool.ok(&["watch_q", "-clusters", "1", "--json", "-exit", "all,done"]);
    let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(last["total"]["removed"], 1, "{json}");
}
