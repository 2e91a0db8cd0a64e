//! The place that is kept for the first job that finds none, and what may run there until then.

use super::*;

/// A machine of four, on which a job of so many runs for an hour at most. `more` comes behind.
fn a_long_run(cpus: u32, more: &str) -> String {
    format!(
        "machine a cpus=4 memory=1000
         job ann 1 1 cpus={cpus}; PbsQueue = \"workq\"; PbsWalltime = 3600

         claimed a
         gone 1
         seen 1
         {more}"
    )
}

/// The same with a job of three, and a job of four, which waits for it.
fn behind_a_long_run(more: &str) -> String {
    let waiting = "job ann 2 1 cpus=4; PbsQueue = \"workq\"; PbsWalltime = 600";
    a_long_run(3, &format!("{waiting}\n\n{more}"))
}

#[test]
fn what_is_over_in_time_runs_beside_and_what_may_not_be_waits() {
    check(
        &behind_a_long_run(
            "job ann 3 1; PbsQueue = \"workq\"; PbsWalltime = 600
             job ann 4 1; PbsQueue = \"workq\"; PbsWalltime = 7200
             job ann 5 1; Rank = 0",
        ),
        expect![[r#"
            #1 1 on a: cpus=3 memory=128
            2 waits: not yet: the first of these jobs starts on a by 1970-01-12 15:07:40 UTC, when what runs there is over
            #2 3 on a: cpus=1 memory=128
            4 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            5 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
        "#]],
    );
}

#[test]
fn the_place_is_had_when_the_run_is_over_whatever_waits_beside() {
    check(
        &behind_a_long_run(
            "job ann 4 9; PbsQueue = \"workq\"; PbsWalltime = 7200

             wait 60
             ended a 1",
        ),
        expect![[r#"
            #1 1 on a: cpus=3 memory=128
            2 waits: not yet: the first of these jobs starts on a by 1970-01-12 15:07:40 UTC, when what runs there is over
            4 waits: not yet: a is kept from 1970-01-12 15:07:40 UTC for a job that comes first; with a walltime of 2 h 0 min it may not be over by then
            #2 2 on a: cpus=4 memory=128
            4 waits: not yet: the first of these jobs starts on a by 1970-01-12 14:08:55 UTC, when what runs there is over
        "#]],
    );
}

#[test]
fn what_fits_beside_the_place_runs_as_long_as_it_likes() {
    check(
        &a_long_run(
            2,
            "job ann 2 1 cpus=3; PbsQueue = \"workq\"
         job ann 3 2",
        ),
        expect![[r#"
            #1 1 on a: cpus=2 memory=128
            #2 3 on a: cpus=1 memory=128
            2 waits: not yet: the first of these jobs starts on a by 1970-01-12 15:07:40 UTC, when what runs there is over
            3 waits: not yet: a is kept from 1970-01-12 15:07:40 UTC for a job that comes first; it asks for no walltime, so nobody can tell when it is over
        "#]],
    );
}

#[test]
fn the_machine_that_is_free_first_is_kept_and_others_are_not() {
    check(
        "machine a cpus=2 memory=1000
         machine b cpus=2 memory=1000
         job ann 1 1 cpus=1; PbsQueue = \"workq\"; PbsWalltime = 3600; Rank = Machine == \"a\"
         job ann 2 1 cpus=1; PbsQueue = \"workq\"; PbsWalltime = 600; Rank = Machine == \"b\"

         claimed a
         claimed b
         gone 1
         gone 2
         seen 2
         job ann 3 1 cpus=2; PbsQueue = \"workq\"; PbsWalltime = 60
         job ann 4 2 cpus=1",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128
            #2 2 on b: cpus=1 memory=128
            #3 4 on a: cpus=1 memory=128
            3 waits: not yet: the first of these jobs starts on b by 1970-01-12 14:07:40 UTC, when what runs there is over
            4 waits: not yet: b is kept from 1970-01-12 14:07:40 UTC for a job that comes first; it asks for no walltime, so nobody can tell when it is over
        "#]],
    );
}

#[test]
fn no_place_is_kept_where_nobody_can_tell_when_it_is_free_nor_for_jobs_of_no_queue() {
    check(
        "machine a cpus=4 memory=1000
         job ann 1 1 cpus=3

         claimed a
         gone 1
         seen 1
         job ann 2 1 cpus=4; PbsQueue = \"workq\"; PbsWalltime = 600
         job ann 3 1",
        expect![[r#"
            #1 1 on a: cpus=3 memory=128
            #2 3 on a: cpus=1 memory=128
            2 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
        "#]],
    );
    check(
        &a_long_run(
            3,
            "job ann 2 1 cpus=4
         job ann 3 1",
        ),
        expect![[r#"
            #1 1 on a: cpus=3 memory=128
            #2 3 on a: cpus=1 memory=128
            2 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
        "#]],
    );
}

#[test]
fn when_a_run_takes_longer_than_it_may_the_moment_is_told_anew() {
    check(
        &behind_a_long_run(&format!("{}wait 100", "wait 800\nclaimed a\n\n".repeat(6))),
        expect![[r#"
            #1 1 on a: cpus=3 memory=128
            2 waits: not yet: the first of these jobs starts on a by 1970-01-12 15:07:40 UTC, when what runs there is over
            2 waits: not yet: the first of these jobs starts on a by 1970-01-12 15:08:40 UTC, when what runs there is over
        "#]],
    );
}

#[test]
fn jobs_that_can_run_nowhere_take_no_place_from_those_that_wait() {
    let impossible = |n: u32| {
        let class = 10 + n;
        format!("job bob {class} 1 cpus=99; PbsQueue = \"workq\"; PbsWalltime = {class}\n")
    };
    let impossible: String = (0..4).map(impossible).collect();
    check(
        &behind_a_long_run(&impossible),
        expect![[r#"
        #1 1 on a: cpus=3 memory=128
        2 waits: not yet: the first of these jobs starts on a by 1970-01-12 15:07:40 UTC, when what runs there is over
        10 waits: never: it asks for Cpus = 99, and the largest suitable slot has 4
        11 waits: never: it asks for Cpus = 99, and the largest suitable slot has 4
        12 waits: never: it asks for Cpus = 99, and the largest suitable slot has 4
        13 waits: never: it asks for Cpus = 99, and the largest suitable slot has 4
    "#]],
    );
}

#[test]
fn who_loses_a_machine_to_the_place_that_is_kept_gets_the_next_one() {
    check(
        "machine n cpus=4 memory=1000
         machine o cpus=3 memory=500
         machine q cpus=3 memory=2000
         job ann 1 1 cpus=1; PbsQueue = \"workq\"; PbsWalltime = 3600; Rank = Machine == \"n\"
         job bob 2 2 cpus=3
         job cat 3 1 cpus=4; PbsQueue = \"workq\"; PbsWalltime = 600",
        expect![[r#"
            #1 1 on n: cpus=1 memory=128
            #2 2 on o: cpus=3 memory=128
            #3 2 on q: cpus=3 memory=128
            3 waits: not yet: the first of these jobs starts on n by 1970-01-12 15:07:55 UTC, when what runs there is over
        "#]],
    );
}

#[test]
fn a_place_that_was_told_stays_the_jobs_whoevers_turn_it_is_later() {
    let two = "job bob 2 1 cpus=4; PbsQueue = \"workq\"; PbsWalltime = 600
         job cat 3 1 cpus=4; PbsQueue = \"workq\"; PbsWalltime = 600

         job bob 4 1; PbsQueue = \"workq\"; PbsWalltime = 600";
    check(
        &a_long_run(
            3,
            &format!(
                "{two}

                 claimed a
                 gone 4
                 seen 2

                 ended a 1
                 ended a 2"
            ),
        ),
        expect![[r#"
            #1 1 on a: cpus=3 memory=128
            2 waits: not yet: the first of these jobs starts on a by 1970-01-12 15:07:40 UTC, when what runs there is over
            3 waits: not yet: other users come first: place 2 of 2 in the fair share
            #2 4 on a: cpus=1 memory=128
            3 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            #3 2 on a: cpus=4 memory=128
            3 waits: not yet: the first of these jobs starts on a by 1970-01-12 14:07:55 UTC, when what runs there is over
        "#]],
    );
    // Unless bob himself would rather have another job first.
    check(
        &a_long_run(
            3,
            &format!("{two}\njob bob 5 1 cpus=4 prio=9; PbsQueue = \"workq\"; PbsWalltime = 60"),
        ),
        expect![[r#"
            #1 1 on a: cpus=3 memory=128
            2 waits: not yet: the first of these jobs starts on a by 1970-01-12 15:07:40 UTC, when what runs there is over
            3 waits: not yet: other users come first: place 2 of 2 in the fair share
            #2 4 on a: cpus=1 memory=128
            3 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            5 waits: not yet: the first of these jobs starts on a by 1970-01-12 15:07:40 UTC, when what runs there is over
            2 waits: not yet: other users come first: place 2 of 2 in the fair share
        "#]],
    );
}
