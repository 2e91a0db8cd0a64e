//! Jobs that talk to the submit side: what they may, what they may not, and that what they said is
//! on the record once.

use std::fs;

use crate::harness::{Pool, events, logged, updraft};

/// A job that runs this script in a folder of its own, with `$chirp` before each call.
fn job(pool: &Pool, script: &str, more: &str) -> String {
    let path = pool.work().join("job.sh");
    let chirp = updraft();
    fs::write(path, format!("chirp='{} chirp'\n{script}\n", chirp.display())).unwrap();
    format!(
        "executable = /bin/sh\narguments = job.sh\ntransfer_executable = false\ngetenv = PATH\n\
         should_transfer_files = yes\ntransfer_input_files = job.sh\noutput = out\nerror = err\nlog = log\n\
         {more}\nqueue\n"
    )
}

fn read(pool: &Pool, name: &str) -> String {
    fs::read_to_string(pool.work().join(name)).unwrap_or_default()
}

#[test]
fn a_job_sets_and_reads_attributes_logs_a_text_and_copies_files() {
    let pool = Pool::start(1);
    fs::write(pool.work().join("table"), "three\n").unwrap();
    let script = "set -e
        $chirp set_job_attr Progress '40 + 2'
        $chirp set_job_attr_delayed ChirpStage '\"second\"'
        $chirp get_job_attr Progress
        $chirp get_job_attr_delayed ChirpStage
        $chirp get_job_attr NoSuchThing
        $chirp get_job_attr ProcId
        $chirp ulog 'half of it is done'
        $chirp fetch table mine
        $chirp fetch table -
        echo four >> mine
        $chirp put -perm 600 mine result
        echo five | $chirp put -mode wa - result
        echo six | $chirp put -mode wcx - new
        $chirp put mine gone; $chirp access gone rw; $chirp remove gone
        $chirp link -s result other; $chirp chmod new 640; $chirp truncate new 2
        $chirp getdir . | grep -c -e '^result$' -e '^new$'
        ls -a | grep chirp; echo $_CHIRP_DELAYED_UPDATE_PREFIX";
    pool.submit(&job(&pool, script, "want_io_proxy = true"));
    pool.until("1.0", "JobStatus", "4");
    assert_eq!(read(&pool, "err"), "");
    let said = "40 + 2\n\"second\"\nUNDEFINED\n0\nthree\n2\n.chirp.config\nChirp*\n";
    assert_eq!(read(&pool, "out"), said);
    assert_eq!(pool.attribute("1.0", "ExitCode"), ["0"]);
    assert_eq!(pool.attribute("1.0", "Progress"), ["42"]);
    assert_eq!(pool.attribute("1.0", "ChirpStage"), ["second"]);
    assert_eq!(read(&pool, "result"), "three\nfour\nfive\n");
    assert_eq!(read(&pool, "other"), "three\nfour\nfive\n");
    assert_eq!(read(&pool, "new"), "si");
    assert!(!pool.work().join("gone").exists());
    assert!(!pool.work().join(".chirp.config").exists(), "it is ours, and does not come back");
    logged(&pool.work().join("log"), "005", 1);
    let log = read(&pool, "log");
    assert_eq!(events(&pool.work().join("log"), "008"), 1, "{log}");
    assert!(log.contains("half of it is done"), "{log}");
    assert!(pool.ok(&["events", "1.0"]).contains("says: half of it is done"));
}

#[test]
fn a_job_is_refused_what_it_may_not() {
    let pool = Pool::start(1);
    fs::write(pool.work().join("kept"), "kept\n").unwrap();
    // The last call is as if another run had been left behind.
    let script = "cp .chirp.config mine
        for words in 'set_job_attr Owner \"root\"' 'set_job_attr_delayed Progress 1' 'get_job_attr_delayed Owner' \\
            'put -mode wcx job.sh kept' 'fetch missing job.sh' 'remove missing' 'phase x' 'stat kept' 'nonsense'
        do $chirp $words 2>> said && echo allowed: $words; done
        $chirp ulog 'two
lines' 2>> said && echo allowed: ulog
        sed 's/\"attempt\":1/\"attempt\":7/' mine > other
        _CONDOR_CHIRP_CONFIG=other $chirp set_job_attr Late 1 2>> said && echo allowed: late
        exit 0";
    pool.submit(&job(&pool, script, "want_io_proxy = true\ntransfer_output_files = said"));
    pool.until("1.0", "JobStatus", "4");
    assert_eq!(read(&pool, "out"), "");
    assert_eq!(read(&pool, "kept"), "kept\n");
    let said = read(&pool, "said");
    for part in [
        "attribute Owner is kept by the schedd; a job cannot set it",
        "attribute Progress cannot be read or set late: its name would have to begin with Chirp",
        "attribute Owner cannot be read or set late",
        "kept: File exists",
        "missing: No such file",
        "phase: not supported yet",
        "stat: not supported yet",
        "there is no command nonsense",
        "log a text of several lines",
        "run 7 of job 1.0 is over",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    assert_eq!(pool.attribute("1.0", "Late"), ["undefined"]);
    logged(&pool.work().join("log"), "005", 1);
    assert_eq!(events(&pool.work().join("log"), "008"), 0);

    // Without the line in its description a job is told what to add.
    pool.submit(&job(&pool, "$chirp get_job_attr ProcId; echo $? $_CONDOR_CHIRP_CONFIG", ""));
    pool.until("2.0", "JobStatus", "4");
    assert_eq!(read(&pool, "out"), "1\n");
    assert!(read(&pool, "err").contains("want_io_proxy = true"), "{}", read(&pool, "err"));
    let outside = pool.updraft(&["chirp", "get_job_attr", "ProcId"]);
    assert_eq!(outside.status.code(), Some(1));
}

#[test]
fn what_a_job_said_is_there_once_whatever_dies() {
    let pool = Pool::start(1);
    let script = "for n in 1 2 3 4 5 6; do
            $chirp ulog \"step $n\" && $chirp set_job_attr Step $n || exit 1
            touch done.$n; while ! $chirp access go.$n f 2> /dev/null; do sleep 0.02; done
        done";
    pool.submit(&job(&pool, script, "want_io_proxy = true"));
    for n in 1..=6 {
        let step = format!("{n}");
        pool.until("1.0", "Step", &step);
        if n % 2 == 0 {
            pool.kill_and_see_it_return("schedd");
        }
        if n == 3 {
            pool.kill_and_see_it_return("startd");
        }
        fs::write(pool.work().join(format!("go.{n}")), "").unwrap();
    }
    pool.until("1.0", "JobStatus", "4");
    assert_eq!(pool.attribute("1.0", "ExitCode"), ["0"], "{}", read(&pool, "err"));
    let log = pool.work().join("log");
    logged(&log, "005", 1);
    let text = read(&pool, "log");
    for n in 1..=6 {
        assert_eq!(text.matches(&format!("step {n}\n")).count(), 1, "{text}");
    }
    assert_eq!(events(&log, "008"), 6);
}
