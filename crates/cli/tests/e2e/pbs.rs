//! PBS's commands against a pool: the examples of the book, and what real clients call and read.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::{Pool, eventually, text, updraft};

fn stdout(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Runs a command, which must end with this code, and gives its standard output.
pub(crate) fn run(pool: &Pool, code: i32, words: &[&str]) -> String {
    let out = pool.updraft(words);
    assert_eq!(out.status.code(), Some(code), "{}: {}", words.join(" "), text(&out));
    stdout(&out)
}

/// Submits a script from standard input, and gives the job's identifier.
pub(crate) fn submit(pool: &Pool, options: &[&str], script: &str) -> String {
    let mut command = pool.command(&updraft(), &["qsub"]);
    command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "qsub {}: {}", options.join(" "), text(&out));
    stdout(&out).trim().to_owned()
}

/// The attributes of a job, finished or not.
pub(crate) fn full(pool: &Pool, id: &str) -> Value {
    let out = run(pool, 0, &["qstat", "-x", "-f", "-F", "json", id]);
    let all: Value = serde_json::from_str(&out).unwrap();
    let (_, job) = all["Jobs"].as_object().unwrap().iter().next().unwrap();
    job.clone()
}

pub(crate) fn until(pool: &Pool, id: &str, state: &str) {
    eventually(&format!("job {id} is {state}"), || full(pool, id)["job_state"] == state);
}

pub(crate) fn number(id: &str) -> &str {
    id.split(['.', '[']).next().unwrap()
}

/// What a job has written to a file of its submit folder.
pub(crate) fn written(pool: &Pool, name: &str) -> String {
    fs::read_to_string(pool.work().join(name)).unwrap_or_default()
}

fn example(pool: &Pool, folder: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/pbs").join(folder);
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), pool.work().join(entry.file_name())).unwrap();
    }
    pool.work()
}

#[test]
fn the_books_script_and_its_array_of_a_hundred_run_unchanged() {
    let pool = Pool::start(4);
    example(&pool, "simple");
    example(&pool, "script");
    let id = run(&pool, 0, &["qsub", "simple.sh"]);
    let id = id.trim();
    until(&pool, id, "F");
    let n = number(id);
    assert_eq!(written(&pool, &format!("simple.sh.o{n}")), "Hello, HTCondor!\n");
    assert_eq!(written(&pool, &format!("simple.sh.e{n}")), "");
    assert_eq!(full(&pool, id)["Exit_status"], 0);
    let out = pool.updraft(&["qstat", id]);
    assert_eq!(out.status.code(), Some(35));
    assert!(text(&out).contains("Job has finished"), "{}", text(&out));

    let mut command = pool.command(&updraft(), &["qsub", "test.py"]);
    let out = command.env("MYVAR1", "foo").env("MYVAR2", "bar").output().unwrap();
    let id = stdout(&out).trim().to_owned();
    assert!(id.contains("[]."), "{}", text(&out));
    let queued = full(&pool, &id);
    assert_eq!(queued["array_indices_submitted"], "0-99");
    until(&pool, &id, "F");
    let n = number(&id);
    for index in [0, 42, 99] {
        let said = written(&pool, &format!("test.py.o{n}.{index}"));
        assert!(said.starts_with(&format!("I am process {index} of cluster {n}\n")), "{said}");
        assert!(said.ends_with("MYVAR1 = foo\nMYVAR2 = bar\n"), "{said}");
    }
    assert_eq!(full(&pool, &id)["array_state_count"], "Queued:0 Running:0 Exiting:0 Expired:0");
    assert_eq!(full(&pool, &id)["Exit_status"], 0);
}

#[test]
fn the_books_workflow_runs_in_its_order_and_a_failure_ends_what_waits_for_success() {
    let pool = Pool::start(4);
    let work = example(&pool, "dag");
    let bin = work.parent().unwrap().join("bin");
    pool.ok(&["links", "install", bin.to_str().unwrap()]);
    let out = pool.program(Path::new("/bin/bash"), &["dag.sh"]);
    assert!(out.status.success(), "{}", text(&out));
    let said = stdout(&out);
    let id = said.lines().last().unwrap().rsplit(' ').next().unwrap();
    until(&pool, id, "F");
    assert_eq!(written(&pool, &format!("D.o{}", number(id))), "I am job D\n");
    let d = full(&pool, id);
    assert_eq!((&d["Exit_status"], &d["job_state"]), (&Value::from(0), &Value::from("F")));

    let gate = work.join("gate");
    let wait = format!("while ! test -e {}; do sleep 0.1; done; exit 1", gate.display());
    let parent = submit(&pool, &["-N", "parent"], &wait);
    let on = |kind: &str| format!("depend={kind}:{parent}");
    let ok = submit(&pool, &["-W", &on("afterok")], "true");
    let not_ok = submit(&pool, &["-W", &on("afternotok")], "true");
    let held = full(&pool, &ok);
    assert_eq!((&held["job_state"], &held["Hold_Types"]), (&Value::from("H"), &Value::from("s")));
    run(&pool, 0, &["qrls", &ok]);
    assert_eq!(full(&pool, &ok)["job_state"], "H", "only what it waits for lets it go");
    fs::write(gate, "").unwrap();
    until(&pool, &not_ok, "F");
    until(&pool, &ok, "F");
    assert_eq!(full(&pool, &not_ok)["Exit_status"], 0);
    let never = full(&pool, &ok);
    assert_eq!(never["Exit_status"], Value::Null);
    assert!(never["comment"].as_str().unwrap().contains("can never be"), "{never}");
    let late = submit(&pool, &["-W", &on("afterok")], "true");
    until(&pool, &late, "F");
    assert_eq!(full(&pool, &late)["Exit_status"], Value::Null);
}

#[test]
fn a_job_has_its_script_as_it_was_and_finds_what_pbs_sets() {
    let pool = Pool::start(2);
    let script = pool.work().join("env.sh");
    let text = "#PBS -l select=1:ncpus=2:mpiprocs=3 -j oe -N envjob\n#PBS -W umask=022\necho here\n\
                echo \"$A|$PBS_JOBNAME|$PBS_ENVIRONMENT|$PBS_QUEUE|$NCPUS|$0\"; wc -l < $PBS_NODEFILE\n\
                echo $PBS_JOBID; echo $PBS_O_WORKDIR; pwd; umask; test -d $TMPDIR && echo $TMPDIR\n";
    fs::write(&script, text).unwrap();
    let id = run(&pool, 0, &["qsub", "-h", "-v", "A='x,y' \"z\"", "env.sh"]);
    let id = id.trim();
    fs::write(&script, "echo changed").unwrap();
    assert_eq!(full(&pool, id)["job_state"], "H");
    run(&pool, 0, &["qrls", number(id)]);
    until(&pool, id, "F");
    let said = written(&pool, &format!("envjob.o{}", number(id)));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "here", "{said}");
    assert!(lines[1].starts_with("x,y z|envjob|PBS_BATCH|workq|2|"), "{said}");
    assert_eq!((lines[2].trim(), lines[3]), ("3", id), "{said}");
    let work = fs::canonicalize(pool.work()).unwrap();
    assert_eq!(fs::canonicalize(lines[4]).unwrap(), work, "{said}");
    assert_ne!(lines[5], lines[4], "a job runs in its user's home");
    assert_eq!(lines[6], "0022");
    assert!(!Path::new(lines[7]).exists(), "{} is removed", lines[7]);
    assert!(!pool.work().join(format!("envjob.e{}", number(id))).exists());
}

#[test]
fn a_job_is_as_nice_as_it_asks_to_be_and_no_less_than_others() {
    let pool = Pool::start(2);
    let told = |nice: &str| -> i32 {
        let of = format!("nice={nice}");
        let id = run(&pool, 0, &["qsub", "-N", "n", "-l", &of, "--", "/usr/bin/nice"]);
        until(&pool, id.trim(), "F");
        written(&pool, &format!("n.o{}", number(&id))).trim().parse().unwrap()
    };
    let own = told("0");
    assert_eq!((told("3"), told("-3")), ((own + 3).min(19), own));
}

/// What a subjob of OpenPBS 23.06 finds (golden/pbs/job-env.txt), without what its login shell and
/// the machine's profile set.
const OF_A_SUBJOB: &str = "ENVIRONMENT HOME LOGNAME NCPUS OMP_NUM_THREADS PATH PBS_ARRAY_ID \
    PBS_ARRAY_INDEX PBS_ENVIRONMENT PBS_JOBCOOKIE PBS_JOBDIR PBS_JOBID PBS_JOBNAME PBS_MOMPORT \
    PBS_NODEFILE PBS_NODENUM PBS_O_HOME PBS_O_HOST PBS_O_INTERACTIVE_AUTH_METHOD \
    PBS_O_INTERACTIVE_ENCRYPT_METHOD PBS_O_LOGNAME PBS_O_PATH PBS_O_QUEUE PBS_O_SYSTEM \
    PBS_O_WORKDIR PBS_QUEUE PBS_TASKNUM SHELL TMPDIR USER";

#[test]
fn a_subjob_finds_every_variable_of_openpbs_and_torques_index() {
    let pool = Pool::start(1);
    let id = submit(&pool, &["-t", "3-7:4", "-N", "arrenv", "-A", "acct"], "env");
    until(&pool, &id, "F");
    let said = written(&pool, &format!("arrenv.o{}.7", number(&id)));
    let value = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("{name} is not set in:\n{said}")).to_owned()
    };
    OF_A_SUBJOB.split_whitespace().for_each(|name| drop(value(name)));
    assert_eq!((value("PBS_ARRAYID"), value("PBS_ARRAY_INDEX")), ("7".into(), "7".into()));
    assert_eq!(value("PBS_ARRAY_ID"), id);
    assert_eq!(value("PBS_JOBID"), id.replace("[]", "[7]"));
    assert_eq!(
        (value("PBS_ENVIRONMENT"), value("PBS_ACCOUNT")),
        ("PBS_BATCH".into(), "acct".into())
    );
    let other = written(&pool, &format!("arrenv.o{}.3", number(&id)));
    let cookie = format!("PBS_JOBCOOKIE={}\n", value("PBS_JOBCOOKIE"));
    assert!(said.contains(&cookie) && !other.contains(&cookie) && cookie.len() == 47, "{cookie}");
}

#[test]
fn what_clients_call_is_answered_as_they_read_it() {
    let pool = Pool::start(2);
    let sleeping =
        submit(&pool, &["-rn", "-Nclient", "-o", "/dev/null", "-e", "/dev/null"], "sleep 600");
    let n = number(&sleeping);
    until(&pool, &sleeping, "R");
    let table = run(&pool, 0, &["qstat", n]);
    let row = table.lines().last().unwrap();
    let columns: Vec<&str> = row.split_whitespace().collect();
    assert_eq!((columns[0], columns[1], columns[4]), (sleeping.as_str(), "client", "R"));
    let out = pool.updraft(&["qstat", &sleeping, "9999999"]);
    assert_eq!(out.status.code(), Some(153));
    assert!(text(&out).contains("Unknown Job Id 9999999.") && text(&out).contains(" R workq"));
    let both: Value =
        serde_json::from_str(&run(&pool, 153, &["qstat", "-Efx", "-Fjson", "9999999", n])).unwrap();
    assert_eq!(both["Jobs"].as_object().unwrap().len(), 1);
    let none: Value =
        serde_json::from_str(&run(&pool, 153, &["qstat", "-f", "-F", "json", "9999999"])).unwrap();
    assert_eq!(none["Jobs"], Value::Null);
    let full_text = run(&pool, 0, &["qstat", "-xf", &sleeping]);
    assert!(full_text.starts_with(&format!("Job Id: {sleeping}\n    Job_Name = client\n")));
    assert!(run(&pool, 0, &["qstat", "-u", "nosuch"]).is_empty());
    assert!(run(&pool, 0, &["qstat", "-awx"]).contains(&sleeping));
    assert!(run(&pool, 0, &["qstat", "-Q"]).contains("workq"));
    assert!(run(&pool, 0, &["qstat", "--version"]).starts_with("pbs_version = "));
    run(&pool, 0, &["qsig", "-s", "suspend", &sleeping]);
    until(&pool, &sleeping, "S");
    run(&pool, 0, &["qsig", "-s", "resume", &sleeping]);
    until(&pool, &sleeping, "R");
    run(&pool, 0, &["qdel", n]);
    until(&pool, &sleeping, "F");
    assert_eq!(full(&pool, &sleeping)["Exit_status"], 271);
    run(&pool, 35, &["qdel", n]);
    run(&pool, 153, &["qdel", "9999999"]);
    run(&pool, 1, &["qdel", "abc"]);
    run(&pool, 170, &["qstat", "abc"]);
}

#[test]
fn ends_have_pbss_exit_statuses() {
    let pool = Pool::start(4);
    let waited = |options: &[&str], script: &str, expected: i64| {
        let id = submit(&pool, options, script);
        until(&pool, &id, "F");
        assert_eq!(full(&pool, &id)["Exit_status"], expected, "{script}");
    };
    waited(&[], "exit 3", 3);
    waited(&[], "kill -9 $$", 137);
    waited(&["-l", "walltime=1"], "trap '' TERM; sleep 600", -29);
    waited(&["-l", "walltime=1"], "trap 'exit 3' TERM; sleep 600 & wait", -29);
    let hog = "a=$(head -c 80000000 /dev/zero | tr '\\0' x); sleep 600";
    let id = submit(&pool, &["-N", "hog", "-l", "mem=30mb"], hog);
    until(&pool, &id, "F");
    let job = full(&pool, &id);
    assert_eq!(job["Exit_status"], -27, "{job}");
    assert!(job["comment"].as_str().unwrap().ends_with(" and exceeded resource mem"), "{job}");
    eventually("the job is told", || {
        let said = written(&pool, &format!("hog.e{}", number(&id)));
        said.contains("=>> PBS: job killed: mem ") && said.ends_with("kb exceeded limit 30720kb\n")
    });
    waited(&["-l", "file=1mb"], "head -c 2000000 /dev/zero > $TMPDIR/a", 153);
    let command = ["qsub", "-l", "cput=1", "--", "/bin/sh", "-c", "while :; do :; done"];
    let id = run(&pool, 0, &command).trim().to_owned();
    until(&pool, &id, "F");
    assert_eq!(full(&pool, &id)["Exit_status"], 265, "a process has no more than the job");
    let out = pool.updraft(&["qsub", "-N", "none", "--", "/no/such/program"]);
    let id = stdout(&out).trim().to_owned();
    until(&pool, &id, "F");
    assert_eq!(full(&pool, &id)["Exit_status"], 254);
    let blocked = pool.updraft(&["qsub", "-W", "block=true", "--", "/bin/sh", "-c", "exit 2"]);
    assert_eq!(blocked.status.code(), Some(2), "{}", text(&blocked));
}

#[test]
fn an_array_is_held_let_go_and_deleted_in_parts() {
    let pool = Pool::start(2);
    let out = pool.updraft(&["qsub", "-h", "-J", "1-9:2", "-N", "arr", "--", "/bin/sleep", "600"]);
    let id = stdout(&out).trim().to_owned();
    let n = number(&id).to_owned();
    assert_eq!(full(&pool, &id)["job_state"], "H");
    run(&pool, 156, &["qhold", &format!("{n}[3]")]);
    run(&pool, 0, &["qdel", &format!("{n}[3-6]")]);
    let states = |words: &[&str]| -> Vec<String> {
        let table = run(&pool, 0, words);
        let column = |line: &str| line.split_whitespace().nth(4).unwrap().to_owned();
        table.lines().skip(2).map(column).collect()
    };
    assert_eq!(states(&["qstat", "-t", &id]), ["H", "Q", "X", "X", "Q", "Q"]);
    run(&pool, 55, &["qdel", &format!("{n}[3]")]);
    run(&pool, 0, &["qrls", &id]);
    until(&pool, &id, "B");
    let counted = full(&pool, &id);
    assert!(counted["array_state_count"].as_str().unwrap().contains("Expired:2"), "{counted}");
    run(&pool, 0, &["qdel", &n]);
    until(&pool, &id, "F");
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    let pool = Pool::start(1);
    for (words, told) in [
        (&["qsub", "-W", "stagein=a@elsewhere:b", "--", "/bin/true"][..], "stagein"),
        (&["qsub", "-l", "aoe=linux", "--", "/bin/true"], "aoe"),
    ] {
        let out = pool.updraft(words);
        assert_eq!(out.status.code(), Some(181), "{}", text(&out));
        assert!(text(&out).contains(told) && text(&out).contains("not supported yet"));
    }
}

/// A queue that takes jobs and starts them, with this said of it.
fn make_queue(pool: &Pool, name: &str, more: &str) {
    let line = format!("create queue {name} queue_type=Execution,enabled=True,started=True");
    let line = if more.is_empty() { line } else { format!("{line},{more}") };
    run(pool, 0, &["qmgr", "-c", &line]);
}

#[test]
fn queues_bound_limit_and_stop_their_jobs_and_outlive_the_schedd() {
    let pool = Pool::start(3);
    make_queue(&pool, "small", "resources_max.ncpus=1,resources_default.walltime=01:00:00");
    make_queue(&pool, "other", "max_queued=[u:PBS_GENERIC=1]");
    run(&pool, 0, &["qmgr", "-c", "create queue way queue_type=Route,route_destinations=small"]);
    run(&pool, 0, &["qenable", "way"]);
    run(&pool, 0, &["qmgr", "-c", "set queue small max_run = [u:PBS_GENERIC=1]"]);
    let sleep = |queue: &str| -> String {
        let words = ["qsub", "-q", queue, "-N", "s", "--", "/bin/sleep", "600"];
        run(&pool, 0, &words).trim().to_owned()
    };
    let (first, second) = (sleep("way"), sleep("small"));
    until(&pool, &first, "R");
    assert_eq!(full(&pool, &first)["queue"], "small");
    assert_eq!(full(&pool, &first)["Resource_List"]["walltime"], "01:00:00");
    eventually("the second waits for its queue", || {
        full(&pool, &second)["comment"]
            == "Not Running: User has reached queue small running job limit."
    });
    let too_much = ["qsub", "-q", "small", "-l", "ncpus=2", "--", "/bin/true"];
    run(&pool, 188, &too_much);
    run(&pool, 191, &["qsub", "-q", "way", "-l", "ncpus=2", "--", "/bin/true"]);
    run(&pool, 168, &["qmove", "other", &first]);
    run(&pool, 0, &["qmove", "other", &second]);
    until(&pool, &second, "R");
    let full_queue = pool.updraft(&["qsub", "-q", "other", "--", "/bin/true"]);
    assert_eq!(full_queue.status.code(), Some(38), "{}", text(&full_queue));
    assert!(text(&full_queue).contains("would exceed queue other's per-user limit"));

    run(&pool, 0, &["qstop", "workq"]);
    let stopped = sleep("workq");
    run(&pool, 179, &["qmgr", "-c", "delete queue other"]);
    pool.ok(&["pool", "stop"]);
    pool.ok(&["pool", "start"]);
    let queues = run(&pool, 0, &["qstat", "-Q"]);
    assert!(queues.contains("small") && queues.contains("yes  no"), "{queues}");
    assert_eq!(full(&pool, &stopped)["job_state"], "Q");
    run(&pool, 0, &["qrun", &stopped]);
    until(&pool, &stopped, "R");
    assert_eq!(run(&pool, 0, &["qselect", "-q", "workq"]).trim(), stopped);
}

#[test]
fn jobs_change_places_and_a_node_that_is_offline_gets_none() {
    let pool = Pool::start(1);
    let hold = |name: &str| submit(&pool, &["-h", "-N", name], "date +%s%N; sleep 0.1");
    let (one, other) = (hold("one"), hold("other"));
    run(&pool, 0, &["qorder", &one, &other]);
    let node = run(&pool, 0, &["pbsnodes", "-a"]).lines().next().unwrap().to_owned();
    run(&pool, 0, &["pbsnodes", "-o", "-C", "maint", &node]);
    assert!(run(&pool, 0, &["pbsnodes", "-l"]).contains("offline maint"));
    run(&pool, 0, &["qrls", &one, &other]);
    eventually("they wait for a machine that is not offline", || {
        let waits = |id: &str| {
            let comment = full(&pool, id)["comment"].clone();
            comment.as_str().is_some_and(|why| why.contains("drained (maint)"))
        };
        waits(&one) && waits(&other)
    });
    run(&pool, 0, &["pbsnodes", "-r", &node]);
    until(&pool, &one, "F");
    until(&pool, &other, "F");
    let began = |name: &str, id: &str| -> u128 {
        written(&pool, &format!("{name}.o{}", number(id))).trim().parse().unwrap()
    };
    assert!(began("other", &other) < began("one", &one), "the later one had the first's place");
}

#[test]
fn a_message_stands_behind_what_the_job_has_written_and_a_rerun_starts_it_again() {
    let pool = Pool::start(1);
    let gate = pool.work().join("gate");
    let script =
        format!("echo before; while ! test -e {}; do sleep 0.1; done; echo after", gate.display());
    let id = submit(&pool, &["-N", "told"], &script);
    let output = format!("told.o{}", number(&id));
    eventually("it has begun", || written(&pool, &output) == "before\n");
    run(&pool, 0, &["qmsg", "-O", "hello there", &id]);
    assert_eq!(written(&pool, &output), "before\nhello there\n");
    fs::write(gate, "").unwrap();
    until(&pool, &id, "F");
    assert_eq!(written(&pool, &output), "before\nhello there\nafter\n");
    run(&pool, 35, &["qmsg", "late", &id]);
    let once = submit(&pool, &["-r", "n"], "sleep 600");
    until(&pool, &once, "R");
    run(&pool, 190, &["qrerun", &once]);
    run(&pool, 0, &["qdel", &once]);
    let again = submit(&pool, &[], "sleep 600");
    until(&pool, &again, "R");
    run(&pool, 0, &["qrerun", &again]);
    eventually("it runs a second time", || full(&pool, &again)["run_count"] == 2);
    assert!(run(&pool, 0, &["tracejob", &again]).contains("run 2"));
}

#[test]
fn the_chunks_of_a_job_begin_together_on_one_machine_or_the_job_says_why_it_waits() {
    let pool = Pool::start(4);
    let select = "select=2:ncpus=1:mpiprocs=2:mem=64mb+1:ncpus=2";
    let id = submit(&pool, &["-l", select, "-N", "gang"], "cat $PBS_NODEFILE; env | grep PBS_NP");
    until(&pool, &id, "F");
    let job = full(&pool, &id);
    let host = id.split_once('.').unwrap().1;
    let at = |n: u32| format!("{host}/{n}");
    let hosts = job["exec_host"].as_str().unwrap();
    let first: u32 = hosts.split(['/', '+']).nth(1).unwrap().parse().unwrap();
    assert_eq!(hosts, format!("{}+{}+{}*2", at(first), at(first + 1), at(first + 2)));
    let vnode = format!("({host}:ncpus=1:mem=65536kb)");
    assert_eq!(job["exec_vnode"], format!("{vnode}+{vnode}+({host}:ncpus=2)"));
    assert_eq!(written(&pool, &format!("gang.o{}", number(&id))), format!("{host}\n").repeat(5));

    let torque = submit(
        &pool,
        &["-l", "nodes=1:ppn=2", "-N", "np"],
        "echo $PBS_NUM_NODES $PBS_NUM_PPN $PBS_NP",
    );
    until(&pool, &torque, "F");
    assert_eq!(written(&pool, &format!("np.o{}", number(&torque))), "1 2 2\n");

    let scattered = submit(&pool, &["-l", "select=2:ncpus=1", "-l", "place=scatter"], "true");
    let large = submit(&pool, &["-l", "select=3:ncpus=2"], "true");
    let comment = |id: &str, said: &str| {
        eventually(&format!("{id} says why it waits"), || full(&pool, id)["comment"] == said);
        assert_eq!(full(&pool, id)["job_state"], "Q");
    };
    comment(&scattered, "Can Never Run: Not enough total nodes available");
    comment(&large, "Can Never Run: Insufficient amount of resource: ncpus (R: 6 A: 4 T: 4)");
    let why = pool.ok(&["q", "-better-analyze", number(&scattered)]);
    assert!(why.contains("it needs 2 machines at once, and the pool has 1"), "{why}");
}

#[test]
fn a_job_runs_programs_on_its_nodes() {
    let pool = Pool::start(4);
    let out = pool.updraft(&["pbsdsh", "ls"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out).contains("pbsdsh: not executing under PBS"), "{}", text(&out));
    let updraft = updraft();
    let script = format!(
        "exec 2>&1; u={}; h=$(head -1 $PBS_NODEFILE)
         $u pbsdsh -s -- sh -c 'echo node $PBS_NODENUM task $PBS_TASKNUM'; echo all $?
         $u pbsdsh -s -c 4 sh -c 'echo copy on $PBS_NODENUM'
         $u pbsdsh -v -n 2 -- sh -c 'exit 3'; echo failed $?
         $u pbsdsh -n 1 -- sh -c 'kill -9 $$'
         $u pbsdsh -n 0 -- /no/such/program
         $u pbsdsh -c 1 -n 1 -- true; echo usage $?
         $u pbs_tmrsh $h -n sh -c 'exit 7'; echo remote $?
         $u pbs_tmrsh -x -q $h '  A=b; export A; echo' 'two\\ words' '$A'
         $u pbs_tmrsh elsewhere true; echo elsewhere $?\n",
        updraft.display()
    );
    let select = "select=2:ncpus=1+1:ncpus=1";
    let id = submit(&pool, &["-l", select, "-N", "dsh", "-j", "oe"], &script);
    until(&pool, &id, "F");
    let said = written(&pool, &format!("dsh.o{}", number(&id)));
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with([' ', 'U', 'W'])).collect();
    let elsewhere = format!("pbs_tmrsh: host \"elsewhere\" is not a node in job <{id}>");
    let expected = [
        "node 0 task 2",
        "node 1 task 3",
        "node 2 task 4",
        "all 0",
        "copy on 0",
        "copy on 1",
        "copy on 2",
        "copy on 0",
        "pbsdsh: spawned task 0x00000000 on logical node 2 event 2",
        "pbsdsh: task 0x00000000 exit status 3",
        "failed 0",
        "pbsdsh: task 0x00000000 exit status 265",
        "pbsdsh: spawn failed on node 0 err /no/such/program: No such file or directory",
        "usage 1",
        "remote 7",
        "two words b",
        elsewhere.as_str(),
        "elsewhere 255",
    ];
    assert_eq!(lines, expected, "{said}");
}

#[test]
fn a_job_is_altered_while_it_waits_and_less_of_it_while_it_runs() {
    let pool = Pool::start(2);
    let id = submit(&pool, &["-h", "-N", "first", "-l", "ncpus=1,walltime=100"], "true");
    let n = number(&id).to_owned();
    let words = ["-l", "select=1:ncpus=2:mem=10mb", "-N", "second", "-A", "acct", "-m", "be"];
    run(&pool, 0, &[&["qalter"][..], &words, &["-o", "out", "-j", "oe", &id, &n]].concat());
    let job = full(&pool, &id);
    assert_eq!(job["Resource_List"]["select"], "1:ncpus=2:mem=10mb");
    assert_eq!((&job["Resource_List"]["ncpus"], &job["Job_Name"]), (&2.into(), &"second".into()));
    assert_eq!(job["Resource_List"]["walltime"], "00:01:40");
    let ad = pool.ok(&["q", &n, "-af", "RequestCpus", "RequestMemory", "JobBatchName", "Out"]);
    let out = pool.work().join("out");
    assert_eq!(ad.trim(), format!("2 10 second {}", out.display()));
    run(&pool, 0, &["qalter", "-h", "n", &id]);
    until(&pool, &id, "F");

    let id = submit(&pool, &["-l", "walltime=500", "-o", "one"], "echo begun; sleep 600");
    until(&pool, &id, "R");
    eventually("it has begun", || written(&pool, "one") == "begun\n");
    run(&pool, 159, &["qalter", "-l", "walltime=501", &id]);
    run(&pool, 167, &["qalter", "-l", "ncpus=2", &id]);
    let out = pool.updraft(&["qalter", "-A", "x", &id]);
    let said = format!("qalter: Cannot modify attribute while job running  Account_Name {id}\n");
    assert_eq!((out.status.code(), &*String::from_utf8_lossy(&out.stderr)), (Some(167), &*said));
    run(&pool, 0, &["qalter", "-o", "two", "-N", "named", &id]);
    assert_eq!(written(&pool, "two"), "begun\n", "its output is found there at once");
    run(&pool, 0, &["qalter", "-l", "walltime=1", &id]);
    until(&pool, &id, "F");
    assert_eq!(full(&pool, &id)["Exit_status"], -29);
}

#[test]
fn what_holds_a_job_is_kept_apart_its_user_its_time_and_other_jobs() {
    let pool = Pool::start(1);
    let state = |id: &str| {
        let job = full(&pool, id);
        format!("{} {}", job["job_state"], job["Hold_Types"]).replace('"', "")
    };
    let parent = submit(&pool, &["-h"], "true");
    let depend = format!("depend=afterany:{parent}");
    let later = submit(&pool, &["-h", "-a", "203012312359", "-W", &depend], "true");
    assert_eq!(state(&later), "H su");
    run(&pool, 0, &["qrls", &later]);
    assert_eq!(state(&later), "H s");
    run(&pool, 0, &["qhold", &later]);
    assert_eq!(state(&later), "H su");
    run(&pool, 0, &["qrls", &parent]);
    until(&pool, &parent, "F");
    eventually("only its user holds it", || state(&later) == "H u");
    run(&pool, 0, &["qrls", &later]);
    assert_eq!(state(&later), "W n");
    run(&pool, 0, &["qhold", &later]);
    assert_eq!(state(&later), "H u");
    run(&pool, 0, &["qdel", &later]);

    let parent = submit(&pool, &["-h"], "true");
    let idle = submit(&pool, &["-l", "ncpus=64"], "true");
    run(&pool, 0, &["qalter", "-W", &format!("depend=afterok:{parent}"), &idle]);
    assert_eq!(state(&idle), "H s");
    assert!(full(&pool, &idle)["depend"].as_str().unwrap().starts_with("afterok:"));
    run(&pool, 0, &["qalter", "-W", "depend=afterany:1", &idle]);
    assert_eq!(state(&idle), "Q n", "what it waits for now has been");
    run(&pool, 0, &["qalter", "-a", "203012312359", &idle]);
    assert_eq!(state(&idle), "W n");
}

#[test]
fn no_more_subjobs_run_than_may_and_raising_that_counts_at_once() {
    let pool = Pool::start(4);
    let id = submit(&pool, &["-J", "1-4%1"], "sleep 600");
    let counts = || full(&pool, &id)["array_state_count"].as_str().unwrap().to_owned();
    let running = |count: u32| format!("Queued:{} Running:{count} Exiting:0 Expired:0", 4 - count);
    eventually("one runs", || counts() == running(1));
    eventually("it is said why the others do not", || {
        pool.ok(&["q", number(&id)]).contains("max_run_subjobs")
    });
    run(&pool, 0, &["qalter", "-W", "max_run_subjobs=3", &id]);
    eventually("three run", || counts() == running(3));
    run(&pool, 0, &["qalter", "-p5", &id]);
    assert_eq!(full(&pool, &id)["Priority"], 5);
    run(&pool, 156, &["qalter", "-p5", &format!("{}[1]", number(&id))]);
    run(&pool, 0, &["qdel", &id]);
}

#[test]
fn a_signal_reaches_a_job_and_what_is_to_be_removed_stays_if_it_ends_badly() {
    let pool = Pool::start(2);
    let script = "trap 'echo got it; exit 9' USR1; echo ready; while :; do sleep 0.1; done";
    let id = submit(&pool, &["-o", "told", "-R", "oe"], script);
    eventually("it is ready", || written(&pool, "told") == "ready\n");
    let out = pool.updraft(&["qsig", "-s", "FOO", &id]);
    let said = format!("qsig: Unknown/illegal signal name {id}\n");
    assert_eq!(
        (out.status.code(), text(&out).contains(&said)),
        (Some(165), true),
        "{}",
        text(&out)
    );
    run(&pool, 0, &["qsig", "-s", "SIGUSR1", &id]);
    until(&pool, &id, "F");
    assert_eq!(written(&pool, "told"), "ready\ngot it\n");
    assert_ne!(full(&pool, &id)["Exit_status"], 0);
    run(&pool, 35, &["qsig", &id]);
    let held = submit(&pool, &["-h"], "true");
    run(&pool, 168, &["qsig", "-s", "USR1", &held]);

    let id = submit(&pool, &["-o", "gone", "-e", "kept", "-R", "o"], "echo out; echo err >&2");
    until(&pool, &id, "F");
    assert!(!pool.work().join("gone").exists());
    assert_eq!(written(&pool, "kept"), "err\n");
    let id = submit(&pool, &["-R", "oe", "-N", "bad"], "kill -9 $$");
    until(&pool, &id, "F");
    assert!(pool.work().join(format!("bad.o{}", number(&id))).exists());
    assert_eq!(full(&pool, &id)["Exit_status"], 137);
}

#[test]
fn what_managers_name_machines_and_the_pool_have_only_so_much_of() {
    let pool = Pool::start(8);
    let host = nix::unistd::gethostname().unwrap().to_string_lossy().into_owned();
    let manage = |exit: i32, line: &str| run(&pool, exit, &["qmgr", "-c", line]);
    let asks = |resources: &str| -> String {
        let words = ["qsub", "-N", "r", "-l", resources, "--", "/bin/sleep", "600"];
        run(&pool, 0, &words).trim().to_owned()
    };
    run(&pool, 187, &["qsub", "-l", "lic=1", "--", "/bin/true"]);
    manage(0, "create resource lic type=long,flag=nh");
    manage(0, "create resource seats type=long,flag=q");
    assert_eq!(manage(0, "list resource lic"), "Resource lic\n    type = long\n    flag = hn\n\n");
    manage(0, &format!("set node {host} resources_available.lic = 3"));
    manage(0, "set server resources_available.seats = 1");
    manage(187, "set server resources_available.nosuch = 1");
    run(&pool, 166, &["qsub", "-l", "lic=x", "--", "/bin/true"]);
    run(&pool, 4, &["qsub", "-l", "select=1:seats=1", "--", "/bin/true"]);
    let (one, other) = (asks("select=2:ncpus=1:lic=1"), asks("lic=2"));
    until(&pool, &one, "R");
    assert_eq!(full(&pool, &one)["Resource_List"]["lic"], 2);
    assert!(full(&pool, &one)["exec_vnode"].as_str().unwrap().contains(":lic=1"));
    eventually("the machine has too few left", || {
        full(&pool, &other)["comment"].as_str().is_some_and(|why| why.contains("lic"))
    });
    let nodes = run(&pool, 0, &["pbsnodes", "-a"]);
    assert!(nodes.contains("resources_available.lic = 3"), "{nodes}");
    assert!(nodes.contains("resources_assigned.lic = 2"), "{nodes}");
    manage(70, "delete resource lic");
    run(&pool, 0, &["qdel", &one]);
    until(&pool, &other, "R");
    let (first, second) = (asks("seats=1"), asks("seats=1"));
    until(&pool, &first, "R");
    let waits = || full(&pool, &second)["comment"].as_str().is_some_and(|why| !why.is_empty());
    eventually("the pool has no more", waits);
    run(&pool, 0, &["qdel", &other, &first]);
    until(&pool, &second, "R");
    run(&pool, 0, &["qdel", &second]);
    until(&pool, &second, "F");
    manage(0, "delete resource lic");
    run(&pool, 187, &["qsub", "-l", "lic=1", "--", "/bin/true"]);
}

#[test]
fn a_reservation_keeps_its_place_runs_its_jobs_and_takes_them_with_it() {
    let pool = Pool::start(2);
    let out = run(&pool, 0, &["pbs_rsub", "-D", "3600", "-l", "select=1:ncpus=2", "-I", "60"]);
    let (id, state) = out.trim().split_once(' ').unwrap();
    assert_eq!(state, "CONFIRMED");
    let (name, server) = id.split_once('.').unwrap();
    assert!(run(&pool, 0, &["pbs_rstat", "-f", id]).contains("resv_nodes = ("));
    // The rest of the machine's processors are nobody's.
    let other = submit(&pool, &["-l", "select=1:ncpus=2"], "sleep 1\n");
    let own = submit(&pool, &["-q", name, "-l", "select=1:ncpus=2"], "sleep 600\n");
    until(&pool, &own, "R");
    eventually("the reservation runs", || run(&pool, 0, &["pbs_rstat"]).contains(" RN "));
    let why = full(&pool, &other)["comment"].as_str().unwrap_or_default().to_owned();
    assert_eq!(full(&pool, &other)["job_state"], "Q", "{why}");
    let out = pool.updraft(&["pbs_ralter", "-D", "7200", id]);
    assert_eq!(stdout(&out), format!("pbs_ralter: {id} ALTER REQUESTED\n"), "{}", text(&out));
    eventually("it is longer", || {
        run(&pool, 0, &["pbs_rstat", "-f"]).contains("reserve_duration = 7200")
    });
    assert_eq!(run(&pool, 0, &["pbs_rdel", id]), "");
    until(&pool, &own, "F");
    until(&pool, &other, "F");
    eventually("it is gone", || run(&pool, 0, &["pbs_rstat"]).is_empty());
    let out = pool.updraft(&["pbs_rdel", "R1"]);
    assert_eq!(out.status.code(), Some(236));
    let said = format!("pbs_rdel: Unknown Reservation Id R1.{server}\n");
    assert_eq!(String::from_utf8_lossy(&out.stderr), said);
}

#[test]
fn what_cannot_be_reserved_is_denied_and_what_is_not_built_is_refused() {
    let pool = Pool::start(2);
    let far = ["pbs_rsub", "-D", "60", "-l", "select=1:ncpus=64", "-I", "60"];
    assert!(run(&pool, 0, &far).ends_with(" DENIED\n"));
    let out = pool.updraft(&["pbs_rsub"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).starts_with("usage: pbs_rsub [-I seconds]"));
    run(&pool, 181, &["pbs_rsub", "-r", "FREQ=DAILY;COUNT=2", "-D", "60", "-l", "ncpus=1"]);
    run(&pool, 238, &["pbs_rsub", "-R", "2350", "-l", "ncpus=1"]);
    assert_eq!(run(&pool, 0, &["pbs_rstat", "R99"]), "");
}
