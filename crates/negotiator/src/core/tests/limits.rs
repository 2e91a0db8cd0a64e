//! Concurrency limits: counted pool wide, in the pass, and over everything that comes and goes.

use super::*;

/// Limits: `db` of 3, each member of `lic` 1.
fn world() -> World {
    let mut policy = Policy::default();
    policy.limits.set("DB", 3.0);
    policy.limits.set_default_of("lic", 1.0);
    World::with(policy)
}

#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value at the call")]
fn check_limits(script: &str, expected: Expect) {
    expected.assert_eq(&world().run(script));
}

#[test]
fn what_a_limit_allows_starts_at_once_and_the_next_when_one_is_over() {
    check_limits(
        "machine a cpus=1000 memory=100000
         job ann 1 5; ConcurrencyLimits = \"Db\"

         claimed a
         seen 3
         job ann 1 2; ConcurrencyLimits = \"Db\"

         ended a 2",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 limit db
            #2 1 on a: cpus=1 memory=128 limit db
            #3 1 on a: cpus=1 memory=128 limit db
            1 waits: not yet: the limit db is reached: 3 of 3 in use
            #4 1 on a: cpus=1 memory=128 limit db
        "#]],
    );
}

#[test]
fn one_limit_is_shared_by_classes_users_and_machines() {
    check_limits(
        "machine a cpus=2 memory=1000
         machine b cpus=2 memory=1000
         job ann 1 1; ConcurrencyLimits = \"db:2\"
         job bob 2 3; ConcurrencyLimits = \"DB\"
         job cay 3 1",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 limit db:2
            #2 2 on a: cpus=1 memory=128 limit db
            #3 3 on b: cpus=1 memory=128
            2 waits: not yet: the limit db is reached: 3 of 3 in use
        "#]],
    );
}

#[test]
fn a_job_that_asks_for_more_than_there_is_never_runs() {
    check_limits(
        "machine a cpus=2 memory=1000
         job ann 1 1; ConcurrencyLimits = \"db:4\"
         job ann 2 1; ConcurrencyLimits = \"lic.x:1.5\"
         job ann 3 1; ConcurrencyLimits = \"db\"",
        expect![[r#"
            #1 3 on a: cpus=1 memory=128 limit db
            1 waits: never: it uses 4 of the limit db, of which the pool has 3
            2 waits: never: it uses 1.5 of the limit lic.x, of which the pool has 1
        "#]],
    );
}

#[test]
fn an_expression_may_count_for_each_machine_alone() {
    check_limits(
        "machine a cpus=2 memory=1000
         machine b cpus=2 memory=1000
         job ann 1 5; ConcurrencyLimits = strcat(\"lic.\", TARGET.Machine)

         claimed a
         claimed b
         seen 2
         job ann 1 3; ConcurrencyLimits = strcat(\"lic.\", TARGET.Machine)

         freed b",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 limit lic.a
            #2 1 on b: cpus=1 memory=128 limit lic.b
            1 waits: not yet: the limit lic.a is reached: 1 of 1 in use
            #3 1 on b: cpus=1 memory=128 limit lic.b
        "#]],
    );
}

#[test]
fn a_match_that_was_declined_frees_its_part_of_the_limit() {
    check_limits(
        "machine a cpus=9 memory=1000
         job ann 1 1; ConcurrencyLimits = \"lic.x\"
         job bob 2 1; ConcurrencyLimits = \"lic.x\"

         gone 1
         declined 1",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 limit lic.x
            2 waits: not yet: the limit lic.x is reached: 1 of 1 in use
            #2 2 on a: cpus=1 memory=128 limit lic.x
        "#]],
    );
}

#[test]
fn claims_of_a_machine_that_left_count_until_it_is_back_without_them() {
    check_limits(
        "machine a cpus=1 memory=1000
         machine b cpus=1 memory=1000
         job ann 1 2; ConcurrencyLimits = \"lic.x\"

         claimed a
         claimed b
         seen 1
         job ann 1 1; ConcurrencyLimits = \"lic.x\"
         leaves a

         wait 100
         freed a",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 limit lic.x
            1 waits: not yet: the limit lic.x is reached: 1 of 1 in use
            #2 1 on a: cpus=1 memory=128 limit lic.x
        "#]],
    );
}

/// A network may keep a match from its schedd for longer than any time that we could wait.
#[test]
fn an_offer_counts_until_its_schedd_says_that_nothing_came_of_it() {
    check_limits(
        "machine a cpus=1 memory=1000
         job ann 1 1; ConcurrencyLimits = \"lic.x\"

         wait 11
         wait 600

         declined 1",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 limit lic.x
            1 waits: not yet: the limit lic.x is reached: 1 of 1 in use
            #2 1 on a: cpus=1 memory=128 limit lic.x
        "#]],
    );
}

#[test]
fn a_match_under_way_to_a_schedd_counts_although_its_list_does_not_name_it() {
    check_limits(
        "machine a cpus=1 memory=1000
         job ann 1 1; ConcurrencyLimits = \"lic.x\"

         wait 11
         retells

         seen 1
         retells",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 limit lic.x
            1 waits: not yet: the limit lic.x is reached: 1 of 1 in use
            1 waits: not yet: the limit lic.x is reached: 1 of 1 in use
            #2 1 on a: cpus=1 memory=128 limit lic.x
        "#]],
    );
}

#[test]
fn a_schedd_that_comes_back_says_which_of_its_matches_still_count() {
    check_limits(
        "machine a cpus=1 memory=1000
         machine b cpus=1 memory=1000
         job ann 1 1; ConcurrencyLimits = \"lic.x\"

         holds 1
         reconnect
         wait 100

         holds
         reconnect",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 limit lic.x
            1 waits: not yet: the limit lic.x is reached: 1 of 1 in use
            #2 1 on a: cpus=1 memory=128 limit lic.x
        "#]],
    );
}

/// The machine shows the claim to nobody, and its schedd says that it is not over.
#[test]
fn a_claim_counts_for_as_long_as_its_schedd_holds_it_though_its_machine_is_away() {
    check_limits(
        "machine a cpus=1 memory=1000
         machine b cpus=1 memory=1000
         job ann 1 2; ConcurrencyLimits = \"lic.x\"

         claimed a
         seen 1
         job ann 1 1; ConcurrencyLimits = \"lic.x\"
         leaves a

         wait 4000
         freed b

         declined 1",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128 limit lic.x
            1 waits: not yet: the limit lic.x is reached: 1 of 1 in use
            1 waits: not yet: the pool has no machines
            1 waits: not yet: the limit lic.x is reached: 1 of 1 in use
            #2 1 on b: cpus=1 memory=128 limit lic.x
        "#]],
    );
}

#[test]
fn a_restarted_negotiator_remembers_what_is_in_use() {
    let mut world = world();
    world.send(true, Vec::new());
    world.act("machine a cpus=1 memory=1000");
    world.act("machine b cpus=1 memory=1000");
    world.act("job ann 1 1; ConcurrencyLimits = \"lic.x\"");
    world.settle();
    let saved = world.core.snapshot(world.now).in_use.to_save();
    assert_eq!(saved.len(), 1);
    world.wait(300);

    // Another life: a has the claim and is not there yet; b comes first.
    let mut policy = Policy::default();
    policy.limits.set_default_of("lic", 1.0);
    world.core = Core::new(8, Accounts::default(), policy).remembering(saved, world.now);
    world.out.clear();
    world.act("holds 1");
    world.send(true, Vec::new());
    world.act("freed b");
    world.settle();
    expect![[r#"
        1 waits: not yet: the limit lic.x is reached: 1 of 1 in use
    "#]]
    .assert_eq(&std::mem::take(&mut world.out));
    world.act("claimed a");
    world.settle();
    world.act("freed a");
    world.settle();
    expect![[r#"
        #1 1 on b: cpus=1 memory=128 limit lic.x
    "#]]
    .assert_eq(&world.out);
}
