//! What goes wrong, how often, and when it stops. Each seed draws its own mixture: a world in which
//! everything happens at once hides what a world with one kind of trouble shows.

use proto::claiming::BEAT_EVERY;

use super::clock::{MILLISECOND, Micros, SECOND};
use super::event::{Daemon, Event, Link, Side};
use super::life::CrashPoint;
use super::rng::Rng;
use super::world::World;

/// What the margin of the shortest lease has left beside the longest kill and two clocks that
/// differ by all that is allowed.
const LONGEST_PAUSE: Micros = 1500 * MILLISECOND;

#[derive(Debug)]
pub(crate) struct Faults {
    kinds: Vec<FaultKind>,
    chaotic: bool,
    /// The mean time between two faults.
    pace: Micros,
    longest_partition: Micros,
    longest_restart: Micros,
    /// Until when transfers of files go wrong.
    pub(crate) files_until: Micros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultKind {
    /// A daemon dies between two batches.
    Crash,
    /// A daemon dies in its next batch.
    CrashInBatch,
    /// A connection breaks.
    Break,
    /// Nothing passes one way.
    OneWay,
    /// First nothing reaches the listener, then nothing the dialer: what the one said last is heard
    /// long after the other was.
    Lopsided,
    Partition,
    /// A machine is switched off and on again.
    Reboot,
    /// The schedd's machine is.
    ScheddReboot,
    /// A run's keeper is killed.
    LostKeeper,
    /// Somebody sets a wall clock.
    WallClock,
    /// Transfers of files go wrong for a while.
    Files,
    /// A hypervisor pauses a guest, for less than leases allow for.
    Pause,
    /// A machine is drained, or gets jobs again. Not where messages overtake each other: between
    /// two daemons they do not, and nobody says it again.
    Drain,
}

const KINDS: [FaultKind; 13] = [
    FaultKind::Crash,
    FaultKind::CrashInBatch,
    FaultKind::Break,
    FaultKind::OneWay,
    FaultKind::Lopsided,
    FaultKind::Partition,
    FaultKind::Reboot,
    FaultKind::ScheddReboot,
    FaultKind::LostKeeper,
    FaultKind::WallClock,
    FaultKind::Files,
    FaultKind::Pause,
    FaultKind::Drain,
];

impl Faults {
    /// One seed in eight has no faults, and one in four of the others reorders and duplicates.
    pub(crate) fn draw(rng: &mut Rng, seed: u64) -> Self {
        let mut kinds = Vec::new();
        if !seed.is_multiple_of(8) {
            let all = rng.percent(20);
            kinds.extend(KINDS.iter().copied().filter(|_| all || rng.percent(40)));
        }
        Self {
            chaotic: !kinds.is_empty() && rng.percent(25),
            kinds,
            pace: rng.pick(&[300 * MILLISECOND, 2 * SECOND, 8 * SECOND]),
            longest_partition: rng.pick(&[2 * SECOND, 30 * SECOND, 120 * SECOND]),
            longest_restart: rng.pick(&[50 * MILLISECOND, 2 * SECOND, 90 * SECOND]),
            files_until: 0,
        }
    }

    /// Nothing but what a scenario directs.
    pub(crate) fn directed() -> Self {
        Self {
            kinds: Vec::new(),
            chaotic: false,
            pace: SECOND,
            longest_partition: SECOND,
            longest_restart: 2 * SECOND,
            files_until: 0,
        }
    }

    /// Whether nothing goes wrong in this world.
    pub(crate) fn is_calm(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(crate) fn is_chaotic(&self) -> bool {
        self.chaotic
    }

    pub(crate) fn restart_pause(&self, rng: &mut Rng) -> Micros {
        rng.between(3 * MILLISECOND, self.longest_restart)
    }

    /// How much later than the other an end may learn that its connection is broken.
    pub(crate) fn half_open(&self, rng: &mut Rng) -> Micros {
        if rng.percent(30) { rng.below(self.longest_partition) } else { 0 }
    }
}

impl World {
    pub(crate) fn fault(&mut self) {
        if self.calm_since.is_some() {
            return;
        }
        let kind = self.rng.pick(&self.faults.kinds);
        self.note(|| format!("FAULT {kind:?}"));
        match kind {
            FaultKind::Crash => {
                let daemon = self.some_daemon();
                self.crash(daemon);
            }
            FaultKind::CrashInBatch => self.doom_some(),
            FaultKind::Break => {
                let link = self.some_link();
                self.break_link(link);
            }
            FaultKind::OneWay => {
                let link = self.some_link();
                let side = self.rng.pick(&Side::BOTH);
                self.block(link, &[side]);
            }
            FaultKind::Lopsided => self.block_lopsided(),
            FaultKind::Partition => {
                let link = self.some_link();
                self.block(link, &Side::BOTH);
            }
            FaultKind::Reboot => self.reboot_some(),
            FaultKind::ScheddReboot => {
                let s = self.some_schedd();
                self.crash(Daemon::Schedd(s));
                self.schedds[s].clock.reboot(self.now);
                if s == 0 {
                    self.kill_dag(true);
                }
            }
            FaultKind::LostKeeper => self.lose_some_keeper(),
            FaultKind::WallClock => self.set_some_clock(),
            FaultKind::Files => {
                let trouble = self.rng.between(SECOND, 60 * SECOND);
                self.faults.files_until = self.now + trouble;
            }
            FaultKind::Pause => self.pause_some(),
            FaultKind::Drain if self.faults.is_chaotic() => {}
            FaultKind::Drain => self.drain_some(),
        }
        let pause = self.rng.between(1, 2 * self.faults.pace);
        self.agenda.put(self.now + pause, Event::Fault);
    }

    fn some_schedd(&mut self) -> usize {
        self.rng.index(self.schedds.len())
    }

    fn some_daemon(&mut self) -> Daemon {
        let s = self.some_schedd();
        let m = self.rng.index(self.machines.len());
        self.rng.pick(&[
            Daemon::Schedd(s),
            Daemon::Schedd(s),
            Daemon::Negotiator,
            Daemon::Startd(m),
            Daemon::Launcher(m),
        ])
    }

    fn doom_some(&mut self) {
        let daemon = self.some_daemon();
        let point = self.rng.pick(&[CrashPoint::InCommit, CrashPoint::InEffects]);
        if let Some(process) = self.processes.get_mut(&daemon)
            && process.alive
        {
            process.doom = Some(point);
        }
    }

    fn some_link(&mut self) -> Link {
        let s = self.some_schedd();
        let m = self.rng.index(self.machines.len());
        let links = [
            Link::ScheddStartd(s, m),
            Link::ScheddStartd(s, m),
            Link::ScheddNegotiator(s),
            Link::StartdNegotiator(m),
        ];
        self.rng.pick(&links)
    }

    /// Nothing reaches these ends for a while; the connection may or may not survive that.
    fn block(&mut self, link: Link, ends: &[Side]) {
        let until = self.now + self.rng.between(50 * MILLISECOND, self.faults.longest_partition);
        for side in ends {
            self.block_until(link, *side, until);
        }
        if self.rng.percent(30) {
            self.break_link(link);
        }
    }

    /// A startd's beats still reach the schedd, which echoes them; the echoes come when the beats
    /// do not any more.
    fn block_lopsided(&mut self) {
        let s = self.some_schedd();
        let link = Link::ScheddStartd(s, self.rng.index(self.machines.len()));
        let listener_until = self.now + self.rng.between(15 * SECOND, 60 * SECOND);
        self.block_until(link, Side::Listener, listener_until);
        let beat = u64::try_from(BEAT_EVERY.as_micros()).unwrap_or(SECOND);
        let at = self.now + self.rng.between(beat, beat + 3 * SECOND);
        let until = at + self.rng.between(60 * SECOND, 160 * SECOND);
        self.agenda.put(at, Event::Block { link, to: Side::Dialer, until });
    }

    pub(crate) fn block_until(&mut self, link: Link, to: Side, until: Micros) {
        let blocked = &mut self.net.link(link).blocked_until[to as usize];
        *blocked = until.max(*blocked);
    }

    fn reboot_some(&mut self) {
        let m = self.rng.index(self.machines.len());
        if self.machines[m].on {
            self.power_off(m);
            let pause = self.rng.between(2 * SECOND, 60 * SECOND);
            self.agenda.put(self.now + pause, Event::PowerOn { machine: m });
        }
    }

    fn lose_some_keeper(&mut self) {
        let m = self.rng.index(self.machines.len());
        let runs = self.machines[m].runs.iter();
        let alive: Vec<_> = runs.filter(|(_, kept)| !kept.is_over()).map(|(key, _)| *key).collect();
        if !alive.is_empty() {
            let key = self.rng.pick(&alive);
            self.lose_keeper(m, key);
        }
    }

    fn pause_some(&mut self) {
        let m = self.rng.index(self.machines.len());
        // Once: what is paused again and again adds up to more than the margin of one lease.
        if self.machines[m].paused_until == 0 {
            let time = self.rng.between(1, LONGEST_PAUSE);
            self.pause(m, time);
        }
    }

    pub(crate) fn pause(&mut self, m: usize, time: Micros) {
        let until = self.now + time;
        self.machines[m].clock.pause(self.now, until);
        self.machines[m].paused_until = until;
    }

    fn set_some_clock(&mut self) {
        let by_ms = i64::try_from(self.rng.below(7_200_000)).unwrap_or(0) - 3_600_000;
        let m = self.rng.index(self.machines.len());
        match self.rng.below(3) {
            0 => {
                let s = self.some_schedd();
                self.schedds[s].clock.set_wall(by_ms);
            }
            1 => self.negotiator.clock.set_wall(by_ms),
            _ => self.machines[m].clock.set_wall(by_ms),
        }
    }

    /// From now on nothing goes wrong anew, and nobody asks for anything new. Partitions end in
    /// their time.
    pub(crate) fn calm(&mut self) {
        self.note(|| "the faults are over".to_owned());
        self.calm_since = Some(self.now);
        for link in self.net.links.values_mut() {
            link.chaotic = false;
        }
        for process in self.processes.values_mut() {
            process.doom = None;
        }
        self.drain_none();
        for m in 0..self.machines.len() {
            self.power_on(m);
        }
        let daemons: Vec<Daemon> = self.processes.keys().copied().collect();
        for daemon in daemons {
            self.agenda.put(self.now, Event::Start(daemon));
        }
        self.agenda.put(self.now + SECOND, Event::Look);
    }
}
