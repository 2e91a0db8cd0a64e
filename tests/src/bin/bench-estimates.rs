//! What the matchmaker says of when jobs start, against what happens, over a simulated week:
//! `cargo xtask bench estimates [SEED]`. The matchmaker is the real one; machines are honest, and a
//! schedd starts a job as soon as it is matched. Jobs come by chance, of three widths, with
//! walltimes of which they use some part; nearly as many as the machines can do. It measures and
//! judges nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use classad::ClassAd;
use model::{
    Cause, ClassId, IdleReason, JobId, JobPriority, MachineName, Now, Resources, ScheddName,
    Timestamp, UserName, attr, queues,
};
use negotiator::core::{Accounts, Core, Effect, Input, Policy};
use proto::matchmaking::{
    ClaimedPart, ClassRequest, FromMachine, FromSchedd, MachineState, Match, ToSchedd,
};

const MACHINES: u32 = 16;
const CPUS: u32 = 16;
const WEEK_MS: u64 = 7 * 24 * 3600 * 1000;

/// From one job to the next, in the mean: what comes is some nine tenths of what can be done.
const BETWEEN_MS: f64 = 58_000.0;

/// What is later than that is late: messages and clocks count in seconds.
const MOMENT_S: i64 = 2;

fn main() {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut week = Week::new(seed);
    week.pass();
    week.report();
}

/// What happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    /// A job ends on a machine.
    Ends {
        machine: u32,
        class: u32,
    },
    Comes,
}

/// A job that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    came_ms: u64,
    /// Whose it is.
    user: u64,
    /// How long it takes.
    takes_ms: u64,
    /// What was said first of when it starts, and last, seconds since the epoch.
    told: Option<(i64, i64)>,
}

/// A job that was told when it starts, and when it did.
struct Started {
    first_s: i64,
    last_s: i64,
    at_s: i64,
}

struct Week {
    core: Core,
    now: Now,
    chance: u64,
    agenda: BinaryHeap<Reverse<(u64, Happens)>>,
    machines: Vec<MachineState>,
    granted: BTreeMap<u32, (u64, u32)>,
    waiting: BTreeMap<u32, Waiting>,
    next_class: u32,
    started: Vec<Started>,
    /// How often a moment that was told was taken back.
    taken_back: u32,
    waited_ms: Vec<u64>,
}

impl Week {
    fn new(seed: u64) -> Self {
        let now = Now { wall: Timestamp::from_secs(1_000_000), boot_ms: 1_000 };
        let mut week = Self {
            core: Core::new(1, Accounts::default(), Policy::default()),
            now,
            chance: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            agenda: BinaryHeap::from([Reverse((now.boot_ms, Happens::Comes))]),
            machines: (0..MACHINES).map(machine).collect(),
            granted: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_class: 1,
            started: Vec::new(),
            taken_back: 0,
            waited_ms: Vec::new(),
        };
        week.tell(true, Vec::new(), Vec::new(), None);
        (0..MACHINES).for_each(|machine| week.advertise(machine));
        week
    }

    /// Lets the week pass.
    fn pass(&mut self) {
        let end = self.now.boot_ms + WEEK_MS;
        loop {
            let next = self.agenda.peek().map_or(end, |Reverse((at, _))| *at);
            let due = self.core.next_deadline().unwrap_or(u64::MAX);
            let at = next.min(due).max(self.now.boot_ms);
            if at >= end {
                return;
            }
            self.now.wall = Timestamp::from_millis(
                self.now.wall.as_millis() + i64::try_from(at - self.now.boot_ms).unwrap_or(0),
            );
            self.now.boot_ms = at;
            if due <= at {
                self.feed(&Input::Tick);
            }
            while let Some(Reverse((when, what))) = self.agenda.peek().copied() {
                if when > at {
                    break;
                }
                self.agenda.pop();
                match what {
                    Happens::Comes => self.comes(),
                    Happens::Ends { machine, class } => self.ends(machine, class),
                }
            }
        }
    }

    fn comes(&mut self) {
        let class = self.next_class;
        self.next_class += 1;
        let cpus = match self.draw(100) {
            0..70 => 1,
            70..90 => 4,
            _ => CPUS,
        };
        let walltime_s = 600 + self.draw(4 * 3600);
        let takes_ms = walltime_s * 10 * (10 + self.draw(91));
        let came_ms = self.now.boot_ms;
        let user = self.draw(8);
        self.waiting.insert(class, Waiting { came_ms, user, takes_ms, told: None });
        self.tell(false, vec![request(class, cpus, walltime_s, user)], Vec::new(), None);
        let uniform = (f64::from(u32::try_from(self.draw(1 << 30)).unwrap_or(0)) + 1.0)
            / f64::from(1_u32 << 30);
        let ahead_ms =
            1 + std::time::Duration::from_secs_f64(-uniform.ln() * BETWEEN_MS / 1000.0).as_millis();
        let at = self.now.boot_ms + u64::try_from(ahead_ms).unwrap_or(1);
        self.agenda.push(Reverse((at, Happens::Comes)));
    }

    fn ends(&mut self, machine: u32, class: u32) {
        self.granted.remove(&class);
        let state = &mut self.machines[machine as usize];
        let at = state.claims.iter().position(|claim| claim.matched.number == u64::from(class));
        if let Some(at) = at {
            let claim = state.claims.remove(at);
            state.free = state.free.plus(&claim.resources);
        }
        self.advertise(machine);
    }

    fn feed(&mut self, input: &Input) {
        let Ok(decision) = self.core.decide(self.now, input) else { return };
        let mut effects = Vec::new();
        for event in decision.events {
            let change = self.core.apply(&event);
            effects.extend(self.core.react(&change, &event));
        }
        for effect in effects {
            match effect {
                Effect::ToSchedd { message: ToSchedd::Matches(all), .. } => {
                    all.iter().for_each(|matched| self.starts(matched));
                }
                Effect::ToSchedd { message: ToSchedd::Reasons(all), .. } => {
                    all.into_iter().for_each(|(class, reason)| self.told(class, reason));
                }
                Effect::ToSchedd { .. }
                | Effect::SaveAccounts
                | Effect::SaveLimits(_)
                | Effect::SaveDrains(_)
                | Effect::SaveBookings(_) => {}
            }
        }
    }

    /// A moment is told, or taken back: another job has the place.
    fn told(&mut self, class: ClassId, reason: Option<IdleReason>) {
        let Some(waiting) = self.waiting.get_mut(&class.0) else { return };
        match reason.map(|reason| reason.cause) {
            Some(Cause::Reserved { at, .. }) => {
                let first = waiting.told.map_or(at.as_secs(), |(first, _)| first);
                waiting.told = Some((first, at.as_secs()));
            }
            Some(_) if waiting.told.is_some() => self.taken_back += 1,
            Some(_) | None => {}
        }
    }

    /// The only job of a class is matched, and runs.
    fn starts(&mut self, matched: &Match) {
        let class = matched.class.0;
        let Some(waiting) = self.waiting.remove(&class) else { return };
        self.waited_ms.push(self.now.boot_ms - waiting.came_ms);
        if let Some((first_s, last_s)) = waiting.told {
            self.started.push(Started { first_s, last_s, at_s: self.now.wall.as_secs() });
        }
        let name = &matched.machine;
        let found = self.machines.iter().position(|state| state.machine == *name);
        let number = found.expect("a machine that is matched is there");
        let state = &mut self.machines[number];
        state.free = state.free.minus(&matched.resources).expect("what is matched is free");
        // Known by its class from here on, as it has one job.
        let claim = ClaimedPart {
            matched: model::MatchId { number: u64::from(class), ..matched.id },
            owner: user_name(waiting.user),
            resources: matched.resources.clone(),
            limits: Vec::new(),
            ends_in_s: None,
        };
        state.claims.push(claim);
        let ends_s = matched.term.map_or(0, |term| term.ends_s);
        self.granted.insert(class, (self.now.boot_ms, ends_s));
        let number = u32::try_from(number).unwrap_or(0);
        let over = self.now.boot_ms + waiting.takes_ms;
        self.agenda.push(Reverse((over, Happens::Ends { machine: number, class })));
        self.tell(false, Vec::new(), vec![ClassId(class)], Some(matched.id));
        self.advertise(number);
    }

    fn advertise(&mut self, machine: u32) {
        let now_ms = self.now.boot_ms;
        let state = &mut self.machines[machine as usize];
        state.sequence += 1;
        for claim in &mut state.claims {
            let class = u32::try_from(claim.matched.number).unwrap_or(0);
            let ends = self.granted.get(&class).map(|(at, ends_s)| {
                let gone_s = u32::try_from((now_ms - at) / 1000).unwrap_or(u32::MAX);
                ends_s.saturating_sub(gone_s)
            });
            claim.ends_in_s = ends;
        }
        let state = Box::new(state.clone());
        self.feed(&Input::FromMachine(FromMachine::Advertise(state)));
    }

    fn tell(
        &mut self,
        full: bool,
        changed: Vec<ClassRequest>,
        gone: Vec<ClassId>,
        seen: Option<model::MatchId>,
    ) {
        let (held, bookings) = (Vec::new(), Vec::new());
        let message = FromSchedd::Requests { full, changed, gone, seen, held, bookings };
        self.feed(&Input::FromSchedd { schedd: ScheddName::new("schedd"), message });
    }

    /// A number below this.
    fn draw(&mut self, below: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 11) % below
    }

    fn report(&mut self) {
        let jobs = self.waited_ms.len();
        self.waited_ms.sort_unstable();
        let nth = |all: &[u64], percent: usize| all.get(all.len() * percent / 100).copied();
        let minutes = |ms: Option<u64>| ms.unwrap_or(0) / 60_000;
        println!(
            "{jobs} jobs of a week on {MACHINES} machines of {CPUS}; waits: median {} min, 95 % {} min, at \
             most {} min",
            minutes(nth(&self.waited_ms, 50)),
            minutes(nth(&self.waited_ms, 95)),
            minutes(self.waited_ms.last().copied()),
        );
        println!("a moment that was told was taken back {} times", self.taken_back);
        let of = |said: fn(&Started) -> i64, what: &str| {
            let all = &self.started;
            let late = all.iter().filter(|one| one.at_s > said(one) + MOMENT_S).count();
            let worst = all.iter().map(|one| one.at_s - said(one)).max().unwrap_or(0);
            let mut early: Vec<u64> = all
                .iter()
                .map(|one| u64::try_from(said(one) - one.at_s).unwrap_or(0) * 1000)
                .collect();
            early.sort_unstable();
            println!(
                "{} of them were told when they start; {what}: {late} started later (at most {} s), \
                 the others earlier by {} min (median), {} min (95 %)",
                all.len(),
                worst.max(0),
                minutes(nth(&early, 50)),
                minutes(nth(&early, 95)),
            );
        };
        of(|one| one.first_s, "by what was said first");
        of(|one| one.last_s, "by what was said last");
    }
}

fn user_name(user: u64) -> UserName {
    UserName::new(&format!("user{user}"))
}

fn machine(number: u32) -> MachineState {
    let name = format!("node{number}.example");
    let text = format!(
        "Name = \"slot1@{name}\"\nMachine = \"{name}\"\nPartitionableSlot = true\nSlotWeight = Cpus\n\
         Start = true\nRequirements = Start\nTotalCpus = {CPUS}\nCpus = {CPUS}\nMemory = 64000\n"
    );
    let size =
        Resources { cpus: CPUS, memory_mib: 64_000, disk_kib: 1 << 30, ..Resources::default() };
    MachineState {
        machine: MachineName::new(&name),
        address: name.clone(),
        sequence: 0,
        lifetime_s: u32::MAX,
        free: size.clone(),
        total: size,
        slots: vec![Arc::new(ClassAd::parse_old(&text).expect("the ad is well formed"))],
        claims: Vec::new(),
    }
}

fn request(class: u32, cpus: u32, walltime_s: u64, user: u64) -> ClassRequest {
    let mut ad = ClassAd::new();
    ad.set(attr::REQUEST_CPUS, cpus);
    ad.set(attr::REQUEST_MEMORY, 1000);
    ad.set(attr::PBS_WALLTIME, i64::try_from(walltime_s).unwrap_or(i64::MAX));
    ad.set(queues::QUEUE, "workq");
    ClassRequest {
        class: ClassId(class),
        owner: user_name(user),
        priority: JobPriority::default(),
        first: JobId::new(class, 0),
        idle: 1,
        ad: Arc::new(ad),
    }
}
