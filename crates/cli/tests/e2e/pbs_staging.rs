//! Files that are staged in and out: at a job's own end, and whatever else ends a run of it.

use std::fs;
use std::path::Path;

use crate::harness::{Pool, eventually};
use crate::pbs::{full, number, run, submit, until, written};

#[test]
fn files_are_staged_in_and_out_and_a_private_folder_is_gone_at_the_end() {
    let pool = Pool::start(1);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim().split('.').next().unwrap();
    let (given, made) = (pool.work().join("given"), pool.work().join("made"));
    fs::create_dir(&given).unwrap();
    fs::write(given.join("a"), "from outside\n").unwrap();
    let stage_in = format!("stagein=here@{host}:{}", given.display());
    let stage_out = format!("stageout=result@localhost:{}", made.display());
    let words = ["-W", "sandbox=PRIVATE", "-W", &stage_in, "-W", &stage_out, "-j", "oe"];
    let id = submit(&pool, &words, "cat here/a > result; pwd; test $PWD = $PBS_JOBDIR && echo own");
    until(&pool, &id, "F");
    let job = full(&pool, &id);
    assert_eq!(job["Exit_status"], 0);
    assert_eq!((&job["sandbox"], &job["stagein"]), (&"PRIVATE".into(), &stage_in[8..].into()));
    assert_eq!(fs::read_to_string(&made).unwrap(), "from outside\n");
    assert!(given.join("a").exists(), "what is brought from stays");
    let said = written(&pool, &format!("STDIN.o{}", number(&id)));
    let (folder, own) = said.split_once('\n').unwrap();
    assert_eq!(own, "own\n");
    eventually("its folder is gone", || !Path::new(folder).exists());

    let missing = format!("stagein=x@{host}:/no/such/file");
    let held = submit(&pool, &["-W", &missing, "-j", "oe"], "echo ran");
    until(&pool, &held, "H");
    let said = written(&pool, &format!("STDIN.o{}", number(&held)));
    assert!(said.starts_with("pbs: cannot stage in /no/such/file to "), "{said}");
    assert!(!said.contains("ran"), "{said}");
    run(&pool, 0, &["qdel", &held]);

    let nowhere = format!("stageout=result@{host}:/dev/null/x");
    let words = ["-W", "sandbox=PRIVATE", "-W", &nowhere, "-j", "oe"];
    let id = submit(&pool, &words, "echo kept > result");
    until(&pool, &id, "F");
    let said = written(&pool, &format!("STDIN.o{}", number(&id)));
    let kept = said.rsplit("it is kept in ").next().unwrap().trim();
    assert_eq!(fs::read_to_string(Path::new(kept).join("result")).unwrap(), "kept\n");
    fs::remove_dir_all(kept).unwrap();
}

/// A job that makes a result, counts its runs, and sleeps: its file and its folder come from
/// outside.
fn sleeper(pool: &Pool, more: &[&str]) -> String {
    let given = pool.work().join("given");
    fs::create_dir_all(&given).unwrap();
    fs::write(given.join("a"), "from outside\n").unwrap();
    let work = pool.work().display().to_string();
    let stage_in = format!("stagein={work}/here@localhost:{}", given.display());
    let stage_out = format!("stageout={work}/*.result@localhost:{work}/out");
    let mut words = vec!["-W", &stage_in, "-W", &stage_out, "-r", "y", "-j", "oe", "-o", "told"];
    words.extend(more);
    let script = format!(
        "cd {work}; ls *.result; echo run >> runs; cp here/a 1.result; touch ready; sleep 600"
    );
    submit(pool, &words, &script)
}

/// Its result is there, and what was copied is taken away.
fn brought_out(pool: &Pool) {
    eventually("its result is brought out", || {
        written(pool, "out/1.result") == "from outside\n" && !is_there(pool, "here")
    });
    assert!(!is_there(pool, "1.result"));
    assert!(is_there(pool, "given/a"), "what it came from stays");
}

fn is_there(pool: &Pool, name: &str) -> bool {
    pool.work().join(name).exists()
}

/// The job has made its result; it makes it known again the next time.
fn ready(pool: &Pool) {
    eventually("it has made its result", || is_there(pool, "ready"));
    fs::remove_file(pool.work().join("ready")).unwrap();
}

#[test]
fn what_a_job_has_made_comes_out_whatever_ends_it_and_comes_in_anew_for_each_run() {
    let pool = Pool::start(1);
    let id = sleeper(&pool, &[]);
    ready(&pool);
    assert!(is_there(&pool, "here/a") && !is_there(&pool, "out"));
    run(&pool, 0, &["qrerun", &id]);
    ready(&pool);
    assert_eq!(written(&pool, "runs"), "run\nrun\n");
    assert_eq!(written(&pool, "out/1.result"), "from outside\n");
    fs::remove_dir_all(pool.work().join("out")).unwrap();
    assert!(is_there(&pool, "here/a"), "it came in again");
    run(&pool, 0, &["qdel", &id]);
    brought_out(&pool);
    eventually("it has ended", || full(&pool, &id)["Exit_status"] == 271);
}

#[test]
fn a_walltime_that_is_over_brings_results_out_and_a_deletion_by_force_waits_for_none() {
    let pool = Pool::start(1);
    let id = sleeper(&pool, &["-l", "walltime=600"]);
    ready(&pool);
    run(&pool, 0, &["qalter", "-l", "walltime=1", &id]);
    brought_out(&pool);
    eventually("it has ended", || full(&pool, &id)["Exit_status"] == -29);

    let id = sleeper(&pool, &[]);
    ready(&pool);
    run(&pool, 0, &["qdel", "-W", "force", &id]);
    assert_eq!(full(&pool, &id)["job_state"], "F", "whatever was brought out by then");
}

/// A job whose result goes where whoever writes waits for ever: nobody reads the FIFO.
fn hanging(pool: &Pool, more: &[&str], script: &str) -> String {
    let work = pool.work().display().to_string();
    let fifo = format!("{work}/fifo");
    if !is_there(pool, "fifo") {
        nix::unistd::mkfifo(fifo.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    let stage_out = format!("stageout=result@localhost:{fifo}");
    let mut words = vec!["-W", "sandbox=PRIVATE", "-W", &stage_out, "-j", "oe", "-o", "told"];
    words.extend(more);
    submit(pool, &words, &format!("echo kept > result; touch {work}/ready; {script}"))
}

/// What was not staged out in time, and is kept.
fn kept_in_time(pool: &Pool, id: &str, status: i32) {
    until(pool, id, "F");
    let job = full(pool, id);
    assert_eq!((&job["Exit_status"], &job["Stageout_status"]), (&status.into(), &0.into()));
    let said = written(pool, "told");
    assert!(said.contains("it took longer than STAGE_OUT_TIMEOUT allows"), "{said}");
    let kept = said.rsplit("it is kept in ").next().unwrap().trim();
    assert_eq!(fs::read_to_string(Path::new(kept).join("result")).unwrap(), "kept\n");
    fs::remove_dir_all(kept).unwrap();
    fs::remove_file(pool.work().join("told")).unwrap();
}

#[test]
fn what_hangs_while_it_is_staged_out_has_a_limit_whatever_has_ended_the_job() {
    let pool = Pool::start_with_config(1, "STAGE_OUT_TIMEOUT = 1\n");
    let id = hanging(&pool, &[], "exit 3");
    kept_in_time(&pool, &id, 3);
    ready(&pool);
    let id = hanging(&pool, &["-l", "walltime=600"], "sleep 600");
    ready(&pool);
    run(&pool, 0, &["qalter", "-l", "walltime=1", &id]);
    kept_in_time(&pool, &id, -29);
    let id = hanging(&pool, &[], "sleep 600");
    ready(&pool);
    run(&pool, 0, &["qdel", &id]);
    kept_in_time(&pool, &id, 271);
}

#[test]
fn a_job_whose_results_are_being_staged_out_is_exiting() {
    let pool = Pool::start(1);
    let id = hanging(&pool, &[], "exit 3");
    until(&pool, &id, "E");
    assert_eq!(full(&pool, &id)["substate"], 51);
    assert!(run(&pool, 0, &["qstat"]).contains(" E workq"));
    assert_eq!(run(&pool, 0, &["qselect", "-s", "E"]).trim(), id);
    let counts = run(&pool, 0, &["qstat", "-Qf", "workq"]);
    assert!(counts.contains("Running:0 Exiting:1"), "{counts}");
    run(&pool, 0, &["qdel", "-W", "force", &id]);
    until(&pool, &id, "F");
}

#[test]
fn nothing_but_force_ends_what_is_being_staged_out() {
    let pool = Pool::start(1);
    let id = hanging(&pool, &[], "sleep 600");
    ready(&pool);
    run(&pool, 0, &["qdel", &id]);
    until(&pool, &id, "E");
    let here = pool.work().display().to_string();
    let copies = || {
        let of_here = |process: &fs::DirEntry| {
            let line = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            line.starts_with("/bin/cp\0") && line.contains(&here)
        };
        let all = fs::read_dir("/proc").unwrap().flatten().filter(of_here);
        all.map(|process| process.file_name()).collect::<Vec<_>>()
    };
    eventually("it is being staged out", || copies().len() == 1);
    let before = copies();
    run(&pool, 0, &["qdel", &id]);
    assert_eq!(copies(), before);
    run(&pool, 0, &["qdel", "-W", "force", &id]);
    assert_eq!(full(&pool, &id)["Stageout_status"], 0);
    eventually("the copying is over", || copies().is_empty());
    let next = submit(&pool, &[], "exit 0");
    until(&pool, &next, "F");
}

#[test]
fn a_job_that_was_deleted_is_exiting_until_its_run_is_over_or_it_is_deleted_by_force() {
    let pool = Pool::start(1);
    let script = "trap '' TERM; touch ready; while :; do sleep 1; done";
    let id = submit(&pool, &["-W", "sandbox=O_WORKDIR"], script);
    ready(&pool);
    run(&pool, 0, &["qdel", &id]);
    until(&pool, &id, "E");
    assert!(run(&pool, 0, &["qstat"]).contains(" E workq"));
    run(&pool, 0, &["qdel", "-W", "force", &id]);
    until(&pool, &id, "F");
}
