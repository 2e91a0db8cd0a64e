//! What jobs say about their own life, with real processes: their usage is measured, and their policies see it.

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
