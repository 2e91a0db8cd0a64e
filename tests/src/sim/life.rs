//! Processes: they start, wake, and die at any moment. What a daemon does when it starts, and what
//! it loses when it dies, is in the daemon's own file.

use super::clock::{HostClock, MILLISECOND, Micros, SECOND};
use super::event::{ConnId, Daemon, Event, Side};
use super::world::World;

/// How soon a daemon looks at an input: long enough that some wait together.
const REACTION: Micros = 300;

/// The least time between two looks of a daemon whose deadline has passed already: time must go on.
const LEAST_SLEEP: Micros = MILLISECOND;

/// How long a silent machine's peers may take to notice.
const SILENCE: Micros = 30 * SECOND;

#[derive(Debug, Default)]
pub(crate) struct Process {
    pub(crate) alive: bool,
    /// Counts its starts and deaths: what is meant for an earlier life is dropped.
    pub(crate) life: u32,
    /// Where it dies next.
    pub(crate) doom: Option<CrashPoint>,
    /// The earliest `Batch` on the agenda.
    wake: Option<Micros>,
}

/// Where in its next batch a daemon dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    /// The batch is decided, and nothing or a part of it is written.
    InCommit,
    /// All is written, and nothing or a part of it is done.
    InEffects,
}

/// Whether anybody notices that a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// Its kernel closes its connections.
    Process,
    /// Its machine is off: its peers hear nothing for a while.
    Machine,
}

impl Process {
    /// A `Batch` of that moment was taken from the agenda.
    pub(crate) fn awake(&mut self, now: Micros) {
        if self.wake.is_some_and(|wake| wake <= now) {
            self.wake = None;
        }
    }
}

impl World {
    pub(crate) fn is_alive(&self, daemon: Daemon) -> bool {
        self.processes.get(&daemon).is_some_and(|process| process.alive)
    }

    pub(crate) fn life_of(&self, daemon: Daemon) -> u32 {
        self.processes.get(&daemon).map_or(0, |process| process.life)
    }

    pub(crate) fn is_life(&self, daemon: Daemon, life: u32) -> bool {
        self.is_alive(daemon) && self.life_of(daemon) == life
    }

    pub(crate) fn clock(&self, daemon: Daemon) -> &HostClock {
        match daemon {
            Daemon::Schedd(s) => &self.schedds[s].clock,
            Daemon::Negotiator => &self.negotiator.clock,
            Daemon::Startd(m) | Daemon::Launcher(m) => &self.machines[m].clock,
        }
    }

    /// Starts a daemon, if it may run and does not.
    pub(crate) fn start(&mut self, daemon: Daemon) {
        let on = match daemon {
            Daemon::Startd(m) | Daemon::Launcher(m) => self.machines[m].on,
            Daemon::Schedd(_) | Daemon::Negotiator => true,
        };
        if !on || self.is_alive(daemon) {
            return;
        }
        if let Some(process) = self.processes.get_mut(&daemon) {
            *process = Process { alive: true, life: process.life + 1, ..Process::default() };
        }
        self.note(|| format!("{daemon} starts"));
        match daemon {
            Daemon::Schedd(s) => self.schedd_starts(s),
            Daemon::Negotiator => self.negotiator_starts(),
            Daemon::Startd(m) => self.startd_starts(m),
            Daemon::Launcher(m) => {
                self.note(|| format!("launcher{m} keeps {} runs", self.machines[m].runs.len()));
            }
        }
    }

    /// A daemon dies; somebody starts it again.
    pub(crate) fn crash(&mut self, daemon: Daemon) {
        if !self.is_alive(daemon) {
            return;
        }
        self.kill(daemon, Death::Process);
        let pause = self.faults.restart_pause(&mut self.rng);
        self.agenda.put(self.now + pause, Event::Start(daemon));
    }

    pub(crate) fn kill(&mut self, daemon: Daemon, death: Death) {
        if !self.is_alive(daemon) {
            return;
        }
        self.note(|| format!("{daemon} dies ({death:?})"));
        if let Some(process) = self.processes.get_mut(&daemon) {
            *process = Process { life: process.life + 1, ..Process::default() };
        }
        match daemon {
            Daemon::Schedd(s) => self.schedd_died(s),
            Daemon::Negotiator => self.negotiator.died(),
            Daemon::Startd(m) => {
                self.machines[m].startd.died();
                self.oracle.files.died(m);
            }
            Daemon::Launcher(_) => {}
        }
        for (conn, side) in self.conns_of(daemon) {
            self.close(conn, side, death);
        }
    }

    fn conns_of(&self, daemon: Daemon) -> Vec<(ConnId, Side)> {
        let mut found = Vec::new();
        for (id, conn) in &self.net.conns {
            let sides = Side::BOTH.into_iter().filter(|side| conn.link.end(*side) == daemon);
            found.extend(sides.map(|side| (*id, side)));
        }
        found
    }

    /// One end closes its connection; the other hears of it, sooner or later.
    pub(crate) fn close(&mut self, conn: ConnId, side: Side, death: Death) {
        let Some(link) = self.net.conns.get(&conn).map(|open| open.link) else { return };
        let heard = self.net.close(&mut self.rng, self.now, conn, side);
        let current = &mut self.net.link(link).current[side as usize];
        if *current == Some(conn) {
            *current = None;
        }
        if let Some(at) = heard {
            let late = if death == Death::Machine { self.rng.below(SILENCE) } else { 0 };
            let (to, seen) = (side.other(), super::event::Seen::Down);
            self.agenda.put(at + late, Event::Arrive { conn, to, seen });
        }
        self.net.forget_if_done(conn);
    }

    /// Makes a daemon look at what waits, soon.
    pub(crate) fn wake_soon(&mut self, daemon: Daemon) {
        let at = self.now + 1 + self.rng.below(REACTION);
        self.wake_at(daemon, at);
    }

    /// Makes a daemon look again when its boot clock shows this.
    pub(crate) fn wake_by_clock(&mut self, daemon: Daemon, boot_ms: Option<u64>) {
        let Some(boot_ms) = boot_ms else { return };
        let at = self.clock(daemon).moment_of(boot_ms).max(self.now + LEAST_SLEEP);
        self.wake_at(daemon, at);
    }

    fn wake_at(&mut self, daemon: Daemon, at: Micros) {
        let Some(process) = self.processes.get_mut(&daemon) else { return };
        if process.alive && process.wake.is_none_or(|wake| at < wake) {
            process.wake = Some(at);
            self.agenda.put(at, Event::Batch { daemon, life: process.life });
        }
    }

    /// Where the daemon is to die in this batch, if it is.
    pub(crate) fn take_doom(&mut self, daemon: Daemon) -> Option<CrashPoint> {
        self.processes.get_mut(&daemon).and_then(|process| process.doom.take())
    }
}
