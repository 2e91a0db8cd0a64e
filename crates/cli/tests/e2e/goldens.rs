//! What HTCondor 25.14 answered to a user who acts on jobs, against ours: the same commands, on
//! clusters of the same numbers, in the order in which they make sense. `golden/COMMANDS` has the
//! command lines.

use std::fs;
use std::path::{Path, PathBuf};

use client::Schedd;
use model::SubmitToken;

use crate::harness::{Pool, eventually, text};

/// A pool whose jobs have the numbers that the recorded answers show, and links under HTCondor's
/// names.
struct Stage {
    pool: Pool,
    bin: PathBuf,
    me: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

impl Stage {
    fn in_bare_pool() -> Self {
        let pool = Pool::start(3);
        let bin = pool.work().join("bin");
        pool.ok(&["links", "install", bin.to_str().unwrap()]);
        let me = String::new();
        Self { pool, bin, me }
    }

    fn new() -> Self {
        let mut stage = Self::in_bare_pool();
        let pool = &stage.pool;
        pool.submit("executable = /bin/true\nhold = true\nqueue\n");
        let me = pool.attribute("1.0", "Owner").remove(0);
        for _ in 2..36 {
            pool.submit("executable = /bin/true\nhold = true\nqueue\n");
        }
        pool.ok(&["rm", "-all"]);
        stage.me = me;
        stage
    }

    /// Jobs that no machine can run.
    fn submit_waiting(&self, cluster: &str, jobs: u32) {
        let description =
            format!("executable = /bin/true\nrequirements = Arch == \"PDP11\"\nqueue {jobs}\n");
        assert_eq!(self.pool.submit(&description), cluster);
    }

    /// Runs recorded commands; their users are this one.
    fn check(&self, names: &[&str]) {
        let commands = fs::read_to_string(folder().join("COMMANDS")).unwrap();
        for name in names {
            let line =
                commands.lines().find(|line| line.starts_with(&format!("{name} | "))).unwrap();
            let parts: Vec<&str> = line.splitn(4, " | ").collect();
            let [_, exit, _, command] = parts[..] else { panic!("{line}") };
            let as_me = |text: &str| {
                // As a word: `bob` of `condor_rm.user-self` is who asks.
                let whose = if *name == "condor_rm.user-self" { "bob" } else { "alice" };
                text.replace(&format!("{whose}\""), &format!("{}\"", self.me))
                    .replace(&format!(" {whose}\n"), &format!(" {}\n", self.me))
            };
            let command = as_me(&format!("{command}\n"));
            let script = format!("PATH={}:$PATH; {command}", self.bin.display());
            let out = self.pool.program(Path::new("/bin/sh"), &["-c", &script]);
            let golden = |kind: &str| {
                as_me(
                    &fs::read_to_string(folder().join(format!("{name}.{kind}")))
                        .unwrap_or_default(),
                )
            };
            let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(said(&out.stdout), golden("out"), "{name}: {command}{}", text(&out));
            assert_eq!(said(&out.stderr), golden("err"), "{name}: {command}{}", text(&out));
            let code = out.status.code().map(|code| code.to_string());
            assert_eq!(code.as_deref(), Some(exit), "{name}: {command}{}", text(&out));
        }
    }
}

#[test]
fn acting_on_jobs_is_answered_to_the_letter() {
    let stage = Stage::new();
    let pool = &stage.pool;
    stage.submit_waiting("36", 4);
    stage.submit_waiting("37", 2);
    stage.submit_waiting("38", 1);
    stage.check(&["condor_prio", "condor_prio.plus", "condor_prio.cluster", "condor_prio.bad"]);
    assert_eq!(pool.attribute("36", "JobPrio"), ["3"; 4]);
    stage.check(&[
        "condor_qedit",
        "condor_qedit.multi",
        "condor_qedit.constraint",
        "condor_qedit.bad",
        "condor_qedit.immutable",
        "condor_qedit.protected",
        "condor_qedit.after",
    ]);
    stage.check(&[
        "condor_hold",
        "condor_hold.again",
        "condor_hold.reason",
        "condor_hold.missing",
        "condor_hold.constraint",
        "condor_hold.cluster",
        "condor_hold.user",
        "condor_hold.mixed",
    ]);
    stage.check(&[
        "condor_release",
        "condor_release.again",
        "condor_release.missing",
        "condor_release.cluster",
        "condor_release.all",
    ]);
    stage.submit_waiting("39", 1);
    running_jobs_are_acted_on(&stage);
    stage.check(&[
        "condor_rm.user-self",
        "condor_rm.user-other",
        "condor_rm.all",
        "condor_rm.all-empty",
    ]);
    stage.check(&["condor_rm.cluster", "condor_q.empty-json", "condor_q.empty-long"]);
}

fn running_jobs_are_acted_on(stage: &Stage) {
    let pool = &stage.pool;
    pool.submit("executable = /bin/sleep\narguments = 600\nqueue 3\n");
    let all_run = |starts: &[&str]| {
        eventually("the three jobs run", || {
            pool.attribute("40", "JobStatus") == ["2"; 3]
                && pool.attribute("40", "NumJobStarts") == starts
        });
    };
    all_run(&["1", "1", "1"]);
    eventually("all three processors are taken", || {
        pool.ok(&["status", "-avail", "-af", "Name"]).is_empty()
    });
    stage.check(&["condor_suspend.cluster", "condor_status.avail", "condor_suspend"]);
    pool.until("40.0", "JobStatus", "7");
    stage.check(&["condor_continue"]);
    all_run(&["1", "1", "1"]);
    stage.check(&["condor_vacate_job"]);
    all_run(&["2", "1", "1"]);
    stage.check(&["condor_vacate_job.fast"]);
    all_run(&["2", "2", "1"]);
    stage.check(&["condor_hold.running"]);
    pool.until("40.0", "JobStatus", "5");
    stage.check(&["condor_release.held-running"]);
    all_run(&["3", "2", "1"]);
    stage.check(&["condor_rm.proc", "condor_rm.reason", "condor_rm.running"]);
    eventually("the three jobs have left the queue", || {
        pool.ok(&["q", "-constraint", "ClusterId == 40", "-af", "ProcId"]).is_empty()
    });
    stage.check(&[
        "condor_rm.again",
        "condor_rm.forcex",
        "condor_rm.missing",
        "condor_rm.missing-proc",
    ]);
    stage.check(&["condor_rm.badarg", "condor_rm.nouser", "condor_rm.constraint-none"]);
}

#[test]
fn spooled_jobs_are_answered_to_the_letter() {
    let stage = Stage::in_bare_pool();
    let pool = &stage.pool;
    let mut schedd = Schedd::at(&pool.home().join("run/schedd.sock")).unwrap();
    for n in 1..76 {
        // The job is to have the number that was recorded.
        let token = SubmitToken([n; 16]);
        schedd.reserve(token).unwrap();
    }
    fs::create_dir(pool.work().join("g")).unwrap();
    for (name, content) in [
        (
            "probeYES.sub",
            "executable = probe.sh\narguments = \"a1 'a 2' a3\"\noutput = probeYES.out\nshould_transfer_files = YES\nqueue\n",
        ),
        ("probe.sh", "#!/bin/sh\necho \"$@\"; exit 3\n"),
    ] {
        fs::write(pool.work().join("g").join(name), content).unwrap();
    }
    stage.check(&["condor_submit.spool"]);
    pool.until("76.0", "JobStatus", "4");
    stage.check(&["condor_transfer_data", "condor_transfer_data.none"]);
    let fetched = fs::read_to_string(pool.work().join("g/probeYES.out")).unwrap();
    assert_eq!(fetched, "a1 a 2 a3\n");
    stage.check(&["condor_rm.spool"]);
}

#[test]
fn questions_that_nothing_answers_are_answered_to_the_letter() {
    let stage = Stage::new();
    stage.check(&[
        "condor_history.none",
        "condor_status.nohost",
        "condor_status.none",
        "condor_status.gpus",
    ]);
    let condor_q = stage.bin.join("condor_q");
    let out = stage.pool.program(&condor_q, &["-constraint", "JobStatus==("]);
    // "condor_q.badconstraint", but for the address.
    let expected = fs::read_to_string(folder().join("condor_q.badconstraint.err")).unwrap();
    let shape = |text: &str| {
        let (before, after) = text.split_once('<').unwrap_or((text, ""));
        let (_, after) = after.split_once("> : ").unwrap_or(("", after));
        let (_, after) = after.split_once('\n').unwrap_or(("", after));
        format!("{before}<ADDRESS> : NAME\n{after}")
    };
    assert_eq!(shape(&String::from_utf8_lossy(&out.stderr)), shape(&expected), "{}", text(&out));
    assert!(out.stdout.is_empty() && out.status.code() == Some(1), "{}", text(&out));
}
