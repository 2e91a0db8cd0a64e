//! The jobs that run workflows: what they are told by the DAG's own files and by
//! `condor_submit_dag`'s options, as the real one's are.

use std::fs;

use crate::dag::{exit_of, said, script, submit, write};
use crate::harness::Pool;

/// As the real one describes it, also one that is written while the DAG around it runs.
#[test]
fn what_a_sub_dag_s_file_says_of_its_job_holds_for_it_and_what_is_said_around_it_too() {
    let pool = Pool::start(2);
    let folder = pool.work().join("in");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("own.conf"), "DAGMAN_MAX_JOBS_IDLE = 7\n").unwrap();
    write(&pool, "outer.conf", "DAGMAN_MAX_JOBS_IDLE = 9\n");
    write(&pool, "true.sub", "executable = /bin/true\nqueue\n");
    write(&pool, "in/true.sub", "executable = /bin/true\nqueue\n");
    script(
        &pool,
        "in/write.sh",
        "#!/bin/sh\nprintf 'JOB X true.sub\\nCONFIG own.conf\\nENV SET IN=in;TWO=2 3\\nENV GET LOOK OUT\\nSET_JOB_ATTR Kind = 3 + 4\\n' > own.dag\n",
    );
    write(&pool, "plain.dag", "JOB Y true.sub\n");
    write(&pool, "wrong.dag", "JOB Z true.sub\nENV SET NOTHING\n");
    write(
        &pool,
        "outer.dag",
        "SUBDAG EXTERNAL A own.dag DIR in\nSCRIPT PRE A write.sh\nSUBDAG EXTERNAL B plain.dag\n\
         SUBDAG EXTERNAL C wrong.dag\nENV SET TOP=1\nCONFIG outer.conf\nSET_JOB_ATTR Outer = 1\n",
    );
    let job = submit(&pool, &["outer.dag"]);
    assert_eq!(exit_of(&pool, &job), "1", "C is wrong: {}", said(&pool));
    let read = |name: &str| fs::read_to_string(pool.work().join(name)).unwrap();
    let own = folder.join("own.conf");
    let check = |name: &str, parts: &[&str], not: &[&str]| {
        let text = read(name);
        for part in parts {
            assert!(text.contains(part), "{name} has {part}: {text}");
        }
        for part in not {
            assert!(!text.contains(part), "{name} has no {part}: {text}");
        }
    };
    check(
        "in/own.dag.condor.sub",
        &[
            ",BEARER_TOKEN_FILE,LOOK,OUT\n",
            "-include_env LOOK,OUT -insert_env TOP=1 -insert_env IN=in;TWO=2' '3 -update_submit\"\n",
            "\"IN=in TOP=1 TWO=2' '3 ",
            &format!(" _CONDOR_DAGMAN_CONFIG_FILE={} ", own.display()),
            "\nMy.Kind = 3 + 4\nqueue\n",
        ],
        &["Outer"],
    );
    check("plain.dag.condor.sub", &["\"TOP=1 ", "-insert_env TOP=1 -up"], &["Kind", "IN=in"]);
    let idle = |most: u32| format!("Maximum Idle Jobs-------------: {most}\n");
    check("in/own.dag.dagman.out", &[&idle(7)], &[]);
    check("plain.dag.dagman.out", &[&idle(9)], &[]);
    check("outer.dag.dagman.out", &[&idle(9), "wrong.dag:2", "NOTHING is no NAME=VALUE"], &[]);
}

#[test]
fn numbers_of_condor_submit_dag_are_the_digits_that_they_begin_with() {
    let pool = Pool::start(1);
    write(&pool, "a.dag", "JOB A a.sub\n");
    let arguments = |words: &[&str]| {
        let words = [&["condor_submit_dag", "-no_submit", "-update_submit"], words, &["a.dag"]];
        let done = pool.updraft(&words.concat());
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let text = fs::read_to_string(pool.work().join("a.dag.condor.sub")).unwrap_or_default();
        let of_dag = text.lines().find(|line| line.starts_with("arguments")).unwrap_or_default();
        (done.status.code(), said.lines().next().unwrap_or_default().to_owned(), of_dag.to_owned())
    };
    for (words, given) in [
        (&["-maxidle", "-3", "-maxjobs", "5x"][..], "-Dag a.dag -MaxJobs 5 -CsdVersion"),
        (&["-maxpre", "3.5", "-priority", "-2"], "-Dag a.dag -MaxPre 3 -CsdVersion"),
        (&["-priority", "-2"], "$ -Priority -2 -dagman"),
        (&["-autorescue", "-1"], "-AutoRescue 1 -update_submit\""),
    ] {
        let (code, said, text) = arguments(words);
        assert!(code == Some(0) && text.contains(given), "{words:?}: {code:?} {said} {text}");
    }
    for (words, why) in [
        (
            &["-maxidle", "99999999999"][..],
            "Error: -maxidle (-MaxIdle) additional argument required to be a integer",
        ),
        (&["-debug", "x"], "Error: -debug (-Debug) additional argument required to be a integer"),
        (&["-dorescuefrom", "-2"], "-DoRescueFrom value must be non-negative; aborting."),
    ] {
        let (code, said, _) = arguments(words);
        assert_eq!((code, said.as_str()), (Some(1), why), "{words:?}");
    }
    let ours = pool.updraft(&["submit_dag", "-no_submit", "-maxidle", "-3", "a.dag"]);
    let said = String::from_utf8_lossy(&ours.stderr).into_owned();
    assert_eq!(said, "updraft submit_dag: --maxidle wants a number from 0 on\n");
}
