//! True time, the queue of what happens next, and the run of one seed: a time with faults, then a time without, in which
//! everything must come to its end.

use std::collections::BTreeMap;

use startd::core::{FromLauncher, RunKey};

use super::daemons::{NegotiatorNode, ScheddNode, StartdNode};
use super::launcher::Plan;
use super::net::{Link, LinkId, Node, Wire};
use super::oracle::Oracle;
use super::plant::Plant;
use super::rng::Rng;
use super::users::Users;

/// In what time everything must have ended once the faults stop: a job that failed many times waits ten minutes.
const CALM_MS: u64 = 6 * 3600 * 1000;

/// Events of the calm time: far more than it takes, so that a world that talks in circles ends too.
const CALM_EVENTS: u64 = 400_000;

/// How often, in events, it is asked whether all has ended.
const ASK_EVERY: u64 = 64;

/// What is to be simulated.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Decides everything.
    pub seed: u64,
    /// Events with faults.
    pub steps: u64,
    /// A bug to be found.
    pub plant: Option<Plant>,
}

/// What a run that went well amounts to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Events.
    pub events: u64,
    /// Daemons that crashed.
    pub crashes: u64,
    /// Jobs that were accepted, and ended.
    pub jobs: u64,
    /// Programs that were executed.
    pub executions: u64,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, event {event}, {ms} ms: {what}")]
pub struct Failure {
    /// Of which seed.
    pub seed: u64,
    /// At which event.
    pub event: u64,
    /// At which true time.
    pub ms: u64,
    /// What.
    pub what: String,
}

/// Something that happens at its time.
#[derive(Debug)]
pub(super) enum Happens {
    Deliver { link: LinkId, to: Node, epoch: u64, wire: Box<Wire> },
    EndLearns { link: LinkId, node: Node, epoch: u64 },
    Connect(LinkId),
    Wake(Node),
    Restart(Node),
    LauncherUp { machine: usize, epoch: u64 },
    LauncherSays { machine: usize, epoch: u64, message: FromLauncher },
    Execute { machine: usize, key: RunKey, appointment: u64 },
    Finish { machine: usize, key: RunKey, appointment: u64 },
    Die { machine: usize, key: RunKey, appointment: u64, signal: i32 },
    LeaseCheck { machine: usize, key: RunKey },
    UserActs,
    Trouble,
    Heal(LinkId),
}

/// What kinds of trouble a seed has, each in a thousand. Some seeds have none of a kind: rare faults together with quiet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    pub(super) loss: u64,
    pub(super) repeat: u64,
    pub(super) reorder: u64,
    pub(super) long_delay: u64,
    pub(super) crash_at_commit: u64,
}

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now_ms: u64,
    queue: BTreeMap<(u64, u64), Happens>,
    queued: u64,
    pub(super) links: BTreeMap<LinkId, Link>,
    pub(super) schedd: ScheddNode,
    pub(super) negotiator: NegotiatorNode,
    pub(super) startds: Vec<StartdNode>,
    pub(super) users: Users,
    pub(super) oracle: Oracle,
    pub(super) trouble: Trouble,
    pub(super) plant: Option<Plant>,
    pub(super) calm: bool,
    pub(super) crashes: u64,
}

/// Simulates one seed.
///
/// # Errors
///
/// What went wrong, if anything did.
pub fn run(scenario: Scenario) -> Result<Report, Failure> {
    let mut world = World::new(scenario);
    let mut events = 0;
    let outcome = world.live(scenario.steps, &mut events);
    match outcome {
        Ok(()) => Ok(Report {
            events,
            crashes: world.crashes,
            jobs: world.oracle.promises() as u64,
            executions: world.oracle.executions() as u64,
        }),
        Err(what) => Err(Failure { seed: scenario.seed, event: events, ms: world.now_ms, what }),
    }
}

impl World {
    fn new(scenario: Scenario) -> Self {
        let mut rng = Rng::new(scenario.seed);
        let mut level = |most: u64| if rng.chance(300) { 0 } else { rng.below(most + 1) };
        let trouble = Trouble {
            loss: level(15),
            repeat: level(60),
            reorder: level(100),
            long_delay: level(20),
            crash_at_commit: level(40),
        };
        let machines = usize::try_from(rng.between(1, 3)).unwrap_or(1);
        let startds: Vec<_> = (0..machines).map(|n| StartdNode::new(&mut rng, n)).collect();
        let mut links = BTreeMap::new();
        links.insert(LinkId::Match, Link { wanted: true, ..Link::default() });
        for n in 0..machines {
            links.insert(LinkId::Ad(n), Link { wanted: true, ..Link::default() });
            links.insert(LinkId::Claim(n), Link::default());
        }
        let mut world = Self {
            schedd: ScheddNode::new(&mut rng),
            negotiator: NegotiatorNode::new(&mut rng),
            startds,
            rng,
            now_ms: 200_000,
            queue: BTreeMap::new(),
            queued: 0,
            links,
            users: Users::default(),
            oracle: Oracle::default(),
            trouble,
            plant: scenario.plant,
            calm: false,
            crashes: 0,
        };
        let nodes = [Node::Schedd, Node::Negotiator];
        for node in nodes.into_iter().chain((0..machines).map(Node::Startd)) {
            world.after(0, Happens::Restart(node));
        }
        world.after(5, Happens::UserActs);
        world.after(50, Happens::Trouble);
        world
    }

    fn live(&mut self, steps: u64, events: &mut u64) -> Result<(), String> {
        while *events < steps {
            self.next(events)?;
        }
        self.calm_down();
        let end_ms = self.now_ms + CALM_MS;
        let last = *events + CALM_EVENTS;
        while self.now_ms < end_ms && *events < last {
            for _ in 0..ASK_EVERY {
                self.next(events)?;
            }
            if self.unfinished().is_none() {
                return self.oracle.history_is_true(&self.schedd.disk);
            }
        }
        let what = self.unfinished().unwrap_or_default();
        Err(format!("the faults have stopped long ago, and {what}"))
    }

    fn next(&mut self, events: &mut u64) -> Result<(), String> {
        let Some(((at_ms, _), happens)) = self.queue.pop_first() else {
            return Err("nothing happens any more".to_owned());
        };
        self.now_ms = at_ms;
        *events += 1;
        self.happen(happens)
    }

    fn happen(&mut self, happens: Happens) -> Result<(), String> {
        match happens {
            Happens::Deliver { link, to, epoch, wire } => self.deliver(link, to, epoch, *wire),
            Happens::EndLearns { link, node, epoch } => self.end_learns(link, node, epoch),
            Happens::Connect(link) => self.connect(link),
            Happens::Wake(node) => return self.wake(node),
            Happens::Restart(node) => return self.restart(node),
            Happens::LauncherUp { machine, epoch } => self.launcher_up(machine, epoch),
            Happens::LauncherSays { machine, epoch, message } => {
                self.launcher_says(machine, epoch, message);
            }
            Happens::Execute { machine, key, appointment } => {
                return self.execute(machine, key, appointment);
            }
            Happens::Finish { machine, key, appointment } => self.finish(machine, key, appointment),
            Happens::Die { machine, key, appointment, signal } => {
                self.die(machine, key, appointment, signal);
            }
            Happens::LeaseCheck { machine, key } => self.lease_check(machine, key),
            Happens::UserActs => self.users_act(),
            Happens::Trouble => self.make_trouble(),
            Happens::Heal(link) => self.heal(link),
        }
        Ok(())
    }

    pub(super) fn after(&mut self, delay_ms: u64, happens: Happens) {
        self.at(self.now_ms + delay_ms, happens);
    }

    pub(super) fn at(&mut self, at_ms: u64, happens: Happens) {
        self.queued += 1;
        self.queue.insert((at_ms.max(self.now_ms), self.queued), happens);
    }

    /// Something fails that no message brings about.
    fn make_trouble(&mut self) {
        if self.calm {
            return;
        }
        let machine = usize::try_from(self.rng.below(self.startds.len() as u64)).unwrap_or(0);
        match self.rng.below(100) {
            0..12 => self.crash(Node::Schedd),
            12..18 => self.crash(Node::Negotiator),
            18..32 => self.crash(Node::Startd(machine)),
            32..36 => self.reboot(machine),
            36..52 => self.partition(LinkId::Claim(machine)),
            52..58 => self.partition(LinkId::Match),
            58..64 => self.partition(LinkId::Ad(machine)),
            64..70 => self.launcher_down(machine),
            70..76 => {
                let offset = i64::try_from(self.rng.below(100_000)).unwrap_or(0) - 50_000;
                self.startds[machine].clock.set_wall(offset);
            }
            _ => {}
        }
        let pause = self.rng.between(20, 20_000);
        self.after(pause, Happens::Trouble);
    }

    fn partition(&mut self, link: LinkId) {
        let long = self.rng.chance(300);
        let time_ms = if long { self.rng.between(30_000, 200_000) } else { self.rng.between(100, 20_000) };
        if let Some(state) = self.links.get_mut(&link) {
            state.partitioned = true;
        }
        self.break_link(link, 20_000);
        self.after(time_ms, Happens::Heal(link));
    }

    fn heal(&mut self, link: LinkId) {
        if let Some(state) = self.links.get_mut(&link) {
            state.partitioned = false;
        }
        self.after(1, Happens::Connect(link));
    }

    /// From now on nothing fails by itself, and what is broken is mended.
    fn calm_down(&mut self) {
        self.calm = true;
        self.trouble = Trouble::default();
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.heal(link);
        }
    }

    /// What has not come to its end, if anything.
    fn unfinished(&self) -> Option<String> {
        if !self.users.is_done() {
            return Some("a client waits for its submission".to_owned());
        }
        let jobs = self.oracle.unfinished();
        if let Some(job) = jobs.first() {
            let ad = self.schedd.describe(*job, self.schedd.clock.now(self.now_ms));
            return Some(format!("{} jobs are not final, the first is {job}: {ad}", jobs.len()));
        }
        if let Some(claim) = self.schedd.disk.rows().claims.first() {
            return Some(format!("the schedd keeps claim {}", claim.claim));
        }
        for (n, startd) in self.startds.iter().enumerate() {
            if let Some(why) = startd.is_busy() {
                return Some(format!("machine {n} is not free: {why}"));
            }
        }
        None
    }

    /// What a program will do, as the seed has it.
    pub(super) fn plan(&mut self) -> Plan {
        use super::launcher::{Obeys, PlannedEnd};
        let rng = &mut self.rng;
        let end = match rng.below(100) {
            0..55 => PlannedEnd::Exit(0),
            55..75 => PlannedEnd::Exit(1),
            75..85 => PlannedEnd::Signal(11),
            85..90 => PlannedEnd::NoStart(model::StartStage::Execute, 2),
            90..93 => PlannedEnd::NoStart(model::StartStage::Output, 13),
            93..96 => PlannedEnd::NoStart(model::StartStage::Prepare, 28),
            _ => PlannedEnd::Exit(13),
        };
        let obeys = match rng.below(3) {
            0 => Obeys::Dies,
            1 => Obeys::Exits(0),
            _ => Obeys::Ignores,
        };
        let run_ms = if rng.chance(700) { rng.below(3_000) } else { rng.below(120_000) };
        Plan { start_ms: rng.below(200), run_ms, end, obeys }
    }
}
