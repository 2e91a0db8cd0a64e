//! Why jobs wait: never and not yet, in the words of the user.

use super::*;

#[test]
fn a_pool_without_machines_says_so() {
    check(
        "job ann 1 1",
        expect![[r#"
        1 waits: not yet: the pool has no machines
    "#]],
    );
}

#[test]
fn a_clause_that_holds_nowhere_is_named_with_what_is_undefined() {
    check(
        "machine a cpus=1 memory=1000; Arch = \"ARM\"
         machine b cpus=1 memory=1000; Arch = \"ARM\"
         job ann 1 1; Requirements = (TARGET.Arch == \"X86_64\") && HasUnobtainium is true
         job ann 2 1; Requirements = Arch == \"ARM\" && (HasUnobtainium)",
        expect![[r#"
            1 waits: never: TARGET.Arch == "X86_64" is not true on 2 of 2 slots; nearest is slot1@a, which has Arch = "ARM"
            2 waits: never: HasUnobtainium is not true on 2 of 2 slots (HasUnobtainium is defined nowhere)
        "#]],
    );
}

#[test]
fn clauses_that_exclude_each_other_are_named_together() {
    check(
        "machine a cpus=1 memory=1000; Arch = \"ARM\"; Site = \"x\"
         machine b cpus=1 memory=1000; Arch = \"X86_64\"; Site = \"y\"
         machine c cpus=1 memory=1000; Arch = \"X86_64\"; Site = \"z\"
         job ann 1 1; Requirements = Site != \"z\" && Arch == \"X86_64\" && Site == \"x\"",
        expect![[r#"
            1 waits: never: no slot meets all clauses of Requirements: Arch == "X86_64" fails on 1, Site == "x" fails on 2 of 3 slots
        "#]],
    );
}

#[test]
fn a_request_larger_than_every_machine_is_never_met() {
    check(
        "machine a cpus=4 memory=1000
         machine b cpus=8 memory=500
         machine arm cpus=64 memory=64000; Arch = \"ARM\"
         job ann 1 1 cpus=6 memory=640; Requirements = Arch isnt \"ARM\"
         job ann 2 1 memory=70000; Requirements = TARGET.Memory >= RequestMemory
         job ann 3 1 gpus=1",
        expect![[r#"
            1 waits: never: it asks for Memory = 640, and the largest suitable slot has 500
            2 waits: never: it asks for Memory = 70016 (68 GB), and the largest suitable slot has 64000 (62 GB)
            3 waits: never: it asks for GPUs = 1, and the largest suitable slot has 0
        "#]],
    );
}

#[test]
fn a_clause_about_size_that_is_no_request_is_named() {
    check(
        "machine a cpus=4 memory=1000
         job ann 1 1; Requirements = Memory > 5000 && Cpus > 1",
        expect![[r#"
            1 waits: never: Memory > 5000 is not true on 1 of 1 slot; nearest is slot1@a, which has Memory = 1000
        "#]],
    );
}

#[test]
fn a_busy_machine_could_run_it_and_is_no_reason_to_say_never() {
    check(
        "machine a cpus=4 memory=1000
         job ann 1 1 cpus=3

         claimed a
         seen 1
         gone 1
         job ann 2 1 cpus=2; Requirements = TARGET.Cpus >= RequestCpus
         job ann 3 1 cpus=1 memory=990; Requirements = TARGET.Memory >= RequestMemory
         job ann 4 1 cpus=5; Requirements = TARGET.Cpus >= RequestCpus",
        expect![[r#"
            #1 1 on a: cpus=3 memory=128
            2 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            3 waits: never: it asks for Memory = 1024 (1 GB), and the largest suitable slot has 1000
            4 waits: never: it asks for Cpus = 5, and the largest suitable slot has 4
        "#]],
    );
}

#[test]
fn a_machine_that_refuses_is_named_by_its_own_words() {
    check(
        "machine a cpus=4 memory=1000; Start = TARGET.Owner == \"bob\"; Requirements = Start && true
         job ann 1 1",
        expect![[r#"
            significant: Owner
            1 waits: never: 1 slot would suit it and refuse it: TARGET.Owner == "bob" is not true
        "#]],
    );
}

#[test]
fn a_machine_that_refuses_for_now_is_no_reason_to_say_never() {
    check(
        "machine a cpus=4 memory=1000; KeyboardIdle = 3; Requirements = KeyboardIdle > 900
         job ann 1 1

         machine a cpus=4 memory=1000; KeyboardIdle = 1000; Requirements = KeyboardIdle > 900",
        expect![[r#"
            1 waits: not yet: 1 slot would suit it and refuse it: KeyboardIdle > 900 is not true
            #1 1 on a: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn a_clause_about_the_time_is_looked_at_again() {
    check(
        "machine a cpus=4 memory=1000
         job ann 1 1; Requirements = time() >= 1000045

         wait 40

         wait 20",
        expect![[r#"
            1 waits: not yet: time() >= 1000045 is not true on 1 of 1 slot
            #1 1 on a: cpus=1 memory=128
        "#]],
    );
}

#[test]
fn the_user_who_holds_more_waits_for_the_others() {
    check(
        "machine a cpus=3 memory=3000
         job ann 1 3

         claimed a
         seen 3
         gone 1
         job ann 2 1
         job bob 3 1",
        expect![[r#"
            #1 1 on a: cpus=1 memory=128
            #2 1 on a: cpus=1 memory=128
            #3 1 on a: cpus=1 memory=128
            3 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            2 waits: not yet: other users come first: place 2 of 2 in the fair share
        "#]],
    );
}

#[test]
fn a_reason_is_told_when_it_changes_and_to_a_schedd_that_comes_back() {
    check(
        "machine a cpus=1 memory=1000; Arch = \"ARM\"
         job ann 1 1; Requirements = Arch == \"X86_64\"

         machine b cpus=1 memory=1000; Arch = \"ARM\"

         job bob 2 1; Requirements = Arch == \"X86_64\"

         reconnect

         machine c cpus=1 memory=1000; Arch = \"X86_64\"
         
         leaves c",
        expect![[r#"
            1 waits: never: Arch == "X86_64" is not true on 1 of 1 slot; nearest is slot1@a, which has Arch = "ARM"
            1 waits: never: Arch == "X86_64" is not true on 2 of 2 slots; nearest is slot1@a, which has Arch = "ARM"
            2 waits: never: Arch == "X86_64" is not true on 2 of 2 slots; nearest is slot1@a, which has Arch = "ARM"
            1 waits: never: Arch == "X86_64" is not true on 2 of 2 slots; nearest is slot1@a, which has Arch = "ARM"
            2 waits: never: Arch == "X86_64" is not true on 2 of 2 slots; nearest is slot1@a, which has Arch = "ARM"
            #1 1 on c: cpus=1 memory=128
            2 waits: not yet: 1 machine could run it; all are busy (short of Cpus)
            2 waits: never: Arch == "X86_64" is not true on 2 of 2 slots; nearest is slot1@a, which has Arch = "ARM"
        "#]],
    );
}

#[test]
fn attributes_that_machines_look_at_are_told_to_the_schedds() {
    check(
        "machine a cpus=1 memory=1000; Requirements = TARGET.Department == \"x\" && IsFoo; Rank = TARGET.Urgent

         reconnect
         leaves a",
        expect![[r#"
            significant: Department IsFoo Urgent
            significant: Department IsFoo Urgent
        "#]],
    );
}

#[test]
fn reasons_that_cost_too_much_at_once_are_brought_up_to_date_one_after_the_other() {
    let policy = Policy { looks_per_pass: 1, ..Policy::default() };
    let script = "machine a cpus=1 memory=1000
         job ann 1 1; Requirements = false && 1 == 1
         job ann 2 1; Requirements = false && 2 == 2
         job ann 3 1; Requirements = false && 3 == 3

         machine b cpus=1 memory=1000

         wait 1";
    expect![[r#"
        1 waits: never: false is not true on 1 of 1 slot
        2 waits: never: false is not true on 1 of 1 slot
        3 waits: never: false is not true on 1 of 1 slot
        1 waits: never: false is not true on 2 of 2 slots
        2 waits: never: false is not true on 2 of 2 slots
    "#]]
    .assert_eq(&World::with(policy).run(script));
}

#[test]
fn devices_that_others_have_are_waited_for_and_those_that_nobody_has_are_not() {
    let gpus =
        "DetectedGPUs = \"a, b\"; GPUs_a = [ Capability = 7.5 ]; GPUs_b = [ Capability = 8.0 ]";
    let asks = |least: &str| {
        format!(
            "RequireGPUs = Capability >= {least}; Requirements = countMatches(MY.RequireGPUs, TARGET.AvailableGPUs) >= RequestGPUs"
        )
    };
    let (b, none) = (asks("8.0"), asks("9.0"));
    check(
        &format!(
            "machine m cpus=4 memory=1000 gpus=2; {gpus}; AvailableGPUs = {{ GPUs_a, GPUs_b }}
             job ann 1 2 gpus=1; Requirements = true

             machine m cpus=4 memory=1000 gpus=2; {gpus}; AvailableGPUs = {{ }}
             claimed m
             seen 2
             gone 1
             job ann 2 1 gpus=1; {b}
             job ann 3 1 gpus=1; {none}"
        ),
        expect![[r#"
            #1 1 on m: cpus=1 memory=128 gpus=1
            #2 1 on m: cpus=1 memory=128 gpus=1
            2 waits: not yet: 1 machine could run it; all are busy (short of GPUs)
            3 waits: never: countMatches(MY.RequireGPUs,TARGET.AvailableGPUs) >= RequestGPUs is not true on 1 of 1 slot; nearest is slot1@m, which has AvailableGPUs = { gpus_a,gpus_b }
        "#]],
    );
}

#[test]
fn a_job_that_needs_several_machines_at_once_is_never_given_one_of_them() {
    check(
        "machine a cpus=4 memory=1000
         job ann 1 1; MinHosts = 2
         job ann 2 1; MinHosts = 1",
        expect![[r#"
            #1 2 on a: cpus=1 memory=128
            1 waits: never: it needs 2 machines at once, and the pool has 1
        "#]],
    );
    check(
        "machine a cpus=4 memory=1000
         machine b cpus=4 memory=1000
         job ann 1 3; MinHosts = 2",
        expect![[r#"
            1 waits: never: it needs 2 machines at once, and not so many of the pool's 2 have room for its parts
        "#]],
    );
}

#[test]
fn a_job_that_could_never_run_is_known_before_it_comes() {
    let mut world = World::new();
    world.send(true, Vec::new());
    let ask = |world: &World, lines: &str| {
        let ad = ClassAd::parse_old_ads(&format!("{lines}\n\n")).unwrap().remove(0);
        world.core.never(ad, world.now).map_or("-".to_owned(), |reason| reason.to_string())
    };
    assert_eq!(ask(&world, "RequestCpus = 99"), "-", "a pool without machines says nothing");
    world.act("machine small cpus=4 memory=8192; OpSys = \"LINUX\"");
    world.act("machine large cpus=8 memory=8192; OpSys = \"LINUX\"");
    for (lines, expected) in [
        ("RequestCpus = 8\nRequestMemory = 8192", "-"),
        ("RequestCpus = 9", "never: it asks for Cpus = 9, and the largest suitable slot has 8"),
        (
            "RequestMemory = 10240\nRequirements = TARGET.OpSys == \"LINUX\"",
            "never: it asks for Memory = 10240 (10 GB), and the largest suitable slot has 8192 (8 GB)",
        ),
        (
            "Requirements = TARGET.OpSys == \"WINDOWS\"",
            "never: TARGET.OpSys == \"WINDOWS\" is not true on 2 of 2 slots; nearest is ",
        ),
        (
            "Requirements = TARGET.OpSyss == \"LINUX\"",
            "never: TARGET.OpSyss == \"LINUX\" is not true on 2 of 2 slots (OpSyss (did you mean OpSys?) is defined nowhere)",
        ),
        (
            "Requirements = TARGET.Memroy > 1000",
            "never: TARGET.Memroy > 1000 is not true on 2 of 2 slots (Memroy (did you mean Memory?) is defined nowhere)",
        ),
        ("Requirements = TARGET.Cpus <= 2", "-"),
    ] {
        let told = ask(&world, lines);
        assert!(told.starts_with(expected), "{lines}: {told}");
    }
}
