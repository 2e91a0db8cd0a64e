//! The carrier of files in the simulated world: it brings a run's files and brings back what came
//! of it, late, cut off, refused, onto a full disk, with a plug-in that dies, from a spool that is
//! gone. It dies with its startd. What it really did is written down here, and the rules that
//! follow from that are in [`Files`].

use std::collections::{BTreeMap, BTreeSet};

use classad::{Env, Value};
use model::{
    ClaimId, ProgramEnd, Resources, RunEnd, RunId, Script, StartFailure, StartStage, attr,
};
use startd::core::{
    BringBack, DiskUsed, Fetched, FromCarrier, Input, RunKey, StartProcess, Store, StoreFailure,
    Stored,
};

use super::clock::{MILLISECOND, Micros, SECOND};
use super::event::{Daemon, Event};
use super::rng::Rng;
use super::workload::SIM_FILES_MS;
use super::world::World;

/// Of the transfers in troubled times, how many percent come to nothing.
const MISHAP_PERCENT: u64 = 40;

/// How long a slow transfer takes at most: longer than the shortest lease.
const SLOWEST: Micros = 70 * SECOND;

/// How long it takes at most until a copy that is cut off has ended.
const CUTTING: Micros = 2 * SECOND;

/// What becomes of a transfer that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    /// It takes long, and succeeds.
    Slow,
    /// The connection broke in the middle.
    Cut,
    /// A file may not be read or written.
    Refused,
    DiskFull,
    /// A program that was to move it died without a word.
    PluginDied,
    /// The folder of what the job keeps is not there.
    SpoolGone,
    /// What was to be brought back is not known any more.
    PlanGone,
}

const MISHAPS: [Mishap; 7] = [
    Mishap::Slow,
    Mishap::Cut,
    Mishap::Refused,
    Mishap::DiskFull,
    Mishap::PluginDied,
    Mishap::SpoolGone,
    Mishap::PlanGone,
];

impl Mishap {
    /// The path, the kernel's number, and a plug-in's word.
    fn failure(self) -> (&'static str, i32, Option<String>) {
        match self {
            Self::Slow | Self::Cut | Self::PlanGone => ("/home/user/data", 104, None),
            Self::Refused => ("/home/user/data", 13, None),
            Self::DiskFull => ("/scratch/data", 28, None),
            Self::PluginDied => ("http://data", 5, Some("it said nothing".to_owned())),
            Self::SpoolGone => ("/spool/1/0", 2, None),
        }
    }
}

/// What was really done for the files of runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    /// Where runs are whose files travel.
    places: BTreeMap<RunKey, Place>,
    /// Runs whose files are under way now.
    under_way: BTreeSet<RunKey>,
    /// Runs whose programs are over: what travels of them goes back.
    over: BTreeSet<RunKey>,
    /// What came of bringing them.
    fetched: BTreeMap<RunKey, Fetched>,
    /// What came of bringing them back.
    stored: BTreeMap<RunId, Result<(), StoreFailure>>,
    /// Runs that were to end before they began.
    stopped: BTreeSet<RunKey>,
    /// By claim, runs that are not with the launcher yet.
    coming: BTreeMap<ClaimId, RunKey>,
}

#[derive(Clone, Debug)]
struct Place {
    machine: usize,
    run: RunId,
    /// Whether what is recorded of the run is told of it: it is no other part of a gang.
    is_first: bool,
    slot: String,
    resources: Resources,
    travels: bool,
    keeps: bool,
    /// How long its files take at least.
    least: Micros,
}

impl Place {
    fn of(machine: usize, start: &StartProcess) -> Self {
        let least_ms = start.job.eval(SIM_FILES_MS, None, &Env::at(0)).as_i64();
        Self {
            machine,
            run: start.run,
            is_first: start.job.literal(attr::GANG_PART).and_then(Value::as_i64).unwrap_or(0) == 0,
            slot: start.slot.clone(),
            resources: start.resources.clone(),
            travels: start.freight.travels,
            keeps: start.freight.keeps,
            least: least_ms.map_or(0, i64::unsigned_abs) * MILLISECOND,
        }
    }
}

impl Files {
    /// A run is given to the launcher: its files are there, and nobody has told it to end.
    pub(crate) fn may_start(&mut self, machine: usize, start: &StartProcess) -> Result<(), String> {
        let (key, run) = (start.key, start.run);
        self.places.entry(key).or_insert_with(|| Place::of(machine, start));
        let carried = start.freight.travels || start.freight.looks;
        if carried && self.fetched.get(&key) != Some(&Fetched::There) {
            let found = self.fetched.get(&key);
            return Err(format!("run {run} is started, and its files came to {found:?}"));
        }
        if self.stopped.contains(&key) {
            return Err(format!("run {run} is started after it was told to end"));
        }
        Ok(())
    }

    /// A program is executed in a slot in which nothing else is: not even files that travel.
    pub(crate) fn have_left(&self, machine: usize, start: &StartProcess) -> Result<(), String> {
        let others = self.under_way.iter().filter(|key| **key != start.key);
        let mut here = others.filter_map(|key| self.places.get(key));
        let other = here.find(|other| other.machine == machine && other.slot == start.slot);
        other.map_or(Ok(()), |other| {
            let (run, slot) = (start.run, &start.slot);
            Err(format!("run {run} executes in {slot} while files of run {} travel", other.run))
        })
    }

    /// What the files of runs whose programs do not live take of a machine.
    pub(crate) fn held(&self, machine: usize) -> impl Iterator<Item = (RunId, &Resources)> {
        let places = self.under_way.iter().filter_map(|key| self.places.get(key));
        places
            .filter(move |place| place.machine == machine)
            .map(|place| (place.run, &place.resources))
    }

    /// A run is recorded as over. `own_end` is how its program ended by itself, if it did,
    /// `program` how it ended.
    pub(crate) fn run_over(
        &self,
        run: RunId,
        end: &RunEnd,
        own_end: Option<&RunEnd>,
        program: Option<ProgramEnd>,
    ) -> Result<(), String> {
        let mut under_way = self.under_way.iter().filter_map(|key| self.places.get(key));
        if under_way.any(|place| place.run == run) {
            return Err(format!("run {run} is recorded as over ({end:?}), and its files travel"));
        }
        let place = self.places.iter().find(|(_, place)| place.run == run && place.is_first);
        let stored = self.stored.get(&run);
        let fetched = place.and_then(|(key, _)| self.fetched.get(key));
        let fits = match end {
            RunEnd::Program(_) => {
                let travels = place.is_some_and(|(_, place)| place.travels);
                own_end == Some(end) && (!travels || stored == Some(&Ok(())))
            }
            RunEnd::OutputFailed { end, .. } => {
                let kept = place.is_some_and(|(_, place)| place.keeps);
                let expected = own_end.is_some() || kept;
                let failed = matches!(stored, Some(Err(StoreFailure::File { .. })));
                failed && expected && program == Some(*end)
            }
            RunEnd::UpToDate => fetched == Some(&Fetched::UpToDate),
            RunEnd::StartFailed(failure) if failure.stage == StartStage::TransferInput => {
                fetched == Some(&Fetched::Failed(failure.clone()))
            }
            // Whose time has passed, by a clock that somebody may have set meanwhile.
            RunEnd::StartFailed(failure) if failure.stage == StartStage::Deferral => true,
            RunEnd::StartFailed(_) | RunEnd::ScriptFailed { .. } => own_end == Some(end),
            // What was stopped runs again: that its last script failed then does not matter.
            RunEnd::Vacated { ended: Some(said), .. } => match own_end {
                Some(RunEnd::ScriptFailed { script: Script::Post, end, .. }) => *end == Some(*said),
                Some(_) | None => program == Some(*said),
            },
            RunEnd::Vacated { ended: None, .. } | RunEnd::Lost { .. } => true,
        };
        if fits {
            return Ok(());
        }
        Err(format!(
            "run {run} is recorded as {end:?}, and really had {own_end:?} ({program:?}); its files came to {fetched:?}, \
             and going back to {stored:?}"
        ))
    }

    /// What a startd has written down: which runs were told to end before they were given to the
    /// launcher.
    pub(crate) fn read_journal(&mut self, facts: &[startd::core::Event]) {
        use startd::core::Fact;
        for event in facts {
            if let Fact::RunAccepted(accepted) = &event.fact {
                let key = RunKey { claim: accepted.claim, ordinal: accepted.ordinal };
                self.coming.remove(&accepted.claim);
                self.coming.extend(accepted.order.as_ref().map(|_| (accepted.claim, key)));
            } else if let Fact::RunBegun { claim } = &event.fact {
                self.coming.remove(claim);
            } else if let Fact::StopOrdered { claim, .. } = &event.fact {
                self.stopped.extend(self.coming.get(claim));
            }
        }
    }

    /// How many runs' files are being brought, and brought back.
    pub(crate) fn travelling(&self) -> (usize, usize) {
        let back = self.under_way.intersection(&self.over).count();
        (self.under_way.len() - back, back)
    }

    /// The carrier of a machine is gone, and with it what it was doing.
    pub(crate) fn died(&mut self, machine: usize) {
        let places = &self.places;
        self.under_way.retain(|key| places.get(key).is_none_or(|place| place.machine != machine));
    }
}

impl World {
    pub(crate) fn bring_in(&mut self, m: usize, start: &StartProcess) {
        let key = start.key;
        self.machines[m].scratch.insert(key);
        self.oracle.files.places.insert(key, Place::of(m, start));
        if !self.oracle.files.under_way.insert(key) {
            self.fail(format!("the files of {key} are brought twice at a time"));
        }
        let mishap = self.mishap();
        let result = match mishap {
            _ if start.freight.looks && self.rng.percent(50) => Fetched::UpToDate,
            None | Some(Mishap::Slow) => Fetched::There,
            Some(mishap) => {
                let (path, errno, said) = mishap.failure();
                let failure = StartFailure::at(StartStage::TransferInput, path, errno);
                Fetched::Failed(StartFailure { said, ..failure })
            }
        };
        let report = FromCarrier::BroughtIn { key, result: Box::new(result) };
        self.report_carried(m, mishap, report);
    }

    pub(crate) fn bring_back(&mut self, m: usize, over: &BringBack) {
        let key = over.key;
        if over.store == Store::Files && !self.machines[m].scratch.contains(&key) {
            self.fail(format!("files of {key} are to be brought back, and its folder is gone"));
            return;
        }
        if !self.oracle.files.under_way.insert(key) {
            self.fail(format!("the files of {key} are brought back twice at a time"));
        }
        self.oracle.files.over.insert(key);
        let mishap = self.mishap();
        let result = match mishap {
            None | Some(Mishap::Slow) => Ok(()),
            Some(Mishap::PlanGone) => {
                Err(StoreFailure::Lost { reason: "its plan is gone".to_owned() })
            }
            Some(mishap) => {
                let (path, errno, said) = mishap.failure();
                Err(StoreFailure::File { path: path.to_owned(), errno, over_limit: false, said })
            }
        };
        let disk = DiskUsed { kib: 16, files: 2 };
        let stored = Stored { received_bytes: 1, sent_bytes: 1, disk, result };
        self.report_carried(m, mishap, FromCarrier::BroughtBack { key, stored: Box::new(stored) });
    }

    /// The work is done: what came of it is true, and the startd hears of it if it still lives.
    pub(crate) fn carried(&mut self, m: usize, life: u32, report: FromCarrier) {
        if !self.is_life(Daemon::Startd(m), life) {
            return;
        }
        let files = &mut self.oracle.files;
        if !files.under_way.contains(report.key()) {
            // It was cut off before.
            return;
        }
        match &report {
            FromCarrier::BroughtIn { key, result } => {
                files.under_way.remove(key);
                files.fetched.insert(*key, (**result).clone());
            }
            FromCarrier::BroughtBack { key, stored } => {
                files.under_way.remove(key);
                if let Some(place) = files.places.get(key) {
                    files.stored.insert(place.run, stored.result.clone());
                }
            }
        }
        self.note(|| format!("machine{m} has carried: {report:?}"));
        self.startd_hears(m, Input::FromCarrier(report));
    }

    /// The work for a run is ended: the copy stops at its next piece, a program is killed.
    pub(crate) fn cut_off(&mut self, m: usize, key: RunKey) {
        let files = &self.oracle.files;
        if !files.under_way.contains(&key) {
            return;
        }
        let (path, errno) = ("/home/user/data".to_owned(), 125);
        let report = if files.over.contains(&key) {
            let result = Err(StoreFailure::File { path, errno, over_limit: false, said: None });
            let disk = DiskUsed::default();
            let stored = Stored { received_bytes: 1, sent_bytes: 0, disk, result };
            FromCarrier::BroughtBack { key, stored: Box::new(stored) }
        } else {
            let failure = StartFailure::at(StartStage::TransferInput, path, errno);
            FromCarrier::BroughtIn { key, result: Box::new(Fetched::Failed(failure)) }
        };
        self.note(|| format!("machine{m} cuts off the files of {key}"));
        let event = Event::Carried { machine: m, life: self.life_of(Daemon::Startd(m)), report };
        let at = self.now + self.rng.below(CUTTING);
        self.agenda.put(at, event);
    }

    /// A run's scratch folder is removed.
    pub(crate) fn clear_scratch(&mut self, m: usize, key: RunKey) {
        if self.oracle.files.under_way.contains(&key) {
            self.fail(format!("the folder of {key} is removed while its files travel"));
        }
        self.machines[m].scratch.remove(&key);
    }

    /// Every scratch folder but these is removed.
    pub(crate) fn sweep_scratch(&mut self, m: usize, kept: &BTreeSet<RunKey>) {
        let swept: Vec<RunKey> = self.machines[m].scratch.difference(kept).copied().collect();
        for key in swept {
            let lives = self.machines[m].runs.get(&key).is_some_and(|run| !run.is_over());
            if lives {
                self.fail(format!("the folder of {key} is swept while its program lives"));
            }
            self.clear_scratch(m, key);
        }
    }

    fn report_carried(&mut self, m: usize, mishap: Option<Mishap>, report: FromCarrier) {
        if let Some(mishap) = mishap {
            self.note(|| format!("machine{m} has trouble with files: {mishap:?}, {report:?}"));
        }
        let least = self.oracle.files.places.get(report.key()).map_or(0, |place| place.least);
        let takes = takes(&mut self.rng, mishap).max(least);
        let life = self.life_of(Daemon::Startd(m));
        let event = Event::Carried { machine: m, life, report };
        self.agenda.put(self.now + takes, event);
    }

    fn mishap(&mut self) -> Option<Mishap> {
        let troubled = self.calm_since.is_none() && self.now < self.faults.files_until;
        (troubled && self.rng.percent(MISHAP_PERCENT)).then(|| self.rng.pick(&MISHAPS))
    }
}

fn takes(rng: &mut Rng, mishap: Option<Mishap>) -> Micros {
    match mishap {
        Some(Mishap::Slow) => rng.between(SECOND, SLOWEST),
        _ if rng.percent(20) => rng.below(3 * SECOND),
        _ => rng.between(MILLISECOND, 60 * MILLISECOND),
    }
}
