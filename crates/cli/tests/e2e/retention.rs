//! What is over is kept so long: what commands say of what is gone, and that nothing else goes.

use crate::harness::{Pool, eventually, text};

/// So many jobs that have ended, one cluster each.
fn run_jobs(pool: &Pool, many: usize) -> Vec<String> {
    let clusters: Vec<String> =
        (0..many).map(|_| pool.submit("executable = /bin/true\nqueue\n")).collect();
    let mut words = vec!["wait"];
    words.extend(clusters.iter().map(String::as_str));
    pool.ok(&words);
    clusters
}

#[test]
fn jobs_beyond_the_number_leave_the_history_and_are_not_said_never_to_have_been() {
    let pool = Pool::start_with_config(2, "MAX_HISTORY_JOBS = 3\n");
    let clusters = run_jobs(&pool, 5);
    eventually("the history has three jobs", || {
        pool.ok(&["history", "-af", "ClusterId"]).lines().count() == 3
    });
    assert_eq!(pool.ok(&["history", &clusters[4], "-af", "ExitCode"]), "0\n");
    let first = &clusters[0];
    let gone = "there is no such job; what ended until ";
    for words in [
        ["q", first],
        ["history", first],
        ["wait", first],
        ["show", first],
        ["rm", first],
        ["retry", first],
    ] {
        let out = pool.updraft(&words);
        let said = text(&out);
        assert!(!out.status.success() && said.contains(gone), "{words:?}: {said}");
        assert!(said.contains(" is no longer in the history"), "{words:?}: {said}");
    }
    // Events stay for who follows.
    assert!(pool.ok(&["events", "--json"]).lines().next().unwrap().contains("\"seq\":1}"));
}

#[test]
fn a_bound_in_bytes_ends_the_record_and_who_asks_for_more_is_told() {
    let pool = Pool::start_with_config(2, "MAX_HISTORY_LOG = 100000\nMAX_HISTORY_ROTATIONS = 1\n");
    let held = pool.submit("executable = /bin/true\nhold = true\nqueue\n");
    let batch = pool.submit("executable = /bin/true\nqueue 300\n");
    pool.ok(&["wait", &batch]);
    let said = || text(&pool.updraft(&["events"]));
    eventually("the record begins later", || said().contains("the record begins with event "));
    assert_eq!(
        pool.ok(&["q", "-af", "ClusterId"]),
        format!("{held}\n"),
        "what is in the queue stays"
    );
    pool.ok(&["release", &held]);
    pool.ok(&["wait", &held]);
    pool.kill_and_see_it_return("schedd");
    assert!(said().contains("the record begins with event "), "also after a restart");
    // What the schedd still had in memory it has no more.
    let refused = pool.updraft(&["events", "--since", "2"]);
    let why = text(&refused);
    assert!(!refused.status.success(), "{why}");
    assert!(why.contains("read the record from event 2: it begins with event "), "{why}");
}
