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
use std::time::Duration;

use model::{StartFailure, StartStage};
use nix::errno::Errno;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::sleep;

use crate::core::{
    BringBack, DiskUsed, Fetched, FromCarrier, Input, RunKey, StartProcess, Store, StoreFailure,
    Stored,
};
use crate::shell::engine::EngineInput;
use crate::shell::files::dataflow::is_up_to_date;
use crate::shell::files::disk::Disk;
use crate::shell::files::leash::Leash;
use crate::shell::files::manifest;
use crate::shell::files::side::SubmitSide;
use crate::shell::files::starter_log::{ClosedRunLog, RunLog};
use crate::shell::files::transfer::{self, OutputPlan};
use crate::shell::machine::disk;
use crate::shell::run::sandbox::Sandboxes;

/// How many runs' files are copied at a time: more would only make the disk seek.
const AT_A_TIME: usize = 4;

/// How many logs of runs are brought at a time: each may wait for a server that does not answer.
const RUN_LOGS: usize = 64;

/// With work that waits for a server that does not answer.
const PATIENCE: Patience =
    Patience { standing_still: Duration::from_secs(10), letting_go: Duration::from_secs(5) };

#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Work that has not moved a byte for so long leaves its turn to others.
    standing_still: Duration,
    /// How long work that was cut off may take to notice.
    letting_go: Duration,
}

/// The folder of plans in the state folder.
const FOLDER: &str = "transfers";

/// Who carries files.
#[derive(Debug)]
pub(crate) struct Carrier {
    plans: PathBuf,
    sandboxes: Sandboxes,
    engine: mpsc::Sender<EngineInput>,
    turns: Arc<Semaphore>,
    run_logs: Arc<Semaphore>,
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
        let run_logs = Arc::new(Semaphore::new(RUN_LOGS));
        Ok(Self { plans, sandboxes, engine, turns, run_logs, at_work: Arc::default() })
    }

    /// Begins to bring a run's files, or to look whether it need be.
    pub(crate) fn bring_in(&self, run: Box<StartProcess>, side: SubmitSide) {
        let (key, sandboxes, plan) = (run.key, self.sandboxes.clone(), self.plan(run.key));
        let path = sandboxes.path(key).to_string_lossy().into_owned();
        let failure = StartFailure::at(StartStage::Prepare, path, Errno::EIO as i32);
        let report = move |result| FromCarrier::BroughtIn { key, result: Box::new(result) };
        self.carry(key, report(Fetched::Failed(failure)), move || {
            // Where that cannot be looked at, its files cannot be brought either, which says why.
            let looks = run.freight.looks;
            if looks && side.with(|disk| is_up_to_date(disk, &run.job)) == Ok(true) {
                return report(Fetched::UpToDate);
            }
            let brought = match run.freight.travels {
                true => sandboxes.fill(&run, &plan, &side),
                false => sandboxes.list_in_place(&run),
            };
            report(brought.map_or_else(Fetched::Failed, |()| Fetched::There))
        });
    }

    /// Begins to bring back what came of a run.
    pub(crate) fn bring_back(&self, over: Box<BringBack>, side: SubmitSide) {
        let (key, plan) = (over.key, self.plan(over.key));
        let sandboxes = self.sandboxes.clone();
        let report = move |stored| FromCarrier::BroughtBack { key, stored: Box::new(stored) };
        let nothing = lost("its output files were lost", DiskUsed::default());
        self.carry(key, report(nothing), move || {
            report(bring_back(&over, &sandboxes, &plan, &side))
        });
    }

    /// Begins to bring the log of a run to its owner. Nobody waits for it.
    pub(crate) fn bring_run_log(&self, log: ClosedRunLog) {
        let Ok(turn) = Arc::clone(&self.run_logs).try_acquire_owned() else {
            return tracing::warn!(?log, "a log of a run is not brought: too many are under way");
        };
        drop(spawn_blocking(move || {
            log.bring_back();
            drop(turn);
        }));
    }

    /// Whether it has no work in hand.
    pub(crate) fn is_idle(&self) -> bool {
        at_work(&self.at_work).is_empty()
    }

    /// Ends the work for a run, if there is any; what came of it is reported.
    pub(crate) fn cut_off(&self, key: RunKey) {
        if let Some(leash) = at_work(&self.at_work).get(&key) {
            tracing::warn!(%key, "files of a run are cut off: it is stopped, or its lease is over");
            leash.cut();
        }
    }

    /// Ends the work for a run, if there is any, as soon as it stands still.
    pub(crate) fn let_go(&self, key: RunKey) {
        if let Some(leash) = at_work(&self.at_work).get(&key) {
            leash.loosen();
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
                Some(turn) => {
                    let held = leash.clone();
                    let work = spawn_blocking(move || held.hold(work));
                    attend(work, &leash, turn, PATIENCE).await.unwrap_or_else(|why| {
                        tracing::error!(%key, %why, "files of a run are not carried");
                        otherwise
                    })
                }
                None => otherwise,
            };
            at_work(&in_hand).remove(&key);
            // An engine that has ended orders it again when it starts anew.
            let _ = engine.send(EngineInput::Core(Input::FromCarrier(report))).await;
        });
    }
}

/// Why nothing came of some work.
#[derive(Debug, thiserror::Error)]
enum Left {
    #[error("its thread panicked")]
    Panicked(#[from] JoinError),
    #[error("it was cut off, and did not come back from the kernel in time")]
    Stuck,
}

/// Waits for work that is done in its turn. Work that stands still (its file is on a server that
/// does not answer) leaves its turn to others; once it is cut off it is waited for no longer: what
/// it comes back to later tells it that it is over.
async fn attend<T>(
    mut work: JoinHandle<T>,
    leash: &Leash,
    turn: SemaphorePermit<'_>,
    Patience { standing_still, letting_go }: Patience,
) -> Result<T, Left> {
    let (mut turn, mut steps) = (Some(turn), leash.steps());
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done?),
            () = async { leash.is_cut().await; sleep(letting_go).await } => return Err(Left::Stuck),
            () = sleep(standing_still) => {
                if leash.steps() == steps {
                    if turn.take().is_some() {
                        tracing::warn!("files of a run do not move: others go on meanwhile");
                    }
                    if leash.is_loose() {
                        leash.cut();
                    }
                }
                steps = leash.steps();
            }
        }
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

fn bring_back(over: &BringBack, sandboxes: &Sandboxes, plan: &Path, side: &SubmitSide) -> Stored {
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
    let back = |disk: &dyn Disk| {
        transfer::bring_back(disk, &plan, &scratch, &over.end, over.cause, &run_log)
    };
    let (sent_bytes, result) = match side.with(back) {
        Ok(back) => back.store(&scratch, &plugins, &run_log),
        Err(reason) => return lost(format!("its output files were lost: {reason}"), disk),
    };
    if side.is_far() {
        // When the run is over, its schedd takes no more files of it.
        run_log.say(|| format!("Its files were brought back, {sent_bytes} bytes"));
        if let Err(reason) = side.with(|disk| run_log.bring(disk)) {
            tracing::warn!(reason, "cannot bring back the log of a run");
        }
    }
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(1);

    /// Work that stands still until it is given something.
    fn stuck() -> (SyncSender<u8>, JoinHandle<u8>) {
        let (more, wait) = sync_channel(1);
        (more, spawn_blocking(move || wait.recv().unwrap_or_default()))
    }

    #[tokio::test]
    async fn work_that_stands_still_leaves_its_turn_and_is_waited_for() {
        let turns = Semaphore::new(1);
        let (more, work) = stuck();
        let (leash, turn) = (Leash::new(), turns.acquire().await.unwrap());
        let patience = Patience { standing_still: SHORT, letting_go: LONG };
        let others = async {
            drop(turns.acquire().await);
            more.send(7).unwrap();
        };
        let (done, ()) = tokio::join!(attend(work, &leash, turn, patience), others);
        assert_eq!(done.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_cut_off_when_it_stands_still_and_not_before() {
        let turns = Semaphore::new(1);
        let patience = Patience { standing_still: SHORT, letting_go: SHORT };
        let (more, work) = stuck();
        let (leash, turn) = (Leash::new(), turns.acquire().await.unwrap());
        leash.loosen();
        assert!(matches!(attend(work, &leash, turn, patience).await, Err(Left::Stuck)));
        drop(more);

        let (leash, turn) = (Leash::new(), turns.acquire().await.unwrap());
        leash.loosen();
        let patience = Patience { standing_still: LONG, letting_go: LONG };
        let (more, work) = stuck();
        more.send(7).unwrap();
        assert_eq!(attend(work, &leash, turn, patience).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_is_cut_off_and_does_not_notice_is_not_waited_for() {
        let turns = Semaphore::new(1);
        let (more, work) = stuck();
        let (leash, turn) = (Leash::new(), turns.acquire().await.unwrap());
        leash.cut();
        let patience = Patience { standing_still: LONG, letting_go: SHORT };
        assert!(matches!(attend(work, &leash, turn, patience).await, Err(Left::Stuck)));
        drop(more);
    }
}
