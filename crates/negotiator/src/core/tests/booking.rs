//! Advance reservations: where they are, who runs there, and who stays away.

use super::*;

/// Four processors, two of which are reserved from the hundredth to the thousandth second.
fn with_half(more: &str) -> String {
    format!(
        "machine a cpus=4 memory=4000
         book R1 100 1000 cpus=2

         {more}"
    )
}

#[test]
fn others_have_what_is_beside_a_reservation_or_are_over_by_then() {
    check(
        &with_half(
            "job ann 1 3; PbsQueue = \"workq\"
             job ann 2 1; PbsQueue = \"workq\"; PbsWalltime = 7200
             job ann 3 1; PbsQueue = \"workq\"; PbsWalltime = 10",
        ),
        expect![[r#"
            R1 booked: a cpus=2
            #1 1 on a: cpus=1 memory=128
            #2 1 on a: cpus=1 memory=128
            #3 3 on a: cpus=1 memory=128
            1 waits: not yet: a is reserved (R1) from 1970-01-12 13:48:20 UTC until 1970-01-12 14:03:20 UTC; it asks for no walltime, so nobody can tell when it is over
            2 waits: not yet: a is reserved (R1) from 1970-01-12 13:48:20 UTC until 1970-01-12 14:03:20 UTC; with a walltime of 2 h 0 min it may not be over by then
        "#]],
    );
}

#[test]
fn its_own_jobs_run_when_its_window_is_open_and_nowhere_else() {
    check(
        &with_half(
            "machine b cpus=4 memory=4000
             job ann 1 3; PbsQueue = \"R1\"

             wait 99

             wait 1
             claimed a

             wait 900
             freed a
             retells",
        ),
        expect![[r#"
            R1 booked: a cpus=2
            1 waits: not yet: 2 machines could run it; all are busy (short of Cpus)
            #1 1 on a: cpus=1 memory=128 limit reservation R1 of s:0
            #2 1 on a: cpus=1 memory=128 limit reservation R1 of s:0
            1 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            1 waits: not yet: the pool has no machines
            1 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
        "#]],
    );
}

#[test]
fn a_job_of_a_reservation_runs_if_it_is_over_with_it() {
    check(
        &with_half(
            "job ann 1 1; PbsQueue = \"R1\"; PbsWalltime = 901
             job ann 2 1; PbsQueue = \"R1\"; PbsWalltime = 1200

             wait 100",
        ),
        expect![[r#"
            R1 booked: a cpus=2
            1 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            2 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            #1 1 on a: cpus=1 memory=128 limit reservation R1 of s:0
        "#]],
    );
}

#[test]
fn a_reservation_is_where_nothing_is_in_its_way() {
    check(
        "machine a cpus=4 memory=4000
         machine b cpus=2 memory=4000
         job ann 1 1 cpus=3; Rank = Machine == \"a\"

         claimed a
         gone 1
         seen 1
         book R1 100 200 cpus=2
         book R2 150 250 cpus=2
         book R3 200 300 cpus=2
         book R4 0 50 cpus=1 n=2 scatter
         book R5 0 50 cpus=1 on=b excl",
        expect![[r#"
            #1 1 on a: cpus=3 memory=128
            R1 booked: b cpus=2
            R2 booked: no
            R3 booked: b cpus=2
            R4 booked: a cpus=1 b cpus=1
            R5 booked: no
        "#]],
    );
}

#[test]
fn a_reservation_holds_over_a_restart_and_until_it_is_given_up() {
    check(
        &with_half(
            "job ann 1 3; PbsQueue = \"workq\"

             restart
             claimed a

             unbook R1",
        ),
        expect![[r#"
            R1 booked: a cpus=2
            #1 1 on a: cpus=1 memory=128
            #2 1 on a: cpus=1 memory=128
            1 waits: not yet: a is reserved (R1) from 1970-01-12 13:48:20 UTC until 1970-01-12 14:03:20 UTC; it asks for no walltime, so nobody can tell when it is over
            1 waits: not yet: a is reserved (R1) from 1970-01-12 13:48:20 UTC until 1970-01-12 14:03:20 UTC; it asks for no walltime, so nobody can tell when it is over
            #1 1 on a: cpus=1 memory=128
            #2 1 on a: cpus=1 memory=128
            1 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
        "#]],
    );
}

#[test]
fn a_window_that_cannot_be_moved_stays_as_it_was() {
    check(
        &with_half(
            "book R2 1000 2000 cpus=3

             rebook R1 100 1500

             job ann 1 4; PbsQueue = \"workq\"; PbsWalltime = 600",
        ),
        expect![[r#"
            R1 booked: a cpus=2
            R2 booked: a cpus=3
            R1 booked: no
            #1 1 on a: cpus=1 memory=128
            #2 1 on a: cpus=1 memory=128
            1 waits: not yet: a is reserved (R1) from 1970-01-12 13:48:20 UTC until 1970-01-12 14:03:20 UTC; with a walltime of 600 s it may not be over by then
        "#]],
    );
}

#[test]
fn the_parts_of_a_job_leave_a_reservation_together_and_use_their_own() {
    check(
        "machine a cpus=8 memory=4000
         machine b cpus=4 memory=4000
         book R1 100 1000 cpus=5

         job ann 1 1 cpus=6; GangParts = \"free 2:RequestCpus=3\"",
        expect![[r#"
            R1 booked: a cpus=5
            #1 1 on a: cpus=3 memory=128 part 0 of 2 holds 0
            #2 1 on b: cpus=3 memory=128 part 1 of 2 holds 1
        "#]],
    );
    check(
        "machine a cpus=8 memory=4000
         machine b cpus=8 memory=4000
         book R1 100 1000 cpus=5
         book R2 100 1000 cpus=5
         job bob 1 1 cpus=6; PbsQueue = \"R1\"; GangParts = \"free 2:RequestCpus=3\"
         job bob 2 1 cpus=4; PbsQueue = \"R2\"; GangParts = \"free 2:RequestCpus=2\"

         wait 100",
        expect![[r#"
            R1 booked: a cpus=5
            R2 booked: b cpus=5
            1 waits: not yet: 2 machines could run it; all are busy (short of Cpus)
            2 waits: not yet: 2 machines could run it; all are busy (short of Cpus)
            #1 2 on b: cpus=4 memory=128 limit reservation R2 of s:0
        "#]],
    );
}

#[test]
fn what_a_reservation_does_not_speak_of_its_jobs_take_of_the_machine() {
    check(
        "machine a cpus=4 memory=4000 gpus=1
         book R1 0 1000 cpus=2
         job ann 1 2 memory=1000 gpus=1; PbsQueue = \"R1\"",
        expect![[r#"
            #1 1 on a: cpus=1 memory=1024 gpus=1 limit reservation R1 of s:0
            R1 booked: a cpus=2
            1 waits: not yet: 1 machine could run it; all are busy (short of GPUs)
        "#]],
    );
}

#[test]
fn what_a_reservation_does_not_speak_of_is_kept_for_who_waits() {
    check(
        "machine a cpus=4 memory=1000
         book R1 0 1000 cpus=2
         job ann 1 1 memory=600; PbsQueue = \"workq\"; PbsWalltime = 100

         claimed a
         job ann 2 1 memory=700; PbsQueue = \"workq\"; PbsWalltime = 100
         job ann 3 1 memory=256; PbsQueue = \"R1\"
         job ann 4 1 memory=256; PbsQueue = \"R1\"; PbsWalltime = 600
         job ann 5 1 memory=384; PbsQueue = \"R1\"; PbsWalltime = 10",
        expect![[r#"
            #1 1 on a: cpus=1 memory=640
            R1 booked: a cpus=2
            2 waits: not yet: the first of these jobs starts on a by 1970-01-12 13:51:00 UTC, when what runs there is over
            3 waits: not yet: a is kept from 1970-01-12 13:51:00 UTC for a job that comes first; it asks for no walltime, so nobody can tell when it is over
            4 waits: not yet: a is kept from 1970-01-12 13:51:00 UTC for a job that comes first; with a walltime of 600 s it may not be over by then
            5 waits: not yet: 1 machine could run it; all are busy (short of Memory)
        "#]],
    );
}

#[test]
fn a_reservations_jobs_leave_another_of_the_same_time_what_it_has() {
    // Also what jobs have already: nothing else is in the way of the third.
    check(
        "machine a cpus=8 memory=4000
         book R1 0 1000 cpus=2
         book R2 100 500 cpus=2 memory=3072
         job ann 1 1 memory=1024; PbsQueue = \"R1\"
         job ann 2 1 memory=512; PbsQueue = \"R1\"
         job bob 3 1 memory=3072; PbsQueue = \"R2\"

         claimed a
         gone 2
         job ann 4 2 memory=256; PbsQueue = \"workq\"
         book R3 500 900 cpus=2 memory=3500

         claimed a
         gone 4
         wait 100",
        expect![[r#"
            #1 2 on a: cpus=1 memory=512 limit reservation R1 of s:0
            R1 booked: a cpus=2
            R2 booked: a cpus=2
            3 waits: not yet: 1 machine could run it; all are busy (short of Memory)
            1 waits: not yet: other users come first: place 2 of 2 in the fair share
            #2 4 on a: cpus=1 memory=256
            R3 booked: no
            3 waits: not yet: 1 machine could run it; all are busy (short of Memory)
            1 waits: not yet: other users come first: place 2 of 2 in the fair share
            4 waits: not yet: a is reserved (R1) from 1970-01-12 13:46:40 UTC until 1970-01-12 14:03:20 UTC; it asks for no walltime, so nobody can tell when it is over
            #3 3 on a: cpus=1 memory=3072 limit reservation R2 of s:0
            1 waits: not yet: 1 machine could run it; all are busy (short of Memory)
        "#]],
    );
    // What is over by then is in nobody's way.
    check(
        "machine a cpus=8 memory=4000
         book R1 0 1000 cpus=2
         book R2 500 900 cpus=2 memory=3000
         job ann 1 1 memory=2000; PbsQueue = \"R1\"; PbsWalltime = 100
         job ann 2 1 memory=2000; PbsQueue = \"R1\"; PbsWalltime = 600",
        expect![[r#"
            #1 1 on a: cpus=1 memory=2048 limit reservation R1 of s:0
            R1 booked: a cpus=2
            R2 booked: a cpus=2
            2 waits: not yet: 1 machine could run it; all are busy (short of Memory)
        "#]],
    );
    // Windows that follow each other do not meet.
    check(
        "machine a cpus=8 memory=4000
         book R1 0 1000 cpus=2
         book R2 1000 2000 cpus=2 memory=3000
         job ann 1 1 memory=2000; PbsQueue = \"R1\"",
        expect![[r#"
            #1 1 on a: cpus=1 memory=2048 limit reservation R1 of s:0
            R1 booked: a cpus=2
            R2 booked: a cpus=2
        "#]],
    );
}

#[test]
fn a_whole_machine_is_kept_for_longer_while_jobs_of_its_reservation_run() {
    check(
        "machine a cpus=4 memory=4000
         book R1 0 1000 cpus=2 excl
         job ann 1 1; PbsQueue = \"R1\"

         claimed a
         rebook R1 0 2000

         book R2 1500 1800 cpus=1",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 limit reservation R1 of s:0
            R1 booked: a cpus=4
            #2 1 on a: cpus=1 memory=128 limit reservation R1 of s:0
            R1 booked: a cpus=4
            #3 1 on a: cpus=1 memory=128 limit reservation R1 of s:0
            R2 booked: no
        "#]],
    );
}

#[test]
fn a_question_that_is_asked_again_has_the_answer_that_it_had() {
    let mut world = World::new();
    world.act("machine a cpus=4 memory=4000");
    world.act("book R1 0 1000 cpus=4");
    let asked = world.bookings["R1"].clone();
    world.settle();
    // Nobody has heard the answer, and the machine has left.
    world.act("leaves a");
    world.bookings.insert("R1".to_owned(), asked.clone());
    world.act("retells");
    world.settle();
    // The same of a no, and a machine that has come.
    let longer = Booking { question: 1, window: window(&["", "0", "2000"]), ..asked };
    let longer = Booking { places: world.bookings["R1"].places.clone(), ..longer };
    for line in ["retells", "machine a cpus=4 memory=4000", "retells"] {
        world.bookings.insert("R1".to_owned(), longer.clone());
        world.act(line);
        world.settle();
    }
    expect![[r#"
        R1 booked: a cpus=4
        R1 booked: a cpus=4
        R1 booked: no
        R1 booked: no
    "#]]
    .assert_eq(&world.out);
}
