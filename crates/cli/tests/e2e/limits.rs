//! What the whole pool shares: concurrency limits.

use crate::harness::{Pool, eventually};

#[test]
fn jobs_under_a_limit_start_as_many_at_once_as_it_allows_and_the_others_say_why_they_wait() {
    let pool = Pool::start_with_config(8, "DB_LIMIT = 3\n");
    let cluster = pool.submit(
        "executable = /bin/sleep\narguments = 600\nconcurrency_limits = DB\nrequest_memory = 100\nrequest_disk = 10MB\nqueue 5\n",
    );
    let running =
        || pool.ok(&["q", "-constraint", "JobStatus == 2", "-af", "ProcId"]).lines().count();
    eventually("three of the jobs run", || running() == 3);
    let slots = || pool.ok(&["status", "-af", "ConcurrencyLimits", "-constraint", "DynamicSlot"]);
    eventually("each slot tells its limit", || slots() == "db\ndb\ndb\n");
    let reason = || pool.attribute(&format!("{cluster}.4"), "LastRejMatchReason").join("");
    eventually("the others wait for the limit", || {
        reason() == "not yet: the limit db is reached: 3 of 3 in use"
    });
    assert_eq!(running(), 3);

    // A restart of who counts forgets nothing, and the next starts when one ends.
    pool.kill_and_see_it_return("negotiator");
    pool.ok(&["rm", &format!("{cluster}.0")]);
    pool.until(&format!("{cluster}.3"), "JobStatus", "2");
    assert_eq!(running(), 3);

    // A hundred short ones go through the limit one after the other.
    pool.ok(&["rm", "-all"]);
    let many = pool.submit(
        "executable = /bin/true\nconcurrency_limits_expr = strcat(\"D\", \"b\")\nqueue 100\n",
    );
    pool.ok(&["wait", &many]);
    let over = pool.submit("executable = /bin/true\nconcurrency_limits = db:4\nqueue\n");
    let reason = || pool.attribute(&format!("{over}.0"), "LastRejMatchReason").join("");
    eventually("a job that asks for more than there is never runs", || {
        reason() == "never: it uses 4 of the limit db, of which the pool has 3"
    });
}
