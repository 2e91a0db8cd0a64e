//! Workflows: their nodes run in order, each as often as the DAG says, whatever is killed
//! meanwhile.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::harness::{Pool, events, eventually, logged, signal};

/// The example of the repository, where the pool submits from.
fn example(pool: &Pool) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/dag");
    for entry in fs::read_dir(&from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), pool.work().join(entry.file_name())).unwrap();
    }
    pool.work()
}

pub(crate) fn write(pool: &Pool, name: &str, text: &str) {
    fs::write(pool.work().join(name), text).unwrap();
}

pub(crate) fn script(pool: &Pool, name: &str, text: &str) {
    let path = pool.work().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Submits a DAG, and gives its job.
pub(crate) fn submit(pool: &Pool, words: &[&str]) -> String {
    let said = pool.ok(&[&["submit_dag", "-terse"], words].concat());
    said.lines().last().unwrap().split(' ').next().unwrap().to_owned()
}

/// Waits for the end of a DAG, and says with what dagman exited.
pub(crate) fn exit_of(pool: &Pool, job: &str) -> String {
    let mut code = String::new();
    eventually(&format!("the DAG {job} ends\n{}", said(pool)), || {
        let status = pool.attribute(job, "JobStatus").join(" ");
        code = pool.attribute(job, "ExitCode").join(" ");
        // A removed job's status says so while dagman still ends.
        status == "4" || status == "3" && code.parse::<i32>().is_ok()
    });
    code
}

/// What dagman said, for a failure's reader.
pub(crate) fn said(pool: &Pool) -> String {
    let files = fs::read_dir(pool.work()).unwrap().flatten().map(|entry| entry.path());
    let told = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with(".dagman.out") || name.ends_with(".lib.err")
    };
    files.filter(told).map(|path| fs::read_to_string(path).unwrap_or_default()).collect()
}

/// The nodes' names in the order of these events in the nodes' log.
fn order(pool: &Pool, log: &str, number: &str) -> Vec<String> {
    let text = fs::read_to_string(pool.work().join(log)).unwrap();
    let mut names = std::collections::BTreeMap::new();
    let mut order = Vec::new();
    for entry in text.split("...\n") {
        let Some(id) = entry.split(['(', ')']).nth(1) else { continue };
        if let Some((_, rest)) = entry.split_once("DAGNodeName = \"") {
            names.insert(id.to_owned(), rest.split('"').next().unwrap().to_owned());
        }
        if entry.starts_with(number) {
            order.push(names[id].clone());
        }
    }
    order
}

#[test]
fn the_books_diamond_runs_a_then_b_and_c_then_d() {
    let pool = Pool::start(2);
    let work = example(&pool);
    let job = submit(&pool, &["simple.dag"]);
    assert_eq!(exit_of(&pool, &job), "0", "{}", said(&pool));
    logged(&work.join("simple.dag.nodes.log"), "005", 4);
    let ends = order(&pool, "simple.dag.nodes.log", "005");
    assert_eq!((ends[0].as_str(), ends[3].as_str(), ends.len()), ("A", "D", 4), "{ends:?}");
    let starts = order(&pool, "simple.dag.nodes.log", "001");
    assert_eq!((starts[0].as_str(), starts[3].as_str()), ("A", "D"), "{starts:?}");
    for (node, text) in [("a", "I am job A\n"), ("d", "I am job D\n")] {
        let out = fs::read_to_string(work.join(format!("{node}_stdout.txt"))).unwrap();
        assert_eq!(out, text);
    }
    let out = fs::read_to_string(work.join("simple.dag.dagman.out")).unwrap();
    assert!(out.trim_end().ends_with("EXITING WITH STATUS 0"), "{out}");
    assert!(out.contains("Node D job proc"), "{out}");
    for left in ["simple.dag.metrics", "simple.dag.lib.out", "simple.dag.condor.sub"] {
        assert!(work.join(left).exists(), "{left}");
    }
    for gone in ["simple.dag.lock", "simple.dag.journal", "simple.dag.rescue001"] {
        assert!(!work.join(gone).exists(), "{gone}");
    }
}

#[test]
fn a_failure_leaves_a_rescue_file_and_the_rerun_runs_the_rest() {
    let pool = Pool::start(2);
    let work = pool.work();
    script(&pool, "pre.sh", "#!/bin/sh\necho pre $* >> scripts\n");
    script(&pool, "post.sh", "#!/bin/sh\necho post $* >> scripts\n[ $2 = 0 ]\n");
    write(
        &pool,
        "node.sub",
        "executable = /bin/sh\narguments = \"-c 'echo $(JOB) $(RETRY) >> runs; test -e go-$(JOB)'\"\nqueue\n",
    );
    write(
        &pool,
        "main.dag",
        "JOB A node.sub\nJOB B node.sub\nJOB C node.sub\nPARENT A CHILD B\nPARENT B CHILD C\nRETRY B 1\n\
         SCRIPT PRE A pre.sh $JOB $RETRY\nSCRIPT POST B post.sh $JOB $RETURN $MAX_RETRIES\n",
    );
    write(&pool, "go-A", "");
    let job = submit(&pool, &["main.dag"]);
    assert_eq!(exit_of(&pool, &job), "1", "{}", said(&pool));
    assert_eq!(fs::read_to_string(work.join("runs")).unwrap(), "A 0\nB 0\nB 1\n");
    let scripts = fs::read_to_string(work.join("scripts")).unwrap();
    assert_eq!(scripts, "pre A 0\npost B 1 1\npost B 1 1\n");
    let rescue = fs::read_to_string(work.join("main.dag.rescue001")).unwrap();
    assert!(rescue.ends_with("# Nodes that failed: 1\n#   B,<ENDLIST>\n\nDONE A\n"), "{rescue}");
    let metrics = fs::read_to_string(work.join("main.dag.metrics")).unwrap();
    assert!(
        metrics.contains("\"jobs_submitted\":3") && metrics.contains("\"DagStatus\":2"),
        "{metrics}"
    );
    for node in ["B", "C"] {
        write(&pool, &format!("go-{node}"), "");
    }
    let job = submit(&pool, &["main.dag"]);
    assert_eq!(exit_of(&pool, &job), "0", "{}", said(&pool));
    assert_eq!(fs::read_to_string(work.join("runs")).unwrap(), "A 0\nB 0\nB 1\nB 0\nC 0\n");
}

#[test]
fn dagman_and_the_schedd_are_killed_and_every_node_runs_once() {
    let pool = Pool::start(2);
    let work = pool.work();
    write(
        &pool,
        "node.sub",
        "executable = /bin/sh\narguments = \"-c 'echo $(JOB) >> runs; sleep 0.2'\"\nqueue\n",
    );
    let mut dag: String = (0..12).map(|n| format!("JOB N{n} node.sub\n")).collect();
    for n in 2..12 {
        dag += &format!("PARENT N{} CHILD N{n}\n", n - 2);
    }
    write(&pool, "main.dag", &dag);
    let job = submit(&pool, &["main.dag"]);
    let runs = || fs::read_to_string(work.join("runs")).unwrap_or_default().lines().count();
    let dagman = || -> Option<i64> {
        let out = fs::read_to_string(work.join("main.dag.dagman.out")).unwrap_or_default();
        out.lines()
            .rev()
            .find_map(|line| line.split("** PID = ").nth(1))?
            .split(' ')
            .next()?
            .parse()
            .ok()
    };
    eventually("nodes run", || runs() >= 2);
    let first = dagman().unwrap();
    signal(first, "KILL");
    eventually(&format!("another dagman goes on\n{}", said(&pool)), || {
        dagman().is_some_and(|pid| pid != first) || runs() == 12
    });
    pool.kill_and_see_it_return("schedd");
    assert_eq!(exit_of(&pool, &job), "0", "{}", said(&pool));
    let text = fs::read_to_string(work.join("runs")).unwrap();
    let mut names: Vec<&str> = text.lines().collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), text.lines().count()), (12, 12), "{text}");
}

/// The process that runs a DAG, by what it says of itself.
fn dagman(pool: &Pool, dag: &str) -> i64 {
    let out = fs::read_to_string(pool.work().join(format!("{dag}.dagman.out"))).unwrap();
    let pid = out.rsplit("** PID = ").next().unwrap();
    pid.split_whitespace().next().unwrap().parse().unwrap()
}

/// Nodes A and B, whose PRE scripts end when somebody lets them.
fn with_waiting_scripts(pool: &Pool) {
    script(pool, "pre.sh", "#!/bin/sh\n: > in-$1\nuntil test -e go-$1; do sleep 0.05; done\n");
    write(
        pool,
        "node.sub",
        "executable = /bin/sh\narguments = \"-c 'echo $(JOB) >> runs'\"\nqueue\n",
    );
    let dag = "JOB A node.sub\nJOB B node.sub\nSCRIPT PRE A pre.sh A\nSCRIPT PRE B pre.sh B\n";
    write(pool, "main.dag", dag);
}

#[test]
fn a_dag_whose_schedd_hangs_hears_its_scripts_and_that_its_process_is_to_end() {
    let pool = Pool::start(2);
    let work = pool.work();
    with_waiting_scripts(&pool);
    let job = submit(&pool, &["main.dag"]);
    for node in ["A", "B"] {
        eventually("the scripts run", || work.join(format!("in-{node}")).exists());
    }
    let schedd = pool.pid("schedd").unwrap();
    signal(schedd, "STOP");
    for node in ["A", "B"] {
        // What follows is the submission of the node, which comes to no end.
        write(&pool, &format!("go-{node}"), "");
        eventually(&format!("the script of {node} is heard"), || {
            said(&pool).contains(&format!("PRE Script of node {node} completed successfully"))
        });
    }
    signal(dagman(&pool, "main.dag"), "TERM");
    eventually("dagman has ended", || said(&pool).contains("EXITING WITH STATUS 3"));
    signal(schedd, "CONT");
    assert_eq!(exit_of(&pool, &job), "0", "{}", said(&pool));
    let runs = fs::read_to_string(work.join("runs")).unwrap();
    let mut runs: Vec<&str> = runs.lines().collect();
    runs.sort_unstable();
    assert_eq!(runs, ["A", "B"]);
}

#[test]
fn a_dag_whose_pool_is_dead_waits_for_another_and_says_so_once() {
    let pool = Pool::start(2);
    with_waiting_scripts(&pool);
    let dag = fs::read_to_string(pool.work().join("main.dag")).unwrap();
    write(&pool, "main.dag", &format!("{dag}NODE_STATUS_FILE status 1 ALWAYS-UPDATE\n"));
    let job = submit(&pool, &["main.dag"]);
    eventually("the scripts run", || pool.work().join("in-A").exists());
    let (supervisor, schedd) = (pool.pid("supervisor").unwrap(), pool.pid("schedd").unwrap());
    signal(supervisor, "KILL");
    signal(schedd, "KILL");
    eventually("that is seen", || said(&pool).contains("The schedd does not answer"));
    let dagman = dagman(&pool, "main.dag");
    let before = wakes(dagman);
    // Each time it writes a new file, and it does so not more often than asked.
    let file = || fs::metadata(pool.work().join("status")).map_or(0, |file| file.ino());
    for _ in 0..2 {
        let there = file();
        eventually("the status file is written again", || ![0, there].contains(&file()));
    }
    let woken = wakes(dagman) - before;
    assert!(woken < 200, "it woke {woken} times to look twice");
    assert_eq!(said(&pool).matches("The schedd does not answer").count(), 1, "{}", said(&pool));
    pool.ok(&["pool", "start"]);
    write(&pool, "go-A", "");
    write(&pool, "go-B", "");
    assert_eq!(exit_of(&pool, &job), "0", "{}", said(&pool));
}

#[test]
fn an_order_and_an_end_that_come_together_are_both_heard_whatever_lies_beside_them() {
    let pool = Pool::start(2);
    let work = pool.work();
    write(
        &pool,
        "node.sub",
        "executable = /bin/sh\narguments = \"-c ': > in; until test -e go; do sleep 0.05; done'\"\nqueue\n",
    );
    write(&pool, "main.dag", "JOB A node.sub\n");
    let job = submit(&pool, &["main.dag"]);
    eventually("the job runs", || work.join("in").exists());
    let first = dagman(&pool, "main.dag");
    signal(first, "STOP");
    write(&pool, "go", "");
    eventually("the job has ended", || events(&work.join("main.dag.nodes.log"), "005") == 1);
    // What cannot be answered comes behind what is written down.
    fs::create_dir_all(work.join("main.dag.orders/b.order")).unwrap();
    write(&pool, "main.dag.orders/a.order", "{\"action\":\"set\",\"maxjobs\":5}");
    signal(first, "CONT");
    assert_eq!(exit_of(&pool, &job), "0", "{}", said(&pool));
    assert_eq!(dagman(&pool, "main.dag"), first, "no other life was needed");
    assert!(said(&pool).contains("The order was not answered"), "{}", said(&pool));
    assert!(work.join("main.dag.orders/a.answer").exists());
}

#[test]
fn nodes_that_are_too_much_for_one_message_are_submitted_in_several() {
    let pool = Pool::start(4);
    let much = "x".repeat(500_000);
    let big = format!("executable = /bin/true\n+Much = \"{much}\"\nqueue\n");
    write(&pool, "big.sub", &big);
    let items: String = (0..120).map(|n| format!("{n}\n")).collect();
    write(&pool, "items", &items);
    let long =
        "executable = /bin/true\nuniverse = scheduler\narguments = $(i)\nqueue i from items\n";
    write(&pool, "long.sub", long);
    write(&pool, "wrong.sub", "executable = /bin/true\nuniverse = nowhere\nqueue\n");
    let mut dag: String = (0..12).map(|n| format!("JOB N{n} big.sub\n")).collect();
    dag += "JOB L long.sub\nJOB W wrong.sub\nSCRIPT POST W /bin/true\n";
    write(&pool, "main.dag", &dag);
    let job = submit(&pool, &["main.dag"]);
    assert_eq!(exit_of(&pool, &job), "0", "{}", said(&pool));
    let said = said(&pool);
    assert!(said.contains("Number of pre-completed nodes: 0"), "{said}");
    assert!(said.contains("universe"), "what was wrong with W is told: {said}");
    logged(&pool.work().join("main.dag.nodes.log"), "005", 12 + 120);
    let submitted = order(&pool, "main.dag.nodes.log", "000");
    assert_eq!(submitted.iter().filter(|node| node.starts_with('N')).count(), 12);
    assert_eq!(submitted.iter().filter(|node| *node == "L").count(), 120);
}

/// How often a process has gone to sleep. How often it was sent there is the machine's matter.
fn wakes(pid: i64) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.unwrap().trim().parse().unwrap()
}

#[test]
fn a_dag_that_is_removed_takes_its_nodes_with_it_and_leaves_a_rescue_file() {
    let pool = Pool::start(2);
    let work = pool.work();
    write(&pool, "node.sub", "executable = /bin/sleep\narguments = 600\nqueue\n");
    write(&pool, "main.dag", "JOB A node.sub\nJOB B node.sub\nPARENT A CHILD B\n");
    let job = submit(&pool, &["main.dag"]);
    eventually("a node runs", || {
        pool.ok(&["q", "-af", "DAGNodeName", "JobStatus"]).contains("A 2")
    });
    pool.ok(&["rm", &job]);
    eventually(&format!("the queue is empty\n{}", said(&pool)), || {
        pool.ok(&["q", "-af", "ClusterId"]).is_empty()
    });
    let rescue = fs::read_to_string(work.join("main.dag.rescue001")).unwrap();
    assert!(rescue.contains("# Nodes premarked DONE: 0\n"), "{rescue}");
    assert!(said(&pool).contains("EXITING WITH STATUS 2"));
}

#[test]
fn a_dag_that_is_held_and_then_removed_takes_its_nodes_with_it_and_runs_nothing_again() {
    let pool = Pool::start(2);
    let work = pool.work();
    write(
        &pool,
        "node.sub",
        "executable = /bin/sh\n\
         arguments = \"-c 'echo $(JOB) >> runs; while [ ! -e go-$(JOB) ]; do sleep 0.1; done'\"\nqueue\n",
    );
    write(
        &pool,
        "main.dag",
        "JOB A node.sub\nJOB B node.sub\nJOB C node.sub\nJOB D node.sub\n\
         PARENT A CHILD B C\nPARENT B C CHILD D\n",
    );
    write(&pool, "go-A", "");
    let job = submit(&pool, &["main.dag"]);
    let job = job.split('.').next().unwrap();
    let standing = || pool.ok(&["q", "-af", "DAGNodeName", "JobStatus"]);
    eventually("B and C run", || standing().contains("B 2") && standing().contains("C 2"));
    let refused = pool.updraft(&["submit_dag", "-f", "main.dag"]);
    let refused = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.contains(&format!("main.dag is in the queue as job {job}")), "{refused}");
    pool.ok(&["hold", job]);
    eventually("the DAG is held", || standing().contains("undefined 5"));
    // Nobody is there to see it.
    write(&pool, "go-B", "");
    eventually("B is over", || !standing().contains('B'));
    pool.ok(&["rm", job]);
    eventually(&format!("the queue is empty\n{}", said(&pool)), || standing().is_empty());
    let over = pool.ok(&["dag", "status", job]);
    assert!(over.contains("over with exit status 2"), "{over}");
    ["C", "D"].iter().for_each(|node| write(&pool, &format!("go-{node}"), ""));
    let again = submit(&pool, &["main.dag"]);
    let rescue = fs::read_to_string(work.join("main.dag.rescue001")).unwrap();
    assert!(rescue.ends_with("DONE A\nDONE B\n"), "{rescue}");
    assert_eq!(exit_of(&pool, &again), "0", "{}", said(&pool));
    let runs = fs::read_to_string(work.join("runs")).unwrap();
    let count = |node: &str| runs.lines().filter(|line| *line == node).count();
    assert_eq!(["A", "B", "C", "D"].map(count), [1, 1, 2, 1], "{runs}");
    let left = ["journal", "lock"].map(|end| work.join(format!("main.dag.{end}")).exists());
    assert_eq!(left, [false, false]);
}

#[test]
fn what_is_told_of_a_dag_is_of_its_own_run_and_a_halt_goes_with_it() {
    let pool = Pool::start(2);
    write(&pool, "node.sub", "executable = /bin/sh\narguments = \"-c 'test -e go'\"\nqueue\n");
    write(&pool, "main.dag", "JOB A node.sub\n");
    let fails = submit(&pool, &["main.dag"]);
    assert_eq!(exit_of(&pool, &fails), "1", "{}", said(&pool));
    let number = |job: &str| job.split('.').next().unwrap().to_owned();
    let (fails, halt) = (number(&fails), pool.work().join("main.dag.halt"));
    let late = pool.updraft(&["dag", "halt", &fails]);
    assert!(String::from_utf8_lossy(&late.stderr).contains("is over"), "a DAG that is over");
    assert!(!halt.exists());
    write(&pool, "go", "");
    write(&pool, "main.dag.halt", "");
    let goes_well = submit(&pool, &["main.dag"]);
    assert!(!halt.exists(), "the halt was for another run");
    assert_eq!(exit_of(&pool, &goes_well), "0", "{}", said(&pool));
    let told = |job: &str| pool.ok(&["dag", "status", job]);
    let (old, new) = (told(&fails), told(&number(&goes_well)));
    assert!(old.contains("A failed: Job proc"), "{old}");
    assert!(!new.contains("failed"), "{new}");
}

#[test]
fn a_sub_dag_is_a_node() {
    let pool = Pool::start(2);
    let work = pool.work();
    write(
        &pool,
        "node.sub",
        "executable = /bin/sh\narguments = \"-c 'echo $(JOB) >> runs'\"\nqueue\n",
    );
    write(&pool, "inner.dag", "JOB X node.sub\nJOB Y node.sub\nPARENT X CHILD Y\n");
    write(
        &pool,
        "outer.dag",
        "JOB A node.sub\nSUBDAG EXTERNAL S inner.dag\nJOB B node.sub\nPARENT A CHILD S\nPARENT S CHILD B\n",
    );
    pool.ok(&["submit_dag", "-no_submit", "-do_recurse", "outer.dag"]);
    let inner = fs::read_to_string(work.join("inner.dag.condor.sub")).unwrap();
    assert!(inner.contains("-Dag inner.dag"), "{inner}");
    let job = submit(&pool, &["-f", "outer.dag"]);
    assert_eq!(exit_of(&pool, &job), "0", "{}", said(&pool));
    assert_eq!(fs::read_to_string(work.join("runs")).unwrap(), "A\nX\nY\nB\n");
}

#[test]
fn a_sub_dag_that_many_nodes_name_is_described_once_and_one_that_contains_itself_is_refused() {
    let pool = Pool::start(1);
    write(&pool, "node.sub", "executable = /bin/true\nqueue\n");
    for level in 0..25 {
        let below = format!("level{}.dag", level + 1);
        let dag = format!("SUBDAG EXTERNAL A {below}\nSUBDAG EXTERNAL B {below}\n");
        write(&pool, &format!("level{level}.dag"), &dag);
    }
    write(&pool, "level25.dag", "JOB X node.sub\n");
    // Along every way there are more than thirty million.
    pool.ok(&["submit_dag", "-no_submit", "-do_recurse", "level0.dag"]);
    assert!(pool.work().join("level25.dag.condor.sub").exists());
    write(&pool, "self.dag", "JOB X node.sub\nSUBDAG EXTERNAL S self.dag\n");
    let refused = pool.updraft(&["submit_dag", "-no_submit", "-do_recurse", "self.dag"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("contains itself"), "{said}");
}

#[test]
fn a_node_that_is_tried_again_may_ask_for_what_its_last_try_used() {
    let pool = Pool::start(1);
    // The shell holds a text of some sixty megabytes at its end.
    script(
        &pool,
        "much.sh",
        "#!/bin/sh\nx=$(head -c 20000000 /dev/zero | tr '\\0' x)\necho $1 >> runs\ntest $1 = 1\n",
    );
    write(
        &pool,
        "node.sub",
        "executable = much.sh\narguments = $(RETRY)\nrequest_memory = max({130, 10 * $(LAST_MEMORY:0)})\nqueue\n",
    );
    write(&pool, "main.dag", "JOB A node.sub\nRETRY A 1\n");
    let job = submit(&pool, &["main.dag"]);
    assert_eq!(exit_of(&pool, &job), "0", "{}", said(&pool));
    let asked = |retry: &str| -> i64 {
        let all =
            pool.ok(&["history", "-af", "DAGManNodeRetry", "RequestMemory", "ResidentSetSize"]);
        let line = all.lines().find(|line| line.starts_with(&format!("{retry} "))).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        words[1].parse().unwrap()
    };
    let used = pool.ok(&["history", "-af", "DAGManNodeRetry", "ResidentSetSize"]);
    let first = used.lines().find_map(|line| line.strip_prefix("0 ")).unwrap();
    let mib = (first.parse::<i64>().unwrap() + 1023) / 1024;
    assert!(mib >= 20, "it was measured: {used}");
    assert_eq!((asked("0"), asked("1")), (130, 10 * mib), "{used}");
}

#[test]
fn a_pipe_in_the_place_of_a_file_that_a_node_names_fails_the_node_and_stops_nobody() {
    let pool = Pool::start(2);
    let work = pool.work();
    nix::unistd::mkfifo(&work.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    write(&pool, "items.sub", "executable = /bin/true\nqueue item from pipe\n");
    write(&pool, "node.sub", "executable = /bin/true\nqueue\n");
    write(&pool, "main.dag", "JOB PIPE pipe\nJOB ITEMS items.sub\nJOB GOOD node.sub\n");
    let job = submit(&pool, &["main.dag"]);
    assert_eq!(exit_of(&pool, &job), "1", "{}", said(&pool));
    let rescue = fs::read_to_string(work.join("main.dag.rescue001")).unwrap();
    assert!(rescue.contains("# Nodes that failed: 2\n#   PIPE,ITEMS,<ENDLIST>"), "{rescue}");
    let why = "can't open file pipe: it is a pipe or a device, not a plain file";
    assert!(said(&pool).contains(why), "{}", said(&pool));
}

#[test]
fn a_dag_is_watched_to_its_end_and_drawn_and_told_in_a_page() {
    let pool = Pool::start(2);
    let sub = "executable = /bin/sh\narguments = \"-c 'echo no such sample >&2; exit $(code)'\"\nerror = $(JOB).err\nqueue\n";
    write(&pool, "n.sub", sub);
    let dag = "JOB A n.sub\nJOB B n.sub\nJOB C n.sub\nPARENT A CHILD B\nPARENT B CHILD C\nVARS A code=\"0\"\nVARS B code=\"3\"\nRETRY B 1\n";
    write(&pool, "main.dag", dag);
    let watched = pool.updraft(&["submit_dag", "main.dag", "--watch", "--json"]);
    assert_eq!(watched.status.code(), Some(1), "a node failed");
    let lines = String::from_utf8(watched.stdout).unwrap();
    let submitted = lines.split_once("\n}").unwrap().0.to_owned() + "}";
    let submitted: serde_json::Value = serde_json::from_str(&submitted).unwrap();
    let job = submitted["cluster"].to_string();
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let states = |name: &str| last["states"][name].as_i64();
    assert_eq!((states("done"), states("failed"), states("futile")), (Some(1), Some(1), Some(1)));
    assert_eq!(last["failed"][0]["stderr"][0], "no such sample", "{last}");
    let drawn = pool.ok(&["dag", "plot", &job]);
    assert!(drawn.starts_with("<svg") && drawn.contains("B: failed"), "{drawn}");
    let over_time = pool.ok(&["dag", "plot", &job, "--gantt"]);
    assert!(over_time.contains("the slowest chain has 2 nodes"), "{over_time}");
    let run: serde_json::Value =
        serde_json::from_str(&pool.ok(&["dag", "report", &job, "--json"])).unwrap();
    assert_eq!(
        (run["nodes"][1]["attempts"].as_i64(), &run["nodes"][2]["state"]),
        (Some(2), &"futile".into())
    );
    let path = pool.ok(&["dag", "report", &job]);
    let page = fs::read_to_string(path.trim()).unwrap();
    assert!(page.contains("Slowest chain") && page.contains("failed with status 3"), "{page}");
}

#[test]
fn a_dag_that_runs_takes_orders_and_one_that_is_over_runs_again_in_part() {
    let pool = Pool::start(4);
    let work = pool.work();
    write(
        &pool,
        "node.sub",
        "executable = /bin/sh\narguments = \"-c 'echo $(JOB) $(RETRY) >> runs; test -e go-$(JOB)'\"\nqueue\n",
    );
    write(
        &pool,
        "wait.sub",
        "executable = /bin/sh\narguments = \"-c 'while [ ! -e go-WAITS ]; do sleep 0.1; done'\"\nqueue\n",
    );
    write(
        &pool,
        "main.dag",
        "JOB FAILS node.sub\nJOB BEHIND node.sub\nJOB BAD node.sub\nJOB LAST node.sub\nJOB WAITS wait.sub\n\
         PARENT FAILS CHILD BEHIND\nPARENT BEHIND BAD CHILD LAST\n",
    );
    ["BEHIND", "LAST"].iter().for_each(|node| write(&pool, &format!("go-{node}"), ""));
    let job = submit(&pool, &["main.dag"]);
    let job = job.split('.').next().unwrap().to_owned();
    let runs = || fs::read_to_string(work.join("runs")).unwrap_or_default();
    eventually("two nodes failed", || pool.attribute(&job, "DAG_NodesFailed") == ["2"]);
    let none = pool.updraft(&["dag", "retry", &job, "FAILD"]);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!(none.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no node FAILD: did you mean FAILS?"), "{said}");
    write(&pool, "go-FAILS", "");
    assert_eq!(pool.ok(&["dag", "retry", &job, "FAILS"]), "FAILS is tried again.\n");
    let skipped: serde_json::Value =
        serde_json::from_str(&pool.ok(&["dag", "skip", &job, "BAD", "--json"])).unwrap();
    assert_eq!(skipped["done"], serde_json::json!(["BAD"]));
    let limits = pool.ok(&["dag", "set", &job, "maxjobs=3", "maxpre=0"]);
    assert!(limits.contains("maxjobs 3, maxidle 1000, maxpre 0,"), "{limits}");
    eventually("the last node has run", || runs().contains("LAST 0"));
    write(&pool, "go-WAITS", "");
    assert_eq!(exit_of(&pool, &job), "0");
    assert!(runs().contains("FAILS 0\n") && runs().contains("FAILS 1\n"), "{}", runs());
    fs::remove_file(work.join("runs")).unwrap();
    let again: serde_json::Value =
        serde_json::from_str(&pool.ok(&["dag", "rerun", &job, "--from", "BEHIND", "--json"]))
            .unwrap();
    assert_eq!(exit_of(&pool, &again["job"].to_string()), "0");
    assert_eq!(runs(), "BEHIND 0\nLAST 0\n");
    let rescues = pool.work().join("main.dag.rescue001").exists();
    assert!(!rescues, "a run that is submitted later is whole");
}

#[test]
fn dag_files_in_folders_of_their_own_are_one_workflow_that_runs_there() {
    let pool = Pool::start(2);
    let work = pool.work();
    for folder in ["one", "two"] {
        fs::create_dir(work.join(folder)).unwrap();
        let sub = "executable = /bin/sh\narguments = \"-c 'echo $(JOB) >> runs'\"\nqueue\n";
        write(&pool, &format!("{folder}/n.sub"), sub);
    }
    write(&pool, "one/a.dag", "JOB A n.sub\nJOB B n.sub\nPARENT A CHILD B\n");
    write(&pool, "two/b.dag", "JOB A n.sub\nSPLICE S s.dag\nPARENT A CHILD S\n");
    write(&pool, "two/s.dag", "JOB Q n.sub\n");
    let job = submit(&pool, &["-usedagdir", "one/a.dag", "two/b.dag"]);
    assert_eq!(exit_of(&pool, &job), "0");
    let runs = |folder: &str| fs::read_to_string(work.join(folder).join("runs")).unwrap();
    assert_eq!((runs("one").as_str(), runs("two").as_str()), ("0.A\n0.B\n", "1.A\n1.S+1.Q\n"));
}

#[test]
fn a_queue_that_is_put_back_while_a_dag_runs_loses_no_node_and_ends_what_was_done() {
    let pool = Pool::start(2);
    let work = pool.work();
    script(
        &pool,
        "node.sh",
        "#!/bin/sh\necho $1 >> began\nwhile ! test -e go-$1; do sleep 0.1; done\necho $1 >> ended\n",
    );
    write(&pool, "node.sub", "executable = node.sh\narguments = $(JOB)\nqueue\n");
    write(&pool, "main.dag", "JOB A node.sub\nJOB B node.sub\nPARENT A CHILD B\n");
    let job = submit(&pool, &["main.dag"]);
    let lines = |name: &str| fs::read_to_string(work.join(name)).unwrap_or_default();
    eventually("A runs", || lines("began") == "A\n");
    pool.ok(&["pool", "backup", "saved"]);
    write(&pool, "go-A", "");
    // The copy has A in the queue, and knows nothing of B.
    eventually("B runs", || lines("began") == "A\nB\n");
    // What runs again of A does not end by itself.
    fs::remove_file(work.join("go-A")).unwrap();
    pool.ok(&["pool", "restore", "saved"]);
    eventually(&format!("B is submitted again\n{}", said(&pool)), || {
        lines("began").matches("B\n").count() == 2
    });
    write(&pool, "go-B", "");
    assert_eq!(exit_of(&pool, &job), "0", "{}", said(&pool));
    assert_eq!(lines("ended").lines().filter(|line| *line == "B").count(), 1);
    assert!(said(&pool).contains("does not know the jobs of node B"), "{}", said(&pool));
    let removed = pool.ok(&["history", "-const", "DAGNodeName == \"A\"", "-af", "RemoveReason"]);
    assert!(removed.contains("its node was over"), "{removed}");
    // The record's numbers go on above those that were lost.
    let told = pool.ok(&["events", "--json"]);
    let numbers: Vec<u64> = told
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["seq"].as_u64())
        .collect();
    assert!(numbers.is_sorted() && *numbers.last().unwrap() > 1 << 40, "{numbers:?}");
}

#[test]
fn a_node_of_which_nothing_changed_is_skipped_and_the_reason_is_said() {
    let pool = Pool::start(2);
    let work = pool.work();
    script(&pool, "node.sh", "#!/bin/sh\necho $1 >> runs\ncat in-$1 > out-$1\n");
    let sub = |priority: &str| {
        format!("executable = node.sh\narguments = $(JOB)\noutput = $(JOB).txt\n{priority}queue\n")
    };
    write(&pool, "node.sub", &sub(""));
    for node in ["A", "B"] {
        write(&pool, &format!("in-{node}"), "1");
    }
    write(
        &pool,
        "main.dag",
        "JOB A node.sub\nJOB B node.sub\nPARENT A CHILD B\n\
         SKIP_UNCHANGED A NEEDS in-A MAKES out-A\nSKIP_UNCHANGED B NEEDS in-B out-A MAKES out-B\n",
    );
    let mut runs = String::new();
    let mut again = |ran: &str, reason: &str| {
        let job = submit(&pool, &["-f", "main.dag"]);
        assert_eq!(exit_of(&pool, &job), "0", "{}", said(&pool));
        runs += ran;
        assert_eq!(fs::read_to_string(work.join("runs")).unwrap(), runs, "{}", said(&pool));
        assert!(said(&pool).contains(reason), "{reason}\n{}", said(&pool));
    };
    again("A\nB\n", "Node A is not skipped: it was not done well here before");
    again(
        "",
        "Node B is skipped: its description and 3 files that it reads are as when it was done",
    );
    write(&pool, "in-B", "22");
    again("B\n", "in-B changed");
    fs::remove_file(work.join("out-A")).unwrap();
    again("A\nB\n", "out-A, which it makes, is not there");
    again("", "is skipped");
    write(&pool, "node.sub", &sub("request_memory = 77\n"));
    again("A\nB\n", "Node A is not skipped: its description changed");
}

#[test]
fn items_that_have_not_come_into_the_queue_go_with_their_map_and_with_their_dag() {
    let pool = Pool::start(2);
    let work = pool.work();
    write(
        &pool,
        "one.sub",
        "universe = local\nexecutable = /bin/sh\narguments = \"-c 'echo $(Item) >> runs; test $(Item) = ok'\"\n",
    );
    write(
        &pool,
        "main.dag",
        "MAP M one.sub OVER (bad ok ok ok ok ok) AT-ONCE 1\nJOB A one.sub\nPARENT M CHILD A\n",
    );
    let job = submit(&pool, &["main.dag"]);
    assert_eq!(exit_of(&pool, &job), "1", "{}", said(&pool));
    assert_eq!(fs::read_to_string(work.join("runs")).unwrap().lines().next(), Some("bad"));
    assert!(said(&pool).contains("failed with status 1"), "{}", said(&pool));
    write(&pool, "wait.sub", "executable = /bin/sleep\narguments = 600\n");
    write(&pool, "long.dag", "MAP M wait.sub OVER (a b c d e f) AT-ONCE 1\n");
    let job = submit(&pool, &["long.dag"]);
    let log = work.join("long.dag.nodes.log");
    eventually("the first item runs", || log.exists() && events(&log, "001") == 1);
    pool.ok(&["rm", &job]);
    // It counts as removed while its dagman still ends.
    eventually("it ends with 2", || pool.attribute(&job, "ExitCode") == ["2"]);
    eventually("nothing is left", || !pool.ok(&["q", "-nobatch"]).contains("sleep"));
    assert_eq!(events(&log, "001"), 1, "no other item began");
}

#[test]
fn a_map_runs_a_job_for_each_item_and_is_done_when_enough_of_them_went_well() {
    let pool = Pool::start(4);
    let work = pool.work();
    script(&pool, "one.sh", "#!/bin/sh\necho $* >> runs\ntest $1 != bad\n");
    write(
        &pool,
        "one.sub",
        &format!(
            "universe = local\nexecutable = {}/one.sh\ninitialdir = {}\narguments = $(sample) $(n)\nqueue\n",
            work.display(),
            work.display()
        ),
    );
    script(
        &pool,
        "list.sh",
        "#!/bin/sh\nprintf 'a 1\\nbad 2\\nc 3\\nd 4\\n' > list.txt\ntouch none\n",
    );
    write(
        &pool,
        "main.dag",
        "MAP good one.sub OVER list.txt AS sample,n LEAST 75%\nSCRIPT PRE good list.sh\n\
         MAP inline one.sub OVER (e, f) AS sample AT-ONCE 1\nMAP none one.sub OVER none AS sample\n\
         MAP bad one.sub OVER list.txt AS sample,n LEAST 76%\nTOLERANCE bad 24% WAIT\n\
         PARENT good CHILD inline\nPARENT inline CHILD none\nPARENT none CHILD bad\n",
    );
    let job = submit(&pool, &["main.dag"]);
    assert_eq!(exit_of(&pool, &job), "1", "{}", said(&pool));
    let runs = fs::read_to_string(work.join("runs")).unwrap();
    let mut runs: Vec<&str> = runs.lines().collect();
    runs.sort_unstable();
    let list = ["a 1", "a 1", "bad 2", "bad 2", "c 3", "c 3", "d 4", "d 4", "e", "f"];
    assert_eq!(runs, list, "{}", said(&pool));
    let rescue = fs::read_to_string(work.join("main.dag.rescue001")).unwrap();
    let done: Vec<&str> = rescue.lines().filter(|line| line.starts_with("DONE")).collect();
    assert_eq!(done, ["DONE good", "DONE inline", "DONE none"]);
    assert!(said(&pool).contains("The list of node none has no items: it has no jobs"));
}
