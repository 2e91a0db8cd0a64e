//! A machine that joins a pool over TLS. Both are on this machine here; they share no folder that
//! either is told of, and talk over the loopback.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Output;

use crate::harness::{Pool, events, eventually, signal, text};

/// Two ports in a row that nobody has now.
fn free_address() -> String {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if first < u16::MAX && TcpListener::bind(("127.0.0.1", first + 1)).is_ok() {
            return format!("127.0.0.1:{first}");
        }
    }
}

/// A pool that others may join.
fn listening(cpus: u32) -> Pool {
    let pool = Pool::start(cpus);
    pool.ok(&["pool", "start", "--listen", &free_address()]);
    pool
}

fn invite(pool: &Pool, words: &[&str]) -> String {
    let words = [&["pool", "invite"], words].concat();
    pool.ok(&words).trim().to_owned()
}

/// A machine of a pool, which is stopped when this is dropped.
struct Node<'a> {
    pool: &'a Pool,
    dir: tempfile::TempDir,
}

impl<'a> Node<'a> {
    fn new(pool: &'a Pool) -> Self {
        Self { pool, dir: tempfile::tempdir().unwrap() }
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("node")
    }

    fn join(&self, token: &str, name: &str) -> Output {
        let home = self.home();
        let words = ["join", token, "--name", name, "--cpus", "2", "--memory", "1024", "--dir"];
        self.pool.updraft(&[&words[..], &[home.to_str().unwrap()]].concat())
    }

    fn joined(pool: &'a Pool, name: &str) -> Self {
        let node = Self::new(pool);
        let out = node.join(&invite(pool, &[]), name);
        assert!(out.status.success(), "{}", text(&out));
        node
    }

    fn pid(&self, daemon: &str) -> Option<i64> {
        let home = self.home();
        let words = ["pool", "status", "--json", "--dir", home.to_str().unwrap()];
        let out = self.pool.updraft(&words);
        let status: serde_json::Value = serde_json::from_slice(&out.stdout).ok()?;
        let processes = status["processes"].as_array()?;
        processes.iter().find(|p| p["process"] == daemon)?["pid"].as_i64()
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        let log = fs::read_to_string(self.home().join("log/startd.log")).unwrap_or_default();
        if std::thread::panicking() {
            eprintln!("== the node's startd\n{log}");
        }
        self.pool.updraft(&["pool", "stop", "--now", "--dir", self.home().to_str().unwrap()]);
    }
}

fn nodes(pool: &Pool) -> serde_json::Value {
    serde_json::from_str(&pool.ok(&["pool", "nodes", "--json"])).unwrap()
}

#[test]
fn a_job_with_files_runs_on_a_machine_that_joined_and_shares_no_disk() {
    let pool = listening(1);
    let _node = Node::joined(&pool, "exec1");
    let work = pool.work();
    let big = vec![7; 3 << 20];
    fs::write(work.join("big"), &big).unwrap();
    fs::create_dir_all(work.join("folder/sub")).unwrap();
    fs::write(work.join("folder/sub/deep"), "deep\n").unwrap();
    fs::write(work.join("in"), "from standard input\n").unwrap();
    let program = "#!/bin/sh\ncat; cat folder/sub/deep; mkdir made; cp big made/copy; echo kept > result; \
                   echo wrong >&2; exit 3\n";
    fs::write(work.join("program.sh"), program).unwrap();
    let cluster = pool.submit(
        "executable = program.sh\ninput = in\noutput = out\nerror = err\nlog = log\n\
         transfer_input_files = big, folder\ntransfer_output_files = result, made\n\
         transfer_output_remaps = \"result = renamed\"\nrequirements = Machine == \"exec1\"\nqueue\n",
    );
    let log = work.join("log");
    eventually("the job ends", || events(&log, "005") == 1);
    assert_eq!(pool.attribute(&cluster, "ExitCode"), ["3"]);
    assert_eq!(fs::read_to_string(work.join("out")).unwrap(), "from standard input\ndeep\n");
    assert_eq!(fs::read_to_string(work.join("err")).unwrap(), "wrong\n");
    assert_eq!(fs::read_to_string(work.join("renamed")).unwrap(), "kept\n");
    assert!(fs::read(work.join("made/copy")).unwrap() == big);
    // A file that is not there is named.
    let held = pool.submit(
        "executable = program.sh\ntransfer_input_files = missing\n\
         requirements = Machine == \"exec1\"\nqueue\n",
    );
    pool.until(&held, "JobStatus", "5");
    let why = pool.attribute(&held, "HoldReason").join("");
    assert!(why.contains("missing"), "{why}");
    // What needs the submitter's machine while it runs does not match one elsewhere.
    let here = pool.submit("executable = /bin/true\nwant_io_proxy = true\nlog = here.log\nqueue\n");
    eventually("it runs here", || events(&work.join("here.log"), "005") == 1);
    assert!(!pool.attribute(&here, "LastRemoteHost").join("").contains("exec1"));
}

#[test]
fn a_machine_s_jobs_go_on_while_every_daemon_at_both_ends_is_killed() {
    let pool = listening(1);
    let node = Node::joined(&pool, "exec1");
    let ledger = node.dir.path().join("ledger");
    fs::write(
        pool.work().join("run.sh"),
        "#!/bin/sh\necho run >> $1; while [ ! -e $2 ]; do sleep 0.05; done; cat in\n",
    )
    .unwrap();
    fs::write(pool.work().join("in"), "said\n").unwrap();
    let go = node.dir.path().join("go");
    pool.submit(&format!(
        "executable = run.sh\narguments = {} {}\noutput = out.$(Process)\nlog = log\n\
         transfer_input_files = in\nrequirements = Machine == \"exec1\"\nqueue 2\n",
        ledger.display(),
        go.display(),
    ));
    let log = pool.work().join("log");
    eventually("both run", || events(&log, "001") == 2);
    let startd = node.pid("startd").unwrap();
    signal(startd, "KILL");
    pool.kill_and_see_it_return("negotiator");
    pool.kill_and_see_it_return("schedd");
    eventually("the startd runs again", || node.pid("startd").is_some_and(|new| new != startd));
    fs::write(&go, "").unwrap();
    eventually("both end", || events(&log, "005") == 2);
    assert_eq!(fs::read_to_string(&ledger).unwrap(), "run\nrun\n");
    for out in ["out.0", "out.1"] {
        assert_eq!(fs::read_to_string(pool.work().join(out)).unwrap(), "said\n");
    }
}

#[test]
fn only_who_is_invited_joins_and_who_is_put_out_is_out_at_once() {
    let pool = listening(1);
    let other = listening(1);
    let (once, named) = (invite(&pool, &[]), invite(&pool, &["--name", "exec*"]));
    let foreign = invite(&other, &[]);
    // The address of this pool with the hash of another one.
    let parts = |token: &str| token.split('/').map(str::to_owned).collect::<Vec<_>>();
    let mut mixed = parts(&once);
    mixed[5].clone_from(&parts(&foreign)[5]);
    for (token, name, said) in [
        ("nonsense", "m", "does not begin with 'updraft-join/1/'"),
        (&mixed.join("/"), "m", "UnknownIssuer"),
        (&format!("{}00", &once[..once.len() - 2]), "m", "not known"),
        (&named, "other", "for machines called 'exec*'"),
        (&once, "a_b", "expected a host's name"),
    ] {
        let out = Node::new(&pool).join(token, name);
        assert!(!out.status.success(), "{token}");
        assert!(text(&out).contains(said), "{said}: {}", text(&out));
    }
    let node = Node::new(&pool);
    let out = node.join(&once, "exec1");
    assert!(out.status.success(), "{}", text(&out));
    let again = Node::new(&pool).join(&once, "exec2");
    assert!(text(&again).contains("used up"), "{}", text(&again));
    let twice = node.join(&named, "exec2");
    assert!(text(&twice).contains("has joined the one at"), "{}", text(&twice));
    assert_eq!(nodes(&pool)["nodes"][0]["is_here"], true);
    let home = node.home();
    let at = |words: &[&str]| {
        let out = pool.updraft(&[words, &["--dir", home.to_str().unwrap()]].concat());
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let told = at(&["pool", "status"]);
    assert!(told.contains("exec1, in ") && told.contains(": connected\n"), "{told}");
    assert!(at(&["pool", "start"]).contains("runs jobs already of the pool at "));

    // An authority is replaced while the machine is connected, and it stays.
    pool.ok(&["pool", "rotate"]);
    eventually("the machine has heard of it", || nodes(&pool)["nodes"][0]["is_newest"] == true);
    pool.ok(&["pool", "rotate", "--finish"]);
    eventually("it is there", || nodes(&pool)["nodes"][0]["is_here"] == true);
    pool.submit("executable = /bin/true\nlog = log\nrequirements = Machine == \"exec1\"\nqueue\n");
    eventually("it runs jobs", || events(&pool.work().join("log"), "005") == 1);

    pool.ok(&["pool", "revoke", "exec1"]);
    eventually("it is out", || {
        pool.ok(&["status", "-af", "Machine"]).lines().all(|line| line != "exec1")
    });
    eventually("it is told why", || {
        let log = fs::read_to_string(node.home().join("log/startd.log")).unwrap();
        log.contains("CertificateRevoked")
    });
    assert_eq!(nodes(&pool)["nodes"][0]["is_revoked"], true);
    let told = at(&["pool", "status"]);
    assert!(told.contains("revoked"), "{told}");
}
