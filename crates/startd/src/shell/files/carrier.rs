//! Brings the files of runs and brings them back, some runs at a time, away from the engine. It
//! holds nothing but the work in hand: when what is carried is the core's matter, which files go is
//! `transfer`'s.
//!
//! What is to come back is found out when a run's files are brought, and lies in a file per run
//! until the run is forgotten: it is too long for the journal, and the job must not reach it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{StartFailure, StartStage};
use nix::errno::Errno;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;

use crate::core::{
    BringBack, DiskUsed, Fetched, FromCarrier, Input, RunKey, StartProcess, Store, StoreFailure,
    Stored,
};
use crate::shell::engine::EngineInput;
use crate::shell::files::dataflow::is_up_to_date;
use crate::shell::files::disk::SameDisk;
use crate::shell::files::leash::Leash;
use crate::shell::files::manifest;
use crate::shell::files::starter_log::RunLog;
use crate::shell::files::transfer::{self, OutputPlan};
use crate::shell::machine::disk;
use crate::shell::run::sandbox::Sandboxes;

/// How many runs' files are copied at a time: more would only make the disk seek.
const AT_A_TIME: usize = 4;

/// The folder of plans in the state folder.
const FOLDER: &str = "transfers";

/// Who carries files.
#[derive(Debug)]
pub(crate) struct Carrier {
    plans: PathBuf,
    sandboxes: Sandboxes,
    engine: mpsc::Sender<EngineInput>,
    turns: Arc<Semaphore>,
    /// The work in hand.
    at_work: Arc<Mutex<BTreeMap<RunKey, Leash>>>,
}

impl Carrier {
    /// One that keeps its plans in the state folder.
    ///
    /// # Errors
    ///
    /// If the folder of plans cannot be made.
    pub(crate) fn new(
        state_dir: &Path,
        sandboxes: Sandboxes,
        engine: mpsc::Sender<EngineInput>,
    ) -> io::Result<Self> {
        let plans = state_dir.join(FOLDER);
        fs::create_dir_all(&plans)?;
        let turns = Arc::new(Semaphore::new(AT_A_TIME));
        Ok(Self { plans, sandboxes, engine, turns, at_work: Arc::default() })
    }

    /// Begins to bring a run's files, or to look whether it need be.
    pub(crate) fn bring_in(&self, run: Box<StartProcess>) {
        let (key, sandboxes, plan) = (run.key, self.sandboxes.clone(), self.plan(run.key));
        let path = sandboxes.path(key).to_string_lossy().into_owned();
        let failure = StartFailure::at(StartStage::Prepare, path, Errno::EIO as i32);
        let report = move |result| FromCarrier::BroughtIn { key, result: Box::new(result) };
        self.carry(key, report(Fetched::Failed(failure)), move || {
            if run.freight.looks && is_up_to_date(&run.job) {
                return report(Fetched::UpToDate);
            }
            let brought = if run.freight.travels { sandboxes.fill(&run, &plan) } else { Ok(()) };
            report(brought.map_or_else(Fetched::Failed, |()| Fetched::There))
        });
    }

    /// Begins to bring back what came of a run.
    pub(crate) fn bring_back(&self, over: Box<BringBack>) {
        let (key, plan) = (over.key, self.plan(over.key));
        let sandboxes = self.sandboxes.clone();
        let report = move |stored| FromCarrier::BroughtBack { key, stored: Box::new(stored) };
        let nothing = lost("its output files were lost", DiskUsed::default());
        self.carry(key, report(nothing), move || report(bring_back(&over, &sandboxes, &plan)));
    }

    /// Ends the work for a run, if there is any; what came of it is reported.
    pub(crate) fn cut_off(&self, key: RunKey) {
        if let Some(leash) = at_work(&self.at_work).get(&key) {
            tracing::warn!(%key, "files of a run are cut off: its lease is over");
            leash.cut();
        }
    }

    /// Removes the plan of a run, if it has one.
    pub(crate) fn forget(&self, key: RunKey) {
        let path = self.plan(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(plan = %path.display(), %error, "cannot remove what a run was to bring back");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Removes the plans of all runs but these.
    pub(crate) fn sweep(&self, kept: &BTreeSet<RunKey>) {
        let swept = fs::read_dir(&self.plans).and_then(|entries| {
            for entry in entries {
                let entry = entry?;
                let key = entry.file_name().to_str().and_then(|name| name.parse::<RunKey>().ok());
                if key.is_none_or(|key| !kept.contains(&key)) {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        });
        if let Err(error) = swept {
            let folder = self.plans.display();
            tracing::warn!(%folder, %error, "cannot remove what earlier runs were to bring back");
        }
    }

    fn plan(&self, key: RunKey) -> PathBuf {
        self.plans.join(key.to_string())
    }

    /// Does the work when its turn has come, and reports it; `otherwise` if it panics or is cut off
    /// before its turn, so that its slot is free again.
    fn carry(
        &self,
        key: RunKey,
        otherwise: FromCarrier,
        work: impl FnOnce() -> FromCarrier + Send + 'static,
    ) {
        let (engine, turns, leash) = (self.engine.clone(), Arc::clone(&self.turns), Leash::new());
        let in_hand = Arc::clone(&self.at_work);
        at_work(&in_hand).insert(key, leash.clone());
        tokio::spawn(async move {
            let turn = tokio::select! {
                biased;
                () = leash.is_cut() => None,
                turn = turns.acquire() => turn.ok(),
            };
            let report = match turn {
                Some(_) => spawn_blocking(move || leash.hold(work)).await.unwrap_or_else(|error| {
                    tracing::error!(%error, "carrying files panicked");
                    otherwise
                }),
                None => otherwise,
            };
            at_work(&in_hand).remove(&key);
            drop(turn);
            // An engine that has ended orders it again when it starts anew.
            let _ = engine.send(EngineInput::Core(Input::FromCarrier(report))).await;
        });
    }
}

/// The work in hand; a thread that panicked has left it whole.
fn at_work(work: &Mutex<BTreeMap<RunKey, Leash>>) -> MutexGuard<'_, BTreeMap<RunKey, Leash>> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lost(reason: impl Into<String>, disk: DiskUsed) -> Stored {
    let result = Err(StoreFailure::Lost { reason: reason.into() });
    Stored { received_bytes: 0, sent_bytes: 0, disk, result }
}

fn bring_back(over: &BringBack, sandboxes: &Sandboxes, plan: &Path) -> Stored {
    let scratch = sandboxes.path(over.key);
    let disk = disk::used(&scratch);
    let planned = match over.store {
        Store::Nothing | Store::Manifest => false,
        Store::Files => true,
        Store::AsPlanned => plan.exists(),
    };
    if !planned {
        if let Some(manifest) = manifest::of_ended(&scratch) {
            manifest.write_out();
        }
        return Stored { received_bytes: 0, sent_bytes: 0, disk, result: Ok(()) };
    }
    let run_log = RunLog::new(over.log.as_ref(), &scratch);
    let read = fs::read(plan).and_then(|bytes| Ok(serde_json::from_slice::<OutputPlan>(&bytes)?));
    let plan = match read {
        Ok(plan) => plan,
        Err(error) => {
            tracing::error!(plan = %plan.display(), %error, "cannot read what a run was to bring back");
            return lost(format!("its output files were lost: {error}"), disk);
        }
    };
    if let Some(manifest) = plan.manifest() {
        manifest.write_out();
    }
    let plugins = sandboxes.plugins();
    let (sent_bytes, result) =
        transfer::bring_back(&SameDisk, &plan, &scratch, &over.end, over.cause, &plugins, &run_log);
    let result = result.map_err(|error| {
        tracing::info!(key = %over.key, %error, "not all that came of a run could be brought back");
        StoreFailure::File {
            path: error.path.to_string_lossy().into_owned(),
            errno: error.errno,
            over_limit: error.over_limit,
            said: error.said,
        }
    });
    Stored { received_bytes: plan.received_bytes(), sent_bytes, disk, result }
}
