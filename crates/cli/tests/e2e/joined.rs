//! A machine that joins a pool over TLS. Both are on this machine here; they share no folder that
//! either is told of, and talk over the loopback.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use crate::harness::{Pool, events, eventually, free_address, signal, text, updraft};

/// A pool that others may join.
pub(crate) fn listening(cpus: u32) -> Pool {
    let pool = Pool::start(cpus);
    open(&pool);
    pool
}

/// Lets others join a pool that runs.
pub(crate) fn open(pool: &Pool) {
    pool.ok(&["pool", "start", "--listen", &free_address()]);
}

pub(crate) fn invite(pool: &Pool, words: &[&str]) -> String {
    let words = [&["pool", "invite"], words].concat();
    pool.ok(&words).trim().to_owned()
}

/// A machine of a pool, which is stopped when this is dropped.
pub(crate) struct Node<'a> {
    pool: &'a Pool,
    dir: tempfile::TempDir,
}

impl<'a> Node<'a> {
    pub(crate) fn new(pool: &'a Pool) -> Self {
        Self { pool, dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("node")
    }

    pub(crate) fn join(&self, token: &str, name: &str) -> Output {
        let home = self.home();
        let words = ["join", token, "--name", name, "--cpus", "2", "--memory", "1024", "--dir"];
        self.pool.updraft(&[&words[..], &[home.to_str().unwrap()]].concat())
    }

    pub(crate) fn joined(pool: &'a Pool, name: &str) -> Self {
        let node = Self::new(pool);
        let out = node.join(&invite(pool, &[]), name);
        assert!(out.status.success(), "{}", text(&out));
        node
    }

    pub(crate) fn pid(&self, daemon: &str) -> Option<i64> {
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

pub(crate) fn nodes(pool: &Pool) -> serde_json::Value {
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
    // A secret that differs in its last digit, whatever that one is.
    let guessed =
        format!("{}{}", &once[..once.len() - 1], if once.ends_with('0') { '1' } else { '0' });
    for (token, name, said) in [
        ("nonsense", "m", "does not begin with 'updraft-join/1/'"),
        (&mixed.join("/"), "m", "UnknownIssuer"),
        (&guessed, "m", "not known"),
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
    assert!(text(&twice).contains("it is 'exec1' of the one at"), "{}", text(&twice));
    assert_eq!(nodes(&pool)["nodes"][0]["is_here"], true);
    let home = node.home();
    let at = |words: &[&str]| {
        let out = pool.updraft(&[words, &["--dir", home.to_str().unwrap()]].concat());
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    eventually("its own status says where it is", || {
        let told = at(&["pool", "status"]);
        told.contains("exec1, in ") && told.contains(": connected\n")
    });
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
    eventually("its own status says so", || at(&["pool", "status"]).contains("revoked"));
}

/// What the pool says of one of its machines.
fn line(pool: &Pool, name: &str) -> serde_json::Value {
    let all = nodes(pool)["nodes"].as_array().unwrap().clone();
    all.into_iter().find(|node| node["name"] == name).unwrap()
}

#[test]
fn a_machine_counts_as_renewed_when_it_shows_that_it_has_its_papers() {
    let pool = listening(1);
    let (node, full) = (Node::joined(&pool, "exec1"), Node::joined(&pool, "full"));
    // Nothing can be written there, as where the disk is full.
    let blocked = full.home().join("trust/papers.json.new");
    fs::create_dir(&blocked).unwrap();
    pool.ok(&["pool", "rotate"]);
    pool.kill_and_see_it_return("negotiator");
    eventually("the one has heard of it", || line(&pool, "exec1")["is_newest"] == true);
    eventually("the other cannot take it", || {
        let log = fs::read_to_string(full.home().join("log/startd.log")).unwrap();
        log.contains("cannot take what the pool has signed")
    });
    assert_eq!(line(&pool, "full")["is_newest"], false);
    let out = pool.updraft(&["pool", "rotate", "--finish"]);
    assert!(text(&out).contains("the machines full have not heard"), "{}", text(&out));
    fs::remove_dir(&blocked).unwrap();
    eventually("it is sent again", || line(&pool, "full")["is_newest"] == true);
    pool.ok(&["pool", "rotate", "--finish"]);
    for (node, name) in [(&node, "exec1"), (&full, "full")] {
        // It shows what it has, and has nothing else.
        let startd = node.pid("startd").unwrap();
        signal(startd, "KILL");
        eventually("the startd runs again", || node.pid("startd").is_some_and(|new| new != startd));
        eventually("it is there", || line(&pool, name)["is_here"] == true);
    }
}

#[test]
fn a_machine_that_was_away_while_the_authority_was_replaced_joins_again_in_its_folder() {
    let pool = listening(1);
    let node = Node::joined(&pool, "exec1");
    let home = node.home();
    let there = ["--dir", home.to_str().unwrap()];
    pool.ok(&[&["pool", "stop"], &there[..]].concat());
    eventually("it has gone", || line(&pool, "exec1")["is_here"] == false);
    pool.ok(&["pool", "rotate"]);
    pool.ok(&["pool", "rotate", "--finish", "--force"]);
    pool.ok(&[&["pool", "start"], &there[..]].concat());
    // It is nobody to the pool, and the pool to it, until somebody vouches for both.
    let startd = node.pid("startd").unwrap();
    let token = invite(&pool, &[]);
    let again = pool.updraft(&[&["join", &token], &there[..]].concat());
    assert!(again.status.success(), "{}", text(&again));
    assert!(text(&again).contains("exec1"), "{}", text(&again));
    assert_ne!(node.pid("startd"), Some(startd));
    assert_eq!(line(&pool, "exec1")["is_here"], true);
    pool.submit("executable = /bin/true\nlog = log\nrequirements = Machine == \"exec1\"\nqueue\n");
    eventually("it runs jobs", || events(&pool.work().join("log"), "005") == 1);
    // The token was not spent: the machine was in the pool all the time.
    let other = Node::new(&pool).join(&token, "exec2");
    assert!(other.status.success(), "{}", text(&other));
}

#[test]
fn what_a_job_on_a_machine_that_joined_writes_is_seen_while_it_runs() {
    let pool = listening(1);
    let node = Node::joined(&pool, "exec1");
    let go = node.dir.path().join("go");
    fs::write(
        pool.work().join("run.sh"),
        "#!/bin/sh\necho first; echo wrong >&2; echo made > made; while [ ! -e $1 ]; do sleep 0.05; done; echo last\n",
    )
    .unwrap();
    let job = pool.submit(&format!(
        "executable = run.sh\narguments = {}\noutput = out\nerror = err\nlog = log\n\
         requirements = Machine == \"exec1\"\nqueue\n",
        go.display()
    ));
    let log = pool.work().join("log");
    eventually("it runs", || events(&log, "001") == 1);
    eventually("its output is seen", || pool.updraft(&["tail", &job]).stdout == b"first\n");
    assert_eq!(pool.ok(&["condor_tail", "-no-stdout", "-stderr", &job]), "wrong\n");
    assert_eq!(pool.ok(&["tail", &job, "made"]), "made\n");
    let outside = pool.updraft(&["tail", &job, "../../pool.json"]);
    assert!(text(&outside).contains("in the job's folder"), "{}", text(&outside));
    // A schedd that was started again knows where the job runs as before.
    pool.kill_and_see_it_return("schedd");
    eventually("it is seen again", || pool.updraft(&["tail", &job]).stdout == b"first\n");
    let follow = format!("{} tail -f {job} > shown", updraft().display());
    let mut following = pool.command(Path::new("/bin/sh"), &["-c", &follow]).spawn().unwrap();
    let shown = pool.work().join("shown");
    eventually("it is followed", || fs::read_to_string(&shown).is_ok_and(|s| s == "first\n"));
    fs::write(&go, "").unwrap();
    eventually("it ends", || events(&log, "005") == 1);
    assert!(following.wait().unwrap().success());
    assert_eq!(fs::read_to_string(&shown).unwrap(), "first\nlast\n");
    let ended = pool.updraft(&["tail", &job]);
    assert!(text(&ended).contains("has ended"), "{}", text(&ended));
}

#[test]
fn a_shell_beside_a_job_is_in_its_folder_and_environment_on_any_machine_and_ends_with_it() {
    let pool = listening(1);
    let _node = Node::joined(&pool, "exec1");
    fs::write(pool.work().join("input"), "an input\n").unwrap();
    fs::write(pool.work().join("run.sh"), "#!/bin/sh\necho made > made; sleep 600\n").unwrap();
    for requirements in ["Machine == \"exec1\"", "Machine != \"exec1\""] {
        let job = pool.submit(&format!(
            "executable = run.sh\nshould_transfer_files = yes\ntransfer_input_files = input\n\
             environment = \"COLOUR='dark red'\"\nrequirements = {requirements}\nqueue\n",
        ));
        eventually("it runs and has written", || {
            pool.updraft(&["tail", &job, "made"]).stdout == b"made\n"
        });
        let at = |command: &str| pool.updraft(&["condor_ssh_to_job", &job, command]);
        let out = at("cat input made; echo $COLOUR; test $PWD = $_CONDOR_SCRATCH_DIR && echo here");
        assert_eq!(String::from_utf8_lossy(&out.stdout), "an input\nmade\ndark red\nhere\n");
        assert_eq!(at("exit 7").status.code(), Some(7));
        let seen = at("for pid in $_CONDOR_JOB_PIDS; do tr '\\0' ' ' < /proc/$pid/cmdline; done");
        assert!(text(&seen).contains("sleep 600"), "{}", text(&seen));
        // What is piped in arrives whole, and has an end.
        let piped = format!("printf 'one\\ntwo' | {} ssh_to_job {job} cat", updraft().display());
        let out = pool.command(Path::new("/bin/sh"), &["-c", &piped]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stdout), "one\ntwo");
        // Who is there when the job ends is told so, and nothing of him is left.
        let mut stays = pool
            .command(&updraft(), &["ssh_to_job", &job, "echo $$; exec sleep 599"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(stays.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let pid = line.trim().to_owned();
        assert!(fs::metadata(format!("/proc/{pid}")).is_ok(), "{pid}");
        pool.ok(&["rm", &job]);
        let mut ended = None;
        eventually("he is told", || {
            ended = stays.try_wait().unwrap();
            ended.is_some()
        });
        assert_ne!(ended.unwrap().code(), Some(0));
        eventually("nothing is left of him", || {
            fs::read_to_string(format!("/proc/{pid}/stat"))
                .map_or(true, |stat| stat.contains(") Z "))
        });
        let over = at("true");
        assert!(text(&over).contains("it is not in the queue"), "{}", text(&over));
    }
}

#[test]
fn a_drained_machine_starts_nothing_until_it_is_resumed_whatever_dies_meanwhile() {
    let pool = listening(1);
    let node = Node::joined(&pool, "exec1");
    let go = node.dir.path().join("go");
    let description = |log: &str| {
        format!(
            "executable = /bin/sh\narguments = -c 'while [ ! -e {} ]; do sleep 0.05; done'\n\
             log = {log}\nrequirements = Machine == \"exec1\"\nqueue\n",
            go.display()
        )
    };
    pool.submit(&description("first.log"));
    let (first, second) = (pool.work().join("first.log"), pool.work().join("second.log"));
    eventually("the first runs", || events(&first, "001") == 1);
    pool.ok(&["pool", "drain", "exec1", "--reason", "new disk"]);
    assert_eq!(nodes(&pool)["nodes"][0]["drain"]["reason"], "new disk");
    let waiting = pool.submit(&description("second.log"));
    let waits = || pool.ok(&["q", "-better-analyze", &waiting]).contains("drained (new disk)");
    eventually("the second waits for the machine", waits);
    pool.kill_and_see_it_return("negotiator");
    eventually("it is said again", || {
        pool.ok(&["status", "-af", "Machine", "State", "DrainReason"])
            .contains("exec1 Drained new disk")
    });
    assert!(pool.ok(&["pool", "nodes"]).contains("drained (new disk)"));
    // What runs goes on to its end, and the slot is given to nobody.
    fs::write(&go, "").unwrap();
    eventually("the first has ended", || events(&first, "005") == 1);
    eventually("its claim is gone", || {
        pool.ok(&["status", "-af", "Machine", "Activity"]).contains("exec1 Idle")
    });
    assert_eq!(events(&second, "001"), 0);
    pool.ok(&["pool", "resume", "exec1"]);
    eventually("the second ends", || events(&second, "005") == 1);
}

#[test]
fn with_now_the_jobs_of_a_drained_machine_go_back_into_the_queue_and_condor_drain_says_so_too() {
    let pool = listening(1);
    let _node = Node::joined(&pool, "exec1");
    let cluster = pool.submit(
        "executable = /bin/sleep\narguments = 600\nlog = log\nrequirements = Machine == \"exec1\"\nqueue\n",
    );
    let log = pool.work().join("log");
    eventually("it runs", || events(&log, "001") == 1);
    pool.ok(&["pool", "drain", "exec1", "--now"]);
    pool.until(&cluster, "JobStatus", "1");
    eventually("the log tells it", || events(&log, "004") == 1);
    let said = pool.ok(&["drain", "-cancel", "EXEC1"]);
    assert!(said.contains("exec1 gets jobs again"), "{said}");
    eventually("it runs again", || events(&log, "001") == 2);
    let refused = pool.updraft(&["drain", "-check", "Cpus > 100", "exec1"]);
    assert!(!refused.status.success() && text(&refused).contains("is not true of"));
    let unknown = pool.updraft(&["pool", "drain", "nobody"]);
    assert!(text(&unknown).contains("no machine is called nobody"), "{}", text(&unknown));
    pool.ok(&["drain", "-fast", "exec1"]);
    pool.until(&cluster, "JobStatus", "1");
}

#[test]
fn the_doctor_says_of_each_machine_what_is_wrong_first_and_what_to_do() {
    let pool = listening(1);
    let node = Node::joined(&pool, "exec1");
    let (home, failing) = (node.home(), |words: &[&str]| {
        let out = pool.updraft(&[&["doctor", "--json"], words].concat());
        let found: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(found["findings"].as_array().unwrap().len(), 9, "{found}");
        assert_eq!(out.status.success(), found["failing"].is_null(), "{found}");
        found
    });
    let there = ["--dir", home.to_str().unwrap()];
    assert_eq!(failing(&[])["failing"], serde_json::Value::Null);
    let found = failing(&there);
    assert_eq!(found["failing"], serde_json::Value::Null, "{found}");
    let states = |found: &serde_json::Value| {
        let all = found["findings"].as_array().unwrap().iter();
        all.map(|one| one["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(&found)[..6], ["ok"; 6]);
    pool.ok(&["pool", "revoke", "exec1"]);
    let found = failing(&there);
    assert_eq!(found["failing"], "role", "{found}");
    let told = text(&pool.updraft(&[&["doctor"], &there[..]].concat()));
    assert!(told.contains("What to do about the role:  a machine joins anew"), "{told}");
    pool.ok(&["pool", "stop"]);
    let found = failing(&there);
    assert_eq!(found["failing"], "port", "{found}");
    assert_eq!(states(&found)[3..6], ["untried"; 3]);
    assert_eq!(failing(&[])["failing"], "role");
    pool.ok(&["pool", "start"]);
}

#[test]
fn what_a_run_was_told_comes_home_and_a_job_that_is_up_to_date_is_not_run_there() {
    let pool = listening(1);
    let _node = Node::joined(&pool, "exec1");
    let work = pool.work();
    fs::write(work.join("in"), "x\n").unwrap();
    fs::write(work.join("copy.sh"), "#!/bin/sh\necho run >> out\n").unwrap();
    let submit = |log: &str| {
        pool.submit(&format!(
            "executable = copy.sh\ntransfer_input_files = in\ntransfer_output_files = out\n\
             skip_if_dataflow = true\nstarter_debug = true\nstarter_log = told/{log}.run\n\
             log = {log}\nrequirements = Machine == \"exec1\"\nqueue\n"
        ))
    };
    submit("first");
    eventually("it ends", || events(&work.join("first"), "005") == 1);
    assert_eq!(fs::read_to_string(work.join("out")).unwrap(), "run\n");
    // It comes behind the end of its run.
    eventually("the account is there", || work.join("told/first.run").exists());
    let told = fs::read_to_string(work.join("told/first.run")).unwrap();
    for line in [
        "its scratch folder is",
        "To be executed: ",
        "ended with exit code 0",
        "files were brought back",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    // Nothing has changed since; and then something has.
    submit("second");
    eventually("it ends", || events(&work.join("second"), "005") == 1);
    assert_eq!(events(&work.join("second"), "001"), 0);
    let made = fs::metadata(work.join("out")).unwrap().modified().unwrap();
    let later = made + std::time::Duration::from_secs(60);
    fs::File::options().write(true).open(work.join("in")).unwrap().set_modified(later).unwrap();
    submit("third");
    eventually("it ends", || events(&work.join("third"), "005") == 1);
    assert_eq!(events(&work.join("third"), "001"), 1);
}
