//! The simulated world: every daemon, link, process, user and clock, and the agenda of what happens
//! next. Hands each event to the file that knows what follows; decides nothing itself.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::agenda::Agenda;
use super::clock::{HostClock, MAX_DRIFT_PPM, Micros, SECOND};
use super::dag::host::{DagHost, is_dags};
use super::event::{Daemon, Event, Link, Side};
use super::faults::Faults;
use super::life::Process;
use super::machine::Machine;
use super::negotiator::NegotiatorHost;
use super::net::Net;
use super::oracle::Oracle;
use super::plant::Plant;
use super::rng::Rng;
use super::scenario::Scenario;
use super::schedd::ScheddHost;
use super::store::Store;
use super::users::Users;
use super::workload;

/// How a world is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) plant: Option<Plant>,
    pub(crate) directed: Option<Plant>,
    pub(crate) trace: bool,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: Micros,
    pub(crate) agenda: Agenda<Event>,
    pub(crate) net: Net,
    pub(crate) processes: BTreeMap<Daemon, Process>,
    pub(crate) schedds: Vec<ScheddHost>,
    pub(crate) negotiator: NegotiatorHost,
    pub(crate) machines: Vec<Machine>,
    pub(crate) users: Users,
    pub(crate) dag: Option<DagHost>,
    pub(crate) faults: Faults,
    pub(crate) oracle: Oracle,
    pub(crate) plant: Option<Plant>,
    /// What happens, if that is directed.
    pub(crate) scenario: Option<Scenario>,
    /// A copy of the first schedd's queue, and what was on the record then.
    pub(crate) kept: Option<(Store, Oracle)>,
    /// The first thing that was wrong.
    pub(crate) violation: Option<String>,
    /// Since when nothing goes wrong any more.
    pub(crate) calm_since: Option<Micros>,
    /// Everything that had to be done is done.
    pub(crate) settled: bool,
    trace: bool,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let mut rng = Rng::new(setup.seed);
        let scenario = setup.directed.and_then(Scenario::of);
        let drawn = workload::machines(&mut rng);
        let machines = scenario.as_ref().map_or(drawn, |scenario| scenario.machines.clone());
        // Two or three schedds that share the machines, in half of the worlds.
        let schedds = if scenario.is_some() { 1 } else { rng.pick(&[1, 1, 2, 3]) };
        let clock = |rng: &mut Rng| HostClock::new(drift(rng));
        let mut world = Self {
            now: 0,
            agenda: Agenda::new(),
            net: Net::new(schedds, machines.len()),
            processes: BTreeMap::new(),
            schedds: (0..schedds).map(|s| ScheddHost::new(s, clock(&mut rng))).collect(),
            negotiator: NegotiatorHost::new(clock(&mut rng)),
            users: Users::new(&mut rng),
            dag: None,
            faults: match scenario {
                Some(_) => Faults::directed(),
                None => Faults::draw(&mut rng, setup.seed),
            },
            oracle: Oracle::new(&machines),
            machines: Vec::new(),
            plant: setup.plant,
            scenario,
            kept: None,
            violation: None,
            calm_since: None,
            settled: false,
            trace: setup.trace,
            rng,
        };
        for kind in machines {
            let clock = HostClock::new(drift(&mut world.rng));
            let machine = Machine::new(&mut world.rng, kind, clock);
            world.machines.push(machine);
        }
        world.begin();
        if world.scenario.is_none() {
            world.draw_dag(setup.seed);
        }
        world
    }

    fn begin(&mut self) {
        let machines = 0..self.machines.len();
        let hosts = machines.clone().flat_map(|m| [Daemon::Launcher(m), Daemon::Startd(m)]);
        let schedds = (0..self.schedds.len()).map(Daemon::Schedd);
        let daemons: Vec<Daemon> =
            [Daemon::Negotiator].into_iter().chain(schedds).chain(hosts).collect();
        for daemon in daemons {
            self.processes.insert(daemon, Process::default());
            let at = self.rng.below(SECOND / 10);
            self.agenda.put(at, Event::Start(daemon));
        }
        if self.faults.is_chaotic() {
            for m in machines {
                for s in 0..self.schedds.len() {
                    self.net.link(Link::ScheddStartd(s, m)).chaotic = true;
                }
            }
        }
        if self.scenario.is_some() {
            self.agenda.put(SECOND / 5, Event::Play { step: 0, since: 0 });
            return;
        }
        self.agenda.put(SECOND / 5, Event::Users);
        if !self.faults.is_calm() {
            self.agenda.put(SECOND, Event::Fault);
        }
    }

    /// Lets the next thing happen. False if there is none, or if something is wrong.
    pub(crate) fn step(&mut self) -> bool {
        if self.violation.is_some() || self.settled {
            return false;
        }
        let Some((at, event)) = self.agenda.take() else {
            self.fail("nothing is left to happen and not all is done");
            return false;
        };
        self.now = at;
        self.happen(event);
        self.violation.is_none()
    }

    /// When the event can happen, if the machine that it is about is paused.
    fn waits_until(&self, event: &Event) -> Option<Micros> {
        let of = |daemon: Daemon| match daemon {
            Daemon::Startd(m) | Daemon::Launcher(m) => Some(m),
            Daemon::Schedd(_) | Daemon::Negotiator => None,
        };
        let machine = match event {
            Event::Batch { daemon, .. } | Event::Start(daemon) => of(*daemon),
            Event::Process { machine, .. } | Event::Measure { machine, .. } => Some(*machine),
            Event::Arrive { conn, to, .. } => {
                self.net.conns.get(conn).and_then(|conn| of(conn.link.end(*to)))
            }
            Event::Dial(link) => of(link.end(Side::Dialer)),
            _ => None,
        };
        let until = self.machines[machine?].paused_until;
        (until > self.now).then_some(until)
    }

    fn happen(&mut self, event: Event) {
        if let Some(until) = self.waits_until(&event) {
            self.agenda.put(until, event);
            return;
        }
        match event {
            Event::Batch { daemon, life } => self.batch(daemon, life),
            Event::Committed { schedd, life } => self.schedd_committed(schedd, life),
            Event::Start(daemon) => self.start(daemon),
            Event::Dial(link) => self.dial(link),
            Event::Arrive { conn, to, seen } => self.arrive(conn, to, seen),
            Event::Process { machine, boot, key, fate } => {
                if self.machines[machine].boot == boot {
                    self.fate(machine, key, fate);
                }
            }
            Event::Carried { machine, life, report } => self.carried(machine, life, report),
            Event::Measure { machine, life } => self.measure(machine, life),
            Event::Play { step, since } => self.play(step, since),
            Event::Users => self.users_act(),
            Event::Answer { ticket, answer } if is_dags(ticket) => {
                self.dag_answered(ticket, answer);
            }
            Event::Answer { ticket, answer } => self.answered(ticket, answer),
            Event::Dag(event) => self.dag_happens(event),
            Event::Retry { ticket } => self.retry(ticket),
            Event::Fault => self.fault(),
            Event::Block { link, to, until } => self.block_until(link, to, until),
            Event::PowerOn { machine } => self.power_on(machine),
            Event::Look => self.look(),
        }
    }

    fn batch(&mut self, daemon: Daemon, life: u32) {
        if !self.is_life(daemon, life) {
            return;
        }
        if let Some(process) = self.processes.get_mut(&daemon) {
            process.awake(self.now);
        }
        match daemon {
            Daemon::Schedd(s) => self.schedd_batch(s),
            Daemon::Negotiator => self.negotiator_batch(),
            Daemon::Startd(m) => self.startd_batch(m),
            // It acts on each order at once.
            Daemon::Launcher(_) => {}
        }
    }

    /// Remembers what is wrong; only the first counts.
    pub(crate) fn fail(&mut self, what: impl Display) {
        if self.violation.is_none() {
            let what = what.to_string();
            self.note(|| format!("WRONG: {what}"));
            self.violation = Some(what);
        }
    }

    pub(crate) fn require(&mut self, result: Result<(), String>) {
        if let Err(what) = result {
            self.fail(what);
        }
    }

    /// Prints a line of the trace, if there is one.
    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>13.6} {}", self.now as f64 / SECOND as f64, line());
        }
    }
}

/// A clock that is right, or one that is as wrong as it may be, or anything between.
fn drift(rng: &mut Rng) -> i64 {
    match rng.below(4) {
        0 => 0,
        1 => MAX_DRIFT_PPM,
        2 => -MAX_DRIFT_PPM,
        _ => {
            i64::try_from(rng.below(2 * MAX_DRIFT_PPM.unsigned_abs())).unwrap_or(0) - MAX_DRIFT_PPM
        }
    }
}
