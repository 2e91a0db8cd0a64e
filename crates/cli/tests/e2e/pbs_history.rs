//! Deleting of jobs with their history (`qdel -x`), and of what can never run.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::harness::{Pool, eventually, signal, updraft};
use crate::pbs::{full, number, run, submit, until};

/// Whether nobody knows the job any more.
fn is_unknown(pool: &Pool, id: &str) -> bool {
    pool.updraft(&["qstat", "-x", id]).status.code() == Some(153)
}

#[test]
fn a_job_whose_history_is_deleted_is_unknown_to_pbs_and_is_still_accounted_for() {
    let pool = Pool::start(2);
    let id = submit(&pool, &["-N", "gone"], "exit 3");
    until(&pool, &id, "F");
    run(&pool, 0, &["qdel", "-x", &id]);
    assert!(is_unknown(&pool, &id));
    assert!(!run(&pool, 0, &["qstat", "-x"]).contains(&id));
    assert!(!run(&pool, 0, &["qselect", "-x"]).contains(&id));
    run(&pool, 153, &["qdel", "-x", &id]);

    let books = pool.work().join("books");
    run(&pool, 0, &["pbs_accounting", "-d", books.to_str().unwrap()]);
    let day = std::fs::read_dir(&books).unwrap().flatten();
    let day = day.map(|entry| entry.path()).find(|path| path.to_str().unwrap().contains("/2"));
    let said = std::fs::read_to_string(day.unwrap()).unwrap();
    let ended = said.lines().find(|line| line.contains(&format!(";E;{id};"))).unwrap_or_default();
    assert!(ended.contains("jobname=gone") && ended.contains("Exit_status=3"), "{said}");
    assert!(pool.ok(&["history", number(&id)]).contains(number(&id)), "others know it");

    let late = submit(&pool, &["-W", &format!("depend=afterok:{id}")], "true");
    eventually("what depends on it is ended with a reason", || {
        full(&pool, &late)["comment"].to_string().contains("can never be")
    });
}

#[test]
fn what_runs_or_waits_is_deleted_first_and_an_array_goes_as_a_whole() {
    let pool = Pool::start(2);
    let runs = submit(&pool, &[], "sleep 600");
    until(&pool, &runs, "R");
    let waits = submit(&pool, &["-h"], "true");
    let array = submit(&pool, &["-J", "0-4"], "test $PBS_ARRAY_INDEX = 0 || sleep 600");
    eventually("a subjob is over", || {
        run(&pool, 0, &["qstat", "-t", &array]).lines().any(|line| line.contains(" X "))
    });
    run(&pool, 0, &["qdel", "-x", &runs, &waits, &array]);
    for id in [&runs, &waits, &array] {
        eventually("its history is gone", || is_unknown(&pool, id));
    }
    assert_eq!(run(&pool, 0, &["qstat", "-x", "-t"]), "");
    let over = submit(&pool, &["-J", "0-2"], "true");
    until(&pool, &over, "F");
    let one = over.replace("[]", "[1]");
    run(&pool, 35, &["qdel", "-x", &one]);
    assert!(!is_unknown(&pool, &over), "a subjob does not go alone");
}

#[test]
fn a_job_that_can_never_run_does_not_begin_meanwhile() {
    let pool = Pool::start(2);
    let first = submit(&pool, &["-h"], "true");
    let script = "echo begun > begun";
    let id = submit(&pool, &["-W", &format!("depend=beforeok:{first}")], script);
    until(&pool, &id, "F");
    let job = full(&pool, &id);
    assert!(job["comment"].to_string().contains("does not wait for others"), "{job}");
    assert_eq!(job.get("Exit_status"), None, "{job}");
    assert!(!pool.work().join("begun").exists());
}

#[test]
fn who_ends_the_waiting_for_a_job_has_it_deleted() {
    let pool = Pool::start(1);
    let words = ["-W", "block=true", "--", "/bin/sleep", "600"];
    let mut command = pool.command(&updraft(), &["qsub"]);
    let command = command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut waiting = command.spawn().unwrap();
    let mut said = BufReader::new(waiting.stdout.take().unwrap());
    let mut id = String::new();
    said.read_line(&mut id).unwrap();
    let id = id.trim();
    until(&pool, id, "R");
    signal(i64::from(waiting.id()), "TERM");
    let out = waiting.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, format!("Job {id} is being deleted\n"));
    let wrong = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(wrong, format!("qsub: wait for job {id} interrupted by signal 15\n"));
    until(&pool, id, "F");
    assert_eq!(full(&pool, id)["Exit_status"], 271);
}
