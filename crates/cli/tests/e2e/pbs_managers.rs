//! What managers of PBS's queues may, and jobs that are alone on their machines.

use crate::harness::{Pool, eventually};
use crate::pbs::{full, run, submit, until};

#[test]
fn holds_of_managers_and_of_the_user_are_let_go_one_by_one() {
    let pool = Pool::start(1);
    let id = submit(&pool, &["-h"], "true");
    let holds = |id: &str| full(&pool, id)["Hold_Types"].as_str().unwrap().to_owned();
    run(&pool, 0, &["qhold", "-h", "o", &id]);
    assert_eq!(holds(&id), "ou");
    assert_eq!(run(&pool, 0, &["qselect", "-h", "ou"]).trim(), id);
    run(&pool, 0, &["qhold", "-h", "s", &id]);
    run(&pool, 0, &["qrls", &id]);
    assert_eq!(holds(&id), "so");
    run(&pool, 0, &["qrls", "-h", "o", &id]);
    assert_eq!((holds(&id).as_str(), &full(&pool, &id)["job_state"]), ("s", &"H".into()));
    run(&pool, 0, &["qrls", "-h", "s", &id]);
    until(&pool, &id, "F");
    let bad = submit(&pool, &["-h"], "true");
    run(&pool, 0, &["qhold", "-h", "p", &bad]);
    assert_eq!(holds(&bad), "up");
    run(&pool, 0, &["qrls", &bad]);
    assert_eq!((holds(&bad).as_str(), &full(&pool, &bad)["job_state"]), ("p", &"H".into()));
    run(&pool, 0, &["qrls", "-h", "p", &bad]);
    until(&pool, &bad, "F");

    let running = submit(&pool, &[], "sleep 600");
    until(&pool, &running, "R");
    run(&pool, 0, &["qhold", "-h", "so", &running]);
    assert_eq!(
        (holds(&running).as_str(), &full(&pool, &running)["job_state"]),
        ("so", &"R".into())
    );
    run(&pool, 0, &["qrerun", &running]);
    until(&pool, &running, "H");
    run(&pool, 0, &["qrls", "-h", "os", &running]);
    until(&pool, &running, "R");
}

#[test]
fn a_job_alone_has_its_machine_for_itself() {
    let pool = Pool::start(3);
    let sleep = |place: &str| {
        let words = ["qsub", "-l", "select=1:ncpus=1", "-l", place, "--", "/bin/sleep", "600"];
        run(&pool, 0, &words).trim().to_owned()
    };
    let first = sleep("place=free");
    until(&pool, &first, "R");
    let alone = sleep("place=pack:excl");
    eventually("it waits for an empty machine", || {
        let waits = full(&pool, &alone)["comment"].to_string();
        waits.contains("Insufficient amount of resource: ncpus (R: 3 A: 2 T: 3)")
    });
    run(&pool, 0, &["qdel", &first]);
    until(&pool, &alone, "R");
    assert_eq!(full(&pool, &alone)["Resource_List"]["ncpus"], 1);
    assert!(run(&pool, 0, &["pbsnodes", "-a"]).contains("state = job-exclusive"));
    let other = sleep("place=free");
    eventually("the other waits", || {
        full(&pool, &other)["comment"].to_string().contains("(R: 1 A: 0 T: 3)")
    });
    run(&pool, 0, &["qdel", &alone]);
    until(&pool, &other, "R");
}

#[test]
fn runs_of_groups_and_projects_are_counted_and_a_group_must_be_its_users() {
    let pool = Pool::start(4);
    run(&pool, 0, &["qmgr", "-c", "set queue workq max_run = [p:PBS_GENERIC=1]"]);
    let print = run(&pool, 0, &["qmgr", "-c", "print queue workq"]);
    assert!(print.contains("set queue workq max_run = [p:PBS_GENERIC=1]"), "{print}");
    let sleep = |project: &str| {
        run(&pool, 0, &["qsub", "-P", project, "--", "/bin/sleep", "600"]).trim().to_owned()
    };
    let (moon, again, sun) = (sleep("moon"), sleep("moon"), sleep("sun"));
    until(&pool, &moon, "R");
    until(&pool, &sun, "R");
    eventually("the second of a project waits", || {
        full(&pool, &again)["comment"]
            == "Not Running: Project has reached queue workq running limit."
    });
    run(&pool, 0, &["qdel", &moon]);
    until(&pool, &again, "R");
}
