//! The three daemons as hosts run them: a clock, a core, what was written, and what waits to be read. Here they crash: before
//! a commit, after it and before its effects, or half way through them.

use std::collections::BTreeSet;
use std::sync::Arc;

use classad::ClassAd;
use model::{ClaimSecret, JobId, MachineName, Now, Resources, RunEnd, ScheddName, VacateCode};
use negotiator::core as matchmaker;
use proto::claiming::{FromStartd, ToStartd};
use proto::matchmaking::FromMachine;
use schedd::core as queue;
use startd::core as machine;
use startd::core::{FromLauncher, RunKey};

use super::clock::Clock;
use super::disk::Disk;
use super::launcher::{Launcher, Obeys, PlannedEnd, Process, ProcessState};
use super::net::{LinkId, Node, Wire};
use super::oracle::Reality;
use super::plant::Plant;
use super::rng::Rng;
use super::users::Asked;
use super::world::{Happens, World};

pub(super) const SCHEDD: &str = "schedd";

pub(super) struct ScheddNode {
    pub(super) clock: Clock,
    core: Option<queue::Core>,
    pub(super) disk: Disk,
    inbox: Vec<(queue::Input, Asked)>,
    wake_ms: Option<u64>,
}

pub(super) struct NegotiatorNode {
    clock: Clock,
    core: Option<matchmaker::Core>,
    inbox: Vec<matchmaker::Input>,
    wake_ms: Option<u64>,
    lives: u64,
}

pub(super) struct StartdNode {
    pub(super) clock: Clock,
    core: Option<machine::Core>,
    machine: machine::Machine,
    /// What was written: a snapshot, and the events after it.
    snapshot: machine::State,
    journal: Vec<machine::Event>,
    inbox: Vec<machine::Input>,
    wake_ms: Option<u64>,
    launcher: Launcher,
    launcher_epoch: u64,
    launcher_arrival_ms: u64,
    advertise: bool,
}

/// Where a daemon crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CrashPoint {
    BeforeCommit,
    AfterCommit,
    /// After so many effects.
    Amid(usize),
}

fn config() -> queue::Config {
    queue::Config {
        name: ScheddName::new(SCHEDD),
        uid_domain: "sim".to_owned(),
        address: "<127.0.0.1:9618>".to_owned(),
    }
}

fn machine_name(n: usize) -> MachineName {
    MachineName::new(&format!("m{n}"))
}

fn machine_number(name: &MachineName) -> usize {
    name.as_str().trim_start_matches('m').parse().unwrap_or(0)
}

impl ScheddNode {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let clock = Clock::new(rng, 100_000);
        Self { clock, core: None, disk: Disk::default(), inbox: Vec::new(), wake_ms: None }
    }

    pub(super) fn is_up(&self) -> bool {
        self.core.is_some()
    }

    pub(super) fn describe(&self, job: JobId, now: Now) -> String {
        let ad = self.core.as_ref().and_then(|core| core.job_ad(now, job));
        ad.map_or_else(|| "gone".to_owned(), |ad| format!("{:?}", ad.collapsed()))
    }
}

impl NegotiatorNode {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let clock = Clock::new(rng, 100_000);
        Self { clock, core: None, inbox: Vec::new(), wake_ms: None, lives: 0 }
    }
}

impl StartdNode {
    pub(super) fn new(rng: &mut Rng, n: usize) -> Self {
        let clock = Clock::new(rng, 100_000);
        let mut found = ClassAd::new();
        found.set("Arch", "X86_64");
        found.set("OpSys", "LINUX");
        let cpus = u32::try_from(rng.between(2, 4)).unwrap_or(2);
        let total = Resources { cpus, memory_mib: 2048, disk_kib: 1 << 20, ..Resources::default() };
        let machine = machine::Machine {
            name: machine_name(n),
            address: format!("<10.0.0.{n}:9618>"),
            total,
            found: Arc::new(found),
            started: clock.now(200_000).wall,
            life: 1,
            journal: rng.next(),
        };
        Self {
            clock,
            core: None,
            machine,
            snapshot: machine::State::default(),
            journal: Vec::new(),
            inbox: Vec::new(),
            wake_ms: None,
            launcher: Launcher::default(),
            launcher_epoch: 0,
            launcher_arrival_ms: 0,
            advertise: false,
        }
    }

    /// What it is busy with, if it is.
    pub(super) fn is_busy(&self) -> Option<String> {
        let core = self.core.as_ref()?;
        if !core.is_idle() {
            return Some("it holds a claim".to_owned());
        }
        self.launcher.runs.keys().next().map(|key| format!("its launcher keeps run {key}"))
    }
}

impl World {
    // ---- life and death

    pub(super) fn restart(&mut self, node: Node) -> Result<(), String> {
        match node {
            Node::Schedd => self.restart_schedd()?,
            Node::Negotiator => {
                self.negotiator.lives += 1;
                let life = self.negotiator.lives;
                let core = matchmaker::Core::new(life, Default::default(), Default::default());
                self.negotiator.core = Some(core);
            }
            Node::Startd(n) => self.restart_startd(n)?,
        }
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links.into_iter().filter(|link| link.caller() == node) {
            self.after(1, Happens::Connect(link));
        }
        Ok(())
    }

    fn restart_schedd(&mut self) -> Result<(), String> {
        if self.schedd.core.is_some() {
            return Ok(());
        }
        let now = self.schedd.clock.now(self.now_ms);
        let rows = self.schedd.disk.reread()?;
        let core = queue::Core::load(config(), rows.clone(), now);
        same(&rows, &core.rows())?;
        core.check()?;
        let effects = core.resume();
        self.schedd.core = Some(core);
        for link in self.links.iter_mut().filter(|(id, _)| matches!(id, LinkId::Claim(_))) {
            link.1.wanted = false;
        }
        for effect in effects {
            self.schedd_effect(effect);
        }
        self.wake_at(Node::Schedd, self.now_ms);
        Ok(())
    }

    fn restart_startd(&mut self, n: usize) -> Result<(), String> {
        let startd = &mut self.startds[n];
        if startd.core.is_some() {
            return Ok(());
        }
        startd.machine.started = startd.clock.now(self.now_ms).wall;
        let text = serde_json::to_string(&(&startd.snapshot, &startd.journal));
        let text = text.map_err(|e| e.to_string())?;
        let read: Result<(machine::State, Vec<machine::Event>), _> = serde_json::from_str(&text);
        let (state, journal) = read.map_err(|e| format!("the journal cannot be read: {e}"))?;
        let mut core = machine::Core::new(startd.machine.clone(), state);
        for event in &journal {
            core.apply(event);
        }
        core.check()?;
        startd.core = Some(core);
        startd.launcher_epoch += 1;
        let epoch = startd.launcher_epoch;
        self.after(3, Happens::LauncherUp { machine: n, epoch });
        Ok(())
    }

    /// Ends a daemon at once; it comes back by itself.
    pub(super) fn crash(&mut self, node: Node) {
        let was_up = match node {
            Node::Schedd => {
                self.schedd.inbox.clear();
                self.schedd.core.take().is_some()
            }
            Node::Negotiator => {
                self.negotiator.inbox.clear();
                self.negotiator.core.take().is_some()
            }
            Node::Startd(n) => {
                let startd = &mut self.startds[n];
                startd.inbox.clear();
                startd.launcher_epoch += 1;
                startd.core.take().is_some()
            }
        };
        if !was_up {
            return;
        }
        self.crashes += 1;
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            if link.caller() == node || link.listener() == node {
                self.break_link(link, 3_000);
                if let Some(link_state) = self.links.get_mut(&link) {
                    link_state.end(link, node).epoch = None;
                }
            }
        }
        let pause =
            if self.rng.chance(100) { self.rng.below(150_000) } else { self.rng.below(2_000) };
        self.after(pause, Happens::Restart(node));
    }

    /// A machine loses power: every run is gone, and its clock starts anew.
    pub(super) fn reboot(&mut self, n: usize) {
        self.crash(Node::Startd(n));
        let startd = &mut self.startds[n];
        startd.machine.life += 1;
        startd.machine.journal = self.rng.next();
        startd.snapshot = machine::State::default();
        startd.journal.clear();
        startd.clock.reboot(self.now_ms);
        for (key, process) in std::mem::take(&mut startd.launcher.runs) {
            if !process.is_over() {
                self.oracle.ended(n, key, Reality::Signaled(9));
            }
        }
    }

    fn crash_point(&mut self, effects: usize) -> Option<CrashPoint> {
        let chance = self.trouble.crash_at_commit;
        if !self.rng.chance(chance) {
            return None;
        }
        Some(match self.rng.below(3) {
            0 => CrashPoint::BeforeCommit,
            1 => CrashPoint::AfterCommit,
            _ => CrashPoint::Amid(
                usize::try_from(self.rng.below(effects as u64 + 1)).unwrap_or(0),
            ),
        })
    }

    // ---- batches

    pub(super) fn wake_at(&mut self, node: Node, at_ms: u64) {
        let at_ms = at_ms.max(self.now_ms);
        let wake = match node {
            Node::Schedd => &mut self.schedd.wake_ms,
            Node::Negotiator => &mut self.negotiator.wake_ms,
            Node::Startd(n) => &mut self.startds[n].wake_ms,
        };
        if wake.is_none_or(|known| at_ms < known) {
            *wake = Some(at_ms);
            self.at(at_ms, Happens::Wake(node));
        }
    }

    pub(super) fn wake(&mut self, node: Node) -> Result<(), String> {
        let wake = match node {
            Node::Schedd => &mut self.schedd.wake_ms,
            Node::Negotiator => &mut self.negotiator.wake_ms,
            Node::Startd(n) => &mut self.startds[n].wake_ms,
        };
        // A wake that was overtaken by an earlier one is void.
        if *wake != Some(self.now_ms) {
            return Ok(());
        }
        *wake = None;
        match node {
            Node::Schedd => self.schedd_batch(),
            Node::Negotiator => self.negotiator_batch(),
            Node::Startd(n) => self.startd_batch(n),
        }
    }

    /// Something waits to be read: the daemon reads it soon, perhaps with more.
    fn soon(&mut self, node: Node) {
        let pause = self.rng.below(4);
        self.wake_at(node, self.now_ms + pause);
    }

    pub(super) fn ask(&mut self, asked: Asked, input: queue::Input) {
        if self.schedd.is_up() {
            self.schedd.inbox.push((input, asked));
            self.soon(Node::Schedd);
        }
    }

    fn schedd_batch(&mut self) -> Result<(), String> {
        let Some(mut core) = self.schedd.core.take() else { return Ok(()) };
        let now = self.schedd.clock.now(self.now_ms);
        let (inputs, asked): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.schedd.inbox).into_iter().unzip();
        let batch = queue::run_batch(&mut core, now, &inputs);
        core.check()?;
        let crash = self.crash_point(batch.effects.len());
        if crash == Some(CrashPoint::BeforeCommit) {
            if self.plant == Some(Plant::SpeakBeforeCommit) {
                batch.effects.into_iter().for_each(|effect| self.schedd_effect(effect));
            }
            if self.plant == Some(Plant::AnswerBeforeCommit) {
                self.answer(&asked, &batch.answers)?;
                self.oracle.nothing_lost(&self.schedd.disk)?;
            }
            self.schedd.core = Some(core);
            self.crash(Node::Schedd);
            return Ok(());
        }
        self.schedd.disk.commit(&batch.dirty)?;
        for entry in &batch.dirty.recorded {
            self.oracle.recorded(entry)?;
        }
        if self.plant == Some(Plant::LoseSubmit) && !batch.dirty.new_clusters.is_empty() {
            self.schedd.disk.lose_last_cluster();
        } else {
            same(&self.schedd.disk.rows(), &core.rows())?;
        }
        self.oracle.nothing_lost(&self.schedd.disk)?;
        if let Some(deadline) = core.next_deadline() {
            let at_ms = self.schedd.clock.true_ms(deadline);
            self.wake_at(Node::Schedd, at_ms);
        }
        self.schedd.core = Some(core);
        match crash {
            None | Some(CrashPoint::BeforeCommit) => {
                self.answer(&asked, &batch.answers)?;
                batch.effects.into_iter().for_each(|effect| self.schedd_effect(effect));
            }
            Some(CrashPoint::AfterCommit) => self.crash(Node::Schedd),
            Some(CrashPoint::Amid(n)) => {
                batch.effects.into_iter().take(n).for_each(|effect| self.schedd_effect(effect));
                self.crash(Node::Schedd);
            }
        }
        Ok(())
    }

    fn answer(
        &mut self,
        asked: &[Asked],
        answers: &[Option<proto::client::Answer>],
    ) -> Result<(), String> {
        for (asked, answer) in asked.iter().zip(answers) {
            // An answer may be lost on its way to the client as well.
            if let Some(answer) = answer
                && (self.calm || !self.rng.chance(50))
            {
                self.answered(*asked, answer)?;
            }
        }
        Ok(())
    }

    fn schedd_effect(&mut self, effect: queue::Effect) {
        match effect {
            queue::Effect::ToNegotiator(message) => {
                self.send(LinkId::Match, Node::Schedd, Wire::FromSchedd(message));
            }
            queue::Effect::ToStartd { machine, message } => {
                let link = LinkId::Claim(machine_number(&machine));
                self.send(link, Node::Schedd, Wire::ToStartd(message));
            }
            queue::Effect::Connect { machine, .. } => {
                let id = LinkId::Claim(machine_number(&machine));
                if let Some(link) = self.links.get_mut(&id)
                    && !std::mem::replace(&mut link.wanted, true)
                {
                    self.after(1, Happens::Connect(id));
                }
            }
            queue::Effect::Disconnect { machine } => {
                let id = LinkId::Claim(machine_number(&machine));
                self.break_link(id, 50);
                if let Some(link) = self.links.get_mut(&id) {
                    link.wanted = false;
                    link.caller.epoch = None;
                }
            }
        }
    }

    fn negotiator_batch(&mut self) -> Result<(), String> {
        let Some(mut core) = self.negotiator.core.take() else { return Ok(()) };
        let now = self.negotiator.clock.now(self.now_ms);
        let mut effects = Vec::new();
        let mut step = |core: &mut matchmaker::Core, input: &matchmaker::Input| {
            let Ok(decision) = core.decide(now, input) else { return };
            for event in &decision.events {
                let change = core.apply(event);
                effects.extend(core.react(&change, event));
            }
        };
        for input in std::mem::take(&mut self.negotiator.inbox) {
            step(&mut core, &input);
        }
        for _ in 0..8 {
            if core.next_deadline().is_none_or(|due| due > now.boot_ms) {
                break;
            }
            step(&mut core, &matchmaker::Input::Tick);
        }
        if let Some(due) = core.next_deadline() {
            let at_ms = self.negotiator.clock.true_ms(due).max(self.now_ms + 1);
            self.wake_at(Node::Negotiator, at_ms);
        }
        self.negotiator.core = Some(core);
        for effect in effects {
            match effect {
                matchmaker::Effect::ToSchedd { message, .. } => {
                    self.send(LinkId::Match, Node::Negotiator, Wire::ToSchedd(message));
                }
                matchmaker::Effect::SaveAccounts => {}
            }
        }
        Ok(())
    }

    fn startd_batch(&mut self, n: usize) -> Result<(), String> {
        let Some(mut core) = self.startds[n].core.take() else { return Ok(()) };
        let now = self.startds[n].clock.now(self.now_ms);
        let mut inputs = std::mem::take(&mut self.startds[n].inbox);
        if let Some(plant) = self.plant {
            inputs.retain_mut(|input| plant_in_startd(plant, now, input));
        }
        let batch = machine::run_batch(&mut core, now, &inputs);
        core.check()?;
        let crash = self.crash_point(batch.effects.len());
        let startd = &mut self.startds[n];
        let deadline = core.next_deadline();
        startd.core = Some(core);
        if crash == Some(CrashPoint::BeforeCommit) {
            self.crash(Node::Startd(n));
            return Ok(());
        }
        startd.journal.extend(batch.journal);
        if startd.journal.len() > 40
            && let Some(core) = &startd.core
        {
            startd.snapshot = core.state().clone();
            startd.journal.clear();
        }
        if let Some(deadline) = deadline {
            let at_ms = startd.clock.true_ms(deadline);
            self.wake_at(Node::Startd(n), at_ms);
        }
        let count = match crash {
            None | Some(CrashPoint::BeforeCommit) => batch.effects.len(),
            Some(CrashPoint::AfterCommit) => 0,
            Some(CrashPoint::Amid(count)) => count,
        };
        batch.effects.into_iter().take(count).for_each(|effect| self.startd_effect(n, effect));
        if crash.is_some() {
            self.crash(Node::Startd(n));
        } else if std::mem::take(&mut self.startds[n].advertise) {
            self.advertise(n);
        }
        Ok(())
    }

    fn advertise(&mut self, n: usize) {
        let startd = &self.startds[n];
        let now = startd.clock.now(self.now_ms);
        let Some(core) = &startd.core else { return };
        let state = Box::new(core.machine_state(now));
        let message = Wire::FromMachine(FromMachine::Advertise(state));
        self.send(LinkId::Ad(n), Node::Startd(n), message);
    }

    fn startd_effect(&mut self, n: usize, effect: machine::Effect) {
        match effect {
            machine::Effect::ToSchedd { message, .. } => {
                self.send(LinkId::Claim(n), Node::Startd(n), Wire::FromStartd(message));
            }
            machine::Effect::Advertise => self.startds[n].advertise = true,
            machine::Effect::StartProcess(start) => self.start_process(n, *start),
            machine::Effect::StopProcess { key, signal, grace_ms } => {
                self.stop_process(n, key, signal, grace_ms);
            }
            machine::Effect::ExtendLease { keys, until_boot_ms } => {
                for key in keys {
                    if let Some(process) = self.startds[n].launcher.runs.get_mut(&key) {
                        process.lease_until_boot_ms =
                            process.lease_until_boot_ms.max(until_boot_ms);
                    }
                }
            }
            machine::Effect::CleanUp { key } => {
                let runs = &mut self.startds[n].launcher.runs;
                if runs.get(&key).is_some_and(Process::is_over) {
                    runs.remove(&key);
                }
            }
        }
    }

    // ---- links

    pub(super) fn connect(&mut self, id: LinkId) {
        let (caller, listener) = (id.caller(), id.listener());
        let both = self.is_up(caller) && self.is_up(listener);
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.wanted || link.caller.epoch.is_some() {
            return;
        }
        if !both || link.partitioned {
            if self.is_up(caller) {
                let pause = self.rng.between(100, 1_000);
                self.after(pause, Happens::Connect(id));
            }
            return;
        }
        link.epoch += 1;
        link.broken = false;
        link.caller.epoch = Some(link.epoch);
        link.listener.epoch = Some(link.epoch);
        match id {
            LinkId::Match => self.ask(Asked::Nothing, queue::Input::NegotiatorUp),
            LinkId::Ad(n) => self.advertise(n),
            LinkId::Claim(n) => {
                let schedd = ScheddName::new(SCHEDD);
                self.tell_startd(n, machine::Input::ScheddUp { schedd });
            }
        }
    }

    fn is_up(&self, node: Node) -> bool {
        match node {
            Node::Schedd => self.schedd.core.is_some(),
            Node::Negotiator => self.negotiator.core.is_some(),
            Node::Startd(n) => self.startds[n].core.is_some(),
        }
    }

    /// The present connection carries nothing any more; its ends learn of it within `within_ms`.
    pub(super) fn break_link(&mut self, id: LinkId, within_ms: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.broken {
            return;
        }
        link.broken = true;
        let epoch = link.epoch;
        for node in [id.caller(), id.listener()] {
            let pause = self.rng.below(within_ms);
            self.after(pause, Happens::EndLearns { link: id, node, epoch });
        }
    }

    pub(super) fn end_learns(&mut self, id: LinkId, node: Node, epoch: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let end = link.end(id, node);
        if end.epoch == Some(epoch) {
            end.epoch = None;
            self.tell_down(id, node);
        }
        if id.caller() == node {
            let pause = self.rng.between(1, 500);
            self.after(pause, Happens::Connect(id));
        }
    }

    fn tell_down(&mut self, id: LinkId, node: Node) {
        match (id, node) {
            (LinkId::Match, Node::Schedd) => self.ask(Asked::Nothing, queue::Input::NegotiatorDown),
            (LinkId::Match, _) => {
                let schedd = matchmaker::ScheddName::new(SCHEDD);
                self.tell_negotiator(matchmaker::Input::ScheddDown { schedd });
            }
            (LinkId::Ad(n), Node::Negotiator) => {
                self.tell_negotiator(matchmaker::Input::MachineDown { machine: machine_name(n) });
            }
            (LinkId::Ad(_), _) => {}
            (LinkId::Claim(n), Node::Schedd) => {
                let machine = machine_name(n);
                if self.plant == Some(Plant::BelieveGone) {
                    for claim in self.schedd.disk.rows().claims {
                        let reason = "planted".to_owned();
                        let message = FromStartd::ClaimGone { claim: claim.claim, reason };
                        let machine = machine.clone();
                        self.ask(Asked::Nothing, queue::Input::FromStartd { machine, message });
                    }
                }
                self.ask(Asked::Nothing, queue::Input::StartdDown { machine });
            }
            (LinkId::Claim(n), _) => {
                let schedd = ScheddName::new(SCHEDD);
                self.tell_startd(n, machine::Input::ScheddDown { schedd });
            }
        }
    }

    fn tell_startd(&mut self, n: usize, input: machine::Input) {
        if self.startds[n].core.is_some() {
            self.startds[n].inbox.push(input);
            self.soon(Node::Startd(n));
        }
    }

    fn tell_negotiator(&mut self, input: matchmaker::Input) {
        if self.negotiator.core.is_some() {
            self.negotiator.inbox.push(input);
            self.soon(Node::Negotiator);
        }
    }

    fn send(&mut self, id: LinkId, from: Node, wire: Wire) {
        let trouble = self.trouble;
        let to = if id.caller() == from { id.listener() } else { id.caller() };
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(epoch) = link.end(id, from).epoch else { return };
        if link.broken || link.partitioned || epoch != link.epoch {
            return;
        }
        if self.rng.chance(trouble.loss) {
            self.break_link(id, 2_000);
            return;
        }
        let copies = if self.rng.chance(trouble.repeat) { 2 } else { 1 };
        for _ in 0..copies {
            let long = self.rng.chance(trouble.long_delay);
            let delay = if long { self.rng.below(60_000) } else { self.rng.between(1, 20) };
            let mut at_ms = self.now_ms + delay;
            let in_order = !self.rng.chance(trouble.reorder);
            if let Some(link) = self.links.get_mut(&id) {
                let end = link.end(id, to);
                if in_order {
                    at_ms = at_ms.max(end.last_arrival_ms);
                    // A message that is long under way holds up no more than some of those behind it.
                    if !long {
                        end.last_arrival_ms = at_ms;
                    }
                }
            }
            let wire = Box::new(wire.clone());
            self.at(at_ms, Happens::Deliver { link: id, to, epoch, wire });
        }
    }

    pub(super) fn deliver(&mut self, id: LinkId, to: Node, epoch: u64, wire: Wire) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.end(id, to).epoch != Some(epoch) || link.partitioned {
            return;
        }
        match (wire, id) {
            (Wire::ToStartd(message), LinkId::Claim(n)) => {
                let fresh = ClaimSecret::new(self.rng.bytes());
                let schedd = ScheddName::new(SCHEDD);
                self.tell_startd(n, machine::Input::FromSchedd { schedd, message, fresh });
            }
            (Wire::FromStartd(message), LinkId::Claim(n)) => {
                let machine = machine_name(n);
                self.ask(Asked::Nothing, queue::Input::FromStartd { machine, message });
            }
            (Wire::ToSchedd(message), _) => {
                self.ask(Asked::Nothing, queue::Input::FromNegotiator(message));
            }
            (Wire::FromSchedd(message), _) => {
                let schedd = matchmaker::ScheddName::new(SCHEDD);
                self.tell_negotiator(matchmaker::Input::FromSchedd { schedd, message });
            }
            (Wire::FromMachine(message), _) => {
                self.tell_negotiator(matchmaker::Input::FromMachine(message));
            }
            (Wire::ToStartd(_) | Wire::FromStartd(_), LinkId::Match | LinkId::Ad(_)) => {}
        }
    }

    // ---- what really runs

    fn start_process(&mut self, n: usize, start: machine::StartProcess) {
        let plan = self.plan();
        let key = start.key;
        let process = Process {
            run: start.run,
            uses: start.resources,
            lease_until_boot_ms: start.lease_until_boot_ms,
            appointment: 1,
            dies_ms: None,
            plan,
            state: ProcessState::Starting,
        };
        if self.startds[n].launcher.runs.contains_key(&key) {
            return;
        }
        self.startds[n].launcher.runs.insert(key, process);
        self.after(plan.start_ms, Happens::Execute { machine: n, key, appointment: 1 });
        self.after(0, Happens::LeaseCheck { machine: n, key });
    }

    fn process(&mut self, n: usize, key: RunKey, appointment: u64) -> Option<&mut Process> {
        let process = self.startds[n].launcher.runs.get_mut(&key)?;
        (process.appointment == appointment && !process.is_over()).then_some(process)
    }

    pub(super) fn execute(&mut self, n: usize, key: RunKey, appointment: u64) -> Result<(), String> {
        let at = self.startds[n].clock.now(self.now_ms).wall;
        let total = self.startds[n].machine.total.clone();
        let Some(process) = self.process(n, key, appointment) else { return Ok(()) };
        let plan = process.plan;
        if let PlannedEnd::NoStart(stage, errno) = plan.end {
            let (end, usage) = process.fail(stage, errno);
            self.launcher_tells(n, FromLauncher::Ended { key, end, usage });
            return Ok(());
        }
        process.state = ProcessState::Executing { at };
        let (run, uses) = (process.run, process.uses.clone());
        self.oracle.started(n, key, run, &uses, &total)?;
        let scratch_dir = "/scratch".to_owned();
        self.launcher_tells(n, FromLauncher::Started { key, at, scratch_dir });
        self.after(plan.run_ms, Happens::Finish { machine: n, key, appointment });
        Ok(())
    }

    pub(super) fn finish(&mut self, n: usize, key: RunKey, appointment: u64) {
        let Some(process) = self.process(n, key, appointment) else { return };
        let how = match process.plan.end {
            PlannedEnd::Exit(code) => Reality::Exited(code),
            PlannedEnd::Signal(signal) => Reality::Signaled(signal),
            PlannedEnd::NoStart(..) => return,
        };
        self.really_end(n, key, how, None);
    }

    pub(super) fn die(&mut self, n: usize, key: RunKey, appointment: u64, signal: i32) {
        let Some(process) = self.process(n, key, appointment) else { return };
        let how = match (process.plan.obeys, signal) {
            (Obeys::Exits(code), signal) if signal != 9 => Reality::Exited(code),
            (Obeys::Exits(_) | Obeys::Dies | Obeys::Ignores, _) => Reality::Signaled(signal),
        };
        self.really_end(n, key, how, None);
    }

    fn really_end(&mut self, n: usize, key: RunKey, how: Reality, told: Option<RunEnd>) {
        let at = self.startds[n].clock.now(self.now_ms).wall;
        let Some(process) = self.startds[n].launcher.runs.get_mut(&key) else { return };
        let (end, usage) = process.end(how, at);
        let end = told.unwrap_or(end);
        process.state = ProcessState::Ended(end.clone(), usage);
        self.oracle.ended(n, key, how);
        self.launcher_tells(n, FromLauncher::Ended { key, end, usage });
    }

    fn stop_process(&mut self, n: usize, key: RunKey, signal: i32, grace_ms: u64) {
        let now_ms = self.now_ms;
        let pause = self.rng.below(2_000);
        let Some(process) = self.startds[n].launcher.runs.get_mut(&key) else { return };
        if process.is_over() {
            return;
        }
        let (dies_ms, signal) = match process.plan.obeys {
            _ if grace_ms == 0 => (now_ms + pause, 9),
            Obeys::Dies | Obeys::Exits(_) if pause < grace_ms => (now_ms + pause, signal),
            Obeys::Dies | Obeys::Exits(_) | Obeys::Ignores => (now_ms + grace_ms, 9),
        };
        if process.dies_ms.is_some_and(|known| known <= dies_ms) {
            return;
        }
        process.dies_ms = Some(dies_ms);
        process.appointment += 1;
        let appointment = process.appointment;
        self.at(dies_ms, Happens::Die { machine: n, key, appointment, signal });
    }

    /// The keeper of a run kills it when its lease is over, whether or not there is a startd.
    pub(super) fn lease_check(&mut self, n: usize, key: RunKey) {
        let startd = &self.startds[n];
        let Some(process) = startd.launcher.runs.get(&key).filter(|p| !p.is_over()) else { return };
        let until = process.lease_until_boot_ms;
        if startd.clock.boot_ms(self.now_ms) < until {
            let at_ms = startd.clock.true_ms(until);
            self.at(at_ms, Happens::LeaseCheck { machine: n, key });
        } else {
            let told = RunEnd::Vacated { code: VacateCode::ReconnectFailed };
            self.really_end(n, key, Reality::Signaled(9), Some(told));
        }
    }

    fn launcher_tells(&mut self, n: usize, message: FromLauncher) {
        let startd = &mut self.startds[n];
        let epoch = startd.launcher_epoch;
        let at_ms = (self.now_ms + 1).max(startd.launcher_arrival_ms);
        startd.launcher_arrival_ms = at_ms;
        self.at(at_ms, Happens::LauncherSays { machine: n, epoch, message });
    }

    pub(super) fn launcher_says(&mut self, n: usize, epoch: u64, message: FromLauncher) {
        if self.startds[n].launcher_epoch == epoch {
            self.tell_startd(n, machine::Input::FromLauncher(message));
        }
    }

    pub(super) fn launcher_up(&mut self, n: usize, epoch: u64) {
        if self.startds[n].launcher_epoch == epoch {
            let list = self.startds[n].launcher.list();
            self.tell_startd(n, machine::Input::FromLauncher(FromLauncher::Listed(list)));
        }
    }

    /// The connection to the launcher breaks; the launcher itself goes on.
    pub(super) fn launcher_down(&mut self, n: usize) {
        if self.startds[n].core.is_none() {
            return;
        }
        self.startds[n].launcher_epoch += 1;
        let epoch = self.startds[n].launcher_epoch;
        self.tell_startd(n, machine::Input::LauncherDown);
        let pause = self.rng.between(5, 3_000);
        self.after(pause, Happens::LauncherUp { machine: n, epoch });
    }
}

/// What was written is what the core holds.
fn same(written: &queue::Rows, held: &queue::Rows) -> Result<(), String> {
    let what = if written.clusters != held.clusters {
        "clusters"
    } else if written.jobs != held.jobs {
        "jobs"
    } else if written.claims != held.claims {
        "claims"
    } else if written != held {
        "numbers or past submissions"
    } else {
        return Ok(());
    };
    Err(format!("the {what} that were written are not those that the core holds"))
}

/// Spoils what the startd reads; false if it does not read it at all.
fn plant_in_startd(plant: Plant, now: Now, input: &mut machine::Input) -> bool {
    let unlucky = |key: &RunKey| key.claim.number == 2;
    match (plant, input) {
        (Plant::LeaseFromReceipt, machine::Input::FromSchedd { message, .. }) => {
            match message {
                ToStartd::Echo { beat } => beat.sent_ms = now.boot_ms,
                ToStartd::StartRun(start) => start.beat.sent_ms = now.boot_ms,
                ToStartd::RequestClaim(_)
                | ToStartd::StopRun { .. }
                | ToStartd::RunRecorded { .. }
                | ToStartd::ReleaseClaim { .. } => {}
            }
            true
        }
        (Plant::NeverFree, machine::Input::FromLauncher(FromLauncher::Ended { key, .. })) => {
            !unlucky(key)
        }
        (Plant::NeverFree, machine::Input::FromLauncher(FromLauncher::Listed(runs))) => {
            let kept: BTreeSet<RunKey> = runs.iter().map(|run| run.key).filter(unlucky).collect();
            for run in runs.iter_mut().filter(|run| kept.contains(&run.key)) {
                run.state = machine::LauncherState::Starting;
            }
            true
        }
        _ => true,
    }
}
