//! Jobs that are to be alone on their machines: what they wait for, what they get, and who waits
//! for them.

use super::*;

#[test]
fn a_job_alone_waits_until_a_machine_is_empty_and_gets_all_of_it() {
    check(
        "machine a cpus=4 memory=4000
         machine b cpus=2 memory=4000 gpus=1
         job ann 1 2 cpus=1; Rank = Machine == \"a\"

         claimed a
         gone 1
         seen 2
         job ann 2 2 cpus=1; PbsExclusive = true

         claimed b
         job bob 3 1 cpus=1

         claimed a

         gone 3
         freed a",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128
            #2 1 on a: cpus=1 memory=128
            #3 2 on b: cpus=2 memory=4000 gpus=1
            2 waits: not yet: 2 machines could run it; all are busy (short of Cpus)
            #4 3 on a: cpus=1 memory=128
            2 waits: not yet: 2 machines could run it; all are busy (short of Cpus)
            #5 2 on a: cpus=4 memory=4000
        "#]],
    );
}

#[test]
fn a_machine_is_too_small_for_what_is_asked_for_and_not_for_being_alone() {
    check(
        "machine a cpus=4 memory=4000
         job ann 1 1 cpus=5; PbsExclusive = true
         job ann 2 1 cpus=4 memory=100; PbsExclusive = true",
        expect![[r#"
            #1 2 on a: cpus=4 memory=4000
            1 waits: never: it asks for Cpus = 5, and the largest suitable slot has 4
        "#]],
    );
}

#[test]
fn the_parts_of_a_job_alone_share_its_machines_with_nobody_else() {
    let three = "machine a cpus=2 memory=1000
         machine b cpus=2 memory=1000
         machine c cpus=2 memory=1000
         job bob 1 1 cpus=1 prio=9
         ";
    check(
        &format!(
            "{three}job ann 2 1 cpus=3; PbsExclusive = true; GangParts = \"free 3:RequestCpus=1\""
        ),
        expect![[r#"
            #1 2 on c: cpus=2 memory=1000 part 0 of 2 holds 0,1
            #2 2 on b: cpus=2 memory=1000 part 1 of 2 holds 2
            #3 1 on a: cpus=1 memory=128
        "#]],
    );
    check(
        &format!(
            "{three}job ann 2 1 cpus=2; PbsExclusive = true; MinHosts = 2; \
             GangParts = \"scatter 2:RequestCpus=1\""
        ),
        expect![[r#"
            #1 2 on a: cpus=2 memory=1000 part 0 of 2 holds 0
            #2 2 on b: cpus=2 memory=1000 part 1 of 2 holds 1
            #3 1 on c: cpus=1 memory=128
        "#]],
    );
    check(
        &format!(
            "{three}job ann 2 1 cpus=3; PbsExclusive = true; MinHosts = 3; \
             GangParts = \"scatter 3:RequestCpus=1\""
        ),
        expect![[r#"
            #1 2 on a: cpus=2 memory=1000 part 0 of 3 holds 0
            #2 2 on b: cpus=2 memory=1000 part 1 of 3 holds 1
            #3 2 on c: cpus=2 memory=1000 part 2 of 3 holds 2
            1 waits: not yet: 3 machines could run it; all are busy (short of Cpus)
        "#]],
    );
}

#[test]
fn a_place_is_kept_for_a_job_alone_too() {
    check(
        "machine a cpus=4 memory=4000
         job ann 1 1 cpus=1; PbsQueue = \"workq\"; PbsWalltime = 600

         claimed a
         gone 1
         seen 1
         job ann 2 1 cpus=1 prio=9; PbsQueue = \"workq\"; PbsExclusive = true; PbsWalltime = 60
         job ann 3 1 cpus=1; PbsQueue = \"workq\"; PbsWalltime = 36000
         job ann 4 1 cpus=1; PbsQueue = \"workq\"; PbsWalltime = 10",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128
            #2 4 on a: cpus=1 memory=128
            2 waits: not yet: the first of these jobs starts on a by 1970-01-12 14:07:40 UTC, when what runs there is over
            3 waits: not yet: a is kept from 1970-01-12 14:07:40 UTC for a job that comes first; with a walltime of 10 h 0 min it may not be over by then
        "#]],
    );
}
