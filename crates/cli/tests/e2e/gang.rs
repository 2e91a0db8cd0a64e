//! Jobs on several machines: a pool and machines that joined it, which are told that they share its
//! disk. All are on this host; what they say to each other crosses the schedd.

use std::fs;

use crate::harness::{Pool, eventually, logged, mark, signal, sleeping, text, updraft};
use crate::joined::{Node, invite, listening};
use crate::pbs::{full, number, run, submit, until, written};

/// A machine of two processors that joined and sees the pool's disk.
fn beside<'a>(pool: &'a Pool, name: &str) -> Node<'a> {
    let node = Node::new(pool);
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    fs::create_dir_all(node.home()).unwrap();
    let shares = format!("FileSystemDomain = \"{host}\"\nSTARTD_ATTRS = FileSystemDomain\n");
    fs::write(node.home().join("config"), shares).unwrap();
    let out = node.join(&invite(pool, &[]), name);
    assert!(out.status.success(), "{}", text(&out));
    node
}

#[test]
fn a_job_has_chunks_on_several_machines_and_starts_programs_on_each() {
    let pool = listening(1);
    let (_one, _two) = (beside(&pool, "exec1"), beside(&pool, "exec2"));
    let script = format!(
        "exec 2>&1; u={}; cat $PBS_NODEFILE
         $u pbsdsh -s -- sh -c 'echo node $PBS_NODENUM in ${{_CONDOR_SCRATCH_DIR%/*/*}}' |
             sed 's,in .*/,in ,'
         $u pbsdsh -v -n 2 -- sh -c 'exit 3'
         $u pbsdsh -n 2 -- /no/such/program
         $u pbs_tmrsh exec1 'exit 5'; echo shell $?
         echo typed | $u pbs_tmrsh -x exec2 cat
         $u pbs_tmrsh exec1 $u pbs_tmrsh exec2 'echo from $PBS_NODENUM'\n",
        updraft().display()
    );
    let words = ["-l", "select=3:ncpus=1", "-l", "place=scatter", "-N", "gang", "-j", "oe"];
    let id = submit(&pool, &words, &script);
    until(&pool, &id, "F");
    let job = full(&pool, &id);
    let hosts = job["exec_host"].as_str().unwrap();
    let host = hosts.split('/').next().unwrap();
    assert_eq!(hosts, format!("{host}/0+exec1/0+exec2/0"));
    assert_eq!(job["exec_vnode"], format!("({host}:ncpus=1)+(exec1:ncpus=1)+(exec2:ncpus=1)"));
    let expected = format!(
        "{host}\nexec1\nexec2\nnode 0 in home\nnode 1 in node\nnode 2 in node\n\
         pbsdsh: spawned task 0x00000000 on logical node 2 event 2\n\
         pbsdsh: task 0x00000000 exit status 3\n\
         pbsdsh: spawn failed on node 2 err /no/such/program: No such file or directory\n\
         shell 5\ntyped\nfrom 2\n"
    );
    let said = written(&pool, &format!("gang.o{}", number(&id)));
    let home = pool.home();
    let home = home.file_name().unwrap().to_str().unwrap();
    assert_eq!(said.replace(&format!("in {home}\n"), "in home\n"), expected);
    let record = run(&pool, 0, &["tracejob", &id]);
    assert_eq!(record.matches("Exit_status").count().max(1), 1, "{record}");
}

#[test]
fn a_job_on_several_machines_that_is_deleted_leaves_nothing_anywhere() {
    let pool = listening(1);
    let (_one, _two) = (beside(&pool, "exec1"), beside(&pool, "exec2"));
    let mark = mark(1_000_000);
    let script = format!("{} pbsdsh -- sleep {mark}", updraft().display());
    let words = ["-l", "select=3:ncpus=1", "-l", "place=scatter"];
    let first = submit(&pool, &words, &script);
    let second = submit(&pool, &words, &script);
    let asleep = || sleeping(&mark);
    // pbsdsh has the words in its own line too.
    eventually("a program runs on each", || asleep() == 4);
    assert_eq!(full(&pool, &second)["job_state"], "Q");
    run(&pool, 0, &["qdel", &first]);
    until(&pool, &first, "F");
    eventually("the next begins as a whole", || asleep() == 4);
    assert_eq!(full(&pool, &second)["job_state"], "R");
    run(&pool, 0, &["qdel", &second]);
    until(&pool, &second, "F");
    assert_eq!(asleep(), 0, "the record is written when nothing is left");
}

#[test]
fn tasks_wait_for_each_other_and_their_streams_for_nobody() {
    let pool = listening(1);
    let _one = beside(&pool, "exec1");
    let mark = mark(1_000_000);
    // Much more than the sockets on the way hold.
    let much = 16_000_000;
    let script = format!(
        "exec 2>&1; u={}; cd {}
         $u pbsdsh -- sh -c 'if [ $PBS_NODENUM = 1 ]; then head -c {much} /dev/zero; touch go
             else while [ ! -e go ]; do sleep 0.1; done; fi' | wc -c
         $u pbs_tmrsh exec1 'head -c {much} /dev/zero; exit 7' | (sleep 5; wc -c)
         $u pbsdsh -o -n 1 -- sh -c 'sleep 1; echo to; echo nobody; touch done'
         while [ ! -e done ]; do sleep 0.1; done
         head -c {much} /dev/zero | timeout -s KILL 2 $u pbs_tmrsh exec1 sleep {mark}
         echo over > over; while [ ! -e end ]; do sleep 0.1; done\n",
        updraft().display(),
        pool.work().display()
    );
    let words = ["-l", "select=2:ncpus=1", "-l", "place=scatter", "-N", "streams", "-j", "oe"];
    let id = submit(&pool, &words, &script);
    eventually("all tasks are over", || pool.work().join("over").exists());
    let asleep = || sleeping(&mark);
    eventually("what read nothing has ended with its caller", || asleep() == 0);
    fs::write(pool.work().join("end"), "").unwrap();
    until(&pool, &id, "F");
    let said = written(&pool, &format!("streams.o{}", number(&id)));
    let numbers: Vec<&str> = said.lines().take(2).map(str::trim).collect();
    assert_eq!(numbers, [much.to_string(), much.to_string()], "{said}");
}

#[test]
fn tasks_on_other_machines_end_with_an_error_when_a_daemon_between_is_killed_and_can_start_again() {
    let pool = listening(1);
    let one = beside(&pool, "exec1");
    let mark = mark(7000);
    let script = format!(
        "exec 2>&1; u={}; cd {}
         for n in 1 2 3; do
             $u pbsdsh -n 1 -- sh -c 'touch began; exec sleep {mark}'; touch over$n
             until $u pbs_tmrsh exec1 true 2>/dev/null; do sleep 0.2; done
             echo again; while [ ! -e go$n ]; do sleep 0.1; done
         done\n",
        updraft().display(),
        pool.work().display()
    );
    let words = ["-l", "select=2:ncpus=1", "-l", "place=scatter", "-N", "killed", "-j", "oe"];
    let id = submit(&pool, &words, &script);
    let is_there = |name: &str| pool.work().join(name).exists();
    let asleep = || sleeping(&mark);
    let kill = |pid: &dyn Fn() -> Option<i64>| {
        eventually("it runs", || pid().is_some());
        signal(pid().unwrap(), "KILL");
    };
    let pids: [(&str, &dyn Fn() -> Option<i64>); 3] = [
        ("schedd", &|| pool.pid("schedd")),
        ("startd there", &|| one.pid("startd")),
        ("startd here", &|| pool.pid("startd")),
    ];
    for (n, (daemon, pid)) in (1..).zip(pids) {
        eventually("its task runs there", || is_there("began") && asleep() == 1);
        fs::remove_file(pool.work().join("began")).unwrap();
        // It has no part in what they say to each other.
        kill(&|| pool.pid("negotiator"));
        assert_eq!(asleep(), 1);
        kill(pid);
        eventually(&format!("the {daemon} is killed: its caller knows"), || {
            is_there(&format!("over{n}"))
        });
        eventually("nothing is left of it", || asleep() == 0);
        fs::write(pool.work().join(format!("go{n}")), "").unwrap();
    }
    until(&pool, &id, "F");
    assert_eq!(full(&pool, &id)["Exit_status"], 0);
    assert_eq!(full(&pool, &id)["run_count"], 1);
    let said = written(&pool, &format!("killed.o{}", number(&id)));
    let errors = said.matches("pbsdsh: the part of the job there has gone\n").count();
    assert_eq!((errors, said.matches("again\n").count()), (3, 3), "{said}");
}

#[test]
fn a_job_of_the_parallel_universe_runs_on_all_its_nodes_and_ends_with_the_first() {
    let pool = Pool::start(4);
    let (long, short) = (mark(1_000_000), mark(2));
    let script = "#!/bin/sh\necho node $1 of $_CONDOR_NPROCS is $_CONDOR_PROCNO\n\
         while [ ! -e go ]; do sleep 0.1; done\n\
         [ $_CONDOR_PROCNO = 0 ] || exec sleep $2\nexit 4\n";
    fs::write(pool.work().join("node.sh"), script).unwrap();
    let description = |policy: &str, sleeps: &str| {
        format!(
            "universe = parallel\nmachine_count = 3\nexecutable = /bin/sh\n\
             arguments = node.sh $(Node) {sleeps}\noutput = out.$(Node)\nlog = log.{sleeps}\n{policy}\nqueue\n"
        )
    };
    let cluster = pool.submit(&description("", &long));
    let out = |node: u32| written(&pool, &format!("out.{node}"));
    eventually("all nodes run", || (0..3).all(|node| !out(node).is_empty()));
    for node in 0..3 {
        assert_eq!(out(node), format!("node {node} of 3 is {node}\n"));
    }
    fs::write(pool.work().join("go"), "").unwrap();
    logged(&pool.work().join(format!("log.{long}")), "005", 1);
    assert_eq!(sleeping(&long), 0, "the others end with the first");
    assert_eq!(pool.attribute(&cluster, "ExitCode"), ["4"]);
    // The nodes end by themselves, and the job with the last of them.
    let all = pool.submit(&description("+ParallelShutdownPolicy = \"WAIT_FOR_ALL\"", &short));
    logged(&pool.work().join(format!("log.{short}")), "005", 1);
    assert_eq!(sleeping(&short), 0, "the last node has ended");
    assert_eq!(pool.attribute(&all, "ExitCode"), ["4"]);
}
