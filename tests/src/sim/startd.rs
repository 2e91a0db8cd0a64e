//! A startd: its core, its journal, and what its shell does. The journal is replayed at a restart,
//! of the same boot only, and its last record may be torn.

use model::{Now, RunEnd};
use proto::matchmaking::FromMachine;
use startd::core::{
    Batch, Core, DiskUsed, Effect, Event as Fact, FromLauncher, Input, Machine, State, run_batch,
};

use super::clock::{Micros, SECOND};
use super::event::{Daemon, Event, LauncherOrder, Link, Message, Side};
use super::gangs;
use super::life::{CrashPoint, Death};
use super::plant::Plant;
use super::rng::Rng;
use super::workload;
use super::world::World;

/// How often a startd measures its machine: rarely, so that the core alone must see to it that its
/// ad does not expire.
const MEASURE_EVERY: Micros = 1300 * SECOND;

/// One of so many batches is compared with a replay of the journal.
const COMPARED: u64 = 8;

/// One of so many batches is followed by a snapshot in the journal's place.
const SNAPSHOT: u64 = 40;

pub(crate) struct StartdHost {
    pub(crate) core: Option<Core>,
    journal: Journal,
    inbox: Vec<Input>,
    /// The negotiator was told of the machine: it is told again when it comes back.
    advertised: bool,
}

/// What survives the startd, until the machine boots.
#[derive(Debug)]
struct Journal {
    life: u64,
    number: u64,
    snapshot: Option<Vec<u8>>,
    lines: Vec<String>,
}

impl StartdHost {
    pub(crate) fn first(rng: &mut Rng) -> Self {
        Self { core: None, journal: Journal::new(1, rng), inbox: Vec::new(), advertised: false }
    }

    pub(crate) fn died(&mut self) {
        self.core = None;
        self.inbox.clear();
        self.advertised = false;
    }

    /// The machine boots: a new journal, of a greater life.
    pub(crate) fn boot(&mut self, rng: &mut Rng) {
        self.journal = Journal::new(self.journal.life + 1, rng);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.core.as_ref().is_some_and(Core::is_idle)
    }
}

impl Journal {
    fn new(life: u64, rng: &mut Rng) -> Self {
        Self { life, number: rng.next(), snapshot: None, lines: Vec::new() }
    }

    fn append(&mut self, facts: &[Fact]) -> Result<(), String> {
        for fact in facts {
            let line =
                serde_json::to_string(fact).map_err(|e| format!("write to the journal: {e}"))?;
            self.lines.push(line);
        }
        Ok(())
    }

    /// Writes until the process dies in the middle: some records, and perhaps a part of the next.
    fn append_torn(&mut self, facts: &[Fact], rng: &mut Rng) -> Result<(), String> {
        let whole = rng.index(facts.len() + 1);
        self.append(&facts[..whole])?;
        if let Some(next) = facts.get(whole) {
            let mut line =
                serde_json::to_string(next).map_err(|e| format!("write to the journal: {e}"))?;
            line.truncate(rng.index(line.len()));
            self.lines.push(line);
        }
        Ok(())
    }

    /// What the journal makes of a machine. A torn last record is dropped.
    fn replay(&mut self, machine: Machine) -> Result<Core, String> {
        let state = match &self.snapshot {
            Some(bytes) => {
                rmp_serde::from_slice(bytes).map_err(|e| format!("read the snapshot: {e}"))?
            }
            None => State::default(),
        };
        let mut core = Core::new(machine, state);
        let last = self.lines.len();
        let mut whole = last;
        for (n, line) in self.lines.iter().enumerate() {
            match serde_json::from_str::<Fact>(line) {
                Ok(fact) => {
                    core.apply(&fact);
                }
                Err(_) if n + 1 == last => whole = n,
                Err(error) => return Err(format!("read the journal's record {line}: {error}")),
            }
        }
        self.lines.truncate(whole);
        Ok(core)
    }

    fn snapshot(&mut self, core: &Core) -> Result<(), String> {
        let bytes =
            rmp_serde::to_vec_named(core.state()).map_err(|e| format!("write a snapshot: {e}"))?;
        self.snapshot = Some(bytes);
        self.lines.clear();
        Ok(())
    }
}

impl World {
    pub(crate) fn startd_starts(&mut self, m: usize) {
        let now = self.machines[m].clock.now(self.now);
        let machine = self.machine_words(m, now);
        match self.machines[m].startd.journal.replay(machine) {
            Ok(core) => {
                self.require(core.check().map_err(|what| format!("startd{m}, replayed: {what}")));
                let effects = core.resume(now);
                self.machines[m].startd.core = Some(core);
                self.startd_resumes(m, now, effects);
            }
            Err(what) => self.fail(format!("startd{m}: {what}")),
        }
        self.want(Link::StartdLauncher(m));
        self.want(Link::StartdNegotiator(m));
        self.agenda.put(
            self.now + MEASURE_EVERY,
            Event::Measure { machine: m, life: self.life_of(Daemon::Startd(m)) },
        );
        self.wake_soon(Daemon::Startd(m));
    }

    pub(crate) fn machine_words(&self, m: usize, now: Now) -> Machine {
        let machine = &self.machines[m];
        Machine {
            name: machine.name(),
            address: format!("/run/{}", machine.kind.name),
            total: machine.kind.total.clone(),
            customs: workload::customs(&machine.kind.total),
            found: machine.kind.found.clone(),
            started: now.wall,
            life: machine.startd.journal.life,
            journal: machine.startd.journal.number,
        }
    }

    pub(crate) fn startd_hears(&mut self, m: usize, mut input: Input) {
        if self.plant == Some(Plant::SlotNeverFreed) && self.machines[m].hides_end(&mut input) {
            return;
        }
        self.machines[m].startd.inbox.push(input);
        self.wake_soon(Daemon::Startd(m));
    }

    pub(crate) fn measure(&mut self, m: usize, life: u32) {
        if self.is_life(Daemon::Startd(m), life) {
            let measured = startd::core::Measured::default();
            self.startd_hears(m, Input::Measured(measured));
            self.agenda.put(self.now + MEASURE_EVERY, Event::Measure { machine: m, life });
        }
    }

    pub(crate) fn startd_batch(&mut self, m: usize) {
        let daemon = Daemon::Startd(m);
        let now = self.machines[m].clock.now(self.now);
        let host = &mut self.machines[m].startd;
        let inputs = std::mem::take(&mut host.inbox);
        let Some(core) = &mut host.core else { return };
        let batch = run_batch(core, now, &inputs);
        let sound = core.check().map_err(|what| format!("startd{m}: {what}"));
        self.require(sound);
        let empty = batch.journal.is_empty() && batch.effects.is_empty();
        let doom = if empty { None } else { self.take_doom(daemon) };
        if doom == Some(CrashPoint::InCommit) {
            let torn = self.machines[m].startd.journal.append_torn(&batch.journal, &mut self.rng);
            self.require(torn);
            self.crash(daemon);
            return;
        }
        let written = self.machines[m].startd.journal.append(&batch.journal);
        self.require(written);
        self.oracle.files.read_journal(&batch.journal);
        self.compare_replay(m, now);
        let deadline =
            self.machines[m].startd.core.as_ref().and_then(|core| core.next_deadline(now));
        self.startd_performs(m, now, batch, doom);
        if doom.is_some() {
            self.crash(daemon);
        } else {
            self.wake_by_clock(daemon, deadline);
        }
    }

    /// What the journal makes is what is live.
    fn compare_replay(&mut self, m: usize, now: Now) {
        let snapshot = self.rng.below(SNAPSHOT) == 0;
        if self.rng.below(COMPARED) != 0 && !snapshot {
            return;
        }
        let machine = self.machine_words(m, now);
        let host = &mut self.machines[m].startd;
        let Some(core) = &host.core else { return };
        let result = match host.journal.replay(machine) {
            Ok(replayed) if replayed.state() == core.state() => {
                if snapshot {
                    host.journal.snapshot(core)
                } else {
                    Ok(())
                }
            }
            Ok(replayed) => Err(format!(
                "startd{m} is {:?}, its journal makes {:?}",
                core.state(),
                replayed.state()
            )),
            Err(what) => Err(what),
        };
        self.require(result);
    }

    /// What a startd does first: no schedd and no launcher is there yet.
    fn startd_resumes(&mut self, m: usize, now: Now, effects: Vec<Effect>) {
        let batch = Batch { effects, ..Batch::default() };
        self.startd_performs(m, now, batch, None);
    }

    fn startd_performs(&mut self, m: usize, now: Now, batch: Batch, doom: Option<CrashPoint>) {
        let count = batch.effects.len();
        let done = if doom.is_some() { self.rng.index(count + 1) } else { count };
        let mut advertise = false;
        for effect in batch.effects.into_iter().take(done) {
            let order = match effect {
                Effect::ToSchedd { schedd, message } => {
                    if let Some(s) = self.schedd_named(schedd.as_str()) {
                        let link = Link::ScheddStartd(s, m);
                        self.say(link, Side::Listener, Message::FromStartd(message));
                    }
                    continue;
                }
                Effect::Advertise => {
                    advertise = true;
                    continue;
                }
                Effect::BringIn(start) => {
                    self.bring_in(m, &start);
                    continue;
                }
                Effect::BringBack(over) => {
                    self.bring_back(m, &over);
                    continue;
                }
                Effect::CutOff { key } => {
                    self.cut_off(m, key);
                    continue;
                }
                // No file server of this world is dead.
                Effect::LetGo { .. } => continue,
                Effect::MeasureRuns { keys, disk: true } => {
                    let used = DiskUsed { kib: 8, files: 2 };
                    let used = keys.into_iter().map(|key| (key, used)).collect();
                    self.startd_hears(m, Input::DiskMeasured { used, took_ms: 1 });
                    continue;
                }
                // Nothing hangs on what a launcher answers, and nothing on what owners are told.
                Effect::MeasureRuns { disk: false, .. } | Effect::CloseLog(_) => continue,
                Effect::Sweep { kept } => {
                    self.sweep_scratch(m, &kept);
                    continue;
                }
                Effect::StartProcess(start) => LauncherOrder::Start(start),
                Effect::StopProcess { key, signal, grace_ms } => {
                    LauncherOrder::Stop { key, signal, grace_ms }
                }
                Effect::PauseProcess { key, pause } => LauncherOrder::Pause { key, pause },
                Effect::ExtendLease { keys, until_boot_ms } => {
                    LauncherOrder::ExtendLease { keys, until_boot_ms }
                }
                Effect::CleanUp { key } => {
                    self.clear_scratch(m, key);
                    LauncherOrder::Forget { key }
                }
            };
            self.say(Link::StartdLauncher(m), Side::Dialer, Message::ToLauncher(order));
        }
        if advertise {
            self.machines[m].startd.advertised = true;
            self.advertise(m, now);
        }
    }

    pub(crate) fn advertise_if_open(&mut self, m: usize) {
        if self.machines[m].startd.advertised {
            let now = self.machines[m].clock.now(self.now);
            self.advertise(m, now);
        }
    }

    fn advertise(&mut self, m: usize, now: Now) {
        let Some(core) = &self.machines[m].startd.core else { return };
        let state = FromMachine::Advertise(Box::new(core.machine_state(now)));
        self.say(Link::StartdNegotiator(m), Side::Dialer, Message::FromMachine(state));
    }

    /// The machine is switched off: all that runs on it ends at once, and its journal is void.
    pub(crate) fn power_off(&mut self, m: usize) {
        self.note(|| format!("machine{m} is switched off"));
        self.machines[m].on = false;
        self.kill(Daemon::Startd(m), Death::Machine);
        self.kill(Daemon::Launcher(m), Death::Machine);
        let machine = &mut self.machines[m];
        machine.boot += 1;
        for kept in std::mem::take(&mut machine.runs).into_values() {
            if !kept.is_over() {
                let end = RunEnd::Lost { reason: "its machine was turned off".to_owned() };
                match gangs::other_part(&kept.start.job) {
                    Some(part) => self.oracle.parts.ended(kept.run, part),
                    None => self.oracle.ended(m, kept.run, &end, false),
                }
            }
        }
    }

    pub(crate) fn power_on(&mut self, m: usize) {
        if self.machines[m].on {
            return;
        }
        self.note(|| format!("machine{m} boots"));
        let machine = &mut self.machines[m];
        machine.on = true;
        machine.clock.reboot(self.now);
        machine.startd.boot(&mut self.rng);
        for daemon in [Daemon::Launcher(m), Daemon::Startd(m)] {
            let at = self.now + self.rng.below(SECOND);
            self.agenda.put(at, Event::Start(daemon));
        }
    }
}

impl super::machine::Machine {
    /// The planted bug: the end of a run that was killed is not noticed. Whether the whole message
    /// is to be dropped.
    fn hides_end(&self, input: &mut Input) -> bool {
        use model::{ProgramEnd::Signaled, RunEnd::Program};
        use startd::core::LauncherState;
        match input {
            Input::FromLauncher(FromLauncher::Ended {
                end: Program(Signaled { signal: 9, .. }),
                ..
            }) => true,
            Input::FromLauncher(FromLauncher::Listed(runs)) => {
                for run in runs {
                    if let LauncherState::Ended(Program(Signaled { signal: 9, .. }), _) = run.state
                    {
                        run.state = LauncherState::Starting;
                    }
                }
                false
            }
            Input::FromLauncher(_)
            | Input::ScheddUp { .. }
            | Input::ScheddDown { .. }
            | Input::FromSchedd { .. }
            | Input::LauncherDown
            | Input::FromCarrier(_)
            | Input::DiskMeasured { .. }
            | Input::Measured(_)
            | Input::Drain(_)
            | Input::Shutdown { .. }
            | Input::Tick => false,
        }
    }
}
