//! What users, disks and peers do wrong must hold up nobody else: paths that never answer, clients that die, files that are damaged.

use std::fs;

use nix::sys::stat::Mode;

use crate::harness::{Pool, events, eventually};

#[test]
fn a_log_that_takes_nothing_holds_up_no_other_job_and_no_command() {
    let pool = Pool::start(2);
    nix::unistd::mkfifo(&pool.work().join("fifo"), Mode::S_IRWXU).unwrap();
    // More batches than any queue of the writer has places for.
    for _ in 0..40 {
        pool.submit("executable = /bin/true\nlog = fifo\nqueue 2\n");
    }
    let cluster = pool.submit("executable = /bin/true\nlog = good.log\nqueue 3\n");
    let log = pool.work().join("good.log");
    eventually("the other log has its entries", || events(&log, "005") == 3);
    pool.ok(&["q"]);
    eventually("the jobs of the first log end too", || {
        pool.ok(&["q", "-af", "ClusterId"]).is_empty()
    });
    // What is left of it is no burden for the next life.
    pool.kill_and_see_it_return("schedd");
    pool.submit("executable = /bin/true\nlog = good.log\nqueue\n");
    eventually("and again after a restart", || events(&log, "005") == 4);
    assert_eq!(events(&log, "000"), 4, "of {cluster} and the last");
    let said = fs::read_to_string(pool.home().join("log/schedd.log")).unwrap();
    assert!(said.contains("a log must be a plain file"), "{said}");
}
