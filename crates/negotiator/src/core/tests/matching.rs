//! Who gets what: Requirements both ways, requests, Rank, carving, and what becomes of offers.

use super::*;

#[test]
fn a_job_is_matched_as_soon_as_there_is_a_machine() {
    check(
        "job ann 1 1
         
         machine m cpus=2 memory=1000",
        expect![[r#"
            1 waits: not yet: the pool has no machines
            #1 1 on m: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn a_machine_is_carved_several_times_in_one_pass() {
    check(
        "machine m cpus=4 memory=1000
         job ann 1 9 cpus=1 memory=300",
        expect![[r#"
            #1 1 on m: cpus=1 memory=384
            #2 1 on m: cpus=1 memory=384
            1 waits: not yet: 1 machine could run it; all are busy (short of Memory)
        "#]],
    );
}

#[test]
fn requirements_are_seen_by_the_job_and_by_the_machine() {
    check(
        "machine arm cpus=4 memory=1000; Arch = \"ARM\"
         machine picky cpus=4 memory=1000; Arch = \"X86_64\"; Start = TARGET.Owner == \"bob\"; Requirements = Start
         machine ok cpus=4 memory=1000; Arch = \"X86_64\"
         job ann 1 1; Requirements = TARGET.Arch == \"X86_64\"
         job bob 2 1; Requirements = Arch == \"X86_64\" && Machine == \"picky\"",
        expect![[r#"
            significant: Owner
            #1 1 on ok: cpus=1 memory=128
            #2 2 on picky: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn requirements_see_what_is_left_of_a_machine() {
    check(
        "machine m cpus=4 memory=1000
         job ann 1 9; Requirements = TARGET.Cpus > 2",
        expect![[r#"
            #1 1 on m: cpus=1 memory=128
            #2 1 on m: cpus=1 memory=128
            1 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
        "#]],
    );
}

#[test]
fn the_machine_s_own_limits_see_what_is_left() {
    check(
        "machine m cpus=4 memory=1000; Requirements = Cpus >= TARGET.RequestCpus + 1
         job ann 1 9",
        expect![[r#"
            significant: RequestCpus
            #1 1 on m: cpus=1 memory=128
            #2 1 on m: cpus=1 memory=128
            #3 1 on m: cpus=1 memory=128
            1 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
        "#]],
    );
}

#[test]
fn a_request_may_look_at_the_machine() {
    check(
        "machine m cpus=8 memory=1000; TotalCpus = 8
         machine n cpus=4 memory=1000; TotalCpus = 4
         job ann 1 3; RequestCpus = TARGET.TotalCpus / 2; RequestMemory = RequestCpus * 100",
        expect![[r#"
            #1 1 on n: cpus=2 memory=256
            #2 1 on n: cpus=2 memory=256
            #3 1 on m: cpus=4 memory=512
        "#]],
    );
}

#[test]
fn an_attribute_that_looks_like_a_request_is_one_when_a_machine_has_the_resource() {
    check(
        "machine m cpus=8 memory=1000
         job ann 1 1; RequestRuntime = 3600
         job ann 2 1 gpus=1

         machine n cpus=8 memory=1000 gpus=4
         job ann 3 1; RequestRuntime = 3600",
        expect![[r#"
            #1 1 on m: cpus=1 memory=128
            2 waits: never: it asks for GPUs = 1, and the largest suitable slot has 0
            #2 2 on n: cpus=1 memory=128 gpus=1
            #3 3 on m: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn small_holes_are_filled_before_large_ones() {
    check(
        "machine large cpus=8 memory=8000
         machine small cpus=2 memory=8000
         machine narrow cpus=2 memory=1000
         job ann 1 5 cpus=1 memory=600",
        expect![[r#"
            #1 1 on narrow: cpus=1 memory=640
            #2 1 on small: cpus=1 memory=640
            #3 1 on small: cpus=1 memory=640
            #4 1 on large: cpus=1 memory=640
            #5 1 on large: cpus=1 memory=640
        "#]],
    );
}

#[test]
fn rank_decides_before_size() {
    check(
        "machine a cpus=1 memory=1000; KFlops = 10
         machine b cpus=4 memory=1000; KFlops = 30
         machine c cpus=2 memory=1000; KFlops = 20
         job ann 1 7 ; Rank = TARGET.KFlops",
        expect![[r#"
            #1 1 on b: cpus=1 memory=128
            #2 1 on b: cpus=1 memory=128
            #3 1 on b: cpus=1 memory=128
            #4 1 on b: cpus=1 memory=128
            #5 1 on c: cpus=1 memory=128
            #6 1 on c: cpus=1 memory=128
            #7 1 on a: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn a_rank_of_what_is_left_spreads_jobs() {
    check(
        "machine a cpus=3 memory=1000
         machine b cpus=3 memory=1000
         job ann 1 4 ; Rank = TARGET.Cpus",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128
            #2 1 on b: cpus=1 memory=128
            #3 1 on a: cpus=1 memory=128
            #4 1 on b: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn the_machine_s_rank_comes_before_the_job_s() {
    check(
        "machine a cpus=1 memory=1000; Rank = TARGET.Owner == \"bob\"
         machine b cpus=1 memory=1000; KFlops = 30
         job bob 1 1 ; Rank = TARGET.KFlops",
        expect![[r#"
            significant: Owner
            #1 1 on a: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn a_static_slot_is_given_whole_and_once() {
    check(
        "machine m static cpus=4 memory=1000
         job ann 1 2 cpus=1 memory=100
         
         claimed m

         freed m",
        expect![[r#"
            #1 1 on m: cpus=4 memory=1000
            1 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            #2 1 on m: cpus=4 memory=1000
        "#]],
    );
}

#[test]
fn custom_resources_are_counted() {
    check(
        "machine m cpus=8 memory=8000 gpus=2
         machine n cpus=8 memory=8000
         job ann 1 3 gpus=1",
        expect![[r#"
            #1 1 on m: cpus=1 memory=128 gpus=1
            #2 1 on m: cpus=1 memory=128 gpus=1
            1 waits: not yet: 1 machine could run it; all are busy (short of GPUs)
        "#]],
    );
}

#[test]
fn better_jobs_of_a_user_come_first_and_a_hopeless_one_blocks_nobody() {
    check(
        "machine m cpus=3 memory=1000
         job ann 1 1
         job ann 2 2 prio=5
         job ann 3 1 prio=9; Requirements = false",
        expect![[r#"
            #1 2 on m: cpus=1 memory=128
            #2 2 on m: cpus=1 memory=128
            #3 1 on m: cpus=1 memory=128
            3 waits: never: false is not true on 1 of 1 slot
        "#]],
    );
}

#[test]
fn classes_of_a_user_come_by_five_priorities_and_then_by_their_first_job() {
    check(
        "machine m cpus=8 memory=8000
         job ann 1 1
         job ann 2 1 prio=0,0,0,0,1
         job ann 3 1 prio=0,0,0,1,-9
         job ann 4 1 prio=0,0,1,-9,-9
         job ann 5 1 prio=0,1,-9,-9,-9
         job ann 6 1 prio=1,-9,-9,-9,-9
         job ann 7 1 prio=-1,9,9,9,9
         job ann 8 1",
        expect![[r#"
            #1 6 on m: cpus=1 memory=128
            #2 5 on m: cpus=1 memory=128
            #3 4 on m: cpus=1 memory=128
            #4 3 on m: cpus=1 memory=128
            #5 2 on m: cpus=1 memory=128
            #6 1 on m: cpus=1 memory=128
            #7 8 on m: cpus=1 memory=128
            #8 7 on m: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn an_offer_is_taken_off_until_it_expires() {
    check(
        "machine m cpus=1 memory=1000
         job ann 1 1

         job bob 2 1

         wait 9

         wait 2",
        expect![[r#"
            #1 1 on m: cpus=1 memory=128
            2 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            #2 1 on m: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn an_offer_that_the_ad_shows_as_claimed_is_not_taken_off_twice() {
    check(
        "machine m cpus=2 memory=1000
         job ann 1 1
         
         claimed m
         seen 1
         gone 1
         job bob 2 3
         
         wait 20",
        expect![[r#"
            #1 1 on m: cpus=1 memory=128
            #2 2 on m: cpus=1 memory=128
            2 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            #3 2 on m: cpus=1 memory=128
            #4 2 on m: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn counts_that_crossed_a_match_are_not_matched_again() {
    check(
        "machine m cpus=9 memory=9000
         job ann 1 2

         job ann 1 3

         seen 3
         job ann 1 1",
        expect![[r#"
            #1 1 on m: cpus=1 memory=128
            #2 1 on m: cpus=1 memory=128
            #3 1 on m: cpus=1 memory=128
            #4 1 on m: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn a_declined_machine_is_left_alone_for_a_second_or_until_it_speaks() {
    check(
        "machine m cpus=1 memory=1000
         job ann 1 1

         declined 1

         wait 1

         declined 2

         machine m cpus=1 memory=1000",
        expect![[r#"
            #1 1 on m: cpus=1 memory=128
            1 waits: not yet: 1 machine refused it: m says: refused
            #2 1 on m: cpus=1 memory=128
            1 waits: not yet: 1 machine refused it: m says: refused
            #3 1 on m: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn a_machine_that_refuses_again_and_again_is_asked_again_after_longer_and_longer() {
    check(
        "machine m cpus=1 memory=1000
         job ann 1 1

         declined 1 refused

         machine m cpus=1 memory=1000

         declined 2 refused

         machine m cpus=1 memory=1000

         wait 1

         wait 1

         declined 3 refused

         wait 3

         wait 1

         declined 4 refused

         machine m cpus=1 memory=1000",
        expect![[r#"
            #1 1 on m: cpus=1 memory=128
            1 waits: not yet: 1 machine refused it: m says: refused
            #2 1 on m: cpus=1 memory=128
            1 waits: not yet: 1 machine refused it: m says: refused
            #3 1 on m: cpus=1 memory=128
            1 waits: not yet: 1 machine refused it: m says: refused
            #4 1 on m: cpus=1 memory=128
            1 waits: not yet: 1 machine refused it: m says: refused
        "#]],
    );
}

#[test]
fn matches_that_were_offered_together_and_refused_together_are_one_refusal() {
    check(
        "machine m cpus=3 memory=1000
         job ann 1 3

         declined 1 refused
         declined 2 refused
         declined 3 refused

         wait 1

         wait 1",
        expect![[r#"
            #1 1 on m: cpus=1 memory=128
            #2 1 on m: cpus=1 memory=128
            #3 1 on m: cpus=1 memory=128
            1 waits: not yet: 1 machine refused it: m says: refused
            #4 1 on m: cpus=1 memory=128
            #5 1 on m: cpus=1 memory=128
            #6 1 on m: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn what_one_user_declined_goes_to_the_next_at_once() {
    check(
        "machine m cpus=1 memory=1000
         job ann 1 1
         job bob 2 1

         declined 1",
        expect![[r#"
            #1 1 on m: cpus=1 memory=128
            2 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            #2 2 on m: cpus=1 memory=128
            1 waits: not yet: 1 machine refused it: m says: refused
        "#]],
    );
}

#[test]
fn a_machine_that_says_nothing_for_its_lifetime_is_forgotten() {
    check(
        "machine m cpus=1 memory=1000
         wait 899
         job ann 1 1; Requirements = false

         wait 1",
        expect![[r#"
            1 waits: never: false is not true on 1 of 1 slot
            1 waits: not yet: the pool has no machines
        "#]],
    );
}

#[test]
fn a_match_of_another_life_is_not_declined() {
    check(
        "declined 4",
        expect![[r#"
        rejected: take back match 4: it is not outstanding
    "#]],
    );
}

#[test]
fn a_job_alone_in_its_class_leaves_a_machine_alone_that_declined_it() {
    check(
        "machine a cpus=1 memory=1000
         job ann 1 1

         gone 1
         declined 1
         job ann 1 1

         wait 4

         wait 2",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128
            1 waits: not yet: 1 machine refused it: a says: refused
            #2 1 on a: cpus=1 memory=128
        "#]],
    );
}
