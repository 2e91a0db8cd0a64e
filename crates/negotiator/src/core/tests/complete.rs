//! The short cuts of a pass against the plain rule, over pools and histories made at random:
//! whoever waits fits nowhere, and whoever is alone gets the best machine there is.

use classad::Env;
use proptest::prelude::*;

use super::*;
use crate::core::requests::demand::Class;

/// Requirements, Rank: of shapes that are decided in different ways.
const JOBS: [&str; 15] = [
    "Requirements = true",
    "Requirements = TARGET.Memory >= RequestMemory && Arch == \"A\"",
    "Requirements = TARGET.Memory > 1000",
    "Requirements = (Arch == \"B\" || TARGET.Memory >= 1500)",
    "Requirements = TARGET.Cpus <= 2",
    "Requirements = Arch isnt \"A\"; Rank = TARGET.Speed",
    "Requirements = TARGET.Cpus >= RequestCpus; Rank = TARGET.Memory",
    "Requirements = true; Rank = -TARGET.Memory - TARGET.Cpus",
    "Requirements = true; Rank = TARGET.Speed * TARGET.Memory",
    "Requirements = TARGET.Start; Rank = Arch == \"B\"",
    "RequestCpus = TARGET.TotalCpus / 2; Requirements = true",
    "Requirements = true; ConcurrencyLimits = \"db\"",
    "Requirements = true; ConcurrencyLimits = \"DB:2,lic.x\"; Rank = TARGET.Speed",
    "Requirements = true; ConcurrencyLimits = strcat(\"lic.\", TARGET.Machine)",
    "Requirements = TARGET.Nowhere is undefined && Speed >= 2",
];

/// What machines say of themselves besides their size.
const MACHINES: [&str; 6] = [
    "Start = true; Arch = \"A\"; Speed = 1",
    "Start = true; Arch = \"A\"; Speed = 3; Requirements = Start && MY.Cpus > 0 && TARGET.RequestMemory <= MY.Memory",
    "Start = TARGET.Owner == \"ann\"; Arch = \"B\"; Speed = 2; Requirements = Start",
    "Start = true; Arch = \"B\"; Speed = 1; Requirements = Cpus >= TARGET.RequestCpus + 1",
    "Start = true; Arch = \"A\"; Speed = 2; KFlops = 10",
    "Start = false; Arch = \"C\"; Speed = 4; Requirements = Start",
];

#[derive(Clone, Debug)]
enum Step {
    Machine { name: u8, kind: usize, cpus: u32, memory: u64 },
    Job { user: usize, class: u8, kind: usize, cpus: u32, memory: u64, idle: u32 },
    Claimed(u8),
    Freed(u8),
    Leaves(u8),
    Gone(u8),
    Wait(u64),
}

fn machine() -> impl Strategy<Value = Step> {
    (0u8..8, 0..MACHINES.len(), 1u32..6, 2u64..5).prop_map(|(name, kind, cpus, memory)| {
        Step::Machine { name, kind, cpus, memory: memory * 500 }
    })
}

fn job(idle: std::ops::Range<u32>) -> impl Strategy<Value = Step> {
    (0usize..3, 0u8..8, 0..JOBS.len(), 1u32..4, 1u64..8, idle).prop_map(
        |(user, class, kind, cpus, memory, idle)| Step::Job {
            user,
            class,
            kind,
            cpus,
            memory: memory * 200,
            idle,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => machine(),
        6 => job(1..6),
        3 => (0u8..8).prop_map(Step::Claimed),
        2 => (0u8..8).prop_map(Step::Freed),
        1 => (0u8..8).prop_map(Step::Leaves),
        1 => (0u8..8).prop_map(Step::Gone),
        1 => (1u64..15).prop_map(Step::Wait),
    ]
}

impl Step {
    fn act(&self, world: &mut World) {
        let known = |world: &World, name: u8| world.machines.contains_key(&format!("m{name}"));
        match self {
            Self::Machine { name, kind, cpus, memory } => {
                world.matches.retain(|(_, matched)| matched.machine.as_str() != format!("m{name}"));
                world.act(&format!(
                    "machine m{name} cpus={cpus} memory={memory}; TotalCpus = {cpus}; {}",
                    MACHINES[*kind]
                ));
            }
            Self::Job { user, class, kind, cpus, memory, idle } => {
                let user = ["ann", "bob", "cay"][*user];
                world.seen = 1_000_000;
                world.act(&format!(
                    "job {user} {class} {idle} cpus={cpus} memory={memory}; {}",
                    JOBS[*kind]
                ));
            }
            Self::Claimed(name) if known(world, *name) => world.act(&format!("claimed m{name}")),
            Self::Freed(name) if known(world, *name) => world.act(&format!("freed m{name}")),
            Self::Leaves(name) => world.act(&format!("leaves m{name}")),
            Self::Gone(class) => world.act(&format!("gone {class}")),
            Self::Wait(seconds) => world.act(&format!("wait {seconds}")),
            Self::Claimed(_) | Self::Freed(_) => {}
        }
    }
}

fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.limits.set("db", 3.0);
    policy.limits.set_default_of("lic", 1.0);
    policy
}

/// What a class would get of a machine now, by the plain rule.
fn fits(world: &World, class: &Class, machine: &MachineName) -> Option<f64> {
    let snapshot = world.core.snapshot(world.now);
    let env = Env::at(world.now.wall.as_secs());
    let row = snapshot.pool.find(machine)?;
    let free = snapshot.pool.free_of_machine(machine)?;
    let (slot, job) = (row.ad_with(free), &class.request.ad);
    let suits = job.eval("Requirements", Some(&slot), &env).is_true()
        && row.takes(&slot, job, &env)
        && free.covers(&class.asked.of_machine(job, &slot, &env))
        && class.uses.on(job, &slot, &env).iter().all(|one| {
            snapshot.in_use.of(&one.name).plus(one.amount) <= snapshot.limits.of(&one.name)
        });
    suits.then(|| classad::rank(job, &slot, &env))
}

fn check_that_who_waits_fits_nowhere(world: &World) -> Result<(), TestCaseError> {
    let snapshot = world.core.snapshot(world.now);
    for (id, class) in snapshot.demand.schedds.values().flatten() {
        for (_, row) in snapshot.pool.machines().filter(|_| class.wanted() > 0) {
            let machine = &row.state.machine;
            prop_assert!(
                fits(world, class, machine).is_none(),
                "class {id} waits and fits on {machine}\n{}",
                world.out
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_waits_fits_nowhere(steps in prop::collection::vec((step(), any::<bool>()), 1..40)) {
        let mut world = World::with(policy());
        world.send(true, Vec::new());
        for (step, settle) in steps {
            step.act(&mut world);
            if settle {
                world.settle();
                check_that_who_waits_fits_nowhere(&world)?;
            }
        }
    }

    #[test]
    fn who_is_alone_gets_the_best_machine(
        machines in prop::collection::vec(machine(), 1..8),
        job in job(1..2),
    ) {
        let mut world = World::with(policy());
        world.send(true, Vec::new());
        machines.iter().for_each(|machine| machine.act(&mut world));
        world.settle();
        job.act(&mut world);
        let snapshot = world.core.snapshot(world.now);
        let wanted = snapshot.demand.schedds[&schedd()].values().next().unwrap();
        let best = snapshot.pool.machines().filter_map(|(number, row)| {
            let rank = fits(&world, wanted, &row.state.machine)?;
            let place = row.place(number, snapshot.pool.free(number));
            Some((rank, place, row.state.machine.clone()))
        });
        let best = best.min_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))).map(|best| best.2);
        world.settle();
        prop_assert_eq!(world.matches.first().map(|(_, matched)| matched.machine.clone()), best);
    }
}
