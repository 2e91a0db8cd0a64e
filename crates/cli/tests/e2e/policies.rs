//! What jobs say about their own life, with real processes: their usage is measured, and their
//! policies see it.

use std::fs;

use crate::harness::{Pool, events, eventually};

#[test]
fn a_job_that_uses_too_much_memory_is_held_by_its_own_policy() {
    let pool = Pool::start(1);
    pool.submit(
        "executable = /bin/sh\n\
         arguments = \"-c 'head -c 100000000 /dev/zero | tail | (sleep 600; cat)'\"\n\
         log = job.log\n\
         periodic_hold = MemoryUsage > 60\n\
         periodic_hold_reason = strcat(\"it uses more than \", 60)\n\
         periodic_hold_subcode = 42\n\
         queue\n",
    );
    pool.until("1.0", "HoldReasonCode", "3");
    assert_eq!(pool.attribute("1.0", "HoldReason"), ["it uses more than 60"]);
    let log = pool.work().join("job.log");
    eventually("the log tells of the hold", || events(&log, "012") == 1);
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("\tit uses more than 60\n\tCode 3 Subcode 42\n"), "{text}");
    assert_eq!(events(&log, "004"), 0, "{text}");
    assert!(events(&log, "006") >= 1, "{text}");
}

#[test]
fn a_deferred_job_waits_on_its_machine_and_starts_at_its_time_or_is_held() {
    let pool = Pool::start(2);
    pool.submit(
        "executable = /bin/date\narguments = +%s\noutput = out\n\
         deferral_time = QDate + 6\ndeferral_window = 600\nqueue\n",
    );
    pool.until("1.0", "JobStatus", "2");
    pool.until("1.0", "JobStatus", "4");
    let due: i64 = pool.attribute("1.0", "QDate")[0].parse::<i64>().unwrap() + 6;
    let ran: i64 = fs::read_to_string(pool.work().join("out")).unwrap().trim().parse().unwrap();
    // How late it may be is the machine's matter, as long as it was not forgotten.
    assert!((due..due + 60).contains(&ran), "due at {due}, ran at {ran}");
    // Far away, so that it waits on its machine; and it is stopped there at once.
    pool.submit(
        "executable = /bin/true\ndeferral_time = QDate + 1000\ndeferral_prep_time = 2000\nqueue\n",
    );
    pool.until("2.0", "JobStatus", "2");
    pool.ok(&["hold", "2"]);
    eventually("it is not waited for", || pool.ok(&["q", "-run"]).find("2.0").is_none());
    pool.until("2.0", "HoldReasonCode", "1");
    // A machine that gets it too late says so.
    pool.submit(
        "executable = /bin/true\nrequirements = true\nMY.DeferralTime = QDate - 5\n\
         MY.DeferralWindow = 1\nqueue\n",
    );
    pool.until("3.0", "HoldReasonCode", "20");
}
