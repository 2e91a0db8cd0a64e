//! The everyday commands against a pool, under our names and HTCondor's.

use std::fs;

use crate::harness::{Pool, eventually, logged, text};

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
    logged(&pool.work().join("job.log"), "005", 1);
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
    for (name, instead) in [("condor_top", "updraft status"), ("condor_now", "updraft prio")] {
        let out = pool.program(&bin.join(name), &["anything"]);
        let said = text(&out);
        let by_name = said.contains(&format!("{name}: not supported yet; instead: "));
        assert!(!out.status.success() && by_name && said.contains(instead), "{said}");
    }
    let linked = fs::read_dir(&bin).unwrap().count();
    assert!(linked > 80, "{linked}");
}

#[test]
fn who_waits_for_a_factory_waits_for_the_jobs_that_are_still_to_come() {
    let pool = Pool::start(2);
    let id = pool.submit("executable = /bin/sleep\narguments = 0.2\nmax_idle = 1\nqueue 7\n");
    let said = pool.ok(&["wait", &id]);
    assert!(said.contains("0-6"), "{said}");
    assert_eq!(pool.ok(&["q", "-af", "ProcId"]), "");
}

#[test]
fn condor_qsub_submits_scripts_arrays_and_jobs_that_wait_for_others() {
    let pool = Pool::start(2);
    let bin = pool.work().join("names");
    pool.ok(&["links", "install", bin.to_str().unwrap()]);
    // It lasts until the other waits for it: one that has left before would be no dependency.
    let go = pool.work().join("go");
    let waits = format!("until test -e '{}'; do sleep 0.05; done", go.display());
    let script = format!("#!/bin/sh\n#$ -N named\n{waits}\necho task $SGE_TASK_ID $1\n");
    fs::write(pool.work().join("j.sh"), script).unwrap();
    let qsub = |words: &[&str]| text(&pool.program(&bin.join("condor_qsub"), words));
    let said = qsub(&["-t", "1-2", "j.sh", "x"]);
    assert!(said.contains("Your job 1 (\"named\") has been submitted\n"), "{said}");
    let said = qsub(&["-hold_jid", "1", "-N", "after", "-b", "y", "cat", "named.o1.*"]);
    assert!(said.contains("Your job 2 (\"after\") has been submitted\n"), "{said}");
    fs::write(&go, "").unwrap();
    let said = qsub(&["-hold_jid", "99", "j.sh"]);
    assert!(said.contains("Job dependency 99 doesn't exist"), "{said}");
    pool.ok(&["wait", "2"]);
    let after = fs::read_to_string(pool.work().join("after.o2")).unwrap();
    assert_eq!(after, "task 1 x\ntask 2 x\n");
    let said = qsub(&["-h", "j.sh"]);
    assert!(said.contains("Your job 3 (\"named\") has been submitted\n"), "{said}");
    assert_eq!(pool.attribute("3.0", "JobStatus"), ["5"], "-h holds it");
}

#[test]
fn failed_jobs_are_counted_and_told_wherever_finished_ones_are() {
    let pool = Pool::start(4);
    let description = "executable = /bin/sh\narguments = \"-c 'test $(Process) = 1 || exit 3; sleep 600'\"\nqueue 3\n";
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

#[test]
fn submit_says_at_once_what_can_never_run_and_which_folder_is_missing_and_strict_refuses_it() {
    let pool = Pool::start(1);
    eventually("the machine is known", || !pool.ok(&["status", "-af", "Name"]).is_empty());
    let large = "executable = /bin/true\nrequest_memory = 9TB\nqueue\n";
    let no_folder = "executable = /bin/true\noutput = nowhere/$(Process)/out\nqueue 5\n";
    for (description, said) in [
        (
            large,
            "warning: job 1.0, never: it asks for Memory = 9437184 (9216 GB), and the largest suitable slot",
        ),
        (no_folder, "warning: the folder of job 3.0's output is not there: "),
    ] {
        fs::write(pool.work().join("job.sub"), description).unwrap();
        let warned = text(&pool.updraft(&["submit", "job.sub"]));
        assert!(warned.starts_with("exit status: 0") && warned.contains(said), "{warned}");
        let strict = text(&pool.updraft(&["submit", "--strict", "job.sub"]));
        assert!(strict.starts_with("exit status: 1") && strict.contains("error: "), "{strict}");
    }
    assert_eq!(
        pool.ok(&["q", "-af", "ClusterId"]).lines().filter(|id| *id != "1" && *id != "3").count(),
        0
    );
    // cases/log-dir-missing
    let cluster = pool.submit("executable = /bin/true\nlog = new/deep/job.$(Cluster).log\nqueue\n");
    let log = pool.work().join(format!("new/deep/job.{cluster}.log"));
    logged(&log, "000", 1);
}

#[test]
fn a_failed_job_is_shown_on_one_page_and_done_again_and_one_that_ended_well_is_not() {
    let pool = Pool::start(2);
    let script = "-c 'echo no luck >&2; test $(Process) = 1 || test -e now'";
    let cluster = pool.submit(&format!(
        "executable = /bin/sh\narguments = \"{script}\"\nerror = err.$(Process)\nqueue 3\n"
    ));
    assert_eq!(pool.updraft(&["wait", &cluster]).status.code(), Some(1));
    let page = pool.ok(&["show", &cluster]);
    for told in ["failed, ended with exit code 1", "updraft retry 1.0", "  no luck\n", "Memory"] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&pool.ok(&["show", "1.1", "--json"])).unwrap();
    assert_eq!((&json["state"], &json["stderr"][0]), (&"done".into(), &"no luck".into()));
    fs::write(pool.work().join("now"), "").unwrap();
    let retried = pool.ok(&["retry", &cluster, "--failed"]);
    assert_eq!(retried, "1.0 is submitted again as 2.0\n1.2 is submitted again as 2.1\n");
    assert_eq!(pool.ok(&["wait", "2"]), "2.0-1: ended with exit code 0\n");
    let mut of = pool.attribute("2", "RetryOf");
    of.sort_unstable();
    assert_eq!(of, ["1.0", "1.2"]);
    assert_eq!(pool.updraft(&["retry", "2", "--failed"]).status.code(), Some(1));
}

#[test]
fn commands_of_htcondor_for_a_shell_for_a_machine_and_for_expressions_do_what_they_do_there() {
    let pool = Pool::start(2);
    let bin = pool.work().join("bin");
    pool.ok(&["links", "install", bin.to_str().unwrap()]);
    let program = |name: &str, words: &[&str]| pool.program(&bin.join(name), words);
    let ran = program("condor_run", &["echo out; echo err >&2; pwd;", "exit 4"]);
    let here = pool.work().canonicalize().unwrap();
    assert_eq!(ran.status.code(), Some(4), "{}", text(&ran));
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), format!("out\n{}\n", here.display()));
    assert_eq!(String::from_utf8(ran.stderr).unwrap(), "err\n");
    let left = fs::read_dir(pool.work()).unwrap().flatten();
    assert!(
        left.into_iter().all(|file| !file.file_name().to_string_lossy().starts_with(".condor_"))
    );
    let asked = program("condor_reschedule", &[]);
    assert_eq!(
        String::from_utf8(asked.stdout).unwrap(),
        "Sent \"Reschedule\" command to local schedd\n"
    );
    assert_eq!(program("condor_who", &[]).stdout, b"", "nothing runs");
    let cluster = pool.submit("executable = /bin/sleep\narguments = 600\nqueue\n");
    pool.until(&format!("{cluster}.0"), "NumJobStarts", "1");
    let who = String::from_utf8(program("condor_who", &[]).stdout).unwrap();
    assert!(who.contains(&format!(" {cluster}.0 ")) && who.ends_with(" /bin/sleep\n"), "{who}");
    let pid = who.split_whitespace().rev().nth(1).unwrap();
    let runs = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    assert_eq!(runs, "sleep\n", "{who}");
    pool.ok(&["rm", &cluster]);
    let value = program("classad_eval", &["a = 2", "a * 3"]);
    assert_eq!(String::from_utf8(value.stdout).unwrap(), "[ a = 2 ]\n6\n");
}

#[test]
fn links_and_condor_config_lead_to_the_pool_where_nothing_else_does() {
    let pool = Pool::start(1);
    let bin = pool.work().join("bin");
    pool.ok(&["links", "install", bin.to_str().unwrap()]);
    let cluster = pool.submit("executable = /bin/true\nhold = true\nqueue\n");
    let config = pool.home().join("config");
    let asked = |path: &str, config: Option<&std::path::Path>| {
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", "condor_q -all -af ClusterId"]).env_clear().env("PATH", path);
        if let Some(config) = config {
            command.env("CONDOR_CONFIG", config);
        }
        text(&command.output().unwrap())
    };
    let linked = format!("{}:/bin:/usr/bin", bin.display());
    let found = format!("exit status: 0\n{cluster}\n");
    assert_eq!(asked(&linked, None), found);
    fs::remove_file(bin.join(".updraft-pool")).unwrap();
    assert_ne!(asked(&linked, None), found);
    assert_eq!(asked(&linked, Some(&config)), found);
}

#[test]
fn what_names_nothing_is_told_and_a_job_that_has_left_is_answered_from_history() {
    let pool = Pool::start(1);
    let job =
        pool.submit("executable = /bin/sh\narguments = \"-c 'exit 3'\"\noutput = out\nqueue\n");
    pool.until(&job, "ExitCode", "3");
    let said = |words: &[&str], code: i32| {
        let out = pool.updraft(words);
        assert_eq!(out.status.code(), Some(code), "{words:?}: {}", text(&out));
        text(&out)
    };
    assert_eq!(pool.ok(&["q", &job, "-af", "ExitCode"]), "3\n");
    let json: serde_json::Value = serde_json::from_str(&pool.ok(&["q", &job, "--json"])).unwrap();
    assert_eq!(json[0]["ExitCode"], 3);
    assert!(said(&["q", "-better-analyze", &job], 0).contains("with exit code 3"));
    assert!(said(&["release", &job], 1).contains("1.0 finished"));
    assert!(said(&["tail", &job], 1).contains("what it wrote is in "));
    for words in [&["q", "1-5"][..], &["history", "nobody-of-that-name"], &["events", "999"]] {
        said(words, 1);
    }
    assert!(said(&["q", "1,2"], 1).contains("several are: 1 2"));
    said(&["q", &job, "999"], 0);
    assert!(said(&["q", "-totals", "--json"], 1).contains("-totals is a table of its own"));
    assert!(said(&["dag", "status", "f.dag"], 1).contains("f.dag is neither the number"));
    assert!(said(&["qsub", "--help"], 0).contains("usage: qsub"));
    fs::write(pool.work().join("x.dag"), "JOB A a.sub\n").unwrap();
    assert!(said(&["submit", "x.dag"], 1).contains("updraft submit_dag x.dag"));
    let never = "executable = /bin/true\nrequest_cpus = 99\nqueue\n";
    fs::write(pool.work().join("never.sub"), never).unwrap();
    let explained = said(&["submit", "--explain", "never.sub"], 0);
    assert!(explained.contains("0 of 1 slot would take it now; never: "), "{explained}");
    assert!(explained.contains("OMP_NUM_THREADS"), "{explained}");
    let json = pool.ok(&["submit", "--explain", "--json", "never.sub"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["clusters"][0]["argv"][0], "/bin/true");
}
