//! The launcher's world: the processes that really run. It stands in for the launcher with its
//! keepers: it executes, enforces leases, kills what ignores SIGTERM, and survives launcher and
//! startd; only a reboot ends it. What really happens is told to the oracle.

use classad::{ClassAd, Env};
use model::{
    Pause, ProgramEnd, RunEnd, RunId, Script, StartFailure, StartStage, Timestamp, Usage,
    VacateCode,
};
use startd::core::{FromLauncher, LauncherState, RunKey, StartProcess};

use super::clock::{MILLISECOND, Micros, SECOND};
use super::event::{Daemon, Event, Fate, LauncherOrder, Link, Message, Side};
use super::gangs;
use super::rng::Rng;
use super::workload::{SIM_END, SIM_IGNORES_TERM, SIM_RUN_MS};
use super::world::World;

/// The longest that SIGKILL takes on a busy machine. `proto::claiming::lease_margin` allows for ten
/// seconds, of which two clocks that differ by all that is allowed use a little.
const LONGEST_KILL: Micros = 8 * SECOND;

/// Percent of the starts that the launcher refuses (too many runs).
const REFUSED_PERCENT: u64 = 1;

/// SIGKILL.
const SIGKILL: i32 = 9;

/// A run that the launcher keeps.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) run: RunId,
    pub(crate) state: LauncherState,
    pub(crate) start: Box<StartProcess>,
    lease_until_boot_ms: u64,
    /// It was told to end, and will.
    dying: bool,
    /// It gets no processor.
    suspended: bool,
    /// What it will do when it goes on.
    delayed: Vec<Fate>,
    behaviour: Behaviour,
}

/// How long an empty place would live that nobody ends, milliseconds: longer than any world.
const PLACE_MS: u64 = 1 << 36;

/// What a job does when it is left alone, and when it is told to end.
#[derive(Clone, Debug, PartialEq)]
struct Behaviour {
    run_ms: u64,
    end: RunEnd,
    ignores_term: bool,
}

impl Behaviour {
    fn of(job: &ClassAd) -> Self {
        let env = Env::at(0);
        let end = job.eval(SIM_END, None, &env);
        if gangs::other_part(job).is_some() {
            // It waits to be told what to start.
            let fails = matches!(end.as_str(), Some("execute" | "pre"));
            let end = end_of(if fails { "execute" } else { "exit 0" });
            return Self { run_ms: PLACE_MS, end, ignores_term: false };
        }
        Self {
            run_ms: job.eval(SIM_RUN_MS, None, &env).as_i64().map_or(0, i64::unsigned_abs),
            end: end_of(end.as_str().unwrap_or("exit 0")),
            ignores_term: job.eval(SIM_IGNORES_TERM, None, &env).is_true(),
        }
    }
}

/// Reads what `workload` writes: `exit N`, `signal N`, the script or the step that fails.
fn end_of(text: &str) -> RunEnd {
    let number = |text: &str| text.parse().unwrap_or(0);
    let exited = |code| ProgramEnd::Exited { code };
    if let Some(code) = text.strip_prefix("exit ") {
        RunEnd::exited(number(code))
    } else if let Some(signal) = text.strip_prefix("signal ") {
        RunEnd::killed(number(signal))
    } else if text == "pre" {
        RunEnd::ScriptFailed { script: Script::Pre, ended: exited(1), end: None }
    } else if text == "post" {
        RunEnd::ScriptFailed { script: Script::Post, ended: exited(1), end: Some(exited(0)) }
    } else {
        let stage = if text == "prepare" { StartStage::Prepare } else { StartStage::Execute };
        RunEnd::StartFailed(StartFailure::at(stage, "/job", 2))
    }
}

impl World {
    /// The launcher gets an order.
    pub(crate) fn ordered(&mut self, m: usize, order: LauncherOrder) {
        match order {
            LauncherOrder::Start(start) => self.take_run(m, start),
            LauncherOrder::Stop { key, signal, grace_ms } => {
                self.stop_process(m, key, signal, grace_ms);
            }
            LauncherOrder::Pause { key, pause } => self.pause_process(m, key, pause),
            LauncherOrder::ExtendLease { keys, until_boot_ms } => {
                for key in keys {
                    if let Some(kept) = self.machines[m].runs.get_mut(&key) {
                        kept.lease_until_boot_ms = until_boot_ms;
                    }
                    self.watch_lease(m, key);
                }
            }
            LauncherOrder::Forget { key } => {
                let over = self.machines[m].runs.get(&key).map(Kept::is_over);
                match over {
                    Some(true) => {
                        self.machines[m].runs.remove(&key);
                    }
                    Some(false) => self.fail(format!("run {key} is to be forgotten and is alive")),
                    None => {}
                }
            }
        }
    }

    fn take_run(&mut self, m: usize, start: Box<StartProcess>) {
        let (key, run) = (start.key, start.run);
        if self.oracle.was_given(key) {
            self.fail(format!("launcher{m} is given the run key {key} (run {run}) twice"));
            return;
        }
        if self.rng.percent(REFUSED_PERCENT) {
            let end = RunEnd::Lost { reason: "too many runs are alive".to_owned() };
            self.report(m, FromLauncher::Ended { key, end, usage: Usage::default() });
            return;
        }
        self.machines[m].scratch.insert(key);
        let given = self.oracle.given(m, &start);
        self.require(given);
        let kept = Kept {
            run,
            state: LauncherState::Starting,
            lease_until_boot_ms: start.lease_until_boot_ms,
            dying: false,
            suspended: false,
            delayed: Vec::new(),
            behaviour: Behaviour::of(&start.job),
            start,
        };
        self.machines[m].runs.insert(key, kept);
        let slow = if self.rng.percent(5) { self.rng.below(2 * SECOND) } else { 0 };
        let at = self.now + self.rng.between(300, 3000) + slow;
        self.put_fate(m, key, at, Fate::Execute);
        self.watch_lease(m, key);
    }

    /// Something becomes of a process.
    pub(crate) fn fate(&mut self, m: usize, key: RunKey, fate: Fate) {
        let Some(kept) = self.machines[m].runs.get(&key) else { return };
        if kept.is_over() {
            return;
        }
        if kept.suspended && matches!(fate, Fate::End { by_itself: true, .. }) {
            if let Some(kept) = self.machines[m].runs.get_mut(&key) {
                kept.delayed.push(fate);
            }
            return;
        }
        match fate {
            Fate::Execute => self.execute(m, key),
            Fate::End { end, by_itself, usage } => self.end_process(m, key, end, by_itself, usage),
            Fate::Kill => {
                self.kill_process(m, key, RunEnd::killed(SIGKILL));
            }
            Fate::LeaseEnd => {
                let now = self.machines[m].clock.now(self.now).boot_ms;
                if now < kept.lease_until_boot_ms {
                    return;
                }
                self.note(|| format!("launcher{m} ends {key}: its lease is over"));
                let end = RunEnd::vacated(VacateCode::ReconnectFailed);
                self.kill_process(m, key, end);
            }
        }
    }

    fn execute(&mut self, m: usize, key: RunKey) {
        let wall = self.machines[m].clock.now(self.now).wall;
        let Some(kept) = self.machines[m].runs.get_mut(&key) else { return };
        if kept.dying || kept.state != LauncherState::Starting {
            return;
        }
        let behaviour = kept.behaviour.clone();
        if let RunEnd::StartFailed(_) | RunEnd::ScriptFailed { end: None, .. } = behaviour.end {
            self.end_process(m, key, behaviour.end, true, Usage::default());
            return;
        }
        let scratch_dir = format!("/scratch/{key}");
        kept.state = LauncherState::Executing { at: wall, scratch_dir: scratch_dir.clone() };
        let start = kept.start.clone();
        let executed = self.oracle.executed(m, &start, self.now);
        self.note(|| format!("machine{m} EXECUTES run {} in {}", start.run, start.slot));
        self.require(executed);
        let run_ms = behaviour.run_ms;
        let usage = used(run_ms, wall);
        let fate = Fate::End { end: behaviour.end, by_itself: true, usage };
        self.put_fate(m, key, self.now + run_ms * MILLISECOND, fate);
        self.report(m, FromLauncher::Started { key, at: wall, scratch_dir });
        if run_ms > 1000 && self.rng.percent(30) {
            let usage = Usage { ended: None, ..used(run_ms / 10, wall) };
            self.report(m, FromLauncher::Used { key, usage });
        }
    }

    fn stop_process(&mut self, m: usize, key: RunKey, signal: i32, grace_ms: u64) {
        let Some(kept) = self.machines[m].runs.get_mut(&key) else { return };
        if kept.is_over() {
            return;
        }
        if grace_ms == 0 || signal == SIGKILL {
            self.kill_process(m, key, RunEnd::killed(SIGKILL));
            return;
        }
        self.wake(m, key);
        let Some(kept) = self.machines[m].runs.get_mut(&key) else { return };
        let starting = kept.state == LauncherState::Starting;
        // What has not become the program yet cannot ignore anything.
        let ignores = kept.behaviour.ignores_term && !starting;
        kept.dying |= starting;
        let usage = kept.cut_short();
        self.put_fate(m, key, self.now + grace_ms * MILLISECOND, Fate::Kill);
        if !ignores {
            let cleans_up = !starting && self.rng.percent(30);
            let end = if cleans_up { RunEnd::exited(0) } else { RunEnd::killed(signal) };
            let at = self.now + self.rng.between(MILLISECOND, 800 * MILLISECOND);
            self.put_fate(m, key, at, Fate::End { end, by_itself: false, usage });
        }
    }

    fn pause_process(&mut self, m: usize, key: RunKey, pause: Pause) {
        let Some(kept) = self.machines[m].runs.get_mut(&key) else { return };
        if kept.is_over() || kept.dying {
            return;
        }
        kept.suspended = pause.suspend;
        if !pause.suspend {
            self.wake(m, key);
        }
        self.note(|| format!("machine{m} has done {pause:?} of {key}"));
        self.report(m, FromLauncher::Paused { key, pause, processes: 1 });
    }

    /// It goes on, and does what it would have done meanwhile.
    fn wake(&mut self, m: usize, key: RunKey) {
        let Some(kept) = self.machines[m].runs.get_mut(&key) else { return };
        kept.suspended = false;
        for fate in std::mem::take(&mut kept.delayed) {
            self.put_fate(m, key, self.now + MILLISECOND, fate);
        }
    }

    fn kill_process(&mut self, m: usize, key: RunKey, end: RunEnd) {
        let Some(kept) = self.machines[m].runs.get_mut(&key) else { return };
        kept.dying |= kept.state == LauncherState::Starting;
        let usage = kept.cut_short();
        let at = self.now + kill_time(&mut self.rng);
        self.put_fate(m, key, at, Fate::End { end, by_itself: false, usage });
    }

    /// The process that watches over a run is killed, and with it all that is known of the run's
    /// end.
    pub(crate) fn lose_keeper(&mut self, m: usize, key: RunKey) {
        self.note(|| format!("machine{m} loses the keeper of {key}"));
        self.kill_process(m, key, RunEnd::Lost { reason: "its keeper was killed".to_owned() });
    }

    fn end_process(&mut self, m: usize, key: RunKey, end: RunEnd, by_itself: bool, usage: Usage) {
        let Some(kept) = self.machines[m].runs.get_mut(&key) else { return };
        kept.state = LauncherState::Ended(end.clone(), usage);
        let (run, part) = (kept.run, gangs::other_part(&kept.start.job));
        self.note(|| {
            format!("machine{m} has nothing left of run {run}: {end:?}, by itself: {by_itself}")
        });
        match part {
            Some(part) => self.oracle.parts.ended(run, part),
            None => self.oracle.ended(m, run, &end, by_itself),
        }
        self.report(m, FromLauncher::Ended { key, end, usage });
    }

    fn watch_lease(&mut self, m: usize, key: RunKey) {
        let machine = &self.machines[m];
        let Some(kept) = machine.runs.get(&key) else { return };
        let at = machine.clock.moment_of(kept.lease_until_boot_ms).max(self.now + 1);
        self.put_fate(m, key, at, Fate::LeaseEnd);
    }

    fn put_fate(&mut self, m: usize, key: RunKey, at: Micros, fate: Fate) {
        let boot = self.machines[m].boot;
        self.agenda.put(at, Event::Process { machine: m, boot, key, fate });
    }

    fn report(&mut self, m: usize, message: FromLauncher) {
        if self.is_alive(Daemon::Launcher(m)) {
            self.say(Link::StartdLauncher(m), Side::Listener, Message::FromLauncher(message));
        }
    }
}

impl Kept {
    pub(crate) fn is_over(&self) -> bool {
        match self.state {
            LauncherState::Ended(..) => true,
            LauncherState::Starting | LauncherState::Executing { .. } => false,
        }
    }

    /// What a run has used that is made to end: all that is known is whether it was executed.
    fn cut_short(&self) -> Usage {
        let started = match self.state {
            LauncherState::Executing { at, .. } => Some(at),
            LauncherState::Starting | LauncherState::Ended(..) => None,
        };
        Usage { started, ..Usage::default() }
    }
}

/// Usually at once; on a busy machine it takes its time.
fn kill_time(rng: &mut Rng) -> Micros {
    if rng.percent(15) { rng.below(LONGEST_KILL) } else { rng.between(500, 50 * MILLISECOND) }
}

fn used(run_ms: u64, started: Timestamp) -> Usage {
    let ended = i64::try_from(run_ms).unwrap_or(0) + started.as_millis();
    Usage {
        user_us: run_ms * 900,
        sys_us: run_ms * 50,
        peak_rss_kib: 1024,
        peak_vmem_kib: 4096,
        peak_process_kib: 1024,
        disk_kib: 16,
        scratch_files: 2,
        received_bytes: 0,
        sent_bytes: 0,
        started: Some(started),
        ended: Some(Timestamp::from_millis(ended)),
    }
}
