//! Runs whose files travel: who is under way, in which direction, and what happens to orders about them meanwhile. The copying
//! is `transfer`'s.
//!
//! Until its files are there the launcher has nothing of a run, and after its end its files are still to be brought back: the
//! core sees both as the run starting, or being cleared away. What is to come back is in a file per run, so that a startd
//! that is restarted brings it back too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use launcher::wire::{self, Start};
use model::{RunEnd, StartFailure, StartStage, Usage};
use nix::errno::Errno;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;

use crate::core::{RunKey, StartProcess};
use crate::shell::engine::EngineInput;
use crate::shell::files::dataflow::{is_up_to_date, may_be_skipped};
use crate::shell::files::plugins::Plugins;
use crate::shell::files::starter_log::Account;
use crate::shell::files::transfer::{self, Ended, Plan};
use crate::shell::links::translate;
use crate::shell::machine::disk::{self, DiskUsed};
use crate::shell::run::sandbox::Sandboxes;

/// How many runs' files are copied at a time: more would only make the disk seek.
const CARRIERS: usize = 4;

/// The folder of plans in the state folder.
const FOLDER: &str = "transfers";

/// What the porter has done.
#[derive(Debug)]
pub(crate) enum Carried {
    /// The files are there, and so can the program be started; or the run is over already.
    In { key: RunKey, result: Box<Result<Start, RunEnd>> },
    /// The files are back, as far as they could be.
    Back { key: RunKey, end: RunEnd, usage: Usage, disk: DiskUsed },
}

#[derive(Debug)]
enum Way {
    /// Its files are brought: the lease to start it with, and the signal that it was to be stopped with.
    In { lease_until_boot_ms: u64, stopped_by: Option<i32> },
    /// Its files are brought back.
    Back,
}

/// The runs whose files travel.
#[derive(Debug)]
pub(crate) struct Porter {
    folder: PathBuf,
    sandboxes: Sandboxes,
    engine: mpsc::Sender<EngineInput>,
    carriers: Arc<Semaphore>,
    under_way: BTreeMap<RunKey, Way>,
    /// Runs that have something to bring back.
    expected: BTreeSet<RunKey>,
    /// Runs that were to be killed at once.
    killed: BTreeSet<RunKey>,
}

impl Porter {
    /// Finds what runs of `journal` are to bring back; what is left of others is removed.
    ///
    /// # Errors
    ///
    /// If the folder of plans cannot be used.
    pub(crate) fn new(
        state_dir: &Path,
        sandboxes: Sandboxes,
        journal: u64,
        engine: mpsc::Sender<EngineInput>,
    ) -> io::Result<Self> {
        let folder = state_dir.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let mut expected = BTreeSet::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let key = entry.file_name().to_str().and_then(|name| name.parse::<RunKey>().ok());
            match key.filter(|key| key.claim.journal == journal) {
                Some(key) => {
                    expected.insert(key);
                }
                None => fs::remove_file(entry.path())?,
            }
        }
        let carriers = Arc::new(Semaphore::new(CARRIERS));
        let under_way = BTreeMap::new();
        let killed = BTreeSet::new();
        Ok(Self { folder, sandboxes, engine, carriers, under_way, expected, killed })
    }

    /// Begins to bring a run's files, or to look whether it need be. [`Carried::In`] follows.
    pub(crate) fn bring_in(&mut self, run: Box<StartProcess>) {
        let key = run.key;
        let lease_until_boot_ms = run.lease_until_boot_ms;
        self.under_way.insert(key, Way::In { lease_until_boot_ms, stopped_by: None });
        let away = self.sandboxes.is_away(&run.job);
        if away {
            self.expected.insert(key);
        }
        let (sandboxes, plan) = (self.sandboxes.clone(), self.plan(key));
        let path = sandboxes.path(key).to_string_lossy().into_owned();
        let errno = Errno::EIO as i32;
        let failure = RunEnd::StartFailed(StartFailure::at(StartStage::Prepare, path, errno));
        let otherwise = Carried::In { key, result: Box::new(Err(failure)) };
        self.carry(otherwise, move || {
            let start = match may_be_skipped(&run.job) && is_up_to_date(&run.job) {
                true => Err(RunEnd::UpToDate),
                false if away => sandboxes.prepare_away(&run, &plan).map_err(RunEnd::StartFailed),
                false => sandboxes.prepare(&run).map_err(RunEnd::StartFailed),
            };
            Carried::In { key, result: Box::new(start) }
        });
    }

    /// What a run is to be started with now, or how it is over already.
    pub(crate) fn brought_in(
        &mut self,
        key: RunKey,
        result: Result<Start, RunEnd>,
    ) -> Result<Start, RunEnd> {
        let way = self.under_way.remove(&key);
        let result = match (result, way) {
            (Err(end), _) => Err(end),
            // The core knows why it was stopped.
            (Ok(_), Some(Way::In { stopped_by: Some(signal), .. })) => Err(RunEnd::killed(signal)),
            (Ok(start), Some(Way::In { lease_until_boot_ms, stopped_by: None })) => {
                Ok(Start { lease_until_boot_ms, ..start })
            }
            (Ok(start), Some(Way::Back) | None) => Ok(start),
        };
        if result.is_err() {
            self.forget(key);
        }
        result
    }

    /// Takes the order to stop a run whose files are still being brought; false if it is not one. Of a run that gets no grace nothing
    /// is kept.
    pub(crate) fn stop(&mut self, key: RunKey, signal: i32, grace_ms: u64) -> bool {
        if grace_ms == 0 && self.expected.contains(&key) {
            self.killed.insert(key);
        }
        match self.under_way.get_mut(&key) {
            Some(Way::In { stopped_by, .. }) => {
                *stopped_by = Some(signal);
                true
            }
            Some(Way::Back) | None => false,
        }
    }

    /// Moves the end of the leases of runs whose files are still being brought.
    pub(crate) fn extend_lease(&mut self, keys: &[RunKey], until_boot_ms: u64) {
        for key in keys {
            if let Some(Way::In { lease_until_boot_ms, .. }) = self.under_way.get_mut(key) {
                *lease_until_boot_ms = until_boot_ms;
            }
        }
    }

    /// Begins to bring back what came of a run; [`Carried::Back`] follows. False if there is nothing to be brought back.
    pub(crate) fn bring_back(&mut self, key: RunKey, ended: &wire::End, account: Account) -> bool {
        if !self.expected.contains(&key) {
            return false;
        }
        if self.under_way.insert(key, Way::Back).is_some() {
            return true;
        }
        let (scratch, path) = (self.sandboxes.path(key), self.plan(key));
        let plugins = self.sandboxes.plugins();
        let (end, usage) = (translate::run_end(ended), translate::usage_of_end(ended));
        let how = match ended.killed_by {
            None => Ended::ByItself,
            Some(_) if self.killed.contains(&key) => Ended::Killed,
            Some(_) => Ended::Stopped,
        };
        let reason = "its output files were lost".to_owned();
        let disk = DiskUsed::default();
        self.carry(Carried::Back { key, end: RunEnd::Lost { reason }, usage, disk }, move || {
            let disk = disk::used(&scratch);
            let (end, travelled) =
                after_bringing_back(&path, &scratch, end, how, &plugins, &account);
            Carried::Back { key, end, usage: travelled.within(usage), disk }
        });
        true
    }

    /// Whether a run has something to bring back.
    pub(crate) fn expects(&self, key: RunKey) -> bool {
        self.expected.contains(&key)
    }

    /// A run's files are back. Its plan stays until its end is in the journal.
    pub(crate) fn brought_back(&mut self, key: RunKey) {
        self.under_way.remove(&key);
        self.expected.remove(&key);
        self.killed.remove(&key);
    }

    /// The runs whose files are being brought, of which the launcher knows nothing yet.
    pub(crate) fn coming(&self) -> impl Iterator<Item = RunKey> {
        let coming = self.under_way.iter().filter(|(_, way)| matches!(way, Way::In { .. }));
        coming.map(|(key, _)| *key)
    }

    /// Removes the plan of a run, if it has one.
    pub(crate) fn forget(&mut self, key: RunKey) {
        self.expected.remove(&key);
        self.killed.remove(&key);
        let path = self.plan(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(plan = %path.display(), %error, "cannot remove what a run was to bring back");
            }
            Ok(()) | Err(_) => {}
        }
    }

    fn plan(&self, key: RunKey) -> PathBuf {
        self.folder.join(key.to_string())
    }

    /// Does the work when its turn has come, and reports it; `otherwise` if it panics, so that its slot is free again.
    fn carry(&self, otherwise: Carried, work: impl FnOnce() -> Carried + Send + 'static) {
        let (engine, carriers) = (self.engine.clone(), Arc::clone(&self.carriers));
        tokio::spawn(async move {
            let Ok(_permit) = carriers.acquire().await else { return };
            let carried = spawn_blocking(work).await.unwrap_or_else(|error| {
                tracing::error!(%error, "carrying files panicked");
                otherwise
            });
            // An engine that has ended finds it out again when it starts anew.
            let _ = engine.send(EngineInput::Carried(carried)).await;
        });
    }
}

/// What travelled with a run, bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Travelled {
    received_bytes: u64,
    sent_bytes: u64,
}

impl Travelled {
    /// What a run used, with this in it.
    fn within(self, usage: Usage) -> Usage {
        Usage { received_bytes: self.received_bytes, sent_bytes: self.sent_bytes, ..usage }
    }
}

fn after_bringing_back(
    plan: &Path,
    scratch: &Path,
    end: RunEnd,
    how: Ended,
    plugins: &Plugins,
    account: &Account,
) -> (RunEnd, Travelled) {
    let read = fs::read(plan).and_then(|bytes| Ok(serde_json::from_slice::<Plan>(&bytes)?));
    let plan = match read {
        Ok(plan) => plan,
        Err(error) => {
            tracing::error!(plan = %plan.display(), %error, "cannot read what a run was to bring back");
            let reason = format!("its output files were lost: {error}");
            return (RunEnd::Lost { reason }, Travelled::default());
        }
    };
    if let Some(manifest) = plan.manifest() {
        manifest.write_out();
    }
    let (sent_bytes, result) = transfer::bring_back(&plan, scratch, &end, how, plugins, account);
    let end = match result {
        Ok(()) => end,
        Err(error) => match end {
            RunEnd::Program(end) if how == Ended::ByItself || plan.wants_files_when_evicted() => {
                RunEnd::OutputFailed {
                    end,
                    path: error.path.to_string_lossy().into_owned(),
                    errno: error.errno,
                    over_limit: error.over_limit,
                    said: error.said,
                }
            }
            end => {
                tracing::info!(%error, "the output of a run that was stopped did not come back");
                end
            }
        },
    };
    (end, Travelled { received_bytes: plan.received_bytes(), sent_bytes })
}
