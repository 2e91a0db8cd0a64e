//! Jobs whose parts are on several machines: all of them in one pass, or none.

use super::*;

/// Three machines of two.
const THREE: &str = "machine a cpus=2 memory=1000
     machine b cpus=2 memory=1000
     machine c cpus=2 memory=1000
     ";

fn on_three(more: &str) -> String {
    format!("{THREE}{more}")
}

#[test]
fn each_part_has_a_machine_of_its_own_where_the_job_says_so() {
    check(
        &on_three("job ann 1 1 cpus=3; MinHosts = 3; GangParts = \"scatter 3:RequestCpus=1\""),
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 part 0 of 3 holds 0
            #2 1 on b: cpus=1 memory=128 part 1 of 3 holds 1
            #3 1 on c: cpus=1 memory=128 part 2 of 3 holds 2
        "#]],
    );
}

#[test]
fn a_gang_that_does_not_fit_takes_nothing_and_others_go_on() {
    check(
        &on_three(
            "job ann 1 1 cpus=1 prio=9
             job ann 2 1 cpus=6 prio=5; MinHosts = 3; GangParts = \"scatter 3:RequestCpus=2\"
             job ann 3 2 cpus=4 prio=4; MinHosts = 2; GangParts = \"scatter 2:RequestCpus=2\"",
        ),
        expect![[r#"
            #1 1 on a: cpus=1 memory=128
            #2 3 on b: cpus=2 memory=128 part 0 of 2 holds 0
            #3 3 on c: cpus=2 memory=128 part 1 of 2 holds 1
            2 waits: not yet: it needs 3 machines at once, and not so many of the pool's 3 have room for its parts
            3 waits: not yet: it needs 2 machines at once, and not so many of the pool's 3 have room for its parts
        "#]],
    );
    check(
        &on_three("job ann 1 1 cpus=8; MinHosts = 4; GangParts = \"scatter 4:RequestCpus=2\""),
        expect![[r#"
            1 waits: never: it needs 4 machines at once, and the pool has 3
        "#]],
    );
    check(
        &on_three("job ann 1 1 cpus=6; MinHosts = 2; GangParts = \"scatter 2:RequestCpus=3\""),
        expect![[r#"
            1 waits: never: it needs 2 machines at once, and not so many of the pool's 3 have room for its parts
        "#]],
    );
}

#[test]
fn parts_that_may_be_together_are_on_one_machine_if_it_has_room_and_else_on_few() {
    check(
        &on_three("job ann 1 1 cpus=2; GangParts = \"free 2:RequestCpus=1\""),
        expect![[r#"
            #1 1 on a: cpus=2 memory=128
        "#]],
    );
    check(
        &on_three("job ann 1 1 cpus=4; GangParts = \"free 4:RequestCpus=1\""),
        expect![[r#"
            #1 1 on c: cpus=2 memory=256 part 0 of 2 holds 0,1
            #2 1 on b: cpus=2 memory=256 part 1 of 2 holds 2,3
        "#]],
    );
    check(
        &on_three("job ann 1 1 cpus=3; GangParts = \"nodes 3:RequestCpus=1\""),
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 part 0 of 3 holds 0
            #2 1 on a: cpus=1 memory=128 part 1 of 3 holds 1
            #3 1 on b: cpus=1 memory=128 part 2 of 3 holds 2
        "#]],
    );
}

#[test]
fn a_part_that_names_a_machine_is_there_or_nowhere() {
    let named = "machine b cpus=2 memory=1000; Machine = \"b\"
                 machine c cpus=2 memory=1000; Machine = \"c\"
                 job ann 1 1 cpus=2; MinHosts = 2; ";
    check(
        &format!("{named}GangParts = \"scatter 1@c:RequestCpus=1+1@b:RequestCpus=1\""),
        expect![[r#"
            #1 1 on c: cpus=1 memory=128 part 0 of 2 holds 0
            #2 1 on b: cpus=1 memory=128 part 1 of 2 holds 1
        "#]],
    );
    check(
        &format!("{named}GangParts = \"scatter 1@c:RequestCpus=1+1@d:RequestCpus=1\""),
        expect![[r#"
            1 waits: never: it needs 2 machines at once, and not so many of the pool's 2 have room for its parts
        "#]],
    );
}

#[test]
fn large_parts_are_placed_first_and_the_first_part_is_that_of_the_script() {
    check(
        "machine small cpus=1 memory=1000
         machine large cpus=4 memory=1000
         job ann 1 1 cpus=5; MinHosts = 2; GangParts = \"scatter 1:RequestCpus=1+1:RequestCpus=4\"",
        expect![[r#"
            #1 1 on small: cpus=1 memory=128 part 0 of 2 holds 0
            #2 1 on large: cpus=4 memory=128 part 1 of 2 holds 1
        "#]],
    );
}

#[test]
fn a_gang_waits_for_a_moment_at_which_all_parts_have_room() {
    check(
        &on_three(
            "job ann 1 1 cpus=2

             claimed a
             gone 1
             seen 1
             job ann 2 1 cpus=6; MinHosts = 3; GangParts = \"scatter 3:RequestCpus=2\"

             ended a 1",
        ),
        expect![[r#"
            #1 1 on a: cpus=2 memory=128
            2 waits: not yet: it needs 3 machines at once, and not so many of the pool's 3 have room for its parts
            #2 2 on a: cpus=2 memory=128 part 0 of 3 holds 0
            #3 2 on b: cpus=2 memory=128 part 1 of 3 holds 1
            #4 2 on c: cpus=2 memory=128 part 2 of 3 holds 2
        "#]],
    );
}

#[test]
fn a_part_that_was_to_blame_for_nothing_is_offered_again_at_once() {
    check(
        "machine a cpus=1 memory=1000
         machine b cpus=1 memory=1000
         job ann 1 1 cpus=2; GangParts = \"scatter 2:RequestCpus=1\"; MinHosts = 2

         declined 1 blameless
         declined 2 blameless

         declined 3 blameless
         declined 4

         wait 2",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 part 0 of 2 holds 0
            #2 1 on b: cpus=1 memory=128 part 1 of 2 holds 1
            #3 1 on a: cpus=1 memory=128 part 0 of 2 holds 0
            #4 1 on b: cpus=1 memory=128 part 1 of 2 holds 1
            1 waits: not yet: it needs 2 machines at once, and not so many of the pool's 2 have room for its parts
            #5 1 on a: cpus=1 memory=128 part 0 of 2 holds 0
            #6 1 on b: cpus=1 memory=128 part 1 of 2 holds 1
        "#]],
    );
}

#[test]
fn a_gang_looks_again_when_something_has_improved_and_has_the_shortest_term_for_all() {
    check(
        "machine a cpus=1 memory=1000
         machine b cpus=2 memory=1000
         book R1 100 1000 cpus=2
         job ann 1 1 cpus=2; GangParts = \"scatter 2:RequestCpus=1\"; MinHosts = 2; PbsWalltime = 10

         claimed a
         claimed b
         gone 1
         job ann 2 1 cpus=2; GangParts = \"scatter 2:RequestCpus=1\"; MinHosts = 2; PbsWalltime = 10

         freed a",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 part 0 of 2 holds 0
            #2 1 on b: cpus=1 memory=128 part 1 of 2 holds 1
            R1 booked: b cpus=2
            2 waits: not yet: it needs 2 machines at once, and not so many of the pool's 2 have room for its parts
            #3 2 on b: cpus=1 memory=128 part 0 of 2 holds 0
            #4 2 on a: cpus=1 memory=128 part 1 of 2 holds 1
        "#]],
    );
}

#[test]
fn the_parts_of_a_gang_have_the_shortest_term_of_any() {
    let mut world = World::new();
    for line in [
        "machine a cpus=1 memory=1000",
        "machine b cpus=2 memory=1000",
        "book R1 100 1000 cpus=2",
        "job ann 1 1 cpus=2; GangParts = \"scatter 2:RequestCpus=1\"; MinHosts = 2; PbsWalltime = 10",
    ] {
        world.act(line);
    }
    world.settle();
    let starts = world.matches.iter().map(|(_, matched)| matched.term.map(|term| term.starts_s));
    assert_eq!(starts.collect::<Vec<_>>(), [Some(15), Some(15)], "{}", world.out);
}
