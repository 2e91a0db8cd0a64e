//! The process that does for the startd what is to be done with one user's files: it is that
//! user's, and does it as in a pool of one user, with the same carrier and the same folders, below
//! a folder of its own. What is to be done, the startd says ([`Errand`]).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Uid, getgroups};
use proto::net::{Address, Connection, NetError, Role, connect};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::core::{ClosedLog, Fetched, FromCarrier, Input, RunKey, StartProcess};
use crate::shell::engine::EngineInput;
use crate::shell::files::carrier::Carrier;
use crate::shell::files::plugins::Plugins;
use crate::shell::files::side::SubmitSide;
use crate::shell::files::starter_log::RunLog;
use crate::shell::machine::disk;
use crate::shell::owners::{Errand, HelperSays};
use crate::shell::run::sandbox::Sandboxes;
use crate::shell::run::shown::Shown;
use crate::shell::run::tail;
use crate::shell::server::start_sweeping;

/// After so long with nothing to do it ends; the startd starts another when there is something.
const IDLE: Duration = Duration::from_secs(60);

/// Answers that wait until they are written.
const QUEUE: usize = 1024;

/// How long its end waits until folders are removed.
const LAST_FOLDERS: Duration = Duration::from_secs(60);

/// What a helper is told at its start.
#[derive(Clone, Debug)]
pub struct HelperConfig {
    /// Where the startd listens.
    pub startd: PathBuf,
    /// Where the schedd listens: jobs that call it are told.
    pub schedd: PathBuf,
    /// Whether the schedds, and with them the submitters' files, are on other machines.
    pub is_far: bool,
    /// Below which each user has a folder, named by the user's number.
    pub execute_dir: PathBuf,
    /// The programs that fetch and store files by URL.
    pub plugins: Vec<Vec<PathBuf>>,
}

/// Why a helper cannot work.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("use the folder {folder}")]
    Folder {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
}

struct Helper {
    /// Where the startd listens, if it is to call for files.
    caller: Option<PathBuf>,
    sandboxes: Sandboxes,
    carrier: Carrier,
    work: mpsc::Sender<EngineInput>,
    sweeper: mpsc::Sender<Vec<PathBuf>>,
    /// What was read, by the number of who wants it.
    shown: mpsc::Sender<(u64, Shown)>,
    /// Questions that are not answered.
    asked: usize,
}

/// Does what the startd says until it goes, or has had nothing to say for a while.
///
/// # Errors
///
/// If the startd cannot be reached or the folder cannot be used.
pub async fn help(config: HelperConfig) -> Result<(), HelperError> {
    let folder = config.execute_dir.join(Uid::effective().to_string());
    let unusable = |source| HelperError::Folder { folder: folder.clone(), source };
    let connection = connect(&Address::unix(&config.startd), Role::Helper).await?;
    let programs = config.plugins.clone();
    let plugins = spawn_blocking(move || Plugins::find(&programs)).await;
    let plugins = plugins.map_err(|error| unusable(error.into()))?;
    let (work, done) = mpsc::channel(QUEUE);
    let sandboxes = sandboxes(&config, &folder, plugins).map_err(unusable)?;
    let carrier = Carrier::new(&folder, sandboxes.clone(), work.clone()).map_err(unusable)?;
    let (sweeper, all_swept) = start_sweeping(sandboxes.clone());
    let (shown, read) = mpsc::channel(QUEUE);
    let caller = config.is_far.then_some(config.startd);
    let helper = Helper { caller, sandboxes, carrier, work, sweeper, shown, asked: 0 };
    match helper.serve(connection, done, read).await? {
        // What is not removed then is when the user runs something again.
        Ended::Idle => drop(timeout(LAST_FOLDERS, all_swept).await),
        // The next startd has another helper, beside which this one must not go on.
        Ended::Gone => {}
    }
    Ok(())
}

/// Why a helper ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// There was nothing to do for a while.
    Idle,
    /// The startd is gone.
    Gone,
}

fn sandboxes(config: &HelperConfig, folder: &Path, plugins: Plugins) -> io::Result<Sandboxes> {
    let sandboxes = Sandboxes::of_users(folder, Arc::new(plugins))?;
    let groups = getgroups()?;
    Ok(sandboxes.calling(&config.schedd).asking(&config.startd).in_groups(groups))
}

impl Helper {
    async fn serve(
        mut self,
        connection: Connection,
        mut done: mpsc::Receiver<EngineInput>,
        mut read: mpsc::Receiver<(u64, Shown)>,
    ) -> Result<Ended, NetError> {
        let Connection { mut sender, mut receiver, .. } = connection;
        loop {
            let is_idle = self.asked == 0 && self.carrier.is_idle();
            tokio::select! {
                errand = receiver.recv::<Errand>() => match errand? {
                    Some(errand) => self.run(errand).await,
                    None => return Ok(Ended::Gone),
                },
                Some(input) = done.recv() => {
                    if let Some(said) = self.said(input) {
                        sender.send(&said).await?;
                    }
                }
                Some((number, shown)) = read.recv() => {
                    self.asked = self.asked.saturating_sub(1);
                    sender.send(&HelperSays::Read { number, shown }).await?;
                }
                () = sleep(IDLE), if is_idle => return Ok(Ended::Idle),
            }
        }
    }

    /// What there is to be said of work that is done.
    fn said(&mut self, input: EngineInput) -> Option<HelperSays> {
        match input {
            EngineInput::Core(Input::FromCarrier(report)) => Some(HelperSays::Carried(report)),
            EngineInput::Core(Input::DiskMeasured { used, took_ms }) => {
                self.asked = self.asked.saturating_sub(1);
                Some(HelperSays::Measured { used, took_ms })
            }
            other => {
                tracing::error!(?other, "this is nothing that a helper does");
                None
            }
        }
    }

    async fn run(&mut self, errand: Errand) {
        match errand {
            Errand::Keep(kept) => {
                self.carrier.sweep(&kept);
                match self.sandboxes.strays(&kept) {
                    Ok(folders) => self.sweep(folders).await,
                    Err(error) => tracing::warn!(%error, "cannot list the scratch folders"),
                }
            }
            Errand::BringIn(run) => self.bring_in(run).await,
            Errand::BringBack(over) => {
                let side = self.side(over.key);
                self.carrier.bring_back(over, side);
            }
            Errand::CutOff(key) => self.carrier.cut_off(key),
            Errand::LetGo(key) => self.carrier.let_go(key),
            Errand::CloseLog(closed) => {
                let ClosedLog { key, log, end, usage } = *closed;
                let log = RunLog::new(Some(&log), &self.sandboxes.path(key)).close(&end, &usage);
                log.into_iter().for_each(|log| self.carrier.bring_run_log(log));
            }
            Errand::Remove(keys) => {
                keys.iter().for_each(|key| self.carrier.forget(*key));
                let folders = keys.iter().map(|key| self.sandboxes.path(*key)).collect();
                self.sweep(folders).await;
            }
            Errand::Read { number, key, wanted } => {
                let (scratch, shown) = (self.sandboxes.path(key), self.shown.clone());
                self.asked += 1;
                spawn_blocking(move || {
                    // It is read by who has called us.
                    let _ = shown.blocking_send((number, tail::show(&scratch, &wanted)));
                });
            }
            Errand::Measure(keys) => {
                self.asked += 1;
                let folder = |key: &RunKey| (*key, self.sandboxes.path(*key));
                disk::measure(self.work.clone(), keys.iter().map(folder).collect());
            }
        }
    }

    /// A run whose files stay where they are needs its folder; for others the carrier makes it.
    async fn bring_in(&self, run: Box<StartProcess>) {
        let side = self.side(run.key);
        if run.freight.travels {
            return self.carrier.bring_in(run, side);
        }
        if let Err(failure) = self.sandboxes.prepare(&run) {
            let result = Box::new(Fetched::Failed(failure));
            let report = FromCarrier::BroughtIn { key: run.key, result };
            // It is read by who has called us.
            let _ = self.work.send(EngineInput::Core(Input::FromCarrier(report))).await;
            return;
        }
        self.carrier.bring_in(run, side);
    }

    /// Where the files of a run's submitter are.
    fn side(&self, key: RunKey) -> SubmitSide {
        let far = self.caller.clone().map(|startd| SubmitSide::Through { startd, key });
        far.unwrap_or(SubmitSide::Here)
    }

    async fn sweep(&self, folders: Vec<PathBuf>) {
        // Its thread ends when we do.
        let _ = self.sweeper.send(folders).await;
    }
}
