//! Sharing: who gets how much when there is not enough, now and over days.

use proptest::prelude::*;

use super::*;

/// How many matches each user gets of `slots` one-cpu parts.
fn given(held: &[(&str, u32)], hours: u64, slots: u32) -> BTreeMap<String, usize> {
    let mut world = World::new();
    world.send(true, Vec::new());
    for (index, (user, cpus)) in held.iter().enumerate() {
        world.act(&format!("machine old{index} cpus={cpus} memory=1000000"));
        world.act(&format!("job {user} {index} {cpus} ; Requirements = Machine == \"old{index}\""));
        world.settle();
        world.act(&format!("claimed old{index}"));
    }
    world.wait(60);
    world.seen = 1_000_000;
    for index in 0..held.len() {
        world.act(&format!("gone {index}"));
    }
    for _ in 0..hours * 6 {
        world.wait(600);
        for index in 0..held.len() {
            world.act(&format!("claimed old{index}"));
        }
    }
    for index in 0..held.len() {
        world.act(&format!("freed old{index}"));
        world.act(&format!("leaves old{index}"));
    }
    world.act(&format!("machine new cpus={slots} memory=1000000"));
    for (index, (user, _)) in held.iter().enumerate() {
        world.act(&format!("job {user} {} {slots}", 100 + index));
    }
    world.settle();
    let mut given = BTreeMap::new();
    for (user, _) in world.matches.iter().filter(|(_, matched)| matched.machine.as_str() == "new") {
        *given.entry(user.to_string()).or_insert(0) += 1;
    }
    given
}

fn shares(held: &[(&str, u32)], hours: u64, slots: u32) -> String {
    given(held, hours, slots).into_iter().map(|(user, n)| format!("{user}={n} ")).collect()
}

#[test]
fn users_without_a_past_share_equally() {
    expect!["ann=4 bob=3 cay=3 "].assert_eq(&shares(&[("ann", 0), ("bob", 0), ("cay", 0)], 0, 10));
}

#[test]
fn a_nice_submitter_gets_what_nobody_else_wants() {
    expect!["ann=10 "].assert_eq(&shares(&[("ann", 0), ("nice-user.bob", 0)], 0, 10));
    expect!["nice-user.bob=10 "].assert_eq(&shares(&[("nice-user.bob", 0)], 0, 10));
}

#[test]
fn who_used_three_times_as_much_gets_a_third() {
    expect!["ann=10 bob=30 "].assert_eq(&shares(&[("ann", 30), ("bob", 10)], 24, 40));
}

#[test]
fn a_user_alone_gets_all_whatever_the_past() {
    expect!["ann=8 "].assert_eq(&shares(&[("ann", 30)], 24, 8));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is given is all that there is; a user who used more never gets more; equals differ by
    /// one at most.
    #[test]
    fn shares_follow_priorities(used in prop::collection::vec(0u32..5, 2..5), slots in 1u32..40) {
        let names = ["ann", "bob", "cay", "dee", "eve"];
        let held: Vec<(&str, u32)> =
            names.iter().copied().zip(used.iter().map(|used| used * 10)).collect();
        let given = given(&held, 6, slots);
        let of = |user: &str| given.get(user).copied().unwrap_or(0);
        prop_assert_eq!(given.values().sum::<usize>(), slots as usize);
        for (a, used_a) in &held {
            for (b, used_b) in &held {
                if used_a == used_b {
                    prop_assert!(of(a).abs_diff(of(b)) <= 1, "{a} and {b}: {given:?}");
                } else if used_a < used_b {
                    prop_assert!(of(a) + 1 >= of(b), "{a} and {b}: {given:?}");
                }
            }
        }
    }
}
