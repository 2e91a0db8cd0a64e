//! Machines that are drained get nothing, and jobs that wait for them are told so.

use expect_test::expect;

use super::check;

#[test]
fn a_drained_machine_gets_nothing_until_it_gets_jobs_again() {
    check(
        "machine m cpus=2 memory=1000
         drain m new disk
         job ann 1 1

         drain m new disk
         freed m

         resume m
        ",
        expect![[r#"
            drained: m
            1 waits: not yet: 1 machine would suit it and takes no new jobs: drained (new disk)
            drained: 
            #1 1 on m: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn only_what_could_run_nowhere_else_waits_for_it() {
    check(
        "machine m.domain cpus=4 memory=1000
         machine n cpus=1 memory=1000
         offline m new disk
         job ann 1 1 cpus=1
         job ann 2 1 cpus=2
         job ann 3 1 cpus=8
        ",
        expect![[r#"
            drained: m.domain
            #1 1 on n: cpus=1 memory=128
            2 waits: not yet: 1 machine would suit it and takes no new jobs: drained (new disk)
            3 waits: never: it asks for Cpus = 8, and the largest suitable slot has 4
        "#]],
    );
}

#[test]
fn it_stays_drained_when_the_negotiator_is_started_again() {
    check(
        "machine m cpus=2 memory=1000
         drain m new disk

         restart
         machine m cpus=2 memory=1000
         job ann 1 1

         resume m
        ",
        expect![[r#"
            drained: m
            drained: m
            1 waits: not yet: 1 machine would suit it and takes no new jobs: drained (new disk)
            drained: 
            #1 1 on m: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn a_machine_that_nobody_knows_is_not_drained_and_one_that_is_away_gets_jobs_again() {
    check(
        "drain m new disk
         machine m.a cpus=2 memory=1000
         machine m.b cpus=2 memory=1000
         drain m new disk
         drain M.A new disk
         leaves m.a
         resume m.a
         machine m.a cpus=2 memory=1000
         job ann 1 4
        ",
        expect![[r#"
            rejected: drain machine m: no machine is called so
            rejected: drain machine m: no machine is called so
            drained: m.a
            drained: 
            #1 1 on m.a: cpus=1 memory=128
            #2 1 on m.a: cpus=1 memory=128
            #3 1 on m.b: cpus=1 memory=128
            #4 1 on m.b: cpus=1 memory=128
        "#]],
    );
}
