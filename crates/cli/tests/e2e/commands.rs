//! The everyday commands against a pool, under our names and HTCondor's.

use std::fs;

use crate::harness::{Pool, eventually, text};

#[test]
fn condor_submit_and_condor_history_answer_to_their_names() {
    let pool = Pool::start(1);
    let bin = pool.work().join("bin");
    pool.ok(&["links", "install", bin.to_str().unwrap()]);
    fs::write(
        pool.work().join("simple.job"),
        "executable = /bin/echo\narguments = hello\noutput = out.txt\nqueue\n",
    )
    .unwrap();
    let submitted = pool.program(&bin.join("condor_submit"), &["simple.job"]);
    assert_eq!(
        String::from_utf8_lossy(&submitted.stdout),
        "Submitting job(s).\n1 job(s) submitted to cluster 1.\n",
        "{}",
        text(&submitted)
    );
    pool.until("1.0", "JobStatus", "4");
    let queue = pool.program(&bin.join("condor_q"), &["-nobatch"]);
    assert!(
        String::from_utf8_lossy(&queue.stdout)
            .contains("\n ID      OWNER            SUBMITTED     RUN_TIME ST PRI SIZE CMD\n")
    );
    let history =
        pool.program(&bin.join("condor_history"), &["-af", "ClusterId", "ProcId", "ExitCode"]);
    assert_eq!(String::from_utf8_lossy(&history.stdout), "1 0 0\n", "{}", text(&history));
    assert_eq!(fs::read_to_string(pool.work().join("out.txt")).unwrap(), "hello\n");
}

#[test]
fn an_idle_job_says_why_and_whether_never() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/true\nrequirements = Arch == \"PDP11\"\nqueue\n");
    eventually("q tells the clause that fails", || {
        let said = pool.ok(&["q"]);
        said.contains("never") && said.contains("PDP11")
    });
    pool.submit("executable = /bin/sleep\narguments = 600\nqueue 2\n");
    eventually("q says that the second job waits for the first", || {
        pool.ok(&["q"]).contains("not yet")
    });
}

#[test]
fn a_held_job_does_not_run_until_it_is_released() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/true\nhold = true\nqueue\n");
    assert_eq!(pool.attribute("1.0", "JobStatus"), ["5"]);
    pool.ok(&["release", "1"]);
    pool.until("1.0", "JobStatus", "4");
    assert_eq!(pool.attribute("1.0", "ExitCode"), ["0"]);
}

#[test]
fn each_job_of_a_cluster_is_held_or_not_as_it_was_described() {
    let pool = Pool::start(1);
    let nowhere = "executable = /bin/true\nrequirements = Arch == \"PDP11\"\n";
    pool.submit(&format!("{nowhere}queue\nhold = true\nqueue\nhold = false\nqueue\n"));
    assert_eq!(pool.attribute("1", "JobStatus"), ["1", "5", "1"]);
    pool.submit(&format!("{nowhere}hold = true\nqueue\nhold = false\nqueue\n"));
    assert_eq!(pool.attribute("2", "JobStatus"), ["5", "1"]);
}

#[test]
fn a_missing_output_folder_holds_the_job_and_says_so() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/true\noutput = nowhere/out\nqueue\n");
    pool.until("1.0", "HoldReasonCode", "7");
    assert_eq!(pool.attribute("1.0", "HoldReasonSubCode"), ["2"]);
}

#[test]
fn removing_a_job_ends_what_it_left_behind() {
    let pool = Pool::start(1);
    let script = pool.work().join("daemonise.sh");
    // A grandchild that left session and group, and tells its number.
    fs::write(&script, "#!/bin/sh\nsetsid sh -c 'echo $$ > orphan; exec sleep 600' &\nsleep 600\n")
        .unwrap();
    std::process::Command::new("chmod").arg("+x").arg(&script).status().unwrap();
    pool.submit("executable = daemonise.sh\ngetenv = true\nqueue\n");
    let orphan = pool.work().join("orphan");
    eventually("the grandchild runs", || {
        fs::read_to_string(&orphan).is_ok_and(|pid| pid.ends_with('\n'))
    });
    let pid = fs::read_to_string(&orphan).unwrap();
    pool.ok(&["rm", "1"]);
    // `q` says X as soon as the removal is ordered; the job leaves the queue when nothing of it is
    // left.
    eventually("the job has left the queue", || {
        pool.ok(&["history", "1", "-af", "JobStatus"]) == "3\n"
    });
    assert!(
        !std::path::Path::new(&format!("/proc/{}", pid.trim())).exists(),
        "process {pid} outlived its job"
    );
}

#[test]
fn each_daemon_of_the_pool_says_what_it_counts() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/true\nqueue 2\n");
    pool.ok(&["wait", "1"]);
    let counted = pool.ok(&["status", "-run", "-af", "RecentJobsStarted", "RecentJobsCompleted"]);
    assert_eq!(counted, "2 2\n");
    assert_eq!(pool.ok(&["status", "-master", "-af", "MyType"]), "DaemonMaster\n");
    let slots = pool.ok(&["status", "-negotiator", "-af", "LastNegotiationCycleTotalSlots0"]);
    assert_eq!(slots, pool.ok(&["status", "-collector", "-af", "HostsTotal"]));
    let types = pool.ok(&["status", "-any", "-af", "MyType"]);
    for known in ["Collector", "StartD", "Scheduler", "DaemonMaster", "Negotiator", "Machine"] {
        assert!(types.lines().any(|line| line == known), "{known}: {types}");
    }
    for nothing in ["-grid", "-defrag", "-absent", "-java", "-offline"] {
        assert_eq!(pool.ok(&["status", nothing]), "", "{nothing}");
    }
}

#[test]
fn the_queue_is_shown_from_every_side() {
    let pool = Pool::start(1);
    pool.submit("executable = /bin/sleep\narguments = 600\nlog = job.log\nqueue 2\n");
    pool.submit("executable = /bin/true\nrequirements = Arch == \"PDP11\"\nqueue 2\n");
    pool.submit("executable = /bin/true\nhold = true\nmax_materialize = 3\nqueue 50\n");
    pool.until("1.0", "JobStatus", "2");
    eventually("the schedd knows that no machine suits the second cluster", || {
        pool.ok(&["q", "-unmatchable", "-af", "ClusterId", "ProcId"]) == "2 0\n2 1\n"
    });
    let has = |words: &[&str], expected: &str| {
        let said = pool.ok(&[&["q"], words].concat());
        assert!(said.contains(expected), "q {}: {expected:?} is not in\n{said}", words.join(" "));
    };
    has(&["-factory"], "      3      3      0      0      3      3 Norm");
    // Those that are still to come are not done.
    has(&["3"], "      _      _      _      3     50 3.0-2\n");
    has(&["-hold-codes"], "   15/0         3 ");
    has(&["-group-by", "JobStatus,ClusterId"], "       3 5         3\n");
    has(&["-submitter", "nobody-of-that-name", "-totals"], "Total for query: 0 jobs;");
    has(&["-better-analyze", "2.0"], "[0]           0  (Arch == \"PDP11\")\n");
    has(
        &["-analyze:summary"],
        "\n2.0                    2/2            0           0           1          0         0 ",
    );
    has(&["-reverse-analyze", "1"], "Part            2            2        100\n");
    has(&["-machine", "nosuch", "1"], "Of 0 slots on 0 machines,");
    has(&["-userlog", "job.log", "-nobatch", "-global"], "  1.1 ");
    fs::write(pool.work().join("jobs.json"), pool.ok(&["q", "-json"])).unwrap();
    has(&["-jobads:json", "jobs.json", "-af", "GlobalJobId"], "#2.1#");
}

#[test]
fn history_tells_every_run_and_travels_in_files() {
    let pool = Pool::start(1);
    let job = "executable = /bin/sh\narguments = \"-c 'test -e tried && exit 0; touch tried; exit 3'\"\n\
               should_transfer_files = no\nlog = job.log\nmax_retries = 1\nqueue\n";
    pool.submit(job);
    pool.ok(&["wait", "1"]);
    let runs =
        pool.ok(&["history", "-epochs", "1", "-af", "RunInstanceId", "JobStatus", "ExitCode"]);
    assert_eq!(runs, "2 4 0\n1 1 3\n", "the last run comes first");
    assert_eq!(
        pool.ok(&["history", "-epochs", "-forwards", "-limit", "1", "-af", "ExitCode"]),
        "3\n"
    );
    assert_eq!(pool.ok(&["history", "-extract", "kept"]), "1 ads in kept\n");
    assert_eq!(pool.ok(&["history", "-file", "kept", "-long"]), pool.ok(&["history", "-long"]));
    assert_eq!(pool.ok(&["history", "-search", "kept", "-af", "ClusterId", "ExitCode"]), "1 0\n");
    assert_eq!(
        pool.ok(&["history", "-userlog", "job.log", "-af", "ClusterId", "ExitCode"]),
        "1 0\n"
    );
    assert_eq!(pool.ok(&["history", "-completedsince", "time() - 3600", "-af", "ProcId"]), "0\n");
    assert_eq!(pool.ok(&["history", "-completedsince", "time() + 10", "-af", "ProcId"]), "");
}

#[test]
fn every_command_of_htcondor_is_linked_and_what_is_not_built_says_so_by_name() {
    let pool = Pool::start(1);
    let bin = pool.work().join("names");
    pool.ok(&["links", "install", bin.to_str().unwrap()]);
    for (name, instead) in [
        ("condor_reschedule", "jobs are matched as they come"),
        ("condor_run", "updraft run FILE"),
        ("condor_who", "updraft q -all -run"),
        ("condor_qsub", "updraft qsub"),
        ("condor_ssh_to_job", "updraft tail"),
        ("classad_eval", "updraft classad eval"),
    ] {
        let out = pool.program(&bin.join(name), &["anything"]);
        let said = text(&out);
        let by_name = said.contains(&format!("{name}: not supported yet; instead: "));
        assert!(!out.status.success() && by_name && said.contains(instead), "{said}");
    }
    let linked = fs::read_dir(&bin).unwrap().count();
    assert!(linked > 80, "{linked}");
}

#[test]
fn failed_jobs_are_counted_and_told_wherever_finished_ones_are() {
    let pool = Pool::start(4);
    let description = "executable = /bin/sh\narguments = \"-c 'test $(Process) = 1 || exit 3; sleep 60'\"\nqueue 3\n";
    let cluster = pool.submit(description);
    eventually("two of three have failed", || {
        pool.attribute(&format!("{cluster}.1"), "TotalFailedProcs") == ["2"]
    });
    let table = pool.ok(&["q"]);
    assert!(table.lines().any(|line| line.contains(" DONE FAILED ")), "{table}");
    pool.ok(&["rm", &format!("{cluster}.1")]);
    let waited = pool.updraft(&["wait", &cluster]);
    assert_eq!(waited.status.code(), Some(1), "{}", text(&waited));
    let told = String::from_utf8(waited.stdout).unwrap();
    assert!(
        told.contains(&format!("{cluster}.0, {cluster}.2: ended with exit code 3\n")),
        "{told}"
    );
    let history = pool.ok(&["history", &cluster]);
    assert!(history.lines().next().unwrap().contains(" EXIT "), "{history}");
    assert_eq!(history.matches(" C       3 ").count(), 2, "{history}");
}
